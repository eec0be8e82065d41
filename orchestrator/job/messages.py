"""What a step means to whoever watches a job: a line to say, and what goes on from now on.

By event alone: which state follows is the chart's affair.
"""

from collections.abc import Callable
from typing import NamedTuple

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects import EFFECTS
from orchestrator.fivetran.effects.registry import Tag
from orchestrator.fivetran.progress import quiet_left
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.step import Step
from orchestrator.values.events import Event
from orchestrator.values.formatting import ago, duration, some_tables
from orchestrator.values.settings import Settings

__all__ = ["Message", "message"]

SHORT = 10.0  # seconds: of a pause, tenths matter


class Message(NamedTuple):
    """What is said of a step.

    Attributes:
        text: A line; "" for none.
        doing: What goes on from now on, without its time; "" where that is as before.
        warns: It is a warning.
        pause: When that is tried again, in words; "" for never.
    """

    text: str = ""
    doing: str = ""
    warns: bool = False
    pause: str = ""


NOTHING = Message()
_STARTING = "waiting for the sync to start"


def message(step: Step, settings: Settings, chart: Chart) -> Message:
    """What to say of a step.

    Args:
        step: The step.
        settings: The job's settings.
        chart: Its chart.
    """
    if step.request is not None and step.request.optional:
        return NOTHING  # evidence: nobody misses it
    if step.failure is not None:
        return _failed(step)
    # The values of a choice may have the name of an event: a verdict is chosen by, once it is known.
    about = None if step.kind is Kind.CHOOSES else _MESSAGES.get(step.event)
    return about(step, settings) if about and (chart.triggers or step.event not in _OF_SYNCS) else NOTHING


def _failed(step: Step) -> Message:
    if (step.after.concluded and not step.before.concluded) or step.facts.warnings != step.before.facts.warnings:
        return NOTHING  # the verdict, or a warning, says it
    assert step.request is not None  # noqa: S101  # what failed was asked
    purpose, failure = step.request.purpose, step.failure
    if step.event == Event.ANSWER_LOST:
        text = f"no answer to the request to {purpose} ({failure}): it may have been carried out, so look first"
        return Message(text, "looking for a sign of the sync", warns=True)
    pause = f"{step.pause:.1f} s" if step.pause < SHORT else duration(step.pause)
    again = f"trying again in {pause}" if step.pause else ""
    return Message(f"could not {purpose}: {failure}", f"trying to {purpose}", warns=True, pause=again)


def _ready(step: Step, _: Settings) -> Message:
    facts = step.facts
    document, now = facts.connection or {}, facts.connection_date
    service, succeeded = document.get("service"), documents.parse_time(document.get("succeeded_at"))
    kind = f" ({service})" if isinstance(service, str) and service else ""
    last = ", no success yet" if succeeded is None or now is None else f", last success {ago(now - succeeded)}"
    return Message(f"connection is ready{kind}{last}")


def _busy(_: Step, settings: Settings) -> Message:
    policy = dict(settings.policies).get("on_running", "")
    if policy == "fail":
        return NOTHING  # the verdict says it
    what = {
        "wait": ": waiting for it to end, then starting a new one",
        "attach": ": waiting for it to end (FIVETRAN_ON_RUNNING=attach)",
        "restart": ": stopping it and starting a new one (FIVETRAN_ON_RUNNING=restart)",
    }.get(policy, "")
    return Message(f"another sync is running{what}", "waiting for the other sync to end")


def _broken(_: Step, settings: Settings) -> Message:
    tries = dict(settings.policies).get("on_broken") == "sync"
    return Message("connection is broken; a sync may clear that (FIVETRAN_ON_BROKEN=sync)") if tries else NOTHING


def _unpaused(step: Step, settings: Settings) -> Message:
    text = "connection un-paused"
    if documents.schedule_type(step.facts.connection or {}) == documents.MANUAL:
        text += f", {_switched(step, settings).text}"
    return Message(text, "waiting to see whether that started a sync")


def _switched(step: Step, _: Settings) -> Message:
    before, now = step.facts.schedule_before, documents.schedule_type(step.facts.connection or {})
    was = f" from {before}" if before and before != now else ""
    return Message(f"schedule switched{was} to {now or 'manual'}")


def _restored(step: Step, _: Settings) -> Message:
    return Message(f"schedule set back to {documents.schedule_type(step.facts.connection or {}) or 'what it was'}")


def _triggered(step: Step, settings: Settings) -> Message:
    tags = EFFECTS[step.operand].tags
    if Tag.STARTS_RESYNC in tags:
        return Message(f"re-sync of {some_tables(settings.scope)} triggered", _STARTING)
    if Tag.RESTARTS_SYNC in tags:
        return Message("running sync stopped, new one triggered", _STARTING)
    return Message("sync triggered again" if step.before.facts.triggered else "sync triggered", _STARTING)


def _unsigned(_: Step, __: Settings) -> Message:
    return Message("no sign of a sync since the trigger")


def _running(step: Step, _: Settings) -> Message:
    if documents.sync_state(step.facts.connection or {}) == "syncing":
        return Message("syncing", "syncing")
    return Message(doing=_STARTING)


def _rescheduled(step: Step, settings: Settings) -> Message:
    facts = step.facts
    due, now = documents.parse_time(facts.waited_for), facts.connection_date
    to = documents.moment(facts.waited_for) or "a time that it does not say"
    ahead = f" ({ago(now - due)})" if due is not None and now is not None else ""
    in_time = due is None or now is None or due - now < step.after.deadline - step.at
    waits = in_time and dict(settings.policies).get("on_reschedule") == "wait"
    return Message(
        f"Fivetran rescheduled the sync to {to}{ahead}{': waiting until then' if waits else ''}",
        f"waiting until {to} for the rescheduled sync",
        warns=True,
    )


def _doubtful(step: Step, _: Settings) -> Message:
    doubt = step.facts.doubt
    left = quiet_left(step.facts, doubt["since"]) if doubt else 0.0
    text = f"the sync is gone; waiting up to {duration(left)} for Fivetran's dates"
    return Message(text, "waiting for Fivetran's dates")


_MESSAGES: dict[str, Callable[[Step, Settings], Message]] = {
    Event.READY: _ready,
    Event.BUSY: _busy,
    Event.BROKEN: _broken,
    Event.UNPAUSED: _unpaused,
    Event.DISABLED: _switched,
    Event.RESTORED: _restored,
    Event.TRIGGERED: _triggered,
    Event.NOT_STARTED: _unsigned,
    Event.RUNNING: _running,
    Event.RESCHEDULED: _rescheduled,
    Event.DOUBTFUL: _doubtful,
}
_OF_SYNCS = {Event.READY}  # what is the very answer of an action that is about no sync
