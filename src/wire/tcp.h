/* wire/tcp.h - the TCP header and its options (RFC 9293 section 3.1, 7323, 2018): bytes <-> plain
 * structs.
 *
 * Parsing never fails half way: a segment is either malformed as a whole, or all fields are set. */
#ifndef PL_WIRE_TCP_H
#define PL_WIRE_TCP_H

#include "base/seq.h"
#include "wire/mptcp.h"

enum pl_tcp_flag {
    PL_TCP_FIN = 1,
    PL_TCP_SYN = 2,
    PL_TCP_RST = 4,
    PL_TCP_PSH = 8,
    PL_TCP_ACK = 16,
    PL_TCP_URG = 32,
    PL_TCP_ECE = 64,
    PL_TCP_CWR = 128,
};

enum { PL_TCP_SACK_MAX = 4, PL_TCP_OPTIONS_MAX = 40, PL_TCP_HEADER = 20 };

struct pl_sack_block {
    pl_seq32 start, end;
};

/* A Fast Open cookie (RFC 7413 section 4.1.1): 4 to 16 bytes, or 0, which asks for one. */
struct pl_tcp_cookie {
    uint8_t len;
    uint8_t bytes[16];
};

struct pl_tcp_options {
    bool has_mss, has_wscale, has_sack_ok, has_timestamps;
    uint16_t mss;
    uint8_t wscale; /* as sent; RFC 7323 section 2.3 limits its use to 14 */
    uint32_t ts_val, ts_ecr;
    uint8_t sack_count;
    struct pl_sack_block sack[PL_TCP_SACK_MAX];
    uint16_t uto;      /* RFC 5482, as sent; 0: none */
    bool has_fastopen; /* SYNs only */
    struct pl_tcp_cookie fastopen;
    struct pl_mptcp_options mptcp;
};

/* A parsed segment. `payload` points into the packet. */
struct pl_segment {
    uint16_t src_port, dst_port;
    pl_seq32 seq, ack;
    uint8_t flags;       /* enum pl_tcp_flag */
    uint16_t window_raw; /* unscaled */
    uint16_t urgent;
    struct pl_tcp_options options;
    const uint8_t *payload;
    uint32_t payload_len;
    uint16_t gso_size;   /* bytes per original segment if it was coalesced, else 0 */
    uint8_t options_len; /* of the option list as received */
    uint8_t ecn;         /* enum pl_ip_ecn, of the packet it came in; not written here */
};

/* Sequence space a segment takes: payload plus SYN plus FIN. */
uint32_t pl_segment_len(const struct pl_segment *seg);

enum pl_tcp_result {
    PL_TCP_OK,
    PL_TCP_TRUNCATED,
    PL_TCP_BAD_OPTION, /* lengths that contradict each other; the segment must be dropped */
};

/* Parses header, options and payload of `len` bytes. The checksum is not looked at. Unknown options
 * are skipped; a known option of a wrong length is ignored (RFC 9293 section 3.1); an option list
 * whose lengths run past the header is BAD_OPTION. */
enum pl_tcp_result pl_tcp_parse(const uint8_t *data, size_t len, struct pl_segment *out);

/* Writes the 20-byte header and `options_len` (a multiple of 4) option bytes that the caller put at
 * out + 20; the checksum field is left zero. Returns the header length. */
uint32_t pl_tcp_write(uint8_t *out, const struct pl_segment *seg, uint32_t options_len);

/* Option writers: each writes at `out` (room for what it says) and returns the bytes written. */
uint32_t pl_tcp_put_mss(uint8_t *out, uint16_t mss);                      /* 4 */
uint32_t pl_tcp_put_wscale(uint8_t *out, uint8_t shift);                  /* 3 + NOP */
uint32_t pl_tcp_put_sack_ok(uint8_t *out);                                /* 2 + 2 NOP */
uint32_t pl_tcp_put_timestamps(uint8_t *out, uint32_t val, uint32_t ecr); /* 10 + 2 NOP */
uint32_t pl_tcp_put_uto(uint8_t *out, uint16_t raw);                      /* 4 */
/* Both, without a NOP: 12 */
uint32_t pl_tcp_put_sack_ok_timestamps(uint8_t *out, uint32_t val, uint32_t ecr);
/* 2 + cookie, and NOPs up to a multiple of 4 */
uint32_t pl_tcp_fastopen_len(const struct pl_tcp_cookie *cookie);
uint32_t pl_tcp_put_fastopen(uint8_t *out, const struct pl_tcp_cookie *cookie);
/* 2 NOP + 2 + 8n */
uint32_t pl_tcp_put_sack(uint8_t *out, const struct pl_sack_block *b, unsigned n);

#endif
