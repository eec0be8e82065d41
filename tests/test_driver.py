"""The driver: deadlines, back-offs, and one step at a time."""

from collections.abc import Callable
from typing import Any

import pytest
from stage import CONNECTOR, Stage

from orchestrator.driver import NotDue, Run, Step, drive
from orchestrator.exchange import Answer, RateLimited, Request, Unavailable
from orchestrator.facts import Facts
from orchestrator.loader import load
from orchestrator.machine import IllegalMove
from orchestrator.settings import Settings
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.world import LimitReached, World

SETTINGS = Settings(
    action="START",
    connector_id=CONNECTOR,
    api_key="key",
    api_secret="secret",
    policies=(("on_running", "wait"), ("on_reschedule", "wait")),
)
BUSY: dict[str, Any] = {"schedule_type": "manual", "status": {"setup_state": "connected", "sync_state": "syncing"}}


class Bench:
    """A run whose requests are answered by a function, on a virtual clock."""

    def __init__(self, answer: Callable[[Request], Answer], *, jitter: float = 0.0, **settings: Any) -> None:
        self.clock = VirtualClock()
        self.answer = answer
        self.limits: list[float] = []
        world = World(self.clock, self._send, lambda _: None, lambda: jitter)
        members: dict[str, Any] = {name: getattr(SETTINGS, name) for name in Settings.__slots__}
        self.run = Run(load("START"), Settings(**{**members, **settings}), world)

    def _send(self, request: Request, seconds: float, interruptible: bool) -> Answer:  # noqa: FBT001  # World's form
        del interruptible
        self.limits.append(seconds)
        return self.answer(request)

    def pause(self, until: float) -> None:
        """Let the time pass."""
        self.clock.sleep(until - self.clock.monotonic())

    def play(self) -> list[Step]:
        """Run to the end."""
        return list(drive(self.run, self.pause))


def _failing(failure: Exception | BaseException) -> Callable[[Request], Answer]:
    def answer(_: Request) -> Answer:
        raise failure

    return answer


def test_back_off_doubles_up_to_a_minute() -> None:
    """Without Retry-After the pauses are 1, 2, 4 … 60 seconds."""
    bench = Bench(_failing(Unavailable("gone")), timeout=10_000.0, retry_limit=10)

    pauses = [step.pause for step in bench.play() if step.pause]

    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_back_off_is_spread() -> None:
    """Up to half of a back-off is taken off at random, and the step records what came of it."""
    bench = Bench(_failing(Unavailable("gone")), jitter=0.5, retry_limit=4)

    pauses = [step.pause for step in bench.play() if step.pause]

    assert pauses == [0.75, 1.5, 3]


def test_retry_after_is_kept_to_the_second() -> None:
    """A wait that Fivetran asks for is neither spread nor doubled."""
    bench = Bench(_failing(RateLimited("slow down", retry_after=17.0)), jitter=0.9, retry_limit=3)

    pauses = [step.pause for step in bench.play() if step.pause]

    assert pauses == [17, 17]


def test_a_wait_known_to_end_too_late_is_not_sat_through() -> None:
    """A Retry-After behind the deadline ends the run at once."""
    bench = Bench(_failing(RateLimited("slow down", retry_after=2400.0)))

    steps = bench.play()

    assert steps[1].event == "gave_up"
    assert bench.run.elapsed == 0


def test_deadline_after_a_failed_try_is_unavailability() -> None:
    """Where Fivetran never answered, the deadline is exit code 6, and not a time-out."""
    bench = Bench(_failing(Unavailable("gone")), timeout=20.0, retry_limit=100)

    steps = bench.play()

    assert [step.event for step in steps].count("gave_up") == 2  # in the call, and as the verdict
    assert bench.run.state.exit == 6
    assert bench.run.elapsed == 20


def test_failures_are_forgotten_after_an_outcome(stage: Callable[..., Stage]) -> None:
    """Failures are counted a state, and an answer wipes them out: seven here and seven there are not fourteen."""
    bad = {"on": "get", "times": 7}
    faults = (Fault(**bad), Fault(**bad, skip=8), Fault(**bad, skip=16))  # type: ignore[arg-type]  # a mapping
    here = stage(Scenario(running=SyncPlan(lasts=200), syncs=(SyncPlan(lasts=60),), faults=faults))

    played = here.play(FIVETRAN_TIMEOUT="3000")

    assert played.code == 0, played.stderr


def test_call_is_bounded_by_what_is_left_but_never_below_five_seconds() -> None:
    """A request gets FIVETRAN_HTTP_TIMEOUT or what is left of the time, and at the deadline five seconds."""
    bench = Bench(lambda _: Answer(data=BUSY), timeout=28.0, http_timeout=15.0)

    bench.play()

    assert bench.limits == [15, 15, 8, 5]


def test_call_cut_off_by_its_own_limit_is_repeated() -> None:
    """A request that outlasts FIVETRAN_HTTP_TIMEOUT is a failure like any other, and says so."""
    bench = Bench(_failing(LimitReached()), http_timeout=3.0, retry_limit=2)

    steps = bench.play()

    assert [step.event for step in steps[:2]] == ["unavailable", "gave_up"]
    assert str(steps[0].failure) == "no answer within 3 s"


def test_the_request_is_known_before_it_is_sent() -> None:
    """`Run.request` is the very request that the next step sends, and None where it sends none."""
    bench = Bench(lambda _: Answer(data=BUSY), timeout=60.0)
    promised: list[Request | None] = []

    steps = []
    while not bench.run.ended:
        bench.pause(bench.run.wake)
        promised.append(bench.run.request)
        steps.append(bench.run.step())

    sent = [step.request for step in steps]
    assert [one for one in promised if one] == [one for one in sent if one]


def test_step_never_sleeps() -> None:
    """A step that is not due is refused, and nothing moves; so is one behind the end."""
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
    bench = Bench(_failing(AssertionError("nothing is sent")))

    step = bench.run.take("schedule_kept")

    assert (step.source, step.event, step.request, step.facts) == ("validating", "schedule_kept", None, Facts())
    with pytest.raises(IllegalMove, match="taking_baseline has no edge for 'ready'"):
        bench.run.take("ready")
    assert (bench.run.state.name, bench.run.number) == ("taking_baseline", 1)


def test_pause_is_cut_short() -> None:
    """`hasten` makes the next step due, and lets no time pass; what is due stays due."""
    bench = Bench(_failing(Unavailable("gone")))
    bench.run.step()

    bench.run.hasten()

    assert (bench.run.wake, bench.run.elapsed) == (bench.run.now, 0)
    assert bench.run.step().pause == 2
    bench.clock.sleep(50)
    bench.run.hasten()
    assert bench.run.wake == 2


def test_four_hours_are_a_moment_and_a_short_report(stage: Callable[..., Stage]) -> None:
    """A sync of four hours is waited for, and its report has a line a loop and not a line a poll."""
    here = stage(Scenario(syncs=(SyncPlan(lasts=4 * 3600),)))

    played = here.play(FIVETRAN_TIMEOUT="20000", FIVETRAN_POLL_INTERVAL="60")

    assert played.code == 0
    assert played.requests.count("get") > 240
    assert played.report is not None
    assert len(played.report["steps"]) < 15


def test_nothing_is_lost_between_trigger_and_deadline(stage: Callable[..., Stage]) -> None:
    """One bad hour after the trigger fails nothing: polling has no limit of failures."""
    here = stage(Scenario(syncs=(SyncPlan(lasts=5000),), faults=(Fault(on="get", skip=3, times=60),)))

    played = here.play(FIVETRAN_TIMEOUT="8000")

    assert played.code == 0, played.stderr


def test_rescheduled_by_whole_days(stage: Callable[..., Stage]) -> None:
    """A sync put off by days is waited for by days."""
    here = stage(Scenario(syncs=(SyncPlan(lasts=20, ends="reschedules", again_in=200_000), SyncPlan(lasts=20))))

    played = here.play(FIVETRAN_TIMEOUT="300000")

    assert played.code == 0
    assert here.syncs[1].asked_at - here.syncs[0].asked_at > 200_000


def test_a_restored_schedule_that_fails_is_a_warning(stage: Callable[..., Stage]) -> None:
    """What could not be put back is said, and the verdict stays."""
    here = stage(Scenario(faults=(Fault(on="patch", skip=1, times=0, status=400, code="InvalidInput", message="no"),)))

    played = here.play(FIVETRAN_RESTORE_SCHEDULE="1")

    assert played.code == 0
    assert "could not put the schedule back" in played.stderr


def test_the_failure_that_decided_is_the_one_told(stage: Callable[..., Stage]) -> None:
    """A failure behind the conclusion does not take the place of the verdict's own."""
    here = stage(
        Scenario(
            faults=(
                Fault(on="sync", status=400, code="InvalidInput", message="the first"),
                Fault(on="patch", skip=1, times=0, status=400, code="InvalidInput", message="the second"),
            )
        )
    )

    played = here.play(FIVETRAN_RESTORE_SCHEDULE="1")

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
        bench.pause(bench.run.wake)
        bench.run.step()

    left = bench.run.wake - bench.run.now

    assert left == SETTINGS.poll_interval


def test_what_was_not_sent_is_not_told_as_sent() -> None:
    """A trigger that the deadline forestalls is in no step's request."""
    answers: list[dict[str, Any]] = [{**BUSY, "status": {"setup_state": "connected", "sync_state": "scheduled"}}]
    bench = Bench(lambda _: Answer(data=answers[0]), timeout=20.0)
    bench.run.step()
    bench.clock.sleep(30)

    steps = bench.play()

    assert [step.event for step in steps[:2]] == ["idle", "timed_out"]
    assert [step.request for step in steps] == [None] * len(steps)


def test_a_back_off_before_a_change_is_not_sat_through_in_vain() -> None:
    """Where the next attempt of a POST would come after the deadline, the run does not wait for it."""
    calm = {**BUSY, "status": {"setup_state": "connected", "sync_state": "scheduled"}}

    def answer(request: Request) -> Answer:
        if request.changes:
            raise RateLimited("slow down")
        return Answer(data=calm)

    bench = Bench(answer, timeout=2.0)

    bench.play()

    assert (bench.run.state.exit, bench.run.elapsed) == (6, 1)


def test_what_hung_at_the_deadline_is_named(stage: Callable[..., Stage]) -> None:
    """A run that the deadline cuts off in a request says which one had no answer."""
    here = stage(Scenario(faults=(Fault(on="get", does="hang"),)))

    played = here.play("STATUS", FIVETRAN_TIMEOUT="20")

    assert played.code == 5
    assert "time ran out while Fivetran did not answer" in played.stderr
    assert "(read the connection): no answer within 20 s" in played.stderr
