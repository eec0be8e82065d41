"""`summary.md`: what happened, why and what to do, in Markdown: for a note, a ticket or a step's summary.

Words from outside must not become a link, a mention, a reference or markup. Escapes do not prevent
that: GitLab and GitHub look for mentions and references in the text that is left when the escapes are
resolved. So words are written as they are where they mean nothing to either of them, and as code otherwise.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.job.report.markup import cut
from orchestrator.job.report.words import (
    Link,
    at_fivetran,
    began,
    connection_facts,
    ended,
    links,
    outcome,
    pieces,
    still_running,
    utc,
)
from orchestrator.job.result import causes
from orchestrator.machine.chart import Chart
from orchestrator.values.formatting import ago, duration, some_tables, table_names

__all__ = ["MARK", "code", "in_brackets", "said", "summary"]

MARK = "<!-- fivetran-orchestrator -->\n"  # begins the file, so that a later run knows its own
MOST_TESTS = 50  # setup tests that are listed

# A word of letters, digits and marks that Markdown leaves alone; a colon only at its end, or in a time of day.
_PLAIN = re.compile(r"(?:[A-Za-z0-9.,;()'\"/?=…-]|:$|(?<=\d):(?=\d\d)|(?<=[A-Za-z0-9])_(?=[A-Za-z0-9]))+")
# Of these, what takes effect all the same: an address, the id of a commit, GH-12 or JIRA-12, highlighting.
_ALIVE = re.compile(r"(?i)www\.|\b[0-9a-f]{7,}\b|[a-z]-\d|==")

Document = Mapping[str, Any]


def summary(document: Document, report: str, back: Sequence[Link], chart: Chart | None) -> str:
    """The text, without its mark.

    Args:
        document: `result.json`.
        report: The page's address, or "".
        back: The job, pipeline and commit that the run belongs to.
        chart: The chart that ran, or None where none did.
    """
    shows_connection = chart is not None and chart.prints == "connection"
    facts = connection_facts(document) if shows_connection else ()
    tests = [f"{test.get('status')}: {test.get('title')}" for test in document["setup_tests"] or ()]
    more = [f"and {len(tests) - MOST_TESTS:,} more"] if len(tests) > MOST_TESTS else []
    lists = {
        "The connection": [f"{name}: {value}" for name, value in facts if value],
        "Setup tests": [*tests[:MOST_TESTS], *more],
        "Why": causes(document),
        "What to do now": document["advice"],
        "At Fivetran now": at_fivetran(document),
        "Notes": document["notes"],
    }
    parts = [*_head(document)]
    for heading, lines in lists.items():
        if lines:
            parts += [f"**{heading}**", "\n".join(f"- {said(line, document)}" for line in lines)]
    parts.append(" · ".join(f"[{label}]({in_brackets(address)})" for label, address in links(document, report, back)))
    return "\n\n".join(filter(None, parts)) + "\n"


def _head(document: Document) -> Iterator[str]:
    yield f"### {outcome(document)}: {said(document['headline'], document)}"
    if running := still_running(document):
        yield f"**{running}**"
    about = said(document["action"] or "A job", document)
    if document["connector_id"]:
        about += f" on {code(cut(document['connector_id'], 200))}"
    if names := table_names(document["tables"] or {}):
        about += (
            f", {'table' if len(names) == 1 else f'{len(names)} tables:'} {code(cut(some_tables(document['tables'])))}"
        )
    number = document["exit_code"]
    meant = "" if number is None else f", exit code {number} ({said(document['exit_meaning'], document)})"
    yield f"{about}: started {utc(began(document))}, took {duration(document['elapsed_seconds'])}{meant}"


def in_brackets(address: str) -> str:
    """An address as it can stand in the brackets of a link."""
    return address.replace("(", "%28").replace(")", "%29")


def said(line: str, document: Document, *, begins: bool = True) -> str:
    """A line in which nothing takes effect but a link to the connection's page.

    Args:
        line: The line.
        document: `result.json`.
        begins: A line or an item of a list may begin with it.
    """
    now, parts = ended(document), [""]  # texts and links in turn
    for piece in pieces(" ".join(cut(line).split()), document.get("page")):
        if piece.link:
            parts += [f"<{piece.text}>", ""]
        else:
            parts[-1] += piece.text if piece.seconds is None else f"{utc(piece.seconds)} ({ago(now - piece.seconds)})"
    return "".join(part if at % 2 else _harmless(part, begins=begins and at == 0) for at, part in enumerate(parts))


def _harmless(text: str, *, begins: bool) -> str:
    """A text, with all from the first word that might take effect to the last one as code."""
    words = text.split(" ")
    effective = [
        at for at, word in enumerate(words) if word and not (_PLAIN.fullmatch(word) and not _ALIVE.search(word))
    ]
    if begins and text and not words[0][:1].isalpha():  # there, `1.` and `-` would do
        effective.insert(0, 0)
    if not effective:
        return text
    first, last = effective[0], effective[-1] + 1
    return " ".join((*words[:first], code(" ".join(words[first:last])), *words[last:]))


def code(text: str) -> str:
    """A text as code, whatever it holds."""
    text = " ".join(text.split()) or " "
    if re.fullmatch("`[^`]+`", text):
        return text
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    padding = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{padding}{text}{padding}{ticks}"
