/* The TCP header. Options are dispatched by kind: each has a reader that is given the option with
 * its header and that ignores it when its length is not the one the RFC gives it. */
#include "wire/tcp.h"

#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"

enum {
    OPT_END = 0,
    OPT_NOP = 1,
    OPT_MSS = 2,
    OPT_WSCALE = 3,
    OPT_SACK_OK = 4,
    OPT_SACK = 5,
    OPT_TIMESTAMPS = 8,
    OPT_UTO = 28,
    OPT_FASTOPEN = 34,
};

uint32_t pl_segment_len(const struct pl_segment *seg) {
    PL_ASSERT(seg->payload_len < UINT32_MAX - 1);
    return seg->payload_len + ((seg->flags & PL_TCP_SYN) != 0) + ((seg->flags & PL_TCP_FIN) != 0);
}

static void read_mss(const uint8_t *opt, uint32_t len, struct pl_tcp_options *o) {
    if (len == 4) {
        o->has_mss = true;
        o->mss = pl_get16(opt + 2);
    }
}

static void read_wscale(const uint8_t *opt, uint32_t len, struct pl_tcp_options *o) {
    if (len == 3) {
        o->has_wscale = true;
        o->wscale = opt[2];
    }
}

static void read_sack(const uint8_t *opt, uint32_t len, struct pl_tcp_options *o) {
    if (len < 10 || (len - 2) % 8 != 0) {
        return;
    }
    o->sack_count = (uint8_t)((len - 2) / 8);
    PL_ASSERT(o->sack_count <= PL_TCP_SACK_MAX);
    for (unsigned i = 0; i < o->sack_count; i++) {
        o->sack[i].start = pl_seq32_of(pl_get32(opt + 2 + 8 * i));
        o->sack[i].end = pl_seq32_of(pl_get32(opt + 6 + 8 * i));
    }
}

static void read_timestamps(const uint8_t *opt, uint32_t len, struct pl_tcp_options *o) {
    if (len == 10) {
        o->has_timestamps = true;
        o->ts_val = pl_get32(opt + 2);
        o->ts_ecr = pl_get32(opt + 6);
    }
}

static void read_fastopen(const uint8_t *opt, uint32_t len, struct pl_tcp_options *o) {
    if (len != 2 && (len < 6 || len > 18 || len % 2 != 0)) {
        return;
    }
    o->has_fastopen = true;
    o->fastopen.len = (uint8_t)(len - 2);
    PL_ASSERT(o->fastopen.len <= sizeof(o->fastopen.bytes));
    memcpy(o->fastopen.bytes, opt + 2, o->fastopen.len);
}

/* MSS, window scale, SACK-permitted and Fast Open mean something on a SYN only (RFC 9293
 * section 3.2, RFC 7323 section 2.2, RFC 2018 section 2, RFC 7413 section 4.1.1). */
static void read_syn_option(const uint8_t *opt, uint32_t len, struct pl_tcp_options *o) {
    switch (opt[0]) {
        case OPT_MSS:
            read_mss(opt, len, o);
            break;
        case OPT_WSCALE:
            read_wscale(opt, len, o);
            break;
        case OPT_SACK_OK:
            o->has_sack_ok = o->has_sack_ok || len == 2;
            break;
        case OPT_FASTOPEN:
            read_fastopen(opt, len, o);
            break;
        default:
            break;
    }
}

static void read_option(const uint8_t *opt, uint32_t len, uint8_t flags, struct pl_tcp_options *o) {
    bool is_syn = (flags & PL_TCP_SYN) != 0;
    bool is_ack = (flags & PL_TCP_ACK) != 0;
    switch (opt[0]) {
        case OPT_SACK:
            read_sack(opt, len, o);
            break;
        case OPT_TIMESTAMPS:
            read_timestamps(opt, len, o);
            break;
        case OPT_UTO:
            o->uto = len == 4 ? pl_get16(opt + 2) : o->uto;
            break;
        case PL_TCPOPT_MPTCP:
            pl_mptcp_parse(opt, len, is_syn, is_ack, &o->mptcp);
            break;
        default:
            if (is_syn) {
                read_syn_option(opt, len, o);
            }
            break;
    }
}

static enum pl_tcp_result read_options(const uint8_t *data, uint32_t len, uint8_t flags,
                                       struct pl_tcp_options *o) {
    PL_ASSERT(len <= PL_TCP_OPTIONS_MAX);
    uint32_t at = 0;
    while (at < len && data[at] != OPT_END) {
        if (data[at] == OPT_NOP) {
            at++;
            continue;
        }
        if (len - at < 2 || data[at + 1] < 2 || data[at + 1] > len - at) {
            return PL_TCP_BAD_OPTION;
        }
        read_option(data + at, data[at + 1], flags, o);
        at += data[at + 1];
    }
    return PL_TCP_OK;
}

enum pl_tcp_result pl_tcp_parse(const uint8_t *data, size_t len, struct pl_segment *out) {
    *out = (struct pl_segment){0};
    if (len < PL_TCP_HEADER) {
        return PL_TCP_TRUNCATED;
    }
    uint32_t header_len = 4u * (data[12] >> 4);
    if (header_len < PL_TCP_HEADER) {
        return PL_TCP_BAD_OPTION;
    }
    if (len < header_len || len > UINT32_MAX / 2) {
        return PL_TCP_TRUNCATED;
    }
    out->src_port = pl_get16(data);
    out->dst_port = pl_get16(data + 2);
    out->seq = pl_seq32_of(pl_get32(data + 4));
    out->ack = pl_seq32_of(pl_get32(data + 8));
    out->flags = data[13];
    out->window_raw = pl_get16(data + 14);
    out->urgent = pl_get16(data + 18);
    PL_ASSERT(header_len <= PL_TCP_HEADER + PL_TCP_OPTIONS_MAX);
    out->payload = data + header_len;
    out->payload_len = (uint32_t)len - header_len;
    out->options_len = (uint8_t)(header_len - PL_TCP_HEADER);
    return read_options(data + PL_TCP_HEADER, header_len - PL_TCP_HEADER, out->flags,
                        &out->options);
}

uint32_t pl_tcp_write(uint8_t *out, const struct pl_segment *seg, uint32_t options_len) {
    PL_ASSERT(options_len <= PL_TCP_OPTIONS_MAX);
    PL_ASSERT(options_len % 4 == 0);
    uint32_t header_len = PL_TCP_HEADER + options_len;
    pl_put16(out, seg->src_port);
    pl_put16(out + 2, seg->dst_port);
    pl_put32(out + 4, seg->seq.v);
    pl_put32(out + 8, seg->ack.v);
    out[12] = (uint8_t)(header_len / 4 << 4);
    out[13] = seg->flags;
    pl_put16(out + 14, seg->window_raw);
    pl_put16(out + 16, 0);
    pl_put16(out + 18, seg->urgent);
    return header_len;
}

uint32_t pl_tcp_put_mss(uint8_t *out, uint16_t mss) {
    out[0] = OPT_MSS;
    out[1] = 4;
    pl_put16(out + 2, mss);
    return 4;
}

uint32_t pl_tcp_put_uto(uint8_t *out, uint16_t raw) {
    PL_ASSERT(raw != 0);
    out[0] = OPT_UTO;
    out[1] = 4;
    pl_put16(out + 2, raw);
    return 4;
}

uint32_t pl_tcp_put_wscale(uint8_t *out, uint8_t shift) {
    PL_ASSERT(shift <= 14);
    out[0] = OPT_NOP;
    out[1] = OPT_WSCALE;
    out[2] = 3;
    out[3] = shift;
    return 4;
}

uint32_t pl_tcp_put_sack_ok(uint8_t *out) {
    out[0] = OPT_NOP;
    out[1] = OPT_NOP;
    out[2] = OPT_SACK_OK;
    out[3] = 2;
    return 4;
}

uint32_t pl_tcp_put_timestamps(uint8_t *out, uint32_t val, uint32_t ecr) {
    out[0] = OPT_NOP;
    out[1] = OPT_NOP;
    out[2] = OPT_TIMESTAMPS;
    out[3] = 10;
    pl_put32(out + 4, val);
    pl_put32(out + 8, ecr);
    return 12;
}

uint32_t pl_tcp_put_sack_ok_timestamps(uint8_t *out, uint32_t val, uint32_t ecr) {
    uint32_t len = pl_tcp_put_timestamps(out, val, ecr);
    PL_ASSERT(len == 12 && out[0] == OPT_NOP && out[1] == OPT_NOP);
    out[0] = OPT_SACK_OK;
    out[1] = 2;
    return len;
}

uint32_t pl_tcp_fastopen_len(const struct pl_tcp_cookie *cookie) {
    return (2 + (uint32_t)cookie->len + 3) / 4 * 4;
}

uint32_t pl_tcp_put_fastopen(uint8_t *out, const struct pl_tcp_cookie *cookie) {
    PL_ASSERT(cookie->len <= sizeof(cookie->bytes) && cookie->len % 2 == 0);
    uint32_t len = 2 + (uint32_t)cookie->len;
    out[0] = OPT_FASTOPEN;
    out[1] = (uint8_t)len;
    memcpy(out + 2, cookie->bytes, cookie->len);
    while (len % 4 != 0) {
        out[len++] = OPT_NOP;
    }
    return len;
}

uint32_t pl_tcp_put_sack(uint8_t *out, const struct pl_sack_block *b, unsigned n) {
    PL_ASSERT(n >= 1);
    PL_ASSERT(n <= PL_TCP_SACK_MAX);
    out[0] = OPT_NOP;
    out[1] = OPT_NOP;
    out[2] = OPT_SACK;
    out[3] = (uint8_t)(2 + 8 * n);
    for (unsigned i = 0; i < n; i++) {
        pl_put32(out + 4 + 8 * i, b[i].start.v);
        pl_put32(out + 8 + 8 * i, b[i].end.v);
    }
    return 4 + 8 * n;
}
