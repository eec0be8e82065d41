"""The verdict as one block at the end of the log.

Its first two lines answer what is asked at three in the morning: did it sync, if not why, is something
still running, and what to do now.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from orchestrator.job.result import Document, causes
from orchestrator.values.formatting import clipped

__all__ = ["first_line", "labelled", "other_lines"]

LONGEST_REASON = 160  # characters of the reason that stands in the first line
WIDTH = 10  # of a label


def first_line(document: Document) -> str:
    """What happened, why, and what is still running, of a result: all but the outcome."""
    reason = clipped(next(iter(causes(document)), ""), LONGEST_REASON, whole_words=True)
    happened = ": ".join(filter(None, (document["headline"], reason)))
    return f"{'; '.join(filter(None, (happened, document['running'])))} (exit {document['exit_code']})"


def other_lines(document: Document, report: str) -> list[str]:
    """What to do now, further reasons, the schedule, and where to read more; each line under its label.

    Args:
        document: The result.
        report: Where the report is, or "".
    """
    reasons, schedule = causes(document), document["schedule"]
    said = reasons and len(reasons[0]) <= LONGEST_REASON
    warning = "WARNING: " if document["schedule_left"] else ""
    return [
        *labelled("now", document["advice"]),
        *labelled("why", reasons[1 if said else 0 :]),
        *labelled("schedule", [f"{warning}{schedule}"] if schedule else []),
        *labelled("report", [report] if report else []),
        *labelled("Fivetran", [document["page"]] if document["page"] else []),
    ]


def labelled(label: str, lines: Iterable[str]) -> Iterator[str]:
    """Lines, the first of them under a label."""
    for name, line in zip(chain([label], iter(lambda: "", None)), lines, strict=False):
        yield f"{name:{WIDTH}}{line}"
