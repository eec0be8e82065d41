"""Times and values, for people and for documents."""

import json
from datetime import UTC, datetime

__all__ = ["duration", "iso", "plain"]

EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0  # the years 1 and 9999: what a date can say


def duration(seconds: float) -> str:
    """Seconds for people: `45 s`, `2 min 05 s`, `3 h 20 min`."""
    whole = max(0, round(seconds))
    if whole < 100:  # noqa: PLR2004
        return f"{whole} s"
    if whole < 6000:  # noqa: PLR2004
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"


def iso(seconds: float) -> str:
    """Seconds since the epoch as an ISO 8601 time in UTC; of what no year can say, the first or the last moment."""
    moment = datetime.fromtimestamp(min(max(EARLIEST, seconds), LATEST), UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def plain(value: object) -> str:
    """Any JSON in a line: a text as it is, nothing as ""."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False) if value else ""
