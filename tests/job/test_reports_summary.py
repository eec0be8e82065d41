"""`summary.md`, the links back to the pipeline, and the summary of a step in GitHub Actions."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token
from simulated_job import CONNECTOR, Simulate

from orchestrator.cli import main
from orchestrator.job.report import summary as drawing
from orchestrator.job.report.links import address, back
from orchestrator.job.report.summary import MARK, summary
from orchestrator.job.report.words import pieces
from orchestrator.job.report_folder import LARGEST_SUMMARY
from orchestrator.machine.loader import load
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY
from orchestrator.simulator.scenario import Scenario, SyncPlan

PAGE = f"https://fivetran.com/dashboard/connections/{CONNECTOR}"
SHA = "0123456789abcdef0123456789abcdef01234567"
GITLAB: dict[str, Any] = {
    "CI_JOB_URL": "https://gitlab.example/data/loads/-/jobs/7",
    "CI_PIPELINE_URL": "https://gitlab.example/data/loads/-/pipelines/3",
    "CI_PROJECT_URL": "https://gitlab.example/data/loads",
    "CI_COMMIT_SHA": SHA,
    "CI_COMMIT_SHORT_SHA": SHA[:8],
}
GITHUB: dict[str, Any] = {
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "data/loads",
    "GITHUB_RUN_ID": "42",
    "GITHUB_SHA": SHA,
}
BRIEF = Scenario(syncs=(SyncPlan(lasts=15),))

# What takes effect in Markdown, or in what GitLab and GitHub make of the text that it leaves.
HOSTILE = [
    *(
        "# a",
        "> a",
        "- a",
        "1. a",
        "* a",
        "---",
        "===",
        "```",
        "~~~",
        "<b>a</b>",
        "<!--",
        "&lt;",
        "\\",
        "`a`",
        "``a` `",
    ),
    *("[a](https://evil.example)", "![a](https://evil.example/x.png)", "<https://evil.example>", "[a]: https://evil"),
    *("https://evil.example", "www.evil.example", "mail@evil.example", "@all", "#1", "!1", "$1", "%1", "~bug", "&1"),
    *("^alert#1", "GH-1", "JIRA-12", SHA, SHA[:8].upper(), ":tada:", "data/loads#1", "*a*", "_a_", "**a**", "~~a~~"),
    *("| a | b |", "a|b", "/close", "{+ a +}", "$`a`$", "==a==", "[x] a", "\n\n# a", "a\n---\n", "\x85# a", "  "),
    *("a: b", ""),
]

# What would take effect in words: marks, addresses, ids of commits, references, emoji.
LIVE = re.compile(r"[@#!$%&^~<>|`*\[\]{}+\\]|://|(?i:www\.)|\b[0-9a-fA-F]{7,}\b|\b[A-Z]+-\d|:[a-z]\w*:|==")


def document(**members: Any) -> dict[str, Any]:
    """A result, as far as the summary reads it."""
    told = {"headline": "it ended", "reasons": [], "at_fivetran": [], "advice": [], "notes": [], "page": PAGE}
    times = {"started_at": "2027-01-15T08:00:00.000Z", "ended_at": "2027-01-15T08:01:05.000Z", "elapsed_seconds": 65.0}
    ended = {"action": "START", "connector_id": CONNECTOR, "exit_code": 1, "exit_meaning": "the sync failed"}
    unknown = dict.fromkeys(("tables", "still_running", "setup_tests"))
    ended |= {"outcome": "FAILED", "running": "A sync is STILL RUNNING at Fivetran."}
    return {**told, **times, **ended, **unknown, **members}


def tokens(text: str) -> list[Token]:
    """What Markdown makes of a text, down to its words."""
    found: list[Token] = []
    for token in MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text):
        found += [token, *(token.children or ())]
    return found


def links(text: str) -> list[str]:
    """Where the links of a text lead."""
    return [str(token.attrs["href"]) for token in tokens(text) if token.type == "link_open"]


def plain_words(text: str) -> str:
    """All of a text that is not code: where a mention, a reference or an address would be found."""
    return "\n".join(token.content for token in tokens(text) if token.type == "text")


# --- What it says ---------------------------------------------------------------------------------


def test_failed_sync(simulate: Simulate) -> None:
    """It says what happened, why, what to do now and what is at Fivetran, with links; the job's page has the same."""
    job = simulate(Scenario(syncs=(SyncPlan(ends="fails", reason="Too many clients"),)))
    job.play(**GITLAB)

    text = (job.folder / "report" / "summary.md").read_text("utf-8")

    said_in_order = [
        "### FAILED: the sync failed after 1 min",
        f"START on `{CONNECTOR}`: started 2027-01-15 08:00:00 UTC, took 1 min, exit code 1 (",
        "**Why**\n\n- ",
        "Too many clients",
        "**What to do now**\n\n- Fivetran's ",
        f"<{PAGE}>",
        "**At Fivetran now**\n\n- nothing",
        f"[The connection at Fivetran]({PAGE}) · [Job]({GITLAB['CI_JOB_URL']}) · [Pipeline](",
        f"[Commit 01234567](https://gitlab.example/data/loads/-/commit/{SHA})\n",
    ]
    assert re.search(".*?".join(map(re.escape, said_in_order)), text, re.DOTALL), text


def test_status_says_how_the_connection_is(simulate: Simulate) -> None:
    """STATUS has the connection's facts first, with how long ago its dates are."""
    job = simulate()
    job.play("STATUS")

    text = (job.folder / "report" / "summary.md").read_text("utf-8")

    assert (
        "**The connection**\n\n- Service: postgres\n- Setup state: connected\n- Sync state: scheduled\n"
        "- Last success: 2027-01-15 02:00:00 UTC (6 h ago)\n- Last failure: 2027-01-14 02:00:00 UTC (1 d ago)\n"
        "- Schedule: manual (it was auto)\n- Paused: no\n"
    ) in text


def test_setup_tests() -> None:
    """TEST has its setup tests, as many as somebody would read."""
    tests = [{"title": "Host", "status": "PASSED"}, {"title": None, "status": None}] * 30

    text = summary(document(action="TEST", setup_tests=tests), "", [], None)

    assert "**Setup tests**\n\n- PASSED: Host\n- None: None\n" in text
    assert text.count("\n- PASSED") == 25
    assert "\n- and 10 more\n" in text


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"outcome": "OK"}, "### OK: it ended"),
        ({"outcome": "TIMED OUT"}, "### TIMED OUT: it ended"),
        ({"outcome": "RESCHEDULED"}, "### RESCHEDULED: it ended"),
        ({"outcome": "STOPPED"}, "### STOPPED: it ended"),
        ({"exit_code": None}, "### FAILED: it ended"),
        ({"exit_code": 70}, "### FAILED: it ended"),
        ({"still_running": True}, "**A sync is STILL RUNNING at Fivetran.**"),
        ({"tables": {"public": ["orders"]}}, ", table `public.orders`: started"),
        ({"tables": {"public": ["a", "b"]}}, ", 2 tables: `public.a, public.b`: started"),
        ({"action": None, "connector_id": None}, "A job: started 2027-01-15 08:00:00 UTC, took 1 min 5 s, exit code 1"),
        ({"reasons": ["rescheduled for 2027-01-15T10:01:05Z"]}, "- rescheduled for 2027-01-15 10:01:05 UTC (in 2 h)"),
        ({"reasons": ["at 2027-99-15T10:01:05Z"]}, "- at 2027-99-15T10:01:05Z"),
        ({"advice": [f"un-pause it ({PAGE}), or not"]}, f"- un-pause it (<{PAGE}>), or not"),
        ({"advice": [f"{PAGE}/setup."]}, f"- <{PAGE}/setup>."),
        ({"advice": [f"{PAGE}x"]}, f"- `{PAGE}x`"),
        ({"advice": ["later; `retry: {max: 2}` helps"]}, "- later; `retry: {max: 2}` helps"),
        ({"notes": ["x" * 2000]}, "(1,000 more characters in result.json)"),
    ],
)
def test_words(members: dict[str, Any], expected: str) -> None:
    """The outcome is one of a few words; times are for people, and the connection's page can be opened."""
    assert expected in summary(document(**members), "", [], None)


def test_running_sync_is_said_once() -> None:
    """What is said beneath the headline is not said again."""
    lines = ["A sync is STILL RUNNING at Fivetran.", "the schedule is manual"]

    text = summary(document(still_running=True, at_fivetran=lines), "", [], None)

    assert text.count("STILL RUNNING") == 1
    assert "**At Fivetran now**\n\n- the schedule is manual\n" in text


def test_end_that_is_not_known_has_no_exit_code() -> None:
    """Of a run that was killed no exit code is claimed."""
    assert "exit code" not in summary(document(exit_code=None), "", [], None)


# --- Nothing is forged ----------------------------------------------------------------------------


@settings(deadline=None)
@given(st.lists(st.sampled_from(HOSTILE), min_size=1, max_size=4), st.sampled_from(["", " ", ", "]))
def test_nothing_takes_effect(parts: list[str], between: str) -> None:
    """Whatever stands in a name or a message, it is words or code: no markup, link, mention or reference."""
    hostile = between.join(parts)
    lists = {name: [hostile, f"{name} {hostile}"] for name in ("advice", "at_fivetran", "notes")}
    lists["reasons"] = [f"why {hostile}", f"and {hostile}"]
    given = {**lists, "headline": hostile, "action": hostile, "connector_id": hostile, "exit_meaning": hostile}
    tests = [{"title": hostile, "status": hostile}]
    facts = dict.fromkeys(("setup_state", "sync_state", "succeeded_at", "failed_at", "schedule_type"), hostile)
    also = {"service": hostile, "paused": True, "schedule_before": hostile, "rescheduled_for": hostile}
    hostile_document = document(**given, **facts, **also, setup_tests=tests, tables={hostile: [hostile]}, page=None)

    text = summary(hostile_document, "", [], load("STATUS"))

    found = tokens(text)
    used = {token.tag for token in found if token.nesting == 1}
    assert used <= {"h3", "p", "strong", "ul", "li"}, text
    assert [token for token in found if token.type in {"html_block", "html_inline", "image", "fence"}] == []
    assert sum(token.type == "heading_open" for token in found) == 1
    assert sum(token.type == "bullet_list_open" for token in found) == 6
    assert not LIVE.search(plain_words(text)), text
    assert not re.search(r"^/", text, re.MULTILINE)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_text_stays_what_it_was(hostile: str) -> None:
    """What is written as code is the text itself, blanks aside: it can be copied."""
    text = summary(document(reasons=[f"it said {hostile} then"]), "", [], None)

    said = "".join(
        token.content
        for token in tokens(text.split("**Why**")[1].split("\n\n[")[0])
        if token.type in {"text", "code_inline"}
    )

    words = " ".join(f"it said {hostile} then".split())
    assert said in {words, words.replace("`a`", "a")}


def test_secrets_are_masked(simulate: Simulate, tmp_path: Path) -> None:
    """A key that Fivetran says back is in neither of the files, and an address that holds it is not linked."""
    step = tmp_path / "step.md"
    step.touch()
    job = simulate(Scenario(syncs=(SyncPlan(ends="fails", reason=f"No: {KEY}"),)))

    job.play(**{**GITLAB, "CI_PIPELINE_URL": f"https://gitlab.example/{KEY}"}, GITHUB_STEP_SUMMARY=str(step))

    for file in (job.folder / "report" / "summary.md", job.folder / "report" / "index.html", step):
        text = file.read_text("utf-8")
        assert KEY not in text
        assert "***" in text
        assert "Pipeline" not in text


# --- Links back -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://gitlab.example/a/-/jobs/7", "https://gitlab.example/a/-/jobs/7"),
        (" http://10.0.0.7:8080/a/ ", "http://10.0.0.7:8080/a"),
        ("https://user:token@gitlab.example/a", "https://gitlab.example/a"),
        ("https://token@gitlab.example/a", "https://gitlab.example/a"),
        ("https://user:to/ken@gitlab.example/a", ""),
        ("https://to#ken@gitlab.example/a", "https://gitlab.example/a"),
        ("https://gitlab.example/a?private_token=t", ""),
        ("https://gitlab.example/a#t", ""),
        ("https://gitlab.example\\@evil.example/", "https://evil.example"),
        ("https://gitlab.example/<b>", ""),
        ("https://gitlab.example/a b", ""),
        ("https://gitlab.example/a\nb", ""),
        ("javascript:alert(1)", ""),
        ("javascript://gitlab.example/%0aalert(1)", ""),
        ("//gitlab.example/a", ""),
        ("gitlab.example", ""),
        ("", ""),
    ],
)
def test_address(text: str, expected: str) -> None:
    """Only a plain address of http or https is followed, and its credentials are not shown."""
    assert address(text) == expected


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, []),
        (
            GITLAB,
            [
                ("Job", "https://gitlab.example/data/loads/-/jobs/7"),
                ("Pipeline", "https://gitlab.example/data/loads/-/pipelines/3"),
                ("Commit 01234567", f"https://gitlab.example/data/loads/-/commit/{SHA}"),
            ],
        ),
        (
            GITHUB,
            [
                ("Workflow run", "https://github.example/data/loads/actions/runs/42"),
                ("Commit 01234567", f"https://github.example/data/loads/commit/{SHA}"),
            ],
        ),
        ({"GITHUB_RUN_ID": "42", "GITHUB_SHA": SHA}, []),
        ({**GITHUB, "GITHUB_RUN_ID": "../..", "GITHUB_SHA": "main"}, []),
        ({**GITLAB, "CI_JOB_URL": "javascript:x", "CI_PIPELINE_URL": "", "CI_COMMIT_SHA": "<b>"}, []),
        (
            {"CI_PROJECT_URL": "https://u:p@gitlab.example/a/", "CI_COMMIT_SHORT_SHA": SHA[:8]},
            [("Commit 01234567", f"https://gitlab.example/a/-/commit/{SHA[:8]}")],
        ),
    ],
)
def test_links_back(environ: Mapping[str, str], expected: list[tuple[str, str]]) -> None:
    """A run links to its job, pipeline and commit, as far as GitLab or GitHub name them in a sound form."""
    assert list(back(environ)) == expected


def test_report_url_shows_no_credentials(simulate: Simulate) -> None:
    """Credentials in CI_JOB_URL are neither in the log nor in any file."""
    job = simulate()

    played = job.play(CI_JOB_URL="https://ci:short@gitlab.example/-/jobs/7", CI_PROJECT_DIR=str(job.folder))

    texts = [path.read_text("utf-8") for path in (job.folder / "report").iterdir()]
    assert "https://gitlab.example/-/jobs/7/artifacts/file/report/index.html" in played.stderr
    assert [text for text in (played.stderr, *texts) if "short@" in text] == []
    assert "[The report](https://gitlab.example/-/jobs/7/artifacts/file/report/index.html)" in "".join(texts)


def test_pieces() -> None:
    """The parts of a line are its text, whatever of it is a time or a link."""
    line = f"see {PAGE}/setup, https://status.fivetran.com or 2027-01-15T08:00:00Z, not {PAGE}/SETUP"

    found = list(pieces(line, PAGE))

    assert "".join(piece.text for piece in found) == line
    assert [piece.text for piece in found if piece.link] == [f"{PAGE}/setup", "https://status.fivetran.com"]
    assert [piece.seconds for piece in found if piece.seconds] == [1_800_000_000.0]
    assert [piece.link for piece in pieces(PAGE, None)] == [False]


# --- GitHub's step --------------------------------------------------------------------------------


def _stopping(run: Run, step: Step | None) -> None:
    """A bug that strikes when the report is written already."""
    del run
    if step is not None and step.event == "reported":
        raise ZeroDivisionError


def test_step_summary(simulate: Simulate, tmp_path: Path) -> None:
    """The summary follows what the step's summary holds already, in paragraphs of its own."""
    step = tmp_path / "step.md"
    step.write_text("before", "utf-8")

    for _ in range(2):
        simulate(BRIEF).play(**GITHUB, GITHUB_STEP_SUMMARY=str(step))

    text = step.read_text("utf-8")
    written = (tmp_path / "report" / "summary.md").read_text("utf-8")
    assert text == "before" + 2 * f"\n{written.removeprefix(MARK)}"
    assert "[Workflow run](https://github.example/data/loads/actions/runs/42)" in written


def test_step_summary_once_a_run(simulate: Simulate, tmp_path: Path) -> None:
    """A run that is reported twice, since a bug struck after its report, is appended once; a missing file is made."""
    step = tmp_path / "step.md"

    played = simulate(BRIEF).play(observe=_stopping, GITHUB_STEP_SUMMARY=str(step))

    assert played.code == 70
    assert step.read_text("utf-8").count("### ") == 1


def test_step_summary_beside_a_foreign_file(simulate: Simulate, tmp_path: Path) -> None:
    """A summary.md of the project stays, and the step's summary is written all the same."""
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "summary.md").write_text("# Mine\n", "utf-8")
    step = tmp_path / "step.md"
    step.touch()

    simulate(BRIEF).play(GITHUB_STEP_SUMMARY=str(step))

    assert (tmp_path / "report" / "summary.md").read_text("utf-8") == "# Mine\n"
    assert step.read_text("utf-8").startswith("\n### OK: ")


def test_full_step_summary(simulate: Simulate, tmp_path: Path) -> None:
    """What GitHub would not take is not written, and that is a warning."""
    step = tmp_path / "step.md"
    step.write_bytes(b"x" * (LARGEST_SUMMARY - 100))

    played = simulate(BRIEF).play(GITHUB_STEP_SUMMARY=str(step))

    assert (played.code, step.stat().st_size) == (0, LARGEST_SUMMARY - 100)
    assert f"GITHUB_STEP_SUMMARY: {step} is full: GitHub takes at most 1 MiB of a step" in played.stderr


@pytest.mark.parametrize("kind", ["directory", "fifo", "link"])
def test_odd_step_summary(simulate: Simulate, tmp_path: Path, kind: str) -> None:
    """A step's summary that cannot be written, would hang or leads elsewhere costs a warning, and never the verdict."""
    step, victim = tmp_path / "step.md", tmp_path / "victim"
    victim.write_text("precious", "utf-8")
    if kind == "directory":
        step.mkdir()
    elif kind == "fifo":
        os.mkfifo(step)
    else:
        step.symlink_to(victim)

    played = simulate(BRIEF).play(GITHUB_STEP_SUMMARY=str(step))

    assert played.code == 0
    assert "GITHUB_STEP_SUMMARY could not be written" in played.stderr
    assert victim.read_text("utf-8") == "precious"


def test_fault_in_the_summary(simulate: Simulate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault in the summary costs the summary alone: the page is there, without the button that copies it."""

    def broken(*_: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr(drawing, "summary", broken)

    played = simulate(BRIEF).play(GITHUB_STEP_SUMMARY=str(tmp_path / "step.md"))

    report = {path.name: path for path in (tmp_path / "report").iterdir()}
    assert played.code == 0
    assert "summary.md could not be written: ZeroDivisionError" in played.stderr
    assert "GITHUB_STEP_SUMMARY could not be written: ZeroDivisionError" in played.stderr
    assert "summary.md" not in report
    assert "Copy for a ticket" not in report["index.html"].read_text("utf-8")


def test_report_of_a_journal_has_no_links(simulate: Simulate, tmp_path: Path) -> None:
    """`report` knows neither job nor commit, and appends to no step; its page names the journal that it was given."""
    job = simulate(BRIEF)
    job.play(**GITLAB)
    journal, step = job.folder / "report" / "journal.jsonl", tmp_path / "step.md"

    code = main(["report", str(journal), "-o", str(tmp_path / "again")], {**GITLAB, "GITHUB_STEP_SUMMARY": str(step)})

    text = (tmp_path / "again" / "summary.md").read_text("utf-8")
    assert (code, step.exists()) == (0, False)
    assert links(text) == [PAGE]
    assert f"debug --replay {journal}" in (tmp_path / "again" / "index.html").read_text("utf-8")
