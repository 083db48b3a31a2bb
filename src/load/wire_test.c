/* SPDX-License-Identifier: MIT
 * Replies cut at every byte, several in one buffer, and what is no reply. The texts are written by hand from
 * docs/PROTOCOL.md and RFC 9112, not taken from our server.
 */
#include "load/wire.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct sg_bench_wire *wire(const char *scheme)
{
    int i;

    for (i = 0; sg_bench_wires()[i]; i++)
        if (strcmp(sg_bench_wires()[i]->scheme, scheme) == 0)
            return sg_bench_wires()[i];
    fail_msg("no wire %s", scheme);
    return NULL;
}

/* Feeds text as it would arrive, step bytes at a time; every reply must be found at the byte that ends it. */
static int replies_in(const char *scheme, const char *text, size_t step, struct sg_bench_reply *replies,
                      int max)
{
    const uint8_t *data = (const uint8_t *)text;
    struct sg_bench_scan scan = {0};
    size_t start = 0, have = 0, size = strlen(text);
    int count = 0;

    while (have < size) {
        have = have + step < size ? have + step : size;
        while (start < have && count < max) {
            int64_t used;

            replies[count] = (struct sg_bench_reply){0};
            used = wire(scheme)->reply(&scan, data + start, have - start, &replies[count]);
            assert_true(used >= 0);
            if (used == 0)
                break;
            start += (size_t)used;
            count++;
        }
    }
    assert_int_equal(start, size);
    return count;
}

static void seed_replies_end_at_their_last_brace(void **state)
{
    static const char text[] =
        "{\"object_list\":{\"object_num\":0}}"
        "{\"object_list\":{\"object_num\":2,\"object0\":{\"bbox\":{\"x\":1,\"y\":2,\"w\":3,\"h\":4},"
        "\"classes\":0,"
        "\"objectness\":0.5,\"text\":\"}}{ \\\" "
        "\\\\\"},\"object1\":{\"bbox\":{\"x\":1,\"y\":2,\"w\":3,\"h\":4},"
        "\"text\":\"\\\"error\\\":{\\\"code\\\":\\\"no\\\" \\\"bbox\\\":\"}}}"
        "{\"object_list\":{\"object_num\":0},\"error\":{\"code\":\"bad_image\",\"message\":\"{\"}}";
    struct sg_bench_reply replies[4];
    size_t step;

    (void)state;
    for (step = 1; step <= sizeof(text); step++) {
        assert_int_equal(replies_in("seed", text, step, replies, 4), 3);
        assert_int_equal(replies[0].objects, 0);
        assert_string_equal(replies[0].code, "");
        assert_int_equal(replies[1].objects, 2);
        assert_string_equal(replies[1].code, "");
        assert_string_equal(replies[2].code, "bad_image");
    }
}

static void http_replies_end_by_length_or_last_chunk(void **state)
{
    static const char text[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\ncontent-length: 42\r\n\r\n"
        "{\"objects\":[{\"bbox\":{\"x\":1}},{\"bbox\":{}}]}"
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 43\r\nConnection: "
        "close\r\n\r\n"
        "{\"error\":{\"code\":\"busy\",\"message\":\"later\"}}"
        "HTTP/1.1 100 Continue\r\n\r\n"
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "a;x=y\r\n{\"bbox\":1}\r\n3\r\nabc\r\n0\r\n\r\n"
        "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    struct sg_bench_reply replies[8];
    size_t step;

    (void)state;
    for (step = 1; step <= sizeof(text); step++) {
        assert_int_equal(replies_in("http", text, step, replies, 8), 5);
        assert_int_equal(replies[0].objects, 2);
        assert_false(replies[0].close);
        assert_string_equal(replies[1].code, "busy");
        assert_true(replies[1].close);
        assert_int_equal(replies[2].objects, 1);
        assert_string_equal(replies[3].code, "http_413");
        assert_string_equal(replies[4].code, "");
    }
}

static void what_is_no_reply_is_refused(void **state)
{
    static const char *const bad_http[] = {"SSH-2.0-x\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n",
                                           "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n"};
    struct sg_bench_reply reply = {0};
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(bad_http) / sizeof(bad_http[0]); i++) {
        struct sg_bench_scan scan = {0};

        assert_true(wire("http")->reply(&scan, (const uint8_t *)bad_http[i], strlen(bad_http[i]), &reply) <
                    0);
    }
    {
        struct sg_bench_scan scan = {0};

        assert_true(wire("seed")->reply(&scan, (const uint8_t *)"HTTP", 4, &reply) < 0);
    }
}

/* Put together from the tables of docs/PROTOCOL.md. */
static void v2_frames_name_their_request(void **state)
{
    static const uint8_t bytes[] = {
        3,   0,   0,   0,   0x81, 0,   0,   0,   0,   0,   0, 0, 0, 0, 0, 0, 'a', 'b', 'c', /* a hello */
        13,  0,   0,   0,   0x82, 0,   0,   0,   1,   2,   0, 0, 0, 0, 0, 0, '[', '{', '"',
        'b', 'b', 'o', 'x', '"',  ':', '1', '}', ']', ' ', /* no object: refused below */
    };
    static const uint8_t refusal[] = {16, 0, 0, 0, 0x83, 0, 0, 0, 7,   0,   0,   0,   0,   0,   0,   0,
                                      9,  0, 0, 0, 4,    0, 0, 0, 'b', 'u', 's', 'y', 'w', 'h', 'y', '?'};
    struct sg_bench_reply reply = {0};
    struct sg_bench_scan scan = {0};
    size_t i;

    (void)state;
    for (i = 0; i < 19; i++)
        assert_int_equal(wire("v2")->reply(&scan, bytes, i, &reply), 0);
    assert_int_equal(wire("v2")->reply(&scan, bytes, 19, &reply), 19);
    assert_true(reply.no_reply);
    assert_true(wire("v2")->reply(&scan, bytes + 19, sizeof(bytes) - 19, &reply) < 0);
    reply = (struct sg_bench_reply){0};
    assert_int_equal(wire("v2")->reply(&scan, refusal, sizeof(refusal), &reply), (int)sizeof(refusal));
    assert_string_equal(reply.code, "busy");
    assert_int_equal(reply.id, 7);
    assert_false(reply.close);
}

/* The head of records is all that is looked at: 88 bytes from a server of before there were streams. */
static void v2_records_may_be_an_older_servers(void **state)
{
    uint8_t bytes[16 + 88] = {88, 0, 0, 0, 0x82, 0, 1, 0, 9, [16] = 'S', 'G', 'R', '1', 1, 0, 88, 0, 88};
    struct sg_bench_reply reply = {0};
    struct sg_bench_scan scan = {0};

    (void)state;
    bytes[16 + 12] = 80;
    bytes[16 + 14] = 52;
    assert_int_equal(wire("v2")->reply(&scan, bytes, sizeof(bytes), &reply), sizeof(bytes));
    assert_int_equal(reply.objects, 0);
    assert_int_equal(reply.id, 9);
    bytes[16 + 28] = 3;
    assert_int_equal(wire("v2")->reply(&scan, bytes, sizeof(bytes), &reply), sizeof(bytes));
    assert_int_equal(reply.objects, 3);
    bytes[0] = bytes[16 + 8] = 87;
    assert_true(wire("v2")->reply(&scan, bytes, sizeof(bytes) - 1, &reply) < 0);
}

static void v2_requests_are_what_the_document_says(void **state)
{
    static const uint8_t expected[] = {
        43, 0, 0, 0, 1, 0, 0, 0, 5,   0, 0, 0, 0, 0, 0,    0, /* header, id 5 */
        40, 0, 1, 0, 1, 0, 0, 0, 250, 0, 0, 0, 0, 0, 0x80, 0xbf, 0, 0, 0x80, 0xbf, 0,
        0,  0, 0, 0, 0, 0, 0, 0, 0,   0, 0, 0, 0, 0, 0,    0,    0, 0, 0,    'p'};
    struct sg_bench_target target = {.pipeline = "p", .deadline_ms = 250, .records = true};
    struct sg_buf out;

    (void)state;
    sg_buf_init(&out, SG_BENCH_HEAD_MAX);
    assert_int_equal(wire("v2")->head(&target, 2, &out), 0);
    wire("v2")->set_id(out.data, 5);
    assert_int_equal(out.size, sizeof(expected));
    assert_memory_equal(out.data, expected, sizeof(expected));
    sg_buf_fini(&out);
}

static void seed_head_is_the_length_in_little_endian(void **state)
{
    const uint8_t expected[] = {0x04, 0x03, 0x02, 0x01};
    struct sg_buf out;

    (void)state;
    sg_buf_init(&out, SG_BENCH_HEAD_MAX);
    assert_int_equal(wire("seed")->head(NULL, 0x01020304, &out), 0);
    assert_int_equal(out.size, 4);
    assert_memory_equal(out.data, expected, 4);
    assert_int_equal(wire("seed")->head(NULL, (size_t)INT32_MAX + 1, &out), SG_E_TOO_LARGE);
    sg_buf_fini(&out);
}

static void targets_are_read_and_others_refused(void **state)
{
    static const char *const wrong[] = {"127.0.0.1", "ftp://127.0.0.1:1", "seed://127.0.0.1:1/path", ":80",
                                        ""};
    struct sg_bench_target target;
    struct sg_error err = {0};
    struct sg_buf out;
    size_t i;

    (void)state;
    assert_int_equal(sg_bench_target_parse("127.0.0.1:8080", false, &target, &err), 0);
    assert_string_equal(target.wire->scheme, "seed");
    assert_int_equal(((struct sockaddr_in *)(void *)&target.address)->sin_port, htons(8080));
    assert_int_equal(sg_bench_target_parse("seed://[::1]:9", false, &target, &err), 0);
    assert_int_equal(target.address.ss_family, AF_INET6);
    assert_int_equal(sg_bench_target_parse("http://127.0.0.2:80/a?b=c", false, &target, &err), 0);
    sg_buf_init(&out, SG_BENCH_HEAD_MAX);
    assert_int_equal(target.wire->head(&target, 77, &out), 0);
    assert_string_equal(sg_buf_text(&out), "POST /a?b=c HTTP/1.1\r\nHost: 127.0.0.2:80\r\nContent-Type: "
                                           "application/octet-stream\r\nContent-Length: 77\r\n\r\n");
    sg_buf_fini(&out);
    /* 192.0.2.0/24 is for documentation (RFC 5737); nothing is sent there. */
    assert_int_equal(sg_bench_target_parse("192.0.2.1:80", false, &target, &err), SG_E_INVALID);
    assert_non_null(strstr(err.text, "--allow-remote"));
    assert_int_equal(sg_bench_target_parse("192.0.2.1:80", true, &target, &err), 0);
    for (i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        assert_int_equal(sg_bench_target_parse(wrong[i], false, &target, &err), SG_E_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_replies_end_at_their_last_brace),
        cmocka_unit_test(http_replies_end_by_length_or_last_chunk),
        cmocka_unit_test(what_is_no_reply_is_refused),
        cmocka_unit_test(v2_frames_name_their_request),
        cmocka_unit_test(v2_records_may_be_an_older_servers),
        cmocka_unit_test(v2_requests_are_what_the_document_says),
        cmocka_unit_test(seed_head_is_the_length_in_little_endian),
        cmocka_unit_test(targets_are_read_and_others_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
