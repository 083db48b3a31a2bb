/* SPDX-License-Identifier: MIT
 * One table of finished detections: 6 columns (YOLOv10, YOLO26 and other one-to-one heads:
 * x1,y1,x2,y2,score,class) or 7 (YOLOv7 --end2end: batch,x1,y1,x2,y2,class,score; Caffe and OpenVINO
 * DetectionOutput: batch,class,score, x1,y1,x2,y2 in 0..1). Which column is what is told from the probe's
 * values, else the family's order stands.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct order {
    const char *text;
    int columns, batch, box, score, class_id; /* column numbers; batch -1 = none */
};

/* The usual order of each width first: it stands when the probe found nothing to judge by. */
static const struct order orders[] = {
    {"x1,y1,x2,y2,score,class", 6, -1, 0, 4, 5},      {"x1,y1,x2,y2,class,score", 6, -1, 0, 5, 4},
    {"class,score,x1,y1,x2,y2", 6, -1, 2, 1, 0},      {"batch,x1,y1,x2,y2,class,score", 7, 0, 1, 6, 5},
    {"batch,class,score,x1,y1,x2,y2", 7, 0, 3, 2, 1}, {"batch,x1,y1,x2,y2,score,class", 7, 0, 1, 5, 6},
};

struct state {
    struct order order; /* as the probe told, else the usual one until a picture tells */
    bool told;
    bool flat;       /* N x columns without a batch axis */
    float size[2];   /* of the input */
    bool normalised; /* boxes are shares of it */
    int class_offset;
};

/* Rows and columns of the table whatever its rank: NxK, BxNxK, 1x1xNxK. */
static bool table_shape(const struct sg_tensor *output, int64_t *out_rows, int *out_columns)
{
    int64_t columns = output->rank >= 2 && output->rank <= 4 ? output->dims[output->rank - 1] : 0;

    if ((columns != 6 && columns != 7) || !sg_tensor_readable(output))
        return false;
    if ((output->rank == 3 && output->dims[0] < 1) ||
        (output->rank == 4 && (output->dims[0] != 1 || output->dims[1] != 1)))
        return false;
    *out_rows = output->dims[output->rank - 2];
    *out_columns = (int)columns;
    return true;
}

/* How many of the filled rows (score above zero) an order explains; -1 as soon as one contradicts it. */
static int64_t explain(const struct sg_tensor *output, int64_t rows, const struct order *order)
{
    int64_t row, good = 0;

    for (row = 0; row < rows; row++) {
        float v[7];
        int c;

        for (c = 0; c < order->columns; c++)
            v[c] = sg_tensor_at(output, row * order->columns + c);
        if (!(v[order->score] > 0.0f)) {
            if (v[order->score] < 0.0f && v[order->class_id] >= 0.0f)
                return -1;
            continue;
        }
        if (v[order->score] > 1.001f || v[order->class_id] < 0.0f ||
            v[order->class_id] != floorf(v[order->class_id]) || v[order->class_id] >= SG_HEAD_MAX_CLASSES ||
            v[order->box + 2] < v[order->box] || v[order->box + 3] < v[order->box + 1] ||
            (order->batch >= 0 && v[order->batch] != floorf(v[order->batch])))
            return -1;
        good += v[order->score] != 1.0f; /* a column of ones is no proof of a score */
    }
    return good;
}

/* The order that explains most rows; *out_good of them. NULL when the values contradict every order. */
static const struct order *tell(const struct sg_tensor *output, int64_t rows, int columns, int64_t *out_good)
{
    const struct order *best = NULL;
    size_t i;

    *out_good = -1;
    for (i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        int64_t good;

        if (orders[i].columns != columns)
            continue;
        good = explain(output, rows, &orders[i]);
        if (good > *out_good) {
            *out_good = good;
            best = &orders[i];
        }
    }
    return best;
}

static bool is_normalised(const struct sg_tensor *output, int64_t rows, const struct order *order)
{
    float most = 0.0f, least, high;
    int c;

    for (c = 0; c < 4; c++) {
        sg_range(output, order->box + c, order->columns, rows, &least, &high);
        most = high > most ? high : most;
    }
    return most > 0.0f && most <= 1.5f;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    const char *task = sg_meta_task(signature);
    const struct order *order;
    int64_t rows, good;
    char dims[64];
    int columns;

    (void)spec;
    if (count != 1 || (task[0] && strcmp(task, "detect") != 0) || !table_shape(&outputs[0], &rows, &columns))
        return;
    order = tell(&outputs[0], rows, columns, &good);
    if (!order)
        return;
    /* 300x6 could be 300 cells of a 1-class YOLOX; values that fit a finished table are what decides. */
    guess->confidence = good > 0 ? (columns == 7 ? 93 : 92) : task[0] ? 90 : columns == 7 ? 75 : 60;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is %s: a finished table of %s%s, suppressed inside the graph", outputs[0].name,
             sg_dims_text(outputs[0].dims, outputs[0].rank, dims, sizeof(dims)), order->text,
             good > 0 ? "" : " (or as each picture tells: the probe found nothing)");
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   "YOLOv7/v10/26 exports: RGB/255, centred letterbox on gray 114");
    guess->threshold = 0.25f;
    guess->iou = 0.0f;
    sg_guess_classes(guess, sg_meta_class_count(signature));
}

static int create(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, void **out_state, struct sg_error *err)
{
    const struct order *order;
    struct state *state;
    int64_t rows, good;
    int columns, code = sg_count_check(err, "end2end", count, 1);
    bool normalised;

    (void)signature;
    if (code < 0)
        return code;
    if (!table_shape(&outputs[0], &rows, &columns))
        return sg_shape_error(err, &outputs[0], "a table of finished detections, 1xNx6, Nx6 or Nx7");
    order = tell(&outputs[0], rows, columns, &good);
    if (!order)
        return sg_error_set(err, SG_E_MODEL,
                            "output \"%s\": its values fit no known order of box, score and class",
                            outputs[0].name);
    normalised = is_normalised(&outputs[0], rows, order);
    state = calloc(1, sizeof(*state));
    if (!state)
        return sg_error_set(err, SG_E_NOMEM, "out of memory");
    state->order = *order;
    state->flat = outputs[0].rank == 2 || outputs[0].rank == 4;
    state->told = good > 0;
    state->size[0] = (float)spec->input_width;
    state->size[1] = (float)spec->input_height;
    state->normalised = normalised;
    state->class_offset = spec->class_offset;
    *out_state = state;
    return SG_OK;
}

/* A probe in which nothing was found tells nothing. Then each picture's own rows do. */
static const struct order *tell_by_picture(const float *values, int64_t rows, const struct state *state,
                                           bool *out_normalised)
{
    const struct sg_tensor table = {.dtype = SG_DTYPE_F32,
                                    .rank = 2,
                                    .dims = {rows, state->order.columns},
                                    .data = (void *)(uintptr_t)values};
    const struct order *order;
    int64_t good;

    order = tell(&table, rows, state->order.columns, &good);
    if (!order || good <= 0)
        order = &state->order;
    *out_normalised = is_normalised(&table, rows, order);
    return order;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct order *order = &state->order;
    const struct sg_tensor *output = &outputs[0];
    bool normalised = state->normalised;
    float scale[2] = {1.0f, 1.0f};
    const float *v;
    int64_t rows, row;
    int columns, code = sg_count_check(err, "end2end", count, 1);

    if (code < 0)
        return code;
    if (!table_shape(output, &rows, &columns) || columns != order->columns ||
        state->flat != (output->rank != 3))
        return sg_shape_error(err, output, state->flat ? "Nx%d" : "BxNx%d", order->columns);
    if (state->flat && item > 0 && order->batch < 0)
        return sg_shape_error(err, output, "BxNx%d for a batch", order->columns);
    code = sg_head_views(&output, 1, state->flat ? -1 : item, out, 0, &v, NULL, err);
    if (code == SG_OK && !state->told)
        order = tell_by_picture(v, rows, state, &normalised);
    scale[0] = normalised ? state->size[0] : 1.0f;
    scale[1] = normalised ? state->size[1] : 1.0f;
    for (row = 0; code == SG_OK && row < rows; row++, v += columns) {
        struct sg_detection found = {.score = v[order->score], .row = row};

        if (!sg_class_id(v[order->class_id], state->class_offset, &found.class_id) ||
            !(found.score >= sg_head_threshold(options, found.class_id)) ||
            (state->flat && order->batch >= 0 && v[order->batch] != (float)item))
            continue;
        found.box = (struct sg_box){v[order->box] * scale[0], v[order->box + 1] * scale[1],
                                    v[order->box + 2] * scale[0], v[order->box + 3] * scale[1]};
        code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_end2end = {
    .name = "end2end",
    .summary = "finished tables Nx6 (YOLOv10, YOLO26) or Nx7 (YOLOv7 --end2end, DetectionOutput)",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match,
    .create = create,
    .destroy = free,
    .detect = detect,
};
