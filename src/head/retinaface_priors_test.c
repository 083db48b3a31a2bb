/* SPDX-License-Identifier: MIT
 * RetinaFace of PyTorch on an input of 64 x 64: 8x8, 4x4 and 2x2 cells of two priors. Expected numbers by
 * hand from biubug6/Pytorch_Retinaface's decode and decode_landm (variances 0.1 and 0.2).
 */
#include "head/head_testing.h"

#define ROWS 168
#define SLIM 235                         /* of the RFB and slim networks: 64 x 3 + 16 x 2 + 4 x 2 + 1 x 3 */
#define AT   (128 + (1 * 4 + 2) * 2 + 1) /* stride 16, cell (2,1), side 128: around 40, 24 */

static float loc[SLIM * 4], conf[SLIM * 3], landms[SLIM * 10];

static void build(struct test_graph *graph, int rows, int classes, int points, int rank)
{
    int r = rank == 3, i;

    memset(loc, 0, sizeof(loc));
    memset(conf, 0, sizeof(conf));
    memset(landms, 0, sizeof(landms));
    for (i = 0; i < rows; i++)
        conf[i * classes] = 1.0f;
    test_init(graph, 64, 64);
    if (r) {
        test_output(graph, "c", SG_DTYPE_F32, landms, 3, 1, rows, 2 * points);
        test_output(graph, "a", SG_DTYPE_F32, loc, 3, 1, rows, 4);
        test_output(graph, "b", SG_DTYPE_F32, conf, 3, 1, rows, classes);
    } else {
        test_output(graph, "b", SG_DTYPE_F32, conf, 2, rows, classes);
        test_output(graph, "a", SG_DTYPE_F32, loc, 2, rows, 4);
        test_output(graph, "c", SG_DTYPE_F32, landms, 2, rows, 2 * points);
    }
}

static void put(int row, int classes, int class_id, float score)
{
    conf[row * classes] = 1.0f - score;
    conf[row * classes + class_id] = score;
    loc[row * 4] = 0.5f;             /* x + 6.4 = 46.4 */
    loc[row * 4 + 1] = -0.25f;       /* y - 3.2 = 20.8 */
    loc[row * 4 + 2] = -3.46573590f; /* width 128 / 2 */
    loc[row * 4 + 3] = -6.93147181f; /* height 128 / 4 */
    landms[row * 10] = 1.0f;         /* first point: x 40 + 12.8 */
    landms[row * 10 + 9] = -1.0f;    /* last point: y 24 - 12.8 */
}

static void decodes_boxes_and_points(void **state)
{
    struct test_graph graph;
    int rank;

    (void)state;
    for (rank = 2; rank <= 3; rank++) {
        build(&graph, ROWS, 2, 5, rank);
        put(AT, 2, 1, 0.95f);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "retinaface-priors");
        assert_string_equal(graph.guess.labels, "face");
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 1);
        test_expect(&graph, 0, 14.4f, 4.8f, 78.4f, 36.8f, 0, 0.95f);
        assert_int_equal(graph.found.items[0].point_count, 5);
        assert_float_equal(graph.found.points[0].x, 52.8f, 1e-4f);
        assert_float_equal(graph.found.points[0].y, 24.0f, 1e-4f);
        assert_float_equal(graph.found.points[4].y, 11.2f, 1e-4f);
        assert_int_equal(test_detect(&graph, 1), SG_E_MODEL);
        test_fini(&graph);
    }
}

static void does_the_softmax_of_logits(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph, ROWS, 3, 5, 3);
    put(AT, 3, 2, 0.0f);
    conf[AT * 3] = 0.0f;
    conf[AT * 3 + 1] = logf(2.0f);
    conf[AT * 3 + 2] = logf(5.0f); /* 5 of 8 */
    conf[0] = 7.0f;                /* no probability */
    graph.options.threshold = 0.6f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.class_count, 2);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 14.4f, 4.8f, 78.4f, 36.8f, 1, 0.625f);
    test_fini(&graph);
}

/* One score a row has no background: a probability, or a logit, ln 19 of which is 0.95. */
static void one_score_has_no_background(void **state)
{
    struct test_graph graph;
    int logits, i;

    (void)state;
    for (logits = 0; logits < 2; logits++) {
        build(&graph, ROWS, 1, 5, 3);
        put(AT, 1, 0, 0.95f);
        for (i = 0; i < ROWS; i++)
            conf[i] = logits ? -7.0f : 0.0f;
        conf[AT] = logits ? logf(19.0f) : 0.95f;
        assert_int_equal(test_create(&graph), SG_OK);
        assert_string_equal(sg_head_kind(graph.head)->name, "retinaface-priors");
        assert_int_equal(graph.guess.class_count, 1);
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 1);
        test_expect(&graph, 0, 14.4f, 4.8f, 78.4f, 36.8f, 0, 0.95f);
        test_fini(&graph);
    }
}

/* RFB and slim: the third prior of cell (1,0) of stride 8 is 24 pixels around 12, 4. */
static void priors_of_the_small_networks(void **state)
{
    struct test_graph graph;

    (void)state;
    build(&graph, SLIM, 2, 5, 3);
    conf[5 * 2] = 0.1f;
    conf[5 * 2 + 1] = 0.9f;
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 0, -8, 24, 16, 0, 0.9f);
    test_fini(&graph);
}

/* The priors of the first cell of each grid, all of them, against the sides in the two configurations
 * (cfg_mnet; Face-Detector-1MB's cfg_rfb); and what both take off a picture. */
static void every_prior_of_both_tables(void **state)
{
    static const struct {
        int rows, row;
        float centre, side;
    } priors[] = {
        {ROWS, 0, 4, 16},     {ROWS, 1, 4, 32},     {ROWS, 128, 8, 64},   {ROWS, 129, 8, 128},
        {ROWS, 160, 16, 256}, {ROWS, 161, 16, 512}, {SLIM, 0, 4, 10},     {SLIM, 1, 4, 16},
        {SLIM, 2, 4, 24},     {SLIM, 192, 8, 32},   {SLIM, 193, 8, 48},   {SLIM, 224, 16, 64},
        {SLIM, 225, 16, 96},  {SLIM, 232, 32, 128}, {SLIM, 233, 32, 192}, {SLIM, 234, 32, 256},
    };
    struct test_graph graph;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(priors) / sizeof(priors[0]); i++) {
        float low = priors[i].centre - priors[i].side / 2, high = priors[i].centre + priors[i].side / 2;

        build(&graph, priors[i].rows, 2, 5, 3);
        conf[priors[i].row * 2] = 0.1f;
        conf[priors[i].row * 2 + 1] = 0.9f;
        assert_int_equal(test_create(&graph), SG_OK);
        assert_int_equal(graph.guess.transform.channels, SG_CHANNELS_BGR);
        assert_true(graph.guess.transform.mean[0] == 104 && graph.guess.transform.mean[1] == 117 &&
                    graph.guess.transform.mean[2] == 123 && graph.guess.transform.std[0] == 1);
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 1);
        test_expect(&graph, 0, low, low, high, high, 0, 0.9f);
        test_fini(&graph);
    }
}

static void plates_want_their_priors(void **state)
{
    static const float sides[6] = {24, 48, 96, 192, 384, 768};
    struct test_graph graph;
    int i;

    (void)state;
    build(&graph, ROWS, 2, 4, 2);
    put(AT, 2, 1, 0.95f);
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "head retinaface-priors: output \"c\" has 4 points each"));
    assert_non_null(strstr(graph.err.text, "`anchors: ["));
    graph.spec.anchor_count = 6;
    for (i = 0; i < 12; i++)
        graph.spec.anchors[i] = sides[i / 2];
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    /* 192 around 40, 24: centre 49.6, 19.2; 96 x 48 */
    test_expect(&graph, 0, 1.6f, -4.8f, 97.6f, 43.2f, 0, 0.95f);
    assert_int_equal(graph.found.items[0].point_count, 4);
    test_fini(&graph);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decodes_boxes_and_points),    cmocka_unit_test(does_the_softmax_of_logits),
        cmocka_unit_test(one_score_has_no_background), cmocka_unit_test(priors_of_the_small_networks),
        cmocka_unit_test(every_prior_of_both_tables),  cmocka_unit_test(plates_want_their_priors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
