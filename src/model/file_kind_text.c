/* SPDX-License-Identifier: MIT
 * Text that was given as a model: web pages, answers of servers, other frameworks' descriptions of graphs.
 */
#include "model/file_kind.h"

#include "base/utf8.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LOOKED_AT 4096 /* bytes that tell text from the rest */
#define SHOWN     48

static bool is_text_byte(uint8_t byte)
{
    return byte >= ' ' ? byte < 0x7f : byte && strchr("\t\n\r\f\x1b", byte);
}

/* UTF-8 without control characters but those of lines; a character that the look cuts in two is one. */
static bool is_text(const char *text, size_t size)
{
    size_t whole = size == LOOKED_AT ? sg_utf8_whole(text, size) : size, i, bytes;

    for (i = 0; i < whole; i += bytes) {
        bytes = is_text_byte((uint8_t)text[i]) ? 1 : sg_utf8_bytes(text + i, whole - i);
        if (bytes == 0)
            return false;
    }
    return size > 0;
}

static bool contains(const char *text, size_t size, const char *word)
{
    size_t length = strlen(word), i;

    for (i = 0; i + length <= size; i++)
        if (strncasecmp(text + i, word, length) == 0)
            return true;
    return false;
}

static bool begins(const char *text, size_t size, const char *word)
{
    return size >= strlen(word) && strncasecmp(text, word, strlen(word)) == 0;
}

/* Comments, which pages and XML may begin with. */
static void skip_comments(const char **text, size_t *size)
{
    while (begins(*text, *size, "<!--")) {
        size_t i = 4;

        while (i + 3 <= *size && memcmp(*text + i, "-->", 3) != 0)
            i++;
        i = i + 3 <= *size ? i + 3 : *size;
        while (i < *size && isspace((unsigned char)(*text)[i]))
            i++;
        *text += i;
        *size -= i;
    }
}

static const char *markup(const char *text, size_t size)
{
    static const char *const tags[] = {"<!doctype html", "<html",   "<head", "<body",
                                       "<title",         "<script", "<meta"};
    size_t i;

    skip_comments(&text, &size);
    for (i = 0; i < sizeof(tags) / sizeof(tags[0]); i++)
        if (begins(text, size, tags[i]))
            return "a web page, perhaps instead of a download; look at the address it came from";
    if (!begins(text, size, "<?xml") && !begins(text, size, "<net"))
        return NULL;
    if (contains(text, size, "<html"))
        return "a web page, perhaps instead of a download; look at the address it came from";
    if (contains(text, size, "<Error"))
        return "XML with an error, as servers answer instead of a download; look at the address it came from";
    return "XML, as OpenVINO saves models; export it to ONNX";
}

static const char *words(const char *text, size_t size)
{
    if (begins(text, size, "version https://git-lfs"))
        return "a Git LFS pointer and not the model itself; `git lfs pull` fetches that";
    if (begins(text, size, "7767517"))
        return "the text of an ncnn graph (.param); give the ONNX file that it was made from";
    if (begins(text, size, "[net]") || begins(text, size, "[convolutional]"))
        return "the text of a Darknet network (.cfg); export it to ONNX with its weights";
    if (begins(text, size, "ir_version:") || begins(text, size, "ir_version :"))
        return "ONNX written as text; convert it to the binary form (onnx.parser or "
               "google.protobuf.text_format)";
    if ((contains(text, size, "layer {") || contains(text, size, "layers {")) &&
        contains(text, size, "type:"))
        return "the text of a Caffe network (.prototxt); export it to ONNX with its weights";
    if (begins(text, size, "node {") && contains(text, size, "op:"))
        return "a TensorFlow graph as text (.pbtxt); export it to ONNX";
    return NULL;
}

bool sg_file_kind_words(const struct sg_file_kind *file, char *out, size_t out_bytes)
{
    const char *text = (const char *)file->data, *what;
    size_t size = file->size < LOOKED_AT ? file->size : LOOKED_AT;
    char start[SHOWN + 8];

    if (sg_file_kind_has(file, 0, "\xff\xfe", 2) || sg_file_kind_has(file, 0, "\xfe\xff", 2)) {
        snprintf(out, out_bytes, "is no ONNX file but text in UTF-16");
        return true;
    }
    if (!is_text(text, size))
        return false;
    if (sg_file_kind_has(file, 0, "\xef\xbb\xbf", 3)) {
        text += 3;
        size -= 3;
    }
    while (size > 0 && isspace((unsigned char)*text)) {
        text++;
        size--;
    }
    what = markup(text, size);
    what = what ? what : words(text, size);
    if (what)
        snprintf(out, out_bytes, "is no ONNX file but %s", what);
    else if (size == 0)
        snprintf(out, out_bytes, "is no ONNX file but blank text");
    else
        snprintf(out, out_bytes, "is no ONNX file but %s that begins with %s%s",
                 *text == '{' || *text == '[' ? "JSON text" : "text",
                 sg_file_kind_quote((const uint8_t *)text, size, SHOWN, start, sizeof(start)),
                 contains(text, size, "\"modelTopology\"") ? ": a TensorFlow.js model; export it to ONNX"
                 : contains(text, size, "\"message\"") || contains(text, size, "\"error\"")
                     ? ": perhaps a server's answer instead of a download"
                     : "");
    return true;
}
