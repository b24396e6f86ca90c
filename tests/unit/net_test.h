/* tests/unit/net_test.h - what the tests of src/net share: one environment, of which every test
 * starts and ends with no memory in use. Included by each test program once. */
#ifndef PL_TEST_NET_TEST_H
#define PL_TEST_NET_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "plait/buf.h"
#include "testenv.h"

#define MS PLAIT_NS_PER_MS
#define SECOND PLAIT_NS_PER_S

static struct test_env memory;

static int setup(void **state) {
    (void)state;
    test_env_init(&memory, 1);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    assert_int_equal(memory.live_count, 0);
    return 0;
}

#endif
