/* tests/install/embed.c - the smallest embedder: one stack, one port, one SYN with MP_CAPABLE.
 *
 * It is compiled against the installed headers and library alone. Its hashes are none, which is
 * enough to see that a key leads to a token; a real embedder brings real ones. */
#include <plait/plait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REQUIRE(x) ((x) ? (void)0 : plait_abort_hook(#x, __FILE__, __LINE__))

static size_t allocated;

_Noreturn void plait_abort_hook(const char *expression, const char *file, int line) {
    fprintf(stderr, "%s:%d: %s\n", file, line, expression);
    abort();
}

static void *take(void *user, size_t size) {
    (void)user;
    allocated += size;
    return malloc(size);
}

static void give(void *user, void *ptr, size_t size) {
    (void)user;
    allocated -= size;
    free(ptr);
}

static void fill(void *user, void *buf, size_t len) {
    unsigned *state = user;
    for (size_t i = 0; i < len; i++) {
        *state = *state * 1103515245u + 12345u;
        ((uint8_t *)buf)[i] = (uint8_t)(*state >> 16);
    }
}

static void digest(void *user, const void *msg, size_t len, uint8_t out[32]) {
    (void)user;
    memset(out, 0x5a, 32);
    for (size_t i = 0; i < len; i++) {
        out[i % 32] = (uint8_t)(out[i % 32] * 31 + ((const uint8_t *)msg)[i]);
    }
}

static void keyed_digest(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                         uint8_t out[32]) {
    (void)key;
    (void)key_len;
    digest(user, msg, len, out);
}

/* Whether the TCP options of an IPv4 packet hold MPTCP (kind 30). */
static bool has_mptcp(const struct plait_tx *tx) {
    const uint8_t *tcp = tx->header + 20;
    uint32_t end = (uint32_t)(tcp[12] >> 4) * 4;
    for (uint32_t at = 20; at + 1 < end && tcp[at] != 0; at += tcp[at] == 1 ? 1u : tcp[at + 1]) {
        if (tcp[at] == 30) {
            return true;
        }
    }
    return false;
}

int main(void) {
    unsigned seed = 1;
    const struct plait_env env = {.size = sizeof(env),
                                  .user = &seed,
                                  .alloc = take,
                                  .free = give,
                                  .random = fill,
                                  .sha256 = digest,
                                  .hmac_sha256 = keyed_digest};
    struct plait_config config;
    plait_config_init(&config);
    struct plait_stack *stack;
    REQUIRE(plait_stack_create(&stack, &env, &config) == 0);

    const struct plait_port_config link = {.size = sizeof(link), .name = "link", .mtu = 1500};
    const struct plait_addr local = {.bytes = {192, 0, 2, 1}, .family = PLAIT_IPV4};
    plait_port_id port;
    REQUIRE(plait_port_add(stack, &link, &port) == 0);
    REQUIRE(plait_address_add(stack, port, &local, 0, 0, 0, 0) > 0);

    const struct plait_endpoint remote = {{{192, 0, 2, 2}, PLAIT_IPV4}, 80};
    plait_sock sock;
    REQUIRE(plait_open(stack, &sock) == 0);
    REQUIRE(plait_connect(stack, sock, &remote, 0) == 0);

    struct plait_tx tx;
    REQUIRE(plait_output(stack, port, &tx, 1, 0) == 1);
    REQUIRE(tx.header[9] == 6 && tx.header[20 + 13] == 0x02);
    REQUIRE(has_mptcp(&tx));
    REQUIRE(plait_deadline(stack) != PLAIT_TIME_NEVER);

    plait_stack_destroy(stack);
    REQUIRE(allocated == 0);
    return 0;
}
