import pytest

from orchestrator.values.formatting import ago, clipped, duration, few


@pytest.mark.parametrize(
    ("text", "most", "whole", "expected"),
    [
        ("", 5, False, ""),
        ("12345", 5, False, "12345"),
        ("123456", 5, False, "12345… (1 more characters)"),
        ("1 3 5 7", 4, False, "1 3… (4 more characters)"),
        ("12345", 5, True, "12345"),
        ("one two", 3, True, "one… (4 more characters)"),
        ("one two", 4, True, "one… (4 more characters)"),
        ("one two", 6, True, "one… (4 more characters)"),
        ("one\ttwo", 6, True, "one… (4 more characters)"),
        ("onetwo", 5, True, "… (6 more characters)"),
        ("x" * 3_000, 2_000, False, "x" * 2_000 + "… (1,000 more characters)"),
    ],
)
def test_clipped(text: str, most: int, whole: bool, expected: str) -> None:  # noqa: FBT001
    """A text that is too long is cut and says by how much, at the end of a word where half of one must not be shown."""
    assert expected == clipped(text, most, whole_words=whole)


def test_few_lines_are_kept() -> None:
    """Few and short lines stay as they are."""
    assert few(["one", "two"], 2) == ("one", "two")


def test_many_lines_are_counted() -> None:
    """Of too many lines the first ones stay, each cut where it is too long, and the last one counts the others."""
    assert few([f"word {'x' * 3_000}", "two", "three", "four"], 2) == (
        "word… (3,001 more characters)",
        "two",
        "… and 2 more",
    )


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (-1, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (90, "1 min 30 s"),
        (300, "5 min"),
        (3_599, "59 min 59 s"),
        (3_601, "1 h"),
        (12_000, "3 h 20 min"),
        (86_400, "1 d"),
        (187_300, "2 d 4 h"),
    ],
)
def test_duration(seconds: float, expected: str) -> None:
    """A duration has two units at most, and none that is nothing."""
    assert expected == duration(seconds)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "just now"),
        (45, "45 s ago"),
        (90, "1 min ago"),
        (6.7 * 3_600, "6 h ago"),
        (90_000, "1 d ago"),
        (-3_700, "in 1 h"),
        (-0.2, "just now"),
    ],
)
def test_ago(seconds: float, expected: str) -> None:
    """How long ago something was is given in its largest unit alone."""
    assert expected == ago(seconds)
