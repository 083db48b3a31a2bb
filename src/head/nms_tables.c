/* SPDX-License-Identifier: MIT
 * Four tensors of finished detections: count, boxes, scores, classes. TensorRT's EfficientNMS and BatchedNMS
 * plugins write x1,y1,x2,y2 in input pixels and integer classes (`efficientnms`); the TensorFlow Object
 * Detection API writes ymin,xmin,ymax,xmax in 0..1 and float classes that count from 1 (`tfod`); its TFLite
 * post-processing operator does the same but counts from 0.
 */
#include "head/find.h"
#include "head/floats.h"
#include "head/kinds.h"

#include <stdio.h>
#include <string.h>

enum part { BOXES, SCORES, CLASSES, NUMBER, PARTS };

struct state {
    int index[PARTS]; /* of each part among the outputs; NUMBER may be -1 */
    bool tf;          /* y first, and in 0..1 */
    float size[2];    /* of the input */
    int class_offset;
};

static const char *const names[][PARTS] = {
    {"det_boxes", "det_scores", "det_classes", "num_dets"},
    {"nmsed_boxes", "nmsed_scores", "nmsed_classes", "num_detections"},
    {"detection_boxes", "detection_scores", "detection_classes", "num_detections"},
    {"detection_boxes", "detection_scores", "detection_classes", "num_dets"},
    {"TFLite_Detection_PostProcess", "TFLite_Detection_PostProcess:2", "TFLite_Detection_PostProcess:1",
     "TFLite_Detection_PostProcess:3"},
};
#define LITE 4 /* row of the TFLite operator */

/* Finds the four parts by their names and checks their shapes; *out_row is the row of names. */
static bool find(const struct sg_tensor *outputs, int count, struct state *state, size_t *out_row)
{
    const struct sg_tensor *boxes;
    size_t i;
    int p;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        for (p = 0; p < PARTS; p++)
            state->index[p] = sg_find_output(outputs, count, names[i][p]);
        if (state->index[BOXES] >= 0 && state->index[SCORES] >= 0 && state->index[CLASSES] >= 0)
            break;
    }
    if (i == sizeof(names) / sizeof(names[0]))
        return false;
    *out_row = i;
    boxes = &outputs[state->index[BOXES]];
    if (boxes->rank != 3 || boxes->dims[2] != 4)
        return false;
    for (p = 0; p < PARTS; p++) {
        const struct sg_tensor *part = state->index[p] >= 0 ? &outputs[state->index[p]] : NULL;

        if (part && !sg_tensor_readable(part))
            return false;
        if (part && (p == SCORES || p == CLASSES) &&
            (part->rank != 2 || part->dims[0] != boxes->dims[0] || part->dims[1] != boxes->dims[1]))
            return false;
    }
    return true;
}

static bool whole(enum sg_dtype dtype)
{
    return dtype == SG_DTYPE_I32 || dtype == SG_DTYPE_I64;
}

static float most_of(const struct sg_tensor *tensor)
{
    float least, most;

    sg_range(tensor, 0, 1, sg_tensor_count(tensor), &least, &most);
    return most;
}

/* The plugins' classes are integers, TensorFlow's are floats; the same names serve both. */
static bool is_tf(const struct sg_tensor *outputs, const struct state *state, size_t row)
{
    return row >= 2 && !whole(outputs[state->index[CLASSES]].dtype) &&
           most_of(&outputs[state->index[BOXES]]) <= 2.0f;
}

/* The least class among what the probe found: 1 is what the API starts from. */
static int first_class(const struct sg_tensor *outputs, const struct state *state, size_t row)
{
    const struct sg_tensor *scores = &outputs[state->index[SCORES]],
                           *classes = &outputs[state->index[CLASSES]];
    int64_t count = sg_tensor_count(scores), i;

    if (row == LITE)
        return 0;
    for (i = 0; i < count; i++)
        if (sg_tensor_at(scores, i) > 0.01f && sg_tensor_at(classes, i) < 0.5f)
            return 0;
    return 1;
}

static void describe(const struct sg_tensor *outputs, const struct state *state, const char *what,
                     struct sg_head_guess *guess)
{
    snprintf(guess->evidence, sizeof(guess->evidence),
             "\"%s\", \"%s\" and \"%s\" are the finished detections of %s", outputs[state->index[BOXES]].name,
             outputs[state->index[SCORES]].name, outputs[state->index[CLASSES]].name, what);
}

static void match_tf(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                     const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    bool bytes = signature->input_count > 0 && signature->inputs[0].dtype == SG_DTYPE_U8;
    struct state state = {0};
    size_t row;

    (void)spec;
    if (!find(outputs, count, &state, &row) || !is_tf(outputs, &state, row))
        return;
    guess->confidence = 96;
    guess->class_offset = first_class(outputs, &state, row);
    describe(outputs, &state,
             guess->class_offset ? "the TensorFlow Object Detection API (classes count from 1)"
                                 : "TensorFlow's post-processing (classes count from 0)",
             guess);
    if (bytes || row != LITE)
        sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 0.0f, 1.0f, 0.0f,
                       "TensorFlow Object Detection API: RGB 0..255, the graph resizes");
    else
        sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_STRETCH, 127.5f, 127.5f, 0.0f,
                       "TFLite detectors with a float input: RGB -1..1, stretched");
    guess->threshold = 0.4f;
    sg_guess_classes(guess, sg_meta_class_count(signature));
}

static void match_plugin(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                         const struct sg_head_spec *spec, struct sg_head_guess *guess)
{
    struct state state = {0};
    size_t row;

    (void)spec;
    if (!find(outputs, count, &state, &row) || row == LITE || is_tf(outputs, &state, row))
        return;
    guess->confidence = 95;
    describe(outputs, &state, "an EfficientNMS or BatchedNMS operator", guess);
    sg_guess_plain(guess, SG_CHANNELS_RGB, SG_FIT_LETTERBOX, 0.0f, 255.0f, 114.0f,
                   "YOLO exports with EfficientNMS: RGB/255, centred letterbox on gray 114");
    guess->threshold = 0.25f;
    sg_guess_classes(guess, sg_meta_class_count(signature));
}

static int init(const struct sg_tensor *outputs, int count, const struct sg_head_spec *spec, bool tf,
                void *opaque, struct sg_error *err)
{
    struct state *state = opaque;
    size_t row;

    if (!find(outputs, count, state, &row))
        return sg_outputs_error(err, outputs, count,
                                "detection_boxes BxNx4, detection_scores BxN, detection_classes BxN and "
                                "num_detections (or det_…, nmsed_…)");
    state->tf = tf;
    state->size[0] = (float)spec->input_width;
    state->size[1] = (float)spec->input_height;
    state->class_offset = spec->class_offset;
    return SG_OK;
}

static int init_tf(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                   const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init(outputs, count, spec, true, opaque, err);
}

static int init_plugin(const struct sg_signature *signature, const struct sg_tensor *outputs, int count,
                       const struct sg_head_spec *spec, void *opaque, struct sg_error *err)
{
    (void)signature;
    return init(outputs, count, spec, false, opaque, err);
}

static int check(const struct state *state, const struct sg_tensor *outputs, int count, int item,
                 const struct sg_tensor **parts, struct sg_error *err)
{
    int64_t box_dims[3] = {-1, -1, 4}, row_dims[2];
    int p, code = SG_OK;

    for (p = 0; p < PARTS; p++) {
        code = sg_count_check(err, "nms tables", count, state->index[p] + 1);
        if (code < 0)
            return code;
        parts[p] = state->index[p] >= 0 ? &outputs[state->index[p]] : NULL;
    }
    code = sg_shape_check(err, parts[BOXES], item, 3, box_dims, "BxNx4");
    if (code < 0)
        return code;
    row_dims[0] = parts[BOXES]->dims[0];
    row_dims[1] = parts[BOXES]->dims[1];
    code = sg_shape_check(err, parts[SCORES], item, 2, row_dims, "BxN like the boxes");
    if (code == SG_OK)
        code = sg_shape_check(err, parts[CLASSES], item, 2, row_dims, "BxN like the boxes");
    if (code == SG_OK && parts[NUMBER] &&
        (!sg_tensor_readable(parts[NUMBER]) || sg_tensor_count(parts[NUMBER]) < (int64_t)item + 1))
        code = sg_shape_error(err, parts[NUMBER], "a count for each picture");
    return code;
}

/* The plugins write what they were given, pixels or shares of the input. No box that counts has all its
 * corners within two pixels, and a probe in which nothing was found could not tell: each picture does. */
static bool is_normalised(const struct state *state, const float *boxes, int64_t rows)
{
    int64_t i;

    for (i = 0; !state->tf && i < 4 * rows; i++)
        if (boxes[i] > 2.0f)
            return false;
    return true;
}

static int detect(const void *opaque, const struct sg_tensor *outputs, int count, int item,
                  const struct sg_head_options *options, struct sg_detections *out, struct sg_error *err)
{
    const struct state *state = opaque;
    const struct sg_tensor *parts[PARTS];
    const float *views[3];
    float scale[2] = {1.0f, 1.0f};
    int64_t rows, row;
    int code = check(state, outputs, count, item, parts, err);

    if (code == SG_OK)
        code = sg_head_views(parts, 3, item, out, 0, views, NULL, err);
    if (code != SG_OK)
        return code;
    rows = parts[BOXES]->dims[1];
    if (parts[NUMBER]) {
        float number = sg_tensor_at(parts[NUMBER], item);

        rows = number >= 0.0f && number < (float)rows ? (int64_t)number : number >= 0.0f ? rows : 0;
    }
    if (is_normalised(state, views[BOXES], rows))
        memcpy(scale, state->size, sizeof(scale));
    for (row = 0; row < rows && code == SG_OK; row++) {
        const float *box = views[BOXES] + 4 * row;
        struct sg_detection found = {.score = views[SCORES][row], .row = row};

        if (!sg_class_id(views[CLASSES][row], state->class_offset, &found.class_id) ||
            !(found.score >= sg_head_threshold(options, found.class_id)))
            continue;
        found.box =
            state->tf
                ? (struct sg_box){box[1] * scale[0], box[0] * scale[1], box[3] * scale[0], box[2] * scale[1]}
                : (struct sg_box){box[0] * scale[0], box[1] * scale[1], box[2] * scale[0], box[3] * scale[1]};
        code = sg_head_push(out, &found, err);
    }
    return code;
}

const struct sg_head_ops sg_head_efficientnms = {
    .name = "efficientnms",
    .summary = "count, boxes, scores and classes of a TensorRT NMS plugin, x1,y1,x2,y2",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match_plugin,
    .state_bytes = sizeof(struct state),
    .init = init_plugin,
    .detect = detect,
};

const struct sg_head_ops sg_head_tfod = {
    .name = "tfod",
    .summary = "TensorFlow Object Detection API: ymin,xmin,ymax,xmax in 0..1, classes from 1",
    .task = SG_TASK_DETECT,
    .graph_nms = true,
    .keys = SG_KEY_CLASS_OFFSET,
    .match = match_tf,
    .state_bytes = sizeof(struct state),
    .init = init_tf,
    .detect = detect,
};
