"""Signals, stdin and stdout, with real processes in real time."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from phases import PHASES, Stalling, lines
from process import COMMAND, PATIENCE, Process, rehearsed

from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

AT_ONCE = 2.0  # seconds

GREEN = Scenario(syncs=(SyncPlan(lasts=0),))
# What a process imports that stalls its own request.
PREPARED = (
    "import socket, sys, time, requests",
    "from orchestrator.__main__ import command",
    "from orchestrator.fivetran import client",
)
# The schedule has been switched, no sync was accepted, and the PATCH that restores it hangs.
IN_THE_WAY = Scenario(
    faults=(Fault(on="sync", status=409, code="Conflict"), Fault(on="patch", skip=1, does="hang")),
)


def _result(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
    return document


@pytest.mark.parametrize(
    ("number", "code", "verdict"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signal_ends_a_pause(tmp_path: Path, number: int, code: int, verdict: str) -> None:
    """A signal in a pause ends the job at once, with its whole report, which says that the sync may go on."""
    with rehearsed(Scenario()) as fivetran:
        variables = fivetran.variables("START", FIVETRAN_POLL_INTERVAL="100", FIVETRAN_REPORT_DIR=str(tmp_path))
        with Process(variables=variables) as job:
            job.await_line("sync triggered")
            sent = job.send(number)
            ended = job.end()

    result = _result(tmp_path)
    assert (ended.code, result["verdict"]) == (code, verdict), ended.stderr
    assert ended.at - sent < AT_ONCE
    assert result["running"] == "the sync was triggered and MAY STILL BE RUNNING"
    assert {"index.html", "junit.xml", "fivetran.env", "annotations.json"} < {path.name for path in tmp_path.iterdir()}
    assert json.loads(ended.stdout)["verdict"] == verdict


def test_signal_ends_a_hanging_look(tmp_path: Path) -> None:
    """A signal in a GET that hangs ends the job at once, and nothing is said to have been carried out."""
    with rehearsed(Scenario(faults=(Fault(on="get", does="hang"),))) as fivetran:
        variables = fivetran.variables("START", FIVETRAN_REPORT_DIR=str(tmp_path))
        with Process(variables=variables) as job:
            fivetran.await_request("get")
            sent = job.send(signal.SIGTERM)
            ended = job.end()

    result = _result(tmp_path)
    assert (ended.code, result["verdict"]) == (143, "terminated"), ended.stderr
    assert ended.at - sent < AT_ONCE
    assert result["at_fivetran"] == ["no sync was started"]


@pytest.mark.parametrize("phase", PHASES)
def test_signal_ends_a_request_in_each_phase(tmp_path: Path, phase: str) -> None:
    """A signal ends the job at once, whatever its request stands in: the look-up of a name, or a trickle."""
    code = "\n".join((*PREPARED, *lines(phase), "command()"))
    with Stalling(phase) as server:
        variables = {
            "FIVETRAN_ACTION": "STATUS",
            "CONNECTOR_ID": "speak_inexpensive",
            "FIVETRAN_API_KEY": "some-api-key",
            "FIVETRAN_API_SECRET": "some-api-secret",
            "FIVETRAN_API_URL": server.url,
            "HTTPS_PROXY": server.proxy,
            "FIVETRAN_REPORT_DIR": str(tmp_path),
        }
        with Process(variables=variables, command=(COMMAND[0], "-c", code)) as job:
            if phase in {"look-up", "connect"}:
                job.await_line("stalled")
            else:
                assert server.stalled.wait(PATIENCE)
            sent = job.send(signal.SIGTERM)
            ended = job.end()

    assert (ended.code, _result(tmp_path)["verdict"]) == (143, "terminated"), ended.stderr
    assert ended.at - sent < AT_ONCE


def test_signal_ends_a_hanging_trigger(tmp_path: Path) -> None:
    """A signal in a POST that hangs ends the job at once, and the report says that it may have been carried out."""
    with rehearsed(Scenario(faults=(Fault(on="sync", does="hang", acts=True),))) as fivetran:
        variables = fivetran.variables("START", FIVETRAN_REPORT_DIR=str(tmp_path))
        with Process(variables=variables) as job:
            fivetran.await_request("sync")
            sent = job.send(signal.SIGINT)
            ended = job.end()

    result = _result(tmp_path)
    lost = "POST /v1/connections/speak_inexpensive/sync had no answer: it may have been carried out"
    assert (ended.code, result["verdict"]) == (130, "interrupted"), ended.stderr
    assert ended.at - sent < AT_ONCE
    assert result["reasons"][0] == lost
    assert f"(Ctrl-C): {lost}; a sync MAY BE RUNNING" in ended.stderr


def test_signal_behind_the_conclusion_leaves_the_verdict(tmp_path: Path) -> None:
    """After the conclusion a signal cuts what is left to do short, and changes nothing of the verdict."""
    scenario = Scenario(syncs=(SyncPlan(lasts=0),), faults=(Fault(on="patch", skip=1, does="hang"),))
    with rehearsed(scenario) as fivetran:
        variables = fivetran.variables("START", FIVETRAN_REPORT_DIR=str(tmp_path), FIVETRAN_RESTORE_SCHEDULE="1")
        with Process(variables=variables) as job:
            fivetran.await_request("patch", times=2)
            sent = job.send(signal.SIGTERM)
            ended = job.end()

    result = _result(tmp_path)
    assert (ended.code, result["verdict"]) == (0, "succeeded"), ended.stderr
    assert ended.at - sent < AT_ONCE
    assert "could not restore the schedule" in " ".join(result["notes"])


def test_signal_leaves_a_moment_to_restore_the_schedule(tmp_path: Path) -> None:
    """After a signal the schedule is still restored if no sync runs, but a PATCH that hangs does not keep the job."""
    with rehearsed(IN_THE_WAY) as fivetran:
        more = {"FIVETRAN_RESTORE_SCHEDULE": "1", "FIVETRAN_POLL_INTERVAL": "100"}
        with Process(variables=fivetran.variables("START", FIVETRAN_REPORT_DIR=str(tmp_path), **more)) as job:
            job.await_line("could not start a sync")
            sent = job.send(signal.SIGTERM)
            fivetran.await_request("patch", times=2)
            ended = job.end()

    assert (ended.code, _result(tmp_path)["verdict"]) == (143, "terminated"), ended.stderr
    assert ended.at - sent < AT_ONCE


def test_signal_restores_nothing_while_a_sync_may_run(tmp_path: Path) -> None:
    """After a signal in the middle of a sync the schedule is left as it is: a change might stop the sync."""
    with rehearsed(Scenario()) as fivetran:
        more = {"FIVETRAN_RESTORE_SCHEDULE": "1", "FIVETRAN_POLL_INTERVAL": "100"}
        with Process(variables=fivetran.variables("START", FIVETRAN_REPORT_DIR=str(tmp_path), **more)) as job:
            job.await_line("sync triggered")
            job.send(signal.SIGTERM)
            ended = job.end()
        operations = [seen.operation for seen in fivetran.simulator.seen]

    assert (ended.code, operations) == (143, ["get", "patch", "sync"]), ended.stderr
    assert any("schedule" in line for line in _result(tmp_path)["at_fivetran"])


def test_second_signal_ends_it_immediately(tmp_path: Path) -> None:
    """A second signal ends the job wherever it is, without results."""
    with rehearsed(IN_THE_WAY) as fivetran:
        more = {"FIVETRAN_RESTORE_SCHEDULE": "1", "FIVETRAN_POLL_INTERVAL": "100"}
        with Process(variables=fivetran.variables("START", FIVETRAN_REPORT_DIR=str(tmp_path), **more)) as job:
            job.await_line("could not start a sync")
            job.send(signal.SIGTERM)
            fivetran.await_request("patch", times=2)
            job.send(signal.SIGINT)
            ended = job.end()

    assert (ended.code, ended.stdout) == (130, "")
    assert "second signal: exiting now" in ended.stderr
    assert not (tmp_path / "result.json").exists()


@pytest.mark.parametrize(
    ("number", "code", "verdict"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_signals_that_the_parent_had_blocked(tmp_path: Path, number: int, code: int, verdict: str) -> None:
    """A parent that had signals blocked takes from the job neither its end nor its limits."""
    block = (
        "import os, signal, sys\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})\n"
        "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    )
    command = (COMMAND[0], "-c", block, *COMMAND[1:])
    with rehearsed(Scenario(faults=(Fault(on="get", does="hang"),))) as fivetran:
        more = {"FIVETRAN_POLL_INTERVAL": "100", "FIVETRAN_HTTP_TIMEOUT": "1", "FIVETRAN_REPORT_DIR": str(tmp_path)}
        with Process(variables=fivetran.variables("START", **more), command=command) as job:
            job.await_line("no answer within 1 s")
            job.await_line("sync triggered")
            job.send(number)
            ended = job.end()

    assert (ended.code, _result(tmp_path)["verdict"]) == (code, verdict), ended.stderr


def test_interrupt_that_a_shell_had_ignored(tmp_path: Path) -> None:
    """What a shell started in its background is not ended by Ctrl-C, but by SIGTERM."""
    command = ("/bin/sh", "-c", 'trap "" INT; exec "$@"', "sh", *COMMAND)
    with rehearsed(Scenario()) as fivetran:
        more = {"FIVETRAN_POLL_INTERVAL": "100", "FIVETRAN_REPORT_DIR": str(tmp_path)}
        with Process(variables=fivetran.variables("START", **more), command=command) as job:
            job.await_line("sync triggered")
            job.send(signal.SIGINT)
            job.send(signal.SIGTERM)
            ended = job.end()

    assert (ended.code, _result(tmp_path)["verdict"]) == (143, "terminated"), ended.stderr


def test_reader_of_stdout_has_gone() -> None:
    """A reader of stdout that went away costs a warning, not the job."""
    reading, writing = os.pipe()
    os.close(reading)
    with rehearsed(Scenario()) as fivetran, Process(variables=fivetran.variables("STATUS"), stdout=writing) as job:
        os.close(writing)
        ended = job.end()

    assert ended.code == 0, ended.stderr
    assert "the result could not be written to stdout" in ended.stderr


def test_reader_of_stderr_goes() -> None:
    """A reader of stderr that goes away in the middle does not end the sync that it was told of."""
    reading, writing = os.pipe()
    with rehearsed(GREEN) as fivetran, Process(variables=fivetran.variables("START"), stderr=writing) as job:
        os.close(writing)
        os.read(reading, 1)
        os.close(reading)
        ended = job.end()

    assert (ended.code, json.loads(ended.stdout)["verdict"]) == (0, "succeeded")


def test_closed_streams(tmp_path: Path) -> None:
    """With stdin, stdout and stderr closed from the start the job runs as ever."""
    command = ("/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND)
    with rehearsed(Scenario()) as fivetran:
        variables = fivetran.variables("STATUS", FIVETRAN_REPORT_DIR=str(tmp_path))
        with Process(variables=variables, command=command) as job:
            ended = job.end()

    assert (ended.code, _result(tmp_path)["verdict"]) == (0, "shown")


def test_stdin_is_never_read() -> None:
    """What stands on stdin is left there: it may be the rest of the runner's script."""
    reading, writing = os.pipe()
    os.write(writing, b"the rest of the script")
    with rehearsed(Scenario()) as fivetran, Process(variables=fivetran.variables("STATUS"), stdin=reading) as job:
        ended = job.end()
    left = os.read(reading, 100)
    os.close(reading)
    os.close(writing)

    assert (ended.code, left) == (0, b"the rest of the script"), ended.stderr
