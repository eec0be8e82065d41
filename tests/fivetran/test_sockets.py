"""A request that was cut off is never sent later, wherever it was."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from phases import HELD_BACK, LARGE, PHASES, Stalling
from process import PATIENCE
from stage import CONNECTOR

from orchestrator.fivetran import sockets
from orchestrator.fivetran.client import Client
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.values.exchange import Cut, Request

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
            with suppress(Exception):
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


SECURE = ("look-up", "handshake", "head", "body", "held back", "waiting", "reading", "trickle")


def test_nothing_of_a_request_is_sent_after_it_was_cut_off(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off in any phase, with TLS and without: for five seconds, nothing more of the request arrives."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    kinds = [(phase, None) for phase in PHASES if phase not in {"handshake", "CONNECT"}]
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
        assert (begun.results, server.more, begun.thread.is_alive()) == ([], 0, False), server.phase
        if server.phase == "head":
            assert b"\r\n\r\n" not in later
        elif server.phase in {"body", "held back"}:
            assert len(later) < (LARGE if server.phase == "body" else HELD_BACK)
        else:
            assert (server.phase, later) == (server.phase, b"")
