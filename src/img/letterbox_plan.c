/* SPDX-License-Identifier: MIT
 * Plans of the letterbox. Positions follow cv2.resize: half-pixel centres, float shares, 11-bit weights.
 */
#include "img/letterbox_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GEOMETRY_WORDS SG_LETTERBOX_GEOMETRY_WORDS
#define LEVEL_WORDS    SG_LETTERBOX_LEVEL_WORDS
#define FARTHEST       1e6 /* pixels: keeps senseless placements inside int arithmetic */

/* One axis of a placement in stored pixels: output i samples (start + i + 0.5) * step - 0.5 + fraction,
 * counted from pixel `base`; samples are clamped to low..high. */
struct axis {
    double start, step, fraction;
    int base, low, high;
    bool reduced; /* each stored pixel stands for several of the original */
};

struct axis_wish {
    int first, count; /* output pixels */
    double scale, offset;
    int size, full; /* of the image: stored, original */
    double image_scale, image_origin;
};

/* Floats carry a placement, whole pixels were meant: without this a weight may be one unit off. */
static double snap(double value)
{
    double whole = nearbyint(value);

    return fabs(value - whole) < 1.0 / 128 ? whole : value;
}

static int clamp(int value, int low, int high)
{
    if (value < low)
        return low;
    return value > high ? high : value;
}

static void axis_begin(struct axis *axis, double begin)
{
    begin = fmin(fmax(begin, -FARTHEST), FARTHEST);
    axis->base = (int)floor(begin);
    axis->fraction = begin - axis->base;
}

/* What is left after a centre crop was cut from the resized picture: neighbours outside the cut are real. */
static void axis_of_crop(struct axis *axis, const struct axis_wish *wish)
{
    double resized = nearbyint(wish->full * wish->scale);
    double inverse = 1.0 / wish->scale;

    if (resized >= 1 && fabs(resized / wish->full - wish->scale) <= 1e-6 * wish->scale)
        inverse = 1.0 / (resized / wish->full);
    axis->start = snap(wish->first - wish->offset);
    axis->reduced = wish->image_scale < 1;
    axis->step = inverse * wish->image_scale;
    axis_begin(axis, snap(-wish->image_origin * wish->image_scale));
    axis->low = 0;
    axis->high = wish->size - 1;
}

/* A region is cut out first and resized then: nothing outside it is seen, as if it were a picture of its own.
 */
static void axis_of_region(struct axis *axis, const struct axis_wish *wish)
{
    double from = (wish->first - wish->offset) / wish->scale;
    double to = (wish->first + wish->count - wish->offset) / wish->scale;
    double begin, span;

    if (snap(to) > snap(from)) {
        from = snap(from);
        to = snap(to);
    }
    begin = snap((from - wish->image_origin) * wish->image_scale);
    span = (to - from) * wish->image_scale;
    if (snap(span) > 0)
        span = snap(span);
    axis->reduced = wish->image_scale < 1;
    axis->start = 0;
    axis->step = 1.0 / (wish->count / span);
    axis_begin(axis, begin);
    axis->low = clamp(axis->base, 0, wish->size - 1);
    axis->high =
        clamp((int)ceil(fmax(fmin(begin + span, FARTHEST), -FARTHEST)) - 1, axis->low, wish->size - 1);
}

/* References sample the full picture, 2 x 2 of its pixels; between reduced pixels the same line of weights
 * would reach over 4 x 4 and more. A line half way to 3s^2 - 2s^3 keeps closer to the nearer pixel
 * (DECISIONS.md). */
static float lean(float share)
{
    return 0.5f * (share + share * share * (3.0f - 2.0f * share));
}

/* The left (upper) pixel of output i, not clamped, and the share of the next one. Float as in cv2. */
static int axis_sample(const struct axis *axis, int i, float *share)
{
    double exact = (axis->start + i + 0.5) * axis->step - 0.5 + axis->fraction;
    float position = (float)fmin(fmax(exact, -FARTHEST), FARTHEST);
    int whole = (int)floorf(position);

    *share = position - (float)whole;
    if (axis->reduced)
        *share = lean(*share);
    return whole + axis->base;
}

/* Ties go up, where cv2 rounds to even: two weights that are both a tie make 2049 together. */
static int16_t weight(float share)
{
    return (int16_t)lroundf(share * SG_LETTERBOX_ONE);
}

static void plan_columns(struct sg_letterbox_plan *plan, const struct axis *axis, int count)
{
    int x, k;

    plan->first = axis->high;
    plan->last = axis->low;
    for (x = 0; x < count; x++) {
        float share;
        int left = axis_sample(axis, x, &share);

        if (left < axis->low || left >= axis->high) {
            left = clamp(left, axis->low, axis->high);
            share = 0.0f;
        }
        plan->first = left < plan->first ? left : plan->first;
        plan->last = left + (left < axis->high) > plan->last ? left + (left < axis->high) : plan->last;
        plan->offsets[x] = left;
        for (k = 0; k < 8; k += 2) {
            plan->weights[8 * x + k] = weight(1.0f - share);
            plan->weights[8 * x + k + 1] = weight(share);
        }
    }
    for (x = 0; x < count; x++)
        plan->offsets[x] = 3 * (plan->offsets[x] - plan->first);
}

/* Unlike columns, rows at the edge keep their two weights: cv2 repeats the row, and rounds twice. */
static void plan_rows(struct sg_letterbox_plan *plan, const struct axis *axis, int count)
{
    int y;

    for (y = 0; y < count; y++) {
        struct sg_letterbox_row *row = &plan->rows[y];
        float share;
        int upper = axis_sample(axis, y, &share);

        row->upper = clamp(upper, axis->low, axis->high);
        row->lower = clamp(upper + 1, axis->low, axis->high);
        row->upper_weight = weight(1.0f - share);
        row->lower_weight = weight(share);
        /* A row without weight adds nothing: do not resize it. */
        if (row->lower_weight == 0)
            row->lower = row->upper;
        else if (row->upper_weight == 0)
            row->upper = row->lower;
    }
}

static bool is_packed(const struct sg_image *image)
{
    return image->format == SG_PIXEL_RGB24 || image->format == SG_PIXEL_BGR24;
}

static size_t carve(size_t *total, size_t bytes)
{
    size_t at = *total;

    *total += (bytes + 63) / 64 * 64;
    return at;
}

/* Memory for one block: the plan, its tables and its rows. What an earlier plan held is forgotten when the
 * block must grow or is cut up anew. */
static int reserve(struct sg_letterbox *letterbox, int columns, int rows, int source_columns,
                   struct sg_letterbox_plan **out)
{
    size_t group = ((size_t)columns + SG_LETTERBOX_GROUP - 1) / SG_LETTERBOX_GROUP * SG_LETTERBOX_GROUP;
    size_t total = 0;
    size_t head = carve(&total, sizeof(struct sg_letterbox_plan));
    size_t row_at = carve(&total, (size_t)rows * sizeof(struct sg_letterbox_row));
    size_t offset_at = carve(&total, group * sizeof(int32_t));
    size_t weight_at = carve(&total, group * 8 * sizeof(int16_t));
    size_t strip_at = carve(&total, group * 8 * sizeof(int16_t));
    size_t pixel_at = carve(&total, group * 4);
    size_t line_at = carve(&total, (size_t)source_columns * 3 + SG_LETTERBOX_REACH);
    uint8_t *memory = letterbox->memory;
    struct sg_letterbox_plan *plan;

    if (!memory || letterbox->memory_bytes < total) {
        memory = aligned_alloc(64, total);
        if (!memory)
            return SG_E_NOMEM;
        memset(memory, 0, total);
        free(letterbox->memory);
        letterbox->memory = memory;
        letterbox->memory_bytes = total;
    }
    plan = (struct sg_letterbox_plan *)(void *)(memory + head);
    plan->has_geometry = false;
    plan->rows = (struct sg_letterbox_row *)(void *)(memory + row_at);
    plan->offsets = (int32_t *)(void *)(memory + offset_at);
    plan->weights = (int16_t *)(void *)(memory + weight_at);
    plan->strip[0] = (int16_t *)(void *)(memory + strip_at);
    plan->strip[1] = plan->strip[0] + group * 4;
    plan->pixels = memory + pixel_at;
    plan->line = memory + line_at;
    *out = plan;
    return 0;
}

static void geometry_key(const struct sg_image *image, const struct sg_transform *t,
                         const struct sg_placement *placement, uint32_t key[GEOMETRY_WORDS])
{
    const uint32_t numbers[] = {(uint32_t)image->format,      (uint32_t)image->width,
                                (uint32_t)image->height,      (uint32_t)image->full_width,
                                (uint32_t)image->full_height, (uint32_t)t->fit};
    const float floats[] = {image->scale_x, image->scale_y, image->origin_x, image->origin_y};

    memset(key, 0, GEOMETRY_WORDS * sizeof(*key));
    memcpy(key, numbers, sizeof(numbers));
    memcpy(key + 6, floats, sizeof(floats));
    memcpy(key + 10, placement, sizeof(*placement));
}

static void level_key(const struct sg_image *image, const struct sg_transform *t, uint32_t key[LEVEL_WORDS])
{
    memset(key, 0, LEVEL_WORDS * sizeof(*key));
    memcpy(key, t->mean, sizeof(t->mean));
    memcpy(key + 3, t->std, sizeof(t->std));
    memcpy(key + 6, t->pad, sizeof(t->pad));
    key[9] = (uint32_t)t->channels;
    key[10] = (uint32_t)t->dtype;
    key[11] = image->format == SG_PIXEL_BGR24;
}

static uint32_t element_bits(enum sg_dtype dtype, float value)
{
    uint32_t bits = 0;

    switch (dtype) {
    case SG_DTYPE_F16:
        return sg_float_to_half(value);
    case SG_DTYPE_U8:
        return (uint32_t)lrintf(fminf(fmaxf(value, 0.0f), 255.0f));
    case SG_DTYPE_I8:
        return (uint8_t)lrintf(fminf(fmaxf(value, -128.0f), 127.0f));
    default:
        memcpy(&bits, &value, sizeof(bits));
        return bits;
    }
}

static void plan_levels(struct sg_letterbox_plan *plan, const struct sg_image *image,
                        const struct sg_transform *t)
{
    struct sg_letterbox_levels *levels = &plan->levels;
    bool swap = (image->format == SG_PIXEL_BGR24) != (t->channels == SG_CHANNELS_BGR);
    int c, v;

    levels->channels = t->channels == SG_CHANNELS_GRAY ? 1 : 3;
    levels->identity = t->dtype == SG_DTYPE_U8;
    levels->refined = true;
    for (c = 0; c < levels->channels; c++) {
        float mean = t->mean[c], std = t->std[c], inverse = 1.0f / std;

        levels->from[c] = (uint8_t)(levels->channels == 3 && swap ? 2 - c : c);
        levels->mean[c] = mean;
        levels->std[c] = std;
        levels->inverse[c] = inverse;
        for (v = 0; v < 256; v++) {
            float centred = (float)v - mean, value = centred / std, near = centred * inverse;
            uint32_t bits = element_bits(t->dtype, value);

            if (fmaf(fmaf(-near, std, centred), inverse, near) != value)
                levels->refined = false;
            if (t->dtype == SG_DTYPE_F32)
                levels->table.f32[c][v] = value;
            else if (t->dtype == SG_DTYPE_F16)
                levels->table.f16[c][v] = (uint16_t)bits;
            else
                levels->table.u8[c][v] = (uint8_t)bits;
            if (bits != (uint32_t)v)
                levels->identity = false;
        }
        plan->pad[c] = element_bits(t->dtype, (t->pad[c] - mean) / std);
    }
}

static void plan_geometry(struct sg_letterbox_plan *plan, const struct sg_image *image,
                          const struct sg_transform *transform, const struct sg_placement *placement)
{
    void (*axis_of)(struct axis *, const struct axis_wish *) =
        transform->fit == SG_FIT_CENTER_CROP ? axis_of_crop : axis_of_region;
    const struct axis_wish across = {placement->left,     placement->width, placement->scale_x,
                                     placement->offset_x, image->width,     image->full_width,
                                     image->scale_x,      image->origin_x};
    const struct axis_wish down = {placement->top,      placement->height, placement->scale_y,
                                   placement->offset_y, image->height,     image->full_height,
                                   image->scale_y,      image->origin_y};
    struct axis x, y;
    int end;

    axis_of(&x, &across);
    axis_of(&y, &down);
    plan_columns(plan, &x, placement->width);
    plan_rows(plan, &y, placement->height);
    plan->columns = (struct sg_letterbox_columns){placement->width, 0, plan->offsets, plan->weights};
    /* The line of our own has room behind its end; a foreign row has none. */
    end = is_packed(image) ? 3 * (image->width - plan->first) - SG_LETTERBOX_REACH : INT32_MAX;
    while (plan->columns.safe < placement->width && plan->offsets[plan->columns.safe] <= end)
        plan->columns.safe++;
}

int sg_letterbox_plan(struct sg_letterbox *letterbox, const struct sg_image *image,
                      const struct sg_transform *transform, const struct sg_placement *placement,
                      struct sg_letterbox_plan **out_plan)
{
    struct sg_letterbox_plan *plan = letterbox->memory;
    uint32_t geometry[GEOMETRY_WORDS], levels[LEVEL_WORDS];

    geometry_key(image, transform, placement, geometry);
    level_key(image, transform, levels);
    if (!plan || !plan->has_geometry || memcmp(plan->geometry, geometry, sizeof(geometry)) != 0) {
        if (reserve(letterbox, placement->width, placement->height, is_packed(image) ? 0 : image->width,
                    &plan) < 0)
            return SG_E_NOMEM;
        plan_geometry(plan, image, transform, placement);
        memcpy(plan->geometry, geometry, sizeof(geometry));
        plan->has_geometry = true;
    }
    if (!plan->has_levels || memcmp(plan->level_key, levels, sizeof(levels)) != 0) {
        plan_levels(plan, image, transform);
        memcpy(plan->level_key, levels, sizeof(levels));
        plan->has_levels = true;
    }
    *out_plan = plan;
    return 0;
}
