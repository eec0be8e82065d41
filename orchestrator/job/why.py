"""Why a step took the edge that it took: the rule that turned what happened into an event."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects import CHOICES, EFFECTS, RULES, Call
from orchestrator.fivetran.vocabulary import meaning_of
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.run import Step
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import Answer
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration, iso
from orchestrator.values.settings import Settings

__all__ = ["why"]

# What is decided by how the connection is, and by its schedule; the rest by neither.
_BY_CONDITION = {Event.READY, Event.BUSY, Event.PAUSED, Event.INCOMPLETE, Event.BROKEN}
_BY_SCHEDULE = {Event.READY, Event.DISABLED, Event.RESTORED}


def why(settings: Settings, chart: Chart, before: Facts, step: Step) -> str:
    """The rule that decided a step, in words.

    Args:
        settings: The job's settings.
        chart: The chart that the step is of.
        before: The facts before the step.
        step: The step.
    """
    state = chart.states[step.source]
    if state.kind is Kind.CHOOSES:
        summary = meaning_of(state.operand, state.kind)
        value = CHOICES[state.operand].of(settings, before) or "nothing"
        return f"{summary} It is {value}." if value == step.event else f"{summary} It is {value}: {step.event}."
    if step.event in SIGNALS:
        return f"{meaning_of(step.event)}."
    if step.failure is not None:
        return _failed(step)
    if step.answer is not None and state.operand in EFFECTS:
        return _answered(settings, before, step, step.answer, state.operand)
    effect = EFFECTS.get(state.operand)
    if isinstance(effect, Call):
        return f"{meaning_of(step.event)}: nothing was sent any more."
    if rule := _concluded(before, step, state.operand):
        return f"{rule}: {meaning_of(step.event)}."
    return f"{meaning_of(step.event)}."


def _concluded(before: Facts, step: Step, effect: str) -> str:
    """The rule of an effect that asks nothing; "" where its event says it all."""
    document = before.connection or {}
    match effect:
        case "take_baseline":
            date = (step.facts.baseline or {}).get("date")
            bound = (
                "Fivetran's answers had no time"
                if date is None
                else f"a sync dated {iso(date)} or later may belong to this run"
            )
            return f"sync_state is {documents.sync_state(document) or 'not known'}, {bound}"
        case "accept_failure":
            return "the deadline struck before it was quiet for long enough, and failed_at had moved"
        case "leave_unconfirmed":
            return f"{before.lost} requests for the re-sync had no answer, and waiting longer would not settle it"
    return ""


def _failed(step: Step) -> str:
    said = f"{step.failure}: {meaning_of(step.failure.event)}" if step.failure else ""
    if step.failure is not None and step.event != step.failure.event:
        said += f"; {meaning_of(step.event)}"
    if step.pause:
        said += f"; the next attempt is in {duration(step.pause)}"
    return f"{said}."


def _answered(settings: Settings, before: Facts, step: Step, answer: Answer, effect: str) -> str:
    """The rule of an effect that had an answer."""
    if effect in RULES:
        return f"{RULES[effect](settings, before, answer)}: {meaning_of(step.event)}."
    seen = ", ".join(_seen(step, answer.data))
    return f"{seen}: {meaning_of(step.event)}." if seen else f"{meaning_of(step.event)}."


def _seen(step: Step, document: Mapping[str, Any]) -> Iterator[str]:
    """What in an answer decided on the event."""
    if step.event in _BY_CONDITION:
        state, setup = documents.sync_state(document), documents.setup_state(document)
        yield from (f"sync_state is {state}", f"setup_state is {setup}") if state or setup else ()
    if step.event in _BY_SCHEDULE and (schedule := documents.schedule_type(document)):
        yield f"schedule_type is {schedule}"
    if step.event == Event.UNPAUSED and "paused" in document:
        yield f"paused is {json.dumps(document['paused'])}"
    if step.event in {Event.PASSED, Event.TESTS_FAILED}:
        failed = [
            test for test in step.facts.setup_tests or () if str(test.get("status")) in documents.SETUP_TEST_FAILURES
        ]
        yield from (f"{test.get('title')} is {test.get('status')}" for test in failed)
