# SPDX-License-Identifier: MIT
"""Many pictures through `sight detect`: folders, formats, resuming, watching, and what goes wrong on the way.

Formats are read back by readers that are not ours: json, csv, and the definitions of COCO and YOLO labels written out
here. What is expected of a run that was broken off is what an unbroken run gives.
"""
from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import killed
import pytest
import sight
from sightd.folder import pictures_in

QUICK = sight.model("blazeface")
YOLO = sight.model("yolov8n")
FORMATS = ["jsonl", "json", "csv", "coco", "yolo"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good pictures, one in a folder of its own with a name that is not ASCII, and two that are none."""
    folder = tmp_path_factory.mktemp("photos")
    for name in ("bus.jpg", "people.jpg", "zidane.jpg"):
        shutil.copy(sight.IMAGES / name, folder)
    (folder / "später").mkdir()
    shutil.copy(sight.IMAGES / "group1.jpg", folder / "später" / '马, "两".jpg')
    shutil.copy(sight.IMAGES / "astronaut.png", folder / "später")
    (folder / "broken.jpg").write_text("no picture")
    (folder / "empty.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def native(photos: Path) -> dict[str, dict[str, Any]]:
    """The native replies by name below the folder."""
    replies = sight.detect("--model", YOLO, photos)
    return {os.path.relpath(r["source"], photos): r for r in replies}


def run(photos: Path, *options: object) -> subprocess.CompletedProcess[str]:
    done = sight.run("detect", "--model", YOLO, "--no-timing", *options, photos)
    assert done.returncode == 1 and "2 of " in done.stderr, done.stderr
    assert f"pictures failed: {photos}/broken.jpg, {photos}/empty.png\n" in done.stderr
    return done


# --- Pictures -----------------------------------------------------------------------------------------------------

def test_a_folder_leaves_no_format_out(tmp_path: Path) -> None:
    """Endings that Pillow and OpenCV give to the formats of docs/FORMATS.md; what a file is its bytes tell."""
    names = ["a." + ending for ending in ("JPG jpeg jpe jfif png webp bmp dib tif tiff gif heic heif hif avif jp2 j2k "
                                          "jpx pnm ppm pgm pbm pam ras sr exr qoi").split()]
    for name in (*names, "a.txt", "a", ".a.jpg", "a.jpg.part"):
        shutil.copy(sight.IMAGES / "zidane.jpg", tmp_path / name)
    assert sorted(Path(r["source"]).name for r in sight.detect("--model", QUICK, tmp_path)) == sorted(names)
    assert sorted(path.name for path in pictures_in([str(tmp_path)])) == sorted(names)


def test_folders_inside_folders_in_order(photos: Path, native: dict[str, Any]) -> None:
    del photos
    assert list(native) == ["broken.jpg", "bus.jpg", "empty.png", "people.jpg", "später/astronaut.png",
                            'später/马, "两".jpg', "zidane.jpg"]
    assert [name for name, reply in native.items() if "error" in reply] == ["broken.jpg", "empty.png"]


def test_links_round_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    shutil.copy(sight.IMAGES / "edge" / "one_pixel.png", tmp_path / "a" / "x.png")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a")
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere.png")
    replies = sight.detect("--model", QUICK, tmp_path)
    assert [(os.path.relpath(r["source"], tmp_path), "error" in r) for r in replies] == \
        [("a/x.png", False), ("gone.png", True)]


def test_what_is_no_file_is_left_out_of_a_folder(tmp_path: Path) -> None:
    """A pipe would be waited for without end. Numbers count as such, in folders and in patterns."""
    names = ["1.png", "2.png", "10.png"]
    for name in names:
        shutil.copy(sight.IMAGES / "edge" / "one_pixel.png", tmp_path / name)
    os.mkfifo(tmp_path / "3.png")
    (tmp_path / "pipe").symlink_to(tmp_path / "3.png")
    done = sight.run("detect", "--json", "--model", QUICK, tmp_path, check=True)
    assert [Path(json.loads(line)["source"]).name for line in done.stdout.splitlines()] == names
    assert f'sight: "{tmp_path}/3.png" is no file, left out\n' in done.stderr
    assert f'"{tmp_path}/pipe"' not in done.stderr
    (tmp_path / "3.png").unlink()
    assert [Path(r["source"]).name for r in sight.detect("--model", QUICK, f"{tmp_path}/*.png")] == names


@pytest.mark.skipif(os.geteuid() == 0, reason="skipped: root reads everything")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    shutil.copy(sight.IMAGES / "edge" / "one_pixel.png", tmp_path)
    done = sight.run("detect", "--json", "--model", QUICK, tmp_path)
    assert done.returncode == 1 and len(done.stdout.splitlines()) == 1 and "Permission denied" in done.stderr


def test_patterns_standard_input_and_lists_of_names(photos: Path, native: dict[str, Any], tmp_path: Path) -> None:
    found = sight.detect("--model", YOLO, f"{photos}/*s.jpg")
    assert [r["source"] for r in found] == [f"{photos}/bus.jpg"]
    assert 'nothing matches "' in sight.run("detect", "--model", YOLO, f"{photos}/*.gif").stderr
    with open(photos / "bus.jpg", "rb") as picture:
        done = subprocess.run([sight.SIGHT, "detect", "--model", YOLO, "-"], stdin=picture, capture_output=True,
                              check=True, timeout=120)
    reply = json.loads(done.stdout)
    assert reply["source"] == "-" and reply["objects"] == native["bus.jpg"]["objects"]
    names = tmp_path / "names"
    names.write_text(f"{photos}/people.jpg\n\n{photos}/bus.jpg\n", encoding="utf-8")
    found = sight.detect("--model", YOLO, "--files-from", names)
    assert [Path(r["source"]).name for r in found] == ["people.jpg", "bus.jpg"]


@pytest.mark.parametrize("words, said", [
    (["--resume", "x.jpg"], "name it with --output"),
    (["--format", "yolo", "x.jpg"], "name a folder with --output"),
    (["--json", "--format", "csv", "x.jpg"], "--json is --format jsonl"),
    (["--format", "table", "-r", "-o", "x", "x.jpg"], "a table cannot be resumed"),
    (["--format", "xml", "x.jpg"], 'got "xml"'),
], ids=" ".join)
def test_flags_that_do_not_go_together(words: list[str], said: str) -> None:
    done = sight.run("detect", *words)
    assert (done.returncode, done.stdout) == (2, "") and said in done.stderr


# --- Formats ------------------------------------------------------------------------------------------------------

def test_json_lines_and_documents_are_the_native_replies(photos: Path, native: dict[str, Any], tmp_path: Path) -> None:
    wanted = [{k: v for k, v in r.items() if k != "timing_us"} for r in native.values()]
    run(photos, "--output", tmp_path / "o.jsonl")
    assert [json.loads(line) for line in (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()] == wanted
    run(photos, "--output", tmp_path / "o.json")
    assert json.loads((tmp_path / "o.json").read_text(encoding="utf-8")) == wanted
    assert [json.loads(line) for line in run(photos).stdout.splitlines()] == wanted  # a pipe: JSON lines
    assert json.loads(run(photos, "-f", "json").stdout) == wanted
    assert sorted(p.name for p in tmp_path.iterdir()) == ["o.json", "o.jsonl"]


def test_csv_has_a_row_for_each_object(photos: Path, native: dict[str, Any], tmp_path: Path) -> None:
    run(photos, "--output", tmp_path / "o.csv")
    with open(tmp_path / "o.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, reply in native.items():
        mine = [r for r in rows if r["source"] == f"{photos}/{name}"]
        if "error" in reply:
            assert [(r["error_code"], r["error"]) for r in mine] == [tuple(reply["error"].values())]
            continue
        assert [(int(r["row"]), int(r["rows"])) for r in mine] == [(i + 1, len(mine)) for i in range(len(mine))]
        assert [(int(r["class_id"]), r["label"], float(r["score"]), float(r["x"]), float(r["y"]), float(r["w"]),
                 float(r["h"]), int(r["width"]), int(r["height"])) for r in mine] == \
            [(o["class_id"], o["label"], o["score"], *o["bbox"].values(), *reply["image"].values())
             for o in reply["objects"]]


def test_coco_documents(photos: Path, native: dict[str, Any], tmp_path: Path) -> None:
    run(photos, "--format", "coco", "--output", tmp_path / "o.json")
    coco = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    good = {n: r for n, r in native.items() if "error" not in r}
    assert [i["file_name"] for i in coco["images"]] == list(good)
    assert [i["id"] for i in coco["images"]] == list(range(1, len(good) + 1))
    assert [a["id"] for a in coco["annotations"]] == list(range(1, len(coco["annotations"]) + 1))
    names = {c["id"]: c["name"] for c in coco["categories"]}
    for image in coco["images"]:
        reply = good[image["file_name"]]
        assert {"width": image["width"], "height": image["height"]} == reply["image"]
        mine = [a for a in coco["annotations"] if a["image_id"] == image["id"]]
        assert [(names[a["category_id"]], a["score"], a["bbox"]) for a in mine] == \
            [(o["label"], o["score"], list(o["bbox"].values())) for o in reply["objects"]]
        assert all(a["category_id"] == o["class_id"] + 1 for a, o in zip(mine, reply["objects"]))
        assert all(a["area"] == pytest.approx(a["bbox"][2] * a["bbox"][3], rel=0.001) for a in mine)


def test_coco_segmentation_and_keypoints(tmp_path: Path) -> None:
    model = sight.model("yolo11n-seg")
    reply = sight.detect("--model", model, sight.IMAGES / "coffee.png")[0]
    text = sight.run("detect", "--model", model, "-f", "coco", sight.IMAGES / "coffee.png", check=True).stdout
    for found, o in zip(json.loads(text)["annotations"], reply["objects"]):
        assert found["segmentation"] == [[n for point in o["polygon"] for n in point]]
        assert 0 < found["area"] <= found["bbox"][2] * found["bbox"][3] * 1.02
    text = sight.run("detect", "--pipeline", "faces", "-f", "coco", sight.IMAGES / "zidane.jpg", check=True).stdout
    face = json.loads(text)["annotations"][0]
    assert len(face["keypoints"]) == 3 * face["num_keypoints"] > 0
    assert set(face["attributes"]) >= {"expression", "age", "gender"}


def test_yolo_labels(photos: Path, native: dict[str, Any], tmp_path: Path) -> None:
    out = tmp_path / "labels"
    run(photos, "--format", "yolo", "--output", out)
    good = {n: r for n, r in native.items() if "error" not in r}
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*.txt")) == \
        sorted(["classes.txt", *(os.path.splitext(n)[0] + ".txt" for n in good)])
    classes = (out / "classes.txt").read_text(encoding="utf-8").splitlines()
    assert len(classes) == 80 and classes[16] == "dog"  # COCO's 80 names, from the model's metadata
    for name, reply in good.items():
        width, height = reply["image"].values()
        rows = [line.split() for line in (out / (os.path.splitext(name)[0] + ".txt")).read_text().splitlines()]
        assert len(rows) == len(reply["objects"])
        for (c, cx, cy, w, h, score), o in zip(rows, reply["objects"]):
            box = o["bbox"]
            assert classes[int(c)] == o["label"] and float(score) == pytest.approx(o["score"], abs=1e-4)
            assert float(cx) * width == pytest.approx(box["x"] + box["w"] / 2, abs=0.02)
            assert float(cy) * height == pytest.approx(box["y"] + box["h"] / 2, abs=0.02)
            assert float(w) * width == pytest.approx(box["w"], abs=0.02)
            assert float(h) * height == pytest.approx(box["h"], abs=0.02)


def test_objects_are_cut_out(photos: Path, native: dict[str, Any], tmp_path: Path) -> None:
    from PIL import Image

    run(photos, "--crop", tmp_path, "--annotate", tmp_path / "drawn")
    objects = native['später/马, "两".jpg']["objects"]
    crops = sorted((tmp_path / "später").glob("马*"))
    assert [p.name for p in crops] == [f'马, "两"_{i}_{o["label"]}.jpg' for i, o in enumerate(objects)]
    assert (tmp_path / "drawn" / "später" / '马, "两".jpg').is_file()
    for path, o in zip(crops, objects):
        with Image.open(path) as crop:
            assert abs(crop.width - o["bbox"]["w"]) <= 2 and abs(crop.height - o["bbox"]["h"]) <= 2


@pytest.mark.parametrize("person, bus", [
    (("a/b\t\x1fc", "a_b__c"), ("..", "..")), (("x" * 64, "x" * 64), ("x" * 65, "x" * 64)),
    (("é" * 32, "é" * 32), ("é" * 33, "é" * 32)), (("马" * 22, "马" * 21), ("a" + "马" * 22, "a" + "马" * 21)),
    (("aa" + "马" * 22, "aa" + "马" * 20), ("aaa" + "🚌" * 17, "aaa" + "🚌" * 15)),
])
def test_crops_have_names_that_a_file_may_have(person: tuple[str, str], bus: tuple[str, str], photos: Path,
                                               tmp_path: Path) -> None:
    """At most 64 bytes of the label, whole characters, and nothing that ends a name or a line. COCO begins with the
    person, and the bus is its number 5."""
    labels, out = tmp_path / "names", tmp_path / "out"
    labels.write_text(f"{person[0]}\na\nb\nc\nd\n{bus[0]}\n" + "x\n" * 74, encoding="utf-8")
    found = sight.detect("--model", YOLO, "--labels", labels, "--crop", out, photos / "bus.jpg")[0]["objects"]
    parts = {0: person[1], 5: bus[1]}
    assert {o["class_id"] for o in found} == set(parts)
    assert sorted(os.listdir(out)) == [f"bus_{i}_{parts[o['class_id']]}.jpg" for i, o in enumerate(found)]


def test_results_are_not_taken_for_pictures(tmp_path: Path) -> None:
    """Drawn pictures that go below the folder that is read."""
    shutil.copy(sight.IMAGES / "zidane.jpg", tmp_path)
    for _ in range(2):
        assert len(sight.detect("--model", QUICK, "--annotate", tmp_path / "drawn", tmp_path)) == 1


# --- Resuming -----------------------------------------------------------------------------------------------------

def whole(path: Path) -> Any:
    if path.is_dir():
        return {str(p.relative_to(path)): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}
    return path.read_bytes()


@pytest.mark.parametrize("format_", FORMATS)
def test_a_finished_output_is_left_as_it_is_and_grows(photos: Path, tmp_path: Path, format_: str) -> None:
    full, part = tmp_path / "full", tmp_path / "part"
    run(photos, "-f", format_, "-o", full)
    run(photos, "-f", format_, "-o", part)
    before = whole(part)
    again = sight.run("detect", "--model", YOLO, "--no-timing", "-f", format_, "-o", part, "--resume", photos)
    assert "were in the output already" in again.stderr and whole(part) == before == whole(full)
    # More pictures than before: those that are new are added.
    more = sight.run("detect", "--model", YOLO, "--no-timing", "-f", format_, "-o", part, "-r", photos,
                     sight.IMAGES / "cat.png")
    assert "were in the output already" in more.stderr
    sight.run("detect", "--model", YOLO, "--no-timing", "-f", format_, "-o", full, "--overwrite", photos,
              sight.IMAGES / "cat.png")
    assert whole(part) == whole(full) != before


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.93])
def test_a_torn_line_is_cut_off(photos: Path, tmp_path: Path, format_: str, share: float) -> None:
    out = tmp_path / "out"
    run(photos, "-f", format_, "-o", out)
    text = out.read_bytes()
    for end in (int(len(text) * share), int(len(text) * share) + 3):
        out.write_bytes(text[:end])
        sight.run("detect", "--model", YOLO, "--no-timing", "-f", format_, "-o", out, "-r", photos)
        assert out.read_bytes() == text


@pytest.mark.parametrize("format_", ["jsonl", "json", "csv", "coco"])
def test_a_foreign_file_is_not_touched(photos: Path, tmp_path: Path, format_: str) -> None:
    foreign = tmp_path / "letters"
    for content in (b'{"mine":1}\n', b"Dear Jane,\nno line of ours", b"\xff\xd8\xff\n\n", b'[{"a":1}]'):
        foreign.write_bytes(content)
        done = sight.run("detect", "--model", YOLO, "-f", format_, "-o", foreign, "-r", photos)
        assert done.returncode == 1 and "cannot resume" in done.stderr, done.stderr
        assert foreign.read_bytes() == content


@pytest.mark.parametrize("format_", FORMATS)
def test_killed_three_times_and_resumed(tmp_path: Path, format_: str) -> None:
    """The same as 10,000 pictures killed ten times (tests/killed.py), smaller."""
    pictures = killed.make_pictures(tmp_path / "in", 300)
    command = ["--model", str(QUICK), "-f", format_]
    kills = killed.compare(str(sight.SIGHT), command, pictures, tmp_path, kills=3, seed=7)
    assert kills >= 1


def test_the_same_picture_named_twice_is_there_twice(photos: Path, tmp_path: Path) -> None:
    words = ["detect", "--model", YOLO, "-o", tmp_path / "o.jsonl", photos / "bus.jpg", photos / "bus.jpg"]
    sight.run(*words, check=True)
    text = (tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    assert len(text) == 2
    (tmp_path / "o.jsonl").write_text(text[0], encoding="utf-8")
    sight.run(*words, "--resume", check=True)
    assert len((tmp_path / "o.jsonl").read_text(encoding="utf-8").splitlines()) == 2


def test_an_interrupt_ends_in_order(tmp_path: Path) -> None:
    pictures = killed.make_pictures(tmp_path / "in", 400)
    out = tmp_path / "o.jsonl"
    process = subprocess.Popen([sight.SIGHT, "detect", "--model", YOLO, "-o", out, pictures], stderr=subprocess.PIPE,
                               text=True)
    assert killed.wait_for_lines(out, 5)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "--resume goes on" in said
    assert all("objects" in json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())


# --- Watching -----------------------------------------------------------------------------------------------------

def test_a_watched_folder(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "o.jsonl"
    folder.mkdir()
    picture = (sight.IMAGES / "zidane.jpg").read_bytes()
    (folder / "before.jpg").write_bytes(picture)
    process = subprocess.Popen([sight.SIGHT, "detect", "--model", QUICK, "--watch", folder, "-o", out])
    try:
        assert killed.wait_until(out.exists)
        with open(folder / "slow.jpg", "wb") as slow:
            slow.write(picture[:1000])
            slow.flush()
            (folder / ".hidden.jpg").write_bytes(picture)
            (folder / "moved.part").write_bytes(picture)
            (folder / "moved.part").rename(folder / "moved.jpg")
            os.link(folder / "before.jpg", folder / "链接.jpg")
            assert killed.wait_for_lines(out, 2)
            slow.write(picture[1000:])
        assert killed.wait_for_lines(out, 3)
    finally:
        process.terminate()
        assert process.wait(60) == 0
    replies = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [Path(r["source"]).name for r in replies] == ["moved.jpg", "链接.jpg", "slow.jpg"]
    assert all(r["objects"] for r in replies)


def test_a_watched_folder_that_goes_ends_the_run(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "o.jsonl"
    folder.mkdir()
    process = subprocess.Popen([sight.SIGHT, "detect", "--model", QUICK, "--watch", folder, "-o", out],
                               stderr=subprocess.PIPE, text=True)
    try:
        assert killed.wait_until(out.exists)
        shutil.copy(sight.IMAGES / "zidane.jpg", folder)
        assert killed.wait_for_lines(out, 1)
        shutil.rmtree(folder)
        said = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert f'sight detect: the folder "{folder}" has gone\n' in said
    assert process.returncode == 1
    assert len(out.read_text(encoding="utf-8").splitlines()) == 1


def test_what_the_kernel_forgot_is_found(tmp_path: Path) -> None:
    """More events than inotify's queue holds (inotify(7): IN_Q_OVERFLOW), and a picture after them."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text(encoding="ascii"))
    if most > 200_000:
        pytest.skip(f"skipped: the kernel remembers {most} events, too many to go beyond")
    folder, out = tmp_path / "in", tmp_path / "o.jsonl"
    (folder / "below").mkdir(parents=True)
    picture = (sight.IMAGES / "zidane.jpg").read_bytes()
    process = subprocess.Popen([sight.SIGHT, "detect", "--model", QUICK, "--watch", folder, "-o", out],
                               stderr=subprocess.PIPE, text=True)
    try:
        assert killed.wait_until(out.exists)
        process.send_signal(signal.SIGSTOP)
        for number in range(most + 2):  # two names in turn: equal events in a row are one
            (folder / f"noise{number % 2}").open("wb").close()
        for name in "a.jpg", "below/b.jpg":
            (folder / name).write_bytes(picture)
        process.send_signal(signal.SIGCONT)
        assert killed.wait_for_lines(out, 2)
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 0 and "than the kernel remembers" in said
    sources = [json.loads(line)["source"] for line in out.read_text(encoding="utf-8").splitlines()]
    assert sorted(sources) == [str(folder / "a.jpg"), str(folder / "below" / "b.jpg")]


# --- Full disks, terminals ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("format_", ["jsonl", "json", "csv", "coco", "table"])
def test_a_full_disk_is_told(photos: Path, format_: str) -> None:
    done = sight.run("detect", "--model", YOLO, "-f", format_, "-o", "/dev/full", photos / "bus.jpg")
    assert done.returncode == 1 and "cannot write" in done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run([sight.SIGHT, "detect", "--model", YOLO, "-f", format_, photos / "bus.jpg"], stdout=full,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=120)
    assert done.returncode == 1 and "No space left on device" in done.stderr


def on_a_terminal(words: list[object], **variables: str) -> str:
    """What a terminal would show of both streams."""
    parent, child = os.openpty()
    process = subprocess.Popen(list(map(str, words)), stdout=child, stderr=child,
                               env={**os.environ, "TERM": "xterm", **variables})
    os.close(child)
    shown = b""
    try:
        while part := os.read(parent, 65536):
            shown += part
    except OSError:
        pass  # Linux ends a terminal with EIO
    os.close(parent)
    process.wait(60)
    return shown.decode()


def test_terminals_get_progress_a_table_and_colour(photos: Path, tmp_path: Path) -> None:
    words = [sight.SIGHT, "detect", "--model", YOLO, photos]
    shown = on_a_terminal(words)
    assert "\033[1m" in shown and "5 objects" in shown and '{"' not in shown
    plain = on_a_terminal(words, NO_COLOR="1")
    assert "\033[" not in plain and "5 objects" in plain
    asked = [sight.SIGHT, "detect", "--help"]
    assert "\033[" in on_a_terminal(asked) and "\033[" not in on_a_terminal(asked, NO_COLOR="1")
    shown = on_a_terminal([*words, "-o", tmp_path / "o.jsonl"])
    assert "/s" in shown and " left" in shown and "7 pictures in " in shown
    drawn = re.findall(r"\r([█░]+) (\d)/7  \d+\.\d/s  ", shown)
    assert drawn and all(len(bar) == 24 and bar.count("█") == int(done) * 24 // 7 for bar, done in drawn)
    assert "█" not in on_a_terminal([*words, "-o", tmp_path / "o.jsonl", "--no-progress"])


def test_chinese_labels_are_drawn(photos: Path, tmp_path: Path) -> None:
    """The same boxes with three names: Chinese characters are no boxes for missing ones, and differ."""
    drawn = []
    for name in ("公共汽车", "自行车自", "\U0010fffd\U0010fffd\U0010fffd\U0010fffd"):
        labels = tmp_path / "标签.txt"
        labels.write_text(f"{name}\n" * 80, encoding="utf-8")
        out = tmp_path / name[:2]
        done = sight.run("detect", "--model", YOLO, "--labels", labels, "--annotate", out, "--crop", out,
                         photos / "bus.jpg", check=True)
        if "no font" in done.stderr:
            pytest.skip("skipped: no font with Chinese characters is installed")
        assert json.loads(done.stdout)["objects"][0]["label"] == name
        assert (out / f"bus_0_{name}.jpg").is_file()
        drawn.append((out / "bus.jpg").read_bytes())
    assert len(set(drawn)) == 3
