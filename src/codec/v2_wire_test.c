/* SPDX-License-Identifier: MIT
 * The wire of v2 byte by byte. Requests are put together here from the tables of docs/PROTOCOL.md.
 */
#include "codec/v2_wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LIMIT 100000u

/* A stream under construction. */
static uint8_t stream[4096];
static size_t used;

static void put(uint64_t value, unsigned bytes)
{
    while (bytes-- > 0) {
        stream[used++] = (uint8_t)value;
        value >>= 8;
    }
}

static void put_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    put(bits, 4);
}

static void put_hello(unsigned policy, unsigned window)
{
    used = 0;
    put(0x32544753, 4); /* "SGT2" */
    put(2, 2);
    put(2, 2);
    put(policy, 1);
    put(0, 1);
    put(window, 2);
    put(0, 4);
}

static void put_header(uint32_t body, unsigned type, uint64_t id)
{
    put(body, 4);
    put(type, 1);
    put(0, 3);
    put(id, 8);
}

struct request {
    unsigned head_bytes, kind, format, decode;
    float threshold, iou;
    uint32_t max_objects, top_k, width, height, stride;
    const char *name;
    size_t picture;
};

static const struct request plain = {
    .head_bytes = 40, .threshold = -1, .iou = -1, .top_k = 1000, .name = "faces", .picture = 3};

static void put_request(const struct request *r, uint64_t id)
{
    size_t name = strlen(r->name);

    put_header((uint32_t)(r->head_bytes + name + r->picture), SG_V2_INFER, id);
    put(r->head_bytes, 2);
    put(name, 1);
    put(r->kind, 1);
    put(r->format, 1);
    put(r->decode, 1);
    put(0, 2);
    put(250, 4);
    put_float(r->threshold);
    put_float(r->iou);
    put(r->max_objects, 4);
    put(r->top_k, 2);
    put(0, 2);
    put(r->width, 4);
    put(r->height, 4);
    put(r->stride, 4);
    put(0, r->head_bytes - 40);
    memcpy(stream + used, r->name, name);
    used += name;
    memset(stream + used, 'p', r->picture);
    used += r->picture;
}

static void reader_for_test(struct sg_v2_reader *reader)
{
    sg_v2_reader_init(reader, &(struct sg_v2_limits){.max_image_bytes = LIMIT, .max_pixels = LIMIT});
}

/* Feeds stream[*at..] in pieces of at most `piece` bytes until something happens. */
static enum sg_v2_event feed(struct sg_v2_reader *reader, size_t *at, size_t piece, struct sg_error *err)
{
    while (*at < used) {
        enum sg_v2_event event;
        uint8_t *place = NULL;
        size_t room = reader->left;

        if (reader->state != SG_V2_AT_PICTURE && reader->state != SG_V2_AT_SKIP)
            sg_v2_reader_place(reader, &place, &room);
        assert_true(room > 0);
        if (room > piece)
            room = piece;
        if (room > used - *at)
            room = used - *at;
        if (place)
            memcpy(place, stream + *at, room);
        *at += room;
        event = sg_v2_reader_got(reader, room, err);
        if (event != SG_V2_NOTHING)
            return event;
    }
    return SG_V2_NOTHING;
}

static void a_session_in_pieces_of_any_size(void **state)
{
    struct request raw = {.head_bytes = 48,
                          .kind = 4,
                          .format = 1,
                          .decode = 2,
                          .threshold = 0.25f,
                          .iou = 0,
                          .max_objects = 7,
                          .width = 4,
                          .height = 2,
                          .stride = 6,
                          .name = "",
                          .picture = 18};
    struct sg_v2_reader reader;
    struct sg_error err;
    size_t piece;

    (void)state;
    put_hello(1, 3);
    put_request(&plain, UINT64_MAX);
    put_header(4, SG_V2_PING, 9);
    put(0x64636261, 4);
    put_header(0, SG_V2_CANCEL, 7);
    put_request(&raw, 2);
    put_header(0, SG_V2_GOODBYE, 0);
    for (piece = 1; piece <= used; piece++) {
        size_t at = 0;

        reader_for_test(&reader);
        assert_true(sg_v2_reader_partial(&reader));
        assert_int_equal(feed(&reader, &at, piece, &err), SG_V2_GOT_HELLO);
        assert_false(sg_v2_reader_partial(&reader));
        assert_int_equal(reader.hello.policy, SG_V2_NEWEST);
        assert_int_equal(reader.hello.window, 3);
        assert_int_equal(feed(&reader, &at, piece, &err), SG_V2_GOT_INFER);
        assert_true(reader.header.id == UINT64_MAX && reader.picture_bytes == 3);
        assert_string_equal(reader.infer.pipeline, "faces");
        assert_int_equal(reader.infer.deadline_ms, 250);
        assert_true(reader.infer.options.threshold == -1.0f && reader.infer.options.iou == -1.0f);
        assert_int_equal(reader.infer.options.top_k, 1000);
        assert_false(reader.infer.pixels.raw);
        assert_int_equal(feed(&reader, &at, piece, &err), SG_V2_GOT_PICTURE);
        assert_int_equal(feed(&reader, &at, piece, &err), SG_V2_GOT_CONTROL);
        assert_int_equal(reader.header.type, SG_V2_PING);
        assert_memory_equal(reader.small, "abcd", 4);
        assert_int_equal(feed(&reader, &at, piece, &err), SG_V2_GOT_CONTROL);
        assert_true(reader.header.type == SG_V2_CANCEL && reader.header.id == 7);
        assert_int_equal(feed(&reader, &at, piece, &err), SG_V2_GOT_INFER);
        assert_string_equal(reader.infer.pipeline, "");
        assert_int_equal(reader.infer.format, SG_V2_RECORDS);
        assert_int_equal(reader.infer.options.decode, SG_DECODE_EXACT);
        assert_true(reader.infer.options.threshold == 0.25f && reader.infer.options.iou == 0.0f);
        assert_int_equal(reader.infer.options.max_objects, 7);
        assert_true(reader.infer.pixels.raw && reader.infer.pixels.format == SG_PIXEL_NV12);
        assert_true(reader.infer.pixels.width == 4 && reader.infer.pixels.height == 2 &&
                    reader.infer.pixels.stride_bytes == 6);
        sg_v2_reader_skip(&reader); /* as a refused one */
        assert_int_equal(feed(&reader, &at, piece, &err), SG_V2_GOT_CONTROL);
        assert_int_equal(reader.header.type, SG_V2_GOODBYE);
        assert_int_equal(at, used);
    }
}

static void requests_that_cannot_be_are_skipped(void **state)
{
    static const struct {
        struct request request;
        enum sg_err code;
        const char *says;
    } cases[] = {
        {{.kind = 5, .picture = 3}, SG_E_INVALID, "kind"},
        {{.format = 2, .picture = 3}, SG_E_INVALID, "format"},
        {{.decode = 3, .picture = 3}, SG_E_INVALID, "decode"},
        {{.threshold = 1.5f, .picture = 3}, SG_E_INVALID, "threshold"},
        {{.iou = __builtin_nanf(""), .picture = 3}, SG_E_INVALID, "iou"},
        {{.max_objects = 4097, .picture = 3}, SG_E_INVALID, "4096"},
        {{.picture = 0}, SG_E_EMPTY_IMAGE, "no image"},
        {{.width = 2, .picture = 3}, SG_E_INVALID, "encoded"},
        {{.kind = 1, .width = 1, .height = 1, .stride = 2, .picture = 3}, SG_E_INVALID, "stride"},
        {{.kind = 1, .width = 1, .height = 2, .stride = 3, .picture = 3}, SG_E_INVALID, "make 6"},
        {{.kind = 3, .width = 65536, .height = 1, .stride = 65536, .picture = 3}, SG_E_INVALID, "sides"},
        {{.kind = 3, .width = 0, .height = 0, .stride = 0, .picture = 3}, SG_E_INVALID, "sides"},
        {{.kind = 3, .width = 1000, .height = 101, .stride = 1000, .picture = 3},
         SG_E_TOO_LARGE,
         "101000 pixels"},
        {{.kind = 3, .width = 1000, .height = 100, .stride = 1000, .picture = 3},
         SG_E_INVALID,
         "make 100000"},
        {{.top_k = 1001, .picture = 3}, SG_E_INVALID, "top_k is 1001, the limit is 1000"},
        {{.kind = 4, .width = 3, .height = 2, .stride = 4, .picture = 12}, SG_E_INVALID, "even"},
        /* 65535 * 2^32 wraps in 32 bits. */
        {{.kind = 3, .width = 1, .height = 65535, .stride = 0xffffffff, .picture = 3},
         SG_E_INVALID,
         "make 281470681677825"},
    };
    struct sg_v2_reader reader;
    struct sg_error err;
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request request = cases[i].request;
        size_t at = 0;

        request.head_bytes = 40;
        request.name = "x";
        put_hello(0, 0);
        put_request(&request, 1 + i);
        put_request(&plain, 1000);
        reader_for_test(&reader);
        assert_int_equal(feed(&reader, &at, 7, &err), SG_V2_GOT_HELLO);
        assert_int_equal(feed(&reader, &at, 7, &err), SG_V2_GOT_BAD);
        assert_int_equal(reader.header.id, 1 + i);
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu: \"%s\" has no \"%s\"", i, err.text, cases[i].says);
        /* The next request is found. */
        assert_int_equal(feed(&reader, &at, 7, &err), SG_V2_GOT_INFER);
        assert_int_equal(reader.header.id, 1000);
    }
}

static void a_picture_above_the_limit_is_skipped(void **state)
{
    struct request large = plain;
    struct sg_v2_reader reader;
    struct sg_error err;
    size_t at = 0;

    (void)state;
    put_hello(0, 0);
    large.picture = 1;
    put_request(&large, 5);
    stream[16] = (uint8_t)((LIMIT + 1 + 45) & 0xff); /* the length of the body */
    stream[17] = (uint8_t)((LIMIT + 1 + 45) >> 8);
    stream[18] = (uint8_t)((LIMIT + 1 + 45) >> 16);
    reader_for_test(&reader);
    assert_int_equal(feed(&reader, &at, 100, &err), SG_V2_GOT_HELLO);
    assert_int_equal(feed(&reader, &at, 100, &err), SG_V2_GOT_BAD);
    assert_int_equal(err.code, SG_E_TOO_LARGE);
    assert_int_equal(reader.state, SG_V2_AT_SKIP);
    assert_int_equal(reader.left, LIMIT + 1);
}

/* One byte changed breaks the stream, for ever. */
static void what_breaks_the_stream(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        enum sg_err code;
    } cases[] = {{0, 'X', SG_E_FRAMING},   {4, 3, SG_E_UNSUPPORTED}, {6, 1, SG_E_UNSUPPORTED},
                 {8, 3, SG_E_FRAMING},     {9, 1, SG_E_FRAMING},     {12, 1, SG_E_FRAMING},
                 {16, 39, SG_E_FRAMING},   {19, 0x40, SG_E_FRAMING}, {20, 0, SG_E_FRAMING},
                 {20, 0x81, SG_E_FRAMING}, {21, 1, SG_E_FRAMING},    {22, 1, SG_E_FRAMING},
                 {24, 0, SG_E_FRAMING},    {32, 39, SG_E_FRAMING},   {32, 200, SG_E_FRAMING},
                 {34, 100, SG_E_FRAMING},  {20, SG_V2_PING, SG_OK},  {20, SG_V2_CANCEL, SG_E_FRAMING}};
    struct sg_v2_reader reader;
    struct sg_error err = {0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum sg_v2_event event = SG_V2_NOTHING;
        size_t at = 0;

        put_hello(0, 0);
        put_request(&plain, 1);
        stream[cases[i].at] = cases[i].value;
        reader_for_test(&reader);
        while (at < used && event != SG_V2_GOT_BROKEN && event != SG_V2_GOT_INFER)
            event = feed(&reader, &at, 5, &err);
        if (cases[i].code == SG_OK) {
            assert_int_not_equal(event, SG_V2_GOT_BROKEN);
            continue;
        }
        if (event != SG_V2_GOT_BROKEN)
            fail_msg("case %zu does not break the stream", i);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(sg_v2_reader_got(&reader, 1, &err), SG_V2_NOTHING);
        assert_int_equal(reader.state, SG_V2_BROKEN);
    }
}

static const char *two_names(void *ctx, int index, bool *out_default)
{
    static const char *const names[] = {"faces", "text"};

    (void)ctx;
    *out_default = index == 1;
    return index < 2 ? names[index] : NULL;
}

static void what_the_server_writes(void **state)
{
    static const uint8_t error_frame[] = {34, 0, 0,    0,    0x83, 0, 0, 0, 8, 7, 6,   5,   4,   3,
                                          2,  1, 0x39, 0x30, 0,    0, 4, 0, 0, 0, 'b', 'u', 's', 'y'};
    struct sg_v2_welcome welcome = {
        .policy = SG_V2_OLDEST, .window = 12, .max_image_bytes = 0x01020304, .receive_timeout_ms = 30000};
    struct sg_error err;
    struct sg_buf buf;
    const uint8_t *body;
    size_t server;

    (void)state;
    sg_buf_init(&buf, 4096);
    sg_error_set(&err, SG_E_BUSY, "twenty-two bytes here.");
    assert_int_equal(sg_v2_error_write(0x0102030405060708u, &err, 12345, &buf), 0);
    assert_int_equal(buf.size, 16 + 34);
    assert_memory_equal(buf.data, error_frame, sizeof(error_frame));
    assert_memory_equal(buf.data + sizeof(error_frame), "twenty-two bytes here.", 22);
    sg_buf_clear(&buf);
    assert_int_equal(sg_v2_welcome_write(&welcome, two_names, NULL, &buf), 0);
    body = buf.data + 16;
    assert_int_equal(buf.data[4], 0x81);
    assert_int_equal(buf.data[0] | buf.data[1] << 8, buf.size - 16);
    assert_true(body[0] == 2 && body[2] == 2 && body[4] == 2 && body[6] == 32);
    assert_memory_equal(body + 8, "\4\3\2\1", 4);
    assert_int_equal(body[12] | body[13] << 8, 4096);
    assert_int_equal(body[16] | body[17] << 8, 30000);
    assert_true(body[20] == 12 && body[22] == 2 && body[24] == 2);
    server = body[33];
    assert_memory_equal(body + 34, "sightd ", 7);
    assert_memory_equal(body + 34 + server, "\0\5faces\1\4text", 13);
    assert_int_equal(buf.size, 16 + 34 + server + 13);
    sg_buf_fini(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_session_in_pieces_of_any_size),
                                       cmocka_unit_test(requests_that_cannot_be_are_skipped),
                                       cmocka_unit_test(a_picture_above_the_limit_is_skipped),
                                       cmocka_unit_test(what_breaks_the_stream),
                                       cmocka_unit_test(what_the_server_writes)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
