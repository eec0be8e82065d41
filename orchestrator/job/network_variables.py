"""The network variables that requests reads: proxies and the CA bundle.

Retrying does not fix a mistake in them, so they are checked before the first request. They are those
of the process, since requests reads no others.
"""

import os
import re
from collections.abc import Iterator, MutableMapping
from pathlib import Path

__all__ = ["HOST", "faults", "prepare"]

BUNDLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")  # the first that is set
HOST = r"(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}"  # as it can be looked up

LONGEST = 300  # characters of a value in a message
_HASHED = re.compile(r"[0-9a-f]{8}\.r?[0-9]+")  # what `openssl rehash` calls a certificate


def prepare(environ: MutableMapping[str, str]) -> None:
    """Adjust the environment before anything reads it.

    urllib3 would write the keys of every TLS session into SSLKEYLOGFILE, and so reveal its content.
    And requests mistakes the host in `proxy:3128` for a scheme, which curl does not.

    Args:
        environ: That of the process.
    """
    environ.pop("SSLKEYLOGFILE", None)
    for name, value in environ.items():
        proxies = name.lower().endswith("_proxy") and name.lower() != "no_proxy"
        if proxies and re.fullmatch(r"[^:/\s]+:[^/\s]*/?", value):
            environ[name] = f"http://{value}"


def faults(url: str, *, proxied: bool) -> Iterator[str]:
    """What is wrong with them, one line each: the variable, what is wrong, how to fix it.

    Args:
        url: Where requests go; https, else none of this matters.
        proxied: They may go through a proxy.
    """
    name = next(filter(os.environ.get, BUNDLES), "")
    if name and (problem := _bundle_fault(os.environ[name])):
        yield f"{name}: {problem}"
    if proxied:
        yield from _proxy_faults(url)


# --- The CA bundle --------------------------------------------------------------------------------


def _bundle_fault(value: str) -> str:
    """What is wrong with it and how to fix it, or ""."""
    if "-----BEGIN" in value:
        return (
            "contains the certificates themselves: set it to the path of a file that has them "
            "(in GitLab, use a variable of type File)"
        )
    fix = "set it to a PEM file of CA certificates, or leave it out"
    from orchestrator.values.formatting import clipped  # noqa: PLC0415  # only where one is set

    path, shown = Path(value), repr(clipped(value, LONGEST, whole_words=True))
    try:
        if path.is_dir():
            hashed = any(_HASHED.fullmatch(entry.name) for entry in path.iterdir())
            problem = "" if hashed else "is a directory without hashed certificates"
            return problem and f"{shown} {problem}: set it to a file, or run `openssl rehash` on the directory"
        from orchestrator.job.files import read_bytes  # noqa: PLC0415  # likewise

        content = read_bytes(path)
    except OSError as error:
        return f"{shown} cannot be read: {error.strerror}: {fix}"
    if not content.strip():
        return f"{shown} is empty: {fix}"
    if b"-----BEGIN" not in content:
        return f"{shown} is not a PEM file (it has no line -----BEGIN CERTIFICATE-----): {fix}"
    import ssl  # noqa: PLC0415  # only for https

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(value)
    except OSError:  # as ssl.SSLError is
        return f"{shown} has no CA certificate, or a damaged one: {fix}"
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
        return "contains a space, a backslash or a control character"
    try:
        whole = prepend_scheme_if_needed(proxy, "http")
        host, port = parse_url(whole).host, parse_url(whole).port
        if not host or host in {"http", "https"}:  # `http//proxy`
            return "has no host"
        if not re.fullmatch(rf"{HOST}|\[[0-9A-Fa-f:.]+\]", host):
            return "has an invalid host"
        if port == 0:
            return "has an invalid port"
        HTTPAdapter().proxy_manager_for(whole)
    except URLSchemeUnknown:
        return "has an unsupported scheme"
    except InvalidSchema:
        return "is a SOCKS proxy, which is not supported"
    except (HTTPError, TypeError, ValueError):  # requests raises the second for a user without a host
        return "is not a valid address (percent-encode # / ? @ and : in user and password)"
    return ""
