/* SPDX-License-Identifier: MIT
 * Pictures that were in a folder before it was watched, at moments that no other process can choose. The
 * half second is watch.c's: a file that stays as it is for so long is complete.
 */
#include "app/watch.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

/* A folder of its own: inside is in it and not yet there. */
static int begin_empty(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/watch_test_in_XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(inside, sizeof(inside), "%s/new", folder);
    snprintf(path, sizeof(path), "%s/a.jpg", folder);
    return 0;
}

static int end_empty(void **state)
{
    char command[96];

    (void)state;
    sg_watch_close(&watch);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

static void watch_folder(const char *name)
{
    const struct sg_pictures apart = {0};
    struct sg_error err = {0};

    if (sg_watch_open(name, &apart, &watch, &err) < 0)
        fail_msg("%s", err.text);
}

static void what_is_no_folder_is_not_watched(void **state)
{
    const struct sg_pictures apart = {0};
    struct sg_error err = {0};
    char expected[256];

    (void)state;
    put("we", "1");
    assert_int_equal(sg_watch_open(inside, &apart, &watch, &err), SG_E_NOT_FOUND);
    snprintf(expected, sizeof(expected), "cannot watch folder \"%s\": No such file or directory", inside);
    assert_string_equal(err.text, expected);
    assert_null(watch);
    assert_int_equal(sg_watch_open(path, &apart, &watch, &err), SG_E_NOT_FOUND);
    snprintf(expected, sizeof(expected), "cannot watch folder \"%s\": Not a directory", path);
    assert_string_equal(err.text, expected);
    assert_int_equal(symlink("loop", inside), 0);
    snprintf(inside, sizeof(inside), "%s/loop", folder);
    assert_int_equal(symlink("new", inside), 0);
    assert_int_equal(sg_watch_open(inside, &apart, &watch, &err), SG_E_IO);
    assert_non_null(strstr(err.text, ": Too many levels of symbolic links"));
    sg_watch_close(&watch); /* of nothing */
}

/* Hard links are whole at once, and so are links to files; links to folders, to nothing and files by another
 * ending are no pictures, and neither is a file that is only begun. */
static void links_are_pictures_at_once(void **state)
{
    char from[96], to_folder[96], open_path[96];
    FILE *file;

    (void)state;
    snprintf(from, sizeof(from), "%s/.hidden", folder);
    snprintf(to_folder, sizeof(to_folder), "%s/b.jpg", folder);
    snprintf(open_path, sizeof(open_path), "%s/c.jpg", folder);
    watch_folder(folder);
    file = fopen(from, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(symlink(folder, to_folder), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(next(), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(from, path), 0);
    assert_int_equal(next(), 1);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(link(from, path), 0);
    assert_int_equal(next(), 1);
    file = fopen(open_path, "we");
    assert_non_null(file);
    assert_int_equal(next(), 0);
    snprintf(path, sizeof(path), "%s", open_path);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(next(), 1);
    assert_int_equal(next(), 0);
}

/* Of two links that have gone before they are looked at there is nothing to say. */
static void what_has_gone_at_once_is_no_picture(void **state)
{
    (void)state;
    watch_folder(folder);
    assert_int_equal(symlink("/nowhere", path), 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(inside, 0700), 0);
    assert_int_equal(rmdir(inside), 0);
    assert_int_equal(next(), 0);
    put("we", "1");
    assert_int_equal(next(), 1);
}

/* Folders down to the 64th are gone into (SG_PICTURES_MAX_DEPTH), as when a folder is read. */
static void depth_is_bounded(void **state)
{
    enum { DEEPEST = 64 };
    char deep[512], deeper[560], *got = NULL;
    size_t used;
    FILE *file;
    int name_at = 0, i;

    (void)state;
    used = (size_t)snprintf(deep, sizeof(deep), "%s", folder);
    for (i = 0; i < DEEPEST; i++) {
        used += (size_t)snprintf(deep + used, sizeof(deep) - used, "/d");
        assert_int_equal(mkdir(deep, 0700), 0);
    }
    snprintf(deeper, sizeof(deeper), "%s/d", deep);
    assert_int_equal(mkdir(deeper, 0700), 0);
    watch_folder(folder);
    snprintf(deeper, sizeof(deeper), "%s/d/b.jpg", deep);
    file = fopen(deeper, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(next(), 0);
    snprintf(deeper, sizeof(deeper), "%s/c.jpg", deep);
    file = fopen(deeper, "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(sg_watch_next(watch, &got, &name_at), 1);
    assert_string_equal(got, deeper);
    assert_int_equal(name_at, strlen(folder) + 1);
    free(got);
    assert_int_equal(next(), 0);
}

/* The watch ends with the folder that was named, after what had come. */
static void a_folder_that_goes_ends_the_watch(void **state)
{
    char elsewhere[96];

    (void)state;
    assert_int_equal(mkdir(inside, 0700), 0);
    watch_folder(inside);
    snprintf(path, sizeof(path), "%s/a.jpg", inside);
    put("we", "1");
    snprintf(elsewhere, sizeof(elsewhere), "%s/elsewhere", folder);
    assert_int_equal(rename(inside, elsewhere), 0);
    assert_int_equal(next(), 1);
    assert_int_equal(next(), SG_E_NOT_FOUND);
    assert_int_equal(next(), SG_E_NOT_FOUND);
}

/* Pictures found and not yet given out when the watch is closed are forgotten with it. */
static void what_was_found_is_forgotten_at_the_end(void **state)
{
    (void)state;
    watch_folder(folder);
    assert_int_equal(mkdir(inside, 0700), 0);
    snprintf(path, sizeof(path), "%s/a.jpg", inside);
    put("we", "1");
    assert_int_equal(next(), 0);
    sg_watch_close(&watch);
    assert_null(watch);
}

/* What stands on standard error after one look at what came. */
static void assert_said(const char *expected)
{
    char said[1024] = "", file[] = "/tmp/watch_test_said_XXXXXX";
    int to = mkstemp(file), before = dup(STDERR_FILENO), code;
    ssize_t size;

    assert_true(to >= 0 && before >= 0);
    fflush(stderr);
    assert_true(dup2(to, STDERR_FILENO) >= 0);
    code = next();
    fflush(stderr);
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    assert_int_equal(code, 0);
    size = pread(to, said, sizeof(said) - 1, 0);
    close(to);
    unlink(file);
    assert_true(size >= 0);
    assert_string_equal(said, expected);
}

/* A folder that must not be read is told of, once, and does not end the watch. Root may read anything, so it
 * is somebody else meanwhile. */
static void folders_that_cannot_be_watched_are_told(void **state)
{
    bool root = geteuid() == 0;
    char expected[256], other[96];
    int code;

    (void)state;
    assert_int_equal(chmod(folder, 0777), 0);
    watch_folder(folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    assert_int_equal(mkdir(inside, 0), 0);
    assert_int_equal(mkdir(other, 0), 0);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    snprintf(expected, sizeof(expected),
             "sight: folder \"%s\" cannot be watched; further ones may not be either\n", inside);
    assert_said(expected);
    put("we", "1");
    code = next();
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(code, 1);
    sg_watch_close(&watch);
    if (root)
        assert_int_equal(seteuid(65534), 0);
    watch_folder(folder); /* with those in it from the beginning */
    put("we", "1");
    code = next();
    if (root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(code, 1);
    assert_int_equal(chmod(inside, 0700) + chmod(other, 0700), 0);
}

/* In a user namespace of its own a process may set how many watches it gets (namespaces(7),
 * max_inotify_watches). */
static void the_kernels_limit_is_told(void **state)
{
    char expected[256];
    FILE *limit;
    pid_t child;
    int status = 0;

    (void)state;
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (unshare(CLONE_NEWUSER) != 0 || !(limit = fopen("/proc/sys/user/max_inotify_watches", "we")) ||
            fputs("1", limit) < 0 || fclose(limit) != 0)
            _exit(77);
        watch_folder(folder);
        if (mkdir(inside, 0700) != 0)
            _exit(77);
        snprintf(
            expected, sizeof(expected),
            "sight: folder \"%s\" cannot be watched (fs.inotify.max_user_watches); further ones may not be "
            "either\n",
            inside);
        assert_said(expected);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* no user namespaces here */
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_found_comes_when_it_is_quiet, begin, end),
        cmocka_unit_test_setup_teardown(what_is_written_to_is_waited_for, begin, end),
        cmocka_unit_test_setup_teardown(what_was_found_and_then_closed_comes_once, begin, end),
        cmocka_unit_test_setup_teardown(what_has_gone_again_is_no_picture, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_folder_is_not_watched, begin_empty, end_empty),
        cmocka_unit_test_setup_teardown(links_are_pictures_at_once, begin_empty, end_empty),
        cmocka_unit_test_setup_teardown(what_has_gone_at_once_is_no_picture, begin_empty, end_empty),
        cmocka_unit_test_setup_teardown(depth_is_bounded, begin_empty, end_empty),
        cmocka_unit_test_setup_teardown(a_folder_that_goes_ends_the_watch, begin_empty, end_empty),
        cmocka_unit_test_setup_teardown(what_was_found_is_forgotten_at_the_end, begin_empty, end_empty),
        cmocka_unit_test_setup_teardown(folders_that_cannot_be_watched_are_told, begin_empty, end_empty),
        cmocka_unit_test_setup_teardown(the_kernels_limit_is_told, begin_empty, end_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
