"""Where the debugger is worked with: a terminal, a file, the real Fivetran; and how it is refused and interrupted."""

import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from console import Debugger
from process import WITHOUT, Process, Rehearsal, environment, rehearsed
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.text import Text

from orchestrator.cli import main
from orchestrator.debugger import shell
from orchestrator.debugger.commands import complete
from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.screen import Console
from orchestrator.debugger.sources import opened
from orchestrator.machine.loader import load
from orchestrator.simulator.app import SECRET
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.clock import SystemClock
from orchestrator.values.extras import install
from orchestrator.values.settings import Settings

Capture = pytest.CaptureFixture[str]
ROOT = Path(__file__).parents[2]
LEFT = "You are leaving the run before its end. At Fivetran, as far as the run knows:"
TRIGGERED = "the sync was triggered and MAY STILL BE RUNNING"
MANUAL = "schedule: manual, was auto; no sync will run until a job starts one;"
ATTACH = "To wait for that sync, start the job, or this, with FIVETRAN_ON_RUNNING=attach."
UNANSWERED = "had no answer: it may have been carried out"
PATIENCE = 60.0  # seconds until something that should have been on the terminal is missed


@pytest.fixture
def fivetran() -> Iterator[Rehearsal]:
    """What stands for the real Fivetran: a simulated one in real time."""
    with rehearsed(Scenario(syncs=(SyncPlan(lasts=0.3),))) as served:
        yield served


def _asked(rehearsal: Rehearsal) -> list[str]:
    return [seen.operation for seen in rehearsal.simulator.seen]


# --- How it begins --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "no action given: use one of FORCE_RESYNC, START, STATUS, TEST, or --replay FILE\n"),
        (["START", "--scenario", "zebra"], "no scenario is called 'zebra'; there are: another_fails, "),
        (["START", "--commands", "nowhere.txt"], "--commands nowhere.txt: No such file or directory: use a file"),
    ],
)
def test_what_cannot_be_opened(debug: Debugger, arguments: list[str], problem: str) -> None:
    """A session that cannot begin is refused in one line, with exit code 2."""
    told = debug.refused(*arguments)

    assert told.startswith(problem)
    assert told.count("\n") == 1


def test_commands_that_are_no_text(debug: Debugger, tmp_path: Path) -> None:
    """A file of commands that is not text is refused by name before anything is done."""
    file = tmp_path / "commands.txt"
    file.write_bytes(b"step\n\xff\n")

    told = debug.refused("START", "--commands", str(file))

    assert told == f"--commands {file}: not UTF-8 text: use a file with one command per line\n"


def test_machine_that_serves_nothing(debug: Debugger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the simulated Fivetran cannot be served that is reported, and no file of commands is blamed."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("socket.create_server", refuse)

    told = debug.refused("START")

    assert told == "the session cannot start: [Errno 1] Operation not permitted\n"


def test_scenario_with_wrong_variables(debug: Debugger, tmp_path: Path) -> None:
    """A scenario whose variables are no job's is refused by the variable's name."""
    file = tmp_path / "own.toml"
    file.write_text("variables = { FIVETRAN_TIMEOUT = 'soon' }", "utf-8")

    told = debug.refused("START", "--scenario", str(file))

    assert told.startswith("FIVETRAN_TIMEOUT: 'soon' is not a duration")


def test_chart_of_ones_own(debug: Debugger, tmp_path: Path) -> None:
    """A chart of one's own (FIVETRAN_CHART) is debugged against the simulated Fivetran, too."""
    chart = tmp_path / "own.toml"
    chart.write_text(load("START").source.replace('title   = "', 'title   = "Our own '), "utf-8")

    transcript = debug("START", "draw", environ={"FIVETRAN_CHART": str(chart), "FIVETRAN_TIMEOUT": "no number"})

    assert transcript.last.text.startswith("Our own START: ")


def test_live_without_variables(debug: Debugger) -> None:
    """`--live` lists the variables that the job would miss, a line each."""
    told = debug.refused("START", "--live")

    assert [line.partition(":")[0] for line in told.splitlines()] == [
        "FIVETRAN_API_KEY",
        "FIVETRAN_API_SECRET",
        "CONNECTOR_ID",
    ]


@pytest.mark.parametrize("module", ["rich", "prompt_toolkit", "werkzeug"])
def test_missing_extra(module: str) -> None:
    """Without the extra the debugger says in one line how to get it."""
    with Process(module, "debug", "START", command=(sys.executable, "-c", WITHOUT), variables={}) as command:
        ended = command.end()

    told = f"the debugger requires the extra debug ({module} is missing): {install('debug')}\n"
    assert (ended.code, ended.stderr) == (2, told)


def test_missing_module_of_the_package() -> None:
    """Any other missing module is a bug, and no missing extra."""
    module = "orchestrator.debugger.ports"
    with Process(module, "debug", "START", command=(sys.executable, "-c", WITHOUT), variables={}) as command:
        ended = command.end()

    assert ended.code == 1
    assert "ModuleNotFoundError" in ended.stderr


def test_commands_that_are_piped_in(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """Where stdin is not a terminal the commands come from there."""
    monkeypatch.setattr("sys.stdin", io.StringIO("step\n"))

    code = main(["debug", "STATUS"], {})

    assert code == 0
    assert "\n(simulated: succeeds) 0 validating> step\n" in capsys.readouterr().out


def test_commands_after_a_byte_order_mark(debug: Debugger, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What an editor puts before the first command is not part of it, in a file and in a pipe."""
    filed = debug("STATUS", "\ufeffstep")
    monkeypatch.setattr("sys.stdin", io.StringIO("\ufeffstep\n"))

    code = main(["debug", "STATUS"], {})

    assert (filed.code, code) == (0, 0)
    assert "\n(simulated: succeeds) 0 validating> step\n" in capsys.readouterr().out


def test_pipe_that_is_no_text(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """What is not text in a pipe is a command that is refused; those before and after it are done."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"step\n\xff\nstep\n"), "utf-8"))

    code = main(["debug", "STATUS"], {})

    assert code == 2
    shown = capsys.readouterr().out
    assert "there is no command '\ufffd'" in shown
    assert shown.count("> step\n") == 2


@pytest.mark.parametrize(("path", "kind"), [("/dev/zero", "a device"), ("/", "a directory")])
def test_commands_from_what_is_no_file(debug: Debugger, path: str, kind: str) -> None:
    """What is not a file is refused before anything is done."""
    told = debug.refused("START", "--commands", path)

    assert told == f"--commands {path}: it is {kind}, not a regular file: use a file with one command per line\n"


def test_transcript_in_a_narrow_encoding() -> None:
    """What stdout's encoding cannot say is replaced."""
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, "ascii")

    shell._Trimmed(out).write("a…  \nb")

    assert (out.encoding, raw.getvalue()) == ("ascii", b"a?\nb")


def test_console_is_clean() -> None:
    """Whatever is shown on the screen, no secret and nothing that steers the terminal is in it but what colours it."""
    out = io.StringIO()
    session = opened(None, None, str(ROOT / "tests" / "journals" / "status.jsonl"), {}, live=False)
    session.mask.add("open sesame")
    console = Console(session, file=out, force_terminal=True, color_system="standard", width=80)

    console.print(Text("here \x1b[2J\x9b open sesame", "red"), soft_wrap=True)

    assert out.getvalue() == "\x1b[31mhere [2J ***\x1b[0m\n"


def test_transcripts_are_up_to_date() -> None:
    """`docs/debugging.md` and the pages in `docs/debugging/` are what `make documents` would write."""
    command = [sys.executable, str(ROOT / "tools" / "transcripts.py"), "--check"]

    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


@pytest.mark.parametrize("page", ["debugging.md", "debugging/rescheduled.md", "debugging/revoked-key.md"])
def test_a_page_has_one_transcript(page: str) -> None:
    """Each page about the debugger shows the transcript of one command, with its output."""
    text = (ROOT / "docs" / page).read_text("utf-8")

    transcripts = re.findall(r"```\n\$ fivetran-orchestrator debug [^\n]+\n(.*?)```\n", text, re.DOTALL)

    assert len(transcripts) == 1
    assert transcripts[0].startswith("START speak_inexpensive (")


# --- The real Fivetran ----------------------------------------------------------------------------


def test_live_asks_before_it_changes_something(debug: Debugger, fivetran: Rehearsal) -> None:
    """Nothing that changes something is sent without a yes; declined, the run does not move."""
    variables = fivetran.variables("START", FIVETRAN_EVIDENCE="0")

    transcript = debug(
        "start --live", "step 2", "step", "no", "step", "", "step", "yes", "until triggered", environ=variables
    )

    host = variables["FIVETRAN_API_URL"].removeprefix("http://")
    declined, again, agreed = transcript.told[1:4]
    assert transcript.opening.startswith(f"START speak_inexpensive (LIVE {host}), the beginning ---")
    assert declined.prompt == f"(LIVE {host}) 2 disabling_schedule>"
    assert declined.text.splitlines() == [
        f"LIVE {host}, to switch the connection to a manual schedule:",
        'PATCH /v1/connections/speak_inexpensive {"schedule_type": "manual", "run_setup_tests": false}',
        "send it? [y/N] no",
        "not sent: PATCH /v1/connections/speak_inexpensive; the run has not moved",
    ]
    assert again.text.splitlines()[3] == declined.text.splitlines()[3]
    assert agreed.state == "taking_baseline"
    assert "not sent: POST" in transcript.last.text  # the file had no more answers
    assert (transcript.code, _asked(fivetran)) == (2, ["get", "patch"])


def test_live_shows_no_secret_of_a_proxy(debug: Debugger) -> None:
    """What the environment says of proxies is masked where a live answer repeats it."""
    echo = Fault(on="get", status=400, code="Odd", message="builder:pa#ss-word pa%23ss-word")
    with rehearsed(Scenario(faults=(echo,))) as served:
        variables = served.variables("STATUS", HTTPS_PROXY="http://builder:pa%23ss-word@proxy:3128")
        transcript = debug("STATUS --live", "step", "answer", environ=variables)

    shown = transcript.opening + "".join(told.text for told in transcript.told)
    assert "*** ***" in shown
    assert "ss-word" not in shown


def test_live_run_goes_to_its_end(debug: Debugger, fivetran: Rehearsal, tmp_path: Path) -> None:
    """A live run waits in real time, reports as the job does, and is saved without secrets."""
    file = tmp_path / "saved.jsonl"
    report = tmp_path / "report"
    variables = fivetran.variables("START", FIVETRAN_EVIDENCE="0", FIVETRAN_REPORT_DIR=str(report))

    transcript = debug("START --live", "c", "y", "Y", f"save {file}", "last", environ=variables)

    journal = file.read_text("utf-8")
    assert transcript.of("c").row("here") == "done, final: exit code 0, verdict succeeded"
    assert '"verdict": "succeeded"' in (report / "result.json").read_text("utf-8")
    assert read_journal(file).records[-1].step.target == "done"
    assert SECRET not in journal + transcript.opening + "".join(told.text for told in transcript.told)


@pytest.mark.parametrize(
    ("commands", "goes_on"),
    [
        (["step"], ["no sync was started"]),
        (["until triggered", "y", "y"], [TRIGGERED, MANUAL, ATTACH]),
        (["until triggered", "y", "y", "fork", "step"], [TRIGGERED, MANUAL, ATTACH]),
    ],
)
def test_leaving_a_live_run(debug: Debugger, fivetran: Rehearsal, commands: list[str], goes_on: list[str]) -> None:
    """Whoever leaves a live run before its end, from a fork, too, is told what is running at Fivetran."""
    transcript = debug("START --live", *commands, "quit", environ=fivetran.variables("START", FIVETRAN_EVIDENCE="0"))

    head, *told = transcript.last.text.splitlines()
    assert (transcript.code, head) == (0, LEFT)
    assert [line.removeprefix("- ") for line in told if not line.startswith("FIVETRAN_RESTORE")] == goes_on


def test_leaving_a_live_run_that_has_ended(debug: Debugger, fivetran: Rehearsal) -> None:
    """Behind a live run's end nothing is left to tell."""
    variables = fivetran.variables("START", FIVETRAN_EVIDENCE="0")

    transcript = debug("START --live", "continue", "y", "y", "quit", environ=variables)

    assert (transcript.code, transcript.last.command, transcript.last.text) == (0, "quit", "")


def test_leaving_after_a_trigger_that_was_cut_off(debug: Debugger) -> None:
    """A trigger that Ctrl-C cut off may have been carried out: whoever leaves then is told so."""
    with rehearsed(Scenario(faults=(Fault(on="sync", does="hang"),))) as fivetran:

        def interrupt() -> None:
            fivetran.await_request("sync")
            os.kill(os.getpid(), signal.SIGINT)

        waiting = threading.Thread(target=interrupt)
        waiting.start()
        transcript = debug("START --live", "c", "y", "y", "quit", environ=fivetran.variables("START"))
        waiting.join()

    told = transcript.last.text.splitlines()
    assert told[:2] == [LEFT, "- a sync MAY BE RUNNING: the answer to its trigger was lost"]
    assert told[-1] == ATTACH


def test_report_that_cannot_be_written(debug: Debugger, fivetran: Rehearsal, tmp_path: Path) -> None:
    """A report that cannot be written is the run's own event, here as in the job."""
    (tmp_path / "taken").touch()
    file = tmp_path / "saved.jsonl"
    variables = fivetran.variables("STATUS", FIVETRAN_DONT_DISABLE_SYNC="1")
    variables["FIVETRAN_REPORT_DIR"] = str(tmp_path / "taken" / "report")

    transcript = debug("STATUS --live", "until unwritable", f"save {file}", environ=variables)

    assert transcript.of("until unwritable").state == "ending"
    assert read_journal(file).records[-1].step.unwritable


def test_live_answers_by_hand_are_not_sent(debug: Debugger, fivetran: Rehearsal) -> None:
    """With `--live`, an answer by hand takes the request's place: nothing is sent, and nothing is asked."""
    variables = fivetran.variables("START")

    transcript = debug("START --live", "answer 200", "step 2", "answer 200", "fork", "u triggered", environ=variables)

    refused = transcript.told[0]
    assert refused.line == "the connection has not been read yet: give the body with `answer 200 FILE`"
    assert transcript.told[2].row("came by").startswith("disabling_schedule --disabled--> taking_baseline")
    assert transcript.last.state == "considering_durations"
    assert _asked(fivetran) == ["get"]


def test_secrets_are_shown_nowhere(debug: Debugger) -> None:
    """What repeats the secret is shown, and saved, with stars in its place."""
    echo = Fault(on="get", status=400, code="InvalidInput", message=f"who is {SECRET}?")
    with rehearsed(Scenario(faults=(echo,))) as fivetran:
        transcript = debug("START --live", "step", "last", "why", "facts", environ=fivetran.variables("START"))

    shown = transcript.opening + "".join(told.text for told in transcript.told)
    assert "who is ***?" in shown
    assert SECRET not in shown


# --- Interrupted ----------------------------------------------------------------------------------


def _raising(*numbers: int) -> Callable[[SystemClock, float], None]:
    """A sleep that is ended by signals."""

    def sleep(clock: SystemClock, seconds: float) -> None:
        del clock, seconds
        for number in numbers:
            signal.raise_signal(number)

    return sleep


def test_pause_is_interrupted(debug: Debugger, fivetran: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in a pause returns to the prompt, and the run does not move."""
    monkeypatch.setattr(SystemClock, "sleep", _raising(signal.SIGINT))
    variables = fivetran.variables("START", FIVETRAN_POLL_INTERVAL="100")

    transcript = debug("START --live", "until waiting", "y", "y", "step", "wait skip", environ=variables)

    interrupted = transcript.of("step")
    assert interrupted.line == "interrupted: the pause is not over, and the run has not moved"
    assert transcript.last.prompt == interrupted.prompt
    assert interrupted.prompt.endswith(") 6 waiting>")


def test_terminated(debug: Debugger, fivetran: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM ends the debugger, with the exit code of that signal."""
    monkeypatch.setattr(SystemClock, "sleep", _raising(signal.SIGTERM))

    variables = fivetran.variables("START", FIVETRAN_POLL_INTERVAL="100")
    transcript = debug("START --live", "c", "y", "y", "look", environ=variables)

    assert (transcript.code, transcript.last.command) == (143, "c")


@pytest.mark.parametrize(
    ("on", "words"),
    [
        ("get", "interrupted: the run has not moved"),
        (
            "patch",
            "the run has not moved; PATCH /v1/connections/speak_inexpensive may have been carried out: `inject",
        ),
    ],
)
def test_call_is_interrupted(debug: Debugger, on: str, words: str) -> None:
    """Ctrl-C in a call comes back to the prompt; of a change it is said that it may have been carried out."""
    with rehearsed(Scenario(faults=(Fault(on=on, does="hang"),))) as fivetran:

        def interrupt() -> None:
            fivetran.await_request(on)
            os.kill(os.getpid(), signal.SIGINT)

        waiting = threading.Thread(target=interrupt)
        waiting.start()
        transcript = debug("START --live", "until taking_baseline", "y", "look", environ=fivetran.variables("START"))
        waiting.join()

    assert words in " ".join(transcript.told[0].text.split())
    assert transcript.code == 2


def test_long_run_is_interrupted(debug: Debugger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C, once or twice, in the middle of many steps stops after the step that is under way."""
    told = Settings.policy

    def policy(settings: Settings, name: str) -> str:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        return told(settings, name)

    monkeypatch.setattr(Settings, "policy", policy)

    transcript = debug("START --scenario rescheduled-twice", "c", "step")

    assert transcript.of("c").text.splitlines()[-1].startswith("interrupted")
    assert transcript.last.prompt.endswith(" 12 awaiting_reschedule>")


# --- A terminal -----------------------------------------------------------------------------------


@contextmanager
def _keyboard(*typed: str) -> Iterator[PipeInput]:
    """Somebody who types this, at a terminal that nobody sees."""
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        for text in typed:
            keys.send_text(text)
        yield keys


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdin passes for a terminal."""
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)


@pytest.mark.usefixtures("terminal")
def test_commands_are_typed(tmp_path: Path, capsys: Capture) -> None:
    """Commands are typed, dropped by Ctrl-C, refused in red, and kept; Ctrl-D leaves."""
    with _keyboard("st\r", "zebra\r", "wrong\x03", "\r", "un\x03", "\x04"):
        code = main(["debug", "START"], {"XDG_STATE_HOME": str(tmp_path)})

    shown = capsys.readouterr().out
    kept = (tmp_path / "fivetran-orchestrator" / "debug-history").read_text("utf-8")
    assert code == 0
    assert "`help` lists the commands, `step` takes the first step." in shown
    assert "there is no command 'zebra'" in shown
    assert shown.count("(simulated: succeeds), step 1") == 2  # Enter alone shows it again
    assert re.findall(r"^\+(.*)", kept, re.MULTILINE) == ["st", "zebra"]


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("typed", "asked"), [("y\r", ["get", "patch"]), ("\r", ["get"]), ("\x03", ["get"]), ("\x04", ["get"])]
)
def test_question_is_answered_at_the_keyboard(
    fivetran: Rehearsal, tmp_path: Path, capsys: Capture, typed: str, asked: list[str]
) -> None:
    """Only a yes sends what changes something: Enter, Ctrl-C and Ctrl-D do not, and none of them leaves."""
    (tmp_path / "state").touch()  # no history can be kept there, and nothing comes of it
    variables = fivetran.variables("START", NO_COLOR="1", XDG_STATE_HOME=str(tmp_path / "state"))
    with _keyboard("s\r", "s\r", "s\r", typed, "history\r", "quit\r"):
        code = main(["debug", "START", "--live"], variables)

    assert (code, _asked(fivetran)) == (0, asked)
    assert ("not sent: PATCH" in capsys.readouterr().out) == (asked == ["get"])


@pytest.mark.usefixtures("terminal")
def test_waiting_is_shown_at_a_terminal(
    fivetran: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """While real time passes, the terminal's last line says how much is left, and what to do about it."""
    monkeypatch.setattr(SystemClock, "sleep", _raising(signal.SIGINT))
    variables = fivetran.variables("START", XDG_STATE_HOME=str(tmp_path), FIVETRAN_POLL_INTERVAL="100")
    with _keyboard("until waiting\r", "y\r", "y\r", "step\r", "\x04"):
        main(["debug", "START", "--live"], variables)

    assert re.search(r"waiting another [\w ]+ s; Ctrl-C returns to the prompt", capsys.readouterr().out)


@pytest.mark.usefixtures("terminal")
def test_terminated_at_a_terminal(
    fivetran: Rehearsal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    """SIGTERM in a pause ends the session at a terminal, too."""
    monkeypatch.setattr(SystemClock, "sleep", _raising(signal.SIGTERM))
    with _keyboard("c\r", "y\r", "y\r"):
        variables = fivetran.variables("START", HOME=str(tmp_path), FIVETRAN_POLL_INTERVAL="100")
        code = main(["debug", "START", "--live"], variables)

    assert code == 143
    assert "interrupted" in capsys.readouterr().out
    assert (tmp_path / ".local" / "state" / "fivetran-orchestrator" / "debug-history").is_file()


def test_words_are_completed() -> None:
    """Completion offers commands, and then what the command takes."""
    session = opened("START", None, None, {}, live=False)
    session.breakpoints["polling"] = None
    try:
        offered = {text: complete(session, text) for text in OFFERED}
        words = shell._Words(Console(session))
        completions = list(words.get_completions(Document("until po"), CompleteEvent()))
    finally:
        session.close()

    assert {text: found for text, found in offered.items() if not set(OFFERED[text]) <= set(found)} == {}
    assert [(one.text, one.start_position) for one in completions] == [("polling", -2), ("postponed", -2)]
    assert complete(session, "zebra ") == []
    assert complete(session, "quit ") == []


OFFERED = {
    "b": ["back", "break"],
    "until po": ["polling"],
    "break rescheduled": ["rescheduled"],
    "delete ": ["all", "polling"],
    "inject re": ["ready", "refused", "rejected"],
    "answer 4": ["401", "403", "404", "409", "429"],
    f"answer 200 {ROOT}/READ": [f"{ROOT}/README.md"],
    f"save {ROOT}/doc": [f"{ROOT}/docs/"],
    "wait ": ["skip"],
    "fork lost": ["lost_answer", "lost_trigger"],
    "facts base": ["baseline"],
    "back t": ["to", "triggering", "taking_baseline"],
    "history ": ["all"],
    "help wh": ["why"],
}


class Terminal:
    """A real terminal with a debugger in it."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self.raw = self.screen = ""
        self.process, self.master = pty.fork()
        if self.process == 0:
            os.execve(  # noqa: S606  # our own command
                sys.executable,
                [sys.executable, "-m", "orchestrator", "debug", *arguments],
                environment(**{"TERM": "xterm", "COLUMNS": "80", "LINES": "40", **variables}),
            )

    def type(self, text: str) -> None:
        """Type something."""
        os.write(self.master, text.encode())

    def await_text(self, text: str) -> None:
        """Wait until something new is on the screen; what was before it is forgotten."""
        while text not in self.screen:
            ready, _, _ = select.select([self.master], [], [], PATIENCE)
            assert ready, f"{text!r} is not on the screen:\n{self.screen}"
            chunk = os.read(self.master, 65536).decode(errors="replace")
            if "\x1b[6n" in chunk:  # it asks where the cursor is
                self.type("\x1b[1;1R")
            self.raw += chunk
            self.screen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", chunk)
        self.screen = self.screen.partition(text)[2]

    def end(self) -> int:
        """Wait for its end, and return its exit code."""
        try:
            while os.read(self.master, 65536):
                pass
        except OSError:  # what Linux says of a terminal that nobody is in any more
            pass
        _, status = os.waitpid(self.process, 0)
        os.close(self.master)
        return os.waitstatus_to_exitcode(status)


def test_real_terminal(tmp_path: Path) -> None:
    """At a real terminal it steps, comes back on Ctrl-C out of many steps, and leaves on Ctrl-D."""
    file = tmp_path / "endless.toml"
    file.write_text("variables = { FIVETRAN_TIMEOUT = '30000000' }\n[[syncs]]\nlasts = 30000000\n", "utf-8")
    terminal = Terminal("START", "--scenario", str(file), XDG_STATE_HOME=str(tmp_path))

    terminal.await_text("0 validating>")
    terminal.type("step\r")
    terminal.await_text("1 considering_switch>")
    terminal.type("continue\r")
    terminal.await_text("polling --running-->")
    terminal.type("\x03")
    terminal.await_text("interrupted")
    terminal.await_text("(simulated: endless)")
    terminal.type("\x04")

    assert terminal.end() == 0


def test_no_colour_at_a_real_terminal(tmp_path: Path) -> None:
    """NO_COLOR is kept: nothing is coloured."""
    terminal = Terminal("STATUS", XDG_STATE_HOME=str(tmp_path), NO_COLOR="1")

    terminal.await_text("0 validating>")
    terminal.type("\x04")

    assert terminal.end() == 0
    assert re.findall(r"\x1b\[(?:\d+;)*[34]\d(?:;\d+)*m", terminal.raw) == []


def test_history_that_is_no_file(tmp_path: Path) -> None:
    """A FIFO in the history's place does not hang the session: what is typed is then kept in memory alone."""
    folder = tmp_path / "fivetran-orchestrator"
    folder.mkdir()
    os.mkfifo(folder / "debug-history")

    history = shell._history({"XDG_STATE_HOME": str(tmp_path)})

    assert isinstance(history, InMemoryHistory)


def test_dumb_terminal(tmp_path: Path) -> None:
    """TERM=dumb gets no escape code at all."""
    terminal = Terminal("STATUS", XDG_STATE_HOME=str(tmp_path), TERM="dumb")

    terminal.await_text("0 validating>")
    terminal.type("step\r")
    terminal.await_text("considering_switch>")
    terminal.type("quit\r")

    assert terminal.end() == 0
    assert "\x1b" not in terminal.raw
