#include "tcp/tuning.h"

const struct pl_tcp_tuning pl_tcp_tuning_default = {
    .receive_lowat = 1,
    .keep_idle_s = 7200, /* RFC 9293 section 3.8.4: no less than two hours */
    .keep_interval_s = 75,
    .keep_count = 9,
    .linger2_s = 60,
    .hops = 64,
};
