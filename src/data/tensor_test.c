/* SPDX-License-Identifier: MIT
 * Half precision against the compiler's own _Float16, counts and overflow.
 */
#include "data/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#if defined(__FLT16_MAX__)
static void halves_agree_with_the_compiler(void **state)
{
    unsigned h;

    (void)state;
    for (h = 0; h < 65536; h++) {
        uint16_t bits = (uint16_t)h;
        _Float16 reference;
        float mine = sg_half_to_float(bits);

        memcpy(&reference, &bits, sizeof(bits));
        if (isnan((float)reference)) {
            assert_true(isnan(mine));
            assert_true(isnan(sg_half_to_float(sg_float_to_half(mine))));
            continue;
        }
        assert_true(mine == (float)reference);
        assert_int_equal(sg_float_to_half(mine), bits);
    }
}

static void rounding_agrees_with_the_compiler(void **state)
{
    uint32_t seed = 12345;
    int i;

    (void)state;
    for (i = 0; i < 2000000; i++) {
        float value;
        _Float16 reference;
        uint16_t bits;

        seed = seed * 1664525u + 1013904223u;
        memcpy(&value, &seed, sizeof(value));
        if (isnan(value))
            continue;
        reference = (_Float16)value;
        memcpy(&bits, &reference, sizeof(bits));
        assert_int_equal(sg_float_to_half(value), bits);
    }
}
#endif

static void counts_refuse_overflow(void **state)
{
    struct sg_tensor t = {.rank = 3, .dims = {1, 84, 8400}};
    char text[64];

    (void)state;
    assert_int_equal(sg_tensor_count(&t), 705600);
    assert_string_equal(sg_dims_text(t.dims, 3, text, sizeof(text)), "1x84x8400");
    t.dims[1] = -1;
    assert_int_equal(sg_tensor_count(&t), -1);
    assert_string_equal(sg_dims_text(t.dims, 3, text, sizeof(text)), "1x?x8400");
    t.dims[0] = t.dims[1] = t.dims[2] = (int64_t)1 << 40;
    assert_int_equal(sg_tensor_count(&t), -1);
    t.dims[1] = 0;
    t.dims[0] = t.dims[2] = 5;
    assert_int_equal(sg_tensor_count(&t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if defined(__FLT16_MAX__)
        cmocka_unit_test(halves_agree_with_the_compiler),
        cmocka_unit_test(rounding_agrees_with_the_compiler),
#endif
        cmocka_unit_test(counts_refuse_overflow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
