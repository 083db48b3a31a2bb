/* SPDX-License-Identifier: MIT
 * `sight detect`: pictures through a pipeline or a bare model, in this process. Main thread; the runtime uses
 * all cores.
 */
#include "app/annotate.h"
#include "app/command.h"
#include "app/pictures.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "codec/json.h"
#include "pipe/open.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DETECT_REPLY_MAX ((size_t)64 << 20)
#define DETECT_PATH_MAX  8192

struct detect_args {
    struct sg_text pipeline, model, labels, annotate;
    struct sg_texts pipelines, models;
    int decode;
    float threshold, nms;
    bool has_threshold, has_nms;
    int max_objects;
    int top_k;
    bool json, no_timing;
    int64_t max_pixels, max_image_bytes;
};

static const char *const decode_words[] = {"fast", "exact", NULL};

#define AT(member_name) .offset = offsetof(struct detect_args, member_name), .flags = SG_OPTION_FLAG_ONLY

#define ATS(member_name, set_name)                                                                           \
    .offset = offsetof(struct detect_args, member_name),                                                     \
    .set_offset = offsetof(struct detect_args, set_name), .flags = SG_OPTION_FLAG_ONLY

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
     .help = "class names for --model: a file of one a line, the first for class 0, or a known set such as "
             "coco80"},
    {.key = "pipeline",
     .type = SG_OPTION_TEXT,
     AT(pipeline),
     .short_flag = 'p',
     .value_name = "NAME",
     .absent = "the default one",
     .help = "pipeline to run"},
    {.key = "threshold",
     .type = SG_OPTION_FLOAT,
     ATS(threshold, has_threshold),
     .short_flag = 't',
     .minimum = 0,
     .maximum = 1,
     .absent = "the model's",
     .section = "What is found",
     .help = "objects that score lower are left out"},
    {.key = "nms",
     .type = SG_OPTION_FLOAT,
     ATS(nms, has_nms),
     .minimum = 0,
     .maximum = 1,
     .unit = "IoU",
     .absent = "the model's",
     .help = "overlap above which the weaker of two boxes is dropped; 0 = keep all"},
    {.key = "max_objects",
     .type = SG_OPTION_INT,
     AT(max_objects),
     .minimum = 0,
     .maximum = SG_RESULT_MAX_OBJECTS,
     .value_default = "0",
     .help = "the best N objects; 0 = the pipeline's limit"},
    {.key = "top_k",
     .type = SG_OPTION_INT,
     AT(top_k),
     .short_flag = 'k',
     .minimum = 0,
     .maximum = 64,
     .value_default = "0",
     .help = "classes named by a classifier; 0 = the model's"},
    {.key = "decode",
     .type = SG_OPTION_ENUM,
     AT(decode),
     .choices = decode_words,
     .value_default = "fast",
     .help = "fast decodes no more pixels than the model needs, exact decodes as OpenCV does"},
    {.key = "json",
     .type = SG_OPTION_BOOL,
     AT(json),
     .short_flag = 'j',
     .value_default = "false",
     .section = "What comes out",
     .help = "one native reply per picture and line"},
    {.key = "no_timing",
     .type = SG_OPTION_BOOL,
     AT(no_timing),
     .value_default = "false",
     .help = "leave timing_us out of --json, so that replies can be compared"},
    {.key = "annotate",
     .type = SG_OPTION_TEXT,
     AT(annotate),
     .short_flag = 'a',
     .value_name = "DIR",
     .help = "also write each picture with its objects drawn in, as DIR/NAME.jpg"},
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
    {.key = "max_pixels",
     .type = SG_OPTION_COUNT,
     AT(max_pixels),
     .minimum = 1,
     .maximum = 4e9,
     .value_default = "100M",
     .section = "Limits",
     .unit = "pixels",
     .help = "larger pictures are refused"},
    {.key = "max_image_bytes",
     .type = SG_OPTION_SIZE,
     AT(max_image_bytes),
     .minimum = 1024,
     .maximum = 1 << 29,
     .value_default = "64MiB",
     .help = "larger files are refused"},
};

static const struct sg_option_table detect_table = {.name = "detect",
                                                    .rows = detect_rows,
                                                    .row_count = sizeof(detect_rows) / sizeof(detect_rows[0]),
                                                    .struct_bytes = sizeof(struct detect_args)};

/* What one run of the command keeps from picture to picture. */
struct detect_run {
    const struct detect_args *args;
    const struct sg_pipeline *pipeline;
    struct sg_workspace *workspace;
    struct sg_request request;
    struct sg_annotator annotator; /* with --annotate */
    struct sg_result result;
    struct sg_buf file, reply;
    int failed;
};

static void print_attribute(const struct sg_attribute *a)
{
    if (a->has_value)
        printf("  %s %.4g%s%s", a->name ? a->name : a->model, (double)a->value, a->unit ? " " : "",
               a->unit ? a->unit : "");
    else if (a->vector)
        printf("  %s [%d numbers]", a->model, a->vector_length);
    else if (a->label)
        printf("  %s %.2f", a->label, (double)a->score);
    else
        printf("  %s class %d %.2f", a->model, a->class_id, (double)a->score);
}

static void print_table(const char *source, const struct sg_result *result)
{
    int i, k;

    printf("%s  %dx%d  %d object%s  %.1f ms\n", source, result->width, result->height, result->object_count,
           result->object_count == 1 ? "" : "s", (double)result->timing_us[SG_STAGE_TOTAL] / 1000.0);
    for (k = 0; k < result->attribute_count; k++) {
        print_attribute(&result->attributes[k]);
        printf("\n");
    }
    for (i = 0; i < result->object_count; i++) {
        const struct sg_object *o = &result->objects[i];
        char number[24];

        snprintf(number, sizeof(number), "class %d", o->class_id);
        printf("  %-14s %.2f  at %4.0f,%-4.0f size %4.0fx%-4.0f", o->label ? o->label : number,
               (double)o->score, (double)o->box.x1, (double)o->box.y1, (double)(o->box.x2 - o->box.x1),
               (double)(o->box.y2 - o->box.y1));
        for (k = 0; k < o->attribute_count; k++)
            print_attribute(&o->attributes[k]);
        if (o->text)
            printf("  \"%s\" %.2f", o->text, (double)o->text_score);
        printf("\n");
    }
}

static int detect_one(struct detect_run *run, const char *source, struct sg_error *err)
{
    struct sg_frame frame;
    int code;

    sg_result_clear(&run->result);
    run->result.pipeline = sg_pipeline_name(run->pipeline);
    sg_buf_clear(&run->file);
    code = sg_buf_append_file(&run->file, source);
    if (code == SG_E_TOO_LARGE)
        return sg_error_set(err, code, "\"%s\" is larger than %lld bytes (--max-image-bytes)", source,
                            (long long)run->args->max_image_bytes);
    if (code < 0)
        return sg_error_set(err, code, "cannot read \"%s\": %s", source, strerror(errno));
    frame = (struct sg_frame){.bytes = run->file.data ? (const void *)run->file.data : "",
                              .size = run->file.size};
    return sg_pipeline_run(run->pipeline, run->workspace, &frame, &run->request, &run->result, err);
}

static void report(struct detect_run *run, const char *source, int code, const struct sg_error *err)
{
    struct sg_json_native native = {.source = source, .no_timing = run->args->no_timing};

    if (run->args->json) {
        sg_buf_clear(&run->reply);
        if (sg_json_native(&run->result, code < 0 ? err : NULL, &native, &run->reply) == 0)
            printf("%.*s\n", (int)run->reply.size, (const char *)run->reply.data);
    } else if (code < 0) {
        fflush(stdout);
        fprintf(stderr, "sight detect: %s: %s\n", source, err->text);
    } else {
        print_table(source, &run->result);
    }
    /* Whoever reads a pipe wants each line as it comes. */
    fflush(stdout);
}

static void run_pictures(struct detect_run *run, const struct sg_pictures *pictures)
{
    char path[DETECT_PATH_MAX];
    int i;

    for (i = 0; i < pictures->count; i++) {
        struct sg_error err = {0};
        int code = detect_one(run, pictures->paths[i], &err);

        report(run, pictures->paths[i], code, &err);
        if (code == 0 && run->args->annotate.value) {
            code = sg_annotator_write(&run->annotator, pictures->paths[i], &run->file, &run->result, path,
                                      sizeof(path), &err);
            if (code < 0)
                fprintf(stderr, "sight detect: %s\n", err.text);
            else if (!run->args->json)
                printf("  drawn: %s\n", path);
        }
        run->failed += code < 0;
    }
}

static int open_annotator(struct detect_run *run, const struct sg_pictures *pictures, struct sg_error *err)
{
    struct sg_decode_limits limits = {(size_t)run->args->max_image_bytes, run->args->max_pixels};
    int code;

    if (!run->args->annotate.value)
        return 0;
    code = sg_annotator_init(&run->annotator, run->args->annotate.value, pictures, &limits, err);
    if (code == 0 && !sg_painter_has_font(run->annotator.painter))
        fprintf(stderr,
                "sight detect: no font found; boxes are drawn without labels (install fonts-dejavu-core)\n");
    return code;
}

static int open_source(struct detect_args *args, struct sg_opened *opened, struct sg_conf_problems *problems,
                       struct sg_error *err)
{
    struct sg_open_options options = {.model = args->model.value,
                                      .labels = args->labels.value,
                                      .models = &args->models,
                                      .pipelines = &args->pipelines,
                                      .pipeline = args->pipeline.value,
                                      .exact = args->decode == 1,
                                      .threads = sg_cpu_count()};

    return sg_opened_init(opened, &options, problems, err);
}

static int detect_all(const struct sg_command *self, struct detect_args *args, const struct sg_args *words)
{
    struct detect_run run = {.args = args, .request = SG_REQUEST_DEFAULTS};
    struct sg_workspace_options options = {.limits = {(size_t)args->max_image_bytes, args->max_pixels}};
    struct sg_opened opened = {0};
    struct sg_conf_problems problems = {0};
    struct sg_pictures pictures = {0};
    struct sg_error err = {0};
    int i, code = 0, status = SG_EXIT_FAILED;

    if (args->has_threshold)
        run.request.threshold = args->threshold;
    if (args->has_nms)
        run.request.iou = args->nms;
    run.request.max_objects = args->max_objects;
    run.request.top_k = args->top_k;
    if (args->decode == 1)
        run.request.decode = SG_DECODE_EXACT;
    sg_buf_init(&run.file, (size_t)args->max_image_bytes);
    sg_buf_init(&run.reply, DETECT_REPLY_MAX);
    for (i = 0; i < words->positional_count && code == 0; i++)
        code = sg_pictures_add(&pictures, words->positionals[i], &err);
    if (code == 0)
        code = open_annotator(&run, &pictures, &err);
    if (code == 0)
        code = open_source(args, &opened, &problems, &err);
    if (code == 0) {
        run.pipeline = opened.pipeline;
        code = sg_workspace_create(&options, &run.workspace);
        if (code < 0)
            sg_error_set(&err, code, "no memory for a workspace");
    }
    if (code < 0) {
        sg_command_problems(self, &problems, &err);
        goto out;
    }
    run_pictures(&run, &pictures);
    if (run.failed && pictures.count > 1)
        fprintf(stderr, "sight detect: %d of %d pictures failed\n", run.failed, pictures.count);
    status = run.failed ? SG_EXIT_FAILED : SG_EXIT_OK;
out:
    sg_workspace_destroy(&run.workspace);
    sg_opened_fini(&opened);
    sg_annotator_fini(&run.annotator);
    sg_result_fini(&run.result);
    sg_buf_fini(&run.file);
    sg_buf_fini(&run.reply);
    sg_pictures_fini(&pictures);
    sg_conf_problems_fini(&problems);
    return status;
}

static int run_detect(const struct sg_command *self, int argc, char **argv)
{
    struct detect_args values;
    const struct sg_args_binding bindings[] = {{&detect_table, &values}, {NULL, NULL}};
    struct sg_args args = {0};
    int code;

    if (sg_option_defaults(&detect_table, &values) < 0)
        return SG_EXIT_FAILED;
    code = sg_command_parse(self, bindings, argc, argv, &args);
    if (code < 0 && values.labels.value && !values.model.value)
        code =
            sg_command_usage(self, "--labels goes with --model; a pipeline's labels are those of its models");
    if (code < 0 && values.model.value && values.pipeline.value)
        code = sg_command_usage(self, "--model and --pipeline exclude each other");
    if (code < 0)
        code = detect_all(self, &values, &args);
    sg_args_fini(&args);
    sg_option_fini(&detect_table, &values);
    return code;
}

static const char *const examples[] = {"sight detect photo.jpg",
                                       "the default pipeline on one picture",
                                       "sight detect --pipeline faces --annotate out photos/",
                                       "every picture of a folder, drawn into out/",
                                       "sight detect --model yolov8n.onnx --json *.jpg",
                                       "any exported model, one JSON line per picture",
                                       "sight detect --pipeline text receipt.png",
                                       "read text",
                                       NULL};

const struct sg_command sg_command_detect = {
    .args =
        {.name = "sight detect",
         .summary = "find objects in pictures, in this process (no server needed)",
         .positional = "IMAGE…",
         .min_positionals = 1,
         .max_positionals = SG_ARGS_MAX_POSITIONALS,
         .description =
             "Runs a pipeline, or one bare model, on each picture (a folder stands for the pictures in "
             "it) and prints what was found. A picture that fails is reported, the others go on; the exit "
             "status is 0 when all went well, 1 when one failed, 2 for a wrong command line.",
         .examples = examples},
    .run = run_detect,
};
