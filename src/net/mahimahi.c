/* net/mahimahi.c - Mahimahi's trace format and its delivery rules.
 *
 * - an opportunity lets PL_MAHIMAHI_BYTES leave; several packets may share one, and a packet that
 * does not fit into the rest of one goes on in the next;
 * - an opportunity, or the rest of one, that finds the queue empty is lost;
 * - the opportunities of millisecond t come before the arrivals of millisecond t, so a packet that
 *   arrives in it can first use one after t;
 * - the trace wraps at its last timestamp, for ever.
 *
 * The link seeks when its queue was empty and takes for every packet it starts to send. Seeking
 * is a division and a binary search, so an idle link costs nothing. */
#include "net/mahimahi.h"

#include <string.h>

#include "base/assert.h"
#include "net/text.h"

struct reader {
    const char *at, *end;
    uint64_t line; /* 1-based */
};

/* Next line, without its end; false at the end of the text. */
static bool next_line(struct reader *reader, const char **start, size_t *len) {
    if (reader->at == reader->end) {
        return false;
    }
    const char *line_feed = memchr(reader->at, '\n', (size_t)(reader->end - reader->at));
    const char *stop = line_feed == NULL ? reader->end : line_feed;
    *start = reader->at;
    *len = (size_t)(stop - reader->at);
    if (*len > 0 && stop[-1] == '\r') {
        --*len;
    }
    reader->at = line_feed == NULL ? reader->end : line_feed + 1;
    reader->line++;
    return true;
}

static bool parse_ms(const char *digits, size_t len, uint32_t *out) {
    uint64_t value = 0;
    if (len == 0) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if (digits[i] < '0' || digits[i] > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(digits[i] - '0');
        if (value > UINT32_MAX) {
            return false;
        }
    }
    *out = (uint32_t)value;
    return true;
}

static int fail_line(struct pl_text *error, uint64_t line, const char *what) {
    pl_text_add(error, "trace line ");
    pl_text_add_number(error, line);
    pl_text_add(error, ": ");
    pl_text_add(error, what);
    return PLAIT_E_BAD_ARGUMENT;
}

static int fail(struct pl_text *error, int code, const char *what) {
    pl_text_add(error, "trace: ");
    pl_text_add(error, what);
    return code;
}

/* Reads all lines; stores the numbers unless `ms` is NULL, and always how many there are. */
static int read_lines(struct reader reader, uint32_t *ms, uint32_t *count, uint32_t *last,
                      struct pl_text *error) {
    const char *line = NULL;
    size_t len = 0;
    *count = 0;
    *last = 0;
    while (next_line(&reader, &line, &len)) {
        uint32_t value = 0;
        if (!parse_ms(line, len, &value)) {
            return fail_line(error, reader.line, "not a number of milliseconds");
        }
        if (value < *last) {
            return fail_line(error, reader.line, "the time goes back");
        }
        if (*count == UINT32_MAX) {
            return fail(error, PLAIT_E_BAD_ARGUMENT, "too many lines");
        }
        if (ms != NULL) {
            ms[*count] = value;
        }
        *last = value;
        ++*count;
    }
    return PLAIT_OK;
}

int pl_mahimahi_parse(struct pl_mahimahi *trace, const struct plait_env *env, const void *bytes,
                      size_t len, char *error, size_t error_size) {
    PL_ASSERT(trace != NULL);
    PL_ASSERT(bytes != NULL || len == 0);
    struct pl_text message;
    pl_text_init(&message, error, error_size);
    memset(trace, 0, sizeof *trace);
    struct reader reader = {.at = bytes, .end = (const char *)bytes + len};
    uint32_t count = 0, last = 0;
    int rc = read_lines(reader, NULL, &count, &last, &message);
    if (rc != PLAIT_OK) {
        return rc;
    }
    if (count == 0) {
        return fail(&message, PLAIT_E_BAD_ARGUMENT, "it is empty");
    }
    if (last == 0) {
        return fail(&message, PLAIT_E_BAD_ARGUMENT, "it lasts 0 ms");
    }
    uint32_t *ms = env->alloc(env->user, count * sizeof *ms);
    if (ms == NULL) {
        return fail(&message, PLAIT_E_NO_MEMORY, "out of memory");
    }
    rc = read_lines(reader, ms, &count, &last, &message);
    PL_ASSERT(rc == PLAIT_OK);
    *trace = (struct pl_mahimahi){.env = env, .ms = ms, .count = count};
    return PLAIT_OK;
}

void pl_mahimahi_fini(struct pl_mahimahi *trace) {
    if (trace->ms != NULL) {
        trace->env->free(trace->env->user, trace->ms, trace->count * sizeof *trace->ms);
    }
    memset(trace, 0, sizeof *trace);
}

void pl_mahimahi_cursor_init(struct pl_mahimahi_cursor *cursor, const struct pl_mahimahi *trace,
                             plait_time origin) {
    PL_ASSERT(trace->count > 0);
    PL_ASSERT(trace->ms[trace->count - 1] > 0);
    *cursor = (struct pl_mahimahi_cursor){
        .trace = trace, .origin = origin, .base = origin, .left_bytes = PL_MAHIMAHI_BYTES};
}

/* The first opportunity later than `ms` in the trace; there is one. */
static uint32_t first_after(const struct pl_mahimahi *trace, uint64_t ms) {
    uint32_t low = 0, high = trace->count - 1;
    PL_ASSERT(trace->ms[high] > ms);
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (trace->ms[middle] > ms) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

void pl_mahimahi_seek(struct pl_mahimahi_cursor *cursor, plait_time now) {
    const struct pl_mahimahi *trace = cursor->trace;
    cursor->left_bytes = PL_MAHIMAHI_BYTES;
    if (now < cursor->origin) {
        cursor->base = cursor->origin;
        cursor->index = 0;
        return;
    }
    uint64_t elapsed_ms = (now - cursor->origin) / PLAIT_NS_PER_MS;
    uint64_t period_ms = trace->ms[trace->count - 1];
    uint64_t rounds = elapsed_ms / period_ms;
    cursor->base = cursor->origin + rounds * period_ms * PLAIT_NS_PER_MS;
    cursor->index = first_after(trace, elapsed_ms % period_ms);
}

static void next_opportunity(struct pl_mahimahi_cursor *cursor) {
    const struct pl_mahimahi *trace = cursor->trace;
    cursor->left_bytes = PL_MAHIMAHI_BYTES;
    if (++cursor->index == trace->count) {
        cursor->index = 0;
        cursor->base += trace->ms[trace->count - 1] * PLAIT_NS_PER_MS;
    }
}

plait_time pl_mahimahi_take(struct pl_mahimahi_cursor *cursor, uint32_t bytes) {
    PL_ASSERT(bytes > 0);
    while (bytes > cursor->left_bytes) {
        bytes -= cursor->left_bytes;
        next_opportunity(cursor);
    }
    cursor->left_bytes -= bytes;
    PL_ASSERT(cursor->index < cursor->trace->count);
    return cursor->base + cursor->trace->ms[cursor->index] * PLAIT_NS_PER_MS;
}
