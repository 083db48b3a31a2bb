/* SPDX-License-Identifier: MIT
 * Heads on graphs made of bytes: any kind, any shapes and element types, any values, and shapes that change
 * between init and detect. Every output's memory is exactly as large as its shape says.
 */
#include "base/fuzzing.h"
#include "head/head.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ELEMENTS 40000
#define MAX_OUTPUTS  13

struct input {
    const uint8_t *data;
    size_t size;
};

static uint8_t take(struct input *input)
{
    if (!input->size)
        return 0;
    input->size--;
    return *input->data++;
}

/* The sizes heads look for, small so that shapes often agree with each other. */
static int64_t take_dim(struct input *input)
{
    static const int64_t sizes[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 12, 14,  15,  16,  18,  20,
                                    21, 32, 40, 64, 80, 84, 85, 91, 92, 95, 96, 112, 116, 252, 300, 0};
    uint8_t byte = take(input);

    return byte < 224 ? sizes[byte % 32] : byte - 224;
}

static const char *take_name(struct input *input)
{
    static const char *const names[] = {
        "output0",
        "boxes",
        "scores",
        "labels",
        "logits",
        "pred_boxes",
        "det_boxes",
        "det_scores",
        "det_classes",
        "num_dets",
        "detection_boxes:0",
        "detection_scores:0",
        "detection_classes:0",
        "num_detections:0",
        "cls_8",
        "obj_8",
        "bbox_8",
        "kps_8",
        "cls_16",
        "obj_16",
        "bbox_16",
        "kps_16",
        "cls_32",
        "obj_32",
        "bbox_32",
        "kps_32",
        "face_rpn_cls_prob_reshape_stride32",
        "face_rpn_bbox_pred_stride32",
        "face_rpn_landmark_pred_stride32",
        "dets",
        "loc",
        "",
    };

    return names[take(input) % (sizeof(names) / sizeof(names[0]))];
}

/* Values: specials, probabilities, pixels. */
static float value(uint8_t byte)
{
    static const float specials[] = {0.0f, 1.0f, -1.0f, 1e30f, -1e30f, 0.5f, 64.0f, 1e-30f};

    if (byte >= 253)
        return byte == 253 ? (float)(0.0 / 0.0) : byte == 254 ? 3e38f * 10.0f : -3e38f * 10.0f;
    if (byte >= 245)
        return specials[byte - 245];
    return byte < 160 ? (float)byte / 160.0f : (float)(byte - 160);
}

static void fill(struct sg_tensor *tensor, struct input *input)
{
    int64_t count = sg_tensor_count(tensor), i;
    const uint8_t *bytes = input->data;
    size_t period = input->size > 64 ? 64 : input->size;

    for (i = 0; i < count; i++) {
        float number = value(period ? bytes[(size_t)(i * 7 + i / 61) % period] : 0);

        switch (tensor->dtype) {
        case SG_DTYPE_F32:
            ((float *)tensor->data)[i] = number;
            break;
        case SG_DTYPE_F16:
            ((uint16_t *)tensor->data)[i] = sg_float_to_half(number);
            break;
        case SG_DTYPE_I64:
            ((int64_t *)tensor->data)[i] = period ? (int8_t)bytes[(size_t)i % period] : 0;
            break;
        case SG_DTYPE_I32:
            ((int32_t *)tensor->data)[i] = period ? (int8_t)bytes[(size_t)i % period] : 0;
            break;
        default:
            memset(tensor->data, period ? bytes[0] : 0, (size_t)count * sg_dtype_bytes(tensor->dtype));
            return;
        }
    }
    for (; period > 0; period--)
        take(input);
}

static bool shape(struct sg_tensor *tensor, struct input *input)
{
    static const enum sg_dtype dtypes[] = {SG_DTYPE_F32, SG_DTYPE_F32, SG_DTYPE_F32, SG_DTYPE_F32,
                                           SG_DTYPE_F16, SG_DTYPE_I64, SG_DTYPE_I32, SG_DTYPE_U8};
    uint8_t byte = take(input);
    int64_t count;
    int i;

    tensor->dtype = dtypes[byte & 7];
    tensor->rank = (byte >> 3) % 6;
    for (i = 0; i < tensor->rank; i++)
        tensor->dims[i] = take_dim(input);
    count = sg_tensor_count(tensor);
    if (count < 0 || count > MAX_ELEMENTS)
        return false;
    tensor->data = malloc((size_t)count * sg_dtype_bytes(tensor->dtype) + (count == 0));
    if (tensor->data)
        fill(tensor, input);
    return tensor->data != NULL;
}

static const char *const alphabet[] = {"blank", "a", "b", "-"};

static void run(struct sg_head *head, const struct sg_tensor *outputs, int count, struct input *input)
{
    float thresholds[3] = {0.1f, -1.0f, 0.9f};
    struct sg_head_options options = {.threshold = (float)(take(input) % 11) / 10.0f,
                                      .iou = (float)(take(input) % 11) / 10.0f,
                                      .class_thresholds = thresholds,
                                      .class_threshold_count = take(input) % 4};
    struct sg_detections found = {0};
    struct sg_answers *answers = calloc(1, sizeof(*answers));
    struct sg_error err = {0};
    int item;

    for (item = 0; item < 3; item++) {
        if (sg_head_detect(head, outputs, count, item, &options, &found, &err) == 0) {
            int i;

            for (i = 0; i < found.count; i++) {
                const struct sg_detection *one = &found.items[i];

                if (!(one->score >= 0.0f && one->score <= 1.0f) || one->class_id < 0 ||
                    (one->point_count && one->first_point + one->point_count > found.point_count) ||
                    (one->polygon_count && one->first_polygon + one->polygon_count > found.point_count))
                    abort();
            }
        }
        if (answers)
            sg_head_answer(head, outputs, count, item, 3, alphabet, take(input) % 4, answers, &err);
    }
    sg_detections_fini(&found);
    if (answers)
        sg_answers_fini(answers);
    free(answers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {data, size};
    static struct sg_signature signature;
    struct sg_tensor outputs[MAX_OUTPUTS] = {0};
    struct sg_head_spec spec = {.input_width = 64, .input_height = 64};
    struct sg_head_guess guess = {.transform.width = 64, .transform.height = 64};
    struct sg_head *head = NULL;
    struct sg_error err = {0};
    int kinds = 0, kind = take(&input), count, i;
    uint8_t extras;

    while (sg_head_kinds()[kinds])
        kinds++;
    kind %= kinds + 1;
    if (kind < kinds)
        snprintf(spec.kind, sizeof(spec.kind), "%s", sg_head_kinds()[kind]->name);
    count = take(&input) % (MAX_OUTPUTS + 1);
    extras = take(&input);
    if (extras & 1)
        spec.class_count = take(&input);
    if (extras & 2)
        spec.class_offset = take(&input) % 3;
    if (extras & 4)
        spec.scores = take(&input) % 5;
    if (extras & 8)
        spec.stride_count = 1 + take(&input) % SG_HEAD_MAX_STRIDES;
    for (i = 0; i < spec.stride_count; i++)
        spec.strides[i] = (int)take_dim(&input);
    if (extras & 16)
        spec.anchor_count = take(&input) % (SG_HEAD_MAX_ANCHORS + 1);
    for (i = 0; i < spec.anchor_count * 2; i++)
        spec.anchors[i] = value((uint8_t)(i * 37));
    if (extras & 32)
        spec.input_width = spec.input_height = (int)take_dim(&input) * 8;
    spec.embedding = extras & 64;
    if (extras & 128) {
        spec.blank = take(&input) % 8 + SG_BLANK_NONE;
        spec.labels = spec.class_count > 0 && spec.class_count <= 4 ? alphabet : NULL;
    }
    for (i = 0; i < count; i++) {
        outputs[i].name = take_name(&input);
        if (!shape(&outputs[i], &input))
            goto out;
    }
    if (sg_head_create(&signature, outputs, count, &spec, &head, &guess, &err) < 0)
        goto out;
    run(head, outputs, count, &input);
    for (i = 0; i < count && input.size > 8; i++) { /* other shapes and values than at init */
        free(outputs[i].data);
        outputs[i].data = NULL;
        if (!shape(&outputs[i], &input))
            goto out;
    }
    run(head, outputs, count, &input);
    run(head, outputs, count / 2, &input);
out:
    sg_head_destroy(&head);
    for (i = 0; i < count; i++)
        free(outputs[i].data);
    return 0;
}
