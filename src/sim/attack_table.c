/* The table of attacks. */
#include "sim/attack.h"

#include <stddef.h>

#include "sim/siege.h"

static const char *const outcomes[] = {"refused", "bounded", "residual", "BROKEN"};

const char *pl_attack_outcome_name(enum pl_attack_outcome outcome) {
    return outcomes[outcome];
}

static const struct pl_siege_attack *find(unsigned index) {
    static const struct pl_siege_attack *const lists[] = {
        pl_attacks_on_addresses, pl_attacks_on_joins, pl_attacks_on_segments};
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        for (const struct pl_siege_attack *attack = lists[i]; attack->name != NULL; attack++) {
            if (index-- == 0) {
                return attack;
            }
        }
    }
    return NULL;
}

const char *pl_attack_name(unsigned index) {
    const struct pl_siege_attack *attack = find(index);
    return attack != NULL ? attack->name : NULL;
}

const char *pl_attack_place(unsigned index) {
    const struct pl_siege_attack *attack = find(index);
    return attack != NULL ? attack->place : NULL;
}

const char *pl_attack_source(unsigned index) {
    const struct pl_siege_attack *attack = find(index);
    return attack != NULL ? attack->source : NULL;
}

bool pl_attack_applies(unsigned index, bool v0) {
    const struct pl_siege_attack *attack = find(index);
    return attack != NULL && !(v0 && attack->v0 == SIEGE_V0_NONE);
}

int pl_attack_run(unsigned index, const struct pl_attack_options *options,
                  struct pl_attack_result *result) {
    const struct pl_siege_attack *attack = find(index);
    return attack != NULL ? pl_siege_run(attack, options, result) : PLAIT_E_BAD_ARGUMENT;
}
