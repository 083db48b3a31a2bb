/* SPDX-License-Identifier: MIT
 * Sorting and dropping objects without losing who lies inside whom.
 */
#include "pipeline/order.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* An object's key, and the index it had. */
struct place {
    float score, middle, left, height;
    int before;
};

static int by_score(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->before - y->before;
}

static int by_middle(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->middle != y->middle)
        return x->middle < y->middle ? -1 : 1;
    return x->before - y->before;
}

static int by_left(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->left != y->left)
        return x->left < y->left ? -1 : 1;
    return x->before - y->before;
}

/* Makes the objects those at before[0..count), in that order. */
static int rearrange(struct sg_result *result, const int *before, int count)
{
    struct sg_object *objects = sg_result_alloc(result, (size_t)count * sizeof(*objects) + 1);
    int *now = sg_result_alloc(result, (size_t)result->object_count * sizeof(*now) + 1);
    int i;

    if (!objects || !now)
        return SG_E_NOMEM;
    for (i = 0; i < result->object_count; i++)
        now[i] = -1;
    for (i = 0; i < count; i++) {
        objects[i] = result->objects[before[i]];
        now[before[i]] = i;
    }
    for (i = 0; i < count; i++)
        if (objects[i].parent >= 0)
            objects[i].parent = now[objects[i].parent];
    if (count > 0)
        memcpy(result->objects, objects, (size_t)count * sizeof(*objects));
    result->object_count = count;
    return 0;
}

/* Of a line along its own sides: the box around a slanted one is higher, and would take in the next row. */
static float own_height(const struct sg_object *object)
{
    const struct sg_point *quad = object->quad;

    if (!object->has_quad)
        return object->box.y2 - object->box.y1;
    return fmaxf(hypotf(quad[3].x - quad[0].x, quad[3].y - quad[0].y),
                 hypotf(quad[2].x - quad[1].x, quad[2].y - quad[1].y));
}

/* Places of all objects, and room for the indices that rearrange takes. */
static int list_places(struct sg_result *result, struct place **out_places, int **out_before)
{
    int i;

    *out_places = sg_result_alloc(result, (size_t)result->object_count * sizeof(**out_places) + 1);
    *out_before = sg_result_alloc(result, (size_t)result->object_count * sizeof(**out_before) + 1);
    if (!*out_places || !*out_before)
        return SG_E_NOMEM;
    for (i = 0; i < result->object_count; i++) {
        const struct sg_object *object = &result->objects[i];

        (*out_before)[i] = i;
        (*out_places)[i] = (struct place){.score = object->score,
                                          .middle = (object->box.y1 + object->box.y2) / 2.0f,
                                          .left = object->box.x1,
                                          .height = own_height(object),
                                          .before = i};
    }
    return 0;
}

int sg_order_by_score(struct sg_result *result)
{
    struct place *places;
    int *before;
    int code = list_places(result, &places, &before), i;

    if (code < 0)
        return code;
    qsort(places, (size_t)result->object_count, sizeof(*places), by_score);
    for (i = 0; i < result->object_count; i++)
        before[i] = places[i].before;
    return rearrange(result, before, result->object_count);
}

int sg_order_reading(struct sg_result *result)
{
    struct place *lines;
    int *before;
    int code = list_places(result, &lines, &before);
    int count = 0, first = 0, i, k;

    if (code < 0)
        return code;
    for (i = 0; i < result->object_count; i++)
        if (result->objects[i].has_quad)
            lines[count++] = lines[i];
    qsort(lines, (size_t)count, sizeof(*lines), by_middle);
    for (i = 1; i <= count; i++) {
        if (i < count && lines[i].middle - lines[first].middle < lines[first].height / 2.0f)
            continue;
        qsort(&lines[first], (size_t)(i - first), sizeof(*lines), by_left);
        first = i;
    }
    for (i = k = 0; i < result->object_count; i++)
        if (result->objects[i].has_quad)
            before[i] = lines[k++].before;
    return rearrange(result, before, result->object_count);
}

int sg_order_keep(struct sg_result *result, const bool *keep)
{
    int *before = sg_result_alloc(result, (size_t)result->object_count * sizeof(*before) + 1);
    int count = 0, i;

    if (!before)
        return SG_E_NOMEM;
    for (i = 0; i < result->object_count; i++)
        if (keep[i])
            before[count++] = i;
    return count == result->object_count ? 0 : rearrange(result, before, count);
}
