"""Serve a simulator: in a thread of a demonstration, or by itself."""

import io
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from orchestrator.simulator.app import Simulator

__all__ = ["Handler", "bind", "served"]

LOOPBACK = "127.0.0.1"


class Handler(WSGIRequestHandler):
    """Leaves the `Date` and the telling of what arrived to the simulator, and keeps connections, as Fivetran does."""

    protocol_version = "HTTP/1.1"

    def run_wsgi(self) -> None:
        """Answer a request; werkzeug's own closes the connection after each."""
        try:
            length = self.headers.get("Content-Length") or "0"
            if not re.fullmatch("[0-9]{1,9}", length):
                self.send_error(400)
                self.close_connection = True
                return
            body = self.rfile.read(int(length))
            environ = {**self.make_environ(), "wsgi.input": io.BytesIO(body)}
            status, headers = "", list[tuple[str, str]]()

            def start(*given: Any) -> Callable[[bytes], object]:  # noqa: ANN401  # WSGI's form
                nonlocal status, headers
                status, headers, *_ = given
                return self.wfile.write

            answer = b"".join(self.server.app(environ, start))
            # In one piece, and without a `Date` of the server's: that of the simulated clock is among them.
            lines = [f"{self.protocol_version} {status}", *(f"{name}: {value}" for name, value in headers), "", ""]
            self.wfile.write("\r\n".join(lines).encode("latin-1") + answer)
        except ConnectionError as error:
            self.connection_dropped(error)

    def connection_dropped(self, error: BaseException, environ: dict[str, Any] | None = None) -> None:
        """A fault has dealt with the connection: there is no next request on it."""
        del error, environ
        self.close_connection = True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def bind(simulator: Simulator, port: int = 0) -> BaseWSGIServer:
    """A server on loopback; on a port of its own choosing for 0.

    Raises:
        OSError: The port is taken.
        OverflowError: It is no port.
    """
    # Left to bind by itself, werkzeug ends the whole process where the port is taken.
    with socket.create_server((LOOPBACK, port), backlog=128) as listening:
        return make_server(LOOPBACK, port, simulator, threaded=True, request_handler=Handler, fd=listening.fileno())


@contextmanager
def served(simulator: Simulator) -> Iterator[str]:
    """Serve it in a thread; the value is its address."""
    server = bind(simulator)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://{LOOPBACK}:{server.port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
