"""`index.html`: the run for people, on one page that needs nothing but itself.

It is whole without its script and readable without its styles: some viewers of artifacts allow
neither. Nothing on it is fetched, and its own policy forbids it.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

from orchestrator.job.report import evidence, picture, summary, timeline, walk
from orchestrator.job.report.markup import Markup, each, section, tag
from orchestrator.machine.chart import Chart

__all__ = ["NAME", "draw"]

NAME = "index.html"

Document = Mapping[str, Any]


class _Asset(NamedTuple):
    """A file that stands in the page, and its digest as the page's policy names it."""

    text: Markup
    digest: str


def draw(document: Document, records: Sequence[Document], dropped: int, gap: int, chart: Chart | None) -> str:
    """The page's text.

    Args:
        document: `result.json`.
        records: The steps, each with its `record` where there is one.
        dropped: How many were dropped in their middle.
        gap: Before which of them; 0 if none were.
        chart: The chart that ran, or None where none did.
    """
    style, script = _asset("page.css"), _asset("page.js")
    policy = (
        f"default-src 'none'; img-src data:; style-src '{style.digest}'; script-src '{script.digest}'; "
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
        tag("title", summary.title(document)),
        tag("style", style.text),
    )
    main = each(
        summary.draw(document),
        evidence.setup_tests(document),
        evidence.sync(document),
        evidence.errors(document),
        evidence.warnings(document),
        section("time", "Where the time went", timeline.draw(records, gap=gap)),
        _way(document, records, dropped, chart),
        evidence.facts(document),
    )
    body = tag("body", tag("main", main), _footer(document), tag("script", script.text))
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


@cache
def _asset(name: str) -> _Asset:
    text = files("orchestrator.job.report").joinpath(name).read_text("utf-8")
    return _Asset(Markup(text), f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}")


def _way(document: Document, records: Sequence[Document], dropped: int, chart: Chart | None) -> Markup | None:
    if not records:
        return None
    painted = picture.paint(chart, records, document["verdict"] or "") if chart else None
    shown = tag(
        "p", "There is no picture of this chart: it is none of those that come with this version.", class_="note"
    )
    if painted:
        shown = tag("div", painted, class_="picture scroll", role="region", aria_label="Chart", tabindex=0)
    # The script shows it: without one it would do nothing.
    player = tag(
        "div",
        tag("div", *_controls(len(records)), class_="controls"),
        tag("div", class_="now", role="group", aria_label="This step", aria_live="polite", tabindex=0),
        class_="player",
        data_start=_decisive(document, records),
        hidden=True,
    )
    note = tag("p", f"{dropped:,} steps in the middle are left out.", class_="note") if dropped else None
    steps = tag("details", tag("summary", "All steps"), note, walk.draw(records), open=True, class_="all")
    return section("way", "The way it took", player, shown, steps)


def _decisive(document: Document, records: Sequence[Document]) -> int:
    """Which step of the list decided the verdict: the last with its event."""
    places = (place for place, entry in enumerate(records, 1) if entry["event"] == document["verdict"])
    return max(places, default=len(records))


def _controls(count: int) -> Iterator[Markup]:
    yield tag("button", "◀", type="button", data_go="-1", aria_label="Step back")
    yield tag("input", type="range", min=1, max=count, value=count, aria_label="Step")
    yield tag("button", "▶", type="button", data_go="1", aria_label="Step forward")


def _footer(document: Document) -> Markup:
    link = tag("a", "result.json", href="result.json")
    return tag("footer", f"fivetran-orchestrator {document['version']} · ", link, " holds all of this for programs")
