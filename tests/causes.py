"""One shortest way to each state, and one cause for each event: over HTTP, by the clock, by a signal, by the disk."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from simulated_job import SimulatedJob

from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import Arrival
from orchestrator.simulator.scenario import Fault, Other, Scenario, SyncPlan

Arm = Callable[[SimulatedJob], None]

# The operation that a state asks for, where it asks for one.
OPERATION = {
    "validating": "get",
    "unpausing": "patch",
    "disabling_schedule": "patch",
    "looking_again": "get",
    "restarting": "sync",
    "looking_for_restart": "history",
    "asking_durations": "history",
    "confirming": "get",
    "polling": "get",
    "asking_history": "history",
    "rechecking": "get",
    "restoring": "patch",
    "switching_late": "patch",
    "testing": "test",
    "looking_up_connections": "listing",
    "looking_up_table": "schemas",
    "looking_up_sync": "history",
    "looking_up_errors": "errors",
    "looking_up_warnings": "warnings",
}
READING = {"get", "schemas", "history", "errors", "warnings", "listing"}
TRIGGER = {"START": "sync", "FORCE_RESYNC": "resync"}

BRIEF = SyncPlan(lasts=25)
SOON = SyncPlan(queued=2, lasts=23)  # it does not begin in the very second in which the one before is stopped
FOR_EVER = SyncPlan(lasts=100_000)
FAILING = SyncPlan(lasts=25, ends="fails")
SLOW_LOOK = Fault(on="get", does="slow", answers_in=5)
ADAPTIVE = {"FIVETRAN_POLL_INTERVAL": ""}
PUT_OFF = (SyncPlan(lasts=25, ends="reschedules", again_in=60), BRIEF)


@dataclass(frozen=True)
class Case:
    """How an edge comes to be taken.

    Attributes:
        scenario: The way to the state.
        variables: The variables that it needs.
        arm: Done once, when the state is first reached: the cause of the event.
    """

    scenario: Scenario = field(default_factory=lambda: Scenario(syncs=(BRIEF,)))
    variables: Mapping[str, str] = field(default_factory=dict)
    arm: Arm = lambda _: None

    def observer(self, job: SimulatedJob, state: str) -> Callable[[Run, Step | None], None]:
        """What arms the cause on the first arrival."""
        armed = False

        def observe(run: Run, _: Step | None) -> None:
            nonlocal armed
            if run.state.name == state and not armed:
                armed = True
                self.arm(job)

        return observe


def operation(action: str, state: str) -> str:
    """The operation that a state asks for, or ""."""
    return TRIGGER.get(action, "") if state == "triggering" else OPERATION.get(state, "")


def _ill(action: str) -> Scenario:
    """A connection on which an action ends with something to explain."""
    match action:
        case "TEST":
            return Scenario(setup_tests=_tests("FAILED"))
        case "STATUS":
            return Scenario(connection={"status": {"setup_state": "broken"}})
        case _:
            return Scenario(syncs=(SyncPlan(lasts=25, ends="fails"),))


# --- The ways -------------------------------------------------------------------------------------


def _way(action: str, state: str) -> Case:  # noqa: C901, PLR0911, PLR0912  # a table
    brief = Scenario(syncs=(BRIEF,))
    trigger = TRIGGER.get(action, "any")
    lost = Fault(on=trigger, does="reset", acts=True)
    match state:
        case "considering_broken":
            return Case(replace(brief, connection={"status": {"setup_state": "broken"}}))
        case "considering_unpause":
            return Case(replace(brief, connection={"paused": True}))
        case "unpausing":
            return Case(replace(brief, connection={"paused": True}), {"FIVETRAN_UNPAUSE": "1"})
        case "awaiting_look" | "looking_again":
            return Case(replace(brief, faults=(_throttled("patch"),)))
        case "considering_running" | "awaiting_idle":
            return Case(replace(brief, running=BRIEF))
        case "restarting":
            return Case(Scenario(running=FOR_EVER, syncs=(SOON,)), {"FIVETRAN_ON_RUNNING": "restart"})
        case "awaiting_restart" | "considering_lost_restart" | "looking_for_restart":
            restart = Scenario(running=FOR_EVER, syncs=(SOON,), faults=(lost,))
            return Case(restart, {"FIVETRAN_ON_RUNNING": "restart"})
        case "considering_restart":
            return case(action, "looking_for_restart", "not_started")
        case "awaiting_sign" | "confirming":
            return Case(replace(brief, faults=(lost,)))
        case "considering_repeat" if action == "START":
            return case(action, "confirming", "not_started")
        case "considering_reschedule" | "awaiting_reschedule" | "considering_schedule":
            return Case(replace(brief, syncs=PUT_OFF))
        case "considering_conflict":
            return Case(replace(brief, faults=(Fault(on=trigger, status=409, code="Conflict"),)))
        case "considering_trigger":
            return Case(replace(brief, faults=(_throttled(trigger, times=8),)))
        case "considering_lost":
            way = _way(action, "restarting")
            return replace(way, scenario=replace(way.scenario, faults=(_throttled(trigger, times=3),)))
        case "giving_up" if action == "START":
            return case(action, "considering_restart", "no")
        case "giving_up":
            return case(action, "considering_repeat", "no")
        case "considering_history" | "asking_history":
            return Case(Scenario(syncs=(FAILING,)))
        case "awaiting_quiet" | "rechecking":
            return Case(Scenario(syncs=(FAILING, BRIEF), history=False))
        case "considering_doubt" | "settling":
            return case(action, "awaiting_quiet", "timed_out")
        case "restoring":
            return Case(brief, {"FIVETRAN_RESTORE_SCHEDULE": "1"})
        case "switching_late":
            return Case(replace(brief, running=BRIEF), {"FIVETRAN_ON_RUNNING": "attach"})
        case "asking_durations":
            return Case(brief, ADAPTIVE)
        case "looking_up_connections":
            return Case(replace(brief, exists=False, neighbours=({"id": "speaks_inexpensive"},)))
        case "looking_up_table":
            return Case(brief, {"TABLE": "Orders"})
        case "looking_up_errors":
            return Case(_ill(action))
        case "looking_up_warnings":
            warning = {"code": "resync_table_warning", "message": "a table was re-synced", "details": None}
            return Case(replace(brief, connection={"status": {"warnings": [warning]}}))
        case _:
            return Case(brief)


def _throttled(on: str, **how: Any) -> Fault:
    return Fault(on=on, **{"status": 429, "code": "TooManyRequests", "message": "slow down", **how})


# --- The causes -----------------------------------------------------------------------------------


def _fault(on: str, **how: Any) -> Arm:
    return lambda job: job.simulator.add_fault(Fault(on=on, **how))


def _answer(on: str, status: int, code: str, times: int = 1) -> Arm:
    return _fault(on, status=status, code=code, message=f"the message of {code}", times=times)


def _out_of_time(on: str) -> Arm:
    """The deadline passes; a request that is made at it all the same has no answer."""

    def arm(job: SimulatedJob) -> None:
        job.clock.sleep(10_000)
        job.simulator.add_fault(Fault(on=on, does="hang"))

    return arm


def _signal(on: str, number: int) -> Arm:
    """A signal: in the middle of the request, or at once where there is none."""

    def arm(job: SimulatedJob) -> None:
        if not on:
            os.kill(os.getpid(), number)
            return

        def kill(seen: Arrival) -> None:
            if seen.operation == on:
                job.on_request = lambda _: None  # a second signal would end this very process
                job.clock.speed = 1.0  # on a busy machine, the time that hangs would outrun the signal
                os.kill(os.getpid(), number)

        job.simulator.add_fault(Fault(on=on, does="hang"))
        job.on_request = kill

    return arm


def _call_cause(on: str, event: str) -> Arm | None:
    changes = on not in READING
    posts = changes and on != "patch"
    causes: dict[str, Arm] = {
        "rate_limited": _answer(on, 429, "TooManyRequests"),
        # A POST is only unavailable where it surely was not carried out: a proxy's 403.
        "unavailable": _fault(on, status=403) if posts else _fault(on, does="reset"),
        "refused": _answer(on, 403, "Forbidden"),
        "not_found": _answer(on, 404, "NotFound_Connection"),
        "rejected": _answer(on, 400, "InvalidInput"),
        "answer_lost": _fault(on, does="reset", acts=True),
        "conflict": _answer(on, 409, "Conflict"),
        "gave_up": _answer(on, 429, "TooManyRequests", times=8),
        "timed_out": _out_of_time(on if not changes else "any"),
    }
    return causes.get(event)


def _unwritable(job: SimulatedJob) -> None:
    (job.folder / "report" / "result.json").mkdir(parents=True)  # where the file should be


def _tests(*results: str) -> tuple[Mapping[str, Any], ...]:
    return tuple({"title": f"Test {result}", "status": result, "message": "", "details": None} for result in results)


def case(action: str, state: str, event: str) -> Case:
    """How a run of an action gets to a state and leaves it by an event."""
    if state == "ending":
        return _ending(action, event)
    way, on = _way(action, state), operation(action, state)
    if event in {"interrupted", "terminated"}:
        return replace(way, arm=_signal(on, signal.SIGINT if event == "interrupted" else signal.SIGTERM))
    if on and (arm := _call_cause(on, event)):
        return replace(way, arm=arm)
    return _outcome(action, state, event, way)


def _outcome(action: str, state: str, event: str, way: Case) -> Case:  # noqa: C901, PLR0911, PLR0912, PLR0915  # a table
    scenario, lost = way.scenario, TRIGGER.get(action, "any")
    with_sync = {
        ("polling", "paused"): SyncPlan(lasts=25, ends="pauses"),
        ("polling", "broken"): SyncPlan(lasts=25, ends="breaks"),
        ("polling", "doubtful"): FAILING,
        ("asking_history", "succeeded"): SyncPlan(lasts=25, shows_after=60),
        ("asking_history", "cancelled"): SyncPlan(lasts=25, ends="vanishes"),
        ("asking_history", "rescheduled"): SyncPlan(lasts=25, ends="vanishes", history_status="RESCHEDULED"),
        ("asking_history", "inconclusive"): SyncPlan(lasts=25, ends="fails", history_status="A_NEW_WORD"),
        ("rechecking", "running"): SyncPlan(lasts=25, ends="fails", retries_in=8),
        ("rechecking", "succeeded"): SyncPlan(lasts=25, shows_after=12),
        ("rechecking", "cancelled"): SyncPlan(lasts=25, ends="vanishes"),
        ("rechecking", "paused"): SyncPlan(lasts=25, ends="vanishes"),
        ("rechecking", "broken"): SyncPlan(lasts=25, ends="vanishes"),
        ("rechecking", "rescheduled"): SyncPlan(lasts=25, ends="vanishes"),
        ("considering_doubt", "no"): SyncPlan(lasts=25, ends="vanishes"),
    }
    if plan := with_sync.get((state, event)):
        # While the doubt lasts another sync comes and goes, and leaves the connection so.
        ends = {"paused": "pauses", "broken": "breaks", "rescheduled": "reschedules"}.get(event)
        others = (Other(at=32, lasts=3, ends=ends, again_in=60),) if state == "rechecking" and ends else ()
        return replace(way, scenario=replace(scenario, syncs=(plan, BRIEF), others=others))
    match state, event:
        case "validating", "busy":
            return Case(replace(scenario, running=BRIEF))
        case "validating", "paused":
            return Case(replace(scenario, connection={"paused": True}))
        case "validating", "incomplete" | "broken":
            return Case(replace(scenario, connection={"status": {"setup_state": event}}))
        case "considering_broken", _:
            return replace(way, variables={"FIVETRAN_ON_BROKEN": event})
        case "considering_unpause", "yes":
            return replace(way, variables={"FIVETRAN_UNPAUSE": "1"})
        case "considering_switch", "no":
            return Case(scenario, {"FIVETRAN_DONT_DISABLE_SYNC": "1"})
        case "awaiting_look", "timed_out":  # the change fails at the very moment of the deadline
            slow = (Fault(on="get", does="slow", answers_in=3), Fault(on="patch", does="reset", answers_in=2))
            return Case(replace(scenario, faults=slow), {"FIVETRAN_TIMEOUT": "5"})
        case "taking_baseline", "busy":
            return Case(replace(scenario, running=BRIEF))
        case "considering_running", "restart":
            return _way(action, "restarting")
        case "considering_running", _:
            return Case(scenario, {"FIVETRAN_ON_RUNNING": event})
        case "awaiting_idle", "timed_out":
            return Case(replace(scenario, running=FOR_EVER), {"FIVETRAN_TIMEOUT": "25"})
        case "awaiting_restart", "timed_out":
            # The answer is lost after the deadline, in the time that a last call gets.
            late = (Fault(on="get", does="slow", answers_in=3), Fault(on=lost, does="reset", answers_in=3))
            more = {**way.variables, "FIVETRAN_TIMEOUT": "5"}
            return replace(way, scenario=replace(scenario, faults=late), variables=more)
        case "considering_lost_restart", "no":
            return replace(way, variables={**way.variables, "FIVETRAN_EVIDENCE": "0"})
        case "looking_for_restart", "not_started":  # nor did the other sync start in the very second
            return replace(way, scenario=replace(scenario, faults=(SLOW_LOOK, Fault(on=lost, does="reset"))))
        case "considering_restart", "no":
            never = replace(scenario, faults=(SLOW_LOOK, Fault(on=lost, does="reset", times=3)))
            return replace(way, scenario=never)
        case "considering_lost", "yes":
            faults = (SLOW_LOOK, Fault(on=lost, does="reset"), _throttled(lost, skip=1, times=3))
            return replace(way, scenario=replace(scenario, faults=faults))
        case "awaiting_sign", "timed_out":
            never = replace(scenario, faults=(Fault(on=lost, does="reset"),))
            return Case(never, {"FIVETRAN_TIMEOUT": "5"})
        case "confirming", "unclear":
            return Case(replace(scenario, syncs=(SyncPlan(queued=15, lasts=25),)))
        case "confirming", "not_started":
            return Case(replace(scenario, faults=(Fault(on=lost, does="reset"),)))
        case "considering_repeat", "no":
            never = replace(scenario, faults=(Fault(on=lost, does="reset", times=3),))
            return Case(never, {"FIVETRAN_TIMEOUT": "95"} if action == "START" else {})
        case "considering_conflict", "yes":
            # Queued for longer than three looks last, and its answer lost: the next one conflicts with it.
            queued = replace(scenario, syncs=(SyncPlan(queued=35, lasts=25),))
            conflict = Fault(on=lost, skip=1, status=409, code="Conflict")
            return Case(replace(queued, faults=(Fault(on=lost, does="reset", acts=True), conflict)))
        case "considering_trigger", "yes":
            return Case(replace(scenario, faults=(Fault(on=lost, does="reset"), _throttled(lost, skip=1, times=8))))
        case "waiting", "timed_out":
            return Case(replace(scenario, syncs=(FOR_EVER,)), {"FIVETRAN_TIMEOUT": "25"})
        case "polling", "rescheduled":
            return Case(replace(scenario, syncs=PUT_OFF))
        case "considering_reschedule", _:
            return Case(scenario, {"FIVETRAN_ON_RESCHEDULE": event})
        case "awaiting_reschedule", "too_late":
            return Case(replace(scenario, syncs=(SyncPlan(lasts=25, ends="reschedules", again_in=4000),)))
        case "considering_schedule", "otherwise":
            return Case(scenario, {"FIVETRAN_DONT_DISABLE_SYNC": "1"})
        case "considering_durations", "yes":
            return Case(scenario, ADAPTIVE)
        case "considering_history", "no":
            return Case(scenario, {"FIVETRAN_EVIDENCE": "0"})
        case "asking_history", "running":  # the history is behind: in it the sync has not ended
            return Case(replace(scenario, history_delay=12))
        case "awaiting_quiet", "timed_out":
            return Case(scenario, {"FIVETRAN_TIMEOUT": "35"})
        case "concluding", "no":  # with something to look up behind it
            return _way(action, "looking_up_table" if action == "FORCE_RESYNC" else "looking_up_errors")
        case "concluding", "yes":
            return Case(scenario, {"FIVETRAN_RESTORE_SCHEDULE": "1"})
        case "considering_late_switch", "yes":
            return _way(action, "switching_late")
        case "considering_names", "yes":
            return _way(action, "looking_up_table")
        case "considering_sync", "no":
            return Case(replace(scenario, connection={"status": {"setup_state": "broken"}}))
        case "considering_errors", "connections":
            return _way(action, "looking_up_connections")
        case "considering_errors", "yes":
            return _way(action, "looking_up_errors")
        case "considering_warnings", "yes":
            return _way(action, "looking_up_warnings")
        case "reporting", "unwritable":
            return replace(way, arm=_unwritable)
        case "checking_age", "stale":  # the simulated connection's last success was six hours ago
            return Case(scenario, {"FIVETRAN_MAX_AGE": "3600"})
        case "testing", "tests_failed":
            return Case(replace(scenario, setup_tests=_tests("PASSED", "WARNING", "JOB_FAILED")))
        case _:
            return way


def _ending(action: str, event: str) -> Case:
    """A verdict: the shortest way to the edge that leads to it, by its event."""
    source = {
        "succeeded": "polling",
        "sync_failed": "asking_history",
        "cancelled": "asking_history",
        "paused": "validating",
        "incomplete": "validating",
        "broken": "validating",
        "shown": "showing",
        "passed": "testing",
        "tests_failed": "testing",
        "timed_out": "waiting" if action in TRIGGER else "validating",
    }
    special = {
        "busy": lambda: case(action, "considering_running", "fail"),
        "rescheduled": lambda: case(action, "considering_reschedule", "fail"),
        "too_late": lambda: case(action, "awaiting_reschedule", "too_late"),
        "unconfirmed": lambda: _way(action, "giving_up"),
        "stale": lambda: case(action, "checking_age", "stale"),
    }
    if event in special:
        return special[event]()
    return case(action, source.get(event, "validating"), event)


def armed_in(action: str, state: str, event: str) -> str:
    """The state on whose arrival the cause of an edge is armed."""
    if state != "ending":
        return state
    if event == "timed_out" and action in TRIGGER:
        return "waiting"
    return "testing" if event in {"passed", "tests_failed"} else "validating"
