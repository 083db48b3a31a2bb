/* SPDX-License-Identifier: MIT
 * Faces and a bounded cache of rendered glyphs. Everything hangs on one FT_Library of its own, so that
 * painters of different threads share nothing.
 */
#include "img/font.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

#include <ft2build.h>
#include FT_FREETYPE_H

#define FACES_MAX   4
#define GLYPH_SLOTS 1024 /* a power of two; a new glyph takes the place of the old one in its slot */

static const char *const latin_places[] = {
    "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",
    "/usr/share/fonts/dejavu-sans-fonts/DejaVuSans.ttf",
    "/usr/share/fonts/TTF/DejaVuSans.ttf",
    "/usr/share/fonts/truetype/noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/google-noto/NotoSans-Regular.ttf",
    "/usr/share/fonts/truetype/liberation/LiberationSans-Regular.ttf",
    NULL,
};

static const char *const cjk_places[] = {
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/google-droid-sans-fonts/DroidSansFallbackFull.ttf",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    NULL,
};

struct glyph {
    uint32_t code;
    int pixels; /* size it was rendered at; 0 = empty slot */
    int left, top, width, height, advance;
    uint8_t *bits; /* width x height coverage; NULL for a blank */
};

struct sg_font {
    FT_Library library;
    FT_Face faces[FACES_MAX];
    int face_count;
    int pixels;
    struct glyph glyphs[GLYPH_SLOTS];
};

static bool add_face(struct sg_font *font, const char *path)
{
    if (!path || !*path || font->face_count == FACES_MAX ||
        FT_New_Face(font->library, path, 0, &font->faces[font->face_count]) != 0)
        return false;
    if (!FT_IS_SCALABLE(font->faces[font->face_count])) {
        (void)FT_Done_Face(font->faces[font->face_count]);
        return false;
    }
    font->face_count++;
    return true;
}

static void add_first(struct sg_font *font, const char *const *places)
{
    while (*places && !add_face(font, *places))
        places++;
}

int sg_font_open(const char *path, struct sg_font **out_font, struct sg_error *err)
{
    struct sg_font *font = calloc(1, sizeof(*font));
    const char *wish = getenv("SIGHT_FONT");

    if (!font || FT_Init_FreeType(&font->library) != 0) {
        free(font);
        return sg_error_set(err, SG_E_NOMEM, "no memory to open a font");
    }
    if (path && !add_face(font, path)) {
        sg_font_close(&font);
        return sg_error_set(err, SG_E_NOT_FOUND, "cannot open the font \"%s\"", path);
    }
    (void)add_face(font, wish);
    add_first(font, latin_places);
    add_first(font, cjk_places);
    if (font->face_count == 0) {
        sg_font_close(&font);
        return sg_error_set(err, SG_E_NOT_FOUND,
                            "no font in the usual places; install DejaVu Sans or set SIGHT_FONT");
    }
    sg_font_set_size(font, 16);
    *out_font = font;
    return 0;
}

void sg_font_close(struct sg_font **font)
{
    int i;

    if (!*font)
        return;
    for (i = 0; i < GLYPH_SLOTS; i++)
        free((*font)->glyphs[i].bits);
    for (i = 0; i < (*font)->face_count; i++)
        (void)FT_Done_Face((*font)->faces[i]);
    (void)FT_Done_FreeType((*font)->library);
    free(*font);
    *font = NULL;
}

bool sg_font_has(const struct sg_font *font, uint32_t code)
{
    int i;

    for (i = 0; i < font->face_count; i++) {
        if (FT_Get_Char_Index(font->faces[i], code) != 0)
            return true;
    }
    return false;
}

void sg_font_set_size(struct sg_font *font, int pixels)
{
    int i;

    if (pixels < SG_FONT_MIN_PX)
        pixels = SG_FONT_MIN_PX;
    if (pixels > SG_FONT_MAX_PX)
        pixels = SG_FONT_MAX_PX;
    if (pixels == font->pixels)
        return;
    font->pixels = pixels;
    for (i = 0; i < font->face_count; i++)
        (void)FT_Set_Pixel_Sizes(font->faces[i], 0, (FT_UInt)pixels);
}

int sg_font_ascent(const struct sg_font *font)
{
    return font->pixels * 15 / 16;
}

int sg_font_line_height(const struct sg_font *font)
{
    return font->pixels * 5 / 4;
}

/* The rendered bits copied out of FreeType's slot; a glyph without them is a blank of its width. */
static void render(struct sg_font *font, uint32_t code, struct glyph *glyph)
{
    FT_GlyphSlot slot;
    int i, y;

    free(glyph->bits);
    *glyph = (struct glyph){.code = code, .pixels = font->pixels, .advance = font->pixels / 2};
    for (i = 0; i < font->face_count - 1 && FT_Get_Char_Index(font->faces[i], code) == 0; i++)
        ;
    if (FT_Get_Char_Index(font->faces[i], code) == 0) {
        i = 0; /* nobody has it: the first face's box for missing characters */
    }
    if (FT_Load_Char(font->faces[i], code, FT_LOAD_RENDER | FT_LOAD_TARGET_LIGHT) != 0)
        return;
    slot = font->faces[i]->glyph;
    glyph->advance = (int)((slot->advance.x + 32) >> 6);
    if (slot->bitmap.pixel_mode != FT_PIXEL_MODE_GRAY || slot->bitmap.width == 0 || slot->bitmap.rows == 0)
        return;
    glyph->bits = malloc((size_t)slot->bitmap.width * slot->bitmap.rows);
    if (!glyph->bits)
        return;
    glyph->width = (int)slot->bitmap.width;
    glyph->height = (int)slot->bitmap.rows;
    glyph->left = slot->bitmap_left;
    glyph->top = slot->bitmap_top;
    for (y = 0; y < glyph->height; y++)
        memcpy(glyph->bits + (size_t)y * (size_t)glyph->width,
               slot->bitmap.buffer + (ptrdiff_t)y * slot->bitmap.pitch, (size_t)glyph->width);
}

static const struct glyph *glyph_of(struct sg_font *font, uint32_t code)
{
    uint32_t hash = (code * 2654435761u) ^ ((uint32_t)font->pixels * 40503u);
    struct glyph *glyph;

    if (code < 0x20 || code == 0x7f)
        code = ' ';
    glyph = &font->glyphs[(hash >> 7) % GLYPH_SLOTS];
    if (glyph->pixels != font->pixels || glyph->code != code)
        render(font, code, glyph);
    return glyph;
}

int sg_font_text_width(struct sg_font *font, const char *text)
{
    uint32_t code;
    int width = 0;

    while ((code = sg_utf8_next(&text)))
        width += glyph_of(font, code)->advance;
    return width;
}

void sg_font_draw(struct sg_font *font, struct sg_image *image, int x, int y, const char *text,
                  struct sg_color color)
{
    uint32_t code;

    while ((code = sg_utf8_next(&text))) {
        const struct glyph *glyph = glyph_of(font, code);

        if (glyph->bits)
            sg_paint_coverage(image, x + glyph->left, y - glyph->top, glyph->bits, glyph->width,
                              glyph->height, color);
        x += glyph->advance;
    }
}
