"""docs/vocabulary.md: every word that a chart can use, generated from the code."""

import sys
from collections.abc import Iterable, Iterator
from textwrap import fill

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, Call, Choice, Pure, Tag, Writing
from orchestrator.fivetran.vocabulary import meaning_of, raised_by
from orchestrator.machine.chart import OTHERWISE
from orchestrator.machine.promises import PROMISES
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import OF_POSTS, TRANSIENT
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["page"]

PREFACE = """\
# The vocabulary of charts

Generated from the code by `make documents`; `make check` fails when it is out of date.
[charts.md](charts.md) explains how to change a chart, and [statecharts/README.md](../statecharts/README.md)
shows the packaged charts.

A state has exactly one of four keys: `does` names an effect, `waits` a pause, `chooses` a choice, and `exit` is
the exit code of a final state. Its `edges` name the next state for each thing that can happen; `also` adds the
edges of a group, `[shared.GROUP]`; the target `same` is the state itself. `tries` is the total number of
attempts, in place of FIVETRAN_RETRY_LIMIT. One state has `concludes = true`: entering it records the verdict, which
is the last event that was not a choice.
"""


def page() -> str:
    """The page, as Markdown."""
    return "\n".join((PREFACE, *_effects(), *_pauses(), *_choices(), *_events(), *_promises())).rstrip("\n") + "\n"


def _effects() -> Iterator[str]:
    requests = [event for event in Event if raised_by(event) == "client" and event not in OF_POSTS]
    yield "## Effects\n"
    yield _paragraph(
        "An effect needs an edge for each of its outcomes. One that sends a request also needs edges for how the "
        f"request can fail: {_words(requests)} and `{Event.TIMED_OUT}`; for a POST also {_words(sorted(OF_POSTS))}; "
        f"before the conclusion also {_words(sorted(SIGNALS))}. A state with an edge `{Event.GAVE_UP}` gives up after "
        "its last attempt; without that edge it never gives up. Only a transient failure "
        f"({_words(event for event in Event if event in TRANSIENT)}) may lead back to its own state, after a counted "
        "back-off."
    )
    yield from map(_effect, EFFECTS.values())


def _pauses() -> Iterator[str]:
    yield "## Pauses\n"
    yield _paragraph(
        f"A pause needs the edge `{Event.WAITED}`, exactly one of `{Event.TIMED_OUT}` and `{Event.TOO_LATE}`, and "
        f"before the conclusion {_words(sorted(SIGNALS))}."
    )
    yield from _table(("pause", "lasts"), ((f"`{name}`", meaning_of(name)) for name in PAUSES))


def _choices() -> Iterator[str]:
    yield "## Choices\n"
    yield _paragraph(
        "A choice takes the edge of its value, in no time. Each of its values needs an edge; a policy has the values "
        "that the chart has edges for, and its variable accepts no others."
    )
    yield from _table(("choice", "values", "chooses by"), map(_choice, CHOICES.values()))


def _events() -> Iterator[str]:
    yield "## Events\n"
    rows = ((f"`{event}`", f"the {raised_by(event)}", event.meaning) for event in Event)
    yield from _table(("event", "raised by", "means"), rows)


def _promises() -> Iterator[str]:
    yield "## Promises\n"
    yield _paragraph(
        "What `fivetran-orchestrator check` checks on every path through a chart, once its structure is valid. A job "
        "with a chart of its own (FIVETRAN_CHART) checks the same before its first request."
    )
    yield from _table(("promise", "statement"), ((promise.name, promise.statement) for promise in PROMISES))


def _effect(effect: Call | Pure | Writing) -> str:
    facts = [f"outcomes: {_words(effect.outcomes)}"]
    if isinstance(effect, Call):
        request = effect.ask(Settings("", "CONNECTOR_ID", "", ""), Facts())
        facts.insert(0, f"request: `{request.method} {request.path.partition('?')[0]}`, to {request.purpose}")
    if effect.tags:
        facts.append(f"for the promises, it {', '.join(tag for tag in Tag if tag in effect.tags)}")
    if effect.needs:
        facts.append(f"comes directly after the choice `{effect.needs[0]}` at `{effect.needs[1]}`")
    lines = (f"### {effect.name}", "", meaning_of(effect.name), "", *(f"- {fact}" for fact in facts), "")
    return "\n".join(lines)


def _choice(choice: Choice) -> tuple[str, ...]:
    open_values = {"verdict": "each verdict", "schedule_type": f"Fivetran's, and `{OTHERWISE}`"}
    values = _words(choice.values) or open_values.get(choice.name, "the chart's")
    return f"`{choice.name}`", values, (choice.of.__doc__ or "").partition("\n")[0]


def _paragraph(text: str) -> str:
    return fill(text, 100, break_on_hyphens=False, break_long_words=False) + "\n"


def _words(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The lines of a table, and an empty one."""
    for cells in (head, ("---",) * len(head), *rows):
        yield f"| {' | '.join(cells)} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(page())
