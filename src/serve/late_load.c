/* SPDX-License-Identifier: MIT
 * The thread touches only `error` and `load_us` of the struct, and only between its start and the async that
 * ends it.
 */
#include "serve/late_load.h"

#include "base/clock.h"
#include "base/log.h"

#define LATE_LOOK_MS 10 /* a parked job hears so much late at the most that its deadline has passed */

static void run(void *arg)
{
    struct sg_late_load *late = arg;
    int64_t began = sg_clock_us();

    if (late->app->load_late(late->app->ctx, &late->error) == 0)
        sg_error_clear(&late->error);
    late->load_us = sg_clock_us() - began;
    uv_async_send(&late->loaded_async);
}

static void on_loaded(uv_async_t *async)
{
    struct sg_late_load *late = async->data;
    bool failed;

    if (!late->running)
        return;
    sg_thread_join(&late->thread);
    late->running = false;
    uv_timer_stop(&late->timer);
    failed = late->error.code < 0;
    if (failed) {
        /* First, because the stop that follows would tell them less. */
        sg_reload_hold(late->reload, false, &late->error);
        late->failed(late->failed_arg);
    } else {
        late->app->show_late(late->app->ctx);
    }
    /* When it failed the pipelines are not there, and the jobs are told so. */
    sg_intake_unpark(late->intake, true);
    if (failed)
        return;
    sg_reload_hold(late->reload, false, NULL);
    sg_log(SG_LOG_INFO, "the other pipelines are loaded", "seconds=%.3f", (double)late->load_us / 1e6);
}

static void on_look(uv_timer_t *timer)
{
    struct sg_late_load *late = timer->data;

    sg_intake_unpark(late->intake, false);
}

int sg_late_load_init(struct sg_late_load *late, uv_loop_t *loop, const struct sg_server_app *app,
                      struct sg_intake *intake, struct sg_reload *reload, struct sg_error *err)
{
    *late = (struct sg_late_load){.app = app, .intake = intake, .reload = reload};
    if (uv_async_init(loop, &late->loaded_async, on_loaded) < 0)
        return sg_error_set(err, SG_E_IO, "cannot make a wake-up for loading");
    uv_timer_init(loop, &late->timer);
    late->loaded_async.data = late;
    late->timer.data = late;
    late->handles_ready = true;
    return 0;
}

int sg_late_load_start(struct sg_late_load *late, struct sg_error *err)
{
    char names[8];

    if (!late->app || !late->app->loading || !late->app->loading(late->app->ctx, names, sizeof(names)))
        return 0;
    sg_reload_hold(late->reload, true, NULL);
    late->running = true;
    if (sg_thread_start(&late->thread, run, late, err, "sight-late") < 0) {
        late->running = false;
        return err->code;
    }
    uv_timer_start(&late->timer, on_look, LATE_LOOK_MS, LATE_LOOK_MS);
    return 0;
}

void sg_late_load_fini(struct sg_late_load *late)
{
    if (late->running) {
        late->app->leave_late(late->app->ctx);
        sg_thread_join(&late->thread);
    }
    late->running = false;
    if (late->handles_ready) {
        uv_close((uv_handle_t *)&late->loaded_async, NULL);
        uv_close((uv_handle_t *)&late->timer, NULL);
    }
    late->handles_ready = false;
}
