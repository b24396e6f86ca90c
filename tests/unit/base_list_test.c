/* base/list. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct item {
    int id;
    struct pl_list node;
};

static int collect(struct pl_list *head) {
    int digits = 0;
    PL_LIST_FOREACH(it, head) {
        digits = 10 * digits + PL_CONTAINER(it, struct item, node)->id;
    }
    return digits;
}

static void test_order_and_removal(void **state) {
    (void)state;
    struct pl_list head;
    struct item items[4];
    pl_list_init(&head);
    assert_true(pl_list_empty(&head));
    for (int i = 0; i < 4; i++) {
        items[i].id = i + 1;
        pl_list_init(&items[i].node);
        assert_false(pl_list_linked(&items[i].node));
    }
    pl_list_append(&head, &items[0].node);
    pl_list_append(&head, &items[1].node);
    pl_list_prepend(&head, &items[2].node);
    pl_list_insert_before(&items[1].node, &items[3].node);
    assert_int_equal(collect(&head), 3142);
    pl_list_remove(&items[0].node);
    pl_list_remove(&items[0].node);
    assert_false(pl_list_linked(&items[0].node));
    assert_int_equal(collect(&head), 342);
    PL_LIST_FOREACH_SAFE(it, &head) {
        pl_list_remove(it);
    }
    assert_true(pl_list_empty(&head));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
