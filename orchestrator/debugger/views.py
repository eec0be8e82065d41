"""The commands that look; nothing is moved by them. A command's docstring is its help."""

from collections import Counter
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.text import Text

from orchestrator.debugger import screen
from orchestrator.debugger.arguments import count, known
from orchestrator.debugger.files import write
from orchestrator.debugger.journal_reader import INJECTED
from orchestrator.debugger.ports import Refusal
from orchestrator.debugger.screen import Console
from orchestrator.drawing.formats import GraphvizError
from orchestrator.drawing.formats import draw as picture
from orchestrator.drawing.model import View
from orchestrator.fivetran.vocabulary import meaning_of
from orchestrator.values.formatting import duration, iso

__all__ = ["draw", "edges", "facts", "history", "last", "look", "why"]

LISTED = 20  # steps that `history` lists unless asked for more
PICTURES = {".svg": "svg", ".png": "png", ".mmd": "mermaid", ".dot": "dot"}


def look(console: Console) -> None:
    """Show the current position again. So does an empty line."""
    console.print(screen.standing(console.session))


def edges(console: Console) -> None:
    """The edges of the current state, and what their events mean."""
    console.print(screen.edges(console.session))


def facts(console: Console, name: str = "") -> None:
    """The facts that the run knows; with a name, that fact in full."""
    session = console.session
    if not name:
        console.print(screen.facts(session))
        return
    found = session.here.standing.facts.as_json()
    value = found[known(name, found, "fact", "`facts` lists those that are known")]
    console.print(Text("not known", "dim") if value is None else Text(screen.as_json(session.mask, value)))


def last(console: Console) -> None:
    """The last step's request and answer, in full."""
    step, mask = console.session.here.step, console.session.mask
    if step is None or step.request is None:
        text = f"{step.source} sent no request" if step else "no request was sent yet"
        console.print(Text(text, "dim"))
        return
    table = screen.grid("left", style="dim")
    table.add_row("asked", screen.request(mask, step.request))
    table.add_row("for", f"to {step.request.purpose}; it took {step.took:.2f} s")
    table.add_row("answered", Text(mask.line(step.outcome)))
    found: dict[str, Any] = {}
    if answer := step.answer:
        dated = iso(answer.date) if answer.dated else "none; this machine's clock was used"
        found = {"date": dated, "message": answer.message, "request id": answer.request_id, "data": answer.data}
    if failure := step.failure:
        after = None if failure.retry_after is None else duration(failure.retry_after)
        found = {"means": f"{failure.event}: {meaning_of(failure.event)}", "retry after": after}
        found["request id"] = failure.request_id
    for name, value in found.items():
        if value:
            table.add_row(name, Text(mask.line(value) if isinstance(value, str) else screen.as_json(mask, value)))
    console.print(table)


def draw(console: Console, file: str = "") -> None:
    """Draw the chart with the path so far and the current state marked; to FILE as a picture, else as text.

    The file's extension gives the format: .svg and .png (which require Graphviz), .mmd for Mermaid, .dot.
    """
    session = console.session
    if not file:
        _draw_as_text(console)
        return
    form = PICTURES.get(Path(file).suffix)
    if form is None:
        raise Refusal(f"{file!r} has no known extension: use one of {', '.join(PICTURES)}")
    taken = {(step.source, step.target) for step in session.steps}
    try:
        view = View.FULL if form == "mermaid" else View.STATES  # without frames Mermaid's layout is too wide to read
        content = picture([session.chart], form, session.state.name, view=view, way=taken)
    except GraphvizError as error:
        raise Refusal(str(error)) from error
    write(file, content)
    console.say(f"drawn: {file}")


def _draw_as_text(console: Console) -> None:
    """Each state, those visited with the edges that were taken, the current one marked."""
    session = console.session
    taken: dict[str, Counter[str]] = {}
    for step in session.steps:
        taken.setdefault(step.source, Counter())[step.event] += 1
    table = screen.grid("left", "left")
    for state in session.chart.states.values():
        here, passed = state is session.state, taken.get(state.name, Counter())
        lines = [
            Text.assemble("--", (on, "yellow"), f"--> {state.edges[on]}", f" ({times} times)" if times > 1 else "")
            for on, times in passed.items()
        ]
        mark = ">" if here else "*" if passed else " "
        table.add_row(mark, Text(state.name, "bold cyan" if here else "" if passed else "dim"), Group(*lines))
    console.print(Text(session.chart.title), table, sep="\n")


def why(console: Console) -> None:
    """Why the last step took its edge."""
    session, here = console.session, console.session.here
    if here.step is None:
        console.print(Text("nothing has been decided yet", "dim"))
        return
    text = here.step.why
    if here.by_hand == INJECTED:
        text = f"Injected: {meaning_of(here.step.event) or 'the value of a choice'}."
    elif here.by_hand:
        text = f"{screen.BY_HAND[here.by_hand].capitalize()}. {text}"
    console.print(screen.move(here.step))
    console.print(Text(session.mask.line(text)))


def history(console: Console, number: str = str(LISTED)) -> None:
    """The last steps up to here, 20 by default, and those that are known after it."""
    session = console.session
    many = len(session.moments) if number == "all" else count(number)
    first, end = max(0, session.cursor + 1 - many), session.cursor + 1 + many
    if first:
        console.say(f"{first} earlier steps: `history all` lists them")
    for moment in session.moments[first:end]:
        console.print(screen.row(session, moment, ">  " if moment is session.here else "   "))
