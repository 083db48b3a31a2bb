/* SPDX-License-Identifier: MIT
 * HEIC and AVIF: the primary picture, whole or of tiles, cut and turned as the file says. Boxes are read in
 * heif_boxes.c, coded pictures by libavcodec.
 */
#include "img/convert.h"
#include "img/decode_kind.h"
#include "img/exif.h"
#include "img/header.h"
#include "img/heif_codec.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/frame.h>
#include <libavutil/pixdesc.h>

/* A cut may show little of a large picture, and tiles hang over the border. */
#define CODED_FACTOR 4
#define CODED_SPARE  ((int64_t)1 << 22)
#define TILE_MIN     64 /* ISO 23000-22 (MIAF) 7.3.11.4.2 */

#define MATRIX_RGB         0
#define MATRIX_UNSPECIFIED 2
#define MATRIX_CHROMATIC   12 /* derived from the primaries */

struct heif {
    int64_t max_pixels;
    struct sg_heif_codec codec;
    struct sg_convert convert;
    struct sg_image tile, scratch;
};

static const char *heif_sniff(const uint8_t *bytes, size_t size)
{
    static const struct {
        char brand[5];
        const char *format;
    } brands[] = {{"avif", "avif"}, {"avis", "avif"}, {"heic", "heic"}, {"heix", "heic"},
                  {"heim", "heic"}, {"heis", "heic"}, {"hevc", "heic"}, {"hevx", "heic"}};
    size_t end;

    if (size < 16 || memcmp(bytes + 4, "ftyp", 4) != 0)
        return NULL;
    end = sg_be32(bytes) < size ? sg_be32(bytes) : size;
    /* The major brand, then (behind its version) the compatible ones: mif1 says only "some kind of image". */
    for (size_t at = 8; at + 4 <= end; at += at == 8 ? 8 : 4)
        for (size_t i = 0; i < sizeof(brands) / sizeof(brands[0]); i++)
            if (!memcmp(bytes + at, brands[i].brand, 4))
                return brands[i].format;
    return NULL;
}

static void heif_destroy(void *state)
{
    struct heif *heif = state;

    if (!heif)
        return;
    sg_heif_codec_fini(&heif->codec);
    sg_convert_fini(&heif->convert);
    sg_image_fini(&heif->tile);
    sg_image_fini(&heif->scratch);
    free(heif);
}

static int heif_create(const struct sg_decode_limits *limits, void **out_state)
{
    struct heif *heif = calloc(1, sizeof(*heif));

    if (!heif)
        return SG_E_NOMEM;
    heif->max_pixels = limits->max_pixels;
    if (sg_heif_codec_init(&heif->codec) < 0) {
        heif_destroy(heif);
        return SG_E_NOMEM;
    }
    *out_state = heif;
    return 0;
}

static int64_t quotient(int64_t over, int64_t under)
{
    return over / under - (over % under < 0);
}

/* Where a cut lies in a picture of width x height, clipped; false when nothing is left. */
static bool cut_of(const struct sg_heif_turn *turn, int64_t width, int64_t height, struct sg_window *window)
{
    int64_t wide = turn->width[0] / turn->width[1], high = turn->height[0] / turn->height[1];
    /* The centre of the cut is that of the picture, moved: in halves, so that odd sizes stay exact. */
    int64_t left = quotient(width - wide + quotient(2 * (int64_t)turn->right[0], turn->right[1]), 2);
    int64_t top = quotient(height - high + quotient(2 * (int64_t)turn->down[0], turn->down[1]), 2);
    int64_t right = left + wide < width ? left + wide : width,
            bottom = top + high < height ? top + high : height;

    left = left < 0 ? 0 : left;
    top = top < 0 ? 0 : top;
    if (right <= left || bottom <= top)
        return false;
    *window = (struct sg_window){(int)left, (int)top, (int)right, (int)bottom};
    return true;
}

/* The primary picture's item and properties; heif is fini'ed by the caller in any case. */
static int open_primary(const struct sg_encoded *encoded, struct sg_heif *boxes,
                        const struct sg_heif_item **out_item, struct sg_heif_look *look, struct sg_error *err)
{
    const struct sg_heif_item *item;
    int code = sg_heif_parse(encoded->bytes, encoded->size, boxes, err);

    if (code < 0)
        return code;
    item = sg_heif_find(boxes, boxes->primary);
    if (!item)
        return sg_error_set(err, SG_E_BAD_IMAGE, "%s data is damaged: its primary picture is not there",
                            encoded->format);
    if (item->type != SG_HEIF_HEVC && item->type != SG_HEIF_AV1 && item->type != SG_HEIF_GRID)
        return sg_error_set(
            err, SG_E_UNSUPPORTED,
            "this %s is not supported: its picture is of kind %c%c%c%c (HEVC, AV1 and grids are read)",
            encoded->format, (int)(item->type >> 24), (int)(item->type >> 16 & 255),
            (int)(item->type >> 8 & 255), (int)(item->type & 255));
    code = sg_heif_look(boxes, item, look, err);
    if (code < 0)
        return code;
    if (look->width < 1 || look->height < 1)
        return sg_error_set(err, SG_E_BAD_IMAGE, "%s header says a size of %ux%u", encoded->format,
                            look->width, look->height);
    *out_item = item;
    return 0;
}

static int heif_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                      struct sg_error *err)
{
    const struct heif *heif = state;
    const struct sg_heif_item *item;
    struct sg_heif boxes;
    struct sg_heif_look look = {0};
    int code = open_primary(encoded, &boxes, &item, &look, err);
    int64_t width, height, most;

    sg_heif_fini(&boxes);
    if (code < 0)
        return code;
    width = look.width;
    height = look.height;
    most = heif->max_pixels > INT64_MAX / CODED_FACTOR ? INT64_MAX : heif->max_pixels * CODED_FACTOR;
    if (width > SG_IMAGE_MAX_SIDE || height > SG_IMAGE_MAX_SIDE || width * height > most)
        return sg_error_set(
            err, SG_E_TOO_LARGE,
            "%s of %ux%u: no side may be longer than %d pixels, and no more than %lld be coded "
            "(--max-pixels)",
            encoded->format, look.width, look.height, SG_IMAGE_MAX_SIDE, (long long)most);
    for (int i = 0; i < look.turn_count; i++) {
        struct sg_window window;

        if (look.turns[i].orientation == 0) {
            if (!cut_of(&look.turns[i], width, height, &window))
                return sg_error_set(err, SG_E_BAD_IMAGE, "%s shows nothing of its picture", encoded->format);
            width = window.x2 - window.x1;
            height = window.y2 - window.y1;
        } else if (sg_exif_swaps_sides(look.turns[i].orientation)) {
            int64_t swapped = width;

            width = height;
            height = swapped;
        }
    }
    *stored = (struct sg_stored){.width = (int)width, .height = (int)height, .orientation = 1};
    return 0;
}

/* From the file's colr box, else from the coded picture. RGB in planes is told by frame->format. */
static int colours_of(const struct sg_heif_look *look, AVFrame *frame, struct sg_convert_rule *rule,
                      struct sg_error *err)
{
    const AVPixFmtDescriptor *about = av_pix_fmt_desc_get(frame->format);
    int matrix = look->has_colours ? (int)look->matrix : MATRIX_UNSPECIFIED;

    if (!about)
        return sg_error_set(err, SG_E_UNSUPPORTED, "the pixel format of the coded picture is not supported");
    rule->limited = look->has_colours ? !look->full_range : frame->color_range != AVCOL_RANGE_JPEG;
    if (matrix == MATRIX_UNSPECIFIED)
        matrix = frame->colorspace;
    if (matrix == MATRIX_CHROMATIC)
        matrix = look->primaries == AVCOL_PRI_BT709    ? AVCOL_SPC_BT709
                 : look->primaries == AVCOL_PRI_BT2020 ? AVCOL_SPC_BT2020_NCL
                                                       : MATRIX_CHROMATIC;
    rule->matrix = matrix;
    if (about->nb_components < 3 || about->flags & AV_PIX_FMT_FLAG_RGB)
        return 0;
    if (matrix != MATRIX_RGB)
        return 0;
    /* H.273: with this matrix the planes are green, blue and red. */
    if (about->log2_chroma_w || about->log2_chroma_h)
        return sg_error_set(err, SG_E_BAD_IMAGE, "the coded picture says RGB but has reduced colours");
    frame->format = about->comp[0].depth == 8    ? AV_PIX_FMT_GBRP
                    : about->comp[0].depth == 10 ? AV_PIX_FMT_GBRP10
                                                 : AV_PIX_FMT_GBRP12;
    return 0;
}

/* `colours` are those of the whole picture; a tile's own come second. */
static int decode_item(struct heif *heif, const struct sg_heif *boxes, const struct sg_heif_item *item,
                       const struct sg_heif_look *look, const struct sg_heif_look *colours,
                       struct sg_image *image, struct sg_error *err)
{
    struct sg_convert_rule rule = {0};
    int code = sg_heif_codec_run(&heif->codec, boxes, item, look, err);

    if (code == 0)
        code = colours_of(colours->has_colours ? colours : look, heif->codec.frame, &rule, err);
    if (code == 0)
        code = sg_convert_run(&heif->convert, heif->codec.frame, &rule, image, err);
    av_frame_unref(heif->codec.frame);
    return code;
}

static void place_tile(const struct sg_image *tile, int64_t left, int64_t top, struct sg_image *image)
{
    int64_t wide = image->width - left < tile->width ? image->width - left : tile->width;
    int64_t high = image->height - top < tile->height ? image->height - top : tile->height;

    for (int64_t y = 0; y < high; y++)
        memcpy(image->data + (size_t)(top + y) * image->stride_bytes + (size_t)left * 3,
               tile->data + (size_t)y * tile->stride_bytes, (size_t)wide * 3);
}

/* Tiles must be of one size and cover the picture, the last of a row or column perhaps more than that. */
static int check_tile(const struct sg_heif_grid *grid, const struct sg_heif_item *tile,
                      const struct sg_heif_look *look, const struct sg_heif_look *first, struct sg_error *err)
{
    if (tile->type != SG_HEIF_HEVC && tile->type != SG_HEIF_AV1)
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "this HEIF is not supported: a grid of other than HEVC or AV1");
    if (look->turn_count)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this HEIF is not supported: a grid of turned tiles");
    if (look->width != first->width || look->height != first->height)
        return sg_error_set(err, SG_E_BAD_IMAGE, "the grid has tiles of different sizes");
    if (grid->rows * grid->columns > 1 && (look->width < TILE_MIN || look->height < TILE_MIN))
        return sg_error_set(err, SG_E_UNSUPPORTED,
                            "this HEIF is not supported: a grid of tiles of %ux%u, below %d", look->width,
                            look->height, TILE_MIN);
    if ((uint64_t)look->width * grid->columns < grid->width ||
        (uint64_t)look->height * grid->rows < grid->height ||
        (uint64_t)look->width * (grid->columns - 1) >= grid->width ||
        (uint64_t)look->height * (grid->rows - 1) >= grid->height)
        return sg_error_set(err, SG_E_BAD_IMAGE, "the tiles of the grid do not fit its size of %ux%u",
                            grid->width, grid->height);
    if ((int64_t)look->width * look->height >
        (int64_t)grid->width * grid->height * CODED_FACTOR + CODED_SPARE)
        return sg_error_set(err, SG_E_TOO_LARGE, "a grid of %ux%u has tiles of %ux%u", grid->width,
                            grid->height, look->width, look->height);
    return 0;
}

static int decode_grid(struct heif *heif, const struct sg_heif *boxes, const struct sg_heif_item *item,
                       const struct sg_heif_look *whole, struct sg_image *image, struct sg_error *err)
{
    struct sg_heif_look first = {0};
    struct sg_heif_grid grid;
    int code = sg_heif_grid(boxes, item, &grid, err);

    if (code < 0)
        return code;
    if (grid.width != whole->width || grid.height != whole->height)
        return sg_error_set(err, SG_E_BAD_IMAGE, "header says %ux%u but its grid %ux%u", whole->width,
                            whole->height, grid.width, grid.height);
    for (uint32_t i = 0; code == 0 && i < grid.rows * grid.columns; i++) {
        const struct sg_heif_item *tile = sg_heif_find(boxes, sg_heif_part(boxes, item, i));
        struct sg_heif_look look;

        if (!tile)
            return sg_error_set(err, SG_E_BAD_IMAGE, "a tile of the grid is not there");
        code = sg_heif_look(boxes, tile, &look, err);
        if (code == 0 && i == 0) {
            first = look;
            code = sg_decode_room(image, (int)grid.width, (int)grid.height, err);
        }
        if (code == 0)
            code = check_tile(&grid, tile, &look, &first, err);
        if (code == 0)
            code = decode_item(heif, boxes, tile, &look, whole, &heif->tile, err);
        if (code == 0)
            place_tile(&heif->tile, (int64_t)(i % grid.columns) * look.width,
                       (int64_t)(i / grid.columns) * look.height, image);
    }
    return code;
}

/* Moves the window's rows to the beginning of the same memory. */
static void cut_out(struct sg_image *image, const struct sg_window *window)
{
    int width = window->x2 - window->x1, height = window->y2 - window->y1;

    for (int y = 0; y < height; y++)
        memmove(image->data + (size_t)y * image->stride_bytes,
                image->data + (size_t)(window->y1 + y) * image->stride_bytes + (size_t)window->x1 * 3,
                (size_t)width * 3);
    image->width = image->full_width = width;
    image->height = image->full_height = height;
}

static int turn(struct heif *heif, const struct sg_heif_look *look, struct sg_image *image,
                struct sg_error *err)
{
    for (int i = 0; i < look->turn_count; i++) {
        struct sg_window window;

        if (look->turns[i].orientation == 0) {
            if (!cut_of(&look->turns[i], image->width, image->height, &window))
                return sg_error_set(err, SG_E_BAD_IMAGE, "the file shows nothing of its picture");
            cut_out(image, &window);
        } else if (sg_exif_apply(look->turns[i].orientation, image, &heif->scratch) < 0) {
            return sg_error_set(err, SG_E_NOMEM, "out of memory turning a picture of %dx%d", image->width,
                                image->height);
        }
    }
    return 0;
}

static int heif_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                       const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct heif *heif = state;
    const struct sg_heif_item *item = NULL;
    struct sg_heif boxes;
    struct sg_heif_look look = {0};
    int code = open_primary(encoded, &boxes, &item, &look, err);

    (void)wish;
    (void)stored;
    if (code == 0 && item)
        code = item->type == SG_HEIF_GRID ? decode_grid(heif, &boxes, item, &look, image, err)
                                          : decode_item(heif, &boxes, item, &look, &look, image, err);
    if (code == 0)
        code = turn(heif, &look, image, err);
    if (code < 0)
        sg_error_prefix(err, "cannot decode %s", encoded->format);
    sg_image_trim(&heif->tile, 0);
    sg_image_trim(&heif->scratch, 0);
    sg_heif_fini(&boxes);
    return code;
}

const struct sg_decode_ops sg_decode_heif_ops = {
    .sniff = heif_sniff,
    .create = heif_create,
    .destroy = heif_destroy,
    .probe = heif_probe,
    .decode = heif_decode,
};
