/* sim/world.h - one run: two hosts, a network between them, applications on them, virtual time.
 *
 * Life: pl_world_init -> pl_world_run -> pl_world_fini. Everything happens in timers of one queue;
 * between two instants every host that was touched is served (events drained, output pulled). */
#ifndef PL_SIM_WORLD_H
#define PL_SIM_WORLD_H

#include "base/timers.h"
#include "plait/plait.h"
#include "sim/check.h"
#include "sim/env.h"
#include "sim/network.h"
#include "sim/plan.h"

struct pl_world;

enum pl_app_state {
    PL_APP_IDLE,       /* before the start, or nothing accepted yet */
    PL_APP_CONNECTING, /* or held by a deferring listener */
    PL_APP_OPEN,
    PL_APP_DONE,
};

/* One side of a connection. */
struct pl_app {
    struct pl_world *world;
    unsigned conn, host;
    const struct pl_plan_side *plan;
    enum pl_app_state state;
    plait_sock sock; /* CONNECTING, OPEN */
    uint64_t written, received;
    bool eof;        /* read to the end of stream */
    bool shut;       /* said the end of its own */
    bool quit;       /* closed or aborted before its time, as planned */
    bool gave_up;    /* waited for a peer that is gone */
    bool crashed;    /* with its host */
    bool fallback;   /* plain TCP, from the beginning or at some time */
    bool connected;  /* has been OPEN */
    bool altered;    /* read what the peer did not write, where nothing could tell */
    bool proven;     /* has seen a sign of life of the peer's application level */
    int error;       /* why it is DONE, 0 for an orderly end */
    uint64_t unread; /* bytes that waited in the socket when it failed */
    plait_time opened_at;
    plait_time done_at;
    struct pl_timer start_timer, write_timer, read_timer, quit_timer;
};

struct pl_host {
    struct pl_world *world;
    unsigned index;
    const struct pl_plan_host *plan;
    struct pl_sim_env env;
    struct plait_stack *stack;
    plait_port_id port_id[PL_PLAN_PORTS_MAX];
    uint32_t mtu[PL_PLAN_PORTS_MAX];
    bool up[PL_PLAN_PORTS_MAX];
    bool unplugged[PL_PLAN_PORTS_MAX];
    bool address_gone[PL_PLAN_PORTS_MAX][PL_PLAN_ADDRESSES_MAX];
    plait_sock listener[PL_PLAN_CONNS_MAX];
    struct pl_timer timer;      /* the stack's deadline */
    struct pl_timer ring_timer; /* a full device looks again */
    struct pl_check check;
    unsigned serial; /* how often it was started */
    bool touched;
};

struct pl_world_action {
    struct pl_world *world;
    const struct pl_plan_action *plan;
    struct pl_timer timer;
};

struct pl_world {
    const struct pl_plan *plan;
    const struct plait_env *hashes;
    struct pl_sim_env network_env;
    plait_time now;
    struct pl_timers timers;
    struct pl_sim_verdict verdict;
    struct pl_record record;
    struct pl_network network;
    struct pl_host host[2];
    struct pl_app app[PL_PLAN_CONNS_MAX][2];
    bool half_open[PL_PLAN_CONNS_MAX]; /* one end does not know that the other is gone */
    struct pl_world_action action[PL_PLAN_ACTIONS_MAX];
    struct pl_timer heal_timer;
    struct pl_timer give_up_timer;
    bool healed;
    bool canary;
    uint8_t fill;
    uint64_t events;
    uint64_t events_at_second; /* since the second of virtual time began */
    uint64_t second;
    uint8_t scratch[64 * 1024];
};

PLAIT_MUST_CHECK int pl_world_init(struct pl_world *world, const struct pl_plan *plan,
                                   const struct plait_env *hashes);
/* Both phases and the checks at the end; what is wrong is in world->verdict. */
void pl_world_run(struct pl_world *world);
void pl_world_fini(struct pl_world *world);
/* A planned action happens now. */
void pl_world_act(struct pl_world *world, const struct pl_plan_action *action);
void pl_world_heal(struct pl_world *world);

/* ---- hosts ---- */

/* Starts the host's stack afresh: ports, addresses, listeners. Failures go to the verdict. */
void pl_host_start(struct pl_host *host, struct pl_world *world, unsigned index);
/* Adds a port with its addresses. */
void pl_host_plug(struct pl_host *host, unsigned port);
/* Destroys it, and checks that it gave all memory back. */
void pl_host_stop(struct pl_host *host);
void pl_host_input(struct pl_host *host, unsigned port, struct plait_buf *packet,
                   const struct plait_rx_meta *meta);
/* Something was done to the stack: it is served before time goes on. */
void pl_host_touch(struct pl_host *host);
void pl_host_serve(struct pl_host *host);
/* Index of a port id, or -1. */
int pl_host_port_index(const struct pl_host *host, plait_port_id id);
void pl_host_close_listeners(struct pl_host *host);

/* ---- applications ---- */

void pl_app_init(struct pl_app *app, struct pl_world *world, unsigned conn, unsigned host);
void pl_app_accept(struct pl_app *app);
void pl_app_event(struct pl_app *app, const struct plait_event *event);
/* Its host crashed. */
void pl_app_crash(struct pl_app *app);
void pl_app_give_up(struct pl_app *app);
static inline struct pl_app *pl_app_peer(const struct pl_app *app) {
    return &app->world->app[app->conn][1 - app->host];
}
/* The listener of connection `conn`. */
static inline uint16_t pl_app_tcp_port(unsigned conn) {
    return (uint16_t)(5000 + conn);
}

/* ---- judgement ---- */

/* Whether connection `conn` may end with an error, or before its time, in this run. */
bool pl_judge_excused(const struct pl_world *world, unsigned conn);
/* Whether one end waits, with nothing to send, on a subflow that the other end or the path has
 * forgotten: as plain TCP it cannot know without keep-alives. Noted in world->half_open. */
bool pl_judge_half_open(struct pl_world *world, unsigned conn);
/* Whether both ends of a connection have ended. */
bool pl_judge_conn_done(const struct pl_world *world, unsigned conn);
/* All applications have ended: are the results right? */
void pl_judge_results(struct pl_world *world);
/* The time for ending is over: says who did not. */
void pl_judge_stuck(struct pl_world *world);
/* The stacks are idle: is anything left? */
void pl_judge_leftovers(struct pl_world *world);

#endif
