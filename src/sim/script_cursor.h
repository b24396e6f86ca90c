/* sim/script_cursor.h - reading words and numbers from one line of a script, and the parts of the
 * parser that share it. Every function that can fail says why, once, in the program. */
#ifndef PL_SIM_SCRIPT_CURSOR_H
#define PL_SIM_SCRIPT_CURSOR_H

#include "sim/script_program.h"

struct pl_script_cursor {
    struct pl_script_program *program;
    const char *at, *end;
    unsigned line;
    const char *name; /* of the script */
    const struct pl_script_options *options;
};

/* Always false. Only the first failure is kept. */
__attribute__((format(printf, 2, 3))) bool pl_cursor_fail(struct pl_script_cursor *c,
                                                          const char *format, ...);
void pl_cursor_blank(struct pl_script_cursor *c);
/* Behind blanks: */
bool pl_cursor_done(struct pl_script_cursor *c);
char pl_cursor_peek(struct pl_script_cursor *c); /* '\0' at the end */
bool pl_cursor_char(struct pl_script_cursor *c, char wanted);
bool pl_cursor_literal(struct pl_script_cursor *c, const char *wanted);
/* Letters, digits, `_` and `-`, beginning with a letter. False without failure: there is none. */
bool pl_cursor_word(struct pl_script_cursor *c, char out[PL_SCRIPT_NAME]);
bool pl_cursor_is(struct pl_script_cursor *c, const char *word); /* takes it if it is next */

/* These fail when there is something else. */
bool pl_cursor_number(struct pl_script_cursor *c, uint64_t max, uint64_t *out);
/* "1.5", "40ms", "3us": seconds without a unit. */
bool pl_cursor_time(struct pl_script_cursor *c, plait_time *out);
/* A number, `@n`, `-n`, `$name`, `$name+n`, `*` or `auto`. */
bool pl_cursor_value(struct pl_script_cursor *c, struct pl_script_value *out);
/* `+n` or `-n` right behind a symbol; 0 when there is none. */
bool pl_cursor_offset(struct pl_script_cursor *c, uint64_t *out);
bool pl_cursor_hex(struct pl_script_cursor *c, uint8_t *out, uint32_t cap, uint32_t *len);
bool pl_cursor_address(struct pl_script_cursor *c, struct plait_addr *out);

/* script_segment.c: what follows `<` or `>`. */
bool pl_script_parse_segment(struct pl_script_cursor *c, bool in, struct pl_script_segment *out);
/* script_setting.c: a line without a time. */
bool pl_script_parse_setting(struct pl_script_cursor *c);
/* Index of a flow by name, or -1. */
int pl_script_flow_find(const struct pl_script_program *program, const char *name);
/* script_names.c: option, counter, event, error, field names; -1 when there is none. */
int pl_script_option_find(const char *name);
const char *pl_script_option_name(unsigned option); /* NULL: it was given none */
int pl_script_counter_find(const char *name);
int pl_script_event_find(const char *name);
const char *pl_script_event_name(unsigned event);
bool pl_script_error_find(const char *name, int64_t *out);
int pl_script_info_find(const char *name);
int pl_script_stats_find(const char *name);

#endif
