/* sim/world.c - the event loop of a run and its two phases.
 *
 * Safety: until heal_time faults happen, and nothing wrong may be seen. Liveness: then the network
 * is sound, and every connection must end within LIVENESS_NS; those that an excused fault has left
 * without a peer are given up some time before. In the end the stacks must become empty. */
#include "sim/world.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"

#define GIVE_UP_NS (200 * PLAIT_NS_PER_S)
#define LIVENESS_NS (400 * PLAIT_NS_PER_S)
#define LEFTOVER_NS (400 * PLAIT_NS_PER_S)
enum { CHECK_EVERY = 64, EVENTS_PER_SECOND_MAX = 100000, IDLE_PACKETS_MAX = 4000 };

static void deliver(void *arg, unsigned host, unsigned port, struct plait_buf *packet,
                    const struct plait_rx_meta *meta) {
    struct pl_world *world = arg;
    if (world->host[host].up[port]) {
        pl_host_input(&world->host[host], port, packet, meta);
    }
}

static void action_fire(struct pl_timer *timer, plait_time now) {
    struct pl_world_action *action = PL_CONTAINER(timer, struct pl_world_action, timer);
    (void)now;
    if (!action->world->healed) {
        pl_world_act(action->world, action->plan);
    }
}

static void heal_fire(struct pl_timer *timer, plait_time now) {
    (void)now;
    pl_world_heal(PL_CONTAINER(timer, struct pl_world, heal_timer));
}

static void give_up_fire(struct pl_timer *timer, plait_time now) {
    struct pl_world *world = PL_CONTAINER(timer, struct pl_world, give_up_timer);
    (void)now;
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        if (pl_judge_half_open(world, c) || pl_judge_excused(world, c)) {
            pl_app_give_up(&world->app[c][0]);
            pl_app_give_up(&world->app[c][1]);
        }
    }
}

static void init_timers(struct pl_world *world) {
    const struct pl_plan *plan = world->plan;
    for (unsigned i = 0; i < plan->action_count; i++) {
        struct pl_world_action *action = &world->action[i];
        action->world = world;
        action->plan = &plan->action[i];
        pl_timer_init(&action->timer, action_fire);
        pl_timer_arm(&world->timers, &action->timer, plan->action[i].time);
    }
    pl_timer_init(&world->heal_timer, heal_fire);
    pl_timer_arm(&world->timers, &world->heal_timer, plan->heal_time);
    pl_timer_init(&world->give_up_timer, give_up_fire);
    pl_timer_arm(&world->timers, &world->give_up_timer, plan->heal_time + GIVE_UP_NS);
}

int pl_world_init(struct pl_world *world, const struct pl_plan *plan,
                  const struct plait_env *hashes) {
    memset(world, 0, sizeof(*world));
    world->plan = plan;
    world->hashes = hashes;
    world->fill = 0xa5;
    world->verdict.clock = &world->now;
    pl_record_init(&world->record, &world->now);
    pl_sim_env_init(&world->network_env, hashes, plan->seed, 2, &world->record, &world->verdict);
    world->network_env.env.trace = NULL;
    pl_timers_init(&world->timers, &world->network_env.env);
    int result = pl_network_init(&world->network, plan, &world->network_env.env, &world->timers,
                                 &world->now);
    if (result != 0) {
        return result;
    }
    world->network.deliver = deliver;
    world->network.deliver_arg = world;
    return pl_timers_reserve(&world->timers, 4 * PL_PLAN_CONNS_MAX * 2 + PL_PLAN_ACTIONS_MAX +
                                                 4 * PL_PLAN_PORTS_MAX + 8);
}

void pl_world_fini(struct pl_world *world) {
    for (unsigned h = 0; h < 2; h++) {
        if (world->host[h].world != NULL) {
            pl_host_stop(&world->host[h]);
        }
    }
    pl_network_fini(&world->network);
    pl_timers_fini(&world->timers);
    if (world->network_env.live_blocks != 0) {
        pl_sim_fail(&world->verdict, "%llu packet buffers were never released",
                    (unsigned long long)world->network_env.live_blocks);
    }
}

static void serve(struct pl_world *world) {
    bool more = true;
    for (unsigned rounds = 0; more && rounds < 1000; rounds++) {
        more = false;
        for (unsigned h = 0; h < 2; h++) {
            if (world->host[h].touched) {
                pl_host_serve(&world->host[h]);
                more = true;
            }
        }
    }
    if (more) {
        pl_sim_fail(&world->verdict, "hosts are never done at one instant");
    }
}

static void check_storm(struct pl_world *world) {
    uint64_t second = world->now / PLAIT_NS_PER_S;
    if (second != world->second) {
        world->second = second;
        world->events_at_second = 0;
    }
    world->events_at_second++;
    if (world->events_at_second > EVENTS_PER_SECOND_MAX) {
        pl_sim_fail(&world->verdict, "more than %d events in a second", EVENTS_PER_SECOND_MAX);
    }
}

/* Goes to the next instant and lets it happen. False: there is none until `limit`, or a failure. */
static bool advance(struct pl_world *world, plait_time limit) {
    plait_time next = pl_timers_next(&world->timers);
    if (next > limit || world->verdict.failures > 0) {
        return false;
    }
    PL_ASSERT(next >= world->now);
    world->now = next;
    pl_timers_run(&world->timers, next);
    serve(world);
    check_storm(world);
    world->events++;
    if (world->events % CHECK_EVERY == 0) {
        plait_stack_check(world->host[0].stack);
        plait_stack_check(world->host[1].stack);
    }
    return world->verdict.failures == 0;
}

static bool all_done(struct pl_world *world) {
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        if (!pl_judge_conn_done(world, c)) {
            return false;
        }
    }
    return world->healed;
}

static bool idle(struct pl_world *world) {
    for (unsigned h = 0; h < 2; h++) {
        struct plait_stack_stats stats = {.size = sizeof(stats)};
        plait_stack_stats(world->host[h].stack, &stats);
        if (stats.connections != 0 || stats.subflows != 0 || stats.memory_bytes != 0) {
            return false;
        }
    }
    return true;
}

/* Nothing is left to do, so next to nothing may be sent. */
static void check_quiet(struct pl_world *world, uint64_t packets_before) {
    uint64_t packets = world->record.packets - packets_before;
    if (packets > IDLE_PACKETS_MAX + world->plan->conn_count * 100) {
        pl_sim_fail(&world->verdict, "%llu packets after all applications have ended",
                    (unsigned long long)packets);
    }
}

static void run_leftovers(struct pl_world *world) {
    uint64_t packets = world->record.packets;
    plait_time limit = world->now + LEFTOVER_NS;
    pl_record_note(&world->record, "all_done", "");
    pl_host_close_listeners(&world->host[0]);
    pl_host_close_listeners(&world->host[1]);
    serve(world);
    while (!idle(world) && advance(world, limit)) {
    }
    if (world->verdict.failures == 0) {
        check_quiet(world, packets);
        pl_judge_leftovers(world);
    }
}

void pl_world_run(struct pl_world *world) {
    char text[300];
    pl_plan_faults_text(world->plan, text, sizeof(text));
    pl_record_note(&world->record, "faults", text);
    for (unsigned h = 0; h < 2; h++) {
        pl_host_start(&world->host[h], world, h);
    }
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        pl_app_init(&world->app[c][0], world, c, 0);
        pl_app_init(&world->app[c][1], world, c, 1);
    }
    init_timers(world);
    serve(world);
    plait_time limit = world->plan->heal_time + LIVENESS_NS;
    while (!all_done(world) && advance(world, limit)) {
    }
    if (world->verdict.failures > 0) {
        return;
    }
    if (!all_done(world)) {
        pl_judge_stuck(world);
        return;
    }
    pl_judge_results(world);
    if (world->verdict.failures == 0) {
        run_leftovers(world);
    }
}
