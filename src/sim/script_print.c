/* Segments in the syntax of scripts. */
#include <string.h>

#include "sim/script_state.h"
#include "wire/addr.h"
#include "wire/tcp.h"

static void begin(struct pl_script_spans *spans, unsigned part, const struct pl_text *out) {
    if (spans != NULL && spans->end[part] == 0) {
        spans->start[part] = (uint16_t)out->len;
    }
}

static void end(struct pl_script_spans *spans, unsigned part, const struct pl_text *out) {
    if (spans != NULL) {
        spans->end[part] = (uint16_t)out->len;
    }
}

static void add_hex(struct pl_text *out, const uint8_t *bytes, unsigned len) {
    static const char digits[] = "0123456789abcdef";
    for (unsigned i = 0; i < len; i++) {
        pl_text_add_bytes(out, &digits[bytes[i] >> 4], 1);
        pl_text_add_bytes(out, &digits[bytes[i] & 15], 1);
    }
}

static void add_signed(struct pl_text *out, int64_t value) {
    if (value < 0) {
        pl_text_add(out, "-");
    }
    pl_text_add_number(out, value < 0 ? 0 - (uint64_t)value : (uint64_t)value);
}

/* A 32-bit number relative to `base`. */
static void add_sequence(const struct pl_script_run *run, struct pl_text *out,
                         const struct pl_script_value *value, uint32_t base) {
    switch (value->kind) {
        case PL_VALUE_NUMBER:
            add_signed(out, (int32_t)((uint32_t)value->number - base));
            break;
        case PL_VALUE_VARIABLE:
            pl_text_add(out, "$");
            pl_text_add(out, run->program->variables[value->variable]);
            break;
        default:
            pl_text_add(out, "*");
            break;
    }
}

static void add_value(const struct pl_script_run *run, struct pl_text *out,
                      const struct pl_script_field *field, const struct pl_script_value *value) {
    char text[PL_ADDR_TEXT];
    struct plait_addr addr = {.family = value->len == 4 ? PLAIT_IPV4 : PLAIT_IPV6};
    if (value->kind == PL_VALUE_BYTES && field->codec == PL_CODEC_ADDRESS && value->len <= 16) {
        memcpy(addr.bytes, value->bytes, value->len);
        pl_addr_format(&addr, text);
        pl_text_add(out, text);
    } else if (value->kind == PL_VALUE_BYTES) {
        add_hex(out, value->bytes, value->len);
    } else if (value->kind == PL_VALUE_NUMBER && field->len == 8) {
        pl_text_add(out, "@");
        pl_text_add_number(out, value->number);
    } else if (value->kind == PL_VALUE_NUMBER || value->kind == PL_VALUE_AT_LEAST) {
        pl_text_add(out, value->kind == PL_VALUE_AT_LEAST ? ">=" : "");
        pl_text_add_number(out, value->number);
    } else {
        add_sequence(run, out, value, 0);
    }
}

static uint64_t base_of(const struct pl_script_run *run, unsigned index, bool in,
                        const struct pl_script_field *field, bool *relative) {
    const struct pl_script_flow *flow = &run->flows[index];
    const struct pl_script_connection *conn = &run->connections[flow->setting->connection];
    unsigned sender = in ? 1 : 0;
    *relative = true;
    switch (field->meaning) {
        case PL_MEANS_PEER_SEQ:
            return in ? flow->isn_local : flow->isn_remote;
        case PL_MEANS_DSN:
            return conn->idsn[sender];
        case PL_MEANS_DATA_ACK:
            return conn->idsn[1 - sender];
        default:
            *relative = false;
            return 0;
    }
}

static void add_field(const struct pl_script_run *run, unsigned flow, bool in,
                      const struct pl_script_option *option, unsigned f, struct pl_text *out) {
    const struct pl_script_field *field = &option->form->fields[f];
    const struct pl_script_value *value = &option->values[f];
    bool relative = false;
    uint64_t base = base_of(run, flow, in, field, &relative);
    bool second_of_block = field->meaning == PL_MEANS_PEER_SEQ && f % 2 == 1;
    bool plain = field->meaning == PL_MEANS_NUMBER || field->meaning == PL_MEANS_ONE;
    if (field->optional && plain && value->kind == PL_VALUE_NUMBER &&
        value->number == field->fallback) {
        return;
    }
    pl_text_add(out, second_of_block ? ":" : " ");
    pl_text_add(out, field->key);
    if (field->codec == PL_CODEC_BIT && value->kind == PL_VALUE_NUMBER) {
        return;
    }
    pl_text_add(out, field->key[0] == '\0' ? "" : " ");
    if (relative && value->kind == PL_VALUE_NUMBER) {
        add_signed(out, field->len == 8 ? (int64_t)(value->number - base)
                                        : (int32_t)(uint32_t)(value->number - base));
    } else {
        add_value(run, out, field, value);
    }
}

static void add_options(const struct pl_script_run *run, unsigned flow, bool in,
                        const struct pl_script_segment *segment, struct pl_text *out) {
    bool first = true;
    if (segment->option_count == 0 && !segment->options_rest) {
        return;
    }
    pl_text_add(out, " <");
    for (unsigned i = 0; i < segment->option_count; i++) {
        const struct pl_script_option *option = &segment->options[i];
        bool padding = option->form->kind <= 1 && option->form->len == 1;
        if (padding && !segment->nops) {
            continue;
        }
        pl_text_add(out, first ? "" : ",");
        first = false;
        pl_text_add(out, option->form->name);
        for (unsigned f = 0; f < option->form->count; f++) {
            add_field(run, flow, in, option, f, out);
        }
    }
    pl_text_add(out, segment->options_rest ? first ? "..." : ",..." : "");
    pl_text_add(out, ">");
}

/* One word of the list in brackets. */
static void add_ip_word(struct pl_text *out, bool *first, const char *word,
                        const struct pl_script_value *value) {
    pl_text_add(out, *first ? "[" : ",");
    pl_text_add(out, word);
    *first = false;
    if (value != NULL) {
        pl_text_add(out, " ");
        pl_text_add_number(out, value->number);
    }
}

static bool is_set(const struct pl_script_value *value) {
    return value->kind == PL_VALUE_NUMBER && value->number != 0;
}

/* `in`: what the script said; of a segment of the stack the TTL is left out, as it mostly is. */
static void add_ip(const struct pl_script_segment *segment, bool in, struct pl_text *out) {
    static const char *const ecn[] = {"noecn", "ect1", "ect0", "ce"};
    bool first = true;
    if (is_set(&segment->ecn)) {
        add_ip_word(out, &first, ecn[segment->ecn.number & 3], NULL);
    }
    if (is_set(&segment->tos)) {
        add_ip_word(out, &first, "dscp", &segment->tos);
    }
    if (in && is_set(&segment->ttl)) {
        add_ip_word(out, &first, "ttl", &segment->ttl);
    }
    if (in && segment->stream.kind == PL_VALUE_NUMBER) {
        add_ip_word(out, &first, "stream", &segment->stream);
    }
    if (segment->bad_checksum) {
        add_ip_word(out, &first, "bad-checksum", NULL);
    }
    if (segment->bad_ip_checksum) {
        add_ip_word(out, &first, "bad-ip-checksum", NULL);
    }
    if (segment->other_bytes) {
        add_ip_word(out, &first, "other-bytes", NULL);
    }
    pl_text_add(out, first ? "" : "] ");
}

static void add_flags(uint8_t flags, struct pl_text *out) {
    static const char letters[] = "FSRP.UEW";
    for (unsigned i = 0; i < 8; i++) {
        pl_text_add_bytes(out, &letters[i], flags >> i & 1);
    }
    pl_text_add(out, flags == 0 ? "-" : "");
}

static void add_range(const struct pl_script_run *run, const struct pl_script_segment *segment,
                      uint32_t base, struct pl_text *out) {
    struct pl_script_value last = segment->seq;
    last.number += segment->len;
    add_sequence(run, out, &segment->seq, base);
    if (segment->seq.kind == PL_VALUE_NUMBER) {
        pl_text_add(out, ":");
        add_sequence(run, out, &last, base);
    }
    pl_text_add(out, "(");
    pl_text_add_number(out, segment->len);
    pl_text_add(out, ")");
}

static void add_named(const struct pl_script_run *run, const char *name,
                      const struct pl_script_value *value, uint32_t base, struct pl_text *out) {
    pl_text_add(out, name);
    add_sequence(run, out, value, base);
}

static void add_tcp(const struct pl_script_run *run, unsigned index, bool in,
                    const struct pl_script_segment *segment, struct pl_text *out,
                    struct pl_script_spans *spans) {
    const struct pl_script_flow *flow = &run->flows[index];
    uint32_t own = in ? flow->isn_remote : flow->isn_local;
    uint32_t other = in ? flow->isn_local : flow->isn_remote;
    begin(spans, PL_PART_FLAGS, out);
    add_flags(segment->flags, out);
    end(spans, PL_PART_FLAGS, out);
    pl_text_add(out, " ");
    begin(spans, PL_PART_SEQ, out);
    add_range(run, segment, own, out);
    end(spans, PL_PART_SEQ, out);
    begin(spans, PL_PART_ACK, out);
    if ((segment->flags & PL_TCP_ACK) != 0 && segment->ack.kind != PL_VALUE_NONE) {
        add_named(run, " ack ", &segment->ack, other, out);
    } else if (segment->ack.kind == PL_VALUE_NUMBER && segment->ack.number != 0) {
        add_named(run, " ack @", &segment->ack, 0, out);
    }
    end(spans, PL_PART_ACK, out);
    begin(spans, PL_PART_WIN, out);
    if (segment->win.kind != PL_VALUE_NONE &&
        !(segment->rest && segment->win.kind == PL_VALUE_ANY)) {
        add_named(run, " win ", &segment->win, 0, out);
    }
    end(spans, PL_PART_WIN, out);
    begin(spans, PL_PART_URG, out);
    if (segment->urg.kind != PL_VALUE_NONE && segment->urg.number != 0) {
        add_named(run, " urg ", &segment->urg, 0, out);
    }
    end(spans, PL_PART_URG, out);
    begin(spans, PL_PART_OPTIONS, out);
    add_options(run, index, in, segment, out);
    end(spans, PL_PART_OPTIONS, out);
    pl_text_add(out, segment->rest ? " ..." : "");
}

static void add_time(plait_time time, struct pl_text *out) {
    pl_text_add_decimal(out, time, 9);
}

void pl_script_print(const struct pl_script_run *run, unsigned flow, bool in, plait_time time,
                     const struct pl_script_segment *segment, struct pl_text *out,
                     struct pl_script_spans *spans) {
    begin(spans, PL_PART_TIME, out);
    add_time(time, out);
    end(spans, PL_PART_TIME, out);
    pl_text_add(out, " ");
    begin(spans, PL_PART_TUPLE, out);
    pl_text_add(out, run->flows[flow].setting->name);
    pl_text_add(out, run->flows[flow].setting->name[0] == '\0' ? "" : " ");
    pl_text_add(out, in ? "<" : ">");
    end(spans, PL_PART_TUPLE, out);
    pl_text_add(out, " ");
    begin(spans, PL_PART_IP, out);
    add_ip(segment, in, out);
    end(spans, PL_PART_IP, out);
    if (segment->kind == PL_SEGMENT_RAW) {
        pl_text_add(out, "raw ");
        add_hex(out, segment->raw, segment->len);
    } else if (segment->kind == PL_SEGMENT_ICMP) {
        pl_text_add(out, "icmp ");
        pl_text_add(out, pl_script_icmp_name(segment));
        if (segment->icmp_mtu != 0) {
            pl_text_add(out, " mtu ");
            pl_text_add_number(out, segment->icmp_mtu);
        }
        pl_text_add(out, " for ");
        add_range(run, segment, run->flows[flow].isn_local, out);
    } else {
        add_tcp(run, flow, in, segment, out, spans);
    }
}
