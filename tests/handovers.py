"""A task without Airflow: its workers, its triggerer and its store, on a virtual clock."""

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

from fleets import Account
from in_process import answered, arrived, takes

from orchestrator.airflow.handover import handed_over, plain, settings_from, taken_up
from orchestrator.airflow.note import Note
from orchestrator.airflow.watching import watch
from orchestrator.airflow.worker import Worker
from orchestrator.job.masking import Mask
from orchestrator.job.trace import Trace
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.step import Step
from orchestrator.machine.transition import start
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Scenario
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.settings import Settings

__all__ = ["NAME", "Killed", "Task"]

NAME = "c000"
POLICIES = (("on_running", "wait"), ("on_reschedule", "wait"), ("on_broken", "fail"))


class Killed(BaseException):
    """A process was killed."""


class Shelf:
    """Airflow's task state store: what is in it is JSON."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.writes: list[Any] = []

    def get(self, key: str) -> Any:
        """What was stored."""
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any) -> None:
        """Store it; anything but JSON is refused, tuples included."""
        text = json.dumps(value)
        assert json.loads(text) == value
        self.kept[key] = text
        self.writes.append(value)

    def delete(self, key: str) -> None:
        """Remove it."""
        self.kept.pop(key, None)


class Looking:
    """A board that asks for each connection by itself, in no time but the account's."""

    def __init__(self, task: "Task") -> None:
        self.task = task

    async def take(self, run: Run, *, shared: bool) -> Step:
        """Take the step of a run that asks."""
        del shared
        began = run.begin()
        if isinstance(began, Step):
            return began
        assert began.request is not None
        return run.settle(began, self.task.ask(began.request, began.limit, place="triggerer"))


@dataclass
class Task:
    """One task instance, and the account that it asks.

    Attributes:
        scenario: What happens to its connection.
        settings: Members of its settings that differ.
        action: Its action.
        postpones: It is rescheduled where Fivetran reschedules the sync past the deadline.
        meet: Called with each request before it arrives, and where it is sent from; may kill who sends it.
        deferrable: As the operator has it.
    """

    scenario: Scenario = field(default_factory=Scenario)
    settings: dict[str, Any] = field(default_factory=dict)
    action: str = "START"
    postpones: bool = False
    deferrable: bool = True
    meet: Callable[["Task", Request, str], None] = lambda *_: None

    def __post_init__(self) -> None:
        self.clock = VirtualClock()
        self.account = Account({NAME: self.scenario}, self.clock)
        self.chart = load(self.action)
        policies = tuple((name, value) for name, value in POLICIES if self.chart.values(name))
        about: dict[str, Any] = {"schema": "public", "table": "orders"} if self.action == "FORCE_RESYNC" else {}
        usual = Settings(self.action, NAME, KEY, SECRET, policies=policies, evidence="0", timeout=3600.0, **about)
        self.told = replace(usual, **self.settings)
        self.shelf = Shelf()
        self.mask = Mask(KEY, SECRET)
        self.asked: list[tuple[str, str]] = []
        self.payloads: list[dict[str, Any]] = []
        self.warnings: list[str] = []
        self.run: Run | None = None
        self.signal: Event | None = None

    # --- The account --------------------------------------------------------------------------

    def ask(self, request: Request, seconds: float, place: str) -> Answer | Failure | Cut:
        """Send a request."""
        self.asked.append((place, str(request)))
        self.meet(self, request, place)
        arrival = arrived(self.account, request)
        if takes(arrival) > seconds:
            self.clock.sleep(seconds)
            return Cut.LIMIT
        try:
            return answered(self.account, request, arrival, self.clock)
        except Failure as failure:
            return failure

    def deliver(self, request: Request) -> None:
        """A request arrives, and its answer is lost."""
        with suppress(Failure):
            answered(self.account, request, arrived(self.account, request), self.clock)

    def carried_out(self) -> int:
        """How many syncs the task has started."""
        return len(self.account.syncs(NAME))

    @property
    def posts(self) -> int:
        """How many times it asked for one."""
        return sum(request.startswith("POST") for _, request in self.asked)

    # --- Its processes ------------------------------------------------------------------------

    def note(self) -> Note:
        """The note of this task instance."""
        return Note(self.shelf, self.told, self.chart)

    def _run(self, taken: Any) -> tuple[Run, Trace]:
        standing, elapsed, trace = taken
        send = lambda request, seconds, _: self.ask(request, seconds, "worker")  # noqa: E731
        ports = Ports(self.clock, send, lambda _: None, lambda: 0.0, lambda: self.signal)
        self.run = Run(self.chart, self.told, ports, standing=standing, elapsed=elapsed)
        return self.run, trace

    def _work(self, taken: Any, note: Note) -> dict[str, Any] | None:
        run, trace = self._run(taken)
        pause = lambda until: self.clock.sleep(until - self.clock.monotonic())  # noqa: E731
        worker = Worker(
            run, trace, note, self.mask, pause, lambda _: None, deferrable=self.deferrable, postpones=self.postpones
        )
        if worker.work():
            return None
        payload = {"settings": plain(self.told), "run": handed_over(run, run.standing, trace, self.mask)}
        return self._sent(payload)

    def _sent(self, payload: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(payload)
        assert json.loads(text) == payload
        assert KEY not in text
        assert SECRET not in text
        self.payloads.append(payload)
        return json.loads(text)  # type: ignore[no-any-return]

    def execute(self) -> dict[str, Any] | None:
        """A try on a worker; what it hands over, or None at its end."""
        note = self.note()
        found = note.found(self.clock.wall(), self.warnings.append)
        fresh = (start(self.chart, self.told, self.clock.wall()), 0.0, Trace())
        return self._work(found or fresh, note)

    def resume(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """A worker goes on with what the triggerer hands back."""
        note, document = self.note(), event["run"]
        document = note.found_later_than(document) or document
        return self._work(taken_up(self.chart, self.told, document, self.clock.wall()), note)

    def trigger(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The triggerer waits; what it hands back."""
        settings = settings_from(payload["settings"], KEY, SECRET)
        assert settings == self.told
        standing, elapsed, trace = taken_up(self.chart, settings, payload["run"], self.clock.wall())
        ports = Ports(self.clock, lambda *_: Cut.LIMIT, lambda _: None, lambda: 0.0)
        run = Run(self.chart, settings, ports, standing=standing, elapsed=elapsed)

        async def sleep(seconds: float) -> None:
            self.clock.sleep(seconds)

        async def looked() -> dict[str, Any]:
            place = await watch(run, Looking(self), trace.add)  # type: ignore[arg-type]
            return {"run": handed_over(run, place, trace, self.mask)}

        with mock.patch("orchestrator.airflow.watching.asyncio.sleep", sleep):
            return self._sent(asyncio.run(looked()))

    def play(self, payload: dict[str, Any] | None = None, *, fresh: bool = True) -> str | None:
        """From a hand-over, or from the beginning, to the end; the verdict."""
        payload = self.execute() if fresh else payload
        while payload is not None:
            payload = self.resume(self.trigger(payload))
        assert self.run is not None
        return self.run.facts.verdict

    def survive(self) -> str | None:
        """From the beginning to the end, whoever is killed: Airflow starts a worker's task and a trigger again."""
        payload: dict[str, Any] | None = None
        event: dict[str, Any] | None = None
        while True:
            try:
                if event is not None:
                    payload = None  # a worker that dies now is followed by a try of its own
                    payload, event = self.resume(event), None
                elif payload is not None:
                    event = self.trigger(payload)
                    continue
                else:
                    payload = self.execute()
            except Killed:
                self.clock.sleep(20.0)
                event = None
                continue
            if payload is None:
                assert self.run is not None
                return self.run.facts.verdict
