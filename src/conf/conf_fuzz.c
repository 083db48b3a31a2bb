/* SPDX-License-Identifier: MIT
 * Any bytes as a card, a recipe and the server's settings, and as one value of every row. Corpus:
 * fuzz/corpus/conf.
 */
#include "base/fuzzing.h"
#include "conf/card.h"
#include "conf/docs.h"
#include "conf/recipe.h"
#include "conf/server.h"

#include <stdlib.h>

const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 loses 2 KiB when a quoted text with many quotes in it is not closed. Ours are still found:
 * the unit tests run without this. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml\n";
}

static void fuzz_values(const struct sg_option_table *table, const char *text, size_t size)
{
    void *values = malloc(table->struct_bytes);
    struct sg_error err;
    int i;

    if (!values || sg_option_defaults(table, values) < 0)
        abort();
    for (i = 0; i < table->row_count; i++) {
        char out[128];

        if (sg_option_parse(&table->rows[i], values, text, size, &err) < 0 && err.text[0] == '\0')
            abort();
        sg_option_format(&table->rows[i], values, out, sizeof(out));
        if (table->rows[i].table)
            fuzz_values(table->rows[i].table, text, size);
    }
    sg_option_fini(table, values);
    free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct sg_option_table *const *table;
    const char *text = (const char *)data;
    struct sg_conf_problems problems = {0};
    struct sg_server_conf conf;
    struct sg_recipe recipe;
    struct sg_card card;
    char line[512];
    int i;

    /* Due after failures too: what was sound in a file is kept. */
    (void)sg_card_parse("card.yaml", text, size, &card, &problems);
    sg_card_fini(&card);
    (void)sg_recipe_parse("recipe.yaml", text, size, &recipe, &problems);
    sg_recipe_fini(&recipe);
    (void)sg_server_conf_parse("server.yaml", text, size, &conf, &problems);
    sg_server_conf_fini(&conf);
    for (i = 0; i < problems.count; i++)
        sg_conf_problem_format(&problems.items[i], line, sizeof(line));
    sg_conf_problems_fini(&problems);
    for (table = sg_conf_tables(); size < 64 && *table; table++)
        fuzz_values(*table, text, size);
    return 0;
}
