/* SPDX-License-Identifier: MIT
 * Frames and replies: cut anywhere, in order, damaged, cut off, late.
 */
#include "frames/frames.h"
#include "serve/server_testing.h"

static const struct sg_protocol_ops *const test_protocols[3] = {&sg_protocol_seed};
static void answers_any_split_of_the_stream(void **state)
{
    struct fixture *f = start();
    uint8_t stream[8 + 11 + 300];
    size_t split, i;
    int fd = dial(f);

    (void)state;
    put_length(stream, 11);
    for (i = 0; i < 11; i++)
        stream[4 + i] = (uint8_t)"hello world"[i];
    put_length(stream + 15, 300);
    for (i = 0; i < 300; i++)
        stream[19 + i] = (uint8_t)(i * 7);
    for (split = 1; split < sizeof(stream); split += split < 24 ? 1 : 37) {
        send_all(fd, stream, split);
        usleep(500);
        send_all(fd, stream + split, sizeof(stream) - split);
        expect_reply(fd, stream + 4, 11);
        expect_reply(fd, stream + 19, 300);
    }
    close(fd);
    fd = dial(f); /* a new connection, so that sniffing sees single bytes as well */
    for (i = 0; i < sizeof(stream); i++) {
        send_all(fd, stream + i, 1);
        if (i < 20)
            usleep(500);
    }
    expect_reply(fd, stream + 4, 11);
    expect_reply(fd, stream + 19, 300);
    close(fd);
    assert_int_equal(stop(f), 0);
}

static void keeps_order_when_pipelined_beyond_the_limit(void **state)
{
    struct fixture *f = start();
    char data[64];
    int fd = dial(f), i;

    (void)state;
    /* Every fourth takes long, so later ones are done before it; 200 frames are 3 times max_pipelined. */
    for (i = 0; i < 200; i++) {
        int size = snprintf(data, sizeof(data), "%s frame %d", i % 25 == 0 ? "slow" : "fast", i);

        send_frame(fd, data, (size_t)size);
    }
    for (i = 0; i < 200; i++) {
        int size = snprintf(data, sizeof(data), "%s frame %d", i % 25 == 0 ? "slow" : "fast", i);

        expect_reply(fd, data, (size_t)size);
    }
    close(fd);
    assert_int_equal(stop(f), 0);
}

static void large_frames_come_whole(void **state)
{
    struct fixture *f = start();
    size_t size = (size_t)9 << 20, i;
    uint8_t *data = malloc(size);
    int fd = dial(f), round;

    (void)state;
    assert_non_null(data);
    for (i = 0; i < size; i++)
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    for (round = 0; round < 3; round++) {
        send_frame(fd, data, size - (size_t)round * 1234567);
        expect_reply(fd, data, size - (size_t)round * 1234567);
        send_frame(fd, data, 5);
        expect_reply(fd, data, 5);
    }
    free(data);
    close(fd);
    assert_int_equal(stop(f), 0);
}

static void bad_images_leave_the_connection_alive(void **state)
{
    struct fixture *f = start();
    const struct sg_counters *counters = sg_server_counters(f->server);
    int fd = dial(f);

    (void)state;
    send_frame(fd, "bad picture", 11);
    send_frame(fd, "good picture", 12);
    assert_string_equal(read_reply(fd), "{\"error\":\"bad_image\"}");
    expect_reply(fd, "good picture", 12);
    assert_int_equal(atomic_load(&counters->errors[-1 - SG_E_BAD_IMAGE]), 1);
    assert_int_equal(atomic_load(&counters->requests), 2);
    close(fd);
    assert_int_equal(stop(f), 0);
}

static void bad_lengths_answer_and_close(void **state)
{
    static const struct {
        int32_t length;
        const char *reply;
    } cases[] = {{0, "{\"error\":\"empty_image\"}"},
                 {-1, "{\"error\":\"bad_framing\"}"},
                 {INT32_MIN, "{\"error\":\"bad_framing\"}"},
                 {1 << 20, "{\"error\":\"too_large\"}"}};
    struct sg_server_options options;
    struct fixture *f;
    char *junk = calloc(1, 3 << 20);
    size_t i;

    (void)state;
    options_for_test(&options);
    options.max_frame_bytes = (1 << 20) - 1;
    f = start_with(&options);
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int fd = dial(f);

        send_frame(fd, "first", 5);
        send_length(fd, cases[i].length);
        send_all(fd, junk, 3 << 20); /* the client sends it all before it reads */
        expect_reply(fd, "first", 5);
        assert_string_equal(read_reply(fd), cases[i].reply);
        assert_string_equal(read_reply(fd), "");
        close(fd);
    }
    free(junk);
    assert_int_equal(stop(f), 0);
}

static void half_closed_clients_get_their_replies(void **state)
{
    struct fixture *f = start();
    int fd = dial(f);

    (void)state;
    send_frame(fd, "slow one", 8);
    send_frame(fd, "two", 3);
    shutdown(fd, SHUT_WR);
    expect_reply(fd, "slow one", 8);
    expect_reply(fd, "two", 3);
    assert_string_equal(read_reply(fd), "");
    close(fd);
    assert_int_equal(stop(f), 0);
}

static void clients_that_vanish_are_forgotten(void **state)
{
    struct fixture *f = start();
    const struct sg_counters *counters = sg_server_counters(f->server);
    struct linger reset = {.l_onoff = 1, .l_linger = 0};
    int i, fd, before = atomic_load(&jobs_cancelled);

    (void)state;
    for (i = 0; i < 3; i++) {
        fd = dial(f);
        send_all(fd, "\x04\x00\x00\x00slow\x64\x00", i == 0 ? 3 : 10); /* in the length, or after a job */
        if (i == 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        usleep(20000);
        close(fd);
    }
    fd = dial(f);
    send_frame(fd, "next", 4);
    expect_reply(fd, "next", 4);
    for (i = 0; i < 200 && atomic_load(&counters->dropped) < 2; i++)
        usleep(10000);
    assert_int_equal(atomic_load(&counters->dropped), 2);
    assert_int_equal(atomic_load(&jobs_cancelled) - before, 2);
    close(fd);
    assert_int_equal(stop(f), 0);
}

static void stalled_frames_time_out(void **state)
{
    struct sg_server_options options;
    struct fixture *f;
    int idle, stalled, fd;

    (void)state;
    options_for_test(&options);
    options.receive_timeout_ms = 150;
    f = start_with(&options);
    idle = dial(f);
    send_frame(idle, "x", 1);
    expect_reply(idle, "x", 1);
    stalled = dial(f);
    send_length(stalled, 100);
    send_all(stalled, "abc", 3);
    fd = dial(f);
    send_frame(fd, "slow but whole", 14); /* the server's own time does not count */
    expect_reply(fd, "slow but whole", 14);
    assert_string_equal(read_reply(stalled), "{\"error\":\"timeout\"}");
    assert_string_equal(read_reply(stalled), "");
    usleep(200000);
    send_frame(idle, "idle is fine", 12);
    expect_reply(idle, "idle is fine", 12);
    close(idle);
    close(stalled);
    close(fd);
    assert_int_equal(stop(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_any_split_of_the_stream),
        cmocka_unit_test(keeps_order_when_pipelined_beyond_the_limit),
        cmocka_unit_test(large_frames_come_whole),
        cmocka_unit_test(bad_images_leave_the_connection_alive),
        cmocka_unit_test(bad_lengths_answer_and_close),
        cmocka_unit_test(half_closed_clients_get_their_replies),
        cmocka_unit_test(clients_that_vanish_are_forgotten),
        cmocka_unit_test(stalled_frames_time_out),
    };

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
