# SPDX-License-Identifier: MIT
"""HEIC and AVIF: boxes written here (ISO 14496-12, 23008-12) around pictures that heif-enc coded (fuzz/corpus).

They show red, green over blue, yellow (fuzz/make_decode_corpus.py); what a box does to them numpy does too.
"""
import os
import struct

import pytest

from decoding import ROOT, decode, good, memory, needs_tool, np, seed

pytestmark = needs_tool

COLOURS = np.int64([[(250, 0, 0), (0, 250, 0)], [(0, 0, 250), (250, 250, 0)]])
CASES = os.path.join(os.environ.get("SIGHT_SHARED", os.path.join(ROOT, "..", "shared")), "cases", "04_heic_aux_of_two")


def box(kind, *parts):
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind, version, flags, *parts):
    return box(kind, struct.pack(">I", version << 24 | flags), *parts)


def children(data):
    """(type, body) of each box, in order."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        yield kind, data[at + 8:at + size]
        at += size


def coded(name):
    """(item type, configuration box, payload, side) of a seed of one picture."""
    data = seed(name)
    top = dict(children(data))
    meta = dict(children(top[b"meta"][4:]))
    ipco = list(children(dict(children(meta[b"iprp"]))[b"ipco"]))
    config = next(box(k, v) for k, v in ipco if k in (b"hvcC", b"av1C"))
    side = next(struct.unpack(">I", v[4:8])[0] for k, v in ipco if k == b"ispe")
    return dict(children(meta[b"iinf"][6:]))[b"infe"][8:12], config, top[b"mdat"], side


def ispe(width, height):
    return full(b"ispe", 0, 0, struct.pack(">II", width, height))


def heif(items, properties, references=(), primary=1, wide=False, version=1, idat=b"", more=b""):
    """items: {id: (type, method, bytes, [(index of a property from 1, essential)])}."""
    ident = ">I" if wide else ">H"

    def meta(offset):
        infes, places, links = [], [], []
        for number, (kind, method, data, links_of) in items.items():
            infes.append(full(b"infe", 3 if wide else 2, 0, struct.pack(ident + "H", number, 0), kind, b"\0"))
            before = sum(len(v[2]) for k, v in items.items() if k < number and v[1] == 0)
            at = idat.index(data) if method == 1 else offset + before
            place = struct.pack(ident, number) + (struct.pack(">H", method) if version else b"")
            places.append(place + struct.pack(">HHII", 0, 1, at, len(data)))
            links.append(struct.pack(ident + "B", number, len(links_of)) + b"".join(
                struct.pack(">H", index | essential << 15) if wide else bytes([index | essential << 7])
                for index, essential in links_of))
        return full(
            b"meta", 0, 0, full(b"hdlr", 0, 0, bytes(4), b"pict", bytes(13)),
            full(b"pitm", int(wide), 0, struct.pack(ident, primary)),
            full(b"iloc", 2 if wide else version, 0, b"\x44\0",
                 struct.pack(ident, len(items)), *places),
            full(b"iinf", int(wide), 0, struct.pack(">I" if wide else ">H", len(items)), *infes),
            full(b"iref", int(wide), 0, *(box(kind, struct.pack(ident + "H", source, len(to)),
                                              *(struct.pack(ident, t) for t in to))
                                          for kind, source, to in references)) if references else b"",
            box(b"idat", idat) if idat else b"",
            box(b"iprp", box(b"ipco", *properties),
                full(b"ipma", int(wide), int(wide), struct.pack(">I", len(items)), *links)), more)

    head = box(b"ftyp", b"heic", bytes(4), b"mif1heic" if items[primary][0] != b"av01" else b"mif1avif")
    size = len(head) + len(meta(0)) + 8
    return head + meta(size) + box(b"mdat", *(v[2] for _, v in sorted(items.items()) if v[1] == 0))


def single(name="heic", turns=(), **more):
    kind, config, data, side = coded(name)
    properties = [config, ispe(side, side), *turns]
    links = [(i + 1, i != 1) for i in range(len(properties))]
    return heif({1: (kind, 0, data, links)}, properties, **more)


def refused(tmp_path, data, words, code="unsupported"):
    answer, text = decode(tmp_path, data)
    assert answer is None and text.startswith(f"error {code} ") and words in text, text


@pytest.mark.parametrize("name", ["heic", "avif"])
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("version", [0, 1])
def test_boxes_of_all_widths(tmp_path, name, wide, version):
    plain = good(tmp_path, seed(name)).pixels
    assert np.array_equal(good(tmp_path, single(name, wide=wide, version=version or int(wide))).pixels, plain)


@pytest.mark.parametrize("name", ["heic-10bit", "heic-alpha"])
def test_ten_bits_and_alpha(tmp_path, name):
    mine = good(tmp_path, seed(name)).pixels.astype(int)
    side = len(mine) // 2
    for y in (0, 1):
        for x in (0, 1):
            assert np.abs(mine[y * side + side // 2, x * side + side // 2] - COLOURS[y, x]).max() < 24


def test_an_auxiliary_picture_of_two(tmp_path):
    """iPhones since iOS 18: libheif before 1.18 refused the file ("Too many auxiliary image references")."""
    kind, config, data, side = coded("heic")
    items = {n: (kind, 0, data, [(1, 1), (2, 0)]) for n in (1, 2, 3)}
    both = heif(items, [config, ispe(side, side)], [(b"auxl", 2, (1, 3)), (b"thmb", 3, (1,))])
    assert np.array_equal(good(tmp_path, both).pixels, good(tmp_path, seed("heic")).pixels)


@pytest.mark.skipif(not os.path.isdir(CASES), reason="skipped: no shared cases")
def test_the_shared_auxiliary_picture_of_two(tmp_path):
    plain, both = (good(tmp_path, open(os.path.join(CASES, f), "rb").read()).pixels
                   for f in ("plain.heic", "aux_of_two.heic"))
    assert np.array_equal(plain, both)


@pytest.mark.parametrize("quarters", range(4))
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_turned_and_mirrored(tmp_path, quarters, axis):
    """irot turns counter-clockwise, as rot90 does; imir 0 swaps top and bottom, 1 left and right."""
    plain = good(tmp_path, seed("heic")).pixels
    turns = [box(b"irot", bytes([quarters]))] + ([] if axis is None else [box(b"imir", bytes([axis]))])
    expected = np.rot90(plain, quarters)
    if axis is not None:
        expected = expected[::-1] if axis == 0 else expected[:, ::-1]
    assert np.array_equal(good(tmp_path, single(turns=turns)).pixels, expected)


def test_a_quarter_turn_takes_a_second_picture(tmp_path):
    """What is mirrored, or turned by a half, is so in place."""
    def foreseen(*turns):
        return memory(tmp_path, single(turns=turns))[0]

    half = foreseen(box(b"irot", b"\2"))
    assert foreseen(box(b"irot", b"\1")) == foreseen(box(b"irot", b"\3")) > half == foreseen(box(b"imir", b"\0"))


@pytest.mark.parametrize("wide,high,right,down", [(40, 20, 0, 0), (63, 63, 0, 0), (10, 64, -27, 0), (30, 31, 5, -3),
                                                  (64, 64, 0, 0)])
def test_cut_out_before_it_is_turned(tmp_path, wide, high, right, down):
    plain = good(tmp_path, seed("heic")).pixels
    clap = box(b"clap", struct.pack(">IIIIiIiI", wide, 1, high, 1, right, 1, down, 1))
    left, top = (64 - wide) // 2 + right, (64 - high) // 2 + down
    expected = np.rot90(plain[top:top + high, left:left + wide])
    mine = good(tmp_path, single(turns=[clap, box(b"irot", b"\1")]))
    assert mine.full == (high, wide) and np.array_equal(mine.pixels, expected)


def grid(rows, columns, width, height, side=64):
    kind, config, data, side = coded("heic")
    shape = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    tiles = {n: (kind, 0, data, [(1, 1), (2, 0)]) for n in range(2, 2 + rows * columns)}
    return heif({1: (b"grid", 1, shape, [(3, 0)]), **tiles}, [config, ispe(side, side), ispe(width, height)],
                [(b"dimg", 1, tuple(tiles))], idat=b"\0\0" + shape)


@pytest.mark.parametrize("rows,columns,width,height",
                         [(1, 1, 64, 64), (2, 3, 192, 128), (2, 3, 130, 65), (3, 1, 50, 190)])
def test_grids(tmp_path, rows, columns, width, height):
    plain = good(tmp_path, seed("heic")).pixels
    mine = good(tmp_path, grid(rows, columns, width, height))
    assert np.array_equal(mine.pixels, np.tile(plain, (rows, columns, 1))[:height, :width])


@pytest.mark.parametrize("matrix,limited", [(1, 0), (1, 1), (9, 0), (6, 1)])
def test_colours_are_those_of_the_file(tmp_path, matrix, limited):
    """A grey patch keeps its matrix-free value; of limited range it is stretched. Kr, Kb: ITU-T H.273."""
    red, blue = {1: (0.2126, 0.0722), 9: (0.2627, 0.0593), 6: (0.299, 0.114)}[matrix]
    plain = good(tmp_path, single(turns=[colr(6, 0)])).pixels[16, 16].astype(float)
    mine = good(tmp_path, single(turns=[colr(matrix, limited)])).pixels[16, 16].astype(float)
    luma = plain @ (0.299, 0.587, 0.114)
    u, v = (plain[2] - luma) / 1.772, (plain[0] - luma) / 1.402
    if limited:
        luma, u, v = (luma - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    expected = np.clip([r, (luma - red * r - blue * b) / (1 - red - blue), b], 0, 255)
    assert np.abs(mine - expected).max() <= 4  # the plain picture was rounded and clipped


def colr(matrix, limited, primaries=1):
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, 13, matrix, 0 if limited else 0x80))


def test_a_matrix_by_the_primaries(tmp_path):
    """H.273: 12 is the matrix that the primaries give, 1 is BT.709's and 9 BT.2020's."""
    for matrix in (1, 9):
        assert np.array_equal(good(tmp_path, single(turns=[colr(12, 0, matrix)])).pixels,
                              good(tmp_path, single(turns=[colr(matrix, 0)])).pixels)
    refused(tmp_path, single(turns=[colr(12, 0, 5)]), "matrix 12")
    refused(tmp_path, single(turns=[colr(0, 0)]), "says RGB but has reduced colours", "bad_image")


def test_refusals_name_their_reason(tmp_path):
    kind, config, data, side = coded("heic")
    refused(tmp_path, single(turns=[box(b"zzzz", b"\0")]), "essential property")
    refused(tmp_path, single(turns=[box(b"a1op", b"\1")]), "operating point")
    refused(tmp_path, single(turns=[colr(8, 0)]), "matrix")
    refused(tmp_path, heif({1: (b"iovl", 0, data, [(1, 0)])}, [ispe(9, 9)]), "kind iovl")
    refused(tmp_path, single()[:-9], "not in the file", "bad_image")
    refused(tmp_path, single(primary=1).replace(b"pitm\0\0\0\0\0\1", b"pitm\0\0\0\0\0\7"), "not there", "bad_image")
    refused(tmp_path, grid(2, 2, 200, 200), "do not fit", "bad_image")
    refused(tmp_path, box(b"ftyp", b"heic", bytes(4), b"msf1hevc") + box(b"moov", b""), "without a still")
    refused(tmp_path, single(turns=[box(b"clap", struct.pack(">IIIIiIiI", 9, 1, 9, 1, 99, 1, 0, 1))]), "nothing",
            "bad_image")
    refused(tmp_path, heif({1: (kind, 0, data[:30], [(1, 1), (2, 0)])}, [config, ispe(side, side)]), "damaged",
            "bad_image")


def damaged_grid(rows=1, columns=2, width=128, height=64, shown=None, tile=None, last=None, parts=None, shape=None):
    """A grid like that of grid(); `tile` and `last` replace (type, properties) of all tiles and of the last."""
    kind, config, data, side = coded("heic")
    shape = shape or struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    links = [(1, 1), (2, 0)]
    tiles = {n: (kind, 0, data, links) for n in range(2, 2 + rows * columns)}
    for number, changed in [(n, tile) for n in tiles] + [(max(tiles), last)]:
        if changed:
            tiles[number] = (changed[0], 0, data, changed[1])
    properties = [config, ispe(side, side), ispe(*(shown or (width, height))), box(b"irot", b"\1"), ispe(64, 63),
                  ispe(63, 64), ispe(2300, 2300)]
    return heif({1: (b"grid", 1, shape, [(3, 0)]), **tiles}, properties, [(b"dimg", 1, parts or tuple(tiles))],
                idat=b"\0\0" + shape)


@pytest.mark.parametrize("keys,words,code", [
    ({"shown": (128, 65)}, "header says 128x65 but its grid 128x64", "bad_image"),
    ({"shown": (127, 64)}, "header says 127x64 but its grid 128x64", "bad_image"),
    ({"parts": (2, 99)}, "a tile of the grid is not there", "bad_image"),
    ({"parts": (2,)}, "another number of tiles", "bad_image"),
    ({"shape": b"\0\0\0\1\0"}, "another number of tiles", "bad_image"),
    ({"last": (b"iovl", [(1, 0), (2, 0)])}, "a grid of other than HEVC or AV1", "unsupported"),
    ({"last": (b"hvc1", [(1, 0), (2, 0), (4, 1)])}, "a grid of turned tiles", "unsupported"),
    ({"last": (b"hvc1", [(1, 0), (5, 0)])}, "tiles of different sizes", "bad_image"),
    ({"last": (b"hvc1", [(1, 0), (6, 0)])}, "tiles of different sizes", "bad_image"),
    ({"tile": (b"hvc1", [(1, 0), (5, 0)])}, "a grid of tiles of 64x63, below 64", "unsupported"),
    ({"tile": (b"hvc1", [(1, 0), (6, 0)])}, "a grid of tiles of 63x64, below 64", "unsupported"),
    ({"width": 129}, "the tiles of the grid do not fit its size of 129x64", "bad_image"),
    ({"height": 65}, "the tiles of the grid do not fit its size of 128x65", "bad_image"),
    ({"width": 64}, "the tiles of the grid do not fit its size of 64x64", "bad_image"),
    ({"rows": 2, "columns": 1, "width": 64}, "the tiles of the grid do not fit its size of 64x64", "bad_image"),
    ({"columns": 1, "tile": (b"hvc1", [(1, 0), (7, 0)])}, "a grid of 128x64 has tiles of 2300x2300", "too_large"),
])
def test_a_grid_that_is_none(tmp_path, keys, words, code):
    refused(tmp_path, damaged_grid(**keys), words, code)


def test_the_least_that_a_tile_gives(tmp_path):
    """The last tile of a row or a column gives one pixel at least."""
    plain = good(tmp_path, seed("heic")).pixels
    assert np.array_equal(good(tmp_path, damaged_grid(width=65)).pixels, np.tile(plain, (1, 2, 1))[:, :65])
    mine = good(tmp_path, damaged_grid(rows=2, columns=1, width=1, height=65)).pixels
    assert np.array_equal(mine, np.tile(plain, (2, 1, 1))[:65, :1])


@pytest.mark.parametrize("name", ["heic", "avif", "heic-10bit"])
def test_any_byte_changed_is_a_picture_or_an_error(tmp_path, name):
    data = seed(name)
    for at in range(0, len(data), 7):
        decode(tmp_path, data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1:], "--max-pixels", 100000)
