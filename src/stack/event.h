/* stack/event.h - what waits for the application, bounded by construction.
 *
 * Two places. Whatever a socket can be told without a parameter is a bit in its pl_event_source, so
 * that it coalesces: a thousand READABLE are one. Events of paths (SF_..., ANNOUNCED, REMOVED) have
 * parameters and go through a ring; when nobody drains it, new ones are lost (the bits never are).
 * A source is embedded in its socket, which removes it before it is freed. */
#ifndef PL_STACK_EVENT_H
#define PL_STACK_EVENT_H

#include "base/list.h"
#include "plait/socket.h"

enum { PL_EVENTS_RING = 256 };

struct pl_event_source {
    struct pl_list link; /* pl_events.ready, while a bit is pending */
    plait_sock sock;
    uint64_t order;      /* when the source became ready */
    uint64_t order_last; /* when the first of ERROR and CLOSED was raised */
    uint32_t pending;    /* 1 << enum plait_event_type */
    int error;           /* goes with ERROR */
};

struct pl_event_slot {
    struct plait_event event;
    uint64_t order;
};

struct pl_events {
    struct pl_list ready;
    uint64_t order_next;
    uint32_t ring_head, ring_count;
    struct pl_event_slot ring[PL_EVENTS_RING];
};

void pl_events_init(struct pl_events *events);
void pl_event_source_init(struct pl_event_source *source, plait_sock sock);
/* Forgets what is pending. */
void pl_event_source_fini(struct pl_event_source *source);
/* Whether a type is kept as a bit. */
bool pl_event_is_bit(uint32_t type);
/* Sets a bit; nothing happens when it is set already. `error` goes with PLAIT_EVENT_ERROR. */
void pl_event_raise(struct pl_events *events, struct pl_event_source *source, uint32_t type,
                    int error);
/* Queues an event with parameters; event->sock is set. */
void pl_event_push(struct pl_events *events, const struct plait_event *event);
/* Takes the oldest event; `user` is not filled in. */
bool pl_event_pop(struct pl_events *events, struct plait_event *out);
void pl_events_check(const struct pl_events *events);

#endif
