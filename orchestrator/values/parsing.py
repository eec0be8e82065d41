"""Parses text from outside: JSON, TOML and durations.

JSON and TOML that are parsed can be written again, and are not nested too deeply to work on.
"""

import math
import re
from collections.abc import Callable
from typing import Any

__all__ = ["parse_duration", "parse_json", "parse_toml"]

DEEPEST = 100  # levels of a document; what works on it recurses
_TOO_DEEP = f"it is nested deeper than {DEEPEST} levels"
MOST_DOTS = 1_000  # in a line of TOML: reading a key takes time with the square of its parts
_UNITS = (
    (r"d|days?", 86_400.0),
    (r"h|hrs?|hours?", 3_600.0),
    (r"m|mins?|minutes?", 60.0),
    (r"s|secs?|seconds?", 1.0),
)
# One blank at most between two words: any number of them is one before this is asked.
_DURATION = "".join(rf"(?:(\d+(?:\.\d+)?) ?(?:{unit})(?: |$|(?=\d)))?" for unit, _ in _UNITS)


def parse_duration(text: str) -> float:
    """Seconds, from a number of them (`300`, `2.5`) or from units: `90s`, `5m`, `1h30m`, `1d`, `1 h 30 min`.

    Raises:
        ValueError: It is neither.
    """
    words = " ".join(text.lower().split())
    try:  # most are plain numbers: no pattern has to be compiled for them
        return float(words)
    except ValueError:
        found = re.fullmatch(_DURATION, words, re.ASCII) if words else None
        if not found:
            raise
    return sum(float(number) * seconds for number, (_, seconds) in zip(found.groups("0"), _UNITS, strict=True))


def parse_json(text: str | bytes) -> Any:  # noqa: ANN401  # any JSON
    """A JSON value that JSON can represent: no NaN, and nothing infinite.

    Raises:
        ValueError: It is not JSON, or nested too deeply.
    """
    import json  # noqa: PLC0415  # only where JSON is read

    return _shallow(lambda text: json.loads(text, parse_float=_finite, parse_constant=_finite), text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:80]} is not a finite number")
    return number


def parse_toml(text: str) -> dict[str, Any]:
    """A TOML document.

    Raises:
        ValueError: It is not TOML, or nested too deeply.
    """
    import tomllib  # noqa: PLC0415  # only where TOML is read

    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > MOST_DOTS:
            raise ValueError(f"{_TOO_DEEP}: line {number} has more than {MOST_DOTS:,} dots")
    document: dict[str, Any] = _shallow(tomllib.loads, text)
    return document


def _shallow(parse: Callable[[Any], Any], text: str | bytes) -> Any:  # noqa: ANN401  # any JSON or TOML
    """The parsed text, unless later code could run out of stack on it.

    Raises:
        ValueError: It would, or the text cannot be parsed.
    """
    try:
        value = parse(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    except ValueError as error:
        if "int_max_str_digits" in str(error):  # Python's words are for programmers
            raise ValueError("it has a number of thousands of digits") from None
        raise
    level = [value]
    for _ in range(DEEPEST):  # a level at a time, since recursion is what it guards against
        groups = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [inner for group in groups for inner in group]
        if not level:
            return value
    if any(isinstance(one, dict | list) for one in level):
        raise ValueError(_TOO_DEEP)
    return value
