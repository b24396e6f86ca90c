/* sim/plan_conns.c - the workload of a plan: who connects, what is sent, how it ends. */
#include "base/assert.h"
#include "plait/multipath.h"
#include "plait/scheduler.h"
#include "sim/plan.h"

enum workload { WORK_BULK, WORK_REQUESTS, WORK_TRICKLE };

/* No more than this of a run is spent waiting for an application on purpose. */
#define PATIENCE_NS (15 * PLAIT_NS_PER_S)

static uint64_t gap_for(uint64_t calls, uint64_t gap_ns) {
    uint64_t bound = PATIENCE_NS / (calls + 1);
    return gap_ns < bound ? gap_ns : bound;
}

static void draw_bulk(struct pl_plan_side *side, uint64_t bytes) {
    side->total = bytes;
    side->first = bytes;
    side->unit = 0;
    side->peer_unit = 1;
}

/* Side `client` asks `rounds` times for `answer` bytes with `question` bytes. */
static void draw_requests(struct pl_plan_side side[2], unsigned client, uint64_t bytes,
                          struct pl_rng *rng) {
    uint32_t question = (uint32_t)pl_plan_log(rng, 1, 2000);
    uint32_t answer = (uint32_t)pl_plan_log(rng, 1, 30000);
    uint64_t rounds = bytes / (question + answer) + 1;
    rounds = rounds < 40 ? rounds : 40;
    side[client] = (struct pl_plan_side){
        .total = rounds * question, .first = question, .unit = question, .peer_unit = answer};
    side[1 - client] = (struct pl_plan_side){
        .total = rounds * answer, .first = 0, .unit = answer, .peer_unit = question};
}

static void draw_trickle(struct pl_plan_side *side, uint64_t bytes, struct pl_rng *rng) {
    uint64_t total = bytes < 20000 ? bytes : 20000;
    draw_bulk(side, total);
    side->write_max = (uint32_t)pl_rng_range(rng, 1 + total / 100, 600);
    side->write_gap_ns =
        gap_for(total / side->write_max, pl_plan_log(rng, PLAIT_NS_PER_MS, 300 * PLAIT_NS_PER_MS));
}

static void draw_work(struct pl_plan_conn *conn, uint64_t bytes, struct pl_rng *rng) {
    enum workload work = (enum workload)pl_rng_below(rng, 3);
    uint32_t way = (uint32_t)pl_rng_below(rng, 3); /* there, back, both */
    if (work == WORK_REQUESTS) {
        draw_requests(conn->side, conn->initiator, bytes, rng);
        return;
    }
    for (unsigned s = 0; s < 2; s++) {
        bool silent = way < 2 && way != s;
        uint64_t mine = silent ? pl_rng_below(rng, 2) * 100 : bytes;
        if (work == WORK_TRICKLE && mine > 0) {
            draw_trickle(&conn->side[s], mine, rng);
        } else {
            draw_bulk(&conn->side[s], mine);
        }
    }
}

static void draw_manners(struct pl_plan_side *side, struct pl_rng *rng) {
    if (side->write_max == 0) {
        side->write_max = (uint32_t)pl_plan_log(rng, 100, 64 * 1024);
    }
    side->read_max = (uint32_t)pl_plan_log(rng, 200, 64 * 1024);
    side->end = pl_rng_chance(rng, 700000) ? PL_END_SHUTDOWN : PL_END_CLOSE;
    side->mptcp = pl_rng_chance(rng, 950000);
}

/* What a fault does to one side. Every fault draws for every side, so that sides do not shift. */
static void harm_side(const struct pl_plan *plan, struct pl_plan_side *side, uint64_t peer_total,
                      struct pl_rng rng[PL_SIM_FAULT_COUNT]) {
    bool slow = pl_rng_chance(&rng[PL_SIM_SLOW], 400000);
    uint32_t read_max = (uint32_t)pl_plan_log(&rng[PL_SIM_SLOW], 100, 20000);
    uint64_t gap_ns = pl_plan_log(&rng[PL_SIM_SLOW], PLAIT_NS_PER_MS, PLAIT_NS_PER_S);
    if (plan->fault[PL_SIM_SLOW] && slow) {
        side->read_max = read_max;
        side->read_gap_ns = gap_for(peer_total / read_max, gap_ns);
    }
    if (plan->fault[PL_SIM_BUFFERS] && pl_rng_chance(&rng[PL_SIM_BUFFERS], 300000)) {
        side->send_buffer = (uint32_t)pl_rng_range(&rng[PL_SIM_BUFFERS], 4096, 20000);
        side->receive_buffer = (uint32_t)pl_rng_range(&rng[PL_SIM_BUFFERS], 4096, 20000);
    }
    static const struct {
        enum pl_sim_fault fault;
        enum pl_plan_end end;
    } quits[] = {{PL_SIM_CLOSE, PL_END_EARLY}, {PL_SIM_ABORT, PL_END_ABORT}};
    for (unsigned i = 0; i < 2; i++) {
        struct pl_rng *r = &rng[quits[i].fault];
        bool here = pl_rng_chance(r, 250000);
        plait_time time = pl_plan_log(r, PLAIT_NS_PER_MS, plan->heal_time * 2);
        if (plan->fault[quits[i].fault] && here) {
            side->end = quits[i].end;
            side->quit_time = time;
        }
    }
}

/* Chooses addresses of one family that both ends have. */
static void draw_ends(const struct pl_plan *plan, struct pl_plan_conn *conn, struct pl_rng *rng) {
    const struct pl_plan_host *from = &plan->host[conn->initiator];
    const struct pl_plan_host *to = &plan->host[1 - conn->initiator];
    conn->from_port = (unsigned)pl_rng_below(rng, from->port_count);
    conn->to_port = (unsigned)pl_rng_below(rng, to->port_count);
    const struct pl_plan_port *target = &to->port[conn->to_port];
    conn->family = target->address[pl_rng_below(rng, target->address_count)].addr.family;
    bool fits = false;
    for (unsigned i = 0; i < from->port[conn->from_port].address_count; i++) {
        fits = fits || from->port[conn->from_port].address[i].addr.family == conn->family;
    }
    if (!fits) {
        conn->from_port = 0; /* has the family, or both do not: see draw_addresses */
    }
    conn->bound = pl_rng_chance(rng, 300000);
}

static void draw_conn(struct pl_plan *plan, unsigned index, uint64_t bytes, struct pl_rng *rng) {
    struct pl_plan_conn *conn = &plan->conn[index];
    bool reverse = pl_rng_chance(rng, 200000);
    conn->initiator = reverse && !plan->fault[PL_SIM_NAT] ? 1 : 0;
    conn->start = index == 0 ? 0 : pl_rng_below(rng, plan->heal_time);
    conn->start = pl_rng_chance(rng, 500000) ? conn->start / 10 : conn->start;
    draw_ends(plan, conn, rng);
    draw_work(conn, bytes, rng);
    conn->defer = pl_rng_chance(rng, 100000);
    conn->hold_ns = pl_plan_log(rng, PLAIT_NS_PER_MS, PLAIT_NS_PER_S);
    for (unsigned s = 0; s < 2; s++) {
        draw_manners(&conn->side[s], rng);
        conn->side[s].pattern = pl_rng_next(rng);
    }
}

/* Half of the sides have the default policies. */
static void draw_policy(struct pl_plan_side *side, struct pl_rng *rng) {
    bool chosen = pl_rng_chance(rng, 500000);
    uint64_t sched = pl_rng_below(rng, PLAIT_SCHED_BUILTIN_COUNT);
    uint64_t manager = pl_rng_below(rng, PLAIT_PM_USERSPACE);
    bool limited = pl_rng_chance(rng, 200000);
    uint64_t most = pl_rng_range(rng, 1, 4);
    side->sched = chosen ? (uint8_t)sched : 0;
    side->manager = chosen ? (uint8_t)manager : PLAIT_PM_KERNEL;
    side->subflows_max = limited ? (uint8_t)most : 0;
}

void pl_plan_draw_conns(struct pl_plan *plan) {
    struct pl_rng rng = pl_plan_rng(plan, PL_PART_WORKLOAD);
    struct pl_rng policy = pl_plan_rng(plan, PL_PART_POLICY);
    struct pl_rng harm[PL_SIM_FAULT_COUNT];
    for (unsigned i = 0; i < PL_SIM_FAULT_COUNT; i++) {
        harm[i] = pl_plan_rng(plan, PL_PART_WORKLOAD + 100 + i);
    }
    plan->conn_count = (unsigned)pl_plan_log(&rng, 1, PL_PLAN_CONNS_MAX);
    uint64_t bytes = pl_plan_log(&rng, 1000, 500000);
    if (pl_rng_chance(&rng, 40000)) {
        bytes = pl_plan_log(&rng, 500000, 4000000);
    }
    for (unsigned i = 0; i < plan->conn_count; i++) {
        draw_conn(plan, i, bytes / plan->conn_count, &rng);
        for (unsigned s = 0; s < 2; s++) {
            harm_side(plan, &plan->conn[i].side[s], plan->conn[i].side[1 - s].total, harm);
            draw_policy(&plan->conn[i].side[s], &policy);
        }
        plan->conn[i].restricted = pl_rng_chance(&policy, 300000);
    }
}
