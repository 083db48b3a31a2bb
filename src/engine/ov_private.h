/* SPDX-License-Identifier: MIT
 * What the files of the OpenVINO engine share: the library and its functions (openvino.c), models as it reads
 * them (ov_model.c), compiled graphs (ov_graph.c), runs (ov_runner.c). Private to those files.
 */
#ifndef SG_ENGINE_OV_PRIVATE_H
#define SG_ENGINE_OV_PRIVATE_H

#include "engine/kinds.h"

#include <openvino/c/ov_compiled_model.h>
#include <openvino/c/ov_core.h>
#include <openvino/c/ov_model.h>

/* The library is loaded at run time: a machine without it runs what it can without it. */
#define OV_FUNCTIONS(X)                                                                                      \
    X(ov_available_devices_free)                                                                             \
    X(ov_compiled_model_create_infer_request)                                                                \
    X(ov_compiled_model_free)                                                                                \
    X(ov_compiled_model_input_by_index)                                                                      \
    X(ov_compiled_model_input_by_name)                                                                       \
    X(ov_compiled_model_inputs_size)                                                                         \
    X(ov_compiled_model_output_by_index)                                                                     \
    X(ov_compiled_model_output_by_name)                                                                      \
    X(ov_compiled_model_outputs_size)                                                                        \
    X(ov_core_compile_model)                                                                                 \
    X(ov_core_create)                                                                                        \
    X(ov_core_free)                                                                                          \
    X(ov_core_get_available_devices)                                                                         \
    X(ov_core_get_property)                                                                                  \
    X(ov_core_read_model)                                                                                    \
    X(ov_free)                                                                                               \
    X(ov_get_last_err_msg)                                                                                   \
    X(ov_get_openvino_version)                                                                               \
    X(ov_infer_request_free)                                                                                 \
    X(ov_infer_request_get_tensor_by_const_port)                                                             \
    X(ov_infer_request_infer)                                                                                \
    X(ov_infer_request_set_tensor_by_const_port)                                                             \
    X(ov_model_free)                                                                                         \
    X(ov_model_reshape)                                                                                      \
    X(ov_output_const_port_free)                                                                             \
    X(ov_partial_shape_free)                                                                                 \
    X(ov_port_get_any_name)                                                                                  \
    X(ov_port_get_element_type)                                                                              \
    X(ov_port_get_partial_shape)                                                                             \
    X(ov_shape_free)                                                                                         \
    X(ov_tensor_create_from_host_ptr)                                                                        \
    X(ov_tensor_data)                                                                                        \
    X(ov_tensor_free)                                                                                        \
    X(ov_tensor_get_element_type)                                                                            \
    X(ov_tensor_get_shape)                                                                                   \
    X(ov_version_free)

struct ov_api {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): the name of a member takes none */
#define OV_MEMBER(function) __typeof__(function) *function;
    OV_FUNCTIONS(OV_MEMBER)
#undef OV_MEMBER
};

struct ov_runtime {
    struct sg_runtime base;
    void *library;
    struct ov_api api;
    ov_core_t *core;
};

struct ov_graph {
    struct sg_graph base;
    ov_compiled_model_t *compiled;
    ov_output_const_port_t *inputs[SG_SIGNATURE_MAX_IO], *outputs[SG_SIGNATURE_MAX_IO]; /* by signature */
};

struct ov_runner {
    struct sg_runner base;
    ov_infer_request_t *request;
    ov_tensor_t *inputs[SG_SIGNATURE_MAX_IO], *outputs[SG_SIGNATURE_MAX_IO];
};

static inline const struct ov_runtime *ov_runtime_of(const struct ov_graph *graph)
{
    return (const struct ov_runtime *)graph->base.runtime;
}

/* OK is success. The library's words go to the detail, the line of them that says most to the client too. */
int ov_check(const struct ov_runtime *runtime, ov_status_e status, enum sg_err code, const char *what,
             struct sg_error *err);
enum sg_dtype ov_dtype_ours(ov_element_type_e theirs);
ov_element_type_e ov_dtype_theirs(enum sg_dtype ours);

/* ov_signature.c: the ports of graph->compiled, in the order of graph->base.signature; where that is empty it
 * is filled first, in the order of the file. */
int ov_signature_ports(struct ov_graph *graph, struct sg_error *err);
void ov_signature_release(struct ov_graph *graph);

/* The ops of ov_graph.c and ov_runner.c; see kinds.h. */
int ov_graph_open(struct sg_graph *graph, const char *path, const struct sg_graph_options *options,
                  struct sg_error *err);
void ov_graph_close(struct sg_graph *graph);
int ov_graph_files(const char *path, sg_file_fn visit, void *ctx, struct sg_error *err);
int ov_runner_init(struct sg_runner *runner, struct sg_error *err);
void ov_runner_fini(struct sg_runner *runner);
int ov_runner_bind(struct sg_runner *runner, int index, struct sg_error *err);
int ov_runner_run(struct sg_runner *runner, struct sg_error *err);

#endif
