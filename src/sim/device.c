#include "sim/device.h"

#include <string.h>

#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"
#include "wire/tcp.h"

enum { IP_MAX = 65535, TCP_FLAGS = 13, TCP_CHECKSUM = 16, TCP_SEQUENCE = 4 };

/* Recomputes the lengths and checksums of a packet of one TCP segment. */
static void finish(uint8_t *packet, uint32_t len, uint32_t ip_len, uint16_t ident_add) {
    struct plait_addr src = {.family = PLAIT_IPV6};
    struct plait_addr dst = {.family = PLAIT_IPV6};
    uint32_t tcp_len = len - ip_len;
    if (packet[0] >> 4 == 4) {
        src.family = PLAIT_IPV4;
        dst.family = PLAIT_IPV4;
        memcpy(src.bytes, packet + 12, 4);
        memcpy(dst.bytes, packet + 16, 4);
        pl_put16(packet + 2, (uint16_t)len);
        pl_put16(packet + 4, (uint16_t)(pl_get16(packet + 4) + ident_add));
        pl_put16(packet + 10, 0);
        pl_put16(packet + 10, (uint16_t)~pl_sum_fold(pl_sum_add(0, packet, ip_len)));
    } else {
        memcpy(src.bytes, packet + 8, 16);
        memcpy(dst.bytes, packet + 24, 16);
        pl_put16(packet + 4, (uint16_t)tcp_len);
    }
    uint8_t *tcp = packet + ip_len;
    pl_put16(tcp + TCP_CHECKSUM, 0);
    uint64_t sum = pl_sum_pseudo(&src, &dst, PL_IP_TCP, tcp_len);
    pl_put16(tcp + TCP_CHECKSUM, (uint16_t)~pl_sum_fold(pl_sum_add(sum, tcp, tcp_len)));
}

/* Cuts a large segment as TSO does: the same header on every piece, FIN and PSH on the last. */
static void cut(const struct pl_device *device, const struct plait_tx *tx, const uint8_t *whole) {
    static const struct plait_rx_meta no_meta;
    uint32_t done = 0;
    for (uint16_t i = 0; done < tx->payload_len; i++) {
        uint32_t left = tx->payload_len - done;
        uint32_t payload = left < tx->gso_size ? left : tx->gso_size;
        struct plait_buf *buf = plait_buf_alloc(device->env, tx->header_len + payload);
        if (buf == NULL) {
            return;
        }
        memcpy(buf->data, whole, tx->header_len);
        memcpy(buf->data + tx->header_len, whole + tx->header_len + done, payload);
        buf->len = tx->header_len + payload;
        uint8_t *tcp = buf->data + tx->csum_start;
        pl_put32(tcp + TCP_SEQUENCE, pl_get32(tcp + TCP_SEQUENCE) + done);
        if (payload < left) {
            tcp[TCP_FLAGS] &= (uint8_t) ~(PL_TCP_FIN | PL_TCP_PSH);
        }
        finish(buf->data, buf->len, tx->csum_start, i);
        device->emit(device->arg, buf, &no_meta);
        plait_buf_unref(buf);
        done += payload;
    }
}

/* NULL, or what is wrong with what the stack handed over. */
static const char *complaint(const struct pl_device *device, const struct plait_tx *tx) {
    uint32_t flags = device->port->flags;
    uint64_t sum = 0;
    if (tx->header_len > PLAIT_TX_HEADER_MAX || tx->slice_count > PLAIT_TX_SLICES_MAX) {
        return "header or slices over their limit";
    }
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        if (tx->slices[i].len == 0 || tx->slices[i].data == NULL) {
            return "empty slice";
        }
        sum += tx->slices[i].len;
    }
    if (sum != tx->payload_len) {
        return "slices do not add up to the payload";
    }
    if (tx->gso_size == 0 && tx->header_len + tx->payload_len > device->mtu) {
        return "packet longer than the MTU";
    }
    if (tx->gso_size > 0 && (flags & PLAIT_PORT_TSO) == 0) {
        return "large segment for a port without TSO";
    }
    if (tx->gso_size > 0 && (tx->gso_size >= tx->payload_len || !tx->needs_csum ||
                             tx->header_len + tx->gso_size > device->mtu)) {
        return "large segment with a wrong gso_size";
    }
    if (tx->needs_csum && (flags & (PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM)) == 0) {
        return "checksum left to a port that does not compute it";
    }
    if (tx->needs_csum && (tx->csum_offset != TCP_CHECKSUM || tx->csum_start < 20)) {
        return "wrong csum_start or csum_offset";
    }
    return NULL;
}

/* With needs_csum the field must hold the sum of the pseudo header (as virtio-net wants it). */
static bool partial_sum_ok(const uint8_t *packet, const struct plait_tx *tx) {
    struct pl_ip ip;
    uint32_t len = tx->header_len + tx->payload_len;
    if (len > IP_MAX || pl_ip_parse(packet, len, &ip) != PL_IP_OK) {
        return len > IP_MAX;
    }
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, len - ip.header_len);
    return ip.header_len == tx->csum_start &&
           pl_get16(packet + tx->csum_start + TCP_CHECKSUM) == pl_sum_fold(sum);
}

void pl_device_send(const struct pl_device *device, const struct plait_tx *tx) {
    const char *wrong = complaint(device, tx);
    if (wrong != NULL) {
        pl_sim_fail(device->verdict, "output: %s (header %u, payload %u, gso %u, MTU %u)", wrong,
                    tx->header_len, tx->payload_len, tx->gso_size, device->mtu);
        return;
    }
    uint32_t len = tx->header_len + tx->payload_len;
    struct plait_buf *buf = plait_buf_alloc(device->env, len);
    if (buf == NULL) {
        return;
    }
    buf->len = len;
    memcpy(buf->data, tx->header, tx->header_len);
    uint32_t at = tx->header_len;
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        memcpy(buf->data + at, tx->slices[i].data, tx->slices[i].len);
        at += tx->slices[i].len;
    }
    if (tx->needs_csum && !partial_sum_ok(buf->data, tx)) {
        pl_sim_fail(device->verdict, "output: wrong partial checksum");
    }
    if (tx->gso_size > 0 && (!device->port->uncut || len > IP_MAX)) {
        cut(device, tx, buf->data);
    } else {
        struct plait_rx_meta meta = {.gso_size = tx->gso_size};
        if (tx->needs_csum) {
            finish(buf->data, len, tx->csum_start, 0);
            meta.flags = device->port->uncut ? PLAIT_RX_CSUM_OK : 0;
        }
        device->emit(device->arg, buf, &meta);
    }
    plait_buf_unref(buf);
}

bool pl_device_verify(const uint8_t *packet, uint32_t len) {
    struct pl_ip ip;
    if (pl_ip_parse(packet, len, &ip) != PL_IP_OK || ip.protocol != PL_IP_TCP) {
        return false;
    }
    if (ip.header_len + ip.payload_len != len) {
        return false;
    }
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    return pl_sum_fold(pl_sum_add(sum, packet + ip.header_len, ip.payload_len)) == 0xffff;
}
