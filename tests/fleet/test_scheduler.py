"""The scheduler, with real charts against a simulated account on a virtual clock."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from fleets import MANUAL, Fleet, alike, names

from orchestrator.fivetran.effects.situation import get_connection
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.machine.transition import Pending
from orchestrator.simulator.app import Arrival
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts


def test_a_listing_answers_for_all() -> None:
    """Forty syncs of a minute take two requests each for the changes, and hardly more than a listing a look for all."""
    fleet = Fleet(alike(40)).drive()

    kinds = {kind: len(fleet.account.asked(kind)) for kind in ("patch", "sync", "get", "listing")}
    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert (kinds["patch"], kinds["sync"]) == (40, 40)
    assert kinds["get"] + kinds["listing"] <= 3 * 60 / 10


def test_rounds_are_half_an_interval_apart() -> None:
    """However many runs wait, and whenever their turns come, a listing is asked for twice an interval at most."""
    scenarios = {name: Scenario(syncs=(SyncPlan(lasts=10.0 + at),)) for at, name in enumerate(names(60))}
    fleet = Fleet(scenarios, poll_interval=10.0).drive(parallel=50)

    times = fleet.times("listing")
    assert len(times) > 5
    assert min(b - a for a, b in pairwise(times)) >= 5.0 - 1e-6


@pytest.mark.parametrize("seconds", [0.0, 2.0, 7.0, 20.0])
@pytest.mark.parametrize("page", [1_000, 10])
def test_no_run_decides_on_what_was_read_before_its_trigger(seconds: float, page: int) -> None:
    """However slow the listing and however many its pages, what decides was asked for after the run's own trigger."""
    slow = Fault(on="listing", does="slow", answers_in=seconds, times=0)
    scenarios = {name: Scenario(syncs=(SyncPlan(lasts=3.0 * at),)) for at, name in enumerate(names(30))}
    fleet = Fleet(scenarios, slow, page=page, timeout=1200.0).drive(parallel=12)

    assert set(fleet.verdicts.values()) == {"succeeded"}
    triggers = {name: fleet.asked_at(step) for _, name, step in fleet.steps if step.operand == "trigger_sync"}
    polls = [
        (name, fleet.asked_at(step)) for _, name, step in fleet.steps if step.operand == "poll_sync" and step.answer
    ]
    assert len(polls) >= 30
    assert [name for name, at in polls if at < triggers[name]] == []


def test_triggers_are_spread_over_a_second() -> None:
    """Fifty triggers do not arrive at once: a second passes between the first and the last."""
    fleet = Fleet(alike(50)).drive(parallel=50)

    times = sorted(fleet.times("sync"))
    assert times[-1] - times[0] >= 0.9
    assert max(b - a for a, b in pairwise(times)) <= 0.1


def test_no_more_than_so_many_at_once() -> None:
    """Of seven with FIVETRAN_MAX_PARALLEL=3, three sync at once, and the others follow in their order."""
    fleet = Fleet(alike(7), timeout=3600.0).drive(parallel=3)

    assert fleet.begun == names(7)
    most = 0
    for name in fleet.account.connections:
        (sync,) = fleet.account.syncs(name)
        others = [one for other in names(7) for one in fleet.account.syncs(other)]
        most = max(most, sum(one.starts_at <= sync.starts_at < (one.ended_at or math.inf) for one in others))
    assert most == 3
    assert set(fleet.verdicts.values()) == {"succeeded"}


def test_few_connections_are_read_by_themselves() -> None:
    """Three connections are read one by one, when each is due, and no listing is asked for."""
    fleet = Fleet(alike(3)).drive()

    assert fleet.account.asked("listing") == []
    assert set(fleet.verdicts.values()) == {"succeeded"}


def test_changes_come_first() -> None:
    """With one request at a time, all triggers that are due are sent before a poll that is due as well."""
    scenarios = alike(8, connection=MANUAL, latency=0.5)
    fleet = Fleet(scenarios, most=1, timeout=600.0)
    fleet.account.scenario = Scenario(latency=0.5)
    fleet.drive()

    order = [each.operation for each in fleet.account.seen]
    last_trigger = max(at for at, kind in enumerate(order) if kind == "sync")
    assert order[last_trigger - 7 : last_trigger + 1] == ["sync"] * 8


def test_polls_come_before_evidence() -> None:
    """With one request at a time, the evidence of a failure waits until the poll that is due was sent."""
    scenarios = alike(9, connection=MANUAL) | {
        "bad1": Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=1.0, ends="fails"),)),
        "bad2": Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=1.0, ends="fails"),)),
    }
    fleet = Fleet(scenarios, most=1, timeout=600.0)
    fleet.account.scenario = Scenario(latency=3.0)
    fleet.drive()

    kinds = [each.operation for each in fleet.account.seen]
    assert fleet.verdicts["bad1"] == "sync_failed"
    assert {"history", "errors"} & set(kinds)
    first = next(at for at, kind in enumerate(kinds) if kind in {"history", "errors"})
    assert "sync" not in kinds[first:]


def test_bug_of_one_run_ends_it_alone() -> None:
    """What an effect, a consumer or the end of one run raises is told of that run, and the others go on."""
    fleet = Fleet(alike(6))

    def on_step(run: Run, step: Step) -> None:
        where = {"c001": "validate_connection", "c002": "trigger_sync"}.get(run.settings.connector_id)
        if step.operand == where:
            raise ZeroDivisionError(run.settings.connector_id)

    def on_end(run: Run) -> None:
        if run.settings.connector_id == "c003":
            raise ZeroDivisionError("at the end")

    fleet.on_step, fleet.on_end = on_step, on_end
    fleet.drive()

    assert set(fleet.bugs) >= {"c002", "c003"}
    assert {name for name, verdict in fleet.verdicts.items() if verdict == "succeeded"} >= {"c000", "c004", "c005"}
    assert fleet.scheduler.active == set()


def test_bug_where_a_run_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that cannot be begun is told of, and a request that cannot be made ends its run alone."""
    fleet = Fleet(alike(5))
    begin, run_begin = fleet.begin, Run.begin

    def failing(connector_id: str) -> Run:
        if connector_id == "c000":
            raise ZeroDivisionError("no run")
        return begin(connector_id)

    def odd(run: Run) -> Any:
        name, asks = run.settings.connector_id, run.request
        if name == "c001" and asks is not None and asks.method == "GET":
            raise ZeroDivisionError("no look")
        if name == "c002" and asks is not None and asks.method == "PATCH":
            raise ZeroDivisionError("no change")
        return run_begin(run)

    fleet.begin = failing  # type: ignore[method-assign]
    monkeypatch.setattr(Run, "begin", odd)
    fleet.drive()

    assert fleet.bugs == {"c000": "no run", "c001": "no look", "c002": "no change"}
    assert fleet.verdicts == dict.fromkeys(("c003", "c004"), "succeeded")


def test_bug_of_all_that_wait_for_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no run can say what it asks, no round is begun, and all of them end."""
    fleet = Fleet(alike(5))

    def odd(_: Run) -> Any:
        raise ZeroDivisionError("no look")

    monkeypatch.setattr(Run, "begin", odd)
    fleet.drive()

    assert (fleet.bugs, fleet.account.seen) == (dict.fromkeys(names(5), "no look"), [])


# --- The budget ------------------------------------------------------------------------------------


def test_budget_spaces_polls() -> None:
    """With a small budget polls are rarer, so that it lasts, and all runs get to their ends."""
    fleet = Fleet(alike(10, syncs=(SyncPlan(lasts=1200.0),)), per_hour=120.0, timeout=3000.0).drive()

    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert len(fleet.account.seen) <= 120 * (1 + 3000 / 3600)


def test_small_budget_does_not_stop_a_large_fleet() -> None:
    """What the queue will need is kept for it, but never so much that those under way are not looked at any more."""
    fleet = Fleet(alike(150, connection=MANUAL), per_hour=60.0, timeout=3600.0).drive(parallel=5)

    done = [name for name, verdict in fleet.verdicts.items() if verdict == "succeeded"]
    assert len(done) >= 40
    assert len(fleet.account.seen) <= 60 + 60 + 16


def test_evidence_does_not_wait_for_the_queue() -> None:
    """A run that has failed gets its evidence though the queue may need all of the budget: it makes room for others."""
    bad = Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=5.0, ends="fails"),))
    scenarios = dict.fromkeys(names(5), bad) | {f"d{at}": Scenario(connection=MANUAL) for at in range(200)}
    fleet = Fleet(scenarios, per_hour=400.0, timeout=1800.0).drive(parallel=5)

    assert [fleet.verdicts[name] for name in names(5)] == ["sync_failed"] * 5
    assert max(fleet.ends[name][0] for name in names(5)) < 120.0
    assert len(fleet.account.asked("history")) >= 5


def test_429_holds_all_back() -> None:
    """After a 429 nothing at all is sent until its Retry-After is over, and then all succeed."""
    fault = Fault(on="sync", skip=3, status=429, code="RateLimit", message="Max", headers={"Retry-After": "30"})
    fleet = Fleet(alike(12), fault).drive()

    refused = fleet.times("sync")[3]
    assert [each for each in (at - refused for at, _ in fleet.wire.sent) if 1e-6 < each < 30.0 - 1e-6] == []
    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert {len(fleet.account.syncs(name)) for name in names(12)} == {1}


def test_deadline_while_held_back() -> None:
    """A 429 that asks for longer than there is time: at the deadline all end, and no trigger is sent late."""
    fault = Fault(on="sync", skip=3, times=0, status=429, code="RateLimit", headers={"Retry-After": "5000"})
    fleet = Fleet(alike(8), fault, timeout=100.0).drive()

    assert set(fleet.ends) == set(names(8))
    assert max(at for at, _ in fleet.ends.values()) <= 120.0
    assert [at for at in fleet.times("sync") if at >= 100.0] == []


def test_deadline_while_queued_for_the_budget() -> None:
    """Changes that wait for the budget are not sent after the deadline, and their runs say that time ran out."""
    fleet = Fleet(alike(10), per_hour=5.0, timeout=60.0).drive()

    assert set(fleet.ends) == set(names(10))
    late = [name for name, verdict in fleet.verdicts.items() if verdict != "succeeded"]
    assert len(late) >= 8
    assert {fleet.verdicts[name] for name in late} <= {"timed_out", "gave_up"}
    assert [at for at in (*fleet.times("sync"), *fleet.times("patch")) if at >= 60.0] == []
    assert max(at for at, _ in fleet.ends.values()) <= 80.0


def test_deadline_with_all_senders_busy() -> None:
    """Where every sender hangs at the deadline, the runs in the queue end as soon as there is room."""
    fleet = Fleet(alike(6), Fault(on="patch", does="hang", times=0), most=2, timeout=40.0, http_timeout=30.0).drive()

    assert set(fleet.ends) == set(names(6))
    assert max(at for at, _ in fleet.ends.values()) <= 80.0


def test_nothing_is_begun_after_the_deadline() -> None:
    """Connections whose turn has not come at the deadline are not begun, nor looked at."""
    scenarios = alike(9, syncs=(SyncPlan(lasts=1000.0),))
    fleet = Fleet(scenarios, timeout=50.0).drive(parallel=2)

    assert fleet.begun == names(2)
    assert fleet.verdicts == dict.fromkeys(names(2), "timed_out")
    assert list(fleet.scheduler.waiting) == []


# --- Signals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0.0, 0.05, 0.3, 0.6, 1.0, 3.0, 6.0, 11.0, 61.0])
@pytest.mark.parametrize(
    "fault",
    [
        None,
        Fault(on="listing", does="hang", times=0),
        Fault(on="get", does="hang", times=0),
        Fault(on="sync", does="hang", times=0),
    ],
)
def test_signal_at_any_moment(at: float, fault: Fault | None) -> None:
    """A signal ends every run within two seconds, whatever it is doing, and nothing is begun after it."""
    scenarios = alike(20) | {"bad": Scenario(syncs=(SyncPlan(lasts=0.1, ends="fails"),))}
    fleet = Fleet(scenarios, *([fault] if fault else []), http_timeout=30.0)
    fleet.account.scenario = Scenario(latency=0.2)

    def signal() -> None:
        fleet.noted = Event.TERMINATED

    fleet.account.later.append((at, signal))
    fleet.drive(parallel=8)

    assert set(fleet.ends) == set(fleet.begun)
    assert fleet.scheduler.active == set()
    late = [name for name, (when, _) in fleet.ends.items() if when > at + 2.0]
    assert late == []
    assert [name for _, name, step in fleet.steps if step.operand in fleet.chart.triggers and step.began > at] == []


def test_signal_lets_what_is_shielded_end() -> None:
    """A signal that comes while a schedule is restored lets that end: it is not cut off, and not sent twice."""
    fleet = Fleet(alike(5), restore_schedule="before")
    fleet.account.scenario = Scenario(latency=0.3)

    def meddle(arrival: Arrival) -> None:
        if arrival.operation == "patch" and arrival.body.get("schedule_type") == "auto":
            fleet.noted = Event.INTERRUPTED

    fleet.account.meddle = meddle
    fleet.drive()

    restored = [each.identity for each in fleet.account.asked("patch") if each.body["schedule_type"] == "auto"]
    assert restored
    assert len(restored) == len(set(restored))
    assert {fleet.verdicts[name] for name in restored} == {"succeeded"}
    assert {fleet.account.connections[name].document()["schedule_type"] for name in restored} == {"auto"}


@pytest.mark.parametrize("count", [3, 8])
def test_signal_waits_for_a_look_that_is_shielded(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """A look that no signal may cut off, which a user's own chart can have, is still sent and answered."""
    fleet = Fleet(alike(count), most=1)
    fleet.account.scenario = Scenario(latency=0.2)
    begin = Run.begin

    def shielded(run: Run) -> Pending | Step:
        pending = begin(run)
        if isinstance(pending, Pending) and run.settings.connector_id == "c001":
            return pending._replace(interruptible=False)
        return pending

    def signal() -> None:
        fleet.noted = Event.TERMINATED

    monkeypatch.setattr(Run, "begin", shielded)
    fleet.account.later.append((0.1, signal))
    fleet.drive()

    assert fleet.verdicts == dict.fromkeys(names(count), "terminated")
    assert fleet.bugs == {}
    assert len(fleet.account.asked("get", "c001")) <= 1
    assert max(at for at, _ in fleet.ends.values()) <= 2.0


def test_signal_before_the_first_run() -> None:
    """A signal that was there before begins nothing at all."""
    fleet = Fleet(alike(5))
    fleet.noted = Event.INTERRUPTED
    fleet.drive()

    assert (fleet.begun, fleet.account.seen) == ([], [])


# --- Failures of the listing ---------------------------------------------------------------------


def test_missing_connections_are_asked_for() -> None:
    """A connection that no page of the listing has is asked for by itself, and ends as Fivetran says."""
    fleet = Fleet(alike(9) | {"unknown": Scenario(exists=False)}).drive()

    assert fleet.verdicts["unknown"] == "not_found"
    assert len(fleet.account.asked("get", "unknown")) == 1
    assert {verdict for name, verdict in fleet.verdicts.items() if name != "unknown"} == {"succeeded"}


def test_forbidden_listing() -> None:
    """Where the key may not list connections, each is read by itself, and that is said once."""
    fleet = Fleet(alike(6), Fault(on="listing", times=0, status=403, code="Forbidden", message="No access")).drive()

    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert len(fleet.account.asked("listing")) == 1
    assert len(fleet.warned) == 1
    assert "403 Forbidden: No access" in fleet.warned[0]


def test_outage_of_the_listing() -> None:
    """While the listing cannot be had, each run waits for it with a back-off, and none gives up after its trigger."""
    fleet = Fleet(alike(6), Fault(on="listing", skip=3, times=4)).drive()

    assert set(fleet.verdicts.values()) == {"succeeded"}
    assert any(step.failure is not None for _, _, step in fleet.steps)
    assert fleet.warned == []


def test_actions_without_a_trigger() -> None:
    """STATUS of many takes one listing and a single check, where the schedules are left alone."""
    fleet = Fleet(alike(30), action="STATUS", keep_schedule=True).drive()

    assert set(fleet.verdicts.values()) == {"shown"}
    assert [each.operation for each in fleet.account.seen] == ["listing", "get"]


def test_request_of_the_reader_is_that_of_a_run() -> None:
    """What the reader asks a connection for by itself is what a run would have asked."""
    fleet = Fleet(alike(2)).drive()

    expected = get_connection(replace(fleet.settings, connector_id="c000"), Facts())
    found = {request for _, request in fleet.wire.sent if request.path.endswith("/c000") and request.method == "GET"}
    assert {Request(expected.method, expected.path, expected.purpose)} == {
        Request(one.method, one.path, one.purpose) for one in found
    }
