/* SPDX-License-Identifier: MIT
 * The arena of a result.
 */
#include "data/result.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void memory_is_zeroed_aligned_and_stays(void **state)
{
    struct sg_result result = {0};
    char *first = sg_result_strdup(&result, "first line", 5);
    int i;

    (void)state;
    for (i = 0; i < 10000; i++) {
        unsigned char *p = sg_result_alloc(&result, (size_t)(i % 97) + 1);

        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        assert_int_equal(p[i % 97], 0);
        memset(p, 0xff, (size_t)(i % 97) + 1);
    }
    assert_string_equal(first, "first");
    sg_result_clear(&result);
    assert_int_equal(*(unsigned char *)sg_result_alloc(&result, 1), 0);
    sg_result_fini(&result);
}

static void the_limit_holds(void **state)
{
    struct sg_result result = {0};

    (void)state;
    assert_null(sg_result_alloc(&result, SG_RESULT_MAX_BYTES + 1));
    assert_null(sg_result_alloc(&result, SIZE_MAX));
    assert_non_null(sg_result_alloc(&result, SG_RESULT_MAX_BYTES / 2));
    assert_null(sg_result_alloc(&result, SG_RESULT_MAX_BYTES / 2 + 16));
    sg_result_fini(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_stays),
        cmocka_unit_test(the_limit_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
