#include "sim/sim.h"

#include <stdlib.h>
#include <string.h>

#include "sim/plan.h"
#include "sim/world.h"

static void fill_result(const struct pl_world *world, struct pl_sim_result *result) {
    result->failed = world->verdict.failures > 0;
    result->failed_at = world->verdict.time;
    memcpy(result->reason, world->verdict.reason, sizeof(result->reason));
    result->hash = world->record.hash;
    result->packets = world->record.packets;
    result->simulated_ns = world->now;
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        result->payload_bytes += world->app[c][0].received + world->app[c][1].received;
    }
    pl_plan_faults_text(world->plan, result->faults, sizeof(result->faults));
}

int pl_sim_run(const struct pl_sim_options *options, uint64_t seed, struct pl_sim_result *result) {
    *result = (struct pl_sim_result){.seed = seed};
    struct pl_plan *plan = malloc(sizeof(*plan));
    struct pl_world *world = malloc(sizeof(*world));
    int error = PLAIT_E_NO_MEMORY;
    if (plan != NULL && world != NULL) {
        pl_plan_draw(plan, seed, options->allowed);
        error = pl_world_init(world, plan, options->hashes);
    }
    if (error == 0) {
        world->canary = options->canary;
        world->fill = options->fill;
        world->record.trace = options->trace;
        world->record.capture = options->capture;
        world->record.capture_arg = options->capture_arg;
        pl_world_run(world);
        pl_world_fini(world);
        fill_result(world, result);
    }
    free(world);
    free(plan);
    return error;
}
