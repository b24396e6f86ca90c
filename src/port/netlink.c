/* port/netlink.c - the monitor of links.
 *
 * Two sockets: one is subscribed and only says "something changed", the other dumps links,
 * addresses and routes into a fresh picture, which is then compared with the last one. This reads
 * more than keeping a picture up to date message by message would, but it cannot drift. */
#include "port/netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/assert.h"
#include "port/netns.h"

enum { BUFFER_BYTES = 32768, DUMP_TRIES = 5, NETLINK_RCVBUF = 1 << 20 };

struct pl_netlink {
    struct mnl_socket *events;
    struct mnl_socket *dump;
    uint32_t seq;
    struct pl_links *links; /* the present picture */
    struct pl_links *next;  /* the one being taken */
};

/* What a dump of routes fills. */
struct prefix_list {
    struct pl_prefix *out;
    unsigned count, max;
};

bool pl_prefix_match(const struct plait_addr *a, const struct plait_addr *b, unsigned prefix_len) {
    unsigned whole = prefix_len / 8;
    unsigned rest = prefix_len % 8;
    if (a->family != b->family || memcmp(a->bytes, b->bytes, whole) != 0) {
        return false;
    }
    return rest == 0 || ((a->bytes[whole] ^ b->bytes[whole]) >> (8 - rest)) == 0;
}

const struct pl_link *pl_links_by_name(const struct pl_links *links, const char *name) {
    for (unsigned i = 0; i < links->count; i++) {
        if (strcmp(links->link[i].name, name) == 0) {
            return &links->link[i];
        }
    }
    return NULL;
}

const struct pl_link *pl_links_by_index(const struct pl_links *links, int index) {
    for (unsigned i = 0; i < links->count; i++) {
        if (links->link[i].index == index) {
            return &links->link[i];
        }
    }
    return NULL;
}

static struct pl_link *find(struct pl_links *links, int index) {
    return (struct pl_link *)pl_links_by_index(links, index);
}

/* ---- reading messages ---- */

/* The attributes of one message, by type. */
struct attributes {
    const struct nlattr *at[RTA_MAX + 1];
};
static_assert(RTA_MAX >= IFA_FLAGS, "one table serves routes and addresses");

static int collect(const struct nlattr *attr, void *data) {
    struct attributes *attributes = data;
    unsigned type = mnl_attr_get_type(attr);
    if (type <= RTA_MAX) {
        attributes->at[type] = attr;
    }
    return MNL_CB_OK;
}

static bool get_addr(const struct nlattr *attr, uint8_t family, struct plait_addr *out) {
    size_t len = family == AF_INET ? 4 : 16;
    memset(out, 0, sizeof(*out));
    if (attr == NULL || (family != AF_INET && family != AF_INET6) ||
        mnl_attr_get_payload_len(attr) < len) {
        return false;
    }
    memcpy(out->bytes, mnl_attr_get_payload(attr), len);
    out->family = family == AF_INET ? PLAIT_IPV4 : PLAIT_IPV6;
    return true;
}

static uint32_t get_u32(const struct nlattr *attr, uint32_t otherwise) {
    return attr != NULL && mnl_attr_get_payload_len(attr) >= 4 ? mnl_attr_get_u32(attr) : otherwise;
}

static bool is_short(const struct nlmsghdr *message, size_t fixed_bytes) {
    return mnl_nlmsg_get_payload_len(message) < fixed_bytes;
}

static int on_link(const struct nlmsghdr *message, void *data) {
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    struct pl_links *links = data;
    struct attributes attributes = {0};
    if (message->nlmsg_type != RTM_NEWLINK || is_short(message, sizeof(*info)) ||
        links->count == PL_LINKS_MAX) {
        return MNL_CB_OK;
    }
    mnl_attr_parse(message, sizeof(*info), collect, &attributes);
    if (attributes.at[IFLA_IFNAME] == NULL || attributes.at[IFLA_MTU] == NULL) {
        return MNL_CB_OK;
    }
    struct pl_link *link = &links->link[links->count++];
    memset(link, 0, sizeof(*link));
    link->index = info->ifi_index;
    link->up = (info->ifi_flags & IFF_UP) != 0;
    link->carrier = link->up && (info->ifi_flags & IFF_RUNNING) != 0;
    link->loopback = (info->ifi_flags & IFF_LOOPBACK) != 0;
    link->mtu = get_u32(attributes.at[IFLA_MTU], 0);
    snprintf(link->name, sizeof(link->name), "%.*s",
             (int)mnl_attr_get_payload_len(attributes.at[IFLA_IFNAME]),
             mnl_attr_get_str(attributes.at[IFLA_IFNAME]));
    return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *message, void *data) {
    const struct ifaddrmsg *info = mnl_nlmsg_get_payload(message);
    struct attributes attributes = {0};
    struct plait_addr addr;
    if (message->nlmsg_type != RTM_NEWADDR || is_short(message, sizeof(*info))) {
        return MNL_CB_OK;
    }
    struct pl_link *link = find(data, (int)info->ifa_index);
    if (link == NULL || link->addr_count == PL_LINK_ADDRS_MAX) {
        return MNL_CB_OK;
    }
    mnl_attr_parse(message, sizeof(*info), collect, &attributes);
    /* On point-to-point links IFA_ADDRESS is the other end. */
    const struct nlattr *local =
        attributes.at[IFA_LOCAL] != NULL ? attributes.at[IFA_LOCAL] : attributes.at[IFA_ADDRESS];
    if (!get_addr(local, info->ifa_family, &addr)) {
        return MNL_CB_OK;
    }
    uint32_t flags = get_u32(attributes.at[IFA_FLAGS], info->ifa_flags);
    struct pl_link_addr *slot = &link->addrs[link->addr_count++];
    slot->addr = addr;
    slot->prefix_len = info->ifa_prefixlen;
    slot->global = info->ifa_scope == RT_SCOPE_UNIVERSE;
    slot->tentative =
        (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) != 0 && (flags & IFA_F_OPTIMISTIC) == 0;
    return MNL_CB_OK;
}

/* ---- routes ---- */

static void offer_gateway(struct pl_links *links, uint8_t family, int index,
                          const struct attributes *attributes, uint32_t metric) {
    struct pl_link *link = find(links, index);
    struct pl_gateway offer = {.present = true, .metric = metric};
    if (link == NULL) {
        return;
    }
    const struct nlattr *via = attributes->at[RTA_VIA];
    if (via != NULL && mnl_attr_get_payload_len(via) == sizeof(struct rtvia) + 16) {
        const struct rtvia *value = mnl_attr_get_payload(via);
        memcpy(offer.via.bytes, value->rtvia_addr, 16);
        offer.via.family = PLAIT_IPV6;
    } else {
        get_addr(attributes->at[RTA_GATEWAY], family, &offer.via);
    }
    struct pl_gateway *best = family == AF_INET ? &link->gateway4 : &link->gateway6;
    if (!best->present || offer.metric < best->metric) {
        *best = offer;
    }
}

static void offer_nexthops(struct pl_links *links, uint8_t family, const struct nlattr *multipath,
                           uint32_t metric) {
    const uint8_t *at = mnl_attr_get_payload(multipath);
    size_t left = mnl_attr_get_payload_len(multipath);
    struct rtnexthop hop;
    while (left >= sizeof(hop)) {
        struct attributes attributes = {0};
        memcpy(&hop, at, sizeof(hop));
        if (hop.rtnh_len < sizeof(hop) || hop.rtnh_len > left) {
            return;
        }
        mnl_attr_parse_payload(at + sizeof(hop), hop.rtnh_len - sizeof(hop), collect, &attributes);
        if ((hop.rtnh_flags & RTNH_F_DEAD) == 0) {
            offer_gateway(links, family, hop.rtnh_ifindex, &attributes, metric);
        }
        size_t step = MNL_ALIGN(hop.rtnh_len);
        step = step < left ? step : left;
        at += step;
        left -= step;
    }
}

static int on_route(const struct nlmsghdr *message, void *data) {
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    struct attributes attributes = {0};
    if (message->nlmsg_type != RTM_NEWROUTE || is_short(message, sizeof(*route)) ||
        route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST ||
        (route->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD)) != 0 ||
        (route->rtm_family != AF_INET && route->rtm_family != AF_INET6)) {
        return MNL_CB_OK;
    }
    mnl_attr_parse(message, sizeof(*route), collect, &attributes);
    uint32_t table = get_u32(attributes.at[RTA_TABLE], route->rtm_table);
    uint32_t metric = get_u32(attributes.at[RTA_PRIORITY], 0);
    if (table != RT_TABLE_MAIN) {
        return MNL_CB_OK;
    }
    if (attributes.at[RTA_MULTIPATH] != NULL) {
        offer_nexthops(data, route->rtm_family, attributes.at[RTA_MULTIPATH], metric);
    } else if (attributes.at[RTA_OIF] != NULL) {
        int index = (int)get_u32(attributes.at[RTA_OIF], 0);
        offer_gateway(data, route->rtm_family, index, &attributes, metric);
    }
    return MNL_CB_OK;
}

static int on_prefix(const struct nlmsghdr *message, void *data) {
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    struct prefix_list *list = data;
    struct attributes attributes = {0};
    struct plait_addr addr;
    if (message->nlmsg_type != RTM_NEWROUTE || is_short(message, sizeof(*route)) ||
        route->rtm_dst_len == 0) {
        return MNL_CB_OK;
    }
    mnl_attr_parse(message, sizeof(*route), collect, &attributes);
    if (!get_addr(attributes.at[RTA_DST], route->rtm_family, &addr)) {
        return MNL_CB_OK;
    }
    if (list->count < list->max) {
        list->out[list->count] = (struct pl_prefix){
            .addr = addr,
            .prefix_len = route->rtm_dst_len,
            .link = (int)get_u32(attributes.at[RTA_OIF], 0),
        };
    }
    list->count++;
    return MNL_CB_OK;
}

/* ---- dumps ---- */

/* What is left of a dump that failed half-way would answer the next request. */
static void drain(struct mnl_socket *socket) {
    char buffer[BUFFER_BYTES];
    while (recv(mnl_socket_get_fd(socket), buffer, sizeof(buffer), MSG_DONTWAIT) > 0) {
    }
}

/* Sends the request in `buffer` and runs `callback` on the answers. */
static int ask(struct pl_netlink *monitor, char buffer[BUFFER_BYTES], mnl_cb_t callback,
               void *data) {
    struct nlmsghdr *message = (struct nlmsghdr *)buffer;
    message->nlmsg_seq = ++monitor->seq;
    if (mnl_socket_sendto(monitor->dump, message, message->nlmsg_len) < 0) {
        return -errno;
    }
    unsigned port = mnl_socket_get_portid(monitor->dump);
    int result = MNL_CB_OK;
    while (result > MNL_CB_STOP) {
        ssize_t n = mnl_socket_recvfrom(monitor->dump, buffer, BUFFER_BYTES);
        if (n <= 0) {
            return n < 0 ? -errno : -EPIPE;
        }
        result = mnl_cb_run(buffer, (size_t)n, monitor->seq, port, callback, data);
    }
    if (result < 0) {
        result = -errno;
        drain(monitor->dump);
    }
    return result;
}

static int dump_once(struct pl_netlink *monitor, uint16_t type, mnl_cb_t callback, void *data) {
    char buffer[BUFFER_BYTES];
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = type;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->rtm_family = AF_UNSPEC;
    return ask(monitor, buffer, callback, data);
}

static int dump_all(struct pl_netlink *monitor) {
    static const struct {
        uint16_t type;
        mnl_cb_t callback;
    } steps[] = {{RTM_GETLINK, on_link}, {RTM_GETADDR, on_addr}, {RTM_GETROUTE, on_route}};
    memset(monitor->next, 0, sizeof(*monitor->next));
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        int result = dump_once(monitor, steps[i].type, steps[i].callback, monitor->next);
        if (result < 0) {
            return result;
        }
    }
    return 0;
}

/* A dump that was overtaken by a change (EINTR) is taken again. */
static int take_picture(struct pl_netlink *monitor) {
    int result = -EINTR;
    for (unsigned i = 0; i < DUMP_TRIES && result == -EINTR; i++) {
        result = dump_all(monitor);
    }
    if (result == 0) {
        struct pl_links *old = monitor->links;
        monitor->links = monitor->next;
        monitor->next = old;
    }
    return result;
}

/* ---- differences ---- */

static unsigned compare(const struct pl_link *old, const struct pl_link *now) {
    unsigned changes = 0;
    if (old->up != now->up || old->carrier != now->carrier || old->mtu != now->mtu ||
        strcmp(old->name, now->name) != 0) {
        changes |= PL_LINK_STATE;
    }
    if (old->addr_count != now->addr_count ||
        memcmp(old->addrs, now->addrs, sizeof(now->addrs)) != 0) {
        changes |= PL_LINK_ADDRS;
    }
    if (memcmp(&old->gateway4, &now->gateway4, sizeof(now->gateway4)) != 0 ||
        memcmp(&old->gateway6, &now->gateway6, sizeof(now->gateway6)) != 0) {
        changes |= PL_LINK_GATEWAY;
    }
    return changes;
}

static void report(const struct pl_links *old, const struct pl_links *now,
                   pl_link_callback callback, void *user) {
    for (unsigned i = 0; i < old->count; i++) {
        if (pl_links_by_index(now, old->link[i].index) == NULL) {
            callback(user, &old->link[i], PL_LINK_GONE);
        }
    }
    for (unsigned i = 0; i < now->count; i++) {
        const struct pl_link *before = pl_links_by_index(old, now->link[i].index);
        unsigned changes = before == NULL ? PL_LINK_NEW : compare(before, &now->link[i]);
        if (changes != 0) {
            callback(user, &now->link[i], changes);
        }
    }
}

/* ---- the monitor ---- */

static int open_sockets(struct pl_netlink *monitor) {
    const unsigned groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                            RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
                            1U << (RTNLGRP_IPV6_RULE - 1);
    const int size = NETLINK_RCVBUF;
    const struct timeval patience = {.tv_sec = 2};
    monitor->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
    monitor->dump = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (monitor->events == NULL || monitor->dump == NULL ||
        mnl_socket_bind(monitor->events, groups, MNL_SOCKET_AUTOPID) < 0 ||
        mnl_socket_bind(monitor->dump, 0, MNL_SOCKET_AUTOPID) < 0) {
        return -errno;
    }
    int fd = mnl_socket_get_fd(monitor->dump);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    return 0;
}

int pl_netlink_open(struct pl_netlink **out, int ns) {
    struct pl_netlink *monitor = calloc(1, sizeof(*monitor));
    int result = -ENOMEM;
    if (monitor == NULL) {
        return result;
    }
    monitor->seq = (uint32_t)time(NULL);
    monitor->links = calloc(1, sizeof(*monitor->links));
    monitor->next = calloc(1, sizeof(*monitor->next));
    if (monitor->links != NULL && monitor->next != NULL) {
        int previous = pl_netns_enter(ns);
        result = pl_netns_failed(previous) ? previous : open_sockets(monitor);
        if (!pl_netns_failed(previous)) {
            pl_netns_leave(previous);
        }
    }
    if (result == 0) {
        result = take_picture(monitor);
    }
    if (result < 0) {
        pl_netlink_close(monitor);
        return result;
    }
    *out = monitor;
    return 0;
}

void pl_netlink_close(struct pl_netlink *monitor) {
    if (monitor == NULL) {
        return;
    }
    if (monitor->events != NULL) {
        mnl_socket_close(monitor->events);
    }
    if (monitor->dump != NULL) {
        mnl_socket_close(monitor->dump);
    }
    free(monitor->links);
    free(monitor->next);
    free(monitor);
}

int pl_netlink_fd(const struct pl_netlink *monitor) {
    return mnl_socket_get_fd(monitor->events);
}

const struct pl_links *pl_netlink_links(const struct pl_netlink *monitor) {
    return monitor->links;
}

int pl_netlink_read(struct pl_netlink *monitor, pl_link_callback callback, void *user) {
    char buffer[BUFFER_BYTES];
    ssize_t n;
    do {
        n = mnl_socket_recvfrom(monitor->events, buffer, sizeof(buffer));
    } while (n > 0 || (n < 0 && (errno == ENOBUFS || errno == EINTR)));
    int result = take_picture(monitor);
    if (result < 0) {
        return result;
    }
    report(monitor->next, monitor->links, callback, user);
    return 0;
}

int pl_netlink_prefixes(struct pl_netlink *monitor, struct pl_prefix *out, unsigned max) {
    int result = -EINTR;
    for (unsigned i = 0; i < DUMP_TRIES && result == -EINTR; i++) {
        struct prefix_list list = {.out = out, .max = max};
        result = dump_once(monitor, RTM_GETROUTE, on_prefix, &list);
        if (result == 0) {
            result = (int)list.count;
        }
    }
    return result;
}

/* ---- looking up ---- */

struct lookup {
    int index;
    struct pl_gateway gateway;
};

static int on_lookup(const struct nlmsghdr *message, void *data) {
    const struct rtmsg *route = mnl_nlmsg_get_payload(message);
    struct lookup *lookup = data;
    struct attributes attributes = {0};
    if (message->nlmsg_type != RTM_NEWROUTE || is_short(message, sizeof(*route)) ||
        route->rtm_type != RTN_UNICAST) {
        return MNL_CB_STOP;
    }
    mnl_attr_parse(message, sizeof(*route), collect, &attributes);
    if (attributes.at[RTA_OIF] != NULL) {
        lookup->index = (int)get_u32(attributes.at[RTA_OIF], 0);
        lookup->gateway.present = true;
        get_addr(attributes.at[RTA_GATEWAY], route->rtm_family, &lookup->gateway.via);
    }
    return MNL_CB_STOP;
}

int pl_netlink_lookup(struct pl_netlink *monitor, const struct plait_addr *dst,
                      struct pl_gateway *gateway) {
    char buffer[BUFFER_BYTES];
    struct lookup lookup = {0};
    bool v4 = dst->family == PLAIT_IPV4;
    struct nlmsghdr *message = mnl_nlmsg_put_header(buffer);
    message->nlmsg_type = RTM_GETROUTE;
    message->nlmsg_flags = NLM_F_REQUEST;
    struct rtmsg *body = mnl_nlmsg_put_extra_header(message, sizeof(*body));
    body->rtm_family = v4 ? AF_INET : AF_INET6;
    body->rtm_dst_len = v4 ? 32 : 128;
    mnl_attr_put(message, RTA_DST, v4 ? 4 : 16, dst->bytes);
    int result = ask(monitor, buffer, on_lookup, &lookup);
    if (result < 0) {
        return result;
    }
    *gateway = lookup.gateway;
    return lookup.index > 0 ? lookup.index : -ENETUNREACH;
}
