/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/record, written by a real server): any bytes as a record block. Checks that
 * what is taken keeps to the limits of data/result.h, and that it can be written and read again as the same
 * number of things.
 */
#include "codec/record.h"

#include "base/error.h"
#include "base/fuzzing.h"

#include <string.h>

/* Reads every byte an attribute points to, so that AddressSanitizer sees them. */
static size_t weigh_attributes(const struct sg_attribute *attributes, int count)
{
    size_t weight = (size_t)count;
    int i, j;

    for (i = 0; i < count; i++) {
        const struct sg_attribute *a = &attributes[i];

        weight += (a->model ? strlen(a->model) : 0) + (a->name ? strlen(a->name) : 0) +
                  (a->label ? strlen(a->label) : 0) + (a->unit ? strlen(a->unit) : 0);
        for (j = 0; j < a->vector_length; j++)
            weight += a->vector[j] > 0.0f;
    }
    return weight;
}

static size_t weigh(const struct sg_result *result)
{
    size_t weight = weigh_attributes(result->attributes, result->attribute_count) +
                    (result->stream ? strlen(result->stream) : 0);
    int i, j;

    CHECK(result->object_count >= 0 && result->object_count <= SG_RESULT_MAX_OBJECTS);
    for (i = 0; i < result->object_count; i++) {
        const struct sg_object *object = &result->objects[i];

        CHECK(object->parent >= -1 && object->parent < result->object_count);
        weight += weigh_attributes(object->attributes, object->attribute_count);
        weight += (object->label ? strlen(object->label) : 0) + (object->text ? strlen(object->text) : 0);
        for (j = 0; j < object->landmark_count; j++)
            weight += 1 + (object->landmarks[j].x > 0.0f);
        for (j = 0; j < object->polygon_count; j++)
            weight += 1 + (object->polygon[j].x > 0.0f);
        weight += object->has_quad;
        weight ^= (size_t)object->track_id;
    }
    return weight;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_result first = {0}, second = {0};
    struct sg_buf block;
    int code;

    sg_buf_init(&block, SG_RESULT_MAX_BYTES);
    code = sg_record_read(data, size, &first);
    CHECK(code == 0 || code == SG_E_FRAMING || code == SG_E_UNSUPPORTED || code == SG_E_NOMEM);
    if (code == 0) {
        size_t weight = weigh(&first);

        if (sg_record_write(&first, &block) == 0) {
            CHECK(sg_record_read(block.data, block.size, &second) == 0);
            CHECK(weigh(&second) == weight);
        }
    }
    sg_buf_fini(&block);
    sg_result_fini(&second);
    sg_result_fini(&first);
    return 0;
}
