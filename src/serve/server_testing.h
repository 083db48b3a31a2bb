/* SPDX-License-Identifier: MIT
 * For the tests of the server only: a server on a thread, and a client's half of seed frames over real
 * loopback sockets. The work is small but real: a job's result is the number of bytes that came and their sum
 * modulo 65521, which the test works out on its own side.
 */
#ifndef SG_SERVE_SERVER_TESTING_H
#define SG_SERVE_SERVER_TESTING_H

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "serve/job_intake.h"
#include "serve/protocol.h"
#include "serve/server.h"

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

/* What the servers of this program speak, NULL at the end: defined by the test. */
static const struct sg_protocol_ops *const test_protocols[3];

static const char *const test_listen[] = {"127.0.0.1:0"};

struct fixture {
    struct sg_server *server;
    struct sg_thread thread;
    int run_code;
    struct sg_error run_error;
    int port;
};

static _Atomic int jobs_run, jobs_cancelled, pipelines_out, workers_open;
static _Atomic bool held; /* "hold…" is at work until a test sets it to false */

static inline int work_open(void *ctx, int worker, void **out_state, struct sg_error *err)
{
    (void)ctx;
    (void)err;
    atomic_fetch_add(&workers_open, 1);
    *out_state = malloc(1);
    return worker >= 0 && *out_state ? 0 : SG_E_NOMEM;
}

static inline void work_close(void *state)
{
    atomic_fetch_sub(&workers_open, 1);
    free(state);
}

/* "bad…" is no picture; "slow…" takes 100 ms, looking at its client now and then, "hold…" as long as held. */
static inline void work_run(void *state, struct sg_job *job)
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
    for (i = 0; size >= 4 && memcmp(data, "hold", 4) == 0 && atomic_load(&held) && i < REPLY_WAIT_MS; i++) {
        if (sg_job_expired(job, sg_clock_us()) < 0) {
            atomic_fetch_add(&jobs_cancelled, 1);
            return;
        }
        usleep(1000);
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

static inline void *work_pipeline_get(void *ctx, const char *name, struct sg_error *err)
{
    (void)name;
    (void)err;
    atomic_fetch_add(&pipelines_out, 1);
    return ctx;
}

static inline void work_pipeline_put(void *ctx, void *pipeline)
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

static inline int reply_json(const struct sg_result *result, const struct sg_error *err, size_t max_bytes,
                             struct sg_buf *out)
{
    (void)max_bytes;
    if (err)
        return sg_buf_printf(out, "{\"error\":\"%s\"}", sg_err_name(err->code));
    return sg_buf_printf(out, "{\"n\":%d,\"sum\":%d}", result->width, result->height);
}

static inline void run_server(void *arg)
{
    struct fixture *f = arg;

    f->run_code = sg_server_run(f->server, &f->run_error);
}

static inline void options_for_test(struct sg_server_options *options)
{
    sg_server_options_init(options);
    options->protocols = test_protocols;
    options->listen = test_listen;
    options->workers = 2;
    options->handle_signals = false;
    options->json_seed = reply_json;
}

static inline struct fixture *start_with(const struct sg_server_options *options)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sg_error err;

    assert_non_null(f);
    if (sg_server_create(options, &f->server, &err) < 0)
        fail_msg("%s", err.text);
    f->port = atoi(strrchr(sg_server_address(f->server, 0), ':') + 1);
    assert_true(f->port > 0);
    assert_int_equal(sg_server_start(f->server, &work_ops, &err), 0);
    assert_int_equal(sg_thread_start(&f->thread, run_server, f, NULL, "loop"), 0);
    return f;
}

static inline struct fixture *start(void)
{
    struct sg_server_options options;

    options_for_test(&options);
    return start_with(&options);
}

/* Stops and checks that nothing is left behind. Returns what run said. */
static inline int stop(struct fixture *f)
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

static inline int make_socket(void)
{
    struct timeval limit = {.tv_sec = REPLY_WAIT_MS / 1000};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static inline void connect_to(const struct fixture *f, int fd)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)f->port)};

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static inline int dial(const struct fixture *f)
{
    int fd = make_socket();

    connect_to(f, fd);
    return fd;
}

static inline void send_all(int fd, const void *data, size_t size)
{
    const char *p = data;

    while (size > 0) {
        ssize_t n = send(fd, p, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail_msg("send: %s", strerror(errno));
        p += n;
        size -= (size_t)n;
    }
}

static inline void put_length(uint8_t out[4], int32_t length)
{
    uint32_t v = (uint32_t)length;

    out[0] = (uint8_t)v;
    out[1] = (uint8_t)(v >> 8);
    out[2] = (uint8_t)(v >> 16);
    out[3] = (uint8_t)(v >> 24);
}

static inline void send_length(int fd, int32_t length)
{
    uint8_t header[4];

    put_length(header, length);
    send_all(fd, header, 4);
}

static inline void send_frame(int fd, const void *data, size_t size)
{
    send_length(fd, (int32_t)size);
    send_all(fd, data, size);
}

/* recv(2), tried again when a signal came between. */
static inline ssize_t receive(int fd, void *out, size_t size)
{
    ssize_t n;

    do
        n = recv(fd, out, size, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

/* Everything until the server closes. */
static inline const char *read_to_end(int fd)
{
    static char text[8192];
    size_t used = 0;
    ssize_t n;

    while (used < sizeof(text) - 1 && (n = receive(fd, text + used, sizeof(text) - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    return text;
}

/* One JSON object of the flat kind reply_json writes; "" at the end of the stream. */
static inline const char *read_reply(int fd)
{
    static char text[1024];
    size_t used = 0;

    while (used < sizeof(text) - 1) {
        ssize_t n = receive(fd, text + used, 1);

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

static inline void expect_reply(int fd, const void *data, size_t size)
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

#endif
