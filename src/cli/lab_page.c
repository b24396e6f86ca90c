/* cli/lab_page.c - demo.html: one file, nothing from elsewhere. */
#include <errno.h>
#include <string.h>

#include "cli/lab.h"

static const char head[] =
    "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
    "<title>Plait: one download, two links</title>\n<style>\n"
    ":root{color-scheme:light dark;--page:#fbfbf9;--card:#fff;--ink:#1b1c1e;--soft:#5d6066;"
    "--rule:#e6e6e1;--base:#b9bab6;--a:#2a72d4;--b:#d5661c;--c:#148a63;--bad:#c8322b;--good:#"
    "148a63;"
    "--dead:rgba(200,50,43,.08)}\n"
    "@media (prefers-color-scheme:dark){:root{--page:#141517;--card:#1c1e21;--ink:#ececea;"
    "--soft:#a2a6ad;--rule:#2d3034;--base:#55595f;--a:#5b9bf0;--b:#ee8a48;--c:#3bb88d;--bad:#"
    "f0716a;"
    "--good:#3bb88d;--dead:rgba(240,113,106,.12)}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--page);color:var(--ink);"
    "font:15px/1.5 system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}\n"
    "main{max-width:1020px;margin:0 auto;padding:28px 20px 48px}h1{font-size:24px;margin:0 0 4px;"
    "letter-spacing:-.01em}h2{font-size:16px;margin:30px 0 8px}p{margin:0 0 10px;max-width:78ch}"
    ".lead{color:var(--soft);margin-bottom:18px}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(180px,1fr));gap:12px;"
    "margin:0 0 16px}.tile,.card{background:var(--card);border:1px solid var(--rule);"
    "border-radius:10px}.tile{padding:12px 14px}.tile "
    "b{display:block;font-size:24px;font-weight:650;"
    "letter-spacing:-.01em;font-variant-numeric:tabular-nums}.tile span{display:block;"
    "color:var(--soft);font-size:13px}.good{color:var(--good)!important}"
    ".bad{color:var(--bad)!important}\n"
    ".card{padding:10px 8px 6px;position:relative;overflow-x:auto}svg{display:block;width:100%;"
    "min-width:680px;height:auto;"
    "touch-action:pan-y}svg text{font-size:12px;fill:var(--soft)}svg .name{font-weight:650}"
    "svg .event{fill:var(--bad);font-weight:600}.grid{stroke:var(--rule)}.base{stroke:var(--base)}"
    ".cap{stroke:var(--soft);stroke-dasharray:2 4;opacity:.7}.dead{fill:var(--dead)}"
    ".mark{stroke:var(--bad)}.gap{fill:var(--bad);opacity:.35}"
    ".cross{stroke:var(--ink);opacity:.5}\n"
    "svg .note{font-weight:400}svg .key-a{fill:var(--a)}svg .key-b{fill:var(--b)}"
    "svg .key-c{fill:var(--c)}.bold,.thin{fill:none;stroke-width:1.8;"
    "stroke-linejoin:round}.thin{stroke-width:1;opacity:.35}.line-a{stroke:var(--a)}.line-b{stroke:"
    "var(--b)}.line-c{stroke:var(--c)}"
    ".area-a{fill:var(--a);opacity:.16}.area-b{fill:var(--b);opacity:.16}"
    ".area-c{fill:var(--c);opacity:.14}.dot-a{fill:var(--a);stroke:var(--card);stroke-width:2}\n"
    "#tip{position:absolute;top:0;pointer-events:none;background:var(--card);"
    "border:1px solid var(--rule);border-radius:8px;padding:6px 10px;font-size:13px;"
    "font-variant-numeric:tabular-nums;box-shadow:0 4px 14px rgba(0,0,0,.15);white-space:pre}\n"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{text-align:left;"
    "padding:5px 22px 5px 0;border-bottom:1px solid var(--rule)}th{font-weight:600;"
    "color:var(--soft);font-size:13px}td.n,th.n{text-align:right}"
    "dt{font-weight:600;margin-top:8px}dd{margin:0;color:var(--soft);max-width:78ch}"
    "code{font:13px ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}\n"
    "</style>\n</head>\n<body>\n<main>\n";

static const char script[] =
    "<script>\n"
    "(function(){const svg=document.getElementById('chart'),cross=document.getElementById('cross'),"
    "tip=document.getElementById('tip'),s=chart.samples;if(!s.length)return;\n"
    "function hide(){cross.setAttribute('visibility','hidden');tip.hidden=true}\n"
    "function show(e){const r=svg.getBoundingClientRect(),k=svg.viewBox.baseVal.width/r.width,"
    "x=(e.clientX-r.left)*k,t=(x-chart.left)/chart.width*chart.seconds;"
    "if(t<0||t>chart.seconds){hide();return}let i=s.findIndex(p=>p[0]>=t);if(i<0)i=s.length-1;"
    "const p=s[i];cross.setAttribute('x1',x);cross.setAttribute('x2',x);"
    "cross.setAttribute('visibility','visible');tip.hidden=false;"
    "tip.textContent=p[0].toFixed(1)+' s\\nwlan0  '+p[1].toFixed(1)+' Mb/s\\nwwan0  '"
    "+p[2].toFixed(1)+' Mb/s\\nfile   '+p[3].toFixed(1)+' Mb/s';"
    "const w=tip.offsetWidth,px=e.clientX-r.left+8;"
    "tip.style.left=(px+w+24>r.width?px-w-16:px+16)+'px';tip.style.top='40px'}\n"
    "svg.addEventListener('pointermove',show);svg.addEventListener('pointerdown',show);"
    "svg.addEventListener('pointerleave',hide)})();\n</script>\n";

static const char *const client_words[] = {
    [LAB_PLAIT] = "<code>plait run -- curl</code>",
    [LAB_KERNEL] = "<code>mptcpize run curl</code>, the Linux kernel's own MPTCP client",
    [LAB_TCP] = "<code>curl</code> on plain TCP, which has one link only",
};

/* ---- parts ---- */

static void write_lead(FILE *out, const struct lab *lab) {
    fprintf(out,
            "<h1>One download, two links, one of them dies</h1>\n<p class=\"lead\">%.0f MB from "
            "%s to %s. wlan0 has %u Mb/s and %u ms each way, wwan0 has %u Mb/s and %u ms. After a "
            "third of the file wlan0 swallows every packet, with its carrier still up, and after "
            "two thirds it works again.</p>\n",
            (double)lab->options.bytes / 1e6, lab->server.peer, client_words[lab->options.client],
            lab_links[LAB_WLAN].mbps, lab_links[LAB_WLAN].delay_ms, lab_links[LAB_WWAN].mbps,
            lab_links[LAB_WWAN].delay_ms);
}

static void write_tile(FILE *out, const struct lab_target *t) {
    bool met = lab_target_met(t);
    fprintf(out, "<div class=\"tile\"><span>%s</span>", t->what);
    if (t->value >= 0) {
        fprintf(out, "<b>%.*f %s</b>", t->decimals, t->value, t->unit);
    } else {
        fprintf(out, "<b>&#8211;</b>");
    }
    const char *mark = t->value < 0 ? "not measured;" : met ? "&#10003;" : "&#10007; missed,";
    fprintf(out, "<span class=\"%s\">%s target: %s %.*f %s</span></div>\n", met ? "good" : "bad",
            mark, t->at_least ? "at least" : "at most", t->decimals, t->limit, t->unit);
}

static void write_tiles(FILE *out, const struct lab *lab) {
    const struct lab_result *result = &lab->result;
    fprintf(out,
            "<div class=\"tiles\">\n<div class=\"tile\"><span>the file</span><b class=\"%s\">%s</b>"
            "<span>%.1f MB in %.1f s, SHA-256 %s</span></div>\n",
            result->ok ? "good" : "bad", result->ok ? "&#10003; intact" : "&#10007; not intact",
            (double)lab->measure.last.file_bytes / 1e6, result->seconds,
            result->sha256_ok ? "identical" : "different");
    for (unsigned i = 0; i < LAB_TARGETS; i++) {
        write_tile(out, &result->targets[i]);
    }
    fprintf(out, "</div>\n");
}

static void write_links(FILE *out, const struct lab_measure *m) {
    fprintf(out,
            "<h2>Links</h2>\n<table><tr><th>link</th><th class=\"n\">rate</th><th class=\"n\">"
            "delay, one way</th><th class=\"n\">delivered to the phone</th></tr>\n");
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        fprintf(out,
                "<tr><td>%s</td><td class=\"n\">%u Mb/s</td><td class=\"n\">%u ms</td>"
                "<td class=\"n\">%.1f MB</td></tr>\n",
                lab_links[i].name, lab_links[i].mbps, lab_links[i].delay_ms,
                (double)m->last.link_bytes[i] / 1e6);
    }
    fprintf(out, "</table>\n");
}

static void write_row(FILE *out, const char *what, double value, const char *unit) {
    fprintf(out, "<tr><td>%s</td><td class=\"n\">", what);
    if (value < 0) {
        fprintf(out, "&#8211;</td></tr>\n");
    } else {
        fprintf(out, "%.*f %s</td></tr>\n", unit[0] == 'm' ? 0 : 1, value, unit);
    }
}

static void write_figures(FILE *out, const struct lab *lab) {
    const struct lab_measure *m = &lab->measure;
    fprintf(out, "<h2>Figures</h2>\n<table>\n");
    write_row(out, "sum of the links", lab_measure_sum_mbps(), "Mb/s");
    write_row(out, "what headers leave of it for payload", lab_measure_payload_mbps(), "Mb/s");
    write_row(out, "both links up, before the outage", lab_measure_window_mbps(&m->before), "Mb/s");
    write_row(out, "while wlan0 was dead", lab_measure_outage_mbps(m), "Mb/s");
    write_row(out, "both links up, after the return", lab_measure_window_mbps(&m->after), "Mb/s");
    write_row(out, "carried by the links while both were up, headers included",
              lab_measure_carried_mbps(m), "Mb/s");
    write_row(out, "return to 80 % of wlan0's rate", lab_measure_full_ms(m), "ms");
    fprintf(out, "</table>\n");
}

static void write_definitions(FILE *out, const struct lab *lab) {
    const struct lab_witness *witness = &lab->result.witness;
    fprintf(out,
            "<h2>What is measured, and how</h2>\n<dl>\n"
            "<dt>both links up</dt><dd>Bytes of the file per time, from %g s after its first byte "
            "to the outage and from %g s after the return to its last byte, taken together. The "
            "target is 92 %% of what is left of the links' rates when every packet has 1500 bytes, "
            "72 of them headers (IP 20, TCP 20, time stamps 12, MPTCP's DSS 20). Bytes that had "
            "waited for a hole to be filled would count here, so the figure is at most the payload "
            "of what the links carried meanwhile.</dd>\n"
            "<dt>longest gap</dt><dd>The longest time in which the file on disk did not grow, over "
            "the whole download, looked at every 4 ms.</dd>\n"
            "<dt>wlan0 used again after</dt><dd>From the return of the link to the first packet "
            "with payload that it delivers.</dd>\n"
            "<dt>bytes of links</dt><dd>Whole IP packets, as the link emulator delivered them to "
            "the phone; nothing the client says is used.</dd>\n"
            "<dt>second witness</dt><dd>The server's kernel counted %llu MPTCP connections opened, "
            "%llu subflows joined and %llu fallbacks to TCP "
            "(<code>MPCapableSYNRX, MPJoinAckRx</code>).</dd>\n"
            "<dt>SHA-256</dt><dd><code>%s</code></dd>\n</dl>\n",
            LAB_SKIP_MS / 1000.0, LAB_SETTLE_MS / 1000.0, (unsigned long long)witness->capable,
            (unsigned long long)witness->joins, (unsigned long long)witness->fallbacks,
            lab->result.digest);
}

static void write_page(FILE *out, const struct lab *lab) {
    fputs(head, out);
    write_lead(out, lab);
    write_tiles(out, lab);
    fprintf(out, "<div class=\"card\">\n");
    lab_chart_write(out, &lab->measure);
    fprintf(out, "<div id=\"tip\" hidden></div>\n</div>\n");
    write_links(out, &lab->measure);
    write_figures(out, lab);
    write_definitions(out, lab);
    fputs(script, out);
    fprintf(out, "</main>\n</body>\n</html>\n");
}

bool lab_page_write(const struct lab *lab) {
    char path[600];
    snprintf(path, sizeof(path), "%.500s/demo.html", lab->options.out);
    FILE *out = fopen(path, "we");
    if (out == NULL) {
        cli_say("cannot write %s: %s", path, strerror(errno));
        return false;
    }
    write_page(out, lab);
    bool written = ferror(out) == 0;
    written &= fclose(out) == 0;
    if (!written) {
        cli_say("cannot write %s: %s", path, strerror(errno));
    }
    return written;
}
