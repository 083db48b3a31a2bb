/* SPDX-License-Identifier: MIT
 * What the test wrote with stdio comes back; what is no file does not.
 */
#include "base/mapping.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mapping_test_XXXXXX";

static const char *path_of(const char *name)
{
    static char path[64];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "we");

    assert_non_null(file);
    assert_int_equal(fputs(text, file) >= 0 && fclose(file) == 0, true);
}

static void a_file_is_its_bytes(void **state)
{
    struct sg_mapping one, other;

    (void)state;
    put("a", "some bytes");
    assert_int_equal(sg_mapping_open(&one, path_of("a"), true, NULL), 0);
    assert_int_equal(sg_mapping_open(&other, path_of("a"), false, NULL), 0);
    assert_int_equal(one.size, 10);
    assert_memory_equal(one.bytes, "some bytes", 10);
    one.bytes[0] = 'S'; /* private: nobody else sees it */
    assert_memory_equal(other.bytes, "some bytes", 10);
    sg_mapping_close(&one);
    assert_null(one.bytes);
    sg_mapping_close(&one);
    sg_mapping_close(&other);
}

static void what_is_empty_or_no_file_is_nothing(void **state)
{
    struct sg_mapping mapping = {.size = 1};

    (void)state;
    put("empty", "");
    assert_int_equal(sg_mapping_open(&mapping, path_of("empty"), false, NULL), 0);
    assert_null(mapping.bytes);
    assert_int_equal(mapping.size, 0);
    assert_int_equal(sg_mapping_open(&mapping, folder, false, NULL), 0);
    assert_null(mapping.bytes);
}

static void errors_are_told_apart(void **state)
{
    struct sg_mapping mapping = {.size = 1};
    struct sg_error err;

    (void)state;
    assert_int_equal(sg_mapping_open(&mapping, path_of("absent"), false, &err), SG_E_NOT_FOUND);
    assert_string_equal(err.text, "cannot read it: No such file or directory");
    assert_int_equal(mapping.size, 0);
    put("file", "x");
    assert_int_equal(sg_mapping_open(&mapping, path_of("file/below"), false, &err), SG_E_IO);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path_of("a"));
    unlink(path_of("empty"));
    unlink(path_of("file"));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_file_is_its_bytes),
                                       cmocka_unit_test(what_is_empty_or_no_file_is_nothing),
                                       cmocka_unit_test(errors_are_told_apart)};

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
