import base64
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import hypothesis
import pytest
from hypothesis import strategies as st
from simulated_job import Simulate
from urllib3 import connection_from_url
from urllib3.util import parse_url

from orchestrator.job.address import parsed
from orchestrator.job.configuration import ConfigurationError, Configured, configure, report_dir
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Scenario
from orchestrator.values.formatting import either
from orchestrator.values.settings import Settings

NOW = 1_700_000_000.0
STARTED_AT = "2023-11-14T22:13:20Z"  # the same moment

# A value for each variable that has one of its own, none of them its default.
GIVEN = {
    "FIVETRAN_ACTION": "FORCE_RESYNC",
    "CONNECTOR_ID": "speak_inexpensive",
    "FIVETRAN_API_KEY": "a-key-of-ours",
    "FIVETRAN_API_SECRET": "a-secret-of-ours",
    "SET_FIVETRAN_KEYS_TO_ENV": "1",
    "SCHEMA": "public",
    "TABLE": "Orders of 2024",
    "FIVETRAN_DONT_DISABLE_SYNC": "1",
    "FIVETRAN_TIMEOUT": "120",
    "FIVETRAN_POLL_INTERVAL": "0.5",
    "FIVETRAN_HTTP_TIMEOUT": "7",
    "FIVETRAN_RETRY_LIMIT": "3",
    "FIVETRAN_ON_RUNNING": "fail",
    "FIVETRAN_ON_RESCHEDULE": "fail",
    "FIVETRAN_UNPAUSE": "1",
    "FIVETRAN_RESTORE_SCHEDULE": "1",
    "FIVETRAN_EVIDENCE": "0",
    "FIVETRAN_JOURNAL": "0",
    "FIVETRAN_STATE_FILE": "run.json",
    "FIVETRAN_API_URL": "https://fivetran.example",
    "FIVETRAN_REPORT_DIR": "out",
    "FIVETRAN_LOG_FORMAT": "json",
    "DATAOPS_DEBUG": "1",
}
PORTS = {"https": 443, "http": 80}
NEEDED = ("FIVETRAN_ACTION", "CONNECTOR_ID", "FIVETRAN_API_KEY", "FIVETRAN_API_SECRET", "SCHEMA", "TABLE")
FLAGS = [name for name, variable in VARIABLES.items() if variable.any_value and name in GIVEN]
POLICIES = {"on_running": "FIVETRAN_ON_RUNNING", "on_reschedule": "FIVETRAN_ON_RESCHEDULE"}


def read(action: str = "FORCE_RESYNC", /, **more: str) -> Configured:
    """What the needed variables and some more come to."""
    needed = {name: GIVEN[name] for name in NEEDED}
    return configure({**needed, "FIVETRAN_ACTION": action, **more}, lambda: NOW)


def refusal(action: str = "FORCE_RESYNC", /, **more: str) -> ConfigurationError:
    """How they are refused."""
    with pytest.raises(ConfigurationError) as caught:
        read(action, **more)
    return caught.value


def vault_in(folder: Path, **content: str) -> str:
    """A vault file with these texts under JOB."""
    file = folder / "vault.yml"
    file.write_text("JOB:\n" + "".join(f'  {name}: "{text}"\n' for name, text in content.items()), "utf-8")
    return str(file)


# --- What is accepted ------------------------------------------------------------------------------


def test_every_variable_has_its_setting() -> None:
    """Each variable reaches the setting that it is documented to be."""
    expected = Settings(
        action="FORCE_RESYNC",
        connector_id="speak_inexpensive",
        api_key="a-key-of-ours",
        api_secret="a-secret-of-ours",
        schema="public",
        table="Orders of 2024",
        keep_schedule=True,
        timeout=120.0,
        poll_interval=0.5,
        http_timeout=7.0,
        retry_limit=3,
        policies=(("on_running", "fail"), ("on_reschedule", "fail"), ("on_broken", "fail")),
        unpause=True,
        restore_schedule="before",
        evidence="0",
        journal=False,
        state_file="run.json",
        api_url="https://fivetran.example",
        report_dir="out",
        pipeline="4711",
    )

    actual = configure({**GIVEN, "CI_PIPELINE_ID": "4711"})

    assert expected == actual.settings
    assert actual.warnings == (
        "FIVETRAN_API_URL: key and secret are sent to 'https://fivetran.example', which is not a Fivetran host",
    )


def test_defaults_are_the_documented_ones() -> None:
    """What is not set has the documented default."""
    expected = Settings(
        action="START",
        connector_id="speak_inexpensive",
        api_key="a-key-of-ours",
        api_secret="a-secret-of-ours",
        timeout=300.0,
        poll_interval=10.0,
        adaptive=True,
        http_timeout=30.0,
        retry_limit=8,
        policies=(("on_running", "wait"), ("on_reschedule", "wait"), ("on_broken", "fail")),
        evidence="1",
        api_url="https://api.fivetran.com",
        report_dir="",
    )

    actual = read("START")

    assert expected == actual.settings
    assert actual.warnings == ()


@pytest.mark.parametrize("name", [name for name in GIVEN if name not in NEEDED])
def test_empty_is_not_set(name: str) -> None:
    """A variable that is empty or blank means the same as one that is not set."""
    expected = read().settings

    assert expected == read(**{name: ""}).settings
    assert expected == read(**{name: " \r\n"}).settings


@pytest.mark.parametrize("name", GIVEN)
def test_blanks_and_line_ends_around_a_value_are_dropped(name: str) -> None:
    """A value pasted with blanks or a line end around it is the value."""
    expected = configure(GIVEN).settings

    actual = configure({**GIVEN, name: f" \t{GIVEN[name]}\r\n"})

    assert expected == actual.settings


@pytest.mark.parametrize(("given", "action"), [("start", "START"), (" Force-Resync\n", "FORCE_RESYNC")])
def test_action_is_forgiven_its_case_and_its_blanks(given: str, action: str) -> None:
    """The action may be written in any case, with blanks around it."""
    configured = read(given)

    assert action == configured.settings.action
    assert action == configured.chart.action
    assert action == configured.inputs["FIVETRAN_ACTION"]


@pytest.mark.parametrize(
    ("given", "url"), [("https://a.example/", "https://a.example"), ("", VARIABLES["FIVETRAN_API_URL"].default)]
)
def test_address_has_no_slash_at_its_end(given: str, url: str) -> None:
    """A slash at the end of the address is forgiven."""
    assert url == read(FIVETRAN_API_URL=given).settings.api_url


@pytest.mark.parametrize("name", ["CONNECTOR_ID", "SCHEMA", "TABLE"])
def test_second_name_is_as_good_as_the_first(name: str) -> None:
    """CONNECTOR_ID, SCHEMA and TABLE may have FIVETRAN_ before them, or be there twice with one value."""
    expected = read(**{name: "other"}).settings

    assert expected == read(**{name: "", f"FIVETRAN_{name}": "other"}).settings
    assert expected == read(**{name: "other", f"FIVETRAN_{name}": " other"}).settings


@pytest.mark.parametrize("name", ["CONNECTOR_ID", "SCHEMA", "TABLE"])
def test_two_names_with_two_values_are_refused(name: str) -> None:
    """Where the two names of a variable disagree, neither is guessed at, and both are named, but not what they are."""
    error = refusal(**{name: "one", f"FIVETRAN_{name}": "two"})

    assert [f"{name}: differs from FIVETRAN_{name}: set one of the two"] == error.errors


def test_names_at_the_source_keep_their_case_and_their_dollars() -> None:
    """SCHEMA and TABLE are taken as they are called at the source."""
    settings = read(SCHEMA="Sys$Main", TABLE="50%_Größe").settings

    assert (settings.schema, settings.table) == ("Sys$Main", "50%_Größe")


@pytest.mark.parametrize("action", [action for action in ACTIONS if action != "FORCE_RESYNC"])
def test_schema_and_table_matter_to_a_resync_only(action: str) -> None:
    """Another action ends the same whatever SCHEMA and TABLE are: pipelines use these names for much."""
    configured = read(action, SCHEMA="$SOMETHING", TABLE="a\x07b", FIVETRAN_TABLE="c")

    assert (configured.settings.schema, configured.settings.table) == ("", "")
    assert {"SCHEMA", "TABLE"}.isdisjoint(configured.inputs)


def test_each_variable_has_a_flag() -> None:
    """Each variable has a flag of its own, named after it."""
    flags = [variable.flag for variable in VARIABLES.values()]

    assert "--connector-id" in flags
    assert "--on-running" in flags
    assert len(VARIABLES) == len(set(flags))


def test_settings_know_the_page_and_the_policies() -> None:
    """The settings give the connection's page, and a policy by its name where the chart has one."""
    settings = read("START", FIVETRAN_ON_RUNNING="Attach").settings

    assert settings.page == "https://fivetran.com/dashboard/connections/speak_inexpensive"
    assert settings.policy("on_running") == "attach"
    with pytest.raises(KeyError):
        read("STATUS").settings.policy("on_running")


# --- What is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "given", "problem", "fix"),
    [
        ("FIVETRAN_ACTION", "", "not set", "set it to FORCE_RESYNC, START, STATUS or TEST"),
        ("FIVETRAN_ACTION", "SYNC", "'SYNC' is not an action", "set it to FORCE_RESYNC, START, STATUS or TEST"),
        ("CONNECTOR_ID", "", "not set", "Setup tab"),
        ("CONNECTOR_ID", "My Shop", "'My Shop' is not an id", "not its name or address"),
        ("CONNECTOR_ID", "../groups", "'../groups' is not an id", "Setup tab"),
        ("CONNECTOR_ID", "shöp", "'shöp' is not an id", "Setup tab"),
        ("FIVETRAN_API_KEY", "", "not set, but FIVETRAN_API_SECRET is", "set both"),
        ("FIVETRAN_API_SECRET", "", "not set, but FIVETRAN_API_KEY is", "SET_FIVETRAN_KEYS_TO_ENV"),
        ("FIVETRAN_API_KEY", "one two", "contains a space", "copy the value again"),
        ("FIVETRAN_API_SECRET", "one\ntwo", "a line break", "copy the value again"),
        ("FIVETRAN_API_SECRET", "zero\u200bwidth", "a non-ASCII character", "copy the value again"),
        ("FIVETRAN_API_KEY", "'a-key-of-ours'", "is in quotes", "remove the quotes"),
        ("FIVETRAN_API_SECRET", '"a-secret-of-ours"', "is in quotes", "remove the quotes"),
        ("FIVETRAN_API_SECRET", KEY, "is the same as FIVETRAN_API_KEY", "the key's secret"),
        (
            "FIVETRAN_API_KEY",
            base64.b64encode(b"a-key-of-ours:a-secret-of-ours").decode(),
            "is Base64",
            "FIVETRAN_API_SECRET",
        ),
        ("SCHEMA", "", "not set", "FORCE_RESYNC requires SCHEMA and TABLE"),
        ("TABLE", "", "not set", "FORCE_RESYNC requires SCHEMA and TABLE"),
        ("TABLE", "a\x1b[31mb", r"'a\x1b[31mb' contains control characters", "the plain name"),
        ("FIVETRAN_ACTION", "strat", "'strat' is not an action", "did you mean START? Set it to FORCE_RESYNC, "),
        ("FIVETRAN_ACTION", "resync", "'resync' is not an action", "did you mean FORCE_RESYNC? Set it to "),
        (
            "FIVETRAN_TIMEOUT",
            "5 parsecs",
            "'5 parsecs' is not a duration",
            "give seconds, such as 300, or a duration, ",
        ),
        ("FIVETRAN_TIMEOUT", "1h30", "'1h30' is not a duration", "such as 90s, 5m or 1h30m"),
        ("FIVETRAN_TIMEOUT", "0", "'0' is not between 1 s and 366 d", "such as 300"),
        ("FIVETRAN_TIMEOUT", "0.5s", "'0.5s' is not between 1 s and 366 d", "such as 300"),
        ("FIVETRAN_TIMEOUT", "367d", "'367d' is not between 1 s and 366 d", "such as 300"),
        ("FIVETRAN_TIMEOUT", "1e300", "'1e300' is not between 1 s and 366 d", "such as 300"),
        ("FIVETRAN_POLL_INTERVAL", "0.09", "'0.09' is not between 0.1 s and 366 d", "such as 10"),
        ("FIVETRAN_POLL_INTERVAL", "-1", "'-1' is not between 0.1 s", "such as 10"),
        ("FIVETRAN_HTTP_TIMEOUT", "nan", "'nan' is not between", "such as 30"),
        ("FIVETRAN_HTTP_TIMEOUT", "inf", "'inf' is not between", "such as 30"),
        ("FIVETRAN_RETRY_LIMIT", "0", "'0' is not a whole number from 1", "such as 8"),
        ("FIVETRAN_RETRY_LIMIT", "1.5", "'1.5' is not a whole number from 1", "a whole number from 1"),
        ("FIVETRAN_ON_RUNNING", "attach", "'attach' is not a choice that", "wait or fail"),
        ("FIVETRAN_ON_RESCHEDULE", "ignore", "'ignore' is not a choice that", "wait or fail"),
        (
            "FIVETRAN_ON_RUNNING",
            "weit",
            "'weit' is not a choice that",
            "did you mean wait? Set it to wait or fail",
        ),
        ("FIVETRAN_EVIDENCE", "true", "'true' is not one of its values", "set it to 1, red or 0"),
        ("FIVETRAN_EVIDENCE", "rad", "'rad' is not one of its values", "did you mean red? Set it to 1, red or 0"),
        ("FIVETRAN_LOG_FORMAT", "jason", "'jason' is not one of its values", "did you mean json?"),
        ("FIVETRAN_JOURNAL", "yes", "'yes' is not one of its values", "1 or 0"),
        ("FIVETRAN_LOG_FORMAT", "xml", "'xml' is not one of its values", "console or json"),
        (
            "FIVETRAN_API_URL",
            "api.fivetran.com",
            "'api.fivetran.com' is not a valid address",
            "https://api.fivetran.com",
        ),
        ("FIVETRAN_API_URL", "ftp://a.example", "is not a valid address", "https://api.fivetran.com"),
        ("FIVETRAN_API_URL", "https://", "is not a valid address", "https://api.fivetran.com"),
        ("FIVETRAN_API_URL", "https://a.example:port", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://[::1", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a .example", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example?b=c", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example#b", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example/v1/", "ends in /v1", "the job adds it"),
        ("FIVETRAN_API_URL", "http://a.example", "would send the key unencrypted", "use https"),
        ("FIVETRAN_API_URL", "https://user:word@a.example", "contains credentials", "FIVETRAN_API_KEY"),
        ("FIVETRAN_API_URL", "http://127.0.0.2:80\\[::1]", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "http://127.0.0.1\\.a.example", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example\\b", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a%2eexample", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example.", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a..example", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", f"https://{'a' * 64}.example", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example:", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example:0", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example:65536", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example:\uff1443", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://\u00e4.example", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example/\u00e4", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.ex\u00adample", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://a.example/b\tc", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://[fe80::1%25eth0]", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://[::1]a.example", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://[1:2]", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://2130706433", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://127.1", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://0x7f.0x1", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https://10.0.0.256", "is not a valid address", "leave it out"),
        ("FIVETRAN_API_URL", "https:/a.example", "is not a valid address", "leave it out"),
        ("FIVETRAN_STATE_FILE", "a DATAOPS_VAULT(A.B)", "text around one", "a single reference"),
        ("FIVETRAN_STATE_FILE", "DATAOPS_VAULT()", "a malformed DATAOPS_VAULT(...) reference", "DATAOPS_VAULT(A.B.C)"),
        (
            "FIVETRAN_STATE_FILE",
            "DATAOPS_VAULT(A.B",
            "a malformed DATAOPS_VAULT(...) reference",
            "DATAOPS_VAULT(A.B.C)",
        ),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_asked(
    simulate: Simulate, name: str, given: str, problem: str, fix: str
) -> None:
    """A wrong variable ends the job with 2 before any request, in one line: variable, problem, fix."""
    played = simulate(Scenario(variables={name: given})).play("FORCE_RESYNC")

    assert played.code == 2
    assert played.requests == []
    assert played.stdout == ""
    assert played.report is not None
    [reason] = played.report["reasons"]
    assert reason.startswith(f"{name}: ")
    assert problem in reason
    assert fix in reason
    assert reason in played.stderr


def test_everything_wrong_is_reported_at_once(simulate: Simulate) -> None:
    """One run names each wrong variable, and each of them once."""
    wrong = {name: "?" for name in GIVEN if name not in {*FLAGS, "SCHEMA", "TABLE"}}
    wrong |= {"FIVETRAN_API_KEY": "", "FIVETRAN_API_SECRET": "", "SCHEMA": "", "TABLE": "\x07a"}
    wrong |= {"FIVETRAN_ACTION": "FORCE_RESYNC", "FIVETRAN_STATE_FILE": "$A", "FIVETRAN_REPORT_DIR": "${B}"}

    played = simulate(Scenario(variables=wrong)).play()

    named = [name for name in wrong if f" {name}: " in played.stderr]
    assert [name for name in wrong if name != "FIVETRAN_ACTION"] == named
    assert f"{len(named)} problems to fix; no request was sent to Fivetran (exit 2)" in played.stderr
    assert (played.code, played.requests) == (2, [])


def test_nothing_given_names_what_is_needed(simulate: Simulate) -> None:
    """A job without a variable is told the four that it cannot do without."""
    played = simulate().play("", CONNECTOR_ID="", FIVETRAN_API_KEY="", FIVETRAN_API_SECRET="")

    assert played.report is not None
    assert {reason.partition(": not set: ")[0] for reason in played.report["reasons"]} == set(NEEDED[:4])
    assert (played.code, played.requests) == (2, [])


@pytest.mark.parametrize(
    ("name", "form"),
    [
        *((name, "$NAME") for name in GIVEN),
        ("SCHEMA", "${NAME}"),
        ("TABLE", "%NAME%"),
        ("FIVETRAN_API_SECRET", " ${NAME:-default}\n"),
        ("FIVETRAN_STATE_FILE", "some/${NAME}.d"),
    ],
)
def test_unresolved_variable_is_refused(name: str, form: str) -> None:
    """A value that the platform should have replaced is refused once, whatever variable it stands in."""
    error = refusal(GIVEN["FIVETRAN_ACTION"], **{name: form})

    [line] = error.errors
    assert line.startswith(f"{name}: is ")
    assert "an unresolved variable reference: define that variable" in line


@pytest.mark.parametrize("unresolved", ["FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"])
def test_unresolved_half_of_the_pair_does_not_hide_the_other(unresolved: str) -> None:
    """With one half of the pair unresolved and the other missing, both are named, and the vault is not asked."""
    empty = {"FIVETRAN_API_KEY": "", "FIVETRAN_API_SECRET": ""}

    error = refusal(SET_FIVETRAN_KEYS_TO_ENV="1", **{**empty, unresolved: "$IT"})

    assert sorted(empty) == sorted(line.split(":")[0] for line in error.errors)


@pytest.mark.parametrize(
    "key",
    [
        base64.b64encode(b"without a colon").decode(),
        base64.b64encode("ö:ü".encode()).decode(),
        base64.b64encode(b"a:\x00b").decode(),
        "aBcD1234",
        "not-base64",
    ],
)
def test_key_that_is_no_encoded_pair_is_taken(key: str) -> None:
    """Only Base64 of two texts with a colon between them is taken for an encoded pair."""
    assert key == read(FIVETRAN_API_KEY=key).settings.api_key


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"])
def test_plain_http_goes_to_loopback(host: str) -> None:
    """The key may travel in the clear where it does not leave the machine."""
    assert f"http://{host}" == read(FIVETRAN_API_URL=f"http://{host}").settings.api_url


@pytest.mark.parametrize("host", ["10.0.0.1", "localhost.example", "127.0.0.1.example", "[::2]", "0.0.0.0"])  # noqa: S104
def test_plain_http_goes_nowhere_else(host: str) -> None:
    """The key does not travel in the clear to another machine, and no warning says that it is sent there."""
    refused = refusal(FIVETRAN_API_URL=f"http://{host}")

    [line] = refused.errors
    assert "would send the key unencrypted" in line
    assert refused.warnings == []


# --- Policies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        *("https://api.fivetran.com", "HTTPS://API.Fivetran.com:443/x", "https://eu.api.fivetran.com"),
        *("https://a.example", "https://a_b-c.example:8443/fivetran/~x", "https://10.0.0.1", "https://proxy"),
        *("https://[2001:db8::1]:443/a.b", "http://LOCALHOST:1", "http://127.0.0.1:8080/sim", "http://[::1]:80/"),
    ],
)
def test_checked_host_is_the_one_that_is_connected_to(url: str) -> None:
    """Whatever address is accepted, the parser that the client connects by sees the very host that was checked."""
    match = parsed(url)

    assert match is not None
    pool = connection_from_url(url)
    assert (pool.host, pool.port) == (match["host"].lower().strip("[]"), int(match["port"] or PORTS[pool.scheme]))
    assert (urlsplit(url).hostname, parse_url(url).auth) == (pool.host, None)


@hypothesis.given(st.text(alphabet=r"ab.:/\\@[]%#?&1270x-_ ", max_size=30))
def test_no_address_has_two_readings(rest: str) -> None:
    """No address that is accepted is read differently by the parser that the client connects by."""
    url = f"https://{rest}"

    match = parsed(url)

    assert match is None or match["host"].lower().strip("[]") == connection_from_url(url).host


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("https://api.fivetran.com", False),
        ("https://eu.api.fivetran.com/", False),
        ("http://localhost:1", False),
        ("https://[::1]:1", False),
        ("https://fivetran.com.example", True),
        ("https://notfivetran.com", True),
    ],
)
def test_host_that_is_not_fivetran_s_is_warned_about(url: str, warned: bool) -> None:  # noqa: FBT001
    """Whoever gets key and secret is named where it is neither Fivetran nor this machine."""
    expected = (
        (f"FIVETRAN_API_URL: key and secret are sent to {url!r}, which is not a Fivetran host",) if warned else ()
    )

    assert expected == read("START", FIVETRAN_API_URL=url).warnings


@pytest.mark.parametrize("name", ["SCHEMA", "FIVETRAN_API_URL", "FIVETRAN_REPORT_DIR", "CONNECTOR_ID"])
def test_references_by_the_thousand_take_no_time(name: str) -> None:
    """A value full of `${` takes time in proportion to its length, not to its square."""
    spent = []
    for size in (10_000, 1_000_000):
        given = {**{one: GIVEN[one] for one in NEEDED}, name: "${" * (size // 2)}
        begun = time.process_time()
        with suppress(ConfigurationError):
            configure(given)
        spent.append(time.process_time() - begun)

    assert spent[1] < 1000 * spent[0]


@pytest.mark.parametrize("value", ["wait", "attach", "restart", "fail", "ignore"])
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("action", ACTIONS)
def test_policy_has_the_values_that_the_chart_has_edges_for(action: str, policy: str, value: str) -> None:
    """A policy is ignored where the chart has no diamond for it, and refused where that has no such edge."""
    edges = load(action).values(policy)
    given = {POLICIES[policy]: value}

    if edges and value not in edges:
        [line] = refusal(action, **given).errors
        assert line.endswith(f"set it to {either(edges)}")
    else:
        policies = dict(read(action, **given).settings.policies)
        assert policies.get(policy) == (value if edges else None)


@pytest.mark.parametrize(
    ("action", "policy", "values"),
    [
        ("START", "on_running", {"wait", "attach", "restart", "fail"}),
        ("FORCE_RESYNC", "on_running", {"wait", "fail"}),
        ("START", "on_reschedule", {"wait", "fail"}),
        ("FORCE_RESYNC", "on_reschedule", {"wait", "fail"}),
        ("STATUS", "on_running", set()),
        ("TEST", "on_running", set()),
    ],
)
def test_policies_are_the_documented_ones(action: str, policy: str, values: set[str]) -> None:
    """The charts have edges for exactly the documented values."""
    assert values == set(load(action).values(policy))


# --- The job's own timeout -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "limit", "elapsed", "granted"),
    [
        ("300", "300", 0, 240),
        ("300", " 300 ", 100, 140),
        ("300", "300", 290, 10),
        ("300", "300", 9000, 10),
        ("300", "300", -500, 240),
        ("11", "60", 0, 10),
    ],
)
def test_run_ends_before_the_job_is_killed(asked: str, limit: str, elapsed: float, granted: float) -> None:
    """The run gets what the job's own timeout leaves, less a minute and at least 10 s, and a warning says so."""
    began = datetime.fromtimestamp(NOW - elapsed, UTC).isoformat()

    configured = read(FIVETRAN_TIMEOUT=asked, CI_JOB_TIMEOUT=limit, CI_JOB_STARTED_AT=began)

    assert granted == configured.settings.timeout
    assert str(granted) == configured.inputs["FIVETRAN_TIMEOUT"]
    [warning] = configured.warnings
    assert f"FIVETRAN_TIMEOUT is {asked} s" in warning
    assert f"{limit.strip()} s (CI_JOB_TIMEOUT): the run gets {granted} s" in warning


@pytest.mark.parametrize(
    ("asked", "limit", "began"),
    [
        ("300", "3600", STARTED_AT),
        ("300", "360", STARTED_AT),
        ("300", "360", ""),
        ("300", "360", "yesterday"),
        ("9", "60", STARTED_AT),
        ("300", "", STARTED_AT),
        ("300", "an hour", STARTED_AT),
    ],
)
def test_timeout_that_fits_the_job_is_left_alone(asked: str, limit: str, began: str) -> None:
    """Where the job's own timeout leaves enough, or is not known, the run gets what it asks for."""
    configured = read(FIVETRAN_TIMEOUT=asked, CI_JOB_TIMEOUT=limit, CI_JOB_STARTED_AT=began)

    assert float(asked) == configured.settings.timeout
    assert configured.warnings == ()


# --- Warnings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, "false") for name in FLAGS), *(("FIVETRAN_UNPAUSE", value) for value in ("False", "0", "no", "OFF"))],
)
def test_false_counts_as_set_with_a_warning(name: str, value: str) -> None:
    """Where any value turns it on, "false" does too, and a warning says how to turn it off."""
    configured = read(**{name: value})

    assert read(**{name: "yes"}).settings == configured.settings
    assert (f"{name} is {value!r}, but any value turns it on; to turn it off, leave it empty",) == configured.warnings


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("FIVETRAN_TIME_OUT", "FIVETRAN_TIMEOUT"),
        ("FIVETRAN_ON_RUNING", "FIVETRAN_ON_RUNNING"),
        ("FIVETRAN_CONNECTER_ID", "FIVETRAN_CONNECTOR_ID"),
    ],
)
def test_misspelt_variable_is_warned_about(misspelt: str, meant: str) -> None:
    """A variable that nearly has the name of one is pointed out, without its value."""
    warnings = read(**{misspelt: "hunter2"}).warnings

    assert (f"unknown variable {misspelt}. Did you mean {meant}?",) == warnings


@pytest.mark.parametrize(
    ("name", "seconds"), [("FIVETRAN_TIMEOUT", 5400), ("FIVETRAN_POLL_INTERVAL", 2.5), ("FIVETRAN_HTTP_TIMEOUT", 90)]
)
def test_duration_has_units(name: str, seconds: float) -> None:
    """Every variable that takes a duration takes it as seconds and with units."""
    setting = name.removeprefix("FIVETRAN_").lower()

    assert getattr(read(**{name: f"{seconds}"}).settings, setting) == seconds
    assert getattr(read(**{name: f" {seconds / 60} Min "}).settings, setting) == seconds


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("CONECTOR_ID", "speak_inexpensive", "CONNECTOR_ID: not set, but CONECTOR_ID is: set it to the id "),
        ("CONNECTION_ID", "speak_inexpensive", "CONNECTOR_ID: not set, but CONNECTION_ID is: "),
        ("CONECTOR_ID", " ", "CONNECTOR_ID: not set: "),
        ("SELECTOR_ID", "1", "CONNECTOR_ID: not set: "),
    ],
)
def test_misspelt_connector_id_is_pointed_out(name: str, value: str, problem: str) -> None:
    """Where CONNECTOR_ID is missing, a variable that nearly has its name is pointed out, without its value."""
    [line] = refusal(CONNECTOR_ID="", **{name: value}).errors

    assert line.startswith(problem)
    assert "speak_inexpensive" not in line.partition("set it to")[0]


@pytest.mark.parametrize("name", ["FIVETRAN_ACCOUNT", "TIMEOUT", "PATH"])
def test_other_variables_are_ignored(name: str) -> None:
    """A variable of another program causes no warning."""
    assert read(**{name: "1"}).warnings == ()


def test_warnings_come_with_the_errors(simulate: Simulate) -> None:
    """A job that is refused tells its warnings too."""
    played = simulate().play(FIVETRAN_TIMEOUT="", FIVETRAN_TIME_OUT="9", FIVETRAN_UNPAUSE="false", CONNECTOR_ID="")

    assert "Did you mean FIVETRAN_TIMEOUT?" in played.stderr
    assert "FIVETRAN_UNPAUSE is 'false'" in played.stderr
    assert (played.code, played.requests) == (2, [])


# --- Where results go ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "directory"),
    [
        ({}, ""),
        ({"CI": "true"}, "dataops/report/fivetran"),
        ({"CI": "true", "FIVETRAN_REPORT_DIR": ""}, ""),
        ({"CI": "true", "FIVETRAN_REPORT_DIR": " \n"}, ""),
        ({"CI": "true", "FIVETRAN_REPORT_DIR": "there\n"}, "there"),
        ({"FIVETRAN_REPORT_DIR": "there"}, "there"),
    ],
)
def test_results_go_where_they_are_wanted(variables: dict[str, str], directory: str) -> None:
    """Results go to the directory named, in CI to a default one, and nowhere when it is empty."""
    configured = read(**variables)

    assert directory == configured.settings.report_dir
    assert directory == configured.inputs["FIVETRAN_REPORT_DIR"]
    assert directory == report_dir(variables)


@pytest.mark.parametrize("given", ["$DIR", "${DIR}/report", "DATAOPS_VAULT(JOB.DIR)"])
def test_no_directory_is_named_after_a_reference(given: str) -> None:
    """The report of a refused job goes nowhere when the directory's name is not known."""
    assert report_dir({"FIVETRAN_REPORT_DIR": given}) == ""


# --- The vault -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", GIVEN)
def test_reference_is_as_good_as_the_value(tmp_path: Path, name: str) -> None:
    """Any variable may be DATAOPS_VAULT(A.B.C), and what is shown of it is the reference."""
    reference = f"DATAOPS_VAULT(JOB.{name})"
    vault = vault_in(tmp_path, **{name: GIVEN[name]})
    expected = configure(GIVEN)

    actual = configure({**GIVEN, name: reference, "FIVETRAN_VAULT_FILE": vault})

    assert expected.settings == actual.settings
    assert actual.inputs[name] == (reference if name != "FIVETRAN_ACTION" else GIVEN[name])


@pytest.mark.parametrize("name", ["FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"])
@pytest.mark.parametrize("text", ["a", "seven-c"])
def test_short_pair_is_refused(name: str, text: str) -> None:
    """A key or secret that is too short to be masked is refused, and not shown."""
    error = refusal(**{name: text})

    assert error.errors == [f"{name}: is shorter than 8 characters: copy the whole value again"]


def test_encoded_pair_is_split() -> None:
    """Base64 of key and secret in FIVETRAN_API_KEY alone is both, with a note, and is a secret, too."""
    encoded = base64.b64encode(b"a-key-of-ours:a-secret:with-colon").decode()

    configured = read(FIVETRAN_API_KEY=encoded, FIVETRAN_API_SECRET="", SET_FIVETRAN_KEYS_TO_ENV="")

    assert (configured.settings.api_key, configured.settings.api_secret) == ("a-key-of-ours", "a-secret:with-colon")
    assert configured.secrets == (encoded,)
    assert configured.inputs["FIVETRAN_API_SECRET"] == "*** (from FIVETRAN_API_KEY)"
    assert "FIVETRAN_API_KEY is Base64 of key:secret: both are taken from it" in configured.warnings


@pytest.mark.parametrize(
    ("decoded", "more", "expected"),
    [
        (b"a-key-of-ours:a-secret-of-ours", {"FIVETRAN_API_SECRET": "given-by-hand"}, "is Base64 of key:secret"),
        (b"a-key-of-ours:a-secret-of-ours", {"SET_FIVETRAN_KEYS_TO_ENV": "1"}, "not set, but FIVETRAN_API_KEY is"),
        (b"a-key-of-ours:a-secret-of-ours", {"FIVETRAN_API_SECRET": "$OTHER"}, "is an unresolved variable reference"),
        (b"a-key-of-ours:", {}, "not set, but FIVETRAN_API_KEY is"),
        (b":a-secret-of-ours", {}, "not set, but FIVETRAN_API_KEY is"),
        (b"no colon in it", {}, "not set, but FIVETRAN_API_KEY is"),
        (b"a-key-of-ours:short", {}, "is shorter than 8 characters"),
    ],
)
def test_encoded_pair_is_not_split_otherwise(decoded: bytes, more: dict[str, str], expected: str) -> None:
    """Where a secret is given, too, the vault is asked for or a half is missing, it stays an error."""
    alone = {"FIVETRAN_API_SECRET": "", "SET_FIVETRAN_KEYS_TO_ENV": "", **more}

    error = refusal(FIVETRAN_API_KEY=base64.b64encode(decoded).decode(), **alone)

    assert any(expected in line for line in error.errors)


def test_vault_values_that_are_not_shown_are_secret(tmp_path: Path) -> None:
    """What a reference resolves to is masked, unless the job has to say what it works on."""
    values = {"KEY": "a-key-of-ours", "SECRET": "a-secret-of-ours", "FLAG": "flag-of-ours", "URL": "https://a.example"}
    vault = vault_in(tmp_path, **values, TABLE="orders")
    references = {
        "FIVETRAN_API_KEY": "KEY",
        "FIVETRAN_API_SECRET": "SECRET",
        "FIVETRAN_UNPAUSE": "FLAG",
        "FIVETRAN_API_URL": "URL",
        "TABLE": "TABLE",
    }
    names = {name: f"DATAOPS_VAULT(JOB.{path})" for name, path in references.items()}

    configured = read(FIVETRAN_VAULT_FILE=vault, **names)

    assert set(configured.secrets) == set(values.values())


def test_several_references_are_looked_up_in_one_vault(tmp_path: Path) -> None:
    """Key and secret may both be references, with keys like numbers and values with zeros before them."""
    file = tmp_path / "vault.yml"
    file.write_text("2024:\n  prod-eu (new:\n    KEY: 01234567\n    SECRET: 1e30000000\n", "utf-8")
    references = {
        "FIVETRAN_API_KEY": "DATAOPS_VAULT(2024.prod-eu (new.KEY)",
        "FIVETRAN_API_SECRET": "DATAOPS_VAULT(2024.prod-eu (new.SECRET)",
    }

    configured = read(FIVETRAN_VAULT_FILE=str(file), **references)

    assert (configured.settings.api_key, configured.settings.api_secret) == ("01234567", "1e30000000")
    assert references == {name: configured.inputs[name] for name in references}
    assert str(file) == configured.inputs["FIVETRAN_VAULT_FILE"]


@pytest.mark.parametrize("spelling", ["API_SECRET", "SECRET"])
def test_pair_comes_from_the_vault_if_asked_for(simulate: Simulate, tmp_path: Path, spelling: str) -> None:
    """SET_FIVETRAN_KEYS_TO_ENV takes the pair from the vault, with either spelling of the secret."""
    (tmp_path / "vault.yml").write_text(f"FIVETRAN:\n DEFAULT:\n  API_KEY: {KEY}\n  {spelling}: {SECRET}\n", "utf-8")

    played = simulate(over_http=True).play(
        FIVETRAN_API_KEY="",
        FIVETRAN_API_SECRET="",
        SET_FIVETRAN_KEYS_TO_ENV="1",
        DATAOPS_SECRETS_DIR=str(tmp_path),
        GITLAB_CI="true",
    )

    assert played.code == 0, played.stderr
    assert "FIVETRAN_API_SECRET=*** (from the vault)" in played.stderr
    assert KEY not in played.stderr
    assert SECRET not in played.stderr


def from_vault(tmp_path: Path, text: str, **more: str) -> dict[str, str]:
    """Variables that take the pair from a vault with this text."""
    file = tmp_path / "vault.yml"
    file.write_text(text, "utf-8")
    pair = {"FIVETRAN_API_KEY": "", "FIVETRAN_API_SECRET": "", "SET_FIVETRAN_KEYS_TO_ENV": "1"}
    return {**pair, "FIVETRAN_VAULT_FILE": str(file), **more}


def test_both_spellings_of_the_secret_are_named(tmp_path: Path) -> None:
    """Where the vault lacks key and secret, both are reported, the secret with both of its spellings."""
    error = refusal(**from_vault(tmp_path, "FIVETRAN: {DEFAULT: {API_KEY: ' '}}"))

    lack = f"SET_FIVETRAN_KEYS_TO_ENV: the vault {tmp_path / 'vault.yml'} has no value at"
    fix = "add it, or correct the name"
    assert error.errors == [
        f"{lack} FIVETRAN.DEFAULT.API_KEY: {fix}",
        f"{lack} FIVETRAN.DEFAULT.API_SECRET or FIVETRAN.DEFAULT.SECRET: {fix}",
    ]


@pytest.mark.parametrize(
    ("pair", "name", "problem"),
    [
        ("API_KEY: hunter2-and-on, SECRET: hunter2-and-on", "FIVETRAN_API_SECRET", "is the same as FIVETRAN_API_KEY"),
        ("API_KEY: hunter 2, SECRET: another-secret", "FIVETRAN_API_KEY", "contains a space"),
        (
            f"API_KEY: {base64.b64encode(b'hunter2:b').decode()}, SECRET: another-one",
            "FIVETRAN_API_KEY",
            "is Base64",
        ),
    ],
)
def test_pair_of_the_vault_is_checked_like_any_other(tmp_path: Path, pair: str, name: str, problem: str) -> None:
    """A wrong pair is refused wherever it comes from, and not shown."""
    error = refusal(**from_vault(tmp_path, f"FIVETRAN: {{DEFAULT: {{{pair}}}}}"))

    [line] = error.errors
    assert line.startswith(f"{name}: {problem}")
    assert "hunter" not in line


def test_explicit_pair_wins_over_the_vault(tmp_path: Path) -> None:
    """A pair that is set is used, and the vault is not even opened."""
    configured = read(SET_FIVETRAN_KEYS_TO_ENV="1", FIVETRAN_VAULT_FILE=str(tmp_path / "missing.yml"))

    assert (configured.settings.api_key, configured.settings.api_secret) == ("a-key-of-ours", "a-secret-of-ours")
    assert "FIVETRAN_VAULT_FILE" not in configured.inputs


@pytest.mark.parametrize("missing", ["FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"])
def test_pair_is_never_mixed(tmp_path: Path, missing: str) -> None:
    """Half a pair is refused, although the vault has the other half."""
    variables = from_vault(tmp_path, "FIVETRAN: {DEFAULT: {API_KEY: a, API_SECRET: b}}")
    [other] = {"FIVETRAN_API_KEY", "FIVETRAN_API_SECRET"} - {missing}

    error = refusal(**{**variables, other: "given-by-hand"})

    [line] = error.errors
    assert line.startswith(f"{missing}: not set, but {other} is: ")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "does not exist"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162", "is encrypted"),
        ("FIVETRAN.DEFAULT.API_KEY: hunter2\nFIVETRAN.DEFAULT.API_SECRET: hunter2\n", "is flat"),
        ("hunter2: [", "is not valid YAML in line 1"),
        ("- hunter2\n", "is not a mapping"),
    ],
)
def test_unusable_vault_is_reported_once(simulate: Simulate, tmp_path: Path, text: str | None, problem: str) -> None:
    """A vault that cannot be used ends the job before any request, in one line however often it is needed."""
    file = tmp_path / "vault.yml"
    if text is not None:
        file.write_text(text, "utf-8")
    references = {name: f"DATAOPS_VAULT(JOB.{name})" for name in GIVEN if name != "FIVETRAN_REPORT_DIR"}

    played = simulate(Scenario(variables=references)).play("FORCE_RESYNC", FIVETRAN_VAULT_FILE=str(file))

    assert (played.code, played.requests) == (2, [])
    assert played.report is not None
    [reason] = played.report["reasons"]
    assert f"requires the vault {file}, which {problem}" in reason
    assert "hunter" not in played.stderr


@pytest.mark.parametrize("name", GIVEN)
def test_reference_to_nothing_is_reported_once(tmp_path: Path, name: str) -> None:
    """A reference that the vault has nothing for is one error, with the variable, the vault and the path in it."""
    vault = vault_in(tmp_path, OTHER="hunter2")

    error = refusal(**{name: "DATAOPS_VAULT(JOB.MISSING)", "FIVETRAN_VAULT_FILE": vault})

    assert [f"{name}: the vault {vault} has no value at JOB.MISSING: add it, or correct the name"] == error.errors


def test_vault_has_a_default_place() -> None:
    """Without a word about it, the vault is /secrets/vault.yml."""
    error = refusal(FIVETRAN_STATE_FILE="DATAOPS_VAULT(A.B)", FIVETRAN_VAULT_FILE="", DATAOPS_SECRETS_DIR="")

    assert "the vault /secrets/vault.yml" in str(error)


# --- Secrets ---------------------------------------------------------------------------------------


PAGE = "https://fivetran.com/dashboard/connections/speak_inexpensive"


@pytest.mark.parametrize(
    "given",
    [
        PAGE,
        f"{PAGE}/",
        f"{PAGE}/status?requiredGroup=projected_sickle&syncChartPeriod=1+Day",
        f"{PAGE}#logs",
        "http://fivetran.com/dashboard/connectors/speak_inexpensive/setup",
        "fivetran.com/dashboard/connectors/speak_inexpensive/schema?x=connections/other",
        "/dashboard/connections/speak_inexpensive",
        "connections/speak_inexpensive",
        "https://api.fivetran.com/v1/connections/speak_inexpensive/sync",
        f"<{PAGE}>",
        f"[demo]({PAGE})",
        "'speak_inexpensive'",
        '"speak_inexpensive"',
        "`speak_inexpensive`",
        "\u201cspeak_inexpensive\u201d",
        "speak_inexpensive/",
        "speak_inexpensive.",
        "speak_inexpensive,",
        "\ufeffspeak_inexpensive",
        "speak_\u200binexpensive",
        "CONNECTOR_ID=speak_inexpensive",
        "connector_id: 'speak_inexpensive'",
        "connection_id=speak_inexpensive;",
    ],
)
def test_id_in_what_was_pasted(given: str) -> None:
    """Where an address, a quoted id or another text was pasted that holds the id, the message names it."""
    (error,) = refusal("START", CONNECTOR_ID=given).errors

    assert error.startswith("CONNECTOR_ID: ")
    assert error.endswith(" is not an id: set it to speak_inexpensive")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("finance.budget", "'finance.budget' is a connection's name, not its id"),
        ("a.b.c", "'a.b.c' is a connection's name, not its id"),
        ("https://fivetran.com/dashboard/connections", "'https://fivetran.com/dashboard/connections' is not an id"),
        ("https://fivetran.com/dashboard/connections/übel", "is not an id"),
        ("https://fivetran.com/connect-card?auth=hunter2", "'https://fivetran.com/connect-card' is not an id"),
        ("https://me:hunter2@fivetran.com/x", "'https://fivetran.com/x' is not an id"),
    ],
)
def test_what_holds_no_id_says_where_ids_are(given: str, problem: str) -> None:
    """A name, or an address of something else, is told where the id can be found, without what is secret in it."""
    (error,) = refusal("START", CONNECTOR_ID=given).errors

    assert f"{problem}: use the id that the connection's Setup tab or `fivetran-orchestrator list` shows" in error
    assert "hunter2" not in error


def test_id_from_the_vault_is_not_named(tmp_path: Path) -> None:
    """What a vault reference resolves to is in no message, an id among it neither."""
    vault = vault_in(tmp_path, ID=PAGE)

    (error,) = refusal("START", CONNECTOR_ID="DATAOPS_VAULT(JOB.ID)", FIVETRAN_VAULT_FILE=vault).errors

    assert "the value of DATAOPS_VAULT(JOB.ID) is not an id: use the id that" in error
    assert "speak_inexpensive/" not in error


@pytest.mark.parametrize("action", ["FORCE_RESYNC", "DATAOPS_VAULT(JOB.WRONG)"])
@pytest.mark.parametrize("secret", ["hunter2!", "-hunter2 7", "http://hunter2.example", "a:hunter2@b", "hunter2\\a"])
def test_content_of_the_vault_is_in_no_message(tmp_path: Path, secret: str, action: str) -> None:
    """Variables that were pointed at the wrong text in the vault are refused without showing it."""
    references = dict.fromkeys(GIVEN, "DATAOPS_VAULT(JOB.WRONG)")
    vault = vault_in(tmp_path, WRONG=secret)

    error = refusal(action, **{**references, "FIVETRAN_ACTION": action, "FIVETRAN_VAULT_FILE": vault})

    assert "CONNECTOR_ID: the value of DATAOPS_VAULT(JOB.WRONG) is not an id" in str(error)
    assert "hunter2" not in str([*error.errors, *error.warnings])


@pytest.mark.parametrize(
    "wrong",
    [
        {"FIVETRAN_API_KEY": "hunter2 hunter2"},
        {"FIVETRAN_API_KEY": "'hunter2'"},
        {"FIVETRAN_API_KEY": "hunter2", "FIVETRAN_API_SECRET": "hunter2"},
        {"FIVETRAN_API_KEY": "hunter2", "FIVETRAN_API_SECRET": ""},
        {"FIVETRAN_API_SECRET": "hunter2 DATAOPS_VAULT(A.B)"},
        {"FIVETRAN_API_SECRET": "$hunter2"},
        {"FIVETRAN_API_URL": "https://user:hunter2@a.example"},
        {"FIVETRAN_API_URL": "https://user:hunter2@a.example:port"},
        {"FIVETRAN_API_URL": "//hunter2@[a"},
        {"FIVETRAN_API_KEYS": "hunter2", "CONNECTOR_ID": ""},
    ],
)
def test_secrets_are_in_no_error_and_no_warning(wrong: dict[str, str]) -> None:
    """No refusal shows a secret, whatever is wrong with it."""
    error = refusal(**wrong)

    assert error.errors
    assert "hunter2" not in str([error, *error.errors, *error.warnings])


def test_secrets_are_not_among_the_inputs() -> None:
    """The effective inputs name key and secret, and show neither; nor do the settings."""
    configured = configure(GIVEN)

    assert {"***"} == {configured.inputs["FIVETRAN_API_KEY"], configured.inputs["FIVETRAN_API_SECRET"]}
    shown = f"{configured!r}"
    assert GIVEN["FIVETRAN_API_KEY"] not in shown
    assert GIVEN["FIVETRAN_API_SECRET"] not in shown


def test_inputs_are_the_effective_values() -> None:
    """What is shown at the start is what holds: defaults, second names and all."""
    inputs = read("START", CONNECTOR_ID="", FIVETRAN_CONNECTOR_ID="other", FIVETRAN_POLL_INTERVAL="3").inputs

    assert inputs["CONNECTOR_ID"] == "other"
    assert inputs["FIVETRAN_POLL_INTERVAL"] == "3"
    assert inputs["FIVETRAN_HTTP_TIMEOUT"] == "30"


# --- What a run may do about a broken connection, evidence and the schedule --------------------------


@pytest.mark.parametrize("action", ["START", "FORCE_RESYNC"])
def test_on_broken(action: str) -> None:
    """FIVETRAN_ON_BROKEN has the values that the chart has edges for."""
    settings = read(action, FIVETRAN_ON_BROKEN="Sync").settings

    assert settings.policy("on_broken") == "sync"


@pytest.mark.parametrize("action", ["STATUS", "TEST"])
def test_on_broken_of_another_action(action: str) -> None:
    """An action whose chart has no choice for a broken connection ignores FIVETRAN_ON_BROKEN."""
    settings = read(action, FIVETRAN_ON_BROKEN="sync").settings

    assert "on_broken" not in dict(settings.policies)


def test_wrong_on_broken_is_refused() -> None:
    """A value of FIVETRAN_ON_BROKEN without an edge is refused, with those that there are."""
    (problem,) = refusal("START", FIVETRAN_ON_BROKEN="wait").errors

    assert problem.startswith("FIVETRAN_ON_BROKEN")
    assert "sync or fail" in problem


@pytest.mark.parametrize(("given", "expected"), [("1", "1"), ("red", "red"), ("RED", "red"), ("0", "0")])
def test_evidence(given: str, expected: str) -> None:
    """FIVETRAN_EVIDENCE is asked for always, for a red verdict, or never."""
    assert read("START", FIVETRAN_EVIDENCE=given).settings.evidence == expected


@pytest.mark.parametrize(("given", "expected"), [("", ""), ("1", "before"), ("auto", "auto"), ("Auto", "auto")])
def test_restore_schedule(given: str, expected: str) -> None:
    """FIVETRAN_RESTORE_SCHEDULE restores what was found; `auto` sets it to auto, whatever that was."""
    assert read("START", FIVETRAN_RESTORE_SCHEDULE=given).settings.restore_schedule == expected
