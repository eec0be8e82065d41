"""What somebody may have meant by a name that is unknown."""

from collections.abc import Iterable

__all__ = ["did_you_mean", "near", "sentence", "unknown"]

LIKE = 0.65  # how like a name must be to be what was meant, of 1
EFFORT = 10_000_000  # pairs of characters that are compared, which takes two seconds at worst


def near(name: str, known: Iterable[str], most: int = 1, cutoff: float = LIKE) -> list[str]:
    """The known names that are most like a name, the likest first; case does not count.

    Args:
        name: The name.
        known: Those it may be a misspelling of; of very many long ones, the first.
        most: How many at most.
        cutoff: How like it must be, of 1.
    """
    from difflib import get_close_matches  # noqa: PLC0415  # only after a typing error

    folded: dict[str, str] = {}
    left = EFFORT
    for one in known:
        left -= len(name) * len(one)
        if left < 0:
            break
        folded[one.casefold()] = one
    return [folded[one] for one in get_close_matches(name.casefold(), folded, most, cutoff)]


def did_you_mean(name: str, known: Iterable[str], cutoff: float = LIKE) -> str:
    """`did you mean START?`; "" where no known name is like it."""
    return "".join(f"did you mean {one}?" for one in near(name, known, 1, cutoff))


def sentence(words: str) -> str:
    """Words as a sentence after another one: `. Did you mean START?`; "" of none."""
    return f". {words[0].upper()}{words[1:]}" if words else ""


def unknown(what: str, name: object, known: Iterable[str]) -> str:
    """`unknown target 'donne' (did you mean done?)`, as part of a sentence."""
    meant = did_you_mean(str(name), known)
    return f"unknown {what} {name!r} ({meant})" if meant else f"unknown {what} {name!r}"
