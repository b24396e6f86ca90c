/* base/sized: structs of other lengths than ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/sized.h"

static const uint8_t ours[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void test_out(void **state) {
    (void)state;
    for (size_t size = 0; size <= 12; size++) {
        uint8_t theirs[16];
        memset(theirs, 0xaa, sizeof(theirs));
        size_t common = size < sizeof(ours) ? size : sizeof(ours);
        assert_int_equal(pl_sized_out(theirs, size, ours, sizeof(ours)), common);
        assert_memory_equal(theirs, ours, common);
        for (size_t i = common; i < sizeof(theirs); i++) {
            assert_int_equal(theirs[i], i < size ? 0 : 0xaa); /* never beyond his struct */
        }
    }
}

static void test_in(void **state) {
    (void)state;
    for (size_t size = 0; size <= sizeof(ours); size++) {
        uint8_t got[8];
        memset(got, 0xaa, sizeof(got));
        assert_true(pl_sized_in(got, sizeof(got), ours, size));
        assert_memory_equal(got, ours, size);
        for (size_t i = size; i < sizeof(got); i++) {
            assert_int_equal(got[i], 0);
        }
    }
}

/* A newer caller: what he does not use may be there, what he uses may not. */
static void test_in_from_the_future(void **state) {
    (void)state;
    uint8_t theirs[12] = {1, 2, 3, 4}, got[8];
    assert_true(pl_sized_in(got, sizeof(got), theirs, sizeof(theirs)));
    assert_memory_equal(got, theirs, sizeof(got));
    for (size_t i = sizeof(got); i < sizeof(theirs); i++) {
        theirs[i] = 1;
        assert_false(pl_sized_in(got, sizeof(got), theirs, sizeof(theirs)));
        theirs[i] = 0;
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_out),
        cmocka_unit_test(test_in),
        cmocka_unit_test(test_in_from_the_future),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
