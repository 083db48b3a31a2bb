# SPDX-License-Identifier: MIT
"""Classifiers, text and the default face detector on real models, through build/head_dump as in test_heads.py."""
import glob
import json
import os

import pytest

cv2 = pytest.importorskip("cv2", reason="skipped: python3-opencv is not installed")
np = pytest.importorskip("numpy")

from test_heads import ASSETS, TOOL, dump, iou, read_goldens  # noqa: E402

pytestmark = [
    pytest.mark.skipif(not os.path.exists(TOOL), reason="skipped: build/head_dump is not built"),
    pytest.mark.skipif(not os.path.isdir(ASSETS), reason="skipped: no shared test assets (SIGHT_SHARED)"),
]
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def own_model(name):
    """A model that `make deps` fetches, or the file that SIGHT_<NAME> names."""
    path = os.environ.get("SIGHT_" + name.upper().replace("-", "_")) or f"{ROOT}/models/{name}/model.onnx"
    return os.path.abspath(path)


FACES, TEXT = own_model("blazeface"), own_model("ppocr-det")


def read_image(name):
    return cv2.imread(os.path.join(ASSETS, "images", name))[:, :, ::-1]


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


@pytest.mark.parametrize("model", ["squeezenet_fp32", "squeezenet_fp16io", "mobilenetv2_int8_dynquant"])
def test_classes_agree_with_goldens(model, tmp_path):
    """Order and probability of the five best; dynamic quantisation differs between versions of the runtime."""
    goldens = read_goldens(model)
    if not goldens:
        pytest.skip("skipped: no goldens of " + model)
    loose = 0.05 if "dynquant" in model else 0.005
    for golden in goldens:
        how = golden["preprocess"]
        image = centre_crop(read_image(golden["image"]), 224, 256)
        if how["colour_order"] == "BGR":
            image = image[:, :, ::-1]
        write_tensor(tmp_path / "x", image, how["mean"], how["std"], how["dtype"])
        graph, line = dump(model, 224, 224, "top=5", f"{tmp_path / 'x'}:224x224")
        assert graph["head"] == "classify"
        assert graph["channels"] == (1 if how["colour_order"] == "BGR" else 0)
        assert np.allclose(graph["mean"], how["mean"], atol=1e-3)
        assert np.allclose(graph["std"], how["std"], atol=1e-3)
        assert ("logits" in graph["evidence"]) == golden["softmax_applied_by_client"]
        assert len(line["answers"]) == 5
        for want, have in zip(golden["top5"], line["answers"]):
            if want["score"] > 2 * loose:
                assert have["class_id"] == want["class_id"], golden["image"]
            assert abs(have["score"] - want["score"]) <= loose, golden["image"]


@pytest.mark.parametrize("model", ["faceapi_expression", "faceapi_age_gender"])
def test_second_models_agree_with_goldens(model, tmp_path):
    """Crops as the cascade goldens cut them; mean and std of face-api.js, which only a card can know."""
    seen = 0
    for path in sorted(glob.glob(f"{ASSETS}/goldens/cascade_scrfd*.json")):
        golden = json.load(open(path))
        image = read_image(golden["image"])
        files, wants = [], []
        for i, one in enumerate(golden["objects"]):
            x1, y1, x2, y2 = one["crop"]
            crop = cv2.resize(image[y1:y2, x1:x2], (112, 112), interpolation=cv2.INTER_LINEAR)
            write_tensor(tmp_path / str(i), crop, (122.782, 117.001, 104.298), (255, 255, 255), np.float32)
            files.append(f"{tmp_path / str(i)}:112x112")
            wants.append(one["classifications"][model + ".onnx"])
        for want, line in zip(wants, dump(model, 112, 112, "top=3", *files)[1:]):
            classes = [one for one in line["answers"] if one["class_id"] >= 0]
            for best, have in zip(want["top3"], classes):
                assert have["class_id"] == best["class_id"] or best["score"] < 0.01
                assert abs(have["score"] - best["score"]) <= 0.01
            values = [one["value"] for one in line["answers"] if "value" in one]
            assert len(values) == ("age" in want)
            if values:
                assert abs(values[0] - want["age"]) <= 0.3
            seen += 1
    if not seen:
        pytest.skip("skipped: no cascade goldens")
    assert seen >= 20


def letterbox(image, side):
    height, width = image.shape[:2]
    ratio = min(side / width, side / height)
    size = (round(width * ratio), round(height * ratio))
    left, top = (round((side - length) / 2 - 0.1) for length in size)
    canvas = np.zeros((side, side, 3), np.uint8)
    canvas[top:top + size[1], left:left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return canvas, (size[0] / width, size[1] / height, left, top)


@pytest.mark.skipif(not os.path.exists(FACES), reason="skipped: no models/blazeface/model.onnx")
def test_blazeface_finds_the_faces_of_other_detectors(tmp_path):
    """Every face of SCRFD's and YuNet's goldens that is taller than a tenth of the longer side, IoU 0.6."""
    checked = 0
    for other in ("scrfd_500m_kps_640", "face_detection_yunet_2023mar"):
        for golden in read_goldens(other):
            image = read_image(golden["image"])
            canvas, (sx, sy, left, top) = letterbox(image, 256)
            ((canvas.astype(np.float32) - 127.5) / 127.5).tofile(tmp_path / "x")
            graph, line = dump(FACES, 256, 256, f"{tmp_path / 'x'}:256x256")
            assert graph["head"] == "blazeface" and graph["channels"] == 0 and graph["fit"] == 1
            boxes = [[(one["box"][0] - left) / sx, (one["box"][1] - top) / sy,
                      (one["box"][2] - left) / sx, (one["box"][3] - top) / sy] for one in line["detections"]]
            assert all(len(one["points"]) == 6 for one in line["detections"])
            for want in golden["detections"]:
                if want["box"][3] - want["box"][1] > 0.1 * max(image.shape[:2]):
                    assert max(iou(want["box"], box) for box in boxes) >= 0.6, (golden["image"], want)
                    checked += 1
    if not checked:
        pytest.skip("skipped: no goldens of faces")
    assert checked >= 20


@pytest.mark.skipif(not os.path.exists(TEXT), reason="skipped: no models/ppocr-det/model.onnx")
def test_text_lines_are_found(tmp_path):
    """One quad, clockwise, for each of the words that were read by eye on the street sign."""
    words = json.load(open(f"{ASSETS}/goldens/ocr_text.json"))["files"]["text_street_sign_zh.jpg"]["words"]
    image = cv2.resize(read_image("text_street_sign_zh.jpg"), (640, 352), interpolation=cv2.INTER_LINEAR)
    write_tensor(tmp_path / "x", image[:, :, ::-1], (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), np.float32)
    graph, line = dump(TEXT, 640, 352, f"{tmp_path / 'x'}:640x352")
    assert graph["head"] == "dbnet" and graph["channels"] == 1
    assert len(line["detections"]) == len(words)
    for one in line["detections"]:
        (ax, ay), (bx, by), (cx, cy), (dx, dy) = one["polygon"]
        assert (bx - ax) * (dy - ay) - (by - ay) * (dx - ax) > 0  # y points down: clockwise
        assert ax < bx and ay < dy and dx < cx
        assert abs(ax + cx - bx - dx) < 0.1 and abs(ay + cy - by - dy) < 0.1  # a rectangle
