/* SPDX-License-Identifier: MIT
 * Walks over the nodes. Numbers of fields are those of onnx.proto.
 */
#include "engine/onnx_ops.h"

#include "data/protobuf.h"

#include <string.h>

enum { MODEL_GRAPH = 7, GRAPH_NODE = 1, NODE_OP_TYPE = 4 };

static bool is_quantised(const char *name, size_t length)
{
    static const char *const whole[] = {"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"};
    static const char first[] = "QLinear", last[] = "Integer";
    size_t i;

    for (i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        if (length == strlen(whole[i]) && memcmp(name, whole[i], length) == 0)
            return true;
    if (length >= sizeof(first) - 1 && memcmp(name, first, sizeof(first) - 1) == 0)
        return true;
    return length >= sizeof(last) - 1 &&
           memcmp(name + length - (sizeof(last) - 1), last, sizeof(last) - 1) == 0;
}

bool sg_onnx_quantised(const uint8_t *bytes, size_t size)
{
    struct sg_protobuf model = {.data = bytes, .at = 0, .end = size}, graph, node;
    struct sg_protobuf_field field;

    if (!sg_protobuf_find(&model, MODEL_GRAPH, SG_PROTOBUF_BYTES, &field))
        return false;
    graph = sg_protobuf_inside(&model, &field);
    while (sg_protobuf_find(&graph, GRAPH_NODE, SG_PROTOBUF_BYTES, &field)) {
        node = sg_protobuf_inside(&graph, &field);
        if (sg_protobuf_find(&node, NODE_OP_TYPE, SG_PROTOBUF_BYTES, &field) &&
            is_quantised((const char *)node.data + field.at, (size_t)field.size))
            return true;
    }
    return false;
}
