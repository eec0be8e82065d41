"""What was given for a connection's id and is none: an address, a name, an id in quotes."""

import re

from orchestrator.values.settings import CONNECTOR_ID

__all__ = ["id_in", "is_name", "without_secrets"]

# The connection's pages on the dashboard, and its paths in the API; `connectors` is what they were called before.
_PLACE = re.compile(rf"/(?:connections|connectors)/({CONNECTOR_ID})(?![^/?#\s\"'>)])")
_LABEL = re.compile(r"(?:(?:FIVETRAN_)?CONNECT(?:OR|ION)_ID|id)\s*[=:]", re.IGNORECASE)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")  # what a browser's copy may bring along
_QUOTES = "\"'`\u00b4\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb<>()[]{}"
_NAME = re.compile(r"[^\s./]+(?:\.[^\s./]+)+")


def id_in(text: str) -> str:
    """The id that it holds all the same, or ""."""
    clean = _INVISIBLE.sub("", text)
    if found := _PLACE.search(f"/{clean}"):
        return found[1]
    if label := _LABEL.match(clean):
        clean = clean[label.end() :]
    bare = clean.strip(f"{_QUOTES} ").rstrip(f"{_QUOTES}/.,;: ")
    return bare if re.fullmatch(CONNECTOR_ID, bare) else ""


def is_name(text: str) -> bool:
    """Whether it reads as the name of a connection that has a schema and a table: `schema.table`."""
    return bool(_NAME.fullmatch(text))


def without_secrets(text: str) -> str:
    """The text as far as it may be shown: of an address neither credentials nor what is asked of it."""
    credentials, at, place = re.split("[?#]", text, maxsplit=1)[0].rpartition("@")
    scheme, slashes, _ = credentials.partition("//")
    return f"{scheme}{slashes}{place}" if at and slashes else place
