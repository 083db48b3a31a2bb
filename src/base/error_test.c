/* SPDX-License-Identifier: MIT
 * Codes and their wire names, prefixes, truncation.
 */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_code_has_its_own_name(void **state)
{
    int i, k;

    (void)state;
    for (i = 1; i <= SG_ERR_COUNT; i++)
        for (k = 1; k < i; k++)
            assert_string_not_equal(sg_err_name(-i), sg_err_name(-k));
    assert_string_equal(sg_err_name(SG_E_BAD_IMAGE), "bad_image");
    assert_string_equal(sg_err_name(0), "ok");
    assert_string_equal(sg_err_name(7), "internal");
    assert_string_equal(sg_err_name(-1000), "internal");
}

static void a_prefix_keeps_the_code(void **state)
{
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(sg_error_set(&err, SG_E_MODEL, "no head fits"), SG_E_MODEL);
    assert_int_equal(sg_error_prefix(&err, "model \"%s\"", "x.onnx"), SG_E_MODEL);
    assert_string_equal(err.text, "model \"x.onnx\": no head fits");
    assert_int_equal(sg_error_set(NULL, SG_E_IO, "lost"), SG_E_IO);
}

static void long_texts_are_cut_and_terminated(void **state)
{
    struct sg_error err = {0};
    char longer[2 * SG_ERROR_TEXT_MAX];

    (void)state;
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    sg_error_set(&err, SG_E_IO, "%s", longer);
    assert_int_equal(strlen(err.text), SG_ERROR_TEXT_MAX - 1);
    sg_error_prefix(&err, "reading");
    assert_int_equal(strlen(err.text), SG_ERROR_TEXT_MAX - 1);
    assert_memory_equal(err.text, "reading: xxx", 12);
}

/* "no server at X: %s", err.text: what the error says becomes part of what it says then. */
static void an_error_may_be_made_of_itself(void **state)
{
    struct sg_error err = {0};

    (void)state;
    sg_error_set(&err, SG_E_IO, "refused");
    sg_error_detail(&err, "errno 111");
    sg_error_set(&err, SG_E_NOT_FOUND, "no server at %s: %s (%s)", "there", err.text, err.detail);
    assert_string_equal(err.text, "no server at there: refused (errno 111)");
    assert_string_equal(err.detail, "");
    sg_error_detail(&err, "%s", err.text);
    sg_error_detail(&err, "<%s>", err.detail);
    assert_string_equal(err.detail, "<no server at there: refused (errno 111)>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_its_own_name),
        cmocka_unit_test(a_prefix_keeps_the_code),
        cmocka_unit_test(an_error_may_be_made_of_itself),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
