/* SPDX-License-Identifier: MIT
 * What the files of the HTTP room share: the daemon, connections, requests. Loop thread only.
 *
 * A connection has two owners of one socket. net/conn keeps its place in the table, its deadlines and its
 * end; libmicrohttpd reads and writes through a second descriptor. Requests of a connection come one at a
 * time.
 */
#ifndef SG_HTTP_HTTP_PRIVATE_H
#define SG_HTTP_HTTP_PRIVATE_H

#include "http/http_form.h"
#include "http/http_params.h"
#include "http/http_status.h"
#include "serve/protocol.h"

#include <microhttpd.h>

#define HTTP_CONNECTION_BYTES ((size_t)32 << 10) /* headers of a request, and what is read at a time */
#define HTTP_LINGER_MS        5000               /* for a client to finish sending and read its error */
#define HTTP_LINGER_STOP_MS   500
#define HTTP_RAW_BYTES        ((size_t)16 << 10) /* of a refusal, headers included */
#define HTTP_REST_MAX         ((size_t)64 << 10) /* of a body nobody wants, read so that the connection lives on */

struct http_request;

struct sg_http {
    struct sg_server_view server;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_prepare_t turn;
    int handles;                     /* of the three above that are open */
    struct http_session *adding;     /* the daemon tells of a connection from inside MHD_add_connection */
    bool dirty;                      /* the daemon has something to do before the loop sleeps */
    bool leaving, draining, stopped; /* soon; now; it has */
    size_t unsent;
    uint64_t request_serial;
    uint32_t instance; /* tells request ids of this process from those of others */
};

enum http_phase {
    HTTP_IDLE,    /* between requests */
    HTTP_HEAD,    /* part of a request's head has come */
    HTTP_BODY,    /* its body is coming */
    HTTP_WORK,    /* it is complete and being worked on */
    HTTP_REPLY,   /* its reply is going out */
    HTTP_REFUSED, /* a final error went out behind the daemon's back; nothing more is read */
};

struct http_session {
    struct sg_session base;
    struct sg_http *http;
    struct MHD_Connection *mhd;
    struct http_request *request; /* NULL between requests */
    struct sg_flow flow;
    const char *target, *target_end; /* of the request whose head is read; up to its first blank or NUL */
    enum http_phase phase;
    int64_t phase_us; /* when it began */
    uint64_t
        bytes_taken; /* arrived when the last request was complete: what is more belongs to the next one */
    uint64_t strays; /* bytes between requests since bytes_taken was exact, at the most */
    uint64_t bytes_noted; /* of the reply, read by the client at the last look */
    bool dead;            /* every further call of the daemon ends the connection */
    bool linger;          /* read on into nothing after the end, so that the last reply arrives */
    bool closing;         /* the reply under way is the last one */
    bool peer_shut;       /* no further bytes will come */
};

enum http_body { HTTP_BODY_NONE, HTTP_BODY_RAW, HTTP_BODY_MULTIPART, HTTP_BODY_JSON };

struct http_route {
    const char *path;
    unsigned methods; /* HTTP_GET (with HEAD), HTTP_POST, HTTP_PUT */
    bool quiet;       /* asked all day long by those who watch: no line in the log */
    bool same_site;   /* changes the server: not for pages of other sites */
    /* Headers are there: what is wrong already, what the body is. NULL = the body is ignored. */
    int (*begin)(struct http_request *request, struct sg_error *err);
    /* The body is complete: answers, or suspends and answers when called again. */
    void (*serve)(struct http_request *request);
};

enum { HTTP_GET = 1, HTTP_POST = 2, HTTP_PUT = 4 };

struct http_request {
    struct http_session *session;
    struct sg_http *http;
    struct MHD_Connection *mhd;
    const struct http_route *route;
    const char *method, *path; /* borrowed from the daemon */
    char id[SG_JOB_NAME_MAX + 1];
    int64_t began_us;
    bool suspended;
    /* The body. */
    enum http_body body;
    struct sg_http_form *form; /* or NULL */
    uint64_t expected;         /* Content-Length, 0 when not known */
    bool has_body, chunked, expect_continue;
    bool misread; /* the head is not to be trusted, nor where the body ends: the connection closes */
    size_t received, max_body;
    int picture_parts;                     /* of a form */
    bool in_picture;                       /* that part is arriving */
    char field[SG_HTTP_FORM_NAME_MAX + 1]; /* name and value of the field that is arriving */
    char value[SG_HTTP_VALUE_MAX];
    size_t value_size;
    struct sg_http_params params;
    struct sg_job *job;
    /* The answer. */
    struct sg_error error; /* code SG_OK = none so far */
    unsigned status;       /* overrides the error's own when not 0 */
    unsigned allow;        /* methods, with 405 */
    int64_t retry_ms;      /* what Retry-After says, 0 = not known */
    bool preflight;        /* a browser asks what a page may do */
    struct sg_reload_waiter reload;
    struct sg_buf reload_report; /* of the load that answers this request */
    bool reloaded;
    unsigned sent_status;
    size_t sent_bytes;
    bool counted_unsent;
};

/* http.c */
void http_phase_set(struct http_session *session, enum http_phase phase);
/* Writes the request's error past the daemon and ends the connection: for clients that are still sending. */
void http_refuse(struct http_session *session, const struct sg_error *err);
/* The daemon has let the connection go. */
void http_session_ended(struct http_session *session);
/* Ends the connection now. */
void http_kill(struct http_session *session);

/* A request id of the server's own. */
void http_make_id(struct sg_http *http, char out[SG_JOB_NAME_MAX + 1]);

/* http_daemon.c */
int http_daemon_start(struct sg_http *http, struct sg_error *err);
void http_daemon_stop(struct sg_http *http);
/* The daemon takes a second descriptor of the session's socket. */
int http_daemon_add(struct sg_http *http, struct http_session *session);
void http_suspend(struct http_request *request);
void http_resume(struct http_request *request);

/* http_request.c: the daemon's callbacks. */
enum MHD_Result http_on_request(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                                const char *version, const char *data, size_t *size, void **context);
void http_on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode why);
/* NULL = absent. */
const char *http_header(const struct http_request *request, const char *name);

/* http_head.c */
/* The daemon's callbacks: the target as it came; one part of it without its escapes, in place. */
void *http_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
size_t http_on_unescape(void *cls, struct MHD_Connection *mhd, char *text);
/* The head as a whole. SG_E_INVALID, SG_E_FRAMING, SG_E_UNSUPPORTED (a transfer coding). */
int http_head_check(struct http_request *request, const char *version, struct sg_error *err);

/* http_routes.c */
const struct http_route *http_routes(int *out_count);
/* NULL with err and out_status set when there is no such path (404) or it has other methods (405). */
const struct http_route *http_route_find(const char *method, const char *path, struct sg_error *err,
                                         unsigned *out_status, unsigned *out_allow);
/* "GET, HEAD" */
const char *http_allow_text(unsigned methods);

/* http_cors.c */
typedef void (*http_add_fn)(void *arg, const char *name, const char *value);
/* Headers of a reply that tell browsers which pages may read it. */
void http_cors_headers(const struct http_request *request, http_add_fn add, void *arg);
/* The same where a connection is refused before its request was read: what has come of it is looked at. */
void http_cors_headers_unread(const struct sg_server_options *options, const struct sg_conn *conn,
                              http_add_fn add, void *arg);
bool http_cors_is_preflight(const struct http_request *request);
void http_cors_serve_preflight(struct http_request *request);
/* For routes that change the server: err, and 403, when a page of another site sent it. */
int http_cors_same_site(struct http_request *request, struct sg_error *err);

/* http_body.c: the body of a request for work goes into its job. All return 0 or an error in err. */
/* NULL = the default one */
const char *http_pipeline_name(const struct http_request *request);
/* SG_E_BUSY in words: so many of `what`, limited by that key. */
int http_busy(struct http_request *request, const char *what, const char *key, struct sg_error *err);
/* SG_E_TOO_MANY while the client is over its share, with the time to retry. */
int http_too_many(struct http_request *request, bool arrived, struct sg_error *err);
int http_body_begin(struct http_request *request, struct sg_error *err);
int http_body_data(struct http_request *request, const char *data, size_t size, struct sg_error *err);
int http_body_end(struct http_request *request, struct sg_error *err);

/* http_infer.c, http_info.c */
int http_infer_begin(struct http_request *request, struct sg_error *err);
void http_infer_serve(struct http_request *request);
void http_infer_done(struct http_request *request, struct sg_job *job);
void http_index_serve(struct http_request *request);
void http_pipelines_serve(struct http_request *request);
void http_models_serve(struct http_request *request);
void http_version_serve(struct http_request *request);
void http_openapi_serve(struct http_request *request);
void http_live_serve(struct http_request *request);
void http_ready_serve(struct http_request *request);
void http_metrics_serve(struct http_request *request);
void http_reload_serve(struct http_request *request);

/* http_reply.c */
/* Queues a reply; takes the bytes of body (left empty). timing may be NULL. */
void http_reply(struct http_request *request, unsigned status, const char *type, struct sg_buf *take_body,
                const int64_t *timing_us);
/* The same for a response that is made; takes it, NULL (no memory) ends the connection. type may be NULL. */
void http_reply_queue(struct http_request *request, unsigned status, const char *type,
                      struct MHD_Response *response, size_t size, const int64_t *timing_us);
void http_reply_static(struct http_request *request, const char *type, const void *data, size_t size);
void http_reply_error(struct http_request *request, const struct sg_error *err);
/* {"error":{…}} for err. */
void http_error_body(const struct sg_error *err, const char *id, struct sg_buf *out);
struct http_refusal {
    unsigned status;
    const struct sg_error *err;
    const char *id;
    int64_t began_us;
    const struct http_request *request;
    const struct sg_server_options *options;
    const struct sg_conn *conn;
};
/* A whole reply in bytes that closes the connection. request is the one it answers, or NULL: then headers
 * that say which pages may read it can be looked up in what conn (or NULL) has sent. */
void http_reply_raw(const struct http_refusal *refusal, struct sg_buf *out);

#endif
