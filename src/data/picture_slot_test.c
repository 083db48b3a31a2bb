/* SPDX-License-Identifier: MIT
 * Which input is the picture, and how it lies: the rules of picture_slot.h, by hand.
 */
#include "data/picture_slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SLOT(slot_rank, ...)                                                                                 \
    {                                                                                                        \
        .rank = (slot_rank), .dims = { __VA_ARGS__ }                                                         \
    }

static void the_picture_is_found(void **state)
{
    static const struct sg_slot slots[] = {
        SLOT(2, 1, 2),           /* scale factors */
        SLOT(3, 5, 640, 640),    /* no channels anywhere */
        SLOT(3, 640, 640, 3),    /* as torchvision has it */
        SLOT(4, 1, 7, 8, 9),     /* four dimensions, but what are they */
        SLOT(4, 1, 480, 640, 3), /* channels last */
        SLOT(4, 1, 1, 28, 28),   /* channels first */
    };

    (void)state;
    assert_int_equal(sg_picture_slot(slots, 6), 4);
    assert_int_equal(sg_picture_slot(slots, 4), 3);
    assert_int_equal(sg_picture_slot(slots, 3), 2);
    assert_int_equal(sg_picture_slot(slots, 2), -1);
    assert_int_equal(sg_picture_slot(slots, 0), -1);
    assert_int_equal(sg_picture_slot(slots + 5, 1), 0);
    assert_int_equal(sg_picture_slot(&(const struct sg_slot)SLOT(3, 3, -1, -1), 1), 0);
    assert_int_equal(sg_picture_slot(&(const struct sg_slot)SLOT(3, 1, 28, 28), 1),
                     -1); /* three colours only */
}

static void layouts_are_told(void **state)
{
    static const struct {
        struct sg_slot slot;
        enum sg_layout layout;
        int height, width;
    } cases[] = {
        {SLOT(4, 1, 3, 480, 640), SG_LAYOUT_NCHW, 2, 3}, {SLOT(4, 1, 480, 640, 3), SG_LAYOUT_NHWC, 1, 2},
        {SLOT(4, 1, 3, 480, 3), SG_LAYOUT_NCHW, 2, 3}, /* both would do: the usual one */
        {SLOT(4, -1, -1, -1, -1), SG_LAYOUT_NCHW, 2, 3}, {SLOT(3, 3, 480, 640), SG_LAYOUT_NCHW, 1, 2},
        {SLOT(3, 480, 640, 3), SG_LAYOUT_NHWC, 0, 1},
    };
    struct sg_slot bytes = SLOT(4, -1, -1, -1, -1);
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum sg_layout layout = sg_slot_layout(&cases[i].slot);
        int height, width;

        assert_int_equal(layout, cases[i].layout);
        sg_slot_sides(&cases[i].slot, layout, &height, &width);
        assert_int_equal(height, cases[i].height);
        assert_int_equal(width, cases[i].width);
    }
    bytes.dtype = SG_DTYPE_U8; /* quantised networks come from TensorFlow */
    assert_int_equal(sg_slot_layout(&bytes), SG_LAYOUT_NHWC);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_picture_is_found),
                                       cmocka_unit_test(layouts_are_told)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
