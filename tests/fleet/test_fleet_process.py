"""A job for many connections as a process of its own, in real time."""

import json
import signal
from pathlib import Path

import pytest
from fleets import names
from process import Process, Rehearsal, rehearsed

from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

AT_ONCE = 10.0  # seconds, on a machine that is busy; what hangs would last for thirty


def variables(fivetran: Rehearsal, folder: Path, **more: str) -> dict[str, str]:
    """The variables of a job for twelve connections, six at a time."""
    return fivetran.variables(
        "START",
        CONNECTOR_ID=", ".join(names(12)),
        FIVETRAN_MAX_PARALLEL="6",
        FIVETRAN_REPORT_DIR=str(folder / "report"),
        FIVETRAN_STATE_FILE=str(folder / "state"),
        CI_PIPELINE_ID="7",
        **more,
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
@pytest.mark.parametrize("fault", [None, Fault(on="listing", does="hang", times=0, skip=1)])
def test_signal_ends_the_process(tmp_path: Path, number: int, code: int, fault: Fault | None) -> None:
    """A signal ends the job at once with a result for each connection; no file that it has written is cut short."""
    scenario = Scenario(syncs=(SyncPlan(lasts=1000.0),), faults=(fault,) if fault else ())
    # So seldom that several looks are due at once, which a listing answers.
    polls = {"FIVETRAN_POLL_INTERVAL": "2"} if fault else {}
    with rehearsed(scenario) as fivetran, Process(variables={**variables(fivetran, tmp_path), **polls}) as job:
        fivetran.await_request("sync", 6)
        if fault:
            fivetran.await_request("listing")
        sent = job.send(number)
        ended = job.end()

    result = json.loads(ended.stdout)
    assert (ended.code, result["exit_code"]) == (code, code), ended.stderr
    assert ended.at - sent < AT_ONCE
    assert len(result["connections"]) == 12
    begun = [each for each in result["connections"] if each["exit_code"] is not None]
    assert {each["exit_code"] for each in begun} == {code}
    assert len(begun) == 6
    assert [each["running"] for each in begun if not {"STILL", "MAY"} & {*each["running"].split()}] == []
    for path in (tmp_path / "state").iterdir():
        assert json.loads(path.read_text("utf-8"))["format"] == 2
    for path in (tmp_path / "report" / "journals").iterdir():
        assert [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_killed_process_is_gone_on_with(tmp_path: Path) -> None:
    """A job that is killed and started again in the same pipeline triggers no connection twice, and all end green."""
    with rehearsed(Scenario(syncs=(SyncPlan(lasts=1.0),))) as fivetran:
        with Process(variables=variables(fivetran, tmp_path)) as job:
            fivetran.await_request("sync", 6)
            job.send(signal.SIGKILL)
            job.end()
        with Process(variables=variables(fivetran, tmp_path)) as job:
            ended = job.end()
        syncs = {name: len(fivetran.simulator.connections[name].history) for name in names(12)}

    assert ended.code == 0, ended.stderr
    assert syncs == dict.fromkeys(names(12), 1)
