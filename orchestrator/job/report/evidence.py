"""What Fivetran had to say, as the page shows it: setup tests, sync, errors, warnings, dates and states."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.fivetran.documents import SETUP_TEST_FAILURES, parse_time
from orchestrator.job.report.markup import Markup, clock, cut, each, row, said, scrolling, section, tag
from orchestrator.values.formatting import iso, plain

__all__ = ["errors", "facts", "setup_tests", "sync", "warnings"]

_KINDS = {**dict.fromkeys(SETUP_TEST_FAILURES, "bad"), "PASSED": "passed", "WARNING": "warning"}

Document = Mapping[str, Any]


def setup_tests(document: Document) -> Markup | None:
    """The setup tests as a table, or None where there are none."""
    rows = []
    for test in document["setup_tests"] or ():
        result = str(test.get("status"))
        badge = tag("span", said(result, 40), class_=f"result {_KINDS.get(result, 'other')}")
        rows.append((badge, said(test.get("title")), _message(test)))
    table = _table(("Result", "Test", "Message"), rows, "Results of the setup tests")
    return section("setup-tests", "Setup tests", table)


def sync(document: Document) -> Markup | None:
    """The sync as Fivetran's own history has it, or None where that is not known."""
    told = document["sync"] or {}
    rows = [row(_heading(name), *_told(value)) for name, value in told.items() if name != "stages"]
    stages = told.get("stages")
    found = [stage for stage in stages if isinstance(stage, Mapping)] if isinstance(stages, list) else []
    names = list(dict.fromkeys(name for stage in found for name in stage))
    cells = [[each(*_told(stage.get(name))) for name in names] for stage in found]
    table = _table([_heading(name) for name in names], cells, "Stages of the sync")
    return section("sync", "The sync at Fivetran", _list(rows), table)


def errors(document: Document) -> Markup | None:
    """Fivetran's active errors with their remedies, or None where there are none."""
    shown = []
    for error in document["errors"] or ():
        title = error.get("title") or error.get("type") or "Error"
        texts = [tag("p", said(plain(error[name]))) for name in ("reason", "message") if error.get(name)]
        since = tag("p", tag("small", f"since {cut(error['created_at'], 40)}")) if error.get("created_at") else None
        shown.append(tag("li", tag("b", said(plain(title))), *texts, since))
    return section("errors", "Active errors at Fivetran", tag("ul", *shown) if shown else None)


def warnings(document: Document) -> Markup | None:
    """Fivetran's warnings by destination table, or None where there are none."""
    rows = []
    for place in document["table_warnings"] or ():
        name = ".".join(str(place[part]) for part in ("schema", "table") if place.get(part))
        listed = place.get("warnings")
        for warning in listed if isinstance(listed, list) else ():
            told = warning if isinstance(warning, Mapping) else {"message": warning}
            rows.append((said(name or "the connection"), said(plain(told.get("code"))), _message(told)))
    table = _table(("Table", "Code", "Message"), rows, "Fivetran's warnings")
    return section("warnings", "Warnings at Fivetran", table)


def facts(document: Document) -> Markup | None:
    """Dates and states, or None where nothing was learned."""
    before = document["baseline"] or {}
    rows = [
        row("Sync state", said(document["sync_state"])),
        row("Setup state", said(document["setup_state"])),
        row("Last success", *_told(document["succeeded_at"])),
        row("Last success before", *_told(before.get("succeeded_at"))),
        row("Last failure", *_told(document["failed_at"])),
        row("Last failure before", *_told(before.get("failed_at"))),
        row("Rescheduled for", *_told(document["rescheduled_for"])),
        row("Times rescheduled", said(document["reschedules"] or None)),
        row("Schedule", said(document["schedule_type"])),
        row("Schedule before", said(document["schedule_before"])),
        row("Final state", tag("code", document["state"]) if document["state"] else None),
    ]
    return section("facts", "What was learned", _list(rows))


def _list(rows: Sequence[Markup]) -> Markup | None:
    return tag("dl", *rows, class_="facts") if any(rows) else None


def _table(titles: Sequence[str], rows: Sequence[Sequence[Markup]], label: str) -> Markup | None:
    head = tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in cells)) for cells in rows))
    return scrolling(tag("table", head, body), label) if rows else None


def _message(told: Document) -> Markup:
    """What a setup test or a warning says, with its details."""
    details = plain(told.get("details"))
    return each(said(plain(told.get("message"))), tag("small", said(details)) if details else None)


def _told(value: object) -> Iterator[Markup]:
    """A value of Fivetran's: a time as people read it, a number with its thousands apart."""
    seconds = parse_time(value)
    if seconds is not None:
        yield clock(iso(seconds))
    elif isinstance(value, int | float):
        yield said(f"{value:,}")
    elif value:
        yield said(plain(value))


def _heading(name: str) -> str:
    return cut(name.replace("_", " ").capitalize(), 80)
