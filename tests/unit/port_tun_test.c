/* A TUN device in a namespace of its own, with the kernel's stack as the other end. */
#include "port/tun.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "port/netconf.h"
#include "port_netns_test.h"
#include "testenv.h"
#include "wire/addr.h"
#include "wire/checksum.h"
#include "wire/ip.h"

enum { HEADERS = 40, BIG = 30000, MSS = 1400 };

static struct test_env env;
static bool allowed;

static struct pl_tun open_device(void) {
    struct pl_tun tun;
    struct pl_netconf *conf;
    struct plait_addr addr;
    assert_int_equal(pl_tun_open(&tun, "plaittest%d", -1), 0);
    assert_int_equal(pl_netconf_open(&conf, -1), 0);
    int index = pl_netconf_index(conf, tun.name);
    assert_true(index > 0);
    assert_true(pl_addr_parse("10.9.8.1", &addr));
    assert_int_equal(pl_netconf_address(conf, index, &addr, 24), 0);
    assert_int_equal(pl_netconf_link_up(conf, index, 1500), 0);
    pl_netconf_close(conf);
    return tun;
}

static bool wait_readable(int fd) {
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    return poll(&pfd, 1, 2000) == 1;
}

/* Reads until a TCP packet comes (the kernel says other things too). */
static struct plait_buf *read_tcp(struct pl_tun *tun, struct plait_rx_meta *meta,
                                  struct pl_ip *ip) {
    struct plait_buf *buf = plait_buf_alloc(&env.env, PL_TUN_PACKET_MAX);
    assert_non_null(buf);
    for (int i = 0; i < 100; i++) {
        assert_true(wait_readable(tun->fd));
        assert_int_equal(pl_tun_read(tun, buf, meta), 0);
        if (pl_ip_parse(buf->data, buf->len, ip) == PL_IP_OK && ip->protocol == PL_IP_TCP) {
            return buf;
        }
    }
    fail();
    return NULL;
}

/* One TCP segment of the peer 10.9.8.2:80, with the checksum left to the device. */
static void write_tcp(struct pl_tun *tun, const struct pl_ip *got, const uint8_t *tcp_got,
                      uint8_t flags, uint32_t seq, const uint8_t *payload, uint32_t len) {
    struct plait_tx tx = {.header_len = HEADERS, .payload_len = len};
    struct pl_ip ip = {.src = got->dst, .dst = got->src, .protocol = PL_IP_TCP, .hops = 64};
    uint32_t half = len / 2;
    ip.payload_len = 20 + len;
    assert_int_equal(pl_ip_write(tx.header, &ip, 1), 20);
    uint8_t *tcp = tx.header + 20;
    pl_put16(tcp, pl_get16(tcp_got + 2));
    pl_put16(tcp + 2, pl_get16(tcp_got));
    pl_put32(tcp + 4, seq);
    pl_put32(tcp + 8, pl_get32(tcp_got + 4) + 1);
    pl_put16(tcp + 12, (uint16_t)(0x5000 | flags));
    pl_put16(tcp + 14, 60000);
    uint64_t sum = pl_sum_pseudo(&ip.src, &ip.dst, PL_IP_TCP, ip.payload_len);
    pl_put16(tcp + 16, pl_sum_fold(sum));
    tx.needs_csum = true;
    tx.csum_start = 20;
    tx.csum_offset = 16;
    tx.gso_size = len > MSS ? MSS : 0;
    tx.slices[0] = (struct plait_slice){payload, half};
    tx.slices[1] = (struct plait_slice){payload + half, len - half};
    tx.slice_count = len > 0 ? 2 : 0;
    assert_int_equal(pl_tun_write(tun, &tx), 0);
}

/* A connection of the kernel to the peer that this test plays. */
static int connect_kernel(struct pl_tun *tun, struct pl_ip *ip, uint8_t tcp[20]) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80)};
    struct plait_rx_meta meta;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    inet_pton(AF_INET, "10.9.8.2", &to.sin_addr);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), -1);
    assert_int_equal(errno, EINPROGRESS);
    struct plait_buf *syn = read_tcp(tun, &meta, ip);
    assert_true((meta.flags & PLAIT_RX_CSUM_OK) != 0);
    memcpy(tcp, syn->data + ip->header_len, 20);
    plait_buf_unref(syn);
    write_tcp(tun, ip, tcp, 0x12, 1000, NULL, 0);
    struct pollfd pfd = {.fd = fd, .events = POLLOUT};
    assert_int_equal(poll(&pfd, 1, 2000), 1);
    return fd;
}

/* A segment larger than the MTU goes into the kernel in one write and out of a socket whole. */
static void test_large_segment_in(void **state) {
    (void)state;
    static uint8_t sent[BIG], got[BIG];
    struct pl_ip ip;
    uint8_t tcp[20];
    size_t filled = 0;
    if (!allowed) {
        skip();
    }
    struct pl_tun tun = open_device();
    assert_true(tun.vnet);
    int fd = connect_kernel(&tun, &ip, tcp);
    for (size_t i = 0; i < BIG; i++) {
        sent[i] = (uint8_t)(i * 7);
    }
    write_tcp(&tun, &ip, tcp, 0x18, 1001, sent, BIG);
    while (filled < BIG) {
        assert_true(wait_readable(fd));
        ssize_t n = read(fd, got + filled, BIG - filled);
        assert_true(n > 0);
        filled += (size_t)n;
    }
    assert_memory_equal(sent, got, BIG);
    close(fd);
    pl_tun_close(&tun);
}

/* What a program writes at once comes out as a coalesced packet with its segment size. */
static void test_large_segment_out(void **state) {
    (void)state;
    static const uint8_t data[BIG];
    struct pl_ip ip;
    struct plait_rx_meta meta;
    uint8_t tcp[20];
    if (!allowed) {
        skip();
    }
    struct pl_tun tun = open_device();
    int fd = connect_kernel(&tun, &ip, tcp);
    assert_int_equal(write(fd, data, BIG), BIG);
    bool large = false;
    for (int i = 0; i < 10 && !large; i++) {
        struct plait_buf *buf = read_tcp(&tun, &meta, &ip);
        assert_int_equal(buf->len, ip.header_len + ip.payload_len);
        large = meta.gso_size > 0;
        if (large) {
            assert_true(buf->len > 1500);
            assert_true(meta.gso_size <= 1460);
            assert_true((meta.flags & PLAIT_RX_CSUM_OK) != 0);
        }
        plait_buf_unref(buf);
    }
    assert_true(large);
    close(fd);
    pl_tun_close(&tun);
}

static void test_errors(void **state) {
    (void)state;
    struct pl_tun tun, second;
    struct plait_rx_meta meta;
    struct pl_netconf *conf;
    if (!allowed) {
        skip();
    }
    assert_int_equal(pl_tun_open(&tun, "a_name_that_is_too_long", -1), -EINVAL);
    assert_int_equal(pl_tun_open(&tun, "plaittestx", -1), 0);
    assert_int_equal(pl_tun_open(&second, "plaittestx", -1), -EBUSY);
    struct plait_buf *buf = plait_buf_alloc(&env.env, PL_TUN_PACKET_MAX);
    assert_int_equal(pl_tun_read(&tun, buf, &meta), -EAGAIN);
    /* A packet for a device that is down is refused, not queued. */
    struct plait_tx tx = {.header_len = 20, .header = {0x45}};
    assert_int_equal(pl_tun_write(&tun, &tx), -EIO);
    assert_int_equal(pl_netconf_open(&conf, -1), 0);
    assert_int_equal(pl_netconf_link_delete(conf, "plaittestx"), 0);
    assert_int_equal(pl_tun_read(&tun, buf, &meta), -EBADFD);
    pl_netconf_close(conf);
    plait_buf_unref(buf);
    pl_tun_close(&tun);
}

static void test_other_namespace(void **state) {
    (void)state;
    struct pl_tun tun;
    struct pl_netconf *here, *there;
    if (!allowed) {
        skip();
    }
    int other = netns_test_another();
    assert_true(other >= 0);
    assert_int_equal(pl_tun_open(&tun, "plaittesty", other), 0);
    assert_int_equal(pl_netconf_open(&here, -1), 0);
    assert_int_equal(pl_netconf_open(&there, other), 0);
    assert_int_equal(pl_netconf_index(here, "plaittesty"), -ENODEV);
    assert_true(pl_netconf_index(there, "plaittesty") > 0);
    pl_netconf_close(here);
    pl_netconf_close(there);
    pl_tun_close(&tun);
    close(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_large_segment_in),
        cmocka_unit_test(test_large_segment_out),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_other_namespace),
    };
    test_env_init(&env, 1);
    allowed = netns_test_enter() && access("/dev/net/tun", R_OK | W_OK) == 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
