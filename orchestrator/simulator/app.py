"""The simulated REST API: a WSGI application on werkzeug.

`arrive` and `answer` are the whole of it without HTTP, for whoever plays thousands of runs.
"""

import base64
import json
import re
import threading
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
from orchestrator.simulator.connection import Connection, with_null
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.clock import SystemClock

__all__ = ["CONNECTOR", "KEY", "SECRET", "Arrival", "Simulator"]

KEY, SECRET = "rehearsal-key", "rehearsal-secret"
CONNECTOR = "speak_inexpensive"  # the connection that the account has before anybody asks for one
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
        on_arrival: Called with each request.
    """

    def __init__(
        self, scenario: Scenario, clock: SystemClock, *, on_arrival: Callable[[Arrival], None] = lambda _: None
    ) -> None:
        self.scenario = scenario
        self.clock = Ahead(clock, scenario.ahead) if scenario.ahead else clock
        self.seen: list[Arrival] = []
        self.connections: dict[str, Connection] = {}
        self.armed = [_Armed(fault) for fault in scenario.faults]
        self._on_arrival = on_arrival
        self._late: list[Arrival] = []
        self._lock = threading.RLock()

    def add_fault(self, fault: Fault) -> None:
        """Meet requests with this fault from now on."""
        self.armed.append(_Armed(fault))

    @contextmanager
    def faultless(self) -> Iterator[None]:
        """Meanwhile no request meets a fault, and none is used up."""
        armed, self.armed = self.armed, []
        try:
            yield
        finally:
            self.armed = armed

    def twin(self, clock: SystemClock) -> "Simulator":
        """Another simulator that stands where this one stands, and goes on by a clock of its own."""
        other = Simulator(self.scenario, clock)
        with self._lock:
            known = {id(self.scenario): self.scenario, id(self.clock): other.clock}
            other.connections, other.armed, other._late = deepcopy((self.connections, self.armed, self._late), known)
        return other

    def connection(self, identity: str) -> Connection:
        """The connection of that id; every id is one, unless the scenario knows none."""
        if identity not in self.connections:
            self.connections[identity] = Connection(identity, self.scenario, self.clock)
        return self.connections[identity]

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
        with self._lock:
            self.catch_up()
            arrival = Arrival(operation, method, path, query, headers, _json(body), self.clock.wall(), None, 0.0)
            connection = self.connection(arrival.identity) if arrival.identity else None
            if connection is not None:
                connection.live()
            syncing = connection is not None and connection.running is not None
            struck = [armed.fault for armed in self.armed if armed.strikes(operation, syncing=syncing)]
            arrival.fault = fault = struck[0] if struck else None
            arrival.answers_in = self.scenario.latency + (fault.answers_in if fault else 0.0)
            if arrival.acts and arrival.acts_in > 0:
                self._late.append(arrival)
            else:
                self._carry_out(arrival)
            self.seen.append(arrival)
            self._on_arrival(arrival)
            if connection is not None and arrival.reply is not None:
                connection.after(operation)
        return arrival

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
                if not arrival.identity:
                    self._carry_out(arrival)
                    continue
                connection = self.connection(arrival.identity)
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
                arrival.answers_in += self.scenario.test_seconds
        fault = arrival.fault
        if fault is not None and (fault.does == "answer" or not arrival.acts):
            arrival.reply = self._failed(fault.status, fault.code, fault.message, fault.headers)

    def _answer(self, arrival: Arrival) -> Response:
        if not arrival.operation:
            return self._failed(404, "NotFound", "HTTP 404 Not Found")
        if arrival.headers.get("Authorization") != _CREDENTIALS:
            return self._failed(401, "Unauthorized", "Invalid authorization credentials")
        if _JSON not in arrival.headers.get("Accept", ""):
            return self._failed(406, "NotAcceptable", "HTTP 406 Not Acceptable")
        if arrival.operation == "listing":
            return self._listing(arrival.path, arrival.query)
        if not self.scenario.exists:
            return self._failed(404, "NotFound_Connection", f"Cannot find connection with id '{arrival.identity}'")
        if arrival.method != "GET" and not isinstance(arrival.body, dict):
            return self._failed(400, "InvalidInput", "The request has no JSON object as its body")
        return self._do(arrival.operation, self.connection(arrival.identity), arrival.body, arrival.query)

    def _do(self, operation: str, connection: Connection, content: Any, query: Mapping[str, str]) -> Response:  # noqa: ANN401  # any JSON
        """The answer to a request that is in order."""
        match operation:
            case "get":
                return self._success(connection.document())
            case "patch":
                if not _PERSISTENT & set(content):
                    return self._failed(400, "InvalidInput", "At least one persistent field is required")
                connection.modify(content)
                return self._success(connection.document(), "Connection has been updated")
            case "sync":
                if not connection.sync(force=content.get("force") is True):
                    return self._failed(409, "Conflict", "A sync is already in progress for this connection")
                return self._success(None, "Sync has been successfully triggered for connection")
            case "resync":
                return self._resync(connection, content)
            case "test":
                tests = [dict(test) for test in self.scenario.setup_tests]
                return self._success({**connection.document(), "setup_tests": tests}, "Setup tests were completed")
            case "history":
                return self._history(connection, query)
            case "errors":
                return self._evidence(connection.errors(), available=self.scenario.errors)
            case "warnings":
                return self._evidence(connection.warnings(), available=self.scenario.warnings)
            case _:
                return self._success({"schemas": self._schemas()})

    def _listing(self, path: str, query: Mapping[str, str]) -> Response:
        """A page of the connections of the account, or of a group, in the order of their ids."""
        known = _LISTING.fullmatch(path)
        group = (known and known[1]) or query.get("group_id")
        listed = [each for each in self._listed() if group in {None, each["group_id"]}]
        if not listed and known and known[1]:
            return self._failed(404, "NotFound_Group", f"Cannot find group with id '{group}'")
        listed = [each for each in listed if query.get("schema") in {None, each["schema"]}]
        limit, cursor = query.get("limit", str(PAGE)), query.get("cursor", "")
        if not re.fullmatch("[0-9]{1,4}", limit) or not 1 <= int(limit) <= LARGEST_PAGE:
            return self._failed(400, "InvalidInput", f"The limit is not a number from 1 to {LARGEST_PAGE}")
        after = _after(cursor)
        if cursor and after not in {each["id"] for each in listed}:
            return self._failed(400, "InvalidInput", "The cursor is invalid")
        left = [each for each in listed if each["id"] > after]
        page = left[: int(limit)]
        more = {"next_cursor": _cursor(page[-1]["id"])} if len(left) > len(page) else {}
        return self._success({"items": page, **more})

    def _listed(self) -> list[dict[str, Any]]:
        """The documents of all connections there are, as the listing has them."""
        scenario = self.scenario
        if scenario.exists:
            self.connection(CONNECTOR)
        there = self.connections.values() if scenario.exists else ()
        documents = [_but(connection.document(), scenario.listed) for connection in there]
        blank = Connection("", replace(scenario, connection={}, running=None, others=()), self.clock).document()
        documents += [_but(blank, each) for each in scenario.neighbours]
        return sorted(documents, key=lambda each: str(each["id"]))

    def _resync(self, connection: Connection, scope: Mapping[str, Any]) -> Response:
        if not self.scenario.table_resync:
            return self._failed(400, "InvalidInput", "This connector does not support table-level re-sync")
        for schema, tables in scope.items():
            if schema not in self.scenario.schemas:
                return self._failed(404, "NotFound_Schema", f"Cannot find schema '{schema}'")
            if not isinstance(tables, list):
                return self._failed(400, "InvalidInput", f"The tables of schema '{schema}' are not a list")
            for table in tables:
                if table not in self.scenario.schemas[schema]:
                    return self._failed(404, "NotFound_Table", f"Cannot find table '{table}' in schema '{schema}'")
        if not connection.resync():
            return self._failed(409, "Conflict", "A sync is running and cannot be completed first")
        return self._success(None, "Re-sync has been triggered successfully")

    def _history(self, connection: Connection, window: Mapping[str, str]) -> Response:
        since, until = (parse_time(window.get(name)) for name in ("start_time", "end_time"))
        if since is None or until is None or not 0 < until - since <= LONGEST_HISTORY:
            return self._failed(400, "InvalidInput", "The time range is not one of up to 7 days")
        return self._evidence(connection.syncs(since, until), available=self.scenario.history)

    def _evidence(self, items: list[dict[str, Any]], *, available: bool) -> Response:
        if not available:
            return self._failed(403, "Forbidden", "This feature is not available for your account")
        return self._success({"items": items})

    def _schemas(self) -> dict[str, Any]:
        return {
            schema: {
                "name_in_destination": schema.lower(),
                "enabled": True,
                "tables": {
                    table: {"name_in_destination": table.lower(), "enabled": True, "sync_mode": "SOFT_DELETE"}
                    for table in tables
                },
            }
            for schema, tables in self.scenario.schemas.items()
        }

    @staticmethod
    def _success(data: Mapping[str, Any] | None, message: str = "") -> Response:
        body = {"code": "Success", **({"message": message} if message else {}), **({"data": data} if data else {})}
        return Response(json.dumps(body), content_type=_JSON)

    @staticmethod
    def _failed(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
        if not code:
            return Response(message, status, headers, content_type="text/html; charset=utf-8")
        return Response(json.dumps({"code": code, "message": message}), status, headers, content_type=_JSON)


def _but(document: Mapping[str, Any], members: Mapping[str, Any]) -> dict[str, Any]:
    """A document with other members, some of `status` among them."""
    status = {**document["status"], **members.get("status", {})}
    return {**document, **with_null(members), "status": status}


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
    except ValueError:
        return None
