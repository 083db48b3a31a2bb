/* SPDX-License-Identifier: MIT
 * libsight as a program sees it: wrong arguments are told apart, pixels lie where they lie, many threads
 * share a pipeline. The model is sightd's own face detector, the picture one of the sample photographs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <sight.h>

#define THREADS 8
#define ROUNDS  4

struct fixture {
    struct sight_pipeline *faces;
    char *jpeg;
    size_t jpeg_bytes;
    char *expected; /* JSON of the picture */
};

static void path_of(const char *name, char *out, size_t out_bytes)
{
    const char *root = getenv("SIGHT_ROOT");

    snprintf(out, out_bytes, "%s/%s", root ? root : ".", name);
}

static char *read_file(const char *path, size_t *out_bytes)
{
    FILE *file = fopen(path, "rb");
    char *bytes = NULL;
    long size;

    *out_bytes = 0;
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    size = ftell(file);
    rewind(file);
    bytes = malloc((size_t)size);
    assert_non_null(bytes);
    *out_bytes = fread(bytes, 1, (size_t)size, file);
    fclose(file);
    return bytes;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    struct sight_error error;
    char path[4096];

    *state = f;
    path_of("deps/samples/faces/group1.jpg", path, sizeof(path));
    f->jpeg = read_file(path, &f->jpeg_bytes);
    path_of("models/blazeface", path, sizeof(path));
    if (f->jpeg && sight_pipeline_open_model(path, NULL, &f->faces, &error) < 0)
        f->faces = NULL;
    if (!f->faces)
        printf("skipped: no sample photographs or models here; run `make deps`\n");
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;

    sight_pipeline_close(&f->faces);
    free(f->jpeg);
    free(f->expected);
    free(f);
    return 0;
}

static void null_is_told(void **state)
{
    struct sight_error error = {0, ""};
    struct sight_pipeline *pipeline = NULL;
    struct sight_result *result = NULL;
    struct sight_client *client = NULL;
    uint64_t id = 5;

    (void)state;
    assert_int_equal(sight_pipeline_open("faces", NULL, NULL, &error), SIGHT_E_INVALID);
    assert_int_equal(error.code, SIGHT_E_INVALID);
    assert_string_equal(error.message, "out_pipeline is NULL");
    assert_int_equal(sight_pipeline_open_model(NULL, NULL, &pipeline, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "path is NULL");
    assert_int_equal(sight_pipeline_open_model("m.onnx", NULL, NULL, &error), SIGHT_E_INVALID);
    assert_string_equal(error.message, "out_pipeline is NULL");
    assert_int_equal(sight_result_create(NULL), SIGHT_E_INVALID);
    assert_int_equal(sight_infer(NULL, "x", 1, NULL, NULL, &error), SIGHT_E_INVALID);
    assert_int_equal(sight_client_connect("localhost:1", NULL, NULL, NULL), SIGHT_E_INVALID);
    assert_int_equal(sight_client_submit(NULL, "x", 1, NULL, &id, &error), SIGHT_E_INVALID);
    assert_int_equal(id, 0);
    assert_int_equal(sight_client_wait(NULL, 1, 0, NULL, NULL, NULL), SIGHT_E_INVALID);
    sight_pipeline_close(NULL);
    sight_pipeline_close(&pipeline);
    sight_result_destroy(NULL);
    sight_result_destroy(&result);
    sight_client_close(NULL);
    sight_client_close(&client);
    assert_null(sight_pipeline_name(NULL));
    assert_null(sight_pipeline_description(NULL));
    assert_null(sight_pipeline_model(NULL, 0));
    assert_null(sight_pipeline_label(NULL, 0, 0));
    assert_int_equal(sight_pipeline_label_count(NULL, 0), 0);
    assert_null(sight_result_object(NULL, 0));
    assert_null(sight_result_json(NULL, 0, NULL));
    assert_int_equal(sight_result_object_count(NULL), 0);
}

/* models/blazeface: one model, whose one class is called face. Past the ends there is nothing. */
static void a_pipeline_says_what_it_is(void **state)
{
    const struct fixture *f = *state;

    if (!f->faces)
        skip();
    assert_string_equal(sight_pipeline_name(f->faces), "blazeface");
    assert_string_equal(sight_pipeline_description(f->faces), "");
    assert_string_equal(sight_pipeline_model(f->faces, 0), "blazeface");
    assert_null(sight_pipeline_model(f->faces, 1));
    assert_null(sight_pipeline_model(f->faces, -1));
    assert_int_equal(sight_pipeline_label_count(f->faces, 0), 1);
    assert_int_equal(sight_pipeline_label_count(f->faces, 1), 0);
    assert_string_equal(sight_pipeline_label(f->faces, 0, 0), "face");
    assert_null(sight_pipeline_label(f->faces, 0, 1));
    assert_null(sight_pipeline_label(f->faces, 0, -1));
    assert_null(sight_pipeline_label(f->faces, 1, 0));
}

/* What has a slash or an ending of YAML is a file, every other name a pipeline's. */
static void names_and_files_are_told_apart(void **state)
{
    static const char *const files[] = {"nowhere.yml", "nowhere.yaml", "./nowhere"};
    static const char *const names[] = {"nowhere", ".yml", "nowhere.yaml.txt"};
    struct sight_pipeline *pipeline = NULL;
    struct sight_error error;
    char says[128];
    size_t i;

    (void)state;
    for (i = 0; i < 3; i++) {
        assert_int_equal(sight_pipeline_open(files[i], NULL, &pipeline, &error), SIGHT_E_CONFIG);
        snprintf(says, sizeof(says), "\"%s\" cannot be read: No such file or directory", files[i]);
        assert_string_equal(error.message, says);
        assert_int_equal(sight_pipeline_open(names[i], NULL, &pipeline, &error), SIGHT_E_NOT_FOUND);
        snprintf(says, sizeof(says), "no pipeline called \"%s\"", names[i]);
        assert_memory_equal(error.message, says, strlen(says));
        assert_null(pipeline);
    }
}

static void not_there_is_told(void **state)
{
    struct sight_pipeline *pipeline = (struct sight_pipeline *)(uintptr_t)1;
    struct sight_error error = {0, ""};
    struct sight_client *client;

    (void)state;
    assert_int_equal(sight_pipeline_open_model("/no/such.onnx", NULL, &pipeline, &error), SIGHT_E_NOT_FOUND);
    assert_null(pipeline);
    assert_non_null(strstr(error.message, "/no/such.onnx"));
    assert_int_equal(sight_client_connect("127.0.0.1:", NULL, &client, &error), SIGHT_E_INVALID);
    assert_int_equal(sight_client_connect("[::1", NULL, &client, &error), SIGHT_E_INVALID);
    assert_int_equal(sight_client_connect("127.0.0.1:1", NULL, &client, &error), SIGHT_E_IO);
    assert_string_equal(sight_code_name(SIGHT_E_IO), "io");
    assert_string_equal(sight_code_name(-1000), "internal");
}

/* The sizes of options: those of the first version and up, unknown fields only while they are zero. */
static void option_sizes(void **state)
{
    struct {
        struct sight_infer_options known;
        char later[16];
    } options = {SIGHT_INFER_OPTIONS_INIT, ""};
    struct fixture *f = *state;
    struct sight_result *result = NULL;
    struct sight_error error;

    if (!f->faces)
        skip();
    assert_int_equal(sight_result_create(&result), 0);
    options.known.size = 4;
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, &options.known, result, &error),
                     SIGHT_E_INVALID);
    options.known.size = (size_t)1 << 40;
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, &options.known, result, &error),
                     SIGHT_E_INVALID);
    options.known.size = sizeof(options);
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, &options.known, result, &error), 0);
    options.later[15] = 1;
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, &options.known, result, &error),
                     SIGHT_E_UNSUPPORTED);
    assert_int_equal(sight_result_code(result), SIGHT_E_UNSUPPORTED);
    options.known.size = sizeof(options.known);
    options.known.threshold = 1.5f;
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, &options.known, result, &error),
                     SIGHT_E_INVALID);
    options.known.threshold = 1.0f;
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, &options.known, result, &error), 0);
    assert_int_equal(sight_result_object_count(result), 0);
    sight_result_destroy(&result);
}

/* What was compiled before there were engines hands in a shorter struct. */
static void engines_are_an_option(void **state)
{
    struct sight_open_options options = SIGHT_OPEN_OPTIONS_INIT;
    struct fixture *f = *state;
    struct sight_pipeline *pipeline = NULL;
    struct sight_error error;

    if (!f->faces)
        skip();
    options.engine = "tensorrt";
    assert_int_equal(sight_pipeline_open("faces", &options, &pipeline, &error), SIGHT_E_CONFIG);
    assert_non_null(strstr(error.message, "there is no engine \"tensorrt\"; it is auto, "));
    assert_null(pipeline);
    options.size = offsetof(struct sight_open_options, engine);
    assert_int_equal(sight_pipeline_open("faces", &options, &pipeline, &error), 0); /* not read */
    sight_pipeline_close(&pipeline);
    options = (struct sight_open_options)SIGHT_OPEN_OPTIONS_INIT;
    options.precision = 3;
    assert_int_equal(sight_pipeline_open("faces", &options, &pipeline, &error), SIGHT_E_INVALID);
    options.precision = SIGHT_PRECISION_F32;
    options.device = "NPU.9";
    assert_int_not_equal(sight_pipeline_open("faces", &options, &pipeline, &error), 0);
    options.device = "";
    options.engine = "auto";
    assert_int_equal(sight_pipeline_open("faces", &options, &pipeline, &error), 0);
    sight_pipeline_close(&pipeline);
}

static void bad_pictures(void **state)
{
    struct fixture *f = *state;
    struct sight_result *result = NULL;
    struct sight_error error;

    if (!f->faces)
        skip();
    assert_int_equal(sight_result_create(&result), 0);
    assert_int_equal(sight_infer(f->faces, NULL, 0, NULL, result, &error), SIGHT_E_EMPTY_IMAGE);
    assert_int_equal(sight_infer(f->faces, NULL, 9, NULL, result, &error), SIGHT_E_INVALID);
    assert_int_equal(sight_infer(f->faces, "no picture", 10, NULL, result, &error), SIGHT_E_BAD_IMAGE);
    assert_non_null(strstr(sight_result_json(result, 0, NULL), "\"error\":{\"code\":\"bad_image\""));
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes / 2, NULL, result, &error),
                     SIGHT_E_BAD_IMAGE);
    assert_int_equal(sight_result_object_count(result), 0);
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, NULL, result, NULL), 0);
    assert_int_equal(sight_result_code(result), 0);
    sight_result_destroy(&result);
}

static void wrong_pixels(void **state)
{
    static const struct {
        int format, width, height;
        size_t stride, bytes;
        int code;
    } rows[] = {
        {SIGHT_BGR24, 64, 64, 0, 64 * 64 * 3, 0},
        {SIGHT_BGR24, 64, 64, 0, 64 * 64 * 3 - 1, SIGHT_E_INVALID},
        {SIGHT_BGR24, 64, 64, 191, 64 * 64 * 3, SIGHT_E_INVALID},
        {SIGHT_BGR24, 64, 64, 200, 200 * 63 + 192, 0},
        {SIGHT_BGR24, 64, 64, 200, 200 * 63 + 191, SIGHT_E_INVALID},
        {SIGHT_BGR24, 64, 64, SIZE_MAX, SIZE_MAX, SIGHT_E_INVALID},
        {SIGHT_BGR24, 0, 64, 0, 1000, SIGHT_E_INVALID},
        {SIGHT_BGR24, -1, 64, 0, 1000, SIGHT_E_INVALID},
        {SIGHT_BGR24, 65536, 1, 0, SIZE_MAX, SIGHT_E_INVALID},
        {SIGHT_BGR24, 65535, 65535, 0, SIZE_MAX, SIGHT_E_TOO_LARGE},
        {SIGHT_GRAY8, 64, 64, 0, 64 * 64, 0},
        {SIGHT_NV12, 64, 64, 0, 64 * 96, 0},
        {SIGHT_NV12, 64, 64, 0, 64 * 96 - 1, SIGHT_E_INVALID},
        {SIGHT_NV12, 63, 64, 64, 64 * 96, SIGHT_E_INVALID},
        {0, 64, 64, 0, 64 * 64 * 3, SIGHT_E_INVALID},
        {5, 64, 64, 0, 64 * 64 * 3, SIGHT_E_INVALID},
    };
    struct fixture *f = *state;
    struct sight_result *result = NULL;
    size_t i;

    if (!f->faces)
        skip();
    assert_int_equal(sight_result_create(&result), 0);
    assert_int_equal(sight_infer_pixels(f->faces, NULL, NULL, result, NULL), SIGHT_E_INVALID);
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sight_pixels pixels = SIGHT_PIXELS_INIT;
        struct sight_error error = {0, ""};
        /* Exactly so large, so that a sanitizer sees one byte too far. */
        void *data = calloc(1, rows[i].bytes < 20000 ? rows[i].bytes : 1);
        int code;

        pixels.format = rows[i].format;
        pixels.width = rows[i].width;
        pixels.height = rows[i].height;
        pixels.stride_bytes = rows[i].stride;
        pixels.data = data;
        pixels.data_bytes = rows[i].bytes;
        code = sight_infer_pixels(f->faces, &pixels, NULL, result, &error);
        if (code != rows[i].code)
            fail_msg("row %zu: code %d (%s), expected %d", i, code, error.message, rows[i].code);
        free(data);
    }
    sight_result_destroy(&result);
}

/* What one thread finds alone. */
static void expect(struct fixture *f)
{
    struct sight_result *result = NULL;

    assert_int_equal(sight_result_create(&result), 0);
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, NULL, result, NULL), 0);
    /* group1.jpg shows a handful of people (deps/samples, and tests/test_faces.py counts them). */
    assert_true(sight_result_object_count(result) >= 3);
    assert_string_equal(sight_result_object(result, 0)->label, "face");
    f->expected = strdup(sight_result_json(result, SIGHT_JSON_NO_TIMING, NULL));
    sight_result_destroy(&result);
}

static char *said(struct sight_pipeline *pipeline, const struct fixture *f, int decode)
{
    struct sight_infer_options options = SIGHT_INFER_OPTIONS_INIT;
    struct sight_result *result = NULL;
    char *text;

    options.decode = decode;
    assert_int_equal(sight_result_create(&result), 0);
    assert_int_equal(sight_infer(pipeline, f->jpeg, f->jpeg_bytes, &options, result, NULL), 0);
    text = strdup(sight_result_json(result, SIGHT_JSON_NO_TIMING, NULL));
    sight_result_destroy(&result);
    return text;
}

/* The photograph is several times larger than the model's input, so that decodes at full and at reduced size
 * give boxes that differ a little; what nothing is said of follows the handle's option. */
static void decode_is_as_the_call_says_then_the_handle(void **state)
{
    const struct fixture *f = *state;
    struct sight_open_options exact = SIGHT_OPEN_OPTIONS_INIT;
    struct sight_pipeline *pipeline = NULL;
    char path[4096], *texts[6];
    int i;

    if (!f->faces)
        skip();
    path_of("models/blazeface", path, sizeof(path));
    exact.decode = SIGHT_DECODE_EXACT;
    assert_int_equal(sight_pipeline_open_model(path, &exact, &pipeline, NULL), 0);
    for (i = 0; i < 3; i++) { /* default, fast, exact */
        texts[i] = said(f->faces, f, i);
        texts[3 + i] = said(pipeline, f, i);
    }
    assert_string_not_equal(texts[SIGHT_DECODE_FAST], texts[SIGHT_DECODE_EXACT]);
    assert_string_equal(texts[SIGHT_DECODE_DEFAULT], texts[SIGHT_DECODE_FAST]);
    assert_string_equal(texts[3 + SIGHT_DECODE_DEFAULT], texts[SIGHT_DECODE_EXACT]);
    assert_string_equal(texts[3 + SIGHT_DECODE_FAST], texts[SIGHT_DECODE_FAST]);
    assert_string_equal(texts[3 + SIGHT_DECODE_EXACT], texts[SIGHT_DECODE_EXACT]);
    for (i = 0; i < 6; i++)
        free(texts[i]);
    sight_pipeline_close(&pipeline);
}

struct worker {
    struct fixture *f;
    pthread_t thread;
    int objects, failed;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct sight_result *result = NULL;
    int i;

    w->failed = sight_result_create(&result) < 0;
    for (i = 0; i < ROUNDS && !w->failed; i++) {
        w->failed = sight_infer(w->f->faces, w->f->jpeg, w->f->jpeg_bytes, NULL, result, NULL) < 0;
        w->objects += sight_result_object_count(result);
    }
    sight_result_destroy(&result);
    return NULL;
}

static void many_threads_one_pipeline(void **state)
{
    struct fixture *f = *state;
    struct worker workers[THREADS] = {{NULL, 0, 0, 0}};
    struct sight_result *result = NULL;
    int i, alone;

    if (!f->faces)
        skip();
    expect(f);
    assert_int_equal(sight_result_create(&result), 0);
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, NULL, result, NULL), 0);
    alone = sight_result_object_count(result);
    for (i = 0; i < THREADS; i++) {
        workers[i].f = f;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_int_equal(workers[i].failed, 0);
        assert_int_equal(workers[i].objects, ROUNDS * alone);
    }
    assert_int_equal(sight_infer(f->faces, f->jpeg, f->jpeg_bytes, NULL, result, NULL), 0);
    assert_string_equal(sight_result_json(result, SIGHT_JSON_NO_TIMING, NULL), f->expected);
    /* The last: a result outlives its pipeline. */
    sight_pipeline_close(&f->faces);
    assert_string_equal(sight_result_object(result, 0)->label, "face");
    assert_string_equal(sight_result_json(result, SIGHT_JSON_NO_TIMING, NULL), f->expected);
    sight_result_destroy(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(null_is_told),
                                       cmocka_unit_test(a_pipeline_says_what_it_is),
                                       cmocka_unit_test(names_and_files_are_told_apart),
                                       cmocka_unit_test(not_there_is_told),
                                       cmocka_unit_test(option_sizes),
                                       cmocka_unit_test(engines_are_an_option),
                                       cmocka_unit_test(bad_pictures),
                                       cmocka_unit_test(wrong_pixels),
                                       cmocka_unit_test(decode_is_as_the_call_says_then_the_handle),
                                       cmocka_unit_test(many_threads_one_pipeline)};

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
