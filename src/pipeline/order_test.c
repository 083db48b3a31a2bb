/* SPDX-License-Identifier: MIT
 * Orders worked out by hand on small lists of boxes.
 */
#include "pipeline/order.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* class_id stands for the object, whatever its index is at the moment. */
static struct sg_object object(int id, float score, int parent)
{
    return (struct sg_object){.class_id = id, .score = score, .parent = parent};
}

static struct sg_object line(int id, float x, float y, float height)
{
    return (struct sg_object){
        .class_id = id,
        .box = {x, y, x + 50.0f, y + height},
        .has_quad = true,
        .quad = {{x, y}, {x + 50.0f, y}, {x + 50.0f, y + height}, {x, y + height}},
        .parent = -1,
    };
}

static void assert_ids(const struct sg_result *result, const int *ids, int count)
{
    int i;

    assert_int_equal(result->object_count, count);
    for (i = 0; i < count; i++)
        assert_int_equal(result->objects[i].class_id, ids[i]);
}

static void best_first_and_parents_follow(void **state)
{
    struct sg_object objects[] = {object(10, 0.5f, -1), object(11, 0.9f, -1), object(12, 0.95f, 0),
                                  object(13, 0.5f, 1)};
    struct sg_result result = {.objects = objects, .object_count = 4};

    (void)state;
    assert_int_equal(sg_order_by_score(&result), 0);
    assert_ids(&result, (const int[]){12, 11, 10, 13}, 4);
    assert_int_equal(result.objects[0].parent, 2); /* 12 lies in 10 */
    assert_int_equal(result.objects[3].parent, 1); /* 13 lies in 11 */
    sg_result_fini(&result);
}

static void rows_from_the_top_then_from_the_left(void **state)
{
    /* Two rows: 1 2 3 (slanting down by 4 pixels a word, less than half of 20), then 4 5. */
    struct sg_object objects[] = {line(5, 100, 44, 20), line(3, 120, 8, 20), line(4, 0, 40, 20),
                                  line(1, 0, 0, 20), line(2, 60, 4, 20)};
    struct sg_result result = {.objects = objects, .object_count = 5};

    (void)state;
    assert_int_equal(sg_order_reading(&result), 0);
    assert_ids(&result, (const int[]){1, 2, 3, 4, 5}, 5);
    sg_result_fini(&result);
}

static void a_line_half_a_line_below_begins_a_row(void **state)
{
    /* Middles 10 and 20: exactly half of the first line's 20, so a row of its own although it is further
     * left. */
    struct sg_object objects[] = {line(2, 0, 10, 20), line(1, 60, 0, 20)};
    struct sg_result result = {.objects = objects, .object_count = 2};

    (void)state;
    assert_int_equal(sg_order_reading(&result), 0);
    assert_ids(&result, (const int[]){1, 2}, 2);
    sg_result_fini(&result);
}

static void slanted_lines_are_as_high_as_their_own_sides(void **state)
{
    /* Lines 20 high in boxes 60 high, the second 20 below the first and further left. */
    struct sg_object objects[] = {line(2, 0, 20, 60), line(1, 10, 0, 60)};
    struct sg_result result = {.objects = objects, .object_count = 2};
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        objects[i].quad[1].y += 40.0f;
        objects[i].quad[2].y = objects[i].box.y2;
        objects[i].quad[3].y = objects[i].box.y1 + 20.0f;
    }
    assert_int_equal(sg_order_reading(&result), 0);
    assert_ids(&result, (const int[]){1, 2}, 2);
    sg_result_fini(&result);
}

static void lines_move_around_objects_that_are_none(void **state)
{
    /* A car with two lines of text inside; the car keeps its place and its children. */
    struct sg_object objects[] = {line(2, 0, 50, 10), object(9, 0.9f, -1), line(1, 0, 10, 10)};
    struct sg_result result = {.objects = objects, .object_count = 3};

    (void)state;
    objects[0].parent = objects[2].parent = 1;
    assert_int_equal(sg_order_reading(&result), 0);
    assert_ids(&result, (const int[]){1, 9, 2}, 3);
    assert_int_equal(result.objects[0].parent, 1);
    assert_int_equal(result.objects[1].parent, -1);
    assert_int_equal(result.objects[2].parent, 1);
    sg_result_fini(&result);
}

static void dropped_objects_leave_no_stale_parents(void **state)
{
    struct sg_object objects[] = {object(0, 0.9f, -1), object(1, 0.8f, -1), object(2, 0.7f, 1),
                                  object(3, 0.6f, 0)};
    struct sg_result result = {.objects = objects, .object_count = 4};

    (void)state;
    assert_int_equal(sg_order_keep(&result, (const bool[]){false, true, true, true}), 0);
    assert_ids(&result, (const int[]){1, 2, 3}, 3);
    assert_int_equal(result.objects[1].parent, 0);
    assert_int_equal(result.objects[2].parent, -1);
    sg_result_fini(&result);
}

static void nothing_is_in_order(void **state)
{
    struct sg_result result = {0};

    (void)state;
    assert_int_equal(sg_order_by_score(&result), 0);
    assert_int_equal(sg_order_reading(&result), 0);
    assert_int_equal(sg_order_keep(&result, NULL), 0);
    assert_int_equal(result.object_count, 0);
    sg_result_fini(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(best_first_and_parents_follow),
        cmocka_unit_test(rows_from_the_top_then_from_the_left),
        cmocka_unit_test(a_line_half_a_line_below_begins_a_row),
        cmocka_unit_test(slanted_lines_are_as_high_as_their_own_sides),
        cmocka_unit_test(lines_move_around_objects_that_are_none),
        cmocka_unit_test(dropped_objects_leave_no_stale_parents),
        cmocka_unit_test(nothing_is_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
