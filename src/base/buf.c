#include "plait/buf.h"

#include "base/assert.h"

struct plait_buf *plait_buf_alloc(const struct plait_env *env, uint32_t cap) {
    PL_ASSERT(env != NULL);
    if (cap > UINT32_MAX - sizeof(struct plait_buf)) {
        return NULL;
    }
    struct plait_buf *buf = env->alloc(env->user, sizeof(*buf) + cap);
    if (buf == NULL) {
        return NULL;
    }
    buf->refs = 1;
    buf->cap = cap;
    buf->len = 0;
    buf->env = env;
    return buf;
}

void plait_buf_ref(struct plait_buf *buf) {
    PL_ASSERT(buf->refs > 0);
    PL_ASSERT(buf->refs < UINT32_MAX);
    buf->refs++;
}

void plait_buf_unref(struct plait_buf *buf) {
    PL_ASSERT(buf->refs > 0);
    PL_ASSERT(buf->len <= buf->cap);
    buf->refs--;
    if (buf->refs == 0) {
        buf->env->free(buf->env->user, buf, sizeof(*buf) + buf->cap);
    }
}
