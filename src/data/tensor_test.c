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

/* One number after the other of each type, negative ones too; what cannot be read is 0. */
static void numbers_of_every_type(void **state)
{
    float f32[2] = {0, -1.5f};
    uint16_t f16[2] = {0, 0xbe00}; /* IEEE 754: -1.5 */
    double f64[2] = {0, -1e300};
    uint8_t u8[2] = {0, 200};
    int8_t i8[2] = {0, -100};
    int32_t i32[2] = {0, -70000};
    int64_t i64[2] = {0, -((int64_t)1 << 40)};
    const struct {
        enum sg_dtype dtype;
        const void *data;
        size_t bytes;
        float expected;
        const char *name;
    } rows[] = {
        {SG_DTYPE_F32, f32, 4, -1.5f, "float32"},
        {SG_DTYPE_F16, f16, 2, -1.5f, "float16"},
        {SG_DTYPE_F64, f64, 8, -INFINITY, "float64"},
        {SG_DTYPE_U8, u8, 1, 200.0f, "uint8"},
        {SG_DTYPE_I8, i8, 1, -100.0f, "int8"},
        {SG_DTYPE_I32, i32, 4, -70000.0f, "int32"},
        {SG_DTYPE_I64, i64, 8, -1099511627776.0f, "int64"},
        {SG_DTYPE_OTHER, i64, 0, 0.0f, "other"},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_tensor tensor = {.dtype = rows[i].dtype, .data = (void *)(uintptr_t)rows[i].data};

        assert_int_equal(sg_dtype_bytes(rows[i].dtype), rows[i].bytes);
        assert_string_equal(sg_dtype_name(rows[i].dtype), rows[i].name);
        assert_true(sg_tensor_at(&tensor, 1) == rows[i].expected);
        assert_true(sg_tensor_at(&tensor, 0) == 0.0f);
    }
}

static void shapes_and_their_texts(void **state)
{
    const struct sg_tensor tensor = {.rank = 3, .dims = {1, 84, 8400}};
    const int64_t exact[3] = {1, 84, 8400}, any[3] = {-1, -1, -1}, other[3] = {-1, 84, 8401},
                  first[3] = {2, -1, -1}, none[3] = {0, -1, -1};
    char text[64], small[6];

    (void)state;
    assert_true(sg_shape_is(&tensor, 3, exact));
    assert_true(sg_shape_is(&tensor, 3, any));
    assert_false(sg_shape_is(&tensor, 3, other));
    assert_false(sg_shape_is(&tensor, 3, first));
    assert_false(sg_shape_is(&tensor, 3, none));
    assert_false(sg_shape_is(&tensor, 2, exact));
    assert_string_equal(sg_dims_text(NULL, 0, text, sizeof(text)), "scalar");
    assert_string_equal(sg_dims_text(exact, 3, small, sizeof(small)), "1x84x");
    assert_string_equal(sg_dims_text(any, 2, text, sizeof(text)), "?x?");
    text[0] = 'a';
    (void)sg_dims_text(exact, 3, text, 0);
    assert_int_equal(text[0], 'a');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#if defined(__FLT16_MAX__)
        cmocka_unit_test(halves_agree_with_the_compiler), cmocka_unit_test(rounding_agrees_with_the_compiler),
#endif
        cmocka_unit_test(counts_refuse_overflow),         cmocka_unit_test(numbers_of_every_type),
        cmocka_unit_test(shapes_and_their_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
