/* SPDX-License-Identifier: MIT
 * What an ONNX file's graph is made of, read without a runtime. Private to the engine; pure; any thread.
 */
#ifndef SG_ENGINE_ONNX_OPS_H
#define SG_ENGINE_ONNX_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether a node of the graph computes in bytes: QuantizeLinear and its kin, QLinear… and …Integer. Of what
 * is no such file, or damaged, whatever comes before that. */
bool sg_onnx_quantised(const uint8_t *bytes, size_t size);

#endif
