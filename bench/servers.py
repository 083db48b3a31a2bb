# SPDX-License-Identifier: MIT
"""Starting and stopping what is measured: sightd and the peers of bench/peers, each with one model."""
from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("SIGHT_BUILD") or ROOT / "build")
# The runtime of the peers, and no other: what is compared is all else. SIGHT_ENGINES= in the environment takes all.
os.environ.setdefault("SIGHT_ENGINES", "reference")
SHARED = Path(os.environ.get("SIGHT_SHARED") or ROOT.parent / "shared")
READY_SECONDS = 60


# An end by signal must stop what was started, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@dataclass
class Model:
    """A model by the names that sightd and the peers know it by."""

    kind: str  # the peers' --kind
    path: Path
    note: str


MODELS = {
    "small": Model("yolox", SHARED / "assets/models/yolox_nano.onnx", "YOLOX-nano 416"),
    "middling": Model("yolov8", SHARED / "assets/models/yolov8n.onnx", "YOLOv8n 640"),
}


@dataclass
class Server:
    """A running server: where it listens, as `sight bench` writes it, and its process."""

    name: str
    command: list[str]
    ready_lines: int = 1
    http: bool = False
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None
    folder: tempfile.TemporaryDirectory | None = None

    @property
    def target(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1/infer" if self.http else f"127.0.0.1:{self.port}"

    def start_unready(self) -> None:
        """Returns at once."""
        command = [part.replace("PORT", str(self.port)) for part in self.command]
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                        stdin=subprocess.DEVNULL, env=environment, start_new_session=True)

    def start(self) -> Server:
        """Returns when it says that it listens."""
        self.start_unready()
        said, end = b"", time.monotonic() + READY_SECONDS
        while said.count(b"listening") < self.ready_lines:
            readable, _, _ = select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))
            more = os.read(self.process.stdout.fileno(), 65536) if readable else b""
            said += more
            if not more:
                self.stop()
                raise RuntimeError(f"{self.name} did not come up:\n{said.decode(errors='replace')}")
        while time.monotonic() < end:  # uvicorn's workers say so a moment before they do
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    threading.Thread(target=self.process.stdout.read, daemon=True).start()  # a full pipe would stop it
                    return self
            time.sleep(0.01)
        self.stop()
        raise RuntimeError(f"{self.name} does not listen on port {self.port}")

    def pause(self) -> None:
        """Stops all its processes where they are: a server that polls costs the others time even when idle."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.resume()
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)  # with its workers: it leads a session of its own
                self.process.wait()
        if self.process:
            self.process.stdout.close()
        if self.folder:
            self.folder.cleanup()

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def sightd(model: Model, decode: str = "fast") -> Server:
    """Our server with that model alone and its own defaults."""
    folder = tempfile.TemporaryDirectory(prefix="sightd-bench-")
    place = Path(folder.name)
    (place / "models" / model.kind).mkdir(parents=True)
    (place / "models" / model.kind / "model.onnx").symlink_to(model.path.resolve())
    (place / "bench.yaml").write_text(f"detect: {{ model: {model.kind} }}\n", encoding="utf-8")
    command = [str(BUILD / "sight"), "serve", "--listen", "127.0.0.1:PORT", "--models", str(place / "models"),
               "--pipelines", str(place / "bench.yaml"), "--default-pipeline", "bench", "--decode", decode]
    return Server("sightd", command, folder=folder)


def peers(model: Model) -> list[Server]:
    here = ROOT / "bench/peers"
    options = ["--port", "PORT", "--model", str(model.path.resolve()), "--kind", model.kind]
    python = ["/usr/bin/python3", str(here / "python/server.py"), *options]
    cores = len(os.sched_getaffinity(0))
    return [
        Server("Node", ["node", str(here / "node/server.mjs"), *options], http=True),
        Server("Python reduced", [*python, "--reduced"], cores, True),
        Server("Python", python, cores, True),
        Server("naive C++", [str(BUILD / "peers/naive"), *options]),
    ]
