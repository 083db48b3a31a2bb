/* SPDX-License-Identifier: MIT
 * The three GFL kinds on an input of 32 x 32. A distribution with all its weight on bin n is a distance of n
 * cells (Li et al. 2020, eq. 6); equal logits over 8 bins are 3.5 cells.
 */
#include "head/head_testing.h"

#define CLASSES 3
#define SURE    60.0f /* exp(-60) is nothing beside 1 */

static float cls[4][16 * CLASSES], dist[4][16 * 32];
static const int rows[4] = {16, 4, 1, 1};

static void build(struct test_graph *graph, int levels)
{
    int i;

    memset(cls, 0, sizeof(cls));
    memset(dist, 0, sizeof(dist));
    test_init(graph, 32, 32);
    for (i = 0; i < levels; i++)
        test_output(graph, "cls", SG_DTYPE_F32, cls[i], 3, 1, rows[i], CLASSES);
    for (i = 0; i < levels; i++)
        test_output(graph, "dis", SG_DTYPE_F32, dist[i], 3, 1, rows[i], 32);
    dist[0][15 * 32] = -1.0f; /* a logit, so that classes and distributions can be told apart */
}

static void set_side(float *logits, int side, int bin)
{
    logits[side * 8 + bin] = SURE;
}

static void decodes_pairs(void **state)
{
    struct test_graph graph;
    int levels;

    (void)state;
    for (levels = 3; levels <= 4; levels++) {
        build(&graph, levels);
        /* stride 16, cell (1,0): centre 24, 8; left 1, top 0, right 0, bottom 1 cells */
        cls[1][CLASSES + 2] = 0.75f;
        set_side(&dist[1][32], 0, 1);
        set_side(&dist[1][32], 1, 0);
        set_side(&dist[1][32], 2, 0);
        set_side(&dist[1][32], 3, 1);
        cls[2][0] = 0.5f; /* stride 32: centre 16, every side 3.5 * 32 = 112 */
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, levels == 3 ? "nanodet" : "picodet");
        assert_int_equal(graph.guess.class_count, CLASSES);
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 2);
        test_expect(&graph, 0, 8, 8, 24, 24, 2, 0.75f);
        test_expect(&graph, 1, -96, -96, 128, 128, 0, 0.5f);
        test_fini(&graph);
    }
}

/* Graphs that write the distributions first: probabilities tell which the classes are. */
static void distributions_may_come_first(void **state)
{
    struct test_graph graph;
    struct sg_tensor tensor;
    struct sg_slot slot;
    int i;

    (void)state;
    build(&graph, 3);
    for (i = 0; i < 3; i++) {
        tensor = graph.outputs[i];
        slot = graph.signature.outputs[i];
        graph.outputs[i] = graph.outputs[i + 3];
        graph.signature.outputs[i] = graph.signature.outputs[i + 3];
        graph.outputs[i + 3] = tensor;
        graph.signature.outputs[i + 3] = slot;
    }
    cls[1][CLASSES + 2] = 0.75f;
    set_side(&dist[1][32], 0, 1);
    set_side(&dist[1][32], 1, 0);
    set_side(&dist[1][32], 2, 0);
    set_side(&dist[1][32], 3, 1);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "nanodet");
    assert_int_equal(graph.guess.class_count, CLASSES);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 8, 8, 24, 24, 2, 0.75f);
    test_fini(&graph);
    /* 30 values are no four sides, 4 are sides of one bin */
    for (i = 0; i < 2; i++) {
        build(&graph, 3);
        snprintf(graph.spec.kind, sizeof(graph.spec.kind), "nanodet");
        graph.outputs[3].dims[2] = i ? 4 : 30;
        assert_int_equal(test_create(&graph), SG_E_MODEL);
        assert_non_null(strstr(graph.err.text, "16x32 (distributions of four sides, stride 8)"));
        test_fini(&graph);
    }
}

static void decodes_the_joined_form(void **state)
{
    static float all[22][CLASSES + 32]; /* 16 + 4 + 1 + 1 cells */
    struct test_graph graph;

    (void)state;
    test_init(&graph, 32, 32);
    test_output(&graph, "output", SG_DTYPE_F32, all, 3, 1, 22, CLASSES + 32);
    all[0][CLASSES] = -2.0f;
    all[17][1] = 0.6f; /* stride 16, cell (1,0): corner 16, 0 */
    set_side(&all[17][CLASSES], 0, 1);
    set_side(&all[17][CLASSES], 1, 0);
    set_side(&all[17][CLASSES], 2, 2);
    set_side(&all[17][CLASSES], 3, 7);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "nanodet-plus");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 0, 0, 48, 112, 1, 0.6f);
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    struct test_graph graph;
    float per_class[CLASSES] = {-1.0f, 0.9f, -1.0f};

    (void)state;
    build(&graph, 3);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    cls[0][0] = NAN;
    cls[0][CLASSES] = INFINITY;
    dist[0][32 + 3] = NAN;
    cls[0][2 * CLASSES] = 0.9f;
    dist[0][2 * 32] = INFINITY; /* inf - inf */
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    cls[1][1] = 0.8f; /* below the threshold of its own class */
    graph.options.class_thresholds = per_class;
    graph.options.class_threshold_count = CLASSES;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    sg_head_destroy(&graph.head);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "nanodet");
    graph.outputs[5].dims[2] = 31;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "1x32 (distributions, stride 32)"));
    graph.outputs[5].dims[2] = 32;
    graph.outputs[0].dims[2] = 0; /* zero classes */
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_pairs),
        cmocka_unit_test(distributions_may_come_first),
        cmocka_unit_test(decodes_the_joined_form),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
