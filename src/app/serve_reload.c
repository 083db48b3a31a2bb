/* SPDX-License-Identifier: MIT
 * Settings and models read again while the server runs. serve_load works on a thread of its own and changes
 * nothing; serve_swap makes what it loaded current on the loop thread. Jobs keep the library they began with.
 */
#include "app/serve.h"
#include "base/cpu.h"
#include "base/log.h"
#include "conf/places.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RELOAD_REAP_US     10000 /* between looks at an old library */
#define RELOAD_RETIRED_MAX 4     /* old libraries in memory; a further reload waits for the oldest */

/* A library that was replaced, until the last request on it is done: a slow sender may take its time. Ending
 * it takes too long for the loop, so it has a thread. Put into the list by the loop (swap), taken out by the
 * thread that loads, and never by both at once: a load is over before its swap. */
struct serve_retired {
    struct serve_retired *next;
    struct sg_library *library;
    struct sg_thread reaper;
    atomic_bool ended;
};

struct loaded {
    struct sg_server_conf conf;
    struct sg_library *library;
};

/* Nothing was said of pipelines: they are the folder that comes along. */
static bool are_usual(const struct sg_texts *pipelines)
{
    return pipelines->count == 1 && pipelines->items[0].line == 0 &&
           strcmp(pipelines->items[0].value, "pipelines") == 0;
}

int serve_open_library(struct sg_engine *engine, struct sg_server_conf *conf, bool first,
                       struct sg_conf_problems *problems, struct sg_library **out_library,
                       struct sg_error *err)
{
    static const struct sg_texts none = {0};
    bool bare_alone = conf->model.count > 0 && are_usual(&conf->pipelines);
    struct sg_library_options options = {.settings = conf->path,
                                         .models = &conf->models,
                                         .pipelines = bare_alone ? &none : &conf->pipelines,
                                         .bare = &conf->model,
                                         .bare_labels = &conf->labels,
                                         .default_pipeline = &conf->default_pipeline,
                                         .exact = conf->decode == SG_SERVER_DECODE_EXACT,
                                         .first = first,
                                         .serve = true,
                                         .prove = true,
                                         .threads = sg_cpu_count(),
                                         .runs = conf->workers,
                                         .engine = &conf->engine};

    if (sg_place_resolve(&conf->pipelines) < 0 || sg_place_resolve(&conf->models) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory");
    return sg_library_open(engine, &options, problems, out_library, err);
}

void serve_apply(const struct sg_server_conf *conf)
{
    sg_log_level_set((enum sg_log_level)conf->log_level);
    sg_log_format_set(conf->log_format == SG_SERVER_LOG_JSON ? SG_LOG_JSON : SG_LOG_LOGFMT);
}

/* Settings that only a restart changes, one remark each: what the server was started with is what runs. */
static void remark(const struct sg_server_conf *old, const struct sg_server_conf *new, struct sg_buf *report)
{
    static const char *const reloaded[] = {"pipelines", "models",    "default_pipeline",
                                           "decode",    "log_level", "log_format"};
    char before[SG_OPTION_TEXT_MAX], after[SG_OPTION_TEXT_MAX];
    size_t k;
    int i;

    for (i = 0; i < sg_server_table.row_count; i++) {
        const struct sg_option *row = &sg_server_table.rows[i];
        bool free_to_change = false;

        for (k = 0; k < sizeof(reloaded) / sizeof(reloaded[0]); k++)
            free_to_change = free_to_change || strcmp(row->key, reloaded[k]) == 0;
        sg_option_format(row, old, before, sizeof(before));
        sg_option_format(row, new, after, sizeof(after));
        if (!free_to_change && strcmp(before, after) != 0)
            sg_buf_printf(report, "%s stays %s until a restart makes it %s\n", row->key, before, after);
    }
}

/* A folder at its default that has gone is replaced by another one of that name, see sg_place_resolve. */
static void remark_places(const char *what, const struct sg_texts *old, const struct sg_texts *new,
                          struct sg_buf *report)
{
    for (int i = 0; i < old->count && i < new->count; i++)
        if (new->items[i].line == 0 && strcmp(old->items[i].value, new->items[i].value) != 0)
            sg_buf_printf(report, "%s come from \"%s\" now, no longer from \"%s\"\n", what,
                          new->items[i].value, old->items[i].value);
}

static void report_problems(const struct sg_conf_problems *problems, struct sg_buf *report)
{
    char text[1024];
    int i;

    for (i = 0; i < problems->count; i++)
        sg_buf_printf(report, "%s\n", sg_conf_problem_format(&problems->items[i], text, sizeof(text)));
}

int serve_load(void *ctx, void **out_loaded, struct sg_buf *report, struct sg_error *err)
{
    struct serve *serve = ctx; /* conf is read only, and written by nobody while a load runs */
    struct sg_conf_problems problems = {0};
    struct loaded *loaded = calloc(1, sizeof(*loaded));
    int code;

    *out_loaded = NULL;
    serve_reap(serve, RELOAD_RETIRED_MAX - 1);
    if (!loaded)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a reload");
    code = serve_read_settings(serve->self, serve->argc, serve->argv, &loaded->conf, &problems, err);
    if (code == 0)
        code = serve_open_library(serve->engine, &loaded->conf, false, &problems, &loaded->library, err);
    if (code == 0) {
        remark(serve->swapped ? &serve->started : &serve->conf, &loaded->conf, report);
        remark_places("pipelines", &serve->conf.pipelines, &loaded->conf.pipelines, report);
        remark_places("models", &serve->conf.models, &loaded->conf.models, report);
        *out_loaded = loaded;
        loaded = NULL;
    } else {
        report_problems(&problems, report);
        sg_conf_problems_error(&problems, err);
    }
    sg_conf_problems_fini(&problems);
    if (loaded)
        serve_discard(ctx, loaded);
    return code;
}

/* Its own thread. */
static void reap(void *arg)
{
    struct serve_retired *retired = arg;

    while (!sg_library_alone(retired->library))
        usleep(RELOAD_REAP_US);
    sg_library_release(&retired->library);
    malloc_trim(0); /* models of hundreds of megabytes would stay in the allocator's arenas */
    atomic_store_explicit(&retired->ended, true, memory_order_release);
}

void serve_reap(struct serve *serve, int most)
{
    struct serve_retired **link = &serve->retired, *retired;
    int kept = 0;

    while ((retired = *link)) {
        if (kept < most && !atomic_load_explicit(&retired->ended, memory_order_acquire)) {
            link = &retired->next;
            kept++;
            continue;
        }
        *link = retired->next;
        sg_thread_join(&retired->reaper);
        free(retired);
    }
}

static void retire(struct serve *serve, struct sg_library *old)
{
    struct serve_retired *retired = calloc(1, sizeof(*retired));
    struct sg_error err;

    if (retired)
        retired->library = old;
    if (retired && sg_thread_start(&retired->reaper, reap, retired, &err, "sight-reap") == 0) {
        retired->next = serve->retired;
        serve->retired = retired;
        return;
    }
    sg_log(SG_LOG_WARN, "no thread to end the old models, the last request on them does", "code=%s",
           sg_err_name(SG_E_NOMEM));
    free(retired);
    sg_library_release(&old);
}

void serve_swap(void *ctx, void *new)
{
    struct serve *serve = ctx;
    struct loaded *loaded = new;
    struct sg_server_conf old = serve->conf;
    struct sg_library *replaced = serve->library;

    serve->conf = loaded->conf;
    serve->library = loaded->library;
    if (serve->swapped)
        sg_server_conf_fini(&old);
    else
        serve->started = old;
    serve->swapped = true;
    free(loaded);
    serve_apply(&serve->conf);
    sg_library_widen(serve->library);
    retire(serve, replaced);
}

void serve_discard(void *ctx, void *old)
{
    struct loaded *loaded = old;

    (void)ctx;
    sg_library_release(&loaded->library);
    sg_server_conf_fini(&loaded->conf);
    free(loaded);
}
