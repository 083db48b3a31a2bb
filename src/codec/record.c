/* SPDX-License-Identifier: MIT
 * Writing of record blocks: sizes are counted first, so that the block is one piece of memory filled in one
 * pass. Called by workers.
 */
#include "codec/record.h"

#include "base/error.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* The structs are written as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records are little-endian");
_Static_assert(sizeof(struct sg_record_head) == 96, "published in docs/PROTOCOL.md");
_Static_assert(sizeof(struct sg_record_object) == 88, "published in docs/PROTOCOL.md");
_Static_assert(sizeof(struct sg_record_attribute) == 52, "published in docs/PROTOCOL.md");

#define LANDMARK_FLOATS 3
#define QUAD_FLOATS     8
#define POINT_FLOATS    2

struct sizes {
    size_t attributes, floats, text_bytes;
};

/* Where the next thing of each table goes. */
struct writer {
    uint8_t *block;
    size_t attribute_base;
    size_t attributes; /* written */
    size_t float_at, text_at;
};

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) : 0;
}

static void count_attributes(struct sizes *sizes, const struct sg_attribute *attributes, int count)
{
    int i;

    sizes->attributes += (size_t)count;
    for (i = 0; i < count; i++) {
        sizes->text_bytes += text_bytes(attributes[i].model) + text_bytes(attributes[i].name) +
                             text_bytes(attributes[i].label) + text_bytes(attributes[i].unit);
        sizes->floats += attributes[i].vector ? (size_t)attributes[i].vector_length : 0;
    }
}

static struct sizes count(const struct sg_result *result)
{
    struct sizes sizes = {.text_bytes = text_bytes(result->pipeline) + text_bytes(result->stream)};
    int i;

    count_attributes(&sizes, result->attributes, result->attribute_count);
    for (i = 0; i < result->object_count; i++) {
        const struct sg_object *object = &result->objects[i];

        count_attributes(&sizes, object->attributes, object->attribute_count);
        sizes.text_bytes += text_bytes(object->label) + text_bytes(object->text);
        sizes.floats += (size_t)object->landmark_count * LANDMARK_FLOATS +
                        (object->has_quad ? QUAD_FLOATS : 0) + (size_t)object->polygon_count * POINT_FLOATS;
    }
    return sizes;
}

static struct sg_record_text put_text(struct writer *writer, const char *text)
{
    struct sg_record_text place = {0};
    size_t bytes = text_bytes(text);

    if (bytes == 0)
        return place;
    place = (struct sg_record_text){(uint32_t)writer->text_at, (uint32_t)bytes};
    memcpy(writer->block + writer->text_at, text, bytes);
    writer->text_at += bytes;
    return place;
}

static struct sg_record_floats put_floats(struct writer *writer, const void *floats, size_t number)
{
    struct sg_record_floats place = {0};

    if (number == 0)
        return place;
    place = (struct sg_record_floats){(uint32_t)writer->float_at, (uint32_t)number};
    memcpy(writer->block + writer->float_at, floats, number * sizeof(float));
    writer->float_at += number * sizeof(float);
    return place;
}

static void put_attributes(struct writer *writer, const struct sg_attribute *attributes, int number)
{
    int i;

    for (i = 0; i < number; i++) {
        const struct sg_attribute *a = &attributes[i];
        struct sg_record_attribute record = {
            .model = put_text(writer, a->model),
            .name = put_text(writer, a->name),
            .label = put_text(writer, a->label),
            .unit = put_text(writer, a->unit),
            .class_id = a->class_id,
            .score = a->score,
            .value = a->has_value ? a->value : NAN,
            .vector = put_floats(writer, a->vector, a->vector ? (size_t)a->vector_length : 0),
        };

        memcpy(writer->block + writer->attribute_base + writer->attributes++ * sizeof(record), &record,
               sizeof(record));
    }
}

_Static_assert(sizeof(struct sg_keypoint) == LANDMARK_FLOATS * sizeof(float), "copied as floats");
_Static_assert(sizeof(struct sg_point) == POINT_FLOATS * sizeof(float), "copied as floats");

static void put_object(struct writer *writer, const struct sg_object *object, uint8_t *out)
{
    struct sg_record_object record = {
        .x = object->box.x1,
        .y = object->box.y1,
        .w = object->box.x2 - object->box.x1,
        .h = object->box.y2 - object->box.y1,
        .class_id = object->class_id,
        .score = object->score,
        .parent = object->parent,
        .label = put_text(writer, object->label),
        .text = put_text(writer, object->text),
        .text_score = object->text_score,
        .landmarks = put_floats(writer, object->landmarks, (size_t)object->landmark_count * LANDMARK_FLOATS),
        .quad = put_floats(writer, object->quad, object->has_quad ? QUAD_FLOATS : 0),
        .polygon = put_floats(writer, object->polygon, (size_t)object->polygon_count * POINT_FLOATS),
        .attribute_first = (uint32_t)writer->attributes,
        .attribute_count = (uint32_t)object->attribute_count,
        .track_id = object->track_id,
    };

    put_attributes(writer, object->attributes, object->attribute_count);
    memcpy(out, &record, sizeof(record));
}

void sg_record_set_timing(uint8_t *block, const struct sg_result *result)
{
    static const enum sg_stage stages[SG_RECORD_STAGES] = {
        SG_STAGE_QUEUE,    SG_STAGE_DECODE, SG_STAGE_PREPROCESS, SG_STAGE_DETECT, SG_STAGE_POSTPROCESS,
        SG_STAGE_CLASSIFY, SG_STAGE_READ,   SG_STAGE_ENCODE,     SG_STAGE_TOTAL};
    uint32_t timing_us[SG_RECORD_STAGES];
    int i;

    for (i = 0; i < SG_RECORD_STAGES; i++) {
        int64_t us = result->timing_us[stages[i]];

        timing_us[i] = (uint32_t)(us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : us);
    }
    memcpy(block + offsetof(struct sg_record_head, timing_us), timing_us, sizeof(timing_us));
}

int sg_record_write(const struct sg_result *result, struct sg_buf *out)
{
    struct sizes sizes = count(result);
    size_t objects = (size_t)result->object_count, at = sizeof(struct sg_record_head), total;
    struct sg_record_head head = {.magic = SG_RECORD_MAGIC,
                                  .version = SG_RECORD_VERSION,
                                  .head_bytes = sizeof(struct sg_record_head),
                                  .object_bytes = sizeof(struct sg_record_object),
                                  .attribute_bytes = sizeof(struct sg_record_attribute),
                                  .width = (uint32_t)result->width,
                                  .height = (uint32_t)result->height,
                                  .object_count = (uint32_t)objects,
                                  .attribute_count = (uint32_t)sizes.attributes,
                                  .picture_attribute_count = (uint32_t)result->attribute_count};
    struct writer writer = {0};
    size_t i;
    int code;

    head.object_offset = objects ? (uint32_t)at : 0;
    writer.attribute_base = at + objects * sizeof(struct sg_record_object);
    head.attribute_offset = sizes.attributes ? (uint32_t)writer.attribute_base : 0;
    writer.float_at = writer.attribute_base + sizes.attributes * sizeof(struct sg_record_attribute);
    writer.text_at = writer.float_at + sizes.floats * sizeof(float);
    total = writer.text_at + sizes.text_bytes;
    if (total > UINT32_MAX)
        return SG_E_TOO_LARGE;
    code = sg_buf_reserve(out, total);
    if (code < 0)
        return code;
    writer.block = out->data + out->size;
    head.total_bytes = (uint32_t)total;
    head.pipeline = put_text(&writer, result->pipeline);
    head.stream = put_text(&writer, result->stream);
    memcpy(writer.block, &head, sizeof(head));
    sg_record_set_timing(writer.block, result);
    put_attributes(&writer, result->attributes, result->attribute_count);
    for (i = 0; i < objects; i++)
        put_object(&writer, &result->objects[i], writer.block + at + i * sizeof(struct sg_record_object));
    out->size += total;
    return 0;
}
