/* stack/peers.h - what is remembered of servers: Fast Open as a client (RFC 7413 section 4.1.3).
 *
 * One entry for each pair of a local and a remote address: the newest cookie, the MSS that came
 * with it, and the server's TCP ports on which it went wrong. There Fast Open is off for a minute,
 * and for twice as long each time it goes wrong again. The entries are bounded; the one that was
 * used longest ago goes. */
#ifndef PL_STACK_PEERS_H
#define PL_STACK_PEERS_H

#include "stack/state.h"

enum { PL_PEERS_MAX = 256 };

void pl_peers_init(struct plait_stack *stack);
void pl_peers_fini(struct plait_stack *stack);
/* What a SYN to `remote` may say: shows a cookie or asks for one. False: nothing, for now. */
bool pl_peers_plan(struct plait_stack *stack, const struct plait_addr *local,
                   const struct plait_endpoint *remote, struct pl_conn_fastopen *out);
/* What came of it. `failed`: the connection ended by itself before it was open. */
void pl_peers_learn(struct plait_stack *stack, const struct pl_tcp_tuple *tuple,
                    const struct pl_conn_fastopen *result, bool failed);
void pl_peers_check(const struct plait_stack *stack);

#endif
