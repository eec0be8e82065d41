"""Fivetran's answers with anything in any place: every function of them copes, and the verdict stands."""

import json
from collections.abc import Callable, Mapping
from itertools import cycle
from typing import Any

import pytest
from hostile import CHARTS, HOSTILE, WHOLE, YEAR_1, YEAR_9999, Path, assert_coped_with, paths
from simulated_job import Simulate

from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.replay import replay
from orchestrator.fivetran.client import interpret
from orchestrator.machine.actions import ACTIONS
from orchestrator.simulator.connection import Connection
from orchestrator.simulator.scenario import Scenario, SyncPlan
from orchestrator.values.exchange import Failure, Request
from orchestrator.values.formatting import iso

# Fivetran's now: at either end of what a `Date` can say, and in between.
DATES = (0.0, 1_704_153_600.0, 253_402_387_198.0)


def _with(path: Path, value: object) -> dict[str, Any]:
    document = json.loads(json.dumps(WHOLE))
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return dict(document)


@pytest.mark.parametrize("path", list(paths(WHOLE)), ids=str)
def test_any_value_in_any_place(path: Path) -> None:
    """Whatever stands in any member of an answer: each effect has an event, and each result can be drawn."""
    ends = {action: cycle(chart.verdicts()) for action, chart in CHARTS.items()}
    for number, value in enumerate(HOSTILE):
        action = ACTIONS[number % len(ACTIONS)]
        assert_coped_with(_with(path, value), action, DATES[number % len(DATES)], next(ends[action]))


# What of a connection decides nothing in a run of START: anything may stand there.
BESIDE = ("created_at", "connected_by", "service", "service_version", "sync_frequency", "group_id", "invented")
DECIDES: list[Path] = [
    *(("succeeded_at",), ("failed_at",), ("paused",), ("schedule_type",), ("status",)),
    *(("status", "sync_state"), ("status", "setup_state"), ("status", "rescheduled_for")),
]


def _id(value: object) -> str:
    return ascii(value)[:20]


def _answering(monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, Any]], None]) -> None:
    """Have the simulated Fivetran say something else than it does."""
    honest = Connection.document

    def document(connection: Connection) -> dict[str, Any]:
        told = json.loads(json.dumps(honest(connection)))
        change(told)
        return dict(told)

    monkeypatch.setattr(Connection, "document", document)


@pytest.mark.parametrize("value", HOSTILE, ids=_id)
def test_verdict_stands(simulate: Simulate, monkeypatch: pytest.MonkeyPatch, value: object) -> None:
    """Whatever stands where nothing is decided, a sync that succeeded is green, and all the results are written."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=25),)), over_http=True)

    def change(document: dict[str, Any]) -> None:
        document.update(dict.fromkeys((*BESIDE, "schedule"), value))
        document["status"].update(dict.fromkeys(("tasks", "warnings", "update_state", "is_historical_sync"), value))

    _answering(monkeypatch, change)

    played = job.play(FIVETRAN_STATE_FILE=str(job.folder / "state.json"), DATAOPS_DEBUG="1")

    assert played.code == 0, played.stderr
    assert "could not be written" not in played.stderr
    assert played.report is not None
    assert CHARTS["START"].states[replay(read_journal(job.folder / "report" / "journal.jsonl")).state].exit is not None


@pytest.mark.parametrize("path", DECIDES, ids=str)
@pytest.mark.parametrize(
    "value", [None, 10**400, "\ud800", YEAR_1, YEAR_9999, [{}], {"x": 1}], ids=lambda v: repr(v)[:20]
)
def test_no_answer_causes_a_bug(simulate: Simulate, monkeypatch: pytest.MonkeyPatch, path: Path, value: object) -> None:
    """Whatever stands where something is decided: the run ends in its time, with a code of its chart."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=25),)))

    def change(document: dict[str, Any]) -> None:
        inner: Any = document
        for name in path[:-1]:
            inner = inner[name]
        inner[path[-1]] = value

    _answering(monkeypatch, change)
    began = job.clock.wall()

    played = job.play(FIVETRAN_STATE_FILE=str(job.folder / "state.json"), FIVETRAN_TIMEOUT="60")

    assert played.code in CHARTS["START"].exits(), played.stderr
    assert job.clock.wall() - began <= 60 + 20
    assert CHARTS["START"].states[replay(read_journal(job.folder / "report" / "journal.jsonl")).state].exit is not None


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "1e999"}, 60.0),
        ({"Retry-After": "9" * 5000}, 60.0),
        ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 -2359"}, 60.0),
        ({"Retry-After": "Thu, 01 Jan 1900 00:00:00 GMT"}, None),
        ({"Retry-After": "Mon, 01 Jan 2024 00:00:00 +2500"}, None),
    ],
)
def test_retry_after_is_bounded(headers: Mapping[str, str], expected: float | None) -> None:
    """A Retry-After that names no wait is none, and one without end that is not Fivetran's own is a minute."""
    with pytest.raises(Failure) as failed:
        interpret(Request("GET", "/", "ask"), 429, headers, b"{}", now=lambda: 5.0)

    assert failed.value.retry_after == expected


@pytest.mark.parametrize(
    "date", ["Thu, 01 Jan 1900 00:00:00 GMT", "Mon, 01 Jan 2024 00:00:00 +2500", "1 1 1 1 1", "\x00"]
)
def test_date_that_is_none(date: str) -> None:
    """A `Date` that is none, or of before 1970, is none: this machine's clock stands in."""
    answer = interpret(
        Request("GET", "/", "ask"), 200, {"Date": date}, b'{"code": "Success", "data": {}}', now=lambda: 5.0
    )

    assert (answer.date, answer.dated) == (5.0, False)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (-1e18, "0001-01-01T00:00:00.000Z"),
        (1e18, "9999-12-31T23:59:59.000Z"),
        (float("inf"), "9999-12-31T23:59:59.000Z"),
        (float("nan"), "0001-01-01T00:00:00.000Z"),
    ],
)
def test_time_of_any_year(seconds: float, expected: str) -> None:
    """Any number of seconds can be written as a time: one beyond the calendar as its first or last moment."""
    assert iso(seconds) == expected
