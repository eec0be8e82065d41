"""The mutation of the charts: what it makes, and that it tells a survivor from the dead."""

import random
import re
from collections import Counter
from pathlib import Path

import pytest
from alter import ALIVE, PUT_IN, Altered, aims, altered, death
from ledger import LEDGER
from mutate import Mutant, judged, mutants, played, told, told_of_altered

from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load, structural_faults

pytestmark = pytest.mark.usefixtures("_undrawn")

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

    moved = Mutant("STATUS", "checking_age", "shown", "reporting").chart
    gone = Mutant("STATUS", "checking_age", "shown", "").chart

    assert set(original.edges()) ^ set(moved.edges()) == {
        ("checking_age", "shown", "concluding"),
        ("checking_age", "shown", "reporting"),
    }
    assert set(original.edges()) - set(gone.edges()) == {("checking_age", "shown", "concluding")}


@pytest.mark.parametrize(
    ("mutant", "death"),
    [
        (Mutant("START", "polling", "running", ""), "structure"),
        (Mutant("START", "triggering", "answer_lost", "triggering"), "no blind retry of a trigger"),
        (Mutant("START", "ending", "sync_failed", "access_denied"), "ledger"),
        (Mutant("START", "considering_running", "wait", "considering_conflict"), "target"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mutants_die(mutant: Mutant, death: str) -> None:
    """A mutant dies of the first thing that tells it from the chart."""
    assert judged(mutant) == death


@pytest.mark.parametrize("action", ACTIONS)
def test_chart_cannot_say_that_it_is_about_something_else(action: str) -> None:
    """A chart altered in what it says of its action is refused; what it prints may be anything, and it ends well."""
    for what, chart in aims(load(action)):
        found = death(Altered(action, what, chart))

        assert (found == ALIVE) is what.startswith("it prints"), (what, found)
        assert found in {ALIVE, "structure", "each action has its own trigger"}, (what, found)


def test_what_is_not_changed_survives(tmp_path: Path) -> None:
    """The chart as it is survives its own ledger, in fewer steps than are taken for endless."""
    assert played(ENTRY, load("START"), tmp_path) == ""


def test_endless_mutant_is_cut_by_steps(tmp_path: Path) -> None:
    """A run that never ends is cut off by the number of its steps, and dies of it."""
    endless = Mutant("START", "waiting", "timed_out", "polling").chart

    assert played(ENTRY, endless, tmp_path) == "ledger"


def test_survivor_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """A survivor is named and makes the exit code 1; those that the target alone killed are named, and do not."""
    alive, dead = Mutant("TEST", "testing", "passed", "restoring"), Mutant("STATUS", "checking_age", "shown", "")

    codes = told({dead: "target"}), told({dead: "structure", alive: ""})

    assert codes == (0, 1)
    assert "1  SURVIVED\n         TEST: testing --passed--> leads to restoring\n" in capsys.readouterr().out


# --- Altered charts -------------------------------------------------------------------------------

EVERY = {action: list(altered((action,))) for action in ("STATUS", "TEST")}


def test_each_state_is_given_each_operand() -> None:
    """Each state has every other operand in turn, and each is put in between; beginning and conclusion move."""
    whats = [one.what for one in EVERY["TEST"]]
    states = [name for name, state in load("TEST").states.items() if state.exit is None]

    assert all(f"begins with {name}" in whats and f"concludes with {name}" in whats for name in states)
    for operand in ("does write_report", "waits rescheduled_for", "chooses verdict"):
        assert any(what.startswith(f"testing {operand}, and then") for what in whats)
        assert any(re.match(rf"testing --passed--> {operand} -->", what) for what in whats)
    assert len(set(whats)) == len(whats)


def _early(action: str, event: str, at: str) -> Altered:
    """A chart that writes its results on an edge before the conclusion, with all that the state needs."""
    what = f"{at} --{event}--> does write_report --> "
    return next(one for one in EVERY[action] if one.what.startswith(what))


def test_results_before_the_conclusion_are_refused() -> None:
    """Results that would be written before there is a verdict are against the laws, and nothing else is."""
    early = _early("TEST", "passed", "testing")

    assert structural_faults(early.chart) == [
        f"{PUT_IN}: does 'write_report': there is no verdict to report before the conclusion"
    ]
    assert death(early) == "structure"


@pytest.mark.parametrize("action", EVERY)
def test_what_the_proofs_take_never_ends_with_70(action: str) -> None:
    """However a chart is altered, if laws and promises take it then it runs to an end that it has reported."""
    chosen = random.Random(1).sample(EVERY[action], 40)  # noqa: S311  # no secret; `make mutate` takes more
    found = [(one, death(one)) for one in chosen]

    assert told_of_altered(found) == 0
    assert ALIVE in {what for _, what in found}


def test_bug_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A chart that the proofs take and that ends with 70 is named, with the world and the error, and makes a 1."""
    monkeypatch.setattr("alter.structural_faults", lambda _: [])
    early = _early("TEST", "passed", "testing")

    code = told_of_altered([(early, death(early)), (early, "structure"), (early, ALIVE)])

    assert code == 1
    out = capsys.readouterr().out
    assert out.startswith("3 charts altered in other ways: 1 refused, 1 end well\n      1  END AS NONE MAY\n")
    assert "does write_report --> concluding: where all goes well, 70: " in out
