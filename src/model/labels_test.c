/* SPDX-License-Identifier: MIT
 * Class names as exporters and people write them. The texts are those Ultralytics (Python's repr of a dict)
 * and JSON writers produce.
 */
#include "model/model_private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void exporters_maps_are_read(void **state)
{
    struct sg_labels labels = {0};
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(sg_labels_parse("{0: 'person', 1: \"dog's bed\", 3: 'it\\'s'}", &labels, &err), 0);
    assert_int_equal(labels.count, 4);
    assert_string_equal(labels.items[0], "person");
    assert_string_equal(labels.items[1], "dog's bed");
    assert_null(labels.items[2]);
    assert_string_equal(labels.items[3], "it's");
    assert_int_equal(sg_labels_parse("{\"0\": \"a\", \"1\": \"b\"}", &labels, &err), 0);
    assert_string_equal(labels.items[1], "b");
    assert_int_equal(sg_labels_parse("['x', 'y']", &labels, &err), 0);
    assert_int_equal(labels.count, 2);
    sg_labels_fini(&labels);
}

static void broken_maps_are_refused(void **state)
{
    static const char *const broken[] = {
        "",       "person", "{",      "{0: 'a'",   "{0 'a'}",         "{x: 'a'}",
        "{0: a}", "[]",     "{0: 'a", "{-1: 'a'}", "{99999999: 'a'}", "{0: 'a'] "};
    struct sg_labels labels = {0};
    struct sg_error err = {0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        assert_true(sg_labels_parse(broken[i], &labels, &err) < 0);
        assert_int_equal(labels.count, 0);
    }
}

static void files_of_any_line_end_are_read(void **state)
{
    static const char text[] = "\xef\xbb\xbf???\r\nperson\r\n\r\nzebra";
    char path[] = "/tmp/sight-labels-XXXXXX";
    struct sg_labels labels = {0};
    struct sg_error err = {0};
    int fd = mkstemp(path);

    (void)state;
    assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
    close(fd);
    assert_int_equal(sg_labels_read(path, &labels, &err), 0);
    assert_int_equal(labels.count, 4);
    assert_string_equal(labels.items[0], "???");
    assert_string_equal(labels.items[2], "");
    assert_string_equal(labels.items[3], "zebra");
    unlink(path);
    assert_int_equal(sg_labels_read(path, &labels, &err), SG_E_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    sg_labels_fini(&labels);
}

/* Forms that stand in metadata of models in the wild: Transformers' id2label, PP-OCR's lines under
 * `character`, alphabets in one piece, words between commas. names: joined by '|'. */
static void metadata_of_many_exporters(void **state)
{
    static const struct {
        const char *key, *value, *names;
    } rows[] = {
        {"id2label", "{\"0\": \"cat\", \"1\": \"dog\"}", "cat|dog"},
        {"character", "a\n \n\xe4\xb8\xad\r\n", "a| |\xe4\xb8\xad"},
        {"character", "ab\xe4\xb8\xad ", "a|b|\xe4\xb8\xad| "},
        {"alphabet", "0,1", "0|,|1"},
        {"classes", " cat, small dog ,bird", "cat|small dog|bird"},
        {"labels", "cat\ndog\n", "cat|dog"},
        {"names", "cat", ""},      /* a lone word is no list */
        {"classes", "[cat, ", ""}, /* nor is a broken literal */
        {"licence", "a,b", ""},
    };
    size_t i;
    int k;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sg_signature signature = {.meta_count = 1};
        struct sg_labels labels = {0};
        struct sg_error err = {0};
        const char *key;
        char got[64] = "";

        signature.meta[0] = (struct sg_meta){strdup(rows[i].key), strdup(rows[i].value)};
        assert_int_equal(sg_labels_meta(&signature, &labels, &key, &err), 0);
        for (k = 0; k < labels.count; k++)
            snprintf(got + strlen(got), sizeof(got) - strlen(got), "%s%s", k ? "|" : "", labels.items[k]);
        assert_string_equal(got, rows[i].names);
        if (labels.count > 0)
            assert_string_equal(key, rows[i].key);
        sg_labels_fini(&labels);
        sg_signature_fini(&signature);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exporters_maps_are_read),
        cmocka_unit_test(broken_maps_are_refused),
        cmocka_unit_test(files_of_any_line_end_are_read),
        cmocka_unit_test(metadata_of_many_exporters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
