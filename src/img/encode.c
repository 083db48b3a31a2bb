/* SPDX-License-Identifier: MIT
 * JPEG through libjpeg-turbo, PNG through FFmpeg's encoder.
 */
#include "img/encode.h"

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#define PNG_LEVEL 3 /* of zlib: half the time of the default for a few per cent more bytes */

struct jpeg_fault {
    struct jpeg_error_mgr base;
    jmp_buf escape;
    char text[JMSG_LENGTH_MAX];
};

static void jpeg_escape(j_common_ptr jpeg)
{
    struct jpeg_fault *fault = (struct jpeg_fault *)(void *)jpeg->err;

    fault->base.format_message(jpeg, fault->text);
    longjmp(fault->escape, 1);
}

static void jpeg_quiet(j_common_ptr jpeg)
{
    (void)jpeg;
}

static bool can_encode(const struct sg_image *image)
{
    return image->data && image->width >= 1 && image->height >= 1 && image->format != SG_PIXEL_NV12;
}

static int refuse(const struct sg_image *image, const char *kind, struct sg_error *err)
{
    return sg_error_set(err, SG_E_INVALID, "cannot write a %dx%d picture of pixel format %d as %s",
                        image->width, image->height, image->format, kind);
}

/* Everything between create and destroy runs under setjmp; nothing it changes is read after a jump but by way
 * of the pointers it was given. */
static int jpeg_compress(struct jpeg_compress_struct *jpeg, const struct sg_image *image, int quality,
                         unsigned char **bytes, unsigned long *size)
{
    struct jpeg_fault *fault = (struct jpeg_fault *)(void *)jpeg->err;

    if (setjmp(fault->escape))
        return -1;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, bytes, size);
    jpeg->image_width = (JDIMENSION)image->width;
    jpeg->image_height = (JDIMENSION)image->height;
    jpeg->input_components = sg_pixel_bytes(image->format);
    jpeg->in_color_space = image->format == SG_PIXEL_GRAY8   ? JCS_GRAYSCALE
                           : image->format == SG_PIXEL_BGR24 ? JCS_EXT_BGR
                                                             : JCS_EXT_RGB;
    jpeg_set_defaults(jpeg); /* colour becomes YCbCr 4:2:0 */
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = image->data + (size_t)jpeg->next_scanline * image->stride_bytes;

        (void)jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
    return 0;
}

int sg_encode_jpeg(const struct sg_image *image, int quality, struct sg_buf *out, struct sg_error *err)
{
    struct jpeg_compress_struct jpeg = {0};
    struct jpeg_fault fault = {0};
    unsigned char *bytes = NULL;
    unsigned long size = 0;
    int code;

    if (!can_encode(image) || quality < 1 || quality > 100)
        return refuse(image, "JPEG", err);
    jpeg.err = jpeg_std_error(&fault.base);
    fault.base.error_exit = jpeg_escape;
    fault.base.output_message = jpeg_quiet;
    if (jpeg_compress(&jpeg, image, quality, &bytes, &size) < 0) {
        bool is_memory = fault.base.msg_code != 0 && strstr(fault.text, "memory");

        code = sg_error_set(err, is_memory ? SG_E_NOMEM : SG_E_INVALID, "cannot write a %dx%d JPEG: %s",
                            image->width, image->height, fault.text);
    } else {
        code = sg_buf_append(out, bytes, size);
        if (code < 0)
            code = sg_error_set(err, (enum sg_err)code, "the JPEG of %lu bytes is above the limit of %zu",
                                size, out->max_bytes);
    }
    jpeg_destroy_compress(&jpeg);
    free(bytes);
    return code;
}

static void copy_rows(const struct sg_image *image, AVFrame *frame)
{
    size_t row_bytes = (size_t)image->width * (size_t)sg_pixel_bytes(image->format);
    int x, y;

    for (y = 0; y < image->height; y++) {
        const uint8_t *from = image->data + (size_t)y * image->stride_bytes;
        uint8_t *to = frame->data[0] + (ptrdiff_t)y * frame->linesize[0];

        if (image->format != SG_PIXEL_BGR24) {
            memcpy(to, from, row_bytes);
            continue;
        }
        for (x = 0; x < image->width; x++, to += 3, from += 3)
            to[0] = from[2], to[1] = from[1], to[2] = from[0];
    }
}

/* One frame in, one packet out. Returns 0 or FFmpeg's error. */
static int png_compress(const struct sg_image *image, AVCodecContext *codec, AVFrame *frame, AVPacket *packet)
{
    int code;

    codec->width = frame->width = image->width;
    codec->height = frame->height = image->height;
    codec->pix_fmt = image->format == SG_PIXEL_GRAY8 ? AV_PIX_FMT_GRAY8 : AV_PIX_FMT_RGB24;
    frame->format = codec->pix_fmt;
    codec->time_base = (AVRational){1, 25};
    codec->compression_level = PNG_LEVEL;
    codec->thread_count = 1;
    (void)av_opt_set(codec->priv_data, "pred", "up", 0);
    if ((code = avcodec_open2(codec, NULL, NULL)) < 0 || (code = av_frame_get_buffer(frame, 0)) < 0)
        return code;
    copy_rows(image, frame);
    if ((code = avcodec_send_frame(codec, frame)) < 0)
        return code;
    return avcodec_receive_packet(codec, packet);
}

int sg_encode_png(const struct sg_image *image, struct sg_buf *out, struct sg_error *err)
{
    const AVCodec *kind = avcodec_find_encoder(AV_CODEC_ID_PNG);
    AVCodecContext *codec = NULL;
    AVFrame *frame = NULL;
    AVPacket *packet = NULL;
    int code = 0;

    if (!can_encode(image))
        return refuse(image, "PNG", err);
    if (!kind)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this FFmpeg was built without the PNG encoder");
    codec = avcodec_alloc_context3(kind);
    frame = av_frame_alloc();
    packet = av_packet_alloc();
    if (!codec || !frame || !packet) {
        code = sg_error_set(err, SG_E_NOMEM, "no memory to write a PNG");
        goto out;
    }
    code = png_compress(image, codec, frame, packet);
    if (code < 0) {
        char text[AV_ERROR_MAX_STRING_SIZE] = "";

        (void)av_strerror(code, text, sizeof(text));
        code = sg_error_set(err, code == AVERROR(ENOMEM) ? SG_E_NOMEM : SG_E_INVALID,
                            "cannot write a %dx%d PNG: %s", image->width, image->height, text);
        goto out;
    }
    code = sg_buf_append(out, packet->data, (size_t)packet->size);
    if (code < 0)
        code = sg_error_set(err, (enum sg_err)code, "the PNG of %d bytes is above the limit of %zu",
                            packet->size, out->max_bytes);
out:
    av_packet_free(&packet);
    av_frame_free(&frame);
    avcodec_free_context(&codec);
    return code;
}
