"""`demo` and `simulate`: a job against the simulator, and the simulator by itself."""

import math
import shlex
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from errno import EADDRINUSE
from importlib.util import find_spec
from pathlib import Path

from orchestrator.fleet.fleet_job import FleetJob
from orchestrator.fleet.result import ORDER
from orchestrator.job.configuration import report_dir
from orchestrator.job.job import Job
from orchestrator.job.masking import Mask
from orchestrator.job.result import JOURNAL
from orchestrator.job.streams import refuse, say
from orchestrator.simulator.app import KEY, SECRET, Arrival, Simulator
from orchestrator.simulator.connection import Connection
from orchestrator.simulator.identities import CONNECTOR, identity_at
from orchestrator.simulator.scenario import FLEET, Scenario, ScenarioError, load_scenario, names
from orchestrator.simulator.server import bind, served
from orchestrator.values.clock import FastClock, SystemClock
from orchestrator.values.events import SIGNALS

__all__ = ["TABLE", "demo", "scenarios", "simulate", "variables"]

ACTION = "START"  # what the verdicts of scenarios are about
TABLE = {"SCHEMA": "public", "TABLE": "orders"}  # the simulator has it; most actions do not look
_PRINTING = threading.Lock()  # each request has a thread of its own
WAVES = 8  # in how many waves many connections sync, about, so that any number takes as long
LEAST_PARALLEL = 50  # syncs at once, for which there may be fewer waves
BUSY = 1000  # from so many connections on, each look at all of them takes its time: there are fewer
COSTS = 0.1  # real seconds of a demonstration that a connection may take of a slow machine
LASTS = 2.0  # seconds of a job that a connection takes, with the usual number of syncs at once
LONGEST = 23  # hours: what is rescheduled by a day is past any deadline
NEEDED = 20  # requests about a connection, with half of the limit left to others: more than a demonstration makes
FEW = 10  # connections that are named one by one
HOW = ("FIVETRAN_LOG_FORMAT", "FIVETRAN_JOURNAL", "NO_COLOR", "DATAOPS_DEBUG")


def variables(scenario: Scenario, url: str, about: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variables of a job against a scenario's simulator.

    Args:
        scenario: The scenario.
        url: The simulator's address.
        about: The variables that say which connections; the one that there always is when None.
    """
    return {
        "FIVETRAN_ACTION": ACTION,
        **({"CONNECTOR_ID": CONNECTOR} if about is None else about),
        "FIVETRAN_API_KEY": KEY,
        "FIVETRAN_API_SECRET": SECRET,
        "FIVETRAN_API_URL": url,
        **scenario.variables,
    }


def demo(
    name: str,
    speed: float,
    environ: Mapping[str, str],
    *,
    connections: int | None = None,
    action: str | None = None,
    json: bool = False,
) -> int:
    """Run a job against a scenario. What the job prints is the last of it.

    Args:
        name: The scenario.
        speed: Simulated seconds a real second.
        environ: Only how to log and where results go is taken from it; they go where CI's go
            when it does not say.
        connections: How many there are, for a job about all of a group; None for a job about one.
        action: What the job does; what scenarios are about when None.
        json: The result is its JSON document, on a terminal too.

    Returns:
        0 if the job ended as the scenario says, 70 if not: one of the two is wrong. The job's
        own exit code after a signal, and of an action that the scenario says nothing about.

    Raises:
        ScenarioError: There is no such scenario, or it does not go with that number of connections.
    """
    scenario, clock = _load(name, connections), FastClock(speed)
    how = {name: environ[name] for name in HOW if name in environ}
    how["FIVETRAN_REPORT_DIR"] = report_dir({**environ, "CI": "as there"})
    pace = "in real time" if speed == 1 else f"{speed:g} times faster"
    needed = (connections or 0) * NEEDED
    if raised := 0 < scenario.rate_limit < needed:
        scenario = replace(scenario, rate_limit=needed)
    simulator = Simulator(scenario, clock, connections=connections, kept=0)
    about, journal, ends = _one(scenario) if connections is None else _group(simulator, speed)
    expected = "" if action not in {None, ACTION} else ends
    say(f"scenario {scenario.name}: {scenario.title} (simulated Fivetran, {pace})", error=True)
    if raised:
        say(f"for so many the account may make {scenario.rate_limit:,} requests an hour", error=True)
    if expected:
        say(f"expected end: {expected}", error=True)
    if how["FIVETRAN_REPORT_DIR"] and how.get("FIVETRAN_JOURNAL") != "0":
        say(_afterwards(str(Path(how["FIVETRAN_REPORT_DIR"], journal))), error=True)
    say("", error=True)
    with served(simulator) as url:
        given = {**TABLE, **variables(scenario, url, about), **how, "FIVETRAN_ACTION": action or ACTION}
        job = (Job if connections is None else FleetJob)(given, clock=clock, json=json)
        code = job.run()
    if job.verdict in SIGNALS or not expected:
        return code
    verdicts = job.verdicts if isinstance(job, FleetJob) else {}
    ended = _told(verdicts or ({job.verdict: 1} if job.verdict else {}), code)
    if ended == expected:
        return 0
    say(f"\nthe job ended as {ended}; this scenario expects {expected}", error=True)
    return 70


def _load(name: str, connections: int | None) -> Scenario:
    """A scenario, for so many connections.

    Raises:
        ScenarioError: There is no such scenario, or it needs to be told their number.
    """
    scenario = load_scenario(name)
    if scenario.mix and connections is None:
        raise ScenarioError(f"scenario {name} is about many connections: say how many, as in --connections 100")
    return scenario


def _one(scenario: Scenario) -> tuple[dict[str, str], str, str]:
    """Of a demonstration with one connection, what `_group` says of one with many."""
    return {"CONNECTOR_ID": CONNECTOR}, JOURNAL, _told({scenario.verdict: 1}, scenario.exit_code)


def _group(simulator: Simulator, speed: float) -> tuple[dict[str, str], str, str]:
    """Of a demonstration with many: the job's variables, where the journal of one is, and how they are to end."""
    name, group = _first_group(simulator)
    odd = next((each for each in group if each.scenario.exit_code), group[0])
    codes = {each.scenario.exit_code for each in group}
    code = next((code for code in ORDER if code in codes), 0)
    about = {
        "FIVETRAN_GROUP_ID": name,
        "FIVETRAN_MAX_PARALLEL": str(max(LEAST_PARALLEL, len(group) // WAVES)),
        "FIVETRAN_TIMEOUT": _hours(len(group) * COSTS * speed),
        **({"FIVETRAN_POLL_INTERVAL": str(len(group) // 100)} if len(group) > BUSY else {}),
    }
    return about, f"journals/{odd.identity}.jsonl", _told(Counter(each.scenario.verdict for each in group), code)


def _hours(seconds: float) -> str:
    """A job's time limit in whole hours."""
    return f"{max(1, min(LONGEST, math.ceil(seconds / 3600)))}h"


def _told(verdicts: Mapping[str | None, int], code: int) -> str:
    """How a job ended: the verdict, or of several connections how many have which, the most frequent first."""
    many = sum(verdicts.values()) > 1
    named = sorted((-number, str(verdict)) for verdict, number in verdicts.items())
    each = [f"{-number:,} {verdict}" if many else verdict for number, verdict in named]
    return ", ".join([*each, f"exit code {code}"])


def _afterwards(journal: str) -> str:
    """The commands that go through the run once it has ended, with what is installed."""
    command = f"{shlex.quote(sys.argv[0])} {{}} {shlex.quote(journal)}"
    debugger = all(map(find_spec, ("prompt_toolkit", "rich")))
    replay = f"afterwards, to replay the run: {command.format('replay')}"
    return f"{replay}\nor to step through it: {command.format('debug --replay')}" if debugger else replay


def scenarios() -> str:
    """The scenarios, a line each."""
    listed = [load_scenario(name) for name in (*names(), FLEET)]
    width = max(len(scenario.name) for scenario in listed)
    return "\n".join(f"  {scenario.name:{width}}  {scenario.title} -> {_end(scenario)}" for scenario in listed)


def _end(scenario: Scenario) -> str:
    return "each its own (--connections N)" if scenario.mix else f"{scenario.verdict} (exit {scenario.exit_code})"


def simulate(name: str, speed: float, port: int, connections: int | None = None) -> int:
    """Serve a scenario until interrupted.

    Args:
        name: The scenario.
        speed: How much faster the syncs are than the scenario says. Dates stay real ones.
        port: Port on loopback; 0 for any.
        connections: How many there are; None where any id is one.

    Returns:
        0; 2 if the port is taken or invalid.

    Raises:
        ScenarioError: There is no such scenario, or it does not go with that number of connections.
    """
    scenario = _load(name, connections)
    simulator = Simulator(scenario.faster(speed), SystemClock(), connections=connections, on_arrival=_print, kept=0)
    about, known = {"CONNECTOR_ID": CONNECTOR}, "It takes any CONNECTOR_ID for a connection."
    if connections is not None:
        # Of another one: what goes on from the start begins with the first request.
        about, known = _known(Simulator(scenario, SystemClock(), connections=connections))
    try:
        server = bind(simulator, port)
    except (OSError, OverflowError) as error:
        why = "is in use" if getattr(error, "errno", None) == EADDRINUSE else f"cannot be used ({error})"
        return refuse(f"port {port} {why}: give another with --port, or 0 for any free one")
    url = f"http://127.0.0.1:{server.port}"
    say(f"scenario {name}: {scenario.title}", error=True)
    say(f"a simulated Fivetran is listening on {url}; Ctrl-C stops it.", error=True)
    say(f"{known} In another terminal:\n", error=True)
    for variable, value in variables(scenario, url, about).items():
        say(f"export {variable}={shlex.quote(value)}", error=True)
    say(f"{shlex.quote(sys.argv[0])}\n", error=True)
    server.serve_forever()  # werkzeug's own returns on KeyboardInterrupt, and closes the server
    say("stopped", error=True)
    return 0


def _known(simulator: Simulator) -> tuple[dict[str, str], str]:
    """The variables that name the connections of a simulator that knows some only, and how many there are."""
    name, group = _first_group(simulator)
    ids, others = [each.identity for each in group], len(simulator.group(None)) - len(group)
    about = {"CONNECTOR_ID": ",".join(ids)} if len(ids) <= FEW else {"FIVETRAN_GROUP_ID": name}
    about["FIVETRAN_TIMEOUT"] = _hours(len(ids) * LASTS)
    more = f", and {others:,} in other groups" if others else ""
    noun = "connection" if len(ids) == 1 else "connections"
    return about, f"It has {len(ids):,} {noun} in the group {name}{more}; any other id is unknown."


def _first_group(simulator: Simulator) -> tuple[str, list[Connection]]:
    """The group of the first of many connections, and those in it.

    Raises:
        ScenarioError: There are none.
    """
    name = str(simulator.connection(identity_at(1)).members["group_id"])
    if not (group := simulator.group(name)):
        raise ScenarioError(f"scenario {simulator.scenario.name}: the group {name} has no connection that exists")
    return name, group


def _print(seen: Arrival) -> None:
    with _PRINTING:
        line = f"{seen.method} {seen.path} {'' if seen.body is None else seen.body} -> {seen.outcome}"
        say(Mask().line(line), error=True)
