/* port/loop.c - act, drain events, pull output, sleep to the deadline.
 *
 * Reading is done per device in batches, everything else once per turn of the loop, in the
 * prepare phase just before it sleeps: packets of several devices that arrived together are
 * answered together. The timer is a timerfd, because libuv's own timers count milliseconds and
 * pacing needs finer ones: eighths. Setting it costs more than sending a packet where a hypervisor
 * owns the clock, so deadlines are rounded up to the grain, and it is only set when the deadline
 * moves forward; one that moved back is noticed when the timer fires too early. While packets come
 * it is not set at all: the loop looks for more without sleeping, and only a turn that found none
 * sets it. */
#include "port/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/assert.h"

/* More bytes than that at once would push out of the processor's cache what the application has not
 * read yet. */
enum { READ_BATCH = 64, READ_BYTES = 512 * 1024, SETTLE_ROUNDS_MAX = 4 };
#define GRAIN_NS (PLAIT_NS_PER_MS / 8)

static void set_polled(struct pl_loop_port *port, int events);

/* ---- the timer ---- */

static void arm(struct pl_loop *loop, plait_time deadline, plait_time now) {
    if (deadline >= loop->armed) {
        return;
    }
    if (deadline <= now) {
        deadline = now + 1;
    } else if (deadline < PLAIT_TIME_NEVER - GRAIN_NS) {
        deadline = (deadline + GRAIN_NS - 1) / GRAIN_NS * GRAIN_NS;
    }
    if (deadline >= loop->armed) {
        return;
    }
    struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(deadline / PLAIT_NS_PER_S),
                                           .tv_nsec = (long)(deadline % PLAIT_NS_PER_S)}};
    int result = timerfd_settime(loop->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    PL_ASSERT(result == 0);
    loop->armed = deadline;
}

static void on_timer(uv_poll_t *handle, int status, int events) {
    struct pl_loop *loop = handle->data;
    uint64_t expirations;
    (void)status;
    (void)events;
    if (read(loop->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations)) {
        loop->armed = PLAIT_TIME_NEVER;
    }
}

/* ---- one turn ---- */

static bool tick_if_due(struct pl_loop *loop, plait_time now) {
    if (plait_deadline(loop->stack) > now) {
        return false;
    }
    plait_tick(loop->stack, now);
    return true;
}

static bool drain_events(struct pl_loop *loop, plait_time now) {
    struct plait_event event;
    bool any = false;
    while (plait_event_next(loop->stack, &event)) {
        loop->callbacks.event(loop->callbacks.user, &event, now);
        any = true;
    }
    return any;
}

/* Returns whether a device with room has more to write. */
static bool write_ports(struct pl_loop *loop, plait_time now) {
    bool more = false;
    for (unsigned i = 0; i < loop->port_count; i++) {
        struct pl_loop_port *port = loop->ports[i];
        if (port->gone) {
            continue;
        }
        bool room = pl_tun_port_output(&port->io, now);
        set_polled(port, room ? UV_READABLE : UV_READABLE | UV_WRITABLE);
        more |= room && plait_output_pending(loop->stack, port->io.id);
    }
    return more;
}

/* Acts, and returns when there will be something to do again. */
static plait_time settle(struct pl_loop *loop) {
    plait_time now = pl_posix_now();
    bool more = true;
    (void)tick_if_due(loop, now);
    /* Sending can raise events (room to write), which can lead to more to send, and leaves work
     * that is due at once: done here, it costs no timer. Bounded, so that reading gets its turn;
     * the loop comes back at once for what is left. */
    for (unsigned round = 0; more && round < SETTLE_ROUNDS_MAX; round++) {
        bool events = drain_events(loop, now);
        more = write_ports(loop, now) || events || round == 0;
        now = pl_posix_now();
        more |= tick_if_due(loop, now);
    }
    return more ? now : plait_deadline(loop->stack);
}

void pl_loop_settle(struct pl_loop *loop) {
    plait_time deadline = settle(loop);
    arm(loop, deadline, pl_posix_now());
}

/* While it is active the loop does not sleep. */
static void on_awake(uv_idle_t *handle) {
    (void)handle;
}

static void on_prepare(uv_prepare_t *handle) {
    struct pl_loop *loop = handle->data;
    plait_time deadline = settle(loop);
    plait_time now = pl_posix_now();
    if (deadline < loop->armed && (loop->busy || deadline <= now)) {
        loop->busy = false;
        uv_idle_start(&loop->awake, on_awake);
        return;
    }
    loop->busy = false;
    uv_idle_stop(&loop->awake);
    arm(loop, deadline, now);
}

/* ---- ports ---- */

static void on_port(uv_poll_t *handle, int status, int events) {
    struct pl_loop_port *port = handle->data;
    struct pl_loop *loop = port->loop;
    int result = status;
    if (status == 0 && (events & UV_READABLE) != 0) {
        result = pl_tun_port_input(&port->io, READ_BATCH, READ_BYTES, pl_posix_now());
        loop->busy = loop->busy || result > 0;
    }
    if (result >= 0 || port->gone) {
        return;
    }
    port->gone = true;
    uv_poll_stop(&port->poll);
    if (loop->callbacks.gone != NULL) {
        loop->callbacks.gone(loop->callbacks.user, port);
    }
}

static void set_polled(struct pl_loop_port *port, int events) {
    if (port->polled != events) {
        uv_poll_start(&port->poll, events, on_port);
        port->polled = events;
    }
}

static void on_port_closed(uv_handle_t *handle) {
    struct pl_loop_port *port = handle->data;
    pl_tun_port_fini(&port->io);
    free(port);
}

int pl_loop_add_port(struct pl_loop *loop, const struct pl_tun *tun,
                     const struct plait_port_config *config, struct pl_loop_port **out) {
    struct pl_tun device = *tun;
    plait_port_id id = 0;
    struct pl_loop_port *port = calloc(1, sizeof(*port));
    int result = PLAIT_E_LIMIT;
    if (port != NULL && loop->port_count < PL_LOOP_PORTS_MAX) {
        result = plait_port_add(loop->stack, config, &id);
    }
    if (result == 0) {
        result = uv_poll_init(&loop->uv, &port->poll, device.fd);
        if (result < 0) {
            plait_port_remove(loop->stack, id, pl_posix_now());
        }
    }
    if (result < 0) {
        pl_tun_close(&device);
        free(port);
        return result;
    }
    pl_tun_port_init(&port->io, &device, loop->stack, &loop->posix.env, id);
    port->loop = loop;
    port->poll.data = port;
    set_polled(port, UV_READABLE);
    loop->ports[loop->port_count++] = port;
    *out = port;
    return 0;
}

void pl_loop_remove_port(struct pl_loop *loop, struct pl_loop_port *port) {
    unsigned i = 0;
    while (i < loop->port_count && loop->ports[i] != port) {
        i++;
    }
    PL_ASSERT(i < loop->port_count);
    loop->ports[i] = loop->ports[--loop->port_count];
    plait_port_remove(loop->stack, port->io.id, pl_posix_now());
    uv_close((uv_handle_t *)&port->poll, on_port_closed);
}

/* ---- the loop ---- */

static int init_uv(struct pl_loop *loop) {
    int result = uv_loop_init(&loop->uv);
    if (result < 0) {
        return result;
    }
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_idle_init(&loop->uv, &loop->awake);
    loop->prepare.data = loop;
    uv_prepare_start(&loop->prepare, on_prepare);
    result = uv_poll_init(&loop->uv, &loop->timer, loop->timer_fd);
    PL_ASSERT(result == 0);
    loop->timer.data = loop;
    return uv_poll_start(&loop->timer, UV_READABLE, on_timer);
}

int pl_loop_init(struct pl_loop *loop, const struct plait_config *config,
                 const struct pl_loop_callbacks *callbacks) {
    memset(loop, 0, sizeof(*loop));
    loop->callbacks = *callbacks;
    loop->armed = PLAIT_TIME_NEVER;
    int result = pl_posix_env_init(&loop->posix);
    if (result < 0) {
        return result;
    }
    loop->posix.env.trace = callbacks->trace;
    result = plait_stack_create(&loop->stack, &loop->posix.env, config);
    if (result == 0) {
        loop->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
        result = loop->timer_fd < 0 ? -errno : init_uv(loop);
        if (result < 0 && loop->timer_fd >= 0) {
            close(loop->timer_fd);
        }
    }
    if (result < 0) {
        plait_stack_destroy(loop->stack);
        pl_posix_env_fini(&loop->posix);
    }
    return result;
}

void pl_loop_fini(struct pl_loop *loop) {
    while (loop->port_count > 0) {
        pl_loop_remove_port(loop, loop->ports[0]);
    }
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->awake, NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    int result = uv_loop_close(&loop->uv);
    PL_ASSERT(result == 0);
    close(loop->timer_fd);
    plait_stack_destroy(loop->stack);
    pl_posix_env_fini(&loop->posix);
}

void pl_loop_run(struct pl_loop *loop) {
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void pl_loop_stop(struct pl_loop *loop) {
    uv_stop(&loop->uv);
}
