"""Servers and proxies on loopback that say whatever they are told to say, with TLS or without."""

import re
import select
import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Self

from process import PATIENCE

__all__ = ["ESTABLISHED", "Hasty", "Proxy", "Server", "answer", "read_request"]

Speak = Callable[[socket.socket], object]
ESTABLISHED = b"HTTP/1.1 200 Connection established\r\n\r\n"


def answer(body: bytes | str, *headers: str, status: str = "200 OK", length: int | str | None = None) -> bytes:
    """An answer as it goes over the wire.

    Args:
        body: Its body.
        headers: Its headers, besides the length.
        status: Its status line, less the version.
        length: What it says of its length; the true one when None, nothing when "".
    """
    content = body.encode() if isinstance(body, str) else body
    said = len(content) if length is None else length
    lines = [f"HTTP/1.1 {status}", *([] if said == "" else [f"Content-Length: {said}"]), *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + content


def read_request(connection: socket.socket) -> bytes:
    """Read one request, its body too; b"" at the end of the connection."""
    read = b""
    while b"\r\n\r\n" not in read or len(read.partition(b"\r\n\r\n")[2]) < _length(read):
        piece = connection.recv(65536)
        if not piece:
            return b""
        read += piece
    return read


def _length(request: bytes) -> int:
    said = re.search(rb"(?i)\r\ncontent-length: (\d+)\r\n", request)
    return int(said[1]) if said else 0


class _Listening:
    """Takes connections, each in a thread of its own, until it is closed."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open = set[socket.socket]()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(PATIENCE)
        self._listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                socket.socket.shutdown(connection, socket.SHUT_RDWR)
        for thread in self._threads[1:]:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._open.add(connection)
                self._threads.append(threading.Thread(target=self._handle, args=(connection,)))
                self._threads[-1].start()

    def _handle(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):  # whoever asked has gone, or it is closed
            connection.settimeout(PATIENCE)
            self.handle(connection)

    def handle(self, connection: socket.socket) -> None:
        """What becomes of a connection."""
        raise NotImplementedError


class Hasty(_Listening):
    """A server that says something as soon as anything has arrived, whatever it is.

    Args:
        says: What it says.

    Attributes:
        arrived: What had arrived then, of each connection, and what came afterwards.
    """

    def __init__(self, says: bytes) -> None:
        super().__init__()
        self.arrived = bytearray()
        self._says = says

    def handle(self, connection: socket.socket) -> None:
        """Say it, and read on to the end."""
        self.arrived += connection.recv(65536)
        connection.sendall(self._says)
        while piece := connection.recv(65536):
            self.arrived += piece


class Server(_Listening):
    """A server that answers each request of a connection with what `speak` says.

    Args:
        speak: Given a connection of which one request has been read; or the answer itself.
        context: What it speaks TLS with; None: it does not.

    Attributes:
        requests: What was asked, as it arrived, within TLS.
        refused: Why handshakes failed, in OpenSSL's words.
        connections: How many there were.
    """

    def __init__(self, speak: Speak | bytes, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self.requests: list[bytes] = []
        self.refused: list[str] = []
        self.connections = 0
        self._speak: Speak = (lambda connection: connection.sendall(speak)) if isinstance(speak, bytes) else speak
        self._context = context

    @property
    def url(self) -> str:
        """Its address."""
        return f"http{'' if self._context is None else 's'}://127.0.0.1:{self.port}"

    def handle(self, connection: socket.socket) -> None:
        """Speak TLS if it is to, and answer each request."""
        self.connections += 1
        if self._context is not None:
            try:
                connection = self._context.wrap_socket(connection, server_side=True)
            except (ssl.SSLError, OSError) as error:
                self.refused.append(str(error))
                return
            self._open.add(connection)
        with connection:
            while request := read_request(connection):
                self.requests.append(request)
                if self._speak(connection) is False:
                    return


class Proxy(_Listening):
    """A proxy for CONNECT.

    Args:
        to: The port on loopback that each tunnel leads to, whatever host was asked for.
        says: What it answers to CONNECT; after anything but the usual, it hangs up.
        context: What it speaks TLS with to those who ask it; None: it does not.

    Attributes:
        asked: The requests that it was asked, whole.
    """

    def __init__(self, to: int = 0, says: bytes = ESTABLISHED, context: ssl.SSLContext | None = None) -> None:
        super().__init__()
        self._context = context
        self.asked: list[bytes] = []
        self._to = to
        self._says = says

    def handle(self, connection: socket.socket) -> None:
        """Answer, and pass on what is said in both directions."""
        with ExitStack() as stack:
            if self._context is not None:
                connection = stack.enter_context(self._context.wrap_socket(connection, server_side=True))
                self._open.add(connection)
            request = read_request(connection)
            if not request:
                return
            self.asked.append(request)
            connection.sendall(self._says)
            if self._says != ESTABLISHED:
                return
            other = stack.enter_context(socket.create_connection(("127.0.0.1", self._to)))
            self._open.add(other)
            _pass_on(connection, other)


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    """Pass on what is said in both directions, in one thread: two must not use the same TLS connection."""
    with suppress(OSError):
        while True:
            unread = [each for each in (one, other) if isinstance(each, ssl.SSLSocket) and each.pending()]
            for each in unread or select.select([one, other], [], [])[0]:
                piece = each.recv(65536)
                if not piece:
                    return
                (other if each is one else one).sendall(piece)
