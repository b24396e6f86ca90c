/* Socket options: a table. A row says what an option is called, which values it takes, when it may
 * be set, and where its value lives: in the socket, in the tuning that its connection's subflows
 * read (tcp/tuning.h), or behind a pair of functions. */
#include "socket/options.h"

#include <string.h>

#include "base/assert.h"
#include "base/text.h"
#include "mptcp/policy.h"
#include "plait/socket.h"
#include "socket/attempts.h"
#include "socket/policy.h"
#include "socket/table.h"
#include "stack/conns.h"
#include "stack/scheduler.h"
#include "tcp/cc/cc.h"

enum { BUFFER_BYTES_MIN = 4096, BUFFER_BYTES_MAX = 1 << 30, MAXSEG_MIN = 88 };

/* When an option may be set. */
enum when {
    READ_ONLY,
    BEFORE, /* the socket is NEW */
    LISTEN, /* or LISTENING */
    ALWAYS,
};

enum place { IN_SOCKET, IN_TUNING, BY_CALL };

struct row {
    const char *name;
    int64_t min, max;
    uint8_t when, place;
    uint8_t size;    /* bytes of the value; unsigned */
    uint16_t offset; /* in the socket or the tuning */
    int (*set)(struct plait_stack *stack, struct pl_socket *sock, int64_t value);
    int64_t (*get)(const struct plait_stack *stack, const struct pl_socket *sock);
};

/* ---- tuning ---- */

static const struct pl_tcp_tuning *tuning_of(const struct pl_socket *sock) {
    return sock->tuning != NULL ? sock->tuning : &pl_tcp_tuning_default;
}

/* The socket's own copy, to be changed; NULL when there is no memory. */
static struct pl_tcp_tuning *tuning_own(struct plait_stack *stack, struct pl_socket *sock) {
    if (sock->tuning == NULL) {
        sock->tuning = pl_ctx_alloc(&stack->ctx, sizeof(*sock->tuning));
        if (sock->tuning != NULL) {
            *sock->tuning = pl_tcp_tuning_default;
        }
    }
    return sock->tuning;
}

/* Hands a changed tuning on to whatever the socket has. */
static int tuning_apply(struct plait_stack *stack, struct pl_socket *sock) {
    PL_ASSERT(sock->tuning != NULL);
    int error = 0;
    if (sock->listener != NULL) {
        sock->listener->setup.tuning = sock->tuning;
    }
    if (sock->sc != NULL) {
        error = pl_conn_tune(sock->sc->conn, sock->tuning, stack->now);
    }
    if (sock->attempts != NULL) {
        error = pl_attempts_tune(sock, sock->tuning, stack->now);
    }
    pl_conns_settle(stack);
    return error;
}

/* ---- options that are more than a number in a struct ---- */

static int set_defer(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    (void)stack;
    sock->defer = value != 0;
    if (sock->listener != NULL) {
        sock->listener->defer = sock->defer;
    }
    return 0;
}

static int64_t get_defer(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->defer ? 1 : 0;
}

static int set_defer_accept(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    (void)stack;
    sock->defer_accept_s = (uint16_t)value;
    if (sock->listener != NULL) {
        sock->listener->defer_accept_s = sock->defer_accept_s;
    }
    return 0;
}

static int64_t get_defer_accept(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->defer_accept_s;
}

static int set_versions(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    if (value != PLAIT_MPTCP_V1 && stack->ctx.config.v0 == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    sock->versions = (uint8_t)value;
    return 0;
}

static int64_t get_versions(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->versions;
}

static int set_port_mask(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    if (((uint64_t)value & 1) != 0) {
        return PLAIT_E_BAD_ARGUMENT; /* there is no port 0 */
    }
    struct pl_policy *policy = pl_socket_policy_own(stack, sock);
    if (policy == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    policy->port_mask = (uint64_t)value;
    return pl_socket_policy_apply(stack, sock);
}

static int64_t get_port_mask(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->policy != NULL ? (int64_t)sock->policy->port_mask : 0;
}

/* An option that is a byte of the policy. */
static int set_policy(struct plait_stack *stack, struct pl_socket *sock, size_t offset,
                      int64_t value) {
    struct pl_policy *policy = pl_socket_policy_own(stack, sock);
    PL_ASSERT(value >= 0 && value <= UINT8_MAX);
    if (policy == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    *((uint8_t *)policy + offset) = (uint8_t)value;
    int error = pl_socket_policy_apply(stack, sock);
    pl_conns_settle(stack);
    return error;
}

static const struct pl_policy *policy_of(const struct pl_socket *sock) {
    return sock->policy != NULL ? sock->policy : &pl_policy_default;
}

static int set_path_manager(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    return set_policy(stack, sock, offsetof(struct pl_policy, manager), value);
}

static int64_t get_path_manager(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return policy_of(sock)->manager;
}

static int set_ndiffports(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    return set_policy(stack, sock, offsetof(struct pl_policy, ndiffports), value);
}

static int64_t get_ndiffports(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    uint8_t own = policy_of(sock)->ndiffports;
    return own != 0 ? own : PL_NDIFFPORTS_DEFAULT;
}

static int set_fate_sharing(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    return set_policy(stack, sock, offsetof(struct pl_policy, fate_sharing), value);
}

static int64_t get_fate_sharing(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return policy_of(sock)->fate_sharing;
}

static int set_subflows_max(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    return set_policy(stack, sock, offsetof(struct pl_policy, subflows_max), value + 1);
}

static int64_t get_subflows_max(const struct plait_stack *stack, const struct pl_socket *sock) {
    uint8_t own = policy_of(sock)->subflows_max;
    uint32_t most = stack->ctx.config.subflows_max;
    return own > 0 && own - 1U < most ? own - 1U : most;
}

static int set_add_addr_accepted(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    return set_policy(stack, sock, offsetof(struct pl_policy, add_addr_accepted_max), value + 1);
}

static int64_t get_add_addr_accepted(const struct plait_stack *stack,
                                     const struct pl_socket *sock) {
    uint8_t own = policy_of(sock)->add_addr_accepted_max;
    return own > 0 ? own - 1U : stack->ctx.config.add_addr_accepted_max;
}

static int64_t or_default(uint32_t own, uint32_t stack_wide) {
    PL_ASSERT(stack_wide > 0);
    return own != 0 ? own : stack_wide;
}

static int64_t get_send_buffer(const struct plait_stack *stack, const struct pl_socket *sock) {
    return or_default(sock->send_buffer_bytes, stack->ctx.config.send_buffer_bytes);
}

static int64_t get_receive_buffer(const struct plait_stack *stack, const struct pl_socket *sock) {
    return or_default(sock->receive_buffer_bytes, stack->ctx.config.receive_buffer_bytes);
}

/* Buffers of a listener are those of what it accepts. */
static int buffers_apply(const struct plait_stack *stack, struct pl_socket *sock) {
    if (sock->listener != NULL) {
        sock->listener->setup.send_buffer_bytes = sock->send_buffer_bytes;
        sock->listener->setup.receive_buffer_bytes = sock->receive_buffer_bytes;
    }
    if (sock->sc == NULL) {
        return 0;
    }
    return pl_conn_set_buffers(sock->sc->conn, (uint32_t)get_send_buffer(stack, sock),
                               (uint32_t)get_receive_buffer(stack, sock));
}

static int set_send_buffer(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    sock->send_buffer_bytes = (uint32_t)value;
    return buffers_apply(stack, sock);
}

static int set_receive_buffer(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    sock->receive_buffer_bytes = (uint32_t)value;
    return buffers_apply(stack, sock);
}

static int set_quickack(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    struct pl_tcp_tuning *tuning = tuning_own(stack, sock);
    if (tuning == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    tuning->quickack = value != 0 ? PL_TCP_QUICKACK_ON : PL_TCP_QUICKACK_OFF;
    return tuning_apply(stack, sock);
}

static int64_t get_quickack(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return tuning_of(sock)->quickack != PL_TCP_QUICKACK_OFF ? 1 : 0;
}

static int set_congestion(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    if (pl_cc_name((uint8_t)value) == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    struct pl_tcp_tuning *tuning = tuning_own(stack, sock);
    if (tuning == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    tuning->cc = (uint8_t)(value + 1);
    return tuning_apply(stack, sock);
}

static int64_t get_congestion(const struct plait_stack *stack, const struct pl_socket *sock) {
    uint8_t own = tuning_of(sock)->cc;
    return own > 0 ? own - 1 : stack->ctx.config.cc;
}

/* Linux's floor: less would be all headers. */
static int set_maxseg(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    if (value != 0 && value < MAXSEG_MIN) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    struct pl_tcp_tuning *tuning = tuning_own(stack, sock);
    if (tuning == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    tuning->mss_max = (uint16_t)value;
    return tuning_apply(stack, sock);
}

static int64_t get_maxseg(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return tuning_of(sock)->mss_max;
}

static int set_linger(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    (void)stack;
    sock->linger = (uint16_t)(value + 1);
    return 0;
}

static int64_t get_linger(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return (int64_t)sock->linger - 1;
}

static int set_one(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    (void)stack, (void)sock, (void)value;
    return 0; /* it is so already */
}

static int set_fastopen(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    (void)stack;
    sock->fastopen_max = (uint16_t)value;
    if (sock->listener != NULL) {
        sock->listener->fastopen_max = sock->fastopen_max;
    }
    return 0;
}

static int64_t get_fastopen(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->fastopen_max;
}

static int64_t get_one(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack, (void)sock;
    return 1;
}

static int64_t get_is_mptcp(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    const struct pl_conn *conn = pl_socket_conn(sock);
    return conn != NULL && pl_conn_is_mptcp(conn) ? 1 : 0;
}

static int set_mptcp(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    (void)stack;
    sock->mptcp = value != 0;
    sock->mptcp_set = true;
    return 0;
}

/* Before there is a connection what is wanted, then what is (RFC 6897 section 5.3.2). */
static int64_t get_mptcp(const struct plait_stack *stack, const struct pl_socket *sock) {
    bool connected = sock->state == PLAIT_SOCKET_OPEN || sock->state == PLAIT_SOCKET_DEAD;
    return connected ? get_is_mptcp(stack, sock) : pl_socket_wants_mptcp(sock) ? 1 : 0;
}

/* Section 5.3.5: the token. */
static int64_t get_connid(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    const struct pl_conn *conn = pl_socket_conn(sock);
    return conn != NULL ? pl_conn_token(conn) : 0;
}

static int64_t get_state(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return (int64_t)sock->state;
}

static int64_t get_error(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->error;
}

static int64_t get_send_queue(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    const struct pl_conn *conn = pl_socket_conn(sock);
    return conn != NULL ? (int64_t)pl_conn_send_queue(conn) : 0;
}

static int64_t get_receive_queue(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    const struct pl_conn *conn = pl_socket_conn(sock);
    return conn != NULL ? (int64_t)pl_conn_receive_queue(conn) : 0;
}

static int set_urgent(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    PL_ASSERT(value == 1);
    if (sock->state != PLAIT_SOCKET_OPEN) {
        return PLAIT_E_BAD_STATE;
    }
    int error = pl_conn_urgent_mark(sock->sc->conn);
    pl_conns_settle(stack);
    return error;
}

static int64_t get_urgent(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    const struct pl_conn *conn = pl_socket_conn(sock);
    return conn != NULL ? (int64_t)pl_conn_urgent_left(conn) : 0;
}

static int set_scheduler(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    const struct pl_sched *sched = pl_scheduler_of(stack, value);
    int error = 0;
    if (sched == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (sock->listener != NULL) {
        sock->listener->setup.sched = sched;
    }
    if (sock->sc != NULL) {
        error = pl_conn_schedule(sock->sc->conn, sched);
    }
    if (sock->attempts != NULL) {
        error = pl_attempts_schedule(sock, sched);
    }
    sock->sched = error == 0 ? (uint8_t)value : sock->sched;
    pl_conns_settle(stack);
    return error;
}

static int64_t get_scheduler(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->sched;
}

static int64_t get_peer_uto(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    const struct pl_conn *conn = pl_socket_conn(sock);
    return conn != NULL ? pl_conn_peer_uto_s(conn) : 0;
}

static int set_user(struct plait_stack *stack, struct pl_socket *sock, int64_t value) {
    (void)stack;
    sock->user = value;
    return 0;
}

static int64_t get_user(const struct plait_stack *stack, const struct pl_socket *sock) {
    (void)stack;
    return sock->user;
}

/* ---- the table ---- */

#define SOCKET(field)                                                          \
    .place = IN_SOCKET, .offset = (uint16_t)offsetof(struct pl_socket, field), \
    .size = (uint8_t)sizeof(((struct pl_socket *)0)->field)
#define TUNING(field)                                                              \
    .place = IN_TUNING, .offset = (uint16_t)offsetof(struct pl_tcp_tuning, field), \
    .size = (uint8_t)sizeof(((struct pl_tcp_tuning *)0)->field)
#define CALL(setter, getter) .place = BY_CALL, .set = (setter), .get = (getter)
#define READ(getter) .when = READ_ONLY, .place = BY_CALL, .get = (getter)
#define BOOL .min = 0, .max = 1

static const struct row rows[PLAIT_OPT_COUNT] = {
    [PLAIT_OPT_MPTCP] = {"PLAIT_MPTCP", BOOL, BEFORE, CALL(set_mptcp, get_mptcp)},
    [PLAIT_OPT_NODELAY] = {"TCP_NODELAY", BOOL, ALWAYS, TUNING(nodelay)},
    [PLAIT_OPT_SEND_BUFFER] = {"SO_SNDBUF", BUFFER_BYTES_MIN, BUFFER_BYTES_MAX, ALWAYS,
                               CALL(set_send_buffer, get_send_buffer)},
    [PLAIT_OPT_RECEIVE_BUFFER] = {"SO_RCVBUF", BUFFER_BYTES_MIN, BUFFER_BYTES_MAX, ALWAYS,
                                  CALL(set_receive_buffer, get_receive_buffer)},
    [PLAIT_OPT_DEFER] = {"PLAIT_DEFER", BOOL, LISTEN, CALL(set_defer, get_defer)},
    [PLAIT_OPT_IS_MPTCP] = {"TCP_IS_MPTCP", READ(get_is_mptcp)},
    [PLAIT_OPT_STATE] = {"PLAIT_STATE", READ(get_state)},
    [PLAIT_OPT_ERROR] = {"SO_ERROR", READ(get_error)},
    [PLAIT_OPT_SEND_QUEUE] = {"SIOCOUTQ", READ(get_send_queue)},
    [PLAIT_OPT_RECEIVE_QUEUE] = {"TCP_INQ", READ(get_receive_queue)},
    [PLAIT_OPT_USER] = {"PLAIT_USER", INT64_MIN, INT64_MAX, ALWAYS, CALL(set_user, get_user)},
    [PLAIT_OPT_PORT_MASK] = {"PLAIT_PORT_MASK", INT64_MIN, INT64_MAX, BEFORE,
                             CALL(set_port_mask, get_port_mask)},
    [PLAIT_OPT_CORK] = {"TCP_CORK", BOOL, ALWAYS, TUNING(cork)},
    [PLAIT_OPT_MAXSEG] = {"TCP_MAXSEG", 0, 32767, ALWAYS, CALL(set_maxseg, get_maxseg)},
    [PLAIT_OPT_KEEPALIVE] = {"SO_KEEPALIVE", BOOL, ALWAYS, TUNING(keepalive)},
    [PLAIT_OPT_KEEPIDLE] = {"TCP_KEEPIDLE", 1, 32767, ALWAYS, TUNING(keep_idle_s)},
    [PLAIT_OPT_KEEPINTVL] = {"TCP_KEEPINTVL", 1, 32767, ALWAYS, TUNING(keep_interval_s)},
    [PLAIT_OPT_KEEPCNT] = {"TCP_KEEPCNT", 1, 127, ALWAYS, TUNING(keep_count)},
    [PLAIT_OPT_USER_TIMEOUT] = {"TCP_USER_TIMEOUT", 0, INT32_MAX, ALWAYS, TUNING(user_timeout_ms)},
    [PLAIT_OPT_QUICKACK] = {"TCP_QUICKACK", BOOL, ALWAYS, CALL(set_quickack, get_quickack)},
    [PLAIT_OPT_SYNCNT] = {"TCP_SYNCNT", 0, 127, ALWAYS, TUNING(syn_count)},
    [PLAIT_OPT_LINGER2] = {"TCP_LINGER2", 0, UINT16_MAX, ALWAYS, TUNING(linger2_s)},
    [PLAIT_OPT_WINDOW_CLAMP] = {"TCP_WINDOW_CLAMP", 0, BUFFER_BYTES_MAX, ALWAYS,
                                TUNING(window_clamp)},
    [PLAIT_OPT_MAX_PACING_RATE] = {"SO_MAX_PACING_RATE", 0, INT64_MAX, ALWAYS,
                                   TUNING(pacing_rate_max)},
    [PLAIT_OPT_CONGESTION] = {"TCP_CONGESTION", 0, UINT8_MAX - 1, ALWAYS,
                              CALL(set_congestion, get_congestion)},
    [PLAIT_OPT_TOS] = {"IP_TOS", 0, UINT8_MAX, ALWAYS, TUNING(tos)},
    [PLAIT_OPT_TTL] = {"IP_TTL", 1, UINT8_MAX, ALWAYS, TUNING(hops)},
    [PLAIT_OPT_MARK] = {"SO_MARK", 0, UINT32_MAX, ALWAYS, TUNING(mark)},
    [PLAIT_OPT_NOTSENT_LOWAT] = {"TCP_NOTSENT_LOWAT", 0, UINT32_MAX, ALWAYS, TUNING(notsent_lowat)},
    [PLAIT_OPT_RCVLOWAT] = {"SO_RCVLOWAT", 1, BUFFER_BYTES_MAX, ALWAYS, TUNING(receive_lowat)},
    [PLAIT_OPT_LINGER] = {"SO_LINGER", -1, UINT16_MAX - 1, ALWAYS, CALL(set_linger, get_linger)},
    [PLAIT_OPT_FREEBIND] = {"IP_FREEBIND", BOOL, BEFORE, SOCKET(freebind)},
    [PLAIT_OPT_TRANSPARENT] = {"IP_TRANSPARENT", BOOL, BEFORE, SOCKET(transparent)},
    [PLAIT_OPT_V6ONLY] = {"IPV6_V6ONLY", BOOL, BEFORE, SOCKET(v6only)},
    [PLAIT_OPT_REUSEADDR] = {"SO_REUSEADDR", BOOL, BEFORE, SOCKET(reuse)},
    [PLAIT_OPT_FASTOPEN] = {"TCP_FASTOPEN", 0, UINT16_MAX, LISTEN,
                            CALL(set_fastopen, get_fastopen)},
    [PLAIT_OPT_FASTOPEN_CONNECT] = {"TCP_FASTOPEN_CONNECT", BOOL, BEFORE, SOCKET(fastopen_connect)},
    [PLAIT_OPT_DEFER_ACCEPT] = {"TCP_DEFER_ACCEPT", 0, UINT16_MAX, LISTEN,
                                CALL(set_defer_accept, get_defer_accept)},
    [PLAIT_OPT_MPTCP_VERSIONS] = {"PLAIT_MPTCP_VERSIONS", PLAIT_MPTCP_V1, PLAIT_MPTCP_V1_V0, BEFORE,
                                  CALL(set_versions, get_versions)},
    [PLAIT_OPT_OOBINLINE] = {"SO_OOBINLINE", 1, 1, ALWAYS, CALL(set_one, get_one)},
    [PLAIT_OPT_SCHEDULER] = {"PLAIT_SCHEDULER", 0, UINT8_MAX, ALWAYS,
                             CALL(set_scheduler, get_scheduler)},
    [PLAIT_OPT_UTO] = {"PLAIT_UTO", 0, PL_TCP_UTO_MAX_S, ALWAYS, TUNING(uto_s)},
    [PLAIT_OPT_PEER_UTO] = {"PLAIT_PEER_UTO", READ(get_peer_uto)},
    [PLAIT_OPT_CONNID] = {"TCP_MULTIPATH_CONNID", READ(get_connid)},
    [PLAIT_OPT_PATH_MANAGER] = {"PLAIT_PATH_MANAGER", 0, PLAIT_PM_COUNT - 1, ALWAYS,
                                CALL(set_path_manager, get_path_manager)},
    [PLAIT_OPT_NDIFFPORTS] = {"PLAIT_NDIFFPORTS", 1, 32, ALWAYS,
                              CALL(set_ndiffports, get_ndiffports)},
    [PLAIT_OPT_SUBFLOWS_MAX] = {"PLAIT_SUBFLOWS_MAX", 1, 32, ALWAYS,
                                CALL(set_subflows_max, get_subflows_max)},
    [PLAIT_OPT_FATE_SHARING] = {"PLAIT_FATE_SHARING", BOOL, ALWAYS,
                                CALL(set_fate_sharing, get_fate_sharing)},
    [PLAIT_OPT_ADD_ADDR_ACCEPTED] = {"PLAIT_ADD_ADDR_ACCEPTED", 0, 32, ALWAYS,
                                     CALL(set_add_addr_accepted, get_add_addr_accepted)},
    [PLAIT_OPT_URGENT] = {"PLAIT_URGENT", 1, 1, ALWAYS, CALL(set_urgent, get_urgent)},
};

/* Names that Linux has for one of the above. */
static const struct {
    const char *name;
    enum plait_option option;
} aliases[] = {
    {"TCP_MULTIPATH_ENABLE", PLAIT_OPT_MPTCP},   {"IPV6_TCLASS", PLAIT_OPT_TOS},
    {"IPV6_UNICAST_HOPS", PLAIT_OPT_TTL},        {"IPV6_FREEBIND", PLAIT_OPT_FREEBIND},
    {"IPV6_TRANSPARENT", PLAIT_OPT_TRANSPARENT},
};

static const struct row *row_of(enum plait_option option) {
    unsigned index = (unsigned)option; /* any int may come */
    return index < PLAIT_OPT_COUNT && rows[index].name != NULL ? &rows[index] : NULL;
}

static bool may_set(const struct row *row, const struct pl_socket *sock) {
    switch ((enum when)row->when) {
        case READ_ONLY:
            return false;
        case BEFORE:
            return sock->state == PLAIT_SOCKET_NEW;
        case LISTEN:
            return sock->state == PLAIT_SOCKET_NEW || sock->state == PLAIT_SOCKET_LISTENING;
        case ALWAYS:
            return true;
    }
    return false;
}

/* Values are unsigned and of one of four sizes; going through memcpy leaves the byte order to the
 * compiler. */
static void put_value(void *base, const struct row *row, int64_t value) {
    uint8_t *at = (uint8_t *)base + row->offset;
    uint8_t u8 = (uint8_t)value;
    uint16_t u16 = (uint16_t)value;
    uint32_t u32 = (uint32_t)value;
    const void *from = row->size == 1   ? (const void *)&u8
                       : row->size == 2 ? (const void *)&u16
                       : row->size == 4 ? (const void *)&u32
                                        : (const void *)&value;
    memcpy(at, from, row->size);
}

static int64_t get_value(const void *base, const struct row *row) {
    const uint8_t *at = (const uint8_t *)base + row->offset;
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    int64_t s64 = 0;
    switch (row->size) {
        case 1:
            memcpy(&u8, at, 1);
            return u8;
        case 2:
            memcpy(&u16, at, 2);
            return u16;
        case 4:
            memcpy(&u32, at, 4);
            return u32;
        default:
            PL_ASSERT(row->size == 8);
            memcpy(&s64, at, 8);
            return s64;
    }
}

int plait_set(struct plait_stack *stack, plait_sock id, enum plait_option option, int64_t value) {
    struct pl_socket *sock = pl_table_find(stack, id);
    const struct row *row = row_of(option);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (row == NULL || row->when == READ_ONLY) {
        return PLAIT_E_NO_OPTION;
    }
    if (!may_set(row, sock)) {
        return PLAIT_E_BAD_STATE;
    }
    if (value < row->min || value > row->max) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (row->place == BY_CALL) {
        return row->set(stack, sock, value);
    }
    if (row->place == IN_SOCKET) {
        put_value(sock, row, value);
        return 0;
    }
    struct pl_tcp_tuning *tuning = tuning_own(stack, sock);
    if (tuning == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    put_value(tuning, row, value);
    return tuning_apply(stack, sock);
}

int plait_get(struct plait_stack *stack, plait_sock id, enum plait_option option, int64_t *value) {
    const struct pl_socket *sock = pl_table_find(stack, id);
    const struct row *row = row_of(option);
    if (sock == NULL) {
        return PLAIT_E_BAD_SOCKET;
    }
    if (value == NULL) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    if (row == NULL) {
        return PLAIT_E_NO_OPTION;
    }
    if (row->place == BY_CALL) {
        *value = row->get(stack, sock);
    } else {
        *value = row->place == IN_SOCKET ? get_value(sock, row) : get_value(tuning_of(sock), row);
    }
    return 0;
}

int pl_options_inherit(struct plait_stack *stack, struct pl_socket *sock,
                       const struct pl_socket *parent) {
    PL_ASSERT(sock->tuning == NULL);
    if (parent->tuning == NULL) {
        return 0;
    }
    if (tuning_own(stack, sock) == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    *sock->tuning = *parent->tuning;
    return 0;
}

/* ---- names ---- */

const char *plait_option_name(enum plait_option option) {
    const struct row *row = row_of(option);
    return row != NULL ? row->name : NULL;
}

int plait_option_find(const char *name) {
    for (int i = 0; name != NULL && i < PLAIT_OPT_COUNT; i++) {
        if (rows[i].name != NULL && pl_text_equal(rows[i].name, name)) {
            return i;
        }
    }
    for (size_t i = 0; name != NULL && i < sizeof(aliases) / sizeof(aliases[0]); i++) {
        if (pl_text_equal(aliases[i].name, name)) {
            return (int)aliases[i].option;
        }
    }
    return PLAIT_E_NO_OPTION;
}

/* A decimal number, or false. */
static bool parse_number(const char *text, int64_t *out) {
    bool negative = *text == '-';
    int64_t value = 0;
    text += negative ? 1 : 0;
    if (*text == 0) {
        return false;
    }
    for (; *text != 0; text++) {
        if (*text < '0' || *text > '9' || value > (INT64_MAX - 9) / 10) {
            return false;
        }
        value = value * 10 + (*text - '0');
    }
    *out = negative ? -value : value;
    return true;
}

static bool parse_congestion(const char *text, int64_t *out) {
    for (uint8_t i = 0; pl_cc_name(i) != NULL; i++) {
        if (pl_text_equal(pl_cc_name(i), text)) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool parse_path_manager(const char *text, int64_t *out) {
    for (int i = 0; i < PLAIT_PM_COUNT; i++) {
        if (pl_text_equal(plait_path_manager_name(i), text)) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* The values that have names. */
static bool parse_name(const struct plait_stack *stack, int option, const char *text,
                       int64_t *out) {
    if (option == PLAIT_OPT_CONGESTION) {
        return parse_congestion(text, out);
    }
    if (option == PLAIT_OPT_SCHEDULER) {
        *out = plait_scheduler_find(stack, text);
        return *out >= 0;
    }
    return option == PLAIT_OPT_PATH_MANAGER && parse_path_manager(text, out);
}

int plait_set_text(struct plait_stack *stack, plait_sock sock, const char *name,
                   const char *value) {
    int option = plait_option_find(name);
    int64_t number = 0;
    if (option < 0) {
        return option;
    }
    bool named = value != NULL && parse_name(stack, option, value, &number);
    if (!named && (value == NULL || !parse_number(value, &number))) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    return plait_set(stack, sock, (enum plait_option)option, number);
}
