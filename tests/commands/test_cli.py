"""The command line: what it offers, what it refuses, and that its commands really run."""

import importlib
import json
import re
import shlex
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from process import WITHOUT, Process, Rehearsal, rehearsed

from orchestrator.cli import _Deferred, main
from orchestrator.commands import COMMANDS
from orchestrator.job.job import Job
from orchestrator.job.variables import GROUPS, VARIABLES, Variable
from orchestrator.job.version import described
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.simulator import rehearsal
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Scenario, names
from orchestrator.values.extras import install

Capture = pytest.CaptureFixture[str]

# What the charts have edges for, whatever the action.
CHOICES = {
    "FIVETRAN_ON_RUNNING": ("wait", "attach", "restart", "fail"),
    "FIVETRAN_ON_RESCHEDULE": ("wait", "fail"),
    "FIVETRAN_ON_BROKEN": ("sync", "fail"),
}


@pytest.fixture
def fivetran() -> Iterator[Rehearsal]:
    """A simulated Fivetran in real time."""
    with rehearsed(Scenario()) as served:
        yield served


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A demonstration on a clock on which nobody waits."""
    monkeypatch.setattr(rehearsal, "FastClock", lambda _: VirtualClock())


def _exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments, {})
    return ended.value.code


# --- What it offers -----------------------------------------------------------------------------


def test_help_names_commands_and_exit_codes(capsys: Capture) -> None:
    """The help names each command and each exit code that a chart, or no chart, can end with."""
    codes = {state.exit for action in ACTIONS for state in load(action).states.values() if state.exit is not None}

    code = _exit_code("--help")

    told = capsys.readouterr().out
    listed = told.partition("exit codes:\n")[2].splitlines()
    assert code == 0
    assert {int(line.split()[0]) for line in listed} == {*codes, 2, 70}
    assert [name for name in COMMANDS if f"\n    {name} " not in told] == []


def test_version(capsys: Capture) -> None:
    """`--version` says version, commit and Python."""
    code = main(["--version"], {})

    assert (code, capsys.readouterr().out) == (0, f"fivetran-orchestrator {described()}\n")


@pytest.mark.parametrize("variable", VARIABLES.values(), ids=VARIABLES)
def test_each_variable_is_documented(capsys: Capture, variable: Variable) -> None:
    """The help of `run` has each variable's flag, values, name, meaning and default."""
    _exit_code("run", "--help")

    told = " ".join(capsys.readouterr().out.split())
    default = f" (default {variable.default})" if variable.default else ""
    values = CHOICES.get(variable.name) or variable.values
    takes = f"{{{','.join(values)}}}" if values else variable.takes
    value = f" [{variable.special}]" if variable.special else "" if variable.any_value else f" {takes}"
    assert f" {variable.flag}{value} {variable.meaning}{default} [{variable.name}]" in told


@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_scenarios_are_listed(capsys: Capture, command: str) -> None:
    """`--list` has a line for each scenario: its name, title, verdict and exit code."""
    code = main([command, "--list"], {})

    lines = capsys.readouterr().out.splitlines()
    assert (code, [line.split()[0] for line in lines]) == (0, [*names(), "fleet"])
    assert lines[-1].endswith(" -> each its own (--connections N)")
    assert lines[names().index("paused")].endswith(
        "the connection is paused, and the job may not un-pause it -> paused (exit 7)"
    )


# --- What it refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["dance"], "error: unknown command: give run, list, init, "),
        (["strat"], "error: unknown command. Did you mean run START?\n"),
        (["test"], "error: unknown command. Did you mean run TEST?\n"),
        (["diagrm"], "error: unknown command. Did you mean diagram?\n"),
        (["--dance"], "error: unknown flag --dance\n"),
        (["--vesion"], "error: unknown flag --vesion. Did you mean --version?\n"),
        (["--"], "error: one argument too many: a value that belongs to no flag\n"),
        (["run", "--dance"], "run: error: unknown flag --dance\n"),
        (["run", "--act", "START"], "error: unknown flag --act. Did you mean --action?\n"),
        (["run", "--conector-id", "mine"], "error: unknown flag --conector-id. Did you mean --connector-id?\n"),
        (["run", "--unpause", "yes"], "argument ACTION: unknown action; give FORCE_RESYNC, START, STATUS or TEST\n"),
        (["run", "strat"], "argument ACTION: unknown action; did you mean START?\n"),
        (["run", "START", "mine", "too"], "error: one argument too many: a value that belongs to no flag\n"),
        (
            ["run", "--restore-schedule", "START"],
            "argument --restore-schedule: only auto may follow it: put ACTION and ",
        ),
        (["diagram", "strat"], "argument ACTION: unknown action; did you mean START?\n"),
        (["diagram", "--format", "svgg"], "argument --format: unknown value. Did you mean svg?\n"),
        (
            ["diagram", "--format", "hunter2"],
            "argument --format: unknown value: give mermaid, dot, svg, png, table or ",
        ),
        (["init", "--for", "githb"], "argument --for: unknown value. Did you mean github?\n"),
        (["debug", "STATS"], "argument ACTION: unknown action; did you mean STATUS?\n"),
        (["run", "--action"], "argument --action: expected one argument"),
        (["demo", "--speed", "fast"], "argument --speed: invalid float value: 'fast'"),
        (["demo", "--connections", "many"], "argument --connections: invalid int value: 'many'"),
        (["simulate", "--port", "http"], "argument --port: invalid int value: 'http'"),
    ],
)
def test_unknown_arguments(capsys: Capture, arguments: list[str], problem: str) -> None:
    """What the command line does not know is refused by its name, with exit code 2."""
    code = _exit_code(*arguments)

    assert code == 2
    assert problem in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--apikey", "hunter2!"],
        ["--apikey=hunter2!"],
        ["--apikey", "hunter2!", "run"],
        ["run", "--apikey", "hunter2!"],
        ["run", "--api-secrt=hunter2!"],
        ["run", "--apikey", "-hunter2!"],
        ["run", "--api-key", "--hunter2!"],
        ["run", "START", "--apikey", "hunter2!"],
        ["run", "START", "mine", "hunter2!"],
        ["run", "START", "--", "mine", "--hunter2!"],
        ["run", "hunter2!"],
        ["hunter2!"],
        ["hunter2! (choose from"],
        ["debug", "--apikey", "hunter2!"],
        ["debug", "--apikey", "hunter2!", "START"],
        ["demo", "--apikey", "hunter2!"],
        ["diagram", "--format", "hunter2! (choose from svg)"],
    ],
)
def test_value_of_an_unknown_flag_is_not_repeated(capsys: Capture, arguments: list[str]) -> None:
    """What was given for a mistyped flag may be a secret: it is not printed."""
    code = _exit_code(*arguments)

    printed = capsys.readouterr()
    assert code == 2
    assert "hunter2" not in printed.out + printed.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["demo", "--speed", "0"], "--speed: 0 is not a valid speed: give one from 0.1 to 1000\n"),
        (["demo", "--speed", "-1"], "--speed: -1 is not a valid speed: give one from 0.1 to 1000\n"),
        (["simulate", "--speed", "nan"], "--speed: nan is not a valid speed: give one from 0.1 to 1000\n"),
        (["simulate", "--speed", "inf"], "--speed: inf is not a valid speed: give one from 0.1 to 1000\n"),
        (["demo", "--scenario", "nowhere.toml"], "scenario nowhere.toml: cannot be read: No such file or directory"),
        (["demo", "--scenario", "suceeds"], "no scenario is called 'suceeds'; did you mean succeeds?\n"),
        (["simulate", "--scenario", "lost-anser"], "no scenario is called 'lost_anser'; did you mean lost_answer?\n"),
        (["demo", "--scenario", "flet"], "no scenario is called 'flet'; did you mean fleet?\n"),
        (
            ["demo", "--scenario", "fleet"],
            "scenario fleet is about many connections: say how many, as in --connections ",
        ),
        (["simulate", "--scenario", "fleet"], "scenario fleet is about many connections: say how many, as in --connec"),
        (
            ["demo", "--connections", "0"],
            "--connections: 0 is not a valid number of connections: give one from 1 to 20",
        ),
        (["demo", "--connections", "20001"], "--connections: 20001 is not a valid number of connections: give one fr"),
        (["simulate", "--connections", "-3"], "--connections: -3 is not a valid number of connections: give one from "),
        (["demo", "--scenario", "zebra"], "no scenario is called 'zebra'; there are: another_fails, "),
        (["simulate", "--port", "70000"], "port 70000 cannot be used ("),
        (["simulate", "--port", "-1"], "port -1 cannot be used ("),
    ],
)
def test_impossible_rehearsals(capsys: Capture, arguments: list[str], problem: str) -> None:
    """A rehearsal that cannot be is refused in one line, with exit code 2."""
    code = main(arguments, {})

    told = capsys.readouterr().err
    assert (code, told.count("\n")) == (2, 1)
    assert told.startswith(problem)


def test_taken_port(capsys: Capture) -> None:
    """A port that is taken is refused in one line that says what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code = main(["simulate", "--port", str(port)], {})

    told = capsys.readouterr().err
    assert (code, told.count("\n")) == (2, 1)
    assert told == f"port {port} is in use: give another with --port, or 0 for any free one\n"


def test_no_variables_at_all(capsys: Capture) -> None:
    """Without a variable the job lists all that is missing, and ends with exit code 2."""
    code = main([], {})

    told = capsys.readouterr()
    assert (code, told.out) == (2, "")
    missing = ("FIVETRAN_ACTION", "FIVETRAN_API_KEY", "FIVETRAN_API_SECRET", "CONNECTOR_ID")
    assert [name for name in missing if f"{name}: not set" not in told.err] == []
    assert "4 problems to fix; no request was sent to Fivetran" in told.err


@pytest.mark.parametrize(("missing", "code"), [("werkzeug", 2), ("orchestrator.simulator.app", 1)])
def test_missing_module(missing: str, code: int) -> None:
    """Without the extra the simulator says in one line how to get it; any other missing module is no such case."""
    with Process(missing, "demo", command=(sys.executable, "-c", WITHOUT), variables={}) as command:
        ended = command.end()

    told = f"the simulator requires the extra demo (werkzeug is missing): {install('demo')}\n"
    assert ended.code == code
    assert (ended.stderr == told) == (missing == "werkzeug")


def test_interrupted_while_importing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C before the job has its own handlers ends it with 130, without a traceback."""

    class Slow(types.ModuleType):
        def __getattr__(self, _: str) -> object:
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "orchestrator.fleet.choice", Slow("orchestrator.fleet.choice"))

    assert main([], {}) == 130


# --- run ----------------------------------------------------------------------------------------


def test_flags_do_the_job(fivetran: Rehearsal, capsys: Capture) -> None:
    """`run` needs no variable where flags say it all."""
    flags = [f"{VARIABLES[name].flag}={value}" for name, value in fivetran.variables("STATUS").items()]

    code = main(["run", *flags, "--dont-disable-sync"], {})

    assert (code, [seen.operation for seen in fivetran.simulator.seen]) == (0, ["get"])
    assert json.loads(capsys.readouterr().out)["id"] == "speak_inexpensive"


@pytest.mark.parametrize(
    "arguments",
    [
        ["status", "mine"],
        ["STATUS", "mine", "--poll-interval", "2s"],
        ["--poll-interval", "2s", "Status", "mine"],
        ["STATUS", "--poll-interval=2s", "mine"],
        ["STATUS", "mine", "--action", "status", "--connector-id", "mine"],
        ["STATUS", "--connector-id", "mine"],
        ["--action", "status", "--connector-id", "mine"],
    ],
    ids=" ".join,
)
def test_action_and_connection_by_themselves(fivetran: Rehearsal, arguments: list[str]) -> None:
    """`run STATUS mine` says what the flags say, in any order and case, and wins over the variables."""
    variables = fivetran.variables("TEST", FIVETRAN_DONT_DISABLE_SYNC="1", FIVETRAN_CONNECTOR_ID="another")
    del variables["CONNECTOR_ID"]

    code = main(["run", *arguments], variables)

    assert (code, [seen.path for seen in fivetran.simulator.seen]) == (0, ["/v1/connections/mine"])


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["START", "--action", "test"], "--action contradicts the argument ACTION: give one of the two\n"),
        (
            ["TEST", "mine", "--connector-id", "MINE"],
            "--connector-id contradicts the argument CONNECTOR_ID: give one of the two\n",
        ),
    ],
)
def test_contradiction(fivetran: Rehearsal, capsys: Capture, arguments: list[str], problem: str) -> None:
    """An argument and a flag that say different things are refused, and nothing is asked."""
    code = main(["run", *arguments], fivetran.variables("START"))

    assert (code, fivetran.simulator.seen) == (2, [])
    assert capsys.readouterr().err == problem


@pytest.mark.parametrize(("arguments", "json"), [(["--json"], True), ([], False)])
def test_json_is_handed_on(monkeypatch: pytest.MonkeyPatch, arguments: list[str], json: bool) -> None:  # noqa: FBT001
    """`run --json` asks the job for its JSON document."""
    asked: list[bool] = []

    def run(job: Job) -> int:
        asked.append(job.json)
        return 0

    monkeypatch.setattr(Job, "run", run)

    assert main(["run", *arguments], {}) == 0
    assert asked == [json]


@pytest.mark.parametrize(
    ("arguments", "value"),
    [([], None), (["--restore-schedule"], "1"), (["--restore-schedule", "auto"], "auto"), (["--timeout", "5m"], None)],
)
def test_flag_with_and_without_a_value(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], value: str | None
) -> None:
    """`--restore-schedule` stands by itself or with the one value that says more."""
    given: list[str | None] = []

    def run(job: Job) -> int:
        given.append(job.environ.get("FIVETRAN_RESTORE_SCHEDULE"))
        return 0

    monkeypatch.setattr(Job, "run", run)

    assert main(["run", "START", "mine", *arguments], {}) == 0
    assert given == [value]


def test_each_variable_has_one_group() -> None:
    """No variable stands in two groups of the help, a group names nothing else, and the rest is advanced."""
    grouped = [name for names in GROUPS.values() for name in names]

    assert len(grouped) == len({*grouped} & VARIABLES.keys())
    assert GROUPS["advanced"] == ()


def test_the_job_imports_what_it_needs(fivetran: Rehearsal) -> None:
    """A job without arguments imports neither the command line's modules nor what is for typing errors."""
    code = (
        "import sys; from orchestrator.cli import main; main([], dict(arg.split('=', 1) for arg in sys.argv[1:]))\n"
        "print(*({'argparse', 'difflib', 'orchestrator.commands', 'orchestrator.simulator'} & set(sys.modules)))"
    )
    variables = fivetran.variables("STATUS", FIVETRAN_DONT_DISABLE_SYNC="1")
    arguments = [f"{name}={value}" for name, value in variables.items()]
    with Process(*arguments, command=(sys.executable, "-c", code), variables={}) as command:
        ended = command.end()

    assert ended.code == 0
    assert ended.stdout.endswith("}\n\n")


@pytest.mark.parametrize("name", ["CONNECTOR_ID", "FIVETRAN_CONNECTOR_ID"])
def test_flags_win(fivetran: Rehearsal, name: str) -> None:
    """A flag wins over its variable, and over that variable's second name."""
    variables = fivetran.variables("STATUS", FIVETRAN_DONT_DISABLE_SYNC="1")
    variables[name] = "another_one"
    del variables["CONNECTOR_ID" if name != "CONNECTOR_ID" else "FIVETRAN_ACTION"]

    code = main(["run", "--connector-id", "mine", "--action", "status"], variables)

    assert (code, [seen.path for seen in fivetran.simulator.seen]) == (0, ["/v1/connections/mine"])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (None, "holds no unfinished run: start one without --resume"),
        ("{", "cannot be read as a state file (Expecting property name enclosed in double quotes"),
        ('{"format": 1, "ended": true}', "is not a state file: use another file"),
    ],
)
def test_resume_without_a_run(
    fivetran: Rehearsal, tmp_path: Path, capsys: Capture, content: str | None, problem: str
) -> None:
    """`run --resume` ends with exit code 2 where the file holds no run of this job, and asks nothing."""
    file = tmp_path / "state.json"
    if content is not None:
        file.write_text(content, "utf-8")

    code = main(["run", "--resume", str(file)], fivetran.variables("START"))

    assert (code, fivetran.simulator.seen) == (2, [])
    assert f"FIVETRAN_STATE_FILE: {file} {problem}" in capsys.readouterr().err


# --- demo and simulate --------------------------------------------------------------------------


@pytest.mark.usefixtures("no_waiting")
def test_demo_ends_as_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`demo` ends with 0 when the job ended as the scenario says, whatever the job's own exit code."""
    monkeypatch.chdir(tmp_path)

    code = main(["demo", "--scenario", "paused"], {"FIVETRAN_LOG_FORMAT": "json", "CONNECTOR_ID": "not mine"})

    told = capsys.readouterr()
    log = [json.loads(line) for line in told.err.splitlines() if line.startswith("{")]
    assert (code, json.loads(told.out)["verdict"]) == (0, "paused")
    assert log[0]["CONNECTOR_ID"] == "speak_inexpensive"
    assert "\nexpected end: paused, exit code 7\n" in told.err
    assert told.err.splitlines()[-1].startswith("{")


@pytest.mark.usefixtures("no_waiting")
def test_demo_leaves_a_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`demo` leaves results where CI's go, and says before how to replay the journal among them; the run repeats."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["bin/fivetran orchestrator"])

    main(["demo", "--scenario", "paused"], {})

    command, file = "'bin/fivetran orchestrator'", "dataops/report/fivetran/journal.jsonl"
    head = capsys.readouterr().err.partition("\n\n")[0]
    assert f"\nafterwards, to replay the run: {command} replay {file}\n" in head
    assert head.endswith(f"\nor to step through it: {command} debug --replay {file}")
    assert main(["replay", "dataops/report/fivetran/journal.jsonl"], {}) == 0
    assert {"journal.jsonl", "result.json", "index.html"} < {path.name for path in tmp_path.glob("**/*")}


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize("off", [{"FIVETRAN_REPORT_DIR": ""}, {"FIVETRAN_JOURNAL": "0"}])
def test_demo_without_a_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, off: dict[str, str]
) -> None:
    """Without results, or told to write none, `demo` leaves no journal and speaks of none."""
    monkeypatch.chdir(tmp_path)

    main(["demo", "--scenario", "paused"], off)

    assert "journal" not in capsys.readouterr().err.replace("FIVETRAN_JOURNAL=", "")
    assert list(tmp_path.glob("**/journal.jsonl")) == []


@pytest.mark.usefixtures("no_waiting")
@pytest.mark.parametrize(("action", "code"), [("STATUS", 0), ("test", 0), ("force-resync", 0), ("START", 0)])
def test_demo_of_an_action(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, action: str, code: int
) -> None:
    """`demo ACTION` runs that action, without a variable of the user's."""
    monkeypatch.chdir(tmp_path)

    ended = main(["demo", action, "--json"], {"FIVETRAN_LOG_FORMAT": "json"})

    log = [json.loads(line) for line in capsys.readouterr().err.splitlines() if line.startswith("{")]
    assert (ended, log[0]["FIVETRAN_ACTION"]) == (code, action.upper().replace("-", "_"))


@pytest.mark.usefixtures("no_waiting")
def test_demo_of_an_action_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Of an action that the scenario says nothing about, `demo` ends with the job's own exit code."""
    monkeypatch.chdir(tmp_path)

    code = main(["demo", "TEST", "--scenario", "wrong_key"], {})

    assert code == 3
    assert "expected end" not in capsys.readouterr().err


@pytest.mark.usefixtures("no_waiting")
def test_demo_without_the_debugger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Where the debugger's extra is not installed, `demo` does not recommend it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(rehearsal, "find_spec", lambda name: None if name == "rich" else name)

    main(["demo", "--scenario", "paused"], {})

    told = capsys.readouterr().err
    assert " replay dataops/" in told
    assert " debug " not in told


@pytest.mark.usefixtures("no_waiting")
def test_demo_that_ends_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`demo` ends with 70 when the job ended otherwise than the scenario says."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "wrong.toml"
    file.write_text("verdict = 'sync_failed'\nexit_code = 1\n", "utf-8")

    code = main(["demo", "--scenario", str(file)], {})

    assert code == 70
    assert "ended as succeeded, exit code 0; this scenario expects sync_failed, exit code 1" in capsys.readouterr().err


def test_demo_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Ctrl-C in `demo` is no failure of the scenario: the job's own exit code is the command's."""
    monkeypatch.chdir(tmp_path)

    class Interrupted(VirtualClock):
        def sleep(self, seconds: float) -> None:
            del seconds
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(rehearsal, "FastClock", lambda _: Interrupted())

    code = main(["demo"], {})

    assert code == 130
    assert "this scenario expects" not in capsys.readouterr().err


SHORT = """
title = "short"
syncs = [{ lasts = 5 }]
[[mix]]
place = 2
like = "paused"
[[mix]]
place = 5
like = "fails"
syncs = [{ lasts = 5, ends = "fails" }]
"""


def _short(folder: Path, more: str = "") -> str:
    file = folder / "short.toml"
    file.write_text(more + SHORT, "utf-8")
    return str(file)


def test_demo_of_many_connections(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`demo --connections` runs the job about a group, and ends with 0 when all ended as the scenario's mix says."""
    monkeypatch.chdir(tmp_path)

    code = main(["demo", "--connections", "12", "--scenario", _short(tmp_path)], {"CONNECTOR_ID": "not_mine"})

    told = capsys.readouterr()
    document = json.loads(told.out)
    assert "\nexpected end: 10 succeeded, 1 paused, 1 sync_failed, exit code 1\n" in told.err
    assert (code, document["exit_code"], document["total"]) == (0, 1, 12), told.err
    (journal,) = re.findall(r" replay (dataops/\S+)\n", told.err.partition("\n\n")[0])
    assert main(["replay", journal], {}) == 0


def test_demo_of_many_connections_that_ends_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """`demo --connections` ends with 70 when one of them ended otherwise than the mix says."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "wrong.toml"
    file.write_text("syncs = [{ lasts = 5 }]\n[[mix]]\nplace = 2\nverdict = 'paused'\nexit_code = 7\n", "utf-8")

    code = main(["demo", "--connections", "3", "--scenario", str(file)], {"FIVETRAN_REPORT_DIR": ""})

    told = capsys.readouterr().err
    assert code == 70
    assert told.endswith(
        "\nthe job ended as 3 succeeded, exit code 0; this scenario expects 2 succeeded, 1 paused, exit code 7\n"
    )
    assert " replay " not in told


def test_demo_of_many_that_cannot_be_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Where the job ends before it knows the connections, `demo` says how it ended."""
    monkeypatch.chdir(tmp_path)

    code = main(["demo", "--connections", "2", "--scenario", "wrong_key"], {})

    assert code == 70
    assert "the job ended as exit code 3; this scenario expects 2 refused, exit code 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "raised"), [("rate_limit = 10\n", True), ("rate_limit = 60\n", False), ("rate_limit = 0\n", False)]
)
def test_demo_of_an_action_on_many_connections(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, more: str, *, raised: bool
) -> None:
    """`demo ACTION --connections` runs that action on each; the limit of requests is raised where they need it."""
    monkeypatch.chdir(tmp_path)

    code = main(["demo", "STATUS", "--connections", "3", "--scenario", _short(tmp_path, more)], {})

    told = capsys.readouterr().err
    assert code == 0
    assert "expected end" not in told
    assert ("for so many the account may make 60 requests an hour" in told) == raised


def test_demo_of_connections_that_do_not_exist(tmp_path: Path, capsys: Capture) -> None:
    """`demo --connections` and `simulate --connections` refuse a scenario in which none of them exists."""
    file = tmp_path / "nobody.toml"
    file.write_text("exists = false", "utf-8")

    codes = [main([command, "--connections", "3", "--scenario", str(file)], {}) for command in ("demo", "simulate")]

    assert codes == [2, 2]
    assert capsys.readouterr().err == "scenario nobody: the group projected_sickle has no connection that exists\n" * 2


def _exported(lines: list[str]) -> dict[str, str]:
    exports = [shlex.split(line)[1] for line in lines if line.startswith("export ")]
    return dict(export.split("=", 1) for export in exports)


def test_simulate_of_a_few_connections(tmp_path: Path, capsys: Capture) -> None:
    """`simulate --connections` of a few names each of them, in variables that a job can run with."""
    arguments = ("simulate", "--connections", "3", "--scenario", _short(tmp_path), "--port", "0", "--speed", "100")
    with Process(*arguments, variables={}) as command:
        command.await_line("__main__.py\n")
        variables = _exported(command.stderr)
        code = main(["run", "STATUS"], {**variables, "FIVETRAN_ACTION": "STATUS"})
        command.send(signal.SIGINT)
        ended = command.end()

    assert variables["CONNECTOR_ID"] == "castle_lilac,piano_fiddle,speak_inexpensive"
    assert (code, len(json.loads(capsys.readouterr().out))) == (0, 3)
    assert "It has 3 connections in the group projected_sickle; any other id is unknown. In another" in ended.stderr
    assert "PATCH /v1/connections/speak_inexpensive {" in ended.stderr


def test_simulate_of_many_connections(capsys: Capture) -> None:
    """`simulate --connections` of many names their group, and says how many there are."""
    with Process("simulate", "--connections", "30", "--port", "0", variables={}) as command:
        command.await_line("__main__.py\n")
        variables = _exported(command.stderr)
        code = main(["list", "--group", variables["FIVETRAN_GROUP_ID"], "--json"], variables)
        command.send(signal.SIGINT)
        ended = command.end()

    assert (code, len(json.loads(capsys.readouterr().out))) == (0, 30)
    assert "CONNECTOR_ID" not in variables
    assert "It has 30 connections in the group projected_sickle, and 3 in other groups; any other" in ended.stderr


def test_simulate_of_one_connection() -> None:
    """`simulate --connections 1` names the one there is."""
    with Process("simulate", "--connections", "1", "--port", "0", variables={}) as command:
        command.await_line("__main__.py\n")
        command.send(signal.SIGINT)
        ended = command.end()

    assert "It has 1 connection in the group projected_sickle, and 3 in other groups; " in ended.stderr
    assert "\nexport CONNECTOR_ID=speak_inexpensive\n" in ended.stderr


def test_simulate_serves_until_interrupted(tmp_path: Path, capsys: Capture) -> None:
    """`simulate` serves a job that has the variables it prints, tells each request, and ends cleanly on Ctrl-C."""
    file = tmp_path / "mine.toml"
    file.write_text("title = 'mine'\nvariables = { SCHEMA = 'two words' }\n[[syncs]]\nlasts = 10\n", "utf-8")
    arguments = ("simulate", "--scenario", str(file), "--port", "0", "--speed", "100")
    with Process(*arguments, variables={}) as command:
        command.await_line("__main__.py\n")
        exports = [shlex.split(line)[1] for line in command.stderr if line.startswith("export ")]
        variables = dict(export.split("=", 1) for export in exports)
        code = main([], {**variables, "FIVETRAN_POLL_INTERVAL": "0.2"})
        command.send(signal.SIGINT)
        ended = command.end()

    assert (code, json.loads(capsys.readouterr().out)["verdict"]) == (0, "succeeded")
    assert variables["SCHEMA"] == "two words"
    assert (ended.code, ended.stdout) == (0, "")
    assert "POST /v1/connections/speak_inexpensive/sync {'force': False} -> 200\n" in ended.stderr
    assert ended.stderr.endswith("stopped\n")


# --- debug ----------------------------------------------------------------------------------------


def test_connection_of_a_simulation(capsys: Capture) -> None:
    """`debug START mine` is refused against a simulated Fivetran, which has a connection of its own."""
    code = main(["debug", "START", "mine"], {})

    assert code == 2
    assert capsys.readouterr().err.startswith("CONNECTOR_ID is for --live only: ")


def test_connection_to_debug(capsys: Capture) -> None:
    """`debug START mine --live` debugs that connection, whatever the variables say."""
    code = main(["debug", "START", "My Shop", "--live"], {"FIVETRAN_CONNECTOR_ID": "theirs"})

    assert code == 2
    assert "CONNECTOR_ID: 'My Shop' is not an id: " in capsys.readouterr().err


# --- python -m orchestrator ---------------------------------------------------------------------


def test_module_is_the_command() -> None:
    """`python -m orchestrator` is the command line."""
    with Process("--version", variables={}) as command:
        ended = command.end()

    assert (ended.code, ended.stdout) == (0, f"fivetran-orchestrator {described()}\n")


def test_module_can_be_imported() -> None:
    """Importing the module runs nothing."""
    module = importlib.import_module("orchestrator.__main__")

    assert module.main is main


def test_arguments_and_variables_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Called without arguments, the command line takes those of the process, and its variables."""
    monkeypatch.setattr("sys.argv", ["fivetran-orchestrator"])
    monkeypatch.setattr("os.environ", {"FIVETRAN_ACTION": "DANCE"})

    code = main()

    assert code == 2
    assert "'DANCE' is not an action" in capsys.readouterr().err


def test_deferred_module_is_the_real_one_once_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the job does not import at its start is there as soon as somebody uses it, for whoever holds it."""
    monkeypatch.setitem(sys.modules, "colorsys", deferred := _Deferred("colorsys"))
    held: Any = importlib.import_module("colorsys")

    assert held.rgb_to_hsv(1.0, 1.0, 1.0) == (0.0, 0.0, 1.0)
    assert sys.modules["colorsys"] is not deferred
    assert held.hsv_to_rgb is importlib.import_module("colorsys").hsv_to_rgb


@pytest.mark.parametrize("abandoned", [False, True])
def test_process_ends_beside_an_abandoned_request(*, abandoned: bool) -> None:
    """A request that was given up is left where it is when the process ends; else Python ends as it always does."""
    start = "threading.Thread(target=threading.Event().wait, daemon=True).start(); " if abandoned else ""
    program = (
        "import atexit, threading, orchestrator.__main__ as ours; atexit.register(print, 'as always'); "
        f"{start}ours.main = lambda: 3; ours.command()"
    )

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stdout) == (3, "" if abandoned else "as always\n")
