/* SPDX-License-Identifier: MIT
 * libmicrohttpd inside the loop: its epoll descriptor is polled, its timeout is a timer, and it runs once
 * more before the loop sleeps whenever something was added or resumed.
 */
#include "http/http_private.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define DAEMON_RUNS_MAX 32 /* in a row; then others on the loop get their turn */

static void on_timer(uv_timer_t *timer);

static void run_daemon(struct sg_http *http)
{
    MHD_UNSIGNED_LONG_LONG wait_ms = 0;
    int i;

    http->dirty = false;
    for (i = 0; i < DAEMON_RUNS_MAX; i++) {
        MHD_run(http->daemon);
        if (MHD_get_timeout(http->daemon, &wait_ms) == MHD_NO) {
            uv_timer_stop(&http->timer);
            return;
        }
        if (wait_ms > 0)
            break;
    }
    uv_timer_start(&http->timer, on_timer, wait_ms, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    run_daemon(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
    run_daemon(timer->data);
}

static void on_turn(uv_prepare_t *turn)
{
    struct sg_http *http = turn->data;

    if (http->dirty)
        run_daemon(http);
}

static void on_log(void *cls, const char *format, va_list args)
{
    char text[400], quoted[512];
    size_t length;

    (void)cls;
    if (!sg_log_enabled(SG_LOG_DEBUG))
        return;
    vsnprintf(text, sizeof(text), format, args);
    length = strlen(text);
    if (length > 0 && text[length - 1] == '\n')
        text[length - 1] = '\0';
    sg_log(SG_LOG_DEBUG, "http", "said=%s", sg_log_quote(text, quoted, sizeof(quoted)));
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct sg_http *http = cls;
    struct http_session *session = *context;

    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        *context = http->adding;
        http->adding->mhd = mhd;
        return;
    }
    *context = NULL;
    /* One that ends while it is being added is still its opener's. */
    if (session && session != http->adding)
        http_session_ended(session);
}

/* From 0.9.77.07 on MHD_add_connection only queues the connection, for a thread of the daemon to begin with,
 * and on_connection would not know whose it is; unless the daemon is told that there is one thread, ours. */
#if MHD_VERSION >= 0x00097707
#define DAEMON_ONE_THREAD MHD_USE_NO_THREAD_SAFETY
#else
#define DAEMON_ONE_THREAD 0
#endif

/* What is ambiguous is refused: by http_head.c, and from 1.0 on, which at 0 mends some of it before anybody
 * else sees it (a redirection to the path without its blank), by the library. */
#define DAEMON_STRICT (MHD_VERSION >= 0x01000000)

int http_daemon_start(struct sg_http *http, struct sg_error *err)
{
    const union MHD_DaemonInfo *info;

    http->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            DAEMON_ONE_THREAD,
        0, NULL, NULL, http_on_request, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, HTTP_CONNECTION_BYTES, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)SG_CONN_TABLE_MAX, MHD_OPTION_CONNECTION_TIMEOUT, 0u, MHD_OPTION_NOTIFY_COMPLETED,
        http_on_completed, http, MHD_OPTION_NOTIFY_CONNECTION, on_connection, http,
        MHD_OPTION_URI_LOG_CALLBACK, http_on_target, NULL, MHD_OPTION_UNESCAPE_CALLBACK, http_on_unescape,
        NULL, MHD_OPTION_STRICT_FOR_CLIENT, DAEMON_STRICT, MHD_OPTION_END);
    if (!http->daemon)
        return sg_error_set(err, SG_E_IO, "libmicrohttpd cannot start");
    info = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    uv_poll_init(http->server.loop, &http->poll, info->epoll_fd);
    uv_timer_init(http->server.loop, &http->timer);
    uv_prepare_init(http->server.loop, &http->turn);
    http->handles = 3;
    http->poll.data = http->timer.data = http->turn.data = http;
    uv_poll_start(&http->poll, UV_READABLE, on_poll);
    uv_prepare_start(&http->turn, on_turn);
    return 0;
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct sg_http *http = handle->data;

    if (--http->handles == 0)
        free(http);
}

void http_daemon_stop(struct sg_http *http)
{
    uv_poll_stop(&http->poll);
    MHD_stop_daemon(http->daemon); /* ends every session */
    uv_close((uv_handle_t *)&http->poll, on_handle_closed);
    uv_close((uv_handle_t *)&http->timer, on_handle_closed);
    uv_close((uv_handle_t *)&http->turn, on_handle_closed);
}

int http_daemon_add(struct sg_http *http, struct http_session *session)
{
    struct sockaddr_in6 nobody = {.sin6_family = AF_INET6}; /* the table of connections knows the peer */
    int fd = sg_conn_dup(session->base.conn);
    enum MHD_Result added;

    if (fd < 0)
        return SG_E_BUSY;
    http->adding = session;
    added = MHD_add_connection(http->daemon, fd, (const struct sockaddr *)&nobody, sizeof(nobody));
    http->adding = NULL;
    http->dirty = true;
    return added == MHD_YES ? 0 : SG_E_BUSY; /* it closes fd by itself when it fails */
}

void http_suspend(struct http_request *request)
{
    request->suspended = true;
    MHD_suspend_connection(request->mhd);
}

void http_resume(struct http_request *request)
{
    request->suspended = false;
    MHD_resume_connection(request->mhd);
    request->http->dirty = true;
}
