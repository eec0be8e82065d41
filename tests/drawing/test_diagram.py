"""Drawings: what is drawn, what is left to the note, and that every renderer shows the same."""

import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from record_journals import FOLDER

from orchestrator.debugger.journal_reader import read_journal
from orchestrator.drawing import dot, mermaid
from orchestrator.drawing.formats import GraphvizError, picture
from orchestrator.drawing.model import Diagram, Edge, diagram, happy_path
from orchestrator.drawing.page import endings, events, page, table
from orchestrator.drawing.shape import upward
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.loader import load

CHARTS = {action: load(action) for action in ACTIONS}
DRAWINGS = list(product(ACTIONS, (False, True)))
SVG = "{http://www.w3.org/2000/svg}"

needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")


def drawn(drawing: Diagram) -> set[tuple[str, str, str]]:
    """Each (state, event, target) that a drawing has a line for."""
    return {(edge.source, event, edge.target) for edge in drawing.edges for event in edge.events}


def said(chart: Chart, drawing: Diagram) -> set[tuple[str, str, str]]:
    """Each (state, event, target) that a drawing's notes are about."""
    return {
        (source, event, chart.states[source].edges[event])
        for note in drawing.notes
        for source, event in product(note.sources, note.events)
        if event in chart.states[source].edges
        and (note.best_effort or (chart.states[source].edges[event]) == (note.target or source))
    }


def line(drawing: Diagram, source: str, target: str) -> Edge:
    """The line between two states."""
    (found,) = (edge for edge in drawing.edges if (edge.source, edge.target) == (source, target))
    return found


def chart_of(**states: dict[str, str]) -> Chart:
    """A chart of waits and one end, which no loader has seen."""
    built = {
        name: State(name, Kind.WAITS if edges else Kind.EXIT, "", edges, {}, exit=None if edges else 0)
        for name, edges in states.items()
    }
    return Chart("TEST", "a chart", next(iter(states)), built)


# --- What is drawn --------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_full_has_every_edge(action: str) -> None:
    """The full drawing has every state and every edge of the chart, and no note."""
    chart = CHARTS[action]

    drawing = diagram(chart, full=True)

    assert [node.name for node in drawing.nodes] == list(chart.states)
    assert drawn(drawing) == set(chart.edges())
    assert drawing.notes == ()


@pytest.mark.parametrize("action", ACTIONS)
def test_main_draws_or_says_every_edge(action: str) -> None:
    """What the main drawing leaves out is what its notes say, and no more."""
    chart = CHARTS[action]

    drawing = diagram(chart)

    assert drawn(drawing).isdisjoint(said(chart, drawing))
    assert drawn(drawing) | said(chart, drawing) == set(chart.edges())


@pytest.mark.parametrize(("action", "full"), DRAWINGS)
def test_one_line_from_state_to_state(action: str, *, full: bool) -> None:
    """Edges between the same two states share a line."""
    drawing = diagram(CHARTS[action], full=full)

    pairs = [(edge.source, edge.target) for edge in drawing.edges]

    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("action", ACTIONS)
def test_main_folds_what_states_share(action: str) -> None:
    """The notes have shared groups, `gave_up` and what stops nobody, but not a state's only way in, nor choices."""
    chart = CHARTS[action]

    folded = said(chart, diagram(chart))

    shared = {(name, event) for name, state in chart.states.items() for event in state.groups}
    given_up = {(source, event) for source, event, _ in chart.edges() if event == "gave_up" and source != "ending"}
    led_to = {target for source, event, target in chart.edges() if (source, event) not in shared | given_up}
    needless = {(source, event) for source, event, target in chart.edges() if target in led_to | {source}}
    assert (shared | given_up) & needless <= {(source, event) for source, event, _ in folded}
    assert not {name for name, _, _ in folded if chart.states[name].kind is Kind.CHOOSES}
    for name, event, target in folded:
        if (name, event) not in shared | given_up:
            edges = chart.states[name].edges
            assert target == next(iter(edges.values())) != chart.conclusion.name
            assert {edges[failure] for failure in ("refused", "not_found", "rejected")} == {target}


def test_notes_of_start() -> None:
    """The notes tell which events lead where, and whom nothing stops."""
    first, *notes = diagram(CHARTS["START"]).legend

    assert first == "Not drawn:"
    assert "• gave_up, refused, not_found, rejected, timed_out, interrupted, terminated → concluding" in notes
    assert "• rate_limited, unavailable → the same state again, after a pause" in notes
    assert "• rate_limited, unavailable, gave_up → awaiting_idle" in notes
    assert "• restoring → on as after a success: refused, not_found, rejected, gave_up, timed_out" in notes
    assert notes[-1] == "… is /v1/connections/{id}"


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("STATUS", ["ready", "yes", "disabled", "shown"]),
        ("START", ["ready", "yes", "disabled", "idle", "triggered", "waited", "succeeded"]),
        ("TEST", ["ready", "yes", "disabled", "passed"]),
        ("FORCE_RESYNC", ["ready", "yes", "disabled", "idle", "yes", "triggered", "waited", "succeeded"]),
    ],
)
def test_happy_path(action: str, path: list[str]) -> None:
    """The happy path is each state's first edge that leads somewhere new, up to the end that is green."""
    chart = CHARTS[action]

    drawing = diagram(chart)

    events = list(happy_path(chart).values())
    assert events[: len(path)] == path
    assert events[-2:] == ["reported", path[-1]]
    assert {(edge.source, edge.events[0]) for edge in drawing.edges if edge.happy} == {*happy_path(chart).items()}
    assert [node.exit for node in drawing.nodes if node.happy and node.exit is not None] == [0]


@pytest.mark.parametrize("name", ["start-succeeds", "force-resync"])
def test_happy_path_is_the_way_of_a_green_run(name: str) -> None:
    """The happy path that is drawn is the way that a green run takes, however often it polls."""
    journal = read_journal(FOLDER / f"{name}.jsonl")
    steps = [record.step for record in journal.records]
    drawn = {(edge.source, edge.target) for edge in diagram(CHARTS[journal.header.settings.action]).edges if edge.happy}

    # A sync takes time: the way from a poll back to the wait is gone as often as it needs, and is not drawn so.
    taken = {(step.source, step.target) for step in steps if step.event != "running"}
    assert (steps[-1].target, taken) == ("done", drawn)


def test_happy_path_may_end_early() -> None:
    """A path whose last state leads nowhere new is drawn as far as it goes."""
    chart = chart_of(first={"a": "first", "b": "second"}, second={"c": "first"})

    assert happy_path(chart) == {"first": "b"}
    assert [edge.happy for edge in diagram(chart).edges] == [False, True, False]


@pytest.mark.parametrize(
    ("name", "captions"),
    [
        ("validating", ("GET /v1/connections/{id}",)),
        ("disabling_schedule", ("PATCH /v1/connections/{id}", "at most 3 tries")),
        ("restarting", ("POST …/sync", "at most 3 tries")),
        ("triggering", ("POST …/sync",)),
        ("taking_baseline", ()),
        ("awaiting_reschedule", ("until rescheduled_for",)),
        ("considering_running", ("on_running",)),
        ("stopped_by_hand", ("exit 130",)),
    ],
)
def test_captions(name: str, captions: tuple[str, ...]) -> None:
    """A state says below its name what it asks, waits for, chooses by or ends with."""
    (node,) = (node for node in diagram(CHARTS["START"]).nodes if node.name == name)

    assert node.captions == captions


def test_no_state_is_lost_by_folding() -> None:
    """A state that only a shared edge leads to is drawn with its edge."""
    states = {
        "ask": State("ask", Kind.WAITS, "next_poll", {"waited": "end", "timed_out": "late"}, {"timed_out": "deadline"}),
        "late": State("late", Kind.EXIT, "", {}, {}, exit=5),
        "end": State("end", Kind.EXIT, "", {}, {}, exit=0),
    }

    drawing = diagram(Chart("TEST", "", "ask", states))

    assert drawn(drawing) == {("ask", "waited", "end"), ("ask", "timed_out", "late")}
    assert drawing.notes == ()


# --- Highlights -----------------------------------------------------------------------------------


def test_way_is_drawn() -> None:
    """The way so far is drawn and marked, where the main drawing would leave it to the note, too."""
    states = ["validating", "considering_switch", "disabling_schedule", "concluding"]
    way = {("validating", "validating"), *pairwise(states)}

    drawing = diagram(CHARTS["START"], here="concluding", way=way)

    assert {(edge.source, edge.target) for edge in drawing.edges if edge.taken} == way
    assert line(drawing, "disabling_schedule", "concluding").events == ("timed_out", "interrupted", "terminated")
    assert {node.name for node in drawing.nodes if node.visited} == {*states}
    assert [node.name for node in drawing.nodes if node.here] == ["concluding"]


def test_highlights_in_texts() -> None:
    """Mermaid and DOT mark the state and the lines of the way."""
    drawing = diagram(CHARTS["START"], here="waiting", way={("triggering", "waiting")})

    flowchart, graph = mermaid.render(drawing), dot.render(drawing)

    assert "\n  class waiting here\n" in flowchart
    assert "\n  class triggering,waiting visited\n" in flowchart
    assert re.search(r"\n  linkStyle \d+ stroke:#24292f,stroke-width:5px\n", flowchart)
    assert '"waiting" [id="state-waiting", class="state waits happy here visited"' in graph
    assert '"triggering" -> "waiting" [id="edge-triggering-waiting", class="edge happy taken"' in graph


# --- Renderers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "full"), DRAWINGS)
def test_mermaid_shows_all(action: str, *, full: bool) -> None:
    """Mermaid's text has each line with its labels; one back to the state itself stands in that state's text."""
    drawing = diagram(CHARTS[action], full=full)

    text = mermaid.render(drawing)

    for edge in drawing.edges:
        labels = [f"<b>{edge.events[0]}</b>", *edge.events[1:]] if edge.happy else edge.events
        arrow = "={2,}>" if edge.happy else "-{2,}>"
        end = rf'(?:{edge.target}|_\d+\["{edge.target}"\]:::stub)'
        shown = (
            rf"\n  {edge.source}\W.*<br/>↻ {', '.join(edge.events)}\W"
            if edge.again
            else rf'\n  {edge.source} {arrow}\|"{"<br/>".join(labels)}"\| {end}\n'
        )
        assert re.search(shown, text), edge
    assert len(re.findall(r" [-=]+> ?\|", text)) == sum(not edge.again for edge in drawing.edges)
    assert len(re.findall(r" =+>", text)) == sum(edge.happy for edge in drawing.edges) + 1
    assert ("Not drawn:" in text) == (not full)


@pytest.mark.parametrize(("action", "full"), DRAWINGS)
def test_dot_shows_all(action: str, *, full: bool) -> None:
    """DOT has each state and line once, with its id and its classes."""
    drawing = diagram(CHARTS[action], full=full)

    text = dot.render(drawing)

    assert re.findall(r' \[id="state-(\w+)"', text) == list(CHARTS[action].states)
    lines = re.findall(r' \[id="edge-(\w+)-(\w+)", class="edge([^"]*)', text)
    assert {(source, target, "happy" in classes) for source, target, classes in lines} == {
        (edge.source, edge.target, edge.happy) for edge in drawing.edges
    }
    assert len(lines) == len(drawing.edges)


def test_classes_in_dot() -> None:
    """A page can tell by class what a state is, how it ends, and which group a line comes from."""
    text = dot.render(diagram(CHARTS["START"], full=True))

    assert 'id="state-polling", class="state does asks happy"' in text
    assert 'id="state-access_denied", class="state exit exit-3"' in text
    assert 'id="edge-polling-polling", class="edge group-transient again"' in text


@pytest.mark.parametrize("render", [mermaid.render, dot.render])
@pytest.mark.parametrize(("action", "full"), DRAWINGS)
def test_same_bytes(action: str, render: Callable[[Diagram], str], *, full: bool) -> None:
    """The same chart gives the same text."""
    assert render(diagram(CHARTS[action], full=full)) == render(diagram(load(action), full=full))


def test_lines_back_are_those_of_loops() -> None:
    """Graphviz is told which lines lead up, so that it draws the happy path downwards."""
    back = {(edge.source, edge.target) for edge in upward(diagram(CHARTS["START"]))}

    assert {("polling", "waiting"), ("awaiting_idle", "validating"), ("considering_schedule", "triggering")} <= back
    assert not {(edge.source, edge.target) for edge in diagram(CHARTS["START"]).edges if edge.happy} & back


def test_awkward_names() -> None:
    """Whatever a chart's states are called, no name is taken for syntax."""
    name = 'a "b" <i> & #'
    drawing = diagram(chart_of(end={"waited": name}, **{name: {}}), here=name)

    flowchart, graph = mermaid.render(drawing), dot.render(drawing)

    assert '  _state0(["<b>end</b><br/>until "])\n' in flowchart
    assert '_state1[["<b>a #34;b#34; #60;i#62; #38; #35;</b><br/>exit 0"]]' in flowchart
    assert r'"end" -> "a \"b\" <i> &amp; #" [id="edge-end-a \"b\" <i> &amp; #"' in graph
    assert "<b>a &quot;b&quot; &lt;i&gt; &amp; #</b>" in graph


def test_chart_with_no_happy_end() -> None:
    """A drawing without a final state on the happy path has its rows and its note all the same."""
    states = {
        "ask": State("ask", Kind.WAITS, "next_poll", {"a": "more", "b": "end", "c": "more"}, {"c": "shared"}),
        "more": State("more", Kind.WAITS, "next_poll", {"d": "ask"}, {}),
        "end": State("end", Kind.EXIT, "", {}, {}, exit=0),
    }
    text = mermaid.render(diagram(Chart("TEST", "", "ask", states)))

    assert '  ask -->|"b"| _state2\n' in text
    assert "\n  ask ~~~~ _note\n" in text


@needs_graphviz
@pytest.mark.parametrize(("action", "full"), DRAWINGS)
def test_svg(action: str, *, full: bool) -> None:
    """Graphviz draws each state and line, with ids that a page can paint by."""
    drawing = diagram(CHARTS[action], full=full)

    tree = ET.fromstring(picture(drawing, "svg"))  # noqa: S314  # our own picture

    ids = {group.get("id") for group in tree.iter(f"{SVG}g")}
    assert ids >= {f"state-{node.name}" for node in drawing.nodes}
    assert ids >= {f"edge-{edge.source}-{edge.target}" for edge in drawing.edges}


@needs_graphviz
def test_png() -> None:
    """A png is one, and the same each time."""
    drawing = diagram(CHARTS["STATUS"])

    found = picture(drawing, "png")

    assert found.startswith(b"\x89PNG\r\n")
    assert picture(drawing, "png") == found


def test_graphviz_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without Graphviz the message says what is missing and how to get it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(GraphvizError, match=r"^svg needs Graphviz, .* apt-get install graphviz$"):
        picture(diagram(CHARTS["STATUS"]), "svg")


def use_dot(monkeypatch: pytest.MonkeyPatch, directory: Path, script: str) -> None:
    """Have a shell script for Graphviz's command."""
    command = directory / "dot"
    command.write_text(f"#!/bin/sh\n{script}\n")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")


def test_graphviz_is_given_the_dot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Graphviz is asked for the format and given the drawing as DOT; what it writes is the picture."""
    use_dot(monkeypatch, tmp_path, "echo $*; cat")
    drawing = diagram(CHARTS["STATUS"])

    found = picture(drawing, "png")

    assert found.decode() == f"-Tpng\n{dot.render(drawing)}"


@pytest.mark.parametrize(
    ("script", "problem"),
    [("echo 'Error: no memory' >&2; exit 1", "Error: no memory"), ("exit 0", "it ended with 0")],
)
def test_graphviz_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, problem: str) -> None:
    """What Graphviz says when it cannot draw is passed on, and no empty picture."""
    use_dot(monkeypatch, tmp_path, script)

    with pytest.raises(GraphvizError, match=problem):
        picture(diagram(CHARTS["STATUS"]), "svg")


# --- Tables and pages -----------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_table_has_every_edge(action: str) -> None:
    """The table has a state's every event with its target, in the order of the file."""
    chart = CHARTS[action]
    found = []
    name = ""

    for row in table(chart).splitlines()[2:]:
        first, _, happened, _, target = (cell.strip() for cell in row.strip("|").split(" | "))
        name = first or name
        found += [(name, event, name if target == "same" else target) for event in happened.split(", ") if event]

    assert found == list(chart.edges())


@pytest.mark.parametrize(
    "row",
    [
        (
            "waiting | Waits until FIVETRAN_POLL_INTERVAL has passed; "
            "at most 10 s before the first look after un-pausing. | waited"
            " | driver | polling"
        ),
        "triggering | `POST /v1/connections/{id}/sync` Start a sync. | triggered | effect | waiting",
        "considering_reschedule | Chooses: FIVETRAN_ON_RESCHEDULE. | wait | choice | awaiting_reschedule",
        "| | rate_limited, unavailable | client | same",
        "ending | Chooses: How it ended. | succeeded | choice | done",
        "postponed | Ends with exit code 8. | | |",
    ],
)
def test_rows_of_the_table(row: str) -> None:
    """A row says what the state does, what happens, who raises it and where that leads."""
    rows = [" ".join(row.split()) for row in table(CHARTS["START"]).splitlines()]

    assert f"| {row} |" in rows


def test_endings() -> None:
    """Each exit code stands with its final state and the verdicts that lead there."""
    rows = [" ".join(row.split()) for row in endings(CHARTS["START"]).splitlines()]

    assert (
        "| 3 | access_denied | `refused`: 401 or 403 from Fivetran itself: a wrong API key, or a missing permission |"
        in rows
    )
    assert len(rows) == 2 + len(CHARTS["START"].exits())


def test_events() -> None:
    """The events of the charts that are shown have their meaning, and no others."""
    text = events([CHARTS["STATUS"]])

    assert re.search(r"\| `shown` +\| effect +\| the connection was shown +\|", text)
    assert "`succeeded`" not in text


def test_page() -> None:
    """A page has for each chart its paragraph, drawing, endings and edges; the events come once."""
    text = page(list(CHARTS.values()))

    for chart in CHARTS.values():
        assert f"## {chart.title}\n\n{chart.about}\n\n```mermaid\n" in text
        assert table(chart) in text
        assert endings(chart) in text
    assert text.count("## What the events mean") == 1


def test_page_of_a_chart_without_a_paragraph() -> None:
    """A chart without a paragraph has its drawing right below the title."""
    text = page([replace(CHARTS["STATUS"], about="")])

    assert "## STATUS: show the connection\n\n```mermaid\n" in text
