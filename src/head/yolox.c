/* SPDX-License-Identifier: MIT
 * YOLOX: a table with an objectness and one row per grid cell. As exported the boxes are offsets from the
 * cells
 * (`yolox`); exported with decode_in_inference they are input pixels (`yolox-decoded`).
 */
#include "head/find.h"
#include "head/kinds.h"
#include "head/table.h"

#include <stdio.h>

static const int usual_strides[] = {8, 16, 32};

static void fill(const struct sg_tensor *output, const struct sg_signature *signature,
                 const struct sg_head_spec *spec, bool decoded, struct sg_head_guess *guess)
{
    int classes = (int)output->dims[2] - 5, named = sg_meta_class_count(signature);

    if (named == classes || spec->class_count == classes)
        guess->confidence += 3;
    else if (named || spec->class_count)
        guess->confidence -= 40;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is 1x%lldx%lld: one row per grid cell, box %s, objectness and %d class%s", output->name,
             (long long)output->dims[1], (long long)output->dims[2],
             decoded ? "in input pixels" : "as offsets from the cell", classes, classes == 1 ? "" : "es");
    sg_guess_plain(guess, SG_CHANNELS_BGR, SG_FIT_LETTERBOX_TOPLEFT, 0.0f, 1.0f, 114.0f,
                   "YOLOX 0.1.1 and later: BGR 0..255, letterbox at the top left on gray 114");
    guess->threshold = 0.25f;
    guess->iou = 0.45f;
    sg_guess_classes(guess, classes);
}

static void match_raw(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                      const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct sg_table_look look;

    if (count != 1 || sg_meta_task(signature)[0] || !sg_table_look(&outputs[0], spec, &look) || !look.raw ||
        !look.scores || !sg_is_grid(spec, outputs[0].dims[1], 1))
        return;
    guess->confidence = 90;
    fill(&outputs[0], signature, spec, false, guess);
}

static void match_decoded(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                          const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct sg_table_look look;
    int64_t classes;

    if (count != 1 || sg_meta_task(signature)[0] || !sg_table_look(&outputs[0], spec, &look) ||
        !look.decoded || !look.scores || !sg_is_grid(spec, outputs[0].dims[1], 1))
        return;
    classes = outputs[0].dims[2] - 5;
    /* 79 would be YOLOv8's 80 classes and no objectness. */
    guess->confidence = classes == 80 ? 85 : classes == 79 ? 45 : 73;
    if (classes != 80)
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "if column 4 is a class and not the objectness, set `head: yolov8`");
    fill(&outputs[0], signature, spec, true, guess);
}

static int init(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec, bool decoded,
                void *opaque, struct sg_error *err)
{
    struct sg_table *state = opaque;
    int64_t cells;
    int code, i;

    code = sg_table_prepare(state, decoded ? "yolox-decoded" : "yolox", 0, outputs, count, spec, err);
    if (code == SG_OK && !decoded) {
        state->scale[0] = state->scale[1] = 1.0f;
        state->stride_count = spec->stride_count > 0 ? spec->stride_count : 3;
        for (i = 0; i < state->stride_count; i++)
            state->strides[i] = spec->stride_count > 0 ? spec->strides[i] : usual_strides[i];
        for (i = 0; i < state->stride_count; i++)
            if (state->strides[i] < 1)
                code = sg_error_set(err, SG_E_CONFIG, "strides: %d is below 1", state->strides[i]);
        if (code == SG_OK) {
            cells = sg_grid_cells(spec->input_width, spec->input_height, state->strides, state->stride_count);
            if (outputs[0].dims[1] != cells)
                code = sg_shape_error(err, &outputs[0], "1x%lldx(5+C), a row for each cell of a %dx%d input",
                                      (long long)cells, spec->input_width, spec->input_height);
        }
    }
    return code;
}

static int init_raw(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                    const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init(outputs, count, spec, false, opaque, err);
}

static int init_decoded(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                        const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init(outputs, count, spec, true, opaque, err);
}

const struct sg_head_ops sg_head_yolox = {
    .name = "yolox",
    .summary = "YOLOX as exported: one row per grid cell, boxes as offsets from the cell, objectness",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_STRIDES | SG_KEY_SCORES,
    .match = match_raw,
    .state_bytes = sizeof(struct sg_table),
    .init = init_raw,
    .detect = sg_table_detect,
};

const struct sg_head_ops sg_head_yolox_decoded = {
    .name = "yolox-decoded",
    .summary = "YOLOX exported with decode_in_inference: boxes in input pixels, objectness",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_STRIDES | SG_KEY_SCORES,
    .match = match_decoded,
    .state_bytes = sizeof(struct sg_table),
    .init = init_decoded,
    .detect = sg_table_detect,
};
