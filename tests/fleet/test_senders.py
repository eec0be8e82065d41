"""The threads that send, over real sockets."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from phases import HOST, Stalling
from process import PATIENCE, rehearsed

from orchestrator.fivetran.client import Client
from orchestrator.fleet.senders import MOST, Outcome, Senders
from orchestrator.job.limits import Limits
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request


def look(name: str) -> Request:
    """A look at a connection."""
    return Request("GET", f"/v1/connections/{name}", "read the connection")


def sync(name: str) -> Request:
    """A trigger."""
    return Request("POST", f"/v1/connections/{name}/sync", "start a sync", {"force": False}, wants_data=False)


class Threads:
    """Senders to an address, and what was said meanwhile."""

    def __init__(self, url: str, limits: Limits, clock: SystemClock, most: int) -> None:
        self.clients = list[Client]()
        self.warned = list[str]()
        self.clock = clock

        def connect() -> Client:
            self.clients.append(Client(url, KEY, SECRET))
            return self.clients[-1]

        self.senders = Senders[str](connect, clock, limits, self.warned.append, most)

    def send(self, about: str, request: Request, seconds: float = PATIENCE, *, interruptible: bool = True) -> None:
        """Begin to send a request."""
        self.senders.send(about, request, seconds, interruptible=interruptible)

    def land(self, count: int) -> dict[str, Outcome]:
        """What came of so many."""
        found = dict[str, Outcome]()
        until = self.clock.monotonic() + PATIENCE
        while len(found) < count:
            assert self.clock.monotonic() < until
            found.update(self.senders.ended(until))
        return found


@contextmanager
def threads(url: str, most: int = MOST, clock: SystemClock | None = None) -> Iterator[Threads]:
    """Senders to an address."""
    clock = clock or SystemClock()
    with Limits(clock) as limits:
        made = Threads(url, limits, clock, most)
        yield made
        made.senders.close()
        for client in made.clients:
            client.close()


def test_requests_are_answered() -> None:
    """Each request has its answer, known by what the caller gave, and a thread is used again."""
    with rehearsed(Scenario()) as fivetran, threads(fivetran.url) as some:
        for name in ("a", "b", "c"):
            some.send(name, look(name))
        first = some.land(3)
        some.send("again", look("d"))
        second = some.land(1)

    assert {name: outcome.data["id"] for name, outcome in first.items() if isinstance(outcome, Answer)} == {
        name: name for name in ("a", "b", "c")
    }
    assert isinstance(second["again"], Answer)
    assert len(some.clients) == 3


def test_no_more_than_so_many_at_once() -> None:
    """There is room for so many requests, and again when one has ended."""
    with rehearsed(Scenario()) as fivetran, threads(fivetran.url, most=2) as some:
        before = some.senders.free
        some.send("a", look("a"))
        some.send("b", look("b"))
        full = some.senders.free
        some.land(2)

        assert (before, full, some.senders.free) == (True, False, True)


def test_a_failure_is_an_outcome() -> None:
    """What the client makes of an answer is the outcome: a reset, a bad gateway, an unknown connection."""
    faults = (Fault(on="get", does="reset"), Fault(on="sync", status=503))
    with rehearsed(Scenario(faults=faults)) as fivetran, threads(fivetran.url) as some:
        some.send("look", look("a"))
        some.send("sync", sync("a"))
        found = some.land(2)

    assert [found[name].event for name in ("look", "sync") if isinstance(found[name], Failure)] == [  # type: ignore[union-attr]
        Event.UNAVAILABLE,
        Event.ANSWER_LOST,
    ]


def test_limit_is_the_requests_own() -> None:
    """A request that hangs ends at its limit, and another one that is under way goes on."""
    with rehearsed(Scenario(faults=(Fault(on="get", does="hang"),))) as fivetran, threads(fivetran.url) as some:
        some.send("hangs", look("a"), 0.2)
        fivetran.await_request("get")
        some.send("other", look("b"))
        found = some.land(2)

    assert found["hangs"] is Cut.LIMIT
    assert isinstance(found["other"], Answer)


def test_limit_begins_when_it_is_sent() -> None:
    """The limit is reckoned on the clock that is given, from the moment of sending."""

    class Later(SystemClock):
        ahead = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.ahead

    clock = Later()
    hang = Fault(on="get", does="hang", times=0)
    with rehearsed(Scenario(faults=(hang,))) as fivetran, threads(fivetran.url, clock=clock) as some:
        some.send("first", look("a"), 100.0)
        clock.ahead = 90.0
        some.send("second", look("b"), 100.0)
        clock.ahead = 101.0

        assert some.land(1) == {"first": Cut.LIMIT}
        clock.ahead = 191.0
        assert some.land(1) == {"second": Cut.LIMIT}


def test_place_of_a_hanging_look_up_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that hangs in a name look-up is replaced, and nothing of its request is sent when it goes on."""
    released, real = threading.Event(), socket.getaddrinfo
    stuck = threading.Event()

    def look_up(host: Any, *given: Any, **how: Any) -> Any:
        if host == HOST and not stuck.is_set():
            stuck.set()
            released.wait(PATIENCE)
        return real("127.0.0.1" if host == HOST else host, *given, **how)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with rehearsed(Scenario()) as fivetran:
        url = fivetran.url.replace("127.0.0.1", HOST)
        with threads(url, most=1) as some:
            some.send("stuck", sync("a"), 0.1)
            assert stuck.wait(PATIENCE)
            cut = some.land(1)
            assert some.senders.free
            some.send("next", look("b"))
            found = some.land(1)
            released.set()
            while len(some.senders._idle) < 2:  # it has come back
                assert list(some.senders.ended(some.clock.monotonic() + PATIENCE)) == []
            operations = [seen.operation for seen in fivetran.simulator.seen]

    assert cut == {"stuck": Cut.LIMIT}
    assert isinstance(found["next"], Answer)
    assert operations == ["get"]


@pytest.mark.parametrize("phase", ["head", "body", "waiting", "reading", "trickle"])
def test_nothing_is_sent_after_a_cut(phase: str) -> None:
    """Cut off in any phase, the request ends at the server: nothing more of it arrives, on no connection."""
    with Stalling(phase, watches=0.5) as server:
        with threads(server.url) as some:
            body = {"x": "x" * (12_000_000 if phase == "body" else 10)}
            some.send("cut", Request("POST", "/v1/cut-off", "be cut off", body))
            assert server.stalled.wait(PATIENCE)
            cut = dict(some.senders.interrupt())
            server.released.set()
            while not some.senders._idle:
                assert list(some.senders.ended(some.clock.monotonic() + PATIENCE)) == []
        server._thread.join(PATIENCE)

    assert cut == {"cut": Cut.SIGNAL}
    assert server.more == 0
    assert b"POST" not in bytes(server.later) or phase == "head"


def test_signal_wakes_who_waits() -> None:
    """A signal ends the waiting at once; what may not be cut off goes on, and its answer is taken."""
    slow = Fault(on="sync", does="slow", answers_in=0.3)
    hang = Fault(on="get", does="hang")
    with rehearsed(Scenario(faults=(slow, hang))) as fivetran, threads(fivetran.url) as some:
        some.send("look", look("a"))
        some.send("shielded", sync("b"), interruptible=False)
        fivetran.await_request("sync")
        os.kill(os.getpid(), signal.SIGTERM)
        woken = list(some.senders.ended(some.clock.monotonic() + PATIENCE))
        cut = dict(some.senders.interrupt())
        rest = some.land(1)

    assert woken == []
    assert cut == {"look": Cut.SIGNAL}
    assert isinstance(rest["shielded"], Answer)


def test_no_thread_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started, requests are made one after another all the same, and that is said once."""
    with rehearsed(Scenario()) as fivetran, threads(fivetran.url) as some:
        monkeypatch.setattr("orchestrator.fleet.senders.Thread", _Refusing)
        some.send("a", look("a"))
        some.send("b", look("b"))
        found = some.land(2)

    assert all(isinstance(outcome, Answer) for outcome in found.values())
    assert some.warned == ["can't start new thread: requests end only at their own timeouts, and signals wait for them"]


class _Refusing:
    """A thread that cannot be started."""

    def __init__(self, **_: object) -> None:
        pass

    def start(self) -> None:
        """It cannot."""
        raise RuntimeError("can't start new thread")


def test_threads_end() -> None:
    """Threads that have nothing to do end when they are closed."""
    before = set(threading.enumerate())
    with rehearsed(Scenario()) as fivetran:
        with threads(fivetran.url) as some:
            for name in ("a", "b", "c"):
                some.send(name, look(name))
            some.land(3)
            mine = [each for each in threading.enumerate() if each not in before and "_work" in each.name]
        for each in mine:
            each.join(PATIENCE)

    assert len(mine) == 3
    assert [each for each in mine if each.is_alive()] == []


def test_headers_are_heeded() -> None:
    """The headers of each answer are shown to who learns from them, in the caller's thread."""
    heard = list[tuple[str, bool]]()

    def heed(headers: Any) -> None:
        heard.append((headers["content-type"], threading.current_thread() is threading.main_thread()))

    with rehearsed(Scenario(faults=(Fault(on="get", status=429, code="RateLimit"),))) as fivetran:
        clock = SystemClock()
        with Limits(clock) as limits:
            senders = Senders[str](lambda: Client(fivetran.url, KEY, SECRET, heed=heed), clock, limits, str)
            for name in ("a", "b"):
                senders.send(name, look(name), PATIENCE, interruptible=True)
            while len(heard) < 2:
                list(senders.ended(clock.monotonic() + PATIENCE))
            senders.close()

    assert heard == [("application/json", True)] * 2
