"""The variables: any text in any of them is a valid configuration, or one line each that names the variable."""

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from fuzzing import assert_clear, fuzzed, growth
from hypothesis import example, given
from hypothesis import strategies as st
from simulated_job import SimulatedJob

from orchestrator.fleet.choice import names_many
from orchestrator.fleet.selection import configure_many
from orchestrator.job import network_variables
from orchestrator.job.address import parsed
from orchestrator.job.configuration import ConfigurationError, configure, report_dir, subject_of
from orchestrator.job.inputs import MOST_SECONDS
from orchestrator.job.masking import Mask, proxy_secrets
from orchestrator.job.pasted_id import id_in, is_name, without_secrets
from orchestrator.job.report.gitlab import report_url
from orchestrator.job.report.links import back
from orchestrator.job.tables import parse_tables
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.simulator.scenario import Scenario
from orchestrator.values.formatting import clipped, duration, few, plain, printable
from orchestrator.values.parsing import parse_duration
from orchestrator.values.settings import CONNECTOR_ID

AROUND = (
    *("CI", "CI_JOB_TIMEOUT", "CI_JOB_STARTED_AT", "CI_JOB_URL", "CI_PROJECT_DIR", "CI_PIPELINE_ID", "CI_PIPELINE_URL"),
    *("CI_COMMIT_SHA", "CI_PROJECT_URL", "GITHUB_RUN_ID", "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_SHA"),
    *("GITLAB_CI", "NO_COLOR", "TERM", "DATAOPS_SECRETS_DIR", "FIVETRAN_VERDICT", "FIVETRAN_TIMOUT"),
)
NAMES = sorted({*VARIABLES, *(one.alias for one in VARIABLES.values() if one.alias), *AROUND})
# Where the name of a file or folder goes: a whole job would write there.
PLACES = {"FIVETRAN_STATE_FILE", "FIVETRAN_REPORT_DIR", "CI_PROJECT_DIR", "FIVETRAN_VAULT_FILE", "DATAOPS_SECRETS_DIR"}

# What a real environment can hold: no NUL, and bytes that are no text as halves of surrogate pairs.
ANY = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40),
    st.binary(max_size=20).map(lambda raw: os.fsdecode(raw.replace(b"\x00", b""))),
)
PIECES = [
    *("DATAOPS_VAULT(A.B)", "DATAOPS_VAULT(", "${", "}", "$A", "%A%", "https://", "http://", "user:pass@", "localhost"),
    *("fivetran.com/dashboard/connections/speak_inexpensive", "speak_inexpensive", "/connectors/", "CONNECTOR_ID="),
    *(" ", "\n", "\t", "\r", "\x1b[31m", "\u2028", "\u202e", "\u200b", "'", '"', "`", "[", "]", "{", "}", ":", "?"),
    *("1", "0", "-1", "1h30m", "5m", "nan", "inf", "1e999", "9" * 3_000, "x" * 3_000, "a " * 1_500, "²", "0x10", "#"),
    *("START", "start", "force-resync", "wait", "false", "../", "/", "\\", "@", "*", "!", "~", ".", ",", "=", "\udcff"),
    *('{"a": ["b"]}', "a.b", "\nc.d", "null", "[", "é", "😀", "Zm9vOmJhcg==", "[::1]:1", "1.2.3.4", "%zz"),
    *("2024-01-01T00:00:00Z", "\u0663", "\xad", "<", "&"),
]
TEXTS = st.one_of(st.lists(st.sampled_from(PIECES), max_size=5).map("".join), st.sampled_from(PIECES), ANY)
GIVEN = {
    "CONNECTOR_ID": "speak_inexpensive",
    "FIVETRAN_API_KEY": "a-key-of-ours",
    "FIVETRAN_API_SECRET": "a-secret-of-ours",
}
ENVIRONS = st.builds(
    lambda action, more: {
        **GIVEN,
        "FIVETRAN_ACTION": action,
        "SCHEMA": "public",
        "TABLE": "orders",
        **{name: text[:300] if name in {*PLACES, "FIVETRAN_CHART"} else text for name, text in more.items()},
    },
    st.sampled_from(ACTIONS),
    st.dictionaries(st.sampled_from(NAMES), TEXTS, min_size=1, max_size=4),
)


def assert_refused(error: ConfigurationError, environ: Mapping[str, str]) -> None:
    """Each line names a variable, what is wrong with it, and the fix; none shows a secret."""
    assert error.errors
    for line in error.warnings:
        assert_clear(line)
    for line in error.errors:
        assert_clear(line)
        assert line.partition(":")[0].split(" ")[0] in {*NAMES, *VARIABLES, "REQUESTS_CA_BUNDLE"}, line
        for name in ("FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"):
            secret = environ[name].strip()
            assert len(secret) < 8 or "DATAOPS_VAULT(" in secret or secret not in line or secret in str(NAMES)


@fuzzed(150)
@given(environ=ENVIRONS)
@example({**GIVEN, "FIVETRAN_ACTION": "START", "FIVETRAN_TIMEOUT": "x" * 100_000})
@example({**GIVEN, "FIVETRAN_ACTION": "\x1b" * 5_000})
def test_any_text_is_a_configuration_or_refused(environ: dict[str, str]) -> None:
    """Whatever text the variables hold, they are a valid configuration, or one line each says what to fix."""
    for read in (configure, lambda given: configure_many(given, lambda: 5.0)[0]):
        try:
            configured = read(environ)
        except ConfigurationError as error:
            assert_refused(error, environ)
            continue
        settings = configured.settings

        assert all(0 < seconds <= MOST_SECONDS for seconds in (settings.timeout, settings.poll_interval))
        assert re.fullmatch(f"(?:{CONNECTOR_ID})?", settings.connector_id)
        assert urlsplit(settings.api_url).hostname
        for line in map(Mask(settings.api_key, settings.api_secret).line, configured.warnings):
            assert_clear(line)
    subject = subject_of(environ)

    assert names_many(environ) in {True, False}
    assert subject["action"] or not environ["FIVETRAN_ACTION"].strip()
    assert all("@" not in address for _, address in back(environ))
    assert report_url(environ, report_dir(environ) or "report") is None or environ.get("CI_JOB_URL")


@fuzzed(20)
@given(environ=ENVIRONS)
def test_no_text_is_a_bug_of_the_job(tmp_path_factory: pytest.TempPathFactory, environ: dict[str, str]) -> None:
    """Whatever text the variables hold, the job ends with a code of a chart, or with 2 and without a request."""
    folder = tmp_path_factory.mktemp("job")
    job = SimulatedJob(Scenario(), "http://127.0.0.1:9", folder)
    environ = {"FIVETRAN_TIMEOUT": "120", **environ}
    for name in PLACES & environ.keys():
        environ[name] = f"{folder}/{environ[name].replace('..', '').strip()}"
    environ.pop("FIVETRAN_VAULT_FILE", None)

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        played = job.play(environ.pop("FIVETRAN_ACTION"), lambda *_: None, **environ)  # type: ignore[arg-type]  # texts

    assert played.code != 70, played.stderr
    assert "Traceback" not in played.stderr
    assert played.code != 2 or played.requests == []
    for line in played.stderr.split("\n"):
        assert "\x1b[31m" not in line
        assert "a-secret-of-ours" not in line


PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")
NETWORK = (*PROXIES, *network_variables.BUNDLES)


@fuzzed(60)
@given(
    variables=st.dictionaries(st.sampled_from([*PROXIES, *network_variables.BUNDLES]), TEXTS, min_size=1, max_size=3)
)
@example({"HTTPS_PROXY": "http://[::1"})
@example({"HTTPS_PROXY": "0@"})
@example({"HTTPS_PROXY": "http://\udc80:\udc80-secret@proxy"})
@example({"HTTPS_PROXY": "http://user:p@ss@proxy:99999"})
@example({"REQUESTS_CA_BUNDLE": "/dev/zero"})
@example({"REQUESTS_CA_BUNDLE": "\udcff"})
def test_any_proxy_and_bundle_is_used_or_refused(variables: dict[str, str]) -> None:
    """Whatever the proxies and the CA bundle are set to, each fault is a line that names the variable alone."""
    with pytest.MonkeyPatch.context() as patched:
        for name, value in variables.items():
            patched.setenv(name, value)
        network_variables.prepare(os.environ)
        faults = list(network_variables.faults("https://api.fivetran.com", proxied=True))
    mask = Mask()
    mask.add(*proxy_secrets(variables))

    for line in map(mask.line, faults):
        assert_clear(line)
        assert line.partition(":")[0] in {*variables, "the proxy"}
        assert "pass@" not in line or "_PROXY" not in line.upper().partition(":")[0]


@fuzzed(100)
@given(text=TEXTS)
def test_any_pasted_id_is_an_id_or_none(text: str) -> None:
    """Whatever is pasted for an id, what is found in it is an id, and what is shown of it has no credentials."""
    found = id_in(text)

    assert found == "" or re.fullmatch(CONNECTOR_ID, found)
    assert is_name(text) in {True, False}
    assert "user:pass@" not in without_secrets(f"https://user:pass@{text}")


@fuzzed(100)
@given(text=TEXTS | st.text(alphabet="abhtps:/.[]@0129%-_?#", max_size=20))
def test_any_address_has_one_host(text: str) -> None:
    """Whatever FIVETRAN_API_URL holds, it is no address, or one whose host any parser sees."""
    match = parsed(text)

    assert match is None or match["host"].lower().strip("[]") == urlsplit(text).hostname


@fuzzed(100)
@given(text=TEXTS | st.text(alphabet="0123456789 .dhmsinutera_+-e", max_size=20))
@example("9" * 100_000)
@example("1" * 50_000 + "." + "1" * 50_000 + " h")
def test_any_text_is_a_duration_or_none(text: str) -> None:
    """Whatever text stands for a duration, it is seconds, or a ValueError."""
    try:
        seconds = parse_duration(text)
    except ValueError:
        return

    assert isinstance(seconds, float)


@fuzzed(100)
@given(seconds=st.floats(0, MOST_SECONDS))
def test_durations_are_read_as_they_are_written(seconds: float) -> None:
    """What is written of a duration for people is read as that again, as far as its two units tell."""
    written = duration(seconds)

    assert duration(parse_duration(written)) == written


@fuzzed(100)
@given(text=TEXTS, more=st.sampled_from(["", " x", "\ny"]))
def test_any_tables_are_names_or_refused(text: str, more: str) -> None:
    """Whatever TABLES holds, it is names each once, or a problem and a fix."""
    try:
        found = parse_tables((text + more).strip(), lambda piece: repr(clipped(piece, 300)))
    except ValueError as error:
        problem, fix = error.args
        assert_clear(fix)
        assert_clear(problem)
        return

    assert all(tables and len(tables) == len(set(tables)) for tables in found.values())


@fuzzed(60)
@given(text=TEXTS | ANY, most=st.integers(1, 50))
def test_any_text_is_cut_to_a_line(text: str, most: int) -> None:
    """Whatever text is cut to a length, what is kept is its beginning, in whole words where that is asked for."""
    whole, cut = clipped(text, most, whole_words=True), clipped(text, most)
    kept = whole.partition("… (")[0] if whole != text else text

    assert text.startswith(kept)
    assert whole == text or not kept or set(kept.split()) <= set(text.split())
    assert cut == text or cut.endswith("more characters)")
    assert printable(text).isprintable() or "\u2026" in printable(text)
    assert len(few([text] * 60)) == 51
    assert plain(text) == text


@pytest.mark.parametrize(
    "name", ["CONNECTOR_ID", "TABLES", "FIVETRAN_INCLUDE", "FIVETRAN_API_URL", "FIVETRAN_TIMEOUT", "FIVETRAN_ACTION"]
)
@pytest.mark.parametrize("piece", ["a,", "[", "a.b\n", "DATAOPS_VAULT(", "9", "/connections/"])
def test_no_variable_takes_more_time_than_it_is_long(name: str, piece: str) -> None:
    """Whatever a variable is full of, reading it takes time in proportion to its length, not to its square."""

    def read(text: str) -> None:
        with suppress(ConfigurationError):
            configure_many({**GIVEN, "FIVETRAN_ACTION": "FORCE_RESYNC", name: text}, lambda: 5.0)

    assert growth(read, lambda length: piece * (length // len(piece)), 2_000) < 100


@pytest.mark.parametrize("whole", [True, False])
def test_no_text_takes_more_time_to_cut_than_it_is_long(whole: bool) -> None:  # noqa: FBT001  # a parameter
    """A long word before a blank is cut in time in proportion to its length, not to its square."""

    def read(text: str) -> None:
        clipped(text, len(text) - 1, whole_words=whole)

    assert growth(read, lambda length: "a" * length + " b", 2_000) < 100
