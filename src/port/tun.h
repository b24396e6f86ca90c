/* port/tun.h - TUN devices with checksum and segmentation offload (virtio-net header).
 *
 * One open device: packets of up to 64 KB go either way in one system call. The device disappears
 * with its descriptor, so a crashed process leaves none behind. */
#ifndef PL_PORT_TUN_H
#define PL_PORT_TUN_H

#include "plait/stack.h"

/* The largest packet of a TUN device (an IPv6 header and 65,535 bytes), rounded up. */
enum { PL_TUN_PACKET_MAX = 65600 };

struct pl_tun {
    int fd;        /* -1 when closed */
    bool vnet;     /* offloads are on: PLAIT_PORT_TSO | PLAIT_PORT_TX_CSUM may be used */
    char name[16]; /* as the kernel named it */
};

/* Creates the device `name` (or from a pattern such as "plait%d") in the namespace `ns` (< 0: the
 * caller's), non-blocking and down. Returns 0 or -errno; EBUSY and EINVAL: the name is taken. */
PLAIT_MUST_CHECK int pl_tun_open(struct pl_tun *tun, const char *name, int ns);
void pl_tun_close(struct pl_tun *tun);

/* Reads one packet into buf->data, sets buf->len and *meta. Returns 0 or -errno: EAGAIN when there
 * is none, EBADFD when the device is gone. */
PLAIT_MUST_CHECK int pl_tun_read(struct pl_tun *tun, struct plait_buf *buf,
                                 struct plait_rx_meta *meta);
/* Writes one packet. Returns 0 or -errno: EAGAIN when the device cannot take it now. */
PLAIT_MUST_CHECK int pl_tun_write(struct pl_tun *tun, const struct plait_tx *tx);

#endif
