/* The batch loops against a stack that is played here and a socket pair that plays the device:
 * it keeps packet boundaries and fills up, which a real device hardly ever does. */
#include "port/tun_port.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "testenv.h"

enum { PAYLOAD = 1000, TOTAL = 600 };

static struct test_env env;
static uint8_t payload[PAYLOAD + TOTAL];

/* The played stack: gives out TOTAL numbered packets and keeps some of what it gets. */
static struct {
    unsigned given, taken;
    uint32_t last_len;
    struct plait_buf *kept[4];
    unsigned kept_count;
} stack;

void plait_input(struct plait_stack *unused, plait_port_id port, struct plait_buf *buf,
                 const struct plait_rx_meta *meta, plait_time now) {
    (void)unused;
    (void)now;
    assert_int_equal(port, 3);
    assert_int_equal(meta->gso_size, 0);
    stack.taken++;
    stack.last_len = buf->len;
    if (buf->data[0] == 'k' && stack.kept_count < 4) {
        plait_buf_ref(buf);
        stack.kept[stack.kept_count++] = buf;
    }
}

unsigned plait_output(struct plait_stack *unused, plait_port_id port, struct plait_tx *tx,
                      unsigned max, plait_time now) {
    (void)unused;
    (void)now;
    assert_int_equal(port, 3);
    unsigned count = 0;
    while (count < max && stack.given < TOTAL) {
        memset(&tx[count], 0, sizeof(tx[count]));
        tx[count].header_len = 40;
        tx[count].header[0] = (uint8_t)stack.given;
        tx[count].header[1] = (uint8_t)(stack.given >> 8);
        tx[count].payload_len = PAYLOAD;
        tx[count].slice_count = 2;
        tx[count].slices[0] = (struct plait_slice){payload + stack.given, 400};
        tx[count].slices[1] = (struct plait_slice){payload + stack.given + 400, PAYLOAD - 400};
        stack.given++;
        count++;
    }
    return count;
}

static struct pl_tun_port port;
static int device; /* the other end */

static int setup(void **state) {
    (void)state;
    int pair[2];
    int size = 20000;
    test_env_init(&env, 1);
    memset(&stack, 0, sizeof(stack));
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    struct pl_tun tun = {.fd = pair[0], .vnet = true, .name = "fake"};
    device = pair[1];
    pl_tun_port_init(&port, &tun, NULL, &env.env, 3);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    pl_tun_port_fini(&port);
    for (unsigned i = 0; i < stack.kept_count; i++) {
        plait_buf_unref(stack.kept[i]);
    }
    close(device);
    assert_int_equal(env.live_count, 0);
    return 0;
}

/* Every packet arrives once, in order, with its bytes, however often the device is full. */
static void test_nothing_is_lost(void **state) {
    (void)state;
    uint8_t packet[2000];
    unsigned got = 0, blocked = 0;
    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)(i % 251);
    }
    while (!pl_tun_port_output(&port, 1) || stack.given < TOTAL) {
        blocked++;
        for (int i = 0; i < 7; i++) {
            ssize_t n = read(device, packet, sizeof(packet));
            if (n < 0) {
                break;
            }
            const uint8_t *ip = packet + sizeof(struct virtio_net_hdr);
            assert_int_equal(n, sizeof(struct virtio_net_hdr) + 40 + PAYLOAD);
            assert_int_equal(ip[0] | ip[1] << 8, got);
            assert_memory_equal(ip + 40, payload + got, PAYLOAD);
            got++;
        }
    }
    while (read(device, packet, sizeof(packet)) > 0) {
        got++;
    }
    assert_true(blocked > 10);
    assert_int_equal(got, TOTAL);
    assert_int_equal(port.tx_packets, TOTAL);
    assert_int_equal(port.tx_bytes, TOTAL * (40 + PAYLOAD));
    assert_int_equal(port.tx_drops, 0);
}

static void send_packet(char kind, uint32_t len) {
    uint8_t packet[2000] = {0};
    packet[sizeof(struct virtio_net_hdr)] = (uint8_t)kind;
    size_t size = sizeof(struct virtio_net_hdr) + len;
    assert_int_equal(write(device, packet, size), size);
}

static void test_buffers_are_recycled(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        send_packet('a', 60);
    }
    assert_int_equal(pl_tun_port_input(&port, 64, 1000000, 1), 10);
    assert_int_equal(stack.taken, 10);
    assert_int_equal(env.alloc_count, 1);
    send_packet('k', 900);
    send_packet('k', 901);
    send_packet('a', 60);
    assert_int_equal(pl_tun_port_input(&port, 2, 1000000, 1), 2);
    assert_int_equal(stack.last_len, 901);
    assert_int_equal(pl_tun_port_input(&port, 2, 1000000, 1), 1);
    /* Two were kept by the stack, the third is the spare one. */
    assert_int_equal(env.alloc_count, 3);
    assert_int_equal(stack.kept[0]->refs, 1);
    assert_int_equal(stack.kept[0]->len, 900);
    assert_int_equal(port.rx_packets, 13);
    assert_int_equal(port.rx_bytes, 11 * 60 + 900 + 901);
}

static void test_no_more_bytes_than_asked_for(void **state) {
    (void)state;
    for (int i = 0; i < 10; i++) {
        send_packet('a', 1000);
    }
    assert_int_equal(pl_tun_port_input(&port, 64, 2500, 1), 3);
    assert_int_equal(pl_tun_port_input(&port, 64, 1000, 1), 1);
    assert_int_equal(pl_tun_port_input(&port, 64, 1000000, 1), 6);
}

static void test_without_memory(void **state) {
    (void)state;
    env.fail_at = 1;
    send_packet('a', 60);
    assert_int_equal(pl_tun_port_input(&port, 64, 1000000, 1), 0);
    assert_int_equal(pl_tun_port_input(&port, 64, 1000000, 1), 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(test_buffers_are_recycled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_more_bytes_than_asked_for, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
