/* SPDX-License-Identifier: MIT
 * What a kind of engine is made of, and the list of kinds. engine.c has what is alike for all (files that are
 * no model, memory of inputs, shapes) and calls the ops; a kind is a file with `const struct sg_engine_ops`
 * at its foot and a row in kinds.c. Private to this room.
 */
#ifndef SG_ENGINE_KINDS_H
#define SG_ENGINE_KINDS_H

#include "data/tensor.h"
#include "engine/engine.h"

#include <stdatomic.h>

#define SG_ENGINE_MAX_KINDS 8

/* A kind's own structs begin with these three. engine.c allocates and frees them, zeroed but for what is said
 * here to be engine.c's. */
struct sg_runtime {
    const struct sg_engine_ops *ops; /* engine.c's */
    char version[64];                /* "1.30.0" */
};

struct sg_graph {
    struct sg_runtime *runtime;        /* engine.c's */
    struct sg_graph_free free;         /* engine.c's: as it was opened */
    enum sg_precision precision;       /* engine.c's: likewise */
    atomic_bool lean;                  /* engine.c's: sg_graph_lean; read at every run */
    bool shares;                       /* sg_graph_shares: open_beside may be called of it */
    struct sg_signature signature;     /* engine.c ends it */
    struct sg_graph_declared declared; /* where sizes were set free */
};

struct sg_runner_input {
    void *memory;
    size_t capacity_bytes;
    struct sg_tensor tensor; /* over memory */
    bool bound;              /* and the kind knows it */
};

struct sg_runner {
    struct sg_graph *graph;                             /* engine.c's */
    struct sg_runner_input inputs[SG_SIGNATURE_MAX_IO]; /* engine.c's; bind and run read them */
    struct sg_tensor outputs[SG_SIGNATURE_MAX_IO];      /* of the last run, over memory of the kind */
    int output_count;                                   /* engine.c's: 0 when it failed */
};

/* Units, threads and errors are those of engine.h; errors need not name the model, engine.c does. What init,
 * open and runner_init left is ended by fini, close and runner_fini also where they failed. */
struct sg_engine_ops {
    const char *name;           /* as in versions: "onnxruntime" */
    const char *title;          /* for sentences: "ONNX Runtime" */
    const char *licence;        /* its SPDX name */
    const char *const *endings; /* of the names of its files, most wanted first, NULL behind the last */
    size_t runtime_bytes, graph_bytes, runner_bytes;

    /* Whether a file is meant for this kind: by the end of its name, and by its first bytes where others have
     * files of such names too. It need not be a good one. Any thread, before init as well. */
    bool (*claims)(const char *path);
    /* See sg_engine_own_format. */
    const char *(*own_format)(const void *bytes, size_t size);
    /* Opens the runtime and fills version; telemetry is off before anything of it runs. */
    int (*init)(struct sg_runtime *runtime, struct sg_error *err);
    void (*fini)(struct sg_runtime *runtime);
    /* Whether it computes in bfloat16 natively here. NULL: it does not. */
    bool (*has_bf16)(const struct sg_runtime *runtime);
    /* What options->device may be besides the processor: "GPU, NPU" into out. NULL: nothing. */
    void (*devices)(const struct sg_runtime *runtime, char *out, size_t out_bytes);
    /* Fills signature, declared and shares. The file is there, readable and not empty; it may be any. Where
     * the signature is filled already (input_count > 0: another kind has read the file) its tensors are found
     * by their names and it stays as it is. */
    int (*open)(struct sg_graph *graph, const char *path, const struct sg_graph_options *options,
                struct sg_error *err);
    /* Over the weights of first, which shares them. graph has first's signature already. NULL where none
     * does. */
    int (*open_beside)(struct sg_graph *graph, const struct sg_graph *first,
                       const struct sg_graph_options *options, struct sg_error *err);
    void (*close)(struct sg_graph *graph);
    /* See sg_graph_files. */
    int (*files)(const char *path, sg_file_fn visit, void *ctx, struct sg_error *err);
    int (*runner_init)(struct sg_runner *runner, struct sg_error *err);
    void (*runner_fini)(struct sg_runner *runner);
    /* inputs[index].tensor has another shape, or lies elsewhere: forgets the last one. */
    int (*bind)(struct sg_runner *runner, int index, struct sg_error *err);
    /* All inputs are bound. Fills outputs, in signature order; those of the last run are not used any more.
     */
    int (*run)(struct sg_runner *runner, struct sg_error *err);
};

/* The kinds, most wanted first: the first that claims a file reads it, and the very first what no kind
 * claims. NULL behind the last. */
extern const struct sg_engine_ops *const sg_engine_kinds[];

/* sg_engine_create with other kinds, which outlive the engine. For tests. */
int sg_engine_create_of(const struct sg_engine_ops *const *kinds, struct sg_engine **out_engine,
                        struct sg_error *err);

#endif
