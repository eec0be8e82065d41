"""The report of many connections: what is in FIVETRAN_REPORT_DIR, how large it is, and what it leaves alone."""

import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from forms import DOCS, assert_fleet, dotenv_variables, junit_cases
from members import AWAY, ended, fleet, left_out, many, steps, syncing

from orchestrator.fleet.report import page
from orchestrator.fleet.report.files import annotations, dotenv, junit, summary
from orchestrator.fleet.report_folder import WHOLE, FleetReporter
from orchestrator.job.masking import Mask
from orchestrator.job.report_folder import Reporter
from orchestrator.job.result import DRAWINGS, RESULT, Document, result
from orchestrator.job.trace import Trace
from orchestrator.job.variables import RESULTS
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing
from orchestrator.values.facts import Facts

MOST = 2_000_000  # bytes of the page of a thousand connections
CHART = load("START")
FILES = {RESULT, *DRAWINGS}
GITLAB = {
    "CI_JOB_URL": "https://gitlab.example.com/data/loads/-/jobs/4711",
    "CI_PROJECT_URL": "https://gitlab.example.com/data/loads",
}


class Made:
    """A reporter for a folder, and what it warned of."""

    def __init__(
        self, folder: Path | str, mask: Mask | None = None, environ: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        self.folder = Path(folder)
        self.warnings: list[str] = []
        self.reporter = FleetReporter(str(folder), mask or Mask(), self.warnings.append, environ)

    def end(self, document: Document, trace: Trace | None = None) -> Document:
        """A connection ends: its document with its page."""
        details = self.reporter.member(document, trace or steps(), CHART)
        return {**document, "details": details}

    def write(self, *members: Document, **more: Any) -> str:
        """The end of all: the page's text."""
        self.reporter.write(fleet(members, **more), CHART)
        return self.text("index.html")

    def text(self, name: str) -> str:
        """A file's text."""
        return (self.folder / name).read_text("utf-8")

    @property
    def names(self) -> set[str]:
        """The files and folders that there are."""
        return {str(path.relative_to(self.folder)) for path in self.folder.rglob("*")}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A reporter for a folder that is not there yet."""
    return Made(tmp_path / "report")


class Reader(HTMLParser):
    """The elements of a page, in order, and whether they are nested well."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An element begins."""
        found = dict(attrs)
        self.ids += [found["id"] or ""] if "id" in found else []
        self.links += [found["href"] or ""] if tag == "a" else []
        self._open += [] if tag in {"meta", "link", "input"} else [tag]

    def handle_endtag(self, tag: str) -> None:
        """It ends."""
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Words."""
        self.words += [] if self._open[-1:] in (["style"], ["script"], ["textarea"]) else [data]


# --- All files ------------------------------------------------------------------------------------


def test_every_file_is_there(made: Made) -> None:
    """All files of a single job's report are there, in the forms that others take, and a page for each connection."""
    members = [*many("succeeded", 2), ended("paused", "sturdy_door"), syncing("slow"), left_out("late")]

    made.write(*map(made.end, members[:-1]), members[-1])

    pages = {f"connections/{name}.html" for name in ("succeeded_1", "succeeded_2", "sturdy_door", "slow")}
    assert made.names == FILES | {"connections"} | pages
    assert made.warnings == []
    assert made.reporter.place == str(made.folder / "index.html")
    assert_fleet(json.loads(made.text(RESULT)))
    assert [case[:2] for case in junit_cases(made.text("junit.xml"))] == [
        ("sturdy_door", "error"),
        ("slow", "error"),
        ("late", "skipped"),
        ("succeeded_1", "system-out"),
        ("succeeded_2", "system-out"),
    ]
    assert dotenv_variables(made.text("fivetran.env")) == {
        "FIVETRAN_VERDICT": "paused",
        "FIVETRAN_EXIT_CODE": "7",
        "FIVETRAN_CONNECTIONS": "5",
        "FIVETRAN_CONNECTIONS_OK": "2",
        "FIVETRAN_CONNECTIONS_FAILED": "2",
        "FIVETRAN_CONNECTIONS_NOT_STARTED": "1",
        "FIVETRAN_CONNECTIONS_RUNNING": "1",
        "FIVETRAN_STILL_RUNNING": "true",
        "FIVETRAN_STARTED_AT": "2027-01-15T08:00:00.000Z",
        "FIVETRAN_ENDED_AT": "2027-01-15T08:01:30.000Z",
        "FIVETRAN_SECONDS": "90.0",
    }


def test_names_of_variables_configure_nothing() -> None:
    """A later job is neither configured by these variables nor warned of them, and the documentation has each."""
    drawn = dotenv_variables(dotenv(fleet([ended("paused"), left_out("late")])))
    text = (DOCS / "reports.md").read_text("utf-8").partition("## Many connections")[2]

    assert drawn.keys() <= RESULTS
    assert [name for name in drawn if f"`{name}`" not in text] == []


def test_no_state_is_known_where_a_sync_may_run() -> None:
    """Where it is not known whether a sync runs, there is no line that says so."""
    perhaps = ended("gave_up", "a", triggered=True, attempted=("trigger_sync",), **AWAY)

    assert "FIVETRAN_STILL_RUNNING" not in dotenv(fleet([perhaps]))


def test_nowhere_is_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a directory nothing is written, and there is no page."""
    monkeypatch.chdir(tmp_path)
    made = Made("")

    made.reporter.clear()
    assert made.reporter.member(ended("succeeded"), steps(), CHART) is None
    made.reporter.write(fleet([ended("succeeded")]), CHART)

    assert made.reporter.journal("a") is None
    assert list(tmp_path.iterdir()) == []


def test_failures_are_in_the_tests_tab() -> None:
    """A sync that failed is a failure, with why and what to do; what was not begun is skipped, with its reason."""
    cases = junit_cases(junit(fleet([ended("sync_failed", "a"), left_out("b", "FIVETRAN_TIMEOUT ran out")])))

    assert [case[:2] for case in cases] == [("a", "failure"), ("b", "skipped")]
    assert "what to do now: read the sync's log" in cases[0][2]
    assert cases[1][2].startswith("FIVETRAN_TIMEOUT ran out")


def test_links_beside_the_job() -> None:
    """GitLab's job page links to the page, and to the first ten that need attention."""
    shown = json.loads(annotations(fleet([*many("paused", 12), *many("succeeded", 2)]), "https://page"))["Fivetran"]
    links = {one["external_link"]["label"]: one["external_link"]["url"] for one in shown}

    assert list(links)[:2] == ["What happened in this job", "FAILED: paused_1"]
    assert len(links) == 11
    assert links["FAILED: paused_1"] == "https://fivetran.com/dashboard/connections/paused_1"


# --- summary.md -----------------------------------------------------------------------------------


def test_summary_is_short() -> None:
    """It has the counts, what to do, and the first that need attention; those to which the same happened together."""
    text = summary(
        fleet(
            [*many("succeeded", 400), *many("paused", 90), syncing("slow"), left_out("late")],
            group="projected_sickle",
            notes=["one note"],
        ),
        "https://gitlab.example/page",
        [("Job", "https://gitlab.example/job")],
    )

    assert text.splitlines()[0] == "### FAILED: 92 of 492 connections did not sync"
    for part in (
        "**1 sync is STILL RUNNING at Fivetran: slow**",
        "START on 492 connections of the group projected_sickle: started 2027-01-15 08:00:00 UTC, took 1 min 30 s",
        "90 FAILED, 1 TIMED OUT, 1 NOT STARTED, 400 OK",
        "- `paused_1, paused_2, paused_3, paused_4, paused_5, paused_6, paused_7, paused_8, paused_9, paused_10 and 80",
        "- `late`: NOT STARTED: ",
        "**Notes**\n\n- one note",
        "[The report](https://gitlab.example/page) · [Job](https://gitlab.example/job)",
    ):
        assert part in text, part
    assert len(text) < 3_000


def test_summary_fits_whatever_happened() -> None:
    """Of a thousand that failed in a thousand ways the first twenty are there, and how many more; so of notes."""
    members = [{**ended("paused", f"c{number}"), "headline": f"{number} <b>@all</b> " * 99} for number in range(1_000)]

    text = summary(fleet(members, notes=[f"note {number}" for number in range(99)]), "", [])

    assert len(text.encode()) < 30_000
    assert "- and 980 more" in text
    assert "- `…` and 79 more" in text
    assert "<b>" not in re.sub("`[^`]*`", "", text)


def test_summary_of_green_ones() -> None:
    """Where all is well, it is a headline and a line."""
    text = summary(fleet(many("succeeded", 3)), "", [])

    assert text.count("\n\n") == 2
    assert "3 OK" in text


def test_summary_links_to_connections() -> None:
    """What to do with a connection has a link to its page at Fivetran."""
    text = summary(fleet([ended("paused", "sturdy_door"), ended("not_found", "gone")]), "", [])

    assert "<https://fivetran.com/dashboard/connections/sturdy_door>" in text


def test_summary_names_schedules() -> None:
    """Schedules that were left manual are named."""
    one = {**ended("sync_failed", "a"), "schedule_left": True}

    assert "**Schedules left manual**: `a`" in summary(fleet([one]), "", [])


def test_summary_goes_to_githubs_step(tmp_path: Path) -> None:
    """In GitHub Actions it is appended to the step's summary."""
    step_summary = tmp_path / "step.md"
    made = Made(tmp_path / "report", environ={"GITHUB_STEP_SUMMARY": str(step_summary)})

    made.write(ended("succeeded"))

    assert "### OK: 1 connection synced" in step_summary.read_text("utf-8")


# --- The page -------------------------------------------------------------------------------------


def test_page_says_it_in_five_seconds(made: Made) -> None:
    """What happened, how often, what goes on and what to do stand before the list, which begins with what is worst."""
    members = [
        *map(
            made.end, [*many("succeeded", 26), ended("paused", "sturdy_door"), ended("not_found", "gone"), syncing("x")]
        ),
        {**left_out("late"), "notes": ["a note of its own"]},
    ]

    found = Reader(made.write(*members, notes=[f"note {number}" for number in range(25)]))

    words = " ".join(" ".join(found.words).split())
    assert re.search(r"FAILED: 4 of 30 connections did not sync.*1 sync is STILL RUNNING.*2 FAILED 1 TIMED OUT", words)
    assert words.index("What to do now") < words.index("note 19") < words.index("What happened")
    assert "and 5 more in result.json" in words
    assert "Note: a note of its own" in words
    names = [link for link in found.links if link.startswith("connections/")]
    assert names[:3] == ["connections/gone.html", "connections/sturdy_door.html", "connections/x.html"]
    assert len(names) == 29
    assert len(found.ids) == len(set(found.ids))


def test_steps_are_behind_what_needs_attention(made: Made) -> None:
    """Those that are not green have their steps on the page, and the chart stands there once; the green have none."""
    text = made.write(
        *map(made.end, [ended("succeeded", "good"), ended("sync_failed", "a"), ended("sync_failed", "b")])
    )

    assert text.count("<summary>Steps</summary>") == 2
    assert text.count('class="picture scroll"') == 1
    assert 'id="edge-triggering-considering_durations" class="edge edge happy taken"' in text
    assert text.count("<code>triggering</code> → <code>considering_durations</code>") == 2


def test_dropped_steps_are_counted(made: Made) -> None:
    """Where a trace dropped steps, the page says how many."""
    trace = Trace(steps().entries() * 50, dropped=7)

    text = made.write(made.end(ended("sync_failed", "a"), trace))

    assert "157 steps in the middle are left out." in text


def test_schedules_are_summed_up(made: Made) -> None:
    """Schedules that were left manual are counted in one line."""
    members = [{**ended("sync_failed", f"c{number}"), "schedule_left": True} for number in range(12)]

    assert "12 left manual without a green sync" in made.write(*members)
    assert "c9 and 2 more" in made.text("index.html")


def _thousand(bad: int, good: int, **words: Any) -> list[Document]:
    """Connections of which some failed, with these members."""
    kinds = [*[ended("sync_failed")] * bad, *[ended("succeeded")] * good]
    names = [f"speak_inexpensive_{number}" for number in range(bad + good)]
    return [
        {**kind, **words, "connector_id": name, "details": f"connections/{name}.html"}
        for name, kind in zip(names, kinds, strict=True)
    ]


@pytest.mark.parametrize("hostile", [False, True])
@pytest.mark.parametrize(("bad", "good"), [(0, 1_000), (1_000, 0), (500, 500), (WHOLE, 1_000 - WHOLE)])
def test_thousand_connections_fit(bad: int, good: int, *, hostile: bool) -> None:
    """The page of a thousand is smaller than 2 MB in every mix, whatever words come from outside, and has them all."""
    words = {"reasons": ["<&\"'" * 400], "advice": ["数据库" * 300], "notes": ["\"'" * 500]} if hostile else {}
    whole = fleet(_thousand(bad, good, **words), notes=["<&" * 500] * 30 if hostile else [])
    records = steps(*(("polling", event, "waiting") for event in "abcdefgh" * 12)).entries()
    known = {one["connector_id"]: (records, 0) for one in whole["connections"][: min(bad, WHOLE)]}

    text = page.draw(whole, known, CHART, ticket=summary(whole, "", []))

    assert len(text.encode()) < MOST
    assert text.count("<tbody ") == 1_000
    assert ("<summary>Steps</summary>" in text) == bool(bad)


def test_more_than_a_thousand_are_all_there() -> None:
    """Of ever more connections each has its row, with fewer words and no steps."""
    whole = fleet(_thousand(5_000, 0, reasons=["<&\"'" * 400]))

    text = page.draw(whole, {"speak_inexpensive_0": (steps().entries(), 0)}, CHART)

    assert text.count("<tbody ") == 5_000
    assert "<summary>Steps</summary>" not in text


def test_page_forges_nothing(made: Made) -> None:
    """Words from outside are words: in the list, in the steps and in the counts."""
    bad = "<script>alert(1)</script>\x1b[31m\u202e"
    one = {**ended("sync_failed", "a"), "reasons": [bad], "advice": [bad], "notes": [bad], "service": bad}

    made.write(made.end(one), notes=[bad])

    for name in ("index.html", "connections/a.html"):
        assert "<script>alert" not in made.text(name)
        assert not re.search("[\x1b\u202e]", made.text(name))
        assert "&lt;script&gt;alert(1)" in made.text(name)


def test_secrets_are_masked_everywhere(tmp_path: Path) -> None:
    """No file has a secret, wherever one came in."""
    made = Made(tmp_path, Mask("a-secret-of-mine"))
    one = {**ended("sync_failed", "a"), "reasons": ["it is a-secret-of-mine"], "notes": ["a-secret-of-mine"]}

    made.write(made.end(one), made.end({**one, "connector_id": "b", "exit_code": 0}), notes=["a-secret-of-mine"])

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 8
    assert [path.name for path in files if "a-secret" in path.read_text("utf-8")] == []


def test_page_names_where_it_belongs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In GitLab the page links to the job, and is found at its address; so do the pages of the connections."""
    monkeypatch.chdir(tmp_path)
    made = Made("report", environ={"CI_PROJECT_DIR": str(tmp_path), **GITLAB})

    text = made.write(made.end(ended("succeeded", "a")))

    assert GITLAB["CI_JOB_URL"] in Reader(text).links
    assert GITLAB["CI_JOB_URL"] in Reader(made.text("connections/a.html")).links
    assert made.reporter.place == f"{GITLAB['CI_JOB_URL']}/artifacts/file/report/index.html"


# --- A page each ----------------------------------------------------------------------------------


def test_page_of_a_green_one_is_brief(made: Made) -> None:
    """It has the steps and the facts, and neither chart nor script: a thousand of them take 20 MB, not 100."""
    one = made.end(ended("succeeded", "good"))

    text = made.text("connections/good.html")
    assert one["details"] == "connections/good.html"
    assert len(text) < 25_000
    assert "<script" not in text
    assert "script-src &#x27;none&#x27;" in text
    assert "<code>triggering</code> → <code>considering_durations</code>" in text
    assert {"../index.html", "../result.json"} <= {*Reader(text).links}


def test_page_of_one_that_needs_attention_is_whole(made: Made) -> None:
    """It has the chart and each request, as the page of a single job; after the first so many it is brief, too."""
    for number in range(WHOLE + 1):
        made.end(ended("sync_failed", f"c{number}"))

    whole, brief = (made.text(f"connections/c{number}.html") for number in (WHOLE - 1, WHOLE))
    assert 'class="picture scroll"' in whole
    assert "GET /x" in whole
    assert 'class="picture scroll"' not in brief


def test_page_names_its_journal(made: Made) -> None:
    """Where there is a journal of it, the page has the command that replays it."""
    name = made.reporter.journal("good")
    assert name == "journals/good.jsonl"
    (made.folder / "journals").mkdir(parents=True)
    (made.folder / name).touch()

    made.end(ended("succeeded", "good"))
    made.end(ended("succeeded", "other"))

    command = f"fivetran-orchestrator debug --replay {made.folder}/journals/good.jsonl"
    assert command in made.text("connections/good.html")
    assert "--replay" not in made.text("connections/other.html")


def test_id_that_is_no_file_name(made: Made) -> None:
    """An id that is too long for a file has no page and no journal, and no warning."""
    assert made.end(ended("succeeded", "x" * 300))["details"] is None
    assert made.reporter.journal("x" * 300) is None
    assert made.warnings == []


# --- What can go wrong, and what is left alone ------------------------------------------------------


def test_fault_in_a_page_costs_that_page(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be drawn or written is a warning, once for all connections; everything else is there."""
    (made.folder / "connections" / "a.html").mkdir(parents=True)
    (made.folder / "connections" / "b.html").mkdir()

    assert [made.end(ended("succeeded", name))["details"] for name in "abc"] == [None, None, "connections/c.html"]
    assert len(made.warnings) == 1
    assert made.warnings[0].startswith("the page of a connection could not be written: IsADirectoryError")

    def fault(*_: object, **__: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(page, "draw", fault)
    made.reporter.write(fleet([ended("succeeded")]), CHART)

    assert made.warnings[1] == "index.html could not be written: ZeroDivisionError: "
    assert "index.html" not in made.names
    assert made.names >= FILES - {"index.html"}
    assert made.reporter.place == ""


def test_nothing_can_be_drawn(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where even the beginning of drawing fails, the result is there all the same."""

    def fault(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("orchestrator.job.report.gitlab.report_url", fault)

    made.reporter.write(fleet([ended("succeeded")]), CHART)

    assert made.names == {RESULT}
    assert made.warnings == ["nothing could be drawn from the result: ZeroDivisionError: "]


def _foreign_file(folder: Path) -> None:
    (folder / "connections").mkdir()
    (folder / "connections" / "a.html").write_text("<!DOCTYPE html><title>mine</title>")


def _planted_link(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "connections").symlink_to(folder / "elsewhere")


def _foreign_name(folder: Path) -> None:
    (folder / "connections").write_text("mine")


@pytest.mark.parametrize("plant", [_foreign_file, _planted_link, _foreign_name])
def test_what_others_have_there_is_left_alone(tmp_path: Path, plant: Callable[[Path], None]) -> None:
    """A page, folder or link that this program did not make is neither written nor removed, and is warned of."""
    plant(tmp_path)
    made = Made(tmp_path)
    before = {path: path.is_file() and path.read_text("utf-8") for path in tmp_path.rglob("*")}

    made.reporter.clear()
    one = made.end(ended("succeeded", "a"))

    assert one["details"] is None
    assert {path: path.is_file() and path.read_text("utf-8") for path in tmp_path.rglob("*")} == before
    assert len(made.warnings) == 1
    assert "is not a file of this job" in made.warnings[0]


def test_journals_of_others(tmp_path: Path) -> None:
    """A planted folder for the journals gets none."""
    (tmp_path / "journals").symlink_to(tmp_path)

    assert Made(tmp_path).reporter.journal("a") is None


def _write_all(made: Made) -> None:
    (made.folder / "journals").mkdir(parents=True)
    for name in ("a", "b"):
        (made.folder / "journals" / f"{name}.jsonl").write_text('{"format": 1, "version": "1"}\n')
    made.write(*(made.end(ended("succeeded", name)) for name in ("a", "b")))


def test_earlier_results_are_removed(tmp_path: Path) -> None:
    """What an earlier job wrote about one or many connections goes when one begins; what others have stays."""
    made = Made(tmp_path / "report")
    _write_all(made)
    (made.folder / "connections" / "notes.txt").write_text("mine")
    (made.folder / "journals" / "mine.jsonl").write_text('{"day": 1}\n')

    Made(made.folder).reporter.clear()

    assert made.names == {"connections", "connections/notes.txt", "journals", "journals/mine.jsonl"}


def test_single_job_removes_what_many_left(tmp_path: Path) -> None:
    """A job about one connection leaves nothing of one about many."""
    made = Made(tmp_path / "report")
    _write_all(made)

    Reporter(str(made.folder), Mask(), made.warnings.append, {}).clear()

    assert made.names == set()


def test_files_of_those_that_stay_are_kept(tmp_path: Path) -> None:
    """A job that goes on with an earlier one keeps the files of the connections that it does not run again."""
    made = Made(tmp_path / "report")
    _write_all(made)

    made.reporter.clear(keep={"a"})

    assert made.names == {"connections", "connections/a.html", "journals", "journals/a.jsonl"}
    made.reporter.clear(journal=False)
    assert made.names == {"journals", "journals/a.jsonl"}


def test_result_of_others_stays(made: Made) -> None:
    """A result.json that another program wrote is left alone, and the other files are written."""
    made.folder.mkdir()
    (made.folder / RESULT).write_text("{}")

    made.write(ended("succeeded"))

    assert made.text(RESULT) == "{}"
    assert made.names == FILES


def test_result_that_cannot_be_written(made: Made) -> None:
    """That the result could not be written is raised: the job says so."""
    (made.folder / RESULT).mkdir(parents=True)

    with pytest.raises(OSError, match="directory"):
        made.write(ended("succeeded"))


def test_member_needs_no_steps(made: Made) -> None:
    """The whole result of a single job will do for a page, too."""
    standing = Standing("", Facts(verdict="succeeded"), 300.0)
    from members import settings  # noqa: PLC0415

    made.end(result(settings("a"), CHART, standing, Trace(), 90.0), Trace())

    assert made.names == {"connections", "connections/a.html"}
