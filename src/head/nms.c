/* SPDX-License-Identifier: MIT
 * Greedy non-maximum suppression. Two orders of the candidates are made by radix sort: by score, in which
 * they are taken, and by class and centre, in which those that a kept box can reach lie side by side. With t
 * the threshold, IoU > t needs an overlap of more than t of either box's width; so widths differ by less than
 * a factor 1/t, and centres lie nearer than width * max(1 - t, (1/t - 1) / 2). Everything else of the class
 * is never looked at.
 */
#include "head/nms.h"

#include "base/cpu.h"

#include <math.h>
#include <string.h>

#define ALIGN 64

float sg_box_iou(const struct sg_box *a, const struct sg_box *b)
{
    float width = fminf(a->x2, b->x2) - fmaxf(a->x1, b->x1);
    float height = fminf(a->y2, b->y2) - fmaxf(a->y1, b->y1);
    float area_a = (a->x2 - a->x1) * (a->y2 - a->y1);
    float area_b = (b->x2 - b->x1) * (b->y2 - b->y1);
    float common;

    if (!(width > 0.0f && height > 0.0f && a->x2 > a->x1 && b->x2 > b->x1))
        return 0.0f;
    common = width * height;
    return common / (area_a + area_b - common);
}

/* All arrays lie in the detections' scratch. */
struct work {
    uint32_t *order;   /* candidates, best first */
    uint32_t *place;   /* where each candidate lies in the second order */
    uint32_t *spare;   /* for sorting */
    uint32_t *keys;    /* likewise */
    uint32_t *centre;  /* of the second order: sortable bits of the x of the centre */
    uint32_t *classes; /* of the second order */
    float *box[4];     /* of the second order: x1, y1, x2, y2 */
    float *area;       /* of the second order */
    int32_t *dead;     /* of the second order: suppressed */
    struct sg_detection *kept;
};

/* Bits that sort as the floats do. */
static uint32_t sortable(float value)
{
    uint32_t bits;

    value += 0.0f; /* -0 and 0 are equal */
    memcpy(&bits, &value, sizeof(bits));
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/* Stable: reorders `order` so that keys[order[i]] ascends. Digits that all keys share cost one look. */
static void sort(uint32_t *order, uint32_t *spare, const uint32_t *keys, uint32_t count)
{
    int shift;

    for (shift = 0; shift < 32; shift += 8) {
        uint32_t starts[257] = {0}, i;

        for (i = 0; i < count; i++)
            starts[(keys[i] >> shift & 255) + 1]++;
        if (starts[(keys[0] >> shift & 255) + 1] == count)
            continue;
        for (i = 0; i < 256; i++)
            starts[i + 1] += starts[i];
        for (i = 0; i < count; i++)
            spare[starts[keys[order[i]] >> shift & 255]++] = order[i];
        memcpy(order, spare, count * sizeof(*order));
    }
}

static void by_score(const struct work *work, const struct sg_detection *items, uint32_t count)
{
    bool ascending = true;
    uint32_t i;

    for (i = 0; i < count; i++) {
        work->order[i] = i;
        ascending &= i == 0 || items[i].row >= items[i - 1].row;
    }
    if (!ascending) { /* kinds push in the order of rows, mostly */
        for (i = 0; i < count; i++)
            work->keys[i] = (uint32_t)items[i].row;
        sort(work->order, work->spare, work->keys, count);
        for (i = 0; i < count; i++)
            work->keys[i] = (uint32_t)((uint64_t)items[i].row >> 32);
        sort(work->order, work->spare, work->keys, count);
    }
    for (i = 0; i < count; i++)
        work->keys[i] = ~sortable(items[i].score);
    sort(work->order, work->spare, work->keys, count);
}

static float centre(const struct sg_box *box)
{
    return box->x1 * 0.5f + box->x2 * 0.5f;
}

static void by_place(const struct work *work, const struct sg_detection *items, uint32_t count, bool agnostic)
{
    uint32_t *order = work->place, i;

    for (i = 0; i < count; i++) {
        order[i] = i;
        work->keys[i] = sortable(centre(&items[i].box));
    }
    sort(order, work->spare, work->keys, count);
    for (i = 0; i < count; i++)
        work->classes[i] = agnostic ? 0 : (uint32_t)items[i].class_id;
    sort(order, work->spare, work->classes, count);
    for (i = 0; i < count; i++) {
        const struct sg_detection *item = &items[order[i]];

        work->centre[i] = work->keys[order[i]];
        work->box[0][i] = item->box.x1;
        work->box[1][i] = item->box.y1;
        work->box[2][i] = item->box.x2;
        work->box[3][i] = item->box.y2;
        work->area[i] = (item->box.x2 - item->box.x1) * (item->box.y2 - item->box.y1);
        work->dead[i] = 0;
    }
    for (i = 0; i < count; i++)
        work->spare[i] = work->classes[order[i]];
    memcpy(work->classes, work->spare, count * sizeof(*work->classes));
    memcpy(work->spare, order, count * sizeof(*order));
    for (i = 0; i < count; i++)
        work->place[work->spare[i]] = i;
}

/* The arithmetic of sg_box_iou, operation by operation, over a run of boxes. */
static inline __attribute__((always_inline)) void strike(const struct work *work, uint32_t self,
                                                         uint32_t first, uint32_t last, float iou)
{
    const float *restrict x1 = work->box[0], *restrict y1 = work->box[1];
    const float *restrict x2 = work->box[2], *restrict y2 = work->box[3], *restrict area = work->area;
    int32_t *restrict dead = work->dead;
    float left = x1[self], top = y1[self], right = x2[self], bottom = y2[self], mine = area[self];
    uint32_t i;

    for (i = first; i < last; i++) {
        float width = (right < x2[i] ? right : x2[i]) - (left > x1[i] ? left : x1[i]);
        float height = (bottom < y2[i] ? bottom : y2[i]) - (top > y1[i] ? top : y1[i]);
        float common = width * height;

        dead[i] |= (width > 0.0f) & (height > 0.0f) & (common / (mine + area[i] - common) > iou);
    }
}

static void strike_plain(const struct work *work, uint32_t self, uint32_t first, uint32_t last, float iou)
{
    strike(work, self, first, last, iou);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void strike_avx2(const struct work *work, uint32_t self,
                                                        uint32_t first, uint32_t last, float iou)
{
    strike(work, self, first, last, iou);
}
#endif

typedef void (*strike_fn)(const struct work *, uint32_t, uint32_t, uint32_t, float);

static strike_fn strike_choose(void)
{
#if defined(__x86_64__)
    if (sg_cpu_flags() & SG_CPU_AVX2)
        return strike_avx2;
#endif
    return strike_plain;
}

/* First place in low..high whose class or centre is not before the given ones. */
static uint32_t search(const struct work *work, uint32_t low, uint32_t high, uint32_t class_id, uint32_t key)
{
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;

        if (work->classes[middle] < class_id ||
            (work->classes[middle] == class_id && work->centre[middle] < key))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t suppress(const struct work *work, const struct sg_detection *items, uint32_t count, float iou,
                         uint32_t max_objects)
{
    strike_fn strike_run = strike_choose();
    float reach = fmaxf(1.0f - iou, (1.0f / iou - 1.0f) * 0.5f) * 1.001f; /* rounding */
    uint32_t kept = 0, i;

    for (i = 0; i < count && kept < max_objects; i++) {
        const struct sg_detection *item = &items[work->order[i]];
        uint32_t place = work->place[work->order[i]], class_id = work->classes[place], first, last;
        float width = item->box.x2 - item->box.x1, x = centre(&item->box);
        float far = width * reach + 1e-5f * (fabsf(item->box.x1) + fabsf(item->box.x2));

        if (work->dead[place])
            continue;
        work->kept[kept++] = *item;
        if (!(width > 0.0f && item->box.y2 > item->box.y1))
            continue;
        first = search(work, 0, place, class_id, sortable(x - far));
        last = search(work, place, count, class_id, sortable(x + far) + 1);
        strike_run(work, place, first, last, iou);
    }
    return kept;
}

/* Carves the arrays out of one block; false when there is no memory. */
static bool prepare(struct sg_detections *detections, uint32_t count, struct work *work)
{
    size_t column = ((size_t)count * sizeof(uint32_t) + ALIGN - 1) / ALIGN * ALIGN;
    char *at = sg_detections_scratch(detections, 12 * column + count * sizeof(*work->kept) + 2 * ALIGN);
    uint32_t **columns[] = {&work->order, &work->place,  &work->spare,
                            &work->keys,  &work->centre, &work->classes};
    size_t i;

    if (!at)
        return false;
    at += (ALIGN - (uintptr_t)at % ALIGN) % ALIGN;
    for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++, at += column)
        *columns[i] = (uint32_t *)(void *)at;
    for (i = 0; i < 4; i++, at += column)
        work->box[i] = (float *)(void *)at;
    work->area = (float *)(void *)at;
    work->dead = (int32_t *)(void *)(at + column);
    work->kept = (struct sg_detection *)(void *)(at + 2 * column);
    return true;
}

int sg_nms(struct sg_detections *detections, float iou, bool agnostic, int max_objects, struct sg_error *err)
{
    uint32_t count = (uint32_t)detections->count, kept = 0,
             most = max_objects > 0 ? (uint32_t)max_objects : 0, i;
    struct work work;

    if (count == 0 || most == 0) {
        detections->count = 0;
        return SG_OK;
    }
    if (!prepare(detections, count, &work))
        return sg_error_set(err, SG_E_NOMEM, "out of memory while suppressing %u overlapping boxes", count);
    by_score(&work, detections->items, count);
    if (iou > 0.0f && iou < 1.0f) {
        by_place(&work, detections->items, count, agnostic);
        kept = suppress(&work, detections->items, count, iou, most);
    } else {
        for (i = 0; i < count && kept < most; i++)
            work.kept[kept++] = detections->items[work.order[i]];
    }
    memcpy(detections->items, work.kept, kept * sizeof(*work.kept));
    detections->count = (int)kept;
    return SG_OK;
}
