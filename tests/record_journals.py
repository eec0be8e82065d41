"""The recorded journals: START in every scenario, the other actions, signals, deaths; on a clock on which nobody waits.

`make journals` writes them anew; the same code writes the same bytes. The tests replay them.
"""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from simulated_job import SimulatedJob

from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import Arrival
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan, load_scenario, names
from orchestrator.simulator.server import served

FOLDER = Path(__file__).parent / "journals"
JITTER = 0.25  # what each draw gives

BRIEF = SyncPlan(lasts=25)
PATIENCE = 30.0  # real seconds until something that should have happened is missed


class Killed(BaseException):
    """SIGKILL: nothing gets to clean up."""


class RecordingClock(VirtualClock):
    """A virtual clock on which a call that hangs takes its limit, and not a moment more: the same each time."""

    def __init__(self) -> None:
        super().__init__()
        self._limit = 0.0
        self._thread = threading.local()

    def real(self, seconds: float) -> float:
        """Asked for when a call begins: so many seconds are its limit."""
        self._limit = self.monotonic() + seconds
        return super().real(seconds)

    def sleep(self, seconds: float) -> None:
        """The job sleeps as long as it likes; the server, until the call's limit, and then for ever."""
        if threading.current_thread() is threading.main_thread():
            super().sleep(seconds)
        elif not hasattr(self._thread, "over"):
            if self.monotonic() + seconds < self._limit:
                super().sleep(seconds)
            else:
                self._thread.over = True
                self._passed = self._limit


@dataclass(frozen=True)
class Recording:
    """One journal, and how it comes about.

    Attributes:
        scenario: What happens at Fivetran.
        action: FIVETRAN_ACTION.
        variables: More variables.
        signal_in: A state, and the signal that comes as it is entered for the first time.
        signal_at: An operation, and the signal that comes while its request is under way.
        dies_in: The job dies as this state is entered for the first time, and is started again.
        elsewhere: What is started again has another folder for its results.
        earlier: So many jobs have run before it.
        kept: They have left a state file.
    """

    scenario: Scenario = field(default_factory=lambda: Scenario(syncs=(BRIEF,)))
    action: str = "START"
    variables: Mapping[str, Any] = field(default_factory=dict)
    signal_in: tuple[str, int] = ("", 0)
    signal_at: tuple[str, int] = ("", 0)
    dies_in: str = ""
    elsewhere: bool = False
    earlier: int = 0
    kept: bool = True

    def record(self) -> str:
        """Record it; return the journal."""
        with tempfile.TemporaryDirectory() as name:
            job = SimulatedJob(self.scenario, "", Path(name), RecordingClock(), over_http=True)
            over = threading.Event()
            job.on_request = self._interrupter(over)
            with served(job.simulator) as job.url:
                for _ in range(self.earlier):
                    file = f"{name}/run.json" if self.kept else ""
                    self._play(job, lambda _, __: None, FIVETRAN_STATE_FILE=file)
                    job.clock.sleep(3600)
                try:
                    self._play(job, self._observer(), FIVETRAN_STATE_FILE=f"{name}/run.json")
                except Killed:
                    more = {"FIVETRAN_REPORT_DIR": f"{name}/elsewhere"} if self.elsewhere else {}
                    job.clock.sleep(7.5)
                    self._play(job, lambda _, __: None, FIVETRAN_STATE_FILE=f"{name}/run.json", **more)
                finally:
                    over.set()
            return Path(name, "elsewhere" if self.elsewhere else "report", "journal.jsonl").read_text("utf-8")

    def _play(self, job: SimulatedJob, observe: Callable[[Run, Step | None], None], **more: Any) -> None:
        job.play(self.action, observe, jitter=JITTER, **self.variables, **more)

    def _observer(self) -> Callable[[Run, Step | None], None]:
        """What strikes as a state is entered for the first time."""
        entered: set[str] = set()
        state, number = self.signal_in

        def observe(run: Run, _: Step | None) -> None:
            if run.state.name not in entered:
                entered.add(run.state.name)
                if run.state.name == state:
                    os.kill(os.getpid(), number)
                if run.state.name == self.dies_in:
                    raise Killed

        return observe

    def _interrupter(self, over: threading.Event) -> Callable[[Arrival], None]:
        """What strikes when a request has arrived, and leaves it without an answer."""
        operation, number = self.signal_at

        def arrived(seen: Arrival) -> None:
            if seen.operation == operation and not over.is_set():
                os.kill(os.getpid(), number)
                over.wait(PATIENCE)

        return arrived


def recordings() -> dict[str, Recording]:
    """All of them, by name."""
    again = Scenario(syncs=(SyncPlan(lasts=25, ends="reschedules", again_in=60), BRIEF))
    throttled = Fault(on="patch", skip=1, times=0, status=429, code="TooManyRequests", message="slow down")
    usual = Scenario(syncs=tuple(SyncPlan(queued=3, lasts=seconds) for seconds in (150, 158, 171, 149, 165, 161)))
    adaptive = {"FIVETRAN_POLL_INTERVAL": ""}
    hangs = Scenario(faults=(Fault(on="get", skip=1, times=0, does="hang"),), syncs=(SyncPlan(lasts=100_000),))
    return {
        **{f"start-{name.replace('_', '-')}": Recording(load_scenario(name)) for name in names()},
        "start-policies": Recording(
            Scenario(running=BRIEF, syncs=(BRIEF,), connection={"paused": True}),
            variables={
                "FIVETRAN_ON_RUNNING": "attach",
                "FIVETRAN_UNPAUSE": "1",
                "FIVETRAN_RESTORE_SCHEDULE": "1",
                "FIVETRAN_HTTP_TIMEOUT": "12.5",
                "FIVETRAN_POLL_INTERVAL": "7.5",
            },
        ),
        "start-hanging-at-the-deadline": Recording(hangs, variables={"FIVETRAN_TIMEOUT": "100"}),
        "start-interrupted-in-a-pause": Recording(signal_in=("waiting", signal.SIGINT)),
        "start-terminated-in-a-request": Recording(signal_at=("sync", signal.SIGTERM)),
        "start-terminated-behind-the-conclusion": Recording(
            Scenario(syncs=(BRIEF,), faults=(throttled,)),
            variables={"FIVETRAN_RESTORE_SCHEDULE": "1"},
            signal_in=("restoring", signal.SIGTERM),
        ),
        "start-resumed": Recording(dies_in="waiting"),
        "start-resumed-elsewhere": Recording(dies_in="awaiting_sign", elsewhere=True, scenario=_lost()),
        "start-resumed-in-a-request": Recording(dies_in="triggering"),
        "start-resumed-in-its-first-request": Recording(dies_in="validating"),
        "start-dead-behind-the-conclusion": Recording(
            dies_in="restoring", variables={"FIVETRAN_RESTORE_SCHEDULE": "1"}
        ),
        "start-failed-without-history": Recording(
            Scenario(syncs=(SyncPlan(lasts=25, ends="fails"),), history=False), variables={"FIVETRAN_EVIDENCE": "red"}
        ),
        "start-lost-restart": Recording(
            Scenario(running=SyncPlan(lasts=100_000), latency=1, syncs=(BRIEF,), faults=_lost().faults),
            variables={"FIVETRAN_ON_RUNNING": "restart"},
        ),
        "start-expected-end": Recording(usual, variables=adaptive, earlier=5, kept=False),
        "start-expected-end-kept": Recording(usual, variables=adaptive, earlier=2),
        "start-expected-end-unknown": Recording(replace(usual, history=False), variables=adaptive),
        "force-resync-expected-end-kept": Recording(usual, "FORCE_RESYNC", variables=adaptive, earlier=2),
        "status": Recording(action="STATUS"),
        "status-looked-again": Recording(
            Scenario(faults=(Fault(on="patch", status=429, code="TooManyRequests", message="slow down"),)), "STATUS"
        ),
        "status-stale": Recording(load_scenario("stale"), "STATUS"),
        "status-paused": Recording(Scenario(connection={"paused": True}), "STATUS"),
        "test-passes": Recording(action="TEST"),
        "test-fails": Recording(Scenario(setup_tests=_failing()), "TEST"),
        "force-resync": Recording(action="FORCE_RESYNC"),
        "force-resync-rescheduled": Recording(again, "FORCE_RESYNC"),
        "force-resync-unconfirmed": Recording(
            Scenario(faults=(Fault(on="resync", does="reset", times=3),)), "FORCE_RESYNC"
        ),
        "force-resync-unknown-table": Recording(action="FORCE_RESYNC", variables={"TABLE": "Orders"}),
    }


def _lost() -> Scenario:
    return Scenario(syncs=(BRIEF,), faults=(Fault(on="sync", does="reset", acts=True),))


def _failing() -> tuple[Mapping[str, str], ...]:
    return (
        {"title": "Host", "status": "PASSED", "message": ""},
        {"title": "Login", "status": "FAILED", "message": "the password has expired"},
    )


def main() -> None:
    """Write all of them anew, and remove what is no longer recorded."""
    FOLDER.mkdir(exist_ok=True)
    made = recordings()
    for file in FOLDER.glob("*.jsonl"):
        if file.stem not in made:
            file.unlink()
    for name, recording in made.items():
        (FOLDER / f"{name}.jsonl").write_text(recording.record(), "utf-8")


if __name__ == "__main__":
    main()
