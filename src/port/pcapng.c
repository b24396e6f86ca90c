/* port/pcapng.c - the capture writer.
 *
 * A block is: type, total length, body padded to 4 bytes, total length again; all in host byte
 * order, which the section header declares. */
#include "port/pcapng.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum {
    BLOCK_SECTION = 0x0A0D0D0A,
    BLOCK_INTERFACE = 1,
    BLOCK_PACKET = 6,
    BYTE_ORDER_MAGIC = 0x1A2B3C4D,
    LINKTYPE_RAW = 101,
    OPTION_END = 0,
    OPTION_IF_NAME = 2,
    OPTION_IF_TSRESOL = 9,
    OPTION_PACKET_FLAGS = 2,
    DIRECTION_IN = 1,
    DIRECTION_OUT = 2,
    NAME_MAX_BYTES = 16,
    FILE_BUFFER_BYTES = 1 << 20,
    TCP_CHECKSUM_OFFSET = 16,
    TCP_HEADER_MIN = 20,
    PACKET_MAX = 65536 + PLAIT_TX_HEADER_MAX,
};

struct pl_pcapng {
    FILE *file;
    int error; /* -errno of the first failure */
    uint32_t interfaces;
    uint64_t offset_ns; /* added to the stack's time */
    uint8_t packet[PACKET_MAX];
};

static void put(struct pl_pcapng *capture, const void *data, size_t len) {
    if (capture->error == 0 && fwrite(data, 1, len, capture->file) != len) {
        capture->error = errno != 0 ? -errno : -EIO;
    }
}

static void put32(struct pl_pcapng *capture, uint32_t value) {
    put(capture, &value, sizeof(value));
}

static void put_padding(struct pl_pcapng *capture, size_t len) {
    static const uint8_t zeros[4];
    put(capture, zeros, (4 - len % 4) % 4);
}

static void put_option_head(struct pl_pcapng *capture, uint16_t code, uint16_t len) {
    put(capture, &code, sizeof(code));
    put(capture, &len, sizeof(len));
}

static void put_section(struct pl_pcapng *capture) {
    const uint32_t len = 28;
    const uint16_t version[2] = {1, 0};
    const uint64_t unknown = UINT64_MAX;
    put32(capture, BLOCK_SECTION);
    put32(capture, len);
    put32(capture, BYTE_ORDER_MAGIC);
    put(capture, version, sizeof(version));
    put(capture, &unknown, sizeof(unknown));
    put32(capture, len);
}

int pl_pcapng_open(struct pl_pcapng **out, const char *path, uint64_t offset_ns) {
    struct pl_pcapng *capture = calloc(1, sizeof(*capture));
    if (capture == NULL) {
        return -ENOMEM;
    }
    capture->file = fopen(path, "wbe");
    if (capture->file == NULL) {
        int error = -errno;
        free(capture);
        return error;
    }
    setvbuf(capture->file, NULL, _IOFBF, FILE_BUFFER_BYTES);
    capture->offset_ns = offset_ns;
    put_section(capture);
    *out = capture;
    return 0;
}

int pl_pcapng_close(struct pl_pcapng *capture) {
    if (capture == NULL) {
        return 0;
    }
    int error = capture->error;
    if (fclose(capture->file) != 0 && error == 0) {
        error = -errno;
    }
    free(capture);
    return error;
}

void pl_pcapng_flush(struct pl_pcapng *capture) {
    if (fflush(capture->file) != 0 && capture->error == 0) {
        capture->error = -errno;
    }
}

uint32_t pl_pcapng_add(struct pl_pcapng *capture, const char *name) {
    const uint16_t head[2] = {LINKTYPE_RAW, 0};
    const uint8_t resolution[4] = {9, 0, 0, 0}; /* 10^-9 s, and padding */
    size_t name_len = strnlen(name, NAME_MAX_BYTES);
    size_t name_padded = (name_len + 3) & ~(size_t)3;
    uint32_t len = (uint32_t)(16 + 4 + name_padded + 8 + 4 + 4);
    put32(capture, BLOCK_INTERFACE);
    put32(capture, len);
    put(capture, head, sizeof(head));
    put32(capture, 0); /* no limit of the captured length */
    put_option_head(capture, OPTION_IF_NAME, (uint16_t)name_len);
    put(capture, name, name_len);
    put_padding(capture, name_len);
    put_option_head(capture, OPTION_IF_TSRESOL, 1);
    put(capture, resolution, sizeof(resolution));
    put_option_head(capture, OPTION_END, 0);
    put32(capture, len);
    return capture->interfaces++;
}

static void put_packet(struct pl_pcapng *capture, uint32_t id, uint32_t len, uint32_t direction,
                       plait_time now) {
    PL_ASSERT(id < capture->interfaces);
    PL_ASSERT(len <= PACKET_MAX);
    uint64_t time = now + capture->offset_ns;
    uint32_t padded = (len + 3) & ~UINT32_C(3);
    uint32_t total = 28 + padded + 8 + 4 + 4;
    put32(capture, BLOCK_PACKET);
    put32(capture, total);
    put32(capture, id);
    put32(capture, (uint32_t)(time >> 32));
    put32(capture, (uint32_t)time);
    put32(capture, len);
    put32(capture, len);
    put(capture, capture->packet, len);
    put_padding(capture, len);
    put_option_head(capture, OPTION_PACKET_FLAGS, 4);
    put32(capture, direction);
    put_option_head(capture, OPTION_END, 0);
    put32(capture, total);
}

/* Completes the TCP checksum of capture->packet (RFC 9293 section 3.1). */
static void fill_checksum(struct pl_pcapng *capture, uint32_t len) {
    struct pl_ip ip;
    if (pl_ip_parse(capture->packet, len, &ip) != PL_IP_OK || ip.protocol != PL_IP_TCP ||
        ip.fragment || ip.payload_len < TCP_HEADER_MIN) {
        return;
    }
    uint8_t *tcp = capture->packet + ip.header_len;
    pl_put16(tcp + TCP_CHECKSUM_OFFSET, 0);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    sum = pl_sum_add(sum, tcp, ip.payload_len);
    pl_put16(tcp + TCP_CHECKSUM_OFFSET, (uint16_t)~pl_sum_fold(sum));
}

void pl_pcapng_input(struct pl_pcapng *capture, uint32_t id, const uint8_t *data, uint32_t len,
                     const struct plait_rx_meta *meta, plait_time now) {
    if (len > PACKET_MAX) {
        len = PACKET_MAX;
    }
    memcpy(capture->packet, data, len);
    if (meta != NULL && (meta->flags & PLAIT_RX_CSUM_OK) != 0) {
        fill_checksum(capture, len);
    }
    put_packet(capture, id, len, DIRECTION_IN, now);
}

void pl_pcapng_output(struct pl_pcapng *capture, uint32_t id, const struct plait_tx *tx,
                      plait_time now) {
    uint32_t len = tx->header_len;
    PL_ASSERT(tx->header_len + tx->payload_len <= PACKET_MAX);
    memcpy(capture->packet, tx->header, tx->header_len);
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        PL_ASSERT(len + tx->slices[i].len <= PACKET_MAX);
        memcpy(capture->packet + len, tx->slices[i].data, tx->slices[i].len);
        len += tx->slices[i].len;
    }
    if (tx->needs_csum) {
        fill_checksum(capture, len);
    }
    put_packet(capture, id, len, DIRECTION_OUT, now);
}
