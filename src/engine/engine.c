/* SPDX-License-Identifier: MIT
 * engine.h over the kinds: finds who reads a file, and does what is alike for all of them.
 */
#include "engine/kinds.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INPUT_ALIGN 64u

struct sg_engine {
    const struct sg_engine_ops *const *kinds;
    struct sg_runtime *runtimes[SG_ENGINE_MAX_KINDS]; /* of each kind; NULL where it did not open */
    struct sg_error why[SG_ENGINE_MAX_KINDS];         /* it did not */
    char version[SG_ENGINE_MAX_KINDS * 96];
};

static void close_runtime(struct sg_runtime **runtime)
{
    if (*runtime)
        (*runtime)->ops->fini(*runtime);
    free(*runtime);
    *runtime = NULL;
}

static int open_runtime(const struct sg_engine_ops *ops, struct sg_runtime **out_runtime,
                        struct sg_error *err)
{
    struct sg_runtime *runtime = calloc(1, ops->runtime_bytes);
    int code;

    *out_runtime = NULL;
    if (!runtime)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the inference engine");
    runtime->ops = ops;
    code = ops->init(runtime, err);
    if (code < 0)
        close_runtime(&runtime);
    *out_runtime = runtime;
    return code;
}

int sg_engine_create(struct sg_engine **out_engine, struct sg_error *err)
{
    return sg_engine_create_of(sg_engine_kinds, out_engine, err);
}

int sg_engine_create_of(const struct sg_engine_ops *const *kinds, struct sg_engine **out_engine,
                        struct sg_error *err)
{
    struct sg_engine *engine = calloc(1, sizeof(*engine));
    size_t used = 0;
    int i, code;

    *out_engine = NULL;
    if (!engine)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the inference engine");
    engine->kinds = kinds;
    for (i = 0; kinds[i] && i < SG_ENGINE_MAX_KINDS; i++)
        if (open_runtime(kinds[i], &engine->runtimes[i], &engine->why[i]) == 0)
            used += (size_t)snprintf(engine->version + used, sizeof(engine->version) - used, "%s%.24s %s",
                                     used ? ", " : "", kinds[i]->name, engine->runtimes[i]->version);
    if (used == 0) {
        code = engine->why[0].code;
        if (err)
            *err = engine->why[0];
        sg_engine_destroy(&engine);
        return code;
    }
    *out_engine = engine;
    return 0;
}

void sg_engine_destroy(struct sg_engine **engine)
{
    int i;

    if (!*engine)
        return;
    for (i = 0; i < SG_ENGINE_MAX_KINDS; i++)
        close_runtime(&(*engine)->runtimes[i]);
    free(*engine);
    *engine = NULL;
}

const char *sg_engine_version(const struct sg_engine *engine)
{
    return engine->version;
}

/* Who reads a file. One that nobody claims goes to the most wanted that there is: names need say nothing, and
 * it has the words for what is no model. */
static struct sg_runtime *find_runtime(const struct sg_engine *engine, const char *path, struct sg_error *err)
{
    struct sg_runtime *first = NULL;
    int i, missing = -1;

    for (i = 0; engine->kinds[i] && i < SG_ENGINE_MAX_KINDS; i++) {
        bool claims = engine->kinds[i]->claims(path);

        if (claims && engine->runtimes[i])
            return engine->runtimes[i];
        if (claims && missing < 0)
            missing = i;
        if (!first)
            first = engine->runtimes[i];
    }
    if (missing < 0)
        return first;
    sg_error_set(err, SG_E_MODEL, "model \"%s\" needs %s, which cannot be used here: %s", path,
                 engine->kinds[missing]->title, engine->why[missing].text);
    return NULL;
}

/* NULL: SG_E_NOMEM. */
static struct sg_graph *make_graph(struct sg_runtime *runtime, const char *path, struct sg_error *err)
{
    struct sg_graph *graph = calloc(1, runtime->ops->graph_bytes);

    if (graph)
        graph->runtime = runtime;
    else
        sg_error_set(err, SG_E_NOMEM, "no memory for model \"%s\"", path);
    return graph;
}

/* Gives the graph out, or ends what could not be opened. */
static int finish(struct sg_graph *graph, int code, const char *path, struct sg_graph **out_graph,
                  struct sg_error *err)
{
    if (code < 0) {
        sg_error_prefix(err, "model \"%s\"", path);
        sg_graph_destroy(&graph);
    }
    *out_graph = graph;
    return code;
}

/* The runtimes' own words for a missing or empty file are long; ours name the path and the reason. */
static int check_file(const char *path, struct sg_error *err)
{
    struct stat status;

    if (access(path, R_OK) != 0)
        return sg_error_set(err, errno == ENOENT || errno == ENOTDIR ? SG_E_NOT_FOUND : SG_E_IO,
                            "cannot read model file \"%s\": %s", path, strerror(errno));
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0)
        return sg_error_set(err, SG_E_MODEL, "model file \"%s\" is empty", path);
    return 0;
}

static int open_file(struct sg_runtime *runtime, const char *path, const struct sg_graph_options *options,
                     struct sg_graph **out_graph, struct sg_error *err)
{
    struct sg_graph *graph = make_graph(runtime, path, err);

    if (!graph)
        return SG_E_NOMEM;
    graph->free = options->free;
    return finish(graph, runtime->ops->open(graph, path, options, err), path, out_graph, err);
}

int sg_graph_open(struct sg_engine *engine, const char *path, const struct sg_graph_options *options,
                  struct sg_graph **out_graph, struct sg_error *err)
{
    struct sg_runtime *runtime;
    int code = check_file(path, err);

    *out_graph = NULL;
    if (code < 0)
        return code;
    runtime = find_runtime(engine, path, err);
    return runtime ? open_file(runtime, path, options, out_graph, err) : SG_E_MODEL;
}

int sg_graph_open_beside(const struct sg_graph *first, const char *path,
                         const struct sg_graph_options *options, struct sg_graph **out_graph,
                         struct sg_error *err)
{
    struct sg_graph_options again = *options;
    struct sg_graph *graph;
    int code = first->shares ? 0 : check_file(path, err);

    *out_graph = NULL;
    again.free = first->free;
    if (code < 0)
        return code;
    if (!first->shares)
        return open_file(first->runtime, path, &again, out_graph, err);
    graph = make_graph(first->runtime, path, err);
    if (!graph)
        return SG_E_NOMEM;
    graph->free = first->free;
    graph->signature = first->signature;
    graph->signature.meta_count = 0; /* its texts are the first one's */
    code = first->runtime->ops->open_beside(graph, first, &again, err);
    return finish(graph, code, path, out_graph, err);
}

void sg_graph_destroy(struct sg_graph **graph)
{
    struct sg_graph *g = *graph;

    if (!g)
        return;
    g->runtime->ops->close(g);
    sg_signature_fini(&g->signature);
    free(g);
    *graph = NULL;
}

bool sg_graph_shares(const struct sg_graph *graph)
{
    return graph->shares;
}

void sg_graph_lean(struct sg_graph *graph, bool lean)
{
    atomic_store_explicit(&graph->lean, lean, memory_order_relaxed);
}

const struct sg_signature *sg_graph_signature(const struct sg_graph *graph)
{
    return &graph->signature;
}

const struct sg_graph_declared *sg_graph_declared(const struct sg_graph *graph)
{
    return &graph->declared;
}

int sg_graph_files(const struct sg_graph *graph, const char *path, sg_file_fn visit, void *ctx,
                   struct sg_error *err)
{
    return graph->runtime->ops->files(path, visit, ctx, err);
}

int sg_runner_create(struct sg_graph *graph, struct sg_runner **out_runner, struct sg_error *err)
{
    struct sg_runner *runner = calloc(1, graph->runtime->ops->runner_bytes);
    int code;

    *out_runner = NULL;
    if (!runner)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a model runner");
    runner->graph = graph;
    code = graph->runtime->ops->runner_init(runner, err);
    if (code < 0)
        sg_runner_destroy(&runner);
    *out_runner = runner;
    return code;
}

void sg_runner_destroy(struct sg_runner **runner)
{
    struct sg_runner *r = *runner;
    int i;

    if (!r)
        return;
    r->graph->runtime->ops->runner_fini(r);
    for (i = 0; i < r->graph->signature.input_count; i++)
        free(r->inputs[i].memory);
    free(r);
    *runner = NULL;
}

static int check_dims(const struct sg_slot *slot, const int64_t *dims, int rank, struct sg_error *err)
{
    char want[96], got[96];
    bool fits = rank == slot->rank;
    int i;

    for (i = 0; fits && i < rank; i++)
        fits = dims[i] >= 0 && (slot->dims[i] < 0 || slot->dims[i] == dims[i]);
    if (fits)
        return 0;
    return sg_error_set(err, SG_E_MODEL, "input \"%s\": the graph declares %s, got %s", slot->name,
                        sg_dims_text(slot->dims, slot->rank, want, sizeof(want)),
                        sg_dims_text(dims, rank, got, sizeof(got)));
}

/* What a runner has stays where it is while it is large enough. */
static int make_room(struct sg_runner_input *input, const char *name, size_t bytes, struct sg_error *err)
{
    size_t capacity = (bytes + INPUT_ALIGN) / INPUT_ALIGN * INPUT_ALIGN;

    if (input->memory && input->capacity_bytes >= bytes)
        return 0;
    free(input->memory);
    input->capacity_bytes = 0;
    input->memory = aligned_alloc(INPUT_ALIGN, capacity);
    if (!input->memory)
        return sg_error_set(err, SG_E_NOMEM, "no memory for input \"%s\" of %zu bytes", name, bytes);
    input->capacity_bytes = capacity;
    return 0;
}

int sg_runner_input(struct sg_runner *runner, int index, const int64_t *dims, int rank,
                    struct sg_tensor *out_tensor, struct sg_error *err)
{
    const struct sg_slot *slot = &runner->graph->signature.inputs[index];
    struct sg_runner_input *input = &runner->inputs[index];
    struct sg_tensor tensor = {.name = slot->name, .dtype = slot->dtype, .rank = rank};
    int64_t count;
    int code;

    if (input->bound && input->tensor.rank == rank &&
        memcmp(input->tensor.dims, dims, (size_t)rank * sizeof(*dims)) == 0) {
        *out_tensor = input->tensor;
        return 0;
    }
    code = check_dims(slot, dims, rank, err);
    if (code < 0)
        return code;
    memcpy(tensor.dims, dims, (size_t)rank * sizeof(*dims));
    count = sg_tensor_count(&tensor);
    if (count < 0 || (size_t)count > SG_TENSOR_MAX_BYTES / sg_dtype_bytes(slot->dtype))
        return sg_error_set(err, SG_E_TOO_LARGE, "input \"%s\" would be larger than %zu bytes", slot->name,
                            SG_TENSOR_MAX_BYTES);
    input->bound = false;
    code = make_room(input, slot->name, (size_t)count * sg_dtype_bytes(slot->dtype), err);
    if (code < 0)
        return code;
    tensor.data = input->memory;
    input->tensor = tensor;
    code = runner->graph->runtime->ops->bind(runner, index, err);
    if (code < 0)
        return code;
    input->bound = true;
    *out_tensor = tensor;
    return 0;
}

int sg_runner_run(struct sg_runner *runner, struct sg_error *err)
{
    const struct sg_signature *signature = &runner->graph->signature;
    int code, i;

    runner->output_count = 0;
    for (i = 0; i < signature->input_count; i++)
        if (!runner->inputs[i].bound)
            return sg_error_set(err, SG_E_INTERNAL, "input \"%s\" was never filled",
                                signature->inputs[i].name);
    code = runner->graph->runtime->ops->run(runner, err);
    if (code == 0)
        runner->output_count = signature->output_count;
    return code;
}

const struct sg_tensor *sg_runner_outputs(const struct sg_runner *runner, int *out_count)
{
    *out_count = runner->output_count;
    return runner->outputs;
}
