import pytest

from orchestrator.values.formatting import clipped, few


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
