# SPDX-License-Identifier: MIT
"""Something between clients and a real server that passes on what both say, but for what a test's own kind changes."""
from __future__ import annotations

import socket
import threading


class Relay:
    def __init__(self, port: int) -> None:
        self.to = port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        try:
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()
        except OSError:
            pass  # closed: the test is over

    def serve(self, client: socket.socket) -> None:
        with client, socket.create_connection(("127.0.0.1", self.to)) as server:
            back = threading.Thread(target=self.pass_back, args=(server, client), daemon=True)
            back.start()
            self.pass_on(client, server)
            for link in (client, server):
                try:
                    link.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # its other side has gone
            back.join()

    def pass_on(self, client: socket.socket, server: socket.socket) -> None:
        """Until this ends the connection lives."""
        self.copy(client, server)

    def pass_back(self, server: socket.socket, client: socket.socket) -> None:
        self.copy(server, client)

    def copy(self, one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
        except OSError:
            pass
