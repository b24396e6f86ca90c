/* port/loop.h - one stack, its TUN ports and a libuv loop.
 *
 * The tool adds its own libuv handles to `uv` and calls the stack from any callback: before the
 * loop sleeps it drains the stack's events into `event`, writes what became pending and sets the
 * timer, so nobody has to remember to.
 *
 * States: NEW -> pl_loop_init -> READY: every call -> pl_loop_fini -> NEW. Ports are owned
 * by the loop. Everything runs on the thread that calls pl_loop_run(). */
#ifndef PL_PORT_LOOP_H
#define PL_PORT_LOOP_H

#include <uv.h>

#include "plait/socket.h"
#include "port/posix_env.h"
#include "port/tun_port.h"

enum { PL_LOOP_PORTS_MAX = 64 };

struct pl_loop;

struct pl_loop_port {
    struct pl_tun_port io;
    struct pl_loop *loop;
    uv_poll_t poll;
    int polled; /* the libuv events asked for */
    bool gone;  /* the device has vanished */
};

struct pl_loop_callbacks {
    void *user;
    /* One event of the stack. May make any call, pl_loop_remove_port included. */
    void (*event)(void *user, const struct plait_event *event, plait_time now);
    /* The device of a port has vanished; the callee removes the port, later or now. May be NULL. */
    void (*gone)(void *user, struct pl_loop_port *port);
    /* Trace sink of the stack, or NULL; its `user` is &loop->posix. */
    void (*trace)(void *user, const struct plait_trace_record *record);
};

struct pl_loop {
    uv_loop_t uv;
    struct plait_stack *stack;
    struct pl_posix_env posix;
    struct pl_loop_callbacks callbacks;
    struct pl_loop_port *ports[PL_LOOP_PORTS_MAX];
    unsigned port_count;
    uv_prepare_t prepare;
    uv_idle_t awake;
    uv_poll_t timer;
    int timer_fd;
    plait_time armed; /* when the timer fires, PLAIT_TIME_NEVER if it is not set */
    bool busy;        /* packets came in this turn */
};

/* Creates the stack and the loop. Returns 0 or a negative plait_error or libuv error. */
PLAIT_MUST_CHECK int pl_loop_init(struct pl_loop *loop, const struct plait_config *config,
                                  const struct pl_loop_callbacks *callbacks);
/* Destroys the stack, removes the ports and frees the loop. The tool has closed its handles. */
void pl_loop_fini(struct pl_loop *loop);

/* Makes an open device a port of the stack. The device is the loop's then, also after an error. */
PLAIT_MUST_CHECK int pl_loop_add_port(struct pl_loop *loop, const struct pl_tun *tun,
                                      const struct plait_port_config *config,
                                      struct pl_loop_port **out);
/* Removes the port from the stack and closes the device. The pointer is dead after this. */
void pl_loop_remove_port(struct pl_loop *loop, struct pl_loop_port *port);

/* Runs until pl_loop_stop(). */
void pl_loop_run(struct pl_loop *loop);
void pl_loop_stop(struct pl_loop *loop);

/* Drains events and writes packets now. For use outside of pl_loop_run(). */
void pl_loop_settle(struct pl_loop *loop);

#endif
