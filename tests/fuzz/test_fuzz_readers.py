"""Whatever in the package reads bytes or text from outside is named here, with the test that fuzzes it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import orchestrator

PACKAGE = Path(orchestrator.__file__).parent
# Calls that turn text or bytes into something else, or read a file.
READS = frozenset(
    {
        *("json.loads", "json.load", "parse_json", "tomllib.loads", "tomllib.load", "parse_toml", "yaml.load"),
        *("open", "os.open", "open_for_reading", "read_text", "read_bytes", "readline", "readlines", "readlink"),
        *("fromisoformat", "strptime", "parsedate_to_datetime", "parse_duration", "fromhex", "literal_eval", "eval"),
        *("b64decode", "urlsafe_b64decode", "urlsplit", "urlparse", "parse_url", "fnmatchcase", "inet_pton"),
        *("pickle.loads", "pickle.load", "marshal.loads", "unpack", "get_data"),
    }
)


_FORMER = "test_fuzz_files::test_any_files_of_former_jobs_are_left_or_replaced"
_NETWORK = "test_fuzz_variables::test_any_proxy_and_bundle_is_used_or_refused"
OURS = "what is read comes with the package"
WRITES = "it is opened for writing"
# Module and function, and what is called there -> the test that fuzzes it, as `file::test`, or why there is none.
READERS = {
    "commands.debug:_commands: read_text": "test_fuzz_files::test_any_commands_are_done_or_refused",
    "commands.diagram:_draw: read_bytes": "test_fuzz_files::test_any_markdown_is_drawn_into_or_refused",
    "commands.diagram:_inserted: read_text": "test_fuzz_files::test_any_markdown_is_drawn_into_or_refused",
    "commands.init:_for_github: parse_duration": OURS,
    "commands.init:_job: read_text": OURS,
    "debugger.files:_is_other: open_for_reading": "test_fuzz_files::test_any_commands_are_done_or_refused",
    "debugger.files:_is_other: parse_json": "test_fuzz_files::test_any_commands_are_done_or_refused",
    "debugger.files:_is_other: readline": "test_fuzz_files::test_any_commands_are_done_or_refused",
    "debugger.journal_reader:_parsed: parse_json": "test_fuzz_journals::test_any_bytes_are_a_journal_or_refused",
    "debugger.journal_reader:read_journal: read_bytes": "test_fuzz_journals::test_any_bytes_are_a_journal_or_refused",
    "debugger.moves:answer: read_bytes": "test_fuzz_files::test_any_commands_are_done_or_refused",
    "debugger.screen:origin: urlsplit": "test_fuzz_variables::test_any_address_has_one_host",
    "fivetran.client:Client.__init__: urlsplit": "test_fuzz_variables::test_any_address_has_one_host",
    "fivetran.client:Client._route: parse_url": "test_fuzz_variables::test_any_proxy_and_bundle_is_used_or_refused",
    "fivetran.client:Client._route: urlsplit": "test_fuzz_variables::test_any_address_has_one_host",
    "fivetran.client:_date: parsedate_to_datetime": "test_fuzz_answers::test_any_header_has_a_bounded_meaning",
    "fivetran.documents:parse_time: fromisoformat": "test_fuzz_answers::test_any_value_is_a_time_or_none",
    "fivetran.response_body:parse: json.loads": "test_fuzz_answers::test_any_answer_is_an_answer_or_a_failure",
    "fleet.selection:_matches.one_of: fnmatchcase": "test_fuzz_answers::test_any_group_is_chosen_from_or_refused",
    "job.address:parsed: inet_pton": "test_fuzz_variables::test_any_address_has_one_host",
    "job.credentials:_decoded: b64decode": "test_fuzz_variables::test_any_text_is_a_configuration_or_refused",
    "job.files:_remove_dead: os.open": WRITES,
    "job.files:_target: readlink": "test_fuzz_states::test_what_is_no_file_is_refused_at_once",
    "job.files:open_for_appending: os.open": WRITES,
    "job.files:open_for_reading: os.open": "test_fuzz_states::test_what_is_no_file_is_refused_at_once",
    "job.files:read_bytes: open_for_reading": "test_fuzz_states::test_what_is_no_file_is_refused_at_once",
    "job.files:read_text: read_bytes": "test_fuzz_states::test_what_is_no_file_is_refused_at_once",
    "job.files:write_atomically: os.open": WRITES,
    "job.inputs:Inputs.seconds: parse_duration": "test_fuzz_variables::test_any_text_is_a_duration_or_none",
    "job.journal:JournalWriter._is_its_own: open_for_reading": _FORMER,
    "job.journal:JournalWriter._is_its_own: parse_json": _FORMER,
    "job.journal:JournalWriter._is_its_own: readline": _FORMER,
    "job.journal:JournalWriter._missing_end: open": _FORMER,
    "job.listing:matches: fnmatchcase": "test_fuzz_answers::test_any_listing_is_a_table",
    "job.network_variables:_bundle_fault: read_bytes": _NETWORK,
    "job.network_variables:_proxy_fault: parse_url": _NETWORK,
    "job.own_chart:load_file: read_text": "test_fuzz_charts::test_any_bytes_are_a_chart_or_refused",
    "job.report.page:asset: read_text": OURS,
    "job.report.picture:_read: read_text": OURS,
    "job.report_folder:is_foreign: open_for_reading": _FORMER,
    "job.state_file:_parsed: parse_json": "test_fuzz_states::test_any_bytes_are_a_run_or_refused",
    "job.state_file:_parsed: read_text": "test_fuzz_states::test_any_bytes_are_a_run_or_refused",
    "job.streams:_apart: os.open": WRITES,
    "job.streams:_occupy: os.open": WRITES,
    "job.streams:standard: open": WRITES,
    "job.tables:_of_json: json.loads": "test_fuzz_variables::test_any_tables_are_names_or_refused",
    "job.vault:_text: read_text": "test_fuzz_vault::test_any_bytes_are_a_vault_or_refused",
    "job.vault:read_vault: yaml.load": "test_fuzz_vault::test_any_bytes_are_a_vault_or_refused",
    "job.version:commit: read_text": OURS,
    "machine.loader:packaged_source: read_text": OURS,
    "machine.loader:parse: parse_toml": "test_fuzz_charts::test_any_bytes_are_a_chart_or_refused",
    "simulator.app:Simulator.__call__: get_data": "test_fuzz_files::test_any_request_is_answered_by_the_simulator",
    "simulator.app:_after: urlsafe_b64decode": "test_fuzz_files::test_any_request_is_answered_by_the_simulator",
    "simulator.app:_json: json.loads": "test_fuzz_files::test_any_request_is_answered_by_the_simulator",
    "simulator.scenario:_document: parse_toml": "test_fuzz_charts::test_any_bytes_are_a_scenario_or_refused",
    "simulator.scenario:_text: read_text": "test_fuzz_charts::test_any_bytes_are_a_scenario_or_refused",
    "values.parsing:parse_json: json.loads": "test_fuzz_states::test_any_bytes_are_a_run_or_refused",
    "values.parsing:parse_toml: tomllib.loads": "test_fuzz_charts::test_any_bytes_are_a_chart_or_refused",
}


LAST = {word.rpartition(".")[2] for word in READS}


def _reads(tree: ast.AST) -> Iterator[str]:
    """Each function of a module, and what it reads by: what it calls, or hands on to be called."""
    left: list[tuple[ast.AST, str]] = [(tree, "")]
    while left:
        node, name = left.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{name}.{node.name}".lstrip(".")
        used = node.func if isinstance(node, ast.Call) else node
        last = used.attr if isinstance(used, ast.Attribute) else used.id if isinstance(used, ast.Name) else ""
        if last in LAST:
            whole = ast.unparse(used)
            word = whole if whole in READS else last
            if word in READS and (isinstance(node, ast.Call) or "." in word):
                yield f"{name}: {word}"
        left += ((inner, name) for inner in ast.iter_child_nodes(node))


def test_each_reader_is_fuzzed() -> None:
    """Whatever reads bytes or text has a test here that fuzzes it, or a reason beside it why none does."""
    found = set[str]()
    for file in sorted(PACKAGE.rglob("*.py")):
        module = ".".join(file.relative_to(PACKAGE).with_suffix("").parts)
        found |= {f"{module}:{read}" for read in _reads(ast.parse(file.read_text("utf-8")))}
    here = Path(__file__).parent
    tests = {
        f"{file.stem}::{node.name}"
        for file in here.glob("test_fuzz_*.py")
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }

    assert sorted(READERS) == sorted(found)
    assert {told for told in READERS.values() if told not in {OURS, WRITES}} <= tests
