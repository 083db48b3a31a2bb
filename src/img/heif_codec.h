/* SPDX-License-Identifier: MIT
 * One coded picture of a HEIF (HEVC or AV1) through libavcodec. Inside this room only; one thread at a time.
 */
#ifndef SG_IMG_HEIF_CODEC_H
#define SG_IMG_HEIF_CODEC_H

#include "img/heif_boxes.h"

struct AVFrame;
struct AVPacket;

/* Memory kept between pictures; nothing of a picture stays in a codec. */
struct sg_heif_codec {
    struct AVFrame *frame; /* the last decoded picture */
    struct AVPacket *packet;
    uint8_t *data;
    size_t data_bytes;
};

int sg_heif_codec_init(struct sg_heif_codec *codec); /* SG_E_NOMEM; fini is allowed after it */
void sg_heif_codec_fini(struct sg_heif_codec *codec);
/* Decodes the item into codec->frame. No more memory is spent than look's size needs; another size is
 * SG_E_BAD_IMAGE. */
int sg_heif_codec_run(struct sg_heif_codec *codec, const struct sg_heif *heif,
                      const struct sg_heif_item *item, const struct sg_heif_look *look, struct sg_error *err);

#endif
