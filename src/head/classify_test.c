/* SPDX-License-Identifier: MIT
 * Classifiers on hand-made outputs. softmax(ln 1, ln 2, ln 5) = 1/8, 2/8, 5/8 by its definition.
 */
#include "head/head_testing.h"

static struct sg_answers answers;

static int ask(struct test_graph *graph, int item, int top_k)
{
    return sg_head_answer(graph->head, graph->outputs, graph->count, item, top_k, NULL, 0, &answers,
                          &graph->err);
}

static void expect(int i, int class_id, float score)
{
    assert_true(i < answers.count);
    assert_int_equal(answers.items[i].class_id, class_id);
    assert_true(fabsf(answers.items[i].score - score) < 1e-5f);
}

static void tells_logits_from_probabilities(void **state)
{
    static float logits[2][3] = {{0.0f, 0.6931472f, 1.6094379f}, {1.6094379f, -INFINITY, 0.6931472f}};
    static float shares[3] = {0.2f, 0.7f, 0.1f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 224, 224);
    test_output(&graph, "output", SG_DTYPE_F32, logits, 4, 2, 3, 1, 1);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "classify");
    assert_int_equal(graph.guess.transform.shorter_side, 256);
    assert_int_equal(graph.guess.transform.fit, SG_FIT_CENTER_CROP);
    assert_true(graph.guess.transform.mean[0] == 123.675f);
    assert_int_equal(ask(&graph, 0, 2), SG_OK);
    assert_int_equal(answers.count, 2);
    expect(0, 2, 0.625f);
    expect(1, 1, 0.25f);
    assert_null(answers.items[0].name);
    assert_int_equal(ask(&graph, 1, 5), SG_OK);
    expect(0, 0, 5.0f / 7.0f);
    expect(2, 1, 0.0f);
    assert_int_equal(ask(&graph, 2, 5), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "\"output\": expected 3 numbers for picture 2"));
    test_fini(&graph);

    /* A centre cut is what ImageNet's crops of 224 of 256 are; small inputs and oblong ones are stretched. */
    test_init(&graph, 64, 64);
    test_output(&graph, "prob", SG_DTYPE_F32, shares, 4, 1, 1, 1, 3);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.transform.fit, SG_FIT_STRETCH);
    test_fini(&graph);
    test_init(&graph, 320, 192);
    test_output(&graph, "prob", SG_DTYPE_F32, shares, 4, 1, 1, 1, 3);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.transform.fit, SG_FIT_STRETCH);
    test_fini(&graph);

    test_init(&graph, 64, 32);
    test_output(&graph, "prob", SG_DTYPE_F32, shares, 4, 1, 1, 1, 3);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(ask(&graph, 0, 1), SG_OK);
    assert_int_equal(answers.count, 1);
    expect(0, 1, 0.7f);
    test_fini(&graph);
}

static void obeys_the_card(void **state)
{
    static float logits[2] = {0.0f, -1.0986123f}; /* sigmoid: 1/2, 1/4 */
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "tags", SG_DTYPE_F32, logits, 2, 1, 2);
    graph.spec.scores = SG_SCORES_MULTILABEL;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(ask(&graph, 0, 9), SG_OK);
    assert_int_equal(answers.count, 2);
    expect(0, 0, 0.5f);
    expect(1, 1, 0.25f);
    test_fini(&graph);
}

static void answers_each_output(void **state)
{
    static float gender[2] = {0.25f, 0.75f}, age[1] = {41.5f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 112, 112);
    test_output(&graph, "gender", SG_DTYPE_F32, gender, 2, 1, 2);
    test_output(&graph, "age", SG_DTYPE_F32, age, 2, 1, 1);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.class_count, 2);
    assert_int_equal(ask(&graph, 0, 1), SG_OK);
    assert_int_equal(answers.count, 2);
    expect(0, 1, 0.75f);
    assert_string_equal(answers.items[0].name, "gender");
    assert_string_equal(answers.items[1].name, "age");
    assert_true(answers.items[1].has_value && answers.items[1].value == 41.5f);
    assert_int_equal(answers.items[1].class_id, -1);
    test_fini(&graph);
}

static void normalises_embeddings(void **state)
{
    static uint16_t halves[4];
    struct test_graph graph;

    (void)state;
    halves[0] = sg_float_to_half(3.0f);
    halves[3] = sg_float_to_half(-4.0f);
    test_init(&graph, 112, 112);
    test_output(&graph, "fc1", SG_DTYPE_F16, halves, 2, 1, 4);
    graph.spec.embedding = true;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(ask(&graph, 0, 1), SG_OK);
    assert_int_equal(answers.count, 1);
    assert_int_equal(answers.items[0].vector_length, 4);
    assert_true(fabsf(answers.items[0].vector[0] - 0.6f) < 1e-6f);
    assert_true(fabsf(answers.items[0].vector[3] + 0.8f) < 1e-6f);
    halves[0] = halves[3] = 0; /* a vector of length 0 stays 0, not NaN */
    assert_int_equal(ask(&graph, 0, 1), SG_OK);
    assert_true(answers.items[0].vector[0] == 0.0f);
    test_fini(&graph);
}

static void survives_odd_values_and_shapes(void **state)
{
    static float values[8] = {NAN, INFINITY, 0.25f, 0.125f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "prob", SG_DTYPE_F32, values, 2, 1, 4);
    graph.spec.scores = SG_SCORES_PROBABILITY;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(ask(&graph, 0, 4), SG_OK);
    assert_int_equal(answers.count, 2);
    expect(0, 2, 0.25f);
    sg_head_destroy(&graph.head);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "classify");
    graph.outputs[0].dims[1] = 0; /* zero classes */
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    graph.outputs[0].rank = 3;
    graph.outputs[0].dims[1] = 2;
    graph.outputs[0].dims[2] = 4;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "got 1x2x4 float32"));
    test_fini(&graph);
}

/* Caffe's names are the only hint at its colour order. */
static void reads_caffe_names(void **state)
{
    static float shares[2] = {0.5f, 0.5f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 224, 224);
    test_output(&graph, "softmaxout_1", SG_DTYPE_F32, shares, 4, 1, 2, 1, 1);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.transform.channels, SG_CHANNELS_BGR);
    assert_true(graph.guess.transform.mean[2] == 123.0f);
    assert_non_null(strstr(graph.guess.ambiguity, "mean"));
    test_fini(&graph);
}

/* Five rows for one picture are a table of something else. */
static void leaves_tables_alone(void **state)
{
    static float table[5][6];
    struct test_graph graph;

    (void)state;
    test_init(&graph, 320, 320);
    test_output(&graph, "table", SG_DTYPE_F32, table, 2, 5, 6);
    graph.signature.input_count = 1;
    graph.signature.inputs[0] = (struct sg_slot){.rank = 4, .dims = {-1, 3, 320, 320}};
    sg_head_classify.match(&graph.signature, graph.outputs, graph.count, &graph.spec, &graph.guess);
    assert_int_equal(graph.guess.confidence, 0);
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_logits_from_probabilities),
        cmocka_unit_test(obeys_the_card),
        cmocka_unit_test(answers_each_output),
        cmocka_unit_test(normalises_embeddings),
        cmocka_unit_test(survives_odd_values_and_shapes),
        cmocka_unit_test(reads_caffe_names),
        cmocka_unit_test(leaves_tables_alone),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    sg_answers_fini(&answers);
    return failed;
}
