/* SPDX-License-Identifier: MIT
 * YOLOv5, YOLOv5 grids and YOLOX on hand-made tensors. Formulas: yolov5 `Detect.forward` and
 * `non_max_suppression`; YOLOX `demo_postprocess` ((t + cell) * stride, exp(t) * stride).
 */
#include "head/head_testing.h"

#define SIDE    64
#define CELLS   84 /* 8*8 + 4*4 + 2*2 */
#define COLUMNS 7  /* two classes */

static void fill(float *table, int rows)
{
    int i;

    for (i = 0; i < rows; i++) {
        float *row = table + i * COLUMNS;

        row[0] = (float)(i % 8 * 8 + 4);
        row[1] = (float)(i / 8 % 8 * 8 + 4);
        row[2] = row[3] = 10.0f;
        row[4] = row[5] = row[6] = 0.01f;
    }
}

static void set(float *row, float cx, float cy, float width, float height, float objectness, float first,
                float second)
{
    const float values[COLUMNS] = {cx, cy, width, height, objectness, first, second};

    memcpy(row, values, sizeof(values));
}

static void yolov5_by_hand(void **state)
{
    float *table = calloc(2 * 3 * CELLS * COLUMNS, sizeof(*table));
    struct test_graph graph;

    (void)state;
    fill(table, 2 * 3 * CELLS);
    set(table + 5 * COLUMNS, 20, 30, 8, 4, 0.8f, 0.1f, 0.5f);  /* 0.8 * 0.5 */
    set(table + 9 * COLUMNS, 50, 30, 8, 4, 0.2f, 1.0f, 1.0f);  /* objectness below the threshold */
    set(table + 10 * COLUMNS, 50, 30, 8, 4, 0.4f, 0.6f, 0.2f); /* 0.24: product below it */
    set(table + 12 * COLUMNS, 50, 50, 8, 4, NAN, 0.6f, 0.2f);
    set(table + 13 * COLUMNS, 50, 50, 8, 4, 0.9f, NAN, NAN);
    set(table + (3 * CELLS + 251) * COLUMNS, 40, 40, 8, 8, 1.0f, 0.9f, 0.2f); /* last row of item 1 */
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output", SG_DTYPE_F32, table, 3, 2, 3 * CELLS, COLUMNS);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov5");
    assert_int_equal(graph.guess.class_count, 2);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 16, 28, 24, 32, 1, 0.4f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 36, 36, 44, 44, 0, 0.9f);
    graph.outputs[0].dims[1] = 0;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    graph.outputs[0].dims[2] = 8;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_string_equal(graph.err.text, "head yolov5: output \"output\": expected BxNx7, got 2x0x8 float32");
    sg_head_destroy(&graph.head);
    graph.outputs[0].dims[2] = 5; /* zero classes */
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov5");
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    test_fini(&graph);
    free(table);
}

/* Objectness and classes as logits, the card's word: 0.5 and 0.993307 are 0.496654 together; -1.2 is
 * 0.231475, below the threshold by itself; -1.0 (0.268941) is above it with a sure class alone. */
static void logits_near_the_threshold(void **state)
{
    float *table = calloc(3 * CELLS * COLUMNS, sizeof(*table));
    struct test_graph graph;
    int i;

    (void)state;
    fill(table, 3 * CELLS);
    for (i = 0; i < 3 * CELLS; i++)
        table[i * COLUMNS + 4] = -9.0f;
    set(table + 5 * COLUMNS, 20, 30, 8, 4, 0.0f, -5.0f, 5.0f);
    set(table + 9 * COLUMNS, 50, 30, 8, 4, -1.2f, 9.0f, -9.0f);
    set(table + 20 * COLUMNS, 50, 50, 8, 4, -1.0f, 9.0f, -9.0f);
    set(table + 30 * COLUMNS, 10, 10, 8, 4, -1.0f, 1.0f, -9.0f);
    test_init(&graph, SIDE, SIDE);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov5");
    graph.spec.scores = SG_SCORES_LOGITS_SIGMOID;
    test_output(&graph, "output", SG_DTYPE_F32, table, 3, 1, 3 * CELLS, COLUMNS);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 16, 28, 24, 32, 1, 0.496654f);
    test_expect(&graph, 1, 46, 48, 54, 52, 0, 0.268908f);
    test_fini(&graph);
    free(table);
}

/* Cell 3 + 2*8 of stride 8 is (3, 2); row 64 + 5 is cell (1, 1) of stride 16. */
static void yolox_by_hand(void **state)
{
    float *table = calloc(CELLS * COLUMNS, sizeof(*table));
    uint16_t *halves = calloc(CELLS * COLUMNS, sizeof(*halves));
    struct test_graph graph;
    int i;

    (void)state;
    set(table + 19 * COLUMNS, 0.5f, 0.25f, logf(2.0f), 0.0f, 0.8f, 0.5f, 0.1f);
    set(table + 69 * COLUMNS, 0.5f, 0.5f, 0.0f, logf(3.0f), 1.0f, 0.1f, 0.9f);
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output", SG_DTYPE_F32, table, 3, 1, CELLS, COLUMNS);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolox");
    assert_int_equal(graph.guess.transform.channels, SG_CHANNELS_BGR);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 16, 0, 32, 48, 1, 0.9f);  /* centre 1.5*16, size 16 x 48 */
    test_expect(&graph, 1, 20, 14, 36, 22, 0, 0.4f); /* centre 3.5*8, 2.25*8, size 16 x 8 */
    for (i = 0; i < CELLS * COLUMNS; i++)
        halves[i] = sg_float_to_half(table[i]);
    graph.outputs[0].data = halves;
    graph.outputs[0].dtype = SG_DTYPE_F16;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    assert_true(fabsf(graph.found.items[0].box.y2 - 48.0f) < 0.05f);
    graph.outputs[0].dims[1] = 83;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "84 cells of a 64x64 input"));
    test_fini(&graph);
    free(table);
    free(halves);
}

static void yolox_decoded_by_hand(void **state)
{
    const int columns = 85; /* 80 classes: no doubt whether column 4 is an objectness */
    float *table = calloc((size_t)CELLS * (size_t)columns, sizeof(*table));
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < CELLS; i++) {
        table[i * columns] = (float)(i % 8 * 8 + 4);
        table[i * columns + 1] = (float)(i / 8 % 8 * 8 + 4);
        table[i * columns + 2] = table[i * columns + 3] = 10.0f;
    }
    table[6 * columns + 4] = 0.5f;
    table[6 * columns + 5 + 79] = 0.75f;
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output", SG_DTYPE_F32, table, 3, 1, CELLS, columns);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolox-decoded");
    assert_string_equal(graph.guess.labels, "coco80");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 47, -1, 57, 9, 79, 0.375f);
    test_fini(&graph);
    free(table);
}

static float logit(float p)
{
    return logf(p / (1.0f - p));
}

/* Anchors 1 of each stride by yolov5s.yaml: (16, 30) at 8, (62, 45) at 16, (156, 198) at 32. */
static void grids(void **state)
{
    float *small = malloc(sizeof(float) * 3 * 64 * COLUMNS),
          *middle = malloc(sizeof(float) * 3 * 16 * COLUMNS);
    float *large = malloc(sizeof(float) * 3 * 4 * COLUMNS);
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < 3 * 64 * COLUMNS; i++) {
        small[i] = -9.0f;
        if (i < 3 * 16 * COLUMNS)
            middle[i] = -9.0f;
        if (i < 3 * 4 * COLUMNS)
            large[i] = -9.0f;
    }
    /* Cell (3, 2), anchor 1: centre (2*0.75 - 0.5 + 3) * 8 = 32, (2*0.5 - 0.5 + 2) * 8 = 20, size 16 x
     * 4*0.25*30 */
    set(small + (64 + 2 * 8 + 3) * COLUMNS, logit(0.75f), 0, 0, 0, logit(0.8f), logit(0.5f), -9);
    /* Cell (1, 0), anchor 2 of stride 32 (373, 326): sides (2*0.1)^2 */
    set(large + (2 * 4 + 1) * COLUMNS, 0, 0, logit(0.1f), logit(0.1f), logit(0.9f), -9, logit(0.9f));
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "p5", SG_DTYPE_F32, large, 5, 1, 3, 2, 2, COLUMNS); /* order does not matter */
    test_output(&graph, "p3", SG_DTYPE_F32, small, 5, 1, 3, 8, 8, COLUMNS);
    test_output(&graph, "p4", SG_DTYPE_F32, middle, 5, 1, 3, 4, 4, COLUMNS);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov5-grid");
    assert_string_equal(graph.guess.ambiguity,
                        "the anchors are not in the graph: YOLOv5's are assumed, `anchors:` gives others; "
                        "`head: yolov3-grid` or `yolov4-grid` for darknet's");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 48 - 7.46f, 16 - 6.52f, 48 + 7.46f, 16 + 6.52f, 1, 0.81f);
    test_expect(&graph, 1, 32 - 8, 20 - 15, 32 + 8, 20 + 15, 0, 0.4f);
    graph.outputs[1].dims[2] = 7;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_string_equal(graph.err.text,
                        "head yolov5-grid: output \"p3\": expected ?x3x8x8x7, got 1x3x7x8x7 float32");
    sg_head_destroy(&graph.head);
    graph.outputs[1].dims[2] = 8;
    /* The same by darknet's formula: centre (0.75 + 3) * 8 = 30, (0.5 + 2) * 8 = 20, sides e^0 * 16 and 30;
     * (0.5 + 1) * 32 = 48, (0.5 + 0) * 32 = 16, sides e^-3 * 373 and 326. */
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov3-grid");
    large[(2 * 4 + 1) * COLUMNS + 2] = large[(2 * 4 + 1) * COLUMNS + 3] = -3.0f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.transform.fit, SG_FIT_STRETCH);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 48 - 9.28536f, 16 - 8.11536f, 48 + 9.28536f, 16 + 8.11536f, 1, 0.81f);
    test_expect(&graph, 1, 30 - 8, 20 - 15, 30 + 8, 20 + 15, 0, 0.4f);
    test_fini(&graph);
    free(small);
    free(middle);
    free(large);
}

/* 1 x A(5+C) x H x W with two strides and anchors from the card. */
static void grids_with_channels_first(void **state)
{
    static const float anchors[] = {10, 20, 30, 40, 50, 60, 70, 80};
    float *near = malloc(sizeof(float) * 2 * COLUMNS * 16), *far = malloc(sizeof(float) * 2 * COLUMNS * 4);
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < 2 * COLUMNS * 16; i++)
        near[i] = -9.0f;
    for (i = 0; i < 2 * COLUMNS * 4; i++)
        far[i] = -9.0f;
    for (i = 0; i < 4; i++)
        far[(COLUMNS + i) * 4 + 3] = 0.0f; /* anchor 1 = (70, 80), cell (1, 1) of stride 32 */
    far[(COLUMNS + 4) * 4 + 3] = logit(0.9f);
    far[(COLUMNS + 6) * 4 + 3] = logit(0.9f);
    test_init(&graph, SIDE, SIDE);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov5-grid");
    graph.spec.anchor_count = 4;
    memcpy(graph.spec.anchors, anchors, sizeof(anchors));
    test_output(&graph, "a", SG_DTYPE_F32, near, 4, 1, 2 * COLUMNS, 4, 4);
    test_output(&graph, "b", SG_DTYPE_F32, far, 4, 1, 2 * COLUMNS, 2, 2);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(graph.guess.ambiguity,
                        "darknet's YOLOv3 and v4 look the same: `head: yolov3-grid`, `head: yolov4-grid`");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 48 - 35, 48 - 40, 48 + 35, 48 + 40, 1, 0.81f);
    test_fini(&graph);
    free(near);
    free(far);
}

/* Strides 8, 16 and 64, which no exporter of the family writes: a card may say so. Half as high as the input
 * is no grid of it. */
static void grids_of_unusual_strides_need_a_name(void **state)
{
    float *values = calloc(3 * 64 * COLUMNS, sizeof(*values)), last[3 * COLUMNS];
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < 3 * 64 * COLUMNS; i++)
        values[i] = -9.0f;
    memcpy(last, values, sizeof(last));
    /* Anchor 0 of the last stride (116, 90): centre (2*0.5 - 0.5 + 0) * 64 = 32 */
    set(last, 0, 0, 0, 0, logit(0.9f), logit(0.9f), -9);
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "p3", SG_DTYPE_F32, values, 5, 1, 3, 8, 8, COLUMNS);
    test_output(&graph, "p4", SG_DTYPE_F32, values, 5, 1, 3, 4, 4, COLUMNS);
    test_output(&graph, "p6", SG_DTYPE_F32, last, 5, 1, 3, 1, 1, COLUMNS);
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "no head fits the outputs"));
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov5-grid");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(graph.guess.evidence,
                        "named by the card; the outputs alone would not say yolov5-grid");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 32 - 58, 32 - 45, 32 + 58, 32 + 45, 0, 0.81f);
    sg_head_destroy(&graph.head);
    graph.outputs[0].dims[2] = 4;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_string_equal(graph.err.text,
                        "head yolov5-grid: output \"p3\": expected one grid per stride, 1xAxHxWx(5+C), "
                        "1xA(5+C)xHxW or 1xHxWxAx(5+C) (A anchors per cell; 3 outputs, input 64x64), got "
                        "1x3x4x8x7 float32");
    test_fini(&graph);
    free(values);
}

/* boxes and scores = objectness times class; do_detect of pytorch-YOLOv4 takes the best class of each box. */
static void yolov4_by_hand(void **state)
{
    float *boxes = calloc(3 * CELLS * 4, sizeof(*boxes)), *scores = calloc(3 * CELLS * 2, sizeof(*scores));
    const float one[4] = {0.25f, 0.5f, 0.75f, 1.0f}, other[4] = {0.0f, 0.0f, 0.125f, 0.25f};
    struct test_graph graph;

    (void)state;
    memcpy(boxes + 4 * 7L, one, sizeof(one));
    memcpy(boxes + 4 * 9L, other, sizeof(other));
    scores[2 * 7] = 0.3f;
    scores[2 * 7 + 1] = 0.9f;
    scores[2 * 9] = 0.5f;
    scores[2 * 11] = 0.39f; /* below the family's 0.4 */
    scores[2 * 12] = NAN;
    test_init(&graph, SIDE, SIDE);
    graph.options.threshold = 0.4f;
    test_output(&graph, "boxes", SG_DTYPE_F32, boxes, 4, 1, 3 * CELLS, 1, 4);
    test_output(&graph, "confs", SG_DTYPE_F32, scores, 3, 1, 3 * CELLS, 2);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov4");
    assert_true(graph.guess.class_count == 2 && graph.guess.threshold == 0.4f && graph.guess.iou == 0.6f);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 16, 32, 48, 64, 1, 0.9f);
    test_expect(&graph, 1, 0, 0, 8, 16, 0, 0.5f);
    graph.outputs[1].dims[1]--;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_string_equal(graph.err.text,
                        "head yolov4: output \"confs\": expected scores of 2 classes for each of 252 "
                        "boxes, got 1x251x2 float32");
    test_fini(&graph);
    free(boxes);
    free(scores);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yolov5_by_hand),
        cmocka_unit_test(logits_near_the_threshold),
        cmocka_unit_test(yolox_by_hand),
        cmocka_unit_test(yolox_decoded_by_hand),
        cmocka_unit_test(grids),
        cmocka_unit_test(yolov4_by_hand),
        cmocka_unit_test(grids_with_channels_first),
        cmocka_unit_test(grids_of_unusual_strides_need_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
