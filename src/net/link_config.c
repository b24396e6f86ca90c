/* net/link_config.c - the text form of a link's settings.
 *
 * The text is a sequence of words. Every keyword has a row in a table: its name, and a function
 * that consumes the keyword's arguments. A function that meets a word it cannot use as an optional
 * argument leaves it, so that it is tried as the next keyword. Numbers are decimal fixed point
 * throughout: a value and a unit that must come out as a whole number of bits/s, ns or ppm. */
#include "net/link_config.h"

#include <string.h>

#include "base/assert.h"
#include "net/text.h"

struct word {
    const char *at;
    size_t len;
};

struct parser {
    const char *rest;
    struct word keyword; /* being served */
    struct pl_link_config config;
    struct pl_text *error;
};

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit rate_units[] = {
    {"", 1},
    {"bit", 1},
    {"kbit", 1000},
    {"mbit", 1000000},
    {"gbit", 1000000000},
    {"tbit", UINT64_C(1000000000000)},
    {"bps", 8},
    {"kbps", 8000},
    {"mbps", 8000000},
    {"gbps", UINT64_C(8000000000)},
    {"tbps", UINT64_C(8000000000000)},
    {NULL, 0},
};
static const struct unit time_units[] = {
    {"s", PLAIT_NS_PER_S}, {"ms", PLAIT_NS_PER_MS}, {"us", PLAIT_NS_PER_US}, {"ns", 1}, {NULL, 0},
};
static const struct unit percent_units[] = {{"%", 10000}, {"", 10000}, {NULL, 0}};
static const struct unit count_units[] = {{"", 1}, {NULL, 0}};
static const struct unit size_units[] = {{"", 1},          {"b", 1},           {"k", 1024},
                                         {"kb", 1024},     {"m", 1024 * 1024}, {"mb", 1024 * 1024},
                                         {"g", 1U << 30U}, {"gb", 1U << 30U},  {NULL, 0}};

void pl_link_config_init(struct pl_link_config *config) {
    PL_ASSERT(config != NULL);
    memset(config, 0, sizeof *config);
    config->limit_packets = PL_LINK_LIMIT_PACKETS_DEFAULT;
}

const char *pl_link_config_error(const struct pl_link_config *config) {
    PL_ASSERT(config != NULL);
    if (config->rate_bps > PL_LINK_RATE_MAX) {
        return "the rate is over 10 Tbit/s";
    }
    if (config->rate_bps != 0 && (config->trace != NULL || config->trace_name.data != NULL)) {
        return "a link has a rate or a trace, not both";
    }
    if (config->delay_ns > PL_LINK_DELAY_MAX || config->jitter_ns > PL_LINK_DELAY_MAX) {
        return "a delay is over one hour";
    }
    if (config->overhead_bytes > PL_LINK_OVERHEAD_MAX) {
        return "the overhead is over 65535 bytes";
    }
    if (!pl_loss_config_valid(&config->loss) || config->reorder_ppm > PL_PPM_ONE ||
        config->duplicate_ppm > PL_PPM_ONE || config->corrupt_ppm > PL_PPM_ONE ||
        config->jitter_correlation_ppm > PL_PPM_ONE) {
        return "a probability is over 100%";
    }
    if (config->reorder_ppm != 0 && config->delay_ns == 0) {
        return "reorder needs a delay that packets can skip";
    }
    return NULL;
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static struct word peek(const struct parser *parser) {
    const char *at = parser->rest;
    while (is_space(*at)) {
        at++;
    }
    struct word word = {.at = at, .len = 0};
    while (at[word.len] != '\0' && !is_space(at[word.len])) {
        word.len++;
    }
    return word;
}

static struct word take(struct parser *parser) {
    struct word word = peek(parser);
    parser->rest = word.at + word.len;
    return word;
}

static bool word_is(struct word word, const char *name) {
    return strlen(name) == word.len && memcmp(word.at, name, word.len) == 0;
}

static int fail(const struct parser *parser, const char *what, struct word got) {
    pl_text_add_bytes(parser->error, parser->keyword.at, parser->keyword.len);
    pl_text_add(parser->error, ": ");
    pl_text_add(parser->error, what);
    if (got.at != NULL) {
        pl_text_add(parser->error, got.len == 0 ? ", but the text ends" : ", not \"");
        pl_text_add_bytes(parser->error, got.at, got.len);
        pl_text_add(parser->error, got.len == 0 ? "" : "\"");
    }
    return PLAIT_E_BAD_ARGUMENT;
}

/* Makes *value into *value * factor + more, or returns false when that does not fit. */
static bool mul_add(uint64_t *value, uint64_t factor, uint64_t more) {
    if (*value != 0 && factor > (UINT64_MAX - more) / *value) {
        return false;
    }
    *value = *value * factor + more;
    return true;
}

static uint64_t factor_of(struct word name, const struct unit *units) {
    for (; units->name != NULL; units++) {
        if (word_is(name, units->name)) {
            return units->factor;
        }
    }
    return 0;
}

/* Reads "12.5ms" with one of the units as a whole multiple of the unit with factor 1. */
static bool quantity(struct word word, const struct unit *units, uint64_t *out) {
    uint64_t value = 0, scale = 1;
    size_t at = 0, digits = 0;
    bool point = false;
    for (; at < word.len; at++) {
        char c = word.at[at];
        if (c == '.' && !point) {
            point = true;
            continue;
        }
        if (c < '0' || c > '9') {
            break;
        }
        if (!mul_add(&value, 10, (uint64_t)(c - '0')) || (point && !mul_add(&scale, 10, 0))) {
            return false;
        }
        digits++;
    }
    struct word name = {word.at + at, word.len - at};
    uint64_t factor = factor_of(name, units);
    if (digits == 0 || (factor == 0 && (value != 0 || name.len != 0))) {
        return false;
    }
    if (!mul_add(&value, factor, 0) || value % scale != 0) {
        return false;
    }
    *out = value / scale;
    return true;
}

static int take_rate(struct parser *parser) {
    struct word word = take(parser);
    if (!quantity(word, rate_units, &parser->config.rate_bps)) {
        return fail(parser, "expected a rate like 20mbit", word);
    }
    return PLAIT_OK;
}

static int take_count(struct parser *parser, uint32_t *out) {
    struct word word = take(parser);
    uint64_t value = 0;
    if (!quantity(word, count_units, &value) || value > UINT32_MAX) {
        return fail(parser, "expected a number", word);
    }
    *out = (uint32_t)value;
    return PLAIT_OK;
}

static bool percent(struct word word, uint32_t *ppm) {
    uint64_t value = 0;
    if (!quantity(word, percent_units, &value) || value > PL_PPM_ONE) {
        return false;
    }
    *ppm = (uint32_t)value;
    return true;
}

static int take_percent(struct parser *parser, uint32_t *ppm) {
    struct word word = take(parser);
    if (!percent(word, ppm)) {
        return fail(parser, "expected a percentage (0.0001% to 100%)", word);
    }
    return PLAIT_OK;
}

/* An optional further argument: any word that starts like a number must be one. */
static bool more_numbers(const struct parser *parser) {
    struct word word = peek(parser);
    return word.len > 0 && ((word.at[0] >= '0' && word.at[0] <= '9') || word.at[0] == '.');
}

static int take_time(struct parser *parser, uint64_t *ns) {
    struct word word = take(parser);
    if (!quantity(word, time_units, ns)) {
        return fail(parser, "expected a time with its unit like 10ms", word);
    }
    return PLAIT_OK;
}

static int take_delay(struct parser *parser) {
    int rc = take_time(parser, &parser->config.delay_ns);
    parser->config.jitter_ns = 0;
    parser->config.jitter_correlation_ppm = 0;
    if (rc == PLAIT_OK && more_numbers(parser)) {
        rc = take_time(parser, &parser->config.jitter_ns);
        if (rc == PLAIT_OK && more_numbers(parser)) {
            rc = take_percent(parser, &parser->config.jitter_correlation_ppm);
        }
    }
    return rc;
}

static int take_gemodel(struct parser *parser, struct pl_loss_config *loss) {
    loss->model = PL_LOSS_GEMODEL;
    loss->bad_loss_ppm = PL_PPM_ONE;
    int rc = take_percent(parser, &loss->to_bad_ppm);
    loss->to_good_ppm = rc == PLAIT_OK ? PL_PPM_ONE - loss->to_bad_ppm : 0;
    uint32_t *const optional[] = {&loss->to_good_ppm, &loss->bad_loss_ppm, &loss->good_loss_ppm};
    for (unsigned i = 0; i < 3 && rc == PLAIT_OK && more_numbers(parser); i++) {
        rc = take_percent(parser, optional[i]);
    }
    return rc;
}

static int take_loss(struct parser *parser) {
    struct pl_loss_config *loss = &parser->config.loss;
    memset(loss, 0, sizeof *loss);
    if (word_is(peek(parser), "gemodel")) {
        (void)take(parser);
        return take_gemodel(parser, loss);
    }
    if (word_is(peek(parser), "random")) {
        (void)take(parser);
    }
    int rc = take_percent(parser, &loss->random_ppm);
    loss->model = loss->random_ppm != 0 ? PL_LOSS_RANDOM : PL_LOSS_NONE;
    return rc;
}

static int take_reorder(struct parser *parser) {
    int rc = take_percent(parser, &parser->config.reorder_ppm);
    parser->config.reorder_gap = 0;
    if (rc == PLAIT_OK && word_is(peek(parser), "gap")) {
        (void)take(parser);
        rc = take_count(parser, &parser->config.reorder_gap);
    }
    return rc;
}

static int take_duplicate(struct parser *parser) {
    return take_percent(parser, &parser->config.duplicate_ppm);
}

static int take_corrupt(struct parser *parser) {
    return take_percent(parser, &parser->config.corrupt_ppm);
}

static int take_limit(struct parser *parser) {
    return take_count(parser, &parser->config.limit_packets);
}

static int take_limit_bytes(struct parser *parser) {
    struct word word = take(parser);
    if (!quantity(word, size_units, &parser->config.limit_bytes)) {
        return fail(parser, "expected a number of bytes", word);
    }
    return PLAIT_OK;
}

static int take_mark_bytes(struct parser *parser) {
    struct word word = take(parser);
    if (!quantity(word, size_units, &parser->config.mark_bytes)) {
        return fail(parser, "expected a number of bytes", word);
    }
    return PLAIT_OK;
}

static int take_mtu(struct parser *parser) {
    return take_count(parser, &parser->config.mtu);
}

static int take_overhead(struct parser *parser) {
    return take_count(parser, &parser->config.overhead_bytes);
}

static int take_trace(struct parser *parser) {
    struct word word = take(parser);
    if (word.len == 0 || word.len > UINT32_MAX) {
        return fail(parser, "expected the name of a trace", word);
    }
    parser->config.trace = NULL;
    parser->config.trace_name =
        (struct plait_slice){.data = (const uint8_t *)word.at, .len = (uint32_t)word.len};
    return PLAIT_OK;
}

static int take_down(struct parser *parser) {
    parser->config.down = true;
    return PLAIT_OK;
}

enum keyword_id { KEY_LIMIT, KEY_LIMIT_BYTES, KEY_OTHER };
static const struct keyword {
    const char *name;
    int (*take)(struct parser *parser);
} keywords[] = {
    [KEY_LIMIT] = {"limit", take_limit},
    [KEY_LIMIT_BYTES] = {"limit-bytes", take_limit_bytes},
    [KEY_OTHER] = {"rate", take_rate},
    {"trace", take_trace},
    {"overhead", take_overhead},
    {"mark-bytes", take_mark_bytes},
    {"mtu", take_mtu},
    {"delay", take_delay},
    {"loss", take_loss},
    {"reorder", take_reorder},
    {"duplicate", take_duplicate},
    {"corrupt", take_corrupt},
    {"down", take_down},
};
#define KEYWORD_COUNT (sizeof keywords / sizeof keywords[0])

static int take_keyword(struct parser *parser, uint32_t *seen) {
    parser->keyword = take(parser);
    struct word nothing = {NULL, 0};
    for (unsigned i = 0; i < KEYWORD_COUNT; i++) {
        if (!word_is(parser->keyword, keywords[i].name)) {
            continue;
        }
        if ((*seen & 1U << i) != 0) {
            return fail(parser, "given twice", nothing);
        }
        *seen |= 1U << i;
        return keywords[i].take(parser);
    }
    return fail(parser, "not a word of a link's settings", nothing);
}

int pl_link_parse(const char *text, struct pl_link_config *config, char *error, size_t error_size) {
    PL_ASSERT(text != NULL);
    PL_ASSERT(config != NULL);
    struct pl_text message;
    pl_text_init(&message, error, error_size);
    struct parser parser = {.rest = text, .error = &message};
    uint32_t seen = 0;
    pl_link_config_init(&parser.config);
    while (peek(&parser).len > 0) {
        int rc = take_keyword(&parser, &seen);
        if (rc != PLAIT_OK) {
            return rc;
        }
    }
    if ((seen & 1U << KEY_LIMIT_BYTES) != 0 && (seen & 1U << KEY_LIMIT) == 0) {
        parser.config.limit_packets = 0;
    }
    const char *wrong = pl_link_config_error(&parser.config);
    if (wrong != NULL) {
        pl_text_add(&message, wrong);
        return PLAIT_E_BAD_ARGUMENT;
    }
    *config = parser.config;
    return PLAIT_OK;
}

/* ---- the other way ---- */

static void add_key(struct pl_text *text, const char *name) {
    pl_text_add(text, text->len == 0 ? "" : " ");
    pl_text_add(text, name);
}

/* The largest of `units` (sorted by size, largest first) of which the value is a whole multiple. */
static void add_units(struct pl_text *text, uint64_t value, const struct unit *units) {
    while (units->factor > 1 && (value == 0 || value % units->factor != 0)) {
        units++;
    }
    pl_text_add(text, " ");
    pl_text_add_number(text, value / units->factor);
    pl_text_add(text, units->name);
}

static void add_time(struct pl_text *text, uint64_t ns) {
    add_units(text, ns, time_units);
}

static void add_percent(struct pl_text *text, uint32_t ppm) {
    pl_text_add(text, " ");
    pl_text_add_decimal(text, ppm, 4);
    pl_text_add(text, "%");
}

static void add_key_percent(struct pl_text *text, const char *name, uint32_t ppm) {
    if (ppm != 0) {
        add_key(text, name);
        add_percent(text, ppm);
    }
}

static void add_key_number(struct pl_text *text, const char *name, uint64_t value) {
    add_key(text, name);
    pl_text_add(text, " ");
    pl_text_add_number(text, value);
}

static void format_rate(struct pl_text *text, const struct pl_link_config *config) {
    static const struct unit units[] = {
        {"gbit", 1000000000}, {"mbit", 1000000}, {"kbit", 1000}, {"bit", 1}};
    if (config->rate_bps != 0) {
        add_key(text, "rate");
        add_units(text, config->rate_bps, units);
    }
    if (config->trace_name.data != NULL) {
        add_key(text, "trace ");
        pl_text_add_bytes(text, (const char *)config->trace_name.data, config->trace_name.len);
    }
    if (config->overhead_bytes != 0) {
        add_key_number(text, "overhead", config->overhead_bytes);
    }
}

static void format_limits(struct pl_text *text, const struct pl_link_config *config) {
    if (config->limit_bytes != 0) {
        add_key_number(text, "limit-bytes", config->limit_bytes);
    }
    uint32_t limit_packets = config->limit_bytes != 0 ? 0 : PL_LINK_LIMIT_PACKETS_DEFAULT;
    if (config->limit_packets != limit_packets) {
        add_key_number(text, "limit", config->limit_packets);
    }
    if (config->mark_bytes != 0) {
        add_key_number(text, "mark-bytes", config->mark_bytes);
    }
    if (config->mtu != 0) {
        add_key_number(text, "mtu", config->mtu);
    }
}

static void format_delay(struct pl_text *text, const struct pl_link_config *config) {
    if (config->delay_ns == 0 && config->jitter_ns == 0) {
        return;
    }
    add_key(text, "delay");
    add_time(text, config->delay_ns);
    if (config->jitter_ns != 0) {
        add_time(text, config->jitter_ns);
        if (config->jitter_correlation_ppm != 0) {
            add_percent(text, config->jitter_correlation_ppm);
        }
    }
}

static void format_loss(struct pl_text *text, const struct pl_loss_config *loss) {
    if (loss->model == PL_LOSS_RANDOM) {
        add_key_percent(text, "loss", loss->random_ppm);
    }
    if (loss->model == PL_LOSS_GEMODEL) {
        add_key(text, "loss gemodel");
        add_percent(text, loss->to_bad_ppm);
        add_percent(text, loss->to_good_ppm);
        add_percent(text, loss->bad_loss_ppm);
        add_percent(text, loss->good_loss_ppm);
    }
}

size_t pl_link_format(const struct pl_link_config *config, char *out, size_t size) {
    PL_ASSERT(config != NULL);
    struct pl_text text;
    pl_text_init(&text, out, size);
    format_rate(&text, config);
    format_delay(&text, config);
    format_loss(&text, &config->loss);
    add_key_percent(&text, "reorder", config->reorder_ppm);
    if (config->reorder_ppm != 0 && config->reorder_gap > 1) {
        add_key_number(&text, "gap", config->reorder_gap);
    }
    add_key_percent(&text, "duplicate", config->duplicate_ppm);
    add_key_percent(&text, "corrupt", config->corrupt_ppm);
    format_limits(&text, config);
    if (config->down) {
        add_key(&text, "down");
    }
    return text.len;
}
