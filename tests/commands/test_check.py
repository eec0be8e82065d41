"""`check`: every chart is checked, and what is wrong is shown with its path."""

import os
from pathlib import Path

import pytest
from process import Process

from orchestrator.cli import main
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.machine.promises import PROMISES

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
START = (ROOT / "statecharts" / "start.toml").read_text("utf-8")


def written(folder: Path, name: str, old: str, new: str) -> str:
    """START's chart with one place changed, as a file."""
    assert START.count(old) == 1
    path = folder / name
    path.write_text(START.replace(old, new), "utf-8")
    return str(path)


def test_packaged_charts_are_valid(capsys: Capture) -> None:
    """Without arguments every action's chart is listed with its structure and each promise, and all is ok."""
    code = main(["check"], {})

    told = capsys.readouterr()
    lines = told.out.splitlines()
    assert (code, told.err) == (0, "")
    assert [line for line in lines if not line.startswith(" ")] == [load(action).title for action in ACTIONS]
    for chart in map(load, ACTIONS):
        assert f"  ok      structure: {len(chart.states)} states, {len(list(chart.edges()))} edges" in lines
    for promise in PROMISES:
        assert lines.count(f"  ok      {promise.name}") == len(ACTIONS)
    assert "BROKEN" not in told.out


def test_broken_promise_is_shown_with_its_path(tmp_path: Path, capsys: Capture) -> None:
    """A broken promise is shown with its sentence and the path; the other promises are ok."""
    path = written(tmp_path, "mine.toml", 'edges.answer_lost = "awaiting_sign"', 'edges.answer_lost = "waiting"')
    states = len(load("START").states)

    code = main(["check", path], {})

    told = capsys.readouterr().out
    assert code == 1
    assert told.startswith(f"{path}: START: run one sync and wait for its end\n  ok      structure: {states} states, ")
    assert (
        "  BROKEN  only the right sync is judged\n"
        "          The end of a sync is decided only against a baseline, and only for a sync that was\n"
        "          accepted, showed a sign after a lost answer, or was attached to (not for a re-sync).\n"
        "          validating --busy--> taking_baseline --idle--> triggering --answer_lost--> waiting\n"
        "          --waited--> polling\n"
    ) in told
    assert told.count("  ok      ") == len(PROMISES)


def test_every_chart_is_checked_whatever_one_comes_to(tmp_path: Path, capsys: Capture) -> None:
    """An invalid chart, a broken one, a good one and a missing one are all checked; the worst is the exit code."""
    refused = written(tmp_path, "refused.toml", 'does  = "poll_sync"', 'does  = "pole_sync"')
    broken = written(tmp_path, "broken.toml", "exit = 8", "exit = 9")
    good = str(ROOT / "statecharts" / "test.toml")
    missing, binary = str(tmp_path / "missing.toml"), tmp_path / "binary.toml"
    binary.write_bytes(b"\xff")

    codes = [main(["check", *charts], {}) for charts in ([good], [refused, good], [refused, missing, broken, good])]
    codes.append(main(["check", str(binary)], {}))

    told = capsys.readouterr()
    assert codes == [0, 1, 2, 2]
    assert (
        f"{refused}\n  INVALID structure\n          polling: does: unknown effect 'pole_sync' "
        f"(did you mean poll_sync?)\n{broken}: " in told.out
    )
    assert told.out.count(f"{good}: TEST: run the setup tests\n  ok      structure: ") == 3
    assert told.err == (
        f"{missing}: cannot be read: No such file or directory\n{binary}: cannot be read: not UTF-8 text\n"
    )


def test_exit_codes_are_in_the_help(capsys: Capture) -> None:
    """`check --help` says what its exit codes mean."""
    with pytest.raises(SystemExit) as ended:
        main(["check", "--help"], {})

    assert ended.value.code == 0
    assert "  1  a chart has structural errors, or breaks a promise\n" in capsys.readouterr().out


def test_reader_that_goes_away() -> None:
    """What reads the list may stop early (`| head`): that is not a failure, and there is no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        with Process("check", variables={}, stdout=writing) as command:
            ended = command.end()
    finally:
        os.close(writing)

    assert (ended.code, ended.stderr) == (0, "")
