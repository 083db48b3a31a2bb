/* SPDX-License-Identifier: MIT
 * The server's half of frame protocol v2 against a client that writes its bytes one by one and knows no
 * window of its own (docs/PROTOCOL.md). Results are as in server_testing.h.
 */
#include "codec/v2_client.h"
#include "frames/frames.h"
#include "serve/server_testing.h"

static const struct sg_protocol_ops *const test_protocols[3] = {&sg_protocol_v2};

struct frame {
    struct sg_v2_header header;
    uint8_t body[1024];
};

static void read_exactly(int fd, void *out, size_t size)
{
    size_t have = 0;

    while (have < size) {
        ssize_t n = receive(fd, (char *)out + have, size - have);

        if (n <= 0)
            fail_msg("%zu bytes of %zu came", have, size);
        have += (size_t)n;
    }
}

static void read_frame(int fd, enum sg_v2_type type, uint64_t id, struct frame *frame)
{
    uint8_t head[SG_V2_HEADER_BYTES];

    read_exactly(fd, head, sizeof(head));
    sg_v2_header_read(head, &frame->header);
    assert_true(frame->header.body_bytes <= sizeof(frame->body));
    read_exactly(fd, frame->body, frame->header.body_bytes);
    assert_int_equal(frame->header.type, type);
    assert_true(frame->header.id == id);
}

static void read_result(int fd, uint64_t id, const char *data, size_t size)
{
    struct frame frame;
    char expected[64];
    unsigned sum = 0;
    size_t i;

    for (i = 0; i < size; i++)
        sum = (sum + (uint8_t)data[i]) % 65521;
    snprintf(expected, sizeof(expected), "\"image\":{\"width\":%zu,\"height\":%u}", size, sum);
    read_frame(fd, SG_V2_RESULT, id, &frame);
    assert_non_null(memmem(frame.body, frame.header.body_bytes, expected, strlen(expected)));
}

static void read_error(int fd, uint64_t id, const char *code, const char *message)
{
    struct sg_v2_refusal refusal;
    struct frame frame;

    read_frame(fd, SG_V2_ERROR, id, &frame);
    assert_int_equal(sg_v2_error_read(frame.body, frame.header.body_bytes, &refusal), 0);
    assert_true(refusal.code_bytes == strlen(code) && memcmp(refusal.code, code, refusal.code_bytes) == 0);
    assert_non_null(memmem(refusal.message, refusal.message_bytes, message, strlen(message)));
}

static void expect_end(int fd)
{
    char byte;

    assert_int_equal(receive(fd, &byte, 1), 0);
}

static int greet(const struct fixture *f, unsigned window, struct sg_v2_greeting *greeting)
{
    const struct sg_v2_hello hello = {SG_V2_VERSION, SG_V2_VERSION, SG_V2_BLOCK, window};
    uint8_t bytes[SG_V2_HELLO_BYTES];
    struct frame frame;
    int fd = dial(f);

    sg_v2_hello_write(bytes, &hello);
    send_all(fd, bytes, sizeof(bytes));
    read_frame(fd, SG_V2_HELLO, 0, &frame);
    assert_int_equal(sg_v2_greeting_read(frame.body, frame.header.body_bytes, greeting), 0);
    return fd;
}

/* All of a request but its picture. */
static void send_head(int fd, uint64_t id, size_t picture_bytes)
{
    struct sg_v2_infer infer = {.format = SG_V2_JSON};
    uint8_t head[SG_V2_REQUEST_HEAD_MAX];

    sg_job_options_init(&infer.options);
    send_all(fd, head, sg_v2_infer_write(head, id, &infer, picture_bytes));
}

/* The window is full with one request, and the server reads no picture for half as long again as a frame may
 * take: that is no fault of the client, which has all of its time left when it is read again. */
static void a_client_that_is_held_back_is_not_late(void **state)
{
    struct sg_server_options options;
    struct sg_v2_greeting greeting;
    struct pollfd answer;
    struct fixture *f;
    int fd;

    (void)state;
    options_for_test(&options);
    options.receive_timeout_ms = 1000;
    f = start_with(&options);
    fd = greet(f, 1, &greeting);
    assert_int_equal(greeting.window, 1);
    atomic_store(&held, true);
    send_head(fd, 1, 4);
    send_all(fd, "hold", 4);
    send_head(fd, 2, 8);
    answer = (struct pollfd){.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&answer, 1, 1500), 0); /* no word of a timeout */
    atomic_store(&held, false);
    read_result(fd, 1, "hold", 4);
    assert_int_equal(poll(&answer, 1, 300), 0); /* nor now, with 0.7 s left */
    send_all(fd, "thousand", 8);
    read_result(fd, 2, "thousand", 8);
    /* From here on it is the client's own time. */
    send_head(fd, 3, 8);
    send_all(fd, "half", 4);
    read_error(fd, 0, "timeout", "a frame did not arrive in time: 60 bytes after ");
    close(fd);
    assert_int_equal(stop(f), 0);
}

/* A picture that the queue could never hold would be refused for ever, and no window is above the limit. */
static void a_greeting_promises_no_more_than_there_is(void **state)
{
    struct sg_server_options options;
    struct sg_v2_greeting greeting;
    struct fixture *f;

    (void)state;
    options_for_test(&options);
    options.max_frame_bytes = 5000000;
    options.max_queue_bytes = 3000000;
    options.max_pipelined = 7;
    f = start_with(&options);
    close(greet(f, 8, &greeting));
    assert_int_equal(greeting.window, 7);
    assert_int_equal(greeting.max_image_bytes, 3000000);
    close(greet(f, 0, &greeting));
    assert_int_equal(greeting.window, 7);
    close(greet(f, 6, &greeting));
    assert_int_equal(greeting.window, 6);
    assert_int_equal(stop(f), 0);
    options.max_queue_bytes = 6000000;
    f = start_with(&options);
    close(greet(f, 1, &greeting));
    assert_int_equal(greeting.max_image_bytes, 5000000);
    assert_int_equal(stop(f), 0);
}

/* A request under way is none of the idle time; after it the client is told that the server leaves. */
static void idle_clients_are_told_and_left(void **state)
{
    struct sg_server_options options;
    struct sg_v2_greeting greeting;
    struct pollfd answer;
    struct frame frame;
    struct fixture *f;
    int fd;

    (void)state;
    options_for_test(&options);
    options.idle_timeout_ms = 600;
    f = start_with(&options);
    fd = greet(f, 1, &greeting);
    atomic_store(&held, true);
    send_head(fd, 1, 4);
    send_all(fd, "hold", 4);
    answer = (struct pollfd){.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&answer, 1, 1200), 0);
    atomic_store(&held, false);
    read_result(fd, 1, "hold", 4);
    read_frame(fd, SG_V2_LEAVING, 0, &frame);
    assert_int_equal(frame.header.body_bytes, 0);
    expect_end(fd);
    close(fd);
    assert_int_equal(stop(f), 0);
}

/* One request is with a worker and one half received: the first is answered, the other told under its id. */
static void a_stop_tells_whose_picture_is_on_its_way(void **state)
{
    struct sg_v2_greeting greeting;
    struct fixture *f = start();
    struct frame frame;
    int fd = greet(f, 2, &greeting), before = atomic_load(&jobs_run);

    (void)state;
    atomic_store(&held, true);
    send_head(fd, 1, 4);
    send_all(fd, "hold", 4);
    while (atomic_load(&jobs_run) == before)
        usleep(1000);
    send_head(fd, 9, 8);
    send_all(fd, "half", 4);
    usleep(300000); /* until the half is with the server */
    sg_server_stop(f->server);
    read_error(fd, 9, "shutting_down", "send the request again to the next one");
    read_frame(fd, SG_V2_LEAVING, 0, &frame);
    atomic_store(&held, false);
    read_result(fd, 1, "hold", 4);
    expect_end(fd);
    close(fd);
    sg_thread_join(&f->thread);
    assert_int_equal(stop(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_client_that_is_held_back_is_not_late),
        cmocka_unit_test(a_greeting_promises_no_more_than_there_is),
        cmocka_unit_test(idle_clients_are_told_and_left),
        cmocka_unit_test(a_stop_tells_whose_picture_is_on_its_way),
    };

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
