"""Every edge of every chart, end to end, against the ledger."""

from functools import partial

import pytest
from causes import operation
from ledger import LEDGER, Entry, play
from simulated_job import Simulate

from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load

pytestmark = pytest.mark.usefixtures("_undrawn")

# What becomes of each kind of request is played over HTTP once, whichever states make such requests.
_KINDS = {(operation(entry.action, entry.state), entry.event): entry for entry in reversed(LEDGER)}
OVER_HTTP = {entry for (asked, _), entry in _KINDS.items() if asked}


@pytest.mark.parametrize("action", ACTIONS)
def test_each_edge_has_an_entry(action: str) -> None:
    """The ledger has one line for each edge of the chart, and none for what is not an edge."""
    edges = sorted((state, event, target) for state, event, target in load(action).edges())

    entries = sorted((entry.state, entry.event, entry.target) for entry in LEDGER if entry.action == action)

    assert entries == edges


@pytest.mark.parametrize("entry", LEDGER, ids=str)
def test_edge(simulate: Simulate, entry: Entry) -> None:
    """The cause of the event takes the edge, and the world sees the requests, the exit code and the report."""
    played, world, target = play(entry, partial(simulate, over_http=entry in OVER_HTTP))

    assert target == entry.target, played.stderr
    assert world == entry.world, played.stderr
