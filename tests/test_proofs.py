"""The promises: each is kept by the charts, and refuses a bad one by the shortest path that breaks it."""

from functools import cache
from importlib.resources import files
from typing import NamedTuple

import pytest

from orchestrator.deeds import TRIGGERS, Deed
from orchestrator.documents import MANUAL
from orchestrator.effects import CHOICES, EFFECTS, Call, Pure
from orchestrator.events import Event
from orchestrator.exchange import Answer, Request
from orchestrator.facts import Facts
from orchestrator.loader import ACTIONS, load, parse, prove
from orchestrator.promises import PROMISES, broken
from orchestrator.promises.paths import Promise
from orchestrator.settings import Settings


class Seed(NamedTuple):
    """A chart with a mistake that the loader takes: places changed, and the shortest path that is then wrong."""

    action: str
    edits: tuple[tuple[str, str], ...]
    path: str


@cache
def source(action: str) -> str:
    """The text of an action's chart."""
    return files("statecharts").joinpath(f"{action.lower()}.toml").read_text("utf-8")


def edited(seed: Seed) -> str:
    """The chart's text with the mistake."""
    text = source(seed.action)
    for old, new in seed.edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


DOWN_TO_TRIGGER = "validating --schedule_kept--> taking_baseline --idle--> triggering"
ALL_OF_A_CALL = "\n".join(
    f'edges.{event} = "reporting"'
    for event in ("rate_limited", "unavailable", "refused", "not_found", "rejected", "timed_out")
)

SEEDS = {
    "every run ends": Seed(
        "START",
        (
            (
                'also  = ["deadline", "signals"]\nedges.waited = "polling"',
                'also  = ["signals"]\nedges.waited = "polling"\nedges.timed_out = "polling"',
            ),
        ),
        f"{DOWN_TO_TRIGGER} --triggered--> waiting --timed_out--> polling --running--> waiting",
    ),
    "the deadline ends it": Seed(
        "TEST",
        (
            (
                'also  = ["transient", "deadline", "signals"]\nedges.disabled  =',
                'also  = ["transient", "signals"]\nedges.timed_out = "testing"\nedges.disabled  =',
            ),
        ),
        "validating --ready--> disabling_schedule --timed_out--> testing",
    ),
    "a signal ends it": Seed(
        "STATUS",
        (
            (
                'also  = ["transient", "signals"]',
                'also  = ["transient"]\nedges.interrupted = "concluding"\nedges.terminated = "showing"',
            ),
        ),
        "validating --ready--> disabling_schedule --terminated--> showing",
    ),
    "every end is reported": Seed(
        "STATUS",
        (('edges.no  = "reporting"', 'edges.no  = "ending"'),),
        "validating --gave_up--> concluding --no--> considering_errors --no--> ending --gave_up--> out_of_reach",
    ),
    "exit codes are documented": Seed(
        "START",
        (("exit = 8", "exit = 9"),),
        f"{DOWN_TO_TRIGGER} --triggered--> waiting --waited--> polling"
        " --rescheduled--> considering_reschedule --fail--> concluding --no--> considering_sync"
        " --no--> considering_errors --no--> reporting --reported--> ending --rescheduled--> postponed",
    ),
    "green is earned": Seed(
        "START",
        (('edges.busy        = "unable_to_sync"', 'edges.busy        = "done"'),),
        "validating --schedule_kept--> taking_baseline --busy--> considering_running"
        " --fail--> concluding --no--> considering_sync --no--> considering_errors --no--> reporting"
        " --reported--> ending --busy--> done",
    ),
    "nothing is changed unread": Seed(
        "START",
        (('initial = "validating"', 'initial = "disabling_schedule"'),),
        "disabling_schedule",
    ),
    "failures are tried again": Seed(
        "STATUS",
        (
            (
                'also  = ["transient", "signals"]',
                'also  = ["signals"]\nedges.rate_limited = "same"\nedges.unavailable = "showing"',
            ),
        ),
        "validating --ready--> disabling_schedule --unavailable--> showing",
    ),
    "nothing is done untold": Seed(
        "START",
        (('edges.wait    = "awaiting_idle"', 'edges.wait    = "restarting"'),),
        "validating --schedule_kept--> taking_baseline --busy--> considering_running --wait--> restarting",
    ),
    "only what is paused is un-paused": Seed(
        "START",
        (('edges.broken        = "concluding"', 'edges.broken        = "considering_unpause"'),),
        "validating --broken--> considering_unpause --yes--> unpausing",
    ),
    "a kept schedule is left alone": Seed(
        "START",
        (('edges.schedule_kept = "taking_baseline"', 'edges.schedule_kept = "disabling_schedule"'),),
        "validating --schedule_kept--> disabling_schedule",
    ),
    "the schedule is restored": Seed(
        "STATUS",
        (
            (
                'edges.no  = "considering_errors"\nedges.yes = "restoring"',
                'edges.no  = "restoring"\nedges.yes = "considering_errors"',
            ),
        ),
        "validating --gave_up--> concluding --yes--> considering_errors --no--> reporting"
        " --reported--> ending --gave_up--> out_of_reach",
    ),
    "each action has its own trigger": Seed(
        "START",
        (('does  = "trigger_sync"', 'does  = "resync_table"'),),
        DOWN_TO_TRIGGER,
    ),
    "no trigger without a baseline": Seed(
        "START",
        (('edges.disabled  = "taking_baseline"', 'edges.disabled  = "triggering"'),),
        "validating --ready--> disabling_schedule --disabled--> triggering",
    ),
    "no trigger with a stale baseline": Seed(
        "FORCE_RESYNC",
        (('edges.waited = "validating"', 'edges.waited = "triggering"'),),
        "validating --schedule_kept--> taking_baseline --busy--> considering_running"
        " --wait--> awaiting_idle --waited--> triggering",
    ),
    "no trigger beside a running sync": Seed(
        "FORCE_RESYNC",
        (('edges.wait = "awaiting_idle"', 'edges.wait = "triggering"'),),
        "validating --schedule_kept--> taking_baseline --busy--> considering_running --wait--> triggering",
    ),
    "one trigger": Seed(
        "START",
        (('edges.otherwise = "waiting"', 'edges.otherwise = "triggering"'),),
        f"{DOWN_TO_TRIGGER} --triggered--> waiting --waited--> polling"
        " --rescheduled--> considering_reschedule --wait--> awaiting_reschedule"
        " --waited--> considering_schedule --otherwise--> triggering",
    ),
    "no blind repetition": Seed(
        "START",
        (('edges.answer_lost = "awaiting_sign"', 'edges.answer_lost = "same"'),),
        f"{DOWN_TO_TRIGGER} --answer_lost--> triggering",
    ),
    "a sign is looked for only after a lost answer": Seed(
        "FORCE_RESYNC",
        (('edges.triggered   = "waiting"', 'edges.triggered   = "awaiting_sign"'),),
        f"{DOWN_TO_TRIGGER} --triggered--> awaiting_sign --waited--> confirming",
    ),
    "our sync keeps its baseline": Seed(
        "START",
        (('edges.not_started = "triggering"', 'edges.not_started = "validating"'),),
        f"{DOWN_TO_TRIGGER} --answer_lost--> awaiting_sign --waited--> confirming"
        " --not_started--> validating --schedule_kept--> taking_baseline",
    ),
    "a bad hour ends nothing": Seed(
        "START",
        (('edges.running     = "waiting"', 'edges.running     = "waiting"\nedges.gave_up     = "concluding"'),),
        f"{DOWN_TO_TRIGGER} --triggered--> waiting --waited--> polling --gave_up--> concluding",
    ),
    "only the right sync is judged": Seed(
        "FORCE_RESYNC",
        (('edges.no  = "awaiting_idle"', 'edges.no  = "waiting"'),),
        f"{DOWN_TO_TRIGGER} --conflict--> considering_conflict --no--> waiting --waited--> polling",
    ),
    "the conclusion ends the work": Seed(
        "STATUS",
        (
            ('edges.no  = "reporting"', 'edges.no  = "testing"'),
            (
                "[reporting]",
                '[testing]\ndoes = "run_setup_tests"\nedges.passed = "reporting"\nedges.tests_failed = "reporting"\n'
                'edges.answer_lost = "reporting"\nedges.conflict = "reporting"\n' + ALL_OF_A_CALL + "\n[reporting]",
            ),
        ),
        "validating --gave_up--> concluding --no--> considering_errors --no--> testing",
    ),
    "evidence is optional": Seed(
        "STATUS",
        (
            ('edges.no  = "reporting"', 'edges.no  = "looking_again"'),
            (
                "[reporting]",
                '[looking_again]\ndoes = "read_connection"\nedges.ready = "reporting"\n'
                'edges.schedule_kept = "reporting"\n' + ALL_OF_A_CALL + "\n[reporting]",
            ),
        ),
        "validating --gave_up--> concluding --no--> considering_errors --no--> looking_again",
    ),
    "the verdict stands": Seed(
        "START",
        (
            (
                'edges.looked_up    = "considering_errors"\nedges.refused      = "considering_errors"',
                'edges.looked_up    = "considering_errors"\nedges.refused      = "reporting"',
            ),
        ),
        "validating --incomplete--> concluding --no--> considering_sync --yes--> looking_up_sync"
        " --refused--> reporting",
    ),
}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.name)
@pytest.mark.parametrize("action", ACTIONS)
def test_promise_is_kept(action: str, promise: Promise) -> None:
    """Each chart keeps each promise, on every path."""
    assert promise.counterexample(load(action)) is None


def test_every_promise_has_a_seed() -> None:
    """Each promise, and its sentence, is there once, and a bad chart for it."""
    assert [promise.name for promise in PROMISES] == list(SEEDS)
    assert len({promise.statement for promise in PROMISES}) == len(PROMISES)


@pytest.mark.parametrize(("name", "seed"), SEEDS.items(), ids=SEEDS)
def test_promise_is_broken_by_the_shortest_path(name: str, seed: Seed) -> None:
    """A mistake that the loader takes is refused by the promise, with the shortest path to it."""
    chart = parse(edited(seed), "seed.toml")

    assert prove(chart) == []
    assert str(broken(chart)[name]) == seed.path


def test_a_path_has_one_verdict() -> None:
    """A path ends as its verdict says, where the conclusion itself does something, too."""
    text = source("STATUS")
    concluding = '[concluding]\nconcludes = true\nchooses   = "restore_schedule"\n'
    assert concluding in text
    told = text.replace(concluding, '[settling]\nchooses = "restore_schedule"\n').replace(
        "[restoring]",
        '[concluding]\nconcludes = true\ndoes = "show_connection"\nedges.shown = "settling"\n\n[restoring]',
    )
    chart = parse(told.replace("exit = 3", "exit = 33"), "seed.toml")

    assert str(broken(chart)["exit codes are documented"]) == (
        "validating --refused--> concluding --shown--> settling --no--> considering_errors --no--> reporting"
        " --reported--> ending --refused--> access_denied"
    )


# --- What effects do is what they are declared to do ----------------------------------------------

CALLS = [effect for effect in EFFECTS.values() if isinstance(effect, Call)]
SETTINGS = Settings("FORCE_RESYNC", "speak_inexpensive", "key", "secret", schema="public", table="orders")
DOCUMENT = {"id": "speak_inexpensive", "schedule_type": "auto", "status": {"setup_state": "connected"}}


def asked_for(request: Request) -> set[Deed]:
    """What a request has Fivetran do, as its documentation has it."""
    body, operation = request.body or {}, request.path.removeprefix("/v1/connections/speak_inexpensive")
    match request.method, operation:
        case "POST", "/sync":
            return {Deed.RESTARTS_SYNC if body["force"] else Deed.STARTS_SYNC}
        case "POST", "/schemas/tables/resync":
            return {Deed.STARTS_RESYNC}
        case "POST", "/test":
            return {Deed.RUNS_TESTS}
        case "PATCH", "":
            schedule = body.get("schedule_type")
            changed = {Deed.CHANGES_SCHEDULE} if schedule == MANUAL else {Deed.RESTORES_SCHEDULE} if schedule else set()
            return changed | ({Deed.UNPAUSES} if body.get("paused") is False else set())
        case _:
            assert request.method == "GET"
            return set()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_deeds_are_those_of_the_request(call: Call) -> None:
    """What a call is declared to do is what its request asks for, and what it learns from the answer."""
    _, facts = call.mean(SETTINGS, Facts(), Answer(data=DOCUMENT))

    learned = {
        *({Deed.READS} if facts.connection else ()),
        *({Deed.LOOKS} if Event.NOT_STARTED in call.outcomes else ()),
        *({Deed.JUDGES} if Event.SUCCEEDED in call.outcomes else ()),
    }

    assert call.deeds == asked_for(call.ask(SETTINGS, Facts(schedule_before="auto"))) | learned


@pytest.mark.parametrize("name", [name for name, effect in EFFECTS.items() if isinstance(effect, Pure)])
def test_only_the_baseline_is_taken_without_asking(name: str) -> None:
    """An effect that asks nothing takes the baseline, and is declared to, or does nothing to tell."""
    effect = EFFECTS[name]
    assert isinstance(effect, Pure)
    _, facts = effect.conclude(SETTINGS, Facts(connection=DOCUMENT))

    assert effect.deeds == ({Deed.TAKES_BASELINE} if facts.baseline else set())


def test_needs_are_choices() -> None:
    """What must be asked for by a variable is declared to need the choice that says so, and some chart makes it."""
    needs = {call.name: call.needs for call in CALLS if call.needs}

    assert needs == {
        "restart_sync": ("on_running", "restart"),
        "unpause_connection": ("unpause", "yes"),
        "restore_schedule": ("restore_schedule", "yes"),
        "find_near_matches": ("names_to_compare", "yes"),
        "find_sync": ("sync_to_find", "yes"),
        "list_errors": ("errors_to_list", "yes"),
    }
    for choice, value in needs.values():
        assert choice in CHOICES
        assert value in {each for action in ACTIONS for each in load(action).values(choice)}


def test_triggers_have_one_list() -> None:
    """The verdicts' words know the same triggers as the promises."""
    assert {call.name for call in CALLS if call.deeds & TRIGGERS} == NAMED_TRIGGERS


@pytest.mark.parametrize("deed", Deed)
def test_promises_are_about_something(deed: Deed) -> None:
    """Each deed is done in some chart: no promise holds for want of what it is about."""
    operands = {state.operand for action in ACTIONS for state in load(action).states.values()}

    assert {name for name in operands & EFFECTS.keys() if deed in getattr(EFFECTS[name], "deeds", ())}
