# SPDX-License-Identifier: MIT
"""What people write who come from other tools, and what is said then; one meaning for each letter; help everywhere.

Flags of other tools are those that their documents give: Ultralytics (conf, iou, imgsz, source, save, max_det), YOLOv5
(--weights, --img, --conf-thres), darknet (-thresh), wrk and hey (-c, -n).
"""
from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import sight

COMMANDS = ["detect", "send", "serve", "bench", "model list", "model explain", "model run", "model bench",
            "model heads", "config check", "config docs", "completion", "version"]


@pytest.mark.parametrize(("words", "said"), [
    ("detect --conf 0.5 a.jpg", "here it is --threshold"),
    ("detect --conf_thres=0.5 a.jpg", "here it is --threshold"),
    ("detect -thresh 0.5 a.jpg", "here it is --threshold"),
    ("detect --iou-thres 0.5 a.jpg", "here it is --iou"),
    ("detect --source a.jpg", "write it without a flag: sight detect [IMAGE…]"),
    ("detect --weights a.onnx b.jpg", "here it is --model"),
    ("detect -model a.onnx b.jpg", "two dashes: --model"),
    ("detect --img 640 a.jpg", "the size is the one"),
    ("detect --save a.jpg", "here it is --annotate"),
    ("detect --save-txt a.jpg", "--format yolo --output DIR"),
    ("detect --max_det 5 a.jpg", "here it is --max-objects"),
    ("detect --gpus 0 a.jpg", "here it is --device"),
    ("detect --half a.jpg", "here it is --precision"),
    ("detect --classes 0 a.jpg", "classes: [person, car]"),
    ("detect --force a.jpg", "here it is --overwrite"),
    ("send --host there a.jpg", "here it is --to"),
    ("send --to http://127.0.0.1:8080 a.jpg", "HOST:PORT without a scheme"),
    ("bench --url http://127.0.0.1:8080", "a target is named without a flag: HOST:PORT"),
    ("bench --concurrency 4 127.0.0.1:1", "here it is --connections"),
    ("bench --threads 4 127.0.0.1:1", "here it is --connections"),
    ("detect --threads 4 a.jpg", "all cores are used"),
    ("bench --image a.jpg 127.0.0.1:1", "here it is --images"),
    ("detect -i a.jpg", "write it without a flag: sight detect [IMAGE…]"),
    ("model run --source a.jpg", "write it without a flag: sight model run FILE IMAGE"),
    ("model explain --file a.onnx", "write it without a flag: sight model explain FILE"),
    ("model explain --image a.jpg", "`sight model explain --help` lists them all"),
    ("serve --port 80", "here it is --listen"),
    ("serve --listen http://0.0.0.0:80", "expected HOST:PORT"),
    ("serve -l 0.0.0.0:80", "here it is --listen"),
    ("serve -m models", "here it is --models"),
    ("predict a.jpg", 'did you mean "detect"?'),
    ("detect --nmss 0.5 a.jpg", "did you mean --iou?"),
    ("detect --hepl", "did you mean --help?"),
])
def test_words_of_other_tools_are_answered(words: str, said: str) -> None:
    done = sight.run(*words.split())
    assert done.returncode == 2 and said in done.stderr and done.stdout == "", done.stderr


@pytest.mark.parametrize("address", ["http://example.org/a.jpg", "HTTPS://example.org/a", "rtsp://camera/1"])
def test_addresses_are_no_pictures(address: str) -> None:
    done = sight.run("detect", address)
    assert done.returncode == 1 and "pictures are not fetched" in done.stderr
    assert "sight detect -" in done.stderr


def helps() -> dict[str, str]:
    return {command: sight.run(*command.split(), "--help", check=True).stdout for command in COMMANDS}


def test_a_letter_means_one_thing() -> None:
    meanings: dict[str, set[str]] = {}
    for text in helps().values():
        for letter, flag in re.findall(r"^  -(\w), --([\w-]+)", text, re.MULTILINE):
            meanings.setdefault(letter, set()).add(flag)
    # One is a number of requests, the other of runs: how often, both times.
    assert meanings.pop("n") == {"requests", "runs"}
    assert len(meanings) > 10
    assert not {letter: flags for letter, flags in meanings.items() if len(flags) > 1}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_may_come_first(command: str) -> None:
    done = sight.run("help", *command.split())
    assert done.returncode == 0
    assert done.stdout == sight.run(*command.split(), "--help", check=True).stdout


def test_the_older_names_are_taken() -> None:
    """--nms was --iou's name; both reach the same range check."""
    for flag in ("--nms", "--iou"):
        done = sight.run("detect", flag, "2", "a.jpg")
        assert done.returncode == 2 and "expected 0 to 1 IoU, got 2" in done.stderr
    assert "--nms" not in sight.run("detect", "--help", check=True).stdout
    done = sight.run("serve", "--max-jobs", "0")
    assert done.returncode == 2 and "expected 1 to" in done.stderr


@pytest.mark.parametrize("command", [*COMMANDS, ""])
@pytest.mark.parametrize("columns", [40, 72])
def test_narrow_terminals(command: str, columns: int) -> None:
    """No line is wider than the terminal, but for words that cannot be broken (examples are shown as they are)."""
    done = subprocess.run([str(sight.SIGHT), *command.split(), "--help"], capture_output=True, text=True, check=True,
                          env={**os.environ, "COLUMNS": str(columns), "TERM": "dumb"}, timeout=sight.TIMEOUT_S)
    assert "\033" not in done.stdout
    for line in done.stdout.splitlines():
        example = line.startswith("  sight") or re.match(r"^ +(curl|cat|source|build)", line)
        assert example or len(line) <= columns or len(line.split()) == 1, line


@pytest.mark.parametrize("words", [["list"], ["heads"], ["explain", "models/blazeface"], ["run", "models/blazeface"],
                                   ["bench", "models/blazeface", "-n", "1"]])
def test_lists_of_models_on_narrow_terminals(words: list[str], tmp_path: Path) -> None:
    """The same words as in a pipe, where each row is a line, broken into lines that the terminal shows."""
    if words[0] == "run":
        (tmp_path / "a.ppm").write_bytes(b"P6 32 32 255\n" + bytes(32 * 32 * 3))
        words = [*words, str(tmp_path / "a.ppm")]

    def at(columns: str) -> list[str]:
        said = subprocess.run([str(sight.SIGHT), "model", *words], cwd=sight.ROOT, capture_output=True, text=True,
                              check=True, env={**os.environ, "COLUMNS": columns}, timeout=sight.TIMEOUT_S).stdout
        return [line for line in said.splitlines() if not re.search(r"\d ms", line)]  # takes other times each time

    wide, narrow = at(""), at("40")
    assert " ".join(narrow).split() == " ".join(wide).split()
    assert words[0] == "bench" or max(map(len, wide)) > 48
    for line in narrow:
        assert len(line) <= 40 or len(line.split()[int(line[0] != " " and words[0] == "explain"):]) == 1, line


def test_config_check_tells_everything_at_once(tmp_path: Path) -> None:
    """Of a file with mistakes of its own also what it names, of cards as well; each with its place."""
    (tmp_path / "pipelines").mkdir()
    card = tmp_path / "models" / "mine"
    card.mkdir(parents=True)
    (card / "model.yaml").write_text("threshold: 7\nlabels: none.txt\nfile: none.onnx\n")
    (tmp_path / "pipelines" / "a.yaml").write_text("detect: { model: absent, treshold: 0.5 }\n"
                                                   "classify:\n  - { model: mine, on: [x] }\n  - { expand: 0.1 }\n")
    (tmp_path / "pipelines" / "b.yaml").write_text("detect: [\n")
    settings = tmp_path / "sightd.yaml"
    settings.write_text("listen: http://0.0.0.0\nworkers: -3\ndefault_pipeline: c\nmodels: [models, gone]\n"
                        "max_jobs: 0\npipelines: [pipelines]\n")
    done = sight.run("config", "check", settings)
    assert done.returncode == 1
    told = [line.replace(f"{tmp_path}/", "") for line in done.stderr.splitlines()]
    for place, what in [("sightd.yaml:1:9", "has a scheme"), ("sightd.yaml:2:10", "workers: expected 0 to 256"),
                        ("sightd.yaml:3:19", 'no pipeline called "c"'),
                        ("sightd.yaml:4:18", "cannot read models folder"),
                        ("sightd.yaml:5:11", "max_jobs: expected 1 to"), ("pipelines/a.yaml:1:26", '"treshold"'),
                        ("pipelines/a.yaml:1:18", 'no model called "absent"'),
                        ("pipelines/a.yaml:3:14", "its card is wrong"), ("pipelines/a.yaml:4:5", '"model" is missing'),
                        ("pipelines/b.yaml:2:1", "not valid YAML"), ("models/mine/model.yaml:1:12", "expected 0 to 1"),
                        ("models/mine/model.yaml:3:7", "no model file")]:
        assert [line for line in told if line.startswith(place + ": ") and what in line], (place, what, done.stderr)
    assert len(told) == len(set(told)) == 12, done.stderr


def always(path: Path, class_id: int, classes: int) -> Path:
    """A classifier of any picture that always says the same class, softmax included."""
    onnx = pytest.importorskip("onnx")
    arrays = pytest.importorskip("onnx.numpy_helper")
    numpy = pytest.importorskip("numpy")
    bias = numpy.zeros(classes, numpy.float32)
    bias[class_id] = 12
    nodes = [onnx.helper.make_node("GlobalAveragePool", ["picture"], ["mean"]),
             onnx.helper.make_node("Flatten", ["mean"], ["flat"]),
             onnx.helper.make_node("Gemm", ["flat", "weight", "bias"], ["logits"]),
             onnx.helper.make_node("Softmax", ["logits"], ["probabilities"])]
    tensors = [arrays.from_array(numpy.zeros((3, classes), numpy.float32), "weight"),
               arrays.from_array(bias, "bias")]
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(nodes, "always", [value("picture", 1, [1, 3, 224, 224])],
                                   [value("probabilities", 1, [1, classes])], tensors)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize(("class_id", "name"), [(0, "tench"), (207, "golden retriever"), (281, "tabby"), (309, "bee"),
                                                (340, "zebra"), (954, "banana"), (999, "toilet tissue")])
def test_imagenets_names_are_known(tmp_path: Path, class_id: int, name: str) -> None:
    """Numbers and names by the list of ILSVRC 2012, as every framework's own copy of it has them."""
    if not (sight.ROOT / "models" / "labels" / "imagenet1k.json").is_file():
        pytest.skip("skipped: models/labels/imagenet1k.json is absent: make deps")
    picture = sight.ROOT / "deps" / "samples" / "faces" / "group1.jpg"
    if not picture.is_file():
        pytest.skip(f"skipped: {picture} is absent: make deps")
    model = always(tmp_path / "always.onnx", class_id, 1000)
    for words in ([], ["--labels", "imagenet1k"]):
        (reply,) = sight.detect("--model", model, *words, picture)
        assert [a["class_id"] for a in reply["attributes"]] == [class_id]
        assert reply["attributes"][0]["label"].split(",")[0] == name


def test_other_numbers_of_classes_get_no_names(tmp_path: Path) -> None:
    picture = sight.ROOT / "deps" / "samples" / "faces" / "group1.jpg"
    if not picture.is_file():
        pytest.skip(f"skipped: {picture} is absent: make deps")
    (reply,) = sight.detect("--model", always(tmp_path / "always.onnx", 7, 1001), picture)
    assert [(a["class_id"], a.get("label")) for a in reply["attributes"]] == [(7, None)]
    done = sight.run("detect", "--model", tmp_path / "always.onnx", "--labels", "imagenet2k", picture)
    assert done.returncode == 1 and 'labels "imagenet2k" cannot be read' in done.stderr
