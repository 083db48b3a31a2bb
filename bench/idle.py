#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""What connections that do nothing, or next to nothing, cost those that work. Prints a table and what goal was missed.

usage: bench/idle.py [--idle 2000] [--slow 200] [--pairs 6] [--slice 3] [--protocols seed,v2,http]

For each protocol, 8 connections send pictures in a closed loop, in slices: alternately without and with the idle
connections and the slow senders, which announce a picture and send one byte of it a second. Then the slow ones wait to
be timed out (receive_timeout is 10 s here), and each must have been told so. The process of the idle clients is this
one; it sleeps but for 200 bytes a second.
"""
from __future__ import annotations

import argparse
import resource
import select
import socket
import statistics
import struct
import sys
import tempfile
import threading
import time
from pathlib import Path

from overload import bench
from run import make_pictures
from servers import MODELS, Server, sightd

HELLO = struct.pack("<4sHHBBHI", b"SGT2", 2, 2, 0, 0, 0, 0)
LENGTH = 100_000  # bytes announced by a slow sender
REQUEST = (40, 0, 0, 0, 0, 0, 0, -1, -1, 0, 0, 0, 0, 0, 0)  # of v2: everything the pipeline's own
SLOW = {
    "seed": struct.pack("<i", LENGTH),
    "v2": HELLO + struct.pack("<IBBHQHBBBBHIffIHHIII", LENGTH + 40, 1, 0, 0, 1, *REQUEST),
    "http": b"POST /v1/infer HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % LENGTH,
}
IDLE = {"seed": b"", "v2": HELLO, "http": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"}
RECEIVE_TIMEOUT_S = 10


def rss(server: Server) -> int:
    status = Path(f"/proc/{server.process.pid}/status").read_text(encoding="ascii")
    return 1024 * int(status.split("VmRSS:")[1].split()[0])


class Crowd:
    """Connections of one protocol: idle ones, and slow ones that a thread keeps sending a byte a second."""

    def __init__(self, port: int, protocol: str, idle: int, slow: int) -> None:
        self.idle = [self.dial(port, IDLE[protocol]) for _ in range(idle)]
        self.slow = [self.dial(port, SLOW[protocol]) for _ in range(slow)]
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.drip)
        self.thread.start()

    @staticmethod
    def dial(port: int, first: bytes) -> socket.socket:
        link = socket.create_connection(("127.0.0.1", port), 20)
        link.sendall(first)
        return link

    def drip(self) -> None:
        while not self.stop.wait(1):
            for link in self.slow:
                try:
                    link.send(b"\xff", socket.MSG_DONTWAIT)
                except OSError:
                    pass  # timed out and closed

    def told(self, seconds: float) -> int:
        """How many of the slow ones are sent an error and an end of the stream within that time."""
        said = {link.fileno(): b"" for link in self.slow}
        links, poll = {link.fileno(): link for link in self.slow}, select.poll()
        for number in said:
            poll.register(number, select.POLLIN)
        ended, end = 0, time.monotonic() + seconds
        while said and time.monotonic() < end:
            for number, _ in poll.poll(1000):
                try:
                    more = links[number].recv(4096)
                except OSError:
                    more = b""
                said[number] += more
                if not more:
                    poll.unregister(number)
                    ended += b"timeout" in said.pop(number)
        return ended

    def close(self) -> None:
        self.stop.set()
        self.thread.join()
        for link in self.idle + self.slow:
            link.close()


def measure(server: Server, protocol: str, folder: Path, options: argparse.Namespace) -> tuple[dict, list[str]]:
    target = {"seed": f"127.0.0.1:{server.port}", "v2": f"v2://127.0.0.1:{server.port}",
              "http": f"http://127.0.0.1:{server.port}/v1/infer"}[protocol]

    def rate() -> float:
        found = bench(server, target, folder, "-c", "8", "--warmup", "500ms", "--duration", f"{options.slice}s")
        if found["targets"][0]["errors"]:
            sys.exit(f"active clients got errors: {found['targets'][0]['codes']}")
        return found["targets"][0]["throughput"]

    rate()
    ratios, grown, told = [], [], 0
    for pair in range(options.pairs):
        rates = {}
        for crowded in (pair % 2 == 0, pair % 2 == 1):
            before = rss(server)
            crowd = Crowd(server.port, protocol, options.idle, options.slow) if crowded else None
            rates[crowded] = rate()
            if crowd:
                grown.append(rss(server) - before)
                if pair == options.pairs - 1 or options.pairs == 1:
                    told = crowd.told(3 * RECEIVE_TIMEOUT_S)
                crowd.close()
                time.sleep(0.3)
        ratios.append(rates[True] / rates[False])
    cost = 100 * (1 - statistics.median(ratios))
    row = {"cost to active clients, median of pairs": f"{cost:.1f} %",
           "least, most": f"{100 * (1 - max(ratios)):.1f}, {100 * (1 - min(ratios)):.1f} %",
           "memory, most": f"{max(grown) / 1e6:.1f} MB", "slow ones told of their timeout": f"{told} of {options.slow}"}
    missed = []
    if cost >= 3:
        missed.append("3 % or more of the throughput")
    if max(grown) >= 100e6:
        missed.append("100 MB or more")
    if told < options.slow:
        missed.append("a slow sender was not told of its timeout")
    return row, [f"{protocol}: {what}" for what in missed]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--idle", type=int, default=2000)
    parser.add_argument("--slow", type=int, default=200)
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--slice", type=int, default=3)
    parser.add_argument("--protocols", default="seed,v2,http")
    options = parser.parse_args()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rows, missed = {}, []
    server = sightd(MODELS["small"])
    server.command += ["--receive-timeout", f"{RECEIVE_TIMEOUT_S}s"]
    with tempfile.TemporaryDirectory() as folder, server:
        make_pictures(Path(folder))
        for protocol in options.protocols.split(","):
            rows[protocol], more = measure(server, protocol, Path(folder) / "640x480", options)
            missed += more
    print(f"\n{MODELS['small'].note}, 640x480, 8 active connections beside {options.idle} idle ones and {options.slow} "
          f"that send a byte a second\n\n| | {' | '.join(rows)} |\n|---|{'---|' * len(rows)}")
    for what in next(iter(rows.values())):
        print(f"| {what} | {' | '.join(row[what] for row in rows.values())} |")
    print("\n" + ("\n".join(f"missed: {what}" for what in missed) or "every goal was met"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
