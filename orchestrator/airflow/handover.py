"""A run on its way between a worker and the triggerer: one document of JSON types, without secrets.

Workers act, the triggerer only looks. A worker hands a run over where it waits; the triggerer hands it back as soon as
what comes next would change something at Fivetran, or the run concludes. So a triggerer that dies and starts again can
repeat nothing but looks.
"""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from orchestrator.fivetran.effects import EFFECTS, Call, Writing
from orchestrator.job.masking import Mask
from orchestrator.job.state_file import check_run, masked
from orchestrator.job.trace import Trace
from orchestrator.machine.chart import Chart, Kind
from orchestrator.machine.run import Run
from orchestrator.machine.standing import Standing, resumed
from orchestrator.machine.transition import call_of
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings
from orchestrator.values.type_checks import built, check

__all__ = [
    "PATIENCE",
    "Document",
    "TakenUp",
    "changes",
    "handed_over",
    "only_looks",
    "plain",
    "settings_from",
    "taken_up",
    "waits_elsewhere",
]

PATIENCE = 15.0  # seconds of a back-off that a worker sits out itself
_SECRET = {"api_key", "api_secret"}

Document = dict[str, Any]


class TakenUp(NamedTuple):
    """A run that goes on here.

    Attributes:
        standing: Where it stands.
        elapsed: Seconds since it began.
        trace: Its steps so far.
    """

    standing: Standing
    elapsed: float
    trace: Trace


def changes(chart: Chart, standing: Standing) -> bool:
    """Whether what the run asks next may change something at Fivetran."""
    call = call_of(chart.states[standing.state])
    return call is not None and call.method != "GET"


def only_looks(chart: Chart, standing: Standing) -> bool:
    """Whether what the run does next is for the triggerer: it waits, decides or reads, and has no verdict yet."""
    state = chart.states[standing.state]
    if standing.concluded or state.kind is Kind.EXIT:
        return False
    if state.kind is Kind.WAITS:
        return not standing.hopeless
    if state.kind is Kind.DOES:
        effect = EFFECTS[state.operand]
        return not isinstance(effect, Writing) and not (isinstance(effect, Call) and effect.method != "GET")
    return True


def waits_elsewhere(chart: Chart, standing: Standing, now: float) -> bool:
    """Whether a run waits so that the triggerer had better do it.

    Args:
        chart: Its chart.
        standing: Where it stands.
        now: Seconds since it began.
    """
    left = standing.wake - now
    waits = chart.states[standing.state].kind is Kind.WAITS
    return only_looks(chart, standing) and left > (0.0 if waits else PATIENCE)


def handed_over(run: Run, standing: Standing, trace: Trace, mask: Mask, *, planned: bool = True) -> Document:
    """A run as a document, from which `taken_up` goes on.

    Args:
        run: The run.
        standing: Where it is to be taken up: where it stands, or where it stood before a look.
        trace: Its steps so far; they are handed over only if there is to be a report.
        mask: Takes the secrets out.
        planned: Nothing is under way. Else what the state asks next may have been sent already.
    """
    document = standing.as_json(run.now, run.ports.clock.wall(), handed_over=planned)
    trail = (trace.entries(), trace.dropped) if run.settings.report_dir else ([], 0)
    clean: Document = masked({**document, "trail": trail[0], "trail_dropped": trail[1]}, mask)
    fresh = Facts().as_json()
    facts = {name: [*value] if isinstance(value, tuple) else value for name, value in clean["facts"].items()}
    clean["facts"] = {name: value for name, value in facts.items() if value not in (fresh[name], [])}
    return clean


def taken_up(chart: Chart, settings: Settings, document: Mapping[str, Any], wall: float) -> TakenUp:
    """A run that was handed over, or whose note was found.

    Args:
        chart: Its chart.
        settings: The task's settings.
        document: What `handed_over` gave.
        wall: The time, in seconds since the epoch.

    Raises:
        KeyError, TypeError, ValueError: It is not one of this chart's: another version wrote it.
    """
    check_run(document, chart)
    check("run.resumed_at", document.get("resumed_at"), float | None)
    standing, elapsed = resumed(chart, settings, document, wall)
    return TakenUp(standing, elapsed, Trace(document["trail"], dropped=int(document["trail_dropped"])))


def plain(settings: Settings) -> Document:
    """Settings as JSON types, without key and secret."""
    named = {each.name: getattr(settings, each.name) for each in fields(settings) if each.name not in _SECRET}
    return {**named, "policies": dict(settings.policies), "tables": [[name, [*ones]] for name, ones in settings.tables]}


def settings_from(document: Mapping[str, Any], api_key: str, api_secret: str) -> Settings:
    """The settings that `plain` made plain.

    Args:
        document: What `plain` gave.
        api_key: The key, which is not in it.
        api_secret: Its secret, likewise.

    Raises:
        KeyError, TypeError, ValueError: It is not what `plain` gives: another version wrote it.
    """
    check("settings", document, Mapping[str, Any])
    check("settings.policies", document["policies"], Mapping[str, str])
    found = dict(document["tables"])
    check("settings.tables", found, Mapping[str, list[Any]])
    tables = {name: tuple(ones) for name, ones in found.items()}
    check("settings.tables", tables, Mapping[str, tuple[str, ...]])
    listed = {"policies": tuple(document["policies"].items()), "tables": tuple(tables.items())}
    known = {each.name for each in fields(Settings)} - {*listed, *_SECRET}
    given = {name: value for name, value in document.items() if name in known}
    return built(Settings, "settings", given, **listed, api_key=api_key, api_secret=api_secret)
