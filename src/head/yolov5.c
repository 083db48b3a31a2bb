/* SPDX-License-Identifier: MIT
 * YOLOv5, YOLOv7 and decoded YOLOv3/v4: a table with three anchors per grid cell.
 */
#include "head/find.h"
#include "head/kinds.h"
#include "head/table.h"

#include <stdio.h>
#include <string.h>

#define ANCHORS 3

/* The only rank 3 output. Exports of training graphs carry the raw grids (rank 5) beside the table. */
static int find_table(const struct sg_tensor *outputs, int count)
{
    int found = -1, i;

    for (i = 0; i < count; i++) {
        if (outputs[i].rank == 5)
            continue;
        if (outputs[i].rank != 3 || found >= 0)
            return -1;
        found = i;
    }
    return found;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    int index = find_table(outputs, count), named = sg_meta_class_count(signature);
    const char *task = sg_meta_task(signature);
    struct sg_table_look look;
    int64_t classes;

    if (index < 0 || (task[0] && strcmp(task, "detect") != 0) ||
        !sg_table_look(&outputs[index], spec, &look) || !look.decoded || !look.scores)
        return;
    classes = outputs[index].dims[2] - 5;
    if (sg_is_grid(spec, outputs[index].dims[1], ANCHORS))
        guess->confidence = 92;
    else if (outputs[index].dims[1] > 10 * outputs[index].dims[2] &&
             !sg_is_grid(spec, outputs[index].dims[1], 1))
        guess->confidence = 45;
    else
        return;
    if (named && named != classes)
        guess->confidence -= 30;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" is 1x%lldx%lld: rows of 4 box values%s, objectness and %lld class%s%s",
             outputs[index].name, (long long)outputs[index].dims[1], (long long)outputs[index].dims[2],
             look.normalised ? " (0..1)" : " in input pixels", (long long)classes, classes == 1 ? "" : "es",
             guess->confidence > 50 ? ", three rows per grid cell" : "");
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   "YOLOv5 family: RGB/255, centred letterbox on gray 114");
    guess->threshold = 0.25f;
    guess->iou = 0.45f;
    sg_guess_classes(guess, (int)classes);
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct sg_table *state = opaque;
    int index = find_table(outputs, count);

    (void)signature;
    return sg_table_prepare(state, "yolov5", index < 0 ? 0 : index, outputs, count, spec, err);
}

const struct sg_head_ops sg_head_yolov5 = {
    .name = "yolov5",
    .summary = "YOLOv5, YOLOv7, decoded YOLOv3/v4: rows of box, objectness and C class scores",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_STRIDES | SG_KEY_SCORES,
    .match = match,
    .state_bytes = sizeof(struct sg_table),
    .init = init,
    .detect = sg_table_detect,
};
