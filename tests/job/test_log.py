import io
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from simulated_job import CONNECTOR, Simulate

from orchestrator.fivetran.client import Client
from orchestrator.job.job import Job
from orchestrator.job.log import LiveLine, Sections, coloured, make_log
from orchestrator.job.masking import Mask
from orchestrator.job.run_log import RunLog
from orchestrator.job.streams import output
from orchestrator.machine.loader import load
from orchestrator.machine.run import Ports, Run
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan
from orchestrator.values.formatting import duration
from orchestrator.values.settings import Settings

CLEAR = "\r\x1b[2K"


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """It is one."""
        return True


class Lost(io.StringIO):
    """A stream whose reader has gone."""

    def write(self, text: str, /) -> int:
        """Nothing is taken."""
        raise BrokenPipeError(32, text)


# --- The log ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "stream", "expected"),
    [
        ({}, io.StringIO(), False),
        ({}, Terminal(), True),
        ({"GITLAB_CI": "true"}, io.StringIO(), True),
        ({"GITLAB_CI": "true", "NO_COLOR": "1"}, io.StringIO(), False),
        ({"NO_COLOR": "1"}, Terminal(), False),
        ({"NO_COLOR": ""}, Terminal(), True),
        ({"TERM": "dumb"}, Terminal(), False),
        ({"TERM": "dumb", "GITLAB_CI": "true"}, io.StringIO(), False),
        ({"TERM": "xterm"}, Terminal(), True),
    ],
)
def test_colours(environ: dict[str, str], stream: io.StringIO, expected: bool) -> None:  # noqa: FBT001
    """A terminal and GitLab get colours, unless NO_COLOR is set to something or TERM is dumb."""
    assert expected == coloured(environ, stream)


@pytest.mark.parametrize("colours", [False, True])
def test_console_line(colours: bool) -> None:  # noqa: FBT001
    """A line for people holds level, text and values, and steers the terminal only where colours are wanted."""
    out = io.StringIO()

    make_log(Mask(KEY), colours=colours, live=LiveLine(out)).warning("a -> b", asked=f"GET {KEY}", n=1)

    assert ("\x1b" in out.getvalue()) == colours
    assert out.getvalue().count("\n") == 1
    for part in ("WARNING", "a -> b"):
        assert part in out.getvalue()


def test_debug_line_has_its_values() -> None:
    """A debug line for people shows its values, masked, and quotes those that are no plain word."""
    out = io.StringIO()

    make_log(Mask(KEY), debug=True, live=LiveLine(out), wall=lambda: 3_601.0).debug(
        "a", one=1, two="x y", key=KEY, no=""
    )

    assert out.getvalue() == "01:00:01Z debug: a one=1 two='x y' key=*** no=''\n"


def test_block_is_indented() -> None:
    """The lines of a block stand below the first one, as wide as its time is, and begin with the outcome."""
    out = io.StringIO()

    make_log(Mask(KEY), live=LiveLine(out), wall=lambda: 0.0).error(f"no {KEY}", outcome="FAILED", lines=["now a", KEY])

    assert out.getvalue() == "00:00:00Z FAILED: no ***\n          now a\n          ***\n"


def test_json_lines() -> None:
    """Each line is one JSON object, masked, with time and level."""
    out = io.StringIO()
    log = make_log(Mask(KEY), json_lines=True, live=LiveLine(out))

    log.info(f"one\ntwo {KEY}", data={"größe": [None, 1.5, KEY]}, error=ValueError(KEY))
    log.error("second")

    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first.pop("timestamp")[-1], first.pop("level")) == ("Z", "info")
    assert first == {"event": "one two ***", "data": {"größe": [None, 1.5, "***"]}, "error": "***"}
    assert (second["event"], second["level"]) == ("second", "error")


@pytest.mark.parametrize("debug", [False, True])
def test_debug_lines(debug: bool) -> None:  # noqa: FBT001
    """Debug lines show only where they are wanted."""
    out = io.StringIO()

    make_log(Mask(), debug=debug, live=LiveLine(out)).debug("detail")

    assert debug == ("detail" in out.getvalue())


def test_log_goes_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream the log goes to stderr, and stdout stays free for the result."""
    make_log(Mask()).info("hello")

    captured = capsys.readouterr()
    assert captured.out == ""
    assert "hello" in captured.err


@pytest.mark.parametrize("json_lines", [False, True])
def test_ascii_stream(json_lines: bool) -> None:  # noqa: FBT001
    """A stream that cannot say a character says a question mark, and goes on."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)

    make_log(Mask(), json_lines=json_lines, live=LiveLine(stream)).info("grün", name="\ud800")

    assert b"gr?n" in raw.getvalue()


def test_lost_log_is_no_failure() -> None:
    """A log that nobody takes any more does not end the run."""
    stream = Lost()
    live = LiveLine(stream)

    make_log(Mask(), live=live).error("nobody hears")
    live.show("nor sees")
    live.clear()

    assert stream.getvalue() == ""


# --- The live line ----------------------------------------------------------------------------


def test_live_line_makes_way() -> None:
    """The live line is drawn over, and taken away once before a log line."""
    out = Terminal()
    live = LiveLine(out)
    log = make_log(Mask(), live=live)

    live.show("one")
    live.show("two")
    log.info("first")
    log.info("second")

    before, first, second = out.getvalue().split("first")[0], *out.getvalue().splitlines()[-2:]
    assert before.startswith(f"{CLEAR}one{CLEAR}two{CLEAR}")
    assert before.count(CLEAR) == 3
    assert "first" in first
    assert CLEAR not in second


def test_live_line_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The live line is cut at the terminal's width: one that wraps could not be drawn over."""
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()

    LiveLine(out).show("x" * 100)

    assert out.getvalue() == CLEAR + "x" * 19


def test_live_line_is_clean() -> None:
    """The live line is masked and steers no terminal, and is cut when it is."""
    out = Terminal()

    LiveLine(out, Mask(KEY)).show(f"one\ntwo \x1b[2J\x9b{KEY}")

    assert out.getvalue() == CLEAR + "one two [2J***"


@pytest.mark.parametrize(
    ("environ", "expected"),
    [({}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False), ({"TERM": "vt100"}, True)],
)
def test_live_line_is_not_for_every_terminal(environ: dict[str, str], expected: bool) -> None:  # noqa: FBT001
    """A terminal that understands no escape codes, or is to have none, has no live line."""
    assert expected == LiveLine(Terminal(), environ=environ).live


def test_live_line_waits_for_the_log() -> None:
    """While a terminal does not take the log, no live line queues up behind it."""
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal:  # noqa: PTH123
        out = output(terminal)
        out.write("x\n" * 50_000)
        waiting = out.waiting
        LiveLine(out).show("one")
        after = out.waiting
        out.finish(0.0)
        out.close()
    os.close(ours)

    assert waiting == after > 0


def test_real_terminal_is_live() -> None:
    """A pseudo-terminal is a terminal, a pipe and a file are none."""
    ours, theirs = os.openpty()
    with open(theirs, "w", encoding="utf-8") as terminal, open(os.devnull, "w", encoding="utf-8") as file:  # noqa: PTH123
        live = [LiveLine(stream).live for stream in (terminal, file, io.StringIO())]
    os.close(ours)

    assert live == [True, False, False]


# --- Sections ---------------------------------------------------------------------------------


def _parts(log: str) -> list[tuple[str, bool, str]]:
    """Name, whether it is folded at first, and content of each section; sections do not overlap."""
    found = re.findall(
        r"\x1b\[0Ksection_start:\d+:(\w+)(\[collapsed=true\])?\r\x1b\[0K(.*?)\x1b\[0Ksection_end:\d+:\1\r\x1b\[0K",
        log,
        re.DOTALL,
    )
    assert log.count("section_start") == log.count("section_end") == len(found)
    return [(name, bool(folded), content) for name, folded, content in found]


def test_gitlab_folds_what_is_long(simulate: Simulate) -> None:
    """In GitLab inputs and facts are folded away; steps and verdict are not, and the verdict is last."""
    played = simulate("fails").play(GITLAB_CI="true", NO_COLOR="1")

    inputs, _, facts = _parts(played.stderr)
    assert inputs[:2] == ("fivetran_inputs", True)
    assert inputs[2].startswith("fivetran-orchestrator")
    assert "FIVETRAN_TIMEOUT=" in inputs[2]
    assert facts[:2] == ("fivetran_facts", True)
    assert facts[2].startswith("The connection at the end\n")
    assert "failed_at_before=" in facts[2]
    after = played.stderr.split("section_end")[-1]
    assert "the sync failed" in after
    assert "->" not in inputs[2] + facts[2]


@pytest.mark.parametrize(("action", "folded"), [("START", True), ("STATUS", True), ("TEST", False)])
def test_gitlab_folds_the_document(simulate: Simulate, action: str, folded: bool) -> None:  # noqa: FBT001
    """Where GitLab shows stdout between the log's lines, a document is folded away, and the tests' table is not."""
    job, both = simulate(), io.StringIO()

    Job(job.variables(action, GITLAB_CI="1"), clock=job.clock, stdout=both, stderr=both).run()

    ((_, is_folded, content),) = [part for part in _parts(both.getvalue()) if part[0] == "fivetran_result"]
    assert is_folded == folded
    assert content.startswith("Result (stdout)\n")
    assert (CONNECTOR in content) == folded


@pytest.mark.parametrize("more", [{}, {"GITLAB_CI": "true", "FIVETRAN_LOG_FORMAT": "json"}])
def test_no_sections_elsewhere(simulate: Simulate, more: dict[str, Any]) -> None:
    """Elsewhere than in GitLab, and in JSON, there are no sections."""
    assert "section_" not in simulate().play(**more).stderr


def test_section_ends_with_a_failure() -> None:
    """A section is closed whatever happens in it: else GitLab would fold all the rest."""
    out = io.StringIO()

    with pytest.raises(BrokenPipeError), Sections(out, lambda: 7.4, shown=True).section("name", "Title"):
        raise BrokenPipeError

    assert out.getvalue() == (
        "\x1b[0Ksection_start:7:name[collapsed=true]\r\x1b[0KTitle\n\x1b[0Ksection_end:7:name\r\x1b[0K"
    )


# --- The run log -----------------------------------------------------------------------------


@dataclass
class Told:
    """A run that a run log tells."""

    run: Run
    run_log: RunLog
    clock: VirtualClock
    out: io.StringIO

    def go(self) -> None:
        """Step until the run has to wait."""
        while self.run.wake <= self.run.now:
            self.run_log.add(self.run.step(), self.run.settings, self.run.chart)

    def tick(self, seconds: float) -> str:
        """Let so many seconds pass and one tick come; return what was said."""
        self.clock.sleep(seconds)
        before = len(self.out.getvalue())
        self.run_log.tick(self.run)
        return self.out.getvalue()[before:]


@pytest.fixture
def tell(simulate: Simulate) -> Iterator[Callable[..., Told]]:
    """Begin a START that polls each 100 seconds, told to a stream."""
    clients: list[Client] = []

    def begin(out: io.StringIO) -> Told:
        job = simulate(Scenario(syncs=(SyncPlan(lasts=200.0),)))
        client = Client(job.url, KEY, SECRET, now=job.clock.wall)
        clients.append(client)
        policies = (("on_running", "wait"), ("on_reschedule", "wait"))
        settings = Settings("START", CONNECTOR, KEY, SECRET, poll_interval=100.0, policies=policies)
        ports = Ports(
            clock=job.clock,
            send=lambda request, _, __: client.send(request, 10.0),
            write=lambda _: None,
            jitter=lambda: 0.0,
        )
        live = LiveLine(out)
        sections = Sections(out, job.clock.wall, shown=False)
        run_log = RunLog(make_log(Mask(), live=live), live, sections)
        return Told(Run(load("START"), settings, ports), run_log, job.clock, out)

    yield begin
    for client in clients:
        client.close()


def test_heartbeat(tell: Callable[..., Told]) -> None:
    """A long pause is told each minute, and a short one is not."""
    told = tell(io.StringIO())
    told.go()

    beats = [told.tick(seconds) for seconds in (0.0, 59.0, 1.0, 1.0, 58.0, 1.0)]

    assert [bool(beat) for beat in beats] == [False, False, True, False, False, True]
    assert "waiting for the sync to start for 1 min, 4 min left" in beats[2]


def test_heartbeat_of_a_call(tell: Callable[..., Told]) -> None:
    """While an answer is awaited the heartbeat names the request."""
    told = tell(io.StringIO())

    assert "waiting 1 min 5 s for Fivetran to read the connection, 3 min 55 s left" in told.tick(65.0)


def test_terminal_has_a_live_line(tell: Callable[..., Told]) -> None:
    """On a terminal each tick draws the live line over, and the log stays free of heartbeats."""
    told = tell(Terminal())
    told.go()

    ticks = [told.tick(1.0), told.tick(40.0)]

    assert all(tick.startswith(CLEAR) for tick in ticks)
    assert all("\n" not in tick for tick in ticks)


@pytest.mark.parametrize(("poll", "minutes"), [("1", 5), ("10", 60)])
def test_log_of_a_long_wait_is_small(simulate: Simulate, poll: str, minutes: int) -> None:
    """A long wait is a line where something changes and one a minute, however often is polled."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=60.0 * minutes),)))

    played = job.play(FIVETRAN_TIMEOUT="10000", FIVETRAN_POLL_INTERVAL=poll)

    lines = played.stderr.splitlines()
    beats = [line for line in lines if " left" in line]
    assert played.code == 0
    assert len([line for line in lines if line.endswith("Z syncing")]) == 1
    assert len(beats) in {minutes - 1, minutes}
    assert all(re.search(r"Z syncing for \d+ (min|h).*, \d+ (s|min|h).* left$", line) for line in beats)
    assert len(lines) < len(beats) + 15
    assert "->" not in played.stderr


def test_debug_log_of_a_wait_has_each_step(simulate: Simulate) -> None:
    """With debug detail each poll is there, though it brings nothing new."""
    job = simulate(Scenario(syncs=(SyncPlan(lasts=100.0),)))

    played = job.play(DATAOPS_DEBUG="1")

    assert played.stderr.count("polling -> waiting") == played.way.count("waiting") - 1


def test_repeated_wait_for_a_limit_is_told_once(simulate: Simulate) -> None:
    """A limit that is met again and again, with the same wait, is one line; a back-off that grows is one each time."""
    limited = Fault(on="get", skip=3, times=20, status=429, code="TooMany", headers={"Retry-After": "1"})
    job = simulate(Scenario(syncs=(SyncPlan(lasts=100.0),), faults=(limited,)))
    told = job.play(FIVETRAN_TIMEOUT="600").stderr.count("429")
    there = simulate(Scenario(syncs=(SyncPlan(lasts=100.0),), faults=(Fault(on="get", skip=3, times=4),)))
    each = there.play(FIVETRAN_TIMEOUT="600").stderr.count("trying again in")

    assert (told, each) == (1, 4)


def test_cut_document_is_told_once(simulate: Simulate) -> None:
    """That a document was cut is a warning, once, also where it is the result."""
    job = simulate(Scenario(connection={"notes": "x" * 20_000}, syncs=(SyncPlan(lasts=60.0),)))

    played, shown = job.play(), job.play("STATUS")

    warning = "Fivetran's answer has very long texts or lists: they are shown cut"
    assert (played.stderr.count(warning), shown.stderr.count(warning)) == (1, 1)
    assert json.loads(shown.stdout)["notes"].endswith("x… (10,000 more characters)")


def test_words_from_outside_keep_everything_small(simulate: Simulate) -> None:
    """Answers of megabytes leave a log, a journal and a report of bearable size."""
    words = "word " * 300_000
    tasks = [{"code": words, "message": words, "details": words}] * 2
    job = simulate(
        Scenario(
            connection={"status": {"tasks": tasks, "warnings": [words] * 9, "setup_state": words, "sync_state": words}},
            faults=(Fault(on="get", status=500, code=words, message=words, times=2),),
        )
    )

    played = job.play(DATAOPS_DEBUG="1", FIVETRAN_STATE_FILE=str(job.folder / "run.json"))

    files = {path.name: path.stat().st_size for path in job.folder.rglob("*") if path.is_file()}
    assert played.code
    assert len(played.stderr) < 3_000_000
    assert sum(files.values()) < 5_000_000, files


def test_slow_start_is_told_once(simulate: Simulate) -> None:
    """An accepted sync that does not start is worth one warning after a minute."""
    job = simulate(Scenario(syncs=(SyncPlan(queued=150.0, lasts=20.0),)))

    played = job.play(FIVETRAN_TIMEOUT="600")

    assert played.code == 0
    assert played.stderr.count("and has not started it: is it queued?") == 1


def test_job_tells_what_it_did(simulate: Simulate) -> None:
    """The log holds the inputs, each request with its answer, the failures, and the verdict with its page."""
    job = simulate(Scenario(faults=(Fault(on="get"), Fault(on="patch", status=403, code="Forbidden", message="No"))))

    played = job.play(FIVETRAN_LOG_FORMAT="json", DATAOPS_DEBUG="1")

    lines = [json.loads(line) for line in played.stderr.splitlines()]
    assert lines[0]["CONNECTOR_ID"] == CONNECTOR
    assert lines[0]["FIVETRAN_API_KEY"] == "***"
    failed = next(line for line in lines if line.get("on") == "unavailable")
    assert failed["level"] == "debug"
    assert next(line for line in lines if line["level"] == "warning")["event"].endswith("; trying again in 1.0 s")
    assert failed["asked"] == f"GET /v1/connections/{CONNECTOR}"
    assert failed["answered"].startswith("502: the answer is not from Fivetran")
    assert failed["again_in_seconds"] == 1.0
    assert {"syncing", "scheduled"} <= {line["sync_state"] for line in lines if "sync_state" in line}
    exchanges = [line for line in lines if line["event"] == "exchange"]
    assert len(exchanges) == len(played.requests)
    assert exchanges[0]["answered"].startswith("502")
    assert json.loads(exchanges[1]["data"])["id"] == CONNECTOR
    assert sum("could not switch the connection to a manual schedule" in line["event"] for line in lines) == 1
    verdict = lines[-1]
    assert verdict["page"] == f"https://fivetran.com/dashboard/connections/{CONNECTOR}"
    assert (verdict["level"], verdict["verdict"], verdict["exit_code"]) == ("info", "succeeded", 0)


def test_job_tells_its_warnings(simulate: Simulate) -> None:
    """What is odd about the variables is said at the start."""
    played = simulate().play(FIVETRAN_UNPAUSE="false")

    assert "WARNING: FIVETRAN_UNPAUSE" in played.stderr


@pytest.mark.parametrize(
    ("scenario", "seconds"),
    [
        (Scenario(syncs=(SyncPlan(lasts=25, ends="vanishes"),)), 20),
        (Scenario(running=SyncPlan(lasts=900), syncs=(SyncPlan(lasts=25, ends="fails"),)), 60),
    ],
)
def test_doubt_is_told_once(simulate: Simulate, scenario: Scenario, seconds: int) -> None:
    """A sync that is gone without a success is said once, with the time for which Fivetran's dates are waited for."""
    played = simulate(scenario).play(FIVETRAN_EVIDENCE="0", FIVETRAN_ON_RUNNING="restart", FIVETRAN_POLL_INTERVAL="5")

    assert played.code == 1
    told = [line for line in played.stderr.splitlines() if "the sync is gone; waiting" in line]
    assert [line.partition("Z ")[2] for line in told] == [
        f"the sync is gone; waiting up to {duration(seconds)} for Fivetran's dates"
    ]
