"""A job against servers that are not to be trusted: as a process, or in this one, in real time."""

import base64
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock
from urllib.parse import quote

from process import Process

from orchestrator.job.job import Job
from orchestrator.job.network_variables import prepare
from orchestrator.simulator.app import Simulator
from orchestrator.simulator.scenario import Scenario
from orchestrator.values.clock import SystemClock

__all__ = ["HOST", "OK", "Seen", "as_process", "document", "here", "variables"]

HOST = "api.fivetran.invalid"  # no look-up of it succeeds: it is reached through a proxy, or not at all
KEY, SECRET = "key+of/the=account", "secret+of/the=account"


def document() -> str:
    """What Fivetran answers where the connection is asked for."""
    return json.dumps({"code": "Success", "data": Simulator(Scenario(), SystemClock()).connection("any_id").document()})


OK = "OK: any_id (postgres): connected, idle"  # what STATUS says of that


@dataclass(frozen=True)
class Seen:
    """All that the world can see of a job."""

    code: int
    stdout: str
    stderr: str
    folder: Path

    @property
    def verdict(self) -> str:
        """The line with the verdict, without the time and the exit code."""
        [line] = [line for line in self.stderr.splitlines() if line[10:].startswith(("OK: ", "FAILED: "))]
        return line[10:].partition(" (exit ")[0]

    @property
    def problems(self) -> list[str]:
        """What there is to fix where nothing was sent, one line each."""
        report = json.loads((self.folder / "report" / "result.json").read_text("utf-8"))
        return [str(reason) for reason in report["reasons"]]

    def reveals(self, *more: str) -> list[str]:
        """Where a secret is to be seen, in any form: on stdout or stderr, or in a file that was written."""
        pair = (KEY, SECRET, f"{KEY}:{SECRET}", *more)
        forms = {form for one in pair for form in (one, quote(one, safe=""), base64.b64encode(one.encode()).decode())}
        return [name for name, text in self._texts() for form in forms if form in text]

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield from (("stdout", self.stdout), ("stderr", self.stderr))
        for file in self.folder.rglob("*"):
            if file.is_file():
                yield file.name, file.read_text("utf-8", "replace")


def variables(folder: Path, url: str, **more: str) -> dict[str, str]:
    """Those of a job that sends one request, once, and writes all that a job can write."""
    return {
        "FIVETRAN_ACTION": "STATUS",
        "CONNECTOR_ID": "any_id",
        "FIVETRAN_API_KEY": KEY,
        "FIVETRAN_API_SECRET": SECRET,
        "FIVETRAN_API_URL": url,
        "FIVETRAN_DONT_DISABLE_SYNC": "1",
        "FIVETRAN_EVIDENCE": "0",
        "FIVETRAN_RETRY_LIMIT": "1",
        "FIVETRAN_REPORT_DIR": str(folder / "report"),
        "FIVETRAN_STATE_FILE": str(folder / "state.json"),
        "DATAOPS_DEBUG": "1",
        **more,
    }


def as_process(folder: Path, url: str, **more: str) -> Seen:
    """Run the job as a process of its own."""
    with Process(variables=variables(folder, url, **more)) as process:
        ended = process.end()
    return Seen(ended.code, ended.stdout, ended.stderr, folder)


def here(folder: Path, url: str, **more: str) -> Seen:
    """Run the job in this process, whose environment has the variables meanwhile: requests reads some of them there."""
    out, err = io.StringIO(), io.StringIO()
    with mock.patch.dict(os.environ, more):
        prepare(os.environ)
        code = Job(variables(folder, url, **more), stdout=out, stderr=err).run()
    return Seen(code, out.getvalue(), err.getvalue(), folder)
