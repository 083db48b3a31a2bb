/* SPDX-License-Identifier: MIT
 * The gate: limits, turns, and that half received pictures cannot block each other for ever.
 */
#include "admission/gate.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct client {
    struct sg_gate_waiter waiter;
    char name;
};

static char order[64];

static void note(struct sg_gate_waiter *waiter)
{
    /* The waiter is the first member. */
    const struct client *client = (const struct client *)(const void *)waiter;
    size_t used = strlen(order);

    assert_true(used < sizeof(order) - 1);
    order[used] = client->name;
    order[used + 1] = '\0';
}

static void set_up(struct sg_gate *gate, int jobs, size_t bytes, size_t memory, struct client *clients,
                   int count)
{
    struct sg_gate_limits limits = {.max_jobs = jobs, .max_bytes = bytes, .max_memory = memory};
    int i;

    sg_gate_init(gate, &limits);
    order[0] = '\0';
    for (i = 0; i < count; i++)
        clients[i] = (struct client){.waiter = {.granted = note}, .name = (char)('a' + i)};
}

static void refuses_without_a_waiter(void **state)
{
    struct sg_gate gate;
    struct client c[1];

    (void)state;
    set_up(&gate, 2, 100, SIZE_MAX, c, 1);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), SG_E_BUSY);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 60, NULL), 0);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 41, NULL), SG_E_BUSY);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, SIZE_MAX, NULL), SG_E_BUSY);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 40, NULL), 0);
    sg_gate_give_job(&gate, NULL);
    sg_gate_serve(&gate, 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_string_equal(order, "");
}

static void grants_jobs_in_the_order_of_waiting(void **state)
{
    struct sg_gate gate;
    struct client c[4];
    int i;

    (void)state;
    set_up(&gate, 1, 100, SIZE_MAX, c, 4);
    assert_int_equal(sg_gate_take_job(&gate, NULL, &c[0].waiter), 0);
    for (i = 1; i < 4; i++)
        assert_int_equal(sg_gate_take_job(&gate, NULL, &c[i].waiter), SG_E_BUSY);
    sg_gate_leave(&gate, &c[2].waiter); /* its client has gone */
    sg_gate_give_job(&gate, NULL);
    /* There is room, but who comes now does not overtake who waits. */
    assert_int_equal(sg_gate_take_job(&gate, NULL, &c[2].waiter), SG_E_BUSY);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "b");
    sg_gate_give_job(&gate, NULL);
    sg_gate_serve(&gate, 0);
    sg_gate_give_job(&gate, NULL);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "bdc");
    assert_int_equal(gate.jobs, 1);
}

static void half_received_pictures_cannot_block_each_other(void **state)
{
    struct sg_gate gate;
    struct client c[3];

    (void)state;
    set_up(&gate, 8, 90, SIZE_MAX, c, 3);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 30, &c[0].waiter), 0);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 30, &c[1].waiter), 0);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 30, &c[2].waiter), 0);
    /* All want as much again, and nobody has a job that would give anything back. */
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 30, &c[1].waiter), SG_E_BUSY);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 30, &c[0].waiter), SG_E_BUSY);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 30, &c[2].waiter), SG_E_BUSY);
    sg_gate_serve(&gate, 0);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "b"); /* one, and only one, goes beyond the limit */
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 60, &c[1].waiter), SG_E_BUSY);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "bb"); /* and may go on, though others stand before it */
    assert_int_equal(gate.bytes, 180);
    /* It is complete and becomes a job: while that runs, the others wait for its bytes. */
    sg_gate_leave(&gate, &c[1].waiter);
    assert_int_equal(sg_gate_take_job(&gate, NULL, &c[1].waiter), 0);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "bb");
    sg_gate_give_job(&gate, NULL);
    sg_gate_give_bytes(&gate, NULL, 120);
    sg_gate_serve(&gate, 0);
    /* 60 were held and 30 fit for the first; the next is again the one that goes beyond. */
    assert_string_equal(order, "bbac");
    assert_int_equal(gate.bytes, 120);
    sg_gate_leave(&gate, &c[0].waiter);
    sg_gate_leave(&gate, &c[2].waiter);
    sg_gate_give_bytes(&gate, NULL, 120);
    assert_int_equal(gate.bytes, 0);
}

static void memory_counts_unread_replies(void **state)
{
    struct sg_gate gate;
    struct client c[1];

    (void)state;
    set_up(&gate, 100, SIZE_MAX, 4 * SG_GATE_JOB_BYTES, c, 1);
    sg_gate_serve(&gate, 2 * SG_GATE_JOB_BYTES);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), SG_E_BUSY);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 1, NULL), SG_E_BUSY);
    sg_gate_serve(&gate, 0); /* the replies were read */
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, SG_GATE_JOB_BYTES, NULL), 0);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 1, NULL), SG_E_BUSY);
}

static void the_first_job_always_fits(void **state)
{
    struct sg_gate gate;
    struct client c[2];

    (void)state;
    set_up(&gate, 4, 10, 1, c, 2);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, &c[0].waiter), SG_E_BUSY);
    sg_gate_give_job(&gate, NULL);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "a");
}

static const uint8_t home[SG_SHARE_KEY_BYTES] = {1}, office[SG_SHARE_KEY_BYTES] = {2};

static void join_two(struct sg_gate *gate, struct sg_share_member **greedy, struct sg_share_member **modest)
{
    *greedy = sg_share_join(&gate->addresses, home);
    *modest = sg_share_join(&gate->addresses, office);
    assert_non_null(*greedy);
    assert_non_null(*modest);
}

static void leave_two(struct sg_gate *gate, struct sg_share_member **greedy, struct sg_share_member **modest)
{
    sg_share_unref(&gate->addresses, greedy);
    sg_share_unref(&gate->addresses, modest);
    assert_null(gate->addresses);
}

static void passes_over_waiters_above_their_share(void **state)
{
    struct sg_gate gate;
    struct client c[3];
    struct sg_share_member *greedy, *modest;
    int i;

    (void)state;
    set_up(&gate, 10, 100, SIZE_MAX, c, 3);
    join_two(&gate, &greedy, &modest);
    /* Twice what is free: 7 held leave 3, 7 / 2 >= 3. */
    for (i = 0; i < 7; i++) {
        assert_false(sg_gate_over_jobs(&gate, greedy));
        assert_int_equal(sg_gate_take_job(&gate, greedy, &c[0].waiter), 0);
    }
    assert_true(sg_gate_over_jobs(&gate, greedy));
    assert_int_equal(sg_gate_take_job(&gate, greedy, &c[0].waiter), SG_E_BUSY);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "");
    /* It stands first in the queue and holds nobody up, with a waiter or without. */
    assert_int_equal(sg_gate_take_job(&gate, modest, &c[1].waiter), 0);
    assert_int_equal(sg_gate_take_job(&gate, modest, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, modest, &c[1].waiter), SG_E_BUSY);
    /* With one place free both waiters are over (2 / 2 >= 1): it is anybody's. */
    sg_gate_give_job(&gate, NULL);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "");
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    sg_gate_give_job(&gate, NULL);
    /* With two free the modest one is not, and the last one is kept for it. */
    sg_gate_give_job(&gate, modest);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), 0);
    assert_int_equal(sg_gate_take_job(&gate, NULL, NULL), SG_E_BUSY);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "b");
    sg_gate_give_job(&gate, NULL);
    for (i = 0; i < 3; i++)
        sg_gate_give_job(&gate, greedy);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "ba");
    assert_int_equal(gate.jobs, 7);
    for (i = 0; i < 5; i++)
        sg_gate_give_job(&gate, greedy);
    for (i = 0; i < 2; i++)
        sg_gate_give_job(&gate, modest);
    leave_two(&gate, &greedy, &modest);
}

static void bytes_are_shared_too(void **state)
{
    struct sg_gate gate;
    struct client c[4];
    struct sg_share_member *greedy, *modest;

    (void)state;
    set_up(&gate, 10, 100, SIZE_MAX, c, 4);
    join_two(&gate, &greedy, &modest);
    assert_int_equal(sg_gate_take_bytes(&gate, greedy, 66, &c[0].waiter), 0);
    assert_false(sg_gate_over_bytes(&gate, greedy)); /* 66 / 2 < 34 */
    assert_int_equal(sg_gate_take_bytes(&gate, greedy, 2, &c[0].waiter), 0);
    assert_true(sg_gate_over_bytes(&gate, greedy));
    /* A new picture of it waits; one that has begun goes on; another address passes. */
    assert_int_equal(sg_gate_take_bytes(&gate, greedy, 5, &c[0].waiter), SG_E_BUSY);
    c[1].waiter.begun = true;
    assert_int_equal(sg_gate_take_bytes(&gate, greedy, 5, &c[1].waiter), 0);
    assert_int_equal(sg_gate_take_bytes(&gate, modest, 5, &c[2].waiter), 0);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 5, NULL), 0);
    assert_int_equal(gate.bytes, 83);
    /* A large one that may have its bytes, and finds no room, is not overtaken by small ones. */
    c[3].waiter.begun = true;
    assert_int_equal(sg_gate_take_bytes(&gate, modest, 20, &c[3].waiter), SG_E_BUSY);
    assert_int_equal(sg_gate_take_bytes(&gate, NULL, 5, NULL), SG_E_BUSY);
    /* Whose picture is complete may have a place whatever it holds: jobs give bytes back. */
    assert_int_equal(sg_gate_take_job(&gate, greedy, &c[1].waiter), 0);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "");
    sg_gate_give_bytes(&gate, greedy, 73);
    sg_gate_serve(&gate, 0);
    assert_string_equal(order, "ad");
    sg_gate_give_job(&gate, greedy);
    sg_gate_give_bytes(&gate, greedy, 5);
    sg_gate_give_bytes(&gate, modest, 25);
    leave_two(&gate, &greedy, &modest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_without_a_waiter),
        cmocka_unit_test(grants_jobs_in_the_order_of_waiting),
        cmocka_unit_test(half_received_pictures_cannot_block_each_other),
        cmocka_unit_test(memory_counts_unread_replies),
        cmocka_unit_test(the_first_job_always_fits),
        cmocka_unit_test(passes_over_waiters_above_their_share),
        cmocka_unit_test(bytes_are_shared_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
