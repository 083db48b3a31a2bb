/* SPDX-License-Identifier: MIT
 * Protobuf messages that were given as a model. The fields of the outermost message tell whose it is: numbers
 * and types are those of onnx.proto (ModelProto), saved_model.proto, graph.proto (GraphDef), Model.proto
 * (Core ML), caffe.proto (NetParameter), framework.proto (PaddlePaddle).
 */
#include "pipe/foreign.h"

#include <stdio.h>

#define MAX_FIELDS 100000

enum wire { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

struct look {
    uint64_t seen;         /* bit n: a field n < 64 */
    bool above_99;         /* a field of 100 and more: layers of Caffe, kinds of Core ML */
    bool first_is_bytes;   /* field 1 */
    const uint8_t *inside; /* of the first field of bytes */
    size_t inside_size;
    uint64_t wanted; /* the size that the file must have for its last field; 0: it is all there */
    int cut;         /* that field */
};

static bool varint(const struct sg_foreign *file, size_t *at, uint64_t *out)
{
    int shift;

    *out = 0;
    for (shift = 0; shift < 64 && *at < file->size; shift += 7) {
        uint8_t byte = file->data[(*at)++];

        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* Walks over the outermost fields; false when the bytes are no such message. */
static bool walk(const struct sg_foreign *file, struct look *look)
{
    size_t at = 0;
    int fields;

    *look = (struct look){0};
    for (fields = 0; at < file->size && fields < MAX_FIELDS; fields++) {
        uint64_t key, value, skip;
        size_t before = at;

        if (!varint(file, &at, &key)) {
            look->wanted = file->size + 1;
            break;
        }
        if (key >> 3 == 0 || key >> 3 > 100000)
            return false;
        skip = (key & 7) == FIXED64 ? 8 : (key & 7) == FIXED32 ? 4 : 0;
        if ((key & 7) != FIXED64 && (key & 7) != FIXED32 && (key & 7) != VARINT && (key & 7) != BYTES)
            return false;
        if (((key & 7) == VARINT || (key & 7) == BYTES) && !varint(file, &at, &value)) {
            look->wanted = file->size + 1;
            look->cut = (int)(key >> 3);
            return before > 0;
        }
        skip = (key & 7) == BYTES ? value : skip;
        if ((key & 7) == BYTES && !look->inside) {
            look->inside = file->data + at;
            look->inside_size = skip < file->size - at ? (size_t)skip : file->size - at;
            look->first_is_bytes = key >> 3 == 1;
        }
        if (key >> 3 < 64)
            look->seen |= (uint64_t)1 << (key >> 3);
        look->above_99 = look->above_99 || key >> 3 >= 100;
        if (skip > file->size - at) {
            look->wanted = at + skip;
            look->cut = (int)(key >> 3);
            return before > 0 && skip < (uint64_t)1 << 40;
        }
        at += (size_t)skip;
    }
    return true;
}

#define FIELD(n) ((uint64_t)1 << (n))

static bool only(const struct look *look, uint64_t fields)
{
    return (look->seen & ~fields) == 0;
}

bool sg_foreign_proto(const struct sg_foreign *file, char *out, size_t out_bytes)
{
    const uint64_t onnx = FIELD(1) | FIELD(2) | FIELD(3) | FIELD(4) | FIELD(5) | FIELD(6) | FIELD(7) |
                          FIELD(8) | FIELD(14) | FIELD(20) | FIELD(25) | FIELD(26);
    const char *what = NULL;
    struct look look;

    if (file->size < 4 || !walk(file, &look))
        return false;
    if (look.seen & FIELD(1) && !look.first_is_bytes && only(&look, onnx) && !look.above_99 && look.wanted &&
        (look.cut == 7 || look.seen & FIELD(7) || look.cut == 0)) {
        snprintf(out, out_bytes,
                 "is an ONNX file that ends early: it has %zu bytes and %s%llu; copy or download it again",
                 file->size, look.cut ? "wants " : "wants at least ", (unsigned long long)look.wanted);
        return true;
    }
    if (look.above_99 && look.seen & FIELD(1))
        what = look.first_is_bytes ? "a Caffe model (.caffemodel); export it to ONNX"
                                   : "a Core ML model; export it to ONNX";
    else if (look.first_is_bytes && look.inside_size > 2 && look.inside[0] == 0x0a &&
             only(&look, FIELD(1) | FIELD(2) | FIELD(3) | FIELD(4)))
        what = "a frozen TensorFlow graph (GraphDef); export it to ONNX";
    else if (look.first_is_bytes && look.inside_size > 2 && look.inside[0] == 0x08 &&
             only(&look, FIELD(1) | FIELD(2) | FIELD(4) | FIELD(5)))
        what = "a PaddlePaddle program; export it to ONNX (paddle2onnx)";
    else if (!look.first_is_bytes && look.seen == (FIELD(1) | FIELD(2)) && look.inside_size > 2 &&
             look.inside[0] == 0x0a)
        what = "a TensorFlow SavedModel; export it to ONNX (tf2onnx)";
    else if (!look.wanted && look.seen & FIELD(2) && look.seen & (FIELD(4) | FIELD(9)) &&
             !(look.seen & FIELD(7)) &&
             only(&look, FIELD(1) | FIELD(2) | FIELD(4) | FIELD(5) | FIELD(8) | FIELD(9)))
        what = "one tensor, as ONNX keeps test data (.pb)";
    if (!what)
        return false;
    snprintf(out, out_bytes, "is no ONNX file but %s", what);
    return true;
}
