/* net/chain.c - packets go from box to box.
 *
 * What a box hands on waits in a ring until the box is done, so that boxes never call each other
 * and what they send keeps its order. */
#include "net/chain.h"

#include <string.h>

#include "base/assert.h"
#include "net/box_kind.h"

enum { PL_CHAIN_ITEMS = 512 };

/* `next` is the box it is for; -1 or the number of boxes: it comes out. */
struct pl_chain_item {
    struct plait_buf *buf;
    struct plait_rx_meta meta;
    enum pl_box_way way;
    int next;
};

static const struct {
    const struct pl_box_ops *ops;
    bool tracks;
} kinds[PL_BOX_KIND_COUNT] = {
#define PL_BOX(name, text, ops, tracks) {&pl_box_##ops, tracks},
#include "net/boxes.def"
#undef PL_BOX
};

/* ---- life ---- */

static bool translates(const struct pl_box_config *config) {
    return config->kind == PL_BOX_KIND_NAT || config->kind == PL_BOX_KIND_REBIND ||
           config->kind == PL_BOX_KIND_NAT64;
}

static int add_translators(struct pl_chain *chain, struct pl_box *box) {
    box->nat = chain->env->alloc(chain->env->user, 2 * sizeof(*box->nat));
    if (box->nat == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    memset(box->nat, 0, 2 * sizeof(*box->nat));
    for (unsigned i = 0; i < 2; i++) {
        if (box->config.outside[i].family != PLAIT_FAMILY_NONE) {
            pl_nat_init(&box->nat[i], &box->config.outside[i], box->config.port_first);
        }
    }
    return PLAIT_OK;
}

static int add_flows(struct pl_chain *chain, struct pl_box *box) {
    size_t size = PL_BOX_FLOWS_MAX * sizeof(*box->flows);
    box->flows = chain->env->alloc(chain->env->user, size);
    if (box->flows == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    memset(box->flows, 0, size);
    return PLAIT_OK;
}

static int add_box(struct pl_chain *chain, const struct pl_box_config *config) {
    PL_ASSERT((unsigned)config->kind < PL_BOX_KIND_COUNT);
    struct pl_box *box = chain->env->alloc(chain->env->user, sizeof(*box));
    if (box == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    *box = (struct pl_box){.ops = kinds[config->kind].ops,
                           .config = *config,
                           .env = chain->env,
                           .chain = chain,
                           .index = chain->count};
    chain->box[chain->count++] = box;
    if (box->config.every_bytes == 0) {
        box->config.every_bytes = PL_BOX_EVERY_BYTES;
    }
    if (translates(config)) {
        return add_translators(chain, box);
    }
    return kinds[config->kind].tracks ? add_flows(chain, box) : PLAIT_OK;
}

int pl_chain_init(struct pl_chain *chain, const struct plait_env *env,
                  const struct pl_box_config *configs, unsigned count, pl_chain_emit *emit,
                  void *arg) {
    PL_ASSERT(emit != NULL);
    *chain = (struct pl_chain){.env = env, .emit = emit, .arg = arg};
    if (count > PL_CHAIN_MAX) {
        return PLAIT_E_BAD_ARGUMENT;
    }
    int error = PLAIT_OK;
    if (count > 0) {
        chain->items = env->alloc(env->user, PL_CHAIN_ITEMS * sizeof(*chain->items));
        error = chain->items != NULL ? PLAIT_OK : PLAIT_E_NO_MEMORY;
    }
    for (unsigned i = 0; i < count && error == 0; i++) {
        error = add_box(chain, &configs[i]);
    }
    if (error != 0) {
        pl_chain_fini(chain);
    }
    return error;
}

void pl_chain_fini(struct pl_chain *chain) {
    const struct plait_env *env = chain->env;
    PL_ASSERT(chain->item_count == 0);
    for (unsigned i = 0; i < chain->count; i++) {
        struct pl_box *box = chain->box[i];
        if (box->nat != NULL) {
            env->free(env->user, box->nat, 2 * sizeof(*box->nat));
        }
        if (box->flows != NULL) {
            pl_box_flows_fini(box);
            env->free(env->user, box->flows, PL_BOX_FLOWS_MAX * sizeof(*box->flows));
        }
        env->free(env->user, box, sizeof(*box));
    }
    if (chain->items != NULL) {
        env->free(env->user, chain->items, PL_CHAIN_ITEMS * sizeof(*chain->items));
    }
    chain->items = NULL;
    chain->count = 0;
}

/* ---- packets ---- */

static void push(struct pl_chain *chain, int next, enum pl_box_way way, struct plait_buf *buf,
                 const struct plait_rx_meta *meta) {
    if (chain->item_count == PL_CHAIN_ITEMS) {
        return; /* as a full device would */
    }
    plait_buf_ref(buf);
    unsigned at = (chain->item_first + chain->item_count) % PL_CHAIN_ITEMS;
    chain->items[at] = (struct pl_chain_item){.buf = buf, .meta = *meta, .way = way, .next = next};
    chain->item_count++;
}

void pl_box_emit(struct pl_box *box, enum pl_box_way way, struct plait_buf *buf,
                 const struct plait_rx_meta *meta) {
    PL_ASSERT(box->chain->running);
    push(box->chain, (int)box->index + (way == PL_BOX_OUT ? 1 : -1), way, buf, meta);
}

bool pl_box_acting(const struct pl_box *box, plait_time now) {
    return box->triggered && now >= box->config.from &&
           (box->config.until == 0 || now < box->config.until);
}

/* It has come to rest: what it holds goes on. */
static void release(struct pl_box *box, struct pl_box_packet *packet) {
    struct pl_box_half *half = &packet->flow->half[packet->way];
    const struct plait_rx_meta none = {0};
    while (half->held_count > 0) {
        struct plait_buf *buf = pl_box_unhold(half);
        pl_box_emit(box, packet->way, buf, &none);
        plait_buf_unref(buf);
    }
}

static void work(struct pl_chain *chain, struct pl_box *box, struct pl_chain_item *item) {
    struct pl_box_packet packet = {.meta = item->meta, .way = item->way};
    packet.buf = pl_box_copy(chain->env, item->buf);
    if (packet.buf == NULL) {
        return;
    }
    bool acting = pl_box_acting(box, chain->now) || box->nat != NULL;
    if (!pl_box_view(packet.buf->data, packet.buf->len, &packet.view)) {
        pl_box_pass(box, &packet);
    } else {
        packet.flow = box->flows != NULL ? pl_box_track(box, &packet, acting) : NULL;
        if (acting && (packet.flow != NULL || box->flows == NULL)) {
            box->ops->pass(box, &packet, chain->now);
        } else {
            if (packet.flow != NULL) {
                release(box, &packet);
            }
            pl_box_pass(box, &packet);
        }
    }
    plait_buf_unref(packet.buf);
}

static void run(struct pl_chain *chain) {
    PL_ASSERT(chain->running);
    while (chain->item_count > 0) {
        struct pl_chain_item item = chain->items[chain->item_first];
        chain->item_first = (chain->item_first + 1) % PL_CHAIN_ITEMS;
        chain->item_count--;
        if (item.next < 0 || item.next >= (int)chain->count) {
            chain->emit(chain->arg, item.way, item.buf, &item.meta);
        } else {
            work(chain, chain->box[item.next], &item);
        }
        plait_buf_unref(item.buf);
    }
}

static void count_payload(struct pl_chain *chain, struct plait_buf *packet) {
    struct pl_box_view view;
    for (unsigned i = 0; i < chain->count; i++) {
        struct pl_box *box = chain->box[i];
        box->triggered = box->triggered || chain->payload_bytes >= box->config.after_bytes;
    }
    if (pl_box_view(packet->data, packet->len, &view)) {
        chain->payload_bytes += pl_box_payload_len(&view);
    }
}

void pl_chain_send(struct pl_chain *chain, enum pl_box_way way, struct plait_buf *packet,
                   const struct plait_rx_meta *meta, plait_time now) {
    PL_ASSERT(!chain->running);
    if (chain->count == 0) {
        chain->emit(chain->arg, way, packet, meta);
        return;
    }
    chain->now = now > chain->now ? now : chain->now;
    chain->running = true;
    count_payload(chain, packet);
    push(chain, way == PL_BOX_OUT ? 0 : (int)chain->count - 1, way, packet, meta);
    run(chain);
    chain->running = false;
}

plait_time pl_chain_deadline(const struct pl_chain *chain) {
    plait_time first = PLAIT_TIME_NEVER;
    for (unsigned i = 0; i < chain->count; i++) {
        const struct pl_box *box = chain->box[i];
        plait_time due = box->flows != NULL ? pl_box_flows_due(box) : PLAIT_TIME_NEVER;
        first = due < first ? due : first;
    }
    return first;
}

void pl_chain_tick(struct pl_chain *chain, plait_time now) {
    PL_ASSERT(!chain->running);
    chain->now = now > chain->now ? now : chain->now;
    chain->running = true;
    for (unsigned i = 0; i < chain->count; i++) {
        struct pl_box *box = chain->box[i];
        if (box->ops->tick != NULL && pl_box_flows_due(box) <= chain->now) {
            box->ops->tick(box, chain->now);
            run(chain);
        }
    }
    chain->running = false;
}

void pl_chain_rebind(struct pl_chain *chain) {
    for (unsigned i = 0; i < chain->count; i++) {
        for (unsigned f = 0; f < 2 && chain->box[i]->nat != NULL; f++) {
            if (chain->box[i]->nat[f].on) {
                pl_nat_rebind(&chain->box[i]->nat[f], NULL);
            }
        }
    }
}

uint64_t pl_chain_acted(const struct pl_chain *chain, unsigned index) {
    PL_ASSERT(index < chain->count);
    return chain->box[index]->acted;
}
