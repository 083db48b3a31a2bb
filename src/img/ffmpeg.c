/* SPDX-License-Identifier: MIT
 * All stills that libavcodec reads, from one packet in memory: no container layer, hence no protocol, no file
 * and no network. A codec context is opened for each picture: contexts remember palettes, earlier frames and
 * transparency, and one client's picture must not show in another's.
 */
#include "img/ffmpeg.h"
#include "img/convert.h"
#include "img/decode_kind.h"
#include "img/header.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/log.h>

#define SIDE_STEP     128 /* FFmpeg rounds sides up, by its SIMD and macroblocks, before it asks max_pixels */
#define ATTRIBUTE_MAX 254
#define LOG_OFFSET    128 /* added to the levels of a context's messages: beyond all that are shown */

struct format {
    const char *name;
    const char *magic;
    unsigned magic_bytes;
    enum AVCodecID codec;
    sg_header_fn header;
};

static const struct format formats[] = {
    {"png", "\x89PNG\r\n\x1a\n", 8, AV_CODEC_ID_PNG, sg_header_png},
    {"gif", "GIF87a", 6, AV_CODEC_ID_GIF, sg_header_gif},
    {"gif", "GIF89a", 6, AV_CODEC_ID_GIF, sg_header_gif},
    {"pbm", "P1", 2, AV_CODEC_ID_PBM, sg_header_pnm},
    {"pgm", "P2", 2, AV_CODEC_ID_PGM, sg_header_pnm},
    {"ppm", "P3", 2, AV_CODEC_ID_PPM, sg_header_pnm},
    {"pbm", "P4", 2, AV_CODEC_ID_PBM, sg_header_pnm},
    {"pgm", "P5", 2, AV_CODEC_ID_PGM, sg_header_pnm},
    {"ppm", "P6", 2, AV_CODEC_ID_PPM, sg_header_pnm},
    {"pam", "P7\n", 3, AV_CODEC_ID_PAM, sg_header_pam},
    {"sun", "\x59\xA6\x6A\x95", 4, AV_CODEC_ID_SUNRAST, sg_header_sun},
    {"exr", "\x76\x2F\x31\x01", 4, AV_CODEC_ID_EXR, sg_header_exr},
    {"qoi", "qoif", 4, AV_CODEC_ID_QOI, sg_header_qoi},
};

struct ffmpeg {
    AVFrame *frame;
    AVPacket *packet;
    uint8_t *input; /* the encoded bytes again, with the padding that libavcodec wants to read over */
    size_t input_bytes;
    struct sg_convert convert;
};

static const struct format *format_of(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const struct format *format = &formats[i];

        if (size < format->magic_bytes || memcmp(bytes, format->magic, format->magic_bytes) != 0)
            continue;
        return format;
    }
    return NULL;
}

static const char *ffmpeg_sniff(const uint8_t *bytes, size_t size)
{
    const struct format *format = format_of(bytes, size);

    return format ? format->name : NULL;
}

static void ffmpeg_destroy(void *state)
{
    struct ffmpeg *ffmpeg = state;

    if (!ffmpeg)
        return;
    av_frame_free(&ffmpeg->frame);
    av_packet_free(&ffmpeg->packet);
    sg_convert_fini(&ffmpeg->convert);
    free(ffmpeg->input);
    free(ffmpeg);
}

static int ffmpeg_create(const struct sg_decode_limits *limits, void **out_state)
{
    struct ffmpeg *ffmpeg = calloc(1, sizeof(*ffmpeg));

    if (!ffmpeg)
        return SG_E_NOMEM;
    (void)limits;
    ffmpeg->frame = av_frame_alloc();
    ffmpeg->packet = av_packet_alloc();
    if (!ffmpeg->frame || !ffmpeg->packet) {
        ffmpeg_destroy(ffmpeg);
        return SG_E_NOMEM;
    }
    *out_state = ffmpeg;
    return 0;
}

static int ffmpeg_probe(void *state, const struct sg_encoded *encoded, struct sg_stored *stored,
                        struct sg_error *err)
{
    const struct format *format = format_of(encoded->bytes, encoded->size);

    (void)state;
    return sg_header_probe(format->header, encoded, stored, err); /* sniffed: there is a format */
}

static void keep_memory(void *opaque, uint8_t *data)
{
    (void)opaque;
    (void)data;
}

/* Copies a PNG without the chunks that make no pixels: a broken colour profile is no broken picture. A chunk
 * that is cut off is copied as it is. */
static size_t copy_png(uint8_t *out, const uint8_t *in, size_t size)
{
    static const char kinds[][5] = {"IHDR", "PLTE", "tRNS", "IDAT", "IEND"};
    size_t at = 8, used = 8;

    memcpy(out, in, 8);
    while (size - at >= 12) {
        uint64_t length = (uint64_t)sg_be32(in + at) + 12;
        size_t bytes = length < size - at ? (size_t)length : size - at;
        bool counts = length > size - at;

        for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
            counts = counts || !memcmp(in + at + 4, kinds[i], 4);
        if (counts) {
            memcpy(out + used, in + at, bytes);
            used += bytes;
        }
        at += bytes;
    }
    return used;
}

/* Cuts what an EXR says about itself in words into attributes of at most ATTRIBUTE_MAX bytes, in place:
 * FFmpeg loses its way behind longer ones that it does not know, as XMP is. Pixels are found from the file's
 * start, so nothing may move. */
static void shorten_attributes(uint8_t *exr, size_t size)
{
    static const uint8_t filler[] = {'x', 0, 'x', 0, 0, 0, 0, 0}; /* name, type, length */
    size_t at = 8, length = 0, end;

    for (; at < size && exr[at]; at = end) {
        const char *name = (const char *)exr + at;
        size_t type = at + strnlen(name, size - at) + 1;
        size_t value = type < size ? type + strnlen((const char *)exr + type, size - type) + 5 : size;

        if (value > size)
            return;
        length = sg_le32(exr + value - 4);
        if (length > size - value)
            return;
        end = value + length;
        if (length <= ATTRIBUTE_MAX || !strcmp(name, "channels"))
            continue;
        while (at < end) {
            size_t left = end - at - sizeof(filler);
            size_t part = left <= ATTRIBUTE_MAX ? left : ATTRIBUTE_MAX - sizeof(filler);

            memcpy(exr + at, filler, sizeof(filler));
            exr[at + 4] = (uint8_t)part;
            at += sizeof(filler) + part;
        }
    }
}

/* Makes packet a view of a padded copy of the bytes. */
static int load_packet(struct ffmpeg *ffmpeg, const struct sg_encoded *encoded, enum AVCodecID codec)
{
    size_t need = encoded->size + AV_INPUT_BUFFER_PADDING_SIZE, size = encoded->size;

    if (encoded->size > INT_MAX - AV_INPUT_BUFFER_PADDING_SIZE)
        return SG_E_TOO_LARGE;
    if (need > ffmpeg->input_bytes) {
        free(ffmpeg->input);
        ffmpeg->input_bytes = 0;
        ffmpeg->input = malloc(need);
        if (!ffmpeg->input)
            return SG_E_NOMEM;
        ffmpeg->input_bytes = need;
    }
    if (codec == AV_CODEC_ID_PNG)
        size = copy_png(ffmpeg->input, encoded->bytes, size);
    else
        memcpy(ffmpeg->input, encoded->bytes, size);
    if (codec == AV_CODEC_ID_EXR)
        shorten_attributes(ffmpeg->input, size);
    memset(ffmpeg->input + size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    ffmpeg->packet->buf = av_buffer_create(ffmpeg->input, need, keep_memory, NULL, AV_BUFFER_FLAG_READONLY);
    if (!ffmpeg->packet->buf)
        return SG_E_NOMEM;
    ffmpeg->packet->data = ffmpeg->input;
    ffmpeg->packet->size = (int)size;
    ffmpeg->packet->flags = AV_PKT_FLAG_KEY;
    return 0;
}

void sg_decode_silence_process(void)
{
    av_log_set_level(AV_LOG_QUIET);
}

int sg_ffmpeg_context(enum AVCodecID id, int64_t width, int64_t height, AVCodecContext **out_context,
                      struct sg_error *err)
{
    const AVCodec *decoder = avcodec_find_decoder(id);
    AVCodecContext *context;

    *out_context = NULL;
    if (!decoder)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this build of FFmpeg has no %s decoder",
                            avcodec_get_name(id));
    context = avcodec_alloc_context3(decoder);
    if (!context)
        return sg_error_set(err, SG_E_NOMEM, "out of memory for a %s decoder", decoder->name);
    context->thread_count = 1; /* a worker's thread does all its work */
    context->max_pixels = (width / SIDE_STEP + 1) * SIDE_STEP * ((height / SIDE_STEP + 1) * SIDE_STEP);
    context->err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER | AV_EF_EXPLODE;
    context->log_level_offset = LOG_OFFSET;
    *out_context = context;
    return 0;
}

int sg_ffmpeg_open(AVCodecContext *context, struct sg_error *err)
{
    const char *name = context->codec->name; /* a failure clears the context's */
    int result = avcodec_open2(context, context->codec, NULL);

    if (result >= 0)
        return 0;
    if (result == AVERROR_INVALIDDATA) /* in what came with the picture */
        return sg_error_set(err, SG_E_BAD_IMAGE, "the configuration of the %s picture is damaged", name);
    return sg_error_set(err, result == AVERROR(ENOMEM) ? SG_E_NOMEM : SG_E_UNSUPPORTED,
                        "FFmpeg's %s decoder cannot be opened: %s", name, av_err2str(result));
}

int sg_ffmpeg_decode(AVCodecContext *context, const AVPacket *packet, AVFrame *frame, struct sg_error *err)
{
    const char *name = avcodec_get_name(context->codec_id);
    int result = avcodec_send_packet(context, packet), code;

    if (result >= 0)
        result = avcodec_receive_frame(context, frame);
    if (result == AVERROR(EAGAIN) && avcodec_send_packet(context, NULL) >= 0)
        result = avcodec_receive_frame(context, frame);
    if (result >= 0 && !frame->decode_error_flags && !(frame->flags & AV_FRAME_FLAG_CORRUPT))
        return 0;
    if (result == AVERROR(ENOMEM))
        code = sg_error_set(err, SG_E_NOMEM, "out of memory decoding %s", name);
    else if (result == AVERROR_PATCHWELCOME || result == AVERROR(ENOSYS))
        code = sg_error_set(err, SG_E_UNSUPPORTED, "this variant of %s is not supported", name);
    else
        code = sg_error_set(err, SG_E_BAD_IMAGE, "%s data is damaged or ends early (%d bytes)", name,
                            packet->size);
    sg_error_detail(err, "FFmpeg: %s", result < 0 ? av_err2str(result) : "the frame is marked as damaged");
    return code;
}

static int check_size(const AVFrame *frame, const struct format *format, const struct sg_stored *stored,
                      struct sg_error *err)
{
    if (frame->width == stored->width && frame->height == stored->height)
        return 0;
    return sg_error_set(err, SG_E_BAD_IMAGE, "%s header says %dx%d but its data %dx%d", format->name,
                        stored->width, stored->height, frame->width, frame->height);
}

static int ffmpeg_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                         const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct ffmpeg *ffmpeg = state;
    const struct format *format = format_of(encoded->bytes, encoded->size);
    AVCodecContext *codec = NULL;
    const struct sg_convert_rule rule = {0};
    struct sg_header header;
    int code;

    (void)wish;
    if (!format->header(encoded->bytes, encoded->size, &header) || header.ends_early)
        return sg_error_set(err, SG_E_BAD_IMAGE, "%s data ends early (%zu bytes)", format->name,
                            encoded->size);
    if (header.unsupported)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this %s is not supported: %s", format->name,
                            header.unsupported);
    code = load_packet(ffmpeg, encoded, format->codec);
    if (code < 0) {
        sg_error_set(err, code, "no memory for %zu encoded bytes", encoded->size);
        goto out;
    }
    code = sg_ffmpeg_context(format->codec, stored->width, stored->height, &codec, err);
    if (code == 0 && codec)
        code = sg_ffmpeg_open(codec, err);
    if (code == 0 && codec)
        code = sg_ffmpeg_decode(codec, ffmpeg->packet, ffmpeg->frame, err);
    if (code == 0)
        code = check_size(ffmpeg->frame, format, stored, err);
    if (code < 0)
        goto out;
    code = sg_convert_run(&ffmpeg->convert, ffmpeg->frame, &rule, image, err);
    if (code < 0)
        sg_error_prefix(err, "cannot decode %s", format->name);
out:
    av_frame_unref(ffmpeg->frame);
    av_packet_unref(ffmpeg->packet);
    avcodec_free_context(&codec);
    return code;
}

const struct sg_decode_ops sg_decode_ffmpeg_ops = {
    .sniff = ffmpeg_sniff,
    .create = ffmpeg_create,
    .destroy = ffmpeg_destroy,
    .probe = ffmpeg_probe,
    .decode = ffmpeg_decode,
};
