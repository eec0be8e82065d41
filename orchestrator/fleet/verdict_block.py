"""The verdict on many connections as one block at the end of the log.

Its first line says how many are well and what is running; then each that needs attention has its reason and what to
do, the most urgent first. Those that are green are only counted.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.fleet.result import NOT_STARTED, is_green
from orchestrator.job.result import Document, causes
from orchestrator.job.verdict_block import labelled
from orchestrator.values.formatting import clipped, listed

__all__ = ["MOST_ROWS", "Row", "attention", "counted", "first_line", "groups", "happened", "other_lines"]

MOST_ROWS = 20  # connections that a table in the log has
LONGEST = 160  # characters of a line
LONGEST_ID = 40  # characters of an id
MOST_NAMED = 5  # connections that a line names
FEW = 4  # so many connections to which the same happened have one row
_TIME = re.compile(r"\b(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|\d+ (?:s|min|h|d)(?: \d+ (?:s|min|h))?\b)")


class Row(NamedTuple):
    """A connection that needs attention, or several to which the same happened.

    Attributes:
        names: Their ids.
        outcome: How they ended, in a word or two.
        happened: What happened, and why; of several, ID stands for the id of each, and … for times that differ.
        advice: What to do first, likewise.
    """

    names: tuple[str, ...]
    outcome: str
    happened: str
    advice: str

    @property
    def name(self) -> str:
        """The id, cut where it is very long, or how many there are."""
        if len(self.names) > 1:
            return f"{len(self.names):,} connections"
        (name,) = self.names
        return name if len(name) <= LONGEST_ID else f"{name[: LONGEST_ID - 1]}…"


def first_line(document: Document) -> str:
    """What happened, how often each, and what is still running: all but the outcome."""
    kinds = {name: number for name, number in document["counts"].items() if name != "OK"}
    several = f" ({counted(kinds)})" if len(kinds) > 1 else ""
    text = f"{document['headline']}{several}"
    return f"{'; '.join(filter(None, (text, document['running'])))} (exit {document['exit_code']})"


def other_lines(document: Document, report: str) -> list[str]:
    """What to do now, each connection that needs attention, the schedules, and where to read more.

    Args:
        document: The fleet's result.
        report: Where the report is, or "".
    """
    bad, left = attention(document), document["schedules_left"]
    good = document["total"] - len(bad)
    return [
        *labelled("now", [clipped(line, 3 * LONGEST) for line in document["advice"]]),
        *_table(bad, document["advice"], report),
        *labelled("OK", [f"{good:,} connection{'' if good == 1 else 's'}"] if good and bad else []),
        *labelled("schedule", [_left(left)] if left else []),
        *labelled("report", [report] if report else []),
    ]


def attention(document: Mapping[str, Any]) -> list[Document]:
    """The connections that are not green, the most urgent first."""
    return [one for one in document["connections"] if not is_green(one)]


def counted(counts: Mapping[str, int]) -> str:
    """How many ended how: `3 FAILED, 1 TIMED OUT`."""
    return ", ".join(f"{number:,} {name}" for name, number in counts.items())


def happened(document: Mapping[str, Any], most: int = LONGEST) -> str:
    """What happened to a connection, and why, in a line."""
    why = next(iter(causes(document)), "")
    running = document["running"] if document["still_running"] else ""
    text = ": ".join(filter(None, (document["headline"], why)))
    return clipped("; ".join(filter(None, (text, running))), most, whole_words=True)


def _table(bad: Sequence[Document], said: Sequence[str], report: str) -> Iterator[str]:
    """What happened and what to do, of each connection or of several that are alike."""
    rows = groups(bad)
    shown, more = rows[:MOST_ROWS], sum(len(row.names) for row in rows[MOST_ROWS:])
    width = max((len(row.name) for row in shown), default=0)
    for row in shown:
        yield f"{row.name:{width}}  {row.outcome}: {row.happened}"
        if len(row.names) > 1:
            yield f"{'':{width}}  {listed(row.names, MOST_NAMED)}"
        if row.outcome != NOT_STARTED and row.advice and row.advice not in said:
            yield f"{'':{width}}  now: {clipped(row.advice, LONGEST, whole_words=True)}"
    if more > 0:
        yield f"and {more:,} more{': see the report' if report else ''}"


def groups(bad: Iterable[Mapping[str, Any]], most: int = LONGEST) -> list[Row]:
    """A row for each connection, in their order; of several to which the same happened one row.

    Args:
        bad: The connections.
        most: Characters of what happened.
    """
    alike: dict[tuple[str, ...], list[Row]] = {}
    for one in bad:
        row = Row((one["connector_id"],), one["outcome"], happened(one, most), next(iter(one["advice"]), ""))
        key = (row.outcome, *map(_without_times, _without_name(row)))
        alike.setdefault(key, []).append(row)
    found = []
    for (outcome, *common), rows in alike.items():
        if len(rows) < FEW:
            found += rows
            continue
        texts = zip(common, zip(*map(_without_name, rows), strict=True), strict=True)
        what, advice = (said[0] if len({*said}) == 1 else without for without, said in texts)
        found.append(Row(tuple(row.names[0] for row in rows), outcome, what, advice))
    return found


def _without_name(row: Row) -> tuple[str, str]:
    """What happened to a connection and what to do, with ID for its id."""
    name = re.compile(rf"(?<![\w-]){re.escape(row.names[0])}(?![\w-])")
    return name.sub("ID", row.happened), name.sub("ID", row.advice)


def _without_times(text: str) -> str:
    """A text with … for times and durations; how long something took is left out."""
    return _TIME.sub("…", text).replace(" after …", "")


def _left(names: Sequence[str]) -> str:
    """That schedules were left manual, all in a line."""
    one = len(names) == 1
    return (
        f"WARNING: {len(names):,} {'schedule was' if one else 'schedules were'} left manual, and "
        f"{'its' if one else 'their'} connection{'' if one else 's'} will not sync until a job starts a sync "
        f"({listed(names, MOST_NAMED)}); FIVETRAN_RESTORE_SCHEDULE=auto in the next job sets "
        f"{'it' if one else 'them'} to auto"
    )
