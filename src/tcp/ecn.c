/* tcp/ecn.c - explicit congestion notification (RFC 3168 section 6.1), per connection.
 *
 * SYNs settle whether both ends speak it: ECE and CWR ask, ECE alone answers. A SYN that was sent
 * or came without ends it, since the loss of one that asked may be a middlebox's doing (section
 * 6.1.1.1). From then on first transmissions of payload are ECT(0); SYNs, ACKs, probes and
 * retransmissions are not. A receiver that sees CE says ECE until the sender says CWR, and a sender
 * that hears ECE reduces as for a loss, once per window (recovery.c). A congestion control that has
 * no answer to marks (BBR) must not ask for them: its payload is not ECT.
 *
 * DCTCP (RFC 8257) needs more: a receiver that says of every segment whether it was marked (section
 * 3.2), and ECT on whatever it sends, as its queues are short because all that is not ECT is
 * dropped there. There is no word for that in the handshake (section 5), so a SYN that is ECT
 * itself (section 3.5) is taken for DCTCP's and agreed with only by DCTCP, as in Linux; the other
 * one goes on without ECN, as Reno. Both ends have to choose it. */
#include "base/assert.h"
#include "tcp/engine.h"
#include "wire/ip.h"

enum { SETUP = PL_TCP_ECE | PL_TCP_CWR, PENDING_MAX = (1 << 24) - 1 };

/* Whether this connection's congestion control lives from marks. */
static bool counts_marks(const struct pl_tcp *tcp) {
    return pl_cc_counts_marks(tcp->life.cc);
}

/* A SYN or SYN/ACK of ours. */
void pl_tcp_ecn_syn(struct pl_tcp *tcp, struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_SYN) != 0);
    if ((seg->flags & PL_TCP_ACK) != 0) {
        seg->flags |= tcp->snd.ecn ? PL_TCP_ECE : 0;
        return;
    }
    bool wanted = tcp->ctx->config.ecn == PLAIT_ECN_ON || counts_marks(tcp);
    tcp->snd.ecn = wanted && tcp->life.retries == 0 && !tcp->snd.ecn_refused;
    tcp->snd.ecn_refused = !tcp->snd.ecn;
    seg->flags |= tcp->snd.ecn ? SETUP : 0;
}

bool pl_tcp_ecn_agrees(const struct pl_ctx *ctx, uint8_t cc, const struct pl_segment *syn) {
    PL_ASSERT((syn->flags & (PL_TCP_SYN | PL_TCP_ACK)) == PL_TCP_SYN);
    if ((syn->flags & SETUP) != SETUP) {
        return false;
    }
    bool usual = ctx->config.ecn != PLAIT_ECN_OFF && syn->ecn == PL_IP_NOT_ECT;
    return usual || pl_cc_counts_marks(cc);
}

/* A SYN or SYN/ACK of the peer. */
void pl_tcp_ecn_settle(struct pl_tcp *tcp, const struct pl_segment *syn) {
    PL_ASSERT((syn->flags & PL_TCP_SYN) != 0);
    bool is_answer = (syn->flags & PL_TCP_ACK) != 0;
    bool agreed = is_answer ? tcp->snd.ecn && (syn->flags & SETUP) == PL_TCP_ECE
                            : pl_tcp_ecn_agrees(tcp->ctx, tcp->life.cc, syn);
    tcp->snd.ecn = agreed && !tcp->snd.ecn_refused;
    tcp->snd.ecn_refused = !tcp->snd.ecn;
}

/* A SYN comes again. Without ECN it ends that for a connection that is open already by a Fast Open
 * cookie, too, and who counts marks must not wait for them. */
void pl_tcp_ecn_syn_again(struct pl_tcp *tcp, const struct pl_segment *syn) {
    bool before = tcp->snd.ecn;
    pl_tcp_ecn_settle(tcp, syn);
    PL_ASSERT(before || !tcp->snd.ecn);
    if (before != tcp->snd.ecn && counts_marks(tcp)) {
        pl_tcp_control_change(tcp);
    }
}

/* Whatever acknowledges. */
void pl_tcp_ecn_echo(const struct pl_tcp *tcp, struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_ACK) != 0);
    if (tcp->rcv.echo && (seg->flags & PL_TCP_SYN) == 0) {
        seg->flags |= PL_TCP_ECE;
    }
}

/* Whether all that leaves is ECT, SYNs and retransmissions too. */
bool pl_tcp_ecn_always(const struct pl_tcp *tcp) {
    PL_ASSERT(tcp->ctx != NULL);
    return tcp->snd.ecn && counts_marks(tcp);
}

/* Payload that is sent for the first time. */
void pl_tcp_ecn_data(struct pl_tcp *tcp, struct pl_tcp_tx *tx) {
    PL_ASSERT(pl_tcp_synchronized(tcp));
    if (!tcp->snd.ecn) {
        return;
    }
    tx->ecn = pl_cc_has_model(&tcp->cc) ? PL_IP_NOT_ECT : PL_IP_ECT0;
    if (tcp->snd.cwr_due) {
        PL_ASSERT(tx->gso_size == 0); /* or a device would repeat it on every cut */
        tx->seg.flags |= PL_TCP_CWR;
        tcp->snd.cwr_due = false;
    }
}

/* RFC 8257 section 3.2: when marks begin or end, what waits for its ACK gets one with the old echo,
 * and this segment one at once with the new. If that happens again before there was a chance to
 * send (segments come in batches), what lies between is said to be like the last. */
static void echo_exactly(struct pl_tcp *tcp, bool ce) {
    uint32_t pending = (uint32_t)pl_seq32_diff(tcp->rcv.nxt, tcp->rcv.acked);
    if (ce == tcp->rcv.echo) {
        return;
    }
    if (pending > 0 && tcp->rcv.echo_pending == 0) {
        tcp->rcv.echo_pending = (pending < PENDING_MAX ? pending : PENDING_MAX) & PENDING_MAX;
        tcp->rcv.echo_before = tcp->rcv.echo;
    }
    tcp->rcv.echo = ce;
    tcp->rcv.ack_due = true;
}

/* An acceptable segment: what it says to the receiver. */
void pl_tcp_ecn_in(struct pl_tcp *tcp, const struct pl_segment *seg) {
    if (!tcp->snd.ecn || seg->payload_len == 0) {
        return;
    }
    PL_ASSERT(pl_tcp_synchronized(tcp));
    bool ce = seg->ecn == PL_IP_CE;
    tcp->rcv.ect_seen = tcp->rcv.ect_seen || seg->ecn != PL_IP_NOT_ECT;
    PL_COUNT_N(tcp->ctx, InCEPkts, ce ? 1 : 0);
    if (counts_marks(tcp)) {
        echo_exactly(tcp, ce);
        return;
    }
    if ((seg->flags & PL_TCP_CWR) != 0) {
        tcp->rcv.echo = false;
    }
    if (ce) {
        tcp->rcv.ack_due = tcp->rcv.ack_due || !tcp->rcv.echo;
        tcp->rcv.echo = true;
    }
}

/* And to the sender. */
bool pl_tcp_ecn_marked(const struct pl_tcp *tcp, const struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_ACK) != 0);
    return tcp->snd.ecn && (seg->flags & (PL_TCP_ECE | PL_TCP_SYN)) == PL_TCP_ECE;
}
