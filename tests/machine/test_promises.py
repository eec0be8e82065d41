"""What no run ever does, whatever Fivetran, the network and the clock do to it.

Each promise is checked on a few hundred made-up worlds. The worlds are the same every time.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from simulated_job import CONNECTOR, Played, Simulate, SimulatedJob

from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.replay import replay
from orchestrator.job.report_folder import Reporter
from orchestrator.machine.loader import load
from orchestrator.machine.standing import GRACE
from orchestrator.machine.transition import LAST_CALL
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

PLANS = st.builds(
    SyncPlan,
    queued=st.sampled_from([0.0, 0.0, 12.0, 70.0]),
    # A sync that vanishes before anybody looks leaves no trace of having been there.
    lasts=st.sampled_from([45.0, 60.0, 130.0]),
    ends=st.sampled_from(["succeeds", "succeeds", "fails", "vanishes", "reschedules", "pauses", "breaks"]),
    again_in=st.sampled_from([0.0, 30.0, 400.0]),
    fails_inside=st.sampled_from([None, None, 5.0]),
    shows_after=st.sampled_from([0.0, 4.0]),
)
FAULTS = st.builds(
    Fault,
    on=st.sampled_from(["any", "get", "patch", "sync"]),
    skip=st.integers(0, 6),
    times=st.sampled_from([1, 1, 2, 5, 20]),
    does=st.sampled_from(["answer", "answer", "reset", "truncate", "short"]),
    acts=st.booleans(),
    status=st.sampled_from([200, 302, 400, 401, 403, 404, 409, 429, 500, 502, 503]),
    code=st.sampled_from(["", "", "NotFound_Connection", "InvalidInput"]),
    headers=st.sampled_from([{}, {}, {"Retry-After": "7"}, {"Retry-After": "900"}]),
)
CONNECTIONS = st.sampled_from(
    [
        {},
        {},
        {"paused": True},
        {"succeeded_at": None, "failed_at": None},
        {"schedule_type": "manual"},
        {"status": {"setup_state": "broken"}},
        {"schedule_type": None, "schedule": {"type": "CRON"}},
    ]
)
SCENARIOS = st.builds(
    Scenario,
    connection=CONNECTIONS,
    overdue=st.booleans(),
    dated=st.sampled_from([True, True, True, False]),
    # One that is queued shows nothing: nobody could know of it.
    running=st.one_of(st.none(), st.none(), PLANS.map(lambda plan: replace(plan, queued=0.0))),
    syncs=st.lists(PLANS, min_size=1, max_size=4).map(tuple),
    faults=st.lists(FAULTS, max_size=4).map(tuple),
)
VARIABLES = st.fixed_dictionaries(
    {},
    optional={
        "FIVETRAN_ON_RUNNING": st.sampled_from(["wait", "attach", "restart", "fail"]),
        "FIVETRAN_ON_RESCHEDULE": st.sampled_from(["wait", "fail"]),
        "FIVETRAN_UNPAUSE": st.just("1"),
        "FIVETRAN_RESTORE_SCHEDULE": st.just("1"),
        "FIVETRAN_DONT_DISABLE_SYNC": st.just("1"),
        "FIVETRAN_TIMEOUT": st.sampled_from(["20", "300", "900"]),
        "FIVETRAN_RETRY_LIMIT": st.sampled_from(["1", "3"]),
    },
)


@dataclass
class World:
    """A made-up world and the run that it saw."""

    job: SimulatedJob
    variables: dict[str, str]
    played: Played
    began: float

    @property
    def journal(self) -> Path:
        """The run's journal."""
        return self.job.folder / "report" / "journal.jsonl"

    def posted(self, operation: str) -> list[Any]:
        """The bodies of the requests of one operation."""
        return [seen.body for seen in self.job.simulator.seen if seen.operation == operation]


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> list[World]:
    """START, played once in each of the made-up worlds."""
    played: list[World] = []

    @settings(
        max_examples=40,  # `make campaign` and its tests play thousands
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(scenario=SCENARIOS, variables=VARIABLES, jitter=st.sampled_from([0.0, 0.5, 0.99]))
    def play(scenario: Scenario, variables: dict[str, str], jitter: float) -> None:
        job = SimulatedJob(scenario, "http://127.0.0.1", tmp_path_factory.mktemp("world"))
        began = job.clock.wall()
        more: dict[str, Any] = dict(variables)
        played.append(World(job, variables, job.play(jitter=jitter, **more), began))

    with mock.patch.object(Reporter, "_draw"):  # as `_undrawn`
        play()
    return played


def test_ends_as_the_chart_says(worlds: list[World]) -> None:
    """Every run ends in a final state of its chart, with its code, its report and its result on stdout."""
    exits = load("START").exits()

    for world in worlds:
        played = world.played
        assert played.code in exits, played.stderr
        assert played.report is not None
        assert (played.report["exit_code"], played.report["state"]) == (played.code, exits[played.code])
        assert json.loads(played.stdout)["verdict"] == played.report["verdict"]


def test_never_green_with_nothing_synced(worlds: list[World]) -> None:
    """Exit code 0 means that a sync succeeded which was running when the job came, or came after it."""
    for world in worlds:
        if world.played.code == 0:
            connection = world.job.connection
            attached = world.variables.get("FIVETRAN_ON_RUNNING") == "attach"
            assert [
                sync
                for sync in connection.history
                if sync.outcome == "succeeds" and (sync.cause != "somebody" or attached)
            ], world.played.stderr


def test_never_two_syncs_where_one_was_asked_for(worlds: list[World]) -> None:
    """However often answers are lost, one sync of the run comes to its end; others were rescheduled or restarted."""
    for world in worlds:
        ended = [sync for sync in world.job.syncs if sync.outcome not in {"", "reschedules", "stopped"}]
        assert len(ended) <= 1, world.played.stderr


def test_never_red_for_another_sync(worlds: list[World]) -> None:
    """A failed or cancelled sync is only reported where a sync of the run, or the one attached to, ended so."""
    for world in worlds:
        report = world.played.report or {}
        if report["verdict"] == "sync_failed":
            attached = world.variables.get("FIVETRAN_ON_RUNNING") == "attach"
            assert [
                sync
                for sync in world.job.connection.history
                if (sync.outcome == "fails" or sync.failed_inside) and (sync.cause != "somebody" or attached)
            ], world.played.stderr


def test_never_longer_than_the_deadline_and_the_grace(worlds: list[World]) -> None:
    """A run ends within FIVETRAN_TIMEOUT, the last call's seconds and the grace."""
    for world in worlds:
        timeout = float(world.variables.get("FIVETRAN_TIMEOUT", "300"))
        assert world.job.clock.wall() - world.began <= timeout + LAST_CALL + GRACE + 1


def test_never_changes_anything_after_the_deadline(worlds: list[World]) -> None:
    """After the deadline nothing is asked for but what only reads, and the schedule is restored where asked to."""
    for world in worlds:
        deadline = world.began + float(world.variables.get("FIVETRAN_TIMEOUT", "300"))
        late = {seen.operation for seen in world.job.simulator.seen if seen.at > deadline}
        allowed = {"get", "history", "errors"}
        assert late <= ({"patch", *allowed} if "FIVETRAN_RESTORE_SCHEDULE" in world.variables else allowed)


def test_never_forces_or_unpauses_unless_asked_to(worlds: list[World]) -> None:
    """A running sync is stopped, a paused connection un-paused and a schedule changed only if a variable says so."""
    for world in worlds:
        forced = [body for body in world.posted("sync") if body["force"]]
        unpaused = [body for body in world.posted("patch") if "paused" in body]
        scheduled = [body for body in world.posted("patch") if "schedule_type" in body]
        assert not forced or world.variables.get("FIVETRAN_ON_RUNNING") == "restart"
        assert not unpaused or "FIVETRAN_UNPAUSE" in world.variables
        assert not scheduled or "FIVETRAN_DONT_DISABLE_SYNC" not in world.variables


def test_never_triggers_with_a_stale_baseline(worlds: list[World]) -> None:
    """The baseline of a trigger is not older than the end of any other sync."""
    for world in worlds:
        foreign = [sync for sync in world.job.connection.history if sync.cause == "somebody" and sync.ended_at]
        for step in world.played.steps:
            if (
                step.event == "triggered"
                and step.facts.baseline
                and not step.facts.restarted
                and world.job.scenario.dated
            ):
                assert all((sync.ended_at or 0) <= step.facts.baseline["date"] + 1 for sync in foreign)


def test_never_runs_setup_tests_unasked(worlds: list[World]) -> None:
    """Every PATCH says `run_setup_tests: false`, for Fivetran's default is true."""
    for world in worlds:
        assert [body["run_setup_tests"] for body in world.posted("patch")] == [False] * len(world.posted("patch"))


def test_never_a_secret_and_never_a_traceback(worlds: list[World]) -> None:
    """Neither key nor secret nor a traceback is in the log, the result, the report or the journal."""
    for world in worlds:
        shown = world.played.stdout + world.played.stderr + json.dumps(world.played.report)
        shown += world.journal.read_text("utf-8")
        assert KEY not in shown
        assert SECRET not in shown
        assert "Traceback" not in shown


def test_always_the_same_again(worlds: list[World]) -> None:
    """The journal of every run can be replayed, step by step, to the same end."""
    chart = load("START")

    for world in worlds:
        standing = replay(read_journal(world.journal), chart)
        assert (chart.states[standing.state].exit, standing.facts.verdict) == (
            world.played.code,
            (world.played.report or {})["verdict"],
        )


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("action", ["STATUS", "TEST"])
def test_status_and_test_never_start_a_sync(simulate: Simulate, action: str) -> None:
    """STATUS and TEST ask for no sync, whatever happens."""

    @settings(max_examples=25, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(scenario=SCENARIOS, variables=VARIABLES)
    def play(scenario: Scenario, variables: dict[str, str]) -> None:
        job = simulate(scenario)
        more: dict[str, Any] = dict(variables)

        played = job.play(action, **more)

        assert set(played.requests) <= {"get", "patch", "test", "errors"}
        assert job.syncs == []
        assert played.code in load(action).exits()

    play()


@pytest.mark.usefixtures("_undrawn")
def test_force_resync_never_asks_for_more_than_the_table(simulate: Simulate) -> None:
    """FORCE_RESYNC posts just the table, never a plain sync and never an empty scope, put off or not."""

    @settings(max_examples=40, deadline=None, derandomize=True, database=None, phases=[Phase.generate])
    @given(scenario=SCENARIOS, variables=VARIABLES)
    def play(scenario: Scenario, variables: dict[str, str]) -> None:
        job = simulate(scenario)
        more: dict[str, Any] = {**variables, "FIVETRAN_ON_RUNNING": "wait"}

        job.play("FORCE_RESYNC", **more)

        assert "sync" not in job.requests
        posted = [seen for seen in job.simulator.seen if seen.operation == "resync"]
        assert all(seen.body == {"public": ["orders"]} for seen in posted)
        assert all(seen.path == f"/v1/connections/{CONNECTOR}/schemas/tables/resync" for seen in posted)

    play()
