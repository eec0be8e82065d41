"""Effects before the trigger, or without one: read, prepare, show or test the connection."""

import json
from collections.abc import Mapping
from typing import Literal

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import Tag, call, pure
from orchestrator.fivetran.effects.situation import (
    OF_OUR_SYNC,
    asking,
    by_condition,
    by_schedule,
    get_connection,
    left_alone,
    observed,
    patch,
    patch_schedule,
    why_stale,
)
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts, Outcome
from orchestrator.values.formatting import duration, iso
from orchestrator.values.settings import Settings


@call("GET", get_connection, Tag.READS)
def read_connection(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.READY]]:
    """Read the connection, whatever its condition."""
    document = answer.data
    return Outcome(Event.READY, observed(settings, facts, answer), by_condition(document, schedule=True))


@call("GET", get_connection, Tag.READS)
def validate_connection(
    settings: Settings, facts: Facts, answer: Answer
) -> Outcome[Literal[Event.READY, Event.BUSY, Event.PAUSED, Event.INCOMPLETE, Event.BROKEN]]:
    """Read the connection and check whether it can sync."""
    facts = observed(settings, facts, answer)
    if facts.unpaused_looks is not None:
        facts = facts.but(unpaused_looks=facts.unpaused_looks + 1)
    setup, state = documents.setup_state(answer.data), documents.sync_state(answer.data)
    rule = by_condition(answer.data)
    if setup == "incomplete":
        return Outcome(Event.INCOMPLETE, facts, rule)
    if state == "syncing":
        return Outcome(Event.BUSY, facts, rule)
    if state == "paused":
        return Outcome(Event.PAUSED, facts, rule)
    if setup == "broken":
        return Outcome(Event.BROKEN, facts, rule)
    return Outcome(Event.READY, facts, by_condition(answer.data, schedule=True))


@call("PATCH", patch_schedule, Tag.READS, Tag.CHANGES_SCHEDULE, needs=("schedule_to_switch", "yes"))
def disable_schedule(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.DISABLED]]:
    """Switch the connection to a manual schedule."""
    return Outcome(Event.DISABLED, observed(settings, facts, answer), by_schedule(answer.data))


def _patch_paused(settings: Settings, facts: Facts) -> Request:
    # Both in one: between two requests the overdue sync would start on the old schedule.
    schedule = {} if settings.keep_schedule else {"schedule_type": documents.MANUAL}
    return patch(settings, facts, "un-pause the connection", {"paused": False, **schedule})


@call("PATCH", _patch_paused, Tag.READS, Tag.CHANGES_SCHEDULE, Tag.UNPAUSES, needs=("unpause", "yes"))
def unpause_connection(settings: Settings, facts: Facts, answer: Answer) -> Outcome[Literal[Event.UNPAUSED]]:
    """Un-pause the connection."""
    rule = f"paused is {json.dumps(answer.data['paused'])}" if "paused" in answer.data else ""
    return Outcome(Event.UNPAUSED, observed(settings, facts, answer).but(unpaused_looks=0), rule)


@pure(Tag.TAKES_BASELINE)
def take_baseline(_: Settings, facts: Facts) -> Outcome[Literal[Event.IDLE, Event.BUSY]]:
    """Note when the connection last succeeded and failed: this run's sync will move one of the dates."""
    document = facts.connection or {}
    busy = documents.sync_state(document) == "syncing"
    date = facts.connection_date if facts.dated else None
    if date is not None and facts.ever_syncing and not busy:
        # Another sync has ended: its date may still be to come, and may lie in the second that
        # Fivetran's `Date` rounds away. It must not be mistaken for the end of this run's.
        date += 1
    facts = facts.without(*OF_OUR_SYNC, "started", "waited_for").but(
        baseline={
            "succeeded_at": document.get("succeeded_at"),
            "failed_at": document.get("failed_at"),
            "rescheduled_for": documents.rescheduled_for(document),
            "busy": busy,
            "broken": documents.setup_state(document) == "broken",
            "date": date,
        },
        unpaused_looks=facts.unpaused_looks if busy else None,
        syncing_seen=busy,
    )
    bound = (
        "Fivetran's answers had no Date header"
        if date is None
        else f"a sync dated {iso(date)} or later may be this run's"
    )
    rule = f"sync_state is {documents.sync_state(document) or 'not known'}, {bound}"
    return Outcome(Event.BUSY if busy else Event.IDLE, facts, rule)


@pure()
def show_connection(settings: Settings, facts: Facts) -> Outcome[Literal[Event.SHOWN]]:
    """Show the connection, and warn about what keeps it from syncing."""
    document = facts.connection or {}
    notes = list(left_alone(settings, facts))
    if documents.sync_state(document) == "paused":
        notes.append("the connection is paused: it will not sync until it is un-paused")
    if (setup := documents.setup_state(document)) in {"incomplete", "broken"}:
        notes.append(f"the connection's setup is {setup}: it cannot sync")
    return Outcome(Event.SHOWN, facts.but(warnings=facts.warned(*notes, *documents.problems(document))))


@pure(Tag.CHECKS_AGE)
def check_age(settings: Settings, facts: Facts) -> Outcome[Literal[Event.SHOWN, Event.STALE]]:
    """FIVETRAN_MAX_AGE, where it is set: is the last success recent enough, by Fivetran's own clock?"""
    if settings.max_age is None:
        return Outcome(Event.SHOWN, facts, "FIVETRAN_MAX_AGE is not set")
    if why := why_stale(settings, facts):
        return Outcome(Event.STALE, facts, why)
    return Outcome(Event.SHOWN, facts, f"its last success is at most {duration(settings.max_age)} old")


_post_test = asking("POST", "/test", "run the setup tests", body={}, patient=True)


@call("POST", _post_test, Tag.READS, Tag.RUNS_TESTS)
def run_setup_tests(
    settings: Settings, facts: Facts, answer: Answer
) -> Outcome[Literal[Event.PASSED, Event.TESTS_FAILED]]:
    """Run the connection's setup tests; FAILED and JOB_FAILED count as failures."""
    listed = answer.data.get("setup_tests")
    tests = tuple(test for test in (listed if isinstance(listed, list) else []) if isinstance(test, Mapping))
    results = {str(test.get("status")) for test in tests}
    warnings = [
        f"Fivetran reports a setup test as {result!r}, which this version does not know: "
        "it counts as neither passed nor failed"
        for result in sorted(results.difference(documents.SETUP_TEST_RESULTS))
    ]
    if not tests:
        warnings.append("Fivetran ran no setup tests: this kind of connection has none")
    rest = {name: value for name, value in answer.data.items() if name != "setup_tests"}
    facts = observed(settings, facts, answer._replace(data=rest))
    facts = facts.but(setup_tests=tests, warnings=facts.warned(*warnings, *left_alone(settings, facts)))
    failed = [test for test in tests if str(test.get("status")) in documents.SETUP_TEST_FAILURES]
    rule = ", ".join(f"{test.get('title')} is {test.get('status')}" for test in failed)
    return Outcome(Event.TESTS_FAILED if failed else Event.PASSED, facts, rule)
