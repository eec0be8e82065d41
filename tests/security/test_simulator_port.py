"""The port that a simulated Fivetran serves on: whoever else can connect to it does no harm."""

import socket

import pytest
from servers import read_request

from orchestrator.simulator.app import Simulator
from orchestrator.simulator.scenario import Scenario
from orchestrator.simulator.server import LOOPBACK, bind, served
from orchestrator.values.clock import SystemClock


@pytest.fixture
def simulator() -> Simulator:
    """A simulated Fivetran."""
    return Simulator(Scenario(), SystemClock())


def test_only_this_machine_is_served(simulator: Simulator) -> None:
    """It listens on loopback."""
    server = bind(simulator)
    host = server.socket.getsockname()[0]
    server.server_close()

    assert (host, LOOPBACK) == ("127.0.0.1", "127.0.0.1")


@pytest.mark.parametrize("length", ["-1", "1e9", "9" * 30, "five", "0x10", "1, 1", "+5", "\xb2"])
def test_odd_length(simulator: Simulator, capfd: pytest.CaptureFixture[str], length: str) -> None:
    """A request whose length is none, or beyond all measure, is refused without waiting for its body."""
    head = f"POST /v1/connections/x/sync HTTP/1.1\r\nContent-Length: {length}\r\n\r\n"
    with served(simulator) as url, socket.create_connection((LOOPBACK, int(url.rpartition(":")[2]))) as connection:
        connection.sendall(head.encode("latin-1"))
        said = read_request(connection)
        rest = connection.recv(1)

    assert (said.partition(b"\r\n")[0], rest) == (b"HTTP/1.1 400 Bad Request", b"")
    assert simulator.seen == []
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    "request_", [b"\0" * 100 + b"\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"/" * 70_000 + b" HTTP/1.1\r\n\r\n"]
)
def test_request_that_is_none(simulator: Simulator, capfd: pytest.CaptureFixture[str], request_: bytes) -> None:
    """What is no request is refused, and the next one is served."""
    with served(simulator) as url:
        address = (LOOPBACK, int(url.rpartition(":")[2]))
        with socket.create_connection(address) as connection:
            connection.sendall(request_)
            refused = connection.recv(65536)
        with socket.create_connection(address) as connection:
            connection.sendall(b"GET /v1/connections/x HTTP/1.1\r\n\r\n")
            said = read_request(connection)

    assert b'"Success"' not in refused
    assert b'"code": "Unauthorized"' in said
    assert "Traceback" not in capfd.readouterr().err
