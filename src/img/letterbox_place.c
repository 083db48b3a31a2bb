/* SPDX-License-Identifier: MIT
 * Where a picture lands in the input of a model. Pure arithmetic in doubles, in the order in which the
 * reference implementations do it, so that the whole numbers come out the same.
 */
#include "img/letterbox.h"

#include <math.h>
#include <stdbool.h>

#define LONGEST (1 << 28) /* of a side that is resized only to be cropped */

static int limit(double value, int low, int high)
{
    if (!(value > low))
        return low;
    return value < high ? (int)value : high;
}

/* Ultralytics: round half to even as Python does, a thousandth-safe centre. */
static void place_letterbox(const struct sg_transform *t, double w, double h, struct sg_placement *p)
{
    double ratio = fmin(t->width / w, t->height / h);

    p->width = limit(nearbyint(w * ratio), 1, t->width);
    p->height = limit(nearbyint(h * ratio), 1, t->height);
    p->left = (int)nearbyint((t->width - p->width) / 2.0 - 0.1);
    p->top = (int)nearbyint((t->height - p->height) / 2.0 - 0.1);
}

/* YOLOX: sizes cut, at the top left; 773 * (416.0 / 773) is 416, whatever the last bit says. */
static void place_topleft(const struct sg_transform *t, double w, double h, struct sg_placement *p)
{
    double ratio = fmin(t->width / w, t->height / h);

    p->width = limit(w * ratio + 1e-9, 1, t->width);
    p->height = limit(h * ratio + 1e-9, 1, t->height);
    p->left = p->top = 0;
}

/* One axis of the centre crop: `size` pixels of the resized picture seen through `window` pixels. Returns the
 * input pixel of the resized picture's edge (negative when it is cut). */
static int centre(int size, int window, int *first, int *count)
{
    if (size < window) {
        *first = (window - size) / 2;
        *count = size;
        return *first;
    }
    *first = 0;
    *count = window;
    return -(int)nearbyint((size - window) / 2.0);
}

void sg_letterbox_place(const struct sg_transform *transform, const struct sg_box *region,
                        struct sg_placement *placement)
{
    double x1 = region->x1, y1 = region->y1;
    /* A region without area still gets pixels: those around its corner. */
    double w = fmax((double)region->x2 - x1, 1.0 / 16), h = fmax((double)region->y2 - y1, 1.0 / 16);
    struct sg_placement p = {.width = transform->width, .height = transform->height};
    double left = 0, top = 0, wide = p.width, high = p.height; /* the whole resized picture in the input */
    double ratio = fmin(transform->width / w, transform->height / h);
    bool even = transform->fit == SG_FIT_LETTERBOX || transform->fit == SG_FIT_LETTERBOX_TOPLEFT;

    switch (transform->fit) {
    case SG_FIT_STRETCH:
        break;
    case SG_FIT_LETTERBOX:
        place_letterbox(transform, w, h, &p);
        break;
    case SG_FIT_LETTERBOX_TOPLEFT:
        place_topleft(transform, w, h, &p);
        break;
    case SG_FIT_CENTER_CROP: {
        int shorter = p.width < p.height ? p.width : p.height;

        if (transform->shorter_side > 0)
            shorter = transform->shorter_side;
        /* torchvision's Resize: the longer side is cut, not rounded. */
        wide = w <= h ? shorter : limit(shorter * w / h, 1, LONGEST);
        high = w <= h ? limit(shorter * h / w, 1, LONGEST) : shorter;
        left = centre((int)wide, transform->width, &p.left, &p.width);
        top = centre((int)high, transform->height, &p.top, &p.height);
        break;
    }
    }
    if (transform->fit != SG_FIT_CENTER_CROP) {
        left = p.left;
        top = p.top;
        wide = p.width;
        high = p.height;
    }
    p.scale_x = (float)(wide / w);
    p.scale_y = (float)(high / h);
    p.offset_x = (float)(left - x1 * (wide / w));
    p.offset_y = (float)(top - y1 * (high / h));
    p.box_scale_x = even ? (float)ratio : p.scale_x;
    p.box_scale_y = even ? (float)ratio : p.scale_y;
    p.box_offset_x = even ? (float)(left - x1 * ratio) : p.offset_x;
    p.box_offset_y = even ? (float)(top - y1 * ratio) : p.offset_y;
    *placement = p;
}

struct sg_point sg_placement_unmap(const struct sg_placement *placement, struct sg_point input)
{
    return (struct sg_point){(input.x - placement->box_offset_x) / placement->box_scale_x,
                             (input.y - placement->box_offset_y) / placement->box_scale_y};
}
