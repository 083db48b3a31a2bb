/* SPDX-License-Identifier: MIT
 * The best class of many candidates at once: the loop in which a detector's head spends its time. NaN is
 * never best; among equals the lowest class wins. Pure; any thread.
 */
#ifndef SG_HEAD_SCAN_H
#define SG_HEAD_SCAN_H

#include <stdint.h>

#define SG_SCAN_TILE 512 /* columns at a time: 80 rows of them fit a 256 KiB second-level cache */

/* Channels first: scores of class c and candidate i at rows[c * stride + i]. Fills best and classes (0 when
 * all scores are NaN, best then -INFINITY) for n <= SG_SCAN_TILE candidates. Fast version by CPU flags. */
void sg_scan_columns(const float *rows, int64_t stride, int n, int class_count, float *best,
                     int32_t *classes);

/* One candidate's scores in a row: the class whose score is the highest and >= floor, else -1. */
int sg_scan_row(const float *scores, int class_count, float floor, float *out_best);

#endif
