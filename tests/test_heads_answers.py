# SPDX-License-Identifier: MIT
"""Classifiers, text and the default face detector on real models, through build/head_dump as in test_heads.py."""
import os

import assets
import picture_files
import pytest

cv2 = pytest.importorskip("cv2", reason="skipped: python3-opencv is not installed")
np = pytest.importorskip("numpy")

from test_heads import TOOL, dump, ids, iou  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not os.path.exists(TOOL), reason="skipped: build/head_dump is not built"),
]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def own_model(name):
    """A model that `make deps` fetches, or the file that SIGHT_<NAME> names."""
    path = os.environ.get("SIGHT_" + name.upper().replace("-", "_")) or f"{ROOT}/models/{name}/model.onnx"
    return os.path.abspath(path)


FACES, TEXT = own_model("blazeface"), own_model("ppocr-det")


def read_image(path):
    return cv2.imread(str(path))[:, :, ::-1]


def centre_crop(image, side, shorter):
    """torchvision's Resize (the longer side is cut to a whole number) and CenterCrop (half rounds to even)."""
    height, width = image.shape[:2]
    size = (shorter, shorter * height // width) if width < height else (shorter * width // height, shorter)
    image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    top, left = (int(round((length - side) / 2)) for length in image.shape[:2])
    return image[top:top + side, left:left + side]


def write_tensor(path, image, mean, std, dtype):
    tensor = (image.astype(np.float32) - np.float32(mean)) / np.float32(std)
    np.ascontiguousarray(tensor.transpose(2, 0, 1).astype(dtype)).tofile(path)


CLASSIFIED = assets.listed(kind="classification")


@pytest.mark.parametrize("golden", CLASSIFIED, ids=lambda golden: golden.id)
def test_classes_agree_with_goldens(golden, tmp_path):
    """Order and probability of the five best; dynamic quantisation differs between versions of the runtime."""
    loose = 0.05 if "dynquant" in golden["model"] else 0.005
    how = golden["preprocess"]
    image = centre_crop(read_image(golden.picture), 224, 256)
    if how["colour_order"] == "BGR":
        image = image[:, :, ::-1]
    write_tensor(tmp_path / "x", image, how["mean"], how["std"], how["dtype"])
    graph, line = dump(golden.path, 224, 224, "top=5", f"{tmp_path / 'x'}:224x224")
    assert graph["head"] == "classify"
    assert graph["channels"] == (1 if how["colour_order"] == "BGR" else 0)
    assert np.allclose(graph["mean"], how["mean"], atol=1e-3)
    assert np.allclose(graph["std"], how["std"], atol=1e-3)
    assert ("logits" in graph["evidence"]) == golden["softmax_applied_by_client"]
    assert len(line["answers"]) == len(golden["top5"])
    for want, have in zip(golden["top5"], line["answers"]):
        if want["score"] > 2 * loose:
            assert have["class_id"] == want["class_id"], golden["image"]
        assert abs(have["score"] - want["score"]) <= loose, golden["image"]


FACE_NETS = [(origin, model) for origin, models in
             ((assets.BASE, ("expression", "age-gender")),
              (assets.ADDITIONAL, ("faceapi_expression", "faceapi_age_gender"))) if origin in assets.SETS
             for model in models]


@pytest.mark.parametrize("net", FACE_NETS, ids=ids)
def test_second_models_agree_with_goldens(net, tmp_path):
    """Crops as the cascade goldens cut them; mean and std of face-api.js, which only a card can know."""
    (origin, model), seen = net, 0
    for golden in origin.listed("cascade_retinaface*" if origin is assets.BASE else "cascade_scrfd*"):
        image = read_image(golden.picture)
        files, wants = [], []
        for i, one in enumerate(golden["objects"]):
            x1, y1, x2, y2 = one["crop"]
            crop = cv2.resize(image[y1:y2, x1:x2], (112, 112), interpolation=cv2.INTER_LINEAR)
            write_tensor(tmp_path / str(i), crop, (122.782, 117.001, 104.298), (255, 255, 255), np.float32)
            files.append(f"{tmp_path / str(i)}:112x112")
            wants.append(one["classifications"][model + ".onnx"])
        for want, line in zip(wants, dump((origin, model), 112, 112, "top=3", *files)[1:]):
            classes = [one for one in line["answers"] if one["class_id"] >= 0]
            for best, have in zip(want["top3"], classes):
                assert have["class_id"] == best["class_id"] or best["score"] < 0.01
                assert abs(have["score"] - best["score"]) <= 0.01
            values = [one["value"] for one in line["answers"] if "value" in one]
            assert len(values) == ("age" in want)
            if values:
                assert abs(values[0] - want["age"]) <= 0.3
            seen += 1
    assert seen >= 20


def letterbox(image, side):
    height, width = image.shape[:2]
    ratio = min(side / width, side / height)
    size = (round(width * ratio), round(height * ratio))
    left, top = (round((side - length) / 2 - 0.1) for length in size)
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[top:top + size[1], left:left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return canvas, (size[0] / width, size[1] / height, left, top)


OTHERS = [(origin, model) for origin, models in
          ((assets.BASE, ("retinaface", "yolov8n-face")),
           (assets.ADDITIONAL, ("scrfd_500m_kps_640", "face_detection_yunet_2023mar"))) if origin in assets.SETS
          for model in models]


@pytest.mark.skipif(not os.path.exists(FACES), reason="skipped: no models/blazeface/model.onnx")
@pytest.mark.parametrize("other", OTHERS, ids=ids)
def test_blazeface_finds_the_faces_of_other_detectors(other, tmp_path):
    """Every face of the goldens of other detectors that is taller than a tenth of the longer side, IoU 0.6; 0.4 with
    those of the base set, which draw the chin and the forehead that BlazeFace's square leaves out."""
    (origin, model), checked = other, 0
    least = 0.4 if origin is assets.BASE else 0.6
    for golden in origin.listed(f"{model}__*"):
        image = read_image(golden.picture)
        canvas, (sx, sy, left, top) = letterbox(image, 256)
        ((canvas.astype(np.float32) - 127.5) / 127.5).tofile(tmp_path / "x")
        graph, line = dump(FACES, 256, 256, f"{tmp_path / 'x'}:256x256")
        assert graph["head"] == "blazeface" and graph["channels"] == 0 and graph["fit"] == 1
        boxes = [[(one["box"][0] - left) / sx, (one["box"][1] - top) / sy,
                  (one["box"][2] - left) / sx, (one["box"][3] - top) / sy] for one in line["detections"]]
        assert all(len(one["points"]) == 6 for one in line["detections"])
        for want in golden["detections"]:
            if want["box"][3] - want["box"][1] > 0.1 * max(image.shape[:2]):
                assert max(iou(want["box"], box) for box in boxes) >= least, (golden["image"], want)
                checked += 1
    assert checked >= 10


@pytest.mark.skipif(not os.path.exists(TEXT), reason="skipped: no models/ppocr-det/model.onnx")
def test_text_lines_are_found(tmp_path):
    """One quad, clockwise, for each row of a receipt that was drawn for it."""
    image = read_image(assets.pictures() / "receipt.png")
    write_tensor(tmp_path / "x", image[:, :, ::-1], (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), np.float32)
    graph, line = dump(TEXT, 512, 640, f"{tmp_path / 'x'}:512x640")
    assert graph["head"] == "dbnet" and graph["channels"] == 1
    assert len(line["detections"]) == len(picture_files.RECEIPT)
    for one in line["detections"]:
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = one["polygon"]
        assert (bx - ax) * (dy - ay) - (by - ay) * (dx - ax) > 0  # y points down: clockwise
        assert ax < bx and ay < dy and dx < cx
        assert abs(ax + cx - bx - dx) < 0.1 and abs(ay + cy - by - dy) < 0.1  # a rectangle
