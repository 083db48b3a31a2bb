/* SPDX-License-Identifier: MIT
 * Constants that may be sizes; see onnx_factor.h. Numbers of fields and types are those of onnx.proto.
 */
#include "engine/onnx_factor.h"

#include "data/protobuf.h"

#include <stdbool.h>
#include <string.h>

#define MAX_NAMES    64
#define MAX_ELEMENTS 8
#define LEAST_SIDE   32

enum { MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_INITIALIZER = 5 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_OP_TYPE = 4, NODE_ATTRIBUTE = 5, ATTRIBUTE_TENSOR = 5 };
enum { TENSOR_TYPE = 2, TENSOR_FLOATS = 4, TENSOR_INT64S = 7, TENSOR_NAME = 8, TENSOR_RAW = 9 };
enum { TYPE_FLOAT = 1, TYPE_INT64 = 7, TYPE_DOUBLE = 11 };

struct name {
    const uint8_t *bytes;
    size_t size;
    int64_t side;
};

struct work {
    int64_t height, width;
    struct name names[MAX_NAMES];
    int count;
};

static int64_t side_of(const struct work *work, double value)
{
    if (value == (double)work->height && work->height >= LEAST_SIDE)
        return work->height;
    return value == (double)work->width && work->width >= LEAST_SIDE ? work->width : 0;
}

/* Little-endian, as protobuf and raw_data have numbers. */
static int64_t side_in(const struct work *work, const uint8_t *bytes, size_t size, uint64_t type)
{
    size_t each = type == TYPE_FLOAT ? sizeof(float) : sizeof(double), at;
    int64_t side = 0;

    for (at = 0; side == 0 && size <= MAX_ELEMENTS * each && at + each <= size; at += each) {
        uint64_t bits = 0;
        double wide;
        float narrow;
        size_t i;

        for (i = each; i > 0; i--)
            bits = bits << 8 | bytes[at + i - 1];
        if (type == TYPE_FLOAT) {
            uint32_t half = (uint32_t)bits;

            memcpy(&narrow, &half, sizeof(narrow));
            side = side_of(work, (double)narrow);
        } else if (type == TYPE_DOUBLE) {
            memcpy(&wide, &bits, sizeof(wide));
            side = side_of(work, wide);
        } else if (type == TYPE_INT64) {
            side = side_of(work, (double)(int64_t)bits);
        }
    }
    return side;
}

static int64_t side_in_varints(const struct work *work, struct sg_protobuf packed)
{
    int64_t side = 0;
    uint64_t value;
    int count;

    for (count = 0; count < MAX_ELEMENTS && side == 0; count++) {
        if (sg_protobuf_varint(&packed, &value) != SG_PROTOBUF_FIELD)
            break;
        side = side_of(work, (double)value);
    }
    return side;
}

static int64_t side_in_tensor(const struct work *work, struct sg_protobuf tensor, struct name *out_name)
{
    struct sg_protobuf again = tensor;
    struct sg_protobuf_field field;
    uint64_t type = 0;
    int64_t side = 0;

    while (sg_protobuf_next(&tensor, &field) == SG_PROTOBUF_FIELD)
        if (field.number == TENSOR_TYPE && field.wire == SG_PROTOBUF_VARINT)
            type = field.varint;
    while (sg_protobuf_next(&again, &field) == SG_PROTOBUF_FIELD) {
        const uint8_t *bytes = again.data + field.at;
        size_t size = (size_t)field.size;

        if (field.number == TENSOR_NAME && field.wire == SG_PROTOBUF_BYTES)
            *out_name = (struct name){.bytes = bytes, .size = size};
        else if (side == 0 && (field.number == TENSOR_RAW || field.number == TENSOR_FLOATS))
            side = side_in(work, bytes, size, field.number == TENSOR_RAW ? type : TYPE_FLOAT);
        else if (side == 0 && field.number == TENSOR_INT64S)
            side = side_in_varints(work, sg_protobuf_inside(&again, &field));
    }
    return side;
}

static void keep(struct work *work, const struct name *name, int64_t side)
{
    if (side == 0 || name->size == 0 || work->count == MAX_NAMES)
        return;
    work->names[work->count] = *name;
    work->names[work->count++].side = side;
}

/* The value of a Constant. */
static void keep_constant(struct work *work, struct sg_protobuf node)
{
    struct sg_protobuf_field field, tensor;
    struct name output = {0}, ignored;
    int64_t side = 0;

    while (sg_protobuf_next(&node, &field) == SG_PROTOBUF_FIELD) {
        struct sg_protobuf attribute;

        if (field.wire != SG_PROTOBUF_BYTES)
            continue;
        if (field.number == NODE_OUTPUT)
            output = (struct name){.bytes = node.data + field.at, .size = (size_t)field.size};
        if (field.number != NODE_ATTRIBUTE)
            continue;
        attribute = sg_protobuf_inside(&node, &field);
        while (side == 0 && sg_protobuf_find(&attribute, ATTRIBUTE_TENSOR, SG_PROTOBUF_BYTES, &tensor))
            side = side_in_tensor(work, sg_protobuf_inside(&attribute, &tensor), &ignored);
    }
    keep(work, &output, side);
}

static bool is_op(struct sg_protobuf node, const char *op)
{
    struct sg_protobuf_field field;

    return sg_protobuf_find(&node, NODE_OP_TYPE, SG_PROTOBUF_BYTES, &field) && field.size == strlen(op) &&
           memcmp(node.data + field.at, op, (size_t)field.size) == 0;
}

static int64_t side_of_node(const struct work *work, struct sg_protobuf node)
{
    struct sg_protobuf_field field;
    int i;

    if (!is_op(node, "Mul") && !is_op(node, "Div"))
        return 0;
    while (sg_protobuf_find(&node, NODE_INPUT, SG_PROTOBUF_BYTES, &field))
        for (i = 0; i < work->count; i++)
            if (work->names[i].size == field.size &&
                memcmp(work->names[i].bytes, node.data + field.at, work->names[i].size) == 0)
                return work->names[i].side;
    return 0;
}

int64_t sg_onnx_factor(const uint8_t *bytes, size_t size, int64_t height, int64_t width)
{
    struct sg_protobuf model = {.data = bytes, .end = size}, graph, again;
    struct work work = {.height = height, .width = width};
    struct sg_protobuf_field field;
    int64_t side = 0;

    if (!sg_protobuf_find(&model, MODEL_GRAPH, SG_PROTOBUF_BYTES, &field))
        return 0;
    graph = again = sg_protobuf_inside(&model, &field);
    while (sg_protobuf_next(&graph, &field) == SG_PROTOBUF_FIELD) {
        struct sg_protobuf part;
        struct name name = {0};

        if (field.wire != SG_PROTOBUF_BYTES)
            continue;
        part = sg_protobuf_inside(&graph, &field);
        if (field.number == GRAPH_INITIALIZER) {
            int64_t found = side_in_tensor(&work, part, &name);

            keep(&work, &name, found);
        } else if (field.number == GRAPH_NODE && is_op(part, "Constant")) {
            keep_constant(&work, part);
        }
    }
    while (side == 0 && work.count > 0 && sg_protobuf_find(&again, GRAPH_NODE, SG_PROTOBUF_BYTES, &field))
        side = side_of_node(&work, sg_protobuf_inside(&again, &field));
    return side;
}
