/* SPDX-License-Identifier: MIT
 * What the head room makes of a model: opens it, probes it with a synthetic picture, prints as JSON lines the
 * confidence of every kind, the guess of the chosen one, then for each tensor file what it detects or
 * answers. usage: head_dump MODEL WxH [key=value]… [FILE:WxH]…   (keys: kind, threshold, iou, top) FILE holds
 * the raw elements of input 0, in its declared type and layout, of a picture of W x H.
 */
#include "engine/engine.h"
#include "head/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct dump {
    struct sg_engine *engine;
    struct sg_graph *graph;
    struct sg_runner *runner;
    const struct sg_signature *signature;
    struct sg_head_spec spec;
    struct sg_head_options options;
    struct sg_head *head;
    int top;
    struct sg_error err;
};

static void text(const char *value)
{
    putchar('"');
    for (; *value; value++)
        if (*value == '"' || *value == '\\')
            printf("\\%c", *value);
        else if ((unsigned char)*value < ' ')
            printf("\\u%04x", (unsigned char)*value);
        else
            putchar(*value);
    putchar('"');
}

/* Shapes every input for one picture: input 0 takes it, others what pipe feeds. */
static int shape(struct dump *dump, int width, int height, struct sg_tensor *out_picture)
{
    int i, d, code = SG_OK;

    for (i = 0; i < dump->signature->input_count && code == SG_OK; i++) {
        const struct sg_slot *slot = &dump->signature->inputs[i];
        int64_t dims[SG_TENSOR_MAX_RANK];
        bool last = slot->rank == 4 && slot->dims[3] == 3 && slot->dims[1] != 3;
        struct sg_tensor tensor = {0};

        for (d = 0; d < slot->rank; d++)
            dims[d] = slot->dims[d] > 0 ? slot->dims[d] : 1;
        if (i == 0 && slot->rank == 4) {
            dims[1] = last ? height : dims[1];
            dims[2] = last ? width : height;
            dims[3] = last ? dims[3] : width;
        } else if (slot->rank == 2) {
            dims[1] = 2;
        }
        code = sg_runner_input(dump->runner, i, dims, slot->rank, &tensor, &dump->err);
        if (code < 0)
            break;
        if (!tensor.data)
            return -1;
        if (i == 0) {
            *out_picture = tensor;
        } else if (tensor.dtype == SG_DTYPE_F32) {
            bool sizes = strstr(slot->name, "shape");

            ((float *)tensor.data)[0] = sizes ? (float)height : 1.0f;
            ((float *)tensor.data)[1] = sizes ? (float)width : 1.0f;
        } else if (tensor.dtype == SG_DTYPE_I64) {
            ((int64_t *)tensor.data)[0] = width;
            ((int64_t *)tensor.data)[1] = height;
        }
    }
    return code;
}

/* Slopes and squares, 0..1 or 0..255. */
static void paint(const struct sg_tensor *picture)
{
    int64_t count = sg_tensor_count(picture), i;

    for (i = 0; i < count; i++) {
        float value = (float)(i % 640) / 640.0f * 0.5f + (float)((i / 64 + i / 40960) % 2) * 0.4f;

        if (picture->dtype == SG_DTYPE_F32)
            ((float *)picture->data)[i] = value;
        else if (picture->dtype == SG_DTYPE_F16)
            ((uint16_t *)picture->data)[i] = sg_float_to_half(value);
        else if (picture->dtype == SG_DTYPE_U8)
            ((uint8_t *)picture->data)[i] = (uint8_t)(value * 255.0f);
    }
}

static void print_graph(struct dump *dump, const struct sg_tensor *outputs, int count,
                        const struct sg_head_guess *guess)
{
    const struct sg_transform *transform = &guess->transform;
    char dims[64];
    int i;

    printf("{\"outputs\":[");
    for (i = 0; i < count; i++) {
        printf("%s[", i ? "," : "");
        text(outputs[i].name);
        printf(",\"%s\",\"%s\"]", sg_dims_text(outputs[i].dims, outputs[i].rank, dims, sizeof(dims)),
               sg_dtype_name(outputs[i].dtype));
    }
    printf("],\"kinds\":{");
    for (i = 0; sg_head_kinds()[i]; i++) {
        struct sg_head_guess mine = {.transform.width = dump->spec.input_width,
                                     .transform.height = dump->spec.input_height};

        sg_head_kinds()[i]->match(dump->signature, outputs, count, &dump->spec, &mine);
        printf("%s\"%s\":%d", i ? "," : "", sg_head_kinds()[i]->name, mine.confidence);
    }
    printf("},\"head\":\"%s\",\"confidence\":%d,\"evidence\":",
           dump->head ? sg_head_kind(dump->head)->name : "", guess->confidence);
    text(guess->evidence);
    printf(",\"ambiguity\":");
    text(guess->ambiguity);
    printf(",\"channels\":%d,\"fit\":%d,\"mean\":[%g,%g,%g],\"std\":[%g,%g,%g],\"pad\":%g,\"threshold\":%g,"
           "\"iou\":%g,\"class_count\":%d,\"class_offset\":%d,\"labels\":\"%s\",\"error\":",
           transform->channels, transform->fit, transform->mean[0], transform->mean[1], transform->mean[2],
           transform->std[0], transform->std[1], transform->std[2], transform->pad[0], guess->threshold,
           guess->iou, guess->class_count, guess->class_offset, guess->labels);
    text(dump->err.text);
    printf("}\n");
}

static void print_found(const struct sg_detections *found)
{
    int i, k;

    printf("{\"detections\":[");
    for (i = 0; i < found->count; i++) {
        const struct sg_detection *item = &found->items[i];

        printf("%s{\"box\":[%.4f,%.4f,%.4f,%.4f],\"score\":%.6f,\"class_id\":%d,\"points\":[", i ? "," : "",
               item->box.x1, item->box.y1, item->box.x2, item->box.y2, item->score, item->class_id);
        for (k = 0; k < item->point_count; k++) {
            const struct sg_keypoint *point = &found->points[item->first_point + k];

            printf("%s[%.3f,%.3f,%.4f]", k ? "," : "", point->x, point->y, point->score);
        }
        printf("],\"polygon\":[");
        for (k = 0; k < item->polygon_count; k++) {
            const struct sg_keypoint *point = &found->points[item->first_polygon + k];

            printf("%s[%.3f,%.3f]", k ? "," : "", point->x, point->y);
        }
        printf("]}");
    }
    printf("]}\n");
}

static void print_answers(const struct sg_answers *answers)
{
    int i;

    printf("{\"answers\":[");
    for (i = 0; i < answers->count; i++) {
        const struct sg_answer *item = &answers->items[i];

        printf("%s{\"name\":", i ? "," : "");
        text(item->name ? item->name : "");
        printf(",\"class_id\":%d,\"score\":%.6f", item->class_id, item->score);
        if (item->has_value)
            printf(",\"value\":%.6f", item->value);
        printf(",\"vector_length\":%d}", item->vector_length);
    }
    printf("],\"text\":");
    text(answers->text);
    printf(",\"text_score\":%.6f}\n", answers->text_score);
}

static int create(struct dump *dump, int width, int height)
{
    struct sg_head_guess guess = {.transform.width = width, .transform.height = height};
    const struct sg_tensor *outputs;
    struct sg_tensor picture = {0};
    int count;

    dump->spec.input_width = width;
    dump->spec.input_height = height;
    if (shape(dump, width, height, &picture) < 0 || !picture.data)
        return -1;
    paint(&picture);
    if (sg_runner_run(dump->runner, &dump->err) < 0)
        return -1;
    outputs = sg_runner_outputs(dump->runner, &count);
    sg_head_create(dump->signature, outputs, count, &dump->spec, &dump->head, &guess, &dump->err);
    if (dump->options.threshold < 0.0f)
        dump->options.threshold = guess.threshold;
    if (dump->options.iou < 0.0f)
        dump->options.iou = guess.iou;
    dump->options.agnostic = guess.agnostic;
    print_graph(dump, outputs, count, &guess);
    return dump->head ? 0 : -1;
}

static int run_file(struct dump *dump, char *argument)
{
    struct sg_detections found = {0};
    struct sg_answers answers = {0};
    const struct sg_tensor *outputs;
    struct sg_tensor picture = {0};
    char *size = strrchr(argument, ':');
    int width, height, count, code = -1;
    FILE *file = NULL;

    if (!size || sscanf(size, ":%dx%d", &width, &height) != 2)
        return -1;
    *size = '\0';
    file = fopen(argument, "rb");
    if (!file || shape(dump, width, height, &picture) < 0)
        goto out;
    if (fread(picture.data, sg_dtype_bytes(picture.dtype), (size_t)sg_tensor_count(&picture), file) !=
        (size_t)sg_tensor_count(&picture)) {
        sg_error_set(&dump->err, SG_E_IO, "%s is too short", argument);
        goto out;
    }
    if (sg_runner_run(dump->runner, &dump->err) < 0)
        goto out;
    outputs = sg_runner_outputs(dump->runner, &count);
    if (sg_head_kind(dump->head)->detect) {
        code = sg_head_detect(dump->head, outputs, count, 0, &dump->options, &found, &dump->err);
        if (code == SG_OK)
            print_found(&found);
    } else {
        code = sg_head_answer(dump->head, outputs, count, 0, dump->top, NULL, 0, &answers, &dump->err);
        if (code == SG_OK)
            print_answers(&answers);
    }
out:
    if (file)
        fclose(file);
    sg_detections_fini(&found);
    sg_answers_fini(&answers);
    return code;
}

static bool option(struct dump *dump, const char *argument)
{
    if (strncmp(argument, "kind=", 5) == 0)
        snprintf(dump->spec.kind, sizeof(dump->spec.kind), "%s", argument + 5);
    else if (strncmp(argument, "threshold=", 10) == 0)
        dump->options.threshold = strtof(argument + 10, NULL);
    else if (strncmp(argument, "iou=", 4) == 0)
        dump->options.iou = strtof(argument + 4, NULL);
    else if (strncmp(argument, "top=", 4) == 0)
        dump->top = (int)strtol(argument + 4, NULL, 10);
    else
        return false;
    return true;
}

int main(int argc, char **argv)
{
    struct sg_graph_options options = {.threads = 1};
    struct dump dump = {.options = {.threshold = -1.0f, .iou = -1.0f}, .top = 1};
    int width, height, i, status = 1;

    if (argc < 3 || sscanf(argv[2], "%dx%d", &width, &height) != 2) {
        fprintf(stderr, "usage: head_dump MODEL WxH [kind=… threshold=… iou=… top=…] [FILE:WxH]…\n");
        return 2;
    }
    for (i = 3; i < argc; i++)
        option(&dump, argv[i]);
    if (sg_engine_create(&dump.engine, &dump.err) < 0 ||
        sg_graph_open(dump.engine, argv[1], &options, &dump.graph, &dump.err) < 0 ||
        sg_runner_create(dump.graph, &dump.runner, &dump.err) < 0)
        goto out;
    dump.signature = sg_graph_signature(dump.graph);
    if (create(&dump, width, height) < 0)
        goto out;
    for (i = 3; i < argc; i++)
        if (!option(&dump, argv[i]) && run_file(&dump, argv[i]) < 0)
            goto out;
    status = 0;
out:
    if (status)
        fprintf(stderr, "head_dump: %s %s\n", dump.err.text, dump.err.detail);
    sg_head_destroy(&dump.head);
    sg_runner_destroy(&dump.runner);
    sg_graph_destroy(&dump.graph);
    sg_engine_destroy(&dump.engine);
    return status;
}
