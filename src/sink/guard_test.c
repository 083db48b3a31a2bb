/* SPDX-License-Identifier: MIT
 * What may be written to. The rule of each case is guard.h's first sentence.
 */
#include "sink/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/guard_test.XXXXXX";

/* One of a few paths in the folder, valid until four more were asked for. */
static char *in(const char *name)
{
    static char paths[4][64];
    static int next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static char *put(const char *name, const char *text)
{
    char *path = in(name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    return path;
}

static int ask(struct sg_guard *guard, const char *path, const char *source, const char *says)
{
    struct sg_error err = {0};
    int code = sg_guard_claim(guard, path, source, &err);

    if (code < 0 && !strstr(err.text, says))
        fail_msg("\"%s\" does not say \"%s\"", err.text, says);
    return code;
}

static void what_is_there_stays_unless_told(void **state)
{
    struct sg_guard guard;

    (void)state;
    sg_guard_init(&guard, false);
    assert_int_equal(ask(&guard, put("notes", "mine"), NULL, "--overwrite"), SG_E_INVALID);
    assert_int_equal(ask(&guard, put("empty", ""), NULL, ""), 0);
    assert_int_equal(ask(&guard, in("new"), NULL, ""), 0);
    assert_int_equal(ask(&guard, put("ours", "# us_up_to share count\n"), NULL, ""), 0);
    assert_int_equal(ask(&guard, "/dev/null", NULL, ""), 0);
    sg_guard_fini(&guard);
    sg_guard_init(&guard, true);
    assert_int_equal(ask(&guard, in("notes"), NULL, ""), 0);
    sg_guard_fini(&guard);
}

/* Under any name, and also when told to overwrite. */
static void a_picture_is_never_replaced(void **state)
{
    char *picture = strdup(put("picture.jpg", "# us_up_to share count\n")), *other = strdup(in("other.jpg"));
    char *const pictures[] = {other, picture};
    struct sg_error err = {0};
    struct sg_guard guard;
    int overwrite;

    (void)state;
    assert_int_equal(link(picture, in("hard")), 0);
    assert_int_equal(symlink("picture.jpg", in("soft")), 0);
    for (overwrite = 0; overwrite < 2; overwrite++) {
        sg_guard_init(&guard, overwrite);
        sg_guard_inputs(&guard, pictures, 2);
        assert_int_equal(ask(&guard, picture, picture, "the picture itself"), SG_E_INVALID);
        assert_int_equal(ask(&guard, picture, other, "never replaced"), SG_E_INVALID);
        assert_int_equal(ask(&guard, in("hard"), other, "never replaced"), SG_E_INVALID);
        assert_int_equal(ask(&guard, in("soft"), NULL, "never replaced"), SG_E_INVALID);
        assert_int_equal(ask(&guard, in("./picture.jpg"), NULL, "never replaced"), SG_E_INVALID);
        assert_int_equal(sg_guard_keep(&guard, put("list", "# us_up_to share count\n"), &err), 0);
        assert_int_equal(sg_guard_keep(&guard, in("nothing"), &err), 0);
        assert_int_equal(ask(&guard, in("nothing"), NULL, ""), 0);
        assert_int_equal(ask(&guard, in("list"), NULL, "never replaced"), SG_E_INVALID);
        sg_guard_fini(&guard);
    }
    free(picture);
    free(other);
}

/* However many there are: a folder of models and those that a watch brings. */
static void all_that_is_read_is_kept(void **state)
{
    struct sg_error err = {0};
    struct sg_guard guard;
    char name[16];
    int i;

    (void)state;
    sg_guard_init(&guard, true);
    for (i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        assert_int_equal(sg_guard_keep(&guard, put(name, "1"), &err), 0);
    }
    for (i = 0; i < 600; i++) {
        snprintf(name, sizeof(name), "k%d", i);
        assert_int_equal(ask(&guard, in(name), i % 2 ? "a" : NULL, "never replaced"), SG_E_INVALID);
        unlink(in(name));
    }
    sg_guard_fini(&guard);
}

static void a_file_belongs_to_one_picture(void **state)
{
    struct sg_error err = {0};
    struct sg_guard guard;
    char name[16];
    int i;

    (void)state;
    sg_guard_init(&guard, true);
    for (i = 0; i < 3000; i++) { /* the table grows twice */
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(ask(&guard, in(name), name, ""), 0);
    }
    assert_int_equal(ask(&guard, in("7"), "7", ""), 0); /* it came again */
    assert_int_equal(ask(&guard, in("7"), "8", "another picture"), SG_E_INVALID);
    /* the same file under another name, as on a disk without case */
    assert_int_equal(sg_guard_wrote(&guard, put("a.txt", "1"), "a", &err), 0);
    assert_int_equal(link(in("a.txt"), in("A.TXT")), 0);
    assert_int_equal(ask(&guard, in("A.TXT"), "A", "another picture"), SG_E_INVALID);
    assert_int_equal(ask(&guard, in("A.TXT"), "a", ""), 0);
    sg_guard_fini(&guard);
}

static int sweep(void **state)
{
    static const char *const names[] = {"notes", "empty", "ours",  "picture.jpg", "hard",
                                        "soft",  "list",  "a.txt", "A.TXT"};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(in(names[i]));
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_stays_unless_told),
        cmocka_unit_test(a_picture_is_never_replaced),
        cmocka_unit_test(all_that_is_read_is_kept),
        cmocka_unit_test(a_file_belongs_to_one_picture),
    };

    return mkdtemp(folder) ? cmocka_run_group_tests(tests, NULL, sweep) : 1;
}
