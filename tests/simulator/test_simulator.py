"""The simulated Fivetran: its scenario files, its protocol, and the life of a connection."""

import json
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from caller import HOME, Caller
from werkzeug.test import Client

from orchestrator.simulator import faults
from orchestrator.simulator.app import Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import (
    Fault,
    Other,
    Scenario,
    ScenarioError,
    SyncPlan,
    load_scenario,
    names,
    parse_scenario,
)
from orchestrator.simulator.server import bind

PAUSE = {"paused": True}
WAS = "2027-01-14T02:00:00.000000Z"


# --- Scenario files -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("title = ", "scenario bad: Invalid value (at end of document)"),
        ("titel = ''", "scenario bad: unknown key 'titel'; did you mean title?"),
        ("title = 5", "scenario bad: title: 5 is not a string"),
        ("exit_code = true", "scenario bad: exit_code: True is not a whole number"),
        ("exists = 1", "scenario bad: exists: 1 is not true or false"),
        ("test_seconds = 'long'", "scenario bad: test_seconds: 'long' is not a number"),
        ("test_seconds = true", "scenario bad: test_seconds: True is not a number"),
        ("connection = []", "scenario bad: connection: [] is not a table"),
        ("connection.status = 5", "scenario bad: connection: status: 5 is not a table"),
        (
            "variables.FIVETRAN_TIMEOUT = 5",
            "scenario bad: variables: {'FIVETRAN_TIMEOUT': 5} is not a table of strings",
        ),
        ("schemas.public = 'orders'", "scenario bad: schemas: {'public': 'orders'} is not a table of lists of strings"),
        ("setup_tests = [5]", "scenario bad: setup_tests: [5] is not a list of tables"),
        ("syncs = []", "scenario bad: syncs: empty"),
        ("syncs = [5]", "scenario bad: syncs: 5 is not a table"),
        ("[syncs]", "scenario bad: syncs: write [[syncs]] above each one"),
        ("[faults]", "scenario bad: faults: write [[faults]] above each"),
        ("[[syncs]]\nlast = 5", "scenario bad: syncs: unknown key 'last'; did you mean lasts?"),
        ("[[syncs]]\nfails_inside = 'a'", "scenario bad: syncs: fails_inside: 'a' is not a number"),
        ("[[syncs]]\nends = 'well'", "scenario bad: ends: 'well' is not one of succeeds, "),
        ("[running]\nends = 'well'", "scenario bad: ends: 'well' is not one of succeeds, "),
        ("[running]\nlasts = 'a'", "scenario bad: running: lasts: 'a' is not a number"),
        ("running = 5", "scenario bad: running: 5 is not a table"),
        ("[[faults]]\non = 'put'", "scenario bad: on: 'put' is not one of any, "),
        ("[[faults]]\ndoes = 'harm'", "scenario bad: does: 'harm' is not one of answer, "),
        ("[others]", "scenario bad: others: write [[others]] above each"),
        ("[[others]]\nends = 'well'", "scenario bad: ends: 'well' is not one of succeeds, "),
        ("[[others]]\nafter = 'put'", "scenario bad: after: 'put' is not one of any, get, "),
        ("[[others]]\nin = 5", "scenario bad: others: unknown key 'in'; known: after, "),
        ("[[faults]]\nwhen = 'late'", "scenario bad: when: 'late' is not one of always, syncing, idle"),
        ("[[faults]]\nheaders = { Retry-After = 5 }", "scenario bad: faults: headers: {'Retry-After': 5} is not a tab"),
    ],
)
def test_malformed_scenario(text: str, problem: str) -> None:
    """A malformed scenario is refused by its name, the key and what is wrong there."""
    with pytest.raises(ScenarioError) as refused:
        parse_scenario("bad", text)

    assert str(refused.value).startswith(problem)


def test_unknown_scenario() -> None:
    """A name that no scenario has is answered with those that there are."""
    with pytest.raises(ScenarioError) as refused:
        load_scenario("zebra")

    assert str(refused.value) == f"no scenario is called 'zebra'; there are: {', '.join(names())}, fleet"


def test_scenario_from_a_file(tmp_path: Path) -> None:
    """A name that ends in .toml is a file of one's own."""
    file = tmp_path / "mine.toml"
    file.write_text("title = 'mine'\nsyncs = [{ lasts = 1, fails_inside = 0.5 }]\n", "utf-8")

    scenario = load_scenario(str(file))

    assert scenario == Scenario(name="mine", title="mine", syncs=(SyncPlan(lasts=1, fails_inside=0.5),))


@pytest.mark.parametrize(
    "content",
    [None, b"title = '\xff'", "title = ''".encode("utf-16"), b"a = " + b"[" * 100_000, b"a." * 5000 + b"a = 1"],
)
def test_unreadable_scenario_file(tmp_path: Path, content: bytes | None) -> None:
    """A file that is not there or is not text is refused by its name."""
    file = tmp_path / "mine.toml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(ScenarioError, match=r"scenario .*mine(\.toml)?: "):
        load_scenario(str(file))


def test_scenario_that_is_no_file(tmp_path: Path) -> None:
    """A device in place of the file is refused at once."""
    file = tmp_path / "mine.toml"
    file.symlink_to("/dev/zero")
    with pytest.raises(ScenarioError, match="cannot be read: it is a device, not a regular file"):
        load_scenario(str(file))


def test_scenario_with_a_byte_order_mark(tmp_path: Path) -> None:
    """What an editor puts before a scenario is not part of it."""
    file = tmp_path / "mine.toml"
    file.write_bytes(b"\xef\xbb\xbftitle = 'mine'\r\n")

    assert load_scenario(str(file)).title == "mine"


def test_faster() -> None:
    """A faster scenario has every time of what happens divided, and nothing else changed."""
    plan = SyncPlan(queued=10, lasts=20, again_in=30, fails_inside=5, shows_after=40, retries_in=50)
    scenario = Scenario(
        running=plan,
        others=(Other(at=60, lasts=20),),
        syncs=(plan, SyncPlan()),
        faults=(Fault(acts_in=10, answers_in=20),),
        test_seconds=50,
        stop_takes=30,
        history_delay=20,
        latency=10,
    )

    faster = scenario.faster(10)

    shorter = SyncPlan(queued=1, lasts=2, again_in=3, fails_inside=0.5, shows_after=4, retries_in=5)
    assert faster == replace(
        scenario,
        running=shorter,
        others=(Other(at=6, lasts=2, again_in=12),),
        syncs=(shorter, SyncPlan(lasts=6, again_in=12)),
        faults=(Fault(acts_in=1, answers_in=2),),
        test_seconds=5,
        stop_takes=3,
        history_delay=2,
        latency=1,
    )


# --- The protocol -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        (("GET", "", None, {}), 200, "Success"),
        (("GET", "", None, {"Authorization": "Basic d3Jvbmc="}), 401, "Unauthorized"),
        (("GET", "", None, {"Accept": "text/html"}), 406, "NotAcceptable"),
        (("GET", "/state", None, {}), 404, "NotFound"),
        (("DELETE", "", None, {}), 404, "NotFound"),
        (("PATCH", "", {"schedule_type": "manual"}, {}), 200, "Success"),
        (("PATCH", "", {"run_setup_tests": False}, {}), 400, "InvalidInput"),
        (("PATCH", "", None, {}), 400, "InvalidInput"),
        (("POST", "/sync", {"force": False}, {}), 200, "Success"),
        (("POST", "/sync", None, {}), 400, "InvalidInput"),
        (("POST", "/sync", [], {}), 400, "InvalidInput"),
        (("POST", "/test", {}, {}), 200, "Success"),
        (("POST", "/test", None, {}), 400, "InvalidInput"),
        (("POST", "/schemas/tables/resync", {"public": ["orders"]}, {}), 200, "Success"),
        (("POST", "/schemas/tables/resync", {"public": "orders"}, {}), 400, "InvalidInput"),
        (("POST", "/schemas/tables/resync", {"Public": ["orders"]}, {}), 404, "NotFound_Schema"),
        (("POST", "/schemas/tables/resync", {"public": ["Orders"]}, {}), 404, "NotFound_Table"),
        (("GET", "/schemas", None, {}), 200, "Success"),
    ],
)
def test_protocol(request_: tuple[str, str, object, dict[str, str]], status: int, code: str) -> None:
    """A request is answered with the status and the code that Fivetran documents for it."""
    method, path, body, headers = request_
    caller = Caller(Scenario())

    answered, document = caller.ask(method, path, body, headers=headers)

    assert (answered, document["code"]) == (status, code)
    assert [(seen.method, seen.path, seen.body, seen.outcome) for seen in caller.simulator.seen] == [
        (method, HOME + path, body, str(status))
    ]


def test_unknown_connection() -> None:
    """A scenario that knows no connection answers 404 in Fivetran's words."""
    caller = Caller(Scenario(exists=False))

    status, document = caller.ask("GET")

    assert (status, document["code"]) == (404, "NotFound_Connection")


@pytest.mark.parametrize("dated", [True, False])
def test_date(*, dated: bool) -> None:
    """An answer carries the simulated time as its `Date`, or none where the scenario says so."""
    answer = Client(Simulator(Scenario(dated=dated), VirtualClock())).get(HOME)

    assert answer.headers.get("Date") == ("Fri, 15 Jan 2027 08:00:00 GMT" if dated else None)


@pytest.mark.parametrize(
    ("scenario", "status"), [(Scenario(table_resync=False), 400), (Scenario(running=SyncPlan()), 409)]
)
def test_resync_that_is_not_possible(scenario: Scenario, status: int) -> None:
    """A re-sync is a 400 where the connector has none, and a 409 while a sync is running."""
    answered, _ = Caller(scenario).ask("POST", "/schemas/tables/resync", {"public": ["orders"]})

    assert answered == status


def test_setup_tests_take_their_time() -> None:
    """The setup tests are answered when they are through, with a result each."""
    caller = Caller(Scenario(test_seconds=700))

    _, document = caller.ask("POST", "/test", {})

    assert caller.clock.monotonic() == 700
    assert [test["status"] for test in document["data"]["setup_tests"]] == ["PASSED", "PASSED", "SKIPPED"]


def test_fault_is_used_up() -> None:
    """A fault skips and meets as many requests as it says, acting or not."""
    fault = Fault(on="sync", skip=1, times=1, acts=True, status=503, code="Busy", message="later")
    caller = Caller(Scenario(faults=(fault, Fault(on="patch", times=0, status=500, code="Down"))))

    answered = [caller.ask("POST", "/sync", {"force": True})[0] for _ in range(3)]
    answered += [caller.ask("PATCH", "", {"paused": True})[0] for _ in range(3)]

    assert answered == [200, 503, 200, 500, 500, 500]
    assert [seen.outcome for seen in caller.simulator.seen[:4]] == ["200", "answer after acting", "200", "answer"]
    assert [sync.outcome for sync in caller.simulator.connection("speak_inexpensive").history] == [
        "stopped",
        "stopped",
        "",
    ]


def test_fault_on_any() -> None:
    """A fault that is armed later meets any request, an unknown path too."""
    caller = Caller(Scenario())
    caller.simulator.add_fault(Fault(times=2, status=418, code="Teapot"))

    answered = [caller.ask("GET", path)[0] for path in ("", "/nowhere", "")]

    assert answered == [418, 418, 200]


# --- The life of a connection -------------------------------------------------------------------


def test_sync_is_queued_runs_and_ends() -> None:
    """A sync is queued first, then syncing; at its end the date moves with the state."""
    caller = Caller(Scenario(syncs=(SyncPlan(queued=10, lasts=20),)))
    before = caller.look()["succeeded_at"]
    caller.trigger()

    states = caller.states(5, 10, 10, 10)

    assert states == ["scheduled", "syncing", "syncing", "scheduled"]
    assert caller.look()["succeeded_at"] == "2027-01-15T08:00:30.000000Z" > before


def test_date_shows_late() -> None:
    """A date may show later than the state, and is the true one then."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=20, shows_after=10),)))
    before = caller.look()["succeeded_at"]
    caller.trigger()

    seen = [caller.look(later)["succeeded_at"] for later in (25, 10)]

    assert seen == [before, "2027-01-15T08:00:20.000000Z"]


@pytest.mark.parametrize(
    ("plan", "state", "moved", "setup", "tasks"),
    [
        (SyncPlan(lasts=5), "scheduled", "succeeded_at", "connected", 0),
        (SyncPlan(lasts=5, ends="fails"), "scheduled", "failed_at", "connected", 1),
        (SyncPlan(lasts=5, ends="vanishes"), "scheduled", "", "connected", 0),
        (SyncPlan(lasts=5, ends="reschedules"), "rescheduled", "", "connected", 0),
        (SyncPlan(lasts=5, ends="pauses"), "paused", "", "connected", 0),
        (SyncPlan(lasts=5, ends="breaks"), "scheduled", "", "broken", 1),
        (SyncPlan(lasts=50, fails_inside=3), "syncing", "failed_at", "connected", 0),
    ],
)
def test_sync_ends_as_planned(plan: SyncPlan, state: str, moved: str, setup: str, tasks: int) -> None:
    """Each end shows in the document as it does at Fivetran."""
    caller = Caller(Scenario(syncs=(plan,)))
    before = caller.look()
    caller.trigger()

    after = caller.look(10)

    status = after["status"]
    assert [name for name in ("succeeded_at", "failed_at") if before[name] != after[name]] == [moved] * bool(moved)
    assert (status["sync_state"], status["setup_state"], len(status["tasks"])) == (state, setup, tasks)
    assert ("rescheduled_for" in status) == (state == "rescheduled")


@pytest.mark.parametrize(
    ("schedule", "states"),
    [("auto", ["rescheduled", "syncing", "scheduled"]), ("manual", ["rescheduled", "rescheduled", "rescheduled"])],
)
def test_rescheduled_sync(schedule: str, states: list[str]) -> None:
    """A rescheduled sync is resumed at its time by an automatic schedule, and not at all on a manual one."""
    plans = (SyncPlan(lasts=10, ends="reschedules", again_in=30), SyncPlan(lasts=20))
    caller = Caller(Scenario(syncs=plans, connection={"schedule_type": schedule}))
    caller.trigger()

    seen = caller.states(20, 25, 25)

    assert seen == states


def test_rescheduled_sync_is_asked_for_again() -> None:
    """On a manual schedule a rescheduled sync starts when it is asked for again."""
    plans = (SyncPlan(lasts=10, ends="reschedules"), SyncPlan(lasts=20))
    caller = Caller(Scenario(syncs=plans, connection={"schedule_type": "manual"}))
    caller.trigger()
    caller.look(15)

    caller.trigger()

    assert caller.states(5, 30) == ["syncing", "scheduled"]


@pytest.mark.parametrize(("force", "outcomes"), [(False, [""]), (True, ["stopped", ""])])
def test_sync_on_a_running_one(*, force: bool, outcomes: list[str]) -> None:
    """A second trigger changes nothing while a sync runs; a forced one stops that and starts anew."""
    caller = Caller(Scenario(running=SyncPlan(lasts=100)))

    caller.trigger(force=force)

    history = caller.simulator.connection("speak_inexpensive").history
    assert [sync.outcome for sync in history] == outcomes


@pytest.mark.parametrize(
    ("overdue", "change", "states"),
    [
        (False, {"paused": False}, ["paused", "scheduled"]),
        (True, {"paused": False}, ["paused", "syncing"]),
        (True, {"paused": False, "schedule_type": "manual"}, ["paused", "scheduled"]),
        (True, {"schedule_type": "manual"}, ["paused", "paused"]),
    ],
)
def test_pause(change: dict[str, Any], states: list[str], *, overdue: bool) -> None:
    """A paused connection starts nothing; un-paused, an overdue automatic schedule starts a sync at once."""
    caller = Caller(Scenario(overdue=overdue, connection={"paused": True}))
    caller.trigger()
    before = caller.states(0)
    caller.ask("PATCH", "", change)

    assert before + caller.states(0) == states


@pytest.mark.parametrize("change", [{"paused": False}, {"paused": False, "schedule_type": "manual"}])
def test_unpausing_starts_a_sync(change: dict[str, Any]) -> None:
    """Where the scenario says so, un-pausing starts a sync by itself, on a manual schedule, too."""
    caller = Caller(Scenario(unpausing_starts=True, connection={"paused": True}))
    caller.ask("PATCH", "", change)

    assert caller.states(0) == ["syncing"]


@pytest.mark.parametrize(("clashes", "outcomes"), [(True, ["clashed", "clashed"]), (False, [""])])
def test_trigger_on_top_of_a_sync_by_unpausing(*, clashes: bool, outcomes: list[str]) -> None:
    """A trigger on top of the sync that un-pausing started makes two that cancel each other, where they clash."""
    scenario = Scenario(
        unpausing_starts=True, clashes=clashes, connection={"paused": True}, syncs=(SyncPlan(queued=9),)
    )
    caller = Caller(scenario)
    caller.ask("PATCH", "", {"paused": False})

    caller.trigger()

    assert [sync.outcome for sync in caller.connection.history] == outcomes


def test_null_in_a_scenario() -> None:
    """TOML has no null: the text "null" stands for it in a connection's members."""
    caller = Caller(Scenario(connection={"succeeded_at": "null"}))

    assert caller.look()["succeeded_at"] is None


# --- What others do, and what Fivetran does by itself ----------------------------------------------


@pytest.mark.parametrize(
    ("other", "ended"),
    [
        (Other(at=10, lasts=20), [("somebody", "succeeds", 30.0)]),
        (Other(at=10, lasts=20, force=True), [("somebody", "succeeds", 30.0)]),
        (Other(after="sync", at=10, lasts=20), [("sync", "succeeds", 60.0)]),
        (
            Other(after="sync", at=10, lasts=20, force=True),
            [("sync", "stopped", 10.0), ("somebody", "succeeds", 30.0)],
        ),
        (Other(after="any", nth=3, at=5, lasts=20), [("sync", "succeeds", 60.0), ("somebody", "succeeds", 125.0)]),
        (Other(after="get", nth=3, at=5, lasts=20), [("sync", "succeeds", 60.0)]),
    ],
)
def test_another_sync(other: Other, ended: list[tuple[str, str, float]]) -> None:
    """Somebody else's sync starts at its time or after a request, if none runs; a forced one stops what runs."""
    caller = Caller(Scenario(others=(other,)))
    caller.connection.live()
    if other.after:
        caller.trigger()
    caller.look(100)
    caller.look()
    caller.clock.sleep(100)

    assert caller.ended == ended


def test_what_happens_in_between_happens_at_its_own_moment() -> None:
    """However rarely it is read, a rescheduled sync is resumed at its time, and another comes after it."""
    scenario = Scenario(
        syncs=(SyncPlan(lasts=10, ends="reschedules", again_in=30), SyncPlan(lasts=20)), others=(Other(at=70, lasts=5),)
    )
    caller = Caller(scenario)
    caller.trigger()

    caller.look(1000)

    assert caller.ended == [
        ("sync", "reschedules", 10.0),
        ("schedule", "succeeds", 60.0),
        ("somebody", "succeeds", 75.0),
    ]
    assert [sync.origin is not None for sync in caller.connection.history] == [False, True, False]


def test_reschedule_replaced_by_another_sync() -> None:
    """A sync that starts in the meantime takes the place of the rescheduled one."""
    caller = Caller(
        Scenario(syncs=(SyncPlan(lasts=10, ends="reschedules", again_in=30),), others=(Other(at=20, lasts=50),))
    )
    caller.trigger()

    assert caller.states(30, 30, 30) == ["syncing", "syncing", "scheduled"]


def test_retry_by_fivetran() -> None:
    """A failed sync moves its date, waits, and is started again by Fivetran itself as the next of the scenario's."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=10, ends="fails", retries_in=20), SyncPlan(lasts=30))))
    caller.trigger()

    states = caller.states(15, 20, 30)

    assert states == ["scheduled", "syncing", "scheduled"]
    assert caller.ended == [("sync", "fails", 10.0), ("retry", "succeeds", 60.0)]
    assert caller.connection.history[1].origin is caller.connection.history[0]


@pytest.mark.parametrize("between", [lambda caller: caller.trigger(), lambda caller: caller.ask("PATCH", "", PAUSE)])
def test_retry_that_is_not_needed(between: Callable[[Caller], None]) -> None:
    """Fivetran does not try again what somebody has started since, nor on a paused connection."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=10, ends="fails", retries_in=20), SyncPlan(lasts=30))))
    caller.trigger()
    caller.look(15)

    between(caller)

    caller.look(100)
    assert "retry" not in {sync.cause for sync in caller.connection.history}


def test_failure_makes_broken_and_a_success_whole() -> None:
    """Where the scenario says so, a failed sync makes the connection broken; the next success clears that."""
    caller = Caller(Scenario(failure_breaks=True, syncs=(SyncPlan(lasts=10, ends="fails"), SyncPlan(lasts=10))))
    caller.trigger()
    broken = caller.look(20)["status"]["setup_state"]
    caller.trigger()

    status = caller.look(20)["status"]

    assert (broken, status["setup_state"], status["tasks"]) == ("broken", "connected", [])


def test_historical_sync() -> None:
    """`is_historical_sync` is true while a re-sync is under way."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=30),)))
    caller.ask("POST", "/schemas/tables/resync", {"public": ["orders"]})

    shown = [caller.look(later)["status"]["is_historical_sync"] for later in (10, 30)]

    assert shown == [True, False]


def test_late_date_never_takes_the_place_of_a_later_one() -> None:
    """A date that shows late does not bring an older one back."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=5, shows_after=30), SyncPlan(lasts=5))))
    caller.trigger()
    caller.look(10)
    caller.trigger()
    caller.look(10)

    assert caller.look(60)["succeeded_at"] == "2027-01-15T08:00:15.000000Z"


@pytest.mark.parametrize(("inside", "failed"), [(20.0, True), (50.0, False)])
def test_failure_inside_a_sync_that_is_over(inside: float, *, failed: bool) -> None:
    """A failure inside moves `failed_at` only if the sync still runs then."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=30, fails_inside=inside),)))
    before = caller.look()["failed_at"]
    caller.trigger()

    assert (caller.look(100)["failed_at"] != before) == failed


# --- Syncs that are stopped --------------------------------------------------------------------------


@pytest.mark.parametrize(("cancels", "outcome"), [(True, "stopped"), (False, "succeeds")])
def test_patch_cancels(outcome: str, *, cancels: bool) -> None:
    """Where the scenario says so, a PATCH stops the sync that is running."""
    caller = Caller(Scenario(patch_cancels=cancels, running=SyncPlan(lasts=60)))
    for change in ({"schedule_type": "manual"}, {"schedule_type": "auto"}):
        caller.clock.sleep(20)
        caller.ask("PATCH", "", change)
    caller.look(100)

    assert [(sync.outcome, sync.stopped_by) for sync in caller.connection.history] == [
        (outcome, "patch" if cancels else "")
    ]


@pytest.mark.parametrize(
    ("lasts", "queued", "shows", "ended", "failed_at"),
    [
        (600, 0, True, [("somebody", "stopped", 40.0), ("sync", "succeeds", 100.0)], "2027-01-15T08:00:40.000000Z"),
        (600, 0, False, [("somebody", "stopped", 40.0), ("sync", "succeeds", 100.0)], "2027-01-14T02:00:00.000000Z"),
        (30, 0, True, [("somebody", "succeeds", 30.0), ("sync", "succeeds", 90.0)], "2027-01-14T02:00:00.000000Z"),
        (600, 90, True, [("somebody", "stopped", 10.0), ("sync", "succeeds", 70.0)], "2027-01-14T02:00:00.000000Z"),
    ],
)
def test_stopping_takes_its_time(
    lasts: float, queued: float, ended: list[tuple[str, str, float]], failed_at: str, *, shows: bool
) -> None:
    """A sync that is stopped may go on for a while, come to its own end, and move `failed_at` or not."""
    running = SyncPlan(lasts=lasts, queued=queued)
    caller = Caller(Scenario(stop_takes=30, stop_shows=shows, running=running, connection={"failed_at": WAS}))
    caller.connection.live()
    caller.clock.sleep(10)

    caller.trigger(force=True)

    caller.clock.sleep(500)
    assert caller.ended == ended
    assert caller.look()["failed_at"] == failed_at


def test_sync_that_is_being_stopped_is_not_stopped_again() -> None:
    """A second forced trigger stops the sync that the first one queued, and the one before ends when it would have."""
    caller = Caller(Scenario(stop_takes=30, running=SyncPlan(lasts=600)))
    for _ in range(2):
        caller.trigger(force=True)
        caller.clock.sleep(10)

    caller.clock.sleep(500)
    assert caller.ended == [("somebody", "stopped", 30.0), ("sync", "stopped", 10.0), ("sync", "succeeds", 90.0)]


def test_trigger_that_conflicts() -> None:
    """Where the scenario says so, a trigger is a 409 while a sync is running, and a forced one is not."""
    caller = Caller(Scenario(sync_conflicts=True, running=SyncPlan(lasts=60)))

    statuses = [caller.ask("POST", "/sync", {"force": force})[0] for force in (False, True)]

    assert statuses == [409, 200]


# --- Time -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("does", "statuses"), [("slow", [200, 200]), ("undated", [200, 200]), ("answer", [502, 200])])
def test_request_that_is_carried_out_late(does: str, statuses: list[int]) -> None:
    """A slow request is carried out so many seconds after it arrived, at that moment, and answered later still."""
    fault = Fault(on="sync", does=does, acts=True, acts_in=20, answers_in=10, code="Down")
    caller = Caller(Scenario(faults=(fault,)))

    answered = [caller.ask("POST", "/sync", {"force": False})[0]]

    assert caller.clock.monotonic() == 30
    assert [trigger.at for trigger in caller.connection.triggers] == [1_800_000_020]
    assert [*answered, caller.ask("GET")[0]] == statuses


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("POST", "/sync", {"force": False}), ("PATCH", "", {"paused": True}), ("GET", "", None)],
)
def test_request_whose_sender_has_gone(method: str, path: str, body: object) -> None:
    """A request that is to be carried out late is carried out at its moment, though nobody waits for the answer."""
    caller = Caller(Scenario(faults=(Fault(does="slow", acts_in=20),)))
    text = b"" if body is None else json.dumps(body).encode()
    arrival = caller.simulator.arrive(method, HOME + path, {}, caller.headers, text)
    with pytest.raises(ValueError, match="yet to be carried out"):
        caller.simulator.answer(arrival)

    caller.look(100)

    assert caller.simulator.answer(arrival).status_code == 200
    assert [sync.asked_at for sync in caller.connection.history] == [1_800_000_020] * (method == "POST")
    assert caller.simulator.seen[0].acts_at == 1_800_000_020


def test_waiting_for_an_answer_ends_with_the_client() -> None:
    """Nobody waits with an answer for a client that has gone, and one that stays gets it after that time."""
    clock = VirtualClock()
    ours, client = _connected()
    with ours:
        faults.wait(ours, clock, 25)
        client.close()
        with pytest.raises(ConnectionAbortedError):
            faults.wait(ours, clock, 1000)

    assert clock.monotonic() == 25


def test_latency_skew_and_a_clock_ahead() -> None:
    """Every answer takes its time; `Date` may be ahead of the dates, and all of Fivetran's clock of the job's."""
    simulator = Simulator(Scenario(latency=2, skew=30, ahead=600, syncs=(SyncPlan(lasts=8),)), VirtualClock())
    client = Client(simulator)
    headers = Caller(Scenario()).headers

    client.post(f"{HOME}/sync", headers=headers, data=b"{}")
    simulator.clock.sleep(20)
    answer = client.get(HOME, headers=headers)

    assert answer.headers["Date"] == "Fri, 15 Jan 2027 08:10:54 GMT"
    assert json.loads(answer.get_data())["data"]["succeeded_at"] == "2027-01-15T08:10:08.000000Z"


def test_answer_without_a_date() -> None:
    """A fault may take the `Date` from some answers alone."""
    simulator = Simulator(Scenario(faults=(Fault(does="undated"),)), VirtualClock())

    dated = [Client(simulator).get(HOME).headers.get("Date") for _ in range(2)]

    assert dated == [None, "Fri, 15 Jan 2027 08:00:00 GMT"]


@pytest.mark.parametrize(("when", "statuses"), [("syncing", [200, 503]), ("idle", [503, 200])])
def test_fault_while_a_sync_is_running(when: str, statuses: list[int]) -> None:
    """A fault may meet only requests that arrive while a sync is running, or only while none is."""
    caller = Caller(Scenario(faults=(Fault(on="get", when=when, times=0, status=503, code="Down"),)))
    answered = [caller.ask("GET")[0]]
    caller.trigger()

    assert [*answered, caller.ask("GET")[0]] == statuses


# --- The socket ---------------------------------------------------------------------------------


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        return server.accept()[0], client


def _reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


@pytest.mark.parametrize("leave", [socket.socket.close, _reset])
@pytest.mark.parametrize(
    "fault",
    [
        lambda ours: faults.strike("hang", ours, VirtualClock(), b""),
        lambda ours: faults.strike("trickle", ours, VirtualClock(), b"x" * 10_000_000),
    ],
)
def test_endless_fault_ends_with_the_client(
    fault: Callable[[socket.socket], None], leave: Callable[[socket.socket], None]
) -> None:
    """A connection that hangs or trickles is given up as soon as the client has gone, however it went."""
    ours, client = _connected()
    with ours:
        leave(client)
        ended = threading.Event()

        def meet() -> None:
            with pytest.raises(ConnectionAbortedError):
                fault(ours)
            ended.set()

        thread = threading.Thread(target=meet, daemon=True)
        thread.start()
        thread.join(10.0)

    assert ended.is_set()


def test_taken_port() -> None:
    """A port that is taken is an error for the caller, not the end of the process."""
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(OSError, match="in use"),
    ):
        bind(Simulator(Scenario(), VirtualClock()), taken.getsockname()[1])


# --- What is kept about a connection ----------------------------------------------------------------


def test_history_has_each_sync_of_the_window() -> None:
    """The history has the syncs that lie in the time range, newest first, and what became of each."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=20, ends="fails"), SyncPlan(queued=10, lasts=20))))
    caller.trigger()
    caller.look(3600)
    caller.trigger()
    window = "/sync-history?start_time=2027-01-15T08:00:00Z&end_time=2027-01-15T"

    _, early = caller.ask("GET", f"{window}08:30:00Z")
    _, late = caller.ask("GET", f"{window}10:00:00Z")

    assert [item["status"] for item in early["data"]["items"]] == ["FAILURE"]
    assert [(item["status"], item["start"]) for item in late["data"]["items"]] == [
        (None, None),
        ("FAILURE", "2027-01-15T08:00:00.000000Z"),
    ]


@pytest.mark.parametrize(
    "query", ["", "?start_time=2027-01-15T08:00:00Z", "?start_time=2027-01-01&end_time=2027-01-15"]
)
def test_history_of_an_impossible_window(query: str) -> None:
    """A time range that is incomplete or longer than seven days is rejected."""
    status, document = Caller(Scenario()).ask("GET", f"/sync-history{query}")

    assert (status, document["code"]) == (400, "InvalidInput")


def test_history_that_lags() -> None:
    """A history may lag: a sync, and what became of it, are listed so many seconds late."""
    caller = Caller(Scenario(history_delay=30, syncs=(SyncPlan(lasts=20, history_status="SUCCESSFUL"),)))
    caller.trigger()
    window = "/sync-history?start_time=2027-01-15T08:00:00Z&end_time=2027-01-15T10:00:00Z"

    statuses = []
    for later in (25, 10, 20):
        caller.clock.sleep(later)
        statuses.append([item["status"] for item in caller.ask("GET", window)[1]["data"]["items"]])

    assert statuses == [[], [None], ["SUCCESSFUL"]]


@pytest.mark.parametrize(("available", "status"), [(True, 200), (False, 403)])
def test_warnings(status: int, *, available: bool) -> None:
    """The warnings are listed by table where the account has them, and there are any."""
    warning = {"code": "slow", "message": "The source is slow"}
    caller = Caller(Scenario(warnings=available, connection={"status": {"warnings": [warning]}}))
    none = Caller(Scenario()).ask("GET", "/warnings")[1]["data"]

    answered, document = caller.ask("GET", "/warnings")

    assert (answered, none) == (status, {"items": []})
    assert document.get("data", {}).get("items") == (
        [{"schema": "demo", "table": "orders", "warnings": [warning]}] if available else None
    )


# --- For the debugger -------------------------------------------------------------------------------


def test_no_fault_strikes_meanwhile() -> None:
    """Without faults for a while, requests pass, and no fault is used up."""
    caller = Caller(Scenario(faults=(Fault(on="get", status=503, code="Down"),)))

    with caller.simulator.faultless():
        passed = caller.ask("GET")[0]

    assert (passed, caller.ask("GET")[0], caller.ask("GET")[0]) == (200, 503, 200)


def test_twin_goes_on_by_itself() -> None:
    """A twin stands where the simulator stood, syncs and faults alike; what becomes of it is not the other's."""
    caller = Caller(
        Scenario(syncs=(SyncPlan(lasts=60),), faults=(Fault(on="patch", status=503, code="Down", times=2),))
    )
    caller.ask("POST", "/sync", {"force": False})
    caller.ask("PATCH", "", {"paused": True})
    other = Caller(Scenario())
    other.simulator = caller.simulator.twin(other.clock)
    other.client = Client(other.simulator)

    struck, passed = (other.ask("PATCH", "", {"paused": True})[0] for _ in range(2))
    over = other.look(60)

    assert (struck, passed) == (503, 200)
    assert over["succeeded_at"] == "2027-01-15T08:01:00.000000Z"
    assert caller.look()["status"]["sync_state"] == "syncing"
    assert caller.ask("PATCH", "", {"paused": True})[0] == 503


@pytest.mark.parametrize("state", ["scheduled", "syncing", "paused", "rescheduled"])
def test_connection_adopts_a_document(state: str) -> None:
    """A connection that adopts a document is as that says, and goes on from there with the scenario's syncs."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=60, queued=30),)))
    until = {"rescheduled_for": "2027-01-15T09:00:00.000000Z"} if state == "rescheduled" else {}
    document: dict[str, Any] = {
        "id": "speak_inexpensive",
        "service": "snowflake",
        "succeeded_at": "2027-01-15T07:00:00.000000Z",
        "schedule_type": "manual",
        "status": {"sync_state": state, "setup_state": "connected", **until},
    }

    caller.simulator.connection("speak_inexpensive").adopt(document, "sync" if state == "syncing" else "")

    shown = caller.look()
    assert {**shown, "status": {**shown["status"], **document["status"]}} == {
        **shown,
        **document,
        "status": shown["status"],
    }
    assert (shown["status"]["sync_state"], shown["paused"]) == (state, state == "paused")
    assert caller.look(60)["succeeded_at"][:16] == ("2027-01-15T08:01" if state == "syncing" else "2027-01-15T07:00")


def test_connection_adopts_a_document_without_a_status() -> None:
    """What a document does not say is as it was."""
    caller = Caller(Scenario())

    caller.simulator.connection("speak_inexpensive").adopt({"service": "snowflake", "status": None}, "")

    assert (caller.look()["service"], caller.look()["status"]["sync_state"]) == ("snowflake", "scheduled")


# --- The listing ----------------------------------------------------------------------------------

NEIGHBOURS = tuple({"id": f"id_{number}", "schema": f"schema_{number}"} for number in range(4))
MANY = Scenario(neighbours=NEIGHBOURS)


def _ids(caller: Caller, path: str) -> list[str]:
    status, body = caller.ask("GET", path)
    assert status == 200
    return [each["id"] for each in body["data"]["items"]]


@pytest.mark.parametrize("path", ["/v1/connections", "/v1/groups/projected_sickle/connections"])
def test_listing_has_the_document_of_the_single_get(path: str) -> None:
    """The account's listing and its group's have each connection with the very document that a GET of it has."""
    caller = Caller(Scenario(connection={"schedule_type": "manual"}))

    status, body = caller.ask("GET", path)

    assert (status, body["data"]) == (200, {"items": [caller.ask("GET")[1]["data"]]})


def test_listing_in_pages() -> None:
    """Pages have as many connections as is asked for, each connection is on one of them, and the last has no cursor."""
    caller, pages, cursor = Caller(MANY), list[list[str]](), ""

    while len(pages) < 9:
        status, body = caller.ask("GET", f"/v1/connections?limit=2{cursor}")
        assert status == 200
        pages.append([each["id"] for each in body["data"]["items"]])
        if "next_cursor" not in body["data"]:
            break
        cursor = f"&cursor={body['data']['next_cursor']}"

    assert pages == [["id_0", "id_1"], ["id_2", "id_3"], ["speak_inexpensive"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?schema=schema_2", ["id_2"]),
        ("?schema=schema", []),
        ("?group_id=projected_sickle&schema=demo", ["speak_inexpensive"]),
        ("?group_id=another", []),
    ],
)
def test_listing_is_filtered(query: str, expected: list[str]) -> None:
    """`schema` and `group_id` match exactly or not at all."""
    assert _ids(Caller(MANY), f"/v1/connections{query}") == expected


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/connections?limit=0", 400),
        ("/v1/connections?limit=1001", 400),
        ("/v1/connections?limit=many", 400),
        ("/v1/connections?cursor=a", 400),
        ("/v1/connections?cursor=bm9uZQ==", 400),
        ("/v1/groups/another/connections", 404),
    ],
)
def test_listing_that_cannot_be(path: str, status: int) -> None:
    """A page of no size, after no connection or of no group is refused."""
    assert Caller(MANY).ask("GET", path)[0] == status


def test_listing_needs_a_key() -> None:
    """The listing is for the account's keys alone, and only read."""
    caller = Caller(MANY)

    assert caller.ask("GET", "/v1/connections", headers={"Authorization": ""})[0] == 401
    assert caller.ask("POST", "/v1/connections", {})[0] == 404


def test_listing_of_an_account_without_the_connection() -> None:
    """A connection that does not exist is not listed; its neighbours are, each as the scenario has it."""
    caller = Caller(replace(MANY, exists=False, neighbours=({"id": "one", "status": {"setup_state": "broken"}},)))

    status, body = caller.ask("GET", "/v1/connections")

    (document,) = body["data"]["items"]
    assert (status, document["id"], document["service"]) == (200, "one", "postgres")
    assert (document["status"]["setup_state"], document["status"]["sync_state"]) == ("broken", "scheduled")


def test_listing_that_differs() -> None:
    """A scenario may have the listing say something else than the connection's own document."""
    caller = Caller(Scenario(listed={"schedule_type": "manual", "succeeded_at": "null"}))

    (document,) = caller.ask("GET", "/v1/connections")[1]["data"]["items"]

    assert (document["schedule_type"], document["succeeded_at"]) == ("manual", None)
    assert caller.ask("GET")[1]["data"]["schedule_type"] == "auto"


def test_listing_that_is_late() -> None:
    """A fault may befall the listing as any other request, and be a late answer."""
    late = Fault(on="listing", does="slow", acts_in=5)
    caller = Caller(replace(MANY, faults=(late,)))

    assert len(_ids(caller, "/v1/connections")) == 5
    assert caller.simulator.seen[-1].identity == ""


def test_neighbour_without_an_id() -> None:
    """A neighbour needs an id."""
    with pytest.raises(ScenarioError, match="neighbours: give each an id"):
        parse_scenario("odd", '[[neighbours]]\nschema = "x"')
