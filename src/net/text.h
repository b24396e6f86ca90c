/* net/text.h - putting together one line of text in a buffer of the caller's, without stdio. What
 * does not fit is cut off; the text is always terminated. */
#ifndef PL_NET_TEXT_H
#define PL_NET_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct pl_text {
    char *data;
    size_t cap; /* > 0 */
    size_t len; /* what the whole text needs, terminator excluded: >= cap when it was cut */
};

void pl_text_init(struct pl_text *text, char *data, size_t cap);
void pl_text_add(struct pl_text *text, const char *string);
void pl_text_add_bytes(struct pl_text *text, const char *bytes, size_t len);
void pl_text_add_number(struct pl_text *text, uint64_t value);
/* value / 10^digits with as few decimals as it takes: 12500, 3 is "12.5". */
void pl_text_add_decimal(struct pl_text *text, uint64_t value, unsigned digits);

#endif
