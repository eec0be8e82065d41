"""The DAGs of docs/airflow.md run as they stand there; they need Airflow (`make test-airflow`)."""

import os
import re
from pathlib import Path
from unittest import mock

import pytest
from airflow_home import HOME

from orchestrator.airflow.verdicts import Ending, ending_of
from orchestrator.job.variables import VARIABLES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load

PAGE = (Path(__file__).parents[2] / "docs" / "airflow.md").read_text("utf-8")
DAGS = {
    name: block
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    for name in re.findall(r'DAG\("(\w+)"', block)
}
RUN = sorted(set(DAGS) - {"fivetran_pod"})  # which needs Kubernetes


def test_table_of_endings_is_right() -> None:
    """The page says of each exit code what becomes of the task."""
    rows = dict(re.findall(r"^\| ([0-9].*?) \| (.*?) \|$", PAGE, re.MULTILINE))
    words = {
        Ending.SUCCESS: "succeeds",
        Ending.FAIL: "fails at once",
        Ending.RETRY: "retr",
        Ending.POSTPONED: "when_postponed",
    }

    for action in ACTIONS:
        chart = load(action)
        for verdict in chart.verdicts():
            code = chart.exit_of(verdict)[1]
            said = "".join(f"{row}: {text}" for row, text in rows.items() if str(code) in re.split(r"[^0-9]+", row))

            assert code > 8 or words[ending_of(chart, verdict, code)] in said


def test_arguments_of_the_pod_are_variables() -> None:
    """The pod's variables are those of the job."""
    named = set(re.findall(r'"([A-Z_]+)": "', DAGS["fivetran_pod"]))

    assert named
    assert named <= set(VARIABLES)
    compile(DAGS["fivetran_pod"], "fivetran_pod", "exec")


@pytest.mark.parametrize("name", RUN)
def test_dag_runs(name: str, tmp_path: Path) -> None:
    """Each DAG ends well against a simulated Fivetran, with looks that follow each other faster."""
    pytest.importorskip("airflow.sdk", reason="make test-airflow has Airflow")
    from test_dags import MANUAL, SHORT, play

    from orchestrator.simulator.scenario import Scenario

    (tmp_path / "dbt").write_text("#!/bin/sh\necho built\n", "utf-8")
    (tmp_path / "dbt").chmod(0o755)
    fast = re.sub(r"(Fivetran\w+Operator(?:\.partial)?\()", r"\1poll_interval=0.1, ", DAGS[name])

    with mock.patch.dict(os.environ, {"PATH": f"{tmp_path}:{os.environ['PATH']}"}):
        played = play(Path(HOME), "", Scenario(connection=MANUAL, syncs=(SHORT,)), name, text=fast)

    assert played.state == "success"
