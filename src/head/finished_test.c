/* SPDX-License-Identifier: MIT
 * Kinds whose graph ends in finished detections, and raw DETR, on hand-made tensors. Layouts: the manifest's
 * column "head and decode"; TensorRT's EfficientNMS plugin documentation; DETR `PostProcess` (softmax over
 * C+1 without the last), Deformable DETR `PostProcess` (sigmoid).
 */
#include "head/head_testing.h"

static void six_columns(void **state)
{
    float table[2 * 3 * 6] = {/* picture 0 */
                              10, 20, 30, 40, 0.9f, 3, 5, 5, 9, 9, 0.2f, 1, 0, 0, 0, 0, 0, 0,
                              /* picture 1 */
                              1, 2, 3, 4, 0.5f, 7, 5, 5, 9, 9, NAN, 1, 5, 5, 9, 9, 0.9f, -1};
    float swapped[2 * 6] = {10, 20, 30, 40, 3, 0.9f, 1, 2, 3, 4, 7, 0.5f};
    float paddle_like[2 * 6] = {3, 0.9f, 10, 20, 30, 40, 7, 0.5f, 1, 2, 3, 4};
    float *others[] = {swapped, paddle_like};
    struct test_graph graph;
    size_t i;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "output0", SG_DTYPE_F32, table, 3, 2, 3, 6);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "end2end");
    assert_true(graph.guess.iou == 0.0f);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 10, 20, 30, 40, 3, 0.9f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 1, 2, 3, 4, 7, 0.5f);
    graph.outputs[0].dims[1] = 0;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    graph.outputs[0].dims[2] = 5;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_string_equal(graph.err.text,
                        "head end2end: output \"output0\": expected BxNx6, got 2x0x5 float32");
    test_fini(&graph);
    for (i = 0; i < 2; i++) {
        test_init(&graph, 64, 64);
        test_output(&graph, "dets", SG_DTYPE_F32, others[i], 2, 2, 6);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "end2end");
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 2);
        test_expect(&graph, 0, 10, 20, 30, 40, 3, 0.9f);
        assert_int_equal(test_detect(&graph, 1), SG_E_MODEL); /* no batch axis */
        test_fini(&graph);
    }
}

/* What `sight model explain` says of them, word for word: sides and counts differ, so none passes for
 * another. */
static void six_columns_and_more(void **state)
{
    float masks[2 * 10] = {10, 20, 30, 40, 0.9f, 3, 1, 0, 0, 0}, proto[4 * 8 * 16] = {0};
    float points[2 * 12] = {10, 20, 30, 40, 0.9f, 0, 11, 21, 0.5f, 12, 22, 0.25f,
                            0,  0,  0,  0,  0,    0, 0,  0,  0,    0,  0,  0};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 32);
    test_output(&graph, "rows", SG_DTYPE_F32, masks, 3, 1, 2, 10);
    test_output(&graph, "planes", SG_DTYPE_F32, proto, 4, 1, 4, 8, 16);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "end2end-seg");
    assert_string_equal(graph.guess.evidence,
                        "\"rows\" is 1x2x10: a finished table of x1,y1,x2,y2,score,class and 4 mask "
                        "coefficients; \"planes\" holds as many prototypes of 16x8");
    test_fini(&graph);
    test_init(&graph, 64, 64);
    test_output(&graph, "rows", SG_DTYPE_F32, points, 3, 1, 2, 12);
    test_meta(&graph, "task", "pose");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "end2end-pose");
    assert_string_equal(
        graph.guess.evidence,
        "\"rows\" is 1x2x12: a finished table of x1,y1,x2,y2,score,class and 2 keypoints of 3 "
        "numbers");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.items[0].point_count, 2);
    assert_true(graph.found.points[0].x == 11 && graph.found.points[0].y == 21 &&
                graph.found.points[0].score == 0.5f);
    assert_true(graph.found.points[1].x == 12 && graph.found.points[1].y == 22 &&
                graph.found.points[1].score == 0.25f);
    test_fini(&graph);
    test_init(&graph, 64, 64);
    test_output(&graph, "rows", SG_DTYPE_F32, points, 3, 1, 2, 12);
    test_meta(&graph, "task", "pose");
    test_meta(&graph, "kpt_shape", "[3, 2]");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(
        graph.guess.evidence,
        "\"rows\" is 1x2x12: a finished table of x1,y1,x2,y2,score,class and 3 keypoints of 2 "
        "numbers (metadata `kpt_shape`)");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_true(graph.found.points[1].x == 0.5f && graph.found.points[1].y == 12 &&
                graph.found.points[1].score == -1);
    test_fini(&graph);
}

static void seven_columns(void **state)
{
    float table[3 * 7] = {0, 10, 20, 30, 40, 3, 0.9f, 1, 1, 2, 3, 4, 7, 0.5f, 1, 1, 2, 3, 4, 7, 0.1f};
    float caffe[2 * 7] = {0, 3, 0.9f, 0.25f, 0.5f, 0.75f, 1.0f, -1, 0, 0, 0, 0, 0, 0};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "detections", SG_DTYPE_F32, table, 2, 0, 7); /* the probe found nothing */
    assert_int_equal(test_create(&graph), SG_OK);
    assert_non_null(strstr(graph.guess.evidence, "batch,x1,y1,x2,y2,class,score"));
    graph.outputs[0].dims[0] = 3;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 10, 20, 30, 40, 3, 0.9f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 1, 2, 3, 4, 7, 0.5f);
    test_fini(&graph);
    /* DetectionOutput: 1x1xNx7, 0..1 */
    test_init(&graph, 64, 128);
    test_output(&graph, "detection_out", SG_DTYPE_F32, caffe, 4, 1, 1, 2, 7);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 16, 64, 48, 128, 3, 0.9f);
    test_fini(&graph);
}

static void plugin_tables(void **state)
{
    int32_t number[2] = {1, 2}, classes[2 * 2] = {4, 0, 1, 2};
    float boxes[2 * 2 * 4] = {1, 2, 30, 40, 0, 0, 9, 9, 5, 6, 7, 8, 9, 9, 19, 19},
                        scores[4] = {0.9f, 0.8f, 0.3f, 0.7f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "num_dets", SG_DTYPE_I32, number, 2, 2, 1);
    test_output(&graph, "det_boxes", SG_DTYPE_F32, boxes, 3, 2, 2, 4);
    test_output(&graph, "det_scores", SG_DTYPE_F32, scores, 2, 2, 2);
    test_output(&graph, "det_classes", SG_DTYPE_I32, classes, 2, 2, 2);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "efficientnms");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1); /* the second row is past num_dets */
    test_expect(&graph, 0, 1, 2, 30, 40, 4, 0.9f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 9, 9, 19, 19, 2, 0.7f); /* sorted */
    graph.outputs[2].dims[1] = 1;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "output \"det_scores\": expected"));
    test_fini(&graph);
}

static void tensorflow_tables(void **state)
{
    float number[1] = {2}, classes[3] = {1, 90, 5}, scores[3] = {0.9f, 0.8f, 0.7f};
    float boxes[12] = {0.25f, 0.5f, 0.75f, 1.0f, 0, 0, 0.5f, 0.25f, 0, 0, 1, 1};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 100, 200);
    test_output(&graph, "detection_boxes:0", SG_DTYPE_F32, boxes, 3, 1, 3, 4);
    test_output(&graph, "detection_classes:0", SG_DTYPE_F32, classes, 2, 1, 3);
    test_output(&graph, "detection_scores:0", SG_DTYPE_F32, scores, 2, 1, 3);
    test_output(&graph, "num_detections:0", SG_DTYPE_F32, number, 1, 1);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "tfod");
    assert_int_equal(graph.guess.class_offset, 1);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 50, 50, 100, 150, 0, 0.9f); /* y first, 1-based */
    test_expect(&graph, 1, 0, 0, 25, 100, 89, 0.8f);
    graph.options.threshold = 0.8f; /* "keep score >= threshold" of head.h */
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    number[0] = NAN;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
}

/* The names of TensorFlow Lite's own operator; its classes count from 0. A graph of bytes scales by itself.
 */
static void tensorflow_lite_tables(void **state)
{
    float number[1] = {2}, classes[2] = {1, 89}, scores[2] = {0.9f, 0.8f};
    float boxes[8] = {0.25f, 0.5f, 0.75f, 1.0f, 0, 0, 0.5f, 0.25f};
    int bytes;

    (void)state;
    for (bytes = 0; bytes < 2; bytes++) {
        struct test_graph graph;

        test_init(&graph, 100, 200);
        graph.signature.input_count = 1;
        graph.signature.inputs[0].dtype = bytes ? SG_DTYPE_U8 : SG_DTYPE_F32;
        test_output(&graph, "TFLite_Detection_PostProcess", SG_DTYPE_F32, boxes, 3, 1, 2, 4);
        test_output(&graph, "TFLite_Detection_PostProcess:1", SG_DTYPE_F32, classes, 2, 1, 2);
        test_output(&graph, "TFLite_Detection_PostProcess:2", SG_DTYPE_F32, scores, 2, 1, 2);
        test_output(&graph, "TFLite_Detection_PostProcess:3", SG_DTYPE_F32, number, 1, 1);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "tfod");
        assert_int_equal(graph.guess.class_offset, 0);
        assert_true(graph.guess.transform.mean[0] == (bytes ? 0.0f : 127.5f));
        assert_true(graph.guess.transform.std[2] == (bytes ? 1.0f : 127.5f));
        assert_int_equal(graph.guess.transform.fit, SG_FIT_STRETCH);
        assert_int_equal(graph.guess.transform.channels, SG_CHANNELS_RGB);
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 2);
        test_expect(&graph, 0, 50, 50, 100, 150, 1, 0.9f);
        test_expect(&graph, 1, 0, 0, 25, 100, 89, 0.8f);
        test_fini(&graph);
    }
}

/* A table whose parts do not belong together is none; afterwards it is an error. */
static void tables_that_do_not_belong_together(void **state)
{
    static float numbers[64];
    int what;

    (void)state;
    for (what = 0; what < 8; what++) {
        struct test_graph graph;

        test_init(&graph, 64, 64);
        test_output(&graph, "detection_boxes", SG_DTYPE_F32, numbers, 3, 1, 3, 4);
        test_output(&graph, "detection_scores", SG_DTYPE_F32, numbers, 2, 1, 3);
        test_output(&graph, "detection_classes", SG_DTYPE_F32, numbers, 2, 1, 3);
        test_output(&graph, "num_detections", SG_DTYPE_F32, numbers, 1, 1);
        if (what == 1)
            graph.outputs[0].rank = 2;
        else if (what == 2)
            graph.outputs[0].dims[2] = 5;
        else if (what == 3)
            graph.outputs[1].dims[1] = 2;
        else if (what == 4)
            graph.outputs[2].dims[0] = 2;
        else if (what == 5)
            graph.outputs[2].rank = 3;
        else if (what == 6)
            graph.outputs[3].dtype = SG_DTYPE_OTHER;
        else if (what == 7)
            graph.outputs[1].data = NULL;
        snprintf(graph.spec.kind, sizeof(graph.spec.kind), "tfod");
        assert_int_equal(test_create(&graph), what ? SG_E_MODEL : SG_OK);
        if (what) {
            assert_non_null(strstr(graph.err.text, "detection_boxes BxNx4, detection_scores BxN, "));
        } else {
            graph.outputs[3].dims[0] = 0;
            assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
            assert_non_null(strstr(graph.err.text, "\"num_detections\": expected a count for each picture"));
        }
        test_fini(&graph);
    }
}

static void paddle_tables(void **state)
{
    float table[4 * 6] = {2, 0.9f, 1, 2, 3, 4, 5, 0.8f, 5, 6, 7,  8,
                          0, 0.2f, 0, 0, 1, 1, 1, 0.6f, 9, 9, 19, 19};
    float nothing[6] = {-1, 0, 0, 0, 0, 0};
    int32_t counts[3] = {2, 0, 2};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "multiclass_nms3_0.tmp_0", SG_DTYPE_F32, table, 2, 4, 6);
    test_output(&graph, "multiclass_nms3_0.tmp_2", SG_DTYPE_I32, counts, 1, 3);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "paddle");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 1, 2, 3, 4, 2, 0.9f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 0);
    assert_int_equal(test_detect(&graph, 2), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 9, 9, 19, 19, 1, 0.6f);
    assert_int_equal(test_detect(&graph, 3), SG_E_MODEL);
    counts[2] = 99; /* more rows than there are */
    assert_int_equal(test_detect(&graph, 2), SG_OK);
    assert_int_equal(graph.found.count, 1);
    counts[0] = 1;
    graph.outputs[0].data = nothing;
    graph.outputs[0].dims[0] = 1;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    graph.outputs[0].dims[1] = 7;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_string_equal(graph.err.text,
                        "head paddle: output \"multiclass_nms3_0.tmp_0\": expected Nx6, got 1x7 float32");
    test_fini(&graph);
}

/* PaddleDetection's DETR kinds ask for the input's size, and take RGB / 255; others ImageNet's numbers. */
static void paddle_inputs(void **state)
{
    int asks;

    (void)state;
    for (asks = 0; asks < 2; asks++) {
        float table[6] = {2, 0.9f, 1, 2, 3, 4};
        int32_t counts[1] = {1};
        struct test_graph graph;

        test_init(&graph, 64, 64);
        graph.signature.input_count = 2;
        snprintf(graph.signature.inputs[0].name, sizeof(graph.signature.inputs[0].name), "scale_factor");
        snprintf(graph.signature.inputs[1].name, sizeof(graph.signature.inputs[1].name), "%s",
                 asks ? "im_shape" : "image");
        test_output(&graph, "t", SG_DTYPE_F32, table, 2, 1, 6);
        test_output(&graph, "n", SG_DTYPE_I32, counts, 1, 1);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_int_equal(graph.guess.confidence, 97);
        assert_float_equal(graph.guess.transform.mean[0], asks ? 0.0f : 123.675f, 1e-3f);
        assert_float_equal(graph.guess.transform.std[2], asks ? 255.0f : 57.375f, 1e-3f);
        assert_int_equal(graph.guess.transform.fit, SG_FIT_STRETCH);
        assert_true(graph.guess.threshold == 0.3f);
        test_fini(&graph);
    }
}

static void finished_sets(void **state)
{
    int64_t labels[2 * 2] = {3, 1, 0, 79};
    float boxes[2 * 2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 19, 19, 0, 0, 64, 64},
                        scores[4] = {0.9f, 0.1f, NAN, 0.5f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "labels", SG_DTYPE_I64, labels, 2, 2, 2);
    test_output(&graph, "boxes", SG_DTYPE_F32, boxes, 3, 2, 2, 4);
    test_output(&graph, "scores", SG_DTYPE_F32, scores, 2, 2, 2);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "detr");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 1, 2, 3, 4, 3, 0.9f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 0, 0, 64, 64, 79, 0.5f);
    graph.outputs[1].dims[1] = 1;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "output \"labels\": expected one label per box, got 2x2 int64"));
    test_fini(&graph);
    /* torchvision: no batch axis, labels from 1 */
    test_init(&graph, 64, 64);
    test_output(&graph, "boxes", SG_DTYPE_F32, boxes, 2, 2, 4);
    test_output(&graph, "labels", SG_DTYPE_I64, labels, 1, 2);
    test_output(&graph, "scores", SG_DTYPE_F32, scores, 1, 2);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.class_offset, 1);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 1, 2, 3, 4, 2, 0.9f);
    test_fini(&graph);
}

/* mmdeploy's end2end models: dets BxQx5 and labels BxQ; masks are left alone. */
static void boxes_with_their_scores(void **state)
{
    int64_t labels[2 * 2] = {3, 1, 0, -1};
    float boxes[2 * 2 * 5] = {1, 2, 3, 4, 0.9f, 5, 6, 7, 8, 0.1f, 9, 9, 19, 19, 0.5f, 0, 0, 0, 0, 0},
                        masks[4];
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "dets", SG_DTYPE_F32, boxes, 3, 2, 2, 5);
    test_output(&graph, "labels", SG_DTYPE_I64, labels, 2, 2, 2);
    test_output(&graph, "masks", SG_DTYPE_F32, masks, 4, 2, 2, 1, 1);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "detr");
    assert_non_null(strstr(graph.guess.evidence, "mmdeploy; masks are not read"));
    assert_int_equal(graph.guess.transform.fit, SG_FIT_LETTERBOX_TOPLEFT);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 1, 2, 3, 4, 3, 0.9f);
    assert_int_equal(test_detect(&graph, 1), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 9, 9, 19, 19, 0, 0.5f);
    graph.outputs[0].dims[2] = 4;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_string_equal(graph.err.text, "head detr: output \"dets\": expected BxQx5, got 2x2x4 float32");
    graph.outputs[0].dims[2] = 5;
    graph.outputs[1].dims[1] = 1;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "output \"labels\": expected one label per box, got 2x1 int64"));
    test_fini(&graph);
}

/* SSD of the ONNX model zoo: boxes in 0..1. Where the graph was told the input's size they are pixels. */
static void sets_in_shares_of_the_input(void **state)
{
    int64_t labels[2] = {3, 1};
    float boxes[2 * 4] = {0.25f, 0.5f, 0.75f, 1.0f, 0, 0, 0.5f, 0.25f}, scores[2] = {0.9f, 0.7f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 100, 200);
    test_output(&graph, "bboxes", SG_DTYPE_F32, boxes, 3, 1, 2, 4);
    test_output(&graph, "labels", SG_DTYPE_I64, labels, 2, 1, 2);
    test_output(&graph, "scores", SG_DTYPE_F32, scores, 2, 1, 2);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_non_null(strstr(graph.guess.ambiguity, "`class_offset: 1`"));
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2);
    test_expect(&graph, 0, 25, 100, 75, 200, 3, 0.9f);
    test_expect(&graph, 1, 0, 0, 50, 50, 1, 0.7f);
    sg_head_destroy(&graph.head);
    graph.signature.input_count = 2;
    snprintf(graph.signature.inputs[1].name, sizeof(graph.signature.inputs[1].name), "orig_target_sizes");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    test_expect(&graph, 0, 0.25f, 0.5f, 0.75f, 1, 3, 0.9f);
    test_fini(&graph);
}

static void raw_sets(void **state)
{
    /* Three queries, two classes and "no object", which wins the last two: softmax of (0, ln 3, -inf) = 1/4,
     * 3/4 */
    float logits[9] = {0, logf(3.0f), -INFINITY, 0, 0, 9, -1, -1, 9};
    float boxes[12] = {0.5f, 0.5f, 0.5f, 0.25f, 0.1f, 0.1f, 0.1f, 0.1f, 0.2f, 0.2f, 0.1f, 0.1f};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 100, 200);
    test_output(&graph, "logits", SG_DTYPE_F32, logits, 3, 1, 3, 3);
    test_output(&graph, "pred_boxes", SG_DTYPE_F32, boxes, 3, 1, 3, 4);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "detr-raw");
    assert_int_equal(graph.guess.class_count, 2);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 25, 75, 75, 125, 1, 0.75f);
    test_fini(&graph);
    /* Sigmoid: every class above the threshold, sigmoid(ln 3) = 3/4, sigmoid(0) = 1/2 */
    logits[5] = logits[8] = logits[2] = -9;
    test_init(&graph, 100, 200);
    test_output(&graph, "logits", SG_DTYPE_F32, logits, 3, 1, 3, 3);
    test_output(&graph, "pred_boxes", SG_DTYPE_F32, boxes, 3, 1, 3, 4);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.class_count, 3);
    graph.options.threshold = 0.5f;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 4);
    test_expect(&graph, 0, 25, 75, 75, 125, 1, 0.75f);
    test_expect(&graph, 1, 25, 75, 75, 125, 0, 0.5f);
    logits[1] = NAN;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 3);
    graph.outputs[1].dims[1] = 2;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "output \"pred_boxes\": expected"));
    test_fini(&graph);
}

/* What a card says of the scores counts more than what they look like. Sigmoid of 9 is nearly 1, of 0 1/2, of
 * -1 0.27; the softmax of (0, ln 3, -9) is 3/4 for the second, of (0, 0, -9) and (-1, -1, -9) just below 1/2.
 */
static void raw_sets_as_they_are_said_to_be(void **state)
{
    float natural[9] = {0, logf(3.0f), -INFINITY, 0, 0, 9, -1, -1, 9},
          other[9] = {0, logf(3.0f), -9, 0, 0, -9, -1, -1, -9};
    float boxes[12] = {0.5f, 0.5f, 0.5f, 0.25f, 0.1f, 0.1f, 0.1f, 0.1f, 0.2f, 0.2f, 0.1f, 0.1f};
    int said;

    (void)state;
    for (said = 0; said < 3; said++) {
        struct test_graph graph;

        test_init(&graph, 100, 200);
        test_output(&graph, "logits", SG_DTYPE_F32, said == 1 ? other : natural, 3, 1, 3, 3);
        test_output(&graph, "pred_boxes", SG_DTYPE_F32, boxes, 3, 1, 3, 4);
        graph.spec.scores = said == 0   ? SG_SCORES_LOGITS_SIGMOID
                            : said == 1 ? SG_SCORES_LOGITS_SOFTMAX
                                        : SG_SCORES_MULTILABEL;
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "detr-raw");
        assert_int_equal(graph.guess.class_count, said == 1 ? 2 : 3);
        graph.options.threshold = 0.5f;
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, said == 1 ? 1 : 6);
        if (said == 1)
            test_expect(&graph, 0, 25, 75, 75, 125, 1, 0.75f);
        test_fini(&graph);
    }
}

/* The probe's picture shows nothing, so its tables are full of zeros or have no rows: order and unit are told
 * by each picture's own rows then (the three forms that exporters write; exports.py has real ones). */
static void probes_that_found_nothing(void **state)
{
    float boxes[2 * 4] = {0}, scores[2] = {0}, table[2 * 7] = {0};
    const float pixels[8] = {10, 20, 30, 40, 0, 0, 0, 0}, shares[8] = {0.25f, 0.5f, 0.75f, 1.0f, 0, 0, 0, 0};
    const float caffe[7] = {0, 3, 0.9f, 0.25f, 0.5f, 0.75f, 1.0f}, yolov7[7] = {0, 10, 20, 30, 40, 3, 0.9f};
    int32_t classes[2] = {0}, number[1] = {0};
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "num_dets", SG_DTYPE_I32, number, 2, 1, 1);
    test_output(&graph, "det_boxes", SG_DTYPE_F32, boxes, 3, 1, 2, 4);
    test_output(&graph, "det_scores", SG_DTYPE_F32, scores, 2, 1, 2);
    test_output(&graph, "det_classes", SG_DTYPE_I32, classes, 2, 1, 2);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "efficientnms");
    number[0] = 1;
    scores[0] = 0.9f;
    memcpy(boxes, pixels, sizeof(boxes));
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    test_expect(&graph, 0, 10, 20, 30, 40, 0, 0.9f);
    memcpy(boxes, shares, sizeof(boxes));
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    test_expect(&graph, 0, 16, 32, 48, 64, 0, 0.9f);
    test_fini(&graph);
    test_init(&graph, 64, 64);
    test_output(&graph, "detection_out", SG_DTYPE_F32, table, 4, 1, 1, 0, 7);
    assert_int_equal(test_create(&graph), SG_OK);
    graph.outputs[0].dims[2] = 1;
    memcpy(table, caffe, sizeof(caffe));
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    test_expect(&graph, 0, 16, 32, 48, 64, 3, 0.9f);
    memcpy(table, yolov7, sizeof(yolov7));
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    test_expect(&graph, 0, 10, 20, 30, 40, 3, 0.9f);
    test_fini(&graph);
}

/* A batch axis of 0 leaves rows without memory behind them (head_fuzz found it). */
static void empty_batches(void **state)
{
    void *nothing = malloc(1);
    struct test_graph graph;

    (void)state;
    test_init(&graph, 64, 64);
    test_output(&graph, "output0", SG_DTYPE_F32, nothing, 3, 0, 300, 6);
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    test_fini(&graph);
    test_init(&graph, 64, 64);
    test_output(&graph, "logits", SG_DTYPE_F32, nothing, 3, 0, 300, 80);
    test_output(&graph, "pred_boxes", SG_DTYPE_F32, nothing, 3, 0, 300, 4);
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    test_fini(&graph);
    free(nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_columns),
        cmocka_unit_test(six_columns_and_more),
        cmocka_unit_test(seven_columns),
        cmocka_unit_test(plugin_tables),
        cmocka_unit_test(tensorflow_tables),
        cmocka_unit_test(tensorflow_lite_tables),
        cmocka_unit_test(tables_that_do_not_belong_together),
        cmocka_unit_test(paddle_tables),
        cmocka_unit_test(paddle_inputs),
        cmocka_unit_test(finished_sets),
        cmocka_unit_test(boxes_with_their_scores),
        cmocka_unit_test(sets_in_shares_of_the_input),
        cmocka_unit_test(raw_sets),
        cmocka_unit_test(raw_sets_as_they_are_said_to_be),
        cmocka_unit_test(empty_batches),
        cmocka_unit_test(probes_that_found_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
