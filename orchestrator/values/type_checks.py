"""Checks JSON from outside (state files, journals) against the types that the program itself writes.

What is checked follows from the annotations of what the JSON is to become, so a new member of a
dataclass or named tuple is checked without another line here. Numbers are dates, durations and counts: finite,
and 0 or more.
"""

from collections.abc import Mapping
from inspect import Parameter, signature
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

__all__ = ["MOST", "built", "check", "check_members", "types_of"]

MOST = 2.0**63  # no date, duration or count is larger
LONGEST = 80  # characters of a value in a message

T = TypeVar("T")

_types: dict[type, Mapping[str, Any]] = {}  # found out once a class


def check(name: str, value: object, kind: Any) -> None:  # noqa: ANN401  # any annotation
    """Check that a value has a type.

    Args:
        name: What the value is called in the message.
        value: What was read; of a list, a tuple.
        kind: An annotation: str, bool, int, float, None, Any, Literal[...], a Mapping, a tuple of many, a union.

    Raises:
        ValueError: It is not.
    """
    if not _fits(value, kind):
        raise ValueError(f"{name}: {_shown(value)} is not {_words(kind)}")


def check_members(name: str, document: object, kinds: Mapping[str, Any]) -> None:
    """Check that a document is an object with each of these members, of its type; others are ignored.

    Args:
        name: What the object is called in a message; "" where its members speak for themselves.
        document: What was read.
        kinds: Annotation by member.

    Raises:
        ValueError: It is not.
    """
    if not isinstance(document, Mapping):
        raise ValueError(f"{name or 'it'}: {_shown(document)} is not an object")  # noqa: TRY004  # one kind for all
    prefix = f"{name}." if name else ""
    for member, kind in kinds.items():
        if member not in document:
            raise ValueError(f"{prefix}{member} is missing")
        check(f"{prefix}{member}", document[member], kind)


def built(kind: type[T], name: str, document: object, **known: object) -> T:
    """An instance of a class from a JSON object with the arguments of its constructor.

    Args:
        kind: The class: a dataclass, say.
        name: What the object is called in a message.
        document: The object.
        known: Members that are not to come from it.

    Raises:
        ValueError: A member is missing, unknown, or not of its type.
    """
    if not isinstance(document, Mapping):
        raise ValueError(f"{name}: {_shown(document)} is not an object")  # noqa: TRY004  # likewise
    kinds = types_of(kind)
    for member, value in document.items():
        if member not in kinds or member in known:
            raise ValueError(f"{name}.{_cut(member)} is unknown")
        check(f"{name}.{member}", value, kinds[member])
    given = {**document, **known}
    for parameter in signature(kind).parameters.values():
        if parameter.name not in given and parameter.default is Parameter.empty:
            raise ValueError(f"{name}.{parameter.name} is missing")
    return kind(**given)


def types_of(kind: type) -> Mapping[str, Any]:
    """The annotations of a class's arguments, by name."""
    if kind not in _types:
        # Of the very class, no subclass's; a named tuple gets its arguments in `__new__`.
        hints = get_type_hints(kind.__new__ if issubclass(kind, tuple) else kind.__init__)
        _types[kind] = {name: hint for name, hint in hints.items() if name != "return"}
    return _types[kind]


def _fits(value: object, kind: Any) -> bool:  # noqa: ANN401  # any annotation
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin is Any:
        return True
    if origin in {Union, UnionType}:
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in inner)
    if origin in {int, float}:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return (whole or (origin is float and isinstance(value, float))) and 0 <= value <= MOST  # type: ignore[operator]
    if origin is tuple:
        return isinstance(value, tuple) and all(_fits(one, inner[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(_fits(one, inner[1]) for one in value.values())
    return isinstance(value, NoneType if kind is None else origin)


_WORDS: dict[Any, str] = {
    str: "a string",
    bool: "true or false",
    int: "a non-negative whole number",
    float: "a non-negative number",
    tuple: "a list of the expected type",
    list: "a list of the expected type",
    Mapping: "an object of the expected type",
    NoneType: "null",
}


def _words(kind: Any) -> str:  # noqa: ANN401  # any annotation
    origin, inner = get_origin(kind) or kind, get_args(kind)
    if origin in {Union, UnionType}:
        return " or ".join(_words(one) for one in inner)
    if origin is Literal:
        return " or ".join(repr(one) for one in inner)
    return _WORDS.get(origin, getattr(origin, "__name__", str(origin)))


def _shown(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return "an object" if isinstance(value, Mapping) else "a list"
    return _cut(repr(value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
