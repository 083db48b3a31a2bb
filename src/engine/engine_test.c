/* SPDX-License-Identifier: MIT
 * The engine on real models of ../shared; names and shapes are those of its manifest.
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

#define FREE       "deps/tests/models/yolo11n.onnx"    /* any batch and size */
#define FIXED      "deps/tests/models/yolov8n.onnx"    /* 1x3x640x640 */
#define CONVOLVES  "deps/tests/models/retinaface.onnx" /* 1x3x640x640, and any other */
#define EXPRESSION "models/expression/model.onnx"      /* any batch */

static struct sg_engine *engine;

static int open_engine(void **state)
{
    struct sg_error err = {0};

    (void)state;
    if (sg_engine_create(&engine, &err) < 0)
        print_error("%s\n", err.text);
    return engine ? 0 : -1;
}

static int close_engine(void **state)
{
    (void)state;
    sg_engine_destroy(&engine);
    return 0;
}

static struct sg_graph *open_graph(const char *name, int threads)
{
    struct sg_graph_options options = {.threads = threads};
    struct sg_error err = {0};
    struct sg_graph *graph = NULL;

    if (sg_graph_open(engine, model_path(name), &options, &graph, &err) < 0)
        print_error("%s\n", err.text);
    assert_non_null(graph);
    return graph;
}

static void a_signature_is_read(void **state)
{
    struct sg_graph *graph = open_graph(FREE, 1);
    const struct sg_signature *s = sg_graph_signature(graph);

    (void)state;
    assert_int_equal(s->input_count, 1);
    assert_string_equal(s->inputs[0].name, "images");
    assert_int_equal(s->inputs[0].dtype, SG_DTYPE_F32);
    assert_int_equal(s->inputs[0].rank, 4);
    assert_int_equal(s->inputs[0].dims[0], -1);
    assert_int_equal(s->inputs[0].dims[1], 3);
    assert_string_equal(s->inputs[0].dim_names[0], "batch");
    assert_string_equal(s->outputs[0].name, "output0");
    assert_non_null(sg_signature_meta(s, "names"));
    sg_graph_destroy(&graph);
    assert_null(graph);
}

/* The rows of a softmax over any input sum to one: a property of the network, whoever runs it. */
static void a_batch_runs_and_shapes_change(void **state)
{
    struct sg_graph *graph = open_graph(EXPRESSION, 1);
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    const struct sg_tensor *outputs;
    struct sg_tensor input;
    int batch, i, k, count;

    (void)state;
    assert_int_equal(sg_runner_create(graph, &runner, &err), 0);
    assert_int_equal(sg_runner_run(runner, &err), SG_E_INTERNAL);
    for (batch = 3; batch >= 1; batch--) {
        int64_t dims[4] = {batch, 3, 112, 112};

        assert_int_equal(sg_runner_input(runner, 0, dims, 4, &input, &err), 0);
        for (i = 0; i < batch * 3 * 112 * 112; i++)
            ((float *)input.data)[i] = sinf((float)i * 0.01f) * 0.4f;
        assert_int_equal(sg_runner_run(runner, &err), 0);
        outputs = sg_runner_outputs(runner, &count);
        assert_int_equal(count, 1);
        assert_int_equal(outputs[0].dims[0], batch);
        assert_int_equal(outputs[0].dims[1], 7);
        for (i = 0; i < batch; i++) {
            float sum = 0.0f;

            for (k = 0; k < 7; k++)
                sum += ((const float *)outputs[0].data)[i * 7 + k];
            assert_true(fabsf(sum - 1.0f) < 1e-4f);
        }
    }
    sg_runner_destroy(&runner);
    sg_graph_destroy(&graph);
}

static void a_wrong_shape_is_named(void **state)
{
    struct sg_graph *graph = open_graph(FIXED, 1);
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    struct sg_tensor input;
    int64_t dims[4] = {1, 3, 416, 416};

    (void)state;
    assert_int_equal(sg_runner_create(graph, &runner, &err), 0);
    assert_int_equal(sg_runner_input(runner, 0, dims, 4, &input, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "images"));
    assert_non_null(strstr(err.text, "1x3x416x416"));
    assert_non_null(strstr(err.text, "1x3x640x640"));
    sg_runner_destroy(&runner);
    sg_graph_destroy(&graph);
}

static void what_is_no_model_is_refused(void **state)
{
    struct sg_graph_options options = {.threads = 1};
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(sg_graph_open(engine, "/nonexistent/x.onnx", &options, &graph, &err), SG_E_NOT_FOUND);
    assert_non_null(strstr(err.text, "/nonexistent/x.onnx"));
    assert_int_equal(sg_graph_open(engine, "/proc/self/exe", &options, &graph, &err), SG_E_MODEL);
    assert_null(graph);
}

struct parallel {
    struct sg_graph *graph;
    float sum;
};

static void *run_alone(void *arg)
{
    struct parallel *p = arg;
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    struct sg_tensor input;
    int64_t dims[4] = {1, 3, 112, 112};
    int i, count;

    if (sg_runner_create(p->graph, &runner, &err) < 0 ||
        sg_runner_input(runner, 0, dims, 4, &input, &err) < 0)
        return NULL;
    for (i = 0; i < 3 * 112 * 112; i++)
        ((float *)input.data)[i] = 0.1f;
    for (i = 0; i < 20; i++)
        if (sg_runner_run(runner, &err) < 0)
            return NULL;
    p->sum = ((const float *)sg_runner_outputs(runner, &count)->data)[0];
    sg_runner_destroy(&runner);
    return NULL;
}

static void runners_of_one_graph_run_side_by_side(void **state)
{
    struct sg_graph *graph = open_graph(EXPRESSION, 1);
    struct parallel work[4];
    pthread_t threads[4];
    int i;

    (void)state;
    for (i = 0; i < 4; i++) {
        work[i] = (struct parallel){.graph = graph, .sum = -1.0f};
        assert_int_equal(pthread_create(&threads[i], NULL, run_alone, &work[i]), 0);
    }
    for (i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (i = 0; i < 4; i++)
        assert_true(work[i].sum >= 0.0f && work[i].sum == work[0].sum);
    sg_graph_destroy(&graph);
}

/* One run on a wave; the sum of the first output, weighed so that order counts. */
static double run_on_wave(struct sg_graph *graph, int side)
{
    const int64_t dims[4] = {1, 3, side, side};
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    const struct sg_tensor *outputs;
    struct sg_tensor input;
    double sum = 0.0;
    int64_t k;
    int i, count;

    assert_int_equal(sg_runner_create(graph, &runner, &err), 0);
    assert_int_equal(sg_runner_input(runner, 0, dims, 4, &input, &err), 0);
    for (i = 0; i < 3 * side * side; i++)
        ((float *)input.data)[i] = 0.5f + sinf((float)i * 0.013f) * 0.4f;
    assert_int_equal(sg_runner_run(runner, &err), 0);
    outputs = sg_runner_outputs(runner, &count);
    for (k = 0; k < sg_tensor_count(&outputs[0]); k++)
        sum += (double)sg_tensor_at(&outputs[0], k) * (double)(1 + k % 7);
    sg_runner_destroy(&runner);
    return sum;
}

/* Expected: what a session that loads the file by itself gives. */
static void shared_weights_give_the_same_results(void **state)
{
    static const struct {
        const char *name;
        int side;
    } models[] = {{FIXED, 640}, {EXPRESSION, 112}, {FREE, 320}};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(models) / sizeof(models[0]); i++) {
        struct sg_graph_options options = {.threads = 1, .share = true};
        const char *path = model_path(models[i].name);
        struct sg_graph *plain = open_graph(models[i].name, 1), *first = NULL, *beside = NULL;
        double expected = run_on_wave(plain, models[i].side);
        struct sg_error err = {0};

        assert_false(sg_graph_shares(plain));
        assert_int_equal(sg_graph_open(engine, path, &options, &first, &err), 0);
        assert_true(sg_graph_shares(first));
        assert_string_equal(sg_graph_signature(first)->producer, sg_graph_signature(plain)->producer);
        assert_int_equal(sg_graph_signature(first)->meta_count, sg_graph_signature(plain)->meta_count);
        options = (struct sg_graph_options){.threads = 2};
        assert_int_equal(sg_graph_open_beside(first, path, &options, &beside, &err), 0);
        assert_true(sg_graph_shares(beside));
        assert_float_equal(run_on_wave(first, models[i].side), expected, 1e-5 * fabs(expected));
        sg_graph_destroy(&first); /* the weights live on with the second */
        assert_float_equal(run_on_wave(beside, models[i].side), expected, 1e-4 * fabs(expected));
        sg_graph_destroy(&beside);
        sg_graph_destroy(&plain);
    }
}

/* A graph that was not asked to share is opened again from its file. */
static void a_graph_beside_one_of_its_own(void **state)
{
    struct sg_graph *first = open_graph(EXPRESSION, 1), *beside = NULL;
    struct sg_graph_options options = {.threads = 2};
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(sg_graph_open_beside(first, model_path(EXPRESSION), &options, &beside, &err), 0);
    assert_false(sg_graph_shares(beside));
    assert_float_equal(run_on_wave(beside, 112), run_on_wave(first, 112), 1e-4);
    sg_graph_destroy(&beside);
    sg_graph_destroy(&first);
}

/* Sizes that were set free are so for every graph of the file, over shared weights and over a graph's own; at
 * the declared size nothing has changed. What other sizes must give: tests/test_sizes.py. */
static void sizes_set_free(void **state)
{
    struct sg_graph_options options = {.threads = 1, .free = {.sides = SG_SIDE_HEIGHT | SG_SIDE_WIDTH}};
    const char *path = model_path(CONVOLVES);
    struct sg_graph *declared = open_graph(CONVOLVES, 1), *first = NULL, *beside = NULL;
    double expected = run_on_wave(declared, 640), small = 0.0;
    struct sg_error err = {0};
    int share;

    (void)state;
    assert_int_equal(sg_graph_declared(declared)->width, 0);
    for (share = 0; share < 2; share++) {
        const struct sg_graph_options wide = {.threads = 2};

        options.share = share;
        assert_int_equal(sg_graph_open(engine, path, &options, &first, &err), 0);
        assert_int_equal(sg_graph_shares(first), share);
        assert_int_equal(sg_graph_declared(first)->height, 640);
        assert_int_equal(sg_graph_declared(first)->width, 640);
        assert_int_equal(sg_graph_signature(first)->inputs[0].dims[1], 3);
        assert_int_equal(sg_graph_signature(first)->inputs[0].dims[2], -1);
        assert_int_equal(sg_graph_signature(first)->outputs[0].rank, 4);
        assert_int_equal(sg_graph_open_beside(first, path, &wide, &beside, &err), 0);
        assert_float_equal(run_on_wave(first, 640), expected, 1e-5 * fabs(expected));
        small = share ? small : run_on_wave(first, 320);
        assert_float_equal(run_on_wave(first, 320), small, 1e-5 * fabs(small));
        sg_graph_destroy(&first);
        assert_float_equal(run_on_wave(beside, 320), small, 1e-4 * fabs(small));
        sg_graph_destroy(&beside);
    }
    sg_graph_destroy(&declared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_set_free),
        cmocka_unit_test(a_signature_is_read),
        cmocka_unit_test(a_batch_runs_and_shapes_change),
        cmocka_unit_test(a_wrong_shape_is_named),
        cmocka_unit_test(what_is_no_model_is_refused),
        cmocka_unit_test(runners_of_one_graph_run_side_by_side),
        cmocka_unit_test(shared_weights_give_the_same_results),
        cmocka_unit_test(a_graph_beside_one_of_its_own),
    };

    return cmocka_run_group_tests(tests, open_engine, close_engine);
}
