"""How connections are made and kept: what urllib3 does, but so that nothing of it hangs.

- A name is looked up in a helper thread, for each new connection, a proxy's or the next after
  an idle one was closed: Python's signal handlers have to wait while the resolver hangs, so
  neither a limit nor a signal could end that. They can end the wait for the thread.
- Each address has a limit of its own, so that a dead one (IPv6 that leads nowhere) gives way to the next.
- Answers 1xx before the answer are skipped; Python itself skips 100 only.
- What keeps idle connections has no lock: see `_Shelf`.
"""

import _thread
import queue
import socket
from collections.abc import Iterable
from http.client import HTTPResponse, parse_headers
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import LocationParseError, NewConnectionError

__all__ = ["POOLS", "Unconnected", "Unresolved", "reason"]

CONNECT_LIMIT = 10.0  # seconds for one address

# What getaddrinfo returns.
Addresses = list[tuple[Any, ...]]


class Unresolved(NewConnectionError):  # noqa: N818  # what became of it
    """A name could not be looked up.

    Attributes:
        host: The name.
        why: In words.
    """

    def __init__(self, connection: HTTPConnection, host: str, why: str) -> None:
        super().__init__(connection, why)
        self.host = host
        self.why = why


class Unconnected(NewConnectionError):  # noqa: N818  # likewise
    """No address of a host could be connected to.

    Attributes:
        why: In words.
    """

    def __init__(self, connection: HTTPConnection, why: str) -> None:
        super().__init__(connection, why)
        self.why = why


def reason(error: BaseException) -> str:
    """What an error says, for people: without its number and without Python's names where there are words."""
    words = error.strerror if isinstance(error, OSError) and isinstance(error.strerror, str) else str(error)
    words = words or type(error).__name__
    return words[0].lower() + words[1:] if words[1:2].islower() else words


class _Shelf:
    """What urllib3 keeps idle connections in, without a lock.

    A limit or a signal is an exception at any instruction. In Python's own queue it can come
    between the taking of the lock and the block that gives it back, and then whatever touches
    the pool next, its finaliser for one, waits for ever. One thread needs no lock.
    """

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._kept: list[Any] = []

    def put(self, connection: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ANN401, FBT001, FBT002  # queue's form
        del block, timeout
        if len(self._kept) >= self._maxsize:
            raise queue.Full
        self._kept.append(connection)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002  # likewise
        del block, timeout
        if not self._kept:
            raise queue.Empty
        return self._kept.pop()

    def qsize(self) -> int:
        return len(self._kept)


class _Response(HTTPResponse):
    """An answer; what was said before it (102, 103, several of them) is read and forgotten."""

    def _read_status(self) -> tuple[str, int, str]:
        while True:
            version, status, words = super()._read_status()  # type: ignore[misc]  # private, and stable
            if not 101 < status < 200:  # noqa: PLR2004  # 100 is Python's to skip, 101 is an answer
                return version, status, words
            parse_headers(self.fp)


class _Connection(HTTPConnection):
    response_class = _Response  # what http.client makes answers of

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _TLSConnection(HTTPSConnection):
    response_class = _Response

    def _new_conn(self) -> socket.socket:
        return _connected(self)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection
    QueueCls = _Shelf  # type: ignore[assignment]  # all of a queue that a pool uses


class _TLSPool(HTTPSConnectionPool):
    ConnectionCls = _TLSConnection
    QueueCls = _Shelf  # type: ignore[assignment]  # likewise


POOLS = {"http": _Pool, "https": _TLSPool}


def _connected(connection: HTTPConnection) -> socket.socket:
    """A socket that is connected to the connection's host, which may be a proxy.

    Raises:
        Unresolved: The host's name could not be looked up within the connection's limit.
        Unconnected: None of its addresses took the connection.
        LocationParseError: It is no name.
    """
    host, port = connection._dns_host.strip("[]"), connection.port  # noqa: SLF001  # as urllib3 has it looked up
    seconds = float(connection.timeout or CONNECT_LIMIT)
    addresses = _addresses(connection, host, port, seconds)
    share = min(CONNECT_LIMIT, seconds / max(1, len(addresses)))
    failed: dict[str, None] = {}
    for family, kind, protocol, _, address in addresses:
        made = None
        try:
            made = socket.socket(family, kind, protocol)
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
    raise Unconnected(connection, ", ".join(failed) or "it has no address")


def _addresses(connection: HTTPConnection, host: str, port: int, seconds: float) -> Addresses:
    # A queue in C: a handler that raises while it waits leaves no lock behind. Nor does a thread
    # that is started without Python's own bookkeeping.
    found: queue.SimpleQueue[Addresses | Exception] = queue.SimpleQueue()
    try:
        _thread.start_new_thread(_look_up, (found, host, port))
    except RuntimeError:  # no thread can be had: then neither limit nor signal ends the look-up
        _look_up(found, host, port)
    try:
        result = found.get(timeout=seconds)
    except queue.Empty:
        raise Unresolved(connection, host, f"no answer within {seconds:.3g} s") from None
    if isinstance(result, OSError):
        raise Unresolved(connection, host, reason(result)) from result
    if isinstance(result, Exception):
        raise LocationParseError(host) from result
    return result


def _look_up(found: "queue.SimpleQueue[Addresses | Exception]", host: str, port: int) -> None:
    try:
        found.put(_distinct(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
    except Exception as error:  # noqa: BLE001  # whoever waits is told
        found.put(error)


def _distinct(addresses: Iterable[tuple[Any, ...]]) -> Addresses:
    """The addresses in their order, each once: a resolver may name one several times, and each takes a share."""
    return list(dict.fromkeys(addresses))
