"""The promises: each is kept by the charts, and refuses a bad one by the shortest path that breaks it."""

from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.fivetran.documents import MANUAL
from orchestrator.fivetran.effects import CHOICES, EFFECTS, TRIGGERS, Call, Pure, Tag
from orchestrator.fivetran.effects.situation import trigger_unanswered
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load, parse, structural_faults
from orchestrator.machine.promises import PROMISES, broken
from orchestrator.machine.promises.paths import Promise
from orchestrator.machine.transition import unknown
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings


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


DOWN_TO_BASELINE = "validating --busy--> taking_baseline"
DOWN_TO_TRIGGER = f"{DOWN_TO_BASELINE} --idle--> triggering"
DOWN_TO_SWITCH = "validating --ready--> considering_switch --yes--> disabling_schedule"
DOWN_TO_WAIT = f"{DOWN_TO_BASELINE} --busy--> considering_running --attach--> waiting"
DOWN_TO_POLL = f"{DOWN_TO_WAIT} --waited--> polling"
UP_TO_SYNC = "concluding --no--> considering_late_switch --no--> considering_sync"
UP_TO_REPORT = "--no--> considering_errors --no--> considering_warnings --no--> reporting --reported--> ending"
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
        f"{DOWN_TO_WAIT} --timed_out--> polling --running--> waiting",
    ),
    "the deadline ends the run": Seed(
        "TEST",
        (
            (
                'also  = ["look_again", "deadline", "signals"]\nedges.disabled  =',
                'also  = ["look_again", "signals"]\nedges.timed_out = "testing"\nedges.disabled  =',
            ),
        ),
        f"{DOWN_TO_SWITCH} --timed_out--> testing",
    ),
    "a signal ends the run": Seed(
        "STATUS",
        (
            (
                'also  = ["look_again", "signals"]',
                'also  = ["look_again"]\nedges.interrupted = "concluding"\nedges.terminated = "showing"',
            ),
        ),
        f"{DOWN_TO_SWITCH} --terminated--> showing",
    ),
    "every end is reported": Seed(
        "STATUS",
        (('edges.no  = "reporting"', 'edges.no  = "ending"'),),
        "validating --gave_up--> concluding --no--> considering_errors --no--> considering_warnings --no--> ending"
        " --gave_up--> out_of_reach",
    ),
    "exit codes are documented": Seed(
        "START",
        (("exit = 8", "exit = 9"),),
        f"{DOWN_TO_POLL} --rescheduled--> considering_reschedule --fail--> {UP_TO_SYNC} {UP_TO_REPORT}"
        " --rescheduled--> postponed",
    ),
    "green is earned": Seed(
        "START",
        (('edges.busy        = "unable_to_sync"', 'edges.busy        = "done"'),),
        f"{DOWN_TO_BASELINE} --busy--> considering_running --fail--> {UP_TO_SYNC} {UP_TO_REPORT} --busy--> done",
    ),
    "stale is never green": Seed(
        "STATUS",
        (
            ('edges.no  = "showing"', 'edges.no  = "hurrying"'),
            ("[showing]\n", '[hurrying]\ndoes = "show_connection"\nedges.shown = "concluding"\n\n[showing]\n'),
        ),
        f"validating --ready--> considering_switch --no--> hurrying --shown--> concluding {UP_TO_REPORT}"
        " --shown--> done",
    ),
    "nothing is changed before it is read": Seed(
        "START",
        (('initial = "validating"', 'initial = "disabling_schedule"'),),
        "disabling_schedule",
    ),
    "transient failures are retried": Seed(
        "STATUS",
        (
            (
                'also  = ["look_again", "signals"]',
                'also  = ["signals"]\nedges.rate_limited = "awaiting_look"\nedges.unavailable = "showing"',
            ),
        ),
        f"{DOWN_TO_SWITCH} --unavailable--> showing",
    ),
    "optional actions happen only when asked for": Seed(
        "START",
        (('edges.wait    = "awaiting_idle"', 'edges.wait    = "restarting"'),),
        f"{DOWN_TO_BASELINE} --busy--> considering_running --wait--> restarting",
    ),
    "only a paused connection is un-paused": Seed(
        "START",
        (('edges.incomplete = "concluding"', 'edges.incomplete = "considering_unpause"'),),
        "validating --incomplete--> considering_unpause --yes--> unpausing",
    ),
    "changes only right after an idle reading": Seed(
        "START",
        (('edges.busy       = "taking_baseline"', 'edges.busy       = "considering_switch"'),),
        "validating --busy--> considering_switch --yes--> disabling_schedule",
    ),
    "the schedule is restored": Seed(
        "STATUS",
        (
            (
                'edges.no  = "considering_errors"\nedges.yes = "restoring"',
                'edges.no  = "restoring"\nedges.yes = "considering_errors"',
            ),
        ),
        "validating --gave_up--> concluding --yes--> considering_errors --no--> considering_warnings --no--> reporting"
        " --reported--> ending --gave_up--> out_of_reach",
    ),
    "each action has its own trigger": Seed(
        "FORCE_RESYNC",
        (('does  = "resync_table"', 'does  = "trigger_sync"'),),
        f"{DOWN_TO_BASELINE} --idle--> considering_repeat --yes--> triggering",
    ),
    "no trigger without a baseline": Seed(
        "START",
        (('edges.disabled  = "taking_baseline"', 'edges.disabled  = "triggering"'),),
        f"{DOWN_TO_SWITCH} --disabled--> triggering",
    ),
    "no trigger with a stale baseline": Seed(
        "FORCE_RESYNC",
        (('edges.waited = "validating"', 'edges.waited = "triggering"'),),
        f"{DOWN_TO_BASELINE} --busy--> considering_running --wait--> awaiting_idle --waited--> triggering",
    ),
    "no trigger beside a running sync": Seed(
        "FORCE_RESYNC",
        (('edges.wait = "awaiting_idle"', 'edges.wait = "triggering"'),),
        f"{DOWN_TO_BASELINE} --busy--> considering_running --wait--> triggering",
    ),
    "at most one trigger": Seed(
        "START",
        (('edges.otherwise = "waiting"', 'edges.otherwise = "triggering"'),),
        f"{DOWN_TO_POLL} --rescheduled--> considering_reschedule --wait--> awaiting_reschedule"
        " --waited--> considering_schedule --otherwise--> triggering",
    ),
    "no blind retry of a trigger": Seed(
        "START",
        (('edges.answer_lost = "awaiting_sign"', 'edges.answer_lost = "same"'),),
        f"{DOWN_TO_TRIGGER} --answer_lost--> triggering",
    ),
    "signs of a sync count only after a lost answer": Seed(
        "START",
        (
            (
                'edges.triggered   = "considering_durations"\nedges.answer_lost = "awaiting_sign"',
                'edges.triggered   = "awaiting_sign"\nedges.answer_lost = "awaiting_sign"',
            ),
        ),
        f"{DOWN_TO_TRIGGER} --triggered--> awaiting_sign --waited--> confirming",
    ),
    "a sync keeps its baseline": Seed(
        "START",
        (
            (
                'edges.yes = "triggering"\nedges.no  = "awaiting_sign"',
                'edges.yes = "validating"\nedges.no  = "awaiting_sign"',
            ),
        ),
        f"{DOWN_TO_TRIGGER} --answer_lost--> awaiting_sign --waited--> confirming --not_started--> considering_repeat"
        " --yes--> validating --busy--> taking_baseline",
    ),
    "an outage does not end the wait": Seed(
        "START",
        (
            (
                'edges.running     = "waiting"\nedges.succeeded   = "concluding"\nedges.paused',
                'edges.running = "waiting"\nedges.gave_up = "concluding"\nedges.succeeded = "concluding"\nedges.paused',
            ),
        ),
        f"{DOWN_TO_POLL} --gave_up--> concluding",
    ),
    "only the right sync is judged": Seed(
        "FORCE_RESYNC",
        (('edges.conflict    = "awaiting_idle"', 'edges.conflict    = "waiting"'),),
        f"{DOWN_TO_BASELINE} --idle--> considering_repeat --yes--> triggering --conflict--> waiting"
        " --waited--> polling",
    ),
    "only the schedule changes after the verdict": Seed(
        "STATUS",
        (
            ('edges.no  = "reporting"', 'edges.no  = "testing"'),
            (
                "[reporting]",
                '[testing]\ndoes = "run_setup_tests"\nedges.passed = "reporting"\nedges.tests_failed = "reporting"\n'
                'edges.answer_lost = "reporting"\nedges.conflict = "reporting"\n' + ALL_OF_A_CALL + "\n[reporting]",
            ),
        ),
        "validating --gave_up--> concluding --no--> considering_errors --no--> considering_warnings --no--> testing",
    ),
    "evidence is optional": Seed(
        "STATUS",
        (
            ('edges.no  = "reporting"', 'edges.no  = "looking_once_more"'),
            (
                "[reporting]",
                '[looking_once_more]\ndoes = "read_connection"\nedges.ready = "reporting"\n'
                + ALL_OF_A_CALL
                + "\n[reporting]",
            ),
        ),
        "validating --gave_up--> concluding --no--> considering_errors --no--> considering_warnings"
        " --no--> looking_once_more",
    ),
    "the verdict is final": Seed(
        "START",
        (
            (
                'edges.looked_up    = "considering_errors"\nedges.refused      = "considering_errors"',
                'edges.looked_up    = "considering_errors"\nedges.refused      = "reporting"',
            ),
        ),
        f"validating --incomplete--> {UP_TO_SYNC} --yes--> looking_up_sync --refused--> reporting",
    ),
}

# More mistakes, each of another kind than the promise's first one.
MORE_SEEDS = {
    "a change is not sent again at once": (
        "changes only right after an idle reading",
        Seed(
            "START",
            (
                (
                    'does  = "unpause_connection"\ntries = 3\nalso  = ["look_again",',
                    'does  = "unpause_connection"\ntries = 3\nalso  = ["transient",',
                ),
            ),
            "validating --paused--> considering_unpause --yes--> unpausing --rate_limited--> unpausing",
        ),
    ),
    "a change is not sent after a wait": (
        "changes only right after an idle reading",
        Seed(
            "TEST",
            (('edges.waited = "validating"', 'edges.waited = "considering_switch"'),),
            f"{DOWN_TO_SWITCH} --rate_limited--> awaiting_look --waited--> considering_switch"
            " --yes--> disabling_schedule",
        ),
    ),
    "the schedule is switched where the choice says so": (
        "optional actions happen only when asked for",
        Seed(
            "STATUS",
            (
                (
                    'edges.yes = "disabling_schedule"\nedges.no  = "showing"',
                    'edges.yes = "showing"\nedges.no  = "disabling_schedule"',
                ),
            ),
            "validating --ready--> considering_switch --no--> disabling_schedule",
        ),
    ),
    "the history is asked where the choice says so": (
        "optional actions happen only when asked for",
        Seed(
            "START",
            (
                (
                    'edges.doubtful    = "considering_history"\n\n# Asked for once',
                    'edges.doubtful    = "asking_history"\n\n# Asked for once',
                ),
            ),
            f"{DOWN_TO_POLL} --doubtful--> asking_history",
        ),
    ),
    "a lost restart is no reason for a plain trigger": (
        "no blind retry of a trigger",
        Seed(
            "START",
            (('edges.yes = "restarting"', 'edges.yes = "triggering"'),),
            f"{DOWN_TO_BASELINE} --busy--> considering_running --restart--> restarting --answer_lost-->"
            " awaiting_restart --waited--> considering_lost_restart --no--> considering_restart --yes--> triggering",
        ),
    ),
    "a lost re-sync is repeated only after a baseline": (
        "no blind retry of a trigger",
        Seed(
            "FORCE_RESYNC",
            (('edges.answer_lost = "awaiting_idle"', 'edges.answer_lost = "same"'),),
            f"{DOWN_TO_BASELINE} --idle--> considering_repeat --yes--> triggering --answer_lost--> triggering",
        ),
    ),
    "the late switch is the last change": (
        "only the schedule changes after the verdict",
        Seed(
            "START",
            (
                (
                    'does  = "switch_schedule_late"',
                    'does  = "unpause_connection"',
                ),
                ("edges.disabled     =", "edges.unpaused     ="),
            ),
            "validating --incomplete--> concluding --no--> considering_late_switch --yes--> switching_late",
        ),
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

    assert structural_faults(chart) == []
    assert str(broken(chart)[name]) == seed.path


@pytest.mark.parametrize(("name", "seed"), MORE_SEEDS.values(), ids=MORE_SEEDS)
def test_promise_has_more_sides(name: str, seed: Seed) -> None:
    """A mistake of another kind breaks the same promise, with the shortest path to it."""
    chart = parse(edited(seed), "seed.toml")

    assert structural_faults(chart) == []
    assert str(broken(chart)[name]) == seed.path


def test_a_path_has_one_verdict() -> None:
    """A path ends as its verdict says, where the conclusion itself does something, too."""
    text = source("STATUS")
    concluding = '[concluding]\ngroup     = "Conclude"\nconcludes = true\nchooses   = "restore_schedule"\n'
    assert concluding in text
    told = text.replace(concluding, '[settling]\nchooses = "restore_schedule"\n').replace(
        "[restoring]",
        '[concluding]\nconcludes = true\ndoes = "show_connection"\nedges.shown = "settling"\n\n[restoring]',
    )
    chart = parse(told.replace("exit = 3", "exit = 33"), "seed.toml")

    assert str(broken(chart)["exit codes are documented"]) == (
        f"validating --refused--> concluding --shown--> settling {UP_TO_REPORT} --refused--> access_denied"
    )


# --- What effects do is what they are declared to do ----------------------------------------------

CALLS = [effect for effect in EFFECTS.values() if isinstance(effect, Call)]
SETTINGS = Settings("FORCE_RESYNC", "speak_inexpensive", "key", "secret", schema="public", table="orders")
DOCUMENT = {"id": "speak_inexpensive", "schedule_type": "auto", "status": {"setup_state": "connected"}}


def asked_for(request: Request) -> set[Tag]:
    """What a request has Fivetran do, as its documentation has it."""
    body, operation = request.body or {}, request.path.removeprefix("/v1/connections/speak_inexpensive")
    match request.method, operation:
        case "POST", "/sync":
            return {Tag.RESTARTS_SYNC if body["force"] else Tag.STARTS_SYNC}
        case "POST", "/schemas/tables/resync":
            return {Tag.STARTS_RESYNC}
        case "POST", "/test":
            return {Tag.RUNS_TESTS}
        case "PATCH", "":
            schedule = body.get("schedule_type")
            changed = {Tag.CHANGES_SCHEDULE} if schedule == MANUAL else {Tag.RESTORES_SCHEDULE} if schedule else set()
            return changed | ({Tag.UNPAUSES} if body.get("paused") is False else set())
        case _:
            assert request.method == "GET"
            return set()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_tags_are_those_of_the_request(call: Call) -> None:
    """What a call is declared to do is what its request asks for, and what it learns from the answer."""
    done = asked_for(call.ask(SETTINGS, Facts(schedule_before="auto")))
    if call.needs == ("late_switch", "yes"):  # the same request at another time
        done = {Tag.SWITCHES_LATE if tag is Tag.CHANGES_SCHEDULE else tag for tag in done}
    _, facts, _ = call.mean(SETTINGS, Facts(), Answer(data=DOCUMENT))

    learned = {
        *({Tag.READS} if facts.connection else ()),
        *({Tag.LOOKS} if Event.NOT_STARTED in call.outcomes else ()),
        *({Tag.JUDGES} if Event.SUCCEEDED in call.outcomes else ()),
    }

    assert call.tags == done | learned


@pytest.mark.parametrize("name", [name for name, effect in EFFECTS.items() if isinstance(effect, Pure)])
def test_without_asking_only_the_known_is_weighed(name: str) -> None:
    """An effect that asks nothing takes the baseline or judges, and is declared to, or does nothing."""
    effect = EFFECTS[name]
    assert isinstance(effect, Pure)
    _, facts, _ = effect.conclude(SETTINGS, Facts(connection=DOCUMENT))

    weighed = {
        *({Tag.TAKES_BASELINE} if facts.baseline else ()),
        *({Tag.JUDGES} if Event.SYNC_FAILED in effect.outcomes else ()),
        *({Tag.CHECKS_AGE} if Event.STALE in effect.outcomes else ()),
    }

    assert effect.tags == weighed


def test_needs_are_choices() -> None:
    """What must be asked for by a variable is declared to need the choice that says so, and some chart makes it."""
    needs = {call.name: call.needs for call in CALLS if call.needs}

    assert needs == {
        "disable_schedule": ("schedule_to_switch", "yes"),
        "unpause_connection": ("unpause", "yes"),
        "restart_sync": ("on_running", "restart"),
        "find_restart": ("restart_to_find", "yes"),
        "read_durations": ("durations_to_ask", "yes"),
        "judge_by_history": ("history_to_ask", "yes"),
        "restore_schedule": ("restore_schedule", "yes"),
        "switch_schedule_late": ("late_switch", "yes"),
        "find_near_matches": ("names_to_compare", "yes"),
        "find_sync": ("sync_to_find", "yes"),
        "list_connections": ("errors_to_list", "connections"),
        "list_errors": ("errors_to_list", "yes"),
        "list_warnings": ("warnings_to_list", "yes"),
    }
    for choice, value in needs.values():
        assert choice in CHOICES
        assert value in {each for action in ACTIONS for each in load(action).values(choice)}


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call.name)
def test_unanswered_triggers_are_known_by_their_effects(call: Call) -> None:
    """What had no answer is taken for a trigger where the promises take its effect for one, whatever is lost later."""
    facts = unknown(Facts(), call, call.ask(SETTINGS, Facts()), 0.0)
    facts = facts.but(unanswered="PATCH /v1/connections/speak_inexpensive")  # lost after it

    assert trigger_unanswered(facts) == bool(call.tags & TRIGGERS)


@pytest.mark.parametrize("tag", Tag)
def test_promises_are_about_something(tag: Tag) -> None:
    """Each tag is done in some chart: no promise holds for want of what it is about."""
    operands = {state.operand for action in ACTIONS for state in load(action).states.values()}

    assert {name for name in operands & EFFECTS.keys() if tag in getattr(EFFECTS[name], "tags", ())}


# --- The choices that lead to a change of the schedule ----------------------------------------------

WORDS = st.none() | st.sampled_from(("auto", "manual", "a new one")) | st.integers()
STATUS = st.fixed_dictionaries(
    {},
    optional={
        "setup_state": st.sampled_from(("connected", "incomplete", "broken")),
        "warnings": st.just([]),
        "rescheduled_for": st.none() | st.just("2026-11-26T12:00:00Z"),
    },
)
NAMES = st.sets(st.sampled_from(sorted(EFFECTS))).map(tuple)
MOMENTS = st.none() | st.floats(0, 10_000)
KNOWN = st.builds(
    Facts().but,
    connection=st.builds(
        lambda status, schedule, more: {
            **more,
            "schedule_type": schedule,
            "status": {**status, "sync_state": "syncing"},
        },
        STATUS,
        WORDS,
        st.fixed_dictionaries({}, optional={"paused": st.booleans(), "schedule": st.just({"type": "CRON"})}),
    ),
    read_at=MOMENTS,
    concluded_at=MOMENTS,
    schedule_before=st.none() | st.sampled_from(("auto", "manual")),
    schedule_after=st.none() | st.sampled_from(("auto", "manual")),
    baseline=st.none() | st.fixed_dictionaries({"busy": st.booleans(), "broken": st.booleans()}),
    triggered=st.booleans(),
    started=st.booleans(),
    restarted=st.booleans(),
    attempted=NAMES,
    answered=NAMES,
    given_up=NAMES,
    unanswered=st.none() | st.sampled_from(("POST /v1/connections/x/sync", "PATCH /v1/connections/x")),
    lost=st.sampled_from((0, 1)),
    failure=st.none() | st.just({"event": "unavailable", "request": "GET /v1/connections/x"}),
    verdict=st.none() | st.sampled_from(sorted(Event)).map(str),
)
TOLD = st.builds(
    Settings,
    action=st.sampled_from(ACTIONS),
    connector_id=st.just("speak_inexpensive"),
    api_key=st.just("key"),
    api_secret=st.just("secret"),
    keep_schedule=st.booleans(),
    restore_schedule=st.sampled_from(("", "before", "auto")),
    poll_interval=st.floats(1, 3600),
    policies=st.sampled_from(
        ((), (("on_running", "wait"),), (("on_running", "attach"),), (("on_running", "restart"),))
    ),
)


@pytest.mark.parametrize("choice", ["schedule_to_switch", "restore_schedule", "late_switch"])
@given(settings=TOLD, facts=KNOWN)
def test_schedule_is_never_changed_while_a_sync_runs(choice: str, settings: Settings, facts: Facts) -> None:
    """Whatever is known and asked for, no choice lets the schedule be changed where the last document says syncing."""
    assert CHOICES[choice].of(settings, facts) == "no"


@pytest.mark.parametrize("choice", ["schedule_to_switch", "restore_schedule", "late_switch"])
@given(settings=TOLD, facts=KNOWN, state=st.sampled_from(("scheduled", "syncing", "paused")))
def test_schedule_is_never_changed_where_the_age_is_checked(
    choice: str, settings: Settings, facts: Facts, state: str
) -> None:
    """With FIVETRAN_MAX_AGE no choice lets the schedule be changed: on a manual one the data would become stale."""
    idle = {**(facts.connection or {}), "status": {"setup_state": "connected", "sync_state": state}}

    assert CHOICES[choice].of(replace(settings, max_age=3600.0), facts.but(connection=idle)) == "no"


@pytest.mark.parametrize(
    ("choice", "settings", "facts"),
    [
        ("schedule_to_switch", SETTINGS, Facts()),
        (
            "restore_schedule",
            replace(SETTINGS, restore_schedule="auto"),
            Facts(schedule_before="manual", read_at=1.0, concluded_at=1.0),
        ),
        (
            "late_switch",
            replace(SETTINGS, action="START"),
            Facts(triggered=True, verdict="succeeded", read_at=1.0, concluded_at=1.0),
        ),
    ],
)
def test_schedule_is_changed_while_none_runs(choice: str, settings: Settings, facts: Facts) -> None:
    """Each of these choices lets the schedule be changed where the connection is idle."""
    idle = {**DOCUMENT, "schedule_type": "manual" if choice == "restore_schedule" else "auto"}

    assert CHOICES[choice].of(settings, facts.but(connection=idle)) == "yes"
