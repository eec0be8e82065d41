"""The simulated REST API: a WSGI application on werkzeug."""

import base64
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from werkzeug.exceptions import HTTPException
from werkzeug.http import http_date
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from orchestrator.clock import SystemClock
from orchestrator.documents import parse_time
from orchestrator.simulator import faults
from orchestrator.simulator.connection import Connection
from orchestrator.simulator.scenario import Fault, Scenario

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["KEY", "SECRET", "Seen", "Simulator"]

KEY, SECRET = "rehearsal-key", "rehearsal-secret"

_CONNECTION = "/v1/connections/<identity>"
_ROUTES = Map(
    [
        Rule(_CONNECTION, methods=["GET"], endpoint="get"),
        Rule(_CONNECTION, methods=["PATCH"], endpoint="patch"),
        Rule(f"{_CONNECTION}/sync", methods=["POST"], endpoint="sync"),
        Rule(f"{_CONNECTION}/schemas/tables/resync", methods=["POST"], endpoint="resync"),
        Rule(f"{_CONNECTION}/test", methods=["POST"], endpoint="test"),
        Rule(f"{_CONNECTION}/schemas", methods=["GET"], endpoint="schemas"),
        Rule(f"{_CONNECTION}/sync-history", methods=["GET"], endpoint="history"),
        Rule(f"{_CONNECTION}/errors", methods=["GET"], endpoint="errors"),
    ]
)
LONGEST_HISTORY = 7 * 86_400.0  # seconds that one request may ask for
_PERSISTENT = {"schedule_type", "paused", "sync_frequency", "config", "auth"}


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived.

    Attributes:
        operation: get, patch, sync, resync, test, schemas, history, errors; "" for a path that there is none at.
        method: HTTP method.
        path: Path.
        body: JSON body, or None.
        at: Seconds since the epoch.
        outcome: The status answered, or the fault.
        headers: Its headers.
    """

    operation: str
    method: str
    path: str
    body: Any
    at: float
    outcome: str
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Armed:
    """A fault and how far it is used up."""

    fault: Fault
    met: int = 0

    def strikes(self, operation: str) -> bool:
        if self.fault.on not in {"any", operation}:
            return False
        self.met += 1
        since = self.met - self.fault.skip
        return since > 0 and (self.fault.times == 0 or since <= self.fault.times)


class Simulator:
    """The application.

    Args:
        scenario: What happens to each connection.
        clock: The time.
        key: The API key that it knows.
        secret: Its secret.
        watch: Told each request.
    """

    def __init__(
        self,
        scenario: Scenario,
        clock: SystemClock,
        *,
        key: str = KEY,
        secret: str = SECRET,
        watch: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        self.scenario = scenario
        self.clock = clock
        self.seen: list[Seen] = []
        self.connections: dict[str, Connection] = {}
        self.armed = [_Armed(fault) for fault in scenario.faults]
        self._watch = watch
        self._credentials = "Basic " + base64.b64encode(f"{key}:{secret}".encode()).decode()
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
        other._credentials = self._credentials
        with self._lock:
            known = {id(self.scenario): self.scenario, id(self.clock): clock}
            other.connections, other.armed = deepcopy((self.connections, self.armed), known)
        return other

    def connection(self, identity: str) -> Connection:
        """The connection of that id; every id is one, unless the scenario knows none."""
        if identity not in self.connections:
            self.connections[identity] = Connection(identity, self.scenario, self.clock)
        return self.connections[identity]

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer a request, or meet it with the fault that is due."""
        request = Request(environ)
        body = request.get_data()
        try:
            operation, arguments = _ROUTES.bind_to_environ(environ).match()
        except HTTPException:  # no such path, or not with that method
            operation, arguments = "", {}
        with self._lock:
            struck = [armed.fault for armed in self.armed if armed.strikes(operation)]
            fault = struck[0] if struck else None
            # What only reads is carried out in any case: a broken answer is one of Fivetran's, broken.
            if fault is None or fault.acts or request.method == "GET":
                response = self._answer(operation, request, body, **arguments)
            else:
                response = self._failed(fault.status, fault.code, fault.message)
            outcome = f"{fault.does}{' after acting' if fault.acts else ''}" if fault else str(response.status_code)
            self._record(operation, request, body, outcome)
        if fault is not None and fault.does == "answer":
            response = self._failed(fault.status, fault.code, fault.message)
            response.headers.update(fault.headers)
        elif fault is not None:
            self._break(environ["werkzeug.socket"], fault, response.get_data())
        if operation == "test" and response.status_code == 200:  # noqa: PLR2004
            self.clock.sleep(self.scenario.test_seconds)
        if self.scenario.dated:
            response.headers["Date"] = http_date(self.clock.wall())
        return response(environ, start_response)

    def _record(self, operation: str, request: Request, body: bytes, outcome: str) -> None:
        seen = Seen(
            operation=operation,
            method=request.method,
            path=request.path,
            body=_json(body),
            at=self.clock.wall(),
            outcome=outcome,
            headers=dict(request.headers),
        )
        self.seen.append(seen)
        self._watch(seen)

    def _break(self, connection: Any, fault: Fault, body: bytes) -> None:  # noqa: ANN401  # a socket, by WSGI untyped
        match fault.does:
            case "reset":
                faults.reset(connection)
            case "hang":
                faults.hang(connection, self.clock)
            case "trickle":
                faults.trickle(connection, self.clock, body)
            case "truncate":
                faults.truncate(connection, body)
            case _:
                faults.short(connection, body)

    # --- Answers ------------------------------------------------------------------------------

    def _answer(self, operation: str, request: Request, body: bytes, identity: str = "") -> Response:
        if not operation:
            return self._failed(404, "NotFound", "HTTP 404 Not Found")
        if request.headers.get("Authorization") != self._credentials:
            return self._failed(401, "Unauthorized", "Invalid authorization credentials")
        if "application/json" not in request.headers.get("Accept", ""):
            return self._failed(406, "NotAcceptable", "HTTP 406 Not Acceptable")
        if not self.scenario.exists:
            return self._failed(404, "NotFound_Connection", f"Cannot find connection with id '{identity}'")
        content = _json(body)
        if request.method != "GET" and not isinstance(content, dict):
            return self._failed(400, "InvalidInput", "The request has no JSON object as its body")
        return self._carry_out(operation, self.connection(identity), content, request.args)

    def _carry_out(self, operation: str, connection: Connection, content: Any, query: Mapping[str, str]) -> Response:  # noqa: ANN401  # any JSON
        """The answer to a request that is in order."""
        match operation:
            case "get":
                return self._success(connection.document())
            case "patch":
                if not _PERSISTENT & set(content):
                    return self._failed(400, "InvalidInput", "At least one persistent field is required")
                return self._success(connection.modify(content), "Connection has been updated")
            case "sync":
                connection.sync(force=content.get("force") is True)
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
            case _:
                return self._success({"schemas": self._schemas()})

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
        return Response(json.dumps(body), 200, content_type="application/json")

    @staticmethod
    def _failed(status: int, code: str, message: str) -> Response:
        if not code:
            return Response(message, status, content_type="text/html")
        return Response(json.dumps({"code": code, "message": message}), status, content_type="application/json")


def _json(body: bytes) -> Any:  # noqa: ANN401  # any JSON
    try:
        return json.loads(body)
    except ValueError:
        return None
