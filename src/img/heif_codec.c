/* SPDX-License-Identifier: MIT
 * libheif decoder plugins on libavcodec. libheif calls them on the thread that decodes the picture (heif.c
 * forbids it others), hence the budget of that thread is known here.
 */
#include "img/heif_codec.h"

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <libheif/heif.h>
#include <libheif/heif_plugin.h>

#define PLUGIN_PRIORITY 1000 /* libheif's own have 50 to 150 */
#define PLUGIN_API      3

struct codec {
    enum AVCodecID id;
    uint8_t *data; /* always followed by libavcodec's padding */
    size_t size;
};

static _Thread_local int64_t budget;

void sg_heif_codec_set_budget(int64_t pixels)
{
    budget = pixels;
}

static struct heif_error problem(enum heif_error_code code, const char *message)
{
    return (struct heif_error){code, heif_suberror_Unspecified, message};
}

static struct heif_error no_problem(void)
{
    return problem(heif_error_Ok, "");
}

static struct heif_error codec_create(enum AVCodecID id, void **out_codec)
{
    struct codec *codec = calloc(1, sizeof(*codec));

    if (!codec)
        return problem(heif_error_Memory_allocation_error, "out of memory");
    codec->id = id;
    *out_codec = codec;
    return no_problem();
}

static void codec_destroy(void *state)
{
    struct codec *codec = state;

    if (!codec)
        return;
    free(codec->data);
    free(codec);
}

static struct heif_error codec_push(void *state, const void *data, size_t size)
{
    struct codec *codec = state;
    uint8_t *grown;

    if (size == 0)
        return no_problem();
    if (size > INT_MAX - AV_INPUT_BUFFER_PADDING_SIZE - codec->size)
        return problem(heif_error_Decoder_plugin_error, "coded picture is too large");
    grown = realloc(codec->data, codec->size + size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (!grown)
        return problem(heif_error_Memory_allocation_error, "out of memory");
    codec->data = grown;
    memcpy(grown + codec->size, data, size);
    codec->size += size;
    memset(grown + codec->size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    return no_problem();
}

/* HEVC units come behind 4-byte lengths; the decoder wants 4-byte start codes in their place (ISO 23008-2
 * annex B). */
static bool lengths_to_start_codes(uint8_t *data, size_t size)
{
    static const uint8_t start[4] = {0, 0, 0, 1};
    size_t at = 0;

    while (size - at >= 4) {
        size_t length =
            (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];

        memcpy(data + at, start, 4);
        at += 4;
        if (length > size - at)
            return false;
        at += length;
    }
    return at == size;
}

static struct heif_error set_colours(const AVFrame *frame, struct heif_image *image)
{
    struct heif_color_profile_nclx *nclx = heif_nclx_color_profile_alloc();
    struct heif_error result;

    if (!nclx)
        return problem(heif_error_Memory_allocation_error, "out of memory");
    /* Numbers unknown to libheif leave its defaults, which is what its own decoders do. */
    heif_nclx_color_profile_set_color_primaries(nclx, (uint16_t)frame->color_primaries);
    heif_nclx_color_profile_set_transfer_characteristics(nclx, (uint16_t)frame->color_trc);
    heif_nclx_color_profile_set_matrix_coefficients(nclx, (uint16_t)frame->colorspace);
    nclx->full_range_flag = frame->color_range == AVCOL_RANGE_JPEG;
    result = heif_image_set_nclx_color_profile(image, nclx);
    heif_nclx_color_profile_free(nclx);
    return result;
}

static struct heif_error copy_plane(const AVFrame *frame, const AVPixFmtDescriptor *about, int plane,
                                    struct heif_image *image)
{
    static const enum heif_channel channels[3] = {heif_channel_Y, heif_channel_Cb, heif_channel_Cr};
    int depth = about->comp[0].depth, stride = 0;
    bool is_chroma = plane > 0 && !(about->flags & AV_PIX_FMT_FLAG_RGB);
    int width = is_chroma ? AV_CEIL_RSHIFT(frame->width, about->log2_chroma_w) : frame->width;
    int height = is_chroma ? AV_CEIL_RSHIFT(frame->height, about->log2_chroma_h) : frame->height;
    struct heif_error result = heif_image_add_plane(image, channels[plane], width, height, depth);
    uint8_t *out;

    if (result.code != heif_error_Ok)
        return result;
    out = heif_image_get_plane(image, channels[plane], &stride);
    if (!out)
        return problem(heif_error_Memory_allocation_error, "out of memory");
    for (int y = 0; y < height; y++)
        memcpy(out + (ptrdiff_t)y * stride, frame->data[plane] + (ptrdiff_t)y * frame->linesize[plane],
               (size_t)width * (depth > 8 ? 2 : 1));
    return no_problem();
}

static struct heif_error frame_to_image(const AVFrame *frame, struct heif_image **out_image)
{
    const AVPixFmtDescriptor *about = av_pix_fmt_desc_get(frame->format);
    enum heif_chroma chroma = heif_chroma_monochrome;
    struct heif_image *image = NULL;
    struct heif_error result;
    int planes;

    if (!about || about->flags & (AV_PIX_FMT_FLAG_HWACCEL | AV_PIX_FMT_FLAG_BE) || about->comp[0].shift ||
        (about->nb_components != 1 &&
         (about->nb_components != 3 || !(about->flags & AV_PIX_FMT_FLAG_PLANAR))))
        return problem(heif_error_Unsupported_feature, "pixel format of the coded picture");
    planes = about->nb_components;
    if (planes == 3)
        chroma = about->log2_chroma_h   ? heif_chroma_420
                 : about->log2_chroma_w ? heif_chroma_422
                                        : heif_chroma_444;
    result =
        heif_image_create(frame->width, frame->height,
                          planes == 1 ? heif_colorspace_monochrome : heif_colorspace_YCbCr, chroma, &image);
    for (int plane = 0; plane < planes && result.code == heif_error_Ok; plane++)
        result = copy_plane(frame, about, plane, image);
    if (result.code == heif_error_Ok)
        result = set_colours(frame, image);
    if (result.code != heif_error_Ok) {
        heif_image_release(image);
        return result;
    }
    *out_image = image;
    return no_problem();
}

/* Opens a context, decodes the one picture there must be, within the budget. */
static struct heif_error decode_picture(AVCodecContext *context, struct codec *codec, AVPacket *packet,
                                        AVFrame *frame)
{
    int result;

    context->thread_count = 1;
    context->max_pixels = budget;
    context->err_recognition = AV_EF_EXPLODE;
    if (avcodec_open2(context, NULL, NULL) < 0)
        return problem(heif_error_Decoder_plugin_error, "the decoder cannot be opened");
    packet->data = codec->data;
    packet->size = (int)codec->size;
    packet->flags = AV_PKT_FLAG_KEY;
    result = avcodec_send_packet(context, packet);
    if (result >= 0)
        result = avcodec_receive_frame(context, frame);
    if (result == AVERROR(EAGAIN) && avcodec_send_packet(context, NULL) >= 0)
        result = avcodec_receive_frame(context, frame);
    if (result == AVERROR(ENOMEM))
        return problem(heif_error_Memory_allocation_error, "out of memory");
    if (result < 0 || frame->decode_error_flags || frame->flags & AV_FRAME_FLAG_CORRUPT)
        return problem(heif_error_Decoder_plugin_error,
                       "the coded picture is damaged or larger than the file says");
    budget -= (int64_t)frame->width * frame->height;
    return no_problem();
}

static struct heif_error codec_decode(void *state, struct heif_image **out_image)
{
    struct codec *codec = state;
    struct heif_error result = problem(heif_error_Memory_allocation_error, "out of memory");
    AVCodecContext *context = NULL;
    AVPacket *packet = NULL;
    AVFrame *frame = NULL;

    if (budget < 1 || codec->size == 0 ||
        (codec->id == AV_CODEC_ID_HEVC && !lengths_to_start_codes(codec->data, codec->size)))
        return problem(heif_error_Decoder_plugin_error,
                       "the coded picture is damaged or larger than the file says");
    context = avcodec_alloc_context3(avcodec_find_decoder(codec->id));
    packet = av_packet_alloc();
    frame = av_frame_alloc();
    if (context && packet && frame)
        result = decode_picture(context, codec, packet, frame);
    if (result.code == heif_error_Ok)
        result = frame_to_image(frame, out_image);
    av_frame_free(&frame);
    av_packet_free(&packet);
    avcodec_free_context(&context);
    return result;
}

static const char *plugin_name(void)
{
    return "sightd: libavcodec within limits";
}

static struct heif_error create_av1(void **out_codec)
{
    return codec_create(AV_CODEC_ID_AV1, out_codec);
}

static struct heif_error create_hevc(void **out_codec)
{
    return codec_create(AV_CODEC_ID_HEVC, out_codec);
}

static int supports_av1(enum heif_compression_format format)
{
    return format == heif_compression_AV1 && avcodec_find_decoder(AV_CODEC_ID_AV1) ? PLUGIN_PRIORITY : 0;
}

static int supports_hevc(enum heif_compression_format format)
{
    return format == heif_compression_HEVC && avcodec_find_decoder(AV_CODEC_ID_HEVC) ? PLUGIN_PRIORITY : 0;
}

static void set_strict(void *codec, int flag)
{
    (void)codec;
    (void)flag;
}

static void register_plugins(void)
{
    static const struct heif_decoder_plugin plugins[] = {
        {.plugin_api_version = PLUGIN_API,
         .get_plugin_name = plugin_name,
         .does_support_format = supports_av1,
         .new_decoder = create_av1,
         .free_decoder = codec_destroy,
         .push_data = codec_push,
         .decode_image = codec_decode,
         .set_strict_decoding = set_strict,
         .id_name = "sightd-av1"},
        {.plugin_api_version = PLUGIN_API,
         .get_plugin_name = plugin_name,
         .does_support_format = supports_hevc,
         .new_decoder = create_hevc,
         .free_decoder = codec_destroy,
         .push_data = codec_push,
         .decode_image = codec_decode,
         .set_strict_decoding = set_strict,
         .id_name = "sightd-hevc"},
    };

    /* Should libheif refuse, its own decoders do the work: slower, and bound by its own limits. */
    for (size_t i = 0; i < sizeof(plugins) / sizeof(plugins[0]); i++)
        heif_register_decoder_plugin(&plugins[i]);
}

void sg_heif_codec_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_plugins);
}
