/* SPDX-License-Identifier: MIT
 * `sight model list|explain|run|bench`: what models there are, what was decided about one and why, what its
 * tensors hold, how fast it is. Main thread.
 */
#include "app/command.h"
#include "app/pictures.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "conf/places.h"
#include "head/head.h"
#include "pipeline/library.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BENCH_WARM_RUNS 3
#define KEY_COLUMNS     12 /* of `explain` */
#define HEAD_COLUMNS    20 /* of `heads` */
#define FIRST_VALUES    8  /* of a tensor are shown */

struct model_args {
    struct sg_texts models;
    struct sg_text labels;
    struct sg_engine_conf engine;
    int runs;
};

#define AT(member_name) .offset = offsetof(struct model_args, member_name), .flags = SG_OPTION_FLAG_ONLY
#define TABLE(list)                                                                                          \
    {.name = "model",                                                                                        \
     .rows = (list),                                                                                         \
     .row_count = sizeof(list) / sizeof((list)[0]),                                                          \
     .struct_bytes = sizeof(struct model_args)}

static const struct sg_option list_rows[] = {
    {.key = "models",
     .type = SG_OPTION_TEXTS,
     AT(models),
     .value_name = "DIR",
     .value_default = "models",
     .help = "folders of models"},
};
static const struct sg_option explain_rows[] = {
    {.key = "labels",
     .type = SG_OPTION_TEXT,
     AT(labels),
     .short_flag = 'l',
     .value_name = "FILE",
     .help = "class names: a file of one a line, the first for class 0, or as exporters write it "
             "(data.yaml, config.json, label_map.pbtxt), or a known set such as coco80"},
    SG_ENGINE_ROWS(struct model_args, SG_OPTION_FLAG_ONLY, NULL),
};
static const struct sg_option bench_rows[] = {
    {.key = "runs",
     .type = SG_OPTION_INT,
     AT(runs),
     .short_flag = 'n',
     .minimum = 1,
     .maximum = 100000,
     .value_default = "31",
     .help = "runs that are timed, after a warm-up"},
    SG_ENGINE_ROWS(struct model_args, SG_OPTION_FLAG_ONLY, NULL),
};
static const struct sg_option_table list_table = TABLE(list_rows), explain_table = TABLE(explain_rows),
                                    bench_table = TABLE(bench_rows);

/* Opens engine and model for a command; on failure says why and returns false. */
static bool open_model(const struct sg_command *self, const char *path, const struct model_args *values,
                       int wide_threads, struct sg_engine **engine, struct sg_model **model)
{
    struct sg_model_options options = {.path = path,
                                       .labels = values->labels.value,
                                       .wide_threads = wide_threads,
                                       .narrow = true,
                                       .engine = &values->engine};
    struct sg_conf_problems problems = {0};
    struct sg_error err = {0};
    int code = sg_engine_create(engine, &err);

    if (code == 0)
        code = sg_model_open(*engine, &options, &problems, model, &err);
    if (code < 0)
        sg_command_problems(self, &problems, &err);
    sg_conf_problems_fini(&problems);
    return code == 0;
}

static int list_models(const struct sg_command *self, const struct model_args *values)
{
    struct sg_library *library = NULL;
    const struct sg_library_model *models;
    struct sg_error err = {0};
    char credits[256];
    int count, i;

    if (sg_library_scan(&values->models, &library, &err) < 0)
        return sg_command_fail(self, &err);
    models = sg_library_models(library, &count);
    for (i = 0; i < count; i++) {
        struct sg_conf_problems problems = {0};
        struct sg_card card = {0};
        int code =
            models[i].card_path ? sg_card_load(models[i].card_path, &card, &problems) : sg_card_init(&card);

        if (code < 0) {
            sg_conf_problems_error(&problems, &err);
            sg_args_row(stdout, "", 0, "%s", models[i].name);
            sg_args_row(stdout, "", 4, "broken card: %s", err.text);
        } else {
            sg_args_row(stdout, "", 0, "%s", models[i].name);
            if (card.description.value)
                sg_args_row(stdout, "", 4, "%s", card.description.value);
            sg_args_row(stdout, "", 4, "licence: %s; from: %s",
                        card.licence.value ? card.licence.value : "not said",
                        card.source.value ? card.source.value : models[i].path);
        }
        sg_card_fini(&card);
        sg_conf_problems_fini(&problems);
    }
    if (count == 0)
        sg_args_row(stdout, "", 0, "no models in %s",
                    values->models.count ? values->models.items[0].value : "(no folder)");
    printf("\n");
    sg_args_row(stdout, "", 0, "Inference runtime: %s. docs/MODELS.md tells where each model comes from.",
                sg_engine_credits(credits, sizeof(credits)));
    sg_library_release(&library);
    return SG_EXIT_OK;
}

static void print_slots(const char *side, const struct sg_slot *slots, int count)
{
    char shape[96];
    int i;

    for (i = 0; i < count; i++)
        sg_args_row(stdout, i ? "" : side, KEY_COLUMNS, "%s  %s %s", slots[i].name,
                    sg_dtype_name(slots[i].dtype),
                    sg_dims_text(slots[i].dims, slots[i].rank, shape, sizeof(shape)));
}

static int explain(const struct sg_command *self, const char *path, const struct model_args *values)
{
    static const char *const tasks[] = {"detect", "classify", "detect text", "read text"};
    struct sg_engine *engine = NULL;
    struct sg_model *model = NULL;
    bool guessed = false;
    int i;

    if (!open_model(self, path, values, sg_cpu_count(), &engine, &model)) {
        sg_engine_destroy(&engine);
        return SG_EXIT_FAILED;
    }
    sg_args_row(stdout, "model", KEY_COLUMNS, "%s", model->name);
    sg_args_row(stdout, "file", KEY_COLUMNS, "%s", model->path);
    sg_args_row(stdout, "card", KEY_COLUMNS, "%s",
                model->card_path ? model->card_path : "none; none is needed where all below is right");
    if (model->signature->producer[0])
        sg_args_row(stdout, "producer", KEY_COLUMNS, "%s", model->signature->producer);
    print_slots("inputs", model->signature->inputs, model->signature->input_count);
    print_slots("outputs", model->signature->outputs, model->signature->output_count);
    sg_args_row(stdout, "task", KEY_COLUMNS, "%s", tasks[sg_model_task(model)]);
    printf("\n");
    for (i = 0; i < model->decision_count; i++) {
        const struct sg_decision *d = &model->decisions[i];

        sg_args_row(stdout, d->key, KEY_COLUMNS, "%s%s", d->value, d->guessed ? "  *" : "");
        sg_args_row(stdout, "", KEY_COLUMNS, "%s", d->evidence);
        if (d->ambiguity[0])
            sg_args_row(stdout, "", KEY_COLUMNS, "%s", d->ambiguity);
        guessed = guessed || d->guessed;
    }
    if (guessed) {
        printf("\n");
        sg_args_row(
            stdout, "", 0,
            "* a convention, not read off the file: a card beside it settles it (docs/CONFIG.md lists "
            "the keys).");
    }
    printf("\nloaded in %.0f ms; decided in %.0f ms\n", (double)model->load_us / 1000.0,
           (double)model->probe_us / 1000.0);
    sg_model_destroy(&model);
    sg_engine_destroy(&engine);
    return SG_EXIT_OK;
}

static void print_tensor(const struct sg_tensor *tensor)
{
    int64_t count = sg_tensor_count(tensor), i;
    double sum = 0.0, low = INFINITY, high = -INFINITY;
    char shape[96], values[FIRST_VALUES * 16] = "";
    size_t used = 0;

    for (i = 0; i < count; i++) {
        double value = (double)sg_tensor_at(tensor, i);

        sum += value;
        low = fmin(low, value);
        high = fmax(high, value);
    }
    sg_args_row(stdout, "", 0, "%s  %s %s  mean %.6g  min %.6g  max %.6g", tensor->name,
                sg_dtype_name(tensor->dtype), sg_dims_text(tensor->dims, tensor->rank, shape, sizeof(shape)),
                count ? sum / (double)count : 0.0, low, high);
    for (i = 0; i < count && i < FIRST_VALUES; i++)
        used += (size_t)snprintf(values + used, sizeof(values) - used, i ? " %.6g" : "%.6g",
                                 (double)sg_tensor_at(tensor, i));
    sg_args_row(stdout, "", 4, "%s%s", values, count > FIRST_VALUES ? " …" : "");
}

/* Feeds one whole picture as the model wants it and prints the raw outputs. */
static int run_picture(struct sg_model *model, const char *path, struct sg_error *err)
{
    struct sg_decode_limits limits = {SG_DECODE_MAX_BYTES, SG_DECODE_MAX_PIXELS};
    const struct sg_decode_wish whole = {.exact = true};
    struct sg_letterbox letterbox = {0};
    struct sg_decoder *decoder = NULL;
    struct sg_runner *runner = NULL;
    struct sg_image image = {0};
    struct sg_placement placement;
    struct sg_transform transform = model->transform;
    const struct sg_tensor *outputs;
    struct sg_tensor tensor;
    struct sg_box region;
    struct sg_buf file;
    size_t item_bytes;
    int code, count, i;

    sg_buf_init(&file, SG_DECODE_MAX_BYTES);
    code = sg_buf_append_file(&file, path);
    if (code < 0) {
        sg_error_set(err, code, "cannot read \"%s\": %s", path,
                     code == SG_E_TOO_LARGE ? "too large" : strerror(errno));
        goto out;
    }
    code = sg_decoder_create(&limits, &decoder);
    if (code == 0)
        code = sg_decoder_decode(decoder, file.data, file.size, &whole, &image, err);
    if (code < 0)
        goto out;
    if (model->native_size) {
        transform.width = image.width;
        transform.height = image.height;
    }
    region = (struct sg_box){0.0f, 0.0f, (float)image.width, (float)image.height};
    sg_letterbox_place(&transform, &region, &placement);
    code = sg_model_borrow(model, true, &runner, err);
    if (code == 0)
        code = sg_model_shape(model, runner, &transform, 1, &tensor, &item_bytes, err);
    if (code == 0)
        code = sg_letterbox_run(&letterbox, &image, &transform, &placement, tensor.data, err);
    if (code == 0)
        print_tensor(&tensor);
    if (code == 0)
        code = sg_runner_run(runner, err);
    if (code < 0)
        goto out;
    outputs = sg_runner_outputs(runner, &count);
    for (i = 0; i < count; i++)
        print_tensor(&outputs[i]);
out:
    sg_model_return(model, &runner);
    sg_decoder_destroy(&decoder);
    sg_letterbox_fini(&letterbox);
    sg_image_fini(&image);
    sg_buf_fini(&file);
    return code;
}

static int run_model(const struct sg_command *self, const char *path, const char *picture)
{
    static const struct model_args none = {0};
    struct sg_engine *engine = NULL;
    struct sg_model *model = NULL;
    struct sg_error err = {0};
    int status = SG_EXIT_FAILED;

    if (open_model(self, path, &none, 1, &engine, &model))
        status = run_picture(model, picture, &err) < 0 ? sg_command_fail(self, &err) : SG_EXIT_OK;
    sg_model_destroy(&model);
    sg_engine_destroy(&engine);
    return status;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

static int time_runs(struct sg_model *model, bool wide, int runs, double *out_median, double *out_low,
                     struct sg_error *err)
{
    double *ms = calloc((size_t)runs, sizeof(*ms));
    struct sg_runner *runner = NULL;
    struct sg_tensor tensor;
    size_t item_bytes;
    int code, i;

    if (!ms)
        return sg_error_set(err, SG_E_NOMEM, "no memory for %d timings", runs);
    code = sg_model_borrow(model, wide, &runner, err);
    if (code == 0)
        code = sg_model_shape(model, runner, &model->transform, 1, &tensor, &item_bytes, err);
    if (code == 0)
        memset(tensor.data, 0, item_bytes);
    for (i = -BENCH_WARM_RUNS; i < runs && code == 0; i++) {
        int64_t began = sg_clock_us();

        code = sg_runner_run(runner, err);
        if (i >= 0)
            ms[i] = (double)(sg_clock_us() - began) / 1000.0;
    }
    if (code == 0) {
        qsort(ms, (size_t)runs, sizeof(*ms), by_value);
        *out_median = ms[runs / 2];
        *out_low = ms[0];
    }
    sg_model_return(model, &runner);
    free(ms);
    return code;
}

/* Nothing for models that are never batched. */
static void print_batch(struct sg_model *model, int cores)
{
    float gain = sg_model_batch_gain(model, cores);

    if (gain > 0.0f)
        sg_args_row(stdout, "", 0, "a batch of %d   %.2f times the pictures of one a core", cores,
                    (double)gain);
}

static int bench_model(const struct sg_command *self, const char *path, const struct model_args *values)
{
    int cores = sg_cpu_count();
    struct sg_engine *engine = NULL;
    struct sg_model *model = NULL;
    struct sg_error err = {0};
    double median = 0.0, low = 0.0;
    int status = SG_EXIT_FAILED, wide;

    if (!open_model(self, path, values, cores, &engine, &model))
        goto out;
    sg_args_row(stdout, "", 0, "%s, %dx%d, %d runs", model->name, model->transform.width,
                model->transform.height, values->runs);
    for (wide = 0; wide <= (model->wide != NULL); wide++) {
        if (time_runs(model, wide, values->runs, &median, &low, &err) < 0) {
            sg_command_fail(self, &err);
            goto out;
        }
        sg_args_row(stdout, "", 0, "%3d core%s  median %8.2f ms  best %8.2f ms", wide ? cores : 1,
                    wide && cores > 1 ? "s" : " ", median, low);
    }
    print_batch(model, cores);
    status = SG_EXIT_OK;
out:
    sg_model_destroy(&model);
    sg_engine_destroy(&engine);
    return status;
}

static const char *const list_examples[] = {"sight model list", "models of ./models with licence and source",
                                            NULL};
static const char *const explain_examples[] = {
    "sight model explain yolov8n.onnx", "input, colour, resize, head, labels, each with its evidence", NULL};
static const char *const run_examples[] = {"sight model run yolov8n.onnx photo.jpg",
                                           "the input and output tensors of one picture", NULL};
static const char *const bench_examples[] = {"sight model bench yolov8n.onnx",
                                             "milliseconds on one core and on all", NULL};

static const char *const heads_examples[] = {"sight model heads", "names for a card's `head:`", NULL};

static const struct sg_option_table *const list_flags[] = {&list_table, NULL};
static const struct sg_option_table *const explain_flags[] = {&explain_table, NULL};
static const struct sg_option_table *const bench_flags[] = {&bench_table, NULL};

static const struct sg_command model_commands[] = {
    {.args = {.name = "sight model list",
              .summary = "list models with licence and source",
              .examples = list_examples},
     .tables = list_flags},
    {.args = {.name = "sight model explain",
              .summary = "say how a model is fed and read, and why",
              .positional = "FILE",
              .min_positionals = 1,
              .max_positionals = 1,
              .examples = explain_examples},
     .tables = explain_flags},
    {.args = {.name = "sight model run",
              .summary = "print a model's raw tensors for one picture",
              .positional = "FILE IMAGE",
              .min_positionals = 2,
              .max_positionals = 2,
              .examples = run_examples}},
    {.args = {.name = "sight model bench",
              .summary = "time a model on one core and on all",
              .positional = "FILE",
              .min_positionals = 1,
              .max_positionals = 1,
              .examples = bench_examples},
     .tables = bench_flags},
    {.args = {.name = "sight model heads",
              .summary = "list the rules that decode outputs, for a card's `head:`",
              .examples = heads_examples}},
};
static const struct sg_option_table *const model_tables[] = {&list_table, &explain_table, NULL, &bench_table,
                                                             NULL};
#define MODEL_COMMANDS ((int)(sizeof(model_commands) / sizeof(model_commands[0])))

/* The names that a card's `head:` takes, with what each decodes. */
static int list_heads(void)
{
    const struct sg_head_ops *const *kind;

    for (kind = sg_head_kinds(); *kind; kind++)
        sg_args_row(stdout, (*kind)->name, HEAD_COLUMNS, "%s", (*kind)->summary);
    return SG_EXIT_OK;
}

static int dispatch(int which, int argc, char **argv)
{
    const struct sg_command *self = &model_commands[which];
    struct model_args values = {0};
    const struct sg_args_binding bindings[] = {{model_tables[which], &values}, {NULL, NULL}};
    struct sg_args args = {0};
    int code;

    if (model_tables[which] && sg_option_defaults(model_tables[which], &values) < 0)
        return SG_EXIT_FAILED;
    code = sg_command_parse(self, bindings, argc, argv, &args);
    if (code < 0) {
        if (which == 0)
            code = sg_place_resolve(&values.models) < 0 ? SG_EXIT_FAILED : list_models(self, &values);
        else if (which == 1)
            code = explain(self, args.positionals[0], &values);
        else if (which == 2)
            code = run_model(self, args.positionals[0], args.positionals[1]);
        else if (which == 3)
            code = bench_model(self, args.positionals[0], &values);
        else
            code = list_heads();
    }
    sg_args_fini(&args);
    if (model_tables[which])
        sg_option_fini(model_tables[which], &values);
    return code;
}

static int run_model_command(const struct sg_command *self, int argc, char **argv)
{
    const struct sg_args_command *rows[MODEL_COMMANDS + 1] = {NULL};
    int i, status;

    for (i = 0; i < MODEL_COMMANDS; i++)
        rows[i] = &model_commands[i].args;
    i = sg_command_choose(self, rows, argc, argv, &status);
    return i < 0 ? status : dispatch(i, argc - 1, argv + 1);
}

static const struct sg_command *const below[] = {&model_commands[0], &model_commands[1], &model_commands[2],
                                                 &model_commands[3], &model_commands[4], NULL};

const struct sg_command sg_command_model = {
    .args = {.name = "sight model", .summary = "list, explain, run and time models"},
    .commands = below,
    .run = run_model_command,
};
