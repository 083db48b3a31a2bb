/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/seed): the first 8 bytes are the sizes of the pieces a stream arrives in, the
 * rest is the stream. Checks what must hold for any input: no frame is longer than its limit, and the pieces
 * do not matter (the same stream at once gives the same frames).
 */
#include "base/fuzzing.h"
#include "frames/seed_frame.h"
#include "serve/protocol.h"

#include <stdlib.h>
#include <string.h>

#define LIMIT  4096u
#define PIECES 8

struct seen {
    uint32_t sum;
    int frames, code;
};

static void add(struct seen *seen, const struct sg_buf *bytes)
{
    size_t i;

    for (i = 0; i < bytes->size; i++)
        seen->sum = seen->sum * 31 + bytes->data[i];
    seen->frames++;
}

static void feed(struct sg_seed_frame *frame, struct sg_buf *bytes, const uint8_t *data, size_t size,
                 struct seen *seen)
{
    while (size > 0 && frame->state != SG_SEED_BROKEN) {
        bool header = frame->state == SG_SEED_HEADER;
        struct sg_error err;
        uint8_t *place;
        size_t room;

        if (header)
            sg_seed_frame_header(frame, &place, &room);
        else if (sg_seed_frame_payload(frame, bytes, &place, &room) < 0)
            abort();
        CHECK(room > 0);
        if (room > size)
            room = size;
        memcpy(place, data, room);
        data += room;
        size -= room;
        if (header)
            seen->code = sg_seed_frame_header_got(frame, room, &err);
        else
            sg_seed_frame_payload_got(frame, bytes, room);
        CHECK(bytes->size <= LIMIT);
        if (frame->state == SG_SEED_COMPLETE) {
            CHECK(bytes->size == (size_t)frame->length);
            add(seen, bytes);
            sg_buf_clear(bytes);
            sg_seed_frame_next(frame);
        }
    }
}

static struct seen run(const uint8_t *pieces, const uint8_t *data, size_t size)
{
    struct seen seen = {0};
    struct sg_seed_frame frame;
    struct sg_buf bytes;
    size_t i = 0;

    sg_seed_frame_init(&frame, LIMIT);
    sg_buf_init(&bytes, 0);
    while (size > 0) {
        size_t n = pieces ? 1 + (size_t)pieces[i++ % PIECES] : size;

        if (n > size)
            n = size;
        feed(&frame, &bytes, data, n, &seen);
        data += n;
        size -= n;
    }
    sg_buf_fini(&bytes);
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen cut, whole;

    if (size < PIECES)
        return 0;
    cut = run(data, data + PIECES, size - PIECES);
    whole = run(NULL, data + PIECES, size - PIECES);
    CHECK(cut.sum == whole.sum && cut.frames == whole.frames && cut.code == whole.code);
    return 0;
}
