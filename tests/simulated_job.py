"""One job against a simulated Fivetran on a virtual clock, its output captured."""

import io
import json
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from in_process import sender

from orchestrator.job.job import Job
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY, SECRET, Arrival, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.connection import Connection, Sync
from orchestrator.simulator.scenario import Scenario, SyncPlan

CONNECTOR = "speak_inexpensive"


@dataclass
class Played:
    """What the world saw of one job."""

    code: int
    stdout: str
    stderr: str
    steps: list[Step]
    requests: list[str]
    report: dict[str, Any] | None

    @property
    def way(self) -> list[str]:
        """The states in the order in which they were entered, the first one not."""
        return [step.target for step in self.steps]


@dataclass
class SimulatedJob:
    """One scenario; `play` runs a job against it.

    Attributes:
        scenario: What Fivetran does.
        url: Where the scenario is served.
        folder: Where the job may write.
        clock: The time of both.
        over_http: The job asks over HTTP, at `url`; else it asks the simulator directly.
    """

    scenario: Scenario
    url: str
    folder: Path
    clock: VirtualClock = field(default_factory=VirtualClock)
    over_http: bool = False

    def __post_init__(self) -> None:
        self.on_request: Callable[[Arrival], None] = lambda _: None
        self.simulator = Simulator(self.scenario, self.clock, on_arrival=self._arrived)

    def _arrived(self, seen: Arrival) -> None:
        self.on_request(seen)

    def begin(self, plan: SyncPlan) -> None:
        """Somebody starts a sync now."""
        self.connection.live()
        self.connection._begin(plan, "somebody")

    @property
    def connection(self) -> Connection:
        """The connection that the job is about."""
        return self.simulator.connection(CONNECTOR)

    @property
    def syncs(self) -> list[Sync]:
        """The syncs that our jobs started: neither somebody else's nor the schedule's."""
        return [sync for sync in self.connection.history if sync.cause in {"sync", "resync"}]

    @property
    def requests(self) -> list[str]:
        """The operations asked for so far: get, patch, sync, resync, test, schemas."""
        return [seen.operation for seen in self.simulator.seen]

    def variables(self, action: str = "START", **more: str) -> dict[str, str]:
        """The variables of the job; SCHEMA and TABLE for FORCE_RESYNC are there."""
        table = {"SCHEMA": "public", "TABLE": "orders"} if action == "FORCE_RESYNC" else {}
        return {
            "FIVETRAN_ACTION": action,
            "CONNECTOR_ID": CONNECTOR,
            "FIVETRAN_API_KEY": KEY,
            "FIVETRAN_API_SECRET": SECRET,
            "FIVETRAN_API_URL": self.url,
            "FIVETRAN_REPORT_DIR": str(self.folder / "report"),
            "FIVETRAN_POLL_INTERVAL": "10",  # fixed, so that a test can name its moments
            **table,
            **self.scenario.variables,
            **more,
        }

    def play(
        self,
        action: str = "START",
        observe: Callable[[Run, Step | None], None] = lambda _, __: None,
        *,
        must_resume: bool = False,
        jitter: float = 0.0,
        **more: str,
    ) -> Played:
        """Run a job to its end.

        Args:
            action: FIVETRAN_ACTION.
            observe: Shown the run before its first step (with None) and after each step.
            must_resume: As for `run --resume`.
            jitter: What each draw for a back-off gives.
            more: Variables.
        """
        out, err, steps = io.StringIO(), io.StringIO(), list[Step]()
        before = len(self.simulator.seen)

        def both(run: Run, step: Step | None) -> None:
            if step is not None:
                steps.append(step)
            observe(run, step)

        variables = self.variables(action, **more)
        job = Job(
            variables,
            clock=self.clock,
            jitter=lambda: jitter,
            stdout=out,
            stderr=err,
            must_resume=must_resume,
            observe=both,
        )
        key, secret = (variables[name].strip() for name in ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"))
        bounded = sender(self.simulator, key, secret)
        with nullcontext() if self.over_http else mock.patch("orchestrator.job.job.bounded", bounded):
            code = job.run()
        path = self.folder / "report" / "result.json"
        report = json.loads(path.read_text("utf-8")) if path.is_file() else None
        return Played(code, out.getvalue(), err.getvalue(), steps, self.requests[before:], report)


Simulate = Callable[..., SimulatedJob]  # the fixture `simulate`
