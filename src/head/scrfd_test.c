/* SPDX-License-Identifier: MIT
 * SCRFD on an input of 32 x 32: 32, 8 and 2 rows. Expected boxes are worked out by hand from InsightFace's
 * distance2bbox: centre = cell * stride, box = centre -/+ distance * stride.
 */
#include "head/head_testing.h"

static float scores[3][32], sides[3][32 * 4], points[3][32 * 10];
static const int rows[3] = {32, 8, 2};

static void build(struct test_graph *graph, bool with_points)
{
    int i;

    memset(scores, 0, sizeof(scores));
    memset(sides, 0, sizeof(sides));
    memset(points, 0, sizeof(points));
    test_init(graph, 32, 32);
    for (i = 0; i < 3; i++)
        test_output(graph, "score", SG_DTYPE_F32, scores[i], 3, 1, rows[i], 1);
    for (i = 0; i < 3; i++)
        test_output(graph, "side", SG_DTYPE_F32, sides[i], 3, 1, rows[i], 4);
    for (i = 0; i < 3 && with_points; i++)
        test_output(graph, "point", SG_DTYPE_F32, points[i], 3, 1, rows[i], 10);
}

static void decodes_boxes_and_points(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph, true);
    /* stride 16, row 7 = second anchor of cell (1,1): centre 16,16; sides 1, .5, 1, .25 cells */
    scores[1][7] = 0.9f;
    memcpy(&sides[1][7 * 4], (float[]){1.0f, 0.5f, 1.0f, 0.25f}, 4 * sizeof(float));
    points[1][70] = -0.5f; /* x of the first point: 16 - 8 */
    points[1][79] = 0.25f; /* y of the last: 16 + 4 */
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "scrfd");
    assert_string_equal(graph.guess.labels, "face");
    assert_non_null(strstr(graph.guess.evidence, "at strides 8 to 32")); /* build() makes 8, 16 and 32 */
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 0, 8, 32, 20, 0, 0.9f);
    assert_int_equal(graph.found.items[0].point_count, 5);
    assert_true(graph.found.points[0].x == 8.0f && graph.found.points[0].y == 16.0f);
    assert_true(graph.found.points[4].x == 16.0f && graph.found.points[4].y == 20.0f);
    test_fini(&graph);
}

static void works_without_points_and_without_batch_axis(void **state)
{
    struct test_graph graph;
    int i;

    (void)state;
    build(&graph, false);
    for (i = 0; i < 6; i++) { /* 32x1 as InsightFace exports it */
        graph.outputs[i].rank = 2;
        graph.outputs[i].dims[0] = graph.outputs[i].dims[1];
        graph.outputs[i].dims[1] = graph.outputs[i].dims[2];
    }
    scores[0][3] = 0.6f; /* cell (1,0) of stride 8: centre 8,0 */
    sides[0][3 * 4 + 2] = 2.0f;
    sides[0][3 * 4 + 3] = 1.0f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 8, 0, 24, 8, 0, 0.6f);
    assert_int_equal(graph.found.items[0].point_count, 0);
    assert_int_equal(test_detect(&graph, 1), SG_E_MODEL);
    test_fini(&graph);
}

static void says_nothing_on_nan_and_infinity(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph, true);
    scores[0][0] = NAN;
    scores[0][1] = INFINITY;
    scores[0][2] = 0.9f;
    sides[0][8] = NAN;
    scores[2][1] = 0.8f;
    sides[2][7] = INFINITY;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
}

static void refuses_other_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph, true);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "scrfd");
    graph.outputs[4].dims[2] = 5;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "expected an output of 8x4 (box distances, stride 16)"));
    assert_non_null(strstr(graph.err.text, "\"side\" 1x8x5"));
    graph.outputs[4].dims[2] = 4;
    assert_int_equal(test_create(&graph), SG_OK);
    graph.outputs[4].dims[1] = 7; /* a frame whose shape changed */
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "expected Nx8x4"));
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_boxes_and_points),
        cmocka_unit_test(works_without_points_and_without_batch_axis),
        cmocka_unit_test(says_nothing_on_nan_and_infinity),
        cmocka_unit_test(refuses_other_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
