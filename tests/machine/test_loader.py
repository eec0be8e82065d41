"""The loader: each way in which a chart can be unsound is refused by file, state and key."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.job.own_chart import UnreadableChartError, load_file
from orchestrator.machine import loader
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import OTHERWISE, Chart
from orchestrator.machine.loader import ChartError, load, packaged_source, parse

JOURNALS = Path(__file__).parents[1]

GOOD = """
action  = "TEST"
title   = "a small chart"
initial = "asking"

[shared.transient]
rate_limited = "same"
unavailable  = "same"

[shared.permanent]
refused   = "judging"
not_found = "judging"
rejected  = "judging"

[shared.signals]
interrupted = "judging"
terminated  = "judging"

[asking]
does  = "trigger_sync"
tries = 3
also  = ["transient", "permanent", "signals"]
edges.triggered   = "resting"
edges.answer_lost = "resting"
edges.conflict    = "choosing"
edges.timed_out   = "judging"
edges.gave_up     = "judging"

[resting]
waits = "next_poll"
also  = ["signals"]
edges.waited    = "asking"
edges.timed_out = "judging"

[choosing]
chooses = "on_running"
edges.wait   = "resting"
edges.attach = "looking"

[looking]
does = "take_baseline"
edges.idle = "resting"
edges.busy = "judging"

[judging]
concludes = true
chooses   = "restore_schedule"
edges.no  = "telling"
edges.yes = "repairing"

[repairing]
does = "restore_schedule"
also = ["transient"]
edges.restored  = "telling"
edges.refused   = "telling"
edges.not_found = "telling"
edges.rejected  = "telling"
edges.timed_out = "telling"

[telling]
chooses = "verdict"
edges.refused     = "lost"
edges.not_found   = "lost"
edges.rejected    = "lost"
edges.busy        = "lost"
edges.timed_out   = "lost"
edges.gave_up     = "lost"
edges.interrupted = "lost"
edges.terminated  = "won"

[won]
exit = 0

[lost]
exit = 1
"""


def bad(good: str, instead: str) -> str:
    """The good chart with one place changed."""
    assert GOOD.count(good) == 1, good
    return GOOD.replace(good, instead)


def faults(text: str) -> list[str]:
    """What the loader says about a chart, a line a fault; [] if it takes it."""
    try:
        parse(text, "some.toml")
    except ChartError as error:
        return str(error).splitlines()
    return []


OWN = {
    "another green": (
        "START",
        (
            ('green    = "succeeded"', 'green = "timed_out"'),
            ('edges.timed_out   = "out_of_time"', 'edges.timed_out = "done"'),
        ),
        "some.toml: green: a chart for START has succeeded, not timed_out: leave it out",
    ),
    "green that leads elsewhere": (
        "START",
        (('edges.succeeded   = "done"', 'edges.succeeded = "failed"'),),
        "some.toml: green: 'succeeded' leads to exit code 1, not to 0",
    ),
    "a trigger less": (
        "START",
        (('triggers = ["trigger_sync", "restart_sync"]', 'triggers = ["trigger_sync"]'),),
        "some.toml: triggers: a chart for START has trigger_sync, restart_sync, not trigger_sync: leave it out",
    ),
    "a trigger more": (
        "FORCE_RESYNC",
        (('triggers = ["resync_table"]', 'triggers = ["resync_table", "trigger_sync"]'),),
        "some.toml: triggers: a chart for FORCE_RESYNC has resync_table, not resync_table, trigger_sync: leave it out",
    ),
    "no needs": (
        "FORCE_RESYNC",
        (('needs    = ["TABLES"]', "needs = []"),),
        "some.toml: needs: a chart for FORCE_RESYNC has TABLES, not none: leave it out",
    ),
}


def test_good_chart_is_taken() -> None:
    """A sound chart comes out as it was written."""
    chart = parse(GOOD, "some.toml", "TEST")

    assert isinstance(chart, Chart)
    assert (chart.action, chart.title, chart.initial) == ("TEST", "a small chart", "asking")
    assert list(chart.exits().values()) == ["won", "lost"]


def test_edges_keep_their_order() -> None:
    """A state's own edges come first, in the order of the file, and "same" is the state itself."""
    state = parse(GOOD, "some.toml").states["asking"]

    assert list(state.edges) == [
        *("triggered", "answer_lost", "conflict", "timed_out", "gave_up"),
        *("rate_limited", "unavailable", "refused", "not_found", "rejected", "interrupted", "terminated"),
    ]
    assert state.edges["unavailable"] == "asking"
    assert (state.groups["unavailable"], state.groups.get("triggered")) == ("transient", None)
    assert state.tries == 3


def test_title_may_be_left_out() -> None:
    """A chart without a title is called by its action."""
    assert parse(bad('title   = "a small chart"', ""), "some.toml").title == "TEST"


def test_paragraph_and_source_are_kept() -> None:
    """A chart carries its paragraph and the very text that it was read from."""
    text = bad('title   = "a small chart"', 'about = """\nSeveral\nlines.\n"""')

    chart = parse(text, "some.toml")

    assert (chart.about, chart.source) == ("Several\nlines.", text)


def test_digest_is_of_what_the_chart_says() -> None:
    """The digest changes with an edge and not with a comment."""
    digest = parse(GOOD, "some.toml").digest

    assert parse(bad("[won]", "# a comment\n[won]"), "some.toml").digest == digest
    assert parse(bad("tries = 3", "tries = 4"), "some.toml").digest != digest


def test_what_is_left_out_is_the_actions_own() -> None:
    """A chart takes over from its action's own chart what that is about; what it says itself may only say the same."""
    said = 'prints = "connection"\ngreen = "passed"\ntriggers = []\nneeds = []\n'

    silent, telling = (
        parse(GOOD, "some.toml"),
        parse(bad('initial = "asking"', f'initial = "asking"\n{said}'), "some.toml"),
    )

    own = load("TEST")
    assert (silent.prints, silent.green, silent.triggers, silent.needs) == (own.prints, own.green, (), ())
    assert (telling.prints, telling.green, telling.digest) == ("connection", "passed", silent.digest)


@pytest.mark.parametrize(("action", "edits", "fault"), OWN.values(), ids=OWN)
def test_own_chart_is_about_the_same(action: str, edits: tuple[tuple[str, str], ...], fault: str) -> None:
    """A copy of an action's chart that is about something else is refused by the key."""
    text = packaged_source(action)
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)

    assert fault in faults(text)


def test_chart_that_comes_with_the_program_says_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """What no other chart can say for it, an action's own chart must say."""
    text = packaged_source("STATUS").replace('green   = "shown"\n', "").replace('prints  = "connection"\n', "")
    monkeypatch.setattr(loader, "packaged_source", lambda _: text)

    assert faults(text) == ["some.toml: prints: missing", "some.toml: green: missing"]


def test_digest_of_before() -> None:
    """What charts say of their actions is not in the digest: journals and state files of before are of these charts."""
    headers = [json.loads(file.read_text("utf-8").partition("\n")[0]) for file in JOURNALS.glob("journals/*.jsonl")]
    before = {header["action"]: header["chart"] for header in headers if header["chart"]["packaged"]}

    assert before.keys() == set(ACTIONS)
    for action, chart in before.items():
        parsed = parse(chart["source"], "recorded.toml", action)
        assert parsed.digest == chart["digest"] == load(action).digest
        assert (parsed.green, parsed.triggers, parsed.needs) == (
            load(action).green,
            load(action).triggers,
            load(action).needs,
        )


def test_chart_of_a_file(tmp_path: Path) -> None:
    """A chart of a user's own is read from a file; one that is not there, or not text, is refused by name."""
    good, binary = tmp_path / "good.toml", tmp_path / "binary.toml"
    good.write_text(GOOD)
    binary.write_bytes(b"\xff")

    assert load_file(str(good), "TEST").title == "a small chart"
    for path in (binary, tmp_path / "missing.toml"):
        with pytest.raises(ChartError, match=f"{path.name}: cannot be read"):
            load_file(str(path))
    with pytest.raises(ChartError, match=r"good\.toml: action: this is a chart for TEST, not for START"):
        load_file(str(good), "START")


REFUSED = {
    "TOML": ("initial =", "initial", "Expected '=' after a key in a key/value pair"),
    "duplicate key": ('edges.yes = "repairing"', 'edges.no = "repairing"', "Cannot overwrite a value"),
    "duplicate state": ("[won]\n", "[lost]\n", "Cannot declare ('lost',) twice"),
    # Names that nothing has
    "action": ('action  = "TEST"', 'action = "test"', "action: 'test' is not one of FORCE_RESYNC, START, STATUS, TEST"),
    "no action": (
        'action  = "TEST"',
        "",
        "action: missing; set it to one of FORCE_RESYNC, START, STATUS, TEST",
    ),
    "paragraph": ('action  = "TEST"', 'action  = "TEST"\nabout = 1', "about: 1 is not a string"),
    "top-level key": ('title   = "a small chart"', "version = 1", "unknown key 'version'"),
    "what it prints": (
        'initial = "asking"',
        'initial = "asking"\nprints = "all"',
        "prints: 'all' is not one of connection,",
    ),
    "no event for green": ('initial = "asking"', 'initial = "asking"\ngreen = "well"', "green: 'well' is not an event"),
    "green of another kind": (
        'initial = "asking"',
        'initial = "asking"\ngreen = ["passed"]',
        "green: ['passed'] is not an",
    ),
    "no list of triggers": (
        'initial = "asking"',
        'initial = "asking"\ntriggers = "trigger_sync"',
        "triggers: 'trigger_sync' is not a list",
    ),
    "no trigger": (
        'initial = "asking"',
        'initial = "asking"\ntriggers = ["run_setup_tests"]',
        "triggers: 'run_setup_tests' is not one of restart_sync, resync_table, trigger_sync",
    ),
    "no variable that is needed": (
        'initial = "asking"',
        'initial = "asking"\nneeds = ["TABLE"]',
        "needs: 'TABLE' is not one of TABLES",
    ),
    "another green": (
        'initial = "asking"',
        'initial = "asking"\ngreen = "timed_out"',
        "green: a chart for TEST has passed, not timed_out: leave it out",
    ),
    "other triggers": (
        'initial = "asking"',
        'initial = "asking"\ntriggers = ["trigger_sync"]',
        "triggers: a chart for TEST has none, not trigger_sync: leave it out",
    ),
    "other needs": (
        'initial = "asking"',
        'initial = "asking"\nneeds = ["TABLES"]',
        "needs: a chart for TEST has none, not TABLES: leave it out",
    ),
    "a re-sync of nothing named": (
        'does  = "trigger_sync"',
        'does  = "resync_table"',
        "needs: TABLES is missing, and asking requires it",
    ),
    "state's key": ("tries = 3", "tires = 3", "asking: unknown key 'tires' (did you mean tries?)"),
    "effect": (
        'does = "take_baseline"',
        'does = "take_base"',
        "looking: does: unknown effect 'take_base' (did you mean take_baseline?)",
    ),
    "pause": ('waits = "next_poll"', 'waits = "a_while"', "resting: waits: unknown pause 'a_while'"),
    "choice": ('chooses = "on_running"', 'chooses = "a"', "choosing: chooses: unknown choice 'a'"),
    "event": ("edges.idle = ", "edges.ideal = ", "looking: edges.ideal: unknown event 'ideal' (did you mean idle?)"),
    "group's event": (
        "rate_limited = ",
        "rate_limit = ",
        "shared.transient: unknown event 'rate_limit' (did you mean rate_limited?)",
    ),
    "target misspelt": (
        'edges.wait   = "resting"',
        'edges.wait   = "restin"',
        "choosing: edges.wait: unknown target 'restin' (did you mean resting?)",
    ),
    "target": ('edges.wait   = "resting"', 'edges.wait   = "x"', "choosing: edges.wait: unknown target 'x'"),
    "group's target": ('unavailable  = "same"', 'unavailable  = "x"', "asking: edges.unavailable: unknown target 'x'"),
    "group": ('also = ["transient"]', 'also = ["transitory"]', "repairing: also: unknown group 'transitory'"),
    # Form
    "two kinds": (
        'waits = "next_poll"',
        'waits = "next_poll"\ndoes = "poll_sync"',
        "resting: needs exactly one of does, waits, chooses, exit; it has does, waits",
    ),
    "call and exit": ("exit = 1", 'exit = 1\ndoes = "poll_sync"', "lost: needs exactly one of"),
    "no kind": ("exit = 1", "", "lost: needs exactly one of does, waits, chooses, exit; it has none"),
    "group and itself": (
        'edges.waited    = "asking"',
        'edges.waited = "asking"\nedges.interrupted = "judging"',
        "resting: edges.interrupted is defined twice: in the group 'signals' and elsewhere",
    ),
    "two groups": (
        'also  = ["signals"]',
        'also  = ["signals", "signals"]',
        "resting: edges.interrupted is defined twice: in the group 'signals' and elsewhere",
    ),
    "no initial": ('initial = "asking"', "", "initial: missing; set it to the first state"),
    "initial nowhere": ('initial = "asking"', 'initial = "a"', "initial: 'a' is not a state of this chart"),
    "state named like an event": (
        "[lost]",
        "[paused]\nexit = 2\n[lost]",
        "paused: a state cannot have the name of an event",
    ),
    "state named like a value": (
        "[lost]",
        "[attach]\nexit = 2\n[lost]",
        "attach: a state cannot have the name of an event",
    ),
    "state named same": (
        "[lost]",
        "[same]\nexit = 2\n[lost]",
        "same: a state cannot have the name of an event, of a choice's value, or",
    ),
    "exit code too high": ("exit = 1", "exit = 256", "lost: exit: 256 is not an exit code (0 to 255)"),
    "exit code below 0": ("exit = 1", "exit = -1", "lost: exit: -1 is not an exit code (0 to 255)"),
    "final with edges": (
        "exit = 1",
        'exit = 1\nedges.waited = "won"',
        "lost: a final state has neither edges nor tries",
    ),
    "final with tries": ("exit = 1", "exit = 1\ntries = 2", "lost: a final state has neither edges nor tries"),
    "no tries": ("tries = 3", "tries = 0", "asking: tries: 0 is not a number of attempts (1 or more)"),
    # Types
    "initial a list": (
        'initial = "asking"',
        'initial = ["asking"]',
        "initial: ['asking'] is not a state of this chart",
    ),
    "title a number": ('"a small chart"', "3", "title: 3 is not a string"),
    "group no table": ("[shared.transient]", "[shared]\nodd = 1\n[shared.transient]", "shared.odd: 1 is not a table"),
    "group's target a number": (
        'rate_limited = "same"',
        "rate_limited = 1",
        "shared.transient.rate_limited: 1 is not a state's name",
    ),
    "also a text": (
        'also = ["transient"]',
        'also = "transient"',
        "repairing: also: 'transient' is not a list of groups",
    ),
    "also of lists": ('also = ["transient"]', 'also = [["transient"]]', "repairing: also: unknown group ['transient']"),
    "edges a number": (
        'edges.idle = "resting"\nedges.busy = "judging"',
        "edges = 3",
        "looking: edges: 3 is not a table",
    ),
    "target a number": ('edges.idle = "resting"', "edges.idle = 3", "looking: edges.idle: 3 is not a state's name"),
    "target a list": ('edges.idle = "resting"', "edges.idle = []", "looking: edges.idle: [] is not a state's name"),
    "target a table": (
        'edges.idle = "resting"',
        "edges.idle = {a = 1}",
        "looking: edges.idle: {'a': 1} is not a state's",
    ),
    "effect a number": ('does = "take_baseline"', "does = 3", "looking: does: unknown effect '3'"),
    "effect a list": ('does = "take_baseline"', "does = []", "looking: does: unknown effect '[]'"),
    "tries a text": ("tries = 3", 'tries = "3"', "asking: tries: '3' is not a number of attempts (1 or more)"),
    "tries a flag": ("tries = 3", "tries = true", "asking: tries: True is not a number of attempts (1 or more)"),
    "exit a flag": ("exit = 1", "exit = true", "lost: exit: True is not an exit code (0 to 255)"),
    "exit a text": ("exit = 1", 'exit = "1"', "lost: exit: '1' is not an exit code (0 to 255)"),
    "concludes a text": (
        "concludes = true",
        'concludes = "yes"',
        "judging: concludes: 'yes' is not true or false",
    ),
    "group of a state a number": (
        'does = "take_baseline"',
        'does = "take_baseline"\ngroup = 3',
        "looking: group: 3 is not a string",
    ),
    # The graph
    "unreachable": ("[lost]", '[alone]\ndoes = "take_baseline"\n[lost]', "alone: cannot be reached from asking"),
    "dead end": (
        "[choosing]",
        '[stuck]\nwaits = "next_poll"\nalso = []\nedges.waited = "stuck"\n[choosing]',
        "stuck: no path leads from here to a final state",
    ),
    "no conclusion": ("concludes = true", "", "exactly one state must have `concludes = true`; found: none"),
    "two conclusions": (
        'chooses = "verdict"',
        'chooses = "verdict"\nconcludes = true',
        "exactly one state must have `concludes = true`; found: judging, telling",
    ),
    "initial choice": (
        'initial = "asking"',
        'initial = "choosing"',
        "initial: 'choosing' cannot choose or conclude: nothing has happened yet",
    ),
    "initial conclusion": (
        'initial = "asking"',
        'initial = "judging"',
        "initial: 'judging' cannot choose or conclude: nothing has happened yet",
    ),
    "past the conclusion": (
        'edges.busy = "judging"',
        'edges.busy = "telling"',
        "looking: edges.busy: skips the conclusion",
    ),
    "results before the conclusion": (
        'does = "take_baseline"\nedges.idle = "resting"\nedges.busy = "judging"',
        'does = "write_report"\nedges.reported = "resting"\nedges.unwritable = "judging"',
        "looking: does 'write_report': there is no verdict to report before the conclusion",
    ),
    "results at the conclusion": (
        'concludes = true\nchooses   = "restore_schedule"\nedges.no  = "telling"\nedges.yes = "repairing"',
        'concludes = true\ndoes = "write_report"\nedges.reported = "telling"\nedges.unwritable = "repairing"',
        "judging: does 'write_report': there is no verdict to report before the conclusion",
    ),
    "back to the conclusion": (
        'edges.restored  = "telling"',
        'edges.restored  = "judging"',
        "repairing: edges.restored: leads back to the conclusion",
    ),
    "end without a verdict": (
        'edges.restored  = "telling"',
        'edges.restored  = "won"',
        "repairing: edges.restored: only the choice of the verdict leads to final states, and nowhere else",
    ),
    "verdict without an end": (
        'edges.busy        = "lost"',
        'edges.busy        = "repairing"',
        "telling: edges.busy: only the choice of the verdict leads to final states, and nowhere else",
    ),
    "no choice of the verdict": (
        'chooses = "verdict"',
        'chooses = "schedule_type"',
        'exactly one state must have `chooses = "verdict"`; found: none',
    ),
    "two choices of the verdict": (
        'chooses = "on_running"',
        'chooses = "verdict"',
        'exactly one state must have `chooses = "verdict"`; found: choosing, telling',
    ),
    "loop without a wait": (
        'edges.idle = "resting"',
        'edges.idle = "choosing"',
        "choosing, looking: a loop without a wait",
    ),
    # Outcomes and edges, in both directions
    "outcome without an edge": (
        'edges.idle = "resting"\n',
        "",
        "looking: no edge for 'idle', a possible outcome of does 'take_baseline'",
    ),
    "call's outcome without an edge": (
        'edges.restored  = "telling"\n',
        "",
        "repairing: no edge for 'restored', a possible outcome of does 'restore_schedule'",
    ),
    "edge without an outcome": (
        'edges.idle = "resting"',
        'edges.idle = "resting"\nedges.shown = "resting"',
        "looking: edges.shown: does 'take_baseline' never has this outcome",
    ),
    "no transient": (
        'also = ["transient"]',
        "also = []",
        "repairing: no edge for 'rate_limited', a possible outcome of does 'restore_schedule'",
    ),
    "no permanent": (
        'edges.refused   = "telling"\n',
        "",
        "repairing: no edge for 'refused', a possible outcome of does 'restore_schedule'",
    ),
    "POST without answer_lost": (
        'edges.answer_lost = "resting"\n',
        "",
        "asking: no edge for 'answer_lost', a possible outcome of does 'trigger_sync'",
    ),
    "POST without conflict": (
        'edges.conflict    = "choosing"\n',
        "",
        "asking: no edge for 'conflict', a possible outcome of does 'trigger_sync'",
    ),
    "PATCH with conflict": (
        'edges.restored  = "telling"',
        'edges.restored  = "telling"\nedges.conflict = "telling"',
        "repairing: edges.conflict: does 'restore_schedule' never has this outcome",
    ),
    "call without timed_out": (
        'edges.timed_out   = "judging"\n',
        "",
        "asking: no edge for 'timed_out', a possible outcome of does 'trigger_sync'",
    ),
    "call without signals": (
        '["transient", "permanent", "signals"]',
        '["transient", "permanent"]',
        "asking: no edge for 'interrupted', a possible outcome of does 'trigger_sync'",
    ),
    "wait without signals": (
        'also  = ["signals"]',
        "",
        "resting: no edge for 'terminated', a possible outcome of waits 'next_poll'",
    ),
    "pure effect with signals": (
        'does = "take_baseline"',
        'does = "take_baseline"\nalso = ["signals"]',
        "looking: edges.interrupted: does 'take_baseline' never has this outcome",
    ),
    "signals behind the conclusion": (
        'also = ["transient"]',
        'also = ["transient", "signals"]',
        "repairing: edges.interrupted: from the conclusion on, signals only shorten the grace period",
    ),
    "signals at the conclusion": (
        'edges.no  = "telling"',
        'edges.no  = "telling"\nedges.interrupted = "telling"',
        "judging: edges.interrupted: from the conclusion on, signals only shorten the grace period",
    ),
    "wait without waited": (
        'edges.waited    = "asking"\n',
        "",
        "resting: no edge for 'waited', a possible outcome of waits 'next_poll'",
    ),
    "wait without an end": (
        'edges.waited    = "asking"\nedges.timed_out = "judging"',
        'edges.waited = "asking"',
        "resting: a wait needs exactly one of timed_out and too_late",
    ),
    "wait with two ends": (
        'edges.waited    = "asking"',
        'edges.waited    = "asking"\nedges.too_late = "judging"',
        "resting: a wait needs exactly one of timed_out and too_late",
    ),
    "wait with an outcome": (
        'edges.waited    = "asking"',
        'edges.waited    = "asking"\nedges.gave_up = "judging"',
        "resting: edges.gave_up: waits 'next_poll' never has this outcome",
    ),
    "choice without a value": (
        'edges.yes = "repairing"\n',
        "",
        "judging: no edge for 'yes', a possible outcome of chooses 'restore_schedule'",
    ),
    "choice of no value": (
        'edges.yes = "repairing"',
        'edges.yes = "repairing"\nedges.maybe = "telling"',
        "judging: edges.maybe: chooses 'restore_schedule' never has this outcome",
    ),
    "schedule without otherwise": (
        'chooses = "on_running"',
        'chooses = "schedule_type"',
        f"choosing: no edge for '{OTHERWISE}', a possible outcome of chooses 'schedule_type'",
    ),
    "verdict without an edge": (
        'edges.busy        = "lost"\n',
        "",
        "telling: no edge for 'busy', a possible outcome of chooses 'verdict'",
    ),
    "edge without a verdict": (
        'edges.busy        = "lost"',
        'edges.busy        = "lost"\nedges.shown = "lost"',
        "telling: edges.shown: chooses 'verdict' never has this outcome",
    ),
    # Going round
    "self-edge of an outcome": (
        'edges.triggered   = "resting"',
        'edges.triggered   = "same"',
        "asking: edges.triggered: only a transient failure may lead back to its own state",
    ),
    "self-edge of a wait": (
        'edges.waited    = "asking"',
        'edges.waited    = "same"',
        "resting: edges.waited: only a transient failure may lead back to its own state",
    ),
    "self-edge of a choice": (
        'edges.wait   = "resting"',
        'edges.wait   = "same"',
        "choosing: edges.wait: only a transient failure may lead back to its own state",
    ),
    "self-edge of a choice's value that is also a failure's name": (
        'edges.wait   = "resting"',
        'edges.conflict = "same"',
        "choosing: edges.conflict: only a transient failure may lead back to its own state",
    ),
    "tries without gave_up": (
        'edges.gave_up     = "judging"\n',
        "",
        "asking: tries: has no effect without an edge for gave_up",
    ),
}


@pytest.mark.parametrize(("good", "instead", "expected"), REFUSED.values(), ids=REFUSED)
def test_unsound_chart_is_refused(good: str, instead: str, expected: str) -> None:
    """A chart with one fault is refused, and the message names file, state and key."""
    found = faults(bad(good, instead))

    assert any(fault.startswith(f"some.toml: {expected}") for fault in found), found


def test_policy_has_the_same_values_everywhere() -> None:
    """Where two states choose by one policy, each has an edge for every value that is accepted for it."""
    second = '[again]\nchooses = "on_running"\nedges.wait = "resting"\n\n[looking]'
    text = bad('edges.idle = "resting"', 'edges.idle = "again"').replace("[looking]", second)

    found = faults(text)

    assert found == ["some.toml: again: no edge for 'attach', a possible outcome of chooses 'on_running'"]
    whole = parse(
        text.replace('edges.wait = "resting"', 'edges.attach = "resting"\nedges.wait = "resting"'), "some.toml"
    )
    assert whole.values("on_running") == ("wait", "attach")


def test_shared_must_be_a_table() -> None:
    """Groups that are no tables are refused like everything else, by name."""
    found = faults('action = "TEST"\nshared = 1\ninitial = "won"\n[won]\nexit = 0')

    assert found == ["some.toml: shared: 1 is not a table"]


def test_gave_up_may_be_left_out() -> None:
    """A state without `gave_up` never gives up, and needs not say so."""
    text = bad("tries = 3\n", "").replace('edges.gave_up     = "judging"\n', "")

    found = faults(text.replace('edges.gave_up     = "lost"\n', ""))

    assert found == []


def test_all_faults_are_reported_at_once() -> None:
    """A chart with several faults is refused once, a line a fault."""
    found = faults(bad("edges.idle = ", "edges.ideal = ").replace('edges.yes = "repairing"\n', ""))

    assert {fault.split(":")[1].strip() for fault in found} >= {"looking", "judging"}


def test_loop_names_only_the_states_in_it() -> None:
    """The states before and after a loop are not blamed for it."""
    found = faults(bad('edges.idle = "resting"', 'edges.idle = "choosing"'))

    assert found == ["some.toml: choosing, looking: a loop without a wait"]


def test_choice_takes_no_time() -> None:
    """A choice before the conclusion needs no signals, even one that is called like a call."""
    text = bad(
        'chooses = "on_running"\nedges.wait   = "resting"\nedges.attach = "looking"',
        'chooses = "restore_schedule"\nedges.no = "resting"\nedges.yes = "looking"',
    )

    assert faults(text) == []


# --- Reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.replace(b"\n", b"\r\n")])
def test_what_editors_add_is_no_fault(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """A byte order mark and other line ends make no other chart."""
    file = tmp_path / "mine.toml"
    file.write_bytes(change(packaged_source("TEST").encode()))

    assert load_file(str(file)) == load("TEST")


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (GOOD.encode("utf-16"), "cannot be read: UTF-16 text: save it as UTF-8"),
        (b"\x7fELF\x00\xff", "cannot be read: not UTF-8 text"),
        (b"a = " + b"[" * 100_000, "it is nested deeper than 100 levels"),
        (".".join("a" * 5000).encode() + b" = 1", "it is nested deeper than 100 levels"),
        (b"tries = " + b"9" * 5000, "it has a number of thousands of digits"),
        (b"", "action: missing"),
    ],
)
def test_file_that_is_no_chart_is_refused_in_words(tmp_path: Path, content: bytes, why: str) -> None:
    """Whatever else the file is, a chart's error names it and says what it is."""
    file = tmp_path / "mine.toml"
    file.write_bytes(content)

    with pytest.raises(ChartError) as refused:
        load_file(str(file))

    assert str(refused.value).startswith(f"{file}: {why}")


@pytest.mark.parametrize(("path", "kind"), [("/dev/null", "a device"), ("/dev/zero", "a device"), ("/", "a directory")])
def test_what_is_no_file_is_no_chart(path: str, kind: str) -> None:
    """A device or a directory is refused, and neither hangs the job."""
    with pytest.raises(UnreadableChartError) as refused:
        load_file(path)

    assert str(refused.value) == f"{path}: cannot be read: it is {kind}, not a regular file"


@pytest.mark.parametrize("where", ["PYTHONPATH", "working directory"])
def test_no_other_folder_takes_the_place_of_the_charts(tmp_path: Path, where: str) -> None:
    """A folder `statecharts` on PYTHONPATH or in the working directory changes nothing, be it a package or not."""
    for place, package in ((tmp_path / "package", True), (tmp_path / "folder", False)):
        folder = place / "statecharts"
        folder.mkdir(parents=True)
        (folder / "start.toml").write_text("not the chart")
        if package:
            (folder / "__init__.py").write_text("raise SystemExit('taken')")
        code = "from orchestrator.machine.loader import load; print(load('START').digest)"
        path = {"PYTHONPATH": str(place)} if where == "PYTHONPATH" else {}

        shown = subprocess.run(
            [sys.executable, "-c", code],
            cwd=place,
            env={**os.environ, **path},
            capture_output=True,
            text=True,
            check=True,
        )

        assert shown.stdout.strip() == load("START").digest


# --- Groups of states -----------------------------------------------------------------------------


def test_group_is_carried_and_is_not_part_of_what_runs() -> None:
    """A state may say which group it is a part of: it is still the same chart, so that old journals are replayed."""
    text = GOOD.replace("[looking]\n", '[looking]\ngroup = """\nIs it  idle?"""\n')

    with_group, without = parse(text, "some.toml"), parse(GOOD, "some.toml")

    assert (with_group.states["looking"].group, with_group.states["asking"].group) == ("Is it idle?", "")
    assert with_group.digest == without.digest


@pytest.mark.parametrize("action", ACTIONS)
def test_headings_of_a_file_are_its_groups(action: str) -> None:
    """In the charts that come with the program each heading says the group of the states below it; ends have none."""
    heading, found = "", {}

    for line in packaged_source(action).splitlines():
        if line.startswith("# --- "):
            heading = line.removeprefix("# --- ").rstrip("- ")
        elif line.startswith("[") and not line.startswith("[shared."):
            found[line.strip("[]")] = heading.removesuffix(": from here on a signal only shortens the grace")

    assert {state.name: state.group or found[state.name] for state in load(action).states.values()} == found
    assert [state.name for state in load(action).states.values() if not state.group] == [*load(action).exits().values()]
