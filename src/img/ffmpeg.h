/* SPDX-License-Identifier: MIT
 * libavcodec as both kinds that use it do (ffmpeg.c, heif_codec.c). The process's log callback is left alone:
 * contexts log at levels that nobody shows, and what libavcodec only logs is made an error by its own flags.
 */
#ifndef SG_IMG_FFMPEG_H
#define SG_IMG_FFMPEG_H

#include "base/error.h"

#include <libavcodec/avcodec.h>

/* A context for one picture of at most this size, decoded on the calling thread; not yet open. */
int sg_ffmpeg_context(enum AVCodecID id, int64_t width, int64_t height, AVCodecContext **out_context,
                      struct sg_error *err);
int sg_ffmpeg_open(AVCodecContext *context, struct sg_error *err);
/* The first picture of the packet into frame. SG_E_BAD_IMAGE, SG_E_UNSUPPORTED, SG_E_NOMEM. */
int sg_ffmpeg_decode(AVCodecContext *context, const AVPacket *packet, AVFrame *frame, struct sg_error *err);

#endif
