/* mptcp_peer_test.h - what the tests with a peer under control share. Included by each test program
 * once. */
#ifndef MPTCP_PEER_TEST_H
#define MPTCP_PEER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "mptcp_peer.h"

#ifndef MS
#define MS PLAIT_NS_PER_MS
#define SECOND PLAIT_NS_PER_S
#endif

static struct peer peer;

/* The peer has connected to the stack; there are `paths` paths. */
static inline void begin_with(const struct peer_setup *setup) {
    peer_init(&peer, setup);
    peer_connect(&peer);
}

static inline void begin(void) {
    begin_with(NULL);
}

/* Payload [at, at+len) at the flow's offset `seq`, with options or none. */
static inline void send_at(unsigned flow, int64_t seq, uint64_t at, uint32_t len,
                           const struct pl_mptcp_options *o) {
    peer_send(&peer, &(struct peer_seg){.flow = flow, .seq = seq, .at = at, .len = len, .o = o});
}

/* Payload that is next in sequence. */
static inline void send_next(unsigned flow, uint64_t at, uint32_t len,
                             const struct pl_mptcp_options *o) {
    send_at(flow, PEER_NO_OFFSET, at, len, o);
}

/* Options without payload. */
static inline void send_options(unsigned flow, const struct pl_mptcp_options *o) {
    send_at(flow, PEER_NO_OFFSET, 0, 0, o);
}

/* The stream has arrived up to `to`. */
static inline void expect_read(uint64_t to) {
    peer_read(&peer);
    assert_int_equal(peer.read_at, to);
}

/* The last RST on a flow since `from`; must be there. */
static inline const struct peer_rx *expect_rst(unsigned from, unsigned flow) {
    const struct peer_rx *found = NULL;
    for (unsigned i = from; i < peer.log_count; i++) {
        if (peer.log[i].flow == flow && (peer.log[i].seg.flags & PL_TCP_RST) != 0) {
            found = &peer.log[i];
        }
    }
    assert_non_null(found);
    return found;
}

static inline void expect_counter(enum plait_counter counter, uint64_t value) {
    assert_int_equal(peer_counter(&peer, counter), value);
}

/* The next event of this type for the socket; false when there is none. Others are thrown away. */
static inline bool next_event(enum plait_event_type type, struct plait_event *out) {
    struct plait_event event;
    while (plait_event_next(peer.stack, &event)) {
        if (event.type == type && event.sock == peer.sock) {
            if (out != NULL) {
                *out = event;
            }
            return true;
        }
    }
    return false;
}

static inline int64_t option(enum plait_option which) {
    int64_t value = 0;
    assert_int_equal(plait_get(peer.stack, peer.sock, which, &value), 0);
    return value;
}

#endif
