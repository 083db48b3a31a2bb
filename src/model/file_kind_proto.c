/* SPDX-License-Identifier: MIT
 * Protobuf messages that were given as a model. The fields of the outermost message tell whose it is: numbers
 * and types are those of onnx.proto (ModelProto), saved_model.proto, graph.proto (GraphDef), Model.proto
 * (Core ML), caffe.proto (NetParameter), framework.proto (PaddlePaddle).
 */
#include "model/file_kind.h"

#include "data/protobuf.h"

#include <stdio.h>

#define MAX_FIELDS 100000

struct look {
    uint64_t seen;         /* bit n: a field n < 64 */
    bool above_99;         /* a field of 100 and more: layers of Caffe, kinds of Core ML */
    bool first_is_bytes;   /* field 1 */
    const uint8_t *inside; /* of the first field of bytes */
    size_t inside_size;
    uint64_t wanted; /* the size that the file must have for its last field; 0: it is all there */
    int cut;         /* that field */
};

/* Walks over the outermost fields; false when the bytes are no such message. */
static bool walk(const struct sg_file_kind *file, struct look *look)
{
    struct sg_protobuf message = {.data = file->data, .end = file->size};
    struct sg_protobuf_field field;
    int fields;

    *look = (struct look){0};
    for (fields = 0; fields < MAX_FIELDS; fields++) {
        enum sg_protobuf_next next = sg_protobuf_next(&message, &field);

        if (next == SG_PROTOBUF_END)
            return true;
        if (next == SG_PROTOBUF_DAMAGED)
            return false;
        if (field.wire == SG_PROTOBUF_BYTES && field.number > 0 && !look->inside) {
            look->inside = file->data + field.at;
            look->inside_size =
                field.size < file->size - field.at ? (size_t)field.size : file->size - field.at;
            look->first_is_bytes = field.number == 1;
        }
        if (field.number > 0 && field.number < 64)
            look->seen |= (uint64_t)1 << field.number;
        look->above_99 = look->above_99 || field.number >= 100;
        if (next == SG_PROTOBUF_CUT) {
            look->cut = (int)field.number;
            look->wanted = field.size > 0 ? field.at + field.size : file->size + 1;
            return field.number == 0 || (field.key > 0 && field.size < (uint64_t)1 << 40);
        }
    }
    return true;
}

#define FIELD(n) ((uint64_t)1 << (n))

static bool only(const struct look *look, uint64_t fields)
{
    return (look->seen & ~fields) == 0;
}

bool sg_file_kind_proto(const struct sg_file_kind *file, char *out, size_t out_bytes)
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
