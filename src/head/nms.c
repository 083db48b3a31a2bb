/* SPDX-License-Identifier: MIT
 * Greedy non-maximum suppression: sort by score, then keep a box unless a kept one of its class overlaps it.
 */
#include "head/nms.h"

#include <math.h>
#include <stdlib.h>

float sg_box_iou(const struct sg_box *a, const struct sg_box *b)
{
    float width = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
    float height = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
    float area_a = (a->x2 - a->x1) * (a->y2 - a->y1);
    float area_b = (b->x2 - b->x1) * (b->y2 - b->y1);
    float common;

    if (!(width > 0.0f && height > 0.0f && a->x2 > a->x1 && b->x2 > b->x1))
        return 0.0f;
    common = width * height;
    return common / (area_a + area_b - common);
}

static int by_score(const void *left, const void *right)
{
    const struct sg_detection *a = left, *b = right;

    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

int sg_nms(struct sg_detections *detections, float iou, bool agnostic, int max_objects, struct sg_error *err)
{
    struct sg_detection *items = detections->items;
    bool suppress = iou > 0.0f && iou < 1.0f;
    int kept = 0, i, j;

    (void)err;
    if (detections->count > 1)
        qsort(items, (size_t)detections->count, sizeof(*items), by_score);
    for (i = 0; i < detections->count && kept < max_objects; i++) {
        for (j = 0; suppress && j < kept; j++)
            if ((agnostic || items[j].class_id == items[i].class_id) &&
                sg_box_iou(&items[j].box, &items[i].box) > iou)
                break;
        if (!suppress || j == kept)
            items[kept++] = items[i];
    }
    detections->count = kept;
    return SG_OK;
}
