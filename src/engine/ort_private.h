/* SPDX-License-Identifier: MIT
 * What the files of the ONNX Runtime engine share: the engine itself (onnxruntime.c), reading signatures
 * (ort_signature.c), sessions (ort_graph.c), files (ort_file.c), their weights (ort_shared.c), runs
 * (ort_runner.c). Private to those files.
 */
#ifndef SG_ENGINE_ORT_PRIVATE_H
#define SG_ENGINE_ORT_PRIVATE_H

#include "engine/kinds.h"

#include <onnxruntime_c_api.h>

struct ort_runtime {
    struct sg_runtime base;
    const OrtApi *api;
    OrtEnv *env;
    OrtMemoryInfo *memory;
    OrtRunOptions *lean; /* of runs that give back what memory they needed */
};

struct ort_graph {
    struct sg_graph base;
    OrtSession *session;
    struct ort_shared *shared; /* a reference; NULL when the session has weights of its own */
};

struct ort_runner {
    struct sg_runner base;
    const char *input_names[SG_SIGNATURE_MAX_IO], *output_names[SG_SIGNATURE_MAX_IO]; /* the graph's */
    OrtValue *inputs[SG_SIGNATURE_MAX_IO];
    OrtValue *outputs[SG_SIGNATURE_MAX_IO];
};

static inline const struct ort_runtime *ort_runtime_of(const struct ort_graph *graph)
{
    return (const struct ort_runtime *)graph->base.runtime;
}

/* Takes status; NULL is success. The runtime's words go to the detail, the first line of them to the client
 * too. */
int ort_check(const struct ort_runtime *runtime, OrtStatus *status, enum sg_err code, const char *what,
              struct sg_error *err);
enum sg_dtype ort_dtype_ours(ONNXTensorElementDataType theirs);
ONNXTensorElementDataType ort_dtype_theirs(enum sg_dtype ours);

/* What every session of ours is opened with; more may be added. The caller releases them. */
int ort_session_options(const struct ort_runtime *runtime, const struct sg_graph_options *options,
                        OrtSessionOptions **out_options, struct sg_error *err);

/* Products of unsigned and signed bytes overflow in the fast kernels for x86 processors without VNNI, and
 * what a quantised model answers is wrong without an error. Careful: its weights are rewritten for slower
 * kernels that do not. ort_session_options are where they would. */
bool ort_bytes_overflow(void);
int ort_careful_bytes(const struct ort_runtime *runtime, OrtSessionOptions *options, bool careful,
                      struct sg_error *err);

/* ort_file.c: graph->session of a file, with graph->base.free set free in it. */
int ort_file_session(struct ort_graph *graph, const char *path, OrtSessionOptions *options,
                     struct sg_error *err);

/* ort_shared.c: a model as the runtime has optimised it, in memory that several sessions read at once. */
struct ort_shared;

/* Optimises the file into fresh memory, and fills graph->base.signature on the way. The caller opens the file
 * as it is when this fails. */
int ort_shared_create(struct ort_graph *graph, const char *path, struct ort_shared **out_shared,
                      struct sg_error *err);
struct ort_shared *ort_shared_hold(struct ort_shared *shared);
void ort_shared_release(struct ort_shared **shared);
/* A session over the shared memory, which must be held while the session lives. Adds to options. */
int ort_shared_session(const struct ort_runtime *runtime, const struct ort_shared *shared,
                       OrtSessionOptions *options, OrtSession **out_session, struct sg_error *err);

/* ort_signature.c: fills graph->base.signature of its session: inputs and outputs; and the metadata of a file
 * that is the runtime's own format. */
int ort_signature_slots(struct ort_graph *graph, struct sg_error *err);
int ort_signature_metadata(struct ort_graph *graph, struct sg_error *err);
/* ort_graph.c: both, of the graph of that file: what an ONNX file says is read without the runtime. */
int ort_signature_read(struct ort_graph *graph, const char *path, struct sg_error *err);

/* The ops of ort_graph.c and ort_runner.c; see kinds.h. */
int ort_graph_open(struct sg_graph *graph, const char *path, const struct sg_graph_options *options,
                   struct sg_error *err);
int ort_graph_open_beside(struct sg_graph *graph, const struct sg_graph *first,
                          const struct sg_graph_options *options, struct sg_error *err);
void ort_graph_close(struct sg_graph *graph);
int ort_runner_init(struct sg_runner *runner, struct sg_error *err);
void ort_runner_fini(struct sg_runner *runner);
int ort_runner_bind(struct sg_runner *runner, int index, struct sg_error *err);
int ort_runner_run(struct sg_runner *runner, struct sg_error *err);

#endif
