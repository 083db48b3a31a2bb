# SPDX-License-Identifier: MIT
"""HTTP from outside, requests and answers: Python's own client against the real binary with real models.

What is expected comes from RFC 9110 (statuses), from docs/PROTOCOL.md, and from `sight detect`, whose native reply a
picture sent over HTTP must equal.
"""
from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import pickle
import re
import shutil
import subprocess
import zipfile
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import ROOT, Server
from http_client import FORM, Answer, ask, connect, form, post


@pytest.fixture(name="server", scope="module")
def server_of_faces(faces_server: Server) -> Server:
    return faces_server


@pytest.fixture(name="expected", scope="module")
def expected_reply(images: Path, sight: Path) -> dict[str, Any]:
    done = subprocess.run([str(sight), "detect", "--pipeline", "faces", "--json", "--no-timing",
                           str(images / "people.jpg")], cwd=ROOT, capture_output=True, check=True, timeout=120)
    reply: dict[str, Any] = json.loads(done.stdout)
    del reply["source"]
    return reply


def test_ways_to_send_a_picture(server: Server, group: bytes, expected: dict[str, Any]) -> None:
    """Raw, form and JSON give what `sight detect` gives for the same file."""
    text = base64.b64encode(group).decode()
    bodies = [
        (group, "image/jpeg"), (group, "application/octet-stream"), (group, "application/x-www-form-urlencoded"),
        (form([("pipeline", None, b"faces"), ("image", "a.jpg", group), ("timing", None, b"false")]), FORM),
        (form([("anything", "a.jpg", group)]), FORM),
        (form([("image", "a", group)]), "multipart/form-data; charset=utf-8; Boundary=\"xYzZy\""),
        (b"A form follows.\r\n\r\n" + form([("image", "a", group)]) + b"and nothing more", FORM),
        (b"--xYzZy\r\nContent-Type: image/jpeg\r\ncontent-disposition: form-data; name=image; filename=a.jpg; "
         b"filename*=utf-8''a.jpg\r\n\r\n" + group + b"\r\n--xYzZy--\r\n", FORM),  # as .NET writes it
        (json.dumps({"image": text, "pipeline": "faces"}), "application/json"),
        (json.dumps({"image": "data:image/jpeg;base64," + text}), "application/json; charset=utf-8"),
        (json.dumps({"image": text.replace("+", "-").replace("/", "_").rstrip("=")}), "application/json"),
        (json.dumps({"image": text}).replace("/", "\\/"), "application/json"),  # as PHP writes it
    ]
    for body, kind in bodies:
        answer = post(server, body, "?pipeline=faces&timing=false", Content_Type=kind, X_Request_Id="my-id.7")
        assert answer.status == 200, answer.body
        reply = answer.json()
        assert reply.pop("id") == answer.headers["X-Request-Id"] == "my-id.7"
        assert reply == expected, kind
    assert len(expected["objects"]) == 4  # faces, counted by eye


def test_request_ids(server: Server, small: bytes) -> None:
    ids = [post(server, small).headers["X-Request-Id"] for _ in range(3)]
    assert len(set(ids)) == 3
    for bad in ("with blank", "x" * 65, 'quo"te'):
        assert post(server, small, X_Request_Id=bad).headers["X-Request-Id"] not in (bad, "")
    assert post(server, small, X_Request_Id="x" * 64).json()["id"] == "x" * 64


def test_parameters(server: Server, group: bytes) -> None:
    def found(query: str) -> int:
        return len(post(server, group, "?pipeline=faces&" + query).json()["objects"])

    assert found("max_objects=3") == 3
    assert found("threshold=0.999") == 0
    assert found("threshold=0.5&iou=0.3&decode=exact") == 4
    objects = post(server, group, "?pipeline=objects").json()
    assert objects["pipeline"] == "objects" and {o["label"] for o in objects["objects"]} >= {"person"}
    assert "timing_us" in objects and objects["timing_us"]["total"] > 0
    both = form([("image", "a", group), ("max_objects", None, b"2")])
    assert len(post(server, both, "?pipeline=faces", Content_Type=FORM).json()["objects"]) == 2
    fields = json.dumps({"image": base64.b64encode(group).decode(), "max_objects": 4, "threshold": 0.5,
                         "pipeline": "faces", "timing": False, "top_k": None})
    reply = post(server, fields, Content_Type="application/json").json()
    assert len(reply["objects"]) == 4 and "timing_us" not in reply


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_annotated_pictures(server: Server, group: bytes, kind: str) -> None:
    answer = post(server, group, f"?pipeline=faces&annotate={kind}")
    assert (answer.status, answer.headers["Content-Type"]) == (200, f"image/{kind}")
    with Image.open(io.BytesIO(answer.body)) as drawn, Image.open(io.BytesIO(group)) as plain:
        assert drawn.format == kind.upper() and drawn.size == plain.size
        difference = sum(a != b for a, b in zip(drawn.convert("RGB").getdata(), plain.convert("RGB").getdata()))
        assert difference > 1000
    assert post(server, b"no picture", f"?annotate={kind}").error(422, "bad_image")


def test_bad_requests(server: Server, small: bytes) -> None:
    """Each is answered in JSON with its status, and the server goes on."""
    text = base64.b64encode(small).decode()
    assert post(server, b"\xff\xd8\xff\xe0 not really").error(422, "bad_image")
    assert post(server, b"").error(400, "empty_image")
    assert "did you mean \"threshold\"" in post(server, small, "?treshold=0.5").error(400, "invalid_argument")
    for query in ("?threshold=2", "?threshold=x", "?max_objects=0", "?annotate=gif", "?decode=best", "?iou",
                  "?deadline_ms=-1", "?top_k=99999", "?threshold=%00", "?pipeline=" + "p" * 200):
        assert query[1:6] in post(server, small, query).error(400, "invalid_argument")
    assert "faces" in post(server, small, "?pipeline=nope").error(404, "not_found")
    assert post(server, form([("image", "a", small), ("pipeline", None, b"nope")]),
                Content_Type=FORM).error(404, "not_found")
    assert post(server, small, Content_Type="text/html").error(415, "unsupported")
    assert post(server, small, Content_Encoding="gzip").error(415, "unsupported")
    for body in (b"", b"{", b"[]", b"{}", b'{"image":7}', b'{"image":"@@@@"}', b'{"image":"' + text.encode(),
                 b'{"image":"%s"} x' % text.encode(), b'{"image":"%s","pipeline":{}}' % text.encode(),
                 b'{"image":"%s","nope":1}' % text.encode()):
        post(server, body, Content_Type="application/json").error(400, "empty_image" if not body else
                                                                  "invalid_argument")
    assert post(server, b'{"image":""}', Content_Type="application/json").error(400, "empty_image")
    assert post(server, json.dumps({"image": text, "junk": ["y" * 1000] * 100}),
                Content_Type="application/json").error(413, "too_large")
    whole = form([("image", "a", small)])
    for kind, body in ((FORM, whole[:-30]), (FORM, b"no form"), (FORM, form([("threshold", None, b"0.5")])),
                       (FORM, form([("image", "a", small), ("image", "b", small)])),
                       (FORM, form([("threshold", None, b"9" * 5000), ("image", "a", small)])),
                       ("multipart/form-data", whole), (FORM, b"")):
        assert post(server, body, Content_Type=kind).status == 400
    picture = ("image", "a", small)
    # A NUL byte is named, and cuts nothing off.
    assert "faces%00x" in post(server, small, "?pipeline=faces%00x").error(404, "not_found")
    assert "pipeline: the value has a NUL byte" in post(
        server, form([picture, ("pipeline", None, b"faces\0x")]), Content_Type=FORM).error(400, "invalid_argument")
    for name in (b"faces\\u0000x", b"faces\0x"):
        assert "NUL" in post(server, b'{"image":"%s","pipeline":"%s"}' % (text.encode(), name),
                             Content_Type="application/json").error(400, "invalid_argument")
    assert "not a JSON object" in post(server, small * 20, Content_Type="application/json").error(
        400, "invalid_argument")
    for parts, said in (([picture, picture], "more than one picture"), ([("top_k", None, b"5")], "no picture"),
                        ([("top_k", None, b"0" * 257), picture], "top_k: the value has more than 256 bytes"),
                        ([("top_k", None, b"0" * 256), picture], "top_k"), ([("nope", None, b"1"), picture], "nope"),
                        ([("", None, b"1"), picture], "neither a name nor a file name")):
        assert said in post(server, form(parts), Content_Type=FORM).error(400, "invalid_argument")
    coded = whole.replace(b"\r\n\r\n", b"\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1)
    assert "base64" in post(server, coded, Content_Type=FORM).error(415, "unsupported")
    assert "last boundary" in post(server, whole[:-30], Content_Type=FORM).error(400, "invalid_argument")
    assert "boundary" in post(server, whole, Content_Type="multipart/form-data").error(400, "invalid_argument")
    post(server, form([("image", "a", b"")]), Content_Type=FORM).error(400, "empty_image")
    for junk in (b"y" * 1_000_000 + whole, whole + b"y" * 1_000_000, form([("top_k", None, b"1")] * 2000 + [picture])):
        link = connect(server)
        link.request("POST", "/v1/infer", iter([junk]), {"Content-Type": FORM, "Transfer-Encoding": "chunked"},
                     encode_chunked=True)
        assert "besides its picture" in Answer(link.getresponse()).error(413, "too_large")
        link.close()
    assert post(server, small).status == 200


def packed(*names: str) -> bytes:
    """A ZIP file, by Python's own writer."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, b"x" * 100)
    return out.getvalue()


RAW = "application/octet-stream"
CURL = "application/x-www-form-urlencoded"
MALFORMED: dict[str, tuple[Any, str, int, list[str]]] = {
    "JSON as a picture": (b'{"image":"/9j/4AAQ"}', RAW, 400, ["JSON", "Content-Type: application/json"]),
    "JSON by curl -d": (b'{"image":"/9j/4AAQ"}', CURL, 400, ["JSON", "Content-Type: application/json"]),
    "JSON list": (b"[1,2,3]", "image/jpeg", 400, ["JSON"]),
    "base64": (base64.b64encode(bytes.fromhex("ffd8ffe000104a464946")), RAW, 400, ["base64 text of a JPEG"]),
    "base64 PNG": (base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)), RAW, 400, ["base64 text of a PNG"]),
    "data URL": (b"data:image/png;base64,iVBORw0KGgo", RAW, 400, ["data: URL"]),
    "URL": (b"https://example.org/cat.jpg", RAW, 400, ["a URL", "fetches nothing"]),
    "form field": (b"image=%2F9j%2F4AAQ&threshold=0.5", CURL, 400, ["form field", "curl -F"]),
    "curl -d name=@file": (b"image=@photo.jpg", CURL, 400, ["image=@photo.jpg", "curl -F"]),
    "form without its header": (form([("image", "a.jpg", b"abc")]), RAW, 400, ["multipart form", "boundary"]),
    "empty": (b"", RAW, 400, ["body is empty", "--data-binary"]),
    "HTML": (b"<!DOCTYPE html><html><body>404</body></html>", RAW, 415, ["HTML page"]),
    "HTML after blanks": (b"\xef\xbb\xbf\n\n  <html>", "image/png", 415, ["HTML page"]),
    "video": (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", RAW, 415, ["video"]),
    "Matroska": (b"\x1a\x45\xdf\xa3" + bytes(40), RAW, 415, ["video"]),
    "PDF": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", RAW, 415, ["a PDF"]),
    "ZIP": (packed("a.jpg", "b.jpg"), RAW, 415, ["ZIP"]),
    "gzip": (gzip.compress(b"picture"), RAW, 415, ["gzip"]),
    "pickle": (pickle.dumps([1, 2, 3]), RAW, 415, ["pickle", "cv2.imencode"]),
    "text": (b"no picture at all", RAW, 422, ["text", "no picture at all"]),
    "file's name": (b"/home/me/photo.jpg", CURL, 422, ["/home/me/photo.jpg"]),
    "form without a file": (form([("picture", None, b"abc"), ("top_k", None, b"3")]), FORM, 400, ["picture"]),
    "form of fields": (form([("top_k", None, b"3")]), FORM, 400, ["no picture", "top_k", "curl -F"]),
    "form with an empty file": (form([("image", "a.jpg", b"")]), FORM, 400, ["file is empty"]),
    "form with HTML": (form([("image", "a.jpg", b"<html></html>")]), FORM, 415, ["form's file", "HTML page"]),
    "no form": (b"\xff\xd8\xff\xe0 a picture", FORM, 400, ["not multipart/form-data", "xYzZy", "--data-binary"]),
    "no boundary": (b"x", "multipart/form-data", 400, ["boundary", "curl -F"]),
    "picture as JSON": (b"\xff\xd8\xff\xe0 a picture", "application/json", 400, ["a JPEG", "not a JSON object"]),
    "JSON without image": (b'{"threshold":0.5}', "application/json", 400, ['no member "image"']),
    "JSON by another name": (b'{"img":"/9j/4AAQ"}', "application/json", 400, ["img", 'no member "image"']),
    "JSON with a URL": (b'{"image":"https://a.example/b.jpg"}', "application/json", 400, ["https://a.", "base64"]),
    "JSON with a name": (b'{"image":"photo.jpg"}', "application/json", 400, ["photo.jpg", "base64"]),
    "JSON with a number": (b'{"image":5}', "application/json", 400, ["a number"]),
    "JSON with nothing": (b'{"image":null}', "application/json", 400, ["null or a truth value"]),
    "JSON with pixels": (b'{"image":[[1,2],[3,4]]}', "application/json", 400, ["a list"]),
    "JSON with a PDF": (json.dumps({"image": base64.b64encode(b"%PDF-1.7\n").decode()}), "application/json", 415,
                        ["decoded from base64", "a PDF"]),
    "text/plain": (b"x", "text/plain", 415, ["text/plain", "image/*"]),
    "video/mp4": (b"x", "video/mp4", 415, ["video/mp4"]),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_came_is_told_and_how_to_send_it(server: Server, name: str) -> None:
    body, kind, status, said = MALFORMED[name]
    code = {400: "empty_image" if "empty" in name else "invalid_argument", 415: "unsupported", 422: "bad_image"}[status]
    message = post(server, body, Content_Type=kind).error(status, code)
    assert all(word in message for word in said), message


def test_what_curl_strips_of_a_picture_is_told(server: Server, small: bytes, tmp_path: Path) -> None:
    """`curl -d @file` takes out CR, LF and NUL: by curl itself where it is there, else as its manual says."""
    stripped = small.translate(None, b"\r\n\0")
    message = post(server, stripped, Content_Type=CURL).error(422, "bad_image")
    assert "curl -d" in message and "--data-binary" in message
    if shutil.which("curl"):
        (tmp_path / "photo.jpg").write_bytes(small)
        done = subprocess.run(["curl", "-s", "-d", f"@{tmp_path / 'photo.jpg'}",
                               f"http://127.0.0.1:{server.port}/v1/infer"], capture_output=True, timeout=60, check=True)
        assert json.loads(done.stdout)["error"]["message"] == message


def test_paths_and_methods(server: Server, small: bytes) -> None:
    assert ask(server, "GET", "/nope").error(404, "not_found")
    assert ask(server, "POST", "/nope", small).error(404, "not_found")
    for method, path, allowed in (("GET", "/v1/infer", "POST, PUT"), ("PUT", "/v1/reload", "POST"),
                                  ("DELETE", "/v1/models", "GET, HEAD"), ("POST", "/livez", "GET, HEAD"),
                                  ("OPTIONS", "/metrics", "GET, HEAD"), ("PATCH", "/", "GET, HEAD")):
        answer = ask(server, method, path, b"" if method == "PUT" else None)
        assert answer.error(405, "unsupported") and answer.headers["Allow"] == allowed
    for path in ("/", "/livez", "/readyz", "/metrics", "/openapi.json", "/v1/models"):
        head, get = ask(server, "HEAD", path), ask(server, "GET", path)
        assert head.status == get.status == 200 and head.body == b"" and get.body
        if path != "/metrics":
            assert head.headers["Content-Length"] == str(len(get.body))


def test_files_are_sent_once(server: Server) -> None:
    """RFC 9110, 8.8.3, 13.1.2 and 15.4.5: an entity tag is of the bytes (here the first 64 bits of their SHA-256), and
    who names it hears 304 with the headers that 200 would have and without content."""
    for path in ("/openapi.json", "/"):
        first = ask(server, "GET", path)
        tag = first.headers["ETag"]
        assert tag == f'"{hashlib.sha256(first.body).hexdigest()[:16]}"'
        assert first.status == 200 and first.headers["Cache-Control"] == "no-cache"
        for method in ("GET", "HEAD"):
            for known in (tag, "W/" + tag, f'"other", {tag}', "*"):
                again = ask(server, method, path, If_None_Match=known)
                assert (again.status, again.reason, again.body) == (304, "Not Modified", b""), known
                assert again.headers["ETag"] == tag and again.headers["Cache-Control"] == "no-cache"
                assert not {"Content-Type", "Content-Length"} & set(again.headers)
            for known in ('"other"', tag.strip('"'), ""):
                again = ask(server, method, path, If_None_Match=known)
                assert again.status == 200 and again.headers["Content-Length"] == str(len(first.body)), known
                assert again.body == (first.body if method == "GET" else b"")
    link = connect(server)
    for _ in range(3):  # and the connection goes on
        link.request("GET", "/", headers={"If-None-Match": tag})
        assert Answer(link.getresponse()).status == 304
    link.close()
    assert 'sightd_http_responses_total{route="/",status="304"}' in ask(server, "GET", "/metrics").body.decode()
    assert "ETag" not in ask(server, "GET", "/livez").headers


def with_examples(path: str, described: dict[str, Any]) -> str:
    """The path of a document of OpenAPI with its parameters' examples in it."""
    for parameter in described.get("parameters", []):
        path = path.replace("{%s}" % parameter["name"], parameter.get("example", ""))
    assert "{" not in path, path
    return path


def test_every_route_is_described(server: Server) -> None:
    """openapi.json and the server agree: each described pair is there, each other method is 405."""
    described = ask(server, "GET", "/openapi.json").json()
    written = (ROOT / "docs" / "openapi.json").read_text(encoding="utf-8")
    version = (ROOT / "VERSION").read_text(encoding="ascii").strip()
    assert described == json.loads(written.replace("@VERSION@", version))
    for path, methods in described["paths"].items():
        for method in ("get", "post", "put", "delete"):
            if path == "/v1/reload" and method == "post":
                continue  # has its own test
            status = ask(server, method.upper(), with_examples(path, methods)).status
            assert (status != 405) == (method in methods), (method, path, status)
            assert status != 404
    listed = set(re.findall(r"(?:GET|POST) +(/\S+)", ask(server, "GET", "/").body.decode()))
    assert listed <= set(described["paths"])


def test_replies_are_those_described(server: Server, group: bytes) -> None:
    """Every member of a reply, and every status, is in openapi.json with its type; required members are there."""
    described = ask(server, "GET", "/openapi.json").json()
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float)}

    def resolve(node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            name = node["$ref"].split("/")
            node = described[name[1]][name[2]][name[3]]
        return node

    def conforms(value: Any, schema: dict[str, Any], where: str) -> None:
        schema = resolve(schema)
        assert isinstance(value, kinds[schema["type"]]), (where, value)
        for index, item in enumerate(value if isinstance(value, list) else []):
            conforms(item, schema["items"], f"{where}[{index}]")
        if isinstance(value, dict):
            assert set(schema.get("required", [])) <= set(value), (where, value)
            for name, member in value.items():
                known = schema.get("properties", {}).get(name) or schema.get("additionalProperties")
                assert known, f"{where}.{name} is not described"
                conforms(member, known, f"{where}.{name}")

    def check(answer: Answer, method: str, path: str) -> None:
        responses = described["paths"][path].get(method, {"responses": {"default": {
            "$ref": "#/components/responses/Other"}}})["responses"]
        row = resolve(responses.get(str(answer.status)) or responses["default"])
        kind = answer.headers["Content-Type"].split(";")[0]
        assert kind in row["content"], (path, answer.status)
        assert {"Allow", "Retry-After"} & set(answer.headers) <= set(row.get("headers", {})), (path, answer.status)
        if "schema" in row["content"][kind]:
            conforms(answer.json(), row["content"][kind]["schema"], path)

    for query, status in (("faces", 200), ("objects&top_k=3", 200), ("text", 200), ("faces&annotate=jpeg", 200),
                          ("nope", 404), ("faces&iou=7", 400), ("faces&deadline_ms=1", 503)):
        answer = post(server, group, "?pipeline=" + query)
        assert answer.status == status and str(status) in described["paths"]["/v1/infer"]["post"]["responses"]
        check(answer, "post", "/v1/infer")
    faces = post(server, group, "?pipeline=faces").json()["objects"]
    assert any("unit" in attribute for face in faces for attribute in face["attributes"])
    bad = post(server, b"no picture", "?pipeline=faces")
    assert bad.error(422, "bad_image") and bad.json()["pipeline"] == "faces"
    check(bad, "post", "/v1/infer")
    for path, methods in described["paths"].items():
        target = with_examples(path, methods)
        check(ask(server, "PUT", target), "put", path)  # 405, or 400
        if "get" in methods:
            check(ask(server, "GET", target), "get", path)
            check(ask(server, "GET", target, bytes(100_000)), "get", path)  # 413
            check(ask(server, "GET", target, Transfer_Encoding="gzip"), "get", path)  # 415
        if target != path:
            check(ask(server, "GET", path.replace("{name}", "nope")), "get", path)  # 404


def test_lists(server: Server) -> None:
    pipelines = {p["name"]: p for p in ask(server, "GET", "/v1/pipelines").json()["pipelines"]}
    assert set(pipelines) >= {"faces", "objects", "text"}
    assert [name for name, p in pipelines.items() if p["default"]] == ["faces"]
    assert pipelines["faces"]["models"] == ["blazeface", "expression", "age-gender"]
    models = {m["name"]: m for m in ask(server, "GET", "/v1/models").json()["models"]}
    face = models["blazeface"]
    assert face["licence"] == "Apache-2.0" and face["head"] == "blazeface" and face["labels"] == ["face"]
    assert face["input"]["width"] == 256 and {d["key"] for d in face["decisions"]} >= {"head"}
    version = ask(server, "GET", "/v1/version").json()
    assert version["name"] == "sightd" and "onnxruntime" in version["runtime"]
    # conftest.py has it so; a build for a processor without it does not know it
    assert version.get("not_loaded", "openvino: ").startswith("openvino: ")


def test_one_of_a_list(server: Server, small: bytes) -> None:
    """GET /v1/pipelines/NAME is the element that the list has; who asks for another is told which there are, as
    POST /v1/infer tells them."""
    for kind in ("pipelines", "models"):
        listed = ask(server, "GET", "/v1/" + kind).json()[kind]
        names = [one["name"] for one in listed]
        assert len(names) > 2
        for one in listed:
            assert ask(server, "GET", f"/v1/{kind}/{one['name']}?a=b").json() == one
            assert ask(server, "HEAD", f"/v1/{kind}/{one['name']}").body == b""
        escaped = "".join(f"%{byte:02x}" for byte in names[0].encode())
        assert ask(server, "GET", f"/v1/{kind}/{escaped}").json()["name"] == names[0]
        message = ask(server, "GET", f"/v1/{kind}/{names[0]}x").error(404, "not_found")
        assert message.startswith(f'no {kind[:-1]} called "{names[0]}x"; there are: {names[0]}, {names[1]}, ')
        assert f'did you mean "{names[0]}"?' in message
        for name in ("..", "%2e%2e", names[0] + "/", names[0] + "%2F", names[0] + ";a", "a/b", "a%2Fb", "%22%0a"):
            assert ask(server, "GET", f"/v1/{kind}/{name}").error(404, "not_found")
        for name in ("%", "%00", names[0] + "%00", "%ff"):
            assert ask(server, "GET", f"/v1/{kind}/{name}").error(400, "invalid_argument")
        answer = ask(server, "DELETE", f"/v1/{kind}/{names[0]}")
        assert answer.error(405, "unsupported") and answer.headers["Allow"] == "GET, HEAD"
        lines = ask(server, "GET", "/metrics").body.decode()
        assert f'{{route="/v1/{kind}/{{name}}",status="200"}}' in lines and names[0] + '",status' not in lines
    told = ask(server, "GET", "/v1/pipelines/nope").error(404, "not_found")
    assert told == post(server, small, "?pipeline=nope").error(404, "not_found")


def test_metrics(server: Server, small: bytes) -> None:
    def samples() -> dict[str, float]:
        text = ask(server, "GET", "/metrics").body.decode()
        found: dict[str, float] = {}
        kinds: dict[str, str] = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                kinds[line.split()[2]] = line.split()[3]
            elif not line.startswith("#"):
                match = re.fullmatch(r'([a-z_]+)((?:\{[a-z]+="[^"]*"(?:,[a-z]+="[^"]*")*\})?) (\S+)', line)
                assert match, line
                family = re.sub("_(bucket|sum|count)$", "", match[1])
                assert kinds.get(match[1]) or kinds[family] == "histogram", line
                assert match[1] + match[2] not in found
                found[match[1] + match[2]] = float(match[3])
        assert text.endswith("\n")
        return found

    post(server, small, "?pipeline=faces")
    before = samples()
    for _ in range(3):
        post(server, small, "?pipeline=faces")
    post(server, b"nothing", "?pipeline=faces")
    after = samples()

    def grown(name: str) -> float:
        return after[name] - before.get(name, 0)

    assert grown('sightd_requests_total{protocol="http",pipeline="faces",code="ok"}') == 3
    assert grown('sightd_requests_total{protocol="http",pipeline="faces",code="bad_image"}') == 1
    assert grown('sightd_http_responses_total{route="/v1/infer",status="422"}') == 1
    assert grown('sightd_received_bytes_total{protocol="http"}') == 3 * len(small) + 7
    for stage in ("decode", "detect", "total"):
        series = f'{{pipeline="faces",stage="{stage}"'
        assert grown(f"sightd_stage_seconds_count{series}}}") == 3
        assert 0 < grown(f"sightd_stage_seconds_sum{series}}}") < 60
        buckets = [value for name, value in after.items() if name.startswith(f"sightd_stage_seconds_bucket{series}")]
        assert buckets == sorted(buckets) and buckets[-1] == after[f"sightd_stage_seconds_count{series}}}"]
    assert after['sightd_model_load_seconds{model="blazeface"}'] > 0
    assert after["process_resident_memory_bytes"] == pytest.approx(server.rss_kib() * 1024, rel=0.2)
    assert 0 < time.time() - after["process_start_time_seconds"] < 3600
    assert after["sightd_jobs_admitted"] == 0 and after["sightd_ready"] == 1
