/* SPDX-License-Identifier: MIT
 * Many clients, limits, and the end of the server.
 */
#include "frames/frames.h"
#include "serve/server_testing.h"

static const struct sg_protocol_ops *const test_protocols[3] = {&sg_protocol_seed};

static void greedy_clients_leave_others_their_turn(void **state)
{
    struct sg_server_options options;
    struct fixture *f;
    int greedy, modest, i;
    struct pollfd waiting;
    char reply[4096];
    ssize_t n;

    (void)state;
    options_for_test(&options);
    options.workers = 1;
    f = start_with(&options);
    greedy = dial(f);
    modest = dial(f);
    for (i = 0; i < 20; i++)
        send_frame(greedy, "slow", 4); /* two seconds of work */
    usleep(30000);
    send_frame(modest, "mine", 4);
    expect_reply(modest, "mine", 4);
    /* Behind at most the job that was running and one more, not behind all twenty. */
    waiting = (struct pollfd){.fd = greedy, .events = POLLIN};
    n = poll(&waiting, 1, 0) > 0 ? receive(greedy, reply, sizeof(reply) - 1) : 0;
    reply[n] = '\0';
    assert_true(n <= 2 * (ssize_t)strlen("{\"n\":4,\"sum\":453}"));
    close(greedy);
    close(modest);
    assert_int_equal(stop(f), 0);
}

static void a_full_gate_makes_clients_wait_but_loses_nothing(void **state)
{
    struct sg_server_options options;
    size_t size = 300000;
    char *data = malloc(size);
    struct fixture *f;
    int fds[8], i, round;

    (void)state;
    memset(data, 'x', size);
    options_for_test(&options);
    options.max_jobs = 1;
    options.max_queue_bytes = 400000; /* one picture and a bit */
    f = start_with(&options);
    for (i = 0; i < 8; i++)
        fds[i] = dial(f);
    for (round = 0; round < 5; round++) {
        /* All begin a frame and none completes it: every byte of the budget is held by halves. */
        for (i = 0; i < 8; i++) {
            send_length(fds[i], (int32_t)size);
            send_all(fds[i], data, size / 2);
        }
        usleep(20000);
        for (i = 0; i < 8; i++)
            send_all(fds[i], data, size - size / 2);
        for (i = 0; i < 8; i++)
            expect_reply(fds[i], data, size);
    }
    for (i = 0; i < 8; i++)
        close(fds[i]);
    free(data);
    assert_int_equal(stop(f), 0);
}

static void too_many_connections_are_told_so(void **state)
{
    struct sg_server_options options;
    struct fixture *f;
    int a, b, c, d;

    (void)state;
    options_for_test(&options);
    options.max_connections = 2;
    f = start_with(&options);
    a = dial(f);
    b = dial(f);
    send_frame(a, "a", 1);
    expect_reply(a, "a", 1);
    send_frame(b, "b", 1);
    expect_reply(b, "b", 1);
    c = dial(f);
    send_frame(c, "c", 1);
    assert_string_equal(read_reply(c), "{\"error\":\"busy\"}");
    assert_string_equal(read_reply(c), "");
    close(c);
    close(a);
    usleep(50000);
    d = dial(f);
    send_frame(d, "d", 1);
    expect_reply(d, "d", 1);
    close(b);
    close(d);
    assert_int_equal(stop(f), 0);
}

static void running_out_of_descriptors_is_survived(void **state)
{
    struct fixture *f = start();
    struct rlimit usual, tight;
    int fds[12], i, next;

    (void)state;
    for (i = 0; i < 12; i++)
        fds[i] = make_socket();
    next = dup(fds[11]);
    close(next);
    getrlimit(RLIMIT_NOFILE, &usual);
    tight = usual;
    tight.rlim_cur = (rlim_t)next + 4; /* four clients can be accepted, eight wait in the backlog */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    for (i = 0; i < 12; i++) {
        connect_to(f, fds[i]);
        send_frame(fds[i], "hello", 5);
    }
    for (i = 0; i < 12; i++) {
        expect_reply(fds[i], "hello", 5);
        close(fds[i]);
    }
    setrlimit(RLIMIT_NOFILE, &usual);
    assert_int_equal(stop(f), 0);
}

static void stopping_answers_what_was_admitted(void **state)
{
    struct fixture *f = start();
    int busy = dial(f), partial = dial(f), idle = dial(f), i;

    (void)state;
    send_frame(idle, "x", 1);
    expect_reply(idle, "x", 1);
    for (i = 0; i < 6; i++)
        send_frame(busy, "slow", 4);
    send_length(partial, 10);
    usleep(50000);
    sg_server_stop(f->server);
    for (i = 0; i < 6; i++)
        expect_reply(busy, "slow", 4);
    assert_string_equal(read_reply(busy), "");
    assert_string_equal(read_reply(partial), "{\"error\":\"shutting_down\"}");
    assert_string_equal(read_reply(idle), "");
    close(busy);
    close(partial);
    close(idle);
    sg_thread_join(&f->thread);
    assert_int_equal(stop(f), 0);
}

static void stopping_ends_at_the_drain_limit(void **state)
{
    struct sg_server_options options;
    struct fixture *f;
    int64_t began;
    int fd, i;

    (void)state;
    options_for_test(&options);
    options.drain_timeout_ms = 100;
    f = start_with(&options);
    fd = dial(f);
    for (i = 0; i < 30; i++)
        send_frame(fd, "slow", 4); /* a second and a half of work */
    usleep(50000);
    began = sg_clock_us();
    assert_int_equal(stop(f), SG_E_SHUTDOWN);
    assert_true(sg_clock_us() - began < 1000000);
    close(fd);
}

static void a_busy_port_is_a_clear_error(void **state)
{
    struct fixture *f = start();
    struct sg_server_options options;
    struct sg_server *second = NULL;
    struct sg_error err;
    char listen[32];
    const char *const taken[] = {listen};

    (void)state;
    options_for_test(&options);
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", f->port);
    options.listen = taken;
    assert_int_equal(sg_server_create(&options, &second, &err), SG_E_IO);
    assert_null(second);
    assert_non_null(strstr(err.text, listen));
    assert_non_null(strstr(err.text, "--listen"));
    assert_int_equal(stop(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_clients_leave_others_their_turn),
        cmocka_unit_test(a_full_gate_makes_clients_wait_but_loses_nothing),
        cmocka_unit_test(too_many_connections_are_told_so),
        cmocka_unit_test(running_out_of_descriptors_is_survived),
        cmocka_unit_test(stopping_answers_what_was_admitted),
        cmocka_unit_test(stopping_ends_at_the_drain_limit),
        cmocka_unit_test(a_busy_port_is_a_clear_error),
    };

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
