"""The end of a run, as far as its words depend on it."""

from collections.abc import Iterable
from typing import Protocol

from orchestrator.fivetran import documents
from orchestrator.fivetran.effects.registry import resyncs
from orchestrator.fivetran.effects.situation import (
    still_running,
)
from orchestrator.values.facts import Facts
from orchestrator.values.formatting import duration, some_tables
from orchestrator.values.settings import Settings

__all__ = ["Action", "End"]

_TIMES = {1: "once", 2: "twice"}


class Action(Protocol):
    """What a chart says of its action, as far as a verdict's words depend on it."""

    @property
    def green(self) -> str:
        """The one verdict that ends with exit code 0."""

    @property
    def triggers(self) -> tuple[str, ...]:
        """The effects that have Fivetran start what it is about."""

    def values(self, choice: str) -> tuple[str, ...]:
        """The values of a choice that it has an edge for."""

    def verdicts(self) -> Iterable[str]:
        """The verdicts that it has an end for."""

    def exit_of(self, verdict: str) -> tuple[str, int]:
        """The final state, and its exit code, that a verdict leads to."""


class End:
    """The end of a run, and what its words are made of."""

    def __init__(self, settings: Settings, facts: Facts, chart: Action) -> None:
        self.settings, self.facts, self.chart = settings, facts, chart
        self.verdict = facts.verdict or ""
        self.green = self.verdict == chart.green
        self.failure = facts.failure or {}
        self.document = facts.connection or {}
        self.policies = dict(settings.policies)
        self.running = still_running(settings, facts)
        self.resyncs = resyncs(chart.triggers)
        self.may_attach = "attach" in chart.values("on_running")

    def several(self, one: str, several: str) -> str:
        """One of two words, as the job is about one table or several."""
        return several if self.settings.tables else one

    def tables(self) -> str:
        """The tables that the job is about."""
        return some_tables(self.settings.scope)

    def status(self) -> str:
        """The HTTP status of the failure, in brackets."""
        return f" ({self.failure['status']})" if self.failure.get("status") else ""

    def lasted(self, date: str) -> str:
        """How long the sync took: by Fivetran's dates, else as the run saw it; "" where that is not known."""
        facts, ended = self.facts, documents.parse_time(self.document.get(date))
        if facts.triggered_at is not None and ended is not None and ended > facts.triggered_at:
            return duration(ended - facts.triggered_at)
        if facts.concluded_at is None or facts.asked_at is None:
            return ""
        return duration(facts.concluded_at - facts.asked_at)

    def detours(self) -> str:
        """What came between trigger and end that a plain sync has not."""
        facts, number = self.facts, self.facts.reschedules
        found = ["the connection was un-paused"] if "unpause_connection" in facts.answered else []
        found += ["stopping the sync that was running"] if facts.restarted else []
        found += ["a lost answer to its trigger"] if facts.started else []
        found += [f"being rescheduled {_TIMES.get(number, f'{number} times')}"] if number else []
        return " and ".join(filter(None, (", ".join(found[:-1]), *found[-1:])))
