/* SPDX-License-Identifier: MIT
 * Reading of record blocks, for clients. The bytes come from a network: every place is checked before use.
 */
#include "codec/record.h"

#include "base/error.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

struct reader {
    const uint8_t *block;
    size_t size;
    struct sg_record_head head;
    struct sg_result *result;
    int code; /* the first thing that went wrong */
};

static void *copy(struct reader *r, size_t offset, size_t bytes, bool text)
{
    char *to;

    if (r->code < 0 || bytes == 0)
        return NULL;
    if (offset > r->size || bytes > r->size - offset) {
        r->code = SG_E_FRAMING;
        return NULL;
    }
    to = sg_result_alloc(r->result, bytes + text);
    if (!to) {
        r->code = SG_E_NOMEM;
        return NULL;
    }
    memcpy(to, r->block + offset, bytes);
    if (text)
        to[bytes] = '\0';
    return to;
}

static const char *text_at(struct reader *r, struct sg_record_text place)
{
    return copy(r, place.offset, place.bytes, true);
}

/* Groups of `group` floats; their number goes to out_count. */
static void *floats_at(struct reader *r, struct sg_record_floats place, uint32_t group, int *out_count)
{
    void *floats = copy(r, place.offset, (size_t)place.count * sizeof(float), false);

    if (place.count % group != 0)
        r->code = SG_E_FRAMING;
    *out_count = floats ? (int)(place.count / group) : 0;
    return floats;
}

static bool table_fits(const struct reader *r, uint32_t offset, uint32_t count, uint16_t bytes, size_t least)
{
    if (count == 0)
        return true;
    return bytes >= least && offset <= r->size && (uint64_t)count * bytes <= r->size - offset;
}

/* A struct that has `bytes` of them: what was appended since the first ones counts where it is whole. */
static void read_struct(const uint8_t *from, size_t bytes, void *to, size_t size, size_t least)
{
    memset(to, 0, size);
    memcpy(to, from, bytes >= size ? size : least);
}

static int read_head(struct reader *r)
{
    struct sg_record_head *head = &r->head;

    if (r->size < SG_RECORD_HEAD_LEAST)
        return SG_E_FRAMING;
    memcpy(head, r->block, SG_RECORD_HEAD_LEAST);
    if (head->magic != SG_RECORD_MAGIC || head->head_bytes < SG_RECORD_HEAD_LEAST ||
        head->head_bytes > r->size || head->total_bytes != r->size)
        return SG_E_FRAMING;
    read_struct(r->block, head->head_bytes, head, sizeof(*head), SG_RECORD_HEAD_LEAST);
    if (head->version < SG_RECORD_VERSION)
        return SG_E_UNSUPPORTED;
    if (head->object_count > SG_RESULT_MAX_OBJECTS || head->picture_attribute_count > head->attribute_count ||
        head->width > INT32_MAX || head->height > INT32_MAX ||
        !table_fits(r, head->object_offset, head->object_count, head->object_bytes, SG_RECORD_OBJECT_LEAST) ||
        !table_fits(r, head->attribute_offset, head->attribute_count, head->attribute_bytes,
                    SG_RECORD_ATTRIBUTE_LEAST))
        return SG_E_FRAMING;
    return 0;
}

static struct sg_attribute *read_attributes(struct reader *r)
{
    struct sg_attribute *all;
    uint32_t i;

    if (r->head.attribute_count == 0)
        return NULL;
    all = sg_result_alloc(r->result, r->head.attribute_count * sizeof(*all));
    if (!all)
        r->code = SG_E_NOMEM;
    for (i = 0; i < r->head.attribute_count && r->code == 0; i++) {
        struct sg_record_attribute from;

        memcpy(&from, r->block + r->head.attribute_offset + (size_t)i * r->head.attribute_bytes,
               sizeof(from));
        all[i] = (struct sg_attribute){.model = text_at(r, from.model),
                                       .name = text_at(r, from.name),
                                       .label = text_at(r, from.label),
                                       .unit = text_at(r, from.unit),
                                       .class_id = from.class_id,
                                       .score = from.score,
                                       .has_value = !isnan(from.value),
                                       .value = isnan(from.value) ? 0.0f : from.value};
        all[i].vector = floats_at(r, from.vector, 1, &all[i].vector_length);
        if (!all[i].model)
            all[i].model = "";
    }
    return all;
}

static void read_object(struct reader *r, uint32_t index, struct sg_attribute *attributes,
                        struct sg_object *to)
{
    struct sg_record_object from;
    const struct sg_point *quad;
    int corners;

    read_struct(r->block + r->head.object_offset + (size_t)index * r->head.object_bytes, r->head.object_bytes,
                &from, sizeof(from), SG_RECORD_OBJECT_LEAST);
    *to = (struct sg_object){.box = {from.x, from.y, from.x + from.w, from.y + from.h},
                             .class_id = from.class_id,
                             .label = text_at(r, from.label),
                             .score = from.score,
                             .text = text_at(r, from.text),
                             .text_score = from.text_score,
                             .parent = from.parent,
                             .track_id = from.track_id};
    to->landmarks = floats_at(r, from.landmarks, 3, &to->landmark_count);
    to->polygon = floats_at(r, from.polygon, 2, &to->polygon_count);
    quad = floats_at(r, from.quad, 2, &corners);
    to->has_quad = quad && corners == 4;
    if (to->has_quad)
        memcpy(to->quad, quad, sizeof(to->quad));
    if (from.parent < -1 || from.parent >= (int64_t)r->head.object_count || (quad && corners != 4) ||
        from.attribute_first > r->head.attribute_count ||
        from.attribute_count > r->head.attribute_count - from.attribute_first) {
        r->code = SG_E_FRAMING;
        return;
    }
    to->attribute_count = (int)from.attribute_count;
    to->attributes = from.attribute_count ? attributes + from.attribute_first : NULL;
}

int sg_record_read(const uint8_t *block, size_t size, struct sg_result *result)
{
    struct reader r = {.block = block, .size = size, .result = result};
    struct sg_attribute *attributes;
    uint32_t i;

    sg_result_clear(result);
    r.code = read_head(&r);
    if (r.code < 0)
        return r.code;
    attributes = read_attributes(&r);
    result->pipeline = text_at(&r, r.head.pipeline);
    result->stream = text_at(&r, r.head.stream);
    if (r.code == 0 && r.head.object_count > 0) {
        result->objects = sg_result_alloc(result, r.head.object_count * sizeof(*result->objects));
        if (!result->objects)
            r.code = SG_E_NOMEM;
    }
    for (i = 0; i < r.head.object_count && r.code == 0; i++)
        read_object(&r, i, attributes, &result->objects[i]);
    if (r.code < 0) {
        sg_result_clear(result);
        return r.code;
    }
    result->width = (int)r.head.width;
    result->height = (int)r.head.height;
    result->object_count = (int)r.head.object_count;
    result->attributes = attributes;
    result->attribute_count = (int)r.head.picture_attribute_count;
    for (i = 0; i < SG_RECORD_STAGES; i++)
        result->timing_us[i] = r.head.timing_us[i];
    return 0;
}
