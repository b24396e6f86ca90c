/* sim/judge.c - the checks at the end of a run: did every connection end as it should have? */
#include <inttypes.h>

#include "sim/world.h"

static bool any(const struct pl_plan *plan, const enum pl_sim_fault *faults, unsigned count) {
    for (unsigned i = 0; i < count; i++) {
        if (plan->fault[faults[i]]) {
            return true;
        }
    }
    return false;
}

/* Something took a path away in a way that one end notices: fatal for plain TCP. */
static bool paths_break(const struct pl_plan *plan) {
    static const enum pl_sim_fault faults[] = {PL_SIM_LINK, PL_SIM_ADDRESS, PL_SIM_REBIND,
                                               PL_SIM_UNPLUG};
    return any(plan, faults, 4);
}

/* New subflows may be impossible, so that a broken path may be the last one. */
static bool joins_fail(const struct pl_plan *plan) {
    static const enum pl_sim_fault faults[] = {PL_SIM_DENY_JOIN, PL_SIM_STRIP_SYN,
                                               PL_SIM_STRIP_SYN_ACK};
    return any(plan, faults, 3);
}

/* The peer has all bytes and ended in good order, and this side was cut off before it learned that:
 * nobody can prevent that. */
static bool last_word_lost(const struct pl_app *app, const struct pl_app *peer) {
    bool all_here = app->received + app->unread == peer->plan->total;
    bool peer_content = peer->state == PL_APP_DONE && peer->error == 0 &&
                        peer->received == app->plan->total && peer->written == peer->plan->total;
    return all_here && peer_content &&
           (app->error == PLAIT_E_RESET || app->error == PLAIT_E_TIMED_OUT);
}

bool pl_judge_excused(const struct pl_world *world, unsigned conn) {
    static const enum pl_sim_fault always[] = {PL_SIM_ALLOC, PL_SIM_CRASH, PL_SIM_STRIP_DATA};
    const struct pl_plan *plan = world->plan;
    if (any(plan, always, 3) || world->half_open[conn]) {
        return true;
    }
    for (unsigned h = 0; h < 2; h++) {
        const struct pl_app *app = &world->app[conn][h];
        if (app->plan->end == PL_END_EARLY || app->plan->end == PL_END_ABORT) {
            return true;
        }
        if (paths_break(plan) && last_word_lost(app, &world->app[conn][1 - h])) {
            return true;
        }
        /* A subflow is lost before the connection is fully established (RFC 8684 section 3.1). */
        bool young = !app->connected || app->fallback || !app->proven;
        if (paths_break(plan) && (young || joins_fail(plan))) {
            return true;
        }
    }
    return false;
}

static bool waits_in_vain(const struct pl_app *app) {
    struct plait_stack *stack = app->world->host[app->host].stack;
    struct plait_subflow_info info[8];
    int64_t queue = 0;
    if (app->state != PL_APP_OPEN || app->eof ||
        plait_get(stack, app->sock, PLAIT_OPT_SEND_QUEUE, &queue) != 0 || queue > 0) {
        return false;
    }
    info[0].size = sizeof(info[0]);
    int count = plait_subflows(stack, app->sock, info, 8);
    for (int i = 0; i < count && i < 8; i++) {
        if (info[i].established) {
            return true;
        }
    }
    return false;
}

/* With SYN cookies a lost third ACK leaves the acceptor without a connection, and an initiator that
 * has nothing to say cannot learn that (RFC 4987 section 3.6). */
bool pl_judge_half_open(struct pl_world *world, unsigned conn) {
    const struct pl_app *app = world->app[conn];
    bool may = paths_break(world->plan) || world->plan->fault[PL_SIM_COOKIES];
    if (may && (waits_in_vain(&app[0]) || waits_in_vain(&app[1]))) {
        world->half_open[conn] = true;
    }
    return world->half_open[conn];
}

static void judge_side(struct pl_world *world, const struct pl_app *app) {
    const struct pl_app *peer = &world->app[app->conn][1 - app->host];
    char side = (char)('a' + (int)app->host);
    if (app->error != 0) {
        pl_sim_fail(&world->verdict,
                    "conn %u side %c: ended with %s (written %" PRIu64 " of %" PRIu64
                    ", read %" PRIu64 " of %" PRIu64 ")",
                    app->conn, side, plait_error_name(app->error), app->written, app->plan->total,
                    app->received, peer->plan->total);
        return;
    }
    if (app->written != app->plan->total || app->received != peer->plan->total) {
        pl_sim_fail(&world->verdict,
                    "conn %u side %c: ended with written %" PRIu64 " of %" PRIu64 ", read %" PRIu64
                    " of %" PRIu64,
                    app->conn, side, app->written, app->plan->total, app->received,
                    peer->plan->total);
    }
}

void pl_judge_results(struct pl_world *world) {
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        if (pl_judge_excused(world, c) || world->plan->errors_tell) {
            continue;
        }
        judge_side(world, &world->app[c][0]);
        judge_side(world, &world->app[c][1]);
    }
}

/* A side that never got a connection is done when the other one is and had a reason. */
bool pl_judge_conn_done(const struct pl_world *world, unsigned conn) {
    const struct pl_app *initiator = &world->app[conn][world->plan->conn[conn].initiator];
    const struct pl_app *acceptor = pl_app_peer(initiator);
    if (initiator->state != PL_APP_DONE) {
        return false;
    }
    bool never = initiator->error != 0 || pl_judge_excused(world, conn);
    return acceptor->state == PL_APP_DONE || (acceptor->state == PL_APP_IDLE && never);
}

void pl_judge_stuck(struct pl_world *world) {
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        for (unsigned h = 0; h < 2; h++) {
            const struct pl_app *app = &world->app[c][h];
            if (app->state == PL_APP_DONE || pl_judge_conn_done(world, c)) {
                continue;
            }
            static const char *const states[] = {"idle", "connecting", "open", "done"};
            pl_sim_fail(&world->verdict,
                        "conn %u side %c: stuck, %s, written %" PRIu64 " of %" PRIu64
                        ", read %" PRIu64 " of %" PRIu64 "%s",
                        c, 'a' + (int)h, states[app->state], app->written, app->plan->total,
                        app->received, world->app[c][1 - h].plan->total,
                        app->eof ? ", end of stream" : "");
        }
    }
}

void pl_judge_leftovers(struct pl_world *world) {
    for (unsigned h = 0; h < 2; h++) {
        struct plait_stack_stats stats = {.size = sizeof(stats)};
        plait_stack_stats(world->host[h].stack, &stats);
        if (stats.connections != 0 || stats.subflows != 0 || stats.memory_bytes != 0) {
            pl_sim_fail(&world->verdict,
                        "host %c: left over: %u connections, %u subflows, %" PRIu64
                        " bytes of payload",
                        'a' + (int)h, stats.connections, stats.subflows, stats.memory_bytes);
        }
        uint64_t established = plait_counters(world->host[h].stack)[PLAIT_COUNTER_MPCurrEstab];
        if (established != 0) {
            pl_sim_fail(&world->verdict, "host %c: MPCurrEstab is %" PRIu64 " in the end",
                        'a' + (int)h, established);
        }
    }
}
