/* net/box_config.c - names of boxes, and their settings as text. */
#include "net/box_config.h"

#include <string.h>

#include "base/assert.h"

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

static bool take_word(const char *text, size_t len, struct pl_box_config *out) {
    static const char after[] = "after=";
    enum { AFTER_LEN = sizeof(after) - 1 };
    if (word_is(text, len, "out") || word_is(text, len, "in")) {
        out->ways |= text[0] == 'o' ? PL_BOX_WAY_OUT : PL_BOX_WAY_IN;
        return true;
    }
    return len > AFTER_LEN && memcmp(text, after, AFTER_LEN) == 0 &&
           take_number(text + AFTER_LEN, len - AFTER_LEN, &out->after_bytes);
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
