/* mptcp/pm/table.c - tables that grow by one entry; see table.h. */
#include "mptcp/pm/table.h"

#include <string.h>

#include "base/assert.h"

/* The table with room for one more behind its `count` entries of `each` bytes; the old one is gone.
 * NULL, and the old one is as it was, when there is no memory. */
static void *grown(struct pl_ctx *ctx, void *old, uint8_t count, size_t each) {
    PL_ASSERT((old == NULL) == (count == 0));
    void *table = pl_ctx_alloc(ctx, (count + 1U) * each);
    if (table != NULL && old != NULL) {
        memcpy(table, old, count * each);
        pl_ctx_free(ctx, old, count * each);
    }
    return table;
}

struct pl_remote *pl_pm_add_remote(struct pl_ctx *ctx, struct pl_pm *pm) {
    PL_ASSERT(pm->remote_count <= PL_REMOTES_MAX);
    struct pl_remote *table = pm->remote_count < PL_REMOTES_MAX
                                  ? grown(ctx, pm->remotes, pm->remote_count, sizeof(*table))
                                  : NULL;
    if (table == NULL) {
        return NULL;
    }
    pm->remotes = table;
    return &table[pm->remote_count++];
}

struct pl_path *pl_pm_add_path(struct pl_ctx *ctx, struct pl_pm *pm) {
    PL_ASSERT(pm->path_count <= PL_PATHS_MAX);
    struct pl_path *table = pm->path_count < PL_PATHS_MAX
                                ? grown(ctx, pm->paths, pm->path_count, sizeof(*table))
                                : NULL;
    if (table == NULL) {
        return NULL;
    }
    pm->paths = table;
    return &table[pm->path_count++];
}

struct pl_removal *pl_pm_add_removal(struct pl_ctx *ctx, struct pl_pm *pm) {
    PL_ASSERT(pm->removal_count <= PL_REMOVALS_MAX);
    struct pl_removal *table = pm->removal_count < PL_REMOVALS_MAX
                                   ? grown(ctx, pm->removals, pm->removal_count, sizeof(*table))
                                   : NULL;
    if (table == NULL) {
        return NULL;
    }
    pm->removals = table;
    return &table[pm->removal_count++];
}

struct pl_announcement *pl_pm_add_announcement(struct pl_ctx *ctx, struct pl_pm *pm) {
    PL_ASSERT(pm->announcement_count <= pm->announcement_cap);
    PL_ASSERT(pm->announcement_cap <= PL_ANNOUNCEMENTS_MAX);
    if (pm->announcement_count == PL_ANNOUNCEMENTS_MAX) {
        return NULL;
    }
    if (pm->announcement_count == pm->announcement_cap) {
        struct pl_announcement *table =
            grown(ctx, pm->announcements, pm->announcement_cap, sizeof(*table));
        if (table == NULL) {
            return NULL;
        }
        pm->announcements = table;
        pm->announcement_cap++;
    }
    struct pl_announcement *a = &pm->announcements[pm->announcement_count++];
    *a = (struct pl_announcement){0};
    return a;
}

static void free_table(struct pl_ctx *ctx, void *table, size_t size) {
    if (size > 0) {
        pl_ctx_free(ctx, table, size);
    }
}

void pl_pm_free_tables(struct pl_ctx *ctx, struct pl_pm *pm) {
    free_table(ctx, pm->remotes, pm->remote_count * sizeof(*pm->remotes));
    free_table(ctx, pm->paths, pm->path_count * sizeof(*pm->paths));
    free_table(ctx, pm->removals, pm->removal_count * sizeof(*pm->removals));
    free_table(ctx, pm->announcements, pm->announcement_cap * sizeof(*pm->announcements));
    *pm = (struct pl_pm){0};
}
