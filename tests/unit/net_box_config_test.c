/* net/box_config: boxes as text. */
#include "net/box_config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void reads_texts(void **state) {
    struct pl_box_config c;
    (void)state;
    assert_true(pl_box_parse("grow/in/after=1200", &c));
    assert_int_equal(c.kind, PL_BOX_KIND_GROW);
    assert_int_equal(c.ways, PL_BOX_WAY_IN);
    assert_int_equal(c.after_bytes, 1200);
    assert_true(pl_box_parse("nat", &c));
    assert_int_equal(c.ways, PL_BOX_WAY_BOTH);
    assert_int_equal(c.outside[0].family, PLAIT_FAMILY_NONE);
    assert_true(pl_box_parse("nat/as=198.51.100.7/as=2001:db8::7", &c));
    assert_int_equal(c.outside[0].family, PLAIT_IPV4);
    assert_int_equal(c.outside[0].bytes[3], 7);
    assert_int_equal(c.outside[1].family, PLAIT_IPV6);
    assert_true(pl_box_parse("rewrite/out/every=4000", &c));
    assert_int_equal(c.every_bytes, 4000);
    static const char *const wrong[] = {"",
                                        "growth",
                                        "grow/",
                                        "grow/up",
                                        "grow/after=",
                                        "grow/after=1x",
                                        "grow/every=0",
                                        "grow/every=1073741825",
                                        "nat/as=",
                                        "nat/as=198.51.100",
                                        "nat/as=0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
                                        "grow/after=99999999999999999999999"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(pl_box_parse(wrong[i], &c));
    }
    for (int i = 0; i < PL_BOX_KIND_COUNT; i++) {
        assert_true(pl_box_parse(pl_box_name((enum pl_box_kind)i), &c));
        assert_int_equal(c.kind, i);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_texts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
