"""The result of a run as one JSON document, for stdout and for FIVETRAN_REPORT_DIR.

`docs/result.schema.json` describes it. Whatever else is written about a run is drawn from it.
"""

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator import __version__
from orchestrator.fivetran import documents
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart
from orchestrator.machine.standing import Standing
from orchestrator.values.exit_codes import EXIT_CODES
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import iso
from orchestrator.values.settings import CONNECTOR_ID, Settings, page_of

if TYPE_CHECKING:
    from orchestrator.fivetran.verdicts import Explanation

__all__ = [
    "CONNECTIONS",
    "DRAWINGS",
    "FORMAT",
    "JOURNAL",
    "JOURNALS",
    "PAGE",
    "RESULT",
    "SUMMARY",
    "Document",
    "as_text",
    "causes",
    "result",
    "result_outside",
    "subject",
]

FORMAT = 1  # a new one where a member goes, or means something else; new members may come at any time
RESULT, JOURNAL = "result.json", "journal.jsonl"  # in FIVETRAN_REPORT_DIR
PAGE = "index.html"
SUMMARY = "summary.md"
CONNECTIONS, JOURNALS = "connections", "journals"  # of several connections: folders there, with a file for each
DRAWINGS = (PAGE, SUMMARY, "junit.xml", "fivetran.env", "annotations.json")  # what is drawn from the result, there too
MOST_CHARTS = 8  # that are remembered
_ABOUT: dict[
    int, tuple[Chart, str, Mapping[int, str]]
] = {}  # by the id of the chart, which is kept so that it stays one

Document = dict[str, Any]


def result(settings: Settings, chart: Chart, standing: Standing, trace: Trace, now: float) -> Document:
    """The result of a run as a JSON document.

    Args:
        settings: The job's settings.
        chart: The run's chart.
        standing: Where the run stands at the end.
        trace: Its steps.
        now: When it ended, in seconds since the epoch.
    """
    facts = standing.facts
    state, code = chart.exit_of(facts.verdict or "")
    from orchestrator.fivetran.verdicts import explain  # noqa: PLC0415  # not before the first request

    told = explain(settings, facts, chart)
    document = result_outside(facts.verdict, code, told, subject(settings), standing, now, chart, trace)
    return {**document, "state": state}


def subject(settings: Settings) -> dict[str, Any]:
    """What a job is about: action, connector_id, schema, table, tables."""
    names = ("action", "connector_id", "schema", "table")
    return {**{name: getattr(settings, name) for name in names}, "tables": settings.scope}


def result_outside(
    verdict: str | None,
    code: int | None,
    told: "Explanation",
    subject: Mapping[str, Any],
    standing: Standing,
    now: float,
    chart: Chart | None,
    trace: Trace,
) -> Document:
    """The result of an end outside any chart.

    Args:
        verdict: What it is called; None where there is none.
        code: Its exit code; None where that is not known.
        told: It in words.
        subject: What the job was about, as far as its variables say: action, connector_id, schema, table, tables.
        standing: Where the run stands; where none has begun, when the job did, and what the user should know.
        now: When it ended, in seconds since the epoch.
        chart: The run's chart; None where none has begun.
        trace: Its steps so far.
    """
    digest, meanings = _about(chart) if chart else (None, {})
    facts, connector = standing.facts, subject.get("connector_id") or ""
    return {
        "format": FORMAT,
        **{name: subject.get(name) or None for name in ("action", "connector_id", "schema", "table", "tables")},
        "verdict": verdict,
        "state": None,
        "exit_code": code,
        "exit_meaning": None if code is None else {**EXIT_CODES, **meanings}[code],
        **told._asdict(),
        "notes": facts.warnings,
        "page": page_of(connector) if re.fullmatch(CONNECTOR_ID, connector) else None,
        "started_at": iso(standing.started_at),
        "ended_at": iso(now),
        "elapsed_seconds": round(max(0.0, now - standing.started_at), 3),  # a clock may be set back
        **_learned(facts),
        "resumed": standing.resumed,
        "chart": digest,
        "steps": trace.entries(),
        "steps_dropped": trace.dropped,
        "version": __version__,
    }


def _about(chart: Chart) -> tuple[str, Mapping[int, str]]:
    """A chart's digest and what its exit codes mean: of many connections it is asked for each."""
    known = _ABOUT.get(id(chart))
    if known is None:
        from orchestrator.fivetran.verdicts import exit_meanings  # noqa: PLC0415  # not before the first request

        if len(_ABOUT) == MOST_CHARTS:
            _ABOUT.clear()
        known = _ABOUT[id(chart)] = chart, chart.digest, exit_meanings(chart)
    return known[1:]


def causes(document: Mapping[str, Any]) -> list[str]:
    """Why a run ended so, less what is among what to do now: of wrong variables each line says both."""
    return [reason for reason in document["reasons"] if reason not in document["advice"]]


def as_text(document: Mapping[str, Any]) -> str:
    """JSON text with a line end. Of many connections each is one line: so a thousand take a tenth of the time."""
    many = document.get("connections")
    if not many or not isinstance(many, list):
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    text = json.dumps({**document, "connections": None}, indent=2, ensure_ascii=False) + "\n"
    lines = ",\n".join(f"    {json.dumps(one, ensure_ascii=False)}" for one in many)
    return text.replace('\n  "connections": null', f'\n  "connections": [\n{lines}\n  ]', 1)


def _learned(facts: Facts) -> Document:
    """What was learned of the connection; null where it was not."""
    document = facts.connection or {}
    paused = document.get("paused")
    return {
        "service": _text(document.get("service")),
        "paused": paused if isinstance(paused, bool) else None,
        "succeeded_at": _text(document.get("succeeded_at")),
        "failed_at": _text(document.get("failed_at")),
        "baseline": _baseline(facts),
        "setup_state": documents.setup_state(document) or None,
        "sync_state": documents.sync_state(document) or None,
        "schedule_type": documents.schedule_type(document),
        "schedule_before": facts.schedule_before,
        "rescheduled_for": documents.rescheduled_for(document),
        "reschedules": facts.reschedules,
        "problems": documents.problems(document),
        "setup_tests": facts.setup_tests,
        "near_matches": facts.near_matches,
        "near_connections": facts.near_connections,
        "sync": facts.sync,
        "errors": facts.errors,
        "table_warnings": facts.table_warnings,
        "failure": facts.failure,
    }


def _baseline(facts: Facts) -> Document | None:
    if facts.baseline is None:
        return None
    date = facts.baseline.get("date")
    dates = {name: _text(facts.baseline.get(name)) for name in ("succeeded_at", "failed_at", "rescheduled_for")}
    return {**dates, "date": None if date is None else iso(date)}


def _text(value: object) -> str | None:
    """A text of Fivetran's; what is none decides nothing, and is left out."""
    return value if isinstance(value, str) else None
