/* SPDX-License-Identifier: MIT
 * Pictures that were in a folder before it was watched, at moments that no other process can choose. The
 * half second is watch.c's: a file that stays as it is for so long is complete.
 */
#include "app/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define QUIET_US 600000

static char folder[64], inside[80], path[96];
static struct sg_watch *watch;

static void put(const char *how, const char *text)
{
    FILE *file = fopen(path, how);

    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
}

/* A folder with a picture is moved into the one that is watched. */
static int begin(void **state)
{
    const struct sg_pictures apart = {0};
    struct sg_error err = {0};
    char outside[] = "/tmp/watch_test_XXXXXX";

    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/watch_test_in_XXXXXX");
    if (!mkdtemp(folder) || !mkdtemp(outside) || sg_watch_open(folder, &apart, &watch, &err) < 0)
        return -1;
    snprintf(path, sizeof(path), "%s/a.jpg", outside);
    put("we", "1");
    snprintf(inside, sizeof(inside), "%s/new", folder);
    snprintf(path, sizeof(path), "%s/a.jpg", inside);
    return rename(outside, inside);
}

static int end(void **state)
{
    (void)state;
    sg_watch_close(&watch);
    return unlink(path) + rmdir(inside) + rmdir(folder);
}

static int next(void)
{
    char *got = NULL;
    int name_at = 0, code = sg_watch_next(watch, &got, &name_at);

    if (code == 1)
        assert_string_equal(got, path);
    free(got);
    return code;
}

static void what_was_found_comes_when_it_is_quiet(void **state)
{
    (void)state;
    assert_int_equal(next(), 0);
    usleep(QUIET_US);
    assert_int_equal(next(), 1);
    usleep(QUIET_US);
    assert_int_equal(next(), 0);
}

static void what_is_written_to_is_waited_for(void **state)
{
    FILE *file = fopen(path, "ae"); /* not closed until it has come: that would tell */

    (void)state;
    assert_non_null(file);
    assert_int_equal(next(), 0);
    fputs("2", file);
    assert_int_equal(fflush(file), 0);
    usleep(QUIET_US);
    assert_int_equal(next(), 0);
    usleep(QUIET_US);
    assert_int_equal(next(), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(next(), 1); /* written to the end only now */
}

static void what_was_found_and_then_closed_comes_once(void **state)
{
    int i;

    (void)state;
    assert_int_equal(next(), 0);
    put("ae", "2");
    assert_int_equal(next(), 1);
    for (i = 0; i < 2; i++) { /* the first look would see that it has grown */
        usleep(QUIET_US);
        assert_int_equal(next(), 0);
    }
}

static void what_has_gone_again_is_no_picture(void **state)
{
    (void)state;
    assert_int_equal(next(), 0);
    assert_int_equal(unlink(path), 0);
    usleep(QUIET_US);
    assert_int_equal(next(), 0);
    put("we", "1");
    assert_int_equal(next(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_found_comes_when_it_is_quiet, begin, end),
        cmocka_unit_test_setup_teardown(what_is_written_to_is_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(what_was_found_and_then_closed_comes_once, begin, end),
        cmocka_unit_test_setup_teardown(what_has_gone_again_is_no_picture, begin, end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
