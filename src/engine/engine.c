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
    char missing[SG_ENGINE_MAX_KINDS * 256];
};

static void close_runtime(struct sg_runtime **runtime)
{
    if (*runtime)
        (*runtime)->ops->fini(*runtime);
    free(*runtime);
    *runtime = NULL;
}

/* SIGHT_ENGINES: "reference", the most wanted kind alone, or names with commas; not set: all. */
static bool is_wanted(const struct sg_engine_ops *ops, bool first)
{
    const char *list = getenv("SIGHT_ENGINES"), *at;
    size_t length = strlen(ops->name);

    if (!list || !*list)
        return true;
    for (at = list; at; at = strchr(at, ',')) {
        at += *at == ',';
        if (strncmp(at, ops->name, length) == 0 && (at[length] == ',' || !at[length]))
            return true;
    }
    return first && strcmp(list, "reference") == 0;
}

/* Not wanted: it has an error that says so. */
static int open_runtime(const struct sg_engine_ops *ops, bool wanted, struct sg_runtime **out_runtime,
                        struct sg_error *err)
{
    struct sg_runtime *runtime;
    int code;

    *out_runtime = NULL;
    if (!wanted)
        return sg_error_set(err, SG_E_MODEL, "switched off by SIGHT_ENGINES");
    runtime = calloc(1, ops->runtime_bytes);
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
    size_t used = 0, missing = 0;
    int i, code;

    *out_engine = NULL;
    if (!engine)
        return sg_error_set(err, SG_E_NOMEM, "no memory for the inference engine");
    engine->kinds = kinds;
    for (i = 0; kinds[i] && i < SG_ENGINE_MAX_KINDS; i++)
        if (open_runtime(kinds[i], is_wanted(kinds[i], i == 0), &engine->runtimes[i], &engine->why[i]) == 0)
            used += (size_t)snprintf(engine->version + used, sizeof(engine->version) - used, "%s%.24s %s",
                                     used ? ", " : "", kinds[i]->name, engine->runtimes[i]->version);
        else
            missing +=
                (size_t)snprintf(engine->missing + missing, sizeof(engine->missing) - missing,
                                 "%s%.24s: %.220s", missing ? "; " : "", kinds[i]->name, engine->why[i].text);
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

const char *sg_engine_missing(const struct sg_engine *engine)
{
    return engine->missing;
}

int sg_engine_readers(const struct sg_engine *engine, const char *path, const char **out_names, int most)
{
    int count = 0, i;

    for (i = 0; engine->kinds[i] && i < SG_ENGINE_MAX_KINDS && count < most; i++)
        if (engine->runtimes[i] && engine->kinds[i]->claims(path))
            out_names[count++] = engine->kinds[i]->name;
    return count;
}

/* Of that name; -1: none of these kinds. */
static int find_kind(const struct sg_engine *engine, const char *name)
{
    int i;

    for (i = 0; engine->kinds[i] && i < SG_ENGINE_MAX_KINDS; i++)
        if (strcmp(engine->kinds[i]->name, name) == 0)
            return i;
    return -1;
}

bool sg_engine_has_bf16(const struct sg_engine *engine, const char *name)
{
    int i = find_kind(engine, name);

    return i >= 0 && engine->runtimes[i] && engine->kinds[i]->has_bf16 &&
           engine->kinds[i]->has_bf16(engine->runtimes[i]);
}

const char *sg_engine_of_bf16(const struct sg_engine *engine)
{
    int i;

    for (i = 0; engine->kinds[i] && i < SG_ENGINE_MAX_KINDS; i++)
        if (sg_engine_has_bf16(engine, engine->kinds[i]->name))
            return engine->kinds[i]->name;
    return NULL;
}

/* The runtime of that name. */
static struct sg_runtime *named_runtime(const struct sg_engine *engine, const char *path, const char *name,
                                        struct sg_error *err)
{
    int i = find_kind(engine, name);

    if (i >= 0 && engine->runtimes[i])
        return engine->runtimes[i];
    if (i < 0)
        sg_error_set(err, SG_E_MODEL, "model \"%s\": there is no engine \"%.40s\"", path, name);
    else
        sg_error_set(err, SG_E_MODEL, "model \"%s\" wants %s, which cannot be used here: %s", path,
                     engine->kinds[i]->title, engine->why[i].text);
    return NULL;
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

/* A device that a runtime does not have is told before it tries, with those that it has. */
static int check_device(const struct sg_runtime *runtime, const char *device, struct sg_error *err)
{
    char there[256] = "";
    size_t length;

    if (!device || !*device || strcasecmp(device, "CPU") == 0)
        return 0;
    if (runtime->ops->devices)
        runtime->ops->devices(runtime, there, sizeof(there));
    length = strcspn(device, ".:"); /* GPU.1, MULTI:GPU,CPU */
    if (there[0] && (device[length] == ':' || strcasestr(there, device) ||
                     (device[length] == '.' && memmem(there, strlen(there), device, length))))
        return 0;
    return sg_error_set(err, SG_E_MODEL, "there is no device \"%.40s\" for %s here; there is %s", device,
                        runtime->ops->title, there[0] ? there : "CPU");
}

/* signature: of a graph of the same file, or NULL where none is open. */
static int open_file(struct sg_runtime *runtime, const char *path, const struct sg_graph_options *options,
                     const struct sg_signature *signature, struct sg_graph **out_graph, struct sg_error *err)
{
    struct sg_graph *graph = make_graph(runtime, path, err);
    int code;

    if (!graph)
        return SG_E_NOMEM;
    graph->free = options->free;
    graph->precision = options->precision;
    code = check_device(runtime, options->device, err);
    if (code == 0 && signature)
        code = sg_signature_copy(signature, &graph->signature) < 0
                   ? sg_error_set(err, SG_E_NOMEM, "no memory for the signature")
                   : 0;
    if (code == 0)
        code = runtime->ops->open(graph, path, options, err);
    return finish(graph, code, path, out_graph, err);
}

int sg_graph_open(struct sg_engine *engine, const char *path, const struct sg_graph_options *options,
                  struct sg_graph **out_graph, struct sg_error *err)
{
    struct sg_runtime *runtime;
    int code = check_file(path, err);

    *out_graph = NULL;
    if (code < 0)
        return code;
    runtime =
        options->engine ? named_runtime(engine, path, options->engine, err) : find_runtime(engine, path, err);
    return runtime ? open_file(runtime, path, options, NULL, out_graph, err) : SG_E_MODEL;
}

int sg_graph_open_as(struct sg_engine *engine, const struct sg_graph *first, const char *path,
                     const struct sg_graph_options *options, struct sg_graph **out_graph,
                     struct sg_error *err)
{
    struct sg_graph_options again = *options;
    struct sg_runtime *runtime = named_runtime(engine, path, options->engine, err);

    *out_graph = NULL;
    again.free = first->free;
    return runtime ? open_file(runtime, path, &again, &first->signature, out_graph, err) : SG_E_MODEL;
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
    again.precision = first->precision;
    if (!first->shares)
        return open_file(first->runtime, path, &again, NULL, out_graph, err);
    graph = make_graph(first->runtime, path, err);
    if (!graph)
        return SG_E_NOMEM;
    graph->free = first->free;
    graph->precision = first->precision;
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

const char *sg_graph_engine(const struct sg_graph *graph)
{
    return graph->runtime->ops->name;
}

enum sg_precision sg_graph_precision(const struct sg_graph *graph)
{
    return graph->precision;
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
