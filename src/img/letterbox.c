/* SPDX-License-Identifier: MIT
 * The letterbox's walk over the rows. A source row is resized along its length once and kept while the next
 * output row needs it; two such rows make one output row, which goes straight to the tensor; padding is
 * written where padding is.
 */
#include "img/letterbox.h"

#include "base/cpu.h"
#include "img/letterbox_kernel.h"
#include "img/letterbox_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct walk {
    struct sg_letterbox_plan *plan;
    const struct sg_letterbox_kernel *kernel;
    const struct sg_image *image;
    const struct sg_transform *transform;
    const struct sg_placement *placement;
    uint8_t *tensor;
    size_t element; /* bytes */
};

static const struct sg_letterbox_kernel *choose_kernel(void)
{
#if defined(__x86_64__)
    if (sg_cpu_flags() & SG_CPU_AVX2)
        return &sg_letterbox_avx2;
#endif
    /* The place for NEON: one more table, chosen by SG_CPU_NEON. */
    return &sg_letterbox_plain;
}

static uint8_t *element_at(const struct walk *walk, int channel, int x, int y)
{
    size_t width = (size_t)walk->transform->width, height = (size_t)walk->transform->height;
    size_t channels = (size_t)walk->plan->levels.channels;
    size_t pixel = (size_t)y * width + (size_t)x;
    size_t index = walk->transform->layout == SG_LAYOUT_NCHW ? (size_t)channel * width * height + pixel
                                                             : pixel * channels + (size_t)channel;

    return walk->tensor + index * walk->element;
}

static void fill(uint8_t *to, size_t element, size_t step, size_t count, uint32_t bits)
{
    size_t i;

    if (element == 1 && step == 1) {
        memset(to, (int)bits, count);
    } else if (element == 1) {
        for (i = 0; i < count; i++)
            to[i * step] = (uint8_t)bits;
    } else if (element == 2) {
        uint16_t half = (uint16_t)bits;

        for (i = 0; i < count; i++)
            memcpy(to + i * step * 2, &half, 2);
    } else {
        for (i = 0; i < count; i++)
            memcpy(to + i * step * 4, &bits, 4);
    }
}

/* Padding of columns x1..x2-1 in rows y1..y2-1; whole rows in one run. */
static void pad(const struct walk *walk, int x1, int y1, int x2, int y2)
{
    int channels = walk->plan->levels.channels;
    size_t step = walk->transform->layout == SG_LAYOUT_NCHW ? 1 : (size_t)channels;
    size_t count = (size_t)(x2 - x1);
    int c, y;

    if (x1 >= x2 || y1 >= y2)
        return;
    if (x1 == 0 && x2 == walk->transform->width) {
        count *= (size_t)(y2 - y1);
        y2 = y1 + 1;
    }
    for (c = 0; c < channels; c++) {
        for (y = y1; y < y2; y++)
            fill(element_at(walk, c, x1, y), walk->element, step, count, walk->plan->pad[c]);
    }
}

/* Source row y as 3-byte pixels from column plan->first on. */
static const uint8_t *source_line(const struct walk *walk, int y)
{
    const struct sg_letterbox_plan *plan = walk->plan;
    const struct sg_image *image = walk->image;
    const uint8_t *row = image->data + (size_t)y * image->stride_bytes;

    switch (image->format) {
    case SG_PIXEL_NV12:
        walk->kernel->nv12(row, image->chroma + (size_t)(y / 2) * image->stride_bytes, plan->first,
                           plan->last, plan->line);
        return plan->line;
    case SG_PIXEL_GRAY8:
        walk->kernel->gray(row, plan->first, plan->last, plan->line);
        return plan->line;
    default:
        return row + 3 * (size_t)plan->first;
    }
}

/* The strip of source row y: found, or made in the place that `keep` does not need. */
static const int16_t *strip_of(const struct walk *walk, int y, int keep)
{
    struct sg_letterbox_plan *plan = walk->plan;
    int slot;

    if (plan->strip_row[0] == y)
        return plan->strip[0];
    if (plan->strip_row[1] == y)
        return plan->strip[1];
    slot = plan->strip_row[0] == keep;
    walk->kernel->across(&plan->columns, 0, source_line(walk, y), plan->strip[slot]);
    plan->strip_row[slot] = y;
    return plan->strip[slot];
}

/* cv2's RGB2GRAY: 15-bit weights. The result takes the place of the first channel. */
static void gray_line(uint8_t *pixels, int count, bool is_bgr)
{
    int red = is_bgr ? 2 : 0, x;

    for (x = 0; x < count; x++, pixels += 4)
        pixels[0] =
            (uint8_t)((pixels[red] * 9798 + pixels[1] * 19235 + pixels[2 - red] * 3735 + 16384) >> 15);
}

static void run_rows(const struct walk *walk)
{
    struct sg_letterbox_plan *plan = walk->plan;
    const struct sg_placement *p = walk->placement;
    size_t plane = (size_t)walk->transform->width * (size_t)walk->transform->height;
    sg_letterbox_store_fn *store =
        walk->kernel->store[sg_letterbox_dtype_index(walk->transform->dtype)][walk->transform->layout];
    int y;

    plan->strip_row[0] = plan->strip_row[1] = -1;
    for (y = 0; y < p->height; y++) {
        const struct sg_letterbox_row *row = &plan->rows[y];
        const int16_t *upper = strip_of(walk, row->upper, row->lower);
        const int16_t *lower = strip_of(walk, row->lower, row->upper);

        walk->kernel->down(upper, lower, row->upper_weight, row->lower_weight, p->width, plan->pixels);
        if (walk->transform->channels == SG_CHANNELS_GRAY)
            gray_line(plan->pixels, p->width, walk->image->format == SG_PIXEL_BGR24);
        store(&plan->levels, plan->pixels, 0, p->width, element_at(walk, 0, p->left, p->top + y), plane);
    }
}

static bool transform_is_sane(const struct sg_transform *t)
{
    int channels = t->channels == SG_CHANNELS_GRAY ? 1 : 3, c;

    if (t->width < 1 || t->height < 1 || t->width > SG_IMAGE_MAX_SIDE || t->height > SG_IMAGE_MAX_SIDE ||
        sg_letterbox_dtype_index(t->dtype) < 0)
        return false;
    for (c = 0; c < channels; c++) {
        if (!isfinite(t->mean[c]) || !isfinite(t->std[c]) || t->std[c] == 0.0f || !isfinite(t->pad[c]))
            return false;
    }
    return true;
}

static bool placement_is_sane(const struct sg_placement *p, const struct sg_transform *t)
{
    return p->width >= 1 && p->height >= 1 && p->left >= 0 && p->top >= 0 && p->width <= t->width - p->left &&
           p->height <= t->height - p->top && isnormal(p->scale_x) && isnormal(p->scale_y) &&
           p->scale_x > 0 && p->scale_y > 0 && isfinite(p->offset_x) && isfinite(p->offset_y);
}

static bool image_is_sane(const struct sg_image *i)
{
    return i->data && i->width >= 1 && i->height >= 1 && i->width <= SG_IMAGE_MAX_SIDE &&
           i->height <= SG_IMAGE_MAX_SIDE && i->full_width >= 1 && i->full_height >= 1 &&
           (i->format != SG_PIXEL_NV12 || i->chroma) && isnormal(i->scale_x) && isnormal(i->scale_y) &&
           i->scale_x > 0 && i->scale_y > 0 && isfinite(i->origin_x) && isfinite(i->origin_y);
}

size_t sg_letterbox_bytes(const struct sg_transform *transform)
{
    size_t channels = transform->channels == SG_CHANNELS_GRAY ? 1 : 3;

    return (size_t)transform->width * (size_t)transform->height * channels * sg_dtype_bytes(transform->dtype);
}

int sg_letterbox_run(struct sg_letterbox *letterbox, const struct sg_image *image,
                     const struct sg_transform *transform, const struct sg_placement *placement, void *tensor,
                     struct sg_error *err)
{
    struct walk walk = {.kernel = choose_kernel(),
                        .image = image,
                        .transform = transform,
                        .placement = placement,
                        .tensor = tensor,
                        .element = sg_dtype_bytes(transform->dtype)};
    int right, bottom;

    if (!transform_is_sane(transform))
        return sg_error_set(
            err, SG_E_INVALID,
            "input transform %dx%d of %s makes no sense: sides must be 1..%d, the type float32, "
            "float16, uint8 or int8, every std finite and not 0",
            transform->width, transform->height, sg_dtype_name(transform->dtype), SG_IMAGE_MAX_SIDE);
    if (!placement_is_sane(placement, transform) || !image_is_sane(image))
        return sg_error_set(err, SG_E_INVALID, "a %dx%d picture cannot be placed in a %dx%d input",
                            image->width, image->height, transform->width, transform->height);
    if (sg_letterbox_plan(letterbox, image, transform, placement, &walk.plan) < 0)
        return sg_error_set(err, SG_E_NOMEM, "no memory to resize a %dx%d picture", image->width,
                            image->height);
    right = placement->left + placement->width;
    bottom = placement->top + placement->height;
    pad(&walk, 0, 0, transform->width, placement->top);
    pad(&walk, 0, placement->top, placement->left, bottom);
    pad(&walk, right, placement->top, transform->width, bottom);
    pad(&walk, 0, bottom, transform->width, transform->height);
    run_rows(&walk);
    return 0;
}

void sg_letterbox_fini(struct sg_letterbox *letterbox)
{
    free(letterbox->memory);
    *letterbox = (struct sg_letterbox){0};
}
