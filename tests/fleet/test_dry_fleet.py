"""`run --dry-run` of many connections: what it says a job would do; nothing but GETs ever arrives."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from fleets import GROUP, FleetRun, names
from in_process import sender

from orchestrator.fleet.dry_fleet import dry_run
from orchestrator.simulator.app import KEY, SECRET, Arrival
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

PAUSED = Scenario(connection={"paused": True})
BUSY = Scenario(running=SyncPlan(lasts=100.0))


class Told(NamedTuple):
    """What a dry run came to."""

    code: int
    out: list[str]
    err: str

    def of(self, name: str) -> str:
        """What is said of a connection, without its id, and with single blanks."""
        (line,) = [line for line in self.out if line.split()[:1] == [name]]
        return " ".join(line.split()[1:])


Try = Callable[..., Told]


@pytest.fixture
def tried(capsys: pytest.CaptureFixture[str]) -> Try:
    """Do a dry run against an account; what arrives there only reads."""

    def do(fleet: FleetRun, action: str = "START", **variables: str) -> Told:
        bounded = sender(fleet.account, KEY, SECRET)
        given = fleet.variables(action, **variables)
        with (
            mock.patch("orchestrator.fleet.dry_fleet.bounded", bounded),
            mock.patch("orchestrator.job.dry_run.bounded", bounded),
        ):
            code = dry_run(given, fleet.clock)
        assert {each.method for each in fleet.account.seen} <= {"GET"}
        out, err = capsys.readouterr()
        return Told(code, out.splitlines(), err)

    return do


def fleet(folder: Path, count: int = 5, *faults: Fault, **others: Scenario) -> FleetRun:
    """An account."""
    return FleetRun({**dict.fromkeys(names(count), Scenario()), **others}, folder, faults)


def test_what_would_be_done_with_each(tried: Try, tmp_path: Path) -> None:
    """Each connection has a line with what a job would do or why it would fail; the last one counts them."""
    made = fleet(tmp_path, 4, paused=PAUSED, unknown=Scenario(exists=False), busy=BUSY)
    told = tried(made, FIVETRAN_MAX_PARALLEL="3")

    assert told.out[0] == (
        "dry run of START on 7 connections: only GET requests are sent, nothing is changed or written"
    )
    assert told.of("c000") == "postgres would switch the connection to a manual schedule, start a sync"
    assert told.of("paused") == "postgres would fail now: the connection is paused (exit 7)"
    assert told.of("unknown").startswith("- would fail now: Fivetran has no connection unknown (404)")
    assert told.of("unknown").endswith("(exit 4)")
    assert "wait for the end of the running sync" in told.of("busy")
    assert told.out[-1] == "5 of 7 would proceed, at most 3 at once; 2 would fail now: exit code 4"
    assert told.code == 4
    assert [each.operation for each in made.account.seen] == ["listing", "get", "get"]


def test_all_would_proceed(tried: Try, tmp_path: Path) -> None:
    """Where nothing stands in the way of any, the exit code is 0, for each of the actions."""
    for action, what in (
        ("START", "start a sync"),
        ("STATUS", "show the connection"),
        ("TEST", "run the setup tests"),
        ("FORCE_RESYNC", "start a historical re-sync of the table"),
    ):
        told = tried(fleet(tmp_path), action)

        assert (told.code, told.out[-1].split(" would")[0]) == (0, "5 of 5"), action
        assert what in told.of("c003")
        assert (", at most 50 at once" in told.out[-1]) == (action in {"START", "FORCE_RESYNC"})


def test_policies_are_as_in_a_job(tried: Try, tmp_path: Path) -> None:
    """What the variables say of a running sync, and of a paused connection, is what would be done."""
    made = fleet(tmp_path, 2, paused=PAUSED, busy=BUSY)
    told = tried(made, FIVETRAN_ON_RUNNING="attach", FIVETRAN_UNPAUSE="1", FIVETRAN_RESTORE_SCHEDULE="1")

    assert told.code == 0
    assert "un-pause the connection" in told.of("paused")
    assert "follow the sync that is running" in told.of("busy")
    assert "set the schedule to auto" in told.of("c000")


def test_group(tried: Try, tmp_path: Path) -> None:
    """A group is listed, and those that the patterns choose are what is told of."""
    told = tried(fleet(tmp_path, 6), FIVETRAN_GROUP_ID=GROUP, FIVETRAN_EXCLUDE="c000")

    assert told.out[0].startswith(f"dry run of START on 5 connections of group {GROUP}: ")
    assert f"group {GROUP} has 6 connections, 5 of them chosen" in told.err
    assert told.code == 0


def test_group_that_is_unknown(tried: Try, tmp_path: Path) -> None:
    """A group that Fivetran does not know ends it with 4."""
    told = tried(fleet(tmp_path), FIVETRAN_GROUP_ID="no_such")

    assert (told.code, told.out) == (4, [])
    assert "Fivetran knows no group no_such" in told.err
    assert "is the id of a group (a destination), not its name" in told.err


@pytest.mark.parametrize(
    "variables", [{"CONNECTOR_ID": "c000"}, {"CONNECTOR_ID": "c000,"}, {"FIVETRAN_CONNECTION_NAME": "sales"}]
)
def test_one_connection(tried: Try, tmp_path: Path, variables: dict[str, str]) -> None:
    """Of one connection it is the dry run of that one, checks and all."""
    made = FleetRun({"c000": Scenario(connection={"schema": "sales"}), "c001": Scenario()}, tmp_path)
    told = tried(made, **variables)

    assert told.code == 0
    assert told.out[0].startswith("dry run of START c000: ")
    assert "checked against this account:" in told.out
    assert ("the connection named sales is c000" in told.err) == ("FIVETRAN_CONNECTION_NAME" in variables)


def test_wrong_variables(tried: Try, tmp_path: Path) -> None:
    """What is wrong with the variables ends it with 2 before any request."""
    made = fleet(tmp_path)
    told = tried(made, FIVETRAN_FAIL="sometimes", FIVETRAN_BUDGET="none")

    assert (told.code, made.account.seen) == (2, [])
    assert "FIVETRAN_FAIL: 'sometimes'" in told.err
    assert "FIVETRAN_BUDGET: 'none'" in told.err


def test_warnings_come_first(tried: Try, tmp_path: Path) -> None:
    """What a job would warn of is said, and what an account does not answer is tried again."""
    told = tried(fleet(tmp_path, 5, Fault(on="listing", times=1)), CONNECTOR_ID="c000 c001 c002 c003 c003")

    assert told.code == 0
    assert "CONNECTOR_ID names c003 more than once: it is run once" in told.err
    assert "could not list the connections: 502" in told.err


def test_outage(tried: Try, tmp_path: Path) -> None:
    """Where Fivetran does not answer, each would fail with 6, and nobody waits for each by itself."""
    made = fleet(tmp_path, 5, Fault(times=0))
    told = tried(made, FIVETRAN_RETRY_LIMIT="2", FIVETRAN_TIMEOUT="10m")

    assert told.code == 6
    assert told.of("c004").endswith("(exit 6)")
    assert len(made.account.seen) == 2


def test_no_secret_is_told(tried: Try, tmp_path: Path) -> None:
    """The pair is nowhere in what is said."""
    told = tried(fleet(tmp_path, 4, odd=Scenario(connection={"service": SECRET})))

    assert SECRET not in "\n".join((*told.out, told.err))
    assert KEY not in "\n".join((*told.out, told.err))


@pytest.mark.parametrize("operation", ["listing", "get"])
def test_interrupted(tried: Try, tmp_path: Path, operation: str) -> None:
    """Ctrl-C ends it at once, and it is said to be incomplete."""
    made = fleet(tmp_path)

    def meddle(arrival: Arrival) -> None:
        if arrival.operation == operation:
            os.kill(os.getpid(), signal.SIGINT)

    made.account.meddle = meddle
    told = tried(made)

    assert told.code == 130
    assert "interrupted; the dry run is incomplete" in told.err


def test_interrupted_while_a_group_is_listed(tried: Try, tmp_path: Path) -> None:
    """Ctrl-C while it is found out which connections are meant ends it with 130, too."""
    made = fleet(tmp_path)
    made.account.meddle = lambda _: os.kill(os.getpid(), signal.SIGINT)
    told = tried(made, FIVETRAN_GROUP_ID=GROUP)

    assert told.code == 130


def test_interrupted_before_another_attempt(tried: Try, tmp_path: Path) -> None:
    """Ctrl-C while another attempt to list a group is waited for ends it at once: nothing more is asked."""
    made = fleet(tmp_path, 5, Fault(on="listing", times=0))
    sleep = made.clock.sleep

    def asleep(seconds: float) -> None:
        if made.account.asked("listing"):
            os.kill(os.getpid(), signal.SIGINT)
        sleep(seconds)

    with mock.patch.object(made.clock, "sleep", asleep), mock.patch("os._exit"):
        told = tried(made, FIVETRAN_GROUP_ID=GROUP)

    assert told.code == 130
    assert len(made.account.asked("listing")) == 1
