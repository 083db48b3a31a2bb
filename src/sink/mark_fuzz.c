/* SPDX-License-Identifier: MIT
 * Any bytes as the head of a file that may be sightd's, and as a JPEG that is marked. Corpus:
 * fuzz/corpus/mark.
 */
#include "base/fuzzing.h"
#include "sink/mark.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sg_buf buf;

    (void)sg_mark_in(data, size, size);
    sg_buf_init(&buf, (size_t)1 << 22);
    if (sg_buf_append(&buf, data, size) == 0 && size >= 2 && data[0] == 0xff && data[1] == 0xd8 &&
        sg_mark_jpeg(&buf) == 0 && data[2] == 0xff && data[3] == 0xe0)
        CHECK(sg_mark_in(buf.data, buf.size, buf.size));
    sg_buf_fini(&buf);
    return 0;
}
