/* SPDX-License-Identifier: MIT
 * POST /v1/reload of the real server over loopback (server_testing.h), while loads take their time.
 */
#include "http/http.h"
#include "serve/server_testing.h"

static const struct sg_protocol_ops *const test_protocols[3] = {&sg_protocol_http};

static _Atomic int loads;

/* Its report is its number. */
static int slow_load(void *ctx, void **out_loaded, struct sg_buf *report, struct sg_error *err)
{
    int number = atomic_fetch_add(&loads, 1) + 1;

    (void)ctx;
    usleep(200000);
    *out_loaded = NULL;
    if (number == 3)
        return sg_error_set(err, SG_E_CONFIG, "load %d failed", number);
    return sg_buf_printf(report, "load %d\n", number);
}

static void nothing(void *ctx, void *loaded)
{
    (void)ctx;
    (void)loaded;
}

static int ask_reload(const struct fixture *f)
{
    static const char request[] = "POST /v1/reload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    int fd = dial(f);

    send_all(fd, request, sizeof(request) - 1);
    usleep(50000);
    return fd;
}

static void expect_report(int fd, const char *status, const char *text)
{
    const char *reply = read_to_end(fd);

    close(fd);
    if (!strstr(reply, status) || !strstr(reply, text))
        fail_msg("expected %s and %s, got %s", status, text, reply);
}

/* Each hears of the load that began after it asked, also when the next has begun by then. */
static void overlapping_reloads_have_reports_of_their_own(void **state)
{
    const struct sg_server_app app = {.load = slow_load, .swap = nothing, .discard = nothing};
    struct sg_server_options options;
    struct fixture *f;
    int round, fds[4];

    (void)state;
    atomic_store(&loads, 0);
    options_for_test(&options);
    options.app = &app;
    f = start_with(&options);
    fds[0] = ask_reload(f);
    fds[1] = ask_reload(f); /* while the first load runs: the second is theirs */
    fds[2] = ask_reload(f);
    expect_report(fds[0], "200 OK", "\"notes\":[\"load 1\"]");
    fds[3] = ask_reload(f); /* while the second runs: the third, which fails */
    for (round = 1; round < 3; round++)
        expect_report(fds[round], "200 OK", "\"notes\":[\"load 2\"]");
    expect_report(fds[3], "422 ", "load 3 failed");
    expect_report(ask_reload(f), "200 OK", "\"notes\":[\"load 4\"]");
    assert_int_equal(atomic_load(&loads), 4);
    assert_int_equal(stop(f), 0);
}

/* drain_timeout is 10 s, the load takes 200 ms: neither is waited for by who asked. */
static void a_stop_answers_who_waits_for_a_reload(void **state)
{
    const struct sg_server_app app = {.load = slow_load, .swap = nothing, .discard = nothing};
    struct sg_server_options options;
    struct fixture *f;
    int fds[2], i;

    (void)state;
    atomic_store(&loads, 0);
    options_for_test(&options);
    options.app = &app;
    f = start_with(&options);
    for (i = 0; i < 2; i++)
        fds[i] = ask_reload(f); /* the second waits for a load that will not begin */
    sg_server_stop(f->server);
    for (i = 0; i < 2; i++)
        expect_report(fds[i], "503 ", "\"shutting_down\"");
    assert_int_equal(stop(f), 0);
    assert_int_equal(atomic_load(&loads), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlapping_reloads_have_reports_of_their_own),
        cmocka_unit_test(a_stop_answers_who_waits_for_a_reload),
    };

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
