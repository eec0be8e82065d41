"""`list`: what it shows of an account's connections, how it is told which, and what it says where it cannot."""

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from unittest import mock

import pytest
from in_process import sender
from simulated_job import Simulate, SimulatedJob

from orchestrator.cli import main
from orchestrator.job.configuration import ConfigurationError
from orchestrator.job.listing import account, list_connections, pages
from orchestrator.simulator.app import KEY, SECRET, Arrival
from orchestrator.simulator.scenario import Fault, Scenario
from orchestrator.values.exchange import Answer, Failure, Request

Capture = pytest.CaptureFixture[str]

ACCOUNT = Scenario(
    exists=False,
    neighbours=(
        {"id": "unwieldy_granite", "schema": "finance.budget", "service": "google_sheets", "succeeded_at": "null"},
        {"id": "speak_inexpensive", "schema": "demo"},
        {
            "id": "tacky_lionhearted",
            "schema": "CRM",
            "service": "salesforce",
            "schedule_type": "manual",
            "paused": True,
            "status": {"setup_state": "broken"},
        },
        {"id": "odd_one", "schema": "null", "service": 7, "schedule_type": "null", "status": {"setup_state": None}},
        {"id": "by_the_clock", "schema": "nightly", "schedule": {"schedule_type": "TIME_OF_DAY"}},
    ),
)


def variables(job: SimulatedJob, **more: str) -> dict[str, str]:
    """What `list` needs of the environment."""
    given = {"FIVETRAN_API_KEY": KEY, "FIVETRAN_API_SECRET": SECRET, "FIVETRAN_API_URL": job.url}
    return {**given, **more}


@pytest.fixture
def shown(simulate: Simulate, capsys: Capture) -> Callable[..., tuple[int, str, str]]:
    """List the connections of a simulated account: exit code, stdout, stderr."""

    def show(*arguments: str, scenario: Scenario = ACCOUNT, **more: str) -> tuple[int, str, str]:
        job = simulate(scenario, over_http=True)
        code = main(["list", *arguments], variables(job, **more))
        return code, *capsys.readouterr()

    return show


Shown = Callable[..., tuple[int, str, str]]


# --- What it shows ------------------------------------------------------------------------------


def test_table(shown: Shown) -> None:
    """A row a connection, by name, in columns: what of it is missing or odd does no harm."""
    code, out, err = shown()

    assert (code, err) == (0, "")
    assert (
        out
        == """\
ID                 NAME            SERVICE        STATE            SCHEDULE         LAST SUCCESS
tacky_lionhearted  CRM             salesforce     broken, paused   manual           2027-01-15 02:00Z (6 h ago)
speak_inexpensive  demo            postgres       connected, idle  auto, every 6 h  2027-01-15 02:00Z (6 h ago)
unwieldy_granite   finance.budget  google_sheets  connected, idle  auto, every 6 h  never
by_the_clock       nightly         postgres       connected, idle  time of day      2027-01-15 02:00Z (6 h ago)
odd_one            -               7              -, idle          -                2027-01-15 02:00Z (6 h ago)
"""
    )


def test_json(shown: Shown) -> None:
    """The same as JSON, in the words of result.json."""
    code, out, err = shown("--json", "demo")

    assert (code, err) == (0, "1 of 5 connections match 'demo'\n")
    assert json.loads(out) == [
        {
            "id": "speak_inexpensive",
            "name": "demo",
            "service": "postgres",
            "group_id": "projected_sickle",
            "setup_state": "connected",
            "sync_state": "scheduled",
            "schedule_type": "auto",
            "sync_frequency": 360,
            "succeeded_at": "2027-01-15T02:00:00.000000Z",
            "failed_at": "2027-01-14T02:00:00.000000Z",
            "page": "https://fivetran.com/dashboard/connections/speak_inexpensive",
        }
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("inexp", ["speak_inexpensive"]),
        ("crm", ["tacky_lionhearted"]),
        ("SALES", ["tacky_lionhearted"]),
        ("finance.*", ["unwieldy_granite"]),
        ("*sheets", ["unwieldy_granite"]),
        ("post*", ["speak_inexpensive", "by_the_clock"]),
        ("post?", []),
        ("[cn]*", ["tacky_lionhearted", "by_the_clock"]),
        ("zebra", []),
    ],
)
def test_pattern(shown: Shown, pattern: str, expected: list[str]) -> None:
    """Id, name or service has the pattern, in any case; with a sign of a glob all of it has to match."""
    code, out, err = shown(pattern)

    assert (code, err) == (0, f"{len(expected)} of 5 connections match {pattern!r}\n")
    assert [line.split()[0] for line in out.splitlines()[1:]] == expected


@pytest.mark.parametrize(
    ("arguments", "empty", "said"),
    [
        ([], "", "this API key can see no connection\n"),
        (["--json"], "[]\n", "this API key can see no connection\n"),
    ],
)
def test_nothing_to_show(shown: Shown, arguments: list[str], empty: str, said: str) -> None:
    """An account without connections says so, and is no failure."""
    assert shown(*arguments, scenario=Scenario(exists=False)) == (0, empty, said)


def test_group(shown: Shown) -> None:
    """--group asks for the connections of one group."""
    scenario = replace(ACCOUNT, neighbours=(*ACCOUNT.neighbours, {"id": "far_away", "group_id": "another"}))

    code, out, _ = shown("--group", "another", scenario=scenario)

    assert (code, [line.split()[0] for line in out.splitlines()[1:]]) == (0, ["far_away"])


def test_empty_group(simulate: Simulate, capsys: Capture) -> None:
    """A group without connections is named."""
    job = simulate(ACCOUNT, over_http=True)

    with mock.patch("orchestrator.fivetran.client.Client.send", return_value=Answer(data={"items": []})):
        code = main(["list", "--group", "lonely"], variables(job))

    assert (code, capsys.readouterr().err) == (0, "this API key can see no connection of the group lonely\n")


def test_names_steer_no_terminal(shown: Shown) -> None:
    """What a name has of control characters and of secrets is not shown."""
    names = ({"id": "one", "schema": f"a\x1b[31mb\nc{SECRET}"},)

    _, table, _ = shown(scenario=Scenario(exists=False, neighbours=names))
    _, as_json, _ = shown("--json", scenario=Scenario(exists=False, neighbours=names))

    assert table.splitlines()[1].split()[:3] == ["one", "a[31mb", "c***"]
    assert SECRET not in as_json


# --- Many pages, large pages, pages without end ---------------------------------------------------


def test_all_pages_are_read(shown: Shown) -> None:
    """More than a thousand connections come in pages, and the number so far is said meanwhile."""
    many = tuple({"id": f"id_{number:04}"} for number in range(2001))

    code, out, err = shown(scenario=Scenario(exists=False, neighbours=many))

    assert (code, len(out.splitlines())) == (0, 2002)
    assert err == ("1,000 connections so far; reading the next page\n2,000 connections so far; reading the next page\n")


def test_page_that_is_too_large(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a page is larger than an answer may be, smaller ones are asked for."""
    monkeypatch.setattr("orchestrator.fivetran.client.LARGEST", 9_000)
    many = tuple({"id": f"id_{number:02}"} for number in range(25))

    code, out, _ = shown(scenario=Scenario(exists=False, neighbours=many))

    assert (code, len(out.splitlines())) == (0, 26)


def test_document_that_is_too_large(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where one document alone is larger than that, it cannot be listed."""
    monkeypatch.setattr("orchestrator.fivetran.client.LARGEST", 100)

    code, _, err = shown()

    assert code == 6
    assert "could not list the connections: 200: the answer is too large" in err


def test_pages_that_come_round() -> None:
    """A listing that leads back to a page that was there before is not followed for ever."""
    answers = {"": "one", "one": "two", "two": "one"}
    asked: list[str] = []

    def ask(request: Request) -> Answer:
        cursor = request.path.partition("cursor=")[2]
        asked.append(cursor)
        return Answer(data={"items": [], "next_cursor": answers[cursor]})

    with pytest.raises(Failure, match="no end"):
        list(pages(ask))

    assert asked == ["", "one", "two"]


@pytest.mark.parametrize("cursor", [None, "", 7, {}])
def test_last_page(cursor: object) -> None:
    """A page without a cursor, or with what is none, is the last."""
    assert len(list(pages(lambda _: Answer(data={"next_cursor": cursor})))) == 1


def test_cursor_is_sent_as_it_came() -> None:
    """Whatever signs a cursor has, it is one member of the query."""
    asked: list[str] = []

    def ask(request: Request) -> Answer:
        asked.append(request.path)
        return Answer(data={} if asked[1:] else {"next_cursor": "a&limit=1/+="})

    list(pages(ask, "projected_sickle"))

    assert asked[1] == "/v1/groups/projected_sickle/connections?limit=1000&cursor=a%26limit%3D1%2F%2B%3D"


# --- What stands in the way -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "more", "problem"),
    [
        ([], {"FIVETRAN_API_KEY": ""}, "FIVETRAN_API_KEY: not set, but FIVETRAN_API_SECRET is"),
        ([], {"FIVETRAN_API_URL": "example.com"}, "FIVETRAN_API_URL: 'example.com' is not a valid address"),
        (["--http-timeout", "soon"], {}, "FIVETRAN_HTTP_TIMEOUT: 'soon' is not"),
        (["--group", "../x"], {}, "--group: what is given is not a group's id"),
    ],
)
def test_wrong_variable(shown: Shown, arguments: list[str], more: dict[str, str], problem: str) -> None:
    """A missing or wrong variable or flag is named in a line, with exit code 2, before any request."""
    code, out, err = shown(*arguments, **more)

    assert (code, out) == (2, "")
    assert err.startswith(problem)


def test_warnings_come_before_errors() -> None:
    """What was noticed besides is told, too."""
    with pytest.raises(ConfigurationError) as refused:
        account({"SET_FIVETRAN_KEYS_TO_ENV": "no", "FIVETRAN_API_URL": "https://example.com"})

    assert "is not a Fivetran host" in refused.value.warnings[-1]


def test_flags_win(shown: Shown) -> None:
    """A flag wins over its variable."""
    assert shown("--api-key", KEY, FIVETRAN_API_KEY="another-key")[0] == 0


def test_warning(shown: Shown) -> None:
    """What is odd about the variables is said, and lists all the same."""
    code, _, err = shown(SET_FIVETRAN_KEYS_TO_ENV="false")

    assert code == 0
    assert err.startswith("SET_FIVETRAN_KEYS_TO_ENV is 'false', but any value turns it on")


def _answer(status: int, code: str, **headers: str) -> Fault:
    return Fault(on="listing", status=status, code=code, message="said so", times=0, headers=headers)


@pytest.mark.parametrize(
    ("fault", "expected", "failure", "hint"),
    [
        (_answer(401, "Unauthorized"), 3, "401 Unauthorized: said so", "check FIVETRAN_API_KEY"),
        (_answer(403, "Forbidden"), 3, "403 Forbidden: said so", "may read connections"),
        (_answer(404, "NotFound_Group"), 4, "404 NotFound_Group: said so", "check --group"),
        (_answer(404, "NotFound"), 7, "404 NotFound: said so", "check FIVETRAN_API_URL"),
        (
            _answer(429, "TooManyRequests", **{"Retry-After": "90"}),
            6,
            "429 TooManyRequests: said so",
            "try again in 1 min 30 s (Retry-After): the limit is the account's",
        ),
        (_answer(429, "TooManyRequests"), 6, "429", "try again later: the limit is the account's"),
        (_answer(503, "Unavailable"), 6, "503 Unavailable: said so", "status.fivetran.com"),
        (Fault(on="listing", does="hang"), 6, "no answer within 0.2 s", "status.fivetran.com"),
    ],
)
def test_failure(simulate: Simulate, capsys: Capture, fault: Fault, expected: int, failure: str, hint: str) -> None:
    """A request that fails is told once, with what to do, and with the exit code of a job; it is not repeated."""
    job = simulate(replace(ACCOUNT, faults=(fault,)), over_http=True)

    code = main(["list"], variables(job, FIVETRAN_HTTP_TIMEOUT="0.2" if fault.does == "hang" else ""))

    printed = capsys.readouterr()
    assert (code, printed.out, job.requests) == (expected, "", ["listing"])
    first, second = printed.err.splitlines()
    assert first.startswith(f"could not list the connections: {failure}")
    assert hint in second


def test_nobody_listens(shown: Shown) -> None:
    """A host that cannot be reached is named as in a job."""
    code, _, err = shown(FIVETRAN_API_URL="http://127.0.0.1:9")

    assert code == 6
    assert "could not list the connections: cannot reach 127.0.0.1:9: connect failed: connection refused" in err


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal(simulate: Simulate, capsys: Capture, number: int, expected: int) -> None:
    """A signal ends it at once, with the exit code of a job."""
    job = simulate(replace(ACCOUNT, faults=(Fault(on="listing", does="hang"),)), over_http=True)

    def kill(_: Arrival) -> None:
        os.kill(os.getpid(), number)

    job.on_request = kill
    job.clock.speed = 1.0

    code = main(["list"], variables(job))

    assert (code, capsys.readouterr().err) == (expected, "could not list the connections: stopped by a signal\n")


def test_time_is_up(simulate: Simulate) -> None:
    """FIVETRAN_TIMEOUT bounds all pages together."""
    many = tuple({"id": f"id_{number:04}"} for number in range(2001))
    job = simulate(Scenario(exists=False, neighbours=many, latency=8.0))
    about = account(variables(job, FIVETRAN_TIMEOUT="15", FIVETRAN_HTTP_TIMEOUT="10"))

    with (
        mock.patch("orchestrator.job.listing.bounded", sender(job.simulator, KEY, SECRET)),
        pytest.raises(Failure, match="no answer within 7 s"),
    ):
        list_connections(about, "", job.clock, lambda _: None, lambda _: None)


def test_time_was_up(simulate: Simulate) -> None:
    """After it nothing more is asked."""
    many = tuple({"id": f"id_{number:04}"} for number in range(2001))
    job = simulate(Scenario(exists=False, neighbours=many))
    about = account(variables(job, FIVETRAN_TIMEOUT="15"))

    with (
        mock.patch("orchestrator.job.listing.bounded", sender(job.simulator, KEY, SECRET)),
        pytest.raises(Failure, match="timed out after 15 s"),
    ):
        list_connections(about, "", job.clock, lambda _: job.clock.sleep(20), lambda _: None)

    assert job.requests == ["listing"]
