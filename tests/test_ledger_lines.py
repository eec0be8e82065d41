"""What `make ledger` prints of a chart that has changed, here of STATUS."""

from dataclasses import replace

import ledger_lines
import pytest
from ledger import LEDGER
from ledger_lines import line, main, needed

from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load

CHART = load("STATUS")
ENTRIES = [entry for entry in LEDGER if entry.action == "STATUS"]


def _changed(state: str, **edges: str | None) -> Chart:
    """The chart with other edges of one state; None takes one away."""
    now = {**CHART.states[state].edges, **edges}
    kept = {event: target for event, target in now.items() if target is not None}
    return replace(CHART, states={**CHART.states, state: replace(CHART.states[state], edges=kept)})


def test_lines_are_those_of_the_ledger() -> None:
    """What is printed can stand in the ledger as it is."""
    written = (ledger_lines.HERE / "ledger.txt").read_text("utf-8").splitlines()

    assert [line(entry) for entry in LEDGER if line(entry) not in written] == []


def test_edge_less() -> None:
    """The line of an edge that is gone goes."""
    assert next(needed(_changed("disabling_schedule", refused=None), ENTRIES)) == (
        "- disabling_schedule        refused        showing                       0 get patch"
    )


def test_edge_led_elsewhere() -> None:
    """The line of an edge that leads elsewhere goes, and comes with the new target and what the run did."""
    found = list(needed(_changed("considering_errors", no="reporting"), ENTRIES))

    assert found[:2] == [
        "- considering_errors        no             considering_warnings          0 get patch",
        "+ considering_errors        no             reporting                     0 get patch",
    ]
    assert "tests/causes.py: no cause takes considering_warnings --no-->" in found[2]


def test_edge_more() -> None:
    """The line of an edge that has a cause comes as its run went."""
    entries = [entry for entry in ENTRIES if (entry.state, entry.event) != ("validating", "gave_up")]

    assert list(needed(CHART, entries)) == [
        "+ validating                gave_up        concluding                    6 get*8"
    ]


def test_edge_without_a_cause() -> None:
    """Of an edge that no cause takes it says so, and where the cause is to be written."""
    cause, edge = needed(_changed("considering_switch", perhaps="showing"), ENTRIES)

    assert cause.startswith("tests/causes.py: no cause takes considering_switch --perhaps-->: add the event to ")
    assert edge == "+ considering_switch        perhaps        showing                       ? ?"


def test_other_requests() -> None:
    """A line whose run makes other requests, or ends otherwise, goes and comes as it is now."""
    first, *others = ENTRIES

    assert list(needed(CHART, [first._replace(code=7, requests="get"), *others])) == [
        "- validating                ready          considering_switch            7 get",
        "+ validating                ready          considering_switch            0 get patch",
    ]


@pytest.mark.parametrize(("entries", "code"), [(ENTRIES, 0), (ENTRIES[1:], 1)], ids=["all", "one less"])
def test_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], entries: list[object], code: int
) -> None:
    """It ends with 0 where there is nothing to do, and says so; else with 1."""
    monkeypatch.setattr(ledger_lines, "ACTIONS", ("STATUS",))
    monkeypatch.setattr(ledger_lines, "LEDGER", entries)

    assert main() == code
    assert ("Nothing to do" in capsys.readouterr().out) == (code == 0)
