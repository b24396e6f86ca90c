/* sim/plan_actions.c - faults that happen at a moment. Most come in pairs, harm and repair; what is
 * still broken when the network heals is repaired then. */
#include "base/assert.h"
#include "sim/plan.h"

static void add(struct pl_plan *plan, struct pl_plan_action action) {
    if (plan->action_count < PL_PLAN_ACTIONS_MAX) {
        plan->action[plan->action_count++] = action;
    }
}

static struct pl_plan_action draw_target(const struct pl_plan *plan, struct pl_rng *rng,
                                         enum pl_plan_action_kind kind, unsigned host) {
    struct pl_plan_action action = {.kind = kind, .host = host};
    action.port = (unsigned)pl_rng_below(rng, plan->host[host].port_count);
    const struct pl_plan_port *port = &plan->host[host].port[action.port];
    action.address = (unsigned)pl_rng_below(rng, port->address_count);
    action.time = pl_rng_below(rng, plan->heal_time);
    return action;
}

/* Up to `pairs_max` times: `kind` with value 1, and some time later, mostly, with 0. */
static void draw_pairs(struct pl_plan *plan, unsigned fault, enum pl_plan_action_kind kind,
                       uint64_t pairs_max) {
    struct pl_rng rng = pl_plan_rng(plan, fault);
    uint64_t pairs = pl_rng_range(&rng, 1, pairs_max);
    for (uint64_t i = 0; i < pairs; i++) {
        unsigned host = pl_rng_chance(&rng, 300000) ? 1 : 0;
        struct pl_plan_action action = draw_target(plan, &rng, kind, host);
        action.value = 1;
        add(plan, action);
        action.time += pl_plan_log(&rng, PLAIT_NS_PER_MS, plan->heal_time);
        action.value = 0;
        if (action.time < plan->heal_time) {
            add(plan, action);
        }
    }
}

static void draw_mtus(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_MTU);
    uint64_t count = pl_rng_range(&rng, 1, 4);
    for (uint64_t i = 0; i < count; i++) {
        unsigned host = (unsigned)pl_rng_below(&rng, 2);
        struct pl_plan_action action = draw_target(plan, &rng, PL_ACTION_MTU, host);
        uint32_t mtu = plan->host[host].port[action.port].mtu;
        if (mtu > 1280) {
            action.value = (uint32_t)pl_rng_range(&rng, 1280, mtu);
            add(plan, action);
        }
    }
}

static void draw_rebinds(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_REBIND);
    uint64_t count = pl_rng_range(&rng, 1, 4);
    for (uint64_t i = 0; i < count; i++) {
        add(plan, draw_target(plan, &rng, PL_ACTION_REBIND, 0));
    }
}

/* A box that comes up at some time. */
static void draw_strips(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_STRIP_DATA);
    struct pl_plan_host *host = &plan->host[pl_rng_below(&rng, 2)];
    struct pl_plan_port *port = &host->port[pl_rng_below(&rng, host->port_count)];
    struct pl_box_config box = {.kind = PL_BOX_KIND_STRIP_OTHER, .until = plan->heal_time};
    box.from = pl_rng_chance(&rng, 500000) ? 0 : pl_rng_below(&rng, plan->heal_time);
    box.ways = (uint32_t)pl_rng_range(&rng, PL_BOX_WAY_OUT, PL_BOX_WAY_BOTH);
    pl_plan_add_box(port, &box);
}

static void draw_crash(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_SIM_CRASH);
    unsigned host = (unsigned)pl_rng_below(&rng, 2);
    add(plan, draw_target(plan, &rng, PL_ACTION_CRASH, host));
}

void pl_plan_draw_actions(struct pl_plan *plan) {
    static const struct {
        enum pl_sim_fault fault;
        enum pl_plan_action_kind kind;
        unsigned pairs_max;
    } pairs[] = {
        {PL_SIM_BLACKHOLE, PL_ACTION_BLACKHOLE, 4}, {PL_SIM_LINK, PL_ACTION_LINK, 6},
        {PL_SIM_ADDRESS, PL_ACTION_ADDRESS, 6},     {PL_SIM_UNPLUG, PL_ACTION_UNPLUG, 4},
        {PL_SIM_PRIORITY, PL_ACTION_PRIORITY, 6},
    };
    for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        if (plan->fault[pairs[i].fault]) {
            draw_pairs(plan, pairs[i].fault, pairs[i].kind, pairs[i].pairs_max);
        }
    }
    static const struct {
        enum pl_sim_fault fault;
        void (*draw)(struct pl_plan *plan);
    } others[] = {{PL_SIM_MTU, draw_mtus},
                  {PL_SIM_REBIND, draw_rebinds},
                  {PL_SIM_STRIP_DATA, draw_strips},
                  {PL_SIM_CRASH, draw_crash}};
    for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        if (plan->fault[others[i].fault]) {
            others[i].draw(plan);
        }
    }
}
