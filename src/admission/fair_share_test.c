/* SPDX-License-Identifier: MIT
 * Shares: what greedy clients end up with, by the fixed point of the rule (hold = times * free) worked out by
 * hand, and the books of members that come, go and leave jobs behind.
 */
#include "admission/fair_share.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PLACES 256

static struct sg_share_member *join(sg_share_tree *tree, uint8_t address)
{
    uint8_t key[SG_SHARE_KEY_BYTES] = {0};
    struct sg_share_member *member;

    key[SG_SHARE_KEY_BYTES - 1] = address;
    member = sg_share_join(tree, key);
    assert_non_null(member);
    return member;
}

/* Everyone takes one place after the other, in turns, as long as they may. Returns what is left. */
static int take_all(struct sg_share_member **members, int count)
{
    int free_places = PLACES, i;
    bool took = true;

    while (took && free_places > 0) {
        took = false;
        for (i = 0; i < count && free_places > 0; i++) {
            if (sg_share_over_jobs(members[i], free_places))
                continue;
            sg_share_count(members[i], 1, 0);
            free_places--;
            took = true;
        }
    }
    return free_places;
}

static void leave_all(sg_share_tree *tree, struct sg_share_member **members, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        sg_share_count(members[i], -members[i]->held.jobs, 0);
        sg_share_unref(tree, &members[i]);
        assert_null(members[i]);
    }
    assert_null(*tree);
}

static void greedy_connections_get_equal_parts(void **state)
{
    /* h = 2 f and n h + f = 256: f = 256 / (2 n + 1). One address each, so only that rule acts. */
    static const struct {
        int clients, free_places;
    } rows[] = {{1, 85}, {2, 51}, {4, 28}, {16, 7}, {64, 1}};
    struct sg_share_member *members[64];
    sg_share_tree tree = NULL;
    size_t row;
    int i, left;

    (void)state;
    for (row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        for (i = 0; i < rows[row].clients; i++)
            members[i] = join(&tree, (uint8_t)i);
        left = take_all(members, rows[row].clients);
        assert_in_range(left, rows[row].free_places - 1, rows[row].free_places + 2);
        for (i = 1; i < rows[row].clients; i++)
            assert_in_range(members[i]->held.jobs, members[0]->held.jobs - 1, members[0]->held.jobs + 1);
        leave_all(&tree, members, rows[row].clients);
    }
}

static void one_address_leaves_room(void **state)
{
    /* h = 32 f and h + f = 256: f = 7.8, however many connections it opens. */
    struct sg_share_member *members[256], *other;
    sg_share_tree tree = NULL;
    int i, left;

    (void)state;
    for (i = 0; i < 256; i++)
        members[i] = join(&tree, 1);
    assert_int_equal(members[0]->address->members, 256);
    left = take_all(members, 256);
    assert_in_range(left, 7, 9);
    other = join(&tree, 2);
    assert_false(sg_share_over_jobs(other, left));
    sg_share_unref(&tree, &other);
    leave_all(&tree, members, 256);
}

static void bytes_count_like_places(void **state)
{
    sg_share_tree tree = NULL;
    struct sg_share_member *member = join(&tree, 1);

    (void)state;
    assert_false(sg_share_over_bytes(member, 0)); /* it holds nothing */
    sg_share_count(member, 0, 700);
    assert_true(sg_share_over_bytes(member, 350)); /* 700 / 2 >= 350 */
    assert_false(sg_share_over_bytes(member, 351));
    assert_false(sg_share_over_jobs(member, 0));
    sg_share_count(member, 1, -700);
    assert_false(sg_share_over_bytes(member, 0));
    assert_true(sg_share_over_jobs(member, 0));
    sg_share_count(member, -1, 0);
    sg_share_unref(&tree, &member);
    assert_null(tree);
}

static void jobs_outlive_their_connection(void **state)
{
    sg_share_tree tree = NULL;
    struct sg_share_member *connection = join(&tree, 1), *job = sg_share_ref(connection), *next;

    (void)state;
    sg_share_count(job, 1, 10);
    sg_share_unref(&tree, &connection); /* the client has gone, the job is with a worker */
    assert_non_null(tree);
    next = join(&tree, 1); /* and came back: what it left behind still counts */
    assert_int_equal(next->address->held.jobs, 1);
    assert_int_equal(next->held.jobs, 0);
    sg_share_count(job, -1, -10);
    sg_share_unref(&tree, &job);
    assert_int_equal(next->address->held.jobs, 0);
    assert_int_equal(next->address->members, 1);
    sg_share_unref(&tree, &next);
    assert_null(tree);
}

static void nobody_is_never_over(void **state)
{
    sg_share_tree tree = NULL;
    struct sg_share_member *nobody = sg_share_ref(NULL);

    (void)state;
    assert_null(nobody);
    sg_share_count(nobody, 1, 1);
    assert_false(sg_share_over_jobs(nobody, 0) || sg_share_over_bytes(nobody, 0));
    sg_share_unref(&tree, &nobody);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greedy_connections_get_equal_parts),
        cmocka_unit_test(one_address_leaves_room),
        cmocka_unit_test(bytes_count_like_places),
        cmocka_unit_test(jobs_outlive_their_connection),
        cmocka_unit_test(nobody_is_never_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
