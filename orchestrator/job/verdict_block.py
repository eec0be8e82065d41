"""The verdict as one block at the end of the log.

Its first two lines answer what is asked at three in the morning: did it sync, if not why, is something
still running, and what to do now.
"""

from collections.abc import Iterator
from itertools import chain

from orchestrator.fivetran.verdicts import Explanation
from orchestrator.values.formatting import clipped

__all__ = ["first_line", "other_lines"]

LONGEST_REASON = 160  # characters of the reason that stands in the first line
WIDTH = 10  # of a label


def first_line(told: Explanation, code: int) -> str:
    """What happened, why, and what is still running: all but the outcome.

    Args:
        told: The verdict in words.
        code: The exit code.
    """
    reason = clipped(next(iter(causes(told)), ""), LONGEST_REASON, whole_words=True)
    return f"{'; '.join(filter(None, (': '.join(filter(None, (told.headline, reason))), told.running)))} (exit {code})"


def causes(told: Explanation) -> tuple[str, ...]:
    """The reasons that what to do does not name already."""
    return tuple(reason for reason in told.reasons if reason not in told.advice)


def other_lines(told: Explanation, report: str, page: str) -> list[str]:
    """What to do now, further reasons, the schedule, and where to read more; each line under its label.

    Args:
        told: The verdict in words.
        report: Where the report is, or "".
        page: The connection's page at Fivetran, or "".
    """
    reasons = causes(told)
    said = reasons and len(reasons[0]) <= LONGEST_REASON
    warning = "WARNING: " if told.schedule_left else ""
    return [
        *_labelled("now", told.advice),
        *_labelled("why", reasons[1 if said else 0 :]),
        *_labelled("schedule", (f"{warning}{told.schedule}" for _ in range(bool(told.schedule)))),
        *_labelled("report", (report,) if report else ()),
        *_labelled("Fivetran", (page,) if page else ()),
    ]


def _labelled(label: str, lines: Iterator[str] | tuple[str, ...]) -> Iterator[str]:
    for name, line in zip(chain([label], iter(lambda: "", None)), lines, strict=False):
        yield f"{name:{WIDTH}}{line}"
