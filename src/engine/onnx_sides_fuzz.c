/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/onnx_sides): which sides and which layout, then a file. Nothing but single
 * bytes changes, a key into one of the same wire type; what was set free once is free, so that a second time
 * changes nothing. Metadata are read of the same file.
 */
#include "base/fuzzing.h"
#include "engine/onnx_factor.h"
#include "engine/onnx_metadata.h"
#include "engine/onnx_ops.h"
#include "engine/onnx_sides.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Keys are told apart, and everything is a text. */
static void read_metadata(const uint8_t *data, size_t size)
{
    static int file = -1;
    struct sg_signature signature = {0};
    char path[64];
    int i;

    if (file < 0)
        file = memfd_create("onnx_sides_fuzz", MFD_CLOEXEC);
    CHECK(file >= 0 && ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    CHECK(sg_onnx_metadata(path, &signature, NULL) == 0);
    for (i = 0; i < signature.meta_count; i++)
        CHECK(sg_signature_meta(&signature, signature.meta[i].key) == signature.meta[i].value);
    sg_signature_fini(&signature);
}

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
    read_metadata(data + 1, size);
    memcpy(bytes, data + 1, size);
    factor = sg_onnx_factor(bytes, size, 640, 320);
    (void)sg_onnx_quantised(bytes, size);
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
