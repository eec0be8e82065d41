"""How connections are made, and how a request that is under way on another thread is cut off.

- To cut is to set a flag and to shut the socket down. Whoever sends shows the socket first and then looks at
  the flag, before each piece: either it sees the flag, or whoever cuts sees the socket. So **a request that was
  cut off is never sent later**: not after a look-up or a handshake that took its time, nor over a kept connection.
- Each address has a limit of its own, so that a dead one (IPv6 that leads nowhere) gives way to the next.
- Answers 1xx before the answer are skipped; Python itself skips 100 only.
- An answer has a largest size as it arrives, so that no part of it is endless: no line, no headers, no 1xx before it.
- What has arrived before it was asked for is nobody's answer: the connection is not used again.
"""

import socket
import struct
import threading
from contextlib import suppress
from errno import EFBIG
from http.client import BadStatusLine, HTTPResponse, IncompleteRead, UnknownProtocol, parse_headers
from io import BufferedReader, RawIOBase
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError, NewConnectionError

__all__ = ["CONNECT", "LOOK_UP", "POOLS", "Sending", "Unconnected", "reason"]

LOOK_UP, CONNECT = "name look-up", "connect"  # the steps that `Unconnected` names

CONNECT_LIMIT = 10.0  # seconds for one address
LONGEST = 32_000_000  # bytes of an answer as it arrives, with all that is around the body
RESET = struct.pack("ii", 1, 0)  # SO_LINGER

_here = threading.local()  # its `sending`: the request that this thread is making


class Sending:
    """A request that is being made, and can be cut off from another thread."""

    def __init__(self) -> None:
        self._is_cut = False
        self._socket: Any = None

    def begin(self) -> None:
        """This thread is making it from now on."""
        _here.sending = self

    def use(self, sock: Any) -> None:  # noqa: ANN401  # a socket, or TLS inside a proxy's TLS
        """Show the socket that is about to be used.

        Raises:
            ConnectionAbortedError: It was cut off.
        """
        self._socket = getattr(sock, "socket", sock)  # urllib3's TLS inside TLS is not a socket, but has one
        if self._is_cut:
            raise ConnectionAbortedError("cut off")

    def cut(self) -> None:
        """Make it end soon; nothing more of it is sent."""
        self._is_cut = True
        if self._socket is not None:
            with suppress(OSError):  # it is closed, or TLS has just taken it over
                # Reset, not ended: the kernel drops what it has not sent yet, instead of sending it when it can.
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                # TLS's own method drops the encryption first, and what is sent at that moment would be plain text.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Unconnected(NewConnectionError):  # noqa: N818  # an outcome of connecting, like `Failure`
    """A host's name could not be looked up, or none of its addresses could be connected to.

    Attributes:
        step: `LOOK_UP` or `CONNECT`, whichever failed.
        why: Why, in words.
    """

    def __init__(self, connection: HTTPConnection, step: str, why: str) -> None:
        super().__init__(connection, f"{step} failed: {why}")
        self.step = step
        self.why = why


def reason(error: BaseException) -> str:
    """An error's message for people: without its number, and without Python's names where there are words."""
    words = error.strerror if isinstance(error, OSError) and isinstance(error.strerror, str) else str(error)
    if isinstance(error, IncompleteRead):
        words = words[words.find("(") + 1 : -1]  # `331 bytes read, 331 more expected`
    elif type(error) in {BadStatusLine, UnknownProtocol}:
        words = f"not an HTTP answer: {words}"
    words = words or type(error).__name__
    return words[0].lower() + words[1:] if words[1:2].islower() else words


class _Bounded(RawIOBase):
    """What arrives for one answer, up to the largest size of one."""

    def __init__(self, raw: Any) -> None:  # noqa: ANN401  # of a socket, or of TLS inside a proxy's TLS
        self._raw = raw
        self._left = LONGEST

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:  # noqa: ANN401  # the base class's form
        count: int | None = self._raw.readinto(buffer)
        self._left -= count or 0
        if self._left < 0:
            raise OSError(EFBIG, f"longer than {LONGEST // 1_000_000} MB")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Response(HTTPResponse):
    """An answer; interim answers before it (102, 103) are read and dropped. Cookies are not kept."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401  # http.client's form
        super().__init__(*arguments, **options)
        self.fp = BufferedReader(_Bounded(self.fp.detach()))

    def begin(self) -> None:
        """Read the headers."""
        super().begin()
        del self.headers["Set-Cookie"]  # requests would parse them for seconds, and send them back

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, words = super()._read_status()  # type: ignore[misc]  # private, and stable
            if not 101 < status < 200:  # noqa: PLR2004  # 100 is Python's to skip, 101 is an answer
                return version, status, words
            parse_headers(self.fp)


class _Connection(HTTPConnection):
    response_class = _Response  # what http.client makes answers of
    auto_open = 0  # a socket that was closed is not opened again while sending

    def _new_conn(self) -> socket.socket:
        return _connected(self)

    def send(self, data: Any) -> None:  # noqa: ANN401  # http.client's form
        """Send a piece; all that is sent of a request, and of a CONNECT before it, comes this way."""
        _here.sending.use(self.sock)
        super().send(data)


class _TLSConnection(_Connection, HTTPSConnection):
    """The same, with TLS."""

    @property
    def is_connected(self) -> bool:
        """Whether it can be used: nothing has arrived on it, which urllib3 does not see of what TLS has read."""
        pending = getattr(self.sock, "pending", None)  # TLS inside a proxy's TLS does not tell
        return super().is_connected and not (pending is not None and pending())


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def _validate_conn(self, conn: Any) -> None:  # noqa: ANN401  # urllib3's form
        """Connect, as the pool for TLS does."""
        if conn.is_closed:
            conn.connect()


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


POOLS = {"http": _Pool, "https": _TLSPool}


def _connected(connection: HTTPConnection) -> socket.socket:
    """A socket that is connected to the connection's host, which may be a proxy.

    Raises:
        Unconnected: The host's name could not be looked up, or none of its addresses took the connection.
        LocationParseError: It is not a valid name.
    """
    host, port = connection._dns_host.strip("[]"), connection.port  # noqa: SLF001  # as urllib3 has it looked up
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unconnected(connection, LOOK_UP, reason(error)) from error
    except UnicodeError as error:
        raise LocationParseError(host) from error
    addresses = list(dict.fromkeys(found))  # a resolver may name one several times, and each takes a share
    seconds = float(connection.timeout or CONNECT_LIMIT)
    share = min(CONNECT_LIMIT, seconds / max(1, len(addresses)))
    failed: dict[str, None] = {}
    for family, kind, protocol, _, address in addresses:
        made = None
        try:
            made = socket.socket(family, kind, protocol)
            _here.sending.use(made)
            for option in connection.socket_options or ():
                made.setsockopt(*option)
            made.settimeout(share)
            made.connect(address)
        except OSError as error:
            if made is not None:
                made.close()
            why = f"no answer within {share:.3g} s" if isinstance(error, TimeoutError) else reason(error)
            failed[f"{why} ({address[0]})" if len(addresses) > 1 else why] = None
        else:
            made.settimeout(seconds)
            return made
    raise Unconnected(connection, CONNECT, ", ".join(failed) or "the host has no address")
