"""How a session looks: values as tables and lines, and the console that shows them. Nothing here moves the run.

What comes from outside (documents, messages, names) is masked and stripped first, and never
read as markup.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from rich import console
from rich.console import ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from orchestrator.debugger.journal_reader import ANSWERED, HASTENED, INJECTED
from orchestrator.debugger.session import Moment, Session
from orchestrator.fivetran import documents
from orchestrator.fivetran.effects import CHOICES
from orchestrator.fivetran.vocabulary import meaning_of
from orchestrator.job.limits import Limits
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import OTHERWISE, Kind, State
from orchestrator.machine.step import Step
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration, iso

__all__ = ["BY_HAND", "Console", "as_json", "edges", "facts", "grid", "move", "origin", "request", "row", "standing"]

TIMES = ("connection_date", "triggered_at")  # facts that are seconds since the epoch
ROOM = 65  # columns that three of a row need, one beside the other
SHORT = 30  # characters of a fact that is shown among others
BY_HAND = {INJECTED: "injected", ANSWERED: "answered by hand", HASTENED: "wait skipped"}


class Console(console.Console):
    """A console that removes secrets and control characters from whatever it is given.

    Args:
        session: What is debugged.
        how: As rich takes it.

    Attributes:
        session: What is debugged.
        limits: Notes the signals that arrive while a command runs.
        code: The exit code, once the console is left.
    """

    limits: Limits

    def __init__(self, session: Session, **how: Any) -> None:  # noqa: ANN401  # rich's own
        super().__init__(highlight=False, markup=False, emoji=False, **how)
        self.session = session
        self.code: int | None = None

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterator[Segment]:
        """Each part of what is shown, cleaned."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else self.session.mask.block(segment.text)
            yield Segment(text, segment.style, segment.control)

    def say(self, text: str) -> None:
        """Say something in a line."""
        self.print(Text(self.session.mask.line(text)))

    def close(self) -> None:
        """Close the session."""
        self.session.close()


def standing(session: Session) -> RenderableType:
    """The current position: how the run got here, what comes next, the edges, the deadline, the facts."""
    here = session.here
    table = grid("left", style="dim")
    if here.step is not None:
        table.add_row("came by", _line(session, here, here.step.detail))
    table.add_row("here", _state(session))
    table.add_row("next", _next(session))
    if not session.ended:
        left = duration(here.standing.deadline - here.now)
        table.add_row("deadline", f"in {left}; {duration(here.now)} since the beginning")
        table.add_row("edges", edges(session, brief=True))
    table.add_row("facts", facts(session, brief=True))
    where = f"step {here.standing.number}" if here.standing.number else "the beginning"
    title = f"{session.chart.action} {session.settings.connector_id} ({origin(session)}), {where}"
    shown = Text(title, "bold red" if session.live else "bold")
    return Group(Rule(shown, align="left", characters="-", style="dim"), table)


def edges(session: Session, *, brief: bool = False) -> RenderableType:
    """The edges of the state, their targets and what their events mean; the one that a choice will take is marked.

    Args:
        session: The session.
        brief: Edges that many states have share a line.
    """
    state = session.state
    if not state.edges:
        return Text("none: the state is final", "dim")
    chosen = _chosen(session, state)
    rows = []
    shared: dict[str, list[str]] = {}
    for event, target in state.edges.items():
        again = "the same state, after a pause" if target == state.name else target
        if brief and event in state.groups:
            shared.setdefault(again, []).append(event)
            continue
        mark = "> " if event == chosen else ""
        meaning = meaning_of(event) or ("this edge will be taken" if mark else "")
        rows.append((Text(f"{mark}{event}", "yellow"), Text(f"-> {again}", "cyan"), Text(meaning)))
    rest = (Text.assemble((", ".join(events), "yellow"), f" -> {target}") for target, events in shared.items())
    return Group(_Rows(rows), *rest)


def facts(session: Session, *, brief: bool = False) -> RenderableType:
    """What is known; what the last step changed has a star.

    Args:
        session: The session.
        brief: What did not change shares a paragraph.
    """
    here, mask, nothing = session.here, session.mask, Facts().as_json()
    earlier = here.step.before.facts.as_json() if here.step else nothing
    table = grid("left")
    rest = []
    for fact, value in here.standing.facts.as_json().items():
        if value != earlier[fact]:
            table.add_row(Text(f"* {fact}", "green"), _fact(mask, fact, value))
        elif value != nothing[fact] and brief:
            document = fact == "connection"
            shown = mask.line(documents.sync_state(value)) if document else _fact(mask, fact, value).plain
            rest.append(f"{fact} {shown}" if len(shown) <= SHORT else fact)
        elif value != nothing[fact]:
            table.add_row(Text(f"  {fact}"), _fact(mask, fact, value))
    if rest and not table.row_count:
        return Text(f"as before: {', '.join(rest)}")
    if rest:
        return Group(table, Text(f"as before: {', '.join(rest)}"))
    return table if table.row_count else Text("none yet", "dim")


def row(session: Session, moment: Moment, mark: str = "") -> RenderableType:
    """One step with its number and its time, cut off where the line ends."""
    step = moment.step
    asked = f"{step.request.method} -> {step.outcome}" if step and step.request else ""
    when = f"{mark}{moment.standing.number:>4}  {duration(moment.now):>9}  "
    text = Text.assemble(when, _line(session, moment, asked))
    text.no_wrap, text.overflow = True, "ellipsis"
    return Group(text)  # a text by itself is wrapped all the same


def _line(session: Session, moment: Moment, asked: str) -> Text:
    """One step: the edge that was taken, and what was asked."""
    step = moment.step
    if step is None:
        return Text(f"the beginning: {moment.standing.state}")
    text = move(step)
    if asked:
        text.append(f"  {session.mask.line(asked)}")
    if step.pause:
        text.append(f", again in {duration(step.pause)}")
    if moment.by_hand:
        text.append(f"  ({BY_HAND[moment.by_hand]})", "magenta")
    return text


# --- Parts ------------------------------------------------------------------------------------


class _Rows:
    """Rows of three; where there is little room, the third stands under the others."""

    def __init__(self, rows: list[tuple[Text, Text, Text]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: console.Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """As the room is."""
        del console
        narrow = options.max_width < ROOM
        table = grid() if narrow else grid("left", "left")
        for first, second, third in self._rows:
            if narrow:
                table.add_row(Text.assemble(first, " ", second))
                table.add_row(Padding(third, (0, 0, 0, 4)))
            else:
                table.add_row(first, second, third)
        yield table


def grid(*justified: Any, style: str = "") -> Table:  # noqa: ANN401  # rich's own literals
    """Columns without lines. The first ones keep their width, the last one takes what is left."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in justified:
        table.add_column(justify=justify, no_wrap=True, style=style)
    return table


def move(step: Step) -> Text:
    """The edge that was taken."""
    return Text.assemble((step.source, "bold cyan"), " --", (step.event, "yellow"), "--> ", (step.target, "bold cyan"))


def request(mask: Mask, asked: Request) -> Text:
    """A request with its body."""
    body = "" if asked.body is None else f" {json.dumps(mask.value(asked.body), ensure_ascii=False)}"
    return Text(f"{mask.line(str(asked))}{body}", "bold")


def as_json(mask: Mask, value: Any) -> str:  # noqa: ANN401  # any JSON
    """A value in full."""
    return json.dumps(mask.value(value), indent=2, ensure_ascii=False)


def origin(session: Session) -> str:
    """Where the run comes from; of a live one the API's host, which need not be Fivetran's."""
    return f"LIVE {urlsplit(session.settings.api_url).netloc}" if session.live else session.origin


def _state(session: Session) -> Text:
    here, state = session.here, session.state
    if state.kind is Kind.EXIT:
        return Text.assemble(
            (state.name, "bold cyan"), f", final: exit code {state.exit}, verdict {here.standing.facts.verdict}"
        )
    asked = session.request
    meaning = meaning_of(state.operand, state.kind) if asked is None else f"to {asked.purpose}"
    text = Text.assemble((state.name, "bold cyan"), f", {state.kind} {state.operand}: {meaning}")
    if failed := here.standing.failures.get(state.name, 0):
        most = state.tries or session.settings.retry_limit
        bound = f" of {most}" if Event.GAVE_UP in state.edges else ""
        text.append(f" (failed so far: {failed}{bound})", "red")
    return text


def _next(session: Session) -> Text:
    here, state = session.here, session.state
    due = here.standing.due - here.now
    pause = f"in {duration(due)}: " if due > 0 else ""
    if state.kind is Kind.EXIT:
        return Text("nothing: the run has ended", "dim")
    if session.request is not None:
        return Text.assemble(pause, request(session.mask, session.request))
    if state.kind is Kind.WAITS:
        return Text(f"{pause}the pause ends")
    if state.kind is Kind.CHOOSES:
        return Text.assemble("the edge ", (_chosen(session, state), "yellow"))
    return Text(f"{meaning_of(state.operand, state.kind)} No request is sent.")


def _chosen(session: Session, state: State) -> str:
    """The edge that a choice will take, or ""."""
    if state.kind is not Kind.CHOOSES:
        return ""
    value = CHOICES[state.operand].of(session.settings, session.here.standing.facts)
    return value if value in state.edges else OTHERWISE


def _fact(mask: Mask, name: str, value: Any) -> Text:  # noqa: ANN401  # any JSON
    if value is None:
        return Text("cleared", "dim")
    if name in TIMES:
        return Text(iso(value))
    if name == "failure":
        return Text(mask.line(f"{value['event']}: {value['message']}"))
    if name == "connection":
        value = documents.decisive(value)
    if name == "baseline":
        value = {**value, "date": None if value.get("date") is None else iso(value["date"])}
    if isinstance(value, dict):
        return Text(mask.line(", ".join(f"{key} {content}" for key, content in value.items())))
    if isinstance(value, list | tuple):
        between = "\n" if any(" " in str(one) for one in value) else ", "
        return Text(between.join(mask.line(str(one)) for one in value))
    return Text(mask.line(str(value)))
