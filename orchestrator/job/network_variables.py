"""The variables of the network that requests obeys: proxies and the CA bundle.

Waiting does not fix what is wrong with them, so it is found before the first request. They are those
of the process, since requests reads nothing else.
"""

import os
import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path

__all__ = ["HOST", "faults", "prepare"]

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")  # the first that is set
HOST = r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}"  # as it can be looked up

_HASHED = re.compile(r"[0-9a-f]{8}\.r?[0-9]+")  # what `openssl rehash` calls a certificate


def prepare(environ: MutableMapping[str, str]) -> None:
    """Have the environment say what it means, before anything reads it.

    urllib3 would write the keys of every TLS session into SSLKEYLOGFILE, and so give away what is
    in them. And requests takes the host of `proxy:3128` for a scheme, where curl does not.

    Args:
        environ: That of the process.
    """
    environ.pop("SSLKEYLOGFILE", None)
    for name, value in environ.items():
        proxies = name.lower().endswith("_proxy") and name.lower() != "no_proxy"
        if proxies and re.fullmatch(r"[^:/\s]+:[^/\s]*/?", value):
            environ[name] = f"http://{value}"


def faults(url: str, *, proxied: bool) -> Iterator[str]:
    """What is wrong with them, a line each: the variable, what is wrong, how to fix it.

    Args:
        url: Where requests go; of https, else nothing of this matters.
        proxied: They may go by way of a proxy.
    """
    name = next(filter(os.environ.get, BUNDLES), "")
    if name and (problem := _bundle_fault(os.environ[name])):
        yield f"{name}: {problem}"
    if proxied:
        yield from _proxy_faults(url)


# --- The CA bundle --------------------------------------------------------------------------------


def _bundle_fault(value: str) -> str:
    """What is wrong with it and how to fix that, or ""."""
    if "-----BEGIN" in value:
        return (
            "holds the certificates themselves: set it to the name of a file with them "
            "(in GitLab: make it a variable of the type File)"
        )
    name_one = "name a file with the CA certificates in PEM, or leave it out"
    path = Path(value)
    try:
        if path.is_dir():
            hashed = any(_HASHED.fullmatch(entry.name) for entry in path.iterdir())
            problem = "" if hashed else "is a directory without hashed certificates"
            return problem and f"{value!r} {problem}: name a file in it, or run `openssl rehash` on it"
        from orchestrator.job.files import read_bytes  # noqa: PLC0415  # who has none needs none

        content = read_bytes(path)
    except OSError as error:
        return f"{value!r} cannot be read: {error.strerror}: {name_one}"
    if not content.strip():
        return f"{value!r} is empty: {name_one}"
    if b"-----BEGIN" not in content:
        return f"{value!r} is not PEM (it has no line -----BEGIN CERTIFICATE-----): {name_one}"
    import ssl  # noqa: PLC0415  # only for https

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
    except OSError:  # as ssl.SSLError is
        return f"{value!r} has no CA certificate, or a damaged one: {name_one}"
    return ""


# --- Proxies --------------------------------------------------------------------------------------


def _proxy_faults(url: str) -> Iterator[str]:
    """What is wrong with the proxy that requests would take; its address may hold a password, and is not shown."""
    from requests.utils import get_environ_proxies, select_proxy  # noqa: PLC0415  # the job has it anyway

    proxy = select_proxy(url, get_environ_proxies(url))
    if proxy and (problem := _proxy_fault(proxy)):
        names = [name for name, value in os.environ.items() if value == proxy and name.lower().endswith("_proxy")]
        # https wins over all, and lower case over upper.
        name = [*sorted(names, key=lambda one: ("https" not in one.lower(), one.isupper())), "the proxy"][0]
        yield f"{name}: {problem}: set it to an address such as http://proxy.example:3128, or add the host to NO_PROXY"


def _proxy_fault(proxy: str) -> str:
    """What is wrong with the address of a proxy, or ""; judged as requests would."""
    from requests.adapters import HTTPAdapter  # noqa: PLC0415  # likewise
    from requests.exceptions import InvalidSchema  # noqa: PLC0415  # likewise
    from requests.utils import prepend_scheme_if_needed  # noqa: PLC0415  # likewise
    from urllib3.exceptions import HTTPError, URLSchemeUnknown  # noqa: PLC0415  # likewise
    from urllib3.util import parse_url  # noqa: PLC0415  # likewise

    if re.search(r"[\s\\\x00-\x1f\x7f]", proxy):
        return "has a blank, a backslash or a control character in it"
    try:
        whole = prepend_scheme_if_needed(proxy, "http")
        host, port = parse_url(whole).host, parse_url(whole).port
        if not host or host in {"http", "https"}:  # `http//proxy`
            return "names no host"
        if not re.fullmatch(rf"{HOST}|\[[0-9A-Fa-f:.]+\]", host):
            return "names an invalid host"
        if port == 0:
            return "has an invalid port"
        HTTPAdapter().proxy_manager_for(whole)
    except URLSchemeUnknown:
        return "has a scheme that is not supported"
    except InvalidSchema:
        return "names a SOCKS proxy, for which PySocks is missing"
    except (HTTPError, ValueError):
        return "cannot be read as an address (in user and password, write # / ? @ and : percent-encoded)"
    return ""
