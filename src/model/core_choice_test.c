/* SPDX-License-Identifier: MIT
 * Wide or narrow, played through with times measured by `sight model bench` (YOLOX-nano, two cores): 8 ms on
 * one core, 5 ms on both when the machine is idle, 16 ms on both when another process keeps one of them busy.
 */
#include "model/core_choice.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PIXELS ((size_t)416 * 416)

enum { NARROW_US = 8000, WIDE_IDLE_US = 5000, WIDE_BUSY_US = 16000 };

/* So many lone jobs; returns how many ran on all cores. */
static int play(struct sg_core_choice *choice, int jobs, int64_t wide_us, int64_t narrow_us)
{
    int wides = 0, i;

    for (i = 0; i < jobs; i++) {
        bool wide = sg_core_choice_choose(choice);

        wides += wide;
        sg_core_choice_add(choice, wide, PIXELS, wide ? wide_us : narrow_us);
    }
    return wides;
}

static void an_idle_machine_gives_all_cores(void **state)
{
    struct sg_core_choice choice = {0};

    (void)state;
    assert_int_equal(play(&choice, 1000, WIDE_IDLE_US, NARROW_US), 998); /* one core is looked at twice */
}

static void a_busy_core_is_noticed_and_its_end_too(void **state)
{
    struct sg_core_choice choice = {0};

    (void)state;
    play(&choice, 100, WIDE_IDLE_US, NARROW_US);
    /* The cost of late passes that of one core within a few runs; after that one of 16 is a trial. */
    assert_in_range(play(&choice, 20, WIDE_BUSY_US, NARROW_US), 1, 4);
    assert_in_range(play(&choice, 160, WIDE_BUSY_US, NARROW_US), 9, 11);
    /* Free again: the next trial shows it. */
    assert_in_range(play(&choice, 100, WIDE_IDLE_US, NARROW_US), 80, 100);
    assert_int_equal(play(&choice, 100, WIDE_IDLE_US, NARROW_US), 100);
}

static void everything_slower_is_no_reason(void **state)
{
    struct sg_core_choice choice = {0};

    (void)state;
    play(&choice, 100, WIDE_IDLE_US, NARROW_US);
    /* A slower clock slows both sides: one core is tried now and then, and all cores stay in use. */
    play(&choice, 100, 2 * WIDE_IDLE_US, 2 * NARROW_US);
    assert_in_range(play(&choice, 100, 2 * WIDE_IDLE_US, 2 * NARROW_US), 85, 100);
}

static void small_models_stay_on_one_core(void **state)
{
    struct sg_core_choice choice = {0};

    (void)state;
    play(&choice, 10, 1500, 1000);
    assert_in_range(play(&choice, 160, 1500, 1000), 9, 11);
}

static void sizes_do_not_matter(void **state)
{
    struct sg_core_choice choice = {0};
    int i;

    (void)state;
    /* Lines of text of all lengths: twice the pixels, twice the time. */
    for (i = 0; i < 100; i++) {
        bool wide = sg_core_choice_choose(&choice);

        sg_core_choice_add(&choice, wide, PIXELS * (size_t)(1 + i % 7),
                           (int64_t)(wide ? WIDE_IDLE_US : NARROW_US) * (1 + i % 7));
        assert_true(wide || i == 4 || i == 5);
    }
    sg_core_choice_add(&choice, true, 0, 5); /* nothing to learn from */
    assert_true(sg_core_choice_choose(&choice));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_machine_gives_all_cores),
        cmocka_unit_test(a_busy_core_is_noticed_and_its_end_too),
        cmocka_unit_test(everything_slower_is_no_reason),
        cmocka_unit_test(small_models_stay_on_one_core),
        cmocka_unit_test(sizes_do_not_matter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
