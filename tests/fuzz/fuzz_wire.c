/* Fuzzes the parsers of src/wire with one IP packet, and checks what they promise: everything they
 * point to lies in the packet, and what they understood is written and parsed back to the same. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "fuzz.h"
#include "wire/checksum.h"
#include "wire/icmp.h"
#include "wire/tcp.h"

enum { ADDR_TEXT_MAX = 60 };

/* ---- MPTCP options ---- */

static void reparse(const uint8_t *opt, uint8_t flags, struct pl_mptcp_options *out) {
    memset(out, 0, sizeof(*out));
    pl_mptcp_parse(opt, opt[1], (flags & PL_TCP_SYN) != 0, (flags & PL_TCP_ACK) != 0, out);
}

/* Written, parsed, written, parsed: both texts and both structs are the same. */
static void check_option(const struct pl_mptcp_options *o, enum pl_mptcp_subtype s, uint8_t flags) {
    uint8_t first[PL_TCP_OPTIONS_MAX], second[PL_TCP_OPTIONS_MAX];
    struct pl_mptcp_options a, b;
    uint32_t len = pl_mptcp_write(first, s, o);
    FUZZ_CHECK(len == pl_mptcp_len(s, o));
    FUZZ_CHECK(len % 4 == 0 && first[1] <= len);
    reparse(first, flags, &a);
    FUZZ_CHECK(a.present == 1u << s);
    FUZZ_CHECK(a.bad == 0 && a.unknown == 0);
    FUZZ_CHECK(pl_mptcp_write(second, s, &a) == len);
    FUZZ_CHECK(memcmp(first, second, len) == 0);
    reparse(second, flags, &b);
    FUZZ_CHECK(memcmp(&a, &b, sizeof(a)) == 0);
}

static void check_mptcp(const struct pl_mptcp_options *o, uint8_t flags) {
    FUZZ_CHECK(o->present >> (PL_MP_TCPRST + 1) == 0);
    FUZZ_CHECK(!pl_mptcp_has(o, PL_MP_REMOVE_ADDR) || o->remove_addr.count >= 1);
    for (unsigned s = 0; s <= PL_MP_TCPRST; s++) {
        if (pl_mptcp_has(o, (enum pl_mptcp_subtype)s)) {
            check_option(o, (enum pl_mptcp_subtype)s, flags);
        }
    }
}

/* ---- TCP ---- */

static uint32_t write_options(uint8_t *out, const struct pl_tcp_options *o) {
    uint32_t len = 0;
    if (o->has_mss) {
        len += pl_tcp_put_mss(out + len, o->mss);
    }
    if (o->has_sack_ok) {
        len += pl_tcp_put_sack_ok(out + len);
    }
    if (o->has_timestamps) {
        len += pl_tcp_put_timestamps(out + len, o->ts_val, o->ts_ecr);
    }
    if (o->uto != 0) {
        len += pl_tcp_put_uto(out + len, o->uto);
    }
    unsigned room = (PL_TCP_OPTIONS_MAX - len - 4) / 8;
    unsigned blocks = o->sack_count < room ? o->sack_count : room;
    if (blocks > 0) {
        len += pl_tcp_put_sack(out + len, o->sack, blocks);
    }
    return len;
}

static void check_rewritten(const struct pl_segment *seg) {
    uint8_t out[PL_TCP_HEADER + PL_TCP_OPTIONS_MAX];
    struct pl_segment again;
    uint32_t len = write_options(out + PL_TCP_HEADER, &seg->options);
    len = pl_tcp_write(out, seg, len);
    FUZZ_CHECK(pl_tcp_parse(out, len, &again) == PL_TCP_OK);
    FUZZ_CHECK(again.src_port == seg->src_port && again.dst_port == seg->dst_port);
    FUZZ_CHECK(pl_seq32_eq(again.seq, seg->seq) && pl_seq32_eq(again.ack, seg->ack));
    FUZZ_CHECK(again.flags == seg->flags && again.window_raw == seg->window_raw);
    FUZZ_CHECK(again.options.has_mss == seg->options.has_mss);
    FUZZ_CHECK(again.options.mss == seg->options.mss);
    FUZZ_CHECK(again.options.has_sack_ok == seg->options.has_sack_ok);
    FUZZ_CHECK(again.options.uto == seg->options.uto);
    FUZZ_CHECK(again.options.ts_val == seg->options.ts_val);
    FUZZ_CHECK(again.options.sack_count <= seg->options.sack_count);
    for (unsigned i = 0; i < again.options.sack_count; i++) {
        FUZZ_CHECK(pl_seq32_eq(again.options.sack[i].end, seg->options.sack[i].end));
    }
}

static void check_tcp(const uint8_t *data, size_t len) {
    struct pl_segment seg;
    if (pl_tcp_parse(data, len, &seg) != PL_TCP_OK) {
        return;
    }
    FUZZ_CHECK(seg.payload >= data + PL_TCP_HEADER);
    FUZZ_CHECK(seg.payload + seg.payload_len == data + len);
    FUZZ_CHECK(pl_segment_len(&seg) >= seg.payload_len);
    FUZZ_CHECK(seg.options.sack_count <= PL_TCP_SACK_MAX);
    check_mptcp(&seg.options.mptcp, seg.flags);
    check_rewritten(&seg);
}

/* ---- IP and ICMP ---- */

static void check_addr(const struct plait_addr *addr) {
    char text[PL_ADDR_TEXT];
    struct plait_addr again;
    pl_addr_format(addr, text);
    FUZZ_CHECK(memchr(text, 0, sizeof(text)) != NULL);
    FUZZ_CHECK(pl_addr_parse(text, &again));
    FUZZ_CHECK(pl_addr_equal(addr, &again));
}

static void check_icmp(const struct pl_ip *ip, uint8_t *payload, size_t len) {
    struct pl_icmp_error error;
    (void)pl_icmp_parse(ip, payload, len, &error);
    if (len >= 4) { /* a fuzzer does not find checksums */
        uint64_t sum = 0;
        if (ip->src.family == PLAIT_IPV6) {
            sum = pl_sum_pseudo(&ip->src, &ip->dst, PL_IP_ICMP6, (uint32_t)len);
        }
        pl_put16(payload + 2, 0);
        pl_put16(payload + 2, (uint16_t)~pl_sum_fold(pl_sum_add(sum, payload, len)));
    }
    if (pl_icmp_parse(ip, payload, len, &error)) {
        FUZZ_CHECK(error.kind != PL_ICMP_OTHER);
        FUZZ_CHECK(error.inner.protocol == PL_IP_TCP);
        FUZZ_CHECK(error.inner.src.family == ip->src.family);
    }
}

static void check_packet(uint8_t *data, size_t len) {
    struct pl_ip ip, again;
    if (pl_ip_parse(data, len, &ip) != PL_IP_OK) {
        return;
    }
    FUZZ_CHECK(ip.header_len >= 20);
    FUZZ_CHECK((uint64_t)ip.header_len + ip.payload_len <= len);
    check_addr(&ip.src);
    check_addr(&ip.dst);
    uint8_t header[40];
    uint32_t header_len = pl_ip_write(header, &ip, 1);
    FUZZ_CHECK(pl_ip_parse_quoted(header, header_len, &again) == PL_IP_OK || header_len == 40);
    FUZZ_CHECK(pl_addr_equal(&ip.src, &again.src) && pl_addr_equal(&ip.dst, &again.dst));
    FUZZ_CHECK(again.hops == ip.hops && again.traffic_class == ip.traffic_class);
    if (ip.protocol == PL_IP_TCP) {
        check_tcp(data + ip.header_len, ip.payload_len);
        return;
    }
    check_icmp(&ip, data + ip.header_len, ip.payload_len);
}

static void check_text(const uint8_t *data, size_t len) {
    char text[ADDR_TEXT_MAX + 1];
    struct plait_addr addr;
    len = len < ADDR_TEXT_MAX ? len : ADDR_TEXT_MAX;
    memcpy(text, data, len);
    text[len] = '\0';
    if (pl_addr_parse(text, &addr)) {
        check_addr(&addr);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len == 0) {
        return 0;
    }
    /* A block of exactly this size, so that the sanitizer sees a read behind the packet. */
    uint8_t *copy = malloc(len);
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, data, len);
    check_text(copy, len);
    check_tcp(copy, len);
    check_packet(copy, len);
    if (len >= 20 && copy[0] >> 4 == 4 && 4u * (copy[0] & 15) <= len) {
        uint32_t header_len = 4u * (copy[0] & 15);
        pl_put16(copy + 10, 0);
        pl_put16(copy + 10, (uint16_t)~pl_sum_fold(pl_sum_add(0, copy, header_len)));
        check_packet(copy, len);
    }
    free(copy);
    return 0;
}
