# SPDX-License-Identifier: MIT
"""The `text` pipeline end to end: lines found, turned upright and read, by the real models.

What a picture says was read by eye (PHOTOS), is what the tests themselves render, or, where the additional set is
there, comes from its ocr_text.json.
Letters right: 1 - edit distance / letters, over whole rows, runs of blanks counted as one.
"""

import functools
import json
from pathlib import Path
from typing import Any

import assets
import cv2
import numpy as np
import picture_files
import pytest
import sight
from PIL import Image, ImageDraw, ImageFont

SAMPLES = sight.ROOT / "deps" / "samples" / "text"
LATIN = Path("/usr/share/fonts/truetype/dejavu")
CHINESE = Path("/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf")
pytestmark = pytest.mark.skipif(not (sight.ROOT / "models/ppocr-rec/model.onnx").exists(),
                                reason="skipped: no models/ppocr-rec/model.onnx (run `make deps`)")

# Read by eye, row by row. Left out: what cannot be made out, and newsprint of a few pixels.
PHOTOS: dict[Path, list[str]] = {
    sight.IMAGES / "page.png": [
        "Region-based segmentation", "Let us first determine markers of the coins and the",
        "background. These markers are pixels that we can label",
        "unambiguously as either object or background. Here,",
        "the markers are found at the two extreme parts of the", "histogram of grey values:",
        ">>> markers = np.zeros_like(coins)"],
    SAMPLES / "barrier.jpg": ["NO PARKING", "NO PARKING"],
    SAMPLES / "copy_centre.jpg": ["the copy centre"],
    SAMPLES / "parking.jpg": ["NOTICE", "DOUBLE", "PARKING", "PROHIBITED", "AT ALL TIMES"],
    SAMPLES / "shop.jpg": ["priory", "galleries", "the ship", "priory galleries at the ship"],
    SAMPLES / "signpost.jpg": ["Sports Centre", "Wivenhoe Park", "Conference Centre", "Car Parks"],
    SAMPLES / "paragraph.png": [
        "technical details are too complex to cover in the book itself.",
        "In teaching our courses, we have found it useful for the students to attempt a number of",
        "small implementation projects, which often build on one another, in order to get them used to",
        "working with real-world images and the challenges that these present. The students are then",
        "asked to choose an individual topic for each of their small-group, final projects. (Sometimes",
        "these projects even turn into conference papers!) The exercises at the end of each chapter",
        "contain numerous suggestions for smaller mid-term projects, as well as more open-ended",
        "problems whose solutions are still active research topics. Wherever possible, I encourage",
        "students to try their algorithms on their own personal photographs, since this better motivates",
        "them, often leads to creative variants on the problems, and better acquaints them with the",
        "variety and complexity of real-world imagery.",
        "In formulating and solving computer vision problems, I have often found it useful to draw",
        "inspiration from three high-level approaches:"],
}
# Those of the additional set.
MORE = {
    "text_street_sign_zh.jpg": ["西 愚园路 东", "315 309", "W Yuyuan Rd. E"],
    "text_paragraph_en.jpg": [
        "3 MovieShots Dataset",
        "To facilitate the shot type analysis in videos, we collect MovieShots, a large-scale",
        "shot type annotation set that contains 46K shots from 7858 movies. The details",
        "of this dataset are specified as follows."],
    "text_signpost_fr.jpg": [
        "Mairie du Ier", "Palais du LOUVRE", "LES ARTS DÉCORATIFS", "Musée du LOUVRE", "Théâtre", "du PALAIS-ROYAL"],
}
ADDITIONAL = assets.ADDITIONAL in assets.SETS
if ADDITIONAL:
    PHOTOS |= {assets.ADDITIONAL.images() / name: rows for name, rows in MORE.items()}
# What the models cannot: accents of French capitals and the italic sign's O, uncial letters, a sign whose h and P are
# worn to stumps. The rest is held to the 95 %.
HARD = {"text_signpost_fr.jpg": 0.88, "shop.jpg": 0.80, "signpost.jpg": 0.90}

PLAIN = ["Hello, world!", "The quick brown fox jumps over the lazy dog", "0123456789", "2024-05-17 14:32",
         "Please keep right", "EXIT ONLY", "Room 101", "50% off today", "(see page 12)", "NO SMOKING",
         "Line one; line two", "Good morning", "Made in Germany", "Thank you for your visit", "KEEP OUT",
         "Please wash your hands before work.", "Twelve boxes, three bags; nothing else."]
MARKS = ["Invoice No. 20417", "Total: 1,234.50 EUR", "info@example.com", "https://www.example.com/a?b=1", "A-27/B",
         "CAUTION: HOT", "Mr. and Mrs. Smith", "x = 3 + 4 * 5", "Serial #A7K9-22QX", "Tel. 030 123456", "Platform 9",
         "Open daily 8:00 to 17:30", "Price 12.90", "Flight LH 2042 to Rome", "Best before 31.12.2026"]
SIGNS = ["北京欢迎你", "上海市静安区", "今天天气很好", "出口", "禁止吸烟", "中华人民共和国", "人工智能", "请勿打扰",
         "图书馆", "开放时间"]


def distance(a: str, b: str) -> int:
    """Levenshtein's."""
    costs = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        corner, costs[0] = costs[0], i
        for j, y in enumerate(b, 1):
            corner, costs[j] = costs[j], min(costs[j] + 1, costs[j - 1] + 1, corner + (x != y))
    return costs[-1]


def rows(reply: dict[str, Any]) -> list[str]:
    """Lines side by side joined; the pipeline's own reading order is kept, so that it is tested with them."""
    assert "error" not in reply, reply
    joined: list[tuple[float, float, str]] = []
    for line in reply["objects"]:
        middle = line["bbox"]["y"] + line["bbox"]["h"] / 2
        (ax, ay), (bx, by) = line["quad"][0], line["quad"][3]
        if joined and abs(middle - joined[-1][0]) < joined[-1][1] / 2:
            joined[-1] = (*joined[-1][:2], f"{joined[-1][2]} {line['text']}")
        else:
            joined.append((middle, float(np.hypot(bx - ax, by - ay)), line["text"]))
    return [row for _, _, row in joined]


def squeeze(lines: list[str]) -> list[str]:
    return [" ".join(line.split()) for line in lines]


def letters_right(found: list[str], wanted: list[str]) -> float:
    """Each wanted row against the found one that fits best; a row that is missing is all wrong."""
    wrong = sum(min([len(w), *(distance(w, f) for f in found)]) for w in wanted)
    return 1 - wrong / sum(map(len, wanted))


def read(*pictures: Path) -> list[dict[str, Any]]:
    return sight.detect("--pipeline", "text", *pictures)


@functools.cache
def photos() -> dict[Path, list[str]]:
    return dict(zip(PHOTOS, map(rows, read(*PHOTOS))))


def test_every_line_of_a_receipt() -> None:
    assert rows(read(sight.IMAGES / "receipt.png")[0]) == picture_files.RECEIPT


KNOWN = json.loads((assets.SHARED / "goldens/ocr_text.json").read_text(encoding="utf-8"))["files"] if ADDITIONAL else {}


@pytest.mark.skipif(not ADDITIONAL, reason="skipped: there is no additional set")
def test_every_line_of_the_additional_receipt_and_every_word_of_its_sign() -> None:
    receipt, sign = (assets.ADDITIONAL.images() / n for n in ("receipt_synthetic.jpg", "text_street_sign_zh.jpg"))
    assert rows(read(receipt)[0]) == squeeze(KNOWN[receipt.name]["lines"])
    assert sorted(o["text"] for o in read(sign)[0]["objects"]) == sorted(KNOWN[sign.name]["words"])


@pytest.mark.parametrize("picture", PHOTOS, ids=lambda p: p.name)
def test_photographs(picture: Path) -> None:
    assert letters_right(photos()[picture], PHOTOS[picture]) >= HARD.get(picture.name, 0.95), photos()[picture]


def test_photographs_all_in_all() -> None:
    """The issue's bound over all letters, the hard pictures included."""
    found = photos()
    wanted = sum(sum(map(len, PHOTOS[p])) for p in found)
    right = sum(letters_right(found[p], PHOTOS[p]) * sum(map(len, PHOTOS[p])) for p in found)
    assert right / wanted >= 0.95


@pytest.mark.parametrize("turn", [cv2.ROTATE_90_CLOCKWISE, cv2.ROTATE_180, cv2.ROTATE_90_COUNTERCLOCKWISE],
                         ids=["right", "upside-down", "left"])
@pytest.mark.parametrize("picture", [sight.IMAGES / "page.png", SAMPLES / "paragraph.png",
                                     sight.IMAGES / "receipt.png"], ids=lambda p: p.stem)
def test_turned_pictures_read_the_same(picture: Path, turn: int, tmp_path: Path) -> None:
    """95 % of the letters of the upright picture's words, in any order: lines may part where words stand wide."""
    cv2.imwrite(str(tmp_path / "turned.png"), cv2.rotate(cv2.imread(str(picture)), turn))
    upright, turned = (" ".join(rows(r)).split() for r in read(picture, tmp_path / "turned.png"))
    assert letters_right(turned, upright) >= 0.95, turned


def render(path: Path, font: Path, size: int, lines: list[str]) -> Path:
    """Black on white, a line's height between lines."""
    face = ImageFont.truetype(str(font), size)
    width = int(max(face.getlength(line) for line in lines)) + 4 * size
    picture = Image.new("RGB", (width, 2 * size * (len(lines) + 1)), "white")
    draw = ImageDraw.Draw(picture)
    for i, line in enumerate(lines):
        draw.text((2 * size, size + i * 2 * size), line, font=face, fill="black")
    picture.save(path)
    return path


SHEETS = [(f"{name}-{size}", LATIN / f"{name}.ttf", size)
          for name in ("DejaVuSans", "DejaVuSerif", "DejaVuSansMono") for size in (16, 24, 32, 48)]
# In the others the models read "rn" as "m" (16 pixels) and take narrow commas for full-width ones (monospaced).
CLEAN = [s for s in SHEETS if s[2] >= 24 and "Mono" not in s[0]]


@pytest.mark.parametrize(("font", "size"), [s[1:] for s in CLEAN], ids=[s[0] for s in CLEAN])
def test_clean_renderings_letter_for_letter(font: Path, size: int, tmp_path: Path) -> None:
    if not font.exists():
        pytest.skip(f"skipped: {font} is absent")
    assert rows(read(render(tmp_path / "plain.png", font, size, PLAIN))[0]) == PLAIN


@pytest.mark.parametrize(("font", "size"), [s[1:] for s in SHEETS if s not in CLEAN],
                         ids=[s[0] for s in SHEETS if s not in CLEAN])
def test_small_and_monospaced_renderings(font: Path, size: int, tmp_path: Path) -> None:
    if not font.exists():
        pytest.skip(f"skipped: {font} is absent")
    assert letters_right(rows(read(render(tmp_path / "plain.png", font, size, PLAIN))[0]), PLAIN) >= 0.99


def test_dense_punctuation_mostly(tmp_path: Path) -> None:
    """Addresses, formulas and serial numbers: the model is unsure of the white around marks, and of it alone."""
    sheets = [s for s in SHEETS if s[1].exists()]
    if not sheets:
        pytest.skip(f"skipped: {LATIN} is absent")
    replies = read(*(render(tmp_path / f"{name}.png", font, size, MARKS) for name, font, size in sheets))
    assert sum(letters_right(rows(r), MARKS) for r in replies) / len(replies) >= 0.97
    bare = [line.replace(" ", "") for line in MARKS]
    assert sum(letters_right([row.replace(" ", "") for row in rows(r)], bare) for r in replies) / len(replies) >= 0.99


@pytest.mark.parametrize("size", [16, 24, 32, 48, 96])
def test_chinese_letter_for_letter(size: int, tmp_path: Path) -> None:
    """No spaces where Chinese has none."""
    if not CHINESE.exists():
        pytest.skip(f"skipped: {CHINESE} is absent")
    assert rows(read(render(tmp_path / "signs.png", CHINESE, size, SIGNS))[0]) == SIGNS


@pytest.mark.parametrize("scale", [0.6, 1.0, 2.0])
def test_drawn_letters(scale: float, tmp_path: Path) -> None:
    """OpenCV's pen strokes, white on dark."""
    picture = np.full((int((60 * len(PLAIN) + 60) * scale), int(1000 * scale), 3), (60, 40, 30), np.uint8)
    for i, line in enumerate(PLAIN):
        cv2.putText(picture, line, (int(30 * scale), int((50 + 60 * i) * scale)), cv2.FONT_HERSHEY_SIMPLEX, scale,
                    (255, 255, 255), max(1, round(2 * scale)), cv2.LINE_AA)
    cv2.imwrite(str(tmp_path / "drawn.png"), picture)
    assert rows(read(tmp_path / "drawn.png")[0]) == PLAIN
