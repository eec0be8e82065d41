"""`index.html`: the run for people, on one page that needs nothing but itself.

It begins with what happened, why, and what to do, for somebody who has five seconds. It is whole
without its script and readable without its styles: some viewers of artifacts allow neither.
Nothing on it is fetched, and its own policy forbids it.
"""

import base64
import hashlib
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from orchestrator.job.report import evidence, picture, timeline, walk
from orchestrator.job.report.markup import Markup, cut, each, line, said, scrolling, section, tag
from orchestrator.job.report.words import Link, at_fivetran, began, ended, links, outcome, still_running, utc
from orchestrator.job.result import PAGE, RESULT, causes
from orchestrator.machine.chart import Chart
from orchestrator.values.formatting import duration, some_tables, table_names

__all__ = ["Asset", "Whole", "asset", "draw", "frame", "icon", "kind_of", "lines", "painted", "ticket_of"]


# How an outcome looks: what went well, what failed, and, for the others, what has only not ended.
_KINDS = {"OK": "good", "FAILED": "bad"}
_ICONS = {"good": "M5 12.5l4.5 4.5L19 7.5", "bad": "M6.5 6.5l11 11M17.5 6.5l-11 11", "open": "M12 6.5v6l4 2.5"}
# Of the picture: the page's style says these, and without it black is as good.
_GREYS = re.compile(' fill="#(?:57606a|24292f)"')

Document = Mapping[str, Any]


class Asset(NamedTuple):
    """A file that stands in a page.

    Attributes:
        text: It.
        digest: As the page's policy names it.
    """

    text: Markup
    digest: str


class Whole(NamedTuple):
    """What the page of a connection is a part of.

    Attributes:
        above: Where the files about all connections are, as an address; "" where there is this one alone.
        brief: The chart and what walks through the steps are left out: of a thousand pages nobody reads most.
    """

    above: str = ""
    brief: bool = False


ALONE = Whole()


def draw(
    document: Document,
    records: Sequence[Document],
    dropped: int,
    chart: Chart | None,
    *,
    back: Sequence[Link] = (),
    journal: str = "",
    ticket: str = "",
    whole: Whole = ALONE,
) -> str:
    """The page's text.

    Args:
        document: `result.json`.
        records: The steps, each with its `record` where there is one.
        dropped: How many were dropped in their middle.
        chart: The chart that ran, or None where none did.
        back: The job, pipeline and commit that the run belongs to.
        journal: The run's journal, as a command can name it; "" where none was written.
        ticket: `summary.md`, to be copied.
        whole: What this page is a part of.
    """
    kind = kind_of(outcome(document))
    shows_connection = chart is not None and chart.prints == "connection"
    subject = " ".join(filter(None, (document["action"], document["connector_id"]))) or "job"
    more = [*links(document, "", back), *([("All connections", f"{whole.above}{PAGE}")] if whole.above else [])]
    main = each(
        _summary(document, kind, more, ticket, connection_first=shows_connection),
        evidence.setup_tests(document),
        evidence.sync(document),
        evidence.errors(document),
        evidence.warnings(document),
        section("time", "Where the time went", timeline.draw(records, gap=len(records) // 2 if dropped else 0)),
        _steps(document, records, dropped, chart, brief=whole.brief) if records else None,
        None if shows_connection else evidence.connection(document),
        _commands(journal) if journal else None,
    )
    title = f"{outcome(document)}: {cut(subject, 80)}"
    scripts = () if whole.brief else (_asset("page.js"),)
    return frame(title, main, document, [_asset("page.css")], scripts, f"{whole.above}{RESULT}")


def frame(
    title: str,
    main: Markup,
    document: Document,
    styles: Sequence[Asset],
    scripts: Sequence[Asset],
    result: str = RESULT,
) -> str:
    """A page's text around its main part.

    Args:
        title: Its title.
        main: The main part.
        document: `result.json`.
        styles: What stands in the page: texts and their digests.
        scripts: Likewise.
        result: The address of `result.json`.
    """
    allowed = (" ".join(f"'{asset.digest}'" for asset in assets) or "'none'" for assets in (styles, scripts))
    style, script = allowed
    policy = (
        f"default-src 'none'; img-src data:; style-src {style}; script-src {script}; "
        "base-uri 'none'; form-action 'none'"
    )
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="generator", content="fivetran-orchestrator"),  # so that a later run knows its own
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("link", rel="icon", href="data:,"),
        tag("title", title),
        *(tag("style", asset.text) for asset in styles),
    )
    made = f" has all of this for programs. Made by fivetran-orchestrator {document['version']}."
    since = tag("p", f"“6 h ago” is counted from the end of the run, {utc(ended(document))}.")
    footer = tag(
        "footer",
        since if " ago)" in main else None,
        tag("p", tag("a", RESULT, href=result), made),
    )
    body = tag("body", tag("main", main), footer, *(tag("script", asset.text) for asset in scripts))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


@cache
def asset(package: str, name: str) -> Asset:
    """A file that stands in the page.

    Args:
        package: Where it lies.
        name: Its name.
    """
    text = files(package).joinpath(name).read_text("utf-8")
    return Asset(Markup(text), f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}")


def _asset(name: str) -> Asset:
    return asset("orchestrator.job.report", name)


# --- The summary ----------------------------------------------------------------------------------


def _summary(document: Document, kind: str, more: Sequence[Link], ticket: str, *, connection_first: bool) -> Markup:
    running = still_running(document)
    took = duration(document["elapsed_seconds"]).replace(" ", "\u00a0")
    resumed = "; resumed from its state file" if document["resumed"] else ""
    return tag(
        "header",
        tag("p", *_subject(document), class_="subject"),
        tag("h1", icon(kind), tag("span", tag("b", f"{outcome(document)}: "), said(document["headline"]))),
        tag("p", f"Started {utc(began(document))}, took {took}{resumed}", class_="when"),
        tag("p", running, class_="running") if running else None,
        evidence.connection_first(document) if connection_first else None,
        lines("Why", causes(document), document, "why"),
        lines("What to do now", document["advice"], document, "advice"),
        lines("At Fivetran now", at_fivetran(document), document),
        lines("Notes", document["notes"], document),
        tag("p", *_links(document, more, ticket), class_="links"),
        ticket_of(ticket) if ticket else None,
        class_=f"verdict {kind}",
    )


def kind_of(outcome: str) -> str:
    """How an outcome looks: "good", "bad", or "open" for what has only not ended."""
    return _KINDS.get(outcome, "open")


def icon(kind: str) -> Markup:
    """What an outcome looks like: "good", "bad" or "open"."""
    return tag("svg", tag("path", d=_ICONS[kind]), viewBox="0 0 24 24", class_="icon", aria_hidden="true")


def _subject(document: Document) -> Iterator[Markup | str]:
    yield tag("b", said(document["action"] or "A job", 80))
    if document["connector_id"]:
        yield " on "
        yield tag("code", said(document["connector_id"], 200))
    if names := table_names(document["tables"] or {}):
        yield ", table " if len(names) == 1 else f", {len(names)} tables: "
        yield tag("code", said(some_tables(document["tables"]), 200))


def lines(heading: str, texts: Sequence[str], document: Document, kind: str | None = None) -> Markup | None:
    """Some lines under a heading; None where there are none."""
    items = tag("ul", *(tag("li", line(text, ended(document), document.get("page"))) for text in texts))
    return tag("section", tag("h2", heading), items, class_=kind) if texts else None


def _links(document: Document, more: Sequence[Link], ticket: str) -> Iterator[Markup]:
    code = document["exit_code"]
    for label, address in more:
        kind = "button" if address == document["page"] else None
        yield tag("a", label, href=address, class_=kind, rel="noreferrer")
    if ticket:  # without the script it would do nothing
        yield tag("button", "Copy for a ticket", type="button", class_="button copy", hidden=True)
    if code is not None:
        yield tag("span", tag("b", f"Exit code {code}"), f" {document['exit_meaning']}", class_="code")


def ticket_of(text: str) -> Markup:
    """What the button copies; it is shown where the browser does not let it."""
    label = tag("label", "Copy this: ", tag("textarea", text, readonly=True, rows=8), hidden=True, class_="ticket")
    return each(tag("p", class_="copied note", role="status"), label)


# --- The steps ------------------------------------------------------------------------------------


def _steps(
    document: Document, records: Sequence[Document], dropped: int, chart: Chart | None, *, brief: bool
) -> Markup | None:
    note = tag("p", f"{dropped:,} steps in the middle are left out.", class_="note") if dropped else None
    listing = walk.draw(records, ended(document))
    if brief:
        return section("steps", "Steps", note, listing)
    shown = painted(chart, records, document["verdict"] or "")
    if not shown:
        shown = tag("p", "This version has no drawing of this chart; the steps are listed below.", class_="note")
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
    steps = tag("details", tag("summary", "All steps"), note, listing, open=True, class_="all")
    return section("steps", "Steps", player, shown, steps)


def painted(chart: Chart | None, records: Sequence[Document], verdict: str) -> Markup | None:
    """The chart with the path of a run marked, or None if it has no picture."""
    drawn = picture.paint(chart, records, verdict) if chart else None
    return scrolling(Markup(_GREYS.sub("", drawn)), "Chart", "picture scroll") if drawn else None


def _commands(journal: str) -> Markup | None:
    file = shlex.quote(journal)
    return section(
        "debug",
        "Step through this run",
        tag("p", "With the journal of this run, on any machine; nothing is sent to Fivetran:", class_="note"),
        tag("p", tag("code", f"fivetran-orchestrator debug --replay {file}"), class_="command"),
        tag("p", "To see whether the installed version would decide the same:", class_="note"),
        tag("p", tag("code", f"fivetran-orchestrator replay {file}"), class_="command"),
    )
