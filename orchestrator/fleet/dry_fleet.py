"""`run --dry-run` of many connections: which are meant, and what a job would do with each."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from orchestrator.fivetran.client import Outcome
from orchestrator.fivetran.effects.situation import get_connection
from orchestrator.fleet.choice import names_many
from orchestrator.fleet.reader import Reader, Round
from orchestrator.fleet.result import rank
from orchestrator.fleet.selection import Nothing, asking_patiently, chosen, configure_many, naming
from orchestrator.job import dry_run as single
from orchestrator.job.configuration import ConfigurationError, Configured
from orchestrator.job.dry_run import DryRun, mask_of, only_reading
from orchestrator.job.job import bounded, connected
from orchestrator.job.limits import Limits
from orchestrator.job.listing import Ask
from orchestrator.job.masking import Mask
from orchestrator.job.streams import refuse, say
from orchestrator.machine.chart import Kind
from orchestrator.values.clock import SystemClock
from orchestrator.values.events import SIGNALS, Event
from orchestrator.values.exchange import Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

__all__ = ["dry_run"]


def dry_run(environ: Mapping[str, str], clock: SystemClock | None = None) -> int:
    """Say what a job with these variables would do, of one connection or of many.

    Args:
        environ: Its variables.
        clock: The time.

    Returns:
        0 if each would get on to what the action is for, else the exit code of what stands in the way.
    """
    clock = clock or SystemClock()
    if not names_many(environ):
        return single.dry_run(environ, clock)
    try:
        configured, selection, options = configure_many(environ, clock.wall)
    except ConfigurationError as error:
        return refuse("\n".join((*error.warnings, *error.errors)))
    settings = configured.settings
    mask = mask_of(configured, environ)

    def note(text: str) -> None:
        say(mask.line(text), error=True)

    with Limits(clock, warn=note) as limits:
        send = only_reading(bounded(connected(settings, clock, mask), clock, limits))
        ask = asking_patiently(send, settings, limits, clock, random.random, note)
        try:
            ids = chosen(selection, ask, note)
            if not selection.is_one(ids):
                for warning in configured.warnings:
                    note(warning)
                found = _documents(ids, settings, ask, Reader(selection.group, note))

                def quiet(name: str) -> _Quiet:
                    own = configured._replace(settings=replace(settings, connector_id=name))
                    return _Quiet(own, clock, limits, mask, found[name])

                of = f" of group {selection.group}" if selection.group else ""
                most = f", at most {options.parallel} at once" if configured.chart.triggers else ""
                return _tell(ids, f"{settings.action} on {len(ids):,} connections{of}", quiet, most)
        except Nothing as nothing:
            note("; ".join((nothing.headline, *nothing.reasons)))
            return refuse(mask.line("; ".join(nothing.advice))) and nothing.code
        except Failure as failure:  # a signal
            note(f"interrupted; the dry run is incomplete: {failure}")
            return configured.chart.exit_of(failure.event)[1]
    return single.dry_run(naming(environ, ids[0]), clock)


def _documents(ids: Sequence[str], settings: Settings, ask: Ask, reader: Reader) -> dict[str, Outcome]:
    """What Fivetran says of each connection now.

    Raises:
        Failure: A signal has come.
    """
    requests = {name: get_connection(replace(settings, connector_id=name), Facts()) for name in ids}
    found, turn = dict[str, Outcome](), Round(reader, requests)
    while turn.asking:
        asked = turn.asking.popleft()
        try:
            outcome: Outcome = ask(asked.request)
        except Failure as failure:
            if failure.event in SIGNALS:
                raise
            outcome = failure
        found.update(turn.take(asked, outcome))
    return found


class _Quiet(DryRun):
    """A dry run on what is known already, which collects what it would say.

    Args:
        configured: What the job would do.
        clock: The time.
        limits: Time limits and signals.
        mask: Takes the secrets out.
        outcome: What Fivetran says of the connection.
    """

    def __init__(
        self, configured: Configured, clock: SystemClock, limits: Limits, mask: Mask, outcome: Outcome
    ) -> None:
        own = get_connection(configured.settings, Facts()).path
        missing = Failure(Event.REFUSED, "a dry run of many connections does not ask")
        super().__init__(
            configured, clock, limits, mask, lambda request, *_: outcome if request.path == own else missing
        )
        self.would: list[str] = []
        self.stops = ""

    def _would(self, request: Request) -> None:
        self.would.append(request.purpose)

    def _then(self, text: str) -> None:
        """It is the same of each."""

    def _say_of(self, label: str, text: str, width: int = 5) -> None:
        del width
        if label == "would":
            self.would.append(text)
        elif label == "stops":
            self.stops = text

    def _pause(self, until: float) -> None:
        if self.run.state.kind is Kind.WAITS:
            super()._pause(until)
        else:  # that there was no usable answer has been waited for
            self.clock.skipped += max(0.0, until - self.clock.monotonic())

    def _note(self, text: str) -> None:
        """Fivetran has answered already."""


def _tell(ids: Sequence[str], about: str, told: Callable[[str], _Quiet], limits: str) -> int:
    """Print what a job would do with each, and return the exit code."""
    say(f"dry run of {about}: only GET requests are sent, nothing is changed or written\n")
    codes, width = list[int](), max(map(len, ids))
    for name in ids:
        run = told(name)
        code = run.walk()
        codes.append(code)
        service = str((run.document or {}).get("service") or "-")
        what = f"would fail now: {run.stops} (exit {code})" if code else f"would {', '.join(run.would) or 'proceed'}"
        say(run.mask.line(f"  {name:{width}}  {service:16}  {what}"))
    failing = sum(code != 0 for code in codes)
    code = min(codes, key=rank)
    well = f"{len(ids) - failing:,} of {len(ids):,} would proceed{limits}"
    bad = f"; {failing:,} would fail now" if failing else ""
    say(f"\n{well}{bad}: exit code {code}")
    return code
