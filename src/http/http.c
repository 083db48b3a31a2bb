/* SPDX-License-Identifier: MIT
 * HTTP connections: from the sniffer to the daemon and to their end; deadlines; what happens when the server
 * stops. Reading stays paused on this side for ever: the daemon reads.
 */
#include "http/http.h"
#include "http/http_private.h"
#include "http/http_socket.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define HTTP_STRAY_BYTES 2

static struct http_session *session_of(struct sg_session *session)
{
    return (struct http_session *)(void *)session;
}

static int socket_of(const struct http_session *session)
{
    return MHD_get_connection_info(session->mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

/* Bytes that have ever arrived on the socket, read or not. */
static uint64_t bytes_arrived(const struct http_session *session)
{
    return session->mhd ? sg_http_socket_arrived(socket_of(session)) : 0;
}

/* Bytes of the connection up to the end of the request that has just been read. The daemon may have read on
 * into the next one, but only of a chunked body it does not say how long it was. */
static uint64_t bytes_of_requests(struct http_session *session)
{
    const struct http_request *request = session->request;
    uint64_t arrived = bytes_arrived(session), end; /* first: the daemon tells all in one place */
    const union MHD_ConnectionInfo *head =
        request ? MHD_get_connection_info(request->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE) : NULL;

    if (!head || request->chunked)
        return arrived;
    end = session->bytes_taken + head->header_size + request->received;
    session->strays += HTTP_STRAY_BYTES;
    return end < arrived ? end : arrived;
}

/* Between requests: whether more has come than they were. Some clients end a request with a CRLF that is not
 * part of it; the daemon passes over it, and so it must not add up. */
static bool next_has_begun(struct http_session *session)
{
    uint64_t arrived = bytes_arrived(session);

    if (arrived <= session->bytes_taken + session->strays + HTTP_STRAY_BYTES) {
        session->bytes_taken = arrived;
        session->strays = 0;
    }
    return arrived > session->bytes_taken;
}

static int64_t deadline_of(const struct http_session *session)
{
    const struct sg_server_options *options = session->base.options;
    const struct http_request *request = session->request;
    int64_t bytes;

    switch (session->phase) {
    case HTTP_IDLE:
        if (session->peer_shut)
            return sg_clock_us();
        /* Whoever has sent half a head by then is looked at again. */
        if (options->idle_timeout_ms > 0 && options->idle_timeout_ms < options->receive_timeout_ms)
            return session->phase_us + options->idle_timeout_ms * 1000;
        return sg_clock_us() + options->receive_timeout_ms * 1000;
    case HTTP_HEAD:
    case HTTP_BODY:
        bytes = request ? (int64_t)request->received : 0;
        return session->phase_us + options->receive_timeout_ms * 1000 +
               bytes * 1000000 / SG_SERVER_MIN_RATE_BYTES_PER_S;
    case HTTP_REPLY:
        return sg_clock_us() + options->send_timeout_ms * 1000;
    case HTTP_REFUSED:
        return session->phase_us + HTTP_LINGER_MS * 1000;
    case HTTP_WORK:
        break;
    }
    return 0;
}

void http_phase_set(struct http_session *session, enum http_phase phase)
{
    bool received = session->phase == HTTP_HEAD || session->phase == HTTP_BODY || session->phase == HTTP_IDLE;

    if (session->phase != phase || phase == HTTP_IDLE)
        session->phase_us = sg_clock_us();
    /* Not as late as HTTP_IDLE: a client may have its reply, and send again, before the daemon says so. */
    if (received && (phase == HTTP_WORK || phase == HTTP_REPLY))
        session->bytes_taken = bytes_of_requests(session);
    session->phase = phase;
    if (phase == HTTP_IDLE)
        next_has_begun(session);
    else if (phase == HTTP_REPLY)
        session->bytes_noted = 0;
    sg_conn_set_deadline(session->base.conn, deadline_of(session));
}

void http_kill(struct http_session *session)
{
    if (session->dead && session->phase != HTTP_REFUSED)
        return;
    session->dead = true;
    session->linger = false;
    shutdown(socket_of(session), SHUT_RDWR);
    if (session->request && session->request->suspended)
        http_resume(session->request);
    session->http->dirty = true;
}

void http_session_ended(struct http_session *session)
{
    int64_t linger_ms = session->http->draining ? HTTP_LINGER_STOP_MS : HTTP_LINGER_MS;

    if (session->linger && !session->http->stopped)
        sg_conn_finish(&session->base.conn, linger_ms);
    else
        sg_conn_close(&session->base.conn);
    sg_session_fini(&session->base);
    free(session);
}

void http_make_id(struct sg_http *http, char out[SG_JOB_NAME_MAX + 1])
{
    snprintf(out, SG_JOB_NAME_MAX + 1, "%08x-%llu", http->instance,
             (unsigned long long)++http->request_serial);
}

void http_refuse(struct http_session *session, const struct sg_error *err)
{
    struct http_request *request = session->request;
    unsigned status = request && request->status ? request->status : sg_http_status(err->code);
    char id[SG_JOB_NAME_MAX + 1];
    struct sg_buf reply;

    if (session->dead)
        return;
    if (!request)
        http_make_id(session->http, id); /* half a head: who sends it is named by this alone */
    sg_buf_init(&reply, HTTP_RAW_BYTES);
    http_reply_raw(&(struct http_refusal){.status = status,
                                          .err = err,
                                          .id = request ? request->id : id,
                                          .began_us = request ? request->began_us : session->phase_us,
                                          .request = request},
                   &reply);
    if (request) {
        request->error = *err;
        request->sent_status = status;
        request->sent_bytes = reply.size;
    }
    session->dead = session->linger = true;
    http_phase_set(session, HTTP_REFUSED);
    sg_intake_replied(session->base.intake, err->code);
    sg_metrics_http(session->http->server.metrics, request && request->route ? request->route->path : NULL,
                    status);
    if (sg_conn_send(session->base.conn, reply.data, reply.size) < 0) {
        session->phase = HTTP_IDLE;
        session->dead = false;
        http_kill(session);
    }
    sg_buf_fini(&reply);
}

static void on_want(void *user, uint8_t **out_data, size_t *out_size)
{
    (void)user;
    *out_data = NULL;
    *out_size = 0;
}

/* Cannot come: want never names memory. */
static void on_got(void *user, size_t n)
{
    (void)user;
    (void)n;
}

static void on_eof(void *user)
{
    http_kill(user);
}

static void on_drained(void *user)
{
    (void)user;
}

/* The client will not read what it asked for: its work is not begun, and no further if it has. */
static void on_gone(void *user)
{
    struct http_session *session = user;
    struct http_request *request = session->request;

    if (!request || !request->job || !request->suspended)
        return; /* the daemon sees it by itself */
    sg_log(SG_LOG_DEBUG, "client has gone", "request_id=%s", request->id);
    atomic_store_explicit(&request->job->cancelled, true, memory_order_relaxed);
    if (sg_intake_withdraw_job(session->base.intake, &session->flow, request->job))
        http_infer_done(request, request->job);
    http_kill(session);
}

/* The daemon reads on the edge: an end that came together with a request's last bytes it does not see. */
static void on_shut(void *user)
{
    struct http_session *session = user;

    session->peer_shut = true;
    if (session->phase == HTTP_IDLE)
        sg_conn_set_deadline(session->base.conn, deadline_of(session));
    on_gone(session);
}

static void on_lost(void *user, int code)
{
    struct http_session *session = user;

    (void)code;
    on_gone(session);
    http_kill(session);
}

static void late_request(struct http_session *session)
{
    struct http_request *request = session->request;
    struct sg_error error;

    sg_error_set(&error, SG_E_TIMEOUT,
                 "the request did not arrive in time: %zu bytes of its body after %lld ms (receive_timeout); "
                 "the connection closes",
                 request ? request->received : (size_t)0,
                 (long long)(sg_clock_us() - session->phase_us) / 1000);
    http_refuse(session, &error);
}

static void late_idle(struct http_session *session)
{
    int64_t limit_ms = session->base.options->idle_timeout_ms;

    if (next_has_begun(session))
        http_phase_set(session, HTTP_HEAD);
    else if (session->peer_shut || (limit_ms > 0 && sg_clock_us() >= session->phase_us + limit_ms * 1000))
        http_kill(session);
    else
        sg_conn_set_deadline(session->base.conn, deadline_of(session));
}

/* A slow reader is let be as long as it reads anything. */
static void late_reply(struct http_session *session)
{
    uint64_t acked = sg_http_socket_acked(socket_of(session));

    if (acked > session->bytes_noted) {
        session->bytes_noted = acked;
        sg_conn_set_deadline(session->base.conn, deadline_of(session));
        return;
    }
    sg_log(SG_LOG_WARN, "a client does not read its reply", "request_id=%s out_bytes=%zu",
           session->request ? session->request->id : "",
           session->request ? session->request->sent_bytes : (size_t)0);
    http_kill(session);
}

static void on_late(void *user)
{
    struct http_session *session = user;

    switch (session->phase) {
    case HTTP_IDLE:
        late_idle(session);
        break;
    case HTTP_HEAD:
    case HTTP_BODY:
        late_request(session);
        break;
    case HTTP_REPLY:
        late_reply(session);
        break;
    case HTTP_REFUSED:
        http_kill(session);
        break;
    case HTTP_WORK:
        break;
    }
}

static void job_done(struct sg_session *session, struct sg_job *job)
{
    struct http_session *s = session_of(session);

    if (s->request && s->request->job == job) {
        http_infer_done(s->request, job);
        return;
    }
    sg_counter_add(&session->intake->counters.dropped, 1);
    sg_intake_drop(session->intake, &job);
}

static void drain(struct sg_session *session)
{
    struct http_session *s = session_of(session);
    struct sg_error error;

    s->closing = true;
    if (s->phase == HTTP_HEAD || s->phase == HTTP_BODY) {
        sg_error_set(&error, SG_E_SHUTDOWN, "the server is stopping; send the request to the next one");
        http_refuse(s, &error);
    } else if (s->phase == HTTP_IDLE) {
        http_kill(s);
    }
}

static void abandon(struct sg_session *session)
{
    struct http_session *s = session_of(session);

    on_gone(s);
    http_kill(s);
}

static int64_t idle_since(struct sg_session *session)
{
    struct http_session *s = session_of(session);

    return s->phase == HTTP_IDLE && !s->dead ? s->phase_us : 0;
}

static bool has_begun(struct sg_session *session)
{
    struct http_session *s = session_of(session);
    bool begun = next_has_begun(s);

    if (begun && s->phase == HTTP_IDLE)
        http_phase_set(s, HTTP_HEAD);
    return begun;
}

static const struct sg_session_ops session_ops = {.job_done = job_done,
                                                  .idle_since = idle_since,
                                                  .has_begun = has_begun,
                                                  .drain = drain,
                                                  .abandon = abandon};
static const struct sg_conn_ops conn_ops = {.want = on_want,
                                            .got = on_got,
                                            .eof = on_eof,
                                            .drained = on_drained,
                                            .lost = on_lost,
                                            .late = on_late,
                                            .shut = on_shut};

static const char *const begins[] = {"GET ", "POST", "HEAD", "PUT ", "DELE",
                                     "OPTI", "PATC", "TRAC", "CONN", NULL};

/* One reply, whatever the client sends. */
static void refuse_at_once(struct sg_http *http, struct sg_conn *conn, const struct sg_error *refusal)
{
    char id[SG_JOB_NAME_MAX + 1];
    struct sg_buf reply;

    http_make_id(http, id);
    sg_buf_init(&reply, HTTP_RAW_BYTES);
    http_reply_raw(&(struct http_refusal){.status = sg_http_status(refusal->code),
                                          .err = refusal,
                                          .id = id,
                                          .began_us = sg_clock_us(),
                                          .options = http->server.options,
                                          .conn = conn},
                   &reply);
    sg_intake_replied(http->server.intake, refusal->code);
    if (sg_conn_send(conn, reply.data, reply.size) < 0)
        sg_conn_close(&conn);
    else
        sg_conn_finish(&conn, HTTP_LINGER_MS);
    sg_buf_fini(&reply);
}

static void http_open(void *shared, struct sg_conn *conn, struct sg_intake *intake,
                      const struct sg_server_options *options, const struct sg_error *refusal)
{
    struct sg_http *http = shared;
    struct http_session *session;
    struct sg_error error;

    if (refusal) {
        refuse_at_once(http, conn, refusal);
        return;
    }
    session = calloc(1, sizeof(*session));
    if (!session) {
        sg_conn_close(&conn);
        return;
    }
    sg_session_init(&session->base, &session_ops, conn, intake, options);
    session->http = http;
    sg_conn_start(conn, &conn_ops, session);
    if (http_daemon_add(http, session) < 0) {
        sg_session_fini(&session->base);
        free(session);
        sg_error_set(&error, SG_E_BUSY,
                     "the server has no descriptor left for this connection; try again later");
        refuse_at_once(http, conn, &error);
        return;
    }
    http_phase_set(session, HTTP_HEAD);
}

static int http_start(const struct sg_server_view *view, void **out_shared, struct sg_error *err)
{
    struct sg_http *http = calloc(1, sizeof(*http));
    int code;

    *out_shared = NULL;
    if (!http)
        return sg_error_set(err, SG_E_NOMEM, "no memory for HTTP");
    http->server = *view;
    if (getrandom(&http->instance, sizeof(http->instance), GRND_NONBLOCK) < 0)
        http->instance = (uint32_t)sg_clock_us();
    code = http_daemon_start(http, err);
    if (code < 0) {
        free(http);
        return code;
    }
    *out_shared = http;
    return 0;
}

/* /readyz says so. */
static void http_leave(void *shared)
{
    struct sg_http *http = shared;

    http->leaving = true;
}

/* And connections end with their replies. */
static void http_drain(void *shared)
{
    struct sg_http *http = shared;

    http->leaving = http->draining = true;
}

static size_t http_unsent(const void *shared)
{
    const struct sg_http *http = shared;

    return http->unsent;
}

static void http_end(void **shared)
{
    struct sg_http *http = *shared;

    *shared = NULL;
    http->stopped = true;
    http_daemon_stop(http); /* frees it when its handles are closed */
}

const struct sg_protocol_ops sg_protocol_http = {.name = "http",
                                                 .begins = begins,
                                                 .open = http_open,
                                                 .start = http_start,
                                                 .leave = http_leave,
                                                 .drain = http_drain,
                                                 .unsent = http_unsent,
                                                 .end = http_end};
