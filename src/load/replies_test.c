/* SPDX-License-Identifier: MIT
 * The load generator against servers that answer wrongly, too early or once too often, played by hand: which
 * code such requests are counted under, and that it goes on with a new connection. Replies are those of
 * docs/PROTOCOL.md.
 */
#include "base/clock.h"
#include "load/load.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PICTURE     1000
#define LARGE       ((size_t)16 << 20) /* more than sockets hold */
#define RUN_MS      300
#define PATIENCE_MS 20000
#define SOME        12
#define RETRY_MS    20 /* before a connection is made again that was lost */
#define TICK_MS     50 /* of the generator: what waits for it comes RUN_MS / TICK_MS times */
#define V2_HELLO    16
#define V2_REQUEST  (16 + 40) /* before the picture */

/* One connection at a time; every request is answered with the same bytes. */
struct server {
    int listening, port;
    size_t greeting, request; /* bytes of what a client begins with, and of a request */
    size_t before;            /* so many of a request are read before it is answered; 0 = all */
    uint8_t says[512];
    size_t size;
    int id_at; /* the id of the request goes there; 0 = nowhere */
    bool closes;
    atomic_bool stop;
    atomic_int accepted, requests;
    pthread_t thread;
};

static bool take(int fd, uint8_t *data, size_t size)
{
    return recv(fd, data, size, MSG_WAITALL) == (ssize_t)size;
}

static void serve_one(struct server *s, int fd, uint8_t *request)
{
    size_t before = s->before ? s->before : s->request;

    if (s->greeting && !take(fd, request, s->greeting))
        return;
    while (take(fd, request, before)) {
        s->requests++;
        if (s->id_at)
            memcpy(s->says + s->id_at, request + 8, 8);
        if (send(fd, s->says, s->size, MSG_NOSIGNAL) < 0 || s->closes ||
            (before < s->request && !take(fd, request, s->request - before)))
            return;
    }
}

static void *serve(void *arg)
{
    struct server *s = arg;
    uint8_t *request = malloc(s->request + V2_HELLO);

    while (!s->stop) {
        struct pollfd poll_fd = {.fd = s->listening, .events = POLLIN};
        int fd;

        if (poll(&poll_fd, 1, 10) <= 0)
            continue;
        fd = accept(s->listening, NULL, NULL);
        s->accepted++;
        serve_one(s, fd, request);
        close(fd);
    }
    free(request);
    return NULL;
}

/* Listens; what it says may still be changed. */
static void listen_as(struct server *s, const char *scheme, struct sg_bench_target *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    char text[64];

    *s = (struct server){.listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(bind(s->listening, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(s->listening, 8), 0);
    assert_int_equal(getsockname(s->listening, (struct sockaddr *)&address, &bytes), 0);
    s->port = ntohs(address.sin_port);
    snprintf(text, sizeof(text), "%s://127.0.0.1:%d", scheme, s->port);
    assert_int_equal(sg_bench_target_parse(text, false, target, NULL), 0);
    if (strcmp(scheme, "seed") == 0)
        s->request = 4 + PICTURE;
    else if (strcmp(scheme, "v2") == 0)
        s->request = V2_REQUEST + PICTURE;
    else
        s->request = (size_t)snprintf(NULL, 0,
                                      "POST /v1/infer HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: "
                                      "application/octet-stream\r\nContent-Length: %d\r\n\r\n",
                                      s->port, PICTURE) +
                     PICTURE;
    s->greeting = strcmp(scheme, "v2") == 0 ? V2_HELLO : 0;
}

static void say(struct server *s, const char *text)
{
    s->size = strlen(text);
    memcpy(s->says, text, s->size);
}

/* A frame of v2, behind what is said already. */
static void say_frame(struct server *s, int type, uint64_t id, const void *body, size_t bytes)
{
    uint8_t *header = s->says + s->size;

    memset(header, 0, 16);
    header[0] = (uint8_t)bytes;
    header[4] = (uint8_t)type;
    header[8] = (uint8_t)id;
    if (bytes > 0)
        memcpy(header + 16, body, bytes);
    s->size += 16 + bytes;
}

/* requests: ends with so many of them; 0 = after RUN_MS. */
static struct sg_bench_totals *measure_some(struct server *s, const struct sg_bench_target *target, int depth,
                                            size_t picture_bytes, uint64_t requests)
{
    static const volatile int never = 0;
    uint8_t *bytes = calloc(1, picture_bytes);
    const struct sg_bench_picture picture = {bytes, picture_bytes};
    const struct sg_bench_plan plan = {.connections = 1,
                                       .depth = depth,
                                       .max_requests = requests,
                                       .timeout_ms = 10000,
                                       .pictures = &picture,
                                       .picture_count = 1};
    struct sg_bench_totals *totals = calloc(1, sizeof(*totals));
    struct sg_bench_load *load = NULL;
    struct sg_error err = {0};

    assert_non_null(totals);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
    assert_int_equal(sg_bench_load_create(target, &plan, &load, &err), 0);
    assert_int_equal(
        sg_bench_load_run(load, 0, (int64_t)(requests ? PATIENCE_MS : RUN_MS) * 1000, &never, totals, &err),
        0);
    sg_bench_load_destroy(&load);
    s->stop = true;
    pthread_join(s->thread, NULL);
    close(s->listening);
    free(bytes);
    return totals;
}

static struct sg_bench_totals *measure(struct server *s, const struct sg_bench_target *target, int depth)
{
    return measure_some(s, target, depth, PICTURE, 0);
}

/* All of them failed, with one code. */
static void assert_only(struct sg_bench_totals *totals, const char *code)
{
    assert_int_equal(totals->ok, 0);
    assert_true(totals->failed > 0);
    assert_int_equal(totals->code_count, 1);
    assert_string_equal(totals->codes[0].code, code);
    assert_int_equal(totals->codes[0].count, totals->failed);
    free(totals);
}

static const char seed_reply[] = "{\"object_list\":{\"object_num\":1,\"object0\":{\"bbox\":{\"x\":1}}}}";

static void what_is_no_reply_ends_the_connection(void **state)
{
    struct sg_bench_target target;
    struct server s;

    (void)state;
    listen_as(&s, "seed", &target);
    say(&s, "hello");
    assert_only(measure(&s, &target, 1), "bad_reply");
    assert_true(s.accepted > 1 && s.accepted <= RUN_MS / RETRY_MS + 1);
    listen_as(&s, "http", &target);
    say(&s, "220 mail.example.org ready\r\n\r\n");
    assert_only(measure(&s, &target, 2), "bad_reply");
    assert_true(s.accepted > 1 && s.accepted <= RUN_MS / RETRY_MS + 1);
}

/* The second of two is nobody's: the connection is made anew, for the next request. */
static void what_nobody_asked_ends_the_connection(void **state)
{
    struct sg_bench_totals *totals;
    struct sg_bench_target target;
    struct server s;

    (void)state;
    listen_as(&s, "seed", &target);
    say(&s, seed_reply);
    memcpy(s.says + s.size, seed_reply, s.size);
    s.size *= 2;
    totals = measure(&s, &target, 1);
    assert_true(totals->ok > 1 && totals->ok <= RUN_MS / RETRY_MS + 1);
    assert_int_equal(totals->objects, totals->ok);
    assert_true(s.accepted >= (int)totals->ok && s.accepted <= s.requests + 1);
    assert_int_equal(totals->failed, 0);
    free(totals);
    listen_as(&s, "v2", &target);
    say_frame(&s, 0x82, 77, "{}", 2); /* no request has had that id yet */
    assert_only(measure(&s, &target, 1), "bad_reply");
}

/* A server that says that it will close is not waited for, and not given another request on that connection.
 */
static void closing_servers_are_asked_anew_at_once(void **state)
{
    struct sg_bench_totals *totals;
    struct sg_bench_target target;
    struct server s;

    (void)state;
    listen_as(&s, "http", &target);
    say(&s, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}");
    totals = measure(&s, &target, 1);
    assert_true(totals->ok > 2 * RUN_MS / TICK_MS);
    assert_true(s.accepted >= (int)totals->ok);
    assert_int_equal(totals->failed, 0);
    free(totals);
    listen_as(&s, "http", &target);
    say(&s, "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    totals = measure(&s, &target, 2);
    assert_int_equal(totals->ok, 0);
    assert_int_equal(totals->code_count, 2);
    assert_string_equal(totals->codes[0].code, "http_503");
    assert_string_equal(totals->codes[1].code, "closed"); /* the other one that was on the way */
    assert_true(totals->codes[0].count >= totals->codes[1].count);
    assert_int_equal(totals->refused.total, totals->codes[0].count);
    free(totals);
    listen_as(&s, "v2", &target);
    say_frame(&s, 0x85, 0, NULL, 0);
    assert_only(measure(&s, &target, 1), "closed");
    listen_as(&s, "v2", &target);
    say_frame(&s, 0x83, 0, "\0\0\0\0\7\0\0\0timeouttoo slow", 23);
    assert_only(measure(&s, &target, 2), "timeout");
}

static void errors_are_counted_by_their_names(void **state)
{
    struct sg_bench_target target;
    struct server s;

    (void)state;
    listen_as(&s, "v2", &target);
    say_frame(&s, 0x83, 0, "\0\0\0\0\4\0\0\0busylater", 17);
    s.id_at = 8;
    assert_only(measure(&s, &target, 2), "busy");
    assert_int_equal(s.accepted, 1);
    listen_as(&s, "v2", &target);
    say_frame(&s, 0x83, 0, "\0\0\0\0\0\0\0\0", 8);
    s.id_at = 8;
    assert_only(measure(&s, &target, 2), "unnamed");
    listen_as(&s, "v2", &target);
    say_frame(&s, 0x83, 0, "\0\0\0\0\1\0\0\0", 8); /* a code that is not there */
    s.id_at = 8;
    assert_only(measure(&s, &target, 1), "bad_reply");
}

/* Frames that answer nothing are passed over. */
static void other_frames_are_none_of_ours(void **state)
{
    struct sg_bench_totals *totals;
    struct sg_bench_target target;
    struct server s;

    (void)state;
    listen_as(&s, "v2", &target);
    say_frame(&s, 0x84, 5, "pong", 4);
    say_frame(&s, 0x9f, 5, NULL, 0);
    s.id_at = (int)s.size + 8;
    say_frame(&s, 0x82, 0, "{\"objects\":[]}", 14);
    totals = measure(&s, &target, 3);
    assert_true(totals->ok > 2 * RUN_MS / TICK_MS); /* no connection was lost */
    assert_int_equal(totals->failed, 0);
    assert_int_equal(totals->objects, 0);
    assert_int_equal(s.accepted, 1);
    free(totals);
}

/* An answer to half a request: where replies have ids the rest is still sent, else it would be taken for the
 * next request, and another connection is used. */
static void early_answers_count(void **state)
{
    struct sg_bench_totals *totals;
    struct sg_bench_target target;
    struct server s;

    (void)state;
    listen_as(&s, "v2", &target);
    s.id_at = 8;
    s.before = V2_REQUEST;
    s.request = V2_REQUEST + LARGE;
    say_frame(&s, 0x82, 0, "{\"objects\":[]}", 14);
    totals = measure_some(&s, &target, 1, LARGE, SOME);
    assert_int_equal(totals->ok, SOME);
    assert_true(totals->measured_us < (int64_t)PATIENCE_MS * 1000); /* it never stood still */
    assert_int_equal(totals->failed, 0);
    assert_int_equal(s.accepted, 1);
    free(totals);
    listen_as(&s, "seed", &target);
    s.before = 4;
    s.request = 4 + LARGE;
    say(&s, seed_reply);
    totals = measure_some(&s, &target, 1, LARGE, SOME);
    assert_int_equal(totals->ok, SOME);
    assert_true(totals->measured_us < (int64_t)PATIENCE_MS * 1000); /* it never stood still */
    assert_true(s.accepted > 1); /* as often as the answer was there before the last byte was sent */
    assert_int_equal(totals->failed, 0);
    free(totals);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_no_reply_ends_the_connection),
                                       cmocka_unit_test(what_nobody_asked_ends_the_connection),
                                       cmocka_unit_test(closing_servers_are_asked_anew_at_once),
                                       cmocka_unit_test(errors_are_counted_by_their_names),
                                       cmocka_unit_test(other_frames_are_none_of_ours),
                                       cmocka_unit_test(early_answers_count)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
