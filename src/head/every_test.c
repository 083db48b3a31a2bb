/* SPDX-License-Identifier: MIT
 * What holds for every registered head alike: values that are no numbers, infinities, nothing found, a shape
 * that changed, an output too few, no classes. A kind that is added without a row here fails the first test.
 */
#include "head/head_testing.h"

#define MAX_PARTS 12
#define MANY      8192 /* elements, more than any output below */

/* Outputs in a form that create takes when the kind is named. */
struct part {
    const char *name;
    enum sg_dtype dtype;
    int rank, dims[5];
    int rows; /* the dimension that counts candidates, cells or steps, or NO_ROWS */
};
#define ROWS(dim) (dim)
#define NO_ROWS   (-1)

struct sample {
    const char *kind;
    int side; /* of the square input */
    struct part parts[MAX_PARTS];
    int class_part, class_dim,
        class_none;            /* where zero classes would show: dims[class_dim] = class_none; part -1: not */
    enum { FREE, FIXED } rows; /* FIXED: as many as the input has cells, none are an error */
};

#define F(...) SG_DTYPE_F32, __VA_ARGS__
/* clang-format off */
#define GRIDS                                                                                              \
    {{"p3", F(5, {1, 3, 8, 8, 7}), ROWS(2)}, {"p4", F(5, {1, 3, 4, 4, 7}), ROWS(2)},                        \
     {"p5", F(5, {1, 3, 2, 2, 7}), ROWS(2)}}

/* As kinds.h has them; by hand, since one line per tensor would make three pages of it. */
static const struct sample samples[] = {
    {"yolov8", 64, {{"output0", F(3, {1, 6, 84}), ROWS(2)}}, 0, 1, 4, FREE},
    {"yolov8-pose", 64, {{"output0", F(3, {1, 56, 84}), ROWS(2)}}, 0, 1, 4, FREE},
    {"yolov8-seg", 64, {
        {"output0", F(3, {1, 38, 84}), ROWS(2)}, {"output1", F(4, {1, 32, 16, 16}), NO_ROWS}}, 0, 1, 36, FREE},
    {"yolov5", 64, {{"output", F(3, {1, 252, 7}), ROWS(1)}}, 0, 2, 5, FREE},
    {"yolov5-grid", 64, GRIDS, 0, 4, 5, FIXED},
    {"yolov3-grid", 64, GRIDS, 0, 4, 5, FIXED},
    {"yolov4-grid", 64, {
        {"p3", F(5, {1, 8, 8, 3, 7}), ROWS(1)}, {"p4", F(5, {1, 4, 4, 3, 7}), ROWS(1)},
        {"p5", F(5, {1, 2, 2, 3, 7}), ROWS(1)}}, 0, 4, 5, FIXED},
    {"yolov2", 64, {{"grid", F(4, {1, 35, 2, 2}), ROWS(2)}}, 0, 1, 25, FIXED},
    {"yolov4", 64, {
        {"boxes", F(4, {1, 252, 1, 4}), ROWS(1)}, {"confs", F(3, {1, 252, 2}), ROWS(1)}}, 1, 2, 0, FREE},
    {"yolox", 64, {{"output", F(3, {1, 84, 7}), ROWS(1)}}, 0, 2, 5, FIXED},
    {"yolox-decoded", 64, {{"output", F(3, {1, 84, 7}), ROWS(1)}}, 0, 2, 5, FREE},
    {"end2end", 64, {{"output0", F(3, {1, 10, 6}), ROWS(1)}}, -1, 0, 0, FREE},
    {"nms-indices", 64, {
        {"boxes", F(3, {1, 10, 4}), NO_ROWS}, {"scores", F(3, {1, 2, 10}), NO_ROWS},
        {"picked", SG_DTYPE_I64, 2, {5, 3}, ROWS(0)}}, 1, 1, 0, FREE},
    {"efficientnms", 64, {
        {"det_boxes", F(3, {1, 10, 4}), ROWS(1)}, {"det_scores", F(2, {1, 10}), ROWS(1)},
        {"det_classes", F(2, {1, 10}), ROWS(1)}}, -1, 0, 0, FREE},
    {"tfod", 64, {
        {"detection_boxes", F(3, {1, 10, 4}), ROWS(1)},
        {"detection_scores", F(2, {1, 10}), ROWS(1)}, {"detection_classes", F(2, {1, 10}), ROWS(1)}}, -1, 0, 0, FREE},
    {"paddle", 64, {
        {"table", F(2, {10, 6}), ROWS(0)}, {"rows", SG_DTYPE_I32, 1, {1}, NO_ROWS}}, -1, 0, 0, FREE},
    {"detr", 64, {
        {"labels", SG_DTYPE_I64, 2, {1, 10}, ROWS(1)}, {"boxes", F(3, {1, 10, 4}), ROWS(1)},
        {"scores", F(2, {1, 10}), ROWS(1)}}, -1, 0, 0, FREE},
    {"detr-raw", 64, {
        {"logits", F(3, {1, 10, 3}), ROWS(1)}, {"pred_boxes", F(3, {1, 10, 4}), ROWS(1)}}, 0, 2, 0, FREE},
    {"blazeface", 256, {
        {"a", F(3, {1, 512, 1}), ROWS(1)}, {"b", F(3, {1, 384, 1}), ROWS(1)},
        {"c", F(3, {1, 512, 16}), ROWS(1)}, {"d", F(3, {1, 384, 16}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"ultraface", 64, {
        {"scores", F(3, {1, 235, 2}), ROWS(1)}, {"boxes", F(3, {1, 235, 4}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"scrfd", 32, {
        {"s8", F(3, {1, 32, 1}), ROWS(1)}, {"s16", F(3, {1, 8, 1}), ROWS(1)},
        {"s32", F(3, {1, 2, 1}), ROWS(1)}, {"b8", F(3, {1, 32, 4}), ROWS(1)},
        {"b16", F(3, {1, 8, 4}), ROWS(1)}, {"b32", F(3, {1, 2, 4}), ROWS(1)},
        {"k8", F(3, {1, 32, 10}), ROWS(1)}, {"k16", F(3, {1, 8, 10}), ROWS(1)},
        {"k32", F(3, {1, 2, 10}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"retinaface", 32, {
        {"cls_prob8", F(4, {1, 4, 4, 4}), ROWS(2)}, {"bbox_pred8", F(4, {1, 8, 4, 4}), ROWS(2)},
        {"landmark_pred8", F(4, {1, 20, 4, 4}), ROWS(2)},
        {"cls_prob16", F(4, {1, 4, 2, 2}), ROWS(2)}, {"bbox_pred16", F(4, {1, 8, 2, 2}), ROWS(2)},
        {"landmark_pred16", F(4, {1, 20, 2, 2}), ROWS(2)},
        {"cls_prob32", F(4, {1, 4, 1, 1}), ROWS(2)}, {"bbox_pred32", F(4, {1, 8, 1, 1}), ROWS(2)},
        {"landmark_pred32", F(4, {1, 20, 1, 1}), ROWS(2)}}, 0, 1, 0, FIXED},
    {"yunet", 32, {
        {"cls_8", F(3, {1, 16, 1}), ROWS(1)}, {"cls_16", F(3, {1, 4, 1}), ROWS(1)},
        {"cls_32", F(3, {1, 1, 1}), ROWS(1)}, {"obj_8", F(3, {1, 16, 1}), ROWS(1)},
        {"obj_16", F(3, {1, 4, 1}), ROWS(1)}, {"obj_32", F(3, {1, 1, 1}), ROWS(1)},
        {"bbox_8", F(3, {1, 16, 4}), ROWS(1)}, {"bbox_16", F(3, {1, 4, 4}), ROWS(1)},
        {"bbox_32", F(3, {1, 1, 4}), ROWS(1)}, {"kps_8", F(3, {1, 16, 10}), ROWS(1)},
        {"kps_16", F(3, {1, 4, 10}), ROWS(1)}, {"kps_32", F(3, {1, 1, 10}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"ssd-variance", 128, {
        {"loc", F(3, {1, 1364, 4}), ROWS(1)}, {"cls", F(3, {1, 1364, 2}), ROWS(1)}}, 1, 2, 0, FIXED},
    {"nanodet", 64, {
        {"c8", F(3, {1, 64, 2}), ROWS(1)}, {"c16", F(3, {1, 16, 2}), ROWS(1)},
        {"c32", F(3, {1, 4, 2}), ROWS(1)}, {"d8", F(3, {1, 64, 32}), ROWS(1)},
        {"d16", F(3, {1, 16, 32}), ROWS(1)}, {"d32", F(3, {1, 4, 32}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"nanodet-plus", 64, {{"data", F(3, {1, 85, 34}), ROWS(1)}}, 0, 2, 32, FIXED},
    {"picodet", 64, {
        {"c8", F(3, {1, 64, 2}), ROWS(1)}, {"c16", F(3, {1, 16, 2}), ROWS(1)},
        {"c32", F(3, {1, 4, 2}), ROWS(1)}, {"c64", F(3, {1, 1, 2}), ROWS(1)},
        {"d8", F(3, {1, 64, 32}), ROWS(1)}, {"d16", F(3, {1, 16, 32}), ROWS(1)},
        {"d32", F(3, {1, 4, 32}), ROWS(1)}, {"d64", F(3, {1, 1, 32}), ROWS(1)}}, 0, 2, 0, FIXED},
    {"fastestdet", 64, {{"758", F(4, {1, 7, 4, 4}), ROWS(2)}}, 0, 1, 5, FIXED},
    {"yolo-fastestv2", 32, {{"845", F(2, {5, 17}), ROWS(0)}}, 0, 1, 15, FIXED},
    {"dbnet", 32, {{"map", F(4, {1, 1, 32, 32}), ROWS(2)}}, 0, 1, 0, FIXED},
    {"ctc", 32, {{"text", F(3, {1, 10, 5}), ROWS(1)}}, 0, 2, 0, FREE},
    {"classify", 32, {{"prob", F(2, {1, 5}), NO_ROWS}}, 0, 1, 0, FREE},
};
/* clang-format on */
#define SAMPLES ((int)(sizeof(samples) / sizeof(samples[0])))

static void *memory[SG_SIGNATURE_MAX_IO];

static const struct sample *sample_of(const char *kind)
{
    int i;

    for (i = 0; i < SAMPLES; i++)
        if (strcmp(samples[i].kind, kind) == 0)
            return &samples[i];
    return NULL;
}

static void add_part(struct test_graph *graph, const struct part *part)
{
    struct sg_tensor *tensor = test_output(graph, part->name, part->dtype, memory[graph->count], 0);
    struct sg_slot *slot = &graph->signature.outputs[graph->count - 1];
    int d;

    tensor->rank = slot->rank = part->rank;
    for (d = 0; d < part->rank; d++)
        tensor->dims[d] = slot->dims[d] = part->dims[d];
}

/* A graph of the kind, all its numbers zero. */
static const struct sample *begin(struct test_graph *graph, const struct sg_head_ops *kind)
{
    const struct sample *sample = sample_of(kind->name);
    int i;

    if (!sample)
        fail_msg("no sample of head %s: add a row to samples[]", kind->name);
    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        memset(memory[i], 0, MANY * sizeof(double));
    test_init(graph, sample->side, sample->side);
    snprintf(graph->spec.kind, sizeof(graph->spec.kind), "%s", kind->name);
    for (i = 0; i < MAX_PARTS && sample->parts[i].name; i++)
        add_part(graph, &sample->parts[i]);
    return sample;
}

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

static int group_begin(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        if (!(memory[i] = malloc(MANY * sizeof(double))))
            return -1;
    return 0;
}

static int group_end(void **state)
{
    int i;

    (void)state;
    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        free(memory[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_has_a_sample),
        cmocka_unit_test(values_that_are_no_numbers),
        cmocka_unit_test(probes_that_are_no_numbers),
        cmocka_unit_test(shapes_that_changed),
        cmocka_unit_test(outputs_too_few),
        cmocka_unit_test(no_classes),
        cmocka_unit_test(no_rows),
    };

    return cmocka_run_group_tests(tests, group_begin, group_end);
}
