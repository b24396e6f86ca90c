/* A segment as it stands behind `<` or `>`: [IP fields] flags seq:end(len) ack win urg <options>.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "sim/script_cursor.h"
#include "sim/script_state.h"
#include "wire/tcp.h"

enum { PIECES_MAX = 1000, SEGMENT_BYTES_MAX = 4000000, PACKET_MAX = 2000 };

/* ---- options ---- */

static bool address_value(struct pl_script_cursor *c, struct pl_script_value *out) {
    struct plait_addr addr;
    if (!pl_cursor_address(c, &addr)) {
        return false;
    }
    out->kind = PL_VALUE_BYTES;
    out->len = addr.family == PLAIT_IPV4 ? 4 : 16;
    memcpy(out->bytes, addr.bytes, out->len);
    return true;
}

/* Whether pairs of hexadecimal digits come next, and not the name of another field. */
static bool hex_next(const struct pl_script_cursor *c) {
    size_t len = 0;
    while (c->at + len < c->end && isalnum((unsigned char)c->at[len])) {
        if (!isxdigit((unsigned char)c->at[len])) {
            return false;
        }
        len++;
    }
    return len > 0 && len % 2 == 0;
}

static bool bytes_value(struct pl_script_cursor *c, struct pl_script_value *out) {
    uint32_t len = 0;
    if (!pl_cursor_hex(c, out->bytes, sizeof(out->bytes), &len)) {
        return false;
    }
    out->kind = PL_VALUE_BYTES;
    out->len = (uint8_t)len;
    return true;
}

/* A field without a value is `auto`. */
static bool field_value(struct pl_script_cursor *c, int codec, struct pl_script_value *out) {
    char next = pl_cursor_peek(c);
    *out = (struct pl_script_value){.kind = PL_VALUE_AUTO};
    if (codec == PL_CODEC_ADDRESS && next != '*') {
        return address_value(c, out);
    }
    if (codec == PL_CODEC_BYTES && hex_next(c)) {
        return bytes_value(c, out);
    }
    if (isdigit((unsigned char)next) || (next != '\0' && strchr("@-*$", next) != NULL)) {
        return pl_cursor_value(c, out);
    }
    return !pl_cursor_literal(c, "auto") || pl_cursor_offset(c, &out->number);
}

struct given {
    char key[PL_SCRIPT_FIELDS_MAX][PL_SCRIPT_NAME];
    struct pl_script_value value[PL_SCRIPT_FIELDS_MAX];
    unsigned count;
};

/* How a key's value is written, by any form of the option that has it. */
static int codec_of(const char *name, const char *key) {
    const struct pl_script_form *form;
    for (unsigned i = 0; (form = pl_script_form_at(i)) != NULL; i++) {
        int field = strcmp(form->name, name) == 0 ? pl_script_form_field(form, key) : -1;
        if (field >= 0) {
            return form->fields[field].codec;
        }
    }
    return -1;
}

static bool take_field(struct pl_script_cursor *c, const char *name, struct given *given) {
    if (given->count == PL_SCRIPT_FIELDS_MAX) {
        return pl_cursor_fail(c, "too many fields in `%s`", name);
    }
    char *key = given->key[given->count];
    int codec = codec_of(name, "");
    key[0] = '\0';
    if (codec < 0 && !pl_cursor_word(c, key)) {
        return pl_cursor_fail(c, "want the name of a field of `%s`", name);
    }
    codec = codec_of(name, key);
    if (codec < 0) {
        return pl_cursor_fail(c, "`%s` has no field `%s`", name, key);
    }
    return field_value(c, codec, &given->value[given->count++]);
}

static unsigned position_of(const struct given *given, const char *key, unsigned nth) {
    for (unsigned i = 0; i < given->count; i++) {
        if (strcmp(given->key[i], key) == 0 && nth-- == 0) {
            return i;
        }
    }
    return given->count;
}

/* Whether a value that is written in bytes has the field's length. */
static bool width_fits(const struct pl_script_field *field, const struct pl_script_value *value) {
    return value->kind != PL_VALUE_BYTES || field->len == 0 || field->len == value->len;
}

/* Fills *out when the form takes exactly the fields given. */
static bool form_takes(const struct pl_script_form *form, const struct given *given,
                       struct pl_script_option *out) {
    unsigned used = 0, unnamed = 0;
    *out = (struct pl_script_option){.form = form};
    for (unsigned i = 0; i < form->count; i++) {
        const struct pl_script_field *field = &form->fields[i];
        unsigned at = position_of(given, field->key, field->key[0] == '\0' ? unnamed++ : 0);
        if (at < given->count && width_fits(field, &given->value[at])) {
            out->values[i] = given->value[at];
            used++;
        } else if (field->optional && at == given->count) {
            bool plain = field->meaning == PL_MEANS_NUMBER || field->meaning == PL_MEANS_ONE;
            out->values[i] =
                (struct pl_script_value){.kind = plain ? PL_VALUE_NUMBER : PL_VALUE_AUTO,
                                         .absolute = plain,
                                         .number = field->fallback};
        } else {
            return false;
        }
    }
    return used == given->count;
}

static bool take_option(struct pl_script_cursor *c, struct pl_script_option *out) {
    char name[PL_SCRIPT_NAME];
    struct given given = {.count = 0};
    if (!pl_cursor_word(c, name) || !pl_script_form_known(name)) {
        return pl_cursor_fail(c, "unknown TCP option at '%.*s'", (int)(c->end - c->at), c->at);
    }
    while (pl_cursor_peek(c) != ',' && pl_cursor_peek(c) != '>' && !pl_cursor_done(c)) {
        (void)(given.count > 0 && pl_cursor_char(c, ':'));
        if (!take_field(c, name, &given)) {
            return false;
        }
    }
    const struct pl_script_form *form;
    for (unsigned i = 0; (form = pl_script_form_at(i)) != NULL; i++) {
        if (strcmp(form->name, name) == 0 && form_takes(form, &given, out)) {
            return true;
        }
    }
    return pl_cursor_fail(c, "`%s` has no form with these fields", name);
}

static bool take_options(struct pl_script_cursor *c, struct pl_script_segment *out) {
    if (pl_cursor_char(c, '>')) {
        return true;
    }
    do {
        if (pl_cursor_literal(c, "...")) {
            out->options_rest = true;
            continue;
        }
        if (out->option_count == PL_SCRIPT_OPTIONS_MAX) {
            return pl_cursor_fail(c, "too many options: %d at most", PL_SCRIPT_OPTIONS_MAX);
        }
        if (!take_option(c, &out->options[out->option_count])) {
            return false;
        }
        const char *name = out->options[out->option_count++].form->name;
        out->nops = out->nops || strcmp(name, "nop") == 0 || strcmp(name, "eol") == 0;
    } while (pl_cursor_char(c, ','));
    return pl_cursor_char(c, '>') || pl_cursor_fail(c, "want `,` or `>` behind a TCP option");
}

/* ---- [IP fields] ---- */

static bool take_ip_field(struct pl_script_cursor *c, struct pl_script_segment *out) {
    static const char *const ecn[] = {"noecn", "ect1", "ect0", "ce"};
    for (unsigned i = 0; i < 4; i++) {
        if (pl_cursor_is(c, ecn[i])) {
            out->ecn = (struct pl_script_value){.kind = PL_VALUE_NUMBER, .number = i};
            return true;
        }
    }
    if (pl_cursor_is(c, "ecn")) {
        return pl_cursor_value(c, &out->ecn);
    }
    if (pl_cursor_is(c, "ttl")) {
        return pl_cursor_value(c, &out->ttl);
    }
    if (pl_cursor_is(c, "dscp")) {
        return pl_cursor_value(c, &out->tos);
    }
    if (pl_cursor_is(c, "bad-checksum")) {
        return out->bad_checksum = true;
    }
    if (pl_cursor_is(c, "bad-ip-checksum")) {
        return out->bad_ip_checksum = true;
    }
    if (pl_cursor_is(c, "other-bytes")) {
        return out->other_bytes = true;
    }
    if (pl_cursor_is(c, "stream")) {
        return pl_cursor_value(c, &out->stream);
    }
    return pl_cursor_fail(c,
                          "want noecn, ect0, ect1, ce, ttl, dscp, stream, bad-checksum, "
                          "bad-ip-checksum or other-bytes");
}

static bool take_ip(struct pl_script_cursor *c, struct pl_script_segment *out) {
    do {
        if (!take_ip_field(c, out)) {
            return false;
        }
    } while (pl_cursor_char(c, ','));
    return pl_cursor_char(c, ']') || pl_cursor_fail(c, "want `,` or `]`");
}

/* ---- flags and numbers ---- */

static bool take_flags(struct pl_script_cursor *c, uint8_t *flags) {
    static const char letters[] = "FSRP.UEW";
    const char *found;
    *flags = 0;
    if (pl_cursor_char(c, '-')) {
        return true;
    }
    pl_cursor_blank(c);
    while (c->at < c->end && (found = strchr(letters, *c->at)) != NULL && *found != '\0') {
        *flags |= (uint8_t)(1u << (found - letters));
        c->at++;
    }
    if (*flags == 0 || (c->at < c->end && *c->at != ' ')) {
        return pl_cursor_fail(c, "want flags of `FSRP.UEW`, or `-` for none");
    }
    return true;
}

/* seq:end(len) or seq(len). */
static bool take_range(struct pl_script_cursor *c, struct pl_script_segment *out) {
    struct pl_script_value end = {0};
    uint64_t len = 0;
    if (!pl_cursor_value(c, &out->seq)) {
        return false;
    }
    if (pl_cursor_char(c, ':') && !pl_cursor_value(c, &end)) {
        return false;
    }
    if (!pl_cursor_char(c, '(') || !pl_cursor_number(c, SEGMENT_BYTES_MAX, &len) ||
        !pl_cursor_char(c, ')')) {
        return pl_cursor_fail(c, "want `seq:end(length)` or `seq(length)`");
    }
    out->len = (uint32_t)len;
    bool numbers = end.kind == PL_VALUE_NUMBER && out->seq.kind == PL_VALUE_NUMBER;
    if (numbers && (uint32_t)end.number != (uint32_t)(out->seq.number + len)) {
        return pl_cursor_fail(c, "%llu and %llu bytes do not make %llu",
                              (unsigned long long)out->seq.number, (unsigned long long)len,
                              (unsigned long long)end.number);
    }
    return true;
}

static bool take_tail_word(struct pl_script_cursor *c, struct pl_script_segment *out) {
    uint64_t piece = 0;
    if (pl_cursor_literal(c, "...")) {
        return out->rest = true;
    }
    if (pl_cursor_is(c, "ack")) {
        return pl_cursor_value(c, &out->ack);
    }
    if (pl_cursor_is(c, "win")) {
        return pl_cursor_value(c, &out->win);
    }
    if (pl_cursor_is(c, "urg")) {
        return pl_cursor_value(c, &out->urg);
    }
    if (pl_cursor_is(c, "by")) {
        if (!pl_cursor_number(c, 65535, &piece) || piece == 0 || out->len / piece > PIECES_MAX) {
            return pl_cursor_fail(c, "`by` wants a size that cuts into %d pieces at most",
                                  PIECES_MAX);
        }
        out->piece = (uint32_t)piece;
        return true;
    }
    if (pl_cursor_char(c, '<')) {
        return take_options(c, out);
    }
    return pl_cursor_fail(c, "want ack, win, urg, by, <options> or `...`, not '%.*s'",
                          (int)(c->end - c->at), c->at);
}

/* Nothing may be left open without being said. */
static bool check_complete(struct pl_script_cursor *c, bool in, struct pl_script_segment *out) {
    bool has_ack = (out->flags & PL_TCP_ACK) != 0;
    if (out->ack.kind != PL_VALUE_NONE && !has_ack && !in) {
        return pl_cursor_fail(c, "`ack` without `.` among the flags");
    }
    if (has_ack && out->ack.kind == PL_VALUE_NONE && !out->rest) {
        return pl_cursor_fail(c, "`.` among the flags wants `ack n`");
    }
    if (in && out->rest) {
        return pl_cursor_fail(c, "`...` is for expected segments");
    }
    if (!in && !out->rest && out->win.kind == PL_VALUE_NONE) {
        return pl_cursor_fail(c, "say `win n` or `win *`, or `...` for the rest");
    }
    if (out->piece == 0 && out->len > 65535) {
        return pl_cursor_fail(c, "a segment has 65535 bytes at most; cut it with `by n`");
    }
    return true;
}

static bool take_tcp(struct pl_script_cursor *c, bool in, struct pl_script_segment *out) {
    if (!take_flags(c, &out->flags) || !take_range(c, out)) {
        return false;
    }
    while (!pl_cursor_done(c)) {
        if (!take_tail_word(c, out)) {
            return false;
        }
    }
    return check_complete(c, in, out);
}

/* ---- ICMP and raw packets ---- */

struct icmp_name {
    const char *name;
    uint8_t v4_type, v4_code, v6_type, v6_code;
};

static const struct icmp_name icmp_names[] = {
    {"net-unreachable", 3, 0, 1, 0},      {"host-unreachable", 3, 1, 1, 3},
    {"protocol-unreachable", 3, 2, 1, 4}, {"port-unreachable", 3, 3, 1, 4},
    {"frag-needed", 3, 4, 2, 0},          {"source-route-failed", 3, 5, 1, 0},
    {"admin-prohibited", 3, 13, 1, 1},    {"time-exceeded", 11, 0, 3, 0},
    {"source-quench", 4, 0, 4, 0},        {"parameter-problem", 12, 0, 4, 0},
};
enum { ICMP_NAMES = sizeof(icmp_names) / sizeof(icmp_names[0]) };

/* type and code hold the index of the name; which they are depends on the family. */
static bool take_icmp(struct pl_script_cursor *c, struct pl_script_segment *out) {
    char name[PL_SCRIPT_NAME] = "";
    uint64_t mtu = 0;
    unsigned i = 0;
    out->kind = PL_SEGMENT_ICMP;
    bool word = pl_cursor_word(c, name);
    while (i < ICMP_NAMES && strcmp(icmp_names[i].name, name) != 0) {
        i++;
    }
    if (!word || i == ICMP_NAMES) {
        return pl_cursor_fail(c, "'%s' is no ICMP error; frag-needed and port-unreachable are",
                              name);
    }
    out->icmp_type = (uint8_t)i;
    if (pl_cursor_is(c, "mtu") && !pl_cursor_number(c, UINT32_MAX, &mtu)) {
        return false;
    }
    out->icmp_mtu = (uint32_t)mtu;
    if (!pl_cursor_is(c, "for")) {
        return pl_cursor_fail(c, "want `for seq:end(len)`, the segment that is quoted");
    }
    if (!take_range(c, out)) {
        return false;
    }
    return pl_cursor_done(c) || pl_cursor_fail(c, "something behind the quoted segment");
}

void pl_script_icmp_code(const struct pl_script_segment *segment, uint8_t family, uint8_t *type,
                         uint8_t *code) {
    const struct icmp_name *name = &icmp_names[segment->icmp_type];
    *type = family == PLAIT_IPV4 ? name->v4_type : name->v6_type;
    *code = family == PLAIT_IPV4 ? name->v4_code : name->v6_code;
}

const char *pl_script_icmp_name(const struct pl_script_segment *segment) {
    return icmp_names[segment->icmp_type].name;
}

static bool take_raw(struct pl_script_cursor *c, struct pl_script_segment *out) {
    out->kind = PL_SEGMENT_RAW;
    out->raw = malloc(PACKET_MAX);
    if (out->raw == NULL) {
        return pl_cursor_fail(c, "out of memory");
    }
    return pl_cursor_hex(c, out->raw, PACKET_MAX, &out->len);
}

bool pl_script_parse_segment(struct pl_script_cursor *c, bool in, struct pl_script_segment *out) {
    if (pl_cursor_char(c, '[') && !take_ip(c, out)) {
        return false;
    }
    if (in && pl_cursor_is(c, "icmp")) {
        return take_icmp(c, out);
    }
    if (in && pl_cursor_is(c, "raw")) {
        return take_raw(c, out);
    }
    return take_tcp(c, in, out);
}
