# SPDX-License-Identifier: MIT
"""HTTP from outside: Python's own client and raw sockets against the real binary with real models.

What is expected comes from RFC 9110 and 9112 (statuses, framing), from docs/PROTOCOL.md, and from `sight detect`, whose
native reply a picture sent over HTTP must equal.
"""
from __future__ import annotations

import base64
import http.client
import io
import json
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from conftest import ROOT, Server, wait_until

Start = Callable[..., Server]


class Answer:
    """One response; every one of ours must carry Server-Timing and a request id."""

    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status, self.headers, self.body = response.status, response.headers, response.read()
        assert re.search(r"total;dur=\d+\.\d+$", self.headers["Server-Timing"])
        assert self.headers["X-Request-Id"]

    def json(self) -> dict[str, Any]:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)  # type: ignore[no-any-return]

    def error(self, status: int, code: str) -> str:
        assert self.status == status, (self.status, self.body)
        error = self.json()["error"]
        assert error["code"] == code and self.json()["id"] == self.headers["X-Request-Id"], self.body
        return error["message"]  # type: ignore[no-any-return]


def connect(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)


def ask(server: Server, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    link = connect(server)
    link.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = Answer(link.getresponse())
    link.close()
    return answer


def post(server: Server, body: Any, query: str = "", **headers: str) -> Answer:
    return ask(server, "POST", "/v1/infer" + query, body, **headers)


def form(parts: list[tuple[str, str | None, bytes]], boundary: str = "xYzZy") -> bytes:
    out = b""
    for name, filename, data in parts:
        file = f'; filename="{filename}"' if filename else ""
        out += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'.encode() + data + b"\r\n"
    return out + f"--{boundary}--\r\n".encode()


def dial(server: Server, seconds: float = 60) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), timeout=seconds)


def response(link: socket.socket, method: str = "POST") -> Answer:
    reply = http.client.HTTPResponse(link, method=method)
    reply.begin()
    return Answer(reply)


def at_end(link: socket.socket) -> bool:
    try:
        return link.recv(1000) == b""
    except ConnectionResetError:
        return True


FORM = "multipart/form-data; boundary=xYzZy"


@pytest.fixture(name="server", scope="module")
def faces_server(sight: Path) -> Iterator[Server]:
    """One server for the tests that need no settings; it must end well."""
    del sight
    running = Server("--default-pipeline", "faces")
    yield running
    assert running.process.poll() is None, "the server died:\n" + "".join(running.lines)
    assert running.stop() == 0, "".join(running.lines)


@pytest.fixture(name="group", scope="module")
def group_bytes(images: Path) -> bytes:
    return (images / "people_group10.jpeg").read_bytes()


@pytest.fixture(name="small", scope="module")
def small_bytes(group: bytes) -> bytes:
    out = io.BytesIO()
    with Image.open(io.BytesIO(group)) as image:
        image.resize((320, 213)).save(out, "JPEG")
    return out.getvalue()


@pytest.fixture(name="expected", scope="module")
def expected_reply(images: Path, sight: Path) -> dict[str, Any]:
    done = subprocess.run([str(sight), "detect", "--pipeline", "faces", "--json", "--no-timing",
                           str(images / "people_group10.jpeg")], cwd=ROOT, capture_output=True, check=True, timeout=120)
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
    assert len(expected["objects"]) == 10  # ten faces: the picture's name says so


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
    assert found("threshold=0.5&iou=0.3&decode=exact") == 10
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


def test_paths_and_methods(server: Server, small: bytes) -> None:
    assert ask(server, "GET", "/nope").error(404, "not_found")
    assert ask(server, "POST", "/nope", small).error(404, "not_found")
    for method, path, allowed in (("GET", "/v1/infer", "POST"), ("PUT", "/v1/infer", "POST"),
                                  ("DELETE", "/v1/models", "GET, HEAD"), ("POST", "/livez", "GET, HEAD"),
                                  ("OPTIONS", "/metrics", "GET, HEAD"), ("PATCH", "/", "GET, HEAD")):
        answer = ask(server, method, path, b"" if method == "PUT" else None)
        assert answer.error(405, "unsupported") and answer.headers["Allow"] == allowed
    for path in ("/", "/livez", "/readyz", "/metrics", "/openapi.json", "/v1/models"):
        head, get = ask(server, "HEAD", path), ask(server, "GET", path)
        assert head.status == get.status == 200 and head.body == b"" and get.body
        if path != "/metrics":
            assert head.headers["Content-Length"] == str(len(get.body))


def test_every_route_is_described(server: Server) -> None:
    """openapi.json and the server agree: each described pair is there, each other method is 405."""
    described = ask(server, "GET", "/openapi.json").json()
    assert described == json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    for path, methods in described["paths"].items():
        for method in ("get", "post", "put", "delete"):
            if path == "/v1/reload" and method == "post":
                continue  # has its own test
            status = ask(server, method.upper(), path).status
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
        check(ask(server, "PUT", path), "put", path)  # 405
        if "get" in methods:
            check(ask(server, "GET", path), "get", path)
            check(ask(server, "GET", path, bytes(100_000)), "get", path)  # 413
            check(ask(server, "GET", path, Transfer_Encoding="gzip"), "get", path)  # 415


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


def test_keep_alive_and_pipelined_requests(server: Server, small: bytes) -> None:
    """Six requests in one write; replies in their order on one connection."""
    request = b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nX-Request-Id: n%d\r\nContent-Length: %d\r\n\r\n"
    with dial(server) as link:
        stream = b""
        for i in range(3):
            stream += request % (i, len(small)) + small
            stream += b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: live%d\r\n\r\n" % i
        link.sendall(stream)
        file = link.makefile("rb")
        for i in range(3):
            for name in (f"n{i}", f"live{i}"):
                length = 0
                assert file.readline() == b"HTTP/1.1 200 OK\r\n"
                while (line := file.readline()) != b"\r\n":
                    if line.startswith(b"X-Request-Id"):
                        assert line.split()[1] == name.encode()
                    if line.startswith(b"Content-Length"):
                        length = int(line.split()[1])
                assert len(file.read(length)) == length
    link2 = connect(server)
    for _ in range(5):
        link2.request("POST", "/v1/infer", small)
        assert Answer(link2.getresponse()).status == 200
        link2.request("GET", "/nope")  # an error does not end the connection
        assert Answer(link2.getresponse()).status == 404
        link2.request("POST", "/v1/infer?threshold=7", small)
        assert Answer(link2.getresponse()).status == 400
    link2.close()


def test_chunked_and_expect(server: Server, group: bytes, small: bytes) -> None:
    pieces = [group[i:i + 10000] for i in range(0, len(group), 10000)]
    link = connect(server)
    link.request("POST", "/v1/infer?pipeline=faces", iter(pieces), encode_chunked=True,
                 headers={"Transfer-Encoding": "chunked"})
    assert len(Answer(link.getresponse()).json()["objects"]) == 10
    with dial(server) as raw:
        raw.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n")
        raw.sendall(b"Content-Length: %d\r\n\r\n" % len(small))
        assert raw.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        raw.sendall(small)
        assert response(raw).status == 200
    for head, status in ((b"/v1/infer HTTP/1.1\r\nContent-Length: 99999999999", 413),
                         (b"/v1/infer?pipeline=nope HTTP/1.1\r\nContent-Length: 1000", 404),
                         (b"/v1/infer HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 1000", 415)):
        with dial(server) as raw:  # told before the body is sent
            raw.sendall(b"POST " + head + b"\r\nHost: x\r\nExpect: 100-continue\r\n\r\n")
            assert response(raw).status == status
            assert at_end(raw)


def test_too_large_bodies(start_server: Start, small: bytes) -> None:
    """The error arrives although the client sends on, and the limits hold for every kind of body."""
    server = start_server("--max-image-bytes", "64KiB")
    big = bytes(3_000_000)
    assert "max_image_bytes" in post(server, big).error(413, "too_large")
    link = connect(server)
    link.request("POST", "/v1/infer", iter([big[:100_000]] * 20), encode_chunked=True,
                 headers={"Transfer-Encoding": "chunked"})
    Answer(link.getresponse()).error(413, "too_large")
    post(server, form([("image", "a", big)]), Content_Type=FORM).error(413, "too_large")
    post(server, form([("image", "a", big[:80_000])]), Content_Type=FORM).error(413, "too_large")
    text = base64.b64encode(big).decode()
    post(server, json.dumps({"image": text}), Content_Type="application/json").error(413, "too_large")
    post(server, json.dumps({"image": text[:100_000]}), Content_Type="application/json").error(413, "too_large")
    ask(server, "GET", "/livez", big).error(413, "too_large")
    assert post(server, small).status == 200


def test_malformed_http(server: Server, small: bytes) -> None:
    """The parser is libmicrohttpd's: it must refuse these, and the server must go on."""
    for data in (b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
                 b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                 b"POST /v1/infer HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
                 b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
                 b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: 1\r\n" % i for i in range(20_000)) + b"\r\n",
                 b"GET \r\n\r\n", b"POST\x00\x01\x02\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n"):
        with dial(server, 10) as link:
            try:
                link.sendall(data)
                status = link.recv(1000)
            except (ConnectionResetError, BrokenPipeError):
                continue
            assert not status or re.match(rb"HTTP/1\.[01] (4\d\d|505)", status), (data[:60], status)
    for data in (b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nabc",
                 b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
                 b"POST /v1/infer HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with dial(server) as link:  # cut off
            link.sendall(data)
    assert post(server, small).status == 200


def turned_away(server: Server, request: bytes, status: int, code: str) -> str:
    """What a request that must not be served is told; the connection ends with it, whatever came behind."""
    with dial(server, 10) as link:
        link.sendall(request + b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        message = response(link).error(status, code)
        assert at_end(link), request
    return message


def test_targets(server: Server) -> None:
    """No byte of a path cuts off what follows it; the form for proxies is taken (RFC 9112, 3.2.2)."""
    def reloads() -> list[str]:
        return re.findall(r"sightd_reloads_total.*", ask(server, "GET", "/metrics").body.decode())

    before = reloads()
    assert "/v1/reload%00.css" in ask(server, "POST", "/v1/reload%00.css").error(404, "not_found")
    for path in (b"/v1/reload\0.css", b"/v1/reload\0", b"/v1/reload?\0", b"/v1/reload x", b"/v1/reload\t",
                 b"/v1/reload\x7f"):
        message = turned_away(server, b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_argument")
        assert "request line" in message
    assert reloads() == before
    for target, status in (("http://x/livez", 200), ("HTTPS://x:8080/livez?a=b", 200), ("http://x", 200),
                           ("http://x?a=/livez", 200), ("http://x/nope", 404), ("http://x%2flivez/nope", 404),
                           ("/http://x/livez", 404), ("ftp://x/livez", 404), ("/live%7a", 200), ("/livez%", 404),
                           ("/livez%4", 404), ("/livez%zz", 404), ("/%6Civez", 200)):
        assert ask(server, "GET", target).status == status, target


def test_ambiguous_lengths(server: Server) -> None:
    """Where a request ends is never a matter of taste (RFC 9112, 6.3): what follows could be another's request."""
    def told(headers: bytes, body: bytes = b"0\r\n\r\n", version: bytes = b"1.1") -> tuple[bytes, int, str]:
        head = b"POST /v1/infer HTTP/" + version + b"\r\nHost: x\r\n" + headers + b"\r\n\r\n" + body
        return head, 400, "bad_framing"

    for request in (told(b"Content-Length: 3\r\nContent-Length: 5", b"abcde"),
                    told(b"content-length: 5\r\nContent-Length: 3", b"abcde"),
                    told(b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
                    told(b"Transfer-Encoding: chunked\r\nContent-Length: 5"),
                    told(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
                    told(b"Transfer-Encoding: chunked", version=b"1.0")):
        turned_away(server, *request)
    for coding in (b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked"):
        began = time.monotonic()
        message = turned_away(server, told(b"Transfer-Encoding: " + coding)[0], 415, "unsupported")
        assert "chunked" in message and time.monotonic() - began < 5  # at once, not when the body is late


def test_header_lines(server: Server) -> None:
    """What a proxy may read as another header, or as none, is not served (RFC 9112, 5.1)."""
    for line in (b"Content-Length : 3", b"Content-Length\t: 3", b"X: y\rContent-Length: 3", b"X: \x01", b"X: y\x7f",
                 b"X: y\r\n Content-Length: 3", b"X(: y", b"Tr\xc3\xa4nsfer: y"):
        for head in (b"Host: x\r\n" + line, line + b"\r\nHost: x"):
            turned_away(server, b"POST /v1/reload HTTP/1.1\r\n" + head + b"\r\n\r\n", 400, "invalid_argument")
    turned_away(server, b"POST /v1/reload HTTP/1.1\r\n Content-Length: 3\r\nHost: x\r\n\r\n", 400,
                "invalid_argument")
    with dial(server) as link:
        link.sendall(b"GET /livez HTTP/1.1\r\nHost:x\r\nX_Y!#$%&'*+-.^`|~09az:\ty\t\xc3\xa4 \r\nEmpty:\r\n\r\n")
        assert response(link, "GET").status == 200


def test_hosts(server: Server) -> None:
    """HTTP/1.1 has one Host (RFC 9112, 3.2), and who forgot it is told in JSON."""
    for version in (b"1.1", b"1.2"):  # the latter is read as the former
        assert "Host" in turned_away(server, b"GET /livez HTTP/" + version + b"\r\n\r\n", 400, "invalid_argument")
    assert "Host" in turned_away(server, b"GET /livez HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", 400, "invalid_argument")
    with dial(server) as link:
        link.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert response(link, "GET").status == 200


def test_slow_requests_are_timed_out(start_server: Start, small: bytes) -> None:
    server = start_server("--receive-timeout", "500ms")

    def slow(data: bytes, then: bytes) -> tuple[int, float]:
        began = time.monotonic()
        with dial(server, 20) as link:
            link.sendall(data)
            for i in range(40):
                link.settimeout(0.1)
                try:
                    answer = response(link)
                    assert answer.error(408, "timeout")
                    return answer.status, time.monotonic() - began
                except TimeoutError:
                    link.sendall(then[i:i + 1])
        raise AssertionError("never timed out")

    head = b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n"
    for data, then in ((head + b"\r\n" + b"a" * 10, b"a" * 40), (head + b"X-", b"y" * 40),
                       (b"GET /li", b"v" * 40)):
        status, seconds = slow(data, then)
        assert status == 408 and 0.4 < seconds < 3
    with dial(server, 20) as link:  # a second request on a connection that was fine
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert response(link, "GET").status == 200
        link.sendall(b"GET /livez HT")
        assert response(link, "GET").error(408, "timeout")
    request = b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(small) + small
    for first, method in ((b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n", "GET"), (request, "POST")):
        with dial(server, 20) as link:  # the second one has come, half of it, with the end of the first
            link.sendall(first + first + b"GET /livez HT")
            said = b""
            while b"HTTP/1.1 408 " not in said or not said.rstrip().endswith(b"}"):
                more = link.recv(65536)
                assert more, said
                said += more
            assert said.count(b"HTTP/1.1 200 ") == 2
        with dial(server, 20) as link:  # a body's stray CRLF is no half request
            for _ in range(3):  # nor do several add up to one
                link.sendall(first + b"\r\n")
                assert response(link, method).status == 200
            time.sleep(1.5)
            link.sendall(first)
            assert response(link, method).status == 200
    with dial(server, 20) as link:  # idle is not slow
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert response(link, "GET").status == 200
        time.sleep(1.5)
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert response(link, "GET").status == 200
    assert post(server, small).status == 200


def test_idle_connections_close(start_server: Start) -> None:
    server = start_server("--idle-timeout", "300ms")
    with dial(server, 10) as link:
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert response(link, "GET").status == 200
        began = time.monotonic()
        assert at_end(link) and 0.2 < time.monotonic() - began < 3


def test_fifty_clients(server: Server, small: bytes) -> None:
    expected = post(server, small, "?timing=false", X_Request_Id="x").json()
    failures: list[Any] = []

    def client() -> None:
        link = connect(server)
        for _ in range(4):
            link.request("POST", "/v1/infer?timing=false", small, {"X-Request-Id": "x"})
            answer = Answer(link.getresponse())
            if answer.status != 200 or answer.json() != expected:
                failures.append(answer.body)

    threads = [threading.Thread(target=client) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()
    assert not failures


def test_busy_is_told(start_server: Start, group: bytes) -> None:
    """Two places for sixteen clients: those that find none are told when to come again."""
    server = start_server("--max-queue", "2", "--workers", "1")
    statuses: list[int] = []

    def client() -> None:
        answer = post(server, group)
        statuses.append(answer.status)
        if answer.status != 200:
            assert answer.error(503, "busy") and int(answer.headers["Retry-After"]) >= 1

    threads = [threading.Thread(target=client) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert len(statuses) == 16 and statuses.count(200) >= 2 and statuses.count(503) >= 1
    assert post(server, group).status == 200
    refused = start_server("--max-connections", "1")
    with dial(refused):
        assert wait_until(lambda: ask(refused, "GET", "/livez").error(503, "busy") != "")


def test_deadlines(server: Server, group: bytes) -> None:
    for _ in range(5):
        assert post(server, group, "?deadline_ms=60000").status == 200
    answer = post(server, group, "?deadline_ms=1")
    assert answer.error(503, "deadline_exceeded") and int(answer.headers["Retry-After"]) >= 1


def test_clients_that_leave(server: Server, group: bytes) -> None:
    """Their work is dropped and counted, and nothing of them remains."""
    def count(name: str) -> int:
        text = ask(server, "GET", "/metrics").body.decode()
        return sum(int(n) for n in re.findall(rf"^{name}(?:{{protocol=\"http\".*}})? (\d+)$", text, re.M))

    def jobs() -> tuple[int, int, int]:
        return count("sightd_jobs_total"), count("sightd_requests_total"), count("sightd_jobs_dropped_total")

    before = jobs()
    for kind in range(30):
        link = dial(server)
        link.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(group) + group)
        if kind % 2:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes with a reset
        link.close()

    def left() -> bool:
        text = ask(server, "GET", "/metrics").body.decode()
        return "\nsightd_connections 1\n" in text and "\nsightd_jobs_admitted 0\n" in text

    assert wait_until(left, 30)
    taken, answered, dropped = (after - was for after, was in zip(jobs(), before))
    assert taken == answered + dropped and dropped > 0, (taken, answered, dropped)
    assert post(server, group).status == 200


def recipe(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "faces.yaml").write_text(text, encoding="utf-8")
    return folder


GOOD = "detect: { model: blazeface }\n"


def test_reload(start_server: Start, tmp_path: Path, small: bytes) -> None:
    pipes = recipe(tmp_path / "pipelines", GOOD)
    settings = tmp_path / "sightd.yaml"
    text = f"pipelines: [{pipes}]\nmodels: [{ROOT / 'models'}]\ndefault_pipeline: faces\n"
    settings.write_text(text, encoding="utf-8")
    server = start_server("--config", str(settings))

    def names() -> set[str]:
        return {p["name"] for p in ask(server, "GET", "/v1/pipelines").json()["pipelines"]}

    assert names() == {"faces"}
    (pipes / "more.yaml").write_text(GOOD, encoding="utf-8")
    assert ask(server, "POST", "/v1/reload").json()["reloaded"] is True
    assert names() == {"faces", "more"}
    (pipes / "third.yaml").write_text(GOOD, encoding="utf-8")
    server.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: names() == {"faces", "more", "third"})
    # A bad file changes nothing and is named by place.
    (pipes / "third.yaml").write_text("detect:\n  model: blazeface\n  treshold: 0.5\n", encoding="utf-8")
    message = ask(server, "POST", "/v1/reload").error(422, "bad_config")
    assert "third.yaml:3:3" in message and "threshold" in message
    assert names() == {"faces", "more", "third"} and post(server, small, "?pipeline=third").status == 200
    assert wait_until(lambda: any("third.yaml:3:3" in line for line in server.lines))
    (pipes / "third.yaml").write_text("detect: { model: blazefase }\n", encoding="utf-8")
    assert "blazeface" in ask(server, "POST", "/v1/reload").json()["error"]["message"]
    settings.write_text(text + "max_quue: 7\n", encoding="utf-8")
    (pipes / "third.yaml").unlink()
    assert "sightd.yaml:4:1" in ask(server, "POST", "/v1/reload").error(422, "bad_config")
    settings.write_text(text + "max_queue: 7\n", encoding="utf-8")
    assert "max_queue" in ask(server, "POST", "/v1/reload").json()["notes"][0]
    assert names() == {"faces", "more"}
    post(server, small, "?pipeline=third").error(404, "not_found")
    assert server.stop() == 0


def test_reload_under_load(start_server: Start, tmp_path: Path, small: bytes) -> None:
    """Four clients send while 50 reloads swap everything: nothing is lost, every answer is right."""
    pipes = recipe(tmp_path / "pipelines", GOOD)
    server = start_server("--pipelines", str(pipes), "--default-pipeline", "faces")
    expected = post(server, small, "?timing=false", X_Request_Id="x").json()
    stop = threading.Event()
    counts, failures = [0] * 4, []

    def client(index: int) -> None:
        link = connect(server)
        while not stop.is_set():
            link.request("POST", "/v1/infer?timing=false", small, {"X-Request-Id": "x"})
            answer = Answer(link.getresponse())
            counts[index] += 1
            if answer.status != 200 or answer.json() != expected:
                failures.append(answer.body)

    threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        assert ask(server, "POST", "/v1/reload").json()["reloaded"] is True
    stop.set()
    for thread in threads:
        thread.join(60)
    assert not failures and min(counts) > 10
    assert 'sightd_reloads_total{result="ok"} 50' in ask(server, "GET", "/metrics").body.decode()
    assert server.stop() == 0


def test_stopping_answers_what_was_admitted(start_server: Start, group: bytes) -> None:
    server = start_server("--workers", "1")
    links = [dial(server) for _ in range(6)]
    for link in links:
        link.sendall(b"POST /v1/infer?pipeline=faces HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(group)
                     + group)
    idle = dial(server)
    idle.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert response(idle, "GET").status == 200
    half = dial(server)
    half.sendall(b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")

    def admitted() -> bool:
        text = ask(server, "GET", "/metrics").body.decode()
        return int(re.search(r"\nsightd_jobs_total (\d+)\n", text)[1]) == 6  # type: ignore[index]

    assert wait_until(admitted)
    server.process.send_signal(signal.SIGTERM)
    for link in links:
        answer = response(link)
        assert answer.status == 200 and len(answer.json()["objects"]) == 10
        assert at_end(link)
    assert response(half).error(503, "shutting_down")
    assert at_end(idle)
    half.close()
    assert server.stop() == 0


def test_signals_until_the_end(start_server: Start) -> None:
    """Whoever asks again while an idle server is already ending still sees it end well."""
    server = start_server("--default-pipeline", "faces")
    sent = 0
    while server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
        sent += 1
        time.sleep(0.0005)
    assert sent > 1
    assert server.stop() == 0


def test_replies_nobody_reads(start_server: Start, group: bytes) -> None:
    """A client that asks for large replies and reads none is closed, and others are served meanwhile."""
    server = start_server("--send-timeout", "500ms")
    request = b"POST /v1/infer?annotate=png HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(group) + group
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        link.connect(("127.0.0.1", server.port))
        link.settimeout(60)
        with pytest.raises(OSError):
            link.sendall(request * 40)  # more than all buffers between us hold
        assert post(server, group).status == 200

        def closed() -> bool:
            return "\nsightd_connections 1\n" in ask(server, "GET", "/metrics").body.decode()

        assert wait_until(closed, 20)


def test_logs_as_json(start_server: Start, small: bytes) -> None:
    """Every line after the announcement is one JSON object; the client's request id is in it."""
    server = start_server("--log-format", "json", "--log-level", "debug")
    assert post(server, small, X_Request_Id="find-me").status == 200
    ask(server, "GET", "/a%22b%5C%0Ac")
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.lines if line.startswith("{")]
    assert len(lines) >= 4 and all(line["ts"] and line["level"] and line["msg"] for line in lines)
    mine = [line for line in lines if line.get("request_id") == "find-me"]
    assert mine and mine[0]["status"] == 200 and mine[0]["path"] == "/v1/infer" and mine[0]["in_bytes"] == len(small)
    assert any(line.get("path", "").startswith('/a"b\\') for line in lines)


def test_seed_frames_beside_http(server: Server, small: bytes) -> None:
    with dial(server) as link:
        link.sendall(len(small).to_bytes(4, "little") + small)
        assert "object_list" in json.loads(link.recv(65536))
    assert post(server, small).status == 200
