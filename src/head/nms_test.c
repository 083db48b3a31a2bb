/* SPDX-License-Identifier: MIT
 * NMS against the textbook's O(n^2) form written from the contract's sentence: repeatedly take the best box
 * left and strike out what it overlaps.
 */
#include "head/head_testing.h"
#include "head/nms.h"

#include "base/cpu.h"

#define MOST 400

static uint32_t seed = 1;

static uint32_t next(uint32_t below)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % below;
}

/* Written apart from sg_box_iou, in double. */
static double overlap(const struct sg_box *a, const struct sg_box *b)
{
    double left = a->x1 > b->x1 ? a->x1 : b->x1, right = a->x2 < b->x2 ? a->x2 : b->x2;
    double top = a->y1 > b->y1 ? a->y1 : b->y1, bottom = a->y2 < b->y2 ? a->y2 : b->y2;
    double width_a = (double)a->x2 - a->x1, height_a = (double)a->y2 - a->y1;
    double width_b = (double)b->x2 - b->x1, height_b = (double)b->y2 - b->y1;
    double common;

    if (width_a <= 0 || height_a <= 0 || width_b <= 0 || height_b <= 0 || right <= left || bottom <= top)
        return 0;
    common = (right - left) * (bottom - top);
    return common / (width_a * height_a + width_b * height_b - common);
}

static int reference(const struct sg_detection *items, int count, double iou, bool agnostic, int max_objects,
                     int64_t *out_rows)
{
    bool gone[MOST] = {false};
    int kept = 0, i;

    while (kept < max_objects) {
        int best = -1;

        for (i = 0; i < count; i++)
            if (!gone[i] && (best < 0 || items[i].score > items[best].score ||
                             (items[i].score == items[best].score && items[i].row < items[best].row)))
                best = i;
        if (best < 0)
            break;
        gone[best] = true;
        out_rows[kept++] = items[best].row;
        for (i = 0; iou > 0 && iou < 1 && i < count; i++)
            if (!gone[i] && (agnostic || items[i].class_id == items[best].class_id) &&
                overlap(&items[best].box, &items[i].box) > iou)
                gone[i] = true;
    }
    return kept;
}

/* Whole coordinates and thresholds such as 1/2 make exact ties of score and of IoU likely; both sides then
 * compute the same fraction exactly or a comparison in double and in float could part company, so the sides
 * of boxes stay small enough for float to hold the areas exactly and the thresholds are off the small
 * fractions. */
static void agrees_with_the_textbook(void **state)
{
    struct sg_detections list = {0};
    int round;

    (void)state;
    for (round = 0; round < 1000; round++) {
        struct sg_detection items[MOST];
        int64_t rows[MOST];
        int count = (int)next(MOST), classes = 1 + (int)next(6), spread = 20 + (int)next(400), i, kept;
        const float ious[] = {0.451f, 0.301f, 0.7003f, 0.0f, 1.0f, 0.0501f};
        float iou = ious[next(6)];
        bool agnostic = next(2);
        int most = next(3) ? SG_RESULT_MAX_OBJECTS : (int)next(20);

        sg_cpu_mask(round % 3 ? ~0u : 0u);
        sg_detections_clear(&list);
        for (i = 0; i < count; i++) {
            float x = (float)next((uint32_t)spread) - 100.0f, y = (float)next((uint32_t)spread) - 100.0f;

            items[i] = (struct sg_detection){
                .box = {x, y, x + (float)next(60), y + (float)next(60)},
                .score = (float)next(round % 2 ? 12 : 100000) / 100000.0f,
                .class_id = (int)next((uint32_t)classes),
                .row = round % 5 ? i : ((int64_t)1 << 40) - (int64_t)i * ((int64_t)1 << 30), /* last first */
            };
            if (next(40) == 0) /* empty and inside out */
                items[i].box.x2 = x - (float)next(2);
            assert_int_equal(sg_detections_push(&list, &items[i]), SG_OK);
        }
        assert_int_equal(sg_nms(&list, iou, agnostic, most, NULL), SG_OK);
        kept = reference(items, count, iou, agnostic, most, rows);
        assert_int_equal(list.count, kept);
        for (i = 0; i < kept; i++)
            assert_int_equal(list.items[i].row, rows[i]);
    }
    sg_detections_fini(&list);
}

static void iou_by_hand(void **state)
{
    struct sg_box a = {0, 0, 10, 10}, b = {5, 0, 15, 10}, empty = {3, 3, 3, 9}, outside = {10, 0, 20, 10};

    (void)state;
    assert_true(fabsf(sg_box_iou(&a, &b) - 50.0f / 150.0f) < 1e-7f);
    assert_true(sg_box_iou(&a, &a) == 1.0f);
    assert_true(sg_box_iou(&a, &empty) == 0.0f && sg_box_iou(&empty, &empty) == 0.0f);
    assert_true(sg_box_iou(&a, &outside) == 0.0f);
}

static void equal_iou_is_kept(void **state)
{
    struct sg_detections list = {0};
    struct sg_detection one = {.box = {0, 0, 2, 2}, .score = 0.9f}, other = one;

    (void)state;
    other.box = (struct sg_box){0, 0, 2, 1}; /* IoU exactly 1/2 */
    other.score = 0.8f;
    other.row = 1;
    sg_detections_push(&list, &one);
    sg_detections_push(&list, &other);
    assert_int_equal(sg_nms(&list, 0.5f, false, 10, NULL), SG_OK);
    assert_int_equal(list.count, 2);
    assert_int_equal(sg_nms(&list, 0.49f, false, 10, NULL), SG_OK);
    assert_int_equal(list.count, 1);
    list.count = 0;
    assert_int_equal(sg_nms(&list, 0.5f, true, 10, NULL), SG_OK);
    assert_int_equal(list.count, 0);
    sg_detections_fini(&list);
}

/* Boxes far apart, of infinite area, or huge: nothing crashes and the best stays. */
static void extremes(void **state)
{
    const float big = 3e38f;
    struct sg_detections list = {0};
    struct sg_detection item = {.score = 0.5f};
    int i;

    (void)state;
    for (i = 0; i < 300; i++) {
        item.box = (struct sg_box){i % 3 ? -big : 0, i % 5 ? -big : 0, i % 7 ? big : 1, i % 11 ? big : 1};
        item.row = i;
        item.class_id = i % 2 ? i : 1 << 30;
        sg_detections_push(&list, &item);
    }
    assert_int_equal(sg_nms(&list, 0.5f, true, 1000, NULL), SG_OK);
    assert_true(list.count >= 1);
    assert_int_equal(list.items[0].row, 0);
    sg_detections_fini(&list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_textbook),
        cmocka_unit_test(iou_by_hand),
        cmocka_unit_test(equal_iou_is_kept),
        cmocka_unit_test(extremes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
