/* SPDX-License-Identifier: MIT
 * Mailbox and threads: order per writer, nothing lost or doubled, wake-ups only when needed.
 */
#include "base/mailbox.h"
#include "base/thread.h"

#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define WRITERS    4
#define PER_WRITER 5000

struct letter {
    int writer, number;
    struct sg_mail_node node;
};

struct writer {
    struct sg_mailbox *box;
    struct letter *letters;
    struct sg_thread thread;
};

static void write_letters(void *arg)
{
    struct writer *writer = arg;
    int i;

    for (i = 0; i < PER_WRITER; i++)
        sg_mailbox_push(writer->box, &writer->letters[i].node);
}

static void wake_semaphore(void *arg)
{
    sem_post(arg);
}

static void many_writers_one_reader(void **state)
{
    static struct letter letters[WRITERS][PER_WRITER];
    struct writer writers[WRITERS] = {0};
    int next[WRITERS] = {0}, total = 0, i, j;
    struct sg_mailbox box;
    sem_t woken;

    (void)state;
    sem_init(&woken, 0, 0);
    sg_mailbox_init(&box, wake_semaphore, &woken);
    for (i = 0; i < WRITERS; i++) {
        for (j = 0; j < PER_WRITER; j++)
            letters[i][j] = (struct letter){.writer = i, .number = j};
        writers[i].box = &box;
        writers[i].letters = letters[i];
        assert_int_equal(sg_thread_start(&writers[i].thread, write_letters, &writers[i], NULL, "writer%d", i),
                         0);
    }
    /* The reader sleeps until woken: a lost wake-up would hang here and fail by the test's time limit. */
    while (total < WRITERS * PER_WRITER) {
        struct sg_mail_node *node;

        sem_wait(&woken);
        for (node = sg_mailbox_take_all(&box); node; total++) {
            struct letter *letter = sg_container_of(node, struct letter, node);

            node = node->next;
            assert_int_equal(letter->number, next[letter->writer]);
            next[letter->writer]++;
        }
    }
    for (i = 0; i < WRITERS; i++)
        sg_thread_join(&writers[i].thread);
    assert_null(sg_mailbox_take_all(&box));
    sem_destroy(&woken);
}

static void count_wake(void *arg)
{
    ++*(int *)arg;
}

static void wakes_once_per_emptiness(void **state)
{
    struct letter letters[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct sg_mail_node *chain;
    struct sg_mailbox box;
    int wakes = 0;

    (void)state;
    sg_mailbox_init(&box, count_wake, &wakes);
    assert_null(sg_mailbox_take_all(&box));
    sg_mailbox_push(&box, &letters[0].node);
    sg_mailbox_push(&box, &letters[1].node);
    assert_int_equal(wakes, 1);
    chain = sg_mailbox_take_all(&box);
    assert_ptr_equal(chain, &letters[0].node);
    assert_ptr_equal(chain->next, &letters[1].node);
    assert_null(chain->next->next);
    sg_mailbox_push(&box, &letters[2].node);
    assert_int_equal(wakes, 2);
}

struct seen {
    unsigned number;
    char name[SG_THREAD_NAME_MAX];
    int term_blocked;
};

static void look(void *arg)
{
    struct seen *seen = arg;
    sigset_t mask;

    seen->number = sg_thread_self();
    pthread_getname_np(pthread_self(), seen->name, sizeof(seen->name));
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    seen->term_blocked = sigismember(&mask, SIGTERM);
    SG_ASSERT_THREAD(seen->number);
    SG_ASSERT_THREAD(0);
}

static void threads_have_names_numbers_and_no_signals(void **state)
{
    struct sg_thread a = {0}, b = {0};
    struct seen seen_a = {0}, seen_b = {0};

    (void)state;
    assert_int_equal(sg_thread_start(&a, look, &seen_a, NULL, "sight-w%d", 7), 0);
    sg_thread_join(&a);
    sg_thread_join(&a); /* a second join does nothing */
    assert_int_equal(sg_thread_start(&b, look, &seen_b, NULL, "a-name-far-too-long-for-it"), 0);
    sg_thread_join(&b);
    assert_string_equal(seen_a.name, "sight-w7");
    assert_string_equal(seen_b.name, "a-name-far-too-");
    assert_int_not_equal(seen_a.number, seen_b.number);
    assert_int_not_equal(seen_a.number, sg_thread_self());
    assert_int_equal(seen_a.term_blocked, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_writers_one_reader),
        cmocka_unit_test(wakes_once_per_emptiness),
        cmocka_unit_test(threads_have_names_numbers_and_no_signals),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
