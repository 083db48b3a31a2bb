/* SPDX-License-Identifier: MIT
 * What a head costs per frame: median of many runs, decode and NMS together and apart, plain and fast
 * kernels. usage: head_bench [ROUNDS] The tensor is made here: a 1x84x8400 YOLOv8 grid of which a given
 * number of candidates pass the threshold.
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "head/head.h"
#include "head/nms.h"
#include "head/scan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CELLS   8400
#define CLASSES 80

static uint32_t seed = 1;

static float draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(seed >> 8) / 16777216.0f;
}

static int ascending(const void *a, const void *b)
{
    const int64_t *left = a, *right = b;

    return *left < *right ? -1 : *left > *right;
}

static void fill(float *grid, int above, int classes_used, float side)
{
    int i, c;

    seed = 1;
    for (i = 0; i < CELLS; i++) {
        grid[i] = draw() * 640.0f;
        grid[CELLS + i] = draw() * 640.0f;
        grid[2 * CELLS + i] = side * (0.5f + draw());
        grid[3 * CELLS + i] = side * (0.5f + draw());
        for (c = 0; c < CLASSES; c++)
            grid[(4 + c) * CELLS + i] = draw() * 0.2f;
        if (i * (int64_t)above / CELLS != (i + 1) * (int64_t)above / CELLS)
            grid[(4 + (int)(draw() * (float)classes_used)) * CELLS + i] = 0.25f + draw() * 0.7f;
    }
}

/* The scan as one would write it first: candidate by candidate, class by class. */
static int scan_naive(const float *grid, float *best, int32_t *classes)
{
    int i, c, above = 0;

    for (i = 0; i < CELLS; i++) {
        best[i] = grid[4 * CELLS + i];
        classes[i] = 0;
        for (c = 1; c < CLASSES; c++)
            if (grid[(4 + c) * CELLS + i] > best[i]) {
                best[i] = grid[(4 + c) * CELLS + i];
                classes[i] = c;
            }
        above += best[i] >= 0.25f;
    }
    return above;
}

static void bench_scan(const float *grid, int rounds)
{
    static float best[CELLS];
    static int32_t classes[CELLS];
    int64_t *times = malloc((size_t)rounds * sizeof(*times));
    const char *const names[] = {"candidate by candidate", "tiles, plain", "tiles, fast"};
    int which, r, i, sum = 0;

    for (which = 0; which < 3; which++) {
        sg_cpu_mask(which == 2 ? ~0u : 0u);
        for (r = 0; r < rounds; r++) {
            int64_t start = sg_clock_us();

            if (which == 0)
                sum += scan_naive(grid, best, classes);
            for (i = 0; which && i < CELLS; i += SG_SCAN_TILE)
                sg_scan_columns(grid + 4 * CELLS + i, CELLS,
                                CELLS - i < SG_SCAN_TILE ? CELLS - i : SG_SCAN_TILE, CLASSES, best + i,
                                classes + i);
            times[r] = sg_clock_us() - start;
            sum += classes[r % CELLS];
        }
        qsort(times, (size_t)rounds, sizeof(*times), ascending);
        printf("scan 80 x 8400, %-24s %6lld us\n", names[which], (long long)times[rounds / 2]);
    }
    if (sum < 0)
        printf("\n");
    free(times);
}

static void bench_frame(float *grid, int rounds, int above, int classes_used, float side)
{
    struct sg_signature *signature = calloc(1, sizeof(*signature));
    struct sg_tensor output = {.name = "output0", .rank = 3, .dims = {1, 84, CELLS}, .data = grid};
    struct sg_head_spec spec = {.kind = "yolov8", .input_width = 640, .input_height = 640};
    struct sg_head_options options = {.threshold = 0.25f, .iou = 0.45f};
    struct sg_detections found = {0}, all = {0};
    struct sg_head_guess guess = {0};
    struct sg_head *head = NULL;
    struct sg_error err = {0};
    int64_t *both = malloc((size_t)rounds * sizeof(*both)), *nms = malloc((size_t)rounds * sizeof(*nms));
    int r, i;

    fill(grid, above, classes_used, side);
    if (sg_head_create(signature, &output, 1, &spec, &head, &guess, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    for (r = 0; r < rounds; r++) {
        int64_t start = sg_clock_us();

        if (sg_head_detect(head, &output, 1, 0, &options, &found, &err) < 0)
            exit(1);
        both[r] = sg_clock_us() - start;
        sg_detections_clear(&all);
        for (i = 0; i < CELLS; i++) {
            struct sg_detection item = {.row = i, .score = 0.0f};
            int c;

            for (c = 0; c < CLASSES; c++)
                if (grid[(4 + c) * CELLS + i] > item.score) {
                    item.score = grid[(4 + c) * CELLS + i];
                    item.class_id = c;
                }
            item.box.x1 = grid[i] - grid[2 * CELLS + i] / 2;
            item.box.y1 = grid[CELLS + i] - grid[3 * CELLS + i] / 2;
            item.box.x2 = item.box.x1 + grid[2 * CELLS + i];
            item.box.y2 = item.box.y1 + grid[3 * CELLS + i];
            if (item.score >= 0.25f)
                sg_detections_push(&all, &item);
        }
        start = sg_clock_us();
        sg_nms(&all, 0.45f, false, SG_RESULT_MAX_OBJECTS, &err);
        nms[r] = sg_clock_us() - start;
    }
    qsort(both, (size_t)rounds, sizeof(*both), ascending);
    qsort(nms, (size_t)rounds, sizeof(*nms), ascending);
    printf("%5d above, %2d classes, sides about %3.0f: head + NMS %5lld us, of it NMS %5lld us, %4d kept\n",
           above, classes_used, (double)side, (long long)both[rounds / 2], (long long)nms[rounds / 2],
           found.count);
    sg_head_destroy(&head);
    sg_detections_fini(&found);
    sg_detections_fini(&all);
    free(both);
    free(nms);
    free(signature);
}

int main(int argc, char **argv)
{
    static const int above[] = {20, 300, 8400, 8400, 8400, 8400, 8400};
    static const int classes[] = {3, 10, 80, 1, 1, 1, 80};
    static const float sides[] = {100, 100, 60, 8, 40, 200, 8};
    float *grid = malloc(sizeof(float) * 84 * CELLS);
    int rounds = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 101;
    size_t i;

    if (!grid)
        return 1;
    rounds = rounds < 1 ? 1 : rounds;
    fill(grid, 300, 10, 100);
    bench_scan(grid, rounds);
    for (i = 0; i < sizeof(above) / sizeof(above[0]); i++)
        bench_frame(grid, rounds, above[i], classes[i], sides[i]);
    free(grid);
    return 0;
}
