/* SPDX-License-Identifier: MIT
 * The server's settings: sightd.yaml, and flags of the same names (max_pixels: / --max-pixels).
 * No globals; belongs to its caller.
 */
#ifndef SG_CONF_SERVER_H
#define SG_CONF_SERVER_H

#include "base/option.h"
#include "conf/engine.h"
#include "conf/problems.h"

/* Below the smallest number that the first four bytes of an HTTP method or of SGT2 make ("PRI ", 541676112),
 * so that protocols cannot be confused. */
#define SG_SERVER_MAX_IMAGE_BYTES ((int64_t)512 << 20)

enum sg_server_decode { SG_SERVER_DECODE_FAST, SG_SERVER_DECODE_EXACT };
/* Of `log_requests`. */
enum sg_server_log_requests { SG_SERVER_LOG_NONE, SG_SERVER_LOG_HTTP, SG_SERVER_LOG_ALL };
enum sg_server_log_format { SG_SERVER_LOG_LOGFMT, SG_SERVER_LOG_JSON };

struct sg_server_conf {
    char *path;                /* of the file, NULL when only defaults and flags */
    struct sg_texts listen;    /* HOST:PORT, [V6]:PORT, :PORT, unix:PATH, inherited */
    struct sg_texts pipelines; /* folders or .yaml files; relative ones to the file that names them */
    struct sg_texts models;    /* folders */
    struct sg_texts model;     /* bare models, each a pipeline of its name */
    struct sg_texts labels;    /* for them, in the same order */
    struct sg_text default_pipeline;
    int workers;                  /* 0 = one per core */
    struct sg_engine_conf engine; /* of models whose card says nothing of it */
    int decode;                   /* enum sg_server_decode */
    int64_t max_image_bytes;
    int64_t max_pixels;
    int64_t max_decode_bytes;
    int max_connections;
    int max_connections_per_address; /* 0 = a share of them */
    int max_queue;                   /* jobs admitted and not yet answered, all connections together */
    int64_t max_queue_bytes;
    int max_pipelined;          /* requests of one connection that are read ahead */
    int64_t receive_timeout_ms; /* from the first byte of a request to its last */
    int64_t send_timeout_ms;    /* a reply that the client does not read */
    int64_t idle_timeout_ms;    /* between requests; 0 = never */
    int64_t idle_grace_ms;      /* what is silent for longer gives way when places are short; 0 = never */
    int64_t drain_timeout_ms;
    int64_t stop_delay_ms;        /* from SIGTERM to the end of listening */
    struct sg_texts cors_origins; /* what pages of other sites may ask; each is an origin or * */
    int64_t cors_max_age_ms;
    int log_level;    /* enum sg_log_level */
    int log_format;   /* enum sg_server_log_format */
    int log_requests; /* enum sg_server_log_requests */
};

extern const struct sg_option_table sg_server_table;

/* The defaults. SG_E_NOMEM. */
int sg_server_conf_init(struct sg_server_conf *conf);
void sg_server_conf_fini(struct sg_server_conf *conf);
/* Resets conf to the defaults, then applies the file. As sg_card_load. */
int sg_server_conf_load(const char *path, struct sg_server_conf *conf, struct sg_conf_problems *problems);
int sg_server_conf_parse(const char *path, const char *yaml, size_t size, struct sg_server_conf *conf,
                         struct sg_conf_problems *problems);

#endif
