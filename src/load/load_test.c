/* SPDX-License-Identifier: MIT
 * The load generator against a small server of known speed: one that serves one request at a time and takes
 * SERVICE_MS for each. Its latencies follow from queueing arithmetic, so coordinated omission would show.
 */
#include "load/load.h"
#include "load/process.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define SERVICE_MS  20
#define CLIENTS_MAX 64

struct slow_server {
    pthread_t thread;
    int listen_fd, port;
    atomic_bool stop;
    atomic_int requests;
    bool close_after_each; /* replies, then closes the connection */
};

static const char reply[] = "{\"object_list\":{\"object_num\":1,\"object0\":{\"bbox\":{\"x\":1}}}}";

/* One whole seed frame, or false when the client has gone. */
static bool take_frame(int fd)
{
    uint8_t bytes[4096];
    int32_t length;

    if (recv(fd, &length, sizeof(length), MSG_WAITALL) != (ssize_t)sizeof(length) ||
        length > (int)sizeof(bytes))
        return false;
    return recv(fd, bytes, (size_t)length, MSG_WAITALL) == length;
}

static void *serve(void *arg)
{
    struct slow_server *server = arg;
    struct pollfd fds[CLIENTS_MAX] = {{.fd = server->listen_fd, .events = POLLIN}};
    int count = 1, i;

    while (!server->stop) {
        poll(fds, (nfds_t)count, 10);
        if (fds[0].revents && count < CLIENTS_MAX) {
            fds[count] = (struct pollfd){.fd = accept(server->listen_fd, NULL, NULL), .events = POLLIN};
            count++;
        }
        for (i = 1; i < count; i++) {
            if (!(fds[i].revents & (POLLIN | POLLHUP)))
                continue;
            if (take_frame(fds[i].fd)) {
                usleep(SERVICE_MS * 1000);
                server->requests++;
                if (send(fds[i].fd, reply, sizeof(reply) - 1, MSG_NOSIGNAL) > 0 && !server->close_after_each)
                    continue;
            }
            close(fds[i].fd);
            fds[i--] = fds[--count];
        }
    }
    for (i = 1; i < count; i++)
        close(fds[i].fd);
    return NULL;
}

static void start(struct slow_server *server, struct sg_bench_target *target)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    char text[64];

    server->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(server->listen_fd, (struct sockaddr *)&address, bytes), 0);
    assert_int_equal(listen(server->listen_fd, 64), 0);
    assert_int_equal(getsockname(server->listen_fd, (struct sockaddr *)&address, &bytes), 0);
    snprintf(text, sizeof(text), "127.0.0.1:%d", ntohs(address.sin_port));
    assert_int_equal(sg_bench_target_parse(text, false, target, NULL), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void stop(struct slow_server *server)
{
    server->stop = true;
    pthread_join(server->thread, NULL);
    close(server->listen_fd);
}

static const uint8_t image[1000] = {1};
static const struct sg_bench_picture picture = {image, sizeof(image)};
static const volatile int never = 0;

static struct sg_bench_totals *measure(const struct sg_bench_target *target, struct sg_bench_plan plan,
                                       int ms)
{
    struct sg_bench_totals *totals = calloc(1, sizeof(*totals));
    struct sg_bench_load *load = NULL;
    struct sg_error err = {0};

    assert_non_null(totals);
    plan.pictures = &picture;
    plan.picture_count = 1;
    plan.timeout_ms = 10000;
    assert_int_equal(sg_bench_load_create(target, &plan, &load, &err), 0);
    assert_int_equal(sg_bench_load_run(load, 0, (int64_t)ms * 1000, &never, totals, &err), 0);
    sg_bench_load_destroy(&load);
    assert_null(load);
    return totals;
}

static void closed_loop_waits_for_its_replies(void **state)
{
    struct slow_server server = {0};
    struct sg_bench_target target;
    struct sg_bench_totals *totals;

    (void)state;
    start(&server, &target);
    totals = measure(&target, (struct sg_bench_plan){.connections = 1, .depth = 1}, 600);
    /* 600 / 20 = 30 at the most; a loaded machine may sleep longer. */
    assert_in_range(totals->ok, 10, 30);
    assert_int_equal(totals->failed, 0);
    assert_int_equal(totals->objects, totals->ok);
    assert_in_range(sg_bench_histogram_at(&totals->latency, 50), SERVICE_MS * 1000, 3 * SERVICE_MS * 1000);
    free(totals);
    /* Four on the way at a server that takes one at a time: each waits for three others. */
    totals = measure(&target, (struct sg_bench_plan){.connections = 1, .depth = 4}, 600);
    assert_true(sg_bench_histogram_at(&totals->latency, 50) >= 4 * SERVICE_MS * 1000);
    free(totals);
    stop(&server);
}

/* At 100/s a server that can do 50/s falls behind by 10 ms with every request: after 800 ms, 40 are done and
 * the last of those was due 400 ms before. A generator that waits for replies would report 20 ms. */
static void open_loop_counts_from_when_a_request_was_due(void **state)
{
    struct slow_server server = {0};
    struct sg_bench_target target;
    struct sg_bench_totals *totals;

    (void)state;
    start(&server, &target);
    totals = measure(&target, (struct sg_bench_plan){.connections = 1, .depth = 1, .rate = 100}, 800);
    assert_in_range(totals->ok + totals->unsent, 75, 82);
    assert_true(totals->unsent >= 35);
    assert_true(sg_bench_histogram_at(&totals->latency, 99) >= 350000);
    assert_true(sg_bench_histogram_at(&totals->latency, 25) >= 80000);
    free(totals);
    /* Below its capacity there is no queue. */
    totals = measure(&target, (struct sg_bench_plan){.connections = 4, .depth = 1, .rate = 10}, 800);
    assert_in_range(totals->ok, 6, 8);
    assert_int_equal(totals->unsent, 0);
    assert_true(sg_bench_histogram_at(&totals->latency, 50) < 3 * SERVICE_MS * 1000);
    free(totals);
    stop(&server);
}

static void number_of_requests_is_kept(void **state)
{
    struct slow_server server = {0};
    struct sg_bench_target target;
    struct sg_bench_totals *totals;

    (void)state;
    start(&server, &target);
    totals =
        measure(&target, (struct sg_bench_plan){.connections = 3, .depth = 2, .max_requests = 11}, 20000);
    assert_int_equal(totals->ok, 11);
    assert_int_equal(server.requests, 11);
    free(totals);
    stop(&server);
}

static void lost_connections_are_counted_and_opened_anew(void **state)
{
    struct slow_server server = {.close_after_each = true};
    struct sg_bench_target target;
    struct sg_bench_totals *totals;

    (void)state;
    start(&server, &target);
    totals = measure(&target, (struct sg_bench_plan){.connections = 1, .depth = 2}, 800);
    assert_true(totals->ok >= 3);
    assert_true(totals->failed >= 2); /* the second request of each connection */
    assert_string_equal(totals->codes[0].code, "closed");
    free(totals);
    stop(&server);
}

static void nobody_there_is_an_error(void **state)
{
    struct sg_bench_plan plan = {
        .connections = 2, .depth = 1, .timeout_ms = 100, .pictures = &picture, .picture_count = 1};
    struct sg_bench_totals *totals = calloc(1, sizeof(*totals));
    struct sg_bench_load *load = NULL;
    struct sg_bench_target target;
    struct sg_error err = {0};

    (void)state;
    assert_non_null(totals);
    assert_int_equal(sg_bench_target_parse("127.0.0.1:1", false, &target, &err), 0);
    assert_int_equal(sg_bench_load_create(&target, &plan, &load, &err), 0);
    assert_int_equal(sg_bench_load_run(load, 0, 100000, &never, totals, &err), SG_E_IO);
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    sg_bench_load_destroy(&load);
    free(totals);
}

static void schedule_keeps_its_rate(void **state)
{
    static const double rates[] = {0.3, 1, 7, 50, 333.3, 99999};
    size_t r;

    (void)state;
    for (r = 0; r < sizeof(rates) / sizeof(rates[0]); r++) {
        struct sg_bench_schedule schedule = {.start_us = 12345, .rate = rates[r]};
        uint64_t i;

        assert_int_equal(sg_bench_schedule_waiting(&schedule, 12344), 0);
        for (i = 0; i < 200; i++) {
            int64_t due = sg_bench_schedule_due(&schedule, i);

            assert_true(llabs(due - 12345 - (int64_t)((double)i / rates[r] * 1e6)) <= 1);
            schedule.next = i;
            assert_true(sg_bench_schedule_waiting(&schedule, due) >= 1);
            schedule.next = i + 1;
            assert_true(sg_bench_schedule_waiting(&schedule, due - 1) == 0);
        }
    }
}

static void usage_of_a_process_is_read(void **state)
{
    struct sg_bench_usage usage;
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(sg_bench_usage_read((int)getpid(), &usage, &err), 0);
    assert_true(usage.rss_bytes > 100000);
    assert_true(usage.peak_bytes >= usage.rss_bytes);
    assert_int_equal(usage.processes, 1);
    assert_int_equal(sg_bench_usage_read((1 << 22) + 1, &usage, &err), SG_E_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(closed_loop_waits_for_its_replies),
        cmocka_unit_test(open_loop_counts_from_when_a_request_was_due),
        cmocka_unit_test(number_of_requests_is_kept),
        cmocka_unit_test(lost_connections_are_counted_and_opened_anew),
        cmocka_unit_test(nobody_there_is_an_error),
        cmocka_unit_test(schedule_keeps_its_rate),
        cmocka_unit_test(usage_of_a_process_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
