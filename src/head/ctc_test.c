/* SPDX-License-Identifier: MIT
 * CTC on hand-made steps. The rule and the example of repeats are those of Graves et al. 2006, section 3:
 * B(a-ab-) = B(-aa--abb) = aab.
 */
#include "head/head_testing.h"

#define STEPS   9
#define CLASSES 12

static float steps[STEPS][CLASSES];
static struct sg_answers answers;
static const char *const labels[] = {"a", "b", "é", "路", "1", "2", "3", "4", "5", "6"}; /* and a space */

static void build(struct test_graph *graph, const int *path, float share)
{
    int t, k;

    for (t = 0; t < STEPS; t++)
        for (k = 0; k < CLASSES; k++)
            steps[t][k] = k == path[t] ? share : (1.0f - share) / (CLASSES - 1);
    test_init(graph, 64, 32);
    test_output(graph, "softmax", SG_DTYPE_F32, steps, 3, 1, STEPS, CLASSES);
}

static int read_line(struct test_graph *graph, int label_count)
{
    return sg_head_answer(graph->head, graph->outputs, graph->count, 0, 1, labels, label_count, &answers,
                          &graph->err);
}

static void collapses_repeats(void **state)
{
    static const int path[STEPS] = {0, 1, 1, 0, 0, 1, 2, 2, 0};
    struct test_graph graph;

    (void)state;
    build(&graph, path, 0.9f);
    steps[1][0] += 0.4f;
    steps[1][1] -= 0.4f; /* only the first step of a repeat counts */
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "ctc");
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "aab");
    assert_true(fabsf(answers.text_score - (0.5f + 0.9f + 0.9f) / 3.0f) < 1e-5f);
    test_fini(&graph);
}

static void writes_utf8_and_the_appended_space(void **state)
{
    static const int path[STEPS] = {3, 0, 11, 0, 4, 0, 0, 0, 0};
    static const int blank[STEPS] = {0};
    struct test_graph graph;

    (void)state;
    build(&graph, path, 0.9f);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "é 路");
    assert_int_equal(read_line(&graph, 5), SG_E_CONFIG);
    assert_non_null(strstr(graph.err.text, "`labels` has 5 entries"));
    test_fini(&graph);
    build(&graph, blank, 0.9f);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "");
    assert_true(answers.text_score == 0.0f);
    test_fini(&graph);
}

/* Logits: the probability of a step is its softmax; ln 11 against eleven zeros is one half. */
static void does_the_softmax_of_logits(void **state)
{
    static const int path[STEPS] = {1, 0, 0, 0, 0, 0, 0, 0, 0};
    struct test_graph graph;

    (void)state;
    build(&graph, path, 1.0f);
    steps[0][1] = 2.3978953f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "a");
    assert_true(fabsf(answers.text_score - 0.5f) < 1e-5f);
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    static const int path[STEPS] = {1, 2, 0, 0, 0, 0, 0, 0, 0};
    struct test_graph graph;
    int k;

    (void)state;
    build(&graph, path, 0.9f);
    assert_int_equal(test_create(&graph), SG_OK);
    for (k = 0; k < CLASSES; k++)
        steps[0][k] = NAN;
    steps[1][4] = INFINITY;
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "b");
    graph.outputs[0].dims[1] = 0; /* no steps */
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "");
    graph.outputs[0].dims[2] = 13;
    assert_int_equal(read_line(&graph, 10), SG_E_MODEL);
    sg_head_destroy(&graph.head);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ctc");
    graph.outputs[0].dims[2] = 0;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    graph.outputs[0].rank = 2;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "\"softmax\": expected NxTxK"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collapses_repeats),
        cmocka_unit_test(writes_utf8_and_the_appended_space),
        cmocka_unit_test(does_the_softmax_of_logits),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    sg_answers_fini(&answers);
    return failed;
}
