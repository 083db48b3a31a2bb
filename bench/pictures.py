#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""JPEGs of four sizes for the measurements, made from photographs: 640x480, 1280x720, 1920x1080 and 3840x2160.

usage: bench/pictures.py OUT-FOLDER PHOTO…    writes OUT-FOLDER/SIZE/NAME.jpg, quality 90, 4:2:0

Each photograph is scaled to cover the size and cropped to it, as a camera of that size would have framed it.
"""
import sys
from pathlib import Path

import cv2

SIZES = {"640x480": (640, 480), "1280x720": (1280, 720), "1920x1080": (1920, 1080), "3840x2160": (3840, 2160)}


def cover(picture, width, height):
    ratio = max(width / picture.shape[1], height / picture.shape[0])
    size = max(width, round(picture.shape[1] * ratio)), max(height, round(picture.shape[0] * ratio))
    scaled = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if ratio < 1 else cv2.INTER_CUBIC)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return scaled[y:y + height, x:x + width]


def main():
    out, photos = Path(sys.argv[1]), sys.argv[2:]
    if not photos:
        sys.exit("bench/pictures.py: no photographs given")
    for name, (width, height) in SIZES.items():
        (out / name).mkdir(parents=True, exist_ok=True)
        for photo in photos:
            target = out / name / (Path(photo).stem + ".jpg")
            if target.exists():
                continue
            picture = cv2.imread(photo, cv2.IMREAD_COLOR)
            if picture is None:
                sys.exit(f"bench/pictures.py: {photo} is not a picture")
            cv2.imwrite(str(target), cover(picture, width, height), [cv2.IMWRITE_JPEG_QUALITY, 90])


if __name__ == "__main__":
    main()
