/* base/chunk: sharing and copying, accounting, chains. */
#include "base/chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "testenv.h"

static struct test_env env;
static struct pl_memory memory;

static int setup(void **state) {
    (void)state;
    test_env_init(&env, 1);
    memory = (struct pl_memory){.env = &env.env, .max_bytes = 1 << 20};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    return env.live_count == 0 && memory.used_bytes == 0 ? 0 : -1;
}

static struct plait_buf *packet(uint32_t cap, uint32_t len) {
    struct plait_buf *buf = plait_buf_alloc(&env.env, cap);
    assert_non_null(buf);
    buf->len = len;
    for (uint32_t i = 0; i < len; i++) {
        buf->data[i] = (uint8_t)i;
    }
    return buf;
}

static struct pl_chunk *filled(uint32_t cap, const char *text) {
    struct pl_chunk *chunk = pl_chunk_alloc(&memory, cap);
    assert_non_null(chunk);
    assert_int_equal(pl_chunk_append(chunk, text, (uint32_t)strlen(text)), strlen(text));
    return chunk;
}

static void test_a_large_part_shares_its_buffer(void **state) {
    (void)state;
    struct plait_buf *buf = packet(1600, 1540);
    struct pl_chunk *chunk = pl_chunk_of(&memory, buf, buf->data + 40, 1500);
    assert_non_null(chunk);
    assert_ptr_equal(chunk->data, buf->data + 40);
    assert_int_equal(chunk->len, 1500);
    assert_int_equal(buf->refs, 2);
    assert_int_equal(memory.used_bytes, 1600 + PL_CHUNK_OVERHEAD);
    plait_buf_unref(buf);
    assert_int_equal(chunk->data[1499], (uint8_t)1539);
    pl_chunk_unref(chunk);
}

static void test_a_small_part_is_copied(void **state) {
    (void)state;
    struct plait_buf *buf = packet(65536, 140);
    struct pl_chunk *chunk = pl_chunk_of(&memory, buf, buf->data + 40, 100);
    assert_non_null(chunk);
    assert_int_equal(buf->refs, 1);
    assert_memory_equal(chunk->data, buf->data + 40, 100);
    plait_buf_unref(buf);
    assert_int_equal(memory.used_bytes, 100 + PL_CHUNK_OVERHEAD);
    pl_chunk_unref(chunk);
}

static void test_the_quarter_is_the_border(void **state) {
    (void)state;
    struct plait_buf *buf = packet(1000, 1000);
    struct pl_chunk *kept = pl_chunk_of(&memory, buf, buf->data, 250);
    struct pl_chunk *copied = pl_chunk_of(&memory, buf, buf->data, 249);
    assert_ptr_equal(kept->buf, buf);
    assert_ptr_not_equal(copied->buf, buf);
    pl_chunk_unref(kept);
    pl_chunk_unref(copied);
    plait_buf_unref(buf);
}

static void test_the_limit_is_kept(void **state) {
    (void)state;
    memory.max_bytes = 2 * (1000 + PL_CHUNK_OVERHEAD);
    struct plait_buf *buf = packet(1000, 1000);
    struct pl_chunk *a = pl_chunk_of(&memory, buf, buf->data, 1000);
    struct pl_chunk *b = pl_chunk_alloc(&memory, 1000);
    assert_non_null(a);
    assert_non_null(b);
    assert_null(pl_chunk_alloc(&memory, 0));
    assert_null(pl_chunk_of(&memory, buf, buf->data, 10));
    assert_null(pl_chunk_slice(a, 0, 1));
    pl_chunk_unref(b);
    struct pl_chunk *c = pl_chunk_slice(a, 0, 500);
    assert_non_null(c);
    pl_chunk_unref(a);
    pl_chunk_unref(c);
    assert_null(pl_chunk_alloc(&memory, UINT32_MAX));
    plait_buf_unref(buf);
}

static void test_every_failing_allocation_leaves_nothing(void **state) {
    (void)state;
    struct plait_buf *buf = packet(1000, 1000);
    struct pl_chunk *whole = pl_chunk_of(&memory, buf, buf->data, 1000);
    uint64_t used = memory.used_bytes;
    for (uint32_t len = 1; len <= 1000; len += 333) {
        for (uint64_t n = 1; n <= 2; n++) {
            env.fail_at = env.alloc_count + n;
            struct pl_chunk *a = pl_chunk_of(&memory, buf, buf->data, len);
            env.fail_at = env.alloc_count + n;
            struct pl_chunk *b = pl_chunk_slice(whole, 1000 - len, len);
            env.fail_at = env.alloc_count + n;
            struct pl_chunk *c = pl_chunk_alloc(&memory, len);
            assert_null(c);
            assert_int_equal(a == NULL, n == 1 || len < 250);
            assert_int_equal(b == NULL, n == 1 || len < 250);
            pl_chunk_unref(a);
            pl_chunk_unref(b);
            assert_int_equal(memory.used_bytes, used);
        }
    }
    pl_chunk_unref(whole);
    plait_buf_unref(buf);
}

static void test_append_fills_and_stops(void **state) {
    (void)state;
    struct pl_chunk *chunk = pl_chunk_alloc(&memory, 10);
    assert_int_equal(chunk->len, 0);
    assert_int_equal(pl_chunk_append(chunk, "abcdef", 6), 6);
    assert_int_equal(pl_chunk_append(chunk, "ghijkl", 6), 4);
    assert_int_equal(pl_chunk_append(chunk, "x", 1), 0);
    assert_memory_equal(chunk->data, "abcdefghij", 10);
    pl_chunk_unref(chunk);
}

static void test_append_refuses_what_is_not_a_growing_tail(void **state) {
    (void)state;
    struct plait_buf *buf = packet(100, 50);
    struct pl_chunk *shared = pl_chunk_of(&memory, buf, buf->data, 50);
    assert_int_equal(pl_chunk_append(shared, "x", 1), 0);
    struct pl_chunk *tail = filled(10, "abcde");
    struct pl_chunk *slice = pl_chunk_slice(tail, 0, 5);
    assert_int_equal(pl_chunk_append(slice, "x", 1), 0);
    pl_chunk_link(tail, slice);
    assert_int_equal(pl_chunk_append(tail, "x", 1), 0);
    pl_chunk_unref(slice);
    pl_chunk_unref(tail);
    pl_chunk_unref(shared);
    plait_buf_unref(buf);
}

static void test_a_slice_outlives_what_it_was_cut_from(void **state) {
    (void)state;
    struct pl_chunk *chunk = filled(10, "abcdefghij");
    struct pl_chunk *big = pl_chunk_slice(chunk, 2, 5);
    struct pl_chunk *small = pl_chunk_slice(chunk, 9, 1);
    assert_ptr_equal(big->buf, chunk->buf);
    assert_ptr_not_equal(small->buf, chunk->buf);
    pl_chunk_unref(chunk);
    assert_memory_equal(big->data, "cdefg", 5);
    assert_memory_equal(small->data, "j", 1);
    pl_chunk_unref(big);
    pl_chunk_unref(small);
}

/* The chain holds each link once; a second holder keeps everything behind its chunk. */
static void test_a_chain_is_freed_as_far_as_nobody_holds_it(void **state) {
    (void)state;
    struct pl_chunk *a = filled(10, "a"), *b = filled(10, "b"), *c = filled(10, "c");
    pl_chunk_link(a, b);
    pl_chunk_link(b, c);
    pl_chunk_unref(c);
    assert_int_equal(memory.used_bytes, 3 * (10 + PL_CHUNK_OVERHEAD));
    pl_chunk_unref(a); /* b is still ours */
    assert_int_equal(memory.used_bytes, 2 * (10 + PL_CHUNK_OVERHEAD));
    assert_memory_equal(b->next->data, "c", 1);
    pl_chunk_unref(b);
    pl_chunk_unref(NULL);
}

static void test_a_long_chain_is_freed_without_recursion(void **state) {
    (void)state;
    memory.max_bytes = UINT64_MAX;
    struct pl_chunk *head = pl_chunk_alloc(&memory, 1), *tail = head;
    pl_chunk_ref(tail);
    for (int i = 0; i < 300000; i++) {
        struct pl_chunk *next = pl_chunk_alloc(&memory, 1);
        pl_chunk_link(tail, next);
        pl_chunk_unref(tail);
        tail = next;
    }
    pl_chunk_unref(tail);
    pl_chunk_unref(head);
    assert_int_equal(memory.used_bytes, 0);
}

static void test_seek_crosses_chunks_but_not_the_end(void **state) {
    (void)state;
    struct pl_chunk *a = filled(10, "abc"), *b = filled(10, ""), *c = filled(10, "de");
    pl_chunk_link(a, b);
    pl_chunk_link(b, c);
    struct pl_chunk *at = a;
    uint32_t offset = 0;
    pl_chunk_seek(&at, &offset, 2);
    assert_ptr_equal(at, a);
    assert_int_equal(offset, 2);
    pl_chunk_seek(&at, &offset, 1); /* over the empty one */
    assert_ptr_equal(at, c);
    assert_int_equal(offset, 0);
    pl_chunk_seek(&at, &offset, 2);
    assert_ptr_equal(at, c);
    assert_int_equal(offset, 2);
    struct pl_chunk *d = filled(10, "f");
    pl_chunk_link(c, d);
    pl_chunk_seek(&at, &offset, 0);
    assert_ptr_equal(at, d);
    assert_int_equal(offset, 0);
    pl_chunk_unref(d);
    pl_chunk_unref(c);
    pl_chunk_unref(b);
    pl_chunk_unref(a);
}

static void test_slices_describe_a_range(void **state) {
    (void)state;
    struct pl_chunk *a = filled(10, "abc"), *b = filled(10, ""), *c = filled(10, "defg");
    pl_chunk_link(a, b);
    pl_chunk_link(b, c);
    struct plait_slice out[4];
    uint32_t covered = 0;
    assert_int_equal(pl_chunk_slices(a, 1, 4, out, 4, &covered), 2);
    assert_int_equal(covered, 4);
    assert_int_equal(out[0].len, 2);
    assert_memory_equal(out[0].data, "bc", 2);
    assert_int_equal(out[1].len, 2);
    assert_memory_equal(out[1].data, "de", 2);
    assert_int_equal(pl_chunk_slices(a, 0, 7, out, 1, &covered), 1);
    assert_int_equal(covered, 3);
    assert_int_equal(pl_chunk_slices(a, 0, 100, out, 4, &covered), 2);
    assert_int_equal(covered, 7);
    assert_int_equal(pl_chunk_slices(a, 3, 1, out, 4, &covered), 1);
    assert_ptr_equal(out[0].data, c->data);
    assert_int_equal(pl_chunk_slices(a, 0, 0, out, 4, &covered), 0);
    assert_int_equal(covered, 0);
    pl_chunk_unref(c);
    pl_chunk_unref(b);
    pl_chunk_unref(a);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_a_large_part_shares_its_buffer),
        TEST(test_a_small_part_is_copied),
        TEST(test_the_quarter_is_the_border),
        TEST(test_the_limit_is_kept),
        TEST(test_every_failing_allocation_leaves_nothing),
        TEST(test_append_fills_and_stops),
        TEST(test_append_refuses_what_is_not_a_growing_tail),
        TEST(test_a_slice_outlives_what_it_was_cut_from),
        TEST(test_a_chain_is_freed_as_far_as_nobody_holds_it),
        TEST(test_a_long_chain_is_freed_without_recursion),
        TEST(test_seek_crosses_chunks_but_not_the_end),
        TEST(test_slices_describe_a_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
