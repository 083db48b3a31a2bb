/* SPDX-License-Identifier: MIT
 * What NonMaxSuppression picked, on hand-made tensors. Layout: the READMEs of yolov3 and tiny-yolov3 in the
 * ONNX model zoo; the ONNX specification of the operator for the order of a row and of the corners.
 */
#include "head/head_testing.h"

#define N 4

/* Two rows of two cells, 32 pixels apart: y1,x1,y2,x2 of boxes around 16 and 48, as the zoo's graphs list
 * them. */
static const float zoo_boxes[N * 4] = {6, 11, 26, 21, 6, 43, 26, 53, 38, 11, 58, 21, 38, 40, 58, 60};

static void picked_boxes(void **state)
{
    float boxes[N * 4], scores[2 * N] = {0.1f, 0.9f, 0.2f, 0.3f, 0, 0, NAN, 0.5f};
    int32_t picked[6 * 3] = {0, 0, 1, 0, 1, 3, 0, 1, 2, 0, 0, 0, 1, 0, 1, -1, -1, -1};
    int rank;

    (void)state;
    memcpy(boxes, zoo_boxes, sizeof(boxes));
    for (rank = 2; rank <= 3; rank++) {
        struct test_graph graph;

        test_init(&graph, 64, 64);
        graph.signature.input_count = 2;
        snprintf(graph.signature.inputs[1].name, sizeof(graph.signature.inputs[1].name), "image_shape");
        test_output(&graph, "yolonms_layer_1", SG_DTYPE_F32, boxes, 3, 1, N, 4);
        test_output(&graph, "yolonms_layer_1:1", SG_DTYPE_F32, scores, 3, 1, 2, N);
        if (rank == 2)
            test_output(&graph, "yolonms_layer_1:2", SG_DTYPE_I32, picked, 2, 6, 3);
        else
            test_output(&graph, "yolonms_layer_1:2", SG_DTYPE_I32, picked, 3, 1, 6, 3);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "nms-indices");
        assert_non_null(strstr(graph.guess.evidence, "y1,x1,y2,x2"));
        assert_true(graph.guess.class_count == 2 && graph.guess.dynamic_side == 416);
        assert_true(graph.guess.transform.pad[0] == 128.0f && graph.guess.iou == 0.0f);
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        /* NaN, 0.1, a row of picture 1 and a filler are none */
        assert_int_equal(graph.found.count, 2);
        test_expect(&graph, 0, 43, 6, 53, 26, 0, 0.9f);
        test_expect(&graph, 1, 40, 38, 60, 58, 1, 0.5f);
        graph.outputs[2].dims[rank - 2] = 0;
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 0);
        graph.outputs[2].dims[rank - 2] = 1;
        graph.outputs[1].dims[1] = 3;
        assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
        assert_string_equal(
            graph.err.text,
            "head nms-indices: output \"yolonms_layer_1:1\": expected scores of 2 classes for each "
            "of 4 boxes, got 1x3x4 float32");
        test_fini(&graph);
    }
}

/* The same boxes by x1,y1,x2,y2, as shares of the input and of two pictures: a graph of somebody's own. */
static void corners_with_x_first(void **state)
{
    float boxes[2 * N * 4], scores[2 * N] = {0, 0, 0, 0.75f, 0, 0.5f, 0, 0};
    int64_t picked[2 * 3] = {0, 0, 3, 1, 0, 1};
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < 2 * N * 4; i++)
        boxes[i] = zoo_boxes[(i ^ 1) % (N * 4)] / 64;
    test_init(&graph, 64, 128);
    test_output(&graph, "selected", SG_DTYPE_I64, picked, 2, 2, 3); /* the order of outputs does not matter */
    test_output(&graph, "scores", SG_DTYPE_F32, scores, 3, 2, 1, N);
    test_output(&graph, "boxes", SG_DTYPE_F32, boxes, 3, 2, N, 4);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "nms-indices");
    assert_non_null(strstr(graph.guess.evidence, "x1,y1,x2,y2 (0..1)"));
    assert_true(graph.guess.transform.pad[0] == 114.0f && graph.guess.dynamic_side == 0);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 40, 2 * 38, 60, 2 * 58, 0, 0.75f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 43, 2 * 6, 53, 2 * 26, 0, 0.5f);
    picked[2] = N; /* outside */
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
}

/* `center_point_box` = 1: the same boxes as cx,cy,w,h, in pixels and as shares of the input. */
static void centres_and_sides(void **state)
{
    static const float centred[N * 4] = {16, 16, 10, 20, 48, 16, 10, 20, 16, 48, 10, 20, 50, 48, 20, 20};
    float boxes[N * 4], scores[N] = {0, 0.5f, 0, 0.75f};
    int64_t picked[2 * 3] = {0, 0, 3, 0, 0, 1};
    struct test_graph graph;
    int i, shares;

    (void)state;
    for (shares = 0; shares < 2; shares++) {
        for (i = 0; i < N * 4; i++)
            boxes[i] = shares ? centred[i] / 64 : centred[i];
        test_init(&graph, 64, 64);
        test_output(&graph, "boxes", SG_DTYPE_F32, boxes, 3, 1, N, 4);
        test_output(&graph, "scores", SG_DTYPE_F32, scores, 3, 1, 1, N);
        test_output(&graph, "selected", SG_DTYPE_I64, picked, 2, 2, 3);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_non_null(strstr(graph.guess.evidence, shares ? "cx,cy,w,h (0..1)," : "cx,cy,w,h,"));
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 2);
        test_expect(&graph, 0, 40, 38, 60, 58, 0, 0.75f);
        test_expect(&graph, 1, 43, 6, 53, 26, 0, 0.5f);
        test_fini(&graph);
    }
}

/* Few corners before the other one (rounding), or corners left of the picture, which no sides could be:
 * corners still. */
static void corners_where_it_is_not_clear(void **state)
{
    static const float bent[2][3 * 4] = {
        {6, 11, 5.9f, 21, 6, 43, 26, 53, 38, 11, 58, 21},    /* one of four */
        {6, 11, 5.9f, 21, 6, 43, 5.9f, 53, -9, 11, -2, 21}}; /* two, and one with a negative side */
    float boxes[N * 4], scores[N] = {0, 0, 0, 0.75f};
    int64_t picked[3] = {0, 0, 3};
    struct test_graph graph;
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        memcpy(boxes, zoo_boxes, sizeof(boxes));
        memcpy(boxes, bent[i], sizeof(bent[i]));
        test_init(&graph, 64, 64);
        test_output(&graph, "boxes", SG_DTYPE_F32, boxes, 3, 1, N, 4);
        test_output(&graph, "scores", SG_DTYPE_F32, scores, 3, 1, 1, N);
        test_output(&graph, "selected", SG_DTYPE_I64, picked, 2, 1, 3);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_non_null(strstr(graph.guess.evidence, "y1,x1,y2,x2"));
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        test_expect(&graph, 0, 40, 38, 60, 58, 0, 0.75f);
        test_fini(&graph);
    }
}

static void wrong_outputs(void **state)
{
    float boxes[N * 4] = {0}, scores[N] = {0}, picked[3] = {0};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "nms-indices");
    test_output(&graph, "boxes", SG_DTYPE_F32, boxes, 3, 1, N, 4);
    test_output(&graph, "scores", SG_DTYPE_F32, scores, 3, 1, 1, N);
    test_output(&graph, "picked", SG_DTYPE_F32, picked, 2, 1, 3); /* no whole numbers */
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_string_equal(
        graph.err.text,
        "head nms-indices: expected outputs boxes BxNx4, scores BxCxN and picked rows Kx3 or 1xKx3 "
        "(int32 or int64), got \"boxes\" 1x4x4 float32, \"scores\" 1x1x4 float32, \"picked\" 1x3 "
        "float32");
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(picked_boxes),      cmocka_unit_test(corners_with_x_first),
        cmocka_unit_test(centres_and_sides), cmocka_unit_test(corners_where_it_is_not_clear),
        cmocka_unit_test(wrong_outputs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
