/* SPDX-License-Identifier: MIT
 * The AV1 and HEVC decoders that libheif shall use. Its own ones start threads on every core and decode
 * whatever size the coded picture has, however small the file's boxes say it is; these do neither.
 */
#ifndef SG_IMG_HEIF_CODEC_H
#define SG_IMG_HEIF_CODEC_H

#include <stdint.h>

/* Registers with libheif, once per process; any thread. */
void sg_heif_codec_register(void);
/* How many coded pixels this thread's next picture may have in all its parts (tiles, alpha). */
void sg_heif_codec_set_budget(int64_t pixels);

#endif
