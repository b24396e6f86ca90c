/* port/netconf.c - rtnetlink requests, one at a time and acknowledged. */
#include "port/netconf.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/assert.h"
#include "port/netns.h"

enum { BUFFER_BYTES = 32768, FLUSH_MAX = 1024 };
static_assert((int)RTA_TABLE == (int)FRA_TABLE, "routes and rules name their table alike");
static_assert(sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr), "and have headers of one size");

struct pl_netconf {
    struct mnl_socket *socket;
    uint32_t seq;
    char buffer[BUFFER_BYTES];
};

int pl_netconf_open(struct pl_netconf **out, int ns) {
    struct pl_netconf *conf = calloc(1, sizeof(*conf));
    if (conf == NULL) {
        return -ENOMEM;
    }
    int previous = pl_netns_enter(ns);
    int result = pl_netns_failed(previous) ? previous : 0;
    if (result == 0) {
        conf->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
        if (conf->socket == NULL || mnl_socket_bind(conf->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
            result = -errno;
        }
        pl_netns_leave(previous);
    }
    if (result < 0) {
        pl_netconf_close(conf);
        return result;
    }
    *out = conf;
    return 0;
}

void pl_netconf_close(struct pl_netconf *conf) {
    if (conf == NULL) {
        return;
    }
    if (conf->socket != NULL) {
        mnl_socket_close(conf->socket);
    }
    free(conf);
}

/* ---- building and sending ---- */

/* Starts a request with a zeroed family header of `size` bytes, which is returned. */
static void *start(struct pl_netconf *conf, uint16_t type, unsigned flags, size_t size) {
    struct nlmsghdr *message = mnl_nlmsg_put_header(conf->buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
    message->nlmsg_seq = ++conf->seq;
    return mnl_nlmsg_put_extra_header(message, size);
}

static struct nlmsghdr *message_of(struct pl_netconf *conf) {
    return (struct nlmsghdr *)conf->buffer;
}

/* Sends the request and runs `callback` on the answers. */
static int talk(struct pl_netconf *conf, mnl_cb_t callback, void *data) {
    struct nlmsghdr *message = message_of(conf);
    unsigned port = mnl_socket_get_portid(conf->socket);
    int result = MNL_CB_OK;
    if (mnl_socket_sendto(conf->socket, message, message->nlmsg_len) < 0) {
        return -errno;
    }
    while (result > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(conf->socket, conf->buffer, sizeof(conf->buffer));
        if (n <= 0) {
            return n < 0 ? -errno : -EPIPE;
        }
        result = mnl_cb_run(conf->buffer, (size_t)n, conf->seq, port, callback, data);
    }
    if (result < 0) {
        result = -errno;
        /* What is left of a dump that failed half-way would answer the next request. */
        int fd = mnl_socket_get_fd(conf->socket);
        while (recv(fd, conf->buffer, sizeof(conf->buffer), MSG_DONTWAIT) > 0) {
        }
    }
    return result;
}

static int acknowledge(struct pl_netconf *conf) {
    message_of(conf)->nlmsg_flags |= NLM_F_ACK;
    return talk(conf, NULL, NULL);
}

static uint8_t os_family(uint8_t family) {
    PL_ASSERT(family == PLAIT_IPV4 || family == PLAIT_IPV6);
    return family == PLAIT_IPV4 ? AF_INET : AF_INET6;
}

static size_t addr_size(uint8_t family) {
    return family == PLAIT_IPV4 ? 4 : 16;
}

static void put_addr(struct pl_netconf *conf, uint16_t type, const struct plait_addr *addr) {
    mnl_attr_put(message_of(conf), type, addr_size(addr->family), addr->bytes);
}

/* ---- links ---- */

static int on_index(const struct nlmsghdr *message, void *data) {
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    *(int *)data = info->ifi_index;
    return MNL_CB_STOP;
}

int pl_netconf_index(struct pl_netconf *conf, const char *name) {
    int index = 0;
    start(conf, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message_of(conf), IFLA_IFNAME, name);
    int result = talk(conf, on_index, &index);
    return result < 0 ? result : index;
}

int pl_netconf_link_up(struct pl_netconf *conf, int index, uint32_t mtu) {
    struct ifinfomsg *info = start(conf, RTM_NEWLINK, 0, sizeof(*info));
    info->ifi_index = index;
    info->ifi_flags = IFF_UP;
    info->ifi_change = IFF_UP;
    if (mtu > 0) {
        mnl_attr_put_u32(message_of(conf), IFLA_MTU, mtu);
    }
    return acknowledge(conf);
}

int pl_netconf_link_delete(struct pl_netconf *conf, const char *name) {
    start(conf, RTM_DELLINK, 0, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message_of(conf), IFLA_IFNAME, name);
    return acknowledge(conf);
}

int pl_netconf_veth(struct pl_netconf *conf, const char *name, const char *peer, int peer_ns,
                    uint32_t mtu) {
    start(conf, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, sizeof(struct ifinfomsg));
    struct nlmsghdr *message = message_of(conf);
    mnl_attr_put_strz(message, IFLA_IFNAME, name);
    mnl_attr_put_u32(message, IFLA_MTU, mtu);
    struct nlattr *info = mnl_attr_nest_start(message, IFLA_LINKINFO);
    mnl_attr_put_strz(message, IFLA_INFO_KIND, "veth");
    struct nlattr *data = mnl_attr_nest_start(message, IFLA_INFO_DATA);
    struct nlattr *other = mnl_attr_nest_start(message, VETH_INFO_PEER);
    mnl_nlmsg_put_extra_header(message, sizeof(struct ifinfomsg));
    mnl_attr_put_strz(message, IFLA_IFNAME, peer);
    mnl_attr_put_u32(message, IFLA_MTU, mtu);
    mnl_attr_put_u32(message, IFLA_NET_NS_FD, (uint32_t)peer_ns);
    mnl_attr_nest_end(message, other);
    mnl_attr_nest_end(message, data);
    mnl_attr_nest_end(message, info);
    return acknowledge(conf);
}

/* ---- addresses ---- */

int pl_netconf_address(struct pl_netconf *conf, int index, const struct plait_addr *addr,
                       uint8_t prefix_len) {
    struct ifaddrmsg *info = start(conf, RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, sizeof(*info));
    info->ifa_family = os_family(addr->family);
    info->ifa_prefixlen = prefix_len;
    info->ifa_scope = RT_SCOPE_UNIVERSE;
    info->ifa_index = (unsigned)index;
    if (addr->family == PLAIT_IPV6) {
        info->ifa_flags = IFA_F_NODAD;
    }
    put_addr(conf, IFA_LOCAL, addr);
    put_addr(conf, IFA_ADDRESS, addr);
    return acknowledge(conf);
}

int pl_netconf_forget_neighbour(struct pl_netconf *conf, int index, const struct plait_addr *addr) {
    struct ndmsg *info = start(conf, RTM_DELNEIGH, 0, sizeof(*info));
    info->ndm_family = os_family(addr->family);
    info->ndm_ifindex = index;
    put_addr(conf, NDA_DST, addr);
    return acknowledge(conf);
}

/* ---- routes ---- */

static void put_gateway(struct pl_netconf *conf, const struct pl_route *route) {
    if (route->via.family == PLAIT_FAMILY_NONE) {
        return;
    }
    if (route->via.family == route->family) {
        put_addr(conf, RTA_GATEWAY, &route->via);
        return;
    }
    uint8_t via[sizeof(struct rtvia) + 16];
    const struct rtvia head = {.rtvia_family = os_family(route->via.family)};
    memcpy(via, &head, sizeof(head));
    memcpy(via + sizeof(head), route->via.bytes, 16);
    mnl_attr_put(message_of(conf), RTA_VIA, sizeof(head) + addr_size(route->via.family), via);
}

static int send_route(struct pl_netconf *conf, uint16_t type, unsigned flags,
                      const struct pl_route *route) {
    struct rtmsg *info = start(conf, type, flags, sizeof(*info));
    struct nlmsghdr *message = message_of(conf);
    bool direct = route->via.family == PLAIT_FAMILY_NONE;
    info->rtm_family = os_family(route->family);
    info->rtm_dst_len = route->prefix_len;
    info->rtm_protocol = RTPROT_STATIC;
    info->rtm_table = RT_TABLE_UNSPEC;
    info->rtm_type = route->kind == PL_ROUTE_UNICAST ? RTN_UNICAST : RTN_UNREACHABLE;
    info->rtm_scope = route->kind == PL_ROUTE_UNICAST && direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    if (route->onlink) {
        info->rtm_flags = RTNH_F_ONLINK;
    }
    if (route->prefix_len > 0) {
        put_addr(conf, RTA_DST, &route->dst);
    }
    mnl_attr_put_u32(message, RTA_TABLE, route->table);
    mnl_attr_put_u32(message, RTA_PRIORITY, route->metric);
    if (route->index > 0) {
        mnl_attr_put_u32(message, RTA_OIF, (uint32_t)route->index);
    }
    if (route->source.family != PLAIT_FAMILY_NONE) {
        put_addr(conf, RTA_PREFSRC, &route->source);
    }
    put_gateway(conf, route);
    return acknowledge(conf);
}

int pl_netconf_route(struct pl_netconf *conf, const struct pl_route *route) {
    return send_route(conf, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
}

int pl_netconf_route_delete(struct pl_netconf *conf, const struct pl_route *route) {
    return send_route(conf, RTM_DELROUTE, 0, route);
}

/* ---- rules ---- */

static int rule(struct pl_netconf *conf, uint16_t type, unsigned flags,
                const struct pl_rule *rule_of) {
    struct fib_rule_hdr *info = start(conf, type, flags, sizeof(*info));
    struct nlmsghdr *message = message_of(conf);
    info->family = os_family(rule_of->family);
    info->action = FR_ACT_TO_TBL;
    info->table = RT_TABLE_UNSPEC;
    info->dst_len = rule_of->dst_len;
    mnl_attr_put_u32(message, FRA_PRIORITY, rule_of->priority);
    mnl_attr_put_u32(message, FRA_TABLE, rule_of->table);
    if (rule_of->iif[0] != '\0') {
        mnl_attr_put_strz(message, FRA_IIFNAME, rule_of->iif);
    }
    if (rule_of->ip_protocol != 0) {
        mnl_attr_put_u8(message, FRA_IP_PROTO, rule_of->ip_protocol);
    }
    if (rule_of->dst_len > 0) {
        put_addr(conf, FRA_DST, &rule_of->dst);
    }
    return acknowledge(conf);
}

int pl_netconf_rule_add(struct pl_netconf *conf, const struct pl_rule *rule_of) {
    return rule(conf, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule_of);
}

int pl_netconf_rule_delete(struct pl_netconf *conf, const struct pl_rule *rule_of) {
    return rule(conf, RTM_DELRULE, 0, rule_of);
}

/* ---- flushing ---- */

/* The messages of a dump, copied so that they can be sent back as deletions. */
struct flush {
    struct pl_tables tables;
    uint16_t type;        /* of the messages to collect */
    uint32_t header_size; /* of the family header */
    bool keep_unreachable;
    unsigned count;
    struct nlmsghdr *message[FLUSH_MAX];
};

static int on_table_attr(const struct nlattr *attr, void *data) {
    if (mnl_attr_get_type(attr) == RTA_TABLE) {
        *(uint32_t *)data = mnl_attr_get_u32(attr);
    }
    return MNL_CB_OK;
}

static int on_flush(const struct nlmsghdr *message, void *data) {
    struct flush *flush = data;
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    uint32_t table = 0;
    if (message->nlmsg_type != flush->type ||
        (flush->keep_unreachable && route->rtm_type == RTN_UNREACHABLE)) {
        return MNL_CB_OK;
    }
    mnl_attr_parse(message, flush->header_size, on_table_attr, &table);
    if (table - flush->tables.first >= flush->tables.count || flush->count == FLUSH_MAX) {
        return MNL_CB_OK;
    }
    struct nlmsghdr *copy = malloc(message->nlmsg_len);
    if (copy == NULL) {
        return MNL_CB_OK;
    }
    memcpy(copy, message, message->nlmsg_len);
    flush->message[flush->count++] = copy;
    return MNL_CB_OK;
}

static int delete_copy(struct pl_netconf *conf, uint16_t type, const struct nlmsghdr *copy) {
    if (copy->nlmsg_len > sizeof(conf->buffer)) {
        return -EMSGSIZE;
    }
    memcpy(conf->buffer, copy, copy->nlmsg_len);
    struct nlmsghdr *message = message_of(conf);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST;
    message->nlmsg_seq = ++conf->seq;
    message->nlmsg_pid = 0;
    return acknowledge(conf);
}

/* Dumps with `get`, deletes what was collected with `delete`. */
static int run_flush(struct pl_netconf *conf, struct flush *flush, uint16_t get, uint16_t delete) {
    struct rtmsg *info = start(conf, get, NLM_F_DUMP, flush->header_size);
    info->rtm_family = AF_UNSPEC;
    int result = talk(conf, on_flush, flush);
    for (unsigned i = 0; i < flush->count; i++) {
        int deleted = delete_copy(conf, delete, flush->message[i]);
        if (deleted < 0 && deleted != -ESRCH && deleted != -ENOENT && result == 0) {
            result = deleted;
        }
        free(flush->message[i]);
    }
    free(flush);
    return result;
}

int pl_netconf_flush_routes(struct pl_netconf *conf, struct pl_tables tables,
                            bool keep_unreachable) {
    struct flush *flush = calloc(1, sizeof(*flush));
    if (flush == NULL) {
        return -ENOMEM;
    }
    flush->tables = tables;
    flush->type = RTM_NEWROUTE;
    flush->header_size = sizeof(struct rtmsg);
    flush->keep_unreachable = keep_unreachable;
    return run_flush(conf, flush, RTM_GETROUTE, RTM_DELROUTE);
}

int pl_netconf_flush_rules(struct pl_netconf *conf, struct pl_tables tables) {
    struct flush *flush = calloc(1, sizeof(*flush));
    if (flush == NULL) {
        return -ENOMEM;
    }
    flush->tables = tables;
    flush->type = RTM_NEWRULE;
    flush->header_size = sizeof(struct fib_rule_hdr);
    return run_flush(conf, flush, RTM_GETRULE, RTM_DELRULE);
}
