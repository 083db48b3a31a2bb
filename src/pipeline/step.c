/* SPDX-License-Identifier: MIT
 * What all steps of a frame share: time, whether to go on, room in the result. Called by the worker's thread.
 */
#include "base/clock.h"
#include "pipeline/pipeline_private.h"

#include <string.h>

#define OBJECTS_FIRST 16

bool class_set_has(const struct class_set *set, int class_id)
{
    return set->all || (class_id >= 0 && class_id < set->count && set->has[class_id]);
}

void run_tick(struct run *run, enum sg_stage stage, int64_t *since)
{
    int64_t now = sg_clock_us();

    if (stage != SG_STAGE_COUNT)
        run->result->timing_us[stage] += now - *since;
    *since = now;
}

int run_check(struct run *run)
{
    const struct sg_request *request = run->request;

    if (request->cancelled && atomic_load_explicit(request->cancelled, memory_order_relaxed))
        return sg_error_set(run->err, SG_E_CANCELLED, "the request was cancelled or its client has gone");
    if (request->deadline_us > 0 && sg_clock_us() > request->deadline_us)
        return sg_error_set(run->err, SG_E_DEADLINE,
                            "the request's deadline passed while it was being served");
    return 0;
}

bool run_alone(const struct run *run)
{
    const atomic_int *in_flight = run->request->in_flight;

    return !in_flight || atomic_load_explicit(in_flight, memory_order_relaxed) <= 1;
}

bool run_wide(const struct run *run, struct sg_model *model)
{
    return run_alone(run) && sg_model_wide_pays(model);
}

struct sg_object *result_grow(struct run *run, int more)
{
    struct sg_result *result = run->result;
    struct sg_object *objects;
    int need = result->object_count + more,
        capacity = run->object_capacity ? run->object_capacity : OBJECTS_FIRST;

    if (need > SG_RESULT_MAX_OBJECTS) {
        sg_error_set(run->err, SG_E_TOO_LARGE,
                     "more than %d objects in one picture; raise the threshold or set max_objects",
                     SG_RESULT_MAX_OBJECTS);
        return NULL;
    }
    if (need > run->object_capacity) {
        while (capacity < need)
            capacity *= 2;
        objects = sg_result_alloc(result, (size_t)capacity * sizeof(*objects));
        if (!objects) {
            sg_error_set(run->err, SG_E_NOMEM, "no memory for %d objects", capacity);
            return NULL;
        }
        if (result->object_count)
            memcpy(objects, result->objects, (size_t)result->object_count * sizeof(*objects));
        result->objects = objects;
        run->object_capacity = capacity;
    }
    return &result->objects[result->object_count];
}

int result_add_attribute(struct run *run, struct sg_object *object, const struct sg_attribute *attribute)
{
    struct sg_result *result = run->result;
    struct sg_attribute **list = object ? &object->attributes : &result->attributes;
    int *count = object ? &object->attribute_count : &result->attribute_count;
    struct sg_attribute *grown = *list;

    /* Lists are as large as the next power of two, so a full one has a count that is one. */
    if ((*count & (*count - 1)) == 0) {
        grown = sg_result_alloc(result, (size_t)(*count ? 2 * *count : 1) * sizeof(*grown));
        if (!grown)
            return sg_error_set(run->err, SG_E_NOMEM, "no memory for answers");
        if (*count)
            memcpy(grown, *list, (size_t)*count * sizeof(*grown));
        *list = grown;
    }
    grown[(*count)++] = *attribute;
    return 0;
}
