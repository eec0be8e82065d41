"""FORCE_RESYNC of several tables: TABLES, from the variable to the request, the report and what is written down."""

import json
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from forms import assert_result
from hypothesis import strategies as st
from simulated_job import Simulate, SimulatedJob

from orchestrator.cli import main
from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.replay import chart_of, replay
from orchestrator.job.tables import parse_tables
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

BRIEF = Scenario(
    syncs=(SyncPlan(lasts=25),), schemas={"public": ("orders", "customers"), "sales.eu": ("items", "a,b.c")}
)
LINES = "public.orders\n\n  public.customers\r\n"
BOTH = {"public": ["orders", "customers"]}


class KilledError(BaseException):
    """SIGKILL: nothing gets to clean up."""


def several(job: SimulatedJob, text: str, **more: Any) -> Any:
    """FORCE_RESYNC with TABLES alone."""
    return job.play("FORCE_RESYNC", **{"SCHEMA": "", "TABLE": "", "TABLES": text, **more})


def bodies(job: SimulatedJob) -> list[Any]:
    """What was asked to be re-synced."""
    return [seen.body for seen in job.simulator.seen if seen.operation == "resync"]


# --- What is accepted -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LINES, BOTH),
        (json.dumps(BOTH), BOTH),
        (
            '{"sales.eu": ["items", "a,b.c"], "public": ["orders"]}',
            {"sales.eu": ["items", "a,b.c"], "public": ["orders"]},
        ),
        ("public.a,b.c\nother.x", {"public": ["a,b.c"], "other": ["x"]}),
        ('{"public": ["orders"], "public": ["customers"]}', BOTH),
        ("public.orders", {"public": ["orders"]}),
    ],
)
def test_both_forms_are_read(text: str, expected: dict[str, list[str]]) -> None:
    """A line is divided at its first dot; JSON takes names with dots in the schema, too; names are kept as they are."""
    assert parse_tables(text) == expected


@hypothesis.given(st.text() | st.text(alphabet='{}[]",:. \nab1'))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever TABLES holds, it is names that are not empty, each once, or a problem and a fix."""
    found, refusal = {"public": ["orders"]}, ("a problem", "a fix")
    try:
        found = parse_tables(text.strip())
    except ValueError as error:
        refusal = error.args

    names = [(schema, table) for schema, tables in found.items() for table in tables]
    assert [type(part) for part in refusal] == [str, str]
    assert names
    assert len(names) == len(set(names))
    assert all(schema.strip() and table.strip() and (schema + table).isprintable() for schema, table in names)


def test_tables_are_asked_for_in_one_request(simulate: Simulate) -> None:
    """All tables are re-synced by one request, and the log and the result say which."""
    job = simulate(BRIEF)

    played = several(job, LINES)

    assert (played.code, bodies(job)) == (0, [BOTH])
    assert "FORCE_RESYNC speak_inexpensive of public.orders, public.customers: up to" in played.stderr
    assert played.report is not None
    assert_result(played.report)
    assert (played.report["schema"], played.report["table"], played.report["tables"]) == (None, None, BOTH)
    assert json.loads(played.stdout)["tables"] == BOTH


def test_one_table_is_one_table(simulate: Simulate) -> None:
    """TABLES with one name is SCHEMA and TABLE: the result has all three."""
    job = simulate(BRIEF)

    played = several(job, "public.orders")

    assert (played.code, bodies(job)) == (0, [{"public": ["orders"]}])
    assert played.report is not None
    told = [played.report[name] for name in ("schema", "table", "tables")]
    assert told == ["public", "orders", {"public": ["orders"]}]


def test_second_name_is_as_good(simulate: Simulate) -> None:
    """FIVETRAN_TABLES is TABLES."""
    job = simulate(BRIEF)

    several(job, "", FIVETRAN_TABLES=json.dumps(BOTH))

    assert bodies(job) == [BOTH]


def test_page_names_the_tables(simulate: Simulate, tmp_path: Path) -> None:
    """The report's page says how many tables there were, and names the first of them."""
    job = simulate(Scenario(syncs=BRIEF.syncs, schemas={"public": tuple("abcdefg")}))
    several(job, "\n".join(f"public.{name}" for name in "abcdefg"))

    assert main(["report", str(job.folder / "report" / "journal.jsonl"), "-o", str(tmp_path / "drawn")], {}) == 0

    page = (tmp_path / "drawn" / "index.html").read_text("utf-8")
    assert "7 tables: " in page
    assert "public.a, public.b, public.c, public.d, public.e and 2 more" in page


# --- What is refused ------------------------------------------------------------------------------

REFUSED = {
    "no dot": ("orders", "'orders' has no dot", "schema.table per line"),
    "empty schema": (".orders", "'.orders' has an empty name", "schema.table per line"),
    "empty table": ('{"public": [" "]}', "'public. ' has an empty name", "schema.table per line"),
    "no JSON": ('{"public": ["orders"', "is not JSON", '{"public": ["orders", "customers"]}'),
    "too deep": ("[" * 100_000, "is not JSON", '{"public": ["orders", "customers"]}'),
    "a list": ('["public.orders"]', "is not an object of schemas", '{"public": ["orders", "customers"]}'),
    "a text": ('{"public": "orders"}', "'public' has no list of tables", '{"public": ["orders", "customers"]}'),
    "a number": ('{"public": [1]}', "'public' has no list of tables", '{"public": ["orders", "customers"]}'),
    "all of a schema": ('{"public": []}', "'public' has no list of tables", '{"public": ["orders", "customers"]}'),
    "nothing": ("{}", "contains no table", '{"public": ["orders", "customers"]}'),
    "twice": ("public.orders\npublic.orders", "'public.orders' is listed twice", "list each table once"),
    "control characters": (
        '{"public": ["a\\u001b[31mb"]}',
        r"'public.a\x1b[31mb' contains control characters",
        "plain names",
    ),
    "unresolved": ("$TABLES_OF_OURS", "'$TABLES_OF_OURS', an unresolved variable reference", "define that variable"),
}


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize(("text", "problem", "fix"), REFUSED.values(), ids=REFUSED)
def test_what_is_wrong_is_named(simulate: Simulate, text: str, problem: str, fix: str) -> None:
    """Tables in another form end the job with 2 before any request, in one line: variable, problem, fix."""
    played = several(simulate(BRIEF), text)

    assert (played.code, played.requests) == (2, [])
    assert played.report is not None
    (reason,) = played.report["reasons"]
    assert reason.startswith("TABLES: ")
    assert problem in reason
    assert fix in reason
    assert played.report["tables"] is None


@pytest.mark.parametrize(
    ("more", "beside"),
    [({"SCHEMA": "public", "TABLE": "orders"}, "SCHEMA and TABLE"), ({"FIVETRAN_TABLE": "orders"}, "TABLE")],
)
def test_tables_are_given_once(simulate: Simulate, more: dict[str, str], beside: str) -> None:
    """TABLES beside SCHEMA or TABLE is refused, whatever they say: neither is guessed at."""
    played = several(simulate(BRIEF), LINES, **more)

    assert (played.code, played.requests) == (2, [])
    assert played.report is not None
    assert played.report["reasons"] == [
        f"TABLES: is set together with {beside}: set either TABLES, or SCHEMA and TABLE"
    ]


def test_content_of_the_vault_is_in_no_message(simulate: Simulate, tmp_path: Path) -> None:
    """Tables from the vault are read like any, and shown as the reference."""
    vault = tmp_path / "vault.yml"
    vault.write_text("A:\n  GOOD: public.orders\n  BAD: orders\n", "utf-8")
    job = simulate(BRIEF)

    good = several(job, "DATAOPS_VAULT(A.GOOD)", FIVETRAN_VAULT_FILE=str(vault))
    bad = several(job, "DATAOPS_VAULT(A.BAD)", FIVETRAN_VAULT_FILE=str(vault))

    assert (good.code, bodies(job)) == (0, [{"public": ["orders"]}])
    assert "TABLES: the value of DATAOPS_VAULT(A.BAD) has no dot" in bad.stderr


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("action", ["START", "STATUS", "TEST"])
def test_tables_matter_to_a_resync_only(simulate: Simulate, action: str) -> None:
    """Another action has no use for TABLES, and does not look at it."""
    assert simulate(BRIEF).play(action, TABLES="$SOMETHING").code == 0


# --- What becomes of them ---------------------------------------------------------------------------


def test_unknown_one_is_named_with_its_like(simulate: Simulate) -> None:
    """Where Fivetran does not know one of several tables, its name and the names like it are in the report."""
    job = simulate(BRIEF)

    played = several(job, "public.orders\npublic.Customers")

    report = played.report or {}
    assert (played.code, report["headline"]) == (4, "Fivetran does not know one of the tables (404)")
    assert any("Cannot find table 'Customers' in schema 'public'" in reason for reason in report["reasons"])
    assert "similar names: public.customers" in report["reasons"]
    assert report["near_matches"] == ["public.customers"]
    given = "check TABLES: the names at the source, case-sensitive (given: public.orders, public.Customers)"
    assert report["advice"] == [given]
    assert "start a historical re-sync of the tables" in report["failure"]["purpose"]


def test_lost_answers_speak_of_the_tables(simulate: Simulate) -> None:
    """What is not known to be accepted is a re-sync of the tables."""
    job = simulate(Scenario(syncs=BRIEF.syncs, faults=(Fault(on="resync", times=3, does="reset"),)))

    played = several(job, LINES, FIVETRAN_TIMEOUT="900")

    assert (played.code, bodies(job)) == (5, [BOTH] * 3)
    assert any("whether a re-sync of the tables is under way" in line for line in (played.report or {})["advice"])


def test_journal_holds_the_tables_and_repeats(simulate: Simulate) -> None:
    """A journal tells several tables in its settings, and of one table what it has told before; both repeat."""
    job = simulate(BRIEF)
    file = job.folder / "report" / "journal.jsonl"
    headers = []
    for text in ("public.orders", LINES):
        several(job, text)
        journal = read_journal(file)
        assert replay(journal, chart_of(journal)).facts.verdict == "succeeded"
        headers.append(json.loads(file.read_text("utf-8").partition("\n")[0])["settings"])

    one, both = headers
    assert (one["schema"], one["table"], "tables" in one) == ("public", "orders", False)
    assert (both["schema"], both["table"], both["tables"]) == ("", "", BOTH)
    assert read_journal(file).header.settings.scope == BOTH


@pytest.mark.usefixtures("_undrawn")
@pytest.mark.parametrize("tables", ["public", {"public": "orders"}, {"public": [1]}, []])
def test_forged_tables_are_refused(simulate: Simulate, capsys: pytest.CaptureFixture[str], tables: object) -> None:
    """A journal whose tables are of another form is refused in one line."""
    job = simulate(BRIEF)
    several(job, LINES)
    file = job.folder / "report" / "journal.jsonl"
    first, *lines = file.read_text("utf-8").splitlines()
    header = json.loads(first)
    header["settings"]["tables"] = tables
    file.write_text("\n".join([json.dumps(header), *lines]), "utf-8")

    assert main(["replay", str(file)], {}) == 2
    assert "its header is damaged (ValueError: settings.tables" in capsys.readouterr().err


def _killed(job: SimulatedJob, text: str) -> Path:
    """The state file of a job that was killed while its re-sync ran."""
    file = job.folder / "state.json"

    def observe(run: Run, _: Step | None) -> None:
        if run.facts.triggered and run.can_be_resumed_here:
            raise KilledError

    with pytest.raises(KilledError):
        several(job, text, observe=observe, FIVETRAN_STATE_FILE=str(file))
    return file


def test_run_is_taken_up_with_the_same_tables(simulate: Simulate) -> None:
    """A run of several tables goes on with these, in one re-sync; with others it is another job's."""
    job = simulate(BRIEF)
    file = _killed(job, LINES)

    other = several(job, "public.orders", FIVETRAN_STATE_FILE=str(file))
    same = several(job, json.dumps(BOTH), FIVETRAN_STATE_FILE=str(file))

    assert other.code == 2
    assert "belongs to another job: its schema is none, not public" in other.stderr
    assert (same.code, bodies(job)) == (0, [BOTH])


def test_state_file_of_one_table_is_what_it_was(simulate: Simulate) -> None:
    """Of one table a state file has no `tables`, as files of before: it is taken up, but not for more."""
    job = simulate(BRIEF)
    file = _killed(job, "public.orders")
    written = json.loads(file.read_text("utf-8"))

    more = several(job, LINES, FIVETRAN_STATE_FILE=str(file))
    same = job.play("FORCE_RESYNC", SCHEMA="public", TABLE="orders", FIVETRAN_STATE_FILE=str(file))

    assert (written["schema"], written["table"], "tables" in written) == ("public", "orders", False)
    assert more.code == 2
    assert (same.code, bodies(job)) == (0, [{"public": ["orders"]}])
