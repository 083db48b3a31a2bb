/* SPDX-License-Identifier: MIT
 * YOLOv8-pose and kin: the YOLOv8 grid, then K keypoints of x, y (input pixels) and maybe a visibility 0..1.
 */
#include "head/yolov8.h"

#include "head/find.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

#define BOX_ROWS 4

struct layout {
    int classes, points, values;
};

/* From the metadata, else 1 class and points of three numbers: 17 (a person's, COCO), 5 (a face's), or other.
 */
static bool tell(const struct sg_signature *signature, int64_t rows, struct layout *out)
{
    int shape[2];
    int named = sg_meta_class_count(signature);

    *out = (struct layout){.classes = named > 0 ? named : 1};
    if (sg_meta_ints(signature, "kpt_shape", shape, 2) == 2 && shape[0] > 0 &&
        (shape[1] == 2 || shape[1] == 3)) {
        out->points = shape[0];
        out->values = shape[1];
        if (!named)
            out->classes = (int)(rows - BOX_ROWS - (int64_t)shape[0] * shape[1]);
    } else if (rows > BOX_ROWS + out->classes && (rows - BOX_ROWS - out->classes) % 3 == 0) {
        out->points = (int)(rows - BOX_ROWS - out->classes) / 3;
        out->values = 3;
    }
    return out->points > 0 && out->classes > 0 &&
           rows == BOX_ROWS + out->classes + (int64_t)out->points * out->values;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    const char *task = sg_meta_task(signature);
    struct sg_yolov8_shape shape;
    struct layout layout;
    bool stated = strcmp(task, "pose") == 0;

    if (count != 1 || !sg_yolov8_shape(&outputs[0], spec, &shape) || !tell(signature, shape.rows, &layout))
        return;
    if (task[0] && !stated)
        return;
    if (!sg_yolov8_probabilities(&outputs[0], &shape, BOX_ROWS, layout.classes))
        return;
    /* Coordinates in pixels cannot pass for probabilities; that is how a plain detector is told apart. */
    if (!stated && sg_yolov8_probabilities(&outputs[0], &shape, BOX_ROWS + layout.classes, 2))
        return;
    guess->confidence = stated ? 98 : !shape.known ? 40 : layout.points == 17 || layout.points == 5 ? 88 : 70;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is 1x%lldx%lld: 4 box rows, %d class%s, %d keypoints of %d numbers%s", outputs[0].name,
             (long long)outputs[0].dims[1], (long long)outputs[0].dims[2], layout.classes,
             layout.classes == 1 ? "" : "es", layout.points, layout.values,
             stated ? " (metadata `task`)" : "");
    sg_yolov8_conventions(signature, guess);
    guess->class_count = layout.classes;
    if (layout.classes == 1)
        snprintf(guess->labels, sizeof(guess->labels), layout.points == 5 ? "face" : "person");
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct sg_yolov8 *state = opaque;
    struct sg_yolov8_shape shape;
    struct layout layout = {0};
    int code;

    code = sg_count_check(err, "yolov8-pose", count, 1);
    if (code == SG_OK) {
        sg_yolov8_shape(&outputs[0], spec, &shape);
        if (!tell(signature, shape.rows, &layout))
            code = sg_shape_error(err, &outputs[0],
                                  "1xDxN with D = 4 + classes + keypoints x 2 or 3 (metadata `kpt_shape`)");
    }
    if (code == SG_OK) {
        state->classes = layout.classes;
        state->point_count = layout.points;
        state->point_values = layout.values;
        state->extra = layout.points * layout.values;
        code = sg_yolov8_prepare(state, outputs, count, spec, err);
    }
    return code;
}

static int refine(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *detections,
                  struct sg_error *err)
{
    const struct sg_yolov8 *state = opaque;
    const struct sg_tensor *output = &outputs[state->output];
    struct sg_landmarks landmarks = {.tensor = output,
                                     .step = state->rows_first ? 1 : output->dims[2],
                                     .count = state->point_count,
                                     .values = state->point_values,
                                     .scale = {state->scale[0], state->scale[1]}};
    int i, code = SG_OK;

    (void)count;
    (void)options;
    for (i = 0; i < detections->count && code == SG_OK; i++) {
        struct sg_detection *found = &detections->items[i];

        landmarks.first = sg_yolov8_index(state, output, item, BOX_ROWS + state->classes, found->row);
        code = sg_head_read_points(detections, found, &landmarks, err);
    }
    return code;
}

const struct sg_head_ops sg_head_yolov8_pose = {
    .name = "yolov8-pose",
    .summary = "YOLOv8/11 pose: the yolov8 grid with keypoints after the classes",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_SCORES,
    .match = match,
    .state_bytes = sizeof(struct sg_yolov8),
    .init = init,
    .detect = sg_yolov8_detect,
    .refine = refine,
};
