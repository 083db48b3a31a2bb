/* SPDX-License-Identifier: MIT
 * The boxes of HEIC and AVIF (ISO 14496-12, 23008-12): which items make the primary picture, where their
 * bytes lie, how they are to be turned. Nothing is decoded and what does not matter to the primary picture
 * (auxiliary items, thumbnails, metadata) is never looked at. Pure; any thread; every read is bounded by the
 * size.
 */
#ifndef SG_IMG_HEIF_BOXES_H
#define SG_IMG_HEIF_BOXES_H

#include "base/error.h"

#include <stdint.h>

#define SG_HEIF_MAX_ITEMS 20000 /* also properties; phones write a hundred */
#define SG_HEIF_MAX_TURNS 8

#define SG_HEIF_TYPE(a, b, c, d)                                                                             \
    ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (uint32_t)(d))
#define SG_HEIF_HEVC SG_HEIF_TYPE('h', 'v', 'c', '1')
#define SG_HEIF_AV1  SG_HEIF_TYPE('a', 'v', '0', '1')
#define SG_HEIF_GRID SG_HEIF_TYPE('g', 'r', 'i', 'd')

/* Positions in the file of what the boxes say of one item; counts are 0 where they say nothing. */
struct sg_heif_item {
    uint32_t id, type;
    bool is_protected, is_foreign; /* encrypted; its bytes are in another file */
    unsigned method;               /* where extents point: 0 the file, 1 the idat box */
    uint64_t base;
    size_t extents_at, properties_at, parts_at;
    uint32_t extents, properties, parts;
    bool has_wide_properties, has_wide_parts;
};

struct sg_heif {
    const uint8_t *bytes; /* borrowed */
    size_t size;
    struct sg_heif_item *items; /* by id */
    size_t item_count;
    size_t *properties; /* positions of the property boxes */
    size_t property_count;
    size_t idat_at, idat_size;
    unsigned offset_bytes, length_bytes, index_bytes; /* of extents */
    uint32_t primary;
};

/* One step of what is done with the decoded picture, in the order of the file. */
struct sg_heif_turn {
    int orientation;              /* as EXIF; 0: cut out */
    uint32_t width[2], height[2]; /* numerator, denominator */
    int32_t right[2], down[2];    /* of the cut's centre from the picture's */
};

struct sg_heif_look {
    uint32_t width, height;        /* as coded, before turning; 0 when the file does not say */
    size_t config_at, config_size; /* hvcC or av1C */
    bool has_colours;
    unsigned primaries, matrix; /* ITU-T H.273 */
    bool full_range;
    struct sg_heif_turn turns[SG_HEIF_MAX_TURNS];
    int turn_count;
};

struct sg_heif_grid {
    uint32_t rows, columns, width, height;
};

/* heif is the caller's to fini after failures too. SG_E_BAD_IMAGE, SG_E_UNSUPPORTED, SG_E_NOMEM. */
int sg_heif_parse(const uint8_t *bytes, size_t size, struct sg_heif *heif, struct sg_error *err);
void sg_heif_fini(struct sg_heif *heif);
/* NULL when there is none. */
const struct sg_heif_item *sg_heif_find(const struct sg_heif *heif, uint32_t id);
/* What the item's properties say. An essential property that is not known is SG_E_UNSUPPORTED. */
int sg_heif_look(const struct sg_heif *heif, const struct sg_heif_item *item, struct sg_heif_look *look,
                 struct sg_error *err);
/* Bytes of an item, at most those of the file; with out they are copied there. */
int sg_heif_payload(const struct sg_heif *heif, const struct sg_heif_item *item, uint8_t *out,
                    size_t *out_size, struct sg_error *err);
/* Where in the file an item begins, and how many of its bytes lie there in one piece; NULL when nowhere. */
const uint8_t *sg_heif_first_bytes(const struct sg_heif *heif, const struct sg_heif_item *item, size_t *size);
/* Of a grid its shape; its tiles are parts 0 to rows x columns - 1. */
int sg_heif_grid(const struct sg_heif *heif, const struct sg_heif_item *item, struct sg_heif_grid *grid,
                 struct sg_error *err);
uint32_t sg_heif_part(const struct sg_heif *heif, const struct sg_heif_item *item, uint32_t index);

#endif
