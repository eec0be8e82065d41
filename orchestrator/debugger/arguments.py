"""The arguments of commands: how they are parsed and completed."""

import re
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from orchestrator.debugger.ports import Refusal
from orchestrator.debugger.session import Session
from orchestrator.values.formatting import either
from orchestrator.values.suggestions import near

__all__ = ["count", "known", "paths", "statuses"]

LIKE = 0.7  # how like a name must be to be what was meant, of 1


def count(text: str) -> int:
    """A whole number from 1.

    Raises:
        Refusal: It is none.
    """
    if not re.fullmatch("[0-9]{1,9}", text) or int(text) < 1:
        raise Refusal(f"{text!r} is not a whole number from 1")
    return int(text)


def known(name: str, names: Iterable[str], what: str, otherwise: str) -> str:
    """One of these names, in whatever case it was typed.

    Raises:
        Refusal: It is none of them; `what` it is, and what to do `otherwise`.
    """
    lower, names = name.lower(), list(names)
    if lower not in names:
        meant = near(lower, names, 2, LIKE)
        hint = f"Did you mean {either(meant)}? " if meant else ""
        raise Refusal(f"there is no {what} {name!r}. {hint}{otherwise}")
    return lower


def paths(_: Session, word: str) -> Iterable[str]:
    """The files and folders that begin so."""
    return (f"{path}/" if Path(path).is_dir() else path for path in glob(f"{word}*"))  # noqa: PTH207  # as it is typed


def statuses(session: Session, word: str) -> Iterable[str]:
    """An answer's status, and then its file."""
    return ("200", "401", "403", "404", "409", "429", "500", "502", "503", *paths(session, word))
