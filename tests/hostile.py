"""Hostile values, a document with everything that any effect reads, and all that is done with an answer."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.fivetran.effects import CHOICES, EFFECTS, Call, Pure
from orchestrator.fivetran.progress import decide
from orchestrator.job.masking import Mask
from orchestrator.job.report import gitlab, page, summary
from orchestrator.job.result import result
from orchestrator.job.run_log import last_document
from orchestrator.job.stdout import render
from orchestrator.job.trace import Trace
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing
from orchestrator.values.exchange import Answer
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = [
    "CHARTS",
    "HOSTILE",
    "SETTINGS",
    "WHOLE",
    "YEAR_1",
    "YEAR_9999",
    "Path",
    "assert_coped_with",
    "last_document_from",
    "paths",
]

Path = tuple[str | int, ...]  # of a member in a document

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


def paths(value: object, path: Path = ()) -> Iterator[Path]:
    """Every member of a document, however deep."""
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, content in members:
        yield from paths(content, (*path, name))


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


def assert_coped_with(data: Mapping[str, Any], action: str, date: float, verdict: str) -> None:
    """Assert that each effect has an event for such answers, and that each result of such a run can be drawn.

    Args:
        data: The answer to everything.
        action: The run's action.
        date: Fivetran's now.
        verdict: How the run ended.
    """
    chart, settings = CHARTS[action], SETTINGS[action]
    facts = last_document_from(settings, data, date).but(verdict=verdict)

    chosen = [choice.of(settings, facts) for choice in CHOICES.values()]
    told = result(settings, chart, Standing("", facts, 0.0), Trace(), 1.0)
    document = Mask().value(told)
    files = [draw(document) for draw in (gitlab.junit, gitlab.dotenv)]
    drawn = [
        *(*files, gitlab.annotations(document, None), page.draw(document, [], 0, None)),
        summary.summary(document, "", [], chart),
    ]
    shown = render(chart.prints, facts, told, Mask())
    learned = last_document(facts, facts.connection or {})
    read_back = Facts.from_json(json.loads(json.dumps(facts.as_json())))

    assert all(isinstance(choice, str) for choice in chosen)
    assert all(drawn)
    assert shown
    assert isinstance(learned, dict)
    assert read_back == facts
