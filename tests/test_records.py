# SPDX-License-Identifier: MIT
"""Blocks of records of older and later servers: what Python reads of them.

The blocks are packed here by the numbers of docs/PROTOCOL.md, also with the sizes of before there were `stream` and
`track_id`. The readers are the package's, that of examples/client_v2.py and the one printed in the document.
"""
from __future__ import annotations

import importlib.util
import json
import pickle
import struct
from typing import Any

import pytest
import sightd
from conftest import ROOT
from sightd import records

spec = importlib.util.spec_from_file_location("client_v2", ROOT / "examples" / "client_v2.py")
assert spec and spec.loader
v2 = importlib.util.module_from_spec(spec)
spec.loader.exec_module(v2)

IDS = (0xFEDCBA9876543210, 0)
HEAD, OBJECT = 96, 88  # with stream, with track_id; before that 88 and 80
SIZES = [(88, 80), (HEAD, OBJECT), (HEAD, 80), (88, OBJECT), (92, 84), (104, 96)]


def block(head: int, size: int) -> bytes:
    """Two objects of the pipeline "cars" in the stream "gate"; what is behind a field that does not fit is 0xee."""
    tables, texts = head + 2 * size, b"carsgatevan"
    rows = b""
    for k, number in enumerate(IDS):
        row = struct.pack("<4fifi", 1.0, 2.0, 3.0 + k, 4.0, 7 + k, 0.5, -1 + k) + struct.pack(
            "<4If8I", tables + 8, 3, 0, 0, 0.0, 0, 0, 0, 0, 0, 0, 0, 0)
        assert len(row) == 80
        rows += (row + (struct.pack("<Q", number) if size >= OBJECT else b"")).ljust(size, b"\xee")
    first = struct.pack("<4sHHIHHIIIIIIIII9I", b"SGR1", 1, head, tables + len(texts), size, 52, 640, 480, head, 2,
                        0, 0, 0, tables, 4, *range(1, 10))
    assert len(first) == 88
    return (first + (struct.pack("<II", tables + 4, 4) if head >= HEAD else b"")).ljust(head, b"\xee") + rows + texts


def said(head: int, size: int) -> dict[str, Any]:
    """The native reply that it stands for."""
    objects: list[dict[str, Any]] = [
        {"bbox": {"x": 1.0, "y": 2.0, "w": 3.0, "h": 4.0}, "class_id": 7, "label": "van", "score": 0.5},
        {"bbox": {"x": 1.0, "y": 2.0, "w": 4.0, "h": 4.0}, "class_id": 8, "label": "van", "score": 0.5, "parent": 0}]
    if size >= OBJECT:
        objects[0]["track_id"] = IDS[0]
    return {"pipeline": "cars", **({"stream": "gate"} if head >= HEAD else {}), "image": {"width": 640, "height": 480},
            "objects": objects}


@pytest.mark.parametrize("head,size", SIZES)
def test_the_package_reads_them(head: int, size: int) -> None:
    expected, data = said(head, size), block(head, size)
    assert {key: value for key, value in records.read(data).items() if key != "timing_us"} == expected
    result = sightd.Result.from_body(data, is_records=True)
    assert result.stream == expected.get("stream")  # the first look into it
    assert [found.track_id for found in result.objects] == [found.get("track_id") for found in expected["objects"]]
    assert result.timing_us["queue"] == 1 and result.timing_us["total"] == 9
    told = json.loads(result.to_json())
    assert told == {**expected, "timing_us": result.timing_us}
    of_json = sightd.Result.from_body(json.dumps(expected).encode())
    assert of_json == result == pickle.loads(pickle.dumps(of_json))
    assert list(json.loads(of_json.to_json())) == list(expected)  # the server's order
    again = records.read(records.write(result))
    assert again.get("stream") == expected.get("stream")
    assert [found.get("track_id") for found in again["objects"]] == [found.track_id for found in result.objects]


@pytest.mark.parametrize("head,size", SIZES)
def test_arrays_are_views_of_them(head: int, size: int) -> None:
    np = pytest.importorskip("numpy", reason="skipped: numpy is absent")
    result = sightd.Result.from_body(block(head, size), is_records=True)
    assert result.boxes.tolist() == [[1, 2, 3, 4], [1, 2, 4, 4]]
    assert result.class_ids.tolist() == [7, 8] and result.scores.dtype == np.float32


@pytest.mark.parametrize("head,size", SIZES)
def test_the_example_reads_them(head: int, size: int) -> None:
    told = v2.parse_records(block(head, size))
    assert told.pop("timing_us")["total"] == 9
    assert told == said(head, size)


@pytest.mark.parametrize("head,size", SIZES)
def test_the_dtypes_of_the_document_fit_them(head: int, size: int) -> None:
    pytest.importorskip("numpy", reason="skipped: numpy is absent")
    document = (ROOT / "docs" / "PROTOCOL.md").read_text(encoding="utf-8")
    code = document[document.index("import numpy as np"):]
    names: dict[str, Any] = {}
    exec(code[:code.index("```")], names)  # pylint: disable=exec-used
    data = block(head, size)
    row, objects, attributes = names["read_records"](data)
    assert row["width"] == 640 and row["timing_us"].tolist() == list(range(1, 10)) and len(attributes) == 0
    assert objects["class_id"].tolist() == [7, 8] and objects["parent"].tolist() == [-1, 0]
    assert objects["bbox"].tolist() == [[1, 2, 3, 4], [1, 2, 4, 4]]
    at, count = objects["label"][1].tolist()
    assert data[at:at + count] == b"van"
    assert ("track_id" in objects.dtype.names) == (size >= OBJECT) and ("stream" in row.dtype.names) == (head >= HEAD)
    if size >= OBJECT:
        assert objects["track_id"].tolist() == list(IDS)
    if head >= HEAD:
        at, count = row["stream"].tolist()
        assert data[at:at + count] == b"gate"
