/* SPDX-License-Identifier: MIT
 * Files are put together here field by field, by the numbers of onnx.proto, once as an exporter writes them
 * and once with the keys that must have changed: what was a dimension's value (08) is field 4 (20), what was
 * a tensor's shape (12) is field 4 (22). Everything else must be as it was. That ONNX Runtime and the onnx
 * package read the result alike is tests/test_sizes.py.
 */
#include "engine/onnx_sides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BOTH (SG_SIDE_HEIGHT | SG_SIDE_WIDTH)

struct bytes {
    uint8_t data[8192];
    size_t size;
};

static void put(struct bytes *to, const void *data, size_t size)
{
    assert_true(to->size + size <= sizeof(to->data));
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void put_varint(struct bytes *to, uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

        put(to, &byte, 1);
        value >>= 7;
    } while (value);
}

static void put_number(struct bytes *to, int field, uint64_t value)
{
    put_varint(to, (uint64_t)field << 3);
    put_varint(to, value);
}

static void put_bytes(struct bytes *to, int field, const void *data, size_t size)
{
    put_varint(to, (uint64_t)field << 3 | 2);
    put_varint(to, size);
    put(to, data, size);
}

static void put_message(struct bytes *to, int field, const struct bytes *message)
{
    put_bytes(to, field, message->data, message->size);
}

/* What is free: bit n is axis n. SHAPE: the whole shape is passed over. */
#define SHAPE UINT32_MAX
#define ALL   255u

/* A ValueInfoProto. A dimension of 0 is the symbol "n". */
static void put_value(struct bytes *to, int field, const char *name, int type, const int *dims, int rank,
                      unsigned freed)
{
    struct bytes value = {0}, typed = {0}, tensor = {0}, shape = {0};
    int i;

    for (i = 0; i < rank; i++) {
        struct bytes dim = {0};

        if (dims[i])
            put_number(&dim, freed != SHAPE && freed >> i & 1 ? 4 : 1, (uint64_t)dims[i]);
        else
            put_bytes(&dim, 2, "n", 1);
        put_message(&shape, 1, &dim);
    }
    put_number(&tensor, 1, (uint64_t)type);
    put_message(&tensor, freed == SHAPE ? 4 : 2, &shape);
    put_message(&typed, 1, &tensor);
    put_bytes(&value, 1, name, strlen(name));
    put_message(&value, 2, &typed);
    put_message(to, field, &value);
}

static void put_initializer(struct bytes *to, const char *name)
{
    struct bytes tensor = {0};

    put_number(&tensor, 1, 640);
    put_bytes(&tensor, 8, name, strlen(name));
    put_bytes(&tensor, 9, "\x08\x80\x05\x12\x34", 5); /* weights that look like what is changed */
    put_message(to, 5, &tensor);
}

/* A node with a graph inside, `depth` deep. */
static void put_nested(struct bytes *to, int depth, bool freed)
{
    static const int dims[] = {1, 8, 80, 80};
    struct bytes node = {0}, attribute = {0}, graph = {0};

    put_value(&graph, 11, "in", 1, dims, 4, freed ? ALL : 0);
    put_value(&graph, 13, "mid", 1, dims, 4, freed ? SHAPE : 0);
    put_value(&graph, 12, "out", 1, dims, 4, freed ? ALL : 0);
    if (depth > 1)
        put_nested(&graph, depth - 1, freed);
    put_message(&attribute, depth % 2 ? 6 : 11, &graph);
    put_bytes(&node, 4, "If", 2);
    put_message(&node, 5, &attribute);
    put_message(to, 1, &node);
}

static void put_function(struct bytes *to, bool freed)
{
    static const int dims[] = {1, 8, 80, 80};
    struct bytes function = {0};

    put_bytes(&function, 1, "f", 1);
    put_nested(&function, 1, freed);
    function.data[3] = 7 << 3 | 2; /* nodes of functions are field 7 */
    put_value(&function, 12, "mid", 1, dims, 4, freed ? SHAPE : 0);
    put_message(to, 25, &function);
}

struct form {
    int rank, dims[4], type; /* of the picture's input */
    unsigned freed;          /* its axes */
    bool freeing;
};

static void put_model(struct bytes *to, const struct form *form)
{
    static const int weights[] = {64, 3, 640, 640}, out[] = {1, 25200, 85}, mid[] = {1, 64, 80, 80};
    unsigned shape = form->freeing ? SHAPE : 0;
    struct bytes graph = {0};

    put_nested(&graph, 2, form->freeing);
    put_bytes(&graph, 2, "g", 1);
    put_initializer(&graph, "w");
    put_initializer(&graph, "b");
    put_value(&graph, 11, "w", 1, weights, 4, 0); /* as IR below 4 lists them */
    put_value(&graph, 11, "images", form->type, form->dims, form->rank, form->freed);
    put_value(&graph, 11, "b", 1, weights, 4, 0);
    put_value(&graph, 12, "output", 1, out, 3, form->freeing ? ALL : 0);
    put_value(&graph, 13, "mid", 1, mid, 4, shape);
    put_number(to, 1, 8);
    put_bytes(to, 2, "test", 4);
    put_message(to, 7, &graph);
    put_function(to, form->freeing);
}

static void what_must_change_does(void **state)
{
    static const struct {
        struct form form;
        struct sg_graph_free what;
        unsigned freed;
        int64_t height, width;
    } cases[] = {
        {{4, {1, 3, 640, 320}, 1, 0, false}, {.sides = BOTH}, 1 << 2 | 1 << 3, 640, 320},
        {{4, {4, 3, 640, 320}, 1, 0, false}, {.sides = SG_SIDE_HEIGHT}, 1 << 2, 640, 320},
        {{4, {1, 1, 48, 320}, 1, 0, false}, {.sides = SG_SIDE_WIDTH}, 1 << 3, 48, 320},
        {{4, {1, 640, 320, 3}, 1, 0, false}, {.sides = BOTH}, 1 << 1 | 1 << 2, 640, 320},
        {{4, {1, 640, 320, 0}, 2, 0, false}, {.sides = BOTH}, 1 << 1 | 1 << 2, 640, 320}, /* uint8 */
        {{4, {1, 640, 320, 0}, 1, 0, false}, {.sides = BOTH}, 1 << 2, 320, -1},
        {{4, {1, 3, 640, 3}, 1, 0, false},
         {.sides = BOTH, .has_layout = true, .layout = SG_LAYOUT_NHWC},
         1 << 1 | 1 << 2,
         3,
         640},
        {{3, {3, 640, 320}, 1, 0, false}, {.sides = BOTH}, 1 << 1 | 1 << 2, 640, 320},
        {{3, {640, 320, 3}, 1, 0, false}, {.sides = BOTH}, 1 << 0 | 1 << 1, 640, 320},
        {{4, {1, 3, 0, 320}, 1, 0, false}, {.sides = BOTH}, 1 << 3, -1, 320},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sg_graph_declared declared = {0};
        struct form form = cases[i].form;
        struct bytes given = {0}, wanted = {0};
        struct sg_error err = {0};

        put_model(&given, &form);
        form.freed = cases[i].freed;
        form.freeing = true;
        put_model(&wanted, &form);
        assert_int_equal(sg_onnx_free_sides(given.data, given.size, &cases[i].what, &declared, &err), 0);
        assert_int_equal(given.size, wanted.size);
        assert_memory_equal(given.data, wanted.data, wanted.size);
        assert_int_equal(declared.height, cases[i].height);
        assert_int_equal(declared.width, cases[i].width);
    }
}

/* A writer may use more bytes for a key than it takes, and several parts for one message. */
static void as_protobuf_allows(void **state)
{
    const struct sg_graph_free what = {.sides = BOTH};
    struct sg_graph_declared declared;
    /* input "i": type { tensor_type { shape { 1, 3 } } tensor_type { shape { 4 } } }, type { … { 5 } } */
    static const uint8_t given[] = {
        0x3a, 0x2e, 0x5a, 0x2c, 0x0a, 0x01, 'i',                                            /* 7: 11: name */
        0x12, 0x18, 0x0a, 0x0a, 0x12, 0x08, 0x0a, 0x02, 0x08, 0x01, 0x0a, 0x02, 0x08, 0x03, /* 1, 3 */
        0x0a, 0x0a, 0x12, 0x08, 0x0a, 0x06, 0x88, 0x80, 0x00, 0x84, 0x80, 0x00,             /* 4 */
        0x12, 0x0d, 0x0a, 0x0b, 0x12, 0x09, 0x0a, 0x07, 0x12, 0x01, 'n',  0x08, 0x07, 0x08, 0x05, /* 5 */
    };
    uint8_t bytes[sizeof(given)];
    struct sg_error err = {0};
    size_t i;

    (void)state;
    memcpy(bytes, given, sizeof(given));
    if (sg_onnx_free_sides(bytes, sizeof(bytes), &what, &declared, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(declared.height, 4);
    assert_int_equal(declared.width, 5);
    for (i = 0; i < sizeof(given); i++)
        switch (i) {
        case 27:
            assert_int_equal(bytes[i], 0xa0);
            break;
        case 44:
        case 46:
            assert_int_equal(bytes[i], 0x20);
            break;
        default:
            assert_int_equal(bytes[i], given[i]);
        }
}

static void refuse(const struct bytes *given, const char *text)
{
    const struct sg_graph_free what = {.sides = BOTH};
    struct sg_graph_declared declared;
    struct bytes copy = *given;
    struct sg_error err = {0};

    assert_true(sg_onnx_free_sides(copy.data, copy.size, &what, &declared, &err) < 0);
    if (!strstr(err.text, text))
        fail_msg("%s", err.text);
}

static void what_cannot_be_read_is_refused(void **state)
{
    static const int dims[] = {1, 3, 640, 640}, flat[] = {1, 1000};
    struct bytes graph = {0}, model = {0};
    int i;

    (void)state;
    put_value(&graph, 11, "x", 1, flat, 2, 0);
    put_message(&model, 7, &graph);
    refuse(&model, "no input is a picture");
    model.size--;
    refuse(&model, "no ONNX model that can be read");
    for (i = 0; i < SG_SIGNATURE_MAX_IO; i++)
        put_value(&graph, 11, "y", 1, flat, 2, 0);
    model.size = 0;
    put_message(&model, 7, &graph);
    refuse(&model, "more than 32 inputs");
    graph.size = model.size = 0;
    put_value(&graph, 11, "x", 1, dims, 4, 0);
    put_nested(&graph, 15, false);
    put_message(&model, 7, &graph);
    assert_int_equal(sg_onnx_free_sides(model.data, model.size, &(struct sg_graph_free){.sides = BOTH},
                                        &(struct sg_graph_declared){0}, NULL),
                     0);
    graph.size = model.size = 0;
    put_value(&graph, 11, "x", 1, dims, 4, 0);
    put_nested(&graph, 16, false);
    put_message(&model, 7, &graph);
    refuse(&model, "deeper than 16");
}

static void cut_anywhere(void **state)
{
    const struct form form = {4, {1, 3, 640, 640}, 1, 0, false};
    const struct sg_graph_free what = {.sides = BOTH};
    struct sg_graph_declared declared;
    struct bytes whole = {0};
    size_t size;

    (void)state;
    put_model(&whole, &form);
    for (size = 0; size < whole.size; size++) {
        struct sg_error err = {0};
        uint8_t *cut = malloc(size + 1); /* of its own, so that reading past the end is seen */

        assert_non_null(cut);
        memcpy(cut, whole.data, size);
        if (sg_onnx_free_sides(cut, size, &what, &declared, &err) < 0)
            assert_true(err.text[0] != '\0');
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_must_change_does),
        cmocka_unit_test(as_protobuf_allows),
        cmocka_unit_test(what_cannot_be_read_is_refused),
        cmocka_unit_test(cut_anywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
