/* tcp/options.c - which options a connection uses, and how large its segments are.
 *
 * The SYNs settle MSS, window scaling, timestamps and SACK (RFC 9293 section 3.7.1, RFC 7323,
 * RFC 2018). On other segments the order is timestamps, the upper's options, SACK blocks, UTO; the
 * upper has been promised all the room behind the timestamps. */
#include "base/assert.h"
#include "tcp/engine.h"

enum { MSS_DEFAULT_V4 = 536, MSS_DEFAULT_V6 = 1220, MSS_MIN = 88, TIMESTAMPS_LEN = 12 };
enum { WSCALE_MAX = 14, PAWS_IDLE_DAYS = 24 };

static uint32_t ip_header(const struct pl_tcp *tcp) {
    return tcp->tuple.local.family == PLAIT_IPV6 ? 40 : 20;
}

uint16_t pl_tcp_mss_offer(const struct pl_tcp *tcp) {
    uint32_t mss = tcp->snd.mtu - ip_header(tcp) - PL_TCP_HEADER;
    PL_ASSERT(tcp->snd.mtu > ip_header(tcp) + PL_TCP_HEADER);
    uint32_t most = tcp->tuning->mss_max > 0 ? tcp->tuning->mss_max : UINT16_MAX;
    return (uint16_t)(mss < most ? mss : most);
}

uint32_t pl_tcp_mss_raw(const struct pl_tcp *tcp) {
    uint32_t mss = pl_tcp_mss_offer(tcp);
    return tcp->snd.peer_mss < mss ? tcp->snd.peer_mss : mss;
}

/* Payload per packet: what both ends and the path bear, less the options (RFC 6691). */
uint32_t pl_tcp_mss(const struct pl_tcp *tcp) {
    uint32_t mss = pl_tcp_mss_raw(tcp);
    uint32_t options = tcp->ops->data_options_len(tcp->up) + (tcp->ts.on ? TIMESTAMPS_LEN : 0);
    PL_ASSERT(options <= PL_TCP_OPTIONS_MAX);
    PL_ASSERT(mss >= MSS_MIN);
    return mss - options;
}

/* The smallest shift with which the largest window fits 16 bits. */
uint8_t pl_tcp_wscale_choose(const struct pl_ctx *ctx, uint32_t buffer_bytes) {
    uint32_t usual = ctx->config.receive_buffer_bytes;
    uint32_t most = buffer_bytes > usual ? buffer_bytes : usual;
    uint8_t shift = 0;
    while (shift < WSCALE_MAX && most >> shift > UINT16_MAX) {
        shift++;
    }
    PL_ASSERT(most >> shift <= UINT16_MAX || shift == WSCALE_MAX);
    return shift;
}

void pl_tcp_options_default(struct pl_tcp *tcp) {
    PL_ASSERT(!pl_tcp_synchronized(tcp));
    bool v6 = tcp->tuple.local.family == PLAIT_IPV6;
    tcp->snd.peer_mss = v6 ? MSS_DEFAULT_V6 : MSS_DEFAULT_V4;
    tcp->ts.on = true;
    tcp->snd.sack_ok = true;
}

/* The peer's SYN or SYN/ACK settles what is used from here on. */
void pl_tcp_options_settle(struct pl_tcp *tcp, const struct pl_segment *syn, plait_time now) {
    const struct pl_tcp_options *o = &syn->options;
    PL_ASSERT((syn->flags & PL_TCP_SYN) != 0);
    if (o->has_mss) {
        tcp->snd.peer_mss = o->mss > MSS_MIN ? o->mss : MSS_MIN;
    }
    if (o->has_wscale) {
        tcp->snd.wscale = o->wscale < WSCALE_MAX ? o->wscale : WSCALE_MAX;
        PL_COUNT_N(tcp->ctx, WscaleTooLarge, o->wscale > WSCALE_MAX ? 1 : 0);
    } else {
        tcp->snd.wscale = 0;
        tcp->rcv.wscale = 0;
    }
    tcp->snd.sack_ok = o->has_sack_ok;
    tcp->ts.on = o->has_timestamps;
    if (o->has_timestamps) {
        pl_tcp_ts_remember(tcp, o->ts_val, now);
    }
}

/* Not while our SYN only offers them: an RST then has none (RFC 7323 section 3.2). */
bool pl_tcp_ts_agreed(const struct pl_tcp *tcp) {
    return tcp->ts.on && tcp->ts.has_recent;
}

uint32_t pl_tcp_ts_of(const struct pl_tcp *tcp, plait_time now) {
    return tcp->ts.offset + (uint32_t)(now / PLAIT_NS_PER_MS);
}

void pl_tcp_ts_remember(struct pl_tcp *tcp, uint32_t value, plait_time now) {
    tcp->ts.recent = value;
    tcp->ts.recent_at_s = (uint32_t)(now / PLAIT_NS_PER_S);
    tcp->ts.has_recent = true;
}

/* RFC 7323 section 3.2: agreed on, they are on everything; what has none PAWS cannot vouch for. A
 * SYN is somebody's who does not know of the connection, and is challenged (RFC 5961 section 4). */
bool pl_tcp_ts_lacking(const struct pl_tcp *tcp, const struct pl_segment *seg) {
    PL_ASSERT((seg->flags & PL_TCP_RST) == 0);
    return pl_tcp_ts_agreed(tcp) && !seg->options.has_timestamps && (seg->flags & PL_TCP_SYN) == 0;
}

/* RFC 7323 section 5: whether a segment is an old duplicate by its timestamp. */
bool pl_tcp_paws_reject(const struct pl_tcp *tcp, const struct pl_segment *seg, plait_time now) {
    PL_ASSERT(tcp->ctx != NULL);
    if (!pl_tcp_ts_agreed(tcp) || !seg->options.has_timestamps) {
        return false;
    }
    if ((int32_t)(seg->options.ts_val - tcp->ts.recent) >= 0) {
        return false;
    }
    uint32_t idle_s = (uint32_t)(now / PLAIT_NS_PER_S) - tcp->ts.recent_at_s;
    return idle_s < PAWS_IDLE_DAYS * UINT32_C(86400);
}

/* SYN and SYN/ACK: 20 bytes of ours at most, which leaves the upper 20: room for a Fast Open cookie
 * beside MP_CAPABLE (RFC 8684 appendix B.1). */
uint32_t pl_tcp_options_syn(struct pl_tcp *tcp, uint8_t *out, bool is_ack, plait_time now) {
    bool wscale = !is_ack || tcp->rcv.wscale > 0 || tcp->snd.wscale > 0;
    uint32_t len = pl_tcp_put_mss(out, pl_tcp_mss_offer(tcp));
    if (tcp->ts.on) {
        uint32_t echo = is_ack ? tcp->ts.recent : 0, value = pl_tcp_ts_of(tcp, now);
        len += tcp->snd.sack_ok ? pl_tcp_put_sack_ok_timestamps(out + len, value, echo)
                                : pl_tcp_put_timestamps(out + len, value, echo);
    } else if (tcp->snd.sack_ok) {
        len += pl_tcp_put_sack_ok(out + len);
    }
    if (wscale) {
        len += pl_tcp_put_wscale(out + len, tcp->rcv.wscale);
    }
    PL_ASSERT(len <= 20);
    struct pl_seg_out what = {.kind = is_ack ? PL_SEG_SYN_ACK : PL_SEG_SYN,
                              .retransmission = tcp->life.retries > 0};
    uint32_t room = PL_TCP_OPTIONS_MAX - len;
    uint32_t more = tcp->ops->write_options(tcp->up, &what, out + len, room, now);
    PL_ASSERT(more <= room && more % 4 == 0);
    len += more;
    return len + pl_tcp_uto_put(tcp, out + len, PL_TCP_OPTIONS_MAX - len, true);
}

static uint32_t put_sack(struct pl_tcp *tcp, uint8_t *out, uint32_t room) {
    PL_ASSERT(room <= PL_TCP_OPTIONS_MAX);
    struct pl_sack_block blocks[PL_TCP_SACK_MAX];
    if (!tcp->snd.sack_ok || room < 12) {
        return 0;
    }
    uint32_t most = (room - 4) / 8;
    most = most < PL_TCP_SACK_MAX ? most : PL_TCP_SACK_MAX;
    unsigned n = pl_tcp_receive_blocks(tcp, blocks, most);
    return n == 0 ? 0 : pl_tcp_put_sack(out, blocks, n);
}

/* Every segment behind the SYNs. `limit` bounds the whole, for segments filled to the MTU. */
uint32_t pl_tcp_options_write(struct pl_tcp *tcp, const struct pl_seg_out *what, uint8_t *out,
                              uint32_t limit, plait_time now) {
    uint32_t len = 0;
    PL_ASSERT(what->kind == PL_SEG_RST || !tcp->ts.on || tcp->ts.has_recent);
    if (pl_tcp_ts_agreed(tcp)) {
        len += pl_tcp_put_timestamps(out, pl_tcp_ts_of(tcp, now), tcp->ts.recent);
    }
    uint32_t room = limit - len;
    PL_ASSERT(limit >= len && limit <= PL_TCP_OPTIONS_MAX);
    uint32_t more = tcp->ops->write_options(tcp->up, what, out + len, room, now);
    PL_ASSERT(more <= room && more % 4 == 0);
    len += more;
    if (what->kind != PL_SEG_RST) {
        len += put_sack(tcp, out + len, limit - len);
        len += pl_tcp_uto_put(tcp, out + len, limit - len, false);
    }
    PL_ASSERT(len <= limit);
    return len;
}
