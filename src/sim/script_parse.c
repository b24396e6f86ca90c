/* Lines of a script: TIME EVENT. What stands behind `<` and `>` is script_segment.c's, lines
 * without a time are script_setting.c's. */
#include <stdlib.h>
#include <string.h>

#include "plait/trace.h"
#include "sim/script.h"
#include "sim/script_cursor.h"

enum { LINES_MAX = 10000 };

/* ---- time ---- */

/* `+0.1`, `2.5`, `+0.1..0.2`, `*`; false without failure: the line has none. */
static bool take_time(struct pl_script_cursor *c, struct pl_script_line *line) {
    char next = pl_cursor_peek(c);
    if (pl_cursor_char(c, '*')) {
        line->when = PL_WHEN_ANY;
        line->time_last = PLAIT_TIME_NEVER;
        return true;
    }
    line->when = PL_WHEN_AT;
    if (pl_cursor_char(c, '+')) {
        line->when = PL_WHEN_AFTER;
    } else if (next < '0' || next > '9') {
        return false;
    }
    if (!pl_cursor_time(c, &line->time)) {
        return false;
    }
    line->time_last = line->time;
    if (pl_cursor_literal(c, "..") && !pl_cursor_time(c, &line->time_last)) {
        return false;
    }
    return line->time_last >= line->time || pl_cursor_fail(c, "the range ends before it begins");
}

/* ---- calls ---- */

static const char *const calls[PL_CALL_COUNT] = {
    "socket", "bind",     "listen", "connect", "accept", "confirm", "write",
    "read",   "shutdown", "close",  "abort",   "set",    "get",     "poll",
};

static bool take_signed(struct pl_script_cursor *c, int64_t *out) {
    uint64_t value = 0;
    bool minus = pl_cursor_char(c, '-');
    if (!pl_cursor_number(c, INT64_MAX, &value)) {
        return false;
    }
    *out = minus ? -(int64_t)value : (int64_t)value;
    return true;
}

static bool take_poll_bits(struct pl_script_cursor *c, int64_t *out) {
    *out = 0;
    do {
        if (pl_cursor_is(c, "read")) {
            *out |= PLAIT_POLL_READ;
        } else if (pl_cursor_is(c, "write")) {
            *out |= PLAIT_POLL_WRITE;
        } else if (pl_cursor_is(c, "dead")) {
            *out |= PLAIT_POLL_DEAD;
        } else if (!pl_cursor_is(c, "nothing")) {
            return pl_cursor_fail(c, "want read, write, dead or nothing");
        }
    } while (pl_cursor_char(c, '|'));
    return true;
}

/* `= RESULT`: a number or an error's name. */
static bool take_result(struct pl_script_cursor *c, struct pl_script_line *line) {
    char name[PL_SCRIPT_NAME];
    if (!pl_cursor_char(c, '=')) {
        return true;
    }
    line->has_result = true;
    if (line->verb == PL_CALL_POLL) {
        return take_poll_bits(c, &line->result);
    }
    if (pl_cursor_word(c, name)) {
        return pl_script_error_find(name, &line->result) ||
               pl_cursor_fail(c, "no error is called %s", name);
    }
    return take_signed(c, &line->result);
}

static bool take_option_name(struct pl_script_cursor *c, struct pl_script_line *line) {
    char name[PL_SCRIPT_NAME];
    int option = pl_cursor_word(c, name) ? pl_script_option_find(name) : -1;
    if (option < 0) {
        return pl_cursor_fail(c, "no such socket option");
    }
    line->what = (uint32_t)option;
    if (line->verb == PL_CALL_GET) {
        return true;
    }
    line->has_number = take_signed(c, &line->number);
    return line->has_number;
}

/* [ADDRESS] [PORT], or an address in brackets. */
static bool take_endpoint(struct pl_script_cursor *c, struct pl_script_line *line) {
    uint64_t port = 0;
    if (pl_cursor_char(c, '[')) {
        line->has_endpoint = true;
        if (!pl_cursor_address(c, &line->endpoint.addr) || !pl_cursor_char(c, ']')) {
            return pl_cursor_fail(c, "want [ADDRESS] and a port");
        }
    }
    char next = pl_cursor_peek(c);
    if (next >= '0' && next <= '9') {
        line->has_number = pl_cursor_number(c, 65535, &port);
        line->endpoint.port = (uint16_t)port;
    }
    return true;
}

static bool take_backlog(struct pl_script_cursor *c, struct pl_script_line *line) {
    line->number = 128;
    if (!take_endpoint(c, line)) {
        return false;
    }
    return !pl_cursor_is(c, "backlog") || take_signed(c, &line->number);
}

static bool take_abort_error(struct pl_script_cursor *c, struct pl_script_line *line) {
    char name[PL_SCRIPT_NAME];
    line->number = PLAIT_E_ABORTED;
    if (!pl_cursor_word(c, name)) {
        return true;
    }
    return pl_script_error_find(name, &line->number) ||
           pl_cursor_fail(c, "no error is called %s", name);
}

static bool take_call(struct pl_script_cursor *c, struct pl_script_line *line) {
    bool taken = true;
    line->kind = PL_LINE_CALL;
    switch (line->verb) {
        case PL_CALL_WRITE:
        case PL_CALL_READ:
            line->has_number = taken = take_signed(c, &line->number);
            break;
        case PL_CALL_SET:
        case PL_CALL_GET:
            taken = take_option_name(c, line);
            break;
        case PL_CALL_BIND:
            line->what = pl_cursor_is(c, "any") ? 1 : 0; /* of the addresses */
            taken = take_endpoint(c, line);
            break;
        case PL_CALL_CONNECT:
            taken = take_endpoint(c, line);
            break;
        case PL_CALL_LISTEN:
            taken = take_backlog(c, line);
            break;
        case PL_CALL_ABORT:
            taken = take_abort_error(c, line);
            break;
        default:
            break;
    }
    return taken && take_result(c, line);
}

/* ---- expectations ---- */

static bool take_compare(struct pl_script_cursor *c, uint8_t *out) {
    static const char *const signs[] = {"==", "!=", "<=", ">=", "<", ">"};
    static const uint8_t means[] = {PL_IS, PL_IS_NOT, PL_AT_MOST, PL_AT_LEAST, PL_BELOW, PL_ABOVE};
    for (unsigned i = 0; i < sizeof(means); i++) {
        if (pl_cursor_literal(c, signs[i])) {
            *out = means[i];
            return true;
        }
    }
    return pl_cursor_fail(c, "want ==, !=, <, <=, > or >=");
}

/* NAME OP VALUE; a value with a unit is a time. */
static bool take_condition(struct pl_script_cursor *c, struct pl_script_line *line,
                           int (*find)(const char *)) {
    char name[PL_SCRIPT_NAME];
    int what = pl_cursor_word(c, name) ? find(name) : -1;
    uint64_t value = 0;
    if (what < 0) {
        return pl_cursor_fail(c, "no such name to look at");
    }
    line->what = (uint32_t)what;
    if (!take_compare(c, &line->compare)) {
        return false;
    }
    size_t len = strlen(name);
    bool is_time = len > 3 && strcmp(name + len - 3, "_ns") == 0;
    bool taken = is_time ? pl_cursor_time(c, &value) : pl_cursor_number(c, INT64_MAX, &value);
    line->number = (int64_t)value;
    return taken;
}

static bool take_name(struct pl_script_cursor *c, struct pl_script_line *line, const char *prefix,
                      int (*find)(const char *)) {
    char name[PL_SCRIPT_NAME], whole[2 * PL_SCRIPT_NAME];
    if (!pl_cursor_word(c, name)) {
        return pl_cursor_fail(c, "want a name");
    }
    memcpy(whole, prefix, strlen(prefix));
    memcpy(whole + strlen(prefix), name, strlen(name) + 1);
    int what = find(whole);
    line->what = (uint32_t)what;
    return what >= 0 || pl_cursor_fail(c, "there is no `%s`", whole);
}

/* What the event must carry: `id 2`, `error RESET`. */
static bool take_event_fields(struct pl_script_cursor *c, struct pl_script_line *line) {
    char name[PL_SCRIPT_NAME];
    uint64_t id = 0;
    if (pl_cursor_is(c, "id")) {
        line->has_id = pl_cursor_number(c, 255, &id);
        line->number = (int64_t)id;
        return line->has_id;
    }
    if (pl_cursor_is(c, "error")) {
        line->has_error = true;
        return (pl_cursor_word(c, name) && pl_script_error_find(name, &line->result)) ||
               pl_cursor_fail(c, "want the name of an error");
    }
    return true;
}

static bool take_expect(struct pl_script_cursor *c, struct pl_script_line *line) {
    line->kind = PL_LINE_EXPECT;
    if (pl_cursor_is(c, "counter")) {
        line->verb = PL_EXPECT_COUNTER;
        return take_condition(c, line, pl_script_counter_find);
    }
    if (pl_cursor_is(c, "info")) {
        line->verb = PL_EXPECT_INFO;
        return take_condition(c, line, pl_script_info_find);
    }
    if (pl_cursor_is(c, "stats")) {
        line->verb = PL_EXPECT_STATS;
        return take_condition(c, line, pl_script_stats_find);
    }
    if (pl_cursor_is(c, "state")) {
        line->verb = PL_EXPECT_STATE;
        return take_name(c, line, "", pl_script_state_find);
    }
    if (pl_cursor_is(c, "drop")) {
        line->verb = PL_EXPECT_DROP;
        return take_name(c, line, "Drop", pl_script_counter_find);
    }
    line->verb = pl_cursor_is(c, "no") ? PL_EXPECT_NO_EVENT : PL_EXPECT_EVENT;
    if (!pl_cursor_is(c, "event")) {
        return pl_cursor_fail(c, "expect what? counter, info, stats, state, drop, event, no event");
    }
    return take_name(c, line, "", pl_script_event_find) && take_event_fields(c, line);
}

/* ---- ports ---- */

static bool take_port_line(struct pl_script_cursor *c, struct pl_script_line *line) {
    static const char *const verbs[] = {
        "up", "down", "mtu", "add-address", "remove-address", "set-backup", "clear-backup"};
    uint64_t value = 0;
    line->kind = PL_LINE_PORT;
    if (!pl_cursor_number(c, PL_SCRIPT_PORTS_MAX, &value) || value == 0) {
        return pl_cursor_fail(c, "want a port's number from 1 to %d", PL_SCRIPT_PORTS_MAX);
    }
    line->port = (uint8_t)value;
    for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (pl_cursor_is(c, verbs[i])) {
            line->verb = (uint8_t)i;
            return i != PL_PORT_MTU || take_signed(c, &line->number);
        }
    }
    return pl_cursor_fail(c,
                          "want up, down, mtu, add-address, remove-address, set-backup or "
                          "clear-backup");
}

/* ---- lines ---- */

static bool take_socket(struct pl_script_cursor *c, const char *name, uint8_t *out) {
    struct pl_script_program *program = c->program;
    for (unsigned i = 0; i < program->socket_count; i++) {
        if (strcmp(program->sockets[i], name) == 0) {
            *out = (uint8_t)i;
            return true;
        }
    }
    if (program->socket_count == PL_SCRIPT_SOCKETS_MAX) {
        return pl_cursor_fail(c, "too many sockets: %d at most", PL_SCRIPT_SOCKETS_MAX);
    }
    *out = (uint8_t)program->socket_count;
    memcpy(program->sockets[program->socket_count++], name, strlen(name) + 1);
    return true;
}

static bool take_segment(struct pl_script_cursor *c, struct pl_script_line *line, char sign) {
    line->kind = sign == '<' ? PL_LINE_IN : PL_LINE_OUT;
    line->segment = calloc(1, sizeof(*line->segment));
    if (line->segment == NULL) {
        return pl_cursor_fail(c, "out of memory");
    }
    return pl_script_parse_segment(c, sign == '<', line->segment);
}

static bool take_nothing(struct pl_script_cursor *c, struct pl_script_line *line) {
    line->kind = PL_LINE_NOTHING;
    if (!pl_cursor_is(c, "for")) {
        return true;
    }
    plait_time time = 0;
    bool taken = pl_cursor_time(c, &time);
    line->number = (int64_t)time;
    return taken;
}

static bool take_verb(struct pl_script_cursor *c, struct pl_script_line *line, const char *word) {
    if (strcmp(word, "nothing") == 0) {
        return take_nothing(c, line);
    }
    if (strcmp(word, "expect") == 0) {
        return take_expect(c, line);
    }
    if (strcmp(word, "port") == 0) {
        return take_port_line(c, line);
    }
    for (unsigned i = 0; i < PL_CALL_COUNT; i++) {
        if (strcmp(calls[i], word) == 0) {
            line->verb = (uint8_t)i;
            /* What listens has a name of its own unless it was given one. */
            line->socket = i == PL_CALL_LISTEN && line->socket == 0 ? 1 : line->socket;
            return take_call(c, line);
        }
    }
    return pl_cursor_fail(c, "no call or expectation `%s`", word);
}

static bool take_event(struct pl_script_cursor *c, struct pl_script_line *line) {
    char word[PL_SCRIPT_NAME] = "";
    bool named = pl_cursor_word(c, word);
    char next = pl_cursor_peek(c);
    if (next == '<' || next == '>') {
        int flow = pl_script_flow_find(c->program, word);
        if (flow < 0) {
            return pl_cursor_fail(c, "no flow `%s`: declare it at the top", word);
        }
        line->flow = (uint8_t)flow;
        (void)pl_cursor_char(c, next);
        return take_segment(c, line, next);
    }
    if (named && pl_cursor_char(c, ':')) {
        int flow = pl_script_flow_find(c->program, word);
        line->flow = (uint8_t)(flow < 0 ? 0 : flow); /* for `expect info` */
        if (!take_socket(c, word, &line->socket) || !pl_cursor_word(c, word)) {
            return pl_cursor_fail(c, "want a call behind the socket's name");
        }
    } else if (!named) {
        return pl_cursor_fail(c, "want `<`, `>`, a call or an expectation");
    }
    return take_verb(c, line, word);
}

static struct pl_script_line *new_line(struct pl_script_cursor *c) {
    struct pl_script_program *program = c->program;
    if (program->line_count == LINES_MAX) {
        pl_cursor_fail(c, "too many lines: %d at most", LINES_MAX);
        return NULL;
    }
    if (program->line_count == program->line_cap) {
        unsigned cap = program->line_cap == 0 ? 32 : 2 * program->line_cap;
        struct pl_script_line *lines = realloc(program->lines, cap * sizeof(*lines));
        if (lines == NULL) {
            pl_cursor_fail(c, "out of memory");
            return NULL;
        }
        program->lines = lines;
        program->line_cap = cap;
    }
    struct pl_script_line *line = &program->lines[program->line_count++];
    *line = (struct pl_script_line){.at = c->line, .text = c->at};
    line->text_len = (uint32_t)(c->end - c->at);
    return line;
}

static bool take_line(struct pl_script_cursor *c) {
    char next = pl_cursor_peek(c);
    if (next == '\0') {
        return true;
    }
    if (next != '+' && next != '*' && (next < '0' || next > '9')) {
        if (c->program->line_count > 0) {
            return pl_cursor_fail(c, "settings stand before the first line with a time");
        }
        return pl_script_parse_setting(c) &&
               (pl_cursor_done(c) || pl_cursor_fail(c, "something behind the setting"));
    }
    struct pl_script_line *line = new_line(c);
    if (line == NULL || !take_time(c, line)) {
        return false;
    }
    pl_cursor_blank(c);
    line->event = c->at;
    if (!take_event(c, line)) {
        return false;
    }
    if (line->kind != PL_LINE_OUT && (line->when == PL_WHEN_ANY || line->time != line->time_last)) {
        return pl_cursor_fail(c, "only an expected segment may come at `*` or in a range");
    }
    return pl_cursor_done(c) ||
           pl_cursor_fail(c, "something behind the end: '%.*s'", (int)(c->end - c->at), c->at);
}

static void defaults(struct pl_script_program *program) {
    *program = (struct pl_script_program){.v4 = true, .seed = 1, .tolerance = PLAIT_NS_PER_US};
    plait_config_init(&program->config);
    program->config.mptcp = false; /* most scripts are about TCP */
    program->config.v0 = &plait_mptcp_v0;
    program->ports[0].used = true;
    program->flows[0] = (struct pl_script_flow_setting){.port = 1, .peer = 1};
    program->flow_count = 1;
    memcpy(program->sockets[1], "listener", sizeof("listener"));
    program->socket_count = 2;
}

static bool take_text(struct pl_script_cursor *outer, const char *text, size_t len, unsigned at);

static bool keep_head(struct pl_script_program *program, const char *text, size_t len) {
    char *head = realloc(program->head, program->head_len + len + 1);
    if (head == NULL) {
        return false;
    }
    memcpy(head + program->head_len, text, len);
    head[program->head_len + len] = '\n';
    program->head = head;
    program->head_len += len + 1;
    return true;
}

static bool take_include(struct pl_script_cursor *c, bool *taken) {
    struct pl_script_program *program = c->program;
    char file[PL_SCRIPT_TEXT];
    size_t len = 0;
    *taken = pl_cursor_is(c, "include");
    if (!*taken) {
        return true;
    }
    pl_cursor_blank(c);
    while (c->at + len < c->end && len + 1 < sizeof(file)) {
        file[len] = c->at[len];
        len++;
    }
    file[len] = '\0';
    if (c->options == NULL || c->options->include == NULL ||
        program->include_count == PL_SCRIPT_INCLUDES_MAX) {
        return pl_cursor_fail(c, "nothing can be included here");
    }
    char *text = c->options->include(c->options->include_arg, c->name, file, &len);
    if (text == NULL) {
        return pl_cursor_fail(c, "cannot read `%s`", file);
    }
    program->includes[program->include_count++] = text;
    return take_text(c, text, len, c->line);
}

/* Lines of an included file (`at` > 0) count as the line that includes it. */
static bool take_text(struct pl_script_cursor *outer, const char *text, size_t len, unsigned at) {
    const char *end = text + len;
    struct pl_script_cursor c = *outer;
    c.line = at;
    for (const char *start = text; start < end;) {
        const char *newline = memchr(start, '\n', (size_t)(end - start));
        const char *next = newline == NULL ? end : newline + 1;
        const char *stop = newline == NULL ? end : newline;
        const char *comment = memchr(start, '#', (size_t)(stop - start));
        bool included = false;
        c.line += at == 0 ? 1 : 0;
        c.at = start;
        c.end = comment == NULL ? stop : comment;
        while (c.end > c.at && (c.end[-1] == ' ' || c.end[-1] == '\t' || c.end[-1] == '\r')) {
            c.end--;
        }
        unsigned before = c.program->line_count;
        if (!take_include(&c, &included) || (!included && !take_line(&c)) ||
            (before == 0 && !included && c.program->line_count == 0 &&
             !keep_head(c.program, start, (size_t)(stop - start)))) {
            return pl_cursor_fail(&c, "cannot read this line");
        }
        start = next;
    }
    return true;
}

bool pl_script_parse(struct pl_script_program *program, const char *name, const char *text,
                     size_t len, const struct pl_script_options *options) {
    struct pl_script_cursor c = {.program = program, .name = name, .options = options};
    defaults(program);
    if (!take_text(&c, text, len, 0)) {
        return false;
    }
    if (program->line_count == 0) {
        c.line = 1;
        return pl_cursor_fail(&c, "the script does nothing");
    }
    return true;
}

void pl_script_program_fini(struct pl_script_program *program) {
    for (unsigned i = 0; i < program->line_count; i++) {
        struct pl_script_segment *segment = program->lines[i].segment;
        if (segment != NULL) {
            free(segment->raw);
        }
        free(segment);
    }
    for (unsigned i = 0; i < program->include_count; i++) {
        free(program->includes[i]);
    }
    free(program->head);
    program->head = NULL;
    program->include_count = 0;
    free(program->lines);
    program->lines = NULL;
    program->line_count = 0;
}
