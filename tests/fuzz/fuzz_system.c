/* Fuzzes what the system says: netlink's messages about links, addresses and routes, and the lines
 * of resolv.conf. The first byte says which. */
#include <stdlib.h>
#include <string.h>

#include "cli/relay_resolv.c" /* a part of no library */
#include "fuzz.h"
#include "port/netlink.c" /* its callbacks are its own */

/* What the rest of relay_resolv.c calls; nothing here gets that far. */
struct relay_ends relay_plan_ends(const struct relay_plan *plan, unsigned slot) {
    (void)plan;
    (void)slot;
    abort();
}

void relay_debug(const struct relay *relay, const char *format, ...) {
    (void)relay;
    (void)format;
}

void cli_say(const char *format, ...) {
    (void)format;
}

enum { PREFIXES = 4, HEADER = sizeof(struct nlmsghdr) };

static void feed(const struct nlmsghdr *message, mnl_cb_t callback, void *data) {
    FUZZ_CHECK(callback(message, data) >= MNL_CB_STOP);
}

/* One message, to whoever might get it; the links that it finds are 1 and 2. */
static void fuzz_netlink(const struct nlmsghdr *message) {
    static struct pl_links links;
    struct pl_prefix prefixes[PREFIXES];
    struct prefix_list list = {.out = prefixes, .max = PREFIXES};
    struct lookup lookup = {0};
    memset(&links, 0, sizeof(links));
    links.count = 2;
    links.link[0].index = 1;
    links.link[1].index = 2;
    feed(message, on_link, &links);
    feed(message, on_addr, &links);
    feed(message, on_route, &links);
    feed(message, on_prefix, &list);
    feed(message, on_lookup, &lookup);
    FUZZ_CHECK(links.count <= 3 && links.link[0].addr_count <= 1);
    FUZZ_CHECK(memchr(links.link[2].name, '\0', sizeof(links.link[2].name)) != NULL);
}

static void fuzz_line(char *line) {
    char *server = server_of(line);
    if (server == NULL) {
        return;
    }
    FUZZ_CHECK(strpbrk(server, " \t\r\n#;%") == NULL);
    (void)is_loopback(server);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len == 0) {
        return 0;
    }
    /* Blocks of exactly this size, so that the sanitizer sees a read behind them. */
    if (data[0] == 'n' && len - 1 >= sizeof(uint16_t)) {
        size_t size = MNL_ALIGN(HEADER) + len - 3;
        struct nlmsghdr *message = calloc(1, (size + 3) / 4 * 4); /* libmnl reads so far */
        FUZZ_CHECK(message != NULL);
        message->nlmsg_len = (uint32_t)size;
        memcpy(&message->nlmsg_type, data + 1, sizeof(uint16_t));
        memcpy((char *)message + MNL_ALIGN(HEADER), data + 3, len - 3);
        fuzz_netlink(message);
        free(message);
        return 0;
    }
    char *line = malloc(len);
    FUZZ_CHECK(line != NULL);
    memcpy(line, data + 1, len - 1);
    line[len - 1] = '\0';
    fuzz_line(line);
    free(line);
    return 0;
}
