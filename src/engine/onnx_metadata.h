/* SPDX-License-Identifier: MIT
 * What an exporter wrote into an ONNX file beside the graph, read from the file itself, so that every runtime
 * that reads such files decides alike. Private to the engine; pure but for the file, any thread.
 */
#ifndef SG_ENGINE_ONNX_METADATA_H
#define SG_ENGINE_ONNX_METADATA_H

#include "base/error.h"
#include "data/tensor.h"

/* Fills producer and meta: the first SG_SIGNATURE_MAX_META keys, each with the last value that it is given,
 * in the file's order. Passes over the graph without reading it. Of a file that is damaged, or none, whatever
 * comes before that; whether it is a model is not asked here. SG_E_NOMEM. */
int sg_onnx_metadata(const char *path, struct sg_signature *signature, struct sg_error *err);

#endif
