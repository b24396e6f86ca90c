/* tcp/ecn.c - explicit congestion notification (RFC 3168 section 6.1), per connection.
 *
 * SYNs settle whether both ends speak it: ECE and CWR ask, ECE alone answers. A SYN that was sent
 * or came without ends it, since the loss of one that asked may be a middlebox's doing (section
 * 6.1.1.1). From then on first transmissions of payload are ECT(0); SYNs, ACKs, probes and
 * retransmissions are not. A receiver that sees CE says ECE until the sender says CWR, and a sender
 * that hears ECE reduces as for a loss, once per window (recovery.c). A congestion control that has
 * no answer to marks (BBR) must not ask for them: its payload is not ECT. */
#include "base/assert.h"
#include "tcp/engine.h"
#include "wire/ip.h"

enum { SETUP = PL_TCP_ECE | PL_TCP_CWR };

/* A SYN or SYN/ACK of ours. */
void pl_tcp_ecn_syn(struct pl_tcp *tcp, struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_SYN) != 0);
    if ((seg->flags & PL_TCP_ACK) != 0) {
        seg->flags |= tcp->snd.ecn ? PL_TCP_ECE : 0;
        return;
    }
    bool asks = tcp->ctx->config.ecn == PLAIT_ECN_ON && tcp->life.retries == 0;
    tcp->snd.ecn = asks && !tcp->snd.ecn_refused;
    tcp->snd.ecn_refused = !tcp->snd.ecn;
    seg->flags |= tcp->snd.ecn ? SETUP : 0;
}

/* A SYN or SYN/ACK of the peer. */
void pl_tcp_ecn_settle(struct pl_tcp *tcp, const struct pl_segment *syn) {
    PL_ASSERT((syn->flags & PL_TCP_SYN) != 0);
    bool is_answer = (syn->flags & PL_TCP_ACK) != 0;
    bool agreed = is_answer
                      ? tcp->snd.ecn && (syn->flags & SETUP) == PL_TCP_ECE
                      : tcp->ctx->config.ecn != PLAIT_ECN_OFF && (syn->flags & SETUP) == SETUP;
    tcp->snd.ecn = agreed && !tcp->snd.ecn_refused;
    tcp->snd.ecn_refused = !tcp->snd.ecn;
}

/* Whatever acknowledges. */
void pl_tcp_ecn_echo(const struct pl_tcp *tcp, struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_ACK) != 0);
    if (tcp->rcv.echo && (seg->flags & PL_TCP_SYN) == 0) {
        seg->flags |= PL_TCP_ECE;
    }
}

/* Payload that is sent for the first time. */
void pl_tcp_ecn_data(struct pl_tcp *tcp, struct pl_tcp_tx *tx) {
    PL_ASSERT(pl_tcp_synchronized(tcp));
    if (!tcp->snd.ecn || pl_cc_has_model(&tcp->cc)) {
        return;
    }
    tx->ecn = PL_IP_ECT0;
    if (tcp->snd.cwr_due) {
        PL_ASSERT(tx->gso_size == 0); /* or a device would repeat it on every cut */
        tx->seg.flags |= PL_TCP_CWR;
        tcp->snd.cwr_due = false;
    }
}

/* An acceptable segment: what it says to the receiver. */
void pl_tcp_ecn_in(struct pl_tcp *tcp, const struct pl_segment *seg) {
    if (!tcp->snd.ecn || seg->payload_len == 0) {
        return;
    }
    PL_ASSERT(pl_tcp_synchronized(tcp));
    if ((seg->flags & PL_TCP_CWR) != 0) {
        tcp->rcv.echo = false;
    }
    if (seg->ecn == PL_IP_CE) {
        PL_COUNT(tcp->ctx, InCEPkts);
        tcp->rcv.ack_due = tcp->rcv.ack_due || !tcp->rcv.echo;
        tcp->rcv.echo = true;
    }
}

/* And to the sender. */
bool pl_tcp_ecn_marked(const struct pl_tcp *tcp, const struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_ACK) != 0);
    return tcp->snd.ecn && (seg->flags & (PL_TCP_ECE | PL_TCP_SYN)) == PL_TCP_ECE;
}
