/* port/emulator.c - packets from TUN devices through link models, on a libuv loop.
 *
 * Reading only fills the models. Once per turn of the loop, in the prepare phase before it sleeps,
 * everything that is due is written and a timerfd is set to the earliest deadline: libuv's own
 * timers count milliseconds, and a packet at 1 Gb/s takes 12 us. Nothing polls: an idle link costs
 * nothing. Reading is bounded per turn, so that no device starves deliveries or its neighbours. */
#include "port/emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/assert.h"
#include "net/chain.h"
#include "port/netns.h"

enum { READ_BATCH = 64, PACKET_MAX = 65536, DEVICE_QUEUE = 10000 };

struct side { /* a device and the direction that starts there */
    struct pl_emulator_link *link;
    int fd;
    uv_poll_t poll;
    struct pl_link model;
    struct pl_emulator_stats stats; /* but for .link */
};

struct pl_emulator_link {
    struct pl_list node;
    struct pl_emulator *emulator;
    struct side sides[PL_EMULATOR_DIRECTIONS];
    struct pl_chain boxes; /* between device 0 and both models */
    unsigned open_handles;
};

struct pl_emulator {
    uv_loop_t *uv;
    const struct plait_env *env;
    struct pl_list links;
    uv_prepare_t prepare;
    uv_poll_t timer;
    int timer_fd;
    plait_time armed;      /* when the timer fires, PLAIT_TIME_NEVER if it is not set */
    unsigned open_handles; /* those of its links included */
    uint8_t scratch[PACKET_MAX];
};

static struct pl_emulator_link *link_of(struct pl_list *node) {
    return PL_CONTAINER(node, struct pl_emulator_link, node);
}

/* ---- packets out, timer ---- */

static void arm(struct pl_emulator *emulator, plait_time deadline) {
    if (deadline >= emulator->armed) {
        return;
    }
    /* A deadline that has passed fires at once; only 0 would mean "never". */
    plait_time at = deadline > 0 ? deadline : 1;
    struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(at / PLAIT_NS_PER_S),
                                           .tv_nsec = (long)(at % PLAIT_NS_PER_S)}};
    int result = timerfd_settime(emulator->timer_fd, TFD_TIMER_ABSTIME, &spec, NULL);
    PL_ASSERT(result == 0);
    emulator->armed = deadline;
}

static void on_timer(uv_poll_t *handle, int status, int events) {
    struct pl_emulator *emulator = handle->data;
    uint64_t expirations = 0;
    (void)status;
    (void)events;
    if (read(emulator->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations)) {
        emulator->armed = PLAIT_TIME_NEVER;
    }
}

static void write_packet(struct side *side, int fd, const struct plait_buf *buf) {
    if (write(fd, buf->data, buf->len) >= 0) {
        return;
    }
    if (errno == EAGAIN) {
        side->stats.write_full++;
    } else {
        side->stats.write_refused++;
    }
}

/* Behind the boxes: onto the link, or into device 0. */
static void from_boxes(void *arg, enum pl_box_way way, struct plait_buf *packet,
                       const struct plait_rx_meta *meta) {
    struct pl_emulator_link *link = arg;
    (void)meta;
    if (way == PL_BOX_OUT) {
        (void)pl_link_send(&link->sides[PL_EMULATOR_UP].model, packet, NULL, uv_hrtime());
    } else {
        write_packet(&link->sides[PL_EMULATOR_DOWN], link->sides[PL_EMULATOR_UP].fd, packet);
    }
}

/* Writes what is due. */
static void deliver(struct pl_emulator_link *link, enum pl_emulator_direction direction) {
    static const struct plait_rx_meta none;
    struct side *from = &link->sides[direction];
    struct pl_link_meta meta;
    struct plait_buf *buf;
    plait_time now;
    while (now = uv_hrtime(), (buf = pl_link_next(&from->model, now, &meta)) != NULL) {
        uint64_t late_ns = now > meta.due_at ? now - meta.due_at : 0;
        from->stats.late_ns_sum += late_ns;
        if (late_ns > from->stats.late_ns_max) {
            from->stats.late_ns_max = late_ns;
        }
        if (direction == PL_EMULATOR_DOWN) {
            pl_chain_send(&link->boxes, PL_BOX_IN, buf, &none, now);
        } else {
            write_packet(from, link->sides[PL_EMULATOR_DOWN].fd, buf);
        }
        plait_buf_unref(buf);
    }
}

/* Does what is due on a link and returns when there is more. A box may answer what comes in. */
static plait_time work(struct pl_emulator_link *link) {
    if (pl_chain_deadline(&link->boxes) <= uv_hrtime()) {
        pl_chain_tick(&link->boxes, uv_hrtime());
    }
    deliver(link, PL_EMULATOR_DOWN);
    deliver(link, PL_EMULATOR_UP);
    plait_time first = pl_chain_deadline(&link->boxes);
    for (unsigned d = 0; d < PL_EMULATOR_DIRECTIONS; d++) {
        plait_time next = pl_link_deadline(&link->sides[d].model);
        first = next < first ? next : first;
    }
    return first;
}

static void on_prepare(uv_prepare_t *handle) {
    struct pl_emulator *emulator = handle->data;
    plait_time deadline = PLAIT_TIME_NEVER;
    PL_LIST_FOREACH(node, &emulator->links) {
        plait_time next = work(link_of(node));
        deadline = next < deadline ? next : deadline;
    }
    arm(emulator, deadline);
}

/* ---- packets in ---- */

static void send_packet(struct side *side, const uint8_t *data, uint32_t len) {
    static const struct plait_rx_meta none;
    struct pl_emulator_link *link = side->link;
    struct plait_buf *buf = plait_buf_alloc(side->link->emulator->env, len);
    if (buf == NULL) {
        side->stats.read_no_memory++;
        return;
    }
    memcpy(buf->data, data, len);
    buf->len = len;
    if (side == &link->sides[PL_EMULATOR_UP]) {
        pl_chain_send(&link->boxes, PL_BOX_OUT, buf, &none, uv_hrtime());
    } else {
        (void)pl_link_send(&side->model, buf, NULL, uv_hrtime());
    }
    plait_buf_unref(buf);
}

static void on_device(uv_poll_t *handle, int status, int events) {
    struct side *side = handle->data;
    uint8_t *scratch = side->link->emulator->scratch;
    int result = status < 0 ? status : -EAGAIN;
    (void)events;
    for (unsigned i = 0; i < READ_BATCH && status >= 0; i++) {
        ssize_t n = read(side->fd, scratch, PACKET_MAX);
        if (n <= 0) {
            result = n == 0 ? -EBADFD : -errno;
            break;
        }
        send_packet(side, scratch, (uint32_t)n);
    }
    if (result != -EAGAIN && result != -EINTR) {
        side->stats.gone = true;
        uv_poll_stop(&side->poll);
    }
}

/* ---- life ---- */

static void release(struct pl_emulator *emulator) {
    PL_ASSERT(emulator->open_handles > 0);
    if (--emulator->open_handles == 0) {
        emulator->env->free(emulator->env->user, emulator, sizeof(*emulator));
    }
}

static void on_own_handle_closed(uv_handle_t *handle) {
    release(handle->data);
}

static void on_side_closed(uv_handle_t *handle) {
    struct pl_emulator_link *link = ((struct side *)handle->data)->link;
    struct pl_emulator *emulator = link->emulator;
    PL_ASSERT(link->open_handles > 0);
    if (--link->open_handles == 0) {
        emulator->env->free(emulator->env->user, link, sizeof(*link));
    }
    release(emulator);
}

static int start_timer(struct pl_emulator *emulator) {
    emulator->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (emulator->timer_fd < 0) {
        return uv_translate_sys_error(errno);
    }
    int result = uv_poll_init(emulator->uv, &emulator->timer, emulator->timer_fd);
    if (result < 0) {
        close(emulator->timer_fd);
        return result;
    }
    emulator->timer.data = emulator;
    emulator->open_handles++;
    result = uv_poll_start(&emulator->timer, UV_READABLE, on_timer);
    PL_ASSERT(result == 0); /* it fails only for what uv_poll_init() refuses */
    return 0;
}

int pl_emulator_create(struct pl_emulator **out, uv_loop_t *uv, const struct plait_env *env) {
    PL_ASSERT(out != NULL);
    struct pl_emulator *emulator = env->alloc(env->user, sizeof(*emulator));
    *out = NULL;
    if (emulator == NULL) {
        return PLAIT_E_NO_MEMORY;
    }
    memset(emulator, 0, sizeof(*emulator));
    emulator->uv = uv;
    emulator->env = env;
    emulator->armed = PLAIT_TIME_NEVER;
    pl_list_init(&emulator->links);
    int result = start_timer(emulator);
    if (result < 0) {
        PL_ASSERT(emulator->open_handles == 0);
        env->free(env->user, emulator, sizeof(*emulator));
        return result;
    }
    uv_prepare_init(uv, &emulator->prepare); /* neither can fail */
    uv_prepare_start(&emulator->prepare, on_prepare);
    emulator->prepare.data = emulator;
    emulator->open_handles++;
    *out = emulator;
    return 0;
}

void pl_emulator_destroy(struct pl_emulator *emulator) {
    if (emulator == NULL) {
        return;
    }
    PL_LIST_FOREACH_SAFE(node, &emulator->links) {
        pl_emulator_remove(link_of(node));
    }
    uv_close((uv_handle_t *)&emulator->prepare, on_own_handle_closed);
    uv_close((uv_handle_t *)&emulator->timer, on_own_handle_closed);
    close(emulator->timer_fd);
}

/* Attaches the descriptor to a new device, with a queue that the loop's absences do not fill: what
 * is dropped there is in nobody's statistics. The caller is in the device's namespace. */
static int create_device(int fd, struct ifreq *request) {
    int probe = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    request->ifr_flags = IFF_TUN | IFF_NO_PI;
    int result = probe < 0 || ioctl(fd, TUNSETIFF, request) < 0 ? -errno : 0;
    if (result == 0) {
        struct ifreq queue = *request;
        queue.ifr_qlen = DEVICE_QUEUE;
        result = ioctl(probe, SIOCSIFTXQLEN, &queue) < 0 ? -errno : 0;
    }
    if (probe >= 0) {
        close(probe);
    }
    return result;
}

int pl_emulator_tun(const char *name, int ns, char *actual) {
    struct ifreq request = {.ifr_flags = 0};
    if (strlen(name) >= sizeof(request.ifr_name)) {
        return -EINVAL;
    }
    memcpy(request.ifr_name, name, strlen(name));
    int previous = pl_netns_enter(ns);
    if (pl_netns_failed(previous)) {
        return previous;
    }
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int result = fd < 0 ? -errno : create_device(fd, &request);
    pl_netns_leave(previous);
    if (result < 0 && fd >= 0) {
        close(fd);
    }
    if (result == 0 && actual != NULL) {
        memcpy(actual, request.ifr_name, sizeof(request.ifr_name));
    }
    return result < 0 ? result : fd;
}

static int side_init(struct side *side, struct pl_emulator_link *link, int fd,
                     const struct pl_link_config *config, uint64_t seed) {
    struct pl_emulator *emulator = link->emulator;
    struct pl_link_config timed = *config;
    if (timed.trace != NULL && timed.trace_origin == 0) {
        timed.trace_origin = uv_hrtime();
    }
    side->link = link;
    side->fd = fd;
    int result = pl_link_init(&side->model, emulator->env, &timed, seed);
    if (result < 0) {
        return result;
    }
    result = uv_poll_init(emulator->uv, &side->poll, fd);
    if (result < 0) {
        pl_link_fini(&side->model);
        return result;
    }
    side->poll.data = side;
    link->open_handles++;
    emulator->open_handles++;
    result = uv_poll_start(&side->poll, UV_READABLE, on_device);
    PL_ASSERT(result == 0);
    return 0;
}

static void side_close(struct side *side) {
    pl_link_fini(&side->model);
    uv_close((uv_handle_t *)&side->poll, on_side_closed);
    close(side->fd);
}

int pl_emulator_add(struct pl_emulator *emulator, const int fds[2], const struct pl_link_config *up,
                    const struct pl_link_config *down, uint64_t seed,
                    struct pl_emulator_link **out) {
    struct pl_emulator_link *link = emulator->env->alloc(emulator->env->user, sizeof(*link));
    int result = PLAIT_E_NO_MEMORY;
    *out = NULL;
    if (link == NULL) {
        goto fail;
    }
    memset(link, 0, sizeof(*link));
    link->emulator = emulator;
    result = side_init(&link->sides[PL_EMULATOR_UP], link, fds[0], up, 2 * seed);
    if (result < 0) {
        emulator->env->free(emulator->env->user, link, sizeof(*link));
        goto fail;
    }
    result = side_init(&link->sides[PL_EMULATOR_DOWN], link, fds[1], down, 2 * seed + 1);
    if (result < 0) {
        side_close(&link->sides[PL_EMULATOR_UP]);
        close(fds[1]);
        return result;
    }
    result = pl_emulator_boxes(link, NULL, 0);
    PL_ASSERT(result == 0); /* it takes no memory */
    pl_list_append(&emulator->links, &link->node);
    *out = link;
    return 0;
fail:
    close(fds[0]);
    close(fds[1]);
    return result;
}

void pl_emulator_remove(struct pl_emulator_link *link) {
    pl_list_remove(&link->node);
    pl_chain_fini(&link->boxes);
    for (unsigned d = 0; d < PL_EMULATOR_DIRECTIONS; d++) {
        side_close(&link->sides[d]);
    }
}

int pl_emulator_boxes(struct pl_emulator_link *link, const struct pl_box_config *boxes,
                      unsigned count) {
    const struct plait_env *env = link->emulator->env;
    if (link->boxes.env != NULL) {
        pl_chain_fini(&link->boxes);
    }
    int result = pl_chain_init(&link->boxes, env, boxes, count, from_boxes, link);
    if (result != 0) {
        int empty = pl_chain_init(&link->boxes, env, NULL, 0, from_boxes, link);
        PL_ASSERT(empty == 0);
    }
    return result;
}

uint64_t pl_emulator_box_acted(const struct pl_emulator_link *link, unsigned index) {
    return pl_chain_acted(&link->boxes, index);
}

int pl_emulator_set(struct pl_emulator_link *link, enum pl_emulator_direction direction,
                    const struct pl_link_config *config) {
    PL_ASSERT(direction < PL_EMULATOR_DIRECTIONS);
    struct pl_link *model = &link->sides[direction].model;
    struct pl_link_config timed = *config;
    plait_time now = uv_hrtime();
    if (timed.trace != NULL && timed.trace_origin == 0) {
        bool same = timed.trace == model->config.trace;
        timed.trace_origin = same ? model->config.trace_origin : now;
    }
    return pl_link_set(model, &timed, now);
}

void pl_emulator_stats(struct pl_emulator_link *link, enum pl_emulator_direction direction,
                       struct pl_emulator_stats *out) {
    PL_ASSERT(direction < PL_EMULATOR_DIRECTIONS);
    struct side *side = &link->sides[direction];
    *out = side->stats;
    pl_link_stats(&side->model, uv_hrtime(), &out->link);
}
