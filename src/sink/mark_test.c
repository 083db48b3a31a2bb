/* SPDX-License-Identifier: MIT
 * Files of sightd and files that look like them. Segments are those of ITU-T T.81, annex B; that a marked
 * JPEG is still one, and shows the same, is libjpeg's word.
 */
#include "sink/mark.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jpeglib.h>

#include <cmocka.h>

#define SIDE 16

/* A grey picture with a slope, as libjpeg writes it. */
static void draw(struct sg_buf *out)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr fault;
    unsigned char *bytes = NULL, row[SIDE];
    unsigned long size = 0;
    JSAMPROW rows[1] = {row};
    int x;

    jpeg.err = jpeg_std_error(&fault);
    jpeg_create_compress(&jpeg);
    jpeg_mem_dest(&jpeg, &bytes, &size);
    jpeg.image_width = jpeg.image_height = SIDE;
    jpeg.input_components = 1;
    jpeg.in_color_space = JCS_GRAYSCALE;
    jpeg_set_defaults(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    while (jpeg.next_scanline < jpeg.image_height) {
        for (x = 0; x < SIDE; x++)
            row[x] = (unsigned char)(x * 8 + (int)jpeg.next_scanline);
        jpeg_write_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    sg_buf_init(out, 1 << 20);
    assert_int_equal(sg_buf_append(out, bytes, size), 0);
    free(bytes);
}

static void read_pixels(const struct sg_buf *from, unsigned char pixels[SIDE * SIDE])
{
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr fault;
    JSAMPROW rows[1];

    jpeg.err = jpeg_std_error(&fault);
    jpeg_create_decompress(&jpeg);
    jpeg_mem_src(&jpeg, from->data, from->size);
    assert_int_equal(jpeg_read_header(&jpeg, TRUE), JPEG_HEADER_OK);
    assert_true(jpeg.saw_JFIF_marker);
    jpeg_start_decompress(&jpeg);
    assert_int_equal(jpeg.output_width, SIDE);
    while (jpeg.output_scanline < jpeg.output_height) {
        rows[0] = pixels + (size_t)jpeg.output_scanline * SIDE;
        jpeg_read_scanlines(&jpeg, rows, 1);
    }
    jpeg_finish_decompress(&jpeg);
    assert_int_equal(fault.num_warnings, 0);
    jpeg_destroy_decompress(&jpeg);
}

static void a_drawing_is_known_until_it_is_changed(void **state)
{
    unsigned char before[SIDE * SIDE], after[SIDE * SIDE];
    struct sg_buf jpeg;

    (void)state;
    draw(&jpeg);
    read_pixels(&jpeg, before);
    assert_false(sg_mark_in(jpeg.data, jpeg.size, jpeg.size));
    assert_int_equal(sg_mark_jpeg(&jpeg), 0);
    assert_true(sg_mark_in(jpeg.data, jpeg.size, jpeg.size));
    read_pixels(&jpeg, after);
    assert_memory_equal(before, after, sizeof(before));
    /* another program kept the comment, and the picture has another size now */
    assert_false(sg_mark_in(jpeg.data, jpeg.size, jpeg.size + 1));
    assert_false(sg_mark_in(jpeg.data, 30, jpeg.size));
    sg_buf_fini(&jpeg);
}

static void what_is_no_jpeg_is_not_marked(void **state)
{
    static const uint8_t short_one[] = {0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10};
    struct sg_buf buf;

    (void)state;
    sg_buf_init(&buf, 1 << 10);
    assert_int_equal(sg_mark_jpeg(&buf), SG_E_INTERNAL);
    assert_int_equal(sg_buf_append(&buf, short_one, sizeof(short_one)), 0);
    assert_int_equal(sg_mark_jpeg(&buf), SG_E_INTERNAL); /* its segment ends outside */
    buf.data[5] = 0;
    assert_int_equal(sg_mark_jpeg(&buf), SG_E_INTERNAL); /* its segment has no length; mark_fuzz found it */
    sg_buf_fini(&buf);
}

static void texts_are_known_by_how_they_begin(void **state)
{
    static const struct {
        const char *text;
        bool ours;
    } rows[] = {
        {"{\"source\":\"a.jpg\",\"pipeline\":\"objects\",\"image\":{}}\n", true},
        {"{\"source\":\"a\\\"b.jpg\",\"error\":{\"code\":\"io\",\"message\":\"\"}}\n", true},
        {"[\n{\"source\":\"a.jpg\",\"image\":{\"width\":1}}\n]\n", true},
        {"[\n]\n", true}, /* of no picture */
        {"source,row,rows,width,height,class_id,label,score,x,y,w,h,text,attributes,error_code,error\n",
         true},
        {"{\"info\":{\"description\":\"made by sightd\"},\"licenses\":[]", true},
        {"# us_up_to share count\n10 1.0 3\n", true},
        {"{\"source\":\"a.jpg\",\"label\":\"cat\"}\n", false}, /* somebody else's lines */
        {"{\"source\":\"a.jpg", false},
        {"{\"source\":5}", false},
        {"[\n1\n]\n", false},
        {"source,target\n", false},
        {"{\"info\":{\"description\":\"COCO 2017\"}}", false},
        {"{\"file_name\":\"a.jpg\"}\n", false},
        {"0 0.5 0.5 0.1 0.1\n", false},
        {"", false},
    };
    size_t i;

    (void)state;
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (sg_mark_in(rows[i].text, strlen(rows[i].text), strlen(rows[i].text)) != rows[i].ours)
            fail_msg("%s", rows[i].text);
}

/* A file is looked into and closed again: the next one to be opened gets the same number as before. */
static void a_file_is_closed_again(void **state)
{
    char path[] = "/tmp/mark_test_XXXXXX";
    int fd = mkstemp(path), next;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "[\n]\n", 4), 4);
    close(fd);
    assert_true(sg_mark_found(path));
    next = open(path, O_RDONLY);
    assert_int_equal(next, fd);
    close(next);
    unlink(path);
    assert_false(sg_mark_found(path));
}

/* A run that is killed leaves the lines of its COCO document in FILE.part, and the next one begins anew
 * there; under another name the same lines may be anybody's. */
static void lines_of_a_document_are_known_by_the_name(void **state)
{
    static const struct {
        const char *name, *text;
        bool ours;
    } rows[] = {
        {"found.json.part", "{\"file_name\":\"a.jpg\",\"width\":1", true},
        {"found.json", "{\"file_name\":\"a.jpg\",\"width\":1", false},
        {"part", "{\"file_name\":\"a.jpg\",\"width\":1", false},
        {"found.json.part", "half of a download", false},
    };
    char folder[] = "/tmp/mark_test_XXXXXX", path[64];
    size_t i;

    (void)state;
    assert_non_null(mkdtemp(folder));
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        FILE *file;

        snprintf(path, sizeof(path), "%s/%s", folder, rows[i].name);
        file = fopen(path, "we");
        assert_non_null(file);
        fputs(rows[i].text, file);
        assert_int_equal(fclose(file), 0);
        if (sg_mark_found(path) != rows[i].ours)
            fail_msg("%s: %s", rows[i].name, rows[i].text);
        unlink(path);
    }
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drawing_is_known_until_it_is_changed),
        cmocka_unit_test(what_is_no_jpeg_is_not_marked),
        cmocka_unit_test(texts_are_known_by_how_they_begin),
        cmocka_unit_test(a_file_is_closed_again),
        cmocka_unit_test(lines_of_a_document_are_known_by_the_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
