/* SPDX-License-Identifier: MIT
 * What holds for every registered head alike: values that are no numbers, infinities, nothing found, a shape
 * that changed, an output too few, no classes. A kind that is added without a row here fails the first test.
 */
#include "head/head_testing.h"

#define MAX_PARTS 9
#define MANY      8192 /* elements, more than any output below */

/* Outputs in a form that create takes when the kind is named. */
struct part {
    const char *name;
    enum sg_dtype dtype;
    int rank, dims[5];
};

struct sample {
    const char *kind;
    int side; /* of the square input */
    struct part parts[MAX_PARTS];
    int class_part, class_dim,
        class_none; /* where zero classes would show: dims[class_dim] = class_none; part -1: not */
};

#define F(...) SG_DTYPE_F32, __VA_ARGS__
#define GRIDS                                                                                                \
    {                                                                                                        \
        {"p3", F(5, {1, 3, 8, 8, 7})}, {"p4", F(5, {1, 3, 4, 4, 7})}, {"p5", F(5, {1, 3, 2, 2, 7})},         \
    }

static const struct sample samples[] = {
    {"yolov8", 64, {{"output0", F(3, {1, 6, 84})}}, 0, 1, 4},
    {"yolov8-pose", 64, {{"output0", F(3, {1, 56, 84})}}, 0, 1, 4},
    {"yolov8-seg", 64, {{"output0", F(3, {1, 38, 84})}, {"output1", F(4, {1, 32, 16, 16})}}, 0, 1, 36},
    {"yolov5", 64, {{"output", F(3, {1, 252, 7})}}, 0, 2, 5},
    {"yolov5-grid", 64, GRIDS, 0, 4, 5},
    {"yolov3-grid", 64, GRIDS, 0, 4, 5},
    {"yolov4", 64, {{"boxes", F(4, {1, 252, 1, 4})}, {"confs", F(3, {1, 252, 2})}}, 1, 2, 0},
    {"yolox", 64, {{"output", F(3, {1, 84, 7})}}, 0, 2, 5},
    {"yolox-decoded", 64, {{"output", F(3, {1, 84, 7})}}, 0, 2, 5},
    {"end2end", 64, {{"output0", F(3, {1, 10, 6})}}, -1, 0, 0},
    {"efficientnms",
     64,
     {{"det_boxes", F(3, {1, 10, 4})}, {"det_scores", F(2, {1, 10})}, {"det_classes", F(2, {1, 10})}},
     -1,
     0,
     0},
    {"tfod",
     64,
     {{"detection_boxes", F(3, {1, 10, 4})},
      {"detection_scores", F(2, {1, 10})},
      {"detection_classes", F(2, {1, 10})}},
     -1,
     0,
     0},
    {"paddle", 64, {{"table", F(2, {10, 6})}, {"rows", SG_DTYPE_I32, 1, {1}}}, -1, 0, 0},
    {"detr",
     64,
     {{"labels", SG_DTYPE_I64, 2, {1, 10}}, {"boxes", F(3, {1, 10, 4})}, {"scores", F(2, {1, 10})}},
     -1,
     0,
     0},
    {"detr-raw", 64, {{"logits", F(3, {1, 10, 3})}, {"pred_boxes", F(3, {1, 10, 4})}}, 0, 2, 0},
    {"blazeface",
     256,
     {{"a", F(3, {1, 512, 1})},
      {"b", F(3, {1, 384, 1})},
      {"c", F(3, {1, 512, 16})},
      {"d", F(3, {1, 384, 16})}},
     0,
     2,
     0},
    {"ultraface", 64, {{"scores", F(3, {1, 235, 2})}, {"boxes", F(3, {1, 235, 4})}}, 0, 2, 0},
    {"scrfd",
     32,
     {{"s8", F(3, {1, 32, 1})},
      {"s16", F(3, {1, 8, 1})},
      {"s32", F(3, {1, 2, 1})},
      {"b8", F(3, {1, 32, 4})},
      {"b16", F(3, {1, 8, 4})},
      {"b32", F(3, {1, 2, 4})},
      {"k8", F(3, {1, 32, 10})},
      {"k16", F(3, {1, 8, 10})},
      {"k32", F(3, {1, 2, 10})}},
     0,
     2,
     0},
    {"retinaface",
     32,
     {{"cls_prob8", F(4, {1, 4, 4, 4})},
      {"bbox_pred8", F(4, {1, 8, 4, 4})},
      {"landmark_pred8", F(4, {1, 20, 4, 4})},
      {"cls_prob16", F(4, {1, 4, 2, 2})},
      {"bbox_pred16", F(4, {1, 8, 2, 2})},
      {"landmark_pred16", F(4, {1, 20, 2, 2})},
      {"cls_prob32", F(4, {1, 4, 1, 1})},
      {"bbox_pred32", F(4, {1, 8, 1, 1})},
      {"landmark_pred32", F(4, {1, 20, 1, 1})}},
     0,
     1,
     0},
    {"ssd-variance", 128, {{"loc", F(3, {1, 1364, 4})}, {"cls", F(3, {1, 1364, 2})}}, 1, 2, 0},
    {"nanodet",
     64,
     {{"c8", F(3, {1, 64, 2})},
      {"c16", F(3, {1, 16, 2})},
      {"c32", F(3, {1, 4, 2})},
      {"d8", F(3, {1, 64, 32})},
      {"d16", F(3, {1, 16, 32})},
      {"d32", F(3, {1, 4, 32})}},
     0,
     2,
     0},
    {"nanodet-plus", 64, {{"data", F(3, {1, 85, 34})}}, 0, 2, 32},
    {"picodet",
     64,
     {{"c8", F(3, {1, 64, 2})},
      {"c16", F(3, {1, 16, 2})},
      {"c32", F(3, {1, 4, 2})},
      {"c64", F(3, {1, 1, 2})},
      {"d8", F(3, {1, 64, 32})},
      {"d16", F(3, {1, 16, 32})},
      {"d32", F(3, {1, 4, 32})},
      {"d64", F(3, {1, 1, 32})}},
     0,
     2,
     0},
    {"fastestdet", 64, {{"758", F(4, {1, 7, 4, 4})}}, 0, 1, 5},
    {"yolo-fastestv2", 32, {{"845", F(2, {5, 17})}}, 0, 1, 15},
    {"dbnet", 32, {{"map", F(4, {1, 1, 32, 32})}}, 0, 1, 0},
    {"ctc", 32, {{"text", F(3, {1, 10, 5})}}, 0, 2, 0},
    {"classify", 32, {{"prob", F(2, {1, 5})}}, 0, 1, 0},
};
#define SAMPLES ((int)(sizeof(samples) / sizeof(samples[0])))

/* YuNet has four outputs per stride: twelve, made apart. */
static const struct part yunet_parts[] = {
    {"cls_8", F(3, {1, 16, 1})},  {"cls_16", F(3, {1, 4, 1})},  {"cls_32", F(3, {1, 1, 1})},
    {"obj_8", F(3, {1, 16, 1})},  {"obj_16", F(3, {1, 4, 1})},  {"obj_32", F(3, {1, 1, 1})},
    {"bbox_8", F(3, {1, 16, 4})}, {"bbox_16", F(3, {1, 4, 4})}, {"bbox_32", F(3, {1, 1, 4})},
    {"kps_8", F(3, {1, 16, 10})}, {"kps_16", F(3, {1, 4, 10})}, {"kps_32", F(3, {1, 1, 10})},
};
#define YUNET_PARTS ((int)(sizeof(yunet_parts) / sizeof(yunet_parts[0])))
static const struct sample yunet = {
    .kind = "yunet", .side = 32, .class_part = 0, .class_dim = 2, .class_none = 0};

static void *memory[SG_SIGNATURE_MAX_IO];

static const struct sample *sample_of(const char *kind)
{
    int i;

    for (i = 0; i < SAMPLES; i++)
        if (strcmp(samples[i].kind, kind) == 0)
            return &samples[i];
    return strcmp(kind, "yunet") == 0 ? &yunet : NULL;
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
    for (i = 0; sample != &yunet && i < MAX_PARTS && sample->parts[i].name; i++)
        add_part(graph, &sample->parts[i]);
    for (i = 0; sample == &yunet && i < YUNET_PARTS; i++)
        add_part(graph, &yunet_parts[i]);
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

    if (code != SG_E_MODEL)
        fail_msg("%s: %s is not refused (code %d)", graph->spec.kind, what, code);
    if (!strstr(text, "expected") || !strstr(text, "got") || !strstr(text, graph->spec.kind))
        fail_msg("%s, %s: \"%s\" does not say head, expected and got", graph->spec.kind, what, text);
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

static void values_that_are_no_numbers(void **state)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 3e38f, -3e38f};
    const struct sg_head_ops *const *kind;
    struct test_graph graph;
    int answers, i, k;

    (void)state;
    for (kind = sg_head_kinds(); *kind; kind++)
        for (i = 0; i < (int)(sizeof(odd) / sizeof(odd[0])); i++) {
            begin(&graph, *kind);
            assert_int_equal(test_create(&graph), SG_OK);
            fill(&graph, odd[i]);
            if (run(&graph, &answers) != SG_OK)
                fail_msg("%s with %g: %s", (*kind)->name, (double)odd[i], graph.err.text);
            if (isnan(odd[i]) && graph.found.count + answers > 0)
                fail_msg("%s finds something in NaN", (*kind)->name);
            for (k = 0; k < graph.found.count; k++) {
                const struct sg_detection *item = &graph.found.items[k];

                assert_true(isfinite(item->box.x1) && isfinite(item->box.y1) && isfinite(item->box.x2) &&
                            isfinite(item->box.y2) && item->score >= 0.0f && item->score <= 1.0f);
            }
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

/* Of what may have any number of rows, none: nothing is found and nothing is wrong. */
static void no_rows(void **state)
{
    static const char *const free_rows[] = {"yolov8", "yolov5", "yolov4", "end2end", "efficientnms",
                                            "tfod",   "paddle", "detr",   "detr-raw"};
    struct test_graph graph;
    int answers, i, k;

    (void)state;
    for (i = 0; i < (int)(sizeof(free_rows) / sizeof(free_rows[0])); i++) {
        begin(&graph, sg_head_find(free_rows[i]));
        assert_int_equal(test_create(&graph), SG_OK);
        for (k = 0; k < graph.count; k++) {
            struct sg_tensor *output = &graph.outputs[k];
            int rows = strcmp(free_rows[i], "yolov8") == 0 ? 2 : output->dims[0] == 10 ? 0 : 1;

            if (output->rank > rows)
                output->dims[rows] = 0;
        }
        if (run(&graph, &answers) != SG_OK)
            fail_msg("%s: %s", free_rows[i], graph.err.text);
        assert_int_equal(graph.found.count, 0);
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
        cmocka_unit_test(shapes_that_changed),
        cmocka_unit_test(outputs_too_few),
        cmocka_unit_test(no_classes),
        cmocka_unit_test(no_rows),
    };

    return cmocka_run_group_tests(tests, group_begin, group_end);
}
