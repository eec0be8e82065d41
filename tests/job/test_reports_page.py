"""The page: what it says, and that nothing on it can be forged."""

import base64
import hashlib
import re
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from causes import case
from simulated_job import CONNECTOR, Simulate, SimulatedJob

from orchestrator.job.report import page, picture, timeline, walk
from orchestrator.job.report.markup import Markup, cut, each, line, offset, row, said, tag
from orchestrator.job.report.summary import MARK
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

HOSTILE = f"<script>alert(1)</script>\x1b[31m\u202e&amp;\"'{'x' * 10_000}"
VOID = {"meta", "link", "input"}
INLINE = {"a", "b", "bdi", "code", "small", "span", "text", "time"}


class Page(HTMLParser):
    """A page as a browser reads it: its text, its elements, and whether they are nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.source = text
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One of the picture, closed at once."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Its end."""
        assert self._open.pop() == tag
        if tag not in INLINE:
            self.words.append(" ")

    def handle_data(self, data: str) -> None:
        """Text."""
        if self._open[-1:] not in (["script"], ["style"]):
            self.words.append(data)

    @property
    def text(self) -> str:
        """The words, as somebody reads them."""
        return " ".join("".join(self.words).split())

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        """The attributes of the elements of a class."""
        return [found for _, found in self.elements if name in (found.get("class") or "").split()]


def drawn(job: SimulatedJob) -> Page:
    """The page that that job has left."""
    return Page((job.folder / "report" / "index.html").read_text("utf-8"))


# --- The verdict ----------------------------------------------------------------------------------


def test_failed_sync(simulate: Simulate) -> None:
    """Of a failed sync the page says what happened, why, what to do, and what goes on, in that order."""
    job = simulate(Scenario(syncs=(SyncPlan(ends="fails", reason="Too many clients"),)))
    job.play()

    text = drawn(job).text

    said_in_order = [
        f"START on {CONNECTOR}",
        "FAILED: the sync failed",
        "Started 2027-01-15 08:00:00 UTC, took 1 min",
        "Why",
        "Too many clients",
        "What to do now Fivetran",
        "At Fivetran now no",
        "The connection at Fivetran",
        "Copy for a ticket",
        "Exit code 1",
        "The sync in Fivetran's history",
        "Active errors at Fivetran Sync failure",
        "Where the time went",
        "Steps",
        "The connection",
        "Last failure 2027-01-15 08:01:00 UTC (just now)",
        "Last failure before the sync 2027-01-14 02:00:00 UTC (1 d ago)",
        "Step through this run",
        "counted from the end of the run, 2027-01-15 08:01:00 UTC",
    ]
    assert re.search(".*?".join(map(re.escape, said_in_order)), text), text


@pytest.mark.parametrize(
    ("action", "more", "mark"),
    [
        ("START", {}, "OK"),
        ("START", {"FIVETRAN_API_KEY": "wrong"}, "FAILED"),
        ("START", {"FIVETRAN_TIMEOUT": "20"}, "TIMED OUT"),
        ("DANCE", {}, "FAILED"),
    ],
)
def test_mark(simulate: Simulate, action: str, more: dict[str, Any], mark: str) -> None:
    """What went well, what failed and what has only not ended look different, and say so in a word."""
    job = simulate()
    job.play(action, **more)

    found = drawn(job)

    assert found.text.startswith(f"{mark}: ")
    kind = {"OK": "good", "FAILED": "bad", "TIMED OUT": "open"}[mark]
    assert [element["class"] for element in found.of_class("verdict")] == [f"verdict {kind}"]


def test_wrong_variables(simulate: Simulate) -> None:
    """Of wrong variables the page has each with its fix, and neither a way nor a page at Fivetran."""
    job = simulate()
    job.play(FIVETRAN_TIMEOUT="soon", CONNECTOR_ID="<b>")

    found = drawn(job)

    assert "FIVETRAN_TIMEOUT: 'soon' is not a duration" in found.text
    assert "START on <b>" in found.text
    assert [found.of_class(name) for name in ("steps", "timeline", "command")] == [[], [], []]
    assert "at Fivetran" not in found.text
    assert "is counted from" not in found.text
    assert "The connection" not in found.text


def test_resync_names_its_table(simulate: Simulate) -> None:
    """A re-sync says of which table."""
    job = simulate()
    job.play("FORCE_RESYNC")

    assert f"FORCE_RESYNC on {CONNECTOR}, table public.orders" in drawn(job).text


def test_setup_tests(simulate: Simulate) -> None:
    """Setup tests are a table: result, name, message, details; a link in the advice can be followed."""
    tests: tuple[dict[str, Any], ...] = (
        {"title": "Host", "status": "PASSED", "message": "", "details": None},
        {"title": "Lag", "status": "WARNING", "message": "High", "details": {"seconds": 12}},
        {"title": "Login", "status": "FAILED", "message": "Refused", "details": "Is it right?"},
        {"title": None, "status": "NEW"},
    )
    job = simulate(Scenario(setup_tests=tests))
    job.play("TEST")

    found = drawn(job)

    assert 'WARNING Lag High {"seconds": 12} FAILED Login Refused' in found.text
    assert [element["class"] for element in found.of_class("result")] == [
        "result passed",
        "result warning",
        "result bad",
        "result other",
    ]
    links = [attributes.get("href") for name, attributes in found.elements if name == "a"]
    assert f"https://fivetran.com/dashboard/connections/{CONNECTOR}/setup" in links


def test_evidence_of_odd_forms(simulate: Simulate) -> None:
    """What Fivetran's history and its errors hold is shown, whatever of it is missing or new."""
    job = simulate()
    played = job.play()
    assert played.report is not None
    sync = {
        "sync_id": 7,
        "start": "2027-01-15T08:00:00Z",
        "end": None,
        "new": {"a": 1},
        "stages": [{"name": "LOAD", "volume": 1500000, "extra": None}, "odd"],
    }
    errors = [{"type": "t"}, {"title": "T", "reason": "R", "message": ["M"], "created_at": "yesterday"}, {}]

    def text(**members: Any) -> str:
        return Page(page.draw({**(played.report or {}), **members}, [], 0, None)).text

    full = text(sync=sync, errors=errors)
    assert "Sync id 7 Start 2027-01-15 08:00:00 UTC (1 min ago)" in full
    assert "Name Volume Extra LOAD 1,500,000 Fivetran's API does not name the unit of a volume." in full
    assert re.search(r't.*T.*R.*\["M"\].*since yesterday.*Error', full)
    assert "since 2027-01-15 07:00:00 UTC (1 h ago)" in text(errors=[{"created_at": "2027-01-15T07:00:00Z"}])
    assert "The sync in Fivetran's history" not in text(sync=None, errors=None)
    assert "The sync in Fivetran's history" not in text(sync={"stages": "odd"}, errors=[])
    assert "unit of a volume" not in text(sync={"stages": [{"name": "LOAD", "new": True}]})


# --- Safe -------------------------------------------------------------------------------------------


def test_hostile_words_stay_text(simulate: Simulate) -> None:
    """Whatever Fivetran or a variable says is text: no element, no control character, of bearable length."""
    tests = ({"title": HOSTILE, "status": HOSTILE, "message": HOSTILE, "details": [HOSTILE]},)
    connection = {
        "status": {"tasks": [{"code": HOSTILE, "message": HOSTILE}], "sync_state": HOSTILE, "rescheduled_for": HOSTILE},
        "schedule_type": HOSTILE,
        "succeeded_at": HOSTILE,
    }
    job = simulate(
        Scenario(
            setup_tests=tests,
            connection=connection,
            faults=(Fault(on="get", status=429, code=HOSTILE[:40], message=HOSTILE),),
        )
    )
    job.play("TEST")

    found = drawn(job)

    assert "<script>alert(1)</script>[31m&amp;\"'xxx" in found.text
    assert [name for name, _ in found.elements].count("script") == 1
    assert not re.search("[\x00-\x08\x0e-\x1f\u202a-\u202e]", found.source)
    assert len(found.source) < 300_000
    assert not re.search("x{1100}", found.source)


def test_nothing_is_fetched(simulate: Simulate) -> None:
    """The page forbids itself everything but its own style and script, which it names by their digests."""
    job = simulate()
    job.play()

    found = drawn(job)

    policy = next(
        attributes["content"] for name, attributes in found.elements if name == "meta" and "http-equiv" in attributes
    )
    assert policy is not None
    for name in ("style", "script"):
        inner = found.source.split(f"<{name}>")[1].split(f"</{name}>")[0]
        digest = base64.b64encode(hashlib.sha256(inner.encode()).digest()).decode()
        assert f"{name}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert [
        name for name, attributes in found.elements if "style" in attributes or attributes.keys() & {"onclick", "src"}
    ] == []


# --- The chart --------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_picture_is_fresh(action: str) -> None:
    """The picture that comes with the package is that of today's chart: else make pictures."""
    assert picture.is_fresh(load(action))


@pytest.mark.parametrize("action", ACTIONS)
def test_picture_has_every_state(action: str) -> None:
    """Every state has its place in the picture, and nothing in it is fetched or can run."""
    chart = load(action)
    painted = picture.paint(chart, [], "")

    assert painted is not None
    assert set(re.findall(r'id="state-(\w+)"', painted)) == set(chart.states)
    assert re.findall(r"href|<script|<!|url\((?!#)", painted) == []
    assert re.search(rf'id="state-{chart.initial}" class="[^"]* visited"', painted)


@pytest.mark.parametrize("action", ACTIONS)
def test_texts_keep_to_their_boxes(action: str) -> None:
    """Each text of a state takes the width that Graphviz gave it, in any font, and that is within its outline."""
    painted = picture.paint(load(action), [], "") or ""
    states = dict(re.findall(r'<g id="state-(\w+)"[^>]*>(.*?)</g>', painted, re.DOTALL))

    for name, body in states.items():
        (outline,) = re.findall(r' (?:d|points)="([^"]+)"', body)[:1]
        across = [float(x) for x in re.findall(r"(-?[\d.]+),", outline)]
        texts = re.findall(r'<text x="([\d.]+)"[^>]* textLength="([\d.]+)">', body)
        assert len(texts) == body.count("<text") > 0, name
        assert all(min(across) <= float(x) and float(x) + float(width) <= max(across) for x, width in texts), name


def _edges(painted: str, kind: str) -> set[str]:
    return {
        name
        for name, classes in re.findall(r'<g id="edge-([^"]+)" class="([^"]*)"', painted)
        if kind in classes.split()
    } | {
        name
        for classes, name in re.findall(r'<g class="([^"]*)" id="edge-([^"]+)"', painted)
        if kind in classes.split()
    }


@pytest.mark.parametrize(
    "name", ["succeeds", "flapping_network", "rescheduled_twice", "no_permission", "lost_answer", "wrong_key"]
)
def test_way_is_painted(simulate: Simulate, name: str) -> None:
    """Each edge that the run took is painted, to its end, and no other; one that the picture lacks is added to it."""
    job = simulate(name)
    played = job.play()

    found = drawn(job)

    taken = {f"{step.source}-{step.target}" for step in played.steps}
    assert _edges(found.source, "taken") == taken
    visited = {re.sub("^state-", "", element["id"] or "") for element in found.of_class("visited")}
    assert visited == {played.steps[0].source, *(step.target for step in played.steps)}
    events = {step.event for step in played.steps if f"{step.source}-{step.target}" in taken}
    happened = {
        word
        for _, label in re.findall(r'<text([^>]*class="happened"[^>]*)>([^<]*)</text>', found.source)
        for word in re.findall(r"\w+", label)
    }
    assert events <= happened


def test_chart_of_ones_own(simulate: Simulate) -> None:
    """A chart without a picture is said to have none, and its way is a list all the same."""
    job = simulate()
    played = job.play()
    chart = load("START")
    own = replace(chart, initial="polling")
    steps = [{"from": "a", "event": "went", "to": "b", "at": 1.0, "until": 1.0, "times": 1, "detail": "GET /x -> 200"}]

    found = Page(page.draw(played.report or {}, steps, 0, own))

    assert "This version has no drawing of this chart" in found.text
    assert "a → b" in found.text
    assert "GET /x -> 200" in found.text
    assert found.of_class("picture") == []


# --- The steps --------------------------------------------------------------------------------------


def test_warnings_by_table(simulate: Simulate) -> None:
    """Fivetran's warnings are a table: where, their code, and what they say, whatever of it is missing."""
    played = simulate("paused").play()
    warnings = [
        {
            "schema": "public",
            "table": "orders",
            "warnings": [
                {"code": "type_coercion", "message": "Values became null", "details": ["amount"]},
                "a warning that is a text",
            ],
        },
        {"warnings": [{"code": "resync_table_warning", "message": "Resync Table Warning"}]},
        {"schema": "odd", "warnings": 5},
    ]
    document = {**(played.report or {}), "table_warnings": warnings}

    text = Page(page.draw(document, [], 0, load("START"))).text

    assert "public.orders type_coercion Values became null" in text
    assert "amount" in text
    assert "public.orders a warning that is a text" in text
    assert "the connection resync_table_warning Resync Table Warning" in text
    assert (
        "Warnings at Fivetran" not in Page(page.draw({**document, "table_warnings": None}, [], 0, load("START"))).text
    )


def test_steps_tell_all(simulate: Simulate) -> None:
    """Each step has its request with its body, the answer, why it went on so, and what was learned."""
    job = simulate(Scenario(faults=(Fault(on="get", status=429, code="TooManyRequests", message="Slowly"),)))
    job.play()

    text = drawn(job).text

    assert f"GET /v1/connections/{CONNECTOR} to read the connection" in text
    assert '{"schedule_type": "manual", "run_setup_tests": false}' in text
    assert "429 TooManyRequests Slowly" in text
    assert "Pause 1.0 s" in text
    assert "succeeded_at moved since the trigger" in text
    assert "triggered_at 2027-01-15 08:00:01 UTC (1 min ago)" in text
    assert "succeeded_at: 2027-01-15 02:00:00 UTC (6 h ago)" in text
    assert '"busy": false, "broken": false, "date": "2027-01-15 08:00:01 UTC (1 min ago)"' in text
    assert "connection sync_state: scheduled, setup_state: connected" in text
    assert "times, the last one at +" in text


def test_request_id_is_shown() -> None:
    """Fivetran's id of a request is there, for its support; an answer that is a number alone is one, too."""
    request = {"method": "GET", "path": "/x", "purpose": "look"}
    failure = {"event": "unavailable", "status": 502, "message": "Bad gateway", "request_id": "r-4711"}
    entry = {**_entry("a", "unavailable", "a", 1.0), "record": {"request": request, "failure": failure, "took": 0.25}}

    found = Page(walk.draw([entry], 1.0))

    assert "GET /x to look" in found.text
    assert "502 Bad gateway (request id r-4711) after 0.25 s" in found.text


def test_cut_off_request(simulate: Simulate) -> None:
    """A request that a signal cut off says that it had no answer."""
    cause = case("START", "validating", "interrupted")
    job = simulate(cause.scenario)
    job.play("START", cause.observer(job, "validating"))

    assert "none: the request was cut off after" in drawn(job).text


def test_it_begins_where_it_was_decided(simulate: Simulate) -> None:
    """The player begins at the step that decided the verdict, not at the last one."""
    job = simulate("wrong_key")
    job.play()

    found = drawn(job)

    (player,) = found.of_class("player")
    steps = [attributes for name, attributes in found.elements if name == "li" and "data-from" in attributes]
    decisive = steps[int(player["data-start"] or 0) - 1]
    assert "hidden" in player
    assert decisive["class"] == "failed"
    assert len(steps) > int(player["data-start"] or 0)


# --- The timeline -----------------------------------------------------------------------------------


def _entry(
    source: str, event: str, target: str, at: float, until: float | None = None, times: int = 1, detail: str = ""
) -> dict[str, Any]:
    return {
        "from": source,
        "event": event,
        "to": target,
        "at": at,
        "until": at if until is None else until,
        "times": times,
        "detail": detail,
    }


def test_periods() -> None:
    """A period ends when its state is left; the states of a loop share one."""
    steps = [
        _entry("a", "ready", "b", 1.0, detail="GET"),
        _entry("b", "waited", "c", 11.0, until=31.0, times=3),
        _entry("c", "running", "b", 11.5, until=31.5, times=3, detail="GET"),
        _entry("b", "waited", "c", 41.5),
    ]

    assert list(timeline.periods(steps)) == [
        timeline.Period(("a",), 0.0, 1.0, 1, asked=True, waited=False),
        timeline.Period(("b", "c"), 1.0, 31.5, 3, asked=True, waited=True),
        timeline.Period(("b",), 31.5, 41.5, 1, asked=False, waited=True),
    ]
    assert list(timeline.periods([])) == []


def test_timeline_tells_who_was_asked() -> None:
    """A bar says request only for the time in which Fivetran was asked, and what neither asked nor waited has none."""
    backed_off = {"kind": "does", "began": 60.0}
    steps = [
        _entry("a", "unavailable", "a", 1.0, detail="GET"),
        {**_entry("a", "ready", "b", 61.0, detail="GET"), "record": backed_off},
        _entry("b", "timed_out", "c", 70.0),
        {**_entry("c", "reported", "d", 75.0), "record": {"kind": "does", "began": 70.0}},
        {**_entry("d", "too_late", "e", 80.0), "record": {"kind": "waits", "began": 75.0}},
        _entry("e", "unavailable", "e", 81.0, until=200.0, times=4, detail="GET"),
        _entry("f", "reported", "g", 210.0),
    ]

    kinds = [(period.states[0], period.begin, period.kind) for period in timeline.periods(steps)]
    drawn = Page(timeline.draw(steps))

    assert kinds == [
        ("a", 0.0, "asks"),
        ("a", 1.0, "waits"),
        ("a", 60.0, "asks"),
        ("b", 61.0, "waits"),
        ("c", 70.0, "works"),
        ("d", 75.0, "waits"),
        ("e", 80.0, "waits"),
        ("f", 200.0, "works"),
    ]
    bars = [attributes["class"] for name, attributes in drawn.elements if name == "rect"]
    assert bars == [kind for *_, kind in kinds if kind != "works"]
    assert drawn.text.endswith("requests to Fivetranpauses")


def test_timeline_is_to_scale() -> None:
    """A bar begins and ends where its period does, a moment is seen, too, and what only decides has no row."""
    steps = [
        _entry("a", "ready", "b", 0.0, detail="GET"),
        _entry("b", "yes", "c", 0.0),
        _entry("c", "waited", "d", 75.0),
        _entry("d", "running", "e", 100.0, detail="GET"),
    ]

    found = Page(timeline.draw(steps))

    bars = [(attributes["x"], attributes["width"]) for name, attributes in found.elements if name == "rect"]
    assert bars == [("0.0", "3.0"), ("0.0", "750.0"), ("750.0", "250.0")]
    assert found.source.count("</rect>") == len(bars)  # one that is not closed would hold the next
    assert found.text.startswith("a 0.0 s c 75.0 s d 25.0 s")
    assert timeline.draw([_entry("b", "yes", "c", 0.0)]) == ""


@pytest.mark.parametrize(("seconds", "shown"), [(0.0, False), (0.9, False), (1.0, True)])
def test_timeline_of_no_time(seconds: float, shown: bool) -> None:  # noqa: FBT001
    """Where requests and pauses took less than a second in all, there is nothing to say, however long the rest took."""
    steps = [_entry("a", "ready", "b", seconds, detail="GET"), _entry("b", "reported", "c", 60.0)]

    assert bool(timeline.draw(steps)) == shown


def test_timeline_has_what_was_left_out() -> None:
    """Of a run whose middle is left out, the timeline shows how long that took."""
    steps = [_entry("a", "ready", "b", 1.0, detail="GET"), _entry("c", "waited", "d", 9.0)]

    found = Page(timeline.draw(steps, gap=1))

    assert found.text.startswith("a 1.0 s left out 8.0 s")
    assert found.text.endswith("requests to Fivetranpausessteps that are not shown")


# --- Markup -----------------------------------------------------------------------------------------


def test_markup() -> None:
    """Texts are escaped and markup is not; attributes that are None or False are left out."""
    assert tag("p", "<", Markup("<b>x</b>"), None, class_="a&b", hidden=True, data_x=None, open=False) == (
        '<p class="a&amp;b" hidden>&lt;<b>x</b></p>'
    )
    assert tag("meta", name="x") == '<meta name="x">'
    assert each(None, Markup(""), tag("i")) == "<i></i>"
    assert row("title") == row("title", "", None) == ""
    assert said("<") == "<bdi>&lt;</bdi>"
    assert cut("abc", 2) == "ab… (1 more characters in result.json)"
    assert [offset(seconds) for seconds in (0.04, 99.9, 100.0)] == ["0.0 s", "99.9 s", "1 min 40 s"]


# --- What is where ----------------------------------------------------------------------------------


def test_status_has_the_connection_first(simulate: Simulate) -> None:
    """STATUS was asked how the connection is: that comes first, before what to do and before the steps, and once."""
    job = simulate("paused")
    job.play("STATUS")

    found = drawn(job)

    said_in_order = [
        "Started",
        "The connection Service postgres Setup state connected Sync state paused",
        "Last success 2027-01-15 02:00:00 UTC (6 h ago) Last failure 2027-01-14 02:00:00 UTC (1 d ago)",
        "Schedule manual (it was auto) Paused yes",
        "At Fivetran now",
        "Steps",
    ]
    assert re.search(".*?".join(map(re.escape, said_in_order)), found.text), found.text
    assert found.text.count("Service postgres") == 1
    assert "Where the time went" not in found.text


def test_setup_tests_come_before_the_steps(simulate: Simulate) -> None:
    """TEST was asked for its setup tests: their table comes first."""
    job = simulate()
    job.play("TEST")

    text = drawn(job).text

    assert text.index("Setup tests") < text.index("Steps") < text.index("Service postgres")


def test_rescheduled_connection(simulate: Simulate) -> None:
    """When Fivetran will resume is said with how long that is."""
    job = simulate("rescheduled_too_late")
    job.play()

    assert re.search(r"Rescheduled for 2027-01-15 \d\d:\d\d:\d\d UTC \(in \d+ (min|h)\)", drawn(job).text)


@pytest.mark.parametrize("name", ["fails", "rescheduled_too_late", "slow", "restarted", "paused", "first_ever"])
def test_times_are_for_people(simulate: Simulate, name: str) -> None:
    """No time stands on the page as programs write it, except within a request and what is a program's: its path."""
    job = simulate(name)
    job.play()

    found = drawn(job)

    assert set(re.findall(r"\S*\d{4}-\d\d-\d\dT\S*", re.sub(r"GET /v1/\S+", "", found.text))) == set()
    assert [attributes for name, attributes in found.elements if name == "time"] != []


def test_still_running(simulate: Simulate) -> None:
    """A job that ended before its sync says so beneath the headline."""
    job = simulate("slow")
    job.play()

    found = drawn(job)

    assert found.of_class("running") == [{"class": "running"}]
    assert found.text.index("STILL RUNNING at Fivetran") < found.text.index("What to do now")


def test_resumed_run(simulate: Simulate) -> None:
    """A run that was resumed says so."""
    played = simulate("paused").play()

    assert (
        "took 0 s; resumed from its state file"
        in Page(page.draw({**(played.report or {}), "resumed": True}, [], 0, None)).text
    )


# --- Links, commands, the copy -----------------------------------------------------------------------


def test_links_back(simulate: Simulate) -> None:
    """The page links to the connection, the job and the commit; none of them may learn where the reader came from."""
    job = simulate()
    job.play(
        CI_JOB_URL="https://u:p@gitlab.example/j/7", CI_PROJECT_URL="https://gitlab.example/a", CI_COMMIT_SHA="a" * 40
    )

    found = drawn(job)

    links = {str(attributes["href"]): attributes for name, attributes in found.elements if name == "a"}
    assert {
        f"https://fivetran.com/dashboard/connections/{CONNECTOR}",
        "https://gitlab.example/j/7",
        f"https://gitlab.example/a/-/commit/{'a' * 40}",
        "result.json",
    } == links.keys()
    assert all(attributes.get("rel") == "noreferrer" for link, attributes in links.items() if link != "result.json")


def test_text_within_a_line_is_no_link() -> None:
    """Only the connection's page and Fivetran's status can be followed, wherever they stand in a line."""
    here = f"https://fivetran.com/dashboard/connections/{CONNECTOR}"

    found = Page(line(f"<b> ({here}/setup), https://evil.example {here}?x", 0.0, here))

    assert [attributes["href"] for name, attributes in found.elements if name == "a"] == [f"{here}/setup"]
    assert [name for name, _ in found.elements] == ["bdi", "a"]
    assert line("", 0.0) == line(None, 0.0) == ""


def test_commands(simulate: Simulate) -> None:
    """The page has the commands that replay the run, with its journal's name where the artifacts are, quoted."""
    job = simulate()
    folder = job.folder / "a b"

    job.play(FIVETRAN_REPORT_DIR=str(folder), CI_PROJECT_DIR=str(job.folder))

    text = Page((folder / "index.html").read_text("utf-8")).text
    assert "fivetran-orchestrator debug --replay 'a b/journal.jsonl'" in text
    assert "fivetran-orchestrator replay 'a b/journal.jsonl'" in text


@pytest.mark.parametrize(("variables", "file"), [({"FIVETRAN_JOURNAL": "0"}, ""), ({}, '{"day": 1}\n')])
def test_no_journal_no_commands(simulate: Simulate, variables: dict[str, Any], file: str) -> None:
    """Where this run wrote no journal, there is nothing to replay: one of another program is not taken for it."""
    job = simulate()
    if file:
        (job.folder / "report").mkdir()
        (job.folder / "report" / "journal.jsonl").write_text(file, "utf-8")

    job.play(**variables)

    assert drawn(job).of_class("command") == []


def test_commands_outside_the_project(simulate: Simulate, tmp_path: Path) -> None:
    """A journal that is not among the artifacts is named as the job knows it."""
    job = simulate()

    job.play(CI_PROJECT_DIR=str(tmp_path / "project"))

    assert f"debug --replay {job.folder}/report/journal.jsonl" in drawn(job).text


def test_copy(simulate: Simulate) -> None:
    """What the button copies is `summary.md`; without the script neither of them is shown."""
    job = simulate()
    job.play()

    found = drawn(job)

    (button,), (ticket,) = found.of_class("copy"), found.of_class("ticket")
    written = (job.folder / "report" / "summary.md").read_text("utf-8")
    assert "hidden" in button
    assert "hidden" in ticket
    assert f"{escape(written.removeprefix(MARK))}</textarea>" in found.source
