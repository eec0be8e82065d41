"""`demo` and `simulate`: a job against the simulator, and the simulator by itself."""

import shlex
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from orchestrator.job.configuration import report_dir
from orchestrator.job.job import Job
from orchestrator.job.masking import Mask
from orchestrator.job.result import JOURNAL
from orchestrator.job.streams import refuse, say
from orchestrator.simulator.app import CONNECTOR, KEY, SECRET, Arrival, Simulator
from orchestrator.simulator.scenario import Scenario, load_scenario, names
from orchestrator.simulator.server import bind, served
from orchestrator.values.clock import FastClock, SystemClock
from orchestrator.values.events import SIGNALS

__all__ = ["demo", "scenarios", "simulate", "variables"]

_TELLING = threading.Lock()  # each request has a thread of its own
HOW = ("FIVETRAN_LOG_FORMAT", "FIVETRAN_JOURNAL", "NO_COLOR", "DATAOPS_DEBUG")


def variables(scenario: Scenario, url: str) -> dict[str, str]:
    """The variables of a job against a scenario's simulator at that address."""
    return {
        "FIVETRAN_ACTION": "START",
        "CONNECTOR_ID": CONNECTOR,
        "FIVETRAN_API_KEY": KEY,
        "FIVETRAN_API_SECRET": SECRET,
        "FIVETRAN_API_URL": url,
        **scenario.variables,
    }


def demo(name: str, speed: float, environ: Mapping[str, str]) -> int:
    """Run START against a scenario.

    Args:
        name: The scenario.
        speed: Simulated seconds a real second.
        environ: Only how to log and where results go is taken from it; they go where CI's go
            when it does not say.

    Returns:
        0 if the job ended as the scenario says, 70 if not: one of the two is wrong. The job's
        own exit code after a signal.

    Raises:
        ScenarioError: There is no such scenario.
    """
    scenario, clock = load_scenario(name), FastClock(speed)
    how = {name: environ[name] for name in HOW if name in environ}
    how["FIVETRAN_REPORT_DIR"] = report_dir({**environ, "CI": "as there"})
    say(f"scenario {name}: {scenario.title} (simulated Fivetran, {speed:g} s in a second)\n", error=True)
    with served(Simulator(scenario, clock)) as url:
        job = Job({**variables(scenario, url), **how}, clock=clock)
        code = job.run()
    journal = Path(how["FIVETRAN_REPORT_DIR"], JOURNAL)
    if how["FIVETRAN_REPORT_DIR"] and journal.is_file():
        command, file = shlex.quote(sys.argv[0]), shlex.quote(str(journal))
        say("\nto see whether the run repeats, and to walk through it forwards and backwards:", error=True)
        say(f"  {command} replay {file}\n  {command} debug --replay {file}", error=True)
    if job.verdict in SIGNALS:
        return code
    promised = f"{scenario.verdict}, exit code {scenario.exit_code}"
    if (job.verdict, code) == (scenario.verdict, scenario.exit_code):
        say(f"\nthe job ended as this scenario says: {promised}", error=True)
        return 0
    say(f"\nthe job ended as {job.verdict}, exit code {code}; the scenario says {promised}", error=True)
    return 70


def scenarios() -> str:
    """The scenarios, a line each."""
    listed = [load_scenario(name) for name in names()]
    width = max(len(scenario.name) for scenario in listed)
    return "\n".join(
        f"  {scenario.name:{width}}  {scenario.title} -> {scenario.verdict} ({scenario.exit_code})"
        for scenario in listed
    )


def simulate(name: str, speed: float, port: int) -> int:
    """Serve a scenario until interrupted.

    Args:
        name: The scenario.
        speed: How much faster than told the syncs are. Dates stay real ones.
        port: Port on loopback; 0 for any.

    Returns:
        0; 2 if the port is taken, or is none.

    Raises:
        ScenarioError: There is no such scenario.
    """
    scenario = load_scenario(name)
    try:
        server = bind(Simulator(scenario.faster(speed), SystemClock(), on_arrival=_tell), port)
    except (OSError, OverflowError) as error:
        return refuse(f"port {port}: {error}: name another one, or 0 for any")
    url = f"http://127.0.0.1:{server.port}"
    say(f"scenario {name}: {scenario.title}", error=True)
    say(f"a simulated Fivetran listens on {url}; Ctrl-C ends it. In another terminal:\n", error=True)
    for variable, value in variables(scenario, url).items():
        say(f"export {variable}={shlex.quote(value)}", error=True)
    say(f"{shlex.quote(sys.argv[0])}\n", error=True)
    server.serve_forever()  # werkzeug's own returns on KeyboardInterrupt, and closes the server
    say("ended", error=True)
    return 0


def _tell(seen: Arrival) -> None:
    with _TELLING:
        line = f"{seen.method} {seen.path} {'' if seen.body is None else seen.body} -> {seen.outcome}"
        say(Mask().line(line), error=True)
