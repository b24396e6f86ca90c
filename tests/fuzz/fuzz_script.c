/* Fuzzes scenario scripts: the parser takes any text, what it took can be run without end or harm,
 * and options that it understood keep their form on the way to bytes and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "sim/script.h"
#include "sim/script_program.h"
#include "testenv.h"
#include "wire/tcp.h"

enum { LINES_MAX = 60 };
#define TIME_MAX (100 * PLAIT_NS_PER_S)

static bool is_plain(const struct pl_script_option *option) {
    for (unsigned i = 0; i < option->form->count; i++) {
        uint8_t kind = option->values[i].kind;
        if (kind != PL_VALUE_NUMBER && kind != PL_VALUE_BYTES) {
            return false;
        }
    }
    return true;
}

/* `raw` may say any bytes: those that are one option, whole (EOL and NOP have no length). */
static bool is_whole(const uint8_t *bytes, uint32_t len) {
    return bytes[0] <= 1 ? len == 1 : len >= 2 && bytes[1] == len;
}

static void check_option(const struct pl_script_option *option) {
    uint8_t first[PL_TCP_OPTIONS_MAX + 1], second[PL_TCP_OPTIONS_MAX + 1];
    struct pl_script_option again;
    uint32_t len = is_plain(option) ? pl_script_option_encode(option, first) : 0;
    if (len == 0 || len > PL_TCP_OPTIONS_MAX || !is_whole(first, len)) {
        return;
    }
    pl_script_option_decode(first, len, &again);
    FUZZ_CHECK(pl_script_option_encode(&again, second) == len);
    FUZZ_CHECK(memcmp(first, second, len) == 0);
}

/* Whether running takes little time. */
static bool is_short(const struct pl_script_program *program) {
    uint64_t time = 0;
    for (unsigned i = 0; i < program->line_count; i++) {
        const struct pl_script_line *line = &program->lines[i];
        uint64_t more = line->kind == PL_LINE_NOTHING ? (uint64_t)line->number : 0;
        bool all_day = line->when == PL_WHEN_ANY;
        time += line->time + more;
        if (time > TIME_MAX || all_day || line->time_last > TIME_MAX) {
            return false;
        }
        if (line->segment != NULL && line->segment->len > 100000) {
            return false;
        }
    }
    return program->line_count <= LINES_MAX;
}

static void run(const char *text, size_t len) {
    static FILE *out;
    struct test_env env;
    test_env_init(&env, 1);
    if (out == NULL) {
        out = fopen("/dev/null", "w");
        FUZZ_CHECK(out != NULL);
    }
    const struct pl_script_options options = {
        .hashes = &env.env, .out = out, .verbose = true, .record = len % 2 == 1};
    (void)pl_script_run("fuzz", text, len, &options);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    /* A block of exactly this size, so that the sanitizer sees a read behind the text. */
    char *text = malloc(len + (len == 0));
    struct pl_script_program *program = malloc(sizeof(*program));
    FUZZ_CHECK(text != NULL && program != NULL);
    memcpy(text, data, len);
    bool parsed = pl_script_parse(program, "fuzz", text, len, NULL);
    FUZZ_CHECK(parsed == (program->error_line == 0));
    FUZZ_CHECK(parsed || program->error[0] != '\0');
    for (unsigned i = 0; i < program->line_count; i++) {
        const struct pl_script_segment *segment = program->lines[i].segment;
        for (unsigned o = 0; segment != NULL && o < segment->option_count; o++) {
            check_option(&segment->options[o]);
        }
    }
    bool runs = parsed && is_short(program);
    pl_script_program_fini(program);
    free(program);
    if (runs) {
        run(text, len);
    }
    free(text);
    return 0;
}
