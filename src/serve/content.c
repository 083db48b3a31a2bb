/* SPDX-License-Identifier: MIT
 * Magic numbers in the order they are asked, then texts by what they begin with.
 */
#include "serve/content.h"

#include <string.h>

#define SEND_BYTES  "send the bytes of the picture itself (curl --data-binary @photo.jpg)"
#define TEXT_SHOWN  40  /* bytes of a text that the message quotes */
#define TEXT_LOOKED 512 /* bytes that must be text before something is called one */

#define FORM_NAME_MAX 64 /* bytes of a field's name */

struct magic {
    unsigned offset, bytes;
    const char *magic, *what, *advice;
};

static const struct magic pictures[] = {
    {0, 3, "\xFF\xD8\xFF", "a JPEG", NULL},
    {0, 8, "\x89PNG\r\n\x1a\n", "a PNG", NULL},
    {8, 4, "WEBP", "a WebP", NULL},
    {0, 4, "GIF8", "a GIF", NULL},
    {0, 4, "II*\0", "a TIFF", NULL},
    {0, 4, "MM\0*", "a TIFF", NULL},
    {0, 4, "II+\0", "a BigTIFF", NULL},
    {0, 4, "MM\0+", "a BigTIFF", NULL},
    {4, 8, "ftypavif", "an AVIF", NULL},
    {4, 8, "ftypavis", "an AVIF", NULL},
    {4, 7, "ftyphei", "a HEIC", NULL},
    {4, 7, "ftyphev", "a HEIC", NULL},
    {4, 8, "ftypmif1", "a HEIC or AVIF", NULL},
    {4, 8, "ftypmsf1", "a HEIC or AVIF", NULL},
    {0, 12, "\0\0\0\x0CjP  \r\n\x87\n", "a JPEG 2000", NULL},
    {0, 4, "\xFF\x4F\xFF\x51", "a JPEG 2000", NULL},
    {0, 12, "\0\0\0\x0CJXL \r\n\x87\n", "a JPEG XL", NULL},
    {0, 4, "8BPS", "a Photoshop file", NULL},
    {0, 4, "\x59\xA6\x6A\x95", "a Sun raster", NULL},
    {0, 4, "\x76\x2F\x31\x01", "an EXR", NULL},
    {0, 4, "qoif", "a QOI", NULL},
    {0, 10, "#?RADIANCE", "a Radiance HDR", NULL},
};

/* Text begins like these only by accident, if at all. */
static const struct magic files[] = {
    {4, 4, "ftyp", "a video (MP4, MOV)", "send one of its pictures"},
    {0, 4, "\x1A\x45\xDF\xA3", "a video (Matroska, WebM)", "send one of its pictures"},
    {8, 4, "AVI ", "a video (AVI)", "send one of its pictures"},
    {0, 3, "FLV", "a video (FLV)", "send one of its pictures"},
    {0, 4, "\0\0\1\xBA", "a video (MPEG)", "send one of its pictures"},
    {0, 4, "\0\0\1\xB3", "a video (MPEG)", "send one of its pictures"},
    {8, 4, "WAVE", "a sound (WAV)", NULL},
    {0, 3, "ID3", "a sound (MP3)", NULL},
    {0, 4, "OggS", "a sound or video (Ogg)", NULL},
    {0, 5, "%PDF-", "a PDF", "make a picture of its page first (pdftoppm -png)"},
    {0, 4, "PK\3\4", "a ZIP file (also .docx, .npz, .cbz)", "send the pictures in it one by one"},
    {0, 4, "PK\5\6", "an empty ZIP file", NULL},
    {0, 2, "\x1F\x8B", "gzip data", "send it unpacked"},
    {0, 4, "\x28\xB5\x2F\xFD", "zstd data", "send it unpacked"},
    {0, 6, "7z\xBC\xAF\x27\x1C", "a 7z file", "send the pictures in it one by one"},
    {0, 4, "Rar!", "a RAR file", "send the pictures in it one by one"},
    {0, 6, "\x93NUMPY", "a NumPy array (.npy)", "encode it as JPEG or PNG, or send it raw with protocol v2"},
    {0, 3, "\x80\4\x95", "a Python pickle", "encode the picture as JPEG or PNG (cv2.imencode)"},
    {0, 3, "\x80\3\x63", "a Python pickle", "encode the picture as JPEG or PNG (cv2.imencode)"},
    {0, 3, "\x80\5\x95", "a Python pickle", "encode the picture as JPEG or PNG (cv2.imencode)"},
};

#define AS_JSON "send it as {\"image\":\"<base64>\"} with Content-Type: application/json, or " SEND_BYTES

/* In any case, behind blanks and a byte order mark. */
static const struct {
    const char *begin, *what, *advice;
    enum sg_content_kind kind;
} texts[] = {
    {"<!doctype html", "an HTML page", "was it a download that failed? " SEND_BYTES, SG_CONTENT_FILE},
    {"<html", "an HTML page", "was it a download that failed? " SEND_BYTES, SG_CONTENT_FILE},
    {"<svg", "an SVG drawing", "make a PNG of it first", SG_CONTENT_FILE},
    {"<?xml", "XML (or SVG)", SEND_BYTES, SG_CONTENT_FILE},
    {"{\\rtf", "an RTF text", SEND_BYTES, SG_CONTENT_FILE},
    {"{", "JSON", AS_JSON, SG_CONTENT_PACKED},
    {"[", "JSON", AS_JSON, SG_CONTENT_PACKED},
    {"http://", "a URL", "this server fetches nothing: " SEND_BYTES, SG_CONTENT_PACKED},
    {"https://", "a URL", "this server fetches nothing: " SEND_BYTES, SG_CONTENT_PACKED},
    {"file://", "a URL", "this server opens no files: " SEND_BYTES, SG_CONTENT_PACKED},
    {"s3://", "a URL", "this server fetches nothing: " SEND_BYTES, SG_CONTENT_PACKED},
    {"data:", "a data: URL", AS_JSON, SG_CONTENT_PACKED},
    {"/9j/", "base64 text of a JPEG", AS_JSON, SG_CONTENT_PACKED},
    {"iVBORw0KGgo", "base64 text of a PNG", AS_JSON, SG_CONTENT_PACKED},
    {"R0lGOD", "base64 text of a GIF", AS_JSON, SG_CONTENT_PACKED},
    {"UklGR", "base64 text of a WebP", AS_JSON, SG_CONTENT_PACKED},
};

static bool starts(const uint8_t *bytes, size_t size, unsigned offset, const char *magic, unsigned count)
{
    return size >= offset + count && memcmp(bytes + offset, magic, count) == 0;
}

static const struct magic *find(const struct magic *rows, size_t count, const uint8_t *bytes, size_t size)
{
    size_t i;

    for (i = 0; i < count; i++)
        if (starts(bytes, size, rows[i].offset, rows[i].magic, rows[i].bytes))
            return &rows[i];
    return NULL;
}

/* The sizes a BMP's header may have: its two letters alone begin many a text. */
static bool is_bmp(const uint8_t *bytes, size_t size)
{
    return size >= 18 && bytes[0] == 'B' && bytes[1] == 'M' && bytes[15] == 0 && bytes[16] == 0 &&
           bytes[17] == 0 && (bytes[14] == 12 || bytes[14] == 16 || bytes[14] >= 40);
}

static bool is_pnm(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
           (bytes[2] == '\n' || bytes[2] == ' ' || bytes[2] == '\r' || bytes[2] == '\t' || bytes[2] == '#');
}

static bool is_text_byte(uint8_t byte)
{
    return byte >= ' ' ? byte != 0x7f : byte == '\n' || byte == '\r' || byte == '\t' || byte == '\f';
}

static bool is_text(const uint8_t *bytes, size_t size)
{
    size_t i, many = size < TEXT_LOOKED ? size : TEXT_LOOKED, high = 0;

    for (i = 0; i < many && is_text_byte(bytes[i]); i++)
        high += bytes[i] >= 0x80;
    return many > 0 && i == many && high <= many / 2;
}

/* "name=value", percent signs and all, as forms and curl -d send it. */
static bool is_form(const char *text, size_t size)
{
    static const char of_names[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.[]";
    size_t i = 0;

    while (i < size && i < FORM_NAME_MAX && strchr(of_names, text[i]))
        i++;
    return i > 0 && i < size && text[i] == '=';
}

static struct sg_content look_text(const char *text, size_t size)
{
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        size_t length = strlen(texts[i].begin);

        if (size >= length && strncasecmp(text, texts[i].begin, length) == 0)
            return (struct sg_content){texts[i].kind, texts[i].what, texts[i].advice, (unsigned)length};
    }
    if (size > 4 && memcmp(text, "--", 2) == 0 && memmem(text, size, "ontent-", 7))
        return (struct sg_content){
            SG_CONTENT_PACKED, "a multipart form",
            "its Content-Type must be multipart/form-data with the form's boundary: let "
            "the client set it (curl -F image=@photo.jpg)",
            2};
    if (is_form(text, size))
        return (struct sg_content){SG_CONTENT_PACKED, "a form field (name=value)",
                                   "send a form as curl -F image=@photo.jpg does, or " SEND_BYTES, 0};
    return (struct sg_content){SG_CONTENT_TEXT, "text", SEND_BYTES, 0};
}

struct sg_content sg_content_look(const uint8_t *bytes, size_t size)
{
    const struct magic *row = find(pictures, sizeof(pictures) / sizeof(pictures[0]), bytes, size);
    size_t blank = size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

    if (row && (row->offset != 8 || memcmp(bytes, "RIFF", 4) == 0))
        return (struct sg_content){SG_CONTENT_PICTURE, row->what, NULL, row->bytes};
    if (is_bmp(bytes, size))
        return (struct sg_content){SG_CONTENT_PICTURE, "a BMP", NULL, 5};
    if (is_pnm(bytes, size))
        return (struct sg_content){SG_CONTENT_PICTURE, "a PBM, PGM, PPM or PAM", NULL, 3};
    row = find(files, sizeof(files) / sizeof(files[0]), bytes, size);
    if (row && (row->offset != 8 || memcmp(bytes, "RIFF", 4) == 0))
        return (struct sg_content){SG_CONTENT_FILE, row->what, row->advice, row->bytes};
    if (!is_text(bytes, size))
        return (struct sg_content){SG_CONTENT_UNKNOWN, NULL, NULL, 0};
    while (blank < size && strchr(" \t\r\n", bytes[blank]))
        blank++;
    return look_text((const char *)bytes + blank, size - blank);
}

bool sg_content_stripped(const uint8_t *bytes, size_t size)
{
    static const char kept[] = "\x89PNG\x1a"; /* a PNG's first bytes without its line ends */
    bool png = starts(bytes, size, 0, kept, sizeof(kept) - 1);

    return size >= SG_CONTENT_LOOK_BYTES &&
           (png || sg_content_look(bytes, size).kind == SG_CONTENT_PICTURE) && !memchr(bytes, '\0', size) &&
           !memchr(bytes, '\n', size) && !memchr(bytes, '\r', size);
}

int sg_content_check(const uint8_t *bytes, size_t size, const char *subject, struct sg_error *err)
{
    struct sg_content content = sg_content_look(bytes, size);
    char text[TEXT_SHOWN + 1];
    size_t i;

    switch (content.kind) {
    case SG_CONTENT_UNKNOWN:
    case SG_CONTENT_PICTURE:
        return 0;
    case SG_CONTENT_FILE:
        return sg_error_set(err, SG_E_UNSUPPORTED, "%s %s, not a picture%s%s", subject, content.what,
                            content.advice ? ": " : "", content.advice ? content.advice : "");
    case SG_CONTENT_PACKED:
    case SG_CONTENT_TEXT:
        break;
    }
    for (i = 0; i < size && i < TEXT_SHOWN; i++)
        text[i] = (char)(bytes[i] >= ' ' && bytes[i] != '"' ? bytes[i] : ' ');
    text[i] = '\0';
    return sg_error_set(err, content.kind == SG_CONTENT_TEXT ? SG_E_BAD_IMAGE : SG_E_INVALID,
                        "%s %s (\"%s%s\"), not a picture: %s", subject, content.what, text,
                        size > TEXT_SHOWN ? "…" : "", content.advice);
}
