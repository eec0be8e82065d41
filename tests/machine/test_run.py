"""The driver: deadlines, back-offs, and one step at a time."""

from collections.abc import Callable
from typing import Any

import pytest
from simulated_job import CONNECTOR, Simulate

from orchestrator.machine.chart import Kind
from orchestrator.machine.loader import load
from orchestrator.machine.position import IllegalMove
from orchestrator.machine.run import Ports, Run, drive
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Signal, Step
from orchestrator.machine.transition import NotDue, start, take
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

pytestmark = pytest.mark.usefixtures("_undrawn")

SETTINGS = Settings(
    action="START",
    connector_id=CONNECTOR,
    api_key="key",
    api_secret="secret",
    policies=(("on_running", "wait"), ("on_reschedule", "wait"), ("on_broken", "fail")),
)
BOOTED = 1000.5  # what the clock says as a run begins
PATH = f"/v1/connections/{CONNECTOR}"
BUSY: dict[str, Any] = {"schedule_type": "manual", "status": {"setup_state": "connected", "sync_state": "syncing"}}


class Bench:
    """A run whose requests are answered by a function, on a virtual clock that does not begin with the run."""

    def __init__(self, answer: Callable[[Request], Answer | Cut], *, jitter: float = 0.0, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.clock.sleep(BOOTED)
        self.answer = answer
        self.limits: list[float] = []
        self.signal: Event | None = None
        self.written: list[Standing | OSError] = []
        world = Ports(self.clock, self._send, self._write, lambda: jitter, lambda: self.signal)
        members: dict[str, Any] = {name: getattr(SETTINGS, name) for name in Settings.__slots__}
        self.sent: list[str] = []
        given = Settings(**{**members, **settings})
        self.run = Run(load(given.action), given, world)

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # a port's form
        del interruptible
        self.limits.append(seconds)
        self.sent.append(f"{request.method} {request.path.removeprefix(PATH)}".strip())
        try:
            return self.answer(request)
        except Failure as failure:
            return failure

    def _write(self, standing: Standing) -> None:
        if isinstance(trouble := self.written[0] if self.written else None, OSError):
            raise trouble
        self.written.append(standing)

    def pause(self, until: float) -> None:
        """Let the time pass."""
        self.clock.sleep(until - self.clock.monotonic())

    def play(self) -> list[Step]:
        """Run to the end."""
        return list(drive(self.run, self.pause))

    def until(self, state: str) -> list[Step]:
        """Run until a state is entered."""
        steps = []
        for step in drive(self.run, self.pause):
            steps.append(step)
            if step.target == state:
                break
        return steps


def _failing(failure: Failure | Cut) -> Callable[[Request], Answer | Cut]:
    def answer(_: Request) -> Answer | Cut:
        if isinstance(failure, Failure):
            raise failure
        return failure

    return answer


def test_back_off_doubles_up_to_a_minute() -> None:
    """Without Retry-After the pauses are 1, 2, 4 … 60 seconds."""
    bench = Bench(_failing(Failure(Event.UNAVAILABLE, "gone")), timeout=10_000.0, retry_limit=10)

    pauses = [step.pause for step in bench.play() if step.pause]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_back_off_is_spread() -> None:
    """Up to half of a back-off is taken off at random, and the step records what came of it."""
    bench = Bench(_failing(Failure(Event.UNAVAILABLE, "gone")), jitter=0.5, retry_limit=4)

    pauses = [step.pause for step in bench.play() if step.pause]

    assert pauses == [0.75, 1.5, 3]


def test_retry_after_is_kept_to_the_second() -> None:
    """A wait that Fivetran asks for is neither spread nor doubled."""
    bench = Bench(_failing(Failure(Event.RATE_LIMITED, "slow down", retry_after=17.0)), jitter=0.9, retry_limit=3)

    pauses = [step.pause for step in bench.play() if step.pause]

    assert pauses == [17, 17]


def test_a_wait_known_to_end_too_late_is_not_sat_through() -> None:
    """A Retry-After past the deadline ends the run at once."""
    bench = Bench(_failing(Failure(Event.RATE_LIMITED, "slow down", retry_after=2400.0)))

    steps = bench.play()

    assert steps[1].event == "gave_up"
    assert bench.run.now == 0


def test_deadline_after_a_failed_try_is_unavailability() -> None:
    """Where Fivetran never answered, the deadline is exit code 6, and not a time-out."""
    bench = Bench(_failing(Failure(Event.UNAVAILABLE, "gone")), timeout=20.0, retry_limit=100)

    steps = bench.play()

    assert [step.event for step in steps].count("gave_up") == 2  # in the call, and as the verdict
    assert bench.run.state.exit == 6
    assert bench.run.now == 20


def test_failures_are_forgotten_after_an_outcome(simulate: Simulate) -> None:
    """Failures are counted a state, and an answer wipes them out: seven here and seven there are not fourteen."""
    bad = {"on": "get", "times": 7}
    faults = (Fault(**bad), Fault(**bad, skip=8), Fault(**bad, skip=16))  # type: ignore[arg-type]  # a mapping
    job = simulate(Scenario(running=SyncPlan(lasts=200), syncs=(SyncPlan(lasts=60),), faults=faults))

    played = job.play(FIVETRAN_TIMEOUT="3000")

    assert played.code == 0, played.stderr


def test_call_is_bounded_by_what_is_left_but_never_below_five_seconds() -> None:
    """A request gets FIVETRAN_HTTP_TIMEOUT or what is left of the time, and at the deadline five seconds."""
    bench = Bench(lambda _: Answer(data=BUSY), timeout=28.0, http_timeout=15.0)

    bench.play()

    assert bench.limits == [15, 15, 8, 5]


def test_call_cut_off_by_its_own_limit_is_repeated() -> None:
    """A request that outlasts FIVETRAN_HTTP_TIMEOUT is a failure like any other, and says so."""
    bench = Bench(_failing(Cut.LIMIT), http_timeout=3.0, retry_limit=2)

    steps = bench.play()

    assert [step.event for step in steps[:2]] == ["unavailable", "gave_up"]
    assert str(steps[0].failure) == "no answer within 3 s"


def test_the_request_is_known_before_it_is_sent() -> None:
    """`Run.request` is the very request that the next step sends, and None where it sends none."""
    bench = Bench(lambda _: Answer(data=BUSY), timeout=60.0)
    promised: list[Request | None] = []

    steps = []
    while not bench.run.ended:
        bench.pause(bench.run.began + bench.run.wake)
        promised.append(bench.run.request)
        steps.append(bench.run.step())

    sent = [step.request for step in steps]
    assert [one for one in promised if one] == [one for one in sent if one]


def test_step_never_sleeps() -> None:
    """A step that is not due is refused, and nothing moves; so is one after the end."""
    bench = Bench(lambda _: Answer(data=BUSY), timeout=30.0)
    for _ in range(3):
        bench.run.step()
    name = bench.run.state.name

    with pytest.raises(NotDue, match=rf"{name}: not before 10\.000 s"):
        bench.run.step()

    assert bench.run.state.name == name
    bench.play()
    with pytest.raises(NotDue):
        bench.run.step()


def test_edge_is_taken_without_doing() -> None:
    """`take` moves along an edge, asks nothing and waits for nothing; without an edge nothing moves."""
    chart = load("START")

    step = take(chart, SETTINGS, start(chart, SETTINGS, 0.0), "busy", 0.0)

    assert (step.source, step.event, step.request, step.facts) == ("validating", "busy", None, Facts())
    with pytest.raises(IllegalMove, match="taking_baseline has no edge for 'ready'"):
        take(chart, SETTINGS, step.after, "ready", 0.0)
    assert (step.target, step.number) == ("taking_baseline", 1)


def test_four_hours_are_a_moment_and_a_short_report(simulate: Simulate) -> None:
    """A sync of four hours is waited for, and its report has a line a loop and not a line a poll."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=4 * 3600),)))

    played = job.play(FIVETRAN_TIMEOUT="20000", FIVETRAN_POLL_INTERVAL="60")

    assert played.code == 0
    assert played.requests.count("get") > 240
    assert played.report is not None
    assert len(played.report["steps"]) < 16


def test_nothing_is_lost_between_trigger_and_deadline(simulate: Simulate) -> None:
    """One bad hour after the trigger fails nothing: polling has no limit of failures."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=5000),), faults=(Fault(on="get", skip=3, times=60),)))

    played = job.play(FIVETRAN_TIMEOUT="8000")

    assert played.code == 0, played.stderr


def test_rescheduled_by_whole_days(simulate: Simulate) -> None:
    """A sync put off by days is waited for by days."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=20, ends="reschedules", again_in=200_000), SyncPlan(lasts=20))))

    played = job.play(FIVETRAN_TIMEOUT="300000")

    assert played.code == 0
    assert job.syncs[1].asked_at - job.syncs[0].asked_at > 200_000


def test_a_restored_schedule_that_fails_is_a_warning(simulate: Simulate) -> None:
    """What could not be put back is said, and the verdict stays."""
    fault = Fault(on="patch", skip=1, times=0, status=400, code="InvalidInput", message="no")
    job = simulate(Scenario(faults=(fault,)))

    played = job.play(FIVETRAN_RESTORE_SCHEDULE="1")

    assert played.code == 0
    assert "could not restore the schedule" in played.stderr


def test_failure_that_decided_is_reported(simulate: Simulate) -> None:
    """A failure after the conclusion does not take the place of the verdict's own."""
    job = simulate(
        Scenario(
            faults=(
                Fault(on="sync", status=400, code="InvalidInput", message="the first"),
                Fault(on="patch", skip=1, times=0, status=400, code="InvalidInput", message="the second"),
            )
        )
    )

    played = job.play(FIVETRAN_RESTORE_SCHEDULE="1")

    assert played.report is not None
    assert played.report["failure"]["message"] == "the first"


def test_reschedule_without_a_time_is_looked_at_again() -> None:
    """Where Fivetran does not say when a sync goes on, the run looks again at the next poll."""
    answers = iter(
        [
            {**BUSY, "status": {"setup_state": "connected", "sync_state": "scheduled"}},
            {},  # the trigger's
            BUSY,
            {**BUSY, "status": {"setup_state": "connected", "sync_state": "rescheduled"}},
        ]
    )
    bench = Bench(lambda _: Answer(data=next(answers)))
    while bench.run.facts.reschedules == 0 or bench.run.wake <= bench.run.now:
        bench.pause(bench.run.began + bench.run.wake)
        bench.run.step()

    left = bench.run.wake - bench.run.now

    assert left == SETTINGS.poll_interval


def test_unsent_request_is_not_reported_as_sent() -> None:
    """A trigger that the deadline forestalls is in no step's request."""
    answers: list[dict[str, Any]] = [{**BUSY, "status": {"setup_state": "connected", "sync_state": "scheduled"}}]
    bench = Bench(lambda _: Answer(data=answers[0]), timeout=20.0)
    bench.run.step()
    bench.clock.sleep(30)

    steps = bench.play()

    assert [step.event for step in steps[:3]] == ["no", "idle", "timed_out"]
    assert [step.request for step in steps] == [None] * len(steps)


def test_a_back_off_before_a_change_is_not_sat_through_in_vain() -> None:
    """Where the next attempt of a POST would come after the deadline, the run does not wait for it."""
    calm = {**BUSY, "status": {"setup_state": "connected", "sync_state": "scheduled"}}

    def answer(request: Request) -> Answer:
        if request.changes:
            raise Failure(Event.RATE_LIMITED, "slow down")
        return Answer(data=calm)

    bench = Bench(answer, timeout=2.0)

    bench.play()

    assert (bench.run.state.exit, bench.run.now) == (6, 1)


def test_what_hung_at_the_deadline_is_named(simulate: Simulate) -> None:
    """A run that the deadline cuts off in a request says which one had no answer."""
    job = simulate(Scenario(faults=(Fault(on="get", does="hang"),)))

    played = job.play("STATUS", FIVETRAN_TIMEOUT="20")

    assert played.code == 5
    assert "timed out after 20 s while Fivetran did not answer" in played.stderr
    assert "did not answer: no answer within 20 s" in played.stderr


# --- A run and its ports -----------------------------------------------------------------------------


def test_signal_counts_from_its_first_sight() -> None:
    """A signal ends a wait at once; the moment at which it was first seen stays, whatever is signalled after it."""
    bench = Bench(lambda _: Answer(data=BUSY))
    bench.until("awaiting_idle")
    bench.clock.sleep(3)
    bench.signal = Event.INTERRUPTED

    seen, wake = bench.run.signal, bench.run.wake
    bench.clock.sleep(2)
    bench.signal = Event.TERMINATED
    step = bench.run.step()

    began = seen.at if seen else 0.0
    assert (seen, wake) == (Signal(Event.INTERRUPTED, began), 0)
    assert (step.event, step.signal, step.began) == ("interrupted", seen, began + 2)


def test_signal_in_a_request_is_what_cuts_it_off() -> None:
    """A request that a signal cuts off ends in that signal's edge, though there was none as it began."""

    def answer(_: Request) -> Cut:
        bench.signal = Event.TERMINATED
        return Cut.SIGNAL

    bench = Bench(answer)

    step = bench.run.step()

    assert (step.event, step.cut_off, step.signal) == ("terminated", Cut.SIGNAL, Signal(Event.TERMINATED, 0))


def test_signal_after_the_verdict_shortens_the_rest() -> None:
    """After the verdict a signal leaves the rest a second and a half from its first sight, and changes no verdict."""
    calm = {**BUSY, "status": {"setup_state": "connected", "sync_state": "scheduled"}, "paused": True}
    bench = Bench(lambda _: Answer(data=calm))
    bench.until("concluding")
    before = bench.run.deadline
    bench.clock.sleep(1)
    bench.signal = Event.INTERRUPTED

    after = bench.run.deadline

    assert (before, after) == (10, 2.5)
    bench.play()
    assert bench.run.facts.verdict == "paused"


def test_results_that_cannot_be_written_are_said() -> None:
    """Where the results cannot be written the run ends all the same, with a warning that says why."""
    bench = Bench(_failing(Failure(Event.REFUSED, "no", status=401)))
    bench.written.append(OSError("disk full"))

    steps = bench.play()

    assert [(step.event, step.unwritable) for step in steps if step.source == "reporting"] == [
        ("unwritable", "disk full")
    ]
    assert "the report could not be written: disk full" in bench.run.facts.warnings
    assert bench.run.state.exit == 3


def test_results_that_are_written() -> None:
    """What is written is the standing at that moment, once; nothing is said of it."""
    bench = Bench(_failing(Failure(Event.REFUSED, "no", status=401)))

    steps = bench.play()

    assert bench.written == [step.before for step in steps if step.event == "reported"]
    assert len(bench.written) == 1


def test_run_goes_on_from_a_standing() -> None:
    """A run that is given a standing goes on there, at the time that had passed, and waits no longer than was left."""
    first = Bench(lambda _: Answer(data=BUSY), timeout=60.0)
    first.until("awaiting_idle")
    bench = Bench(lambda _: Answer(data=BUSY), timeout=60.0)
    bench.run = Run(first.run.chart, first.run.settings, bench.run.ports, standing=first.run.standing, elapsed=7.0)

    assert (bench.run.state.name, bench.run.now, bench.run.wake) == ("awaiting_idle", 7, 10)
    steps = bench.play()
    assert (steps[0].began, steps[0].event, bench.run.now) == (10, "waited", 60)


def test_resumed_where_it_asked_or_waited() -> None:
    """Before the verdict a run is resumed where it asks or waits, and after it anywhere; where it chooses it is not."""
    bench = Bench(_failing_sync(None), evidence="0")
    found: dict[str, bool] = {}

    while not bench.run.ended:
        bench.pause(bench.run.began + bench.run.wake)
        found.setdefault(bench.run.state.name, bench.run.can_be_resumed_here)
        bench.run.step()

    kinds = {name: bench.run.chart.states[name].kind for name in found}
    before = list(found)[: list(found).index("concluding")]
    assert {name: found[name] for name in before} == {
        name: name != "taking_baseline" and kinds[name] is not Kind.CHOOSES for name in before
    }
    assert "taking_baseline" in before
    assert {found[name] for name in found if name not in before} == {True}


def test_lost_request_is_repeated_after_a_spread_pause() -> None:
    """Where a resumed run sends its lost request again, it first pauses like after any failure, by a random length."""
    bench = Bench(lambda _: Answer(data=_connection()), jitter=0.5, action="TEST")
    bench.until("testing")
    standing = bench.run.standing._replace(lost_at=0.0)
    bench.run = Run(bench.run.chart, bench.run.settings, bench.run.ports, standing=standing)

    step = bench.run.step()

    assert (step.event, step.target, step.pause, step.jitter) == ("answer_lost", "testing", 0.75, 0.5)


def test_moment_that_the_clock_has_reached_is_due() -> None:
    """A wait that the clock says is over is over, though the difference of two times may be a digit less."""
    bench = Bench(lambda _: Answer(data=BUSY), poll_interval=6.3)
    bench.until("awaiting_idle")
    short = bench.run.wake - (bench.run.began + bench.run.wake - bench.run.began)

    bench.pause(bench.run.began + bench.run.wake)

    assert short > 0
    assert bench.run.now == bench.run.wake
    assert bench.run.step().event == "waited"


# --- What counts as a failed attempt ---------------------------------------------------------------


def _connection(state: str = "scheduled", schedule: str = "manual", **members: Any) -> dict[str, Any]:
    """A connection document."""
    return {"schedule_type": schedule, "status": {"setup_state": "connected", "sync_state": state}, **members}


def _world(document: dict[str, Any], **operations: Failure) -> Callable[[Request], Answer]:
    """Answers with a document, but for the operations that fail: `patch`, `sync`, `resync`, `test`, `history`."""

    def answer(request: Request) -> Answer:
        tail = request.path.rpartition("/")[2].partition("?")[0].partition("-")[2 if "history" in request.path else 0]
        name = "patch" if request.method == "PATCH" else tail
        if name in operations:
            raise operations[name]
        return Answer(data=document, date=1_800_000_000.0)

    return answer


def test_conflicts_do_not_count() -> None:
    """A conflict leads to a look of its own: however many there are, the run goes on to its deadline."""
    bench = Bench(_world(_connection(), sync=Failure(Event.CONFLICT, "busy", status=409)), timeout=200.0, retry_limit=2)

    bench.play()

    assert bench.sent.count("POST /sync") == 20
    assert (bench.run.facts.verdict, bench.run.state.exit) == ("timed_out", 5)


def test_three_lost_answers_are_looked_for_to_the_deadline() -> None:
    """After three triggers whose answer was lost START only looks, and does not give up."""
    bench = Bench(_world(_connection(), sync=Failure(Event.ANSWER_LOST, "reset")), timeout=300.0, retry_limit=1)

    bench.play()

    assert bench.sent.count("POST /sync") == 3
    assert (bench.run.facts.lost, bench.run.facts.verdict) == (3, "timed_out")
    assert bench.run.facts.unanswered == f"POST {PATH}/sync"


def test_three_lost_resyncs_are_unconfirmed() -> None:
    """After three re-syncs whose answer was lost FORCE_RESYNC ends at once: waiting would not tell."""
    bench = Bench(
        _world(_connection(), resync=Failure(Event.ANSWER_LOST, "reset")), action="FORCE_RESYNC", schema="a", table="b"
    )

    bench.play()

    assert bench.sent.count("POST /schemas/tables/resync") == 3
    assert (bench.run.facts.verdict, bench.run.state.exit, bench.run.now) == ("unconfirmed", 5, 30)


def test_when_the_first_lost_trigger_was_sent_is_kept() -> None:
    """A sign is looked for from the first trigger on whose answer was lost."""
    bench = Bench(_world(_connection(), sync=Failure(Event.ANSWER_LOST, "reset")), timeout=100.0)
    bench.clock.sleep(4)

    bench.play()

    assert (bench.run.facts.asked_at, bench.run.facts.lost) == (4, 3)


@pytest.mark.parametrize(("lost", "exit_code"), [(False, 6), (True, 5)])
def test_giving_up_on_the_trigger(lost: bool, exit_code: int) -> None:  # noqa: FBT001  # parametrized
    """A trigger that Fivetran does not take ends the run as unavailable, unless an earlier one may have been taken."""
    failures: list[Failure] = [Failure(Event.ANSWER_LOST, "reset")] * lost + [
        Failure(Event.UNAVAILABLE, "down", status=503)
    ] * 90

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            raise failures.pop(0)
        return Answer(data=_connection(), date=1_800_000_000.0)

    bench = Bench(answer, timeout=200.0, retry_limit=3)

    steps = bench.play()

    assert bench.run.state.exit == exit_code
    assert next(step.target for step in steps if step.event == "gave_up") == "considering_trigger"


def test_nothing_gives_up_while_a_trigger_is_unanswered() -> None:
    """A re-sync that may have been accepted is not ended as unavailable by looks that fail."""
    outage: list[bool] = []

    def answer(request: Request) -> Answer:
        if request.method == "POST":
            outage.append(True)
            raise Failure(Event.ANSWER_LOST, "reset")
        if outage:
            raise Failure(Event.UNAVAILABLE, "down", status=503)
        return Answer(data=_connection(), date=1_800_000_000.0)

    bench = Bench(answer, action="FORCE_RESYNC", schema="a", table="b", timeout=100.0, retry_limit=2)

    steps = bench.play()

    assert "gave_up" not in [step.event for step in steps]
    assert (bench.run.facts.verdict, bench.run.state.exit) == ("timed_out", 5)


# --- Changes: only after a look --------------------------------------------------------------------


def test_a_failed_switch_is_followed_by_a_look() -> None:
    """A PATCH that fails is tried three times, each straight after a look, and never fails the job."""
    bench = Bench(_world(_connection(schedule="auto"), patch=Failure(Event.UNAVAILABLE, "down", status=503)))

    steps = bench.until("triggering")

    assert bench.sent == ["GET", "PATCH"] * 3 + ["GET"]
    assert [step.event for step in steps if step.source == "disabling_schedule"] == ["unavailable"] * 2 + ["gave_up"]
    assert any("could not switch the connection" in warning for warning in bench.run.facts.warnings)


@pytest.mark.parametrize(("asked", "lasts"), [(4.0, 10), (45.0, 45)])
def test_retry_after_of_a_change_is_waited_for(asked: float, lasts: float) -> None:
    """The pause before the fresh look is at least as long as Fivetran asks for."""
    bench = Bench(
        _world(_connection(schedule="auto"), patch=Failure(Event.RATE_LIMITED, "slow down", retry_after=asked))
    )
    bench.until("awaiting_idle")

    assert bench.run.wake - bench.run.now == lasts


@pytest.mark.parametrize(("schedule", "paused", "exit_code"), [("auto", False, 5), ("auto", True, 6)])
def test_retry_after_of_a_change_that_is_too_long(schedule: str, paused: bool, exit_code: int) -> None:  # noqa: FBT001
    """A change refused until after the deadline is given up: a switch goes without, an un-pausing ends the run."""
    document = _connection(schedule=schedule, paused=paused)
    bench = Bench(_world(document, patch=Failure(Event.RATE_LIMITED, "slow down", retry_after=2400.0)), unpause=True)

    bench.play()

    assert bench.sent.count("PATCH") == 1
    assert bench.sent.count("POST /sync") == (not paused)
    assert bench.run.state.exit == exit_code


def test_a_refusal_until_after_the_deadline_where_nothing_may_be_given_up() -> None:
    """An un-pausing that may not be given up, since a re-sync may run, is not waited for in vain either."""
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.method)
        if request.method == "POST":
            raise Failure(Event.ANSWER_LOST, "reset")
        if request.method == "PATCH":
            raise Failure(Event.RATE_LIMITED, "slow down", retry_after=2400.0)
        return Answer(data=_connection(paused="POST" in asked), date=1_800_000_000.0)

    bench = Bench(answer, action="FORCE_RESYNC", schema="a", table="b", unpause=True)

    bench.play()

    assert (bench.run.facts.verdict, bench.run.now) == ("timed_out", 10)


def test_a_change_cut_off_is_a_failure_and_looked_at() -> None:
    """A PATCH that outlasts FIVETRAN_HTTP_TIMEOUT is followed by a look, and is not called unanswered."""

    def answer(request: Request) -> Answer | Cut:
        if request.changes:
            return Cut.LIMIT
        return Answer(data=_connection(schedule="auto"), date=1_800_000_000.0)

    bench = Bench(answer)

    (*_, step) = bench.until("awaiting_idle")

    assert (step.event, bench.run.facts.unanswered) == ("unavailable", None)


def test_retry_after_of_a_poll_is_cut_at_the_deadline() -> None:
    """A poll that is refused until long after the deadline is made once more at it, and the run ends timed out."""
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.method)
        if asked.count("POST") and request.method == "GET":
            raise Failure(Event.RATE_LIMITED, "slow down", retry_after=2400.0)
        return Answer(data=_connection(), date=1_800_000_000.0)

    bench = Bench(answer)

    bench.play()

    assert asked == ["GET", "POST", "GET", "GET"]
    assert (bench.run.facts.verdict, bench.run.now) == ("timed_out", 300)


# --- What is optional --------------------------------------------------------------------------------


def _failing_sync(history: Failure | Cut | None) -> Callable[[Request], Answer | Cut]:
    """A sync that fails on a connection whose history fails, or has nothing."""
    asked: list[str] = []

    def answer(request: Request) -> Answer | Cut:
        asked.append(request.method)
        if "sync-history" in request.path:
            if isinstance(history, Cut):
                return history
            if history is not None:
                raise history
            return Answer(data={"items": []}, date=1_800_000_020.0)
        failed = "2027-01-15T08:00:09Z" if "POST" in asked else None
        return Answer(data=_connection(failed_at=failed), date=1_800_000_000.0)

    return answer


@pytest.mark.parametrize(
    "history",
    [Failure(Event.UNAVAILABLE, "down", status=503), Failure(Event.REFUSED, "not yours", status=403), Cut.LIMIT],
    ids=str,
)
def test_optional_calls_explain_no_verdict(history: Failure | Cut) -> None:
    """A history that does not answer is asked once, and is neither the verdict's reason nor a warning."""
    bench = Bench(_failing_sync(history))

    bench.play()

    assert sum("history" in path for path in bench.sent) == 1
    assert (bench.run.facts.verdict, bench.run.facts.failure, bench.run.facts.warnings) == ("sync_failed", None, ())
    assert "judge_by_history" in bench.run.facts.given_up


def test_history_is_asked_again_after_the_quiet() -> None:
    """A history that answered without deciding is asked once more when the quiet is over."""
    bench = Bench(_failing_sync(None), evidence="1")

    steps = bench.until("concluding")

    assert [step.at for step in steps if step.source == "asking_history"] == [10, 30]
    assert bench.run.facts.verdict == "sync_failed"


@pytest.mark.parametrize(("evidence", "times"), [("1", 2), ("red", 2), ("0", 0)])
def test_evidence_is_asked_for_as_configured(evidence: str, times: int) -> None:
    """With FIVETRAN_EVIDENCE=0 the dates alone decide, after the quiet."""
    bench = Bench(_failing_sync(None), evidence=evidence)

    steps = bench.until("concluding")

    assert [step.source for step in steps].count("asking_history") == times
    assert (bench.run.facts.verdict, bench.run.now) == ("sync_failed", 30)


@pytest.mark.parametrize(("poll_interval", "expected"), [(10.0, [20, 30]), (15.0, [30, 35]), (60.0, [80])])
def test_looks_in_a_quiet(poll_interval: float, expected: list[float]) -> None:
    """While a verdict is in doubt, the next look comes after the poll interval or what is left of the quiet."""
    bench = Bench(_failing_sync(None), evidence="0", poll_interval=poll_interval)

    steps = bench.until("concluding")

    assert [step.at for step in steps if step.source == "rechecking"] == expected


@pytest.mark.parametrize(("timeout", "verdict"), [(29.0, "sync_failed"), (31.0, "sync_failed")])
def test_deadline_in_doubt(timeout: float, verdict: str) -> None:
    """A deadline that strikes while a failure is in doubt ends the run with that failure."""
    bench = Bench(_failing_sync(None), evidence="0", timeout=timeout)

    bench.play()

    assert bench.run.facts.verdict == verdict
    assert bench.run.now == min(timeout, 30)


def test_deadline_while_the_sync_is_gone() -> None:
    """A sync that is merely gone at the deadline is not judged: timed out, with the doubt as its reason."""
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.method)
        syncing = "POST" in asked and asked.count("GET") == 2
        return Answer(data=_connection("syncing" if syncing else "scheduled"), date=1_800_000_000.0)

    bench = Bench(answer, evidence="0", timeout=25.0)

    bench.play()

    assert (bench.run.facts.verdict, bench.run.state.exit) == ("timed_out", 5)
    assert (bench.run.facts.doubt or {})["verdict"] == "cancelled"


def test_history_cut_off_by_the_deadline_is_not_asked_again() -> None:
    """A history that had no answer when the deadline struck is not asked for evidence after the verdict either."""
    bench = Bench(_failing_sync(Cut.LIMIT), timeout=12.0)

    bench.play()

    assert sum("history" in path for path in bench.sent) == 1
    assert bench.run.facts.verdict == "sync_failed"


# --- The late switch -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [Failure(Event.UNAVAILABLE, "down", status=503), Failure(Event.REFUSED, "no", status=403)], ids=str
)
def test_a_late_switch_that_fails_is_a_warning(failure: Failure) -> None:
    """After a sync that was attached to the switch is tried once; what came of it is said, and the verdict stays."""
    asked: list[str] = []

    def answer(request: Request) -> Answer:
        asked.append(request.method)
        if request.changes:
            raise failure
        if len(asked) == 1:
            return Answer(data=_connection("syncing", "auto"), date=1_800_000_000.0)
        return Answer(data=_connection(schedule="auto", succeeded_at="2027-01-15T08:00:09Z"), date=1_800_000_010.0)

    bench = Bench(answer, policies=(("on_running", "attach"), ("on_reschedule", "wait"), ("on_broken", "fail")))

    bench.play()

    assert (bench.run.state.exit, bench.sent.count("PATCH")) == (0, 1)
    assert bench.run.facts.failure is None
    assert any("could not switch the connection to a manual schedule" in said for said in bench.run.facts.warnings)
