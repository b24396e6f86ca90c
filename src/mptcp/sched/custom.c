#include "mptcp/sched/custom.h"

#include "base/assert.h"
#include "base/sized.h"
#include "mptcp/subflow.h"

static const struct pl_sched_custom *custom_of(const struct pl_conn *conn) {
    return PL_CONTAINER(conn->sched, const struct pl_sched_custom, ops);
}

static void show_path(struct pl_subflow *sf, plait_time now, struct plait_sched_path *out) {
    struct pl_tcp_info info;
    const struct pl_conn_host *host = sf->conn->host;
    pl_tcp_info(&sf->tcp, &info);
    *out = (struct plait_sched_path){
        .serial = sf->serial,
        .port = sf->port,
        .port_flags = host->port_flags(host->arg, sf->port),
        .srtt_ns = info.srtt_ns,
        .rttvar_ns = info.rttvar_ns,
        .cwnd_bytes = info.cwnd_bytes,
        .inflight_bytes = info.inflight_bytes,
        .mss = info.mss,
        .can_send = pl_sched_ready(sf, now),
        .backup = sf->backup || sf->backup_peer,
        .stale = sf->stale,
    };
}

static uint64_t distance(pl_seq64 from, pl_seq64 to) {
    int64_t n = pl_seq64_diff(to, from);
    return n > 0 ? (uint64_t)n : 0;
}

static struct pl_subflow *prefer(struct pl_conn *conn, struct pl_subflow *asking, plait_time now) {
    _Alignas(struct plait_sched_path) uint8_t bytes[PL_SCHED_PATHS_MAX * PL_SCHED_PATH_SIZE_MAX];
    struct plait_sched_path path;
    bool ready[PL_SCHED_PATHS_MAX];
    struct pl_subflow *of[PL_SCHED_PATHS_MAX];
    const struct pl_send *s = &conn->send;
    size_t size = custom_of(conn)->path_size;
    struct plait_sched_view view = {
        .size = sizeof(view),
        .path = (const struct plait_sched_path *)(const void *)bytes,
        .unsent_bytes = distance(s->nxt, s->end),
        .inflight_bytes = distance(s->una, s->nxt),
        .window_bytes = distance(s->nxt, s->window_edge),
        .now = now,
    };
    PL_SUBFLOW_FOREACH(sf, conn) {
        if (pl_subflow_usable(sf) && view.count < PL_SCHED_PATHS_MAX) {
            view.asking = sf == asking ? view.count : view.asking;
            of[view.count] = sf;
            show_path(sf, now, &path);
            ready[view.count] = path.can_send;
            (void)pl_sized_out(bytes + view.count++ * size, size, &path, sizeof(path));
        }
    }
    PL_ASSERT(view.count > 0);
    unsigned chosen = custom_of(conn)->outer.choose(conn->sched_state, &view);
    if (chosen >= view.count || of[chosen] == asking) {
        return NULL;
    }
    return ready[chosen] || pl_sched_awaited(of[chosen]) ? of[chosen] : NULL;
}

static void took(struct pl_conn *conn, struct pl_subflow *sf, uint32_t bytes) {
    PL_ASSERT(bytes > 0);
    custom_of(conn)->outer.sent(conn->sched_state, sf->serial, bytes);
}

void pl_sched_custom_init(struct pl_sched_custom *custom, const struct plait_scheduler *outer,
                          size_t path_size) {
    PL_ASSERT(outer->choose != NULL);
    PL_ASSERT(path_size > 0 && path_size <= PL_SCHED_PATH_SIZE_MAX);
    custom->path_size = path_size;
    custom->outer = *outer;
    custom->ops = (struct pl_sched){
        .name = custom->outer.name,
        .state_bytes = outer->state_bytes,
        .prefer = prefer,
        .took = outer->sent != NULL ? took : NULL,
    };
}
