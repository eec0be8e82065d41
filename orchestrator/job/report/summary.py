"""The page's beginning: what happened, why, and what to do, for somebody who has five seconds."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.job.report.markup import Markup, clock, cut, said, tag
from orchestrator.values.formatting import duration, listed

__all__ = ["draw", "title"]

Document = Mapping[str, Any]

# How an exit code looks: what went well, what failed, and what is merely not known to have ended.
MOST_TABLES = 5  # that are named
_GOOD, _OPEN = {0}, {None, 5, 8, 130, 143}
_MARKS = {
    "good": ("Done", "M5 12.5l4.5 4.5L19 7.5"),
    "bad": ("Failed", "M6.5 6.5l11 11M17.5 6.5l-11 11"),
    "open": ("Not finished", "M12 6.5v6l4 2.5"),
}
_DASHBOARD = "https://fivetran.com/dashboard/"


def title(document: Document) -> str:
    """What a browser's tab is to say."""
    subject = " ".join(filter(None, (document["action"], document["connector_id"]))) or "job"
    return f"{_MARKS[_kind(document)][0]}: {cut(subject, 80)}"


def draw(document: Document) -> Markup:
    """The summary of a result."""
    word, icon = _MARKS[_kind(document)]
    drawing = tag("svg", tag("path", d=icon), viewBox="0 0 24 24", class_="icon", aria_hidden="true")
    headline = document["headline"][:1].upper() + document["headline"][1:]
    return tag(
        "header",
        tag("p", *_subject(document), class_="subject"),
        tag("h1", drawing, tag("span", tag("span", f"{word}: ", class_="aside"), said(headline))),
        tag("p", *_times(document), class_="when"),
        _lines("Why", document["reasons"], "why"),
        _lines("What to do", document["advice"], "advice"),
        _lines("At Fivetran now", document["at_fivetran"]),
        _lines("Notes", document["notes"]),
        tag("p", *_links(document), class_="links"),
        class_=f"verdict {_kind(document)}",
    )


def _kind(document: Document) -> str:
    code = document["exit_code"]
    return "good" if code in _GOOD else "open" if code in _OPEN else "bad"


def _subject(document: Document) -> Iterator[Markup | str]:
    yield tag("b", said(document["action"] or "A job", 80))
    if document["connector_id"]:
        yield " on "
        yield tag("code", said(document["connector_id"], 200))
    names = [f"{schema}.{table}" for schema, tables in (document["tables"] or {}).items() for table in tables]
    if names:
        yield ", table " if len(names) == 1 else f", {len(names)} tables: "
        yield tag("code", said(listed(names, MOST_TABLES), 200))


def _times(document: Document) -> Iterator[Markup | str]:
    yield "Began "
    yield clock(document["started_at"])
    yield f", ended {duration(document['elapsed_seconds'])} later"
    if document["resumed"]:
        yield "; it was taken up again from its state file"


def _lines(heading: str, lines: Sequence[str], kind: str | None = None) -> Markup | None:
    if not lines:
        return None
    return tag("section", tag("h2", heading), tag("ul", *(tag("li", _linked(line)) for line in lines)), class_=kind)


def _linked(line: str) -> Markup:
    """A line; where it ends in a page of Fivetran's dashboard, that is a link."""
    said_before, _, last = line.rpartition(" ")
    if last.startswith(_DASHBOARD):
        return tag("bdi", cut(said_before), " ", tag("a", last, href=last, rel="noreferrer"))
    return said(line)


def _links(document: Document) -> Iterator[Markup]:
    page, code = document["page"], document["exit_code"]
    if page:
        yield tag("a", "Open the connection at Fivetran", href=page, class_="button", rel="noreferrer")
    if code is not None:
        yield tag("span", tag("b", f"Exit code {code}"), f" {document['exit_meaning']}", class_="code")
