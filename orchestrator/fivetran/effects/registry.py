"""What an effect, a choice and a pause are, and the registry of each: what a chart may name.

A function's return annotation declares its events or values: mypy proves that the body returns nothing
else, and the loader compares the declaration with the chart's edges in both directions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import Any, NamedTuple, get_args

from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts, Outcome
from orchestrator.values.settings import Settings


@unique
class Tag(StrEnum):
    """What an effect does at Fivetran, or reads from it, in words for people."""

    READS = "reads the connection"
    TAKES_BASELINE = "takes the baseline"
    STARTS_SYNC = "starts a sync"
    RESTARTS_SYNC = "stops the running sync and starts one"
    STARTS_RESYNC = "starts a re-sync"
    LOOKS = "looks for a sign of a sync whose trigger got no answer"
    JUDGES = "decides whether the sync is over"
    CHECKS_AGE = "checks how old the last success is"
    UNPAUSES = "un-pauses the connection"
    CHANGES_SCHEDULE = "switches the connection to a manual schedule"
    SWITCHES_LATE = "switches the schedule after the sync has ended"
    RESTORES_SCHEDULE = "restores the schedule"
    RUNS_TESTS = "runs the setup tests"


TRIGGERS = frozenset({Tag.STARTS_SYNC, Tag.RESTARTS_SYNC, Tag.STARTS_RESYNC})

Ask = Callable[[Settings, Facts], Request]
Meaning = Callable[[Settings, Facts, Answer], Outcome[Any]]
Conclusion = Callable[[Settings, Facts], Outcome[Any]]
# From settings, facts and the seconds since the run began: seconds.
Lasting = Callable[[Settings, Facts, float], float]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Effect:
    """What a `does` state does.

    Attributes:
        name: As the charts have it.
        outcomes: Events that it, or an answer, may mean.
        tags: What promises about charts speak of.
        needs: The choice that it must come straight after, and that choice's value; or None.
    """

    name: str
    outcomes: tuple[Event, ...]
    tags: frozenset[Tag]
    needs: tuple[str, str] | None


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Call(Effect):
    """An effect that asks Fivetran.

    Attributes:
        method: HTTP method of the request.
        ask: Makes the request.
        mean: Says what the answer means.
    """

    method: str
    ask: Ask
    mean: Meaning


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Pure(Effect):
    """An effect that follows from the facts alone, in no time.

    Attributes:
        conclude: Says which event, and the new facts.
    """

    conclude: Conclusion


class Writing(Effect):
    """An effect that has the result written."""


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


_WRITING = Writing("write_report", (Event.REPORTED, Event.UNWRITABLE), frozenset(), None)
EFFECTS: dict[str, Call | Pure | Writing] = {_WRITING.name: _WRITING}
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
    (literal,) = get_args(function.__annotations__["return"])
    return get_args(literal)


def call(method: str, ask: Ask, *tags: Tag, needs: tuple[str, str] | None = None) -> Callable[[Meaning], Meaning]:
    """Register what an answer means as an effect that asks; the arguments are those of `Call`."""

    def register(mean: Meaning) -> Meaning:
        EFFECTS[mean.__name__] = Call(mean.__name__, _declared(mean), frozenset(tags), needs, method, ask, mean)
        return mean

    return register


def pure(*tags: Tag, needs: tuple[str, str] | None = None) -> Callable[[Conclusion], Conclusion]:
    """Register an effect that asks nothing; the arguments are those of `Pure`."""

    def register(conclude: Conclusion) -> Conclusion:
        EFFECTS[conclude.__name__] = Pure(conclude.__name__, _declared(conclude), frozenset(tags), needs, conclude)
        return conclude

    return register


def choice(of: Callable[[Settings, Facts], str]) -> Callable[[Settings, Facts], str]:
    """Register a choice by the name of its function."""
    CHOICES[of.__name__] = Choice(of.__name__, get_args(of.__annotations__["return"]), of)
    return of


def pause(lasts: Lasting) -> Lasting:
    """Register a pause by the name of its function."""
    PAUSES[lasts.__name__] = lasts
    return lasts
