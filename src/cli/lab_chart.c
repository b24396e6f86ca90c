/* cli/lab_chart.c - the charts of demo.html, as SVG.
 *
 * One strip per link and one for what the program got, below each other on one time axis and with
 * one scale of height for all, so that the strips of the links add up to the third. Colours are
 * CSS variables of the page. */
#include "cli/lab.h"

enum {
    WIDTH = 960,
    LEFT = 44,
    RIGHT = 14,
    TOP = 44,
    MARK_TOP = 4,
    STRIP_GAP = 34,
    AXIS = 26,
    MBPS_PIXELS = 5,
    STRIPS = LAB_LINKS + 1,
    MEAN_REACH = 5, /* samples on each side */
};

struct strip {
    const char *name, *text, *css;
    unsigned top, height, capacity, max_mbps, step_mbps;
};

struct chart {
    const struct lab_measure *m;
    double seconds; /* of the whole axis */
    unsigned bottom;
    struct strip strips[STRIPS];
};

static double x_of(const struct chart *chart, double seconds) {
    return LEFT + (WIDTH - LEFT - RIGHT) * seconds / chart->seconds;
}

static double x_of_ns(const struct chart *chart, uint64_t ns) {
    return x_of(chart, (double)ns / 1e9);
}

static double y_of(const struct strip *strip, double mbps) {
    double top = mbps < strip->max_mbps ? mbps : strip->max_mbps;
    return strip->top + strip->height - top * MBPS_PIXELS;
}

static void plan(struct chart *chart, const struct lab_measure *m) {
    static const char *const css[STRIPS] = {"a", "b", "c"};
    const struct lab_point *last = &m->samples[m->sample_count - 1];
    unsigned top = TOP;
    chart->m = m;
    chart->seconds = (double)last->at_ns / 1e9;
    chart->seconds = chart->seconds > 1 ? chart->seconds : 1;
    for (unsigned i = 0; i < STRIPS; i++) {
        struct strip *strip = &chart->strips[i];
        bool link = i < LAB_LINKS;
        strip->css = css[i];
        strip->name = link ? lab_links[i].name : "file";
        strip->text = link ? "whole packets, by the link's own count"
                           : "what curl has written (bold: mean over 1.1 s)";
        strip->capacity = link ? lab_links[i].mbps : (unsigned)lab_measure_sum_mbps();
        strip->max_mbps = strip->capacity + (link ? 3 : 8);
        strip->step_mbps = 10;
        strip->height = strip->max_mbps * MBPS_PIXELS;
        strip->top = top;
        top += strip->height + STRIP_GAP;
    }
    chart->bottom = top - STRIP_GAP;
}

/* ---- a strip ---- */

static void write_grid(FILE *out, const struct strip *strip) {
    for (unsigned mbps = 0; mbps <= strip->max_mbps; mbps += strip->step_mbps) {
        double y = y_of(strip, mbps);
        fprintf(out, "<line class=\"%s\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n",
                mbps == 0 ? "base" : "grid", LEFT, WIDTH - RIGHT, y, y);
        fprintf(out, "<text class=\"tick\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%u</text>\n",
                LEFT - 7, y + 4, mbps);
    }
    double y = y_of(strip, strip->capacity);
    fprintf(out, "<line class=\"cap\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>\n", LEFT,
            WIDTH - RIGHT, y, y);
    fprintf(out,
            "<text class=\"name\" x=\"%d\" y=\"%d\"><tspan class=\"key-%s\">%s</tspan> "
            "<tspan class=\"note\">Mb/s &#183; %s</tspan></text>\n",
            LEFT, (int)strip->top - 8, strip->css, strip->name, strip->text);
}

/* Mean rate over the samples around samples[i], `reach` of them on each side. */
static double mean_mbps(const struct lab_measure *m, unsigned series, unsigned i, unsigned reach) {
    unsigned from = i > reach ? i - reach : 1;
    unsigned to = i + reach < m->sample_count ? i + reach : m->sample_count - 1;
    double sum = 0;
    for (unsigned k = from; k <= to; k++) {
        sum += lab_measure_sample_mbps(m, series, k);
    }
    return sum / (to - from + 1);
}

/* A sample stands at the middle of its time. */
static void write_points(FILE *out, const struct chart *chart, unsigned series, unsigned reach) {
    const struct lab_measure *m = chart->m;
    for (unsigned i = 1; i < m->sample_count; i++) {
        uint64_t middle_ns = (m->samples[i - 1].at_ns + m->samples[i].at_ns) / 2;
        fprintf(out, "%s%.1f %.1f", i > 1 ? "L" : "", x_of_ns(chart, middle_ns),
                y_of(&chart->strips[series], mean_mbps(m, series, i, reach)));
    }
}

static void write_line(FILE *out, const struct chart *chart, unsigned series, unsigned reach,
                       const char *class) {
    fprintf(out, "<path class=\"%s line-%s\" d=\"M", class, chart->strips[series].css);
    write_points(out, chart, series, reach);
    fprintf(out, "\"/>\n");
}

/* The file arrives in bursts, whenever a hole is filled: its line is a mean, the samples are thin.
 */
static void write_series(FILE *out, const struct chart *chart, unsigned series) {
    const struct strip *strip = &chart->strips[series];
    unsigned base = strip->top + strip->height;
    unsigned reach = series < LAB_LINKS ? 0 : MEAN_REACH;
    if (chart->m->sample_count < 2) {
        return;
    }
    fprintf(out, "<path class=\"area-%s\" d=\"M%d %uL", strip->css, LEFT, base);
    write_points(out, chart, series, reach);
    fprintf(out, "L%.1f %uZ\"/>\n", x_of(chart, chart->seconds), base);
    if (reach > 0) {
        write_line(out, chart, series, 0, "thin");
    }
    write_line(out, chart, series, reach, "bold");
}

/* ---- what happened ---- */

static void write_outage(FILE *out, const struct chart *chart) {
    const struct lab_measure *m = chart->m;
    if (m->dead_ns == 0) {
        return;
    }
    double from = x_of_ns(chart, m->dead_ns);
    double to = m->back_ns != 0 ? x_of_ns(chart, m->back_ns) : x_of(chart, chart->seconds);
    fprintf(out, "<rect class=\"dead\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%u\"/>\n", from,
            MARK_TOP, to - from, chart->bottom - MARK_TOP);
    fprintf(out,
            "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"%u\"/>\n"
            "<text class=\"event\" x=\"%.1f\" y=\"17\">wlan0 goes dead, silently</text>\n",
            from, from, chart->bottom, from + 6);
    if (m->back_ns != 0) {
        fprintf(out,
                "<line class=\"mark\" x1=\"%.1f\" x2=\"%.1f\" y1=\"4\" y2=\"%u\"/>\n"
                "<text class=\"event\" x=\"%.1f\" y=\"17\">it is back</text>\n",
                to, to, chart->bottom, to + 6);
    }
}

static void write_notes(FILE *out, const struct chart *chart) {
    const struct lab_measure *m = chart->m;
    const struct strip *wlan = &chart->strips[LAB_WLAN], *file = &chart->strips[LAB_LINKS];
    if (m->payload_ns != 0) {
        double x = x_of_ns(chart, m->payload_ns);
        double y = wlan->top + wlan->height;
        bool left = x > WIDTH - 150;
        fprintf(out,
                "<circle class=\"dot-a\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n"
                "<text class=\"note\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">first payload "
                "after %.0f ms</text>\n",
                x, y, left ? x - 8 : x + 4, y + 16, left ? "end" : "start",
                lab_measure_returned_ms(m));
    }
    if (m->gap_ns_max > 0) {
        double from = x_of_ns(chart, m->gap_at_ns);
        double to = x_of_ns(chart, m->gap_at_ns + m->gap_ns_max);
        double y = file->top + 3;
        fprintf(out,
                "<rect class=\"gap\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%u\"/>\n"
                "<text class=\"note\" x=\"%.1f\" y=\"%.1f\">longest gap: %.0f ms</text>\n",
                from, y, to - from > 2 ? to - from : 2, file->height - 3, to + 5, y + 11,
                lab_measure_gap_ms(m));
    }
}

static void write_axis(FILE *out, const struct chart *chart) {
    int step = chart->seconds > 60 ? 10 : chart->seconds > 16 ? 5 : 2;
    for (int s = 0; s <= (int)chart->seconds; s += step) {
        fprintf(out,
                "<text class=\"tick\" x=\"%.1f\" y=\"%u\" text-anchor=\"middle\">%d%s</text>\n",
                x_of(chart, s), chart->bottom + 18, s, s == 0 ? " s" : "");
    }
}

/* For the pointer: the page's script reads the figures here. */
static void write_data(FILE *out, const struct chart *chart) {
    const struct lab_measure *m = chart->m;
    fprintf(out, "<script>const chart={left:%d,width:%d,seconds:%.4f,samples:[", LEFT,
            WIDTH - LEFT - RIGHT, chart->seconds);
    for (unsigned i = 1; i < m->sample_count; i++) {
        fprintf(out, "[%.2f", (double)m->samples[i].at_ns / 1e9);
        for (unsigned k = 0; k < STRIPS; k++) {
            fprintf(out, ",%.1f", lab_measure_sample_mbps(m, k, i));
        }
        fprintf(out, "],%s", i % 8 == 0 ? "\n" : "");
    }
    fprintf(out, "]};</script>\n");
}

void lab_chart_write(FILE *out, const struct lab_measure *measure) {
    struct chart chart;
    plan(&chart, measure);
    fprintf(out,
            "<svg id=\"chart\" viewBox=\"0 0 %d %u\" role=\"img\" aria-label=\"Throughput of "
            "wlan0, of wwan0 and of the file over time\">\n",
            WIDTH, chart.bottom + AXIS);
    for (unsigned i = 0; i < STRIPS; i++) {
        write_grid(out, &chart.strips[i]);
    }
    write_outage(out, &chart);
    for (unsigned i = 0; i < STRIPS; i++) {
        write_series(out, &chart, i);
    }
    write_notes(out, &chart);
    write_axis(out, &chart);
    fprintf(out, "<line id=\"cross\" class=\"cross\" y1=\"%d\" y2=\"%u\" visibility=\"hidden\"/>\n",
            TOP, chart.bottom);
    fprintf(out, "</svg>\n");
    write_data(out, &chart);
}
