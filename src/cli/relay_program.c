/* cli/relay_program.c - the end of the program: what it wrote last, and how it ended. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "cli/relay.h"

enum {
    LINGER_STEP_MS = 5,
    LINGER_QUIET_STEPS = 2,     /* nothing left to deliver for so long: done */
    LINGER_CLOSING_STEPS = 200, /* only goodbyes are outstanding */
    LINGER_STALL_STEPS = 600,   /* data is outstanding and does not move */
    LINGER_STEPS_MAX = 12000,
};

/* What the program wrote last may still be on its way. */
static void linger_step(uv_timer_t *timer) {
    struct relay *relay = timer->data;
    struct relay_control *c = &relay->control;
    unsigned closing = 0;
    uint64_t undelivered = relay_conns_undelivered(relay, &closing);
    bool moves = undelivered != c->undelivered;
    c->undelivered = undelivered;
    c->steps++;
    c->quiet = undelivered == 0 && closing == 0 ? c->quiet + 1 : 0;
    c->closing = undelivered == 0 && closing > 0 ? c->closing + 1 : 0;
    c->stalled = undelivered > 0 && !moves ? c->stalled + 1 : 0;
    if (relay->conns.open == 0 || c->quiet >= LINGER_QUIET_STEPS ||
        c->closing >= LINGER_CLOSING_STEPS || c->stalled >= LINGER_STALL_STEPS ||
        c->steps >= LINGER_STEPS_MAX) {
        pl_loop_stop(&relay->loop);
    }
}

void relay_program_reap(struct relay *relay) {
    if (relay->exited || relay->inner.child <= 0 ||
        waitpid(relay->inner.child, &relay->status, WNOHANG) != relay->inner.child) {
        return;
    }
    relay->exited = true;
    relay_conns_measure(relay);
    relay_debug(relay, "the program has ended, %u connections are open", relay->conns.open);
    uv_timer_init(&relay->loop.uv, &relay->control.linger);
    relay->control.linger.data = relay;
    relay->control.linger_open = true;
    uv_timer_start(&relay->control.linger, linger_step, 0, LINGER_STEP_MS);
}

/* As the program ended: its exit status, or the same signal. */
int relay_program_pass_on(int status) {
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    }
    int number = WTERMSIG(status);
    const struct rlimit no_core = {0, 0};
    sigset_t set;
    setrlimit(RLIMIT_CORE, &no_core); /* the program has left its own */
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    raise(number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    return 128 + number;
}
