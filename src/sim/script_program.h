/* sim/script_program.h - a parsed script: settings and lines, all symbols still in it. */
#ifndef PL_SIM_SCRIPT_PROGRAM_H
#define PL_SIM_SCRIPT_PROGRAM_H

#include "plait/socket.h"
#include "sim/script_value.h"

enum {
    PL_SCRIPT_NAME = 32,
    PL_SCRIPT_PORTS_MAX = 8,
    PL_SCRIPT_FLOWS_MAX = 16,
    PL_SCRIPT_SOCKETS_MAX = 16,
    PL_SCRIPT_OPTIONS_MAX = 12, /* TCP options of a segment, NOPs included */
    PL_SCRIPT_INCLUDES_MAX = 8,
    PL_SCRIPT_TEXT = 400,
};

/* ---- segments ---- */

enum pl_script_segment_kind { PL_SEGMENT_TCP, PL_SEGMENT_ICMP, PL_SEGMENT_RAW };

struct pl_script_segment {
    uint8_t kind;
    uint8_t flags; /* of the TCP header */
    bool rest;     /* `...`: what is not given is not looked at */
    bool bad_checksum, bad_ip_checksum, other_bytes;
    bool options_rest; /* `...` among the options */
    bool nops;         /* NOPs are given, and so they count */
    struct pl_script_value seq, ack, win, urg, ecn, ttl, tos;
    struct pl_script_value stream; /* of the payload's first byte; NONE: follows from seq or DSN */
    uint32_t len;                  /* payload */
    uint32_t piece;                /* `by n`: cut into segments of so many bytes; 0: one */
    uint8_t option_count;
    struct pl_script_option options[PL_SCRIPT_OPTIONS_MAX];
    uint8_t icmp_type, icmp_code; /* ICMP: seq and len are the quoted segment's */
    uint32_t icmp_mtu;
    uint8_t *raw; /* RAW: a whole packet of `len` bytes, owned by the program */
};

/* ---- lines ---- */

enum pl_script_line_kind {
    PL_LINE_IN,
    PL_LINE_OUT,
    PL_LINE_NOTHING, /* `number` is how long */
    PL_LINE_CALL,
    PL_LINE_PORT,
    PL_LINE_EXPECT,
};

enum pl_script_call {
    PL_CALL_SOCKET,
    PL_CALL_BIND,
    PL_CALL_LISTEN,
    PL_CALL_CONNECT,
    PL_CALL_ACCEPT,
    PL_CALL_CONFIRM,
    PL_CALL_WRITE,
    PL_CALL_READ,
    PL_CALL_SHUTDOWN,
    PL_CALL_CLOSE,
    PL_CALL_ABORT,
    PL_CALL_SET,
    PL_CALL_GET,
    PL_CALL_POLL,
    PL_CALL_COUNT,
};

enum pl_script_port_verb {
    PL_PORT_UP,
    PL_PORT_DOWN,
    PL_PORT_MTU,
    PL_PORT_ADD,
    PL_PORT_REMOVE,
    PL_PORT_SET_BACKUP,
    PL_PORT_CLEAR_BACKUP,
};

enum pl_script_expect {
    PL_EXPECT_COUNTER,
    PL_EXPECT_INFO,
    PL_EXPECT_STATS,
    PL_EXPECT_STATE,
    PL_EXPECT_DROP,
    PL_EXPECT_EVENT,
    PL_EXPECT_NO_EVENT,
};

enum pl_script_compare { PL_IS, PL_IS_NOT, PL_BELOW, PL_AT_MOST, PL_ABOVE, PL_AT_LEAST };

enum pl_script_when { PL_WHEN_AFTER, PL_WHEN_AT, PL_WHEN_ANY };

struct pl_script_line {
    unsigned at;       /* line of the file, from 1 on */
    const char *text;  /* in the file, `text_len` bytes */
    const char *event; /* the same without the time */
    uint32_t text_len;
    uint8_t when;         /* enum pl_script_when */
    plait_time time;      /* AFTER the line before, or AT */
    plait_time time_last; /* of a range; >= time */
    uint8_t kind;         /* enum pl_script_line_kind */
    uint8_t flow;         /* IN, OUT, EXPECT: index */
    uint8_t socket;       /* CALL, EXPECT: index */
    uint8_t verb;         /* enum pl_script_call, _port_verb or _expect */
    uint8_t compare;      /* enum pl_script_compare */
    uint8_t port;         /* PORT: from 1 on */
    bool has_result, has_number, has_endpoint;
    uint32_t what;          /* option, counter, field, event: an index */
    bool has_id, has_error; /* EXPECT event: what it must carry */
    int64_t number, result;
    struct plait_endpoint endpoint;
    struct pl_script_segment *segment; /* IN, OUT; owned */
};

/* ---- settings ---- */

struct pl_script_port_setting {
    bool used, backup_port, no_mptcp, any_address;
    uint32_t mtu;
    uint32_t address_flags; /* enum plait_address_flag */
    uint16_t announce_port;
    struct plait_addr v4, v6;  /* family NONE: the default */
    struct plait_addr outside; /* by which peers reach it; NONE: none */
};

struct pl_script_flow_setting {
    char name[PL_SCRIPT_NAME]; /* "" for the one without a name */
    uint8_t port;              /* from 1 on */
    uint8_t peer;              /* which address of the peer, from 1 on */
    uint8_t connection;        /* MPTCP: flows of one share keys */
    uint8_t family;            /* PLAIT_FAMILY_NONE: the run's */
    bool has_isn;
    uint16_t local_port, remote_port; /* 0: learnt from the first SYN, or the default */
    uint32_t isn;                     /* of the peer */
};

struct pl_script_program {
    struct plait_config config;
    bool v4, v6;
    bool tso, tx_checksum, rx_checksum;
    plait_time tolerance;
    uint64_t seed;
    bool has_idsn[2]; /* [0] the stack's, [1] the peer's: what their keys pretend to hash to */
    uint64_t idsn[2];
    uint64_t same_tokens; /* the stack's first so many keys pretend to have one token */
    char *head;           /* the settings, as they were written; owned */
    size_t head_len;
    char *includes[PL_SCRIPT_INCLUDES_MAX]; /* owned */
    unsigned include_count;
    struct pl_script_port_setting ports[PL_SCRIPT_PORTS_MAX];
    struct pl_script_flow_setting flows[PL_SCRIPT_FLOWS_MAX];
    unsigned flow_count;
    char sockets[PL_SCRIPT_SOCKETS_MAX][PL_SCRIPT_NAME]; /* 0 is "", 1 is "listener" */
    unsigned socket_count;
    char variables[PL_SCRIPT_VARIABLES_MAX][PL_SCRIPT_NAME];
    unsigned variable_count;
    struct pl_script_line *lines;
    unsigned line_count, line_cap;
    /* What is wrong, if parsing failed. */
    unsigned error_line;
    char error[PL_SCRIPT_TEXT];
};

/* script_parse.c: text -> program. False: error_line and error are set. The program borrows
 * `text`; fini is legal in either case. `name` is the script's, for those that it includes. */
struct pl_script_options;
bool pl_script_parse(struct pl_script_program *program, const char *name, const char *text,
                     size_t len, const struct pl_script_options *options);
void pl_script_program_fini(struct pl_script_program *program);

/* Index of a TCP state's name, or -1; "?" where there is none. */
int pl_script_state_find(const char *name);
const char *pl_script_state_name(uint64_t state);

#endif
