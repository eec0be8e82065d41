"""`demo` and `simulate`: a job against the simulator, and the simulator by itself."""

import shlex
import sys
import threading
from collections.abc import Mapping
from errno import EADDRINUSE
from importlib.util import find_spec
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

__all__ = ["TABLE", "demo", "scenarios", "simulate", "variables"]

ACTION = "START"  # what the verdicts of scenarios are about
TABLE = {"SCHEMA": "public", "TABLE": "orders"}  # the simulator has it; most actions do not look
_PRINTING = threading.Lock()  # each request has a thread of its own
HOW = ("FIVETRAN_LOG_FORMAT", "FIVETRAN_JOURNAL", "NO_COLOR", "DATAOPS_DEBUG")


def variables(scenario: Scenario, url: str) -> dict[str, str]:
    """The variables of a job against a scenario's simulator at that address."""
    return {
        "FIVETRAN_ACTION": ACTION,
        "CONNECTOR_ID": CONNECTOR,
        "FIVETRAN_API_KEY": KEY,
        "FIVETRAN_API_SECRET": SECRET,
        "FIVETRAN_API_URL": url,
        **scenario.variables,
    }


def demo(name: str, speed: float, environ: Mapping[str, str], *, action: str | None = None, json: bool = False) -> int:
    """Run a job against a scenario. What the job prints is the last of it.

    Args:
        name: The scenario.
        speed: Simulated seconds a real second.
        environ: Only how to log and where results go is taken from it; they go where CI's go
            when it does not say.
        action: What the job does; what scenarios are about when None.
        json: The result is its JSON document, on a terminal too.

    Returns:
        0 if the job ended as the scenario says, 70 if not: one of the two is wrong. The job's
        own exit code after a signal, and of an action that the scenario says nothing about.

    Raises:
        ScenarioError: There is no such scenario.
    """
    scenario, clock = load_scenario(name), FastClock(speed)
    how = {name: environ[name] for name in HOW if name in environ}
    how["FIVETRAN_REPORT_DIR"] = report_dir({**environ, "CI": "as there"})
    expected = "" if action not in {None, ACTION} else f"{scenario.verdict}, exit code {scenario.exit_code}"
    pace = "in real time" if speed == 1 else f"{speed:g} times faster"
    say(f"scenario {scenario.name}: {scenario.title} (simulated Fivetran, {pace})", error=True)
    if expected:
        say(f"expected end: {expected}", error=True)
    if how["FIVETRAN_REPORT_DIR"] and how.get("FIVETRAN_JOURNAL") != "0":
        say(_afterwards(str(Path(how["FIVETRAN_REPORT_DIR"], JOURNAL))), error=True)
    say("", error=True)
    with served(Simulator(scenario, clock)) as url:
        given = {**TABLE, **variables(scenario, url), **how}
        job = Job({**given, "FIVETRAN_ACTION": action or ACTION}, clock=clock, json=json)
        code = job.run()
    if job.verdict in SIGNALS or not expected:
        return code
    if (job.verdict, code) == (scenario.verdict, scenario.exit_code):
        return 0
    say(f"\nthe job ended as {job.verdict}, exit code {code}; this scenario expects {expected}", error=True)
    return 70


def _afterwards(journal: str) -> str:
    """The commands that go through the run once it has ended, with what is installed."""
    command = f"{shlex.quote(sys.argv[0])} {{}} {shlex.quote(journal)}"
    debugger = all(map(find_spec, ("prompt_toolkit", "rich")))
    replay = f"afterwards, to replay the run: {command.format('replay')}"
    return f"{replay}\nor to step through it: {command.format('debug --replay')}" if debugger else replay


def scenarios() -> str:
    """The scenarios, a line each."""
    listed = [load_scenario(name) for name in names()]
    width = max(len(scenario.name) for scenario in listed)
    return "\n".join(
        f"  {scenario.name:{width}}  {scenario.title} -> {scenario.verdict} (exit {scenario.exit_code})"
        for scenario in listed
    )


def simulate(name: str, speed: float, port: int) -> int:
    """Serve a scenario until interrupted.

    Args:
        name: The scenario.
        speed: How much faster the syncs are than the scenario says. Dates stay real ones.
        port: Port on loopback; 0 for any.

    Returns:
        0; 2 if the port is taken or invalid.

    Raises:
        ScenarioError: There is no such scenario.
    """
    scenario = load_scenario(name)
    try:
        server = bind(Simulator(scenario.faster(speed), SystemClock(), on_arrival=_print), port)
    except (OSError, OverflowError) as error:
        why = "is in use" if getattr(error, "errno", None) == EADDRINUSE else f"cannot be used ({error})"
        return refuse(f"port {port} {why}: give another with --port, or 0 for any free one")
    url = f"http://127.0.0.1:{server.port}"
    say(f"scenario {name}: {scenario.title}", error=True)
    say(f"a simulated Fivetran is listening on {url}; Ctrl-C stops it.", error=True)
    say("It takes any CONNECTOR_ID for a connection. In another terminal:\n", error=True)
    for variable, value in variables(scenario, url).items():
        say(f"export {variable}={shlex.quote(value)}", error=True)
    say(f"{shlex.quote(sys.argv[0])}\n", error=True)
    server.serve_forever()  # werkzeug's own returns on KeyboardInterrupt, and closes the server
    say("stopped", error=True)
    return 0


def _print(seen: Arrival) -> None:
    with _PRINTING:
        line = f"{seen.method} {seen.path} {'' if seen.body is None else seen.body} -> {seen.outcome}"
        say(Mask().line(line), error=True)
