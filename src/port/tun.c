/* port/tun.c - opening, reading and writing a TUN device.
 *
 * Every packet is preceded by a virtio_net_hdr (linux/virtio_net.h, native byte order), which
 * carries both offloads: an unfinished checksum (start, offset) and a large segment (type, size).
 * The kernel on the other side of the device treats a large segment as its own GSO packet, so a
 * 64 KB segment crosses into and out of its stack in one piece. */
#include "port/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/assert.h"
#include "port/netns.h"

static int attach(int fd, const char *name, struct pl_tun *tun) {
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    int header_size = sizeof(struct virtio_net_hdr);
    if (strlen(name) >= sizeof(request.ifr_name)) {
        return -EINVAL;
    }
    memcpy(request.ifr_name, name, strlen(name));
    if (ioctl(fd, TUNSETIFF, &request) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_size) < 0) {
        return -errno;
    }
    tun->vnet = ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0;
    tun->fd = fd;
    memcpy(tun->name, request.ifr_name, sizeof(tun->name));
    tun->name[sizeof(tun->name) - 1] = '\0';
    return 0;
}

int pl_tun_open(struct pl_tun *tun, const char *name, int ns) {
    memset(tun, 0, sizeof(*tun));
    tun->fd = -1;
    int previous = pl_netns_enter(ns);
    if (pl_netns_failed(previous)) {
        return previous;
    }
    /* The namespace of a device is the one in which this descriptor is opened. */
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int result = fd < 0 ? -errno : attach(fd, name, tun);
    pl_netns_leave(previous);
    if (result < 0 && fd >= 0) {
        close(fd);
    }
    return result;
}

void pl_tun_close(struct pl_tun *tun) {
    if (tun->fd >= 0) {
        close(tun->fd);
        tun->fd = -1;
    }
}

int pl_tun_read(struct pl_tun *tun, struct plait_buf *buf, struct plait_rx_meta *meta) {
    struct virtio_net_hdr header;
    struct iovec parts[2] = {{&header, sizeof(header)}, {buf->data, buf->cap}};
    ssize_t n = readv(tun->fd, parts, 2);
    if (n < 0) {
        return -errno;
    }
    if ((size_t)n < sizeof(header)) {
        return -EBADFD;
    }
    buf->len = (uint32_t)((size_t)n - sizeof(header));
    meta->flags = 0;
    if (header.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID)) {
        meta->flags = PLAIT_RX_CSUM_OK;
    }
    meta->gso_size = header.gso_type != VIRTIO_NET_HDR_GSO_NONE ? header.gso_size : 0;
    return 0;
}

static void fill_header(const struct plait_tx *tx, struct virtio_net_hdr *header) {
    memset(header, 0, sizeof(*header));
    if (tx->needs_csum) {
        header->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
        header->csum_start = tx->csum_start;
        header->csum_offset = tx->csum_offset;
    }
    /* A payload that fits one segment is none of GSO's business; the kernel refuses it. */
    if (tx->gso_size > 0 && tx->payload_len > tx->gso_size) {
        bool v4 = tx->header[0] >> 4 == 4;
        header->gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
        header->gso_size = tx->gso_size;
        header->hdr_len = (uint16_t)tx->header_len;
    }
}

int pl_tun_write(struct pl_tun *tun, const struct plait_tx *tx) {
    struct virtio_net_hdr header;
    struct iovec parts[2 + PLAIT_TX_SLICES_MAX];
    PL_ASSERT(tx->slice_count <= PLAIT_TX_SLICES_MAX);
    PL_ASSERT(tx->header_len <= PLAIT_TX_HEADER_MAX);
    fill_header(tx, &header);
    parts[0] = (struct iovec){&header, sizeof(header)};
    parts[1] = (struct iovec){(void *)tx->header, tx->header_len};
    for (uint32_t i = 0; i < tx->slice_count; i++) {
        parts[2 + i] = (struct iovec){(void *)tx->slices[i].data, tx->slices[i].len};
    }
    return writev(tun->fd, parts, (int)(2 + tx->slice_count)) < 0 ? -errno : 0;
}
