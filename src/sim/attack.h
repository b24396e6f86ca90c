/* sim/attack.h - the attacks of RFC 6181 and RFC 7430 on a connection with two paths, on virtual
 * time.
 *
 * Two whole stacks talk over a perfect network while an attacker with addresses of its own sends
 * what it likes, with any source address, and sees or changes what its place on the network lets it
 * (docs/security.md). Witnesses on both hosts say what came of it; the attack itself is not asked.
 */
#ifndef PL_SIM_ATTACK_H
#define PL_SIM_ATTACK_H

#include "sim/record.h"

/* In the order of harm. */
enum pl_attack_outcome {
    PL_ATTACK_REFUSED,  /* nothing but counted drops and answers that TCP prescribes */
    PL_ATTACK_BOUNDED,  /* something is lost or spent, within a limit; the transfer goes on */
    PL_ATTACK_RESIDUAL, /* it works, as RFC 8684 section 5 says it must */
    PL_ATTACK_BROKEN,   /* wrong bytes, a hang, an error, or more than the limit */
};
const char *pl_attack_outcome_name(enum pl_attack_outcome outcome);

struct pl_attack_options {
    const struct plait_env *hashes; /* whose sha256 and hmac_sha256 are used */
    uint64_t seed;
    bool v0;                    /* over version 0 of MPTCP (RFC 6824) */
    FILE *trace;                /* every event of both stacks as JSON lines; NULL: none */
    pl_record_capture *capture; /* NULL: none; interfaces 0 and 1: client, 4: server */
    void *capture_arg;
};

struct pl_attack_result {
    enum pl_attack_outcome outcome, promised;
    uint64_t forged;       /* packets that the attacker sent */
    uint64_t answers;      /* packets that the hosts sent to the attacker and to third parties */
    uint64_t stolen_bytes; /* payload among these */
    uint32_t foreign;      /* subflows with them that a host held to be established */
    uint32_t half_open;    /* subflows beyond the hosts' own, most at one time on one host */
    uint64_t memory_bytes; /* that they took, most at one time on one host */
    uint32_t lost;         /* subflows of the hosts' own that ended before their time */
    bool fallback;         /* the connection went on as plain TCP */
    bool joined;           /* the client's second address was used when all was over */
    bool delivered;        /* both directions, every byte, to the end of stream */
    char reason[240];      /* for BROKEN: what was wrong first */
};

/* "add_addr_forged", or NULL behind the last one. */
const char *pl_attack_name(unsigned index);
/* Who the attacker is and what it does, in a line; where it is described. */
const char *pl_attack_place(unsigned index);
const char *pl_attack_source(unsigned index);
/* Whether it is one over that version. */
bool pl_attack_applies(unsigned index, bool v0);
/* Returns 0, or a negative plait_error when it could not be run. */
PLAIT_MUST_CHECK int pl_attack_run(unsigned index, const struct pl_attack_options *options,
                                   struct pl_attack_result *result);

#endif
