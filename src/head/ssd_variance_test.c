/* SPDX-License-Identifier: MIT
 * SSD offsets. Expected numbers by hand from SSD's decode with variances .1 and .2; the anchor of the first
 * test is AIZOO's: side 0.16 of the input at the third grid.
 */
#include "head/head_testing.h"

#define ROWS 1364 /* 4 x (16^2 + 8^2 + 4^2 + 2^2 + 1) at 128 x 128 */

static float loc[ROWS * 4], cls[ROWS * 2];

static void build(struct test_graph *graph)
{
    memset(loc, 0, sizeof(loc));
    memset(cls, 0, sizeof(cls));
    test_init(graph, 128, 128);
    test_output(graph, "loc_branch_concat", SG_DTYPE_F32, loc, 3, 1, ROWS, 4);
    test_output(graph, "cls_branch_concat", SG_DTYPE_F32, cls, 3, 1, ROWS, 2);
}

static void decodes_the_face_mask_anchors(void **state)
{
    struct test_graph graph;
    /* third grid (stride 32), cell (1,2): centre 48, 80; first anchor 0.16 * 128 = 20.48 square */
    int row = 4 * (256 + 64) + (2 * 4 + 1) * 4;

    (void)state;
    build(&graph);
    cls[2 * row + 1] = 0.9f;
    loc[4 * row] = 5.0f;           /* x + 5 * .1 * 20.48 = 58.24 */
    loc[4 * row + 2] = 3.4657359f; /* width * exp(ln 2) = 40.96 */
    cls[2 * (row + 3)] = 0.8f;     /* fourth anchor: 20.48 * sqrt(.42), / sqrt(.42) */
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "ssd-variance");
    assert_string_equal(graph.guess.labels, "mask");
    /* conf_thresh and iou_thresh of AIZOO's inference(), one NMS for both classes */
    assert_true(graph.guess.agnostic && graph.guess.threshold == 0.5f && graph.guess.iou == 0.4f);
    graph.options.iou = 0.9f;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 37.76f, 69.76f, 78.72f, 90.24f, 1, 0.9f);
    test_expect(&graph, 1, 48 - 6.63629f, 80 - 15.80064f, 48 + 6.63629f, 80 + 15.80064f, 0, 0.8f);
    test_fini(&graph);
}

static void takes_anchors_from_the_card(void **state)
{
    static float few_loc[5 * 4], few_cls[5 * 3];
    struct test_graph graph;

    (void)state;
    test_init(&graph, 32, 32);
    test_output(&graph, "boxes", SG_DTYPE_F32, few_loc, 3, 1, 5, 4);
    test_output(&graph, "scores", SG_DTYPE_F32, few_cls, 3, 1, 5, 3);
    graph.spec.stride_count = 2;
    graph.spec.strides[0] = 16;
    graph.spec.strides[1] = 32;
    graph.spec.anchor_count = 2;
    memcpy(graph.spec.anchors, (float[]){10, 6, 20, 40}, 4 * sizeof(float));
    few_cls[4 * 3 + 2] = 0.7f; /* the one cell of stride 32: centre 16, 16 */
    assert_int_equal(test_create(&graph), SG_OK);
    few_cls[1 * 3] = NAN;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 6, -4, 26, 36, 2, 0.7f);
    sg_head_destroy(&graph.head);
    graph.spec.anchor_count = 3;
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ssd-variance");
    assert_int_equal(test_create(&graph), SG_E_CONFIG);
    assert_non_null(strstr(graph.err.text, "3 pairs do not divide among 2 `strides`"));
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    assert_int_equal(test_create(&graph), SG_OK);
    cls[0] = NAN;
    cls[3] = INFINITY;
    loc[4] = NAN;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    graph.outputs[1].dims[1] = 1363;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "\"cls_branch_concat\": expected Nx1364x2"));
    sg_head_destroy(&graph.head);
    graph.outputs[1].dims[1] = ROWS;
    graph.outputs[1].dims[2] = 0; /* zero classes */
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ssd-variance");
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_the_face_mask_anchors),
        cmocka_unit_test(takes_anchors_from_the_card),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
