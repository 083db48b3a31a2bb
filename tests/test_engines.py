# SPDX-License-Identifier: MIT
"""Two engines: what the second answers is held against known results that neither made, and against the first.

The bounds of objects are those of docs/PERFORMANCE.md for a chosen engine: of objects that score 0.5 or more, 99 % keep
class, with IoU of 0.90 and more and a score within 0.05, and 95 % have IoU of 0.95 and more.
"""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import agreement
import assets
import pytest
import sight
from conftest import sanitized

CLEAR = 0.5
NEW = ("SIGHT_ENGINES", "SIGHT_CACHE")  # conftest.py switches both off for the other tests
MODELS = sorted({g.path for g in assets.listed(kind="detection")}, key=lambda path: path.name)


def run(*arguments: object, cache: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """`sight` with both engines; nothing is kept unless there is a folder for it."""
    env = {name: value for name, value in os.environ.items() if name not in (*NEW, "COLUMNS")}
    env["SIGHT_CACHE"] = str(cache) if cache else "none"
    return subprocess.run([str(sight.SIGHT), *map(str, arguments)], cwd=sight.ROOT, capture_output=True, text=True,
                          timeout=300, check=False, env={**env, **environment})


@pytest.fixture(scope="module", autouse=True)
def openvino() -> None:
    text = run("version").stdout
    if "openvino" not in text.split("\n")[0]:
        pytest.skip(f"skipped: no OpenVINO here: {text}")


def explain(*arguments: object, cache: Path | None = None, **environment: str) -> str:
    done = run("model", "explain", *arguments, cache=cache, **environment)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def objects(model: Path, engine: str, pictures: list[Path]) -> list[dict[str, Any]]:
    done = run("detect", "--json", "--decode", "exact", "--engine", engine, "--precision", "f32", "--model", model,
               *pictures)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def found_again(wanted: dict[str, Any], among: list[dict[str, Any]]) -> float:
    """The best IoU of an object of that class and score; 0 when there is none."""
    box = agreement.corners(wanted)
    return max((agreement.iou(box, agreement.corners(o)) for o in among
                if o["class_id"] == wanted["class_id"] and abs(o["score"] - wanted["score"]) <= 0.05), default=0.0)


@pytest.mark.skipif(sanitized(), reason="skipped: what engines answer is no question for sanitizers")
@pytest.mark.parametrize("model", MODELS, ids=lambda path: path.stem)
def test_the_chosen_engine_finds_what_the_reference_finds(model: Path, tmp_path: Path) -> None:
    """With the engine that is chosen here, whichever it is; and OpenVINO's own words where it does not agree."""
    pictures = sorted({g.picture for g in assets.listed(kind="detection") if g.path == model})
    text = explain(model, "--precision", "f32", cache=tmp_path)
    if "openvino is out: " in text or "keep their own size" in text or "quantised: " in text:
        assert "engine onnxruntime, float32" in text
        return
    assert "openvino" in text and " ms (" in text
    overlaps = [found_again(o, other["objects"])
                for one, other in zip(objects(model, "onnxruntime", pictures), objects(model, "openvino", pictures))
                for o in one["objects"] if o["score"] >= CLEAR]
    assert overlaps
    assert sum(v >= 0.90 for v in overlaps) >= 0.99 * len(overlaps)
    assert sum(v >= 0.95 for v in overlaps) >= 0.95 * len(overlaps)


def test_a_choice_is_kept_and_measured_again_when_the_file_changes(tmp_path: Path) -> None:
    cache, model = tmp_path / "cache", tmp_path / "model.onnx"
    model.write_bytes(Path(sight.ROOT / "models/blazeface/model.onnx").read_bytes())
    first = explain(model, cache=cache)
    assert "measured on one core: onnxruntime" in first
    kept = sorted(cache.iterdir())
    assert kept
    assert [line for line in explain(model, cache=cache).split("loaded in")][0] == first.split("loaded in")[0]
    assert sorted(cache.iterdir()) == kept
    os.utime(model, (1, 1))
    explain(model, cache=cache)
    assert len(list(cache.iterdir())) > len(kept)


@pytest.mark.parametrize("change", [lambda text: text[:40], lambda text: "\0" * 4096, lambda text: "",
                                    lambda text: text.replace("sightd-engine 1", "sightd-engine 0"),
                                    lambda text: text.replace("engine o", "engine tensorrt-o"),
                                    lambda text: text.replace("\nend\n", "\n")],
                         ids=["cut", "zeros", "empty", "version", "engine", "end"])
def test_a_damaged_choice_is_as_none(tmp_path: Path, change: Any) -> None:
    cache, model = tmp_path / "cache", sight.ROOT / "models/blazeface/model.onnx"
    explain(model, cache=cache)
    narrow = next(path for path in cache.iterdir() if " threads=1 " in path.read_text())
    narrow.write_text(change(narrow.read_text()))
    done = run("model", "explain", model, cache=cache)
    assert done.returncode == 0 and done.stderr == ""
    assert "measured on one core: onnxruntime" in " ".join(done.stdout.split())
    assert narrow.read_text().endswith("\nend\n")  # written anew


@pytest.mark.parametrize("where", ["/dev/null/x", "/proc/sightd"])
def test_a_folder_that_takes_nothing_is_told_once(where: str) -> None:
    done = run("model", "explain", sight.ROOT / "models/blazeface/model.onnx", cache=Path(where))
    assert done.returncode == 0
    lines = done.stderr.strip().split("\n")
    assert len(lines) == 1 and "cannot be kept" in lines[0] and where in lines[0]


def test_the_folder_is_bounded_and_two_may_write_at_once(tmp_path: Path) -> None:
    for i in range(600):
        (tmp_path / f"{i:016x}").write_text("old")
        os.utime(tmp_path / f"{i:016x}", (i, i))
    model = sight.ROOT / "models/blazeface/model.onnx"
    env = {**os.environ, "SIGHT_CACHE": str(tmp_path)}
    env.pop("SIGHT_ENGINES", None)
    both = [subprocess.Popen([str(sight.SIGHT), "model", "explain", str(model)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True, cwd=sight.ROOT, env=env) for _ in range(2)]
    for one in both:
        out, err = one.communicate(timeout=300)
        assert one.returncode == 0 and err == "" and "measured on one core" in " ".join(out.split())
    names = {path.name for path in tmp_path.iterdir()}
    assert len(names) < 600 + 4 and f"{0:016x}" not in names  # the oldest went
    assert not any(name.startswith(".new") for name in names)


def test_without_openvino_all_is_as_before() -> None:
    text = explain(sight.ROOT / "models/blazeface/model.onnx", SIGHT_ENGINES="reference")
    assert "engine onnxruntime, float32 no other engine here reads this file" in text
    assert "not loaded: openvino: switched off by SIGHT_ENGINES" in run("version", SIGHT_ENGINES="reference").stdout
    gone = run("version", SIGHT_OPENVINO="/nowhere/libopenvino_c.so")
    assert gone.returncode == 0 and "not loaded: openvino: /nowhere/libopenvino_c.so" in gone.stdout


def test_why_it_was_not_found_is_told_after_other_names_were_tried(tmp_path: Path) -> None:
    """The first library of the name is none; those with versions in their names are not there either."""
    (tmp_path / "libopenvino_c.so").write_text("no library")
    done = run("version", LD_LIBRARY_PATH=str(tmp_path))
    assert done.returncode == 0
    assert f"not loaded: openvino: {tmp_path}/libopenvino_c.so: " in done.stdout


@pytest.mark.parametrize(("options", "words"), [
    (["--engine", "tensorrt"], 'there is no engine "tensorrt"; it is auto, onnxruntime or openvino'),
    (["--engine", "openvino", "--device", "NPU.9"], 'there is no device "NPU.9" for OpenVINO here; there is CPU'),
    (["--device", "NPU.9"], 'there is no device "NPU.9" for OpenVINO here; there is CPU'),
    (["--engine", "onnxruntime", "--precision", "bf16"], "no bfloat16"),
], ids=["engine", "device", "device alone", "precision"])
def test_what_is_not_there_is_a_clear_error(options: list[str], words: str) -> None:
    for command in (["model", "explain"], ["detect", "--model"]):
        done = run(*command, sight.ROOT / "models/blazeface/model.onnx", *options,
                   *([assets.pictures() / "cat.png"] if command[0] == "detect" else []))
        assert done.returncode != 0 and words in done.stderr


def test_an_engine_of_a_card_holds_and_a_wrong_one_is_a_mistake_of_its_line(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").symlink_to(sight.ROOT / "models/blazeface/model.onnx")
    card = tmp_path / "model.yaml"
    card.write_text("engine: openvino\n")
    assert "engine openvino, float32 the card" in explain(tmp_path, "--engine", "onnxruntime")
    card.write_text("description: a face\nengine: openvin\n")
    done = run("model", "explain", tmp_path)
    assert done.returncode != 0 and "model.yaml:2:9: there is no engine \"openvin\"" in done.stderr
    settings = tmp_path / "sightd.yaml"
    settings.write_text("engine: openvin\n")
    done = run("config", "check", settings)
    assert done.returncode != 0 and "sightd.yaml:1:9: there is no engine \"openvin\"" in done.stderr + done.stdout
