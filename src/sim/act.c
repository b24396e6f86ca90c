/* sim/act.c - planned faults happen, and the network heals. */
#include <stdio.h>

#include "sim/world.h"

static void act_unplug(struct pl_host *host, unsigned port, bool remove) {
    if (host->unplugged[port] == remove) {
        return;
    }
    if (!remove) {
        pl_host_plug(host, port);
        return;
    }
    int result = plait_port_remove(host->stack, host->port_id[port], host->world->now);
    if (result != 0) {
        pl_sim_fail(&host->world->verdict, "port_remove failed: %s", plait_error_name(result));
    }
    host->unplugged[port] = true;
    host->check.dark = true;
}

static void act_link(struct pl_host *host, unsigned port, bool down) {
    if (host->up[port] == !down) {
        return;
    }
    host->up[port] = !down;
    host->check.dark = true;
    int result = plait_port_set_up(host->stack, host->port_id[port], !down, host->world->now);
    if (result != 0) {
        pl_sim_fail(&host->world->verdict, "port_set_up failed: %s", plait_error_name(result));
    }
}

/* An allocation that fails may make these calls fail; healing tries again. */
static bool tolerated(const struct pl_host *host, int result) {
    return host->env.fail_ppm > 0 && result == PLAIT_E_NO_MEMORY;
}

static void act_address(struct pl_host *host, unsigned port, unsigned index, bool remove) {
    const struct pl_plan_address *address = &host->plan->port[port].address[index];
    bool *gone = &host->address_gone[port][index];
    if (*gone == remove) {
        return;
    }
    plait_port_id id = host->port_id[port];
    int result = remove ? plait_address_remove(host->stack, id, &address->addr, host->world->now)
                        : plait_address_add(host->stack, id, &address->addr, address->flags,
                                            address->announce_port, 0, host->world->now);
    if (result >= 0) {
        *gone = remove;
    } else if (!tolerated(host, result)) {
        pl_sim_fail(&host->world->verdict, "address %s failed: %s", remove ? "removal" : "addition",
                    plait_error_name(result));
    }
}

static void act_priority(struct pl_host *host, unsigned port, unsigned index, bool backup) {
    if (host->address_gone[port][index]) {
        return;
    }
    int result = plait_address_set_backup(host->stack, host->port_id[port],
                                          &host->plan->port[port].address[index].addr, backup,
                                          host->world->now);
    if (result != 0) {
        pl_sim_fail(&host->world->verdict, "set_backup failed: %s", plait_error_name(result));
    }
}

static void act_mtu(struct pl_host *host, unsigned port, uint32_t mtu) {
    int result = plait_port_set_mtu(host->stack, host->port_id[port], mtu);
    host->mtu[port] = mtu;
    if (result != 0) {
        pl_sim_fail(&host->world->verdict, "set_mtu failed: %s", plait_error_name(result));
    }
}

static void act_crash(struct pl_host *host) {
    struct pl_world *world = host->world;
    for (unsigned c = 0; c < world->plan->conn_count; c++) {
        pl_app_crash(&world->app[c][host->index]);
    }
    pl_host_stop(host);
    pl_host_start(host, world, host->index);
}

static void act_on_host(struct pl_world *world, const struct pl_plan_action *action) {
    struct pl_host *host = &world->host[action->host];
    bool on = action->value != 0;
    bool about_port = action->kind != PL_ACTION_UNPLUG && action->kind != PL_ACTION_CRASH;
    if (about_port && host->unplugged[action->port]) {
        return;
    }
    switch (action->kind) {
        case PL_ACTION_UNPLUG:
            act_unplug(host, action->port, on);
            break;
        case PL_ACTION_LINK:
            act_link(host, action->port, on);
            break;
        case PL_ACTION_ADDRESS:
            act_address(host, action->port, action->address, on);
            break;
        case PL_ACTION_PRIORITY:
            act_priority(host, action->port, action->address, on);
            break;
        case PL_ACTION_MTU:
            act_mtu(host, action->port, action->value);
            break;
        case PL_ACTION_CRASH:
            act_crash(host);
            break;
        default:
            break;
    }
    pl_host_touch(host);
}

void pl_world_act(struct pl_world *world, const struct pl_plan_action *action) {
    char text[64];
    snprintf(text, sizeof(text), "host %c port %u value %u", 'a' + (int)action->host,
             action->port + 1, action->value);
    pl_record_note(&world->record, pl_plan_action_name(action->kind), text);
    switch (action->kind) {
        case PL_ACTION_BLACKHOLE:
            pl_network_blackhole(&world->network, action->host, action->port, action->value != 0);
            break;
        case PL_ACTION_REBIND:
            pl_network_rebind(&world->network, action->host, action->port);
            break;
        default:
            act_on_host(world, action);
            break;
    }
}

void pl_world_heal(struct pl_world *world) {
    pl_record_note(&world->record, "heal", "");
    world->healed = true;
    pl_network_heal(&world->network);
    for (unsigned h = 0; h < 2; h++) {
        struct pl_host *host = &world->host[h];
        host->env.fail_ppm = 0;
        for (unsigned p = 0; p < host->plan->port_count; p++) {
            act_unplug(host, p, false);
            act_link(host, p, false);
            for (unsigned i = 0; i < host->plan->port[p].address_count; i++) {
                act_address(host, p, i, false);
            }
        }
        pl_host_touch(host);
    }
}
