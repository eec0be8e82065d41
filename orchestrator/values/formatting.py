"""Times and values, for people and for documents."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

__all__ = [
    "STARS",
    "ago",
    "clipped",
    "duration",
    "either",
    "few",
    "iso",
    "listed",
    "plain",
    "printable",
    "some_tables",
    "table_names",
]

STARS = "***"  # in place of a secret
LONGEST_LINE = 2_000  # characters of a line with words from outside
MOST_TABLES = 5  # that a sentence names
MOST_LINES = 50  # of which there may be any number from outside

MINUTE, HOUR, DAY = 60, 3_600, 86_400  # seconds

EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 and 9999: what a date can say


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `1 min 30 s`, `5 min`, `3 h 20 min`, `2 d 4 h`."""
    whole = max(0, round(seconds))
    for unit, name, smaller, its_name in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name} {rest} {its_name}" if rest else f"{whole // unit} {name}"
    return f"{whole} s"


def ago(seconds: float) -> str:
    """How long ago that was, as people say it: `just now`, `45 s ago`, `6 h ago`, `1 d ago`; or `in 6 h`."""
    words = duration(abs(seconds))
    largest = " ".join(words.split()[:2])
    if largest == "0 s":
        return "just now"
    return f"{largest} ago" if seconds > 0 else f"in {largest}"


def iso(seconds: float) -> str:
    """Seconds since the epoch as an ISO 8601 time in UTC; of what no year can say, the first or the last moment."""
    moment = datetime.fromtimestamp(min(max(EARLIEST, seconds), LATEST), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def listed(names: Sequence[str], most: int) -> str:
    """At most that many names, joined by commas; the end says how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def table_names(scope: Mapping[str, Sequence[str]]) -> list[str]:
    """Each table of the schemas, as `schema.table`."""
    return [f"{schema}.{table}" for schema, tables in scope.items() for table in tables]


def some_tables(scope: Mapping[str, Sequence[str]]) -> str:
    """The tables of the schemas, as many as a sentence holds; the end says how many more there are."""
    return listed(table_names(scope), MOST_TABLES)


def either(words: Iterable[str]) -> str:
    """Words, the last one after "or"."""
    *rest, last = words
    return f"{', '.join(rest)} or {last}" if rest else last


def plain(value: object) -> str:
    """Any JSON in a line: a text as it is, nothing as ""."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""


def printable(text: str, most: int = LONGEST_LINE) -> str:
    """At most that many characters of a text on one line: a line end or a control character as Python writes it."""
    return clipped("".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text), most)


def clipped(text: str, most: int, *, whole_words: bool = False) -> str:
    """At most that many characters of a text, and how many more it has.

    Args:
        text: The text.
        most: How many characters.
        whole_words: The word at the cut is not shown. For a text that is masked later: half a secret
            would not be recognized by a mask, and it is still half a secret.
    """
    if len(text) <= most:
        return text
    kept = text[:most]
    if whole_words and not text[most].isspace() and not kept[-1:].isspace():
        kept = "".join(kept.rsplit(None, 1)[:-1])
    kept = kept.rstrip()
    return f"{kept}… ({len(text) - len(kept):,} more characters)"


def few(lines: Iterable[str], most: int = MOST_LINES) -> tuple[str, ...]:
    """Lines with words from outside, limited in length and number; the last says how many more there are."""
    cut = [clipped(line, LONGEST_LINE, whole_words=True) for line in lines]
    more = len(cut) - most
    return (*cut[:most], *([f"… and {more:,} more"] if more > 0 else []))
