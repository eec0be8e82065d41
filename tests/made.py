"""Steps and journals made by hand, for tests of what consumes them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestrator.job.journal import JournalWriter
from orchestrator.job.masking import Mask
from orchestrator.machine.chart import Kind
from orchestrator.machine.run import Run, drive
from orchestrator.machine.standing import Standing
from orchestrator.machine.step import Step
from orchestrator.values.exchange import Answer, Request
from orchestrator.values.facts import Facts

__all__ = ["journaled", "step"]

ASKED = Request("GET", "/x", "look")


def step(source: str, event: str, target: str, at: float = 0.0, code: str = "") -> Step:
    """A step between two states of no chart; with a code, it asked and was answered so."""
    standing = Standing(source, Facts(), 300.0)
    asked = {"request": ASKED, "answer": Answer(code=code)} if code else {}
    return Step(standing, event, standing._replace(state=target), Kind.DOES, "", "", at, at, **asked)  # type: ignore[arg-type]


def journaled(
    run: Run,
    file: Path,
    pause: Callable[[float], None],
    *,
    snapshot: Mapping[str, Any] | None = None,
    until: Callable[[Step], bool] = lambda _: False,
) -> None:
    """Run to the end, or to a step, and write the journal of it."""
    journal = JournalWriter(file, run.chart, run.settings, Mask(), snapshot)
    for taken in drive(run, pause):
        journal.add(taken)
        if until(taken):
            return
