/* SPDX-License-Identifier: MIT
 * Names of files by hand, as dirname(3) and Python's os.path.splitext take them apart.
 */
#include "base/path.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void endings_are_the_last_bytes(void **state)
{
    (void)state;
    assert_true(sg_path_ends("a/b.yaml", ".yaml"));
    assert_false(sg_path_ends(".yaml", ".yaml")); /* a hidden file, as os.path.splitext has it */
    assert_false(sg_path_ends("yaml", ".yaml"));
    assert_false(sg_path_ends("", ".yaml"));
    assert_false(sg_path_ends("b.yaml.txt", ".yaml"));
    assert_false(sg_path_ends("b.YAML", ".yaml"));
    assert_true(sg_path_ends_in_any_case("b.YAML", ".yaml"));
    assert_true(sg_path_ends_in_any_case("a.b/c.Csv", ".csv"));
    assert_false(sg_path_ends_in_any_case("a.csv/c", ".csv"));
    assert_false(sg_path_ends_in_any_case("csv", ".csv"));
}

static void paths_are_beside_their_file(void **state)
{
    char out[32];

    (void)state;
    assert_int_equal(sg_path_beside("a/b.yaml", "c.txt", out, sizeof(out)), 0);
    assert_string_equal(out, "a/c.txt");
    assert_int_equal(sg_path_beside("b.yaml", "c.txt", out, sizeof(out)), 0);
    assert_string_equal(out, "c.txt");
    assert_int_equal(sg_path_beside("a/b.yaml", "/c", out, sizeof(out)), 0);
    assert_string_equal(out, "/c");
    assert_int_equal(sg_path_beside(NULL, "c", out, sizeof(out)), 0);
    assert_string_equal(out, "c");
    assert_int_equal(sg_path_beside("a/b", "cccc", out, 6), SG_E_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(endings_are_the_last_bytes),
                                       cmocka_unit_test(paths_are_beside_their_file)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
