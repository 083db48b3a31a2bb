/* SPDX-License-Identifier: MIT
 * Little-endian numbers in the frames of v2. For the files that read and write frames alone.
 */
#ifndef SG_CODEC_V2_BYTES_H
#define SG_CODEC_V2_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t v2_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t v2_u32(const uint8_t *p)
{
    return (uint32_t)v2_u16(p) | (uint32_t)v2_u16(p + 2) << 16;
}

static inline uint64_t v2_u64(const uint8_t *p)
{
    return (uint64_t)v2_u32(p) | (uint64_t)v2_u32(p + 4) << 32;
}

static inline float v2_f32(const uint8_t *p)
{
    uint32_t bits = v2_u32(p);
    float value;

    memcpy(&value, &bits, sizeof(value));
    return value;
}

static inline void v2_put(uint8_t *out, uint64_t value, unsigned bytes)
{
    unsigned i;

    for (i = 0; i < bytes; i++)
        out[i] = (uint8_t)(value >> (8 * i));
}

static inline void v2_put_f32(uint8_t *out, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof(bits));
    v2_put(out, bits, 4);
}

#endif
