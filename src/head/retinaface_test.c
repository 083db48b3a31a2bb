/* SPDX-License-Identifier: MIT
 * RetinaFace on an input of 32 x 32: maps of 1, 2x2 and 4x4 cells. Expected numbers by hand from Faster
 * R-CNN's bbox_transform_inv with anchors of 512/256, 128/64, 32/16 pixels centred at cell * stride + 8.
 */
#include "head/head_testing.h"

static float score[3][4 * 16], delta[3][8 * 16], point[3][20 * 16];
static const int side[3] = {1, 2, 4};

static void build(struct test_graph *graph)
{
    int i;

    memset(score, 0, sizeof(score));
    memset(delta, 0, sizeof(delta));
    memset(point, 0, sizeof(point));
    test_init(graph, 32, 32);
    for (i = 0; i < 3; i++) {
        test_output(graph, "cls_prob", SG_DTYPE_F32, score[i], 4, 1, 4, side[i], side[i]);
        test_output(graph, "bbox_pred", SG_DTYPE_F32, delta[i], 4, 1, 8, side[i], side[i]);
        test_output(graph, "landmark_pred", SG_DTYPE_F32, point[i], 4, 1, 20, side[i], side[i]);
    }
}

static void decodes_boxes_and_points(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    /* stride 8, cell (2,1) = 6, second anchor: 16 px at 24, 16; face channel 3 */
    score[2][3 * 16 + 6] = 0.95f;
    delta[2][4 * 16 + 6] = 0.25f;       /* x + 4 = 28 */
    delta[2][5 * 16 + 6] = -0.5f;       /* y - 8 = 8 */
    delta[2][6 * 16 + 6] = 0.69314718f; /* width 32 */
    point[2][10 * 16 + 6] = 0.5f;       /* first point of the second anchor: x 24 + 8 */
    point[2][19 * 16 + 6] = 1.0f;       /* last point: y 16 + 16 */
    score[2][1 * 16 + 6] = 0.99f;       /* background of the second anchor */
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "retinaface");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 12, 0, 44, 16, 0, 0.95f);
    assert_true(graph.found.points[0].x == 32.0f && graph.found.points[0].y == 16.0f);
    assert_true(graph.found.points[4].x == 24.0f && graph.found.points[4].y == 32.0f);
    test_fini(&graph);
}

/* mnet.25_v2 divides point deltas by landmark_std 0.2: taken as they are, all five would lie outside the box.
 */
static void points_of_later_networks(void **state)
{
    static const float deltas[10] = {-2.5f, -1.75f, 2.5f, -1.75f, 0.5f, 3.0f, -2.0f, 2.0f, 2.0f, 2.0f};
    struct test_graph graph;
    int i;

    (void)state;
    build(&graph);
    score[2][3 * 16 + 6] = 0.95f; /* the anchor itself: 16 px around 24, 16 */
    for (i = 0; i < 10; i++)
        point[2][(10 + i) * 16 + 6] = deltas[i];
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    test_expect(&graph, 0, 16, 8, 32, 24, 0, 0.95f);
    for (i = 0; i < 5; i++) { /* 0.2 x 16 pixels for each whole number */
        assert_float_equal(graph.found.points[i].x, 24.0f + 3.2f * deltas[2 * i], 1e-4f);
        assert_float_equal(graph.found.points[i].y, 16.0f + 3.2f * deltas[2 * i + 1], 1e-4f);
    }
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    score[0][2] = NAN;
    score[0][3] = 0.9f;
    delta[0][6] = 1000.0f; /* exp overflows */
    score[1][2 * 4] = INFINITY;
    delta[1][0] = NAN;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    assert_int_equal(test_detect(&graph, 1), SG_E_MODEL);
    sg_head_destroy(&graph.head);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "retinaface");
    graph.outputs[8].dims[1] = 10;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "points, stride 8"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_boxes_and_points),
        cmocka_unit_test(points_of_later_networks),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
