/* SPDX-License-Identifier: MIT
 * Weights held once for all sessions of a model. A session copies its weights out of an ONNX file, but can
 * read them in place from the runtime's own format. So the file is loaded once, written to an anonymous file
 * as the optimiser left it, and the sessions that serve are opened over that file's pages. They have nothing
 * left to optimise, which makes up for the time of the detour. What a kernel packs anew for itself (matrix
 * products do, the blocked convolutions do not) every session still has of its own.
 */
#include "engine/ort_private.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct ort_shared {
    atomic_int held;
    void *bytes;
    size_t size;
};

static int set(const struct ort_runtime *runtime, OrtSessionOptions *options, const char *key,
               const char *value, struct sg_error *err)
{
    return ort_check(runtime, runtime->api->AddSessionConfigEntry(options, key, value), SG_E_INVALID, key,
                     err);
}

/* A session that only optimises and writes: one thread, nothing packed, no arena. */
static int write_options(const struct ort_runtime *runtime, const char *to, OrtSessionOptions **out_options,
                         struct sg_error *err)
{
    const struct sg_graph_options plain = {.threads = 1};
    const OrtApi *api = runtime->api;
    OrtSessionOptions *o = NULL;
    int code = ort_session_options(runtime, &plain, &o, err);

    *out_options = NULL;
    if (code < 0)
        return code;
    code = ort_check(runtime, api->DisableCpuMemArena(o), SG_E_INVALID, "arena", err);
    if (code == 0)
        code =
            ort_check(runtime, api->SetOptimizedModelFilePath(o, to), SG_E_INVALID, "optimised model", err);
    if (code == 0)
        code = set(runtime, o, "session.save_model_format", "ORT", err);
    if (code == 0)
        code = set(runtime, o, "session.disable_prepacking", "1", err);
    if (code < 0)
        api->ReleaseSessionOptions(o);
    else
        *out_options = o;
    return code;
}

/* Loads path, fills the signature, and leaves the optimised model in the file called `to`. */
static int optimise(struct ort_graph *graph, const char *path, const char *to, struct sg_error *err)
{
    const struct ort_runtime *runtime = ort_runtime_of(graph);
    OrtSessionOptions *options = NULL;
    int code = write_options(runtime, to, &options, err);

    if (code < 0)
        return code;
    code = ort_file_session(graph, path, options, err);
    if (code == 0)
        code = ort_signature_read(graph, path, err);
    if (graph->session)
        runtime->api->ReleaseSession(graph->session);
    graph->session = NULL;
    runtime->api->ReleaseSessionOptions(options);
    return code;
}

static int map(struct ort_shared *shared, int fd, struct sg_error *err)
{
    struct stat st;

    if (fstat(fd, &st) != 0 || st.st_size <= 0)
        return sg_error_set(err, SG_E_MODEL, "the runtime wrote no optimised model");
    shared->bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (shared->bytes == MAP_FAILED) {
        shared->bytes = NULL;
        return sg_error_set(err, SG_E_NOMEM, "no memory for a model of %lld bytes: %s", (long long)st.st_size,
                            strerror(errno));
    }
    shared->size = (size_t)st.st_size;
    return 0;
}

int ort_shared_create(struct ort_graph *graph, const char *path, struct ort_shared **out_shared,
                      struct sg_error *err)
{
    struct ort_shared *shared = calloc(1, sizeof(*shared));
    int fd = memfd_create("sight-model", MFD_CLOEXEC), code;
    char to[64];

    *out_shared = NULL;
    if (!shared || fd < 0) {
        code = sg_error_set(err, SG_E_NOMEM, "no memory for model \"%s\"", path);
        goto out;
    }
    atomic_init(&shared->held, 1);
    snprintf(to, sizeof(to), "/proc/self/fd/%d", fd);
    code = optimise(graph, path, to, err);
    if (code == 0)
        code = map(shared, fd, err);
    if (code == 0) {
        *out_shared = shared;
        shared = NULL;
    }
out:
    if (fd >= 0)
        close(fd);
    ort_shared_release(&shared);
    return code;
}

struct ort_shared *ort_shared_hold(struct ort_shared *shared)
{
    atomic_fetch_add_explicit(&shared->held, 1, memory_order_relaxed);
    return shared;
}

void ort_shared_release(struct ort_shared **shared)
{
    struct ort_shared *s = *shared;

    *shared = NULL;
    /* acq_rel: who unmaps must see the other's session gone. */
    if (!s || atomic_fetch_sub_explicit(&s->held, 1, memory_order_acq_rel) > 1)
        return;
    if (s->bytes)
        munmap(s->bytes, s->size);
    free(s);
}

int ort_shared_session(const struct ort_runtime *runtime, const struct ort_shared *shared,
                       OrtSessionOptions *options, OrtSession **out_session, struct sg_error *err)
{
    int code = set(runtime, options, "session.load_model_format", "ORT", err);

    if (code == 0)
        code = set(runtime, options, "session.use_ort_model_bytes_directly", "1", err);
    if (code == 0)
        code = set(runtime, options, "session.use_ort_model_bytes_for_initializers", "1", err);
    return code < 0 ? code
                    : ort_check(runtime,
                                runtime->api->CreateSessionFromArray(runtime->env, shared->bytes,
                                                                     shared->size, options, out_session),
                                SG_E_MODEL, "the runtime cannot load its own optimised model", err);
}
