/* SPDX-License-Identifier: MIT
 * Fuzz target: JSON bodies and base64. What is taken must not be larger than what came, and what is decoded
 * must not depend on where it is written.
 */
#include "base/fuzzing.h"
#include "http/http_json.h"

#include <stdlib.h>
#include <string.h>

static void both_ways(const uint8_t *data, size_t size)
{
    uint8_t *apart = malloc(size + 1), *inside = malloc(size + 1);
    ptrdiff_t first, second;

    if (apart && inside) {
        memcpy(inside, data, size);
        first = sg_http_base64((const char *)data, size, apart);
        second = sg_http_base64((const char *)inside, size, inside);
        CHECK(first == second && first <= (ptrdiff_t)size);
        CHECK(first <= 0 || memcmp(apart, inside, (size_t)first) == 0);
    }
    free(apart);
    free(inside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_http_params params;
    struct sg_error err = {0};
    struct sg_buf body;
    int code;

    both_ways(data, size);
    sg_buf_init(&body, size + 1);
    sg_http_params_init(&params);
    CHECK(sg_buf_append(&body, data, size) == 0);
    code = sg_http_json_read(&body, &params, &err);
    CHECK(code == err.code && (code == 0 || err.text[0]));
    CHECK(code < 0 || (body.size > 0 && body.size < size));
    sg_buf_fini(&body);
    return 0;
}
