/* SPDX-License-Identifier: MIT
 * The client's link against the real server over loopback (server_testing.h): results are the number of bytes
 * that arrived and their sum modulo 65521, which this side works out for itself.
 */
#include "client/v2_link.h"
#include "frames/frames.h"
#include "serve/server_testing.h"

static const struct sg_protocol_ops *const test_protocols[3] = {&sg_protocol_v2};

static struct sg_v2_link *open_link(const struct fixture *f, unsigned window, int send_timeout_ms)
{
    char address[32];
    struct sg_v2_link_options options = {.address = address,
                                         .policy = SG_V2_BLOCK,
                                         .window = window,
                                         .connect_timeout_ms = REPLY_WAIT_MS,
                                         .send_timeout_ms = send_timeout_ms};
    struct sg_v2_link *link = NULL;
    struct sg_error err;

    snprintf(address, sizeof(address), "127.0.0.1:%d", f->port);
    if (sg_v2_link_open(&options, &link, &err) < 0)
        fail_msg("%s", err.text);
    return link;
}

static struct sg_v2_infer plain_request(void)
{
    struct sg_v2_infer infer = {.format = SG_V2_JSON};

    sg_job_options_init(&infer.options);
    return infer;
}

static uint64_t submit(struct sg_v2_link *link, const void *data, size_t size)
{
    struct sg_v2_infer infer = plain_request();
    struct sg_v2_part part = {.data = data, .row_bytes = size, .stride_bytes = size, .rows = 1};
    struct sg_error err;
    uint64_t id = 0;

    if (sg_v2_link_submit(link, &infer, &part, 1, &id, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(id > 0);
    return id;
}

/* A request that a worker is at until `held` is set to false. */
static uint64_t hold(struct sg_v2_link *link)
{
    atomic_store(&held, true);
    return submit(link, "hold", 4);
}

static struct sg_v2_reply *fetch(struct sg_v2_link *link, uint64_t id)
{
    struct sg_v2_reply *reply = NULL;
    struct sg_error err;

    if (sg_v2_link_wait(link, id, REPLY_WAIT_MS, &reply, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(id == 0 || reply->id == id);
    return reply;
}

/* The reply is a result for exactly those bytes. */
static void expect_result(struct sg_v2_reply *reply, const uint8_t *data, size_t size)
{
    char expected[64];
    unsigned sum = 0;
    size_t i;

    for (i = 0; i < size; i++)
        sum = (sum + data[i]) % 65521;
    snprintf(expected, sizeof(expected), "\"image\":{\"width\":%zu,\"height\":%u}", size, sum);
    assert_int_equal(reply->error.code, SG_OK);
    assert_non_null(memmem(reply->body, reply->size, expected, strlen(expected)));
    sg_v2_reply_free(&reply);
    assert_null(reply);
}

static void answers_in_any_order(void **state)
{
    enum { REQUESTS = 40, BYTES = 5000 };
    static uint8_t pictures[REQUESTS][BYTES];
    struct fixture *f = start();
    struct sg_v2_link *link = open_link(f, 0, REPLY_WAIT_MS);
    struct sg_v2_reply *reply = NULL;
    uint64_t ids[REQUESTS];
    struct sg_error err;
    int i;

    (void)state;
    for (i = 0; i < REQUESTS; i++) {
        memset(pictures[i], 1 + i, BYTES);
        ids[i] = submit(link, pictures[i], BYTES);
    }
    assert_int_equal(sg_v2_link_pending(link), REQUESTS);
    /* By id, last first, but for one that "any" finds at the end. */
    for (i = REQUESTS - 1; i > 0; i--)
        expect_result(fetch(link, ids[i]), pictures[i], BYTES);
    expect_result(fetch(link, 0), pictures[0], BYTES);
    assert_int_equal(sg_v2_link_pending(link), 0);
    assert_int_equal(sg_v2_link_wait(link, ids[3], 0, &reply, &err), SG_E_NOT_FOUND);
    assert_int_equal(sg_v2_link_wait(link, 0, 0, &reply, &err), SG_E_NOT_FOUND);
    sg_v2_link_close(&link);
    assert_null(link);
    assert_int_equal(stop(f), 0);
}

static void sends_parts_without_their_gaps(void **state)
{
    enum { WIDTH = 7, STRIDE = 16, ROWS = 300 };
    static const uint8_t tail[5] = {1, 2, 3, 250, 251};
    static uint8_t padded[ROWS * STRIDE], packed[ROWS * WIDTH + sizeof(tail)];
    struct fixture *f = start();
    struct sg_v2_link *link = open_link(f, 0, REPLY_WAIT_MS);
    struct sg_v2_infer infer = plain_request();
    const struct sg_v2_part parts[] = {
        {.data = padded, .row_bytes = WIDTH, .stride_bytes = STRIDE, .rows = ROWS},
        {.data = tail, .row_bytes = sizeof(tail), .stride_bytes = sizeof(tail), .rows = 1}};
    struct sg_error err;
    uint64_t id;
    int x, y;

    (void)state;
    memset(padded, 0xff, sizeof(padded));
    for (y = 0; y < ROWS; y++)
        for (x = 0; x < WIDTH; x++)
            packed[y * WIDTH + x] = padded[y * STRIDE + x] = (uint8_t)(y * 31 + x);
    memcpy(packed + ROWS * WIDTH, tail, sizeof(tail));
    assert_int_equal(sg_v2_link_submit(link, &infer, parts, 2, &id, &err), 0);
    expect_result(fetch(link, id), packed, sizeof(packed));
    sg_v2_link_close(&link);
    assert_int_equal(stop(f), 0);
}

static void a_wait_may_end_before_the_reply(void **state)
{
    struct fixture *f = start();
    struct sg_v2_link *link = open_link(f, 0, REPLY_WAIT_MS);
    uint64_t id = hold(link);
    struct sg_v2_reply *reply = NULL;
    struct sg_error err;

    (void)state;
    assert_int_equal(sg_v2_link_wait(link, id, 0, &reply, &err), SG_E_TIMEOUT);
    assert_null(reply);
    assert_int_equal(sg_v2_link_pending(link), 1);
    atomic_store(&held, false);
    expect_result(fetch(link, id), (const uint8_t *)"hold", 4);
    sg_v2_link_close(&link);
    assert_int_equal(stop(f), 0);
}

static void errors_and_cancels_come_as_replies(void **state)
{
    struct fixture *f = start();
    struct sg_v2_link *link = open_link(f, 0, REPLY_WAIT_MS);
    uint64_t bad = submit(link, "bad picture", 11), slow = hold(link);
    struct sg_v2_reply *reply;
    struct sg_error err;

    (void)state;
    reply = fetch(link, bad);
    assert_int_equal(reply->error.code, SG_E_BAD_IMAGE);
    assert_string_equal(reply->error.text, "no picture");
    sg_v2_reply_free(&reply);
    assert_int_equal(sg_v2_link_cancel(link, slow, &err), 0);
    reply = fetch(link, slow);
    assert_int_equal(reply->error.code, SG_E_CANCELLED);
    sg_v2_reply_free(&reply);
    assert_int_equal(sg_v2_link_cancel(link, slow, &err), SG_E_NOT_FOUND);
    sg_v2_link_close(&link);
    assert_int_equal(stop(f), 0);
}

static void a_full_window_holds_back(void **state)
{
    struct fixture *f = start();
    struct sg_v2_link *link = open_link(f, 1, 10);
    struct sg_v2_infer infer = plain_request();
    struct sg_v2_part part = {.data = "more", .row_bytes = 4, .stride_bytes = 4, .rows = 1};
    uint64_t first = hold(link), second = 0;
    struct sg_error err;

    (void)state;
    assert_int_equal(sg_v2_link_greeting(link)->window, 1);
    assert_int_equal(sg_v2_link_submit(link, &infer, &part, 1, &second, &err), SG_E_BUSY);
    assert_int_equal(sg_v2_link_pending(link), 1); /* nothing was sent */
    atomic_store(&held, false);
    expect_result(fetch(link, first), (const uint8_t *)"hold", 4);
    assert_int_equal(sg_v2_link_submit(link, &infer, &part, 1, &second, &err), 0);
    expect_result(fetch(link, second), (const uint8_t *)"more", 4);
    sg_v2_link_close(&link);
    assert_int_equal(stop(f), 0);
}

static void a_stopped_server_answers_what_it_has(void **state)
{
    struct fixture *f = start();
    struct sg_v2_link *link = open_link(f, 0, REPLY_WAIT_MS);
    struct sg_v2_infer infer = plain_request();
    struct sg_v2_part part = {.data = "more", .row_bytes = 4, .stride_bytes = 4, .rows = 1};
    int before = atomic_load(&jobs_run), code;
    uint64_t id = hold(link);
    struct sg_error err;

    (void)state;
    while (atomic_load(&jobs_run) == before)
        usleep(1000);
    sg_server_stop(f->server);
    atomic_store(&held, false);
    /* Not stop: a second request to stop would not wait. */
    sg_thread_join(&f->thread);
    assert_int_equal(f->run_code, 0);
    sg_server_destroy(&f->server);
    free(f);
    expect_result(fetch(link, id), (const uint8_t *)"hold", 4);
    code = sg_v2_link_submit(link, &infer, &part, 1, &id, &err);
    assert_true(code == SG_E_SHUTDOWN || code == SG_E_IO);
    assert_true(err.text[0]);
    sg_v2_link_close(&link);
}

/* Somebody else's server: says its line to whoever connects and closes. */
struct stranger {
    struct sg_thread thread;
    int fd, port;
    const char *line;
};

static void be_strange(void *arg)
{
    const struct stranger *s = arg;
    int fd = accept(s->fd, NULL, NULL);
    char hello[64];

    assert_true(fd >= 0);
    assert_true(receive(fd, hello, sizeof(hello)) > 0);
    send_all(fd, s->line, strlen(s->line));
    close(fd);
}

static void listen_strangely(struct stranger *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(address);

    s->fd = make_socket();
    assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s->fd, 1), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&address, &size), 0);
    s->port = ntohs(address.sin_port);
}

static int try_open(const char *address)
{
    struct sg_v2_link_options options = {
        .address = address, .connect_timeout_ms = REPLY_WAIT_MS, .send_timeout_ms = REPLY_WAIT_MS};
    struct sg_v2_link *link = NULL;
    struct sg_error err;
    int code = sg_v2_link_open(&options, &link, &err);

    assert_null(link);
    assert_true(code < 0 && err.text[0]);
    return code;
}

static void says_why_it_cannot_open(void **state)
{
    static const char *const lines[] = {"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
                                        "220 mail.example.org ready, this is no such server at all\r\n"};
    struct stranger s;
    char address[32];
    size_t i;

    (void)state;
    assert_int_equal(try_open("[::1"), SG_E_INVALID);
    assert_int_equal(try_open(":8080"), SG_E_INVALID);
    assert_int_equal(try_open("127.0.0.1:no-port"), SG_E_NOT_FOUND);
    assert_int_equal(try_open("nowhere.invalid:1"), SG_E_NOT_FOUND); /* RFC 6761: never resolves */
    for (i = 0; i < 2; i++) {
        s.line = lines[i];
        listen_strangely(&s);
        snprintf(address, sizeof(address), "127.0.0.1:%d", s.port);
        assert_int_equal(sg_thread_start(&s.thread, be_strange, &s, NULL, "stranger"), 0);
        assert_int_equal(try_open(address), SG_E_FRAMING);
        sg_thread_join(&s.thread);
        close(s.fd);
        assert_int_equal(try_open(address), SG_E_IO); /* nobody listens there any more */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_in_any_order),
        cmocka_unit_test(sends_parts_without_their_gaps),
        cmocka_unit_test(a_wait_may_end_before_the_reply),
        cmocka_unit_test(errors_and_cancels_come_as_replies),
        cmocka_unit_test(a_full_window_holds_back),
        cmocka_unit_test(a_stopped_server_answers_what_it_has),
        cmocka_unit_test(says_why_it_cannot_open),
    };

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
