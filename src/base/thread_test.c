/* SPDX-License-Identifier: MIT
 * Waiting on a condition goes by the monotonic clock. Its moments are small numbers beside those of the wall
 * clock, so a wait that took them for wall time would end at once.
 */
#include "base/thread.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define WAIT_US 30000

static void a_wait_ends_at_its_moment(void **state)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t never = PTHREAD_COND_INITIALIZER;
    const int64_t until = sg_clock_us() + WAIT_US;
    int code = 0;

    (void)state;
    pthread_mutex_lock(&lock);
    while (code == 0)
        code = sg_cond_wait_until(&never, &lock, until);
    assert_int_equal(code, SG_E_TIMEOUT);
    assert_true(sg_clock_us() >= until);
    assert_int_equal(sg_cond_wait_until(&never, &lock, until), SG_E_TIMEOUT); /* one that has passed */
    pthread_mutex_unlock(&lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_wait_ends_at_its_moment)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
