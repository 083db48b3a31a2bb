/* SPDX-License-Identifier: MIT
 * Metadata out of ONNX files: of files put together here, by the numbers of onnx.proto and the rules of
 * protobuf.dev ("Encoding": the last value of a field wins, unknown fields are passed over), and of all real
 * models at hand, where ONNX Runtime, which parses the whole message, must say the same.
 */
#include "engine/onnx_metadata.h"

#include "engine/ort_private.h"

#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* A file without a name, and the path that it has all the same. */
static int file = -1;
static char file_path[64];

static int make_file(void **state)
{
    (void)state;
    file = memfd_create("onnx_metadata_test", MFD_CLOEXEC);
    snprintf(file_path, sizeof(file_path), "/proc/self/fd/%d", file);
    return file < 0 ? -1 : 0;
}

static int drop_file(void **state)
{
    (void)state;
    return close(file);
}

static void put(const void *bytes, size_t size)
{
    assert_int_equal(write(file, bytes, size), size);
}

static void put_varint(uint64_t value)
{
    do {
        uint8_t byte = (uint8_t)((value & 0x7f) | (value > 0x7f ? 0x80 : 0));

        put(&byte, 1);
        value >>= 7;
    } while (value);
}

/* The beginning of a field of bytes. */
static void put_key(unsigned number, uint64_t size)
{
    put_varint(number << 3 | 2);
    put_varint(size);
}

static void put_text(unsigned number, const char *text)
{
    put_key(number, strlen(text));
    put(text, strlen(text));
}

/* metadata_props; key and value below 126 bytes, NULL for none. */
static void put_pair(const char *key, const char *value)
{
    put_key(14, (key ? strlen(key) + 2 : 0) + (value ? strlen(value) + 2 : 0));
    if (key)
        put_text(1, key);
    if (value)
        put_text(2, value);
}

/* Reads what was put, and empties the file. */
static struct sg_signature read_back(void)
{
    struct sg_signature signature = {0};
    struct sg_error err = {0};

    assert_int_equal(sg_onnx_metadata(file_path, &signature, &err), 0);
    assert_int_equal(ftruncate(file, 0), 0);
    assert_int_equal(lseek(file, 0, SEEK_SET), 0);
    return signature;
}

static void what_exporters_write(void **state)
{
    static const uint8_t graph[300] = {14 << 3 | 2, 8, 1 << 3 | 2, 1, 'x', 2 << 3 | 2, 1, 'y'};
    struct sg_signature signature;

    (void)state;
    put("\x08\x08", 2); /* ir_version 8 */
    put_text(2, "pytorch");
    put_text(3, "2.4");
    put_key(7, sizeof(graph)); /* what looks like metadata in there is none */
    put(graph, sizeof(graph));
    put("\x42\x02\x10\x11", 4); /* an opset */
    put_pair("names", "{0: 'cat'}");
    put_pair("empty", "");
    put_pair("stride", NULL);
    put_pair(NULL, "lonely");
    put_pair("task", "detect");
    signature = read_back();
    assert_string_equal(signature.producer, "pytorch");
    assert_int_equal(signature.meta_count, 5);
    assert_string_equal(signature.meta[0].key, "names");
    assert_string_equal(signature.meta[0].value, "{0: 'cat'}");
    assert_string_equal(sg_signature_meta(&signature, "empty"), "");
    assert_string_equal(sg_signature_meta(&signature, "stride"), "");
    assert_string_equal(sg_signature_meta(&signature, ""), "lonely");
    assert_string_equal(sg_signature_meta(&signature, "task"), "detect");
    assert_null(sg_signature_meta(&signature, "x"));
    sg_signature_fini(&signature);
}

/* Fields may come in any order and more than once. */
static void the_last_value_wins(void **state)
{
    struct sg_signature signature;

    (void)state;
    put_pair("task", "detect");
    put_text(2, "first");
    put_pair("imgsz", "[640, 640]");
    put_text(2, "second, whose name is longer than there is room for in a signature");
    put_pair("task", "segment");
    put("\x72\x0f\x0a\x01"
        "a\x0a\x01"
        "k\x12\x01"
        "b\x12\x02vv\x18",
        17); /* key and value twice in one pair, then a field that is cut */
    signature = read_back();
    assert_int_equal(strlen(signature.producer), sizeof(signature.producer) - 1);
    assert_memory_equal(signature.producer, "second, whose", 13);
    assert_int_equal(signature.meta_count, 3);
    assert_string_equal(signature.meta[0].key, "task");
    assert_string_equal(signature.meta[0].value, "segment");
    assert_string_equal(sg_signature_meta(&signature, "k"), "vv");
    sg_signature_fini(&signature);
}

static void more_keys_than_there_is_room_for(void **state)
{
    struct sg_signature signature;
    char key[16];
    int i;

    (void)state;
    for (i = 0; i < SG_SIGNATURE_MAX_META + 8; i++) {
        snprintf(key, sizeof(key), "key%d", i);
        put_pair(key, "old");
    }
    put_pair("key3", "new");
    signature = read_back();
    assert_int_equal(signature.meta_count, SG_SIGNATURE_MAX_META);
    assert_string_equal(sg_signature_meta(&signature, "key3"), "new");
    assert_non_null(sg_signature_meta(&signature, "key63"));
    assert_null(sg_signature_meta(&signature, "key64"));
    sg_signature_fini(&signature);
}

/* A value as long as it may be (16 MiB with its key), and one that is longer. */
static void long_values(void **state)
{
    const size_t longest = (size_t)1 << 24;
    char *text = malloc(longest);
    struct sg_signature signature;
    int more;

    (void)state;
    assert_non_null(text);
    memset(text, 'n', longest);
    for (more = 0; more < 2; more++) {
        const size_t size = longest - 8 + (size_t)more; /* 3 for the key, 5 before the value */

        put_key(14, size + 8);
        put_text(1, "k");
        put_key(2, size);
        put(text, size);
        put_pair("after", "it");
        signature = read_back();
        assert_int_equal(signature.meta_count, more ? 1 : 2);
        assert_int_equal(more || strlen(sg_signature_meta(&signature, "k")) == size, 1);
        assert_string_equal(sg_signature_meta(&signature, "after"), "it");
        sg_signature_fini(&signature);
    }
    free(text);
}

/* Whatever is whole before the damage is told; nothing is an error, as the runtime judges the file. */
static void files_that_end_early_or_are_none(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } damage[] = {
        {"", 0},
        {"\x72", 1},             /* a key without a length */
        {"\x72\x05\x0a\x01", 4}, /* a pair that is cut */
        {"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
         "abc",
         14},                                                 /* a length beyond any file */
        {"\x3a\x7f\x00\x00", 4},                              /* a graph that is cut */
        {"\x3b\x00\x00\x00", 4},                              /* a group */
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11}, /* no key */
        {"\x08", 1},                                          /* a number that is cut */
    };
    struct sg_signature signature = {0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        put_pair("task", "pose");
        put(damage[i].bytes, damage[i].size);
        signature = read_back();
        assert_int_equal(signature.meta_count, 1);
        assert_string_equal(signature.meta[0].value, "pose");
        assert_string_equal(signature.producer, "");
        sg_signature_fini(&signature);
    }
    signature = (struct sg_signature){0};
    assert_int_equal(sg_onnx_metadata("/nonexistent/x.onnx", &signature, NULL), 0);
    assert_int_equal(sg_onnx_metadata("/proc/self", &signature, NULL), 0);
    assert_int_equal(signature.meta_count, 0);
}

/* What the runtime itself says of an open graph's metadata must be what was read from its file. */
static int compare(struct sg_graph *graph, const char *path)
{
    struct sg_signature ours = graph->signature;
    const struct sg_signature *theirs = &graph->signature;
    struct sg_error err = {0};
    int i, count = ours.meta_count;

    graph->signature.meta_count = 0;
    graph->signature.producer[0] = '\0';
    assert_int_equal(ort_signature_metadata((struct ort_graph *)graph, &err), 0);
    if (strcmp(ours.producer, theirs->producer) != 0 || ours.meta_count != theirs->meta_count)
        fail_msg("%s: producer \"%s\" and %d keys, the runtime says \"%s\" and %d", path, ours.producer,
                 ours.meta_count, theirs->producer, theirs->meta_count);
    for (i = 0; i < theirs->meta_count; i++) {
        const char *value = sg_signature_meta(&ours, theirs->meta[i].key);

        if (!value || strcmp(value, theirs->meta[i].value) != 0)
            fail_msg("%s: key \"%s\" differs", path, theirs->meta[i].key);
    }
    sg_signature_fini(&ours);
    return count;
}

static void find_models(const char *place, const char *pattern, int flags, glob_t *found)
{
    char text[1024];

    snprintf(text, sizeof(text), "%s/%s", place, pattern);
    assert_int_not_equal(glob(text, flags, NULL, found), GLOB_NOSPACE);
}

static void the_runtime_says_the_same(void **state)
{
    const char *root = getenv("SIGHT_ROOT"), *shared = getenv("SIGHT_SHARED");
    const struct sg_graph_options options = {.threads = 1};
    struct sg_engine *engine = NULL;
    struct sg_error err = {0};
    int opened = 0, keys = 0;
    glob_t found = {0};
    size_t i, further;

    (void)state;
    find_models(root ? root : ".", "models/*/model.onnx", 0, &found);
    further = found.gl_pathc; /* so far; none of these has a key */
    find_models(root ? root : ".", "deps/tests/models/*.onnx", GLOB_APPEND, &found);
    find_models(shared ? shared : "../shared", "assets/models/*.onnx", GLOB_APPEND, &found);
    assert_int_equal(sg_engine_create(&engine, &err), 0);
    for (i = 0; i < found.gl_pathc; i++) {
        struct sg_graph *graph = NULL;

        if (sg_graph_open(engine, found.gl_pathv[i], &options, &graph, &err) < 0)
            continue; /* sizes that have to be set free first */
        keys += compare(graph, found.gl_pathv[i]);
        sg_graph_destroy(&graph);
        opened++;
    }
    print_message("%d models, %d keys\n", opened, keys);
    sg_engine_destroy(&engine);
    further = found.gl_pathc - further;
    globfree(&found);
    if (opened == 0 || further == 0) {
        print_message("skipped: models of tests are not here (make deps-tests)\n");
        skip();
    }
    assert_true(keys > 0);
}

static void write_in_own_format(struct sg_graph *graph, const char *from, const char *to)
{
    const struct ort_runtime *runtime = ort_runtime_of((struct ort_graph *)graph);
    const struct sg_graph_options options = {.threads = 1};
    OrtSessionOptions *session_options = NULL;
    OrtSession *session = NULL;
    struct sg_error err = {0};

    assert_int_equal(ort_session_options(runtime, &options, &session_options, &err), 0);
    assert_null(runtime->api->SetOptimizedModelFilePath(session_options, to));
    assert_null(runtime->api->AddSessionConfigEntry(session_options, "session.save_model_format", "ORT"));
    assert_null(runtime->api->CreateSession(runtime->env, from, session_options, &session));
    runtime->api->ReleaseSession(session);
    runtime->api->ReleaseSessionOptions(session_options);
}

/* A file in the runtime's own format is no ModelProto; it says the same as the ONNX file that it was made of.
 */
static void the_runtimes_own_format(void **state)
{
    const struct sg_graph_options options = {.threads = 1};
    const char *root = getenv("SIGHT_ROOT");
    struct sg_graph *graph = NULL, *own = NULL;
    struct sg_engine *engine = NULL;
    struct sg_error err = {0};
    char from[1024], to[64];

    (void)state;
    snprintf(from, sizeof(from), "%s/deps/tests/models/yolov8n.onnx", root ? root : ".");
    if (access(from, R_OK) != 0)
        skip();
    snprintf(to, sizeof(to), "/tmp/onnx_metadata_%d.ort", (int)getpid());
    assert_int_equal(sg_engine_create(&engine, &err), 0);
    assert_int_equal(sg_graph_open(engine, from, &options, &graph, &err), 0);
    write_in_own_format(graph, from, to);
    assert_int_equal(sg_graph_open(engine, to, &options, &own, &err), 0);
    unlink(to);
    assert_string_equal(own->signature.producer, graph->signature.producer);
    assert_int_equal(own->signature.meta_count, graph->signature.meta_count);
    assert_string_equal(sg_signature_meta(&own->signature, "names"),
                        sg_signature_meta(&graph->signature, "names"));
    sg_graph_destroy(&own);
    sg_graph_destroy(&graph);
    sg_engine_destroy(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_exporters_write),
        cmocka_unit_test(the_last_value_wins),
        cmocka_unit_test(more_keys_than_there_is_room_for),
        cmocka_unit_test(long_values),
        cmocka_unit_test(files_that_end_early_or_are_none),
        cmocka_unit_test(the_runtime_says_the_same),
        cmocka_unit_test(the_runtimes_own_format),
    };

    return cmocka_run_group_tests(tests, make_file, drop_file);
}
