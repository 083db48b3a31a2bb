/* SPDX-License-Identifier: MIT
 * What the server tells of itself: pipelines, models, version, health, metrics.
 */
#include "http/http_private.h"

#include "codec/json.h"

#include <string.h>

#define INFO_MAX_BYTES ((size_t)16 << 20)

static void reply_text(struct http_request *request, const char *text)
{
    http_reply(request,
               &(struct http_answer){
                   .status = 200, .type = "text/plain; charset=utf-8", .body = text, .size = strlen(text)});
}

/* JSON that the application writes. */
static void serve_list(struct http_request *request, int (*list)(void *ctx, struct sg_buf *out), void *ctx)
{
    struct sg_error err;
    struct sg_buf body;

    sg_buf_init(&body, INFO_MAX_BYTES);
    if (!list || list(ctx, &body) < 0) {
        sg_buf_fini(&body);
        sg_error_set(&err, SG_E_NOMEM, "no memory for the list");
        http_reply_error(request, &err);
        return;
    }
    http_reply_take(request, "application/json", &body);
}

void http_pipelines_serve(struct http_request *request)
{
    const struct sg_server_app *app = request->http->server.app;

    serve_list(request, app ? app->list_pipelines : NULL, app ? app->ctx : NULL);
}

void http_models_serve(struct http_request *request)
{
    const struct sg_server_app *app = request->http->server.app;

    serve_list(request, app ? app->list_models : NULL, app ? app->ctx : NULL);
}

/* The one that the path names. */
static void serve_one(struct http_request *request, const struct sg_server_app *app,
                      int (*tell)(void *ctx, const char *name, struct sg_buf *out, struct sg_error *err))
{
    const char *name = http_path_value(request, 0);
    struct sg_error err = {0};
    struct sg_buf body;

    sg_buf_init(&body, INFO_MAX_BYTES);
    if (!tell)
        sg_error_set(&err, SG_E_NOT_FOUND, "there is no \"%.80s\" here", name);
    else if (tell(app->ctx, name, &body, &err) < 0 && err.code == SG_OK)
        sg_error_set(&err, SG_E_NOMEM, "no memory for the answer");
    if (err.code == SG_OK)
        http_reply_take(request, "application/json", &body);
    else
        http_reply_error(request, &err);
    sg_buf_fini(&body);
}

void http_pipeline_serve(struct http_request *request)
{
    const struct sg_server_app *app = request->http->server.app;

    serve_one(request, app, app ? app->tell_pipeline : NULL);
}

void http_model_serve(struct http_request *request)
{
    const struct sg_server_app *app = request->http->server.app;

    serve_one(request, app, app ? app->tell_model : NULL);
}

static int write_version(void *ctx, struct sg_buf *out)
{
    const struct sg_server_app *app = ctx;
    int code = sg_buf_printf(out, "{\"name\":\"sightd\",\"version\":\"%s\",\"runtime\":", SIGHT_VERSION);

    if (code == 0)
        code = sg_json_text(app ? app->runtime : NULL, out);
    if (code == 0 && app && app->not_loaded && app->not_loaded[0]) {
        code = sg_buf_printf(out, ",\"not_loaded\":");
        if (code == 0)
            code = sg_json_text(app->not_loaded, out);
    }
    return code < 0 ? code : sg_buf_printf(out, ",\"protocols\":[\"seed\",\"v2\",\"http/1.1\"]}");
}

void http_version_serve(struct http_request *request)
{
    /* Only read through. */
    serve_list(request, write_version, (void *)(uintptr_t)request->http->server.app);
}

void http_live_serve(struct http_request *request)
{
    reply_text(request, "ok\n");
}

/* The beginning, while pipelines load, and the end. */
void http_ready_serve(struct http_request *request)
{
    const struct sg_server_app *app = request->http->server.app;
    char names[SG_ERROR_TEXT_MAX / 2];
    struct sg_error err;

    if (!request->http->leaving && app && app->loading && app->loading(app->ctx, names, sizeof(names))) {
        sg_error_set(&err, SG_E_BUSY, "still loading: %s", names);
        http_reply_error(request, &err);
        return;
    }
    if (!request->http->leaving) {
        reply_text(request, "ready\n");
        return;
    }
    sg_error_set(&err, SG_E_SHUTDOWN, "the server is stopping");
    http_reply_error(request, &err);
}

void http_metrics_serve(struct http_request *request)
{
    const struct sg_server_view *server = &request->http->server;
    struct sg_metrics_gauges gauges = {0};
    struct sg_buf body;
    int code;

    server->gauges(server->gauges_arg, &gauges);
    sg_buf_init(&body, INFO_MAX_BYTES);
    code = sg_metrics_write(server->metrics, &server->intake->counters, &gauges, &body);
    if (code == 0 && server->app && server->app->list_metrics)
        code = server->app->list_metrics(server->app->ctx, &body);
    if (code == 0) {
        http_reply_take(request, "text/plain; version=0.0.4; charset=utf-8", &body);
        return;
    }
    sg_buf_fini(&body);
    sg_error_set(&request->error, SG_E_NOMEM, "no memory for the metrics");
    http_reply_error(request, &request->error);
}

static void on_reloaded(struct sg_reload_waiter *waiter, const struct sg_error *err)
{
    struct http_request *request = sg_container_of(waiter, struct http_request, reload);
    struct http_session *session = request->session;
    struct sg_buf report;

    http_enter(session);
    if (err && err->code != SG_E_SHUTDOWN)
        request->status = 422; /* whatever is wrong, it is in the files */
    sg_buf_init(&report, INFO_MAX_BYTES);
    if (err) {
        http_reply_error(request, err);
    } else {
        if (sg_reload_report(request->http->server.reload, &report) < 0)
            sg_buf_clear(&report);
        http_reply_take(request, "application/json", &report);
    }
    http_leave(session);
}

void http_reload_serve(struct http_request *request)
{
    request->reload.done = on_reloaded;
    sg_reload_ask(request->http->server.reload, &request->reload);
}
