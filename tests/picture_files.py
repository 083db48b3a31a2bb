# SPDX-License-Identifier: MIT
"""Pictures that are made of the fetched ones: other formats, other sizes, damage. Called by assets.py.

Lossless wherever a known result depends on the pixels, so that no library's version matters.
"""
from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def formats(folder: Path) -> None:
    coffee, page, bus = (opened(folder / n) for n in ("coffee.png", "page.png", "bus.jpg"))
    coffee.save(folder / "coffee.bmp")
    coffee.save(folder / "coffee_lzw.tif", compression="tiff_lzw")
    bus.convert("L").save(folder / "bus_gray.png")
    for degrees in (90, 180, 270):  # counter-clockwise
        page.rotate(degrees, expand=True).save(folder / f"page_{degrees}.png")
    astronaut = opened(folder / "astronaut.png")
    alpha = astronaut.convert("L")  # must not matter
    astronaut.putalpha(alpha)
    astronaut.save(folder / "astronaut_rgba.png")
    cv2.imwrite(str(folder / "cat_16bit.png"), cv2.imread(str(folder / "cat.png")).astype(np.uint16) * 257)


RECEIPT = ["CORNER BAKERY", "12 High Street, Oxford", "Date 2024-05-17 14:32", "2 croissants 4.60", "1 rye bread 3.20",
           "3 apple tarts 8.25", "TOTAL 16.05 EUR", "Paid by card", "THANK YOU"]


def receipt(path: Path) -> None:
    """The rows of RECEIPT, black on not quite white."""
    paper = Image.new("RGB", (512, 640), (246, 245, 240))
    font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", 30)
    for i, row in enumerate(RECEIPT):
        ImageDraw.Draw(paper).text((60, 50 + 60 * i), row, (20, 20, 25), font)
    paper.save(path)


def sizes(folder: Path) -> None:
    opened(folder / "cat.png").resize((226, 150)).save(folder / "small.jpg", quality=80)
    opened(folder / "group6.jpg").crop((0, 0, 1920, 1280)).resize((1200, 800)).save(folder / "people.jpg", quality=90)
    whole = Image.new("RGB", (3840, 2560))  # ten megapixels: four groups of people
    for i in range(4):
        whole.paste(opened(folder / f"group{i + 1}.jpg").crop((0, 0, 1920, 1280)), (i % 2 * 1920, i // 2 * 1280))
    whole.save(folder / "large.jpg", quality=90)


def bomb(path: Path) -> None:
    """900 megapixels of one bit in some 100 kB."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side, rows = 30000, zlib.compressobj(9)
    lines = b"\0" * (1 + side // 8) * 100
    data = b"".join(rows.compress(lines) for _ in range(side // 100)) + rows.flush()
    head = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b""))


def damage(folder: Path) -> None:
    """Damaged, hostile and extreme; what each must give stands in EDGE."""
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "not_an_image.jpg").write_bytes(b"this is no image file")
    (folder / "truncated.jpg").write_bytes((folder.parent / "bus.jpg").read_bytes()[:60000])
    opened(folder.parent / "cat.png").crop((0, 0, 1, 1)).save(folder / "one_pixel.png")
    opened(folder.parent / "group1.jpg").resize((3000, 12)).save(folder / "extreme_aspect_3000x12.jpg")
    bomb(folder / "bomb_30000x30000_1bit.png")


# Width and height, or the code of the error.
EDGE: dict[str, tuple[int, int] | str] = {
    "empty.jpg": "empty_image",
    "not_an_image.jpg": "",  # any error will do
    "truncated.jpg": "bad_image",
    "one_pixel.png": (1, 1),
    "extreme_aspect_3000x12.jpg": (3000, 12),
    "bomb_30000x30000_1bit.png": "too_large",
}


def make(folder: Path) -> None:
    formats(folder)
    receipt(folder / "receipt.png")
    sizes(folder)
    damage(folder / "edge")
