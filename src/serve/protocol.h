/* SPDX-License-Identifier: MIT
 * A protocol: told apart by the first four bytes of a connection, turns bytes into jobs and jobs into
 * replies. app names those that a server speaks (sg_server_options.protocols). Loop thread only, but for the
 * encode function that it gives its jobs.
 */
#ifndef SG_SERVE_PROTOCOL_H
#define SG_SERVE_PROTOCOL_H

#include "net/conn.h"
#include "serve/job_intake.h"
#include "serve/reload.h"
#include "serve/server.h"

#include <uv.h>

struct sg_session;

/* What the server asks of one connection's protocol. */
struct sg_session_ops {
    /* A job of this session is back from the workers and is the session's again. */
    void (*job_done)(struct sg_session *session, struct sg_job *job);
    /* Since when the client owes nothing and is owed nothing (sg_clock_us); 0 = something is under way. */
    int64_t (*idle_since)(struct sg_session *session);
    /* The server is stopping, or the idle connection gives way: read no further, answer what was admitted,
     * then finish. Called once. */
    void (*drain)(struct sg_session *session);
    /* Close now; jobs still with the workers are marked cancelled. */
    void (*abandon)(struct sg_session *session);
};

/* First member of every protocol's own struct; the user pointer of its connection. */
struct sg_session {
    const struct sg_session_ops *ops;
    struct sg_conn *conn;
    struct sg_intake *intake;
    const struct sg_server_options *options;
    struct sg_share_member *member; /* what the gate knows the connection by */
};

/* fini leaves the connection alone: it may have been closed before. */
void sg_session_init(struct sg_session *session, const struct sg_session_ops *ops, struct sg_conn *conn,
                     struct sg_intake *intake, const struct sg_server_options *options);
void sg_session_fini(struct sg_session *session);

/* By when a message that began at began_us, of which so many bytes have come, must be whole: receive_timeout,
 * and the time that those take at the slowest rate that is put up with. */
int64_t sg_session_receive_deadline(const struct sg_session *session, int64_t began_us, size_t bytes);

/* A job is the session's: when it is done it comes to job_done, or is dropped should the session have ended.
 */
void sg_session_own(const struct sg_session *session, struct sg_job *job);

/* A frame that has been answered, for the log: "request" at info when log_frames asks for it, else "reply" at
 * debug. id is what the client knows the request by. */
struct sg_frame_answer {
    const char *protocol, *pipeline; /* NULL = it got no pipeline */
    uint64_t id;
    int code;
    size_t in_bytes, out_bytes;
    int64_t us; /* since it was complete */
};
void sg_session_log(const struct sg_session *session, const struct sg_frame_answer *answer);
/* The same of a job, with its reply encoded. */
void sg_session_log_job(const struct sg_session *session, const char *protocol, uint64_t id,
                        const struct sg_job *job);

/* What a protocol may know of its server beyond the connections that it gets. All of it outlives what start
 * returns. */
struct sg_server_view {
    uv_loop_t *loop;
    struct sg_intake *intake;
    const struct sg_server_options *options;
    const struct sg_server_app *app; /* or NULL */
    struct sg_metrics *metrics;
    struct sg_reload *reload;
    /* Current values for /metrics. */
    void (*gauges)(void *arg, struct sg_metrics_gauges *gauges);
    void *gauges_arg;
};

/* A connection was lost with that code: a warning when that is because replies were not read. */
void sg_session_log_lost(const struct sg_session *session, int code);

struct sg_protocol_ops {
    const char *name;
    const char *const *begins; /* first four bytes of its connections, each 4 long, NULL at the end */
    /* Takes the connection over. With a refusal it answers that error and finishes, whatever the client
     * sends. */
    void (*open)(void *shared, struct sg_conn *conn, struct sg_intake *intake,
                 const struct sg_server_options *options, const struct sg_error *refusal);

    /* What all its connections share: made before the first of them. NULL, and so are those below: nothing.
     */
    int (*start)(const struct sg_server_view *view, const void *setup, void **out_shared,
                 struct sg_error *err);
    /* For start: what app has for this protocol, in a copy of its ops. Each protocol says what that is. */
    const void *setup;
    /* The server will stop soon; it is stopping: sessions are drained by themselves. */
    void (*leave)(void *shared);
    void (*drain)(void *shared);
    /* No connection is left. Handles close when the loop has run once more. */
    void (*end)(void **shared);
};

/* Which of the protocols (NULL at the end) the first `count` bytes of a connection begin, as far as they are
 * there. What begins none is of the last one. */
int sg_protocol_find(const struct sg_protocol_ops *const *protocols, const uint8_t *head, int count);

#endif
