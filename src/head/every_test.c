/* SPDX-License-Identifier: MIT
 * What holds for every registered head alike: values that are no numbers, infinities, nothing found, a shape
 * that changed, an output too few, no classes. A kind that is added without a row here fails the first test.
 */
#include "head/head_samples.h"

static void fill(struct test_graph *graph, float value)
{
    int i, k;

    for (i = 0; i < graph->count; i++)
        for (k = 0; graph->outputs[i].dtype == SG_DTYPE_F32 && k < MANY; k++)
            ((float *)graph->outputs[i].data)[k] = value;
}

/* One run, whatever the head's task: what it found is left in graph->found, or counted in *out_answers. */
static int run(struct test_graph *graph, int *out_answers)
{
    static const char *const alphabet[] = {"a", "b", "c", "d"};
    struct sg_answers answers = {0};
    int code;

    *out_answers = 0;
    if (sg_head_kind(graph->head)->detect)
        return test_detect(graph, 0);
    code =
        sg_head_answer(graph->head, graph->outputs, graph->count, 0, 3, alphabet, 4, &answers, &graph->err);
    *out_answers = answers.count + (int)strlen(answers.text);
    sg_answers_fini(&answers);
    return code;
}

/* The text a person needs: what was expected and what is there, and of which output. */
static void expect_error(const struct test_graph *graph, const char *what, int code)
{
    const char *text = graph->err.text;
    char quoted[64];
    bool named = graph->count == 0; /* there is none to name */
    int i;

    if (code != SG_E_MODEL)
        fail_msg("%s: %s is not refused (code %d)", graph->spec.kind, what, code);
    for (i = 0; i < graph->count; i++) {
        snprintf(quoted, sizeof(quoted), "\"%.60s\"", graph->outputs[i].name);
        named = named || strstr(text, quoted);
    }
    if (!named || !strstr(text, "expected") || !strstr(text, "got") || !strstr(text, graph->spec.kind))
        fail_msg("%s, %s: \"%s\" does not say head, output, expected and got", graph->spec.kind, what, text);
}

static void every_kind_has_a_sample(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int answers;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++) {
        begin(&graph, *kind);
        if (test_create(&graph) != SG_OK)
            fail_msg("%s: %s", (*kind)->name, graph.err.text);
        assert_int_equal(run(&graph, &answers), SG_OK);
        test_fini(&graph);
    }
}

static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f};
#define ODD ((int)(sizeof(odd) / sizeof(odd[0])))

static void expect_numbers(struct test_graph *graph, float filled_with)
{
    int answers, k;

    if (run(graph, &answers) != SG_OK)
        fail_msg("%s with %g: %s", graph->spec.kind, (double)filled_with, graph->err.text);
    if (isnan(filled_with) && graph->found.count + answers > 0)
        fail_msg("%s finds something in NaN", graph->spec.kind);
    for (k = 0; k < graph->found.count; k++) {
        const struct sg_detection *item = &graph->found.items[k];

        assert_true(isfinite(item->box.x1) && isfinite(item->box.y1) && isfinite(item->box.x2) &&
                    isfinite(item->box.y2) && item->score >= 0.0f && item->score <= 1.0f);
    }
}

static void values_that_are_no_numbers(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int i;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (i = 0; i < ODD; i++) {
            begin(&graph, *kind);
            assert_int_equal(test_create(&graph), SG_OK);
            fill(&graph, odd[i]);
            expect_numbers(&graph, odd[i]);
            test_fini(&graph);
        }
}

/* A probe full of them: a head, which then finds nothing that is no number, or a reason; by name and without.
 */
static void probes_that_are_no_numbers(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int i, named;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (i = 0; i < 2 * ODD; i++) {
            named = i < ODD;
            begin(&graph, *kind);
            fill(&graph, odd[i % ODD]);
            if (!named)
                graph.spec.kind[0] = '\0';
            if (test_create(&graph) == SG_OK)
                expect_numbers(&graph, odd[i % ODD]);
            else if (graph.err.code != SG_E_MODEL || !strstr(graph.err.text, named ? (*kind)->name : "head "))
                fail_msg("%s from %g: \"%s\"", (*kind)->name, (double)odd[i % ODD], graph.err.text);
            test_fini(&graph);
        }
}

/* Every output in turn: one dimension more or less than at the start, a rank less, no memory, no pictures. */
static void shapes_that_changed(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int answers, i, what;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (what = 0; what < 4; what++)
            for (i = 0;; i++) {
                struct sg_tensor *output;

                begin(&graph, *kind);
                if (i == graph.count)
                    break;
                assert_int_equal(test_create(&graph), SG_OK);
                output = &graph.outputs[i];
                if (what == 0 && output->rank == 1)
                    output->dims[0] = 0; /* a count for no picture */
                else if (what == 0)      /* columns of these are cells, of which there may be any number */
                    output->dims[strncmp((*kind)->name, "yolov8", 6) == 0 || output->rank == 4
                                     ? 1
                                     : output->rank - 1]++;
                else if (what == 1)
                    output->dtype = SG_DTYPE_OTHER;
                else if (what == 2)
                    output->rank = output->rank == 5 ? 4 : 5;
                else
                    output->data = NULL;
                for (; output->rank == 5 && output->dims[4] == 0;)
                    output->dims[4] = output->dims[3] = 1;
                expect_error(&graph,
                             what == 0   ? "a column more"
                             : what == 1 ? "an unreadable type"
                             : what == 2 ? "another rank"
                                         : "no memory",
                             run(&graph, &answers));
                test_fini(&graph);
            }
}

/* The same before a head is made: what cannot be served is refused in the same words. Changes: a column more,
 * a type that cannot be read, another rank, no memory, a row more, a batch of none, a dimension more. */
static void shapes_that_do_not_fit(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int answers, i, what, refused = 0;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (what = 0; what < 7; what++)
            for (i = 0;; i++) {
                struct sg_tensor *output;
                int code;

                begin(&graph, *kind);
                if (i == graph.count)
                    break;
                output = &graph.outputs[i];
                if (what == 0)
                    output->dims[output->rank - 1]++;
                else if (what == 1)
                    output->dtype = SG_DTYPE_OTHER;
                else if (what == 2)
                    output->rank = output->rank > 2 ? 1 : 4;
                else if (what == 3)
                    output->data = NULL;
                else if (what == 4)
                    output->dims[output->rank > 1 ? 1 : 0]++;
                else if (what == 5)
                    output->dims[0] = 0;
                else
                    output->dims[output->rank++] = 2;
                for (; output->rank == 4 && output->dims[3] == 0;)
                    output->dims[3] = output->dims[2] = output->dims[1] = 1;
                code = test_create(&graph);
                if (code == SG_OK)
                    code = run(&graph, &answers);
                if (code != SG_OK) {
                    if (!strstr(graph.err.text, "expected at least one picture in the probe's batch"))
                        expect_error(&graph, "a shape at the start", code);
                    refused++;
                } else if (what == 1 || what == 3 || what == 6) {
                    fail_msg("%s takes change %d of output %d", (*kind)->name, what, i);
                }
                test_fini(&graph);
            }
    assert_true(refused > 600); /* of 700; others have any number of columns or rows */
}

static void outputs_too_few(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int answers;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++) {
        begin(&graph, *kind);
        assert_int_equal(test_create(&graph), SG_OK);
        graph.count = 0;
        expect_error(&graph, "no outputs", run(&graph, &answers));
        sg_head_destroy(&graph.head);
        expect_error(&graph, "no outputs at the start", test_create(&graph));
        test_fini(&graph);
    }
}

static void no_classes(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++) {
        const struct sample *sample = begin(&graph, *kind);

        if (sample->class_part >= 0) {
            struct sg_tensor *output = &graph.outputs[sample->class_part];

            output->dims[sample->class_dim] = sample->class_none;
            expect_error(&graph, "no classes", test_create(&graph));
        }
        test_fini(&graph);
    }
}

/* False: it has none to take away. */
static bool without_rows(struct test_graph *graph, const struct sample *sample)
{
    bool any = false;
    int i;

    for (i = 0; i < graph->count; i++) {
        if (sample->parts[i].rows == NO_ROWS)
            continue;
        graph->outputs[i].dims[sample->parts[i].rows] = 0;
        any = true;
    }
    return any;
}

/* Of what may have any number of rows, none: nothing is found and nothing is wrong. Where the input fixes
 * their number it is an error. The second round has none in the probe either, in which graphs that suppress
 * by themselves mostly find nothing. */
static void no_rows(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int answers = 0, code, round;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (round = 0; round < 2; round++) {
            const struct sample *sample = begin(&graph, *kind);

            if (round == 0)
                assert_int_equal(test_create(&graph), SG_OK);
            if (!without_rows(&graph, sample)) {
                assert_string_equal((*kind)->name, "classify"); /* it has classes only */
                test_fini(&graph);
                continue;
            }
            code = round == 0 ? SG_OK : test_create(&graph);
            if (code == SG_OK)
                code = run(&graph, &answers);
            if (sample->rows == FIXED || (round == 1 && code != SG_OK && !(*kind)->graph_nms))
                expect_error(&graph, round == 0 ? "no rows" : "no rows at the start", code);
            else if (code != SG_OK || graph.found.count + answers > 0)
                fail_msg("%s: %s, %d found", (*kind)->name, graph.err.text, graph.found.count + answers);
            test_fini(&graph);
        }
}

/* Numbers that halves hold: multiples of 1/64 below 16, the greater ones rarer. */
static void put_numbers(struct test_graph *graph, enum sg_dtype dtype, unsigned round)
{
    unsigned seed = 77 + round;
    int i, k;

    for (i = 0; i < graph->count; i++) {
        struct sg_tensor *output = &graph->outputs[i];

        if (output->dtype == SG_DTYPE_I32)
            *(int32_t *)output->data = 8; /* rows of a table */
        for (k = 0; output->dtype == SG_DTYPE_F32 && k < MANY; k++) {
            float value;

            seed = seed * 1664525u + 1013904223u;
            value = (float)(seed >> 22) / 64.0f / (float)(1 << (seed >> 20 & 3) * 2);
            value = floorf(value * 64.0f) / 64.0f - (round & 1 ? 1.0f : 0.0f);
            if (dtype == SG_DTYPE_F16)
                ((uint16_t *)output->data)[k] = sg_float_to_half(value);
            else if (dtype == SG_DTYPE_F64)
                ((double *)output->data)[k] = (double)value;
            else
                ((float *)output->data)[k] = value;
        }
        if (output->dtype == SG_DTYPE_F32)
            output->dtype = graph->signature.outputs[i].dtype = dtype;
    }
}

/* What a head finds does not depend on the type in which the numbers come. */
static void numbers_of_other_types(void **state)
{
    static const enum sg_dtype types[] = {SG_DTYPE_F16, SG_DTYPE_F64};
    const struct sg_head_ops *const *kind;
    struct test_graph plain, other;
    int round, t, i, found = 0, answers, again;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (round = 0; round < 8; round++)
            for (t = 0; t < 2; t++) {
                int code, plain_code;

                if (strcmp((*kind)->name, "paddle") == 0)
                    continue; /* its table is told by float32 */
                begin(&plain, *kind);
                put_numbers(&plain, SG_DTYPE_F32, (unsigned)round);
                plain_code = test_create(&plain) == SG_OK ? run(&plain, &answers) : SG_E_MODEL;
                begin(&other, *kind);
                put_numbers(&other, types[t], (unsigned)round);
                code = test_create(&other) == SG_OK ? run(&other, &again) : SG_E_MODEL;
                if (code != plain_code)
                    fail_msg("%s: %d is %d of type %d: %s", (*kind)->name, plain_code, code, (int)types[t],
                             other.err.text);
                if (code == SG_OK) {
                    assert_int_equal(again, answers);
                    assert_int_equal(other.found.count, plain.found.count);
                    assert_int_equal(other.found.point_count, plain.found.point_count);
                    for (i = 0; i < plain.found.count; i++) {
                        const struct sg_detection *a = &plain.found.items[i], *b = &other.found.items[i];

                        assert_int_equal(a->class_id, b->class_id);
                        assert_true(a->score == b->score && a->box.x1 == b->box.x1 && a->box.y2 == b->box.y2);
                    }
                    found += plain.found.count > 0 || answers > 0;
                }
                test_fini(&plain);
                test_fini(&other);
            }
    assert_true(found > 100); /* of some 550 rounds */
}

/* A head either finds objects or answers about the whole picture, and says so when it is asked the other. */
static void the_other_task(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++) {
        struct sg_answers answers = {.count = 5, .text = "old", .text_score = 1.0f};
        char text[160];

        begin(&graph, *kind);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_true(!(*kind)->detect != !(*kind)->answer);
        if ((*kind)->detect) {
            assert_int_equal(
                sg_head_answer(graph.head, graph.outputs, graph.count, 0, 3, NULL, 0, &answers, &graph.err),
                SG_E_INVALID);
            snprintf(text, sizeof(text), "head %s answers nothing about the whole picture: it detects",
                     (*kind)->name);
            assert_int_equal(answers.count, 0);
            assert_string_equal(answers.text, "");
            assert_true(answers.text_score == 0.0f);
        } else {
            assert_int_equal(test_detect(&graph, 0), SG_E_INVALID);
            snprintf(text, sizeof(text), "head %s finds no objects: it answers about the whole picture",
                     (*kind)->name);
        }
        assert_string_equal(graph.err.text, text);
        test_fini(&graph);
    }
}

/* Where the input fixes how many rows there are, its size must be known; elsewhere a refusal says what is not
 * known. */
static void an_input_of_no_size(void **state)
{
    const struct sg_head_ops *const *kind;
    struct test_graph graph;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++) {
        const struct sample *sample = begin(&graph, *kind);
        const char *text = graph.err.text;
        int code;

        graph.spec.input_width = graph.spec.input_height = 0;
        code = test_create(&graph);
        if (code == SG_OK) {
            assert_int_equal(sample->rows, FREE);
        } else {
            assert_int_equal(code, SG_E_MODEL);
            if (!strstr(text, "the model's input size is not known; set `width` and `height`") &&
                !strstr(text, "the size of the model's input is not known") && !strstr(text, "0x0"))
                fail_msg("%s: %s", (*kind)->name, text);
        }
        test_fini(&graph);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_sample),
        cmocka_unit_test(values_that_are_no_numbers),
        cmocka_unit_test(probes_that_are_no_numbers),
        cmocka_unit_test(shapes_that_changed),
        cmocka_unit_test(shapes_that_do_not_fit),
        cmocka_unit_test(outputs_too_few),
        cmocka_unit_test(no_classes),
        cmocka_unit_test(no_rows),
        cmocka_unit_test(numbers_of_other_types),
        cmocka_unit_test(the_other_task),
        cmocka_unit_test(an_input_of_no_size),
    };

    return cmocka_run_group_tests(tests, samples_begin, samples_end);
}
