/* The names that scripts use for what include/plait/ has as enumerations and struct members. A new
 * setting, option or member of an information struct is a line here. */
#include <stddef.h>
#include <string.h>

#include "plait/trace.h"
#include "sim/script_cursor.h"
#include "sim/script_names.h"

/* ---- socket options, events, errors, counters, states ---- */

static const char *const options[PLAIT_OPT_COUNT] = {
    [PLAIT_OPT_MPTCP] = "mptcp",
    [PLAIT_OPT_NODELAY] = "nodelay",
    [PLAIT_OPT_SEND_BUFFER] = "send_buffer",
    [PLAIT_OPT_RECEIVE_BUFFER] = "receive_buffer",
    [PLAIT_OPT_DEFER] = "defer",
    [PLAIT_OPT_IS_MPTCP] = "is_mptcp",
    [PLAIT_OPT_STATE] = "state",
    [PLAIT_OPT_ERROR] = "error",
    [PLAIT_OPT_SEND_QUEUE] = "send_queue",
    [PLAIT_OPT_RECEIVE_QUEUE] = "receive_queue",
    [PLAIT_OPT_USER] = "user",
    [PLAIT_OPT_PORT_MASK] = "port_mask",
    [PLAIT_OPT_CORK] = "cork",
    [PLAIT_OPT_MAXSEG] = "maxseg",
    [PLAIT_OPT_KEEPALIVE] = "keepalive",
    [PLAIT_OPT_KEEPIDLE] = "keepidle",
    [PLAIT_OPT_KEEPINTVL] = "keepintvl",
    [PLAIT_OPT_KEEPCNT] = "keepcnt",
    [PLAIT_OPT_USER_TIMEOUT] = "user_timeout",
    [PLAIT_OPT_QUICKACK] = "quickack",
    [PLAIT_OPT_SYNCNT] = "syncnt",
    [PLAIT_OPT_LINGER2] = "linger2",
    [PLAIT_OPT_WINDOW_CLAMP] = "window_clamp",
    [PLAIT_OPT_MAX_PACING_RATE] = "max_pacing_rate",
    [PLAIT_OPT_CONGESTION] = "congestion",
    [PLAIT_OPT_TOS] = "tos",
    [PLAIT_OPT_TTL] = "ttl",
    [PLAIT_OPT_MARK] = "mark",
    [PLAIT_OPT_NOTSENT_LOWAT] = "notsent_lowat",
    [PLAIT_OPT_RCVLOWAT] = "rcvlowat",
    [PLAIT_OPT_LINGER] = "linger",
    [PLAIT_OPT_FREEBIND] = "freebind",
    [PLAIT_OPT_TRANSPARENT] = "transparent",
    [PLAIT_OPT_V6ONLY] = "v6only",
    [PLAIT_OPT_REUSEADDR] = "reuseaddr",
    [PLAIT_OPT_DEFER_ACCEPT] = "defer_accept",
    [PLAIT_OPT_OOBINLINE] = "oobinline",
    [PLAIT_OPT_URGENT] = "urgent",
    [PLAIT_OPT_FASTOPEN] = "fastopen",
    [PLAIT_OPT_FASTOPEN_CONNECT] = "fastopen_connect",
    [PLAIT_OPT_SCHEDULER] = "scheduler",
    [PLAIT_OPT_UTO] = "uto",
    [PLAIT_OPT_PEER_UTO] = "peer_uto",
    [PLAIT_OPT_CONNID] = "connid",
    [PLAIT_OPT_FATE_SHARING] = "fate_sharing",
    [PLAIT_OPT_PATH_MANAGER] = "path_manager",
    [PLAIT_OPT_NDIFFPORTS] = "ndiffports",
    [PLAIT_OPT_SUBFLOWS_MAX] = "subflows_max",
    [PLAIT_OPT_ADD_ADDR_ACCEPTED] = "add_addr_accepted",
    [PLAIT_OPT_MPTCP_VERSIONS] = "versions",
};

static const char *const events[] = {
    "none",           "accept",    "connected", "readable",  "writable", "error",    "closed",
    "sf_established", "sf_closed", "sf_prio",   "announced", "removed",  "fallback", "urgent",
};

static const char *const states[] = {
    "CLOSED",     "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
    "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",      "LAST-ACK",    "TIME-WAIT",
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int find(const char *const *names, unsigned count, const char *name) {
    for (unsigned i = 0; i < count; i++) {
        if (names[i] != NULL && strcmp(names[i], name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int pl_script_option_find(const char *name) {
    return find(options, PLAIT_OPT_COUNT, name);
}

const char *pl_script_option_name(unsigned option) {
    return option < PLAIT_OPT_COUNT ? options[option] : NULL;
}

int pl_script_event_find(const char *name) {
    return find(events, COUNT(events), name);
}

const char *pl_script_event_name(unsigned event) {
    return event < COUNT(events) ? events[event] : "?";
}

int pl_script_state_find(const char *name) {
    return find(states, COUNT(states), name);
}

const char *pl_script_state_name(uint64_t state) {
    return state < COUNT(states) ? states[state] : "?";
}

int pl_script_counter_find(const char *name) {
    for (unsigned i = 0; i < PLAIT_COUNTER_COUNT; i++) {
        if (strcmp(plait_counter_name(i), name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

bool pl_script_error_find(const char *name, int64_t *out) {
    for (int code = 0; code > -200; code--) {
        if (strcmp(plait_error_name(code), name) == 0) {
            *out = code;
            return true;
        }
    }
    return false;
}

/* ---- members of structs ---- */

#define CONFIG(name, kind) \
    { #name, kind, offsetof(struct plait_config, name) }
#define SUBFLOW(name, kind) \
    { #name, kind, offsetof(struct plait_subflow_info, name) }
#define CONN(name, kind) \
    { #name, kind, offsetof(struct plait_connection_info, name) }
#define STATS(name, kind) \
    { #name, kind, offsetof(struct plait_stack_stats, name) }

static const struct pl_script_member config_members[] = {
    CONFIG(mptcp, PL_MEMBER_BOOL),
    CONFIG(checksum, PL_MEMBER_BOOL),
    CONFIG(deny_join_initial, PL_MEMBER_BOOL),
    CONFIG(fastopen_answers_early, PL_MEMBER_BOOL),
    CONFIG(ecn, PL_MEMBER_U8),
    CONFIG(cc, PL_MEMBER_CC),
    CONFIG(connections_max, PL_MEMBER_U32),
    CONFIG(subflows_max, PL_MEMBER_U32),
    CONFIG(add_addr_accepted_max, PL_MEMBER_U32),
    CONFIG(send_buffer_bytes, PL_MEMBER_U32),
    CONFIG(receive_buffer_bytes, PL_MEMBER_U32),
    CONFIG(memory_bytes_max, PL_MEMBER_U64),
    CONFIG(rto_min_ns, PL_MEMBER_TIME),
    CONFIG(time_wait_ns, PL_MEMBER_TIME),
    CONFIG(orphan_ns, PL_MEMBER_TIME),
    CONFIG(no_subflow_ns, PL_MEMBER_TIME),
    CONFIG(syn_timeout_ns, PL_MEMBER_TIME),
    CONFIG(stale_ns_min, PL_MEMBER_TIME),
    CONFIG(syn_cookies, PL_MEMBER_U8),
    CONFIG(versions, PL_MEMBER_VERSIONS),
    CONFIG(challenge_acks, PL_MEMBER_U32),
    CONFIG(challenge_ns, PL_MEMBER_TIME),
};

/* Of a subflow, and behind them of its connection. */
static const struct pl_script_member info_members[] = {
    SUBFLOW(local_id, PL_MEMBER_U8),
    SUBFLOW(remote_id, PL_MEMBER_U8),
    SUBFLOW(established, PL_MEMBER_BOOL),
    SUBFLOW(backup, PL_MEMBER_BOOL),
    SUBFLOW(backup_peer, PL_MEMBER_BOOL),
    SUBFLOW(stale, PL_MEMBER_BOOL),
    SUBFLOW(srtt_ns, PL_MEMBER_TIME),
    SUBFLOW(rttvar_ns, PL_MEMBER_TIME),
    SUBFLOW(rto_ns, PL_MEMBER_TIME),
    SUBFLOW(cwnd_bytes, PL_MEMBER_U32),
    SUBFLOW(ssthresh_bytes, PL_MEMBER_U32),
    SUBFLOW(inflight_bytes, PL_MEMBER_U32),
    SUBFLOW(mss, PL_MEMBER_U32),
    SUBFLOW(retrans_bytes, PL_MEMBER_U64),
    SUBFLOW(segments_sent, PL_MEMBER_U64),
    SUBFLOW(segments_received, PL_MEMBER_U64),
    CONN(mptcp, PL_MEMBER_BOOL),
    CONN(fallback, PL_MEMBER_BOOL),
    CONN(checksum, PL_MEMBER_BOOL),
    CONN(bytes_sent, PL_MEMBER_U64),
    CONN(bytes_acked, PL_MEMBER_U64),
    CONN(bytes_received, PL_MEMBER_U64),
    CONN(reinjected_bytes, PL_MEMBER_U64),
    CONN(subflows, PL_MEMBER_U32),
    CONN(add_addr_signal, PL_MEMBER_U32),
    CONN(add_addr_accepted, PL_MEMBER_U32),
};
enum { INFO_CONN_FIRST = 16 };

static const struct pl_script_member stats_members[] = {
    STATS(connections, PL_MEMBER_U32),
    STATS(subflows, PL_MEMBER_U32),
    STATS(memory_bytes, PL_MEMBER_U64),
};

static int member_find(const struct pl_script_member *members, unsigned count, const char *name) {
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(members[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

int pl_script_info_find(const char *name) {
    return member_find(info_members, COUNT(info_members), name);
}

int pl_script_stats_find(const char *name) {
    return member_find(stats_members, COUNT(stats_members), name);
}

const struct pl_script_member *pl_script_info_member(unsigned index, bool *of_connection) {
    *of_connection = index >= INFO_CONN_FIRST;
    return &info_members[index];
}

const struct pl_script_member *pl_script_stats_member(unsigned index) {
    return &stats_members[index];
}

const struct pl_script_member *pl_script_config_find(const char *name) {
    int i = member_find(config_members, COUNT(config_members), name);
    return i < 0 ? NULL : &config_members[i];
}

uint64_t pl_script_member_get(const struct pl_script_member *member, const void *object) {
    const uint8_t *at = (const uint8_t *)object + member->offset;
    uint32_t narrow = 0;
    uint64_t wide = 0;
    switch (member->kind) {
        case PL_MEMBER_BOOL:
        case PL_MEMBER_CC:
        case PL_MEMBER_VERSIONS:
        case PL_MEMBER_U8:
            return *at;
        case PL_MEMBER_U32:
            memcpy(&narrow, at, sizeof(narrow));
            return narrow;
        default:
            memcpy(&wide, at, sizeof(wide));
            return wide;
    }
}

void pl_script_member_set(const struct pl_script_member *member, void *object, uint64_t value) {
    uint8_t *at = (uint8_t *)object + member->offset;
    uint32_t narrow = (uint32_t)value;
    switch (member->kind) {
        case PL_MEMBER_BOOL:
        case PL_MEMBER_CC:
        case PL_MEMBER_VERSIONS:
        case PL_MEMBER_U8:
            *at = (uint8_t)value;
            break;
        case PL_MEMBER_U32:
            memcpy(at, &narrow, sizeof(narrow));
            break;
        default:
            memcpy(at, &value, sizeof(value));
            break;
    }
}
