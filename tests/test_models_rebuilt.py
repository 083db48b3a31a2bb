# SPDX-License-Identifier: MIT
"""The face-api networks that models/rebuild_faceapi.py builds, held against face-api.js itself.

Expected values: tests/goldens/cascade_retinaface__*.json, the answers of face-api.js over TensorFlow.js with the
original weights (tests/tools/faceapi.mjs); where the additional set is there, its cascade goldens and its conversions
by another tool too. Inputs: the face crops of those goldens.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import assets
import cv2
import numpy as np
import onnx
import ort
import pytest

ROOT = Path(__file__).resolve().parent.parent
MANIFESTS = ROOT / "deps/sources/face-api"
NETWORKS = {
    "expression": (MANIFESTS / "face_expression_model-weights_manifest.json", "faceapi_expression.onnx"),
    "age-gender": (MANIFESTS / "age_gender_model-weights_manifest.json", "faceapi_age_gender.onnx"),
}
# The set's cascades, and what it calls the networks.
CASCADES = {assets.BASE: ("cascade_retinaface__*", {"expression": "expression", "age-gender": "age-gender"}),
            assets.ADDITIONAL: ("cascade_[fs]*__*", {n: f"faceapi_{n.replace('-', '_')}" for n in NETWORKS})}
MEAN = (122.782, 117.001, 104.298)
MAX_DIFFERENCE = 1e-4


def run(model: Path, tensor: np.ndarray) -> dict[str, np.ndarray]:
    """The outputs of a model by ONNX Runtime itself."""
    session = ort.Session(model)
    try:
        return session.run({session.inputs[0]: np.ascontiguousarray(tensor, np.float32)})
    finally:
        session.close()


def rebuilt(name: str) -> Path:
    """The model as scripts/deps left it."""
    model = ROOT / "models" / name / "model.onnx"
    if not model.exists():
        pytest.skip(f"skipped: {model.relative_to(ROOT)} is absent, run `make deps`")
    return model


@pytest.fixture(scope="module", params=assets.SETS, ids=lambda origin: origin.name)
def faces(request: pytest.FixtureRequest) -> tuple[assets.Set, np.ndarray, list[dict]]:
    """A set, the normalised crops of every face in its cascade goldens, and what the goldens say of each."""
    crops, expected = [], []
    for golden in request.param.listed(CASCADES[request.param][0]):
        image = cv2.imread(str(golden.picture))[:, :, ::-1]
        for face in golden["objects"]:
            x1, y1, x2, y2 = face["crop"]
            crop = cv2.resize(np.ascontiguousarray(image[y1:y2, x1:x2]), (112, 112), interpolation=cv2.INTER_LINEAR)
            crops.append(((crop.astype(np.float64) - MEAN) / 255).transpose(2, 0, 1))
            expected.append(face["classifications"])
    assert len(crops) >= 20
    return request.param, np.array(crops, np.float32), expected


@pytest.mark.skipif(assets.ADDITIONAL not in assets.SETS, reason="skipped: there is no additional set")
@pytest.mark.parametrize("name", NETWORKS)
def test_equals_the_independent_conversion(name: str, faces: tuple) -> None:
    """The additional set holds the same networks, converted by another tool."""
    _, tensor, _ = faces
    ours = run(rebuilt(name), tensor)
    theirs = run(assets.SHARED / "models" / NETWORKS[name][1], tensor)
    assert ours.keys() == theirs.keys()
    for output, value in ours.items():
        assert value.shape == theirs[output].shape
        difference = np.abs(value - theirs[output]).max()
        print(f"{name} {output}: {len(tensor)} faces, largest difference {difference:.2e}")
        assert difference < MAX_DIFFERENCE


@pytest.mark.parametrize("name", NETWORKS)
def test_reproduces_the_goldens(name: str, faces: tuple) -> None:
    origin, tensor, expected = faces
    answer = run(rebuilt(name), tensor)
    scores = answer["probs" if name == "expression" else "gender"]
    for row, golden in enumerate(face[CASCADES[origin][1][name] + ".onnx"] for face in expected):
        for top in golden["top3"]:
            assert scores[row, top["class_id"]] == pytest.approx(top["score"], abs=0.01)
        if "age" in golden:
            assert answer["age"][row, 0] == pytest.approx(golden["age"], abs=0.3)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_batch_equals_its_rows(name: str, tmp_path: Path) -> None:
    tensor = np.random.default_rng(1).uniform(-0.5, 0.5, (3, 3, 112, 112)).astype(np.float32)
    batch = run(rebuilt(name), tensor)
    for row in range(3):
        single = run(rebuilt(name), tensor[[row]])
        for output, value in single.items():
            assert np.abs(value[0] - batch[output][row]).max() < 1e-5


@pytest.mark.parametrize("name", NETWORKS)
def test_loads_in_older_runtimes(name: str) -> None:
    model = onnx.load(str(rebuilt(name)))
    assert model.ir_version <= 8
    assert [(opset.domain, opset.version <= 17) for opset in model.opset_import] == [("", True)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda m: m[0]["weights"].pop(), "the manifest describes"),
        (lambda m: m[0]["weights"][0].update(name="dense0/conv0/other"), "describes another network"),
        (lambda m: m[0]["weights"][0]["quantization"].update(dtype="int4"), "stored as uint8"),
        (lambda m: m[0]["weights"][-1].update(shape=[700]), "ends beyond"),
    ],
)
def test_says_what_is_wrong_with_a_manifest(change, message: str, tmp_path: Path) -> None:
    source = NETWORKS["expression"][0]
    if not source.exists():
        pytest.skip("skipped: deps/sources is absent, run `make deps`")
    manifest = json.loads(source.read_text(encoding="utf-8"))
    change(manifest)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    (tmp_path / manifest[0]["paths"][0]).symlink_to(source.with_name(manifest[0]["paths"][0]))
    script = [sys.executable, ROOT / "models/rebuild_faceapi.py"]
    paths = [tmp_path / "manifest.json", tmp_path / "model.onnx"]
    done = subprocess.run([*script, *paths], capture_output=True, text=True)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "model.onnx").exists()
