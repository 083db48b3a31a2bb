/* SPDX-License-Identifier: MIT
 * OpenVINO beside ONNX Runtime on real models: what one says is held against the other, which is an
 * implementation of its own. Skipped where OpenVINO is not there.
 */
#include "engine/engine_testing.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DETECTOR   "models/blazeface/model.onnx"    /* 1x256x256x3 */
#define EXPRESSION "models/expression/model.onnx"   /* any batch */
#define FREE       "deps/tests/models/yolo11n.onnx" /* any batch and size, metadata of its exporter */
#define APART      1e-3f                            /* of the largest value */

static struct sg_engine *engine;

static int open_engine(void **state)
{
    struct sg_error err = {0};

    (void)state;
    unsetenv("SIGHT_ENGINES"); /* the other tests run without it */
    return sg_engine_create(&engine, &err);
}

static int close_engine(void **state)
{
    (void)state;
    sg_engine_destroy(&engine);
    return 0;
}

static void need_openvino(void)
{
    if (strstr(sg_engine_version(engine), "openvino"))
        return;
    print_message("skipped: %s\n", sg_engine_missing(engine));
    skip();
}

static struct sg_graph *open_reference(const char *name)
{
    const struct sg_graph_options options = {.threads = 1, .engine = "onnxruntime"};
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};

    assert_int_equal(sg_graph_open(engine, model_path(name), &options, &graph, &err), 0);
    return graph;
}

static struct sg_graph *open_other(const struct sg_graph *first, const char *name, int threads,
                                   const struct sg_graph_shapes *shapes)
{
    const struct sg_graph_options options = {
        .threads = threads, .runs = 2, .engine = "openvino", .shapes = shapes};
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};

    if (sg_graph_open_as(engine, first, model_path(name), &options, &graph, &err) < 0)
        print_error("%s\n", err.text);
    assert_non_null(graph);
    return graph;
}

static void run_on(struct sg_runner *runner, const int64_t dims[4], float phase)
{
    struct sg_error err = {0};
    struct sg_tensor input;
    int64_t count = dims[0] * dims[1] * dims[2] * dims[3], i;

    assert_int_equal(sg_runner_input(runner, 0, dims, 4, &input, &err), 0);
    for (i = 0; i < count; i++)
        ((float *)input.data)[i] = 0.5f + 0.4f * sinf((float)i * 0.01f + phase);
    if (sg_runner_run(runner, &err) < 0)
        fail_msg("%s", err.text);
}

static void assert_alike(const struct sg_runner *a, const struct sg_runner *b)
{
    const struct sg_tensor *x, *y;
    int count, others, i;
    int64_t k;

    x = sg_runner_outputs(a, &count);
    y = sg_runner_outputs(b, &others);
    assert_int_equal(count, others);
    for (i = 0; i < count; i++) {
        float largest = 0.0f, apart = 0.0f;

        assert_string_equal(x[i].name, y[i].name);
        assert_int_equal(x[i].dtype, y[i].dtype);
        assert_int_equal(x[i].rank, y[i].rank);
        assert_memory_equal(x[i].dims, y[i].dims, (size_t)x[i].rank * sizeof(x[i].dims[0]));
        for (k = 0; k < sg_tensor_count(&x[i]); k++) {
            largest = fmaxf(largest, fabsf(sg_tensor_at(&x[i], k)));
            apart = fmaxf(apart, fabsf(sg_tensor_at(&x[i], k) - sg_tensor_at(&y[i], k)));
        }
        assert_true(largest > 0.0f);
        assert_true(apart <= APART * largest);
    }
}

static void compare(const char *name, int threads, const int64_t dims[4],
                    const struct sg_graph_shapes *shapes)
{
    struct sg_graph *first = open_reference(name), *other;
    struct sg_runner *a = NULL, *b = NULL;
    struct sg_error err = {0};

    other = open_other(first, name, threads, shapes);
    assert_string_equal(sg_graph_engine(first), "onnxruntime");
    assert_string_equal(sg_graph_engine(other), "openvino");
    assert_int_equal(sg_runner_create(first, &a, &err), 0);
    assert_int_equal(sg_runner_create(other, &b, &err), 0);
    run_on(a, dims, 0.0f);
    run_on(b, dims, 0.0f);
    assert_alike(a, b);
    run_on(a, dims, 1.0f);
    run_on(b, dims, 1.0f);
    assert_alike(a, b);
    sg_runner_destroy(&a);
    sg_runner_destroy(&b);
    sg_graph_destroy(&first);
    sg_graph_destroy(&other);
}

static void both_say_the_same(void **state)
{
    const int64_t fixed[4] = {1, 256, 256, 3}, two[4] = {2, 3, 112, 112}, free_size[4] = {1, 3, 320, 416};

    (void)state;
    need_openvino();
    compare(DETECTOR, 1, fixed, NULL);
    compare(DETECTOR, 2, fixed, NULL);
    compare(EXPRESSION, 1, two, NULL);
    compare(FREE, 1, free_size, NULL);
}

static void sizes_may_be_fixed_where_a_graph_takes_any(void **state)
{
    const int64_t dims[4] = {1, 3, 320, 416}, other[4] = {1, 3, 320, 320};
    struct sg_graph_shapes shapes = {.rank = {4}, .dims = {{1, 3, 320, 416}}};
    struct sg_graph *first, *fixed;
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    struct sg_tensor input;

    (void)state;
    need_openvino();
    compare(FREE, 1, dims, &shapes);
    first = open_reference(FREE);
    fixed = open_other(first, FREE, 1, &shapes);
    assert_int_equal(sg_runner_create(fixed, &runner, &err), 0);
    assert_true(sg_runner_input(runner, 0, other, 4, &input, &err) < 0 || sg_runner_run(runner, &err) < 0);
    sg_runner_destroy(&runner);
    sg_graph_destroy(&fixed);
    sg_graph_destroy(&first);
}

static void the_signature_is_the_first_ones(void **state)
{
    struct sg_graph *first, *other;
    const struct sg_signature *signature;

    (void)state;
    need_openvino();
    first = open_reference(FREE);
    other = open_other(first, FREE, 1, NULL);
    sg_graph_destroy(&first);
    signature = sg_graph_signature(other);
    assert_string_equal(signature->inputs[0].dim_names[0], "batch");
    assert_int_equal(signature->inputs[0].dims[0], -1);
    assert_non_null(strstr(sg_signature_meta(signature, "names"), "bicycle"));
    sg_graph_destroy(&other);
}

/* By itself it reads the file too: names, types and shapes as ONNX Runtime reads them. */
static void it_reads_a_file_alone(void **state)
{
    const struct sg_graph_options options = {.threads = 1, .engine = "openvino"};
    struct sg_graph *first, *alone = NULL;
    const struct sg_signature *a, *b;
    struct sg_error err = {0};

    (void)state;
    need_openvino();
    first = open_reference(FREE);
    assert_int_equal(sg_graph_open(engine, model_path(FREE), &options, &alone, &err), 0);
    a = sg_graph_signature(first);
    b = sg_graph_signature(alone);
    assert_int_equal(b->input_count, a->input_count);
    assert_int_equal(b->output_count, a->output_count);
    assert_string_equal(b->inputs[0].name, a->inputs[0].name);
    assert_int_equal(b->inputs[0].dtype, a->inputs[0].dtype);
    assert_memory_equal(b->inputs[0].dims, a->inputs[0].dims, 4 * sizeof(a->inputs[0].dims[0]));
    assert_string_equal(sg_signature_meta(b, "names"), sg_signature_meta(a, "names"));
    sg_graph_destroy(&alone);
    sg_graph_destroy(&first);
}

static void what_is_not_there_is_named(void **state)
{
    struct sg_graph_options options = {.threads = 1, .engine = "openvino", .device = "NPU.7"};
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};

    (void)state;
    need_openvino();
    assert_int_equal(sg_graph_open(engine, model_path(DETECTOR), &options, &graph, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "there is no device \"NPU.7\" for OpenVINO here; there is CPU"));
    assert_null(graph);
    options = (struct sg_graph_options){.threads = 1, .engine = "onnxruntime", .device = "GPU"};
    assert_int_equal(sg_graph_open(engine, model_path(DETECTOR), &options, &graph, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "there is no device \"GPU\" for ONNX Runtime here"));
    options = (struct sg_graph_options){.threads = 1, .engine = "tensorrt"};
    assert_int_equal(sg_graph_open(engine, model_path(DETECTOR), &options, &graph, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "there is no engine \"tensorrt\""));
    assert_string_equal(sg_engine_named("openvino", &err), "openvino");
    assert_null(sg_engine_named("openvin", &err));
    assert_int_equal(err.code, SG_E_CONFIG);
    assert_non_null(strstr(err.text, "auto, onnxruntime or openvino"));
}

static void a_file_that_is_no_model_is_refused(void **state)
{
    const struct sg_graph_options options = {.threads = 1, .engine = "openvino"};
    char path[] = "/tmp/sight-ov-XXXXXX.onnx", broken[] = "this is no model, whatever its name says";
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};
    int fd = mkstemps(path, 5);

    (void)state;
    need_openvino();
    assert_true(fd >= 0);
    assert_int_equal(write(fd, broken, sizeof(broken)), sizeof(broken));
    close(fd);
    assert_int_equal(sg_graph_open(engine, path, &options, &graph, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "the runtime cannot read it: "));
    assert_null(strstr(err.text, "Exception from"));
    assert_null(graph);
    unlink(path);
}

struct side {
    struct sg_graph *graph;
    const struct sg_runner *want;
    float phase;
    int done;
};

static void *run_side(void *arg)
{
    const int64_t dims[4] = {1, 256, 256, 3};
    struct side *side = arg;
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    int i;

    if (sg_runner_create(side->graph, &runner, &err) < 0)
        return NULL;
    for (i = 0; i < 10; i++) {
        run_on(runner, dims, side->phase);
        assert_alike(side->want, runner);
        side->done++;
    }
    sg_runner_destroy(&runner);
    return NULL;
}

/* More at once than there are streams: they wait for each other, and nobody's outputs are another's. */
static void runners_run_side_by_side(void **state)
{
    const int64_t dims[4] = {1, 256, 256, 3};
    struct sg_graph *first, *other;
    struct sg_runner *want[4] = {NULL};
    struct sg_error err = {0};
    struct side sides[4];
    pthread_t threads[4];
    int i;

    (void)state;
    need_openvino();
    first = open_reference(DETECTOR);
    other = open_other(first, DETECTOR, 1, NULL);
    for (i = 0; i < 4; i++) {
        assert_int_equal(sg_runner_create(first, &want[i], &err), 0);
        run_on(want[i], dims, (float)i);
        sides[i] = (struct side){.graph = other, .want = want[i], .phase = (float)i};
    }
    for (i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_side, &sides[i]), 0);
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(sides[i].done, 10);
        sg_runner_destroy(&want[i]);
    }
    sg_graph_destroy(&other);
    sg_graph_destroy(&first);
}

static void readers_are_listed_the_reference_first(void **state)
{
    const char *names[4];

    (void)state;
    need_openvino();
    assert_int_equal(sg_engine_readers(engine, "a.onnx", names, 4), 2);
    assert_string_equal(names[0], "onnxruntime");
    assert_string_equal(names[1], "openvino");
    assert_int_equal(sg_engine_readers(engine, "a.xml", names, 4), 1);
    assert_string_equal(names[0], "openvino");
    assert_int_equal(sg_engine_readers(engine, "a.txt", names, 4), 0);
}

static void it_may_be_switched_off(void **state)
{
    struct sg_engine *without = NULL;
    struct sg_error err = {0};

    (void)state;
    need_openvino();
    setenv("SIGHT_ENGINES", "reference", 1);
    assert_int_equal(sg_engine_create(&without, &err), 0);
    assert_null(strstr(sg_engine_version(without), "openvino"));
    assert_string_equal(sg_engine_missing(without), "openvino: switched off by SIGHT_ENGINES");
    sg_engine_destroy(&without);
    setenv("SIGHT_ENGINES", "openvino", 1);
    assert_int_equal(sg_engine_create(&without, &err), 0);
    assert_null(strstr(sg_engine_version(without), "onnxruntime"));
    sg_engine_destroy(&without);
    unsetenv("SIGHT_ENGINES");
    setenv("SIGHT_OPENVINO", "/nowhere/libopenvino_c.so", 1);
    assert_int_equal(sg_engine_create(&without, &err), 0);
    assert_non_null(strstr(sg_engine_missing(without), "/nowhere/libopenvino_c.so"));
    sg_engine_destroy(&without);
    unsetenv("SIGHT_OPENVINO");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_say_the_same),
        cmocka_unit_test(sizes_may_be_fixed_where_a_graph_takes_any),
        cmocka_unit_test(the_signature_is_the_first_ones),
        cmocka_unit_test(it_reads_a_file_alone),
        cmocka_unit_test(what_is_not_there_is_named),
        cmocka_unit_test(a_file_that_is_no_model_is_refused),
        cmocka_unit_test(runners_run_side_by_side),
        cmocka_unit_test(readers_are_listed_the_reference_first),
        cmocka_unit_test(it_may_be_switched_off),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
