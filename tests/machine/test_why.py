"""Why: each step of each scenario has its reason in words."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from simulated_job import Played, Simulate, SimulatedJob

from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Fault, Scenario, names


def reasons(
    job: SimulatedJob, arm: Callable[[Run], None] = lambda _: None, action: str = "START", **variables: Any
) -> tuple[Played, list[tuple[str, str]]]:
    """A played job, and (event, why) of each of its steps."""
    found = []

    def observe(run: Run, step: Step | None) -> None:
        if step is not None:
            found.append((step.event, step.why))
        arm(run)

    return job.play(action, observe, **variables), found


@pytest.mark.parametrize("name", names())
def test_every_step_has_a_reason(simulate: Simulate, name: str) -> None:
    """Each step of a run is explained by one line that ends like a sentence."""
    played, found = reasons(simulate(name))

    assert len(found) == len(played.steps)
    assert [line for _, line in found if not line.endswith(".") or "\n" in line or len(line) < 10] == []


@pytest.mark.parametrize(
    ("scenario", "event", "words"),
    [
        ("succeeds", "succeeded", "succeeded_at moved since the trigger"),
        ("succeeds", "running", "sync_state is syncing, even if failed_at moved"),
        (
            "succeeds",
            "idle",
            "sync_state is scheduled, a sync dated 2027-01-15T08:00:00.000Z or later may be this run's",
        ),
        (
            "fails",
            "doubtful",
            "failed_at moved since the trigger; a date may appear late: waiting another 20 s for a change",
        ),
        ("fails", "sync_failed", "as FAILURE: the sync failed."),
        ("cancelled", "doubtful", "the sync has ended, and neither date moved; a date may appear late"),
        ("cancelled", "cancelled", "as CANCELED: the sync ended"),
        ("lost_answer", "started", "sync_state is syncing, even if failed_at moved"),
        ("another_sync", "busy", "sync_state is syncing, setup_state is connected: a sync is already running."),
        ("lost_answer", "answer_lost", "a POST got no answer and may have been carried out"),
        ("rescheduled_twice", "rescheduled", "and it is a new reschedule"),
        ("paused", "paused", "sync_state is paused, setup_state is connected: the connection is paused."),
        ("paused", "no", "Un-pause it? FIVETRAN_UNPAUSE. It is no."),
        ("rate_limited", "rate_limited", "the next attempt is in"),
        ("wrong_key", "refused", "401 Unauthorized: Invalid authorization credentials"),
        ("unavailable", "gave_up", "the last attempt failed"),
    ],
)
def test_reason(simulate: Simulate, scenario: str, event: str, words: str) -> None:
    """The reason names the rule, the value or the answer that decided."""
    _, found = reasons(simulate(scenario))

    assert [line for taken, line in found if taken == event and words in line]


@pytest.mark.parametrize(
    ("result", "line"),
    [
        ("FAILED", "Login is FAILED, Tunnel is JOB_FAILED: a setup test failed."),
        ("PASSED", "Tunnel is JOB_FAILED: a setup test failed."),
    ],
)
def test_failed_tests_are_named(simulate: Simulate, result: str, line: str) -> None:
    """Failed setup tests decide the verdict, whatever state the connection is in."""
    tests = ({"title": "Login", "status": result}, {"title": "Tunnel", "status": "JOB_FAILED"})
    document = {"status": {"setup_state": "connected"}}

    _, found = reasons(simulate(Scenario(setup_tests=tests, connection=document)), action="TEST")

    assert ("tests_failed", line) in found


@pytest.mark.parametrize(
    ("scenario", "event", "line"),
    [
        ("unpaused", "unpaused", "paused is false: the connection is no longer paused."),
        ("succeeds", "disabled", "schedule_type is manual: the connection's schedule is manual."),
        ("succeeds", "restored", "schedule_type is auto: the schedule was restored."),
        ("paused", "paused", "sync_state is paused, setup_state is connected: the connection is paused."),
    ],
)
def test_reason_has_only_what_decided(simulate: Simulate, scenario: str, event: str, line: str) -> None:
    """The reason has what decided in an answer, and nothing else."""
    _, found = reasons(simulate(scenario), FIVETRAN_RESTORE_SCHEDULE="1")

    assert (event, line) in found


def test_value_without_an_edge_of_its_own(simulate: Simulate) -> None:
    """A choice that takes the edge for everything else says what the value was."""
    _, found = reasons(simulate("rescheduled_twice"), FIVETRAN_DONT_DISABLE_SYNC="1")

    assert ("otherwise", "Is the schedule manual? By the newest answer of Fivetran. It is auto: otherwise.") in found


def test_call_that_was_not_made(simulate: Simulate) -> None:
    """A deadline that passes before a request says that no request was sent."""
    job = simulate()

    _, found = reasons(job, lambda run: job.clock.sleep(10_000 if run.state.name == "disabling_schedule" else 0))

    line = "the deadline passed (after the verdict: the grace period); no request was sent."
    assert ("timed_out", line) in found


def test_signal(simulate: Simulate) -> None:
    """A signal is named for what it is."""
    _, found = reasons(
        simulate("slow"), lambda run: os.kill(os.getpid(), signal.SIGTERM) if run.standing.number == 6 else None
    )

    assert ("terminated", "SIGTERM: the runner is stopping the job.") in found


@pytest.mark.parametrize(
    ("scenario", "variables", "event", "words"),
    [
        (
            "fails",
            {"FIVETRAN_EVIDENCE": "0"},
            "sync_failed",
            "failed_at moved since the trigger, and nothing has changed",
        ),
        (
            "cancelled",
            {"FIVETRAN_EVIDENCE": "0"},
            "cancelled",
            "neither date moved, and nothing has changed for long enough",
        ),
        (
            "fails",
            {"FIVETRAN_EVIDENCE": "0", "FIVETRAN_TIMEOUT": "45"},
            "sync_failed",
            "the deadline passed before nothing had changed for long enough, and failed_at had moved: the sync failed.",
        ),
    ],
)
def test_reason_without_the_history(
    simulate: Simulate, scenario: str, variables: dict[str, Any], event: str, words: str
) -> None:
    """Where the dates alone decide, the rule says that nothing changed since, or that the deadline passed."""
    played, found = reasons(simulate(scenario), **variables)

    assert [line for taken, line in found if taken == event and words in line], (found, played.stderr)


def test_reason_without_any_date(simulate: Simulate) -> None:
    """Where Fivetran's answers have no time, the baseline says so, and the history is not searched."""
    _, found = reasons(simulate(Scenario(dated=False)))

    assert ("idle", "sync_state is scheduled, Fivetran's answers had no Date header: no sync is running.") in found


def test_reason_of_a_resync_that_is_unconfirmed(simulate: Simulate) -> None:
    """A re-sync that is given up names how many answers were lost."""
    job = simulate(Scenario(faults=(Fault(on="resync", times=0, does="reset"),)))
    found = []

    def observe(_: Run, step: Step | None) -> None:
        if step is not None and step.event == "unconfirmed":
            found.append(step.why)

    job.play("FORCE_RESYNC", observe)

    line = (
        "3 triggers had no answer, and waiting longer would not settle it: "
        "it is not known whether the trigger was accepted."
    )
    assert line in found
