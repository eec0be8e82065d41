"""Renders a component as GitLab does: `spec: inputs` is checked, then `$[[ inputs.x ]]` replaced in the text.

GitLab puts the values in place before it reads the YAML, so that a value can break it: text as it is, all else as JSON.
Values are checked as strictly as GitLab 17 does. Later versions also take what can be read as the type ("5" as a
number), and let an empty text match a regular expression.
Functions (`$[[ inputs.x | expand_vars ]]`) are not supported, since no template of ours has one.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import yaml

__all__ = ["InputError", "render", "spec_of"]

BLOCK = re.compile(r"\$\[\[\s*(\S.*?\S)\s*\]\]")
TYPES: dict[str, tuple[type, ...]] = {"string": (str,), "number": (int, float), "boolean": (bool,), "array": (list,)}
KNOWN = {"description", "type", "default", "options", "regex"}


class InputError(ValueError):
    """GitLab would not create the pipeline; the message is like GitLab's."""


def spec_of(text: str) -> dict[str, dict[str, Any]]:
    """The inputs that a template declares."""
    header, _, _ = text.partition("\n---\n")
    document = yaml.safe_load(header)
    if set(document) != {"spec"} or set(document["spec"]) != {"inputs"}:
        raise InputError("header config contains unknown keys")
    return {name: one or {} for name, one in document["spec"]["inputs"].items()}


def render(text: str, given: Mapping[str, Any]) -> str:
    """The template's text with its inputs in place.

    Args:
        text: The template: a header, `---`, the configuration.
        given: Inputs by name.

    Raises:
        InputError: An input is unknown, missing or not valid.
    """
    spec = spec_of(text)
    if unknown := given.keys() - spec.keys():
        raise InputError(f"unknown input arguments: {', '.join(sorted(unknown))}")
    values = {name: _value(name, one, given) for name, one in spec.items()}

    def put(block: re.Match[str]) -> str:
        access, _, name = block[1].partition(".")
        if access != "inputs" or name not in values:
            raise InputError(f"unknown interpolation key: `{name or access}`")
        value = values[name]
        return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))

    _, _, content = text.partition("\n---\n")
    return BLOCK.sub(put, content)


def _value(name: str, spec: Mapping[str, Any], given: Mapping[str, Any]) -> Any:
    kind = spec.get("type", "string")
    if unknown := spec.keys() - KNOWN:
        raise InputError(f"header:spec:inputs:{name} config contains unknown keys: {', '.join(sorted(unknown))}")
    if kind not in TYPES:
        raise InputError(f"header:spec:inputs:{name} input type unknown value: {kind}")
    if name not in given and "default" not in spec:
        raise InputError(f"`{name}` input: required value has not been provided")
    for origin, values in (("default", spec), ("provided", {"provided": given[name]} if name in given else {})):
        if origin in values:
            _check(name, spec, kind, origin, values[origin])
    return given.get(name, spec.get("default"))


def _check(name: str, spec: Mapping[str, Any], kind: str, origin: str, value: Any) -> None:
    if not isinstance(value, TYPES[kind]) or (kind == "number" and isinstance(value, bool)):
        raise InputError(f"`{name}` input: {origin} value is not a {kind}")
    if "options" in spec and value not in spec["options"]:
        raise InputError(f"`{name}` input: `{value}` cannot be used because it is not in the list of allowed options")
    if "regex" in spec and not (value and re.search(spec["regex"], str(value))):
        raise InputError(f"`{name}` input: {origin} value does not match required RegEx pattern")
