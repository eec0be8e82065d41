"""What somebody may have meant."""

from itertools import count

import pytest

from orchestrator.values.suggestions import did_you_mean, near, sentence, unknown

KNOWN = ("START", "STATUS", "TEST")


@pytest.mark.parametrize(
    ("name", "meant"), [("STRAT", ["START"]), ("strat", ["START"]), ("Statu", ["STATUS"]), ("dance", []), ("", [])]
)
def test_the_nearest_name(name: str, meant: list[str]) -> None:
    """The known name that is most like the given one is found, whatever the case of the two."""
    assert near(name, KNOWN) == meant


def test_several_names() -> None:
    """As many as asked for are given, the likest first."""
    assert near("stat", KNOWN, 2) == ["START", "STATUS"]


def test_names_without_an_end() -> None:
    """However many names there are, and however long, the first of them are compared and then it ends."""
    endless = (f"{'x' * 990}{number}" for number in count())

    assert near(f"{'x' * 990}0", endless) == [f"{'x' * 990}0"]


def test_how_it_is_said() -> None:
    """It is said as a question, as a sentence of its own, or in brackets; or not at all."""
    assert did_you_mean("strat", KNOWN) == "did you mean START?"
    assert sentence(did_you_mean("strat", KNOWN)) == ". Did you mean START?"
    assert unknown("action", "strat", KNOWN) == "unknown action 'strat' (did you mean START?)"
    assert did_you_mean("dance", KNOWN) == sentence(did_you_mean("dance", KNOWN)) == ""
    assert unknown("action", "dance", KNOWN) == "unknown action 'dance'"
