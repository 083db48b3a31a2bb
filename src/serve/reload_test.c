/* SPDX-License-Identifier: MIT
 * Reloads with a loop of the test's own and an application whose loads end when the test lets them: who is
 * answered, with what and by which load, and what becomes of what was loaded.
 */
#include "serve/reload.h"

#include "base/clock.h"
#include "base/log.h"

#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PATIENCE_US 10000000
#define LONGEST     511 /* of a note */

static uv_loop_t loop;
static struct sg_metrics metrics;
static struct sg_reload reload;

/* One load after another: what it reports, and whether it fails. */
static struct app {
    sem_t begun, let_go;
    const char *report;
    bool fails;
    int loads, swapped, discarded; /* the two: number of the load, 0 = none */
    int numbers[8];
} app;

static int load(void *ctx, void **out_loaded, struct sg_buf *report, struct sg_error *err)
{
    struct app *a = ctx;

    a->loads++;
    sem_post(&a->begun);
    sem_wait(&a->let_go);
    if (a->report)
        assert_int_equal(sg_buf_append_text(report, a->report), 0);
    if (a->fails)
        return sg_error_set(err, SG_E_CONFIG, "load %d is wrong", a->loads);
    a->numbers[a->loads] = a->loads;
    *out_loaded = &a->numbers[a->loads];
    return 0;
}

static void swap(void *ctx, void *loaded)
{
    struct app *a = ctx;

    a->swapped = *(int *)loaded;
}

static void discard(void *ctx, void *loaded)
{
    struct app *a = ctx;

    a->discarded = *(int *)loaded;
}

static const struct sg_server_app app_ops = {.ctx = &app, .load = load, .swap = swap, .discard = discard};

struct asker {
    struct sg_reload_waiter waiter; /* the first member */
    int answers, code;
    char text[SG_ERROR_TEXT_MAX];
};

static void on_done(struct sg_reload_waiter *waiter, const struct sg_error *err)
{
    struct asker *asker = (struct asker *)(void *)waiter;

    asker->answers++;
    asker->code = err ? (int)err->code : 0;
    snprintf(asker->text, sizeof(asker->text), "%s", err ? err->text : "");
}

static void ask(struct asker *asker)
{
    *asker = (struct asker){.waiter = {.done = on_done}};
    sg_reload_ask(&reload, &asker->waiter);
}

static int set_up(void **state)
{
    struct sg_error err;

    (void)state;
    memset(&app, 0, sizeof(app));
    sem_init(&app.begun, 0, 0);
    sem_init(&app.let_go, 0, 0);
    sg_metrics_init(&metrics);
    return uv_loop_init(&loop) + sg_reload_init(&reload, &loop, &app_ops, &metrics, &err);
}

static int tear_down(void **state)
{
    (void)state;
    sg_reload_fini(&reload);
    uv_run(&loop, UV_RUN_DEFAULT);
    sg_metrics_fini(&metrics);
    sem_destroy(&app.begun);
    sem_destroy(&app.let_go);
    return uv_loop_close(&loop);
}

static void until(const int *count, int expected)
{
    int64_t end = sg_clock_us() + PATIENCE_US;

    while (*count != expected && sg_clock_us() < end)
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(*count, expected);
}

/* The report but for its seconds, which are below a minute. */
static void assert_report(const char *notes)
{
    static const char begin[] = "{\"reloaded\":true,\"seconds\":";
    struct sg_buf out;
    const char *text;
    char *rest;

    sg_buf_init(&out, 1 << 20);
    assert_int_equal(sg_reload_report(&reload, &out), 0);
    text = sg_buf_text(&out);
    assert_memory_equal(text, begin, sizeof(begin) - 1);
    assert_true(strtod(text + sizeof(begin) - 1, &rest) < 60);
    assert_string_equal(rest, notes);
    sg_buf_fini(&out);
}

static void a_load_is_swapped_in(void **state)
{
    struct asker asker;
    char report[LONGEST + 64], expected[LONGEST + 64];

    (void)state;
    app.report = "one is \"new\"\n\ntwo\n";
    ask(&asker);
    assert_int_equal(asker.answers, 0);
    assert_true(asker.waiter.waiting);
    sem_post(&app.let_go);
    until(&asker.answers, 1);
    assert_int_equal(asker.code, 0);
    assert_false(asker.waiter.waiting);
    assert_int_equal(app.swapped, 1);
    assert_report(",\"notes\":[\"one is \\\"new\\\"\",\"\",\"two\"]}");
    app.report = NULL; /* nothing is left of the last one */
    sem_post(&app.let_go);
    ask(&asker);
    until(&asker.answers, 1);
    assert_int_equal(app.swapped, 2);
    assert_report(",\"notes\":[]}");
    snprintf(report, sizeof(report), "%0*d\nlast", LONGEST + 9, 0);
    snprintf(expected, sizeof(expected), ",\"notes\":[\"%0*d\",\"last\"]}", LONGEST, 0);
    app.report = report;
    sem_post(&app.let_go);
    ask(&asker);
    until(&asker.answers, 1);
    assert_report(expected);
    assert_int_equal(metrics.reloads, 3);
    assert_int_equal(metrics.failed_reloads, 0);
    assert_int_equal(app.discarded, 0);
}

static void a_load_that_fails_changes_nothing(void **state)
{
    struct asker asker;

    (void)state;
    app.fails = true;
    app.report = "f:1:1: wrong\n";
    sem_post(&app.let_go);
    ask(&asker);
    until(&asker.answers, 1);
    assert_int_equal(asker.code, SG_E_CONFIG);
    assert_string_equal(asker.text, "load 1 is wrong");
    assert_int_equal(app.swapped, 0);
    assert_int_equal(metrics.reloads, 0);
    assert_int_equal(metrics.failed_reloads, 1);
    app.fails = false;
    sem_post(&app.let_go);
    ask(&asker);
    until(&asker.answers, 1);
    assert_int_equal(asker.code, 0);
    assert_int_equal(app.swapped, 2);
}

/* Whoever asks while a load runs may have changed a file since it was read: the next load is theirs, one for
 * all. */
static void those_who_ask_meanwhile_get_the_next(void **state)
{
    struct asker first, second, third, gone;

    (void)state;
    ask(&first);
    sem_wait(&app.begun);
    ask(&second);
    ask(&gone);
    ask(&third);
    sg_reload_ask(&reload, NULL); /* a signal */
    sg_reload_leave(&reload, &gone.waiter);
    sg_reload_leave(&reload, &gone.waiter); /* again */
    assert_false(gone.waiter.waiting);
    sem_post(&app.let_go);
    until(&first.answers, 1);
    assert_int_equal(second.answers + third.answers, 0);
    assert_int_equal(app.swapped, 1);
    sem_post(&app.let_go);
    until(&second.answers, 1);
    assert_int_equal(third.answers, 1);
    assert_int_equal(second.code | third.code, 0);
    assert_int_equal(app.swapped, 2);
    assert_int_equal(first.answers, 1);
    assert_int_equal(gone.answers, 0);
    assert_int_equal(app.loads, 2);
    assert_int_equal(metrics.reloads, 2);
}

/* Whoever leaves, the others stay in the list. */
static void waiters_leave_in_any_order(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {1, 2, 0}};
    struct asker askers[3], last;
    size_t i;
    int k;

    (void)state;
    sg_reload_hold(&reload, true, NULL);
    for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        for (k = 0; k < 3; k++)
            ask(&askers[k]);
        for (k = 0; k < 3; k++)
            sg_reload_leave(&reload, &askers[orders[i][k]].waiter);
        assert_null(reload.waiters);
    }
    ask(&last);
    sem_post(&app.let_go);
    sg_reload_hold(&reload, false, NULL);
    until(&last.answers, 1);
    assert_int_equal(askers[0].answers + askers[1].answers + askers[2].answers, 0);
}

static void held_reloads_wait(void **state)
{
    const struct sg_error why = {.code = SG_E_IO, .text = "not now"};
    struct asker first, second;

    (void)state;
    sg_reload_hold(&reload, true, NULL);
    sg_reload_hold(&reload, false, NULL); /* nobody asked */
    assert_int_equal(app.loads, 0);
    sg_reload_hold(&reload, true, NULL);
    ask(&first);
    assert_int_equal(app.loads, 0);
    sg_reload_hold(&reload, false, &why);
    assert_int_equal(first.answers, 1);
    assert_int_equal(first.code, SG_E_IO);
    assert_string_equal(first.text, "not now");
    sg_reload_hold(&reload, true, NULL);
    ask(&second);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(second.answers, 0);
    sem_post(&app.let_go);
    sg_reload_hold(&reload, false, NULL);
    until(&second.answers, 1);
    assert_int_equal(second.code, 0);
    assert_int_equal(app.loads, 1);
    assert_int_equal(first.answers, 1);
}

/* A load under way is not waited for, what it gives is no longer wanted. */
static void a_stop_is_told(void **state)
{
    static const char stopping[] = "the server is stopping, nothing was reloaded";
    struct asker first, second, late;

    (void)state;
    ask(&first);
    sem_wait(&app.begun);
    ask(&second);
    sg_reload_stop(&reload);
    assert_int_equal(first.answers, 1);
    assert_int_equal(first.code, SG_E_SHUTDOWN);
    assert_string_equal(first.text, stopping);
    assert_int_equal(second.answers, 1);
    assert_int_equal(second.code, SG_E_SHUTDOWN);
    ask(&late);
    assert_int_equal(late.answers, 1);
    assert_int_equal(late.code, SG_E_SHUTDOWN);
    assert_string_equal(late.text, stopping);
    assert_false(late.waiter.waiting);
    sg_reload_ask(&reload, NULL);
    sem_post(&app.let_go);
    sg_reload_fini(&reload);
    assert_int_equal(app.loads, 1);
    assert_int_equal(app.swapped, 0);
    assert_int_equal(app.discarded, 1);
    assert_int_equal(first.answers + second.answers + late.answers, 3);
}

static void some_have_nothing_to_reload(void **state)
{
    static const struct sg_server_app nothing = {0};
    const struct sg_server_app *apps[] = {NULL, &nothing};
    struct asker asker;
    size_t i;

    (void)state;
    for (i = 0; i < 2; i++) {
        reload.app = apps[i];
        ask(&asker);
        assert_int_equal(asker.answers, 1);
        assert_int_equal(asker.code, SG_E_UNSUPPORTED);
        assert_string_equal(asker.text, "this server has nothing to reload");
        sg_reload_ask(&reload, NULL);
    }
    assert_int_equal(app.loads, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(a_load_is_swapped_in),
                                       TEST(a_load_that_fails_changes_nothing),
                                       TEST(those_who_ask_meanwhile_get_the_next),
                                       TEST(waiters_leave_in_any_order),
                                       TEST(held_reloads_wait),
                                       TEST(a_stop_is_told),
                                       TEST(some_have_nothing_to_reload)};

    sg_log_level_set(SG_LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
