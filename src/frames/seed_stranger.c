/* SPDX-License-Identifier: MIT
 * The readings of a first few bytes. TLS records: RFC 8446, 5.1 and 4; SSL 2.0 compatible hellos: RFC 5246,
 * E.2.
 */
#include "frames/seed_stranger.h"

#include "serve/content.h"
#include "serve/server.h"

#include <string.h>

#define HEADER_BYTES 4
#define HELLO_BYTES  11 /* header of the record, of the handshake message, its version */
#define DIGITS_MAX   10
#define SMALLEST     33 /* bytes; no picture is smaller */
#define PLACE_MAX    24 /* what stands before a picture and is still called a length */

#define RIGHT "a seed frame begins with a 4-byte (32-bit) little-endian binary length; the connection closes"

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static bool is_length(uint64_t n)
{
    return n >= 1 && n <= SG_SERVER_MAX_FRAME_BYTES;
}

void sg_seed_stranger_add(struct sg_seed_stranger *stranger, const uint8_t *data, size_t n)
{
    size_t room = SG_SEED_STRANGER_LOOK - stranger->count, kept = n < room ? n : room;

    memcpy(stranger->bytes + stranger->count, data, kept);
    stranger->count += kept;
    stranger->total += n;
}

/* 16 03 0x, length of the record, 01, length of the hello, 03 0x. A hello may go on in further records. */
static bool is_client_hello(const uint8_t *p, size_t size)
{
    uint32_t record, hello;

    if (size < HELLO_BYTES || p[0] != 0x16 || p[1] != 3 || p[2] > 4 || p[5] != 1 || p[9] != 3 || p[10] > 4)
        return false;
    record = (uint32_t)p[3] << 8 | p[4];
    hello = (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8];
    return record >= 4 + 38 && record <= 16384 && hello + 4 >= record && hello < 131072;
}

/* Length with its highest bit set, 01, 03 0x, lengths of three fields, which are all there is. */
static bool is_old_hello(const uint8_t *p, size_t size)
{
    uint32_t record, ciphers, session, challenge;

    if (size < HELLO_BYTES || !(p[0] & 0x80) || p[2] != 1 || p[3] != 3 || p[4] > 4)
        return false;
    record = (uint32_t)(p[0] & 0x7f) << 8 | p[1];
    ciphers = (uint32_t)p[5] << 8 | p[6];
    session = (uint32_t)p[7] << 8 | p[8];
    challenge = (uint32_t)p[9] << 8 | p[10];
    return ciphers > 0 && ciphers % 3 == 0 && challenge >= 16 && challenge <= 32 &&
           record == 9 + ciphers + session + challenge;
}

static bool is_file(const uint8_t *p, size_t size)
{
    struct sg_content content = sg_content_look(p, size);

    return (content.kind == SG_CONTENT_PICTURE || content.kind == SG_CONTENT_FILE) && content.magic >= 3;
}

static bool is_picture(const uint8_t *p, size_t size)
{
    return sg_content_look(p, size).kind == SG_CONTENT_PICTURE;
}

/* What is sure, of `size` bytes of the stream's beginning. */
static bool sure(const uint8_t *p, size_t size, struct sg_error *err)
{
    if (is_client_hello(p, size) || is_old_hello(p, size)) {
        sg_error_set(
            err, SG_E_FRAMING,
            "this is a TLS ClientHello (https, wss), and this port speaks no TLS: use http:// or plain "
            "TCP, or let a proxy end the TLS; the connection closes");
        return true;
    }
    /* No kind of picture begins with four zeros. */
    if (size > 8 && is_length(little_endian(p)) && little_endian(p + 4) == 0 && is_file(p + 8, size - 8)) {
        sg_error_set(err, SG_E_FRAMING,
                     "the length came as a 64-bit (8-byte) little-endian number, %lu: " RIGHT,
                     (unsigned long)little_endian(p));
        return true;
    }
    return false;
}

bool sg_seed_stranger_sure(const struct sg_seed_stranger *stranger, struct sg_error *err)
{
    return !stranger->known && sure(stranger->bytes, stranger->count, err);
}

/* Digits, then a line end: the number, and in *out_bytes how many bytes that is. 0 = none. */
static uint64_t line_of_digits(const uint8_t *p, size_t size, size_t *out_bytes)
{
    uint64_t n = 0;
    size_t i = 0;

    while (i < size && i < DIGITS_MAX && p[i] >= '0' && p[i] <= '9')
        n = n * 10 + (uint64_t)(p[i++] - '0');
    if (i == 0)
        return 0;
    if (i < size && p[i] == '\r')
        i++;
    if (i < size && p[i] == '\n')
        i++;
    *out_bytes = i;
    return n;
}

/* A TIFF that came without a length: its first bytes read as one of 2,771,273. */
static bool is_bare_tiff(const uint8_t *p, size_t size)
{
    return size >= 16 && memcmp(p, "II*\0", 4) == 0 && little_endian(p + 4) >= 8 &&
           !is_picture(p + 4, size - 4);
}

bool sg_seed_stranger_counted(const struct sg_seed_stranger *stranger, struct sg_error *err)
{
    const uint8_t *p = stranger->bytes;
    uint64_t n, total = stranger->total;
    size_t digits = 0;

    if (stranger->known || stranger->count < HEADER_BYTES)
        return false;
    n = big_endian(p);
    if (is_length(n) && total == HEADER_BYTES + n) {
        sg_error_set(err, SG_E_FRAMING,
                     "%llu bytes came, and then nothing: their length was sent big-endian (network byte "
                     "order), which reads as %ld here: " RIGHT,
                     (unsigned long long)n, (long)(int32_t)little_endian(p));
        return true;
    }
    n = little_endian(p);
    if (stranger->count >= 8 && is_length(n) && little_endian(p + 4) == 0 && total == 8 + n) {
        sg_error_set(err, SG_E_FRAMING,
                     "the length came as a 64-bit (8-byte) little-endian number, %llu: " RIGHT,
                     (unsigned long long)n);
        return true;
    }
    n = line_of_digits(p, stranger->count, &digits);
    if (is_length(n) && digits >= 2 && p[digits - 1] == '\n' && total == digits + n) {
        sg_error_set(err, SG_E_FRAMING, "the length came as ASCII text, \"%llu\": " RIGHT,
                     (unsigned long long)n);
        return true;
    }
    if (is_bare_tiff(p, stranger->count) ||
        (stranger->count >= 18 && memcmp(p, "BM", 2) == 0 && total == little_endian(p + 2) &&
         is_picture(p, stranger->count))) {
        sg_error_set(err, SG_E_FRAMING, "%s came without its length in front: " RIGHT,
                     sg_content_look(p, stranger->count).what);
        return true;
    }
    return false;
}

/* Where in the stream's beginning, past its very start, a picture or another file seems to begin; 0 =
 * nowhere. Only by magic numbers of three bytes and more. */
static size_t file_at(const uint8_t *p, size_t size)
{
    size_t at;

    for (at = 1; at + 3 <= size && at <= PLACE_MAX; at++)
        if (is_file(p + at, size - at))
            return at;
    return 0;
}

static int explain_text(const uint8_t *p, size_t size, struct sg_error *err)
{
    struct sg_content content = sg_content_look(p, size);
    char first[SG_SEED_STRANGER_LOOK / 2 + 1];
    size_t digits = 0, i;

    if (line_of_digits(p, HEADER_BYTES, &digits) > 0 && (digits == HEADER_BYTES || p[digits] == ' '))
        return sg_error_set(err, SG_E_FRAMING, "the length came as ASCII text, \"%llu\": " RIGHT,
                            (unsigned long long)line_of_digits(p, size, &digits));
    for (i = 0; i < HEADER_BYTES; i++)
        if (p[i] >= 0x7f || (p[i] < ' ' && p[i] != '\n' && p[i] != '\r' && p[i] != '\t'))
            return 0;
    for (i = 0; i < size && i < sizeof(first) - 1 && p[i] >= ' ' && p[i] < 0x7f; i++)
        first[i] = (char)p[i];
    first[i] = '\0';
    return sg_error_set(
        err, SG_E_FRAMING, "text came (\"%s\"%s%s), which is neither HTTP nor a seed frame: " RIGHT, first,
        content.kind == SG_CONTENT_PACKED ? ", " : "", content.kind == SG_CONTENT_PACKED ? content.what : "");
}

/* By where the picture begins. */
static int explain_place(const uint8_t *p, size_t size, struct sg_error *err)
{
    size_t at = file_at(p, size);

    if (at == 0 || at == HEADER_BYTES)
        return 0;
    if (at == 8 && big_endian(p) == 0 && !is_length(big_endian(p + 4)))
        return 0; /* an empty frame, and then a right one */
    if (at == 8 && big_endian(p) == 0)
        return sg_error_set(err, SG_E_FRAMING,
                            "the length came as a 64-bit (8-byte) big-endian number, %lu: " RIGHT,
                            (unsigned long)big_endian(p + 4));
    return sg_error_set(err, SG_E_FRAMING,
                        "%zu bytes (%zu-bit) stand before %s where a length of 4 belongs: " RIGHT, at, at * 8,
                        sg_content_look(p + at, size - at).what);
}

/* Only numbers speak for it, so the error stays what it is and tells of the other reading as well. */
static void explain_numbers(const struct sg_seed_stranger *whole, bool first, size_t more_bytes,
                            size_t max_bytes, struct sg_error *err)
{
    const uint8_t *p = whole->bytes;
    uint32_t big = big_endian(p), little = little_endian(p), next = whole->count >= 8 ? big_endian(p + 4) : 0;
    struct sg_error got = *err;
    bool picture = is_picture(p + HEADER_BYTES, whole->count - HEADER_BYTES);

    if (big >= SMALLEST && big <= max_bytes && (first || (big > little && picture)))
        sg_error_set(
            err, got.code,
            "%s; the %slength read big-endian (network byte order) would be %lu, but it must be 4 bytes "
            "little-endian",
            got.text, first ? "" : "first frame's ", (unsigned long)big);
    else if (first && big == 0 && next >= SMALLEST && next <= max_bytes &&
             (little_endian(p + 4) == 0 || little_endian(p + 4) > max_bytes))
        sg_error_set(
            err, got.code,
            "%s; read as a 64-bit (8-byte) big-endian number it would be %lu, but it must be 4 bytes "
            "little-endian",
            got.text, (unsigned long)next);
    else if (!first && whole->count >= 8 && next == 0 && whole->total == 8 + (uint64_t)little &&
             more_bytes == 0)
        sg_error_set(
            err, got.code,
            "%s; was the first frame's length, %lu, sent as a 64-bit (8-byte) number? It must be 4 bytes "
            "little-endian",
            got.text, (unsigned long)little);
}

void sg_seed_stranger_explain(const struct sg_seed_stranger *stranger, const uint8_t *more, size_t more_bytes,
                              size_t max_bytes, struct sg_error *err)
{
    struct sg_seed_stranger whole = *stranger;
    const uint8_t *p = whole.bytes;
    bool first = stranger->total == HEADER_BYTES; /* the header is the stream's beginning */

    if (stranger->known || stranger->count < HEADER_BYTES)
        return;
    if (first)
        sg_seed_stranger_add(&whole, more, more_bytes);
    if (sure(p, whole.count, err))
        return;
    if (first && is_file(p, whole.count)) {
        sg_error_set(err, SG_E_FRAMING, "%s came without its length in front: " RIGHT,
                     sg_content_look(p, whole.count).what);
        return;
    }
    if ((first && explain_text(p, whole.count, err) < 0) || explain_place(p, whole.count, err) < 0)
        return;
    explain_numbers(&whole, first, more_bytes, max_bytes, err);
}
