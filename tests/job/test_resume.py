"""A run that dies anywhere is taken up again, and nothing is asked for twice."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from simulated_job import Simulate

from orchestrator.fivetran.client import Client
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Scenario, SyncPlan, load_scenario

pytestmark = pytest.mark.usefixtures("_undrawn")

SCENARIOS = (
    *("lost_answer", "rescheduled_twice", "unpaused", "another_sync", "paused"),
    *("patch_cancels", "unpausing_starts", "restarted"),
)
BRIEF = SyncPlan(lasts=25)


def _slow(name: str) -> Scenario:
    """A scenario in which all takes a second or two: so what comes first has the earlier date."""
    return replace(load_scenario(name), latency=1, stop_takes=2)


class Killed(BaseException):
    """SIGKILL: nothing gets to clean up."""


def _dies_after(number: int) -> Callable[[Run, Step | None], None]:
    def observe(_: Run, step: Step | None) -> None:
        if (step.number if step else 0) == number:
            raise Killed

    return observe


def _dies_once_triggered(run: Run, _: Step | None) -> None:
    if run.facts.triggered and run.can_be_resumed_here:
        raise Killed


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_between_any_two_steps(simulate: Simulate, name: str, tmp_path: Path) -> None:
    """Killed after any step and started again, the job ends as if nothing had happened, with no second sync."""
    whole = simulate(_slow(name))
    kept = 0
    deaths: dict[tuple[int, int, float], int] = {}

    def observe(run: Run, step: Step | None) -> None:
        """Where neither the state file nor Fivetran nor the time changes, it is the same death once more."""
        nonlocal kept
        number = step.number if step else 0
        kept = number if run.can_be_resumed_here else kept
        if not run.ended:
            deaths.setdefault((kept, len(whole.requests), whole.clock.wall()), number)

    whole.play(observe=observe, FIVETRAN_POLL_INTERVAL="25")
    assert len(deaths) > len(whole.requests)
    for number in deaths.values():
        job = simulate(_slow(name))
        file = str(tmp_path / f"state-{number}.json")
        with pytest.raises(Killed):
            job.play(observe=_dies_after(number), FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="25")

        played = job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="25")

        assert played.code == job.scenario.exit_code, played.stderr
        assert len(job.syncs) == len(whole.syncs), (number, played.stderr)
        assert "resumed the run of" in played.stderr


@pytest.mark.parametrize("name", SCENARIOS)
def test_killed_before_any_answer(
    simulate: Simulate, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while any request is under way, the job loses its answer only: no second sync is started."""
    whole = simulate(_slow(name))
    requests = len(whole.play(FIVETRAN_POLL_INTERVAL="25").requests)
    for number in range(1, requests + 1):
        job = simulate(_slow(name), over_http=True)
        file = str(tmp_path / f"state-{number}.json")

        with monkeypatch.context() as patch:
            patch.setattr(Client, "send", _dying_send(number))
            with pytest.raises(Killed):
                job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="25")

        played = job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="25")

        assert played.code == job.scenario.exit_code, played.stderr
        assert len(job.syncs) == len(whole.syncs), (number, played.stderr)


@pytest.mark.parametrize(
    ("name", "operation", "first"),
    [
        ("succeeds", "patch", "get"),  # a change is looked for before it is sent again
        ("unpaused", "patch", "get"),
        ("succeeds", "sync", "get"),
        ("restarted", "sync", "history"),  # which sync runs now only the history can tell
    ],
)
def test_own_request_counts_as_sent(
    simulate: Simulate, name: str, operation: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while a change is under way, the job looks what became of it before it changes anything."""
    number = simulate(_slow(name)).play().requests.index(operation) + 1
    job, file = simulate(_slow(name), over_http=True), str(tmp_path / "state.json")
    with monkeypatch.context() as patch:
        patch.setattr(Client, "send", _dying_send(number))
        with pytest.raises(Killed):
            job.play(FIVETRAN_STATE_FILE=file)

    played = job.play(FIVETRAN_STATE_FILE=file)

    assert (played.code, played.requests[0], len(job.syncs)) == (0, first, 1), played.stderr


def test_baseline_is_taken_anew(simulate: Simulate, tmp_path: Path) -> None:
    """Killed between the baseline and the trigger, a job that is taken up looks again: no baseline is that old."""
    job, file = simulate(Scenario(syncs=(BRIEF,))), str(tmp_path / "state.json")
    with pytest.raises(Killed):
        job.play(
            observe=lambda _, step: _die() if step and step.target == "taking_baseline" else None,
            FIVETRAN_STATE_FILE=file,
        )
    job.clock.sleep(60)
    job.begin(BRIEF)

    played = job.play(FIVETRAN_STATE_FILE=file)

    assert played.requests == ["get", "get", "get", "sync", "get", "get", "get", "history"], played.stderr
    assert (played.code, len(job.syncs)) == (0, 1)


def test_resync_in_flight_is_asked_for_again(
    simulate: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A re-sync whose answer died with the job is asked for once more when the connection is idle, and only then."""
    job, file = simulate(Scenario(syncs=(BRIEF,)), over_http=True), str(tmp_path / "state.json")
    with monkeypatch.context() as patch:
        patch.setattr(Client, "send", _dying_send(3))
        with pytest.raises(Killed):
            job.play("FORCE_RESYNC", FIVETRAN_STATE_FILE=file)

    played = job.play("FORCE_RESYNC", FIVETRAN_STATE_FILE=file)

    assert played.requests == ["get", "get", "get", "resync", "get", "get", "get", "history"], played.stderr
    assert (played.code, [sync.outcome for sync in job.syncs]) == (0, ["succeeds", "succeeds"])


def _dying_send(number: int) -> Callable[..., object]:
    """A client that dies once Fivetran has dealt with the request of that number."""
    count, send = iter(range(1, number + 1)), Client.send

    def send_and_die(*given: Any) -> object:
        last = next(count) == number
        try:
            return send(*given)
        finally:
            if last:
                raise Killed

    return send_and_die


def test_deadline_goes_on_by_the_wall_clock(simulate: Simulate, tmp_path: Path) -> None:
    """The time between death and resumption counts: the last look is made, and nothing is changed any more."""
    job = simulate("slow")
    file = str(tmp_path / "state.json")
    with pytest.raises(Killed):
        job.play(observe=_dies_after(6), FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="15")
    job.clock.sleep(150)

    played = job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="15")

    assert (played.code, played.requests) == (5, ["get", "history", "errors"])


def test_a_sync_that_ended_meanwhile_is_green(simulate: Simulate, tmp_path: Path) -> None:
    """A job that died and comes back after the deadline is green if the sync succeeded meanwhile."""
    job = simulate("succeeds")
    file = str(tmp_path / "state.json")
    with pytest.raises(Killed):
        job.play(observe=_dies_once_triggered, FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="15")
    job.clock.sleep(150)

    played = job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="15")

    assert played.code == 0


def test_a_wait_is_not_begun_anew(simulate: Simulate, tmp_path: Path) -> None:
    """A run that dies while it waits for `rescheduled_for` waits only for what is left of it."""
    job = simulate("rescheduled_twice")
    file = str(tmp_path / "state.json")
    with pytest.raises(Killed):
        job.play(
            observe=lambda _, step: _die() if step and step.event == "wait" else None,
            FIVETRAN_STATE_FILE=file,
        )
    again_at = job.connection.rescheduled_for
    job.clock.sleep(30)

    played = job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="15")

    assert again_at is not None
    assert played.code == 0
    assert job.syncs[1].asked_at - again_at < 2


def _die() -> None:
    raise Killed


def test_an_ended_run_is_not_taken_up(simulate: Simulate, tmp_path: Path) -> None:
    """A state file of a run that has ended does not keep the next job from running."""
    job = simulate("succeeds")
    file = str(tmp_path / "state.json")
    first = job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="15")

    second = job.play(FIVETRAN_STATE_FILE=file, FIVETRAN_POLL_INTERVAL="15")

    assert (first.code, second.code) == (0, 0)
    assert len(job.syncs) == 2
    assert json.loads(Path(file).read_text("utf-8"))["ended"] is True


@pytest.mark.parametrize(
    ("first", "second", "afresh"),
    [("100", "101", True), ("", "100", True), ("100", "", False), ("100", "100", False), ("", "", False)],
)
@pytest.mark.parametrize("later", [60, 86_400])
def test_another_pipelines_or_an_old_run_is_not_taken_up(  # a table
    simulate: Simulate, tmp_path: Path, first: str, second: str, later: int, *, afresh: bool
) -> None:
    """Another pipeline, or the same one a day later, begins a run of its own; a retry in the same one goes on."""
    afresh = afresh or later > 600
    job = simulate("succeeds")
    file = str(tmp_path / "state.json")
    with pytest.raises(Killed):
        job.play(observe=_dies_once_triggered, FIVETRAN_STATE_FILE=file, CI_PIPELINE_ID=first)
    job.clock.sleep(later)

    played = job.play(FIVETRAN_STATE_FILE=file, CI_PIPELINE_ID=second)

    assert played.code == 0
    assert (len(job.syncs) == 2) == afresh
    assert ("starting a new run" in played.stderr) == afresh


def test_resume_by_hand_takes_up_whatever_there_is(simulate: Simulate, tmp_path: Path) -> None:
    """`run --resume` is a wish: the run is taken up however old it is."""
    job = simulate("succeeds")
    file = str(tmp_path / "state.json")
    with pytest.raises(Killed):
        job.play(observe=_dies_once_triggered, FIVETRAN_STATE_FILE=file)
    job.clock.sleep(86_400)

    played = job.play(FIVETRAN_STATE_FILE=file, must_resume=True)

    assert (played.code, len(job.syncs)) == (0, 1)
