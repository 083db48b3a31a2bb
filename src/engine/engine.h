/* SPDX-License-Identifier: MIT
 * Inference runtimes behind one door: nothing outside this room knows which there are (kinds.c). An engine
 * loads graphs; a graph is a model file with its signature; a runner is one thread's bound inputs and outputs
 * of a graph. Engine and graphs may be used by any thread; a runner by one at a time.
 */
#ifndef SG_ENGINE_ENGINE_H
#define SG_ENGINE_ENGINE_H

#include "base/error.h"
#include "data/tensor.h"
#include "data/transform.h"

#include <stdbool.h>

struct sg_engine;
struct sg_graph;
struct sg_runner;

/* Opens the runtimes that are there, of those that SIGHT_ENGINES names (names with commas, or "reference":
 * the most wanted alone) where it is set; telemetry is off before anything of them runs. Call once, from the
 * first thread. Fails when none opens, with the error of the most wanted. */
int sg_engine_create(struct sg_engine **out_engine, struct sg_error *err);
void sg_engine_destroy(struct sg_engine **engine);
/* Name and version of each runtime that opened, most wanted first: "onnxruntime 1.30.0", with ", " between
 * two. Lives as long as the engine. */
const char *sg_engine_version(const struct sg_engine *engine);
/* The same of those that did not open, each with the reason; "" when all did. */
const char *sg_engine_missing(const struct sg_engine *engine);
/* Names of the runtimes that opened and claim a file, most wanted first, into out_names (at most `most`).
 * Returns how many. The first is the reference: what others answer is held against it. */
int sg_engine_readers(const struct sg_engine *engine, const char *path, const char **out_names, int most);
/* Whether a runtime of that name computes in bfloat16 natively here; false when it did not open. */
bool sg_engine_has_bf16(const struct sg_engine *engine, const char *name);
/* The most wanted runtime that does; NULL: none. */
const char *sg_engine_of_bf16(const struct sg_engine *engine);
/* The most wanted kind that has devices besides the processor; opened or not. NULL: none. */
const char *sg_engine_of_devices(void);

/* What is known without an engine; any thread. Whether a file is meant to be a model, by its name, and by its
 * first bytes where the name says too little. A file of any other name may be opened all the same. */
bool sg_engine_claims(const char *path);
/* How the names of model files end (".onnx"), most wanted first; NULL past the last. */
const char *sg_engine_ending(int index);
/* The same for sentences (".onnx or .xml"), and what runtimes there may be with their licences ("ONNX Runtime
 * (MIT)"). Return out. */
const char *sg_engine_endings(char *out, size_t out_bytes);
const char *sg_engine_credits(char *out, size_t out_bytes);
/* The kind of runtime of that name, as it is spelled for good; NULL: SG_E_CONFIG says which there are. */
const char *sg_engine_named(const char *name, struct sg_error *err);
/* What a file is that is no model here though a runtime made it for itself, with what to do about it, for a
 * sentence ("a model in …'s own format; give …"); NULL when these bytes, its first, are of no such. */
const char *sg_engine_own_format(const void *bytes, size_t size);

/* Whether the graph in a file computes in bytes, as far as it can be told without a runtime. A cold path. */
bool sg_engine_quantised(const char *path);

enum sg_side { SG_SIDE_HEIGHT = 1 << 0, SG_SIDE_WIDTH = 1 << 1 };

/* Sizes that a file declares and that are not believed. */
struct sg_graph_free {
    unsigned
        sides;       /* of enum sg_side: these of the picture's input take any size, and no size is believed
                        that the file declares of its outputs or in between. 0: the file is taken at its word */
    bool has_layout; /* where the picture's sides are; false: read off the shape */
    enum sg_layout layout;
};

/* What the file declares of the picture's input: pixels, -1 for any. */
struct sg_graph_declared {
    int64_t height, width;
    int64_t factor; /* one of the two that stands in a product or quotient too; else 0 */
};

/* What else the machine does while a graph runs. */
enum sg_company {
    SG_COMPANY_OTHERS, /* other runs and other work: cores that a run does not need are left to them */
    SG_COMPANY_NONE,   /* nothing: the shortest run, whatever it costs the cores */
};

/* What numbers a run computes in; what goes in and comes out is the graph's own either way. */
enum sg_precision {
    SG_PRECISION_F32,
    SG_PRECISION_BF16, /* 8 bits of mantissa: faster where the processor has it */
};

/* "float32", "bfloat16". */
const char *sg_precision_name(enum sg_precision precision);

/* The shape of each input, in signature order, in every run there will be. */
struct sg_graph_shapes {
    int rank[SG_SIGNATURE_MAX_IO];
    int64_t dims[SG_SIGNATURE_MAX_IO][SG_TENSOR_MAX_RANK];
};

struct sg_graph_options {
    int threads; /* cores one run may use; 1 = a run keeps to one core */
    int runs;    /* that there may be at once; 0 = 1. More wait for each other, or run all the same */
    enum sg_company company;
    bool share; /* keeps the weights where sg_graph_open_beside can use them, if the model allows it */
    const char *engine; /* name of the runtime; NULL: the first that claims the file */
    enum sg_precision precision;
    const char *device; /* as the runtime calls it; NULL or "" = the processor */
    struct sg_graph_free free;
    const struct sg_graph_shapes *shapes; /* sg_graph_open_as and _beside, while they open; NULL: any */
};

/* Loads a model file. SG_E_NOT_FOUND, SG_E_IO, SG_E_MODEL (not a model, unsupported operator, input types we
 * cannot feed, its runtime is not there), SG_E_NOMEM. */
int sg_graph_open(struct sg_engine *engine, const char *path, const struct sg_graph_options *options,
                  struct sg_graph **out_graph, struct sg_error *err);
/* Opens the model of `first` once more, with other threads: over the same weights when `first` shares them
 * (sg_graph_shares), from the file otherwise; by the same runtime in the same numbers, and what was set free
 * for it is so here. The new graph outlives `first` if it must; its signature is the same, the metadata may
 * be left out. Errors as sg_graph_open. */
int sg_graph_open_beside(const struct sg_graph *first, const char *path,
                         const struct sg_graph_options *options, struct sg_graph **out_graph,
                         struct sg_error *err);
/* Opens the model of `first` by the runtime that options name, with the signature and metadata of `first`.
 * Errors as sg_graph_open; SG_E_MODEL also where that runtime sees other tensors in the file. */
int sg_graph_open_as(struct sg_engine *engine, const struct sg_graph *first, const char *path,
                     const struct sg_graph_options *options, struct sg_graph **out_graph,
                     struct sg_error *err);
/* Whether the weights are held once for all graphs opened beside this one. */
bool sg_graph_shares(const struct sg_graph *graph);
/* Whether runs give the memory they needed back to the system: for a graph that is tried, not served. The
 * next run of any graph may be slower for it. False at first. */
void sg_graph_lean(struct sg_graph *graph, bool lean);
void sg_graph_destroy(struct sg_graph **graph);
/* The runtime that runs it, and in what numbers. */
const char *sg_graph_engine(const struct sg_graph *graph);
enum sg_precision sg_graph_precision(const struct sg_graph *graph);
/* As the graph declares it; lives as long as the graph. */
const struct sg_signature *sg_graph_signature(const struct sg_graph *graph);
/* Of a graph that was opened from a file with sizes set free: what it declared. Zeros otherwise. */
const struct sg_graph_declared *sg_graph_declared(const struct sg_graph *graph);
/* The other files that the model of `graph` is made of, such as weights that its file names; path: where it
 * was opened from. What visit returns below 0 ends it. A cold path: looks through the file's bytes. */
typedef int (*sg_file_fn)(void *ctx, const char *path, struct sg_error *err);
int sg_graph_files(const struct sg_graph *graph, const char *path, sg_file_fn visit, void *ctx,
                   struct sg_error *err);

int sg_runner_create(struct sg_graph *graph, struct sg_runner **out_runner, struct sg_error *err);
void sg_runner_destroy(struct sg_runner **runner);

/* Shapes input `index` and returns its memory to be filled (64-byte aligned, kept and reused while it is
 * large enough, so steady state allocates nothing). dims are checked against the declared ones (-1 takes
 * any). */
int sg_runner_input(struct sg_runner *runner, int index, const int64_t *dims, int rank,
                    struct sg_tensor *out_tensor, struct sg_error *err);
/* Runs. All inputs must have been shaped. SG_E_INFERENCE with the runtime's words in detail. */
int sg_runner_run(struct sg_runner *runner, struct sg_error *err);
/* Outputs of the last run, in signature order, real shapes; valid until the next run or destroy. */
const struct sg_tensor *sg_runner_outputs(const struct sg_runner *runner, int *out_count);

#endif
