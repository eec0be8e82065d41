"""HTML that cannot be forged: every text is escaped, unless it is markup already."""

from functools import cache
from html import escape
from typing import Any

from orchestrator.job.report.words import pieces, utc
from orchestrator.values.formatting import ago, duration, iso

__all__ = ["Markup", "clock", "cut", "each", "line", "offset", "row", "said", "scrolling", "section", "tag"]

LONGEST = 1000  # characters of one text from outside; result.json has it whole

_VOID = {"input", "meta", "link"}  # of HTML: in a drawing, every element is closed


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def tag(name: str, /, *content: object, **attributes: Any) -> Markup:  # noqa: ANN401  # any value of an attribute
    """An element.

    Args:
        name: Its name.
        content: Texts, which are escaped, and markup, which is not; None and "" are nothing.
        attributes: By name, `class_` and `data_x` for `class` and `data-x`; None and False leave one out,
            True is one without a value.
    """
    given = ""
    for key, value in attributes.items():
        if value is not None and value is not False:
            given += _attribute(key) if value is True else f'{_attribute(key)}="{escape(str(value))}"'
    if name in _VOID:
        return Markup(f"<{name}{given}>")
    # A page has hundreds of elements, and a fleet a thousand pages: a list is faster than a generator.
    inner = "".join([part if type(part) is Markup else escape(str(part)) for part in content if part is not None])
    return Markup(f"<{name}{given}>{inner}</{name}>")


@cache
def _attribute(key: str) -> str:
    return f" {key.rstrip('_').replace('_', '-')}"


def each(*parts: Markup | None) -> Markup:
    """Several pieces of markup, one after the other."""
    return Markup("\n".join(part for part in parts if part))


def cut(text: object, most: int = LONGEST) -> str:
    """A text of bearable length."""
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[:most]}… ({len(whole) - most:,} more characters in result.json)"


def said(text: object, most: int = LONGEST) -> Markup:
    """Words from outside, isolated so that they cannot turn the direction of what stands beside them; "" for none."""
    return tag("bdi", cut(text, most)) if text is not None and text != "" else Markup("")


def offset(seconds: float) -> str:
    """Seconds for people: tenths while they matter."""
    return f"{seconds:.1f} s" if seconds < 100 else duration(seconds)  # noqa: PLR2004


def clock(seconds: float, now: float) -> Markup:
    """A time for people, and how long before `now` it was; both in seconds since the epoch."""
    return Markup(f"{tag('time', utc(seconds), datetime=iso(seconds))} ({ago(now - seconds)})")


def line(text: object, now: float, page: str | None = None, most: int = LONGEST) -> Markup:
    """What `said` makes of it, with its times as `clock` has them, and with links to the connection's page."""
    parts = [
        tag("a", piece.text, href=piece.text, rel="noreferrer")
        if piece.link
        else piece.text
        if piece.seconds is None
        else clock(piece.seconds, now)
        for piece in pieces(cut(text, most), page)
    ]
    return tag("bdi", *parts) if text else Markup("")


def scrolling(inner: Markup, label: str, kind: str = "scroll") -> Markup:
    """What scrolls by itself where it is wider than a phone; so it can be reached by keyboard."""
    return tag("div", inner, class_=kind, role="region", aria_label=label, tabindex=0)


def section(id_: str, title: str, *content: Markup | None) -> Markup | None:
    """A part of the page with its heading, or None where it would be empty."""
    inner = each(*content)
    return tag("section", tag("h2", title, id=id_), inner, class_="card", aria_labelledby=id_) if inner else None


def row(title: str, *content: object) -> Markup:
    """A term of a description list with its description, or nothing where there is none."""
    return tag("div", tag("dt", title), tag("dd", *content)) if any(content) else Markup("")
