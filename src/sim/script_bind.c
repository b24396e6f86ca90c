/* Symbols of a segment -> numbers of the wire. Sequence numbers are relative to the initial one of
 * their side and flow, data sequence numbers to that of their side and connection. */
#include <string.h>

#include "base/bytes.h"
#include "mptcp/keys.h"
#include "sim/pattern.h"
#include "sim/script_state.h"
#include "wire/checksum.h"
#include "wire/tcp.h"

/* Who sends a segment is who[0] of connection arrays, who receives it who[1]. */
struct sides {
    unsigned sender, receiver;
};

static struct sides sides_of(bool in) {
    return in ? (struct sides){1, 0} : (struct sides){0, 1};
}

uint64_t pl_script_pattern(const struct pl_script_run *run, bool in) {
    return run->program->seed * 2 + (in ? 1 : 0);
}

const struct pl_script_option *pl_script_find_option(const struct pl_script_segment *segment,
                                                     const char *name) {
    for (unsigned i = 0; i < segment->option_count; i++) {
        if (strcmp(segment->options[i].form->name, name) == 0) {
            return &segment->options[i];
        }
    }
    return NULL;
}

const struct pl_script_value *pl_script_find_field(const struct pl_script_option *option,
                                                   const char *key) {
    int field = option == NULL ? -1 : pl_script_form_field(option->form, key);
    return field < 0 ? NULL : &option->values[field];
}

/* ---- what is learnt ---- */

static bool known_number(const struct pl_script_value *value) {
    return value != NULL && value->kind == PL_VALUE_NUMBER;
}

/* The data sequence number next to `near` that has these low 32 bits. */
static uint64_t expand(uint64_t near, uint32_t low) {
    return near + (uint64_t)(int64_t)(int32_t)(low - (uint32_t)near);
}

/* Version 0 has other hashes: when a later segment settles for it, they change. */
static void learn_key(struct pl_script_run *run, struct pl_script_connection *conn, unsigned side,
                      const struct plait_mptcp_version *version, uint64_t key) {
    pl_seq64 idsn;
    if (conn->known[side] && conn->version == version) {
        return;
    }
    conn->key[side] = conn->known[side] ? conn->key[side] : key;
    conn->known[side] = true;
    conn->version = version;
    pl_key_hash(version, &run->hashes, conn->key[side], &conn->token[side], &idsn);
    conn->idsn[side] = idsn.v;
    conn->dsn_end[side] = idsn.v + 1;
}

void pl_script_know_peer(struct pl_script_run *run, struct pl_script_connection *conn,
                         uint64_t key) {
    bool is_v0 = run->program->config.versions == PLAIT_MPTCP_V0;
    learn_key(run, conn, 1, is_v0 ? &plait_mptcp_v0 : &pl_mptcp_v1, key);
    conn->known[1] = false; /* the stack may still hear of another one */
}

static void learn_mptcp(struct pl_script_run *run, struct pl_script_flow *flow, bool in,
                        const struct pl_script_segment *segment) {
    struct pl_script_connection *conn = &run->connections[flow->setting->connection];
    unsigned sender = sides_of(in).sender;
    const struct pl_script_option *capable = pl_script_find_option(segment, "mp_capable");
    const struct pl_script_value *key = pl_script_find_field(capable, "key");
    const struct pl_script_value *version = pl_script_find_field(capable, "v");
    const struct pl_script_value *nonce =
        pl_script_find_field(pl_script_find_option(segment, "mp_join"), "nonce");
    const struct pl_script_option *dss = pl_script_find_option(segment, "dss");
    const struct pl_script_value *dsn = pl_script_find_field(dss, "dsn8");
    const struct pl_script_value *len = pl_script_find_field(dss, "len");
    if (known_number(key)) {
        bool is_v0 = known_number(version) && version->number == 0;
        learn_key(run, conn, sender, is_v0 ? &plait_mptcp_v0 : &pl_mptcp_v1, key->number);
    }
    if (known_number(nonce)) {
        *(in ? &flow->nonce_remote : &flow->nonce_local) = (uint32_t)nonce->number;
    }
    dsn = dsn != NULL ? dsn : pl_script_find_field(dss, "dsn4");
    if (known_number(dsn) && known_number(len)) {
        uint64_t end = expand(conn->dsn_end[sender], (uint32_t)dsn->number) + len->number;
        conn->dsn_end[sender] =
            (int64_t)(end - conn->dsn_end[sender]) > 0 ? end : conn->dsn_end[sender];
    }
}

/* What a SYN/ACK acknowledges of the SYN's payload has no data sequence numbers (RFC 8684
 * appendix B.2). */
static void learn_early(struct pl_script_run *run, const struct pl_script_flow *flow, bool in,
                        const struct pl_script_segment *syn_ack) {
    struct pl_script_connection *conn = &run->connections[flow->setting->connection];
    uint32_t isn = in ? flow->isn_local : flow->isn_remote;
    if (pl_script_find_option(syn_ack, "mp_capable") != NULL) {
        conn->early[sides_of(in).receiver] = (uint32_t)syn_ack->ack.number - isn - 1;
    }
}

void pl_script_learn(struct pl_script_run *run, unsigned index, bool in,
                     const struct pl_script_segment *segment) {
    struct pl_script_flow *flow = &run->flows[index];
    const struct pl_script_value *val =
        pl_script_find_field(pl_script_find_option(segment, "TS"), "val");
    if (!in && (segment->flags & PL_TCP_SYN) != 0 && !flow->isn_known) {
        flow->isn_local = (uint32_t)segment->seq.number;
        flow->isn_known = true;
    }
    if ((segment->flags & PL_TCP_SYN) != 0 && (segment->flags & PL_TCP_ACK) != 0) {
        learn_early(run, flow, in, segment);
    }
    if (known_number(val)) {
        *(in ? &flow->ts_remote : &flow->ts_local) = (uint32_t)val->number;
    }
    learn_mptcp(run, flow, in, segment);
}

/* ---- what `auto` is ---- */

struct context {
    struct pl_script_run *run;
    const struct pl_script_line *line;
    struct pl_script_flow *flow;
    struct pl_script_connection *conn;
    struct pl_script_segment *segment; /* being bound; its numbers without options are */
    bool in;
    struct sides sides;
};

static uint32_t isn_of(const struct context *x, unsigned side) {
    return side == 0 ? x->flow->isn_local : x->flow->isn_remote;
}

static void set_number(struct pl_script_value *out, uint64_t number) {
    out->kind = PL_VALUE_NUMBER;
    out->absolute = true;
    out->number = number;
}

/* A number that is not known before the stack says it. */
static void set_if_known(struct pl_script_value *out, bool known, uint64_t number) {
    set_number(out, number);
    out->kind = known ? PL_VALUE_NUMBER : PL_VALUE_ANY;
}

static void auto_join_hmac(const struct context *x, uint8_t len, struct pl_script_value *out) {
    uint32_t nonces[2] = {x->flow->nonce_local, x->flow->nonce_remote};
    const struct plait_mptcp_version *version =
        x->conn->version != NULL ? x->conn->version : &pl_mptcp_v1;
    uint8_t hmac[PL_DIGEST_MAX];
    pl_join_hmac(version, &x->run->hashes, x->conn->key[x->sides.sender],
                 x->conn->key[x->sides.receiver], nonces[x->sides.sender],
                 nonces[x->sides.receiver], hmac);
    out->kind = PL_VALUE_BYTES;
    out->len = len;
    memcpy(out->bytes, hmac, len);
}

static void auto_address_hmac(const struct context *x, const struct pl_script_option *option,
                              struct pl_script_value *out) {
    const struct pl_script_value *id = pl_script_find_field(option, "id");
    const struct pl_script_value *addr = pl_script_find_field(option, "addr");
    const struct pl_script_value *port = pl_script_find_field(option, "port");
    struct pl_remote_addr_msg msg = {.id = (uint8_t)id->number};
    msg.addr.family = addr->len == 4 ? PLAIT_IPV4 : PLAIT_IPV6;
    memcpy(msg.addr.bytes, addr->bytes, addr->len <= 16 ? addr->len : 16);
    msg.port = port == NULL ? 0 : (uint16_t)port->number;
    set_number(out, pl_add_addr_hmac(&x->run->hashes, x->conn->key[x->sides.sender],
                                     x->conn->key[x->sides.receiver], &msg));
}

uint16_t pl_script_dss_checksum(uint64_t pattern, uint64_t stream, uint64_t dsn, uint32_t ssn,
                                uint16_t len) {
    uint8_t pseudo[16] = {0}, bytes[256];
    pl_put64(pseudo, dsn);
    pl_put32(pseudo + 8, ssn);
    pl_put16(pseudo + 12, len);
    uint64_t sum = pl_sum_add(0, pseudo, sizeof(pseudo));
    for (uint32_t done = 0; done < len; done += sizeof(bytes)) {
        uint32_t piece = len - done < sizeof(bytes) ? len - done : (uint32_t)sizeof(bytes);
        pl_pattern_fill(pattern, stream + done, bytes, piece);
        sum = pl_sum_add(sum, bytes, piece);
    }
    return (uint16_t)~pl_sum_fold(sum);
}

static void auto_checksum(const struct context *x, const struct pl_script_option *option,
                          struct pl_script_value *out) {
    const struct pl_script_value *dsn8 = pl_script_find_field(option, "dsn8");
    const struct pl_script_value *dsn4 = pl_script_find_field(option, "dsn4");
    const struct pl_script_value *ssn = pl_script_find_field(option, "ssn");
    const struct pl_script_value *len = pl_script_find_field(option, "len");
    const struct pl_script_value *fin = pl_script_find_field(option, "fin");
    uint64_t idsn = x->conn->idsn[x->sides.sender];
    uint64_t start = idsn + 1; /* MP_CAPABLE names none */
    if (dsn4 != NULL) {
        start = expand(x->conn->dsn_end[x->sides.sender], (uint32_t)dsn4->number);
    } else if (dsn8 != NULL) {
        start = dsn8->number;
    }
    uint16_t bytes = (uint16_t)(len->number - (fin != NULL && fin->number == 1 ? 1 : 0));
    uint16_t sum = pl_script_dss_checksum(pl_script_pattern(x->run, x->in),
                                          start - idsn - 1 + x->conn->early[x->sides.sender], start,
                                          ssn == NULL ? 1 : (uint32_t)ssn->number, bytes);
    if (bytes != len->number) { /* the length counts DATA_FIN */
        uint32_t folded = (uint32_t)(uint16_t)~sum + 1;
        sum = (uint16_t) ~(uint16_t)(folded + (folded >> 16));
    }
    set_number(out, sum);
}

static void resolve_auto(const struct context *x, const struct pl_script_option *option,
                         const struct pl_script_field *field, struct pl_script_value *out) {
    const struct pl_script_connection *conn = x->conn;
    unsigned sender = x->sides.sender, receiver = x->sides.receiver;
    uint64_t relative = (uint32_t)(x->segment->seq.number - isn_of(x, sender));
    switch (field->meaning) {
        case PL_MEANS_TS_VAL:
            set_number(out, x->in ? x->run->now / PLAIT_NS_PER_MS + 1 : x->flow->ts_local);
            out->kind = x->in ? PL_VALUE_NUMBER : PL_VALUE_AT_LEAST;
            break;
        case PL_MEANS_TS_ECR:
            set_number(out, x->in ? x->flow->ts_local : x->flow->ts_remote);
            break;
        case PL_MEANS_KEY_SENDER:
            set_if_known(out, x->in || conn->known[sender], conn->key[sender]);
            break;
        case PL_MEANS_KEY_RECEIVER:
            set_if_known(out, conn->known[receiver], conn->key[receiver]);
            break;
        case PL_MEANS_TOKEN:
            set_number(out, conn->token[receiver]);
            break;
        case PL_MEANS_NONCE:
            set_if_known(out, x->in, x->flow->nonce_remote);
            break;
        case PL_MEANS_JOIN_HMAC:
            auto_join_hmac(x, field->len, out);
            break;
        case PL_MEANS_ADDRESS_HMAC:
            auto_address_hmac(x, option, out);
            break;
        case PL_MEANS_DATA_ACK:
            set_number(out, conn->dsn_end[receiver]);
            break;
        case PL_MEANS_DSN:
            set_number(out, conn->idsn[sender] + relative - conn->early[sender]);
            break;
        case PL_MEANS_SSN:
            set_number(out, relative - conn->early[sender]);
            break;
        case PL_MEANS_LEN:
            set_number(out, x->segment->len);
            break;
        case PL_MEANS_CHECKSUM:
            auto_checksum(x, option, out);
            break;
        default:
            set_number(out, field->meaning == PL_MEANS_ONE ? 1 : 0);
            break;
    }
}

/* ---- values ---- */

static uint64_t base_of(const struct context *x, uint8_t meaning) {
    switch (meaning) {
        case PL_MEANS_PEER_SEQ:
            return isn_of(x, x->sides.receiver);
        case PL_MEANS_DSN:
            return x->conn->idsn[x->sides.sender];
        case PL_MEANS_DATA_ACK:
            return x->conn->idsn[x->sides.receiver];
        default:
            return 0;
    }
}

/* NUMBER and VARIABLE; AUTO is up to the caller. */
static bool resolve_plain(const struct context *x, uint64_t base, struct pl_script_value *value) {
    if (value->kind == PL_VALUE_NUMBER && !value->absolute) {
        set_number(value, value->number + base);
    } else if (value->kind == PL_VALUE_VARIABLE) {
        const struct pl_script_value *variable = &x->run->variables[value->variable];
        if (variable->kind == PL_VALUE_NONE) {
            return !x->in || pl_script_fail(x->run, x->line, "$%s has no value yet",
                                            x->run->program->variables[value->variable]);
        }
        uint64_t add = value->number;
        *value = *variable;
        value->number += add;
    } else if (value->kind == PL_VALUE_ANY && x->in) {
        return pl_script_fail(x->run, x->line, "`*` is for expected segments");
    }
    return true;
}

static bool resolve_field(const struct context *x, const struct pl_script_option *option,
                          const struct pl_script_field *field, struct pl_script_value *value) {
    uint64_t add = value->number;
    if (value->kind != PL_VALUE_AUTO) {
        return resolve_plain(x, base_of(x, field->meaning), value);
    }
    resolve_auto(x, option, field, value);
    value->number += add;
    if (x->in && value->kind == PL_VALUE_ANY) {
        return pl_script_fail(x->run, x->line, "`%s %s` is not known yet", option->form->name,
                              field->key);
    }
    if (field->codec == PL_CODEC_NUMBER && field->len < 8) {
        value->number &= (UINT64_C(1) << (8 * field->len)) - 1;
    }
    return true;
}

static uint32_t piece_len(const struct pl_script_segment *spec, uint32_t offset) {
    uint32_t left = spec->len - offset;
    return spec->piece != 0 && left > spec->piece ? spec->piece : left;
}

bool pl_script_bind(struct pl_script_run *run, const struct pl_script_line *line, uint32_t offset,
                    struct pl_script_segment *out) {
    const struct pl_script_segment *spec = line->segment;
    struct pl_script_flow *flow = &run->flows[line->flow];
    bool in = line->kind == PL_LINE_IN;
    struct context x = {.run = run,
                        .line = line,
                        .flow = flow,
                        .conn = &run->connections[flow->setting->connection],
                        .segment = out,
                        .in = in,
                        .sides = sides_of(in)};
    *out = *spec;
    out->len = piece_len(spec, offset);
    if (offset + out->len < spec->len) { /* as TSO cuts */
        out->flags &= (uint8_t) ~(PL_TCP_FIN | PL_TCP_PSH);
    }
    /* An ICMP error quotes a segment of the stack's. */
    uint32_t base = isn_of(&x, spec->kind == PL_SEGMENT_ICMP ? 0 : x.sides.sender);
    bool bound = resolve_plain(&x, base, &out->seq) &&
                 resolve_plain(&x, isn_of(&x, x.sides.receiver), &out->ack) &&
                 resolve_plain(&x, 0, &out->win) && resolve_plain(&x, 0, &out->urg);
    out->seq.number = (uint32_t)(out->seq.number + offset);
    out->ack.number = (uint32_t)out->ack.number;
    for (unsigned i = 0; bound && i < out->option_count; i++) {
        struct pl_script_option *option = &out->options[i];
        for (unsigned f = 0; bound && f < option->form->count; f++) {
            bound = resolve_field(&x, option, &option->form->fields[f], &option->values[f]);
        }
    }
    if (bound && !in && out->win.kind == PL_VALUE_NONE) {
        out->win.kind = PL_VALUE_ANY; /* `...` */
    }
    return bound;
}

static void bind_one(struct pl_script_run *run, const struct pl_script_value *want,
                     const struct pl_script_value *got) {
    if (want->kind == PL_VALUE_VARIABLE) {
        run->variables[want->variable] = *got;
        run->variables[want->variable].number -= want->number;
    }
}

void pl_script_bind_variables(struct pl_script_run *run, const struct pl_script_segment *want,
                              const struct pl_script_segment *got) {
    bind_one(run, &want->seq, &got->seq);
    bind_one(run, &want->ack, &got->ack);
    bind_one(run, &want->win, &got->win);
    bind_one(run, &want->urg, &got->urg);
    for (unsigned i = 0; i < want->option_count; i++) {
        const struct pl_script_option *option = &want->options[i];
        const struct pl_script_option *from = pl_script_find_option(got, option->form->name);
        for (unsigned f = 0; from != NULL && f < option->form->count; f++) {
            bind_one(run, &option->values[f], &from->values[f]);
        }
    }
}

uint64_t pl_script_stream_offset(const struct pl_script_run *run, unsigned index, bool in,
                                 const struct pl_script_segment *segment) {
    const struct pl_script_flow *flow = &run->flows[index];
    const struct pl_script_connection *conn = &run->connections[flow->setting->connection];
    unsigned sender = sides_of(in).sender;
    const struct pl_script_option *dss = pl_script_find_option(segment, "dss");
    const struct pl_script_value *dsn = pl_script_find_field(dss, "dsn8");
    const struct pl_script_value *ssn = pl_script_find_field(dss, "ssn");
    uint32_t isn = sender == 0 ? flow->isn_local : flow->isn_remote;
    uint32_t relative = (uint32_t)segment->seq.number - isn;
    uint32_t syn = (segment->flags & PL_TCP_SYN) != 0 ? 1 : 0;
    if (segment->stream.kind == PL_VALUE_NUMBER) {
        return segment->stream.number;
    }
    dsn = dsn != NULL ? dsn : pl_script_find_field(dss, "dsn4");
    if (!known_number(dsn) || !known_number(ssn)) {
        return (uint64_t)relative + syn - 1;
    }
    /* The segment may lie anywhere in what the mapping covers. */
    uint64_t start = (uint32_t)(dsn->number - conn->idsn[sender]);
    return start - 1 + (uint32_t)(relative - (uint32_t)ssn->number);
}
