"""The mutation of the charts: what it makes, and that it tells a survivor from the dead."""

from collections import Counter
from pathlib import Path

import pytest
from ledger import LEDGER
from mutate import Mutant, judged, mutants, played, told

from orchestrator.loader import ACTIONS, load

ENTRY = next(entry for entry in LEDGER if str(entry) == "START-waiting-timed_out")


def test_each_edge_goes_everywhere() -> None:
    """Each edge of each state is taken away, and led to every state but its own target, each once."""
    found = list(mutants(ACTIONS))

    assert len(set(found)) == len(found)
    assert Counter((mutant.action, mutant.state, mutant.event) for mutant in found) == {
        (action, state, event): len(load(action).states)
        for action in ACTIONS
        for state, event, _ in load(action).edges()
    }
    assert not {(mutant.action, *mutant[1:]) for mutant in found} & {
        (action, *edge) for action in ACTIONS for edge in load(action).edges()
    }


def test_mutant_is_its_chart() -> None:
    """A mutant's chart differs from the action's in that edge alone."""
    original = load("STATUS")

    moved = Mutant("STATUS", "showing", "shown", "reporting").chart
    gone = Mutant("STATUS", "showing", "shown", "").chart

    assert set(original.edges()) ^ set(moved.edges()) == {
        ("showing", "shown", "concluding"),
        ("showing", "shown", "reporting"),
    }
    assert set(original.edges()) - set(gone.edges()) == {("showing", "shown", "concluding")}


@pytest.mark.parametrize(
    ("mutant", "death"),
    [
        (Mutant("START", "polling", "running", ""), "laws"),
        (Mutant("START", "triggering", "answer_lost", "triggering"), "no blind repetition"),
        (Mutant("START", "ending", "sync_failed", "access_denied"), "ledger"),
        (Mutant("START", "considering_running", "wait", "considering_conflict"), "target"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mutants_die(mutant: Mutant, death: str) -> None:
    """A mutant dies of the first thing that tells it from the chart."""
    assert judged(mutant) == death


def test_what_is_not_changed_survives(tmp_path: Path) -> None:
    """The chart as it is survives its own ledger, in fewer steps than are taken for endless."""
    assert played(ENTRY, load("START"), tmp_path) == ""


def test_endless_mutant_is_cut_by_steps(tmp_path: Path) -> None:
    """A run that never ends is cut off by the number of its steps, and dies of it."""
    endless = Mutant("START", "waiting", "timed_out", "polling").chart

    assert played(ENTRY, endless, tmp_path) == "ledger"


def test_survivor_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A survivor is named and makes the exit code 1; those that the target alone killed are named, and do not."""
    alive, dead = Mutant("TEST", "testing", "passed", "restoring"), Mutant("STATUS", "showing", "shown", "")

    codes = told({dead: "target"}), told({dead: "laws", alive: ""})

    assert codes == (0, 1)
    assert "1  SURVIVED\n         TEST: testing --passed--> leads to restoring\n" in capsys.readouterr().out
