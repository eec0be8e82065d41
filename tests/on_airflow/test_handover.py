"""A run between workers and the triggerer: who asks what, and one sync whoever is killed."""

import json
from typing import Any

import pytest
from handovers import NAME, Killed, Task

from orchestrator.airflow.handover import only_looks
from orchestrator.airflow.note import KEY
from orchestrator.machine.chart import Kind
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing, resumed
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.events import Event
from orchestrator.values.exchange import Request
from orchestrator.values.facts import Facts

MANUAL = {"schedule_type": "manual"}


def test_worker_changes_and_triggerer_looks() -> None:
    """Every change is asked for on a worker, and a triggerer sends nothing but GETs."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=95.0),)))

    verdict = task.play()

    changes = [place for place, request in task.asked if not request.startswith("GET")]
    assert verdict == "succeeded"
    assert set(changes) == {"worker"}
    assert [request for place, request in task.asked if place == "triggerer"] != []
    assert task.carried_out() == 1


def test_a_sync_takes_two_starts_of_a_worker() -> None:
    """A sync on a manual schedule costs one look and one trigger on the worker, the polls, and one hand-over."""
    task = Task(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=25.0),)))

    verdict = task.play()

    places = [place for place, _ in task.asked]
    assert verdict == "succeeded"
    assert places == ["worker", "worker", "triggerer", "triggerer", "triggerer"]
    assert len(task.payloads) == 2


def test_payload_is_small_and_has_no_secrets() -> None:
    """What is handed over is plain JSON of some two kilobytes, without the connection's configuration."""
    task = Task(Scenario(connection={**MANUAL, "config": {"host": "db.example.com", "password": "hunter22"}}))

    task.play()

    texts = [json.dumps(payload["run"]) for payload in task.payloads]
    assert max(map(len, texts)) < 2_500
    assert not any("db.example.com" in text or "hunter22" in text for text in texts)


def test_planned_hand_over_is_not_resumed() -> None:
    """A run that was only handed over has lost nothing, and its result does not say that it was resumed."""
    task = Task(Scenario(connection=MANUAL))

    verdict = task.play()

    assert task.run is not None
    assert verdict == "succeeded"
    assert not task.run.standing.resumed
    assert task.run.standing.lost_at is None


def test_run_that_was_resumed_stays_so_when_handed_over() -> None:
    """What was resumed before it was handed over is resumed in the result."""
    chart, facts = load("START"), Facts()
    standing = Standing(chart.initial, facts, 300.0, started_at=1_000.0, resumed_at=1_050.0)

    again, elapsed = resumed(
        chart, Task().told, json.loads(json.dumps(standing.as_json(60.0, 1_060.0, handed_over=True))), 1_070.0
    )

    assert again.resumed_at == 1_050.0
    assert again.lost_at is None
    assert elapsed == 70.0


@pytest.mark.parametrize("carried_out", [False, True])
def test_worker_killed_inside_the_trigger(carried_out: bool) -> None:  # noqa: FBT001  # pytest's
    """A worker that dies inside POST /sync is followed by one that looks: there is one sync, either way."""
    killed: list[object] = []

    def meet(task: Task, request: Request, _: str) -> None:
        if request.method == "POST" and not killed:
            killed.append(request)
            if carried_out:
                task.deliver(request)
            raise Killed

    task = Task(Scenario(syncs=(SyncPlan(lasts=120.0),)), meet=meet)
    with pytest.raises(Killed):
        task.execute()
    note = task.shelf.get(KEY)
    task.clock.sleep(30.0)

    verdict = task.play()

    assert note["asking"] is True
    assert verdict == "succeeded"
    assert task.carried_out() == 1
    assert task.run is not None
    assert task.run.standing.resumed


RESCHEDULES = (SyncPlan(lasts=30.0, ends="reschedules", again_in=100.0), SyncPlan(lasts=40.0))
WORLDS: dict[str, dict[str, Any]] = {
    "alone": {"scenario": Scenario(syncs=(SyncPlan(lasts=40.0),))},
    "after another": {"scenario": Scenario(running=SyncPlan(lasts=45.0), syncs=(SyncPlan(lasts=40.0),))},
    "rescheduled": {"scenario": Scenario(connection=MANUAL, syncs=RESCHEDULES)},
    "un-paused": {
        "scenario": Scenario(connection={**MANUAL, "paused": True}, syncs=(SyncPlan(lasts=40.0),)),
        "settings": {"unpause": True},
    },
    "restored": {"scenario": Scenario(syncs=(SyncPlan(lasts=40.0),)), "settings": {"restore_schedule": "before"}},
    "re-sync": {"scenario": Scenario(syncs=(SyncPlan(lasts=40.0),)), "action": "FORCE_RESYNC"},
}


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("carried_out", [True, False])
@pytest.mark.parametrize("name", WORLDS)
def test_processes_killed_anywhere(name: str, carried_out: bool, deferrable: bool) -> None:  # noqa: FBT001  # pytest's
    """Whichever request a worker or the triggerer dies in, it ends as if nobody had died, with as many syncs."""
    undisturbed = Task(**WORLDS[name], deferrable=deferrable)
    expected = undisturbed.play(), undisturbed.carried_out()

    for nth in range(1, len(undisturbed.asked) + 1):
        killed: list[str] = []

        def meet(task: Task, request: Request, place: str, nth: int = nth, killed: list[str] = killed) -> None:
            if len(task.asked) == nth and not killed:
                killed.append(place)
                if carried_out:
                    task.deliver(request)
                raise Killed

        task = Task(**WORLDS[name], deferrable=deferrable, meet=meet)
        verdict = task.survive()
        place, lost = task.asked[nth - 1]
        twice = carried_out and "resync" in lost  # nobody can tell whose it is: it is sent again once nothing runs

        assert killed == [place]
        assert (verdict, task.carried_out() - twice) == expected, f"killed in {lost}"


def test_triggerer_killed_and_started_again() -> None:
    """A triggerer that dies repeats looks alone: there is one sync, and it is seen to its end."""
    alive = [True]

    def meet(task: Task, _: Request, place: str) -> None:
        if place == "triggerer" and len(task.asked) == 5 and alive[0]:
            alive[0] = False
            raise Killed

    task = Task(Scenario(syncs=(SyncPlan(lasts=90.0),)), meet=meet)
    payload = task.execute()
    assert payload is not None
    with pytest.raises(Killed):
        task.trigger(payload)
    task.clock.sleep(45.0)

    verdict = task.play(payload, fresh=False)

    assert verdict == "succeeded"
    assert task.carried_out() == 1


def test_task_cleared_while_deferred() -> None:
    """A task that is cleared while it waits takes up its own sync."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=300.0),)))
    task.execute()
    task.clock.sleep(100.0)

    verdict = task.play()

    assert verdict == "succeeded"
    assert task.carried_out() == 1
    assert task.posts == 1


def test_task_cleared_after_its_success_starts_a_new_sync() -> None:
    """A task that has ended well and runs again starts a sync of its own."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=30.0),)))
    task.play()
    assert task.shelf.kept == {}

    task.play()

    assert task.carried_out() == 2


def test_failed_sync_is_started_again_by_a_retry() -> None:
    """After a failed sync a retry begins afresh, with a look and a trigger of its own."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=30.0, ends="fails"), SyncPlan(lasts=30.0))))
    first = task.play()

    second = task.play()

    assert (first, second) == ("sync_failed", "succeeded")
    assert task.carried_out() == 2


def test_retry_after_a_timeout_takes_up_its_sync() -> None:
    """A try whose time ran out leaves its sync to the next one, which has time of its own."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=500.0),)), {"timeout": 300.0})
    first = task.play()
    task.clock.sleep(60.0)

    second = task.play()

    assert (first, second) == ("timed_out", "succeeded")
    assert task.carried_out() == 1


def test_note_of_long_ago_is_passed_over() -> None:
    """A task that runs again a week later does not take the sync of then for its own."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=500.0),)), {"timeout": 300.0})
    task.play()
    task.clock.sleep(7 * 86_400.0)

    task.play()

    assert task.carried_out() == 2
    assert "too long ago" in task.warnings[0]


def test_note_of_another_connection_is_not_taken_up() -> None:
    """A note about another connection, or one that is not a note at all, is not taken for a run of this task."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=300.0),)))
    task.execute()
    kept = task.shelf.get(KEY)
    found = []

    for strange in ({**kept, "connector_id": "another"}, {**kept, "format": 99}, "text"):
        task.shelf.set(KEY, strange)
        found.append(task.note().found(task.clock.wall(), task.warnings.append))

    assert found == [None, None, None]


def test_rescheduled_sync_is_triggered_again_by_a_worker() -> None:
    """Where Fivetran reschedules the sync the triggerer waits for its time, and a worker sends the second trigger."""
    plans = (SyncPlan(lasts=30.0, ends="reschedules", again_in=200.0), SyncPlan(lasts=30.0))
    task = Task(Scenario(connection=MANUAL, syncs=plans))

    verdict = task.play()

    triggers = [each for each in task.account.seen if each.operation == "sync"]
    assert verdict == "succeeded"
    assert len(triggers) == 2
    assert triggers[1].at - triggers[0].at >= 200.0
    assert {place for place, request in task.asked if request.startswith("POST")} == {"worker"}


def test_worker_killed_inside_the_second_trigger() -> None:
    """A worker that dies inside the trigger after a reschedule is followed by one that looks."""
    killed: list[object] = []

    def meet(task: Task, request: Request, _: str) -> None:
        if request.method == "POST" and task.posts == 2 and not killed:
            killed.append(True)
            task.deliver(request)
            raise Killed

    plans = (SyncPlan(lasts=30.0, ends="reschedules", again_in=200.0), SyncPlan(lasts=90.0))
    task = Task(Scenario(connection=MANUAL, syncs=plans), meet=meet)
    payload = task.execute()
    assert payload is not None
    event = task.trigger(payload)
    with pytest.raises(Killed):
        task.resume(event)
    task.clock.sleep(20.0)

    payload = task.resume(event)  # Airflow hands the same event to another worker
    verdict = task.play(payload, fresh=False)

    assert verdict == "succeeded"
    assert task.posts == 2


def test_postponed_task_is_taken_up_at_the_time_that_fivetran_names() -> None:
    """A sync that is rescheduled past the deadline is triggered again by the next try, not before its time."""
    plans = (SyncPlan(lasts=30.0, ends="reschedules", again_in=5_000.0), SyncPlan(lasts=30.0))
    task = Task(Scenario(connection=MANUAL, syncs=plans), postpones=True)
    first = task.play()
    note = task.shelf.get(KEY)
    task.clock.sleep(note["later"] - task.clock.wall() + 1.0)

    second = task.play()

    triggers = [each for each in task.account.seen if each.operation == "sync"]
    assert (first, second) == ("too_late", "succeeded")
    assert len(triggers) == 2
    assert triggers[1].at - triggers[0].at >= 5_000.0


def test_baseline_is_no_older_than_the_look_before_the_trigger() -> None:
    """Once another sync has ended, the worker looks again itself before it triggers: a hand-over may take its time."""
    task = Task(Scenario(connection=MANUAL, running=SyncPlan(lasts=45.0), syncs=(SyncPlan(lasts=30.0),)))

    verdict = task.play()

    trigger = next(number for number, (_, request) in enumerate(task.asked) if request.startswith("POST"))
    assert verdict == "succeeded"
    assert task.asked[trigger - 1] == ("worker", f"GET /v1/connections/{NAME}")


def test_long_outage_before_the_trigger_is_waited_out_elsewhere() -> None:
    """A worker sits out short back-offs itself, and leaves long ones before a look to the triggerer."""
    task = Task(Scenario(connection=MANUAL, faults=(), syncs=(SyncPlan(lasts=30.0),)))
    task.account.add_fault(Fault(on="get", times=7, status=503))

    verdict = task.play()

    assert verdict == "succeeded"
    assert len(task.payloads) == 4
    assert task.carried_out() == 1


def test_back_off_of_a_trigger_is_the_workers() -> None:
    """A trigger that is rate limited is tried again by the worker that sent it."""
    task = Task(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=30.0),)))
    fault = Fault(on="sync", times=1, status=429, code="RateLimit", message="", headers={"Retry-After": "90"})
    task.account.add_fault(fault)

    verdict = task.play()

    assert verdict == "succeeded"
    assert len(task.payloads) == 2
    assert task.posts == 2


def test_worker_that_is_to_end_leaves_the_sync_running() -> None:
    """A worker that is told to end says so and keeps the note: the next try takes the sync up."""

    def meet(task: Task, _: Request, __: str) -> None:
        if len(task.asked) == 5:
            task.signal = Event.TERMINATED

    task = Task(Scenario(connection=MANUAL, syncs=(SyncPlan(lasts=200.0),)), meet=meet, deferrable=False)
    first = task.play()
    task.signal, task.meet = None, lambda *_: None

    second = task.play()

    assert (first, second) == ("terminated", "succeeded")
    assert task.carried_out() == 1


@pytest.mark.parametrize("action", ["STATUS", "TEST", "FORCE_RESYNC"])
def test_other_actions(action: str) -> None:
    """STATUS and TEST end on the worker that began them; a re-sync waits in the triggerer, and leaves no note."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=30.0),)), action=action)

    task.play()

    assert task.run is not None
    assert task.chart.exit_of(str(task.run.facts.verdict))[1] == 0
    assert bool(task.payloads) == (action == "FORCE_RESYNC")
    assert task.shelf.kept == {}


def test_evidence_and_the_restored_schedule_are_the_workers() -> None:
    """What follows the verdict happens on the worker that ends the task."""
    task = Task(Scenario(syncs=(SyncPlan(lasts=30.0),)), {"restore_schedule": "before", "evidence": "1"})

    verdict = task.play()

    patches = [place for place, request in task.asked if request.startswith("PATCH")]
    assert verdict == "succeeded"
    assert patches == ["worker", "worker"]


@pytest.mark.parametrize("action", ["START", "STATUS", "TEST", "FORCE_RESYNC"])
def test_triggerer_never_stands_where_something_changes(action: str) -> None:
    """The triggerer goes on in waits that may end well, and never once there is a verdict."""
    chart = load(action)
    verdict = Facts(verdict="timed_out")

    def looks(name: str, facts: Facts, **how: Any) -> bool:
        return only_looks(chart, Standing(name, facts, 300.0, **how))

    for state in chart.states.values():
        assert not looks(state.name, verdict)
        if state.kind is Kind.WAITS:
            assert looks(state.name, Facts())
            assert not looks(state.name, Facts(), hopeless=True)
        if state.kind is Kind.EXIT:
            assert not looks(state.name, Facts())
