"""A page about charts in Markdown: `statecharts/README.md`, or one of a chart of somebody's own."""

from collections.abc import Sequence

from orchestrator.drawing import mermaid
from orchestrator.drawing.model import View, diagram
from orchestrator.drawing.table import endings, events, table
from orchestrator.machine.chart import Chart

__all__ = ["fenced", "page"]

_PREFACE = """\
# The charts

Generated from the charts themselves by `fivetran-orchestrator diagram`: edit the TOML files, not this page.

A solid blue box asks Fivetran, a grey one concludes from what is known, a dashed one waits, a diamond
chooses by a setting or a fact and takes no time, a double box is final and ends the job with its exit
code. The heavy green way is the happy path. ↻ is the same state again, after a pause that grows. A line
to the conclusion from far away ends in a small box with its name. What every state shares stands in the
note below the drawing; the table has every edge. In it an event is raised by

- an effect: what an answer of Fivetran meant;
- the client: how a request failed;
- the driver: what time, the number of attempts and signals did;
- a choice: the value of a setting or of a fact.
"""


def page(charts: Sequence[Chart], view: View = View.MAIN, here: str = "") -> str:
    """The page.

    Args:
        charts: What it is about.
        view: How much of each chart is drawn; the table has every edge.
        here: A state to highlight, or "".
    """
    parts = [_PREFACE]
    for chart in charts:
        parts += [f"## {chart.title}\n", *([f"{chart.about}\n"] if chart.about else [])]
        parts += [fenced("mermaid", mermaid.render(diagram(chart, view=view, here=here)))]
        parts += [f"### How {chart.action} ends\n", endings(chart)]
        parts += [f"### Every edge of {chart.action}\n", table(chart)]
    parts += ["## What the events mean\n", events(charts)]
    return "\n".join(parts)


def fenced(language: str, text: str) -> str:
    """A block of Markdown in some language."""
    return f"```{language}\n{text}```\n"
