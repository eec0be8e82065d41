"""The simulated REST API: a WSGI application on werkzeug.

`arrive` and `answer` are the whole of it without HTTP, for whoever plays thousands of runs.
"""

import base64
import json
import math
import re
import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from email.utils import formatdate
from http import HTTPStatus
from typing import Any

from werkzeug.wrappers import Request, Response

from orchestrator.fivetran.documents import parse_time
from orchestrator.simulator import faults
from orchestrator.simulator.clock import Ahead
from orchestrator.simulator.connection import KEPT, Connection, with_null
from orchestrator.simulator.identities import CONNECTOR, identity_at, source_at
from orchestrator.simulator.rate import RateLimit
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.clock import SystemClock

__all__ = ["CONNECTOR", "KEY", "SECRET", "Arrival", "Simulator"]

KEY, SECRET = "rehearsal-key", "rehearsal-secret"
_CREDENTIALS = f"Basic {base64.b64encode(f'{KEY}:{SECRET}'.encode()).decode()}"

_OPERATIONS = {
    ("GET", ""): "get",
    ("PATCH", ""): "patch",
    ("POST", "/sync"): "sync",
    ("POST", "/schemas/tables/resync"): "resync",
    ("POST", "/test"): "test",
    ("GET", "/schemas"): "schemas",
    ("GET", "/sync-history"): "history",
    ("GET", "/errors"): "errors",
    ("GET", "/warnings"): "warnings",
}
_PATH = re.compile(r"/v1/connections/[^/]+(/.*)?")
_LISTING = re.compile(r"/v1/connections|/v1/groups/([^/]+)/connections")
_JSON = "application/json"
INSTANT = 1e-6  # seconds that are none
LONGEST_HISTORY = 7 * 86_400.0  # seconds that one request may ask for
PAGE, LARGEST_PAGE = 100, 1_000  # connections on a page of the listing: where nothing is said, and at most
_PERSISTENT = {"schedule_type", "paused", "sync_frequency", "config", "auth"}


@dataclass(slots=True)
class Arrival:
    """A request that has arrived, and what becomes of it."""

    operation: str  # what is asked, as `_OPERATIONS` call it; "" for a path that there is none at
    method: str
    path: str  # without the query
    query: Mapping[str, str]  # what its address asks for
    headers: Mapping[str, str]
    body: Any  # JSON, or None
    at: float  # when it arrived, in seconds since the epoch
    fault: Fault | None  # the fault that it meets, or None
    answers_in: float  # seconds from when it is carried out to the answer
    reply: Response | None = None  # the answer; None while it is yet to be carried out

    @property
    def identity(self) -> str:
        """The connection's id; "" where it is about none."""
        return self.path.split("/")[3] if self.operation not in {"", "listing"} else ""

    @property
    def acts(self) -> bool:
        """Whether it is carried out; what only reads is in any case: a broken answer is one of Fivetran's, broken."""
        return self.fault is None or self.fault.carries_out or self.method == "GET"

    @property
    def acts_in(self) -> float:
        """Seconds from its arrival until it is carried out."""
        return self.fault.acts_in if self.fault is not None and self.operation else 0.0

    @property
    def acts_at(self) -> float:
        """When it is carried out, in seconds since the epoch."""
        return self.at + self.acts_in

    @property
    def outcome(self) -> str:
        """The status that it is answered with, or the fault."""
        if self.fault is not None:
            return f"{self.fault.does}{' after acting' if self.fault.carries_out else ''}"
        return str(self.reply.status_code if self.reply else "")


@dataclass(slots=True)
class _Armed:
    """A fault and how far it is used up."""

    fault: Fault
    met: int = 0

    def strikes(self, operation: str, *, syncing: bool) -> bool:
        whens = {"always", "syncing" if syncing else "idle"}
        if self.fault.on not in {"any", operation} or self.fault.when not in whens:
            return False
        self.met += 1
        return 0 < self.met - self.fault.skip <= (self.fault.times or self.met)


class Simulator:
    """The application.

    Args:
        scenario: What happens to each connection.
        clock: The time.
        connections: How many there are, up to `identities.MOST`, besides the scenario's neighbours; None where every id
            is one.
        on_arrival: Called with each request.
        kept: How many requests `seen` keeps, the last ones, as the connections do with their syncs; None for all.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: SystemClock,
        *,
        connections: int | None = None,
        on_arrival: Callable[[Arrival], None] = lambda _: None,
        kept: int | None = None,
    ) -> None:
        self.scenario = scenario
        self.clock = Ahead(clock, scenario.ahead) if scenario.ahead else clock
        self.seen: list[Arrival] = []
        self.connections: dict[str, Connection] = {}
        # Those that some connections have by themselves, by its id; under None those of all requests
        self.armed: dict[str | None, list[_Armed]] = {None: [_Armed(fault) for fault in scenario.faults]}
        self._faultless = False
        self._many = connections
        self._places = {identity_at(place): place for place in range(1, (connections or 0) + 1)}
        self._neighbours = {str(each["id"]): each for each in scenario.neighbours}
        self._listed: dict[str | None, list[Connection]] = {}
        self._rate = RateLimit(scenario.rate_limit) if scenario.rate_limit else None
        self._on_arrival, self._kept = on_arrival, kept
        self._late: list[Arrival] = []
        self._lock = threading.RLock()

    def add_fault(self, fault: Fault) -> None:
        """Meet requests with this fault from now on."""
        self.armed[None].append(_Armed(fault))

    @contextmanager
    def faultless(self) -> Iterator[None]:
        """Meanwhile no request meets a fault, and none is used up."""
        self._faultless = True
        try:
            yield
        finally:
            self._faultless = False

    def twin(self, clock: SystemClock) -> "Simulator":
        """Another simulator that stands where this one stands, and goes on by a clock of its own."""
        other = Simulator(self.scenario, clock, connections=self._many)
        with self._lock:
            known = {id(self.scenario): self.scenario, id(self.clock): other.clock}
            other.connections, other.armed, other._late, other._rate = deepcopy(
                (self.connections, self.armed, self._late, self._rate), known
            )
        return other

    def connection(self, identity: str) -> Connection:
        """The connection of that id; every id is one, unless it was said how many there are.

        Raises:
            KeyError: There is none of that id.
        """
        with self._lock:
            if identity not in self.connections:
                self.connections[identity] = self._new(identity)
            return self.connections[identity]

    def _new(self, identity: str) -> Connection:
        kept = None if self._kept is None else KEPT
        usual, place = self.scenario, 0 if self._many is None else self._places.get(identity, 0)
        if identity in self._neighbours:
            its = replace(usual, exists=True, connection=self._neighbours[identity], running=None, others=())
            return Connection(identity, its, self.clock, kept=kept)
        if self._many is not None and not place:
            raise KeyError(identity)
        its = usual.at(place)
        if its is not usual and its.faults:
            self.armed[identity] = [_Armed(fault) for fault in its.faults]
        return Connection(identity, its, self.clock, source_at(place) if place else {}, kept=kept)

    def group(self, identity: str | None) -> list[Connection]:
        """The connections of a group, or all of them for None, in the order of the ids that the listing has."""
        if self._many is None or not self._listed:  # of many, none is added later
            for known in (*([CONNECTOR] if self._many is None else self._places), *self._neighbours):
                self.connection(known)
            with self._lock:
                there = [each for each in self.connections.values() if each.scenario.exists]
            listed = dict[str | None, list[Connection]]({None: sorted(there, key=_listed_id)})
            for each in listed[None]:
                listed.setdefault(_listed(each, "group_id") or "", []).append(each)
            self._listed = listed
        return self._listed.get(identity, [])

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer a request, or meet it with the fault that is due."""
        request = Request(environ)
        arrival = self.arrive(request.method, request.path, request.args, dict(request.headers), request.get_data())
        connection: Any = environ.get("werkzeug.socket")  # none where a test calls the application itself
        faults.wait(connection, self.clock, arrival.acts_in)
        reply = self.answer(arrival)
        faults.wait(connection, self.clock, arrival.answers_in)
        if arrival.fault is not None and arrival.fault.does in faults.ON_THE_SOCKET:
            faults.strike(arrival.fault.does, connection, self.clock, reply.data)
        reply.headers.update(self.date(arrival))
        return reply(environ, start_response)

    def arrive(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Arrival:
        """A request arrives: it is carried out, or will be, or it meets a fault.

        Args:
            method: HTTP method.
            path: Path, without the query.
            query: What the query says.
            headers: Its headers.
            body: Its body.
        """
        operation = self.operation(method, path)
        arrival = Arrival(operation, method, path, query, headers, _json(body), 0.0, None, 0.0)
        with self._lock:
            self.catch_up()
            arrival.at = self.clock.wall()
            connection = self._of(arrival)
            if connection is not None:
                connection.live()
            syncing = connection is not None and connection.running is not None
            armed = [] if self._faultless else [*self.armed[None], *self.armed.get(arrival.identity, ())]
            struck = [each.fault for each in armed if each.strikes(operation, syncing=syncing)]
            arrival.fault = fault = struck[0] if struck else None
            arrival.answers_in = self.scenario.latency + (fault.answers_in if fault else 0.0)
            late = arrival.acts and arrival.acts_in > 0
            if late:
                self._late.append(arrival)
            elif operation != "listing":
                self._carry_out(arrival)
            self.seen.append(arrival)
            if self._kept is not None:
                del self.seen[: max(0, len(self.seen) - self._kept)]
        if operation == "listing" and not late:  # takes the lock for a moment a connection: others need not wait for it
            self._carry_out(arrival)
        self._on_arrival(arrival)
        if connection is not None and arrival.reply is not None:
            with self._lock:
                connection.after(operation)
        return arrival

    def _of(self, arrival: Arrival) -> Connection | None:
        """The connection that it is about, if there is one."""
        try:
            return self.connection(arrival.identity) if arrival.identity else None
        except KeyError:
            return None

    @staticmethod
    def operation(method: str, path: str) -> str:
        """What is asked, as `Arrival` has it."""
        if method == "GET" and _LISTING.fullmatch(path):
            return "listing"
        known = _PATH.fullmatch(path)
        return _OPERATIONS.get((method, known[1] or ""), "") if known else ""

    def catch_up(self) -> None:
        """Carry out what was to be carried out later, by now, at its own moment, whoever still waits for it."""
        for arrival in sorted(self._late, key=lambda late: late.acts_at):
            if arrival.acts_at <= self.clock.wall() + INSTANT:
                self._late.remove(arrival)
                connection = self._of(arrival)
                if connection is None:
                    self._carry_out(arrival)
                    continue
                connection.moment = arrival.acts_at
                self._carry_out(arrival)
                connection.after(arrival.operation)
                connection.moment = None

    def answer(self, arrival: Arrival) -> Response:
        """What it is answered with, `acts_in` seconds after it arrived.

        The `Date` is not in it yet, nor what the fault does to the socket.
        """
        with self._lock:
            self.catch_up()
        if arrival.reply is None:
            raise ValueError("this request is yet to be carried out")
        return arrival.reply

    def date(self, arrival: Arrival) -> Mapping[str, str]:
        """The header with the time, now, if there is to be one."""
        undated = not self.scenario.dated or (arrival.fault is not None and arrival.fault.does == "undated")
        return {} if undated else {"Date": formatdate(self.clock.wall() + self.scenario.skew, usegmt=True)}

    # --- Answers ------------------------------------------------------------------------------

    def _carry_out(self, arrival: Arrival) -> None:
        """Do what a request asks, or nothing where a fault keeps it from that."""
        if arrival.acts:
            arrival.reply = self._answer(arrival)
            if arrival.operation == "test" and arrival.reply.status_code == HTTPStatus.OK:
                arrival.answers_in += self.connection(arrival.identity).scenario.test_seconds
        fault = arrival.fault
        if fault is not None and (fault.does == "answer" or not arrival.acts):
            arrival.reply = self._failed(fault.status, fault.code, fault.message, fault.headers)
        if self._rate is not None and arrival.reply is not None and arrival.reply.mimetype == _JSON:
            limits = {"x-rate-limit": self._rate.limit, "x-rate-limit-remaining": self._rate.left}
            arrival.reply.headers.update({name: str(value) for name, value in limits.items()})

    def _answer(self, arrival: Arrival) -> Response:
        if not arrival.operation:
            return self._failed(404, "NotFound", "HTTP 404 Not Found")
        if arrival.headers.get("Authorization") != _CREDENTIALS:
            return self._failed(401, "Unauthorized", "Invalid authorization credentials")
        if _JSON not in arrival.headers.get("Accept", ""):
            return self._failed(406, "NotAcceptable", "HTTP 406 Not Acceptable")
        with self._lock:
            wait = 0.0 if self._rate is None else self._rate.ask(self.clock.wall())
        if wait > 0:
            message = f"Max {self.scenario.rate_limit} api calls allowed in one-hour rolling time period"
            return self._failed(429, "TooManyRequests", message, {"Retry-After": str(math.ceil(wait))})
        if arrival.operation == "listing":
            return self._listing(arrival.path, arrival.query)
        connection = self._of(arrival)
        if connection is None or not connection.scenario.exists:
            return self._failed(404, "NotFound_Connection", f"Cannot find connection with id '{arrival.identity}'")
        if arrival.method != "GET" and not isinstance(arrival.body, dict):
            return self._failed(400, "InvalidInput", "The request has no JSON object as its body")
        return self._do(arrival.operation, connection, arrival.body, arrival.query)

    def _do(self, operation: str, connection: Connection, content: Any, query: Mapping[str, str]) -> Response:  # noqa: ANN401  # any JSON
        """The answer to a request that is in order."""
        match operation:
            case "get":
                return self._found(connection.text())
            case "patch":
                if not _PERSISTENT & set(content):
                    return self._failed(400, "InvalidInput", "At least one persistent field is required")
                connection.modify(content)
                return self._found(connection.text(), "Connection has been updated")
            case "sync":
                if not connection.sync(force=content.get("force") is True):
                    return self._failed(409, "Conflict", "A sync is already in progress for this connection")
                return self._success(None, "Sync has been successfully triggered for connection")
            case "resync":
                return self._resync(connection, content)
            case "test":
                tests = [dict(test) for test in connection.scenario.setup_tests]
                return self._success({**connection.document(), "setup_tests": tests}, "Setup tests were completed")
            case "history":
                return self._history(connection, query)
            case "errors":
                return self._evidence(connection.errors(), available=connection.scenario.errors)
            case "warnings":
                return self._evidence(connection.warnings(), available=connection.scenario.warnings)
            case _:
                return self._success({"schemas": self._schemas(connection.scenario)})

    def _listing(self, path: str, query: Mapping[str, str]) -> Response:
        """A page of the connections of the account, or of a group, in the order of their ids."""
        known = _LISTING.fullmatch(path)
        group = (known and known[1]) or query.get("group_id")
        listed = self.group(group)
        if not listed and known and known[1]:
            return self._failed(404, "NotFound_Group", f"Cannot find group with id '{group}'")
        if (schema := query.get("schema")) is not None:
            listed = [each for each in listed if _listed(each, "schema") == schema]
        limit, cursor = query.get("limit", str(PAGE)), query.get("cursor", "")
        if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= LARGEST_PAGE:
            return self._failed(400, "InvalidInput", f"The limit is not a number from 1 to {LARGEST_PAGE}")
        after = _after(cursor)
        start = bisect_right(listed, after, key=_listed_id)
        if cursor and (start == 0 or _listed_id(listed[start - 1]) != after):
            return self._failed(400, "InvalidInput", "The cursor is invalid")
        page, texts = listed[start : start + int(limit)], list[str]()
        for each in page:
            with self._lock:
                texts.append(_text(each))
        more = f', "next_cursor": "{_cursor(_listed_id(page[-1]))}"' if start + len(page) < len(listed) else ""
        return self._found(f'{{"items": [{", ".join(texts)}]{more}}}')

    def _resync(self, connection: Connection, scope: Mapping[str, Any]) -> Response:
        schemas = connection.scenario.schemas
        if not connection.scenario.table_resync:
            return self._failed(400, "InvalidInput", "This connector does not support table-level re-sync")
        for schema, tables in scope.items():
            if schema not in schemas:
                return self._failed(404, "NotFound_Schema", f"Cannot find schema '{schema}'")
            if not isinstance(tables, list):
                return self._failed(400, "InvalidInput", f"The tables of schema '{schema}' are not a list")
            for table in tables:
                if table not in schemas[schema]:
                    return self._failed(404, "NotFound_Table", f"Cannot find table '{table}' in schema '{schema}'")
        if not connection.resync():
            return self._failed(409, "Conflict", "A sync is running and cannot be completed first")
        return self._success(None, "Re-sync has been triggered successfully")

    def _history(self, connection: Connection, window: Mapping[str, str]) -> Response:
        since, until = (parse_time(window.get(name)) for name in ("start_time", "end_time"))
        if since is None or until is None or not 0 < until - since <= LONGEST_HISTORY:
            return self._failed(400, "InvalidInput", "The time range is not one of up to 7 days")
        return self._evidence(connection.syncs(since, until), available=connection.scenario.history)

    def _evidence(self, items: list[dict[str, Any]], *, available: bool) -> Response:
        if not available:
            return self._failed(403, "Forbidden", "This feature is not available for your account")
        return self._success({"items": items})

    @staticmethod
    def _schemas(scenario: Scenario) -> dict[str, Any]:
        return {
            schema: {
                "name_in_destination": schema.lower(),
                "enabled": True,
                "tables": {
                    table: {"name_in_destination": table.lower(), "enabled": True, "sync_mode": "SOFT_DELETE"}
                    for table in tables
                },
            }
            for schema, tables in scenario.schemas.items()
        }

    @staticmethod
    def _success(data: Mapping[str, Any] | None, message: str = "") -> Response:
        body = {"code": "Success", **({"message": message} if message else {}), **({"data": data} if data else {})}
        return Response(json.dumps(body), content_type=_JSON)

    @staticmethod
    def _found(data: str, message: str = "") -> Response:
        """As `_success`, of data that is JSON already."""
        said = f'"message": "{message}", ' if message else ""
        return Response(f'{{"code": "Success", {said}"data": {data}}}', content_type=_JSON)

    @staticmethod
    def _failed(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
        if not code:
            return Response(message, status, headers, content_type="text/html; charset=utf-8")
        return Response(json.dumps({"code": code, "message": message}), status, headers, content_type=_JSON)


def _but(document: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """A document with other members, some of `status` among them."""
    status = {**document["status"], **members.get("status", {})}
    return {**document, **with_null(members), "status": status}


def _text(connection: Connection) -> str:
    """The document as the listing has it, as JSON."""
    members = connection.scenario.listed
    return json.dumps(_but(connection.document(), members)) if members else connection.text()


def _listed(connection: Connection, name: str) -> str | None:
    """A member of the document as the listing has it."""
    value = connection.scenario.listed.get(name, connection.members[name])
    return None if value in {None, "null"} else str(value)


def _listed_id(connection: Connection) -> str:
    return str(connection.scenario.listed.get("id", connection.identity))


def _cursor(identity: str) -> str:
    """What names the page after a connection: nothing that anybody could make out."""
    return base64.urlsafe_b64encode(identity.encode()).decode()


def _after(cursor: str) -> str:
    """The id of the connection that a page comes after; "" for the first page, and for what is no cursor."""
    try:
        return base64.urlsafe_b64decode(cursor).decode()
    except ValueError:
        return ""


def _json(body: bytes) -> Any:  # noqa: ANN401  # any JSON
    try:
        return json.loads(body)
    except (RecursionError, ValueError):
        return None
