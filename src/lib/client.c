/* SPDX-License-Identifier: MIT
 * Requests to a server and their results, over client/v2_link. Any thread.
 */
#include "client/v2_link.h"
#include "codec/record.h"
#include "lib/lib_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sight_client {
    struct sg_v2_link *link;
};

static int read_options(const struct sight_client_options *given, struct sight_client_options *out,
                        struct sg_error *err)
{
    static const struct sight_client_options defaults = SIGHT_CLIENT_OPTIONS_INIT;
    int code;

    *out = defaults;
    code = lib_options_read("sight_client_options", given, out, sizeof(*out), sizeof(defaults), err);
    if (code == 0 && (out->policy < SIGHT_BLOCK || out->policy > SIGHT_OLDEST))
        code = sg_error_set(err, SG_E_INVALID, "policy is %d; expected an enum sight_policy", out->policy);
    if (code == 0 && (out->window < 0 || out->window > UINT16_MAX))
        code = sg_error_set(err, SG_E_INVALID, "window is %d; expected 0 to %d", out->window, UINT16_MAX);
    return code;
}

int sight_client_connect(const char *address, const struct sight_client_options *options,
                         struct sight_client **out_client, struct sight_error *error)
{
    struct sight_client *client = NULL;
    struct sight_client_options read;
    struct sg_v2_link_options link;
    struct sg_error err = {0};
    int code;

    if (!out_client)
        return lib_end(sg_error_set(&err, SG_E_INVALID, "out_client is NULL"), &err, error);
    *out_client = NULL;
    code = read_options(options, &read, &err);
    if (code < 0)
        return lib_end(code, &err, error);
    client = calloc(1, sizeof(*client));
    if (!client)
        return lib_end(sg_error_set(&err, SG_E_NOMEM, "no memory for a client"), &err, error);
    link = (struct sg_v2_link_options){.address = address,
                                       .policy = (enum sg_v2_policy)read.policy,
                                       .window = (unsigned)read.window,
                                       .connect_timeout_ms = read.connect_timeout_ms,
                                       .send_timeout_ms = read.send_timeout_ms};
    code = sg_v2_link_open(&link, &client->link, &err);
    if (code < 0)
        free(client);
    else
        *out_client = client;
    return lib_end(code, &err, error);
}

void sight_client_close(struct sight_client **client)
{
    if (!client || !*client)
        return;
    sg_v2_link_close(&(*client)->link);
    free(*client);
    *client = NULL;
}

const char *sight_client_server(const struct sight_client *client)
{
    return client ? sg_v2_link_name(client->link, 0, NULL) : NULL;
}

const char *sight_client_pipeline(const struct sight_client *client, int index, int *out_default)
{
    bool is_default = false;
    const char *name = client && index >= 0 && index < UINT16_MAX
                           ? sg_v2_link_name(client->link, index + 1, &is_default)
                           : NULL;

    if (out_default)
        *out_default = is_default;
    return name;
}

size_t sight_client_max_image_bytes(const struct sight_client *client)
{
    return client ? sg_v2_link_greeting(client->link)->max_image_bytes : 0;
}

int sight_client_window(const struct sight_client *client)
{
    return client ? (int)sg_v2_link_greeting(client->link)->window : 0;
}

int sight_client_pending(struct sight_client *client)
{
    return client ? sg_v2_link_pending(client->link) : 0;
}

static int fill_infer(const struct sight_infer_options *given, struct sg_v2_infer *infer,
                      struct sg_error *err)
{
    struct sight_infer_options options;
    int code = lib_infer_options_read(given, &options, err);

    if (code < 0)
        return code;
    infer->format = SG_V2_RECORDS;
    infer->deadline_ms = (uint32_t)options.deadline_ms;
    infer->options.threshold = options.threshold < 0.0f ? -1.0f : options.threshold;
    infer->options.iou = options.nms < 0.0f ? -1.0f : options.nms;
    infer->options.max_objects = options.max_objects;
    infer->options.top_k = options.top_k;
    infer->options.decode = options.decode == SIGHT_DECODE_FAST    ? SG_DECODE_FAST
                            : options.decode == SIGHT_DECODE_EXACT ? SG_DECODE_EXACT
                                                                   : SG_DECODE_AS_PIPELINE;
    if (options.pipeline && strlen(options.pipeline) > SG_V2_NAME_MAX)
        return sg_error_set(err, SG_E_NOT_FOUND, "no pipeline has a name of more than %d bytes",
                            SG_V2_NAME_MAX);
    snprintf(infer->pipeline, sizeof(infer->pipeline), "%s", options.pipeline ? options.pipeline : "");
    return 0;
}

int sight_client_submit(struct sight_client *client, const void *bytes, size_t bytes_count,
                        const struct sight_infer_options *options, uint64_t *out_id,
                        struct sight_error *error)
{
    const struct sg_v2_part part = {bytes, bytes_count, bytes_count, 1};
    struct sg_v2_infer infer = {0};
    struct sg_error err = {0};
    uint64_t id = 0;
    int code = 0;

    if (out_id)
        *out_id = 0;
    if (!client || (!bytes && bytes_count > 0))
        code = sg_error_set(&err, SG_E_INVALID, "%s is NULL", client ? "bytes" : "client");
    else if (bytes_count == 0)
        code = sg_error_set(&err, SG_E_EMPTY_IMAGE, "no image bytes were given");
    if (code == 0)
        code = fill_infer(options, &infer, &err);
    if (code == 0 && client)
        code = sg_v2_link_submit(client->link, &infer, &part, 1, &id, &err);
    if (out_id)
        *out_id = id;
    return lib_end(code, &err, error);
}

int sight_client_submit_pixels(struct sight_client *client, const struct sight_pixels *pixels,
                               const struct sight_infer_options *options, uint64_t *out_id,
                               struct sight_error *error)
{
    struct sg_image image = {0}; /* borrowing frees what it held */
    struct sg_v2_infer infer = {0};
    struct sg_v2_part parts[2];
    struct sg_error err = {0};
    size_t row_bytes;
    uint64_t id = 0;
    int code;

    if (out_id)
        *out_id = 0;
    code = client ? lib_pixels_read(pixels, INT64_MAX, &image, &err)
                  : sg_error_set(&err, SG_E_INVALID, "client is NULL");
    if (code == 0)
        code = fill_infer(options, &infer, &err);
    if (code == 0 && client) {
        infer.pixels = (struct sg_job_pixels){
            .raw = true, .format = image.format, .width = image.width, .height = image.height};
        row_bytes = (size_t)image.width * (size_t)sg_pixel_bytes(image.format);
        parts[0] = (struct sg_v2_part){image.data, row_bytes, image.stride_bytes, image.height};
        parts[1] = (struct sg_v2_part){image.chroma, row_bytes, image.stride_bytes, image.height / 2};
        code =
            sg_v2_link_submit(client->link, &infer, parts, image.format == SG_PIXEL_NV12 ? 2 : 1, &id, &err);
    }
    if (out_id)
        *out_id = id;
    return lib_end(code, &err, error);
}

static int read_reply(const struct sg_v2_reply *reply, struct sight_result *result, struct sg_error *err)
{
    int code = reply->error.code;

    result->retry_ms = reply->retry_ms;
    if (code < 0) {
        *err = reply->error;
        return code;
    }
    code = reply->format == SG_V2_RECORDS ? sg_record_read(reply->body, reply->size, &result->result)
                                          : SG_E_FRAMING;
    if (code < 0)
        return sg_error_set(err, (enum sg_err)code, "the server's result is not a block of records");
    return lib_result_show(result, err);
}

int sight_client_wait(struct sight_client *client, uint64_t id, int timeout_ms, struct sight_result *result,
                      uint64_t *out_id, struct sight_error *error)
{
    struct sg_v2_reply *reply = NULL;
    struct sg_error err = {0};
    int code;

    if (out_id)
        *out_id = 0;
    if (!client || !result)
        return lib_end(sg_error_set(&err, SG_E_INVALID, "%s is NULL", client ? "result" : "client"), &err,
                       error);
    lib_result_clear(result);
    code = sg_v2_link_wait(client->link, id, timeout_ms, &reply, &err);
    if (code == 0) {
        if (out_id)
            *out_id = reply->id;
        code = read_reply(reply, result, &err);
    }
    if (code < 0)
        result->error = err;
    sg_v2_reply_free(&reply);
    return lib_end(code, &err, error);
}

int sight_client_cancel(struct sight_client *client, uint64_t id, struct sight_error *error)
{
    struct sg_error err = {0};
    int code = client ? sg_v2_link_cancel(client->link, id, &err)
                      : sg_error_set(&err, SG_E_INVALID, "client is NULL");

    return lib_end(code, &err, error);
}
