/* SPDX-License-Identifier: MIT
 * Signals, and the end in order: listener, reading, what was admitted, connections, workers, loop. All but
 * sg_server_stop runs on the loop thread.
 */
#include "serve/server_private.h"

#include "base/log.h"
#include "serve/protocol.h"

#include <signal.h>

static void drain_one(void *arg, struct sg_conn *conn)
{
    struct sg_session *session = sg_conn_user(conn);

    (void)arg;
    if (session)
        session->ops->drain(session);
    else if (sg_conn_sniffing(conn))
        sg_conn_close(&conn);
}

static void abandon_one(void *arg, struct sg_conn *conn)
{
    struct sg_session *session = sg_conn_user(conn);

    (void)arg;
    if (session)
        session->ops->abandon(session);
    else
        sg_conn_close(&conn);
}

void server_stop_listening(struct sg_server *server)
{
    while (server->listener_count > 0)
        sg_listener_close(&server->listeners[--server->listener_count]);
}

void server_stop_abandon(struct sg_server *server)
{
    if (server->conns)
        sg_conn_each(server->conns, abandon_one, NULL);
}

static void stop_at_once(struct sg_server *server)
{
    if (server->stop_seen >= 2)
        return;
    server->stop_seen = 2;
    server->abandoned = server->intake.gate.jobs;
    if (server->abandoned > 0 || sg_conn_table_out_bytes(server->conns) > 0)
        sg_log(SG_LOG_WARN, "stopping with work left", "abandoned=%d unread_reply_bytes=%zu connections=%d",
               server->abandoned, sg_conn_table_out_bytes(server->conns), sg_conn_table_count(server->conns));
    server_stop_abandon(server);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    stop_at_once(timer->data);
}

void server_stop_begin(struct sg_server *server)
{
    server->stop_seen = 1;
    sg_log(SG_LOG_INFO, "stopping", "in_flight=%d connections=%d", server->intake.gate.jobs,
           sg_conn_table_count(server->conns));
    server_stop_listening(server);
    server_protocols_drain(server);
    sg_reload_stop(&server->reload);
    uv_timer_start(&server->drain_timer, on_drain_timeout, (uint64_t)server->options.drain_timeout_ms, 0);
    sg_conn_each(server->conns, drain_one, NULL);
}

static void on_stop(uv_async_t *async)
{
    struct sg_server *server = async->data;
    int asked = atomic_load(&server->stop_asked);

    if (asked >= 1 && server->stop_seen == 0)
        server_stop_begin(server);
    if (asked >= 2)
        stop_at_once(server);
}

static void on_delay_over(uv_timer_t *timer)
{
    struct sg_server *server = timer->data;

    server->delaying = false;
    sg_server_stop(server);
}

/* Readiness fails at once; whoever still comes is served until the delay is over. */
static void begin_delay(struct sg_server *server)
{
    server->delaying = true;
    server_protocols_leave(server);
    sg_log(SG_LOG_INFO, "stopping after a delay", "stop_delay_ms=%lld",
           (long long)server->options.stop_delay_ms);
    uv_timer_start(&server->delay_timer, on_delay_over, (uint64_t)server->options.stop_delay_ms, 0);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct sg_server *server = handle->data;

    if (number == SIGHUP) {
        sg_reload_ask(&server->reload, NULL);
        return;
    }
    sg_log(SG_LOG_INFO, "signal", "signal=%s", number == SIGINT ? "SIGINT" : "SIGTERM");
    if (number == SIGTERM && server->options.stop_delay_ms > 0 && !server->delaying &&
        atomic_load(&server->stop_asked) == 0) {
        begin_delay(server);
        return;
    }
    if (server->delaying)
        uv_timer_stop(&server->delay_timer); /* a second one does not wait */
    server->delaying = false;
    sg_server_stop(server);
    /* A third one takes the system's way, the process ends: should a worker be stuck. */
    if (atomic_load(&server->stop_asked) >= 2 && server->intake.outstanding > 0)
        uv_signal_stop(handle);
}

void sg_server_stop(struct sg_server *server)
{
    atomic_fetch_add(&server->stop_asked, 1);
    uv_async_send(&server->stop_async);
}

void server_stop_init(struct sg_server *server)
{
    int i;

    uv_async_init(&server->loop, &server->stop_async, on_stop);
    uv_timer_init(&server->loop, &server->drain_timer);
    uv_timer_init(&server->loop, &server->delay_timer);
    for (i = 0; i < SERVER_SIGNALS; i++) {
        uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
    }
    server->stop_async.data = server;
    server->drain_timer.data = server;
    server->delay_timer.data = server;
}

void server_stop_on_signals(struct sg_server *server)
{
    signal(SIGPIPE, SIG_IGN);
    uv_signal_start(&server->signals[0], on_signal, SIGINT);
    uv_signal_start(&server->signals[1], on_signal, SIGTERM);
    uv_signal_start(&server->signals[2], on_signal, SIGHUP);
}

void server_stop_no_signals(struct sg_server *server)
{
    int i;

    for (i = 0; i < SERVER_SIGNALS; i++)
        uv_signal_stop(&server->signals[i]);
}

void server_stop_fini(struct sg_server *server)
{
    int i;

    uv_close((uv_handle_t *)&server->stop_async, NULL);
    uv_close((uv_handle_t *)&server->drain_timer, NULL);
    uv_close((uv_handle_t *)&server->delay_timer, NULL);
    /* A signal that comes when all is done must not make the end look like a failure. */
    for (i = 0; i < SERVER_SIGNALS; i++) {
        bool taken = uv_is_active((uv_handle_t *)&server->signals[i]);
        int number = server->signals[i].signum;

        uv_close((uv_handle_t *)&server->signals[i], NULL);
        if (taken)
            signal(number, SIG_IGN);
    }
}
