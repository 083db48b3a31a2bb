/* SPDX-License-Identifier: MIT
 * For the tests of heads only: hand-made graphs, and a head run over them in one call.
 */
#ifndef SG_HEAD_TESTING_H
#define SG_HEAD_TESTING_H

#include "head/head.h"
#include "head/kinds.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct test_graph {
    struct sg_signature signature;
    struct sg_tensor outputs[SG_SIGNATURE_MAX_IO];
    int count;
    struct sg_head_spec spec;
    struct sg_head_guess guess;
    struct sg_head *head;
    struct sg_head_options options;
    struct sg_detections found;
    struct sg_error err;
};

static inline void test_init(struct test_graph *graph, int width, int height)
{
    *graph = (struct test_graph){0};
    graph->spec.input_width = graph->guess.transform.width = width;
    graph->spec.input_height = graph->guess.transform.height = height;
    graph->options.threshold = 0.25f;
    graph->options.iou = 0.45f;
}

/* Adds an output to the signature and to the real tensors; data is borrowed. */
__attribute__((unused)) static struct sg_tensor *test_output(struct test_graph *graph, const char *name,
                                                             enum sg_dtype dtype, void *data, int rank, ...)
{
    struct sg_tensor *tensor = &graph->outputs[graph->count];
    struct sg_slot *slot = &graph->signature.outputs[graph->count];
    va_list dims;
    int i;

    *tensor = (struct sg_tensor){.name = slot->name, .dtype = dtype, .rank = rank, .data = data};
    snprintf(slot->name, sizeof(slot->name), "%s", name);
    slot->dtype = dtype;
    slot->rank = rank;
    va_start(dims, rank);
    for (i = 0; i < rank; i++)
        slot->dims[i] = tensor->dims[i] = va_arg(dims, int); /* dims are plain ints */
    va_end(dims);
    graph->count++;
    graph->signature.output_count = graph->count;
    return tensor;
}

__attribute__((unused)) static void test_meta(struct test_graph *graph, const char *key, const char *value)
{
    struct sg_meta *meta = &graph->signature.meta[graph->signature.meta_count++];

    meta->key = strdup(key);
    meta->value = strdup(value);
}

static inline int test_create(struct test_graph *graph)
{
    return sg_head_create(&graph->signature, graph->outputs, graph->count, &graph->spec, &graph->head,
                          &graph->guess, &graph->err);
}

static inline int test_detect(struct test_graph *graph, int item)
{
    return sg_head_detect(graph->head, graph->outputs, graph->count, item, &graph->options, &graph->found,
                          &graph->err);
}

static inline void test_fini(struct test_graph *graph)
{
    sg_head_destroy(&graph->head);
    sg_detections_fini(&graph->found);
    sg_signature_fini(&graph->signature);
}

/* Box, class and score of detection i within 1e-3 pixels and 1e-4. */
__attribute__((unused)) static void test_expect(const struct test_graph *graph, int i, float x1, float y1,
                                                float x2, float y2, int class_id, float score)
{
    const struct sg_detection *item = &graph->found.items[i];

    assert_true(i < graph->found.count);
    if (fabsf(item->box.x1 - x1) > 1e-3f || fabsf(item->box.y1 - y1) > 1e-3f ||
        fabsf(item->box.x2 - x2) > 1e-3f || fabsf(item->box.y2 - y2) > 1e-3f || item->class_id != class_id ||
        fabsf(item->score - score) > 1e-4f)
        fail_msg(
            "detection %d: expected [%g %g %g %g] class %d score %g, got [%g %g %g %g] class %d score %g", i,
            x1, y1, x2, y2, class_id, score, item->box.x1, item->box.y1, item->box.x2, item->box.y2,
            item->class_id, item->score);
}

#endif
