/* port/tun_port.h - ties a TUN device to a port of a stack.
 *
 * States: after pl_tun_port_init() all calls are legal until pl_tun_port_fini(). It owns its
 * device, not the stack. */
#ifndef PL_PORT_TUN_PORT_H
#define PL_PORT_TUN_PORT_H

#include "port/tun.h"

struct pl_pcapng;

/* Packets per plait_output(), and how many such batches one call writes at most. */
enum { PL_TUN_BATCH = 32, PL_TUN_BATCHES_MAX = 16 };

/* A packet that the device did not take, with a payload of its own. */
struct pl_tun_pending {
    struct plait_tx tx;
    uint8_t *payload;
};

struct pl_tun_port {
    struct pl_tun tun;
    struct plait_stack *stack;
    const struct plait_env *env;
    plait_port_id id;
    struct pl_pcapng *capture; /* NULL for none; borrowed */
    uint32_t capture_id;
    struct plait_buf *spare; /* for the next read, or NULL */
    struct pl_tun_pending pending[PL_TUN_BATCH];
    unsigned pending_first, pending_end;
    uint64_t rx_bytes, tx_bytes, rx_packets, tx_packets; /* IP packets, headers included */
    uint64_t tx_drops;                                   /* refused by the device (it is down) */
};

/* Takes an open device over and makes it port `id` of `stack`. */
void pl_tun_port_init(struct pl_tun_port *port, const struct pl_tun *tun, struct plait_stack *stack,
                      const struct plait_env *env, plait_port_id id);
void pl_tun_port_fini(struct pl_tun_port *port);

/* Reads up to `max` packets and gives them to the stack, none when `bytes_max` have been read.
 * Returns how many, or -EBADFD when the device is gone. */
PLAIT_MUST_CHECK int pl_tun_port_input(struct pl_tun_port *port, unsigned max, uint32_t bytes_max,
                                       plait_time now);
/* Writes what the stack has, within PL_TUN_BATCHES_MAX. Returns false when the device is full:
 * call again when it is writable. Nothing is lost meanwhile. */
bool pl_tun_port_output(struct pl_tun_port *port, plait_time now);

#endif
