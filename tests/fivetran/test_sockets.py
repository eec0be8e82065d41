"""A request that was cut off is never sent later, wherever it was."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
from phases import HELD_BACK, HOST, LARGE, PHASES, Stalling
from process import PATIENCE
from simulated_job import CONNECTOR, Simulate

from orchestrator.fivetran import sockets
from orchestrator.fivetran.client import Client
from orchestrator.fivetran.sockets import Sending
from orchestrator.job.job import bounded
from orchestrator.job.limits import Limits
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Cut, Request

GET = Request("GET", f"/v1/connections/{CONNECTOR}", "read the connection")
PATCH = Request("PATCH", GET.path, "change the schedule", {"schedule_type": "manual"})
ABANDONED = {"look-up", "handshake"}  # the phases in which nothing reaches the helper thread: it is left there


class _Begun:
    """A request that is begun on a helper thread, and cut off as soon as it stands in its phase."""

    def __init__(self, server: Stalling, stands: threading.Event) -> None:
        self.server = server
        self.results: list[object] = []
        self._stands = stands

    def cut_off(self, client: Client) -> None:
        """Begin it, and cut it off."""
        body = {"body": LARGE, "held back": HELD_BACK}.get(self.server.phase, 10)
        request = Request("POST", "/v1/cut-off", "be cut off", {"x": "x" * body})

        found = client.send(request, PATIENCE, self._within)

        assert found is Cut.LIMIT

    def _within(self, call: Callable[[], Any]) -> Cut:
        def perform() -> None:
            self.results.append(call())

        self.thread = threading.Thread(target=perform, daemon=True)
        self.thread.start()
        assert self._stands.wait(PATIENCE), self.server.phase
        return Cut.LIMIT


@contextmanager
def _standing(server: Stalling, monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """What is set when a request stands in the phase of a server, as far as its own side knows."""
    event, real = threading.Event(), socket.getaddrinfo

    def told(function: Callable[..., Any]) -> Callable[..., Any]:
        def tell(*given: Any) -> Any:
            event.set()
            return function(*given)

        return tell

    def look_up(*_: object, **__: object) -> object:
        event.set()
        server.released.wait(PATIENCE)
        return real("127.0.0.1", server.port, type=socket.SOCK_STREAM)

    with monkeypatch.context() as patch:
        patch.setenv("HTTPS_PROXY", server.proxy)
        if server.phase == "look-up":
            patch.setattr(socket, "getaddrinfo", look_up)
            yield event
        elif server.phase == "connect":
            patch.setattr(socket.socket, "connect", told(socket.socket.connect))
            yield event
        elif server.phase == "held back":  # all of it is with the kernel when an answer is waited for
            patch.setattr(sockets._Response, "begin", told(sockets._Response.begin))
            yield event
        else:
            yield server.stalled


SECURE = ("handshake", "head", "body", "held back", "waiting", "reading", "trickle")


def test_nothing_of_a_request_is_sent_after_it_was_cut_off(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off in any phase, with TLS and without: for five seconds, nothing more of the request arrives."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    kinds: list[tuple[str, Path | None]] = [(phase, None) for phase in PHASES if phase not in {"handshake", "CONNECT"}]
    kinds += [(phase, certificate) for phase in (*SECURE, "CONNECT")]
    with ExitStack() as stack:
        all_begun: list[_Begun] = []
        for phase, speaks in kinds:
            server = stack.enter_context(Stalling(phase, speaks, watches=5.0))
            with _standing(server, monkeypatch) as stands:
                begun = _Begun(server, stands)
                client = Client(server.url, KEY, SECRET)
                stack.callback(client.close)
                if phase == "head":
                    client._session.headers["Accept"] = "x" * LARGE
                begun.cut_off(client)
                all_begun.append(begun)
                if phase not in ABANDONED:
                    begun.thread.join(PATIENCE)
                    assert not begun.thread.is_alive(), phase
        for begun in all_begun:
            begun.server.released.set()
    for begun in all_begun:
        begun.thread.join(PATIENCE)

    for begun in all_begun:
        server, later = begun.server, bytes(begun.server.later)
        assert (server.more, begun.thread.is_alive()) == (0, False), server.phase
        assert isinstance(begun.results[0], Exception), server.phase
        if server.phase == "head":
            assert b"\r\n\r\n" not in later
        elif server.phase in {"body", "held back"}:
            assert len(later) < (LARGE if server.phase == "body" else HELD_BACK)
        else:
            assert (server.phase, later) == (server.phase, b"")


# --- The looks at the flag ------------------------------------------------------------------------


class _Keeping:
    """A server, or a proxy with the server behind it, that keeps its connections and notes what pieces arrive."""

    def __init__(self, certificate: Path | None) -> None:
        self.pieces: list[str] = []
        self._certificate = certificate
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join(PATIENCE)
        self._listener.close()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        connection.settimeout(PATIENCE)
        with suppress(OSError):
            if self._certificate is not None:
                self._read(connection, b"\r\n\r\n", "CONNECT")
                connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.load_cert_chain(self._certificate)
                connection = context.wrap_socket(connection, server_side=True)
            while True:
                self._read(connection, b"\r\n\r\n", "head")
                self._read(connection, b"}", "body")
                body = json.dumps({"code": "Success", "data": {}})
                connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
        connection.close()

    def _read(self, connection: socket.socket, end: bytes, name: str) -> None:
        read = b""
        while not read.endswith(end):
            piece = connection.recv(1)
            if not piece:
                raise ConnectionError
            read += piece
        self.pieces.append(name)


@pytest.mark.parametrize("late", [False, True], ids=["before the look", "after the look"])
@pytest.mark.parametrize("proxied", [False, True], ids=["plain", "TLS through a proxy"])
def test_cut_off_at_each_piece(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, *, proxied: bool, late: bool
) -> None:
    """Cut off just before any piece is sent, on a new connection or a kept one: that piece is not sent, nor another."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    real = Sending.use
    pieces = [*(["CONNECT"] if proxied else []), "head", "body", "head", "body"]
    for struck in count(1):
        looks = count(1)

        def use(sending: Sending, sock: Any, looks: Iterator[int] = looks, struck: int = struck) -> None:
            strikes = next(looks) == struck
            if strikes and not late:
                sending.cut()
            real(sending, sock)
            if strikes and late:
                sending.cut()

        monkeypatch.setattr(Sending, "use", use)
        with _Keeping(certificate if proxied else None) as server:
            url = f"https://{HOST}" if proxied else f"http://{server.address}"
            monkeypatch.setenv("HTTPS_PROXY", f"http://{server.address}")
            client = Client(url, KEY, SECRET)
            found = client.send(PATCH, PATIENCE)
            if isinstance(found, Answer):
                found = client.send(PATCH, PATIENCE)
            client.close()
            if struck == 1 and not late:
                socket.create_connection(server._listener.getsockname()).close()  # it still waits for one

        if isinstance(found, Answer):
            break
        assert server.pieces == pieces[: max(0, struck - 2)]

    assert struck == len(pieces) + 2


def test_tls_is_not_dropped() -> None:
    """What is sent over TLS at the very moment of the cut is not sent in plain text instead: TLS stays in place."""
    ours, theirs = socket.socketpair()
    with (
        ours,
        theirs,
        ssl.create_default_context().wrap_socket(ours, do_handshake_on_connect=False, server_hostname=HOST) as secure,
    ):
        sending = Sending()
        sending.use(secure)
        sending.cut()
        still = secure._sslobj  # type: ignore[attr-defined]  # Python's own shutdown sets it to None
        ended = theirs.recv(1)

    assert still is not None
    assert ended == b""


def test_tls_inside_tls_is_cut_off() -> None:
    """What speaks TLS inside a proxy's TLS is not a socket; the one that it uses is shut down."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        sending = Sending()
        sending.use(SimpleNamespace(socket=ours))
        sending.cut()

        assert theirs.recv(1) == b""


def test_closed_socket_is_cut_off() -> None:
    """Cutting off what is over already changes nothing."""
    ours, theirs = socket.socketpair()
    sending = Sending()
    sending.use(ours)
    ours.close()
    theirs.close()

    sending.cut()

    with pytest.raises(ConnectionAbortedError, match="cut off"):
        sending.use(ours)


# --- As a job does it -----------------------------------------------------------------------------


@pytest.mark.parametrize("does", ["hang", "trickle"])
def test_cut_off_request_leaves_a_usable_client(simulate: Simulate, does: str) -> None:
    """A request that a limit cuts off does not spoil the next: no rest of its answer is read."""
    job = simulate(Scenario(faults=(Fault(does=does, acts=True),)))
    client, clock = Client(job.url, KEY, SECRET), SystemClock()
    with Limits(clock) as limits:
        send = bounded(client, clock, limits)
        found = send(GET, 0.05, True)  # noqa: FBT003  # Send's form
        answer = send(GET, PATIENCE, True)  # noqa: FBT003  # likewise
    client.close()

    assert found is Cut.LIMIT
    assert isinstance(answer, Answer)
    assert answer.data["id"] == CONNECTOR


@pytest.mark.parametrize("proxy", ["", "proxy:3128", "http://proxy:3128", "https://proxy:3128"])
def test_hanging_look_up_is_cut_off(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """A name that is being looked up for ever, the API's or a proxy's, keeps no limit waiting."""
    released, clock, asked = threading.Event(), SystemClock(), list[str]()

    def look_up(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        released.wait(PATIENCE)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with Limits(clock) as limits:
        client = Client(f"https://{HOST}", KEY, SECRET)
        # A busy machine takes a moment to get as far as the look-up.
        found = bounded(client, clock, limits)(GET, 0.5, True)  # noqa: FBT003  # Send's form
    released.set()

    assert (found, asked) == (Cut.LIMIT, ["proxy" if proxy else HOST])


def test_error_while_it_is_waited_for_cuts_it_off(simulate: Simulate) -> None:
    """An error while waiting is raised as it is, not reported as a failed request, and the request is cut off."""
    job, clock = simulate(Scenario(faults=(Fault(does="hang"),))), SystemClock()
    client = Client(job.url, KEY, SECRET)

    def tick() -> None:
        raise ZeroDivisionError("of the live line")

    session = client._session
    with Limits(clock, tick) as limits, pytest.raises(ZeroDivisionError):
        bounded(client, clock, limits)(GET, PATIENCE, True)  # noqa: FBT003  # Send's form
    client.close()

    assert client._session is not session
