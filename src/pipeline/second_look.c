/* SPDX-License-Identifier: MIT
 * The second look: objects that score low are shown to their detector again, closer. What is real scores
 * higher when it fills more of the input; what only looked alike does not. Called by the worker's thread.
 */
#include "head/nms.h"
#include "pipeline/order.h"
#include "pipeline/pipeline_private.h"

#include <string.h>

#define LOOK_MAX_DOUBTS 16 /* of one picture, best first; the others are dropped unseen */
#define LOOK_SAME_IOU                                                                                        \
    0.3f /* of the first box and the closer one, which may be another share of the same object */

/* Replaces object `index` by what the second look found in its place. *out_seen says whether it did. */
static int look_at(struct run *run, const struct detect_stage *closer, int index, float zoom, bool *out_seen)
{
    struct sg_result *result = run->result;
    struct sg_object before = result->objects[index];
    struct sg_box region = picture_crop(run, &before.box, zoom - 1.0f, true, true);
    int count = result->object_count, best = -1, code, i;
    float best_iou = LOOK_SAME_IOU;

    *out_seen = false;
    code = detect_run(run, closer, &region, before.parent);
    for (i = count; i < result->object_count && code == 0; i++) {
        float iou = sg_box_iou(&before.box, &result->objects[i].box);

        /* A request's own threshold may have let weaker ones through. */
        if (result->objects[i].class_id == before.class_id && iou >= best_iou &&
            result->objects[i].score >= closer->look.threshold) {
            best_iou = iou;
            best = i;
        }
    }
    if (best >= 0) {
        result->objects[index] = result->objects[best];
        *out_seen = true;
    }
    result->object_count = count;
    return code;
}

int look_again(struct run *run, const struct detect_stage *stage, int first)
{
    struct sg_result *result = run->result;
    struct detect_stage closer = *stage;
    bool keep[SG_RESULT_MAX_OBJECTS];
    int doubts = 0, code = 0, i;

    closer.threshold = stage->look.threshold;
    for (i = 0; i < result->object_count; i++)
        keep[i] = true;
    for (i = first; i < result->object_count && code == 0; i++) {
        if (result->objects[i].score >= stage->look.below)
            continue;
        keep[i] = false;
        if (doubts++ < LOOK_MAX_DOUBTS)
            code = look_at(run, &closer, i, stage->look.zoom, &keep[i]);
    }
    if (code < 0 || doubts == 0)
        return code;
    if (sg_order_keep(result, keep) < 0 || sg_order_by_score(result) < 0)
        return sg_error_set(run->err, SG_E_NOMEM, "no memory to sort objects");
    return 0;
}
