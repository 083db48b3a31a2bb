/* SPDX-License-Identifier: MIT
 * The letterbox's steps in AVX2. Each gives the bits of its plain counterpart: the 16-bit arithmetic is the
 * same, and the division by std is a product with one Newton correction, used only where the plan found it
 * exact for all 256 levels.
 */
#include "img/letterbox_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2,fma,f16c")))

AVX2 static void gray(const uint8_t *luma, int first, int last, uint8_t *line)
{
    const __m128i low = _mm_setr_epi8(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 5);
    const __m128i middle = _mm_setr_epi8(5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8, 9, 9, 9, 10, 10);
    const __m128i high = _mm_setr_epi8(10, 11, 11, 11, 12, 12, 12, 13, 13, 13, 14, 14, 14, 15, 15, 15);
    int x = first;

    for (; x + 15 <= last; x += 16, line += 48) {
        __m128i row = _mm_loadu_si128((const __m128i *)(const void *)(luma + x));

        _mm_storeu_si128((__m128i *)(void *)line, _mm_shuffle_epi8(row, low));
        _mm_storeu_si128((__m128i *)(void *)(line + 16), _mm_shuffle_epi8(row, middle));
        _mm_storeu_si128((__m128i *)(void *)(line + 32), _mm_shuffle_epi8(row, high));
    }
    sg_letterbox_plain.gray(luma, x, last, line);
}

/* Eight 20-bit fixed-point numbers as bytes in the low end of each 32-bit lane. */
AVX2 static inline __m256i clip8(__m256i value)
{
    value = _mm256_max_epi32(_mm256_srai_epi32(value, 20), _mm256_setzero_si256());
    return _mm256_min_epi32(value, _mm256_set1_epi32(255));
}

/* One byte of every chroma pair, once for each of its two pixels, centred. */
AVX2 static inline __m256i chroma_of(__m128i pairs, int which)
{
    char a = (char)which;
    const __m128i pick = _mm_setr_epi8(a, a, (char)(a + 2), (char)(a + 2), (char)(a + 4), (char)(a + 4),
                                       (char)(a + 6), (char)(a + 6), -1, -1, -1, -1, -1, -1, -1, -1);

    return _mm256_sub_epi32(_mm256_cvtepu8_epi32(_mm_shuffle_epi8(pairs, pick)), _mm256_set1_epi32(128));
}

AVX2 static inline __m256i times(__m256i value, int factor)
{
    return _mm256_mullo_epi32(value, _mm256_set1_epi32(factor));
}

/* The constants of img/nv12.h, eight pixels at a time from an even column on. */
AVX2 static void nv12(const uint8_t *luma, const uint8_t *chroma, int first, int last, uint8_t *line)
{
    const __m256i squeeze =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    int x = first;

    if (x & 1) {
        sg_letterbox_plain.nv12(luma, chroma, x, x, line);
        x++, line += 3;
    }
    for (; x + 7 <= last; x += 8, line += 24) {
        __m256i y = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(luma + x)));
        __m128i pairs = _mm_loadl_epi64((const __m128i *)(const void *)(chroma + x));
        __m256i u = chroma_of(pairs, 0), v = chroma_of(pairs, 1), red, green, blue;

        y = times(_mm256_max_epi32(_mm256_sub_epi32(y, _mm256_set1_epi32(16)), _mm256_setzero_si256()),
                  1220542);
        y = _mm256_add_epi32(y, _mm256_set1_epi32(1 << 19));
        red = clip8(_mm256_add_epi32(y, times(v, 1673527)));
        green = clip8(_mm256_add_epi32(y, _mm256_add_epi32(times(v, -852492), times(u, -409993))));
        blue = clip8(_mm256_add_epi32(y, times(u, 2116026)));
        red = _mm256_or_si256(red, _mm256_or_si256(_mm256_slli_epi32(green, 8), _mm256_slli_epi32(blue, 16)));
        red = _mm256_shuffle_epi8(red, squeeze);
        _mm_storeu_si128((__m128i *)(void *)line, _mm256_castsi256_si128(red));
        _mm_storeu_si128((__m128i *)(void *)(line + 12), _mm256_extracti128_si256(red, 1));
    }
    sg_letterbox_plain.nv12(luma, chroma, x, last, line);
}

AVX2 static inline __m256i load_two(const void *low, const void *high)
{
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadl_epi64((const __m128i *)low)),
                                   _mm_loadl_epi64((const __m128i *)high), 1);
}

AVX2 static inline __m256i load_weights(const int16_t *low, const int16_t *high)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)low)),
        _mm_loadu_si128((const __m128i *)(const void *)high), 1);
}

/* Per pixel: the 6 bytes of two neighbours become (left, right) pairs of 16 bits, one multiply-add weighs all
 * three channels. Lanes hold pixels 0|2 and 1|3, so that packing puts them in order. */
AVX2 static void across(const struct sg_letterbox_columns *columns, int first, const uint8_t *line,
                        int16_t *row)
{
    const __m256i pairs =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const int32_t *offset = columns->offset;
    const int16_t *weight = columns->weight;
    int x = first;

    for (; x + 4 <= columns->safe; x += 4) {
        __m256i even = load_two(line + offset[x], line + offset[x + 2]);
        __m256i odd = load_two(line + offset[x + 1], line + offset[x + 3]);
        const int16_t *w = weight + 8 * (size_t)x;

        even = _mm256_madd_epi16(_mm256_shuffle_epi8(even, pairs), load_weights(w, w + 16));
        odd = _mm256_madd_epi16(_mm256_shuffle_epi8(odd, pairs), load_weights(w + 8, w + 24));
        even = _mm256_packs_epi32(_mm256_srli_epi32(even, 4), _mm256_srli_epi32(odd, 4));
        _mm256_storeu_si256((__m256i *)(void *)(row + 4 * (size_t)x), even);
    }
    sg_letterbox_plain.across(columns, x, line, row);
}

AVX2 static inline __m256i weigh(const int16_t *upper, const int16_t *lower, __m256i upper_weight,
                                 __m256i lower_weight)
{
    __m256i a = _mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)(const void *)upper), upper_weight);
    __m256i b = _mm256_mulhi_epi16(_mm256_loadu_si256((const __m256i *)(const void *)lower), lower_weight);

    return _mm256_srai_epi16(_mm256_add_epi16(_mm256_add_epi16(a, b), _mm256_set1_epi16(2)), 2);
}

/* Runs on to a whole group of pixels: rows have room for it. */
AVX2 static void down(const int16_t *upper, const int16_t *lower, int upper_weight, int lower_weight,
                      int count, uint8_t *pixels)
{
    const __m256i a = _mm256_set1_epi16((int16_t)upper_weight), b = _mm256_set1_epi16((int16_t)lower_weight);
    int i;

    for (i = 0; i < 4 * count; i += 32) {
        __m256i packed = _mm256_packus_epi16(weigh(upper + i, lower + i, a, b),
                                             weigh(upper + i + 16, lower + i + 16, a, b));

        _mm256_storeu_si256((__m256i *)(void *)(pixels + i), _mm256_permute4x64_epi64(packed, 0xd8));
    }
}

struct scale {
    __m256 mean, std, inverse;
    bool refined;
};

AVX2 static inline __m256 normalise(__m256i levels, const struct scale *scale)
{
    __m256 centred = _mm256_sub_ps(_mm256_cvtepi32_ps(levels), scale->mean), near;

    if (!scale->refined)
        return _mm256_div_ps(centred, scale->std);
    near = _mm256_mul_ps(centred, scale->inverse);
    return _mm256_fmadd_ps(_mm256_fnmadd_ps(near, scale->std, centred), scale->inverse, near);
}

AVX2 static inline struct scale scale_of_channel(const struct sg_letterbox_levels *levels, int c)
{
    return (struct scale){_mm256_set1_ps(levels->mean[c]), _mm256_set1_ps(levels->std[c]),
                          _mm256_set1_ps(levels->inverse[c]), levels->refined};
}

/* Two pixels of three channels side by side, the fourth lane unused. */
AVX2 static inline struct scale scale_of_pixels(const struct sg_letterbox_levels *levels)
{
    const float *m = levels->mean, *s = levels->std, *i = levels->inverse;

    return (struct scale){_mm256_setr_ps(m[0], m[1], m[2], 0, m[0], m[1], m[2], 0),
                          _mm256_setr_ps(s[0], s[1], s[2], 1, s[0], s[1], s[2], 1),
                          _mm256_setr_ps(i[0], i[1], i[2], 1, i[0], i[1], i[2], 1), levels->refined};
}

AVX2 static inline __m256i channel_of(const uint8_t *pixels, __m128i shift)
{
    __m256i eight = _mm256_loadu_si256((const __m256i *)(const void *)pixels);

    return _mm256_and_si256(_mm256_srl_epi32(eight, shift), _mm256_set1_epi32(255));
}

AVX2 static void store_f32_planes(const struct sg_letterbox_levels *levels, const uint8_t *pixels, int first,
                                  int count, void *out, size_t plane)
{
    int x = first, c;

    for (c = 0; c < levels->channels; c++) {
        const struct scale scale = scale_of_channel(levels, c);
        const __m128i shift = _mm_cvtsi32_si128(8 * levels->from[c]);
        float *to = (float *)out + (size_t)c * plane;

        for (x = first; x + 8 <= count; x += 8)
            _mm256_storeu_ps(to + x, normalise(channel_of(pixels + 4 * (size_t)x, shift), &scale));
    }
    sg_letterbox_plain.store[0][SG_LAYOUT_NCHW](levels, pixels, x, count, out, plane);
}

AVX2 static void store_f16_planes(const struct sg_letterbox_levels *levels, const uint8_t *pixels, int first,
                                  int count, void *out, size_t plane)
{
    int x = first, c;

    for (c = 0; c < levels->channels; c++) {
        const struct scale scale = scale_of_channel(levels, c);
        const __m128i shift = _mm_cvtsi32_si128(8 * levels->from[c]);
        uint16_t *to = (uint16_t *)out + (size_t)c * plane;

        for (x = first; x + 8 <= count; x += 8) {
            __m256 value = normalise(channel_of(pixels + 4 * (size_t)x, shift), &scale);

            _mm_storeu_si128((__m128i *)(void *)(to + x), _mm256_cvtps_ph(value, _MM_FROUND_TO_NEAREST_INT));
        }
    }
    sg_letterbox_plain.store[1][SG_LAYOUT_NCHW](levels, pixels, x, count, out, plane);
}

/* Two pixels with their channels in the model's order, as 8 integers. */
AVX2 static inline __m256i pixels_of(const uint8_t *pixels, __m128i order)
{
    return _mm256_cvtepu8_epi32(
        _mm_shuffle_epi8(_mm_loadl_epi64((const __m128i *)(const void *)pixels), order));
}

AVX2 static inline __m128i order_of_two(const struct sg_letterbox_levels *levels)
{
    char a = (char)levels->from[0], b = (char)levels->from[1], c = (char)levels->from[2];

    return _mm_setr_epi8(a, b, c, -1, (char)(a + 4), (char)(b + 4), (char)(c + 4), -1, -1, -1, -1, -1, -1, -1,
                         -1, -1);
}

/* Stores of four values where three belong: the next pixel, which must be in this row, writes over the last.
 */
AVX2 static void store_f32_pixels(const struct sg_letterbox_levels *levels, const uint8_t *pixels, int first,
                                  int count, void *out, size_t plane)
{
    const struct scale scale = scale_of_pixels(levels);
    const __m128i order = order_of_two(levels);
    float *to = out;
    int x = first;

    if (levels->channels == 1) {
        store_f32_planes(levels, pixels, first, count, out, plane);
        return;
    }
    for (; x + 3 <= count; x += 2) {
        __m256 value = normalise(pixels_of(pixels + 4 * (size_t)x, order), &scale);

        _mm_storeu_ps(to + 3 * (size_t)x, _mm256_castps256_ps128(value));
        _mm_storeu_ps(to + 3 * (size_t)x + 3, _mm256_extractf128_ps(value, 1));
    }
    sg_letterbox_plain.store[0][SG_LAYOUT_NHWC](levels, pixels, x, count, out, plane);
}

AVX2 static void store_f16_pixels(const struct sg_letterbox_levels *levels, const uint8_t *pixels, int first,
                                  int count, void *out, size_t plane)
{
    const struct scale scale = scale_of_pixels(levels);
    const __m128i order = order_of_two(levels);
    uint16_t *to = out;
    int x = first;

    if (levels->channels == 1) {
        store_f16_planes(levels, pixels, first, count, out, plane);
        return;
    }
    for (; x + 3 <= count; x += 2) {
        __m128i half = _mm256_cvtps_ph(normalise(pixels_of(pixels + 4 * (size_t)x, order), &scale),
                                       _MM_FROUND_TO_NEAREST_INT);

        _mm_storel_epi64((__m128i *)(void *)(to + 3 * (size_t)x), half);
        _mm_storel_epi64((__m128i *)(void *)(to + 3 * (size_t)x + 3), _mm_unpackhi_epi64(half, half));
    }
    sg_letterbox_plain.store[1][SG_LAYOUT_NHWC](levels, pixels, x, count, out, plane);
}

/* Bytes as they are; other 8-bit rules go through the table. */
AVX2 static void store_u8_pixels(const struct sg_letterbox_levels *levels, const uint8_t *pixels, int first,
                                 int count, void *out, size_t plane)
{
    char a = (char)levels->from[0], b = (char)levels->from[1], c = (char)levels->from[2];
    const __m128i order =
        _mm_setr_epi8(a, b, c, (char)(a + 4), (char)(b + 4), (char)(c + 4), (char)(a + 8), (char)(b + 8),
                      (char)(c + 8), (char)(a + 12), (char)(b + 12), (char)(c + 12), -1, -1, -1, -1);
    uint8_t *to = out;
    int x = first;

    if (levels->channels == 3 && levels->identity) {
        for (; x + 6 <= count; x += 4) {
            __m128i four = _mm_loadu_si128((const __m128i *)(const void *)(pixels + 4 * (size_t)x));

            _mm_storeu_si128((__m128i *)(void *)(to + 3 * (size_t)x), _mm_shuffle_epi8(four, order));
        }
    }
    sg_letterbox_plain.store[2][SG_LAYOUT_NHWC](levels, pixels, x, count, out, plane);
}

AVX2 static void store_u8_planes(const struct sg_letterbox_levels *levels, const uint8_t *pixels, int first,
                                 int count, void *out, size_t plane)
{
    int x = first, c;

    for (c = 0; levels->identity && c < levels->channels; c++) {
        const __m128i shift = _mm_cvtsi32_si128(8 * levels->from[c]);
        uint8_t *to = (uint8_t *)out + (size_t)c * plane;

        for (x = first; x + 8 <= count; x += 8) {
            __m256i wide = channel_of(pixels + 4 * (size_t)x, shift);
            __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));

            _mm_storel_epi64((__m128i *)(void *)(to + x), _mm_packus_epi16(half, half));
        }
    }
    sg_letterbox_plain.store[2][SG_LAYOUT_NCHW](levels, pixels, x, count, out, plane);
}

const struct sg_letterbox_kernel sg_letterbox_avx2 = {
    .gray = gray,
    .nv12 = nv12,
    .across = across,
    .down = down,
    .store = {{store_f32_planes, store_f32_pixels},
              {store_f16_planes, store_f16_pixels},
              {store_u8_planes, store_u8_pixels},
              {store_u8_planes, store_u8_pixels}},
};

#else
typedef int letterbox_x86_is_empty; /* ISO C forbids an empty file */
#endif
