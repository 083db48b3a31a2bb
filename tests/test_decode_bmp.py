# SPDX-License-Identifier: MIT
"""BMP and WebP: files written here byte by byte. Right are the pixels they were written from; of WebP, Pillow's."""
import io
import struct

import pytest

from decoding import Image, decode, good, needs_tool, np, photo

pytestmark = needs_tool

RGB = photo(61, 37)
INDEX = (np.arange(37 * 61).reshape(37, 61) * 7 % 16).astype(np.uint8)
COLOURS = np.random.default_rng(4).integers(0, 256, (256, 3)).astype(np.uint8)


def refused(tmp_path, data, words, code="unsupported"):
    answer, text = decode(tmp_path, data)
    assert answer is None and text.startswith(f"error {code} ") and words in text, text


def bmp(pixels, bits, compression=0, header=40, masks=(), palette=b"", used=0, height=37, width=61, between=b""):
    if header == 12:
        head = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, used, 0)
        if header == 40:
            head += struct.pack(f"<{len(masks)}I", *masks)
        else:
            head = struct.pack("<I", header) + head[4:] + struct.pack(f"<{len(masks)}I", *masks)
            head = head.ljust(header, b"\0")[:max(header, 16)]
    at = 14 + len(head) + len(palette) + len(between)
    return struct.pack("<2sIHHI", b"BM", at + len(pixels), 0, 0, at) + head + palette + between + pixels


def rows_of(values, dtype, up=True):
    rows = values.astype(dtype).reshape(len(values), -1)
    rows = rows.view(np.uint8) if dtype != np.uint8 else rows
    rows = np.pad(rows, [(0, 0), (0, -rows.shape[1] % 4)])
    return (rows[::-1] if up else rows).tobytes()


def packed(values, bits):
    per = 8 // bits
    values = np.pad(values, [(0, 0), (0, -values.shape[1] % per)]).reshape(len(values), -1, per)
    return sum(values[:, :, i].astype(int) << (8 - bits * (i + 1)) for i in range(per))


def palette(count, entry=4):
    return b"".join(bytes(c[::-1]) + b"\0" * (entry - 3) for c in COLOURS[:count])


MASKS = {"565": (16, (0xF800, 0x7E0, 0x1F)), "555": (16, (0x7C00, 0x3E0, 0x1F)), "4444": (16, (0xF00, 0xF0, 0xF)),
         "231": (16, (0x30, 0xE, 0x1)), "shifted": (32, (0xFF00000, 0xFF000, 0xFF0)),
         "bgr": (32, (0xFF, 0xFF00, 0xFF0000)), "111110": (32, (0xFFE00000, 0x1FFC00, 0x3FF)),
         "16-bit-red": (32, (0xFFFF0000, 0xFF00, 0xFF)), "no-blue": (32, (0xFF0000, 0xFF00, 0))}


@pytest.mark.parametrize("header,compression", [(40, 3), (40, 6), (52, 3), (56, 3), (108, 3), (124, 3)])
@pytest.mark.parametrize("name", MASKS)
def test_any_masks(tmp_path, name, header, compression):
    bits, masks = MASKS[name]
    value, expected = np.zeros((37, 61), np.uint64), np.zeros((37, 61, 3))
    for c, mask in enumerate(masks):
        if mask:
            low = (mask & -mask).bit_length() - 1
            top = mask >> low
            level = np.round(RGB[:, :, c] / 255 * top)
            value |= level.astype(np.uint64) << np.uint64(low)
            expected[:, :, c] = np.round(level * 255 / top)
    stored = masks + ((0,) if compression == 6 or header > 52 else ())
    data = bmp(rows_of(value, f"<u{bits // 8}"), bits, compression, header, stored)
    assert np.array_equal(good(tmp_path, data).pixels, expected)


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("bits", [16, 24, 32])
def test_plain_colours(tmp_path, bits, top_down):
    expected = RGB
    if bits == 16:
        five = np.round(RGB / 255 * 31).astype(int)
        pixels, expected = five[:, :, 0] << 10 | five[:, :, 1] << 5 | five[:, :, 2], np.round(five * 255 / 31)
        pixels = rows_of(pixels, "<u2", not top_down)
    else:
        bgr = RGB[:, :, ::-1] if bits == 24 else np.dstack([RGB[:, :, ::-1], RGB[:, :, 0]])
        pixels = rows_of(bgr, np.uint8, not top_down)
    assert np.array_equal(good(tmp_path, bmp(pixels, bits, height=-37 if top_down else 37)).pixels, expected)


@pytest.mark.parametrize("header", [12, 16, 40, 64, 124])
@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_colours_by_number(tmp_path, bits, header):
    values = INDEX & ((1 << bits) - 1)  # numpy 2 has no 256 beside uint8
    pixels = rows_of(packed(values, bits), np.uint8)
    data = bmp(pixels, bits, header=header, palette=palette(1 << bits, 3 if header == 12 else 4), between=b"gap!")
    assert np.array_equal(good(tmp_path, data).pixels, COLOURS[values])


def runs(values, bits, end=b"\0\1"):
    """Runs of 3, then what is as it is, then single pixels; every row closed."""
    out = b""
    for row in values[::-1]:
        out += bytes([3, row[0] * 17 if bits == 4 else row[0]])
        plain = row[3:13]
        out += bytes([0, 10])
        out += (packed(plain[None], 4).astype(np.uint8) if bits == 4 else plain).tobytes() + b"\0" * (bits == 4)
        for value in row[13:]:
            out += bytes([1, value << 4 if bits == 4 else value])
        out += b"\0\0"
    return out[:-2] + end


@pytest.mark.parametrize("bits", [4, 8])
def test_runs(tmp_path, bits):
    values = INDEX.copy()
    values[:, :3] = values[:, :1]
    data = bmp(runs(values, bits), bits, 3 - bits // 4, palette=palette(16), used=16)
    for content in (data, data[:-2]):  # the end mark may be missing
        assert np.array_equal(good(tmp_path, content).pixels, COLOURS[values])
    refused(tmp_path, data[:-5], "ends early", "bad_image")
    colours = {"palette": palette(16), "used": 16}
    refused(tmp_path, bmp(runs(values[:20], bits), bits, 3 - bits // 4, **colours), "leave pixels out")
    refused(tmp_path, bmp(b"\xff\1" + runs(values, bits), bits, 3 - bits // 4, **colours), "past the edge", "bad_image")


def test_refusals_name_their_reason(tmp_path):
    pixels = rows_of(INDEX, np.uint8)
    refused(tmp_path, bmp(pixels, 8, 4), "8 bits with compression 4")
    refused(tmp_path, bmp(pixels, 8, 1, height=-37), "from the top down")
    refused(tmp_path, bmp(pixels, 7), "7 bits")
    refused(tmp_path, bmp(pixels * 4, 32, 3, masks=(0xFF0F00, 0xFF, 0)), "not side by side")
    refused(tmp_path, bmp(pixels, 8, palette=palette(9), used=200), "inside its 200 colours", "bad_image")
    refused(tmp_path, bmp(pixels[:-9], 8, palette=palette(16), used=16), "ends early", "bad_image")


def webp(frames, **keys):
    out = io.BytesIO()
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=100, **keys)
    return out.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("keys", [{"lossless": True}, {"quality": 80}], ids=str)
def test_an_animation_shows_its_first_frame(tmp_path, keys, mode):
    alpha = np.full((37, 61, 1), 255, np.uint8)
    alpha[:, ::2] = 90
    frames = [Image.fromarray(np.dstack([np.roll(RGB, i * 8, 1), alpha])).convert(mode) for i in range(3)]
    data = webp(frames, exact=True, **keys)
    mine = good(tmp_path, data)
    assert mine.format == "webp" and b"ANMF" in data
    assert np.array_equal(mine.pixels, np.array(Image.open(io.BytesIO(data)).convert("RGB")))
    refused(tmp_path, data[:len(data) // 3], "damaged or ends early", "bad_image")


def test_a_first_frame_smaller_than_the_canvas_lies_where_it_says(tmp_path):
    """RFC 9649: ANMF holds X and Y halved, width and height less one, of 24 bits each."""
    out = io.BytesIO()
    Image.fromarray(RGB).save(out, "WEBP", lossless=True)
    still = out.getvalue()[12:]

    def three(value):
        return struct.pack("<I", value)[:3]

    def chunk(kind, body):
        return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)

    frame = three(5) + three(10) + three(60) + three(36) + three(100) + b"\2" + still
    body = chunk(b"VP8X", b"\2\0\0\0" + three(99) + three(79)) + chunk(b"ANIM", b"\xff" * 4 + b"\0\0") + \
        chunk(b"ANMF", frame)
    data = b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body
    expected = np.zeros((80, 100, 3), np.uint8)
    expected[20:57, 10:71] = RGB
    assert np.array_equal(good(tmp_path, data).pixels, expected)


def test_the_smallest_lossless_webp(tmp_path):
    out = io.BytesIO()
    Image.new("RGB", (1, 1), (250, 3, 77)).save(out, "WEBP", lossless=True)
    assert good(tmp_path, out.getvalue()).pixels.tolist() == [[[250, 3, 77]]]
