/* SPDX-License-Identifier: MIT
 * Clients that do less than they should: one that says only how long its picture is, one that never closes,
 * one that reads slowly.
 */
#include "frames/frames.h"
#include "serve/server_testing.h"

#include "net/conn.h"

static const struct sg_protocol_ops *const test_protocols[3] = {&sg_protocol_seed};

#define LARGE_FRAMES 200
#define LARGE_REPLY                                                                                          \
    60000 /* bytes; with LARGE_FRAMES more than socket buffers of both sides together hold                   \
           */

static void a_length_alone_times_out(void **state)
{
    struct sg_server_options options;
    struct fixture *f;
    int fresh, used;

    (void)state;
    options_for_test(&options);
    options.receive_timeout_ms = 150;
    f = start_with(&options);
    fresh = dial(f);
    used = dial(f);
    send_frame(used, "x", 1);
    expect_reply(used, "x", 1);
    send_length(fresh, 100);
    send_length(used, 100);
    assert_string_equal(read_reply(fresh), "{\"error\":\"timeout\"}");
    assert_string_equal(read_reply(fresh), "");
    assert_string_equal(read_reply(used), "{\"error\":\"timeout\"}");
    assert_string_equal(read_reply(used), "");
    close(fresh);
    close(used);
    assert_int_equal(stop(f), 0);
}

/* What it was told is final, so the server does not wait for it: half a second while it stops. */
static void a_client_that_never_closes_is_left(void **state)
{
    struct fixture *f = start();
    int fd = dial(f);
    int64_t began;

    (void)state;
    send_length(fd, 10);
    usleep(50000);
    began = sg_clock_us();
    sg_server_stop(f->server);
    assert_string_equal(read_reply(fd), "{\"error\":\"shutting_down\"}");
    assert_string_equal(read_reply(fd), "");
    sg_thread_join(&f->thread);                   /* fd stays open */
    assert_true(sg_clock_us() - began < 5000000); /* drain_timeout is 10 s */
    close(fd);
    assert_int_equal(stop(f), 0);
}

/* Each reply is one byte over and over, which the frame's length chooses, in braces. */
static int large_reply(const struct sg_result *result, const struct sg_error *err, size_t max_bytes,
                       struct sg_buf *out)
{
    char text[LARGE_REPLY];

    (void)err;
    (void)max_bytes;
    memset(text, 'a' + result->width % 26, sizeof(text));
    text[0] = '{';
    text[sizeof(text) - 1] = '}';
    return sg_buf_append(out, text, sizeof(text));
}

/* At byte `at` of all replies: frame i has 5 + i bytes. */
static char expected_byte(size_t at)
{
    size_t frame = at / LARGE_REPLY, within = at % LARGE_REPLY;

    if (within == 0)
        return '{';
    return within == LARGE_REPLY - 1 ? '}' : (char)('a' + (5 + frame) % 26);
}

static void slow_readers_get_every_byte_in_order(void **state)
{
    static char part[7001];
    const size_t whole = (size_t)LARGE_FRAMES * LARGE_REPLY;
    struct sg_server_options options;
    const struct sg_counters *counters;
    char frame[5 + LARGE_FRAMES] = "hold";
    int fd = make_socket(), small = 4096, i;
    struct fixture *f;
    size_t got = 0;
    uint64_t sent;

    (void)state;
    options_for_test(&options);
    options.max_pipelined = LARGE_FRAMES;
    options.max_jobs = 4 * LARGE_FRAMES; /* a connection holds two thirds of them at most */
    options.json_seed = large_reply;
    f = start_with(&options);
    counters = sg_server_counters(f->server);
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    connect_to(f, fd);
    atomic_store(&held, true);
    for (i = 0; i < LARGE_FRAMES; i++) {
        send_frame(fd, frame, 5 + (size_t)i);
        memcpy(frame, "fast", 4); /* only the first is held, and with it all replies */
    }
    for (i = 0; i < 500 && atomic_load(&counters->requests) < LARGE_FRAMES; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&counters->requests), LARGE_FRAMES);
    atomic_store(&held, false);
    for (i = 0; i < 500 && atomic_load(&counters->replies) < LARGE_FRAMES; i++)
        usleep(10000);
    sent = atomic_load(&sg_server_traffic(f->server)->bytes_out);
    assert_true(sent < whole); /* or nothing was partial, and this tests nothing */
    while (got < whole) {
        ssize_t n = receive(fd, part, got % sizeof(part) + 1), k;

        assert_true(n > 0);
        for (k = 0; k < n; k++)
            if (part[k] != expected_byte(got + (size_t)k))
                fail_msg("byte %zu is '%c'", got + (size_t)k, part[k]);
        got += (size_t)n;
    }
    assert_int_equal(atomic_load(&sg_server_traffic(f->server)->bytes_out), whole);
    send_frame(fd, "fast", 4); /* and it is read from again */
    for (got = 0; got < LARGE_REPLY; got += (size_t)i) {
        i = (int)receive(fd, part, sizeof(part));
        assert_true(i > 0);
    }
    close(fd);
    assert_int_equal(stop(f), 0);
}

/* A picture under way is none of the idle time; after its reply the connection ends without a word, as the
 * seed protocol has none. */
static void idle_clients_are_left(void **state)
{
    struct sg_server_options options;
    struct pollfd answer;
    struct fixture *f;
    char end[16];
    int fd;

    (void)state;
    options_for_test(&options);
    options.idle_timeout_ms = 600;
    f = start_with(&options);
    fd = dial(f);
    atomic_store(&held, true);
    send_frame(fd, "slow", 4); /* is answered while the next one is under way */
    send_frame(fd, "hold", 4);
    expect_reply(fd, "slow", 4);
    answer = (struct pollfd){.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&answer, 1, 1200), 0);
    atomic_store(&held, false);
    expect_reply(fd, "hold", 4);
    assert_int_equal(receive(fd, end, sizeof(end)), 0);
    close(fd);
    assert_int_equal(stop(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_length_alone_times_out),
        cmocka_unit_test(a_client_that_never_closes_is_left),
        cmocka_unit_test(idle_clients_are_left),
        cmocka_unit_test(slow_readers_get_every_byte_in_order),
    };

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
