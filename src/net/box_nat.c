/* net/box_nat.c - a translator of source addresses and ports. */
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "net/box.h"
#include "wire/ip.h"

enum { PORT_MIN = 10000 };

void pl_nat_init(struct pl_nat *nat, const struct plait_addr *outside, uint16_t port_first) {
    memset(nat, 0, sizeof(*nat));
    nat->on = true;
    nat->outside = *outside;
    nat->port_next = port_first >= PORT_MIN ? port_first : PORT_MIN;
}

void pl_nat_rebind(struct pl_nat *nat, const struct plait_addr *outside) {
    PL_ASSERT(nat->on);
    nat->count = 0;
    if (outside != NULL) {
        nat->outside = *outside;
    }
}

static void write_endpoint(struct pl_box_view *view, bool source, const struct plait_addr *addr,
                           uint16_t port) {
    pl_box_put_address(view, source, addr);
    pl_box_put_tcp16(view, source ? 0 : 2, port);
}

static struct pl_nat_mapping *find_inside(struct pl_nat *nat, const struct plait_endpoint *inside) {
    for (uint32_t i = 0; i < nat->count; i++) {
        struct pl_nat_mapping *m = &nat->mapping[i];
        if (m->inside.port == inside->port && pl_addr_equal(&m->inside.addr, &inside->addr)) {
            return m;
        }
    }
    return NULL;
}

const struct pl_nat_mapping *pl_nat_of_outside(struct pl_nat *nat, uint16_t port) {
    for (uint32_t i = 0; i < nat->count; i++) {
        if (nat->mapping[i].outside_port == port) {
            return &nat->mapping[i];
        }
    }
    return NULL;
}

static struct pl_nat_mapping *add(struct pl_nat *nat, const struct plait_endpoint *inside) {
    if (nat->count == PL_NAT_MAX) {
        memmove(&nat->mapping[0], &nat->mapping[1], sizeof(nat->mapping[0]) * (PL_NAT_MAX - 1));
        nat->count--;
    }
    struct pl_nat_mapping *m = &nat->mapping[nat->count++];
    *m = (struct pl_nat_mapping){.inside = *inside, .outside_port = nat->port_next};
    nat->port_next = nat->port_next == UINT16_MAX ? PORT_MIN : (uint16_t)(nat->port_next + 1);
    return m;
}

const struct pl_nat_mapping *pl_nat_of_inside(struct pl_nat *nat,
                                              const struct plait_endpoint *inside, bool make) {
    PL_ASSERT(nat->on);
    const struct pl_nat_mapping *m = find_inside(nat, inside);
    return m == NULL && make ? add(nat, inside) : m;
}

bool pl_nat_pass(struct pl_nat *nat, enum pl_box_way way, uint8_t *packet, uint32_t len) {
    struct pl_box_view view;
    struct plait_endpoint end;
    if (!nat->on || !pl_box_view(packet, len, &view) ||
        view.v6 != (nat->outside.family == PLAIT_IPV6)) {
        return true;
    }
    if (way == PL_BOX_OUT) {
        pl_box_endpoint(&view, true, &end);
        const struct pl_nat_mapping *m = pl_nat_of_inside(nat, &end, true);
        write_endpoint(&view, true, &nat->outside, m->outside_port);
        return true;
    }
    pl_box_endpoint(&view, false, &end);
    const struct pl_nat_mapping *m = pl_nat_of_outside(nat, end.port);
    if (m == NULL || !pl_addr_equal(&end.addr, &nat->outside)) {
        return false;
    }
    write_endpoint(&view, false, &m->inside.addr, m->inside.port);
    return true;
}
