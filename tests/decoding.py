# SPDX-License-Identifier: MIT
"""What the tests of the decoder share: build/decode_dump (SIGHT_BUILD names another build directory) and pictures."""
import collections
import io
import os
import subprocess

import pytest

os.environ["OPENCV_IO_ENABLE_OPENEXR"] = "1"  # read by OpenCV when it first writes one
cv2 = pytest.importorskip("cv2", reason="skipped: python3-opencv is not installed")
np = pytest.importorskip("numpy")
Image = pytest.importorskip("PIL.Image", reason="skipped: python3-pil is not installed")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get("SIGHT_BUILD", os.path.join(ROOT, "build")), "decode_dump")

needs_tool = pytest.mark.skipif(not os.path.exists(TOOL), reason="skipped: build/decode_dump is not built")

Answer = collections.namedtuple("Answer", "format full orientation scale origin pixels")


def decode(tmp_path, data, *options):
    """(Answer, "") or (None, what the tool said)."""
    source, raw = str(tmp_path / "in"), str(tmp_path / "out")
    with open(source, "wb") as file:
        file.write(data)
    done = subprocess.run([TOOL, *map(str, options), source, raw], capture_output=True, timeout=120)
    text = done.stdout.decode("utf-8", "replace").strip()
    assert done.returncode in (0, 1), done.stderr.decode("utf-8", "replace")
    if done.returncode:
        return None, text
    w = text.split()
    pixels = np.fromfile(raw, np.uint8).reshape(int(w[3]), int(w[2]), 3)
    return Answer(w[1], (int(w[4]), int(w[5])), int(w[6]), (float(w[7]), float(w[8])), (float(w[9]), float(w[10])),
                  pixels), ""


def good(tmp_path, data, *options):
    answer, text = decode(tmp_path, data, *options)
    assert answer, text
    return answer


def memory(tmp_path, data):
    """What an exact decode is foreseen to take and what it takes, in bytes."""
    path = tmp_path / "picture"
    path.write_bytes(data)
    done = subprocess.run([TOOL, "--memory", "--exact", path], capture_output=True, timeout=120)
    words = done.stdout.decode().split()
    assert words[0] == "memory", done.stdout
    return int(words[1]), int(words[2])


def opencv(data):
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    return None if pixels is None else cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def noise(width, height, channels=3, top=256, dtype=np.uint8, seed=1):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(seed).integers(0, top, shape).astype(dtype)


def photo(width, height, seed=3):
    """Smooth content with edges, so that JPEG behaves as with photos."""
    small = noise(max(width // 24, 2), max(height // 24, 2), seed=seed)
    return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)


def saved(pixels, form, mode=None, **keys):
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, form, **keys)
    return out.getvalue()


def exif(orientation):
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def written(extension, pixels, *params):
    okay, data = cv2.imencode(extension, pixels, list(params))
    assert okay
    return data.tobytes()


def seed(name):
    with open(os.path.join(ROOT, "fuzz", "corpus", "decode", name), "rb") as file:
        return file.read()[1:]
