/* base/hash.h - keyed hash (SipHash-1-3) and an intrusive chained hash table that grows.
 * Iteration order is by insertion history only, never by address. */
#ifndef PL_BASE_HASH_H
#define PL_BASE_HASH_H

#include "plait/env.h"

struct pl_hash_key {
    uint64_t k0, k1;
};
uint64_t pl_hash_bytes(const struct pl_hash_key *key, const void *data, size_t len);

struct pl_hash_node {
    struct pl_hash_node *next;
    uint64_t hash;
};
struct pl_hash_table {
    const struct plait_env *env;
    struct pl_hash_node **buckets; /* a power of two */
    uint32_t bucket_count, count;
};

PLAIT_MUST_CHECK int pl_hash_init(struct pl_hash_table *t, const struct plait_env *env);
void pl_hash_fini(struct pl_hash_table *t);
/* Never fails: when the table cannot grow, chains get longer. */
void pl_hash_insert(struct pl_hash_table *t, struct pl_hash_node *node, uint64_t hash);
void pl_hash_remove(struct pl_hash_table *t, struct pl_hash_node *node);
/* First node with this hash, then the following ones: the caller compares keys. */
struct pl_hash_node *pl_hash_find(const struct pl_hash_table *t, uint64_t hash);
struct pl_hash_node *pl_hash_find_next(const struct pl_hash_node *node);
/* The node behind `node` (NULL: the first) of those whose hash ends in these `bits` (1..20) bits:
 * without looking at many others. */
struct pl_hash_node *pl_hash_find_ending(const struct pl_hash_table *t, uint64_t ending,
                                         unsigned bits, const struct pl_hash_node *node);

#endif
