# SPDX-License-Identifier: MIT
"""Pipelines of real models: what every key of a recipe does, and cascades against results made by other programs.

Models are links in folders of a temporary place, with a card where the graph holds no names.
"""

import math
from pathlib import Path
from typing import Any

import agreement
import assets
import pytest
import sight
import yaml
from assets import Golden
from PIL import Image

FACE_NET = {"mean": [122.782, 117.001, 104.298], "std": [255, 255, 255], "color": "rgb", "resize": "stretch"}
EXPRESSIONS = ["neutral", "happy", "sad", "angry", "fearful", "disgusted", "surprised"]  # face-api.js's
TURNS = ["up", "right", "down", "left"]
EXPRESSION: dict[str, Any] = {"input": FACE_NET, "labels": EXPRESSIONS}
AGE_GENDER: dict[str, Any] = {"input": FACE_NET, "outputs": {"gender": ["male", "female"],
                                                             "age": {"value": True, "unit": "years"}}}
STRETCHED = {"input": {"resize": "stretch"}}
CARDS: dict[str, dict[str, Any]] = {
    "yolov8n": {"labels": "coco80"},
    "retinaface": {"labels": ["face"]},
    "scrfd": {"labels": ["face"]},
    # Crops are stretched, whatever the classifier does with whole pictures.
    "orientation-dynquant": {"labels": TURNS, **STRETCHED},
    "orientation": {"labels": TURNS, **STRETCHED},
    "expression": EXPRESSION,
    "age-gender": AGE_GENDER,
}
MORE_CARDS: dict[str, dict[str, Any]] = {  # of the additional set
    "yolov8n": {"labels": "coco80"},
    "scrfd_500m_kps_640": {"labels": ["face"]},
    "face_detection_yunet_2023mar": {"labels": ["face"]},
    "faceapi_expression": EXPRESSION,
    "faceapi_age_gender": AGE_GENDER,
    **{name: {"labels": str(assets.SHARED / "models/labels/imagenet1000.txt"), **STRETCHED}
       for name in ("mobilenetv2_int8_dynquant", "squeezenet_fp32")},
}
BUS, GROUP, ZIDANE = (sight.IMAGES / n for n in ("bus.jpg", "group1.jpg", "zidane.jpg"))


def folder_of(place: Path, origin: assets.Set, cards: dict[str, dict[str, Any]]) -> Path:
    for name, card in cards.items():
        add_model(place, name, card, origin.model(name))
    return place


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with every model of CARDS."""
    return folder_of(tmp_path_factory.mktemp("models"), assets.BASE, CARDS)


@pytest.fixture(scope="module")
def more_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("more"), assets.ADDITIONAL, MORE_CARDS)


def add_model(folder: Path, name: str, card: dict[str, Any], onnx: Path) -> None:
    (folder / name).mkdir()
    (folder / name / "model.onnx").symlink_to(onnx)
    (folder / name / "model.yaml").write_text(yaml.safe_dump(card), encoding="utf-8")


class Kit:
    """Runs recipes with those models."""

    def __init__(self, models: Path, place: Path) -> None:
        self.models, self.place, self.count = models, place, 0

    def replies(self, recipe: dict[str, Any], *images: Path, options: tuple[object, ...] = (),
                models: Path | None = None) -> list[dict[str, Any]]:
        self.count += 1
        path = self.place / f"p{self.count}.yaml"
        path.write_text(yaml.safe_dump({"decode": "exact", **recipe}), encoding="utf-8")
        found = sight.detect("--models", models or self.models, "--pipelines", path, *options, *images)
        for reply in found:
            assert "error" not in reply, reply["error"]
            assert reply["pipeline"] == path.stem
        return found

    def objects(self, recipe: dict[str, Any], image: Path, *options: object) -> list[dict[str, Any]]:
        return self.replies(recipe, image, options=options)[0]["objects"]


@pytest.fixture
def kit(models: Path, tmp_path: Path) -> Kit:
    return Kit(models, tmp_path)


def named(objects: list[dict[str, Any]]) -> list[str]:
    return [o["label"] for o in objects]


def attribute(thing: dict[str, Any], model: str, name: str | None = None) -> dict[str, Any]:
    """The best answer of a model about an object or a picture."""
    return next(a for a in thing["attributes"] if a["model"] == model and a.get("name") == name)


def assert_same(found: list[dict[str, Any]], wanted: list[dict[str, Any]], box: float = 0.011, score: float = 1e-4,
                shift: tuple[float, float] = (0, 0)) -> None:
    """The same objects in the same order; replies carry two decimals of a pixel."""
    assert named(found) == named(wanted)
    for f, w in zip(found, wanted):
        assert f["score"] == pytest.approx(w["score"], abs=score)
        assert agreement.corners(f) == pytest.approx(
            [v - shift[i % 2] for i, v in enumerate(agreement.corners(w))], abs=box)


# --- Cascades -----------------------------------------------------------------------------------------------------

CASCADES = assets.listed("cascade_*")


def own_golden(cascade: Golden) -> Golden:
    """The detector's own golden of that picture, which holds its threshold and tolerances."""
    own, = cascade.set.listed(f"{cascade['detector'].removesuffix('.onnx')}__{cascade['image']}")
    return own


def cascade_recipe(golden: Golden, rename: dict[str, str] | None = None) -> dict[str, Any]:
    post = own_golden(golden)["postprocess"]
    return {"detect": {"model": Path(golden["detector"]).stem, "threshold": post["score_threshold"]},
            "classify": [{"model": (rename or {}).get(Path(c).stem, Path(c).stem), "top_k": 3}
                         for c in golden["classifiers"]]}


def crop_of(reply_object: dict[str, Any]) -> list[int]:
    x1, y1, x2, y2 = agreement.corners(reply_object)
    return [math.floor(x1), math.floor(y1), math.ceil(x2), math.ceil(y2)]


def crop_is_certain(reply_object: dict[str, Any]) -> bool:
    """No edge so near a whole pixel that the two decimals of a reply hide on which side of it the edge lies."""
    return all(abs(v - round(v)) > 0.02 or v == 0 for v in agreement.corners(reply_object))


def cascade_faults(reply: dict[str, Any], golden: Golden, rename: dict[str, str] | None = None) -> list[str]:
    """What differs. A crop of the very same pixels gives the same scores; one that is a pixel off, nearly the same."""
    bad = []
    tolerance = own_golden(golden)["tolerance"]
    weak = {tuple(d["box"]) for d in own_golden(golden)["detections"] if d.get("fragile") or d.get("borderline")}
    for wanted in golden["objects"]:
        found = [o for o in reply["objects"]
                 if agreement.matches(o, wanted, tolerance["box_iou_min"], tolerance["score"])]
        if not found:
            if tuple(wanted["box"]) not in weak:
                bad.append(f"missing {wanted['label']} {wanted['box']}")
            continue
        same_pixels = crop_of(found[0]) == wanted["crop"] and crop_is_certain(found[0])
        allowed = 0.001 if same_pixels else 0.15
        for file, said in wanted["classifications"].items():
            model = (rename or {}).get(Path(file).stem, Path(file).stem)
            answers = {a["class_id"]: a for a in found[0]["attributes"]
                       if a["model"] == model and "class_id" in a}
            for expected in said["top3"]:
                got = answers.get(expected["class_id"])
                if got and got["label"] != expected["label"]:
                    bad.append(f"{model}: class {got['class_id']} is {got['label']}, not {expected['label']}")
                # What is not among the best three can score as much as the third.
                score = got["score"] if got else min(a["score"] for a in answers.values())
                if abs(score - expected["score"]) > allowed:
                    bad.append(f"{model}: {expected['label']} {score:.4f}, expected {expected['score']:.4f} "
                               f"(crop {crop_of(found[0])}, expected {wanted['crop']})")
            if "age" in said:
                age = next(a for a in found[0]["attributes"] if a["model"] == model and a.get("name") == "age")
                assert age["unit"] == "years"
                if abs(age["value"] - said["age"]) > (0.05 if same_pixels else 6.0):
                    bad.append(f"{model}: age {age['value']}, expected {said['age']}")
    return bad


@pytest.mark.parametrize("golden", CASCADES, ids=lambda g: g.id)
def test_cascades_agree(kit: Kit, request: pytest.FixtureRequest, golden: Golden) -> None:
    models = None if golden.set is assets.BASE else request.getfixturevalue("more_models")
    reply = kit.replies(cascade_recipe(golden), golden.picture, models=models)[0]
    assert cascade_faults(reply, golden) == []
    for stage in ("decode", "preprocess", "detect", "postprocess", "classify"):
        assert reply["timing_us"][stage] > 0, stage


SHIPPED = {"faceapi_expression": "expression", "faceapi_age_gender": "age-gender"}


@pytest.mark.parametrize("golden", [g for g in CASCADES if "yolov8n" not in g.stem], ids=lambda g: g.id)
def test_cascades_agree_with_the_models_shipped(kit: Kit, tmp_path: Path, golden: Golden) -> None:
    """With the cards of models/, of which this folder holds none."""
    (tmp_path / "detector").mkdir()
    name = golden["detector"].removesuffix(".onnx")
    add_model(tmp_path / "detector", name, {"labels": ["face"]}, golden.set.model(name))
    options = ("--models", sight.ROOT / "models")
    reply = kit.replies(cascade_recipe(golden, SHIPPED), golden.picture, options=options,
                        models=tmp_path / "detector")[0]
    assert cascade_faults(reply, golden, SHIPPED) == []


# --- The detector's keys ------------------------------------------------------------------------------------------

def test_classes_are_filtered_and_the_rest_is_untouched(kit: Kit) -> None:
    everything = kit.objects({"detect": "yolov8n"}, BUS)
    people = kit.objects({"detect": {"model": "yolov8n", "classes": ["person"]}}, BUS)
    assert len(people) >= 3 and "bus" in named(everything)
    assert people == [o for o in everything if o["label"] == "person"]


def test_thresholds_by_class(kit: Kit) -> None:
    low = kit.objects({"detect": {"model": "yolov8n", "threshold": 0.3}}, GROUP)
    recipe = {"detect": {"model": "yolov8n", "threshold": 0.3, "thresholds": {"wine glass": 0.95, "cat": 0.1}}}
    found = kit.objects(recipe, GROUP)
    assert "wine glass" in named(low)  # it scores 0.88 in its golden, the people 0.91, 0.78, 0.78
    assert found == [o for o in low if o["label"] != "wine glass"]
    # A request's own threshold is for all classes.
    assert named(kit.objects(recipe, GROUP, "--threshold", 0.6)) == ["person", "wine glass", "person", "person"]
    # One class may have a lower threshold than the rest.
    recipe = {"detect": {"model": "yolov8n", "threshold": 0.9, "thresholds": {"wine glass": 0.5}}}
    assert named(kit.objects(recipe, GROUP)) == ["person", "wine glass"]


def test_classes_may_be_numbers(kit: Kit) -> None:
    """Where the model has no label of that text: COCO's 0 is person, 40 wine glass."""
    def same(recipe: dict[str, Any], other: dict[str, Any]) -> list[str]:
        usual = {"model": "yolov8n", "threshold": 0.3}
        found, wanted = (kit.objects({**r, "detect": {**usual, **r.get("detect", {})}}, GROUP) for r in (recipe, other))
        assert found == wanted
        return named(found)

    assert same({"detect": {"classes": [40, "chair"]}}, {"detect": {"classes": ["wine glass", "chair"]}}) == [
        "wine glass", "chair", "chair"]
    assert "wine glass" not in same({"detect": {"thresholds": {40: 0.95}}},
                                    {"detect": {"thresholds": {"wine glass": 0.95}}})
    same({"classify": [{"model": "orientation", "on": [40]}]},
         {"classify": [{"model": "orientation", "on": ["wine glass"]}]})
    # A label that is a number goes first; a model that names nothing and does not say how many has any number.
    folder = kit.place / "own"
    folder.mkdir()
    add_model(folder, "odd", {"labels": [str(i + 1) for i in range(80)]}, sight.model("yolov8n"))
    add_model(folder, "bare", {}, sight.model("deimv2"))
    for recipe, ids in (({"model": "odd", "classes": [41]}, {40}), ({"model": "odd", "classes": [0, 41]}, {0, 40}),
                        ({"model": "bare", "classes": [0], "thresholds": {0: 0.3}}, {0})):
        found = kit.replies({"detect": recipe}, GROUP, models=folder)[0]["objects"]
        assert {o["class_id"] for o in found} == ids
    assert kit.replies({"detect": {"model": "bare", "thresholds": {0: 1}}}, GROUP, models=folder)[0]["objects"] == [
        o for o in kit.replies({"detect": "bare"}, GROUP, models=folder)[0]["objects"] if o["class_id"] != 0]


def test_max_objects_keeps_the_best(kit: Kit) -> None:
    everything = kit.objects({"detect": "yolov8n"}, BUS)
    assert kit.objects({"detect": {"model": "yolov8n", "max_objects": 2}}, BUS) == everything[:2]
    assert kit.objects({"detect": "yolov8n"}, BUS, "--max-objects", 1) == everything[:1]
    # Filters come first: the best two people, not the people among the best two.
    people = [o for o in everything if o["label"] == "person"]
    recipe = {"detect": {"model": "yolov8n", "max_objects": 2, "classes": ["person"]}}
    assert kit.objects(recipe, BUS) == people[:2]


def test_min_size_is_the_shorter_side(kit: Kit) -> None:
    everything = kit.objects({"detect": {"model": "yolov8n", "threshold": 0.1}}, BUS)
    sides = sorted(min(o["bbox"]["w"], o["bbox"]["h"]) for o in everything)
    bound = round(sides[len(sides) // 2])
    found = kit.objects({"detect": {"model": "yolov8n", "threshold": 0.1, "min_size": bound}}, BUS)
    assert 0 < len(found) < len(everything)
    assert found == [o for o in everything if min(o["bbox"]["w"], o["bbox"]["h"]) >= bound]
    # It filters before the cut to max_objects.
    recipe = {"detect": {"model": "yolov8n", "threshold": 0.1, "min_size": bound, "max_objects": len(found)}}
    assert kit.objects(recipe, BUS) == found


@pytest.mark.parametrize("decode", ["exact", "fast"])
def test_a_region_is_seen_as_its_own_picture(kit: Kit, tmp_path: Path, decode: str) -> None:
    """The region is cut out with Pillow, stored without loss and detected as a whole."""
    region = [0.1, 0.3, 0.65, 0.95]
    with Image.open(BUS) as picture:
        w, h = picture.size
        part = [math.floor(region[0] * w), math.floor(region[1] * h), math.ceil(region[2] * w),
                math.ceil(region[3] * h)]
        picture.convert("RGB").crop(part).save(tmp_path / "part.png")
    recipe = {"decode": decode, "detect": {"model": "yolov8n", "region": region}}
    found = kit.objects(recipe, BUS)
    wanted = kit.objects({"detect": "yolov8n"}, tmp_path / "part.png")
    assert len(found) >= 2
    # Pillow's libjpeg and ours decode the same bits; a fast decode may be reduced and differ by as much.
    close = {"box": 0.02, "score": 0.002} if decode == "exact" else {"box": 4.0, "score": 0.05}
    assert_same(wanted, found, shift=(part[0], part[1]), **close)


def test_agnostic_suppression_drops_the_second_class_of_a_thing(kit: Kit) -> None:
    """Far below the usual threshold a thing is of several classes. NMS is redone here on what was found by class."""
    by_class = kit.objects({"detect": {"model": "yolov8n", "threshold": 0.02}}, BUS)
    across = kit.objects({"detect": {"model": "yolov8n", "threshold": 0.02, "agnostic": True}}, BUS)
    kept: list[dict[str, Any]] = []
    for o in by_class:
        if all(agreement.iou(agreement.corners(o), agreement.corners(k)) <= 0.45 for k in kept):
            kept.append(o)
    assert across == kept and len(kept) < len(by_class)


def test_nms_of_a_recipe(kit: Kit) -> None:
    usual = kit.objects({"detect": "yolov8n"}, BUS)
    kept = kit.objects({"detect": {"model": "yolov8n", "nms": 0}}, BUS)
    assert len(kept) > 3 * len(usual)
    assert kit.objects({"detect": {"model": "yolov8n", "nms": 0}}, BUS, "--nms", 0.7) == usual


# --- Detectors inside boxes ---------------------------------------------------------------------------------------

INSIDE = {"detect": {"model": "yolov8n", "classes": ["person"]},
          "detect_inside": {"model": "scrfd", "on": ["person"], "expand": 0.1,
                            "classify": ["expression", "age-gender"]}}


def test_faces_are_found_inside_people(kit: Kit) -> None:
    objects = kit.objects(INSIDE, ZIDANE)
    people = [(i, o) for i, o in enumerate(objects) if o["label"] == "person"]
    faces = [o for o in objects if o["label"] == "face"]
    whole, = (g["detections"] for g in assets.BASE.listed("retinaface__zidane.jpg"))
    assert len(people) == 2 and len(faces) >= 2
    assert [o["score"] for o in objects] == sorted((o["score"] for o in objects), reverse=True)
    for face in faces:
        parent = objects[face["parent"]]
        assert parent["label"] == "person" and "parent" not in parent
        x1, y1, x2, y2 = agreement.corners(parent)
        gx, gy = 0.05 * (x2 - x1) + 1, 0.05 * (y2 - y1) + 1
        fx1, fy1, fx2, fy2 = agreement.corners(face)
        assert x1 - gx <= fx1 and y1 - gy <= fy1 and fx2 <= x2 + gx and fy2 <= y2 + gy
        assert attribute(face, "expression")["label"]
        assert attribute(face, "age-gender", "gender")["label"] == "male"
        assert len(face["landmarks"]) == 5
    # Both faces that the detector sees in the whole picture are among them.
    for wanted in whole:
        assert any(agreement.iou(agreement.corners(f), tuple(wanted["box"])) > 0.7 for f in faces)
    for _, person in people:
        assert "attributes" not in person or person["attributes"] == []


def test_inner_detectors_look_only_into_what_they_are_for(kit: Kit) -> None:
    recipe = {"detect": "yolov8n", "detect_inside": {"model": "scrfd", "on": ["tie"]}}
    objects = kit.objects(recipe, ZIDANE)
    assert "tie" in named(objects)
    assert all(objects[o["parent"]]["label"] == "tie" for o in objects if o["label"] == "face")


def test_inner_boxes_are_those_of_the_crop(kit: Kit, tmp_path: Path) -> None:
    """What is found inside a box equals what is found in the same pixels as a picture of their own."""
    objects = kit.objects({**INSIDE, "detect_inside": {"model": "scrfd"}}, ZIDANE)
    person = next(i for i, o in enumerate(objects) if o["label"] == "person")
    crop = crop_of(objects[person])
    with Image.open(ZIDANE) as picture:
        picture.convert("RGB").crop(crop).save(tmp_path / "person.png")
    inside = [o for o in objects if o.get("parent") == person]
    alone = kit.objects({"detect": "scrfd"}, tmp_path / "person.png")
    assert inside
    assert_same(alone, inside, shift=(crop[0], crop[1]), box=0.02, score=0.002)


# --- Classifiers --------------------------------------------------------------------------------------------------

def test_classifiers_are_for_the_classes_named(kit: Kit) -> None:
    classify = [{"model": "orientation", "on": ["wine glass", "chair"]}]
    objects = kit.objects({"detect": "yolov8n", "classify": classify}, GROUP)
    with_answer = {o["label"] for o in objects if o.get("attributes")}
    assert with_answer == {"wine glass", "chair"} and "person" in named(objects)


def test_small_objects_are_not_classified(kit: Kit) -> None:
    plain = sorted(min(o["bbox"]["w"], o["bbox"]["h"]) for o in kit.objects({"detect": "yolov8n"}, GROUP))
    bound = round((plain[2] + plain[3]) / 2)
    objects = kit.objects({"detect": "yolov8n", "classify": [{"model": "orientation", "min_size": bound}]}, GROUP)
    sides = [(min(o["bbox"]["w"], o["bbox"]["h"]) >= bound, bool(o.get("attributes"))) for o in objects]
    assert {s for s, _ in sides} == {True, False}
    assert all(large == answered for large, answered in sides)


def test_top_k_and_threshold_of_a_classifier(kit: Kit) -> None:
    def answers(**keys: Any) -> list[dict[str, Any]]:
        recipe = {"detect": {"model": "yolov8n", "classes": ["wine glass"]},
                  "classify": [{"model": "orientation", **keys}]}
        return kit.objects(recipe, GROUP)[0].get("attributes", [])

    four = answers(top_k=4)
    assert len(four) == 4 and [a["score"] for a in four] == sorted((a["score"] for a in four), reverse=True)
    assert answers() == four[:1]
    bound = (four[1]["score"] + four[2]["score"]) / 2
    assert answers(top_k=4, threshold=bound) == four[:2]
    assert answers(threshold=(1 + four[0]["score"]) / 2) == []


def crop_answer(kit: Kit, tmp_path: Path, image: Path, crop: tuple[int, int, int, int],
                edge: bool = False) -> dict[str, Any]:
    """What the classifier says of those pixels as a picture of their own, cut out here with Pillow."""
    with Image.open(image) as picture:
        picture = picture.convert("RGB")
        w, h = picture.size
        if edge:  # the border is repeated
            part = Image.new("RGB", (crop[2] - crop[0], crop[3] - crop[1]))
            pixels, out = picture.load(), part.load()
            for y in range(part.height):
                for x in range(part.width):
                    out[x, y] = pixels[min(max(crop[0] + x, 0), w - 1), min(max(crop[1] + y, 0), h - 1)]
        else:
            part = picture.crop((max(crop[0], 0), max(crop[1], 0), min(crop[2], w), min(crop[3], h)))
        part.save(tmp_path / "crop.png")
    return kit.replies({"classify": ["orientation"]}, tmp_path / "crop.png")[0]["attributes"][0]


@pytest.mark.parametrize("keys", [{"expand": 0.4}, {"expand": -0.3}, {"square": True}, {"square": True, "pad": True},
                                  {"expand": 1.0, "pad": True}], ids=str)
def test_crops_are_cut_as_the_recipe_says(kit: Kit, tmp_path: Path, keys: dict[str, Any]) -> None:
    recipe = {"detect": {"model": "yolov8n", "classes": ["bus"]}, "classify": [{"model": "orientation", **keys}]}
    bus = kit.objects(recipe, BUS)[0]
    x1, y1, x2, y2 = agreement.corners(bus)
    w, h = (x2 - x1) * (1 + keys.get("expand", 0)), (y2 - y1) * (1 + keys.get("expand", 0))
    if keys.get("square"):
        w = h = max(w, h)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    crop = (math.floor(x - w / 2), math.floor(y - h / 2), math.ceil(x + w / 2), math.ceil(y + h / 2))
    wanted = crop_answer(kit, tmp_path, BUS, crop, edge=keys.get("pad", False))
    found = bus["attributes"][0]
    assert found["label"] == wanted["label"]
    assert found["score"] == pytest.approx(wanted["score"], abs=0.01)


def test_faces_are_turned_until_the_eyes_are_level(kit: Kit, tmp_path: Path) -> None:
    """A face askew by 25 degrees is seen as Pillow's own turned crop of it, around the box's centre, is seen."""
    with Image.open(sight.IMAGES / "astronaut.png") as picture:
        picture.convert("RGB").rotate(25, resample=Image.Resampling.BICUBIC).save(tmp_path / "askew.png")
    recipe = {"detect": "scrfd", "classify": [{"model": "age-gender", "align": "landmarks"}]}
    face = kit.objects(recipe, tmp_path / "askew.png")[0]
    (ax, ay), (bx, by) = face["landmarks"][0][:2], face["landmarks"][1][:2]
    angle = math.atan2(by - ay, bx - ax)
    assert 15 < abs(math.degrees(angle)) < 35
    x1, y1, x2, y2 = crop_of(face)
    cos, sin, side = math.cos(angle), math.sin(angle), 112
    w, h, x, y = x2 - x1, y2 - y1, (x1 + x2) / 2, (y1 + y2) / 2
    turn = (w / side * cos, -h / side * sin, x - w / 2 * cos + h / 2 * sin,
            w / side * sin, h / side * cos, y - w / 2 * sin - h / 2 * cos)
    with Image.open(tmp_path / "askew.png") as picture:
        picture.transform((side, side), Image.Transform.AFFINE, turn, Image.Resampling.BILINEAR).save(
            tmp_path / "level.png")
    level = kit.replies({"classify": "age-gender"}, tmp_path / "level.png")[0]
    wanted = attribute(level, "age-gender", "age")["value"]
    assert attribute(face, "age-gender", "age")["value"] == pytest.approx(wanted, abs=0.2)
    # And not as the box itself is seen.
    recipe["classify"][0]["align"] = "none"
    plain = kit.objects(recipe, tmp_path / "askew.png")[0]
    assert attribute(plain, "age-gender", "age")["value"] != pytest.approx(wanted, abs=0.2)


def test_a_picture_is_classified_as_a_whole(kit: Kit) -> None:
    folder = kit.place / "own"
    folder.mkdir()
    add_model(folder, "turn", {"labels": TURNS}, sight.model("orientation"))
    for golden in assets.BASE.listed("orientation__*"):
        reply = kit.replies({"classify": [{"model": "turn", "top_k": 4}]}, golden.picture, models=folder)[0]
        assert reply["objects"] == [] and len(reply["attributes"]) == 4
        wanted = {w["class_id"]: w["score"] for w in golden["top5"]}
        for found in reply["attributes"]:
            assert found["score"] == pytest.approx(wanted[found["class_id"]], abs=0.01)


# --- Batches ------------------------------------------------------------------------------------------------------

def test_answers_do_not_depend_on_the_other_objects_of_a_frame(kit: Kit) -> None:
    """Dynamically quantised classifiers scale by batch: they must see one crop at a time."""
    classify = [{"model": "orientation-dynquant", "top_k": 3}]
    together = kit.objects({"detect": "yolov8n", "classify": classify}, GROUP)
    assert len(together) >= 4
    for label in set(named(together)):
        alone = kit.objects({"detect": {"model": "yolov8n", "classes": [label]}, "classify": classify}, GROUP)
        assert alone == [o for o in together if o["label"] == label]


def test_batched_faces_answer_as_single_ones(kit: Kit) -> None:
    group = sight.IMAGES / "group5.jpg"
    recipe = {"detect": "scrfd", "classify": ["expression", "age-gender"]}
    single = kit.place / "single"
    single.mkdir()
    for name in ("scrfd", "expression", "age-gender"):
        add_model(single, name, {**CARDS[name], **({} if name == "scrfd" else {"batch": "never"})}, sight.model(name))
    together, apart = kit.objects(recipe, group), kit.replies(recipe, group, models=single)[0]["objects"]
    assert len(together) >= 5
    assert_same(together, apart)
    for a, b in zip(together, apart):
        for one, other in zip(a["attributes"], b["attributes"]):
            assert (one["model"], one.get("label")) == (other["model"], other.get("label"))
            # Kernels for other batch sizes sum in another order.
            assert one.get("score", 0) == pytest.approx(other.get("score", 0), abs=1e-3)
            assert one.get("value", 0) == pytest.approx(other.get("value", 0), abs=0.01)


@pytest.mark.parametrize("model, batch", [("orientation-dynquant", "never"), ("orientation", "up to"),
                                          ("expression", "up to"), ("yolov8n", "never")])
def test_batching_is_decided_by_measuring(model: str, batch: str) -> None:
    said = sight.run("model", "explain", sight.model(model), check=True).stdout
    line = next(line for line in said.splitlines() if line.startswith("batch"))
    assert line.split(None, 1)[1].startswith(batch)


# --- Everything at once -------------------------------------------------------------------------------------------

TEXT_MODELS = ("ppocr-det", "ppocr-cls", "ppocr-rec")


needs_text = pytest.mark.skipif(
    not all((sight.ROOT / "models" / m / "model.onnx").is_file() for m in TEXT_MODELS),
    reason="skipped: the models of sightd are absent (make deps)")


def paste_receipt(path: Path) -> None:
    """Two men and, beside them, a receipt; stored without loss."""
    with Image.open(ZIDANE) as people, Image.open(sight.IMAGES / "receipt.png") as paper:
        scene = Image.new("RGB", (people.width + paper.width, max(people.height, paper.height)), (128, 128, 128))
        scene.paste(people.convert("RGB"), (0, 0))
        scene.paste(paper.convert("RGB"), (people.width, 0))
        scene.save(path)


@needs_text
def test_detector_two_classifiers_and_text_in_one_request(kit: Kit, tmp_path: Path) -> None:
    """Lines are found, get two answers each and are read; every stage shows in the timing."""
    paste_receipt(tmp_path / "scene.png")
    recipe = {"detect": "ppocr-det", "classify": [{"model": "orientation"}, {"model": "expression"}],
              "read": {"orient": "ppocr-cls", "recognise": "ppocr-rec"}}
    reply = kit.replies(recipe, tmp_path / "scene.png", options=("--models", sight.ROOT / "models"))[0]
    lines = [o for o in reply["objects"] if o.get("text")]
    assert any("THANK" in o["text"] for o in lines)
    for o in lines:
        assert {a["model"] for a in o["attributes"]} == {"orientation", "expression"}
    for stage in ("decode", "preprocess", "detect", "postprocess", "classify", "read", "total"):
        assert reply["timing_us"][stage] > 0, stage


@needs_text
def test_text_inside_objects_is_read_and_keeps_its_parents(kit: Kit, tmp_path: Path) -> None:
    """Lines inside people's boxes: parents survive the reading order, people are not read."""
    paste_receipt(tmp_path / "scene.png")
    recipe = {"detect": {"model": "yolov8n", "classes": ["person"]},
              "detect_inside": {"model": "ppocr-det", "on": ["person"], "expand": 1.5},
              "classify": [{"model": "orientation", "on": ["person"]}, {"model": "age-gender"}],
              "read": {"recognise": "ppocr-rec"}}
    reply = kit.replies(recipe, tmp_path / "scene.png", options=("--models", sight.ROOT / "models"))[0]
    objects = reply["objects"]
    lines = [o for o in objects if o["label"] == "text"]
    assert "CORNER" in "".join(o["text"] for o in lines).upper()
    for o in lines:
        assert objects[o["parent"]]["label"] == "person"
        x1, y1, x2, y2 = agreement.corners(objects[o["parent"]])
        gx, gy = 0.75 * (x2 - x1) + 1, 0.75 * (y2 - y1) + 1
        lx1, ly1, lx2, ly2 = agreement.corners(o)
        assert x1 - gx <= lx1 and y1 - gy <= ly1 and lx2 <= x2 + gx and ly2 <= y2 + gy
    for o in objects:
        assert o["label"] == "text" or "text" not in o
    for stage in ("decode", "preprocess", "detect", "postprocess", "classify", "read", "total"):
        assert reply["timing_us"][stage] > 0, stage


@needs_text
def test_boxes_of_a_plain_detector_are_read_when_nothing_finds_lines(kit: Kit, tmp_path: Path) -> None:
    """Number plates and the like. Faces hold no text, so no line is left of them; people are not lines at all."""
    recipe = {"detect": {"model": "yolov8n", "classes": ["person"]}, "detect_inside": {"model": "scrfd"},
              "read": {"recognise": "ppocr-rec", "threshold": 0}}
    objects = kit.replies(recipe, ZIDANE, options=("--models", sight.ROOT / "models"))[0]["objects"]
    assert {("text" in o or "quad" in o) for o in objects if o["label"] == "face"} == {True}
    assert {("text" in o or "quad" in o) for o in objects if o["label"] == "person"} == {False}
