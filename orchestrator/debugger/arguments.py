"""What stands after a command's name: how it is read, what may have been meant by it, how it is completed."""

import difflib
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from orchestrator.debugger.ports import Refusal
from orchestrator.debugger.session import Session

__all__ = ["count", "either", "near", "paths", "statuses", "stop"]

LIKE = 0.7  # how like a name must be to be what was meant, of 1


def count(text: str) -> int:
    """A whole number from 1.

    Raises:
        Refusal: It is none.
    """
    if not (text.isascii() and text.isdecimal()) or int(text) < 1:
        raise Refusal(f"{text!r} is no count: give a whole number from 1")
    return int(text)


def stop(session: Session, name: str) -> str:
    """A state, an event or the value of a choice.

    Raises:
        Refusal: The chart has none of that name.
    """
    if name.lower() not in session.stops:
        hint = near(name, session.stops)
        raise Refusal(f"no state or event of {session.chart.action} is called {name!r}: {hint}`draw` shows the states")
    return name.lower()


def near(name: str, known: Iterable[str]) -> str:
    """What may have been meant by a name, as a question; "" where nothing is like it."""
    found = difflib.get_close_matches(name.lower(), list(known), 2, LIKE)
    return f"did you mean {either(found)}? " if found else ""


def either(words: Iterable[str]) -> str:
    """Words, the last one after "or"."""
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


# --- What can be completed -----------------------------------------------------------------------


def paths(_: Session, word: str) -> Iterable[str]:
    """The files and folders that begin so."""
    return (f"{path}/" if Path(path).is_dir() else path for path in glob(f"{word}*"))  # noqa: PTH207  # as it is typed


def statuses(session: Session, word: str) -> Iterable[str]:
    """An answer's status, and then its file."""
    return ("200", "401", "403", "404", "409", "429", "500", "502", "503", *paths(session, word))
