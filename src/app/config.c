/* SPDX-License-Identifier: MIT
 * `sight config check|docs`: every problem of a settings file, pipelines or cards at once; the documentation
 * of all keys. Main thread.
 */
#include "app/command.h"
#include "app/serve.h"
#include "base/cpu.h"
#include "conf/card.h"
#include "conf/docs.h"
#include "conf/files.h"
#include "conf/places.h"
#include "conf/recipe.h"
#include "conf/server.h"
#include "pipeline/golden.h"
#include "pipeline/library.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct check_args {
    struct sg_texts models;
};

static const struct sg_option check_rows[] = {
    {.key = "models",
     .type = SG_OPTION_TEXTS,
     .flags = SG_OPTION_FLAG_ONLY,
     .offset = offsetof(struct check_args, models),
     .value_name = "DIR",
     .value_default = "models",
     .help = "folders of models that pipelines name"},
};
static const struct sg_option_table check_table = {.name = "check",
                                                   .rows = check_rows,
                                                   .row_count = sizeof(check_rows) / sizeof(check_rows[0]),
                                                   .struct_bytes = sizeof(struct check_args)};

/* Loads models, proves them and builds pipelines as the server would, then lets go of them. */
static int check_library(const struct sg_library_options *wanted, struct sg_conf_problems *problems,
                         struct sg_error *err)
{
    struct sg_library_options options = *wanted;
    struct sg_engine *engine = NULL;
    struct sg_library *library = NULL;
    int code = sg_engine_create(&engine, err);

    options.threads = sg_cpu_count();
    options.prove = true;
    if (code == 0)
        code = sg_library_open(engine, &options, problems, &library, err);
    if (library)
        sg_library_release(&library);
    sg_engine_destroy(&engine);
    return code;
}

static int check_server(const char *path, struct sg_conf_problems *problems, struct sg_error *err)
{
    struct sg_server_conf conf;
    int bad = sg_server_conf_load(path, &conf, problems), code;

    if (bad < 0 && !conf.path)
        return bad;
    if (serve_check_listen(&conf, problems) < 0)
        bad = SG_E_CONFIG;
    if (sg_place_resolve(&conf.pipelines) < 0 || sg_place_resolve(&conf.models) < 0) {
        code = sg_error_set(err, SG_E_NOMEM, "no memory");
    } else {
        struct sg_library_options options = {.settings = path,
                                             .models = &conf.models,
                                             .pipelines = &conf.pipelines,
                                             .default_pipeline = &conf.default_pipeline,
                                             .exact = conf.decode == SG_SERVER_DECODE_EXACT,
                                             .engine = &conf.engine};

        code = check_library(&options, problems, err);
    }
    sg_server_conf_fini(&conf);
    return bad < 0 ? bad : code;
}

static int check_card(const char *path, struct sg_conf_problems *problems, struct sg_error *err)
{
    struct sg_model_options options = {.path = path, .wide_threads = sg_cpu_count()};
    struct sg_engine *engine = NULL;
    struct sg_model *model = NULL;
    int code = sg_engine_create(&engine, err);

    if (code == 0)
        code = sg_model_open(engine, &options, problems, &model, err);
    if (code == 0)
        code = sg_golden_check(model, false, problems, err);
    sg_model_destroy(&model);
    sg_engine_destroy(&engine);
    return code;
}

static bool is_model(const char *folder)
{
    char card[4096];

    snprintf(card, sizeof(card), "%s/model.yaml", folder);
    return access(card, F_OK) == 0;
}

/* A folder with a card is a model's, any other holds pipelines; a file is what its keys say. */
static int check_path(const char *path, const struct check_args *values, struct sg_conf_problems *problems,
                      struct sg_error *err)
{
    struct sg_text item = {.value = (char *)(uintptr_t)path}; /* borrowed: never freed through it */
    const struct sg_texts one = {.items = &item, .count = 1};
    const struct sg_library_options options = {.models = &values->models, .pipelines = &one};
    struct sg_conf_problems own = {0};
    const char *kind = NULL;
    struct stat st;
    bool known;

    if (stat(path, &st) != 0)
        return sg_error_set(err, SG_E_NOT_FOUND, "no file or folder \"%s\"", path);
    if (S_ISDIR(st.st_mode))
        return is_model(path) ? check_card(path, problems, err) : check_library(&options, problems, err);
    /* Each of the checks below reads the file again and tells what is wrong in it. */
    (void)sg_conf_check(path, &kind, &own);
    known = strcmp(kind, "unknown") != 0;
    sg_conf_problems_fini(&own);
    if (!known)
        return sg_conf_check(path, &kind, problems);
    if (strcmp(kind, sg_recipe_table.name) == 0)
        return check_library(&options, problems, err);
    return strcmp(kind, sg_card_table.name) == 0 ? check_card(path, problems, err)
                                                 : check_server(path, problems, err);
}

static int check_one(const struct sg_command *self, const char *path, const struct check_args *values)
{
    struct sg_conf_problems problems = {0};
    struct sg_error err = {0};
    int status = SG_EXIT_OK;

    if (check_path(path, values, &problems, &err) < 0)
        status = sg_command_problems(self, &problems, &err);
    else
        printf("%s: all is well\n", path);
    sg_conf_problems_fini(&problems);
    return status;
}

static const char *const check_examples[] = {
    "sight config check pipelines/faces.yaml", "one pipeline, with the models it names",
    "sight config check sightd.yaml pipelines", "settings, then a folder of pipelines", NULL};

static const char *const docs_examples[] = {"sight config docs", "every key with its range and default",
                                            NULL};

static const struct sg_option_table *const check_flags[] = {&check_table, NULL};

static const struct sg_command
    check_command = {.args = {.name = "sight config check",
                              .summary = "report every problem of settings, pipelines or cards",
                              .positional = "FILE…",
                              .min_positionals = 1,
                              .max_positionals = 4096,
                              .description =
                                  "A FILE is a settings file, a pipeline, a card, a folder of "
                                  "pipelines or the folder of a model. Prints file:line:column of "
                                  "each problem with a suggestion; the exit status is 1 when there "
                                  "is one. The server refuses to start on the same files with the "
                                  "same text.",
                              .examples = check_examples},
                     .tables = check_flags},
    docs_command = {.args = {.name = "sight config docs",
                             .summary = "print docs/CONFIG.md: every key there is",
                             .examples = docs_examples}};

static int run_check_command(int argc, char **argv)
{
    struct check_args values;
    const struct sg_args_binding bindings[] = {{&check_table, &values}, {NULL, NULL}};
    struct sg_args args = {0};
    int code, i;

    if (sg_option_defaults(&check_table, &values) < 0)
        return SG_EXIT_FAILED;
    code = sg_command_parse(&check_command, bindings, argc, argv, &args);
    if (code < 0) {
        code = sg_place_resolve(&values.models) < 0 ? SG_EXIT_FAILED : SG_EXIT_OK;
        for (i = 0; i < args.positional_count; i++)
            code |= check_one(&check_command, args.positionals[i], &values);
    }
    sg_args_fini(&args);
    sg_option_fini(&check_table, &values);
    return code;
}

static int run_docs_command(int argc, char **argv)
{
    const struct sg_args_binding none[] = {{NULL, NULL}};
    struct sg_args args = {0};
    int code = sg_command_parse(&docs_command, none, argc, argv, &args);

    if (code >= 0)
        return code;
    sg_args_fini(&args);
    return sg_conf_write_docs(stdout) < 0 ? SG_EXIT_FAILED : SG_EXIT_OK;
}

static int run_config(const struct sg_command *self, int argc, char **argv)
{
    static const struct sg_args_command *const rows[] = {&check_command.args, &docs_command.args, NULL};
    int status;

    switch (sg_command_choose(self, rows, argc, argv, &status)) {
    case 0:
        return run_check_command(argc - 1, argv + 1);
    case 1:
        return run_docs_command(argc - 1, argv + 1);
    default:
        return status;
    }
}

static const struct sg_command *const below[] = {&check_command, &docs_command, NULL};

const struct sg_command sg_command_config = {
    .args = {.name = "sight config", .summary = "check configuration files, document every key"},
    .commands = below,
    .run = run_config,
};
