"""The result of a run as one JSON document, for stdout and for FIVETRAN_REPORT_DIR."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestrator import __version__, documents
from orchestrator.chart import Chart
from orchestrator.facts import Facts
from orchestrator.settings import Settings
from orchestrator.texts import iso
from orchestrator.trail import Trail
from orchestrator.verdicts import explain

__all__ = ["JOURNAL", "RESULT", "Files", "Story", "as_text", "compose_report", "result"]

RESULT, JOURNAL = "result.json", "journal.jsonl"  # in FIVETRAN_REPORT_DIR

Files = Mapping[str, str]  # file name -> text


class Story(NamedTuple):
    """What the report is told beside the facts: the way that the run took, and where it leads.

    Attributes:
        chart: The action's chart.
        trail: The steps so far.
        started_at: When the run began, in seconds since the epoch, by this machine's clock.
        now: The same clock now.
        resumed: The run was taken up again from a state file.
    """

    chart: Chart
    trail: Trail
    started_at: float
    now: float
    resumed: bool = False


def compose_report(settings: Settings, facts: Facts, story: Story) -> Files:
    """The files of FIVETRAN_REPORT_DIR, by name."""
    return {RESULT: as_text(result(settings, facts, story))}


def result(settings: Settings, facts: Facts, story: Story) -> dict[str, Any]:
    """The result as a JSON document.

    Args:
        settings: The job's settings.
        facts: The facts at the end.
        story: The way there.
    """
    state, code = story.chart.exit_of(facts.verdict or "")
    document = facts.connection or {}
    told = explain(settings, facts)
    return {
        "action": settings.action,
        "connector_id": settings.connector_id,
        "verdict": facts.verdict,
        "state": state,
        "exit_code": code,
        "headline": told.headline,
        "reasons": list(told.reasons),
        "at_fivetran": list(told.at_fivetran),
        "still_running": told.still_running,
        "advice": list(told.advice),
        "notes": list(facts.warnings),
        "page": settings.page,
        "started_at": iso(story.started_at),
        "ended_at": iso(story.now),
        "elapsed_seconds": round(story.now - story.started_at, 3),
        "succeeded_at": document.get("succeeded_at"),
        "failed_at": document.get("failed_at"),
        "baseline": _baseline(facts),
        "setup_state": documents.setup_state(document) or None,
        "sync_state": documents.sync_state(document) or None,
        "schedule_type": documents.schedule_type(document),
        "schedule_before": facts.schedule_before,
        "rescheduled_for": documents.rescheduled_for(document),
        "reschedules": facts.reschedules,
        "problems": documents.problems(document),
        "setup_tests": list(facts.setup_tests) if facts.setup_tests is not None else None,
        "near_matches": list(facts.near_matches) if facts.near_matches is not None else None,
        "sync": facts.sync,
        "errors": list(facts.errors) if facts.errors is not None else None,
        "failure": facts.failure,
        "resumed": story.resumed,
        "steps": story.trail.entries(),
        "steps_dropped": story.trail.dropped,
        "version": __version__,
    }


def as_text(document: Mapping[str, Any]) -> str:
    """JSON text with a line end."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _baseline(facts: Facts) -> dict[str, Any] | None:
    if facts.baseline is None:
        return None
    date = facts.baseline.get("date")
    return {**facts.baseline, "date": None if date is None else iso(date)}
