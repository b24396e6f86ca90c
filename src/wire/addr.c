/* Text forms of addresses: what inet_pton() takes, what RFC 5952 recommends to print. The core has
 * no C library to do it. */
#include "wire/addr.h"

#include <string.h>

#include "base/assert.h"

enum { GROUPS = 8 };

bool pl_addr_equal(const struct plait_addr *a, const struct plait_addr *b) {
    return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

static bool v4_is_host(const uint8_t *b) {
    return b[0] != 0 && b[0] != 127 && b[0] < 224;
}

static bool v6_is_host(const uint8_t *b) {
    static const uint8_t zero[15];
    bool zero_or_loopback = memcmp(b, zero, sizeof(zero)) == 0 && b[15] <= 1;
    bool v4_mapped = memcmp(b, zero, 10) == 0 && b[10] == 0xff && b[11] == 0xff;
    return b[0] != 0xff && !zero_or_loopback && !v4_mapped;
}

bool pl_addr_is_host(const struct plait_addr *addr) {
    PL_ASSERT(addr != NULL);
    if (addr->family == PLAIT_IPV4) {
        return v4_is_host(addr->bytes);
    }
    return addr->family == PLAIT_IPV6 && v6_is_host(addr->bytes);
}

/* ---- parsing ---- */

/* Four decimal numbers of 0..255 without leading zeros, and nothing behind them. */
static bool parse_v4(const char *text, uint8_t out[4]) {
    for (int i = 0; i < 4; i++) {
        unsigned value = 0, digits = 0;
        for (; *text >= '0' && *text <= '9'; text++, digits++) {
            if ((digits > 0 && value == 0) || digits == 3) {
                return false;
            }
            value = 10 * value + (unsigned)(*text - '0');
        }
        if (digits == 0 || value > 255 || *text != (i < 3 ? '.' : '\0')) {
            return false;
        }
        out[i] = (uint8_t)value;
        text++;
    }
    return true;
}

static int hex_value(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Up to four hexadecimal digits at *text; returns how many there were. */
static unsigned parse_group(const char **text, uint16_t *out) {
    unsigned value = 0, digits = 0;
    for (; digits < 4 && hex_value(**text) >= 0; (*text)++, digits++) {
        value = value << 4 | (unsigned)hex_value(**text);
    }
    *out = (uint16_t)value;
    return digits;
}

struct groups {
    uint16_t at[GROUPS];
    int count;
    int gap; /* index of the group that follows "::", -1 if there is none */
};

/* Reads one group, or the IPv4 address that may take the place of the last two. */
static bool parse_piece(const char **text, struct groups *g) {
    const char *start = *text;
    uint8_t v4[4];
    if (g->count <= GROUPS - 2 && parse_v4(start, v4)) {
        g->at[g->count++] = (uint16_t)(v4[0] << 8 | v4[1]);
        g->at[g->count++] = (uint16_t)(v4[2] << 8 | v4[3]);
        while (**text != '\0') {
            (*text)++;
        }
        return true;
    }
    return g->count < GROUPS && parse_group(text, &g->at[g->count++]) > 0;
}

static bool parse_groups(const char *text, struct groups *g) {
    if (text[0] == ':' && text[1] == ':') {
        g->gap = 0;
        text += 2;
    }
    while (*text != '\0') {
        if (!parse_piece(&text, g)) {
            return false;
        }
        if (*text == '\0') {
            break;
        }
        if (*text != ':' || text[1] == '\0') {
            return false;
        }
        text++;
        if (*text == ':') {
            if (g->gap >= 0) {
                return false;
            }
            g->gap = g->count;
            text++;
        }
    }
    return g->gap >= 0 ? g->count < GROUPS : g->count == GROUPS;
}

static bool parse_v6(const char *text, uint8_t out[16]) {
    struct groups g = {.gap = -1};
    if (!parse_groups(text, &g)) {
        return false;
    }
    int zeros = GROUPS - g.count;
    PL_ASSERT(zeros >= 0);
    for (int i = 0; i < g.count; i++) {
        int to = g.gap >= 0 && i >= g.gap ? i + zeros : i;
        out[2 * to] = (uint8_t)(g.at[i] >> 8);
        out[2 * to + 1] = (uint8_t)g.at[i];
    }
    return true;
}

bool pl_addr_parse(const char *text, struct plait_addr *out) {
    struct plait_addr addr = {.family = PLAIT_IPV4};
    if (!parse_v4(text, addr.bytes)) {
        addr = (struct plait_addr){.family = PLAIT_IPV6};
        if (!parse_v6(text, addr.bytes)) {
            return false;
        }
    }
    *out = addr;
    return true;
}

/* ---- formatting ---- */

static char *put_decimal(char *out, unsigned value) {
    PL_ASSERT(value <= 255);
    if (value >= 100) {
        *out++ = (char)('0' + value / 100);
    }
    if (value >= 10) {
        *out++ = (char)('0' + value / 10 % 10);
    }
    *out++ = (char)('0' + value % 10);
    return out;
}

static char *put_v4(char *out, const uint8_t *bytes) {
    for (int i = 0; i < 4; i++) {
        out = put_decimal(out, bytes[i]);
        *out++ = i < 3 ? '.' : '\0';
    }
    return out;
}

static char *put_hex(char *out, unsigned value) {
    bool started = false;
    for (int shift = 12; shift >= 0; shift -= 4) {
        unsigned digit = value >> shift & 15;
        started = started || digit != 0 || shift == 0;
        if (started) {
            *out++ = (char)(digit < 10 ? '0' + digit : 'a' + digit - 10);
        }
    }
    return out;
}

/* The first of the longest runs of two zero groups or more; *len is 0 if there is none. */
static int zero_run(const uint8_t *bytes, int *len) {
    int best = -1;
    *len = 0;
    for (int i = 0, run = 0; i < GROUPS; i++) {
        run = bytes[2 * i] == 0 && bytes[2 * i + 1] == 0 ? run + 1 : 0;
        if (run >= 2 && run > *len) {
            *len = run;
            best = i - run + 1;
        }
    }
    return best;
}

static void format_v6(const uint8_t *bytes, char *out) {
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    int run_len;
    int run = zero_run(bytes, &run_len);
    bool is_mapped = memcmp(bytes, mapped, sizeof(mapped)) == 0;
    for (int i = 0; i < GROUPS; i++) {
        if (i == run) {
            *out++ = ':';
            if (i + run_len == GROUPS) {
                *out++ = ':';
            }
            i += run_len - 1;
            continue;
        }
        if (i > 0) {
            *out++ = ':';
        }
        if (is_mapped && i == 6) {
            put_v4(out, bytes + 12);
            return;
        }
        out = put_hex(out, (unsigned)bytes[2 * i] << 8 | bytes[2 * i + 1]);
    }
    *out = '\0';
}

void pl_addr_format(const struct plait_addr *addr, char out[PL_ADDR_TEXT]) {
    if (addr->family == PLAIT_IPV4) {
        put_v4(out, addr->bytes);
        return;
    }
    if (addr->family == PLAIT_IPV6) {
        format_v6(addr->bytes, out);
        return;
    }
    memcpy(out, "none", 5);
}
