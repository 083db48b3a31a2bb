/* SPDX-License-Identifier: MIT
 * The frame of the room: lists, float views, labels, metadata texts, and what is said when no head fits.
 */
#include "head/head_testing.h"

#include "base/cpu.h"
#include "head/find.h"
#include "head/floats.h"

static void lists_grow_and_have_a_limit(void **state)
{
    struct sg_detections list = {0};
    struct sg_detection one = {.score = 0.5f};
    char *scratch;
    int i;

    (void)state;
    for (i = 0; i < SG_HEAD_MAX_DETECTIONS; i++) {
        one.row = i;
        assert_int_equal(sg_detections_push(&list, &one), SG_OK);
    }
    assert_int_equal(list.items[77777].row, 77777);
    assert_int_equal(sg_detections_push(&list, &one), SG_E_TOO_LARGE);
    assert_int_equal(sg_detections_points(&list, 5), 0);
    assert_int_equal(sg_detections_points(&list, 17), 5);
    assert_int_equal(list.point_count, 22);
    assert_int_equal(sg_detections_points(&list, 1 << 30), SG_E_TOO_LARGE);
    scratch = sg_detections_scratch(&list, 1000);
    memset(scratch, 1, 1000);
    assert_ptr_equal(sg_detections_scratch(&list, 500), scratch);
    sg_detections_clear(&list);
    assert_int_equal(list.count + list.point_count, 0);
    sg_detections_fini(&list);
    assert_null(list.items);
}

/* Both limits as a person reads them. A point's list holds 64 for each object. */
static void limits_are_said(void **state)
{
    struct sg_detections list = {0};
    struct sg_detection one = {.score = 0.5f};
    struct sg_error err = {0};
    char text[128];
    int i;

    (void)state;
    for (i = 0; i < SG_HEAD_MAX_DETECTIONS; i++)
        assert_int_equal(sg_head_push(&list, &one, &err), SG_OK);
    assert_int_equal(sg_head_push(&list, &one, &err), SG_E_TOO_LARGE);
    snprintf(text, sizeof(text), "more than %d candidates pass the threshold; raise `threshold`",
             SG_HEAD_MAX_DETECTIONS);
    assert_string_equal(err.text, text);
    assert_int_equal(err.code, SG_E_TOO_LARGE);
    assert_int_equal(list.count, SG_HEAD_MAX_DETECTIONS);
    assert_int_equal(sg_head_points(&list, &one, 3, &err), 0);
    assert_int_equal(sg_head_points(&list, &one, 5, &err), 3);
    assert_int_equal(one.first_point, 3);
    assert_int_equal(one.point_count, 5);
    assert_int_equal(sg_head_points(&list, &one, 64 * SG_HEAD_MAX_DETECTIONS - 7, &err), SG_E_TOO_LARGE);
    snprintf(text, sizeof(text), "%d landmarks more are too many in one picture; raise `threshold`",
             64 * SG_HEAD_MAX_DETECTIONS - 7);
    assert_string_equal(err.text, text);
    assert_int_equal(list.point_count, 8);
    assert_int_equal(one.point_count, 5);
    assert_int_equal(sg_detections_points(&list, -1), SG_E_TOO_LARGE);
    sg_detections_fini(&list);
}

/* The inverse of 1 / (1 + e^-x). */
static void probabilities_and_logits(void **state)
{
    float values[3] = {1000.0f, 1000.0f + logf(2.0f), -INFINITY};

    (void)state;
    assert_true(sg_logit(0.0f) == -INFINITY && sg_logit(-1.0f) == -INFINITY);
    assert_true(sg_logit(1.0f) == INFINITY && sg_logit(2.0f) == INFINITY);
    assert_true(sg_logit(0.5f) == 0.0f);
    assert_true(fabsf(sg_logit(0.25f) - logf(1.0f / 3.0f)) < 1e-6f);
    sg_softmax(values, 3); /* one third, two thirds; great numbers do not matter */
    assert_true(fabsf(values[0] - 1.0f / 3.0f) < 1e-4f && fabsf(values[1] - 2.0f / 3.0f) < 1e-4f);
    assert_true(values[2] == 0.0f);
}

/* By a whole name, whose `:0` does not count, or by a part that only one name has. */
static void outputs_by_name(void **state)
{
    const struct sg_tensor outputs[4] = {
        {.name = NULL}, {.name = "Boxes:0"}, {.name = "scores_1"}, {.name = "scores_2"}};

    (void)state;
    assert_int_equal(sg_find_output(outputs, 4, "boxes"), 1);
    assert_int_equal(sg_find_output(outputs, 4, "box"), -1);
    assert_int_equal(sg_find_output(outputs, 1, "boxes"), -1);
    assert_int_equal(sg_find_output_with(outputs, 4, "OXES"), 1);
    assert_int_equal(sg_find_output_with(outputs, 4, "scores"), -1);
    assert_int_equal(sg_find_output_with(outputs, 3, "scores"), 2);
    assert_int_equal(sg_find_output_with(outputs, 4, "landmarks"), -1);
}

/* sg_half_to_float is itself held against the compiler's _Float16 in tensor_test.c. */
static void every_half_converts(void **state)
{
    uint16_t *halves = malloc(65536 * sizeof(*halves));
    float *floats = malloc(65536 * sizeof(*floats));
    int pass, i;

    (void)state;
    for (i = 0; i < 65536; i++)
        halves[i] = (uint16_t)i;
    for (pass = 0; pass < 2; pass++) {
        sg_cpu_mask(pass ? ~0u : 0u);
        sg_halves_to_floats(halves + 1, floats + 1, 65535); /* odd length and start: the tail runs too */
        for (i = 1; i < 65536; i++) {
            float want = sg_half_to_float(halves[i]);

            assert_true(isnan(want) ? isnan(floats[i]) : floats[i] == want);
        }
    }
    free(halves);
    free(floats);
}

static void views_are_slices(void **state)
{
    float plain[6] = {1, 2, 3, 4, 5, 6};
    uint16_t halves[4] = {0x3c00, 0x4000, 0x4200, 0x4400}; /* 1 2 3 4 */
    int64_t longs[4] = {10, 20, 30, 40};
    struct sg_tensor tensors[3] = {
        {.name = "a", .dtype = SG_DTYPE_F32, .rank = 2, .dims = {2, 3}, .data = plain},
        {.name = "b", .dtype = SG_DTYPE_F16, .rank = 2, .dims = {2, 2}, .data = halves},
        {.name = "c", .dtype = SG_DTYPE_I64, .rank = 2, .dims = {2, 2}, .data = longs},
    };
    const struct sg_tensor *list[3] = {&tensors[0], &tensors[1], &tensors[2]};
    struct sg_detections owner = {0};
    struct sg_error err = {0};
    const float *views[3];
    void *extra;

    (void)state;
    assert_int_equal(sg_head_views(list, 3, 1, &owner, 100, views, &extra, &err), SG_OK);
    memset(extra, 255, 100);
    assert_ptr_equal(views[0], plain + 3);
    assert_true(views[1][0] == 3.0f && views[1][1] == 4.0f);
    assert_true(views[2][0] == 30.0f && views[2][1] == 40.0f);
    assert_int_equal(sg_head_views(list, 3, 2, &owner, 0, views, NULL, &err), SG_E_MODEL);
    assert_int_equal(sg_head_views(list + 1, 1, -1, &owner, 0, views, NULL, &err), SG_OK);
    assert_true(views[0][3] == 4.0f);
    tensors[0].dtype = SG_DTYPE_OTHER;
    assert_int_equal(sg_head_views(list, 1, 0, &owner, 0, views, NULL, &err), SG_E_MODEL);
    sg_detections_fini(&owner);
}

static void floats_reuse_the_scratch(void **state)
{
    uint16_t halves[2] = {0xc000, 0x7bff}; /* -2, 65504: IEEE 754 */
    struct sg_tensor tensor = {.name = "h", .dtype = SG_DTYPE_F16, .rank = 1, .dims = {2}, .data = halves};
    float *scratch = NULL, plain[2] = {0};
    struct sg_error err = {0};
    size_t size = 0;
    const float *floats;

    (void)state;
    assert_int_equal(sg_head_floats(&tensor, &scratch, &size, &floats, NULL), SG_OK);
    assert_true(floats[0] == -2.0f && floats[1] == 65504.0f);
    assert_ptr_equal(floats, scratch);
    tensor.data = NULL;
    assert_int_equal(sg_head_floats(&tensor, &scratch, &size, &floats, &err), SG_E_MODEL);
    assert_string_equal(err.text, "output \"h\": expected data, got none from the runtime");
    tensor.dims[0] = -1;
    assert_int_equal(sg_head_floats(&tensor, &scratch, &size, &floats, &err), SG_E_MODEL);
    assert_string_equal(err.text, "output \"h\": its shape is impossible or above 1073741824 bytes");
    tensor.dtype = SG_DTYPE_OTHER;
    assert_int_equal(sg_head_floats(&tensor, &scratch, &size, &floats, &err), SG_E_MODEL);
    assert_string_equal(err.text, "output \"h\": expected numbers, got elements that cannot be read as such");
    tensor = (struct sg_tensor){.dtype = SG_DTYPE_F32, .rank = 1, .dims = {2}, .data = plain};
    assert_int_equal(sg_head_floats(&tensor, &scratch, &size, &floats, &err), SG_OK);
    assert_ptr_equal(floats, plain);
    free(scratch);
}

/* models/labels/coco91.txt is COCO's own numbering, line = id; the 80 are those of it that were annotated. */
static void labels_agree_with_the_file(void **state)
{
    const char *root = getenv("SIGHT_ROOT");
    const char *const *all, *const *used;
    char path[1024], line[64];
    int all_count, used_count, row = 0, at = 0;
    FILE *file;

    (void)state;
    assert_null(sg_head_labels("no such set", &all_count));
    assert_int_equal(all_count, 0);
    all = sg_head_labels("coco91", &all_count);
    used = sg_head_labels("coco80", &used_count);
    assert_int_equal(all_count, 90);
    assert_int_equal(used_count, 80);
    assert_null(all[all_count]);
    assert_null(used[used_count]);
    snprintf(path, sizeof(path), "%s/models/labels/coco91.txt", root ? root : ".");
    file = fopen(path, "r");
    assert_non_null(file);
    assert_non_null(fgets(line, sizeof(line), file)); /* its first line is the background */
    for (; fgets(line, sizeof(line), file); row++) {
        bool unused = strcmp(line, "???\n") == 0;

        line[strcspn(line, "\r\n")] = '\0';
        assert_true(row < all_count);
        assert_string_equal(all[row], unused ? "" : line);
        if (!unused)
            assert_string_equal(used[at++], line);
    }
    fclose(file);
    assert_int_equal(row, all_count);
    assert_int_equal(at, used_count);
    assert_string_equal(sg_head_labels("face", &used_count)[0], "face");
    assert_int_equal(used_count, 1);
    assert_string_equal(sg_head_labels("person", &used_count)[0], "person");
    assert_int_equal(used_count, 1);
}

static void metadata_is_read(void **state)
{
    struct test_graph graph;
    int shape[2];

    (void)state;
    test_init(&graph, 640, 640);
    test_meta(&graph, "names", "{0: 'person', 1: \"it's 5: fine\", 12: 'a\\'3: b'}");
    test_meta(&graph, "kpt_shape", "[17, 3]");
    test_meta(&graph, "task", "pose");
    assert_int_equal(sg_meta_class_count(&graph.signature), 13); /* up to class 12 */
    assert_int_equal(sg_meta_ints(&graph.signature, "kpt_shape", shape, 2), 2);
    assert_int_equal(shape[0] * 100 + shape[1], 1703);
    assert_string_equal(sg_meta_task(&graph.signature), "pose");
    test_fini(&graph);
    test_init(&graph, 640, 640);
    assert_int_equal(sg_meta_class_count(&graph.signature), 0);
    assert_string_equal(sg_meta_task(&graph.signature), "");
    test_meta(&graph, "names", "{\"0\": \"person\", \"1\": \"dog\"}");
    assert_int_equal(sg_meta_class_count(&graph.signature), 2);
    test_fini(&graph);
}

static void nothing_fits(void **state)
{
    struct test_graph graph;
    float data[2] = {0};

    (void)state;
    test_init(&graph, 640, 640);
    test_output(&graph, "weird", SG_DTYPE_F32, data, 7, 1, 1, 2, 1, 1, 1, 1);
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "\"weird\" 1x1x2x1x1x1x1 float32"));
    assert_non_null(strstr(graph.err.text, "`head:`"));
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "nosuch");
    assert_int_equal(test_create(&graph), SG_E_CONFIG);
    assert_non_null(strstr(graph.err.text, "\"nosuch\""));
    graph.spec.kind[0] = '\0';
    test_meta(&graph, "task", "obb"); /* turned boxes: yolov8's rows and an angle */
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "task \"obb\", for which there is no head"));
    test_fini(&graph);
}

static void shape_errors_name_all_three(void **state)
{
    float data[84] = {0};
    struct sg_tensor tensor = {
        .name = "output0", .dtype = SG_DTYPE_F32, .rank = 2, .dims = {1, 84}, .data = data};
    const int64_t want[3] = {-1, -1, -1};
    struct sg_error err;

    (void)state;
    assert_int_equal(sg_shape_check(&err, &tensor, 0, 3, want, "1x(4+C)xN"), SG_E_MODEL);
    assert_string_equal(err.text, "output \"output0\": expected 1x(4+C)xN, got 1x84 float32");
    assert_int_equal(sg_shape_check(&err, &tensor, 0, 2, want, "1xC"), SG_OK);
    assert_int_equal(sg_shape_check(&err, &tensor, 1, 2, want, "1xC"), SG_E_MODEL);
    assert_int_equal(sg_grid_cells(416, 416, (const int[]){8, 16, 32}, 3),
                     3549); /* YOLOX paper's 416 input */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_grow_and_have_a_limit),
        cmocka_unit_test(limits_are_said),
        cmocka_unit_test(probabilities_and_logits),
        cmocka_unit_test(outputs_by_name),
        cmocka_unit_test(every_half_converts),
        cmocka_unit_test(views_are_slices),
        cmocka_unit_test(floats_reuse_the_scratch),
        cmocka_unit_test(labels_agree_with_the_file),
        cmocka_unit_test(metadata_is_read),
        cmocka_unit_test(nothing_fits),
        cmocka_unit_test(shape_errors_name_all_three),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
