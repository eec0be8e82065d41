"""FIVETRAN_API_URL: an unambiguous address to which key and secret may be sent."""

import re

from orchestrator.job.inputs import Inputs
from orchestrator.job.network_variables import HOST, faults
from orchestrator.job.variables import VARIABLES
from orchestrator.values.settings import LOOPBACK

__all__ = ["api_url", "parsed"]

LAST_PORT = 65_535
# A strict grammar: the client must not read another host from it.
_ADDRESS = re.compile(
    rf"(?P<scheme>(?i:https?))://(?P<host>{HOST}|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{{0,4}}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~!$&'()*+,;=:-]+)*)/*"
)
_NUMBER = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)$")


def api_url(inputs: Inputs) -> str:
    """FIVETRAN_API_URL, without a slash at its end."""
    name = "FIVETRAN_API_URL"
    text = inputs.value(name)
    if "@" in text:  # looked for first: no message may show them
        inputs.error(name, "contains credentials", "set it to the address alone; the key goes into FIVETRAN_API_KEY")
        return text
    shown = inputs.quoted(name, text)
    address = parsed(text)
    if address is None:
        inputs.error(
            name, f"{shown} is not a valid address", f"leave it out, or set it to one such as {VARIABLES[name].default}"
        )
        return text
    host = address["host"].lower().strip("[]")
    loopback = host in LOOPBACK
    if address["path"].endswith("/v1"):
        inputs.error(name, f"{shown} ends in /v1", "leave that out: the job adds it")
    if address["scheme"].lower() == "https":
        inputs.errors.extend(faults(text, proxied=not loopback))
    elif not loopback:
        fix = "use https; plain http is allowed only to localhost, 127.0.0.1 and [::1]"
        inputs.error(name, f"{shown} would send the key unencrypted", fix)
    if address["scheme"].lower() == "https" and not loopback and not host.endswith(".fivetran.com"):
        inputs.warnings.append(f"{name}: key and secret are sent to {shown}, which is not a Fivetran host")
    return text.rstrip("/")


def parsed(text: str) -> re.Match[str] | None:
    """The parts of an http or https address; None where it is not valid."""
    import socket  # noqa: PLC0415  # the client has it anyway

    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"] or 1) > LAST_PORT:
        return None
    host = match["host"]
    is_number = _NUMBER.search(host)  # what ends in one is looked up as an address: 2130706433 is 127.0.0.1
    if is_number or host.startswith("["):
        try:
            socket.inet_pton(socket.AF_INET if is_number else socket.AF_INET6, host.strip("[]"))
        except OSError:
            return None
    return match
