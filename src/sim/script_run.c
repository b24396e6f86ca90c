/* One run of a script for one family: the clock, the ports, what goes in and what comes out.
 *
 * Time moves only to the next line's time and to the stack's deadlines on the way there; a timer
 * that is due at the very time of a line runs before the line. Every packet that the stack sends is
 * taken by a `>` line or is a failure at the next line that does anything. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "plait/buf.h"
#include "sim/pattern.h"
#include "sim/script_state.h"
#include "wire/tcp.h"

enum {
    OUTPUT_BATCH = 16,
    MTU = 1500,
    LISTEN_PORT = 8080,
    REMOTE_PORT = 40000, /* of a peer that connects: this and its flow's index */
    REMOTE_ISN = 1000000,
    STEPS_MAX = 1000000, /* timers without end would be a bug of the stack */
    SAME_TOKEN = 0x5eed,
};
#define PEER_KEY UINT64_C(0x1122334455667700) /* of the peer's first connection */

/* ---- failures ---- */

static void say(struct pl_script_run *run, const struct pl_script_line *line) {
    fprintf(run->options->out, "%s:%u: ", run->name, line == NULL ? 0 : line->at);
    if (run->program->v4 && run->program->v6) {
        fprintf(run->options->out, "IPv%u: ", run->family);
    }
}

static void show_before(const struct pl_script_run *run) {
    unsigned kept = run->history_count < PL_SCRIPT_HISTORY ? run->history_count : PL_SCRIPT_HISTORY;
    for (unsigned i = run->history_count - kept; i < run->history_count; i++) {
        fprintf(run->options->out, "%s%s\n",
                i == run->history_count - kept ? "  before  " : "          ",
                run->history[i % PL_SCRIPT_HISTORY]);
    }
}

bool pl_script_fail(struct pl_script_run *run, const struct pl_script_line *line,
                    const char *format, ...) {
    if (run->failed) {
        return false;
    }
    va_list args;
    va_start(args, format);
    say(run, line);
    vfprintf(run->options->out, format, args);
    fputc('\n', run->options->out);
    va_end(args);
    if (line != NULL) {
        fprintf(run->options->out, "  line    %.*s\n", (int)line->text_len, line->text);
    }
    show_before(run);
    run->failed = true;
    return false;
}

/* ---- packets ---- */

static unsigned port_index(const struct pl_script_run *run, const struct pl_script_port *port) {
    return (unsigned)(port - run->ports);
}

static void emit(void *arg, struct plait_buf *buf, const struct plait_rx_meta *meta) {
    struct pl_script_port *port = arg;
    struct pl_script_run *run = port->run;
    (void)meta;
    struct pl_script_packet *packet = malloc(sizeof(*packet) + buf->len);
    if (packet == NULL) {
        run->trouble = true;
        return;
    }
    *packet = (struct pl_script_packet){.time = run->now, .len = buf->len};
    packet->port = (uint8_t)(port_index(run, port) + 1);
    memcpy(packet->data, buf->data, buf->len);
    pl_list_append(&run->packets, &packet->link);
    pl_record_packet(&run->record, 0, packet->port, true, packet->data, packet->len);
}

static void pull_port(struct pl_script_run *run, struct pl_script_port *port) {
    struct plait_tx batch[OUTPUT_BATCH];
    for (unsigned count = OUTPUT_BATCH; count == OUTPUT_BATCH;) {
        count = plait_output(run->stack, port->id, batch, OUTPUT_BATCH, run->now);
        for (unsigned i = 0; i < count; i++) {
            pl_device_send(&port->device, &batch[i]);
        }
    }
}

/* After every call that acts. */
static void serve(struct pl_script_run *run) {
    struct plait_event event;
    for (unsigned i = 0; i < PL_SCRIPT_PORTS_MAX; i++) {
        if (run->program->ports[i].used) {
            pull_port(run, &run->ports[i]);
        }
    }
    while (plait_event_next(run->stack, &event)) {
        if (run->event_count < PL_SCRIPT_EVENTS_MAX) {
            run->events[run->event_count++] = event;
        }
    }
}

static bool have_packet(const struct pl_script_run *run) {
    return !pl_list_empty(&run->packets);
}

/* Runs the stack's timers up to `time`; stops early when it has sent something and `until_output`.
 */
static void advance(struct pl_script_run *run, plait_time time, bool until_output) {
    for (unsigned steps = 0; steps < STEPS_MAX; steps++) {
        if (until_output && have_packet(run)) {
            return;
        }
        plait_time next = plait_deadline(run->stack);
        if (next > time) {
            break;
        }
        run->now = next > run->now ? next : run->now;
        plait_tick(run->stack, run->now);
        serve(run);
    }
    if (time != PLAIT_TIME_NEVER && time > run->now && !(until_output && have_packet(run))) {
        run->now = time;
    }
}

/* ---- showing packets ---- */

static void remember(struct pl_script_run *run, const char *text) {
    char *slot = run->history[run->history_count++ % PL_SCRIPT_HISTORY];
    memcpy(slot, text, strlen(text) + 1);
    if (run->options->verbose || run->options->record) {
        fprintf(run->options->out, "%s\n", text);
    }
}

static bool same_addr(const struct plait_addr *a, const struct plait_addr *b) {
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* A flow's local port may not be known yet. */
static bool of_flow(const struct pl_script_flow *flow, unsigned port,
                    const struct plait_endpoint *src, const struct plait_endpoint *dst) {
    return flow->setting->port == port && same_addr(&flow->local.addr, &src->addr) &&
           same_addr(&flow->remote.addr, &dst->addr) && flow->remote.port == dst->port &&
           (flow->local.port == 0 || flow->local.port == src->port);
}

/* The same for one whose remote port nobody has said yet. */
static bool may_be_of(const struct pl_script_run *run, unsigned index, unsigned port,
                      const struct plait_endpoint *src, const struct plait_endpoint *dst) {
    struct pl_script_flow flow = run->flows[index];
    if (flow.remote.port == 0) {
        flow.remote.port = run->flows[0].remote.port;
    }
    return of_flow(&flow, port, src, dst);
}

static bool bytes_fit(const struct pl_script_run *run, unsigned flow,
                      const struct pl_script_segment *want, const struct pl_script_segment *got,
                      const uint8_t *payload) {
    struct pl_script_segment at = *got;
    at.stream = want->stream;
    uint64_t offset = pl_script_stream_offset(run, flow, false, &at);
    return pl_pattern_compare(pl_script_pattern(run, false), offset, payload, got->len) == got->len;
}

/* `what` NULL: recorded. */
static void show_packet(struct pl_script_run *run, const char *what,
                        const struct pl_script_packet *packet) {
    struct pl_script_segment segment;
    struct plait_endpoint src, dst;
    const uint8_t *payload;
    char line[PL_SCRIPT_LINE_TEXT];
    struct pl_text text;
    unsigned flow = 0;
    if (!pl_script_take_apart(packet->data, packet->len, &segment, &src, &dst, &payload)) {
        fprintf(run->options->out, "  %s a packet that is no well-formed TCP\n",
                what == NULL ? "#" : what);
        return;
    }
    while (flow < run->program->flow_count && !may_be_of(run, flow, packet->port, &src, &dst)) {
        flow++;
    }
    bool known = flow < run->program->flow_count;
    flow = known ? flow : 0;
    pl_script_learn(run, flow, false, &segment);
    segment.other_bytes = !bytes_fit(run, flow, &segment, &segment, payload);
    pl_text_init(&text, line, sizeof(line));
    pl_script_print(run, flow, false, packet->time, &segment, &text, NULL);
    if (what == NULL) {
        run->flows[flow].local.port = known ? src.port : run->flows[flow].local.port;
        run->flows[flow].remote.port = known ? dst.port : run->flows[flow].remote.port;
        remember(run, line);
    } else {
        fprintf(run->options->out, "  %s %s%s\n", what, line, known ? "" : "   (of no flow)");
    }
}

static void drop_packet(struct pl_script_packet *packet) {
    pl_list_remove(&packet->link);
    free(packet);
}

static void record_packets(struct pl_script_run *run) {
    while (have_packet(run)) {
        struct pl_script_packet *packet =
            PL_CONTAINER(run->packets.next, struct pl_script_packet, link);
        show_packet(run, NULL, packet);
        drop_packet(packet);
    }
}

static bool nothing_came(struct pl_script_run *run, const struct pl_script_line *line) {
    if (run->options->record) {
        record_packets(run);
    }
    if (!have_packet(run)) {
        return true;
    }
    pl_script_fail(run, line, "the stack sent what no line expects");
    for (struct pl_list *at = run->packets.next; at != &run->packets; at = at->next) {
        show_packet(run, "came   ", PL_CONTAINER(at, struct pl_script_packet, link));
    }
    return false;
}

/* ---- lines ---- */

/* Ports that the script did not name. */
static void complete_flow(struct pl_script_run *run, unsigned index) {
    struct pl_script_flow *flow = &run->flows[index];
    if (flow->local.port == 0) {
        flow->local.port = run->listen_port != 0 ? run->listen_port : run->flows[0].local.port;
        flow->local.port = flow->local.port != 0 ? flow->local.port : LISTEN_PORT;
    }
    if (flow->remote.port == 0) {
        flow->remote.port = (uint16_t)(REMOTE_PORT + index);
    }
}

static bool inject(struct pl_script_run *run, const struct pl_script_line *line, uint32_t offset) {
    struct pl_script_segment segment;
    char printed[PL_SCRIPT_LINE_TEXT];
    struct pl_text text;
    if (!pl_script_bind(run, line, offset, &segment)) {
        return false;
    }
    pl_script_learn(run, line->flow, true, &segment);
    struct plait_buf *buf = pl_script_build(run, line->flow, &segment);
    if (buf == NULL) {
        return pl_script_fail(run, line, "the options take more than 40 bytes");
    }
    pl_text_init(&text, printed, sizeof(printed));
    pl_script_print(run, line->flow, true, run->now, &segment, &text, NULL);
    remember(run, printed);
    struct pl_script_port *port = &run->ports[run->flows[line->flow].setting->port - 1];
    struct plait_rx_meta meta = {.flags = run->program->rx_checksum ? PLAIT_RX_CSUM_OK : 0};
    pl_record_packet(&run->record, 0, port_index(run, port) + 1, false, buf->data, buf->len);
    memcpy(run->counters, plait_counters(run->stack), sizeof(run->counters));
    plait_input(run->stack, port->id, buf, &meta, run->now);
    plait_buf_unref(buf);
    serve(run);
    return true;
}

static bool line_in(struct pl_script_run *run, const struct pl_script_line *line) {
    uint32_t offset = 0;
    complete_flow(run, line->flow);
    do {
        if (!inject(run, line, offset)) {
            return false;
        }
        offset += line->segment->piece;
    } while (line->segment->piece != 0 && offset < line->segment->len);
    return true;
}

static struct pl_script_packet *packet_of_port(struct pl_script_run *run, unsigned port) {
    for (struct pl_list *at = run->packets.next; at != &run->packets; at = at->next) {
        struct pl_script_packet *packet = PL_CONTAINER(at, struct pl_script_packet, link);
        if (packet->port == port) {
            return packet;
        }
    }
    return NULL;
}

static void mark(const struct pl_script_spans *spans, unsigned differs, char *out, size_t cap) {
    size_t last = 0;
    memset(out, ' ', cap);
    for (unsigned part = 0; part < PL_PART_COUNT; part++) {
        size_t end =
            spans->end[part] > spans->start[part] ? spans->end[part] : spans->start[part] + 1u;
        for (size_t i = spans->start[part]; (differs >> part & 1) != 0 && i < end && i + 1 < cap;
             i++) {
            out[i] = '^';
            last = i + 1 > last ? i + 1 : last;
        }
    }
    out[last] = '\0';
}

static bool differ(struct pl_script_run *run, const struct pl_script_line *line, unsigned differs,
                   const char *wanted, const char *came, const struct pl_script_spans *spans) {
    char marks[PL_SCRIPT_LINE_TEXT], parts[PL_SCRIPT_TEXT];
    struct pl_text text;
    pl_text_init(&text, parts, sizeof(parts));
    for (unsigned part = 0; part < PL_PART_COUNT; part++) {
        if ((differs >> part & 1) != 0) {
            pl_text_add(&text, text.len == 0 ? "" : ", ");
            pl_text_add(&text, pl_script_part_name(part));
        }
    }
    pl_script_fail(run, line, "the segment differs in: %s", parts);
    mark(spans, differs, marks, sizeof(marks));
    fprintf(run->options->out, "  wanted  %s\n  came    %s\n          %s\n", wanted, came, marks);
    return false;
}

/* Lowest and highest time at which a line's segment may come. */
static void times_of(const struct pl_script_run *run, const struct pl_script_line *line,
                     plait_time *first, plait_time *last) {
    plait_time base = line->when == PL_WHEN_AFTER ? run->line_time : 0;
    plait_time slack = line->time == line->time_last ? run->program->tolerance : 0;
    *first = base + line->time > slack ? base + line->time - slack : 0;
    *last = base + line->time_last + slack;
    if (line->when == PL_WHEN_ANY) {
        *first = 0;
        *last = PLAIT_TIME_NEVER;
    }
}

/* Compares the packet with the line; `packet` stays the caller's. */
static bool judge_packet(struct pl_script_run *run, const struct pl_script_line *line,
                         uint32_t offset, const struct pl_script_packet *packet) {
    struct pl_script_flow *flow = &run->flows[line->flow];
    struct pl_script_segment want, got;
    struct plait_endpoint src, dst;
    struct pl_script_spans spans = {{0}, {0}};
    const uint8_t *payload = NULL;
    char wanted[PL_SCRIPT_LINE_TEXT], came[PL_SCRIPT_LINE_TEXT];
    struct pl_text text;
    plait_time first, last;
    if (!pl_script_take_apart(packet->data, packet->len, &got, &src, &dst, &payload)) {
        return pl_script_fail(run, line, "what came is no well-formed TCP packet");
    }
    times_of(run, line, &first, &last);
    if (!of_flow(flow, packet->port, &src, &dst)) {
        pl_script_fail(run, line, "the segment that came is of another flow");
        show_packet(run, "came   ", packet);
        return false;
    }
    flow->local.port = src.port;
    pl_script_learn(run, line->flow, false, &got);
    if (!pl_script_bind(run, line, offset, &want)) {
        return false;
    }
    unsigned differs = pl_script_compare_segments(&want, &got);
    bool right = want.other_bytes || bytes_fit(run, line->flow, &want, &got, payload);
    differs |= right ? 0 : 1u << PL_PART_BYTES;
    differs |= packet->time < first || packet->time > last ? 1u << PL_PART_TIME : 0;
    got.nops = want.nops;
    pl_text_init(&text, came, sizeof(came));
    pl_script_print(run, line->flow, false, packet->time, &got, &text, &spans);
    if (differs != 0) {
        pl_text_init(&text, wanted, sizeof(wanted));
        pl_script_print(run, line->flow, false,
                        line->when == PL_WHEN_ANY ? packet->time : first + (last - first) / 2,
                        &want, &text, NULL);
        return differ(run, line, differs, wanted, came, &spans);
    }
    pl_script_bind_variables(run, &want, &got);
    remember(run, came);
    return true;
}

static bool take_packet(struct pl_script_run *run, const struct pl_script_line *line,
                        uint32_t offset) {
    unsigned port = run->flows[line->flow].setting->port;
    plait_time first, last;
    times_of(run, line, &first, &last);
    struct pl_script_packet *packet = packet_of_port(run, port);
    while (packet == NULL && !have_packet(run)) {
        plait_time before = run->now;
        advance(run, last, true);
        packet = packet_of_port(run, port);
        if (packet == NULL && (run->now == last || before == run->now)) {
            break;
        }
    }
    if (packet == NULL) {
        if (have_packet(run)) {
            return nothing_came(run, line);
        }
        return pl_script_fail(run, line, "no segment came until %.9f", (double)run->now / 1e9);
    }
    bool right = judge_packet(run, line, offset, packet);
    run->line_time = packet->time;
    drop_packet(packet);
    return right;
}

static bool line_out(struct pl_script_run *run, const struct pl_script_line *line) {
    struct pl_script_line rest = *line;
    struct pl_script_flow *flow = &run->flows[line->flow];
    uint32_t offset = 0;
    if (flow->remote.port == 0) {
        flow->remote.port = run->flows[0].remote.port; /* a join of the stack's */
    }
    do {
        if (!take_packet(run, &rest, offset)) {
            return false;
        }
        /* The pieces behind the first one come at the same time unless the line is `*`. */
        if (rest.when == PL_WHEN_AFTER) {
            rest.time = 0;
            rest.time_last = line->time_last - line->time;
        }
        offset += line->segment->piece;
    } while (line->segment->piece != 0 && offset < line->segment->len);
    return true;
}

/* Lines further on may need what this one names. */
static void record_variables(struct pl_script_run *run, const struct pl_script_line *line) {
    const struct pl_script_packet *packet =
        packet_of_port(run, run->flows[line->flow].setting->port);
    struct pl_script_segment want, got;
    struct plait_endpoint src, dst;
    const uint8_t *payload;
    if (packet != NULL &&
        pl_script_take_apart(packet->data, packet->len, &got, &src, &dst, &payload) &&
        pl_script_bind(run, line, 0, &want)) {
        pl_script_bind_variables(run, &want, &got);
    }
}

/* In place of line_out: waits as long as the line would, and takes as many segments if they come.
 */
static bool record_out(struct pl_script_run *run, const struct pl_script_line *line) {
    const struct pl_script_segment *segment = line->segment;
    uint32_t pieces =
        segment->piece == 0 ? 1 : (segment->len + segment->piece - 1) / segment->piece;
    plait_time first, last;
    times_of(run, line, &first, &last);
    run->line_time = last == PLAIT_TIME_NEVER ? run->now : last;
    for (uint32_t i = 0; i < pieces; i++) {
        advance(run, last, true);
        if (!have_packet(run)) {
            return true;
        }
        record_variables(run, line);
        struct pl_script_packet *packet =
            PL_CONTAINER(run->packets.next, struct pl_script_packet, link);
        run->line_time = packet->time;
        show_packet(run, NULL, packet);
        drop_packet(packet);
    }
    return true;
}

static void record_line(struct pl_script_run *run, const struct pl_script_line *line) {
    char printed[PL_SCRIPT_LINE_TEXT];
    struct pl_text text;
    pl_text_init(&text, printed, sizeof(printed));
    pl_text_add_decimal(&text, run->now, 9);
    pl_text_add(&text, " ");
    pl_text_add_bytes(&text, line->event, (size_t)(line->text + line->text_len - line->event));
    remember(run, printed);
}

static bool do_line(struct pl_script_run *run, const struct pl_script_line *line) {
    plait_time time = line->time + (line->when == PL_WHEN_AFTER ? run->line_time : 0);
    if (line->kind == PL_LINE_OUT) {
        return run->options->record ? record_out(run, line) : line_out(run, line);
    }
    if (line->when == PL_WHEN_AT && time < run->now) {
        return pl_script_fail(run, line, "it is %.9f already", (double)run->now / 1e9);
    }
    if (line->kind == PL_LINE_NOTHING) {
        time += (plait_time)line->number;
    }
    advance(run, time, false);
    run->line_time = time;
    bool looks = line->kind == PL_LINE_EXPECT;
    if (!looks && !nothing_came(run, line)) {
        return false;
    }
    if (run->options->record && line->kind != PL_LINE_IN && line->kind != PL_LINE_NOTHING) {
        record_line(run, line);
    }
    switch (line->kind) {
        case PL_LINE_IN:
            return line_in(run, line);
        case PL_LINE_CALL: {
            bool right = pl_script_call(run, line);
            serve(run);
            return right;
        }
        case PL_LINE_PORT: {
            bool right = pl_script_port_line(run, line);
            serve(run);
            return right;
        }
        case PL_LINE_EXPECT:
            return pl_script_expect(run, line);
        default:
            return true;
    }
}

/* ---- setting up ---- */

static struct plait_addr address(uint8_t family, uint8_t v4_net, uint8_t v6_net, uint8_t host) {
    struct plait_addr addr = {.family = family};
    if (family == PLAIT_IPV4) {
        const uint8_t local[4] = {192, 0, 2, host}, peer[4] = {198, 51, 100, host};
        memcpy(addr.bytes, v4_net == 0 ? local : peer, 4);
    } else {
        const uint8_t prefix[8] = {0x20, 0x01, 0x0d, 0xb8, 0, v6_net, 0, 0};
        memcpy(addr.bytes, prefix, sizeof(prefix));
        addr.bytes[15] = host;
    }
    return addr;
}

static struct plait_addr port_address(const struct pl_script_port_setting *setting, unsigned i,
                                      uint8_t family) {
    const struct plait_addr *own = family == PLAIT_IPV4 ? &setting->v4 : &setting->v6;
    return own->family != PLAIT_FAMILY_NONE ? *own : address(family, 0, 0, (uint8_t)(i + 1));
}

/* Of the run's family, and of the other one when a flow of the port has it. */
static int add_addresses(struct pl_script_run *run, unsigned i) {
    const struct pl_script_port_setting *setting = &run->program->ports[i];
    struct pl_script_port *port = &run->ports[i];
    uint8_t other = run->family == PLAIT_IPV4 ? PLAIT_IPV6 : PLAIT_IPV4;
    struct plait_addr addr = port_address(setting, i, other);
    int id = plait_address_add(run->stack, port->id, &port->addr, setting->address_flags,
                               setting->announce_port, 0, 0);
    for (unsigned k = 0; id >= 0 && k < run->program->flow_count; k++) {
        const struct pl_script_flow_setting *flow = &run->program->flows[k];
        if (flow->port == i + 1 && flow->family == other) {
            id = plait_address_add(run->stack, port->id, &addr, setting->address_flags,
                                   setting->announce_port, 0, 0);
            break;
        }
    }
    if (id >= 0 && setting->outside.family != PLAIT_FAMILY_NONE) {
        id = plait_address_announce(run->stack, port->id, &port->addr, &setting->outside, 0);
    }
    return id < 0 ? id : 0;
}

static int add_port(struct pl_script_run *run, unsigned i) {
    const struct pl_script_port_setting *setting = &run->program->ports[i];
    struct pl_script_port *port = &run->ports[i];
    struct plait_port_config config = {.size = sizeof(config), .name = "port"};
    config.mtu = setting->mtu != 0 ? setting->mtu : MTU;
    config.flags = (run->program->tso ? PLAIT_PORT_TSO : 0u) |
                   (run->program->tx_checksum ? PLAIT_PORT_TX_CSUM : 0u) |
                   (setting->backup_port ? PLAIT_PORT_BACKUP : 0u) |
                   (setting->no_mptcp ? PLAIT_PORT_NO_MPTCP : 0u) |
                   (setting->any_address ? PLAIT_PORT_ANY_ADDRESS : 0u);
    port->run = run;
    port->plan.flags = config.flags;
    port->device = (struct pl_device){.env = &run->env.env,
                                      .port = &port->plan,
                                      .mtu = config.mtu,
                                      .verdict = &run->verdict,
                                      .emit = emit,
                                      .arg = port};
    port->addr = port_address(setting, i, run->family);
    int result = plait_port_add(run->stack, &config, &port->id);
    if (result != 0) {
        return result;
    }
    return add_addresses(run, i);
}

static void add_flow(struct pl_script_run *run, unsigned i) {
    const struct pl_script_flow_setting *setting = &run->program->flows[i];
    unsigned port = setting->port - 1u;
    uint8_t family = setting->family != PLAIT_FAMILY_NONE ? setting->family : run->family;
    run->flows[i] = (struct pl_script_flow){
        .setting = setting,
        .local = {port_address(&run->program->ports[port], port, family), setting->local_port},
        .remote = {address(family, 1, 1, setting->peer), setting->remote_port},
        .isn_local = 0x20000000,
        .isn_remote = setting->has_isn ? setting->isn : REMOTE_ISN * (i + 1),
        .nonce_remote = 0x01020304 + i,
    };
}

static int set_up(struct pl_script_run *run) {
    int result = plait_stack_create(&run->stack, &run->env.env, &run->program->config);
    for (unsigned i = 0; result == 0 && i < PL_SCRIPT_PORTS_MAX; i++) {
        result = run->program->ports[i].used ? add_port(run, i) : 0;
    }
    for (unsigned i = 0; result == 0 && i < run->program->flow_count; i++) {
        add_flow(run, i);
    }
    for (unsigned i = 0; i < PL_SCRIPT_FLOWS_MAX; i++) {
        pl_script_know_peer(run, &run->connections[i], PEER_KEY + i);
    }
    return result;
}

/* How many keys the stack made before this one. */
static unsigned key_index(struct pl_script_run *run, uint64_t key) {
    unsigned i = 0;
    while (i < run->key_count && run->keys[i] != key) {
        i++;
    }
    if (i == run->key_count && i < PL_SCRIPT_KEYS_MAX) {
        run->keys[run->key_count++] = key;
    }
    return i;
}

/* Keys have the IDSNs and tokens that the script wants (RFC 8684 section 3.1: the last 64 bits and
 * the first 32). */
static void bend(struct pl_script_run *run, const void *msg, size_t len, uint8_t *out,
                 unsigned digest_len) {
    if (len != sizeof(uint64_t)) {
        return;
    }
    uint64_t key = pl_get64(msg);
    unsigned side = key - PEER_KEY < PL_SCRIPT_FLOWS_MAX ? 1 : 0;
    if (run->program->has_idsn[side]) {
        pl_put64(out + digest_len - 8, run->program->idsn[side]);
    }
    if (side == 0 && key_index(run, key) < run->program->same_tokens) {
        pl_put32(out, SAME_TOKEN);
    }
}

static void pretend_sha256(void *user, const void *msg, size_t len, uint8_t out[32]) {
    struct pl_script_run *run = user;
    const struct plait_env *real = run->options->hashes;
    real->sha256(real->user, msg, len, out);
    bend(run, msg, len, out, 32);
}

static void pretend_sha1(void *user, const void *msg, size_t len, uint8_t out[20]) {
    struct pl_script_run *run = user;
    const struct plait_env *real = run->options->hashes;
    real->sha1(real->user, msg, len, out);
    bend(run, msg, len, out, 20);
}

static void forward_hmac_sha1(void *user, const void *key, size_t key_len, const void *msg,
                              size_t len, uint8_t out[20]) {
    const struct pl_script_run *run = user;
    const struct plait_env *real = run->options->hashes;
    real->hmac_sha1(real->user, key, key_len, msg, len, out);
}

static void forward_hmac(void *user, const void *key, size_t key_len, const void *msg, size_t len,
                         uint8_t out[32]) {
    const struct pl_script_run *run = user;
    const struct plait_env *real = run->options->hashes;
    real->hmac_sha256(real->user, key, key_len, msg, len, out);
}

static void note_state(void *user, const struct plait_trace_record *record) {
    struct pl_sim_env *env = user;
    struct pl_script_run *run = PL_CONTAINER(env, struct pl_script_run, env);
    if (record->type == PLAIT_TRACE_tcp_state) {
        run->state = record->arg[1];
    }
    pl_record_trace(&run->record, 0, record);
}

static void tear_down(struct pl_script_run *run) {
    while (have_packet(run)) {
        drop_packet(PL_CONTAINER(run->packets.next, struct pl_script_packet, link));
    }
    if (run->stack != NULL) {
        plait_stack_check(run->stack);
    }
    plait_stack_destroy(run->stack);
    if (run->env.live_blocks != 0) {
        pl_sim_fail(&run->verdict, "%llu blocks of memory were never released",
                    (unsigned long long)run->env.live_blocks);
    }
    if (run->verdict.failures > 0) {
        pl_script_fail(run, NULL, "%s", run->verdict.reason);
    }
}

static void run_lines(struct pl_script_run *run) {
    const struct pl_script_program *program = run->program;
    const struct pl_script_line *last = &program->lines[program->line_count - 1];
    for (unsigned i = 0; i < program->line_count; i++) {
        if (!do_line(run, &program->lines[i])) {
            return;
        }
    }
    nothing_came(run, last);
}

static enum pl_script_result run_family(struct pl_script_run *run, uint8_t family) {
    run->family = family;
    run->verdict.clock = &run->now;
    pl_list_init(&run->packets);
    pl_record_init(&run->record, &run->now);
    run->record.trace = run->options->trace;
    run->record.capture = run->options->capture;
    run->record.capture_arg = run->options->capture_arg;
    run->hashes = *run->options->hashes;
    run->hashes.user = run;
    run->hashes.sha256 = pretend_sha256;
    run->hashes.hmac_sha256 = forward_hmac;
    run->hashes.sha1 = pretend_sha1;
    run->hashes.hmac_sha1 = forward_hmac_sha1;
    pl_sim_env_init(&run->env, &run->hashes, run->program->seed, 0, &run->record, &run->verdict);
    run->env.env.trace = note_state;
    int result = set_up(run);
    if (result != 0) {
        fprintf(run->options->out, "%s: cannot set up: %s\n", run->name, plait_error_text(result));
    } else {
        run_lines(run);
    }
    tear_down(run);
    if (result != 0 || run->trouble) {
        return PL_SCRIPT_TROUBLE;
    }
    return run->failed ? PL_SCRIPT_FAIL : PL_SCRIPT_PASS;
}

static enum pl_script_result run_once(const char *name, const struct pl_script_program *program,
                                      const struct pl_script_options *options, uint8_t family) {
    struct pl_script_run *run = calloc(1, sizeof(*run));
    if (run == NULL) {
        return PL_SCRIPT_TROUBLE;
    }
    run->program = program;
    run->options = options;
    run->name = name;
    enum pl_script_result result = run_family(run, family);
    free(run);
    return result;
}

enum pl_script_result pl_script_run(const char *name, const char *text, size_t len,
                                    const struct pl_script_options *options) {
    struct pl_script_program *program = calloc(1, sizeof(*program));
    enum pl_script_result result = PL_SCRIPT_TROUBLE;
    if (program == NULL) {
        return result;
    }
    if (!pl_script_parse(program, name, text, len, options)) {
        fprintf(options->out, "%s:%u: %s\n", name, program->error_line, program->error);
    } else {
        result = PL_SCRIPT_PASS;
        if (options->record) {
            fwrite(program->head, 1, program->head_len, options->out);
        }
        if (program->v4) {
            result = run_once(name, program, options, PLAIT_IPV4);
        }
        if (program->v6 && result == PL_SCRIPT_PASS && !(options->record && program->v4)) {
            result = run_once(name, program, options, PLAIT_IPV6);
        }
    }
    pl_script_program_fini(program);
    free(program);
    return result;
}
