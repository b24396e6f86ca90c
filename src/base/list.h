/* base/list.h - intrusive doubly linked lists. A node that is in no list points to itself. */
#ifndef PL_BASE_LIST_H
#define PL_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/assert.h"

struct pl_list {
    struct pl_list *next, *prev;
};

#define PL_CONTAINER(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define PL_LIST_FOREACH(it, head) \
    for (struct pl_list *it = (head)->next; it != (head); it = it->next)
/* Like FOREACH, but the body may remove (or free) the current node. */
#define PL_LIST_FOREACH_SAFE(it, head)                                           \
    for (struct pl_list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

static inline void pl_list_init(struct pl_list *n) {
    n->next = n;
    n->prev = n;
}
static inline bool pl_list_empty(const struct pl_list *head) {
    return head->next == head;
}
/* Whether a node is in some list. */
static inline bool pl_list_linked(const struct pl_list *n) {
    return n->next != n;
}
static inline void pl_list_insert_before(struct pl_list *at, struct pl_list *n) {
    PL_ASSERT(at->prev->next == at);
    PL_ASSERT(at != n);
    n->prev = at->prev;
    n->next = at;
    at->prev->next = n;
    at->prev = n;
}
static inline void pl_list_append(struct pl_list *head, struct pl_list *n) {
    pl_list_insert_before(head, n);
}
static inline void pl_list_prepend(struct pl_list *head, struct pl_list *n) {
    pl_list_insert_before(head->next, n);
}
/* Harmless on a node that is in no list. */
static inline void pl_list_remove(struct pl_list *n) {
    PL_ASSERT(n->next->prev == n);
    PL_ASSERT(n->prev->next == n);
    n->prev->next = n->next;
    n->next->prev = n->prev;
    pl_list_init(n);
}

#endif
