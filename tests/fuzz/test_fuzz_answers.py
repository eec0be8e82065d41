"""Fivetran's answers: any bytes, status and headers are an Answer or a Failure, and what is done with it copes."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
from fuzzing import ANSWERED, JSON, TEXT, assert_clear, bodies, fuzzed, torn
from hostile import CHARTS, assert_coped_with
from hypothesis import example, given
from hypothesis import strategies as st
from in_process import answered
from simulated_job import SimulatedJob

from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.replay import replay
from orchestrator.fivetran.client import interpret
from orchestrator.fivetran.documents import moment, parse_time
from orchestrator.fivetran.effects.situation import items
from orchestrator.fleet.budget import Budget
from orchestrator.fleet.reader import Reader, Round
from orchestrator.fleet.selection import Nothing, Selection, chosen
from orchestrator.job.listing import Listed, as_json, as_table, matches, pages
from orchestrator.job.masking import Mask
from orchestrator.machine.actions import ACTIONS
from orchestrator.simulator.app import Arrival, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Scenario, SyncPlan
from orchestrator.values.exchange import FAILURES, Answer, Failure, Request

NUMBERS = st.one_of(
    st.integers().map(str), st.floats().map(str), st.sampled_from(["9" * 5_000, "-0", "1_0", "٣", "1e999"])
)
DATES = st.one_of(
    st.lists(
        st.sampled_from(
            [
                *("Mon,", "Mon", "01", "1", "Jan", "January,", "2024", "99", "00:00:00", "24:61:61", "1.2.3", "GMT"),
                *("+2500", "-0000", "+" + "9" * 5_000, "EST", ",", "-", "²", "01-Jan-2024", "(", "0", "٣"),
            ]
        ),
        max_size=8,
    ).map(" ".join),
    st.sampled_from(["Mon, 01 Jan 2024 00:00:00 GMT"]).flatmap(lambda text: torn(text.encode()).map(_latin)),
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("Retry-After", "x-rate-limit-remaining", "Content-Length"), NUMBERS | DATES | TEXT),
        "Date": DATES | TEXT,
        "Content-Type": TEXT | st.sampled_from(["application/json", "text/html; charset=x", "x" * 5_000]),
        "X-Request-Id": TEXT | st.just("x" * 5_000),
        "Location": TEXT,
        "content-encoding": TEXT,
    },
)
STATUSES = st.sampled_from(
    [200, 201, 204, 299, 301, 307, 400, 401, 402, 403, 404, 409, 429, 500, 503, 599]
) | st.integers(200, 999)
HALF_CURSOR = b'{"code": "Success", "data": {"items": [], "next_cursor": "\\ud800"}}'
PATTERNS = st.text(alphabet="*?[]!-^ab\\&|~.(", max_size=8) | TEXT
REQUESTS = st.builds(
    Request("GET", "/v1/connections/x", "read the connection")._replace,
    method=st.sampled_from(["GET", "PATCH", "POST"]),
    wants_data=st.booleans(),
    known=st.booleans(),
)


def _latin(content: bytes) -> str:
    return content.decode("latin-1")


def _read(request: Request, status: int, headers: Mapping[str, str], body: bytes, mask: Mask) -> Answer | Failure:
    try:
        return interpret(request, status, headers, body, now=lambda: 5.0, hide=mask.learn, mask=mask.line)
    except Failure as failure:
        return failure


@fuzzed(60)
@given(request=REQUESTS, status=STATUSES, headers=HEADERS, body=bodies(ANSWERED))
def test_any_answer_is_an_answer_or_a_failure(
    request: Request, status: int, headers: dict[str, str], body: bytes
) -> None:
    """Whatever status, headers and body come, they are an Answer or a Failure, within bounds, and can be told."""
    outcome = _read(request, status, headers, body, mask := Mask("key-key-key", "secret-secret"))

    if isinstance(outcome, Answer):
        assert 0 <= outcome.date <= 253_402_387_200
        assert json.loads(json.dumps(outcome.data)) == outcome.data
        assert len(outcome.message) + len(outcome.request_id) <= 3_000
    else:
        assert outcome.event in FAILURES.values()
        assert outcome.retry_after is None or 0 < outcome.retry_after <= 86_400
        assert len(str(outcome)) + len(outcome.request_id) <= 5_000
        assert_clear(mask.line(str(outcome)))


@fuzzed(40)
@given(
    body=bodies(ANSWERED[:3]),
    action=st.sampled_from(ACTIONS),
    date=st.sampled_from([0.0, 1_704_153_600.0, 253_402_387_198.0]),
    verdict=st.integers(0, 30),
)
def test_everything_is_done_with_any_document(body: bytes, action: str, date: float, verdict: int) -> None:
    """Whatever document an answer holds, each effect has an event for it, and each result can be drawn."""
    outcome = _read(Request("GET", "/", "ask"), 200, {}, body, Mask())
    verdicts = sorted(CHARTS[action].verdicts())

    data = outcome.data if isinstance(outcome, Answer) else {}
    assert_coped_with(data, action, date, verdicts[verdict % len(verdicts)])


class _Altering:
    """A simulated Fivetran whose answers are altered on their way, from the given one on."""

    def __init__(self, data: st.DataObject, first: int) -> None:
        self.data = data
        self.left = first
        self.altered = 0

    def answered(
        self, simulator: Simulator, request: Request, arrival: Arrival, clock: VirtualClock, *how: Any
    ) -> Answer:
        """In place of `in_process.answered`."""
        plain = answered(simulator, request, arrival, clock, *how)
        self.left -= 1
        if self.left > 0 or self.altered >= 3:
            return plain
        self.altered += 1
        reply = simulator.answer(arrival)
        whole = json.loads(reply.data) if reply.data else {}
        body = self.data.draw(bodies([whole]))
        headers = {**reply.headers, **self.data.draw(HEADERS)}
        return interpret(request, self.data.draw(STATUSES), headers, body, now=clock.wall, hide=how[0], mask=how[1])


@fuzzed(12)
@given(data=st.data(), first=st.integers(1, 12), action=st.sampled_from(ACTIONS))
def test_any_answers_end_a_run_in_its_time(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, first: int, action: str
) -> None:
    """Whatever some of the answers of a run are, it ends in its time with a code of its chart, and can be replayed."""
    folder = tmp_path_factory.mktemp("run")
    job = SimulatedJob(Scenario(syncs=(SyncPlan(lasts=25),)), "http://127.0.0.1:9", folder)
    began = job.clock.wall()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("in_process.answered", _Altering(data, first).answered)
        played = job.play(action, FIVETRAN_STATE_FILE=str(folder / "state.json"), FIVETRAN_TIMEOUT="120")

    assert played.code in CHARTS[action].exits(), played.stderr
    assert job.clock.wall() - began <= 120 + 20
    assert "Traceback" not in played.stderr
    assert "could not be" not in played.stderr
    end = replay(read_journal(folder / "report" / "journal.jsonl")).state
    assert CHARTS[action].states[end].exit is not None


@fuzzed(40)
@given(
    answers=st.lists(st.tuples(STATUSES, HEADERS, bodies(ANSWERED[1:])), min_size=1, max_size=6),
    names=st.lists(st.sampled_from(["speak_inexpensive", "a", "b", "c", "d", "e"]), min_size=1, unique=True),
)
def test_any_listing_settles_each_connection_once(
    answers: list[tuple[int, dict[str, str], bytes]], names: list[str]
) -> None:
    """Whatever the pages of a listing and single documents are, a round ends, and each connection is settled once."""
    wanted = {name: Request("GET", f"/v1/connections/{name}", "read the connection") for name in names}
    warned, settled = list[str](), list[str]()
    each = Round(Reader(warn=warned.append), wanted)
    budget, asked = Budget(), 0

    while each.asking:
        one = each.asking.popleft()
        status, headers, body = answers[min(asked, len(answers) - 1)]
        asked += 1
        budget.heed({name.lower(): value for name, value in headers.items()}, float(asked))
        outcome = _read(one.request, status, headers, body, Mask())
        budget.ended(outcome, float(asked))
        settled += [name for name, _ in each.take(one, outcome)]

    assert sorted(settled) == sorted(names)
    assert budget.not_before(10.0) < 10.0 + 2 * 86_400
    assert asked <= 100


@fuzzed(40)
@given(
    answers=st.lists(st.tuples(STATUSES, HEADERS, bodies(ANSWERED[1:3])), min_size=1, max_size=4),
    pattern=PATTERNS,
)
@example(answers=[(200, {}, HALF_CURSOR)], pattern="")
def test_any_listing_is_a_table(answers: list[tuple[int, dict[str, str], bytes]], pattern: str) -> None:
    """Whatever the pages of a listing are, they end, and can be chosen from and shown, or are refused by a Failure."""
    asked = 0

    def ask(request: Request) -> Answer:
        nonlocal asked
        status, headers, body = answers[min(asked, len(answers) - 1)]
        asked += 1
        return interpret(request, status, headers, body, now=lambda: 5.0)

    found: list[Mapping[str, Any]] = []
    with suppress(Failure):
        for answer in pages(ask):
            found += items(answer)
    listed = Listed(found, 5.0)

    assert asked <= 8
    assert as_table(listed, Mask()).count("\n") == len(found)
    assert len(json.loads(as_json(listed))) == len(found)
    assert [matches(one, pattern) for one in found] == [matches(one, pattern) for one in found]


@fuzzed(40)
@given(
    answers=st.lists(st.tuples(STATUSES, HEADERS, bodies(ANSWERED[1:3])), min_size=1, max_size=4),
    include=st.lists(PATTERNS, max_size=3).map(tuple),
    exclude=st.lists(PATTERNS, max_size=1).map(tuple),
    name=st.sampled_from(["", "demo"]) | TEXT.filter(str.isprintable),
)
@example(answers=[(200, {}, b"{}")], include=(), exclude=(), name="\udcff")
@example(answers=[(200, {}, HALF_CURSOR)], include=(), exclude=(), name="")
def test_any_group_is_chosen_from_or_refused(
    answers: list[tuple[int, dict[str, str], bytes]], include: tuple[str, ...], exclude: tuple[str, ...], name: str
) -> None:
    """Whatever a group's listing and the patterns are, connections with an id are chosen, or none and why."""
    asked, told = 0, list[str]()

    def ask(request: Request) -> Answer:
        nonlocal asked
        status, headers, body = answers[min(asked, len(answers) - 1)]
        asked += 1
        return interpret(request, status, headers, body, now=lambda: 5.0)

    found, why = list[str](), ""
    try:
        found = chosen(Selection((), "group", include, exclude, name), ask, told.append)
    except Nothing as nothing:
        why = nothing.headline

    assert bool(found) != bool(why)
    assert all(isinstance(each, str) for each in found)


@fuzzed(100)
@given(JSON | DATES | st.datetimes().map(lambda at: at.isoformat()) | torn(b"2024-01-01T00:00:00.123456Z").map(_latin))
@example("2024-01-01T00:00:00+" + "9" * 5_000)
def test_any_value_is_a_time_or_none(value: Any) -> None:
    """Whatever stands where a time is expected is a time of the calendar, or none."""
    seconds = parse_time(value)

    assert seconds is None or 0 <= seconds <= 253_402_387_200
    assert bool(moment(value)) == (seconds is not None)


@fuzzed(100)
@given(headers=HEADERS, status=st.sampled_from([200, 429, 503]))
def test_any_header_has_a_bounded_meaning(headers: dict[str, str], status: int) -> None:
    """Whatever `Date` and `Retry-After` say, they are a moment of the calendar and a wait of a day at most."""
    outcome = _read(Request("GET", "/", "ask"), status, headers, b'{"code": "Success", "data": {}}', Mask())

    if isinstance(outcome, Answer):
        assert outcome.dated or outcome.date == 5.0
    else:
        assert outcome.retry_after is None or 0 < outcome.retry_after <= 86_400
