/* mptcp/pm/rules: which paths each path manager wants, of the same addresses. */
#include "mptcp/internal.h"
#include "mptcp/pm/pm.h"
#include "mptcp_test.h"
#include "plait/multipath.h"
#include "socket/table.h"

#define S PLAIT_NS_PER_S
#define A (l.pair.stack[PAIR_A])
#define B (l.pair.stack[PAIR_B])

static struct link l;

static struct pl_conn *conn(void) {
    return pl_table_find(A, l.a)->sc->conn;
}

/* Three addresses at A with these flags, IPv4 only; the peer has announced its second one. */
static void begin(uint32_t flags) {
    struct pair_setup setup = {
        .seed = 5, .paths = 3, .address_flags = {flags, 0}, .ipv4_only = true};
    struct plait_addr second = pair_addr(PAIR_B, 1, PLAIT_IPV4);
    pair_init(&l.pair, &setup);
    l.listener = pair_listen(&l.pair, LINK_PORT);
    link_connect(&l);
    assert_int_equal(plait_address_remove(B, l.pair.path[1].port[PAIR_B], &second, l.pair.now), 0);
    int id = plait_address_add(B, l.pair.path[1].port[PAIR_B], &second, PLAIT_ADDRESS_SIGNAL, 0, 0,
                               l.pair.now);
    assert_true(id > 0);
    link_transfer(&l, 1000);
    pair_run(&l.pair, S);
    assert_int_equal(conn()->pm->remote_count, 2);
}

static void finish(void) {
    pl_pm_check(conn());
    pair_fini(&l.pair);
}

/* How many wanted paths go from A's address of path `local` (3: any) to the peer's address number
 * `remote` (2: any). */
static unsigned wanted(unsigned local, unsigned remote) {
    const struct pl_pm *pm = conn()->pm;
    unsigned count = 0;
    for (unsigned i = 0; i < pm->path_count; i++) {
        const struct pl_path *path = &pm->paths[i];
        bool from = local == 3 || path->local.bytes[2] == local;
        count += path->wanted && from && (remote == 2 || path->remote_index == remote) ? 1 : 0;
    }
    return count;
}

static void manage(int64_t manager) {
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_PATH_MANAGER, manager), 0);
    pair_run(&l.pair, S);
}

/* No flags: the first path, and one to what was announced. */
static void test_kernel_without_flags(void **state) {
    (void)state;
    begin(0);
    assert_int_equal(wanted(3, 2), 2);
    assert_int_equal(wanted(0, 0), 1);
    assert_int_equal(wanted(0, 1), 1);
    finish();
}

/* `subflow`: each address to the peer's first; the announced one once more from the first. */
static void test_kernel_subflow(void **state) {
    (void)state;
    begin(PLAIT_ADDRESS_SUBFLOW);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(wanted(i, 0), 1);
    }
    assert_int_equal(wanted(0, 1), 1);
    assert_int_equal(wanted(3, 2), 4);
    finish();
}

static void test_all_pairs(void **state) {
    (void)state;
    begin(PLAIT_ADDRESS_FULLMESH);
    assert_int_equal(wanted(3, 2), 6);
    finish();
    begin(0);
    manage(PLAIT_PM_FULLMESH); /* whatever the flags say */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(wanted(i, 0), 1);
        assert_int_equal(wanted(i, 1), 1);
    }
    assert_int_equal(wanted(3, 2), 6);
    finish();
}

static void test_ndiffports(void **state) {
    (void)state;
    begin(PLAIT_ADDRESS_SUBFLOW);
    assert_int_equal(plait_set(A, l.a, PLAIT_OPT_NDIFFPORTS, 3), 0);
    manage(PLAIT_PM_NDIFFPORTS);
    assert_int_equal(wanted(0, 0), 3); /* one address, three ports */
    assert_int_equal(wanted(3, 2), 3);
    finish();
}

static void test_userspace(void **state) {
    (void)state;
    begin(PLAIT_ADDRESS_SUBFLOW);
    assert_true(pl_pm_is_automatic(conn()));
    manage(PLAIT_PM_USERSPACE);
    assert_false(pl_pm_is_automatic(conn()));
    assert_int_equal(wanted(3, 2), 0);
    assert_false(pl_pm_wants_any(conn()));
    finish();
}

/* What an application has taken away is wanted by no manager. */
static void test_addresses_taken_away(void **state) {
    struct plait_local second = {.addr = pair_addr(PAIR_A, 1, PLAIT_IPV4)};
    (void)state;
    begin(PLAIT_ADDRESS_SUBFLOW);
    assert_int_equal(plait_multipath_remove(A, l.a, &second, 1, l.pair.now), 0);
    for (int manager = 0; manager < PLAIT_PM_COUNT; manager++) {
        manage(manager);
        assert_int_equal(wanted(1, 2), 0);
    }
    finish();
}

/* The first address is gone and no other has a flag: an initiator tries all the same. */
static void test_last_resort(void **state) {
    struct plait_local first = {.addr = pair_addr(PAIR_A, 0, PLAIT_IPV4)};
    struct plait_addr announced = pair_addr(PAIR_B, 1, PLAIT_IPV4);
    (void)state;
    begin(0);
    plait_port_id port = l.pair.path[1].port[PAIR_B];
    assert_int_equal(plait_address_remove(B, port, &announced, l.pair.now), 0);
    pair_run(&l.pair, S);
    assert_int_equal(wanted(3, 2), 1);
    assert_int_equal(plait_multipath_remove(A, l.a, &first, 1, l.pair.now), 0);
    assert_int_equal(wanted(0, 2), 0);
    assert_int_equal(wanted(3, 0), 1);
    finish();
}

static void test_names(void **state) {
    static const char *const names[] = {"kernel", "fullmesh", "ndiffports", "userspace"};
    (void)state;
    for (int i = 0; i < PLAIT_PM_COUNT; i++) {
        assert_string_equal(plait_path_manager_name(i), names[i]);
    }
    assert_null(plait_path_manager_name(PLAIT_PM_COUNT));
    assert_null(plait_path_manager_name(-1));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernel_without_flags),
        cmocka_unit_test(test_kernel_subflow),
        cmocka_unit_test(test_all_pairs),
        cmocka_unit_test(test_ndiffports),
        cmocka_unit_test(test_userspace),
        cmocka_unit_test(test_addresses_taken_away),
        cmocka_unit_test(test_last_resort),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
