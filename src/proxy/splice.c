/* proxy/splice.c - the pair-splicing engine.
 *
 * Every event leads to the same act: try to move bytes both ways until the stack says AGAIN. AGAIN
 * means either "nothing to read" or "no room to write"; the matching edge (READABLE of the one,
 * WRITABLE of the other) brings us back here in both cases, so no readiness is kept. An end of
 * stream becomes a shutdown of the other side; when both have ended, the sockets are kept until
 * they say CLOSED, so that a failure to deliver the last bytes is still seen. An error becomes a
 * reset of the other side behind what arrived before it: servers answer and reset when they do not
 * want to read the rest of a request. */
#include "proxy/splice.h"

#include <string.h>

#include "base/assert.h"

enum { MOVE_MAX = 1 << 30 };

/* Which of the two sockets, or -1. */
static int side_of(const struct pl_splice *splice, plait_sock sock) {
    if (sock == splice->sock[0]) {
        return 0;
    }
    return sock == splice->sock[1] ? 1 : -1;
}

static void finish(struct plait_stack *stack, struct pl_splice *splice, plait_time now) {
    PL_ASSERT(splice->state != PL_SPLICE_DONE);
    for (unsigned i = 0; i < 2; i++) {
        plait_close(stack, splice->sock[i], now);
    }
    splice->state = PL_SPLICE_DONE;
}

void pl_splice_abort(struct plait_stack *stack, struct pl_splice *splice, int error,
                     plait_time now) {
    if (splice->state == PL_SPLICE_DONE) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        plait_abort(stack, splice->sock[i], error, now);
    }
    splice->error = error;
    splice->state = PL_SPLICE_DONE;
}

/* Moves what can be moved from sock[from]. Returns 0 or the error that ends the pair. */
static int pump(struct plait_stack *stack, struct pl_splice *splice, unsigned from,
                plait_time now) {
    plait_sock in = splice->sock[from];
    plait_sock out = splice->sock[1 - from];
    while (!splice->ended[from]) {
        int64_t moved = plait_splice(stack, in, out, MOVE_MAX, now);
        if (moved == PLAIT_E_AGAIN) {
            return 0;
        }
        if (moved < 0) {
            return (int)moved;
        }
        if (moved == 0) {
            splice->ended[from] = true;
            return plait_shutdown(stack, out, now);
        }
        splice->bytes[from] += (uint64_t)moved;
    }
    return 0;
}

/* Which of the two are dead, and of what; `result` when neither is. */
static void note_error(struct plait_stack *stack, struct pl_splice *splice, int result) {
    for (unsigned i = 0; i < 2; i++) {
        int64_t value = 0;
        if (plait_get(stack, splice->sock[i], PLAIT_OPT_ERROR, &value) == 0 && value != 0) {
            splice->dead[i] = true;
            splice->error = splice->error != 0 ? splice->error : (int)value;
        }
    }
    splice->error = splice->error != 0 ? splice->error : result;
}

/* The end after an error: whoever is alive gets what is on its way to it, then a reset. */
static void fail(struct plait_stack *stack, struct pl_splice *splice, plait_time now) {
    PL_ASSERT(splice->state == PL_SPLICE_FLOWING && splice->error < 0);
    for (unsigned i = 0; i < 2; i++) {
        if (splice->dead[i]) {
            plait_abort(stack, splice->sock[i], splice->error, now);
        } else {
            plait_abort_delivered(stack, splice->sock[i], splice->error, now);
        }
    }
    splice->state = PL_SPLICE_DONE;
}

/* What a dead socket had received is still passed on, as far as the other has room. */
static void flow(struct plait_stack *stack, struct pl_splice *splice, plait_time now) {
    bool over = false;
    for (unsigned from = 0; from < 2; from++) {
        int result = splice->dead[1 - from] ? 0 : pump(stack, splice, from, now);
        if (result < 0) {
            note_error(stack, splice, result);
            over = over || !splice->dead[1 - from];
        }
        over = over || (splice->dead[from] && splice->ended[from]);
    }
    if (over || (splice->dead[0] && splice->dead[1])) {
        fail(stack, splice, now);
    } else if (splice->closed[0] && splice->closed[1]) {
        finish(stack, splice, now);
    }
}

static void confirm(struct plait_stack *stack, struct pl_splice *splice, plait_time now) {
    int result = plait_confirm(stack, splice->sock[0], now);
    if (result < 0) {
        pl_splice_abort(stack, splice, result, now);
        return;
    }
    splice->state = PL_SPLICE_FLOWING;
}

void pl_splice_init_held(struct pl_splice *splice, plait_sock held, plait_sock connecting) {
    memset(splice, 0, sizeof(*splice));
    splice->state = PL_SPLICE_HELD;
    splice->sock[0] = held;
    splice->sock[1] = connecting;
}

void pl_splice_init_open(struct plait_stack *stack, struct pl_splice *splice, plait_sock a,
                         plait_sock b, plait_time now) {
    pl_splice_init_held(splice, a, b);
    splice->state = PL_SPLICE_FLOWING;
    flow(stack, splice, now);
}

void pl_splice_event(struct plait_stack *stack, struct pl_splice *splice,
                     const struct plait_event *event, plait_time now) {
    int side = side_of(splice, event->sock);
    if (splice->state == PL_SPLICE_DONE || side < 0) {
        return;
    }
    if (event->type == PLAIT_EVENT_ERROR) {
        if (splice->state == PL_SPLICE_HELD) {
            pl_splice_abort(stack, splice, event->error, now);
            return;
        }
        splice->dead[side] = true;
        splice->error = splice->error != 0 ? splice->error : event->error;
    }
    if (event->type == PLAIT_EVENT_CLOSED) {
        splice->closed[side] = true;
    }
    if (splice->state == PL_SPLICE_HELD && side == 1 && event->type == PLAIT_EVENT_CONNECTED) {
        confirm(stack, splice, now);
    }
    if (splice->state == PL_SPLICE_FLOWING) {
        flow(stack, splice, now);
    }
}

uint64_t pl_splice_undelivered(struct plait_stack *stack, const struct pl_splice *splice,
                               unsigned from) {
    int64_t unread = 0, unsent = 0;
    PL_ASSERT(from < 2);
    if (splice->state != PL_SPLICE_FLOWING) {
        return 0;
    }
    if (plait_get(stack, splice->sock[from], PLAIT_OPT_RECEIVE_QUEUE, &unread) < 0 || unread < 0) {
        unread = 0;
    }
    if (plait_get(stack, splice->sock[1 - from], PLAIT_OPT_SEND_QUEUE, &unsent) < 0 || unsent < 0) {
        unsent = 0;
    }
    return (uint64_t)unread + (uint64_t)unsent;
}
