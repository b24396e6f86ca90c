/* Looking at counters, information, states and events. */
#include <inttypes.h>
#include <string.h>

#include "plait/socket.h"
#include "sim/script_cursor.h"
#include "sim/script_names.h"
#include "sim/script_state.h"

enum { SUBFLOWS_MAX = 32 };

static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};

static bool holds(uint8_t compare, uint64_t value, uint64_t wanted) {
    switch (compare) {
        case PL_IS:
            return value == wanted;
        case PL_IS_NOT:
            return value != wanted;
        case PL_BELOW:
            return value < wanted;
        case PL_AT_MOST:
            return value <= wanted;
        case PL_ABOVE:
            return value > wanted;
        default:
            return value >= wanted;
    }
}

static bool judge(struct pl_script_run *run, const struct pl_script_line *line, const char *name,
                  uint64_t value) {
    return holds(line->compare, value, (uint64_t)line->number) ||
           pl_script_fail(run, line, "%s is %" PRIu64 ", not %s %" PRId64, name, value,
                          signs[line->compare], line->number);
}

static bool expect_stats(struct pl_script_run *run, const struct pl_script_line *line) {
    struct plait_stack_stats stats = {0};
    const struct pl_script_member *member = pl_script_stats_member(line->what);
    plait_stack_stats(run->stack, &stats);
    return judge(run, line, member->name, pl_script_member_get(member, &stats));
}

static bool same_endpoint(const struct plait_endpoint *a, const struct plait_endpoint *b) {
    return a->port == b->port && memcmp(&a->addr, &b->addr, sizeof(a->addr)) == 0;
}

static bool expect_info(struct pl_script_run *run, const struct pl_script_line *line) {
    struct plait_subflow_info subflows[SUBFLOWS_MAX];
    struct plait_connection_info conn = {0};
    bool of_connection = false;
    const struct pl_script_member *member = pl_script_info_member(line->what, &of_connection);
    const struct pl_script_flow *flow = &run->flows[line->flow];
    /* A flow's name alone means the first socket. */
    plait_sock sock = run->sockets[line->socket].id;
    sock = sock != 0 ? sock : run->sockets[0].id;
    int count = plait_subflows(run->stack, sock, subflows, SUBFLOWS_MAX);
    if (count < 0 || plait_connection(run->stack, sock, &conn) != 0) {
        return pl_script_fail(run, line, "the socket has no connection");
    }
    if (of_connection) {
        return judge(run, line, member->name, pl_script_member_get(member, &conn));
    }
    for (int i = 0; i < count; i++) {
        if (same_endpoint(&subflows[i].local, &flow->local) &&
            same_endpoint(&subflows[i].remote, &flow->remote)) {
            return judge(run, line, member->name, pl_script_member_get(member, &subflows[i]));
        }
    }
    return pl_script_fail(run, line, "the connection has no such subflow");
}

static bool is_wanted(const struct plait_event *event, const struct pl_script_line *line,
                      plait_sock sock) {
    return event->type == line->what && (sock == 0 || event->sock == sock) &&
           (!line->has_id || event->id == line->number) &&
           (!line->has_error || event->error == line->result);
}

/* Takes the event, and those before it, when it is there. */
static bool expect_event(struct pl_script_run *run, const struct pl_script_line *line) {
    plait_sock sock = run->sockets[line->socket].id;
    char seen[PL_SCRIPT_TEXT / 2];
    struct pl_text text;
    pl_text_init(&text, seen, sizeof(seen));
    for (unsigned i = 0; i < run->event_count; i++) {
        if (is_wanted(&run->events[i], line, sock)) {
            if (line->verb == PL_EXPECT_NO_EVENT) {
                return pl_script_fail(run, line, "there is an event %s",
                                      pl_script_event_name(line->what));
            }
            run->event_count -= i + 1;
            memmove(run->events, run->events + i + 1, run->event_count * sizeof(run->events[0]));
            return true;
        }
        pl_text_add(&text, " ");
        pl_text_add(&text, pl_script_event_name(run->events[i].type));
    }
    return line->verb == PL_EXPECT_NO_EVENT ||
           pl_script_fail(run, line, "no event %s; these are there:%s",
                          pl_script_event_name(line->what), run->event_count == 0 ? " none" : seen);
}

static bool expect_drop(struct pl_script_run *run, const struct pl_script_line *line) {
    const uint64_t *now = plait_counters(run->stack);
    const char *others = "nothing";
    if (now[line->what] > run->counters[line->what]) {
        return true;
    }
    for (unsigned i = 0; i < PLAIT_COUNTER_COUNT; i++) {
        if (strncmp(plait_counter_name(i), "Drop", 4) == 0 && now[i] > run->counters[i]) {
            others = plait_counter_name(i);
        }
    }
    return pl_script_fail(run, line, "no %s since the last segment in; %s was counted",
                          plait_counter_name(line->what), others);
}

bool pl_script_expect(struct pl_script_run *run, const struct pl_script_line *line) {
    switch (line->verb) {
        case PL_EXPECT_COUNTER:
            return judge(run, line, plait_counter_name(line->what),
                         plait_counters(run->stack)[line->what]);
        case PL_EXPECT_INFO:
            return expect_info(run, line);
        case PL_EXPECT_STATS:
            return expect_stats(run, line);
        case PL_EXPECT_STATE:
            return run->state == line->what || pl_script_fail(run, line, "TCP is in %s, not in %s",
                                                              pl_script_state_name(run->state),
                                                              pl_script_state_name(line->what));
        case PL_EXPECT_DROP:
            return expect_drop(run, line);
        default:
            return expect_event(run, line);
    }
}
