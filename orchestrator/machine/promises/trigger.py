"""Promises about the trigger: one sync where one was asked for, and its end told from every other's."""

from collections.abc import Iterable

from orchestrator.fivetran.effects import resyncs, tagged
from orchestrator.fivetran.tags import TRIGGERS, Tag
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.promises.conduct import asks, chosen, done, leads_on, tags, takes_time, triggers
from orchestrator.machine.promises.paths import Edge, Path, Promise, nothing, shortest
from orchestrator.values.events import SIGNALS, Event

__all__ = ["TRIGGER"]


def _own_trigger(chart: Chart) -> Path | None:
    foreign = tagged(TRIGGERS) - {*chart.triggers}
    return shortest(chart, "", nothing, at=lambda _, state: state.kind is Kind.DOES and state.operand in foreign)


# --- The baseline -----------------------------------------------------------------------------

UNREAD = ("", "")  # no document since the last wait, and no baseline


def _worth(memory: tuple[str, str], edge: Edge) -> Iterable[tuple[str, str]]:
    """The document since the last wait, and what the baseline is worth: idle, busy, stale, kept or nothing.

    It is idle or busy as it was taken, stale as soon as time passes, and kept while the sync that
    it was taken for is followed.
    """
    document, baseline = memory
    source, event = edge.source, edge.event
    if source.kind is Kind.WAITS:
        document = ""
    elif done(edge, Tag.READS):
        document = "read"
    if done(edge, Tag.TAKES_BASELINE):
        baseline = event if document else "stale"
    elif triggers(source) and leads_on(edge):
        again = {Event.CONFLICT, Event.ANSWER_LOST} if Tag.STARTS_RESYNC in tags(source) else {Event.CONFLICT}
        baseline = "stale" if event in again else "kept"
    elif chosen(edge, "on_running") == "attach" or chosen(edge, "own_sync_in_the_way") == "yes":
        baseline = "kept"
    elif takes_time(source) and not triggers(source) and baseline in {Event.IDLE, Event.BUSY}:
        baseline = "stale"
    return ((document, baseline),)


def _baseline(chart: Chart) -> Path | None:
    return shortest(chart, UNREAD, _worth, at=lambda memory, state: triggers(state) and not memory[1])


def _fresh(chart: Chart) -> Path | None:
    return shortest(chart, UNREAD, _worth, at=lambda memory, state: triggers(state) and memory[1] == "stale")


def _beside(chart: Chart) -> Path | None:
    def at(memory: tuple[str, str], state: State) -> bool:
        return triggers(state) and Tag.RESTARTS_SYNC not in tags(state) and memory[1] == Event.BUSY

    return shortest(chart, UNREAD, _worth, at=at)


# --- What became of the trigger ---------------------------------------------------------------

LOST = {Event.ANSWER_LOST, Event.TIMED_OUT, *SIGNALS}  # it may have been carried out
KINDS = {Tag.RESTARTS_SYNC: "lost restart", Tag.STARTS_RESYNC: "lost re-sync"}


def _became(trigger: str, edge: Edge) -> Iterable[str]:
    """What became of the trigger after an edge.

    "": none was accepted yet. accepted: or attached to. lost: it may have been carried out; so may a lost restart,
    which may be repeated, and a lost re-sync, which may be once the connection is idle. maybe: it was given up, and
    the choice that follows tells whether one before was lost. put off: Fivetran rescheduled it, and due: until now.
    again: there is no sign of it, or nobody resumes it.
    """
    source, event = edge.source, edge.event
    if triggers(source):
        return (_asked(trigger, edge),)
    answered = _told(trigger, edge)
    if answered is not None:
        return answered
    if chosen(edge, "on_running") == "attach" or (done(edge, Tag.LOOKS) and event == Event.STARTED):
        return ("accepted",)
    if done(edge, Tag.JUDGES) and event == Event.RESCHEDULED:
        return ("put off",)
    if trigger == "put off" and source.operand == "rescheduled_for" and event == Event.WAITED:
        return ("due",)
    if done(edge, Tag.TAKES_BASELINE) and (
        trigger == "lost restart" or (trigger == "lost re-sync" and event == Event.IDLE)
    ):
        return ("",)
    missed = trigger == "lost" and done(edge, Tag.LOOKS) and event == Event.NOT_STARTED
    unattended = trigger == "due" and chosen(edge, "schedule_type") == "manual"
    return ("again" if missed or unattended else trigger,)


def _asked(trigger: str, edge: Edge) -> str:
    """What became of a trigger that was just sent."""
    event = edge.event
    if event == Event.TRIGGERED:
        return "accepted"
    if event in LOST:
        return next((lost for tag, lost in KINDS.items() if tag in tags(edge.source)), "lost")
    if event == Event.GAVE_UP:
        return trigger if trigger.startswith("lost") else "maybe"
    return "" if event == Event.CONFLICT and trigger == "again" else trigger


def _told(trigger: str, edge: Edge) -> Iterable[str] | None:
    """What a choice tells about the trigger; nothing where it cannot say so, None where it is another choice."""
    lost = trigger.startswith("lost")
    if value := chosen(edge, "own_trigger_unanswered") or chosen(edge, "own_sync_in_the_way"):
        if value == "no":
            return () if lost else ("" if trigger == "maybe" else trigger,)
        return (trigger if lost else "lost",)
    if chosen(edge, "trigger_to_repeat") == "no" and trigger == "again":
        return ("lost",)
    return None


def _one(chart: Chart) -> Path | None:
    under_way = {"accepted", "put off", "due"}
    return shortest(chart, "", _became, at=lambda trigger, state: triggers(state) and trigger in under_way)


def _blindly(chart: Chart) -> Path | None:
    def at(trigger: str, state: State) -> bool:
        again = Tag.RESTARTS_SYNC in tags(state)
        unknown = trigger in {"lost", "lost re-sync", "maybe"} or (trigger == "lost restart" and not again)
        return triggers(state) and unknown

    return shortest(chart, "", _became, at=at)


def _sign(chart: Chart) -> Path | None:
    def at(trigger: str, state: State) -> bool:
        # The connection may show the very sync that a restart was to stop: only the history tells them apart.
        looked_for = "lost" if Tag.READS in tags(state) else "lost restart"
        return Tag.LOOKS in tags(state) and trigger != looked_for

    return shortest(chart, "", _became, at=at)


def _keeps(chart: Chart) -> Path | None:
    def at(trigger: str, state: State) -> bool:
        return Tag.TAKES_BASELINE in tags(state) and trigger not in {"", "lost restart", "lost re-sync"}

    return shortest(chart, "", _became, at=at)


def _bad_hour(chart: Chart) -> Path | None:
    behind = chart.behind()

    def along(trigger: str, edge: Edge) -> bool:
        waiting = trigger in {"accepted", "lost", "put off", "due"} and edge.source.name not in behind
        return waiting and asks(edge.source) and edge.event == Event.GAVE_UP

    return shortest(chart, "", _became, along=along)


def _judged(chart: Chart) -> Path | None:
    def after(memory: tuple[str, str], edge: Edge) -> Iterable[tuple[str, str]]:
        """Whether there is a baseline, and whose sync is followed."""
        baseline, whose = memory
        if done(edge, Tag.TAKES_BASELINE):
            return (("taken", ""),)
        if triggers(edge.source):
            whose = "ours" if edge.event == Event.TRIGGERED else ""
        elif done(edge, Tag.LOOKS) and edge.event == Event.STARTED:
            whose = "ours"
        elif chosen(edge, "on_running") == "attach" and not resyncs(chart.triggers):
            whose = "somebody's"
        return ((baseline, whose),)

    return shortest(chart, ("", ""), after, at=lambda memory, state: Tag.JUDGES in tags(state) and not all(memory))


TRIGGER = (
    Promise(
        "each action has its own trigger",
        "Nothing has Fivetran start a sync or a re-sync but the triggers that the chart declares.",
        _own_trigger,
    ),
    Promise("no trigger without a baseline", "Nothing is triggered before a baseline is taken.", _baseline),
    Promise(
        "no trigger with a stale baseline",
        "Between the baseline and the trigger nothing is asked or waited for, and before it the connection is read.",
        _fresh,
    ),
    Promise(
        "no trigger beside a running sync",
        "Where the baseline finds a sync running nothing is triggered but a forced restart.",
        _beside,
    ),
    Promise(
        "one trigger",
        "After a sync was accepted or attached to, another is triggered only when Fivetran has rescheduled it, its "
        "time has come, and the schedule is manual: Fivetran does not resume it.",
        _one,
    ),
    Promise(
        "no blind repetition",
        "A trigger that may have been carried out is followed by another only when looks at the connection found no "
        "sign of it. A forced restart may be repeated as such, and a plain trigger follow it after a new baseline; a "
        "re-sync is repeated only once a new baseline found the connection idle.",
        _blindly,
    ),
    Promise(
        "a sign is looked for only after a lost answer",
        "What was accepted may show no sign for long: a look that finds none must not have it triggered again. A "
        "restart is looked for in the history alone: what the connection shows may be the sync that was to be stopped.",
        _sign,
    ),
    Promise(
        "our sync keeps its baseline",
        "Once a trigger may have been carried out no new baseline is taken: our sync would pass for another. Only a "
        "re-sync, whose sync proves nothing, gets a new one.",
        _keeps,
    ),
    Promise(
        "a bad hour ends nothing",
        "Between the trigger and the conclusion no number of transient failures ends the wait.",
        _bad_hour,
    ),
    Promise(
        "only the right sync is judged",
        "A poll judges against a baseline, and only a sync that was accepted, shows a sign after a lost answer or, "
        "where no re-sync is asked for, was attached to.",
        _judged,
    ),
)
