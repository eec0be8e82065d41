"""How old a look may be when a change follows it, and what is still sent when time is up."""

from dataclasses import replace
from typing import Any

import pytest
from fleet_oracles import judge_fleet
from playing_fleets import PlayedFleet, play_fleet
from worlds import Fleet, Trouble, World

from orchestrator.fivetran.effects.situation import FRESH
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.scheduler import HORIZON, SOON
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event
from orchestrator.values.exchange import Failure

pytestmark = pytest.mark.usefixtures("_undrawn")

LONG = {"FIVETRAN_TIMEOUT": "1800"}


def _fleet(count: int, variables: dict[str, str] = LONG, *, how: dict[str, Any], **scenario: Any) -> Fleet:
    world = World(0, "START", Scenario(variables=variables, **scenario))
    return Fleet(0, (world,) * count, parallel=count, **how)


def _ages(played: PlayedFleet, operation: str) -> list[float]:
    """Seconds from the look before each request of a kind to it."""
    ages = []
    for one in played.members.values():
        for sent in one.sent:
            before = [look.until for look in one.sent if look.answered and look.until <= sent.at and look is not sent]
            if sent.operation == operation and before:
                ages.append(sent.at - max(before))
    return ages


def _verdicts(played: PlayedFleet) -> set[str]:
    return {one.verdict for one in played.members.values()}


def test_changes_follow_their_look_soon() -> None:
    """Where requests are slow and senders few, no more looks are taken than changes can be sent after them in time."""
    played = play_fleet(_fleet(150, how={"senders": 4}, latency=0.5))

    patches, triggers = _ages(played, "patch"), _ages(played, "sync")
    assert (len(patches), len(triggers), _verdicts(played), judge_fleet(played)) == (150, 150, {"succeeded"}, [])
    assert max(patches) <= HORIZON + 1
    assert max(triggers) <= HORIZON + 1


def test_fast_enough_is_not_held_back() -> None:
    """Where all changes can be sent in time, one round of looks begins them all."""
    played = play_fleet(_fleet(150, how={}, latency=0.1))

    rounds = [one.at for one in played.posted if not one.whose]
    triggers = [one.at for one in played.posted if one.request.method == "POST"]
    assert _verdicts(played) == {"succeeded"}
    assert [at for at in rounds if at < max(triggers)] == rounds[:1]


def test_small_budget_begins_few() -> None:
    """Of an account with few requests left, each change is still sent straight after its look."""
    played = play_fleet(_fleet(8, how={"budget": 60, "limit": 60}, latency=0.1))

    assert (judge_fleet(played), max(_ages(played, "patch")) <= FRESH) == ([], True)


def test_long_hold_has_the_connection_looked_at_again() -> None:
    """What waited for longer than a look is fresh, since the account was to be left alone, is not sent on that look."""
    busy = Fault(on="patch", status=429, code="TooManyRequests", headers={"Retry-After": "75"})
    fleet = _fleet(12, how={"senders": 1, "troubles": (Trouble(0.0, 2.0, busy),)}, latency=0.5)

    played = play_fleet(fleet)

    assert (judge_fleet(played), _verdicts(played)) == ([], {"succeeded"})
    assert max(_ages(played, "patch")) <= FRESH
    assert all(sum(sent.operation == "get" for sent in one.sent) >= 3 for one in played.members.values())


def test_restoring_is_not_crowded_out() -> None:
    """When all syncs end at once, each schedule is put back, though there is time for that only after a look."""
    variables = {**LONG, "FIVETRAN_RESTORE_SCHEDULE": "1"}
    played = play_fleet(_fleet(120, variables, how={"senders": 2}, latency=0.5, syncs=(SyncPlan(lasts=200.0),)))

    types = {one.connection.members["schedule_type"] for one in played.members.values()}
    assert (_verdicts(played), types, judge_fleet(played)) == ({"succeeded"}, {"auto"}, [])
    assert not any("schedule" in warning for one in played.members.values() for warning in one.warnings)


@pytest.mark.parametrize("listed", [True, False])
def test_the_deadline_bounds_the_whole(listed: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """However many looks are still to be made at the deadline, the job ends within the last call's seconds."""
    variables = {"FIVETRAN_TIMEOUT": "60", "FIVETRAN_DONT_DISABLE_SYNC": "1"}
    refused = Fault(on="listing", status=403, code="Forbidden")
    hanging = Trouble(50.0, 500.0, Fault(on="listing" if listed else "get", does="hang"))
    troubles = (hanging,) if listed else (Trouble(0.0, 900.0, refused), hanging)
    fleet = _fleet(30, variables, how={"senders": 2, "troubles": troubles}, syncs=(SyncPlan(lasts=500.0),))

    played = play_fleet(fleet)

    assert (_verdicts(played), len(played.members), judge_fleet(played)) == ({"timed_out"}, 30, [])
    assert played.ended <= 60 + 5 + 0.1


def test_whose_turn_has_not_come_at_the_deadline_is_left_out() -> None:
    """Nothing is begun any more when time is up."""
    variables = {"FIVETRAN_TIMEOUT": "60", "FIVETRAN_DONT_DISABLE_SYNC": "1"}
    fleet = replace(_fleet(9, variables, how={}, syncs=(SyncPlan(lasts=500.0),)), parallel=2)

    played = play_fleet(fleet)

    assert (len(played.members), len(played.left_out), judge_fleet(played)) == (2, 7, [])
    assert played.ended <= 60 + 1


def test_what_is_left_for_the_next_seconds() -> None:
    """A budget says how much may be sent soon: anything while it is unknown, nothing while it is held back."""
    budget = Budget()
    assert budget.within(0.0, 10.0) == float("inf")
    budget = Budget(360)
    for _ in range(360):
        budget.spend(0.0)
    assert budget.within(0.0, 10.0) == pytest.approx(1.0)

    budget.ended(Failure(Event.RATE_LIMITED, "wait", retry_after=30.0), 0.0)

    assert budget.within(0.0, 10.0) == 0.0
    assert budget.within(25.0, 10.0) == pytest.approx(3.5)


@pytest.mark.parametrize("latency", [0.05, 0.5])
def test_each_end_is_noticed_within_an_interval(latency: float) -> None:
    """However the looks are spread, an end is noticed at most an interval, a quarter of it and two answers later."""
    scenarios = [
        Scenario(latency=latency, connection={"schedule_type": "manual"}, syncs=(SyncPlan(lasts=45 + place % 31),))
        for place in range(90)
    ]

    played = play_fleet(Fleet(0, tuple(World(0, "START", scenario) for scenario in scenarios), parallel=90))

    late = [one.ended - (one.connection.history[-1].ended_at or 0.0) for one in played.members.values()]
    assert (len(late), judge_fleet(played)) == (90, [])
    assert max(late) <= 10 * (1 + SOON) + 2 * latency
