"""Replay: recorded runs repeat with today's code and charts, and what has changed is shown."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st
from made import journaled
from record_journals import FOLDER, recordings
from simulated_job import Simulate

from orchestrator.cli import main
from orchestrator.debugger.journal_reader import Journal, read_journal
from orchestrator.debugger.replay import Divergence, Replay, chart_of, replay
from orchestrator.fivetran import effects, progress
from orchestrator.fivetran.client import Client
from orchestrator.fivetran.documents import sync_state
from orchestrator.machine.chart import Chart
from orchestrator.machine.loader import load, parse
from orchestrator.machine.run import Ports, Run, drive
from orchestrator.machine.standing import GRACE_AFTER_SIGNAL, resumed
from orchestrator.machine.step import Signal
from orchestrator.machine.transition import request_of
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.clock import VirtualClock
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts, Outcome
from orchestrator.values.settings import Settings

Capture = pytest.CaptureFixture[str]


def _journal(name: str) -> Journal:
    return read_journal(FOLDER / f"{name}.jsonl")


def _changed(action: str, *changes: tuple[str, str]) -> Chart:
    """An action's chart with other lines in its file."""
    source = load(action).source
    for old, new in changes:
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    return parse(source, "changed.toml")


def _divergence(name: str, chart: Chart | None = None) -> Divergence:
    with pytest.raises(Divergence) as diverged:
        replay(_journal(name), chart)
    return diverged.value


# --- What has not changed -------------------------------------------------------------------------


@pytest.mark.parametrize("name", recordings())
def test_recorded_run_repeats(name: str) -> None:
    """Every recorded run repeats to its last step, and ends in the same state with the same facts."""
    journal = _journal(name)

    standing = replay(journal)

    last = journal.records[-1]
    code = chart_of(journal).states[standing.state].exit
    assert (standing.state, code, standing.facts) == (last.step.target, last.line["exit"], last.step.facts)
    assert code is not None


@pytest.mark.parametrize("file", sorted((FOLDER.parent / "journals_before").iterdir()), ids=lambda file: file.stem)
def test_journal_of_an_earlier_version_repeats(file: Path) -> None:
    """What an older version recorded, some of it in real time or resumed, repeats to its last step."""
    journal = read_journal(file)

    standing = replay(journal)

    last = journal.records[-1].step
    assert not journal.torn
    assert (standing.state, standing.facts) == (last.target, last.facts)


@pytest.mark.parametrize("name", recordings())
def test_recording_again_gives_the_same(name: str) -> None:
    """Recorded again, every run gives the same bytes, the chart's text aside; where that was meant: make journals."""
    again, before = recordings()[name].record(), (FOLDER / f"{name}.jsonl").read_text("utf-8")
    today, recorded = (json.loads(text.partition("\n")[0])["chart"]["source"] for text in (again, before))

    assert again == before.replace(_in_json(recorded), _in_json(today), 1)


def _in_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def test_no_recording_is_left_over() -> None:
    """Every journal in the folder is one that is still recorded."""
    assert {file.stem for file in FOLDER.iterdir()} == set(recordings())


def test_journal_of_a_killed_job_repeats_as_far_as_it_goes(tmp_path: Path, capsys: Capture) -> None:
    """A journal that ends in the middle repeats up to there, and the output says so."""
    file = tmp_path / "journal.jsonl"
    file.write_text(
        "".join((FOLDER / "start-lost-answer.jsonl").read_text("utf-8").splitlines(keepends=True)[:8]) + "{", "utf-8"
    )

    code = main(["replay", str(file)], {})

    told = "START of speak_inexpensive, 7 steps in 10 s, stopped in waiting; killed while writing its last line"
    assert (code, capsys.readouterr().out) == (0, f"{file}: {told}: repeats as far as it goes\n")


def test_chart_that_changed_elsewhere(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A run repeats on a chart that has changed elsewhere, and the output says so."""
    chart = _changed("START", ('edges.started     = "waiting"', 'edges.started     = "polling"'))
    monkeypatch.setattr("orchestrator.debugger.replay.load", lambda _: chart)

    code = main(["replay", str(FOLDER / "start-lost-answer.jsonl"), str(FOLDER / "start-paused.jsonl")], {})

    differs, *_, last = capsys.readouterr().out.splitlines()
    assert code == 1
    assert differs.endswith("start-lost-answer.jsonl: START of speak_inexpensive, 25 steps in 1 min, done (0): DIFFERS")
    assert last.endswith("unable_to_sync (7): repeats; the chart has changed, but not on this path")


def test_signal_during_a_call_after_the_conclusion(tmp_path: Path) -> None:
    """A signal that cut the grace while a request was under way cuts it at the same moment again."""
    clock, signals = VirtualClock(), list[Event]()

    def send(request: Request, seconds: float, _: bool) -> Answer | Failure:  # noqa: FBT001  # a port's form
        if request.method == "GET" and not signals:
            clock.sleep(1.0)
            signals.append(Event.TERMINATED)
            assert run.deadline == run.now + GRACE_AFTER_SIGNAL  # as whoever shows the run would see it
            clock.sleep(0.75)
            return Failure(Event.UNAVAILABLE, "a bad moment")
        assert seconds < 30
        return Answer(data={"paused": True, "schedule_type": "manual"}, date=clock.wall())

    settings = Settings("STATUS", "speak_inexpensive", "", "", evidence="1")
    ports = Ports(clock, send, lambda _: None, lambda: 0.0, lambda: signals[0] if signals else None)
    snapshot = _concluded("looking_up_errors")
    run = _taken_up(load("STATUS"), settings, ports, snapshot)
    pause = _pause(clock)
    journaled(run, tmp_path / "journal.jsonl", pause, snapshot=snapshot)

    journal = read_journal(tmp_path / "journal.jsonl")

    first = journal.records[0]
    assert (first.step.began, first.step.signal, first.step.at) == (0.0, Signal(Event.TERMINATED, 1.0), 1.75)
    assert replay(journal) == run.standing


def _taken_up(chart: Chart, settings: Settings, ports: Ports, snapshot: Mapping[str, Any]) -> Run:
    """A run that is taken up from a snapshot."""
    standing, elapsed = resumed(chart, settings, snapshot, ports.clock.wall())
    return Run(chart, settings, ports, standing=standing, elapsed=elapsed)


def _pause(clock: VirtualClock) -> Callable[[float], None]:
    return lambda until: clock.sleep(until - clock.monotonic())


_START = load("START")
AWKWARD = st.sampled_from([0.1, 1 / 3, 0.125, 10 / 3, 0.7 + 0.1, 2.675, 1e-7, 29.9999996, 30.0, 1.005, 100 / 7])
SECONDS = st.one_of(AWKWARD, st.floats(0.1, 40.0))
LASTING = SECONDS.filter(lambda seconds: seconds >= 0.1)  # what a job takes for a setting
MANY = hypothesis.settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


class _LateClock(VirtualClock):
    """A clock that began long ago: what has passed since a run's beginning is no round number on it."""

    def __init__(self, since: float) -> None:
        super().__init__(1_800_000_000.0 + since / 3)
        self._passed = since

    def reach(self, until: float) -> None:
        """Sleep until a moment, and not a digit less."""
        self._passed = max(self._passed, until)


class _Moody:
    """A world that takes its time: whatever a request comes to takes as long as it is told.

    Args:
        clock: The time.
        took: Seconds that the requests take, in turn; the last one repeats.
        failing: How many of them fail, the first one of them after one success.
        retry_after: What they ask for.
    """

    def __init__(self, clock: VirtualClock, took: list[float], failing: int, retry_after: float | None) -> None:
        self.clock = clock
        self.took = took
        self.failing = failing
        self.retry_after = retry_after
        self.sent = 0

    def send(self, request: Request, seconds: float, _: bool) -> Answer | Failure | Cut:  # noqa: FBT001  # a port's form
        took = self.took[min(self.sent, len(self.took) - 1)]
        self.sent += 1
        if took >= seconds:  # cut off, at the very limit
            self.clock.sleep(seconds)
            return Cut.LIMIT
        self.clock.sleep(took)
        if 1 < self.sent <= 1 + self.failing:
            return Failure(Event.UNAVAILABLE, "a bad moment", retry_after=self.retry_after)
        state = "syncing" if self.sent > 6 else "scheduled"
        document = {"schedule_type": "auto", "status": {"sync_state": state, "setup_state": "connected"}}
        return Answer(data={} if request.method == "POST" else document, date=self.clock.wall())


@MANY
@given(
    since=st.sampled_from([0.0, 1 / 3, 86_400.1, 1_234_567.890123]),
    took=st.lists(SECONDS, min_size=1, max_size=5),
    failing=st.integers(0, 4),
    retry_after=st.one_of(st.none(), SECONDS),
    jitter=st.floats(0.0, 1.0, exclude_max=True),
    limits=st.tuples(st.one_of(LASTING, st.floats(1.0, 200.0)), LASTING, LASTING),
    taken_up=st.booleans(),
)
def test_no_number_is_too_awkward_to_repeat(  # a run's numbers
    tmp_path: Path,
    since: float,
    took: list[float],
    failing: int,
    retry_after: float | None,
    jitter: float,
    limits: tuple[float, float, float],
    taken_up: bool,  # noqa: FBT001
) -> None:
    """A run repeats whatever its limits, intervals, answers' times and clock: no time in its journal is rounded."""
    clock, (timeout, poll, http) = _LateClock(since), limits
    settings = Settings(
        "START", "speak_inexpensive", "", "", timeout=timeout, poll_interval=poll, http_timeout=http,
        policies=(("on_running", "wait"), ("on_reschedule", "wait")),
    )  # fmt: skip
    moody = _Moody(clock, took, failing, retry_after)
    ports = Ports(clock, moody.send, lambda _: None, lambda: jitter)
    file = tmp_path / "journal.jsonl"
    run = Run(_START, settings, ports)

    journaled(run, file, clock.reach, until=lambda step: taken_up and step.number == 3)
    if not run.ended:
        told = {**run.standing.as_json(run.now, clock.wall()), "trail": [], "trail_dropped": 0}
        snapshot = json.loads(json.dumps(told))
        clock.sleep(1 / 3)
        run = _taken_up(_START, settings, ports, snapshot)
        journaled(run, file, clock.reach, snapshot=snapshot)

    played = Replay(read_journal(file), _START)
    (*_, last) = played
    assert (played.standing.state, played.standing.facts) == (run.standing.state, run.standing.facts)
    assert last[1].at == pytest.approx(run.now, abs=1e-9)


def test_limit_on_the_edge_of_its_rounding(tmp_path: Path) -> None:
    """A request that hangs until a deadline of 12.345 s says the same seconds again: the journal has the very limit."""
    clock = _LateClock(1_234_567.890123)
    moody = _Moody(clock, [1.2199997, 100.0], 0, None)
    settings = Settings("STATUS", "speak_inexpensive", "", "", timeout=12.345)
    run = Run(load("STATUS"), settings, Ports(clock, moody.send, lambda _: None, lambda: 0.0))
    journaled(run, tmp_path / "j", clock.reach)

    assert replay(read_journal(tmp_path / "j")).facts == run.facts


def _concluded(state: str) -> dict[str, Any]:
    """A run of STATUS after the conclusion."""
    return {
        "state": state,
        "facts": {"verdict": "shown"},
        "failures": {},
        "last_event": "shown",
        "started_at": 1_800_000_000.0,
        "deadline_at": 1_800_000_010.0,
        "wake_at": 1_800_000_000.0,
        "hopeless": False,
        "number": 6,
        "trail": [],
        "trail_dropped": 0,
    }


def test_results_that_could_not_be_written(simulate: Simulate) -> None:
    """A disk that failed fails again, in the same words."""
    job = simulate("paused")
    (job.folder / "report" / "result.json").mkdir(parents=True)
    job.play()

    journal = read_journal(job.folder / "report" / "journal.jsonl")

    assert [record.step.event for record in journal.records if record.step.unwritable] == ["unwritable"]
    assert "the report could not be written: " in replay(journal).facts.warnings[-1]


# --- What has changed -----------------------------------------------------------------------------


def test_redirected_edge_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """An edge that leads elsewhere fails the replay: both moves, why each, and the edge that has changed."""
    chart = _changed("START", ('edges.started     = "waiting"', 'edges.started     = "polling"'))
    monkeypatch.setattr("orchestrator.debugger.replay.load", lambda _: chart)
    file = FOLDER / "start-lost-answer.jsonl"

    code = main(["replay", str(file)], {})

    assert code == 1
    assert (
        capsys.readouterr().out
        == f"""\
{file}: START of speak_inexpensive, 25 steps in 1 min, done (0): DIFFERS
  step 7, 10 s after the start, differs
    asked:    GET /v1/connections/speak_inexpensive -> 200 Success
    document: sync_state syncing, setup_state connected, succeeded_at 2027-01-15T02:00:00.000000Z, \
failed_at 2027-01-14T02:00:00.000000Z, schedule_type manual
    recorded: confirming --started--> waiting
              sync_state is syncing, even if failed_at moved: after a lost answer, \
there is a sign of the sync.
    today:    confirming --started--> polling
              sync_state is syncing, even if failed_at moved: after a lost answer, \
there is a sign of the sync.
    due: recorded 20 s; today 10 s
    the chart has changed, at confirming:
      - started -> waiting
      + started -> polling
"""
    )


def test_changed_decision_is_reported(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """A decision that turns out otherwise fails the replay: the document, both rules, the facts that differ."""

    def hasty(facts: Facts, document: Mapping[str, Any], at: float, *, resync: bool = False) -> Outcome[Any]:
        if facts.triggered and sync_state(document) == "syncing":
            return Outcome(Event.BROKEN, facts, "nobody waits for that long")
        return before(facts, document, at, resync=resync)

    before = progress.decide
    monkeypatch.setattr(effects.judging, "decide", hasty)
    file = FOLDER / "start-fails.jsonl"

    code = main(["replay", str(file)], {})

    assert code == 1
    assert (
        capsys.readouterr().out
        == f"""\
{file}: START of speak_inexpensive, 26 steps in 50 s, failed (1): DIFFERS
  step 8, 10 s after the start, differs
    asked:    GET /v1/connections/speak_inexpensive -> 200 Success
    document: sync_state syncing, setup_state connected, succeeded_at 2027-01-15T02:00:00.000000Z, \
failed_at 2027-01-14T02:00:00.000000Z, schedule_type manual
    recorded: polling --running--> waiting
              sync_state is syncing, even if failed_at moved: the sync has not ended.
    today:    polling --broken--> concluding
              nobody waits for that long: the connection's setup is broken.
    due: recorded 20 s; today 10 s
    facts.syncing_seen: recorded true; today unchanged
    facts.verdict: recorded unchanged; today broken
    facts.concluded_at: recorded unchanged; today 10.0
"""
    )


def test_changed_request_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another request than the recorded one is reported, and not answered with what answered that one."""

    def forced(settings: Settings, _: Facts) -> Request:
        return Request("POST", f"/v1/connections/{settings.connector_id}/sync", "start a sync", {"force": True})

    monkeypatch.setitem(effects.EFFECTS, "trigger_sync", replace(_trigger(), ask=forced))

    divergence = _divergence("start-succeeds")

    assert divergence.step is None
    assert (
        str(divergence)
        == """\
step 5, 0 s after the start, differs
  asked:    POST /v1/connections/speak_inexpensive/sync -> 200 Success
  recorded: triggering --triggered--> considering_durations
            Fivetran accepted the request to start a sync or re-sync.
  request: recorded {"method": "POST", "path": "/v1/connections/speak_inexpensive/sync", \
"purpose": "start a sync", "body": {"force": false}}; \
today {"method": "POST", "path": "/v1/connections/speak_inexpensive/sync", \
"purpose": "start a sync", "body": {"force": true}}"""
    )


def _trigger() -> effects.Call:
    effect = effects.EFFECTS["trigger_sync"]
    assert isinstance(effect, effects.Call)
    return effect


def test_longer_back_off_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """A back-off that lasts longer shows in the pause, and by when the next step is due."""
    monkeypatch.setattr("orchestrator.machine.transition.BACKOFF_FIRST", 2.0)

    divergence = _divergence("start-unavailable")

    assert [tuple(difference) for difference in divergence.differences] == [
        ("pause", "0.875 s", "1.75 s"),
        ("due", "0.875 s", "1.75 s"),
    ]


FIRST = """
[considering_nothing]
does = "take_baseline"
edges.idle = "validating"
edges.busy = "validating"

[validating]
"""


@pytest.mark.parametrize(
    ("name", "action", "changes", "differences"),
    [
        pytest.param(
            "test-passes",
            "TEST",
            (('initial = "validating"', 'initial = "considering_nothing"'), ("\n[validating]\n", FIRST)),
            [("state", "validating", "considering_nothing")],
            id="begins elsewhere",
        ),
        pytest.param(
            "start-fails",
            "START",
            (("[failed]\nexit = 1", "[failed]\nexit = 9"),),
            [("exit", "1", "9")],
            id="another exit code",
        ),
        pytest.param(
            "start-schedule-refused",
            "START",
            (('does  = "disable_schedule"\ntries = 3', 'does  = "disable_schedule"\ntries = 1'),),
            [],
            id="fewer tries, where one was enough",
        ),
        pytest.param(
            "start-terminated-behind-the-conclusion",
            "START",
            (('does  = "restore_schedule"\ntries = 3', 'does  = "restore_schedule"\ntries = 1'),),
            [
                ("event", "rate_limited", "gave_up"),
                ("target", "restoring", "considering_sync"),
                ("pause", "0.875 s", "nothing"),
                ("due", "30.875 s", "30 s"),
                ("facts.given_up", "unchanged", '["restore_schedule"]'),
                (
                    "facts.warnings",
                    "unchanged",
                    (
                        '["could not restore the schedule (PATCH /v1/connections/speak_inexpensive): '
                        '429 TooManyRequests: slow down"]'
                    ),
                ),
            ],
            id="fewer tries",
        ),
        pytest.param(
            "start-paused",
            "START",
            (('chooses = "unpause"', 'chooses = "own_trigger_unanswered"'),),
            [("operand", "unpause", "own_trigger_unanswered")],
            id="another choice",
        ),
    ],
)
def test_changes_of_a_chart_are_reported(
    name: str, action: str, changes: tuple[tuple[str, str], ...], differences: list[tuple[str, str, str]]
) -> None:
    """Where it begins, how it ends, how often it tries, what it does: a difference is reported where it is met."""
    assert _differences(name, _changed(action, *changes)) == differences


def _differences(name: str, chart: Chart | None = None) -> list[tuple[str, str, str]]:
    """How a recorded run differs today; [] if it repeats."""
    try:
        replay(_journal(name), chart)
    except Divergence as divergence:
        return [(one.what, one.recorded, one.now) for one in divergence.differences]
    return []


def test_taken_up_in_a_state_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that was resumed in a state that no longer exists cannot be repeated, and the message says so."""
    renamed = load("START").source.replace("awaiting_sign", "awaiting_trace")
    monkeypatch.setattr("orchestrator.debugger.replay.load", lambda _: parse(renamed, "renamed.toml"))

    assert _differences("start-resumed-elsewhere") == [("state", "awaiting_sign", "no such state")]


def test_state_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that the chart does not have any more is reported as such."""
    renamed = load("START").source.replace("taking_baseline", "taking_stock")
    monkeypatch.setattr("orchestrator.debugger.replay.load", lambda _: parse(renamed, "renamed.toml"))

    with pytest.raises(Divergence) as diverged:
        next(iter(Replay(_at(_journal("start-succeeds"), 4))))

    assert diverged.value.differences == (("state", "taking_baseline", "validating"),)
    assert diverged.value.edges[-1] == "+ no such state"


def _at(journal: Journal, position: int) -> Journal:
    """A journal without its first steps."""
    return journal._replace(records=journal.records[position - 1 :])


def test_outcome_without_an_edge(monkeypatch: pytest.MonkeyPatch) -> None:
    """An effect whose outcome has no edge in the chart is reported, and no traceback."""
    monkeypatch.setitem(
        effects.EFFECTS, "trigger_sync", replace(_trigger(), mean=lambda _, facts, __: Outcome(Event.UNCLEAR, facts))
    )

    assert _differences("start-succeeds") == [
        ("edge", "triggering --triggered--> considering_durations", "triggering has no edge for 'unclear'")
    ]


def test_wait_that_is_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that is not due at the moment at which it was done is not done."""
    journal = _journal("start-succeeds")
    slower = journal.header._replace(settings=replace(journal.header.settings, poll_interval=15.0))
    played = Replay(journal._replace(header=slower))
    monkeypatch.setattr("orchestrator.debugger.replay._differences", lambda *_: [])

    with pytest.raises(Divergence) as diverged:
        list(played)

    assert diverged.value.differences == (("due", "10 s", "15 s"),)


def test_request_where_none_was_sent() -> None:
    """A step that asks today where it sent no request when it was recorded is reported; it gets no answer."""
    journal = _journal("start-resumed-in-a-request")
    position = next(number for number, record in enumerate(journal.records) if record.resumed)
    resumed = journal.records[position].resumed
    assert resumed is not None
    elsewhere = resumed._replace(snapshot={**resumed.snapshot, "state": "polling"})
    record = journal.records[position]
    before = record.step.before._replace(state="polling")
    changed = record._replace(resumed=elsewhere, step=record.step._replace(before=before))

    with pytest.raises(Divergence) as diverged:
        next(iter(Replay(journal._replace(records=(changed,)))))

    assert [difference.recorded for difference in diverged.value.differences] == ["nothing"]
    assert '"method": "GET"' in diverged.value.differences[0].now


# --- Which chart ------------------------------------------------------------------------------------


def test_recorded_chart_tries_the_code_alone(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    """`--chart recorded` runs the chart that the journal carries, whatever today's says."""
    chart = _changed("START", ("[failed]\nexit = 1", "[failed]\nexit = 9"))
    monkeypatch.setattr("orchestrator.debugger.replay.load", lambda _: chart)
    file = str(FOLDER / "start-fails.jsonl")

    codes = [main(["replay", file], {}), main(["replay", "--chart", "recorded", file], {})]

    assert codes == [1, 0]
    assert capsys.readouterr().out.endswith("failed (1): repeats\n")


def test_own_chart_is_taken_from_the_journal() -> None:
    """A run of a user's own chart is repeated on that."""
    journal = _journal("start-fails")
    own = _changed("START", ("[failed]\nexit = 1", "[failed]\nexit = 9")).source
    journal = journal._replace(header=journal.header._replace(packaged=False, source=own))

    assert chart_of(journal).exits()[9] == "failed"


def test_recorded_chart_that_is_not_sound_today(tmp_path: Path, capsys: Capture) -> None:
    """A chart that this version refuses is reported by file and fault; on today's chart the run can still be tried."""
    file = tmp_path / "journal.jsonl"
    text = (FOLDER / "start-fails.jsonl").read_text("utf-8")
    file.write_text(
        text.replace('\\"take_baseline\\"', '\\"take_a_guess\\"').replace('"digest": "', '"digest": "x'),
        "utf-8",
    )

    codes = [main(["replay", *which, str(file)], {}) for which in (["--chart", "recorded"], [])]

    told = capsys.readouterr()
    assert codes == [2, 0]
    assert told.err.startswith(f"{file}: its chart: taking_baseline: ")


def test_divergence_on_a_chart_that_cannot_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the recorded chart is not valid today, a divergence says that instead of what has changed."""
    journal = _journal("start-fails")
    journal = journal._replace(header=journal.header._replace(digest="another", source="broken"))
    monkeypatch.setattr(
        "orchestrator.debugger.replay.load", lambda _: _changed("START", ("[failed]\nexit = 1", "[failed]\nexit = 9"))
    )

    with pytest.raises(Divergence) as diverged:
        replay(journal)

    assert diverged.value.edges == ("the recorded chart is not valid today: --chart recorded says why",)


# --- The command ------------------------------------------------------------------------------------


def test_what_is_no_journal_ends_with_2(capsys: Capture, tmp_path: Path) -> None:
    """A file that is not a journal is named, and the others are replayed all the same."""
    files = [str(tmp_path / "none.jsonl"), str(FOLDER / "status.jsonl")]

    code = main(["replay", *files], {})

    told = capsys.readouterr()
    assert code == 2
    assert told.err == f"{files[0]}: cannot be read: No such file or directory\n"
    assert told.out == f"{files[1]}: STATUS of speak_inexpensive, 10 steps in 0 s, done (0): repeats\n"


# --- For the debugger -------------------------------------------------------------------------------


def test_run_at_any_step() -> None:
    """The run can be had as it stood after any of its steps, and asks next what was asked next."""
    journal = _journal("start-lost-answer")

    found = [step.before for _, step in Replay(journal)]

    asked = [request_of(_START, journal.header.settings, standing) for standing in found]
    assert [standing.state for standing in found] == [record.step.source for record in journal.records]
    assert [standing.facts for standing in found] == [record.step.before.facts for record in journal.records]
    assert [str(request) for request in asked] == [str(record.step.request) for record in journal.records]


def test_fork_goes_on_in_another_world(simulate: Simulate) -> None:
    """A run can go on from any step in another world, at another time; the one it came from stays where it is."""
    job = simulate("succeeds")
    job.clock.sleep(5000)
    _, _, _, _, (_, fifth), *_ = Replay(_journal("start-lost-answer"))
    client = Client(job.url, KEY, SECRET)
    ports = Ports(job.clock, lambda request, _, __: client.send(request, 60), lambda _: None, lambda: 0.0)

    fork = Run(_START, _journal("start-lost-answer").header.settings, ports, standing=fifth.after)
    left = (fork.now, fork.wake - fork.now, fork.deadline - fork.now, fork.standing.resumed)
    steps = list(drive(fork, _pause(job.clock)))
    client.close()

    assert left == (0.0, 10.0, 300.0, False)
    assert steps[0].number == 6
    assert (fork.state.name, len(job.syncs)) == ("done", 1)
    assert fork.now == steps[-1].at
