/* SPDX-License-Identifier: MIT
 * The keys of a card that each kind says it reads (ops.keys) against what they change, for every registered
 * kind.
 */
#include "head/head_samples.h"

#define ROUNDS 24u /* half with a probe of zeros, for kinds that are not made from any values */

/* Values that are neither all alike nor far from probabilities, logits and class ids, by round. */
static void scatter(struct test_graph *graph, unsigned round)
{
    unsigned state = 12345 + round;
    float value;
    int i, k;

    for (i = 0; i < graph->count; i++) {
        if (graph->outputs[i].dtype == SG_DTYPE_I32)
            *(int32_t *)graph->outputs[i].data = 8; /* rows of a table */
        for (k = 0; graph->outputs[i].dtype == SG_DTYPE_F32 && k < MANY; k++) {
            state = state * 1664525u + 1013904223u;
            value = (float)(state >> 8) / (float)(1 << 24) * (float)(1 << (round % 4));
            ((float *)graph->outputs[i].data)[k] = round < 4   ? value
                                                   : round < 8 ? value - 1.0f
                                                               : floorf(value);
        }
    }
}

/* Writes all that a card's key could change: what is guessed, refused, found and answered. */
static void print_outcome(const struct sg_head_ops *kind, const struct sg_head_spec *keys, unsigned round,
                          FILE *to)
{
    static const char *const alphabet[] = {"a", " ", "c", "d"};
    struct sg_answers answers = {0};
    struct test_graph graph;
    int code, i;

    begin(&graph, kind);
    if (round < ROUNDS / 2)
        scatter(&graph, round);
    graph.spec = *keys;
    graph.spec.input_width = graph.guess.transform.width;
    graph.spec.input_height = graph.guess.transform.height;
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "%s", kind->name);
    code = test_create(&graph);
    fprintf(to, "%d %s %d %s %s %g;", code, graph.err.text, graph.guess.confidence, graph.guess.evidence,
            graph.guess.ambiguity, (double)graph.guess.threshold);
    scatter(&graph, round % (ROUNDS / 2));
    if (code == SG_OK && kind->detect)
        fprintf(to, "%d;", test_detect(&graph, 0));
    else if (code == SG_OK)
        sg_head_answer(graph.head, graph.outputs, graph.count, 0, 3, alphabet, 4, &answers, &graph.err);
    for (i = 0; i < graph.found.count; i++)
        fprintf(to, "%d %g %g %d;", graph.found.items[i].class_id, (double)graph.found.items[i].score,
                (double)graph.found.items[i].box.x2, graph.found.items[i].polygon_count);
    for (i = 0; i < graph.found.point_count; i++)
        fprintf(to, "%g ", (double)graph.found.points[i].x);
    for (i = 0; i < answers.count; i++)
        fprintf(to, "%d %g %d;", answers.items[i].class_id, (double)answers.items[i].score,
                answers.items[i].vector_length);
    fprintf(to, "%s %g", answers.text, (double)answers.text_score);
    sg_answers_fini(&answers);
    test_fini(&graph);
}

static bool changes(const struct sg_head_ops *kind, const struct sg_head_spec *keys, unsigned round)
{
    const struct sg_head_spec none = {0};
    char *text[2] = {NULL, NULL};
    bool differ;
    size_t size;
    FILE *to;
    int i;

    for (i = 0; i < 2; i++) {
        to = open_memstream(&text[i], &size);
        assert_non_null(to);
        print_outcome(kind, i ? keys : &none, round, to);
        fclose(to);
    }
    differ = strcmp(text[0], text[1]) != 0;
    free(text[0]);
    free(text[1]);
    return differ;
}

/* What a kind declares is what it reads: a key changes something for some values, or never anything. */
static void declared_keys_are_those_that_count(void **state)
{
    static const struct {
        const char *name;
        struct sg_head_spec keys;
    } cases[] = {
        {"class_offset", {.class_offset = 1}},
        {"anchors", {.anchor_count = 1, .anchors = {60, 60}}},
        {"strides", {.stride_count = 1, .strides = {64}}},
        {"scores", {.scores = SG_SCORES_PROBABILITY}},
        {"scores", {.scores = SG_SCORES_LOGITS_SOFTMAX}},
        {"scores", {.scores = SG_SCORES_LOGITS_SIGMOID}},
        {"scores", {.scores = SG_SCORES_MULTILABEL}},
        {"embedding", {.embedding = true}},
        {"mask_threshold", {.mask_threshold = 0.9f}},
        {"mask_threshold", {.mask_threshold = 1.0f}}, /* also where whole numbers add up to large ones */
        {"unclip", {.unclip = 4.0f}},
        {"space", {.space = 1.0f}},
        {"blank", {.blank = SG_BLANK_LAST}},
    };
    const struct sg_head_ops *const *kind;
    unsigned round;
    size_t i, k;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            bool used = false;

            for (k = 0; k < sizeof(cases) / sizeof(cases[0]); k++)
                for (round = 0; round < ROUNDS && !used && strcmp(cases[i].name, cases[k].name) == 0; round++)
                    used = changes(*kind, &cases[k].keys, round);
            if (used != sg_head_uses(*kind, cases[i].name))
                fail_msg("%s: `%s` is %s", (*kind)->name, cases[i].name,
                         used ? "read and not declared" : "declared and changes nothing");
        }
}

static void keys_of_the_task(void **state)
{
    (void)state;
    assert_true(sg_head_uses(&sg_head_yolov8, "threshold") && sg_head_uses(&sg_head_dbnet, "nms"));
    assert_false(sg_head_uses(&sg_head_classify, "nms") || sg_head_uses(&sg_head_ctc, "threshold"));
    assert_true(sg_head_uses(&sg_head_classify, "top_k") && sg_head_uses(&sg_head_classify, "outputs"));
    assert_false(sg_head_uses(&sg_head_yolov8, "top_k") || sg_head_uses(&sg_head_yolov8, "outputs"));
    assert_true(sg_head_uses(&sg_head_classify, "file"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(declared_keys_are_those_that_count),
        cmocka_unit_test(keys_of_the_task),
    };

    return cmocka_run_group_tests(tests, samples_begin, samples_end);
}
