/* SPDX-License-Identifier: MIT
 * Outlines. The tracer walks between an inside value p and an outside neighbour q with the region on its
 * right hand: of the two values ahead of p and q it looks which are inside, and turns or goes straight.
 * Diagonal neighbours are not joined. Every outline crosses some p-q pair with q right of p, so marking those
 * pairs is enough to visit each outline once.
 */
#include "head/outline.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct trace {
    const float *field;
    int width, height;
    float level;
    uint8_t *seen;            /* one per value: the outline right of it was walked */
    struct sg_point *points;  /* the outline being walked */
    struct sg_point *largest; /* the largest so far */
    int32_t *stack;           /* spans still to simplify */
    uint8_t *keep;
};

/* An outline passes each of the two sides of a pair once: at most two points per value and direction. */
static size_t most_points(int width, int height)
{
    return (size_t)width * (size_t)height * 4 + 4;
}

size_t sg_outline_scratch(int width, int height)
{
    size_t points = most_points(width, height);

    return points * (2 * sizeof(struct sg_point) + 2 * sizeof(int32_t) + 1) + (size_t)width * (size_t)height +
           64;
}

static bool inside(const struct trace *trace, int x, int y)
{
    return trace->field[(size_t)y * (size_t)trace->width + (size_t)x] >= trace->level;
}

static struct sg_point crossing(const struct trace *trace, const int p[2], const int q[2])
{
    float in = trace->field[(size_t)p[1] * (size_t)trace->width + (size_t)p[0]];
    float out = trace->field[(size_t)q[1] * (size_t)trace->width + (size_t)q[0]];
    float t = (in - trace->level) / (in - out);

    if (isinf(out) || !(t >= 0.0f && t <= 1.0f)) /* a padded border, or infinite values */
        t = 0.5f;
    return (struct sg_point){(float)p[0] + t * (float)(q[0] - p[0]), (float)p[1] + t * (float)(q[1] - p[1])};
}

/* Walks the outline that passes right of (x, y). Returns its points. */
static int walk(struct trace *trace, int x, int y)
{
    int p[2] = {x, y}, q[2] = {x + 1, y};
    int most = (int)most_points(trace->width, trace->height);
    int count = 0;

    do {
        int dx = -(q[1] - p[1]), dy = q[0] - p[0]; /* the way ahead: right turned to down */
        int ahead_p[2] = {p[0] + dx, p[1] + dy}, ahead_q[2] = {q[0] + dx, q[1] + dy};

        if (q[0] == p[0] + 1)
            trace->seen[(size_t)p[1] * (size_t)trace->width + (size_t)p[0]] = 1;
        trace->points[count++] = crossing(trace, p, q);
        if (!inside(trace, ahead_p[0], ahead_p[1])) {
            memcpy(q, ahead_p, sizeof(q));
        } else if (!inside(trace, ahead_q[0], ahead_q[1])) {
            memcpy(p, ahead_p, sizeof(p));
            memcpy(q, ahead_q, sizeof(q));
        } else {
            memcpy(p, ahead_q, sizeof(p));
        }
    } while ((p[0] != x || p[1] != y || q[0] != x + 1 || q[1] != y) && count < most);
    return count;
}

/* Shoelace formula; positive for an outer outline on a screen whose y points down, negative for a hole. */
static double area(const struct sg_point *points, int count)
{
    double sum = 0;
    int i;

    for (i = 0; i < count; i++) {
        const struct sg_point *a = &points[i], *b = &points[i + 1 < count ? i + 1 : 0];

        sum += (double)a->x * b->y - (double)b->x * a->y;
    }
    return sum / 2;
}

static float distance(struct sg_point point, struct sg_point a, struct sg_point b)
{
    float dx = b.x - a.x, dy = b.y - a.y, length = hypotf(dx, dy);

    if (length == 0.0f)
        return hypotf(point.x - a.x, point.y - a.y);
    return fabsf(dx * (point.y - a.y) - dy * (point.x - a.x)) / length;
}

/* Douglas-Peucker over the ring cut open at point 0 and at the point farthest from it. */
static int simplify(const struct trace *trace, struct sg_point *points, int count, float tolerance)
{
    int32_t *stack = trace->stack;
    int depth = 0, far = 0, kept = 0, i;

    for (i = 1; i < count; i++)
        if (hypotf(points[i].x - points[0].x, points[i].y - points[0].y) >
            hypotf(points[far].x - points[0].x, points[far].y - points[0].y))
            far = i;
    memset(trace->keep, 0, (size_t)count);
    trace->keep[0] = trace->keep[far] = 1;
    stack[depth++] = 0;
    stack[depth++] = far;
    stack[depth++] = far;
    stack[depth++] = count; /* = point 0 again */
    while (depth > 0) {
        int last = stack[--depth], first = stack[--depth], worst = 0;
        float most = tolerance;

        for (i = first + 1; i < last; i++) {
            float off = distance(points[i], points[first], points[last == count ? 0 : last]);

            if (off > most) {
                most = off;
                worst = i;
            }
        }
        if (!worst)
            continue;
        trace->keep[worst] = 1;
        stack[depth++] = first;
        stack[depth++] = worst;
        stack[depth++] = worst;
        stack[depth++] = last;
    }
    for (i = 0; i < count; i++)
        if (trace->keep[i])
            points[kept++] = points[i];
    return kept;
}

int sg_outline(const float *field, int width, int height, float level, float tolerance, void *scratch,
               const struct sg_point **out_points)
{
    size_t most = most_points(width, height);
    struct trace trace = {.field = field, .width = width, .height = height, .level = level};
    double largest = 0;
    int count = 0, x, y;

    trace.points = scratch;
    trace.largest = trace.points + most;
    trace.stack = (int32_t *)(void *)(trace.largest + most);
    trace.keep = (uint8_t *)(trace.stack + 2 * most);
    trace.seen = trace.keep + most;
    memset(trace.seen, 0, (size_t)width * (size_t)height);
    for (y = 1; y + 1 < height; y++) {
        for (x = 1; x + 1 < width; x++) {
            struct sg_point *swap = trace.points;
            double mine;
            int n;

            if (!inside(&trace, x, y) || inside(&trace, x + 1, y) ||
                trace.seen[(size_t)y * (size_t)width + (size_t)x])
                continue;
            n = walk(&trace, x, y);
            mine = area(trace.points, n);
            if (mine <= largest)
                continue;
            largest = mine;
            count = n;
            trace.points = trace.largest;
            trace.largest = swap;
        }
    }
    *out_points = trace.largest;
    return count ? simplify(&trace, trace.largest, count, tolerance) : 0;
}
