/* SPDX-License-Identifier: MIT
 * The loop: accepts, sniffs, hands connections to protocols and done jobs back to them, and stops in order:
 * listener, reading, what was admitted, connections, workers, loop. All but sg_server_stop, the counters and
 * the workers' wake-up runs on the loop thread.
 */
#include "proto/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/thread.h"
#include "net/conn.h"
#include "net/listen.h"
#include "proto/http.h"
#include "proto/metrics.h"
#include "proto/places.h"
#include "proto/proto.h"
#include "proto/reload.h"
#include "proto/rest.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SERVER_REFUSE_MS     1000 /* how long such a one may stay silent */
#define SERVER_WAIT_MS       2000 /* and wait for a place that comes free by itself */
#define SERVER_TICK_LEAST_MS 10
#define SERVER_TICK_MOST_MS  250

struct sg_server {
    struct sg_server_options options;
    uv_loop_t loop;
    bool loop_ready;
    uv_async_t stop_async;
    int replies_fd; /* eventfd: workers write, the loop polls */
    uv_poll_t replies;
    uv_prepare_t turn;
    uv_timer_t drain_timer, delay_timer;
    bool delaying;          /* after SIGTERM, until stop_delay is over */
    uv_signal_t signals[3]; /* SIGINT, SIGTERM, SIGHUP */
    struct sg_listener *listener;
    struct sg_conn_table *conns;
    struct sg_intake intake;
    struct sg_metrics metrics;
    struct sg_reload reload;
    struct sg_rest rest;
    bool failed; /* and why: rest.error */
    atomic_int stop_asked;
    int stop_seen;  /* 0 serving, 1 draining, 2 at once */
    bool over_full; /* the listener rests because of max_refused */
    int abandoned;
};

/* A connection that says nothing is looked at now and then, so that one that sends less than a protocol's
 * name is seen, and closed when idle_timeout says so. */
static void await_first_bytes(const struct sg_server *server, struct sg_conn *conn)
{
    int64_t wait_us = server->options.receive_timeout_ms * 1000;
    int64_t idle_us = server->options.idle_timeout_ms * 1000 - sg_conn_age_us(conn);

    if (server->options.idle_timeout_ms > 0 && idle_us < wait_us)
        wait_us = idle_us > 0 ? idle_us : 1;
    sg_conn_set_deadline(conn, sg_clock_us() + wait_us);
}

static void on_accepted(void *user, int fd, const struct sockaddr *peer, socklen_t peer_size)
{
    struct sg_server *server = user;
    struct sg_conn *conn;
    int64_t soon_us;
    int count, code;

    if (sg_conn_add(server->conns, fd, peer, peer_size, &conn) < 0) {
        sg_log(SG_LOG_WARN, "a connection could not be taken", "open=%d", sg_conn_table_count(server->conns));
        return;
    }
    sg_counter_add(&server->intake.counters.accepted, 1);
    code = sg_places_take(server->conns, &server->options, conn, &soon_us);
    if (code < 0) {
        sg_counter_add(&server->intake.counters.refused, 1);
        sg_conn_set_refused(conn, code);
        sg_conn_set_deadline(conn, sg_clock_us() + SERVER_REFUSE_MS * 1000);
    } else {
        await_first_bytes(server, conn);
    }
    if (code == SG_E_DROPPED)
        sg_conn_close(&conn);
    count = sg_conn_table_count(server->conns);
    if (count >= server->options.max_connections + server->options.max_refused) {
        server->over_full = true;
        sg_listener_accept(server->listener, false);
    }
}

/* late: its first bytes did not come in time, or NULL. */
static void open_protocol(struct sg_server *server, struct sg_conn *conn, const struct sg_proto_ops *proto,
                          const struct sg_error *late)
{
    const struct sg_error *refusal = late;
    struct sg_error busy;

    if (sg_log_enabled(SG_LOG_DEBUG)) {
        char peer[64];

        sg_log(SG_LOG_DEBUG, "connection", "conn=%llu peer=%s protocol=%s",
               (unsigned long long)sg_conn_id(conn), sg_conn_peer(conn, peer, sizeof(peer)), proto->name);
    }
    if (sg_conn_refused(conn)) {
        sg_places_explain(server->conns, &server->options, sg_conn_refused(conn), &busy);
        refusal = &busy;
    }
    proto->open(conn, &server->intake, &server->options, refusal);
}

/* One that got no place asks once more when it speaks, and waits where a silent one gives way soon. True: it
 * waits. */
static bool wait_for_place(struct sg_server *server, struct sg_conn *conn)
{
    int64_t soon_us, age_us = sg_conn_age_us(conn);
    int code;

    sg_conn_set_refused(conn, 0);
    code = sg_places_take(server->conns, &server->options, conn, &soon_us);
    sg_conn_set_refused(conn, code == SG_E_DROPPED ? SG_E_TOO_MANY : code);
    if (code == 0 || soon_us == 0 || age_us + soon_us > SERVER_WAIT_MS * 1000)
        return false;
    sg_conn_hold(conn, sg_clock_us() + soon_us);
    return true;
}

static void on_sniffed(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES])
{
    if (sg_conn_refused(conn) && wait_for_place(user, conn))
        return;
    open_protocol(user, conn, sg_proto_find(head), NULL);
}

static void on_silent(void *user, struct sg_conn *conn, const uint8_t head[SG_SNIFF_BYTES], int count)
{
    const struct sg_server *server = user;
    int64_t idle_ms = server->options.idle_timeout_ms;
    struct sg_error late;

    if (count > 0 || sg_conn_refused(conn)) {
        /* A refused client that waits for the server to speak first is told why it is closed. */
        sg_error_set(
            &late, SG_E_TIMEOUT,
            "the request did not arrive in time: %d bytes of it after %lld ms (receive_timeout); the "
            "connection closes",
            count, (long long)sg_conn_age_us(conn) / 1000);
        open_protocol(user, conn, sg_proto_guess(head, count), &late);
    } else if (idle_ms > 0 && sg_conn_age_us(conn) >= idle_ms * 1000) {
        sg_conn_close(&conn);
    } else {
        await_first_bytes(server, conn);
    }
}

static void on_left(void *user)
{
    struct sg_server *server = user;

    if (!server->over_full || server->stop_seen)
        return;
    server->over_full = false;
    sg_listener_accept(server->listener, true);
}

static const struct sg_conn_table_ops table_ops = {
    .sniffed = on_sniffed, .silent = on_silent, .left = on_left};

static void on_replies(uv_poll_t *poll, int status, int events)
{
    struct sg_server *server = poll->data;
    struct sg_mail_node *node;
    eventfd_t ignored;

    (void)status;
    (void)events;
    eventfd_read(server->replies_fd, &ignored); /* before collecting: what comes later wakes again */
    node = sg_intake_collect(&server->intake);
    while (node) {
        struct sg_job *job = sg_container_of(node, struct sg_job, mail);
        struct sg_conn *conn = sg_conn_find(server->conns, job->conn_id);
        struct sg_session *session = conn ? sg_conn_user(conn) : NULL;

        node = node->next;
        job->in_pool = false;
        if (session) {
            session->ops->job_done(session, job);
        } else {
            sg_counter_add(&server->intake.counters.dropped, 1);
            sg_intake_drop(&server->intake, &job);
        }
    }
}

/* Not uv_async_send: the loop, woken by its write, preempts the worker in the middle of it, and libuv then
 * spins for the worker's end, on the worker's core. */
static void wake_loop(void *arg)
{
    const struct sg_server *server = arg;

    eventfd_write(server->replies_fd, 1);
}

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

static void stop_at_once(struct sg_server *server)
{
    if (server->stop_seen >= 2)
        return;
    server->stop_seen = 2;
    server->abandoned = server->intake.gate.jobs;
    if (server->abandoned > 0 || sg_conn_table_out_bytes(server->conns) > 0)
        sg_log(SG_LOG_WARN, "stopping with work left", "abandoned=%d unread_reply_bytes=%zu connections=%d",
               server->abandoned, sg_conn_table_out_bytes(server->conns), sg_conn_table_count(server->conns));
    sg_conn_each(server->conns, abandon_one, NULL);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    stop_at_once(timer->data);
}

static void begin_stop(struct sg_server *server)
{
    server->stop_seen = 1;
    sg_log(SG_LOG_INFO, "stopping", "in_flight=%d connections=%d", server->intake.gate.jobs,
           sg_conn_table_count(server->conns));
    sg_listener_close(&server->listener);
    sg_http_drain(server->intake.http);
    uv_timer_start(&server->drain_timer, on_drain_timeout, (uint64_t)server->options.drain_timeout_ms, 0);
    sg_conn_each(server->conns, drain_one, NULL);
}

static void on_stop(uv_async_t *async)
{
    struct sg_server *server = async->data;
    int asked = atomic_load(&server->stop_asked);

    if (asked >= 1 && server->stop_seen == 0)
        begin_stop(server);
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
    sg_http_leave(server->intake.http);
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

static size_t unsent_bytes(const struct sg_server *server)
{
    size_t http = server->intake.http ? sg_http_unsent(server->intake.http) : 0;

    return sg_conn_table_out_bytes(server->conns) + http;
}

/* Once per turn of the loop, before it sleeps. */
static void on_turn(uv_prepare_t *turn)
{
    struct sg_server *server = turn->data;

    sg_gate_serve(&server->intake.gate, unsent_bytes(server));
    if (server->stop_seen == 0)
        return;
    /* At once: workers are waited for in destroy. */
    if (sg_conn_table_count(server->conns) == 0 &&
        (server->intake.outstanding == 0 || server->stop_seen == 2))
        uv_stop(&server->loop);
}

static int64_t tick_ms(const struct sg_server_options *options)
{
    int64_t least = options->receive_timeout_ms;

    if (options->send_timeout_ms < least)
        least = options->send_timeout_ms;
    if (options->idle_timeout_ms > 0 && options->idle_timeout_ms < least)
        least = options->idle_timeout_ms;
    least /= 4;
    if (least < SERVER_TICK_LEAST_MS)
        return SERVER_TICK_LEAST_MS;
    return least > SERVER_TICK_MOST_MS ? SERVER_TICK_MOST_MS : least;
}

static int init_loop(struct sg_server *server, struct sg_error *err)
{
    int i, code;

    server->replies_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->replies_fd < 0)
        return sg_error_set(err, SG_E_IO, "cannot make an eventfd: %s", strerror(errno));
    code = uv_loop_init(&server->loop);
    if (code < 0)
        return sg_error_set(err, SG_E_IO, "cannot make an event loop: %s", uv_strerror(code));
    uv_poll_init(&server->loop, &server->replies, server->replies_fd);
    uv_poll_start(&server->replies, UV_READABLE, on_replies);
    uv_async_init(&server->loop, &server->stop_async, on_stop);
    uv_prepare_init(&server->loop, &server->turn);
    uv_timer_init(&server->loop, &server->drain_timer);
    uv_timer_init(&server->loop, &server->delay_timer);
    for (i = 0; i < 3; i++) {
        uv_signal_init(&server->loop, &server->signals[i]);
        server->signals[i].data = server;
    }
    server->replies.data = server;
    server->stop_async.data = server;
    server->turn.data = server;
    server->drain_timer.data = server;
    server->delay_timer.data = server;
    server->loop_ready = true;
    return 0;
}

int sg_server_create(const struct sg_server_options *options, struct sg_server **out_server,
                     struct sg_error *err)
{
    struct sg_conn_table_options table = {.receive_timeout_ms = options->receive_timeout_ms,
                                          .send_timeout_ms = options->send_timeout_ms,
                                          .tick_ms = tick_ms(options)};
    struct sg_gate_limits limits = {.max_jobs = options->max_jobs,
                                    .max_bytes = options->max_queue_bytes,
                                    .max_memory = options->max_memory};
    struct sg_server *server = NULL;
    int code = sg_server_options_check(options, err);

    *out_server = NULL;
    if (code < 0)
        return code;
    server = calloc(1, sizeof(*server));
    if (!server)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the server");
    server->options = *options;
    if (server->options.max_frame_bytes > SG_SERVER_MAX_FRAME_BYTES)
        server->options.max_frame_bytes = SG_SERVER_MAX_FRAME_BYTES;
    sg_metrics_init(&server->metrics);
    sg_intake_init(&server->intake, &limits, wake_loop, server);
    server->intake.metrics = &server->metrics;
    code = init_loop(server, err);
    if (code < 0)
        goto out;
    code = sg_conn_table_create(&server->loop, &table, &table_ops, server, &server->conns, err);
    if (code < 0)
        goto out;
    code = sg_listener_open(&server->loop, options->listen, on_accepted, server, &server->listener, err);
    if (code < 0)
        goto out;
    server->options.listen = NULL; /* was borrowed */
    *out_server = server;
    server = NULL;
out:
    sg_server_destroy(&server);
    return code;
}

const char *sg_server_address(const struct sg_server *server)
{
    return server->listener ? sg_listener_address(server->listener) : "";
}

/* A part of the configuration cannot be served: none of it is. */
static void on_rest_failed(void *arg)
{
    struct sg_server *server = arg;

    server->failed = true;
    if (server->stop_seen == 0)
        begin_stop(server);
}

static void tell_gauges(void *arg, struct sg_metrics_gauges *gauges)
{
    const struct sg_server *server = arg;
    const struct sg_conn_counters *traffic = sg_conn_table_counters(server->conns);

    *gauges = (struct sg_metrics_gauges){
        .connections = sg_conn_table_count(server->conns),
        .jobs = server->intake.gate.jobs,
        .in_flight = sg_server_in_flight(server),
        .workers = server->intake.pool ? sg_pool_workers(server->intake.pool) : 0,
        .queue_bytes = server->intake.gate.bytes,
        .unsent_bytes = unsent_bytes(server),
        .bytes_in = atomic_load_explicit(&traffic->bytes_in, memory_order_relaxed),
        .bytes_out = atomic_load_explicit(&traffic->bytes_out, memory_order_relaxed),
        .draining = server->stop_seen != 0 || server->delaying,
        .loading = server->rest.running,
    };
}

static int start_http(struct sg_server *server, struct sg_error *err)
{
    struct sg_http_options options = {.loop = &server->loop,
                                      .intake = &server->intake,
                                      .server = &server->options,
                                      .app = server->options.app,
                                      .metrics = &server->metrics,
                                      .reload = &server->reload,
                                      .gauges = tell_gauges,
                                      .gauges_arg = server};
    int code = sg_reload_init(&server->reload, &server->loop, server->options.app, &server->metrics, err);

    if (code == 0)
        code = sg_rest_init(&server->rest, &server->loop, server->options.app, &server->intake,
                            &server->reload, err);
    server->rest.failed = on_rest_failed;
    server->rest.failed_arg = server;
    return code < 0 ? code : sg_http_create(&options, &server->intake.http, err);
}

int sg_server_start(struct sg_server *server, const struct sg_job_ops *ops, struct sg_error *err)
{
    int code;

    server->intake.ops = ops;
    code = start_http(server, err);
    if (code < 0)
        return code;
    code = sg_pool_create(server->options.workers, ops, &server->intake.done, &server->intake.pool, err);
    if (code < 0)
        return code;
    /* From here on, so that a signal that comes before run is kept for it. */
    if (server->options.handle_signals) {
        signal(SIGPIPE, SIG_IGN);
        uv_signal_start(&server->signals[0], on_signal, SIGINT);
        uv_signal_start(&server->signals[1], on_signal, SIGTERM);
        uv_signal_start(&server->signals[2], on_signal, SIGHUP);
    }
    return 0;
}

int sg_server_run(struct sg_server *server, struct sg_error *err)
{
    int code;

    if (!server->intake.pool)
        return sg_error_set(err, SG_E_INTERNAL, "sg_server_run before sg_server_start");
    code = sg_rest_start(&server->rest, err);
    if (code < 0)
        return code;
    sg_thread_prompt();
    uv_prepare_start(&server->turn, on_turn);
    sg_listener_accept(server->listener, true);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_prepare_stop(&server->turn);
    if (server->failed) {
        *err = server->rest.error;
        return err->code;
    }
    if (server->abandoned > 0)
        return sg_error_set(err, SG_E_SHUTDOWN,
                            "stopped with %d requests unanswered; drain_timeout (%lld ms) allows them time",
                            server->abandoned, (long long)server->options.drain_timeout_ms);
    return 0;
}

void sg_server_stop(struct sg_server *server)
{
    atomic_fetch_add(&server->stop_asked, 1);
    uv_async_send(&server->stop_async);
}

static void fini_loop(struct sg_server *server)
{
    int i;

    uv_close((uv_handle_t *)&server->replies, NULL);
    uv_close((uv_handle_t *)&server->stop_async, NULL);
    uv_close((uv_handle_t *)&server->turn, NULL);
    uv_close((uv_handle_t *)&server->drain_timer, NULL);
    uv_close((uv_handle_t *)&server->delay_timer, NULL);
    /* A signal that comes when all is done must not make the end look like a failure. */
    for (i = 0; i < 3; i++) {
        bool taken = uv_is_active((uv_handle_t *)&server->signals[i]);
        int number = server->signals[i].signum;

        uv_close((uv_handle_t *)&server->signals[i], NULL);
        if (taken)
            signal(number, SIG_IGN);
    }
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_loop_close(&server->loop);
}

void sg_server_destroy(struct sg_server **server)
{
    struct sg_server *s = *server;
    int i;

    *server = NULL;
    if (!s)
        return;
    s->stop_seen = 2;
    if (s->conns)
        sg_conn_each(s->conns, abandon_one, NULL);
    sg_listener_close(&s->listener);
    sg_pool_destroy(&s->intake.pool);
    sg_http_destroy(&s->intake.http);
    sg_reload_fini(&s->reload);
    /* A model that is being loaded cannot be stopped; whoever does not want to wait sends another signal. */
    for (i = 0; i < 3 && s->rest.running; i++)
        uv_signal_stop(&s->signals[i]);
    sg_rest_fini(&s->rest);
    sg_intake_fini(&s->intake);
    sg_conn_table_destroy(&s->conns);
    if (s->loop_ready)
        fini_loop(s);
    if (s->replies_fd >= 0)
        close(s->replies_fd);
    sg_metrics_fini(&s->metrics);
    free(s);
}

const struct sg_counters *sg_server_counters(const struct sg_server *server)
{
    return &server->intake.counters;
}

const struct sg_conn_counters *sg_server_traffic(const struct sg_server *server)
{
    return sg_conn_table_counters(server->conns);
}

int sg_server_in_flight(const struct sg_server *server)
{
    return server->intake.pool ? sg_pool_in_flight(server->intake.pool) : 0;
}
