/* SPDX-License-Identifier: MIT
 * Any bytes as a file that is no model. Corpus: fuzz/corpus/file_kind.
 */
#include "base/fuzzing.h"
#include "model/file_kind.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[SG_FILE_KIND_TEXT_MAX] = "";
    uint8_t *copy = malloc(size ? size : 1); /* so that reading past the end is seen */
    struct sg_file_kind file = {.data = copy, .size = size};

    CHECK(copy);
    memcpy(copy, data, size);
    CHECK(sg_file_kind_tell(&file, text, sizeof(text)) == (text[0] != '\0'));
    CHECK(strlen(text) < sizeof(text));
    free(copy);
    return 0;
}
