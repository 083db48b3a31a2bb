# SPDX-License-Identifier: MIT
"""HTTP on the wire: framing, heads, slow and idle connections; raw sockets against the real binary.

What is expected comes from RFC 9110 and 9112 and from docs/PROTOCOL.md.
"""
from __future__ import annotations

import base64
import http.client
import json
import re
import signal
import socket
import threading
import time
from collections.abc import Callable

import pytest

from conftest import Server
from http_client import FORM, Answer, ask, at_end, connect, dial, form, post, response

Start = Callable[..., Server]


@pytest.fixture(name="server", scope="module")
def server_of_faces(faces_server: Server) -> Server:
    return faces_server


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
    assert len(Answer(link.getresponse()).json()["objects"]) == 4
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
    """What is no request, or too much of one, is told so; and the server goes on."""
    for data, status, code in (
            (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 200_000 + b"\r\n\r\n", 431, "too_large"),
            (b"GET / HTTP/1.1\r\n" + b"y" * 200_000 + b": x\r\n\r\n", 431, "too_large"),
            (b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: 1\r\n" % i for i in range(20_000)) + b"\r\n", 431, "too_large"),
            (b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414, "too_large"),
            (b"GET \r\n\r\n", 400, "invalid_argument"), (b"POST\x00\x01\x02\r\n\r\n", 400, "invalid_argument"),
            (b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", 505, "unsupported"),
            (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505, "unsupported")):
        with dial(server, 10) as link:
            link.sendall(data)
            response(link, "GET").error(status, code)
    for lines, status in ((127, 200), (128, 431)):  # and Host: 128 are read
        with dial(server, 10) as link:
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"".join(b"h%d: 1\r\n" % i for i in range(lines))
                         + b"\r\n")
            assert response(link, "GET").status == status
    with dial(server, 10) as link:  # 120 lines are read; 2 KiB of chunk sizes for a body of 400 bytes are, too
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                     + b"".join(b"h%d: 1\r\n" % i for i in range(118)) + b"\r\n" + b"1\r\nx\r\n" * 400
                     + b"0\r\nTrailer: x\r\n\r\n")
        assert response(link, "GET").status == 200
    with dial(server, 10) as link:  # but not sizes without end
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 200_000)
        assert "chunks" in response(link, "GET").error(413, "too_large")
    for data in (b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nabc",
                 b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc",
                 b"POST /v1/infer HTT", b"GET / HTTP/1.1\r\nHost: x\r\n"):
        with dial(server) as link:  # cut off
            link.sendall(data)
    assert post(server, small).status == 200


def test_what_only_looks_like_http(server: Server) -> None:
    """RFC 9112, 2.3: the protocol's name is HTTP, and nothing else is served; 3.2: a Host is a name and a port;
    RFC 3986, 2.2: an escaped slash ends no name in a path."""
    for name in (b"RTSP/1.0", b"RTSP/1.1", b"ICE/1.1", b"HTTPS/1.1", b"HTT/1.1"):
        turned_away(server, b"POST /v1/reload " + name + b"\r\nHost: x\r\n\r\n", 400, "invalid_argument",
                    "request line")
    for host in (b"a b", b"a, b", b"a/c", b"u@c", b"a?b", b"a\"b", b"a\\b", b"<a>"):
        turned_away(server, b"POST /v1/reload HTTP/1.1\r\nHost: " + host + b"\r\n\r\n", 400, "invalid_argument", "Host")
    for host in ("", "a", "a.b:80", "[::1]:8080", "xn--bcher-kva.example", "a_b", "a%20b"):
        assert ask(server, "GET", "/livez", Host=host).status == 200, host
    for path in ("/v1%2Freload", "/v1%2freload", "/%2Fv1/reload"):
        assert path in ask(server, "POST", path).error(404, "not_found")
    assert ask(server, "GET", "/%6c%69vez").status == 200


def test_heads_are_bounded_with_their_blanks(server: Server) -> None:
    for head in (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b" " * 300_000 + b"a\r\n\r\n",
                 b"GET " + b" " * 300_000 + b"/livez HTTP/1.1\r\nHost: x\r\n\r\n"):
        with dial(server, 10) as link:
            link.sendall(head)
            response(link, "GET").error(431 if b"X: " in head else 414, "too_large")


def test_answers_to_head_have_no_body(server: Server) -> None:
    """RFC 9110, 9.3.2, also where the head goes wrong; and the client's id is given back where it was read."""
    for rest in (b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n", b"bad line\r\n\r\n", b"X: \0\r\n\r\n"):
        with dial(server, 10) as link:
            link.sendall(b"HEAD /livez HTTP/1.1\r\nX-Request-Id: mine\r\nHost: x\r\n" + rest)
            said = b"".join(iter(lambda: link.recv(65536), b""))
            assert said.startswith(b"HTTP/1.1 400 ") and said.endswith(b"\r\n\r\n") and b"{" not in said, said
            assert b"X-Request-Id: mine\r\n" in said


def test_many_requests_in_one_write_leave_others_their_turn(server: Server) -> None:
    """Another client hears before one that asks thousands of times at once has heard all."""
    count, heard = 6000, [0]

    def read(link: socket.socket) -> None:
        tail = b""
        while heard[0] < count and (piece := link.recv(1 << 16)):
            heard[0] += (tail + piece).count(b"HTTP/1.1 200 OK")
            tail = piece[-14:]

    with dial(server) as link:
        reader = threading.Thread(target=read, args=(link,))
        reader.start()
        writer = threading.Thread(target=link.sendall, args=(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * count,))
        writer.start()
        while heard[0] == 0:
            time.sleep(0.001)
        assert ask(server, "GET", "/livez").status == 200
        assert heard[0] < count * 3 / 4
        writer.join(60)
        reader.join(60)
        assert heard[0] == count


def test_a_slow_reader_is_one_that_reads(start_server: Start, group: bytes) -> None:
    """More than send_timeout passes between two times that the kernel's buffer has room for more of the replies."""
    server = start_server("--send-timeout", "400ms", "--default-pipeline", "faces")
    request = b"POST /v1/infer?annotate=png HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(group) + group
    count, heard, answers, tail = 12, 0, 0, b""
    with dial(server) as link:
        writer = threading.Thread(target=link.sendall, args=(request * count,))
        writer.start()
        while answers < count or not tail.endswith(b"IEND\xaeB`\x82"):
            if heard < 3_000_000:
                time.sleep(0.04)
            piece = link.recv(1 << 15)
            assert piece, (heard, answers)
            heard += len(piece)
            answers += (tail + piece).count(b"HTTP/1.1 200 OK")
            tail = piece[-14:]
        writer.join(60)


def test_methods_and_upgrades(server: Server) -> None:
    """Methods that no route has are told so; an offer to speak something else is passed over (RFC 9110, 7.8)."""
    for method in ("DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert ask(server, method, "/livez").error(405, "unsupported"), method
    assert ask(server, "OPTIONS", "*").error(404, "not_found")
    with dial(server, 10) as link:
        link.sendall(b"CONNECT x:80 HTTP/1.1\r\nHost: x:80\r\n\r\n")
        assert response(link, "POST").error(404, "not_found")
        link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert response(link, "GET").status == 200
    with dial(server, 10) as link:
        for _ in range(2):
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
                         b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n")  # as curl --http2 says it
            assert response(link, "GET").status == 200


def test_when_connections_end(server: Server) -> None:
    """RFC 9112, 9.3: 1.1 stays unless it says close, 1.0 ends unless it says keep-alive; HEAD has no body."""
    for version, header, stays in ((b"1.1", b"", True), (b"1.1", b"Connection: close\r\n", False), (b"1.0", b"", False),
                                   (b"1.0", b"Connection: keep-alive\r\n", True),
                                   (b"1.1", b"Connection: TE, Close\r\n", False)):
        with dial(server, 10) as link:
            link.sendall(b"GET /livez HTTP/" + version + b"\r\nHost: x\r\n" + header + b"\r\n")
            answer = response(link, "GET")
            assert answer.status == 200 and answer.body == b"ok\n"
            said = answer.headers.get("Connection", "keep-alive" if version == b"1.1" else "close")
            assert said == ("keep-alive" if stays else "close"), (version, header)
            if not stays:
                assert at_end(link)
                continue
            for _ in range(2):
                link.sendall(b"HEAD /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = response(link, "HEAD")
                assert (answer.status, answer.headers["Content-Length"], answer.body) == (200, "3", b"")


def turned_away(server: Server, request: bytes, status: int, code: str, says: str = "") -> None:
    """What a request that must not be served is told; the connection ends with it, whatever came behind."""
    with dial(server, 10) as link:
        link.sendall(request + b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        message = response(link).error(status, code)
        assert says in message and at_end(link), (request, message)


def test_targets(server: Server) -> None:
    """No byte of a path cuts off what follows it; the form for proxies is taken (RFC 9112, 3.2.2)."""
    def reloads() -> list[str]:
        return re.findall(r"sightd_reloads_total.*", ask(server, "GET", "/metrics").body.decode())

    before = reloads()
    assert "NUL" in ask(server, "POST", "/v1/reload%00.css").error(400, "invalid_argument")
    for path in (b"/v1/reload\0.css", b"/v1/reload\0", b"/v1/reload?\0", b"/v1/reload x", b"/v1/reload\t",
                 b"/v1/reload\x7f"):
        turned_away(server, b"POST " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400, "invalid_argument", "request line")
    assert reloads() == before
    for target, status in (("http://x/livez", 200), ("HTTPS://x:8080/livez?a=b", 200), ("http://x", 200),
                           ("http://x?a=/livez", 200), ("http://x/nope", 404), ("http://x%2flivez/nope", 404),
                           ("/http://x/livez", 404), ("ftp://x/livez", 404), ("/live%7a", 200), ("/livez%", 400),
                           ("/livez%4", 400), ("/livez%zz", 400), ("/%6Civez", 200)):
        assert ask(server, "GET", target, Host="x").status == status, target


def test_paths_mean_one_place(server: Server) -> None:
    """What a proxy in front may read as another path than sightd does is no path here: RFC 3986, 6.2.2.3 would take
    dots away, others collapse slashes, cut parameters off or take a backslash for a slash."""
    for path in ("/v1/../livez", "/v1/..;/livez", "/v1/%2e%2e/livez", "/v1/.%2E/livez", "/./livez", "/livez/.",
                 "/livez/", "//livez", "/v1//reload", "/livez;a=b", "/livez%3Ba=b", "/v1/reload;.css", "/v1%2Freload",
                 "/v1%5Creload", "/v1\\reload", "/v1%252Freload", "/LIVEZ", "/livez%20", "/livez%0d%0aX:%20y"):
        assert ask(server, "POST", path).error(404, "not_found"), path
    link = connect(server)
    for path in ("/%", "/%4", "/%zz", "/livez%00", "/v1/models%00", "/%ff", "/%c0%afv1/reload", "/%c0%ae%c0%ae/x",
                 "/%ed%a0%80"):
        link.request("POST", path)  # no reason to end the connection
        assert Answer(link.getresponse()).error(400, "invalid_argument").startswith("the path "), path
    for data in (b"\xff", b"\xc0\xaf", b"\xe4\xba"):
        with dial(server, 10) as raw:
            raw.sendall(b"GET /" + data + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            assert response(raw, "GET").error(400, "invalid_argument")
    link.close()


def test_ambiguous_lengths(server: Server) -> None:
    """Where a request ends is never a matter of taste (RFC 9112, 6.3): what follows could be another's request."""
    def told(headers: bytes, body: bytes = b"0\r\n\r\n", version: bytes = b"1.1") -> bytes:
        return b"POST /v1/infer HTTP/" + version + b"\r\nHost: x\r\n" + headers + b"\r\n\r\n" + body

    for request in (told(b"Content-Length: 3\r\nContent-Length: 5", b"abcde"),
                    told(b"Content-Length: 3\r\nContent-Length: 3", b"abc"),
                    told(b"content-length: 5\r\nContent-Length: 3", b"abcde"),
                    told(b"Content-Length: 5\r\nTransfer-Encoding: chunked"),
                    told(b"Transfer-Encoding: chunked\r\nContent-Length: 5"),
                    told(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity"),
                    told(b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
                    told(b"Transfer-Encoding: chunked", version=b"1.0"),
                    told(b"Content-Length: abc"), told(b"Content-Length: -1"), told(b"Content-Length: +5", b"abcde"),
                    told(b"Content-Length: 5,5", b"abcde"), told(b"Content-Length: 0x5", b"abcde"),
                    told(b"Content-Length: 5 5", b"abcde"), told(b"Content-Length:"),
                    # The body itself (7.1): sizes are hexadecimal and end in CR LF, and so does each chunk.
                    told(b"Transfer-Encoding: chunked", b"zz\r\n"), told(b"Transfer-Encoding: chunked", b"-1\r\n"),
                    told(b"Transfer-Encoding: chunked", b"0x3\r\nabc\r\n0\r\n\r\n"),
                    told(b"Transfer-Encoding: chunked", b"3\nabc\r\n0\r\n\r\n"),
                    told(b"Transfer-Encoding: chunked", b"3\r\nabcd\r\n0\r\n\r\n"),
                    told(b"Transfer-Encoding: chunked", b"3 \r\nabc\r\n0\r\n\r\n"),
                    told(b"Transfer-Encoding: chunked", b"\r\n3\r\nabc\r\n0\r\n\r\n"),
                    told(b"Transfer-Encoding: chunked", b"ffffffffffffffff1\r\n")):
        turned_away(server, request, 400, "bad_framing")
    turned_away(server, told(b"Content-Length: 99999999999999999999"), 413, "too_large", "64 bits")
    for coding in (b"gzip", b"gzip, chunked", b"chunked, chunked", b"identity", b"xchunked"):
        began = time.monotonic()
        turned_away(server, told(b"Transfer-Encoding: " + coding), 415, "unsupported", "chunked")
        assert time.monotonic() - began < 5  # at once, not when the body is late


def test_header_lines(server: Server) -> None:
    """What a proxy may read as another header, or as none, is not served (RFC 9112, 5.1)."""
    for line in (b"Content-Length : 3", b"Content-Length\t: 3", b"X: y\rContent-Length: 3",
                 b"X: y\r\n Content-Length: 3", b"X: y\nContent-Length: 3", b"X: \x01", b"X: y\x7f", b"X: \0",
                 b"X: a\0b", b"X\0: y", b"X(: y", b": y", b"X", b"Tr\xc3\xa4nsfer: y"):
        for head in (b"Host: x\r\n" + line, line + b"\r\nHost: x"):
            turned_away(server, b"POST /v1/reload HTTP/1.1\r\n" + head + b"\r\n\r\n", 400, "invalid_argument")
    for request in (b" Content-Length: 3\r\nHost: x\r\n\r\n", b"Host: x\r\n\tX: y\r\n\r\n"):
        turned_away(server, b"POST /v1/reload HTTP/1.1\r\n" + request, 400, "invalid_argument")
    for line in (b"POST /v1/reload HTTP/1", b"POST /v1/reload http/1.1", b"POST /v1/reload", b"POST v1/reload HTTP/1.1",
                 b"POST /v1/reload HTTP/1.1 ", b"POST /v1/reload HTTP/1.10", b"POST\t/v1/reload HTTP/1.1"):
        turned_away(server, line + b"\r\nHost: x\r\n\r\n", 400, "invalid_argument", "request line")
    with dial(server) as link:
        link.sendall(b"GET /livez HTTP/1.1\r\nHost:x\r\nX_Y!#$%&'*+-.^`|~09az:\ty\t\xc3\xa4 \r\nEmpty:\r\n\r\n")
        assert response(link, "GET").status == 200


def test_hosts(server: Server) -> None:
    """HTTP/1.1 has one Host (RFC 9112, 3.2), and who forgot it is told in JSON."""
    for version in (b"1.1", b"1.2"):  # the latter is read as the former
        turned_away(server, b"GET /livez HTTP/" + version + b"\r\n\r\n", 400, "invalid_argument", "Host")
    turned_away(server, b"GET /livez HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n", 400, "invalid_argument", "Host")
    with dial(server) as link:
        link.sendall(b"GET /livez HTTP/1.0\r\n\r\n")
        assert response(link, "GET").status == 200


def test_a_body_that_nobody_wants_ends_at_64_kib(server: Server) -> None:
    """Sent in chunks, so that its length is known only when it is there; RFC 9112, 9.6 lets a server close then."""
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    link.request("GET", "/livez", iter([b"x" * 30000] * 2), encode_chunked=True,
                 headers={"Transfer-Encoding": "chunked"})
    answer = link.getresponse()
    assert answer.status == 200 and answer.read()
    link.request("GET", "/livez", iter([b"x" * 30000] * 3), encode_chunked=True,
                 headers={"Transfer-Encoding": "chunked"})
    answer = link.getresponse()
    error = json.loads(answer.read())["error"]
    assert (answer.status, error["code"], error["message"]) == (413, "too_large", "/livez takes no body")
    link.close()


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
                       (b"GET /li", b"v" * 40), (head, b"\r\n" + b"a" * 38)):
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
        assert at_end(link) and time.monotonic() - began > 0.2  # before dial's own 10 s


def test_silent_connections_close(start_server: Start) -> None:
    """What never said a word has no protocol yet, and is idle all the same."""
    server = start_server("--idle-timeout", "300ms")
    began = time.monotonic()
    with dial(server, 10) as link:
        assert at_end(link) and time.monotonic() - began > 0.2


def test_an_end_right_behind_a_request_is_seen(server: Server) -> None:
    """The request and the end of the client's side are one, as from `printf … | nc -N`, while the server sleeps."""
    for before in range(2):
        with dial(server, 10) as link:
            for _ in range(before):
                link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                assert response(link, "GET").status == 200
            server.process.send_signal(signal.SIGSTOP)
            link.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
            link.shutdown(socket.SHUT_WR)
            server.process.send_signal(signal.SIGCONT)
            assert response(link, "GET").status == 200
            assert at_end(link)  # else it times out: nothing would ever end this connection
