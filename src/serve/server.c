/* SPDX-License-Identifier: MIT
 * What the server is made of, the loop, and done jobs on their way back to their connections. All but the
 * counters and the workers' wake-up runs on the loop thread.
 */
#include "serve/server_private.h"

#include "base/thread.h"
#include "serve/protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define SERVER_TICK_LEAST_MS 10
#define SERVER_TICK_MOST_MS  250

/* A client that has gone is an id that is not found. */
static void done_for_connection(struct sg_job_owner *owner, struct sg_job *job)
{
    struct sg_server *server = sg_container_of(owner, struct sg_server, connections);
    struct sg_conn *conn = sg_conn_find(server->conns, job->owner_key);
    struct sg_session *session = conn ? sg_conn_user(conn) : NULL;

    if (session) {
        session->ops->job_done(session, job);
    } else {
        sg_counter_add(&server->intake.counters.dropped, 1);
        sg_intake_drop(&server->intake, &job);
    }
}

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

        node = node->next;
        job->in_pool = false;
        job->owner->done(job->owner, job);
    }
}

/* Not uv_async_send: the loop, woken by its write, preempts the worker in the middle of it, and libuv then
 * spins for the worker's end, on the worker's core. */
static void wake_loop(void *arg)
{
    const struct sg_server *server = arg;

    eventfd_write(server->replies_fd, 1);
}

/* Once per turn of the loop, before it sleeps. */
static void on_turn(uv_prepare_t *turn)
{
    struct sg_server *server = turn->data;

    sg_gate_serve(&server->intake.gate, sg_conn_table_out_bytes(server->conns));
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
    int code;

    server->replies_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (server->replies_fd < 0)
        return sg_error_set(err, SG_E_IO, "cannot make an eventfd: %s", strerror(errno));
    code = uv_loop_init(&server->loop);
    if (code < 0)
        return sg_error_set(err, SG_E_IO, "cannot make an event loop: %s", uv_strerror(code));
    uv_poll_init(&server->loop, &server->replies, server->replies_fd);
    uv_poll_start(&server->replies, UV_READABLE, on_replies);
    uv_prepare_init(&server->loop, &server->turn);
    server->replies.data = server;
    server->turn.data = server;
    server_stop_init(server);
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
    int code = sg_server_options_check(options, err), i;

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
    server->connections.done = done_for_connection;
    server->intake.connections = &server->connections;
    code = init_loop(server, err);
    if (code < 0)
        goto out;
    code = sg_conn_table_create(&server->loop, &table, &server_table_ops, server, &server->conns, err);
    if (code < 0)
        goto out;
    for (i = 0; i < options->listen_count && code == 0; i++) {
        code = sg_listener_open(&server->loop, options->listen[i], server_on_accepted, server,
                                &server->listeners[i], err);
        server->listener_count += code == 0;
    }
    if (code < 0)
        goto out;
    server->options.listen = NULL; /* was borrowed */
    *out_server = server;
    server = NULL;
out:
    sg_server_destroy(&server);
    return code;
}

const char *sg_server_address(const struct sg_server *server, int index)
{
    return index >= 0 && index < server->listener_count ? sg_listener_address(server->listeners[index])
                                                        : NULL;
}

/* A part of the configuration cannot be served: none of it is. */
static void on_late_failed(void *arg)
{
    struct sg_server *server = arg;

    server->failed = true;
    if (server->stop_seen == 0)
        server_stop_begin(server);
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
        .unsent_bytes = sg_conn_table_out_bytes(server->conns),
        .bytes_in = atomic_load_explicit(&traffic->bytes_in, memory_order_relaxed),
        .bytes_out = atomic_load_explicit(&traffic->bytes_out, memory_order_relaxed),
        .draining = server->stop_seen != 0 || server->delaying,
        .loading = server->late_load.running,
    };
}

static int start_loads(struct sg_server *server, struct sg_error *err)
{
    int code = sg_reload_init(&server->reload, &server->loop, server->options.app, &server->metrics, err);

    if (code == 0)
        code = sg_late_load_init(&server->late_load, &server->loop, server->options.app, &server->intake,
                                 &server->reload, err);
    server->late_load.failed = on_late_failed;
    server->late_load.failed_arg = server;
    return code;
}

int sg_server_start(struct sg_server *server, const struct sg_job_ops *ops, struct sg_error *err)
{
    struct sg_server_view view = {.loop = &server->loop,
                                  .intake = &server->intake,
                                  .options = &server->options,
                                  .app = server->options.app,
                                  .metrics = &server->metrics,
                                  .reload = &server->reload,
                                  .gauges = tell_gauges,
                                  .gauges_arg = server};
    int code;

    server->intake.ops = ops;
    code = start_loads(server, err);
    if (code == 0)
        code = server_protocols_start(server, &view, err);
    if (code < 0)
        return code;
    code = sg_pool_create(server->options.workers, ops, &server->intake.done, &server->intake.pool, err);
    if (code < 0)
        return code;
    /* From here on, so that a signal that comes before run is kept for it. */
    if (server->options.handle_signals)
        server_stop_on_signals(server);
    return 0;
}

int sg_server_run(struct sg_server *server, struct sg_error *err)
{
    int code;

    if (!server->intake.pool)
        return sg_error_set(err, SG_E_INTERNAL, "sg_server_run before sg_server_start");
    code = sg_late_load_start(&server->late_load, err);
    if (code < 0)
        return code;
    sg_thread_prompt();
    uv_prepare_start(&server->turn, on_turn);
    server_accept(server, true);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_prepare_stop(&server->turn);
    if (server->failed) {
        *err = server->late_load.error;
        return err->code;
    }
    if (server->abandoned > 0)
        return sg_error_set(err, SG_E_SHUTDOWN,
                            "stopped with %d requests unanswered; drain_timeout (%lld ms) allows them time",
                            server->abandoned, (long long)server->options.drain_timeout_ms);
    return 0;
}

static void fini_loop(struct sg_server *server)
{
    uv_close((uv_handle_t *)&server->replies, NULL);
    uv_close((uv_handle_t *)&server->turn, NULL);
    server_stop_fini(server);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    uv_loop_close(&server->loop);
}

void sg_server_destroy(struct sg_server **server)
{
    struct sg_server *s = *server;

    *server = NULL;
    if (!s)
        return;
    s->stop_seen = 2;
    server_stop_abandon(s);
    server_stop_listening(s);
    sg_pool_destroy(&s->intake.pool);
    server_protocols_end(s);
    sg_reload_fini(&s->reload);
    if (s->late_load
            .running) /* a model that is being loaded cannot be stopped; another signal does not wait */
        server_stop_no_signals(s);
    sg_late_load_fini(&s->late_load);
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
