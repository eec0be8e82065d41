"""What the helper thread of a request costs: requests under limits beside the same ones made directly.

Both in one run and in turn, over a kept connection, against a simulated Fivetran in a process of its own.
"""

import os
import signal
import statistics
import sys
import time
from collections.abc import Callable

from orchestrator.fivetran.client import Client
from orchestrator.job.job import bounded
from orchestrator.job.limits import Limits
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.scenario import Scenario
from orchestrator.simulator.server import bind
from orchestrator.values.clock import SystemClock
from orchestrator.values.exchange import Answer, Request

MOST = 1.0  # milliseconds a request
ROUNDS = 20  # of each, in turn; the first one does not count
EACH = 100  # requests
GET = Request("GET", "/v1/connections/speak_inexpensive", "read the connection")


def timed(send: Callable[[], object]) -> list[float]:
    """Send so often; return what each one took, in milliseconds."""
    times = []
    for _ in range(EACH):
        began = time.perf_counter()
        answer = send()
        times.append(1000 * (time.perf_counter() - began))
        if not isinstance(answer, Answer):
            raise TypeError(f"no answer: {answer}")
    return times


def main() -> int:
    """Measure and tell.

    Returns:
        The exit code: 1 if it costs too much.
    """
    clock = SystemClock()
    server = bind(Simulator(Scenario(), clock))
    process = os.fork()
    if process == 0:
        server.serve_forever()
    client = Client(f"http://127.0.0.1:{server.port}", KEY, SECRET)
    direct, limited = list[float](), list[float]()
    try:
        with Limits(clock) as limits:
            send = bounded(client, clock, limits)
            for number in range(ROUNDS + 1):
                rounds = timed(lambda: client.send(GET, 30.0)), timed(lambda: send(GET, 30.0, True))  # noqa: FBT003  # Send's form
                if number:
                    direct += rounds[0]
                    limited += rounds[1]
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
    alone, bound = statistics.median(direct), statistics.median(limited)
    print(f"medians of {len(direct):,} requests each, in turn: {alone:.2f} ms directly, {bound:.2f} ms under limits:")
    costs, most = bound - alone, max(MOST, alone)  # where everything is slow, no more than the request itself
    print(f"{bound / alone:.2f} times; the helper thread costs {costs:.2f} ms a request (at most {most:.2f} ms)")
    return 0 if costs <= most else 1


if __name__ == "__main__":
    sys.exit(main())
