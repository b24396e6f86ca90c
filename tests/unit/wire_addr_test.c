/* wire/addr: against inet_pton() and inet_ntop() of the C library. */
#include "wire/addr.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "testenv.h"

/* Our parser and the library's agree on a text. */
static bool same_as_library(const char *text) {
    struct plait_addr ours = {.family = 99};
    uint8_t theirs[16] = {0};
    bool ok = pl_addr_parse(text, &ours);
    if (inet_pton(AF_INET, text, theirs) == 1) {
        return ok && ours.family == PLAIT_IPV4 && memcmp(ours.bytes, theirs, 16) == 0;
    }
    memset(theirs, 0, sizeof(theirs));
    if (inet_pton(AF_INET6, text, theirs) == 1) {
        return ok && ours.family == PLAIT_IPV6 && memcmp(ours.bytes, theirs, 16) == 0;
    }
    return !ok && ours.family == 99;
}

static void test_texts(void **state) {
    (void)state;
    const char *const texts[] = {
        "",
        "1.2.3.4",
        "0.0.0.0",
        "255.255.255.255",
        "256.1.1.1",
        "1.2.3",
        "1.2.3.4.",
        "1.2.3.4.5",
        "01.2.3.4",
        "1.2.3.004",
        " 1.2.3.4",
        "1.2.3.4 ",
        "::",
        "::1",
        "1::",
        ":",
        ":1",
        "1:",
        ":::",
        "1::2::3",
        "1:2:3:4:5",
        "fe80::1%lo",
        "1:2:3:4:5:6:7",
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7:8:9",
        "::2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "2001:DB8::A",
        "12345::",
        "::ffff:1.2.3.4",
        "::1.2.3.4",
        "1:2:3:4:5:6:1.2.3.4",
        "1:2:3:4:5:6:7:1.2.3.4",
        "1.2.3.4::",
        "::1.2.3.4:5",
        "::1.2.3.400",
        "g::",
        "::1.2.3",
        "1:2:3:4::5:6:7:8",
        "0:0:0:0:0:0:0:0",
        "none",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (!same_as_library(texts[i])) {
            fail_msg("parsing \"%s\" differs from inet_pton", texts[i]);
        }
    }
}

/* Text that looks like addresses, from a small alphabet. */
static void test_random_texts(void **state) {
    (void)state;
    static const char alphabet[] = "0125a::::..f";
    struct pl_rng rng;
    pl_rng_init(&rng, 21);
    for (int round = 0; round < 200000; round++) {
        char text[24];
        size_t len = (size_t)pl_rng_below(&rng, sizeof(text));
        for (size_t i = 0; i < len; i++) {
            text[i] = alphabet[pl_rng_below(&rng, sizeof(alphabet) - 1)];
        }
        text[len] = '\0';
        if (!same_as_library(text)) {
            fail_msg("parsing \"%s\" differs from inet_pton", text);
        }
    }
}

static void test_formats_like_the_library(void **state) {
    (void)state;
    struct pl_rng rng;
    pl_rng_init(&rng, 22);
    for (int round = 0; round < 20000; round++) {
        struct plait_addr addr = {.family = PLAIT_IPV6}, again;
        char ours[PL_ADDR_TEXT], theirs[INET6_ADDRSTRLEN];
        for (int i = 0; i < 8; i++) { /* many zero groups and short ones */
            uint64_t kind = pl_rng_below(&rng, 4);
            addr.bytes[2 * i] = kind == 3 ? (uint8_t)pl_rng_next(&rng) : 0;
            addr.bytes[2 * i + 1] = kind >= 2 ? (uint8_t)pl_rng_next(&rng) : 0;
        }
        addr.bytes[0] |= 0x20; /* the library prints ::/96 with a dotted tail, RFC 5952 does not */
        pl_addr_format(&addr, ours);
        assert_string_equal(ours, inet_ntop(AF_INET6, addr.bytes, theirs, sizeof(theirs)));
        assert_true(pl_addr_parse(ours, &again));
        assert_true(pl_addr_equal(&addr, &again));

        struct plait_addr v4 = {.family = PLAIT_IPV4};
        pl_rng_fill(&rng, v4.bytes, 4);
        pl_addr_format(&v4, ours);
        assert_string_equal(ours, inet_ntop(AF_INET, v4.bytes, theirs, sizeof(theirs)));
    }
}

static void test_special_forms(void **state) {
    (void)state;
    const char *const texts[] = {"::",
                                 "::1",
                                 "1::",
                                 "::ffff:192.0.2.255",
                                 "2001:db8::1:0:0:1",
                                 "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"};
    struct plait_addr addr;
    char text[PL_ADDR_TEXT];
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        assert_true(pl_addr_parse(texts[i], &addr));
        pl_addr_format(&addr, text);
        assert_string_equal(text, texts[i]);
    }
    addr = (struct plait_addr){0};
    pl_addr_format(&addr, text);
    assert_string_equal(text, "none");
}

static void test_equal_compares_the_family(void **state) {
    (void)state;
    struct plait_addr a = {.family = PLAIT_IPV4}, b = {.family = PLAIT_IPV6};
    assert_false(pl_addr_equal(&a, &b));
    b = a;
    assert_true(pl_addr_equal(&a, &b));
    b.bytes[3] = 1;
    assert_false(pl_addr_equal(&a, &b));
}

static void test_hosts(void **state) {
    (void)state;
    const char *const good[] = {"1.0.0.1",     "10.0.0.2", "223.255.255.254",  "169.254.0.1",
                                "2001:db8::1", "fe80::1",  "fd00::1",          "64:ff9b::192.0.2.1",
                                "::2",         "::1:1",    "0:0:0:0:1:ffff::1"};
    const char *const bad[] = {
        "0.0.0.0",   "0.1.2.3", "127.0.0.1", "127.255.255.254", "224.0.0.1", "255.255.255.255",
        "240.0.0.1", "::",      "::1",       "ff02::1",         "ff0e::1",   "::ffff:192.0.2.1"};
    struct plait_addr addr = {0};
    assert_false(pl_addr_is_host(&addr));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(pl_addr_parse(good[i], &addr));
        assert_true(pl_addr_is_host(&addr));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(pl_addr_parse(bad[i], &addr));
        assert_false(pl_addr_is_host(&addr));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_random_texts),
        cmocka_unit_test(test_formats_like_the_library),
        cmocka_unit_test(test_special_forms),
        cmocka_unit_test(test_equal_compares_the_family),
        cmocka_unit_test(test_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
