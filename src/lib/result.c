/* SPDX-License-Identifier: MIT
 * Results as callers see them: a view of struct sg_result in structs that never change, JSON and records on
 * demand. A result is one thread's at a time.
 */
#include "codec/json.h"
#include "codec/record.h"
#include "lib/lib_private.h"

#include <stdlib.h>
#include <string.h>

#define RESULT_TEXT_MAX ((size_t)64 << 20) /* of JSON or records */

/* Callers read these arrays where they lie. */
_Static_assert(sizeof(struct sight_keypoint) == sizeof(struct sg_keypoint) &&
                   offsetof(struct sight_keypoint, score) == offsetof(struct sg_keypoint, score),
               "sight_keypoint is not sg_keypoint");
_Static_assert(sizeof(struct sight_point) == sizeof(struct sg_point), "sight_point is not sg_point");
_Static_assert((int)SIGHT_STAGE_QUEUE == (int)SG_STAGE_QUEUE &&
                   (int)SIGHT_STAGE_DECODE == (int)SG_STAGE_DECODE &&
                   (int)SIGHT_STAGE_PREPROCESS == (int)SG_STAGE_PREPROCESS &&
                   (int)SIGHT_STAGE_DETECT == (int)SG_STAGE_DETECT &&
                   (int)SIGHT_STAGE_POSTPROCESS == (int)SG_STAGE_POSTPROCESS &&
                   (int)SIGHT_STAGE_CLASSIFY == (int)SG_STAGE_CLASSIFY &&
                   (int)SIGHT_STAGE_READ == (int)SG_STAGE_READ &&
                   (int)SIGHT_STAGE_ENCODE == (int)SG_STAGE_ENCODE &&
                   (int)SIGHT_STAGE_TOTAL == (int)SG_STAGE_TOTAL && SG_STAGE_COUNT == 9,
               "the stages of sight.h are not the library's own");

int sight_result_create(struct sight_result **out_result)
{
    struct sight_result *result;

    if (!out_result)
        return SIGHT_E_INVALID;
    *out_result = result = calloc(1, sizeof(*result));
    if (!result)
        return SIGHT_E_NOMEM;
    sg_buf_init(&result->json, RESULT_TEXT_MAX);
    sg_buf_init(&result->records, RESULT_TEXT_MAX);
    return 0;
}

void sight_result_destroy(struct sight_result **result)
{
    struct sight_result *r = result ? *result : NULL;

    if (!r)
        return;
    lib_result_clear(r);
    sg_result_fini(&r->result);
    sg_buf_fini(&r->json);
    sg_buf_fini(&r->records);
    free(r);
    *result = NULL;
}

void lib_result_clear(struct sight_result *result)
{
    sg_result_clear(&result->result);
    sg_error_clear(&result->error);
    result->objects = NULL;
    result->attributes = NULL;
    result->retry_ms = 0;
    lib_core_release(&result->core);
}

static void show_attributes(const struct sg_attribute *from, int count, struct sight_attribute *to)
{
    int i;

    for (i = 0; i < count; i++)
        to[i] = (struct sight_attribute){.model = from[i].model,
                                         .name = from[i].name,
                                         .label = from[i].label,
                                         .class_id = from[i].class_id,
                                         .score = from[i].score,
                                         .has_value = from[i].has_value,
                                         .value = from[i].value,
                                         .unit = from[i].unit,
                                         .vector = from[i].vector,
                                         .vector_length = from[i].vector ? from[i].vector_length : 0};
}

static void show_object(const struct sg_object *from, struct sight_object *to)
{
    *to = (struct sight_object){.x = from->box.x1,
                                .y = from->box.y1,
                                .w = from->box.x2 - from->box.x1,
                                .h = from->box.y2 - from->box.y1,
                                .class_id = from->class_id,
                                .score = from->score,
                                .label = from->label,
                                .parent = from->parent,
                                .landmark_count = from->landmark_count,
                                .landmarks = (const struct sight_keypoint *)(const void *)from->landmarks,
                                .attribute_count = from->attribute_count,
                                .polygon_count = from->polygon_count,
                                .polygon = (const struct sight_point *)(const void *)from->polygon,
                                .quad = from->has_quad ? (const struct sight_point *)(const void *)from->quad
                                                       : NULL,
                                .text = from->text,
                                .text_score = from->text_score};
}

int lib_result_show(struct sight_result *result, struct sg_error *err)
{
    struct sg_result *r = &result->result;
    int attributes = r->attribute_count, i;

    for (i = 0; i < r->object_count; i++)
        attributes += r->objects[i].attribute_count;
    result->objects = NULL;
    result->attributes = NULL;
    if (r->object_count > 0)
        result->objects = sg_result_alloc(r, (size_t)r->object_count * sizeof(*result->objects));
    if (attributes > 0)
        result->attributes = sg_result_alloc(r, (size_t)attributes * sizeof(*result->attributes));
    if ((r->object_count > 0 && !result->objects) || (attributes > 0 && !result->attributes)) {
        r->object_count = r->attribute_count = 0;
        return sg_error_set(err, SG_E_NOMEM, "no memory for the result");
    }
    attributes = r->attribute_count;
    if (attributes > 0)
        show_attributes(r->attributes, attributes, result->attributes);
    for (i = 0; i < r->object_count; i++) {
        const struct sg_object *object = &r->objects[i];

        show_object(object, &result->objects[i].shown);
        result->objects[i].first_attribute = attributes;
        if (object->attribute_count > 0)
            show_attributes(object->attributes, object->attribute_count, result->attributes + attributes);
        attributes += object->attribute_count;
    }
    return 0;
}

int sight_result_code(const struct sight_result *result)
{
    return result ? (int)result->error.code : SIGHT_OK;
}

const char *sight_result_pipeline(const struct sight_result *result)
{
    return result && result->result.pipeline ? result->result.pipeline : "";
}

const char *sight_result_stream(const struct sight_result *result)
{
    return result && result->result.stream ? result->result.stream : "";
}

int sight_result_width(const struct sight_result *result)
{
    return result ? result->result.width : 0;
}

int sight_result_height(const struct sight_result *result)
{
    return result ? result->result.height : 0;
}

int sight_result_object_count(const struct sight_result *result)
{
    return result ? result->result.object_count : 0;
}

const struct sight_object *sight_result_object(const struct sight_result *result, int index)
{
    return result && index >= 0 && index < result->result.object_count ? &result->objects[index].shown : NULL;
}

uint64_t sight_result_track_id(const struct sight_result *result, int index)
{
    return result && index >= 0 && index < result->result.object_count
               ? result->result.objects[index].track_id
               : 0;
}

int sight_result_attribute_count(const struct sight_result *result)
{
    return result ? result->result.attribute_count : 0;
}

const struct sight_attribute *sight_result_attribute(const struct sight_result *result, int object, int index)
{
    if (!result || index < 0 || object < -1 || object >= result->result.object_count)
        return NULL;
    if (object == -1)
        return index < result->result.attribute_count ? &result->attributes[index] : NULL;
    return index < result->objects[object].shown.attribute_count
               ? &result->attributes[result->objects[object].first_attribute + index]
               : NULL;
}

int64_t sight_result_timing_us(const struct sight_result *result, int stage)
{
    return result && stage >= 0 && stage < SG_STAGE_COUNT ? result->result.timing_us[stage] : 0;
}

int64_t sight_result_retry_ms(const struct sight_result *result)
{
    return result ? result->retry_ms : 0;
}

const char *sight_result_json(struct sight_result *result, unsigned flags, size_t *out_bytes)
{
    struct sg_json_native options = {.no_timing = flags & SIGHT_JSON_NO_TIMING};
    const char *text = NULL;

    if (result) {
        sg_buf_clear(&result->json);
        if (sg_json_native(&result->result, &result->error, &options, &result->json) == 0)
            text = sg_buf_text(&result->json);
    }
    if (out_bytes)
        *out_bytes = text ? result->json.size : 0;
    return text;
}

const void *sight_result_records(struct sight_result *result, size_t *out_bytes)
{
    const void *block = NULL;

    if (result) {
        sg_buf_clear(&result->records);
        if (sg_record_write(&result->result, &result->records) == 0)
            block = result->records.data;
    }
    if (out_bytes)
        *out_bytes = block ? result->records.size : 0;
    return block;
}
