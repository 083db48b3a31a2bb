# SPDX-License-Identifier: MIT
"""Perspective crops against OpenCV, which rounds positions to 1/32 pixel where we have 1/256.

cv2 counts pixel centres, we count pixel edges (as boxes do), hence the shift by half a pixel on both sides.
"""
import os
import subprocess

import pytest

cv2 = pytest.importorskip("cv2", reason="skipped: python3-opencv is not installed")
np = pytest.importorskip("numpy")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get("SIGHT_BUILD", os.path.join(ROOT, "build")), "warp_dump")

pytestmark = pytest.mark.skipif(not os.path.exists(TOOL), reason="skipped: build/warp_dump is not built")

QUADS = [
    ([(50, 40), (250, 60), (240, 110), (45, 95)], (200, 48)),
    ([(300, 20), (380, 90), (330, 150), (250, 70)], (320, 48)),
    ([(120, 200), (100, 20), (140, 15), (165, 190)], (180, 40)),
    ([(-20, -10), (420, 30), (390, 320), (10, 280)], (160, 120)),
    ([(10.25, 10.5), (20.75, 11), (20, 15.5), (10, 15)], (320, 48)),
]


@pytest.mark.parametrize("quad,size", QUADS)
def test_quad(quad, size):
    noise = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    picture = cv2.GaussianBlur(noise, (0, 0), 1.5)
    args = [TOOL, "400", "300", str(size[0]), str(size[1])] + [str(n) for point in quad for n in point]
    done = subprocess.run(args, input=picture.tobytes(), capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    mine = np.frombuffer(done.stdout, np.uint8).reshape(size[1], size[0], 3)
    corners = np.float32([(0, 0), (size[0], 0), size, (0, size[1])]) - np.float32(0.5)
    matrix = cv2.getPerspectiveTransform(np.float32(quad) - np.float32(0.5), corners)
    theirs = cv2.warpPerspective(picture, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    away = np.abs(mine.astype(int) - theirs.astype(int))
    assert away.max() <= 3 and away.mean() < 0.35, (away.max(), away.mean())
