/* SPDX-License-Identifier: MIT
 * Sessions: one per graph, opened by any thread.
 */
#include "base/cpu.h"
#include "base/log.h"
#include "base/path.h"
#include "engine/onnx_metadata.h"
#include "engine/ort_private.h"

#include <string.h>

bool ort_bytes_overflow(void)
{
#if defined(__x86_64__)
    return !(sg_cpu_flags() & SG_CPU_VNNI);
#else
    return false;
#endif
}

int ort_careful_bytes(const struct ort_runtime *runtime, OrtSessionOptions *options, bool careful,
                      struct sg_error *err)
{
    return ort_check(
        runtime,
        runtime->api->AddSessionConfigEntry(options, "session.x64quantprecision", careful ? "1" : "0"),
        SG_E_INVALID, "products of bytes", err);
}

int ort_session_options(const struct ort_runtime *runtime, const struct sg_graph_options *options,
                        OrtSessionOptions **out_options, struct sg_error *err)
{
    const OrtApi *api = runtime->api;
    OrtSessionOptions *o = NULL;
    int code;

    *out_options = NULL;
    code = ort_check(runtime, api->CreateSessionOptions(&o), SG_E_NOMEM, "session options", err);
    if (code < 0)
        return code;
    code = ort_check(runtime, api->SetIntraOpNumThreads(o, options->threads), SG_E_INVALID, "threads", err);
    if (code == 0)
        code = ort_check(runtime, api->SetInterOpNumThreads(o, 1), SG_E_INVALID, "threads", err);
    if (code == 0)
        code = ort_check(runtime, api->SetSessionGraphOptimizationLevel(o, ORT_ENABLE_ALL), SG_E_INVALID,
                         "optimisation level", err);
    /* Threads of a wide run that wait for each other in a loop: faster alone, hungry in company. */
    if (code == 0)
        code = ort_check(runtime,
                         api->AddSessionConfigEntry(o, "session.intra_op.allow_spinning",
                                                    options->company == SG_COMPANY_NONE ? "1" : "0"),
                         SG_E_INVALID, "spinning", err);
    if (code == 0 && ort_bytes_overflow())
        code = ort_careful_bytes(runtime, o, true, err);
    if (code < 0) {
        api->ReleaseSessionOptions(o);
        return code;
    }
    *out_options = o;
    return 0;
}

int ort_signature_read(struct ort_graph *graph, const char *path, struct sg_error *err)
{
    int code;

    if (graph->base.signature.input_count > 0) /* another engine has read it */
        return 0;
    code = ort_signature_slots(graph, err);
    if (code < 0)
        return code;
    /* The runtime takes a file of this name for its own format. */
    return sg_path_ends_in_any_case(path, ".ort") ? ort_signature_metadata(graph, err)
                                                  : sg_onnx_metadata(path, &graph->base.signature, err);
}

static int use_shared_arena(const struct ort_runtime *runtime, OrtSessionOptions *session,
                            struct sg_error *err)
{
    return ort_check(runtime, runtime->api->AddSessionConfigEntry(session, "session.use_env_allocators", "1"),
                     SG_E_INVALID, "shared arena", err);
}

/* Sessions over shared weights; all or nothing. */
static int open_shared(struct ort_graph *graph, struct ort_shared *shared,
                       const struct sg_graph_options *options, struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    OrtSessionOptions *session = NULL;
    int code = ort_session_options(runtime, options, &session, err);

    if (code < 0)
        return code;
    code = use_shared_arena(runtime, session, err);
    if (code == 0)
        code = ort_shared_session(runtime, shared, session, &graph->session, err);
    runtime->api->ReleaseSessionOptions(session);
    if (code == 0) {
        graph->shared = ort_shared_hold(shared);
        graph->base.shares = true;
    }
    return code;
}

static int open_file(struct ort_graph *graph, const char *path, const struct sg_graph_options *options,
                     struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    OrtSessionOptions *session = NULL;
    int code = ort_session_options(runtime, options, &session, err);

    if (code < 0)
        return code;
    code = use_shared_arena(runtime, session, err);
    if (code == 0)
        code = ort_file_session(graph, path, session, err);
    runtime->api->ReleaseSessionOptions(session);
    return code < 0 ? code : ort_signature_read(graph, path, err);
}

/* False: the model has to be opened as it is. Then nothing of the attempt is left, nor is it an error. */
static bool open_sharing(struct ort_graph *graph, const char *path, const struct sg_graph_options *options)
{
    bool known = graph->base.signature.input_count > 0;
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
    if (!known)
        sg_signature_fini(&graph->base.signature);
    return false;
}

int ort_graph_open(struct sg_graph *base, const char *path, const struct sg_graph_options *options,
                   struct sg_error *err)
{
    struct ort_graph *graph = (struct ort_graph *)base;

    if (options->share && open_sharing(graph, path, options))
        return 0;
    return open_file(graph, path, options, err);
}

int ort_graph_open_beside(struct sg_graph *base, const struct sg_graph *first,
                          const struct sg_graph_options *options, struct sg_error *err)
{
    return open_shared((struct ort_graph *)base, ((const struct ort_graph *)first)->shared, options, err);
}

void ort_graph_close(struct sg_graph *base)
{
    struct ort_graph *graph = (struct ort_graph *)base;

    if (graph->session)
        ort_runtime_of(graph)->api->ReleaseSession(graph->session);
    ort_shared_release(&graph->shared);
}
