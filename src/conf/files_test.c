/* SPDX-License-Identifier: MIT
 * Paths, folders of pipelines, kinds of files; on files made here and on those that ship.
 */
#include "conf/files.h"

#include "conf/card.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/sight-files-XXXXXX";
static struct sg_conf_problems problems;
static struct sg_texts texts;

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/sight-files-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    static const char *const names[] = {"b.yaml", "a.yml", ".hidden.yaml", "note.txt", NULL};
    char path[256];
    int i;

    (void)state;
    for (i = 0; names[i]; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
        remove(path);
    }
    rmdir(folder);
    sg_conf_problems_fini(&problems);
    sg_texts_fini(&texts);
    return 0;
}

static const char *make(const char *name, const char *content, size_t size)
{
    static char path[256];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(content, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}

static void folders_are_listed_in_order(void **state)
{
    struct sg_texts paths = {0};
    char line[256], expected[256];

    (void)state;
    make("b.yaml", "", 0);
    make("a.yml", "", 0);
    make(".hidden.yaml", "", 0);
    make("note.txt", "", 0);
    assert_int_equal(sg_texts_append(&paths, folder, strlen(folder), 3, 7), 0);
    assert_int_equal(sg_conf_list("s.yaml", &paths, &texts, &problems), 0);
    assert_int_equal(texts.count, 2);
    assert_string_equal(strrchr(texts.items[0].value, '/'), "/a.yml");
    assert_string_equal(strrchr(texts.items[1].value, '/'), "/b.yaml");
    assert_int_equal(sg_texts_append(&paths, "nowhere", 7, 4, 5), 0);
    assert_int_equal(sg_conf_list("x/s.yaml", &paths, &texts, &problems), SG_E_CONFIG);
    snprintf(expected, sizeof(expected),
             "x/s.yaml:4:5: \"x/nowhere\" cannot be read: No such file or directory");
    assert_string_equal(sg_conf_problem_format(&problems.items[0], line, sizeof(line)), expected);
    sg_texts_fini(&paths);
}

static void assert_kind(const char *path, const char *expected)
{
    const char *kind = NULL;

    assert_int_equal(sg_conf_check(path, &kind, &problems), 0);
    assert_string_equal(kind, expected);
}

static void shipped_files_are_told_apart_and_right(void **state)
{
    static const struct {
        const char *pattern, *kind;
        size_t least;
    } cases[] = {{"sightd.yaml", "server", 1},
                 {"pipelines/*.yaml", "pipeline", 3},
                 {"models/*/model.yaml", "model card", 2}};
    const char *root = getenv("SIGHT_ROOT");
    char pattern[1024];
    size_t i, k;
    glob_t found;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(pattern, sizeof(pattern), "%s/%s", root ? root : ".", cases[i].pattern);
        assert_int_equal(glob(pattern, 0, NULL, &found), 0);
        assert_true(found.gl_pathc >= cases[i].least);
        for (k = 0; k < found.gl_pathc; k++)
            assert_kind(found.gl_pathv[k], cases[i].kind);
        globfree(&found);
    }
}

static void other_files_are_refused(void **state)
{
    const char *kind = NULL;

    (void)state;
    assert_int_equal(sg_conf_check(make("b.yaml", "apples: 3\n", 10), &kind, &problems), SG_E_CONFIG);
    assert_string_equal(kind, "unknown");
    assert_int_equal(sg_conf_check(make("b.yaml", "detect: {}\n", 11), &kind, &problems), SG_E_CONFIG);
    assert_string_equal(kind, "pipeline");
    assert_int_equal(problems.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(folders_are_listed_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(shipped_files_are_told_apart_and_right, setup, teardown),
        cmocka_unit_test_setup_teardown(other_files_are_refused, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
