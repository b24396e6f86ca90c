/* The capture writer: the blocks are read back here; tests/cli has tshark read them. */
#include "port/pcapng.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "wire/addr.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { EPB = 6, IDB = 1, EPB_DATA = 28 };

static char path[64];
static uint8_t file[400000];
static size_t file_len;

static void load(void) {
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    file_len = fread(file, 1, sizeof(file), stream);
    fclose(stream);
}

static uint32_t word(const uint8_t *p) {
    uint32_t value;
    memcpy(&value, p, sizeof(value));
    return value;
}

/* The n-th block of a type; checks the framing of all before it. */
static const uint8_t *block(uint32_t type, unsigned n) {
    size_t at = 0;
    while (at + 12 <= file_len) {
        uint32_t len = word(file + at + 4);
        assert_true(len % 4 == 0 && len >= 12 && at + len <= file_len);
        assert_int_equal(word(file + at + len - 4), len);
        if (word(file + at) == type && n-- == 0) {
            return file + at;
        }
        at += len;
    }
    assert_int_equal(at, file_len);
    return NULL;
}

/* A TCP packet with `len` bytes of payload in two slices and an unfinished checksum. */
static void make_tx(struct plait_tx *tx, const uint8_t *payload, uint32_t len) {
    struct pl_ip ip = {.protocol = PL_IP_TCP, .hops = 64, .payload_len = 20 + len};
    memset(tx, 0, sizeof(*tx));
    assert_true(pl_addr_parse("10.0.0.1", &ip.src));
    assert_true(pl_addr_parse("10.0.0.2", &ip.dst));
    tx->header_len = pl_ip_write(tx->header, &ip, 7) + 20;
    tx->header[20 + 12] = 0x50;
    tx->needs_csum = true;
    tx->csum_start = 20;
    tx->csum_offset = 16;
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    pl_put16(tx->header + 20 + 16, pl_sum_fold(sum));
    tx->payload_len = len;
    tx->slice_count = 2;
    tx->slices[0] = (struct plait_slice){payload, len / 3};
    tx->slices[1] = (struct plait_slice){payload + len / 3, len - len / 3};
}

static void assert_checksum_right(const uint8_t *packet) {
    struct pl_ip ip;
    assert_int_equal(pl_ip_parse(packet, word(packet - 8), &ip), PL_IP_OK);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    assert_int_equal(pl_sum_fold(pl_sum_add(sum, packet + 20, ip.payload_len)), 0xffff);
}

static void test_packets_both_ways(void **state) {
    (void)state;
    struct pl_pcapng *capture;
    struct plait_tx tx;
    uint8_t payload[101], flat[200];
    const plait_time now = UINT64_C(0x123456789a);
    memset(payload, 0x5a, sizeof(payload));
    make_tx(&tx, payload, sizeof(payload));
    memcpy(flat, tx.header, 40);
    memcpy(flat + 40, payload, sizeof(payload));
    assert_int_equal(pl_pcapng_open(&capture, path, 0), 0);
    assert_int_equal(pl_pcapng_add(capture, "inner"), 0);
    assert_int_equal(pl_pcapng_add(capture, "plait0_12345"), 1);
    pl_pcapng_output(capture, 1, &tx, now);
    struct plait_rx_meta vouched = {.flags = PLAIT_RX_CSUM_OK};
    pl_pcapng_input(capture, 0, flat, 141, &vouched, now + 1);
    pl_pcapng_input(capture, 0, flat, 141, NULL, now + 2);
    assert_int_equal(pl_pcapng_close(capture), 0);
    load();
    assert_int_equal(word(file), 0x0A0D0D0A);
    assert_memory_equal(block(IDB, 1) + 20, "plait0_12345", 12);
    const uint8_t *out = block(EPB, 0), *in = block(EPB, 1), *raw = block(EPB, 2);
    assert_int_equal(word(out + 8), 1);
    assert_int_equal(word(out + 12), 0x12);
    assert_int_equal(word(out + 16), 0x3456789a);
    assert_int_equal(word(out + 20), 141);
    assert_int_equal(word(out + EPB_DATA + 144 + 4), 2);
    assert_memory_equal(out + EPB_DATA + 40, payload, sizeof(payload));
    assert_checksum_right(out + EPB_DATA);
    assert_int_equal(word(in + EPB_DATA + 144 + 4), 1);
    assert_checksum_right(in + EPB_DATA);
    /* Nobody vouched for this one: written as it came. */
    assert_memory_equal(raw + EPB_DATA, flat, 141);
}

static void test_large_packet(void **state) {
    (void)state;
    static uint8_t payload[65000];
    struct pl_pcapng *capture;
    struct plait_tx tx;
    memset(payload, 3, sizeof(payload));
    make_tx(&tx, payload, sizeof(payload));
    tx.gso_size = 1400;
    assert_int_equal(pl_pcapng_open(&capture, path, 5), 0);
    pl_pcapng_add(capture, "x");
    for (int i = 0; i < 4; i++) {
        pl_pcapng_output(capture, 0, &tx, 0);
    }
    pl_pcapng_flush(capture);
    load();
    for (unsigned i = 0; i < 4; i++) {
        const uint8_t *out = block(EPB, i);
        assert_non_null(out);
        assert_int_equal(word(out + 16), 5);
        assert_checksum_right(out + EPB_DATA);
    }
    assert_null(block(EPB, 4));
    assert_int_equal(pl_pcapng_close(capture), 0);
}

static void test_errors(void **state) {
    (void)state;
    static const uint8_t junk[100000];
    struct pl_pcapng *capture;
    assert_int_equal(pl_pcapng_open(&capture, "/nonexistent/x.pcapng", 0), -ENOENT);
    assert_int_equal(pl_pcapng_close(NULL), 0);
    assert_int_equal(pl_pcapng_open(&capture, "/dev/full", 0), 0);
    pl_pcapng_add(capture, "x");
    pl_pcapng_input(capture, 0, junk, sizeof(junk), NULL, 0);
    pl_pcapng_flush(capture);
    assert_int_equal(pl_pcapng_close(capture), -ENOSPC);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_packets_both_ways),
        cmocka_unit_test(test_large_packet),
        cmocka_unit_test(test_errors),
    };
    snprintf(path, sizeof(path), "/tmp/plait-pcapng-%d", (int)getpid());
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
