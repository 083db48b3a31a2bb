/* SPDX-License-Identifier: MIT
 * Marks of sightd's own files.
 */
#include "sink/mark.h"

#include "base/path.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMENT_BYTES 36 /* of "drawn by sightd, N bytes" with N in twelve digits */
#define SEGMENT_BYTES (COMMENT_BYTES + 4)
#define PART_ENDING   ".part"
#define JPEG_SOS      0xda
#define JPEG_COM      0xfe

static void write_comment(char out[COMMENT_BYTES + 1], uint64_t file_bytes)
{
    (void)snprintf(out, COMMENT_BYTES + 1, "drawn by sightd, %012" PRIu64 " bytes.", file_bytes);
}

/* Bytes of the segment at `at`, its marker included; 0 when there is none. */
static size_t segment_bytes(const uint8_t *jpeg, size_t size, size_t at)
{
    size_t length;

    if (size < 4 || at > size - 4 || jpeg[at] != 0xff || jpeg[at + 1] < 0xc0)
        return 0;
    length = (size_t)jpeg[at + 2] << 8 | jpeg[at + 3];
    return length < 2 ? 0 : 2 + length; /* the length counts its own two bytes */
}

int sg_mark_jpeg(struct sg_buf *jpeg)
{
    size_t first = segment_bytes(jpeg->data, jpeg->size, 2), at = 2 + first;
    char comment[COMMENT_BYTES + 1];
    uint8_t *to;
    int code;

    if (first == 0 || at > jpeg->size)
        return SG_E_INTERNAL;
    code = sg_buf_reserve(jpeg, SEGMENT_BYTES);
    if (code < 0)
        return code;
    to = jpeg->data + at;
    memmove(to + SEGMENT_BYTES, to, jpeg->size - at);
    jpeg->size += SEGMENT_BYTES;
    write_comment(comment, jpeg->size);
    memcpy(to, (const uint8_t[]){0xff, JPEG_COM, 0, COMMENT_BYTES + 2}, 4);
    memcpy(to + 4, comment, COMMENT_BYTES);
    return 0;
}

static bool is_drawn(const uint8_t *head, size_t size, uint64_t file_bytes)
{
    char comment[COMMENT_BYTES + 1];
    size_t at, bytes;

    if (size < 2 || head[0] != 0xff || head[1] != 0xd8)
        return false;
    write_comment(comment, file_bytes);
    for (at = 2; (bytes = segment_bytes(head, size, at)) > 0 && head[at + 1] != JPEG_SOS; at += bytes) {
        if (head[at + 1] == JPEG_COM && bytes == SEGMENT_BYTES && bytes <= size - at)
            return memcmp(head + at + 4, comment, COMMENT_BYTES) == 0;
    }
    return false;
}

static bool begins(const char *text, size_t size, const char *with)
{
    size_t bytes = strlen(with);

    return size >= bytes && memcmp(text, with, bytes) == 0;
}

/* {"source":"…","pipeline": or another of the keys that a native reply goes on with. */
static bool is_reply(const char *text, size_t size)
{
    static const char *const next[] = {",\"pipeline\":", ",\"image\":", ",\"error\":{\"code\":"};
    size_t at = strlen("{\"source\":\""), i;

    if (!begins(text, size, "{\"source\":\""))
        return false;
    while (at < size && text[at] != '"')
        at += text[at] == '\\' ? 2 : 1;
    for (i = 0; i < sizeof(next) / sizeof(next[0]); i++)
        if (at < size && begins(text + at + 1, size - at - 1, next[i]))
            return true;
    return false;
}

bool sg_mark_in(const void *head, size_t head_bytes, uint64_t file_bytes)
{
    static const char *const beginnings[] = {"source,row,rows,width,height,class_id,",
                                             "{\"info\":{\"description\":\"made by sightd\"",
                                             "# us_up_to share count\n" /* bench --histogram */};
    const char *text = head;
    size_t i;

    for (i = 0; i < sizeof(beginnings) / sizeof(beginnings[0]); i++)
        if (begins(text, head_bytes, beginnings[i]))
            return true;
    if (begins(text, head_bytes, "[\n"))
        return (file_bytes == 4 && begins(text, head_bytes, "[\n]\n")) || is_reply(text + 2, head_bytes - 2);
    return is_reply(text, head_bytes) || is_drawn(head, head_bytes, file_bytes);
}

bool sg_mark_found(const char *path)
{
    uint8_t head[SG_MARK_HEAD_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st = {0};
    ssize_t got = -1;

    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        got = read(fd, head, sizeof(head));
    if (fd >= 0)
        close(fd);
    if (got <= 0)
        return false;
    if (sg_path_ends(path, PART_ENDING) && begins((const char *)head, (size_t)got, "{\"file_name\":\""))
        return true; /* the lines that a COCO document is made of; by themselves others write such, too */
    return sg_mark_in(head, (size_t)got, (uint64_t)st.st_size);
}
