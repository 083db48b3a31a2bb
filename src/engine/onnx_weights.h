/* SPDX-License-Identifier: MIT
 * Files in which an ONNX file keeps its weights. Private to the engine; any thread.
 */
#ifndef SG_ENGINE_ONNX_WEIGHTS_H
#define SG_ENGINE_ONNX_WEIGHTS_H

#include "engine/engine.h"

/* See sg_graph_files. A file that cannot be read names none. */
int sg_onnx_weights(const char *path, sg_file_fn visit, void *ctx, struct sg_error *err);

#endif
