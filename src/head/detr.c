/* SPDX-License-Identifier: MIT
 * Set prediction with its post-processing in the graph (RT-DETR, D-FINE, DEIM): labels, boxes x1,y1,x2,y2,
 * scores. The pipeline feeds orig_target_sizes = the input's size, so boxes are input pixels. torchvision's
 * detectors (boxes, labels, scores without a batch axis, labels from 1) have the same three tensors.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <stdlib.h>

enum part { LABELS, BOXES, SCORES, PARTS };

struct state {
    int index[PARTS];
    bool batched;
    int class_offset;
};

static bool whole(enum sg_dtype dtype)
{
    return dtype == SG_DTYPE_I64 || dtype == SG_DTYPE_I32;
}

/* By element type and shape alone: names differ between exporters. */
static bool tell(const struct sg_tensor *outputs, int count, struct state *state)
{
    const struct sg_tensor *boxes;
    int i, p;

    for (p = 0; p < PARTS; p++)
        state->index[p] = -1;
    for (i = 0; i < count; i++) {
        const struct sg_tensor *output = &outputs[i];
        bool four = output->rank >= 2 && output->dims[output->rank - 1] == 4;
        enum part part = whole(output->dtype) ? LABELS : four && output->rank <= 3 ? BOXES : SCORES;

        /* BxQ scores with Q = 4 would pass for flat boxes; no such model has 4 queries. */
        if (output->rank < 1 || output->rank > 3 || state->index[part] >= 0 || !sg_tensor_readable(output))
            return false;
        state->index[part] = i;
    }
    if (count != PARTS || state->index[LABELS] < 0 || state->index[BOXES] < 0 || state->index[SCORES] < 0)
        return false;
    boxes = &outputs[state->index[BOXES]];
    state->batched = boxes->rank == 3;
    for (p = 0; p < PARTS; p++) {
        const struct sg_tensor *part = &outputs[state->index[p]];

        if (part->rank != boxes->rank - (p != BOXES) || part->dims[0] != boxes->dims[0] ||
            (state->batched && part->dims[1] != boxes->dims[1]))
            return false;
    }
    return true;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state = {0};
    bool sizes = false;
    int i;

    (void)spec;
    if (!tell(outputs, count, &state))
        return;
    for (i = 0; i < signature->input_count; i++)
        sizes |= sg_name_has(signature->inputs[i].name, "target_sizes");
    guess->confidence = sizes ? 98 : 90;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\", \"%s\" and \"%s\" are labels, boxes and scores of a finished set%s",
             outputs[state.index[LABELS]].name, outputs[state.index[BOXES]].name,
             outputs[state.index[SCORES]].name,
             sizes           ? "; input \"orig_target_sizes\""
             : state.batched ? ""
                             : "; no batch axis: torchvision, labels from 1");
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                   "RT-DETR, D-FINE, DEIM, torchvision: RGB/255, stretched");
    guess->threshold = 0.4f;
    guess->class_offset = state.batched ? 0 : 1;
    sg_guess_classes(guess, sg_meta_class_count(signature));
}

static int create(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, void **out_state, struct sg_error *err)
{
    struct state *state = calloc(1, sizeof(*state));

    (void)signature;
    if (!state)
        return sg_error_set(err, SG_E_NOMEM, "out of memory");
    if (!tell(outputs, count, state)) {
        free(state);
        return count > 0
                   ? sg_shape_error(err, &outputs[0],
                                    "whole-number labels BxQ, boxes BxQx4 and scores BxQ (%d outputs)", count)
                   : sg_count_check(err, "detr", count, PARTS);
    }
    state->class_offset = spec->class_offset;
    *out_state = state;
    return SG_OK;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *parts[PARTS];
    const float *views[PARTS];
    int64_t rows, row;
    int p, rank = state->batched ? 3 : 2, slice = state->batched ? item : -1;
    const int64_t box_dims[3] = {-1, state->batched ? -1 : 4, 4};
    int code = sg_count_check(err, "detr", count, PARTS);

    if (code < 0)
        return code;
    if (!state->batched && item > 0)
        return sg_shape_error(err, &outputs[state->index[BOXES]],
                              "a batch axis: the model takes one picture");
    for (p = 0; p < PARTS; p++)
        parts[p] = &outputs[state->index[p]];
    code = sg_shape_check(err, parts[BOXES], slice, rank, box_dims, state->batched ? "BxQx4" : "Qx4");
    if (code == SG_OK)
        code = sg_shape_check(err, parts[LABELS], slice, rank - 1, parts[BOXES]->dims, "one label per box");
    if (code == SG_OK)
        code = sg_shape_check(err, parts[SCORES], slice, rank - 1, parts[BOXES]->dims, "one score per box");
    if (code == SG_OK)
        code = sg_head_views(parts, PARTS, slice, out, 0, views, NULL, err);
    if (code < 0)
        return code;
    rows = parts[BOXES]->dims[rank - 2];
    for (row = 0; row < rows && code == SG_OK; row++) {
        const float *box = views[BOXES] + 4 * row;
        struct sg_detection found = {
            .box = {box[0], box[1], box[2], box[3]}, .score = views[SCORES][row], .row = row};

        if (sg_class_id(views[LABELS][row], state->class_offset, &found.class_id) &&
            found.score >= sg_head_threshold(options, found.class_id))
            code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_detr = {
    .name = "detr",
    .summary = "RT-DETR, D-FINE, DEIM, torchvision: labels, boxes x1,y1,x2,y2 and scores, finished",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .match = match,
    .create = create,
    .destroy = free,
    .detect = detect,
};
