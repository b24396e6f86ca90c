/* The splicing engine against sockets that are played here: every answer is chosen by the test,
 * and every call is written down. */
#include "proxy/splice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "plait/error.h"

enum { PROGRAM = 1, SERVER = 2 };

/* A played socket: bytes to read (then the end or AGAIN), room to write. */
static struct {
    int64_t readable, room;
    bool at_end;
    int64_t error;
} sock[3];
static char calls[256];
static int confirm_result;

static void note(const char *what, plait_sock which) {
    size_t len = strlen(calls);
    snprintf(calls + len, sizeof(calls) - len, "%s%d ", what, (int)which);
}

int64_t plait_splice(struct plait_stack *stack, plait_sock from, plait_sock to, size_t max,
                     plait_time now) {
    (void)stack;
    (void)now;
    if (sock[to].error != 0) {
        return PLAIT_E_BAD_STATE;
    }
    if (sock[from].readable == 0) {
        int64_t rest = sock[from].error != 0 ? PLAIT_E_BAD_STATE : PLAIT_E_AGAIN;
        return sock[from].at_end ? 0 : rest;
    }
    int64_t n = sock[from].readable < sock[to].room ? sock[from].readable : sock[to].room;
    n = n < (int64_t)max ? n : (int64_t)max;
    sock[from].readable -= n;
    sock[to].room -= n;
    return n > 0 ? n : PLAIT_E_AGAIN;
}

int plait_shutdown(struct plait_stack *stack, plait_sock which, plait_time now) {
    (void)stack;
    (void)now;
    note("shutdown", which);
    return 0;
}

int plait_close(struct plait_stack *stack, plait_sock which, plait_time now) {
    (void)stack;
    (void)now;
    note("close", which);
    return 0;
}

int plait_abort(struct plait_stack *stack, plait_sock which, int error, plait_time now) {
    (void)stack;
    (void)now;
    note(plait_error_name(error), which);
    return 0;
}

int plait_abort_delivered(struct plait_stack *stack, plait_sock which, int error, plait_time now) {
    (void)stack;
    (void)now;
    (void)error;
    note("later", which);
    return 0;
}

int plait_confirm(struct plait_stack *stack, plait_sock which, plait_time now) {
    (void)stack;
    (void)now;
    note("confirm", which);
    return confirm_result;
}

int plait_get(struct plait_stack *stack, plait_sock which, enum plait_option option,
              int64_t *value) {
    (void)stack;
    switch (option) {
        case PLAIT_OPT_ERROR:
            *value = sock[which].error;
            return 0;
        case PLAIT_OPT_RECEIVE_QUEUE:
            *value = sock[which].readable;
            return 0;
        case PLAIT_OPT_SEND_QUEUE:
            *value = 1000;
            return 0;
        default:
            return PLAIT_E_NO_OPTION;
    }
}

static struct pl_splice splice;

static int setup(void **state) {
    (void)state;
    memset(sock, 0, sizeof(sock));
    sock[PROGRAM].room = sock[SERVER].room = 1 << 20;
    calls[0] = '\0';
    confirm_result = 0;
    pl_splice_init_held(&splice, PROGRAM, SERVER);
    return 0;
}

static void event(uint32_t type, plait_sock which, int error) {
    struct plait_event e = {.type = type, .sock = which, .error = error};
    pl_splice_event(NULL, &splice, &e, 1);
}

static void connected(void) {
    event(PLAIT_EVENT_CONNECTED, SERVER, 0);
    assert_int_equal(splice.state, PL_SPLICE_FLOWING);
    assert_string_equal(calls, "confirm1 ");
    calls[0] = '\0';
}

static void test_held_until_connected(void **state) {
    (void)state;
    sock[PROGRAM].readable = 5;
    event(PLAIT_EVENT_READABLE, PROGRAM, 0);
    event(PLAIT_EVENT_CONNECTED, PROGRAM, 0);
    event(PLAIT_EVENT_CONNECTED, 77, 0);
    assert_int_equal(splice.state, PL_SPLICE_HELD);
    assert_int_equal(splice.bytes[0], 0);
    connected();
    assert_int_equal(splice.bytes[0], 5);
}

static void test_refused(void **state) {
    (void)state;
    event(PLAIT_EVENT_ERROR, SERVER, PLAIT_E_REFUSED);
    assert_int_equal(splice.state, PL_SPLICE_DONE);
    assert_int_equal(splice.error, PLAIT_E_REFUSED);
    assert_string_equal(calls, "REFUSED1 REFUSED2 ");
    event(PLAIT_EVENT_ERROR, SERVER, PLAIT_E_REFUSED);
    assert_string_equal(calls, "REFUSED1 REFUSED2 ");
}

static void test_program_gives_up(void **state) {
    (void)state;
    event(PLAIT_EVENT_ERROR, PROGRAM, PLAIT_E_RESET);
    assert_string_equal(calls, "RESET1 RESET2 ");
    assert_int_equal(splice.state, PL_SPLICE_DONE);
}

static void test_confirm_fails(void **state) {
    (void)state;
    confirm_result = PLAIT_E_NO_MEMORY;
    event(PLAIT_EVENT_CONNECTED, SERVER, 0);
    assert_string_equal(calls, "confirm1 NO_MEMORY1 NO_MEMORY2 ");
    assert_int_equal(splice.state, PL_SPLICE_DONE);
}

static void test_back_pressure(void **state) {
    (void)state;
    connected();
    sock[SERVER].readable = 3000;
    sock[PROGRAM].room = 1000;
    event(PLAIT_EVENT_READABLE, SERVER, 0);
    assert_int_equal(splice.bytes[1], 1000);
    assert_int_equal(pl_splice_undelivered(NULL, &splice, 1), 2000 + 1000);
    sock[PROGRAM].room = 500;
    event(PLAIT_EVENT_WRITABLE, PROGRAM, 0);
    assert_int_equal(splice.bytes[1], 1500);
    sock[PROGRAM].room = 5000;
    event(PLAIT_EVENT_WRITABLE, PROGRAM, 0);
    assert_int_equal(splice.bytes[1], 3000);
    assert_string_equal(calls, "");
}

static void test_half_close_both_ways(void **state) {
    (void)state;
    connected();
    sock[PROGRAM].readable = 10;
    sock[PROGRAM].at_end = true;
    event(PLAIT_EVENT_READABLE, PROGRAM, 0);
    assert_string_equal(calls, "shutdown2 ");
    sock[SERVER].readable = 20;
    event(PLAIT_EVENT_READABLE, SERVER, 0);
    assert_int_equal(splice.bytes[1], 20);
    sock[SERVER].at_end = true;
    event(PLAIT_EVENT_READABLE, SERVER, 0);
    assert_string_equal(calls, "shutdown2 shutdown1 ");
    event(PLAIT_EVENT_CLOSED, SERVER, 0);
    assert_int_equal(splice.state, PL_SPLICE_FLOWING);
    event(PLAIT_EVENT_CLOSED, PROGRAM, 0);
    assert_int_equal(splice.state, PL_SPLICE_DONE);
    assert_int_equal(splice.error, 0);
    assert_string_equal(calls, "shutdown2 shutdown1 close1 close2 ");
    assert_int_equal(pl_splice_undelivered(NULL, &splice, 0), 0);
}

static void dies(plait_sock which, int error) {
    sock[which].error = error;
    event(PLAIT_EVENT_ERROR, which, error);
}

static void test_reset_is_passed_on(void **state) {
    (void)state;
    connected();
    dies(SERVER, PLAIT_E_RESET);
    assert_string_equal(calls, "later1 RESET2 ");
    assert_int_equal(splice.error, PLAIT_E_RESET);
    assert_int_equal(splice.state, PL_SPLICE_DONE);
}

/* What came before the reset goes before it, whenever there is room. */
static void test_bytes_before_a_reset(void **state) {
    (void)state;
    connected();
    sock[SERVER].readable = 3000;
    sock[PROGRAM].room = 1000;
    sock[PROGRAM].readable = 50;
    dies(SERVER, PLAIT_E_RESET);
    assert_int_equal(splice.bytes[1], 1000);
    assert_int_equal(splice.state, PL_SPLICE_FLOWING);
    event(PLAIT_EVENT_READABLE, PROGRAM, 0);
    assert_int_equal(splice.bytes[0], 0);
    assert_string_equal(calls, "");
    sock[PROGRAM].room = 5000;
    event(PLAIT_EVENT_WRITABLE, PROGRAM, 0);
    assert_int_equal(splice.bytes[1], 3000);
    assert_string_equal(calls, "later1 RESET2 ");
}

/* The order in which the two directions are looked at makes no difference. */
static void test_bytes_before_the_programs_reset(void **state) {
    (void)state;
    connected();
    sock[PROGRAM].readable = 70;
    dies(PROGRAM, PLAIT_E_RESET);
    assert_int_equal(splice.bytes[0], 70);
    assert_string_equal(calls, "RESET1 later2 ");
}

static void test_both_die(void **state) {
    (void)state;
    connected();
    sock[SERVER].readable = 10;
    sock[PROGRAM].room = 0;
    dies(SERVER, PLAIT_E_TIMED_OUT);
    assert_string_equal(calls, "");
    dies(PROGRAM, PLAIT_E_RESET);
    assert_string_equal(calls, "TIMED_OUT1 TIMED_OUT2 ");
}

static void test_error_behind_the_end(void **state) {
    (void)state;
    connected();
    sock[SERVER].at_end = true;
    event(PLAIT_EVENT_READABLE, SERVER, 0);
    assert_string_equal(calls, "shutdown1 ");
    dies(SERVER, PLAIT_E_RESET);
    assert_string_equal(calls, "shutdown1 later1 RESET2 ");
}

/* A call that fails because a socket is dead tells the reason of which it died. */
static void test_error_found_by_a_call(void **state) {
    (void)state;
    connected();
    sock[PROGRAM].error = PLAIT_E_TIMED_OUT;
    event(PLAIT_EVENT_READABLE, SERVER, 0);
    assert_int_equal(splice.error, PLAIT_E_TIMED_OUT);
    assert_string_equal(calls, "TIMED_OUT1 later2 ");
}

static void test_open_sockets(void **state) {
    (void)state;
    sock[PROGRAM].readable = 7;
    pl_splice_init_open(NULL, &splice, PROGRAM, SERVER, 1);
    assert_int_equal(splice.bytes[0], 7);
    pl_splice_abort(NULL, &splice, PLAIT_E_ABORTED, 1);
    pl_splice_abort(NULL, &splice, PLAIT_E_ABORTED, 1);
    assert_string_equal(calls, "ABORTED1 ABORTED2 ");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_held_until_connected, setup),
        cmocka_unit_test_setup(test_refused, setup),
        cmocka_unit_test_setup(test_program_gives_up, setup),
        cmocka_unit_test_setup(test_confirm_fails, setup),
        cmocka_unit_test_setup(test_back_pressure, setup),
        cmocka_unit_test_setup(test_half_close_both_ways, setup),
        cmocka_unit_test_setup(test_reset_is_passed_on, setup),
        cmocka_unit_test_setup(test_bytes_before_a_reset, setup),
        cmocka_unit_test_setup(test_bytes_before_the_programs_reset, setup),
        cmocka_unit_test_setup(test_both_die, setup),
        cmocka_unit_test_setup(test_error_behind_the_end, setup),
        cmocka_unit_test_setup(test_error_found_by_a_call, setup),
        cmocka_unit_test_setup(test_open_sockets, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
