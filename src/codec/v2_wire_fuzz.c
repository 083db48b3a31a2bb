/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/v2_wire): the first 8 bytes are the sizes of the pieces a stream arrives in,
 * the rest is the stream. Checks what must hold for any input: the reader never asks for more than its
 * memory, what it lets through fits the limits and the bytes sent, and the pieces do not matter.
 */
#include "codec/v2_wire.h"

#include "base/fuzzing.h"
#include "data/result.h"

#include <string.h>

#define LIMIT  4096u
#define PIECES 8

struct seen {
    uint64_t sum;
    int events, code;
};

static void check_infer(const struct sg_v2_reader *reader)
{
    const struct sg_v2_infer *infer = &reader->infer;

    CHECK(reader->picture_bytes > 0 && reader->picture_bytes <= LIMIT && reader->header.id != 0);
    CHECK(infer->options.threshold <= 1.0f && infer->options.iou <= 1.0f);
    CHECK(infer->options.max_objects >= 0 && infer->options.max_objects <= SG_RESULT_MAX_OBJECTS);
    CHECK(strlen(infer->pipeline) <= SG_V2_NAME_MAX);
    if (infer->pixels.raw)
        CHECK(sg_v2_pixels_bytes(&infer->pixels) == reader->picture_bytes);
}

static void note(const struct sg_v2_reader *reader, enum sg_v2_event event, const struct sg_error *err,
                 struct seen *seen)
{
    if (event == SG_V2_NOTHING)
        return;
    seen->events++;
    seen->sum = seen->sum * 31 + (uint64_t)event + reader->header.id * 7 + reader->header.type;
    if (event == SG_V2_GOT_INFER)
        check_infer(reader);
    if (event == SG_V2_GOT_BAD || event == SG_V2_GOT_BROKEN) {
        CHECK(err->code < 0 && err->text[0] != '\0');
        seen->code = (int)err->code;
    }
    if (event == SG_V2_GOT_CONTROL)
        CHECK(reader->header.body_bytes <= SG_V2_CONTROL_MAX);
}

static struct seen run(const uint8_t *pieces, const uint8_t *data, size_t size)
{
    struct seen seen = {0};
    struct sg_v2_reader reader;
    struct sg_error err = {0};
    size_t i = 0;

    sg_v2_reader_init(&reader, &(struct sg_v2_limits){.max_image_bytes = LIMIT, .max_pixels = LIMIT});
    while (size > 0 && reader.state != SG_V2_BROKEN) {
        enum sg_v2_event event;
        uint8_t *place = NULL;
        size_t n = pieces ? 1 + (size_t)pieces[i++ % PIECES] : size, room = reader.left;

        if (reader.state != SG_V2_AT_PICTURE && reader.state != SG_V2_AT_SKIP) {
            sg_v2_reader_place(&reader, &place, &room);
            CHECK(place >= reader.small && place + room <= reader.small + sizeof(reader.small));
        }
        CHECK(room > 0);
        if (n > size)
            n = size;
        if (n > room)
            n = room;
        if (place)
            memcpy(place, data, n);
        event = sg_v2_reader_got(&reader, n, &err);
        note(&reader, event, &err, &seen);
        if (event == SG_V2_GOT_INFER && reader.header.id % 3 == 0)
            sg_v2_reader_skip(&reader);
        data += n;
        size -= n;
    }
    return seen;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct seen cut, whole;

    if (size < PIECES)
        return 0;
    cut = run(data, data + PIECES, size - PIECES);
    whole = run(NULL, data + PIECES, size - PIECES);
    CHECK(cut.sum == whole.sum && cut.events == whole.events && cut.code == whole.code);
    return 0;
}
