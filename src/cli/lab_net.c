/* cli/lab_net.c - the links of the demo, and the addresses at their ends.
 *
 *     phone                                        server
 *       wlan0 10.81.1.2  ---- 20 Mb/s, 10 ms ----  10.81.1.1 wlan0
 *       wwan0 10.81.2.2  ---- 10 Mb/s, 30 ms ----  10.81.2.1 wwan0    10.81.9.1
 */
#include <string.h>

#include "cli/lab.h"
#include "port/command.h"
#include "port/netns.h"

static void link_config(unsigned link, bool dead, struct pl_link_config *config) {
    const struct lab_link *l = &lab_links[link];
    pl_link_config_init(config);
    config->rate_bps = l->mbps * UINT64_C(1000000);
    config->delay_ns = l->delay_ms * PLAIT_NS_PER_MS;
    config->limit_packets = 0;
    config->limit_bytes = config->rate_bps / 8000 * l->queue_ms;
    config->down = dead;
}

/* ---- the ends ---- */

static bool address_ends(const struct lab_site *site) {
    char phone[512] = "link set lo up\n", server[512];
    size_t p = strlen(phone), s = 0;
    s += (size_t)snprintf(server, sizeof(server), "link set lo up\naddr add %s/32 dev lo\n",
                          LAB_SERVER_ADDRESS);
    for (unsigned i = 0; i < LAB_LINKS; i++) {
        const struct lab_link *l = &lab_links[i];
        /* No link-local addresses: the links carry nothing but the download. */
        p += (size_t)snprintf(phone + p, sizeof(phone) - p,
                              "link set %s addrgenmode none mtu 1500\naddr add %s.2/24 dev %s\n"
                              "link set %s up\nroute add default via %s.1 dev %s metric %u\n",
                              l->name, l->subnet, l->name, l->name, l->subnet, l->name, l->metric);
        s += (size_t)snprintf(server + s, sizeof(server) - s,
                              "link set %s addrgenmode none mtu 1500\naddr add %s.1/24 dev %s\n"
                              "link set %s up\n",
                              l->name, l->subnet, l->name, l->name);
    }
    return lab_site_ip(site, LAB_PHONE, phone) && lab_site_ip(site, LAB_SERVER, server);
}

bool lab_net_needs_mptcp(const struct lab_options *options) {
    return options->client == LAB_KERNEL || options->server == LAB_BY_KERNEL;
}

/* Linux's own default in place of the machine's, where that may be changed. */
static bool settle_kernel(const struct lab_site *site, unsigned end, bool mptcp) {
    int previous = pl_netns_enter(site->ns[end]);
    if (pl_netns_failed(previous)) {
        return false;
    }
    (void)!pl_sysctl_write("net/ipv4/tcp_congestion_control", "cubic");
    int result = mptcp ? pl_sysctl_write("net/mptcp/enabled", "1") : 0;
    pl_netns_leave(previous);
    if (result < 0) {
        cli_say("cannot enable the kernel's MPTCP: %s", strerror(-result));
    }
    return result == 0 &&
           (!mptcp || lab_site_ip(site, end, "mptcp limits set subflows 8 add_addr_accepted 8\n"));
}

/* ---- the links ---- */

static bool add_link(struct lab_net *net, const struct lab_site *site, unsigned link) {
    struct pl_link_config config;
    int fds[LAB_ENDS];
    link_config(link, false, &config);
    fds[LAB_PHONE] = pl_emulator_tun(lab_links[link].name, site->ns[LAB_PHONE], NULL);
    if (fds[LAB_PHONE] < 0) {
        cli_say("cannot make a TUN device: %s", strerror(-fds[LAB_PHONE]));
        return false;
    }
    fds[LAB_SERVER] = pl_emulator_tun(lab_links[link].name, site->ns[LAB_SERVER], NULL);
    if (fds[LAB_SERVER] < 0) {
        cli_say("cannot make a TUN device: %s", strerror(-fds[LAB_SERVER]));
        close(fds[LAB_PHONE]);
        return false;
    }
    /* UP is what the phone sends. */
    int result = pl_emulator_add(net->emulator, fds, &config, &config, link, &net->links[link]);
    if (result < 0) {
        cli_say("cannot emulate %s: error %d", lab_links[link].name, result);
    }
    return result == 0;
}

bool lab_net_begin(struct lab_net *net, const struct lab_site *site, uv_loop_t *uv,
                   const struct lab_options *options) {
    bool mptcp = lab_net_needs_mptcp(options);
    memset(net, 0, sizeof(*net));
    if (pl_posix_env_init(&net->posix) < 0) {
        cli_say("libcrypto has no SHA-256");
        memset(net, 0, sizeof(*net));
        return false;
    }
    if (pl_emulator_create(&net->emulator, uv, &net->posix.env) < 0) {
        cli_say("cannot start the link emulator");
        lab_net_free(net);
        return false;
    }
    bool made = settle_kernel(site, LAB_PHONE, mptcp) && settle_kernel(site, LAB_SERVER, mptcp);
    for (unsigned i = 0; made && i < LAB_LINKS; i++) {
        made = add_link(net, site, i);
    }
    made = made && address_ends(site);
    return made;
}

void lab_net_dead(struct lab_net *net, unsigned link, bool dead) {
    struct pl_link_config config;
    link_config(link, dead, &config);
    for (unsigned d = 0; d < PL_EMULATOR_DIRECTIONS; d++) {
        int result = pl_emulator_set(net->links[link], d, &config);
        PL_ASSERT(result == 0); /* the same settings were accepted before */
    }
}

void lab_net_read(struct lab_net *net, unsigned link, uint64_t *packets, uint64_t *bytes) {
    struct pl_emulator_stats stats;
    pl_emulator_stats(net->links[link], PL_EMULATOR_DOWN, &stats);
    *packets = stats.link.out_packets;
    *bytes = stats.link.out_bytes;
}

void lab_net_end(struct lab_net *net) {
    pl_emulator_destroy(net->emulator);
    net->emulator = NULL;
}

void lab_net_free(struct lab_net *net) {
    if (net->posix.env.alloc != NULL) {
        pl_posix_env_fini(&net->posix);
        memset(net, 0, sizeof(*net));
    }
}
