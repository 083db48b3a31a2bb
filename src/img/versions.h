/* SPDX-License-Identifier: MIT
 * Versions of the libraries that decode, encode and draw. Any thread.
 */
#ifndef SG_IMG_VERSIONS_H
#define SG_IMG_VERSIONS_H

#include <stddef.h>

#define SG_VERSIONS_MAX 256

/* "libjpeg-turbo 2.1.5, libtiff 4.5.0, libwebp 1.2.4, OpenJPEG 2.5.0, FFmpeg 5.1.6, FreeType 2.12.1". Returns
 * out. */
const char *sg_img_versions(char *out, size_t out_bytes);

#endif
