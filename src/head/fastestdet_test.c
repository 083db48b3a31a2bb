/* SPDX-License-Identifier: MIT
 * FastestDet on an input of 64 x 32: a map of 4 x 2 cells. Expected numbers by hand from its authors'
 * demo: score obj^.6 * cls^.4, centre cell + tanh(t), size sigmoid(t) of the whole.
 */
#include "head/head_testing.h"

#define AREA    8
#define CLASSES 2

static float map[5 + CLASSES][AREA];

static void build(struct test_graph *graph)
{
    int i;

    memset(map, 0, sizeof(map));
    for (i = 0; i < AREA; i++)
        map[5][i] = 1.0f; /* softmax rows */
    test_init(graph, 64, 32);
    test_output(graph, "758", SG_DTYPE_F32, map, 4, 1, 5 + CLASSES, 2, 4);
}

static void decodes_cells(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    /* cell (2,1) = 6: x = (2 + tanh(atanh .5)) / 4 * 64 = 40, y = 16; w = sigmoid(0) * 64 = 32, h = 16 */
    map[0][6] = 0.5f;
    map[1][6] = 0.54930614f;
    map[5][6] = 0.25f;
    map[6][6] = 0.75f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "fastestdet");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    /* .5^.6 * .75^.4 = exp(.6 ln .5 + .4 ln .75) = exp(-.5309610) */
    test_expect(&graph, 0, 24, 8, 56, 24, 1, 0.588039f);
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    assert_int_equal(test_create(&graph), SG_OK);
    map[0][0] = NAN;
    map[0][1] = -0.5f; /* a power of a negative number is NaN */
    map[0][2] = INFINITY;
    map[1][2] = NAN;
    map[0][3] = 1.0f;
    map[5][3] = map[6][3] = NAN;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    graph.outputs[0].dims[3] = 5;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "1x7x2x5"));
    sg_head_destroy(&graph.head);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "fastestdet");
    graph.outputs[0].dims[3] = 4;
    graph.outputs[0].dims[1] = 5; /* zero classes */
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "expected Nx(5+C)x2x4, got 1x5x2x4"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_cells),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
