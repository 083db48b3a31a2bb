/* SPDX-License-Identifier: MIT
 * What the files of `sight serve` share: the application behind the server.
 */
#ifndef SG_APP_SERVE_H
#define SG_APP_SERVE_H

#include "app/command.h"
#include "base/thread.h"
#include "conf/server.h"
#include "pipeline/library.h"
#include "serve/server.h"

struct serve_retired; /* serve_reload.c */

struct serve {
    const struct sg_command *self;
    int argc; /* the flags, read again at every reload */
    char **argv;
    struct sg_server_conf conf;    /* the loop thread's once the server runs */
    struct sg_server_conf started; /* what conf was before the first reload */
    bool swapped;                  /* there was one */
    struct sg_engine *engine;
    struct sg_library *library; /* likewise: what new requests get */
    struct sg_server *server;
    struct sg_memory *memory;         /* of all workers' decodes */
    struct sg_conf_problems problems; /* why it does not start, or ends with what was left to load */
    int64_t began_us;
    struct serve_retired *retired; /* libraries that were replaced and still have requests, newest first */
};

/* serve_work.c: what workers do. ctx is the struct serve. */
extern const struct sg_job_ops serve_job_ops;

/* serve_lists.c: GET /v1/pipelines, GET /v1/models, the one of a name, lines of /metrics. ctx is the struct
 * serve; loop thread.
 */
int serve_list_pipelines(void *ctx, struct sg_buf *out);
int serve_list_models(void *ctx, struct sg_buf *out);
int serve_list_metrics(void *ctx, struct sg_buf *out);
int serve_tell_pipeline(void *ctx, const char *name, struct sg_buf *out, struct sg_error *err);
int serve_tell_model(void *ctx, const char *name, struct sg_buf *out, struct sg_error *err);

/* serve_reload.c */
/* Models and pipelines of these settings; first: the default one alone, see sg_library_load_late. */
int serve_open_library(struct sg_engine *engine, struct sg_server_conf *conf, bool first,
                       struct sg_conf_problems *problems, struct sg_library **out_library,
                       struct sg_error *err);
/* Settings that take effect at once. */
void serve_apply(const struct sg_server_conf *conf);
/* For struct sg_server_app. */
int serve_load(void *ctx, void **out_loaded, struct sg_buf *report, struct sg_error *err);
void serve_swap(void *ctx, void *loaded);
void serve_discard(void *ctx, void *loaded);
/* Forgets the replaced libraries that have ended, and waits until no more than `most` are left. */
void serve_reap(struct serve *serve, int most);

/* serve.c: the settings of the flags and of the file that --config names, flags over file. Says nothing; a
 * plain --help is no help here. */
int serve_read_settings(const struct sg_command *self, int argc, char **argv, struct sg_server_conf *conf,
                        struct sg_conf_problems *problems, struct sg_error *err);
/* The address that a file says, if it says one; what is wrong with it is one of the file's problems.
 * SG_E_CONFIG. */
int serve_check_listen(const struct sg_server_conf *conf, struct sg_conf_problems *problems);

#endif
