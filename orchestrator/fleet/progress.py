"""How many connections stand while they sync: what the log and the live table are made from."""

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Progress", "Row"]


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
