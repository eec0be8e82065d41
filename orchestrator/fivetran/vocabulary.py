"""The vocabulary of charts: what each event, pause, effect and choice means.

Documentation, the debugger and the reports use these words.
"""

from functools import lru_cache
from inspect import getdoc

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES, Call, Pure
from orchestrator.values.events import Event
from orchestrator.values.exchange import FAILURES

__all__ = ["meaning_of", "question_of", "raised_by"]

_EVENTS = frozenset(Event)
_DRIVER = (Event.WAITED, Event.TIMED_OUT, Event.TOO_LATE, Event.GAVE_UP, Event.INTERRUPTED, Event.TERMINATED)


@lru_cache
def meaning_of(name: str, kind: str | None = None) -> str:
    """What an effect, a pause, a choice or an event means, in a line; "" for a value of a choice.

    Args:
        name: Its name.
        kind: That of the state that names it: a choice may have the name of an effect.
    """
    if name in EFFECTS and kind != "chooses":
        effect = EFFECTS[name]
        function = effect.mean if isinstance(effect, Call) else effect.conclude if isinstance(effect, Pure) else None
        return _summary(function) if function else "Write the results."
    if name in CHOICES:
        return _summary(CHOICES[name].of)
    if name in PAUSES:
        return _summary(PAUSES[name])
    return Event(name).meaning if name in _EVENTS else ""


def question_of(choice: str) -> str:
    """What a choice asks, in a few words: what its meaning begins with; its name where there is no such choice."""
    question, mark, _ = meaning_of(choice, "chooses").partition("?") if choice in CHOICES else (choice, "", "")
    return question + mark


def raised_by(event: str) -> str:
    """Who raises an event: "effect", "client" or "driver"; "choice" for a value that one branches on."""
    if event in _DRIVER:
        return "driver"
    if event in FAILURES:
        return "client"
    return "effect" if event in _EVENTS else "choice"


def _summary(function: object) -> str:
    return (getdoc(function) or "").partition("\n")[0]
