/* SPDX-License-Identifier: MIT
 * HTTP connections: from the sniffer to their end; deadlines; what happens when the server stops.
 */
#include "http/http.h"
#include "http/http_private.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define HTTP_TURN_MS   1                  /* libuv before 1.45 runs timers of 0 again before anybody else */
#define HTTP_RAW_BYTES ((size_t)16 << 10) /* of a refusal, headers included */

static struct http_session *session_of(struct sg_session *session)
{
    return (struct http_session *)(void *)session;
}

/* A request may come, or go on coming. */
static bool reads(const struct http_session *session)
{
    return !session->ended && session->phase <= HTTP_PHASE_BODY;
}

void http_phase_set(struct http_session *session, enum http_phase phase)
{
    const struct sg_server_options *options = session->base.options;
    int64_t deadline_us = 0;

    /* A request has its time from its first byte to its last. */
    if ((session->phase != phase && phase != HTTP_PHASE_BODY) || phase == HTTP_PHASE_IDLE)
        session->phase_us = sg_clock_us();
    session->phase = phase;
    if (phase == HTTP_PHASE_IDLE && options->idle_timeout_ms > 0) {
        deadline_us = session->phase_us + options->idle_timeout_ms * 1000;
    } else if (phase == HTTP_PHASE_HEAD || phase == HTTP_PHASE_BODY) {
        deadline_us = sg_session_receive_deadline(&session->base, session->phase_us,
                                                  session->request ? session->request->received : 0);
    }
    sg_conn_set_deadline(session->base.conn, deadline_us);
}

/* The client will not read what it asked for: its work is not begun. Where it has, http_request_destroy marks
 * the job. */
static void leave_work(struct http_session *session)
{
    struct http_request *request = session->request;

    if (session->phase != HTTP_PHASE_WORK || !request || !request->job)
        return;
    sg_log(SG_LOG_DEBUG, "client has gone", "request_id=%s", request->id);
    if (sg_intake_withdraw_job(session->base.intake, &session->flow, request->job))
        request->job->finished = true;
}

static void stop_waiting(struct http_session *session)
{
    if (!session->link)
        return;
    *session->link = session->next;
    if (session->next)
        session->next->link = session->link;
    session->link = NULL;
}

/* lingering: the last reply is on its way. */
static void end(struct http_session *session, bool lingering)
{
    if (session->ended)
        return;
    leave_work(session); /* the pool must know no flow of a session that is freed */
    stop_waiting(session);
    session->ended = true;
    http_request_destroy(&session->request);
    if (lingering)
        sg_conn_finish(&session->base.conn, session->http->draining ? HTTP_LINGER_STOP_MS : HTTP_LINGER_MS);
    else
        sg_conn_close(&session->base.conn);
}

void http_kill(struct http_session *session)
{
    end(session, false);
}

/* Takes requests out of the bytes until one has to be waited for. Returns how many were taken. */
static size_t feed(struct http_session *session, const uint8_t *data, size_t size)
{
    size_t used = 0;

    while (used < size && reads(session) && session->turn_left > 0) {
        used += http_parse(session, data + used, size - used);
        if (session->refused && !session->request) {
            http_kill(session); /* no memory for it */
        } else if (session->refused) {
            struct sg_error err = session->request->error;

            http_refuse(session, &err);
        } else if (session->complete) {
            session->complete = false;
            session->turn_left--;
            http_request_serve(session->request);
        }
    }
    return used;
}

void http_enter(struct http_session *session)
{
    uint64_t now_ms = uv_now(session->http->server.loop);

    if (session->depth++ == 0 && now_ms != session->turn_ms) {
        session->turn_ms = now_ms;
        session->turn_left = HTTP_TURN_REQUESTS;
    }
}

static void on_turn(uv_timer_t *timer)
{
    struct sg_http *http = timer->data;
    struct http_session *session = http->waiting, *next;

    for (; session; session = next) {
        next = session->next;
        stop_waiting(session);
        http_enter(session);
        session->turn_left = HTTP_TURN_REQUESTS;
        http_leave(session);
    }
}

/* What has been read of further requests is looked at when the loop has seen to the others. */
static void wait_for_turn(struct http_session *session)
{
    struct sg_http *http = session->http;

    if (session->link)
        return;
    session->next = http->waiting;
    session->link = &http->waiting;
    if (session->next)
        session->next->link = &session->next;
    http->waiting = session;
    uv_timer_start(&http->turn, on_turn, HTTP_TURN_MS, 0);
}

void http_leave(struct http_session *session)
{
    while (session->depth == 1 && reads(session) && session->turn_left > 0 &&
           session->ahead.size > session->ahead_from)
        session->ahead_from += feed(session, session->ahead.data + session->ahead_from,
                                    session->ahead.size - session->ahead_from);
    if (--session->depth > 0)
        return;
    if (!session->ended) {
        if (session->ahead.size == session->ahead_from && session->ahead.size > 0) {
            session->ahead_from = 0;
            sg_buf_fini(&session->ahead); /* pipelining is rare: keep no memory for it */
        }
        if (reads(session) && session->ahead.size > 0)
            wait_for_turn(session);
        else if (reads(session))
            sg_conn_resume(session->base.conn);
        return;
    }
    sg_session_fini(&session->base);
    http_head_fini(&session->head);
    sg_buf_fini(&session->ahead);
    free(session);
}

void http_make_id(struct sg_http *http, char out[SG_JOB_NAME_MAX + 1])
{
    snprintf(out, SG_JOB_NAME_MAX + 1, "%08x-%llu", http->instance,
             (unsigned long long)++http->request_serial);
}

void http_refuse(struct http_session *session, const struct sg_error *err)
{
    session->refused = false;
    session->closing = true;
    if (!session->request)
        session->request = http_request_create(session);
    else if (!session->request->head_done)
        http_request_name(session->request);
    if (session->request)
        http_reply_error(session->request, err);
    else
        http_kill(session);
}

void http_replied(struct http_session *session)
{
    if (session->closing) {
        end(session, true);
        return;
    }
    if (sg_conn_unsent(session->base.conn) > 0) {
        http_phase_set(session, HTTP_PHASE_REPLY);
        return;
    }
    http_request_destroy(&session->request);
    http_head_clear(&session->head);
    http_phase_set(session, HTTP_PHASE_IDLE);
}

static void on_want(void *user, uint8_t **out_data, size_t *out_size)
{
    struct http_session *session = user;

    if (!reads(session) || session->ahead.size > 0)
        return; /* resumed by http_leave */
    if (session->phase == HTTP_PHASE_BODY)
        http_body_place(session->request, out_data, out_size);
    if (*out_size == 0) {
        *out_data = session->http->scratch;
        *out_size = HTTP_SCRATCH_BYTES;
    }
}

static void on_got(void *user, size_t n)
{
    struct http_session *session = user;
    uint8_t *data = NULL;
    size_t size = 0, used;

    on_want(session, &data, &size); /* the same place still */
    http_enter(session);
    used = feed(session, data, n);
    if (!session->ended && used < n && sg_buf_append(&session->ahead, data + used, n - used) < 0)
        http_kill(session);
    http_leave(session);
}

static void on_eof(void *user)
{
    http_enter(user);
    http_kill(user);
    http_leave(user);
}

static void on_drained(void *user)
{
    struct http_session *session = user;

    http_enter(session);
    if (session->phase == HTTP_PHASE_REPLY)
        http_replied(session);
    http_leave(session);
}

/* The client's side is shut while its work is done, or its reply waits: HTTP does not end like that, so it
 * has gone, unless nobody but us is busy with what it asked for. */
static void on_shut(void *user)
{
    struct http_session *session = user;

    http_enter(session);
    if (session->phase == HTTP_PHASE_WORK && session->request && session->request->job)
        http_kill(session);
    http_leave(session);
}

static void on_lost(void *user, int code)
{
    struct http_session *session = user;

    http_enter(session);
    if (code == SG_E_TIMEOUT)
        sg_log(SG_LOG_WARN, "a client does not read its reply", "request_id=%s unsent_bytes=%zu",
               session->request ? session->request->id : "", sg_conn_unsent(session->base.conn));
    http_kill(session);
    http_leave(session);
}

static void late_request(struct http_session *session)
{
    struct sg_error error;

    sg_error_set(&error, SG_E_TIMEOUT,
                 "the request did not arrive in time: %zu bytes of its body after %lld ms (receive_timeout); "
                 "the connection closes",
                 session->request ? session->request->received : (size_t)0,
                 (long long)(sg_clock_us() - session->phase_us) / 1000);
    http_refuse(session, &error);
}

static void on_late(void *user)
{
    struct http_session *session = user;

    http_enter(session);
    if (session->phase == HTTP_PHASE_IDLE)
        http_kill(session);
    else if (reads(session))
        late_request(session);
    http_leave(session);
}

static void job_done(struct sg_session *session, struct sg_job *job)
{
    struct http_session *s = session_of(session);

    if (!s->request || s->request->job != job) { /* of a request that is not there any more */
        sg_counter_add(&session->intake->counters.dropped, 1);
        sg_intake_drop(session->intake, &job);
        return;
    }
    http_enter(s);
    job->finished = true;
    http_infer_answer(s->request);
    http_leave(s);
}

static void drain(struct sg_session *session)
{
    struct http_session *s = session_of(session);
    struct sg_error error;

    http_enter(s);
    s->closing = true;
    if (s->phase == HTTP_PHASE_HEAD || s->phase == HTTP_PHASE_BODY) {
        sg_error_set(&error, SG_E_SHUTDOWN, "the server is stopping; send the request to the next one");
        http_refuse(s, &error);
    } else if (s->phase == HTTP_PHASE_IDLE && s->ahead.size == 0) {
        http_kill(s);
    } else if (s->phase == HTTP_PHASE_IDLE) { /* the next one has come, and waits for its turn */
        sg_error_set(&error, SG_E_SHUTDOWN, "the server is stopping; send the request to the next one");
        http_refuse(s, &error);
    }
    http_leave(s);
}

static void abandon(struct sg_session *session)
{
    struct http_session *s = session_of(session);

    http_enter(s);
    http_kill(s);
    http_leave(s);
}

static int64_t idle_since(struct sg_session *session)
{
    const struct http_session *s = session_of(session);

    return s->phase == HTTP_PHASE_IDLE && s->ahead.size == 0 ? s->phase_us : 0;
}

static const struct sg_session_ops session_ops = {
    .job_done = job_done, .idle_since = idle_since, .drain = drain, .abandon = abandon};
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
    struct http_request request = {.http = http, .method = "", .path = "", .began_us = sg_clock_us()};
    struct sg_buf reply;

    http_make_id(http, request.id);
    sg_buf_init(&reply, HTTP_RAW_BYTES);
    sg_intake_replied(http->server.intake, refusal->code);
    if (http_error_bytes(&request, refusal, conn, &reply) < 0 ||
        sg_conn_send(conn, reply.data, reply.size) < 0)
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
    sg_buf_init(&session->ahead, HTTP_SCRATCH_BYTES);
    http_head_init(&session->head);
    http_parse_init(session);
    sg_conn_start(conn, &conn_ops, session);
    http_phase_set(session, HTTP_PHASE_HEAD);
}

static int add_routes(struct http_routes *routes, const struct sg_http_setup *setup, struct sg_error *err)
{
    int i, code = http_routes_add(routes, &http_own_routes, err);

    for (i = 0; setup && i < setup->count && code == 0; i++)
        code = http_routes_add(routes, &setup->tables[i], err);
    return code;
}

static int http_start(const struct sg_server_view *view, const void *setup, void **out_shared,
                      struct sg_error *err)
{
    struct sg_http *http = calloc(1, sizeof(*http));

    *out_shared = NULL;
    if (!http)
        return sg_error_set(err, SG_E_NOMEM, "no memory for HTTP");
    if (add_routes(&http->routes, setup, err) < 0) {
        free(http);
        return err->code;
    }
    *out_shared = http;
    http->server = *view;
    uv_timer_init(view->loop, &http->turn);
    http->turn.data = http;
    if (getrandom(&http->instance, sizeof(http->instance), GRND_NONBLOCK) < 0)
        http->instance = (uint32_t)sg_clock_us();
    return 0;
}

/* /readyz says so. */
static void http_leave_soon(void *shared)
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

static void on_turn_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void http_end(void **shared)
{
    struct sg_http *http = *shared;

    *shared = NULL;
    uv_close((uv_handle_t *)&http->turn, on_turn_closed);
}

const struct sg_protocol_ops sg_protocol_http = {.name = "http",
                                                 .begins = begins,
                                                 .open = http_open,
                                                 .start = http_start,
                                                 .leave = http_leave_soon,
                                                 .drain = http_drain,
                                                 .end = http_end};
