"""The scheduler where more is to be sent than can be: slow senders, hanging ones, runs with less time."""

from collections.abc import Callable
from typing import Any

import pytest
from fleets import MANUAL, Fleet, alike, names

from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.exchange import Answer

LONG = Scenario(syncs=(SyncPlan(lasts=300.0),))
QUICK = Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=1.0),))


def test_look_that_leads_to_no_change_is_taken() -> None:
    """While changes queue up, a poll of a sync that goes on is taken all the same, and all come to their ends."""
    scenarios = {"z0": LONG, "z1": LONG, "z2": QUICK, "z3": QUICK} | alike(6, connection=MANUAL)
    fleet = Fleet(scenarios, most=1, timeout=1200.0)
    fleet.account.scenario = Scenario(latency=3.0)
    fleet.drive("z0", "z1", "z2", "z3", *names(6), parallel=4)

    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert [len(fleet.account.syncs(name)) for name in scenarios] == [1] * 10


def test_schedule_is_switched_on_a_fresh_look() -> None:
    """However slow the senders, no schedule is switched on a look that is older than half a minute."""
    fleet = Fleet(alike(30), most=2, timeout=3600.0)
    fleet.account.scenario = Scenario(latency=2.0)
    fleet.drive()

    looks = dict[str, float]()
    for _, name, step in fleet.steps:
        if step.operand == "disable_schedule" and step.answer is not None:
            assert step.began - looks[name] <= 30.0
        if step.answer is not None and step.answer.data.get("id") == name:
            looks[name] = step.at
    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert {len(fleet.account.asked("sync", name)) for name in names(30)} == {1}


def test_bug_in_a_look_while_changes_queue_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a look's effect raises ends that run alone, also where much is to be sent."""
    fleet = Fleet(alike(8), most=1, timeout=1200.0)
    fleet.account.scenario = Scenario(latency=3.0)
    settle = Run.settle

    def odd(run: Run, pending: Any, outcome: Any) -> Any:
        if run.settings.connector_id == "c006" and isinstance(outcome, Answer):
            raise ZeroDivisionError("odd")
        return settle(run, pending, outcome)

    monkeypatch.setattr(Run, "settle", odd)
    fleet.drive()

    assert fleet.bugs == {"c006": "odd"}
    assert fleet.verdicts == {name: "succeeded" for name in names(8) if name != "c006"}


@pytest.mark.parametrize("count", [2, 3, 6, 9])
def test_senders_that_hang_with_evidence_at_the_deadline(count: int) -> None:
    """Where all senders hang with evidence at the deadline, those in the queue do not wait for one another's turn."""
    bad = Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=1.0, ends="fails"),))
    hang = Fault(on="history", does="hang", times=0)
    fleet = Fleet(dict.fromkeys(names(count), bad), hang, most=2, timeout=60.0, http_timeout=1000.0).drive()

    assert set(fleet.ends) == set(names(count))
    assert max(at for at, _ in fleet.ends.values()) <= 60.0 + 5.0 + 10.0 + 1.0


def with_less_time(fleet: Fleet, name: str, seconds: float) -> Fleet:
    """The same, where one of the runs has less time."""
    begin: Callable[[str], Run] = fleet.begin

    def shorter(connector_id: str) -> Run:
        run = begin(connector_id)
        if connector_id == name:
            run.standing = run.standing._replace(deadline=seconds)
        return run

    fleet.begin = shorter  # type: ignore[method-assign]
    return fleet


def test_run_with_less_time_than_the_others() -> None:
    """A run whose time is up before a page comes that others wait for ends then, and the page is for the others."""
    slow = Fault(on="listing", does="slow", answers_in=40.0)
    fleet = with_less_time(Fleet(alike(6), slow, http_timeout=100.0), "c000", 20.0).drive()

    assert fleet.verdicts == {"c000": "timed_out"} | dict.fromkeys(names(6)[1:], "succeeded")
    assert 20.0 <= fleet.ends["c000"][0] <= 26.0


def test_look_that_nobody_waits_for_any_more() -> None:
    """Of a run whose time is up before its look could be sent, nothing is sent."""
    slow = Fault(on="get", does="slow", answers_in=40.0)
    fleet = with_less_time(Fleet(alike(3), slow, most=1, http_timeout=100.0), "c001", 20.0).drive()

    assert fleet.verdicts == {"c000": "succeeded", "c001": "timed_out", "c002": "succeeded"}
    assert 20.0 <= fleet.ends["c001"][0] <= 26.0
    assert fleet.account.asked("get", "c001") == []


def test_evidence_that_finds_no_sender_in_time() -> None:
    """A run whose time is up while others hang in all senders ends without its evidence."""
    bad = Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=1.0, ends="fails"),))
    hang = Fault(on="history", does="hang", times=0)
    fleet = Fleet(dict.fromkeys(names(6), bad), hang, most=2, timeout=90.0, http_timeout=1000.0)
    with_less_time(fleet, "c005", 30.0).drive()

    assert set(fleet.ends) == set(names(6))
    assert 30.0 <= fleet.ends["c005"][0] <= 50.0
    assert fleet.account.asked("history", "c005") == []
    assert min(fleet.ends[name][0] for name in names(5)) >= 90.0


def test_last_look_of_a_run_is_made_though_all_is_held_back() -> None:
    """What a 429 holds back, and the verdict depends on, is asked for when its run has no time left."""
    bad = Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=1.0, ends="fails"),))
    fleet = Fleet(dict.fromkeys(names(2), bad), timeout=3000.0)

    def hold(run: Run, step: Step) -> None:
        if run.settings.connector_id == "c000" and step.operand == "poll_sync":
            fleet.budget.held_until = 500.0

    fleet.on_step = hold
    with_less_time(fleet, "c000", 60.0).drive()

    assert fleet.verdicts == dict.fromkeys(names(2), "sync_failed")
    (history,) = fleet.account.asked("history", "c000")
    assert history.at - 1_800_000_000.0 == pytest.approx(60.0)


def test_many_with_few_senders() -> None:
    """Two hundred connections over two slow senders: each has one trigger, and none is lost or given up."""
    fleet = Fleet(alike(200), most=2, timeout=7200.0)
    fleet.account.scenario = Scenario(latency=1.0)
    fleet.drive(parallel=100)

    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert {len(fleet.account.asked("sync", name)) for name in names(200)} == {1}
