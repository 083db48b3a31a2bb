/* SPDX-License-Identifier: MIT
 * UltraFace on an input of 64 x 32: 3*32 + 2*8 + 2*2 + 3*1 = 119 priors. Boxes are fractions of the input.
 */
#include "head/head_testing.h"

#define ROWS 119

static float scores[ROWS * 2], boxes[ROWS * 4];

static void build(struct test_graph *graph)
{
    int i;

    for (i = 0; i < ROWS; i++) {
        scores[2 * i] = 0.9f;
        scores[2 * i + 1] = 0.1f;
    }
    memset(boxes, 0, sizeof(boxes));
    test_init(graph, 64, 32);
    test_output(graph, "boxes", SG_DTYPE_F32, boxes, 3, 1, ROWS, 4);
    test_output(graph, "scores", SG_DTYPE_F32, scores, 3, 1, ROWS, 2);
}

static void decodes_fractions(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    scores[2 * 118] = 0.2f;
    scores[2 * 118 + 1] = 0.8f;
    memcpy(&boxes[118 * 4], (float[]){0.25f, -0.125f, 0.5f, 0.75f}, 4 * sizeof(float));
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "ultraface");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 16, -4, 32, 24, 0, 0.8f);
    scores[2 * 118 + 1] = NAN;
    scores[1] = 0.9f;
    boxes[0] = INFINITY;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
}

/* Rows that do not add up to one are another family's. */
static void leaves_sigmoid_scores_alone(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph);
    scores[0] = 0.1f;
    sg_head_ultraface.match(&graph.signature, graph.outputs, graph.count, &graph.spec, &graph.guess);
    assert_int_equal(graph.guess.confidence, 0);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ultraface");
    graph.outputs[0].dims[1] = 118;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "expected an output of 119x4"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_fractions),
        cmocka_unit_test(leaves_sigmoid_scores_alone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
