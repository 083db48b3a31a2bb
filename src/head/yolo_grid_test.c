/* SPDX-License-Identifier: MIT
 * TensorFlow's YOLOv4 grids, 1 x H x W x A x (5+C), on hand-made tensors; table_test.c has the grids of
 * YOLOv5 and darknet. Formula: the README of yolov4 in the ONNX model zoo (`postprocess_bbbox`), anchors and
 * XYSCALE likewise.
 */
#include "head/head_testing.h"

#define SIDE    64
#define COLUMNS 7 /* 5 + 2 classes */

static const int sides[] = {8, 4, 2};

struct grids {
    float *data[3];
    struct test_graph graph;
};

/* The graph of the three grids, all of the given objectness; rank 4 has anchors and columns in one dimension.
 */
static void begin(struct grids *grids, int rank, float objectness)
{
    static const char *const names[] = {"Identity:0", "Identity_1:0", "Identity_2:0"};
    int i, k;

    test_init(&grids->graph, SIDE, SIDE);
    for (i = 0; i < 3; i++) {
        int side = sides[i], rows = side * side * 3;

        grids->data[i] = calloc((size_t)rows * COLUMNS, sizeof(float));
        for (k = 0; k < rows; k++)
            grids->data[i][k * COLUMNS + 4] = objectness;
        if (rank == 5)
            test_output(&grids->graph, names[i], SG_DTYPE_F32, grids->data[i], 5, 1, side, side, 3, COLUMNS);
        else
            test_output(&grids->graph, names[i], SG_DTYPE_F32, grids->data[i], 4, 1, side, side, 3 * COLUMNS);
    }
}

static void put(struct grids *grids, int level, int x, int y, int anchor, const float values[COLUMNS])
{
    memcpy(grids->data[level] + ((y * sides[level] + x) * 3 + anchor) * COLUMNS, values,
           COLUMNS * sizeof(float));
}

static void end(struct grids *grids)
{
    int i;

    test_fini(&grids->graph);
    for (i = 0; i < 3; i++)
        free(grids->data[i]);
}

static void probabilities_are_yolov4(void **state)
{
    /* sigmoid(ln 3) = 3/4. Stride 8, cell (3, 2), anchor 1 = (19, 36): centre (1.2 * 0.75 - 0.1 + 3) * 8
     * = 30.4, (1.2 * 0.5 - 0.1 + 2) * 8 = 20; sides 19 * e^0 and 36 / 2. */
    const float small[COLUMNS] = {logf(3.0f), 0, 0, -logf(2.0f), 0.8f, 0.5f, 0.1f};
    /* Stride 16, cell (1, 1), anchor 0 = (36, 75): (1.1 * 0.75 - 0.05 + 1) * 16 = 28.4, 1.5 * 16 = 24;
     * 36, 37.5 */
    const float middle[COLUMNS] = {logf(3.0f), 0, 0, -logf(2.0f), 1.0f, 0.6f, 0.7f};
    /* Stride 32, cell (1, 0), anchor 2 = (459, 401): (1.05 * 0.25 - 0.025 + 1) * 32 = 39.6, 16; sides / 16 */
    const float large[COLUMNS] = {-logf(3.0f), 0, -logf(16.0f), -logf(16.0f), 0.9f, 0.2f, 1.0f};
    int rank;

    (void)state;
    for (rank = 4; rank <= 5; rank++) {
        struct grids grids;

        begin(&grids, rank, 0.0f);
        put(&grids, 0, 3, 2, 1, small);
        put(&grids, 1, 1, 1, 0, middle);
        put(&grids, 2, 1, 0, 2, large);
        assert_int_equal(test_create(&grids.graph), SG_OK);
        assert_string_equal(sg_head_kind(grids.graph.head)->name, "yolov4-grid");
        assert_true(grids.graph.guess.transform.pad[0] == 128.0f && grids.graph.guess.class_count == 2);
        assert_int_equal(grids.graph.guess.transform.fit, SG_FIT_LETTERBOX);
        assert_non_null(strstr(grids.graph.guess.ambiguity, "`anchors:`"));
        assert_int_equal(test_detect(&grids.graph, 0), SG_OK);
        assert_int_equal(grids.graph.found.count, 3);
        test_expect(&grids.graph, 0, 39.6f - 14.34375f, 16 - 12.53125f, 39.6f + 14.34375f, 16 + 12.53125f, 1,
                    0.9f);
        test_expect(&grids.graph, 1, 28.4f - 18, 24 - 18.75f, 28.4f + 18, 24 + 18.75f, 1, 0.7f);
        test_expect(&grids.graph, 2, 30.4f - 9.5f, 20 - 9, 30.4f + 9.5f, 20 + 9, 0, 0.4f);
        grids.graph.outputs[1].dims[2] = 5;
        assert_int_equal(test_detect(&grids.graph, 0), SG_E_MODEL);
        assert_string_equal(grids.graph.err.text,
                            rank == 5 ? "head yolov4-grid: output \"Identity_1:0\": expected ?x4x4x3x7, got "
                                        "1x4x5x3x7 float32"
                                      : "head yolov4-grid: output \"Identity_1:0\": expected ?x4x4x21, got "
                                        "1x4x5x21 float32");
        end(&grids);
    }
}

/* The same grids by YOLOv3's formula and anchors (16, 30 at stride 8), with logits: nothing says so but a
 * card. */
static void logits_need_a_name(void **state)
{
    /* (0.75 + 3) * 8 = 30, (0.5 + 2) * 8 = 20; sides 16 and 30 / 2; scores sigmoid(ln 3) * sigmoid(ln 4) */
    const float small[COLUMNS] = {logf(3.0f), 0, 0, -logf(2.0f), logf(3.0f), -9, logf(4.0f)};
    struct grids grids;

    (void)state;
    begin(&grids, 5, -9.0f);
    put(&grids, 0, 3, 2, 1, small);
    assert_int_equal(test_create(&grids.graph), SG_E_MODEL);
    assert_non_null(strstr(grids.graph.err.text, "no head fits"));
    snprintf(grids.graph.spec.kind, sizeof(grids.graph.spec.kind), "yolov3-grid");
    assert_int_equal(test_create(&grids.graph), SG_OK);
    assert_int_equal(test_detect(&grids.graph, 0), SG_OK);
    assert_int_equal(grids.graph.found.count, 1);
    test_expect(&grids.graph, 0, 30 - 8, 20 - 7.5f, 30 + 8, 20 + 7.5f, 1, 0.6f);
    sg_head_destroy(&grids.graph.head);
    /* YOLOv4's: 1.2 * 0.75 - 0.1 = 0.8 instead of 0.75, and the anchor (19, 36) */
    snprintf(grids.graph.spec.kind, sizeof(grids.graph.spec.kind), "yolov4-grid");
    assert_int_equal(test_create(&grids.graph), SG_OK);
    assert_int_equal(test_detect(&grids.graph, 0), SG_OK);
    assert_int_equal(grids.graph.found.count, 1);
    test_expect(&grids.graph, 0, 30.4f - 9.5f, 20 - 9, 30.4f + 9.5f, 20 + 9, 1, 0.6f);
    sg_head_destroy(&grids.graph.head);
    /* A card may say that they are probabilities, though some are below 0: 3/4 of nothing then. */
    grids.graph.spec.scores = SG_SCORES_PROBABILITY;
    assert_int_equal(test_create(&grids.graph), SG_OK);
    grids.data[0][((2 * 8 + 3) * 3 + 1) * COLUMNS + 4] = 0.5f;
    grids.data[0][((2 * 8 + 3) * 3 + 1) * COLUMNS + 6] = 0.75f;
    assert_int_equal(test_detect(&grids.graph, 0), SG_OK);
    assert_int_equal(grids.graph.found.count, 1);
    test_expect(&grids.graph, 0, 30.4f - 9.5f, 20 - 9, 30.4f + 9.5f, 20 + 9, 1, 0.375f);
    end(&grids);
}

/* YunYang1994/tensorflow-yolov3 `decode`: centres and sizes in input pixels already. */
static void boxes_at_their_cells_are_decoded(void **state)
{
    const float one[COLUMNS] = {44, 12, 20, 30, 0.5f, 1.0f, 0};
    struct grids grids;
    int i, k;

    (void)state;
    begin(&grids, 5, 0.0f);
    for (i = 0; i < 3; i++)
        for (k = 0; k < sides[i] * sides[i]; k++) {
            int x = k % sides[i], y = k / sides[i], stride = SIDE / sides[i], a;
            const float corner[COLUMNS] = {(float)(x * stride), (float)(y * stride), 9, 9};

            for (a = 0; a < 3; a++)
                put(&grids, i, x, y, a, corner);
        }
    put(&grids, 0, 5, 1, 0, one);
    assert_int_equal(test_create(&grids.graph), SG_OK);
    assert_string_equal(sg_head_kind(grids.graph.head)->name, "yolov4-grid");
    assert_non_null(strstr(grids.graph.guess.evidence, "in input pixels"));
    assert_string_equal(grids.graph.guess.ambiguity, "");
    assert_int_equal(test_detect(&grids.graph, 0), SG_OK);
    assert_int_equal(grids.graph.found.count, 1);
    test_expect(&grids.graph, 0, 44 - 10, 12 - 15, 44 + 10, 12 + 15, 0, 0.5f);
    end(&grids);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities_are_yolov4),
        cmocka_unit_test(logits_need_a_name),
        cmocka_unit_test(boxes_at_their_cells_are_decoded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
