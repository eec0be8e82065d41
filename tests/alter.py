"""Alter the charts beyond their edges: other operands, states put in between, other beginnings, conclusions and aims.

A chart that is altered so is made whole again first, or the laws alone would tell it: the new state
has the edges that it needs, the choice of the verdict has the verdicts that there are now, and states
that nothing leads to any more go. Many of these are sound charts that do something else. What the
proofs take is played in several scenarios: it must come to an end, and not to 70.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from simulated_job import SimulatedJob

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, Call
from orchestrator.machine.chart import OTHERWISE, Chart, Kind, State
from orchestrator.machine.loader import load, structural_faults
from orchestrator.machine.promises import PROMISES
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exit_codes import BUG, MISCONFIGURED

__all__ = ["ALIVE", "Altered", "EndlessError", "aims", "altered", "counted", "death"]

ALIVE = "alive"
MOST_STEPS = 400  # more than any run of a scenario takes: what takes more runs for ever
PUT_IN = "put_in"  # the name of a state that is put in between

OPERANDS = (
    *((Kind.DOES, name) for name in EFFECTS),
    *((Kind.WAITS, name) for name in PAUSES),
    *((Kind.CHOOSES, name) for name in CHOICES),
)
POLICY = ("wait", "fail")  # values of one that the chart does not ask about yet
CALLED_OFF = frozenset({Event.TIMED_OUT, Event.TOO_LATE, *SIGNALS})
AGAIN = frozenset({Event.RATE_LIMITED, Event.UNAVAILABLE})
FAILURES = frozenset({*AGAIN, Event.REFUSED, Event.NOT_FOUND, Event.REJECTED, Event.TIMED_OUT})
POST_FAILURES = frozenset({Event.ANSWER_LOST, Event.CONFLICT})

BRIEF = SyncPlan(lasts=25)
WORLDS: dict[str, tuple[Scenario, Mapping[str, str]]] = {
    "all goes well": (Scenario(syncs=(BRIEF,)), {"FIVETRAN_RESTORE_SCHEDULE": "1"}),
    "it fails": (
        Scenario(
            syncs=(SyncPlan(lasts=25, ends="fails"),),
            setup_tests=({"title": "Login", "status": "FAILED", "message": "the password has expired"},),
        ),
        {},
    ),
    "it is paused": (Scenario(syncs=(BRIEF,), connection={"paused": True}), {"FIVETRAN_UNPAUSE": "1"}),
    "another sync runs": (Scenario(syncs=(BRIEF,), running=BRIEF), {}),
    "it is rescheduled": (Scenario(syncs=(SyncPlan(lasts=25, ends="reschedules", again_in=60), BRIEF)), {}),
    "the answer is lost": (
        Scenario(syncs=(BRIEF,), faults=tuple(Fault(on=on, does="reset", acts=True) for on in ("sync", "resync"))),
        {},
    ),
    "Fivetran goes down": (Scenario(faults=(Fault(skip=2, times=0, status=503),)), {}),
    "a name is wrong": (Scenario(exists=False, syncs=(BRIEF,)), {"TABLE": "Orders"}),
}


class EndlessError(Exception):
    """A run takes more steps than any run should."""


class Altered(NamedTuple):
    """A chart that is altered, and in what."""

    action: str
    what: str
    chart: Chart

    def __str__(self) -> str:
        return f"{self.action}: {self.what}"


def counted(run: Run, _: Step | None) -> None:
    """Cut off a run that never ends.

    Raises:
        EndlessError: It has taken too many steps.
    """
    if run.standing.number > MOST_STEPS:
        raise EndlessError


# --- Made -----------------------------------------------------------------------------------------


def altered(actions: tuple[str, ...]) -> Iterator[Altered]:
    """Every alteration of the actions' charts."""
    for action in actions:
        chart = load(action)
        for what, other in _alterations(chart):
            yield Altered(action, what, _whole(other))


def _alterations(chart: Chart) -> Iterator[tuple[str, Chart]]:
    for alter in (_operands, _put_in, _moved, _tries, _orders, aims):
        yield from alter(chart)


def _operands(chart: Chart) -> Iterator[tuple[str, Chart]]:
    """A state does, waits for or chooses by something else; what it had no edge for leads where another edge did."""
    for state in chart.states.values():
        onward = [target for target in dict.fromkeys(state.edges.values()) if target != state.name]
        for kind, operand in OPERANDS if state.kind is not Kind.EXIT else ():
            if (kind, operand) == (state.kind, state.operand):
                continue
            for target in onward:
                what = f"{state.name} {kind} {operand}, and then {target}"
                yield what, _with(chart, replace(state, kind=kind, operand=operand), target)


def _put_in(chart: Chart) -> Iterator[tuple[str, Chart]]:
    """An edge leads through one state more."""
    for source, event, target in chart.edges():
        if chart.states[target].kind is Kind.EXIT or source == target:
            continue
        for kind, operand in OPERANDS:
            state = chart.states[source]
            detour = {source: replace(state, edges={**state.edges, event: PUT_IN})}
            new = State(PUT_IN, kind, operand, {}, {})
            longer = replace(chart, states={**chart.states, **detour, PUT_IN: new})
            yield f"{source} --{event}--> {kind} {operand} --> {target}", _with(longer, new, target)


def _moved(chart: Chart) -> Iterator[tuple[str, Chart]]:
    """It begins elsewhere, or concludes elsewhere."""
    for name, state in chart.states.items():
        if state.kind is not Kind.EXIT:
            yield f"begins with {name}", replace(chart, initial=name)
            states = {other: replace(one, concludes=other == name) for other, one in chart.states.items()}
            yield f"concludes with {name}", replace(chart, states=states)


def _tries(chart: Chart) -> Iterator[tuple[str, Chart]]:
    """A state makes other numbers of attempts."""
    for state in chart.states.values():
        for tries in {None, 1, 2} - {state.tries} if state.kind is Kind.DOES else ():
            changed = {state.name: replace(state, tries=tries)}
            yield f"{state.name} tries {tries}", replace(chart, states={**chart.states, **changed})


def _orders(chart: Chart) -> Iterator[tuple[str, Chart]]:
    """States, and the edges of each, stand the other way round."""
    states = {
        name: replace(chart.states[name], edges=dict(reversed([*chart.states[name].edges.items()])))
        for name in reversed([*chart.states])
    }
    yield "all stands the other way round", replace(chart, states=states)


def aims(chart: Chart) -> Iterator[tuple[str, Chart]]:
    """It says something else of its action."""
    for green in sorted({*chart.verdicts()} - {chart.green}):
        yield f"green is {green}", replace(chart, green=green)
    for trigger in chart.triggers:
        triggers = tuple(other for other in chart.triggers if other != trigger)
        yield f"{trigger} is no trigger", replace(chart, triggers=triggers)
    if chart.needs:
        yield "it needs nothing", replace(chart, needs=())
    for prints in sorted({"connection", "tests", "result"} - {chart.prints}):
        yield f"it prints the {prints}", replace(chart, prints=prints)


def _with(chart: Chart, state: State, onward: str) -> Chart:
    """The chart with a state in place of the one of that name, and with the edges that it needs."""
    name, behind = state.name, state.name in chart.behind() or state.concludes
    behind = behind or (name == PUT_IN and onward in chart.behind())
    stop = onward if behind else chart.conclusion.name
    edges = {}
    for event in _needed(chart, state, shielded=behind):
        repeated = event in AGAIN and state.kind is Kind.DOES
        edges[event] = state.edges.get(event, stop if event in CALLED_OFF else name if repeated else onward)
    tries = state.tries if Event.GAVE_UP in edges else None
    return replace(chart, states={**chart.states, name: replace(state, edges=edges, groups={}, tries=tries)})


def _needed(chart: Chart, state: State, *, shielded: bool) -> Iterator[str]:
    """The events that a state of its kind and operand needs an edge for."""
    signals = frozenset() if shielded else SIGNALS
    if state.kind is Kind.WAITS:
        yield from (
            Event.WAITED,
            Event.TOO_LATE if state.operand == "rescheduled_for" else Event.TIMED_OUT,
            *sorted(signals),
        )
    elif state.kind is Kind.CHOOSES:
        if state.operand == "schedule_type":
            yield from ("manual", OTHERWISE)
        elif state.operand == "verdict":
            yield from chart.verdicts()
        else:
            yield from CHOICES[state.operand].values or chart.values(state.operand) or POLICY
    else:
        effect = EFFECTS[state.operand]
        yield from effect.outcomes
        if isinstance(effect, Call):
            posts = POST_FAILURES if effect.method == "POST" else frozenset()
            yield from sorted({*FAILURES, *posts, *signals} - {*effect.outcomes})
            yield from (Event.GAVE_UP,) if Event.GAVE_UP in state.edges else ()


def _whole(chart: Chart) -> Chart:
    """The chart without states that nothing leads to, and with an edge for each verdict, new ones red."""
    reached = chart.reachable(chart.initial)
    chart = replace(chart, states={name: state for name, state in chart.states.items() if name in reached})
    endings = [s for s in chart.states.values() if s.kind is Kind.CHOOSES and s.operand == "verdict"]
    if len(endings) != 1 or not any(state.concludes for state in chart.states.values()):
        return chart  # the laws refuse it as it is
    (ending,) = endings
    red = [target for target in ending.edges.values() if chart.states[target].exit]
    edges = {verdict: ending.edges.get(verdict, red[0]) for verdict in chart.verdicts()} if red else ending.edges
    chart = replace(chart, states={**chart.states, ending.name: replace(ending, edges=edges)})
    reached = chart.reachable(chart.initial)
    return replace(chart, states={name: state for name, state in chart.states.items() if name in reached})


# --- Tried ----------------------------------------------------------------------------------------


def _refused(chart: Chart) -> str:
    """What refuses a chart: "structure" or a promise's name; "" where it may run."""
    if structural_faults(chart):
        return "structure"
    return next((promise.name for promise in PROMISES if promise.counterexample(chart) is not None), "")


def _wrong(one: Altered) -> Iterator[str]:
    """Play a chart in each world, and say of those where it ends as none may how it does."""
    for world, (scenario, variables) in WORLDS.items():
        with tempfile.TemporaryDirectory() as folder:
            job = SimulatedJob(scenario, "http://127.0.0.1", Path(folder))
            with mock.patch("orchestrator.job.configuration.load", return_value=one.chart):
                played = job.play(one.action, counted, **dict[str, Any](variables))
        if played.code in {BUG, MISCONFIGURED}:
            said = [line for line in played.stderr.splitlines() if "Error" in line or "problem" in line]
            yield f"where {world}, {played.code}: {said[-1] if said else played.stderr[-200:]}"
        elif played.report is None or played.report["exit_code"] != played.code:
            yield f"where {world}, {played.code}, and no report of it"


def death(one: Altered) -> str:
    """What refuses an altered chart: "structure" or a promise's name; ALIVE where it ends as it may; or how not."""
    return _refused(one.chart) or next(_wrong(one), ALIVE)
