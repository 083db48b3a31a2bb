/* SPDX-License-Identifier: MIT
 * Sizes from headers. Sources: PNG (W3C), GIF89a, BMP (BITMAPCOREHEADER and later), RFC 9649 (WebP),
 * TIFF 6.0 and BigTIFF, ISO 15444-1 annexes A and I, netpbm's man pages, OpenEXR file layout, qoiformat.org.
 */
#include "img/header.h"

#include "img/exif.h"

#include <limits.h>
#include <string.h>

#define TIFF_MAX_ENTRIES 65535u
#define EXR_DWAA         8
#define EXR_DWAB         9
#define TEXT_HEADER_MAX  4096u /* bytes searched for a netpbm header, comments included */
#define NUMBER_MAX       ((int64_t)1 << 32)

static bool set_size(struct sg_header *header, int64_t width, int64_t height)
{
    *header = (struct sg_header){.width = width, .height = height, .orientation = 1};
    return width >= 1 && height >= 1;
}

bool sg_header_png(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    if (size < 33 || memcmp(bytes + 12, "IHDR", 4) != 0 ||
        !set_size(header, sg_be32(bytes + 16), sg_be32(bytes + 20)))
        return false;
    header->orientation = sg_exif_orientation_png(bytes, size);
    return true;
}

/* Behind a chain of GIF sub-blocks that starts at `at`; size when it is cut off. */
static size_t skip_blocks(const uint8_t *bytes, size_t size, size_t at)
{
    while (at < size && bytes[at])
        at += 1 + (size_t)bytes[at];
    return at < size ? at + 1 : size + 1;
}

/* True when the first image of a GIF has its end; `at` is behind the screen descriptor and its palette. */
static bool has_whole_image(const uint8_t *bytes, size_t size, size_t at, struct sg_header *header)
{
    while (at + 10 < size) {
        if (bytes[at] == 0x21) { /* an extension */
            at = skip_blocks(bytes, size, at + 2);
        } else if (bytes[at] == 0x2C) {
            unsigned flags = bytes[at + 9];
            size_t palette = flags & 0x80 ? (size_t)3 << ((flags & 7) + 1) : 0;

            if (sg_le16(bytes + at + 1) + sg_le16(bytes + at + 5) > header->width ||
                sg_le16(bytes + at + 3) + sg_le16(bytes + at + 7) > header->height)
                header->unsupported = "its first frame is larger than its screen";
            return skip_blocks(bytes, size, at + 11 + palette) <= size;
        } else {
            break;
        }
    }
    return false;
}

bool sg_header_gif(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    size_t palette;

    if (size < 13 || !set_size(header, sg_le16(bytes + 6), sg_le16(bytes + 8)))
        return false;
    palette = bytes[10] & 0x80 ? (size_t)3 << ((bytes[10] & 7) + 1) : 0;
    header->ends_early = !has_whole_image(bytes, size, 13 + palette, header);
    return true;
}

bool sg_header_bmp(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    int64_t height;

    if (size < 26)
        return false;
    if (sg_le32(bytes + 14) == 12)
        return set_size(header, sg_le16(bytes + 18), sg_le16(bytes + 20));
    height = (int32_t)sg_le32(bytes + 22); /* negative: rows from the top down */
    return set_size(header, (int32_t)sg_le32(bytes + 18), height < 0 ? -height : height);
}

bool sg_header_webp(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    bool known = false;

    if (size < 30 && (size < 25 || memcmp(bytes + 12, "VP8L", 4) != 0))
        return false;
    if (!memcmp(bytes + 12, "VP8X", 4)) {
        known = set_size(header, (int64_t)(sg_le32(bytes + 24) & 0xFFFFFF) + 1,
                         (int64_t)(sg_le32(bytes + 26) >> 8) + 1);
    } else if (!memcmp(bytes + 12, "VP8L", 4)) {
        uint32_t bits = sg_le32(bytes + 21);

        known = bytes[20] == 0x2F && set_size(header, (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1);
    } else if (!memcmp(bytes + 12, "VP8 ", 4)) {
        known = bytes[23] == 0x9D && bytes[24] == 0x01 && bytes[25] == 0x2A &&
                set_size(header, sg_le16(bytes + 26) & 0x3FFF, sg_le16(bytes + 28) & 0x3FFF);
    }
    if (known)
        header->orientation = sg_exif_orientation_webp(bytes, size);
    return known;
}

static uint64_t tiff_number(const uint8_t *at, int bytes, bool little)
{
    uint64_t value = 0;

    for (int i = 0; i < bytes; i++)
        value = value << 8 | at[little ? bytes - 1 - i : i];
    return value;
}

bool sg_tiff_find(const uint8_t *tiff, size_t size, unsigned tag, uint32_t *out_value)
{
    bool little = size > 0 && tiff[0] == 'I', big;
    int wide, entry_bytes; /* of counts and offsets */
    uint64_t offset, count;

    if (size < 16 || (memcmp(tiff, "II", 2) != 0 && memcmp(tiff, "MM", 2) != 0))
        return false;
    big = tiff_number(tiff + 2, 2, little) == 43; /* BigTIFF */
    if (!big && tiff_number(tiff + 2, 2, little) != 42)
        return false;
    wide = big ? 8 : 4;
    entry_bytes = big ? 20 : 12;
    offset = tiff_number(tiff + wide, wide, little);
    if (offset > size - 8)
        return false;
    count = tiff_number(tiff + offset, big ? 8 : 2, little);
    offset += big ? 8 : 2;
    for (uint64_t i = 0; i < count && i < TIFF_MAX_ENTRIES; i++, offset += (uint64_t)entry_bytes) {
        const uint8_t *entry = tiff + offset, *at;
        unsigned type;
        int bytes;

        if (offset + (uint64_t)entry_bytes > size)
            return false;
        if (tiff_number(entry, 2, little) != tag)
            continue;
        type = (unsigned)tiff_number(entry + 2, 2, little);
        bytes = type == 1 ? 1 : type == 3 ? 2 : 4;
        count = tiff_number(entry + 4, wide, little);
        at = entry + 4 + wide;
        if (count > (uint64_t)(wide / bytes)) { /* they lie elsewhere */
            uint64_t where = tiff_number(at, wide, little);

            if (where > size || size - where < (uint64_t)bytes)
                return false;
            at = tiff + where;
        }
        *out_value = (uint32_t)tiff_number(at, bytes, little);
        return type == 1 || type == 3 || type == 4;
    }
    return false;
}

/* The SIZ segment that starts a JPEG 2000 codestream. */
static bool codestream_size(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    if (size < 24 || sg_be32(bytes) != 0xFF4FFF51u ||
        !set_size(header, (int64_t)sg_be32(bytes + 8) - sg_be32(bytes + 16),
                  (int64_t)sg_be32(bytes + 12) - sg_be32(bytes + 20)))
        return false;
    if (sg_be16(bytes + 6) >= 3 && sg_be16(bytes + 6) <= 7) /* ISO 15444-1 table A.10 */
        header->unsupported = "a frame of digital cinema (XYZ colours)";
    return true;
}

bool sg_header_jpeg2000(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    size_t at = 0;

    if (bytes[0] == 0xFF)
        return codestream_size(bytes, size, header);
    while (size - at >= 8) {
        uint64_t length = sg_be32(bytes + at);
        size_t head = 8;

        if (length == 1 && size - at >= 16) {
            length = (uint64_t)sg_be32(bytes + at + 8) << 32 | sg_be32(bytes + at + 12);
            head = 16;
        }
        if (!memcmp(bytes + at + 4, "jp2c", 4))
            return codestream_size(bytes + at + head, size - at - head, header);
        if (length < head || length > size - at)
            break;
        at += (size_t)length;
    }
    return false;
}

/* The next number of a netpbm header; blanks and # comments before it are skipped. -1 when there is none. */
int64_t sg_netpbm_number(const uint8_t *bytes, size_t size, size_t *at)
{
    int64_t number = -1;

    while (*at < size && (bytes[*at] <= ' ' || bytes[*at] == '#')) {
        if (bytes[*at] == '#')
            while (*at < size && bytes[*at] != '\n')
                (*at)++;
        else
            (*at)++;
    }
    for (; *at < size && bytes[*at] >= '0' && bytes[*at] <= '9' && number < NUMBER_MAX; (*at)++)
        number = (number < 0 ? 0 : number * 10) + (bytes[*at] - '0');
    return number;
}

bool sg_header_pnm(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    size_t at = 2, limit = size < TEXT_HEADER_MAX ? size : TEXT_HEADER_MAX;
    int64_t width = sg_netpbm_number(bytes, limit, &at);

    return set_size(header, width, sg_netpbm_number(bytes, limit, &at));
}

int64_t sg_pam_number(const uint8_t *bytes, size_t size, const char *name)
{
    const uint8_t *found = memmem(bytes, size, name, strlen(name));
    size_t at;

    if (!found)
        return -1;
    at = (size_t)(found - bytes) + strlen(name);
    return sg_netpbm_number(bytes, size, &at);
}

bool sg_header_pam(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    size_t limit = size < TEXT_HEADER_MAX ? size : TEXT_HEADER_MAX;

    return set_size(header, sg_pam_number(bytes, limit, "\nWIDTH "),
                    sg_pam_number(bytes, limit, "\nHEIGHT "));
}

bool sg_header_sun(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    uint64_t row_bytes;

    if (size < 32 || !set_size(header, sg_be32(bytes + 4), sg_be32(bytes + 8)))
        return false;
    row_bytes = ((uint64_t)header->width * sg_be32(bytes + 12) + 15) / 16 * 2;
    /* Type 2 is run-length coded, all others have their rows as they are. */
    if (sg_be32(bytes + 20) != 2 && header->height < SG_IMAGE_MAX_SIDE && header->width < SG_IMAGE_MAX_SIDE)
        header->ends_early = 32 + (uint64_t)sg_be32(bytes + 28) + row_bytes * (uint64_t)header->height > size;
    return true;
}

/* True when its chunks make all its pixels; eight bytes of padding follow them. FFmpeg repeats the last pixel
 * that there is. */
static bool has_all_chunks(const uint8_t *bytes, size_t size, uint64_t pixels)
{
    size_t at = 14, end = size >= 22 ? size - 8 : 14;

    while (at < end && pixels > 0) {
        uint8_t tag = bytes[at];
        bool run = tag >= 0xc0 && tag < 0xfe;
        uint64_t made = run ? (tag & 0x3f) + 1 : 1;

        at += tag == 0xff ? 5 : tag == 0xfe ? 4 : tag >> 6 == 2 ? 2 : 1;
        pixels -= made < pixels ? made : pixels;
    }
    return pixels == 0 && at <= end;
}

bool sg_header_qoi(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    if (size < 14 || !set_size(header, sg_be32(bytes + 4), sg_be32(bytes + 8)))
        return false;
    header->ends_early = !has_all_chunks(bytes, size, (uint64_t)header->width * (uint64_t)header->height);
    return true;
}

const uint8_t *sg_exr_attribute(const uint8_t *bytes, size_t size, const char *name, size_t *length)
{
    size_t at = 8; /* magic, version */

    /* Attributes: name, type, both NUL-terminated, 32-bit size, value; an empty name ends them. */
    while (at < size && bytes[at]) {
        const char *here = (const char *)bytes + at;

        for (int part = 0; part < 2; part++) {
            at += strnlen((const char *)bytes + at, size - at);
            if (size - at < 6)
                return NULL;
            at++;
        }
        *length = sg_le32(bytes + at);
        at += 4;
        if (*length > size - at)
            return NULL;
        if (!strcmp(here, name))
            return bytes + at;
        at += *length;
    }
    return NULL;
}

/* Whether a list of channels has one of the name; it is followed by 16 bytes about it. */
static bool has_channel(const uint8_t *list, size_t size, const char *name)
{
    while (list && size > 0 && list[0]) {
        size_t length = strnlen((const char *)list, size);

        if (size - length < 17)
            return false;
        if (!strcmp((const char *)list, name))
            return true;
        list += length + 17;
        size -= length + 17;
    }
    return false;
}

bool sg_header_exr(const uint8_t *bytes, size_t size, struct sg_header *header)
{
    size_t shown_length = 0, stored_length = 0, packing_length = 0, list_length = 0;
    const uint8_t *shown = sg_exr_attribute(bytes, size, "displayWindow", &shown_length);
    const uint8_t *stored = sg_exr_attribute(bytes, size, "dataWindow", &stored_length);
    const uint8_t *packing = sg_exr_attribute(bytes, size, "compression", &packing_length);
    const uint8_t *list = sg_exr_attribute(bytes, size, "channels", &list_length);

    if (!shown || shown_length != 16 ||
        !set_size(header, (int64_t)(int32_t)sg_le32(shown + 8) - (int32_t)sg_le32(shown) + 1,
                  (int64_t)(int32_t)sg_le32(shown + 12) - (int32_t)sg_le32(shown + 4) + 1))
        return false;
    if (!stored || stored_length != 16 || memcmp(stored, shown, 16) != 0)
        header->unsupported = "its pixels are not those of its display window";
    else if (packing && packing_length == 1 && packing[0] >= EXR_DWAA && packing[0] <= EXR_DWAB)
        header->unsupported = "DWA compression, of which FFmpeg makes other pixels";
    else if (has_channel(list, list_length, "RY") || has_channel(list, list_length, "BY"))
        header->unsupported = "colours as luminance and chroma (Y, RY, BY)";
    return true;
}

int sg_header_probe(sg_header_fn read, const struct sg_encoded *encoded, struct sg_stored *stored,
                    struct sg_error *err)
{
    struct sg_header header;

    if (!read(encoded->bytes, encoded->size, &header))
        return sg_error_set(err, SG_E_BAD_IMAGE, "%s header is damaged or incomplete (%zu bytes)",
                            encoded->format, encoded->size);
    stored->width = header.width > INT_MAX ? INT_MAX : (int)header.width;
    stored->height = header.height > INT_MAX ? INT_MAX : (int)header.height;
    stored->orientation = header.orientation;
    return 0;
}
