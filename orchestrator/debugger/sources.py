"""Where a session begins: at a simulated Fivetran, at the real one, or in a journal."""

from collections.abc import Mapping

from orchestrator.debugger.journal_reader import JournalError, read_journal
from orchestrator.debugger.ports import DebugPorts
from orchestrator.debugger.replay import Divergence
from orchestrator.debugger.session import AS_TOLD, Session
from orchestrator.debugger.timeline import Timeline
from orchestrator.job.configuration import ConfigurationError, configure
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import ChartError
from orchestrator.simulator.app import Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.rehearsal import variables
from orchestrator.simulator.scenario import ScenarioError, load_scenario
from orchestrator.values.clock import SystemClock

__all__ = ["CannotOpen", "opened"]


TABLE = {"SCHEMA": "public", "TABLE": "orders"}  # the simulator has it; most actions do not look


class CannotOpen(Exception):  # noqa: N818
    """There is nothing to debug; the message says what to fix, a line each."""


def opened(
    action: str | None, scenario: str | None, journal: str | None, environ: Mapping[str, str], *, live: bool
) -> Session:
    """A session at its beginning.

    Args:
        action: The action; of a journal, none is needed.
        scenario: How the simulated Fivetran behaves, or None.
        journal: The journal to go through, or None.
        environ: The job's variables, for the real Fivetran; for a simulated one, only FIVETRAN_CHART counts.
        live: Against the real Fivetran.

    Raises:
        CannotOpen: Something is missing or wrong.
    """
    if live:
        return _live(action, environ)
    if journal is not None:
        return _recorded(action, journal)
    if action is None:
        raise CannotOpen(f"no action is given: debug one of {', '.join(ACTIONS)}, or --replay FILE")
    own = {name: environ[name] for name in ("FIVETRAN_CHART",) if name in environ}
    return _simulated(action, scenario or AS_TOLD, own)


def _simulated(action: str, name: str, own: Mapping[str, str]) -> Session:
    try:
        scenario = load_scenario(name)
        given = {**TABLE, **variables(scenario, "http://127.0.0.1"), "FIVETRAN_ACTION": action, **own}
        clock = VirtualClock()
        configured = configure(given, clock.wall)
    except ScenarioError as error:
        raise CannotOpen(str(error)) from error
    except ConfigurationError as error:
        raise CannotOpen("\n".join(error.errors)) from error
    mask = Mask()
    ports = DebugPorts(configured.chart, configured.settings, clock, mask, simulator=Simulator(scenario, clock))
    return Session(Timeline.begun(configured.chart, ports, f"simulated: {scenario.name}"), mask)


def _recorded(action: str | None, file: str) -> Session:
    try:
        journal = read_journal(file)
        line = Timeline.recorded(journal)
    except (JournalError, ChartError) as error:
        raise CannotOpen(str(error)) from error
    except Divergence as error:  # at the very beginning: there is no moment to look at
        raise CannotOpen(f"{file}: {error}") from error
    if action not in {None, line.chart.action}:
        raise CannotOpen(f"{file} is the journal of {line.chart.action}, not of {action}: leave the action out")
    return Session(line, Mask())


def _live(action: str | None, environ: Mapping[str, str]) -> Session:
    given = {**environ, **({"FIVETRAN_ACTION": action} if action else {})}
    clock = SystemClock()
    try:
        configured = configure(given, clock.wall)
    except ConfigurationError as error:
        raise CannotOpen("\n".join(error.errors)) from error
    settings = configured.settings
    mask = Mask(settings.api_key, settings.api_secret)
    mask.add(*configured.secrets, *proxy_secrets(environ))
    ports = DebugPorts(configured.chart, settings, clock, mask)
    return Session(Timeline.begun(configured.chart, ports, "Fivetran"), mask)
