/* SipHash-1-3 keys every table, so that a peer who chooses ports and addresses cannot choose
 * chains. Tables double when they hold one node per bucket; a node keeps its hash, so growing
 * never looks at keys. */
#include "base/hash.h"

#include <string.h>

#include "base/assert.h"
#include "plait/error.h"

enum { BUCKETS_MIN = 16 };
#define BUCKETS_MAX (UINT32_C(1) << 26)

static uint64_t rotl(uint64_t x, unsigned n) {
    return x << n | x >> (64 - n);
}

static void sip_round(uint64_t v[4]) {
    v[0] += v[1];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[0] = rotl(v[0], 32);
    v[2] += v[3];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[2] = rotl(v[2], 32);
}

/* Little-endian, whatever the host is: hashes must be the same everywhere. */
static uint64_t load_le(const uint8_t *p, size_t len) {
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) {
        word |= (uint64_t)p[i] << (8 * i);
    }
    return word;
}

uint64_t pl_hash_bytes(const struct pl_hash_key *key, const void *data, size_t len) {
    const uint8_t *p = data;
    uint64_t v[4] = {
        key->k0 ^ UINT64_C(0x736f6d6570736575),
        key->k1 ^ UINT64_C(0x646f72616e646f6d),
        key->k0 ^ UINT64_C(0x6c7967656e657261),
        key->k1 ^ UINT64_C(0x7465646279746573),
    };
    size_t left = len;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word = load_le(p, 8);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)(len & 0xff) << 56 | load_le(p, left);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static struct pl_hash_node **buckets_alloc(const struct plait_env *env, uint32_t count) {
    size_t size = count * sizeof(struct pl_hash_node *);
    struct pl_hash_node **buckets = env->alloc(env->user, size);
    if (buckets != NULL) {
        for (uint32_t i = 0; i < count; i++) {
            buckets[i] = NULL;
        }
    }
    return buckets;
}

static void buckets_free(struct pl_hash_table *t) {
    t->env->free(t->env->user, t->buckets, t->bucket_count * sizeof(*t->buckets));
}

static struct pl_hash_node **bucket_of(const struct pl_hash_table *t, uint64_t hash) {
    PL_ASSERT(t->buckets != NULL);
    PL_ASSERT((t->bucket_count & (t->bucket_count - 1)) == 0);
    return &t->buckets[hash & (t->bucket_count - 1)];
}

int pl_hash_init(struct pl_hash_table *t, const struct plait_env *env) {
    PL_ASSERT(env != NULL);
    *t = (struct pl_hash_table){.env = env};
    t->buckets = buckets_alloc(env, BUCKETS_MIN);
    if (t->buckets == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    t->bucket_count = BUCKETS_MIN;
    return 0;
}

void pl_hash_fini(struct pl_hash_table *t) {
    if (t->buckets != NULL) {
        buckets_free(t);
    }
    *t = (struct pl_hash_table){.env = t->env};
}

static void push(struct pl_hash_table *t, struct pl_hash_node *node) {
    struct pl_hash_node **bucket = bucket_of(t, node->hash);
    node->next = *bucket;
    *bucket = node;
}

static void grow(struct pl_hash_table *t) {
    if (t->bucket_count >= BUCKETS_MAX) {
        return;
    }
    struct pl_hash_node **buckets = buckets_alloc(t->env, 2 * t->bucket_count);
    if (buckets == NULL) {
        return;
    }
    struct pl_hash_table old = *t;
    t->buckets = buckets;
    t->bucket_count = 2 * old.bucket_count;
    for (uint32_t i = 0; i < old.bucket_count; i++) {
        struct pl_hash_node *node = old.buckets[i];
        while (node != NULL) {
            struct pl_hash_node *next = node->next;
            push(t, node);
            node = next;
        }
    }
    buckets_free(&old);
}

void pl_hash_insert(struct pl_hash_table *t, struct pl_hash_node *node, uint64_t hash) {
    PL_ASSERT(t->count < UINT32_MAX);
    if (t->count >= t->bucket_count) {
        grow(t);
    }
    node->hash = hash;
    push(t, node);
    t->count++;
}

void pl_hash_remove(struct pl_hash_table *t, struct pl_hash_node *node) {
    struct pl_hash_node **at = bucket_of(t, node->hash);
    while (*at != node) {
        PL_ASSERT(*at != NULL);
        at = &(*at)->next;
    }
    *at = node->next;
    node->next = NULL;
    PL_ASSERT(t->count > 0);
    t->count--;
}

static struct pl_hash_node *skip_to(struct pl_hash_node *node, uint64_t hash) {
    while (node != NULL && node->hash != hash) {
        node = node->next;
    }
    return node;
}

struct pl_hash_node *pl_hash_find(const struct pl_hash_table *t, uint64_t hash) {
    return skip_to(*bucket_of(t, hash), hash);
}

struct pl_hash_node *pl_hash_find_next(const struct pl_hash_node *node) {
    PL_ASSERT(node != NULL);
    return skip_to(node->next, node->hash);
}

struct pl_hash_node *pl_hash_find_ending(const struct pl_hash_table *t, uint64_t ending,
                                         unsigned bits, const struct pl_hash_node *node) {
    PL_ASSERT(bits >= 1 && bits <= 20);
    uint64_t mask = ((uint64_t)1 << bits) - 1;
    uint64_t at = (node != NULL ? node->hash : ending & mask) & (t->bucket_count - 1);
    struct pl_hash_node *next = node != NULL ? node->next : t->buckets[at];
    for (;;) {
        while (next != NULL && ((next->hash ^ ending) & mask) != 0) {
            next = next->next;
        }
        at += mask + 1; /* the buckets of a large table that have these bits, too */
        if (next != NULL || at >= t->bucket_count) {
            return next;
        }
        next = t->buckets[at];
    }
}
