/* SPDX-License-Identifier: MIT
 * How pixels become a model's input tensor, and where they land in it. Plain data shared by img (which does
 * it), head (which knows a family's convention) and pipe (which decides).
 */
#ifndef SG_DATA_TRANSFORM_H
#define SG_DATA_TRANSFORM_H

#include "data/image.h"
#include "data/tensor.h"

enum sg_fit {
    SG_FIT_STRETCH,   /* both axes scaled on their own to fill the input */
    SG_FIT_LETTERBOX, /* r = min(W/w, H/h), size round(w*r) x round(h*r), centred: left = round((W-nw)/2 -
                         0.1) */
    SG_FIT_LETTERBOX_TOPLEFT, /* same r, size floor, at 0,0 */
    SG_FIT_CENTER_CROP, /* shorter side to `shorter_side` (torchvision), then the W x H centre; pads if too
                           small */
};

enum sg_channels { SG_CHANNELS_RGB, SG_CHANNELS_BGR, SG_CHANNELS_GRAY };
enum sg_layout { SG_LAYOUT_NCHW, SG_LAYOUT_NHWC };

/* value[c] = (pixel[c] - mean[c]) / std[c], pixel 0..255, lists in the model's channel order. */
struct sg_transform {
    int width, height; /* model input, pixels */
    enum sg_fit fit;
    int shorter_side; /* SG_FIT_CENTER_CROP: e.g. 256 for a 224 input; 0 = the input's own shorter side */
    enum sg_channels channels;
    enum sg_layout layout;
    enum sg_dtype
        dtype; /* F32, F16, U8 or I8 (U8: std 1, mean 0 stores pixels; I8: value rounded and clamped) */
    float mean[3], std[3];
    float
        pad[3]; /* pixel value 0..255 of the padding, in the model's channel order, normalised like pixels */
};

/* Where a source rectangle of the original picture lies in the input: input_x = original_x * scale_x +
 * offset_x. */
struct sg_placement {
    float scale_x, scale_y;   /* input pixels per original pixel */
    float offset_x, offset_y; /* input pixel edge of original pixel edge 0,0 */
    /* The same for boxes that come back. Reference implementations map them with the fit's one ratio r,
     * though the resized picture is a whole number of pixels and its sides differ from w*r by up to half of
     * one; so do we, or small boxes would be off. */
    float box_scale_x, box_scale_y;
    float box_offset_x, box_offset_y;
    int left, top;     /* first input pixel that holds picture */
    int width, height; /* input pixels that hold picture; the rest is padding */
};

#endif
