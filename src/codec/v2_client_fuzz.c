/* SPDX-License-Identifier: MIT
 * libFuzzer (seeds: fuzz/corpus/v2_client): what a client reads of a server. The first byte chooses the
 * server's hello or an error frame, the rest is its body. Whatever is taken must lie inside the body.
 */
#include "codec/v2_client.h"

#include "base/error.h"
#include "base/fuzzing.h"

#include <string.h>

static void greeting(const uint8_t *body, size_t size)
{
    struct sg_v2_greeting hello;
    char name[SG_V2_NAME_MAX + 1];
    bool is_default, more = true;
    int code = sg_v2_greeting_read(body, size, &hello), i;

    CHECK(code == 0 || code == SG_E_FRAMING || code == SG_E_UNSUPPORTED);
    if (code < 0)
        return;
    CHECK(!sg_v2_greeting_name(body, size, -1, name, &is_default));
    CHECK(!sg_v2_greeting_name(body, size, hello.pipelines + 1, name, &is_default));
    /* Names end where the body does; there is none behind the first that is missing. */
    for (i = 0; i <= hello.pipelines && i < 64; i++) {
        bool there = sg_v2_greeting_name(body, size, i, name, &is_default);

        CHECK(more || !there);
        CHECK(!there || strlen(name) <= SG_V2_NAME_MAX);
        more = there;
    }
}

static void refusal(const uint8_t *body, size_t size)
{
    struct sg_v2_refusal read;
    int code = sg_v2_error_read(body, size, &read);

    CHECK(code == 0 || code == SG_E_FRAMING);
    if (code < 0)
        return;
    CHECK((const uint8_t *)read.code >= body && read.code + read.code_bytes == read.message);
    CHECK((const uint8_t *)read.message + read.message_bytes == body + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (data[0] % 2 == 0)
        greeting(data + 1, size - 1);
    else
        refusal(data + 1, size - 1);
    return 0;
}
