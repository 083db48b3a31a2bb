/* SPDX-License-Identifier: MIT
 * The routes. docs/openapi.json describes each; http_test.c holds the two against each other.
 * APIs of other servers will have a room of their own, above this one, and a table of their own.
 */
#include "http/embedded.h"
#include "http/http_private.h"

#include <string.h>

static const struct http_file index_file = {.type = "text/plain; charset=utf-8",
                                            .bytes = sg_index_txt,
                                            .size = &sg_index_txt_bytes,
                                            .etag = sg_index_txt_etag};
static const struct http_file openapi_file = {.type = "application/json",
                                              .bytes = sg_openapi_json,
                                              .size = &sg_openapi_json_bytes,
                                              .etag = sg_openapi_json_etag};

static const struct http_route rows[] = {
    {.path = "/", .methods = HTTP_ROUTE_GET, .file = &index_file},
    {.path = "/v1/infer",
     .methods = HTTP_ROUTE_POST | HTTP_ROUTE_PUT,
     .begin = http_infer_begin,
     .serve = http_infer_serve},
    {.path = "/v1/pipelines", .methods = HTTP_ROUTE_GET, .serve = http_pipelines_serve},
    {.path = "/v1/pipelines/{name}", .methods = HTTP_ROUTE_GET, .serve = http_pipeline_serve},
    {.path = "/v1/models", .methods = HTTP_ROUTE_GET, .serve = http_models_serve},
    {.path = "/v1/models/{name}", .methods = HTTP_ROUTE_GET, .serve = http_model_serve},
    {.path = "/v1/version", .methods = HTTP_ROUTE_GET, .serve = http_version_serve},
    {.path = "/v1/reload", .methods = HTTP_ROUTE_POST, .same_site = true, .serve = http_reload_serve},
    {.path = "/openapi.json", .methods = HTTP_ROUTE_GET, .file = &openapi_file},
    {.path = "/livez", .methods = HTTP_ROUTE_GET, .quiet = true, .serve = http_live_serve},
    {.path = "/readyz", .methods = HTTP_ROUTE_GET, .quiet = true, .serve = http_ready_serve},
    {.path = "/healthz", .methods = HTTP_ROUTE_GET, .quiet = true, .serve = http_ready_serve},
    {.path = "/metrics", .methods = HTTP_ROUTE_GET, .serve = http_metrics_serve},
};

const struct http_route_table http_own_routes = {.rows = rows, .count = sizeof(rows) / sizeof(rows[0])};

/* Where it goes among the others; -1: one of them is the same. */
static int place_of(const struct http_routes *routes, const char *path)
{
    int i, order = -1;

    for (i = 0; i < routes->count && order < 0; i++) {
        order = sg_http_path_order(routes->items[i].route->path, path);
        if (order == 0)
            return -1;
    }
    return order > 0 ? i - 1 : i;
}

static bool is_route(const struct http_route *route)
{
    if (!route->path || !sg_http_path_is_pattern(route->path) || !route->methods)
        return false;
    if (!route->file)
        return route->serve != NULL;
    return route->methods == HTTP_ROUTE_GET && !route->begin && !route->serve &&
           http_file_is_whole(route->file);
}

static int add_route(struct http_routes *routes, const struct http_route *route, void *ctx,
                     struct sg_error *err)
{
    int at;

    if (!is_route(route))
        return sg_error_set(err, SG_E_INTERNAL, "\"%s\" is no route", route->path ? route->path : "");
    at = place_of(routes, route->path);
    if (at < 0)
        return sg_error_set(err, SG_E_INTERNAL, "there are two routes for \"%s\"", route->path);
    if (routes->count == HTTP_ROUTES_MAX)
        return sg_error_set(err, SG_E_INTERNAL, "more than %d routes", HTTP_ROUTES_MAX);
    memmove(&routes->items[at + 1], &routes->items[at],
            (size_t)(routes->count - at) * sizeof(routes->items[0]));
    routes->items[at].route = route;
    routes->items[at].ctx = ctx;
    routes->count++;
    return 0;
}

int http_routes_add(struct http_routes *routes, const struct http_route_table *table, struct sg_error *err)
{
    int i, code = 0;

    for (i = 0; i < table->count && code == 0; i++)
        code = add_route(routes, &table->rows[i], table->ctx, err);
    return code;
}

const char *http_allow_text(unsigned methods)
{
    static const char *const texts[] = {"",    "GET, HEAD",      "POST",      "GET, HEAD, POST",
                                        "PUT", "GET, HEAD, PUT", "POST, PUT", "GET, HEAD, POST, PUT"};

    return texts[methods & (HTTP_ROUTE_GET | HTTP_ROUTE_POST | HTTP_ROUTE_PUT)];
}

static unsigned method_of(const char *method)
{
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return HTTP_ROUTE_GET;
    if (strcmp(method, "PUT") == 0)
        return HTTP_ROUTE_PUT;
    return strcmp(method, "POST") == 0 ? HTTP_ROUTE_POST : 0;
}

int http_route_find(struct http_request *request, const char *method, struct sg_error *err)
{
    const struct http_routes *routes = &request->http->routes;
    const struct http_route *route;
    int i;

    if (sg_http_path_check(request->path, err) < 0)
        return err->code;
    for (i = 0; i < routes->count &&
                !sg_http_path_matches(routes->items[i].route->path, request->path, &request->path_values);
         i++)
        ;
    if (i == routes->count)
        return sg_error_set(err, SG_E_NOT_FOUND,
                            "there is no \"%.120s\" here; /openapi.json lists what there is", request->path);
    route = routes->items[i].route;
    if (route->methods & method_of(method)) {
        request->route = route;
        request->route_ctx = routes->items[i].ctx;
        return 0;
    }
    request->status = 405;
    request->allow = route->methods;
    return sg_error_set(err, SG_E_UNSUPPORTED, "%.120s takes %s, not %.20s", request->path,
                        http_allow_text(route->methods), method);
}

void *http_route_ctx(const struct http_request *request)
{
    return request->route_ctx;
}

const char *http_path_value(const struct http_request *request, int index)
{
    const struct sg_http_path_values *values = &request->path_values;

    return index >= 0 && index < values->count ? values->text + values->at[index] : "";
}
