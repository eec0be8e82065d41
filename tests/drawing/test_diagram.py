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
from orchestrator.drawing.elements import Diagram, Edge, Node
from orchestrator.drawing.formats import GraphvizError, picture
from orchestrator.drawing.model import View, diagram, happy_path
from orchestrator.drawing.page import endings, events, page, table
from orchestrator.drawing.shape import upward
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.loader import load

CHARTS = {action: load(action) for action in ACTIONS}
DRAWINGS = list(product(ACTIONS, View))
SVG = "{http://www.w3.org/2000/svg}"

needs_graphviz = pytest.mark.skipif(shutil.which("dot") is None, reason="needs Graphviz")


def drawn(drawing: Diagram) -> set[tuple[str, str, str]]:
    """Each (state, event, target) that a drawing has a line for."""
    return {edge for line in drawing.edges for edge in line.edges}


def said(drawing: Diagram) -> set[tuple[str, str, str]]:
    """Each (state, event, target) that stands in the text of a box."""
    return {edge for node in drawing.nodes for said in node.said for edge in said.edges}


def inside(chart: Chart, drawing: Diagram) -> set[tuple[str, str, str]]:
    """Each (state, event, target) that is inside a box of several states."""
    several = [{*node.states} for node in drawing.nodes if len(node.states) > 1]
    between = {(source, event, target) for source, event, target in chart.edges() if source != target}
    return {edge for edge in between if any({edge[0], edge[2]} <= states for states in several)}


def noted(chart: Chart, drawing: Diagram) -> set[tuple[str, str, str]]:
    """Each (state, event, target) that a drawing's notes are about."""
    return {
        (source, event, chart.states[source].edges[event])
        for note in drawing.notes
        for source, event in product(note.sources, note.events)
        if event in chart.states[source].edges
        and (note.best_effort or (chart.states[source].edges[event]) == (note.target or source))
    }


def box(drawing: Diagram, name: str) -> Node:
    """The box of that name."""
    (found,) = (node for node in drawing.nodes if node.name == name)
    return found


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
    """The full drawing shows every state and every edge of the chart, and has no note."""
    chart = CHARTS[action]

    drawing = diagram(chart, View.FULL)

    assert [state for node in drawing.nodes for state in node.states] == list(chart.states)
    assert [node.states for node in drawing.nodes if len(node.states) > 1] == [tuple(chart.exits().values())[1:]]
    assert drawn(drawing) | said(drawing) == set(chart.edges())
    assert drawing.notes == ()


@pytest.mark.parametrize(("action", "view"), [one for one in DRAWINGS if one[1] is not View.OVERVIEW])
def test_every_edge_has_one_place(action: str, view: View) -> None:
    """Each edge is a line, stands in the text of a box, is inside a box, or is in the note: one of them."""
    chart = CHARTS[action]

    drawing = diagram(chart, view)

    places = (drawn(drawing), said(drawing), inside(chart, drawing), noted(chart, drawing))
    assert set().union(*places) == set(chart.edges())
    assert sum(map(len, places)) == len(set(chart.edges()))


@pytest.mark.parametrize("action", ACTIONS)
def test_states_have_a_box_each(action: str) -> None:
    """What a run is painted over has each state and its lines, and no text stands for a line."""
    drawing = diagram(CHARTS[action], View.STATES)

    assert [node.states for node in drawing.nodes] == [(name,) for name in CHARTS[action].states]
    assert (said(drawing), drawing.frames) == (set(), {})


@pytest.mark.parametrize(("action", "view"), DRAWINGS)
def test_one_line_from_box_to_box(action: str, view: View) -> None:
    """Edges between the same two boxes share a line."""
    drawing = diagram(CHARTS[action], view)

    pairs = [(edge.source, edge.target) for edge in drawing.edges]

    assert len(pairs) == len(set(pairs))


@pytest.mark.parametrize("action", ACTIONS)
def test_notes_have_what_states_share(action: str) -> None:
    """The notes have shared groups, `gave_up` and what stops nobody, but not a state's only way in, nor choices."""
    chart = CHARTS[action]

    folded = noted(chart, diagram(chart, View.STATES))

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


# --- Groups ---------------------------------------------------------------------------------------


def test_main_frames_the_groups_of_the_happy_path() -> None:
    """The groups on the happy path are frames, from top to bottom; the others are a box beside it."""
    drawing = diagram(CHARTS["START"])

    assert list(drawing.frames) == [
        "Can it sync at all?",
        "Is another sync running?",
        "Trigger",
        "Wait for its end",
    ]
    detours = {node.title: (node.group, node.captions) for node in drawing.nodes if node.group and not node.kind}
    assert detours == {
        "Restart the running sync": (
            "Is another sync running?",
            ("restarting, awaiting_restart, looking_for_restart, giving_up",),
        ),
        "Did the trigger arrive?": ("Trigger", ("awaiting_sign, confirming",)),
        "In doubt: a second opinion before red": (
            "Wait for its end",
            ("asking_history, awaiting_quiet, rechecking, settling",),
        ),
    }


@pytest.mark.parametrize("action", ACTIONS)
def test_lines_of_main_stay_in_their_frame(action: str) -> None:
    """Between frames there is the happy path alone: what else leaves a frame is text."""
    drawing = diagram(CHARTS[action])
    frames = {node.name: node.group for node in drawing.nodes}

    across = {edge for edge in drawing.edges if frames[edge.source] != frames[edge.target]}

    assert across == {edge for edge in across if edge.happy} != set()


@pytest.mark.parametrize("action", ACTIONS)
def test_what_follows_the_verdict_is_one_box(action: str) -> None:
    """The conclusion and all that comes after it share a box; from it a line leads to the green end, one to the red."""
    chart = CHARTS[action]

    drawing = diagram(chart)

    concluding = box(drawing, "concluding")
    assert (concluding.title, concluding.happy, concluding.group) == ("Conclude", True, "")
    assert {*concluding.states} == {
        "concluding",
        *(name for name in chart.behind() if chart.states[name].kind is not Kind.EXIT),
    }
    leaving = {edge.target: edge.events for edge in drawing.edges if edge.source == "concluding"}
    assert leaving == {"done": (chart.green,), drawing.nodes[-1].name: ("any other verdict",)}


@pytest.mark.parametrize(("action", "view"), list(product(ACTIONS, (View.OVERVIEW, View.MAIN, View.FULL))))
def test_red_ends_are_rows(action: str, view: View) -> None:
    """The red ends are a box with a row each: the exit code, the final state, and the verdicts that lead there."""
    chart = CHARTS[action]

    *_, ends = diagram(chart, view).nodes

    verdicts = {
        name: {verdict for verdict in chart.verdicts() if chart.exit_of(verdict)[0] == name} for name in ends.states
    }
    assert (ends.end, ends.exit) == ("bad", None)
    assert {row.code: row.name for row in ends.rows} == {code: name for code, name in chart.exits().items() if code}
    assert {row.name: {*row.verdicts} for row in ends.rows} == verdicts
    assert "access_denied: refused" in [row.text for row in ends.rows]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("validating", ["busy → taking_baseline", "incomplete → exit 7"]),
        ("considering_running", ["attach → waiting", "fail → exit 7"]),
        ("awaiting_reschedule", ["too_late → exit 8"]),
        ("considering_trigger", ["no → exit 6"]),
        ("polling", ["paused, broken → exit 7"]),
        (
            "restarting",
            ["triggered → considering_durations", "started → waiting", "gave_up → exit 6", "unconfirmed → exit 5"],
        ),
        (
            "considering_history",
            ["succeeded → exit 0", "sync_failed, cancelled → exit 1", "paused, broken → exit 7", "timed_out → exit 5"],
        ),
    ],
)
def test_edges_in_words(name: str, texts: list[str]) -> None:
    """What leaves a frame says where it leads: to a state, or to the end of the run and its exit code."""
    node = box(diagram(CHARTS["START"]), name)

    assert [said.text.replace("\N{NO-BREAK SPACE}", " ") for said in node.said] == texts


@pytest.mark.parametrize("action", ACTIONS)
def test_overview_has_a_box_for_each_group(action: str) -> None:
    """The overview has a box for each group and one for each colour of the ends; lines lead downwards only."""
    chart = CHARTS[action]

    drawing = diagram(chart, View.OVERVIEW)

    groups = dict.fromkeys(state.group for state in chart.states.values() if state.group)
    assert [node.title for node in drawing.nodes] == [*groups, "done", ""]
    assert [node.states for node in drawing.nodes] == [
        *(tuple(name for name, state in chart.states.items() if state.group == group) for group in groups),
        ("done",),
        tuple(name for code, name in chart.exits().items() if code),
    ]
    assert upward(drawing.initial, drawing.edges) == set()


def test_overview_of_start() -> None:
    """The overview of START is small, and its labels are short."""
    drawing = diagram(CHARTS["START"], View.OVERVIEW)

    assert 8 <= len(drawing.nodes) <= 12
    assert {(edge.source, edge.target): edge.events for edge in drawing.edges if not edge.happy} == {
        ("taking_baseline", "waiting"): ("attach",),
        ("taking_baseline", "restarting"): ("restart",),
        ("triggering", "awaiting_sign"): ("answer_lost", "conflict", "…"),
        ("restarting", "waiting"): ("triggered", "started"),
        ("awaiting_sign", "waiting"): ("started",),
        ("waiting", "considering_history"): ("doubtful",),
        ("considering_history", "concluding"): ("succeeded",),
        ("concluding", "failed"): ("any other verdict",),
    }
    texts = {node.name: [said.text.replace("\N{NO-BREAK SPACE}", " ") for said in node.said] for node in drawing.nodes}
    assert texts["taking_baseline"] == ["waited → Can it sync at all?", "else exit 7"]
    assert texts["considering_history"] == ["rescheduled, running → Wait for its end", "else exit 1, 5, 7"]
    assert len(drawing.legend) == 2


@pytest.mark.parametrize("view", View)
def test_chart_without_groups(view: View) -> None:
    """A chart that names no groups has no frames; what comes after the verdict still is one box, or its states are."""
    chart = CHARTS["STATUS"]
    states = {name: replace(state, group="") for name, state in chart.states.items()}

    drawing = diagram(replace(chart, states=states), view)

    assert drawing.frames == {}
    folded = view in {View.OVERVIEW, View.MAIN}
    assert (box(drawing, "concluding").title == "concluding") == folded
    assert "subgraph" not in mermaid.render(drawing) + dot.render(drawing)


def test_notes_of_start() -> None:
    """The notes tell which events lead where, and whom nothing stops."""
    first, *notes = [line.replace("\N{NO-BREAK SPACE}", " ") for line in diagram(CHARTS["START"], View.STATES).legend]

    assert first == "Not drawn, since many states share it:"
    assert (
        "• gave_up → exit 6, refused → exit 3, not_found → exit 4, rejected → exit 7, timed_out → exit 5, "
        "interrupted → exit 130, terminated → exit 143"
    ) in notes
    assert "• rate_limited, unavailable → the same state again, after a pause" in notes
    assert "• rate_limited, unavailable, gave_up → awaiting_idle" in notes
    assert "• restoring → on as after a success: refused, not_found, rejected, gave_up, timed_out" in notes
    assert notes[-1] == "… is /v1/connections/{id}"


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("STATUS", ["ready", "yes", "disabled", "shown"]),
        ("START", ["ready", "yes", "disabled", "idle", "triggered", "no", "waited", "succeeded"]),
        ("TEST", ["ready", "yes", "disabled", "passed"]),
        ("FORCE_RESYNC", ["ready", "yes", "disabled", "idle", "yes", "triggered", "waited", "succeeded"]),
    ],
)
def test_happy_path(action: str, path: list[str]) -> None:
    """The happy path is each state's first edge that leads somewhere new, up to the end that is green."""
    chart = CHARTS[action]

    drawing = diagram(chart, View.STATES)

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
    drawn = {
        (edge.source, edge.target)
        for edge in diagram(CHARTS[journal.header.settings.action], View.STATES).edges
        if edge.happy
    }

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
        ("validating", ("GET …",)),
        ("disabling_schedule", ("PATCH …", "at most 3 tries")),
        ("restarting", ("POST …/sync", "at most 3 tries")),
        ("triggering", ("POST …/sync",)),
        ("taking_baseline", ()),
        ("awaiting_reschedule", ("until rescheduled_for",)),
        ("considering_running", ("considering_running",)),
        ("stopped_by_hand", ("exit 130",)),
    ],
)
def test_captions(name: str, captions: tuple[str, ...]) -> None:
    """A state says below its name what it asks, waits for, chooses by or ends with."""
    (node,) = (node for node in diagram(CHARTS["START"], View.STATES).nodes if node.name == name)

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

    drawing = diagram(CHARTS["START"], View.STATES, here="concluding", way=way)

    assert {(edge.source, edge.target) for edge in drawing.edges if edge.taken} == way
    assert line(drawing, "disabling_schedule", "concluding").events == ("timed_out", "interrupted", "terminated")
    assert {node.name for node in drawing.nodes if node.visited} == {*states}
    assert [node.name for node in drawing.nodes if node.here] == ["concluding"]


def test_way_between_boxes() -> None:
    """In the main drawing a way is that of the boxes that it led through, drawn where else there is only text."""
    way = {
        ("polling", "considering_history"),
        ("asking_history", "concluding"),
        ("concluding", "considering_late_switch"),
    }

    drawing = diagram(CHARTS["START"], here="considering_late_switch", way=way)

    assert {(edge.source, edge.target) for edge in drawing.edges if edge.taken} == {
        ("polling", "considering_history"),
        ("considering_history", "concluding"),
    }
    found = line(drawing, "considering_history", "concluding")
    assert found.events[:4] == ("succeeded", "sync_failed", "cancelled", "interrupted")
    assert "timed_out" in found.events  # which came before a choice: its "no" would say nothing
    assert [node.name for node in drawing.nodes if node.here] == ["concluding"]
    assert {node.name for node in drawing.nodes if node.visited} == {"polling", "considering_history", "concluding"}


def test_highlights_in_texts() -> None:
    """Mermaid and DOT mark the state and the lines of the way."""
    drawing = diagram(CHARTS["START"], here="considering_durations", way={("triggering", "considering_durations")})

    flowchart, graph = mermaid.render(drawing), dot.render(drawing)

    assert "\n  class considering_durations here\n" in flowchart
    assert "\n  class triggering,considering_durations visited\n" in flowchart
    assert re.search(r"\n  linkStyle \d+ stroke:#24292f,stroke-width:5px\n", flowchart)
    assert (
        '"considering_durations" [id="state-considering_durations", class="state chooses happy here visited"' in graph
    )
    assert (
        '"triggering" -> "considering_durations" [id="edge-triggering-considering_durations", class="edge happy taken"'
        in graph
    )


# --- Renderers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("action", "view"), DRAWINGS)
def test_mermaid_shows_all(action: str, view: View) -> None:
    """Mermaid's text has each box once, each line with its labels, and all that stands in a box."""
    drawing = diagram(CHARTS[action], view)
    frames = {group: f"_frame{number}" for number, group in enumerate(drawing.frames)}
    tied = {node.name: frames.get(node.group, node.name) for node in drawing.nodes}

    text = mermaid.render(drawing)

    for node in drawing.nodes:
        shown = re.findall(rf"\n  {node.name}(\W.*)", text)[0]
        words = re.sub(r"\W|_", "", re.sub(r"<[^>]*>", "", shown))
        for part in (node.title, *node.captions, *(one.text for one in node.said), *(one.text for one in node.rows)):
            assert re.sub(r"\W|_", "", part) in words
    for edge in drawing.edges:
        if edge.again:
            assert f"<br/>↻ {', '.join(edge.events)}" in text
            continue
        within = tied[edge.source] == tied[edge.target]
        source, target = (name if within else tied[name] for name in (edge.source, edge.target))
        labels = "|".join(re.findall(rf'\n  {source} [-=]+>\|"(.*)"\| {target}\n', text))
        words = re.sub(r"\W", "", re.sub(r"<[^>]*>", "", labels))
        assert "".join(re.sub(r"\W", "", event) for event in edge.events) in words
    lines = [edge for edge in drawing.edges if not edge.again]
    assert len(re.findall(r" -->", text)) == sum(not edge.happy for edge in lines)
    assert len(re.findall(r" ==>", text)) == sum(edge.happy for edge in lines) + 1
    assert len(re.findall(r"\n  subgraph ", text)) == len(frames)
    assert ("Not drawn" in text) == (view is not View.FULL)


def test_styles_of_lines_in_mermaid() -> None:
    """The happy path is green: Mermaid counts the lines of a text from 0, those that nobody sees, too."""
    drawing = diagram(CHARTS["START"])

    text = mermaid.render(drawing)

    (numbers,) = re.findall(r"\n  linkStyle ([\d,]+) stroke:#1a7f37", text)
    lines = re.findall(r" (==>|-->|~~~)", text)
    assert [int(number) for number in numbers.split(",")] == [
        number for number, arrow in enumerate(lines) if arrow == "==>"
    ]


def test_frames_in_mermaid() -> None:
    """A frame whose boxes fit side by side is laid out from left to right, a longer one from top to bottom."""
    text = mermaid.render(diagram(CHARTS["START"]))

    frames = re.findall(r'subgraph _frame\d\["<b>(.*)</b>"\]\n  direction (..)\n', text)
    assert frames == [
        ("Can it sync at all?", "LR"),
        ("Is another sync running?", "TB"),
        ("Trigger", "LR"),
        ("Wait for its end", "TB"),
    ]


@pytest.mark.parametrize("action", ACTIONS)
def test_frames_stand_below_one_another(action: str) -> None:
    """A frame that no line of the happy path leads to is held in its place by a line that nobody sees."""
    drawing = diagram(CHARTS[action], View.FULL)
    names = [f"_frame{number}" for number in range(len(drawing.frames))]

    text = mermaid.render(drawing)

    for one, other in pairwise(names):
        assert re.search(rf"\n  {one} (==>|~~~).* {other}\n", text)


@pytest.mark.parametrize(("action", "view"), DRAWINGS)
def test_dot_shows_all(action: str, view: View) -> None:
    """DOT has each state and line once, with its id and its classes."""
    drawing = diagram(CHARTS[action], view)

    text = dot.render(drawing)

    assert sorted(re.findall(r' \[id="state-(\w+)"', text)) == sorted(node.name for node in drawing.nodes)
    assert re.findall(r'class="frame"', text) == ['class="frame"'] * len(drawing.frames)
    lines = re.findall(r' \[id="edge-(\w+)-(\w+)", class="edge([^"]*)', text)
    assert {(source, target, "happy" in classes) for source, target, classes in lines} == {
        (edge.source, edge.target, edge.happy) for edge in drawing.edges
    }
    assert len(lines) == len(drawing.edges)


def test_classes_in_dot() -> None:
    """A page can tell by class what a box is, how it ends, and which group a line comes from."""
    main, full, states = (dot.render(diagram(CHARTS["START"], view)) for view in (View.MAIN, View.FULL, View.STATES))

    assert 'id="state-polling", class="state does asks happy"' in main
    assert 'id="state-restarting", class="state part"' in main
    assert 'id="edge-polling-polling", class="edge group-transient again"' in full
    assert 'id="state-access_denied", class="state exit exit-3"' in states


@pytest.mark.parametrize("render", [mermaid.render, dot.render])
@pytest.mark.parametrize(("action", "view"), DRAWINGS)
def test_same_bytes(action: str, render: Callable[[Diagram], str], view: View) -> None:
    """The same chart gives the same text."""
    assert render(diagram(CHARTS[action], view)) == render(diagram(load(action), view))


def test_lines_back_are_those_of_loops() -> None:
    """Graphviz is told which lines lead up, so that it draws the happy path downwards."""
    drawing = diagram(CHARTS["START"], View.STATES)

    back = {(edge.source, edge.target) for edge in upward(drawing.initial, drawing.edges)}

    assert {("polling", "waiting"), ("awaiting_idle", "validating"), ("considering_schedule", "triggering")} <= back
    assert not {(edge.source, edge.target) for edge in drawing.edges if edge.happy} & back


def test_awkward_names() -> None:
    """Whatever a chart's states are called, no name is taken for syntax."""
    name = 'a "b" <i> & #'
    drawing = diagram(chart_of(end={"waited": name}, **{name: {}}), here=name)
    framed = replace(drawing, nodes=tuple(replace(node, group=name) for node in drawing.nodes))

    frames = mermaid.render(framed), dot.render(framed)
    flowchart, graph = mermaid.render(drawing), dot.render(drawing)

    assert '  _state0(["<b>end</b><br/>until"])\n' in flowchart
    assert '_state1["<b>a #34;b#34; #60;i#62; #38; #35;</b><br/>exit 0"]' in flowchart
    assert r'"end" -> "a \"b\" <i> &amp; #" [id="edge-end-a \"b\" <i> &amp; #"' in graph
    assert "<b>a &quot;b&quot; &lt;i&gt; &amp; #</b>" in graph
    assert '  subgraph _frame0["<b>a #34;b#34; #60;i#62; #38; #35;</b>"]\n' in frames[0]
    assert '" 0" [class="name", ' in frames[1]


def test_chart_with_no_happy_end() -> None:
    """A drawing without a final state on the happy path has its rows and its note all the same."""
    states = {
        "ask": State("ask", Kind.WAITS, "next_poll", {"a": "more", "b": "end", "c": "more"}, {"c": "shared"}),
        "more": State("more", Kind.WAITS, "next_poll", {"d": "ask"}, {}),
        "end": State("end", Kind.EXIT, "", {}, {}, exit=0),
    }
    text = mermaid.render(diagram(Chart("TEST", "", "ask", states)))

    assert '  ask -->|"b"| _state2\n' in text
    assert "\n  _state2 ~~~ _note\n" in text


@needs_graphviz
@pytest.mark.parametrize(("action", "view"), DRAWINGS)
def test_svg(action: str, view: View) -> None:
    """Graphviz draws each state and line, with ids that a page can paint by."""
    drawing = diagram(CHARTS[action], view)

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
            "waiting | Waits until FIVETRAN_POLL_INTERVAL has passed, or the sync is likely to end; "
            "at most 10 s after un-pausing. | waited"
            " | driver | polling"
        ),
        "triggering | `POST /v1/connections/{id}/sync` Start a sync. | triggered | effect | considering_durations",
        "considering_unpause | Un-pause it? FIVETRAN_UNPAUSE. | no | choice | concluding",
        "| | rate_limited, unavailable | client | same",
        "ending | How did it end? | succeeded | choice | done",
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
    """A page has for each chart its paragraph, drawings, endings and edges; the events come once."""
    text = page(list(CHARTS.values()))

    for chart in CHARTS.values():
        assert f"## {chart.title}\n\n{chart.about}\n\n```mermaid\n{mermaid.render(diagram(chart))}```\n" in text
        full = f"drawn</summary>\n\n```mermaid\n{mermaid.render(diagram(chart, View.FULL))}```\n\n</details>\n"
        assert f"<details>\n<summary>Every state of {chart.action}, {full}" in text
        assert table(chart) in text
        assert endings(chart) in text
    assert text.count("## What the events mean") == 1


def test_page_of_full_drawings() -> None:
    """On a page with the full drawings nothing is folded up."""
    text = page([CHARTS["STATUS"]], view=View.FULL)

    assert mermaid.render(diagram(CHARTS["STATUS"], View.FULL)) in text
    assert ("<details>" in text, text.count("```mermaid")) == (False, 1)


def test_page_of_a_chart_without_a_paragraph() -> None:
    """A chart without a paragraph has its drawing right below the title."""
    text = page([replace(CHARTS["STATUS"], about="")])

    assert "## STATUS: show the connection\n\n```mermaid\n" in text
