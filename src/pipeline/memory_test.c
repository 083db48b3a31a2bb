/* SPDX-License-Identifier: MIT
 * Memory of decodes: the bound holds among threads, nobody waits for ever, who gives up leaves no trace.
 */
#include "base/clock.h"
#include "pipeline/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#define LIMIT   100
#define THREADS 8
#define ROUNDS  200

static struct sg_memory *memory;
static atomic_int used, most, failed, alone;

static int make(void **state)
{
    (void)state;
    memory = sg_memory_create(LIMIT);
    return memory ? 0 : -1;
}

static int unmake(void **state)
{
    (void)state;
    sg_memory_destroy(&memory);
    return memory ? -1 : 0;
}

static void note(int bytes)
{
    int now = atomic_fetch_add(&used, bytes) + bytes, before = atomic_load(&most);

    while (now > before && !atomic_compare_exchange_weak(&most, &before, now))
        ;
}

static void *work(void *arg)
{
    int kind = (int)(size_t)arg, i, bytes = kind == 0 ? 3 * LIMIT : 10 * kind;
    struct sg_error err = {0};

    for (i = 0; i < ROUNDS; i++) {
        if (sg_memory_take(memory, 0, (size_t)bytes, 0, NULL, &err) < 0)
            atomic_fetch_add(&failed, 1);
        if (kind == 0 && atomic_load(&used) == 0)
            atomic_fetch_add(&alone, 1);
        if (kind > 0)
            note(bytes);
        if (kind > 0)
            atomic_fetch_sub(&used, bytes);
        sg_memory_give(memory, (size_t)bytes);
    }
    return NULL;
}

static void the_bound_holds(void **state)
{
    pthread_t threads[THREADS];
    size_t i;

    (void)state;
    for (i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
    for (i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failed), 0);
    assert_in_range(atomic_load(&most), 1, LIMIT);
    assert_int_equal(atomic_load(&alone), ROUNDS); /* what is larger than the limit had all for itself */
}

static void who_cannot_wait_gives_up(void **state)
{
    struct sg_error err = {0};
    atomic_bool gone = true;

    (void)state;
    assert_int_equal(sg_memory_take(memory, 0, 60, 0, NULL, &err), 0);
    assert_int_equal(sg_memory_take(memory, 0, 41, sg_clock_us() + 30000, NULL, &err), SG_E_DEADLINE);
    assert_int_equal(sg_memory_take(memory, 0, 41, 0, &gone, &err), SG_E_CANCELLED);
    assert_int_equal(sg_memory_take(memory, 0, 40, sg_clock_us(), &gone, &err),
                     0); /* there is room: no question */
    sg_memory_give(memory, 40);
    sg_memory_lower(memory, 50);
    assert_int_equal(sg_memory_take(memory, 0, 90, 0, NULL, &err), 0);
    sg_memory_give(memory, 90);
    sg_memory_give(memory, 10);
    sg_memory_give(memory, 0); /* who has nothing */
    assert_int_equal(sg_memory_take(memory, 0, 100, 0, NULL, &err), 0);
    sg_memory_give(memory, 100);
}

/* Two that have half each, and both want more. */
static void *want_more(void *arg)
{
    struct sg_error err = {0};

    (void)arg;
    if (sg_memory_take(memory, 0, 50, 0, NULL, &err) < 0)
        return &failed;
    note(1);
    while (atomic_load(&used) < 2)
        usleep(100);
    if (sg_memory_take(memory, 50, 50, 0, NULL, &err) < 0)
        return &failed;
    sg_memory_give(memory, 100);
    return NULL;
}

static void holders_do_not_wait_for_each_other(void **state)
{
    pthread_t threads[2];
    void *said;
    int i;

    (void)state;
    atomic_store(&used, 0);
    for (i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, want_more, NULL), 0);
    for (i = 0; i < 2; i++) {
        pthread_join(threads[i], &said);
        assert_null(said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_bound_holds, make, unmake),
        cmocka_unit_test_setup_teardown(who_cannot_wait_gives_up, make, unmake),
        cmocka_unit_test_setup_teardown(holders_do_not_wait_for_each_other, make, unmake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
