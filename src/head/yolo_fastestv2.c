/* SPDX-License-Identifier: MIT
 * YOLO-FastestV2 (dog-qiuqiu): one row per cell of strides 16 and 32: for each of three anchors a box (after
 * sigmoid), three object scores, and softmax classes that the anchors share. score = obj * cls;
 * centre = (2t - 0.5 + cell) * s, size = (2t)^2 * anchor (YOLOv5's rule). The anchors known here are COCO's;
 * others come from the card.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"
#include "head/levels.h"

#include <stdio.h>
#include <string.h>

#define LEVELS  2
#define ANCHORS 3

struct fastestv2 {
    int class_count;
    struct sg_level levels[LEVELS];
    float anchors[LEVELS][ANCHORS][2]; /* input pixels */
    int64_t rows, width;
};

static const float coco_anchors[LEVELS][ANCHORS][2] = {
    {{12.64f, 19.39f}, {37.88f, 51.48f}, {55.71f, 138.31f}},
    {{126.91f, 78.23f}, {131.57f, 214.55f}, {279.92f, 258.87f}},
};

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct fastestv2 *state = opaque;
    static const int strides[LEVELS] = {16, 32};
    int64_t width;
    uint32_t used = 0;

    (void)signature;
    if (count != 1)
        return sg_error_set(err, SG_E_MODEL, "expected 1 output, got %d", count);
    if (sg_levels_make(state->levels, spec, strides, LEVELS, 1, err) < 0)
        return SG_E_MODEL;
    state->rows = state->levels[0].count + state->levels[1].count;
    width = outputs[0].rank >= 2 ? outputs[0].dims[outputs[0].rank - 1] : 0;
    if (width <= 5 * ANCHORS || width > SG_HEAD_MAX_CLASSES ||
        sg_level_find(outputs, count, state->rows, width, &used) < 0)
        return sg_level_missing(err, outputs, count, state->rows, 5 * ANCHORS + spec->class_count,
                                "boxes, object scores and classes", strides[0]);
    if (spec->anchor_count && spec->anchor_count != LEVELS * ANCHORS)
        return sg_error_set(err, SG_E_CONFIG, "`anchors`: expected %d pairs, got %d", LEVELS * ANCHORS,
                            spec->anchor_count);
    memcpy(state->anchors, spec->anchor_count ? spec->anchors : &coco_anchors[0][0][0],
           sizeof(state->anchors));
    state->width = width;
    state->class_count = (int)width - 5 * ANCHORS;
    return SG_OK;
}

static bool plausible(const struct sg_tensor *tensor, const struct fastestv2 *state)
{
    int64_t step = state->rows > 64 ? state->rows / 64 : 1, row;
    int i;

    for (row = 0; row < state->rows; row += step) {
        float sum = 0.0f;

        for (i = 0; i < state->width; i++) {
            float value = sg_tensor_at(tensor, row * state->width + i);

            if (!(value >= 0.0f && value <= 1.0f))
                return false;
            sum += i < 5 * ANCHORS ? 0.0f : value;
        }
        if (!(fabsf(sum - 1.0f) < 0.02f))
            return false;
    }
    return true;
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct fastestv2 state = {0};

    if (init(signature, outputs, count, spec, &state, NULL) < 0 || !plausible(&outputs[0], &state))
        return;
    guess->confidence = 93;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "%lldx%lld: the cells of strides 16 and 32, 3 boxes, 3 object scores and %d classes that add up "
             "to one",
             (long long)state.rows, (long long)state.width, state.class_count);
    if (!spec->anchor_count && state.class_count != 80)
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "anchors of COCO assumed; set `anchors` if the model has its own");
    sg_guess_plain(guess, SG_CHANNELS_BGR, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                   "YOLO-FastestV2: BGR / 255, stretched");
    guess->threshold = 0.3f;
    guess->iou = 0.45f;
    sg_guess_classes(guess, state.class_count);
}

static struct sg_box decode(const struct sg_level *level, int64_t cell, const float *box, const float *anchor)
{
    float stride = (float)level->stride;
    float x = (2.0f * box[0] - 0.5f + sg_cell_x(cell, level->columns)) * stride;
    float y = (2.0f * box[1] - 0.5f + sg_cell_y(cell, level->columns)) * stride;
    float half_w = 2.0f * box[2] * box[2] * anchor[0]; /* half of (2t)^2 */
    float half_h = 2.0f * box[3] * box[3] * anchor[1];

    return (struct sg_box){x - half_w, y - half_h, x + half_w, y + half_h};
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct fastestv2 *state = opaque;
    const struct sg_tensor *tensor = outputs;
    const float *view = NULL;
    int64_t base = 0, cell;
    int code = sg_count_check(err, "yolo-fastestv2", count, 1);
    int i, k;

    if (code == SG_OK)
        code = sg_levels_check(err, &tensor, 1, item, &state->rows, &state->width, &item);
    if (code == SG_OK)
        code = sg_head_views(&tensor, 1, item, out, 0, &view, NULL, err);
    for (i = 0; i < LEVELS && code == SG_OK; i++) {
        for (cell = 0; cell < state->levels[i].count; cell++) {
            const float *row = view + (base + cell) * state->width;
            struct sg_detection best = {0};

            sg_best_class(row + 5 * ANCHORS, state->class_count, &best);
            for (k = 0; k < ANCHORS && code == SG_OK; k++) {
                struct sg_detection found = {.class_id = best.class_id, .row = (base + cell) * ANCHORS + k};

                found.score = best.score * row[4 * ANCHORS + k];
                if (!(found.score >= sg_head_threshold(options, found.class_id)))
                    continue;
                found.box = decode(&state->levels[i], cell, row + 4 * (size_t)k, state->anchors[i][k]);
                code = sg_head_push(out, &found, err);
            }
        }
        base += state->levels[i].count;
    }
    return code;
}

const struct sg_head_ops sg_head_yolo_fastestv2 = {
    .name = "yolo-fastestv2",
    .summary = "YOLO-FastestV2: three anchors per cell that share softmax classes",
    .task = SG_TASK_DETECT,
    .keys = SG_KEY_ANCHORS,
    .match = match,
    .state_bytes = sizeof(struct fastestv2),
    .init = init,
    .detect = detect,
};
