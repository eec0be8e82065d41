"""Time limits and signals in this very process, and the clocks that they go by."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from orchestrator.job.limits import Limits
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.values.clock import FastClock, SystemClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Cut

FOR_EVER = 30.0  # seconds; a test that waits so long has failed


class HandClock(SystemClock):
    """A clock that is set by hand; its seconds are short ones for who waits."""

    speed = 100.0

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """As it was set."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Be later."""
        self.now += max(0.0, seconds)


@pytest.fixture
def clock() -> HandClock:
    """A clock that is set by hand."""
    return HandClock()


@pytest.fixture
def limits(clock: HandClock) -> Iterator[Limits]:
    """Limits on that clock."""
    with Limits(clock) as entered:
        yield entered


@pytest.fixture
def hang() -> Iterator[Callable[[], object]]:
    """What hangs until the test is over."""
    over = threading.Event()
    yield lambda: over.wait(FOR_EVER)
    over.set()


def _arriving(number: int, then: Callable[[], object]) -> Callable[[], object]:
    """A call that a signal arrives in, and what it does then."""

    def call() -> object:
        os.kill(os.getpid(), number)
        return then()

    return call


def test_call_gives_the_result(limits: Limits) -> None:
    """A call that ends in time gives its result, and its thread ends."""
    result = limits.call(threading.current_thread, 10.0, interruptible=True)

    assert isinstance(result, threading.Thread)
    assert result is not threading.main_thread()
    result.join(FOR_EVER)
    assert not result.is_alive()


def test_call_is_cut_off_at_its_limit(hang: Callable[[], object]) -> None:
    """A call that hangs is cut off at its limit, in real time."""
    began = time.monotonic()
    with Limits(SystemClock()) as limits:
        found = limits.call(hang, 0.05, interruptible=True)

    assert found is Cut.LIMIT
    assert 0.05 <= time.monotonic() - began < FOR_EVER


def test_limit_is_on_the_injected_clock(limits: Limits, clock: HandClock, hang: Callable[[], object]) -> None:
    """The limit is one of the injected clock's: it strikes as soon as that clock says so."""

    def call() -> object:
        clock.now = 10.0
        return hang()

    assert limits.call(call, 10.0, interruptible=True) is Cut.LIMIT


def test_answer_after_the_limit_is_late(limits: Limits, clock: HandClock) -> None:
    """What comes after the limit is too late, whether or not whoever waits was quicker."""

    def call() -> str:
        clock.now = 10.0
        return "late"

    assert limits.call(call, 10.0, interruptible=True) is Cut.LIMIT


@pytest.mark.parametrize(("number", "event"), [(signal.SIGINT, Event.INTERRUPTED), (signal.SIGTERM, Event.TERMINATED)])
def test_signal_ends_a_call(limits: Limits, hang: Callable[[], object], number: int, event: Event) -> None:
    """A signal ends an interruptible call, and is noted as its event."""
    found = limits.call(_arriving(number, hang), 10.0, interruptible=True)

    assert (found, limits.noted) == (Cut.SIGNAL, event)


def test_signal_that_another_thread_gets(limits: Limits, hang: Callable[[], object]) -> None:
    """A signal ends a call whichever thread the system gives it to."""

    def call() -> object:
        signal.raise_signal(signal.SIGTERM)
        return hang()

    assert limits.call(call, 10.0, interruptible=True) is Cut.SIGNAL


def test_shielded_call_goes_on(limits: Limits) -> None:
    """A signal does not end a call that is not interruptible."""
    result = limits.call(_arriving(signal.SIGTERM, lambda: "result"), 10.0, interruptible=False)

    assert (result, limits.noted) == ("result", Event.TERMINATED)


def test_shielded_call_gets_the_grace(limits: Limits, clock: HandClock, hang: Callable[[], object]) -> None:
    """After a signal a call that is not interruptible is cut off when the grace is over."""

    def call() -> object:
        while limits.noted is None:  # noted first, and only then the time passes
            time.sleep(0)
        clock.now = GRACE_AFTER_SIGNAL
        return hang()

    assert limits.call(_arriving(signal.SIGTERM, call), 10.0, interruptible=False) is Cut.LIMIT


def test_signal_outside_a_call_is_noted(limits: Limits) -> None:
    """A signal between two calls is noted, and the next call does not begin."""
    called: list[str] = []
    signal.raise_signal(signal.SIGINT)

    noted = limits.noted
    found = limits.call(lambda: called.append("called"), 10.0, interruptible=True)

    assert (noted, found, called) == (Event.INTERRUPTED, Cut.SIGNAL, [])


def test_no_thread_can_be_started(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no thread can be started a call is made all the same, also past its limit, and that is reported once."""
    told: list[str] = []

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    def call() -> threading.Thread:
        clock.now += 20.0
        return threading.current_thread()

    monkeypatch.setattr(threading.Thread, "start", refuse)
    with Limits(clock, warn=told.append) as limits:
        found = [limits.call(call, 10.0, interruptible=True) for _ in range(2)]

    assert found == [threading.main_thread()] * 2
    assert told == ["can't start new thread: requests end only at their own timeouts, and signals wait for them"]


def test_pause_lasts_until_its_time(limits: Limits, clock: HandClock) -> None:
    """A pause ends at its time, not seconds after it began."""
    clock.now = 3.0

    limits.pause(100.0)

    assert clock.now == 100.0


@pytest.mark.parametrize("lost", [False, True])
def test_signal_ends_one_pause(
    limits: Limits, clock: HandClock, monkeypatch: pytest.MonkeyPatch, *, lost: bool
) -> None:
    """A signal ends the pause that it arrives in, or the next one, and none after that."""
    if lost:
        signal.raise_signal(signal.SIGTERM)
    else:
        monkeypatch.setattr(clock, "sleep", lambda _: signal.raise_signal(signal.SIGTERM))
    limits.pause(10.0)
    monkeypatch.undo()
    after_the_first = clock.now
    limits.pause(10.0)

    assert (after_the_first, clock.now) == (0.0, 10.0)


def test_pause_is_ended_by_a_signal_in_real_time() -> None:
    """A signal ends a pause in real time, long before its end."""
    with Limits(SystemClock()) as limits:
        timer = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        began = time.monotonic()
        limits.pause(began + FOR_EVER)
        took = time.monotonic() - began
        timer.join()

    assert took < FOR_EVER


def test_tick_is_called_while_something_is_under_way(limits: Limits, clock: HandClock) -> None:
    """Whoever draws a live line is called while a call, a pause or a wait lasts, and not outside one."""
    ticked = threading.Event()
    limits.tick = ticked.set
    outside = ticked.is_set()

    limits.call(lambda: ticked.wait(FOR_EVER), 10.0, interruptible=True)
    in_a_call = ticked.is_set()
    ticked.clear()
    limits.pause(clock.now + 1.0)
    in_a_pause = ticked.is_set()
    ticked.clear()
    limits.goes_on()

    assert (outside, in_a_call, in_a_pause, ticked.is_set()) == (False, True, True, True)


@pytest.mark.parametrize(("interruptible", "expected"), [(True, False), (False, True)])
def test_wait_goes_on_until_a_signal(limits: Limits, *, interruptible: bool, expected: bool) -> None:
    """What waits for a reader goes on until a signal, unless one has come before and this is its grace."""
    limits.begin(10.0, interruptible=interruptible)
    before = limits.goes_on()
    signal.raise_signal(signal.SIGTERM)

    assert (before, limits.goes_on()) == (True, expected)


def test_wait_goes_on_until_its_limit(limits: Limits, clock: HandClock) -> None:
    """What waits for a reader goes on until its limit."""
    limits.begin(10.0, interruptible=True)
    clock.now = 9.9
    before = limits.goes_on()
    clock.now = 10.0

    assert (before, limits.goes_on()) == (True, False)


def test_handlers_are_put_back(clock: HandClock) -> None:
    """Behind the limits the signals are handled as before."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]
    with Limits(clock):
        within = [signal.getsignal(number) for number in numbers]

    assert before == [signal.getsignal(number) for number in numbers]
    assert not set(before) & set(within)


@pytest.fixture
def _restored() -> Iterator[None]:
    """What a test does to SIGINT and to the signals that are blocked is undone."""
    before, blocked = signal.getsignal(signal.SIGINT), signal.pthread_sigmask(signal.SIG_BLOCK, ())
    yield
    signal.signal(signal.SIGINT, before)
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_blocked_signal_is_unblocked(clock: HandClock, number: signal.Signals) -> None:
    """A signal that the parent had blocked is heeded, even if it came before, and blocked again afterwards."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    signal.raise_signal(number)

    with Limits(clock) as limits:
        noted = limits.noted

    assert noted is not None
    assert number in signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.usefixtures("_restored")
def test_ignored_interrupt_stays_ignored(clock: HandClock) -> None:
    """SIGINT that a shell had ignored for what runs in its background is none of the job's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with Limits(clock) as within:
        signal.raise_signal(signal.SIGINT)
        noted = within.noted

    assert noted is None
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.usefixtures("limits")
def test_second_signal_ends_at_once(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """A second signal ends the process where it is, with that signal's exit code, and says so."""
    codes: list[int] = []
    monkeypatch.setattr(os, "_exit", codes.append)

    signal.raise_signal(signal.SIGTERM)
    signal.raise_signal(signal.SIGINT)

    assert codes == [130]
    assert "second signal: exiting now" in capfd.readouterr().err


def test_fast_clock_starts_at_the_real_time() -> None:
    """A fast clock begins at the machine's time and goes so much faster from there."""
    before = (time.monotonic(), time.time())

    clock = FastClock(1e6)
    shown = (clock.monotonic(), clock.wall())

    assert before <= shown
    assert (clock.real(20.0), clock.speed) == (20e-6, 1e6)


def test_fast_clock_sleeps_briefly() -> None:
    """On a fast clock an hour passes in a moment, on both of its hands."""
    clock = FastClock(1e6)
    before = (clock.monotonic(), clock.wall())

    clock.sleep(3600.0)

    assert clock.monotonic() - before[0] >= 3600.0
    assert clock.wall() - before[1] >= 3600.0


def test_system_clock_does_not_sleep_backwards() -> None:
    """A moment that has passed already is not waited for, nor an error."""
    clock = SystemClock()
    before = clock.monotonic()

    clock.sleep(-1.0)

    assert before <= clock.monotonic()
    assert abs(clock.wall() - time.time()) < FOR_EVER
