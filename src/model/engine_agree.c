/* SPDX-License-Identifier: MIT
 * Tensors side by side, then objects.
 */
#include "model/engine_agree.h"

#include "head/nms.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEAST_SCORE 1e-4f /* of objects of the probe, which shows nothing */

struct bounds {
    float values, iou, score;
};

static struct bounds bounds_of(enum sg_precision precision)
{
    return precision == SG_PRECISION_BF16
               ? (struct bounds){SG_AGREE_BF16, SG_AGREE_IOU_BF16, SG_AGREE_SCORE_BF16}
               : (struct bounds){SG_AGREE_F32, SG_AGREE_IOU_F32, SG_AGREE_SCORE_F32};
}

/* The largest distance as a share of the largest value; infinite where one has a number and the other none.
 */
static float distance(const struct sg_tensor *a, const struct sg_tensor *b)
{
    int64_t count = sg_tensor_count(a), i;
    float largest = 0.0f, apart = 0.0f;

    for (i = 0; i < count; i++) {
        float x = sg_tensor_at(a, i), y = sg_tensor_at(b, i);

        if (isfinite(x) != isfinite(y))
            return INFINITY;
        if (!isfinite(x))
            continue;
        largest = fmaxf(largest, fabsf(x));
        apart = fmaxf(apart, fabsf(x - y));
    }
    return apart == 0.0f ? 0.0f : apart / largest;
}

static bool same_shape(const struct sg_tensor *a, const struct sg_tensor *b)
{
    return a->dtype == b->dtype && a->rank == b->rank &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof(a->dims[0])) == 0;
}

/* Every tensor: false with out->why. */
static bool tensors_agree(const struct sg_tensor *a, const struct sg_tensor *b, int count, float bound,
                          struct sg_agreement *out)
{
    char was[96], is[96];
    float worst = 0.0f;
    int i;

    for (i = 0; i < count; i++) {
        float apart;

        if (!same_shape(&a[i], &b[i])) {
            snprintf(out->why, sizeof(out->why), "output \"%.40s\" is %s, not %s", a[i].name,
                     sg_dims_text(b[i].dims, b[i].rank, is, sizeof(is)),
                     sg_dims_text(a[i].dims, a[i].rank, was, sizeof(was)));
            return false;
        }
        apart = distance(&a[i], &b[i]);
        if (!(apart <= bound)) {
            snprintf(out->why, sizeof(out->why),
                     "output \"%.40s\" differs by %.2g of its largest value, more than %g", a[i].name,
                     (double)apart, (double)bound);
            return false;
        }
        worst = fmaxf(worst, apart);
    }
    snprintf(out->why, sizeof(out->why), "within %.1g", (double)worst);
    return true;
}

/* Two of no area, as crowds of weak objects have them, are told by their corners. */
static float overlap(const struct sg_box *a, const struct sg_box *b)
{
    bool points = (a->x2 - a->x1) * (a->y2 - a->y1) + (b->x2 - b->x1) * (b->y2 - b->y1) <= 0.0f;

    if (points)
        return a->x1 == b->x1 && a->y1 == b->y1 ? 1.0f : 0.0f;
    return sg_box_iou(a, b);
}

static bool found_again(const struct sg_detection *object, const struct sg_detections *among,
                        const struct bounds *bounds)
{
    int i;

    for (i = 0; i < among->count; i++)
        if (among->items[i].class_id == object->class_id &&
            fabsf(among->items[i].score - object->score) <= bounds->score &&
            overlap(&among->items[i].box, &object->box) >= bounds->iou)
            return true;
    return false;
}

static int objects_agree(const struct sg_model *model, const struct sg_tensor *a, const struct sg_tensor *b,
                         int count, const struct bounds *bounds, struct sg_agreement *out,
                         struct sg_error *err)
{
    struct sg_head_options options = {
        .threshold = LEAST_SCORE, .iou = model->iou, .agnostic = model->agnostic};
    struct sg_detections of_a = {0}, of_b = {0};
    int code, i, asked, again = 0;

    code = sg_head_detect(model->head, a, count, 0, &options, &of_a, err);
    if (code == 0)
        code = sg_head_detect(model->head, b, count, 0, &options, &of_b, err);
    asked = of_a.count < SG_AGREE_OBJECTS ? of_a.count : SG_AGREE_OBJECTS;
    for (i = 0; code == 0 && i < asked; i++)
        again += found_again(&of_a.items[i], &of_b, bounds);
    out->agrees = code == 0 && again * 10 >= asked * 9;
    if (code == 0 && !out->agrees)
        snprintf(out->why, sizeof(out->why), "of the probe's %d strongest objects %d are found again", asked,
                 again);
    else if (code == 0 && asked > 0)
        snprintf(out->why + strlen(out->why), sizeof(out->why) - strlen(out->why), "%s%d of %d objects",
                 out->why[0] ? ", " : "", again, asked);
    sg_detections_fini(&of_a);
    sg_detections_fini(&of_b);
    return code;
}

int sg_agree(const struct sg_model *model, struct sg_runner *reference, struct sg_runner *other,
             enum sg_precision precision, struct sg_agreement *out, struct sg_error *err)
{
    const struct bounds bounds = bounds_of(precision);
    bool sorted = sg_head_kind(model->head)->graph_nms;
    const struct sg_tensor *a, *b;
    int count, others;

    *out = (struct sg_agreement){0};
    a = sg_runner_outputs(reference, &count);
    b = sg_runner_outputs(other, &others);
    if (!sorted) {
        out->agrees = tensors_agree(a, b, count, bounds.values, out);
        if (!out->agrees)
            return 0;
    }
    if (sg_model_task(model) != SG_TASK_DETECT)
        return 0;
    return objects_agree(model, a, b, count, &bounds, out, err);
}
