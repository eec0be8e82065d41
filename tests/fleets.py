"""Many connections on a virtual clock: a simulated account, what sends to it, and a job against it."""

import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Generic, TypeVar
from unittest import mock

from in_process import arrived, sender, takes
from werkzeug.wrappers import Response

from orchestrator.fivetran.client import interpret
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.choice import job_for
from orchestrator.fleet.reader import Reader
from orchestrator.fleet.scheduler import About, Scheduler
from orchestrator.fleet.senders import MOST, Outcome
from orchestrator.job.job import Job
from orchestrator.job.limits import TICK, Limits
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.machine.transition import start
from orchestrator.simulator.app import KEY, SECRET, Arrival, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.connection import Connection, Sync
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.events import Event
from orchestrator.values.exchange import Cut, Failure, Request, unanswered
from orchestrator.values.settings import Settings

__all__ = ["GROUP", "MANUAL", "Account", "Fleet", "FleetRun", "Played", "Wire", "alike", "names", "wire_to"]

MANUAL = {"schedule_type": "manual"}
GROUP = "projected_sickle"  # the group of every connection, unless its scenario says another one
T = TypeVar("T")


def names(count: int) -> list[str]:
    """So many ids."""
    return [f"c{number:03}" for number in range(count)]


class Account(Simulator):
    """An account whose connections differ.

    Args:
        scenarios: What happens to each connection, by its id; there is no other one.
        clock: The time.
        faults: What requests meet.
        page: Connections that a page of the listing has at most.

    Attributes:
        meddle: Answers a request in place of the account, or does not (None).
        answered: The requests that have an answer; its request id is the place here.
        remaining: `x-rate-limit-remaining` of the next answer; None for an account that does not say.
        later: What is to happen, each with its second on the clock.
    """

    def __init__(
        self, scenarios: Mapping[str, Scenario], clock: VirtualClock, *faults: Fault, page: int = 1_000
    ) -> None:
        super().__init__(Scenario(faults=faults), clock)
        self.virtual = clock
        self.meddle: Callable[[Arrival], Response | None] = lambda _: None
        self.remaining: int | None = None
        self.answered: list[Arrival] = []
        self.later: list[tuple[float, Callable[[], object]]] = []
        self._page = page
        self._exist = {name for name, scenario in scenarios.items() if scenario.exists}
        self.connections.update({name: Connection(name, each, self.clock) for name, each in scenarios.items()})

    def syncs(self, name: str) -> list[Sync]:
        """The syncs of a connection that jobs started."""
        return [sync for sync in self.connections[name].history if sync.cause in {"sync", "resync"}]

    def asked(self, operation: str, name: str = "") -> list[Arrival]:
        """The requests of a kind so far, in their order; of one connection, where one is named."""
        return [each for each in self.seen if each.operation == operation and name in {"", each.identity}]

    def happen(self) -> None:
        """Let happen what is due."""
        due, self.later = (
            [call for at, call in self.later if at <= self.virtual.monotonic()],
            [(at, call) for at, call in self.later if at > self.virtual.monotonic()],
        )
        for call in due:
            call()

    def _carry_out(self, arrival: Arrival) -> None:
        super()._carry_out(arrival)
        if arrival.reply is not None:
            self.answered.append(arrival)
            arrival.reply.headers["X-Request-Id"] = str(len(self.answered) - 1)
        if self.remaining is not None and arrival.reply is not None:
            self.remaining = max(0, self.remaining - 1)
            arrival.reply.headers["x-rate-limit-remaining"] = str(self.remaining)

    def _answer(self, arrival: Arrival) -> Response:
        reply = self.meddle(arrival)
        if reply is not None:
            return reply
        if arrival.operation == "listing":
            return self._page_of(arrival)
        if arrival.identity and arrival.identity not in self._exist:
            return self._failed(404, "NotFound_Connection", f"Cannot find connection with id '{arrival.identity}'")
        return super()._answer(arrival)

    def _page_of(self, arrival: Arrival) -> Response:
        path, query = arrival.path.split("/"), arrival.query
        group = path[3] if path[2] == "groups" else query.get("group_id", "")
        listed = [self.connections[name].document() for name in sorted(self._exist)]
        listed = [each for each in listed if group in {"", each["group_id"]}]
        if path[2] == "groups" and not listed:
            return self._failed(404, "NotFound_Group", f"Cannot find group with id '{group}'")
        listed = [each for each in listed if query.get("schema", each["schema"]) == each["schema"]]
        limit, after = min(self._page, int(query["limit"])), int(query.get("cursor", "0"))
        more = {"next_cursor": str(after + limit)} if after + limit < len(listed) else {}
        return self._success({"items": listed[after : after + limit], **more})


@dataclass
class _Flight(Generic[T]):
    about: T
    request: Request
    arrival: Arrival
    lands: float
    until: float
    interruptible: bool


class Wire(Generic[T]):
    """A transport to an account on its virtual clock: time passes while it is waited for something, and only then."""

    fivetran: Account

    def __init__(self, *how: Any, most: int = MOST) -> None:
        connect, _, limits, *_ = how or (None, None, None)
        self.client = connect() if connect else None
        self.limits: Limits | None = limits
        self.most = most
        self.flights: list[_Flight[T]] = []
        self.sent: list[tuple[float, Request]] = []
        self._idle = 0  # times in a row that nothing was under way

    @property
    def free(self) -> bool:
        """As `Transport` has it."""
        return len(self.flights) < self.most

    def send(self, about: T, request: Request, seconds: float, *, interruptible: bool) -> None:
        """As `Transport` has it."""
        now = self.fivetran.virtual.monotonic()
        self.sent.append((now, request))
        arrival = arrived(self.fivetran, request, KEY, SECRET)
        self.flights.append(_Flight(about, request, arrival, now + takes(arrival), now + seconds, interruptible))

    def ended(self, until: float) -> Iterator[tuple[T, Outcome]]:
        """As `Transport` has it."""
        clock = self.fivetran.virtual
        moments = [until, *(min(each.lands, each.until) for each in self.flights)]
        moments += [at for at, _ in self.fivetran.later]
        self._idle = self._idle + 1 if math.isinf(min(moments)) else 0
        assert self._idle < 10, "nothing is awaited any more"
        clock.sleep(TICK if self._idle else min(moments) - clock.monotonic())
        self.fivetran.happen()
        if self.limits is not None:
            self.limits.tick()
        for flight in [each for each in self.flights if min(each.lands, each.until) <= clock.monotonic()]:
            if flight in self.flights:
                self.flights.remove(flight)
                yield flight.about, self._outcome(flight)

    def interrupt(self) -> Iterator[tuple[T, Outcome]]:
        """As `Transport` has it."""
        for flight in [each for each in self.flights if each.interruptible]:
            self.flights.remove(flight)
            yield flight.about, Cut.SIGNAL

    def close(self) -> None:
        """Nothing is open."""
        assert self.flights == []

    def _outcome(self, flight: _Flight[T]) -> Outcome:
        if flight.until < flight.lands:
            return Cut.LIMIT
        arrival, clock = flight.arrival, self.fivetran.virtual
        reply = self.fivetran.answer(arrival)
        if arrival.fault is not None and arrival.fault.does in {"reset", "truncate", "short"}:
            return unanswered(flight.request, "ConnectionError: made up")
        headers = {**reply.headers, **self.fivetran.date(arrival)}
        reader = self.client._reader if self.client else None
        if self.client:
            self.client._heed(headers)
        hide, mask = (reader.hide, reader.mask) if reader else (lambda _: None, str)
        try:
            return interpret(
                flight.request, reply.status_code, headers, reply.data, now=clock.wall, hide=hide, mask=mask
            )
        except Failure as failure:
            return failure


def wire_to(account: Account) -> type[Wire[Any]]:
    """The class of what takes the place of `Senders`."""

    class Bound(Wire[T]):
        fivetran = account

    return Bound


POLICIES = (("on_running", "wait"), ("on_broken", "fail"), ("on_reschedule", "wait"))


class Fleet:
    """Who has the runs of an account driven, and what it saw.

    Args:
        scenarios: What happens to each connection.
        faults: What requests meet.
        most: Requests at once.
        page: Connections on a page of the listing.
        per_hour: The budget.
        action: What is done to each.
        settings: Settings that differ.
    """

    def __init__(
        self,
        scenarios: dict[str, Scenario],
        *faults: Fault,
        most: int = 16,
        page: int = 1_000,
        per_hour: float | None = None,
        action: str = "START",
        **settings: Any,
    ) -> None:
        self.clock = VirtualClock()
        self.account = Account(scenarios, self.clock, *faults, page=page)
        self.wire: Wire[About] = wire_to(self.account)(most=most)
        self.budget = Budget(per_hour)
        self.chart = load(action)
        table = {"schema": "public", "table": "orders"} if action == "FORCE_RESYNC" else {}
        self.settings = Settings(
            action, "", "key", "secret", policies=POLICIES, evidence="red", **{**table, **settings}
        )
        self.noted: Event | None = None
        self.steps = list[tuple[float, str, Step]]()
        self.ends = dict[str, tuple[float, str | None]]()
        self.bugs = dict[str, str]()
        self.begun = list[str]()
        self.on_step: Callable[[Run, Step], object] = lambda _, __: None
        self.on_end: Callable[[Run], object] = lambda _: None
        self.warned = list[str]()
        self.jitters = 0.0

    def drive(self, *ids: str, **how: Any) -> "Fleet":
        """Have them driven; all of the account where none is named."""
        deadline = self.settings.timeout
        self.scheduler = Scheduler(
            self,
            self.wire,
            Reader("", self.warned.append),
            self.budget,
            self.clock,
            **{"interval": self.settings.poll_interval, "deadline": deadline, **how},
        )
        self.scheduler.drive(ids or tuple(self.account.connections))
        assert self.wire.flights == []
        return self

    @property
    def verdicts(self) -> dict[str, str | None]:
        """How each run ended."""
        return {name: verdict for name, (_, verdict) in sorted(self.ends.items())}

    def asked_at(self, step: Step) -> float:
        """When the request arrived whose answer a step was taken on, be it a page of the listing."""
        assert step.answer is not None
        return self.account.answered[int(step.answer.request_id)].at

    def times(self, operation: str) -> list[float]:
        """When requests of a kind arrived."""
        return [each.at - 1_800_000_000.0 for each in self.account.asked(operation)]

    # --- What the scheduler asks of its owner ---

    def begin(self, connector_id: str) -> Run:
        """As `Owner` has it."""
        self.begun.append(connector_id)
        settings = replace(self.settings, connector_id=connector_id)
        ports = Ports(self.clock, lambda *_: Cut.LIMIT, self.write, lambda: self.jitters, self.signal)
        standing = start(self.chart, settings, self.clock.wall())
        left = settings.timeout - self.clock.monotonic()
        return Run(self.chart, settings, ports, standing=standing._replace(deadline=left))

    def write(self, standing: Standing) -> None:
        """The results are nobody's here."""

    def took(self, run: Run, step: Step) -> None:
        """As `Owner` has it."""
        self.steps.append((self.clock.monotonic(), run.settings.connector_id, step))
        self.on_step(run, step)

    def ended(self, run: Run) -> None:
        """As `Owner` has it."""
        self.on_end(run)
        self.ends[run.settings.connector_id] = self.clock.monotonic(), run.facts.verdict

    def failed(self, connector_id: str, error: Exception) -> None:
        """As `Owner` has it."""
        self.bugs[connector_id] = str(error)

    def signal(self) -> Event | None:
        """As `Owner` has it."""
        return self.noted


def alike(count: int, **how: Any) -> dict[str, Scenario]:
    """So many connections to which the same happens."""
    return {name: Scenario(**how) for name in names(count)}


@dataclass
class Played:
    """What the world saw of a job."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def members(self) -> dict[str, dict[str, Any]]:
        """The connections of that document, by their ids, those that need attention first."""
        return {each["connector_id"]: each for each in self.result["connections"]}

    def verdicts(self) -> dict[str, str | None]:
        """How each connection ended, by its id."""
        return {name: each["verdict"] for name, each in sorted(self.members.items())}

    def lines(self, text: str) -> list[str]:
        """The lines of the log with that text."""
        return [line for line in self.stderr.splitlines() if text in line]


@dataclass
class FleetRun:
    """A job for many connections against an account on a virtual clock.

    Attributes:
        scenarios: What happens to each connection.
        folder: Where the job may write.
        faults: What requests meet.
        page: Connections on a page of the listing.
    """

    scenarios: Mapping[str, Scenario]
    folder: Path
    faults: Sequence[Fault] = ()
    page: int = 1_000
    clock: VirtualClock = field(default_factory=VirtualClock)

    def __post_init__(self) -> None:
        self.account = Account(self.scenarios, self.clock, *self.faults, page=self.page)
        self.stderr = io.StringIO()

    def variables(self, action: str = "START", **more: str) -> dict[str, str]:
        """The variables of the job."""
        table = {"SCHEMA": "public", "TABLE": "orders"} if action == "FORCE_RESYNC" else {}
        chosen = {} if {"FIVETRAN_GROUP_ID", "FIVETRAN_CONNECTION_NAME"} & set(more) else self.scenarios
        listed = {"CONNECTOR_ID": ",".join(chosen)} if chosen else {}
        return {
            "FIVETRAN_ACTION": action,
            **listed,
            "FIVETRAN_API_KEY": KEY,
            "FIVETRAN_API_SECRET": SECRET,
            **table,
            **more,
        }

    def job(self, variables: Mapping[str, str], **how: Any) -> Job:
        """The job."""
        self.stdout, self.stderr = io.StringIO(), io.StringIO()
        return job_for(
            variables,
            **{"clock": self.clock, "jitter": lambda: 0.0, "stdout": self.stdout, "stderr": self.stderr, **how},
        )

    def play(self, action: str = "START", **more: Any) -> Played:
        """Run a job to its end; `more` are variables, and `must_resume` as for `run --resume`."""
        must_resume = more.pop("must_resume", False)
        job = self.job(self.variables(action, **more), must_resume=must_resume)
        bounded = sender(self.account, KEY, SECRET)
        with ExitStack() as stack:
            for name in ("orchestrator.fleet.fleet_job.bounded", "orchestrator.job.job.bounded"):
                stack.enter_context(mock.patch(name, bounded))
            stack.enter_context(mock.patch("orchestrator.fleet.fleet_job.Senders", wire_to(self.account)))
            code = job.run()
        return Played(code, self.stdout.getvalue(), self.stderr.getvalue())
