# SPDX-License-Identifier: MIT
"""TIFF: files written here field by field. Right are the pixels they were written from (numpy); of JPEG, OpenCV's.

Every kind either gives its picture or is refused as `unsupported`; none may come as another picture.
"""
import io
import struct
import zlib

import pytest

from decoding import Image, cv2, decode, good, needs_tool, np, opencv, photo, saved

pytestmark = needs_tool

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 13: 4, 16: 8}
CODES = {1: "B", 2: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}
NONE, G4, LZW, OLD_JPEG, JPEG, DEFLATE, PACKBITS = 1, 4, 5, 6, 7, 8, 32773
RGB = photo(64, 48)
GREY = RGB[:, :, 1].copy()


def tiff(fields, blocks, order="<", big=False, tiled=False, behind=b""):
    """A file of one directory. fields: {tag: (type, *values)}; blocks: the strips' or tiles' bytes."""
    head = 16 if big else 8
    offsets = [head + sum(map(len, blocks[:i])) for i in range(len(blocks))]
    wide = 16 if big else 4
    fields = dict(fields)
    fields[324 if tiled else 273] = (wide, *offsets)
    fields[325 if tiled else 279] = (wide, *map(len, blocks))
    data = b"".join(blocks)
    data += b"\0" * (-len(data) % 8)
    entries, extra, at = b"", b"", head + len(data)
    inline = 8 if big else 4
    body = at + (8 + 20 * len(fields) + 8 if big else 2 + 12 * len(fields) + 4)
    for tag, (kind, *values) in sorted(fields.items()):
        raw = struct.pack(order + str(len(values)) + CODES[kind], *values)
        count = len(raw) // SIZES[kind]
        entries += struct.pack(order + ("HHQ" if big else "HHI"), tag, kind, count)
        if len(raw) > inline:
            entries += struct.pack(order + ("Q" if big else "I"), body + len(extra))
            extra += raw + b"\0" * (-len(raw) % 2)
        else:
            entries += raw.ljust(inline, b"\0")
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + ("HHHQ" if big else "HI"), *(
        (43, 8, 0, at) if big else (42, at)))
    count = struct.pack(order + ("Q" if big else "H"), len(fields))
    return mark + data + count + entries + bytes(inline) + extra + behind


def described(width, height, samples, bits, photometric, compression=NONE, **more):
    fields = {256: (4, width), 257: (4, height), 258: (3, *[bits] * samples), 259: (3, compression),
              262: (3, photometric), 277: (3, samples)}
    names = {"rows": 278, "planar": 284, "extra": 338, "format": 339, "tile_width": 322, "tile_length": 323,
             "predictor": 317, "ink_set": 332, "kind": 254, "sub": 530, "dng": 50706, "subifd": 330}
    for name, value in more.items():
        values = value if isinstance(value, tuple) else (value,)
        fields[names[name]] = (1, *values) if name == "dng" else (4 if name in ("kind", "subifd") else 3, *values)
    return fields


def lzw(data):
    """Literals only: 9-bit codes, the table cleared before a code would need ten bits."""
    bits = ""
    for i, byte in enumerate(data):
        if i % 200 == 0:
            bits += format(256, "09b")
        bits += format(byte, "09b")
    bits += format(257, "09b")
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


PACK = {NONE: bytes, DEFLATE: zlib.compress, LZW: lzw,
        PACKBITS: lambda d: b"".join(bytes([len(d[i:i + 128]) - 1]) + d[i:i + 128] for i in range(0, len(d), 128))}


def tiles_of(pixels, side):
    height, width = pixels.shape[:2]
    padded = np.pad(pixels, [(0, -height % side), (0, -width % side)] + [(0, 0)] * (pixels.ndim - 2), mode="edge")
    return [padded[y:y + side, x:x + side].tobytes()
            for y in range(0, height, side) for x in range(0, width, side)]


def same(tmp_path, data, pixels, off=0):
    mine = good(tmp_path, data)
    assert mine.format == "tiff" and mine.pixels.shape[:2] == pixels.shape[:2]
    pixels = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, 2)
    assert np.abs(mine.pixels.astype(int) - pixels).max() <= off


def refused(tmp_path, data, words, code="unsupported"):
    answer, text = decode(tmp_path, data)
    assert answer is None and text.startswith(f"error {code} ") and words in text, text


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("big", [False, True], ids=["classic", "big"])
@pytest.mark.parametrize("compression", PACK)
@pytest.mark.parametrize("size", [(64, 48), (61, 37)], ids=str)
def test_tiles_of_all_compressions(tmp_path, size, compression, big, order):
    pixels = RGB[:size[1], :size[0]]
    for picture, photometric in ((pixels, 2), (pixels[:, :, 0], 1)):
        fields = described(*size, picture.size // size[0] // size[1], 8, photometric, compression, tile_width=16,
                           tile_length=16)
        data = tiff(fields, [PACK[compression](t) for t in tiles_of(picture, 16)], order, big, tiled=True)
        same(tmp_path, data, picture)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("tiled", [False, True], ids=["strips", "tiles"])
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planar", [1, 2])
@pytest.mark.parametrize("photometric", [2, 5], ids=["rgb", "cmyk"])
def test_planes_apart_and_inks(tmp_path, photometric, planar, bits, tiled, order):
    pixels = RGB if photometric == 2 else np.dstack([255 - RGB, RGB[::-1, :, 0] // 4])
    expected = RGB
    if photometric == 5:
        inks = pixels.astype(int)
        expected = np.round((255 - inks[:, :, :3]) * (255 - inks[:, :, 3:]) / 255)
    stored = pixels.astype(np.uint8) if bits == 8 else pixels.astype(order + "u2") * 257
    stored = stored.astype(stored.dtype.newbyteorder(order))
    planes = [stored] if planar == 1 else [stored[:, :, c] for c in range(stored.shape[2])]
    more = {"tile_width": 32, "tile_length": 16} if tiled else {"rows": 20}
    blocks = []
    for plane in planes:
        if tiled:
            blocks += [plane[y:y + 16, x:x + 32].tobytes() for y in range(0, 48, 16) for x in range(0, 64, 32)]
        else:
            blocks += [plane[y:y + 20].tobytes() for y in range(0, 48, 20)]
    same(tmp_path, tiff(described(64, 48, pixels.shape[2], bits, photometric, planar=planar, **more), blocks, order,
                        tiled=tiled), expected)


def jpeg(pixels, **keys):
    return saved(np.ascontiguousarray(pixels), "JPEG", quality=90, **keys)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("tiled", [False, True], ids=["strips", "tiles"])
def test_jpeg_inside(tmp_path, tiled, subsampling):
    wide = 32 if tiled else 64
    blocks = [jpeg(RGB[y:y + 16, x:x + wide], subsampling=subsampling)
              for y in range(0, 48, 16) for x in range(0, 64, wide)]
    across = 64 // wide
    expected = np.vstack([np.hstack([opencv(b) for b in blocks[i:i + across]]) for i in range(0, len(blocks), across)])
    more = {"tile_width": 32, "tile_length": 16} if tiled else {"rows": 16}
    fields = described(64, 48, 3, 8, 6, JPEG, sub=[(1, 1), (2, 1), (2, 2)][subsampling], **more)
    same(tmp_path, tiff(fields, blocks, tiled=tiled), expected, 1)


def test_jpeg_inside_of_grey_planes(tmp_path):
    blocks = [jpeg(RGB[:, :, c]) for c in range(3)]
    expected = np.dstack([opencv(b)[:, :, 0] for b in blocks])
    same(tmp_path, tiff(described(64, 48, 3, 8, 2, JPEG, planar=2, rows=48), blocks), expected)


def test_jpeg_of_pillow_and_old_jpeg(tmp_path):
    mine = good(tmp_path, saved(RGB, "TIFF", compression="jpeg", quality=90))
    assert cv2.PSNR(mine.pixels, RGB) > 28
    data = jpeg(RGB, subsampling=0)
    fields = described(64, 48, 3, 8, 6, OLD_JPEG, rows=48, sub=(1, 1))
    same(tmp_path, tiff({**fields, 513: (4, 8), 514: (4, len(data))}, [data]), opencv(data), 2)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6, 7, 10, 12, 14])
@pytest.mark.parametrize("photometric", [0, 1], ids=["white-is-0", "black-is-0"])
def test_odd_depths_of_grey(tmp_path, bits, photometric):
    top = (1 << bits) - 1
    values = np.arange(48 * 61).reshape(48, 61) * 7 % (top + 1)
    rows = []
    for row in values:
        text = "".join(format(v, f"0{bits}b") for v in row)
        text += "0" * (-len(text) % 8)
        rows.append(int(text, 2).to_bytes(len(text) // 8, "big"))
    expected = np.round(values * 255 / top)
    data = tiff(described(61, 48, 1, bits, photometric), [b"".join(rows)])
    same(tmp_path, data, 255 - expected if photometric == 0 else expected)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes(tmp_path, bits):
    colours = np.random.default_rng(5).integers(0, 256, (3, 1 << bits))
    values = np.arange(48 * 64).reshape(48, 64) % (1 << bits)
    packed = np.zeros((48, 64 * bits // 8), int)
    for i in range(8 // bits):
        packed |= values[:, i::8 // bits] << (8 - bits * (i + 1))
    fields = {**described(64, 48, 1, bits, 3), 320: (3, *(colours.ravel() * 257).tolist())}
    same(tmp_path, tiff(fields, [packed.astype(np.uint8).tobytes()]), colours.T[values])


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
def test_floats_are_black_to_white_from_0_to_1(tmp_path, kind, order):
    bits = int(kind[1]) * 8
    for picture, photometric in ((RGB, 2), (GREY, 1)):
        samples = picture.size // GREY.size
        stored = (picture / 255).astype(order + kind)
        same(tmp_path, tiff(described(64, 48, samples, bits, photometric, format=(3,) * samples), [stored.tobytes()],
                            order), picture)
    for wrong, text in ((-0.5, "from -0.5 to 1"), (300.0, "from 0 to 300"), (np.nan, "nan")):
        stored = (GREY / 255).astype(order + kind)
        stored[3, 3] = wrong
        refused(tmp_path, tiff(described(64, 48, 1, bits, 1, format=3), [stored.tobytes()], order), text)


@pytest.mark.parametrize("order", "<>")
def test_floats_of_24_bits(tmp_path, order):
    """Adobe's: a sign, seven bits of exponent with a bias of 63, sixteen of fraction."""
    values = np.arange(64 * 48).reshape(48, 64) % 256
    single = (values / 256).astype("<f4").view("<u4")
    exponent = np.where(values == 0, 0, (single >> 23) - 127 + 63)
    wide = exponent << 16 | single >> 7 & 0xFFFF
    stored = wide.astype(order + "u4").view(np.uint8).reshape(48, 64, 4)
    stored = (stored[:, :, :3] if order == "<" else stored[:, :, 1:]).tobytes()
    same(tmp_path, tiff(described(64, 48, 1, 24, 1, format=3), [stored], order), np.round(values / 256 * 255), 1)


def test_a_picture_that_does_not_say_its_colours(tmp_path):
    """As libtiff takes it: RGB of three samples, else 0 is black, but white of fax codings (here group 4)."""
    for picture, samples in ((RGB, 3), (GREY, 1)):
        fields = described(64, 48, samples, 8, 2)
        del fields[262]
        same(tmp_path, tiff(fields, [picture.tobytes()]), picture)
    black = Image.fromarray(GREY).point(lambda v: 255 * (v > 128)).convert("1")
    out = io.BytesIO()
    black.save(out, "TIFF", compression="group4")
    tags = Image.open(io.BytesIO(out.getvalue())).tag_v2
    strip = out.getvalue()[tags[273][0]:tags[273][0] + tags[279][0]]
    fields = described(64, 48, 1, 1, 0, G4)
    expected = np.array(black).astype(np.uint8) * 255
    stated = good(tmp_path, tiff({**fields, 262: (3, tags[262])}, [strip])).pixels
    assert np.array_equal(stated, np.repeat(expected[:, :, None], 3, 2))
    del fields[262]
    same(tmp_path, tiff(fields, [strip]), expected if tags[262] == 0 else 255 - expected)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind,planar", [(0, 1), (1, 1), (2, 1), (1, 2), (2, 2)])
def test_alpha_is_dropped_and_not_blended(tmp_path, kind, planar, bits):
    """Kind 1 has its colours multiplied with alpha (TIFF 6.0, ExtraSamples); dropping it gives them back."""
    alpha = np.full((48, 64, 1), 255) if kind != 1 else np.random.default_rng(2).integers(128, 256, (48, 64, 1))
    if kind == 2:
        alpha[:] = 7
    top = 255 if bits == 8 else 65535
    for picture, photometric in ((RGB, 2), (GREY[:, :, None], 1)):
        colour = picture.astype(float) / 255
        a = np.round(alpha / 255 * top)
        stored = np.round(colour * top * (a / top if kind == 1 else 1))
        stored = np.dstack([stored, a]).astype(f"<u{bits // 8}")
        planes = [stored] if planar == 1 else [stored[:, :, c] for c in range(stored.shape[2])]
        data = tiff(described(64, 48, stored.shape[2], bits, photometric, extra=kind, planar=planar, rows=48),
                    [p.tobytes() for p in planes])
        same(tmp_path, data, np.repeat(picture, 3, 2) if photometric == 1 else picture, 2 if kind == 1 else 0)


@pytest.mark.parametrize("bits", [8, 16])
def test_fully_transparent_pixels(tmp_path, bits):
    """Multiplied with an alpha of 0 every colour is 0, and 0 of 0 is no number: black, as it is stored."""
    top = 255 if bits == 8 else 65535
    stored = np.dstack([RGB.astype(float) / 255 * top, np.full((48, 64), top)])
    stored[5:9, 7:20] = 0
    expected = RGB.copy()
    expected[5:9, 7:20] = 0
    same(tmp_path, tiff(described(64, 48, 4, bits, 2, extra=1, rows=48), [stored.astype(f"<u{bits // 8}").tobytes()]),
         expected)


def test_subsampled_ycbcr_without_jpeg(tmp_path):
    """2x2 blocks of 4 luma and 2 chroma bytes (TIFF 6.0 section 21); grey chroma leaves the luma."""
    luma = GREY.reshape(24, 2, 32, 2).transpose(0, 2, 1, 3).reshape(24, 32, 4)
    blocks = np.dstack([luma, np.full((24, 32, 2), 128)]).astype(np.uint8)
    same(tmp_path, tiff(described(64, 48, 3, 8, 6, sub=(2, 2)), [blocks.tobytes()]), GREY)


def test_the_first_directory_is_the_picture(tmp_path):
    out = io.BytesIO()
    first, second = Image.fromarray(RGB), Image.fromarray(255 - RGB[:20])
    first.save(out, "TIFF", save_all=True, append_images=[second])
    same(tmp_path, out.getvalue(), RGB)


REFUSED = {
    "signed": (described(64, 48, 1, 16, 1, format=2), 2, "samples that are signed of 16 bits"),
    "wide": (described(64, 48, 1, 32, 1), 4, "samples that are integers of 32 bits"),
    "complex": (described(64, 48, 1, 64, 1, format=6), 8, "complex of 64 bits"),
    "channels": (described(64, 48, 5, 8, 1, extra=(0,) * 4), 5, "5 samples a pixel, which are not said to be colours"),
    "inks": (described(64, 48, 4, 8, 5, ink_set=2), 4, "inks other than"),
    "light": (described(64, 48, 3, 16, 32845), 6, "logarithmic light"),
    "lab": (described(64, 48, 3, 8, 8), 3, "L*a*b*"),
    "mosaic": (described(64, 48, 1, 16, 32803), 2, "mosaic"),
    "dng": (described(64, 48, 3, 8, 2, dng=(1, 4, 0, 0)), 3, "(DNG)"),
    "thumbnail": (described(64, 48, 3, 8, 2, kind=1, subifd=8), 3, "thumbnail"),
    "mask": (described(64, 48, 1, 8, 1, kind=4), 1, "transparency mask"),
    "compression": (described(64, 48, 3, 8, 2, 50001 + 9), 3, "compression 50010"),
    "predictor": (described(64, 48, 3, 8, 2, predictor=2), 3, "predictor"),
    "kind": (described(64, 48, 1, 8, 42), 1, "colours of kind 42 (PhotometricInterpretation)"),
    "indices": ({**described(64, 48, 1, 16, 3, format=3), 320: (3, *[0] * 3 * 65536)}, 2,
                "palette indices that are floats"),
    "depths": ({**described(64, 48, 3, 8, 2), 258: (3, 5, 6, 5)}, 2, "annot handle"),
}


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_certain_picture_is_refused_with_the_reason(tmp_path, name, order):
    fields, pixel_bytes, words = REFUSED[name]
    refused(tmp_path, tiff(fields, [bytes(64 * 48 * pixel_bytes)], order), words)


def test_headers_that_contradict_themselves(tmp_path):
    refused(tmp_path, tiff(described(64, 48, 2, 8, 2), [bytes(64 * 48 * 2)]),
            "tiff header says 2 samples a pixel, its colours need 3", "bad_image")
    refused(tmp_path, tiff(described(64, 48, 3, 8, 5), [bytes(64 * 48 * 3)]),
            "tiff header says 3 samples a pixel, its colours need 4", "bad_image")
    refused(tmp_path, tiff(described(64, 48, 1, 4, 3), [bytes(32 * 48)]), "Colormap", "bad_image")
    same(tmp_path, tiff(described(64, 48, 1, 8, 3), [GREY.tobytes()]), GREY)  # libtiff takes it for grey
    refused(tmp_path, tiff(described(0, 48, 3, 8, 2), [bytes(64 * 48 * 3)]), "", "bad_image")
    refused(tmp_path, tiff(described(64, 48, 3, 8, 2), [b"CR" + bytes(64 * 48 * 3 - 2)]), "raw picture (CR2)")


def test_left_out_strips_are_refused(tmp_path):
    data = bytearray(tiff(described(64, 48, 1, 8, 1, rows=24), [GREY[:24].tobytes(), GREY[24:].tobytes()]))
    for values in (struct.pack("<II", 8, 8 + 64 * 24), struct.pack("<II", 64 * 24, 64 * 24)):
        at = data.rindex(values)
        data[at + 4:at + 8] = bytes(4)
    refused(tmp_path, bytes(data), "(sparse)")


def test_what_libtiff_only_reports_is_damage(tmp_path):
    strip = jpeg(RGB, subsampling=0)
    fields = described(64, 48, 3, 8, 6, JPEG, rows=48, sub=(1, 1))
    refused(tmp_path, tiff(fields, [strip[:-40]]), "remature end", "bad_image")
    data = saved(photo(160, 120), "TIFF", "1", compression="group4")
    at = Image.open(io.BytesIO(data)).tag_v2[273][0]
    hit = 0
    for offset in range(20, 200, 9):  # most flips make a line of a wrong length; none may come as the picture
        broken = bytearray(data)
        broken[at + offset] ^= 0x55
        answer, text = decode(tmp_path, bytes(broken))
        hit += answer is None and text.startswith("error bad_image")
    assert hit > 15


def test_a_block_larger_than_the_limit_is_refused(tmp_path):
    data = tiff(described(8, 8, 3, 8, 2, tile_width=32768, tile_length=32768), [bytes(192)], tiled=True)
    refused(tmp_path, data, "--max-pixels", "too_large")


@pytest.mark.parametrize("cut", [1, 100, 3000])
def test_ends_early(tmp_path, cut):
    out = io.BytesIO()
    Image.fromarray(RGB).save(out, "TIFF")
    refused(tmp_path, out.getvalue()[:-cut], "ends early", "bad_image")
