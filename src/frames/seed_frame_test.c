/* SPDX-License-Identifier: MIT
 * Seed framing fed every split of a stream in two, and single bytes; lengths at their borders; growth.
 */
#include "frames/frames.h"
#include "frames/seed_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 100000

/* What came out of a stream: frames one after the other, each ended by '|'; then '!' when broken. */
struct outcome {
    char text[256];
    size_t used;
    struct sg_error error;
};

static void note(struct outcome *out, const void *data, size_t size)
{
    assert_true(out->used + size < sizeof(out->text));
    memcpy(out->text + out->used, data, size);
    out->used += size;
}

/* Feeds a piece; returns false when the stream is broken. */
static bool feed(struct sg_seed_frame *frame, struct sg_buf *bytes, const uint8_t *data, size_t size,
                 struct outcome *out)
{
    while (size > 0) {
        uint8_t *place = NULL;
        size_t room = 0;

        if (frame->state == SG_SEED_HEADER)
            sg_seed_frame_header(frame, &place, &room);
        else
            assert_int_equal(sg_seed_frame_payload(frame, bytes, &place, &room), 0);
        assert_true(room > 0);
        if (room > size)
            room = size;
        memcpy(place, data, room);
        data += room;
        size -= room;
        if (frame->state == SG_SEED_HEADER)
            sg_seed_frame_header_got(frame, room, &out->error);
        else
            sg_seed_frame_payload_got(frame, bytes, room);
        if (frame->state == SG_SEED_BROKEN) {
            note(out, "!", 1);
            return false;
        }
        if (frame->state == SG_SEED_COMPLETE) {
            note(out, bytes->data, bytes->size);
            note(out, "|", 1);
            sg_buf_clear(bytes);
            sg_seed_frame_next(frame);
        }
    }
    return true;
}

static void every_split_gives_the_same_frames(void **state)
{
    static const uint8_t stream[] = "\x03\0\0\0abc\x01\0\0\0d\x0a\0\0\0"
                                    "0123456789\x02\0\0\0ef\xff\xff\xff\xff";
    const size_t size = sizeof(stream) - 1;
    size_t i, j;

    (void)state;
    for (i = 0; i <= size; i++) {
        for (j = i; j <= size; j++) {
            struct outcome out = {.used = 0};
            struct sg_seed_frame frame;
            struct sg_buf bytes;

            sg_seed_frame_init(&frame, LIMIT);
            sg_buf_init(&bytes, 0);
            if (feed(&frame, &bytes, stream, i, &out) && feed(&frame, &bytes, stream + i, j - i, &out))
                feed(&frame, &bytes, stream + j, size - j, &out);
            assert_string_equal(out.text, "abc|d|0123456789|ef|!");
            assert_int_equal(out.error.code, SG_E_FRAMING);
            sg_buf_fini(&bytes);
        }
    }
}

static void single_bytes_and_partial(void **state)
{
    static const uint8_t stream[] = "\x03\0\0\0abc";
    struct outcome out = {.used = 0};
    struct sg_seed_frame frame;
    struct sg_buf bytes;
    size_t i;

    (void)state;
    sg_seed_frame_init(&frame, LIMIT);
    sg_buf_init(&bytes, 0);
    for (i = 0; i < sizeof(stream) - 1; i++) {
        assert_int_equal(sg_seed_frame_partial(&frame), i > 0);
        assert_true(feed(&frame, &bytes, stream + i, 1, &out));
    }
    assert_false(sg_seed_frame_partial(&frame));
    assert_string_equal(out.text, "abc|");
    sg_buf_fini(&bytes);
}

static int length_code(int32_t length)
{
    uint32_t v = (uint32_t)length;
    struct sg_seed_frame frame;
    struct sg_error err = {0};
    uint8_t *place;
    size_t room;
    int code;

    sg_seed_frame_init(&frame, LIMIT);
    sg_seed_frame_header(&frame, &place, &room);
    assert_int_equal(room, 4);
    place[0] = (uint8_t)v;
    place[1] = (uint8_t)(v >> 8);
    place[2] = (uint8_t)(v >> 16);
    place[3] = (uint8_t)(v >> 24);
    code = sg_seed_frame_header_got(&frame, 4, &err);
    assert_int_equal(code, err.code);
    assert_int_equal(frame.length, length);
    assert_int_equal(frame.state, code ? SG_SEED_BROKEN : SG_SEED_PAYLOAD);
    return code;
}

static void lengths_at_their_borders(void **state)
{
    (void)state;
    assert_int_equal(length_code(1), 0);
    assert_int_equal(length_code(LIMIT), 0);
    assert_int_equal(length_code(LIMIT + 1), SG_E_TOO_LARGE);
    assert_int_equal(length_code(INT32_MAX), SG_E_TOO_LARGE);
    assert_int_equal(length_code(0), SG_E_EMPTY_IMAGE);
    assert_int_equal(length_code(-1), SG_E_FRAMING);
    assert_int_equal(length_code(INT32_MIN), SG_E_FRAMING);
}

static void memory_follows_what_has_arrived(void **state)
{
    const size_t length = (size_t)64 << 20;
    struct sg_error err;
    struct sg_seed_frame frame;
    size_t room, total = 0;
    struct sg_buf bytes;
    uint8_t *place;

    (void)state;
    sg_seed_frame_init(&frame, length);
    sg_buf_init(&bytes, 0);
    sg_seed_frame_header(&frame, &place, &room);
    memset(place, 0, 3);
    place[3] = 4; /* 64 MiB */
    assert_int_equal(sg_seed_frame_header_got(&frame, 4, &err), 0);
    while (frame.state == SG_SEED_PAYLOAD) {
        size_t charged = sg_seed_frame_capacity(&frame, &bytes);

        assert_int_equal(sg_seed_frame_payload(&frame, &bytes, &place, &room), 0);
        assert_int_equal(bytes.capacity, charged);
        /* Never more than twice what came, but for the first step; never past the frame. */
        assert_true(bytes.capacity <= SG_SEED_FIRST_BYTES || bytes.capacity <= 2 * total);
        assert_true(total + room <= length);
        total += room;
        sg_seed_frame_payload_got(&frame, &bytes, room);
    }
    assert_int_equal(frame.state, SG_SEED_COMPLETE);
    assert_int_equal(total, length);
    sg_buf_fini(&bytes);
}

static void first_bytes_choose_the_protocol(void **state)
{
    static const char *const http[] = {"GET ", "POST", "PUT ", "HEAD", "DELE", "OPTI", "PATC"};
    static const struct sg_protocol_ops *const protocols[] = {&sg_protocol_v2, &sg_protocol_seed, NULL};
    static const uint8_t largest[4] = {0, 0, 0, 0x20}; /* 512 MiB, the largest length allowed */
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(http) / sizeof(http[0]); i++) {
        const uint8_t *head = (const uint8_t *)http[i];
        uint32_t as_length =
            (uint32_t)head[0] | (uint32_t)head[1] << 8 | (uint32_t)head[2] << 16 | (uint32_t)head[3] << 24;

        assert_true(as_length > SG_SERVER_MAX_FRAME_BYTES);
    }
    assert_int_equal(sg_protocol_find(protocols, (const uint8_t *)"SGT2", 4), 0);
    assert_int_equal(sg_protocol_find(protocols, (const uint8_t *)"SG", 2), 0); /* most likely */
    assert_int_equal(sg_protocol_find(protocols, (const uint8_t *)"SGT1", 4), 1);
    assert_int_equal(sg_protocol_find(protocols, NULL, 0), 1);
    assert_int_equal(sg_protocol_find(protocols, largest, 4), 1);
    assert_int_equal(sg_protocol_find(protocols, (const uint8_t *)"\x10\0\0\0", 4), 1);
    assert_int_equal(sg_protocol_find(protocols, (const uint8_t *)"\xff\xff\xff\xff", 4), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_split_gives_the_same_frames),
        cmocka_unit_test(single_bytes_and_partial),
        cmocka_unit_test(lengths_at_their_borders),
        cmocka_unit_test(memory_follows_what_has_arrived),
        cmocka_unit_test(first_bytes_choose_the_protocol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
