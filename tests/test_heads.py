# SPDX-License-Identifier: MIT
"""Heads on real models: which kind is chosen for every model, and detections against the goldens.

The goldens come from other implementations (assets.py) and so does the preprocessing here (OpenCV and NumPy as each
golden's `preprocess` says). build/head_dump runs the model.
"""
import json
import os
import subprocess

import assets
import pytest

cv2 = pytest.importorskip("cv2", reason="skipped: python3-opencv is not installed")
np = pytest.importorskip("numpy")

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOL = os.path.join(os.environ.get("SIGHT_BUILD", os.path.join(ROOT, "build")), "head_dump")

pytestmark = [
    pytest.mark.skipif(not os.path.exists(TOOL), reason="skipped: build/head_dump is not built"),
]

# model: head, input size. The additional set's heads are from its manifest's column "head and decode".
BASE_CHOICES = {
    "yolov8n": ("yolov8", 640, 640),
    "yolov8n-face": ("yolov8", 640, 640),
    "yolo11n": ("yolov8", 640, 640),
    "yolo11n-pose": ("yolov8-pose", 640, 640),
    "yolo11n-seg": ("yolov8-seg", 640, 640),
    "retinaface": ("retinaface", 640, 640),
    "retinaface-v1": ("retinaface", 512, 512),
    "picodet-layout": ("picodet", 608, 800),
    "ssd-mobilenet": ("tfod", 300, 300),
    "efficientdet-lite0": ("tfod", 320, 320),
    # Stand-ins (standins.py): no goldens of their own, see test_exports.py.
    "yolov5n": ("yolov5", 640, 640),
    "yolov7-end2end": ("end2end", 640, 640),
    "yolox": ("yolox", 416, 416),
    "deimv2": ("detr", 320, 320),
    "picodet": ("paddle", 320, 320),
    "nanodet": ("nanodet", 416, 416),
    "nanodet-plus": ("nanodet-plus", 416, 416),
    "fastestdet": ("fastestdet", 352, 352),
    "yolo-fastestv2": ("yolo-fastestv2", 352, 352),
    "ultraface": ("ultraface", 640, 640),
    "yunet": ("yunet", 640, 640),
    "scrfd": ("scrfd", 640, 640),
    "ssd-variance": ("ssd-variance", 640, 640),
}
SHARED_CHOICES = {
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
CHOICES = {assets.BASE: BASE_CHOICES, assets.ADDITIONAL: SHARED_CHOICES}
MODELS = [(origin, model) for origin in assets.SETS for model in sorted(CHOICES[origin])]


def with_goldens(*only):
    """The models of all sets that have goldens of detections, or of the names given those that are there."""
    return [(origin, model) for origin, model in MODELS
            if (not only or model in only) and origin.listed(f"{model}__*", "detection")]


def ids(value):
    return f"{value[1]}" if value[0] is assets.BASE else f"shared-{value[1]}"


CHANNELS = {"RGB": 0, "BGR": 1}
FITS = {"stretch": 0, "none (graph resizes)": 0, "letterbox-center": 1, "letterbox-topleft": 2}
# The goldens come from ONNX Runtime 1.22. On equal input (checked by input_stats) another version's kernels give
# other numbers for dynamically quantised graphs, and for one near-tie of yolo26n: the same dog twice, 0.54 and 0.49
# there, 0.51 and 0.51 with 1.30. These are held to "nine of ten, scores within 0.1".
# Their goldens of the base set were made at 0.5, not at what the family is served with.
OTHER_THRESHOLD = {"ssd-mobilenet", "efficientdet-lite0"}
LOOSE = {"yolo11n_320_int8_dynquant", "yolov8n_int8_dynquant"}
LOOSE_IMAGES = {("yolo26n", "woman_dog_portrait.jpg")}
DTYPES = {"float32": np.float32, "float16": np.float16, "uint8": np.uint8}


def dump(model, width, height, *args):
    """model: a file, or a set and a name."""
    path = model[0].model(model[1]) if isinstance(model, tuple) else model
    done = subprocess.run([TOOL, path, f"{width}x{height}", *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def read_goldens(model):
    return model[0].listed(f"{model[1]}__*")


def choice(model):
    return CHOICES[model[0]][model[1]]


def preprocess(golden):
    """The tensor, its picture's width and height, and how to get from input pixels back to the original."""
    how = golden["preprocess"]
    shape = how["shape"]
    height, width = shape[2:] if how["layout"] == "NCHW" else shape[1:3]
    image = cv2.imread(str(golden.picture))
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


@pytest.mark.parametrize("model", MODELS, ids=ids)
def test_the_right_head_is_chosen(model):
    """No other kind is as sure, and the conventions are those the golden was made with."""
    head, width, height = choice(model)
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
    if model[1] not in OTHER_THRESHOLD:
        assert graph["threshold"] == pytest.approx(after["score_threshold"], abs=1e-6)
    assert graph["iou"] == pytest.approx(after["iou_threshold"] or 0, abs=1e-6)
    if "coco91" in (goldens[0]["labels_file"] or ""):
        assert graph["class_offset"] == 1


@pytest.mark.parametrize("model", with_goldens(), ids=ids)
def test_detections_agree_with_goldens(model, tmp_path):
    goldens = [golden for golden in read_goldens(model)
               if golden["image"].endswith((".jpg", ".jpeg", ".png")) and
               not any(odd in golden["image"] for odd in ("exif", "cmyk", "16bit", "rgba", "12mp"))]
    files, backs = [], []
    for i, golden in enumerate(goldens):
        tensor, width, height, back = preprocess(golden)
        path = tmp_path / f"{i}.raw"
        tensor.tofile(path)
        files.append(f"{path}:{width}x{height}")
        backs.append(back)
    head, width, height = choice(model)
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
        if model[1] in LOOSE or (model[1], golden["image"]) in LOOSE_IMAGES:
            golden["tolerance"]["score"] = 0.1
        faults += [f"{golden['image']}: {fault}"
                   for fault in compare(golden, line["detections"], back, offset)]
        sure += len(golden["detections"])
    assert len(faults) <= (0.1 * sure if model[1] in LOOSE else 0), "\n".join(faults)


@pytest.mark.parametrize("model", with_goldens("yolo11n-pose"), ids=ids)
def test_keypoints_agree_with_goldens(model, tmp_path):
    """Every keypoint of every sure person within 1 % of the box's longer side, visibility within 0.02."""
    seen = 0
    for i, golden in enumerate(read_goldens(model)):
        tensor, width, height, back = preprocess(golden)
        path = tmp_path / f"{i}.raw"
        tensor.tofile(path)
        found = dump(model, width, height, f"{path}:{width}x{height}")[1]["detections"]
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
    assert seen > 5


@pytest.mark.parametrize("model", with_goldens("retinaface", "retinaface-v1", "scrfd_500m_kps_640",
                                               "face_detection_yunet_2023mar", "yunet_n_dynamic"), ids=ids)
def test_face_points_agree_with_goldens(model, tmp_path):
    """Every one of the five points within 1 % of the box's longer side."""
    head, width, height = choice(model)
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
    assert seen > 5


def rasterise(polygon, width, height):
    mask = np.zeros((height, width), np.uint8)
    cv2.fillPoly(mask, [np.round(np.float32(polygon)).astype(np.int32)], 1)
    return mask


def test_outlines_agree_with_goldens(tmp_path):
    """Every sure object's outline covers what the golden's does: YOLACT's masks by another implementation."""
    model, seen = (assets.BASE, "yolo11n-seg"), 0
    for golden in read_goldens(model):
        tensor, width, height, back = preprocess(golden)
        tensor.tofile(tmp_path / "x")
        found = dump(model, width, height, f"{tmp_path / 'x'}:{width}x{height}")[1]["detections"]
        size = golden["image_width"], golden["image_height"]
        for want in golden["detections"]:
            if want.get("borderline") or want.get("fragile") or want["score"] < 0.5:
                continue
            have = max(found, key=lambda one: iou(want["box"], to_original(one, back, golden)))
            ring = [[(x - back[2]) / back[0], (y - back[3]) / back[1]] for x, y in have["polygon"]]
            ours, theirs = rasterise(ring, *size), rasterise(want["polygon"], *size)
            assert (ours & theirs).sum() >= 0.93 * (ours | theirs).sum(), (golden["image"], want["label"])
            seen += 1
    assert seen >= 10


@pytest.mark.parametrize("origin", assets.SETS, ids=lambda origin: origin.name)
def test_masks_agree_with_boxes(origin, tmp_path):
    """Boxes as yolo11n's. Outlines lie inside their boxes, and 85 % of them span their box (what stands
    in front of an object may cut its mask in two)."""
    checked = spans = clear = agreed = 0
    boxes = (origin, "yolo11n" if origin is assets.BASE else "yolo11n_dyn")
    for golden in read_goldens(boxes):
        if golden["preprocess"]["shape"][2:] != [640, 640]:
            continue
        tensor, width, height, _ = preprocess(golden)
        path = tmp_path / "seg.raw"
        tensor.tofile(path)
        found = dump((origin, "yolo11n-seg"), width, height, f"{path}:{width}x{height}")[1]["detections"]
        plain = dump(boxes, width, height, f"{path}:{width}x{height}")[1]["detections"]
        sure = [one for one in plain if one["score"] > 0.6]
        agree = sum(any(same["class_id"] == one["class_id"] and iou(same["box"], one["box"]) > 0.7
                        for same in found) for one in sure)
        clear, agreed = clear + len(sure), agreed + agree
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
    assert agreed >= 0.8 * clear
    assert checked > 10 and spans >= 0.85 * checked
