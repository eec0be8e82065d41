"""Commands for the debugger, a Markdown file, what former jobs left, requests to the simulator: anything will do."""

import contextlib
import io
import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from fuzzing import ANSWERED, JOURNALS, JSON, TEXT, altered, bodies, fuzzed, growth, torn
from hypothesis import example, given
from hypothesis import strategies as st
from simulated_job import SimulatedJob

from orchestrator.cli import main
from orchestrator.job.report_folder import is_foreign
from orchestrator.machine.loader import load
from orchestrator.machine.run import Run
from orchestrator.machine.step import Step
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Scenario, SyncPlan
from orchestrator.simulator.server import served


def commanded(*arguments: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(arguments, {})
        except SystemExit as end:  # argparse's
            code = int(str(end.code))
    return code, out.getvalue(), err.getvalue()


# --- The debugger -----------------------------------------------------------------------------------

COMMANDS = (
    *("step", "back", "continue", "forward", "until", "look", "why", "facts", "answer", "inject", "wait", "quit"),
    *("fork", "unfork", "break", "delete", "history", "help", "edges", "save", "draw", "last", "skip", "all", "to"),
    *("200", "401", "503", "999", "9" * 5_000, "-1", "0", "1", "3", "²", "polling", "succeeded", "body.json", "."),
    *("nowhere.json", "''", '"', "\\", "fails", "succeeds", "\x1b[31m", "x" * 3_000, "#"),
)
WORDS = st.sampled_from(COMMANDS) | st.text(alphabet=st.characters(exclude_characters="/~\n\r"), max_size=6)


@fuzzed(20)
@given(
    commands=st.lists(st.lists(WORDS, max_size=3).map(" ".join), max_size=12),
    body=bodies(ANSWERED),
    encoded=st.none() | torn(b"step\nanswer 200 body.json\nback\n"),
)
@example(commands=["step", f"answer {'9' * 5_000}", f"step {'9' * 5_000}"], body=b"", encoded=None)
def test_any_commands_are_done_or_refused(
    tmp_path_factory: pytest.TempPathFactory, commands: list[str], body: bytes, encoded: bytes | None
) -> None:
    """Whatever commands and bodies a debugger is given in files, it does them or says why not, and ends."""
    folder = tmp_path_factory.mktemp("debug")
    (folder / "body.json").write_bytes(body)
    text = "\n".join(commands).encode("utf-8", "surrogatepass")
    (folder / "commands.txt").write_bytes(text if encoded is None else encoded)

    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        code, out, err = commanded("debug", "START", "--commands", "commands.txt")

    assert code in {0, 2}
    assert (code == 0) or out or "commands.txt" in err
    assert "Traceback" not in out + err


# --- Drawings in a file of the user's ----------------------------------------------------------------

MARKED = b"# A\r\n<!-- diagram START -->\nold\n<!-- end of diagram START -->\n"


@fuzzed(20)
@given(content=torn(MARKED))
def test_any_markdown_is_drawn_into_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever file a drawing is to go into, it is there afterwards, or the file is as it was and named."""
    file = tmp_path_factory.getbasetemp() / "README.md"
    file.write_bytes(content)

    code, _, err = commanded("diagram", "START", "--format", "table", "--into", str(file))

    assert code in {0, 2}
    assert (b"| state" in file.read_bytes().lower()) if code == 0 else (file.read_bytes() == content)
    assert code == 0 or str(file) in err


def test_markers_without_an_end_take_no_time(tmp_path: Path) -> None:
    """A file with many beginnings of a drawing and no end is refused in time in proportion to its length."""
    file = tmp_path / "README.md"

    def read(text: str) -> None:
        file.write_text(text)
        commanded("diagram", "START", "--format", "table", "--into", str(file))

    assert growth(read, lambda length: "<!-- diagram START -->\n" * (length // 23), 20_000) < 100


# --- What former jobs left ---------------------------------------------------------------------------

FILES = ("journal.jsonl", "index.html", "summary.md", "junit.xml", "fivetran.env", "annotations.json")


class Killed(BaseException):
    """SIGKILL: nothing gets to clean up."""


def _stops(_: Run, step: Step | None) -> None:
    if step is not None and step.number > 4:
        raise Killed


@fuzzed(12)
@given(
    left=st.dictionaries(st.sampled_from(FILES), st.binary(max_size=60) | JOURNALS, max_size=3),
    resumed=st.booleans(),
)
def test_any_files_of_former_jobs_are_left_or_replaced(
    tmp_path_factory: pytest.TempPathFactory,
    left: dict[str, bytes],
    resumed: bool,  # noqa: FBT001  # drawn
) -> None:
    """Whatever lies in the report's folder, also under a run that is taken up, the job is green."""
    folder = tmp_path_factory.mktemp("job")
    job = SimulatedJob(Scenario(syncs=(SyncPlan(lasts=25),)), "http://127.0.0.1:9", folder)
    state = str(folder / "state.json")
    if resumed:
        with pytest.raises(Killed):
            job.play(observe=_stops, FIVETRAN_STATE_FILE=state)
    (folder / "report").mkdir(exist_ok=True)
    for name, content in left.items():
        (folder / "report" / name).write_bytes(content)
    foreign = {name for name in left if is_foreign(folder / "report" / name)}

    played = job.play(FIVETRAN_STATE_FILE=state)

    assert played.code == 0, played.stderr
    assert "Traceback" not in played.stderr
    for name in foreign:
        assert (folder / "report" / name).read_bytes() == left[name]
        assert f"{name} is not a file of this job" in played.stderr


# --- What the simulated Fivetran is asked ------------------------------------------------------------

ASKED: list[Any] = [
    {"schedule_type": "manual", "paused": False, "run_setup_tests": False},
    {"schedule": {"schedule_type": "CRON"}, "schedule_type": "auto"},
    {"force": True},
    {"public": ["orders"]},
    {},
]
AT = "/v1/connections/speak_inexpensive"
PATHS = st.sampled_from(
    [
        *(AT, f"{AT}/sync", f"{AT}/test", f"{AT}/schemas", f"{AT}/schemas/tables/resync", f"{AT}/sync-history"),
        *(f"{AT}/errors", f"{AT}/warnings", "/v1/connections", "/v1/groups/x/connections", "/v1/connections/other"),
        *("/", "", "//", "/v1/connections/", "/v1/connections/\ud800", f"{AT}/"),
    ]
)
QUERIES = st.dictionaries(
    st.sampled_from(["limit", "cursor", "group_id", "schema", "start_time", "end_time"]),
    TEXT
    | st.sampled_from(["1", "9999", "9" * 5_000, "é", "====", "2024-01-01T00:00:00Z", "0001-01-01T00:00:00+23:59"]),
    max_size=3,
)
ALLOWED = {"Authorization": "Basic cmVoZWFyc2FsLWtleTpyZWhlYXJzYWwtc2VjcmV0", "Accept": "application/json;version=2"}


@fuzzed(40)
@given(
    requests=st.lists(
        st.tuples(
            st.sampled_from(["GET", "PATCH", "POST", "DELETE"]),
            PATHS,
            QUERIES,
            st.one_of(st.sampled_from(ASKED).flatmap(altered), JSON).map(json.dumps).map(str.encode)
            | st.sampled_from([b"", b"[" * 100_000, b"\xff", b"{", b"9" * 5_000]),
        ),
        max_size=6,
    )
)
@example(requests=[("PATCH", AT, {}, b"[" * 100_000)])
def test_any_request_is_answered_by_the_simulator(requests: list[tuple[str, str, dict[str, str], bytes]]) -> None:
    """Whatever the simulated Fivetran is asked, it answers in the documented form, and its document stays one."""
    simulator = Simulator(Scenario(), VirtualClock())
    for method, path, query, body in requests:
        reply = simulator.answer(simulator.arrive(method, path, query, ALLOWED, body))

        assert 200 <= reply.status_code <= 500
        assert json.loads(reply.data)["code"]
    assert KEY in SECRET or simulator.connection("speak_inexpensive").document()["id"]


@fuzzed(12)
@given(change=st.sampled_from(ASKED[:2]).flatmap(altered))
def test_job_copes_with_what_others_patched(tmp_path_factory: pytest.TempPathFactory, change: Any) -> None:
    """Whatever another tool writes into the simulated connection, a job ends with a code of its chart."""
    job = SimulatedJob(Scenario(syncs=(SyncPlan(lasts=25),)), "http://127.0.0.1:9", tmp_path_factory.mktemp("job"))
    job.simulator.arrive("PATCH", AT, {}, ALLOWED, json.dumps(change).encode())

    played = job.play(FIVETRAN_TIMEOUT="120")

    assert played.code in load("START").exits(), played.stderr


@pytest.mark.parametrize("length", ["-1", "x", "9" * 5_000, "1_0", "+1", "0x10"])
def test_length_that_is_none_is_refused(length: str) -> None:
    """A request to the simulated Fivetran whose length is no number is answered 400, and nothing waits for its body."""
    with served(Simulator(Scenario(), VirtualClock())) as url, socket.create_connection(_place(url)) as connection:
        connection.sendall(f"POST {AT}/sync HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(4096), b""))

    assert answer.startswith(b"HTTP/1.1 400 ")


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
