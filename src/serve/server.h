/* SPDX-License-Identifier: MIT
 * The server: one port, the loop, the workers, and how they start and stop. app wires it:
 *
 *     sg_server_create(&options, &server, err)    the port is bound: a busy one fails before models load
 *     sg_server_start(server, &job_ops, err)      workers open their state, all at the same time
 *     sg_server_run(server, err)                  serves until SIGINT, SIGTERM or sg_server_stop
 *     sg_server_destroy(&server)                  then models and pipelines may go
 */
#ifndef SG_SERVE_SERVER_H
#define SG_SERVE_SERVER_H

#include "admission/job.h"
#include "base/buf.h"
#include "base/error.h"
#include "data/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* No picture is larger: lengths above it are what HTTP methods and "SGT2" look like. */
#define SG_SERVER_MAX_FRAME_BYTES ((size_t)512 << 20)
/* A picture must arrive in receive_timeout_ms plus the time it takes at this rate. */
#define SG_SERVER_MIN_RATE_BYTES_PER_S 16384

struct sg_server;
struct sg_counters;      /* serve/job_intake.h */
struct sg_conn_counters; /* net/conn.h */
struct sg_protocol_ops;  /* serve/protocol.h */

#define SG_SERVER_PROTOCOLS_MAX 16
#define SG_SERVER_LISTENERS_MAX 16

/* What the server asks of the application besides work. Loop thread but for load and load_late; any may be
 * NULL. */
struct sg_server_app {
    void *ctx;
    const char *runtime;    /* name and version of what runs models */
    const char *not_loaded; /* what could run them and is not there, with the reason; NULL or "": nothing */
    /* The JSON of GET /v1/pipelines and /v1/models; further lines of /metrics. Appended; 0 or SG_E_NOMEM. */
    int (*list_pipelines)(void *ctx, struct sg_buf *out);
    int (*list_models)(void *ctx, struct sg_buf *out);
    /* The element of those lists that has this name: GET /v1/pipelines/NAME, /v1/models/NAME. Appended;
     * SG_E_NOT_FOUND with the names there are, SG_E_NOMEM. */
    int (*tell_pipeline)(void *ctx, const char *name, struct sg_buf *out, struct sg_error *err);
    int (*tell_model)(void *ctx, const char *name, struct sg_buf *out, struct sg_error *err);
    int (*list_metrics)(void *ctx, struct sg_buf *out);
    /* On a thread of its own, one at a time: reads configuration and models again, changes nothing. The
     * report takes one line for each problem, or on success for each remark. */
    int (*load)(void *ctx, void **out_loaded, struct sg_buf *report, struct sg_error *err);
    /* Makes it what new requests get; those under way keep what they have. Takes it. */
    void (*swap)(void *ctx, void *loaded);
    void (*discard)(void *ctx, void *loaded);
    /* Whether pipelines were left to be loaded while the server runs; their names, as far as they fit. */
    bool (*loading)(void *ctx, char *names, size_t size);
    /* Loads them, on a thread of its own, once; then show_late, or when it failed the server ends with it. */
    int (*load_late)(void *ctx, struct sg_error *err);
    void (*show_late)(void *ctx);
    /* The server ends: load_late should too. */
    void (*leave_late)(void *ctx);
};

struct sg_server_options {
    /* What is spoken, in the order in which the first bytes of a connection are compared; NULL at the end.
     * The last one gets what is none of the others. Must live until sg_server_destroy. */
    const struct sg_protocol_ops *const *protocols;
    const char *const *listen;       /* see sg_address_parse; must live until sg_server_create returns */
    int listen_count;                /* 1 to SG_SERVER_LISTENERS_MAX */
    int workers;                     /* 0 = one per core */
    int max_connections;             /* more are answered "busy" and closed */
    int max_connections_per_address; /* 0 = three quarters of them */
    int max_refused;                 /* of those at a time; above it nothing is accepted for the moment */
    int max_pipelined;               /* frames of one connection read ahead of its replies */
    int max_jobs;                    /* admitted and unanswered, all connections */
    size_t max_frame_bytes;          /* of one encoded picture; clamped to SG_SERVER_MAX_FRAME_BYTES */
    int64_t max_pixels;         /* of a picture that comes as pixels; encoded ones: limits of the workers */
    size_t max_queue_bytes;     /* of all pictures received or arriving */
    size_t max_memory;          /* of pictures, jobs and unread replies */
    int64_t receive_timeout_ms; /* from the first byte of a frame to its last, see the minimum rate */
    int64_t send_timeout_ms;    /* a reply of which the client reads nothing */
    int64_t idle_timeout_ms;    /* between frames; 0 = never */
    int64_t idle_grace_ms;      /* silent for longer gives way when places are short; 0 = never */
    int64_t drain_timeout_ms;   /* after SIGTERM */
    int64_t stop_delay_ms;      /* from SIGTERM until the server stops listening */
    const char *const *cors_origins; /* see base/origin.h; must live until sg_server_destroy */
    int cors_origin_count;
    int64_t cors_max_age_ms;
    bool log_http, log_frames; /* one line at info for each request of HTTP; of the other protocols */
    bool handle_signals;       /* SIGINT and SIGTERM stop the server, SIGHUP reloads; SIGPIPE is ignored */
    const struct sg_server_app *app; /* must live until sg_server_destroy; NULL = nothing to tell */
    /* Writes the seed reply; NULL = sg_json_seed of codec. Any worker's thread. */
    int (*json_seed)(const struct sg_result *result, const struct sg_error *err, size_t max_bytes,
                     struct sg_buf *out);
};

/* Every default but listen (127.0.0.1:8080) is for a machine of a few gigabytes. There are no protocols. */
void sg_server_options_init(struct sg_server_options *options);

/* Binds and listens. SG_E_INVALID, SG_E_IO, SG_E_NOMEM. */
int sg_server_create(const struct sg_server_options *options, struct sg_server **out_server,
                     struct sg_error *err);
/* "127.0.0.1:43817": what is really bound, in the order of options.listen; NULL past the last one. */
const char *sg_server_address(const struct sg_server *server, int index);
/* Starts the workers and takes the signals: tell people the address after it. ops must live until
 * sg_server_destroy. What ops->open said, or SG_E_NOMEM. */
int sg_server_start(struct sg_server *server, const struct sg_job_ops *ops, struct sg_error *err);
/* Serves on the calling thread, which becomes the loop thread. 0: stopped, everything admitted was answered.
 * What load_late said: stopped for that.
 * SG_E_SHUTDOWN: stopped, err says how many requests were abandoned. */
int sg_server_run(struct sg_server *server, struct sg_error *err);
/* SG_E_INVALID: a value that makes no sense. */
int sg_server_options_check(const struct sg_server_options *options, struct sg_error *err);
/* Any thread: stops accepting and reading, answers what was admitted, within drain_timeout_ms. A second call
 * stops at once. The same as the signals; signals that come after the end of run are ignored. */
void sg_server_stop(struct sg_server *server);
/* After run, or instead of it. Waits for workers to end the job they are at; accepts NULL. */
void sg_server_destroy(struct sg_server **server);

/* For metrics; the counters live as long as the server and are readable by any thread. */
const struct sg_counters *sg_server_counters(const struct sg_server *server);
const struct sg_conn_counters *sg_server_traffic(const struct sg_server *server);
/* Jobs queued and running. Any thread, between start and destroy. */
int sg_server_in_flight(const struct sg_server *server);

#endif
