/* SPDX-License-Identifier: MIT
 * What the files of the HTTP room share: connections, requests, replies. Loop thread only.
 *
 * A connection reads a request (llhttp finds its parts, http_parse.c), works on it, replies, and only then
 * looks at the next one: what has been read of that already waits in `ahead`.
 */
#ifndef SG_HTTP_HTTP_PRIVATE_H
#define SG_HTTP_HTTP_PRIVATE_H

#include "http/http_form.h"
#include "http/http_params.h"
#include "http/http_path.h"
#include "http/http_route.h"
#include "http/http_status.h"
#include "serve/protocol.h"

#include <llhttp.h>
#include <time.h>

#define HTTP_HEAD_MAX   ((size_t)32 << 10) /* bytes of a head: target, names, values */
#define HTTP_FIELDS_MAX 128                /* header lines of one */
#define HTTP_SCRATCH_BYTES                                                                                   \
    ((size_t)64 << 10)           /* read at a time, of all but pictures that are a whole body                \
                                  */
#define HTTP_TURN_REQUESTS  16   /* answered on one connection before others get their turn */
#define HTTP_LINGER_MS      5000 /* for a client to finish sending and read its error */
#define HTTP_LINGER_STOP_MS 500
#define HTTP_REST_MAX       ((size_t)64 << 10) /* of a body nobody wants, read so that the connection lives on */

/* All routes of a server, in the order of sg_http_path_order. */
struct http_routes {
    struct {
        const struct http_route *route;
        void *ctx;
    } items[HTTP_ROUTES_MAX];
    int count;
};

struct sg_http {
    struct sg_server_view server;
    struct http_routes routes;
    bool leaving, draining;       /* soon; now */
    uv_timer_t turn;              /* runs while somebody waits for it */
    struct http_session *waiting; /* for their next turn, in no order */
    uint64_t request_serial;
    uint32_t instance; /* tells request ids of this process from those of others */
    time_t date_s;     /* the second that `date` says */
    char date[32];
    uint8_t scratch[HTTP_SCRATCH_BYTES]; /* of the connection that is being read */
};

enum http_phase {
    HTTP_PHASE_IDLE,  /* between requests */
    HTTP_PHASE_HEAD,  /* part of a request's head has come */
    HTTP_PHASE_BODY,  /* its body is coming */
    HTTP_PHASE_WORK,  /* it is complete and being worked on */
    HTTP_PHASE_REPLY, /* its reply waits for the client to read */
};

/* A head as it came. Offsets into text, where each piece ends with a NUL; the target is at 0. */
struct http_head {
    struct sg_buf text;
    struct {
        uint32_t name, value;
    } fields[HTTP_FIELDS_MAX + 1]; /* the last one is never complete */
    int count;
};

struct http_session {
    struct sg_session base;
    struct sg_http *http;
    llhttp_t parser;
    struct http_head head;
    struct http_request *request; /* NULL between requests */
    struct sg_flow flow;
    struct sg_buf ahead; /* read past the end of the request under way, from ahead_from on */
    size_t ahead_from;
    enum http_phase phase;
    int64_t phase_us;                  /* when it began */
    struct http_session *next, **link; /* of http->waiting; link NULL: it does not wait */
    uint64_t turn_ms;                  /* the loop's time of its turn */
    int turn_left;                     /* requests that it may have answered in it */
    int protocol_at;  /* letters of "HTTP" in the request line so far; -1: it says another word */
    size_t head_wire; /* bytes of the head so far, blanks included */
    int depth;        /* of calls that are at it: it is freed when the last one returns */
    bool ended;       /* the connection is not ours any more */
    bool closing;     /* the reply under way is the last one */
    bool complete;    /* set by the parser: the request is there */
    bool refused;     /* likewise: the request is not read on, its error says why */
};

enum http_body { HTTP_BODY_NONE, HTTP_BODY_RAW, HTTP_BODY_MULTIPART, HTTP_BODY_JSON };

struct http_request {
    struct http_session *session; /* NULL for who is refused before anything was read */
    struct sg_http *http;
    const struct http_route *route;
    void *route_ctx;
    struct sg_http_path_values path_values;
    const char *method, *path; /* as they came; "" until the head is there */
    char *query;               /* what follows the "?", escaped; or NULL */
    char id[SG_JOB_NAME_MAX + 1];
    int64_t began_us;
    bool head_done, keep_alive;
    /* The body. */
    enum http_body body;
    struct sg_http_form *form; /* or NULL */
    uint64_t expected;         /* Content-Length, 0 when not known */
    bool has_body, chunked, expect_continue;
    bool misread; /* the head is not to be trusted, nor where the body ends: the connection closes */
    size_t received, max_body;
    size_t wire_bytes;                     /* of a body with its chunks' sizes, and of what follows it */
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
    unsigned sent_status;
    size_t sent_bytes;
};

/* http.c: around every call into a session from outside. leave goes on with what has been read ahead and
 * frees a session that has ended. */
void http_enter(struct http_session *session);
void http_leave(struct http_session *session);
void http_phase_set(struct http_session *session, enum http_phase phase);
/* Answers with the error and ends the connection, whatever the client is still sending. */
void http_refuse(struct http_session *session, const struct sg_error *err);
/* The reply is out, or as good as. */
void http_replied(struct http_session *session);
/* Ends the connection now. */
void http_kill(struct http_session *session);
/* A request id of the server's own. */
void http_make_id(struct sg_http *http, char out[SG_JOB_NAME_MAX + 1]);

/* http_parse.c */
void http_parse_init(struct http_session *session);
/* Reads on, to the end of a request at most, and returns how many bytes that were. Sets session->complete or
 * refused. */
size_t http_parse(struct http_session *session, const void *data, size_t size);

/* http_head.c */
void http_head_init(struct http_head *head);
void http_head_fini(struct http_head *head);
void http_head_clear(struct http_head *head);
/* More of the piece that is arriving; its end. SG_E_TOO_LARGE, SG_E_NOMEM. */
int http_head_add(struct http_head *head, const char *at, size_t size);
int http_head_end_target(struct http_head *head);
int http_head_end_name(struct http_head *head);
int http_head_end_value(struct http_head *head);
/* The head as a whole: fills path and query. SG_E_INVALID, SG_E_FRAMING, SG_E_UNSUPPORTED. */
int http_head_check(struct http_request *request, struct sg_error *err);

/* http_request.c */
/* Takes the client's own name for it, where it sent one. */
void http_request_name(struct http_request *request);
/* NULL: no memory. */
struct http_request *http_request_create(struct http_session *session);
/* Logs it and gives back all it holds. A job that is with a worker is marked: its client has gone. */
void http_request_destroy(struct http_request **request);
/* The head is there. Below 0: request->error says why the rest is not even read. */
int http_request_head(struct http_request *request);
int http_request_data(struct http_request *request, const char *data, size_t size);
/* All of it is there. */
void http_request_serve(struct http_request *request);

/* http_routes.c */
/* The routes of this room. */
extern const struct http_route_table http_own_routes;
/* Adds a table. SG_E_INTERNAL: a row is no route, is there already, or too many are. */
int http_routes_add(struct http_routes *routes, const struct http_route_table *table, struct sg_error *err);
/* Finds request->route for its path and that method, and what the path says of it. SG_E_INVALID (no path),
 * SG_E_NOT_FOUND, or with request->status 405 and request->allow SG_E_UNSUPPORTED: the path has other
 * methods.
 */
int http_route_find(struct http_request *request, const char *method, struct sg_error *err);
/* "GET, HEAD" */
const char *http_allow_text(unsigned methods);

/* http_file.c */
void http_file_serve(struct http_request *request);
/* A route can have it: nothing is missing, and its headers fit. */
bool http_file_is_whole(const struct http_file *file);
/* Whether the value of If-None-Match has that entity tag. */
bool http_etag_listed(const char *list, const char *etag);

/* http_cors.c */
/* Header lines of a reply that tell browsers which pages may read it. 0, or what sg_buf_printf says. */
int http_cors_headers(const struct http_request *request, struct sg_buf *out);
/* The same where a connection is refused before its request was read: what has come of it is looked at. */
int http_cors_headers_unread(const struct sg_server_options *options, struct sg_conn *conn,
                             struct sg_buf *out);
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
/* Memory of the job that the next bytes may be read into; size 0 when they must be looked at first. */
void http_body_place(const struct http_request *request, uint8_t **out_data, size_t *out_size);
int http_body_data(struct http_request *request, const char *data, size_t size, struct sg_error *err);
int http_body_end(struct http_request *request, struct sg_error *err);

/* http_infer.c, http_info.c */
int http_infer_begin(struct http_request *request, struct sg_error *err);
void http_infer_serve(struct http_request *request);
/* The job is back from the workers. */
void http_infer_answer(struct http_request *request);
void http_pipelines_serve(struct http_request *request);
void http_pipeline_serve(struct http_request *request);
void http_models_serve(struct http_request *request);
void http_model_serve(struct http_request *request);
void http_version_serve(struct http_request *request);
void http_live_serve(struct http_request *request);
void http_ready_serve(struct http_request *request);
void http_metrics_serve(struct http_request *request);
void http_reload_serve(struct http_request *request);

/* http_reply.c */
/* The whole reply to a request that nobody reads, in bytes: of an error, and the last one of its connection.
 * unread: that, or NULL. */
int http_error_bytes(struct http_request *request, const struct sg_error *err, struct sg_conn *unread,
                     struct sg_buf *out);

#endif
