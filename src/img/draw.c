/* SPDX-License-Identifier: MIT
 * A result drawn into a picture. First every shape, then every tag, so that no shape hides a text; tags go
 * where they hide least.
 */
#include "img/draw.h"

#include "base/utf8.h"
#include "img/font.h"
#include "img/paint.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX      8   /* of one tag */
#define LINE_BYTES     160 /* of one line; longer ones end in an ellipsis */
#define LINE_CODES     48
#define TAGS_MAX       512 /* remembered, to keep the next ones off them */
#define VISIBLE_SCORE  0.3f
#define POSE_KEYPOINTS 17

struct sg_painter {
    struct sg_font *font; /* NULL: shapes only */
    struct sg_rect tags[TAGS_MAX];
    int tag_count;
};

struct tag {
    char lines[LINES_MAX][LINE_BYTES];
    int count;
};

/* One drawing: the picture, and how to come from original pixels to its own. */
struct canvas {
    struct sg_painter *painter;
    struct sg_image *image;
    const struct sg_result *result;
    int stroke, text; /* pixels */
};

/* COCO's 17 keypoints: which are joined. */
static const uint8_t limbs[][2] = {{5, 7},   {7, 9},   {6, 8},   {8, 10},  {5, 6}, {5, 11}, {6, 12}, {11, 12},
                                   {11, 13}, {13, 15}, {12, 14}, {14, 16}, {0, 1}, {0, 2},  {1, 3},  {2, 4}};

/* Golden-ratio steps round the colour wheel: neighbours among classes differ most. */
static struct sg_color color_of_class(int class_id)
{
    double hue = fmod(0.36 + 0.618033988749895 * (class_id < 0 ? 0 : class_id), 1.0) * 6;
    double low = 0.16, high = 0.96, rise = low + (high - low) * (hue - floor(hue)), fall = high + low - rise;
    double table[6][3] = {{high, rise, low}, {fall, high, low}, {low, high, rise},
                          {low, fall, high}, {rise, low, high}, {high, low, fall}};
    const double *rgb = table[(int)hue % 6];

    return (struct sg_color){(uint8_t)(rgb[0] * 255), (uint8_t)(rgb[1] * 255), (uint8_t)(rgb[2] * 255)};
}

static struct sg_color readable_on(struct sg_color back)
{
    bool is_light = back.r * 299 + back.g * 587 + back.b * 114 > 125 * 1000;

    return is_light ? (struct sg_color){16, 16, 16} : (struct sg_color){255, 255, 255};
}

static struct sg_point to_stored(const struct canvas *canvas, float x, float y)
{
    const struct sg_image *image = canvas->image;

    return (struct sg_point){(x - image->origin_x) * image->scale_x, (y - image->origin_y) * image->scale_y};
}

/* Rounded and kept where int arithmetic is safe; false when it is no box. */
static bool stored_box(const struct canvas *canvas, const struct sg_box *box, struct sg_rect *rect)
{
    struct sg_point a = to_stored(canvas, box->x1, box->y1), b = to_stored(canvas, box->x2, box->y2);
    const float far = 1e6f;

    if (!isfinite(a.x) || !isfinite(a.y) || !isfinite(b.x) || !isfinite(b.y))
        return false;
    rect->x1 = (int)lrintf(fminf(fmaxf(a.x, -far), far));
    rect->y1 = (int)lrintf(fminf(fmaxf(a.y, -far), far));
    rect->x2 = (int)lrintf(fminf(fmaxf(b.x, -far), far));
    rect->y2 = (int)lrintf(fminf(fmaxf(b.y, -far), far));
    return rect->x1 < rect->x2 && rect->y1 < rect->y2;
}

static void draw_outline(const struct canvas *canvas, const struct sg_point *points, int count,
                         struct sg_color color)
{
    int i;

    for (i = 0; i < count; i++) {
        struct sg_point a = points[i], b = points[(i + 1) % count];

        sg_paint_line(canvas->image, to_stored(canvas, a.x, a.y), to_stored(canvas, b.x, b.y),
                      (float)canvas->stroke, color);
    }
}

/* The outline is copied into the picture's pixels first: fills are even-odd over all of it. */
static int draw_mask(const struct canvas *canvas, const struct sg_object *object, struct sg_color color)
{
    struct sg_point *points = malloc((size_t)object->polygon_count * sizeof(*points));
    int i;

    if (!points)
        return SG_E_NOMEM;
    for (i = 0; i < object->polygon_count; i++)
        points[i] = to_stored(canvas, object->polygon[i].x, object->polygon[i].y);
    sg_paint_polygon(canvas->image, points, object->polygon_count, color, 90);
    free(points);
    draw_outline(canvas, object->polygon, object->polygon_count, color);
    return 0;
}

static bool is_visible(const struct sg_keypoint *point)
{
    return point->score < 0 || point->score >= VISIBLE_SCORE;
}

static void draw_landmarks(const struct canvas *canvas, const struct sg_object *object, struct sg_color color)
{
    float side =
        fminf(object->box.x2 - object->box.x1, object->box.y2 - object->box.y1) * canvas->image->scale_x;
    /* Dots must not hide a small face. */
    float radius = fmaxf(fminf((float)canvas->stroke * 1.1f + 0.6f, side / 28), 1.0f);
    size_t k;
    int i;

    for (k = 0; object->landmark_count == POSE_KEYPOINTS && k < sizeof(limbs) / sizeof(limbs[0]); k++) {
        const struct sg_keypoint *a = &object->landmarks[limbs[k][0]], *b = &object->landmarks[limbs[k][1]];

        if (is_visible(a) && is_visible(b))
            sg_paint_line(canvas->image, to_stored(canvas, a->x, a->y), to_stored(canvas, b->x, b->y),
                          (float)canvas->stroke, color);
    }
    for (i = 0; i < object->landmark_count; i++) {
        const struct sg_keypoint *point = &object->landmarks[i];
        struct sg_point at = to_stored(canvas, point->x, point->y);

        if (!is_visible(point))
            continue;
        sg_paint_disc(canvas->image, at, radius + fmaxf(1.0f, radius * 0.3f), (struct sg_color){20, 20, 20});
        sg_paint_disc(canvas->image, at, radius, (struct sg_color){255, 255, 255});
    }
}

static int draw_shapes(const struct canvas *canvas, const struct sg_object *object)
{
    struct sg_color color = color_of_class(object->class_id);
    struct sg_rect rect;
    int code = 0;

    if (object->polygon && object->polygon_count > 2)
        code = draw_mask(canvas, object, color);
    if (object->has_quad) {
        draw_outline(canvas, object->quad, 4, color);
    } else if (stored_box(canvas, &object->box, &rect)) {
        /* A hair of dark around the colour keeps it visible on anything. */
        struct sg_rect around = {rect.x1 - 1, rect.y1 - 1, rect.x2 + 1, rect.y2 + 1};

        sg_paint_frame(canvas->image, around, 1, (struct sg_color){0, 0, 0}, 110);
        sg_paint_frame(canvas->image, rect, canvas->stroke, color, SG_PAINT_OPAQUE);
    }
    draw_landmarks(canvas, object, color);
    return code;
}

static void add_line(struct tag *tag, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add_line(struct tag *tag, const char *format, ...)
{
    char text[4 * LINE_BYTES];
    const char *at = text;
    char *line;
    va_list args;
    int codes;

    if (tag->count == LINES_MAX)
        return;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (codes = 0; codes < LINE_CODES && at - text < LINE_BYTES - 8 && sg_utf8_next(&at); codes++)
        ;
    line = tag->lines[tag->count++];
    memcpy(line, text, (size_t)(at - text));
    (void)snprintf(line + (at - text), (size_t)(LINE_BYTES - (at - text)), "%s", *at ? "…" : "");
}

static void add_attributes(struct tag *tag, const struct sg_attribute *attributes, int count)
{
    int i;

    for (i = 0; i < count; i++) {
        const struct sg_attribute *a = &attributes[i];
        const char *name = a->name ? a->name : a->model ? a->model : "";

        if (a->label)
            add_line(tag, "%s %.2f", a->label, (double)a->score);
        else if (a->class_id >= 0)
            add_line(tag, "%s %d %.2f", name, a->class_id, (double)a->score);
        if (a->has_value)
            add_line(tag, fabsf(a->value) >= 10 ? "%s %.0f" : "%s %.2f", name, (double)a->value);
    }
}

static void describe(struct tag *tag, const struct sg_object *object)
{
    tag->count = 0;
    if (object->text && *object->text)
        add_line(tag, "%s", object->text);
    else if (object->label)
        add_line(tag, "%s %.2f", object->label, (double)object->score);
    else
        add_line(tag, "%d %.2f", object->class_id, (double)object->score);
    add_attributes(tag, object->attributes, object->attribute_count);
}

static int64_t shared_area(struct sg_rect a, struct sg_rect b)
{
    int64_t width = (a.x2 < b.x2 ? a.x2 : b.x2) - (int64_t)(a.x1 > b.x1 ? a.x1 : b.x1);
    int64_t height = (a.y2 < b.y2 ? a.y2 : b.y2) - (int64_t)(a.y1 > b.y1 ? a.y1 : b.y1);

    return width > 0 && height > 0 ? width * height : 0;
}

/* Moves a tag into the picture, as far as it fits. */
static struct sg_rect pushed_in(const struct sg_image *image, struct sg_rect rect)
{
    int x = 0, y = 0;

    if (rect.x2 > image->width)
        x = image->width - rect.x2;
    if (rect.x1 + x < 0)
        x = -rect.x1;
    if (rect.y2 > image->height)
        y = image->height - rect.y2;
    if (rect.y1 + y < 0)
        y = -rect.y1;
    return (struct sg_rect){rect.x1 + x, rect.y1 + y, rect.x2 + x, rect.y2 + y};
}

/* What a tag at this place would hide: other tags weigh most, then the object itself and its neighbours. */
static double price(const struct canvas *canvas, struct sg_rect place, const struct sg_object *object)
{
    const struct sg_painter *painter = canvas->painter;
    double sum = 0;
    int i;

    for (i = 0; i < painter->tag_count; i++)
        sum += 8.0 * (double)shared_area(place, painter->tags[i]);
    for (i = 0; i < canvas->result->object_count && i < TAGS_MAX; i++) {
        const struct sg_object *other = &canvas->result->objects[i];
        struct sg_rect rect;

        if (stored_box(canvas, &other->box, &rect))
            sum += (other == object ? 0.9 : object->has_quad ? 2.0 : 0.4) * (double)shared_area(place, rect);
    }
    return sum;
}

static struct sg_rect find_place(const struct canvas *canvas, const struct sg_object *object,
                                 struct sg_rect box, int width, int height)
{
    int gap = canvas->stroke;
    const int corners[][2] = {{box.x1, box.y1 - height},         {box.x1, box.y2},
                              {box.x2 - width, box.y1 - height}, {box.x2 + gap, box.y1},
                              {box.x1 - gap - width, box.y1},    {box.x1, box.y1},
                              {box.x2 - width, box.y2},          {box.x1, box.y2 - height}};
    struct sg_rect best = {0};
    double least = INFINITY;
    size_t i;

    for (i = 0; i < sizeof(corners) / sizeof(corners[0]); i++) {
        struct sg_rect place = {corners[i][0], corners[i][1], corners[i][0] + width, corners[i][1] + height};
        double cost;

        place = pushed_in(canvas->image, place);
        /* Earlier places are preferred by a few per cent of the tag. */
        cost = price(canvas, place, object) + (double)i * 0.03 * width * height;
        if (cost < least) {
            least = cost;
            best = place;
        }
    }
    return best;
}

static void draw_tag(const struct canvas *canvas, const struct tag *tag, struct sg_rect place, int pad,
                     struct sg_color color)
{
    struct sg_painter *painter = canvas->painter;
    struct sg_color ink = readable_on(color);
    int i;

    sg_paint_rect(canvas->image, place, color, 236);
    for (i = 0; i < tag->count; i++)
        sg_font_draw(painter->font, canvas->image, place.x1 + pad,
                     place.y1 + pad / 2 + i * sg_font_line_height(painter->font) +
                         sg_font_ascent(painter->font),
                     tag->lines[i], ink);
    if (painter->tag_count < TAGS_MAX)
        painter->tags[painter->tag_count++] = place;
}

/* Size of a tag under the present text size. */
static void measure(const struct canvas *canvas, const struct tag *tag, int pad, int *width, int *height)
{
    struct sg_font *font = canvas->painter->font;
    int i;

    *width = 0;
    for (i = 0; i < tag->count; i++) {
        int line = sg_font_text_width(font, tag->lines[i]);

        *width = line > *width ? line : *width;
    }
    *width += 2 * pad;
    *height = tag->count * sg_font_line_height(font) + pad;
}

static float quad_height(const struct canvas *canvas, const struct sg_object *object)
{
    struct sg_point a = to_stored(canvas, object->quad[0].x, object->quad[0].y);
    struct sg_point b = to_stored(canvas, object->quad[3].x, object->quad[3].y);

    return hypotf(a.x - b.x, a.y - b.y);
}

static void draw_object_tag(const struct canvas *canvas, const struct sg_object *object)
{
    int text = canvas->text, pad, width, height;
    struct sg_rect box;
    struct tag tag;

    if (!stored_box(canvas, &object->box, &box))
        return;
    describe(&tag, object);
    if (object->has_quad) { /* not larger than what it reads */
        float high = quad_height(canvas, object) * 0.8f;

        text = high < (float)text ? (int)fmaxf(high, 11.0f) : text;
    }
    sg_font_set_size(canvas->painter->font, text);
    pad = text / 4 + 1;
    measure(canvas, &tag, pad, &width, &height);
    draw_tag(canvas, &tag, find_place(canvas, object, box, width, height), pad,
             color_of_class(object->class_id));
}

/* What is said of the whole picture: a panel in its top left corner. */
static void draw_picture_tag(const struct canvas *canvas)
{
    int pad = canvas->text / 2, width, height;
    struct tag tag = {.count = 0};

    add_attributes(&tag, canvas->result->attributes, canvas->result->attribute_count);
    if (tag.count == 0)
        return;
    sg_font_set_size(canvas->painter->font, canvas->text * 5 / 4);
    measure(canvas, &tag, pad, &width, &height);
    draw_tag(canvas, &tag, (struct sg_rect){0, 0, width, height}, pad, (struct sg_color){24, 28, 36});
}

int sg_painter_create(const char *font_path, struct sg_painter **out_painter, struct sg_error *err)
{
    struct sg_painter *painter = calloc(1, sizeof(*painter));
    int code;

    if (!painter)
        return sg_error_set(err, SG_E_NOMEM, "no memory for a painter");
    code = sg_font_open(font_path, &painter->font, err);
    if (code < 0 && (font_path || code != SG_E_NOT_FOUND)) {
        sg_painter_destroy(&painter);
        return code;
    }
    sg_error_clear(err);
    *out_painter = painter;
    return 0;
}

void sg_painter_destroy(struct sg_painter **painter)
{
    if (!*painter)
        return;
    sg_font_close(&(*painter)->font);
    free(*painter);
    *painter = NULL;
}

bool sg_painter_has_font(const struct sg_painter *painter)
{
    return painter->font != NULL;
}

bool sg_painter_has_glyph(const struct sg_painter *painter, uint32_t code)
{
    return painter->font && sg_font_has(painter->font, code);
}

int sg_painter_draw(struct sg_painter *painter, struct sg_image *image, const struct sg_result *result,
                    struct sg_error *err)
{
    int longest = image->width > image->height ? image->width : image->height;
    struct canvas canvas = {painter, image, result, 1 + longest / 500, 10 + longest / 140};
    int i;

    if (image->format != SG_PIXEL_RGB24 || image->capacity_bytes == 0)
        return sg_error_set(err, SG_E_INVALID, "can only draw into an RGB picture of one's own");
    painter->tag_count = 0;
    for (i = result->object_count - 1; i >= 0; i--) { /* best last, on top */
        if (draw_shapes(&canvas, &result->objects[i]) < 0)
            return sg_error_set(err, SG_E_NOMEM, "no memory to draw a mask");
    }
    if (!painter->font)
        return 0;
    draw_picture_tag(&canvas);
    for (i = 0; i < result->object_count; i++)
        draw_object_tag(&canvas, &result->objects[i]);
    return 0;
}
