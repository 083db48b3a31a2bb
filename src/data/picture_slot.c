/* SPDX-License-Identifier: MIT
 * The picture among a graph's inputs; see picture_slot.h.
 */
#include "data/picture_slot.h"

bool sg_is_channels(int64_t dim)
{
    return dim == 1 || dim == 3;
}

int sg_picture_slot(const struct sg_slot *slots, int count)
{
    int i;

    for (i = 0; i < count; i++)
        if (slots[i].rank == 4 && (sg_is_channels(slots[i].dims[1]) || sg_is_channels(slots[i].dims[3])))
            return i;
    for (i = 0; i < count; i++)
        if (slots[i].rank == 4)
            return i;
    for (i = 0; i < count; i++)
        if (slots[i].rank == 3 && (slots[i].dims[0] == 3 || slots[i].dims[2] == 3))
            return i;
    return -1;
}

enum sg_layout sg_slot_layout(const struct sg_slot *slot)
{
    int first = slot->rank == 3 ? 0 : 1;

    if (sg_is_channels(slot->dims[first]))
        return SG_LAYOUT_NCHW;
    if (sg_is_channels(slot->dims[first + 2]) || slot->dtype == SG_DTYPE_U8)
        return SG_LAYOUT_NHWC;
    return SG_LAYOUT_NCHW;
}

void sg_slot_sides(const struct sg_slot *slot, enum sg_layout layout, int *out_height, int *out_width)
{
    *out_height = (slot->rank == 3 ? 0 : 1) + (layout == SG_LAYOUT_NCHW ? 1 : 0);
    *out_width = *out_height + 1;
}
