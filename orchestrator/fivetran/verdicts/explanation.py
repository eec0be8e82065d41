"""A verdict in words, whole."""

from typing import NamedTuple

from orchestrator.fivetran.verdicts.advice import advice
from orchestrator.fivetran.verdicts.aftermath import evidence, schedule, schedule_left, what_runs
from orchestrator.fivetran.verdicts.end import Action, End
from orchestrator.fivetran.verdicts.headlines import headline, outcome
from orchestrator.fivetran.verdicts.reasons import reasons
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import few
from orchestrator.values.settings import Settings

__all__ = ["Explanation", "explain", "outside"]


class Explanation(NamedTuple):
    """A verdict for people.

    Attributes:
        outcome: It in a word or two: OK, FAILED, TIMED OUT, RESCHEDULED or STOPPED.
        headline: What happened, in one line.
        reasons: Why, in Fivetran's words where it has any; the first one goes with the headline.
        running: What is running at Fivetran now, in one line; "" where nothing needs to be said.
        schedule: What became of the connection's schedule; "" where nothing did.
        schedule_left: This run switched the schedule to manual and left it so, and the job is not green or was
            not about a sync: worth a warning.
        at_fivetran: All that goes on there now, what is running and the schedule among it.
        still_running: Whether a sync runs there now; None if that is not known.
        advice: What to do now; the first one is the most urgent.
    """

    outcome: str
    headline: str
    reasons: tuple[str, ...]
    running: str
    schedule: str
    schedule_left: bool
    at_fivetran: tuple[str, ...]
    still_running: bool | None
    advice: tuple[str, ...]


def explain(settings: Settings, facts: Facts, chart: Action) -> Explanation:
    """Put a verdict into words.

    Args:
        settings: The job's settings.
        facts: The facts at the end; every one may be missing.
        chart: The job's chart.
    """
    end = End(settings, facts, chart)
    why, running, became = reasons(end), what_runs(end), schedule(end)
    at_fivetran = (running, became and f"schedule: {became}", *few(evidence(end, why)))
    return Explanation(
        outcome=outcome(end),
        headline=headline(end),
        reasons=why,
        running=running,
        schedule=became,
        schedule_left=schedule_left(end),
        at_fivetran=tuple(filter(None, at_fivetran)),
        still_running=end.running,
        advice=advice(end, why),
    )


def outside(headline: str, reasons: tuple[str, ...], running: str, *advice: str) -> Explanation:
    """The words of an end outside any chart: no verdict of a run.

    Args:
        headline: What happened.
        reasons: Why.
        running: What may be running at Fivetran.
        advice: What to do now.
    """
    return Explanation(
        outcome="FAILED",
        headline=headline,
        reasons=reasons,
        running=running,
        at_fivetran=(running,) if running else (),
        schedule="",
        schedule_left=False,
        still_running=None,
        advice=advice,
    )
