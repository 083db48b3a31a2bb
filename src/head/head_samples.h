/* SPDX-License-Identifier: MIT
 * For tests that go through all heads: a graph of every kind. A kind that is added without a row here fails
 * them.
 */
#ifndef SG_HEAD_SAMPLES_H
#define SG_HEAD_SAMPLES_H

#include "head/head_testing.h"

#define MAX_PARTS 12
#define MANY      8192 /* elements, more than any output below */

/* Outputs in a form that init takes when the kind is named. */
struct part {
    const char *name;
    enum sg_dtype dtype;
    int rank, dims[5];
    int rows; /* the dimension that counts candidates, cells or steps, or NO_ROWS */
};
#define ROWS(dim) (dim)
#define NO_ROWS   (-1)

struct sample {
    const char *kind;
    int side; /* of the square input */
    struct part parts[MAX_PARTS];
    int class_part, class_dim,
        class_none;            /* where zero classes would show: dims[class_dim] = class_none; part -1: not */
    enum { FREE, FIXED } rows; /* FIXED: as many as the input has cells, none are an error */
};

#define F(...) SG_DTYPE_F32, __VA_ARGS__
/* clang-format off */
#define GRIDS                                                                                              \
    {{"p3", F(5, {1, 3, 8, 8, 7}), ROWS(2)}, {"p4", F(5, {1, 3, 4, 4, 7}), ROWS(2)},                        \
     {"p5", F(5, {1, 3, 2, 2, 7}), ROWS(2)}}

/* As kinds.h has them; by hand, since one line per tensor would make three pages of it. */
static const struct sample samples[] = {
    {"yolov8", 64, {{"output0", F(3, {1, 6, 84}), ROWS(2)}}, 0, 1, 4, FREE},
    {"yolov8-pose", 64, {{"output0", F(3, {1, 56, 84}), ROWS(2)}}, 0, 1, 4, FREE},
    {"yolov8-seg", 64, {
        {"output0", F(3, {1, 38, 84}), ROWS(2)}, {"output1", F(4, {1, 32, 16, 16}), NO_ROWS}}, 0, 1, 36, FREE},
    {"yolov5", 64, {{"output", F(3, {1, 252, 7}), ROWS(1)}}, 0, 2, 5, FREE},
    {"yolov5-grid", 64, GRIDS, 0, 4, 5, FIXED},
    {"yolov3-grid", 64, GRIDS, 0, 4, 5, FIXED},
    {"yolov4-grid", 64, {
        {"p3", F(5, {1, 8, 8, 3, 7}), ROWS(1)}, {"p4", F(5, {1, 4, 4, 3, 7}), ROWS(1)},
        {"p5", F(5, {1, 2, 2, 3, 7}), ROWS(1)}}, 0, 4, 5, FIXED},
    {"yolov2", 64, {{"grid", F(4, {1, 35, 2, 2}), ROWS(2)}}, 0, 1, 25, FIXED},
    {"yolov4", 64, {
        {"boxes", F(4, {1, 252, 1, 4}), ROWS(1)}, {"confs", F(3, {1, 252, 2}), ROWS(1)}}, 1, 2, 0, FREE},
    {"yolox", 64, {{"output", F(3, {1, 84, 7}), ROWS(1)}}, 0, 2, 5, FIXED},
    {"yolox-decoded", 64, {{"output", F(3, {1, 84, 7}), ROWS(1)}}, 0, 2, 5, FREE},
    {"end2end", 64, {{"output0", F(3, {1, 10, 6}), ROWS(1)}}, -1, 0, 0, FREE},
    {"end2end-seg", 64, {
        {"output0", F(3, {1, 10, 38}), ROWS(1)}, {"output1", F(4, {1, 32, 16, 16}), NO_ROWS}}, -1, 0, 0, FREE},
    {"end2end-pose", 64, {{"output0", F(3, {1, 10, 57}), ROWS(1)}}, -1, 0, 0, FREE},
    {"nms-indices", 64, {
        {"boxes", F(3, {1, 10, 4}), NO_ROWS}, {"scores", F(3, {1, 2, 10}), NO_ROWS},
        {"picked", SG_DTYPE_I64, 2, {5, 3}, ROWS(0)}}, 1, 1, 0, FREE},
    {"efficientnms", 64, {
        {"det_boxes", F(3, {1, 10, 4}), ROWS(1)}, {"det_scores", F(2, {1, 10}), ROWS(1)},
        {"det_classes", F(2, {1, 10}), ROWS(1)}}, -1, 0, 0, FREE},
    {"tfod", 64, {
        {"detection_boxes", F(3, {1, 10, 4}), ROWS(1)},
        {"detection_scores", F(2, {1, 10}), ROWS(1)}, {"detection_classes", F(2, {1, 10}), ROWS(1)}}, -1, 0, 0, FREE},
    {"paddle", 64, {
        {"table", F(2, {10, 6}), ROWS(0)}, {"rows", SG_DTYPE_I32, 1, {1}, NO_ROWS}}, -1, 0, 0, FREE},
    {"detr", 64, {
        {"labels", SG_DTYPE_I64, 2, {1, 10}, ROWS(1)}, {"boxes", F(3, {1, 10, 4}), ROWS(1)},
        {"scores", F(2, {1, 10}), ROWS(1)}}, -1, 0, 0, FREE},
    {"detr-raw", 64, {
        {"logits", F(3, {1, 10, 3}), ROWS(1)}, {"pred_boxes", F(3, {1, 10, 4}), ROWS(1)}}, 0, 2, 0, FREE},
    {"blazeface", 256, {
        {"a", F(3, {1, 512, 1}), ROWS(1)}, {"b", F(3, {1, 384, 1}), ROWS(1)},
        {"c", F(3, {1, 512, 16}), ROWS(1)}, {"d", F(3, {1, 384, 16}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"ultraface", 64, {
        {"scores", F(3, {1, 235, 2}), ROWS(1)}, {"boxes", F(3, {1, 235, 4}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"scrfd", 32, {
        {"s8", F(3, {1, 32, 1}), ROWS(1)}, {"s16", F(3, {1, 8, 1}), ROWS(1)},
        {"s32", F(3, {1, 2, 1}), ROWS(1)}, {"b8", F(3, {1, 32, 4}), ROWS(1)},
        {"b16", F(3, {1, 8, 4}), ROWS(1)}, {"b32", F(3, {1, 2, 4}), ROWS(1)},
        {"k8", F(3, {1, 32, 10}), ROWS(1)}, {"k16", F(3, {1, 8, 10}), ROWS(1)},
        {"k32", F(3, {1, 2, 10}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"retinaface", 32, {
        {"cls_prob8", F(4, {1, 4, 4, 4}), ROWS(2)}, {"bbox_pred8", F(4, {1, 8, 4, 4}), ROWS(2)},
        {"landmark_pred8", F(4, {1, 20, 4, 4}), ROWS(2)},
        {"cls_prob16", F(4, {1, 4, 2, 2}), ROWS(2)}, {"bbox_pred16", F(4, {1, 8, 2, 2}), ROWS(2)},
        {"landmark_pred16", F(4, {1, 20, 2, 2}), ROWS(2)},
        {"cls_prob32", F(4, {1, 4, 1, 1}), ROWS(2)}, {"bbox_pred32", F(4, {1, 8, 1, 1}), ROWS(2)},
        {"landmark_pred32", F(4, {1, 20, 1, 1}), ROWS(2)}}, 0, 1, 0, FIXED},
    {"retinaface-priors", 64, {
        {"loc", F(3, {1, 168, 4}), ROWS(1)}, {"conf", F(3, {1, 168, 2}), ROWS(1)},
        {"landms", F(3, {1, 168, 10}), ROWS(1)}}, 1, 2, 0, FIXED},
    {"yunet", 32, {
        {"cls_8", F(3, {1, 16, 1}), ROWS(1)}, {"cls_16", F(3, {1, 4, 1}), ROWS(1)},
        {"cls_32", F(3, {1, 1, 1}), ROWS(1)}, {"obj_8", F(3, {1, 16, 1}), ROWS(1)},
        {"obj_16", F(3, {1, 4, 1}), ROWS(1)}, {"obj_32", F(3, {1, 1, 1}), ROWS(1)},
        {"bbox_8", F(3, {1, 16, 4}), ROWS(1)}, {"bbox_16", F(3, {1, 4, 4}), ROWS(1)},
        {"bbox_32", F(3, {1, 1, 4}), ROWS(1)}, {"kps_8", F(3, {1, 16, 10}), ROWS(1)},
        {"kps_16", F(3, {1, 4, 10}), ROWS(1)}, {"kps_32", F(3, {1, 1, 10}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"ssd-variance", 128, {
        {"loc", F(3, {1, 1364, 4}), ROWS(1)}, {"cls", F(3, {1, 1364, 2}), ROWS(1)}}, 1, 2, 0, FIXED},
    {"nanodet", 64, {
        {"c8", F(3, {1, 64, 2}), ROWS(1)}, {"c16", F(3, {1, 16, 2}), ROWS(1)},
        {"c32", F(3, {1, 4, 2}), ROWS(1)}, {"d8", F(3, {1, 64, 32}), ROWS(1)},
        {"d16", F(3, {1, 16, 32}), ROWS(1)}, {"d32", F(3, {1, 4, 32}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"nanodet-plus", 64, {{"data", F(3, {1, 85, 34}), ROWS(1)}}, 0, 2, 32, FIXED},
    {"picodet", 64, {
        {"c8", F(3, {1, 64, 2}), ROWS(1)}, {"c16", F(3, {1, 16, 2}), ROWS(1)},
        {"c32", F(3, {1, 4, 2}), ROWS(1)}, {"c64", F(3, {1, 1, 2}), ROWS(1)},
        {"d8", F(3, {1, 64, 32}), ROWS(1)}, {"d16", F(3, {1, 16, 32}), ROWS(1)},
        {"d32", F(3, {1, 4, 32}), ROWS(1)}, {"d64", F(3, {1, 1, 32}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"fastestdet", 64, {{"758", F(4, {1, 7, 4, 4}), ROWS(2)}}, 0, 1, 5, FIXED},
    {"yolo-fastestv2", 32, {{"845", F(2, {5, 17}), ROWS(0)}}, 0, 1, 15, FIXED},
    {"dbnet", 32, {{"map", F(4, {1, 1, 32, 32}), ROWS(2)}}, 0, 1, 0, FIXED},
    {"ctc", 32, {{"text", F(3, {1, 10, 5}), ROWS(1)}}, 0, 2, 0, FREE},
    {"classify", 32, {{"prob", F(2, {1, 5}), NO_ROWS}}, 0, 1, 0, FREE},
};
/* clang-format on */
#define SAMPLES ((int)(sizeof(samples) / sizeof(samples[0])))

static void *memory[SG_SIGNATURE_MAX_IO];

static inline const struct sample *sample_of(const char *kind)
{
    int i;

    for (i = 0; i < SAMPLES; i++)
        if (strcmp(samples[i].kind, kind) == 0)
            return &samples[i];
    return NULL;
}

static inline void add_part(struct test_graph *graph, const struct part *part)
{
    struct sg_tensor *tensor = test_output(graph, part->name, part->dtype, memory[graph->count], 0);
    struct sg_slot *slot = &graph->signature.outputs[graph->count - 1];
    int d;

    tensor->rank = slot->rank = part->rank;
    for (d = 0; d < part->rank; d++)
        tensor->dims[d] = slot->dims[d] = part->dims[d];
}

/* A graph of the kind, all its numbers zero. Between samples_begin and samples_end. */
static inline const struct sample *begin(struct test_graph *graph, const struct sg_head_ops *kind)
{
    const struct sample *sample = sample_of(kind->name);
    int i;

    if (!sample)
        fail_msg("no sample of head %s: add a row to samples[]", kind->name);
    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        memset(memory[i], 0, MANY * sizeof(double));
    test_init(graph, sample->side, sample->side);
    snprintf(graph->spec.kind, sizeof(graph->spec.kind), "%s", kind->name);
    for (i = 0; i < MAX_PARTS && sample->parts[i].name; i++)
        add_part(graph, &sample->parts[i]);
    return sample;
}

static inline int samples_begin(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        if (!(memory[i] = malloc(MANY * sizeof(double))))
            return -1;
    return 0;
}

static inline int samples_end(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        free(memory[i]);
    return 0;
}

#endif
