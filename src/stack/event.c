/* The order in which events come out: sources take turns in the order in which they became ready,
 * and one turn gives one bit, so a busy socket cannot hide another. A bit and a ring entry are
 * compared by the number they got when they were raised; ERROR and CLOSED have a number of their
 * own, so that the end of a connection is told after the end of its paths. */
#include "stack/event.h"

#include "base/assert.h"

/* In the order in which the bits of one source are told. */
static const uint8_t bit_types[] = {
    PLAIT_EVENT_CONNECTED, PLAIT_EVENT_FALLBACK, PLAIT_EVENT_ACCEPT, PLAIT_EVENT_URGENT,
    PLAIT_EVENT_READABLE,  PLAIT_EVENT_WRITABLE, PLAIT_EVENT_ERROR,  PLAIT_EVENT_CLOSED,
};
enum {
    BIT_TYPES = sizeof(bit_types) / sizeof(bit_types[0]),
    LAST_BITS = 1 << PLAIT_EVENT_ERROR | 1 << PLAIT_EVENT_CLOSED,
};

void pl_events_init(struct pl_events *events) {
    PL_ASSERT(events != NULL);
    *events = (struct pl_events){.order_next = 1};
    pl_list_init(&events->ready);
}

void pl_event_source_init(struct pl_event_source *source, plait_sock sock) {
    PL_ASSERT(sock != 0);
    *source = (struct pl_event_source){.sock = sock};
    pl_list_init(&source->link);
}

void pl_event_source_fini(struct pl_event_source *source) {
    PL_ASSERT(pl_list_linked(&source->link) == (source->pending != 0));
    pl_list_remove(&source->link);
    source->pending = 0;
}

bool pl_event_is_bit(uint32_t type) {
    for (unsigned i = 0; i < BIT_TYPES; i++) {
        if (bit_types[i] == type) {
            return true;
        }
    }
    return false;
}

void pl_event_raise(struct pl_events *events, struct pl_event_source *source, uint32_t type,
                    int error) {
    PL_ASSERT(pl_event_is_bit(type));
    PL_ASSERT(source->sock != 0);
    uint32_t bit = UINT32_C(1) << type;
    if ((source->pending & bit) != 0) {
        return;
    }
    if (type == PLAIT_EVENT_ERROR) {
        source->error = error;
    }
    if ((bit & LAST_BITS) != 0 && (source->pending & LAST_BITS) == 0) {
        source->order_last = events->order_next++;
    }
    if (source->pending == 0) {
        source->order = events->order_next++;
        pl_list_append(&events->ready, &source->link);
    }
    source->pending |= bit;
}

void pl_event_push(struct pl_events *events, const struct plait_event *event) {
    PL_ASSERT(event->sock != 0);
    PL_ASSERT(!pl_event_is_bit(event->type));
    if (events->ring_count == PL_EVENTS_RING) {
        return;
    }
    uint32_t at = (events->ring_head + events->ring_count) % PL_EVENTS_RING;
    events->ring[at] = (struct pl_event_slot){.event = *event, .order = events->order_next++};
    events->ring_count++;
}

static struct pl_event_source *first_source(const struct pl_events *events) {
    if (pl_list_empty(&events->ready)) {
        return NULL;
    }
    return PL_CONTAINER(events->ready.next, struct pl_event_source, link);
}

static uint64_t source_order(const struct pl_event_source *source) {
    bool only_last = (source->pending & ~(uint32_t)LAST_BITS) == 0;
    return only_last ? source->order_last : source->order;
}

/* Takes the next bit of a source, and gives the turn to the next source. */
static void take_bit(struct pl_events *events, struct pl_event_source *source,
                     struct plait_event *out) {
    PL_ASSERT(source->pending != 0);
    unsigned i = 0;
    while ((source->pending >> bit_types[i] & 1) == 0) {
        i++;
        PL_ASSERT(i < BIT_TYPES);
    }
    *out = (struct plait_event){.type = bit_types[i], .sock = source->sock};
    if (out->type == PLAIT_EVENT_ERROR) {
        out->error = source->error;
    }
    source->pending &= ~(UINT32_C(1) << out->type);
    pl_list_remove(&source->link);
    if (source->pending != 0) {
        pl_list_append(&events->ready, &source->link);
    }
}

bool pl_event_pop(struct pl_events *events, struct plait_event *out) {
    PL_ASSERT(out != NULL);
    struct pl_event_source *source = first_source(events);
    const struct pl_event_slot *slot =
        events->ring_count > 0 ? &events->ring[events->ring_head] : NULL;
    if (source != NULL && (slot == NULL || source_order(source) < slot->order)) {
        take_bit(events, source, out);
        return true;
    }
    if (slot == NULL) {
        return false;
    }
    *out = slot->event;
    events->ring_head = (events->ring_head + 1) % PL_EVENTS_RING;
    events->ring_count--;
    return true;
}

void pl_events_check(const struct pl_events *events) {
    PL_ASSERT(events->ring_count <= PL_EVENTS_RING);
    PL_ASSERT(events->ring_head < PL_EVENTS_RING);
    PL_LIST_FOREACH(it, &events->ready) {
        const struct pl_event_source *source = PL_CONTAINER(it, struct pl_event_source, link);
        PL_ASSERT(source->pending != 0);
        PL_ASSERT(source->sock != 0);
    }
}
