/* SPDX-License-Identifier: MIT
 * YOLOv8 grids on hand-made tensors. Formula: x1 = cx - w/2 and so on, score = best class (ultralytics
 * `non_max_suppression`, `xywh2xyxy`); mask = coefficients . prototypes > 0 inside the box (`process_mask`).
 */
#include "head/head_testing.h"
#include "head/outline.h"
#include "head/scan.h"

#include "base/cpu.h"

#define SIDE  64 /* strides 8, 16, 32: 64 + 16 + 4 cells */
#define CELLS 84

/* Every cell at its own place, 10 x 10 pixels, scores `background`. Channels first. */
static void fill(float *grid, int rows, float background)
{
    int i, r;

    for (i = 0; i < CELLS; i++) {
        grid[i] = (float)(i % 8 * 8 + 4);
        grid[CELLS + i] = (float)(i / 8 % 8 * 8 + 4);
        grid[2 * CELLS + i] = grid[3 * CELLS + i] = 10.0f;
        for (r = 4; r < rows; r++)
            grid[r * CELLS + i] = background;
    }
}

static void put(float *grid, int cell, float cx, float cy, float width, float height, int row, float score)
{
    grid[cell] = cx;
    grid[CELLS + cell] = cy;
    grid[2 * CELLS + cell] = width;
    grid[3 * CELLS + cell] = height;
    grid[row * CELLS + cell] = score;
}

static void channels_first_by_hand(void **state)
{
    float *grid = calloc(7 * CELLS, sizeof(*grid));
    float classes[3] = {-1.0f, 0.5f, -1.0f};
    struct test_graph graph;

    (void)state;
    fill(grid, 7, 0.01f);
    put(grid, 3, 20, 30, 8, 4, 4 + 2, 0.9f);
    put(grid, 9, 20.5f, 30, 8, 4, 4 + 2, 0.8f);  /* IoU 7.5/8.5: suppressed */
    put(grid, 10, 20.5f, 30, 8, 4, 4 + 1, 0.4f); /* another class: kept */
    put(grid, 83, 60, 60, 8, 8, 4 + 0, 0.25f);   /* exactly the threshold, last column */
    put(grid, 50, 60, 10, 8, 8, 4 + 0, 0.2499f);
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, grid, 3, 1, 7, CELLS);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov8");
    assert_int_equal(graph.guess.class_count, 3);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 3);
    test_expect(&graph, 0, 16, 28, 24, 32, 2, 0.9f);
    test_expect(&graph, 1, 16.5f, 28, 24.5f, 32, 1, 0.4f);
    test_expect(&graph, 2, 56, 56, 64, 64, 0, 0.25f);
    graph.options.class_thresholds = classes;
    graph.options.class_threshold_count = 3;
    graph.options.agnostic = true;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 2); /* class 1 asks for 0.5 now */
    graph.options.threshold = 0.95f;
    graph.options.class_thresholds = NULL;
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    test_fini(&graph);
    free(grid);
}

/* The same grid transposed, in half floats, as item 1 of a batch of 2: the same detections. */
static void layouts_agree(void **state)
{
    float *grid = calloc(7 * CELLS, sizeof(*grid)), *rows = calloc(7 * CELLS, sizeof(*rows));
    uint16_t *halves = calloc(2 * 7 * CELLS, sizeof(*halves));
    struct test_graph graph;
    int i, r, pass;

    (void)state;
    fill(grid, 7, 0.0f);
    put(grid, 3, 20, 30, 8, 4, 4 + 2, 0.75f);
    for (i = 0; i < CELLS; i++)
        for (r = 0; r < 7; r++)
            rows[i * 7 + r] = grid[r * CELLS + i];
    for (i = 0; i < 7 * CELLS; i++)
        halves[7 * CELLS + i] = sg_float_to_half(grid[i]);
    for (i = 0; i < 4 * CELLS; i++)
        halves[i] = halves[7 * CELLS + i]; /* item 0 has boxes and no scores */
    for (pass = 0; pass < 2; pass++) {
        test_init(&graph, SIDE, SIDE);
        snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov8");
        if (pass == 0)
            test_output(&graph, "o", SG_DTYPE_F32, rows, 3, 1, CELLS, 7);
        else
            test_output(&graph, "o", SG_DTYPE_F16, halves, 3, 2, 7, CELLS);
        assert_int_equal(test_create(&graph), SG_OK);
        if (pass) {
            assert_int_equal(test_detect(&graph, 0), SG_OK);
            assert_int_equal(graph.found.count, 0);
            assert_int_equal(test_detect(&graph, 2), SG_E_MODEL);
        }
        assert_int_equal(test_detect(&graph, pass), SG_OK);
        assert_int_equal(graph.found.count, 1);
        test_expect(&graph, 0, 16, 28, 24, 32, 2, 0.75f);
        test_fini(&graph);
    }
    free(grid);
    free(rows);
    free(halves);
}

/* Scores as logits: 0.25 is where the logit is ln(1/3) = -1.0986, so the floor must be a logit as well. */
static void logits_near_the_threshold(void **state)
{
    static const float scores[] = {-1.09f, -1.11f, 0.2f, -9.0f};
    float *grid = calloc(7 * CELLS, sizeof(*grid)), *rows = calloc(7 * CELLS, sizeof(*rows));
    struct test_graph graph;
    int i, r, pass;

    (void)state;
    fill(grid, 7, -9.0f);
    for (i = 0; i < 4; i++)
        put(grid, 20 * i, 8, 8.0f + 16.0f * (float)i, 8, 8, 4 + i % 3, scores[i]);
    for (i = 0; i < CELLS; i++)
        for (r = 0; r < 7; r++)
            rows[i * 7 + r] = grid[r * CELLS + i];
    for (pass = 0; pass < 2; pass++) {
        test_init(&graph, SIDE, SIDE);
        snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov8");
        graph.spec.scores = SG_SCORES_LOGITS_SIGMOID;
        if (pass == 0)
            test_output(&graph, "o", SG_DTYPE_F32, grid, 3, 1, 7, CELLS);
        else
            test_output(&graph, "o", SG_DTYPE_F32, rows, 3, 1, CELLS, 7);
        assert_int_equal(test_create(&graph), SG_OK);
        assert_int_equal(test_detect(&graph, 0), SG_OK);
        assert_int_equal(graph.found.count, 2);
        test_expect(&graph, 0, 4, 36, 12, 44, 2, 0.549834f); /* 1 / (1 + e^-0.2) */
        test_expect(&graph, 1, 4, 4, 12, 12, 0, 0.251618f);
        test_fini(&graph);
    }
    free(grid);
    free(rows);
}

static void bad_values_and_shapes(void **state)
{
    float *grid = calloc(7 * CELLS, sizeof(*grid));
    struct test_graph graph;

    (void)state;
    fill(grid, 7, 0.01f);
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, grid, 3, 1, 7, CELLS);
    assert_int_equal(test_create(&graph), SG_OK);
    put(grid, 1, 20, 30, 8, 4, 4, NAN);
    put(grid, 2, NAN, 30, 8, 4, 4, 0.9f);
    put(grid, 3, 20, INFINITY, 8, 4, 4, 0.9f);
    put(grid, 4, 20, 30, 8, 4, 4, INFINITY); /* not finite: no score */
    put(grid, 5, 20, 30, 8, 4, 5, 0.5f);
    grid[4 * CELLS + 5] = NAN; /* NaN beside a real score: the real one counts */
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 16, 28, 24, 32, 1, 0.5f);
    graph.outputs[0].dims[2] = 0; /* N = 0 */
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 0);
    graph.outputs[0].dims[1] = 6;
    graph.outputs[0].dims[2] = CELLS;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_string_equal(graph.err.text,
                        "head yolov8: output \"output0\": expected Bx7xN, got 1x6x84 float32");
    sg_head_destroy(&graph.head);
    graph.outputs[0].dims[1] = 4; /* no classes */
    snprintf(graph.spec.kind, sizeof(graph.spec.kind), "yolov8");
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    graph.outputs[0].rank = 2;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "output \"output0\": expected"));
    graph.count = 0;
    assert_int_equal(test_create(&graph), SG_E_MODEL);
    test_fini(&graph);
    free(grid);
}

static void keypoints_follow_the_classes(void **state)
{
    const int rows = 4 + 1 + 2 * 3;
    float *grid = calloc((size_t)rows * CELLS, sizeof(*grid)),
          *turned = calloc((size_t)rows * CELLS, sizeof(*turned));
    struct test_graph graph;
    int i, k;

    (void)state;
    fill(grid, rows, 0.01f);
    for (i = 0; i < CELLS; i++)
        for (k = 0; k < 2; k++) {
            grid[(5 + 3 * k) * CELLS + i] = 20.0f + (float)k; /* pixels, not probabilities */
            grid[(6 + 3 * k) * CELLS + i] = 30.0f;
        }
    put(grid, 7, 20, 30, 8, 4, 4, 0.9f);
    grid[5 * CELLS + 7] = 17;
    grid[6 * CELLS + 7] = 29;
    grid[7 * CELLS + 7] = 0.5f;
    grid[8 * CELLS + 7] = 23;
    grid[9 * CELLS + 7] = 31;
    grid[10 * CELLS + 7] = 0.125f;
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, grid, 3, 1, rows, CELLS);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov8-pose");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    test_expect(&graph, 0, 16, 28, 24, 32, 0, 0.9f);
    assert_int_equal(graph.found.items[0].point_count, 2);
    assert_true(graph.found.points[0].x == 17 && graph.found.points[0].y == 29 &&
                graph.found.points[0].score == 0.5f);
    assert_true(graph.found.points[1].x == 23 && graph.found.points[1].y == 31 &&
                graph.found.points[1].score == 0.125f);
    test_fini(&graph);
    /* kpt_shape with two numbers per point: 3 points of x, y */
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, grid, 3, 1, rows, CELLS);
    test_meta(&graph, "task", "pose");
    test_meta(&graph, "kpt_shape", "[3, 2]");
    test_meta(&graph, "names", "{0: 'fish'}");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_int_equal(graph.guess.confidence, 98);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.items[0].point_count, 3);
    assert_true(graph.found.points[0].score == -1.0f);
    /* The same numbers two by two: 17 29, 0.5 23, 31 0.125 */
    assert_true(graph.found.points[0].x == 17 && graph.found.points[0].y == 29);
    assert_true(graph.found.points[1].x == 0.5f && graph.found.points[1].y == 23);
    assert_true(graph.found.points[2].x == 31 && graph.found.points[2].y == 0.125f);
    test_fini(&graph);
    /* Without names the rows that are left are the classes: 11 - 4 - 1 x 3 */
    fill(turned, rows, 0.01f);
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, turned, 3, 1, rows, CELLS);
    test_meta(&graph, "task", "pose");
    test_meta(&graph, "kpt_shape", "[1, 3]");
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov8-pose");
    assert_int_equal(graph.guess.class_count, 4);
    assert_non_null(strstr(graph.guess.evidence, "4 box rows, 4 classes, 1 keypoints of 3 numbers"));
    test_fini(&graph);
    /* Another task is another head, whatever the rows look like. */
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, grid, 3, 1, rows, CELLS);
    test_meta(&graph, "task", "detect");
    test_meta(&graph, "kpt_shape", "[2, 3]");
    if (test_create(&graph) == SG_OK)
        assert_string_not_equal(sg_head_kind(graph.head)->name, "yolov8-pose");
    test_fini(&graph);
    /* Transposed: a cell's numbers stand beside each other. */
    for (i = 0; i < CELLS; i++)
        for (k = 0; k < rows; k++)
            turned[i * rows + k] = grid[k * CELLS + i];
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, turned, 3, 1, CELLS, rows);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov8-pose");
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    assert_true(graph.found.points[1].x == 23 && graph.found.points[1].y == 31 &&
                graph.found.points[1].score == 0.125f);
    test_fini(&graph);
    free(turned);
    free(grid);
}

/* Two prototypes of 16 x 16 over a 64 x 64 input. Plane 0 is -1 but for +1 on rows 4..7, columns 2..9; plane
 * 1 would add a far larger region, but its coefficient is 0. The outline runs half-way between on and off
 * pixel centres: x from (1.5 + 0.5) * 4 = 8 to (9.5 + 0.5) * 4 = 40, y from 16 to 32; the box cuts it at x
 * = 36. */
static void masks_become_outlines(void **state)
{
    const int rows = 4 + 1 + 2;
    float *grid = calloc((size_t)rows * CELLS, sizeof(*grid)), *proto = calloc(2 * 16 * 16, sizeof(*proto));
    float x1 = 99, y1 = 99, x2 = -99, y2 = -99;
    struct test_graph graph;
    int i, x, y;

    (void)state;
    fill(grid, rows, 0.01f);
    put(grid, 7, 20, 24, 32, 40, 4, 0.9f); /* 4..36, 4..44 */
    grid[5 * CELLS + 7] = 1.0f;
    grid[6 * CELLS + 7] = 0.0f;
    for (y = 0; y < 16; y++)
        for (x = 0; x < 16; x++) {
            proto[y * 16 + x] = x >= 2 && x <= 9 && y >= 4 && y <= 7 ? 1.0f : -1.0f;
            proto[256 + y * 16 + x] = 5.0f;
        }
    test_init(&graph, SIDE, SIDE);
    test_output(&graph, "output0", SG_DTYPE_F32, grid, 3, 1, rows, CELLS);
    test_output(&graph, "output1", SG_DTYPE_F32, proto, 4, 1, 2, 16, 16);
    assert_int_equal(test_create(&graph), SG_OK);
    assert_string_equal(sg_head_kind(graph.head)->name, "yolov8-seg");
    assert_int_equal(graph.guess.class_count, 1);
    assert_int_equal(test_detect(&graph, 0), SG_OK);
    assert_int_equal(graph.found.count, 1);
    assert_true(graph.found.items[0].polygon_count >= 4);
    for (i = 0; i < graph.found.items[0].polygon_count; i++) {
        struct sg_keypoint *point = &graph.found.points[graph.found.items[0].first_polygon + i];

        x1 = fminf(x1, point->x);
        y1 = fminf(y1, point->y);
        x2 = fmaxf(x2, point->x);
        y2 = fmaxf(y2, point->y);
    }
    assert_true(x1 == 8.0f && y1 == 16.0f && x2 == 36.0f && y2 == 32.0f);
    graph.outputs[1].dims[1] = 1;
    assert_int_equal(test_detect(&graph, 0), SG_E_MODEL);
    assert_non_null(strstr(graph.err.text, "output \"output1\": expected"));
    test_fini(&graph);
    free(grid);
    free(proto);
}

/* The largest of four regions wins, which is neither the first nor the last, a hole does not, and a straight
 * side keeps only its ends. */
static void outlines_by_hand(void **state)
{
    static const char *const picture[] = {"............", ".##.....#...", ".##.........",
                                          "............", "...#######..", "...#.....#..",
                                          "...#.....#..", ".#.#######..", "............"};
    float field[9 * 12];
    void *scratch = malloc(sg_outline_scratch(12, 9));
    const struct sg_point *points;
    double twice = 0;
    int count, i;

    (void)state;
    for (i = 0; i < 9 * 12; i++)
        field[i] = picture[i / 12][i % 12] == '#' ? 1.0f : 0.0f;
    count = sg_outline(field, 12, 9, 0.5f, 0.1f, scratch, &points);
    /* Half-way crossings: from 2.5 to 9.5 and from 3.5 to 7.5 with cut corners: 8 points */
    assert_int_equal(count, 8);
    for (i = 0; i < count; i++) {
        const struct sg_point *a = &points[i], *b = &points[(i + 1) % count];

        twice += (double)a->x * b->y - (double)b->x * a->y;
    }
    assert_true(fabs(twice / 2 - (7 * 4 - 4 * 0.125)) < 1e-6); /* four corner triangles of 1/8 */
    for (i = 0; i < 9 * 12; i++)
        field[i] = 0.0f;
    assert_int_equal(sg_outline(field, 12, 9, 0.5f, 0.1f, scratch, &points), 0);
    free(scratch);
}

static void scans_agree(void **state)
{
    enum { CLASSES = 37, STRIDE = 700 };
    float *rows = malloc(sizeof(float) * CLASSES * STRIDE), *row = malloc(sizeof(float) * CLASSES);
    float best[2][SG_SCAN_TILE];
    int32_t classes[2][SG_SCAN_TILE];
    uint32_t seed = 3;
    int i, c;

    (void)state;
    for (i = 0; i < CLASSES * STRIDE; i++) {
        seed = seed * 1664525u + 1013904223u;
        rows[i] = seed % 97 == 0 ? NAN : (float)(seed >> 24) / 256.0f; /* 256 values: ties abound */
    }
    for (i = 0; i < 2; i++) {
        sg_cpu_mask(i ? ~0u : 0u);
        sg_scan_columns(rows + 5, STRIDE, 501, CLASSES, best[i], classes[i]);
    }
    for (i = 0; i < 501; i++) {
        int want = -1, got;
        float most = -INFINITY, value = -1.0f;

        for (c = 0; c < CLASSES; c++) {
            row[c] = rows[c * STRIDE + 5 + i];
            if (row[c] > most) {
                most = row[c];
                want = c;
            }
        }
        assert_int_equal(classes[0][i], want);
        assert_int_equal(classes[1][i], want);
        assert_true(best[0][i] == most && best[1][i] == most);
        got = sg_scan_row(row, CLASSES, most, &value);
        assert_int_equal(got, want);
        assert_true(value == most);
        assert_int_equal(sg_scan_row(row, CLASSES, most + 0.01f, &value), -1);
    }
    free(rows);
    free(row);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_first_by_hand),
        cmocka_unit_test(layouts_agree),
        cmocka_unit_test(logits_near_the_threshold),
        cmocka_unit_test(bad_values_and_shapes),
        cmocka_unit_test(keypoints_follow_the_classes),
        cmocka_unit_test(masks_become_outlines),
        cmocka_unit_test(outlines_by_hand),
        cmocka_unit_test(scans_agree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
