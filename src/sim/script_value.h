/* sim/script_value.h - a number of a script that may be a symbol, and TCP options as tables of
 * such numbers. Leaf structs; they own nothing. */
#ifndef PL_SIM_SCRIPT_VALUE_H
#define PL_SIM_SCRIPT_VALUE_H

#include "plait/types.h"

enum { PL_SCRIPT_BYTES_MAX = 40, PL_SCRIPT_FIELDS_MAX = 9, PL_SCRIPT_VARIABLES_MAX = 64 };

enum pl_script_value_kind {
    PL_VALUE_NONE,
    PL_VALUE_NUMBER,
    PL_VALUE_BYTES,
    PL_VALUE_VARIABLE, /* the variable's value plus `number` */
    PL_VALUE_ANY,      /* `*`: not looked at */
    PL_VALUE_AUTO,     /* what the protocol asks for, plus `number` */
    PL_VALUE_AT_LEAST, /* `number` or a later one; only in bound segments */
};

struct pl_script_value {
    uint8_t kind;
    bool absolute;    /* `@n`: not relative to an initial number */
    uint8_t variable; /* index of the name */
    uint8_t len;      /* of bytes */
    uint64_t number;
    uint8_t bytes[PL_SCRIPT_BYTES_MAX];
};

/* What `auto` stands for and what a number is relative to. */
enum pl_script_meaning {
    PL_MEANS_NUMBER,
    PL_MEANS_PEER_SEQ, /* of the direction opposite to the segment's: SACK blocks */
    PL_MEANS_TS_VAL,
    PL_MEANS_TS_ECR,
    PL_MEANS_KEY_SENDER,
    PL_MEANS_KEY_RECEIVER,
    PL_MEANS_TOKEN,
    PL_MEANS_NONCE,
    PL_MEANS_JOIN_HMAC,
    PL_MEANS_ADDRESS_HMAC,
    PL_MEANS_DATA_ACK,
    PL_MEANS_DSN,
    PL_MEANS_SSN,
    PL_MEANS_CHECKSUM,
    PL_MEANS_LEN,
    PL_MEANS_ONE, /* a flag: its name alone sets it */
};

enum pl_script_codec {
    PL_CODEC_NUMBER, /* big-endian, `len` bytes */
    PL_CODEC_LOW,    /* the low four bits of a byte */
    PL_CODEC_BIT,    /* the bit `len` of a byte */
    PL_CODEC_MASK,   /* those bits of a byte that `len` has, where they are */
    PL_CODEC_BYTES,  /* `len` bytes, shown as hexadecimal digits */
    PL_CODEC_ADDRESS,
};

struct pl_script_field {
    const char *key; /* "" for one that has none and comes in order */
    uint8_t at, len;
    uint8_t codec;   /* enum pl_script_codec */
    uint8_t meaning; /* enum pl_script_meaning */
    bool optional;   /* may be left out: `fallback`, or `auto` if that means anything */
    uint8_t fallback;
};

/* One form of an option; an option with several lengths has several forms. */
struct pl_script_form {
    const char *name;
    uint8_t kind;
    uint8_t len;     /* 0: as long as its bytes */
    uint8_t subtype; /* MPTCP: the high four bits of the third byte */
    uint8_t fixed;   /* further bits that are fixed: of byte 2 in ADD_ADDR, of byte 3 in DSS */
    uint8_t count;
    struct pl_script_field fields[PL_SCRIPT_FIELDS_MAX];
};

struct pl_script_option {
    const struct pl_script_form *form;
    struct pl_script_value values[PL_SCRIPT_FIELDS_MAX]; /* by the form's fields */
};

/* script_option.c */

/* The forms, one after another; NULL behind the last. */
const struct pl_script_form *pl_script_form_at(unsigned index);
/* Whether an option of that name exists. */
bool pl_script_form_known(const char *name);
/* Index of the field, or -1. */
int pl_script_form_field(const struct pl_script_form *form, const char *key);
/* Takes one option apart (kind and length included); what fits no form becomes `raw`. */
void pl_script_option_decode(const uint8_t *data, uint32_t len, struct pl_script_option *out);
/* Writes an option whose values are all NUMBER or BYTES; returns its length, at most 40. */
uint32_t pl_script_option_encode(const struct pl_script_option *option, uint8_t *out);

#endif
