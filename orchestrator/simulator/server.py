"""Serve a simulator: in a thread of a demonstration, or by itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from orchestrator.simulator.app import Simulator

__all__ = ["bind", "served"]


class _Quiet(WSGIRequestHandler):
    """The simulator says itself what arrived."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def bind(simulator: Simulator, port: int = 0) -> BaseWSGIServer:
    """A server on loopback; on a port of its own choosing for 0.

    Raises:
        OSError: The port is taken.
    """
    return make_server("127.0.0.1", port, simulator, threaded=True, request_handler=_Quiet)


@contextmanager
def served(simulator: Simulator) -> Iterator[str]:
    """Serve it in a thread; the value is its address."""
    server = bind(simulator)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
