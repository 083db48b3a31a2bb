/* SPDX-License-Identifier: MIT
 * Any bytes as a file of class names: with no ending, as YAML and as a label map. Corpus: fuzz/corpus/names.
 */
#include "base/fuzzing.h"
#include "conf/names.h"

#include <string.h>

const char *__lsan_default_suppressions(void);

/* As in conf_fuzz.c. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml\n";
}

static void read_as(const char *path, const char *text, size_t size)
{
    struct sg_texts labels = {0};
    struct sg_error err = {0};
    int code = sg_conf_labels_parse(path, text, size, &labels, &err), i;

    CHECK(code == 0 || (code == err.code && err.text[0]));
    CHECK(labels.count <= SG_OPTION_LIST_MAX);
    for (i = 0; i < labels.count; i++)
        CHECK(strlen(labels.items[i].value) <= SG_OPTION_TEXT_MAX);
    sg_texts_fini(&labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    read_as("labels.txt", (const char *)data, size);
    read_as("labels.json", (const char *)data, size);
    read_as("labels.pbtxt", (const char *)data, size);
    return 0;
}
