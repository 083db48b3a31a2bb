/* SPDX-License-Identifier: MIT
 * What the files of the ONNX Runtime engine share: the engine itself (onnxruntime.c), reading signatures
 * (ort_signature.c), sessions (ort_graph.c), files (ort_file.c), their weights (ort_shared.c), runs
 * (ort_runner.c). Private to
 * those files.
 */
#ifndef SG_ENGINE_ORT_PRIVATE_H
#define SG_ENGINE_ORT_PRIVATE_H

#include "engine/engine.h"

#include <onnxruntime_c_api.h>
#include <stdatomic.h>

struct sg_engine {
    const OrtApi *api;
    OrtEnv *env;
    OrtMemoryInfo *memory;
    OrtRunOptions *lean; /* of runs that give back what memory they needed */
    char version[64];
};

struct sg_graph {
    struct sg_engine *engine;
    OrtSession *session;
    struct ort_shared *shared; /* a reference; NULL when the session has weights of its own */
    struct sg_signature signature;
    struct sg_graph_free free; /* as it was opened */
    struct sg_graph_declared declared;
    atomic_bool lean; /* sg_graph_lean */
};

/* Takes status; NULL is success. The runtime's words go to the detail, the first line of them to the client
 * too. */
int ort_check(const struct sg_engine *engine, OrtStatus *status, enum sg_err code, const char *what,
              struct sg_error *err);
enum sg_dtype ort_dtype_ours(ONNXTensorElementDataType theirs);
ONNXTensorElementDataType ort_dtype_theirs(enum sg_dtype ours);

/* What every session of ours is opened with; more may be added. The caller releases them. */
int ort_session_options(const struct sg_engine *engine, const struct sg_graph_options *options,
                        OrtSessionOptions **out_options, struct sg_error *err);

/* ort_file.c: graph->session of a file, with graph->free set free in it. */
int ort_file_session(struct sg_graph *graph, const char *path, OrtSessionOptions *options,
                     struct sg_error *err);

/* ort_shared.c: a model as the runtime has optimised it, in memory that several sessions read at once. */
struct ort_shared;

/* Optimises the file into fresh memory, and fills graph->signature on the way. The caller opens the file as
 * it is when this fails. */
int ort_shared_create(struct sg_graph *graph, const char *path, struct ort_shared **out_shared,
                      struct sg_error *err);
struct ort_shared *ort_shared_hold(struct ort_shared *shared);
void ort_shared_release(struct ort_shared **shared);
/* A session over the shared memory, which must be held while the session lives. Adds to options. */
int ort_shared_session(const struct sg_engine *engine, const struct ort_shared *shared,
                       OrtSessionOptions *options, OrtSession **out_session, struct sg_error *err);

/* Fills graph->signature from its session: inputs, outputs, metadata. */
int ort_signature_read(struct sg_graph *graph, struct sg_error *err);

#endif
