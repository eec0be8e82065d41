"""Make the pages that the browser's tests look at: a job an ending, on the virtual clock.

python tests/browser/pages.py FOLDER      writes FOLDER/NAME/index.html for each
"""

import io
import os
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from orchestrator.fleet.report_folder import FleetReporter
from orchestrator.fleet.result import fleet_result, member, not_started
from orchestrator.job.job import Job
from orchestrator.job.masking import Mask
from orchestrator.job.result import result, subject
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan, load_scenario
from orchestrator.simulator.server import served

__all__ = ["FLEETS", "HOSTILE", "PAGES", "Fleet", "Page", "make", "make_fleet", "play"]

CONNECTOR = "speak_inexpensive"

# What a name from outside may be: markup, escape sequences, marks that turn the direction, and long.
HOSTILE = f"<script>alert(1)</script>\x1b[31m]]>&amp;\u202e\u200f\"'><img src=x onerror=alert(2)>{'x' * 10_000}"


@dataclass(frozen=True)
class Page:
    """How a page comes about.

    Attributes:
        scenario: What happens at Fivetran.
        action: FIVETRAN_ACTION.
        variables: More variables.
        interrupted_in: The state in which SIGINT arrives, or "".
    """

    scenario: Scenario = field(default_factory=Scenario)
    action: str = "START"
    variables: Mapping[str, str] = field(default_factory=dict)
    interrupted_in: str = ""


_TESTS = (
    {"title": "Validate Login", "status": "PASSED", "message": "", "details": None},
    {
        "title": "Connecting to Database",
        "status": "FAILED",
        "message": "Connection timed out",
        "details": "Is 10.0.0.7 reachable?",
    },
    {"title": "Checking Replication Lag", "status": "WARNING", "message": "12 minutes", "details": None},
    {"title": "Checking SSH Tunnel", "status": "SKIPPED", "message": "Not configured", "details": None},
    {
        "title": "Checking Permissions",
        "status": "JOB_FAILED",
        "message": "The test itself ended early",
        "details": None,
    },
)
_HOSTILE_TESTS = ({"title": HOSTILE, "status": HOSTILE, "message": HOSTILE, "details": [HOSTILE]},)
_GITLAB = {
    "CI_JOB_URL": "https://gitlab.example.com/data/loads/-/jobs/4711",
    "CI_PIPELINE_URL": "https://gitlab.example.com/data/loads/-/pipelines/99",
    "CI_PROJECT_URL": "https://gitlab.example.com/data/loads",
    "CI_COMMIT_SHA": "0123456789abcdef0123456789abcdef01234567",
}
_REVOKED = Fault(on="get", skip=3, times=0, status=401, code="Unauthorized", message="Invalid API key")

PAGES: dict[str, Page] = {
    "success": Page(),
    "failed": Page(Scenario(syncs=(SyncPlan(ends="fails"),))),
    "revoked": Page(Scenario(syncs=(SyncPlan(lasts=300),), faults=(_REVOKED,))),
    "postponed": Page(load_scenario("rescheduled_too_late")),
    "timed_out": Page(Scenario(syncs=(SyncPlan(lasts=100_000),)), variables=_GITLAB),
    "misconfigured": Page(
        variables={"FIVETRAN_TIMEOUT": "soon", "FIVETRAN_API_SECRET": "", "FIVETRAN_ON_RUNNING": "panic"}
    ),
    "tests": Page(Scenario(setup_tests=_TESTS), "TEST"),
    "status": Page(action="STATUS"),
    "paused": Page(load_scenario("paused"), "STATUS"),
    "typo": Page(
        action="FORCE_RESYNC",
        variables={"TABLE": "Orders"},
        scenario=Scenario(faults=(Fault(on="resync", status=404, code="NotFound_Table", message="No such table"),)),
    ),
    "interrupted": Page(interrupted_in="waiting"),
    "flapping": Page(load_scenario("flapping_network")),
    "unavailable": Page(load_scenario("unavailable")),
    "thousand_polls": Page(Scenario(syncs=(SyncPlan(lasts=10_000),)), variables={"FIVETRAN_TIMEOUT": "20000"}),
    "hostile": Page(
        Scenario(setup_tests=_HOSTILE_TESTS, connection={"status": {"tasks": [{"code": HOSTILE, "message": HOSTILE}]}}),
        "TEST",
    ),
    "hostile_sync": Page(Scenario(syncs=(SyncPlan(ends="fails", reason=HOSTILE),))),
    "hostile_id": Page(variables={"CONNECTOR_ID": HOSTILE.replace("\x1b", "")}),
}


@dataclass(frozen=True)
class Fleet:
    """The page of many connections.

    Attributes:
        connections: How each came to its end, by id.
        left_out: Those that were never begun.
        variables: GitLab's.
    """

    connections: Mapping[str, Page]
    left_out: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


FLEETS: dict[str, Fleet] = {
    "fleet": Fleet(
        {
            **{f"calm_river_{number}": Page() for number in range(26)},
            "sturdy_door": Page(load_scenario("paused")),
            "sour_grape": PAGES["failed"],
            "odd_boat": PAGES["postponed"],
            "gone_away": Page(load_scenario("unknown_connector")),
        },
        variables=_GITLAB,
    ),
    "fleet_hostile": Fleet({"a_name": PAGES["hostile_sync"], "x" * 150: PAGES["hostile_sync"]}, ("late_one",)),
    "fleet_green": Fleet({"one": Page(), "two": Page()}),
}


def make(page: Page, folder: Path) -> int:
    """Run the job with the reports in a folder.

    Returns:
        Its exit code.
    """
    return play(page, folder)[1]


def play(page: Page, folder: Path | str) -> tuple[Job, int]:
    """Run the job with the reports in a folder, or in none where that is "".

    Returns:
        The job, and its exit code.
    """
    clock = VirtualClock()
    with served(Simulator(page.scenario, clock)) as url:
        job = Job(
            {
                "FIVETRAN_ACTION": page.action,
                "CONNECTOR_ID": CONNECTOR,
                "FIVETRAN_API_KEY": KEY,
                "FIVETRAN_API_SECRET": SECRET,
                "FIVETRAN_API_URL": url,
                "FIVETRAN_REPORT_DIR": str(folder),
                "SCHEMA": "public",
                "TABLE": "orders",
                **page.scenario.variables,
                **page.variables,
            },
            clock=clock,
            jitter=lambda: 0.0,
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            observe=_interrupting(page.interrupted_in),
        )
        return job, job.run()


def make_fleet(page: Fleet, folder: Path) -> None:
    """Write the report of many connections."""
    reporter, members = FleetReporter(str(folder), Mask(KEY, SECRET), print, page.variables), []
    for name, one in page.connections.items():
        job, _ = play(replace(one, variables={**one.variables, "CONNECTOR_ID": name}), "")
        run = job.run_so_far
        assert run is not None
        told = result(run.settings, run.chart, run.standing, job.trace, job.clock.wall())
        members += [member(told, details=reporter.member(told, job.trace, run.chart))]
    assert run is not None
    members += [not_started(subject(run.settings) | {"connector_id": name}, HOSTILE, 0.0) for name in page.left_out]
    whole = fleet_result(
        "START", members, group=None, notes=[HOSTILE], started_at=job.started_at, ended_at=job.clock.wall()
    )
    reporter.write(whole, run.chart)


def _interrupting(state: str) -> Callable[[Run, Step | None], None]:
    done = not state

    def observe(run: Run, _: Step | None) -> None:
        nonlocal done
        if not done and run.state.name == state:
            done = True
            os.kill(os.getpid(), signal.SIGINT)

    return observe


def main() -> int:
    """Make them all.

    Returns:
        0.
    """
    folder = Path(sys.argv[1])
    for name, page in PAGES.items():
        make(page, folder / name)
    for name, fleet in FLEETS.items():
        make_fleet(fleet, folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
