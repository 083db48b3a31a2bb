/* SPDX-License-Identifier: MIT
 * `sight detect`: pictures through a pipeline or a bare model, in this process. Few pictures run one after
 * another, each on all cores; many run side by side, each on one.
 */
#include "app/picture_command.h"
#include "base/cpu.h"
#include "pipeline/open.h"

#include <stddef.h>
#include <stdlib.h>

struct detect_args {
    struct sg_picture_command_args command;
    struct sg_text pipeline, model, labels;
    struct sg_texts pipelines, models;
    struct sg_found_args found;
    struct sg_engine_conf engine;
    int decode;
};

static const char *const decode_words[] = {"fast", "exact", NULL};

#define AT(member_name) .offset = offsetof(struct detect_args, member_name), .flags = SG_OPTION_FLAG_ONLY

static const struct sg_option detect_rows[] = {
    {.key = "model",
     .type = SG_OPTION_TEXT,
     AT(model),
     .short_flag = 'm',
     .value_name = "FILE",
     .section = "What runs",
     .absent = "the pipeline's models",
     .help = "any exported .onnx, a model folder or a card; no configuration needed"},
    {.key = "labels",
     .type = SG_OPTION_TEXT,
     AT(labels),
     .short_flag = 'l',
     .value_name = "FILE",
     .absent = "card, metadata or the family's",
     .help = "class names for --model: a file of one a line, the first for class 0, or as exporters write it "
             "(data.yaml, config.json, label_map.pbtxt), or a known set such as coco80"},
    {.key = "pipeline",
     .type = SG_OPTION_TEXT,
     AT(pipeline),
     .short_flag = 'p',
     .value_name = "NAME",
     .absent = "the default one",
     .help = "pipeline to run"},
    SG_ENGINE_ROWS(struct detect_args, SG_OPTION_FLAG_ONLY, NULL),
    SG_FOUND_ROWS(struct detect_args, "What is found", "the model's"),
    {.key = "decode",
     .type = SG_OPTION_ENUM,
     AT(decode),
     .choices = decode_words,
     .value_default = "fast",
     .help = "fast decodes no more pixels than the model needs, exact all of them: within one level of "
             "OpenCV's (CMYK: two)"},
    {.key = "pipelines",
     .type = SG_OPTION_TEXTS,
     AT(pipelines),
     .value_name = "PATH",
     .value_default = "pipelines",
     .section = "Where things are",
     .help = "folders of pipelines, or their .yaml files"},
    {.key = "models",
     .type = SG_OPTION_TEXTS,
     AT(models),
     .value_name = "DIR",
     .value_default = "models",
     .help = "folders of models"},
};

static const struct sg_option_table detect_table = {.name = "detect",
                                                    .rows = detect_rows,
                                                    .row_count = sizeof(detect_rows) / sizeof(detect_rows[0]),
                                                    .struct_bytes = sizeof(struct detect_args)};

struct detect {
    const struct sg_command *self;
    struct detect_args *args;
    struct sg_opened opened;
    struct sg_request request;
    atomic_int crowd; /* what request.in_flight points at: each picture on its worker's core */
};

/* What a worker has. */
struct lane {
    const struct detect *detect;
    struct sg_workspace *workspace;
};

static int open_lane(void *ctx, void **out_state, struct sg_error *err)
{
    struct detect *detect = ctx;
    const struct sg_picture_command_args *command = &detect->args->command;
    struct sg_workspace_options options = {.limits = {(size_t)command->max_image_bytes, command->max_pixels}};
    struct lane *lane = calloc(1, sizeof(*lane));

    if (!lane || sg_workspace_create(&options, &lane->workspace) < 0) {
        free(lane);
        return sg_error_set(err, SG_E_NOMEM, "no memory for a workspace");
    }
    lane->detect = detect;
    *out_state = lane;
    return 0;
}

static int run_lane(void *state, const struct sg_buf *bytes, struct sg_result *result, struct sg_error *err)
{
    struct lane *lane = state;
    const struct sg_frame frame = {.bytes = bytes->data ? (const void *)bytes->data : "",
                                   .size = bytes->size};

    return sg_pipeline_run(lane->detect->opened.pipeline, lane->workspace, &frame, &lane->detect->request,
                           result, err);
}

static void close_lane(void *state)
{
    struct lane *lane = state;

    sg_workspace_destroy(&lane->workspace);
    free(lane);
}

static const struct sg_batch_ops lanes = {.open = open_lane, .run = run_lane, .close = close_lane};

/* The number of pictures named decides, not of those left to do: the same run, resumed, computes the same
 * way.
 */
static int prepare(void *ctx, int pictures, int *out_workers)
{
    struct detect *detect = ctx;
    struct detect_args *args = detect->args;
    struct sg_conf_problems problems = {0};
    struct sg_error err = {0};
    bool many = pictures == 0 || pictures > sg_cpu_count();
    const struct sg_open_options options = {.model = args->model.value,
                                            .labels = args->labels.value,
                                            .models = &args->models,
                                            .pipelines = &args->pipelines,
                                            .pipeline = args->pipeline.value,
                                            .exact = args->decode == 1,
                                            .crowd = many,
                                            .engine = &args->engine,
                                            .threads = many ? 1 : sg_cpu_count()};
    int code = sg_opened_init(&detect->opened, &options, &problems, &err);

    if (code < 0)
        sg_command_problems(detect->self, &problems, &err);
    sg_conf_problems_fini(&problems);
    detect->crowd = 2;
    detect->request.in_flight = many ? &detect->crowd : NULL;
    *out_workers = many ? sg_cpu_count() : 1;
    return code;
}

static int files(void *ctx, sg_file_fn visit, void *visit_ctx, struct sg_error *err)
{
    const struct detect *detect = ctx;

    return sg_opened_files(&detect->opened, visit, visit_ctx, err);
}

static const char *label(void *ctx, int class_id, int *out_count)
{
    const struct detect *detect = ctx;
    int models = 0;
    struct sg_model *const *all = sg_pipeline_models(detect->opened.pipeline, &models);

    *out_count = models > 0 ? all[0]->labels.count + all[0]->class_base : 0;
    return models > 0 ? sg_model_label(all[0], class_id) : NULL;
}

static int detect_all(const struct sg_command *self, void *values, const struct sg_args *words)
{
    struct detect detect = {.self = self, .args = values, .request = SG_REQUEST_DEFAULTS};
    const struct detect_args *args = values;
    struct sg_picture_command command = {.self = self,
                                         .args = &args->command,
                                         .words = words,
                                         .ops = &lanes,
                                         .ctx = &detect,
                                         .prepare = prepare,
                                         .reads = {args->model.value, args->labels.value},
                                         .files = files,
                                         .label = label};
    struct sg_job_options options;
    int status;

    if (args->labels.value && !args->model.value)
        return sg_command_usage(self,
                                "--labels goes with --model; a pipeline's labels are those of its models");
    if (args->model.value && args->pipeline.value)
        return sg_command_usage(self, "--model and --pipeline exclude each other");
    sg_found_options(&args->found, &options);
    if (args->decode == 1)
        options.decode = SG_DECODE_EXACT;
    sg_request_set(&detect.request, &options);
    status = sg_picture_command_run(&command);
    sg_opened_fini(&detect.opened);
    return status;
}

static int run_detect(const struct sg_command *self, int argc, char **argv)
{
    struct detect_args values;
    const struct sg_args_binding bindings[] = {
        {&detect_table, &values}, {&sg_picture_command_table, &values.command}, {NULL, NULL}};

    return sg_command_body(self, bindings, argc, argv, detect_all, &values);
}

static const char *const examples[] = {
    "sight detect photo.jpg",
    "the default pipeline on one picture",
    "sight detect --pipeline faces --annotate out photos/",
    "every picture of a folder and its folders, drawn into out/",
    "sight detect --model yolov8n.onnx --json *.jpg",
    "any exported model, one JSON line per picture",
    "sight detect photos/ --output found.jsonl --resume",
    "a long run that may be broken off and started again at any time",
    "sight detect photos/ --format coco --output found.json",
    "labels for an annotation tool; --format yolo --output labels/ for another",
    "sight detect --watch incoming/ --output found.csv",
    "every picture that a camera or another program puts there",
    "curl -s https://example.org/a.jpg | sight detect -",
    "one picture from standard input",
    NULL};

static const struct sg_option_table *const tables[] = {&detect_table, &sg_picture_command_table, NULL};

const struct sg_command sg_command_detect = {
    .args =
        {.name = "sight detect",
         .summary = "find objects in pictures, in this process (no server needed)",
         .positional = "[IMAGE…]",
         .max_positionals = SG_ARGS_MAX_POSITIONALS,
         .description =
             "Runs a pipeline, or one bare model, on each picture and prints what was found. An IMAGE is a "
             "file, a folder (its pictures, and those of its folders, in natural order), a pattern in quotes "
             "(\"photos/*.jpg\") or - for standard input. Many pictures use all cores; results come in the "
             "order of the pictures.\nA picture that fails is reported, the others go on.",
         .examples = examples},
    .tables = tables,
    .run = run_detect,
};
