/* sim/check.c - the packet checker: packets and flows. */
#include "sim/check.h"

#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "sim/device.h"

void pl_check_init(struct pl_check *check, const struct plait_env *hashes,
                   const struct pl_plan_host *plan, unsigned host, struct pl_sim_verdict *verdict) {
    *check = (struct pl_check){.hashes = hashes, .plan = plan, .host = host, .verdict = verdict};
}

static void bytes_fini(struct pl_check_bytes *bytes) {
    free(bytes->data);
    free(bytes->known);
}

void pl_check_fini(struct pl_check *check) {
    while (check->flows != NULL) {
        struct pl_check_flow *flow = check->flows;
        check->flows = flow->next;
        bytes_fini(&flow->bytes);
        free(flow->mapping);
        free(flow);
    }
    while (check->conns != NULL) {
        struct pl_check_conn *conn = check->conns;
        check->conns = conn->next;
        bytes_fini(&conn->bytes);
        free(conn);
    }
}

static void bytes_reserve(struct pl_check_bytes *bytes, uint64_t end) {
    if (end <= bytes->cap) {
        return;
    }
    uint64_t cap = bytes->cap == 0 ? 4096 : bytes->cap;
    while (cap < end) {
        cap *= 2;
    }
    bytes->data = realloc(bytes->data, cap);
    bytes->known = realloc(bytes->known, cap);
    PL_ASSERT(bytes->data != NULL && bytes->known != NULL);
    memset(bytes->known + bytes->cap, 0, cap - bytes->cap);
    bytes->cap = cap;
}

bool pl_check_bytes_put(struct pl_check_bytes *bytes, uint64_t offset, const uint8_t *data,
                        uint32_t len) {
    bool same = true;
    bytes_reserve(bytes, offset + len);
    for (uint32_t i = 0; i < len; i++) {
        uint64_t at = offset + i;
        same = same && (bytes->known[at] == 0 || bytes->data[at] == data[i]);
        bytes->data[at] = data[i];
        bytes->known[at] = 1;
    }
    return same;
}

uint64_t pl_check_offset(const struct pl_check_way *way, pl_seq32 seq) {
    uint64_t near = way->high;
    uint32_t relative = seq.v - way->isn - 1;
    int32_t delta = (int32_t)(relative - (uint32_t)near);
    int64_t offset = (int64_t)near + delta;
    return offset < 0 ? UINT64_MAX : (uint64_t)offset;
}

static bool endpoint_equal(const struct plait_endpoint *a, const struct plait_endpoint *b) {
    return a->port == b->port && pl_addr_equal(&a->addr, &b->addr);
}

/* The newest flow between these two, or NULL. */
static struct pl_check_flow *flow_find(struct pl_check *check, const struct plait_endpoint *local,
                                       const struct plait_endpoint *remote) {
    for (struct pl_check_flow *flow = check->flows; flow != NULL; flow = flow->next) {
        if (endpoint_equal(&flow->local, local) && endpoint_equal(&flow->remote, remote)) {
            return flow;
        }
    }
    return NULL;
}

static struct pl_check_flow *flow_add(struct pl_check *check, const struct plait_endpoint *local,
                                      const struct plait_endpoint *remote) {
    struct pl_check_flow *flow = calloc(1, sizeof(*flow));
    PL_ASSERT(flow != NULL);
    flow->local = *local;
    flow->remote = *remote;
    flow->next = check->flows;
    check->flows = flow;
    return flow;
}

/* Splits a packet; false (and, for a sent one, a failure) when it is not a TCP segment. */
static bool split(const uint8_t *packet, uint32_t len, struct pl_ip *ip, struct pl_segment *seg) {
    if (pl_ip_parse(packet, len, ip) != PL_IP_OK || ip->protocol != PL_IP_TCP) {
        return false;
    }
    return pl_tcp_parse(packet + ip->header_len, ip->payload_len, seg) == PL_TCP_OK;
}

static bool port_has(const struct pl_plan_port *port, const struct plait_addr *addr) {
    for (unsigned i = 0; i < port->address_count; i++) {
        if (pl_addr_equal(&port->address[i].addr, addr)) {
            return true;
        }
    }
    return false;
}

static bool well_formed(struct pl_check *check, const struct pl_plan_port *port, uint32_t mtu,
                        const uint8_t *packet, uint32_t len, struct pl_ip *ip,
                        struct pl_segment *seg) {
    char host = (char)('a' + (int)check->host);
    if (!split(packet, len, ip, seg)) {
        pl_sim_fail(check->verdict, "host %c sent a malformed packet of %u bytes", host, len);
        return false;
    }
    if (!pl_device_verify(packet, len)) {
        pl_sim_fail(check->verdict, "host %c sent a packet with a wrong length or checksum", host);
        return false;
    }
    if (len > mtu && !port->uncut) {
        pl_sim_fail(check->verdict, "host %c sent %u bytes, the MTU is %u", host, len, mtu);
        return false;
    }
    if (!port_has(port, &ip->src)) {
        pl_sim_fail(check->verdict, "host %c sent from an address the port does not have", host);
        return false;
    }
    return true;
}

void pl_check_sent(struct pl_check *check, unsigned port, uint32_t mtu, const uint8_t *packet,
                   uint32_t len) {
    struct pl_ip ip;
    struct pl_segment seg;
    if (!well_formed(check, &check->plan->port[port], mtu, packet, len, &ip, &seg)) {
        return;
    }
    struct plait_endpoint local = {.addr = ip.src, .port = seg.src_port};
    struct plait_endpoint remote = {.addr = ip.dst, .port = seg.dst_port};
    check->packets++;
    check->payload_packets += seg.payload_len > 0 ? 1 : 0;
    check->payload_bytes += seg.payload_len;
    struct pl_check_flow *flow = flow_find(check, &local, &remote);
    bool syn = (seg.flags & PL_TCP_SYN) != 0;
    if (syn && (flow == NULL || (flow->out.isn_known && flow->out.isn != seg.seq.v))) {
        struct pl_check_flow *old = flow;
        flow = flow_add(check, &local, &remote);
        if (old != NULL && (seg.flags & PL_TCP_ACK) != 0) {
            flow->in = (struct pl_check_way){.wscale = old->in.wscale,
                                             .wscale_given = old->in.wscale_given};
            flow->capable_in = old->capable_in;
            flow->is_v0 = old->is_v0;
            flow->syn_key = old->syn_key;
            flow->conn = old->syn_conn;
        }
    }
    if ((seg.flags & PL_TCP_RST) != 0) {
        return;
    }
    if (flow == NULL) {
        pl_sim_fail(check->verdict, "host %c sent a segment of a flow without a SYN",
                    'a' + (int)check->host);
        return;
    }
    pl_check_flow_sent(check, flow, &seg);
    pl_check_data_sent(check, flow, &seg);
}

/* A SYN/ACK to the SYN of an earlier connection between the same two; the host resets it. */
static bool is_late_answer(const struct pl_check_flow *flow, const struct pl_segment *seg) {
    const uint8_t both = PL_TCP_SYN | PL_TCP_ACK;
    return (seg->flags & both) == both && flow->out.isn_known &&
           seg->ack.v - flow->out.isn - 1 > flow->out.high;
}

void pl_check_arrived(struct pl_check *check, const uint8_t *packet, uint32_t len) {
    struct pl_ip ip;
    struct pl_segment seg;
    if (!pl_device_verify(packet, len) || !split(packet, len, &ip, &seg)) {
        return;
    }
    struct plait_endpoint local = {.addr = ip.dst, .port = seg.dst_port};
    struct plait_endpoint remote = {.addr = ip.src, .port = seg.src_port};
    struct pl_check_flow *flow = flow_find(check, &local, &remote);
    if ((seg.flags & PL_TCP_RST) != 0) {
        return;
    }
    if (flow == NULL && (seg.flags & PL_TCP_SYN) != 0) {
        flow = flow_add(check, &local, &remote);
    }
    if (flow != NULL && !is_late_answer(flow, &seg)) {
        pl_check_flow_arrived(check, flow, &seg);
        pl_check_data_arrived(check, flow, &seg);
    }
}
