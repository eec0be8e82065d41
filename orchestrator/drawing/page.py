"""Charts in Markdown: tables, and a page such as `statecharts/README.md`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from orchestrator.drawing import mermaid
from orchestrator.drawing.model import View, diagram, request_of
from orchestrator.fivetran.vocabulary import meaning_of, raised_by
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.values.events import Event

__all__ = ["endings", "events", "fenced", "page", "table"]

_PREFACE = """\
# The charts

Generated from the charts themselves by `fivetran-orchestrator diagram`: edit the TOML files, not this page.

A drawing shows the happy path and what lies beside it, in frames. A blue box asks Fivetran, a grey one
follows from what is known, a dashed one waits, and a yellow one is a question that a setting or a fact
answers, in no time. A box with a double edge stands for several states: a detour, or all that comes
after the verdict. The heavy green line is the happy path; from frame to frame it leads from the last
green-edged box to the first one. Any other edge that leaves a frame stands in its box as text: `busy →
taking_baseline` or, where it ends the run, `incomplete → exit 7`. ↻ is the same state again, after a
pause that grows. What many states share stands in the note below the drawing. The full drawing, folded
up, has every state; the table has every edge. In it an event is raised by

- an effect: what an answer of Fivetran meant;
- the client: how a request failed;
- the driver: what time, the number of attempts and signals did;
- a choice: the value of a setting or of a fact.
"""


def page(charts: Sequence[Chart], *, view: View = View.MAIN, here: str = "") -> str:
    """The page.

    Args:
        charts: What it is about.
        view: How much of each chart is drawn.
        here: A state to highlight, or "".
    """
    parts = [_PREFACE]
    for chart in charts:
        parts += [f"## {chart.title}\n", *([f"{chart.about}\n"] if chart.about else [])]
        parts += [fenced("mermaid", mermaid.render(diagram(chart, view, here=here)))]
        if view is not View.FULL:
            full = fenced("mermaid", mermaid.render(diagram(chart, View.FULL, here=here)))
            parts += [f"<details>\n<summary>Every state of {chart.action}, drawn</summary>\n\n{full}\n</details>\n"]
        parts += [f"### How {chart.action} ends\n", endings(chart)]
        parts += [f"### Every edge of {chart.action}\n", table(chart)]
    parts += ["## What the events mean\n", events(charts)]
    return "\n".join(parts)


def fenced(language: str, text: str) -> str:
    """A block of Markdown in some language."""
    return f"```{language}\n{text}```\n"


def table(chart: Chart) -> str:
    """Every edge: the state, what it does, what happens, who raises it, and where that leads."""
    rows = [row for state in chart.states.values() for row in _rows(state)]
    return _markdown(("state", "what it does", "event", "raised by", "target"), rows)


def endings(chart: Chart) -> str:
    """Every way to end: the exit code, its final state, and the verdicts that lead there."""
    verdicts: dict[str, list[str]] = {}
    for verdict in chart.verdicts():
        verdicts.setdefault(chart.exit_of(verdict)[0], []).append(f"`{verdict}`: {meaning_of(verdict)}")
    rows = [(str(code), name, "; ".join(verdicts.get(name, ()))) for code, name in chart.exits().items()]
    return _markdown(("exit code", "final state", "verdict"), rows)


def events(charts: Sequence[Chart]) -> str:
    """Every event that is in one of the charts, who raises it, and what it means."""
    used = {event for chart in charts for _, event, _ in chart.edges()}
    rows = [(f"`{event}`", raised_by(event), meaning_of(event)) for event in Event if event in used]
    return _markdown(("event", "raised by", "meaning"), rows)


def _rows(state: State) -> Iterator[tuple[str, ...]]:
    first = (state.name, _does(state))
    if not state.edges:
        yield *first, "", "", ""
    for (target, raiser), group in groupby(state.edges, key=lambda event: (state.edges[event], raised_by(event))):
        raised = "choice" if state.kind is Kind.CHOOSES else raiser
        yield *first, ", ".join(group), raised, "same" if target == state.name else target
        first = ("", "")


def _does(state: State) -> str:
    if state.kind is Kind.EXIT:
        return f"Ends with exit code {state.exit}."
    request, meaning = request_of(state), meaning_of(state.operand, state.kind)
    if request is not None and request.changes:  # its meaning says what has happened when it is answered
        meaning = request.purpose
    if state.kind is Kind.WAITS:
        meaning = f"{meaning[:1].lower()}{meaning[1:]}"
    said = f"waits {meaning}" if state.kind is Kind.WAITS else meaning
    parts = [
        *([f"`{request}`"] if request else []),
        *(["Concludes."] if state.concludes else []),
        f"{said[:1].upper()}{said[1:]}{'' if said.endswith(('.', '?')) else '.'}",
        *([f"At most {state.tries} tries."] if state.tries else []),
    ]
    return " ".join(parts)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown, its columns in line for whoever reads the text."""
    body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [head, *body]) for column in range(len(head))]
    lines = [head, ["-" * width for width in widths], *body]
    return "".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |\n" for line in lines
    )
