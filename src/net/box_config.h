/* net/box_config.h - the kinds of middleboxes, and what one of them is told to do (net/chain.h).
 *
 * A box acts on one way or on both. It begins when `after_bytes` of TCP payload have entered its
 * chain, in both ways together, and not before `from`; before that and from `until` on packets pass
 * unchanged. So a box can come up in the middle of a connection, in virtual time and in real time
 * alike. */
#ifndef PL_NET_BOX_CONFIG_H
#define PL_NET_BOX_CONFIG_H

#include "net/box.h"

enum pl_box_kind {
#define PL_BOX(name, text, ops, tracks) PL_BOX_KIND_##name,
#include "net/boxes.def"
#undef PL_BOX
    PL_BOX_KIND_COUNT
};

enum {
    PL_BOX_WAY_OUT = 1 << PL_BOX_OUT,
    PL_BOX_WAY_IN = 1 << PL_BOX_IN,
    PL_BOX_WAY_BOTH = PL_BOX_WAY_OUT | PL_BOX_WAY_IN,
};

struct pl_box_config {
    enum pl_box_kind kind;
    uint32_t ways;        /* PL_BOX_WAY_… that it acts on */
    plait_time from;      /* 0: at once */
    plait_time until;     /* 0: for ever */
    uint64_t after_bytes; /* of payload */
    uint64_t seed;        /* RESEQ: its secret; 0: one of its own */
    uint32_t every_bytes; /* REWRITE, GROW, SHRINK: between changes; 0: PL_BOX_EVERY_BYTES */
    /* NAT, REBIND: by family, 0 IPv4, 1 IPv6; family NONE: not translated. NAT64: IPv4 only. */
    struct plait_addr outside[2];
    uint16_t port_first;
};
enum { PL_BOX_EVERY_BYTES = 20000, PL_BOX_EVERY_BYTES_MAX = 1 << 30 };

const char *pl_box_name(enum pl_box_kind kind);
/* Reads "KIND", "KIND/out", "KIND/in/after=N", …; both ways when none is named. `after` is
 * after_bytes, `every` is every_bytes, `as` an address that a NAT has outside (one of each family
 * may be named). False: not that. */
bool pl_box_parse(const char *text, struct pl_box_config *out);

#endif
