/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/seed_stranger): the first byte says how the stream is cut, the rest is the
 * stream. However it is cut, the same is known of it; what is known has words; a client that is known is
 * none.
 */
#include "base/fuzzing.h"
#include "frames/seed_stranger.h"
#include "serve/content.h"

#include <string.h>

#define LIMIT ((size_t)64 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_seed_stranger whole = {.count = 0}, cut = {.count = 0};
    struct sg_error err = {0}, other = {0};
    size_t step, at;

    if (size < 1)
        return 0;
    step = 1u + data[0];
    data++;
    size--;
    sg_seed_stranger_add(&whole, data, size);
    for (at = 0; at < size; at += step)
        sg_seed_stranger_add(&cut, data + at, size - at < step ? size - at : step);
    CHECK(cut.total == size && cut.count == whole.count && memcmp(cut.bytes, whole.bytes, cut.count) == 0);
    if (sg_seed_stranger_sure(&whole, &err))
        CHECK(err.code == SG_E_FRAMING && err.text[0]);
    CHECK(sg_seed_stranger_sure(&cut, &other) == (err.code < 0));
    if (sg_seed_stranger_counted(&whole, &err))
        CHECK(err.code == SG_E_FRAMING && err.text[0]);
    if (size >= 4) {
        struct sg_seed_stranger first = {.count = 0};

        sg_seed_stranger_add(&first, data, 4);
        sg_error_set(&err, SG_E_TOO_LARGE, "too large");
        sg_seed_stranger_explain(&first, data + 4, size - 4, LIMIT, &err);
        CHECK(err.code < 0 && err.text[0]);
        first.known = true;
        CHECK(!sg_seed_stranger_sure(&first, &err) && !sg_seed_stranger_counted(&first, NULL));
    }
    sg_content_stripped(data, size);
    err = (struct sg_error){0};
    CHECK(sg_content_check(data, size, "the body is", &err) == err.code);
    return 0;
}
