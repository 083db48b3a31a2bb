#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Writes the seeds of decode_fuzz and heif_boxes_fuzz: one tiny file per format and variant.

Needs python3-pil, python3-opencv and libheif-examples.
"""
import io
import os
import struct
import subprocess
import sys
import tempfile
import zlib

import cv2
import numpy as np
from PIL import Image

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "decode")


def saved(pixels, form, mode=None, **keys):
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, form, **keys)
    return out.getvalue()


def heif(pixels, name, *options):
    with tempfile.TemporaryDirectory() as folder:
        source, result = os.path.join(folder, "in.png"), os.path.join(folder, name)
        cv2.imwrite(source, cv2.cvtColor(pixels, cv2.COLOR_RGBA2BGRA if pixels.shape[2] == 4 else cv2.COLOR_RGB2BGR))
        subprocess.run(["heif-enc", "-q", "60", *options, source, "-o", result], check=True)
        with open(result, "rb") as file:
            return file.read()


def four_colours(side):
    """Red, green over blue, yellow; tests/test_decode.py looks for them."""
    colours = np.uint8([[(250, 0, 0), (0, 250, 0)], [(0, 0, 250), (250, 250, 0)]])
    return colours.repeat(side, 0).repeat(side, 1)


def tiled_big_tiff(pixels):
    """One 32x16 tile of 16-bit grey, deflated, the offsets of 64 bits."""
    tile = np.zeros((16, 32), np.uint16)
    tile[:pixels.shape[0], :pixels.shape[1]] = pixels
    data = zlib.compress(tile.astype("<u2").tobytes())
    fields = [(256, pixels.shape[1]), (257, pixels.shape[0]), (258, 16), (259, 8), (262, 1), (277, 1), (322, 32),
              (323, 16), (324, 16), (325, len(data))]
    directory = b"".join(struct.pack("<HHQQ", tag, 16, 1, value) for tag, value in fields)
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16 + len(data))
    return head + data + struct.pack("<Q", len(fields)) + directory + bytes(8)


def seeds():
    rgb = cv2.resize(np.random.default_rng(1).integers(0, 256, (3, 4, 3)).astype(np.uint8), (20, 12))
    deep = rgb.astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "jpeg", saved(rgb, "JPEG", quality=40)
    yield "jpeg-exif", saved(rgb, "JPEG", quality=40, exif=exif.tobytes())
    yield "jpeg-progressive", saved(rgb, "JPEG", quality=40, progressive=True)
    yield "jpeg-cmyk", saved(rgb, "JPEG", "CMYK", quality=40)
    yield "jpeg-444", saved(rgb, "JPEG", quality=40, subsampling=0)
    yield "jpeg-grey", saved(rgb, "JPEG", "L", quality=40)
    yield "png", saved(rgb, "PNG", exif=exif.tobytes())
    yield "png-palette", saved(rgb, "PNG", "P", colors=16)
    yield "png-16", cv2.imencode(".png", deep)[1].tobytes()
    yield "png-la", saved(rgb, "PNG", "LA")
    yield "webp-lossy", saved(rgb, "WEBP", "RGBA", quality=20)
    yield "webp-lossless", saved(rgb, "WEBP", lossless=True, exif=exif.tobytes())
    yield "bmp", saved(rgb, "BMP")
    yield "tiff-lzw", saved(rgb, "TIFF", compression="tiff_lzw", tiffinfo={274: 6})
    yield "tiff-16", cv2.imencode(".tif", deep)[1].tobytes()
    yield "tiff-1bit", saved(rgb, "TIFF", "1", compression="group4")
    yield "gif", saved(rgb // 64 * 64, "GIF", "P")
    yield "jpeg2000", saved(cv2.resize(rgb, (64, 64)), "JPEG2000", num_resolutions=2)
    yield "ppm", saved(rgb, "PPM")
    yield "ppm-ascii", b"P3 2 1 255\n1 2 3 4 5 6\n"
    yield "pbm", saved(rgb, "PPM", "1")
    yield "pam", b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\nabcdef"
    yield "sun", cv2.imencode(".sr", rgb)[1].tobytes()
    yield "qoi", b"qoif" + (20).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"\3\0" + b"\xfd" * 4 + b"\0" * 7 + b"\1"
    yield "avif", heif(four_colours(16), "out.avif", "-A")
    yield "heic", heif(four_colours(32), "out.heic")
    yield "tiff-jpeg", saved(rgb, "TIFF", compression="jpeg", quality=40)
    yield "tiff-cmyk", saved(rgb, "TIFF", "CMYK", compression="packbits")
    yield "tiff-tiles", tiled_big_tiff(deep[:, :, 0])
    yield "heic-10bit", heif(four_colours(32).astype(np.uint16) * 257, "out.heic", "-b", "10")
    yield "heic-alpha", heif(np.dstack([four_colours(32), four_colours(32)[:, :, 2:]]), "out.heic")


def write_boxes(name, data):
    """The same files are seeds of heif_boxes_fuzz, which has no byte before them."""
    folder = os.path.join(os.path.dirname(OUT), "heif_boxes")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


def main():
    os.makedirs(OUT, exist_ok=True)
    for number, (name, data) in enumerate(seeds()):
        seed = bytes([number % 5]) + data  # the first byte chooses the wish, see src/img/decode_fuzz.c
        if len(seed) > 4096:
            sys.exit(f"{name}: {len(seed)} bytes is too much for a seed")
        with open(os.path.join(OUT, name), "wb") as file:
            file.write(seed)
        if name.startswith(("heic", "avif")):
            write_boxes(name, data)


main()
