/* SPDX-License-Identifier: MIT
 * YuNet on an input of 32 x 32: 16, 4 and 1 rows. Expected numbers by hand from OpenCV's FaceDetectorYN.
 */
#include "head/head_testing.h"

static float cls[3][16], obj[3][16], box[3][16 * 4], point[3][16 * 10];
static const int rows[3] = {16, 4, 1};

static void build(struct test_graph *graph, bool obj_first)
{
    int i;

    memset(cls, 0, sizeof(cls));
    memset(obj, 0, sizeof(obj));
    memset(box, 0, sizeof(box));
    memset(point, 0, sizeof(point));
    test_init(graph, 32, 32);
    for (i = 0; i < 3; i++)
        test_output(graph, obj_first ? "obj" : "cls", SG_DTYPE_F32, obj_first ? obj[i] : cls[i], 3, 1,
                    rows[i], 1);
    for (i = 0; i < 3; i++)
        test_output(graph, obj_first ? "cls" : "obj", SG_DTYPE_F32, obj_first ? cls[i] : obj[i], 3, 1,
                    rows[i], 1);
    for (i = 0; i < 3; i++)
        test_output(graph, "bbox", SG_DTYPE_F32, box[i], 3, 1, rows[i], 4);
    for (i = 0; i < 3; i++)
        test_output(graph, "kps", SG_DTYPE_F32, point[i], 3, 1, rows[i], 10);
}

static void decodes_boxes_and_points(void **state)
{
    struct test_graph graph;
    int order;

    (void)state;
    for (order = 0; order < 2; order++) {
        build(&graph, order);
        /* stride 16, cell (0,1): centre (0 + .5, 1 + .25) * 16 = 8, 20; size exp(0), exp(ln 2) cells */
        cls[1][2] = 0.64f;
        obj[1][2] = 1.7f; /* cut to 1: score sqrt(.64) = .8 */
        memcpy(&box[1][2 * 4], (float[]){0.5f, 0.25f, 0.0f, 0.693147181f}, 4 * sizeof(float));
        point[1][2 * 10 + 8] = 1.5f;
        cls[2][0] = 1.0f; /* no object: score 0 */
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "yunet");
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 1);
        test_expect(&graph, 0, 0, 4, 16, 36, 0, 0.8f);
        assert_true(graph.found.points[4].x == 24.0f && graph.found.points[4].y == 16.0f);
        test_fini(&graph);
    }
}

static void says_nothing_on_nan_and_infinity(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph, false);
    cls[0][0] = NAN;
    obj[0][0] = 1.0f;
    cls[0][1] = obj[0][1] = 1.0f;
    box[0][6] = 200.0f; /* exp overflows */
    cls[0][2] = obj[0][2] = 1.0f;
    box[0][8] = NAN;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
}

static void refuses_other_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph, false);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yunet");
    graph.count = 11;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "expected 12 outputs, got 11"));
    graph.count = 12;
    graph.outputs[11].dims[2] = 8;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "1x10 (points, stride 32)"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_boxes_and_points),
        cmocka_unit_test(says_nothing_on_nan_and_infinity),
        cmocka_unit_test(refuses_other_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
