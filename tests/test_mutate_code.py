"""The mutation of the code that decides: what it changes, and that it tells a survivor from the dead."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

pytest.importorskip("cosmic_ray", reason="make mutate-code installs it")

from mutate_code import ALIVE, DEAD, NONE, Reason, put_in_place, reasons, told
from mutations import Mutant, mutants

CODE = '''"""A module."""

from functools import lru_cache
from typing import NamedTuple

__all__ = ["Lift", "weight"]

MOST: int | None = 4


class Lift(NamedTuple):
    """A lift."""

    riders: int = 0

    @property
    def full(self) -> bool:
        """Whether nobody can get in."""
        return MOST is not None and self.riders >= MOST

    def enter(self, *, number: int = 1) -> "Lift":
        """The lift with more riders."""
        return self if self.full else Lift(self.riders + number)


@lru_cache
def weight(riders: int) -> int:
    """Of all."""
    known = {1, 2}
    for one in range(riders):
        if one not in known:
            continue
        known.add(one)
    return max(len(known), 80 * riders)
'''


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The module's file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lift.py").write_text(CODE, "utf-8")
    return "lift.py"


@pytest.fixture
def lift(path: str) -> Iterator[ModuleType]:
    """The module, imported."""
    module = ModuleType("lift")
    module.__file__ = path
    exec(compile(CODE, path, "exec"), vars(module))  # noqa: S102  # as an import does
    sys.modules["lift"] = module
    yield module
    del sys.modules["lift"]


def _one(path: str, now: str) -> Mutant:
    (found,) = [mutant for mutant in mutants(path) if mutant.change[1] == now]
    return found


EXPECTED = {
    "MOST: int | None = 5",
    "MOST: int | None = 3",
    "riders: int = 1",
    "return MOST is None and self.riders >= MOST",
    "return MOST is not None or self.riders >= MOST",
    "return MOST is not None and self.riders > MOST",
    "return MOST is not None and self.riders < MOST",
    "return self.riders >= MOST",
    "return MOST is not None",
    'def enter(self, *, number: int = 2) -> "Lift":',
    "return self if not self.full else Lift(self.riders + number)",
    "return self if self.full else Lift(self.riders - number)",
    "known = {1,}",
    "for one in []:",
    "if one in known:",
    "if not one not in known:",
    "break",
    "return min(len(known), 80 * riders)",
    "return max(len(known), 80 / riders)",
    "return max( 80 * riders)",
    "pass",
}  # fmt: skip


def test_decisions_are_changed(path: str) -> None:
    """Comparisons, conditions, constants, loops, arguments and statements are changed; types and names are not."""
    found = list(mutants(path))
    changed = {mutant.change for mutant in found}

    assert {now for _, now in changed} >= EXPECTED
    assert len(set(found)) == len(found)
    assert not [was for was, _ in changed if was.startswith(("__all__", "from", "class", "@", '"""'))]
    assert not [
        now for _, now in changed if "Nope" in now or "/, number" in now or ("int |" in now and "None" not in now)
    ]


def test_place_is_named_by_its_content(path: str) -> None:
    """A mutant says its function and what the line was and is; both stay when lines are put above it."""
    mutant = _one(path, "return MOST is not None and self.riders > MOST")

    assert (mutant.function, mutant.lines) == ("Lift.full", (17, 19))
    assert mutant.change[0] == "return MOST is not None and self.riders >= MOST"
    assert "+        return MOST is not None and self.riders > MOST" in mutant.diff
    assert mutant.diff.startswith(f"--- {path}:19\n")


@pytest.mark.parametrize(
    ("now", "full", "entered", "weight"),
    [
        ("MOST: int | None = 3", True, 3, 240),
        ("return MOST is not None and self.riders < MOST", True, 3, 240),
        ('def enter(self, *, number: int = 2) -> "Lift":', False, 5, 240),
        ("return min(len(known), 80 * riders)", False, 4, 2),
        ("riders: int = 1", False, 4, 240),
    ],
)
def test_mutant_takes_the_place_of_what_was_imported(
    path: str,
    lift: ModuleType,
    now: str,
    full: bool,  # noqa: FBT001  # parametrized
    entered: int,
    weight: int,
) -> None:
    """Who imported a function, a class or a constant has the mutant's from then on; what was remembered is gone."""
    imported, weigh = lift.Lift, lift.weight
    assert (imported(3).full, imported(3).enter().riders, weigh(3)) == (False, 4, 240)

    put_in_place(lift, _one(path, now).code)

    assert (imported(3).full, imported(3).enter().riders, weigh(3)) == (full, entered, weight)
    assert imported().riders == (1 if "riders: int" in now else 0)


def test_survivor_needs_a_reason(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A survivor without a reason is shown with what a reason has to name, and makes the exit code 1."""
    alive, dead = _one(path, "for one in []:"), _one(path, "if one in known:")
    reason = Reason(path, "weight", "for one in range(riders):", "for one in []:")

    codes = [told({alive: ALIVE, dead: DEAD}, known, whole=True) for known in ({}, {reason: "why"})]

    assert codes == [1, 0]
    out = capsys.readouterr().out
    assert f"{path}: 2 mutants, 1 killed by a test, 0 endless, 0 survive with a reason, 1 SURVIVE\n" in out
    assert "  function = 'weight'\n  was = 'for one in range(riders):'\n  now = ['for one in []:']\n" in out
    assert f"{path}: 2 mutants, 1 killed by a test, 0 endless, 1 survive with a reason, 0 SURVIVE\n" in out


def test_reason_must_be_needed(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A reason for what does not survive is named and makes the exit code 1, unless only a sample was judged."""
    dead, endless = _one(path, "for one in []:"), _one(path, "if one in known:")
    none = _one(path, "break")
    reason = Reason(path, dead.function, *dead.change)

    codes = [told({dead: DEAD, endless: -24, none: NONE}, {reason: "why"}, whole=whole) for whole in (True, False)]

    assert codes == [1, 0]
    out = capsys.readouterr().out
    assert "nothing survives any more in lift.py, weight, as for one in []:" in out
    assert "2 mutants, 1 killed by a test, 1 endless," in out


def test_each_reason_is_said_in_words() -> None:
    """Each reason is a sentence, and no mutant has two."""
    assert all(len(why) > 20 and why.endswith(".") for why in reasons().values())
