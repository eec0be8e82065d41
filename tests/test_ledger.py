"""Every edge of every chart, end to end, against the ledger."""

from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from causes import armed_in, case
from stage import Stage

from orchestrator.loader import ACTIONS, load


class Entry(NamedTuple):
    """One line of the ledger."""

    action: str
    state: str
    event: str
    target: str
    code: int
    requests: str

    def __str__(self) -> str:
        return f"{self.action}-{self.state}-{self.event}"


def _read() -> list[Entry]:
    entries, action = [], ""
    for line in Path(__file__).with_name("ledger.txt").read_text("utf-8").splitlines():
        if line.startswith("["):
            action = line.strip("[]")
        elif line and not line.startswith("#"):
            state, event, target, code, *requests = line.split()
            entries.append(Entry(action, state, event, target, int(code), " ".join(requests)))
    return entries


LEDGER = _read()


def _collapsed(requests: list[str]) -> str:
    """Repetitions in a row as one with a plus sign."""
    return " ".join(name + ("+" if len(list(group)) > 1 else "") for name, group in groupby(requests))


@pytest.mark.parametrize("action", ACTIONS)
def test_each_edge_has_an_entry(action: str) -> None:
    """The ledger has one line for each edge of the chart, and none for what is no edge."""
    edges = sorted((state, event, target) for state, event, target in load(action).edges())

    entries = sorted((entry.state, entry.event, entry.target) for entry in LEDGER if entry.action == action)

    assert entries == edges


@pytest.mark.parametrize("entry", LEDGER, ids=str)
def test_edge(stage: Callable[..., Stage], entry: Entry) -> None:
    """The cause of the event takes the edge, and the world sees the requests, the exit code and the report."""
    cause = case(entry.action, entry.state, entry.event)
    here = stage(cause.scenario)
    observer = cause.observer(here, armed_in(entry.action, entry.state, entry.event))
    variables: dict[str, Any] = dict(cause.variables)

    played = here.play(entry.action, observer, **variables)

    taken = [step.target for step in played.steps if (step.source, step.event) == (entry.state, entry.event)]
    assert taken[:1] == [entry.target], played.stderr
    assert played.code == entry.code, played.stderr
    assert _collapsed(played.requests) == entry.requests
    if entry.event == "unwritable":
        assert played.report is None
    else:
        assert played.report is not None
        assert (played.report["exit_code"], played.report["state"]) == (entry.code, played.steps[-1].target)
