/* net/box_config.c - names of boxes, and their settings as text. */
#include "net/box_config.h"

#include <string.h>

#include "base/assert.h"
#include "wire/addr.h"

static const char *const names[PL_BOX_KIND_COUNT] = {
#define PL_BOX(name, text, ops, tracks) text,
#include "net/boxes.def"
#undef PL_BOX
};

const char *pl_box_name(enum pl_box_kind kind) {
    PL_ASSERT((unsigned)kind < PL_BOX_KIND_COUNT);
    return names[kind];
}

static bool word_is(const char *text, size_t len, const char *word) {
    return strlen(word) == len && memcmp(text, word, len) == 0;
}

static bool find_kind(const char *text, size_t len, enum pl_box_kind *out) {
    for (int i = 0; i < PL_BOX_KIND_COUNT; i++) {
        if (word_is(text, len, names[i])) {
            *out = (enum pl_box_kind)i;
            return true;
        }
    }
    return false;
}

static bool take_number(const char *text, size_t len, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9' || *out > UINT64_MAX / 100) {
            return false;
        }
        *out = *out * 10 + (uint64_t)(text[i] - '0');
    }
    return len > 0;
}

static bool take_address(const char *text, size_t len, struct pl_box_config *out) {
    char name[48];
    struct plait_addr addr;
    if (len >= sizeof(name)) {
        return false;
    }
    memcpy(name, text, len);
    name[len] = '\0';
    if (!pl_addr_parse(name, &addr)) {
        return false;
    }
    out->outside[addr.family == PLAIT_IPV6 ? 1 : 0] = addr;
    return true;
}

/* The value of "NAME=VALUE", or NULL. */
static const char *value_of(const char *text, size_t len, const char *name) {
    size_t name_len = strlen(name);
    bool is = len > name_len && memcmp(text, name, name_len) == 0 && text[name_len] == '=';
    return is ? text + name_len + 1 : NULL;
}

static bool take_word(const char *text, size_t len, struct pl_box_config *out) {
    const char *end = text + len, *value;
    uint64_t number = 0;
    if (word_is(text, len, "out") || word_is(text, len, "in")) {
        out->ways |= text[0] == 'o' ? PL_BOX_WAY_OUT : PL_BOX_WAY_IN;
        return true;
    }
    if ((value = value_of(text, len, "after")) != NULL) {
        return take_number(value, (size_t)(end - value), &out->after_bytes);
    }
    if ((value = value_of(text, len, "every")) != NULL) {
        bool taken = take_number(value, (size_t)(end - value), &number);
        out->every_bytes = (uint32_t)number;
        return taken && number > 0 && number <= PL_BOX_EVERY_BYTES_MAX;
    }
    value = value_of(text, len, "as");
    return value != NULL && take_address(value, (size_t)(end - value), out);
}

bool pl_box_parse(const char *text, struct pl_box_config *out) {
    size_t len = strcspn(text, "/");
    *out = (struct pl_box_config){0};
    if (!find_kind(text, len, &out->kind)) {
        return false;
    }
    while (text[len] == '/') {
        text += len + 1;
        len = strcspn(text, "/");
        if (!take_word(text, len, out)) {
            return false;
        }
    }
    out->ways = out->ways != 0 ? out->ways : PL_BOX_WAY_BOTH;
    return true;
}
