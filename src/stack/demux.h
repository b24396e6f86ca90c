/* stack/demux.h - from a packet to what it belongs to: flows by port and tuple, connections by
 * token; and the numbers that a keyed hash of a tuple gives: initial sequence numbers, time-stamp
 * offsets, ephemeral TCP ports. */
#ifndef PL_STACK_DEMUX_H
#define PL_STACK_DEMUX_H

#include "stack/state.h"

/* The subflow over `port` with this tuple, or NULL. */
struct pl_subflow *pl_demux_flow(const struct plait_stack *stack, plait_port_id port,
                                 const struct pl_tcp_tuple *tuple);
/* The subflow that a packet from `port` belongs to: over that port, or else over another one, since
 * answers need not come back the way that the questions went. Ports that take packets to every
 * address are worlds of their own. */
struct pl_subflow *pl_demux_arrived(const struct plait_stack *stack, const struct pl_port *port,
                                    const struct pl_tcp_tuple *tuple);
void pl_demux_flow_add(struct plait_stack *stack, struct pl_subflow *sf);
void pl_demux_flow_remove(struct plait_stack *stack, struct pl_subflow *sf);
/* Tells all subflows over a port about its new MTU. */
void pl_demux_set_mtu(struct plait_stack *stack, plait_port_id port, uint32_t mtu);

/* Ends all subflows over a port; what they still say is for nobody. */
void pl_demux_abort(struct plait_stack *stack, plait_port_id port, int error);

/* The connection whose local token this is, or NULL. */
struct pl_conn *pl_demux_token(const struct plait_stack *stack, uint32_t token);
/* False when the token is taken. */
bool pl_demux_token_add(struct plait_stack *stack, struct pl_conn *conn);
void pl_demux_token_remove(struct plait_stack *stack, struct pl_conn *conn);

/* A local TCP port with which `tuple` is unused, at our other addresses, too, as long as there are
 * such ports; or 0 when there is none (RFC 6056). */
uint16_t pl_demux_ephemeral(struct plait_stack *stack, plait_port_id port,
                            const struct pl_tcp_tuple *tuple);
/* Initial sequence number (RFC 6528). */
pl_seq32 pl_demux_iss(const struct plait_stack *stack, const struct pl_tcp_tuple *tuple);
/* Offset of the time-stamp clock towards one remote address: the same for all its connections, so
 * that PAWS and TIME-WAIT re-use see one clock (RFC 7323 section 5.4, RFC 6191). */
uint32_t pl_demux_ts_offset(const struct plait_stack *stack, const struct pl_tcp_tuple *tuple);

#endif
