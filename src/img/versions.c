/* SPDX-License-Identifier: MIT
 * What the libraries say of themselves when they run; libjpeg-turbo, which does not, is named as compiled.
 */
#include "img/versions.h"

#include <stdio.h>
#include <string.h>

#include <ft2build.h>
#include <jpeglib.h>
#include <libavutil/avutil.h>
#include <openjpeg.h>
#include <tiffio.h>
#include <webp/decode.h>
#include FT_FREETYPE_H

#define TEXT_OF(x)  #x
#define VALUE_OF(x) TEXT_OF(x)

const char *sg_img_versions(char *out, size_t out_bytes)
{
    FT_Library library;
    const char *tiff = strstr(TIFFGetVersion(), "Version "); /* "LIBTIFF, Version 4.5.0", more lines */
    FT_Int major = 0, minor = 0, patch = 0;
    int webp = WebPGetDecoderVersion(); /* three bytes */

    tiff = tiff ? tiff + strlen("Version ") : "?";
    if (FT_Init_FreeType(&library) == 0) {
        FT_Library_Version(library, &major, &minor, &patch);
        (void)FT_Done_FreeType(library);
    }
    snprintf(out, out_bytes,
             "libjpeg-turbo %s, libtiff %.*s, libwebp %d.%d.%d, OpenJPEG %s, FFmpeg %s, FreeType %d.%d.%d",
             VALUE_OF(LIBJPEG_TURBO_VERSION), (int)strcspn(tiff, "\n"), tiff, webp >> 16, webp >> 8 & 255,
             webp & 255, opj_version(), av_version_info(), major, minor, patch);
    return out;
}
