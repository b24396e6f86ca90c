/* net/loss: rates and bursts within statistical bounds, exact edge cases. */
#include "net/loss.h"

#include "net_test.h"

#define DRAWS 200000

struct result {
    uint32_t lost;
    uint32_t bursts; /* runs of losses */
};

static struct result run(const struct pl_loss_config *config, uint64_t seed) {
    struct pl_rng rng;
    struct pl_loss loss = {0};
    struct result result = {0, 0};
    bool last = false;
    pl_rng_init(&rng, seed);
    for (int i = 0; i < DRAWS; i++) {
        bool lost = pl_loss_draw(&loss, config, &rng);
        result.lost += lost ? 1 : 0;
        result.bursts += lost && !last ? 1 : 0;
        last = lost;
    }
    return result;
}

static void none_loses_nothing(void **state) {
    struct pl_loss_config config = {.model = PL_LOSS_NONE, .random_ppm = PL_PPM_ONE};
    (void)state;
    assert_int_equal(run(&config, 1).lost, 0);
    config.model = PL_LOSS_RANDOM;
    assert_int_equal(run(&config, 1).lost, DRAWS);
}

static void random_rate_within_four_sigma(void **state) {
    struct pl_loss_config config = {.model = PL_LOSS_RANDOM, .random_ppm = 10000};
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        /* 2000 expected, sigma 44.5 */
        assert_in_range(run(&config, seed).lost, 2000 - 178, 2000 + 178);
    }
}

static void gemodel_rate_and_burst_length(void **state) {
    /* p = 1 %, r = 10 %: 1/11 of the packets meet the bad state, which loses all, in bursts of 10.
     */
    struct pl_loss_config config = {.model = PL_LOSS_GEMODEL,
                                    .to_bad_ppm = 10000,
                                    .to_good_ppm = 100000,
                                    .bad_loss_ppm = PL_PPM_ONE};
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct result result = run(&config, seed);
        assert_in_range(result.lost, DRAWS / 11 * 90 / 100, DRAWS / 11 * 110 / 100);
        assert_in_range(result.lost * 10 / result.bursts, 92, 108);
    }
}

static void gemodel_loses_in_the_good_state_too(void **state) {
    /* Half of the packets meet each state: 0.5 * 40 % + 0.5 * 2 %. */
    struct pl_loss_config config = {.model = PL_LOSS_GEMODEL,
                                    .to_bad_ppm = 50000,
                                    .to_good_ppm = 50000,
                                    .bad_loss_ppm = 400000,
                                    .good_loss_ppm = 20000};
    (void)state;
    assert_in_range(run(&config, 7).lost, DRAWS * 20 / 100, DRAWS * 22 / 100);
}

static void gemodel_state_changes_after_the_packet(void **state) {
    struct pl_loss_config config = {.model = PL_LOSS_GEMODEL,
                                    .to_bad_ppm = PL_PPM_ONE,
                                    .to_good_ppm = PL_PPM_ONE,
                                    .bad_loss_ppm = PL_PPM_ONE};
    struct pl_rng rng;
    struct pl_loss loss = {0};
    (void)state;
    pl_rng_init(&rng, 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(pl_loss_draw(&loss, &config, &rng), i % 2);
    }
}

static void same_seed_same_losses(void **state) {
    struct pl_loss_config config = {.model = PL_LOSS_GEMODEL,
                                    .to_bad_ppm = 20000,
                                    .to_good_ppm = 300000,
                                    .bad_loss_ppm = 900000};
    (void)state;
    struct result first = run(&config, 42), again = run(&config, 42), other = run(&config, 43);
    assert_int_equal(first.lost, again.lost);
    assert_int_equal(first.bursts, again.bursts);
    assert_true(first.lost != other.lost || first.bursts != other.bursts);
}

static void validates(void **state) {
    struct pl_loss_config config = {.model = PL_LOSS_RANDOM, .random_ppm = PL_PPM_ONE};
    (void)state;
    assert_true(pl_loss_config_valid(&config));
    config.random_ppm++;
    assert_false(pl_loss_config_valid(&config));
    config.random_ppm = 0;
    config.model = PL_LOSS_GEMODEL + 1;
    assert_false(pl_loss_config_valid(&config));
    config.model = PL_LOSS_GEMODEL;
    config.bad_loss_ppm = PL_PPM_ONE + 1;
    assert_false(pl_loss_config_valid(&config));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(none_loses_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(random_rate_within_four_sigma, setup, teardown),
        cmocka_unit_test_setup_teardown(gemodel_rate_and_burst_length, setup, teardown),
        cmocka_unit_test_setup_teardown(gemodel_loses_in_the_good_state_too, setup, teardown),
        cmocka_unit_test_setup_teardown(gemodel_state_changes_after_the_packet, setup, teardown),
        cmocka_unit_test_setup_teardown(same_seed_same_losses, setup, teardown),
        cmocka_unit_test_setup_teardown(validates, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
