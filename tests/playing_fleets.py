"""Play a fleet in a made-up account: the real scheduler, reader and budget, on a clock on which nobody waits.

There is no HTTP and no thread: several requests are under way at once, and their answers come in the order of
the virtual time. Each connection has a simulated Fivetran of its own, so that it lives as in a world by itself.
"""

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from math import ceil, inf
from typing import Any
from urllib.parse import parse_qsl

from in_process import arrived, takes
from playing import AFTERWARDS, MOST_STEPS, Killed, Played, Sent, configured
from worlds import Fleet

from orchestrator.fivetran.client import interpret
from orchestrator.fivetran.effects.situation import items
from orchestrator.fivetran.verdicts import explain
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.reader import Reader
from orchestrator.fleet.scheduler import About, Scheduler, _Page
from orchestrator.job.job import _matters
from orchestrator.machine.run import Ports, Run
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL, resumed
from orchestrator.machine.step import Step
from orchestrator.machine.transition import start
from orchestrator.simulator.app import Arrival, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.connection import Sync
from orchestrator.simulator.scenario import Fault
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request, unanswered
from orchestrator.values.facts import Facts

__all__ = ["FRESH_ENOUGH", "Account", "PlayedFleet", "Posted", "play_fleet"]

FRESH_ENOUGH = 15.0  # seconds that a change of the connection may be sent after what it was decided on
MOST_WAITS = 100_000
INSTANT = 1e-6  # seconds that are none
_NEVER_ANSWERED = {"hang", "trickle"}

Outcome = Answer | Failure | Cut
_Read = tuple[float, float, Sync | None]


@dataclass
class Posted:
    """A request as it left the job, whoever it was for. Times are the job's clock's.

    Attributes:
        at: When it was sent.
        request: What was asked.
        whose: The connection, or "" for a page of the listing.
        held: Until when a 429 had asked for silence.
        late: Whether the job's time was over, or that of a run under way.
        process: How often the job had been killed.
    """

    at: float
    request: Request
    whose: str
    held: float
    late: bool
    process: int


@dataclass
class PlayedFleet:
    """What became of a fleet.

    Attributes:
        fleet: The fleet.
        members: The runs that were begun, by id.
        posted: All requests, as they were sent.
        left_out: The ids of connections that were never begun.
        late: The job ended after its deadline.
        most: How many runs were under way at once, at most.
        signalled: When a signal came; None where none came in time.
        began: When the job began, or was last started again, on its clock.
        ended: When the job ended.
        left_over: What the scheduler still held at its end.
        broken: What the player itself saw that must not be.
        failure: The exception that the job ended with, if any.
    """

    fleet: Fleet
    members: dict[str, Played] = field(default_factory=dict)
    posted: list[Posted] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    late: bool = False
    most: int = 0
    signalled: float | None = None
    began: float = 0.0
    ended: float = 0.0
    left_over: list[str] = field(default_factory=list)
    broken: list[tuple[str, str]] = field(default_factory=list)
    failure: str = ""


@dataclass
class _Flight:
    """A request under way."""

    about: About
    request: Request
    lands: float  # when its answer is there
    until: float  # when its limit is over
    interruptible: bool
    reply: "Reply"
    sent: Sent | None
    simulator: Simulator | None
    acts: float  # when it is carried out

    @property
    def ends(self) -> float:
        return min(self.lands, self.until)


@dataclass
class Reply:
    """What will be answered: status, headers and body, or nothing of that.

    Attributes:
        arrival: The request as its connection's Fivetran has it, which has the answer; or None.
        fault: What it meets.
        body: The answer, where it is that of the account.
        read: When each document was asked for that it holds, when it was read, and which sync was running then.
    """

    arrival: Arrival | None = None
    fault: Fault | None = None
    body: Any = None
    read: dict[str, _Read] = field(default_factory=dict)


class Account:
    """The Fivetran of all of them, and the network in between: what sends, for the scheduler."""

    def __init__(self, player: "_Player") -> None:
        self.player = player
        self.fleet = fleet = player.fleet
        self.clock = player.clock
        self.flights: list[_Flight] = []
        self.held = -inf
        self.read: dict[int, tuple[Any, _Read]] = {}  # the documents that the job was given
        self.left = float(fleet.limit or 0)
        self.since = 0.0
        scenario = fleet.first.scenario
        self.ahead, self.skew, self.dated = scenario.ahead, scenario.skew, scenario.dated

    @property
    def most(self) -> int:
        """As `Transport` has it."""
        return self.fleet.senders

    @property
    def free(self) -> bool:
        """Likewise."""
        return len(self.flights) < self.fleet.senders

    def now(self) -> float:
        """Fivetran's now, in seconds since the epoch."""
        return self.clock.wall() + self.ahead

    # --- What the scheduler does with it --------------------------------------------------------

    def send(self, about: About, request: Request, seconds: float, *, interruptible: bool) -> None:
        """Likewise; the request arrives at once."""
        path, _, query = request.path.partition("?")
        whose = about.asked.connector_id if isinstance(about, _Page) else about.run.settings.connector_id
        now = self.clock.monotonic()
        self.player.posted(request, whose, self.held)
        sent = None
        if whose:
            played = self.player.begun[whose]
            operation = played.simulator.operation(request.method, path)
            sent = Sent(request, operation, self.now(), self.now())
            if request.changes or operation != "get":
                played.sent.append(sent)
        self.player.die("unsent")
        reply = self._listed(dict(parse_qsl(query))) if sent is None else self._asked(whose, request, sent)
        lasts = self._lasts(reply)
        acts = now + (reply.arrival.acts_in if reply.arrival else 0.0)
        simulator = self.player.simulators[whose] if whose and reply.arrival else None
        self.flights.append(
            _Flight(about, request, now + lasts, now + seconds, interruptible, reply, sent, simulator, acts)
        )
        self.player.die("unheard")

    def ended(self, until: float) -> Iterator[tuple[About, Outcome]]:
        """Likewise; time passes."""
        now = self.clock.monotonic()
        self.player.waits += 1
        signal = self.fleet.first.signal
        moments = [until, *(flight.ends for flight in self.flights)]
        if signal is not None and now < signal[0]:
            moments.append(signal[0])
        moment = max(now, min(moments))
        if moment == inf:
            raise RuntimeError("the scheduler waits for nothing")
        if self.player.waits > MOST_WAITS:
            raise RuntimeError(f"still waiting after {MOST_WAITS} times")
        self.advance(moment)
        over = [flight for flight in self.flights if flight.ends <= self.clock.monotonic() + INSTANT]
        for flight in sorted(over, key=lambda flight: flight.ends):
            yield self._landed(flight, Cut.LIMIT if flight.until <= flight.lands else None)

    def interrupt(self) -> Iterator[tuple[About, Outcome]]:
        """Likewise."""
        now = self.clock.monotonic()
        for flight in self.flights:
            flight.until = min(flight.until, now + GRACE_AFTER_SIGNAL)
        for flight in [flight for flight in self.flights if flight.interruptible]:
            yield self._landed(flight, Cut.SIGNAL)

    # --- Fivetran --------------------------------------------------------------------------------

    def advance(self, moment: float) -> None:
        """Let time pass; what is carried out meanwhile is carried out at its moment."""
        for flight in sorted(self.flights, key=lambda flight: flight.acts):
            if flight.simulator is not None and self.clock.monotonic() < flight.acts <= moment:
                self.clock.sleep(flight.acts - self.clock.monotonic())
                flight.simulator.catch_up()
        self.clock.sleep(moment - self.clock.monotonic())

    def _trouble(self, operation: str) -> Fault | None:
        now = self.clock.monotonic()
        for trouble in self.fleet.troubles:
            if trouble.at <= now < trouble.at + trouble.lasts and trouble.fault.on in {"any", operation}:
                return trouble.fault
        if self.fleet.limit is None:
            return None
        self.left = min(self.fleet.limit, self.left + (now - self.since) * self.fleet.limit / 3600)
        self.since = now
        if self.left < 1:
            wait = ceil((1 - self.left) * 3600 / self.fleet.limit)
            return Fault(status=429, code="TooManyRequests", message="made up", headers={"Retry-After": str(wait)})
        self.left -= 1
        return None

    def _asked(self, whose: str, request: Request, sent: Sent) -> Reply:
        simulator, played = self.player.simulators[whose], self.player.begun[whose]
        trouble = self._trouble(sent.operation)
        simulator.catch_up()
        played.connection.live()
        sent.running = played.connection.running
        if trouble is not None and not (trouble.carries_out or request.method == "GET"):
            return Reply(fault=trouble)
        if trouble is None:
            arrival = arrived(simulator, request)
        else:
            with simulator.faultless():
                arrival = arrived(simulator, request)
            arrival.fault = trouble
            arrival.answers_in += trouble.answers_in
        sent.acts_at = sent.at + arrival.acts_in if arrival.acts else None
        return Reply(arrival, trouble, read={whose: (sent.at, sent.acts_at or sent.at, sent.running)})

    def _listed(self, query: Mapping[str, str]) -> Reply:
        trouble, fleet, cursor = self._trouble("listing"), self.fleet, query.get("cursor", "")
        documents, read = dict[str, Any](), dict[str, _Read]()
        for place, (name, simulator) in enumerate(self.player.simulators.items()):
            if place not in fleet.unlisted and simulator.scenario.exists:
                simulator.catch_up()
                connection = simulator.connection(name)
                documents[name] = connection.document()
                read[name] = self.now(), self.now(), connection.running
        for number in range(fleet.strangers):
            documents[f"a_stranger_{number}"] = {"id": f"a_stranger_{number}", "status": {"sync_state": "scheduled"}}
        after = b64decode(cursor).decode() if cursor else ""
        left = [name for name in sorted(documents) if name > after]
        page = left[: min(fleet.page, int(query["limit"]))]
        listed: list[Any] = [
            {name: value for name, value in documents[each].items() if name not in fleet.lacks} for each in page
        ]
        data: dict[str, Any] = {"items": listed}
        if len(left) > len(page):
            data["next_cursor"] = b64encode(page[-1].encode()).decode()
        elif fleet.endless and page:
            data["next_cursor"] = b64encode(min(documents).encode()).decode()
        return Reply(None, trouble, {"code": "Success", "data": data}, read)

    def _lasts(self, reply: Reply) -> float:
        if reply.arrival is not None:
            return takes(reply.arrival)
        fault = reply.fault
        if fault is not None and fault.does in _NEVER_ANSWERED:
            return inf
        return self.fleet.first.scenario.latency + (fault.answers_in if fault else 0.0)

    # --- What the job makes of it ------------------------------------------------------------------

    def _landed(self, flight: _Flight, cut: Cut | None) -> tuple[About, Outcome]:
        self.flights.remove(flight)
        outcome: Outcome = cut if cut is not None else self._interpreted(flight)
        sent, now = flight.sent, self.clock.monotonic()
        if sent is not None:
            sent.until = self.now()
            sent.answered = isinstance(outcome, Answer)
        if isinstance(outcome, Answer):
            for document in (outcome.data, *items(outcome)):
                if (name := document.get("id")) in flight.reply.read:
                    self.read[id(document)] = document, flight.reply.read[name]
        if isinstance(outcome, Failure) and outcome.event is Event.RATE_LIMITED and outcome.retry_after:
            self.held = max(self.held, now + outcome.retry_after)
        return flight.about, outcome

    def _interpreted(self, flight: _Flight) -> Outcome:
        reply = flight.reply
        status, headers, body = self._answer(reply, flight.simulator)
        does = "" if reply.fault is None and reply.arrival is None else self._does(reply)
        if not self.dated or does == "undated":
            headers.pop("Date", None)
        if does in {"reset", "truncate"}:
            return unanswered(flight.request, "ConnectionError: made up")
        if does == "short":
            status, headers, body = 200, {"Content-Type": "application/json"}, body[: len(body) // 2]
        if self.fleet.limit is not None:
            headers["x-rate-limit-remaining"] = str(int(self.left))
            self.player.budget.heed(headers, self.clock.monotonic())
        try:
            return interpret(flight.request, status, headers, body, now=self.clock.wall)
        except Failure as failure:
            return failure

    @staticmethod
    def _does(reply: Reply) -> str:
        fault = reply.fault or (reply.arrival.fault if reply.arrival else None)
        return fault.does if fault is not None else ""

    def _answer(self, reply: Reply, simulator: Simulator | None) -> tuple[int, dict[str, str], bytes]:
        headers = {"Content-Type": "application/json"}
        headers["Date"] = formatdate(self.now() + self.skew, usegmt=True)
        fault = reply.fault
        if fault is not None and fault.does == "answer":
            if not fault.code:
                return fault.status, {**headers, "Content-Type": "text/html", **fault.headers}, fault.message.encode()
            told = json.dumps({"code": fault.code, "message": fault.message}).encode()
            return fault.status, {**headers, **fault.headers}, told
        if reply.arrival is not None and simulator is not None:
            found = simulator.answer(reply.arrival)
            return found.status_code, {**headers, **found.headers}, found.data
        return 200, headers, json.dumps(reply.body).encode()


class _Player:
    """The job, as `FleetJob` is one: it owns the runs."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.clock = VirtualClock()
        self.names = [f"member_{place:02}" for place in range(len(fleet.members))]
        self.simulators = {
            name: Simulator(world.scenario, self.clock) for name, world in zip(self.names, fleet.members, strict=True)
        }
        for name, simulator in self.simulators.items():
            simulator.connection(name)
        self.configured = configured(fleet.first)
        self.chart = self.configured.chart
        self.played = PlayedFleet(fleet)
        self.begun: dict[str, Played] = self.played.members
        self.budget = Budget(fleet.budget)
        self.account = Account(self)
        self.kills = sorted(fleet.kills, key=lambda kill: kill.step)
        self.steps = self.waits = self.process = 0
        self.kept: dict[str, str] = {}
        self.known: dict[str, Facts] = {}
        self.over: set[str] = set()
        self.taken: dict[str, int] = {}
        self.scheduler: Any = None

    def play(self) -> PlayedFleet:
        played = self.played
        try:
            while not self._process():
                pass
        except Exception as error:  # noqa: BLE001  # whatever it is, it is what this is for
            played.failure = f"{type(error).__name__}: {error}"
        played.ended = self.clock.monotonic()
        signal = self.fleet.first.signal
        played.signalled = signal[0] if signal is not None and self.signal() else None
        played.late = played.ended >= played.began + self.configured.settings.timeout
        scheduler, account = self.scheduler, self.account
        held = {
            "waiting": scheduler.waiting,
            "active": scheduler.active,
            "sleeping": scheduler._sleeping,
            "changes": scheduler._changes,
            "evidence": scheduler._evidence,
            "reads": scheduler._reads,
            "readings": scheduler._readings,
            "flights": account.flights,
        }
        played.left_over = [name for name, many in held.items() if many]
        played.left_out = [name for name in self.names if name not in self.begun]
        self.clock.sleep(AFTERWARDS)
        for name, simulator in self.simulators.items():
            simulator.catch_up()
            simulator.connection(name).live()
        for one in self.begun.values():
            one.sent.sort(key=lambda sent: (sent.at, sent.until))
        return played

    def _process(self) -> bool:
        """One process, from its start to its end; False where it was killed."""
        self.played.began = began = self.clock.monotonic()
        settings, chart, fleet = self.configured.settings, self.chart, self.fleet
        self.scheduler = Scheduler(
            self,
            self.account,
            Reader(warn=lambda _: None),
            self.budget,
            self.clock,
            parallel=fleet.parallel if chart.triggers else None,
            interval=settings.poll_interval,
            deadline=began + settings.timeout,
        )
        try:
            under_way = [name for name in self.names if name in self.kept and name not in self.over]
            new = [name for name in self.names if name not in self.kept and name not in self.over]
            self.scheduler.drive(new, under_way)
        except Killed:
            now = self.account.now()
            for flight in self.account.flights:
                if flight.sent is not None:
                    flight.sent.until = now
            self.account.flights = []
            self.clock.sleep(self.kills.pop(0).down)
            for name, one in self.begun.items():
                if name not in self.over and name in self.kept:
                    one.resumed = self.account.now()
            self.budget = Budget(fleet.budget)
            self.account.held = -inf  # it has to learn that anew
            self.process += 1
            return False
        return True

    def die(self, when: str) -> None:
        """The process dies here, where that is due."""
        if self.kills and self.kills[0].when == when and self.kills[0].step <= self.steps:
            raise Killed

    def posted(self, request: Request, whose: str, held: float) -> None:
        """Note a request that is sent."""
        now = self.clock.monotonic()
        late = now >= self.played.began + self.configured.settings.timeout
        late = late or any(run.began + run.deadline <= now + INSTANT for run in self.scheduler.active)
        self.played.posted.append(Posted(now, request, whose, held, late, self.process))

    # --- What the scheduler asks of its owner -------------------------------------------------------

    def signal(self) -> Event | None:
        signal = self.fleet.first.signal
        came = signal is not None and self.played.began <= signal[0] <= self.clock.monotonic()  # not while it was down
        return Event(signal[1]) if signal is not None and came else None

    def begin(self, connector_id: str) -> Run:
        settings = replace(self.configured.settings, connector_id=connector_id)
        ports = Ports(self.clock, lambda *_: Cut.LIMIT, lambda _: None, lambda: self.fleet.first.jitter, self.signal)
        left = settings.timeout - (self.clock.monotonic() - self.played.began)
        if (kept := self.kept.get(connector_id)) is None:
            run = Run(self.chart, settings, ports)
            known = Facts(durations=self.fleet.members[self.names.index(connector_id)].durations or None)
            run.standing = start(self.chart, settings, self.clock.wall(), known)._replace(deadline=left)
        else:
            standing, elapsed = resumed(self.chart, settings, json.loads(kept), self.clock.wall())
            run = Run(self.chart, settings, ports, standing=standing, elapsed=elapsed)
        if connector_id not in self.begun or kept is None:
            place, now = self.names.index(connector_id), self.account.now()
            simulator = self.simulators[connector_id]
            connection = simulator.connection(connector_id)
            self.begun[connector_id] = Played(
                self.fleet.members[place],
                self.chart,
                connection,
                simulator,
                now,
                deadline=now + left,
                queued=FRESH_ENOUGH if len(self.names) > 1 else 0.0,
                shared=tuple(trouble.fault for trouble in self.fleet.troubles),
            )
        self.known[connector_id] = run.facts
        self._keep(run)
        self.played.most = max(self.played.most, len(self.scheduler.active) + 1)
        return run

    def took(self, run: Run, step: Step) -> None:
        name = run.settings.connector_id
        played = self.begun[name]
        self.steps += 1
        self.taken[name] = self.taken.get(name, 0) + 1
        if self.taken[name] > MOST_STEPS:
            raise RuntimeError(f"still in {step.source} after {MOST_STEPS} steps")
        played.edges.add((step.source, step.event))
        request = step.request
        path = "" if request is None else request.path
        if request is not None and request.method == "GET" and path == f"/v1/connections/{name}":
            self._looked(played, request, step)
        self.die("unkept")
        self._keep(run)
        self.die("between")

    def _looked(self, played: Played, request: Request, step: Step) -> None:
        """Note a look, and whether what it was answered with is older than it may be."""
        now = self.account.now()
        look = Sent(request, "get", now - (step.at - step.began), now)
        if step.answer is not None:
            _, (look.arrived, read_at, look.running) = self.account.read[id(step.answer.data)]
            look.acts_at, look.answered = read_at, True
            if read_at < look.at - INSTANT:
                words = f"{step.source} decided on a document read {look.at - read_at:.3f} s before it asked"
                self.played.broken.append(("stale document", words))
            if any(read_at < post.at - INSTANT for post in played.sent if post.operation in {"sync", "resync"}):
                self.played.broken.append(("stale document", "decided on a document from before the trigger"))
        played.sent.append(look)

    def _keep(self, run: Run) -> None:
        """As `Job._keeper` writes a state file down."""
        name = run.settings.connector_id
        first = name not in self.kept
        if not self.kills or not run.can_be_resumed_here or not (first or _matters(run, self.known[name])):
            return
        self.known[name] = run.facts
        self.kept[name] = json.dumps(run.standing.as_json(run.now, self.clock.wall()))

    def ended(self, run: Run) -> None:
        name = run.settings.connector_id
        played = self.begun[name]
        self.over.add(name)
        played.code, played.verdict = run.state.exit, run.facts.verdict or ""
        played.warnings = (*run.facts.warnings, *explain(run.settings, run.facts, run.chart).at_fivetran)
        played.ended = self.account.now()
        if self.fleet.fail == "fast" and played.code != 0:
            self.scheduler.waiting.clear()

    def failed(self, connector_id: str, error: Exception) -> None:
        self.over.add(connector_id)
        self.begun[connector_id].failure = f"{type(error).__name__}: {error}"
        self.begun[connector_id].ended = self.account.now()


def play_fleet(fleet: Fleet) -> PlayedFleet:
    """Play the job of a fleet."""
    return _Player(fleet).play()
