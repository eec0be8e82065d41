"""Every scenario of the simulator ends as it says, and no run breaks a promise on the way."""

import pytest
from simulated_job import Simulate

from orchestrator.simulator.scenario import load_scenario, names


@pytest.mark.parametrize("name", names())
def test_scenario_ends_as_it_says(simulate: Simulate, name: str) -> None:
    """START ends in the verdict and the exit code that the scenario names."""
    job = simulate(name, over_http=True)

    played = job.play()

    assert played.report is not None
    assert (played.report["verdict"], played.code) == (job.scenario.verdict, job.scenario.exit_code), played.stderr


@pytest.mark.parametrize("name", names())
def test_green_means_synced_once(simulate: Simulate, name: str) -> None:
    """Exit code 0 is only given when a sync succeeded, and at most one sync of the run ran to its end."""
    job = simulate(name)

    played = job.play()

    succeeded = [sync for sync in job.connection.history if sync.outcome == "succeeds"]
    ended = [sync for sync in job.syncs if sync.outcome not in {"", "reschedules"}]
    assert bool(succeeded) >= (played.code == 0)
    assert len(ended) <= 1


def test_name_with_hyphens() -> None:
    """A scenario is found by its name with hyphens, too: that is how options are written."""
    assert load_scenario("lost-answer") == load_scenario("lost_answer")
