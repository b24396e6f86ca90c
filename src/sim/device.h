/* sim/device.h - the simulated network card: makes packets of what plait_output() returned.
 *
 * It does what the port's flags promise (cuts large segments, fills in checksums) and checks that
 * the stack asked for no more than that. */
#ifndef PL_SIM_DEVICE_H
#define PL_SIM_DEVICE_H

#include "plait/stack.h"
#include "sim/plan.h"
#include "sim/verdict.h"

typedef void pl_device_packet(void *arg, struct plait_buf *packet,
                              const struct plait_rx_meta *meta);

struct pl_device {
    const struct plait_env *env;
    const struct pl_plan_port *port;
    uint32_t mtu; /* now */
    struct pl_sim_verdict *verdict;
    pl_device_packet *emit; /* does not keep the packet */
    void *arg;
};

void pl_device_send(const struct pl_device *device, const struct plait_tx *tx);
/* Whether the IP and TCP checksums and lengths of a packet are right (RX offload). */
bool pl_device_verify(const uint8_t *packet, uint32_t len);

#endif
