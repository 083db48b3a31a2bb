/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/origin): lines of an entry, an origin, a host, a referer. What is parsed lies
 * in the text; an entry that is allowed by itself is one that the check takes.
 */
#include "base/fuzzing.h"
#include "base/origin.h"

#include <stdlib.h>
#include <string.h>

#define LINES 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), *next = text;
    char *lines[LINES];
    struct sg_origin_source source;
    struct sg_origin origin;
    struct sg_error err;
    int i;

    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    for (i = 0; i < LINES; i++)
        lines[i] = next ? strsep(&next, "\n") : NULL;
    if (sg_origin_parse(lines[0], &origin)) {
        CHECK(origin.host_size > 0 && origin.scheme_size > 0 && origin.port >= 0 && origin.port <= 65535);
        CHECK(origin.host >= lines[0] && origin.end <= lines[0] + strlen(lines[0]));
    }
    if (sg_origin_check(lines[0], &err) < 0)
        CHECK(err.text[0] && !sg_origin_allowed((const char *const *)lines, 1, lines[0]));
    sg_origin_allowed((const char *const *)lines, 1, lines[1]);
    source = (struct sg_origin_source){
        .host = lines[2], .origin = lines[1], .referer = lines[3], .fetch_site = lines[4]};
    sg_origin_is_cross_site(&source);
    free(text);
    return 0;
}
