/* SPDX-License-Identifier: MIT
 * Ownership of pixel memory.
 */
#include "data/image.h"

#include "base/error.h"

#include <stdlib.h>

#define IMAGE_ALIGN 64u /* a cache line, and the widest vector register */

int sg_pixel_bytes(enum sg_pixel format)
{
    return format == SG_PIXEL_RGB24 || format == SG_PIXEL_BGR24 ? 3 : 1;
}

int sg_image_resize(struct sg_image *image, enum sg_pixel format, int width, int height)
{
    size_t stride, bytes, luma;
    uint8_t *data;

    if (width < 1 || height < 1 || width > SG_IMAGE_MAX_SIDE || height > SG_IMAGE_MAX_SIDE)
        return SG_E_INVALID;
    stride = ((size_t)width * (size_t)sg_pixel_bytes(format) + IMAGE_ALIGN - 1) / IMAGE_ALIGN * IMAGE_ALIGN;
    luma = stride * (size_t)height;
    bytes = format == SG_PIXEL_NV12 ? luma + stride * (((size_t)height + 1) / 2) : luma;
    data = image->data;
    if (image->capacity_bytes < bytes) {
        if (image->capacity_bytes)
            free(image->data);
        image->data = NULL;
        image->capacity_bytes = 0;
        data = aligned_alloc(IMAGE_ALIGN, bytes);
        if (!data)
            return SG_E_NOMEM;
        image->capacity_bytes = bytes;
    }
    image->format = format;
    image->width = image->full_width = width;
    image->height = image->full_height = height;
    image->stride_bytes = stride;
    image->data = data;
    image->chroma = format == SG_PIXEL_NV12 ? data + luma : NULL;
    image->scale_x = image->scale_y = 1.0f;
    image->origin_x = image->origin_y = 0.0f;
    return 0;
}

void sg_image_borrow(struct sg_image *image, enum sg_pixel format, int width, int height, size_t stride_bytes,
                     const uint8_t *data, const uint8_t *chroma)
{
    sg_image_fini(image);
    image->format = format;
    image->width = image->full_width = width;
    image->height = image->full_height = height;
    image->stride_bytes = stride_bytes;
    /* Borrowed pixels are never written: every writer goes through sg_image_resize first, which sees capacity
     * 0. */
    image->data = (uint8_t *)(uintptr_t)data;
    image->chroma = (uint8_t *)(uintptr_t)chroma;
    image->scale_x = image->scale_y = 1.0f;
}

void sg_image_trim(struct sg_image *image, size_t keep_bytes)
{
    if (image->capacity_bytes > keep_bytes)
        sg_image_fini(image);
}

void sg_image_fini(struct sg_image *image)
{
    if (image->capacity_bytes)
        free(image->data);
    *image = (struct sg_image){0};
}
