/* cli/relay_state.h - instances of `plait run`: numbers, state files, sysctls, leftovers.
 *
 * States: zeroed -> relay_state_begin -> relay_state_sysctl -> relay_state_end. End is legal in
 * each. */
#ifndef PL_CLI_RELAY_STATE_H
#define PL_CLI_RELAY_STATE_H

#include <stdbool.h>
#include <stdint.h>

enum { RELAY_CLAIMS_MAX = 512 };

/* A sysctl that was changed and what it was. */
struct relay_claim {
    char path[128];
    char original[16];
};

struct relay_state {
    int lock_fd;          /* of the directory's lock file */
    uint16_t listen_port; /* set by the owner: what `plait serve` takes for itself, 0: nothing */
    int rival;            /* the process that has it already, 0: none */
    char listen_addr[46]; /* on this address only; "" for all */
    const char *const
        *listen_links;          /* and on these interfaces only, as many as listen_link_count */
    unsigned listen_link_count; /* 0: on all */
    unsigned instance;
    uint64_t netns;
    char path[64]; /* of the state file; "" before there is one */
    unsigned claim_count;
    struct relay_claim claims[RELAY_CLAIMS_MAX];
};

/* Removes what dead instances left, takes a number and writes the state file. False: said why. */
bool relay_state_begin(struct relay_state *state);
/* Sets a sysctl that others use too, remembering what it was; relay_state_end() restores it unless
 * another instance still needs it. `was`: what it was before any instance, may be NULL. Returns 0
 * or -errno (-ENOENT: there is no such thing). */
int relay_state_sysctl(struct relay_state *state, const char *path, const char *value,
                       char was[16]);
/* Forgets the sysctls of an interface that is gone, which took them along. */
void relay_state_forget(struct relay_state *state, const char *interface);
/* Undoes everything on the host side and removes the state file. */
void relay_state_end(struct relay_state *state);

#endif
