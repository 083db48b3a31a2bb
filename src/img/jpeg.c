/* SPDX-License-Identifier: MIT
 * JPEG through libjpeg-turbo. Full size with the library's defaults (accurate integer DCT, fancy upsampling)
 * is what OpenCV's imdecode does, bit by bit, but for CMYK (see mix_inks); both stay on at reduced size too,
 * because switching them off saves less than a tenth. libjpeg reports by longjmp: every library call happens
 * below run_guarded, and all state lives in struct jpeg, so that no local variable is at stake.
 */
#include "img/decode_kind.h"
#include "img/exif.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jerror.h>
#include <jpeglib.h>

#define JPEG_MAX_SCANS 100 /* a progressive file of real life has 10; each scan walks the whole picture */
#define JPEG_ROWS      16  /* rows asked for at once; the library hands out up to one row of MCUs */
/* Columns decoded and thrown away on both sides of a window, at the decoded scale: chroma of the border
 * columns is interpolated from its neighbours, which a cut picture does not have. */
#define JPEG_CROP_MARGIN 4

/* Only these scales have SIMD inverse DCTs and cost less than the next larger one. Thread CPU time relative
 * to 8/8, libjpeg-turbo 2.1.5, one core, zidane.jpg 1280x720 4:2:0 / portrait_1080p.jpg 4:4:4: 1/8 0.65/0.60,
 * 2/8 0.90/0.73, 4/8 0.80/0.75; but 3/8 1.19/0.87, 5/8 1.86/1.28, 6/8 2.25/1.43, 7/8 2.84/2.28. */
static const int jpeg_scales[] = {1, 2, 4, 8};

struct jpeg {
    struct jpeg_decompress_struct lib;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    bool created;
    bool in_header;
    bool input_ended; /* the library asked for more bytes than there are */
    uint8_t *row;     /* one row before it is cut or its inks are mixed */
    size_t row_bytes;
    /* Arguments of the running call. */
    const struct sg_encoded *encoded;
    const struct sg_stored_wish *wish;
    struct sg_image *image;
    struct sg_error *err;
    int code;
};

/* Ends the running call with code; the error has been set. */
static _Noreturn void fail(struct jpeg *jpeg, int code)
{
    jpeg->code = code;
    longjmp(jpeg->jump, 1);
}

static _Noreturn void on_error(j_common_ptr lib)
{
    struct jpeg *jpeg = lib->client_data;
    char text[JMSG_LENGTH_MAX];
    int code = SG_E_BAD_IMAGE;

    lib->err->format_message(lib, text);
    if (lib->err->msg_code == JERR_OUT_OF_MEMORY)
        code = SG_E_NOMEM;
    else if (lib->err->msg_code == JERR_SOF_UNSUPPORTED || lib->err->msg_code == JERR_BAD_PRECISION ||
             lib->err->msg_code == JERR_ARITH_NOTIMPL || lib->err->msg_code == JERR_CONVERSION_NOTIMPL ||
             lib->err->msg_code == JERR_NOTIMPL || lib->err->msg_code == JERR_NOT_COMPILED ||
             lib->err->msg_code == JERR_CCIR601_NOTIMPL || lib->err->msg_code == JERR_FRACT_SAMPLE_NOTIMPL)
        code = SG_E_UNSUPPORTED;
    sg_error_set(jpeg->err, code, "cannot decode JPEG: %s", text);
    fail(jpeg, code);
}

/* Warnings that do not cost a pixel. All others mean that part of the picture is guessed. */
static bool is_harmless(int warning)
{
    return warning == JWRN_EXTRANEOUS_DATA || warning == JWRN_JPEG_EOF || warning == JWRN_JFIF_MAJOR ||
           warning == JWRN_ADOBE_XFORM || warning == JWRN_BOGUS_ICC || warning == JWRN_BOGUS_PROGRESSION;
}

static void on_message(j_common_ptr lib, int level)
{
    struct jpeg *jpeg = lib->client_data;
    char text[JMSG_LENGTH_MAX];

    if (level >= 0 || is_harmless(lib->err->msg_code))
        return;
    lib->err->format_message(lib, text);
    if (jpeg->in_header)
        sg_error_set(jpeg->err, SG_E_BAD_IMAGE, "JPEG header is damaged: %s", text);
    else if (jpeg->input_ended)
        sg_error_set(jpeg->err, SG_E_BAD_IMAGE, "JPEG data ends early: %zu bytes hold about %u of %u rows",
                     jpeg->encoded->size, jpeg->lib.output_scanline, jpeg->lib.output_height);
    else
        sg_error_set(jpeg->err, SG_E_BAD_IMAGE, "JPEG data is damaged near row %u of %u: %s",
                     jpeg->lib.output_scanline, jpeg->lib.output_height, text);
    fail(jpeg, SG_E_BAD_IMAGE);
}

static void on_output(j_common_ptr lib)
{
    (void)lib;
}

static void on_progress(j_common_ptr lib)
{
    struct jpeg *jpeg = lib->client_data;

    if (jpeg->lib.input_scan_number <= JPEG_MAX_SCANS)
        return;
    sg_error_set(jpeg->err, SG_E_TOO_LARGE, "JPEG has more than %d scans", JPEG_MAX_SCANS);
    fail(jpeg, SG_E_TOO_LARGE);
}

static void source_start(j_decompress_ptr lib)
{
    (void)lib;
}

static boolean source_fill(j_decompress_ptr lib)
{
    static const JOCTET end[2] = {0xFF, JPEG_EOI};
    struct jpeg *jpeg = lib->client_data;

    /* A picture whose last row has been read needs no end marker, and cameras forget it: feign one. When
     * pixels are missing, the library warns; when scans may be missing, nobody could tell. */
    jpeg->input_ended = true;
    if (jpeg->in_header || jpeg_has_multiple_scans(lib)) {
        sg_error_set(jpeg->err, SG_E_BAD_IMAGE, "JPEG data ends early: %zu bytes and no %s",
                     jpeg->encoded->size, jpeg->in_header ? "whole header" : "end marker");
        fail(jpeg, SG_E_BAD_IMAGE);
    }
    lib->src->next_input_byte = end;
    lib->src->bytes_in_buffer = sizeof(end);
    return TRUE;
}

static void source_skip(j_decompress_ptr lib, long bytes)
{
    size_t skip = bytes > 0 ? (size_t)bytes : 0;

    if (skip > lib->src->bytes_in_buffer)
        skip = lib->src->bytes_in_buffer;
    lib->src->next_input_byte += skip;
    lib->src->bytes_in_buffer -= skip;
}

static void jpeg_destroy_state(void *state)
{
    struct jpeg *jpeg = state;

    if (!jpeg)
        return;
    if (jpeg->created)
        jpeg_destroy_decompress(&jpeg->lib);
    free(jpeg->row);
    free(jpeg);
}

/* Runs step with the library's errors caught; the library is idle again afterwards. */
static int run_guarded(struct jpeg *jpeg, void (*step)(struct jpeg *jpeg))
{
    jpeg->code = 0;
    if (setjmp(jpeg->jump) == 0)
        step(jpeg);
    if (jpeg->created)
        jpeg_abort_decompress(&jpeg->lib);
    return jpeg->code;
}

static void create_step(struct jpeg *jpeg)
{
    jpeg_create_decompress(&jpeg->lib);
    jpeg->created = true;
}

static int jpeg_create_state(const struct sg_decode_limits *limits, void **out_state)
{
    struct jpeg *jpeg = calloc(1, sizeof(*jpeg));
    int code;

    (void)limits;
    if (!jpeg)
        return SG_E_NOMEM;
    jpeg->lib.err = jpeg_std_error(&jpeg->errors);
    jpeg->errors.error_exit = on_error;
    jpeg->errors.emit_message = on_message;
    jpeg->errors.output_message = on_output;
    jpeg->lib.client_data = jpeg;
    code = run_guarded(jpeg, create_step);
    if (code < 0) {
        jpeg_destroy_state(jpeg);
        return code;
    }
    jpeg->source = (struct jpeg_source_mgr){.init_source = source_start,
                                            .fill_input_buffer = source_fill,
                                            .skip_input_data = source_skip,
                                            .resync_to_restart = jpeg_resync_to_restart,
                                            .term_source = source_start};
    jpeg->progress.progress_monitor = on_progress;
    jpeg->lib.src = &jpeg->source;
    jpeg->lib.progress = &jpeg->progress;
    *out_state = jpeg;
    return 0;
}

static const char *jpeg_sniff(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xFF && bytes[1] == 0xD8 && bytes[2] == 0xFF ? "jpeg" : NULL;
}

static void header_step(struct jpeg *jpeg)
{
    jpeg->in_header = true;
    jpeg->input_ended = false;
    jpeg->source.next_input_byte = jpeg->encoded->bytes;
    jpeg->source.bytes_in_buffer = jpeg->encoded->size;
    jpeg_read_header(&jpeg->lib, TRUE);
    jpeg->in_header = false;
}

static int jpeg_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                      struct sg_error *err)
{
    struct jpeg *jpeg = state;
    int code;

    jpeg->encoded = encoded;
    jpeg->err = err;
    code = run_guarded(jpeg, header_step);
    if (code < 0)
        return code;
    /* Aborting keeps what the header said. */
    stored->width = (int)jpeg->lib.image_width;
    stored->height = (int)jpeg->lib.image_height;
    stored->orientation = sg_exif_orientation_jpeg(encoded->bytes, encoded->size);
    return 0;
}

static int scaled(int64_t length, int eighths)
{
    return (int)((length * eighths + 7) / 8);
}

static int choose_scale(const struct sg_stored_wish *wish)
{
    int width = wish->window.x2 - wish->window.x1, height = wish->window.y2 - wish->window.y1;

    if (wish->min_width < 1 || wish->min_height < 1)
        return 8;
    for (size_t i = 0; i < sizeof(jpeg_scales) / sizeof(jpeg_scales[0]); i++)
        if (scaled(width, jpeg_scales[i]) >= wish->min_width &&
            scaled(height, jpeg_scales[i]) >= wish->min_height)
            return jpeg_scales[i];
    return 8;
}

/* The wished window in pixels of the reduced picture, one pixel larger on each side for whoever interpolates.
 */
static struct sg_window scaled_window(const struct jpeg *jpeg, int eighths)
{
    const struct sg_window *wish = &jpeg->wish->window;
    int width = (int)jpeg->lib.output_width, height = (int)jpeg->lib.output_height;
    struct sg_window window = {
        .x1 = (int)((int64_t)wish->x1 * eighths / 8) - 1,
        .y1 = (int)((int64_t)wish->y1 * eighths / 8) - 1,
        .x2 = scaled(wish->x2, eighths) + 1,
        .y2 = scaled(wish->y2, eighths) + 1,
    };

    window.x1 = window.x1 < 0 ? 0 : window.x1;
    window.y1 = window.y1 < 0 ? 0 : window.y1;
    window.x2 = window.x2 > width ? width : window.x2;
    window.y2 = window.y2 > height ? height : window.y2;
    return window;
}

/* Cuts columns off where the library can; returns the column of the whole picture where its rows now begin.
 */
static int crop_columns(struct jpeg *jpeg, const struct sg_window *window)
{
    JDIMENSION left = window->x1 > JPEG_CROP_MARGIN ? (JDIMENSION)(window->x1 - JPEG_CROP_MARGIN) : 0;
    JDIMENSION right = (JDIMENSION)(window->x2 + JPEG_CROP_MARGIN);
    JDIMENSION width;

    if (right > jpeg->lib.output_width)
        right = jpeg->lib.output_width;
    width = right - left;
    if (width == jpeg->lib.output_width)
        return 0;
    jpeg_crop_scanline(&jpeg->lib, &left, &width);
    return (int)left;
}

/* Four inks, which Adobe stores inverted: each colour times black, rounded once. OpenCV approximates the
 * product and comes out up to two levels brighter. out may not overlap inks. */
static void mix_inks(const uint8_t *inks, uint8_t *out, int width)
{
    for (int x = 0; x < width; x++, inks += 4, out += 3) {
        int black = inks[3];

        out[0] = (uint8_t)((inks[0] * black + 127) / 255);
        out[1] = (uint8_t)((inks[1] * black + 127) / 255);
        out[2] = (uint8_t)((inks[2] * black + 127) / 255);
    }
}

static void grow_row(struct jpeg *jpeg)
{
    size_t need = (size_t)jpeg->lib.output_width * (size_t)jpeg->lib.output_components;
    uint8_t *row;

    if (need <= jpeg->row_bytes)
        return;
    row = realloc(jpeg->row, need);
    if (!row) {
        sg_error_set(jpeg->err, SG_E_NOMEM, "out of memory for a JPEG row of %zu bytes", need);
        fail(jpeg, SG_E_NOMEM);
    }
    jpeg->row = row;
    jpeg->row_bytes = need;
}

/* Rows go through jpeg->row: columns from `skip` on are kept. */
static void read_rows_cut(struct jpeg *jpeg, int skip)
{
    struct sg_image *image = jpeg->image;
    size_t components = (size_t)jpeg->lib.output_components;

    grow_row(jpeg);
    for (int y = 0; y < image->height; y++) {
        uint8_t *out = image->data + (size_t)y * image->stride_bytes;
        JSAMPROW row = jpeg->row;

        jpeg_read_scanlines(&jpeg->lib, &row, 1);
        if (components == 4)
            mix_inks(row + (size_t)skip * 4, out, image->width);
        else
            memcpy(out, row + (size_t)skip * components, (size_t)image->width * 3);
    }
}

static void read_rows(struct jpeg *jpeg)
{
    struct sg_image *image = jpeg->image;
    int y = 0;

    while (y < image->height) {
        JSAMPROW rows[JPEG_ROWS];
        int count = image->height - y < JPEG_ROWS ? image->height - y : JPEG_ROWS;

        for (int i = 0; i < count; i++)
            rows[i] = image->data + (size_t)(y + i) * image->stride_bytes;
        y += (int)jpeg_read_scanlines(&jpeg->lib, rows, (JDIMENSION)count);
    }
}

static void decode_step(struct jpeg *jpeg)
{
    struct sg_image *image = jpeg->image;
    struct sg_window window;
    int eighths = choose_scale(jpeg->wish), left, code;

    header_step(jpeg);
    jpeg->lib.scale_num = (unsigned)eighths;
    jpeg->lib.scale_denom = 8;
    jpeg->lib.out_color_space = jpeg->lib.num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&jpeg->lib);
    window = scaled_window(jpeg, eighths);
    left = crop_columns(jpeg, &window);
    code = sg_decode_room(image, window.x2 - window.x1, window.y2 - window.y1, jpeg->err);
    if (code < 0)
        fail(jpeg, code);
    image->scale_x = image->scale_y = (float)eighths / 8.0f;
    image->origin_x = (float)window.x1 / image->scale_x;
    image->origin_y = (float)window.y1 / image->scale_y;
    if (window.y1 > 0)
        jpeg_skip_scanlines(&jpeg->lib, (JDIMENSION)window.y1);
    if (jpeg->lib.output_components == 3 && (int)jpeg->lib.output_width == image->width)
        read_rows(jpeg);
    else
        read_rows_cut(jpeg, window.x1 - left);
}

static int jpeg_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                       const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct jpeg *jpeg = state;

    (void)stored;
    jpeg->encoded = encoded;
    jpeg->wish = wish;
    jpeg->image = image;
    jpeg->err = err;
    return run_guarded(jpeg, decode_step);
}

const struct sg_decode_ops sg_decode_jpeg_ops = {
    .sniff = jpeg_sniff,
    .create = jpeg_create_state,
    .destroy = jpeg_destroy_state,
    .probe = jpeg_probe,
    .decode = jpeg_decode,
};
