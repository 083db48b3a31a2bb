/* SPDX-License-Identifier: MIT
 * struct sg_buf: limits, growth, files.
 */
#include "base/buf.h"
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void grows_and_keeps(void **state)
{
    struct sg_buf buf;
    int i;

    (void)state;
    sg_buf_init(&buf, 100000);
    for (i = 0; i < 10000; i++)
        assert_int_equal(sg_buf_printf(&buf, "%04d ", i), 0);
    assert_int_equal(buf.size, 50000);
    assert_memory_equal(buf.data + 49995, "9999 ", 5);
    assert_int_equal(strlen(sg_buf_text(&buf)), 50000);
    sg_buf_fini(&buf);
}

static void stops_at_its_maximum(void **state)
{
    struct sg_buf buf;

    (void)state;
    sg_buf_init(&buf, 10);
    assert_int_equal(sg_buf_append(&buf, "0123456789", 10), 0);
    assert_int_equal(sg_buf_append(&buf, "x", 1), SG_E_TOO_LARGE);
    assert_int_equal(sg_buf_append(&buf, "x", SIZE_MAX), SG_E_TOO_LARGE);
    assert_null(sg_buf_text(&buf));
    assert_int_equal(buf.size, 10);
    sg_buf_fini(&buf);
}

static void reads_files_up_to_the_limit(void **state)
{
    char path[] = "/tmp/sight-buf-XXXXXX";
    int fd = mkstemp(path);
    struct sg_buf buf;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "hello world", 11), 11);
    close(fd);
    sg_buf_init(&buf, 11);
    assert_int_equal(sg_buf_append_file(&buf, path), 0);
    assert_int_equal(buf.size, 11);
    sg_buf_fini(&buf);
    sg_buf_init(&buf, 10);
    assert_int_equal(sg_buf_append_file(&buf, path), SG_E_TOO_LARGE);
    sg_buf_fini(&buf);
    unlink(path);
    sg_buf_init(&buf, 10);
    assert_int_equal(sg_buf_append_file(&buf, path), SG_E_NOT_FOUND);
    sg_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps),
        cmocka_unit_test(stops_at_its_maximum),
        cmocka_unit_test(reads_files_up_to_the_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
