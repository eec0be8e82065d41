"""Charts and scenarios, TOML of the user's own: any bytes are one of them, or are refused by a line each fault."""

from contextlib import suppress
from pathlib import Path

import pytest
from fuzzing import assert_clear, fuzzed, growth, no_file, retyped_lines, torn
from hypothesis import example, given
from hypothesis import strategies as st
from simulated_job import SimulatedJob

from orchestrator.job.configuration import ConfigurationError, configure
from orchestrator.job.own_chart import UnreadableChartError, load_file
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import ChartError, load, packaged_source, parse
from orchestrator.machine.promises import broken
from orchestrator.simulator.scenario import Scenario, ScenarioError, load_scenario, names, parse_scenario
from orchestrator.values.parsing import parse_toml

VALUES = [
    *("1", "-1", "0", "true", "1.5", "nan", "inf", "-inf", '""', '"x"', '"a\\nb"', '"\\u001b[31m"', "[]", "[1]"),
    *('["x"]', "[[]]", "{}", "{a = 1}", "1979-05-27", "00:32:00", "1979-05-27T07:32:00Z", "9" * 4_000, "1e308"),
    *('"' + "x" * 5_000 + '"', "[" * 60 + "]" * 60, "[" * 3_000, '{a = "' + "y" * 3_000 + '"}', '"same"', '"polling"'),
    *('"succeeded"', '"poll_sync"', '"verdict"', '["transient", "transient"]', "[{}]", "1_000", "0x10", '"null"'),
]
CHARTS = [packaged_source(action) for action in ACTIONS]
SCENARIOS = [
    (Path(__file__).parents[2] / "orchestrator" / "simulator" / "scenarios" / f"{name}.toml").read_text("utf-8")
    for name in (*names(), "fleet")
]
EVERY_SCENARIO = """\
title = "all of it"
connection = {paused = true}
rate_limit = 10
skew = 1.5
variables = {FIVETRAN_TIMEOUT = "60"}
neighbours = [{id = "b"}]
running = {lasts = 5}
schemas = {public = ["a"]}
[[syncs]]
queued = 1
lasts = 2.5
ends = "fails"
[[others]]
at = 3
after = "sync"
nth = 2
[[faults]]
on = "get"
status = 500
headers = {Retry-After = "1"}
[[mix]]
place = 2
every = 3
like = "fails"
"""


def written_into(folder: Path, text: str | bytes, name: str = "chart.toml") -> str:
    """A file of that content."""
    file = folder / name
    file.write_bytes(text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text)
    return str(file)


def altered_text(texts: list[str]) -> st.SearchStrategy[bytes]:
    """Bytes like those of one of the texts."""

    def like(text: str) -> st.SearchStrategy[bytes]:
        made = retyped_lines(text, VALUES).map(str.encode)
        return st.one_of(made, made, torn(text.encode()))

    return st.one_of(st.sampled_from(texts).flatmap(like), st.binary(max_size=60))


@fuzzed(40)
@given(content=altered_text(CHARTS), action=st.sampled_from([None, *ACTIONS]))
@example(content=b'"a\\u001b[31mb" = 1', action=None)
@example(content=b'["a\\nb"]\ndoes = "x"', action=None)
@example(content=b"title = 1\nabout = " + b"[" * 50 + b'"' + b"x" * 5_000 + b'"' + b"]" * 50, action=None)
@example(content=b'action = "' + b"x" * 5_000 + b'"', action=None)
def test_any_bytes_are_a_chart_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, action: str | None
) -> None:
    """Whatever a chart's file holds, its promises can be checked, or each fault is a line that names the file."""
    file = written_into(tmp_path_factory.getbasetemp(), content)

    try:
        chart = load_file(file, action)
    except ChartError as error:
        for line in str(error).split("\n"):
            assert_clear(line, file)
        return

    for path in broken(chart).values():
        assert str(path)


@fuzzed(10)
@given(content=altered_text(CHARTS))
def test_no_chart_is_a_bug_of_the_job(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever FIVETRAN_CHART holds, the job ends with a code of a chart, or says what is wrong and ends with 2."""
    folder = tmp_path_factory.mktemp("chart")
    job = SimulatedJob(Scenario(), "http://127.0.0.1:9", folder)

    played = job.play(FIVETRAN_CHART=written_into(folder, content), FIVETRAN_TIMEOUT="120")

    assert played.code in {2, *range(256)} - {70}, played.stderr
    assert "Traceback" not in played.stderr
    assert played.code != 2 or "FIVETRAN_CHART" in played.stderr


@pytest.mark.parametrize("kind", ["directory", "fifo", "device", "no file"])
def test_what_is_no_file_is_no_chart(tmp_path: Path, kind: str) -> None:
    """A directory, a FIFO or a device in place of a chart is refused, and never waited for."""
    file = no_file(tmp_path / "chart.toml", kind)

    with pytest.raises(UnreadableChartError) as refused:
        load_file(str(file))
    with pytest.raises(ConfigurationError) as of_job:
        configure({"FIVETRAN_ACTION": "START", "FIVETRAN_CHART": str(file)})

    assert_clear(str(refused.value), str(file))
    assert any("FIVETRAN_CHART" in line for line in of_job.value.errors)


@fuzzed(60)
@given(content=altered_text([*SCENARIOS, EVERY_SCENARIO, EVERY_SCENARIO]))
@example(b"[[syncs]]\nlasts = " + b"9" * 4_000)
@example(b"[[syncs]]\nlasts = nan")
@example(b"[[syncs]]\nlasts = -5")
@example(b"latency = inf")
@example(b'[[faults]]\nheaders = {Retry-After = "1\\r\\nX: y"}')
@example(b'[[faults]]\nheaders = {Retry-After = "\xc3\xa9"}')
@example(b"[connection]\nsucceeded_at = 1979-05-27T07:32:00Z\nlist = [1979-05-27, {at = 07:32:00}]")
@example(b"[connection.status]\nsync_state = {}")
def test_any_bytes_are_a_scenario_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a scenario's file holds, it can be played faster, or is refused in one line that names it."""
    file = written_into(tmp_path_factory.getbasetemp(), content, "odd.toml")

    try:
        scenario = load_scenario(file)
    except ScenarioError as error:
        assert_clear(str(error), "odd")
        return

    assert scenario.faster(10.0).at(3).name


@fuzzed(15)
@given(content=altered_text([EVERY_SCENARIO, *SCENARIOS]))
@example(b"[[syncs]]\nlasts = nan")
@example(b"[[syncs]]\nlasts = -5")
@example(b"[connection.status]\nsync_state = 1")
@example(b"[connection]\nsucceeded_at = 1979-05-27T07:32:00Z")
@example(b"spread = 1e9")
@example(b"rate_limit = " + b"9" * 4_000)
@example(b'spread = 10\n[[syncs]]\nlasts = 1e9\nends = "reschedules"\nagain_in = 1e9')
def test_job_ends_against_any_scenario(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever a scenario says, a job against it ends in its time, with a code of its chart."""
    folder = tmp_path_factory.mktemp("scenario")
    try:
        scenario = parse_scenario("odd", content.decode())
    except ValueError:
        return
    job = SimulatedJob(scenario, "http://127.0.0.1:9", folder)
    began = job.clock.wall()

    played = job.play(FIVETRAN_TIMEOUT="300", FIVETRAN_POLL_INTERVAL="10")

    assert played.code in {2, *load("START").exits()}, played.stderr
    assert job.clock.wall() - began <= 300 + 20


@pytest.mark.parametrize(
    "make",
    [
        lambda length: "a." * (length // 2) + "a = 1",
        lambda length: f"[{'a.' * (length // 2)}a]",
        lambda length: '"a".' * (length // 4) + "a = 1",
        lambda length: "a = " + "[" * length,
        lambda length: "a = " + "9" * length,
        lambda length: 'a = "' + "\\" * length,
        lambda length: 'a = """' + "\\\n" * (length // 2),
        lambda length: "[[a]]\n" * (length // 6),
        lambda length: "".join(f"a.b{number} = 1\n" for number in range(length // 10)),
    ],
)
def test_no_toml_takes_more_time_than_it_is_long(make: object) -> None:
    """Whatever TOML is full of, reading it takes time in proportion to its length, not to its square."""

    def read(text: str) -> None:
        with suppress(ValueError):
            parse_toml(text)

    assert growth(read, make, 4_000) < 100  # type: ignore[arg-type]  # a length -> a text


def test_large_chart_is_checked(tmp_path: Path) -> None:
    """A chart of thousands of states is refused by a line each fault, however deep its paths are."""
    states = "\n".join(
        f'[s{number}]\nchooses = "on_broken"\nedges.fail = "s{number + 1}"\nedges.sync = "s{number + 1}"'
        for number in range(3_000)
    )
    text = f'action = "START"\ninitial = "s0"\n{states}\n[s3000]\nexit = 0\n'

    with pytest.raises(ChartError) as refused:
        load_file(written_into(tmp_path, text))

    assert len(str(refused.value).split("\n")) >= 1


def test_packaged_charts_are_charts() -> None:
    """What the altered ones are made from is valid."""
    assert [parse(text, "x", action).action for text, action in zip(CHARTS, ACTIONS, strict=True)] == list(ACTIONS)
