/* mptcp/pm/pm.h - the path manager of a connection: which pairs of addresses carry subflows, and
 * what the peer is told about addresses (RFC 8684 section 3.4).
 *
 * It keeps a table of wanted paths, made from the stack's endpoint table and the peer's addresses,
 * and sees to it that each has a subflow: it opens what is missing, and opens again what died, with
 * back-off, for as long as the path is wanted. A path whose port comes up is tried at once. Nothing
 * happens before the connection is fully established. All work is done in pl_pm_run, from
 * pl_conn_settle. */
#ifndef PL_MPTCP_PM_PM_H
#define PL_MPTCP_PM_PM_H

#include "mptcp/pm/table.h"
#include "mptcp/state.h"

PLAIT_MUST_CHECK int pl_pm_init(struct pl_conn *conn);
void pl_pm_fini(struct pl_conn *conn);
/* The first subflow exists: its addresses are id 0 on both sides. */
void pl_pm_first(struct pl_conn *conn, struct pl_subflow *sf);
void pl_pm_run(struct pl_conn *conn, plait_time now);
plait_time pl_pm_deadline(const struct pl_conn *conn);
void pl_pm_check(const struct pl_conn *conn);

/* paths.c */
void pl_pm_subflow_made(struct pl_subflow *sf,
                        plait_time now); /* a join from the peer was accepted */
void pl_pm_subflow_up(struct pl_subflow *sf, plait_time now);
void pl_pm_subflow_closed(struct pl_subflow *sf, int error, plait_time now);
/* This path should carry a subflow; `local_id` is the address id to begin with. */
void pl_pm_want(struct pl_conn *conn, const struct pl_path_key *key, uint8_t local_id);
void pl_pm_paths_run(struct pl_conn *conn, plait_time now);
plait_time pl_pm_paths_deadline(const struct pl_conn *conn);
struct pl_path *pl_pm_path_of(const struct pl_conn *conn, const struct pl_subflow *sf);
/* The peer told us, with an RST, whether it is worth trying again (section 3.6). */
void pl_pm_rst_reason(struct pl_subflow *sf, uint8_t reason, bool transient);
/* The peer announced an address that is known again: with another port, or to be tried again. */
void pl_pm_remote_refreshed(struct pl_conn *conn, uint8_t remote_index, plait_time now);
void pl_pm_port_up(struct pl_conn *conn, plait_port_id port, plait_time now);
/* A path is dead though its port is up: tell the peer (REMOVE_ADDR), drop the subflow, probe. */
void pl_pm_path_dead(struct pl_subflow *sf, plait_time now);
/* The last subflow does not answer: its path, and the others, are tried for another one. */
void pl_pm_path_silent(struct pl_subflow *sf, plait_time now);
/* It does answer: an attempt at its path is no longer needed. */
void pl_pm_path_heard(struct pl_subflow *sf);
/* Several paths are wanted: what dies on one can go on on another. */
bool pl_pm_has_choice(const struct pl_conn *conn);
/* An address id that this connection has not used lately. */
uint8_t pl_pm_new_id(struct pl_conn *conn);
/* Whether an id can stand for this address: it stands for no other now, and no REMOVE_ADDR of it is
 * still to be repeated (RFC 8684 section 3.4.1). */
bool pl_pm_id_free(const struct pl_conn *conn, uint8_t id, const struct plait_addr *addr);
/* Whether a join of the peer with this id, over this subflow setup, may be accepted. */
bool pl_pm_may_accept(const struct pl_conn *conn);
/* Whether there is still room for it, now that its handshake is complete. */
bool pl_pm_may_keep(const struct pl_conn *conn);

/* Subflows that live, or try to. */
uint32_t pl_pm_alive_count(const struct pl_conn *conn);
void pl_pm_let_go(struct pl_subflow *sf);
void pl_pm_give_up(struct pl_subflow *sf);
/* The address id for a subflow from this endpoint, and that of an address of the peer. */
uint8_t pl_pm_id_for(struct pl_conn *conn, const struct pl_local_endpoint *ep);
uint8_t pl_pm_remote_id(const struct pl_conn *conn, const struct plait_addr *addr);

/* rules.c: calls pl_pm_want for all that should be */
void pl_pm_rules_run(struct pl_conn *conn);
bool pl_pm_wants_any(const struct pl_conn *conn);
/* The manager acts by itself. */
bool pl_pm_is_automatic(const struct pl_conn *conn);
/* PLAIT_ADDRESS_... of an endpoint, for this connection. */
uint32_t pl_pm_flags(const struct pl_conn *conn, const struct pl_local_endpoint *ep);

/* announce.c: ADD_ADDR and REMOVE_ADDR, both directions */
void pl_pm_add_addr_in(struct pl_subflow *sf, const struct pl_mptcp_options *o, plait_time now);
void pl_pm_remove_addr_in(struct pl_subflow *sf, const struct pl_mptcp_options *o, plait_time now);
void pl_pm_remove_addr_out(struct pl_conn *conn, uint8_t id, const struct plait_addr *addr,
                           plait_time now);
/* The same address is back, under the same id, before REMOVE_ADDR was said as often as it should.
 */
void pl_pm_removal_cancel(struct pl_conn *conn, uint8_t id, const struct plait_addr *addr);
/* ADD_ADDR of the endpoint with this id went out, or waits. */
bool pl_pm_is_announced(const struct pl_conn *conn, uint8_t id);
/* A REMOVE_ADDR of this id is still to be said, or to be repeated. */
bool pl_pm_removal_pending(const struct pl_conn *conn, uint8_t id);
uint32_t pl_pm_write(struct pl_subflow *sf, uint8_t *out, uint32_t room, plait_time now);
/* Option bytes beyond what fits beside timestamps: 0, or the length of a waiting ADD_ADDR. */
uint32_t pl_pm_room_wanted(const struct pl_conn *conn, plait_time now);
void pl_pm_announce_run(struct pl_conn *conn, plait_time now);
plait_time pl_pm_announce_deadline(const struct pl_conn *conn);

#endif
