"""Time limits and signals in this very process, and the clocks that they go by."""

import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from orchestrator.job.limits import LimitReached, SignalReceived, Watch
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.values.clock import FastClock, SystemClock
from orchestrator.values.events import Event

FOR_EVER = 30.0  # seconds; a test that waits so long has failed


class HandClock(SystemClock):
    """A clock that is set by hand; its seconds are short ones for the timer."""

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
def watch(clock: HandClock) -> Iterator[Watch]:
    """A watch on that clock."""
    with Watch(clock) as entered:
        yield entered


def _hang() -> None:
    threading.Event().wait(FOR_EVER)


def _raiser(number: int) -> Callable[[], None]:
    """A call that a signal arrives in, and that then hangs."""

    def call() -> None:
        signal.raise_signal(number)
        _hang()

    return call


def test_call_gives_the_result(watch: Watch) -> None:
    """A call that ends in time gives its result, and no timer is left behind."""
    result = watch.call(lambda: "result", 10.0, interruptible=True)

    assert result == "result"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_call_passes_an_error_on(watch: Watch) -> None:
    """What a call raises comes through, and no timer is left behind."""
    with pytest.raises(ZeroDivisionError):
        watch.call(lambda: 1 / 0, 10.0, interruptible=True)

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_call_is_cut_off_at_its_limit() -> None:
    """A call that hangs is cut off at its limit, in real time."""
    began = time.monotonic()
    with Watch(SystemClock()) as watch, pytest.raises(LimitReached):
        watch.call(_hang, 0.05, interruptible=True)

    assert 0.05 <= time.monotonic() - began < FOR_EVER


def test_limit_is_on_the_injected_clock(watch: Watch, clock: HandClock) -> None:
    """The limit is one of the injected clock's: it strikes as soon as that clock says so."""

    def call() -> None:
        clock.now = 10.0
        _hang()

    with pytest.raises(LimitReached):
        watch.call(call, 10.0, interruptible=True)


@pytest.mark.parametrize(("number", "event"), [(signal.SIGINT, Event.INTERRUPTED), (signal.SIGTERM, Event.TERMINATED)])
def test_signal_ends_a_call(watch: Watch, number: int, event: Event) -> None:
    """A signal ends an interruptible call, and is noted as its event."""
    with pytest.raises(SignalReceived):
        watch.call(_raiser(number), 10.0, interruptible=True)

    assert watch.signal() == event


def test_shielded_call_goes_on(watch: Watch) -> None:
    """A signal does not end a call that is not interruptible."""

    def call() -> str:
        signal.raise_signal(signal.SIGTERM)
        return "result"

    result = watch.call(call, 10.0, interruptible=False)

    assert (result, watch.signal()) == ("result", Event.TERMINATED)


def test_shielded_call_gets_the_grace(watch: Watch, clock: HandClock) -> None:
    """After a signal a call that is not interruptible is cut off when the grace is over."""

    def call() -> None:
        signal.raise_signal(signal.SIGTERM)
        clock.now = GRACE_AFTER_SIGNAL
        _hang()

    with pytest.raises(LimitReached):
        watch.call(call, 10.0, interruptible=False)


def test_signal_outside_a_call_is_noted(watch: Watch) -> None:
    """A signal between two calls raises nothing there, but before the next call begins."""
    called: list[str] = []
    signal.raise_signal(signal.SIGINT)

    noted = watch.signal()
    with pytest.raises(SignalReceived):
        watch.call(lambda: called.append("called"), 10.0, interruptible=True)

    assert (noted, called) == (Event.INTERRUPTED, [])


def test_absorbed_signal_is_raised_again(watch: Watch) -> None:
    """Where a library absorbs what the handler raises, the timer raises it again."""

    def call() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except SignalReceived:
            _hang()

    with pytest.raises(SignalReceived):
        watch.call(call, 10.0, interruptible=True)


@pytest.mark.parametrize(
    ("act", "raised", "reported"),
    [
        (lambda: signal.raise_signal(signal.SIGTERM), SignalReceived, []),
        (lambda: 1 / 0, LimitReached, [ZeroDivisionError]),
    ],
)
def test_signal_in_a_finaliser(
    clock: HandClock,
    monkeypatch: pytest.MonkeyPatch,
    act: Callable[[], object],
    raised: type[BaseException],
    reported: list[type[Exception]],
) -> None:
    """A signal that Python drops in a finaliser is raised again and not reported; another error there is."""
    told: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda lost: told.append(lost.exc_type))

    class Finalised:
        def __del__(self) -> None:
            act()

    def call() -> None:
        Finalised()
        clock.now = 10.0
        _hang()

    with Watch(clock) as watch, pytest.raises(raised):
        watch.call(call, 10.0, interruptible=True)

    assert told == reported


def test_pause_lasts_until_its_time(watch: Watch, clock: HandClock) -> None:
    """A pause ends at its time, not seconds after it began."""
    clock.now = 3.0

    watch.pause(10.0)

    assert clock.now == 10.0


@pytest.mark.parametrize("lost", [False, True])
def test_signal_ends_one_pause(watch: Watch, clock: HandClock, monkeypatch: pytest.MonkeyPatch, *, lost: bool) -> None:
    """A signal ends the pause that it arrives in, or the next one, and none after that."""
    if lost:
        signal.raise_signal(signal.SIGTERM)
    else:
        monkeypatch.setattr(clock, "sleep", lambda _: _raiser(signal.SIGTERM)())
    watch.pause(10.0)
    monkeypatch.undo()
    after_the_first = clock.now
    watch.pause(10.0)

    assert (after_the_first, clock.now) == (0.0, 10.0)


def test_tick_is_called_while_a_call_is_under_way(watch: Watch) -> None:
    """Whoever draws a live line is called while a call lasts, and not outside one."""
    ticked = threading.Event()
    watch.tick = ticked.set

    signal.raise_signal(signal.SIGALRM)
    outside = ticked.is_set()
    watch.call(lambda: ticked.wait(FOR_EVER), 10.0, interruptible=True)

    assert (outside, ticked.is_set()) == (False, True)


def test_handlers_are_put_back(clock: HandClock) -> None:
    """Behind the watch the signals are handled as before."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    with Watch(clock):
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
    signal.pthread_sigmask(signal.SIG_BLOCK, {number, signal.SIGALRM})
    signal.raise_signal(number)

    with Watch(clock) as watch:
        noted = watch.signal()

    assert noted is not None
    assert {number, signal.SIGALRM} <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


@pytest.mark.usefixtures("_restored")
def test_blocked_alarm_is_unblocked() -> None:
    """Where the parent had blocked alarms, a limit strikes all the same."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})

    with Watch(SystemClock()) as watch, pytest.raises(LimitReached):
        watch.call(_hang, 0.05, interruptible=True)


@pytest.mark.usefixtures("_restored")
def test_ignored_interrupt_stays_ignored(clock: HandClock) -> None:
    """SIGINT that a shell had ignored for what runs in its background is none of the job's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    with Watch(clock) as within:
        signal.raise_signal(signal.SIGINT)
        noted = within.signal()

    assert noted is None
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


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
