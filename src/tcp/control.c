/* tcp/control.c - the memory of congestion control.
 *
 * Most algorithms fit into struct pl_cc. The state of one that does not (BBR) is there only while
 * the connection may send: from ESTABLISHED, or from the change to it, to TIME-WAIT or the end.
 * Without memory for it the connection uses CUBIC. */
#include "base/assert.h"
#include "tcp/engine.h"

/* Gives the old algorithm's memory back, after the change to the new one. */
static void release(struct pl_tcp *tcp, const struct pl_cc_ops *ops, void *state) {
    if (ops->state_size > 0) {
        PL_ASSERT(state != NULL && tcp->cc.ops != ops);
        pl_ctx_free(tcp->ctx, state, ops->state_size);
    }
}

/* What is in flight was marked with the totals of another state. */
static void forget_marks(struct pl_tcp *tcp) {
    PL_LIST_FOREACH(it, &tcp->flight->records) {
        struct pl_tcp_record *rec = PL_CONTAINER(it, struct pl_tcp_record, link);
        if (rec->measured) {
            rec->mark[0].valid = false;
        }
    }
    PL_ASSERT(pl_cc_rate(&tcp->cc)->delivered == 0);
}

static void change(struct pl_tcp *tcp, uint8_t algorithm) {
    const struct pl_cc_ops *old = tcp->cc.ops;
    void *state = old->state_size > 0 ? tcp->cc.u.state : NULL, *fresh = NULL;
    uint16_t size = pl_cc_state_size(algorithm);
    PL_ASSERT(tcp->rec.undo == NULL);
    if (size > 0) {
        fresh = pl_ctx_alloc(tcp->ctx, size);
        algorithm = fresh != NULL ? algorithm : PLAIT_CC_CUBIC;
    }
    pl_cc_change(&tcp->cc, algorithm, fresh);
    if (tcp->cc.ops != old) {
        release(tcp, old, state);
    }
    if (fresh != NULL) {
        forget_marks(tcp);
    }
}

/* DCTCP without marks is Reno, which has HyStart++ besides. */
static uint8_t chosen(const struct pl_tcp *tcp) {
    bool marks = pl_cc_counts_marks(tcp->life.cc);
    return marks && !tcp->snd.ecn ? PLAIT_CC_RENO : tcp->life.cc;
}

/* The connection is established. */
void pl_tcp_control_start(struct pl_tcp *tcp, uint32_t mss) {
    PL_ASSERT(tcp->cc.ops->state_size == 0);
    pl_cc_init(&tcp->cc, PLAIT_CC_CUBIC, mss);
    change(tcp, chosen(tcp));
}

/* The application wants another one: life.cc. */
void pl_tcp_control_change(struct pl_tcp *tcp) {
    if (!pl_tcp_synchronized(tcp) || tcp->life.state == PL_TCP_ST_TIME_WAIT) {
        return;
    }
    pl_tcp_undo_forget(tcp); /* it is of the algorithm before */
    PL_ASSERT(tcp->cc.cwnd > 0);
    change(tcp, chosen(tcp));
}

/* There will be nothing to send. */
void pl_tcp_control_stop(struct pl_tcp *tcp) {
    PL_ASSERT(pl_list_empty(&tcp->flight->records));
    if (tcp->cc.ops->state_size > 0) {
        change(tcp, PLAIT_CC_CUBIC);
    }
}
