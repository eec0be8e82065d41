"""`index.html`: the run for people, on one page that needs nothing but itself.

It begins with what happened, why, and what to do, for somebody who has five seconds. It is whole
without its script and readable without its styles: some viewers of artifacts allow neither.
Nothing on it is fetched, and its own policy forbids it.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from orchestrator.job.report import evidence, picture, timeline, walk
from orchestrator.job.report.markup import Markup, clock, cut, each, said, scrolling, section, tag
from orchestrator.job.result import RESULT
from orchestrator.machine.chart import Chart
from orchestrator.values.formatting import duration, listed

__all__ = ["draw"]

MOST_TABLES = 5  # that are named

# How an exit code looks: what went well, what failed, and what is merely not known to have ended.
_GOOD, _OPEN = {0}, {None, 5, 8, 130, 143}
_MARKS = {
    "good": ("Done", "M5 12.5l4.5 4.5L19 7.5"),
    "bad": ("Failed", "M6.5 6.5l11 11M17.5 6.5l-11 11"),
    "open": ("Not finished", "M12 6.5v6l4 2.5"),
}
_DASHBOARD = "https://fivetran.com/dashboard/"

Document = Mapping[str, Any]


def draw(document: Document, records: Sequence[Document], dropped: int, chart: Chart | None) -> str:
    """The page's text.

    Args:
        document: `result.json`.
        records: The steps, each with its `record` where there is one.
        dropped: How many were dropped in their middle.
        chart: The chart that ran, or None where none did.
    """
    code = document["exit_code"]
    kind = "good" if code in _GOOD else "open" if code in _OPEN else "bad"
    (style, style_digest), (script, script_digest) = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{style_digest}'; script-src '{script_digest}'; "
        "base-uri 'none'; form-action 'none'"
    )
    subject = " ".join(filter(None, (document["action"], document["connector_id"]))) or "job"
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="generator", content="fivetran-orchestrator"),  # so that a later run knows its own
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", f"{_MARKS[kind][0]}: {cut(subject, 80)}"),
        tag("style", style),
    )
    main = each(
        _summary(document, kind),
        evidence.setup_tests(document),
        evidence.sync(document),
        evidence.errors(document),
        evidence.warnings(document),
        section("time", "Where the time went", timeline.draw(records, gap=len(records) // 2 if dropped else 0)),
        _way(document, records, dropped, chart) if records else None,
        evidence.facts(document),
    )
    link = tag("a", RESULT, href=RESULT)
    about = f"fivetran-orchestrator {document['version']} · "
    footer = tag("footer", about, link, " holds all of this for programs")
    body = tag("body", tag("main", main), footer, tag("script", script))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


@cache
def _asset(name: str) -> tuple[Markup, str]:
    """A file that stands in the page, and its digest as the page's policy names it."""
    text = files("orchestrator.job.report").joinpath(name).read_text("utf-8")
    return Markup(text), f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


# --- The summary ----------------------------------------------------------------------------------


def _summary(document: Document, kind: str) -> Markup:
    word, icon = _MARKS[kind]
    drawing = tag("svg", tag("path", d=icon), viewBox="0 0 24 24", class_="icon", aria_hidden="true")
    headline = document["headline"][:1].upper() + document["headline"][1:]
    resumed = "; it was taken up again from its state file" if document["resumed"] else None
    ended = f", ended {duration(document['elapsed_seconds'])} later"
    return tag(
        "header",
        tag("p", *_subject(document), class_="subject"),
        tag("h1", drawing, tag("span", tag("span", f"{word}: ", class_="aside"), said(headline))),
        tag("p", "Began ", clock(document["started_at"]), ended, resumed, class_="when"),
        _lines("Why", document["reasons"], "why"),
        _lines("What to do", document["advice"], "advice"),
        _lines("At Fivetran now", document["at_fivetran"]),
        _lines("Notes", document["notes"]),
        tag("p", *_links(document), class_="links"),
        class_=f"verdict {kind}",
    )


def _subject(document: Document) -> Iterator[Markup | str]:
    yield tag("b", said(document["action"] or "A job", 80))
    if document["connector_id"]:
        yield " on "
        yield tag("code", said(document["connector_id"], 200))
    names = [f"{schema}.{table}" for schema, tables in (document["tables"] or {}).items() for table in tables]
    if names:
        yield ", table " if len(names) == 1 else f", {len(names)} tables: "
        yield tag("code", said(listed(names, MOST_TABLES), 200))


def _lines(heading: str, lines: Sequence[str], kind: str | None = None) -> Markup | None:
    items = tag("ul", *(tag("li", _linked(line)) for line in lines))
    return tag("section", tag("h2", heading), items, class_=kind) if lines else None


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


# --- The way --------------------------------------------------------------------------------------


def _way(document: Document, records: Sequence[Document], dropped: int, chart: Chart | None) -> Markup | None:
    painted = picture.paint(chart, records, document["verdict"] or "") if chart else None
    if painted:
        shown = scrolling(painted, "Chart", "picture scroll")
    else:
        none = "There is no picture of this chart: it is none of those that come with this version."
        shown = tag("p", none, class_="note")
    count = len(records)
    controls = (
        tag("button", "◀", type="button", data_go="-1", aria_label="Step back"),
        tag("input", type="range", min=1, max=count, value=count, aria_label="Step"),
        tag("button", "▶", type="button", data_go="1", aria_label="Step forward"),
    )
    # It begins at the step that decided the verdict: the last with its event.
    decisive = (place for place, entry in enumerate(records, 1) if entry["event"] == document["verdict"])
    # The script shows it: without one it would do nothing.
    player = tag(
        "div",
        tag("div", *controls, class_="controls"),
        tag("div", class_="now", role="group", aria_label="This step", aria_live="polite", tabindex=0),
        class_="player",
        data_start=max(decisive, default=count),
        hidden=True,
    )
    note = tag("p", f"{dropped:,} steps in the middle are left out.", class_="note") if dropped else None
    steps = tag("details", tag("summary", "All steps"), note, walk.draw(records), open=True, class_="all")
    return section("way", "The way it took", player, shown, steps)
