/* The TCP options as a script sees them. Each form is a row: where its fields lie and what they
 * mean. Nothing here uses src/wire, so that a script is a second opinion on the stack's bytes. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "sim/script_value.h"

enum { KIND_NOP = 1, KIND_MPTCP = 30, SUBTYPE_DSS = 2, SUBTYPE_ADD_ADDR = 3, OPTION_MAX = 40 };

#define NUM(key, at, len) \
    { key, at, len, PL_CODEC_NUMBER, PL_MEANS_NUMBER, false, 0 }
#define IS(key, at, len, meaning) \
    { key, at, len, PL_CODEC_NUMBER, PL_MEANS_##meaning, false, 0 }
#define OPT(key, at, len, codec, value) \
    { key, at, len, codec, PL_MEANS_NUMBER, true, value }
#define LET(key, at, len, meaning) \
    { key, at, len, PL_CODEC_NUMBER, PL_MEANS_##meaning, true, 0 }
#define RSV(at, mask) \
    { "rsv", at, mask, PL_CODEC_MASK, PL_MEANS_NUMBER, true, 0 }
#define FLAG(key, at, bit) \
    { key, at, bit, PL_CODEC_BIT, PL_MEANS_ONE, true, 0 }
#define HEX(key, at, len, meaning) \
    { key, at, len, PL_CODEC_BYTES, PL_MEANS_##meaning, false, 0 }
#define ADDR(at, len) \
    { "addr", at, len, PL_CODEC_ADDRESS, PL_MEANS_NUMBER, false, 0 }

#define BLOCK(at) IS("", at, 4, PEER_SEQ), IS("", (at) + 4, 4, PEER_SEQ)
#define CAPABLE OPT("v", 2, 1, PL_CODEC_LOW, 1), OPT("flags", 3, 1, PL_CODEC_NUMBER, 1)
#define KEYS IS("key", 4, 8, KEY_SENDER), IS("rkey", 12, 8, KEY_RECEIVER)
#define FIN FLAG("fin", 3, 4), RSV(3, 0xe0)
#define ACK4 IS("ack4", 4, 4, DATA_ACK)
#define ACK8 IS("ack8", 4, 8, DATA_ACK)
#define MAP4(at) IS("dsn4", at, 4, DSN), IS("ssn", (at) + 4, 4, SSN), IS("len", (at) + 8, 2, LEN)
#define MAP8(at) IS("dsn8", at, 8, DSN), IS("ssn", (at) + 8, 4, SSN), IS("len", (at) + 12, 2, LEN)
#define CSUM(at) IS("csum", at, 2, CHECKSUM)
#define DSS(len, bits, count, ...)                      \
    {                                                   \
        "dss", KIND_MPTCP, len, 2, bits, (count) + 2, { \
            FIN, __VA_ARGS__                            \
        }                                               \
    }
#define HMAC(at) IS("hmac", at, 8, ADDRESS_HMAC)
#define ID OPT("id", 3, 1, PL_CODEC_NUMBER, 0)

/* The first row of a name that fits is taken, so a longer form of the same fields comes later. */
static const struct pl_script_form forms[] = {
    {"eol", 0, 1, 0, 0, 0, {{0}}},
    {"nop", KIND_NOP, 1, 0, 0, 0, {{0}}},
    {"mss", 2, 4, 0, 0, 1, {NUM("", 2, 2)}},
    {"wscale", 3, 3, 0, 0, 1, {NUM("", 2, 1)}},
    {"sackOK", 4, 2, 0, 0, 0, {{0}}},
    {"sack", 5, 10, 0, 0, 2, {BLOCK(2)}},
    {"sack", 5, 18, 0, 0, 4, {BLOCK(2), BLOCK(10)}},
    {"sack", 5, 26, 0, 0, 6, {BLOCK(2), BLOCK(10), BLOCK(18)}},
    {"sack", 5, 34, 0, 0, 8, {BLOCK(2), BLOCK(10), BLOCK(18), BLOCK(26)}},
    {"TS", 8, 10, 0, 0, 2, {LET("val", 2, 4, TS_VAL), LET("ecr", 6, 4, TS_ECR)}},
    {"FO", 34, 2, 0, 0, 0, {{0}}},
    {"FO", 34, 0, 0, 0, 1, {HEX("", 2, 0, NUMBER)}},
    {"UTO", 28, 4, 0, 0, 1, {NUM("", 2, 2)}},
    {"mp_capable", KIND_MPTCP, 4, 0, 0, 2, {CAPABLE}},
    {"mp_capable", KIND_MPTCP, 12, 0, 0, 3, {CAPABLE, IS("key", 4, 8, KEY_SENDER)}},
    {"mp_capable", KIND_MPTCP, 20, 0, 0, 4, {CAPABLE, KEYS}},
    {"mp_capable", KIND_MPTCP, 22, 0, 0, 5, {CAPABLE, KEYS, IS("len", 20, 2, LEN)}},
    {"mp_capable",
     KIND_MPTCP,
     24,
     0,
     0,
     6,
     {CAPABLE, KEYS, IS("len", 20, 2, LEN), IS("csum", 22, 2, CHECKSUM)}},
    {"mp_join",
     KIND_MPTCP,
     12,
     1,
     0,
     5,
     {FLAG("backup", 2, 0), RSV(2, 0x0e), ID, IS("token", 4, 4, TOKEN), IS("nonce", 8, 4, NONCE)}},
    {"mp_join",
     KIND_MPTCP,
     16,
     1,
     0,
     5,
     {FLAG("backup", 2, 0), RSV(2, 0x0e), ID, HEX("hmac", 4, 8, JOIN_HMAC),
      IS("nonce", 12, 4, NONCE)}},
    {"mp_join", KIND_MPTCP, 24, 1, 0, 2, {RSV(2, 0x0f), HEX("hmac", 4, 20, JOIN_HMAC)}},
    DSS(8, 0x01, 1, ACK4),
    DSS(12, 0x03, 1, ACK8),
    DSS(14, 0x04, 3, MAP4(4)),
    DSS(16, 0x04, 4, MAP4(4), CSUM(14)),
    DSS(18, 0x05, 4, ACK4, MAP4(8)),
    DSS(20, 0x05, 5, ACK4, MAP4(8), CSUM(18)),
    DSS(22, 0x07, 4, ACK8, MAP4(12)),
    DSS(24, 0x07, 5, ACK8, MAP4(12), CSUM(22)),
    DSS(18, 0x0c, 3, MAP8(4)),
    DSS(20, 0x0c, 4, MAP8(4), CSUM(18)),
    DSS(22, 0x0d, 4, ACK4, MAP8(8)),
    DSS(24, 0x0d, 5, ACK4, MAP8(8), CSUM(22)),
    DSS(26, 0x0f, 4, ACK8, MAP8(12)),
    DSS(28, 0x0f, 5, ACK8, MAP8(12), CSUM(26)),
    {"add_addr", KIND_MPTCP, 16, 3, 0, 4, {RSV(2, 0x0e), ID, ADDR(4, 4), HMAC(8)}},
    {"add_addr",
     KIND_MPTCP,
     18,
     3,
     0,
     5,
     {RSV(2, 0x0e), ID, ADDR(4, 4), NUM("port", 8, 2), HMAC(10)}},
    {"add_addr", KIND_MPTCP, 28, 3, 0, 4, {RSV(2, 0x0e), ID, ADDR(4, 16), HMAC(20)}},
    {"add_addr",
     KIND_MPTCP,
     30,
     3,
     0,
     5,
     {RSV(2, 0x0e), ID, ADDR(4, 16), NUM("port", 20, 2), HMAC(22)}},
    {"add_addr", KIND_MPTCP, 8, 3, 4, 2, {ID, ADDR(4, 4)}},
    {"add_addr", KIND_MPTCP, 10, 3, 4, 3, {ID, ADDR(4, 4), NUM("port", 8, 2)}},
    {"add_addr", KIND_MPTCP, 20, 3, 6, 2, {ID, ADDR(4, 16)}},
    {"add_addr", KIND_MPTCP, 22, 3, 6, 3, {ID, ADDR(4, 16), NUM("port", 20, 2)}},
    {"add_addr_echo", KIND_MPTCP, 8, 3, 1, 3, {RSV(2, 0x0e), ID, ADDR(4, 4)}},
    {"add_addr_echo", KIND_MPTCP, 10, 3, 1, 4, {RSV(2, 0x0e), ID, ADDR(4, 4), NUM("port", 8, 2)}},
    {"add_addr_echo", KIND_MPTCP, 20, 3, 1, 3, {RSV(2, 0x0e), ID, ADDR(4, 16)}},
    {"add_addr_echo", KIND_MPTCP, 22, 3, 1, 4, {RSV(2, 0x0e), ID, ADDR(4, 16), NUM("port", 20, 2)}},
    {"remove_addr", KIND_MPTCP, 4, 4, 0, 2, {RSV(2, 0x0f), NUM("", 3, 1)}},
    {"remove_addr", KIND_MPTCP, 5, 4, 0, 3, {RSV(2, 0x0f), NUM("", 3, 1), NUM("", 4, 1)}},
    {"remove_addr",
     KIND_MPTCP,
     6,
     4,
     0,
     4,
     {RSV(2, 0x0f), NUM("", 3, 1), NUM("", 4, 1), NUM("", 5, 1)}},
    {"remove_addr",
     KIND_MPTCP,
     7,
     4,
     0,
     5,
     {RSV(2, 0x0f), NUM("", 3, 1), NUM("", 4, 1), NUM("", 5, 1), NUM("", 6, 1)}},
    {"remove_addr",
     KIND_MPTCP,
     8,
     4,
     0,
     6,
     {RSV(2, 0x0f), NUM("", 3, 1), NUM("", 4, 1), NUM("", 5, 1), NUM("", 6, 1), NUM("", 7, 1)}},
    {"remove_addr",
     KIND_MPTCP,
     9,
     4,
     0,
     7,
     {RSV(2, 0x0f), NUM("", 3, 1), NUM("", 4, 1), NUM("", 5, 1), NUM("", 6, 1), NUM("", 7, 1),
      NUM("", 8, 1)}},
    {"remove_addr",
     KIND_MPTCP,
     10,
     4,
     0,
     8,
     {RSV(2, 0x0f), NUM("", 3, 1), NUM("", 4, 1), NUM("", 5, 1), NUM("", 6, 1), NUM("", 7, 1),
      NUM("", 8, 1), NUM("", 9, 1)}},
    {"mp_prio", KIND_MPTCP, 3, 5, 0, 2, {FLAG("backup", 2, 0), RSV(2, 0x0e)}},
    {"mp_prio", KIND_MPTCP, 4, 5, 0, 3, {FLAG("backup", 2, 0), RSV(2, 0x0e), NUM("id", 3, 1)}},
    /* The number is of the data that failed, which is the receiver's of the option. */
    {"mp_fail", KIND_MPTCP, 12, 6, 0, 2, {RSV(3, 0xff), IS("dsn", 4, 8, DATA_ACK)}},
    {"mp_fastclose", KIND_MPTCP, 12, 7, 0, 2, {RSV(3, 0xff), IS("key", 4, 8, KEY_RECEIVER)}},
    {"mp_tcprst",
     KIND_MPTCP,
     4,
     8,
     0,
     2,
     {OPT("flags", 2, 1, PL_CODEC_LOW, 0), NUM("reason", 3, 1)}},
    {"raw", 0, 0, 0, 0, 1, {HEX("", 0, 0, NUMBER)}},
};
enum { FORM_COUNT = sizeof(forms) / sizeof(forms[0]) };

const struct pl_script_form *pl_script_form_at(unsigned index) {
    return index < FORM_COUNT ? &forms[index] : NULL;
}

bool pl_script_form_known(const char *name) {
    for (unsigned i = 0; i < FORM_COUNT; i++) {
        if (strcmp(forms[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

int pl_script_form_field(const struct pl_script_form *form, const char *key) {
    for (int i = 0; i < form->count; i++) {
        if (strcmp(form->fields[i].key, key) == 0) {
            return i;
        }
    }
    return -1;
}

/* ---- bytes -> values ---- */

static bool is_dss(const struct pl_script_form *form) {
    return form->kind == KIND_MPTCP && form->subtype == SUBTYPE_DSS;
}

static bool is_add_addr(const struct pl_script_form *form) {
    return form->kind == KIND_MPTCP && form->subtype == SUBTYPE_ADD_ADDR;
}

static bool form_fits(const struct pl_script_form *form, const uint8_t *data, uint32_t len) {
    bool len_fits = form->len == 0 ? len > 2 : form->len == len;
    if (form->kind != data[0] || !len_fits) {
        return false;
    }
    if (form->kind != KIND_MPTCP) {
        return true;
    }
    if (form->subtype != data[2] >> 4) {
        return false;
    }
    if (is_dss(form)) {
        return (data[3] & 15) == form->fixed;
    }
    if (!is_add_addr(form)) {
        return true;
    }
    /* A flag in version 1, the IP version in version 0. */
    return (data[2] & (form->fixed > 1 ? 15 : 1)) == form->fixed;
}

static uint64_t get_number(const uint8_t *p, uint32_t len) {
    uint64_t value = 0;
    for (uint32_t i = 0; i < len; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static void decode_field(const struct pl_script_field *field, const uint8_t *data, uint32_t len,
                         struct pl_script_value *out) {
    uint32_t field_len = field->len == 0 ? len - field->at : field->len;
    *out = (struct pl_script_value){.kind = PL_VALUE_NUMBER, .absolute = true};
    switch (field->codec) {
        case PL_CODEC_NUMBER:
            out->number = get_number(data + field->at, field_len);
            break;
        case PL_CODEC_LOW:
            out->number = data[field->at] & 15;
            break;
        case PL_CODEC_BIT:
            out->number = data[field->at] >> field->len & 1;
            break;
        case PL_CODEC_MASK:
            out->number = data[field->at] & field->len;
            break;
        default:
            PL_ASSERT(field_len <= PL_SCRIPT_BYTES_MAX);
            out->kind = PL_VALUE_BYTES;
            out->len = (uint8_t)field_len;
            memcpy(out->bytes, data + field->at, field_len);
            break;
    }
}

void pl_script_option_decode(const uint8_t *data, uint32_t len, struct pl_script_option *out) {
    PL_ASSERT(len >= 1 && len <= OPTION_MAX);
    *out = (struct pl_script_option){.form = &forms[FORM_COUNT - 1]};
    for (unsigned i = 0; i + 1 < FORM_COUNT; i++) {
        if (form_fits(&forms[i], data, len)) {
            out->form = &forms[i];
            break;
        }
    }
    for (unsigned i = 0; i < out->form->count; i++) {
        decode_field(&out->form->fields[i], data, len, &out->values[i]);
    }
}

/* ---- values -> bytes ---- */

static void put_number(uint8_t *p, uint32_t len, uint64_t value) {
    for (uint32_t i = 0; i < len; i++) {
        p[i] = (uint8_t)(value >> (8 * (len - 1 - i)));
    }
}

static void encode_field(const struct pl_script_field *field, const struct pl_script_value *value,
                         uint8_t *out) {
    switch (field->codec) {
        case PL_CODEC_NUMBER:
            put_number(out + field->at, field->len, value->number);
            break;
        case PL_CODEC_LOW:
            out[field->at] |= value->number & 15;
            break;
        case PL_CODEC_BIT:
            out[field->at] |= (uint8_t)((value->number & 1) << field->len);
            break;
        case PL_CODEC_MASK:
            out[field->at] |= (uint8_t)(value->number & field->len);
            break;
        default:
            memcpy(out + field->at, value->bytes, field->len != 0 ? field->len : value->len);
            break;
    }
}

uint32_t pl_script_option_encode(const struct pl_script_option *option, uint8_t *out) {
    const struct pl_script_form *form = option->form;
    bool is_raw = form == &forms[FORM_COUNT - 1];
    uint32_t len = form->len;
    if (len == 0) {
        len = (uint32_t)form->fields[0].at + option->values[0].len;
    }
    if (len > OPTION_MAX) {
        return OPTION_MAX + 1;
    }
    memset(out, 0, len);
    if (!is_raw) {
        out[0] = form->kind;
    }
    if (!is_raw && len > 1) {
        out[1] = (uint8_t)len;
    }
    if (form->kind == KIND_MPTCP) {
        out[2] = (uint8_t)(form->subtype << 4 | (is_add_addr(form) ? form->fixed : 0));
    }
    if (is_dss(form)) {
        out[3] = form->fixed;
    }
    for (unsigned i = 0; i < form->count; i++) {
        encode_field(&form->fields[i], &option->values[i], out);
    }
    return len;
}
