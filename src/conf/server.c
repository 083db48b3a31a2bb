/* SPDX-License-Identifier: MIT
 * The rows of the server's settings.
 */
#include "conf/server.h"

#include "base/origin.h"
#include "conf/bind.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define ROWS(rows)        rows, (int)(sizeof(rows) / sizeof((rows)[0]))
#define CONF(member_name) .offset = offsetof(struct sg_server_conf, member_name)

static const char *const decode_words[] = {"fast", "exact", NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};
static const char *const format_words[] = {"logfmt", "json", NULL};
static const char *const request_words[] = {"no", "http", "all", NULL};
static const char *const worker_words[] = {"auto", NULL};

static const struct sg_option server_rows[] = {
    {.key = "listen",
     .type = SG_OPTION_TEXTS,
     CONF(listen),
     .value_name = "ADDRESS",
     .value_default = "127.0.0.1:8080",
     .section = "Where it listens",
     .help =
         "HOST:PORT for every protocol, or unix:PATH, or inherited (sockets of a systemd unit); may be given "
         "several times; 0.0.0.0:8080 opens it to the network, port 0 picks a free one"},
    {.key = "model",
     .type = SG_OPTION_TEXTS,
     CONF(model),
     .flags = SG_OPTION_FLAG_ONLY,
     .value_name = "FILE",
     .absent = "the pipelines",
     .section = "What it serves",
     .help =
         "a model file, a card or a model's folder, served as a pipeline of its name; may be given several "
         "times, the first is the default pipeline; the pipelines that come along are not served beside it "
         "unless --pipelines is given"},
    {.key = "labels",
     .type = SG_OPTION_TEXTS,
     CONF(labels),
     .flags = SG_OPTION_FLAG_ONLY,
     .value_name = "FILE",
     .absent = "card, metadata or the family's",
     .help = "class names of --model, the first of the first: a file of one a line, or as exporters write "
             "it, or a "
             "known set such as coco80"},
    {.key = "pipelines",
     .type = SG_OPTION_TEXTS,
     CONF(pipelines),
     .value_name = "PATH",
     .value_default = "pipelines",
     .help = "folders of pipelines, or their .yaml files"},
    {.key = "models",
     .type = SG_OPTION_TEXTS,
     CONF(models),
     .value_name = "DIR",
     .value_default = "models",
     .help = "folders of models"},
    {.key = "default_pipeline",
     .type = SG_OPTION_TEXT,
     CONF(default_pipeline),
     .value_name = "NAME",
     .absent = "objects where there is one, else faces, else the first",
     .help = "pipeline of requests that name none, as seed frames do"},
    {.key = "workers",
     .type = SG_OPTION_INT,
     CONF(workers),
     .choices = worker_words,
     .minimum = 0,
     .maximum = 256,
     .value_default = "auto",
     .section = "How it works",
     .help = "pictures worked on at a time; auto is one per core (of the affinity mask and the control "
             "group's quota)"},
    SG_ENGINE_ROWS(struct sg_server_conf, 0, NULL),
    {.key = "decode",
     .type = SG_OPTION_ENUM,
     CONF(decode),
     .choices = decode_words,
     .value_default = "fast",
     .help = "fast decodes no more pixels than the model needs, exact all of them: within one level of "
             "OpenCV's (CMYK: two)"},
    {.key = "max_image_bytes",
     .type = SG_OPTION_SIZE,
     CONF(max_image_bytes),
     .minimum = 1024,
     .maximum = SG_SERVER_MAX_IMAGE_BYTES,
     .value_default = "64MiB",
     .section = "Limits",
     .help = "encoded images above it are refused"},
    {.key = "max_pixels",
     .type = SG_OPTION_COUNT,
     CONF(max_pixels),
     .minimum = 1,
     .maximum = 4e9,
     .value_default = "100M",
     .unit = "pixels",
     .help = "pictures above it are refused before a pixel is allocated"},
    {.key = "max_decode_bytes",
     .type = SG_OPTION_SIZE,
     CONF(max_decode_bytes),
     .minimum = 1048576,
     .maximum = 1099511627776.0,
     .value_default = "1GiB",
     .help = "memory that pictures take together while they are decoded; further ones wait, one that is "
             "larger is decoded "
             "alone"},
    {.key = "max_connections",
     .type = SG_OPTION_INT,
     CONF(max_connections),
     .minimum = 1,
     .maximum = 1000000,
     .value_default = "4096",
     .help = "further clients are turned away; lower where the limit of descriptors (ulimit -n) is not "
             "enough"},
    {.key = "max_connections_per_address",
     .type = SG_OPTION_INT,
     CONF(max_connections_per_address),
     .choices = worker_words,
     .minimum = 0,
     .maximum = 1000000,
     .value_default = "auto",
     .help =
         "of one client's address (of one /64 for IPv6); auto is three quarters of max_connections, so that "
         "no address fills the server; behind a proxy all clients are one"},
    {.key = "max_queue",
     .alias = "max_jobs",
     .type = SG_OPTION_INT,
     CONF(max_queue),
     .minimum = 1,
     .maximum = 65536,
     .value_default = "256",
     .unit = "requests",
     .help = "requests admitted and not yet answered; a client may hold part of them, further ones wait or "
             "are refused"},
    {.key = "max_queue_bytes",
     .type = SG_OPTION_SIZE,
     CONF(max_queue_bytes),
     .minimum = 65536,
     .maximum = 1099511627776.0,
     .value_default = "512MiB",
     .help = "encoded bytes of those requests together, shared out likewise"},
    {.key = "max_pipelined",
     .type = SG_OPTION_INT,
     CONF(max_pipelined),
     .minimum = 1,
     .maximum = 4096,
     .value_default = "64",
     .unit = "requests",
     .help = "requests of one connection that are read ahead of their replies"},
    {.key = "receive_timeout",
     .type = SG_OPTION_DURATION,
     CONF(receive_timeout_ms),
     .minimum = 10,
     .maximum = 3600000,
     .value_default = "30s",
     .section = "Timeouts",
     .help = "from the first byte of a request to its last"},
    {.key = "send_timeout",
     .type = SG_OPTION_DURATION,
     CONF(send_timeout_ms),
     .minimum = 10,
     .maximum = 3600000,
     .value_default = "30s",
     .help = "a client that does not read its reply is dropped"},
    {.key = "idle_timeout",
     .type = SG_OPTION_DURATION,
     CONF(idle_timeout_ms),
     .minimum = 0,
     .maximum = 604800000,
     .value_default = "0",
     .help = "a silent connection is closed after it; 0 = never"},
    {.key = "idle_grace",
     .type = SG_OPTION_DURATION,
     CONF(idle_grace_ms),
     .minimum = 0,
     .maximum = 604800000,
     .value_default = "10s",
     .help =
         "when all places are taken, the connection that has been silent longest gives way to a new one, if "
         "it was for this long (1s if it has never said anything); 0 = none does"},
    {.key = "drain_timeout",
     .type = SG_OPTION_DURATION,
     CONF(drain_timeout_ms),
     .minimum = 0,
     .maximum = 3600000,
     .value_default = "10s",
     .help = "time to finish admitted work when stopping"},
    {.key = "stop_delay",
     .type = SG_OPTION_DURATION,
     CONF(stop_delay_ms),
     .minimum = 0,
     .maximum = 3600000,
     .value_default = "0",
     .help = "after SIGTERM /readyz fails at once, but everything is served for this long, so that proxies "
             "notice; "
             "a second signal ends it"},
    {.key = "cors_origins",
     .type = SG_OPTION_TEXTS,
     CONF(cors_origins),
     .flags = SG_OPTION_COMMA,
     .value_name = "ORIGIN",
     .absent = "none",
     .section = "Browsers",
     .help = "web pages that may use HTTP from a browser: http://localhost:3000, http://localhost:* for "
             "every port, "
             "or * for every page anywhere"},
    {.key = "cors_max_age",
     .type = SG_OPTION_DURATION,
     CONF(cors_max_age_ms),
     .minimum = 0,
     .maximum = 86400000,
     .value_default = "10m",
     .help = "how long a browser may remember that"},
    {.key = "log_level",
     .type = SG_OPTION_ENUM,
     CONF(log_level),
     .choices = level_words,
     .value_default = "info",
     .section = "Logs",
     .help = "least important lines that are written"},
    {.key = "log_format",
     .type = SG_OPTION_ENUM,
     CONF(log_format),
     .choices = format_words,
     .value_default = "logfmt",
     .help = "form of a line"},
    {.key = "log_requests",
     .type = SG_OPTION_ENUM,
     CONF(log_requests),
     .choices = request_words,
     .value_default = "http",
     .help = "one line at info for each request: of HTTP, or of all protocols (seed and v2 frames too); "
             "never for "
             "/livez, /readyz and /healthz"},
};

const struct sg_option_table sg_server_table = {
    "server",
    "sightd.yaml, or flags of `sight serve` with the same names: max_pixels in the file is --max-pixels. A "
    "flag wins over the file.",
    ROWS(server_rows), .struct_bytes = sizeof(struct sg_server_conf)};

int sg_server_conf_init(struct sg_server_conf *conf)
{
    return sg_option_defaults(&sg_server_table, conf);
}

void sg_server_conf_fini(struct sg_server_conf *conf)
{
    free(conf->path);
    sg_option_fini(&sg_server_table, conf);
}

/* What no row can say. */
static int check(const struct sg_server_conf *conf, const char *path, struct sg_conf_problems *problems)
{
    int code = 0, i;

    for (i = 0; i < conf->cors_origins.count; i++) {
        const struct sg_text *entry = &conf->cors_origins.items[i];
        struct sg_error err;

        if (sg_origin_check(entry->value, &err) < 0)
            code = sg_conf_problems_add(problems, path, entry->line, entry->column, NULL, "cors_origins: %s",
                                        err.text);
    }
    return code;
}

int sg_server_conf_parse(const char *path, const char *yaml, size_t size, struct sg_server_conf *conf,
                         struct sg_conf_problems *problems)
{
    int code = sg_server_conf_init(conf);
    bool bound = false;

    if (code < 0)
        return code;
    conf->path = strdup(path);
    code = conf->path ? sg_conf_bind(&sg_server_table, conf, path, yaml, size, problems, &bound) : SG_E_NOMEM;
    if (code != SG_E_NOMEM && bound && check(conf, path, problems) < 0)
        code = SG_E_CONFIG;
    if (code == SG_E_NOMEM || !bound)
        sg_server_conf_fini(conf);
    return code;
}

int sg_server_conf_load(const char *path, struct sg_server_conf *conf, struct sg_conf_problems *problems)
{
    char *text = NULL;
    size_t size = 0;
    int code = sg_conf_read(path, &text, &size, problems);

    if (code < 0) {
        *conf = (struct sg_server_conf){0};
        return code;
    }
    code = sg_server_conf_parse(path, text, size, conf, problems);
    free(text);
    return code;
}
