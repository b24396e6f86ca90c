/* mptcp_pm_table_test.c - tables that grow by one entry, up to their limit or the end of memory. */
#include "mptcp/pm/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "testenv.h"

static struct test_env env;
static struct pl_ctx ctx;
static struct pl_pm pm;

static void begin(void) {
    test_env_init(&env, 1);
    assert_int_equal(pl_ctx_init(&ctx, &env.env, NULL), 0);
}

static void end(void) {
    pl_pm_free_tables(&ctx, &pm);
    pl_ctx_fini(&ctx);
    assert_int_equal(env.live_count, 0);
}

static void test_nothing_to_begin_with(void **state) {
    (void)state;
    begin();
    uint64_t before = env.live_bytes;
    pl_pm_free_tables(&ctx, &pm);
    assert_int_equal(env.live_bytes, before);
    end();
}

/* New entries are zero, old ones stay as they are, and no byte more is held than they need. */
static void test_growth(void **state) {
    (void)state;
    begin();
    uint64_t before = env.live_bytes;
    for (unsigned i = 0; i < PL_PATHS_MAX; i++) {
        struct pl_path *p = pl_pm_add_path(&ctx, &pm);
        assert_non_null(p);
        assert_int_equal(p->subflow, 0);
        p->subflow = 1000 + i;
        assert_int_equal(env.live_bytes - before, (i + 1) * sizeof(*p));
    }
    assert_null(pl_pm_add_path(&ctx, &pm));
    for (unsigned i = 0; i < PL_PATHS_MAX; i++) {
        assert_int_equal(pm.paths[i].subflow, 1000 + i);
    }
    for (unsigned i = 0; i < PL_REMOTES_MAX; i++) {
        struct pl_remote *r = pl_pm_add_remote(&ctx, &pm);
        assert_non_null(r);
        assert_false(r->usable);
        r->id = (uint8_t)i;
    }
    assert_null(pl_pm_add_remote(&ctx, &pm));
    for (unsigned i = 0; i < PL_REMOVALS_MAX; i++) {
        struct pl_removal *r = pl_pm_add_removal(&ctx, &pm);
        assert_non_null(r);
        assert_int_equal(r->left, 0);
        r->left = 3;
    }
    assert_null(pl_pm_add_removal(&ctx, &pm));
    assert_int_equal(pm.remotes[PL_REMOTES_MAX - 1].id, PL_REMOTES_MAX - 1);
    end();
}

/* The table of announcements shrinks and grows again without new memory. */
static void test_announcements(void **state) {
    (void)state;
    begin();
    for (unsigned i = 0; i < PL_ANNOUNCEMENTS_MAX; i++) {
        struct pl_announcement *a = pl_pm_add_announcement(&ctx, &pm);
        assert_non_null(a);
        a->tries = (uint8_t)(i + 1);
    }
    assert_null(pl_pm_add_announcement(&ctx, &pm));
    uint64_t calls = env.alloc_count;
    pm.announcement_count = 3;
    struct pl_announcement *a = pl_pm_add_announcement(&ctx, &pm);
    assert_ptr_equal(a, &pm.announcements[3]);
    assert_int_equal(a->tries, 0);
    assert_int_equal(pm.announcements[2].tries, 3);
    assert_int_equal(env.alloc_count, calls);
    end();
}

static void test_no_memory(void **state) {
    (void)state;
    begin();
    assert_non_null(pl_pm_add_path(&ctx, &pm));
    pm.paths[0].subflow = 7;
    env.fail_at = env.alloc_count + 1;
    env.fail_after = true;
    assert_null(pl_pm_add_path(&ctx, &pm));
    assert_null(pl_pm_add_remote(&ctx, &pm));
    assert_null(pl_pm_add_removal(&ctx, &pm));
    assert_null(pl_pm_add_announcement(&ctx, &pm));
    assert_int_equal(pm.path_count, 1);
    assert_int_equal(pm.paths[0].subflow, 7);
    assert_int_equal(pm.remote_count + pm.removal_count + pm.announcement_count, 0);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_begin_with),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_announcements),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
