# SPDX-License-Identifier: MIT
"""Configuration that is wrong: every problem at once, with its place, the same from `config check` and `serve`."""

import re
from pathlib import Path
from typing import Any

import pytest
import sight
import yaml

SHIPPED = sorted(p.parent for p in (sight.ROOT / "models").glob("*/model.yaml"))


class Site:
    """A folder with models, pipelines and a settings file, as an installation has."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("models", "pipelines"):
            (root / folder).mkdir()

    def write(self, name: str, content: str | dict[str, Any]) -> Path:
        path = self.root / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content), encoding="utf-8")
        return path

    def model(self, name: str, onnx: str, card: str = "") -> Path:
        path = self.write(f"models/{name}/model.yaml", card)
        (path.parent / "model.onnx").symlink_to(sight.model(onnx))
        return path

    def check(self, *files: object) -> tuple[int, list[str]]:
        """Exit code, and the problems with the folder of the site taken off."""
        done = sight.run("config", "check", "--models", self.root / "models", *files)
        return done.returncode, self.lines(done.stderr)

    def serve(self, *options: object) -> tuple[int, list[str]]:
        """As check, of a server that is expected not to start."""
        done = sight.run("serve", "--config", self.root / "sightd.yaml", *options)
        return done.returncode, self.lines(done.stderr)

    def lines(self, text: str) -> list[str]:
        return [line.replace(f"{self.root}/", "") for line in text.splitlines()]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@pytest.fixture
def scrfd(site: Site) -> Site:
    site.model("scrfd", "scrfd", "labels: [face]\n")
    site.write("sightd.yaml", "listen: 127.0.0.1:0\npipelines: pipelines\nmodels: models\n")
    return site


# --- Pipelines ----------------------------------------------------------------------------------------------------

def test_a_good_site_is_well(scrfd: Site) -> None:
    recipe = scrfd.write("pipelines/faces.yaml", "detect: scrfd\n")
    for path in (recipe, scrfd.root / "pipelines", scrfd.root / "sightd.yaml", scrfd.root / "models/scrfd",
                 scrfd.root / "models/scrfd/model.yaml"):
        done = sight.run("config", "check", "--models", scrfd.root / "models", path)
        assert (done.returncode, done.stdout, done.stderr) == (0, f"{path}: all is well\n", "")


def test_every_problem_of_every_file_at_once(scrfd: Site) -> None:
    scrfd.model("squeeze", "orientation")
    scrfd.write("pipelines/a.yaml", "detect:\n  model: scrfd\n  treshold: 0.5\n  max_objects: many\n")
    scrfd.write("pipelines/b.yaml", "detect: scfrd\n")
    scrfd.write("pipelines/c.yaml", "detect: squeeze\n")
    scrfd.write("pipelines/d.yaml", "detect: {model: scrfd, classes: [fcae]}\nclassify:\n  - scrfd\n")
    scrfd.write("pipelines/e.yaml", "name: f\ndetect: scrfd\n")
    scrfd.write("pipelines/f.yaml", "detect: scrfd\n")
    wanted = [
        'pipelines/a.yaml:3:3: unknown key "treshold" in detect; did you mean "threshold"?',
        "pipelines/a.yaml:4:16: detect.max_objects: expected a whole number, 1 to 4096, got \"many\"",
        'pipelines/f.yaml: another pipeline is called "f" too: pipelines/e.yaml',
        'pipelines/b.yaml:1:9: no model called "scfrd"; did you mean "scrfd"?',
        'pipelines/c.yaml:1:9: model "squeeze" is a classifier, not a detector',
        'pipelines/d.yaml:1:34: model "scrfd" has no class "fcae" (its numbers are 0 to 0); did you mean "face"?',
        'pipelines/d.yaml:3:5: model "scrfd" is a detector, not a classifier',
    ]
    code, found = scrfd.check(scrfd.root / "pipelines")
    assert code == 1
    assert found == wanted
    # The server says the same, and does not start.
    assert scrfd.serve() == (1, wanted)
    assert scrfd.check(scrfd.root / "sightd.yaml") == (1, wanted)


def test_stages_must_fit_each_other(scrfd: Site) -> None:
    scrfd.write("pipelines/p.yaml", "detect_inside: scrfd\nread: scrfd\n")
    code, found = scrfd.check(scrfd.root / "pipelines/p.yaml")
    assert code == 1
    assert found == ["pipelines/p.yaml:1:1: a pipeline needs `detect:` or `classify:`",
                     "pipelines/p.yaml:1:16: `detect_inside:` needs `detect:`, whose boxes it looks into",
                     "pipelines/p.yaml:2:7: `read:` needs `detect:`, whose boxes it reads",
                     'pipelines/p.yaml:2:7: model "scrfd" is a detector, not a text reader']


def test_files_that_are_not_yaml_or_not_there(site: Site) -> None:
    path = site.write("pipelines/p.yaml", "detect: [\n")
    code, found = site.check(path)
    assert code == 1 and len(found) == 1 and re.match(r"pipelines/p.yaml:\d+:\d+: not valid YAML: ", found[0])
    assert site.check(site.root / "nix.yaml") == (1, ['sight config check: no file or folder "nix.yaml"'])
    empty = site.write("other.yaml", "colour: blue\n")
    assert site.check(empty) == (1, ["other.yaml:1:1: no key of a pipeline, a model card or the server's settings"])


def test_classes_of_a_model_without_names(site: Site) -> None:
    """Neither this graph nor its family names classes: what to do about it is said."""
    site.model("m", "deimv2")
    path = site.write("pipelines/p.yaml", "detect: {model: m, classes: [dog]}\n")
    assert site.check(path) == (1, ['pipelines/p.yaml:1:30: model "m" has no class "dog" (it has no labels; `labels:` '
                                    'on its card names them; its numbers are 0 to 65535)'])
    site.write("models/m/model.yaml", "labels: coco80\n")
    assert site.check(path) == (0, [])
    site.write("pipelines/p.yaml", "detect: {model: m, classes: [79, 80], thresholds: {99: 1, 016: 1}}\n")
    assert site.check(path) == (1, [f'pipelines/p.yaml:1:{at}: model "m" has no class "{number}" (its numbers are 0 to '
                                    "79)" for at, number in ((34, "80"), (52, "99"), (59, "016"))])


def test_keys_that_the_head_does_not_use_are_told_of(site: Site) -> None:
    """Each with its place; the file is right, only not for this head. The server's start opens models the same way."""
    path = site.model("m", "yolov8n", "labels: coco80\nscores: probability\nnms: 0.5\nclass_offset: 1\n"
                                      "input: {color: rgb}\nanchors: [1, 2]\nunclip: 2\ntop_k: 3\n")
    wanted = [f"models/m/model.yaml:{place}: head yolov8 does not use `{key}`"
              for place, key in (("4:1", "class_offset"), ("6:1", "anchors"), ("7:1", "unclip"), ("8:1", "top_k"))]
    for file in (path, path.parent, site.write("pipelines/p.yaml", "detect: m\n")):
        code, said = site.check(file)
        assert code == 0
        assert [re.search(r'level=warn msg="([^"]+)" model="m"$', line).group(1)  # type: ignore[union-attr]
                for line in said] == wanted
    site.write("models/m/model.yaml", "labels: coco80\nscores: probability\nstrides: [8, 16, 32]\nthreshold: 0.3\n")
    assert site.check(path) == (0, [])


def test_several_files_are_checked_in_one_go(scrfd: Site) -> None:
    good = scrfd.write("pipelines/good.yaml", "detect: scrfd\n")
    bad = scrfd.write("pipelines/bad.yaml", "detect: nix\n")
    done = sight.run("config", "check", "--models", scrfd.root / "models", bad, good)
    assert done.returncode == 1
    assert f"{good}: all is well" in done.stdout
    assert "bad.yaml:1:9: no model called \"nix\"" in done.stderr


# --- Cards --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("card, problem", [
    ("threshold: 0.5\nlables: [face]\n", ':2:1: unknown key "lables"; did you mean "labels"?'),
    ("labels: faces.txt\n", ':1:9: labels "models/scrfd/faces.txt" cannot be read: No such file or directory'),
    ("file: other.onnx\n", ':1:7: no model file "models/scrfd/other.onnx"; `make deps` fetches those of sightd'),
    ("threshold: 2\n", ":1:12: threshold: expected 0 to 1, got 2"),
    ("input: {color: brg}\n", ':1:16: input.color: expected rgb, bgr or gray, got "brg"; did you mean "bgr"?'),
    ("labels: [face]\noutputs: {out9: [a, b]}\n", ':2:11: the graph has no output "out9"; did you mean "out0"?'),
    ("head: scrdf\n", ':1:7: head: no kind is called "scrdf"; did you mean "scrfd"?'),
    ("golden: {image: nix.jpg, objects: [{label: face}]}\n",
     ':1:17: golden picture "models/scrfd/nix.jpg" cannot be read: No such file or directory'),
    ("golden: {objects: [{label: face}]}\n", ':1:9: golden: "image" is missing'),
    ("golden: {image: a.jpg, objects: [{score: 0.5}]}\n",
     ":1:34: golden.objects[0]: one of label, class_id, text or value is missing"),
    ("golden:\n  image: a.jpg\n  objects:\n  - label: face\n  - {class_id: 0, box: [10, 20, 10, 40]}\n",
     ":5:5: golden.objects[1].box: expected x1, y1, x2, y2 with x1 < x2 and y1 < y2"),
    ("golden:\n  image: a.jpg\n  objects:\n  - {label: face, box: [10, 20, 11, 20]}\n",
     ":4:5: golden.objects[0].box: expected x1, y1, x2, y2 with x1 < x2 and y1 < y2"),
], ids=lambda v: v.split("\n")[0][:24].strip() if not v.startswith(":") else "")
def test_cards_that_are_wrong(scrfd: Site, card: str, problem: str) -> None:
    path = scrfd.write("models/scrfd/model.yaml", card)
    scrfd.write("pipelines/faces.yaml", "detect: scrfd\n")
    assert scrfd.check(path) == (1, [f"models/scrfd/model.yaml{problem}"])
    code, found = scrfd.serve()
    assert code == 1
    assert found[0] == f"models/scrfd/model.yaml{problem}"


def test_a_head_that_does_not_fit_is_shown_on_the_card(scrfd: Site) -> None:
    path = scrfd.write("models/scrfd/model.yaml", "labels: [face]\nhead: yolov8\n")
    code, found = scrfd.check(path)
    assert code == 1 and len(found) == 1
    assert re.match(r"models/scrfd/model.yaml:2:7: head yolov8: .*expected .*, got ", found[0])


def test_a_colour_that_the_graph_cannot_take(scrfd: Site) -> None:
    """It was found out by the first picture, when the server had long been ready."""
    code, found = scrfd.check(scrfd.write("models/scrfd/model.yaml", "labels: [face]\ninput: {color: gray}\n"))
    assert code == 1
    assert "the card says `input: {color: gray}`" in found[0]
    assert found[0].endswith("1x3x640x640, with 3 channels; rgb or bgr is meant")


def test_a_fixed_size_cannot_be_changed_by_the_card(scrfd: Site) -> None:
    path = scrfd.write("models/scrfd/model.yaml", "labels: [face]\ninput: {size: 320}\n")
    code, found = scrfd.check(path)
    assert code == 1
    assert "the card says `input: {size: [320, 320]}`, but the graph is fixed at 640x640" in found[0]


def test_the_name_on_a_card_is_the_models_name(scrfd: Site) -> None:
    scrfd.write("models/scrfd/model.yaml", "name: people\nlabels: [face]\n")
    assert scrfd.check(scrfd.write("pipelines/p.yaml", "detect: people\n"))[0] == 0
    assert scrfd.check(scrfd.write("pipelines/p.yaml", "detect: scrfd\n"))[0] == 1


def test_a_card_beside_its_graph_needs_no_folder(site: Site) -> None:
    (site.root / "models/a.onnx").symlink_to(sight.model("scrfd"))
    (site.root / "models/b.onnx").symlink_to(sight.model("orientation"))
    site.write("models/a.yaml", "labels: [face]\n")
    assert site.check(site.write("pipelines/p.yaml", "detect: {model: a, classes: [face]}\nclassify: b\n")) == (0, [])


@pytest.mark.parametrize("folder", SHIPPED, ids=lambda p: p.name)
def test_the_cards_of_sightd_are_well(folder: Path) -> None:
    if not (folder / "model.onnx").exists():
        pytest.skip("skipped: the model is absent (make deps)")
    done = sight.run("config", "check", folder)
    assert (done.returncode, done.stderr) == (0, "")
    listed = sight.run("model", "list", check=True).stdout
    entry = listed[listed.index(f"{folder.name}\n"):].splitlines()
    assert entry[1].strip() and "not said" not in entry[2] and "from: npm" in entry[2]


# --- Goldens ------------------------------------------------------------------------------------------------------

# From tests/goldens/retinaface__zidane.jpg.json: scrfd is a stand-in that finds the same.
GOLDEN = """\
labels: [face]
threshold: 0.75
golden:
  image: zidane.jpg
  only: true
  objects:
    - { label: face, box: [912.82, 101.95, 1053.78, 284.37], score: 0.9961 }
    - { label: face, box: [548.35, 267.83, 655.06, 426.37], score: 0.9984 }
"""


@pytest.fixture
def golden(scrfd: Site) -> Site:
    scrfd.write("models/scrfd/model.yaml", GOLDEN)
    scrfd.write("pipelines/faces.yaml", "detect: scrfd\n")
    (scrfd.root / "models/scrfd/zidane.jpg").symlink_to(sight.IMAGES / "zidane.jpg")
    return scrfd


def test_goldens_that_agree(golden: Site) -> None:
    assert golden.check(golden.root / "models/scrfd") == (0, [])
    assert golden.check(golden.root / "pipelines") == (0, [])


def test_goldens_that_differ_say_how(golden: Site) -> None:
    golden.write("models/scrfd/model.yaml", GOLDEN.replace("912.82", "812.82").replace("0.9984", "0.85"))
    wanted = ["models/scrfd/model.yaml:7:7: golden zidane.jpg: expected face at [813, 102, 1054, 284] score 0.996, "
              "closest face at [913, 102, 1054, 284] score 0.99",
              "models/scrfd/model.yaml:8:7: golden zidane.jpg: expected face at [548, 268, 655, 426] score 0.850, "
              "closest face at [54"]
    for code, found in (golden.check(golden.root / "models/scrfd"), golden.serve()):
        assert code == 1
        assert len(found) == 2 and all(f.startswith(w) for f, w in zip(found, wanted)), found
        assert "IoU 0.58, expected 0.9 or more" in found[0] and "(may differ by 0.05)" in found[1]


def test_nothing_else_may_be_found_with_only(golden: Site) -> None:
    golden.write("models/scrfd/model.yaml", "\n".join(GOLDEN.splitlines()[:-1]) + "\n")
    code, found = golden.check(golden.root / "models/scrfd")
    assert code == 1
    assert len(found) == 1 and "was found and is not expected (only: true)" in found[0]
    golden.write("models/scrfd/model.yaml", "\n".join(GOLDEN.replace("only: true", "only: false").splitlines()[:-1]))
    assert golden.check(golden.root / "models/scrfd") == (0, [])


def test_goldens_of_classifiers(site: Site) -> None:
    """From tests/goldens/orientation__page_90.png.json: 270 degrees 0.925, and each other way below 0.04."""
    card = (f"labels: [up, right, down, left]\n"
            f"golden:\n  image: {sight.IMAGES}/page_90.png\n  objects:\n")
    path = site.model("squeeze", "orientation", card + "    - {label: left, score: 0.925}\n")
    assert site.check(path) == (0, [])
    path.write_text(card + "    - {label: up, score: 0.925}\n", encoding="utf-8")
    code, found = site.check(path)
    assert code == 1 and "expected up score 0.925, closest left score 0.92" in found[0]


def test_a_card_that_is_wrong_is_held_against_its_graph_too(site: Site) -> None:
    """Both mistakes at once: SCRFD has nine outputs, none of them YOLOv8's."""
    path = site.model("two", "scrfd", "iou: 2\nhead: yolov8\n")
    code, found = site.check(path)
    assert code == 1 and len(found) == 2
    assert found[0] == "models/two/model.yaml:1:6: iou: expected 0 to 1 IoU, got 2"
    assert found[1].startswith("models/two/model.yaml:2:7: head yolov8: output ")


# --- Settings -----------------------------------------------------------------------------------------------------

def test_settings_that_are_wrong(scrfd: Site) -> None:
    scrfd.write("pipelines/faces.yaml", "detect: scrfd\n")
    path = scrfd.write("sightd.yaml", "lisen: 127.0.0.1:0\nmax_queue: 0\nreceive_timeout: soon\n")
    code, found = scrfd.check(path)
    assert code == 1
    assert found[0] == 'sightd.yaml:1:1: unknown key "lisen"; did you mean "listen"?'
    assert found[1].startswith("sightd.yaml:2:12: max_queue: expected 1 to 65536")
    assert found[2].startswith("sightd.yaml:3:18: receive_timeout: expected a duration")
    assert scrfd.serve() == (1, found)
    path = scrfd.write("sightd.yaml", "listen: tcp://0.0.0.0\ncors_origins: [localhost]\n")
    code, found = scrfd.check(path)
    assert code == 1 and len(found) == 2
    assert found[0].startswith('sightd.yaml:2:16: cors_origins: "localhost" is no origin')
    assert found[1].startswith('sightd.yaml:1:9: listen address "tcp://0.0.0.0" has a scheme')
    assert scrfd.serve() == (1, found)


def test_entries_of_lists_that_are_no_texts(scrfd: Site) -> None:
    path = scrfd.write("sightd.yaml", 'pipelines: [[a]]\nmodels: [""]\ncors_origins: [{a: b}]\n')
    code, found = scrfd.check(path)
    assert code == 1 and found == [
        "sightd.yaml:1:13: pipelines: expected text or a list of texts, got a list",
        'sightd.yaml:2:10: models: expected text or a list of texts, got ""',
        "sightd.yaml:3:16: cors_origins: expected text or a list of texts, got a map"]


def test_references_of_the_settings(scrfd: Site) -> None:
    scrfd.write("pipelines/faces.yaml", "detect: scrfd\n")
    path = scrfd.write("sightd.yaml", "listen: 127.0.0.1:0\npipelines: pipelines\nmodels: models\n"
                                      "default_pipeline: face\n")
    wanted = ['sightd.yaml:4:19: no pipeline called "face"; there are: faces; did you mean "faces"?']
    assert scrfd.check(path) == (1, wanted)
    assert scrfd.serve() == (1, wanted)
    scrfd.write("sightd.yaml", "listen: 127.0.0.1:0\npipelines: [pipelines, nix]\nmodels: none\n")
    code, found = scrfd.check(path)
    assert code == 1
    assert found[0] == 'sightd.yaml:3:9: cannot read models folder "none": No such file or directory'
    assert found[1] == 'sightd.yaml:2:24: "nix" cannot be read: No such file or directory'
    assert scrfd.serve() == (1, found)


def test_flags_win_over_the_file(scrfd: Site, tmp_path: Path) -> None:
    """The file's pipelines are broken; those of the flag are not looked for beside the file."""
    scrfd.write("pipelines/faces.yaml", "detect: nix\n")
    assert scrfd.serve()[0] == 1
    other = scrfd.write("elsewhere/face.yaml", "detect: nax\n")
    code, found = scrfd.serve("--pipelines", other.parent)
    assert code == 1
    assert found == ['elsewhere/face.yaml:1:9: no model called "nax" in the models folders; `sight model list` lists '
                     "what there is"]


def test_what_a_file_says_is_no_control_to_the_terminal(tmp_path: Path) -> None:
    """ECMA-48: ESC [ and, as one character, U+009B begin what terminals obey. YAML has both, and escapes for them."""
    card = tmp_path / "model.yaml"
    card.write_text('iou: "\\e[31mred\\x9b7m"\nthreshold:\t"\u009b31m"\n', encoding="utf-8")
    done = sight.run("config", "check", card)
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "?[31mred?" in said and "31m" in said, said
    assert not {c for c in said if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160}, ascii(said)
