/* SPDX-License-Identifier: MIT
 * One load at a time. The thread touches only `loaded`, `error`, `load_us` and `report` of the struct, and
 * only between its start and the async that ends it.
 */
#include "serve/reload.h"

#include "base/clock.h"
#include "base/log.h"
#include "codec/json.h"

#include <string.h>

#define RELOAD_REPORT_MAX ((size_t)256 << 10)

static void run(void *arg)
{
    struct sg_reload *reload = arg;
    int64_t began = sg_clock_us();

    if (reload->app->load(reload->app->ctx, &reload->loaded, &reload->report, &reload->error) == 0)
        sg_error_clear(&reload->error);
    reload->load_us = sg_clock_us() - began;
    uv_async_send(&reload->loaded_async);
}

static void tell(struct sg_reload *reload, const struct sg_error *err)
{
    struct sg_reload_waiter *waiter = reload->waiters, *next;

    reload->telling = true; /* who asks because of what it is told waits for a load of its own */
    for (; waiter; waiter = next) {
        next = waiter->next;
        if ((int)(waiter->round - reload->round) > 0 && !reload->stopped)
            continue; /* asked while this load ran: the next one is theirs */
        sg_reload_leave(reload, waiter);
        waiter->done(waiter, err);
    }
    reload->telling = false;
}

static void start(struct sg_reload *reload)
{
    struct sg_error err;

    reload->wanted = false;
    reload->running = true;
    reload->round++;
    reload->loaded = NULL;
    sg_error_clear(&reload->error);
    sg_buf_clear(&reload->report);
    sg_log(SG_LOG_INFO, "reloading", "round=%u", reload->round);
    if (sg_thread_start(&reload->thread, run, reload, &err, "sight-reload") == 0)
        return;
    reload->running = false;
    sg_log(SG_LOG_ERROR, "reload failed", "why=\"no thread\"");
    tell(reload, &err);
    if (reload->wanted)
        start(reload);
}

/* Every line of the report is one problem, with file:line:column. */
static void log_failure(struct sg_reload *reload)
{
    const char *line = sg_buf_text(&reload->report), *end;
    char quoted[600];

    sg_log(SG_LOG_ERROR, "reload failed, the old configuration goes on serving", "code=%s why=%s",
           sg_err_name(reload->error.code), sg_log_quote(reload->error.text, quoted, sizeof(quoted)));
    for (; line && *line; line = end + (*end == '\n')) {
        char text[512];
        size_t length;

        end = strchrnul(line, '\n');
        length = (size_t)(end - line) < sizeof(text) - 1 ? (size_t)(end - line) : sizeof(text) - 1;
        memcpy(text, line, length);
        text[length] = '\0';
        sg_log(SG_LOG_ERROR, "reload", "problem=%s", sg_log_quote(text, quoted, sizeof(quoted)));
    }
}

static void on_loaded(uv_async_t *async)
{
    struct sg_reload *reload = async->data;
    char quoted[600];
    bool failed;

    if (!reload->running)
        return;
    sg_thread_join(&reload->thread);
    reload->running = false;
    failed = reload->error.code < 0;
    if (failed) {
        reload->metrics->failed_reloads++;
        log_failure(reload);
    } else {
        reload->app->swap(reload->app->ctx, reload->loaded);
        reload->loaded = NULL;
        reload->metrics->reloads++;
        sg_log(SG_LOG_INFO, "reloaded", "seconds=%.3f note=%s", (double)reload->load_us / 1e6,
               sg_log_quote(sg_buf_text(&reload->report) ? (const char *)reload->report.data : "", quoted,
                            sizeof(quoted)));
    }
    tell(reload, failed ? &reload->error : NULL);
    if (reload->wanted)
        start(reload);
}

int sg_reload_init(struct sg_reload *reload, uv_loop_t *loop, const struct sg_server_app *app,
                   struct sg_metrics *metrics, struct sg_error *err)
{
    *reload = (struct sg_reload){.app = app, .metrics = metrics};
    sg_buf_init(&reload->report, RELOAD_REPORT_MAX);
    if (uv_async_init(loop, &reload->loaded_async, on_loaded) < 0)
        return sg_error_set(err, SG_E_IO, "cannot make a wake-up for reloads");
    reload->loaded_async.data = reload;
    reload->async_ready = true;
    return 0;
}

void sg_reload_fini(struct sg_reload *reload)
{
    if (reload->running)
        sg_thread_join(&reload->thread);
    if (reload->loaded)
        reload->app->discard(reload->app->ctx, reload->loaded);
    reload->running = false;
    reload->loaded = NULL;
    sg_buf_fini(&reload->report);
    if (reload->async_ready)
        uv_close((uv_handle_t *)&reload->loaded_async, NULL);
    reload->async_ready = false;
}

static void say_stopping(struct sg_error *err)
{
    sg_error_set(err, SG_E_SHUTDOWN, "the server is stopping, nothing was reloaded");
}

void sg_reload_stop(struct sg_reload *reload)
{
    struct sg_error err;

    reload->stopped = true;
    reload->wanted = false;
    say_stopping(&err);
    tell(reload, &err);
}

void sg_reload_ask(struct sg_reload *reload, struct sg_reload_waiter *waiter)
{
    struct sg_error err;

    if (reload->stopped || !reload->app || !reload->app->load) {
        if (reload->stopped)
            say_stopping(&err);
        else
            sg_error_set(&err, SG_E_UNSUPPORTED, "this server has nothing to reload");
        if (waiter)
            waiter->done(waiter, &err);
        return;
    }
    if (waiter) {
        waiter->waiting = true;
        waiter->round = reload->round + 1;
        waiter->previous = NULL;
        waiter->next = reload->waiters;
        if (waiter->next)
            waiter->next->previous = waiter;
        reload->waiters = waiter;
    }
    if (reload->running || reload->held || reload->telling)
        reload->wanted = true;
    else
        start(reload);
}

void sg_reload_hold(struct sg_reload *reload, bool hold, const struct sg_error *err)
{
    reload->held = hold;
    if (hold || !reload->wanted)
        return;
    if (!err) {
        start(reload);
        return;
    }
    reload->wanted = false;
    reload->round++; /* the one that they waited for */
    tell(reload, err);
    if (reload->wanted)
        start(reload);
}

void sg_reload_leave(struct sg_reload *reload, struct sg_reload_waiter *waiter)
{
    if (!waiter->waiting)
        return;
    if (waiter->previous)
        waiter->previous->next = waiter->next;
    else
        reload->waiters = waiter->next;
    if (waiter->next)
        waiter->next->previous = waiter->previous;
    waiter->waiting = false;
}

int sg_reload_report(const struct sg_reload *reload, struct sg_buf *out)
{
    int code =
        sg_buf_printf(out, "{\"reloaded\":true,\"seconds\":%.3f,\"notes\":[", (double)reload->load_us / 1e6);
    const char *line = (const char *)reload->report.data;
    const char *stop = line ? line + reload->report.size : NULL;
    bool first = true;

    while (code == 0 && line && line < stop) {
        const char *end = memchr(line, '\n', (size_t)(stop - line));
        char text[512];
        size_t length = (size_t)((end ? end : stop) - line);

        if (length > sizeof(text) - 1)
            length = sizeof(text) - 1;
        memcpy(text, line, length);
        text[length] = '\0';
        if (!first)
            code = sg_buf_append(out, ",", 1);
        if (code == 0)
            code = sg_json_text(text, out);
        first = false;
        line = end ? end + 1 : stop;
    }
    return code < 0 ? code : sg_buf_append_text(out, "]}");
}
