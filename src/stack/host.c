#include "stack/host.h"

#include "base/assert.h"
#include "stack/conns.h"
#include "stack/demux.h"
#include "stack/monitor.h"
#include "stack/port.h"

static pl_seq32 choose_iss(const struct plait_stack *stack, const struct pl_tcp_tuple *tuple) {
    const struct pl_iss_rule *rule = &stack->iss_rule;
    pl_seq32 iss = pl_demux_iss(stack, tuple);
    PL_ASSERT(rule->kind <= PL_ISS_EXACTLY);
    switch (rule->kind) {
        case PL_ISS_ANY:
            return iss;
        case PL_ISS_AT_LEAST:
            return pl_seq32_max(iss, rule->seq);
        case PL_ISS_EXACTLY:
            break;
    }
    return rule->seq;
}

static int flow_prepare(void *arg, plait_port_id id, struct pl_tcp_tuple *tuple,
                        struct pl_flow_port *out, plait_time now) {
    struct plait_stack *stack = arg;
    PL_ASSERT(now <= stack->now);
    struct pl_port *port = pl_stack_port(stack, id);
    if (port == NULL) {
        return PLAIT_E_BAD_PORT;
    }
    bool ours = out->transparent || pl_port_has_address(stack, port, &tuple->local);
    if (!port->up || !ours || tuple->local.family != tuple->remote.family) {
        return PLAIT_E_NO_ADDRESS;
    }
    if (tuple->local_port == 0) {
        tuple->local_port = pl_demux_ephemeral(stack, id, tuple);
        if (tuple->local_port == 0) {
            return PLAIT_E_IN_USE;
        }
    } else if (pl_demux_flow(stack, id, tuple) != NULL) {
        return PLAIT_E_IN_USE;
    }
    *out = (struct pl_flow_port){
        .out_list = &port->out_list,
        .mtu = port->mtu,
        .tso = (port->flags & PLAIT_PORT_TSO) != 0,
        .backup = (port->flags & PLAIT_PORT_BACKUP) != 0,
        .iss = choose_iss(stack, tuple),
        .ts_offset =
            stack->iss_rule.has_ts ? stack->iss_rule.ts_offset : pl_demux_ts_offset(stack, tuple),
    };
    return 0;
}

static uint32_t port_flags(void *arg, plait_port_id id) {
    const struct pl_port *port = pl_stack_port(arg, id);
    return port != NULL ? port->flags : 0;
}

static void flow_add(void *arg, struct pl_subflow *sf) {
    pl_demux_flow_add(arg, sf);
}

static void flow_remove(void *arg, struct pl_subflow *sf) {
    pl_demux_flow_remove(arg, sf);
}

static bool token_add(void *arg, struct pl_conn *conn) {
    return pl_demux_token_add(arg, conn);
}

static void token_remove(void *arg, struct pl_conn *conn) {
    pl_demux_token_remove(arg, conn);
}

static void event(void *arg, struct pl_conn *conn, const struct plait_event *what) {
    pl_conns_event(arg, conn, what);
}

static void report(void *arg, const struct plait_monitor_event *event) {
    pl_monitor_push(arg, event);
}

void pl_host_init(struct plait_stack *stack) {
    PL_ASSERT(stack != NULL);
    pl_list_init(&stack->settle_list);
    stack->host = (struct pl_conn_host){
        .flow_prepare = flow_prepare,
        .port_flags = port_flags,
        .flow_add = flow_add,
        .flow_remove = flow_remove,
        .token_add = token_add,
        .token_remove = token_remove,
        .event = event,
        .report = report,
        .settle_list = &stack->settle_list,
        .endpoints = &stack->endpoints,
        .arg = stack,
    };
    PL_ASSERT(stack->host.settle_list == &stack->settle_list);
}
