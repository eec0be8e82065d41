"""What the reports cost a STATUS job: whole processes with FIVETRAN_REPORT_DIR and without, in turn.

In a fresh environment that holds the wheel without extras, as in `startup.py`. All of it comes when
the run has ended, but for the journal, which is part of what is measured here.
"""

import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from startup import WARM_UP, BenchmarkError, Cost, compared, cost

from orchestrator.simulator.app import Simulator
from orchestrator.simulator.rehearsal import variables
from orchestrator.simulator.scenario import load_scenario
from orchestrator.simulator.server import served
from orchestrator.values.clock import SystemClock

MOST = 0.050  # seconds of processor time that the reports may take
FILES = {"result.json", "index.html", "summary.md", "junit.xml", "fivetran.env", "annotations.json", "journal.jsonl"}


def measured(python: Path, folder: Path, repetitions: int) -> tuple[list[Cost], list[Cost]]:
    """The costs with reports and without, run in turn, so that a busy moment meets both.

    Raises:
        BenchmarkError: A job failed, or left other files than it should.
    """
    scenario = load_scenario("succeeds")
    simulator = Simulator(scenario, SystemClock())
    costs: dict[str, list[Cost]] = {"report": [], "": []}
    with served(simulator) as url:
        environ = {**variables(scenario, url), "FIVETRAN_ACTION": "STATUS", "LANG": "C.UTF-8"}
        for _ in range(WARM_UP + repetitions):
            for name, found in costs.items():
                simulator.connections.clear()
                directory = str(folder / name) if name else ""
                found.append(
                    cost([str(python), "-I", "-m", "orchestrator"], {**environ, "FIVETRAN_REPORT_DIR": directory})
                )
    left = {path.name for path in (folder / "report").iterdir()}
    if left != FILES:
        raise BenchmarkError(f"the reports are {sorted(left)}, not {sorted(FILES)}")
    return costs["report"][WARM_UP:], costs[""][WARM_UP:]


def told(with_reports: Sequence[Cost], without: Sequence[Cost]) -> bool:
    """Print the medians side by side; return whether they are within the limits."""
    print(f"medians of {len(without)} runs each, in turn    with reports     without     more    ratio")
    for attribute, title in (("seconds", "whole process"), ("processor", "processor time")):
        ours, theirs = (
            statistics.median(getattr(one, attribute) for one in costs) for costs in (with_reports, without)
        )
        more = f"{1000 * (ours - theirs):+6.0f} ms"
        print(f"{title:36}{1000 * ours:10.0f} ms{1000 * theirs:9.0f} ms{more}{ours / theirs:9.2f}")
    kept = ours - theirs <= MOST
    print(f"limit: {1000 * MOST:.0f} ms more processor time{'' if kept else ': TOO MUCH'}")
    return bool(kept)


if __name__ == "__main__":
    sys.exit(compared(__doc__, measured, told))
