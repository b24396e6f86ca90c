/* net/loss.c - loss models.
 *
 * The Gilbert-Elliott chain has two states. Mean burst length is 1/r packets, the share of packets
 * that meet the bad state is p/(p+r), and the loss rate is
 * bad_share * (1-h) + (1 - bad_share) * (1-k). */
#include "net/loss.h"

#include "base/assert.h"

bool pl_loss_config_valid(const struct pl_loss_config *config) {
    PL_ASSERT(config != NULL);
    return config->model <= PL_LOSS_GEMODEL && config->random_ppm <= PL_PPM_ONE &&
           config->to_bad_ppm <= PL_PPM_ONE && config->to_good_ppm <= PL_PPM_ONE &&
           config->bad_loss_ppm <= PL_PPM_ONE && config->good_loss_ppm <= PL_PPM_ONE;
}

static bool draw_gemodel(struct pl_loss *loss, const struct pl_loss_config *config,
                         struct pl_rng *rng) {
    bool was_bad = loss->bad;
    if (pl_rng_chance(rng, was_bad ? config->to_good_ppm : config->to_bad_ppm)) {
        loss->bad = !was_bad;
    }
    return pl_rng_chance(rng, was_bad ? config->bad_loss_ppm : config->good_loss_ppm);
}

bool pl_loss_draw(struct pl_loss *loss, const struct pl_loss_config *config, struct pl_rng *rng) {
    PL_ASSERT(loss != NULL);
    PL_ASSERT(pl_loss_config_valid(config));
    switch (config->model) {
        case PL_LOSS_RANDOM:
            return pl_rng_chance(rng, config->random_ppm);
        case PL_LOSS_GEMODEL:
            return draw_gemodel(loss, config, rng);
        default:
            return false;
    }
}
