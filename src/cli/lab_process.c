/* cli/lab_process.c - child processes that run beside us and end with us. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/lab.h"

/* The child's side: never returns. Its group is its own, so that Ctrl-C reaches only us, and we
 * end it in order. */
static _Noreturn void become(const char *const argv[], int ns, int out, pid_t parent) {
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() == parent && setns(ns, CLONE_NEWNET) == 0 && dup2(in, STDIN_FILENO) >= 0 &&
        dup2(out, STDOUT_FILENO) >= 0 && dup2(out, STDERR_FILENO) >= 0) {
        execvp(argv[0], (char *const *)argv);
    }
    _exit(127);
}

int lab_process_start(struct lab_process *process, const char *const argv[], int ns,
                      const char *log) {
    pid_t parent = getpid();
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (out < 0) {
        return -errno;
    }
    pid_t pid = fork();
    if (pid == 0) {
        become(argv, ns, out, parent);
    }
    int result = pid < 0 ? -errno : 0;
    close(out);
    if (result == 0) {
        setpgid(pid, pid); /* here, too: whoever comes first */
        process->pid = pid;
        process->running = true;
    }
    return result;
}

static void note(struct lab_process *process, int status) {
    process->running = false;
    process->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool lab_process_ended(struct lab_process *process) {
    int status;
    if (!process->running || waitpid(process->pid, &status, WNOHANG) != process->pid) {
        return false;
    }
    note(process, status);
    return true;
}

void lab_process_signal(const struct lab_process *process, int number) {
    if (process->running) {
        kill(-process->pid, number);
    }
}

bool lab_process_self(char path[LAB_PATH_MAX]) {
    ssize_t n = readlink("/proc/self/exe", path, LAB_PATH_MAX - 1);
    if (n < 0) {
        cli_say("cannot find my own program: %s", strerror(errno));
        return false;
    }
    path[n] = '\0';
    return true;
}

void lab_process_end(struct lab_process *process) {
    int status = 0;
    lab_process_signal(process, SIGKILL);
    while (process->running) {
        if (waitpid(process->pid, &status, 0) == process->pid) {
            note(process, status);
        } else if (errno != EINTR) {
            process->running = false;
        }
    }
}
