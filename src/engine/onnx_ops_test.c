/* SPDX-License-Identifier: MIT
 * Files written here byte by byte, as onnx.proto and protobuf's encoding have them.
 */
#include "engine/onnx_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A model of one graph of nodes with these operators; all lengths are below 128. */
static size_t write_model(uint8_t *out, const char *const *ops)
{
    uint8_t graph[120];
    size_t used = 0;

    for (; *ops; ops++) {
        size_t length = strlen(*ops);

        graph[used++] = 1 << 3 | 2; /* GraphProto.node */
        graph[used++] = (uint8_t)(length + 5);
        graph[used++] = 1 << 3 | 2; /* NodeProto.input "x" */
        graph[used++] = 1;
        graph[used++] = 'x';
        graph[used++] = 4 << 3 | 2; /* NodeProto.op_type */
        graph[used++] = (uint8_t)length;
        memcpy(graph + used, *ops, length);
        used += length;
    }
    out[0] = 1 << 3; /* ModelProto.ir_version */
    out[1] = 8;
    out[2] = 7 << 3 | 2; /* ModelProto.graph */
    out[3] = (uint8_t)used;
    memcpy(out + 4, graph, used);
    return used + 4;
}

static bool quantised(const char *first, const char *second)
{
    const char *const ops[] = {first, second, NULL};
    uint8_t written[128], *bytes;
    size_t size = write_model(written, ops), cut;
    bool answer;

    bytes = malloc(size); /* as long as it is, so that a read past the end is seen */
    assert_non_null(bytes);
    memcpy(bytes, written, size);
    answer = sg_onnx_quantised(bytes, size);
    free(bytes);
    for (cut = 0; cut < size; cut++) {
        bytes = malloc(cut + 1);
        assert_non_null(bytes);
        memcpy(bytes, written, cut);
        if (sg_onnx_quantised(bytes, cut))
            assert_true(answer);
        free(bytes);
    }
    return answer;
}

static void operators_on_bytes_are_seen(void **state)
{
    (void)state;
    assert_true(quantised("Conv", "QuantizeLinear"));
    assert_true(quantised("DequantizeLinear", "Conv"));
    assert_true(quantised("DynamicQuantizeLinear", "Relu"));
    assert_true(quantised("Relu", "QLinearConv"));
    assert_true(quantised("Relu", "MatMulInteger"));
}

static void others_are_not(void **state)
{
    (void)state;
    assert_false(quantised("Conv", "Relu"));
    assert_false(quantised("QuantizeLinea", "Integers"));
    assert_false(quantised("", "L"));
    assert_false(sg_onnx_quantised((const uint8_t *)"", 0));
    assert_false(sg_onnx_quantised((const uint8_t *)"QuantizeLinear", 14));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_on_bytes_are_seen),
        cmocka_unit_test(others_are_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
