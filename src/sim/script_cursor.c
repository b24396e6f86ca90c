#include "sim/script_cursor.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "wire/addr.h"

bool pl_cursor_fail(struct pl_script_cursor *c, const char *format, ...) {
    struct pl_script_program *program = c->program;
    if (program->error_line == 0) {
        va_list args;
        va_start(args, format);
        vsnprintf(program->error, sizeof(program->error), format, args);
        va_end(args);
        program->error_line = c->line;
    }
    return false;
}

void pl_cursor_blank(struct pl_script_cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\r')) {
        c->at++;
    }
}

bool pl_cursor_done(struct pl_script_cursor *c) {
    pl_cursor_blank(c);
    return c->at == c->end;
}

char pl_cursor_peek(struct pl_script_cursor *c) {
    pl_cursor_blank(c);
    return c->at == c->end ? '\0' : *c->at;
}

bool pl_cursor_char(struct pl_script_cursor *c, char wanted) {
    if (pl_cursor_peek(c) != wanted || wanted == '\0') {
        return false;
    }
    c->at++;
    return true;
}

bool pl_cursor_literal(struct pl_script_cursor *c, const char *wanted) {
    size_t len = strlen(wanted);
    pl_cursor_blank(c);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, wanted, len) != 0) {
        return false;
    }
    c->at += len;
    return true;
}

static bool is_word_char(char ch) {
    return isalnum((unsigned char)ch) || ch == '_' || ch == '-';
}

bool pl_cursor_word(struct pl_script_cursor *c, char out[PL_SCRIPT_NAME]) {
    size_t len = 0;
    if (!isalpha((unsigned char)pl_cursor_peek(c))) {
        return false;
    }
    while (c->at + len < c->end && is_word_char(c->at[len])) {
        len++;
    }
    if (len >= PL_SCRIPT_NAME) {
        return false;
    }
    memcpy(out, c->at, len);
    out[len] = '\0';
    c->at += len;
    return true;
}

bool pl_cursor_is(struct pl_script_cursor *c, const char *word) {
    const char *before = c->at;
    char next[PL_SCRIPT_NAME];
    if (pl_cursor_word(c, next) && strcmp(next, word) == 0) {
        return true;
    }
    c->at = before;
    return false;
}

static int digit_of(char ch) {
    if (ch >= '0' && ch <= '9') {
        return ch - '0';
    }
    ch = (char)tolower((unsigned char)ch);
    return ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

bool pl_cursor_number(struct pl_script_cursor *c, uint64_t max, uint64_t *out) {
    bool hex = pl_cursor_literal(c, "0x");
    uint64_t base = hex ? 16 : 10, value = 0;
    const char *start = c->at;
    while (c->at < c->end) {
        int digit = digit_of(*c->at);
        if (digit < 0 || (uint64_t)digit >= base) {
            break;
        }
        if (value > (UINT64_MAX - (uint64_t)digit) / base) {
            return pl_cursor_fail(c, "the number is too large");
        }
        value = value * base + (uint64_t)digit;
        c->at++;
    }
    if (c->at == start) {
        return pl_cursor_fail(c, "want a number, not '%.*s'", (int)(c->end - c->at), c->at);
    }
    if (value > max) {
        return pl_cursor_fail(c, "%llu is too large here: %llu at most", (unsigned long long)value,
                              (unsigned long long)max);
    }
    *out = value;
    return true;
}

/* The decimals behind a point, as nanoseconds of a second of `unit` ns. */
static bool decimals(struct pl_script_cursor *c, uint64_t *billionths) {
    uint64_t place = 100000000;
    *billionths = 0;
    while (c->at < c->end && isdigit((unsigned char)*c->at)) {
        if (place == 0) {
            return pl_cursor_fail(c, "a time has nine decimals at most");
        }
        *billionths += (uint64_t)(*c->at - '0') * place;
        place /= 10;
        c->at++;
    }
    return true;
}

bool pl_cursor_time(struct pl_script_cursor *c, plait_time *out) {
    uint64_t whole = 0, part = 0, unit = PLAIT_NS_PER_S;
    if (!pl_cursor_number(c, UINT64_C(1000000000), &whole)) {
        return false;
    }
    /* `0.1..0.2` is a range. */
    if (c->end - c->at >= 2 && c->at[0] == '.' && c->at[1] != '.') {
        c->at++;
        if (!decimals(c, &part)) {
            return false;
        }
    }
    if (c->end - c->at >= 2 && c->at[1] == 's' && strchr("mun", c->at[0]) != NULL) {
        unit = c->at[0] == 'm' ? PLAIT_NS_PER_MS : c->at[0] == 'u' ? PLAIT_NS_PER_US : 1;
        c->at += 2;
    } else if (c->at < c->end && c->at[0] == 's') {
        c->at++;
    }
    *out = whole * unit + part * unit / PLAIT_NS_PER_S;
    return true;
}

static bool variable(struct pl_script_cursor *c, struct pl_script_value *out) {
    struct pl_script_program *program = c->program;
    char name[PL_SCRIPT_NAME];
    unsigned i = 0;
    if (!pl_cursor_word(c, name)) {
        return pl_cursor_fail(c, "want a name behind `$`");
    }
    while (i < program->variable_count && strcmp(program->variables[i], name) != 0) {
        i++;
    }
    if (i == PL_SCRIPT_VARIABLES_MAX) {
        return pl_cursor_fail(c, "too many variables: %d at most", PL_SCRIPT_VARIABLES_MAX);
    }
    if (i == program->variable_count) {
        memcpy(program->variables[i], name, sizeof(name));
        program->variable_count++;
    }
    out->kind = PL_VALUE_VARIABLE;
    out->variable = (uint8_t)i;
    return true;
}

bool pl_cursor_offset(struct pl_script_cursor *c, uint64_t *out) {
    uint64_t value = 0;
    if (c->at == c->end || (*c->at != '+' && *c->at != '-')) {
        return true;
    }
    bool minus = *c->at++ == '-';
    if (!pl_cursor_number(c, UINT64_MAX, &value)) {
        return false;
    }
    *out = minus ? 0 - value : value;
    return true;
}

bool pl_cursor_value(struct pl_script_cursor *c, struct pl_script_value *out) {
    *out = (struct pl_script_value){.kind = PL_VALUE_NUMBER};
    if (pl_cursor_char(c, '*')) {
        out->kind = PL_VALUE_ANY;
        return true;
    }
    if (pl_cursor_char(c, '$')) {
        return variable(c, out) && pl_cursor_offset(c, &out->number);
    }
    if (pl_cursor_literal(c, "auto")) {
        out->kind = PL_VALUE_AUTO;
        return pl_cursor_offset(c, &out->number);
    }
    out->absolute = pl_cursor_char(c, '@');
    bool minus = pl_cursor_char(c, '-');
    if (!pl_cursor_number(c, UINT64_MAX, &out->number)) {
        return false;
    }
    out->number = minus ? 0 - out->number : out->number;
    return true;
}

bool pl_cursor_hex(struct pl_script_cursor *c, uint8_t *out, uint32_t cap, uint32_t *len) {
    *len = 0;
    pl_cursor_blank(c);
    while (c->end - c->at >= 2 && digit_of(c->at[0]) >= 0 && digit_of(c->at[1]) >= 0) {
        if (*len == cap) {
            return pl_cursor_fail(c, "too many bytes: %u at most", cap);
        }
        out[(*len)++] = (uint8_t)(digit_of(c->at[0]) << 4 | digit_of(c->at[1]));
        c->at += 2;
    }
    if (*len == 0 || (c->at < c->end && isalnum((unsigned char)*c->at))) {
        return pl_cursor_fail(c, "want bytes as pairs of hexadecimal digits");
    }
    return true;
}

bool pl_cursor_address(struct pl_script_cursor *c, struct plait_addr *out) {
    char text[PL_ADDR_TEXT];
    size_t len = 0;
    pl_cursor_blank(c);
    while (c->at + len < c->end && len + 1 < sizeof(text) &&
           (isxdigit((unsigned char)c->at[len]) || c->at[len] == '.' || c->at[len] == ':')) {
        text[len] = c->at[len];
        len++;
    }
    text[len] = '\0';
    if (!pl_addr_parse(text, out)) {
        return pl_cursor_fail(c, "'%s' is no IP address", text);
    }
    c->at += len;
    return true;
}
