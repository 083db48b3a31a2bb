#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Our letterbox beside OpenCV's resize + copyMakeBorder + blobFromImage: one table, runs interleaved.

usage: bench/kernel.py [repeats]      (after `meson compile -C build`; SIGHT_BUILD names another build directory)

Both do the same work from the same kind of pixels: 8-bit picture in memory to the model's tensor. OpenCV runs on
one thread, as we do. Figures are the least of the repeats' medians; the ratio is what to quote.
"""
import os
import subprocess
import sys
import time

import cv2
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get("SIGHT_BUILD", os.path.join(ROOT, "build")), "kernel_bench")
ROUNDS = 51


def padded(picture, side, value):
    height, width = picture.shape[:2]
    ratio = min(side / width, side / height)
    size = round(width * ratio), round(height * ratio)
    left, top = (side - size[0]) // 2, (side - size[1]) // 2
    small = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR) if size != (width, height) else picture
    return cv2.copyMakeBorder(small, top, side - size[1] - top, left, side - size[0] - left, cv2.BORDER_CONSTANT,
                              value=value)


def noise(*shape):
    return np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)


HD, P720, VGA, SQUARE, FRAME = noise(1080, 1920, 3), noise(720, 1280, 3), noise(480, 640, 3), noise(640, 640, 3), \
    noise(1620, 1920)

OPENCV = {
    "1920x1080->640": lambda: cv2.dnn.blobFromImage(padded(HD, 640, (114, 114, 114)), 1 / 255, swapRB=True),
    # blobFromImage knows one scale for all channels; the three stds are a second pass, as in nanodet's demo
    "1280x720->416": lambda: cv2.dnn.blobFromImage(
        (padded(P720, 416, (0, 0, 0)).astype(np.float32) - MEAN) / STD),
    "640x480->300_u8_nhwc": lambda: cv2.cvtColor(cv2.resize(VGA, (300, 300)), cv2.COLOR_BGR2RGB),
    "640x640->640": lambda: cv2.dnn.blobFromImage(SQUARE, 1 / 255, swapRB=True),
    "1920x1080_nv12->640": lambda: cv2.dnn.blobFromImage(
        padded(cv2.cvtColor(FRAME, cv2.COLOR_YUV2RGB_NV12), 640, (114, 114, 114)), 1 / 255),
}
MEAN, STD = np.float32([103.53, 116.28, 123.675]), np.float32([57.375, 57.12, 58.395])


def opencv_medians():
    medians = {}
    for name, work in OPENCV.items():
        times = []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            work()
            times.append(time.perf_counter() - start)
        medians[name] = sorted(times)[ROUNDS // 2] * 1e6
    return medians


def our_medians():
    text = subprocess.run([TOOL, str(ROUNDS)], check=True, capture_output=True, text=True, timeout=300).stdout
    return {tuple(line.split()[:2]): float(line.split()[3]) for line in text.splitlines()}


def main():
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else 3
    if not os.path.exists(TOOL):
        sys.exit(f"{TOOL} is missing: build first (meson compile -C build)")
    cv2.setNumThreads(1)
    best = {}
    for _ in range(repeats):
        for key, value in list(our_medians().items()) + [((k, "opencv"), v) for k, v in opencv_medians().items()]:
            best[key] = min(value, best.get(key, value))
    print(f"{'case':22} {'fast us':>9} {'plain us':>9} {'OpenCV us':>10} {'OpenCV/fast':>12} {'plain/fast':>11}")
    for name in OPENCV:
        plain, opencv = best[name, "plain"], best[name, "opencv"]
        fast = best.get((name, "fast"), plain)
        print(f"{name:22} {fast:9.0f} {plain:9.0f} {opencv:10.0f} {opencv / fast:12.1f} {plain / fast:11.1f}")
    print(f"OpenCV {cv2.__version__}, one thread each, least of {repeats} medians of {ROUNDS} rounds")


if __name__ == "__main__":
    main()
