/* SPDX-License-Identifier: MIT
 * HTTP connections of the real server over loopback (server_testing.h) at moments that no other process can
 * choose: stops beside requests, clients that go, a process without descriptors. What is said then is
 * docs/PROTOCOL.md's.
 */
#include "http/http.h"
#include "http/http_route.h"
#include "serve/server_testing.h"

static const struct sg_protocol_ops *const test_protocols[3] = {&sg_protocol_http};

#define LINGER_MS 5000 /* http_private.h: for a client to finish sending and read its error */

static const char livez[] = "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n";
static const char hold_post[] = "POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nhold";

static void say(int fd, const char *text)
{
    send_all(fd, text, strlen(text));
}

/* One reply, as long as its Content-Length says. */
static const char *read_one(int fd)
{
    static char text[8192];
    size_t used = 0;
    const char *body, *length;

    for (;;) {
        ssize_t n = receive(fd, text + used, sizeof(text) - 1 - used);

        if (n <= 0)
            fail_msg("the server closed after \"%.*s\": %s", (int)used, text,
                     n < 0 ? strerror(errno) : "end");
        used += (size_t)n;
        text[used] = '\0';
        body = strstr(text, "\r\n\r\n");
        length = strstr(text, "Content-Length: ");
        if (body && length && text + used - (body + 4) >= atoi(length + 16))
            return text;
    }
}

static void assert_status(const char *reply, const char *status, const char *code)
{
    char expected[64];

    snprintf(expected, sizeof(expected), "HTTP/1.1 %s ", status);
    if (strncmp(reply, expected, strlen(expected)) != 0)
        fail_msg("expected %s, got \"%s\"", status, reply);
    if (!code)
        return;
    snprintf(expected, sizeof(expected), "\"error\":{\"code\":\"%s\"", code);
    if (!strstr(reply, expected))
        fail_msg("expected %s, got \"%s\"", code, reply);
}

static void until(const _Atomic int *count, int at_least)
{
    int i;

    for (i = 0; i < REPLY_WAIT_MS && atomic_load(count) < at_least; i++)
        usleep(1000);
    assert_true(atomic_load(count) >= at_least);
}

static int hold_one(const struct fixture *f)
{
    int before = atomic_load(&jobs_run), fd = dial(f);

    atomic_store(&held, true);
    say(fd, hold_post);
    until(&jobs_run, before + 1);
    return fd;
}

/* Stopped twice the server leaves what it has: no reply, and it says how much that was. */
static void a_second_stop_leaves_requests(void **state)
{
    struct fixture *f = start();
    int cancelled = atomic_load(&jobs_cancelled), fd = hold_one(f);

    (void)state;
    sg_server_stop(f->server);
    sg_server_stop(f->server);
    assert_string_equal(read_to_end(fd), "");
    sg_thread_join(&f->thread);
    assert_int_equal(f->run_code, SG_E_SHUTDOWN);
    assert_non_null(strstr(f->run_error.text, "stopped with 1 requests unanswered"));
    sg_server_destroy(&f->server);
    free(f);
    assert_int_equal(atomic_load(&jobs_cancelled), cancelled + 1);
    assert_int_equal(atomic_load(&pipelines_out), 0);
    assert_int_equal(atomic_load(&workers_open), 0);
    close(fd);
}

/* Once: what is under way is answered, half requests are told, who is idle is closed. */
static void a_stop_tells_half_requests(void **state)
{
    struct fixture *f = start();
    int idle = dial(f), head = dial(f), body = dial(f), fd;

    (void)state;
    say(idle, livez);
    assert_status(read_one(idle), "200", NULL);
    say(head, "GET /livez HTTP/1.1\r\nHo");
    say(body, "POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf");
    fd = hold_one(f);
    usleep(50000); /* they have arrived */
    sg_server_stop(f->server);
    assert_string_equal(read_to_end(idle), "");
    assert_status(read_one(head), "503", "shutting_down");
    assert_status(read_one(body), "503", "shutting_down");
    atomic_store(&held, false);
    assert_status(read_one(fd), "200", NULL);
    close(head);
    close(body);
    close(idle);
    close(fd);
    sg_thread_join(&f->thread);
    assert_int_equal(f->run_code, 0);
    sg_server_destroy(&f->server);
    free(f);
}

/* The work of a client that goes is left, whether it closes or only ends its side, and its connection is
 * ended. */
static void the_work_of_clients_that_go_is_left(void **state)
{
    struct fixture *f = start();
    int half, cancelled = atomic_load(&jobs_cancelled), fd = hold_one(f);

    (void)state;
    close(fd);
    until(&jobs_cancelled, cancelled + 1);
    half = hold_one(f);
    assert_int_equal(shutdown(half, SHUT_WR), 0);
    until(&jobs_cancelled, cancelled + 2);
    assert_string_equal(read_to_end(half), "");
    close(half);
    assert_int_equal(stop(f), 0);
}

/* Who is refused in the middle of its request may read why, and may then go on sending, but not without end.
 */
static void refused_clients_do_not_stay(void **state)
{
    struct sg_server_options options;
    struct fixture *f;
    int64_t began, took;
    int fd;

    (void)state;
    options_for_test(&options);
    options.receive_timeout_ms = 100;
    f = start_with(&options);
    fd = dial(f);
    say(fd, "GET /li");
    assert_status(read_one(fd), "408", "timeout");
    began = sg_clock_us();
    assert_string_equal(read_to_end(fd), "");
    while (send(fd, "v", 1, MSG_NOSIGNAL) == 1)
        usleep(20000);
    took = (sg_clock_us() - began) / 1000;
    assert_in_range(took, LINGER_MS / 2, LINGER_MS + 4000);
    close(fd);
    assert_int_equal(stop(f), 0);
}

/* The lowest number that no descriptor has. */
static int lowest_free(void)
{
    int fd = dup(STDIN_FILENO);

    close(fd);
    return fd;
}

/* The limit leaves one descriptor (getrlimit(2)): a connection takes no more. */
static void one_descriptor_is_enough(void **state)
{
    struct fixture *f = start();
    struct rlimit before, limit;
    int fd = make_socket();

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    limit = before;
    limit.rlim_cur = (rlim_t)lowest_free() + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    connect_to(f, fd);
    say(fd, livez);
    assert_status(read_one(fd), "200", NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(fd);
    assert_int_equal(stop(f), 0);
}

static void a_path_that_there_is_not(void **state)
{
    struct fixture *f = start();
    int fd = dial(f);

    (void)state;
    say(fd, "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_status(read_one(fd), "404", "not_found");
    say(fd, "GET /v1/pipelines/faces HTTP/1.1\r\nHost: x\r\n\r\n"); /* of a server without an application */
    assert_status(read_one(fd), "404", "not_found");
    say(fd, "GET /v1/models/%2e%2e HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_status(read_one(fd), "404", "not_found");
    close(fd);
    assert_int_equal(stop(f), 0);
}

/* What a room above would do with its request. */
static void tell_values(struct http_request *request)
{
    const char *const *word = http_route_ctx(request);
    struct sg_buf body;

    sg_buf_init(&body, 1000);
    sg_buf_printf(&body, "%s [%s] [%s] [%s]", *word, http_path_value(request, 0), http_path_value(request, 1),
                  http_path_value(request, 2));
    http_reply_take(request, "text/plain", &body);
}

static void routes_of_other_rooms_are_served(void **state)
{
    static const struct http_route api[] = {
        {.path = "/v2/models/{name}/versions/{version}", .methods = HTTP_ROUTE_GET, .serve = tell_values}};
    static const struct http_route console[] = {
        {.path = "/page/*", .methods = HTTP_ROUTE_GET, .serve = tell_values}};
    const char *words[] = {"api", "console"};
    const struct http_route_table tables[] = {{.rows = api, .count = 1, .ctx = &words[0]},
                                              {.rows = console, .count = 1, .ctx = &words[1]}};
    const struct sg_http_setup setup = {.tables = tables, .count = 2};
    struct sg_protocol_ops http = sg_protocol_http;
    const struct sg_protocol_ops *const protocols[] = {&http, NULL};
    struct sg_server_options options;
    struct fixture *f;
    int fd;

    (void)state;
    http.setup = &setup;
    options_for_test(&options);
    options.protocols = protocols;
    f = start_with(&options);
    fd = dial(f);
    say(fd, "GET /v2/models/a%2Fb/versions/7?c=d HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(read_one(fd), "\r\n\r\napi [a/b] [7] []"));
    say(fd, "GET /page/css/a.css HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_non_null(strstr(read_one(fd), "\r\n\r\nconsole [css/a.css] [] []"));
    say(fd, "GET /page/../livez HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_status(read_one(fd), "404", "not_found");
    say(fd, "POST /page/a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
    assert_status(read_one(fd), "405", "unsupported");
    say(fd, livez);
    assert_status(read_one(fd), "200", NULL);
    close(fd);
    assert_int_equal(stop(f), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_second_stop_leaves_requests),
                                       cmocka_unit_test(a_stop_tells_half_requests),
                                       cmocka_unit_test(the_work_of_clients_that_go_is_left),
                                       cmocka_unit_test(refused_clients_do_not_stay),
                                       cmocka_unit_test(one_descriptor_is_enough),
                                       cmocka_unit_test(a_path_that_there_is_not),
                                       cmocka_unit_test(routes_of_other_rooms_are_served)};

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
