/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/onnx_sides): which sides and which layout, then a file. Nothing but single
 * bytes changes, a key into one of the same wire type; what was set free once is free, so that a second time
 * changes nothing.
 */
#include "base/fuzzing.h"
#include "engine/onnx_factor.h"
#include "engine/onnx_sides.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_graph_declared declared;
    struct sg_graph_free what;
    struct sg_error err = {0};
    uint8_t *bytes;
    int64_t factor;
    size_t i;

    if (size < 1)
        return 0;
    what = (struct sg_graph_free){.sides = data[0] & 3,
                                  .has_layout = data[0] & 4,
                                  .layout = data[0] & 8 ? SG_LAYOUT_NHWC : SG_LAYOUT_NCHW};
    size--;
    bytes = malloc(size + 1); /* one byte where there is none */
    CHECK(bytes);
    memcpy(bytes, data + 1, size);
    factor = sg_onnx_factor(bytes, size, 640, 320);
    CHECK(factor == 0 || factor == 640 || factor == 320);
    if (sg_onnx_free_sides(bytes, size, &what, &declared, &err) < 0) {
        CHECK(err.text[0]);
    } else {
        for (i = 0; i < size; i++)
            CHECK(bytes[i] == data[1 + i] ||
                  ((bytes[i] & 0x7f) >> 3 == 4 && (bytes[i] & 0x87) == (data[1 + i] & 0x87)));
    }
    free(bytes);
    return 0;
}
