/* plait/multipath.h - what an application can say about the paths of one connection, and ask (RFC
 * 6897, section 5.3 and the wishes of its appendix A.3). docs/api.md tells it as a whole.
 *
 *   TCP_MULTIPATH_ENABLE    PLAIT_OPT_MPTCP
 *   TCP_MULTIPATH_ADD       plait_multipath_add
 *   TCP_MULTIPATH_REMOVE    plait_multipath_remove
 *   TCP_MULTIPATH_SUBFLOWS  plait_multipath_subflows
 *   TCP_MULTIPATH_CONNID    PLAIT_OPT_CONNID
 *
 * Errors besides those that are named: BAD_SOCKET, BAD_ARGUMENT, NO_MEMORY. After an error nothing
 * has changed.
 *
 * The calls with `_sized` are told how long the caller's structs are, so that these can grow
 * (docs/api.md); those without take the length from this header. */
#ifndef PLAIT_MULTIPATH_H
#define PLAIT_MULTIPATH_H

#include "plait/socket.h"

/* A local address that a connection may use, or may not. */
struct plait_local {
    struct plait_addr addr; /* family NONE: all addresses of `port`; of all ports with port 0 */
    plait_port_id port;     /* 0: on whichever port it is */
    uint16_t tcp_port;      /* add: that its subflows have; 0: any. remove: does not matter */
    uint32_t flags;         /* add: PLAIT_ADDRESS_SIGNAL, _SUBFLOW, _FULLMESH for this connection
                               besides what plait_address_add said */
};

/* Before plait_connect and plait_listen: the connection uses these local addresses and no others,
 * also in what it announces; more calls add more. Later: allows what was not allowed. What
 * plait_bind named counts as added. An entry with neither address nor port allows everything again.
 * Errors: NO_ADDRESS (one that no port has; then none of the list is added), LIMIT (16 entries). */
PLAIT_MUST_CHECK int plait_multipath_add_sized(struct plait_stack *stack, plait_sock sock,
                                               const void *list, size_t size, unsigned count,
                                               plait_time now);
PLAIT_MUST_CHECK static inline int plait_multipath_add(struct plait_stack *stack, plait_sock sock,
                                                       const struct plait_local *list,
                                                       unsigned count, plait_time now) {
    return plait_multipath_add_sized(stack, sock, list, sizeof(*list), count, now);
}
/* The connection uses these local addresses no more: their subflows end and the peer is told
 * (REMOVE_ADDR). When they are the only ones that work and others could be tried, they stay until
 * one of those works, for three seconds at most. Errors: LIMIT. */
PLAIT_MUST_CHECK int plait_multipath_remove_sized(struct plait_stack *stack, plait_sock sock,
                                                  const void *list, size_t size, unsigned count,
                                                  plait_time now);
PLAIT_MUST_CHECK static inline int plait_multipath_remove(struct plait_stack *stack,
                                                          plait_sock sock,
                                                          const struct plait_local *list,
                                                          unsigned count, plait_time now) {
    return plait_multipath_remove_sized(stack, sock, list, sizeof(*list), count, now);
}

struct plait_address_pair {
    struct plait_endpoint local, remote;
};
/* The address pairs of the established subflows, `max` at most; returns how many there are. Errors:
 * BAD_STATE (not connected yet). plait_subflows tells more. */
int plait_multipath_subflows_sized(struct plait_stack *stack, plait_sock sock, void *out,
                                   size_t size, unsigned max);
static inline int plait_multipath_subflows(struct plait_stack *stack, plait_sock sock,
                                           struct plait_address_pair *out, unsigned max) {
    return plait_multipath_subflows_sized(stack, sock, out, sizeof(*out), max);
}

/* Path managers: PLAIT_OPT_PATH_MANAGER, by number or (plait_set_text) by name, at any time. */
enum plait_pm {
    PLAIT_PM_KERNEL,     /* "kernel": the flags of the addresses, as `ip mptcp endpoint` has them */
    PLAIT_PM_FULLMESH,   /* "fullmesh": from every address to every address of the peer */
    PLAIT_PM_NDIFFPORTS, /* "ndiffports": PLAIT_OPT_NDIFFPORTS subflows between two addresses */
    PLAIT_PM_USERSPACE,  /* "userspace": nothing by itself; the calls below, on events */
    PLAIT_PM_COUNT,
};
const char *plait_path_manager_name(int64_t manager); /* NULL: none has this number */

/* Opens a subflow from a local to a remote endpoint (TCP port 0 of the local one: any; family NONE
 * of its address: the first one that fits). It is tried once: SF_ESTABLISHED or SF_CLOSED tells
 * what became of it. Returns its serial. Errors: BAD_STATE (not fully established), NO_ADDRESS,
 * IN_USE, LIMIT. */
PLAIT_MUST_CHECK int plait_subflow_open_sized(struct plait_stack *stack, plait_sock sock,
                                              const void *local, size_t size,
                                              const struct plait_endpoint *remote, bool backup,
                                              plait_time now);
PLAIT_MUST_CHECK static inline int plait_subflow_open(struct plait_stack *stack, plait_sock sock,
                                                      const struct plait_local *local,
                                                      const struct plait_endpoint *remote,
                                                      bool backup, plait_time now) {
    return plait_subflow_open_sized(stack, sock, local, sizeof(*local), remote, backup, now);
}
/* Ends the subflow with this serial: what it carries is delivered first, or with `reset` handed to
 * the others. The path manager does not open it again. Errors: BAD_STATE (none has this serial). */
PLAIT_MUST_CHECK int plait_subflow_close(struct plait_stack *stack, plait_sock sock,
                                         uint32_t serial, bool reset, plait_time now);
/* Makes it a backup, or not; the peer is told (MP_PRIO). Errors: BAD_STATE. */
PLAIT_MUST_CHECK int plait_subflow_set_backup(struct plait_stack *stack, plait_sock sock,
                                              uint32_t serial, bool backup, plait_time now);
/* Its congestion control (enum plait_cc); PLAIT_OPT_CONGESTION is for all, those to come included.
 * Errors: BAD_STATE. */
PLAIT_MUST_CHECK int plait_subflow_set_cc(struct plait_stack *stack, plait_sock sock,
                                          uint32_t serial, int64_t cc, plait_time now);

#endif
