"""The campaign's fleets: a run in one ends as it does alone, and planted faults of the scheduler are found."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import playing_fleets
import pytest
from fleet_oracles import judge_fleet
from playing import Played, play
from playing_fleets import play_fleet
from shrinking import shrunk_fleet, written_fleet
from worlds import Fleet, Trouble, World, make, make_fleet, together

from orchestrator.fleet import scheduler as scheduling
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.reader import Reader, Round
from orchestrator.fleet.scheduler import Scheduler
from orchestrator.machine.run import Run
from orchestrator.machine.transition import Pending
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

pytestmark = pytest.mark.usefixtures("_undrawn")


def _told(played: Played) -> tuple[Any, ...]:
    began = played.began
    asked = [(sent.operation, round(sent.at - began, 6), round(sent.until - began, 6)) for sent in played.sent]
    return played.code, played.verdict, round(played.ended - began, 6), asked


@pytest.mark.parametrize("chunk", range(4))
def test_alone_in_a_fleet(chunk: int) -> None:
    """A fleet of one does what the run of a single connection does in the same world, request by request."""
    for seed in range(chunk * 60, chunk * 60 + 60):
        world = replace(make(seed), kills=())

        played = play_fleet(Fleet(seed, (world,)))

        assert _told(played.members["member_00"]) == _told(play(world)), f"world {seed}"


@pytest.mark.parametrize("chunk", range(4))
def test_among_others_without_shared_faults(chunk: int) -> None:
    """Where nothing is wrong with the account, each of several ends as it does alone, after as many triggers.

    Its looks come up to half an interval later: so nothing happens between two looks that decides by coming first.
    """
    compared = 0
    for seed in range(chunk * 8, chunk * 8 + 8):
        worlds = together(tuple(replace(make(100 * seed + place, "START"), signal=None) for place in range(6)))
        variables = {**worlds[0].scenario.variables, "FIVETRAN_TIMEOUT": "3600"}
        members = tuple(replace(one, scenario=_calm(one.scenario, variables)) for one in worlds)

        played = play_fleet(Fleet(seed, members))

        for name, one in played.members.items():
            alone = play(one.world)
            posts = [len([sent for sent in each.sent if sent.operation == "sync"]) for each in (one, alone)]
            assert (one.verdict, posts[0]) == (alone.verdict, posts[1]), f"fleet {seed}, {name}"
            compared += 1
    assert compared == 48


def _calm(scenario: Scenario, variables: Mapping[str, str]) -> Scenario:
    """The scenario without faults and without syncs that nobody asked for."""
    plain: dict[str, Any] = {"fails_inside": None, "shows_after": 0.0, "retries_in": None}
    plans = tuple(
        replace(plan, **plain, lasts=plan.lasts + 100.0, ends="fails" if plan.ends == "reschedules" else plan.ends)
        for plan in scenario.syncs
    )
    less = replace(scenario, faults=(), others=(), running=None, skew=0.0, overdue=False, clashes=False, syncs=plans)
    return replace(less, unpausing_starts=False, variables=variables)


def test_fleets_differ_in_everything() -> None:
    """Every member of a fleet and of a trouble takes more than one value, and the same number makes the same fleet."""
    many = [make_fleet(seed) for seed in range(300)]
    for kind, made in ((Fleet, many), (Trouble, [trouble for fleet in many for trouble in fleet.troubles])):
        fixed = {name for name in kind.__dataclass_fields__ if len({str(getattr(one, name)) for one in made}) == 1}

        assert fixed == set()
    assert make_fleet(3) == make_fleet(3)
    assert {len(fleet.members) for fleet in many} == {1, 2, 3, 4, 5, 6, 8, 12, 20}


# --- Planted faults -------------------------------------------------------------------------------

PATIENT = {"FIVETRAN_DONT_DISABLE_SYNC": "1"}


def _fleet(count: int = 6, variables: Mapping[str, str] = PATIENT, **how: Any) -> Fleet:
    """Connections that sync for a minute or so each."""
    scenarios = [
        Scenario(variables=variables, latency=0.3, syncs=(SyncPlan(lasts=40.0 + 3 * place),)) for place in range(count)
    ]
    return Fleet(0, tuple(World(0, "START", scenario) for scenario in scenarios), **how)


class Stale(Round):
    """Hands out what an earlier round was answered."""

    known: ClassVar[dict[str, Any]] = {}

    def _page(self, outcome: Any) -> Iterator[Any]:
        found = list(super()._page(outcome))
        remembered, Stale.known = Stale.known, {**Stale.known, **dict(found)}
        for connector_id, answer in found:
            yield connector_id, remembered.get(connector_id, answer)


class Twice(Scheduler):
    """Sends each trigger twice."""

    def _sent(self, run: Run, pending: Pending) -> None:
        super()._sent(run, pending)
        if pending.request is not None and pending.request.method == "POST":
            super()._sent(run, pending)


class Forgetful(Scheduler):
    """Forgets a run that waits for a document."""

    def _open_round(self, now: float) -> None:
        if len(self._reads) == 4:
            self._reads.pop()
        super()._open_round(now)


class Impatient(Scheduler):
    """Asks for the listing as often as it can."""

    def _open_round(self, now: float) -> None:
        self._next_round = -math.inf
        super()._open_round(now)


class Generous(Scheduler):
    """Begins all runs at once."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{**options, "parallel": None})


class Crowded(Scheduler):
    """Looks at all connections, whether or not their changes can be sent soon."""

    def _crowded(self) -> bool:
        return False


class Deaf(Budget):
    """Does not wait after a 429."""

    def ended(self, *_: Any) -> None:
        """Take no note."""


class Idle(Scheduler):
    """Does not heed a signal."""

    def _heed_signal(self) -> None:
        pass


BUSY = Fault(status=429, code="TooManyRequests", headers={"Retry-After": "20"})
SWITCHING = {"FIVETRAN_TIMEOUT": "900"}
SIGNALLED = tuple(replace(world, signal=(20.0, "terminated")) for world in _fleet().members)


def _planted(patch: pytest.MonkeyPatch, *faults: tuple[Any, str, Any]) -> None:
    for where, name, fault in faults:
        patch.setattr(where, name, fault)


PLANTED: dict[str, tuple[Any, Callable[[pytest.MonkeyPatch], None], str]] = {
    "a reader that hands out stale documents": (
        _fleet(),
        lambda patch: patch.setattr(scheduling, "Round", Stale),
        "stale document",
    ),
    "a trigger sent twice": (
        _fleet(),
        lambda patch: patch.setattr(playing_fleets, "Scheduler", Twice),
        "one at a time",
    ),
    "a run that is forgotten": (_fleet(), lambda patch: patch.setattr(playing_fleets, "Scheduler", Forgetful), "crash"),
    "too many rounds": (
        _fleet(),
        lambda patch: _planted(patch, (playing_fleets, "Scheduler", Impatient), (Reader, "lists", lambda *_: True)),
        "rounds",
    ),
    "too many at once": (
        _fleet(parallel=3),
        lambda patch: patch.setattr(playing_fleets, "Scheduler", Generous),
        "parallel",
    ),
    "a budget that does not heed 429": (
        _fleet(troubles=(Trouble(0.0, 0.8, replace(BUSY, on="sync")),)),
        lambda patch: patch.setattr(playing_fleets, "Budget", Deaf),
        "held back",
    ),
    "changes long after their look": (
        _fleet(80, SWITCHING, senders=1, parallel=80),
        lambda patch: _planted(
            patch, (playing_fleets, "Scheduler", Crowded), (scheduling, "_too_old", lambda *_: None)
        ),
        "stale change",
    ),
    "a signal that is not heeded": (
        Fleet(0, SIGNALLED, troubles=(Trouble(10.0, 60.0, Fault(does="hang")),)),
        lambda patch: patch.setattr(playing_fleets, "Scheduler", Idle),
        "signal",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_planted_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the scheduler must not do is found when it is made to do it, and not before."""
    fleet, plant, oracle = PLANTED[name]
    assert judge_fleet(play_fleet(fleet)) == []

    plant(monkeypatch)

    assert oracle in {finding.oracle for finding in judge_fleet(play_fleet(fleet))}


def test_violation_is_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a fleet in which something goes wrong those are left that it needs, and it is written down."""
    monkeypatch.setattr(playing_fleets, "Budget", Deaf)
    troubles = (Trouble(10.0, 3.0, BUSY), Trouble(100.0, 5.0, Fault(does="slow")))
    fleet = replace(make_fleet(3, "START"), troubles=troubles, members=_fleet().members, strangers=5, kills=())

    def still(one: Fleet) -> bool:
        return any(finding.oracle == "held back" for finding in judge_fleet(play_fleet(one)))

    small = shrunk_fleet(fleet, still)

    assert (len(small.members), len(small.troubles), small.strangers) == (2, 1, 0)
    assert "Retry-After" in written_fleet(small, ["so small"])
