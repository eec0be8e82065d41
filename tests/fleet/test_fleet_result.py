"""The result of many connections: its exit code, its words, its order and its form."""

import itertools
import json
from typing import Any

import pytest
from forms import DOCS, FLEET_SCHEMA, SCHEMA, assert_fleet
from jsonschema import Draft202012Validator
from members import AWAY, REFUSED, ended, fleet, left_out, many, syncing

from orchestrator.fleet.result import ORDER
from orchestrator.job.result import as_text
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.values.events import Event

# A verdict of START for each exit code that one of its connections can end with.
VERDICTS = {
    143: "terminated",
    130: "interrupted",
    3: "refused",
    4: "not_found",
    1: "sync_failed",
    7: "paused",
    5: "timed_out",
    8: "too_late",
    6: "gave_up",
    0: "succeeded",
}


# --- Its form -------------------------------------------------------------------------------------


def test_schema_is_one() -> None:
    """The schema is a sound one, describes every member and requires all of them, in their order."""
    Draft202012Validator.check_schema(FLEET_SCHEMA)

    inner = FLEET_SCHEMA["properties"]["connections"]["items"]
    assert FLEET_SCHEMA["required"] == list(FLEET_SCHEMA["properties"])
    assert [name for name, part in FLEET_SCHEMA["properties"].items() if "description" not in part] == []
    assert inner["required"] == list(inner["properties"])
    assert [*inner["properties"]] == [
        *(name for name in SCHEMA["properties"] if name not in {"steps", "steps_dropped"}),
        *("details", "journal"),
    ]


@pytest.mark.parametrize("action", ACTIONS)
def test_every_end_has_a_valid_result(action: str) -> None:
    """Whatever verdicts the connections of an action end with, the result is as its schema says, and JSON."""
    members = [ended(verdict, f"one_{verdict}", action) for verdict in load(action).verdicts()]
    members.append(left_out("not_begun", action=action))

    for document in (
        fleet(members, action),
        fleet(members, action, stop="terminated"),
        fleet(members, action, group="g"),
    ):
        assert_fleet(json.loads(json.dumps(document)))


def test_one_that_was_not_started_has_the_members_of_a_result() -> None:
    """It has no verdict and no exit code, says why, and claims no sync."""
    found = left_out("late_one", "a signal ended the job before its turn")

    assert (found["verdict"], found["exit_code"], found["exit_meaning"]) == (None, None, None)
    assert (found["outcome"], found["headline"]) == ("NOT STARTED", "a signal ended the job before its turn")
    assert (found["running"], found["elapsed_seconds"], found["details"]) == ("no sync was started", 0.0, None)
    assert left_out("late_one", action="STATUS")["running"] == ""
    assert found.keys() == ended("succeeded").keys()


# --- Its exit code --------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "second"), [*itertools.combinations(VERDICTS, 2)])
def test_exit_code_is_the_first_in_the_documented_order(first: int, second: int) -> None:
    """Of two exit codes that of the whole is the one that stands first in the order, whichever connection is first."""
    one, other = ended(VERDICTS[first], "one"), ended(VERDICTS[second], "other")

    documents = [fleet([one, other]), fleet([other, one])]

    assert [document["exit_code"] for document in documents] == [first, first]
    assert [document["verdict"] for document in documents] == [VERDICTS[first]] * 2


def test_order_is_the_documented_one() -> None:
    """The order is what the schema says, and 6 comes only where all the others are green."""
    codes = [code for code in ORDER if code is not None]

    assert ", ".join(map(str, codes)) in FLEET_SCHEMA["properties"]["exit_code"]["description"]
    assert codes[-2:] == [6, 0]
    assert fleet([*many("succeeded", 3), ended("gave_up", **AWAY)])["exit_code"] == 6


def test_exit_code_of_ones_own_chart() -> None:
    """A code that only a user's own chart has comes before 6, and after all of ours that say more."""
    own = {**ended("sync_failed", "own"), "exit_code": 9, "exit_meaning": "too few rows"}

    document = fleet([ended("gave_up", "away", **AWAY), own])

    assert (document["exit_code"], document["exit_meaning"]) == (9, "too few rows")
    assert fleet([ended("too_late"), own])["exit_code"] == 8


@pytest.mark.parametrize(
    ("verdicts", "more", "expected"),
    [
        (["sync_failed"], {"fail": "never"}, 0),
        (["terminated"], {"fail": "never"}, 143),
        (["succeeded"], {"fail": "never", "stop": "interrupted"}, 130),
        (["sync_failed"], {"stop": "terminated"}, 143),
        (["gave_up"], {"fail": "fast"}, 6),
        (["succeeded"], {"fail": "fast"}, 5),
        (["gave_up"], {}, 5),
        (["succeeded"], {}, 5),
        (["succeeded"], {"fail": "never"}, 0),
    ],
)
def test_one_that_was_not_started_never_makes_green(verdicts: list[str], more: dict[str, Any], expected: int) -> None:
    """What was not begun counts as timed out, save after a signal, a failure with `fast`, or where nobody minds."""
    members = [*(ended(verdict, verdict) for verdict in verdicts), left_out("late_one")]

    document = fleet(members, **more)

    assert document["exit_code"] == expected
    assert document["outcome"] != "OK"
    assert document["verdict"]


def test_bug_is_not_spared() -> None:
    """FIVETRAN_FAIL=never makes no success of a bug of ours; what it spares, the meaning of the code says."""
    bug = {**ended("sync_failed", "bug"), "exit_code": 70, "verdict": "bug"}

    assert fleet([bug], fail="never")["exit_code"] == 70
    spared, (paused,) = fleet(many("paused", 1), fail="never"), many("paused", 1)
    assert spared["exit_meaning"] == f"FIVETRAN_FAIL is never; it would be 7: {paused['exit_meaning']}"


# --- Its words ------------------------------------------------------------------------------------

STALE, NOT_FOUND = ("stale", "not_found")
HEADLINES = [
    ("START", ["succeeded"] * 30, "all 30 connections synced"),
    ("START", ["succeeded"], "1 connection synced"),
    ("START", ["succeeded"] * 26 + ["paused"] * 4, "4 of 30 connections did not sync"),
    ("START", ["paused"], "1 of 1 connection did not sync"),
    ("FORCE_RESYNC", ["succeeded"] * 2, "the re-sync of all 2 connections succeeded"),
    ("FORCE_RESYNC", ["succeeded", "sync_failed"], "the re-sync of 1 of 2 connections did not succeed"),
    ("STATUS", ["shown"] * 3, "all 3 connections were read"),
    ("STATUS", ["shown"], "1 connection was read"),
    ("STATUS", ["shown", STALE, STALE], "the data of 2 of 3 connections is stale"),
    ("STATUS", ["shown", NOT_FOUND], "1 of 2 connections could not be read"),
    ("STATUS", [STALE, NOT_FOUND], "2 of 2 connections are stale, or could not be read"),
    ("TEST", ["passed"] * 2, "the setup tests of all 2 connections passed"),
    ("TEST", ["passed", "tests_failed"], "the setup tests of 1 of 2 connections did not pass"),
]


@pytest.mark.parametrize(("action", "verdicts", "expected"), HEADLINES)
def test_headline_reads_as_people_say_it(action: str, verdicts: list[str], expected: str) -> None:
    """Each action has its own words, for one connection and for several, green or not."""
    members = [ended(verdict, f"c{number}", action) for number, verdict in enumerate(verdicts)]

    assert fleet(members, action)["headline"] == expected


def test_headline_after_a_signal() -> None:
    """After a signal it says so first."""
    document = fleet([ended("succeeded"), ended("terminated", "other"), left_out("late")], stop="terminated")

    assert document["headline"] == "the job was terminated by the runner; 2 of 3 connections did not sync"
    assert (document["outcome"], document["verdict"]) == ("STOPPED", "terminated")


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["succeeded"], "OK"),
        (["succeeded", "timed_out", "timed_out"], "TIMED OUT"),
        (["timed_out", "sync_failed"], "FAILED"),
        (["too_late"], "RESCHEDULED"),
        (["not begun"], "TIMED OUT"),
        (["not begun", "too_late"], "RESCHEDULED"),
    ],
)
def test_outcome_is_the_common_one(verdicts: list[str], expected: str) -> None:
    """The outcome is the one that all have in common that are not green, else FAILED."""
    members = [
        left_out(f"c{number}") if verdict == "not begun" else ended(verdict, f"c{number}")
        for number, verdict in enumerate(verdicts)
    ]

    assert fleet(members)["outcome"] == expected


def test_what_needs_attention_comes_first() -> None:
    """Failures by their code's place in the order, then what a signal ended, then what was not begun, then the green.

    Among the green ones those with a note come first; equals keep the order in which they were named.
    """
    members = [
        *many("succeeded", 2),
        {**ended("succeeded", "with_note"), "notes": ["odd"]},
        left_out("late"),
        ended("terminated", "stopped"),
        ended("gave_up", "away", **AWAY),
        ended("too_late", "moved"),
        ended("sync_failed", "broke_b"),
        ended("sync_failed", "broke_a"),
        ended("not_found", "unknown"),
    ]

    document = fleet(members, stop="terminated")

    assert [one["connector_id"] for one in document["connections"]] == [
        *(
            "unknown",
            "broke_b",
            "broke_a",
            "moved",
            "away",
            "stopped",
            "late",
            "with_note",
            "succeeded_1",
            "succeeded_2",
        ),
    ]
    assert document["counts"] == {"FAILED": 4, "RESCHEDULED": 1, "STOPPED": 1, "NOT STARTED": 1, "OK": 3}
    assert list(document["counts"].values()) == [4, 1, 1, 1, 3]
    assert document["total"] == 10


# --- What goes on, and what to do -------------------------------------------------------------------


def test_syncs_that_run_on_are_named() -> None:
    """What still runs at Fivetran is counted and named, and how to wait for it; what may run, too."""
    running = [syncing(f"run_{number}") for number in range(7)]
    maybe = ended("gave_up", "perhaps", triggered=True, attempted=("trigger_sync",), **AWAY)

    document = fleet([*running, maybe, *many("succeeded", 2)])

    assert document["running"] == (
        "7 syncs are STILL RUNNING at Fivetran: run_0, run_1, run_2, run_3, run_4 and 2 more; "
        "1 more MAY BE RUNNING: perhaps"
    )
    assert document["still_running"] is True
    assert document["running_connections"] == [f"run_{number}" for number in range(7)]
    assert any("FIVETRAN_ON_RUNNING=attach" in line for line in document["advice"])


def test_one_sync_that_runs_on() -> None:
    """One is one; where it is not known whether one runs, that is what is said; else nothing."""
    perhaps = ended("gave_up", "perhaps", triggered=True, attempted=("trigger_sync",), **AWAY)
    one, unknown, none = fleet([syncing("run")]), fleet([perhaps]), fleet(many("paused", 2))

    assert (one["running"], one["still_running"]) == ("1 sync is STILL RUNNING at Fivetran: run", True)
    assert (unknown["running"], unknown["still_running"]) == ("1 MAY BE RUNNING: perhaps", None)
    assert (none["running"], none["still_running"]) == ("", False)


def test_resync_that_runs_on_is_not_asked_for_again() -> None:
    """A re-sync that runs on is waited for with START: FORCE_RESYNC would begin it anew."""
    members = [syncing("big", "FORCE_RESYNC"), ended("paused", "other", "FORCE_RESYNC")]

    document = fleet(members, "FORCE_RESYNC")

    assert document["running"] == "1 re-sync is STILL RUNNING at Fivetran: big"
    assert document["advice"][1].endswith("FIVETRAN_ACTION=START and FIVETRAN_ON_RUNNING=attach")


ADVICE: dict[str, tuple[list[Any], dict[str, Any], list[str]]] = {
    "green": ([ended("succeeded")], {}, []),
    "one of many": (
        [ended("paused", "a"), ended("succeeded", "b")],
        {},
        ["un-pause it on its page", "to run only what is not green, start the job again with CONNECTOR_ID=a"],
    ),
    "different reasons": (
        [ended("paused", "a"), ended("sync_failed", "b")],
        {},
        ["fix what is wrong with each connection", "start the job again with CONNECTOR_ID=a,b"],
    ),
    "one reason": (
        [ended("refused", name, **REFUSED) for name in "ab"],
        {},
        ["check FIVETRAN_API_KEY and FIVETRAN_API_SECRET", "in GitLab, a protected variable", "CONNECTOR_ID=a,b"],
    ),
    "resumes": (
        [ended("paused", "a"), ended("sync_failed", "b")],
        {"resumes": True},
        ["fix what is", "start the job again: it runs only the connections that are not green"],
    ),
    "too many to copy": (many("paused", 21), {}, ["fix what is", "start the job again"]),
    "stopped": (
        [ended("terminated", "a"), left_out("b")],
        {"stop": "terminated"},
        ["to run only what is not green, start the job again with CONNECTOR_ID=a,b"],
    ),
    "not begun": ([left_out("a"), left_out("b")], {}, ["CONNECTOR_ID=a,b"]),
    "own chart": (
        [{**ended("sync_failed", "a"), "advice": []}, {**ended("sync_failed", "b"), "advice": []}],
        {},
        ["fix what is", "CONNECTOR_ID=a,b"],
    ),
}


@pytest.mark.parametrize(("members", "more", "expected"), ADVICE.values(), ids=ADVICE)
def test_advice_for_the_whole(members: list[Any], more: dict[str, Any], expected: list[str]) -> None:
    """What all need is said once; else what to do is said of each, and how to run only what is not green."""
    advice = fleet(members, **more)["advice"]

    assert len(advice) == len(expected)
    assert [part for part, line in zip(expected, advice, strict=True) if part not in line] == []


def test_status_advises_no_second_run() -> None:
    """STATUS is asked again by anybody who wants to: it has only what is wrong with each."""
    advice = fleet([ended("stale", "a", "STATUS"), ended("not_found", "b", "STATUS")], "STATUS")["advice"]

    assert advice == ["fix what is wrong with each connection, as its line says"]


def test_end_before_the_beginning() -> None:
    """A clock that was set back makes no negative time."""
    assert fleet([ended("succeeded")], ended_at=5.0)["elapsed_seconds"] == 0.0


def test_no_verdict_but_of_events() -> None:
    """The verdict is an event of the charts, also where nothing was begun."""
    assert fleet([left_out("a")])["verdict"] == Event.TIMED_OUT


def test_documentation_has_every_member() -> None:
    """The table in docs/reports.md says of each member of a fleet's result what the schema says."""
    text = (DOCS / "reports.md").read_text("utf-8").partition("## Many connections")[2]
    rows = [f"| `{name}` | {part['description']} |" for name, part in FLEET_SCHEMA["properties"].items()]

    assert [row for row in rows if row not in text.splitlines()] == []


@pytest.mark.parametrize("connections", [[], [{"a": 1, "b": "x\ny"}], [{"a": None}, {"b": [1, 2]}], {"no": "list"}])
def test_each_connection_is_a_line(connections: Any) -> None:
    """As text, a result has each of its connections in a line of its own, and is the same JSON."""
    document = {
        "format": 1,
        "headline": '\n  "connections": null',
        "connections": connections,
        "z": {"connections": None},
    }

    text = as_text(document)

    assert json.loads(text) == document
    if isinstance(connections, list):
        assert [line for line in text.splitlines() if line.startswith("    {")] == [
            f"    {json.dumps(one)}{'' if one is connections[-1] else ','}" for one in connections
        ]
