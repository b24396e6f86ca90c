#include "stack/peers.h"

#include "base/assert.h"
#include "wire/addr.h"

enum { PORTS = 4, DOUBLINGS_MAX = 10 };
#define OFF_NS (60 * PLAIT_NS_PER_S)

/* A server's TCP port on which Fast Open went wrong. */
struct trouble {
    plait_time until; /* off until then */
    uint16_t tcp_port;
    uint8_t count; /* times in a row; 0: the place is free */
};

struct peer {
    struct pl_list link; /* pl_peers.list, the one used last first */
    struct plait_addr local, remote;
    struct pl_tcp_cookie cookie;
    uint16_t mss;
    struct trouble trouble[PORTS];
};

static struct peer *of_link(struct pl_list *link) {
    return PL_CONTAINER(link, struct peer, link);
}

void pl_peers_init(struct plait_stack *stack) {
    PL_ASSERT(stack->peers.count == 0);
    pl_list_init(&stack->peers.list);
}

static void forget(struct plait_stack *stack, struct peer *peer) {
    PL_ASSERT(stack->peers.count > 0);
    pl_list_remove(&peer->link);
    stack->peers.count--;
    pl_ctx_free(&stack->ctx, peer, sizeof(*peer));
}

void pl_peers_fini(struct plait_stack *stack) {
    PL_LIST_FOREACH_SAFE(it, &stack->peers.list) {
        forget(stack, of_link(it));
    }
    PL_ASSERT(stack->peers.count == 0);
}

/* The entry, which is the one used last then, or NULL. */
static struct peer *find(struct plait_stack *stack, const struct plait_addr *local,
                         const struct plait_addr *remote) {
    struct pl_list *list = &stack->peers.list;
    PL_LIST_FOREACH(it, list) {
        struct peer *peer = of_link(it);
        if (pl_addr_equal(&peer->remote, remote) && pl_addr_equal(&peer->local, local)) {
            pl_list_remove(&peer->link);
            pl_list_insert_before(list->next, &peer->link);
            return peer;
        }
    }
    return NULL;
}

static struct peer *add(struct plait_stack *stack, const struct plait_addr *local,
                        const struct plait_addr *remote) {
    struct pl_peers *peers = &stack->peers;
    if (peers->count == PL_PEERS_MAX) {
        forget(stack, of_link(peers->list.prev));
    }
    struct peer *peer = pl_ctx_alloc(&stack->ctx, sizeof(*peer));
    if (peer == NULL) {
        return NULL;
    }
    peer->local = *local;
    peer->remote = *remote;
    pl_list_init(&peer->link);
    pl_list_insert_before(peers->list.next, &peer->link);
    peers->count++;
    PL_ASSERT(peers->count <= PL_PEERS_MAX);
    return peer;
}

static struct trouble *find_trouble(struct peer *peer, uint16_t tcp_port) {
    for (unsigned i = 0; i < PORTS; i++) {
        if (peer->trouble[i].count > 0 && peer->trouble[i].tcp_port == tcp_port) {
            return &peer->trouble[i];
        }
    }
    return NULL;
}

bool pl_peers_plan(struct plait_stack *stack, const struct plait_addr *local,
                   const struct plait_endpoint *remote, struct pl_conn_fastopen *out) {
    struct peer *peer = find(stack, local, &remote->addr);
    *out = (struct pl_conn_fastopen){0};
    if (peer == NULL) {
        return true;
    }
    const struct trouble *trouble = find_trouble(peer, remote->port);
    if (trouble != NULL && stack->now < trouble->until) {
        return false;
    }
    out->cookie = peer->cookie;
    out->mss = peer->mss;
    return true;
}

/* ---- learning ---- */

/* Whether it must have been the option or the payload (section 4.1.3.1): no answer at all; an
 * answer that can only be the one to a bare SYN (section 4.2.2); or one that wants neither. */
static bool went_wrong(const struct pl_conn_fastopen *result, bool failed) {
    PL_ASSERT(result->said);
    if (!result->answered) {
        return failed || result->repeated;
    }
    bool ignored = result->sent_bytes > 0 || result->cookie.len == 0;
    return ignored && result->acked_bytes == 0 && !result->granted;
}

static void count(struct plait_stack *stack, const struct pl_conn_fastopen *result, bool wrong) {
    bool whole = result->acked_bytes >= result->sent_bytes;
    if (result->sent_bytes > 0 && result->answered && whole) {
        PL_COUNT(&stack->ctx, TCPFastOpenActive);
    } else if (result->sent_bytes > 0 && (result->answered || wrong)) {
        PL_COUNT(&stack->ctx, TCPFastOpenActiveFail);
    }
    if (wrong && (result->repeated || !result->answered)) {
        PL_COUNT(&stack->ctx, TCPFastOpenBlackhole);
    }
}

/* The place of a port's trouble: its own, a free one, or that of the trouble that ends first. */
static struct trouble *place_for(struct peer *peer, uint16_t tcp_port) {
    struct trouble *place = find_trouble(peer, tcp_port);
    if (place != NULL) {
        return place;
    }
    place = &peer->trouble[0];
    for (unsigned i = 1; i < PORTS; i++) {
        place = peer->trouble[i].until < place->until ? &peer->trouble[i] : place;
    }
    *place = (struct trouble){.tcp_port = tcp_port};
    return place;
}

static void turn_off(struct plait_stack *stack, struct peer *peer, uint16_t tcp_port) {
    struct trouble *trouble = place_for(peer, tcp_port);
    PL_ASSERT(trouble->tcp_port == tcp_port);
    trouble->until = stack->now + (OFF_NS << trouble->count);
    if (trouble->count < DOUBLINGS_MAX) {
        trouble->count++;
    }
}

void pl_peers_learn(struct plait_stack *stack, const struct pl_tcp_tuple *tuple,
                    const struct pl_conn_fastopen *result, bool failed) {
    if (!result->said) {
        return;
    }
    bool wrong = went_wrong(result, failed);
    count(stack, result, wrong);
    if (!result->answered && !wrong) {
        return;
    }
    struct peer *peer = find(stack, &tuple->local, &tuple->remote);
    peer = peer != NULL ? peer : add(stack, &tuple->local, &tuple->remote);
    if (peer == NULL) {
        return;
    }
    if (result->answered) {
        peer->mss = result->mss;
    }
    if (result->granted) {
        peer->cookie = result->grant;
    }
    if (wrong) {
        turn_off(stack, peer, tuple->remote_port);
    } else if (result->acked_bytes > 0) {
        struct trouble *trouble = find_trouble(peer, tuple->remote_port);
        if (trouble != NULL) {
            *trouble = (struct trouble){0};
        }
    }
}

void pl_peers_check(const struct plait_stack *stack) {
    uint32_t count = 0;
    PL_LIST_FOREACH(it, &stack->peers.list) {
        const struct peer *peer = of_link(it);
        PL_ASSERT(peer->cookie.len <= sizeof(peer->cookie.bytes));
        PL_ASSERT(peer->local.family == peer->remote.family);
        count++;
    }
    PL_ASSERT(count == stack->peers.count);
}
