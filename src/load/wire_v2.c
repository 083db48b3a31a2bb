/* SPDX-License-Identifier: MIT
 * Frame protocol v2 for the load generator: one id per request, replies in any order.
 */
#include "load/wire_private.h"

#include "codec/record.h"
#include "codec/v2_client.h"

#include <stdio.h>
#include <string.h>

static size_t v2_greet(uint8_t out[SG_BENCH_GREETING_MAX])
{
    const struct sg_v2_hello hello = {
        .version_min = SG_V2_VERSION, .version_max = SG_V2_VERSION, .policy = SG_V2_BLOCK};

    sg_v2_hello_write(out, &hello);
    return SG_V2_HELLO_BYTES;
}

static int v2_head(const struct sg_bench_target *target, size_t image_bytes, struct sg_buf *out)
{
    struct sg_v2_infer infer = {.format = target->records ? SG_V2_RECORDS : SG_V2_JSON,
                                .deadline_ms = (uint32_t)target->deadline_ms};
    uint8_t head[SG_V2_REQUEST_HEAD_MAX];
    size_t size;

    sg_job_options_init(&infer.options);
    snprintf(infer.pipeline, sizeof(infer.pipeline), "%s", target->pipeline);
    size = sg_v2_infer_write(head, 0, &infer, image_bytes);
    return size == 0 ? SG_E_TOO_LARGE : sg_buf_append(out, head, size);
}

static int read_error(const uint8_t *body, size_t size, struct sg_bench_reply *reply)
{
    struct sg_v2_refusal refusal;

    if (sg_v2_error_read(body, size, &refusal) < 0)
        return SG_E_FRAMING;
    snprintf(reply->code, sizeof(reply->code), "%.*s", (int)refusal.code_bytes, refusal.code);
    if (!reply->code[0])
        snprintf(reply->code, sizeof(reply->code), "unnamed");
    return 0;
}

static int read_result(const struct sg_v2_header *header, const uint8_t *body, struct sg_bench_reply *reply)
{
    struct sg_record_head records = {0};

    if (header->format == SG_V2_JSON) {
        if (header->body_bytes < 2 || body[0] != '{' || body[header->body_bytes - 1] != '}')
            return SG_E_FRAMING;
        sg_bench_read_json(body, header->body_bytes, reply);
        return 0;
    }
    if (header->format != SG_V2_RECORDS || header->body_bytes < SG_RECORD_HEAD_LEAST)
        return SG_E_FRAMING;
    memcpy(&records, body, SG_RECORD_HEAD_LEAST);
    if (records.magic != SG_RECORD_MAGIC || records.total_bytes != header->body_bytes)
        return SG_E_FRAMING;
    reply->objects = (int)records.object_count;
    return 0;
}

static int64_t v2_reply(struct sg_bench_scan *scan, const uint8_t *data, size_t size,
                        struct sg_bench_reply *reply)
{
    struct sg_v2_header header;
    const uint8_t *body = data + SG_V2_HEADER_BYTES;
    int code = 0;

    (void)scan;
    if (size < SG_V2_HEADER_BYTES)
        return 0;
    sg_v2_header_read(data, &header);
    if (header.body_bytes > SG_BENCH_REPLY_MAX || header.flags != 0)
        return SG_E_FRAMING;
    if (size - SG_V2_HEADER_BYTES < header.body_bytes)
        return 0;
    reply->id = header.id;
    switch (header.type) {
    case SG_V2_RESULT:
        code = read_result(&header, body, reply);
        break;
    case SG_V2_ERROR:
        code = read_error(body, header.body_bytes, reply);
        reply->close = header.id == 0;
        break;
    case SG_V2_LEAVING:
        reply->close = reply->no_reply = true;
        break;
    default:
        reply->no_reply = true;
        break;
    }
    return code < 0 ? code : (int64_t)SG_V2_HEADER_BYTES + (int64_t)header.body_bytes;
}

const struct sg_bench_wire sg_bench_wire_v2 = {.scheme = "v2",
                                               .summary = "frames with ids, replies in any order",
                                               .greet = v2_greet,
                                               .head = v2_head,
                                               .set_id = sg_v2_infer_set_id,
                                               .reply = v2_reply};
