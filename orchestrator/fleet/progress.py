"""How many connections stand while they sync: what the log and the live table are made from."""

from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.values.formatting import duration

__all__ = ["QUEUED", "Progress", "Row", "counts_line", "rounded"]

QUEUED = "queued"  # what a connection does before its turn
MINUTE, LONG = 60, 600  # seconds; the second, above which single ones do not matter


class Row(NamedTuple):
    """One connection, now.

    Attributes:
        connector_id: Its id.
        service: Its service; "" while that is not known.
        doing: What goes on, in words ("syncing"); "queued" before its turn; "" at its end.
        since: Since when, in seconds since the job began.
        syncing: A sync of it was seen running at the last look.
        outcome: How it ended, as its result has it ("OK", "FAILED"); "" while it has not.
        headline: That in words; "" while it has not.
        exit_code: Its exit code; None while it has none.
    """

    connector_id: str
    service: str = ""
    doing: str = ""
    since: float = 0.0
    syncing: bool = False
    outcome: str = ""
    headline: str = ""
    exit_code: int | None = None


class Progress(NamedTuple):
    """All of them.

    Attributes:
        rows: In the order in which they were named.
        now: Seconds since the job began.
        deadline: When its time runs out, likewise.
    """

    rows: Sequence[Row]
    now: float
    deadline: float


def counts_line(progress: Progress) -> str:
    """How many are done, failed, syncing and queued, and how much time is left, in a line.

    `312 of 500 done, 2 failed, 180 syncing, 6 queued; 22 min left`; what is neither yet is waiting.
    """
    done = [row for row in progress.rows if row.outcome]
    going = [row for row in progress.rows if not row.outcome]
    syncing = sum(row.syncing for row in going)
    queued = sum(row.doing == QUEUED for row in going)
    failed = sum(row.exit_code not in {0, None} for row in done)
    unbegun, waiting = sum(row.exit_code is None for row in done), len(going) - syncing - queued
    counts = (
        (failed, f"{failed:,} failed"),
        (unbegun, f"{unbegun:,} not started"),
        (syncing, f"{syncing:,} syncing"),
        (waiting, f"{waiting:,} waiting"),
        (queued, f"{queued:,} queued"),
    )
    parts = [text for number, text in counts if number]
    left = f"; {rounded(progress.deadline - progress.now)} left" if going else ""
    return f"{', '.join((f'{len(done):,} of {len(progress.rows):,} done', *parts))}{left}"


def rounded(seconds: float) -> str:
    """A duration as `duration` has it, from ten minutes on without seconds."""
    return duration(seconds // MINUTE * MINUTE if seconds >= LONG else seconds)
