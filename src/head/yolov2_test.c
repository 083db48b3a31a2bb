/* SPDX-License-Identifier: MIT
 * YOLOv2's grid on hand-made tensors. Formula: darknet `get_region_box` and `forward_region_layer`; anchors
 * cfg/yolov2-tiny-voc.cfg and cfg/yolov2.cfg.
 */
#include "head/head_testing.h"

#define SIDE 2 /* cells */

/* Value k of anchor a in cell (x, y): channels first, or last. */
static float *at(float *grid, bool last, int columns, int a, int k, int x, int y)
{
    int cell = y * SIDE + x, channel = a * columns + k;

    return &grid[last ? cell * 5 * columns + channel : channel * SIDE * SIDE + cell];
}

/* sigmoid(ln 3) = 3/4, softmax of (ln 3, 0) = 3/4, 1/4. Cell (1, 0): centre (0.75 + 1) * 32 = 56, 0.25 * 32
 * = 8. */
static void fill(float *grid, bool last, int classes)
{
    int columns = 5 + classes, i;

    for (i = 0; i < 5 * columns * SIDE * SIDE; i++)
        grid[i] = 0.0f;
    for (i = 0; i < 5 * SIDE * SIDE; i++)
        *at(grid, last, columns, i % 5, 4, i / 5 % SIDE, i / 5 / SIDE) = -9.0f;
    *at(grid, last, columns, 2, 0, 1, 0) = logf(3.0f);
    *at(grid, last, columns, 2, 1, 1, 0) = -logf(3.0f);
    *at(grid, last, columns, 2, 2, 1, 0) = -logf(2.0f);
    *at(grid, last, columns, 2, 4, 1, 0) = logf(3.0f);
    *at(grid, last, columns, 2, 6, 1, 0) = logf(3.0f);
}

static void custom_vision(void **state)
{
    /* 20 tags as well: their number alone would give VOC's anchors. */
    static const struct {
        int classes;
        float score; /* 3/4 * 3 / (3 + classes - 1) */
    } rows[] = {{2, 0.5625f}, {20, 0.102273f}};
    static float grid[5 * 25 * SIDE * SIDE];
    char expected[128];
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < 4; i++) {
        int last = i % 2, classes = rows[i / 2].classes, channels = 5 * (5 + classes);

        fill(grid, last, classes);
        test_init(&graph, 64, 64);
        graph.options.threshold = 0.05f;
        if (last)
            test_output(&graph, "model_outputs0", SG_DTYPE_F32, grid, 4, 1, SIDE, SIDE, channels);
        else
            test_output(&graph, "model_outputs0", SG_DTYPE_F32, grid, 4, 1, channels, SIDE, SIDE);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "yolov2");
        assert_int_equal(graph.guess.transform.channels, SG_CHANNELS_BGR);
        assert_true(graph.guess.transform.std[0] == 1.0f && graph.guess.class_count == classes);
        assert_string_equal(graph.guess.labels, "");
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 1);
        /* anchor 3.33843 x 5.47434 cells: half of 106.8298 wide by e^-ln 2, 175.1789 high */
        test_expect(&graph, 0, 56 - 26.70744f, 8 - 87.58944f, 56 + 26.70744f, 8 + 87.58944f, 1,
                    rows[i / 2].score);
        *at(grid, last, 5 + classes, 2, 5, 1, 0) = NAN; /* one class that is none spoils the softmax */
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 0);
        graph.outputs[0].dims[2] = 3;
        assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
        snprintf(expected, sizeof(expected),
                 last ? "head yolov2: output \"model_outputs0\": expected ?x2x2x%d, got 1x2x3x%d float32"
                      : "head yolov2: output \"model_outputs0\": expected ?x%dx2x2, got 1x%dx3x2 float32",
                 channels, channels);
        assert_string_equal(graph.err.text, expected);
        test_fini(&graph);
    }
}

static void tiny_yolov2_of_voc(void **state)
{
    static float grid[5 * 25 * SIDE * SIDE];
    static const float own[] = {1, 1, 2, 2, 64, 16, 4, 4, 5, 5};
    struct test_graph graph;

    (void)state;
    fill(grid, false, 20);
    test_init(&graph, 64, 64);
    graph.signature.input_count = 1;
    snprintf(graph.signature.inputs[0].name, sizeof(graph.signature.inputs[0].name), "image");
    test_output(&graph, "grid", SG_DTYPE_F32, grid, 4, 1, 125, SIDE, SIDE);
    graph.options.threshold = 0.05f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(graph.guess.labels, "voc20");
    assert_true(graph.guess.transform.std[0] == 1.0f);
    assert_non_null(strstr(graph.guess.ambiguity, "`anchors:`"));
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    /* anchor 6.63 x 11.38 cells; softmax 3 / (3 + 19), times 3/4 */
    test_expect(&graph, 0, 56 - 53.04f, 8 - 182.08f, 56 + 53.04f, 8 + 182.08f, 1, 0.102273f);
    sg_head_destroy(&graph.head);
    graph.spec.anchor_count = 5;
    memcpy(graph.spec.anchors, own, sizeof(own));
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    test_expect(&graph, 0, 56 - 16, 0, 56 + 16, 16, 1, 0.102273f);
    test_fini(&graph);
}

/* The second of two pictures; the first shows nothing. */
static void each_picture_of_a_batch(void **state)
{
    enum { VALUES = 5 * 7 * SIDE * SIDE };
    static float grids[2 * VALUES];
    struct test_graph graph;

    (void)state;
    for (int last = 0; last < 2; last++) {
        fill(grids, last, 2);
        fill(grids + VALUES, last, 2);
        *at(grids, last, 7, 2, 4, 1, 0) = -9.0f;
        test_init(&graph, 64, 64);
        graph.options.threshold = 0.05f;
        if (last)
            test_output(&graph, "model_outputs0", SG_DTYPE_F32, grids, 4, 2, SIDE, SIDE, 35);
        else
            test_output(&graph, "model_outputs0", SG_DTYPE_F32, grids, 4, 2, 35, SIDE, SIDE);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "yolov2");
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 0);
        assert_int_equal(test_detect(&graph, 1), SG_OK);
        assert_int_equal(graph.found.count, 1);
        test_expect(&graph, 0, 56 - 26.70744f, 8 - 87.58944f, 56 + 26.70744f, 8 + 87.58944f, 1, 0.5625f);
        test_fini(&graph);
    }
}

static void feature_maps_are_none(void **state)
{
    static float map[1280 * SIDE * SIDE];
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "features", SG_DTYPE_F32, map, 4, 1, 1280, SIDE, SIDE);
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "no head fits"));
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov2");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.class_count, 251);
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(custom_vision),
        cmocka_unit_test(each_picture_of_a_batch),
        cmocka_unit_test(tiny_yolov2_of_voc),
        cmocka_unit_test(feature_maps_are_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
