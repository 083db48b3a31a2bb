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

/* a, three steps of blank with `share` of the space in each, b. */
static void build_gap(struct test_graph *graph, float share)
{
    static const int path[STEPS] = {0, 1, 0, 0, 0, 2, 0, 0, 0};
    int t;

    build(graph, path, 1.0f);
    for (t = 2; t < 5; t++) {
        steps[t][0] -= share;
        steps[t][11] = share;
    }
}

static const char *read_gap(float share, float space)
{
    struct test_graph graph;

    build_gap(&graph, share);
    graph.spec.space = space;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_true(fabsf(answers.text_score - 1.0f) < 1e-5f); /* spaces do not count */
    test_fini(&graph);
    return answers.text;
}

/* That one stands in any of three steps: 1 - 0.995^3 = 0.0149, 1 - 0.993^3 = 0.0209, 1 - 0.8^3 = 0.488. */
static void a_likely_space_is_written(void **state)
{
    (void)state;
    assert_string_equal(read_gap(0.005f, 0.0f), "ab");
    assert_string_equal(read_gap(0.007f, 0.0f), "a b");
    assert_string_equal(read_gap(0.2f, 0.48f), "a b");
    assert_string_equal(read_gap(0.2f, 0.49f), "ab");
    assert_string_equal(read_gap(0.4f, 1.0f), "ab"); /* only where it is the best class */
    assert_string_equal(read_gap(0.6f, 1.0f), "a b");
}

static void spaces_stand_single_and_inside(void **state)
{
    static const int path[STEPS] = {11, 1, 11, 0, 11, 11, 1, 0, 11};
    struct test_graph graph;

    (void)state;
    build(&graph, path, 0.9f);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "a a");
    test_fini(&graph);
}

/* With as many labels as classes the space is the one that reads so; without one there are no spaces. */
static void the_space_is_found_among_the_labels(void **state)
{
    static const char *full[CLASSES] = {"", "a", "b", "é", " ", "1", "2", "3", "4", "5", "6", "7"};
    static const int path[STEPS] = {0, 1, 0, 0, 2, 0, 0, 11, 0};
    struct test_graph graph;

    (void)state;
    build(&graph, path, 1.0f);
    steps[2][4] = steps[3][4] = 0.1f;
    steps[2][0] = steps[3][0] = 0.9f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(
        sg_head_answer(graph.head, graph.outputs, graph.count, 0, 1, full, CLASSES, &answers, &graph.err),
        SG_OK);
    assert_string_equal(answers.text, "a b7");
    full[4] = "0";
    assert_int_equal(
        sg_head_answer(graph.head, graph.outputs, graph.count, 0, 1, full, CLASSES, &answers, &graph.err),
        SG_OK);
    assert_string_equal(answers.text, "ab7");
    test_fini(&graph);
}

static void a_long_line_is_cut_at_a_character(void **state)
{
    enum { LETTERS = SG_HEAD_MAX_TEXT };
    float(*long_steps)[CLASSES] = calloc(2 * LETTERS, sizeof(*long_steps));
    struct test_graph graph;
    int t;

    (void)state;
    assert_non_null(long_steps);
    for (t = 0; t < 2 * LETTERS; t++)
        long_steps[t][t % 2 ? 0 : 3] = 1.0f; /* é is two bytes */
    test_init(&graph, 8 * LETTERS, 32);
    test_output(&graph, "softmax", SG_DTYPE_F32, long_steps, 3, 1, 2 * LETTERS, CLASSES);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_int_equal(strlen(answers.text), (SG_HEAD_MAX_TEXT - 1) / 2 * 2);
    test_fini(&graph);
    free(long_steps);
}

/* Two characters around a gap of 0.1, which is enough between letters and not beside most marks. */
static void marks_stand_in_white_of_their_own(void **state)
{
    static const char *full[CLASSES] = {"", "a", "B", "1", "-", ",", ".", ":", "(", "路", ")", " "};
    static const struct {
        int left, right;
        const char *text;
    } cases[] = {{1, 2, "a B"}, {1, 4, "a-"},   {4, 1, "-a"}, {5, 1, ", a"},  {6, 1, ".a"},
                 {6, 2, ". B"}, {6, 3, ". 1"},  {7, 3, ":1"}, {7, 2, ": B"},  {1, 8, "a ("},
                 {8, 1, "(a"},  {10, 1, ") a"}, {1, 5, "a,"}, {9, 1, "路 a"}, {1, 9, "a 路"}};
    struct test_graph graph;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const int path[STEPS] = {0, cases[i].left, 0, cases[i].right, 0, 0, 0, 0, 0};

        build(&graph, path, 1.0f);
        steps[2][0] = 0.9f;
        steps[2][11] = 0.1f;
        assert_int_equal(test_create(&graph), SG_OK);
        assert_int_equal(
            sg_head_answer(graph.head, graph.outputs, graph.count, 0, 1, full, CLASSES, &answers, &graph.err),
            SG_OK);
        assert_string_equal(answers.text, cases[i].text);
        test_fini(&graph);
    }
}

/* Eleven logits of 0 beside ln 24 of the blank: the space has 1 / (24 + 11) = 0.029. */
static void spaces_of_logits(void **state)
{
    static const int path[STEPS] = {1, 0, 2, 0, 0, 0, 0, 0, 0};
    struct test_graph graph;
    int t;

    (void)state;
    build(&graph, path, 1.0f);
    for (t = 0; t < STEPS; t++)
        steps[t][path[t]] = t == 1 ? 3.1780538f : 20.0f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "a b");
    steps[1][0] = 4.5f; /* 1 / (e^4.5 + 11) = 0.0099 */
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "ab");
    test_fini(&graph);
}

/* Two pictures of two steps each: "ab" and "ba", steps before pictures. */
static void steps_before_pictures(void **state)
{
    float scores[2][2][3] = {{{0, 1, 0}, {0, 0, 1}}, {{0, 0, 1}, {0, 1, 0}}};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 32);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ctc");
    graph.signature.input_count = 1;
    graph.signature.inputs[0] = (struct sg_slot){.rank = 4, .dims = {1, 1, 32, 64}};
    test_output(&graph, "out", SG_DTYPE_F32, scores, 3, 2, 1, 3);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 2), SG_OK);
    assert_string_equal(answers.text, "ab"); /* of one picture: the first two rows */
    graph.outputs[0].dims[1] = 2;
    assert_int_equal(read_line(&graph, 2), SG_OK);
    assert_string_equal(answers.text, "ab");
    assert_int_equal(sg_head_answer(graph.head, graph.outputs, 1, 1, 1, labels, 2, &answers, &graph.err),
                     SG_OK);
    assert_string_equal(answers.text, "ba");
    assert_int_equal(sg_head_answer(graph.head, graph.outputs, 1, 2, 1, labels, 2, &answers, &graph.err),
                     SG_E_MODEL);
    sg_head_destroy(&graph.head);
    assert_int_equal(test_create(&graph),
                     SG_E_MODEL); /* 2x2x3 of a probe of one picture: neither axis is it */
    assert_non_null(strstr(graph.err.text, "expected NxTxK, TxNxK or TxK"));
    test_fini(&graph);
}

static void an_unknown_alphabet_is_an_error(void **state)
{
    static const int blank[STEPS] = {0};
    struct test_graph graph;

    (void)state;
    build(&graph, blank, 0.9f);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(read_line(&graph, 0), SG_E_CONFIG);
    assert_non_null(strstr(graph.err.text, "alphabet is not known"));
    test_fini(&graph);
}

static void classes_chosen_in_the_graph(void **state)
{
    int64_t ids[9] = {0, 1, 1, 0, 1, 2, 5, -1, -1};
    float scores[9] = {0, 0.5f, 0.1f, 0, 0.9f, 0.9f, 0.7f, 0, 0};
    static const char *const named[] = {"", "a", "b", "c", "d", "e"};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 32);
    test_output(&graph, "ids", SG_DTYPE_I64, ids, 2, 1, 9);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "ctc");
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "aab1");
    assert_true(answers.text_score == 1.0f);
    /* An alphabet that begins with the blank, as ddddocr's do. */
    assert_int_equal(sg_head_answer(graph.head, graph.outputs, 1, 0, 1, named, 6, &answers, &graph.err),
                     SG_OK);
    assert_string_equal(answers.text, "aabe");
    assert_int_equal(read_line(&graph, 3), SG_E_CONFIG);
    assert_string_equal(graph.err.text,
                        "head ctc: `labels` has 3 entries, the model reads class 5: give its key file");
    test_fini(&graph);
    test_init(&graph, 64, 32); /* with their probabilities beside them */
    test_output(&graph, "scores", SG_DTYPE_F32, scores, 2, 1, 9);
    test_output(&graph, "ids", SG_DTYPE_I64, ids, 2, 1, 9);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "ctc");
    assert_int_equal(read_line(&graph, 10), SG_OK);
    assert_string_equal(answers.text, "aab1");
    assert_true(fabsf(answers.text_score - (0.5f + 0.9f + 0.9f + 0.7f) / 4) < 1e-6f);
    test_fini(&graph);
}

/* A line of K classes, of which class `path[t]` is the best of step t, read with the first `count` of an
 * alphabet. */
static const char *read_path(const int path[STEPS], int classes, const char *const *alphabet, int count,
                             int blank, struct sg_head_guess *out_guess)
{
    static float scores[STEPS * CLASSES];
    struct test_graph graph;
    int t;

    memset(scores, 0, sizeof(scores));
    for (t = 0; t < STEPS; t++)
        scores[t * classes + path[t]] = 1.0f;
    test_init(&graph, 64, 32);
    test_output(&graph, "out", SG_DTYPE_F32, scores, 3, 1, STEPS, classes);
    graph.spec.blank = blank;
    graph.spec.labels = alphabet;
    graph.spec.class_count = count;
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ctc");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(
        sg_head_answer(graph.head, graph.outputs, graph.count, 0, 1, alphabet, count, &answers, &graph.err),
        SG_OK);
    *out_guess = graph.guess;
    test_fini(&graph);
    return answers.text;
}

/* B(a-ab-) of Graves et al. with the blank wherever it may be: four classes, of which it takes one. */
static void a_blank_at_any_place(void **state)
{
    static const char *const bare[] = {"a", "b", "c"};
    int blank, t;

    (void)state;
    for (blank = 0; blank < 4; blank++) {
        static const char said[STEPS] = "a-aa-bb-c";
        struct sg_head_guess guess;
        int path[STEPS];

        for (t = 0; t < STEPS; t++)
            path[t] = said[t] == '-' ? blank : said[t] - 'a' + (said[t] - 'a' >= blank);
        assert_string_equal(read_path(path, 4, bare, 3, 1 + blank, &guess), "aabc");
        assert_string_equal(guess.blank_evidence, "the card");
        if (blank == 3)
            assert_string_equal(read_path(path, 4, bare, 3, SG_BLANK_LAST, &guess), "aabc");
    }
}

static void the_labels_name_the_blank(void **state)
{
    static const struct {
        const char *labels[4];
        int blank; /* its class; -1: nothing tells, the first */
    } cases[] = {
        {{"blank", "a", "b", "c"}, 0}, {{"a", "b", "c", "<blank>"}, 3}, {{"a", "b", "c", ""}, 3},
        {{"a", "b", "c", "-"}, 3},     {{"-", "a", "b", "c"}, 0},       {{"-", "a", "b", "[CTCblank]"}, 3},
        {{"", "a", "b", "-"}, 0},      {{"-", "a", "b", "_"}, -1},      {{"x", "a", "b", "c"}, -1},
    };
    static const int path[STEPS] = {0, 1, 1, 3, 1, 2, 2, 3, 0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_head_guess guess;
        char wanted[32] = "";
        int last = -1, blank = cases[i].blank < 0 ? 0 : cases[i].blank, t;

        for (t = 0; t < STEPS; t++) { /* collapse, then drop */
            if (path[t] != last && path[t] != blank)
                strcat(wanted, cases[i].labels[path[t]]);
            last = path[t];
        }
        assert_string_equal(read_path(path, 4, cases[i].labels, 4, 0, &guess), wanted);
        assert_int_equal(guess.blank_guessed, cases[i].blank < 0);
        assert_string_equal(guess.blank, blank ? "last, class 3" : "first, class 0");
        assert_non_null(
            strstr(guess.blank_evidence, cases[i].blank < 0 ? "nothing tells" : "the labels name it"));
    }
}

/* What wins most of a line without text, where one class more than the labels is left. With two more the last
 * is PP-OCR's space. */
static void nothing_but_blanks_tells_them(void **state)
{
    static const int last[STEPS] = {3, 3, 3, 3, 3, 3, 3, 3, 3}, first[STEPS] = {0},
                     some[STEPS] = {3, 3, 3, 3, 3, 0, 0, 1, 1}, most[STEPS] = {3, 3, 3, 3, 3, 0, 1, 1, 1};
    static const char *const bare[] = {"a", "b", "c"};
    struct sg_head_guess guess;

    (void)state;
    read_path(last, 4, bare, 3, 0, &guess);
    assert_string_equal(guess.blank, "last, class 3");
    assert_false(guess.blank_guessed);
    assert_string_equal(guess.blank_evidence,
                        "measured: it is the best of 9 of 9 steps of a picture without text");
    read_path(first, 4, bare, 3, 0, &guess);
    assert_string_equal(guess.blank, "first, class 0");
    assert_false(guess.blank_guessed);
    read_path(some, 4, bare, 3, 0, &guess);
    assert_string_equal(guess.blank, "first, class 0");
    assert_true(guess.blank_guessed);
    assert_non_null(strstr(guess.blank_evidence, "`blank: last`"));
    assert_string_equal(read_path(most, 4, bare, 3, 0, &guess), "ab");
    assert_string_equal(guess.blank, "last, class 3"); /* 5 of 9 to 1 of 9 */
    read_path(last, 4, bare, 2, 0, &guess);
    assert_string_equal(guess.blank, "first, class 0");
    assert_true(guess.blank_guessed);
}

/* Class ids: of N labels the last blank is id N, or N - 1 where they end with its name. None: what the graph
 * has collapsed itself keeps its double letters. */
static void blanks_of_class_ids(void **state)
{
    static const char *const bare[] = {"a", "b", "c"}, *const named[] = {"a", "b", "c", "blank"};
    static const struct {
        int64_t ids[6];
        const char *const *labels;
        int count, blank;
        const char *text;
    } cases[] = {
        {{3, 0, 3, 0, 0, 2}, bare, 3, SG_BLANK_LAST, "aac"},
        {{3, 0, 3, 0, 0, 2}, named, 4, SG_BLANK_LAST, "aac"},
        {{3, 0, 3, 0, 0, 2}, named, 4, 0, "aac"},
        {{3, 3, 3, 3, 1, 2}, bare, 3, 0, "bc"},
        {{1, 0, 2, 1, 1, 3}, bare, 3, 1 + 1, "abc"},
        {{0, 0, 2, 2, -1, -1}, bare, 3, SG_BLANK_NONE, "aacc"},
        {{0, 1, 1, 3, -1, -1}, bare, 3, 1, "ac"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_graph graph;
        int64_t ids[6];

        memcpy(ids, cases[i].ids, sizeof(ids));
        test_init(&graph, 48, 32);
        test_output(&graph, "ids", SG_DTYPE_I64, ids, 2, 1, 6);
        graph.spec.blank = cases[i].blank;
        graph.spec.labels = cases[i].labels;
        graph.spec.class_count = cases[i].count;
        snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ctc");
        assert_int_equal(test_create(&graph), SG_OK);
        assert_int_equal(sg_head_answer(graph.head, graph.outputs, 1, 0, 1, cases[i].labels, cases[i].count,
                                        &answers, &graph.err),
                         SG_OK);
        assert_string_equal(answers.text, cases[i].text);
        if (cases[i].blank == SG_BLANK_LAST) { /* an id behind the last blank is none */
            ids[0] = 4;
            assert_int_equal(sg_head_answer(graph.head, graph.outputs, 1, 0, 1, cases[i].labels,
                                            cases[i].count, &answers, &graph.err),
                             SG_E_CONFIG);
        }
        test_fini(&graph);
    }
}

static void the_metadata_names_the_blank(void **state)
{
    static const struct {
        const char *key, *value, *blank;
    } cases[] = {{"blank", "last", "last, class 11"},
                 {"blank_index", "11", "class 11"},
                 {"blank_id", "-1", "last, class 11"},
                 {"ctc_blank", "First", "first, class 0"},
                 {"blank_idx", "12", NULL},
                 {"blank", "", NULL},
                 {"blank", "-2", NULL},
                 {"blank", "1x", NULL}};
    static const int path[STEPS] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct test_graph graph;

        build(&graph, path, 0.9f);
        test_meta(&graph, cases[i].key, cases[i].value);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(graph.guess.blank, cases[i].blank ? cases[i].blank : "first, class 0");
        assert_int_equal(graph.guess.blank_guessed, !cases[i].blank);
        test_fini(&graph);
    }
}

static void a_blank_that_is_no_class(void **state)
{
    static const int path[STEPS] = {0};
    struct test_graph graph;

    (void)state;
    build(&graph, path, 0.9f);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "ctc");
    graph.spec.blank = 1 + CLASSES;
    assert_int_equal(test_create(&graph), SG_E_CONFIG);
    assert_string_equal(graph.err.text, "head ctc: `blank: 12`: the classes are 0 to 11");
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
    assert_non_null(
        strstr(graph.err.text, "scores NxTxK, TxNxK or TxK, or class ids NxT, got \"softmax\" 1x0"));
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(collapses_repeats),
        cmocka_unit_test(writes_utf8_and_the_appended_space),
        cmocka_unit_test(does_the_softmax_of_logits),
        cmocka_unit_test(a_likely_space_is_written),
        cmocka_unit_test(spaces_stand_single_and_inside),
        cmocka_unit_test(the_space_is_found_among_the_labels),
        cmocka_unit_test(a_long_line_is_cut_at_a_character),
        cmocka_unit_test(marks_stand_in_white_of_their_own),
        cmocka_unit_test(spaces_of_logits),
        cmocka_unit_test(steps_before_pictures),
        cmocka_unit_test(an_unknown_alphabet_is_an_error),
        cmocka_unit_test(classes_chosen_in_the_graph),
        cmocka_unit_test(a_blank_at_any_place),
        cmocka_unit_test(the_labels_name_the_blank),
        cmocka_unit_test(nothing_but_blanks_tells_them),
        cmocka_unit_test(blanks_of_class_ids),
        cmocka_unit_test(the_metadata_names_the_blank),
        cmocka_unit_test(a_blank_that_is_no_class),
        cmocka_unit_test(survives_odd_values_and_shapes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    sg_answers_fini(&answers);
    return failed;
}
