/* net/text.c - see text.h. */
#include "net/text.h"

#include <string.h>

#include "base/assert.h"

#define DIGITS_MAX 20 /* of a 64-bit number */

void pl_text_init(struct pl_text *text, char *data, size_t cap) {
    PL_ASSERT(data != NULL);
    PL_ASSERT(cap > 0);
    *text = (struct pl_text){.data = data, .cap = cap};
    data[0] = '\0';
}

void pl_text_add_bytes(struct pl_text *text, const char *bytes, size_t len) {
    if (text->len < text->cap - 1) {
        size_t room = text->cap - 1 - text->len;
        size_t fits = len < room ? len : room;
        memcpy(text->data + text->len, bytes, fits);
        text->data[text->len + fits] = '\0';
    }
    text->len += len;
}

void pl_text_add(struct pl_text *text, const char *string) {
    pl_text_add_bytes(text, string, strlen(string));
}

/* Writes at least `width` digits, the last at out[DIGITS_MAX - 1], and returns where they start. */
static unsigned digits_of(char out[DIGITS_MAX], uint64_t value, unsigned width) {
    unsigned at = DIGITS_MAX;
    PL_ASSERT(width <= DIGITS_MAX);
    while (value > 0 || DIGITS_MAX - at < width) {
        out[--at] = (char)('0' + value % 10);
        value /= 10;
    }
    return at;
}

void pl_text_add_number(struct pl_text *text, uint64_t value) {
    char digits[DIGITS_MAX];
    unsigned at = digits_of(digits, value, 1);
    pl_text_add_bytes(text, digits + at, DIGITS_MAX - at);
}

void pl_text_add_decimal(struct pl_text *text, uint64_t value, unsigned digits) {
    uint64_t one = 1;
    for (unsigned i = 0; i < digits; i++) {
        one *= 10;
    }
    pl_text_add_number(text, value / one);
    if (value % one == 0) {
        return;
    }
    char decimals[DIGITS_MAX];
    unsigned at = digits_of(decimals, value % one, digits);
    unsigned end = DIGITS_MAX;
    while (decimals[end - 1] == '0') {
        end--;
    }
    pl_text_add(text, ".");
    pl_text_add_bytes(text, decimals + at, end - at);
}
