/* SPDX-License-Identifier: MIT
 * DB maps drawn by hand; expected quads worked out from PP-OCR's rule, unclip distance = area * 1.5 /
 * perimeter.
 */
#include "head/head_testing.h"

#define W 64
#define H 48

static float map[H][W];

static void build(struct test_graph *graph)
{
    memset(map, 0, sizeof(map));
    test_init(graph, W, H);
    test_output(graph, "sigmoid_0.tmp_0", SG_DTYPE_F32, map, 4, 1, 1, H, W);
}

static void fill(int x1, int y1, int x2, int y2, float value)
{
    int x, y;

    for (y = y1; y < y2; y++)
        for (x = x1; x < x2; x++)
            map[y][x] = value;
}

static void grows_an_upright_line(void **state)
{
    struct test_graph graph;
    const struct sg_keypoint *quad;

    (void)state;
    build(&graph);
    fill(10, 10, 31, 21, 0.8f); /* centres 10.5..30.5 x 10.5..20.5: 20 x 10 */
    fill(40, 30, 60, 40, 0.5f); /* a score below 0.6 */
    fill(50, 2, 60, 4, 0.9f);   /* too low a line */
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "dbnet");
    graph.options.threshold = graph.guess.threshold;
    graph.options.iou = graph.guess.iou;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    /* 200 * 1.5 / 60 = 5 on every side */
    test_expect(&graph, 0, 5.5f, 5.5f, 35.5f, 25.5f, 0, 0.8f);
    assert_true(graph.found.items[0].has_quad && graph.found.items[0].polygon_count == 4);
    quad = &graph.found.points[graph.found.items[0].first_polygon];
    assert_true(fabsf(quad[0].x - 5.5f) < 1e-3f && fabsf(quad[0].y - 5.5f) < 1e-3f);
    assert_true(fabsf(quad[1].x - 35.5f) < 1e-3f && fabsf(quad[1].y - 5.5f) < 1e-3f);
    assert_true(fabsf(quad[2].x - 35.5f) < 1e-3f && fabsf(quad[2].y - 25.5f) < 1e-3f);
    assert_true(fabsf(quad[3].x - 5.5f) < 1e-3f && fabsf(quad[3].y - 25.5f) < 1e-3f);
    test_fini(&graph);
}

/* A band of slope 1: the quad's upper side runs from the top left end to the right. */
static void follows_a_slanted_line(void **state)
{
    struct test_graph graph;
    const struct sg_keypoint *quad;
    int x, y;

    (void)state;
    build(&graph);
    for (y = 0; y < H; y++)
        for (x = 0; x < W; x++)
            if (x + y >= 30 && x + y <= 70 && x - y >= -4 && x - y <= 12)
                map[y][x] = 0.9f;
    assert_int_equal(test_create(&graph), SG_OK);
    graph.options.threshold = 0.6f;
    graph.options.iou = 0.0f;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    quad = &graph.found.points[graph.found.items[0].first_polygon];
    /* sides 40 and 16 over sqrt 2; grown by 40*16/2 * 1.5 / (2 * 56 / sqrt 2) = 6.0609 = 8.5714 / sqrt 2 */
    assert_true(fabsf(hypotf(quad[1].x - quad[0].x, quad[1].y - quad[0].y) - (40 + 17.142857f) / 1.4142136f) <
                1e-2f);
    assert_true(fabsf(hypotf(quad[3].x - quad[0].x, quad[3].y - quad[0].y) - (16 + 17.142857f) / 1.4142136f) <
                1e-2f);
    assert_true(fabsf((quad[0].x + quad[2].x) / 2 - 27.5f) < 1e-2f); /* x = (50 + 4) / 2 + .5 */
    test_fini(&graph);
}

/* PP-OCR drops what is lower than 5 (`min_size + 2`) after it has grown; its unclip_ratio is 0.5 here, a
 * third of the usual. A line of centres 10 x 3 grows by 30 * 0.5 / 26 = 0.58 on every side to 4.15, one of 10
 * x 4 by 0.71 to 5.43.
 */
static void lines_that_stay_too_low_are_dropped(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    fill(10, 10, 21, 14, 0.9f);
    fill(10, 30, 21, 35, 0.8f);
    graph.spec.unclip = 0.5f;
    assert_int_equal(test_create(&graph), SG_OK);
    graph.options.threshold = 0.6f;
    graph.options.iou = 0.0f;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 10.5f - 0.7142857f, 30.5f - 0.7142857f, 20.5f + 0.7142857f, 34.5f + 0.7142857f, 0,
                0.8f);
    sg_head_destroy(&graph.head);
    graph.spec.input_width = 0;
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "dbnet");
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "input size is not known; set `width` and `height`"));
    test_fini(&graph);
}

/* A line that sags: four rows high in a rectangle of twelve, of whose pixels it covers less than half. */
static void scores_a_bent_line_by_itself(void **state)
{
    struct test_graph graph;
    int i;

    (void)state;
    build(&graph);
    for (i = 0; i < 5; i++) {
        fill(4 + 6 * i, 10 + 2 * i, 10 + 6 * i, 14 + 2 * i, 0.9f);
        fill(58 - 6 * i, 10 + 2 * i, 64 - 6 * i, 14 + 2 * i, 0.9f);
    }
    assert_int_equal(test_create(&graph), SG_OK);
    graph.options.threshold = 0.6f;
    graph.options.iou = 0.0f;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    assert_true(fabsf(graph.found.items[0].score - 0.9f) < 1e-5f);
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    assert_int_equal(test_create(&graph), SG_OK);
    graph.options.iou = 0.0f;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    fill(0, 0, W, H, NAN);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    fill(0, 0, W, H, INFINITY);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    fill(0, 0, W, H, 1.0f); /* all of it is one region */
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    /* A map of another size is that of another picture; one without pixels is a fault. */
    graph.outputs[0].dims[3] = W - 1;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    graph.outputs[0].dims[3] = 0;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    graph.outputs[0].dims[3] = W - 1;
    sg_head_destroy(&graph.head);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "dbnet");
    graph.outputs[0].dims[1] = 2;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "expected Nx1xHxW, a map of text probability, got 1x2x48x63"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_an_upright_line),
        cmocka_unit_test(follows_a_slanted_line),
        cmocka_unit_test(scores_a_bent_line_by_itself),
        cmocka_unit_test(lines_that_stay_too_low_are_dropped),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
