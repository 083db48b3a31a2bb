/* SPDX-License-Identifier: MIT
 * HEVC and AV1 stills. A codec context is opened for each coded picture, so that nothing of one file's tile
 * is in another's.
 */
#include "img/heif_codec.h"

#include "img/ffmpeg.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>

#define CONFIG_MAX_BYTES ((size_t)1 << 20)

int sg_heif_codec_init(struct sg_heif_codec *codec)
{
    *codec = (struct sg_heif_codec){.frame = av_frame_alloc(), .packet = av_packet_alloc()};
    return codec->frame && codec->packet ? 0 : SG_E_NOMEM;
}

void sg_heif_codec_fini(struct sg_heif_codec *codec)
{
    av_frame_free(&codec->frame);
    av_packet_free(&codec->packet);
    free(codec->data);
    *codec = (struct sg_heif_codec){0};
}

/* The item's bytes, padded, as a packet that borrows them. */
static int load(struct sg_heif_codec *codec, const struct sg_heif *heif, const struct sg_heif_item *item,
                struct sg_error *err)
{
    size_t size = 0, need;
    int code = sg_heif_payload(heif, item, NULL, &size, err);

    if (code < 0)
        return code;
    if (size > INT_MAX - AV_INPUT_BUFFER_PADDING_SIZE)
        return sg_error_set(err, SG_E_TOO_LARGE, "a coded picture of %zu bytes", size);
    need = size + AV_INPUT_BUFFER_PADDING_SIZE;
    if (need > codec->data_bytes) {
        free(codec->data);
        codec->data_bytes = 0;
        codec->data = malloc(need);
        if (!codec->data)
            return sg_error_set(err, SG_E_NOMEM, "out of memory for %zu coded bytes", size);
        codec->data_bytes = need;
    }
    code = sg_heif_payload(heif, item, codec->data, &size, err);
    if (code < 0)
        return code;
    memset(codec->data + size, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    codec->packet->data = codec->data;
    codec->packet->size = (int)size;
    codec->packet->flags = AV_PKT_FLAG_KEY;
    return 0;
}

static int open_context(const struct sg_heif *heif, const struct sg_heif_item *item,
                        const struct sg_heif_look *look, AVCodecContext **out_context, struct sg_error *err)
{
    enum AVCodecID id = item->type == SG_HEIF_AV1 ? AV_CODEC_ID_AV1 : AV_CODEC_ID_HEVC;
    AVCodecContext *context;
    uint8_t *config = NULL;
    int code = sg_ffmpeg_context(id, look->width, look->height, &context, err);

    if (code < 0 || !context)
        return code;
    /* Units behind lengths, as in the file, are told from a byte stream by the configuration. */
    if (look->config_size && look->config_size < CONFIG_MAX_BYTES)
        config = av_mallocz(look->config_size + AV_INPUT_BUFFER_PADDING_SIZE);
    if (config) {
        memcpy(config, heif->bytes + look->config_at, look->config_size);
        context->extradata = config;
        context->extradata_size = (int)look->config_size;
    }
    code = sg_ffmpeg_open(context, err);
    if (code < 0)
        avcodec_free_context(&context);
    *out_context = context;
    return code;
}

int sg_heif_codec_run(struct sg_heif_codec *codec, const struct sg_heif *heif,
                      const struct sg_heif_item *item, const struct sg_heif_look *look, struct sg_error *err)
{
    AVCodecContext *context = NULL;
    int code = load(codec, heif, item, err);

    av_frame_unref(codec->frame);
    if (code == 0)
        code = open_context(heif, item, look, &context, err);
    if (code == 0)
        code = sg_ffmpeg_decode(context, codec->packet, codec->frame, err);
    if (code == 0 && (codec->frame->width != (int)look->width || codec->frame->height != (int)look->height))
        code = sg_error_set(err, SG_E_BAD_IMAGE, "%s header says %ux%u but its data %dx%d",
                            item->type == SG_HEIF_AV1 ? "avif" : "heic", look->width, look->height,
                            codec->frame->width, codec->frame->height);
    avcodec_free_context(&context);
    codec->packet->data = NULL;
    codec->packet->size = 0;
    return code;
}
