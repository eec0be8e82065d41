"""Fivetran's answers with anything in any place: every function of them copes, and the verdict stands."""

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle
from typing import Any

import pytest
from simulated_job import Simulate

from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.replay import replay
from orchestrator.fivetran.client import interpret
from orchestrator.fivetran.effects import CHOICES, EFFECTS, Call, Pure
from orchestrator.fivetran.progress import decide
from orchestrator.job.masking import Mask
from orchestrator.job.report import gitlab, page
from orchestrator.job.result import result
from orchestrator.job.run_log import last_document
from orchestrator.job.stdout import render
from orchestrator.job.trace import Trace
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing
from orchestrator.simulator.connection import Connection
from orchestrator.simulator.scenario import Scenario, SyncPlan
from orchestrator.values.exchange import Answer, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import Settings

Path = tuple[str | int, ...]

YEAR_1, YEAR_9999 = "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"
HOSTILE: list[Any] = [
    *(None, True, -1, 1.5, 10**400),
    *("", "null", "\ud800", YEAR_1, YEAR_9999, "2024-01-01T00:00:00+25:00"),
    *([], [None], [[]], [{}], {}, {"x": [1]}),
]
PROBLEM = {"code": "code", "message": "message", "details": "details"}
# Everything that any effect reads, in one document: a connection, setup tests, a history, errors, schemas.
WHOLE: dict[str, Any] = {
    "id": "speak_inexpensive",
    "succeeded_at": "2024-01-01T00:00:00Z",
    "failed_at": "2024-01-02T00:00:00Z",
    "paused": False,
    "schedule_type": "auto",
    "schedule": {"schedule_type": "CRON"},
    "status": {
        "setup_state": "connected",
        "sync_state": "rescheduled",
        "rescheduled_for": "2024-01-03T00:00:00Z",
        "tasks": [PROBLEM],
        "warnings": [PROBLEM],
    },
    "setup_tests": [{"title": "title", "status": "FAILED", "message": "message", "details": {"a": 1}}],
    "items": [
        {
            "sync_id": "id",
            "start": "2024-01-01T00:00:00Z",
            "end": "2024-01-01T01:00:00Z",
            "status": "COMPLETED",
            "reason": "reason",
            "stages": [{"name": "EXTRACT", "start": "2024-01-01T00:00:00Z", "rows": 5}],
            "title": "title",
            "type": "type",
            "message": "message",
            "created_at": "2024-01-01T01:00:00Z",
        }
    ],
    "schemas": {"public": {"enabled": True, "tables": {"orders": {"enabled": False}}}},
}
# Fivetran's now: at either end of what a `Date` can say, and in between.
DATES = (0.0, 1_704_153_600.0, 253_402_387_198.0)


def _paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Every member of a document, however deep."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, content in members:
        yield from _paths(content, (*path, name))


def _with(path: Path, value: object) -> dict[str, Any]:
    document = json.loads(json.dumps(WHOLE))
    inner = document
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return dict(document)


CHARTS = {action: load(action) for action in ACTIONS}
# Every policy that any chart asks for.
POLICIES = {
    name: value for name in CHOICES if name.startswith("on_") for one in CHARTS.values() for value in one.values(name)
}
SETTINGS = {
    action: Settings(action, "speak_inexpensive", "", "", "public", "Orders", policies=tuple(POLICIES.items()))
    for action in ACTIONS
}


def last_document_from(settings: Settings, data: Mapping[str, Any], date: float) -> Facts:
    """What a run knows that has had this answer to everything it can ask."""
    facts = Facts()
    for name, effect in EFFECTS.items():
        if isinstance(effect, Call):
            effect.ask(settings, facts)
            _, facts, _ = effect.mean(settings, facts, Answer(data=data, date=date, dated=date > 0))
            facts = facts.but(answered=(*facts.answered, name), attempted=(*facts.attempted, name))
        elif isinstance(effect, Pure):
            _, facts, _ = effect.conclude(settings, facts)
        decide(facts, data, date)
    return facts


@pytest.mark.parametrize("path", list(_paths(WHOLE)), ids=str)
def test_any_value_in_any_place(path: Path) -> None:
    """Whatever stands in any member of an answer: each effect has an event, and each result can be drawn."""
    ends = {action: cycle(chart.verdicts()) for action, chart in CHARTS.items()}
    for number, value in enumerate(HOSTILE):
        action = ACTIONS[number % len(ACTIONS)]
        chart, settings = CHARTS[action], SETTINGS[action]
        facts = last_document_from(settings, _with(path, value), DATES[number % len(DATES)])
        facts = facts.but(verdict=next(ends[action]))

        chosen = [choice.of(settings, facts) for choice in CHOICES.values()]
        told = result(settings, chart, Standing("", facts, 0.0), Trace(), 1.0)
        document = Mask().value(told)
        files = [draw(document) for draw in (gitlab.junit, gitlab.dotenv)]
        drawn = [*files, gitlab.annotations(document, None), page.draw(document, [], 0, None)]
        shown = render(chart.prints, facts, told, Mask())
        learned = last_document(facts, facts.connection or {})
        read_back = Facts.from_json(json.loads(json.dumps(facts.as_json())))

        assert all(isinstance(choice, str) for choice in chosen)
        assert all(drawn)
        assert shown
        assert isinstance(learned, dict)
        assert read_back == facts


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
