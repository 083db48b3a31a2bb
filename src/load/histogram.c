/* SPDX-License-Identifier: MIT
 * Log-linear histogram. Values below 128 have a bucket each; from there every power of two is cut into 128.
 */
#include "load/histogram.h"

#include "base/buf.h"
#include "sink/file.h"

#include <inttypes.h>
#include <math.h>

#define TEXT_BYTES ((size_t)1 << 20) /* of a histogram with every bucket in use: a fifth */
#define LINEAR     ((int64_t)1 << SG_BENCH_HISTOGRAM_BITS)

static int bucket_of(int64_t us)
{
    int octave;

    if (us < LINEAR)
        return us < 0 ? 0 : (int)us;
    octave = 63 - __builtin_clzll((unsigned long long)us) - SG_BENCH_HISTOGRAM_BITS;
    if (octave + 1 >= SG_BENCH_HISTOGRAM_OCTAVES)
        return SG_BENCH_HISTOGRAM_BUCKETS - 1;
    return (int)(((octave + 1) * LINEAR) + ((us >> octave) - LINEAR));
}

/* Largest value of the bucket. */
static int64_t end_of(int bucket)
{
    int octave = bucket >> SG_BENCH_HISTOGRAM_BITS;

    if (octave == 0)
        return bucket;
    octave--;
    return (((bucket & (LINEAR - 1)) + LINEAR + 1) << octave) - 1;
}

void sg_bench_histogram_add(struct sg_bench_histogram *histogram, int64_t us)
{
    if (us < 0)
        us = 0;
    histogram->counts[bucket_of(us)]++;
    histogram->total++;
    histogram->sum_us += (double)us;
    if (us > histogram->max_us)
        histogram->max_us = us;
}

void sg_bench_histogram_merge(struct sg_bench_histogram *into, const struct sg_bench_histogram *from)
{
    int i;

    for (i = 0; i < SG_BENCH_HISTOGRAM_BUCKETS; i++)
        into->counts[i] += from->counts[i];
    into->total += from->total;
    into->sum_us += from->sum_us;
    if (from->max_us > into->max_us)
        into->max_us = from->max_us;
}

int64_t sg_bench_histogram_at(const struct sg_bench_histogram *histogram, double percent)
{
    uint64_t wanted = (uint64_t)ceil((percent / 100.0) * (double)histogram->total);
    uint64_t seen = 0;
    int i;

    if (histogram->total == 0)
        return 0;
    if (wanted == 0)
        wanted = 1;
    for (i = 0; i < SG_BENCH_HISTOGRAM_BUCKETS; i++) {
        seen += histogram->counts[i];
        if (seen >= wanted)
            return end_of(i) < histogram->max_us && i < SG_BENCH_HISTOGRAM_BUCKETS - 1 ? end_of(i)
                                                                                       : histogram->max_us;
    }
    return histogram->max_us;
}

double sg_bench_histogram_mean(const struct sg_bench_histogram *histogram)
{
    return histogram->total ? histogram->sum_us / (double)histogram->total : 0.0;
}

int sg_bench_histogram_write(const struct sg_bench_histogram *histogram, const char *path,
                             struct sg_error *err)
{
    struct sg_buf text;
    uint64_t seen = 0;
    int i, code;

    sg_buf_init(&text, TEXT_BYTES);
    code = sg_buf_append_text(&text, "# us_up_to share count\n"); /* sink/mark.c knows the file by it */
    for (i = 0; i < SG_BENCH_HISTOGRAM_BUCKETS && code == 0; i++) {
        if (histogram->counts[i] == 0)
            continue;
        seen += histogram->counts[i];
        code = sg_buf_printf(&text, "%" PRId64 " %.6f %" PRIu64 "\n", end_of(i),
                             (double)seen / (double)histogram->total, histogram->counts[i]);
    }
    if (code == 0)
        code = sg_buf_printf(&text, "# total %" PRIu64 " mean_us %.1f max_us %" PRId64 "\n", histogram->total,
                             sg_bench_histogram_mean(histogram), histogram->max_us);
    code = code < 0 ? sg_error_set(err, code, "no memory for \"%s\"", path)
                    : sg_file_put(path, text.data, text.size, err);
    sg_buf_fini(&text);
    return code;
}
