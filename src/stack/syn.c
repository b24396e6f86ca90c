#include "stack/syn.h"

#include "base/assert.h"
#include "mptcp/version.h"
#include "stack/demux.h"
#include "stack/fastopen.h"
#include "stack/joincookie.h"
#include "stack/listen.h"
#include "stack/syncookie.h"
#include "wire/addr.h"

enum { REASON_MPTCP = 1 }; /* RFC 8684 section 3.6 */

/* A join may come to the TCP port of the connection itself, and to one that was announced for the
 * address (RFC 8684 section 3.4.1); nothing needs to listen there. */
static bool join_port_ok(const struct plait_stack *stack, const struct pl_conn *conn,
                         const struct pl_packet *packet) {
    if (packet->seg.dst_port == pl_conn_tuple(conn)->local_port) {
        return true;
    }
    const struct pl_local_endpoint *ep = pl_endpoints_find(&stack->endpoints, 0, &packet->ip.dst);
    return ep != NULL && ep->announce_port != 0 && ep->announce_port == packet->seg.dst_port;
}

/* A connection to a port that was announced for joins only. */
static void count_stranger(struct plait_stack *stack, const struct pl_packet *packet) {
    PL_ASSERT(packet->seg.dst_port != 0);
    const struct pl_local_endpoint *ep = pl_endpoints_find(&stack->endpoints, 0, &packet->ip.dst);
    if (ep != NULL && ep->announce_port == packet->seg.dst_port) {
        PL_COUNT(&stack->ctx, MPCapableEndpAttempt);
    }
}

/* Unknown tokens and unwanted joins are reset with a reason (RFC 8684 section 3.2). */
static int join(struct plait_stack *stack, const struct pl_packet *packet) {
    PL_ASSERT(pl_mptcp_has(&packet->seg.options.mptcp, PL_MP_JOIN));
    struct pl_conn *conn = pl_demux_token(stack, packet->seg.options.mptcp.join.token);
    if (conn == NULL) {
        PL_COUNT(&stack->ctx, MPJoinSynRx);
        PL_COUNT(&stack->ctx, MPJoinNoTokenFound);
        return stack->ctx.config.versions == PLAIT_MPTCP_V0 ? PL_SYN_REFUSED : REASON_MPTCP;
    }
    bool reasons = pl_conn_gives_reasons(conn);
    if (!join_port_ok(stack, conn, packet)) {
        PL_COUNT(&stack->ctx, MPJoinSynRx);
        PL_COUNT(&stack->ctx, MismatchPortSynRx);
        return reasons ? REASON_MPTCP : PL_SYN_REFUSED;
    }
    if ((packet->port->flags & PLAIT_PORT_NO_MPTCP) != 0) {
        PL_COUNT(&stack->ctx, MPJoinSynRx);
        PL_COUNT(&stack->ctx, MPJoinRejected);
        return reasons ? REASON_MPTCP : PL_SYN_REFUSED;
    }
    if (pl_joincookie_answer(stack, conn, packet)) {
        return PL_SYN_TAKEN;
    }
    uint8_t reason = 0;
    struct pl_join_request join = {
        .port = packet->port->id, .tuple = pl_packet_tuple(packet), .syn = &packet->seg};
    if (pl_conn_join(conn, &join, &reason, stack->now) == 0) {
        return PL_SYN_TAKEN;
    }
    return reasons ? reason : PL_SYN_REFUSED;
}

/* A SYN of a kind of MPTCP that is still to come, whose sender will ask again in a simpler way. */
static bool ignored(const struct plait_stack *stack, const struct pl_listener *listener,
                    const struct pl_packet *packet) {
    return listener->setup.mptcp && (packet->port->flags & PLAIT_PORT_NO_MPTCP) == 0 &&
           pl_version_ignores(&stack->ctx, listener->setup.versions, &packet->seg.options.mptcp);
}

/* Whether a SYN is one that anybody may answer. From an end point to itself it is an attack: the
 * SYN/ACK would come back to the connection that sent it ("land"). */
static bool sane(const struct pl_packet *packet) {
    const struct pl_segment *syn = &packet->seg;
    const struct pl_ip *ip = &packet->ip;
    if (syn->src_port == 0 || syn->dst_port == 0 || (syn->flags & PL_TCP_FIN) != 0) {
        return false;
    }
    if (!pl_addr_is_host(&ip->src) || !pl_addr_is_host(&ip->dst)) {
        return false;
    }
    return syn->src_port != syn->dst_port || !pl_addr_equal(&ip->src, &ip->dst);
}

int pl_syn_input(struct plait_stack *stack, const struct pl_packet *packet) {
    const struct pl_segment *syn = &packet->seg;
    PL_ASSERT((syn->flags & PL_TCP_SYN) != 0);
    PL_ASSERT((syn->flags & (PL_TCP_ACK | PL_TCP_RST)) == 0);
    if (!sane(packet)) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropBadState, packet->port->id, packet->buf->len);
        return PL_SYN_TAKEN;
    }
    if (pl_mptcp_has(&syn->options.mptcp, PL_MP_JOIN)) {
        return join(stack, packet);
    }
    struct pl_listener *listener =
        pl_listen_find(stack, packet->port, &packet->ip.dst, syn->dst_port);
    if (listener == NULL) {
        count_stranger(stack, packet);
        return PL_SYN_REFUSED;
    }
    if (ignored(stack, listener, packet)) {
        pl_packet_drop(stack, PLAIT_COUNTER_DropBadOption, packet->port->id, packet->buf->len);
        return PL_SYN_TAKEN;
    }
    struct pl_tcp_tuple tuple = pl_packet_tuple(packet);
    if (pl_listen_full(stack, listener)) {
        return PL_SYN_TAKEN;
    }
    if (pl_syncookie_due(stack, listener)) {
        pl_syncookie_answer(stack, listener, packet);
        return PL_SYN_TAKEN;
    }
    if (listener->embryonic_count >= listener->backlog) {
        PL_COUNT(&stack->ctx, DropBacklog);
        return PL_SYN_TAKEN;
    }
    struct pl_tcp_cookie grant;
    if (!pl_fastopen_syn(stack, listener, packet, &grant)) {
        pl_listen_syn(stack, listener, packet->port, &tuple, syn, &grant);
    }
    return PL_SYN_TAKEN;
}
