"""What Fivetran had to say, as the page shows it: the connection, setup tests, sync, errors, warnings."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.fivetran.documents import SETUP_TEST_FAILURES, parse_time
from orchestrator.job.report.markup import Markup, clock, cut, each, row, said, scrolling, section, tag
from orchestrator.job.report.words import connection_facts, ended
from orchestrator.values.formatting import plain

__all__ = ["connection", "connection_first", "errors", "setup_tests", "sync", "warnings"]

_KINDS = {**dict.fromkeys(SETUP_TEST_FAILURES, "bad"), "PASSED": "passed", "WARNING": "warning"}
_VOLUME = "volume"

Document = Mapping[str, Any]


def setup_tests(document: Document) -> Markup | None:
    """The setup tests as a table, or None where there are none."""
    rows = []
    for test in document["setup_tests"] or ():
        result = str(test.get("status"))
        badge = tag("span", said(result, 40), class_=f"result {_KINDS.get(result, 'other')}")
        rows.append((badge, said(test.get("title")), _message(test)))
    table = _table(("Result", "Test", "Message"), rows, "Results of the setup tests", "stacked")
    return section("setup-tests", "Setup tests", table)


def sync(document: Document) -> Markup | None:
    """The sync as Fivetran's own history has it, or None where that is not known."""
    now, found = ended(document), document["sync"] or {}
    rows = [row(_heading(name), *_value(value, now)) for name, value in found.items() if name != "stages"]
    listed = found.get("stages")
    stages = [stage for stage in listed if isinstance(stage, Mapping)] if isinstance(listed, list) else []
    names = list(dict.fromkeys(name for stage in stages for name in stage))
    cells = [[each(*_value(stage.get(name), now)) for name in names] for stage in stages]
    table = _table([_heading(name) for name in names], cells, "Stages of the sync")
    unit = tag("p", "Fivetran's API does not name the unit of a volume.", class_="note") if _VOLUME in names else None
    return section("sync", "The sync in Fivetran's history", _list(rows), table, unit)


def errors(document: Document) -> Markup | None:
    """Fivetran's active errors with their remedies, or None where there are none."""
    now, shown = ended(document), []
    for error in document["errors"] or ():
        title = error.get("title") or error.get("type") or "Error"
        texts = [tag("p", said(plain(error[name]))) for name in ("reason", "message") if error.get(name)]
        since = tag("p", tag("small", "since ", *_value(error["created_at"], now))) if error.get("created_at") else None
        shown.append(tag("li", tag("b", said(plain(title))), *texts, since))
    return section("errors", "Active errors at Fivetran", tag("ul", *shown) if shown else None)


def warnings(document: Document) -> Markup | None:
    """Fivetran's warnings by destination table, or None where there are none."""
    rows = []
    for place in document["table_warnings"] or ():
        name = ".".join(str(place[part]) for part in ("schema", "table") if place.get(part))
        listed = place.get("warnings")
        for warning in listed if isinstance(listed, list) else ():
            given = warning if isinstance(warning, Mapping) else {"message": warning}
            rows.append((said(name or "the connection"), said(plain(given.get("code"))), _message(given)))
    table = _table(("Table", "Code", "Message"), rows, "Fivetran's warnings", "stacked")
    return section("warnings", "Warnings at Fivetran", table)


def connection_first(document: Document) -> Markup | None:
    """What an action that shows the connection was asked for, within the page's first part; None where it has none."""
    shown = _list(list(_facts(document)))
    return tag("section", tag("h2", "The connection"), shown) if shown else None


def connection(document: Document) -> Markup | None:
    """The connection's dates and states, before the run and after it, or None where nothing is known of it."""
    now, before = ended(document), document["baseline"] or {}
    rows = [
        *_facts(document),
        row("Last success before the sync", *_value(before.get("succeeded_at"), now)),
        row("Last failure before the sync", *_value(before.get("failed_at"), now)),
        row("Times rescheduled", said(document["reschedules"] or None)),
        row("Final state", tag("code", document["state"]) if document["state"] else None),
    ]
    return section("connection", "The connection", _list(rows))


def _facts(document: Document) -> Iterator[Markup]:
    now = ended(document)
    yield from (row(name, *_value(value, now)) for name, value in connection_facts(document))


def _list(rows: Sequence[Markup]) -> Markup | None:
    return tag("dl", *rows, class_="facts") if any(rows) else None


def _table(titles: Sequence[str], rows: Sequence[Sequence[Markup]], label: str, kind: str = "") -> Markup | None:
    head = tag("thead", tag("tr", *(tag("th", title, scope="col") for title in titles)))
    body = tag("tbody", *(tag("tr", *(tag("td", cell) for cell in cells)) for cells in rows))
    return scrolling(tag("table", head, body, class_=kind or None), label) if rows else None


def _message(found: Document) -> Markup:
    """What a setup test or a warning says, with its details."""
    details = plain(found.get("details"))
    return each(said(plain(found.get("message"))), tag("small", said(details)) if details else None)


def _value(value: object, now: float) -> Iterator[Markup]:
    """A value of Fivetran's: a time as people read it, a number with its thousands apart."""
    seconds = parse_time(value)
    if seconds is not None:
        yield clock(seconds, now)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield said(f"{value:,}")
    elif value:
        yield said(plain(value))


def _heading(name: str) -> str:
    return cut(name.replace("_", " ").capitalize(), 80)
