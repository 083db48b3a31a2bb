/* SPDX-License-Identifier: MIT
 * The server over real loopback sockets. The work is small but real: a job's result is the number of bytes
 * that came and their sum modulo 65521, which the test works out on its own side.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "proto/intake.h"
#include "proto/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REPLY_WAIT_MS 10000

struct fixture {
    struct sg_server *server;
    struct sg_thread thread;
    int run_code;
    struct sg_error run_error;
    int port;
};

static _Atomic int jobs_run, jobs_cancelled, pipelines_out, workers_open;

static int work_open(void *ctx, int worker, void **out_state, struct sg_error *err)
{
    (void)ctx;
    (void)err;
    atomic_fetch_add(&workers_open, 1);
    *out_state = malloc(1);
    return worker >= 0 && *out_state ? 0 : SG_E_NOMEM;
}

static void work_close(void *state)
{
    atomic_fetch_sub(&workers_open, 1);
    free(state);
}

/* "bad…" is no picture; "slow…" takes 100 ms, looking at its client now and then. */
static void work_run(void *state, struct sg_job *job)
{
    const uint8_t *data = job->bytes.data;
    size_t size = job->bytes.size, i;
    unsigned sum = 0;

    (void)state;
    atomic_fetch_add(&jobs_run, 1);
    for (i = 0; size >= 4 && memcmp(data, "slow", 4) == 0 && i < 50; i++) {
        if (sg_job_expired(job, sg_clock_us()) < 0) {
            atomic_fetch_add(&jobs_cancelled, 1);
            return;
        }
        usleep(2000);
    }
    for (i = 0; i < size; i++)
        sum = (sum + data[i]) % 65521;
    job->result.width = (int)size;
    job->result.height = (int)sum;
    if (size >= 3 && memcmp(data, "bad", 3) == 0)
        sg_error_set(&job->error, SG_E_BAD_IMAGE, "no picture");
    if (job->in_flight_at_start < 1 || sg_job_in_flight(job) < 1)
        sg_error_set(&job->error, SG_E_INTERNAL, "in flight %d", job->in_flight_at_start);
}

static void *work_pipeline_get(void *ctx, const char *name, struct sg_error *err)
{
    (void)name;
    (void)err;
    atomic_fetch_add(&pipelines_out, 1);
    return ctx;
}

static void work_pipeline_put(void *ctx, void *pipeline)
{
    assert_ptr_equal(ctx, pipeline);
    atomic_fetch_sub(&pipelines_out, 1);
}

static int some_ctx;
static const struct sg_job_ops work_ops = {.ctx = &some_ctx,
                                           .open = work_open,
                                           .run = work_run,
                                           .close = work_close,
                                           .pipeline_get = work_pipeline_get,
                                           .pipeline_put = work_pipeline_put};

static int reply_json(const struct sg_result *result, const struct sg_error *err, size_t max_bytes,
                      struct sg_buf *out)
{
    (void)max_bytes;
    if (err)
        return sg_buf_printf(out, "{\"error\":\"%s\"}", sg_err_name(err->code));
    return sg_buf_printf(out, "{\"n\":%d,\"sum\":%d}", result->width, result->height);
}

static void run_server(void *arg)
{
    struct fixture *f = arg;

    f->run_code = sg_server_run(f->server, &f->run_error);
}

static void options_for_test(struct sg_server_options *options)
{
    sg_server_options_init(options);
    options->listen = "127.0.0.1:0";
    options->workers = 2;
    options->handle_signals = false;
    options->json_seed = reply_json;
}

static struct fixture *start_with(const struct sg_server_options *options)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sg_error err;

    assert_non_null(f);
    if (sg_server_create(options, &f->server, &err) < 0)
        fail_msg("%s", err.text);
    f->port = atoi(strrchr(sg_server_address(f->server), ':') + 1);
    assert_true(f->port > 0);
    assert_int_equal(sg_server_start(f->server, &work_ops, &err), 0);
    assert_int_equal(sg_thread_start(&f->thread, run_server, f, NULL, "loop"), 0);
    return f;
}

static struct fixture *start(void)
{
    struct sg_server_options options;

    options_for_test(&options);
    return start_with(&options);
}

/* Stops and checks that nothing is left behind. Returns what run said. */
static int stop(struct fixture *f)
{
    int code;

    sg_server_stop(f->server);
    sg_thread_join(&f->thread);
    code = f->run_code;
    sg_server_destroy(&f->server);
    assert_null(f->server);
    free(f);
    assert_int_equal(atomic_load(&pipelines_out), 0);
    assert_int_equal(atomic_load(&workers_open), 0);
    return code;
}

static int make_socket(void)
{
    struct timeval limit = {.tv_sec = REPLY_WAIT_MS / 1000};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void connect_to(const struct fixture *f, int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static int dial(const struct fixture *f)
{
    int fd = make_socket();

    connect_to(f, fd);
    return fd;
}

static void send_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

        if (n <= 0)
            fail_msg("send: %s", strerror(errno));
        p += n;
        size -= (size_t)n;
    }
}

static void put_length(uint8_t out[4], int32_t length)
{
    uint32_t v = (uint32_t)length;

    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)(v >> 16);
    out[3] = (uint8_t)(v >> 24);
}

static void send_length(int fd, int32_t length)
{
    uint8_t header[4];

    put_length(header, length);
    send_all(fd, header, 4);
}

static void send_frame(int fd, const void *data, size_t size)
{
    send_length(fd, (int32_t)size);
    send_all(fd, data, size);
}

/* One JSON object of the flat kind reply_json writes; "" at the end of the stream. */
static const char *read_reply(int fd)
{
    static char text[1024];
    size_t used = 0;

    while (used < sizeof(text) - 1) {
        ssize_t n = recv(fd, text + used, 1, 0);

        if (n < 0)
            fail_msg("recv: %s after \"%.*s\"", strerror(errno), (int)used, text);
        if (n == 0)
            break;
        used++;
        if (text[used - 1] == '}')
            break;
    }
    text[used] = '\0';
    return text;
}

static void expect_reply(int fd, const void *data, size_t size)
{
    const uint8_t *p = data;
    unsigned sum = 0;
    char expected[64];
    size_t i;

    for (i = 0; i < size; i++)
        sum = (sum + p[i]) % 65521;
    snprintf(expected, sizeof(expected), "{\"n\":%zu,\"sum\":%u}", size, sum);
    assert_string_equal(read_reply(fd), expected);
}

static void answers_any_split_of_the_stream(void **state)
{
    struct fixture *f = start();
    uint8_t stream[8 + 11 + 300];
    size_t split, i;
    int fd = dial(f);

    (void)state;
    put_length(stream, 11);
    for (i = 0; i < 11; i++)
        stream[4 + i] = (uint8_t) "hello world"[i];
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
    n = poll(&waiting, 1, 0) > 0 ? recv(greedy, reply, sizeof(reply) - 1, 0) : 0;
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

static void http_is_answered_in_its_language(void **state)
{
    static const char request[] = "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n";
    struct fixture *f = start();
    int fd = dial(f);

    (void)state;
    send_all(fd, request, sizeof(request) - 1);
    assert_non_null(strstr(read_reply(fd), "HTTP/1.1 404 Not Found\r\n"));
    close(fd);
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

    (void)state;
    options_for_test(&options);
    snprintf(listen, sizeof(listen), "127.0.0.1:%d", f->port);
    options.listen = listen;
    assert_int_equal(sg_server_create(&options, &second, &err), SG_E_IO);
    assert_null(second);
    assert_non_null(strstr(err.text, listen));
    assert_non_null(strstr(err.text, "--listen"));
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
        cmocka_unit_test(greedy_clients_leave_others_their_turn),
        cmocka_unit_test(a_full_gate_makes_clients_wait_but_loses_nothing),
        cmocka_unit_test(too_many_connections_are_told_so),
        cmocka_unit_test(running_out_of_descriptors_is_survived),
        cmocka_unit_test(http_is_answered_in_its_language),
        cmocka_unit_test(stopping_answers_what_was_admitted),
        cmocka_unit_test(stopping_ends_at_the_drain_limit),
        cmocka_unit_test(a_busy_port_is_a_clear_error),
    };

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
