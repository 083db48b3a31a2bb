# SPDX-License-Identifier: MIT
"""The command line as a person uses it: help, mistakes, pictures good and bad, models looked into."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import agreement
import assets
import picture_files
import pytest
import sight
from PIL import Image, ImageChops

COMMANDS = ["serve", "detect", "send", "model", "model list", "model explain", "model run", "model bench",
            "model heads", "config", "config check", "config docs", "bench", "completion",
            "version"]
YOLO = sight.model("yolov8n")
QUICK = sight.model("blazeface")
PAGE = sight.model("orientation"), sight.IMAGES / "page_90.png"


def load(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


# --- Help and mistakes --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    for flag in ("--help", "-h"):
        done = sight.run(*command.split(), flag)
        assert (done.returncode, done.stderr) == (0, "")
    assert all(len(line) <= 100 for line in done.stdout.splitlines())
    if command in ("model", "config"):
        assert f"  sight {command} " in done.stdout
    else:
        assert "Usage" in done.stdout and f"Examples\n  sight {command}" in done.stdout


def test_the_overview_names_every_command() -> None:
    done = sight.run("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        if " " not in command:
            assert re.search(rf"^  sight {command} +\w", done.stdout, re.MULTILINE), command
    assert (sight.run().returncode, sight.run().stderr) == (2, done.stdout)
    assert sight.run("--version").stdout == sight.run("version").stdout
    assert re.match(r"sight \d+\.\d+\.\d+, onnxruntime .+\n", sight.run("version").stdout)


@pytest.mark.parametrize("words, said", [
    (["detekt", "x.jpg"], 'no command called "detekt"; did you mean "detect"?'),
    (["model", "lst"], 'no command called "lst"; did you mean "list"?'),
    (["config", "chek"], 'no command called "chek"; did you mean "check"?'),
    (["detect"], "IMAGE… is missing"),
    (["detect", "--treshold", "0.5", "x.jpg"], "unknown flag --treshold; did you mean --threshold?"),
    (["detect", "--threshold", "5", "x.jpg"], "--threshold: expected 0 to 1, got 5"),
    (["detect", "--decode", "exakt", "x.jpg"], '--decode: expected fast or exact, got "exakt"; did you mean "exact"?'),
    (["detect", "--labels", "l.txt", "x.jpg"], "--labels goes with --model"),
    (["detect", "--model", "m.onnx", "--pipeline", "faces", "x.jpg"], "--model and --pipeline exclude each other"),
    (["detect", "--json", "--format", "table", "x.jpg"], "--json is --format jsonl; give one of them"),
    (["detect", "--json", "--format", "csv", "x.jpg"], "--json is --format jsonl; give one of them"),
    (["detect", "--resume", "x.jpg"], "--resume skips what an output holds: name it with --output"),
    (["detect", "--resume", "--overwrite", "-o", "o.csv", "x.jpg"],
     "--resume keeps what the output holds, --overwrite replaces it; give one of them"),
    (["detect", "--resume", "--format", "table", "-o", "o", "x.jpg"], "a table cannot be resumed"),
    (["detect", "--format", "yolo", "x.jpg"], "--format yolo writes a file per picture: name a folder with --output"),
    (["model", "explain"], "FILE is missing"),
    (["model", "run", "m.onnx"], "FILE IMAGE"),
    (["model", "bench", "--runs", "0", "m.onnx"], "--runs: expected 1 to 100000, got 0"),
    (["version", "now"], 'unexpected "now"'),
    (["serve", "--workers", "many"], "--workers: expected"),
    (["config", "docs", "now"], 'unexpected "now"'),
    (["serve", "--listen", "127.0.0.1:99999"], "99999"),
    (["serve", "--listen", "127.0.0.1:http"], "http"),
], ids=" ".join)
def test_wrong_command_lines(words: list[str], said: str) -> None:
    done = sight.run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "--help'" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("words, said", [
    (["detect", "--model", "nix.onnx", "x.jpg"], 'no model at "nix.onnx"'),
    (["detect", "--pipeline", "facs", "x.jpg"], 'no pipeline called "facs"; there are: faces, objects, text; did you '
                                                'mean "faces"?'),
    (["model", "explain", "README.md"], 'model "README.md" is no ONNX file but text'),
    (["model", "run", "nix.onnx", "x.jpg"], 'no model at "nix.onnx"'),
    (["model", "bench", "nix.onnx"], 'no model at "nix.onnx"'),
    (["model", "run", str(QUICK), "nix.jpg"], 'cannot read "nix.jpg": No such file or directory'),
    (["model", "run", str(QUICK), "README.md"], "not an image: the first bytes are 23 20 73 69"),
    (["detect", "--files-from", "nix.txt"], 'cannot read "nix.txt": No such file or directory'),
    (["detect", "--watch", "nix"], 'cannot watch folder "nix": No such file or directory'),
    (["model", "list", "--models", "nix"], 'cannot read models folder "nix": No such file or directory'),
], ids=" ".join)
def test_things_that_are_not_there(words: list[str], said: str) -> None:
    done = sight.run(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert said in done.stderr and len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("words", ["--help", "--version", "bench --help", "config check sightd.yaml", "config docs",
                                   "model list", "model heads", "model --help", "completion bash"])
def test_output_that_is_lost_is_a_failure(words: str) -> None:
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sight.SIGHT, *words.split()], cwd=sight.ROOT, stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=sight.TIMEOUT_S)
    assert (done.returncode, done.stderr) == (1, "sight: not all could be written to standard output\n")


def test_models_are_listed_with_what_their_cards_say(tmp_path: Path) -> None:
    """A card that is broken does not keep the others from being told."""
    for name, card in (("a", "description: finds a\nlicence: MIT\nsource: https://example.org/a\n"),
                       ("b", "description: finds b\nthreshold: high\n"), ("c", None)):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(QUICK, folder / "model.onnx")
        if card:
            (folder / "model.yaml").write_text(card, encoding="utf-8")
    done = sight.run("model", "list", "--models", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:-2] == [
        "a", "    finds a", "    licence: MIT; from: https://example.org/a",
        "b", f'    broken card: {tmp_path}/b/model.yaml:2:12: threshold: expected a number, 0 to 1, got "high"',
        "c", f"    licence: not said; from: {tmp_path}/c"]
    (tmp_path / "empty").mkdir()
    done = sight.run("model", "list", "--models", tmp_path / "empty")
    assert done.returncode == 0 and done.stdout.startswith(f"no models in {tmp_path}/empty\n\n")


# --- Pictures -----------------------------------------------------------------------------------------------------

def test_a_bad_picture_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_text("not a picture")
    pictures = [sight.IMAGES / "zidane.jpg", tmp_path / "broken.jpg", tmp_path / "absent.jpg",
                sight.IMAGES / "astronaut.png"]
    done = sight.run("detect", "--json", "--model", QUICK, *pictures)
    replies = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 1
    assert [r["source"] for r in replies] == [str(p) for p in pictures]
    assert ["error" in r for r in replies] == [False, True, True, False]
    assert replies[1]["error"]["code"] == "bad_image" and replies[2]["error"]["code"] == "not_found"
    assert "No such file" in replies[2]["error"]["message"]
    assert replies[0]["objects"] and replies[3]["objects"]
    assert done.stderr == f"sight detect: 2 of 4 pictures failed: {tmp_path}/broken.jpg, {tmp_path}/absent.jpg\n"
    # For people: errors on standard error, the rest on standard output.
    done = sight.run("detect", "--format", "table", "--model", QUICK, *pictures)
    assert done.returncode == 1
    assert done.stdout.count(" object") == 2 and "broken.jpg" not in done.stdout
    assert re.search(r"broken\.jpg: .+\n.*absent\.jpg: .+No such file", done.stderr)


def test_ten_failures_are_named_and_the_others_counted(tmp_path: Path) -> None:
    pictures = [tmp_path / f"{number}.jpg" for number in range(13)]
    done = sight.run("detect", "--json", "--model", QUICK, *pictures[:10])
    assert done.stderr == f"sight detect: 10 of 10 pictures failed: {', '.join(map(str, pictures[:10]))}\n"
    done = sight.run("detect", "--json", "--model", QUICK, *pictures)
    assert done.stderr == ("sight detect: 13 of 13 pictures failed: "
                           f"{', '.join(map(str, pictures[:10]))} and 3 more\n")


def test_the_font_is_not_written_over(tmp_path: Path) -> None:
    """$SIGHT_FONT is an input like the pictures."""
    font = tmp_path / "mine.csv"
    font.write_text("a font")
    done = subprocess.run([sight.SIGHT, "detect", "--model", QUICK, "-o", font, "--overwrite",
                           sight.IMAGES / "zidane.jpg"], cwd=sight.ROOT, capture_output=True, text=True,
                          timeout=sight.TIMEOUT_S, env={**os.environ, "SIGHT_FONT": str(font)})
    assert done.returncode == 1 and str(font) in done.stderr, done.stderr
    assert font.read_text() == "a font"


def test_sources_are_named_as_they_were_given() -> None:
    relative = os.path.relpath(sight.IMAGES / "zidane.jpg", sight.ROOT)
    for given in (relative, "./" + relative):
        assert sight.detect("--model", QUICK, given)[0]["source"] == given


def test_folders_are_read_in_natural_order(tmp_path: Path) -> None:
    names = ["image1.png", "image2.png", "image10.png", "image20.PNG", "größe 3.png", "日本.png"]
    for name in names:
        shutil.copy(sight.IMAGES / "edge" / "one_pixel.png", tmp_path / name)
    for name in ("notes.txt", ".hidden.png", "folder.png"):
        (tmp_path / name).mkdir() if name == "folder.png" else (tmp_path / name).write_text("no picture")
    (tmp_path / "folder.png").rmdir()
    found = [Path(r["source"]).name for r in sight.detect("--model", QUICK, tmp_path)]
    assert sorted(found) == sorted(names)
    assert [n for n in found if n.startswith("image")] == names[:4]
    assert [r["source"] for r in sight.detect("--model", QUICK, f"{tmp_path}/")] == \
        [str(tmp_path / n) for n in found]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    done = sight.run("detect", "--model", QUICK, tmp_path)
    assert done.returncode == 1 and f'no picture in folder "{tmp_path}"' in done.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="skipped: root reads everything")
def test_a_picture_that_may_not_be_read(tmp_path: Path) -> None:
    shutil.copy(sight.IMAGES / "zidane.jpg", tmp_path)
    (tmp_path / "zidane.jpg").chmod(0)
    reply = sight.detect("--model", QUICK, tmp_path / "zidane.jpg")[0]
    assert "Permission denied" in reply["error"]["message"]


def test_a_folder_in_the_place_of_a_file_is_no_picture(tmp_path: Path) -> None:
    """A folder named like a picture inside a folder of pictures."""
    shutil.copy(sight.IMAGES / "edge" / "one_pixel.png", tmp_path / "a.png")
    (tmp_path / "b.png").mkdir()
    replies = sight.detect("--model", QUICK, tmp_path)
    assert [Path(r["source"]).name for r in replies if "error" not in r] == ["a.png"]


@pytest.mark.parametrize("name", sorted(picture_files.EDGE))
def test_edge_pictures(name: str) -> None:
    expected = picture_files.EDGE[name]
    reply = sight.detect("--model", YOLO, sight.IMAGES / "edge" / name)[0]
    if isinstance(expected, tuple):
        assert "error" not in reply
        assert (reply["image"]["width"], reply["image"]["height"]) == expected
        assert reply["objects"] == []
    else:
        assert set(reply["error"]) == {"code", "message"} and len(reply["error"]["message"]) > 20
    if name.startswith("bomb"):
        assert reply["error"]["code"] == "too_large" and "max" in reply["error"]["message"]


def test_limits_are_flags() -> None:
    reply = sight.detect("--model", QUICK, "--max-pixels", "100k", sight.IMAGES / "zidane.jpg")[0]
    assert reply["error"]["code"] == "too_large"
    reply = sight.detect("--model", QUICK, "--max-image-bytes", "40KiB", sight.IMAGES / "zidane.jpg")[0]
    assert reply["error"]["code"] == "too_large" and "--max-image-bytes" in reply["error"]["message"]


def test_annotated_pictures_show_what_was_found(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    with Image.open(sight.IMAGES / "zidane.jpg") as picture:
        picture.save(source / "größe.png")
        picture.save(source / "größe.bmp")
    out = tmp_path / "out"
    done = sight.run("detect", "-f", "table", "--model", YOLO, "--annotate", out, source, check=True)
    assert sorted(p.name for p in out.iterdir()) == ["größe.bmp.jpg", "größe.png.jpg"]
    assert done.stdout.count("drawn: ") == 2
    box = agreement.corners(next(o for o in sight.detect("--model", YOLO, source / "größe.png")[0]["objects"]))
    with Image.open(source / "größe.png") as before, Image.open(out / "größe.png.jpg") as after:
        assert after.size == before.size
        changed = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).convert("L")
        # JPEG changes little; a line along the best object's box changes much.
        x = int((box[0] + box[2]) / 2)
        strip = changed.crop((x - 20, int(box[3]) - 8, x + 20, int(box[3]) + 8))
        assert max(strip.getdata()) > 60
        corner = changed.crop((0, before.height - 30, 30, before.height))
        assert max(corner.getdata()) < 40
    assert sight.run("detect", "--model", QUICK, "--annotate", source / "größe.png" / "x",
                     source / "größe.png").returncode == 1


# --- What flags do ------------------------------------------------------------------------------------------------

def test_labels_threshold_nms_and_max_objects(tmp_path: Path) -> None:
    labels = tmp_path / "labels.txt"
    labels.write_text("visage\r\n", encoding="utf-8")
    picture = sight.IMAGES / "group5.jpg"  # five faces

    def faces(*options: object) -> list[dict[str, Any]]:
        return sight.detect("--model", sight.model("yolov8n-face"), *options, picture)[0]["objects"]

    usual = faces("--labels", labels)
    assert {o["label"] for o in usual} == {"visage"} and len(usual) >= 5
    bound = (usual[3]["score"] + usual[4]["score"]) / 2
    assert len(faces("-t", bound)) == 4
    assert len(faces("--nms", 0)) > len(usual)
    assert len(faces("--max-objects", 3)) == 3


def test_decode_modes_agree_about_what_is_clear() -> None:
    picture = sight.IMAGES / "large.jpg"
    exact, fast = (sight.detect("--model", YOLO, "--decode", mode, picture)[0] for mode in ("exact", "fast"))
    assert exact["image"] == fast["image"] == {"width": 3840, "height": 2560}
    assert fast["objects"] != exact["objects"]  # a reduced decode is not the same bits
    for o in exact["objects"]:
        assert o["score"] < 0.5 or any(agreement.iou(agreement.corners(o), agreement.corners(f)) > 0.95
                                       for f in fast["objects"])


def test_top_k_names_so_many_classes() -> None:
    model, picture = PAGE
    golden, = assets.BASE.listed("orientation__page_90.png")
    labels = golden.labels
    best = sight.detect("--model", model, "--labels", labels, picture)[0]["attributes"]
    three = sight.detect("--model", model, "--labels", labels, "-k", 3, picture)[0]["attributes"]
    assert [a["label"] for a in best] == [golden["top5"][0]["label"]]
    assert len(three) == 3 and three[:1] == best
    done = sight.run("detect", "-f", "table", "--model", model, "--labels", labels, picture, check=True)
    assert f"  {golden['top5'][0]['label']} " in done.stdout


def test_replies_can_be_compared_without_timing() -> None:
    with_timing = sight.detect("--model", QUICK, sight.IMAGES / "zidane.jpg")[0]
    without = sight.detect("--model", QUICK, "--no-timing", sight.IMAGES / "zidane.jpg")[0]
    assert with_timing.pop("timing_us")["total"] > 0
    assert without == with_timing


# --- Looking into models ------------------------------------------------------------------------------------------

def explained(*arguments: object) -> dict[str, str]:
    """The decisions of `model explain` by key, value and evidence together."""
    said = sight.run("model", "explain", *arguments, check=True).stdout
    blocks = re.findall(r"^(\w+) +(.+\n(?: {12}.+\n)*)", said, re.MULTILINE)
    return {key: re.sub(r"\s+", " ", text).strip() for key, text in blocks}


def test_heads_are_listed_by_the_names_that_cards_take() -> None:
    lines = sight.run("model", "heads", check=True).stdout.splitlines()
    names = [line.split()[0] for line in lines]
    assert len(set(names)) == len(names) >= 29 and all(len(line.split()) > 3 for line in lines)
    assert {"yolov8", "yolov4", "detr-raw", "dbnet", "ctc", "classify"} <= set(names)
    table = (sight.ROOT / "docs" / "MODELS.md").read_text(encoding="utf-8")
    assert [n for n in names if f"`{n}`" not in table] == []


def test_explain_gives_evidence(tmp_path: Path) -> None:
    said = explained(YOLO)
    assert said["head"].startswith("yolov8 ") and "1x84x8400" in said["head"]
    assert said["labels"].startswith("80 names metadata names")
    assert said["size"].startswith("640x640 fixed in the graph")
    assert said["color"].startswith("rgb *") and said["resize"].startswith("letterbox, pad 114 *")
    assert said["card"].startswith("none")
    names = (sight.ROOT / "models/labels/coco91.txt").read_text(encoding="utf-8").splitlines()[1:]
    (tmp_path / "coco.txt").write_text("\n".join(n for n in names if n != "???"), encoding="utf-8")
    assert explained("--labels", tmp_path / "coco.txt", YOLO)["labels"].endswith("as asked for")


def test_explain_tells_what_is_ambiguous_and_the_key_that_settles_it() -> None:
    said = explained(PAGE[0])
    assert said["head"].startswith("classify *") and "`input: {color, mean, std, resize}`" in said["head"]
    card = (sight.ROOT / "models" / "expression")
    if (card / "model.onnx").exists():
        told = explained(card)
        assert told["color"] == "rgb the card" and told["mean"].endswith("the card: (pixel - mean) / std")
        assert "*" not in told["resize"]


def test_run_prints_the_tensors_that_the_golden_recorded() -> None:
    """input_stats and raw_outputs of the golden: mean, minimum, maximum by the other implementation."""
    golden, = assets.BASE.listed("yolov8n__zidane.jpg")
    lines = sight.run("model", "run", YOLO, golden.picture, check=True).stdout.splitlines()
    printed = [re.search(r"mean (\S+)  min (\S+)  max (\S+)", line) for line in lines]
    found = [tuple(map(float, m.groups())) for m in printed if m]
    stats = golden["input_stats"]
    wanted = [stats, *golden["raw_outputs"].values()]
    assert len(found) == len(wanted)
    for numbers, want in zip(found, wanted):
        assert numbers == pytest.approx((want["mean"], want["min"], want["max"]), abs=0.01)


def test_bench_times_a_model() -> None:
    said = sight.run("model", "bench", "-n", 3, sight.model("fastestdet"), check=True).stdout
    rows = re.findall(r"^ *(\d+) cores? +median +([\d.]+) ms +best +([\d.]+) ms$", said, re.MULTILINE)
    assert rows and rows[0][0] == "1" and all(float(m) >= float(b) > 0 for _, m, b in rows)


def test_a_model_is_called_as_its_folder(tmp_path: Path) -> None:
    """However many slashes end its path; a folder without a model, and none at all, are told apart."""
    folder, empty = tmp_path / "net", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    shutil.copy(QUICK, folder / "model.onnx")
    for path in (folder, f"{folder}/", f"{folder}//", folder / "model.onnx"):
        assert explained(path)["model"] == "net"
    done = sight.run("model", "explain", empty)
    assert done.returncode == 1 and f'model folder "{empty}" holds no model file (.onnx' in done.stderr
    shutil.copy(QUICK, folder / "other.onnx")
    (folder / "model.onnx").rename(folder / "first.onnx")
    done = sight.run("model", "explain", folder)
    assert done.returncode == 1
    assert f'model folder "{folder}" holds 2 model files; say which with `file:` in its model.yaml' in done.stderr


# --- Traps of real models -----------------------------------------------------------------------------------------

def test_float16_goes_in_and_comes_out() -> None:
    model = sight.model("yolov8n-fp16")
    said = explained(model)
    assert said["dtype"].startswith("float16") and "float16 1x84x8400" in said["outputs"]
    half = sight.detect("--model", model, sight.IMAGES / "bus.jpg")[0]["objects"]
    full = sight.detect("--model", YOLO, sight.IMAGES / "bus.jpg")[0]["objects"]
    clear = [o for o in full if o["score"] > 0.5]
    assert len(clear) >= 4
    for o in clear:
        assert any(h["label"] == o["label"] and abs(h["score"] - o["score"]) < 0.02 and
                   agreement.iou(agreement.corners(h), agreement.corners(o)) > 0.97 for h in half)


def test_shapes_that_lie_are_looked_at() -> None:
    """The graph declares 2125x6 and -1; what comes out has as many rows as objects were found."""
    said = explained(sight.model("picodet"))
    assert "2125x6" in said["outputs"]
    assert said["head"].startswith("paddle")
    assert said["scale_factor"].startswith("1, 1: boxes stay in input pixels")
    ran = sight.run("model", "run", sight.model("picodet"), sight.IMAGES / "bus.jpg", check=True)
    assert "2125x6" not in ran.stdout


def test_coco91_ids_are_those_of_the_labels_file() -> None:
    """Line 0 of the file is "???", so a 1-based id of TensorFlow is a line; otherwise ids begin at 0."""
    model = sight.model("ssd-mobilenet")
    labels = sight.ROOT / "models/labels/coco91.txt"
    lines = labels.read_text(encoding="utf-8").splitlines()
    assert lines[1] == "person" and lines[17] == "cat"
    given = sight.detect("--model", model, "--labels", labels, sight.IMAGES / "cat.png")[0]["objects"]
    assert {(o["class_id"], o["label"]) for o in given} >= {(17, "cat")}
    assert all(lines[o["class_id"]] == o["label"] for o in given)
    for options in ((), ("--labels", "coco91")):
        found = sight.detect("--model", model, *options, sight.IMAGES / "cat.png")[0]["objects"]
        assert [o["class_id"] + 1 for o in found] == [o["class_id"] for o in given]
        assert [o.get("label") for o in found] == [o["label"] if options else None for o in given]


def test_boxes_come_back_through_extra_inputs() -> None:
    """orig_target_sizes is fed the input's size; boxes are of the original all the same."""
    model = sight.model("deimv2")
    assert explained(model)["orig_target_sizes"].startswith("width, height of the model input")
    # Its boxes are yolo11n's: the bus fills half the picture, which 320 and 640 pixels find alike.
    golden, = assets.BASE.listed("yolo11n__bus.jpg")
    bus = next(d for d in golden["detections"] if d["label"] == "bus")
    found = sight.detect("--model", model, "--labels", "coco80", "--decode", "exact", golden.picture)[0]["objects"]
    assert any(o["label"] == "bus" and agreement.iou(agreement.corners(o), tuple(bus["box"])) > 0.9 for o in found)
