/* port/command.c - child processes that do one thing, and /proc/sys. */
#include "port/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's side: never returns. */
static _Noreturn void become(const char *const argv[], int in, int out) {
    sigset_t none;
    sigemptyset(&none);
    setpgid(0, 0); /* Ctrl-C is for the program in the foreground, not for its helpers */
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 &&
        dup2(out, STDERR_FILENO) >= 0) {
        execvp(argv[0], (char *const *)argv);
    }
    _exit(127);
}

static int wait_for(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* A file in memory: unlike a pipe it can neither fill up nor need a second reader. */
static int memory_file(const char *text) {
    int fd = memfd_create("plait", MFD_CLOEXEC);
    size_t len = text != NULL ? strlen(text) : 0;
    if (fd >= 0 && len > 0 && write(fd, text, len) != (ssize_t)len) {
        close(fd);
        return -1;
    }
    if (fd >= 0) {
        lseek(fd, 0, SEEK_SET);
    }
    return fd;
}

int pl_command_run(const char *const argv[], const char *input, char *output, size_t size) {
    int in = memory_file(input);
    int out = memory_file(NULL);
    int result = -EMFILE;
    if (in >= 0 && out >= 0) {
        pid_t pid = fork();
        if (pid == 0) {
            become(argv, in, out);
        }
        result = pid < 0 ? -errno : wait_for(pid);
    }
    if (output != NULL) {
        ssize_t n = out >= 0 ? pread(out, output, size - 1, 0) : 0;
        output[n > 0 ? n : 0] = '\0';
    }
    if (in >= 0) {
        close(in);
    }
    if (out >= 0) {
        close(out);
    }
    return result == 127 ? -ENOENT : result;
}

static int sysctl_open(const char *path, int flags) {
    char full[256];
    if (snprintf(full, sizeof(full), "/proc/sys/%s", path) >= (int)sizeof(full)) {
        return -ENAMETOOLONG;
    }
    int fd = open(full, flags | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

int pl_sysctl_read(const char *path, char *value, size_t size) {
    int fd = sysctl_open(path, O_RDONLY);
    if (fd < 0) {
        return fd;
    }
    ssize_t n = read(fd, value, size - 1);
    int error = n < 0 ? -errno : 0;
    close(fd);
    if (error == 0) {
        value[n] = '\0';
        value[strcspn(value, "\n")] = '\0';
    }
    return error;
}

int pl_sysctl_write(const char *path, const char *value) {
    int fd = sysctl_open(path, O_WRONLY);
    if (fd < 0) {
        return fd;
    }
    ssize_t n = write(fd, value, strlen(value));
    int error = n < 0 ? -errno : 0;
    close(fd);
    return error;
}
