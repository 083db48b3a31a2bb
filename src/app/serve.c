/* SPDX-License-Identifier: MIT
 * `sight serve`: settings, models, then the server on this thread until a signal. All wiring between rooms
 * that must not know each other is here: serve's jobs run pipeline's pipelines and are written by codec.
 */
#include "app/serve.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cores.h"
#include "base/log.h"
#include "base/origin.h"
#include "codec/json.h"
#include "frames/frames.h"
#include "http/http.h"
#include "net/address.h"

#include <malloc.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define SERVE_BLOCK_BYTES          (4 << 20)
#define SERVE_ANNOUNCE_MAX         ((size_t)64 << 10)
#define SERVE_DESCRIPTORS          24 /* the server's own (13 were counted) and files that are opened meanwhile */
#define SERVE_LISTENER_DESCRIPTORS 2 /* of each listener but the first: one for each family */

/* In the order in which the first bytes are compared; a seed frame begins with anything. */
static const struct sg_protocol_ops *const protocols[] = {&sg_protocol_v2, &sg_protocol_http,
                                                          &sg_protocol_seed, NULL};

static void server_options(const struct sg_server_conf *conf, struct sg_server_options *options)
{
    sg_server_options_init(options);
    options->protocols = protocols;
    options->workers = conf->workers;
    options->max_connections = conf->max_connections;
    options->max_connections_per_address = conf->max_connections_per_address;
    options->max_pipelined = conf->max_pipelined;
    options->max_jobs = conf->max_queue;
    options->max_frame_bytes = (size_t)conf->max_image_bytes;
    options->max_pixels = conf->max_pixels;
    options->max_queue_bytes = (size_t)conf->max_queue_bytes;
    options->receive_timeout_ms = conf->receive_timeout_ms;
    options->send_timeout_ms = conf->send_timeout_ms;
    options->idle_timeout_ms = conf->idle_timeout_ms;
    options->idle_grace_ms = conf->idle_grace_ms;
    options->drain_timeout_ms = conf->drain_timeout_ms;
    options->stop_delay_ms = conf->stop_delay_ms;
    options->cors_max_age_ms = conf->cors_max_age_ms;
    options->log_http = conf->log_requests != SG_SERVER_LOG_NONE;
    options->log_frames = conf->log_requests == SG_SERVER_LOG_ALL;
    options->handle_signals = true;
    options->json_seed = sg_json_seed;
}

/* The texts stay where they are, also when a reload has replaced the settings. */
static int list_of(const struct sg_texts *texts, const char ***out_list, struct sg_error *err)
{
    int i;

    *out_list = calloc((size_t)texts->count + 1, sizeof(**out_list));
    if (!*out_list)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the settings");
    for (i = 0; i < texts->count; i++)
        (*out_list)[i] = texts->items[i].value;
    return 0;
}

static int list_options(const struct sg_server_conf *conf, struct sg_server_options *options,
                        const char ***out_listen, const char ***out_origins, struct sg_error *err)
{
    int code = list_of(&conf->listen, out_listen, err);

    if (code == 0)
        code = list_of(&conf->cors_origins, out_origins, err);
    options->listen = *out_listen;
    options->listen_count = conf->listen.count;
    options->cors_origins = *out_origins;
    options->cors_origin_count = conf->cors_origins.count;
    return code;
}

/* The end of the beginning, on standard output. Scripts read this line, too: all that is served has run. */
static void say_ready(const struct serve *serve, struct sg_buf *text)
{
    sg_buf_printf(text, "ready after %.2f s\n", (double)(sg_clock_us() - serve->began_us) / 1e6);
}

/* Others than this machine can reach it. */
static bool is_network(const char *address)
{
    return strncmp(address, "127.", 4) != 0 && strncmp(address, "[::1]", 5) != 0 &&
           strncmp(address, "unix:", 5) != 0;
}

/* On standard output: where, what, and how to open it. Scripts read the first line. */
static void announce(const struct serve *serve)
{
    const char *address = sg_server_address(serve->server, 0), *next;
    bool network = false;
    int i, count = sg_library_pipeline_count(serve->library);
    struct sg_buf text;

    sg_buf_init(&text, SERVE_ANNOUNCE_MAX);
    sg_buf_printf(&text, "sightd %s listening on %s", SIGHT_VERSION, address);
    for (i = 0; (next = sg_server_address(serve->server, i)); i++) {
        network = network || is_network(next);
        if (i > 0)
            sg_buf_printf(&text, " and %s", next);
    }
    sg_buf_append_text(&text, "\npipelines:");
    for (i = 0; i < count; i++)
        sg_buf_printf(&text, " %s%s", sg_library_pipeline_name(serve->library, i),
                      i == sg_library_default(serve->library) ? " (default)" : "");
    sg_buf_append_text(&text, "\n");
    if (sg_library_whole(serve->library))
        say_ready(serve, &text);
    else
        sg_buf_printf(&text, "the default pipeline answers after %.2f s, the others are loading\n",
                      (double)(sg_clock_us() - serve->began_us) / 1e6);
    if (!network && strncmp(address, "unix:", 5) != 0)
        sg_buf_printf(&text, "only this machine can connect; --listen 0.0.0.0:%s opens it to the network\n",
                      strrchr(address, ':') + 1);
    if (sg_buf_text(&text))
        sg_log_say((const char *)text.data);
    sg_buf_fini(&text);
}

static bool tell_loading(void *ctx, char *names, size_t size)
{
    const struct serve *serve = ctx;
    size_t used = 0;
    int i;

    names[0] = '\0';
    for (i = 0; i < sg_library_pipeline_count(serve->library) && used < size; i++)
        if (!sg_library_pipeline(serve->library, i))
            used += (size_t)snprintf(names + used, size - used, "%s%s", used ? ", " : "",
                                     sg_library_pipeline_name(serve->library, i));
    return !sg_library_whole(serve->library);
}

static int load_late(void *ctx, struct sg_error *err)
{
    struct serve *serve = ctx;

    return sg_library_load_late(serve->library, &serve->problems, err);
}

static void show_late(void *ctx)
{
    const struct serve *serve = ctx;
    struct sg_buf text;

    sg_library_show(serve->library);
    sg_buf_init(&text, SERVE_ANNOUNCE_MAX);
    say_ready(serve, &text);
    if (sg_buf_text(&text))
        sg_log_say((const char *)text.data);
    sg_buf_fini(&text);
    sg_library_widen(serve->library);
}

static void leave_late(void *ctx)
{
    const struct serve *serve = ctx;

    sg_library_close(serve->library);
}

/* As many descriptors as the system allows, and no more connections than they are enough for. */
static void fit_descriptors(struct sg_server_options *options, int listeners)
{
    rlim_t own = SERVE_DESCRIPTORS + (rlim_t)(listeners > 1 ? listeners - 1 : 0) * SERVE_LISTENER_DESCRIPTORS;
    struct rlimit limit;
    rlim_t room;
    int wanted = options->max_connections;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};

        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    room = limit.rlim_cur > own ? limit.rlim_cur - own : 0;
    if (room >= (rlim_t)wanted + (rlim_t)options->max_refused)
        return;
    if (room / 4 < (rlim_t)options->max_refused)
        options->max_refused = room < 4 ? 1 : (int)(room / 4);
    options->max_connections = room < 3 ? 1 : (int)room - options->max_refused;
    sg_log(SG_LOG_WARN, "fewer connections than max_connections, for want of descriptors",
           "connections=%d max_connections=%d descriptors=%llu hint=\"raise ulimit -n\"",
           options->max_connections, wanted, (unsigned long long)limit.rlim_cur);
}

/* Blocks of pictures go back to the system when they are freed. By itself glibc raises its bound to 32 MB
 * after the first large picture, and what pictures of all sizes leave behind stays in the heap of every
 * worker. */
static void bound_heap(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, SERVE_BLOCK_BYTES);
    mallopt(M_TRIM_THRESHOLD, 4 * SERVE_BLOCK_BYTES);
#endif
}

static void log_cores(void)
{
    char quoted[2 * SG_CORES_WHY_MAX];
    struct sg_cores cores;

    sg_cores_find(&cores);
    sg_log(SG_LOG_INFO, "cores", "count=%d why=%s", cores.count,
           sg_log_quote(cores.why, quoted, sizeof(quoted)));
}

static int serve_all(const struct sg_command *self, struct serve *serve)
{
    struct sg_server_app app = {.ctx = serve,
                                .list_pipelines = serve_list_pipelines,
                                .list_models = serve_list_models,
                                .list_metrics = serve_list_metrics,
                                .tell_pipeline = serve_tell_pipeline,
                                .tell_model = serve_tell_model,
                                .load = serve_load,
                                .swap = serve_swap,
                                .discard = serve_discard,
                                .loading = tell_loading,
                                .load_late = load_late,
                                .show_late = show_late,
                                .leave_late = leave_late};
    struct sg_job_ops ops = serve_job_ops;
    struct sg_server_options options;
    struct sg_error err = {0};
    const char **listen = NULL, **origins = NULL;
    int code;

    serve->began_us = sg_clock_us();
    bound_heap();
    ops.ctx = serve;
    serve_apply(&serve->conf);
    server_options(&serve->conf, &options);
    fit_descriptors(&options, serve->conf.listen.count);
    options.app = &app;
    code = list_options(&serve->conf, &options, &listen, &origins, &err);
    if (code == 0)
        code = sg_log_start(&err);
    serve->memory = sg_memory_create((size_t)serve->conf.max_decode_bytes);
    if (code == 0 && !serve->memory)
        code = sg_error_set(&err, SG_E_NOMEM, "no memory for the server");
    /* The port first: when it is taken, nobody should wait for models to hear of it. */
    if (code == 0)
        code = sg_server_create(&options, &serve->server, &err);
    if (code == 0)
        code = sg_engine_create(&serve->engine, &err);
    if (code == 0) {
        app.runtime = sg_engine_version(serve->engine);
        app.not_loaded = sg_engine_missing(serve->engine);
    }
    if (code == 0)
        code = serve_open_library(serve->engine, &serve->conf, true, &serve->problems, &serve->library, &err);
    if (code == 0)
        code = sg_server_start(serve->server, &ops, &err);
    if (code == 0) {
        log_cores();
        announce(serve);
        if (sg_library_whole(serve->library))
            sg_library_widen(serve->library);
        code = sg_server_run(serve->server, &err);
    }
    sg_server_destroy(&serve->server);
    free(listen);
    free(origins);
    serve_reap(serve, 0);
    if (serve->library)
        sg_library_release(&serve->library);
    sg_engine_destroy(&serve->engine);
    sg_memory_destroy(&serve->memory);
    /* Last: all of the above may log. When nobody reads, the reason goes unsaid and the exit status stays. */
    if (sg_log_stop() && code < 0)
        sg_command_problems(self, &serve->problems, &err);
    sg_conf_problems_fini(&serve->problems);
    return code < 0 ? SG_EXIT_FAILED : SG_EXIT_OK;
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
     .value_name = "FILE",
     .absent = "only the flags",
     .help = "settings file, see sightd.yaml and docs/CONFIG.md; flags win over it"},
};
static const struct sg_option_table serve_table = {.name = "serve",
                                                   .rows = serve_rows,
                                                   .row_count = sizeof(serve_rows) / sizeof(serve_rows[0]),
                                                   .struct_bytes = sizeof(struct serve_args)};

/* The system picks one: asked twice it picks two. */
static bool any_port(const char *address)
{
    const char *colon = strrchr(address, ':');

    return strncmp(address, "unix:", 5) != 0 && colon && strcmp(colon, ":0") == 0;
}

/* What is wrong with the list as a whole. */
static int check_listen_list(const struct sg_texts *listen, struct sg_error *err)
{
    int i, k;

    if (!listen->items || listen->count < 1 || listen->count > SG_SERVER_LISTENERS_MAX)
        return sg_error_set(err, SG_E_INVALID, "listen has %d addresses, allowed is 1 to %d", listen->count,
                            SG_SERVER_LISTENERS_MAX);
    for (i = 0; i < listen->count; i++)
        for (k = 0; k < i; k++)
            if (strcmp(listen->items[i].value, listen->items[k].value) == 0 &&
                !any_port(listen->items[i].value))
                return sg_error_set(err, SG_E_INVALID, "listen has \"%.200s\" twice", listen->items[i].value);
    return 0;
}

int serve_check_listen(const struct sg_server_conf *conf, struct sg_conf_problems *problems)
{
    const struct sg_text *items = conf->listen.items,
                         *last = items && conf->listen.count > 0 ? &items[conf->listen.count - 1] : NULL;
    struct sg_address address;
    struct sg_error err = {0};
    int i, code = 0;

    if ((!last || last->line > 0) && check_listen_list(&conf->listen, &err) < 0)
        code = sg_conf_problems_add(problems, conf->path, last ? last->line : 0, last ? last->column : 0,
                                    NULL, "%s", err.text);

    for (i = 0; items && i < conf->listen.count; i++) {
        const struct sg_text *entry = &items[i];

        if (entry->line > 0 && sg_address_parse(entry->value, &address, &err) < 0)
            code =
                sg_conf_problems_add(problems, conf->path, entry->line, entry->column, NULL, "%s", err.text);
    }
    return code;
}

int serve_read_settings(const struct sg_command *self, int argc, char **argv, struct sg_server_conf *conf,
                        struct sg_conf_problems *problems, struct sg_error *err)
{
    struct serve_args values = {0};
    const struct sg_args_binding bindings[] = {
        {&serve_table, &values}, {&sg_server_table, conf}, {NULL, NULL}};
    struct sg_args args = {0};
    int code = sg_server_conf_init(conf);

    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "no memory for the settings");
    code = sg_args_parse(&self->args, bindings, argc, argv, &args, err);
    if (code == 0 && values.config.value) {
        sg_server_conf_fini(conf);
        code = sg_server_conf_load(values.config.value, conf, problems);
        if (conf->path && serve_check_listen(conf, problems) < 0)
            code = SG_E_CONFIG;
        if (code < 0)
            sg_error_set(err, (enum sg_err)code, "cannot load \"%s\"", values.config.value);
        /* Once more, now over the file's values. */
        sg_args_fini(&args);
        sg_option_fini(&serve_table, &values);
        if (code == 0)
            code = sg_args_parse(&self->args, bindings, argc, argv, &args, err);
    }
    sg_args_fini(&args);
    sg_option_fini(&serve_table, &values);
    return code;
}

/* What no row of the table can say of a flag; the same of a file is told with the file's other mistakes. */
static int check_flags(const struct sg_server_conf *conf, struct sg_error *err)
{
    struct sg_address address;
    int code = 0, i;

    if (conf->listen.count > 0 && conf->listen.items[0].line == 0)
        code = check_listen_list(&conf->listen, err);
    for (i = 0; code == 0 && i < conf->listen.count; i++)
        if (conf->listen.items[i].line == 0)
            code = sg_address_parse(conf->listen.items[i].value, &address, err);
    for (i = 0; code == 0 && i < conf->cors_origins.count; i++) {
        if (conf->cors_origins.items[i].line == 0)
            code = sg_origin_check(conf->cors_origins.items[i].value, err);
        if (code < 0)
            sg_error_prefix(err, "--cors-origins");
    }
    return code;
}

static int run_serve(const struct sg_command *self, int argc, char **argv)
{
    struct serve serve = {.self = self, .argc = argc, .argv = argv};
    struct serve_args values = {0};
    struct sg_server_conf unused = {0};
    const struct sg_args_binding bindings[] = {
        {&serve_table, &values}, {&sg_server_table, &unused}, {NULL, NULL}};
    struct sg_conf_problems problems = {0};
    struct sg_error err = {0};
    struct sg_args args = {0};
    int code;

    /* For --help and wrong flags, which are told in their own way. */
    if (sg_server_conf_init(&unused) < 0)
        return SG_EXIT_FAILED;
    code = sg_command_parse(self, bindings, argc, argv, &args);
    sg_args_fini(&args);
    sg_option_fini(&serve_table, &values);
    sg_server_conf_fini(&unused);
    if (code >= 0)
        return code;
    if (serve_read_settings(self, argc, argv, &serve.conf, &problems, &err) < 0)
        code = sg_command_problems(self, &problems, &err);
    else if (check_flags(&serve.conf, &err) < 0)
        code = sg_command_usage(self, err.text);
    else
        code = serve_all(self, &serve);
    sg_conf_problems_fini(&problems);
    sg_server_conf_fini(&serve.conf);
    sg_server_conf_fini(&serve.started);
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

static const struct sg_option_table *const tables[] = {&serve_table, &sg_server_table, NULL};

const struct sg_command sg_command_serve = {
    .args = {.name = "sight serve",
             .summary = "run the server (sightd is a link to this)",
             .description =
                 "Answers each image with what was found in it, by the default pipeline as soon as that is "
                 "loaded; the others follow. SIGINT or SIGTERM stops it: work already admitted is finished "
                 "first. SIGHUP reads settings, pipelines and models again. docs/PROTOCOL.md tells how to "
                 "talk to it; examples/client.py is a client.",
             .exit_status = "0 when it was stopped and has answered all that was admitted, 1 when something "
                            "failed, 2 for a wrong command line",
             .examples = examples},
    .tables = tables,
    .run = run_serve,
};
