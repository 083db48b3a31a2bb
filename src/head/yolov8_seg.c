/* SPDX-License-Identifier: MIT
 * YOLOv8-seg and kin: the YOLOv8 grid with M mask coefficients after the classes, and M prototypes of a
 * quarter of the input's size (masks.h).
 */
#include "head/yolov8.h"

#include "head/find.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

#define BOX_ROWS 4

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    const char *task = sg_meta_task(signature);
    struct sg_yolov8_shape shape;
    bool stated = strcmp(task, "segment") == 0;
    int64_t classes, masks;
    int grid, proto;

    if ((task[0] && !stated) || !sg_masks_tell(outputs, count, &grid, &proto) ||
        !sg_yolov8_shape(&outputs[grid], spec, &shape))
        return;
    masks = outputs[proto].dims[1];
    classes = shape.rows - BOX_ROWS - masks;
    if (classes < 1 || !sg_yolov8_probabilities(&outputs[grid], &shape, BOX_ROWS, classes))
        return;
    guess->confidence = stated ? 98 : shape.known ? 92 : 60;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is 1x%lldx%lld: 4 box rows, %lld class%s, %lld mask coefficients; \"%s\" holds as many "
             "prototypes of %lldx%lld",
             outputs[grid].name, (long long)outputs[grid].dims[1], (long long)outputs[grid].dims[2],
             (long long)classes, classes == 1 ? "" : "es", (long long)masks, outputs[proto].name,
             (long long)outputs[proto].dims[3], (long long)outputs[proto].dims[2]);
    sg_yolov8_conventions(signature, guess);
    sg_guess_classes(guess, (int)classes);
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct sg_yolov8 *state = opaque;
    struct sg_yolov8_shape shape;
    int code, proto;

    (void)signature;
    if (!sg_masks_tell(outputs, count, &state->output, &proto))
        code = sg_outputs_error(err, outputs, count, "1x(4+C+M)xN, a grid, and 1xMxHxW, prototypes");
    else
        code = sg_masks_prepare(&state->masks, outputs, proto, spec, err);
    if (code == SG_OK) {
        sg_yolov8_shape(&outputs[state->output], spec, &shape);
        state->extra = state->masks.count;
        state->classes = shape.rows > BOX_ROWS + state->extra ? (int)shape.rows - BOX_ROWS - state->extra : 0;
        code = sg_yolov8_prepare(state, outputs, count, spec, err);
    }
    return code;
}

static int refine(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err)
{
    const struct sg_yolov8 *state = opaque;
    const struct sg_tensor *grid = &outputs[state->output];
    struct sg_mask_table table = {
        .table = grid,
        .first = sg_yolov8_index(state, grid, item, BOX_ROWS + state->classes, 0),
        .row_step = state->rows_first ? grid->dims[2] : 1,
        .step = state->rows_first ? 1 : grid->dims[2],
    };

    (void)options;
    return sg_masks_refine(&state->masks, outputs, count, item, &table, detections, err);
}

const struct sg_head_ops sg_head_yolov8_seg = {
    .name = "yolov8-seg",
    .summary = "YOLOv8/11 segmentation: the yolov8 grid with mask coefficients, and prototypes",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_STRIDES | SG_KEY_SCORES | SG_KEY_MASK_THRESHOLD,
    .match = match,
    .state_bytes = sizeof(struct sg_yolov8),
    .init = init,
    .detect = sg_yolov8_detect,
    .refine = refine,
};
