/* cli/relay_nat.c - the instance's nftables table, always written and replaced as a whole.
 *
 * It does three things. What comes out of a link's device may leave by that link only, whatever
 * the routing tables say; nothing of the program's TCP may leave past the stack; and what leaves is
 * masqueraded. Where a link was no router before, it does not become one for its neighbours: what
 * comes in by it is forwarded to devices of Plait only, and there only as an answer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/relay.h"
#include "port/command.h"
#include "wire/addr.h"

/* Names go into nftables' language between quotes, where an asterisk at the end is a pattern. */
bool relay_nat_takes_name(const char *name) {
    bool takes = strpbrk(name, "\"\\*") == NULL;
    if (!takes) {
        cli_say("%s: an interface of this name cannot be used", name);
    }
    return takes;
}

static void prerouting(FILE *out, const struct relay *relay, const char *uplink) {
    char ours[2][24];
    snprintf(ours[0], sizeof(ours[0]), "%s", uplink);
    snprintf(ours[1], sizeof(ours[1]), "plait%u_*", relay->plan.instance);
    fprintf(out, " chain early {\n  type filter hook prerouting priority -300; policy accept;\n");
    fprintf(out, "  iifname \"%s\" meta l4proto tcp drop\n", uplink);
    for (unsigned i = 0; i < 2; i++) {
        fprintf(out, "  iifname \"%s\" ip daddr 127.0.0.0/8 drop\n", ours[i]);
    }
    fprintf(out, " }\n");
    if (relay->inner.resolv.loopback[0] == '\0') {
        return;
    }
    char host[PL_ADDR_TEXT];
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_UPLINK);
    pl_addr_format(&ends.host4, host);
    fprintf(out, " chain resolver {\n  type nat hook prerouting priority -100; policy accept;\n");
    for (unsigned i = 0; i < 2; i++) {
        const char *protocol = i == 0 ? "udp" : "tcp";
        fprintf(out, "  iifname \"%s\" ip daddr %s %s dport 53 dnat ip to %s:53\n", ours[i], host,
                protocol, relay->inner.resolv.loopback);
    }
    fprintf(out, " }\n");
}

/* ---- the service ---- */

/* What comes in by a link for the service goes to the stack. It keeps its TCP port; its address is
 * put back into the answers by the kernel, which remembers. */
static void lead_in(FILE *out, const struct relay *relay, const struct relay_link *link,
                    uint8_t family) {
    const struct relay_service *service = &relay->options.service;
    struct relay_ends ends = relay_plan_ends(&relay->plan, link->slot);
    bool six = family == PLAIT_IPV6;
    const char *ip = six ? "ip6" : "ip";
    char stack[PL_ADDR_TEXT], only[PL_ADDR_TEXT];
    if (service->addr.family != PLAIT_FAMILY_NONE && service->addr.family != family) {
        return;
    }
    pl_addr_format(six ? &ends.far6 : &ends.far4, stack);
    pl_addr_format(&service->addr, only);
    fprintf(out, "  iifname \"%s\" meta nfproto ipv%c ", link->name, six ? '6' : '4');
    if (service->addr.family == PLAIT_FAMILY_NONE) {
        fprintf(out, "fib daddr type local");
    } else {
        fprintf(out, "%s daddr %s", ip, only);
    }
    fprintf(out, " tcp dport %u dnat %s to %s\n", service->port, ip, stack);
}

/* What the stack sends to the address of its own device goes to the service. */
static void lead_on(FILE *out, const struct relay *relay) {
    const struct plait_endpoint *to = &relay->options.service.to;
    struct relay_ends ends = relay_plan_ends(&relay->plan, RELAY_SLOT_SERVICE);
    bool six = to->addr.family == PLAIT_IPV6;
    const char *ip = six ? "ip6" : "ip";
    char device[16], host[PL_ADDR_TEXT], service[PL_ADDR_TEXT];
    if (relay_has_program(&relay->options)) {
        return;
    }
    relay_plan_name(relay->plan.instance, RELAY_SLOT_SERVICE, device);
    pl_addr_format(six ? &ends.host6 : &ends.host4, host);
    pl_addr_format(&to->addr, service);
    fprintf(out, "  iifname \"%s\" %s daddr %s tcp dport %u dnat %s to %s\n", device, ip, host,
            to->port, ip, service);
}

static void serve(FILE *out, const struct relay *relay) {
    if (!relay_serves(&relay->options)) {
        return;
    }
    fprintf(out, " chain serve {\n  type nat hook prerouting priority -100; policy accept;\n");
    for (unsigned i = 0; i < relay->links.count; i++) {
        lead_in(out, relay, &relay->links.link[i], PLAIT_IPV4);
        lead_in(out, relay, &relay->links.link[i], PLAIT_IPV6);
    }
    lead_on(out, relay);
    fprintf(out, " }\n");
}

/* Clients may come through; behind the interface of a service elsewhere nobody else may. */
static void forward_service(FILE *out, const struct relay *relay) {
    const struct relay_link *way = &relay->service_way;
    char device[16];
    for (unsigned i = 0; i < relay->links.count && relay_serves(&relay->options); i++) {
        const struct relay_link *link = &relay->links.link[i];
        relay_plan_name(relay->plan.instance, link->slot, device);
        fprintf(out, "  iifname \"%s\" oifname \"%s\" ct status dnat accept\n", link->name, device);
    }
    for (unsigned i = 0; i < 2 && way->name[0] != '\0'; i++) {
        if (!way->was_forwarding[i]) {
            fprintf(out, "  meta nfproto ipv%c iifname \"%s\" oifname != \"plait*\" drop\n",
                    i == 0 ? '4' : '6', way->name);
        }
    }
}

/* ---- what passes through ---- */

static void forward_link(FILE *out, const struct relay *relay, const struct relay_link *link,
                         const char *uplink) {
    static const char *const families[] = {"ipv4", "ipv6"};
    char device[16];
    relay_plan_name(relay->plan.instance, link->slot, device);
    fprintf(out, "  iifname \"%s\" oifname != \"%s\" drop\n", device, link->name);
    fprintf(out, "  oifname \"%s\" iifname != \"%s\" drop\n", device, link->name);
    fprintf(
        out,
        "  iifname \"%s\" oifname { \"%s\", \"%s\" } ct state != { established, related } drop\n",
        link->name, device, uplink);
    for (unsigned i = 0; i < 2; i++) {
        if (!link->was_forwarding[i]) {
            fprintf(out, "  meta nfproto %s iifname \"%s\" oifname != \"plait*\" drop\n",
                    families[i], link->name);
        }
    }
}

static void forward(FILE *out, const struct relay *relay, const char *uplink) {
    fprintf(out, " chain through {\n  type filter hook forward priority 0; policy accept;\n");
    forward_service(out, relay);
    for (unsigned i = 0; i < relay->links.count; i++) {
        forward_link(out, relay, &relay->links.link[i], uplink);
    }
    if (relay->links.guard6) {
        fprintf(out, "  meta nfproto ipv6 iifname != \"plait*\" oifname != \"plait*\" drop\n");
    }
    fprintf(out, "  iifname \"%s\" oifname != {", uplink);
    for (unsigned i = 0; i < relay->links.count; i++) {
        fprintf(out, "%s \"%s\"", i > 0 ? "," : "", relay->links.link[i].name);
    }
    fprintf(out, " } drop\n }\n");
}

static void postrouting(FILE *out, const struct relay *relay) {
    char four[PL_ADDR_TEXT], six[PL_ADDR_TEXT];
    fprintf(out, " chain late {\n  type nat hook postrouting priority 100; policy accept;\n");
    struct relay_ends block = relay_plan_ends(&relay->plan, 0);
    block.far4.bytes[3] = 0;
    block.far6.bytes[15] = 0;
    pl_addr_format(&block.far4, four);
    pl_addr_format(&block.far6, six);
    for (unsigned i = 0; i < relay->links.count; i++) {
        const char *name = relay->links.link[i].name;
        fprintf(out, "  ip saddr %s/%d oifname \"%s\" masquerade\n", four, RELAY_BLOCK4, name);
        fprintf(out, "  ip6 saddr %s/%d oifname \"%s\" masquerade\n", six, RELAY_BLOCK6, name);
    }
    if (relay->service_way.name[0] != '\0') {
        fprintf(out, "  ip saddr %s/%d oifname != \"plait*\" masquerade\n", four, RELAY_BLOCK4);
        fprintf(out, "  ip6 saddr %s/%d oifname != \"plait*\" masquerade\n", six, RELAY_BLOCK6);
    }
    fprintf(out, " }\n");
}

/* Another table may drop what is forwarded, and no rule of ours can overrule it. Says so once. */
static void warn_of_drops(struct relay *relay, char *chains) {
    const char *table = "", *chain = "";
    for (char *line = strtok_r(chains, "\n", &chains); line != NULL && !relay->links.warned;
         line = strtok_r(NULL, "\n", &chains)) {
        line += strspn(line, " \t");
        if (strncmp(line, "table ", 6) == 0) {
            table = line + 6;
        } else if (strncmp(line, "chain ", 6) == 0) {
            chain = line + 6;
        } else if (strstr(line, "hook forward") != NULL && strstr(line, "policy drop") != NULL) {
            cli_say(
                "the firewall (table %.*s, chain %.*s) drops what it does not know: if nothing "
                "connects, let it forward from and to the interfaces plait*",
                (int)strcspn(table, "{") - 1, table, (int)strcspn(chain, "{") - 1, chain);
            relay->links.warned = true;
        }
    }
}

/* Runs nft with a script; `output` is what it printed. */
static bool run_nft(const char *script, char *output, size_t size) {
    const char *const argv[] = {"nft", "-f", "-", NULL};
    int result = pl_command_run(argv, script, output, size);
    if (result != 0) {
        output[strcspn(output, "\n")] = '\0';
        cli_say("cannot load the nftables rules: %s",
                result == -ENOENT ? "there is no nft program (package nftables)" : output);
    }
    return result == 0;
}

bool relay_nat_load(struct relay *relay) {
    static char output[65536];
    char *text = NULL, uplink[16], table[24];
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (out == NULL) {
        cli_say("out of memory");
        return false;
    }
    relay_plan_name(relay->plan.instance, RELAY_SLOT_UPLINK, uplink);
    relay_plan_nft_table(relay->plan.instance, table);
    /* One transaction: there is never a moment without the rules. */
    fprintf(out, "table inet %s {\n}\ndelete table inet %s\ntable inet %s {\n", table, table,
            table);
    prerouting(out, relay, uplink);
    serve(out, relay);
    forward(out, relay, uplink);
    postrouting(out, relay);
    fprintf(out, "}\nlist chains\n");
    fclose(out);
    bool loaded = run_nft(text, output, sizeof(output));
    free(text);
    if (loaded) {
        warn_of_drops(relay, output);
    }
    return loaded;
}
