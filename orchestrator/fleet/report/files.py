"""What programs, notes and tickets get of many connections: all that lies beside the page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.fleet.result import NOT_STARTED, OK
from orchestrator.fleet.verdict_block import MOST_ROWS, Row, attention, counted, groups
from orchestrator.job.report.gitlab import annotations as link_lines
from orchestrator.job.report.gitlab import case_of, suite, variables
from orchestrator.job.report.summary import code, in_brackets, said
from orchestrator.job.report.words import Link, began, outcome, utc
from orchestrator.values.formatting import duration, few, listed
from orchestrator.values.settings import page_of

__all__ = ["annotations", "dotenv", "junit", "subject", "summary"]

LONGEST = 300  # characters of what happened to a connection
MOST_NAMED = 10  # connections that a line names
MOST_LINKS = 10  # connections beside GitLab's job
MOST_NOTES = 20

Document = Mapping[str, Any]


def summary(document: Document, report: str, back: Sequence[Link]) -> str:
    """`summary.md`: how many are well, and the first that need attention, without its mark.

    Args:
        document: `result.json`.
        report: The page's address, or "".
        back: The job, pipeline and commit that the run belongs to.
    """
    rows = groups(attention(document), LONGEST)
    more = sum(len(row.names) for row in rows[MOST_ROWS:])
    parts = [*_head(document)]
    if document["advice"]:
        parts += ["**What to do now**", "\n".join(f"- {said(line, document)}" for line in document["advice"])]
    if rows:
        lines = [line for row in rows[:MOST_ROWS] for line in _row(row, document)]
        parts += ["**What needs attention**", "\n".join([*lines, *([f"- and {more:,} more"] if more else [])])]
    if left := document["schedules_left"]:
        parts.append(f"**Schedules left manual**: {code(listed(left, MOST_NAMED))}")
    if notes := few(document["notes"], MOST_NOTES):
        parts += ["**Notes**", "\n".join(f"- {said(line, document)}" for line in notes)]
    links = [*([("The report", report)] if report else []), *back]
    parts.append(" · ".join(f"[{label}]({in_brackets(address)})" for label, address in links))
    return "\n\n".join(filter(None, parts)) + "\n"


def _head(document: Document) -> Iterator[str]:
    yield f"### {outcome(document)}: {said(document['headline'], document, begins=False)}"
    if document["running"]:
        yield f"**{said(document['running'], document, begins=False)}**"
    about = f"{said(subject(document), document)}: started {utc(began(document))}"
    meant = said(document["exit_meaning"], document, begins=False)
    yield f"{about}, took {duration(document['elapsed_seconds'])}, exit code {document['exit_code']} ({meant})"
    yield counted(document["counts"])


def subject(document: Document) -> str:
    """What was done, and to how many."""
    number, group = document["total"], document["group_id"]
    where = f" of the group {group}" if group else ""
    return f"{document['action']} on {number:,} connection{'' if number == 1 else 's'}{where}"


def _row(row: Row, document: Document) -> Iterator[str]:
    yield f"- {code(listed(row.names, MOST_NAMED))}: {row.outcome}: {said(row.happened, document, begins=False)}"
    if row.outcome != NOT_STARTED and row.advice and row.advice not in document["advice"]:
        about = {**document, "page": page_of(row.names[0])}  # a link that people may follow
        yield f"  - {said(row.advice, about)}"


def junit(document: Document) -> str:
    """`junit.xml`: a case each, those that need attention first; one that was never begun is skipped."""
    cases = [case_of(one, one["connector_id"]) for one in document["connections"]]
    return suite(f"{document['action']} {document['group_id'] or ''}", cases, document)


def dotenv(document: Document) -> str:
    """`fivetran.env`: how the whole ended, and how many connections ended how."""
    counts, running = document["counts"], document["still_running"]
    good, late = counts.get(OK, 0), counts.get(NOT_STARTED, 0)
    return variables(
        {
            "FIVETRAN_VERDICT": document["verdict"],
            "FIVETRAN_EXIT_CODE": document["exit_code"],
            "FIVETRAN_CONNECTIONS": document["total"],
            "FIVETRAN_CONNECTIONS_OK": good,
            "FIVETRAN_CONNECTIONS_FAILED": document["total"] - good - late,
            "FIVETRAN_CONNECTIONS_NOT_STARTED": late,
            "FIVETRAN_CONNECTIONS_RUNNING": len(document["running_connections"]),
            "FIVETRAN_STILL_RUNNING": None if running is None else str(running).lower(),
            "FIVETRAN_STARTED_AT": document["started_at"],
            "FIVETRAN_ENDED_AT": document["ended_at"],
            "FIVETRAN_SECONDS": document["elapsed_seconds"],
        }
    )


def annotations(document: Document, url: str | None) -> str:
    """`annotations.json`: links to the page, and to the first connections that need attention.

    Args:
        document: `result.json`.
        url: Where GitLab will show the page, or None.
    """
    bad = attention(document)[:MOST_LINKS]
    return link_lines(document, url, {f"{one['outcome']}: {one['connector_id']}": one["page"] for one in bad})
