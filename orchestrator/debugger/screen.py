"""How a session looks: values made into tables and lines. Nothing here moves anything.

What comes from outside (documents, messages, names) is masked and stripped first, and never
read as markup.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

from orchestrator.debugger.journal_reader import ANSWERED, HASTENED, INJECTED
from orchestrator.debugger.session import Session
from orchestrator.debugger.timeline import Moment
from orchestrator.fivetran import documents
from orchestrator.fivetran.effects import CHOICES
from orchestrator.fivetran.vocabulary import meaning_of
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import OTHERWISE, Kind, State
from orchestrator.machine.step import Step
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration, iso

__all__ = [
    "THEME",
    "edges",
    "exchange",
    "facts",
    "history",
    "line",
    "lines",
    "prompt",
    "question",
    "reason",
    "standing",
    "way",
]

THEME = Theme(
    {
        "label": "dim",
        "title": "bold",
        "here": "bold cyan",
        "target": "cyan",
        "event": "yellow",
        "request": "bold",
        "changed": "green",
        "live": "bold red",
        "past": "magenta",
        "refusal": "red",
        "absent": "dim",
    }
)
TIMES = ("connection_date", "triggered_at")  # facts that are seconds since the epoch
ROOM = 65  # columns that three of a row need, one beside the other
SHORT = 30  # characters of a fact that is told among others
BY_HAND = {INJECTED: "injected", ANSWERED: "answered by hand", HASTENED: "not waited for"}


def prompt(session: Session) -> str:
    """What stands before the next command: where it comes from, which step, which state."""
    number = str(session.here.standing.number)
    if session.in_the_past:
        number += f" of {session.line.moments[-1].standing.number}"
    return session.mask.line(f"({_origin(session)}) {number} {session.state.name}> ")


def question(session: Session, request: Request) -> str:
    """Whether a request that changes something may be sent; what is to be answered has a line of its own."""
    asked = _request(session.mask, request).plain
    return session.mask.block(f"{_origin(session)}, to {request.purpose}:\n{asked}\nsend it? [y/N] ")


def standing(session: Session) -> RenderableType:
    """Where we are: how we came here, what comes next, the edges, the deadline, the facts."""
    here = session.here
    table = _grid("left", style="label")
    if here.step is not None:
        table.add_row("came by", line(session, here))
    table.add_row("here", _state(session))
    table.add_row("next", _next(session))
    if not session.ended:
        table.add_row("deadline", f"in {duration(here.left)}; {duration(here.now)} since the beginning")
        table.add_row("edges", edges(session, brief=True))
    table.add_row("facts", facts(session, brief=True))
    where = f"step {here.standing.number}" if here.standing.number else "the beginning"
    title = f"{session.chart.action} {session.line.settings.connector_id} ({_origin(session)}), {where}"
    shown = Text(title, "live" if session.live else "title")
    return Group(Rule(shown, align="left", characters="-", style="label"), table)


def edges(session: Session, *, brief: bool = False) -> RenderableType:
    """The edges of the state, their targets and what their events mean; the one that a choice will take is marked.

    Args:
        session: The session.
        brief: Edges that many states have share a line.
    """
    state = session.state
    if not state.edges:
        return Text("none: the state is final", "absent")
    chosen = _chosen(session, state)
    rows = []
    shared: dict[str, list[str]] = {}
    for event, target in state.edges.items():
        again = "the same, after a pause" if target == state.name else target
        if brief and event in state.groups:
            shared.setdefault(again, []).append(event)
            continue
        mark = "> " if event == chosen else ""
        said = meaning_of(event) or ("it will be this one" if mark else "")
        rows.append((Text(f"{mark}{event}", "event"), Text(f"-> {again}", "target"), Text(said)))
    rest = (Text.assemble((", ".join(events), "event"), f" -> {target}") for target, events in shared.items())
    return Group(_Rows(rows), *rest)


def facts(session: Session, name: str = "", *, brief: bool = False) -> RenderableType:
    """What is known; what the last step changed has a star.

    Args:
        session: The session.
        name: That fact alone, in full.
        brief: What did not change shares a paragraph.
    """
    here, before, mask = session.here, session.before, session.mask
    if name:
        value = here.facts.as_json()[name]
        return Text("not known", "absent") if value is None else Text(_json(mask, value))
    known, earlier = here.facts.as_json(), (before.facts if before else Facts()).as_json()
    nothing = Facts().as_json()
    table = _grid("left")
    rest = []
    for fact, value in known.items():
        changed = value != earlier[fact]
        if changed:
            table.add_row(Text(f"* {fact}", "changed"), _fact(mask, fact, value))
        elif value != nothing[fact] and brief:
            document = fact == "connection"
            said = mask.line(documents.sync_state(value)) if document else _fact(mask, fact, value).plain
            rest.append(f"{fact} {said}" if len(said) <= SHORT else fact)
        elif value != nothing[fact]:
            table.add_row(Text(f"  {fact}"), _fact(mask, fact, value))
    if not table.row_count and not rest:
        return Text("none yet", "absent")
    return Group(*([table] if table.row_count else []), *([Text(f"as before: {', '.join(rest)}")] if rest else []))


def line(session: Session, moment: Moment, *, brief: bool = False) -> Text:
    """One step: the edge that was taken, and what was asked.

    Args:
        session: The session.
        moment: The moment after the step.
        brief: Cut off where a line ends.
    """
    step = moment.step
    if step is None:
        return Text(f"the beginning: {moment.standing.state}")
    text = _move(step)
    if step.request is not None:
        asked = f"{step.request.method} -> {_outcome(step)}" if brief else step.detail
        text.append(f"  {session.mask.line(asked)}")
    if step.pause:
        text.append(f", again in {duration(step.pause)}")
    if moment.by_hand:
        text.append(f"  ({BY_HAND[moment.by_hand]})", "past")
    if brief:
        text.no_wrap, text.overflow = True, "ellipsis"
    return text


def lines(session: Session, moments: Iterable[Moment]) -> RenderableType:
    """Steps, a line each, with their number and their time."""
    table = _grid("right", "right")
    table.columns[0].min_width, table.columns[1].min_width = 4, 9
    for moment in moments:
        table.add_row(str(moment.standing.number), duration(moment.now), line(session, moment, brief=True))
    return table


def history(session: Session, moments: Iterable[Moment]) -> RenderableType:
    """Steps as `lines` has them, the one that is looked at marked."""
    table = _grid("left")
    for moment in moments:
        table.add_row(">" if moment is session.here else "", lines(session, [moment]))
    return table


def exchange(session: Session) -> RenderableType:
    """The request and the answer of the last step, whole."""
    step, mask = session.here.step, session.mask
    if step is None:
        return Text("nothing was asked yet", "absent")
    if step.request is None:
        return Text(f"{step.source} asked nothing", "absent")
    table = _grid("left", style="label")
    table.add_row("asked", _request(mask, step.request))
    table.add_row("for", f"to {step.request.purpose}; it took {step.took:.2f} s")
    table.add_row("answered", Text(mask.line(_outcome(step))))
    for name, value in _answered(step):
        if value not in ("", None):
            table.add_row(name, Text(mask.line(str(value)) if isinstance(value, str) else _json(mask, value)))
    return table


def reason(session: Session) -> RenderableType:
    """Why the last step took the edge that it took."""
    here, before = session.here, session.before
    if here.step is None or before is None:
        return Text("nothing was decided yet", "absent")
    said = here.step.why
    if here.by_hand == INJECTED:
        said = f"Injected: {meaning_of(here.step.event) or 'the value of a choice'}."
    elif here.by_hand:
        said = f"{BY_HAND[here.by_hand].capitalize()}. {said}"
    return Group(_move(here.step), Text(session.mask.line(said)))


def way(session: Session) -> RenderableType:
    """The chart as text: each state, those passed with the edges that were taken, the present one marked."""
    taken: dict[str, dict[str, int]] = {}
    for step in session.way:
        found = taken.setdefault(step.source, {})
        found[step.event] = found.get(step.event, 0) + 1
    table = _grid("left", "left")
    for state in session.chart.states.values():
        here = state is session.state
        mark = ">" if here else "*" if state.name in taken else " "
        named = Text(state.name, "here" if here else "" if state.name in taken else "absent")
        ways = [
            Text.assemble("--", (event, "event"), f"--> {state.edges[event]}", f" ({times} times)" if times > 1 else "")
            for event, times in taken.get(state.name, {}).items()
        ]
        table.add_row(mark, named, Group(*ways))
    return Group(Text(session.chart.title), table)


# --- Parts ------------------------------------------------------------------------------------


class _Rows:
    """Rows of three; where there is little room, the third stands under the others."""

    def __init__(self, rows: list[tuple[Text, Text, Text]]) -> None:
        self._rows = rows

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """As the room is."""
        del console
        narrow = options.max_width < ROOM
        table = _grid() if narrow else _grid("left", "left")
        for first, second, third in self._rows:
            if narrow:
                table.add_row(Text.assemble(first, " ", second))
                table.add_row(Padding(third, (0, 0, 0, 4)))
            else:
                table.add_row(first, second, third)
        yield table


def _grid(*justified: Any, style: str = "") -> Table:  # noqa: ANN401  # rich's own literals
    """Columns without lines. The first ones keep their width, the last one takes what is left."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for justify in justified:
        table.add_column(justify=justify, no_wrap=True, style=style)
    return table


def _origin(session: Session) -> str:
    """Where the run lives; of a live one the API's host, which need not be Fivetran's."""
    return f"LIVE {urlsplit(session.line.settings.api_url).netloc}" if session.live else session.line.origin


def _state(session: Session) -> Text:
    here, state = session.here, session.state
    if state.kind is Kind.EXIT:
        return Text.assemble((state.name, "here"), f", final: exit code {state.exit}, verdict {here.facts.verdict}")
    request = session.request
    meaning = meaning_of(state.operand, state.kind) if request is None else f"to {request.purpose}"
    text = Text.assemble((state.name, "here"), f", {state.kind} {state.operand}: {meaning}")
    if failed := here.standing.failures.get(state.name, 0):
        most = state.tries or session.line.settings.retry_limit
        bound = f" of {most}" if Event.GAVE_UP in state.edges else ""
        text.append(f" (failed so far: {failed}{bound})", "refusal")
    return text


def _move(step: Step) -> Text:
    return Text.assemble((step.source, "here"), " --", (step.event, "event"), "--> ", (step.target, "here"))


def _next(session: Session) -> Text:
    here, state = session.here, session.state
    pause = f"in {duration(here.due)}: " if here.due else ""
    if state.kind is Kind.EXIT:
        return Text("nothing: the run has ended", "absent")
    if session.request is not None:
        return Text.assemble(pause, _request(session.mask, session.request))
    if state.kind is Kind.WAITS:
        return Text(f"{pause}the pause ends")
    if state.kind is Kind.CHOOSES:
        return Text.assemble("the edge ", (_chosen(session, state), "event"))
    return Text(f"{meaning_of(state.operand, state.kind)} Nothing is asked.")


def _chosen(session: Session, state: State) -> str:
    """The edge that a choice will take, or ""."""
    if state.kind is not Kind.CHOOSES:
        return ""
    value = CHOICES[state.operand].of(session.line.settings, session.here.facts)
    return value if value in state.edges else OTHERWISE


def _request(mask: Mask, request: Request) -> Text:
    body = "" if request.body is None else f" {json.dumps(mask.value(request.body), ensure_ascii=False)}"
    return Text(f"{mask.line(str(request))}{body}", "request")


def _outcome(step: Step) -> str:
    return str(step.answer or step.failure or "cut off")


def _answered(step: Step) -> Iterator[tuple[str, Any]]:
    """What an answer or a failure has, by name."""
    answer, failure = step.answer, step.failure
    if answer is not None:
        yield "date", iso(answer.date) if answer.dated else "none: this machine's clock stands in for it"
        yield "message", answer.message
        yield "request id", answer.request_id
        yield "data", answer.data or None
    if failure is not None:
        yield "means", f"{failure.event}: {meaning_of(failure.event)}"
        yield "retry after", None if failure.retry_after is None else duration(failure.retry_after)
        yield "request id", failure.request_id


def _fact(mask: Mask, name: str, value: Any) -> Text:  # noqa: ANN401  # any JSON
    if value is None:
        return Text("none any more", "absent")
    if name in TIMES:
        return Text(iso(value))
    if name == "connection":
        return Text(mask.line(_summary(value)))
    if name == "baseline":
        value = {**value, "date": None if value.get("date") is None else iso(value["date"])}
    if name == "failure":
        return Text(mask.line(f"{value['event']}: {value['message']}"))
    if isinstance(value, dict):
        return Text(mask.line(", ".join(f"{key} {content}" for key, content in value.items())))
    if isinstance(value, list | tuple):
        between = "\n" if any(" " in str(one) for one in value) else ", "
        return Text(between.join(mask.line(str(one)) for one in value))
    return Text(mask.line(str(value)))


def _summary(document: dict[str, Any]) -> str:
    """What decides something in a connection document."""
    return ", ".join(f"{name} {value}" for name, value in documents.decisive(document).items() if value)


def _json(mask: Mask, value: Any) -> str:  # noqa: ANN401  # any JSON
    return json.dumps(mask.value(value), indent=2, ensure_ascii=False)
