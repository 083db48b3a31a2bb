/* SPDX-License-Identifier: MIT
 * The list of kinds, and what engine.c does around them, held to its contract (engine.h, kinds.h) with two
 * kinds of this file: one that doubles what it is given, whose files are a number of floats in digits, and
 * one that does not open. Files of ONNX beside them go to the real one.
 */
#include "engine/kinds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct twice_runner {
    struct sg_runner base;
    float *doubled;
};

/* What the ops of the kind have seen. */
static struct {
    int open_runtimes, open_graphs, open_runners, absent_ends, binds;
    bool wide, lean, fail_runner, fail_bind, fail_run;
} seen;

static bool has_ending(const char *path, const char *ending)
{
    size_t length = strlen(path), tail = strlen(ending);

    return length > tail && strcmp(path + length - tail, ending) == 0;
}

static bool twice_claims(const char *path)
{
    return has_ending(path, ".twice");
}

static int twice_init(struct sg_runtime *runtime, struct sg_error *err)
{
    (void)err;
    seen.open_runtimes++;
    snprintf(runtime->version, sizeof(runtime->version), "2.0");
    return 0;
}

static void twice_fini(struct sg_runtime *runtime)
{
    (void)runtime;
    seen.open_runtimes--;
}

static int twice_open(struct sg_graph *graph, const char *path, const struct sg_graph_options *options,
                      struct sg_error *err)
{
    struct sg_signature *signature = &graph->signature;
    char digits[32] = "";
    FILE *file = fopen(path, "r");
    long count;

    seen.open_graphs++; /* close is called in any case */
    seen.wide = options->company == SG_COMPANY_NONE;
    if (!file)
        return sg_error_set(err, SG_E_IO, "it went away");
    count = fgets(digits, sizeof(digits), file) ? strtol(digits, NULL, 10) : 0;
    fclose(file);
    if (count <= 0)
        return sg_error_set(err, SG_E_MODEL, "\"%s\" is no number of floats", digits);
    signature->inputs[0] = (struct sg_slot){.name = "in", .rank = 2, .dims = {-1, count}};
    signature->outputs[0] = (struct sg_slot){.name = "out", .rank = 2, .dims = {-1, count}};
    signature->input_count = signature->output_count = 1;
    signature->meta[signature->meta_count++] = (struct sg_meta){strdup("names"), strdup("{}")};
    graph->shares = options->share;
    return 0;
}

static int twice_open_beside(struct sg_graph *graph, const struct sg_graph *first,
                             const struct sg_graph_options *options, struct sg_error *err)
{
    seen.open_graphs++;
    seen.wide = options->company == SG_COMPANY_NONE;
    if (options->threads > 64)
        return sg_error_set(err, SG_E_INVALID, "%d threads", options->threads);
    assert_int_equal(options->free.sides, first->free.sides);
    graph->shares = true;
    return 0;
}

static void twice_close(struct sg_graph *graph)
{
    (void)graph;
    seen.open_graphs--;
}

static int twice_files(const char *path, sg_file_fn visit, void *ctx, struct sg_error *err)
{
    char beside[1024];

    snprintf(beside, sizeof(beside), "%s.bin", path);
    return visit(ctx, beside, err);
}

static int twice_runner_init(struct sg_runner *runner, struct sg_error *err)
{
    (void)runner;
    seen.open_runners++;
    return seen.fail_runner ? sg_error_set(err, SG_E_NOMEM, "no runner today") : 0;
}

static void twice_runner_fini(struct sg_runner *runner)
{
    seen.open_runners--;
    free(((struct twice_runner *)runner)->doubled);
}

static int twice_bind(struct sg_runner *runner, int index, struct sg_error *err)
{
    assert_int_equal(index, 0);
    assert_ptr_equal(runner->inputs[0].tensor.data, runner->inputs[0].memory);
    seen.binds++;
    return seen.fail_bind ? sg_error_set(err, SG_E_INFERENCE, "not bound") : 0;
}

static int twice_run(struct sg_runner *runner, struct sg_error *err)
{
    const struct sg_tensor *input = &runner->inputs[0].tensor;
    struct twice_runner *own = (struct twice_runner *)runner;
    int64_t count = sg_tensor_count(input), i;

    seen.lean = atomic_load(&runner->graph->lean);
    if (seen.fail_run)
        return sg_error_set(err, SG_E_INFERENCE, "no");
    free(own->doubled);
    own->doubled = malloc((size_t)count * sizeof(float) + 1);
    assert_non_null(own->doubled);
    for (i = 0; i < count; i++)
        own->doubled[i] = 2.0f * ((const float *)input->data)[i];
    runner->outputs[0] = *input;
    runner->outputs[0].name = "out";
    runner->outputs[0].data = own->doubled;
    return 0;
}

static const char *const twice_endings[] = {".twice", NULL};

static const struct sg_engine_ops twice = {
    .name = "twice",
    .title = "Twice",
    .licence = "MIT",
    .endings = twice_endings,
    .runtime_bytes = sizeof(struct sg_runtime),
    .graph_bytes = sizeof(struct sg_graph),
    .runner_bytes = sizeof(struct twice_runner),
    .claims = twice_claims,
    .init = twice_init,
    .fini = twice_fini,
    .open = twice_open,
    .open_beside = twice_open_beside,
    .close = twice_close,
    .files = twice_files,
    .runner_init = twice_runner_init,
    .runner_fini = twice_runner_fini,
    .bind = twice_bind,
    .run = twice_run,
};

static bool absent_claims(const char *path)
{
    return has_ending(path, ".absent");
}

static int absent_init(struct sg_runtime *runtime, struct sg_error *err)
{
    (void)runtime;
    return sg_error_set(err, SG_E_UNSUPPORTED, "libabsent.so is not there");
}

static void absent_fini(struct sg_runtime *runtime)
{
    (void)runtime;
    seen.absent_ends++;
}

/* Nothing else of it is called. */
static const struct sg_engine_ops absent = {.name = "absent",
                                            .title = "Absent",
                                            .runtime_bytes = sizeof(struct sg_runtime),
                                            .claims = absent_claims,
                                            .init = absent_init,
                                            .fini = absent_fini};

static const struct sg_engine_ops *const only_absent[] = {&absent, NULL};

/* The real ones, then this file's. */
static const struct sg_engine_ops *const *with_twice(void)
{
    static const struct sg_engine_ops *all[SG_ENGINE_MAX_KINDS + 3];
    int count = 0;

    all[count++] = &absent;
    for (; sg_engine_kinds[count - 1]; count++)
        all[count] = sg_engine_kinds[count - 1];
    all[count++] = &twice;
    all[count] = NULL;
    return all;
}

/* A file below /tmp, for one test. */
static char file_path[64];

static void write_file(const char *name, const char *text)
{
    FILE *file;

    snprintf(file_path, sizeof(file_path), "/tmp/engine_kinds_%d_%s", (int)getpid(), name);
    file = fopen(file_path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int start(void **state)
{
    struct sg_engine *engine = NULL;

    memset(&seen, 0, sizeof(seen));
    if (sg_engine_create_of(with_twice(), &engine, NULL) < 0)
        return -1;
    *state = engine;
    return 0;
}

/* Whatever was opened is closed again. */
static int end(void **state)
{
    struct sg_engine *engine = *state;

    sg_engine_destroy(&engine);
    unlink(file_path);
    return engine || seen.open_runtimes || seen.open_graphs || seen.open_runners ? -1 : 0;
}

static struct sg_graph *open_graph(struct sg_engine *engine, const char *count, bool share)
{
    const struct sg_graph_options options = {.threads = 1, .share = share, .free = {.sides = SG_SIDE_WIDTH}};
    struct sg_error err = {0};
    struct sg_graph *graph = NULL;

    write_file("graph.twice", count);
    assert_int_equal(sg_graph_open(engine, file_path, &options, &graph, &err), 0);
    return graph;
}

static void the_kinds_of_the_list_are_whole(void **state)
{
    int i, k;

    (void)state;
    for (i = 0; sg_engine_kinds[i]; i++) {
        const struct sg_engine_ops *ops = sg_engine_kinds[i];

        assert_true(i < SG_ENGINE_MAX_KINDS);
        assert_non_null(ops->name);
        assert_true(ops->title && ops->licence && ops->endings);
        assert_true(strlen(ops->name) <= 24); /* as much as versions have room for */
        assert_true(ops->runtime_bytes >= sizeof(struct sg_runtime));
        assert_true(ops->graph_bytes >= sizeof(struct sg_graph));
        assert_true(ops->runner_bytes >= sizeof(struct sg_runner));
        assert_true(ops->claims && ops->own_format && ops->init && ops->fini && ops->open && ops->close);
        assert_true(ops->files && ops->runner_init && ops->runner_fini && ops->bind && ops->run);
        assert_non_null(ops->endings[0]);
        for (k = 0; ops->endings[k]; k++)
            assert_int_equal(ops->endings[k][0], '.'); /* names are cut there */
        assert_false(ops->claims("notes.txt"));
        assert_false(ops->claims("onnx"));
        assert_false(ops->claims(""));
    }
    assert_true(i > 0);
}

static void what_is_known_without_an_engine(void **state)
{
    char text[64];

    (void)state;
    assert_true(sg_engine_claims("models/x/model.onnx"));
    assert_false(sg_engine_claims("models/x/model.onnx.bak"));
    assert_false(sg_engine_claims("models/x/model.ONNX")); /* nor did it before there were kinds */
    assert_false(sg_engine_claims("model.yaml"));
    assert_string_equal(sg_engine_ending(0), ".onnx");
    assert_null(sg_engine_ending(99));
    assert_non_null(sg_engine_own_format("\x1c\0\0\0ORTM", 8)); /* as ort.fbs says: file_identifier */
    assert_null(sg_engine_own_format("\x1c\0\0\0ORTM", 7));
    assert_null(sg_engine_own_format("\x08\x07\x12\x07pytorch", 11));
    assert_ptr_equal(sg_engine_endings(text, sizeof(text)), text);
#if defined(SG_HAVE_OPENVINO)
    assert_string_equal(text, ".onnx or .xml or .tflite or .pdmodel"); /* each once, whoever has it too */
    assert_string_equal(sg_engine_credits(text, sizeof(text)), "ONNX Runtime (MIT), OpenVINO (Apache-2.0)");
#else
    assert_string_equal(text, ".onnx");
    assert_string_equal(sg_engine_credits(text, sizeof(text)), "ONNX Runtime (MIT)");
#endif
    assert_string_equal(sg_engine_credits(text, 5), "ONNX"); /* cut, not past the end */
}

static void versions_tell_of_all_that_opened(void **state)
{
    const char *version = sg_engine_version(*state);

    assert_ptr_equal(strstr(version, "onnxruntime "), version);
    assert_string_equal(version + strlen(version) - strlen(", twice 2.0"), ", twice 2.0");
    assert_null(strstr(version, "absent"));
}

static void those_open_that_are_named(void **state)
{
    struct sg_engine *some = NULL;
    struct sg_error err = {0};

    (void)state;
    setenv("SIGHT_ENGINES", "absent,twice", 1);
    assert_int_equal(sg_engine_create_of(with_twice(), &some, &err), 0);
    assert_string_equal(sg_engine_version(some), "twice 2.0");
    assert_non_null(strstr(sg_engine_missing(some), "onnxruntime: switched off by SIGHT_ENGINES"));
    sg_engine_destroy(&some);
    setenv("SIGHT_ENGINES", "reference", 1);
    assert_int_equal(sg_engine_create_of(with_twice() + 1, &some, &err), 0); /* without the absent one */
    assert_null(strstr(sg_engine_version(some), ","));
    assert_non_null(strstr(sg_engine_missing(some), "twice: switched off by SIGHT_ENGINES"));
    sg_engine_destroy(&some);
    setenv("SIGHT_ENGINES", "twic", 1); /* half a name is none */
    assert_int_equal(sg_engine_create_of(with_twice(), &some, &err), SG_E_MODEL);
    assert_null(some);
    unsetenv("SIGHT_ENGINES");
}

static void none_opens(void **state)
{
    struct sg_engine *none = NULL;
    struct sg_error err = {0};

    (void)state;
    assert_int_equal(sg_engine_create_of(only_absent, &none, &err), SG_E_UNSUPPORTED);
    assert_null(none);
    assert_string_equal(err.text, "libabsent.so is not there");
    assert_int_equal(seen.absent_ends, 2); /* what it began is ended each time */
}

static void a_file_whose_runtime_is_not_there(void **state)
{
    const struct sg_graph_options options = {.threads = 1};
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};

    write_file("net.absent", "8");
    assert_int_equal(sg_graph_open(*state, file_path, &options, &graph, &err), SG_E_MODEL);
    assert_null(graph);
    assert_non_null(strstr(err.text, file_path));
    assert_non_null(strstr(err.text, "needs Absent, which cannot be used here: libabsent.so is not there"));
}

/* The words are those of the reference, as before there were kinds. */
static void a_file_that_nobody_claims(void **state)
{
    const struct sg_graph_options options = {.threads = 1};
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};
    char begin[128];

    write_file("notes", "eight");
    assert_int_equal(sg_graph_open(*state, file_path, &options, &graph, &err), SG_E_MODEL);
    assert_null(graph);
    snprintf(begin, sizeof(begin), "model \"%s\": the runtime cannot load it: ", file_path);
    assert_ptr_equal(strstr(err.text, begin), err.text);
    write_file("notes", "");
    assert_int_equal(sg_graph_open(*state, file_path, &options, &graph, &err), SG_E_MODEL);
    snprintf(begin, sizeof(begin), "model file \"%s\" is empty", file_path);
    assert_string_equal(err.text, begin);
}

static void the_one_that_claims_runs_it(void **state)
{
    const int64_t dims[2] = {2, 3};
    struct sg_graph *graph = open_graph(*state, "3", false);
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    const struct sg_tensor *outputs;
    struct sg_tensor input;
    int i, count;

    assert_false(seen.wide);
    assert_string_equal(sg_graph_signature(graph)->inputs[0].name, "in");
    assert_int_equal(sg_runner_create(graph, &runner, &err), 0);
    assert_int_equal(sg_runner_run(runner, &err), SG_E_INTERNAL);
    assert_string_equal(err.text, "input \"in\" was never filled");
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &input, &err), 0);
    assert_int_equal((uintptr_t)input.data % 64, 0);
    for (i = 0; i < 6; i++)
        ((float *)input.data)[i] = (float)i;
    sg_graph_lean(graph, true);
    assert_int_equal(sg_runner_run(runner, &err), 0);
    assert_true(seen.lean);
    outputs = sg_runner_outputs(runner, &count);
    assert_int_equal(count, 1);
    for (i = 0; i < 6; i++)
        assert_float_equal(((const float *)outputs[0].data)[i], 2.0 * i, 0.0);
    seen.fail_run = true;
    assert_int_equal(sg_runner_run(runner, &err), SG_E_INFERENCE);
    sg_runner_outputs(runner, &count);
    assert_int_equal(count, 0);
    sg_runner_destroy(&runner);
    sg_graph_destroy(&graph);
}

/* Steady state binds nothing anew; other shapes do, in the same memory while it is large enough. */
static void inputs_are_bound_once(void **state)
{
    int64_t dims[2] = {64, 3};
    struct sg_graph *graph = open_graph(*state, "3", false);
    struct sg_runner *runner = NULL;
    struct sg_error err = {0};
    struct sg_tensor large, small;

    assert_int_equal(sg_runner_create(graph, &runner, &err), 0);
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &large, &err), 0);
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &large, &err), 0);
    assert_int_equal(seen.binds, 1);
    dims[0] = 1;
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &small, &err), 0);
    assert_int_equal(seen.binds, 2);
    assert_ptr_equal(small.data, large.data);
    dims[0] = 100;
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &large, &err), 0);
    assert_true(runner->inputs[0].capacity_bytes >= 100 * 3 * sizeof(float));
    dims[0] = INT32_MAX;
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &large, &err), SG_E_TOO_LARGE);
    assert_int_equal(sg_runner_run(runner, &err), 0); /* the last one is still there */
    dims[0] = 2;
    seen.fail_bind = true;
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &small, &err), SG_E_INFERENCE);
    assert_int_equal(sg_runner_run(runner, &err), SG_E_INTERNAL);
    seen.fail_bind = false;
    assert_int_equal(sg_runner_input(runner, 0, dims, 2, &small, &err), 0);
    assert_int_equal(sg_runner_run(runner, &err), 0);
    sg_runner_destroy(&runner);
    seen.fail_runner = true;
    assert_int_equal(sg_runner_create(graph, &runner, &err), SG_E_NOMEM);
    assert_null(runner);
    sg_graph_destroy(&graph);
}

static void what_fails_to_open_is_named_and_closed(void **state)
{
    const struct sg_graph_options options = {.threads = 1};
    struct sg_graph *graph = NULL;
    struct sg_error err = {0};
    char text[160];

    write_file("graph.twice", "many");
    assert_int_equal(sg_graph_open(*state, file_path, &options, &graph, &err), SG_E_MODEL);
    assert_null(graph);
    snprintf(text, sizeof(text), "model \"%s\": \"many\" is no number of floats", file_path);
    assert_string_equal(err.text, text);
}

static void graphs_beside(void **state)
{
    const struct sg_graph_options wide = {.threads = 2, .company = SG_COMPANY_NONE};
    const struct sg_graph_options too_wide = {.threads = 65};
    int share;

    for (share = 0; share < 2; share++) {
        struct sg_graph *first = open_graph(*state, "5", share), *beside = NULL;
        struct sg_error err = {0};

        assert_int_equal(sg_graph_shares(first), share);
        assert_int_equal(sg_graph_open_beside(first, file_path, &wide, &beside, &err), 0);
        assert_true(seen.wide);
        assert_int_equal(beside->free.sides, SG_SIDE_WIDTH);
        assert_int_equal(sg_graph_signature(beside)->inputs[0].dims[1], 5);
        /* Of what is shared the metadata stay with the first, so that each is freed once. */
        assert_int_equal(sg_graph_signature(beside)->meta_count, share ? 0 : 1);
        sg_graph_destroy(&beside);
        unlink(file_path);
        /* Only what shares nothing needs the file again. */
        assert_int_equal(sg_graph_open_beside(first, file_path, &wide, &beside, &err),
                         share ? 0 : SG_E_NOT_FOUND);
        sg_graph_destroy(&beside);
        if (share) {
            assert_int_equal(sg_graph_open_beside(first, file_path, &too_wide, &beside, &err), SG_E_INVALID);
            assert_non_null(strstr(err.text, file_path));
            assert_null(beside);
        }
        sg_graph_destroy(&first);
    }
}

static int note(void *ctx, const char *file, struct sg_error *err)
{
    (void)err;
    snprintf(ctx, 128, "%s", file);
    return SG_E_BUSY;
}

static void other_files_are_asked_of_the_kind(void **state)
{
    struct sg_graph *graph = open_graph(*state, "3", false);
    char told[128] = "", want[128];

    assert_int_equal(sg_graph_files(graph, file_path, note, told, NULL), SG_E_BUSY);
    snprintf(want, sizeof(want), "%s.bin", file_path);
    assert_string_equal(told, want);
    sg_graph_destroy(&graph);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kinds_of_the_list_are_whole),
        cmocka_unit_test(what_is_known_without_an_engine),
        TEST(versions_tell_of_all_that_opened),
        TEST(those_open_that_are_named),
        TEST(none_opens),
        TEST(a_file_whose_runtime_is_not_there),
        TEST(a_file_that_nobody_claims),
        TEST(the_one_that_claims_runs_it),
        TEST(inputs_are_bound_once),
        TEST(what_fails_to_open_is_named_and_closed),
        TEST(graphs_beside),
        TEST(other_files_are_asked_of_the_kind),
    };

    unsetenv("SIGHT_ENGINES"); /* other tests have one engine alone */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
