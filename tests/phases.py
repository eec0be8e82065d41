"""Servers that stall in one phase of a request, and write down what arrives when they go on."""

import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

from process import PATIENCE

# In the order of a request; where it stands when the server has stalled.
PHASES = (
    *("look-up", "connect", "handshake", "CONNECT", "head", "body", "held back", "waiting", "reading", "trickle"),
)
HOST = "api.fivetran.invalid"
LARGE = 12_000_000  # bytes; more than the kernel takes while nobody reads
HELD_BACK = 64_000  # bytes; the kernel takes them, and cannot pass them on while nobody reads


class Stalling:
    """A server for one request that stalls in one phase of it.

    Args:
        phase: The phase.
        certificate: What it speaks TLS with; None: it does not.
        watches: Seconds for which it watches what arrives after it went on.

    Attributes:
        stalled: The client is in that phase; of "look-up" and "connect", only the client's side knows.
        released: Set it, and the server goes on.
        later: What arrived after that.
        more: Connections that were made after that.
    """

    def __init__(self, phase: str, certificate: Path | None = None, watches: float = 0.0) -> None:
        self.phase = phase
        self.stalled = threading.Event()
        self.released = threading.Event()
        self.later = bytearray()
        self.more = 0
        self._watches = watches
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._secure = certificate is not None
        if certificate is not None:
            self._context.load_cert_chain(certificate)
        self._listener = socket.socket()
        # So little is taken from a client while nothing is read.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(0 if phase == "connect" else 8)
        self._open = ExitStack()
        self._open.callback(self._listener.close)
        self.port = self._listener.getsockname()[1]
        scheme = "https" if self._secure or phase in {"look-up", "handshake"} else "http"
        self.url = f"{scheme}://{HOST if phase == 'look-up' else '127.0.0.1'}:{self.port}"
        self.proxy = ""
        if phase == "CONNECT":
            self.url, self.proxy = f"https://{HOST}", f"http://127.0.0.1:{self.port}"
        self._fillers = [socket.socket() for _ in range(4 if phase == "connect" else 0)]
        for filler in self._fillers:  # its queue is full, so it answers to no more connecting
            filler.setblocking(False)  # noqa: FBT003  # its only argument
            filler.connect_ex(("127.0.0.1", self.port))
            self._open.callback(filler.close)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.released.set()
        self._thread.join(PATIENCE)
        self._open.close()

    def _serve(self) -> None:
        if self.phase in {"look-up", "connect"}:
            self._hold()
            self._watch(None)
            return
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        if self.phase in {"handshake", "CONNECT"}:
            if self.phase == "CONNECT":
                _read_head(connection)
            self._hold()
            with suppress(OSError):  # whoever was cut off has gone
                if self.phase == "CONNECT":
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                connection = self._context.wrap_socket(connection, server_side=True)
            self._watch(connection)
            return
        if self._secure:
            connection = self._context.wrap_socket(connection, server_side=True)
        if self.phase != "head":
            length = _read_head(connection)
            while length and self.phase not in {"body", "held back"}:
                length -= len(connection.recv(length))
        elif self._secure:
            connection.recv(1)
        else:
            connection.recv(1, socket.MSG_PEEK)
        if self.phase in {"reading", "trickle"}:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
        self._hold(connection if self.phase == "trickle" else None)
        self._watch(connection)

    def _hold(self, trickling: socket.socket | None = None) -> None:
        self.stalled.set()
        with suppress(OSError):
            while not self.released.wait(0.01 if trickling else PATIENCE) and trickling:
                trickling.sendall(b" ")

    def _watch(self, connection: socket.socket | None) -> None:
        """Read all that still arrives, on this connection or on another one."""
        until = time.monotonic() + self._watches
        with suppress(OSError):  # it ends, or was reset, or nothing came
            while connection is not None:
                connection.settimeout(max(0.01, until - time.monotonic()))
                read = connection.recv(65536)
                self.later += read
                if not read:
                    break
        fillers = {filler.getsockname()[1] for filler in self._fillers}
        with suppress(TimeoutError):
            while True:
                self._listener.settimeout(max(0.01, until - time.monotonic()))
                another, (_, port) = self._listener.accept()
                another.close()
                self.more += port not in fillers
        if connection is not None:
            connection.close()


def _read_head(connection: socket.socket) -> int:
    """Read to the empty line; return the length of what follows."""
    read = b""
    while not read.endswith(b"\r\n\r\n"):
        read += connection.recv(1)
    length = re.search(rb"Content-Length: (\d+)", read)
    return int(length[1]) if length else 0


def lines(phase: str) -> Iterator[str]:
    """What a process does first, so that its job's request gets stuck in that phase."""
    stall = "print('stalled', file=sys.stderr, flush=True)"
    if phase == "look-up":
        yield f"socket.getaddrinfo = lambda *_, **__: {stall} or time.sleep({PATIENCE})"
    if phase == "connect":
        yield "connect = socket.socket.connect"
        yield f"socket.socket.connect = lambda *given: {stall} or connect(*given)"
    if phase == "head":
        yield f"client.ACCEPT = 'x' * {LARGE}"
    if phase in {"body", "held back"}:
        yield "request = requests.Session.request"
        yield f"data = b'x' * {LARGE if phase == 'body' else HELD_BACK}"
        yield "requests.Session.request = lambda *given, **more: request(*given, **{**more, 'data': data})"
