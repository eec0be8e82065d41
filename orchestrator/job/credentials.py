"""API key and secret, from their variables or the DataOps vault."""

import base64
import binascii
import re

from orchestrator.job.inputs import Inputs
from orchestrator.job.masking import LEAST
from orchestrator.values.formatting import STARS

__all__ = ["key_pair"]

_VAULT_KEY = "FIVETRAN.DEFAULT.API_KEY"
_VAULT_SECRETS = ("FIVETRAN.DEFAULT.API_SECRET", "FIVETRAN.DEFAULT.SECRET")  # both are in use


def key_pair(inputs: Inputs) -> tuple[str, str]:
    """Key and secret, from their variables or the vault."""
    names = ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET")
    wants_vault = inputs.flag("SET_FIVETRAN_KEYS_TO_ENV")
    key, secret = (inputs.value(name) for name in names)
    if wants_vault and not key and not secret and inputs.unknown.isdisjoint(names):
        key = inputs.looked_up("SET_FIVETRAN_KEYS_TO_ENV", _VAULT_KEY)
        secret = inputs.looked_up("SET_FIVETRAN_KEYS_TO_ENV", *_VAULT_SECRETS)
        inputs.shown[names[0]] = inputs.shown[names[1]] = f"{STARS} (from the vault)"
        _check(inputs, key, secret)
        return key, secret
    if not wants_vault and not secret and names[1] not in inputs.unknown and (pair := _decoded(key)):
        inputs.secrets.append(key)
        key, secret = pair
        inputs.shown[names[1]] = f"{STARS} (from {names[0]})"
        inputs.warnings.append(f"{names[0]} is Base64 of key:secret: both are taken from it")
    neither = not key and not secret
    for name, text, other, fix in (
        (names[0], key, names[1], HOW),
        (names[1], secret, names[0], "set it to that key's secret"),
    ):
        if not text:
            both = "set both, or leave both out and set SET_FIVETRAN_KEYS_TO_ENV to take them from the DataOps vault"
            inputs.error(name, "not set" if neither else f"not set, but {other} is", fix if neither else both)
    _check(inputs, key, secret)
    return key, secret


HOW = (
    "create a key in Fivetran (Account Settings > API Config) and set both, "
    "or set SET_FIVETRAN_KEYS_TO_ENV to take them from the DataOps vault"
)


def _check(inputs: Inputs, key: str, secret: str) -> None:
    for name, text in (("FIVETRAN_API_KEY", key), ("FIVETRAN_API_SECRET", secret)):
        if text and not re.fullmatch(r"[!-~]+", text):
            inputs.error(
                name,
                "contains a space, a line break or a non-ASCII character",
                "copy the value again, and nothing else",
            )
        elif len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
            inputs.error(name, "is in quotes", "remove the quotes")
        elif text and len(text) < LEAST:
            inputs.error(name, f"is shorter than {LEAST} characters", "copy the whole value again")
    if key and key == secret:
        inputs.error("FIVETRAN_API_SECRET", "is the same as FIVETRAN_API_KEY", "set it to the key's secret")
    if _decoded(key):
        fix = "set it to the key alone, and FIVETRAN_API_SECRET to the secret"
        inputs.error("FIVETRAN_API_KEY", "is Base64 of key:secret", fix)


def _decoded(text: str) -> tuple[str, str] | None:
    """Key and secret of Base64(key:secret), as Fivetran's own command line wants it; None of anything else."""
    try:
        decoded = base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    key, _, secret = decoded.partition(":")
    return (key, secret) if key and secret and decoded.isprintable() else None
