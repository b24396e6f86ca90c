/* sim/boxes, sim/boxes_case: names, the order of the table, and rows whose outcome the RFC says. */
#include "sim/boxes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plait/error.h"
#include "port/posix_env.h"

static void names_read_back(void **state) {
    struct pl_boxes_case box, again;
    char name[96];
    unsigned count = 0;
    (void)state;
    for (; pl_boxes_case_at(count, &box); count++) {
        pl_boxes_case_name(&box, name, sizeof(name));
        assert_true(pl_boxes_case_parse(name, &again));
        assert_memory_equal(&box, &again, sizeof(box));
    }
    assert_true(count > 1000);
    static const char *const wrong[] = {"",
                                        "grow",
                                        "grow/first/both/start",
                                        "grow+/first/both/start/on",
                                        "grow/third/both/start/on",
                                        "grow/first/both/start/on/x"};
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(pl_boxes_case_parse(wrong[i], &box));
    }
}

static struct pl_boxes_result run(const char *name) {
    struct pl_sim_options options = {.fill = PL_SIM_FILL_DEFAULT};
    struct pl_boxes_result result;
    struct pl_boxes_case box;
    struct pl_posix_env posix;
    assert_int_equal(pl_posix_env_init(&posix), 0);
    options.hashes = &posix.env;
    assert_true(pl_boxes_case_parse(name, &box));
    assert_int_equal(pl_boxes_run(&box, &options, 1, &result), 0);
    assert_string_equal(result.reason, "");
    pl_posix_env_fini(&posix);
    return result;
}

/* RFC 8684 section 3.7: options lost from SYNs, options lost from all else, changed payload. */
static void the_rfc_says(void **state) {
    (void)state;
    assert_int_equal(run("reseq/all/both/start/off").class, PL_BOXES_MULTIPATH);
    assert_int_equal(run("strip-syn/first/to-server/start/off").class, PL_BOXES_FALLBACK);
    assert_int_equal(run("strip-syn/second/to-server/start/off").class, PL_BOXES_ONE_PATH);
    assert_int_equal(run("strip-other/first/both/start/off").class, PL_BOXES_FALLBACK);
    struct pl_boxes_result result = run("grow/all/to-client/start/on");
    assert_int_equal(result.class, PL_BOXES_FALLBACK);
    assert_non_null(strstr(result.noticed, "DataCsumErr"));
    assert_true(result.altered); /* as the box would have it, over plain TCP */
    assert_true(run("grow/second/both/middle/off").altered);
    assert_false(run("grow/second/both/middle/on").altered);
}

/* Once hung: every path broken in the middle, and new subflows that deliver nothing either. */
static void ends_with_an_error(void **state) {
    (void)state;
    struct pl_boxes_result result = run("strip-data/all/to-server/middle/off");
    assert_int_equal(result.class, PL_BOXES_ERROR);
    assert_int_equal(result.told[0], PLAIT_E_TIMED_OUT);
    assert_int_not_equal(result.told[1], 0); /* nor does the other end wait for ever */
    assert_int_equal(run("reseq/all/both/middle/on").class, PL_BOXES_MULTIPATH);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_read_back),
        cmocka_unit_test(the_rfc_says),
        cmocka_unit_test(ends_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
