/* net/box_kind.h - what a kind of middlebox is made of; for the files of src/net only.
 *
 * A kind is a function that gets a packet and hands on what becomes of it with pl_box_pass() (the
 * way it was going) or pl_box_emit() (either way), and mostly nothing else. Its packet is a private
 * copy. Kinds that track find the flow a packet belongs to in the box: what was seen of it, also
 * while the box was not acting yet, and room for packets that are held. */
#ifndef PL_NET_BOX_KIND_H
#define PL_NET_BOX_KIND_H

#include "base/seq.h"
#include "net/box_config.h"
#include "plait/buf.h"
#include "plait/stack.h"

enum { PL_BOX_FLOWS_MAX = 32, PL_BOX_HELD_MAX = 64 };

/* One way of a flow. */
struct pl_box_half {
    bool known;        /* a segment was seen: */
    pl_seq32 first;    /* the sequence number of the first one */
    pl_seq32 next;     /* what is behind the last one */
    pl_seq32 ack;      /* its newest acknowledgement */
    pl_seq32 data_end; /* behind the last payload */
    uint16_t window_raw;
    uint8_t wscale;
    bool wscale_given;
    uint32_t ts_val;
    /* ---- the kind's own ---- */
    bool based;
    pl_seq32 base;  /* GROW, SHRINK: where the changes begin; HOLE: what is expected; PROXY_ACK:
                       what was acknowledged */
    plait_time due; /* when the box is to tick, while something is held; 0: not */
    unsigned held_count;
    struct plait_buf *held[PL_BOX_HELD_MAX];
};

struct pl_box_flow {
    struct plait_endpoint inside, outside;
    struct pl_box_half half[2]; /* by enum pl_box_way */
    bool young;                 /* its SYN came when the box was acting */
    bool done;                  /* RST: it had its reset */
};

struct pl_chain;

struct pl_box {
    const struct pl_box_ops *ops;
    struct pl_box_config config;
    const struct plait_env *env;
    struct pl_chain *chain; /* for pl_box_emit() */
    unsigned index;
    bool triggered; /* after_bytes have been seen */
    bool rebound;
    uint64_t acted;
    struct pl_nat *nat;        /* [2], NAT, REBIND and NAT64 */
    struct pl_box_flow *flows; /* [PL_BOX_FLOWS_MAX]; NULL unless the kind tracks */
    unsigned flow_count, flow_oldest;
};

/* What a kind works on. */
struct pl_box_packet {
    struct plait_buf *buf;
    struct plait_rx_meta meta;
    enum pl_box_way way;
    struct pl_box_view view;
    struct pl_box_flow *flow; /* NULL unless the kind tracks */
};

struct pl_box_ops {
    void (*pass)(struct pl_box *box, struct pl_box_packet *packet, plait_time now);
    void (*tick)(struct pl_box *box, plait_time now); /* a half is due; NULL: they never are */
};
extern const struct pl_box_ops pl_box_nat, pl_box_reseq, pl_box_strip, pl_box_drop_syn,
    pl_box_syn_data, pl_box_split, pl_box_coalesce, pl_box_rewrite, pl_box_length, pl_box_proxy,
    pl_box_reset, pl_box_hole, pl_box_dup, pl_box_clamp, pl_box_announce, pl_box_nat64;

/* Hands a packet to the next box in `way`, or to the chain's emit. */
void pl_box_emit(struct pl_box *box, enum pl_box_way way, struct plait_buf *buf,
                 const struct plait_rx_meta *meta);
static inline void pl_box_pass(struct pl_box *box, struct pl_box_packet *packet) {
    pl_box_emit(box, packet->way, packet->buf, &packet->meta);
}

/* Whether its time is now; and whether it is this way's box. */
bool pl_box_acting(const struct pl_box *box, plait_time now);
static inline bool pl_box_acts_on(const struct pl_box *box, enum pl_box_way way) {
    return (box->config.ways >> way & 1) != 0;
}

/* A new packet with the headers of `like`, without checksums and length yet: `a`, then `b` as its
 * payload. NULL: no memory, or more than an IP packet holds. */
struct plait_buf *pl_box_make(const struct plait_env *env, const struct pl_box_view *like,
                              struct plait_slice a, struct plait_slice b);
/* A packet of its own with the same bytes; NULL: no memory. */
struct plait_buf *pl_box_copy(const struct plait_env *env, const struct plait_buf *buf);
/* Makes the lengths and checksums of a packet right. */
void pl_box_seal(struct plait_buf *buf);

/* ---- flows: box_flow.c ---- */

/* The flow of a packet, with what the packet says noted. NULL: none, and none may be added. */
struct pl_box_flow *pl_box_track(struct pl_box *box, const struct pl_box_packet *packet,
                                 bool acting);
void pl_box_flows_fini(struct pl_box *box);
/* Takes a reference on a packet, behind those that are held; false: there is no room. */
bool pl_box_hold(struct pl_box_half *half, struct plait_buf *buf);
/* The first packet held, for the caller. */
struct plait_buf *pl_box_unhold(struct pl_box_half *half);
/* Gives a segment that was held its sender's newest acknowledgement and time stamp: with older ones
 * the receiver would not take it (RFC 7323 section 5). */
void pl_box_freshen(struct plait_buf *buf, const struct pl_box_half *half);
/* The earliest `due` of all flows. */
plait_time pl_box_flows_due(const struct pl_box *box);

#endif
