# SPDX-License-Identifier: MIT
"""Heads on real models: which kind is chosen for every model, and detections against the goldens.

The goldens come from another implementation (JavaScript; see the manifest in the shared folder) and so does the
preprocessing here (OpenCV and NumPy as each golden's `preprocess` says). build/head_dump runs the model.
"""
import glob
import json
import os
import subprocess

import pytest

cv2 = pytest.importorskip("cv2", reason="skipped: python3-opencv is not installed")
np = pytest.importorskip("numpy")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get("SIGHT_BUILD", os.path.join(ROOT, "build")), "head_dump")
ASSETS = os.path.join(os.environ.get("SIGHT_SHARED", os.path.join(ROOT, "..", "shared")), "assets")

pytestmark = [
    pytest.mark.skipif(not os.path.exists(TOOL), reason="skipped: build/head_dump is not built"),
    pytest.mark.skipif(not os.path.isdir(ASSETS), reason="skipped: no shared test assets (SIGHT_SHARED)"),
]

# model: head, input size. Heads from the manifest's column "head and decode".
CHOICES = {
    "yolox_nano": ("yolox", 416, 416),
    "yolox_nano_fp16w": ("yolox", 416, 416),
    "yolov5n": ("yolov5", 640, 640),
    "yolov5n_end2end_nms": ("end2end", 640, 640),
    "yolov8n": ("yolov8", 640, 640),
    "yolov8n_fp16io": ("yolov8", 640, 640),
    "yolov8n_int8_dynquant": ("yolov8", 640, 640),
    "yolov8n-face_dynbatch": ("yolov8", 640, 640),
    "yolo11n_dyn": ("yolov8", 640, 640),
    "yolo11n_320_int8_dynquant": ("yolov8", 320, 320),
    "yolo11n-pose": ("yolov8-pose", 640, 640),
    "yolo11n-seg": ("yolov8-seg", 640, 640),
    "yolo26n": ("end2end", 640, 640),
    "picodet_xs_320_postproc": ("paddle", 320, 320),
    "deimv2_atto_320": ("detr", 320, 320),
    "deimv2_femto_416": ("detr", 416, 416),
    "ssd_mobilenet_v1_coco_qdq_int8": ("tfod", 320, 320),
    "efficientdet_lite0_qdq_int8": ("tfod", 320, 320),
    "nanodet_m_416": ("nanodet", 416, 416),
    "nanodet_plus_m_416": ("nanodet-plus", 416, 416),
    "fastestdet_352": ("fastestdet", 352, 352),
    "yolo_fastestv2_352": ("yolo-fastestv2", 352, 352),
    "ultraface_rfb_320": ("ultraface", 320, 240),
    "ultraface_rfb_640": ("ultraface", 640, 480),
    "face_detection_yunet_2023mar": ("yunet", 640, 640),
    "yunet_n_dynamic": ("yunet", 960, 960),
    "scrfd_500m_kps_640": ("scrfd", 640, 640),
    "retinaface_mnet025_v2": ("retinaface", 640, 640),
    "aizoo_face_mask_260_nhwc": ("ssd-variance", 260, 260),
}
CHANNELS = {"RGB": 0, "BGR": 1}
FITS = {"stretch": 0, "none (graph resizes)": 0, "letterbox-center": 1, "letterbox-topleft": 2}
# The goldens come from ONNX Runtime 1.22. On equal input (checked by input_stats) another version's kernels give
# other numbers for dynamically quantised graphs, and for one near-tie of yolo26n: the same dog twice, 0.54 and 0.49
# there, 0.51 and 0.51 with 1.30. These are held to "nine of ten, scores within 0.1".
LOOSE = {"yolo11n_320_int8_dynquant", "yolov8n_int8_dynquant"}
LOOSE_IMAGES = {("yolo26n", "woman_dog_portrait.jpg")}
DTYPES = {"float32": np.float32, "float16": np.float16, "uint8": np.uint8}


def dump(model, width, height, *args):
    path = model if os.path.isabs(model) else os.path.join(ASSETS, "models", model + ".onnx")
    if not os.path.exists(path):
        pytest.skip("skipped: no " + path)
    done = subprocess.run([TOOL, path, f"{width}x{height}", *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_goldens(model):
    return [json.load(open(path)) for path in sorted(glob.glob(f"{ASSETS}/goldens/{model}__*.json"))]


def preprocess(golden):
    """The tensor, its picture's width and height, and how to get from input pixels back to the original."""
    how = golden["preprocess"]
    shape = how["shape"]
    height, width = shape[2:] if how["layout"] == "NCHW" else shape[1:3]
    image = cv2.imread(os.path.join(ASSETS, "images", golden["image"]))
    assert image.shape[:2] == (golden["image_height"], golden["image_width"])
    if how["mode"].startswith("letterbox"):
        canvas = np.full((height, width, 3), how["pad_value"], np.uint8)
        left, top = how["pad_left"], how["pad_top"]
        resized = cv2.resize(image, (how["resized_w"], how["resized_h"]), interpolation=cv2.INTER_LINEAR)
        canvas[top:top + how["resized_h"], left:left + how["resized_w"]] = resized
        back = (how["ratio"], how["ratio"], left, top)
    else:
        canvas = cv2.resize(image, (width, height), interpolation=cv2.INTER_LINEAR)
        back = (width / image.shape[1], height / image.shape[0], 0, 0)
    if how["colour_order"] == "RGB":
        canvas = canvas[:, :, ::-1]
    if how["mean"]:
        canvas = (canvas.astype(np.float32) - np.float32(how["mean"])) / np.float32(how["std"])
    if how["layout"] == "NCHW":
        canvas = canvas.transpose(2, 0, 1)
    return np.ascontiguousarray(canvas.astype(DTYPES[how["dtype"]])), width, height, back


def iou(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def to_original(found, back, golden):
    limits = (golden["image_width"], golden["image_height"])
    return [min(max((value - back[2 + i % 2]) / back[i % 2], 0), limits[i % 2])
            for i, value in enumerate(found["box"])]


def compare(golden, detections, back, offset):
    """The manifest's rule; returns what is wrong with the detections as sentences."""
    score_off, box_iou = golden["tolerance"]["score"], golden["tolerance"]["box_iou_min"]
    faults = []
    mine = [dict(found, box=to_original(found, back, golden)) for found in detections]

    def fits(want, have, loose):
        return (want["class_id"] - offset == have["class_id"]
                and iou(want["box"], have["box"]) >= (box_iou * 0.9 if loose else box_iou)
                and abs(want["score"] - have["score"]) <= (score_off * 2 if loose else score_off))

    for want in golden["detections"]:
        if want.get("borderline") or want.get("fragile"):
            continue
        if not any(fits(want, have, False) for have in mine):
            faults.append(f"missing {want['label']} {want['score']} {want['box']}")
    allowed = golden["detections"] + golden["near_misses_below_threshold"]
    for have in mine:
        if not any(fits(want, have, want.get("borderline") or want.get("fragile") or
                        want["score"] < golden["postprocess"]["score_threshold"]) for want in allowed):
            faults.append(f"extra class {have['class_id']} {have['score']} {have['box']}")
    return faults


@pytest.mark.parametrize("model", sorted(CHOICES))
def test_the_right_head_is_chosen(model):
    """No other kind is as sure, and the conventions are those the golden was made with."""
    head, width, height = CHOICES[model]
    graph = dump(model, width, height)[0]
    assert graph["head"] == head, graph["evidence"]
    others = {kind: sure for kind, sure in graph["kinds"].items() if kind != head and sure > 0}
    assert all(graph["confidence"] - sure >= 10 for sure in others.values()), others
    assert graph["evidence"] and len(graph["evidence"]) < 255
    goldens = read_goldens(model)
    if not goldens:
        return
    how = goldens[0]["preprocess"]
    assert graph["channels"] == CHANNELS[how["colour_order"]]
    assert graph["fit"] == FITS[how["mode"]]
    assert np.allclose(graph["mean"], how["mean"] or [0, 0, 0], atol=1e-3)
    assert np.allclose(graph["std"], how["std"] or [1, 1, 1], atol=1e-3)
    assert graph["pad"] == how.get("pad_value", graph["pad"])
    after = goldens[0]["postprocess"]
    assert graph["threshold"] == pytest.approx(after["score_threshold"], abs=1e-6)
    assert graph["iou"] == pytest.approx(after["iou_threshold"] or 0, abs=1e-6)
    if "coco91" in goldens[0]["labels_file"]:
        assert graph["class_offset"] == 1


@pytest.mark.parametrize("model", sorted(set(CHOICES) - {"yolo11n-seg"}))
def test_detections_agree_with_goldens(model, tmp_path):
    goldens = [golden for golden in read_goldens(model)
               if golden["image"].endswith((".jpg", ".jpeg", ".png")) and
               not any(odd in golden["image"] for odd in ("exif", "cmyk", "16bit", "rgba", "12mp"))]
    if not goldens:
        pytest.skip("skipped: no goldens of " + model)
    files, backs = [], []
    for i, golden in enumerate(goldens):
        tensor, width, height, back = preprocess(golden)
        path = tmp_path / f"{i}.raw"
        tensor.tofile(path)
        files.append(f"{path}:{width}x{height}")
        backs.append(back)
    head, width, height = CHOICES[model]
    # A graph whose input is of any size is probed at one; NMS limits are the golden's own.
    if head == "tfod":
        lines = [dump(model, *map(int, file.rsplit(":", 1)[1].split("x")), file)[1] for file in files]
        offset = 1
    else:
        first, *lines = dump(model, width, height, *files)
        offset = first["class_offset"]
    assert len(lines) == len(goldens)
    faults, sure = [], 0
    for golden, line, back in zip(goldens, lines, backs):
        assert golden["postprocess"]["max_detections"] >= len(line["detections"])
        if model in LOOSE or (model, golden["image"]) in LOOSE_IMAGES:
            golden["tolerance"]["score"] = 0.1
        faults += [f"{golden['image']}: {fault}"
                   for fault in compare(golden, line["detections"], back, offset)]
        sure += len(golden["detections"])
    assert len(faults) <= (0.1 * sure if model in LOOSE else 0), "\n".join(faults)


def test_keypoints_agree_with_goldens(tmp_path):
    """Every keypoint of every sure person within 1 % of the box's longer side, visibility within 0.02."""
    seen = 0
    for i, golden in enumerate(read_goldens("yolo11n-pose")):
        tensor, width, height, back = preprocess(golden)
        path = tmp_path / f"{i}.raw"
        tensor.tofile(path)
        found = dump("yolo11n-pose", width, height, f"{path}:{width}x{height}")[1]["detections"]
        for want in golden["detections"]:
            if want.get("borderline") or want.get("fragile"):
                continue
            have = max(found, key=lambda one: iou(want["box"], to_original(one, back, golden)))
            reach = 0.01 * max(want["box"][2] - want["box"][0], want["box"][3] - want["box"][1])
            assert len(have["points"]) == len(want["keypoints"]) == 17
            for (x, y, sure), mine in zip(want["keypoints"], have["points"]):
                assert abs((mine[0] - back[2]) / back[0] - x) <= reach
                assert abs((mine[1] - back[3]) / back[1] - y) <= reach
                assert abs(mine[2] - sure) <= 0.02
            seen += 1
    if not seen:
        pytest.skip("skipped: no goldens of yolo11n-pose")
    assert seen > 5


@pytest.mark.parametrize("model", ["scrfd_500m_kps_640", "face_detection_yunet_2023mar", "yunet_n_dynamic"])
def test_face_points_agree_with_goldens(model, tmp_path):
    """Every one of the five points within 1 % of the box's longer side."""
    head, width, height = CHOICES[model]
    seen = 0
    for i, golden in enumerate(read_goldens(model)):
        tensor, _, _, back = preprocess(golden)
        path = tmp_path / f"{i}.raw"
        tensor.tofile(path)
        found = dump(model, width, height, f"{path}:{width}x{height}")[1]["detections"]
        for want in golden["detections"]:
            have = max(found, key=lambda one: iou(want["box"], to_original(one, back, golden)))
            if iou(want["box"], to_original(have, back, golden)) < 0.98:
                assert want.get("borderline") or want.get("fragile")  # a near tie fell to another cell
                continue
            reach = 0.01 * max(want["box"][2] - want["box"][0], want["box"][3] - want["box"][1])
            assert len(have["points"]) == len(want["keypoints"]) == 5
            for (x, y), mine in zip(want["keypoints"], have["points"]):
                assert abs((mine[0] - back[2]) / back[0] - x) <= reach
                assert abs((mine[1] - back[3]) / back[1] - y) <= reach
            seen += 1
    if not seen:
        pytest.skip("skipped: no goldens of " + model)
    assert seen > 5


def rasterise(polygon, width, height):
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(np.float32(polygon)).astype(np.int32)], 1)
    return mask


def test_masks_agree_with_boxes(tmp_path):
    """Boxes as yolo11n_dyn's. Outlines lie inside their boxes, and 85 % of them span their box (what stands
    in front of an object may cut its mask in two)."""
    checked = spans = 0
    for golden in read_goldens("yolo11n_dyn"):
        if golden["preprocess"]["shape"][2:] != [640, 640]:
            continue
        tensor, width, height, _ = preprocess(golden)
        path = tmp_path / "seg.raw"
        tensor.tofile(path)
        found = dump("yolo11n-seg", width, height, f"{path}:{width}x{height}")[1]["detections"]
        plain = dump("yolo11n_dyn", width, height, f"{path}:{width}x{height}")[1]["detections"]
        sure = [one for one in plain if one["score"] > 0.6]
        agree = sum(any(same["class_id"] == one["class_id"] and iou(same["box"], one["box"]) > 0.7
                        for same in found) for one in sure)
        assert agree >= 0.8 * len(sure), golden["image"]
        for one in found:
            if one["score"] < 0.6:
                continue
            x = [point[0] for point in one["polygon"]]
            y = [point[1] for point in one["polygon"]]
            box = one["box"]
            assert len(x) >= 4
            assert min(x) >= box[0] - 1e-2 and max(x) <= box[2] + 1e-2
            assert min(y) >= box[1] - 1e-2 and max(y) <= box[3] + 1e-2
            spans += iou([min(x), min(y), max(x), max(y)], box) > 0.7
            share = rasterise(one["polygon"], width, height).sum() / ((box[2] - box[0]) * (box[3] - box[1]))
            assert 0.15 < share <= 1.05
            checked += 1
    if not checked:
        pytest.skip("skipped: no goldens of yolo11n_dyn")
    assert checked > 10 and spans >= 0.85 * checked
