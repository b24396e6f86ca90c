/* Fuzzes what people write about links and places: the settings of a link, Mahimahi's traces, and
 * "[HOST:]PORT". The first byte says which; what was understood must hold what its header says. */
#include <stdlib.h>
#include <string.h>

#include "cli/place.c" /* a part of no library */
#include "fuzz.h"
#include "net/link_config.h"
#include "net/mahimahi.h"
#include "testenv.h"

enum { ERROR_SIZE = 60, FORMAT_SIZE = 2000, TAKES = 50 };

/* Cut or not, it ends, and is one line. */
static void check_error(const char error[ERROR_SIZE]) {
    FUZZ_CHECK(memchr(error, '\0', ERROR_SIZE) != NULL);
    FUZZ_CHECK(error[0] != '\0');
    FUZZ_CHECK(strchr(error, '\n') == NULL);
}

/* Written, parsed and written again: the same text. */
static void fuzz_link(const char *text) {
    char error[ERROR_SIZE], first[FORMAT_SIZE], second[FORMAT_SIZE];
    struct pl_link_config config, again;
    pl_link_config_init(&config);
    pl_link_config_init(&again);
    if (pl_link_parse(text, &config, error, sizeof(error)) < 0) {
        check_error(error);
        return;
    }
    FUZZ_CHECK(pl_link_config_error(&config) == NULL);
    if (pl_link_format(&config, first, sizeof(first)) >= sizeof(first)) {
        return; /* the name of a trace may be of any length */
    }
    FUZZ_CHECK(pl_link_parse(first, &again, error, sizeof(error)) == PLAIT_OK);
    FUZZ_CHECK(pl_link_format(&again, second, sizeof(second)) < sizeof(second));
    FUZZ_CHECK(strcmp(first, second) == 0);
}

/* Packets leave in order, from wherever in time the link begins. */
static void use_trace(const struct pl_mahimahi *trace) {
    struct pl_mahimahi_cursor cursor;
    plait_time now = trace->ms[trace->count / 2] * PLAIT_NS_PER_MS;
    pl_mahimahi_cursor_init(&cursor, trace, now / 2);
    for (uint32_t i = 0; i < TAKES; i++) {
        if (i % 7 == 0) {
            pl_mahimahi_seek(&cursor, now);
        }
        plait_time leaves = pl_mahimahi_take(&cursor, 1 + i * 97);
        FUZZ_CHECK(leaves >= now);
        now = leaves;
    }
}

static void fuzz_trace(const char *text, size_t len) {
    char error[ERROR_SIZE];
    struct pl_mahimahi trace;
    struct test_env env;
    test_env_init(&env, 1);
    if (pl_mahimahi_parse(&trace, &env.env, text, len, error, sizeof(error)) < 0) {
        check_error(error);
        return;
    }
    FUZZ_CHECK(trace.count > 0 && trace.ms[trace.count - 1] > 0);
    for (uint32_t i = 1; i < trace.count; i++) {
        FUZZ_CHECK(trace.ms[i - 1] <= trace.ms[i]);
    }
    use_trace(&trace);
    pl_mahimahi_fini(&trace);
}

static void fuzz_place(const char *text) {
    char host[CLI_HOST_TEXT];
    uint16_t port = 0;
    memset(host, 'x', sizeof(host));
    if (!cli_place_parse(text, host, &port)) {
        FUZZ_CHECK(host[0] == 'x' && port == 0);
        return;
    }
    FUZZ_CHECK(port != 0);
    FUZZ_CHECK(memchr(host, '\0', sizeof(host)) != NULL);
    FUZZ_CHECK(strstr(text, host) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    if (len == 0) {
        return 0;
    }
    /* A block of exactly this size, so that the sanitizer sees a read behind the text. */
    char *text = malloc(len);
    FUZZ_CHECK(text != NULL);
    memcpy(text, data + 1, len - 1);
    text[len - 1] = '\0';
    switch (data[0]) {
        case 'l':
            fuzz_link(text);
            break;
        case 't':
            fuzz_trace(text, len - 1);
            break;
        default:
            fuzz_place(text);
            break;
    }
    free(text);
    return 0;
}
