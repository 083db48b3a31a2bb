/* SPDX-License-Identifier: MIT
 * One table of finished detections: 6 columns (YOLOv10, YOLO26 and other one-to-one heads:
 * x1,y1,x2,y2,score,class) or 7 (YOLOv7 --end2end: batch,x1,y1,x2,y2,class,score; Caffe and OpenVINO
 * DetectionOutput: batch,class,score, x1,y1,x2,y2 in 0..1). Which column is what is told from the probe's
 * values, else the family's order stands.
 */
#include "head/end2end.h"

#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

/* The usual order of each width first: it stands when the probe found nothing to judge by. */
static const struct sg_end2end_order orders[] = {
    {"x1,y1,x2,y2,score,class", 6, -1, 0, 4, 5},      {"x1,y1,x2,y2,class,score", 6, -1, 0, 5, 4},
    {"class,score,x1,y1,x2,y2", 6, -1, 2, 1, 0},      {"batch,x1,y1,x2,y2,class,score", 7, 0, 1, 6, 5},
    {"batch,class,score,x1,y1,x2,y2", 7, 0, 3, 2, 1}, {"batch,x1,y1,x2,y2,score,class", 7, 0, 1, 5, 6},
};

#define DOUBTFUL 0.05f /* boxes that score less may have their corners the wrong way round */

/* Rows and columns of the table whatever its rank: NxK, BxNxK, 1x1xNxK. More columns come with a batch axis.
 */
static bool table_shape(const struct sg_tensor *output, int extra, int64_t *out_rows, int *out_columns)
{
    int64_t columns = output->rank >= 2 && output->rank <= 4 ? output->dims[output->rank - 1] : 0;

    if ((columns != 6 + extra && (extra || columns != 7)) || !sg_tensor_readable(output) ||
        (extra && output->rank != 3))
        return false;
    if ((output->rank == 3 && output->dims[0] < 1) ||
        (output->rank == 4 && (output->dims[0] != 1 || output->dims[1] != 1)))
        return false;
    *out_rows = output->dims[output->rank - 2];
    *out_columns = (int)columns;
    return true;
}

/* How many of the filled rows (score above zero) an order explains; -1 as soon as one contradicts it. */
static int64_t explain(const struct sg_tensor *output, int64_t rows, int columns,
                       const struct sg_end2end_order *order)
{
    int64_t row, good = 0;

    for (row = 0; row < rows; row++) {
        float v[7];
        int c;

        for (c = 0; c < order->columns; c++)
            v[c] = sg_tensor_at(output, row * columns + c);
        if (!(v[order->score] > 0.0f)) {
            if (v[order->score] < 0.0f && v[order->class_id] >= 0.0f)
                return -1;
            continue;
        }
        if (v[order->score] > 1.001f || v[order->class_id] < 0.0f ||
            v[order->class_id] != floorf(v[order->class_id]) || v[order->class_id] >= SG_HEAD_MAX_CLASSES ||
            (v[order->score] >= DOUBTFUL &&
             (v[order->box + 2] < v[order->box] || v[order->box + 3] < v[order->box + 1])) ||
            (order->batch >= 0 && v[order->batch] != floorf(v[order->batch])))
            return -1;
        good += v[order->score] != 1.0f; /* a column of ones is no proof of a score */
    }
    return good;
}

/* The order that explains most rows; *out_good of them. NULL when the values contradict every order. */
static const struct sg_end2end_order *tell(const struct sg_tensor *output, int64_t rows, int columns,
                                           int extra, int64_t *out_good)
{
    const struct sg_end2end_order *best = NULL;
    size_t i;

    *out_good = -1;
    for (i = 0; i < (extra ? 1 : sizeof(orders) / sizeof(orders[0])); i++) {
        int64_t good;

        if (orders[i].columns != columns - extra)
            continue;
        good = explain(output, rows, columns, &orders[i]);
        if (good > *out_good) {
            *out_good = good;
            best = &orders[i];
        }
    }
    return best;
}

/* first: flat index of the table's first element. */
static bool is_normalised(const struct sg_tensor *output, int64_t first, int64_t rows, int columns,
                          const struct sg_end2end_order *order)
{
    float most = 0.0f, least, high;
    int c;

    for (c = 0; c < 4; c++) {
        sg_range(output, first + order->box + c, columns, rows, &least, &high);
        most = high > most ? high : most;
    }
    return most > 0.0f && most <= 1.5f;
}

enum sg_end2end_fit sg_end2end_fits(const struct sg_tensor *output, int extra, const char **out_order)
{
    const struct sg_end2end_order *order;
    int64_t rows, good;
    int columns;

    if (!table_shape(output, extra, &rows, &columns))
        return SG_END2END_NOT;
    order = tell(output, rows, columns, extra, &good);
    *out_order = order ? order->text : NULL;
    return !order ? SG_END2END_NOT : good > 0 ? SG_END2END_FITS : SG_END2END_EMPTY;
}

void sg_end2end_conventions(const struct sg_signature *signature, struct sg_head_guess *guess)
{
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   "YOLOv7/v10/26 exports: RGB/255, centred letterbox on gray 114");
    guess->threshold = 0.25f;
    guess->iou = 0.0f;
    sg_guess_classes(guess, sg_meta_class_count(signature));
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    const char *task = sg_meta_task(signature), *order;
    enum sg_end2end_fit fit;
    bool seven, grid;
    char dims[64];

    if (count != 1 || (task[0] && strcmp(task, "detect") != 0))
        return;
    fit = sg_end2end_fits(&outputs[0], 0, &order);
    if (fit == SG_END2END_NOT)
        return;
    seven = outputs[0].dims[outputs[0].rank - 1] == 7;
    grid = sg_is_grid(spec, outputs[0].dims[outputs[0].rank - 2], 1);
    /* 300x6 could be 300 cells of a 1-class YOLOX, or 300 boxes and probabilities of two classes; values that
     * fit a finished table are what decides. */
    guess->confidence = fit == SG_END2END_FITS ? (task[0] && !grid ? 99
                                                  : seven          ? 93
                                                                   : 92)
                        : task[0]              ? 90
                        : seven                ? 75
                                               : 60;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is %s: a finished table of %s%s, suppressed inside the graph", outputs[0].name,
             sg_dims_text(outputs[0].dims, outputs[0].rank, dims, sizeof(dims)), order,
             fit == SG_END2END_FITS ? "" : " (or as each picture tells: the probe found nothing)");
    sg_end2end_conventions(signature, guess);
}

int sg_end2end_prepare(struct sg_end2end *state, const struct sg_tensor *outputs,
                       const struct sg_head_spec *spec, struct sg_error *err)
{
    const struct sg_tensor *output = &outputs[state->output];
    const struct sg_end2end_order *order;
    int64_t rows, good;
    int columns;

    if (!table_shape(output, state->extra, &rows, &columns))
        return state->extra
                   ? sg_shape_error(err, output, "a table of finished detections, BxNx%d", 6 + state->extra)
                   : sg_shape_error(err, output, "a table of finished detections, 1xNx6, Nx6 or Nx7");
    order = tell(output, rows, columns, state->extra, &good);
    if (!order)
        return sg_error_set(err, SG_E_MODEL,
                            "output \"%s\": its values fit no known order of box, score and class",
                            output->name);
    state->order = *order;
    state->flat = output->rank == 2 || output->rank == 4;
    state->told = good > 0;
    state->size[0] = (float)spec->input_width;
    state->size[1] = (float)spec->input_height;
    state->normalised = is_normalised(output, 0, rows, columns, order);
    state->class_offset = spec->class_offset;
    return SG_OK;
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    int code = sg_count_check(err, "end2end", count, 1);
    struct sg_end2end *state = opaque;

    (void)signature;
    return code < 0 ? code : sg_end2end_prepare(state, outputs, spec, err);
}

/* A probe in which nothing was found tells nothing. Then each picture's own rows do. */
static const struct sg_end2end_order *tell_by_picture(const float *values, int64_t rows,
                                                      const struct sg_end2end *state, bool *out_normalised)
{
    int columns = state->order.columns + state->extra;
    const struct sg_tensor table = {
        .dtype = SG_DTYPE_F32, .rank = 2, .dims = {rows, columns}, .data = (void *)(uintptr_t)values};
    const struct sg_end2end_order *order;
    int64_t good;

    order = tell(&table, rows, columns, state->extra, &good);
    if (!order || good <= 0)
        order = &state->order;
    *out_normalised = is_normalised(&table, 0, rows, columns, order);
    return order;
}

int sg_end2end_detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                      const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct sg_end2end *state = opaque;
    const struct sg_end2end_order *order = &state->order;
    const struct sg_tensor *output;
    bool normalised = state->normalised;
    float scale[2] = {1.0f, 1.0f};
    const float *v;
    int64_t rows, row;
    int columns, code = sg_count_check(err, "end2end", count, state->output + 1);

    if (code < 0)
        return code;
    output = &outputs[state->output];
    if (!table_shape(output, state->extra, &rows, &columns) || columns != order->columns + state->extra ||
        state->flat != (output->rank != 3))
        return sg_shape_error(err, output, state->flat ? "Nx%d" : "BxNx%d", order->columns + state->extra);
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

int64_t sg_end2end_extra(const struct sg_end2end *state, const struct sg_tensor *output, int item,
                         float scale[2])
{
    int64_t first = item * output->dims[1] * output->dims[2];
    bool normalised =
        state->told ? state->normalised
                    : is_normalised(output, first, output->dims[1], (int)output->dims[2], &state->order);

    scale[0] = normalised ? state->size[0] : 1.0f;
    scale[1] = normalised ? state->size[1] : 1.0f;
    return first + state->order.columns;
}

const struct sg_head_ops sg_head_end2end = {
    .name = "end2end",
    .summary = "finished tables Nx6 (YOLOv10, YOLO26) or Nx7 (YOLOv7 --end2end, DetectionOutput)",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match,
    .state_bytes = sizeof(struct sg_end2end),
    .init = init,
    .detect = sg_end2end_detect,
};
