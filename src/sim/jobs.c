/* sim/jobs.c - many seeds in worker processes.
 *
 * Workers take the next seed from a counter in shared memory and send results through a pipe, each
 * in one write. A worker notes in shared memory which seed it runs: when it dies (a broken
 * invariant, a sanitizer) or takes too long, that seed has failed, and another worker takes its
 * place. What a worker says on stderr goes to a file of its own, so that it can be the reason. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "plait/error.h"
#include "sim/plan.h"
#include "sim/sim.h"

enum { WORKERS_MAX = 256, SEED_SECONDS_MAX = 20, POLL_MS = 200 };

struct slot {
    _Atomic uint64_t seed;
    _Atomic uint64_t started_ns; /* 0: runs no seed */
};

struct shared {
    _Atomic uint64_t next; /* index of the next seed */
    _Atomic bool stop;
    struct slot slot[WORKERS_MAX];
};

struct worker {
    pid_t pid; /* 0: none */
    int error_fd;
    bool killed;
};

struct pool {
    const struct pl_sim_jobs *jobs;
    const struct pl_sim_options *options;
    struct shared *shared;
    struct worker worker[WORKERS_MAX];
    int pipe[2];
    plait_time deadline;
};

static plait_time wall_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (plait_time)now.tv_sec * PLAIT_NS_PER_S + (plait_time)now.tv_nsec;
}

_Static_assert(sizeof(struct pl_sim_result) <= 4096, "a result is written in one piece");

static void worker_main(struct pool *pool, struct slot *slot) {
    struct pl_sim_result result;
    while (!atomic_load(&pool->shared->stop)) {
        uint64_t index = atomic_fetch_add(&pool->shared->next, 1);
        if ((pool->jobs->count != 0 && index >= pool->jobs->count) || wall_ns() >= pool->deadline) {
            break;
        }
        uint64_t seed = pool->jobs->first + index;
        atomic_store(&slot->seed, seed);
        atomic_store(&slot->started_ns, wall_ns());
        int error = pl_sim_run(pool->options, seed, &result);
        if (error != 0) {
            result.failed = true;
            snprintf(result.reason, sizeof(result.reason), "cannot run: %s",
                     plait_error_text(error));
        }
        atomic_store(&slot->started_ns, 0);
        if (write(pool->pipe[1], &result, sizeof(result)) != (ssize_t)sizeof(result)) {
            _exit(1);
        }
    }
    _exit(0);
}

static int start_worker(struct pool *pool, unsigned index) {
    struct worker *worker = &pool->worker[index];
    struct slot *slot = &pool->shared->slot[index];
    atomic_store(&slot->started_ns, 0);
    worker->killed = false;
    worker->error_fd = memfd_create("plait-sim", MFD_CLOEXEC);
    if (worker->error_fd < 0) {
        return PLAIT_E_LIMIT;
    }
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) {
        close(worker->error_fd);
        return PLAIT_E_LIMIT;
    }
    if (pid == 0) {
        dup2(worker->error_fd, STDERR_FILENO);
        close(pool->pipe[0]);
        worker_main(pool, slot);
    }
    worker->pid = pid;
    return 0;
}

/* The first line of what the worker said that looks like a reason; the whole of it goes to stderr.
 */
static void read_reason(int fd, char *reason, size_t size) {
    static char text[16384];
    static const char *const marks[] = {"internal error", "ERROR: AddressSanitizer",
                                        "runtime error"};
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    for (unsigned i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *at = strstr(text, marks[i]);
        if (at != NULL) {
            while (at > text && at[-1] != '\n') {
                at--;
            }
            snprintf(reason, size, "%.*s", (int)strcspn(at, "\n"), at);
            break;
        }
    }
    fputs(text, stderr);
}

/* A worker has ended. Returns whether it was in the middle of a seed. */
static bool bury(struct pool *pool, unsigned index, int status) {
    struct worker *worker = &pool->worker[index];
    struct slot *slot = &pool->shared->slot[index];
    bool busy = atomic_load(&slot->started_ns) != 0;
    if (busy) {
        struct pl_sim_result result = {.seed = atomic_load(&slot->seed), .failed = true};
        struct pl_plan *plan = malloc(sizeof(*plan));
        snprintf(result.reason, sizeof(result.reason), "%s %d",
                 WIFSIGNALED(status) ? "died of signal" : "exited with status",
                 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        read_reason(worker->error_fd, result.reason, sizeof(result.reason));
        if (worker->killed) {
            snprintf(result.reason, sizeof(result.reason), "no end after %d s", SEED_SECONDS_MAX);
        }
        if (plan != NULL) {
            pl_plan_draw(plan, result.seed, pool->options->allowed);
            pl_plan_faults_text(plan, result.faults, sizeof(result.faults));
        }
        free(plan);
        pool->jobs->done(pool->jobs->arg, &result);
    }
    close(worker->error_fd);
    worker->pid = 0;
    return busy;
}

static void read_results(struct pool *pool, int timeout_ms) {
    struct pollfd fd = {.fd = pool->pipe[0], .events = POLLIN};
    while (poll(&fd, 1, timeout_ms) > 0 && (fd.revents & POLLIN) != 0) {
        struct pl_sim_result result;
        if (read(pool->pipe[0], &result, sizeof(result)) != (ssize_t)sizeof(result)) {
            return;
        }
        pool->jobs->done(pool->jobs->arg, &result);
        timeout_ms = 0;
    }
}

static void kill_slow(struct pool *pool) {
    plait_time now = wall_ns();
    for (unsigned i = 0; i < pool->jobs->workers; i++) {
        uint64_t started = atomic_load(&pool->shared->slot[i].started_ns);
        if (pool->worker[i].pid != 0 && started != 0 && !pool->worker[i].killed &&
            now > started + SEED_SECONDS_MAX * PLAIT_NS_PER_S) {
            pool->worker[i].killed = true;
            kill(pool->worker[i].pid, SIGKILL);
        }
    }
}

/* Buries the dead and replaces those that died at work. Returns how many live, or an error. */
static int tend(struct pool *pool) {
    int living = 0;
    for (unsigned i = 0; i < pool->jobs->workers; i++) {
        int status = 0;
        if (pool->worker[i].pid == 0) {
            continue;
        }
        living++;
        if (waitpid(pool->worker[i].pid, &status, WNOHANG) != pool->worker[i].pid) {
            continue;
        }
        living--;
        read_results(pool, 0);
        if (bury(pool, i, status)) {
            int error = start_worker(pool, i);
            if (error != 0) {
                return error;
            }
            living++;
        }
    }
    return living;
}

int pl_sim_jobs(const struct pl_sim_jobs *jobs, const struct pl_sim_options *options) {
    struct pool pool = {.jobs = jobs, .options = options, .deadline = PLAIT_TIME_NEVER};
    PL_ASSERT(jobs->workers > 0 && jobs->workers <= WORKERS_MAX);
    if (jobs->seconds > 0) {
        pool.deadline = wall_ns() + jobs->seconds * PLAIT_NS_PER_S;
    }
    pool.shared =
        mmap(NULL, sizeof(*pool.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (pool.shared == MAP_FAILED) {
        return PLAIT_E_NO_MEMORY;
    }
    int living = pipe(pool.pipe) == 0 ? 0 : PLAIT_E_LIMIT;
    for (unsigned i = 0; i < jobs->workers && living >= 0; i++) {
        int error = start_worker(&pool, i);
        living = error != 0 ? error : living + 1;
    }
    while (living > 0) {
        read_results(&pool, POLL_MS);
        kill_slow(&pool);
        living = tend(&pool);
    }
    read_results(&pool, 0);
    close(pool.pipe[0]);
    close(pool.pipe[1]);
    munmap(pool.shared, sizeof(*pool.shared));
    return living;
}
