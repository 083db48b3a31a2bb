/* SPDX-License-Identifier: MIT
 * `sight serve`: settings, models, then the server on this thread until a signal. All wiring between rooms
 * that must not know each other is here: proto's jobs run pipe's pipelines and are written by codec.
 */
#include "app/command.h"
#include "app/places.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/log.h"
#include "codec/json.h"
#include "conf/server.h"
#include "pipe/library.h"
#include "proto/server.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What jobs need of the application. */
struct serve {
    struct sg_server_conf conf;
    struct sg_engine *engine;
    struct sg_library *library;
    struct sg_server *server;
};

static int open_worker(void *ctx, int worker, void **out_state, struct sg_error *err)
{
    const struct serve *serve = ctx;
    struct sg_workspace_options options = {
        .limits = {(size_t)serve->conf.max_image_bytes, serve->conf.max_pixels}};
    struct sg_workspace *workspace = NULL;
    int code = sg_workspace_create(&options, &workspace);

    *out_state = workspace;
    return code < 0 ? sg_error_set(err, code, "no memory for worker %d", worker) : 0;
}

static void run_job(void *state, struct sg_job *job)
{
    const struct sg_served *served = job->pipeline;
    const struct sg_job_pixels *pixels = &job->pixels;
    struct sg_frame frame = {0};
    struct sg_image image;
    struct sg_request request = SG_REQUEST_DEFAULTS;

    if (pixels->raw) {
        sg_image_borrow(
            &image, pixels->format, pixels->width, pixels->height, pixels->stride_bytes, job->bytes.data,
            pixels->format == SG_PIXEL_NV12 ? job->bytes.data + pixels->stride_bytes * (size_t)pixels->height
                                            : NULL);
        frame.pixels = &image;
    } else {
        frame.bytes = job->bytes.data ? (const void *)job->bytes.data : "";
        frame.size = job->bytes.size;
    }
    request.threshold = job->options.threshold;
    request.iou = job->options.iou;
    request.max_objects = job->options.max_objects;
    request.top_k = job->options.top_k;
    request.decode = job->options.decode;
    request.deadline_us = job->deadline_us;
    request.cancelled = &job->cancelled;
    request.in_flight = job->in_flight;
    sg_pipeline_run(served->pipeline, state, &frame, &request, &job->result, &job->error);
}

static void close_worker(void *state)
{
    struct sg_workspace *workspace = state;

    sg_workspace_destroy(&workspace);
}

static void *get_pipeline(void *ctx, const char *name, struct sg_error *err)
{
    struct serve *serve = ctx;
    const struct sg_served *served = NULL;

    sg_library_serve(serve->library, name, &served, err);
    return (void *)(uintptr_t)served; /* jobs carry it as an opaque pointer and never write through it */
}

static void put_pipeline(void *ctx, void *pipeline)
{
    const struct sg_served *served = pipeline;

    (void)ctx;
    sg_served_release(&served);
}

static const char *pipeline_name(void *ctx, int index, bool *out_default)
{
    const struct serve *serve = ctx;

    if (index < 0 || index >= sg_library_pipeline_count(serve->library))
        return NULL;
    *out_default = index == sg_library_default(serve->library);
    return sg_pipeline_name(sg_library_pipeline(serve->library, index));
}

static int open_library(struct serve *serve, struct sg_conf_problems *problems, struct sg_error *err)
{
    struct sg_server_conf *conf = &serve->conf;
    struct sg_library_options options = {.settings = conf->path,
                                         .models = &conf->models,
                                         .pipelines = &conf->pipelines,
                                         .default_pipeline = &conf->default_pipeline,
                                         .exact = conf->decode == SG_SERVER_DECODE_EXACT,
                                         .serve = true,
                                         .prove = true,
                                         .threads = sg_cpu_count()};

    if (sg_place_resolve(&conf->pipelines) < 0 || sg_place_resolve(&conf->models) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    return sg_library_open(serve->engine, &options, problems, &serve->library, err);
}

static void server_options(const struct sg_server_conf *conf, struct sg_server_options *options)
{
    sg_server_options_init(options);
    options->listen = conf->listen.value;
    options->workers = conf->workers;
    options->max_connections = conf->max_connections;
    options->max_pipelined = conf->max_pipelined;
    options->max_jobs = conf->max_queue;
    options->max_frame_bytes = (size_t)conf->max_image_bytes;
    options->max_queue_bytes = (size_t)conf->max_queue_bytes;
    options->receive_timeout_ms = conf->receive_timeout_ms;
    options->send_timeout_ms = conf->send_timeout_ms;
    options->idle_timeout_ms = conf->idle_timeout_ms;
    options->drain_timeout_ms = conf->drain_timeout_ms;
    options->handle_signals = true;
    options->json_seed = sg_json_seed;
}

/* On standard output: where, what, and how to open it. Scripts read the first line. */
static void announce(const struct serve *serve, int64_t began_us)
{
    const char *address = sg_server_address(serve->server);
    int i, count = sg_library_pipeline_count(serve->library);

    printf("sightd %s listening on %s\n", SIGHT_VERSION, address);
    printf("pipelines:");
    for (i = 0; i < count; i++)
        printf(" %s%s", sg_pipeline_name(sg_library_pipeline(serve->library, i)),
               i == sg_library_default(serve->library) ? " (default)" : "");
    printf("\nready after %.2f s\n", (double)(sg_clock_us() - began_us) / 1e6);
    if (strncmp(address, "127.", 4) == 0 || strncmp(address, "[::1]", 5) == 0)
        printf("only this machine can connect; --listen 0.0.0.0:%s opens it to the network\n",
               strrchr(address, ':') + 1);
    fflush(stdout);
}

static int serve_all(const struct sg_command *self, struct serve *serve)
{
    const struct sg_job_ops ops = {.ctx = serve,
                                   .open = open_worker,
                                   .run = run_job,
                                   .close = close_worker,
                                   .pipeline_get = get_pipeline,
                                   .pipeline_put = put_pipeline,
                                   .pipeline_name = pipeline_name};
    struct sg_conf_problems problems = {0};
    struct sg_server_options options;
    struct sg_error err = {0};
    int64_t began = sg_clock_us();
    int code, status = SG_EXIT_FAILED;

    sg_log_level_set((enum sg_log_level)serve->conf.log_level);
    server_options(&serve->conf, &options);
    /* The port first: when it is taken, nobody should wait for models to hear of it. */
    code = sg_server_create(&options, &serve->server, &err);
    if (code == 0)
        code = sg_engine_create(&serve->engine, &err);
    if (code == 0)
        code = open_library(serve, &problems, &err);
    if (code == 0)
        code = sg_server_start(serve->server, &ops, &err);
    if (code < 0) {
        sg_command_problems(self, &problems, &err);
        goto out;
    }
    announce(serve, began);
    sg_library_widen(serve->library);
    code = sg_server_run(serve->server, &err);
    status = code < 0 ? sg_command_fail(self, &err) : SG_EXIT_OK;
out:
    sg_server_destroy(&serve->server);
    if (serve->library)
        sg_library_release(&serve->library);
    sg_engine_destroy(&serve->engine);
    sg_conf_problems_fini(&problems);
    return status;
}

/* --config is read before the other flags, which win over it. */
struct serve_args {
    struct sg_text config;
};

static const struct sg_option serve_rows[] = {
    {.key = "config",
     .type = SG_OPTION_TEXT,
     .flags = SG_OPTION_FLAG_ONLY,
     .offset = offsetof(struct serve_args, config),
     .short_flag = 'c',
     .value_name = "FILE",
     .absent = "only the flags",
     .help = "settings file, see sightd.yaml and docs/CONFIG.md; flags win over it"},
};
static const struct sg_option_table serve_table = {.name = "serve",
                                                   .rows = serve_rows,
                                                   .row_count = sizeof(serve_rows) / sizeof(serve_rows[0]),
                                                   .struct_bytes = sizeof(struct serve_args)};

static int load_config(const struct sg_command *self, const char *path, struct sg_server_conf *conf)
{
    struct sg_conf_problems problems = {0};
    struct sg_error err = {0};
    int status = 0, code;

    sg_server_conf_fini(conf);
    code = sg_server_conf_load(path, conf, &problems);
    if (code < 0) {
        sg_error_set(&err, code, "cannot load \"%s\"", path);
        status = sg_command_problems(self, &problems, &err);
    }
    sg_conf_problems_fini(&problems);
    return status;
}

static int run_serve(const struct sg_command *self, int argc, char **argv)
{
    struct serve serve = {0};
    struct serve_args values = {0};
    const struct sg_args_binding bindings[] = {
        {&serve_table, &values}, {&sg_server_table, &serve.conf}, {NULL, NULL}};
    struct sg_args args = {0};
    int code;

    if (sg_server_conf_init(&serve.conf) < 0)
        return SG_EXIT_FAILED;
    code = sg_command_parse(self, bindings, argc, argv, &args);
    if (code < 0 && values.config.value) {
        code = load_config(self, values.config.value, &serve.conf) ? SG_EXIT_FAILED : -1;
        /* Once more, now over the file's values. */
        sg_args_fini(&args);
        sg_option_fini(&serve_table, &values);
        if (code < 0)
            code = sg_command_parse(self, bindings, argc, argv, &args);
    }
    if (code < 0)
        code = serve_all(self, &serve);
    sg_args_fini(&args);
    sg_option_fini(&serve_table, &values);
    sg_server_conf_fini(&serve.conf);
    return code;
}

static const char *const examples[] = {"sight serve",
                                       "serve ./pipelines on 127.0.0.1:8080",
                                       "sight serve --listen 0.0.0.0:8080",
                                       "let other machines connect",
                                       "sight serve --default-pipeline text",
                                       "seed frames are read as text",
                                       "sight serve --config /etc/sightd.yaml",
                                       "all settings from a file",
                                       NULL};

const struct sg_command sg_command_serve = {
    .args =
        {.name = "sight serve",
         .summary = "run the server (sightd is a link to this)",
         .description =
             "Loads every pipeline, then answers each image with what was found in it. SIGINT or SIGTERM "
             "stops it: work already admitted is finished first. docs/PROTOCOL.md tells how to talk to it; "
             "examples/client.py is a client.",
         .examples = examples},
    .run = run_serve,
};
