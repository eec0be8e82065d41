"""A job against real servers with TLS: what is not who it says it is gets no request."""

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from attacked import OK, Seen, as_process, document, here
from servers import Hasty, Server, answer

NOW, DAY = datetime.now(UTC), timedelta(days=1)
LOOPBACK = "127.0.0.1"
CLOCK = "check this machine's clock; if it is right, the server's certificate has to be renewed"
BUNDLE = "if a proxy inspects TLS, set REQUESTS_CA_BUNDLE to its CA certificate"
PEM = "set it to a PEM file of CA certificates, or leave it out"


def serving(certificate: trustme.LeafCert) -> ssl.SSLContext:
    """What a server speaks TLS with that has this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


def refused(folder: Path, context: ssl.SSLContext, run: Callable[..., Seen] = here, **more: str) -> tuple[Seen, Server]:
    """A job that must not send its request to the server with this context."""
    with Server(answer(document()), context) as server:
        seen = run(folder, server.url, **more)
    assert seen.verdict.startswith(f"FAILED: cannot reach {LOOPBACK}:{server.port}: ")
    assert (seen.code, server.requests, seen.reveals()) == (6, [], [])
    return seen, server


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
def test_certificate_of_a_named_authority(authority: trustme.CA, bundle: str, tmp_path: Path, variable: str) -> None:
    """A certificate whose authority is in the named CA file is trusted, whichever of the usual variables names it."""
    with Server(answer(document()), serving(authority.issue_cert(LOOPBACK))) as server:
        seen = as_process(tmp_path, server.url, **{variable: bundle})

    assert seen.verdict.startswith(OK)
    assert (seen.code, len(server.requests), seen.reveals()) == (0, 1, [])


Issue = Callable[[trustme.CA], trustme.LeafCert]


@pytest.mark.parametrize(
    ("issue", "named", "why", "fix"),
    [
        (lambda _: trustme.CA().issue_cert(LOOPBACK), True, "unable to get local issuer certificate", BUNDLE),
        (lambda ca: ca.issue_cert(LOOPBACK), False, "unable to get local issuer certificate", BUNDLE),
        (
            lambda ca: ca.issue_cert("api.fivetran.com"),
            True,
            "IP address mismatch, certificate is not valid for '127.0.0.1'",
            "check FIVETRAN_API_URL and the proxy: another server answers",
        ),
        (
            lambda ca: ca.issue_cert(LOOPBACK, not_before=NOW - 2 * DAY, not_after=NOW - DAY),
            True,
            "certificate has expired",
            CLOCK,
        ),
        (
            lambda ca: ca.issue_cert(LOOPBACK, not_before=NOW + DAY, not_after=NOW + 2 * DAY),
            True,
            "certificate is not yet valid",
            CLOCK,
        ),
    ],
    ids=["another authority", "unknown authority", "another host", "expired", "not yet valid"],
)
def test_certificate_that_is_not_good(
    authority: trustme.CA,
    bundle: str,
    tmp_path: Path,
    issue: Issue,
    named: bool,  # noqa: FBT001
    why: str,
    fix: str,
) -> None:
    """A certificate that is not good ends the job with 6, the reason and the fix, and no request is sent."""
    seen, _ = refused(tmp_path, serving(issue(authority)), here, **({"REQUESTS_CA_BUNDLE": bundle} if named else {}))

    assert f": the TLS certificate is not trusted ({why}); {fix}" in seen.verdict


def test_self_signed_certificate(certificate: Path, tmp_path: Path) -> None:
    """A self-signed certificate is not trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    seen, _ = refused(tmp_path, context)

    assert f": the TLS certificate is not trusted (self-signed certificate); {BUNDLE}" in seen.verdict.replace(
        "self signed", "self-signed"
    )


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda version: version.name)
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_protocol(authority: trustme.CA, bundle: str, tmp_path: Path, version: ssl.TLSVersion) -> None:
    """A server that speaks nothing newer than TLS 1.1 is not spoken to, whatever OPENSSL_CONF allows."""
    context = serving(authority.issue_cert(LOOPBACK))
    _allow(context, version)
    config = tmp_path / "openssl.cnf"
    config.write_text(LENIENT, "utf-8")
    with Server(b"", context) as server:
        if not _is_served(server, authority, version):
            pytest.skip("this OpenSSL serves no old protocol")

    lenient, server = refused(tmp_path, context, as_process, REQUESTS_CA_BUNDLE=bundle, OPENSSL_CONF=str(config))
    usual, _ = refused(tmp_path, context, REQUESTS_CA_BUNDLE=bundle)

    for seen in (lenient, usual):
        assert seen.verdict.partition(": the request")[0].endswith("the server or proxy must support TLS 1.2 or newer")
    assert len(server.refused) == 1


LENIENT = """\
openssl_conf = all
[all]
ssl_conf = ssl
[ssl]
system_default = lenient
[lenient]
MinProtocol = TLSv1
CipherString = ALL:@SECLEVEL=0
"""


def _allow(context: ssl.SSLContext, version: ssl.TLSVersion) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version


def _is_served(server: Server, authority: trustme.CA, version: ssl.TLSVersion) -> bool:
    """Whether the server really speaks it, to a client that wants nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    _allow(context, version)
    try:
        with (
            socket.create_connection((LOOPBACK, server.port)) as plain,
            context.wrap_socket(plain, server_hostname=LOOPBACK) as secure,
        ):
            return secure.version() == version.name.replace("_", ".")
    except ssl.SSLError:
        return False


def test_server_that_does_not_speak_tls(tmp_path: Path) -> None:
    """What answers in plain text where TLS is due gets no request, and its answer is not read as one."""
    with Hasty(answer(document())) as server:
        seen = here(tmp_path, f"https://{LOOPBACK}:{server.port}")

    assert (seen.code, b"Authorization" in server.arrived, seen.reveals()) == (6, False, [])
    assert seen.verdict.startswith(f"FAILED: cannot reach {LOOPBACK}:{server.port}: TLS handshake failed: ")
    assert ": check FIVETRAN_API_URL and the proxy: what answers does not speak TLS" in seen.verdict


# --- CA files -------------------------------------------------------------------------------------


DAMAGED = b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("variable", "content", "problem"),
    [
        (
            "SSL_CERT_FILE",
            b"\0\xff" * 500,
            f"is not a PEM file (it has no line -----BEGIN CERTIFICATE-----): {PEM}",
        ),
        ("CURL_CA_BUNDLE", DAMAGED, f"has no CA certificate, or a damaged one: {PEM}"),
        ("REQUESTS_CA_BUNDLE", None, f"cannot be read: No such file or directory: {PEM}"),
    ],
    ids=["garbage", "damaged", "missing"],
)
def test_ca_file_that_is_none(tmp_path: Path, variable: str, content: bytes | None, problem: str) -> None:
    """A CA file that is missing, unreadable or no such file ends the job with 2, its name and the fix."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with Server(answer(document())) as server:
        seen = here(tmp_path, f"https://{LOOPBACK}:{server.port}", **{variable: str(file)})

    assert (seen.code, server.connections, seen.reveals()) == (2, 0, [])
    assert seen.problems == [f"{variable}: {str(file)!r} {problem}"]
