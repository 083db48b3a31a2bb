/* SPDX-License-Identifier: MIT
 * Setting sizes free in a ModelProto; see onnx_sides.h. Numbers of fields are those of onnx.proto.
 */
#include "engine/onnx_sides.h"

#include "data/picture_slot.h"
#include "data/protobuf.h"

#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH        16 /* graphs inside of graphs */
#define MAX_INITIALIZERS (1 << 20)
#define ALL_AXES         UINT64_MAX
#define UNKNOWN_FIELD    4 /* in TypeProto.Tensor and in TensorShapeProto.Dimension */

enum model_field { MODEL_GRAPH = 7, MODEL_FUNCTION = 25 };
enum graph_field { GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT, GRAPH_VALUE_INFO };
enum function_field { FUNCTION_NODE = 7, FUNCTION_VALUE_INFO = 12 };

/* Numbers of the fields of messages on the way down, 0 at the end. */
static const uint8_t to_graph[] = {MODEL_GRAPH, 0};
static const uint8_t to_function[] = {MODEL_FUNCTION, 0};
static const uint8_t to_initializer[] = {MODEL_GRAPH, GRAPH_INITIALIZER, 0};
static const uint8_t to_input[] = {MODEL_GRAPH, GRAPH_INPUT, 0};
static const uint8_t to_attribute[] = {5, 0};          /* of a NodeProto */
static const uint8_t to_tensor_type[] = {2, 1, 0};     /* of a ValueInfoProto: type, tensor_type */
static const uint8_t to_shape[] = {2, 1, 2, 0};        /* its shape */
static const uint8_t to_dimension[] = {2, 1, 2, 1, 0}; /* its dim */

struct text {
    const uint8_t *bytes;
    size_t size;
};

struct work {
    uint8_t *bytes;
    struct text *constants; /* names of initializers, sorted: IR below 4 lists them as inputs too */
    size_t constant_count, constant_capacity;
    struct sg_slot *slots; /* the inputs that are none */
    size_t places[SG_SIGNATURE_MAX_IO];
    int slot_count;
    size_t picture; /* offset of its ValueInfoProto */
    uint64_t picture_axes;
    struct sg_slot *slot; /* the one that is being read */
    uint64_t axes;        /* of the shape that is being edited: bit n sets axis n free */
    int axis, depth;
    struct sg_error *err;
};

typedef int (*visitor)(struct work *work, const struct sg_protobuf *message,
                       const struct sg_protobuf_field *field);

static int damaged(struct work *work)
{
    return sg_error_set(work->err, SG_E_MODEL,
                        "its sizes cannot be set free: the file is no ONNX model that can be read");
}

/* Visits every message at the end of the path. A message that is written in several parts is one with them
 * all, by protobuf's own rule. */
static int each(struct work *work, struct sg_protobuf message, const uint8_t *path, visitor visit)
{
    struct sg_protobuf_field field;
    enum sg_protobuf_next next;
    int code = 0;

    while (code == 0 && (next = sg_protobuf_next(&message, &field)) != SG_PROTOBUF_END) {
        if (next != SG_PROTOBUF_FIELD)
            return damaged(work);
        if (field.number != path[0] || field.wire != SG_PROTOBUF_BYTES)
            continue;
        code = path[1] ? each(work, sg_protobuf_inside(&message, &field), path + 1, visit)
                       : visit(work, &message, &field);
    }
    return code;
}

/* Gives a field the number that nobody knows. The key's first byte has all of a small number, also where a
 * writer used more bytes than it takes. */
static void forget(struct work *work, const struct sg_protobuf_field *field)
{
    uint8_t *key = &work->bytes[field->key];

    *key = (uint8_t)((*key & 0x80) | UNKNOWN_FIELD << 3 | field->wire);
}

static int note_constant(struct work *work, const struct sg_protobuf *message,
                         const struct sg_protobuf_field *initializer)
{
    struct sg_protobuf tensor = sg_protobuf_inside(message, initializer);
    struct sg_protobuf_field name;

    if (!sg_protobuf_find(&tensor, 8, SG_PROTOBUF_BYTES, &name))
        return 0;
    if (work->constant_count == MAX_INITIALIZERS)
        return sg_error_set(work->err, SG_E_TOO_LARGE, "more than %d initializers", MAX_INITIALIZERS);
    if (!work->constants || work->constant_count == work->constant_capacity) {
        size_t capacity = work->constant_capacity ? work->constant_capacity * 2 : 256;
        struct text *grown = realloc(work->constants, capacity * sizeof(*grown));

        if (!grown)
            return sg_error_set(work->err, SG_E_NOMEM, "no memory for the names of initializers");
        work->constants = grown;
        work->constant_capacity = capacity;
    }
    work->constants[work->constant_count++] =
        (struct text){.bytes = tensor.data + name.at, .size = (size_t)name.size};
    return 0;
}

static int compare(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->size < y->size ? x->size : y->size);

    return order ? order : (x->size > y->size) - (x->size < y->size);
}

static int read_dimension(struct work *work, const struct sg_protobuf *message,
                          const struct sg_protobuf_field *dimension)
{
    struct sg_protobuf inside = sg_protobuf_inside(message, dimension);
    struct sg_slot *slot = work->slot;
    struct sg_protobuf_field field;
    int64_t value = -1;

    while (sg_protobuf_next(&inside, &field) == SG_PROTOBUF_FIELD) {
        if (field.number == 1 && field.wire == SG_PROTOBUF_VARINT)
            value = (int64_t)field.varint;
        else if (field.number == 2)
            value = -1; /* of dim_value and dim_param the last one counts */
    }
    if (slot->rank < SG_TENSOR_MAX_RANK)
        slot->dims[slot->rank] = value;
    if (slot->rank <= SG_TENSOR_MAX_RANK)
        slot->rank++;
    return 0;
}

static int read_type(struct work *work, const struct sg_protobuf *message,
                     const struct sg_protobuf_field *type)
{
    struct sg_protobuf inside = sg_protobuf_inside(message, type);
    struct sg_protobuf_field field;

    while (sg_protobuf_find(&inside, 1, SG_PROTOBUF_VARINT, &field))
        work->slot->dtype = field.varint == 2 ? SG_DTYPE_U8 : SG_DTYPE_OTHER; /* all that layouts ask for */
    return 0;
}

static int read_input(struct work *work, const struct sg_protobuf *message,
                      const struct sg_protobuf_field *input)
{
    struct sg_protobuf inside = sg_protobuf_inside(message, input);
    struct sg_protobuf_field name = {0};
    struct text key = {.bytes = message->data};
    int code;

    while (sg_protobuf_find(&inside, 1, SG_PROTOBUF_BYTES, &name))
        key = (struct text){.bytes = inside.data + name.at, .size = (size_t)name.size};
    if (work->constant_count > 0 &&
        bsearch(&key, work->constants, work->constant_count, sizeof(key), compare))
        return 0;
    if (work->slot_count == SG_SIGNATURE_MAX_IO)
        return sg_error_set(work->err, SG_E_TOO_LARGE, "more than %d inputs", SG_SIGNATURE_MAX_IO);
    work->slot = &work->slots[work->slot_count];
    work->places[work->slot_count++] = input->at;
    inside = sg_protobuf_inside(message, input);
    code = each(work, inside, to_dimension, read_dimension);
    return code < 0 ? code : each(work, inside, to_tensor_type, read_type);
}

static int find_picture(struct work *work, struct sg_protobuf model, const struct sg_graph_free *what,
                        struct sg_graph_declared *out)
{
    const struct sg_slot *slot;
    int code = each(work, model, to_initializer, note_constant), index, height, width;

    if (code == 0 && work->constant_count > 0)
        qsort(work->constants, work->constant_count, sizeof(*work->constants), compare);
    if (code == 0)
        code = each(work, model, to_input, read_input);
    if (code < 0)
        return code;
    index = sg_picture_slot(work->slots, work->slot_count);
    if (index < 0)
        return sg_error_set(work->err, SG_E_MODEL, "its sizes cannot be set free: no input is a picture");
    slot = &work->slots[index];
    sg_slot_sides(slot, what->has_layout ? what->layout : sg_slot_layout(slot), &height, &width);
    work->picture = work->places[index];
    work->picture_axes = (what->sides & SG_SIDE_HEIGHT ? (uint64_t)1 << height : 0) |
                         (what->sides & SG_SIDE_WIDTH ? (uint64_t)1 << width : 0);
    *out = (struct sg_graph_declared){.height = slot->dims[height], .width = slot->dims[width]};
    return 0;
}

static int free_dimension(struct work *work, const struct sg_protobuf *message,
                          const struct sg_protobuf_field *dimension)
{
    struct sg_protobuf inside = sg_protobuf_inside(message, dimension);
    struct sg_protobuf_field field;
    bool wanted = work->axes == ALL_AXES || (work->axis < 64 && work->axes >> work->axis & 1);

    work->axis++;
    while (wanted && sg_protobuf_find(&inside, 1, SG_PROTOBUF_VARINT, &field))
        forget(work, &field);
    return 0;
}

static int free_dimensions(struct work *work, struct sg_protobuf value_info, uint64_t axes)
{
    work->axis = 0;
    work->axes = axes;
    return each(work, value_info, to_dimension, free_dimension);
}

static int forget_shape(struct work *work, const struct sg_protobuf *message,
                        const struct sg_protobuf_field *shape)
{
    (void)message;
    forget(work, shape);
    return 0;
}

static int edit_graph(struct work *work, const struct sg_protobuf *message,
                      const struct sg_protobuf_field *graph);

static int edit_attribute(struct work *work, const struct sg_protobuf *message,
                          const struct sg_protobuf_field *attribute)
{
    static const uint8_t to_g[] = {6, 0}, to_graphs[] = {11, 0};
    struct sg_protobuf inside = sg_protobuf_inside(message, attribute);
    int code = each(work, inside, to_g, edit_graph);

    return code < 0 ? code : each(work, inside, to_graphs, edit_graph);
}

static int edit_function(struct work *work, const struct sg_protobuf *message,
                         const struct sg_protobuf_field *function)
{
    struct sg_protobuf inside = sg_protobuf_inside(message, function);
    struct sg_protobuf_field field;
    int code = 0;

    work->depth = 1; /* graphs in it are inside of another */
    while (code == 0 && sg_protobuf_next(&inside, &field) == SG_PROTOBUF_FIELD) {
        if (field.wire == SG_PROTOBUF_BYTES && field.number == FUNCTION_NODE)
            code = each(work, sg_protobuf_inside(&inside, &field), to_attribute, edit_attribute);
        else if (field.wire == SG_PROTOBUF_BYTES && field.number == FUNCTION_VALUE_INFO)
            code = each(work, sg_protobuf_inside(&inside, &field), to_shape, forget_shape);
    }
    return code;
}

static int edit_graph(struct work *work, const struct sg_protobuf *message,
                      const struct sg_protobuf_field *graph)
{
    struct sg_protobuf inside = sg_protobuf_inside(message, graph);
    struct sg_protobuf_field field;
    enum sg_protobuf_next next;
    bool outermost = work->depth == 0;
    int code = 0;

    if (work->depth == MAX_DEPTH)
        return sg_error_set(work->err, SG_E_TOO_LARGE, "graphs inside of graphs deeper than %d", MAX_DEPTH);
    work->depth++;
    while (code == 0 && (next = sg_protobuf_next(&inside, &field)) != SG_PROTOBUF_END) {
        struct sg_protobuf part;

        if (next != SG_PROTOBUF_FIELD)
            code = damaged(work);
        if (code < 0 || field.wire != SG_PROTOBUF_BYTES)
            continue;
        part = sg_protobuf_inside(&inside, &field);
        if (field.number == GRAPH_NODE)
            code = each(work, part, to_attribute, edit_attribute);
        else if (field.number == GRAPH_INPUT && (!outermost || field.at == work->picture))
            code = free_dimensions(work, part, outermost ? work->picture_axes : ALL_AXES);
        else if (field.number == GRAPH_OUTPUT)
            code = free_dimensions(work, part, ALL_AXES);
        else if (field.number == GRAPH_VALUE_INFO)
            code = each(work, part, to_shape, forget_shape);
    }
    work->depth--;
    return code;
}

int sg_onnx_free_sides(uint8_t *bytes, size_t size, const struct sg_graph_free *what,
                       struct sg_graph_declared *out_declared, struct sg_error *err)
{
    const struct sg_protobuf model = {.data = bytes, .end = size};
    struct work work = {.bytes = bytes, .err = err};
    int code;

    *out_declared = (struct sg_graph_declared){0};
    work.slots = calloc(SG_SIGNATURE_MAX_IO, sizeof(*work.slots));
    if (!work.slots)
        return sg_error_set(err, SG_E_NOMEM, "no memory to set sizes free");
    code = find_picture(&work, model, what, out_declared);
    if (code == 0)
        code = each(&work, model, to_graph, edit_graph);
    if (code == 0)
        code = each(&work, model, to_function, edit_function);
    free(work.constants);
    free(work.slots);
    return code;
}
