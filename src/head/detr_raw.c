/* SPDX-License-Identifier: MIT
 * Set prediction before its post-processing: class logits BxQxC and boxes BxQx4 (cx, cy, w, h in 0..1). DETR,
 * YOLOS and Conditional DETR of the first kind take a softmax over C classes of which the last is "no
 * object"; Deformable DETR, RT-DETR, D-FINE, RF-DETR take a sigmoid of each, and every class above the
 * threshold counts. Pictures are prepared in two ways: DETR and those that began with its code normalise by
 * ImageNet's mean and std (Deformable and Conditional DETR, RF-DETR), RT-DETR and D-FINE take RGB / 255
 * (`do_normalize: false` of their image processors), whatever the number of classes.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

#define MAX_QUERIES   2000
#define NOTHING_LOGIT (-1.0f) /* 0.27: more than half of a sigmoid's queries are never that sure */

struct state {
    int logits, boxes; /* outputs */
    int classes;       /* columns of logits */
    bool softmax;      /* the last column is "no object" */
    bool rf;           /* RF-DETR's names: dets, labels */
    float size[2];
    int class_offset;
};

static bool tell(const struct sg_tensor *outputs, int count, struct state *state)
{
    const struct sg_tensor *logits, *boxes;
    int i;

    state->boxes = state->logits = -1;
    for (i = 0; i < count; i++) {
        if (sg_name_has(outputs[i].name, "box") || strcmp(outputs[i].name, "dets") == 0)
            state->boxes = state->boxes < 0 ? i : state->boxes;
        else if (sg_name_has(outputs[i].name, "logits") || strcmp(outputs[i].name, "labels") == 0)
            state->logits = state->logits < 0 ? i : state->logits;
    }
    if (state->boxes < 0 || state->logits < 0)
        return false;
    logits = &outputs[state->logits];
    boxes = &outputs[state->boxes];
    if (logits->rank != 3 || boxes->rank != 3 || boxes->dims[2] != 4 || logits->dims[0] < 1 ||
        logits->dims[0] != boxes->dims[0] || logits->dims[1] != boxes->dims[1] ||
        logits->dims[1] > MAX_QUERIES || logits->dims[2] < 1 || logits->dims[2] > SG_HEAD_MAX_CLASSES ||
        !sg_tensor_readable(logits) || !sg_tensor_readable(boxes))
        return false;
    state->classes = (int)logits->dims[2];
    state->rf = strcmp(boxes->name, "dets") == 0 && strcmp(logits->name, "labels") == 0;
    return true;
}

/* "No object" wins most queries of any picture, so a last column that does so for more than half is that.
 * With a few classes the last of a sigmoid's may win as often, but low: it is trained to be near nothing
 * where there is nothing, while "no object" is nearly certain there (0 after a log-softmax, positive before
 * it). */
static bool last_wins(const struct sg_tensor *logits)
{
    int64_t classes = logits->dims[2], rows = logits->dims[1], wins = 0, row, c;

    for (row = 0; row < rows && classes > 1; row++) {
        float last = sg_tensor_at(logits, row * classes + classes - 1);

        for (c = 0; c + 1 < classes && sg_tensor_at(logits, row * classes + c) < last; c++)
            ;
        wins += c + 1 == classes && last > NOTHING_LOGIT;
    }
    return wins * 2 > rows;
}

static bool is_softmax(const struct sg_tensor *logits, const struct state *state,
                       const struct sg_head_spec *spec)
{
    if (spec->scores == SG_SCORES_LOGITS_SIGMOID || spec->scores == SG_SCORES_MULTILABEL)
        return false;
    if (spec->scores == SG_SCORES_LOGITS_SOFTMAX)
        return logits->dims[2] > 1;
    return !state->rf && last_wins(logits);
}

static void guess_picture(const struct state *state, bool softmax, bool coco91,
                          const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    static const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};

    if (spec->scores == SG_SCORES_DECIDE)
        snprintf(guess->ambiguity, sizeof(guess->ambiguity),
                 "softmax or sigmoid was told from the probe; `scores:` of the card settles it");
    if (state->rf || softmax || coco91) {
        sg_guess_transform(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, mean, std, 0.0f,
                           state->rf ? "RF-DETR: RGB, ImageNet mean and std, stretched"
                                     : "DETR: RGB, ImageNet mean and std, stretched");
        return;
    }
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 255.0f, 0.0f,
                   "RT-DETR, D-FINE: RGB/255, stretched");
    snprintf(
        guess->ambiguity, sizeof(guess->ambiguity),
        "Deformable and Conditional DETR look the same and want `input: {mean: [123.675, 116.28, 103.53], "
        "std: [58.395, 57.12, 57.375]}`; softmax or sigmoid: `scores:`");
}

static void match(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                  const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state = {0};
    float least, most;
    bool softmax, coco91;

    (void)signature;
    if (!tell(outputs, count, &state))
        return;
    sg_range(&outputs[state.boxes], 0, 1, sg_tensor_count(&outputs[state.boxes]), &least, &most);
    if (least < -1.0f || most > 2.0f)
        return;
    softmax = is_softmax(&outputs[state.logits], &state, spec);
    coco91 = state.classes == (softmax ? 92 : 91);
    guess->confidence = sg_name_has(outputs[state.logits].name, "logits") ? 94 : 88;
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\" holds %d class logits per query (%s), \"%s\" boxes in 0..1", outputs[state.logits].name,
             state.classes, softmax ? "softmax, the last is \"no object\"" : "sigmoid",
             outputs[state.boxes].name);
    guess_picture(&state, softmax, coco91, spec, guess);
    guess->threshold = softmax ? 0.5f : 0.4f;
    /* COCO's ids count from 1 and reach 90; column 0 is never used. */
    guess->class_offset = coco91 ? 1 : 0;
    sg_guess_classes(guess, coco91 ? 90 : state.classes - softmax);
    if (coco91)
        snprintf(guess->labels, sizeof(guess->labels), "coco91");
}

static int init(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    struct state *state = opaque;

    (void)signature;
    if (!tell(outputs, count, state))
        return sg_outputs_error(err, outputs, count,
                                "\"logits\" BxQxC and \"pred_boxes\" BxQx4 of at most 2000 queries");
    state->softmax = is_softmax(&outputs[state->logits], state, spec);
    state->size[0] = (float)spec->input_width;
    state->size[1] = (float)spec->input_height;
    state->class_offset = spec->class_offset;
    return SG_OK;
}

static int push(const struct state *state, const float *box, float score, int column, int64_t row,
                const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    float cx = box[0] * state->size[0], cy = box[1] * state->size[1];
    float half_width = box[2] * state->size[0] / 2, half_height = box[3] * state->size[1] / 2;
    struct sg_detection item = {
        .box = {cx - half_width, cy - half_height, cx + half_width, cy + half_height},
        .score = score,
        .class_id = column - state->class_offset,
        .row = row,
    };

    if (item.class_id < 0 || !(score >= sg_head_threshold(options, item.class_id)))
        return SG_OK;
    return sg_head_push(out, &item, err);
}

static int take(const struct state *state, const float *logits, const float *box, int64_t query, float floor,
                const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    float most = -INFINITY, sum = 0.0f;
    int best = -1, code = SG_OK, c;

    for (c = 0; !state->softmax && c < state->classes && code == SG_OK; c++)
        if (logits[c] >= floor)
            code = push(state, box, sg_sigmoid(logits[c]), c, query * state->classes + c, options, out, err);
    if (!state->softmax)
        return code;
    for (c = 0; c + 1 < state->classes; c++)
        if (logits[c] > most) {
            most = logits[c];
            best = c;
        }
    if (best < 0)
        return SG_OK;
    for (c = 0; c < state->classes; c++)
        sum += expf(logits[c] - most);
    return push(state, box, 1.0f / sum, best, query * state->classes + best, options, out, err);
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *parts[2];
    const float *views[2];
    int64_t logit_dims[3] = {-1, -1, state->classes}, box_dims[3] = {-1, -1, 4}, query;
    float floor = sg_logit(sg_head_lowest_threshold(options));
    int last = state->logits > state->boxes ? state->logits : state->boxes;
    int code = sg_count_check(err, "detr-raw", count, last + 1);

    if (code < 0)
        return code;
    parts[0] = &outputs[state->logits];
    parts[1] = &outputs[state->boxes];
    code = sg_shape_check(err, parts[0], item, 3, logit_dims, "BxQxC with the C of the first run");
    if (code == SG_OK) {
        box_dims[0] = parts[0]->dims[0];
        box_dims[1] = parts[0]->dims[1];
        code = sg_shape_check(err, parts[1], item, 3, box_dims, "BxQx4 with the Q of the logits");
    }
    if (code == SG_OK)
        code = sg_head_views(parts, 2, item, out, 0, views, NULL, err);
    for (query = 0; code == SG_OK && query < parts[0]->dims[1]; query++)
        code = take(state, views[0] + query * state->classes, views[1] + query * 4, query, floor, options,
                    out, err);
    return code;
}

const struct sg_head_ops sg_head_detr_raw = {
    .name = "detr-raw",
    .summary = "DETR, Deformable DETR, RT-DETR, D-FINE, RF-DETR, YOLOS: class logits and boxes in 0..1",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET | SG_KEY_SCORES,
    .match = match,
    .state_bytes = sizeof(struct state),
    .init = init,
    .detect = detect,
};
