"""Times and values, for people and for documents."""

import json
from datetime import UTC, datetime

__all__ = ["clipped", "duration", "iso", "plain"]


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < 100:  # noqa: PLR2004
        return f"{whole} s"
    if whole < 6000:  # noqa: PLR2004
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def iso(seconds: float) -> str:
    """Seconds since the epoch as an ISO 8601 time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: object) -> str:
    """Any JSON in a line: a text as it is, nothing as ""."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""


def clipped(text: str, most: int) -> str:
    """At most so many characters of a text, and how many more it has; the word at the cut is not shown.

    Half a secret is no text that a mask would know, and it is still half a secret.
    """
    if len(text) <= most:
        return text
    kept = text[:most]
    if not text[most].isspace():
        kept = kept[: len(kept) - len(kept.split()[-1])] if kept and not kept[-1].isspace() else kept
    kept = kept.rstrip()
    return f"{kept}{' ' if kept else ''}… ({len(text) - len(kept):,} more characters)"
