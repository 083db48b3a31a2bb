# SPDX-License-Identifier: MIT
"""Every key of a model card does what docs/CONFIG.md says, on real models: what `explain` decides and what is found."""
from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import agreement
import pytest
import sight
import yaml
from PIL import Image, ImageDraw, ImageFont

YOLO, FAST, SSD, NET = "yolov8n", "yolo-fastestv2", "ssd-mobilenet", "orientation"
BUS, PAGE = sight.IMAGES / "bus.jpg", sight.IMAGES / "page_90.png"


def card(folder: Path, model: str, keys: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "model.onnx").symlink_to(sight.model(model))
    (folder / "model.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    return folder


def shipped(folder: Path, model: str, keys: dict[str, Any]) -> Path:
    """A model of `make deps` with its own card, some keys changed (None: left out)."""
    home = sight.ROOT / "models" / model
    if not (home / "model.onnx").exists():
        pytest.skip(f"skipped: no models/{model}/model.onnx (run `make deps`)")
    folder.mkdir()
    own = {**yaml.safe_load((home / "model.yaml").read_text(encoding="utf-8")), **keys}
    for path in home.glob("*"):
        if path.name != "model.yaml":
            (folder / path.name).symlink_to(path)
    (folder / "model.yaml").write_text(yaml.safe_dump({k: v for k, v in own.items() if v is not None}),
                                       encoding="utf-8")
    return folder


def explained(path: Path) -> dict[str, str]:
    said = sight.run("model", "explain", path, check=True).stdout
    blocks = re.findall(r"^(\w+) +(.+\n(?: {12}.+\n)*)", said, re.MULTILINE)
    return {key: re.sub(r"\s+", " ", text).strip() for key, text in blocks}


def reply(path: Path, picture: Path = BUS, *options: object) -> dict[str, Any]:
    return sight.detect("--model", path, "--decode", "exact", *options, picture)[0]


@pytest.mark.parametrize("model, keys, decision, said", [
    ("yolo11n", {"input": {"size": [384, 256]}}, "size", "384x256 the card"),
    (YOLO, {"input": {"color": "bgr"}}, "color", "bgr the card"),
    (YOLO, {"input": {"resize": "stretch"}}, "resize", "stretch the card"),
    (YOLO, {"input": {"layout": "nchw"}}, "layout", "nchw the card"),
    (YOLO, {"input": {"resize": "letterbox", "pad": 7}}, "resize", "letterbox, pad 7 the card"),
    (NET, {"input": {"resize": "center-crop", "shorter_side": 300}}, "resize", "center-crop, shorter side 300 the"),
    # (pixel * scale - mean) / std is (pixel - mean / scale) / (std / scale)
    (YOLO, {"input": {"scale": 0.5, "mean": 10, "std": 100}}, "mean", "20, 20, 20; std 200, 200, 200 the card"),
    (YOLO, {"input": {"mean": [1, 2, 3], "std": [4, 5, 6]}}, "mean", "1, 2, 3; std 4, 5, 6 the card"),
    ("expression", {"batch": "never"}, "batch", "never the card"),
    ("expression", {"batch": 3}, "batch", "up to 3"),
    (YOLO, {"head": "yolov8"}, "head", "yolov8 the card"),
    (YOLO, {"labels": "coco80"}, "labels", "coco80 the card names a well-known set"),
    (YOLO, {"labels": ["a", "b"]}, "labels", "2 names the card lists them"),
    (YOLO, {"threshold": 0.77}, "threshold", "0.77 the card"),
    (YOLO, {"nms": 0.33}, "nms", "IoU 0.33 the card"),
    (YOLO, {"nms": 0.33, "agnostic": True}, "nms", "IoU 0.33, across classes the card"),
    (YOLO, {"name": "eyes"}, "model", "eyes"),
])
def test_explain_shows_what_the_card_decided(model: str, keys: dict[str, Any], decision: str, said: str,
                                             tmp_path: Path) -> None:
    found = explained(card(tmp_path / "m", model, keys))[decision]
    assert found.startswith(said) and " * " not in found


def test_what_a_card_says_of_pixels_reaches_the_tensor(tmp_path: Path) -> None:
    """`sight model run` prints the input's mean, least and most: computed by hand from the pad and the extremes."""
    said = sight.run("model", "run", card(tmp_path / "m", YOLO, {"input": {"scale": 0.5, "mean": 10, "std": 100}}), BUS,
                     check=True).stdout
    low, high = map(float, re.search(r"min (\S+)  max (\S+)", said).groups())  # type: ignore[union-attr]
    assert low == pytest.approx(-0.1, abs=1e-3) and high == pytest.approx((255 * 0.5 - 10) / 100, abs=1e-3)


def test_a_card_finds_its_graph(tmp_path: Path) -> None:
    """`file:`, else the graph of the card's name, else the only one beside it (docs/MODELS.md); from any folder."""
    folder = card(tmp_path / "m", YOLO, {})
    (folder / "model.onnx").rename(folder / "turned.onnx")
    want = reply(sight.model(YOLO))["objects"]
    assert want and reply(folder / "model.yaml")["objects"] == want
    (folder / "other.onnx").write_bytes(b"no graph")
    done = sight.run("model", "explain", folder / "model.yaml")
    assert done.returncode == 1
    assert f'model folder "{folder}" holds 2 model files; say which with `file:`' in done.stderr
    (folder / "model.yaml").write_text("file: turned.onnx\n", encoding="utf-8")
    assert reply(folder / "model.yaml")["objects"] == want


def test_class_offset(tmp_path: Path) -> None:
    """An SSD graph counts from 1. Without taking it off, every name is that of the next class."""
    names = (sight.ROOT / "models/labels/coco91.txt").read_text(encoding="utf-8").splitlines()
    usual = reply(card(tmp_path / "a", SSD, {"labels": names[1:]}))["objects"]
    kept = reply(card(tmp_path / "b", SSD, {"labels": names[1:], "class_offset": 2}))["objects"]
    assert len(usual) >= 3 and {"person", "truck"} <= {o["label"] for o in usual}
    later = [o for o in usual if o["class_id"] > 0]
    assert [o["class_id"] for o in kept] == [o["class_id"] - 1 for o in later]
    assert [o["label"] for o in kept] == [names[1:][o["class_id"] - 1] for o in later]


def test_scores(tmp_path: Path) -> None:
    """Probabilities taken for logits: a softmax of values in 0..1 over 4 classes has a low peak."""
    usual = reply(card(tmp_path / "a", NET, {}), PAGE)["attributes"][0]
    again = reply(card(tmp_path / "b", NET, {"scores": "probability"}), PAGE)["attributes"][0]
    flat = reply(card(tmp_path / "c", NET, {"scores": "softmax"}), PAGE)["attributes"][0]
    squashed = reply(card(tmp_path / "d", NET, {"scores": "sigmoid"}), PAGE)["attributes"][0]
    assert usual["score"] == again["score"] > 0.9 and usual["class_id"] == flat["class_id"] == squashed["class_id"]
    assert flat["score"] == pytest.approx(2.52 / (2.52 + 3 * 1.025), rel=0.05)  # e^0.925, e^0.025
    assert squashed["score"] == pytest.approx(0.716, abs=0.002)  # sigmoid(0.925)


def test_top_k_and_embedding(tmp_path: Path) -> None:
    assert len(reply(card(tmp_path / "a", NET, {"top_k": 3}), PAGE)["attributes"]) == 3
    vector = reply(card(tmp_path / "b", NET, {"embedding": True}), PAGE)["attributes"][0]["vector"]
    assert len(vector) == 4 and sum(v * v for v in vector) == pytest.approx(1, abs=1e-3)


def test_anchors_and_strides(tmp_path: Path) -> None:
    """Twice the anchors are twice the sides; strides that do not fit the rows are refused."""
    usual = [12.64, 19.39, 37.88, 51.48, 55.71, 138.31, 126.91, 78.23, 131.57, 214.55, 279.92, 258.87]
    pairs = [[a, b] for a, b in zip(usual[::2], usual[1::2])]
    half = [[a / 2, b / 2] for a, b in pairs]
    plain = reply(card(tmp_path / "a", FAST, {}))["objects"]
    told = reply(card(tmp_path / "b", FAST, {"anchors": pairs}))["objects"]
    assert plain and told == plain
    small = reply(card(tmp_path / "c", FAST, {"anchors": half}))["objects"]
    best = max(plain, key=lambda o: o["score"])
    twin = max((o for o in small if o["label"] == best["label"]), key=lambda o: o["score"])
    assert twin["bbox"]["w"] == pytest.approx(best["bbox"]["w"] / 2, rel=0.02)
    same = reply(card(tmp_path / "e", "yolox", {"strides": [8, 16, 32]}))["objects"]
    assert same and same == reply(card(tmp_path / "f", "yolox", {}))["objects"]
    done = sight.run("model", "explain", card(tmp_path / "d", "yolox", {"head": "yolox", "strides": [8, 16]}))
    assert done.returncode == 1 and "expected" in done.stderr and "got" in done.stderr


def test_mask_threshold(tmp_path: Path) -> None:
    """A mask that must be surer is smaller."""
    def area(path: Path) -> float:
        ring = reply(path, BUS)["objects"][0]["polygon"]
        return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:] + ring[:1]))) / 2
    assert area(card(tmp_path / "a", "yolo11n-seg", {"mask_threshold": 0.9})) < area(
        card(tmp_path / "b", "yolo11n-seg", {"mask_threshold": 0.2}))


def test_margin_keeps_more_pixels(tmp_path: Path) -> None:
    """A margin so large that nothing may be reduced gives the boxes of an exact decode."""
    big = card(tmp_path / "m", YOLO, {"input": {"margin": 16}})
    picture = sight.IMAGES / "group1.jpg"
    assert (sight.detect("--model", big, "--decode", "fast", picture)[0]["objects"]
            == reply(card(tmp_path / "n", YOLO, {}), picture)["objects"])


def test_unclip_grows_lines_by_area_over_perimeter(tmp_path: Path) -> None:
    """A rectangle w x h is grown by d = w * h * unclip / (2 * (w + h)) on all sides (DB, Liao et al. 2020). With two
    unclips both w and h can be solved for, so the formula itself is held, not only that boxes grow."""
    def sides(unclip: float | None) -> list[tuple[float, float]]:
        path = shipped(tmp_path / f"u{unclip}", "ppocr-det", {"unclip": unclip})
        lines = reply(path, sight.ROOT / "deps" / "samples" / "text" / "parking.jpg")["objects"]
        quads = [o["quad"] for o in sorted(lines, key=lambda o: o["quad"][0][1])]
        return [(math.dist(q[0], q[1]), math.dist(q[1], q[2])) for q in quads]
    once, more, usual, said = sides(1.0), sides(2.0), sides(None), sides(1.5)
    assert len(once) == len(more) >= 5 and usual == said != once
    for (w1, h1), (w2, h2) in zip(once, more):
        grown = w2 - w1  # 2 * d at unclip 1, and once more at 2
        assert h2 - h1 == pytest.approx(grown, rel=0.03)
        w, h = w1 - grown, h1 - grown
        assert grown == pytest.approx(w * h / (w + h), rel=0.03)


def draw_tight_line(path: Path) -> None:
    """Words three pixels apart: at some steps a blank is likely, but not the likeliest."""
    font = ImageFont.truetype("/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf", 24)
    line, x = Image.new("RGB", (520, 36), "white"), 6.0
    for word in "of this set are given as follows.".split():
        ImageDraw.Draw(line).text((x, 3), word, (0, 0, 0), font)
        x += font.getlength(word) + 3
    line.crop((0, 0, int(x) + 6, 36)).save(path)


def test_space_is_the_least_probability_of_a_blank(tmp_path: Path) -> None:
    """docs/DECISIONS-text.md: in such a line a space is not the best class of every step that has one."""
    line = tmp_path / "line.png"
    draw_tight_line(line)
    texts = [reply(shipped(tmp_path / f"s{space}", "ppocr-rec", {"space": space}), line)["objects"][0]["text"]
             for space in (None, 0.02, 1)]
    assert texts[:2] == ["of this set are given as follows."] * 2
    assert texts[2].replace(" ", "") == texts[0].replace(" ", "") and texts[2].count(" ") < 6


def test_outputs_are_named_labelled_and_given_units(tmp_path: Path) -> None:
    def answers(outputs: dict[str, Any] | None) -> list[dict[str, Any]]:
        path = shipped(tmp_path / str(len(list(tmp_path.iterdir()))), "age-gender", {"outputs": outputs})
        (path / "gender.txt").write_text("M\nF\n", encoding="utf-8")
        return [{k: v for k, v in a.items() if k != "model"}
                for a in reply(path, sight.IMAGES / "astronaut.png")["attributes"]]
    bare = answers(None)
    (gender, age) = bare
    assert gender["name"] == "gender" and set(gender) == {"name", "class_id", "score"}
    assert age["name"] == "age" and set(age) == {"name", "value"}
    name = ["male", "female"][gender["class_id"]]
    assert answers({"gender": ["male", "female"]}) == [{**gender, "label": name}, age]
    assert answers({"gender": "gender.txt"}) == [{**gender, "label": name[0].upper()}, age]
    assert answers({"gender": {"as": "sex", "labels": "gender.txt"}, "age": {"value": True, "unit": "years"}}) == [
        {**gender, "name": "sex", "label": name[0].upper()}, {**age, "unit": "years"}]
    assert answers({"age": {"as": "a", "unit": "y"}}) == [gender, {**age, "name": "a", "unit": "y"}]


@pytest.mark.parametrize("model, text, problem", [
    ("ppocr-det", "unclip: 0\n", "1:9: unclip: expected more than 0, at most 10, got 0"),
    ("ppocr-det", "licence: x\nunclip: wide\n", '2:9: unclip: expected a number, more than 0, at most 10, got "wide"'),
    ("ppocr-rec", "labels: keys.txt\nspace: 0\n", "2:8: space: expected more than 0, at most 1, got 0"),
    ("ppocr-rec", "labels: keys.txt\nspace: 1.5\n", "2:8: space: expected more than 0, at most 1, got 1.5"),
    ("age-gender", "outputs: [gender]\n", "1:10: outputs: expected a map from names, got a list"),
    ("age-gender", "outputs:\n  gendre: [a, b]\n", '2:3: the graph has no output "gendre"; did you mean "gender"?'),
    ("age-gender", "outputs:\n  gender: {lables: [a, b]}\n",
     '2:12: unknown key "lables" in outputs.gender; did you mean "labels"?'),
    ("age-gender", "outputs:\n  gender: {value: true}\n",
     '2:3: output "gender" has 2 numbers; `value: true` is for one'),
    ("age-gender", "outputs:\n  age: {value: maybe}\n", '2:16: outputs.age.value: expected true or false, got "maybe"'),
    ("age-gender", "outputs:\n  gender: nix.txt\n",
     '2:11: labels "{}/nix.txt" cannot be read: No such file or directory'),
], ids=lambda v: v.strip().replace("\n", " ") if ": " in v and v[0] not in "12" else "")
def test_what_is_wrong_is_shown_where_it_stands(model: str, text: str, problem: str, tmp_path: Path) -> None:
    path = shipped(tmp_path / "m", model, {})
    (path / "model.yaml").write_text(text, encoding="utf-8")
    done = sight.run("config", "check", path)
    assert (done.returncode, done.stderr) == (1, f"{path}/model.yaml:{problem.format(path)}\n")
    # The one who runs it reads the same.
    done = sight.run("detect", "--model", path, BUS)
    assert done.returncode != 0 and f"model.yaml:{problem.format(path)}" in done.stderr


@pytest.mark.parametrize("model, keys, output, names, classes", [
    (YOLO, {"labels": ["a", "b"]}, "-", 2, 80),
    (NET, {"labels": ["a"] * 5}, "-", 5, 4),
    ("yolov8n-face", {"labels": ["face", "other"]}, "-", 2, 1),
])
def test_labels_that_do_not_fit_are_told_of(model: str, keys: dict[str, Any], output: str, names: int, classes: int,
                                            tmp_path: Path) -> None:
    """A wrong list of names gives wrong names or none, which nobody would notice otherwise."""
    path = card(tmp_path / "m", model, keys)
    said = f"{names} names for {classes} classes: the names may be those of another model"
    assert said in explained(path)["labels"]
    done = sight.run("detect", "--json", "--model", path, BUS, check=True)
    assert done.stderr.count("labels do not fit the model") == 1
    assert f"output={output} names={names} classes={classes}" in done.stderr


def test_labels_of_an_output_that_do_not_fit(tmp_path: Path) -> None:
    path = shipped(tmp_path / "m", "age-gender", {"outputs": {"gender": ["male"]}})
    done = sight.run("detect", "--json", "--model", path, BUS, check=True)
    assert "output=gender names=1 classes=2" in done.stderr
    done = sight.run("detect", "--json", "--model", shipped(tmp_path / "n", "age-gender", {}), BUS, check=True)
    assert done.stderr == ""


def test_labels_that_are_no_text(tmp_path: Path) -> None:
    """Windows' "Unicode" is UTF-16."""
    path = card(tmp_path / "m", YOLO, {"labels": "names.txt"})
    (path / "names.txt").write_text("person\nbicycle\n", encoding="utf-16")
    done = sight.run("config", "check", path)
    assert (done.returncode, done.stderr) == (1, f'{path}/model.yaml:1:9: labels "{path}/names.txt" are not text in '
                                                 "UTF-8; save the file so, one name a line\n")


def test_labels_as_exporters_write_them(tmp_path: Path) -> None:
    names = [f"n{i}" for i in range(80)]
    numbered = {str(i): name for i, name in enumerate(names)}
    for file, text in {
        "data.yaml": yaml.safe_dump({"path": "../d", "nc": 80, "names": dict(enumerate(names))}),
        "config.json": json.dumps({"model_type": "yolos", "id2label": numbered}, indent=2),
        "list.json": json.dumps(names),
        "index.json": json.dumps({k: ["n01440764", name] for k, name in numbered.items()}),
        "labels.txt": repr(dict(enumerate(names))),
    }.items():
        (tmp_path / file).write_text(text, encoding="utf-8")
        found = sight.detect("--model", sight.model(YOLO), "--labels", tmp_path / file, BUS)[0]["objects"]
        assert found and all(o["label"] == f"n{o['class_id']}" for o in found), file
    found = reply(card(tmp_path / "m", YOLO, {"labels": dict(enumerate(names))}))["objects"]
    assert found and all(o["label"] == f"n{o['class_id']}" for o in found)
    (tmp_path / "data.yaml").write_text("names: {0: a, 2: b}", encoding="utf-8")
    path = card(tmp_path / "bad", YOLO, {"labels": "../data.yaml"})
    done = sight.run("config", "check", path)
    assert (done.returncode, done.stderr) == (
        1, f"{path}/model.yaml:1:9: {path}/../data.yaml:1:8: class 1 has no name; they must go from 0 to 2 without a "
           "hole\n")


def test_a_label_map_counts_as_the_graph_does(tmp_path: Path) -> None:
    """label_map.pbtxt numbers from 1, and so does the graph: taken off once."""
    names = (sight.ROOT / "models/labels/coco91.txt").read_text(encoding="utf-8").splitlines()
    items = [f'item {{\n  name: "/m/{i}"\n  id: {i}\n  display_name: "{name}"\n}}\n'
             for i, name in enumerate(names) if i and name != "???"]
    folder = card(tmp_path / "m", SSD, {"labels": "label_map.pbtxt"})
    (folder / "label_map.pbtxt").write_text("".join(items), encoding="utf-8")
    plain = reply(card(tmp_path / "n", SSD, {"labels": names[1:]}))["objects"]
    assert plain and reply(folder)["objects"] == plain


def greedy(objects: list[dict[str, Any]], most: float, across: bool) -> list[dict[str, Any]]:
    """NMS as it is defined, on objects that come best first."""
    kept: list[dict[str, Any]] = []
    for o in objects:
        if not any((across or k["class_id"] == o["class_id"])
                   and agreement.iou(agreement.corners(k), agreement.corners(o)) > most for k in kept):
            kept.append(o)
    return kept


def test_nms_of_a_graph_that_has_its_own_is_added_to_it(tmp_path: Path) -> None:
    """Without a card nothing is suppressed here; with one, what the graph left is, by the card's rule."""
    model, picture, low = "yolo26", BUS, ("--threshold", 0.05)
    usual = reply(card(tmp_path / "a", model, {}), picture, *low)["objects"]
    tight, across = greedy(usual, 0.9, False), greedy(usual, 0.45, True)
    assert len(usual) > len(across) and len(usual) > len(tight) and tight != across
    assert reply(card(tmp_path / "b", model, {"nms": 0.9}), picture, *low)["objects"] == tight
    assert reply(card(tmp_path / "c", model, {"agnostic": True}), picture, *low)["objects"] == across
    assert reply(card(tmp_path / "d", model, {"agnostic": False}), picture, *low)["objects"] == usual
    assert reply(tmp_path / "a", picture, *low, "--nms", 0.9)["objects"] == tight
    (tmp_path / "p.yaml").write_text("detect: {model: a, agnostic: true}\n", encoding="utf-8")
    assert sight.detect("--models", tmp_path, "--pipelines", tmp_path / "p.yaml", "--decode", "exact",
                        *low, picture)[0]["objects"] == across
    assert explained(tmp_path / "a")["nms"] == "none here the graph suppresses by itself"
    assert explained(tmp_path / "c")["nms"] == ("IoU 0.45, across classes the card, after what the graph suppressed by "
                                                "itself")
