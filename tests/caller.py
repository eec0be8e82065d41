"""Somebody who talks to a simulator, without a network."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from werkzeug.test import Client, TestResponse

from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.connection import Connection
from orchestrator.simulator.scenario import Scenario

HOME = "/v1/connections/speak_inexpensive"


class Caller:
    """Somebody who talks to a simulator, on a clock on which nobody waits."""

    def __init__(self, scenario: Scenario, connections: int | None = None, kept: int | None = None) -> None:
        self.clock = VirtualClock()
        self.simulator = Simulator(scenario, self.clock, connections=connections, kept=kept)
        self.client = Client(self.simulator)
        self.headers = {
            "Authorization": "Basic " + base64.b64encode(f"{KEY}:{SECRET}".encode()).decode(),
            "Accept": "application/json;version=2",
        }

    def ask(
        self, method: str, path: str = "", body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        """Send a request; return status and document."""
        response = self._open(method, path, body, headers or {})
        document: dict[str, Any] = json.loads(response.get_data())
        return response.status_code, document

    def headers_of(self, method: str, path: str = "") -> Mapping[str, str]:
        """Send a request without a body; return the headers of its answer."""
        return dict(self._open(method, path, None, {}).headers)

    def _open(self, method: str, path: str, body: object, headers: Mapping[str, str]) -> TestResponse:
        return self.client.open(
            path if path.startswith("/v1") else HOME + path,
            method=method,
            headers={**self.headers, **headers},
            data=b"" if body is None else json.dumps(body),
        )

    def look(self, later: float = 0.0) -> dict[str, Any]:
        """The connection, once that many seconds have passed."""
        self.clock.sleep(later)
        _, document = self.ask("GET")
        found: dict[str, Any] = document["data"]
        return found

    def states(self, *after: float) -> list[str]:
        """`sync_state` after each of these waits, in seconds, one after another."""
        return [self.look(later)["status"]["sync_state"] for later in after]

    @property
    def connection(self) -> Connection:
        """The connection, with the truth about its syncs."""
        return self.simulator.connection("speak_inexpensive")

    @property
    def ended(self) -> list[tuple[str, str, float]]:
        """Cause, outcome and end of each sync that has ended, the end in seconds since the beginning."""
        self.connection.live()
        return [
            (sync.cause, sync.outcome, round(sync.ended_at - 1_800_000_000 - self.simulator.scenario.ahead, 3))
            for sync in self.connection.history
            if sync.ended_at is not None
        ]

    def trigger(self, *, force: bool = False) -> None:
        """Ask for a sync."""
        self.ask("POST", "/sync", {"force": force})
