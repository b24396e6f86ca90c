/* port/tun_port.c - the batch loops between a TUN device and a port of a stack.
 *
 * Reading: one buffer is read into again and again while the stack takes no reference on it
 * (acknowledgements, control packets); when it keeps payload the buffer is the stack's and the
 * next one comes from the environment's cache. Writing: packets are pulled in batches and written
 * straight from the stack's slices. Slices are only lent until the stack acts again, so when the
 * device is full what is left of the batch is copied and goes first the next time. */
#include "port/tun_port.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"
#include "port/pcapng.h"

void pl_tun_port_init(struct pl_tun_port *port, const struct pl_tun *tun, struct plait_stack *stack,
                      const struct plait_env *env, plait_port_id id) {
    memset(port, 0, sizeof(*port));
    port->tun = *tun;
    port->stack = stack;
    port->env = env;
    port->id = id;
}

static void drop_pending(struct pl_tun_port *port) {
    free(port->pending[port->pending_first].payload);
    port->pending_first++;
    if (port->pending_first == port->pending_end) {
        port->pending_first = port->pending_end = 0;
    }
}

void pl_tun_port_fini(struct pl_tun_port *port) {
    while (port->pending_end > 0) {
        drop_pending(port);
    }
    if (port->spare != NULL) {
        plait_buf_unref(port->spare);
        port->spare = NULL;
    }
    pl_tun_close(&port->tun);
}

/* Reads and delivers one packet; 0, or -errno of the device. */
static int input_one(struct pl_tun_port *port, plait_time now) {
    struct plait_rx_meta meta;
    if (port->spare == NULL) {
        port->spare = plait_buf_alloc(port->env, PL_TUN_PACKET_MAX);
        if (port->spare == NULL) {
            return -EAGAIN; /* memory is out: the packets wait in the device's queue */
        }
    }
    struct plait_buf *buf = port->spare;
    int result = pl_tun_read(&port->tun, buf, &meta);
    if (result < 0) {
        return result;
    }
    port->rx_packets++;
    port->rx_bytes += buf->len;
    if (port->capture != NULL) {
        pl_pcapng_input(port->capture, port->capture_id, buf->data, buf->len, &meta, now);
    }
    plait_input(port->stack, port->id, buf, &meta, now);
    if (buf->refs != 1) {
        plait_buf_unref(buf);
        port->spare = NULL;
    }
    return 0;
}

int pl_tun_port_input(struct pl_tun_port *port, unsigned max, uint32_t bytes_max, plait_time now) {
    unsigned count = 0;
    uint64_t enough = port->rx_bytes + bytes_max;
    while (count < max && port->rx_bytes < enough) {
        int result = input_one(port, now);
        if (result == -EBADFD || result == -EIO) {
            return -EBADFD;
        }
        if (result < 0) {
            break;
        }
        count++;
    }
    return (int)count;
}

/* Writes one packet; false when the device is full. Other refusals (the device is down) lose the
 * packet as a link would. */
static bool write_one(struct pl_tun_port *port, const struct plait_tx *tx) {
    int result = pl_tun_write(&port->tun, tx);
    if (result == -EAGAIN) {
        return false;
    }
    if (result < 0) {
        port->tx_drops++;
        return true;
    }
    port->tx_packets++;
    port->tx_bytes += tx->header_len + tx->payload_len;
    return true;
}

static bool flush_pending(struct pl_tun_port *port) {
    while (port->pending_first < port->pending_end) {
        if (!write_one(port, &port->pending[port->pending_first].tx)) {
            return false;
        }
        drop_pending(port);
    }
    return true;
}

static void keep(struct pl_tun_port *port, const struct plait_tx *tx) {
    PL_ASSERT(port->pending_end < PL_TUN_BATCH);
    struct pl_tun_pending *slot = &port->pending[port->pending_end];
    uint32_t filled = 0;
    slot->payload = malloc(tx->payload_len > 0 ? tx->payload_len : 1);
    if (slot->payload == NULL) {
        port->tx_drops++;
        return;
    }
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        PL_ASSERT(filled + tx->slices[i].len <= tx->payload_len);
        memcpy(slot->payload + filled, tx->slices[i].data, tx->slices[i].len);
        filled += tx->slices[i].len;
    }
    slot->tx = *tx;
    slot->tx.slice_count = 1;
    slot->tx.slices[0] = (struct plait_slice){slot->payload, filled};
    port->pending_end++;
}

/* Writes a batch; what the device does not take is kept. */
static bool write_batch(struct pl_tun_port *port, const struct plait_tx *tx, unsigned count,
                        plait_time now) {
    bool room = true;
    for (unsigned i = 0; i < count; i++) {
        if (port->capture != NULL) {
            pl_pcapng_output(port->capture, port->capture_id, &tx[i], now);
        }
        if (room) {
            room = write_one(port, &tx[i]);
        }
        if (!room) {
            keep(port, &tx[i]);
        }
    }
    return room;
}

bool pl_tun_port_output(struct pl_tun_port *port, plait_time now) {
    struct plait_tx tx[PL_TUN_BATCH];
    if (!flush_pending(port)) {
        return false;
    }
    for (unsigned i = 0; i < PL_TUN_BATCHES_MAX; i++) {
        unsigned count = plait_output(port->stack, port->id, tx, PL_TUN_BATCH, now);
        PL_ASSERT(count <= PL_TUN_BATCH);
        if (count == 0) {
            break;
        }
        if (!write_batch(port, tx, count, now)) {
            return false;
        }
    }
    return true;
}
