"""Effects that trigger a sync, find out what became of a lost trigger, and learn how long the sync may take."""

from typing import Literal

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import Tag, call, pure
from orchestrator.fivetran.effects.situation import (
    OF_OUR_SYNC,
    asking,
    get_connection,
    get_history,
    get_past_syncs,
    items,
    observed,
    on_connection,
)
from orchestrator.fivetran.polling import durations_of
from orchestrator.fivetran.progress import decide
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts, Outcome
from orchestrator.values.formatting import duration
from orchestrator.values.settings import Settings

_post_sync = asking("POST", "/sync", "start a sync", body={"force": False}, wants_data=False)


@call("POST", _post_sync, Tag.STARTS_SYNC)
def trigger_sync(_: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.TRIGGERED]]:
    """Start a sync."""
    return Outcome(Event.TRIGGERED, _accepted(facts, answer))


_post_forced_sync = asking(
    "POST", "/sync", "stop the running sync and start one", body={"force": True}, wants_data=False
)


@call("POST", _post_forced_sync, Tag.RESTARTS_SYNC, needs=("on_running", "restart"))
def restart_sync(_: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.TRIGGERED]]:
    """Stop the running sync and start a new one."""
    return Outcome(Event.TRIGGERED, _accepted(facts, answer).but(restarted=True))


def _post_resync(settings: Settings, facts: Facts) -> Request:
    purpose = f"start a historical re-sync of the {'tables' if settings.tables else 'table'}"
    path, body = "/schemas/tables/resync", settings.scope
    return on_connection(settings, facts, "POST", path, purpose, body=body, wants_data=False)


@call("POST", _post_resync, Tag.STARTS_RESYNC)
def resync_table(_: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.TRIGGERED]]:
    """Start a historical re-sync of the tables."""
    return Outcome(Event.TRIGGERED, _accepted(facts, answer))


@call("GET", get_past_syncs, needs=("durations_to_ask", "yes"))
def read_durations(_: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.LOOKED_UP]]:
    """Read in the sync history how long recent syncs took."""
    found = durations_of(items(answer))
    shortest, longest = (duration(of(found, default=0.0)) for of in (min, max))
    rule = f"the newest {len(found)} successful syncs took {shortest} to {longest}"
    return Outcome(Event.LOOKED_UP, facts.but(durations=found), rule if found else "it shows no successful sync")


def _get_restart(settings: Settings, facts: Facts) -> Request:
    # The last document is from before the restart: what is looked for began later than that.
    return get_history(settings, facts, None)


@call("GET", _get_restart, Tag.LOOKS, needs=("restart_to_find", "yes"))
def find_restart(_: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.STARTED, Event.NOT_STARTED]]:
    """After a restart whose answer was lost, look in the sync history for a sync that began since."""
    asked = _asked_for(facts, answer)
    # Fivetran's `Date` has whole seconds: in the very second the sync may have begun that was to be stopped.
    starts = [documents.parse_time(item.get("start")) for item in items(answer)]
    later = [start for start in starts if asked is not None and start is not None and start >= asked + 1]
    if not later:
        return Outcome(Event.NOT_STARTED, facts)
    # When this run's sync began: the stopped one's dates are earlier.
    return Outcome(Event.STARTED, _known_started(facts, min(later)))


@pure()
def leave_unconfirmed(_: Settings, facts: Facts) -> Outcome[Literal[Event.UNCONFIRMED]]:
    """Give up: it is not known whether the trigger was accepted, and waiting longer would not settle it."""
    rule = f"{facts.lost} trigger{'' if facts.lost == 1 else 's'} had no answer, and waiting longer would not settle it"
    return Outcome(Event.UNCONFIRMED, facts, rule)


# A queued sync shows nothing: only the third look without a sign says that none was started,
# and only some seconds after the first.
LOOKS = 3
LOOK_SECONDS = 15.0


@call("GET", get_connection, Tag.READS, Tag.LOOKS)
def confirm_start(
    settings: Settings, facts: Facts, answer: Answer
) -> Outcome[Literal[Event.STARTED, Event.UNCLEAR, Event.NOT_STARTED]]:
    """After a trigger whose answer was lost, look for a sign of the sync."""
    facts = observed(settings, facts, answer)
    bound = _asked_for(facts, answer)
    # Only a restart is sent while another sync runs: the stopped one's dates are not this run's.
    stopping = bool((facts.baseline or {}).get("busy")) and dict(settings.policies).get("on_running") == "restart"
    # What became of the sync, if that trigger was carried out.
    judged = decide(facts.but(restarted=stopping, triggered_at=bound, doubt=None), answer.data, answer.at)
    if judged.event is not Event.RUNNING or judged.facts.syncing_seen:
        # Only a sign is taken from here: what it means is for the next poll to say, afresh.
        warning = "the trigger's answer was lost; a sync was seen since, and is taken for the one that was asked for"
        facts = _known_started(facts, bound).but(
            restarted=stopping, syncing_seen=judged.facts.syncing_seen, warnings=facts.warned(warning)
        )
        return Outcome(Event.STARTED, facts, judged.rule)
    began = answer.at if facts.looking_since is None else facts.looking_since
    if facts.looks + 1 < LOOKS or answer.at - began < LOOK_SECONDS:
        return Outcome(Event.UNCLEAR, facts.but(looks=facts.looks + 1, looking_since=began), judged.rule)
    return Outcome(Event.NOT_STARTED, facts.but(looks=0, looking_since=None), judged.rule)


def _accepted(facts: Facts, answer: Answer) -> Facts:
    facts = facts.without(*OF_OUR_SYNC, "lost", "unanswered")
    return facts.but(triggered=True, triggered_at=answer.asked_at, asked_at=answer.at - answer.took)


def _known_started(facts: Facts, bound: float | None) -> Facts:
    """The facts once a trigger whose answer was lost is known to have been carried out."""
    facts = facts.without("doubt", "looks", "looking_since", "lost", "unanswered")
    return facts.but(started=True, triggered_at=bound)


def _asked_for(facts: Facts, answer: Answer) -> float | None:
    """Fivetran's now when the first trigger whose answer was lost was sent; None where that is not known."""
    if facts.asked_at is None or not answer.dated:
        return None
    return answer.date - (answer.at - facts.asked_at)
