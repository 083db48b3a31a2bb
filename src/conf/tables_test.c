/* SPDX-License-Identifier: MIT
 * Every row of every option table: complete, consistent, its default parses, its range is enforced; and
 * docs/CONFIG.md is what the tables say. To make that file again: SIGHT_UPDATE=1 build/tables_test
 */
#include "conf/docs.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sg_error err;

static bool is_number(const struct sg_option *row)
{
    return row->type == SG_OPTION_INT || row->type == SG_OPTION_COUNT || row->type == SG_OPTION_SIZE ||
           row->type == SG_OPTION_DURATION || row->type == SG_OPTION_FLOAT;
}

static int try(const struct sg_option *row, void *values, double number)
{
    char text[64];

    snprintf(text, sizeof(text), row->type == SG_OPTION_DURATION ? "%.0fms" : "%.17g", number);
    if (row->type == SG_OPTION_SIZE || row->type == SG_OPTION_COUNT)
        snprintf(text, sizeof(text), "%.0f", number);
    return sg_option_parse(row, values, text, strlen(text), &err);
}

static void check_range(const struct sg_option *row, void *values)
{
    double below = row->minimum - 1, above = row->maximum + (row->type == SG_OPTION_FLOAT ? 0.5 : 1);
    bool exclusive = row->flags & SG_OPTION_EXCLUSIVE;

    assert_true(row->maximum > row->minimum);
    assert_int_equal(try(row, values, row->minimum), exclusive ? SG_E_CONFIG : 0);
    assert_int_equal(try(row, values, row->maximum), 0);
    assert_int_equal(try(row, values, below), SG_E_CONFIG);
    assert_non_null(strstr(err.text, "expected"));
    assert_int_equal(try(row, values, above), SG_E_CONFIG);
}

static void check_default(const struct sg_option *row, void *values)
{
    char text[256];

    if (!row->value_default || row->type == SG_OPTION_TEXTS)
        return;
    assert_int_equal(sg_option_parse(row, values, row->value_default, strlen(row->value_default), &err), 0);
    sg_option_format(row, values, text, sizeof(text));
    if (!(row->type == SG_OPTION_INT && row->choices))
        assert_string_equal(text, row->value_default);
}

static void check_table(const struct sg_option_table *table, int depth)
{
    void *values = calloc(1, table->struct_bytes);
    int i, j;

    assert_true(depth < 8);
    assert_non_null(values);
    assert_int_equal(sg_option_defaults(table, values), 0);
    assert_true(!table->shorthand || sg_option_find(table, table->shorthand, false));
    for (i = 0; i < table->row_count; i++) {
        const struct sg_option *row = &table->rows[i];

        assert_non_null(row->help);
        assert_true(row->help[strlen(row->help) - 1] != '.');
        assert_true(row->offset < table->struct_bytes && row->set_offset < table->struct_bytes);
        /* What happens without it is always said, in one way. */
        assert_int_equal((row->value_default != NULL) + (row->absent != NULL) +
                             ((row->flags & SG_OPTION_REQUIRED) != 0),
                         1);
        for (j = 0; j < i; j++) {
            assert_string_not_equal(row->key, table->rows[j].key);
            assert_true(!row->short_flag || row->short_flag != table->rows[j].short_flag);
        }
        if (row->type == SG_OPTION_ENUM)
            assert_non_null(row->choices);
        if (is_number(row))
            check_range(row, values);
        check_default(row, values);
        if (row->table)
            check_table(row->table, depth + 1);
    }
    sg_option_fini(table, values);
    free(values);
}

static void every_row_holds(void **state)
{
    const struct sg_option_table *const *table;

    (void)state;
    for (table = sg_conf_tables(); *table; table++)
        check_table(*table, 0);
}

static void the_document_is_current(void **state)
{
    const char *root = getenv("SIGHT_ROOT");
    char *text = NULL, path[1024];
    struct sg_buf file;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);

    (void)state;
    assert_non_null(to);
    assert_int_equal(sg_conf_write_docs(to), 0);
    fclose(to);
    snprintf(path, sizeof(path), "%s/docs/CONFIG.md", root ? root : ".");
    if (getenv("SIGHT_UPDATE")) {
        to = fopen(path, "we");
        assert_non_null(to);
        assert_int_equal(fwrite(text, 1, size, to), size);
        assert_int_equal(fclose(to), 0);
    }
    sg_buf_init(&file, (size_t)1 << 20);
    assert_int_equal(sg_buf_append_file(&file, path), 0);
    assert_string_equal(sg_buf_text(&file), text);
    sg_buf_fini(&file);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_holds),
        cmocka_unit_test(the_document_is_current),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
