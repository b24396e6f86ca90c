/* stack/cut.c - a large segment into packets, as TSO does it: the same header on every piece but
 * for length, identification and sequence number; FIN and PSH only on the last. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "plait/offload.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { AT_LEN = 2, AT_IDENT = 4, AT_IP_SUM = 10, AT_LEN_V6 = 4 };
enum { AT_SEQ = 4, AT_FLAGS = 13, AT_TCP_SUM = 16 };

void plait_cut_start(struct plait_cut *cut, const struct plait_tx *whole, bool device_sums) {
    PL_ASSERT(whole->slice_count <= PLAIT_TX_SLICES_MAX);
    *cut = (struct plait_cut){.whole = whole, .device_sums = device_sums};
}

/* The slices of the next `len` bytes. */
static void put_slices(struct plait_cut *cut, struct plait_tx *piece, uint32_t len) {
    piece->payload_len = len;
    piece->slice_count = 0;
    cut->done += len;
    while (len > 0) {
        PL_ASSERT(cut->slice < cut->whole->slice_count);
        const struct plait_slice *from = &cut->whole->slices[cut->slice];
        uint32_t left = from->len - cut->slice_at;
        uint32_t n = len < left ? len : left;
        piece->slices[piece->slice_count++] = (struct plait_slice){from->data + cut->slice_at, n};
        cut->slice_at += n;
        len -= n;
        if (n == left) {
            cut->slice++;
            cut->slice_at = 0;
        }
    }
}

/* The IP header; returns the sum of the pseudo header. */
static uint64_t put_ip(const struct plait_cut *cut, uint8_t *ip, uint32_t ip_len,
                       uint32_t tcp_len) {
    if (ip[0] >> 4 == 6) {
        pl_put16(ip + AT_LEN_V6, (uint16_t)tcp_len);
        return pl_sum_add(PL_IP_TCP + tcp_len, ip + 8, 32);
    }
    pl_put16(ip + AT_LEN, (uint16_t)(ip_len + tcp_len));
    pl_put16(ip + AT_IDENT, (uint16_t)(pl_get16(cut->whole->header + AT_IDENT) + cut->count));
    pl_put16(ip + AT_IP_SUM, 0);
    pl_put16(ip + AT_IP_SUM, (uint16_t)~pl_sum_fold(pl_sum_add(0, ip, ip_len)));
    return pl_sum_add(PL_IP_TCP + tcp_len, ip + 12, 8);
}

static uint64_t slices_sum(const struct plait_tx *tx) {
    uint64_t sum = 0;
    bool odd = false;
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        const struct plait_slice *s = &tx->slices[i];
        sum = odd ? pl_sum_add_odd(sum, s->data, s->len) : pl_sum_add(sum, s->data, s->len);
        odd ^= (s->len & 1) != 0;
    }
    return sum;
}

static void put_tcp_sum(const struct plait_cut *cut, struct plait_tx *piece, uint64_t pseudo) {
    uint8_t *tcp = piece->header + piece->csum_start;
    piece->needs_csum = cut->device_sums;
    if (cut->device_sums) {
        pl_put16(tcp + AT_TCP_SUM, pl_sum_fold(pseudo));
        return;
    }
    pl_put16(tcp + AT_TCP_SUM, 0);
    uint64_t sum = pl_sum_add(pseudo, tcp, piece->header_len - piece->csum_start);
    pl_put16(tcp + AT_TCP_SUM, (uint16_t)~pl_sum_fold(sum + slices_sum(piece)));
}

/* What is not cut is copied; a checksum that nobody will fill in is. */
static void put_whole(struct plait_cut *cut, struct plait_tx *piece) {
    *piece = *cut->whole;
    if (piece->needs_csum && !cut->device_sums) {
        uint8_t *tcp = piece->header + piece->csum_start;
        uint64_t pseudo = pl_get16(tcp + AT_TCP_SUM);
        put_tcp_sum(cut, piece, pseudo);
    }
}

bool plait_cut_next(struct plait_cut *cut, struct plait_tx *piece) {
    const struct plait_tx *whole = cut->whole;
    if (whole->gso_size == 0) {
        put_whole(cut, piece);
        return cut->count++ == 0;
    }
    uint32_t left = whole->payload_len - cut->done;
    if (left == 0) {
        return false;
    }
    PL_ASSERT(whole->needs_csum && whole->csum_start < whole->header_len);
    if (cut->count == 0) {
        memcpy(piece->header, whole->header, whole->header_len);
        piece->header_len = whole->header_len;
        piece->csum_start = whole->csum_start;
        piece->csum_offset = whole->csum_offset;
        piece->mark = whole->mark;
        piece->gso_size = 0;
    }
    uint32_t len = left < whole->gso_size ? left : whole->gso_size;
    uint8_t *tcp = piece->header + piece->csum_start;
    const uint8_t *first = whole->header + whole->csum_start;
    pl_put32(tcp + AT_SEQ, pl_get32(first + AT_SEQ) + cut->done);
    uint8_t last_only = len < left ? PL_TCP_FIN | PL_TCP_PSH : 0;
    tcp[AT_FLAGS] = (uint8_t)(first[AT_FLAGS] & ~last_only);
    put_slices(cut, piece, len);
    uint32_t tcp_len = piece->header_len - piece->csum_start + len;
    uint64_t pseudo = put_ip(cut, piece->header, piece->csum_start, tcp_len);
    put_tcp_sum(cut, piece, pseudo);
    cut->count++;
    return true;
}
