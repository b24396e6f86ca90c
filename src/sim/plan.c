/* sim/plan.c - from a seed to a plan: the subset of faults, and what all parts share. */
#include "sim/plan.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

struct fault_info {
    const char *name;
    uint32_t chance_percent;
};

static const struct fault_info faults[PL_SIM_FAULT_COUNT] = {
#define PL_SIM_FAULT(name, text, chance) {text, chance},
#include "sim/faults.def"
#undef PL_SIM_FAULT
};

_Static_assert(PL_SIM_FAULT_COUNT <= 64, "a set of faults fits in 64 bits");

const char *pl_sim_fault_name(unsigned fault) {
    PL_ASSERT(fault < PL_SIM_FAULT_COUNT);
    return faults[fault].name;
}

int pl_sim_fault_find(const char *name, size_t len) {
    for (int i = 0; i < PL_SIM_FAULT_COUNT; i++) {
        if (strlen(faults[i].name) == len && memcmp(faults[i].name, name, len) == 0) {
            return i;
        }
    }
    return -1;
}

const char *pl_plan_action_name(enum pl_plan_action_kind kind) {
    static const char *const names[] = {"blackhole", "link_down", "address_removed", "backup",
                                        "mtu",       "rebind",    "crash",           "unplug"};
    PL_ASSERT((unsigned)kind < sizeof(names) / sizeof(names[0]));
    return names[kind];
}

struct pl_rng pl_plan_rng(const struct pl_plan *plan, unsigned part) {
    struct pl_rng rng;
    pl_rng_init(&rng, plan->seed * UINT64_C(0x9e3779b97f4a7c15) + part);
    return rng;
}

uint64_t pl_plan_log(struct pl_rng *rng, uint64_t lo, uint64_t hi) {
    PL_ASSERT(lo > 0 && lo <= hi);
    uint64_t doublings = 0;
    while (lo << (doublings + 1) <= hi && doublings < 40) {
        doublings++;
    }
    uint64_t base = lo << pl_rng_range(rng, 0, doublings);
    uint64_t top = base * 2 < hi ? base * 2 : hi;
    return pl_rng_range(rng, base, top);
}

void pl_plan_add_box(struct pl_plan_port *port, const struct pl_box_config *box) {
    PL_ASSERT(port->box_count < PL_PLAN_BOXES_MAX);
    port->box[port->box_count++] = *box;
}

/* Which faults there are. The density differs between runs: some are crowded, some have one. */
static void draw_swarm(struct pl_plan *plan, uint64_t allowed) {
    static const uint32_t density_percent[] = {0, 30, 60, 100, 100, 100, 200, 300};
    struct pl_rng rng = pl_plan_rng(plan, PL_PART_SWARM);
    uint32_t density = density_percent[pl_rng_below(&rng, 8)];
    for (unsigned i = 0; i < PL_SIM_FAULT_COUNT; i++) {
        uint32_t ppm = faults[i].chance_percent * density * 100;
        bool drawn = pl_rng_chance(&rng, ppm);
        plan->fault[i] = drawn && (allowed >> i & 1) != 0;
    }
    plan->fault[PL_SIM_REBIND] = plan->fault[PL_SIM_REBIND] && plan->fault[PL_SIM_NAT];
}

void pl_plan_draw(struct pl_plan *plan, uint64_t seed, uint64_t allowed) {
    memset(plan, 0, sizeof(*plan));
    plan->seed = seed;
    draw_swarm(plan, allowed);
    struct pl_rng times = pl_plan_rng(plan, PL_PART_TIMES);
    plan->heal_time = pl_plan_log(&times, PLAIT_NS_PER_S, 20 * PLAIT_NS_PER_S);
    if (plan->fault[PL_SIM_ALLOC]) {
        struct pl_rng rng = pl_plan_rng(plan, PL_SIM_ALLOC);
        plan->alloc_fail_ppm = (uint32_t)pl_plan_log(&rng, 100, 100000);
    }
    pl_plan_draw_hosts(plan);
    pl_plan_draw_conns(plan);
    pl_plan_draw_actions(plan);
}

void pl_plan_faults_text(const struct pl_plan *plan, char *out, size_t size) {
    size_t used = 0;
    PL_ASSERT(size > 0);
    out[0] = '\0';
    for (unsigned i = 0; i < PL_SIM_FAULT_COUNT && used < size; i++) {
        if (plan->fault[i]) {
            int n = snprintf(out + used, size - used, "%s%s", used > 0 ? "," : "", faults[i].name);
            used += n > 0 ? (size_t)n : 0;
        }
    }
    if (out[0] == '\0') {
        snprintf(out, size, "none");
    }
}
