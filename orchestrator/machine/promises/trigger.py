"""Promises about the trigger: one sync where one was asked for, and not mistaken for another."""

from collections.abc import Iterable

from orchestrator.fivetran.effects import Tag, resyncs
from orchestrator.machine.chart import Kind
from orchestrator.machine.promises.paths import Edge, Place, Promise
from orchestrator.values.events import SIGNALS, Event

__all__ = ["TRIGGER"]


# --- The baseline -----------------------------------------------------------------------------

UNREAD = ("", "")  # no document since the last wait, and no baseline


def _worth(memory: tuple[str, str], edge: Edge) -> Iterable[tuple[str, str]]:
    """The document since the last wait, and what the baseline is worth: idle, busy, stale, kept or nothing.

    It is idle or busy as it was taken, stale as soon as time passes, and kept while the sync that
    it was taken for is followed.
    """
    document, baseline = memory
    source, event = edge.source, edge.event
    if source.state.kind is Kind.WAITS:
        document = ""
    elif edge.done(Tag.READS):
        document = "read"
    if edge.done(Tag.TAKES_BASELINE):
        baseline = event if document else "stale"
    elif source.triggers and edge.leads_on:
        again = {Event.CONFLICT, Event.ANSWER_LOST} if Tag.STARTS_RESYNC in source.tags else {Event.CONFLICT}
        baseline = "stale" if event in again else "kept"
    elif edge.chosen("on_running") == "attach" or edge.chosen("own_sync_in_the_way") == "yes":
        baseline = "kept"
    elif source.takes_time and not source.triggers and baseline in {Event.IDLE, Event.BUSY}:
        baseline = "stale"
    return ((document, baseline),)


# --- What became of the trigger ---------------------------------------------------------------

LOST = {Event.ANSWER_LOST, Event.TIMED_OUT, *SIGNALS}  # it may have been carried out
KINDS = {Tag.RESTARTS_SYNC: "lost restart", Tag.STARTS_RESYNC: "lost re-sync"}
UNDER_WAY = {"accepted", "rescheduled", "due"}


def _became(trigger: str, edge: Edge) -> Iterable[str]:
    """What became of the trigger after an edge.

    "": none was accepted yet. accepted: or attached to. lost: it may have been carried out; so may a lost restart,
    which may be repeated, and a lost re-sync, which may be once the connection is idle. maybe: it was given up, and
    the choice that follows says whether one before was lost. rescheduled: by Fivetran, and due: until now.
    again: no sign of it was found, or it was rescheduled and Fivetran will not resume it.
    """
    source, event = edge.source, edge.event
    if source.triggers:
        return (_asked(trigger, edge),)
    decided = _decided(trigger, edge)
    if decided is not None:
        return decided
    if edge.chosen("on_running") == "attach" or (edge.done(Tag.LOOKS) and event == Event.STARTED):
        return ("accepted",)
    if edge.done(Tag.JUDGES) and event == Event.RESCHEDULED:
        return ("rescheduled",)
    if trigger == "rescheduled" and source.state.operand == "rescheduled_for" and event == Event.WAITED:
        return ("due",)
    if edge.done(Tag.TAKES_BASELINE) and (
        trigger == "lost restart" or (trigger == "lost re-sync" and event == Event.IDLE)
    ):
        return ("",)
    missed = trigger == "lost" and edge.done(Tag.LOOKS) and event == Event.NOT_STARTED
    unattended = trigger == "due" and edge.chosen("schedule_type") == "manual"
    return ("again" if missed or unattended else trigger,)


def _asked(trigger: str, edge: Edge) -> str:
    """What became of a trigger that was just sent."""
    event = edge.event
    if event == Event.TRIGGERED:
        return "accepted"
    if event in LOST:
        return next((lost for tag, lost in KINDS.items() if tag in edge.source.tags), "lost")
    if event == Event.GAVE_UP:
        return trigger if trigger.startswith("lost") else "maybe"
    return "" if event == Event.CONFLICT and trigger == "again" else trigger


def _decided(trigger: str, edge: Edge) -> Iterable[str] | None:
    """What a choice says about the trigger; () where it cannot have that value, None where it is another choice."""
    lost = trigger.startswith("lost")
    if value := edge.chosen("own_trigger_unanswered") or edge.chosen("own_sync_in_the_way"):
        if value == "no":
            return () if lost else ("" if trigger == "maybe" else trigger,)
        return (trigger if lost else "lost",)
    if edge.chosen("trigger_to_repeat") == "no" and trigger == "again":
        return ("lost",)
    return None


def _blindly(trigger: str, place: Place) -> bool:
    again = Tag.RESTARTS_SYNC in place.tags
    unknown = trigger in {"lost", "lost re-sync", "maybe"} or (trigger == "lost restart" and not again)
    return place.triggers and unknown


def _looks_for_nothing(trigger: str, place: Place) -> bool:
    # The connection may show the very sync that a restart was to stop: only the history tells them apart.
    looked_for = "lost" if Tag.READS in place.tags else "lost restart"
    return Tag.LOOKS in place.tags and trigger != looked_for


def _gives_up(trigger: str, edge: Edge) -> bool:
    waiting = trigger in {"lost", *UNDER_WAY} and not edge.source.after_conclusion
    return waiting and bool(edge.source.method) and edge.event == Event.GAVE_UP


def _whose(memory: tuple[str, str], edge: Edge) -> Iterable[tuple[str, str]]:
    """Whether there is a baseline, and whose sync the run waits for."""
    baseline, whose = memory
    if edge.done(Tag.TAKES_BASELINE):
        return (("taken", ""),)
    if edge.source.triggers:
        whose = "ours" if edge.event == Event.TRIGGERED else ""
    elif edge.done(Tag.LOOKS) and edge.event == Event.STARTED:
        whose = "ours"
    elif edge.chosen("on_running") == "attach" and not resyncs(edge.source.chart.triggers):
        whose = "another's"
    return ((baseline, whose),)


TRIGGER = (
    Promise(
        "each action has its own trigger",
        "Only the triggers that the chart declares start a sync or a re-sync.",
        at=lambda _, place: place.triggers and place.state.operand not in place.chart.triggers,
    ),
    Promise(
        "no trigger without a baseline",
        "Nothing is triggered before a baseline is taken.",
        after=_worth,
        at=lambda memory, place: place.triggers and not memory[1],
        start=UNREAD,
    ),
    Promise(
        "no trigger with a stale baseline",
        "Right before the trigger the connection is read and the baseline is taken, with no request or wait between.",
        after=_worth,
        at=lambda memory, place: place.triggers and memory[1] == "stale",
        start=UNREAD,
    ),
    Promise(
        "no trigger beside a running sync",
        "Where the baseline finds a sync running, only a forced restart is triggered.",
        after=_worth,
        at=lambda memory, place: place.triggers and Tag.RESTARTS_SYNC not in place.tags and memory[1] == Event.BUSY,
        start=UNREAD,
    ),
    Promise(
        "at most one trigger",
        "After a sync was accepted or attached to, another is triggered only if Fivetran has rescheduled that sync, "
        "its time has come, and the schedule is manual, so that Fivetran will not resume it.",
        after=_became,
        at=lambda trigger, place: place.triggers and trigger in UNDER_WAY,
    ),
    Promise(
        "no blind retry of a trigger",
        "After a trigger that may have been carried out, another is sent only when looks at the connection found no "
        "sign of a sync. A forced restart may be repeated, or followed by a plain trigger after a new baseline; a "
        "re-sync is repeated only once a new baseline found the connection idle.",
        after=_became,
        at=_blindly,
    ),
    Promise(
        "signs of a sync count only after a lost answer",
        "An accepted sync may be queued and show no sign for long, so finding none must not trigger it again. A "
        "restart is looked for only in the history, since the connection may still show the sync that was to be "
        "stopped.",
        after=_became,
        at=_looks_for_nothing,
    ),
    Promise(
        "a sync keeps its baseline",
        "Once a trigger may have been carried out, no new baseline is taken: this run's sync would be mistaken for "
        "another. Only a re-sync gets a new one, since seeing a sync does not show that the re-sync was accepted.",
        after=_became,
        at=lambda trigger, place: Tag.TAKES_BASELINE in place.tags and trigger not in {"", *KINDS.values()},
    ),
    Promise(
        "an outage does not end the wait",
        "Between the trigger and the conclusion, no number of transient failures ends the wait.",
        after=_became,
        along=_gives_up,
    ),
    Promise(
        "only the right sync is judged",
        "The end of a sync is decided only against a baseline, and only for a sync that was accepted, showed a sign "
        "after a lost answer, or was attached to (not for a re-sync).",
        after=_whose,
        at=lambda memory, place: Tag.JUDGES in place.tags and not all(memory),
        start=("", ""),
    ),
)
