"""What an effect, a choice and a pause are, and the registry of each: what a chart may name.

A function's return annotation declares its events or values: mypy proves that the body returns nothing
else, and the loader compares the declaration with the chart's edges in both directions.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, get_args, get_type_hints

from orchestrator.fivetran.tags import Tag
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts
from orchestrator.values.outcome import Outcome
from orchestrator.values.settings import Settings

Ask = Callable[[Settings, Facts], Request]
Meaning = Callable[[Settings, Facts, Answer], Outcome[Any]]
Conclusion = Callable[[Settings, Facts], Outcome[Any]]
# From settings, facts and the seconds since the run began: seconds.
Lasting = Callable[[Settings, Facts, float], float]


class Call(NamedTuple):
    """An effect that asks Fivetran.

    Attributes:
        name: As the charts have it.
        outcomes: Events that an answer may mean.
        method: HTTP method of the request.
        ask: Makes the request.
        mean: Says what the answer means.
        tags: What promises about charts speak of.
        needs: The choice that it must come straight after, and the value that tells it to; or None.
    """

    name: str
    outcomes: tuple[Event, ...]
    method: str
    ask: Ask
    mean: Meaning
    tags: frozenset[Tag] = frozenset()
    needs: tuple[str, str] | None = None


class Pure(NamedTuple):
    """An effect that follows from the facts alone, in no time.

    Attributes:
        name: As the charts have it.
        outcomes: Events that it may have.
        conclude: Says which, and the new facts.
        tags: What promises about charts speak of.
        needs: As for a call.
    """

    name: str
    outcomes: tuple[Event, ...]
    conclude: Conclusion
    tags: frozenset[Tag] = frozenset()
    needs: tuple[str, str] | None = None


class Writing(NamedTuple):
    """An effect that has the result written: `reported`, or `unwritable`.

    Attributes:
        name: As the charts have it.
        outcomes: Events that it may have.
        tags: None.
        needs: Nothing.
    """

    name: str
    outcomes: tuple[Event, ...] = (Event.REPORTED, Event.UNWRITABLE)
    tags: frozenset[Tag] = frozenset()
    needs: None = None


class Choice(NamedTuple):
    """What a `chooses` state branches on.

    Attributes:
        name: As the charts have it.
        values: The values that it can have; () if there may be others.
        of: The value, from settings and facts.
    """

    name: str
    values: tuple[str, ...]
    of: Callable[[Settings, Facts], str]


EFFECTS: dict[str, Call | Pure | Writing] = {"write_report": Writing("write_report")}
CHOICES: dict[str, Choice] = {}
PAUSES: dict[str, Lasting] = {}


def tagged(tags: Iterable[Tag]) -> set[str]:
    """The names of the effects that have one of these tags."""
    return {name for name, effect in EFFECTS.items() if not effect.tags.isdisjoint(tags)}


def resyncs(names: Iterable[str]) -> bool:
    """Whether one of these effects starts a re-sync."""
    return any(name in EFFECTS and Tag.STARTS_RESYNC in EFFECTS[name].tags for name in names)


def _declared(function: Callable[..., Any]) -> tuple[Event, ...]:
    """The events of a return annotation `Outcome[Literal[...]]`."""
    (literal,) = get_args(get_type_hints(function)["return"])
    return get_args(literal)


def call(method: str, ask: Ask, *tags: Tag, needs: tuple[str, str] | None = None) -> Callable[[Meaning], Meaning]:
    """Register what an answer means as an effect that asks; the arguments are those of `Call`."""

    def register(mean: Meaning) -> Meaning:
        name = mean.__name__
        EFFECTS[name] = Call(name, _declared(mean), method, ask, mean, frozenset(tags), needs)
        return mean

    return register


def pure(*tags: Tag, needs: tuple[str, str] | None = None) -> Callable[[Conclusion], Conclusion]:
    """Register an effect that asks nothing; the arguments are those of `Pure`."""

    def register(conclude: Conclusion) -> Conclusion:
        name = conclude.__name__
        EFFECTS[name] = Pure(name, _declared(conclude), conclude, frozenset(tags), needs)
        return conclude

    return register


def choice(of: Callable[[Settings, Facts], str]) -> Callable[[Settings, Facts], str]:
    """Register a choice by the name of its function."""
    CHOICES[of.__name__] = Choice(of.__name__, get_args(get_type_hints(of)["return"]), of)
    return of


def pause(lasts: Lasting) -> Lasting:
    """Register a pause by the name of its function."""
    PAUSES[lasts.__name__] = lasts
    return lasts
