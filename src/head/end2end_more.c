/* SPDX-License-Identifier: MIT
 * Finished tables with more behind box, score and class: mask coefficients beside prototypes (YOLO26-seg,
 * nms=True of YOLOv8-seg and kin), keypoints (YOLO26-pose, nms=True of YOLOv8-pose). What the columns are is
 * told from the metadata, else from the number of prototypes and the probe's values.
 */
#include "head/end2end.h"

#include "head/find.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

#define TABLE_COLUMNS 6
#define MAX_POINTS    1024

/* A kind's own reading of the outputs: fills output, extra and what the task needs. */
typedef bool (*tell_fn)(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                        struct sg_end2end *state);

static bool tell_masks(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                       struct sg_end2end *state)
{
    (void)signature;
    *state = (struct sg_end2end){0};
    if (!sg_masks_tell(outputs, count, &state->output, &state->masks.proto))
        return false;
    state->extra = (int)outputs[state->masks.proto].dims[1];
    return outputs[state->output].dims[2] == TABLE_COLUMNS + state->extra;
}

/* Are the numbers of every third column from `first` on probabilities, as visibilities are? */
static bool third_is_visibility(const struct sg_tensor *table, int64_t columns)
{
    int64_t rows = table->dims[0] * table->dims[1], c;
    float least, most;

    for (c = TABLE_COLUMNS + 2; c < columns; c += 3) {
        sg_range(table, c, columns, rows, &least, &most);
        if (!(least >= -1e-3f && most <= 1.001f))
            return false;
    }
    return true;
}

static bool tell_points(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                        struct sg_end2end *state)
{
    int shape[2];
    int64_t columns;

    *state = (struct sg_end2end){0};
    if (count != 1 || outputs[0].rank != 3 || !sg_tensor_readable(&outputs[0]))
        return false;
    columns = outputs[0].dims[2];
    if (columns <= TABLE_COLUMNS + 1 || columns > TABLE_COLUMNS + 3 * MAX_POINTS)
        return false;
    state->extra = (int)columns - TABLE_COLUMNS;
    if (sg_meta_ints(signature, "kpt_shape", shape, 2) == 2 && (shape[1] == 2 || shape[1] == 3))
        state->point_values = shape[1];
    else if (state->extra % 3 == 0 && third_is_visibility(&outputs[0], columns))
        state->point_values = 3;
    else
        state->point_values = 2;
    state->point_count = state->extra / state->point_values;
    return state->point_count * state->point_values == state->extra;
}

/* Confidence by what speaks for the table: its values, or the exporter's word. 0: it is none. A grid of one
 * candidate per row would be taken for a table by an empty probe only, and has other columns then. */
static int confidence(const struct sg_signature *signature, const struct sg_tensor *table, const char *task,
                      int extra)
{
    const char *stated = sg_meta_task(signature), *order;
    enum sg_end2end_fit fit = sg_end2end_fits(table, extra, &order);

    if (fit == SG_END2END_NOT || (stated[0] && strcmp(stated, task) != 0))
        return 0;
    if (fit == SG_END2END_FITS)
        return stated[0] ? 99 : 95;
    return stated[0] ? 90 : 30;
}

static void match_masks(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                        const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct sg_end2end state;
    const struct sg_tensor *proto;
    char dims[64];

    (void)spec;
    if (!tell_masks(signature, outputs, count, &state))
        return;
    guess->confidence = confidence(signature, &outputs[state.output], "segment", state.extra);
    if (guess->confidence == 0)
        return;
    proto = &outputs[state.masks.proto];
    snprintf(
        guess->evidence, sizeof(guess->evidence),
        "\"%.48s\" is %s: a finished table of x1,y1,x2,y2,score,class and %d mask coefficients; \"%.48s\" "
        "holds as many prototypes of %lldx%lld",
        outputs[state.output].name,
        sg_dims_text(outputs[state.output].dims, outputs[state.output].rank, dims, sizeof(dims)), state.extra,
        proto->name, (long long)proto->dims[3], (long long)proto->dims[2]);
    sg_end2end_conventions(signature, guess);
}

static void match_points(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                         const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct sg_end2end state;
    char dims[64];

    (void)spec;
    if (!tell_points(signature, outputs, count, &state))
        return;
    guess->confidence = confidence(signature, &outputs[0], "pose", state.extra);
    if (guess->confidence == 0)
        return;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%.48s\" is %s: a finished table of x1,y1,x2,y2,score,class and %d keypoints of %d numbers%s",
             outputs[0].name, sg_dims_text(outputs[0].dims, outputs[0].rank, dims, sizeof(dims)),
             state.point_count, state.point_values,
             sg_signature_meta(signature, "kpt_shape") ? " (metadata `kpt_shape`)" : "");
    sg_end2end_conventions(signature, guess);
    if (guess->class_count <= 1)
        snprintf(guess->labels, sizeof(guess->labels), state.point_count == 5 ? "face" : "person");
}

static int init(tell_fn tell, const char *expected, const struct sg_signature *signature,
                const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec, void *opaque,
                struct sg_error *err)
{
    struct sg_end2end *state = opaque;
    int code = SG_OK;

    if (!tell(signature, outputs, count, state))
        code = sg_outputs_error(err, outputs, count, expected);
    if (code == SG_OK)
        code = sg_end2end_prepare(state, outputs, spec, err);
    if (code == SG_OK && !state->point_count)
        return sg_masks_prepare(&state->masks, outputs, state->masks.proto, spec, err);
    return code;
}

static int init_masks(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                      const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    return init(tell_masks, "a finished table 1xNx(6+M) and prototypes 1xMxHxW", signature, outputs, count,
                spec, opaque, err);
}

static int init_points(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                       const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    return init(tell_points, "a finished table 1xNx(6+K*2) or 1xNx(6+K*3) of K keypoints", signature, outputs,
                count, spec, opaque, err);
}

static int refine_masks(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                        const struct sg_head_options *options, struct sg_detections *detections,
                        struct sg_error *err)
{
    const struct sg_end2end *state = opaque;
    const struct sg_tensor *output = &outputs[state->output];
    float scale[2];
    struct sg_mask_table table = {
        .table = output,
        .first = sg_end2end_extra(state, output, item, scale),
        .row_step = output->dims[2],
        .step = 1,
    };

    (void)options;
    return sg_masks_refine(&state->masks, outputs, count, item, &table, detections, err);
}

static int refine_points(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                         const struct sg_head_options *options, struct sg_detections *detections,
                         struct sg_error *err)
{
    const struct sg_end2end *state = opaque;
    const struct sg_tensor *output = &outputs[state->output];
    struct sg_landmarks landmarks = {
        .tensor = output, .step = 1, .count = state->point_count, .values = state->point_values};
    int64_t base = sg_end2end_extra(state, output, item, landmarks.scale);
    int i, code = SG_OK;

    (void)count;
    (void)options;
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        landmarks.first = base + detections->items[i].row * output->dims[2];
        code = sg_head_read_points(detections, &detections->items[i], &landmarks, err);
    }
    return code;
}

const struct sg_head_ops sg_head_end2end_seg = {
    .name = "end2end-seg",
    .summary = "finished tables with mask coefficients, and prototypes (YOLO26-seg, nms=True)",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET | SG_KEY_MASK_THRESHOLD,
    .match = match_masks,
    .state_bytes = sizeof(struct sg_end2end),
    .init = init_masks,
    .detect = sg_end2end_detect,
    .refine = refine_masks,
};

const struct sg_head_ops sg_head_end2end_pose = {
    .name = "end2end-pose",
    .summary = "finished tables with keypoints (YOLO26-pose, nms=True)",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match_points,
    .state_bytes = sizeof(struct sg_end2end),
    .init = init_points,
    .detect = sg_end2end_detect,
    .refine = refine_points,
};
