# SPDX-License-Identifier: MIT
"""The decoder against OpenCV's imdecode and Pillow (independent implementations), bit by bit.

CMYK is the exception: OpenCV approximates colour times black and is up to 2 levels brighter than the product, which we
give as numpy computes it from Pillow's inks.
"""
import io
import random
import struct
import zlib

import assets
import pytest

from decoding import (Image, cv2, decode, exif, good, needs_tool, noise, np, opencv, photo, saved, seed,
                      written)
from PIL import ImageOps

# Whole pictures of all sets that are there (assets.py).
IMAGES = [p for origin in assets.SETS for p in sorted(origin.images().glob("*.*"))
          if p.suffix not in (".mp4", ".gif", ".avif")]

pytestmark = needs_tool


def expected(data):
    """OpenCV's pixels; of CMYK the rounded product of each colour and black, which OpenCV must be near."""
    theirs, image = opencv(data), Image.open(io.BytesIO(data))
    if image.mode != "CMYK":
        return theirs
    assert "adobe" in image.info  # such inks are stored inverted, Pillow turns them round
    light = 255 - np.array(image).astype(int)
    exact = np.round(light[:, :, :3] * light[:, :, 3:] / 255).astype(np.uint8)
    above = theirs.astype(int) - exact
    assert above.min() >= 0 and above.max() <= 2
    return exact


# ---- whole pictures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_photographs_are_right_to_the_bit(tmp_path, path):
    with open(path, "rb") as file:
        data = file.read()
    mine, theirs = good(tmp_path, data, "--exact"), expected(data)
    assert mine.pixels.shape == theirs.shape and mine.full == (theirs.shape[1], theirs.shape[0])
    assert np.array_equal(mine.pixels, theirs)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_every_orientation_is_applied(tmp_path, form, orientation):
    pixels = photo(75, 50)
    keys = {"JPEG": {"quality": 90}, "WEBP": {"lossless": True}}.get(form, {})
    if form == "TIFF":
        data = saved(pixels, form, tiffinfo={274: orientation})
    else:
        data = saved(pixels, form, exif=exif(orientation), **keys)
    mine = good(tmp_path, data)
    # OpenCV 4.6 turns JPEG, PNG and TIFF; WebP it leaves as stored, Pillow knows better.
    theirs = np.array(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")) if form == "WEBP" \
        else opencv(data)
    assert mine.orientation == orientation
    assert mine.full == ((75, 50) if orientation < 5 else (50, 75))
    assert np.array_equal(mine.pixels, theirs)


@pytest.mark.parametrize("keys", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True},
                                  {"optimize": True, "quality": 30}], ids=str)
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (16, 16), (17, 33), (203, 151)], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_jpeg_is_right_to_the_bit(tmp_path, mode, size, keys):
    data = saved(photo(*size), "JPEG", mode, **keys)
    assert np.array_equal(good(tmp_path, data).pixels, expected(data))


def packbits_bmp(width, height):
    """An 8-bit run-length BMP: every row one run of its own colour, drawn by hand."""
    rows = b"".join(bytes([width, y * 7 & 255, 0, 0]) for y in range(height)) + b"\0\1"
    palette = b"".join(bytes([i, 255 - i, i // 2, 0]) for i in range(256))
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(rows), 0, 0, 256, 0)
    offset = 14 + len(head) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(rows), 0, 0, offset) + head + palette + rows


def lossless_files():
    rgb, grey = noise(61, 37), noise(61, 37, 1)
    deep, deep_grey = noise(61, 37, 3, 65536, np.uint16), noise(61, 37, 1, 65536, np.uint16)
    rgba = noise(61, 37, 4)
    return {
        "png": saved(rgb, "PNG"), "png-grey": saved(grey, "PNG"), "png-rgba": saved(rgba, "PNG"),
        "png-palette": saved(rgb, "PNG", "P"), "png-1bit": saved(grey, "PNG", "1"),
        "png-4bit": saved(grey // 16, "PNG", "P", bits=4), "png-la": saved(rgba, "PNG", "LA"),
        "png-16": written(".png", deep), "png-16-grey": written(".png", deep_grey),
        "png-trns": saved(rgb, "PNG", transparency=tuple(int(v) for v in rgb[3, 3])),
        "png-palette-trns": saved(rgb, "PNG", "P", transparency=3),
        "png-16-rgba": written(".png", noise(61, 37, 4, 65536, np.uint16)),
        "bmp": saved(rgb, "BMP"), "bmp-grey": saved(grey, "BMP"), "bmp-palette": saved(rgb, "BMP", "P"),
        "bmp-1bit": saved(grey, "BMP", "1"), "bmp-32": saved(rgba, "BMP"), "bmp-rle": packbits_bmp(61, 37),
        "tiff": saved(rgb, "TIFF"), "tiff-lzw": saved(rgb, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": saved(rgb, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-packbits": saved(rgb, "TIFF", compression="packbits"), "tiff-grey": saved(grey, "TIFF"),
        "tiff-palette": saved(rgb, "TIFF", "P"), "tiff-1bit": saved(grey, "TIFF", "1"),
        "tiff-16": written(".tif", deep), "tiff-16-grey": written(".tif", deep_grey),
        "ppm": saved(rgb, "PPM"), "pgm": saved(grey, "PPM"), "pbm": saved(grey, "PPM", "1"),
        "ppm-16": written(".ppm", deep), "pgm-16": written(".pgm", deep_grey),
        "ppm-ascii": written(".ppm", rgb, cv2.IMWRITE_PXM_BINARY, 0),
        "ppm-comment": b"P6 # size\n#\n61 37\n255\n" + rgb.tobytes(),
        "webp-lossless": saved(rgb, "WEBP", lossless=True),
        "webp-lossless-rgba": saved(rgba, "WEBP", lossless=True),
        "jpeg2000": saved(photo(128, 96), "JPEG2000"), "jpeg2000-grey": saved(photo(128, 96), "JPEG2000", "L"),
        "sun": written(".sr", rgb),
    }


LOSSLESS = lossless_files()


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_formats_are_opencv_to_the_bit(tmp_path, name):
    mine, theirs = good(tmp_path, LOSSLESS[name]), opencv(LOSSLESS[name])
    assert mine.format == {"pgm": "pgm", "sun": "sun"}.get(name.split("-")[0], name.split("-")[0])
    assert np.array_equal(mine.pixels, theirs), int(np.abs(mine.pixels.astype(int) - theirs).max())


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (61, 37), (64, 64), (203, 152)], ids=str)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_lossy_webp_is_opencv_to_the_bit(tmp_path, mode, size):
    data = saved(photo(*size), "WEBP", mode, quality=70)
    assert np.array_equal(good(tmp_path, data).pixels, opencv(data))


def test_pam_is_red_green_blue(tmp_path):
    pixels = noise(61, 37)  # OpenCV 4.6 reads TUPLTYPE RGB as BGR
    head = b"P7\nWIDTH 61\nHEIGHT 37\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
    assert np.array_equal(good(tmp_path, head + pixels.tobytes()).pixels, pixels)


def test_gif_shows_its_first_frame(tmp_path):
    first, second = (Image.fromarray(noise(61, 37, seed=s)).convert("P") for s in (1, 2))
    out = io.BytesIO()
    first.save(out, "GIF", save_all=True, append_images=[second])
    assert np.array_equal(good(tmp_path, out.getvalue()).pixels, np.array(first.convert("RGB")))


@pytest.mark.skipif(assets.ADDITIONAL not in assets.SETS, reason="skipped: there is no additional set")
def test_avif_is_the_picture_it_was_made_from(tmp_path):
    with open(assets.ADDITIONAL.images() / "horses.avif", "rb") as file:
        mine = good(tmp_path, file.read())
    theirs = cv2.cvtColor(cv2.imread(str(assets.ADDITIONAL.images() / "horses.jpg")), cv2.COLOR_BGR2RGB)
    assert mine.pixels.shape == theirs.shape
    assert cv2.PSNR(mine.pixels, theirs) > 30


@pytest.mark.parametrize("form", ["avif", "heic"])
def test_heif_shows_its_four_colours(tmp_path, form):
    """Red, green over blue, yellow: drawn and encoded by fuzz/make_decode_corpus.py."""
    mine = good(tmp_path, seed(form))
    assert mine.format == form and mine.full == mine.pixels.shape[1::-1]
    side = mine.full[0] // 2
    for at, colour in {(0, 0): (250, 0, 0), (0, 1): (0, 250, 0), (1, 0): (0, 0, 250), (1, 1): (250, 250, 0)}.items():
        centre = mine.pixels[at[0] * side + side // 2, at[1] * side + side // 2].astype(int)
        assert np.abs(centre - colour).max() < 24, (at, centre)


@pytest.mark.parametrize("form", ["avif", "heic"])
def test_heif_that_lies_about_its_size_is_refused(tmp_path, form):
    data = bytearray(seed(form))
    at = data.index(b"ispe") + 8
    data[at:at + 8] = struct.pack(">II", 8, 8)
    answer, text = decode(tmp_path, bytes(data))
    assert answer is None and text.startswith("error bad_image"), text


def test_exr_shows_0_to_1(tmp_path):
    pixels = np.float32([[(0, 0.25, 0.5)], [(1, 2, -1)]])
    mine = good(tmp_path, written(".exr", pixels[:, :, ::-1], cv2.IMWRITE_EXR_TYPE, cv2.IMWRITE_EXR_TYPE_FLOAT))
    assert mine.format == "exr" and mine.pixels.tolist() == [[[0, 64, 128]], [[255, 255, 0]]]


# ---- reduced and partial --------------------------------------------------------------------------------------


@pytest.mark.parametrize("wish,eighths", [((640, 360), 8), ((320, 180), 4), ((321, 180), 8), ((160, 90), 2),
                                          ((80, 45), 1), ((10, 6), 1), ((100, 46), 2), ((9000, 9000), 8)], ids=str)
@pytest.mark.parametrize("subsampling", [0, 2])
def test_reduced_is_the_area_mean(tmp_path, wish, eighths, subsampling):
    pixels = photo(640, 360)
    mine = good(tmp_path, saved(pixels, "JPEG", subsampling=subsampling, quality=95), "--min", "%dx%d" % wish)
    assert mine.scale == (eighths / 8, eighths / 8) and mine.full == (640, 360)
    assert mine.pixels.shape == (360 * eighths // 8, 640 * eighths // 8, 3)
    area = cv2.resize(pixels, mine.pixels.shape[1::-1], interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(mine.pixels - area).mean() < 2


def test_exact_never_reduces(tmp_path):
    data = saved(photo(640, 360), "JPEG")
    assert np.array_equal(good(tmp_path, data, "--exact", "--min", "20x20").pixels, opencv(data))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_wish_speaks_of_the_upright_picture(tmp_path, orientation):
    data = saved(photo(641, 363), "JPEG", exif=exif(orientation))
    wish = (161, 91) if orientation < 5 else (91, 161)
    mine = good(tmp_path, data, "--min", "%dx%d" % wish)
    assert mine.scale == (0.25, 0.25)
    assert mine.pixels.shape == (wish[1], wish[0], 3)
    full = opencv(data)
    assert mine.full == (full.shape[1], full.shape[0])
    # Where the origin says the pixels lie, the full picture shows the same.
    step, tops = 4, [int(round(v)) for v in mine.origin]
    assert all(-step < t <= 0 for t in tops)
    padded = cv2.copyMakeBorder(full, -tops[1], step, -tops[0], step, cv2.BORDER_REPLICATE)
    area = cv2.resize(padded[:wish[1] * 4, :wish[0] * 4], wish, interpolation=cv2.INTER_AREA)
    assert np.abs(mine.pixels.astype(int) - area).mean() < 2


def regions(width, height, count, seed):
    draw = random.Random(seed)
    yield 0, 0, width, height
    yield 0, 0, 1, 1
    yield width - 1, height - 1, width, height
    for _ in range(count):
        left, top = draw.randrange(width), draw.randrange(height)
        yield left, top, draw.randrange(left + 1, width + 1), draw.randrange(top + 1, height + 1)


JPEG_KINDS = {"444": {"subsampling": 0}, "422": {"subsampling": 1}, "420": {"subsampling": 2},
              "progressive": {"progressive": True}, "grey": {"mode": "L"}, "cmyk": {"mode": "CMYK"}}


@pytest.mark.parametrize("kind", JPEG_KINDS)
@pytest.mark.parametrize("scale", [8, 4, 2, 1])
def test_region_is_that_part_of_the_whole(tmp_path, kind, scale):
    """Bit by bit, at every scale: the columns that a cut changes are decoded and thrown away."""
    keys = dict(JPEG_KINDS[kind])
    data = saved(photo(331, 217), "JPEG", keys.pop("mode", None), **keys)
    least = "%dx%d" % (-(-331 * scale // 8), -(-217 * scale // 8))
    whole = good(tmp_path, data, *([] if scale == 8 else ["--min", least]))
    assert whole.scale[0] == scale / 8
    for box in regions(331, 217, 25, scale):
        wide, high = box[2] - box[0], box[3] - box[1]
        wish = [] if scale == 8 else ["--min", "%dx%d" % (-(-wide * scale // 8), -(-high * scale // 8))]
        part = good(tmp_path, data, "--region", ",".join(map(str, box)), *wish)
        assert part.full == (331, 217)
        if part.scale[0] != scale / 8:
            continue  # a tiny region is served by a smaller scale as well
        left, top = (round(part.origin[i] * scale / 8) for i in (0, 1))
        rows, columns = part.pixels.shape[:2]
        assert left * 8 <= box[0] * scale and top * 8 <= box[1] * scale
        assert (left + columns) * 8 >= box[2] * scale and (top + rows) * 8 >= box[3] * scale
        assert np.array_equal(part.pixels, whole.pixels[top:top + rows, left:left + columns]), box


@pytest.mark.parametrize("orientation", range(1, 9))
def test_region_of_a_turned_picture(tmp_path, orientation):
    data = saved(photo(331, 217), "JPEG", exif=exif(orientation), subsampling=2)
    whole = opencv(data)
    height, width = whole.shape[:2]
    for box in regions(width, height, 12, orientation):
        part = good(tmp_path, data, "--region", ",".join(map(str, box)))
        left, top = map(int, part.origin)
        rows, columns = part.pixels.shape[:2]
        assert (left, top) == (max(box[0] - 1, 0), max(box[1] - 1, 0))
        assert (left + columns, top + rows) == (min(box[2] + 1, width), min(box[3] + 1, height))
        assert np.array_equal(part.pixels, whole[top:top + rows, left:left + columns]), box


@pytest.mark.parametrize("box", ["-50,-50,-10,-10", "900,900,990,990", "nan,nan,nan,nan", "50,50,10,10",
                                 "-1e30,0,1e30,5", "inf,inf,inf,inf"])
def test_a_senseless_region_still_answers(tmp_path, box):
    answer = good(tmp_path, saved(photo(331, 217), "JPEG"), "--region", box)
    assert answer.full == (331, 217) and answer.pixels.size > 0


# ---- damage and limits ----------------------------------------------------------------------------------------


TRUNCATED = {"jpeg": saved(photo(331, 217), "JPEG"),
             "jpeg-progressive": saved(photo(331, 217), "JPEG", progressive=True),
             "webp-lossy": saved(photo(331, 217), "WEBP"), "gif": saved(photo(331, 217), "GIF", "P"), **LOSSLESS}


@pytest.mark.parametrize("name", TRUNCATED)
def test_half_a_file_is_an_error(tmp_path, name):
    data = TRUNCATED[name]
    for part in (0.02, 0.3, 0.5) if name == "bmp-rle" else (0.02, 0.3, 0.5, 0.9):  # its last rows may be absent
        answer, text = decode(tmp_path, data[:max(int(len(data) * part), 1)])
        assert answer is None and text.startswith("error bad_image"), (part, text)


def test_baseline_jpeg_without_its_end_marker_is_whole(tmp_path):
    data = saved(photo(331, 217), "JPEG")
    assert np.array_equal(good(tmp_path, data[:-2]).pixels, opencv(data))


def test_bytes_before_a_marker_are_tolerated(tmp_path):
    data = saved(photo(331, 217), "JPEG")
    assert np.array_equal(good(tmp_path, data[:-2] + b"\0\0\0" + data[-2:]).pixels, opencv(data))


def test_damaged_jpeg_says_where(tmp_path):
    data = bytearray(saved(noise(331, 217), "JPEG"))
    data[len(data) // 2:len(data) // 2 + 2] = b"\xff\xd0"
    answer, text = decode(tmp_path, bytes(data))
    assert answer is None and "error bad_image JPEG data is damaged near row" in text


def test_flipped_bits_in_png_are_found(tmp_path):
    data = bytearray(saved(photo(331, 217), "PNG"))
    data[len(data) // 2] ^= 0x10
    answer, text = decode(tmp_path, bytes(data))
    assert answer is None and text.startswith("error bad_image png data is damaged")


def test_too_many_scans_are_refused(tmp_path):
    data = saved(noise(64, 64), "JPEG", progressive=True)
    start = data.rindex(b"\xff\xda")
    answer, text = decode(tmp_path, data[:start] + data[start:-2] * 200 + b"\xff\xd9")
    assert answer is None and "more than 100 scans" in text


def png_claiming(width, height):
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 100)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(c)) + k + c + struct.pack(">I", zlib.crc32(k + c)) for k, c in chunks)


def qoi(chunks, width, height):
    """qoiformat.org: a header, chunks, seven zeros and a one."""
    return b"qoif" + struct.pack(">IIBB", width, height, 3, 0) + chunks + bytes(7) + b"\1"


def test_qoi_that_ends_early_is_refused(tmp_path):
    """FFmpeg repeats the last pixel that there is. Literal pixels, then runs of 62, differences and lumas."""
    pixels = photo(40, 30)
    literal = b"".join(b"\xfe" + bytes(pixel) for pixel in pixels.reshape(-1, 3).tolist())
    assert np.array_equal(good(tmp_path, qoi(literal, 40, 30)).pixels, pixels)
    flat = b"\xff\x10\x20\x30\xff" + b"\xfd" * 19 + b"\x6a" + b"\xa0\x88" * 20  # 1 + 1178 + 1 + 20
    assert (good(tmp_path, qoi(flat, 40, 30)).pixels == (0x10, 0x20, 0x30)).all()
    whole = qoi(literal, 40, 30)
    for data in (whole[:-1], whole[:-4], whole[:-500], whole[:len(whole) // 2], whole[:22], whole[:14],
                 qoi(literal[:-4], 40, 30), qoi(flat[:-2], 40, 30), qoi(b"", 10000, 10000), qoi(flat, 41, 30)):
        answer, text = decode(tmp_path, data)
        assert answer is None and text.startswith("error bad_image") and "ends early" in text, text


CLAIMS = {
    "png": png_claiming(30000, 30000), "png-huge": png_claiming(0x7FFFFFFF, 0x7FFFFFFF),
    "bmp": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 30000, -30000, 1, 24, *[0] * 6) + b"\0" * 99,
    "gif": b"GIF89a" + struct.pack("<HHBBB", 30000, 30000, 0, 0, 0) + b"\0" * 99,
    "ppm": b"P6 30000 30000 255\n" + b"\0" * 99, "ppm-digits": b"P6 99999999999999999999999 1 255\n",
    "pam": b"P7\nWIDTH 30000\nHEIGHT 30000\nDEPTH 3\nMAXVAL 255\nENDHDR\n", "sun": b"\x59\xa6\x6a\x95" +
    struct.pack(">IIIIIII", 30000, 30000, 24, 0, 1, 0, 0), "qoi": b"qoif" + struct.pack(">IIBB", 30000, 30000, 3, 0),
    "tiff": b"II*\0" + struct.pack("<IHHHIIHHIIHHIII", 8, 3, 256, 4, 1, 30000, 257, 4, 1, 30000, 273, 4, 1, 8, 0),
    "webp": b"RIFF\x40\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\x2f\x75\0" * 2 + b"\0" * 40,
    "jpeg2000": b"\xff\x4f\xff\x51\0\x2f\0\0" +
    struct.pack(">IIIIIIII", 30000, 30000, 0, 0, 128, 128, 0, 0) + b"\0" * 40,
}


@pytest.mark.parametrize("name", CLAIMS)
def test_huge_claims_are_refused_by_their_header(tmp_path, name):
    answer, text = decode(tmp_path, CLAIMS[name])
    assert answer is None and text.startswith("error too_large") and text.endswith("(--max-pixels)"), text


def test_the_limit_itself_is_allowed(tmp_path):
    data = saved(photo(40, 30), "JPEG")
    assert decode(tmp_path, data, "--max-pixels", 1200)[0]
    assert "40x30 has 1200 pixels, the limit is 1199" in decode(tmp_path, data, "--max-pixels", 1199)[1]


@pytest.mark.parametrize("form", ["PNG", "TIFF", "BMP", "WEBP"])
@pytest.mark.parametrize("size", [(707, 707), (10, 10000), (1, 499)], ids=str)
def test_the_limit_is_of_the_size_itself(tmp_path, form, size):
    """FFmpeg compares sides that it has rounded up: a picture just below the limit must not be called damaged."""
    pixels = size[0] * size[1]
    data = saved(photo(*size), form, **({"lossless": True} if form == "WEBP" else {}))
    answer, text = decode(tmp_path, data, "--max-pixels", pixels)
    assert answer and answer.full == size, text
    assert f"has {pixels} pixels, the limit is {pixels - 1}" in decode(tmp_path, data, "--max-pixels", pixels - 1)[1]


@pytest.mark.parametrize("sides", [(0xFFFFFFFF, 0xFFFFFFFF), (65536, 1)])
def test_an_avif_that_claims_too_much_is_too_large(tmp_path, sides):
    data = seed("avif")
    at = data.index(b"ispe") + 8
    answer, text = decode(tmp_path, data[:at] + struct.pack(">II", *sides) + data[at + 8:])
    assert answer is None and text.startswith("error too_large "), text


@pytest.mark.parametrize("data,text", [
    (b"", "empty_image no image bytes"),
    (b"this is no image", "bad_image not an image: the first bytes are 74 68 69 73"),
    (b"\xff\xd8\xff", "bad_image JPEG data ends early"), (b"\x89PNG\r\n\x1a\n", "bad_image png header"),
    (b"/9j/4AAQSkZJRg", "unsupported this is base64 text of a JPEG"), (b"%PDF-1.4 ....", "unsupported this is PDF"),
    (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "unsupported this is a video"), (b"\0", "bad_image not an image"),
    (b"RIFF\0\0\0\0AVI LIST", "bad_image not an image")])
def test_what_is_no_image_is_said_so(tmp_path, data, text):
    assert decode(tmp_path, data)[1].startswith("error " + text)


@pytest.mark.parametrize("seed", range(4))
def test_random_damage_never_crashes(tmp_path, seed):
    draw = random.Random(seed)
    for name, data in TRUNCATED.items():
        broken = bytearray(data)
        for _ in range(draw.choice((1, 3, 20))):
            broken[draw.randrange(min(len(broken), draw.choice((64, len(broken)))))] = draw.randrange(256)
        decode(tmp_path, bytes(broken), "--max-pixels", 4000000)


# ---- JPEG 2000, GIF, EXR: what must not come as another picture -----------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L"])
@pytest.mark.parametrize("keys", [{}, {"irreversible": True, "quality_layers": [20]}, {"tile_size": (32, 32)}], ids=str)
def test_jpeg2000_of_all_kinds_is_pillows(tmp_path, keys, mode):
    rgba = np.dstack([photo(100, 70), noise(100, 70, 1)])
    data = saved(rgba, "JPEG2000", mode, **keys)
    theirs = np.array(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.abs(good(tmp_path, data).pixels.astype(int) - theirs).max() <= 1


def test_a_frame_of_digital_cinema_is_refused(tmp_path):
    data = bytearray(saved(photo(64, 64), "JPEG2000", no_jp2=True))
    assert data[:4] == b"\xff\x4f\xff\x51"
    data[6:8] = b"\0\3"  # Rsiz: 2K digital cinema, ISO 15444-1 table A.10
    assert decode(tmp_path, bytes(data))[1].startswith("error unsupported this jpeg2000 is not supported: a frame of")


def test_a_gif_frame_beyond_its_screen_is_refused(tmp_path):
    data = bytearray(saved(photo(64, 48), "GIF", "P"))
    data[6:8] = struct.pack("<H", 40)
    assert decode(tmp_path, bytes(data))[1].startswith("error unsupported this gif is not supported: its first frame")


def test_an_exr_that_shows_another_window_is_refused(tmp_path):
    data = bytearray(written(".exr", np.zeros((9, 9, 3), np.float32)))
    at = data.index(b"displayWindow\0box2i\0") + 24
    data[at + 8:at + 12] = struct.pack("<i", 11)
    assert decode(tmp_path, bytes(data))[1].startswith("error unsupported this exr is not supported: its pixels")


def test_a_broken_profile_is_no_broken_png(tmp_path):
    data = LOSSLESS["png"]
    body = b"iCCP" + b"name\0\x09no deflate"
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    for broken in (chunk, chunk[:-1] + b"\0"):
        assert np.array_equal(good(tmp_path, data[:33] + broken + data[33:]).pixels, opencv(data))


def exr_header(data):
    """[(name, where it begins, where its value begins, where it ends)] and where the table of chunks begins."""
    at, rows = 8, []
    while data[at]:
        kind = data.index(0, at) + 1
        value = data.index(0, kind) + 5
        end = value + struct.unpack_from("<I", data, value - 4)[0]
        rows.append((bytes(data[at:kind - 1]).decode(), at, value, end))
        at = end
    return rows, at + 1


@pytest.mark.parametrize("length", [200, 255, 256, 263, 300, 518, 5000])
def test_an_exr_with_a_long_text_is_read(tmp_path, length):
    """XMP in front, as Adobe's programs write it; FFmpeg 5.1 loses its way behind 255 bytes. The rest is the same file,
    its chunks moved."""
    plain = written(".exr", noise(31, 20).astype(np.float32) / 255)
    text = b"XML:com.adobe.xmp\0string\0" + struct.pack("<I", length) + b"<" * length
    table = exr_header(plain)[1]
    first = struct.unpack_from("<Q", plain, table)[0]
    offsets = struct.unpack_from(f"<{(first - table) // 8}Q", plain, table)
    data = plain[:8] + text + plain[8:table] + struct.pack(f"<{len(offsets)}Q", *[o + len(text) for o in offsets]) + \
        plain[first:]
    assert (good(tmp_path, data).pixels == good(tmp_path, plain).pixels).all()


def test_an_exr_whose_pixels_would_be_others_is_refused(tmp_path):
    """Over public EXRs FFmpeg's DWA was 5 to 21 dB from OpenEXR's own pixels, and RY and BY were left out."""
    pixels = noise(64, 64).astype(np.float32) / 255
    for kind in (8, 9):
        data = written(".exr", pixels, cv2.IMWRITE_EXR_COMPRESSION, kind)
        assert decode(tmp_path, data)[1].startswith("error unsupported this exr is not supported: DWA"), kind
    data = written(".exr", pixels)
    at, value, end = next(row[1:] for row in exr_header(data)[0] if row[0] == "channels")
    channels = data[value:end].replace(b"B\0", b"BY\0", 1).replace(b"R\0", b"RY\0", 1)
    changed = data[:at] + b"channels\0chlist\0" + struct.pack("<I", len(channels)) + channels + data[end:]
    assert decode(tmp_path, changed)[1].startswith("error unsupported this exr is not supported: colours as luminance")


def palette_jp2(depth):
    """Four indices as colours of `depth` bits, whose values need eight."""
    with io.BytesIO() as out:
        Image.fromarray(np.array([[0, 1], [2, 3]], np.uint8).repeat(16, 0).repeat(16, 1)).save(
            out, "JPEG2000", no_jp2=True)
        stream = out.getvalue()
    colours = [(127, 127, 127), (250, 1, 2), (3, 184, 4), (5, 6, 222)]

    def box(kind, body):
        return struct.pack(">I", len(body) + 8) + kind + body

    header = (box(b"ihdr", struct.pack(">IIHBBBB", 32, 32, 1, 7, 7, 0, 0)) +
              box(b"colr", b"\1\0\0" + struct.pack(">I", 16)) +
              box(b"pclr", struct.pack(">HB", 4, 3) + bytes([depth - 1] * 3) + bytes(sum(colours, ()))) +
              box(b"cmap", b"".join(struct.pack(">HBB", 0, 1, c) for c in range(3))))
    return colours, (box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + box(b"jp2h", header) +
                     box(b"jp2c", stream))


def test_a_palette_beyond_its_depth_is_damaged(tmp_path):
    """ISO 15444-1 I.5.3.4: entries have the depth that is said. OpenJPEG hands them out as they are."""
    colours, data = palette_jp2(8)
    assert [tuple(p) for p in good(tmp_path, data).pixels[::16, ::16].reshape(-1, 3)] == colours
    said = decode(tmp_path, palette_jp2(4)[1])[1]
    assert said == "error bad_image jpeg2000 data is damaged: colours beyond their depth"


def test_a_colour_transform_of_one_component_does_not_matter(tmp_path):
    """OpenJPEG complains and leaves it out; Grok and Pillow show the picture. The byte is ISO 15444-1 A.6.1's."""
    grey = photo(40, 30)[:, :, 1]
    with io.BytesIO() as out:
        Image.fromarray(grey).save(out, "JPEG2000", no_jp2=True)
        data = bytearray(out.getvalue())
    assert data[data.index(b"\xFF\x52") + 8] == 0
    data[data.index(b"\xFF\x52") + 8] = 1
    assert (good(tmp_path, bytes(data)).pixels == grey[:, :, None]).all()
