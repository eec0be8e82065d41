"""`index.html` of many connections: what happened in five seconds, then all of them, what needs attention first.

The steps of those that need it lie behind their rows, as many as the page has room for; each connection has a page of
its own beside it. The chart is drawn once: it stands with the connection whose steps are open.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from orchestrator.fleet.report.files import subject
from orchestrator.fleet.result import OK
from orchestrator.fleet.verdict_block import attention, happened
from orchestrator.job.report import timeline, walk
from orchestrator.job.report.markup import Markup, each, line, said, tag
from orchestrator.job.report.page import asset, frame, icon, kind_of, lines, painted, ticket_of
from orchestrator.job.report.words import Link, at_fivetran, began, ended, outcome, utc
from orchestrator.job.result import causes
from orchestrator.machine.chart import Chart
from orchestrator.values.formatting import duration, listed

__all__ = ["LARGEST", "draw"]

LARGEST = 1_900_000  # bytes of the page of a thousand connections, whatever happened
STEPS = 600_000  # bytes of the steps on it
BODY, FRAME = 70, 60_000  # bytes around a row; around all, with styles and scripts
LONGEST = (200, 100, 50)  # characters of what happened and of what to do: the most with which the page is small enough
MOST_NOTES, MOST_NAMED = 20, 10

Document = Mapping[str, Any]
Steps = tuple[Sequence[Document], int]  # of one connection, and how many were dropped in their middle


def draw(
    document: Document, steps: Mapping[str, Steps], chart: Chart | None, *, back: Sequence[Link] = (), ticket: str = ""
) -> str:
    """The page's text.

    Args:
        document: `result.json`.
        steps: The steps of connections, by id: of those that may stand on this page.
        chart: The chart that they ran, or None where none did.
        back: The job, pipeline and commit that the run belongs to.
        ticket: `summary.md`, to be copied.
    """
    summary, connections = _summary(document, back, ticket), document["connections"]
    for most in LONGEST:
        rows = [_row(one, most) for one in connections]
        room = LARGEST - _size(summary) - sum(map(_size, rows)) - BODY * len(rows) - FRAME
        if room >= (STEPS if steps else 0):
            break
    inner = _inner(document, steps, chart, min(STEPS, room))
    bodies = (
        tag("tbody", row, inner.pop(one["connector_id"], None), class_=_kind(one), data_took=one["elapsed_seconds"])
        for one, row in zip(connections, rows, strict=True)
    )
    main = each(summary, _listing(bodies))
    styles = [asset("orchestrator.job.report", "page.css"), asset(__package__, "fleet.css")]
    scripts = [asset("orchestrator.job.report", "page.js"), asset(__package__, "fleet.js")]
    return frame(f"{outcome(document)}: {subject(document)}", main, document, styles, scripts)


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))


# --- The summary ----------------------------------------------------------------------------------


def _summary(document: Document, back: Sequence[Link], ticket: str) -> Markup:
    kind = _kind(document)
    took = duration(document["elapsed_seconds"]).replace(" ", "\u00a0")
    notes = document["notes"]
    more = [f"and {len(notes) - MOST_NOTES:,} more in result.json"] if len(notes) > MOST_NOTES else []
    left = document["schedules_left"]
    manual = f"{len(left):,} left manual without a green sync: no sync will run until a job starts one: "
    return tag(
        "header",
        tag("p", said(subject(document), 200), class_="subject"),
        tag("h1", icon(kind), tag("span", tag("b", f"{outcome(document)}: "), said(document["headline"]))),
        tag("p", f"Started {utc(began(document))}, took {took}", class_="when"),
        tag("p", said(document["running"]), class_="running") if document["running"] else None,
        _counts(document),
        lines("What to do now", document["advice"], document, "advice"),
        lines("Schedules", [manual + listed(left, MOST_NAMED)] if left else [], document),
        lines("Notes", [*notes[:MOST_NOTES], *more], document),
        tag("p", *_links(document, back, ticket), class_="links"),
        ticket_of(ticket) if ticket else None,
        class_=f"verdict {kind}",
    )


def _kind(document: Document) -> str:
    return kind_of(outcome(document))


def _counts(document: Document) -> Markup:
    """How many ended how, in numbers and to scale."""
    counts, total, at, bars = document["counts"], max(1, document["total"]), 0.0, []
    for name, number in counts.items():
        width = 1000 * number / total
        bars.append(tag("rect", x=f"{at:.1f}", width=f"{width:.1f}", height=10, class_=kind_of(name)))
        at += width
    size = {"viewBox": "0 0 1000 10", "preserveAspectRatio": "none", "height": 10, "width": "100%"}
    shown = (tag("li", tag("b", f"{number:,}"), f" {name}", class_=kind_of(name)) for name, number in counts.items())
    return each(tag("ul", *shown, class_="counts"), tag("svg", *bars, **size, class_="share", aria_hidden="true"))


def _links(document: Document, back: Sequence[Link], ticket: str) -> Iterator[Markup]:
    for label, address in back:
        yield tag("a", label, href=address, rel="noreferrer")
    if ticket:  # without the script it would do nothing
        yield tag("button", "Copy for a ticket", type="button", class_="button copy", hidden=True)
    code = f"Exit code {document['exit_code']}"
    yield tag("span", tag("b", code), f" {document['exit_meaning']}", class_="code")


# --- The connections ------------------------------------------------------------------------------


def _listing(bodies: Iterator[Markup]) -> Markup:
    titles = ("Connection", "Outcome", "What happened", "Took")
    head = tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles)))
    # The script shows it: without one it would do nothing.
    search = tag("label", "Show those with ", tag("input", type="search"), class_="search", hidden=True)
    table = tag("table", head, *bodies, class_="stacked fleet")
    heading = tag("h2", "Connections", id="connections")
    return tag("section", heading, search, table, class_="card", aria_labelledby="connections")


def _row(one: Document, most: int) -> Markup:
    name = tag("code", one["connector_id"])
    advice = next(iter(one["advice"]), "") if outcome(one) != OK else ""
    note = next(iter(one["notes"]), "")
    return tag(
        "tr",
        tag(
            "td",
            tag("a", name, href=one["details"]) if one["details"] else name,
            tag("small", said(one["service"], 60)) if one["service"] else None,
        ),
        tag("td", outcome(one), class_=f"result {_RESULTS[_kind(one)]}"),
        tag(
            "td",
            said(happened(one, most), 2 * most),
            tag("small", "→ ", line(advice, ended(one), one["page"], most)) if advice else None,
            tag("small", "Note: ", said(note, most)) if note else None,
        ),
        tag("td", duration(one["elapsed_seconds"])),
    )


_RESULTS = {"good": "passed", "bad": "bad", "open": "warning"}


def _inner(document: Document, steps: Mapping[str, Steps], chart: Chart | None, room: int) -> dict[str, Markup]:
    """The rows behind those that need attention, as far as there is room: by id."""
    found: dict[str, Markup] = {}
    for number, one in enumerate(islice(attention(document), len(steps) * 4), 1):
        name = one["connector_id"]
        if name not in steps:
            continue
        records, dropped = steps[name]
        drawing = None if found else painted(chart, records, one["verdict"] or "")
        inner = tag(
            "details",
            tag("summary", "Steps"),
            lines("Why", causes(one), one, "why"),
            lines("What to do now", one["advice"], one, "advice"),
            lines("At Fivetran now", at_fivetran(one), one),
            timeline.draw(records, gap=len(records) // 2 if dropped else 0),
            drawing,
            tag("p", f"{dropped:,} steps in the middle are left out.", class_="note") if dropped else None,
            walk.draw(records, ended(one), f"step-{number}"),
        )
        shown = tag("tr", tag("td", inner, colspan=4), class_="inner")
        room -= _size(shown)
        if room < 0:
            break
        found[name] = shown
    return found
