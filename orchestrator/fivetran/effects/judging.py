"""Effects that decide whether the sync is over, and how it ended."""

from typing import Literal

from orchestrator.fivetran.effects.registry import Tag, call, pure
from orchestrator.fivetran.effects.situation import (
    attached,
    get_connection,
    get_sync_history,
    history_helps,
    items,
    observed,
    resync_asked,
)
from orchestrator.fivetran.progress import Progress, Recorded, decide, decide_by_history, is_quiet
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer
from orchestrator.values.facts import Facts, Outcome
from orchestrator.values.settings import Settings


@call("GET", get_connection, Tag.READS, Tag.JUDGES)
def poll_sync(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Progress]:
    """Read the connection and decide whether the sync is over."""
    # A doubt begins here: an earlier one has been settled since.
    judged = _judged(observed(settings, facts, answer).but(doubt=None), answer)
    if settings.adaptive and judged.facts.not_started_for is not None:
        return Outcome(judged.event, judged.facts.but(idle_until=answer.at), judged.rule)
    return judged


@call("GET", get_sync_history, Tag.JUDGES, needs=("history_to_ask", "yes"))
def judge_by_history(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Recorded]:
    """Ask the sync history how the sync ended, before a failure is reported."""
    if facts.doubt is not None:
        facts = facts.but(doubt={**facts.doubt, "asked": facts.doubt.get("asked", 0) + 1})
    return decide_by_history(facts, items(answer), attached=attached(settings, facts))


@call("GET", get_connection, Tag.READS, Tag.JUDGES)
def recheck_sync(
    settings: Settings, facts: Facts, answer: Answer
) -> Outcome[Literal[Progress, Event.SYNC_FAILED, Event.CANCELLED]]:
    """Read the connection again; once nothing has changed for long enough, accept what it shows."""
    judged = _judged(observed(settings, facts, answer), answer)
    if judged.event is Event.DOUBTFUL and is_quiet(judged.facts) and not history_helps(settings, judged.facts):
        believed = Event(str((judged.facts.doubt or {})["verdict"]))
        return Outcome(believed, judged.facts, judged.rule)  # type: ignore[arg-type]  # one of these
    return Outcome(judged.event, judged.facts, judged.rule)


@pure(Tag.JUDGES, needs=("failure_shown", "yes"))
def accept_failure(_: Settings, facts: Facts) -> Outcome[Literal[Event.SYNC_FAILED]]:
    """At the deadline, accept the failure that Fivetran shows."""
    rule = "the deadline passed before nothing had changed for long enough, and failed_at had moved"
    return Outcome(Event.SYNC_FAILED, facts, rule)


def _judged(facts: Facts, answer: Answer) -> Outcome[Progress]:
    """What a connection document says about this run's sync."""
    return decide(facts, answer.data, answer.at, resync=resync_asked(facts))
