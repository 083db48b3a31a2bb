# SPDX-License-Identifier: MIT
"""Results drawn into pictures from Python. How they must look comes from the server's own drawing (`annotate=png`),
which src/img/draw.c makes; Pillow and OpenCV, which draw where there is no libsight, are held against it.
"""
from __future__ import annotations

import ctypes
import http.client
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sightd
from conftest import ROOT, Server, sanitized
from sight import BUILD, SIGHT
from sightd import library, records, style
from sightd.result import Attribute, Box, Object, Result

np = pytest.importorskip("numpy", reason="skipped: numpy is absent")
cv2 = pytest.importorskip("cv2", reason="skipped: OpenCV is absent")
Image = pytest.importorskip("PIL.Image", reason="skipped: Pillow is absent")

PHOTO = ROOT / "deps" / "samples" / "faces" / "group1.jpg"
TEXT = ROOT / "deps" / "samples" / "text" / "signpost.jpg"
WIDTH, HEIGHT, GRAY = 480, 360, 150
pytestmark = pytest.mark.skipif(not SIGHT.exists(), reason="skipped: no build")
if not sanitized():
    os.environ.setdefault("SIGHT_LIBRARY", str(BUILD / "libsight.so"))
needs_library = pytest.mark.skipif(sanitized(), reason="skipped: Python cannot load a sanitized libsight")


def made(label: str = "person", **more: Any) -> Result:
    """One object in the middle of a gray picture."""
    return Result("made", WIDTH, HEIGHT, [Object(Box(160, 120, 160, 120), 0, 0.91, label, **more)])


def gray() -> Any:
    return np.full((HEIGHT, WIDTH, 3), GRAY, np.uint8)


@pytest.fixture(name="alone")
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where libsight is not installed."""
    monkeypatch.setattr(library, "drawing", lambda: None)


@pytest.fixture(name="fonts")
def need_fonts() -> None:
    from PIL import ImageFont

    for name in ("DejaVuSans.ttf", "DroidSansFallbackFull.ttf"):
        try:
            ImageFont.truetype(name, 12)
        except OSError:
            pytest.skip(f"skipped: the font {name} is absent (fonts-dejavu-core, fonts-droid-fallback)")


def annotated(server: Server, path: Path, pipeline: str) -> Any:
    """The server's own drawing, without loss."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    link.request("POST", f"/v1/infer?pipeline={pipeline}&annotate=png&decode=exact", path.read_bytes())
    answer = link.getresponse()
    body = answer.read()
    assert answer.status == 200 and body[:4] == b"\x89PNG", body[:200]
    link.close()
    return cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR)


@needs_library
@pytest.mark.skipif(not PHOTO.exists(), reason="skipped: run `make deps`")
@pytest.mark.parametrize("pipeline, path", [("faces", PHOTO), ("text", TEXT)])
@pytest.mark.parametrize("is_records", [False, True])
def test_looks_as_the_servers_drawing(server: Server, pipeline: str, path: Path, is_records: bool) -> None:
    expected, pixels = annotated(server, path, pipeline), cv2.imread(str(path))
    with sightd.Client(port=server.port, pipeline=pipeline, records=is_records) as client:
        result = client.infer(path, decode="exact")
    drawn = result.draw(pixels)
    assert np.any(expected != pixels, axis=2).mean() > 0.005
    # Coordinates in JSON are rounded to hundredths: slanted lines are smoothed by a few levels otherwise.
    far = np.abs(drawn.astype(int) - expected).max(axis=2) > (0 if is_records else 32)
    assert far.mean() < (1e-9 if is_records else 0.0005)
    assert result.objects and np.array_equal(result.draw(path), result.draw(pixels))  # of parsed objects now
    rgb = result.draw(pixels[:, :, ::-1], "rgb")
    assert np.array_equal(rgb[:, :, ::-1], result.draw(pixels))
    assert np.array_equal(np.asarray(result.draw(Image.fromarray(pixels[:, :, ::-1].copy()))), rgb)


@pytest.mark.usefixtures("alone", "fonts")
@pytest.mark.skipif(not PHOTO.exists(), reason="skipped: run `make deps`")
@pytest.mark.parametrize("pipeline, path", [("faces", PHOTO), ("text", TEXT)])
def test_pillow_looks_the_same(server: Server, pipeline: str, path: Path) -> None:
    expected, pixels = annotated(server, path, pipeline), cv2.imread(str(path))
    with sightd.Client(port=server.port, pipeline=pipeline) as client:
        drawn = client.infer(path, decode="exact").draw(pixels)
    changed = np.any(expected != pixels, axis=2).sum()
    far = (np.abs(drawn.astype(int) - expected).max(axis=2) > 64).sum()
    # Letters lie a fraction of a pixel aside, slanted lines are not smoothed. The style of old
    # was at 2.4 and 2.7.
    assert far < 0.35 * changed, far / changed


def assert_box(drawn: Any, scale: float = 1, bgr: tuple[int, int, int] = (73, 244, 40)) -> None:
    """The box of made() is there in its class's colour (by hand: hue 0.36, light 0.16 to 0.96), two pixels wide at
    most, and hollow."""
    x, y, right = round(160 * scale), round(200 * scale), round(320 * scale)
    assert np.abs(drawn[y, x].astype(int) - bgr).max() <= 2
    assert np.abs(drawn[y, right - 1].astype(int) - bgr).max() <= 2
    for inside in (x + 3, right - 4, round(240 * scale)):
        assert (drawn[y, inside] == GRAY).all()
    assert (drawn[y, x - 3] == GRAY).all()


@pytest.mark.parametrize("hidden", [(), ("libsight",), ("libsight", "PIL")])
def test_every_pen_draws_the_box(monkeypatch: pytest.MonkeyPatch, hidden: tuple[str, ...]) -> None:
    if "libsight" in hidden:
        monkeypatch.setattr(library, "drawing", lambda: None)
    if "PIL" in hidden:
        monkeypatch.setitem(sys.modules, "PIL", None)
    before = gray()
    drawn = made().draw(before)
    assert drawn.dtype == np.uint8 and (before == GRAY).all()
    assert_box(drawn)
    assert_box(made().draw(before, "rgb"), bgr=(40, 244, 73))
    for other in (before[:, :, 0], np.dstack([before, before[:, :, :1]])):  # gray, and with a fourth channel
        assert np.array_equal(made().draw(other), drawn)
    assert_box(made().draw(np.full((HEIGHT * 2, WIDTH * 2, 3), GRAY, np.uint8)), 2)  # a larger copy of the picture
    wide = np.full((HEIGHT, 2 * WIDTH, 3), GRAY, np.uint8)
    assert np.array_equal(made().draw(wide[:, :WIDTH]), drawn)  # rows with gaps


def test_nothing_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "drawing", lambda: None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(sightd.SightError, match="needs Pillow or OpenCV: pip install Pillow"):
        made().draw(gray())
    with pytest.raises(sightd.InvalidArgument, match="uint8"):
        made().draw(gray().astype(float))


@pytest.mark.usefixtures("alone", "fonts")
@pytest.mark.parametrize("first", [None, "DroidSansFallbackFull.ttf"])  # the second has no Latin
def test_letters_are_letters(monkeypatch: pytest.MonkeyPatch, first: str | None) -> None:
    from sightd import pens

    if first:
        monkeypatch.setenv("SIGHT_FONT", first)
    pens.fonts.cache_clear()
    try:
        spelled = [b"".join(pens._looks(font, letter) for font, run in pens.runs(text, 20) for letter in run)
                   for text in ("person", "parson", "人", "車")]
        assert len(set(spelled)) == 4  # boxes all look the same
        assert [run for _, run in pens.runs("人 person", 20)] == ["人 ", "person"] if first else True
        assert "".join(run for _, run in pens.runs("a\tb\U000f0000z", 20)) == "a b?z"
        drawn = {label: made(label).draw(gray()) for label in ("llll", "nnnn", "人人")}
        assert not np.array_equal(drawn["llll"], drawn["nnnn"])
        assert not np.array_equal(drawn["人人"], made("車車").draw(gray()))
    finally:
        pens.fonts.cache_clear()


@pytest.mark.usefixtures("alone")
def test_no_font_no_letters(monkeypatch: pytest.MonkeyPatch) -> None:
    from sightd import pens

    monkeypatch.setattr(pens, "fonts", lambda size: [])
    drawn = made().draw(gray())
    assert_box(drawn)
    changed = np.any(drawn != GRAY, axis=2)
    assert not changed[:118].any() and not changed[242:].any()  # no tag above or below


def test_what_is_written() -> None:
    """By src/img/draw.c: the text read, else label and score, else the class; then what second models say."""
    found = made().objects[0]
    assert style.tag_of(found) == ["person 0.91"]
    found.attributes = [Attribute("expression", label="happy", class_id=1, score=0.934),
                        Attribute("m", name="age", value=34.4, unit="years"), Attribute("m", name="blur", value=0.256),
                        Attribute("color", class_id=4, score=0.5), Attribute("vector", vector=[1.0])]
    assert style.tag_of(found) == ["person 0.91", "happy 0.93", "age 34", "blur 0.26", "color 4 0.50"]
    found.label = None
    assert style.tag_of(found)[0] == "0 0.91"
    found.text = "x" * 60
    assert style.tag_of(found)[0] == "x" * 48 + "…"


class Ruler(style.Pen):
    """Draws nothing; letters are six pixels wide."""

    rect = outline = fill = disc = text = lambda self, *_: None  # type: ignore[assignment]  # noqa: E731

    def text_width(self, text: str, size: int) -> int:
        return 6 * len(text)


def test_tags_keep_off_each_other() -> None:
    result = Result("made", WIDTH, HEIGHT, [Object(Box(100 + 40 * k, 0, 60, 60), k, 0.9, "cat") for k in range(5)])
    drawing = style.Drawing(Ruler(), WIDTH, HEIGHT, result)
    drawing.draw()
    assert len(drawing.tags) == 5
    for k, (left, top, right, bottom) in enumerate(drawing.tags):
        assert 0 <= left < right <= WIDTH and 0 <= top < bottom <= HEIGHT
        for other in drawing.tags[:k]:
            assert right <= other[0] or other[2] <= left or bottom <= other[1] or other[3] <= top


@needs_library
def test_records_written_are_read_by_libsight() -> None:
    """All that is drawn arrives; vectors and parents are left out."""
    call = library.load()
    full = Object(Box(1, 2, 3, 4), 7, 0.5, "käse", [(1, 2), (3, 4)], [0.5, 0.25], [(0, 0), (9, 0), (9, 9), (0, 9)],
                  [(1, 1), (2, 1), (2, 2)], "読む", 0.75, [Attribute("m", "n", 3, "l", 0.5, 1.5, "years")])
    marks = Object(Box(0, 0, 1, 1), 0, 0.25, None, [(1, 2)])
    result = Result("p", 30, 20, [full, marks], [Attribute("whole", value=2.0)])
    block, handle, error = records.write(result), ctypes.c_void_p(), library.Error()
    assert call.sight_result_create(ctypes.byref(handle)) == 0
    assert call.sight_result_read(handle, block, len(block), error) == 0, error.message
    said = json.loads(ctypes.string_at(call.sight_result_json(handle, 1, None)))
    call.sight_result_destroy(ctypes.byref(handle))
    assert said == result.to_dict()
    assert records.read(block)["objects"] == said["objects"]
