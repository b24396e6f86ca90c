/* net/loss.h - which packets a link loses: independently (random) or in bursts (the model of
 * Gilbert and Elliott), with the parameters of netem. All probabilities are in millionths. */
#ifndef PL_NET_LOSS_H
#define PL_NET_LOSS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"

#define PL_PPM_ONE UINT32_C(1000000)

enum pl_loss_model { PL_LOSS_NONE, PL_LOSS_RANDOM, PL_LOSS_GEMODEL };

struct pl_loss_config {
    uint8_t model;          /* enum pl_loss_model */
    uint32_t random_ppm;    /* PL_LOSS_RANDOM: every packet */
    uint32_t to_bad_ppm;    /* PL_LOSS_GEMODEL, p: good to bad, drawn once per packet */
    uint32_t to_good_ppm;   /* r: bad to good */
    uint32_t bad_loss_ppm;  /* 1-h: loss in the bad state */
    uint32_t good_loss_ppm; /* 1-k: loss in the good state */
};

/* State of one direction; starts zeroed, in the good state. */
struct pl_loss {
    bool bad;
};

bool pl_loss_config_valid(const struct pl_loss_config *config);
/* Whether the next packet is lost. As in netem, the state a packet meets decides about it, and the
 * change of state drawn with it holds from the next packet on. */
bool pl_loss_draw(struct pl_loss *loss, const struct pl_loss_config *config, struct pl_rng *rng);

#endif
