/* Lines without a time: how the stack, its ports and the flows are set up. */
#include <string.h>

#include "sim/script_cursor.h"
#include "sim/script_names.h"

static bool take_switch(struct pl_script_cursor *c, uint64_t *out) {
    *out = pl_cursor_is(c, "on");
    return *out == 1 || pl_cursor_is(c, "off") || pl_cursor_fail(c, "want `on` or `off`");
}

/* One of an enumeration's names; longer ones come later in it. */
static bool take_name(struct pl_script_cursor *c, const char *const *names, unsigned count,
                      uint64_t *out) {
    for (unsigned i = count; i-- > 0;) {
        if (pl_cursor_is(c, names[i])) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool take_cc(struct pl_script_cursor *c, uint64_t *out) {
    static const char *const names[] = {"cubic", "reno", "bbr", "dctcp", "lia"};
    return take_name(c, names, 4, out) || pl_cursor_fail(c, "no such congestion control");
}

static bool take_versions(struct pl_script_cursor *c, uint64_t *out) {
    static const char *const names[] = {"v1", "v0", "v1-v0"};
    return take_name(c, names, 3, out) || pl_cursor_fail(c, "want v1, v0 or v1-v0");
}

static uint64_t max_of(uint8_t kind) {
    switch (kind) {
        case PL_MEMBER_U8:
            return UINT8_MAX;
        case PL_MEMBER_U32:
            return UINT32_MAX;
        default:
            return UINT64_MAX;
    }
}

static bool take_config(struct pl_script_cursor *c, const struct pl_script_member *member) {
    uint64_t value = 0;
    bool taken = false;
    switch (member->kind) {
        case PL_MEMBER_BOOL:
            taken = take_switch(c, &value);
            break;
        case PL_MEMBER_CC:
            taken = take_cc(c, &value);
            break;
        case PL_MEMBER_VERSIONS:
            taken = take_versions(c, &value);
            break;
        case PL_MEMBER_TIME:
            taken = pl_cursor_time(c, &value);
            break;
        default:
            taken = pl_cursor_number(c, max_of(member->kind), &value);
            break;
    }
    if (taken) {
        pl_script_member_set(member, &c->program->config, value);
    }
    return taken;
}

static bool take_family(struct pl_script_cursor *c) {
    c->program->v4 = pl_cursor_is(c, "v4");
    c->program->v6 = pl_cursor_is(c, "v6");
    return c->program->v4 || c->program->v6 || pl_cursor_fail(c, "want `v4`, `v6` or `v4 v6`");
}

static bool take_offload(struct pl_script_cursor *c) {
    while (!pl_cursor_done(c)) {
        if (pl_cursor_is(c, "tso")) {
            c->program->tso = true;
        } else if (pl_cursor_is(c, "tx-checksum")) {
            c->program->tx_checksum = true;
        } else if (pl_cursor_is(c, "rx-checksum")) {
            c->program->rx_checksum = true;
        } else {
            return pl_cursor_fail(c, "want tso, tx-checksum or rx-checksum");
        }
    }
    return true;
}

static bool take_small(struct pl_script_cursor *c, uint64_t max, uint8_t *out) {
    uint64_t value = 0;
    if (!pl_cursor_number(c, max, &value) || value == 0) {
        return pl_cursor_fail(c, "want a number from 1 to %u", (unsigned)max);
    }
    *out = (uint8_t)value;
    return true;
}

static bool take_port_word(struct pl_script_cursor *c, struct pl_script_port_setting *port) {
    static const struct {
        const char *word;
        uint32_t flag;
    } flags[] = {
        {"signal", PLAIT_ADDRESS_SIGNAL},
        {"subflow", PLAIT_ADDRESS_SUBFLOW},
        {"backup", PLAIT_ADDRESS_BACKUP},
        {"fullmesh", PLAIT_ADDRESS_FULLMESH},
    };
    uint64_t mtu = 0;
    for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (pl_cursor_is(c, flags[i].word)) {
            port->address_flags |= flags[i].flag;
            return true;
        }
    }
    if (pl_cursor_is(c, "mtu")) {
        bool taken = pl_cursor_number(c, 65535, &mtu);
        port->mtu = (uint32_t)mtu;
        return taken;
    }
    if (pl_cursor_is(c, "announce-port")) {
        bool taken = pl_cursor_number(c, 65535, &mtu);
        port->announce_port = (uint16_t)mtu;
        return taken;
    }
    if (pl_cursor_is(c, "outside")) {
        return pl_cursor_address(c, &port->outside);
    }
    if (pl_cursor_is(c, "backup-port")) {
        return port->backup_port = true;
    }
    if (pl_cursor_is(c, "no-mptcp")) {
        return port->no_mptcp = true;
    }
    if (pl_cursor_is(c, "any-address")) {
        return port->any_address = true;
    }
    if (pl_cursor_is(c, "v4")) {
        return pl_cursor_address(c, &port->v4);
    }
    if (pl_cursor_is(c, "v6")) {
        return pl_cursor_address(c, &port->v6);
    }
    return pl_cursor_fail(c,
                          "want mtu, v4, v6, signal, subflow, backup, fullmesh, backup-port, "
                          "announce-port, outside, no-mptcp or any-address");
}

static bool take_port(struct pl_script_cursor *c) {
    uint8_t number = 0;
    if (!take_small(c, PL_SCRIPT_PORTS_MAX, &number)) {
        return false;
    }
    struct pl_script_port_setting *port = &c->program->ports[number - 1];
    port->used = true;
    while (!pl_cursor_done(c)) {
        if (!take_port_word(c, port)) {
            return false;
        }
    }
    return true;
}

static bool take_flow_word(struct pl_script_cursor *c, struct pl_script_flow_setting *flow) {
    uint64_t value = 0;
    if (pl_cursor_is(c, "port")) {
        return take_small(c, PL_SCRIPT_PORTS_MAX, &flow->port);
    }
    if (pl_cursor_is(c, "peer")) {
        return take_small(c, 100, &flow->peer);
    }
    if (pl_cursor_is(c, "v4") || pl_cursor_is(c, "v6")) {
        flow->family = c->at[-1] == '4' ? PLAIT_IPV4 : PLAIT_IPV6;
        return true;
    }
    if (pl_cursor_is(c, "connection")) {
        return take_small(c, PL_SCRIPT_FLOWS_MAX - 1, &flow->connection);
    }
    if (pl_cursor_is(c, "isn")) {
        flow->has_isn = pl_cursor_number(c, UINT32_MAX, &value);
        flow->isn = (uint32_t)value;
        return flow->has_isn;
    }
    bool local = pl_cursor_is(c, "local");
    if (local || pl_cursor_is(c, "remote")) {
        bool taken = pl_cursor_number(c, 65535, &value);
        *(local ? &flow->local_port : &flow->remote_port) = (uint16_t)value;
        return taken;
    }
    return pl_cursor_fail(c, "want port, peer, local, remote, v4, v6, isn or connection");
}

int pl_script_flow_find(const struct pl_script_program *program, const char *name) {
    for (unsigned i = 0; i < program->flow_count; i++) {
        if (strcmp(program->flows[i].name, name) == 0) {
            return (int)i;
        }
    }
    return -1;
}

static bool take_flow(struct pl_script_cursor *c) {
    struct pl_script_program *program = c->program;
    char name[PL_SCRIPT_NAME];
    if (!pl_cursor_word(c, name)) {
        return pl_cursor_fail(c, "want a name");
    }
    /* `flow default` describes the one without a name. */
    int found = pl_script_flow_find(program, strcmp(name, "default") == 0 ? "" : name);
    if (found < 0 && program->flow_count == PL_SCRIPT_FLOWS_MAX) {
        return pl_cursor_fail(c, "too many flows: %d at most", PL_SCRIPT_FLOWS_MAX);
    }
    struct pl_script_flow_setting *flow =
        &program->flows[found < 0 ? program->flow_count++ : (unsigned)found];
    if (found < 0) {
        *flow = (struct pl_script_flow_setting){.port = 1, .peer = 1};
        memcpy(flow->name, name, sizeof(name));
    }
    while (!pl_cursor_done(c)) {
        if (!take_flow_word(c, flow)) {
            return false;
        }
    }
    program->ports[flow->port - 1].used = true;
    return true;
}

/* Whose IDSN, and what it is. */
static bool take_idsn(struct pl_script_cursor *c) {
    unsigned side = pl_cursor_is(c, "peer") ? 1 : 0;
    if (side == 0 && !pl_cursor_is(c, "own")) {
        return pl_cursor_fail(c, "want `own` or `peer` and a number");
    }
    c->program->has_idsn[side] = true;
    return pl_cursor_number(c, UINT64_MAX, &c->program->idsn[side]);
}

bool pl_script_parse_setting(struct pl_script_cursor *c) {
    char name[PL_SCRIPT_NAME];
    uint64_t value = 0;
    if (!pl_cursor_word(c, name)) {
        return pl_cursor_fail(c, "want a time (`+0.1`, `2.5`, `*`) or a setting");
    }
    const struct pl_script_member *member = pl_script_config_find(name);
    if (member != NULL) {
        return take_config(c, member);
    }
    if (strcmp(name, "family") == 0) {
        return take_family(c);
    }
    if (strcmp(name, "offload") == 0) {
        return take_offload(c);
    }
    if (strcmp(name, "port") == 0) {
        return take_port(c);
    }
    if (strcmp(name, "flow") == 0) {
        return take_flow(c);
    }
    if (strcmp(name, "tolerance") == 0) {
        return pl_cursor_time(c, &c->program->tolerance);
    }
    if (strcmp(name, "idsn") == 0) {
        return take_idsn(c);
    }
    if (strcmp(name, "same-tokens") == 0) {
        return pl_cursor_number(c, 60, &c->program->same_tokens);
    }
    if (strcmp(name, "seed") == 0) {
        return pl_cursor_number(c, UINT64_MAX, &c->program->seed);
    }
    if (strcmp(name, "mtu") == 0) {
        bool taken = pl_cursor_number(c, 65535, &value);
        c->program->ports[0].mtu = (uint32_t)value;
        return taken;
    }
    return pl_cursor_fail(c, "no setting `%s`", name);
}
