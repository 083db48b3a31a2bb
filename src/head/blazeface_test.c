/* SPDX-License-Identifier: MIT
 * BlazeFace on an input of 256 x 256. Expected numbers by hand from MediaPipe's SsdAnchorsCalculator (anchors
 * of fixed size 1 at cell centres) and TensorsToDetections (x = t + anchor, in input pixels).
 */
#include "head/head_testing.h"

static float fine[512], coarse[384], fine_box[512 * 16], coarse_box[384 * 16];

static void build(struct test_graph *graph)
{
    int i;

    for (i = 0; i < 512; i++)
        fine[i] = -200.0f;
    for (i = 0; i < 384; i++)
        coarse[i] = -200.0f;
    memset(fine_box, 0, sizeof(fine_box));
    memset(coarse_box, 0, sizeof(coarse_box));
    test_init(graph, 256, 256);
    test_output(graph, "Identity:0", SG_DTYPE_F32, fine, 3, 1, 512, 1);
    test_output(graph, "Identity_1:0", SG_DTYPE_F32, coarse, 3, 1, 384, 1);
    test_output(graph, "Identity_2:0", SG_DTYPE_F32, fine_box, 3, 1, 512, 16);
    test_output(graph, "Identity_3:0", SG_DTYPE_F32, coarse_box, 3, 1, 384, 16);
}

static void decodes_both_grids(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    /* fine row 2*(3*16+5)+1: cell (5,3), centre 88, 56; moved by 2, -6; 40 x 60 */
    fine[107] = 1.0f; /* sigmoid(1) = 0.7310586 */
    memcpy(&fine_box[107 * 16], (float[]){2, -6, 40, 60, 1, 2}, 6 * sizeof(float));
    /* coarse row 6*(8+7)+5: cell (7,1), centre 240, 48 */
    coarse[95] = 300.0f; /* cut to 100: 1 */
    memcpy(&coarse_box[95 * 16], (float[]){0, 0, 20, 20}, 4 * sizeof(float));
    coarse_box[95 * 16 + 14] = -30.0f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "blazeface");
    assert_true(graph.guess.transform.mean[0] == 127.5f && graph.guess.transform.fit == SG_FIT_LETTERBOX);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 230, 38, 250, 58, 0, 1.0f);
    test_expect(&graph, 1, 70, 20, 110, 80, 0, 0.7310586f);
    assert_int_equal(graph.found.items[1].point_count, 6);
    assert_true(graph.found.points[graph.found.items[0].first_point + 5].x == 210.0f);
    assert_true(graph.found.points[graph.found.items[1].first_point].x == 89.0f);
    assert_true(graph.found.points[graph.found.items[1].first_point].y == 58.0f);
    test_fini(&graph);
}

/* The same numbers as one list of 896, as MediaPipe's own files have them, at 128 x 128. */
static void decodes_the_joined_form(void **state)
{
    static float scores[896], boxes[896 * 16];
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < 896; i++)
        scores[i] = -50.0f;
    scores[512 + 95] = 50.0f; /* cell (7,1) of 8 x 8: centre 120, 24 */
    memcpy(&boxes[(512 + 95) * 16], (float[]){-10, 0, 8, 4, 3, 0}, 6 * sizeof(float));
    test_init(&graph, 128, 128);
    test_output(&graph, "regressors", SG_DTYPE_F32, boxes, 3, 1, 896, 16);
    test_output(&graph, "classificators", SG_DTYPE_F32, scores, 3, 1, 896, 1);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 106, 22, 114, 26, 0, 1.0f);
    assert_true(graph.found.points[0].x == 123.0f);
    test_fini(&graph);
}

static void says_nothing_on_nan_and_infinity(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    fine[0] = NAN;
    fine[1] = INFINITY;
    fine_box[16] = -INFINITY;
    fine[2] = 5.0f;
    fine_box[2 * 16 + 2] = NAN;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
}

static void refuses_other_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "blazeface");
    graph.outputs[3].dims[2] = 15;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "expected an output of 384x16 (boxes and points, stride 32)"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_both_grids),
        cmocka_unit_test(decodes_the_joined_form),
        cmocka_unit_test(says_nothing_on_nan_and_infinity),
        cmocka_unit_test(refuses_other_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
