#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Holds the decoder against others over folders of pictures: scripts/decode-corpus.py [--all] FOLDER...

Every picture goes through build/decode_dump (SIGHT_BUILD names another build directory) and through each of Pillow,
OpenCV, libvips (pyvips), tifffile, pillow_heif, FFmpeg (av; JPEG and JPEG 2000, which others read with the library that
ours does), libjpeg (pylibjpeg-libjpeg) and OpenEXR that Python finds. Prints a Markdown table of formats and counts:

  right        the pixels of at least one of the others (PSNR of 28 dB and more: they differ in chroma and in colour
               profiles, which none of ours are applied)
  alone        decoded, and none of the others reads it
  WRONG        decoded, others read it, and none agrees; must not happen
  unsupported  refused with a reason
  damaged      refused as bad_image; `SOUND?` lines name those that two others read alike
  other        too large, empty, or no picture at all

Below the table a line for each picture that is WRONG or SOUND?, for every refused one with --all.
"""
import collections
import os
import subprocess
import sys
import tempfile
import warnings

os.environ.setdefault("OPENCV_IO_ENABLE_OPENEXR", "1")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image, ImageOps  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get("SIGHT_BUILD", os.path.join(ROOT, "build")), "decode_dump")
PSNR = 28.0
Image.MAX_IMAGE_PIXELS = 100_000_000
warnings.simplefilter("ignore")


def bytes_of(array):
    """Any integers or floats as 8 bits: full range of the type, floats 0 to 1."""
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype.kind == "f":
        return np.round(np.clip(array, 0, 1) * 255).astype(np.uint8)
    return array if array.dtype == np.uint8 else (array >> (8 * array.dtype.itemsize - 8)).astype(np.uint8)


def colour_of(array):
    array = array if array.ndim == 3 else array[:, :, None]
    return np.repeat(array[:, :, :1], 3, 2) if array.shape[2] < 3 else array[:, :, :3]


def by_pillow(path):
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I;16"):
        return colour_of(bytes_of(np.array(image).astype(np.uint16)))
    if image.mode == "I":
        return colour_of(bytes_of(np.array(image).astype(np.uint16)))
    if image.mode == "F":
        return colour_of(bytes_of(np.array(image)))
    clear = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La")
    return np.array(image.convert("RGBA" if clear else "RGB"))


def by_opencv(path):
    with open(path, "rb") as file:
        if file.read(2) == b"P7":
            return None  # takes red for blue
    pixels = cv2.imread(path, cv2.IMREAD_COLOR)
    return None if pixels is None else pixels[:, :, ::-1]


def by_vips(path):
    import pyvips
    image = pyvips.Image.new_from_file(path, fail_on="warning").autorot()
    if image.interpretation == "cmyk" or image.bands >= 4 and image.interpretation.endswith("cmyk"):
        inks = bytes_of(image.numpy()).astype(int)
        return ((255 - inks[:, :, :3]) * (255 - inks[:, :, 3:4]) / 255).round().astype(np.uint8)
    if image.interpretation in ("lab", "labs", "xyz", "scrgb"):
        image = image.colourspace("srgb")
    array = bytes_of(image.numpy())
    if array.ndim == 3 and array.shape[2] in (2, 4):
        return np.dstack([colour_of(array), array[:, :, -1]])
    return colour_of(array)


def by_tifffile(path):
    import tifffile
    page = tifffile.TiffFile(path).pages[0]
    array = page.asarray(maxworkers=1)
    if page.planarconfig == 2 and array.ndim == 3:
        array = np.moveaxis(array, 0, 2)
    if page.photometric == 3:
        return bytes_of(np.moveaxis(page.colormap[:, array], 0, -1))
    if array.dtype.kind == "u" and page.bitspersample not in (8, 16, 32):
        array = (array.astype(np.float64) / (2 ** page.bitspersample - 1)).astype(np.float32)
    if array.ndim == 3 and array.dtype.kind == "u" and list(page.extrasamples) == [1]:
        alpha, top = array[:, :, -1:].astype(float), np.iinfo(array.dtype).max
        array = np.where(alpha, np.minimum(array / np.maximum(alpha, 1), 1), array / top)
    array = bytes_of(array)
    if page.photometric == 0:
        array = 255 - array
    if page.photometric == 5:
        inks = array.astype(int)
        array = ((255 - inks[:, :, :3]) * (255 - inks[:, :, 3:4]) / 255).round().astype(np.uint8)
    return colour_of(array)


def by_heif(path):
    import pillow_heif
    image = pillow_heif.open_heif(path, convert_hdr_to_8bit=True).to_pillow()
    return colour_of(bytes_of(np.array(image).astype(np.uint16))) if image.mode == "I;16" \
        else np.array(image.convert("RGB"))


def first_bytes(path):
    with open(path, "rb") as file:
        return file.read(8)


def turned(path, array):
    """As EXIF says; Pillow turns it."""
    try:
        orientation = Image.open(path).getexif().get(0x0112, 1)
    except Exception:  # of whatever kind
        orientation = 1
    image = Image.fromarray(array)
    image.getexif()[0x0112] = orientation
    return np.array(ImageOps.exif_transpose(image))


def by_ffmpeg(path):
    first = first_bytes(path)
    if first[:2] == b"\xff\xd8":
        codec = "mjpeg"
    elif first[:4] == b"\xff\x4f\xff\x51" or first[4:8] == b"jP  ":
        codec = "jpeg2000"
    else:
        return None
    import av
    context = av.CodecContext.create(codec, "r")
    with open(path, "rb") as file:
        frames = context.decode(av.Packet(file.read()))
    frame = (frames or context.decode(None))[0]
    if codec == "jpeg2000" or not frame.format.name.startswith("yuv"):
        return turned(path, colour_of(frame.reformat(format="rgb24").to_ndarray()))
    return turned(path, frame.reformat(format="rgb24", src_color_range=2, dst_color_range=2, src_colorspace=5,
                                       interpolation="BICUBIC").to_ndarray())


def by_libjpeg(path):
    """Richter's libjpeg, of files that say to be JFIF: others may be RGB."""
    import libjpeg
    with open(path, "rb") as file:
        data = file.read()
    if data[:2] != b"\xff\xd8" or b"JFIF\0" not in data[:32]:
        return None
    array = libjpeg.decode(data)
    if array.ndim == 3 and array.shape[2] == 3:
        y, cb, cr = np.moveaxis(array.astype(np.float32) - (0, 128, 128), 2, 0)
        array = np.dstack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb])
        array = np.clip(np.round(array), 0, 255).astype(np.uint8)
    return turned(path, colour_of(array))


def by_openexr(path):
    if first_bytes(path)[:4] != b"\x76\x2f\x31\x01":
        return None
    import OpenEXR
    with OpenEXR.File(path) as file:
        channels = file.channels()
        name = next(name for name in ("RGB", "RGBA", "Y", "YA") if name in channels)
        return colour_of(bytes_of(np.nan_to_num(channels[name].pixels.astype(np.float32), posinf=1, neginf=0)))


OTHERS = {"Pillow": by_pillow, "OpenCV": by_opencv, "libvips": by_vips, "tifffile": by_tifffile, "libheif": by_heif,
          "FFmpeg": by_ffmpeg, "libjpeg": by_libjpeg, "OpenEXR": by_openexr}


def others_of(path):
    """{name: pixels} of those that read it."""
    found = {}
    for name, read in OTHERS.items():
        try:
            pixels = read(path)
        except KeyboardInterrupt:
            raise
        except BaseException:  # a foreign decoder's complaint, of whatever kind
            continue
        if pixels is not None and pixels.ndim == 3 and pixels.size:
            found[name] = pixels
    return found


def likeness(one, two):
    """PSNR in dB; 99 when equal, -1 when the sizes differ. What is fully transparent has no colour."""
    if one.shape[:2] != two.shape[:2]:
        return -1.0
    seen = np.ones(one.shape[:2], bool)
    for picture in (one, two):
        if picture.shape[2] == 4:
            seen &= picture[:, :, 3] > 0
    if not seen.any():
        return 99.0
    error = ((one[seen][:, :3].astype(np.float32) - two[seen][:, :3]) ** 2).mean()
    return 99.0 if error == 0 else float(10 * np.log10(65025 / error))


def ours_of(path):
    """(format, pixels, "") or (None, None, what the tool said)."""
    with tempfile.NamedTemporaryFile() as raw:
        done = subprocess.run([TOOL, "--exact", path, raw.name], capture_output=True, timeout=300)
        text = done.stdout.decode("utf-8", "replace").strip()
        words = text.split()
        if done.returncode == 0:
            return words[1], np.fromfile(raw.name, np.uint8).reshape(int(words[3]), int(words[2]), 3), ""
        return None, None, text or f"the decoder ended with {done.returncode}"


def judge(path):
    """(format, verdict, note)."""
    form, pixels, text = ours_of(path)
    others = others_of(path)
    if pixels is not None:
        marks = {name: likeness(pixels, theirs) for name, theirs in others.items()}
        note = ", ".join(f"{name} {mark:.1f}" for name, mark in marks.items())
        if not marks:
            return form, "alone", ""
        return form, "right" if max(marks.values()) >= PSNR else "WRONG", note
    verdict = {"unsupported": "unsupported", "bad_image": "damaged"}.get((text.split() + ["", ""])[1], "other")
    if text.startswith("error bad_image not an image"):
        verdict = "other"
    agree = [f"{a} and {b}" for i, a in enumerate(others) for b in list(others)[i + 1:]
             if likeness(others[a], others[b]) >= PSNR]
    if verdict == "damaged" and agree:
        return None, "damaged", f"SOUND? {agree[0]} agree; {text}"
    return None, verdict, text


def main():
    words = [w for w in sys.argv[1:] if w != "--all"]
    if not words or words[0].startswith("-"):
        sys.exit(__doc__)
    paths = [os.path.join(at, name) for folder in words for at, _, names in sorted(os.walk(folder))
             for name in sorted(names)]
    counts, notes = collections.defaultdict(collections.Counter), []
    for path in paths:
        form, verdict, note = judge(path)
        form = form or os.path.splitext(path)[1].lower().strip(".")
        counts[{"jpg": "jpeg", "tif": "tiff", "jp2": "jpeg2000", "j2k": "jpeg2000"}.get(form, form)][verdict] += 1
        if verdict == "WRONG" or note.startswith("SOUND?") or "--all" in sys.argv and verdict not in ("right", "alone"):
            notes.append(f"{verdict}: {path}: {note}")
    columns = ["right", "alone", "WRONG", "unsupported", "damaged", "other"]
    print("| format | files | " + " | ".join(columns) + " |\n" + "|---" * (len(columns) + 2) + "|")
    for form, row in sorted(counts.items()):
        print(f"| {form} | {sum(row.values())} | " + " | ".join(str(row[c]) for c in columns) + " |")
    print("\n".join([""] + notes))
    sys.exit(any(row["WRONG"] for row in counts.values()))


if __name__ == "__main__":
    main()
