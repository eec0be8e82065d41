"""Answers from outside, before any other code sees them: parsed, bounded, and without secrets.

A document goes into log, journal, state file and report, several times each: what is too long
is cut here, where it enters. It is masked before it is cut: the mask would not recognize half
a secret.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from itertools import islice
from typing import Any

from orchestrator.values.formatting import STARS, clipped

__all__ = [
    "LONGEST_CODE",
    "LONGEST_LIST",
    "MOST_VALUES",
    "bounded",
    "dense",
    "excerpt",
    "may_hold_cards",
    "parse",
    "scrubbed",
    "shallow",
    "words",
]

LONGEST_WORDS = 2_000  # characters of a message
LONGEST_CODE = 200  # characters of a code, a request id, a header that is quoted
LONGEST_EXCERPT = 200  # characters of a body that is not Fivetran's
LONGEST_TEXT = 10_000  # characters of a text in a document
LONGEST_NAME = 1_000  # characters of a member's name
LONGEST_LIST = 1_000  # entries of a list in a document
MOST_MEMBERS = 10_000  # of an object in a document; the tables of a schema are members
LONGEST_NUMBER = 1_024  # bits
DEEPEST = 64  # levels of a document; Fivetran's have some ten
MOST_VALUES = 200_000  # in one body; a page of a thousand connections has some 60,000
LOOKED_AT = 8_000  # characters of a body that an excerpt is made of

Mask = Callable[[str], str]
_NESTED = frozenset({dict, list})  # the types of what is parsed that hold others

_CARD = "connect_card"
_TOKENS = ("token", "uri")  # of the Connect Card: their holder can set the connection up
# What is not shown of an answer in an unknown form: it may hold secrets under these names. Compiled only for such an
# answer: the job's start has no use for them.
_HIDDEN_NAME = (
    r"(?i)connect_card.*|config|auth.*|.*tokens?|uri|.*password|passwd|.*secret.*|.*credentials?|.*private_key"
    r"|.*api_?key.*"
)
_HIDDEN_MEMBER = (
    r"""(?is)([\w-]*(?:connect_card|config|auth|token|uri|password|passwd|secret|credential|private_key|api_?key)[\w-]*)"""
    r"""["'\\]*\s*(?:[=:>]).*"""
)


def dense(content: bytes) -> bool:
    """Whether a body has too many values: as Python has them, each takes many times its bytes."""
    return content.count(b",") + content.count(b"[") + content.count(b"{") > MOST_VALUES


def parse(content: bytes) -> Any:  # noqa: ANN401  # any JSON
    """The JSON in a body; None where it is not JSON in UTF-8: other code looks for names in the bytes."""
    try:
        return json.loads(content.decode("utf-8-sig"), parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None


def shallow(value: Any, content: bytes) -> Any:  # noqa: ANN401  # any JSON
    """The value without what is nested too deeply, so that later code need not check.

    Args:
        value: Any JSON.
        content: The body that it stands in.
    """
    if content.count(b"[") + content.count(b"{") <= DEEPEST:  # only with more of them can it be
        return value
    return _cut(value, DEEPEST)


def _finite(text: str) -> float | None:
    """A number; None for one that JSON cannot represent."""
    number = float(text)
    return number if math.isfinite(number) else None


def _cut(value: Any, depth: int) -> Any:  # noqa: ANN401  # any JSON
    """The value without what is nested deeper than that, so that later code need not check."""
    if type(value) not in _NESTED:
        return value
    if depth == 0:
        return "(nested too deeply)"
    # Most members are none of these: a call for each would take longer than all else.
    if isinstance(value, dict):
        return {
            name: _cut(content, depth - 1) if type(content) in _NESTED else content for name, content in value.items()
        }
    return [_cut(content, depth - 1) if type(content) in _NESTED else content for content in value]


def may_hold_cards(content: bytes) -> bool:
    """Whether a body may hold a Connect Card: the name is there, or may be behind an escape."""
    return _CARD.encode() in content or b"\\u" in content


def scrubbed(value: Any, hide: Callable[[str], None]) -> Any:  # noqa: ANN401  # any JSON
    """The value without the tokens of Connect Cards, wherever in it they are.

    Args:
        value: Any JSON.
        hide: Called with each of them.
    """
    if isinstance(value, list):
        return [scrubbed(content, hide) for content in value]
    if not isinstance(value, dict):
        return value
    return {name: _card(content, hide) if name == _CARD else scrubbed(content, hide) for name, content in value.items()}


def _card(card: Any, hide: Callable[[str], None]) -> Any:  # noqa: ANN401  # any JSON
    if not isinstance(card, dict):
        if isinstance(card, str):
            hide(card)
        return None if card is None else STARS
    for name in _TOKENS:
        if isinstance(card.get(name), str):
            hide(card[name])
    return {name: STARS if name in _TOKENS else scrubbed(content, hide) for name, content in card.items()}


def bounded(value: Any, mask: Mask) -> tuple[Any, bool]:  # noqa: ANN401  # any JSON
    """The value with overlong texts, lists and objects cut, and whether anything was cut.

    Args:
        value: Any JSON.
        mask: Removes secrets from a text before it is cut.
    """
    was_cut = False

    def text(value: str, most: int) -> str:
        nonlocal was_cut
        was_cut = True
        return clipped(mask(value), most)

    def cut(value: Any) -> Any:  # noqa: ANN401  # any JSON
        nonlocal was_cut
        if isinstance(value, str):
            return value if len(value) <= LONGEST_TEXT else text(value, LONGEST_TEXT)
        if isinstance(value, dict):
            was_cut = was_cut or len(value) > MOST_MEMBERS
            return {
                name if len(name) <= LONGEST_NAME else text(name, LONGEST_NAME): content
                if content is None or (type(content) is str and len(content) <= LONGEST_TEXT)  # most are so
                else cut(content)
                for name, content in islice(value.items(), MOST_MEMBERS)
            }
        if isinstance(value, list):
            was_cut = was_cut or len(value) > LONGEST_LIST
            return [cut(content) for content in value[:LONGEST_LIST]]
        if isinstance(value, int) and value.bit_length() > LONGEST_NUMBER:
            was_cut = True
            return None
        return value

    return cut(value), was_cut


def words(value: Any, mask: Mask, most: int = LONGEST_WORDS) -> str:  # noqa: ANN401  # any JSON
    """Words from outside, masked and cut to a readable length; "" for none.

    Args:
        value: Usually a string. Of anything else, members whose names suggest secrets are left out.
        mask: Removes secrets.
        most: How many characters.
    """
    if value is None or value == "":
        return ""
    text = value if isinstance(value, str) else _shown(value)
    return clipped(mask(text), most)


def excerpt(content: bytes, value: Any, kind: str | None, mask: Mask) -> str:  # noqa: ANN401  # any JSON
    """The beginning of a body that is not Fivetran's, on one line, without members whose names suggest secrets.

    Args:
        content: The body.
        value: The JSON that it holds, scrubbed; None where it holds none.
        kind: Its content type, or None.
        mask: Removes secrets.
    """
    text = content[: 4 * LOOKED_AT].decode("utf-8", "replace") if value is None else _shown(value)
    line = " ".join(mask(clipped(text, LOOKED_AT, whole_words=True)).split())
    line = re.sub(_HIDDEN_MEMBER, r"\1 …", line[: 2 * LONGEST_EXCERPT])
    return f"{line[:LONGEST_EXCERPT]!r} ({words(kind, mask, LONGEST_CODE) or 'no content type'})"


def _shown(value: Any) -> str:  # noqa: ANN401  # any JSON
    """JSON as text, with stars for members whose names suggest secrets."""
    return json.dumps(_veiled(value), ensure_ascii=False)


def _veiled(value: Any) -> Any:  # noqa: ANN401  # any JSON
    if isinstance(value, Mapping):
        return {
            name: STARS if re.fullmatch(_HIDDEN_NAME, name) and content is not None else _veiled(content)
            for name, content in value.items()
        }
    return [_veiled(content) for content in value] if isinstance(value, list) else value
