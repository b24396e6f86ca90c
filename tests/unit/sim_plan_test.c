/* sim/plan: the same seed, the same plan; leaving a fault out changes nothing else; plans are
 * legal. */
#include "sim/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/ctx.h"

#define ALL UINT64_MAX

static void same_seed_same_plan(void **state) {
    static struct pl_plan a, b;
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        pl_plan_draw(&a, seed, ALL);
        pl_plan_draw(&b, seed, ALL);
        assert_memory_equal(&a, &b, sizeof(a));
    }
    pl_plan_draw(&b, 1000, ALL);
    assert_memory_not_equal(&a, &b, sizeof(a));
}

/* The actions of one kind, one after the other. */
static unsigned actions_of(const struct pl_plan *plan, enum pl_plan_action_kind kind,
                           struct pl_plan_action *out) {
    unsigned n = 0;
    for (unsigned i = 0; i < plan->action_count; i++) {
        if (plan->action[i].kind == kind) {
            out[n++] = plan->action[i];
        }
    }
    return n;
}

static void faults_are_independent(void **state) {
    static struct pl_plan all, some;
    struct pl_plan_action before[PL_PLAN_ACTIONS_MAX], after[PL_PLAN_ACTIONS_MAX];
    uint64_t without = ALL & ~(UINT64_C(1) << PL_SIM_BLACKHOLE) & ~(UINT64_C(1) << PL_SIM_LOSS);
    unsigned compared = 0;
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        pl_plan_draw(&all, seed, ALL);
        pl_plan_draw(&some, seed, without);
        assert_false(some.fault[PL_SIM_BLACKHOLE] || some.fault[PL_SIM_LOSS]);
        assert_memory_equal(all.conn, some.conn, sizeof(all.conn));
        assert_int_equal(all.heal_time, some.heal_time);
        assert_int_equal(all.host[0].port_count, some.host[0].port_count);
        assert_int_equal(all.host[0].port[0].up.duplicate_ppm,
                         some.host[0].port[0].up.duplicate_ppm);
        unsigned n = actions_of(&all, PL_ACTION_LINK, before);
        assert_int_equal(actions_of(&some, PL_ACTION_LINK, after), n);
        assert_memory_equal(before, after, n * sizeof(before[0]));
        compared += n;
    }
    assert_true(compared > 50);
}

static void plans_are_legal(void **state) {
    static struct pl_plan plan;
    (void)state;
    for (uint64_t seed = 0; seed < 500; seed++) {
        pl_plan_draw(&plan, seed, ALL);
        assert_in_range(plan.conn_count, 1, PL_PLAN_CONNS_MAX);
        for (unsigned h = 0; h < 2; h++) {
            const struct pl_plan_host *host = &plan.host[h];
            assert_int_equal(pl_config_check(&host->config), 0);
            assert_in_range(host->port_count, 1, PL_PLAN_PORTS_MAX);
            for (unsigned p = 0; p < host->port_count; p++) {
                assert_null(pl_link_config_error(&host->port[p].up));
                assert_null(pl_link_config_error(&host->port[p].down));
                assert_in_range(host->port[p].address_count, 1, PL_PLAN_ADDRESSES_MAX);
            }
        }
        for (unsigned i = 0; i < plan.action_count; i++) {
            assert_true(plan.action[i].time < plan.heal_time);
        }
        for (unsigned c = 0; c < plan.conn_count; c++) {
            assert_true(plan.conn[c].side[0].peer_unit > 0 && plan.conn[c].side[1].peer_unit > 0);
            assert_true(plan.conn[c].side[0].write_max > 0 && plan.conn[c].side[1].read_max > 0);
        }
    }
}

static void names_are_found(void **state) {
    (void)state;
    for (unsigned i = 0; i < PL_SIM_FAULT_COUNT; i++) {
        const char *name = pl_sim_fault_name(i);
        assert_int_equal(pl_sim_fault_find(name, strlen(name)), i);
    }
    assert_int_equal(pl_sim_fault_find("los", 3), -1);
    assert_int_equal(pl_sim_fault_find("", 0), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_plan),
        cmocka_unit_test(faults_are_independent),
        cmocka_unit_test(plans_are_legal),
        cmocka_unit_test(names_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
