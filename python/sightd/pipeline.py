# SPDX-License-Identifier: MIT
"""Pipelines in process, through libsight. Any number of threads may use one."""
from __future__ import annotations

import ctypes
import os
import threading
import weakref
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Iterable, Iterator, List, Optional, Tuple, Union

from . import library, wire
from .errors import ClosedError, InvalidArgument, SightError, with_place
from .flight import in_flight
from .picture import Data, bytes_of, picture_of, source_of
from .result import Result

Path = Union[str, "os.PathLike[str]"]
_OPTIONS_BYTES = ctypes.sizeof(library.InferOptions)


class Pipeline:
    """A pipeline that runs in this process.

    name       of a pipeline ("faces"), the path of its .yaml, or of an .onnx model; None is the default pipeline
    model      instead of a name: an .onnx file, a model's folder or its card
    models, pipelines   folders to look in; see docs/PYTHON.md for what is looked into without them
    threads    cores that a lone picture may use; 0 = all
    decode     "fast" or "exact" for pictures whose pipeline and call do not say
    labels     of a bare model: a file of class names, or a known set such as "coco80"
    engine     runtime of models whose card names none, of those that `sight version` lists; None: the
               one that is measured to be the fastest
    precision  "auto", "f32" or "bf16"; device: what models run on, as the engine calls it, such as "GPU"
    color      channel order of arrays: "bgr" (OpenCV's) or "rgb"

    Arrays of uint8 whose pixels lie one behind the other in each row are used where they lie, as are bytes; rows may
    have gaps (crops of an array). Any other array is copied once.
    """

    def __init__(self, name: Optional[Path] = None, *, model: Optional[Path] = None, models: Optional[Path] = None,
                 pipelines: Optional[Path] = None, threads: int = 0, decode: str = "pipeline",
                 labels: Optional[Path] = None, color: str = "bgr", engine: Optional[str] = None,
                 precision: str = "auto", device: Optional[str] = None) -> None:
        self._handle = ctypes.c_void_p()
        self._library = library.load()
        self._color = color
        self._idle: List[ctypes.c_void_p] = []  # results that nobody uses
        self._state = threading.Condition()
        self._calls = 0
        self._closed = False
        if name is not None and model is not None:
            raise InvalidArgument("give a pipeline or a model, not both")
        if name is not None and os.fspath(name).endswith(".onnx"):
            name, model = None, name
        options = library.OpenOptions(ctypes.sizeof(library.OpenOptions), _bytes(models), _bytes(pipelines), threads,
                                      _decode(decode), 0, 0, _bytes(labels), _bytes(engine), _bytes(device),
                                      _precision(precision))
        error = library.Error()
        opener = self._library.sight_pipeline_open if model is None else self._library.sight_pipeline_open_model
        if opener(_bytes(name if model is None else model), ctypes.byref(options), ctypes.byref(self._handle),
                  ctypes.byref(error)) < 0:
            raise library.raised(self._library, error)
        # Runs at most once: by close(), or when the pipeline is garbage, and then inside any allocation of any thread,
        # so that it takes no lock. A pipeline that is garbage has no call under way.
        self._free = weakref.finalize(self, _free, self._library, self._handle, self._idle)
        self._free.atexit = False  # other threads may still be in it

    @property
    def name(self) -> str:
        return self._text(self._library.sight_pipeline_name)

    @property
    def description(self) -> str:
        return self._text(self._library.sight_pipeline_description)

    @property
    def models(self) -> List[str]:
        """In the order they run."""
        found: List[str] = []
        with self._use():
            while True:
                name = self._library.sight_pipeline_model(self._handle, len(found))
                if name is None:
                    return found
                found.append(name.decode(errors="replace"))

    def labels(self, model: int = 0) -> List[Optional[str]]:
        """Class names of a model, by class id; None where a class has no name."""
        with self._use():
            count = self._library.sight_pipeline_label_count(self._handle, model)
            names = [self._library.sight_pipeline_label(self._handle, model, i) for i in range(count)]
        return [None if name is None else name.decode(errors="replace") for name in names]

    def infer(self, image: Any, *, color: Optional[str] = None, **options: Any) -> Result:
        """Runs it on bytes, a path, a binary file, a numpy array (H x W x 3 or H x W, uint8) or a PIL image.

        options: threshold, iou, max_objects, top_k, decode ("fast", "exact"), deadline_ms.
        """
        return self._infer(image, color or self._color, _infer_options(options) if options else None, None)

    def map(self, images: Iterable[Any], *, window: Optional[int] = None, ordered: bool = True, errors: str = "raise",
            color: Optional[str] = None, **options: Any) -> Iterator[Result]:
        """The results of many pictures, `window` at a time (one for each core), each on a thread of its own;
        otherwise as Client.map()."""
        chosen = _infer_options(options) if options else None
        most = window or _cores()
        pool = ThreadPoolExecutor(max(1, most), "sightd-infer")

        def submit(image: Any, index: int) -> Tuple[Future[Result], int]:
            return pool.submit(self._infer, image, color or self._color, chosen, index), 0

        def late(_: Any) -> SightError:
            raise AssertionError("there is no timeout")

        # One more than there are threads, so that none waits for the caller to take a result.
        return self._closing(pool, in_flight(images, submit, late, window, most + 1, ordered, errors, None))

    def close(self) -> None:
        """Waits for calls under way on other threads, then frees the models."""
        with self._state:
            if self._closed:
                return
            self._closed = True
            self._state.wait_for(lambda: self._calls == 0)
        self._free()

    def __enter__(self) -> Pipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return "<sightd.Pipeline, closed>" if self._closed else f"<sightd.Pipeline {self.name}>"

    def _infer(self, image: Any, color: str, options: Any, index: Optional[int]) -> Result:
        source = source_of(image)
        try:
            picture = picture_of(image, color, keep_stride=True)
            with self._use():
                body = self._run(picture.data, picture.form, options)
        except SightError as error:
            raise with_place(error, source, index)
        return Result.from_body(body, False, source, index)

    def _run(self, data: Data, form: Tuple[int, int, int, int], options: Any) -> bytes:
        """The native reply. `data` is kept alive by the caller's frame for as long as the call lasts."""
        call, error = self._library, library.Error()
        result = self._result()
        kind, width, height, stride = form
        try:
            if kind == wire.ENCODED:
                code = call.sight_infer(self._handle, library.address_of(data), bytes_of(data), options, result,
                                        error)
            else:
                pixels = library.pixels_of(kind, data, width, height, stride)
                code = call.sight_infer_pixels(self._handle, pixels, options, result, error)
            if code < 0:
                raise library.raised(call, error)
            length = ctypes.c_size_t()
            text = call.sight_result_json(result, 0, length)
            if text is None:
                raise MemoryError("no memory for the result")
            return ctypes.string_at(text, length.value)
        finally:
            self._idle.append(result)

    def _result(self) -> ctypes.c_void_p:
        try:
            return self._idle.pop()  # atomic
        except IndexError:
            made = ctypes.c_void_p()
            if self._library.sight_result_create(ctypes.byref(made)) < 0:
                raise MemoryError("no memory for a result") from None
            return made

    def _text(self, function: Any) -> str:
        with self._use():
            text: bytes = function(self._handle)
            return text.decode(errors="replace")

    def _use(self) -> _Use:
        return _Use(self)

    @staticmethod
    def _closing(pool: ThreadPoolExecutor, results: Iterator[Result]) -> Iterator[Result]:
        try:
            yield from results
        finally:
            pool.shutdown(wait=True)

    def _begin(self) -> None:
        with self._state:
            if self._closed:
                raise ClosedError("the pipeline is closed")
            self._calls += 1

    def _end(self) -> None:
        with self._state:
            self._calls -= 1
            if self._closed:
                self._state.notify_all()


class _Use:
    """For as long as it lasts the pipeline is not closed."""

    __slots__ = ("_pipeline",)

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def __enter__(self) -> None:
        self._pipeline._begin()

    def __exit__(self, *_: object) -> None:
        self._pipeline._end()


def _free(call: ctypes.CDLL, handle: ctypes.c_void_p, idle: List[ctypes.c_void_p]) -> None:
    for result in idle:
        call.sight_result_destroy(ctypes.byref(result))
    idle.clear()
    call.sight_pipeline_close(ctypes.byref(handle))


def _bytes(path: Optional[Path]) -> Optional[bytes]:
    return None if path is None else os.fsencode(path)


def _decode(name: str) -> int:
    if name not in wire.DECODES:
        raise InvalidArgument(f'decode is "{name}"; it can be {", ".join(wire.DECODES)}')
    return wire.DECODES[name]


def _precision(name: str) -> int:
    names = ("auto", "f32", "bf16")
    if name not in names:
        raise InvalidArgument(f'precision is "{name}"; it can be {", ".join(names)}')
    return names.index(name)


def _infer_options(given: Any) -> library.InferOptions:
    known = ("threshold", "iou", "max_objects", "top_k", "decode", "deadline_ms")
    wrong = sorted(set(given) - set(known))
    if wrong:
        raise InvalidArgument(f"no such option: {', '.join(wrong)}; there are {', '.join(known)} and color")
    threshold, iou = given.get("threshold"), given.get("iou")
    try:
        return library.InferOptions(_OPTIONS_BYTES, -1.0 if threshold is None else threshold,
                                    -1.0 if iou is None else iou, given.get("max_objects", 0), given.get("top_k", 0),
                                    _decode(given.get("decode", "pipeline")), given.get("deadline_ms", 0), None)
    except TypeError as problem:
        raise InvalidArgument(f"an option is of the wrong type: {problem}") from None


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
