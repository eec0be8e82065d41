"""One shortest way to each state, and one cause for each event: over HTTP, by the clock, by a signal, by the disk."""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from stage import Stage

from orchestrator.driver import Run, Step
from orchestrator.simulator.app import Seen
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

Arm = Callable[[Stage], None]

# The operation that a state asks for, where it asks for one.
OPERATION = {
    "validating": "get",
    "unpausing": "patch",
    "disabling_schedule": "patch",
    "restarting": "sync",
    "confirming": "get",
    "polling": "get",
    "restoring": "patch",
    "testing": "test",
    "looking_up_table": "schemas",
    "looking_up_sync": "history",
    "looking_up_errors": "errors",
}
READING = {"get", "schemas", "history", "errors"}
TRIGGER = {"START": "sync", "FORCE_RESYNC": "resync"}

BRIEF = SyncPlan(lasts=25)
FOR_EVER = SyncPlan(lasts=100_000)
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

    def observer(self, stage: Stage, state: str) -> Callable[[Run, Step | None], None]:
        """What arms the cause on the first arrival."""
        armed = False

        def observe(run: Run, _: Step | None) -> None:
            nonlocal armed
            if run.state.name == state and not armed:
                armed = True
                self.arm(stage)

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


def _way(action: str, state: str) -> Case:
    brief = Scenario(syncs=(BRIEF,))
    lost = Fault(on=TRIGGER.get(action, "any"), does="reset", acts=True)
    match state:
        case "considering_unpause":
            return Case(replace(brief, connection={"paused": True}))
        case "unpausing":
            return Case(replace(brief, connection={"paused": True}), {"FIVETRAN_UNPAUSE": "1"})
        case "considering_running" | "awaiting_idle":
            return Case(replace(brief, running=BRIEF))
        case "restarting":
            return Case(replace(brief, running=FOR_EVER), {"FIVETRAN_ON_RUNNING": "restart"})
        case "awaiting_sign" | "confirming":
            return Case(replace(brief, faults=(lost,)))
        case "considering_reschedule" | "awaiting_reschedule" | "considering_schedule":
            return Case(replace(brief, syncs=PUT_OFF))
        case "considering_conflict":
            return Case(replace(brief, faults=(Fault(on=lost.on, status=409, code="Conflict"),)))
        case "restoring":
            return Case(brief, {"FIVETRAN_RESTORE_SCHEDULE": "1"})
        case "looking_up_table":
            return Case(brief, {"TABLE": "Orders"})
        case "looking_up_errors":
            return Case(_ill(action))
        case _:
            return Case(brief)


# --- The causes -----------------------------------------------------------------------------------


def _fault(on: str, **how: Any) -> Arm:
    return lambda stage: stage.simulator.add_fault(Fault(on=on, **how))


def _answer(on: str, status: int, code: str, times: int = 1) -> Arm:
    return _fault(on, status=status, code=code, message=f"the message of {code}", times=times)


def _out_of_time(on: str) -> Arm:
    """The deadline passes; a request that is made at it all the same has no answer."""

    def arm(stage: Stage) -> None:
        stage.clock.sleep(10_000)
        stage.simulator.add_fault(Fault(on=on, does="hang"))

    return arm


def _signal(on: str, number: int) -> Arm:
    """A signal: in the middle of the request, or at once where there is none."""

    def arm(stage: Stage) -> None:
        if not on:
            os.kill(os.getpid(), number)
            return

        def kill(seen: Seen) -> None:
            if seen.operation == on:
                stage.on_request = lambda _: None  # a second signal would end this very process
                stage.clock.speed = 1e-6  # on a busy machine, the time that hangs would outrun the signal
                os.kill(os.getpid(), number)

        stage.simulator.add_fault(Fault(on=on, does="hang"))
        stage.on_request = kill

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


def _unwritable(stage: Stage) -> None:
    (stage.folder / "report" / "result.json").mkdir(parents=True)  # where the file should be


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


def _outcome(action: str, state: str, event: str, way: Case) -> Case:  # noqa: C901, PLR0911, PLR0912  # a table
    scenario, lost = way.scenario, TRIGGER.get(action, "any")
    with_sync = {
        "sync_failed": SyncPlan(lasts=25, ends="fails"),
        "cancelled": SyncPlan(lasts=25, ends="vanishes"),
        "paused": SyncPlan(lasts=25, ends="pauses"),
        "broken": SyncPlan(lasts=25, ends="breaks"),
    }
    match state, event:
        case "validating", "schedule_kept":
            return Case(scenario, {"FIVETRAN_DONT_DISABLE_SYNC": "1"})
        case "validating", "paused":
            return Case(replace(scenario, connection={"paused": True}))
        case "validating", "incomplete" | "broken":
            return Case(replace(scenario, connection={"status": {"setup_state": event}}))
        case "considering_unpause", "yes":
            return Case(scenario, {"FIVETRAN_UNPAUSE": "1"})
        case "taking_baseline", "busy":
            return Case(replace(scenario, running=BRIEF))
        case "considering_running", _:
            return Case(scenario, {"FIVETRAN_ON_RUNNING": event})
        case "awaiting_idle", "timed_out":
            return Case(replace(scenario, running=FOR_EVER), {"FIVETRAN_TIMEOUT": "25"})
        case "awaiting_sign", "timed_out":
            never = replace(scenario, faults=(Fault(on=lost, does="reset"),))
            return Case(never, {"FIVETRAN_TIMEOUT": "5"})
        case "confirming", "unclear":
            return Case(replace(scenario, syncs=(SyncPlan(queued=15, lasts=25),)))
        case "confirming", "not_started":
            return Case(replace(scenario, faults=(Fault(on=lost, does="reset"),)))
        case "considering_conflict", "yes":
            # Queued for longer than three looks last, and its answer lost: the next one conflicts with it.
            queued = replace(scenario, syncs=(SyncPlan(queued=35, lasts=25),))
            conflict = Fault(on=lost, skip=1, status=409, code="Conflict")
            return Case(replace(queued, faults=(Fault(on=lost, does="reset", acts=True), conflict)))
        case "waiting", "timed_out":
            return Case(replace(scenario, syncs=(FOR_EVER,)), {"FIVETRAN_TIMEOUT": "25"})
        case "polling", "rescheduled":
            return Case(replace(scenario, syncs=PUT_OFF))
        case "polling", _ if event in with_sync:
            return Case(replace(scenario, syncs=(with_sync[event],)))
        case "considering_reschedule", _:
            return Case(scenario, {"FIVETRAN_ON_RESCHEDULE": event})
        case "awaiting_reschedule", "too_late":
            return Case(replace(scenario, syncs=(SyncPlan(lasts=25, ends="reschedules", again_in=4000),)))
        case "considering_schedule", "otherwise":
            return Case(scenario, {"FIVETRAN_DONT_DISABLE_SYNC": "1"})
        case "concluding", "no":  # with something to look up behind it
            return _way(action, "looking_up_table" if action == "FORCE_RESYNC" else "looking_up_errors")
        case "concluding", "yes":
            return Case(scenario, {"FIVETRAN_RESTORE_SCHEDULE": "1"})
        case "considering_names", "yes":
            return _way(action, "looking_up_table")
        case "considering_sync", "no":
            return Case(replace(scenario, connection={"status": {"setup_state": "broken"}}))
        case "considering_errors", "yes":
            return _way(action, "looking_up_errors")
        case "reporting", "unwritable":
            return replace(way, arm=_unwritable)
        case "testing", "tests_failed":
            return Case(replace(scenario, setup_tests=_tests("PASSED", "WARNING", "JOB_FAILED")))
        case _:
            return way


def _ending(action: str, event: str) -> Case:
    """A verdict: the shortest way to the edge that leads to it, by its event."""
    source = {
        "succeeded": "polling",
        "sync_failed": "polling",
        "cancelled": "polling",
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
