/* SPDX-License-Identifier: MIT
 * Sessions: one per graph, opened by any thread.
 */
#include "base/log.h"
#include "engine/ort_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int ort_session_options(const struct sg_engine *engine, const struct sg_graph_options *options,
                        OrtSessionOptions **out_options, struct sg_error *err)
{
    const OrtApi *api = engine->api;
    OrtSessionOptions *o = NULL;
    int code;

    *out_options = NULL;
    code = ort_check(engine, api->CreateSessionOptions(&o), SG_E_NOMEM, "session options", err);
    if (code < 0)
        return code;
    code = ort_check(engine, api->SetIntraOpNumThreads(o, options->threads), SG_E_INVALID, "threads", err);
    if (code == 0)
        code = ort_check(engine, api->SetInterOpNumThreads(o, 1), SG_E_INVALID, "threads", err);
    if (code == 0)
        code = ort_check(engine,
                         api->SetSessionGraphOptimizationLevel(o, options->optimise_off ? ORT_DISABLE_ALL
                                                                                        : ORT_ENABLE_ALL),
                         SG_E_INVALID, "optimisation level", err);
    if (code == 0)
        code = ort_check(
            engine,
            api->AddSessionConfigEntry(o, "session.intra_op.allow_spinning", options->spin ? "1" : "0"),
            SG_E_INVALID, "spinning", err);
    if (code < 0) {
        api->ReleaseSessionOptions(o);
        return code;
    }
    *out_options = o;
    return 0;
}

static int use_shared_arena(const struct sg_engine *engine, OrtSessionOptions *session, struct sg_error *err)
{
    return ort_check(engine, engine->api->AddSessionConfigEntry(session, "session.use_env_allocators", "1"),
                     SG_E_INVALID, "shared arena", err);
}

/* Sessions over shared weights; all or nothing. */
static int open_shared(struct sg_graph *graph, struct ort_shared *shared,
                       const struct sg_graph_options *options, struct sg_error *err)
{
    OrtSessionOptions *session = NULL;
    int code = ort_session_options(graph->engine, options, &session, err);

    if (code < 0)
        return code;
    code = use_shared_arena(graph->engine, session, err);
    if (code == 0)
        code = ort_shared_session(graph->engine, shared, session, &graph->session, err);
    graph->engine->api->ReleaseSessionOptions(session);
    if (code == 0)
        graph->shared = ort_shared_hold(shared);
    return code;
}

static int open_file(struct sg_graph *graph, const char *path, const struct sg_graph_options *options,
                     struct sg_error *err)
{
    const struct sg_engine *engine = graph->engine;
    OrtSessionOptions *session = NULL;
    int code = ort_session_options(engine, options, &session, err);

    if (code < 0)
        return code;
    code = use_shared_arena(engine, session, err);
    if (code == 0)
        code = ort_file_session(graph, path, session, err);
    engine->api->ReleaseSessionOptions(session);
    return code < 0 ? code : ort_signature_read(graph, err);
}

/* False: the model has to be opened as it is. Then nothing of the attempt is left, nor is it an error. */
static bool open_sharing(struct sg_graph *graph, const char *path, const struct sg_graph_options *options)
{
    struct ort_shared *shared = NULL;
    struct sg_error err = {0};
    int code = ort_shared_create(graph, path, &shared, &err);

    if (code == 0)
        code = open_shared(graph, shared, options, &err);
    ort_shared_release(&shared);
    if (code == 0)
        return true;
    sg_log(SG_LOG_DEBUG, "a model's sessions do not share weights", "path=%s why=%s", path,
           sg_err_name((enum sg_err)code));
    sg_signature_fini(&graph->signature);
    return false;
}

int sg_graph_open(struct sg_engine *engine, const char *path, const struct sg_graph_options *options,
                  struct sg_graph **out_graph, struct sg_error *err)
{
    struct sg_graph *graph;
    struct stat status;
    int code = 0;

    *out_graph = NULL;
    /* The runtime's own words for a missing or empty file are long; ours name the path and the reason. */
    if (access(path, R_OK) != 0)
        return sg_error_set(err, errno == ENOENT || errno == ENOTDIR ? SG_E_NOT_FOUND : SG_E_IO,
                            "cannot read model file \"%s\": %s", path, strerror(errno));
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode) && status.st_size == 0)
        return sg_error_set(err, SG_E_MODEL, "model file \"%s\" is empty", path);
    graph = calloc(1, sizeof(*graph));
    if (!graph)
        return sg_error_set(err, SG_E_NOMEM, "no memory for model \"%s\"", path);
    graph->engine = engine;
    graph->free = options->free;
    if (!options->share || !open_sharing(graph, path, options))
        code = open_file(graph, path, options, err);
    if (code == 0) {
        *out_graph = graph;
        return 0;
    }
    sg_error_prefix(err, "model \"%s\"", path);
    sg_graph_destroy(&graph);
    return code;
}

int sg_graph_open_beside(const struct sg_graph *first, const char *path,
                         const struct sg_graph_options *options, struct sg_graph **out_graph,
                         struct sg_error *err)
{
    struct sg_graph_options again = *options;
    struct sg_graph *graph;
    int code;

    again.free = first->free;
    if (!first->shared)
        return sg_graph_open(first->engine, path, &again, out_graph, err);
    *out_graph = NULL;
    graph = calloc(1, sizeof(*graph));
    if (!graph)
        return sg_error_set(err, SG_E_NOMEM, "no memory for model \"%s\"", path);
    graph->engine = first->engine;
    graph->signature = first->signature;
    graph->signature.meta_count = 0; /* its texts are the first one's */
    code = open_shared(graph, first->shared, &again, err);
    if (code < 0) {
        sg_error_prefix(err, "model \"%s\"", path);
        sg_graph_destroy(&graph);
    }
    *out_graph = graph;
    return code;
}

bool sg_graph_shares(const struct sg_graph *graph)
{
    return graph->shared != NULL;
}

void sg_graph_lean(struct sg_graph *graph, bool lean)
{
    atomic_store_explicit(&graph->lean, lean, memory_order_relaxed);
}

void sg_graph_destroy(struct sg_graph **graph)
{
    struct sg_graph *g = *graph;

    if (!g)
        return;
    if (g->session)
        g->engine->api->ReleaseSession(g->session);
    ort_shared_release(&g->shared);
    sg_signature_fini(&g->signature);
    free(g);
    *graph = NULL;
}

const struct sg_signature *sg_graph_signature(const struct sg_graph *graph)
{
    return &graph->signature;
}

const struct sg_graph_declared *sg_graph_declared(const struct sg_graph *graph)
{
    return &graph->declared;
}
