# SPDX-License-Identifier: MIT
"""What a shell sees of `sight`: completions run by real shells, man pages read by real readers, versions."""
from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sight

PAGES = ["sight", "sight-detect", "sight-send", "sight-serve", "sight-bench", "sight-model", "sight-config",
         "sight-completion", "sight-version"]


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(not shutil.which(program), reason=f"skipped: {program} is not installed")


def flags_of(command: str) -> set[str]:
    """The long flags that the help names."""
    text = sight.run(*command.split(), "--help", check=True).stdout
    return set(re.findall(r"^  (?:-\w, |    )(--[\w-]+)", text, re.MULTILINE))


def completed(line: str, cwd: Path = sight.ROOT) -> set[str]:
    """What bash offers for the last word of the line, whose words are those between blanks and = signs."""
    words = re.findall(r"=|[^ =]+|(?<= )$", line)
    script = ('source <("$1" completion bash); shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _sight; '
              'printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "-euc", script, "bash", str(sight.SIGHT), *words], cwd=cwd, check=True, text=True,
                          capture_output=True, timeout=60)
    assert done.stderr == ""
    return set(done.stdout.split("\n")) - {""}


@pytest.mark.parametrize("command", ["detect", "send", "serve", "bench", "model list", "model explain", "config check"])
def test_bash_knows_every_flag(command: str) -> None:
    assert completed(f"sight {command} --") == flags_of(command)


def test_bash_knows_commands_and_values(tmp_path: Path) -> None:
    (tmp_path / "some folder").mkdir()
    (tmp_path / "some file.jpg").touch()
    assert {"detect", "serve", "model", "completion"} <= completed("sight ")
    assert completed("sight de") == {"detect"}
    assert completed("sight model ") == {"list", "explain", "run", "bench", "heads"}
    assert completed("sight completion ") == {"bash", "zsh", "fish"}
    assert completed("sight detect --format j") == {"json", "jsonl"}
    assert completed("sight detect -f c") == {"csv", "coco"}
    assert completed("sight detect --format=c") == {"csv", "coco"}
    assert completed("sight detect --annotate s", tmp_path) == {"some folder"}
    assert completed("sight detect s", tmp_path) == {"some folder", "some file.jpg"}
    assert completed("sight detect --pipeline x") == set()
    assert completed("sightd --list") == {"--listen"}


def test_shells_that_there_are_not() -> None:
    done = sight.run("completion", "csh")
    assert done.returncode == 2 and 'got "csh"' in done.stderr


@needs("zsh")
def test_zsh_reads_its_script(tmp_path: Path) -> None:
    (tmp_path / "_sight").write_text(sight.run("completion", "zsh", check=True).stdout, encoding="utf-8")
    done = subprocess.run(["zsh", "-fc", f"fpath=({tmp_path} $fpath); autoload -Uz compinit && compinit -D -u; "
                           "autoload +X _sight && whence -w _sight && print ${_comps[sight]}"],
                          capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "_sight: function\n_sight\n" and done.stderr == ""


@needs("fish")
def test_fish_completes(tmp_path: Path) -> None:
    script = tmp_path / "sight.fish"
    script.write_text(sight.run("completion", "fish", check=True).stdout, encoding="utf-8")
    done = subprocess.run(["fish", "--no-config", "-c", f"source {script}; complete -C 'sight detect --for'; "
                           "complete -C 'sight model exp'; complete -C 'sight detect --format co'"],
                          capture_output=True, text=True, check=True, timeout=60)
    assert [line.split("\t")[0] for line in done.stdout.splitlines()] == ["--format", "explain", "coco"]


@pytest.mark.parametrize("page", PAGES)
def test_man_pages_say_what_the_help_says(page: str) -> None:
    text = sight.run("manual", page, check=True).stdout
    assert text.isascii() and f"\n.TH {page.upper()} 1 " in text
    if page in ("sight-detect", "sight-send", "sight-serve", "sight-bench"):
        named = set(re.findall(r"^(?:\\fB\\-\w\\fR, )?\\fB(\\-\\-[\w\\-]+)\\fR", text, re.MULTILINE))
        assert {n.replace("\\", "") for n in named} == flags_of(page.removeprefix("sight-"))
    for program in (["groff", "-ww", "-man", "-Tutf8", "-Kutf8"], ["mandoc", "-Tlint", "-Wwarning"]):
        if shutil.which(program[0]):
            done = subprocess.run(program, input=text, capture_output=True, text=True, check=False, timeout=60)
            told = [line for line in done.stdout.splitlines() if program[0] == "mandoc" and "outdated" not in line]
            assert (done.stderr, told) == ("", []), page


def test_a_page_that_there_is_not() -> None:
    assert sight.run("manual", "sight-nothing").returncode == 2


def test_version_names_what_it_runs_on() -> None:
    said = sight.run("version", check=True).stdout
    for name in ("sight", "onnxruntime", "libjpeg-turbo", "libtiff", "libwebp", "OpenJPEG", "FFmpeg", "FreeType",
                 "libuv"):
        assert re.search(rf"\b{name} \d+\.\d+", said), name
