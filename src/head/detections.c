/* SPDX-License-Identifier: MIT
 * The growing lists that heads write to. One owner at a time.
 */
#include "head/head.h"

#include <stdlib.h>

#define FIRST_CAPACITY 256
#define MAX_POINTS     (SG_HEAD_MAX_DETECTIONS * 64)

/* Grows *items (of item_bytes each) to hold need, doubling. */
static int grow(void **items, int *capacity, int need, size_t item_bytes)
{
    int target = *capacity ? *capacity : FIRST_CAPACITY;
    void *grown;

    if (need <= *capacity)
        return SG_OK;
    while (target < need)
        target *= 2;
    grown = realloc(*items, (size_t)target * item_bytes);
    if (!grown)
        return SG_E_NOMEM;
    *items = grown;
    *capacity = target;
    return SG_OK;
}

int sg_detections_push(struct sg_detections *detections, const struct sg_detection *detection)
{
    if (detections->count >= SG_HEAD_MAX_DETECTIONS)
        return SG_E_TOO_LARGE;
    if (detections->count == detections->capacity) {
        void *items = detections->items;
        int code = grow(&items, &detections->capacity, detections->count + 1, sizeof(*detections->items));

        if (code < 0)
            return code;
        detections->items = items;
    }
    detections->items[detections->count++] = *detection;
    return SG_OK;
}

int sg_detections_points(struct sg_detections *detections, int count)
{
    void *points = detections->points;
    int first = detections->point_count;
    int code;

    if (count < 0 || count > MAX_POINTS - first)
        return SG_E_TOO_LARGE;
    code = grow(&points, &detections->point_capacity, first + count, sizeof(*detections->points));
    if (code < 0)
        return code;
    detections->points = points;
    detections->point_count += count;
    return first;
}

void *sg_detections_scratch(struct sg_detections *detections, size_t bytes)
{
    void *memory;

    if (bytes <= detections->scratch_bytes)
        return detections->scratch;
    /* The content is undefined by contract, so nothing is copied over. */
    memory = malloc(bytes);
    if (!memory)
        return NULL;
    free(detections->scratch);
    detections->scratch = memory;
    detections->scratch_bytes = bytes;
    return memory;
}

void sg_detections_clear(struct sg_detections *detections)
{
    detections->count = 0;
    detections->point_count = 0;
}

void sg_detections_fini(struct sg_detections *detections)
{
    free(detections->items);
    free(detections->points);
    free(detections->scratch);
    *detections = (struct sg_detections){0};
}

void sg_answers_fini(struct sg_answers *answers)
{
    free(answers->scratch);
    *answers = (struct sg_answers){0};
}
