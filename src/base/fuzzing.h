/* SPDX-License-Identifier: MIT
 * What every fuzz target (x_fuzz.c) needs; nothing else includes it. Each input is handled by one thread.
 */
#ifndef SG_BASE_FUZZING_H
#define SG_BASE_FUZZING_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* What must hold for any input; stays in release builds. libFuzzer keeps the input that ends the process. */
#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

/* Called by libFuzzer for each input; always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
