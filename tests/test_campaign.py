"""The campaign: its worlds, its oracles, and that it makes violations small. docs/reliability.md says what it plays."""

import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import campaign
import pytest
from campaign import Tally, tallied
from oracles import ORACLES, UNDATED, judge
from playing import Played, Sent, configured, play
from shrinking import shrunk, written
from simulated_job import CONNECTOR, Simulate
from worlds import Kill, World, make

from orchestrator.machine.loader import load
from orchestrator.simulator.app import KEY, SECRET, Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.scenario import Fault, Other, Scenario, SyncPlan, load_scenario, parse_scenario
from orchestrator.values.exchange import Request

pytestmark = pytest.mark.usefixtures("_undrawn")

RUNS = 200  # a chunk; .ci/run plays 10,000
HOME = f"/v1/connections/{CONNECTOR}"


@pytest.mark.parametrize("chunk", range(5))
def test_no_oracle_is_violated(chunk: int) -> None:
    """In a thousand made-up worlds and a hundred fleets no run breaks an oracle; `make campaign` plays more of them."""
    tally = tallied(chunk * RUNS, RUNS)

    assert {oracle: seeds[:5] for oracle, seeds in tally.violations.items()} == {}
    assert {oracle: seeds[:5] for oracle, seeds in tally.fleet_violations.items()} == {}
    assert tally.fleets == RUNS // 10


def test_a_number_is_a_world() -> None:
    """The same number makes the same world, and the same run in it, each time; others make others."""
    assert make(7) == make(7)
    assert make(7) != make(8)
    assert make(7, "TEST").action == "TEST"

    assert [_told(play(make(seed))) for seed in range(40)] == [_told(play(make(seed))) for seed in range(40)]


def _told(played: Played) -> tuple[Any, ...]:
    return played.code, played.verdict, played.ended, [(sent.operation, sent.at, sent.until) for sent in played.sent]


def test_worlds_differ_in_everything() -> None:
    """Every member of a scenario, a sync, a fault and another sync takes more than one value."""
    worlds = [make(seed) for seed in range(1500)]
    scenarios = [world.scenario for world in worlds]
    fixed = {
        (kind.__name__, name)
        for kind, made in (
            (Scenario, scenarios),
            (SyncPlan, [plan for scenario in scenarios for plan in scenario.syncs]),
            (Other, [other for scenario in scenarios for other in scenario.others]),
            (Fault, [fault for scenario in scenarios for fault in scenario.faults]),
        )
        for name in kind.__dataclass_fields__
        if len({str(getattr(one, name)) for one in made}) == 1
    }

    left = {"verdict", "exit_code", "exists", "listed", "neighbours", "warnings", "schemas", "reason", "message"}
    left |= {"mix", "spread", "rate_limit"}  # of many connections
    assert {name for _, name in fixed} == left
    assert {kill.when for world in worlds for kill in world.kills} == {"unsent", "unheard", "unkept", "between"}
    assert {world.action for world in worlds} == {"START", "FORCE_RESYNC", "STATUS", "TEST"}


# --- The player -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", range(3))
def test_job_over_http_does_the_same(simulate: Simulate, chunk: int) -> None:
    """In a world without what takes real time, the job over HTTP ends as the player does, with the same requests."""
    compared = 0
    for seed in range(chunk * 20, chunk * 20 + 20):
        world = make(seed)
        faults = tuple(
            fault for fault in world.scenario.faults if fault.does in {"answer", "reset", "short", "undated"}
        )
        faults = tuple(replace(fault, acts_in=0.0, answers_in=0.0) for fault in faults)
        scenario = replace(world.scenario, faults=faults, latency=0.0, test_seconds=0.0)
        quiet = replace(world, scenario=scenario, kills=(), signal=None, durations=())
        job = simulate(scenario, over_http=True)
        expected = play(quiet)

        interval = world.variable("FIVETRAN_POLL_INTERVAL")
        played = job.play(world.action, jitter=world.jitter, FIVETRAN_POLL_INTERVAL=interval)

        assert played.report is not None
        assert (played.code, played.report["verdict"]) == (expected.code, expected.verdict), f"world {seed}"
        assert played.requests == [sent.operation for sent in expected.sent], f"world {seed}"
        shown = played.stdout + played.stderr
        assert (KEY in shown, SECRET in shown, "Traceback" in shown) == (False, False, False)
        compared += 1
    assert compared == 20


@pytest.mark.parametrize("when", ["unsent", "unheard", "unkept", "between"])
def test_killed_and_taken_up_again(when: str) -> None:
    """A run that dies in or after any of its steps is taken up again, and still has one sync come to its end."""
    for step in range(1, 12):
        world = replace(_world(syncs=(SyncPlan(lasts=95),)), kills=(Kill(step, when, 5.0),))

        played = play(world)

        ended = [sync for sync in played.connection.history if sync.cause == "sync" and sync.outcome == "succeeds"]
        assert (played.resumed is not None, played.code, len(ended)) == (True, 0, 1), f"step {step}"


@pytest.mark.parametrize(("signal", "code"), [("interrupted", 130), ("terminated", 143)])
def test_signal(signal: str, code: int) -> None:
    """A signal ends the run at once, in a pause and in a request."""
    slow = (Fault(on="sync", does="slow", acts_in=20),)
    for at, faults in ((15.0, ()), (5.0, slow)):
        played = play(replace(_world(faults=faults), signal=(at, signal)))

        assert (played.code, played.ended - played.began < at + 3) == (code, True)


def _world(action: str = "START", variables: dict[str, str] | None = None, **scenario: Any) -> World:
    return World(0, action, Scenario(variables=variables or {}, **scenario))


# --- The oracles ----------------------------------------------------------------------------------


class Made:
    """A run made by hand: what it asks, and what it claims in the end."""

    def __init__(self, world: World) -> None:
        self.clock = VirtualClock()
        self.simulator = Simulator(world.scenario, self.clock)
        connection = self.simulator.connection(CONNECTOR)
        self.played = Played(world, load(world.action), connection, self.simulator, self.clock.wall())

    def ask(self, operation: str, after: float = 0.0, *, heard: bool = True, **body: Any) -> None:
        """Ask for something, after some seconds."""
        self.clock.sleep(after)
        method, path = {
            "get": ("GET", ""),
            "patch": ("PATCH", ""),
            "sync": ("POST", "/sync"),
            "resync": ("POST", "/schemas/tables/resync"),
        }[operation]
        now, request = self.clock.wall(), Request(method, HOME + path, "", body or None)
        self.played.connection.live()
        running = self.played.connection.running
        match operation:
            case "patch":
                self.played.connection.modify(body)
            case "sync":
                self.played.connection.sync(force=False)
            case "resync":
                self.played.connection.resync()
        self.played.sent.append(Sent(request, operation, now, now, now, running, answered=heard))
        self.played.connection.after(operation)

    def found(self, after: float, verdict: str, code: int) -> dict[str, str]:
        """End after some seconds with that claim; what the oracles find."""
        self.clock.sleep(after)
        self.played.ended, self.played.verdict, self.played.code = self.clock.wall(), verdict, code
        self.clock.sleep(7200)
        self.played.connection.live()
        return {finding.oracle: finding.exception for finding in judge(self.played)}


BETWEEN = "a sync began between the last look and the request"
KEEP = {"FIVETRAN_DONT_DISABLE_SYNC": "1"}
ATTACH = {**KEEP, "FIVETRAN_ON_RUNNING": "attach"}
Run = Callable[[Made], dict[str, str]]


def _asked(*operations: str, after: float, verdict: str, code: int) -> Run:
    """A run that asks for one thing after the other at once, and ends some seconds later with that claim."""

    def run(made: Made) -> dict[str, str]:
        for operation in operations:
            made.ask(operation)
        return made.found(after, verdict, code)

    return run


def _lost_and_repeated(operation: str, after: float) -> Run:
    def run(made: Made) -> dict[str, str]:
        made.ask("get")
        made.ask(operation, heard=False)
        made.ask("get", after)
        made.ask(operation)
        return made.found(100, "timed_out", 5)

    return run


def _patched(body: dict[str, Any], after: float) -> Run:
    def run(made: Made) -> dict[str, str]:
        made.ask("get", 10.0)
        made.ask("patch", after, run_setup_tests=False, **body)
        return made.found(1, "timed_out", 5)

    return run


BREACHES: dict[str, tuple[World, Run, dict[str, str]]] = {
    "green without a sync": (
        _world(variables=KEEP),
        _asked("get", after=60, verdict="succeeded", code=0),
        {"false green": ""},
    ),
    "green for a sync that runs still": (
        _world(variables=KEEP),
        _asked("get", "sync", after=30, verdict="succeeded", code=0),
        {"false green": ""},
    ),
    "green for a sync from before": (
        _world(variables=KEEP, running=SyncPlan(lasts=20)),
        _asked("get", "sync", after=30, verdict="succeeded", code=0),
        {"false green": ""},
    ),
    "green for the sync attached to": (
        _world(variables=ATTACH, running=SyncPlan(lasts=20)),
        _asked("get", after=30, verdict="succeeded", code=0),
        {},
    ),
    "green for one after the sync attached to": (
        _world(variables=ATTACH, running=SyncPlan(lasts=20, ends="fails"), others=(Other(at=25, lasts=3),)),
        _asked("get", after=30, verdict="succeeded", code=0),
        {"false green": "another sync succeeded after the one attached to had ended otherwise"},
    ),
    "green for one that began between look and trigger": (
        _world(variables=KEEP, others=(Other(after="get", lasts=20),)),
        _asked("get", "sync", after=30, verdict="succeeded", code=0),
        {"false green": BETWEEN},
    ),
    "green without a re-sync": (
        _world("FORCE_RESYNC", KEEP, others=(Other(at=5, lasts=5),)),
        _asked("get", after=30, verdict="succeeded", code=0),
        {"false green": ""},
    ),
    "green for a re-sync that failed": (
        _world("FORCE_RESYNC", KEEP, syncs=(SyncPlan(lasts=10, ends="fails"),)),
        _asked("get", "resync", after=30, verdict="succeeded", code=0),
        {"false green": ""},
    ),
    "green for another sync after a re-sync that failed": (
        _world("FORCE_RESYNC", KEEP, syncs=(SyncPlan(lasts=10, ends="fails"),), others=(Other(at=15, lasts=5),)),
        _asked("get", "resync", after=30, verdict="succeeded", code=0),
        {"false green": "another sync succeeded after the accepted re-sync had ended otherwise"},
    ),
    "red though it succeeded": (
        _world(variables=KEEP, syncs=(SyncPlan(lasts=10),)),
        _asked("get", "sync", after=20, verdict="cancelled", code=1),
        {"false red": ""},
    ),
    "red though it runs": (
        _world(variables=KEEP),
        _asked("get", "sync", after=20, verdict="sync_failed", code=1),
        {"false red": ""},
    ),
    "red for another one": (
        _world(variables=KEEP, running=SyncPlan(lasts=10, ends="fails")),
        _asked("get", after=20, verdict="sync_failed", code=1),
        {"false red": ""},
    ),
    "red with cause": (
        _world(variables=KEEP, syncs=(SyncPlan(lasts=10, ends="fails"),)),
        _asked("get", "sync", after=20, verdict="sync_failed", code=1),
        {},
    ),
    "red where dates run apart": (
        _world(variables=KEEP, skew=20.0, syncs=(SyncPlan(lasts=10),)),
        _asked("get", "sync", after=20, verdict="cancelled", code=1),
        {"false red": "Date and the connection's dates run apart"},
    ),
    "red before Fivetran's own retry": (
        _world(variables=KEEP, syncs=(SyncPlan(lasts=5, ends="fails", retries_in=10), SyncPlan())),
        _asked("get", "sync", after=20, verdict="sync_failed", code=1),
        {"false red": "Fivetran went on with the sync after the last look"},
    ),
    "red for another one that failed after ours succeeded": (
        _world(variables=KEEP, syncs=(SyncPlan(lasts=5),), others=(Other(at=8, lasts=5, ends="fails"),)),
        _asked("get", "sync", after=20, verdict="sync_failed", code=1),
        {"false red": "another sync failed after the job's had succeeded, between two looks"},
    ),
    "two syncs": (
        _world(variables=KEEP, syncs=(SyncPlan(lasts=5),)),
        _lost_and_repeated("sync", 10),
        {"two syncs": ""},
    ),
    "two syncs without a trace": (
        _world(variables=KEEP, syncs=(SyncPlan(lasts=5, ends="vanishes"),)),
        _lost_and_repeated("sync", 10),
        {"two syncs": "a sync left no trace between two looks"},
    ),
    "two re-syncs": (
        _world("FORCE_RESYNC", KEEP, syncs=(SyncPlan(lasts=5),)),
        _lost_and_repeated("resync", 10),
        {"two syncs": "one re-sync too many after a lost answer, by design"},
    ),
    "a PATCH while a sync runs": (
        _world(running=SyncPlan(lasts=100), patch_cancels=True),
        _patched({"schedule_type": "manual"}, 0.0),
        {"schedule": "", "interrupted": ""},
    ),
    "a PATCH some time after the look": (
        _world(others=(Other(at=15, lasts=100),), patch_cancels=True),
        _patched({"schedule_type": "manual"}, 10.0),
        {"schedule": "", "interrupted": ""},
    ),
    "a PATCH straight after the look": (
        _world(others=(Other(after="get", lasts=100),), patch_cancels=True, stop_takes=5.0),
        _patched({"schedule_type": "manual"}, 0.0),
        {"schedule": BETWEEN, "interrupted": BETWEEN},
    ),
    "a schedule that was to be kept": (
        _world(variables=KEEP),
        _patched({"schedule_type": "manual"}, 0.0),
        {"schedule": ""},
    ),
    "a connection un-paused": (_world(variables=KEEP), _patched({"paused": False}, 0.0), {"conduct": ""}),
    "a PATCH after the deadline": (_world(), _patched({"schedule_type": "manual"}, 301.0), {"late change": ""}),
    "too long": (_world(variables=KEEP), _asked("get", after=317, verdict="timed_out", code=5), {"too long": ""}),
    "another action's trigger": (
        _world("STATUS", KEEP),
        _asked("get", "sync", after=1, verdict="shown", code=0),
        {"conduct": ""},
    ),
    "green on an automatic schedule": (
        _world(syncs=(SyncPlan(lasts=10),)),
        _asked("get", "sync", after=20, verdict="succeeded", code=0),
        {"schedule": ""},
    ),
    "fresh, though it is stale": (
        _world("STATUS", {"FIVETRAN_MAX_AGE": "3600"}),
        _asked("get", after=1, verdict="shown", code=0),
        {"freshness": ""},
    ),
    "stale, though it is fresh": (
        _world("STATUS", {"FIVETRAN_MAX_AGE": "86400"}),
        _asked("get", after=1, verdict="stale", code=1),
        {"freshness": ""},
    ),
    "fresh, though nothing tells the time": (
        _world("STATUS", {"FIVETRAN_MAX_AGE": "86400"}, dated=False),
        _asked("get", after=1, verdict="stale", code=1),
        {"freshness": UNDATED},
    ),
    "never fresh": (
        _world("STATUS", {"FIVETRAN_MAX_AGE": "86400"}, connection={"succeeded_at": "null"}),
        _asked("get", after=1, verdict="stale", code=1),
        {},
    ),
    "a schedule that a gate has switched": (
        _world("STATUS", {"FIVETRAN_MAX_AGE": "86400"}),
        _patched({"schedule_type": "manual"}, 0.0),
        {"schedule": ""},
    ),
    "tests that failed": (
        _world("TEST", KEEP, setup_tests=({"title": "Login", "status": "FAILED"},)),
        _asked("get", after=1, verdict="passed", code=0),
        {"setup tests": ""},
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_oracle(name: str) -> None:
    """Each oracle finds its breach, names each inherent exception, and finds nothing where all is well."""
    world, run, expected = BREACHES[name]

    assert run(Made(world)) == expected


def test_crash() -> None:
    """A run that ends in an exception is found, and a chart that goes round in circles is one."""
    chart = load("STATUS")
    initial = chart.states[chart.initial]
    circle = replace(initial, edges=dict.fromkeys(initial.edges, chart.initial))
    endless = replace(chart, states={**chart.states, chart.initial: circle})

    played = play(_world("STATUS", {"FIVETRAN_POLL_INTERVAL": "0.1", "FIVETRAN_TIMEOUT": "31622400"}), endless)

    assert {finding.oracle for finding in judge(played)} == {"crash"}


def test_every_oracle_has_a_breach() -> None:
    """No oracle is without a breach that it is known to find."""
    found = {oracle for _, _, expected in BREACHES.values() for oracle, exception in expected.items() if not exception}

    assert found | {"crash"} == set(ORACLES)


# --- Made small, and written down -------------------------------------------------------------------


def test_world_as_a_scenario() -> None:
    """A world is written as a scenario file that reads as the very same scenario."""
    for seed in range(150):
        world = make(seed)

        text = written(world, ["made up"])

        read = parse_scenario(world.scenario.name, text)
        assert replace(read, setup_tests=tuple(read.setup_tests)) == world.scenario
        assert configured(world).settings.action == world.action


def test_made_small() -> None:
    """What makes no difference is taken away: of a world full of trouble, one date remains that shows late."""
    syncs = (SyncPlan(queued=3.25, lasts=40.5, shows_after=12.0), SyncPlan(ends="fails"))
    busy = _world(variables=KEEP, syncs=syncs, faults=(Fault(), Fault(on="sync")), others=(Other(at=500),), latency=0.3)
    world = replace(busy, kills=(Kill(3, "between", 9.0),), signal=(900.0, "terminated"), jitter=0.5)

    small = shrunk(world, lambda one: any(plan.shows_after for plan in one.scenario.syncs))

    assert small == _world(syncs=(SyncPlan(shows_after=12.0),))


def test_violation_is_written_down(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The campaign ends with 1 where an oracle is violated, and leaves a scenario that can be opened."""
    from oracles import Finding  # noqa: PLC0415  # beside what it stands in for

    def strict(played: Played) -> list[Finding]:
        return (
            [Finding("false red", "", "made up")]
            if played.connection.history
            else [Finding("too long", "so be it", "")]
        )

    monkeypatch.setattr(campaign, "judge", strict)

    code = campaign.main(["--runs", "8", "--jobs", "1", "--action", "START", "--into", str(tmp_path)])

    told = capsys.readouterr().out
    files = re.findall(r"false red: (.*\.toml)", told)
    assert code == 1
    assert files
    scenario = load_scenario(files[0])
    assert scenario.title.startswith("false red: ")
    assert "too long: so be it" in told


def test_as_a_command() -> None:
    """As a command it spreads the worlds over processes, prints what it found, and tells one world in full."""
    root = Path(__file__).parent
    command = [sys.executable, str(root / "campaign.py")]

    many = subprocess.run(
        [*command, "--runs", "4", "--jobs", "2", "--action", "STATUS"], capture_output=True, text=True, check=False
    )
    one = subprocess.run([*command, "--only", "3"], capture_output=True, text=True, check=False)

    assert many.stdout.startswith("4 runs, and 1 fleets with ")
    assert "edges taken" in many.stdout
    assert f"world {3}" in one.stdout
    assert re.search(r"ended after [\d.]+ s as \w+, exit code \d+", one.stdout)


def test_tallies_add_up() -> None:
    """Two tallies make one: counts are added, edges united, the first example is kept."""
    whole, parts = tallied(0, 20), Tally()
    for part in (tallied(10, 10), tallied(0, 10)):
        parts.merge(part)

    assert replace(parts, seconds=0.0) == replace(whole, seconds=0.0)
