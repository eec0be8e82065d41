"""A job for many connections whose disk fails at its end."""

from pathlib import Path

import pytest
from fleets import FleetRun, names

from orchestrator.fleet.report_folder import FleetReporter
from orchestrator.simulator.scenario import Scenario


def test_report_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A report that cannot be written costs a warning: the result is on stdout, and the exit code is the same."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FleetReporter, "write", fail)
    played = FleetRun(dict.fromkeys(names(4), Scenario()), tmp_path).play(FIVETRAN_REPORT_DIR=str(tmp_path / "report"))

    assert (played.code, len(played.members)) == (0, 4)
    assert played.lines("WARNING: the report could not be written: [Errno 28] No space left on device")
