/* cli/place: hosts and ports as people write them. The command-line program is no library, so its
 * source is part of this test. */
#include "cli/place.c"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void expect(const char *text, const char *host, uint16_t port) {
    char got[CLI_HOST_TEXT] = "unchanged";
    uint16_t got_port = 7;
    if (host == NULL) {
        assert_false(cli_place_parse(text, got, &got_port));
        assert_string_equal(got, "unchanged");
        assert_int_equal(got_port, 7);
        return;
    }
    assert_true(cli_place_parse(text, got, &got_port));
    assert_string_equal(got, host);
    assert_int_equal(got_port, port);
}

static void test_places(void **state) {
    (void)state;
    expect("80", "", 80);
    expect("65535", "", 65535);
    expect("192.0.2.1:80", "192.0.2.1", 80);
    expect("example.org:8080", "example.org", 8080);
    expect("[2001:db8::1]:443", "2001:db8::1", 443);
    expect("[name]:443", "name", 443);
}

static void test_no_places(void **state) {
    static const char *const texts[] = {
        "",
        "0",
        "65536",
        "99999999999999999999",
        "-1",
        "+1",
        " 80",
        "80 ",
        "80x",
        "a",
        "a:",
        ":80",
        "a:0",
        "a:b",
        "a:-1",
        "::1:80",
        "2001:db8::1:8",
        "[::1]80",
        "[::1:80",
        "[]:1",
        "a:b:80",
    };
    char text[600] = "";
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        expect(texts[i], NULL, 0);
    }
    memset(text, 'a', CLI_HOST_TEXT);
    memcpy(text + CLI_HOST_TEXT, ":80", 4);
    expect(text, NULL, 0); /* a byte too long */
}

static void test_proxy_line(void **state) {
    struct plait_endpoint client = {.addr = {{192, 0, 2, 9}, PLAIT_IPV4}, .port = 40000};
    struct plait_endpoint here = {.addr = {{10, 0, 0, 1}, PLAIT_IPV4}, .port = 80};
    const char *want = "PROXY TCP4 192.0.2.9 10.0.0.1 40000 80\r\n";
    char line[108];
    (void)state;
    assert_int_equal(cli_place_proxy_line(&client, &here, line), strlen(want));
    assert_string_equal(line, want);
    memset(client.addr.bytes, 0xff, 16);
    memset(here.addr.bytes, 0xff, 16);
    client.addr.family = here.addr.family = PLAIT_IPV6;
    client.port = here.port = 65535;
    assert_int_equal(cli_place_proxy_line(&client, &here, line), 104); /* the longest there is */
    assert_memory_equal(line, "PROXY TCP6 ffff:", 16);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_no_places),
        cmocka_unit_test(test_proxy_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
