/* check_fixture.h - a packet checker of one host and segments for it, for its tests. */
#ifndef CHECK_FIXTURE_H
#define CHECK_FIXTURE_H

#include "box_packet.h"
#include "sim/check.h"
#include "testenv.h"

static const plait_time clock_zero;

struct fixture {
    struct test_env env;
    struct pl_plan_host plan;
    struct pl_sim_verdict verdict;
    struct pl_check check;
    struct plait_endpoint us, them;
};

static inline void setup(struct fixture *f) {
    memset(f, 0, sizeof(*f));
    test_env_init(&f->env, 1);
    f->verdict.clock = &clock_zero;
    f->us = (struct plait_endpoint){box_addr(false, 1), 4000};
    f->them = (struct plait_endpoint){box_addr(false, 2), 80};
    f->plan.port_count = 1;
    f->plan.port[0] = (struct pl_plan_port){.mtu = 1500, .address_count = 1};
    f->plan.port[0].address[0].addr = f->us.addr;
    pl_check_init(&f->check, &f->env.env, &f->plan, 0, &f->verdict);
}

/* A segment as text of numbers; options and payload are borrowed. */
struct say {
    uint8_t flags;
    uint32_t seq, ack;
    uint16_t window;
    const char *payload;
    const uint8_t *options;
    uint32_t options_len;
};

static inline struct box_packet build(const struct plait_endpoint *from,
                                      const struct plait_endpoint *to, const struct say *s) {
    struct box_packet p = {.len = 0};
    uint32_t payload_len = s->payload != NULL ? (uint32_t)strlen(s->payload) : 0;
    uint32_t tcp_len = 20 + s->options_len + payload_len;
    struct pl_segment seg = {.src_port = from->port,
                             .dst_port = to->port,
                             .seq = {s->seq},
                             .ack = {s->ack},
                             .flags = s->flags,
                             .window_raw = s->window};
    struct pl_ip ip = {.src = from->addr,
                       .dst = to->addr,
                       .protocol = PL_IP_TCP,
                       .hops = 64,
                       .payload_len = tcp_len};
    uint32_t at = pl_ip_write(p.data, &ip, 7);
    if (s->options_len > 0) {
        memcpy(p.data + at + 20, s->options, s->options_len);
    }
    pl_tcp_write(p.data + at, &seg, s->options_len);
    if (payload_len > 0) {
        memcpy(p.data + at + 20 + s->options_len, s->payload, payload_len);
    }
    uint64_t sum = pl_sum_pseudo(&from->addr, &to->addr, PL_IP_TCP, tcp_len);
    pl_put16(p.data + at + 16, (uint16_t)~pl_sum_fold(pl_sum_add(sum, p.data + at, tcp_len)));
    p.len = at + tcp_len;
    return p;
}

/* We send; returns whether the checker is content. */
static inline bool sent(struct fixture *f, struct say s) {
    struct box_packet p = build(&f->us, &f->them, &s);
    pl_check_sent(&f->check, 0, 1500, p.data, p.len);
    return f->verdict.failures == 0;
}

static inline void arrived(struct fixture *f, struct say s) {
    struct box_packet p = build(&f->them, &f->us, &s);
    pl_check_arrived(&f->check, p.data, p.len);
    assert_int_equal(f->verdict.failures, 0);
}

/* Plain TCP: our ISN is 99, theirs 499, their window 10. */
static inline void handshake(struct fixture *f) {
    assert_true(sent(f, (struct say){.flags = PL_TCP_SYN, .seq = 99, .window = 1000}));
    arrived(f,
            (struct say){.flags = PL_TCP_SYN | PL_TCP_ACK, .seq = 499, .ack = 100, .window = 10});
    assert_true(sent(f, (struct say){.flags = PL_TCP_ACK, .seq = 100, .ack = 500, .window = 1000}));
}

static inline void done(struct fixture *f, const char *reason) {
    assert_int_equal(f->verdict.failures, 1);
    assert_non_null(strstr(f->verdict.reason, reason));
    pl_check_fini(&f->check);
}

#endif
