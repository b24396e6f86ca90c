/* driver.c - runs a fuzz target without libFuzzer: first the corpus, then mutations of it.
 *
 *   fuzz_x [--seed N] [--first N] [--runs N] [--seconds S] [--max-len N] [FILE | DIRECTORY]...
 *
 * Run number i of a seed is the same input on every machine (given the same corpus): so a failure
 * is named by its seed and number, and `--first i --runs 1` replays it. The input is also written
 * to crash-<seed>-<number> in the current directory. Without --runs and --seconds only the corpus
 * is run. There is no coverage feedback; deep searches are libFuzzer's. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"
#include "fuzz.h"

struct input {
    uint8_t *data;
    size_t len;
};

struct corpus {
    struct input *inputs;
    size_t count, cap;
};

struct options {
    uint64_t seed, first, runs;
    double seconds;
    size_t max_len;
};

static struct { /* for the report of a failure */
    const char *program;
    uint64_t seed, run;
    const uint8_t *data;
    size_t len;
    bool mutated;
} current;

/* Runs in a signal handler. snprintf() is not promised to work there, but the process ends anyway.
 */
static void report(int signal_number) {
    char name[64], text[256];
    snprintf(name, sizeof(name), "crash-%llu-%llu", (unsigned long long)current.seed,
             (unsigned long long)current.run);
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd >= 0) {
        ssize_t written = write(fd, current.data, current.len);
        (void)written;
        close(fd);
    }
    int n = snprintf(text, sizeof(text), "%s: failed in %s %llu; input in %s; replay: %s %s\n",
                     current.program, current.mutated ? "run" : "corpus file",
                     (unsigned long long)current.run, name, current.program, name);
    if (n > 0) {
        ssize_t written = write(STDERR_FILENO, text, (size_t)n < sizeof(text) ? (size_t)n : 0);
        (void)written;
    }
    if (signal_number != 0) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
}

/* The address sanitizer exits without a signal; it calls this first, when it is linked. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));
static void report_death(void) {
    report(0);
}

static void catch_failures(void) {
    const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGALRM};
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(report_death);
    }
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        signal(signals[i], report);
    }
}

static _Noreturn void fail(const char *what, const char *path) {
    fprintf(stderr, "%s: %s: %s\n", path, what, strerror(errno));
    exit(2);
}

/* ---- corpus ---- */

static void add_file(struct corpus *corpus, const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fail("cannot open", path);
    }
    struct input input = {.data = malloc(1 << 20)};
    if (input.data == NULL) {
        fail("no memory", path);
    }
    input.len = fread(input.data, 1, 1 << 20, file);
    fclose(file);
    if (corpus->count == corpus->cap) {
        corpus->cap = 2 * corpus->cap + 64;
        corpus->inputs = realloc(corpus->inputs, corpus->cap * sizeof(input));
        if (corpus->inputs == NULL) {
            fail("no memory", path);
        }
    }
    uint8_t *exact = realloc(input.data, input.len + 1);
    input.data = exact == NULL ? input.data : exact;
    corpus->inputs[corpus->count++] = input;
}

static int visible(const struct dirent *entry) {
    return entry->d_name[0] != '.';
}

static void add_path(struct corpus *corpus, const char *path) {
    struct stat status;
    if (stat(path, &status) != 0) {
        fail("cannot read", path);
    }
    if (!S_ISDIR(status.st_mode)) {
        add_file(corpus, path);
        return;
    }
    struct dirent **entries;
    int count = scandir(path, &entries, visible, alphasort);
    if (count < 0) {
        fail("cannot list", path);
    }
    for (int i = 0; i < count; i++) {
        char name[4096];
        int n = snprintf(name, sizeof(name), "%s/%s", path, entries[i]->d_name);
        if (n > 0 && (size_t)n < sizeof(name)) {
            add_file(corpus, name);
        }
        free(entries[i]);
    }
    free(entries);
}

/* ---- mutation ---- */

struct buffer {
    uint8_t *data;
    size_t len, max;
};

static void overwrite_number(struct buffer *b, struct pl_rng *rng) {
    static const uint32_t interesting[] = {
        0,  1,   2,   3,   4,   8,     12,    16,    20,    24,         28,         30,
        40, 127, 128, 255, 256, 32767, 32768, 65535, 65536, 0x7fffffff, 0x80000000, 0xffffffff};
    size_t count = sizeof(interesting) / sizeof(interesting[0]);
    size_t width = (size_t)1 << pl_rng_below(rng, 3);
    if (b->len < width) {
        return;
    }
    size_t at = (size_t)pl_rng_below(rng, b->len - width + 1);
    uint32_t value = interesting[pl_rng_below(rng, count)];
    for (size_t i = 0; i < width; i++) {
        b->data[at + i] = (uint8_t)(value >> (8 * (width - 1 - i)));
    }
}

static void insert_bytes(struct buffer *b, struct pl_rng *rng) {
    size_t n = (size_t)pl_rng_range(rng, 1, 16);
    if (b->len + n > b->max) {
        return;
    }
    size_t at = (size_t)pl_rng_below(rng, b->len + 1);
    memmove(b->data + at + n, b->data + at, b->len - at);
    pl_rng_fill(rng, b->data + at, n);
    b->len += n;
}

static void delete_bytes(struct buffer *b, struct pl_rng *rng) {
    size_t n = (size_t)pl_rng_range(rng, 1, 16);
    if (b->len <= n) {
        return;
    }
    size_t at = (size_t)pl_rng_below(rng, b->len - n + 1);
    memmove(b->data + at, b->data + at + n, b->len - at - n);
    b->len -= n;
}

static void copy_within(struct buffer *b, struct pl_rng *rng) {
    size_t n = (size_t)pl_rng_range(rng, 1, b->len);
    size_t from = (size_t)pl_rng_below(rng, b->len - n + 1);
    size_t to = (size_t)pl_rng_below(rng, b->len - n + 1);
    memmove(b->data + to, b->data + from, n);
}

/* The tail of another input behind the head of this one. */
static void graft(struct buffer *b, struct pl_rng *rng, const struct corpus *corpus) {
    if (corpus->count == 0) {
        return;
    }
    const struct input *other = &corpus->inputs[pl_rng_below(rng, corpus->count)];
    size_t at = (size_t)pl_rng_below(rng, (b->len < other->len ? b->len : other->len) + 1);
    size_t end = other->len < b->max ? other->len : b->max;
    if (at < end) {
        memcpy(b->data + at, other->data + at, end - at);
        b->len = end;
    }
}

static void mutate_once(struct buffer *b, struct pl_rng *rng, const struct corpus *corpus) {
    if (b->len == 0) {
        insert_bytes(b, rng);
        return;
    }
    size_t at = (size_t)pl_rng_below(rng, b->len);
    switch (pl_rng_below(rng, 9)) {
        case 0:
        case 1:
            b->data[at] ^= (uint8_t)(1u << pl_rng_below(rng, 8));
            break;
        case 2:
            b->data[at] = (uint8_t)pl_rng_next(rng);
            break;
        case 3:
            b->data[at] = (uint8_t)(b->data[at] + pl_rng_range(rng, 0, 8) - 4);
            break;
        case 4:
            overwrite_number(b, rng);
            break;
        case 5:
            insert_bytes(b, rng);
            break;
        case 6:
            delete_bytes(b, rng);
            break;
        case 7:
            copy_within(b, rng);
            break;
        default:
            graft(b, rng, corpus);
            break;
    }
}

static void make_input(struct buffer *b, const struct options *o, uint64_t run,
                       const struct corpus *corpus) {
    struct pl_rng rng;
    pl_rng_init(&rng, o->seed ^ (run + 1) * UINT64_C(0x9e3779b97f4a7c15));
    b->len = 0;
    if (corpus->count > 0 && !pl_rng_chance(&rng, 20000)) {
        const struct input *base = &corpus->inputs[pl_rng_below(&rng, corpus->count)];
        b->len = base->len < b->max ? base->len : b->max;
        memcpy(b->data, base->data, b->len);
    }
    for (uint64_t n = pl_rng_range(&rng, 1, 6); n > 0; n--) {
        mutate_once(b, &rng, corpus);
    }
}

/* ---- runs ---- */

static void run_one(const uint8_t *data, size_t len) {
    current.data = data;
    current.len = len;
    alarm(20); /* an input that hangs is a failure too */
    LLVMFuzzerTestOneInput(data, len);
}

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void run_corpus(const struct corpus *corpus) {
    current.mutated = false;
    for (size_t i = 0; i < corpus->count; i++) {
        current.run = i;
        uint8_t *exact = malloc(corpus->inputs[i].len + (corpus->inputs[i].len == 0));
        if (exact == NULL) {
            fail("no memory", "corpus");
        }
        memcpy(exact, corpus->inputs[i].data, corpus->inputs[i].len);
        run_one(exact, corpus->inputs[i].len);
        free(exact);
    }
}

static uint64_t run_mutations(const struct options *o, const struct corpus *corpus) {
    struct buffer b = {.data = malloc(o->max_len), .max = o->max_len};
    if (b.data == NULL) {
        fail("no memory", "input");
    }
    double end = now_s() + o->seconds;
    uint64_t done = 0;
    current.mutated = true;
    while ((o->runs == 0 || done < o->runs) && (o->seconds == 0 || now_s() < end)) {
        current.run = o->first + done;
        make_input(&b, o, current.run, corpus);
        run_one(b.data, b.len);
        done++;
    }
    free(b.data);
    return done;
}

static bool take_option(struct options *o, const char *name, const char *value) {
    char *end;
    if (value == NULL) {
        return false;
    }
    if (strcmp(name, "--seconds") == 0) {
        o->seconds = strtod(value, &end);
        return *end == '\0' && o->seconds > 0;
    }
    uint64_t number = strtoull(value, &end, 0);
    if (strcmp(name, "--seed") == 0) {
        o->seed = number;
    } else if (strcmp(name, "--first") == 0) {
        o->first = number;
    } else if (strcmp(name, "--runs") == 0) {
        o->runs = number;
    } else if (strcmp(name, "--max-len") == 0 && number > 0) {
        o->max_len = (size_t)number;
    } else {
        return false;
    }
    return *end == '\0';
}

int main(int argc, char **argv) {
    struct options o = {.seed = 1, .max_len = 4096};
    struct corpus corpus = {0};
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-') {
            add_path(&corpus, argv[i]);
        } else if (take_option(&o, argv[i], i + 1 < argc ? argv[i + 1] : NULL)) {
            i++;
        } else {
            fprintf(stderr,
                    "%s: bad option %s; usage: [--seed N] [--first N] [--runs N] [--seconds S]"
                    " [--max-len N] [FILE | DIRECTORY]...\n",
                    argv[0], argv[i]);
            return 2;
        }
    }
    current.program = argv[0];
    current.seed = o.seed;
    catch_failures();
    run_corpus(&corpus);
    uint64_t runs = o.runs != 0 || o.seconds > 0 ? run_mutations(&o, &corpus) : 0;
    printf("%zu corpus files, %llu runs of seed %llu\n", corpus.count, (unsigned long long)runs,
           (unsigned long long)o.seed);
    for (size_t i = 0; i < corpus.count; i++) {
        free(corpus.inputs[i].data);
    }
    free(corpus.inputs);
    return 0;
}
