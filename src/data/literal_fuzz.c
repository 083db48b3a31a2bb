/* SPDX-License-Identifier: MIT
 * Any bytes as a list or dict of names. Corpus: fuzz/corpus/literal.
 */
#include "base/fuzzing.h"
#include "data/literal.h"

#include <string.h>

static int look(void *context, int index, const char *name, size_t size)
{
    int *most = context;

    CHECK(index >= 0 && index < SG_LITERAL_MAX_NAMES);
    CHECK(size <= SG_LITERAL_NAME_BYTES && strlen(name) == size);
    *most = index > *most ? index : *most;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int most = -1, count = sg_literal_names((const char *)data, size, look, &most);

    CHECK(count == -1 || (count > most && count <= SG_LITERAL_MAX_NAMES));
    CHECK(sg_literal_names((const char *)data, size, NULL, NULL) == count);
    return 0;
}
