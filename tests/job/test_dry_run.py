"""`run --dry-run`: what it says a job would do; nothing but GETs ever arrives, and nothing is written."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from in_process import sender
from simulated_job import Simulate, SimulatedJob

from orchestrator.cli import main
from orchestrator.job.dry_run import dry_run, only_reading
from orchestrator.machine.actions import ACTIONS
from orchestrator.simulator.app import KEY, SECRET, Arrival, Simulator
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan, load_scenario, names
from orchestrator.values.exchange import Answer, Request

Capture = pytest.CaptureFixture[str]

PATCH = "PATCH /v1/connections/speak_inexpensive"
POST = "POST /v1/connections/speak_inexpensive"
SWITCH = (
    f"would  switch the connection to a manual schedule: {PATCH} "
    '{"schedule_type": "manual", "run_setup_tests": false}'
)
UNPAUSE = (
    f'would  un-pause the connection: {PATCH} {{"paused": false, "schedule_type": "manual", "run_setup_tests": false}}'
)
SYNC = f'would  start a sync: {POST}/sync {{"force": false}}'
FOUND = (
    "found  speak_inexpensive (postgres): connected, idle, last success 6 h ago, last failure 1 d ago, schedule auto"
)
RESYNC = f'would  start a historical re-sync of the table: {POST}/schemas/tables/resync {{"public": ["orders"]}}'
DIFFERENT = (
    "differs: schedule_type is manual, in the connection's own document auto; "
    "failed_at is not there, in the connection's own document 2027-01-14T02:00:00.000000Z"
)
POLL = "would  poll every 10 s until the sync has ended, for at most 5 min (FIVETRAN_TIMEOUT)"


class Told(NamedTuple):
    """What a dry run came to."""

    code: int
    plan: list[str]  # the lines before the checklist
    checks: dict[str, str]
    err: str
    requests: list[str]


Try = Callable[..., Told]


@pytest.fixture
def tried(simulate: Simulate, capsys: Capture) -> Try:
    """Do a dry run against a scenario."""

    def do(action: str = "START", scenario: Scenario | str | SimulatedJob | None = None, **more: str) -> Told:
        job = scenario if isinstance(scenario, SimulatedJob) else simulate(scenario)
        capsys.readouterr()
        variables = job.variables(action, **more)
        pair = variables["FIVETRAN_API_KEY"], variables["FIVETRAN_API_SECRET"]
        with mock.patch("orchestrator.job.dry_run.bounded", sender(job.simulator, *pair)):
            code = dry_run(variables, job.clock)
        out, err = capsys.readouterr()
        assert {seen.method for seen in job.simulator.seen} <= {"GET"}
        assert list(job.folder.iterdir()) == []
        plan, _, checks = out.partition("\nchecked against this account:\n")
        listed = [line.strip().partition("  ") for line in checks.splitlines() if line.startswith("  ")]
        return Told(
            code,
            [line.strip() for line in plan.splitlines()[1:] if line.startswith("  ")],
            {name: text.strip() for name, _, text in listed},
            err,
            job.requests,
        )

    return do


# --- Nothing is changed -------------------------------------------------------------------------


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("name", names())
def test_nothing_but_gets_arrives(tried: Try, simulate: Simulate, name: str, action: str) -> None:
    """Whatever happens at Fivetran, no action changes anything, writes anything, or ends otherwise than a job would."""
    scenario = load_scenario(name)

    told = tried(action, scenario)

    real = simulate(scenario)
    played = real.play(action)
    if played.code != 0 and {seen.method for seen in real.simulator.seen} == {"GET"}:
        assert told.code == played.code
    elif {"sync", "resync"} & {*played.requests}:
        assert told.code == 0


@pytest.mark.parametrize("policy", ["wait", "attach", "restart", "fail"])
@pytest.mark.parametrize("unpause", ["", "1"])
@pytest.mark.parametrize("restore", ["", "1", "auto"])
@pytest.mark.parametrize("paused", [True, False])
def test_nothing_is_changed_however_much_is_allowed(
    tried: Try, policy: str, unpause: str, restore: str, *, paused: bool
) -> None:
    """The variables that allow changes have them told, and none of them made."""
    scenario = Scenario(connection={"paused": paused}, running=None if paused else SyncPlan(lasts=500))
    policies = {"FIVETRAN_ON_RUNNING": policy, "FIVETRAN_UNPAUSE": unpause, "FIVETRAN_RESTORE_SCHEDULE": restore}

    told = tried("START", scenario, **policies)

    stops = (paused and not unpause) or (not paused and policy == "fail")
    assert told.code == (7 if stops else 0)


def test_only_gets_are_sent() -> None:
    """The one place where a dry run sends refuses everything but a GET."""
    sent: list[Request] = []

    def send(request: Request, _: float, __: bool) -> Answer:  # noqa: FBT001  # Send's form
        sent.append(request)
        return Answer()

    read = only_reading(send)

    for method in ("PATCH", "POST", "PUT", "DELETE"):
        with pytest.raises(ValueError, match=f"does not send {method} /x"):
            read(Request(method, "/x", "change it"), 1.0, True)  # noqa: FBT003  # Send's form
    assert isinstance(read(Request("GET", "/x", "read it"), 1.0, True), Answer)  # noqa: FBT003  # likewise
    assert [request.method for request in sent] == ["GET"]


# --- What it would do ---------------------------------------------------------------------------


def test_start(tried: Try) -> None:
    """START would switch the schedule, start a sync and wait for its end; the account has all there is."""
    told = tried()

    assert told.code == 0
    assert told.plan == [
        FOUND,
        SWITCH,
        SYNC,
        POLL,
    ]
    assert told.checks == {
        "sync history": "available",
        "active errors": "available",
        "Date header": "yes",
        "listing": "agrees with the connection's own document",
        "permissions": "to change anything: not tried",
    }
    assert told.requests == ["get", "history", "errors", "listing"]


@pytest.mark.parametrize(
    ("action", "scenario", "variables", "expected"),
    [
        ("START", Scenario(), {"FIVETRAN_DONT_DISABLE_SYNC": "1"}, [SYNC, POLL]),
        (
            "START",
            Scenario(),
            {"FIVETRAN_RESTORE_SCHEDULE": "1", "FIVETRAN_TIMEOUT": "3600", "FIVETRAN_POLL_INTERVAL": "60"},
            [
                SWITCH,
                SYNC,
                "would  poll every 1 min until the sync has ended, for at most 1 h (FIVETRAN_TIMEOUT)",
                "would  set the schedule to auto, as it was found, at the end",
            ],
        ),
        (
            "START",
            Scenario(connection={"paused": True}),
            {"FIVETRAN_UNPAUSE": "1", "FIVETRAN_RESTORE_SCHEDULE": "auto"},
            [
                UNPAUSE,
                "would  wait for 10 s, and look again",
                SYNC,
                POLL,
                "would  set the schedule to auto, at the end",
            ],
        ),
        (
            "START",
            Scenario(running=SyncPlan(lasts=500)),
            {},
            ["would  wait for the end of the running sync, looking every 10 s", SWITCH, SYNC, POLL],
        ),
        (
            "START",
            Scenario(running=SyncPlan(lasts=500)),
            {"FIVETRAN_ON_RUNNING": "attach"},
            [
                f"would  follow the sync that is running: {POLL.removeprefix('would  ')}",
                "would  switch the connection to a manual schedule, at the end",
            ],
        ),
        (
            "START",
            Scenario(running=SyncPlan(lasts=500)),
            {"FIVETRAN_ON_RUNNING": "restart"},
            [
                f'would  stop the running sync and start one: {POST}/sync {{"force": true}}',
                POLL,
                "would  switch the connection to a manual schedule, at the end",
            ],
        ),
        (
            "START",
            Scenario(),
            {"FIVETRAN_POLL_INTERVAL": "0.5"},
            [SWITCH, SYNC, POLL.replace("10 s", "0.5 s")],
        ),
        (
            "START",
            Scenario(),
            {"FIVETRAN_POLL_INTERVAL": ""},
            [SWITCH, SYNC, POLL.replace("10 s", "2 to 60 s")],
        ),
        ("STATUS", Scenario(), {}, [SWITCH, "would  show the connection"]),
        (
            "STATUS",
            Scenario(),
            {"FIVETRAN_RESTORE_SCHEDULE": "1"},
            [
                SWITCH,
                "would  show the connection",
                f'would  restore the schedule: {PATCH} {{"schedule_type": "auto", "run_setup_tests": false}}',
            ],
        ),
        (
            "TEST",
            Scenario(),
            {},
            [
                SWITCH,
                f"would  run the setup tests: {POST}/test {{}}",
                "would  wait for the answer, for at most 5 min (FIVETRAN_TIMEOUT)",
            ],
        ),
        (
            "TEST",
            Scenario(),
            {"FIVETRAN_RESTORE_SCHEDULE": "1"},
            [
                SWITCH,
                f"would  run the setup tests: {POST}/test {{}}",
                "would  wait for the answer, for at most 5 min (FIVETRAN_TIMEOUT)",
                "would  set the schedule to auto, as it was found, at the end",
            ],
        ),
        (
            "FORCE_RESYNC",
            Scenario(),
            {},
            [
                SWITCH,
                RESYNC,
                POLL,
            ],
        ),
    ],
)
def test_plan(tried: Try, action: str, scenario: Scenario, variables: dict[str, str], expected: list[str]) -> None:
    """Each action says, in their order, what it would change and wait for, and that it would proceed."""
    told = tried(action, scenario, **variables)

    assert (told.code, told.plan[1:]) == (0, expected)


def test_what_should_be_known_is_noted(tried: Try) -> None:
    """What a job would warn of is among what is said."""
    told = tried(scenario=Scenario(connection={"schedule": {"schedule_type": "CRON"}}))

    assert [line for line in told.plan if line.startswith("note   the connection has a CRON schedule")]


# --- What stands in the way -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "code", "stops", "line"),
    [
        (Scenario(connection={"paused": True}), 7, "the connection is paused", "now    un-pause it on its page"),
        (
            Scenario(connection={"status": {"setup_state": "incomplete"}}),
            7,
            "the connection's setup is incomplete",
            "now    fix the setup",
        ),
        (
            Scenario(exists=False, neighbours=({"id": "tacky_lionhearted", "schema": "speak_inexpensive"},)),
            4,
            "Fivetran has no connection speak_inexpensive (404)",
            "why    speak_inexpensive is the name of a connection, not its id: set CONNECTOR_ID to tacky_lionhearted",
        ),
        (
            Scenario(faults=(Fault(status=401, code="Unauthorized", message="no", times=0),)),
            3,
            "Fivetran",
            "now    check FIVETRAN_API_KEY",
        ),
    ],
)
def test_obstacle(tried: Try, scenario: Scenario, code: int, stops: str, line: str) -> None:
    """What a job would end with is said as the job says it, with its exit code."""
    told = tried(scenario=scenario)

    assert told.code == code
    assert [each for each in told.plan if each.startswith(f"stops  {stops}")]
    assert [each for each in told.plan if each.startswith(line)]
    assert bool(told.checks) == (code == 7)  # what could not be read is not asked about


def test_first_obstacle_counts(tried: Try) -> None:
    """Of two things in the way, the exit code is that of the one that a job would meet first."""
    told = tried("FORCE_RESYNC", Scenario(connection={"paused": True}), TABLE="zebra")

    assert told.code == 7
    assert "does not know public.zebra" in told.checks["tables"]


def test_outage_is_waited_for(tried: Try) -> None:
    """What fails is tried again as in a job, and each pause is told; then the run goes on."""
    told = tried(scenario=Scenario(faults=(Fault(on="get", times=2, status=503),)))

    assert told.code == 0
    assert told.err.count("the next attempt is in ") == 2


def test_wrong_variables(tried: Try) -> None:
    """Wrong variables are refused as in a job, before any request."""
    told = tried(FIVETRAN_TIMEOUT="soon", SET_FIVETRAN_KEYS_TO_ENV="no")

    assert (told.code, told.plan, told.requests) == (2, [], [])
    assert told.err.startswith("SET_FIVETRAN_KEYS_TO_ENV is 'no'")
    assert "FIVETRAN_TIMEOUT: 'soon' is not" in told.err


def test_warnings(simulate: Simulate, capsys: Capture) -> None:
    """What is odd about the variables is said; of a state file, that it is not read."""
    job = simulate()
    file = job.folder / "state.json"
    file.write_text("{}", "utf-8")
    with mock.patch("orchestrator.job.dry_run.bounded", sender(job.simulator, KEY, SECRET)):
        code = dry_run(job.variables(FIVETRAN_STATE_FILE=str(file), FIVETRAN_UNPAUSE="false"), job.clock)

    err = capsys.readouterr().err
    assert (code, file.read_text("utf-8")) == (0, "{}")
    assert "FIVETRAN_UNPAUSE is 'false'" in err
    assert f"FIVETRAN_STATE_FILE: {file} is not read" in err


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("operation", ["get", "history", "listing"])
def test_signal(simulate: Simulate, tried: Try, operation: str, number: int, expected: int) -> None:
    """A signal ends it at once, with the exit code of a job."""
    job = simulate(Scenario(faults=(Fault(on=operation, does="hang"),)))

    def kill(seen: Arrival) -> None:
        if seen.operation == operation:
            os.kill(os.getpid(), number)

    job.on_request = kill

    assert tried(scenario=job).code == expected


# --- What only the account itself can tell --------------------------------------------------------


def _faulty(on: str, status: int, code: str) -> Scenario:
    return Scenario(faults=(Fault(on=on, status=status, code=code, message="said so", times=0),))


@pytest.mark.parametrize(
    ("scenario", "subject", "expected"),
    [
        (Scenario(history=False), "sync history", "not available: 403 Forbidden: This feature is not available"),
        (_faulty("errors", 404, "NotFound_Errors"), "active errors", "not available: 404 NotFound_Errors: said so"),
        (_faulty("errors", 429, "TooManyRequests"), "active errors", "not known: 429 TooManyRequests: said so"),
        (Scenario(dated=False), "Date header", "no: nothing tells when Fivetran's dates are"),
        (_faulty("listing", 403, "Forbidden"), "listing", "not available: 403 Forbidden: said so"),
        (
            Scenario(listed={"schedule_type": "manual", "failed_at": "null"}),
            "listing",
            DIFFERENT,
        ),
        (Scenario(listed={"id": "another"}), "listing", "does not have this connection"),
    ],
)
def test_checklist(tried: Try, scenario: Scenario, subject: str, expected: str) -> None:
    """What the documentation alone cannot tell is asked, and told; nothing of it stands in the way."""
    told = tried(scenario=scenario)

    assert told.code == 0
    assert told.checks[subject].startswith(expected)


def test_listing_that_is_only_later(tried: Try, simulate: Simulate) -> None:
    """What has changed between the two requests is no difference: the connection is read once more."""
    job = simulate()
    job.on_request = lambda seen: job.begin(SyncPlan()) if seen.operation == "errors" else None

    told = tried(scenario=job)

    assert told.checks["listing"] == "agrees with the connection's own document"
    assert told.requests == ["get", "history", "errors", "listing", "get"]


def test_listing_that_cannot_be_compared_again(tried: Try) -> None:
    """Where the connection cannot be read once more, the first look has to do."""
    broken = (Fault(on="get", skip=1, status=503, times=0),)

    told = tried(scenario=Scenario(listed={"schedule_type": "manual"}, faults=broken))

    assert told.checks["listing"].startswith("differs: schedule_type is manual")


@pytest.mark.parametrize(
    ("scenario", "variables", "code", "expected"),
    [
        (Scenario(), {}, 0, "known to Fivetran"),
        (
            Scenario(),
            {"TABLE": "Orders"},
            4,
            "Fivetran does not know public.Orders (is it new at the source?); like it: public.orders",
        ),
        (
            Scenario(),
            {"TABLE": "zebra"},
            4,
            "Fivetran does not know public.zebra (is it new at the source?); nothing is like it",
        ),
        (
            Scenario(),
            {"SCHEMA": "", "TABLE": "", "TABLES": "public.orders\npublic.Orders"},
            4,
            "Fivetran does not know public.Orders (is it new at the source?); like it: public.orders",
        ),
        (_faulty("schemas", 404, "NotFound_Schemas"), {}, 0, "not available: 404 NotFound_Schemas: said so"),
    ],
)
def test_tables(tried: Try, scenario: Scenario, variables: dict[str, str], code: int, expected: str) -> None:
    """FORCE_RESYNC of a table that is not at the source would end with 4, and the dry run says so."""
    told = tried("FORCE_RESYNC", scenario, **variables)

    assert (told.code, told.checks["tables"]) == (code, expected)


def test_table_that_is_not_enabled(tried: Try, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that Fivetran knows and does not sync is said, and not called missing."""
    tables = {"orders": {"enabled": False}, "customers": {"enabled": True}}
    schemas = {"public": {"enabled": True, "tables": tables}}
    monkeypatch.setattr(Simulator, "_schemas", lambda *_: schemas)

    told = tried("FORCE_RESYNC", Scenario())

    assert (told.code, told.checks["tables"]) == (0, "public.orders is not enabled for syncing")


# --- The command --------------------------------------------------------------------------------


def test_flag(simulate: Simulate, capsys: Capture) -> None:
    """`run --dry-run` takes variables and flags as `run` does."""
    job = simulate(over_http=True)
    environ = {**job.variables(), "CONNECTOR_ID": ""}

    code = main(["run", "--dry-run", "--connector-id", "speak_inexpensive"], environ)

    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith("dry run of START speak_inexpensive: only GET requests are sent, nothing is changed")
    assert out.endswith("\nSTART speak_inexpensive would proceed: exit code 0\n")
    assert {seen.method for seen in job.simulator.seen} == {"GET"}


def test_a_dry_run_resumes_nothing(capsys: Capture) -> None:
    """--resume beside --dry-run is refused."""
    assert main(["run", "--dry-run", "--resume", "state.json"], {}) == 2
    assert "--dry-run and --resume" in capsys.readouterr().err


def test_own_chart(tried: Try) -> None:
    """Your own chart is followed, too, as far as the first request that cannot be taken for done."""
    chart = Path(__file__).parents[2] / "examples" / "charts" / "test_then_start.toml"

    told = tried(FIVETRAN_CHART=str(chart))

    assert (told.code, told.checks, told.requests) == (0, {}, [])
    assert told.plan == [
        f"would  run the setup tests: {POST}/test {{}}",
        "would  wait for the answer, for at most 5 min (FIVETRAN_TIMEOUT)",
    ]
