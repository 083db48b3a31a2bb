# SPDX-License-Identifier: MIT
"""libsight from outside: the header alone, the examples compiled as a user would and run on real photographs, the
client's calls by ctypes against a real server, what the library exports, valgrind.

Expected objects: `sight detect` on the same pictures, which test_faces.py and test_pipelines.py hold against
goldens; in process and over the network must say the same.
"""
from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Server, sanitized
from sight import BUILD, SIGHT

LIBRARY = BUILD / "libsight.so"
FACES = sorted((ROOT / "deps" / "samples" / "faces").glob("*.jpg"))
COMPILERS = {"c99": ["cc", "-std=c99", "-pedantic"], "c++17": ["c++", "-std=c++17", "-x", "c++"]}
STRICT = ["-Wall", "-Wextra", "-Werror"]
TIMED_OUT, NOT_FOUND, INVALID, EMPTY, CANCELLED, IO = -17, -9, -3, -6, -15, -18

pytestmark = [pytest.mark.skipif(not LIBRARY.exists(), reason=f"skipped: {LIBRARY} is not built"),
              pytest.mark.skipif(not FACES, reason="skipped: no sample photographs; run `make deps`")]
plain = pytest.mark.skipif(sanitized(), reason="skipped: programs without the sanitizer cannot load this libsight")


def build(name: str, language: str, folder: Path) -> Path:
    out = folder / name
    subprocess.run([*COMPILERS[language], *STRICT, f"-I{ROOT / 'include'}", str(ROOT / "examples" / f"{name}.c"),
                    "-x", "none", "-o", str(out), f"-L{BUILD}", "-lsight", f"-Wl,-rpath,{BUILD}"], check=True)
    return out


@pytest.mark.parametrize("language", COMPILERS)
def test_the_header_alone(language: str, tmp_path: Path) -> None:
    source = tmp_path / "alone.c"
    source.write_text("#include <sight.h>\n#include <sight.h>\nint main(void) { return SIGHT_OK; }\n")
    subprocess.run([*COMPILERS[language], *STRICT, f"-I{ROOT / 'include'}", "-fsyntax-only", str(source)], check=True)


def test_examples_are_short() -> None:
    for name in ("detect.c", "client.c"):
        assert len((ROOT / "examples" / name).read_text(encoding="utf-8").splitlines()) < 60, name


def test_the_process_stays_its_owners(tmp_path: Path) -> None:
    """FFmpeg's log callback and level, libtiff's handlers and libheif's decoders are as before."""
    files = []
    for name in ("png", "tiff-jpeg", "heic", "avif", "webp-lossy", "jpeg2000", "bmp"):
        data = (ROOT / "fuzz" / "corpus" / "decode" / name).read_bytes()[1:]
        for kind, content in (("sound", data), ("damaged", data[:-len(data) // 3])):
            files.append(tmp_path / f"{kind}-{name}")
            files[-1].write_bytes(content)
    done = subprocess.run([str(BUILD / "host_process"), "faces", str(tmp_path / "sound-heic"), *map(str, files)],
                          cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert "log kept, 0 messages shown, tiff 0" in lines[-1]
    codes = [line.rsplit(": ", 1)[1] == "0" for line in lines[:-1]]
    assert codes == [True, False] * 7, done.stdout


def detected(pipeline: str) -> dict[str, list[str]]:
    """Of each picture what examples/detect.c prints of an object, from the tool's own reply."""
    done = subprocess.run([str(SIGHT), "detect", "--json", "--pipeline", pipeline, *map(str, FACES)], cwd=ROOT,
                          capture_output=True, text=True, check=True)
    found = {}
    for line in done.stdout.splitlines():
        reply = json.loads(line)
        found[reply["source"]] = [o["label"] for o in reply["objects"]]
    return found


@plain
@pytest.mark.parametrize("language", COMPILERS)
def test_detect_example(language: str, tmp_path: Path) -> None:
    program = build("detect", language, tmp_path)
    done = subprocess.run([str(program), "faces", *map(str, FACES)], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, list[str]] = {str(path): [] for path in FACES}
    for line in done.stdout.splitlines():
        source, label, _score, _at, _size = line.rsplit(" ", 4)
        found[source].append(label)
    assert found == detected("faces")
    bad = subprocess.run([str(program), "no-such", str(FACES[0])], cwd=tmp_path, capture_output=True, text=True)
    assert bad.returncode == 1 and "faces" in bad.stderr and bad.stdout == ""


@plain
@pytest.mark.parametrize("language", COMPILERS)
def test_client_example(language: str, server: Server, tmp_path: Path) -> None:
    program = build("client", language, tmp_path)
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(FACES[0].read_bytes()[:2000])
    done = subprocess.run([str(program), f"127.0.0.1:{server.port}", *map(str, FACES), str(broken)], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == 1 and f"request {len(FACES) + 1}: " in done.stderr, done.stderr
    replies = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert sorted(replies) == [str(i + 1) for i in range(len(FACES))]
    expected = detected("objects")
    for number, text in replies.items():
        reply = json.loads(text)
        assert [o["label"] for o in reply["objects"]] == expected[str(FACES[int(number) - 1])]


def opencv_flags() -> list[str]:
    """What finds OpenCV's headers and libraries, which Debian's libopencv-dev has."""
    flags = ["-I/usr/include/opencv4"]
    done = subprocess.run(["c++", *flags, "-E", "-x", "c++", "-"], input="#include <opencv2/imgcodecs.hpp>\n",
                          text=True, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("skipped: OpenCV's headers are absent (libopencv-dev)")
    return [*flags, "-lopencv_imgcodecs", "-lopencv_core"]


@plain
def test_opencv_example(tmp_path: Path) -> None:
    """A Mat says what the file says; half a Mat, whose rows have gaps, what a file of that half says."""
    flags = opencv_flags()
    program, half = tmp_path / "opencv", tmp_path / "half.png"
    subprocess.run(["c++", "-std=c++17", *STRICT, f"-I{ROOT / 'include'}", str(ROOT / "examples" / "opencv.cpp"), "-o",
                    str(program), f"-L{BUILD}", "-lsight", f"-Wl,-rpath,{BUILD}", *flags], check=True)
    photo = max(FACES, key=lambda path: len(detected("faces")[str(path)]))
    pillow = pytest.importorskip("PIL.Image", reason="skipped: Pillow is absent")
    with pillow.open(photo) as picture:
        picture.crop((0, 0, (picture.width + 1) // 2, picture.height)).save(half)
    done = subprocess.run([str(program), "faces", str(photo)], cwd=ROOT, capture_output=True, text=True, check=True)
    expected = []
    for path in (photo, half):
        said = subprocess.run([str(SIGHT), "detect", "--json", "--pipeline", "faces", "--decode", "exact", str(path)],
                              cwd=ROOT, capture_output=True, text=True, check=True)
        name = "left half:" if path == half else str(path)
        for o in json.loads(said.stdout)["objects"]:
            expected.append((name, o["label"], o["score"], [o["bbox"][side] for side in "xywh"]))
    assert len(expected) > 3
    for line, (name, label, score, box) in zip(done.stdout.splitlines(), expected, strict=True):
        source, said_label, said_score, at, size = line.rsplit(" ", 4)
        assert (source, said_label) == (name, label)
        assert float(said_score) == pytest.approx(score, abs=0.011)
        assert [*map(float, f"{at},{size.replace('x', ',')}".split(","))] == pytest.approx(box, abs=1.01)


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 512)]


@plain
def test_client_calls(server: Server) -> None:
    """Waiting by id and out of order, not at all, for what is not there; cancel; a server that goes."""
    call = ctypes.CDLL(str(LIBRARY))
    call.sight_result_json.restype = call.sight_client_pipeline.restype = ctypes.c_char_p
    client, result, error = ctypes.c_void_p(), ctypes.c_void_p(), Error()
    number = ctypes.c_uint64()
    image = FACES[0].read_bytes()

    def submit(data: bytes = image) -> int:
        return call.sight_client_submit(client, data, ctypes.c_size_t(len(data)), None, ctypes.byref(number),
                                        ctypes.byref(error))

    def wait(which: int, ms: int) -> int:
        return call.sight_client_wait(client, ctypes.c_uint64(which), ms, result, ctypes.byref(number),
                                      ctypes.byref(error))

    address = f"127.0.0.1:{server.port}".encode()
    assert call.sight_client_connect(address, None, ctypes.byref(client), ctypes.byref(error)) == 0, error.message
    assert call.sight_result_create(ctypes.byref(result)) == 0
    names = []
    while name := call.sight_client_pipeline(client, len(names), None):
        names.append(name.decode())
    assert "faces" in names and call.sight_client_window(client) == 64
    assert wait(0, 0) == NOT_FOUND and number.value == 0
    assert submit(b"") == EMPTY and number.value == 0
    for expected in range(1, 9):
        assert submit() == 0 and number.value == expected
    assert call.sight_client_pending(client) == 8
    for which in (8, 3):
        assert wait(which, -1) == 0 and number.value == which
        assert json.loads(call.sight_result_json(result, 0, None))["image"]["width"] > 0
    assert wait(3, 0) == NOT_FOUND, "it was taken"
    seen = set()
    for _ in range(6):
        assert wait(0, 60000) == 0
        seen.add(number.value)
    assert seen == {1, 2, 4, 5, 6, 7}
    for _ in range(8):
        assert submit() == 0
    assert call.sight_client_cancel(client, ctypes.c_uint64(16), None) in (0, NOT_FOUND)
    assert wait(16, -1) in (0, CANCELLED) and number.value == 16
    assert call.sight_client_cancel(client, ctypes.c_uint64(16), None) == NOT_FOUND
    call.sight_client_close(ctypes.byref(client))
    assert not client
    call.sight_result_destroy(ctypes.byref(result))


@plain
def test_a_server_that_is_killed(start_server) -> None:
    """Everything under way is answered exactly once, with an error; what follows is refused."""
    running = start_server("--workers", "1")
    call = ctypes.CDLL(str(LIBRARY))
    client, result, error = ctypes.c_void_p(), ctypes.c_void_p(), Error()
    number = ctypes.c_uint64()
    image = FACES[0].read_bytes()
    address = f"127.0.0.1:{running.port}".encode()
    assert call.sight_client_connect(address, None, ctypes.byref(client), ctypes.byref(error)) == 0, error.message
    call.sight_result_create(ctypes.byref(result))
    for _ in range(40):
        assert call.sight_client_submit(client, image, ctypes.c_size_t(len(image)), None, None, None) == 0
    running.stop(9)
    answers = {}
    while call.sight_client_pending(client):
        code = call.sight_client_wait(client, ctypes.c_uint64(0), 20000, result, ctypes.byref(number), None)
        assert number.value not in answers
        answers[number.value] = code
    assert sorted(answers) == list(range(1, 41)) and set(answers.values()) <= {0, IO} and IO in answers.values()
    assert call.sight_client_submit(client, image, ctypes.c_size_t(len(image)), None, None, ctypes.byref(error)) == IO
    call.sight_result_destroy(ctypes.byref(result))
    call.sight_client_close(ctypes.byref(client))


@plain
def test_raw_pixels_over_the_network(server: Server) -> None:
    """Rows with gaps in NV12 and BGR give what tight rows give."""
    numpy = pytest.importorskip("numpy", reason="skipped: no numpy")
    cv2 = pytest.importorskip("cv2", reason="skipped: no OpenCV")

    class Pixels(ctypes.Structure):
        _fields_ = [("size", ctypes.c_size_t), ("format", ctypes.c_int), ("width", ctypes.c_int),
                    ("height", ctypes.c_int), ("stride", ctypes.c_size_t), ("data", ctypes.c_void_p),
                    ("data_bytes", ctypes.c_size_t), ("chroma", ctypes.c_void_p), ("chroma_bytes", ctypes.c_size_t)]

    call = ctypes.CDLL(str(LIBRARY))
    call.sight_result_json.restype = ctypes.c_char_p
    client, result, error = ctypes.c_void_p(), ctypes.c_void_p(), Error()
    address = f"127.0.0.1:{server.port}".encode()
    assert call.sight_client_connect(address, None, ctypes.byref(client), ctypes.byref(error)) == 0, error.message
    call.sight_result_create(ctypes.byref(result))
    image = cv2.imread(str(FACES[0]))
    height, width = (side // 2 * 2 for side in image.shape[:2])
    image = numpy.ascontiguousarray(image[:height, :width])
    wide = numpy.zeros((height, width + 50, 3), numpy.uint8)
    wide[:, :width] = image
    # A picture of two planes whose content does not matter: the luma of the photograph, no colour.
    luma = numpy.full((height, width + 30), 7, numpy.uint8)
    luma[:, :width] = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    chroma = numpy.full((height // 2, width + 30), 128, numpy.uint8)
    nv12 = numpy.concatenate([luma[:, :width], chroma[:, :width]])

    def replies(pixels: Pixels) -> str:
        assert call.sight_client_submit_pixels(client, ctypes.byref(pixels), None, None,
                                               ctypes.byref(error)) == 0, error.message
        assert call.sight_client_wait(client, ctypes.c_uint64(0), -1, result, None,
                                      ctypes.byref(error)) == 0, error.message
        return call.sight_result_json(result, 1, None).decode()

    size = ctypes.sizeof(Pixels)
    tight = replies(Pixels(size, 2, width, height, 0, image.ctypes.data, image.nbytes, None, 0))
    assert json.loads(tight)["objects"], "the photograph shows people"
    assert replies(Pixels(size, 2, width, height, 3 * (width + 50), wide.ctypes.data, wide.nbytes, None, 0)) == tight
    assert replies(Pixels(size, 4, width, height, 0, nv12.ctypes.data, nv12.nbytes, None, 0)) == \
        replies(Pixels(size, 4, width, height, width + 30, luma.ctypes.data, luma.nbytes, chroma.ctypes.data,
                       chroma.nbytes))
    call.sight_result_destroy(ctypes.byref(result))
    call.sight_client_close(ctypes.byref(client))


def test_exports() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "scripts" / "abi"), str(BUILD)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    dynamic = subprocess.run(["readelf", "-d", str(LIBRARY)], capture_output=True, text=True, check=True).stdout
    assert "soname: [libsight.so.0]" in dynamic


def checked(*command: str) -> str:
    """Standard output of a program in which valgrind finds no invalid access and nothing of ours definitely lost."""
    done = subprocess.run(["valgrind", "--error-exitcode=9", "--leak-check=full", "--errors-for-leak-kinds=definite",
                           f"--suppressions={ROOT / 'tests' / 'valgrind.supp'}", "-q", *command], cwd=ROOT,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


needs_valgrind = pytest.mark.skipif(not shutil.which("valgrind"), reason="skipped: no valgrind")


@plain
@needs_valgrind
def test_valgrind(tmp_path: Path) -> None:
    """In process. tests/valgrind.supp has what the runtime keeps."""
    program = build("detect", "c99", tmp_path)
    assert " face " in checked(str(program), str(ROOT / "models" / "blazeface" / "model.onnx"), str(FACES[0]))


@plain
@needs_valgrind
def test_valgrind_client(server: Server, tmp_path: Path) -> None:
    """Over the network."""
    program = build("client", "c99", tmp_path)
    out = checked(str(program), f"127.0.0.1:{server.port}", *map(str, FACES))
    assert len(out.splitlines()) == len(FACES)
