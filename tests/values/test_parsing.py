"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.values.formatting import duration
from orchestrator.values.parsing import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300", 300),
        ("2.5", 2.5),
        ("1e3", 1000),
        ("90s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("1H30M", 5400),
        ("1.5h", 5400),
        ("5 min", 300),
        ("55 minutes", 3300),
        ("3 hours  30 minutes", 12600),
        ("1d", 86400),
        ("36h", 129600),
        ("1d1s", 86401),
        (" 10 sec ", 10),
    ],
)
def test_duration_is_read(text: str, seconds: float) -> None:
    """A duration is seconds, or numbers with units from the largest to the smallest; case and blanks do not matter."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "m",
        "5x",
        "1h30",
        "30m1h",
        "5m5m",
        "5 5m",
        "10 0",
        "-5m",
        "5,5m",
        "1hm",
        "5m;",
        "5 minutess",
        "1" * 9 + "q",
    ],
)
def test_no_duration(text: str) -> None:
    """What could be meant in two ways, or in none, is refused."""
    with pytest.raises(ValueError, match="could not convert"):
        parse_duration(text)


@given(st.integers(0, 30 * 86_400))
def test_what_the_log_says_can_be_given(seconds: int) -> None:
    """A duration as the log writes it is one that a variable takes."""
    said = duration(seconds)

    assert duration(parse_duration(said)) == said


@pytest.mark.parametrize("text", ["1 " * 200_000, "9" * 100_000 + "x", "1h " * 100_000, "1" + " " * 100_000 + "x"])
def test_long_text_is_refused_at_once(text: str) -> None:
    """A hostile value takes no more time than it takes to read it."""
    with pytest.raises(ValueError, match="could not convert"):
        parse_duration(text)
