/* SPDX-License-Identifier: MIT
 * The thread touches only `error` and `load_us` of the struct, and only between its start and the async that
 * ends it.
 */
#include "proto/rest.h"

#include "base/clock.h"
#include "base/log.h"

#define REST_LOOK_MS 10 /* a parked job hears so much late at the most that its deadline has passed */

static void run(void *arg)
{
    struct sg_rest *rest = arg;
    int64_t began = sg_clock_us();

    if (rest->app->load_rest(rest->app->ctx, &rest->error) == 0)
        sg_error_clear(&rest->error);
    rest->load_us = sg_clock_us() - began;
    uv_async_send(&rest->loaded_async);
}

static void on_loaded(uv_async_t *async)
{
    struct sg_rest *rest = async->data;
    bool failed;

    if (!rest->running)
        return;
    sg_thread_join(&rest->thread);
    rest->running = false;
    uv_timer_stop(&rest->timer);
    failed = rest->error.code < 0;
    if (failed) {
        /* First, because the stop that follows would tell them less. */
        sg_reload_hold(rest->reload, false, &rest->error);
        rest->failed(rest->failed_arg);
    } else {
        rest->app->show_rest(rest->app->ctx);
    }
    /* When it failed the pipelines are not there, and the jobs are told so. */
    sg_intake_unpark(rest->intake, true);
    if (failed)
        return;
    sg_reload_hold(rest->reload, false, NULL);
    sg_log(SG_LOG_INFO, "the other pipelines are loaded", "seconds=%.3f", (double)rest->load_us / 1e6);
}

static void on_look(uv_timer_t *timer)
{
    struct sg_rest *rest = timer->data;

    sg_intake_unpark(rest->intake, false);
}

int sg_rest_init(struct sg_rest *rest, uv_loop_t *loop, const struct sg_server_app *app,
                 struct sg_intake *intake, struct sg_reload *reload, struct sg_error *err)
{
    *rest = (struct sg_rest){.app = app, .intake = intake, .reload = reload};
    if (uv_async_init(loop, &rest->loaded_async, on_loaded) < 0)
        return sg_error_set(err, SG_E_IO, "cannot make a wake-up for loading");
    uv_timer_init(loop, &rest->timer);
    rest->loaded_async.data = rest;
    rest->timer.data = rest;
    rest->handles_ready = true;
    return 0;
}

int sg_rest_start(struct sg_rest *rest, struct sg_error *err)
{
    char names[8];

    if (!rest->app || !rest->app->loading || !rest->app->loading(rest->app->ctx, names, sizeof(names)))
        return 0;
    sg_reload_hold(rest->reload, true, NULL);
    rest->running = true;
    if (sg_thread_start(&rest->thread, run, rest, err, "sight-rest") < 0) {
        rest->running = false;
        return err->code;
    }
    uv_timer_start(&rest->timer, on_look, REST_LOOK_MS, REST_LOOK_MS);
    return 0;
}

void sg_rest_fini(struct sg_rest *rest)
{
    if (rest->running) {
        rest->app->leave_rest(rest->app->ctx);
        sg_thread_join(&rest->thread);
    }
    rest->running = false;
    if (rest->handles_ready) {
        uv_close((uv_handle_t *)&rest->loaded_async, NULL);
        uv_close((uv_handle_t *)&rest->timer, NULL);
    }
    rest->handles_ready = false;
}
