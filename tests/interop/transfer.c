/* interop/transfer.c - both streams of one connection, in and out. */
#include "transfer.h"

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 17 };

/* SHAKE-128 of the seed: the other end makes the same bytes without knowing ours. */
static uint8_t *make_stream(const char *seed, uint64_t count) {
    uint8_t *bytes = malloc(count + 1);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool ok = bytes != NULL && ctx != NULL && EVP_DigestInit_ex(ctx, EVP_shake128(), NULL) == 1 &&
              EVP_DigestUpdate(ctx, seed, strlen(seed)) == 1 &&
              (count == 0 || EVP_DigestFinalXOF(ctx, bytes, count) == 1);
    EVP_MD_CTX_free(ctx);
    if (!ok) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

int transfer_init(struct transfer *t, struct plait_stack *stack,
                  const struct transfer_options *options) {
    memset(t, 0, sizeof(*t));
    t->options = *options;
    t->stack = stack;
    t->info.size = sizeof(t->info);
    t->out = make_stream(options->seed, options->bytes);
    t->expected = make_stream(options->peer_seed, options->peer_bytes);
    if (t->out == NULL || t->expected == NULL) {
        transfer_fini(t);
        return PLAIT_E_NO_MEMORY;
    }
    return 0;
}

void transfer_fini(struct transfer *t) {
    free(t->out);
    free(t->expected);
    t->out = t->expected = NULL;
}

/* Keeps the last state of every subflow, so that the report also names those that are gone. */
static void note_subflows(struct transfer *t) {
    struct plait_subflow_info now[PEER_SUBFLOWS_MAX];
    memset(now, 0, sizeof(now));
    now[0].size = sizeof(now[0]);
    int count = plait_subflows(t->stack, t->sock, now, PEER_SUBFLOWS_MAX);
    unsigned established = 0;
    for (int i = 0; i < count && i < PEER_SUBFLOWS_MAX; i++) {
        established += now[i].established;
        if (now[i].serial >= 1 && now[i].serial <= PEER_SUBFLOWS_MAX) {
            t->subflows[now[i].serial - 1] = now[i];
            if (now[i].serial > t->subflow_count) {
                t->subflow_count = now[i].serial;
            }
        }
    }
    if (established > t->established_max) {
        t->established_max = established;
    }
    uint64_t hello = t->options.peer_bytes < PEER_HELLO ? t->options.peer_bytes : PEER_HELLO;
    if (!t->released && t->received >= hello) {
        t->released = established >= t->options.join_wait;
    }
}

static void note(struct transfer *t) {
    struct plait_connection_info info = {.size = sizeof(info)};
    if (plait_connection(t->stack, t->sock, &info) == 0) {
        t->info = info;
    }
    note_subflows(t);
}

static void finish(struct transfer *t, plait_time now) {
    if (!t->over) {
        t->over = true;
        plait_close(t->stack, t->sock, now);
    }
}

void transfer_fail(struct transfer *t, int error, plait_time now) {
    if (!t->over) {
        note(t);
        t->error = error;
        finish(t, now);
    }
}

void transfer_start(struct transfer *t, plait_sock sock, plait_time now) {
    t->sock = sock;
    transfer_step(t, now);
}

static void wrong(struct transfer *t, const char *verdict, plait_time now) {
    t->verdict = verdict;
    transfer_fail(t, PLAIT_E_PROTOCOL, now);
}

static void receive(struct transfer *t, plait_time now) {
    static uint8_t chunk[CHUNK];
    while (!t->over && !t->eof) {
        int64_t n = plait_read(t->stack, t->sock, chunk, sizeof(chunk), now);
        if (n == PLAIT_E_AGAIN) {
            return;
        }
        if (n < 0) {
            transfer_fail(t, (int)n, now);
            return;
        }
        uint64_t left =
            t->options.peer_bytes > t->received ? t->options.peer_bytes - t->received : 0;
        if (n == 0) {
            t->eof = true;
            t->altered = t->altered || left > 0;
            t->released = t->released || t->options.any_bytes; /* nothing to wait for any more */
            if (left > 0 && !t->options.any_bytes) {
                wrong(t, "end of stream too early", now);
            }
            return;
        }
        bool right =
            (uint64_t)n <= left && memcmp(chunk, t->expected + t->received, (size_t)n) == 0;
        t->altered = t->altered || !right;
        if (!right && !t->options.any_bytes) {
            fprintf(stderr, "wrong bytes in %" PRIu64 "+%" PRId64 "\n", t->received, n);
            wrong(t, "wrong bytes", now);
            return;
        }
        t->received += (uint64_t)n;
    }
}

static void act(struct transfer *t, plait_time now) {
    while (t->actions_done < t->options.action_count &&
           t->received >= t->options.actions[t->actions_done].at) {
        t->options.act(t->options.user, t->options.actions[t->actions_done++].what, now);
    }
    if (t->options.fastclose_at >= 0 && t->received >= (uint64_t)t->options.fastclose_at) {
        note(t);
        t->aborted = true;
        plait_abort(t->stack, t->sock, PLAIT_E_ABORTED, now);
        finish(t, now);
    }
}

/* How far the stream may be sent now. */
static uint64_t send_limit(const struct transfer *t) {
    bool all = t->released && (t->eof || !t->options.wait_eof);
    return all || t->options.bytes < PEER_HELLO ? t->options.bytes : PEER_HELLO;
}

static void send_more(struct transfer *t, plait_time now) {
    uint64_t limit = send_limit(t);
    while (t->sent < limit) {
        int64_t n =
            plait_write(t->stack, t->sock, t->out + t->sent, (size_t)(limit - t->sent), now);
        if (n == PLAIT_E_AGAIN) {
            return;
        }
        if (n < 0) {
            transfer_fail(t, (int)n, now);
            return;
        }
        t->sent += (uint64_t)n;
    }
    if (t->sent == t->options.bytes && !t->shut) {
        note(t);
        int error = plait_shutdown(t->stack, t->sock, now);
        if (error < 0) {
            transfer_fail(t, error, now);
            return;
        }
        t->shut = true;
    }
}

/* Then nothing can be lost by the process that ends. */
static bool all_acknowledged(const struct transfer *t) {
    int64_t queued = 0;
    return plait_get(t->stack, t->sock, PLAIT_OPT_SEND_QUEUE, &queued) < 0 || queued == 0;
}

void transfer_step(struct transfer *t, plait_time now) {
    if (t->over || t->sock == 0) {
        return;
    }
    note_subflows(t);
    receive(t, now);
    if (!t->over) {
        act(t, now);
    }
    if (!t->over) {
        send_more(t, now);
    }
    if (!t->over && t->shut && t->eof && all_acknowledged(t)) {
        note(t);
        finish(t, now);
    }
}
