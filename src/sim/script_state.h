/* sim/script_state.h - a script while it runs. script_run.c owns everything; the other files are
 * handed the run. */
#ifndef PL_SIM_SCRIPT_STATE_H
#define PL_SIM_SCRIPT_STATE_H

#include "base/list.h"
#include "net/text.h"
#include "plait/trace.h"
#include "sim/device.h"
#include "sim/env.h"
#include "sim/script.h"
#include "sim/script_program.h"

enum {
    PL_SCRIPT_HISTORY = 6,
    PL_SCRIPT_EVENTS_MAX = 256,
    PL_SCRIPT_LINE_TEXT = 1200,
    PL_SCRIPT_KEYS_MAX = 64
};

/* A packet that the stack sent and no line has taken yet. */
struct pl_script_packet {
    struct pl_list link;
    plait_time time;
    uint8_t port; /* from 1 on */
    uint32_t len;
    uint8_t data[];
};

struct pl_script_flow {
    const struct pl_script_flow_setting *setting;
    struct plait_endpoint local, remote; /* local.port 0: not known yet */
    uint32_t isn_local, isn_remote;
    bool isn_known;     /* isn_local came from a SYN of the stack */
    uint32_t ts_local;  /* TSval of the stack's last segment */
    uint32_t ts_remote; /* TSval of the last segment to the stack */
    uint32_t nonce_local, nonce_remote;
};

/* MPTCP: what flows of one connection share. [0] is the stack's, [1] the peer's. */
struct pl_script_connection {
    const struct plait_mptcp_version *version; /* of the last MP_CAPABLE with a key */
    uint64_t key[2], idsn[2];
    uint32_t token[2];
    bool known[2];
    uint64_t dsn_end[2]; /* behind the last byte that a mapping named */
    uint32_t early[2];   /* payload of the SYN that has no data sequence numbers */
};

struct pl_script_port {
    struct pl_script_run *run;
    plait_port_id id;
    struct pl_plan_port plan;
    struct pl_device device;
    struct plait_addr addr;
};

struct pl_script_sock {
    plait_sock id; /* 0: none */
    uint64_t written, read;
};

struct pl_script_run {
    const struct pl_script_program *program;
    const struct pl_script_options *options;
    const char *name;
    uint8_t family;
    plait_time now, line_time;
    struct plait_env hashes;           /* the program's pretences on top of the real ones */
    uint64_t keys[PL_SCRIPT_KEYS_MAX]; /* of the stack, in the order of their making */
    unsigned key_count;
    struct pl_sim_env env;
    struct pl_sim_verdict verdict;
    struct pl_record record;
    struct plait_stack *stack;
    struct pl_script_port ports[PL_SCRIPT_PORTS_MAX];
    struct pl_script_flow flows[PL_SCRIPT_FLOWS_MAX];
    struct pl_script_connection connections[PL_SCRIPT_FLOWS_MAX];
    struct pl_script_sock sockets[PL_SCRIPT_SOCKETS_MAX];
    uint16_t listen_port;
    struct pl_script_value variables[PL_SCRIPT_VARIABLES_MAX]; /* NONE: not set */
    struct pl_list packets;
    struct plait_event events[PL_SCRIPT_EVENTS_MAX]; /* that no line has taken yet */
    unsigned event_count;
    uint64_t counters[PLAIT_COUNTER_COUNT]; /* when the last segment went in */
    uint64_t state;                         /* of TCP, as traced last */
    char history[PL_SCRIPT_HISTORY][PL_SCRIPT_LINE_TEXT];
    unsigned history_count;
    bool failed, trouble;
};

/* Always false; the first one counts. */
__attribute__((format(printf, 3, 4))) bool pl_script_fail(struct pl_script_run *run,
                                                          const struct pl_script_line *line,
                                                          const char *format, ...);

/* What differs between two segments, as bits; names in script_compare.c. */
enum pl_script_part {
    PL_PART_TIME,
    PL_PART_TUPLE,
    PL_PART_IP,
    PL_PART_FLAGS,
    PL_PART_SEQ,
    PL_PART_ACK,
    PL_PART_WIN,
    PL_PART_URG,
    PL_PART_OPTIONS,
    PL_PART_BYTES,
    PL_PART_COUNT,
};

/* Where the parts of a printed segment stand; start == end: they do not. */
struct pl_script_spans {
    uint16_t start[PL_PART_COUNT], end[PL_PART_COUNT];
};

/* ---- script_bind.c ---- */

/* Makes numbers of all symbols of `spec` for the piece of it that begins `offset` bytes in: in
 * *out every value is NUMBER or BYTES as on the wire, or, in an expected segment, ANY, AT_LEAST,
 * or a VARIABLE that is not set. */
bool pl_script_bind(struct pl_script_run *run, const struct pl_script_line *line, uint32_t offset,
                    struct pl_script_segment *out);
/* The peer's keys are the script's: their hashes are known before they are sent. */
void pl_script_know_peer(struct pl_script_run *run, struct pl_script_connection *conn,
                         uint64_t key);
/* Takes what a flow's other segments refer to from one that was sent (`in`: to the stack). */
void pl_script_learn(struct pl_script_run *run, unsigned flow, bool in,
                     const struct pl_script_segment *segment);
/* Sets the variables of `want` that were not set from `got`, which is equal to it. */
void pl_script_bind_variables(struct pl_script_run *run, const struct pl_script_segment *want,
                              const struct pl_script_segment *got);
/* Offset in the stream of the first payload byte of a bound segment. */
uint64_t pl_script_stream_offset(const struct pl_script_run *run, unsigned flow, bool in,
                                 const struct pl_script_segment *segment);
/* The option of that name, or NULL. */
const struct pl_script_option *pl_script_find_option(const struct pl_script_segment *segment,
                                                     const char *name);
/* The value of a field of an option, or NULL. */
const struct pl_script_value *pl_script_find_field(const struct pl_script_option *option,
                                                   const char *key);
/* Seed of the bytes that one direction carries. */
uint64_t pl_script_pattern(const struct pl_script_run *run, bool in);
/* The DSS checksum (RFC 8684 section 3.3.1) over the stream's bytes. */
uint16_t pl_script_dss_checksum(uint64_t pattern, uint64_t stream, uint64_t dsn, uint32_t ssn,
                                uint16_t len);

/* ---- script_segment.c: the ICMP errors that have names ---- */

void pl_script_icmp_code(const struct pl_script_segment *segment, uint8_t family, uint8_t *type,
                         uint8_t *code);
const char *pl_script_icmp_name(const struct pl_script_segment *segment);

/* ---- script_packet.c ---- */

/* A packet of a bound segment; NULL: out of memory or options that do not fit. */
struct plait_buf *pl_script_build(struct pl_script_run *run, unsigned flow,
                                  const struct pl_script_segment *segment);
/* False: it is no TCP segment that is well-formed, checksums included. */
bool pl_script_take_apart(const uint8_t *data, uint32_t len, struct pl_script_segment *out,
                          struct plait_endpoint *src, struct plait_endpoint *dst,
                          const uint8_t **payload);

/* ---- script_compare.c ---- */

/* The parts (bits) in which a segment differs from what is wanted. */
unsigned pl_script_compare_segments(const struct pl_script_segment *want,
                                    const struct pl_script_segment *got);
const char *pl_script_part_name(unsigned part);

/* ---- script_print.c ---- */

/* One bound segment with its time, in the syntax of scripts. */
void pl_script_print(const struct pl_script_run *run, unsigned flow, bool in, plait_time time,
                     const struct pl_script_segment *segment, struct pl_text *out,
                     struct pl_script_spans *spans);

/* ---- script_call.c, script_expect.c: one line each; false: it failed ---- */

bool pl_script_call(struct pl_script_run *run, const struct pl_script_line *line);
bool pl_script_port_line(struct pl_script_run *run, const struct pl_script_line *line);
bool pl_script_expect(struct pl_script_run *run, const struct pl_script_line *line);

#endif
