/* Whether a segment is the one that is expected. What the script does not name must not be there:
 * no urgent pointer, no ECN mark, no option, unless `...` stands in the line. */
#include <string.h>

#include "sim/script_state.h"
#include "wire/tcp.h"

const char *pl_script_part_name(unsigned part) {
    static const char *const names[PL_PART_COUNT] = {
        "time", "addresses", "IP header",      "flags",   "sequence",
        "ack",  "window",    "urgent pointer", "options", "payload bytes"};
    return part < PL_PART_COUNT ? names[part] : "?";
}

static bool value_fits(const struct pl_script_value *want, const struct pl_script_value *got) {
    switch (want->kind) {
        case PL_VALUE_NUMBER:
            return got->kind == PL_VALUE_NUMBER && want->number == got->number;
        case PL_VALUE_BYTES:
            return got->kind == PL_VALUE_BYTES && want->len == got->len &&
                   memcmp(want->bytes, got->bytes, want->len) == 0;
        case PL_VALUE_AT_LEAST:
            return (int32_t)(uint32_t)(got->number - want->number) >= 0;
        default: /* ANY, NONE, or a variable that this sets */
            return true;
    }
}

/* What was written in so many bytes is compared in so many. */
static bool field_fits(const struct pl_script_field *field, struct pl_script_value want,
                       const struct pl_script_value *got) {
    if (want.kind == PL_VALUE_NUMBER && field->codec == PL_CODEC_NUMBER && field->len < 8) {
        want.number &= (UINT64_C(1) << (8 * field->len)) - 1;
    }
    return value_fits(&want, got);
}

static bool option_fits(const struct pl_script_option *want, const struct pl_script_option *got) {
    if (want->form != got->form) {
        return false;
    }
    for (unsigned i = 0; i < want->form->count; i++) {
        if (!field_fits(&want->form->fields[i], want->values[i], &got->values[i])) {
            return false;
        }
    }
    return true;
}

static bool is_padding(const struct pl_script_option *option) {
    return strcmp(option->form->name, "nop") == 0 || strcmp(option->form->name, "eol") == 0;
}

/* In order; with `...` others may stand between. */
static bool options_fit(const struct pl_script_segment *want, const struct pl_script_segment *got) {
    bool others_may = want->options_rest || (want->rest && want->option_count == 0);
    unsigned next = 0;
    for (unsigned i = 0; i < got->option_count; i++) {
        const struct pl_script_option *option = &got->options[i];
        if (!want->nops && is_padding(option)) {
            continue;
        }
        if (next < want->option_count && option_fits(&want->options[next], option)) {
            next++;
        } else if (!others_may) {
            return false;
        }
    }
    return next == want->option_count;
}

/* What was not named is 0, unless the rest does not matter. */
static bool or_zero(const struct pl_script_segment *want, const struct pl_script_value *value,
                    const struct pl_script_value *got) {
    if (value->kind == PL_VALUE_NONE) {
        return want->rest || got->number == 0;
    }
    return value_fits(value, got);
}

static bool ip_fits(const struct pl_script_segment *want, const struct pl_script_segment *got) {
    return or_zero(want, &want->ecn, &got->ecn) && or_zero(want, &want->tos, &got->tos) &&
           value_fits(&want->ttl, &got->ttl);
}

unsigned pl_script_compare_segments(const struct pl_script_segment *want,
                                    const struct pl_script_segment *got) {
    const bool fits[PL_PART_COUNT] = {
        [PL_PART_TIME] = true,
        [PL_PART_TUPLE] = true,
        [PL_PART_IP] = ip_fits(want, got),
        [PL_PART_FLAGS] = want->flags == got->flags,
        [PL_PART_SEQ] = value_fits(&want->seq, &got->seq) && want->len == got->len,
        [PL_PART_ACK] = or_zero(want, &want->ack, &got->ack),
        [PL_PART_WIN] = value_fits(&want->win, &got->win),
        [PL_PART_URG] = or_zero(want, &want->urg, &got->urg),
        [PL_PART_OPTIONS] = options_fit(want, got),
        [PL_PART_BYTES] = true,
    };
    unsigned differs = 0;
    for (unsigned i = 0; i < PL_PART_COUNT; i++) {
        differs |= fits[i] ? 0 : 1u << i;
    }
    return differs;
}
