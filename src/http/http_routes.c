/* SPDX-License-Identifier: MIT
 * The routes. docs/openapi.json describes each; http_test.c holds the two against each other.
 * APIs of other servers will have a room of their own, above this one.
 */
#include "http/http_private.h"

#include <string.h>

static const struct http_route routes[] = {
    {"/", HTTP_ROUTE_GET, false, false, NULL, http_index_serve},
    {"/v1/infer", HTTP_ROUTE_POST | HTTP_ROUTE_PUT, false, false, http_infer_begin, http_infer_serve},
    {"/v1/pipelines", HTTP_ROUTE_GET, false, false, NULL, http_pipelines_serve},
    {"/v1/models", HTTP_ROUTE_GET, false, false, NULL, http_models_serve},
    {"/v1/version", HTTP_ROUTE_GET, false, false, NULL, http_version_serve},
    {"/v1/reload", HTTP_ROUTE_POST, false, true, NULL, http_reload_serve},
    {"/openapi.json", HTTP_ROUTE_GET, false, false, NULL, http_openapi_serve},
    {"/livez", HTTP_ROUTE_GET, true, false, NULL, http_live_serve},
    {"/readyz", HTTP_ROUTE_GET, true, false, NULL, http_ready_serve},
    {"/healthz", HTTP_ROUTE_GET, true, false, NULL, http_ready_serve},
    {"/metrics", HTTP_ROUTE_GET, false, false, NULL, http_metrics_serve},
};
#define ROUTE_COUNT ((int)(sizeof(routes) / sizeof(routes[0])))

const struct http_route *http_routes(int *out_count)
{
    *out_count = ROUTE_COUNT;
    return routes;
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

const struct http_route *http_route_find(const char *method, const char *path, struct sg_error *err,
                                         unsigned *out_status, unsigned *out_allow)
{
    int i;

    for (i = 0; i < ROUTE_COUNT && strcmp(path, routes[i].path) != 0; i++)
        ;
    if (i == ROUTE_COUNT) {
        sg_error_set(err, SG_E_NOT_FOUND, "there is no \"%.120s\" here; /openapi.json lists what there is",
                     path);
        return NULL;
    }
    if (routes[i].methods & method_of(method))
        return &routes[i];
    *out_status = 405;
    *out_allow = routes[i].methods;
    sg_error_set(err, SG_E_UNSUPPORTED, "%s takes %s, not %.20s", path, http_allow_text(routes[i].methods),
                 method);
    return NULL;
}
