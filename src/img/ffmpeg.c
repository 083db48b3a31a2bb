/* SPDX-License-Identifier: MIT
 * All stills that libavcodec reads, from one packet in memory: no container layer, hence no protocol, no file
 * and no network. A codec context is opened for each picture: contexts remember palettes, earlier frames and
 * transparency, and one client's picture must not show in another's.
 */
#include "img/convert.h"
#include "img/decode_kind.h"
#include "img/header.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/log.h>

#define LOG_TEXT_MAX 200
#define SIDE_STEP    128 /* FFmpeg rounds sides up, by its SIMD and macroblocks, before it asks max_pixels */

struct format {
    const char *name;
    const char *magic;
    unsigned magic_bytes;
    enum AVCodecID codec;
    sg_header_fn header;
    struct sg_convert_rule rule;
};

static const struct format formats[] = {
    {"png", "\x89PNG\r\n\x1a\n", 8, AV_CODEC_ID_PNG, sg_header_png, {0}},
    {"webp", "RIFF", 4, AV_CODEC_ID_WEBP, sg_header_webp, {.webp_chroma = true}},
    {"gif", "GIF87a", 6, AV_CODEC_ID_GIF, sg_header_gif, {0}},
    {"gif", "GIF89a", 6, AV_CODEC_ID_GIF, sg_header_gif, {0}},
    {"bmp", "BM", 2, AV_CODEC_ID_BMP, sg_header_bmp, {0}},
    {"jpeg2000", "\0\0\0\x0CjP  \r\n\x87\n", 12, AV_CODEC_ID_JPEG2000, sg_header_jpeg2000, {0}},
    {"jpeg2000", "\xFF\x4F\xFF\x51", 4, AV_CODEC_ID_JPEG2000, sg_header_jpeg2000, {0}},
    {"pbm", "P1", 2, AV_CODEC_ID_PBM, sg_header_pnm, {0}},
    {"pgm", "P2", 2, AV_CODEC_ID_PGM, sg_header_pnm, {0}},
    {"ppm", "P3", 2, AV_CODEC_ID_PPM, sg_header_pnm, {0}},
    {"pbm", "P4", 2, AV_CODEC_ID_PBM, sg_header_pnm, {0}},
    {"pgm", "P5", 2, AV_CODEC_ID_PGM, sg_header_pnm, {0}},
    {"ppm", "P6", 2, AV_CODEC_ID_PPM, sg_header_pnm, {0}},
    {"pam", "P7\n", 3, AV_CODEC_ID_PAM, sg_header_pam, {0}},
    {"sun", "\x59\xA6\x6A\x95", 4, AV_CODEC_ID_SUNRAST, sg_header_sun, {0}},
    {"exr", "\x76\x2F\x31\x01", 4, AV_CODEC_ID_EXR, sg_header_exr, {0}},
    {"qoi", "qoif", 4, AV_CODEC_ID_QOI, sg_header_qoi, {0}},
};

struct ffmpeg {
    int64_t max_pixels;
    AVFrame *frame;
    AVPacket *packet;
    uint8_t *input; /* the encoded bytes again, with the padding that libavcodec wants to read over */
    size_t input_bytes;
    struct sg_convert convert;
};

/* libavcodec's last complaint, for the error's private detail; decoders run on the calling thread. */
static _Thread_local char log_text[LOG_TEXT_MAX];

static void on_log(void *object, int level, const char *format, va_list args)
{
    (void)object;
    if (level > AV_LOG_ERROR)
        return;
    vsnprintf(log_text, sizeof(log_text), format, args);
    log_text[strcspn(log_text, "\n")] = '\0';
}

static void silence_log(void)
{
    av_log_set_callback(on_log);
}

static const struct format *format_of(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        const struct format *format = &formats[i];

        if (size < format->magic_bytes || memcmp(bytes, format->magic, format->magic_bytes) != 0)
            continue;
        if (format->codec == AV_CODEC_ID_WEBP && (size < 12 || memcmp(bytes + 8, "WEBP", 4) != 0))
            continue; /* RIFF of another kind */
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
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct ffmpeg *ffmpeg = calloc(1, sizeof(*ffmpeg));

    if (!ffmpeg)
        return SG_E_NOMEM;
    pthread_once(&once, silence_log);
    ffmpeg->max_pixels = limits->max_pixels;
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
    struct sg_header header;

    (void)state;
    if (!format || !format->header(encoded->bytes, encoded->size, &header))
        return sg_error_set(err, SG_E_BAD_IMAGE, "%s header is damaged or incomplete (%zu bytes)",
                            encoded->format, encoded->size);
    stored->width = header.width > INT_MAX ? INT_MAX : (int)header.width;
    stored->height = header.height > INT_MAX ? INT_MAX : (int)header.height;
    stored->orientation = header.orientation;
    return 0;
}

static void keep_memory(void *opaque, uint8_t *data)
{
    (void)opaque;
    (void)data;
}

/* Makes packet a view of a padded copy of the bytes. */
static int load_packet(struct ffmpeg *ffmpeg, const struct sg_encoded *encoded)
{
    size_t need = encoded->size + AV_INPUT_BUFFER_PADDING_SIZE;

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
    memcpy(ffmpeg->input, encoded->bytes, encoded->size);
    memset(ffmpeg->input + encoded->size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    ffmpeg->packet->buf = av_buffer_create(ffmpeg->input, need, keep_memory, NULL, AV_BUFFER_FLAG_READONLY);
    if (!ffmpeg->packet->buf)
        return SG_E_NOMEM;
    ffmpeg->packet->data = ffmpeg->input;
    ffmpeg->packet->size = (int)encoded->size;
    ffmpeg->packet->flags = AV_PKT_FLAG_KEY;
    return 0;
}

/* The stored size has passed the limit; its memory is that of rounded sides. */
static int64_t codec_pixels(const struct ffmpeg *ffmpeg, const struct sg_stored *stored)
{
    int64_t width = ((int64_t)stored->width / SIDE_STEP + 1) * SIDE_STEP;
    int64_t height = ((int64_t)stored->height / SIDE_STEP + 1) * SIDE_STEP;

    return width * height > ffmpeg->max_pixels ? width * height : ffmpeg->max_pixels;
}

static int open_codec(const struct ffmpeg *ffmpeg, const struct format *format,
                      const struct sg_stored *stored, AVCodecContext **out_codec, struct sg_error *err)
{
    const AVCodec *decoder = avcodec_find_decoder(format->codec);
    AVCodecContext *codec;

    if (!decoder)
        return sg_error_set(err, SG_E_UNSUPPORTED, "this build of FFmpeg has no %s decoder", format->name);
    codec = avcodec_alloc_context3(decoder);
    if (!codec)
        return sg_error_set(err, SG_E_NOMEM, "out of memory for a %s decoder", format->name);
    codec->thread_count = 1; /* a worker's thread does all its work */
    codec->max_pixels = codec_pixels(ffmpeg, stored);
    codec->err_recognition = AV_EF_CRCCHECK | AV_EF_BITSTREAM | AV_EF_BUFFER;
    if (avcodec_open2(codec, decoder, NULL) < 0) {
        avcodec_free_context(&codec);
        return sg_error_set(err, SG_E_UNSUPPORTED, "FFmpeg's %s decoder cannot be opened", format->name);
    }
    *out_codec = codec;
    return 0;
}

/* The first picture of the packet into ffmpeg->frame. */
static int decode_frame(struct ffmpeg *ffmpeg, AVCodecContext *codec, const struct format *format,
                        const struct sg_stored *stored, struct sg_error *err)
{
    const AVFrame *frame = ffmpeg->frame;
    int result = avcodec_send_packet(codec, ffmpeg->packet);
    int code;

    if (result >= 0)
        result = avcodec_receive_frame(codec, ffmpeg->frame);
    if (result == AVERROR(EAGAIN) && avcodec_send_packet(codec, NULL) >= 0)
        result = avcodec_receive_frame(codec, ffmpeg->frame);
    if (result >= 0 && !frame->decode_error_flags && !(frame->flags & AV_FRAME_FLAG_CORRUPT)) {
        if (frame->width == stored->width && frame->height == stored->height)
            return 0;
        return sg_error_set(err, SG_E_BAD_IMAGE, "%s header says %dx%d but its data %dx%d", format->name,
                            stored->width, stored->height, frame->width, frame->height);
    }
    if (result == AVERROR(ENOMEM))
        code = sg_error_set(err, SG_E_NOMEM, "out of memory decoding %s", format->name);
    else if (result == AVERROR_PATCHWELCOME || result == AVERROR(ENOSYS))
        code = sg_error_set(err, SG_E_UNSUPPORTED, "this variant of %s is not supported", format->name);
    else
        code = sg_error_set(err, SG_E_BAD_IMAGE, "%s data is damaged or ends early (%d bytes)", format->name,
                            ffmpeg->packet->size);
    sg_error_detail(err, "FFmpeg: %s", log_text[0] ? log_text : av_err2str(result));
    return code;
}

static int ffmpeg_decode(void *state, const struct sg_encoded *encoded, const struct sg_stored *stored,
                         const struct sg_stored_wish *wish, struct sg_image *image, struct sg_error *err)
{
    struct ffmpeg *ffmpeg = state;
    const struct format *format = format_of(encoded->bytes, encoded->size);
    AVCodecContext *codec = NULL;
    struct sg_header header;
    int code;

    (void)wish;
    if (!format->header(encoded->bytes, encoded->size, &header) || header.ends_early)
        return sg_error_set(err, SG_E_BAD_IMAGE, "%s data ends early (%zu bytes)", format->name,
                            encoded->size);
    log_text[0] = '\0';
    code = load_packet(ffmpeg, encoded);
    if (code < 0) {
        sg_error_set(err, code, "no memory for %zu encoded bytes", encoded->size);
        goto out;
    }
    code = open_codec(ffmpeg, format, stored, &codec, err);
    if (code < 0)
        goto out;
    code = decode_frame(ffmpeg, codec, format, stored, err);
    if (code < 0)
        goto out;
    code = sg_convert_run(&ffmpeg->convert, ffmpeg->frame, &format->rule, image, err);
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
