"""Where a session begins: at a simulated Fivetran, at the real one, in a journal, or at a moment of another session."""

from collections.abc import Mapping
from dataclasses import replace

from orchestrator.debugger.journal_reader import Journal, JournalError, read_journal
from orchestrator.debugger.ports import DebugPorts, Refusal
from orchestrator.debugger.replay import Divergence, Replay, chart_of
from orchestrator.debugger.session import Moment, Session
from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.situation import resync_asked
from orchestrator.job.configuration import ConfigurationError, configure
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import ChartError
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.clock import Ahead, VirtualClock
from orchestrator.simulator.rehearsal import TABLE, variables
from orchestrator.simulator.scenario import ScenarioError, load_scenario
from orchestrator.values.clock import SystemClock
from orchestrator.values.facts import Facts

__all__ = ["CannotOpen", "forked", "opened", "recorded"]

USUAL = "succeeds"  # the scenario where none is named


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
    try:
        if live:
            return _live({**environ, **({"FIVETRAN_ACTION": action} if action else {})})
        if journal is not None:
            session = recorded(read_journal(journal))
            found = session.chart.action
            if action not in {None, found}:
                raise CannotOpen(f"{journal} is a journal of {found}, not of {action}: leave the action out")
            return session
        if action is None:
            raise CannotOpen(f"no action given: use one of {', '.join(ACTIONS)}, or --replay FILE")
        own = {name: environ[name] for name in ("FIVETRAN_CHART",) if name in environ}
        return _simulated(action, scenario or USUAL, own)
    except ConfigurationError as error:
        raise CannotOpen("\n".join(error.errors)) from error
    except Divergence as error:  # at the very beginning: there is no moment to look at
        raise CannotOpen(f"{journal}: {error}") from error
    except (ChartError, JournalError, ScenarioError) as error:
        raise CannotOpen(str(error)) from error


def _live(environ: Mapping[str, str]) -> Session:
    clock = SystemClock()
    configured = configure(environ, clock.wall)
    settings = configured.settings
    mask = Mask(settings.api_key, settings.api_secret)
    for secret in (*configured.secrets, *proxy_secrets(environ)):
        mask.add(secret)
    return _begun(DebugPorts(configured.chart, settings, clock, mask), "Fivetran", mask)


def _simulated(action: str, name: str, own: Mapping[str, str]) -> Session:
    scenario, clock, mask = load_scenario(name), VirtualClock(), Mask()
    given = {**TABLE, **variables(scenario, "http://127.0.0.1"), "FIVETRAN_ACTION": action, **own}
    configured = configure(given, clock.wall)
    ports = DebugPorts(configured.chart, configured.settings, clock, mask, Simulator(scenario, clock))
    return _begun(ports, f"simulated: {scenario.name}", mask)


def _begun(ports: DebugPorts, origin: str, mask: Mask) -> Session:
    return Session(ports.chart, ports.settings, origin, mask, [Moment.of(ports)], ports)


def recorded(journal: Journal) -> Session:
    """A recorded run, on the chart that it was recorded with as long as today's loader takes that.

    Raises:
        ChartError: It was a user's own chart, and today's loader does not take it.
        Divergence: It begins in a state that the chart does not have.
    """
    try:
        chart = chart_of(journal, recorded=True)
    except ChartError:
        chart = chart_of(journal)
    played = Replay(journal, chart)
    header, ahead, why = journal.header, 0.0, "the recording ends here"
    moments = [Moment(played.standing, played.now, resumed=header.resumed)]
    try:
        for record, step in played:
            if step.answer is not None and step.answer.dated:
                ahead = step.answer.date - (step.after.started_at + step.at)
            moments.append(Moment(step.after, step.at, step, record.by_hand, record.resumed, ahead=ahead))
    except Divergence:
        why = "from here on this version behaves differently from the recording: `replay` shows the difference"
    end = f"{why}: `fork` continues from here against a simulated Fivetran"
    return Session(chart, header.settings, "recorded", Mask(), moments, end=end)


def forked(session: Session, scenario: str = "") -> Session:
    """A session that goes on from the moment that another one looks at, against a simulated Fivetran.

    Args:
        session: The other one.
        scenario: How Fivetran behaves from here; "" for as before in a simulation, else for a sync that succeeds.

    Raises:
        Refusal: The run has ended here.
        ScenarioError: There is no such scenario.
    """
    here, settings = session.here, session.settings
    if session.ended:
        raise Refusal("the run has ended here: go `back` to where it should continue differently, then `fork`")
    clock = VirtualClock(here.standing.started_at + here.now)
    fivetrans = Ahead(clock, here.ahead)
    if here.fivetran is not None and not scenario:
        simulator = here.fivetran.twin(fivetrans)
    else:
        chosen = load_scenario(scenario or USUAL)
        simulator = Simulator(chosen, fivetrans)
        settings = replace(settings, api_key=KEY, api_secret=chosen.variables.get("FIVETRAN_API_SECRET", SECRET))
        if here.standing.facts.connection is not None:
            connection = simulator.connection(settings.connector_id)
            connection.adopt(here.standing.facts.connection, _under_way(here.standing.facts))
    chart, mask = session.chart, session.mask
    ports = DebugPorts(chart, settings, clock, mask, simulator, here.ahead, standing=here.standing, elapsed=here.now)
    return replace(
        session,
        settings=ports.settings,
        origin=f"fork: {simulator.scenario.name}",
        moments=session.moments[: session.cursor + 1],
        ports=ports,
        parent=session,
    )


def _under_way(facts: Facts) -> str:
    """What started the sync that Fivetran is at, as far as the run knows; "" where none is.

    A trigger that was accepted after the document was read is under way. One whose answer was
    lost counts as not carried out, though it may have been.
    """
    syncing = documents.sync_state(facts.connection or {}) == "syncing"
    read, asked = facts.read_at, facts.asked_at
    accepted = facts.triggered and read is not None and asked is not None and asked >= read
    return ("resync" if resync_asked(facts) else "sync") if syncing or accepted else ""
