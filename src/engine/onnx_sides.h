/* SPDX-License-Identifier: MIT
 * Declared sizes of an ONNX file, set free in its bytes. ONNX Runtime feeds no input of another size than the
 * declared one, and can be told otherwise of symbolic dimensions alone; exporters declare what they happened
 * to be run with. Private to the engine; pure, any thread.
 *
 * The bytes keep their number and places: a dimension's value, and the shape of a tensor in between, become
 * fields of a number that onnx.proto does not know, which every reader passes over. So the file can be mapped
 * privately, and the pages of its weights stay the file's own.
 */
#ifndef SG_ENGINE_ONNX_SIDES_H
#define SG_ENGINE_ONNX_SIDES_H

#include "engine/engine.h"

/* Frees what->sides of the picture's input, whatever outputs declare but their ranks, and whatever tensors in
 * between declare (value_info), also in graphs inside of nodes and in functions; those follow from the input.
 * out_declared: what the input declared. SG_E_MODEL when it is no sound ModelProto or no input is a picture
 * (bytes may have been changed), SG_E_TOO_LARGE beyond named limits, SG_E_NOMEM. */
int sg_onnx_free_sides(uint8_t *bytes, size_t size, const struct sg_graph_free *what,
                       struct sg_graph_declared *out_declared, struct sg_error *err);

#endif
