/* SPDX-License-Identifier: MIT
 * YOLO-FastestV2 on an input of 32 x 32: 4 + 1 rows. Expected numbers by hand from YOLOv5's rule.
 */
#include "head/head_testing.h"

#define CLASSES 2
#define WIDTH   (15 + CLASSES)

static float rows[5][WIDTH];

static void build(struct test_graph *graph)
{
    int i;

    memset(rows, 0, sizeof(rows));
    for (i = 0; i < 5; i++)
        rows[i][15] = 1.0f;
    test_init(graph, 32, 32);
    test_output(graph, "845", SG_DTYPE_F32, rows, 2, 5, WIDTH);
}

static void decodes_anchors(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    graph.spec.anchor_count = 6;
    memcpy(graph.spec.anchors, (float[]){1, 1, 8, 4, 1, 1, 1, 1, 1, 1, 10, 20}, 12 * sizeof(float));
    /* stride 16, cell (1,1) = row 3, second anchor 8 x 4; x = (2*.5 - .5 + 1) * 16 = 24, y = (0 - .5 + 1) *
     * 16 = 8; w = (2*.5)^2 * 8 = 8, h = (2*1)^2 * 4 = 16 */
    memcpy(&rows[3][4], (float[]){0.5f, 0.0f, 0.5f, 1.0f}, 4 * sizeof(float));
    rows[3][13] = 0.8f;
    rows[3][15] = 0.25f;
    rows[3][16] = 0.75f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolo-fastestv2");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 20, 0, 28, 16, 1, 0.6f);
    test_fini(&graph);
}

static void knows_the_anchors_of_coco(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    rows[4][14] = 1.0f; /* stride 32, third anchor 279.92 x 258.87 */
    memcpy(&rows[4][8], (float[]){0.5f, 0.5f, 0.5f, 0.5f}, 4 * sizeof(float));
    assert_int_equal(test_create(&graph), SG_OK);
    assert_non_null(strstr(graph.guess.ambiguity, "`anchors`"));
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 16 - 139.96f, 16 - 129.435f, 16 + 139.96f, 16 + 129.435f, 0, 1.0f);
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    assert_int_equal(test_create(&graph), SG_OK);
    rows[0][12] = NAN;
    rows[1][12] = INFINITY;
    rows[1][0] = NAN;
    rows[2][12] = 1.0f;
    rows[2][15] = rows[2][16] = NAN;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    sg_head_destroy(&graph.head);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolo-fastestv2");
    graph.outputs[0].dims[1] = 15; /* zero classes */
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    graph.outputs[0].dims[1] = WIDTH;
    graph.spec.anchor_count = 2;
    assert_int_equal(test_create(&graph), SG_E_CONFIG);
    assert_non_null(strstr(graph.err.text, "expected 6 pairs, got 2"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_anchors),
        cmocka_unit_test(knows_the_anchors_of_coco),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
