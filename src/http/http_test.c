/* SPDX-License-Identifier: MIT
 * The pure parts of HTTP: statuses, parameters, base64, JSON bodies, routes against docs/openapi.json,
 * metrics. Expected base64 is that of RFC 4648, section 10; statuses are those of RFC 9110.
 */
#include "http/embedded.h"
#include "http/http.h"
#include "http/http_json.h"
#include "http/http_private.h"
#include "serve/metrics.h"

#include <cjson/cJSON.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The table of docs/PROTOCOL.md, HTTP, Errors; "cancelled" is of v2, and "bad_config" of reloads. */
static void every_code_has_its_status(void **state)
{
    static const struct {
        int code;
        unsigned status;
    } documented[] = {
        {SG_E_INVALID, 400},  {SG_E_EMPTY_IMAGE, 400}, {SG_E_FRAMING, 400},     {SG_E_NOT_FOUND, 404},
        {SG_E_TIMEOUT, 408},  {SG_E_TOO_LARGE, 413},   {SG_E_UNSUPPORTED, 415}, {SG_E_BAD_IMAGE, 422},
        {SG_E_CONFIG, 422},   {SG_E_TOO_MANY, 429},    {SG_E_DROPPED, 429},     {SG_E_BUSY, 503},
        {SG_E_DEADLINE, 503}, {SG_E_SHUTDOWN, 503},    {SG_E_NOMEM, 503},       {SG_E_CANCELLED, 503},
        {SG_E_INTERNAL, 500}, {SG_E_INFERENCE, 500},   {SG_E_MODEL, 500},       {SG_E_IO, 500},
    };
    size_t i;

    (void)state;
    assert_int_equal(sizeof(documented) / sizeof(documented[0]), SG_ERR_COUNT);
    for (i = 0; i < sizeof(documented) / sizeof(documented[0]); i++)
        if (sg_http_status(documented[i].code) != documented[i].status)
            fail_msg("%s is %u", sg_err_name(documented[i].code), sg_http_status(documented[i].code));
    assert_int_equal(sg_http_status(SG_OK), 200);
    assert_int_equal(sg_http_status(-1000), 500);
    assert_true(sg_http_status_retry(503) && sg_http_status_retry(429) && !sg_http_status_retry(404));
    assert_false(sg_http_status_retry(200) || sg_http_status_retry(500));
}

static int set(struct sg_http_params *params, const char *name, const char *value, struct sg_error *err)
{
    return sg_http_params_set(params, name, value, strlen(value), err);
}

static void parameters_are_read_and_checked(void **state)
{
    static const char *const wrong[][2] = {
        {"threshold", "1.01"}, {"threshold", "-0.1"}, {"threshold", "abc"},  {"threshold", ""},
        {"iou", "nan"},        {"max_objects", "0"},  {"max_objects", "x"},  {"max_objects", "99999"},
        {"top_k", "1.5"},      {"decode", "fasst"},   {"annotate", "gif"},   {"deadline_ms", "0"},
        {"timing", "maybe"},   {"nope", "1"},         {"thresholds", "0.5"}, {"deadline_ms", "9999999999"},
    };
    struct sg_http_params params;
    struct sg_error err = {0};
    char longest[SG_HTTP_PIPELINE_MAX + 1];
    size_t i;

    (void)state;
    sg_http_params_init(&params);
    assert_true(params.options.threshold < 0 && params.options.iou < 0 && !params.no_timing);
    assert_int_equal(set(&params, "threshold", "0.25", &err), 0);
    assert_int_equal(set(&params, "iou", "0", &err), 0);
    assert_int_equal(set(&params, "max_objects", "12", &err), 0);
    assert_int_equal(set(&params, "top_k", "3", &err), 0);
    assert_int_equal(set(&params, "decode", "exact", &err), 0);
    assert_int_equal(set(&params, "annotate", "png", &err), 0);
    assert_int_equal(set(&params, "deadline_ms", "1500", &err), 0);
    assert_int_equal(set(&params, "timing", "no", &err), 0);
    assert_int_equal(set(&params, "pipeline", "faces", &err), 0);
    assert_true(params.options.threshold == 0.25f && params.options.iou == 0.0f);
    assert_int_equal(params.options.max_objects, 12);
    assert_int_equal(params.options.top_k, 3);
    assert_int_equal(params.options.decode, SG_DECODE_EXACT);
    assert_int_equal(params.annotate, SG_JOB_ANNOTATE_PNG);
    assert_int_equal(params.deadline_ms, 1500);
    assert_true(params.no_timing);
    assert_string_equal(params.pipeline, "faces");
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (set(&params, wrong[i][0], wrong[i][1], &err) != SG_E_INVALID)
            fail_msg("%s=%s was taken", wrong[i][0], wrong[i][1]);
        assert_int_equal(err.code, SG_E_INVALID);
        assert_non_null(strstr(err.text, wrong[i][0]));
    }
    memset(longest, 'p', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_int_equal(set(&params, "pipeline", longest, &err), SG_E_INVALID);
    assert_int_equal(sg_http_params_set(&params, "threshold", "0.5\0", 4, &err), SG_E_INVALID);
    assert_string_equal(err.text, "threshold: the value has a NUL byte");
    assert_int_equal(sg_http_params_set(&params, "pipeline", "a\0b", 3, &err), SG_E_INVALID);
    assert_string_equal(err.text, "pipeline: the value has a NUL byte");
    assert_int_equal(params.options.max_objects, 12);
}

static void request_ids_are_plain(void **state)
{
    (void)state;
    assert_true(sg_http_id_valid("a"));
    assert_true(sg_http_id_valid("4bf92f35-77b3:4da6/a3ce=929d+0e0e_4736.x~y"));
    assert_false(sg_http_id_valid(""));
    assert_false(sg_http_id_valid("a b"));
    assert_false(sg_http_id_valid("a\"b"));
    assert_false(sg_http_id_valid("a\\b"));
    assert_false(sg_http_id_valid("\xc3\xa4"));
    assert_false(sg_http_id_valid("a\r\nX: y"));
}

static void base64_is_that_of_the_rfc(void **state)
{
    static const char *const good[][2] = {
        {"", ""},
        {"Zg==", "f"},
        {"Zm8=", "fo"},
        {"Zm9v", "foo"},
        {"Zm9vYg==", "foob"},
        {"Zm9vYmE=", "fooba"},
        {"Zm9vYmFy", "foobar"},
        {"Zm9vYg", "foob"},
        {"Zm 9v\r\nYg==\n", "foob"},
        {"Zm9v\\nYg==", "foob"},
        {"_-_-", "\xff\xef\xfe"},
        {"\\/+\\/+", "\xff\xef\xfe"},
    };
    static const char *const bad[] = {
        "Z", "Zm9vY", "Zg=", "Zg===", "Z===", "Zg==Zg==", "Z*8=", "Zm8\\x", "Zm9v=", "="};
    uint8_t out[32];
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        ptrdiff_t size = sg_http_base64(good[i][0], strlen(good[i][0]), out);

        assert_int_equal(size, strlen(good[i][1]));
        assert_memory_equal(out, good[i][1], (size_t)size);
    }
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (sg_http_base64(bad[i], strlen(bad[i]), out) >= 0)
            fail_msg("\"%s\" was taken", bad[i]);
}

static int read_json(const char *text, struct sg_http_params *params, struct sg_buf *body,
                     struct sg_error *err)
{
    sg_buf_init(body, 1 << 20);
    sg_http_params_init(params);
    *err = (struct sg_error){0};
    assert_int_equal(sg_buf_append_text(body, text), 0);
    return sg_http_json_read(body, params, err);
}

static void json_bodies(void **state)
{
    static const char *const bad[] = {
        "{",
        "7",
        "[]",
        "null",
        "{}",
        "{\"image\":1}",
        "{\"image\":null}",
        "{\"image\":\"Zg==\"}x",
        "{\"image\":\"Zg==\",\"nope\":1}",
        "{\"image\":\"Zg==\",\"threshold\":[]}",
        "{\"image\":\"Z\"}",
        "{\"image\":\"Zg==",
        "{\"image\":\"Zg==\"",
        "\"",
        "{\"image\":\"\\u0001lifted:0\"}",
        "{\"image\":\"Zg==\",\"threshold\":\"\\u0001lifted:0\"}",
        "{\"image\":\"Zg==\",\"pipeline\":\"a\\u0000b\"}",
        "{\"image\":\"Zg==\",\"pipeline\\u0000x\":\"a\"}",
        "\xff\xd8\xff\xe0 a JPEG",
    };
    struct sg_http_params params;
    struct sg_error err;
    struct sg_buf body;
    size_t i;

    (void)state;
    assert_int_equal(read_json("{\"image\":\"Zm9vYmFy\",\"threshold\":0.5,\"pipeline\":\"a\\\"b\","
                               "\"timing\":false,\"max_objects\":7,\"iou\":null}",
                               &params, &body, &err),
                     0);
    assert_int_equal(body.size, 6);
    assert_memory_equal(body.data, "foobar", 6);
    assert_string_equal(params.pipeline, "a\"b");
    assert_true(params.options.threshold == 0.5f && params.no_timing && params.options.max_objects == 7);
    sg_buf_fini(&body);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (read_json(bad[i], &params, &body, &err) != SG_E_INVALID)
            fail_msg("%s was taken", bad[i]);
        assert_true(err.text[0]);
        sg_buf_fini(&body);
    }
    assert_int_equal(read_json("\xef\xbb\xbf \r\n\t{\"image\":\"Zg==\",\"pipeline\":\"a\\\\u0000b\"}",
                               &params, &body, &err),
                     0);
    assert_string_equal(params.pipeline, "a\\u0000b");
    sg_buf_fini(&body);
    assert_int_equal(read_json("", &params, &body, &err), SG_E_EMPTY_IMAGE);
    sg_buf_fini(&body);
}

/* A string of that many characters, as image of a body with other members around it. */
static char *long_body(size_t characters, const char *before, const char *after)
{
    size_t room = characters + strlen(before) + strlen(after) + 1;
    char *text = malloc(room), *middle = malloc(characters + 1);

    assert_non_null(text);
    assert_non_null(middle);
    memset(middle, 'A', characters);
    middle[characters] = '\0';
    snprintf(text, room, "%s%s%s", before, middle, after);
    free(middle);
    return text;
}

static void long_images_never_reach_the_parser(void **state)
{
    struct sg_http_params params;
    struct sg_error err;
    struct sg_buf body;
    char *text = long_body(400000, "{\"top_k\":2,\"image\":\"", "\",\"pipeline\":\"p\"}");

    (void)state;
    assert_int_equal(read_json(text, &params, &body, &err), 0);
    assert_int_equal(body.size, 300000);
    assert_int_equal(body.data[0] | body.data[299999], 0);
    assert_string_equal(params.pipeline, "p");
    sg_buf_fini(&body);
    free(text);
    text = long_body(5000, "{\"image\":\"Zg==\",\"pipeline\":\"", "\"}");
    assert_int_equal(read_json(text, &params, &body, &err), SG_E_INVALID); /* a name of 5000 bytes */
    sg_buf_fini(&body);
    free(text);
    text = long_body(100000, "{\"image\":\"Zg==\",", "}");
    assert_int_equal(read_json(text, &params, &body, &err), SG_E_TOO_LARGE); /* no string at all */
    sg_buf_fini(&body);
    free(text);
}

static void routes_are_those_of_the_document(void **state)
{
    cJSON *document = cJSON_ParseWithLength((const char *)sg_openapi_json, sg_openapi_json_bytes);
    const cJSON *paths = cJSON_GetObjectItem(document, "paths");
    const struct http_route *routes = http_own_routes.rows;
    int i;

    (void)state;
    assert_non_null(paths);
    assert_int_equal(cJSON_GetArraySize(paths), http_own_routes.count);
    for (i = 0; i < http_own_routes.count; i++) {
        const cJSON *path = cJSON_GetObjectItemCaseSensitive(paths, routes[i].path);

        if (!path)
            fail_msg("%s is not in docs/openapi.json", routes[i].path);
        assert_int_equal(cJSON_HasObjectItem(path, "get"), (routes[i].methods & HTTP_ROUTE_GET) != 0);
        assert_int_equal(cJSON_HasObjectItem(path, "post"), (routes[i].methods & HTTP_ROUTE_POST) != 0);
        assert_int_equal(cJSON_HasObjectItem(path, "put"), (routes[i].methods & HTTP_ROUTE_PUT) != 0);
    }
    assert_string_equal(cJSON_GetObjectItem(cJSON_GetObjectItem(document, "info"), "version")->valuestring,
                        SIGHT_VERSION);
    cJSON_Delete(document);
}

static void none(struct http_request *request)
{
    (void)request;
}

static struct sg_http test_http;
static struct http_request asked;

/* What there is for it: the route's own path, or what the error says. */
static const char *found(const char *method, const char *path)
{
    static struct sg_error err;

    asked = (struct http_request){.http = &test_http, .path = path};
    return http_route_find(&asked, method, &err) == 0 ? asked.route->path : sg_err_name(err.code);
}

/* Tables in the order in which rooms might hand them over, so that nothing is found by its place. */
static void the_nearest_route_is_found(void **state)
{
    static const struct http_route late[] = {
        {.path = "/*", .methods = HTTP_ROUTE_POST, .serve = none},
        {.path = "/page/*", .methods = HTTP_ROUTE_GET, .serve = none},
        {.path = "/v1/{any}", .methods = HTTP_ROUTE_GET, .serve = none},
        {.path = "/v2/models/{name}", .methods = HTTP_ROUTE_GET, .serve = none},
        {.path = "/v2/models/{name}/versions/{version}/infer", .methods = HTTP_ROUTE_POST, .serve = none},
        {.path = "/page/a/{name}", .methods = HTTP_ROUTE_GET, .serve = none},
        {.path = "/page/a/b", .methods = HTTP_ROUTE_PUT, .serve = none},
    };
    int mine = 0;
    const struct http_route_table table = {
        .rows = late, .count = sizeof(late) / sizeof(late[0]), .ctx = &mine};
    struct sg_error err;

    (void)state;
    test_http.routes.count = 0;
    assert_int_equal(http_routes_add(&test_http.routes, &table, &err), 0);
    assert_int_equal(http_routes_add(&test_http.routes, &http_own_routes, &err), 0);
    assert_string_equal(found("HEAD", "/livez"), "/livez");
    assert_null(http_route_ctx(&asked));
    assert_string_equal(found("GET", "/v1/models"), "/v1/models");
    assert_string_equal(found("GET", "/v1/mode%6cs"), "/v1/models");
    assert_string_equal(found("GET", "/v1/other"), "/v1/{any}");
    assert_ptr_equal(http_route_ctx(&asked), &mine);
    assert_string_equal(http_path_value(&asked, 0), "other");
    assert_string_equal(http_path_value(&asked, 1), "");
    assert_string_equal(found("POST", "/v2/models/a%2Fb/versions/7/infer"), late[4].path);
    assert_string_equal(http_path_value(&asked, 0), "a/b");
    assert_string_equal(http_path_value(&asked, 1), "7");
    assert_string_equal(found("PUT", "/page/a/b"), "/page/a/b");
    assert_string_equal(found("GET", "/page/a/c"), "/page/a/{name}");
    assert_string_equal(found("GET", "/page/a/c/d"), "/page/*");
    assert_string_equal(http_path_value(&asked, 0), "a/c/d");
    assert_string_equal(found("POST", "/x"), "/*");
    /* The nearest one's methods are what counts, not those of routes that would take the rest. */
    assert_string_equal(found("GET", "/page/a/b"), "unsupported");
    assert_int_equal(asked.status, 405);
    assert_string_equal(http_allow_text(asked.allow), "PUT");
    assert_string_equal(found("POST", "/page/x"), "unsupported");
    assert_string_equal(http_allow_text(asked.allow), "GET, HEAD");
    assert_string_equal(found("POST", "/page/%2e%2e/v1/reload"), "not_found");
    assert_string_equal(found("POST", "/page/%c0%ae/x"), "invalid_argument");
    assert_string_equal(found("GET", "*"), "not_found");
}

static void own_routes_are_strict(void **state)
{
    static const char *const nowhere[] = {"/livez/",       "//livez",    "/v1/../livez", "/./livez",
                                          "/%2e%2e/livez", "/livez;a=b", "/v1//infer",   "/v1%2Finfer",
                                          "/v1/./infer",   "/livez%20",  "/v1/infer/..", "livez",
                                          "/%2Flivez",     "/LIVEZ",     "/v1\\infer",   ""};
    struct sg_error err;
    size_t i;

    (void)state;
    test_http.routes.count = 0;
    assert_int_equal(http_routes_add(&test_http.routes, &http_own_routes, &err), 0);
    for (i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++) {
        if (strcmp(found("GET", nowhere[i]), "not_found") != 0)
            fail_msg("%s: %s", nowhere[i], found("GET", nowhere[i]));
        assert_int_equal(asked.status, 0);
        assert_null(asked.route);
    }
    assert_string_equal(found("GET", "/livez%00"), "invalid_argument");
    assert_string_equal(found("GET", "/nowhere%"), "invalid_argument");
    assert_string_equal(found("get", "/livez"), "unsupported");
    assert_int_equal(asked.status, 405);
    assert_string_equal(http_allow_text(asked.allow), "GET, HEAD");
    assert_string_equal(http_allow_text(HTTP_ROUTE_POST | HTTP_ROUTE_PUT), "POST, PUT");
    assert_string_equal(http_allow_text(HTTP_ROUTE_GET | HTTP_ROUTE_POST | HTTP_ROUTE_PUT),
                        "GET, HEAD, POST, PUT");
}

static void tables_are_checked(void **state)
{
    static char long_cache[HTTP_FILE_HEADERS_MAX];
    static const struct http_file file = {"text/plain", sg_index_txt, &sg_index_txt_bytes, sg_index_txt_etag,
                                          NULL};
    static const struct http_file no_etag = {"text/plain", sg_index_txt, &sg_index_txt_bytes, NULL, NULL};
    static const struct http_file endless = {"text/plain", sg_index_txt, &sg_index_txt_bytes,
                                             sg_index_txt_etag, long_cache};
    static const struct http_route bad[] = {
        {.path = "/v1/infer", .methods = HTTP_ROUTE_GET, .serve = none},
        {.methods = HTTP_ROUTE_GET, .serve = none},
        {.path = "v1", .methods = HTTP_ROUTE_GET, .serve = none},
        {.path = "/x", .serve = none},
        {.path = "/x", .methods = HTTP_ROUTE_GET | HTTP_ROUTE_POST, .file = &file},
        {.path = "/x", .methods = HTTP_ROUTE_GET, .file = &file, .serve = none},
        {.path = "/x", .methods = HTTP_ROUTE_GET, .file = &endless},
        {.path = "/x", .methods = HTTP_ROUTE_GET, .file = &no_etag},
        {.path = "/a*", .methods = HTTP_ROUTE_GET, .serve = none},
        {.path = "/x", .methods = HTTP_ROUTE_GET},
    };
    static struct http_route many[HTTP_ROUTES_MAX + 1];
    static char paths[HTTP_ROUTES_MAX + 1][16];
    struct http_route_table table = {.count = 1};
    struct sg_error err;
    size_t i;

    (void)state;
    memset(long_cache, 'x', sizeof(long_cache) - 1);
    test_http.routes.count = 0;
    assert_int_equal(http_routes_add(&test_http.routes, &http_own_routes, &err), 0);
    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        table.rows = &bad[i];
        assert_int_equal(http_routes_add(&test_http.routes, &table, &err), SG_E_INTERNAL);
        assert_int_equal(test_http.routes.count, http_own_routes.count);
    }
    for (i = 0; i <= HTTP_ROUTES_MAX; i++) {
        snprintf(paths[i], sizeof(paths[i]), "/many/%zu", i);
        many[i] = (struct http_route){.path = paths[i], .methods = HTTP_ROUTE_GET, .serve = none};
    }
    test_http.routes.count = 0;
    table = (struct http_route_table){.rows = many, .count = HTTP_ROUTES_MAX};
    assert_int_equal(http_routes_add(&test_http.routes, &table, &err), 0);
    for (i = 0; i < HTTP_ROUTES_MAX; i++)
        assert_string_equal(found("GET", paths[i]), paths[i]);
    table = (struct http_route_table){.rows = many + HTTP_ROUTES_MAX, .count = 1};
    assert_int_equal(http_routes_add(&test_http.routes, &table, &err), SG_E_INTERNAL);
}

/* RFC 9110, 8.8.3 and 13.1.2. */
static void etags_are_found_in_lists(void **state)
{
    static const char *const with[] = {"*",
                                       "\"a,b\"",
                                       "W/\"a,b\"",
                                       "\"x\", \"a,b\"",
                                       "\"x\",\"a,b\"",
                                       ",, \"a,b\" ,",
                                       "W/\"x\",\tW/\"a,b\""};
    static const char *const without[] = {"",         "a,b",  "\"a\", \"b\"", "\"a,b", "\"A,B\"", "w/\"a,b\"",
                                          "\"a,bc\"", "\"\"", "x \"a,b\"",    "**",    "\"*\"",   "\"xa,b\""};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(with) / sizeof(with[0]); i++)
        if (!http_etag_listed(with[i], "\"a,b\""))
            fail_msg("not in %s", with[i]);
    for (i = 0; i < sizeof(without) / sizeof(without[0]); i++)
        if (http_etag_listed(without[i], "\"a,b\""))
            fail_msg("in %s", without[i]);
}

static void metrics_count_and_write(void **state)
{
    static const char hostile[] = "a\"b\\c\nd";
    struct sg_metrics metrics;
    struct sg_metrics_gauges gauges = {.connections = 3,
                                       .jobs = 4,
                                       .in_flight = 5,
                                       .workers = 6,
                                       .queue_bytes = 7,
                                       .unsent_bytes = 8,
                                       .bytes_in = 9,
                                       .bytes_out = 10};
    static const char *const lines[] = {"connections 3",
                                        "jobs_admitted 4",
                                        "jobs_in_flight 5",
                                        "workers 6",
                                        "queue_bytes 7",
                                        "unsent_bytes 8",
                                        "received_bytes_total{protocol=\"frames\"} 9",
                                        "sent_bytes_total{protocol=\"frames\"} 10",
                                        "ready 1"};
    struct sg_counters counters = {0};
    struct sg_job *job = calloc(1, sizeof(*job));
    struct sg_buf out;
    const char *text;
    int i;

    (void)state;
    assert_non_null(job);
    sg_metrics_init(&metrics);
    job->result.pipeline = hostile;
    job->result.object_count = 2;
    job->result.timing_us[SG_STAGE_TOTAL] = 1500;
    sg_metrics_job(&metrics, SG_PROTOCOL_SEED, job);
    job->result.timing_us[SG_STAGE_TOTAL] = 99000000;
    sg_metrics_job(&metrics, SG_PROTOCOL_HTTP, job);
    job->error.code = SG_E_BAD_IMAGE;
    sg_metrics_job(&metrics, SG_PROTOCOL_HTTP, job);
    sg_metrics_http(&metrics, "/v1/infer", 422);
    sg_metrics_http(&metrics, NULL, 404);
    atomic_store(&counters.errors[-SG_E_BUSY - 1], 7);
    sg_buf_init(&out, 1 << 20);
    assert_int_equal(sg_metrics_write(&metrics, &counters, &gauges, &out), 0);
    text = sg_buf_text(&out);
    assert_non_null(strstr(text, "{protocol=\"http\",pipeline=\"a\\\"b\\\\c\\nd\",code=\"bad_image\"} 1\n"));
    assert_non_null(strstr(text, "sightd_objects_total{pipeline=\"a\\\"b\\\\c\\nd\"} 4\n"));
    assert_non_null(strstr(text, "stage=\"total\",le=\"0.001\"} 0\n"));
    assert_non_null(strstr(text, "stage=\"total\",le=\"0.0025\"} 1\n"));
    assert_non_null(strstr(text, "stage=\"total\",le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(text, "stage=\"total\"} 99.001500\n"));
    assert_non_null(strstr(text, "sightd_http_responses_total{route=\"\",status=\"404\"} 1\n"));
    for (i = 0; i < (int)(sizeof(lines) / sizeof(lines[0])); i++) {
        char line[80];

        snprintf(line, sizeof(line), "\nsightd_%s\n", lines[i]);
        if (!strstr(text, line))
            fail_msg("there is no line%s", line);
    }
    assert_non_null(strstr(text, "replies of every protocol by code.\n# TYPE sightd_errors_total counter\n"
                                 "sightd_errors_total{code=\"busy\"} 7\n# HELP"));
    sg_buf_clear(&out);
    gauges.draining = true;
    assert_int_equal(sg_metrics_write(&metrics, &counters, &gauges, &out), 0);
    assert_non_null(strstr(sg_buf_text(&out), "\nsightd_ready 0\n"));
    sg_buf_fini(&out);
    /* Names without end do not take memory without end. */
    for (i = 0; i < 1000; i++) {
        char name[16];

        snprintf(name, sizeof(name), "p%d", i);
        job->result.pipeline = name;
        sg_metrics_job(&metrics, SG_PROTOCOL_V2, job);
    }
    assert_int_equal(metrics.pipeline_count, SG_METRICS_PIPELINES);
    sg_metrics_fini(&metrics);
    free(job);
}

/* RFC 9110, and PATCH of RFC 5789. */
static void methods_begin_connections(void **state)
{
    static const char *const methods[] = {"GET ", "POST", "PUT ", "HEAD", "DELE",
                                          "OPTI", "PATC", "TRAC", "CONN"};
    static const char *const others[] = {"get ", "SGT2", "GETS", "PRI ", "\x16\x03\x01\x02"};
    static const char *const nothing[] = {NULL};
    static const struct sg_protocol_ops rest = {.name = "rest", .begins = nothing};
    static const struct sg_protocol_ops *const protocols[] = {&sg_protocol_http, &rest, NULL};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        assert_int_equal(sg_protocol_find(protocols, (const uint8_t *)methods[i], 4), 0);
    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_int_equal(sg_protocol_find(protocols, (const uint8_t *)others[i], 4), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_begin_connections),
        cmocka_unit_test(every_code_has_its_status),
        cmocka_unit_test(parameters_are_read_and_checked),
        cmocka_unit_test(request_ids_are_plain),
        cmocka_unit_test(base64_is_that_of_the_rfc),
        cmocka_unit_test(json_bodies),
        cmocka_unit_test(long_images_never_reach_the_parser),
        cmocka_unit_test(routes_are_those_of_the_document),
        cmocka_unit_test(the_nearest_route_is_found),
        cmocka_unit_test(own_routes_are_strict),
        cmocka_unit_test(tables_are_checked),
        cmocka_unit_test(etags_are_found_in_lists),
        cmocka_unit_test(metrics_count_and_write),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
