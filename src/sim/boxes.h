/* sim/boxes.h - what middleboxes make of a connection: one transfer in both ways behind each kind
 * of box, in each place, on virtual time (docs/middleboxes.md).
 *
 * The client has two paths to the server, and may use both; the boxes stand at the client's end of
 * them. Where an announced address is what the box is about, it is the server that has two, and
 * the boxes stand at its end. All of sim/world.h's checkers look on: wrong bytes, a hang or a
 * broken rule is a failure. An error that the applications are told is a result. */
#ifndef PL_SIM_BOXES_H
#define PL_SIM_BOXES_H

#include "net/chain.h"
#include "sim/sim.h"

enum pl_boxes_place { PL_BOXES_FIRST, PL_BOXES_SECOND, PL_BOXES_ALL, PL_BOXES_PLACES };
enum pl_boxes_way { PL_BOXES_TO_SERVER, PL_BOXES_TO_CLIENT, PL_BOXES_BOTH, PL_BOXES_WAYS };

struct pl_boxes_case {
    unsigned count; /* 1, or 2: a pair, the first one nearer to the host with the two paths */
    enum pl_box_kind kind[2];
    enum pl_boxes_place place;
    enum pl_boxes_way way;
    bool middle; /* the boxes come up in the middle of the connection */
    bool checksum;
};

enum pl_boxes_class {
    PL_BOXES_MULTIPATH, /* both paths carried payload to the end */
    PL_BOXES_ONE_PATH,  /* MPTCP, over one */
    PL_BOXES_FALLBACK,  /* plain TCP (RFC 8684 section 3.7) */
    PL_BOXES_ERROR,     /* an end was told that the connection is broken */
    PL_BOXES_CLASSES
};

struct pl_boxes_result {
    enum pl_boxes_class class;
    int told[2];         /* client, server: the error it was told; 0: an orderly end */
    bool began[2];       /* false: a server that never had a connection */
    bool altered;        /* an application read what the other did not write */
    bool acted;          /* every box did something to a packet */
    char noticed[160];   /* Linux's names of the counters that say why, by commas; "-" for none */
    plait_time ended_at; /* the later of both ends */
    char reason[240];    /* what was wrong, "" for nothing */
    uint64_t hash;
};

/* The cases of the table in its order: each box alone, then every pair. False: there is none. */
bool pl_boxes_case_at(unsigned index, struct pl_boxes_case *out);
/* "KIND[+KIND]/PLACE/WAY/TIME/CHECKSUM", like "grow/first/to-server/middle/on". */
void pl_boxes_case_name(const struct pl_boxes_case *box, char *out, size_t size);
/* False: no case, not even outside of the table, has this name. */
bool pl_boxes_case_parse(const char *name, struct pl_boxes_case *out);
const char *pl_boxes_class_name(enum pl_boxes_class class);

/* Returns 0, or a negative plait_error when it could not be run; a result with a reason is not one.
 * Of the options, `hashes`, `trace`, `capture` and `fill` are used. */
PLAIT_MUST_CHECK int pl_boxes_run(const struct pl_boxes_case *box,
                                  const struct pl_sim_options *options, uint64_t seed,
                                  struct pl_boxes_result *result);

#endif
