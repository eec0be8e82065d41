"""A simulated Fivetran with many connections: which there are, how they differ, and what the account may ask."""

import json
import threading
from collections import Counter
from collections.abc import Callable
from statistics import median

import pytest
from caller import HOME, Caller
from process import PATIENCE
from simulated_job import SimulatedJob
from werkzeug.test import Client

from orchestrator.simulator.app import Simulator
from orchestrator.simulator.clock import VirtualClock
from orchestrator.simulator.connection import KEPT
from orchestrator.simulator.identities import CONNECTOR, MOST, identity_at, source_at
from orchestrator.simulator.rate import RateLimit
from orchestrator.simulator.scenario import (
    FLEET,
    Fault,
    Mix,
    Other,
    Scenario,
    ScenarioError,
    SyncPlan,
    load_scenario,
    parse_scenario,
)

GROUP = "/v1/groups/projected_sickle/connections"


def _listed(caller: Caller, path: str = "/v1/connections?limit=1000") -> list[dict[str, object]]:
    status, body = caller.ask("GET", path)
    assert status == 200, body
    found: list[dict[str, object]] = body["data"]["items"]
    return found


def _ids(caller: Caller, path: str = "/v1/connections?limit=1000") -> list[object]:
    return [each["id"] for each in _listed(caller, path)]


# --- Which connections there are ------------------------------------------------------------------


def test_ids_are_two_words_each_once() -> None:
    """There are ids for 20,000 connections, each two words and none twice; the first is the one there always is."""
    ids = [identity_at(place) for place in range(1, MOST + 1)]

    assert ids[0] == CONNECTOR
    assert len(set(ids)) == MOST == 20_000
    assert {len(set(each.split("_"))) for each in ids} == {2}


def test_schemas_are_each_its_own() -> None:
    """Connections read from several services, and each has a schema of its own that begins with the service."""
    sources = [source_at(place) for place in range(1, 101)]

    assert len({each["schema"] for each in sources}) == 100
    assert len({each["service"] for each in sources}) > 5
    assert all(each["schema"].startswith(f"{each['service']}_") for each in sources)


def test_account_has_that_many_connections() -> None:
    """Of a given number of connections each is known, and listed in the order of the ids; any other id is unknown."""
    caller = Caller(Scenario(), connections=30)

    ids = _ids(caller)

    assert ids == sorted(identity_at(place) for place in range(1, 31))
    assert {caller.ask("GET", f"/v1/connections/{each}")[0] for each in ids} == {200}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [("GET", "", None), ("PATCH", "", {"paused": True}), ("POST", "/sync", {"force": True}), ("GET", "/errors", None)],
)
def test_unknown_id_among_many(method: str, path: str, body: object) -> None:
    """An id that none of the connections has is answered 404 in Fivetran's words, and is not remembered."""
    caller = Caller(Scenario(), connections=30)

    status, document = caller.ask(method, f"/v1/connections/mistyped{path}", body)

    assert (status, document["code"]) == (404, "NotFound_Connection")
    assert document["message"] == "Cannot find connection with id 'mistyped'"
    assert "mistyped" not in caller.simulator.connections
    with pytest.raises(KeyError, match="mistyped"):
        caller.simulator.connection("mistyped")


def test_unknown_id_that_is_asked_for_late() -> None:
    """A request about an unknown id that is carried out late is a 404, too."""
    caller = Caller(Scenario(faults=(Fault(on="sync", does="slow", acts_in=5),)), connections=1)

    assert caller.ask("POST", "/v1/connections/mistyped/sync", {"force": False})[0] == 404


def test_pages_of_thousands() -> None:
    """Thousands of connections are listed a thousand at a time, each once."""
    caller, pages, cursor = Caller(Scenario(), connections=2500), list[int](), ""
    found = list[str]()

    while len(pages) < 9:
        _, body = caller.ask("GET", f"{GROUP}?limit=1000{cursor}")
        pages.append(len(body["data"]["items"]))
        found += [each["id"] for each in body["data"]["items"]]
        if "next_cursor" not in body["data"]:
            break
        cursor = f"&cursor={body['data']['next_cursor']}"

    assert pages == [1000, 1000, 500]
    assert found == sorted(identity_at(place) for place in range(1, 2501))


def test_neighbours_are_connections_too() -> None:
    """A scenario's neighbours come on top of the number, each as the scenario has it, by itself and in the listing."""
    neighbour = {"id": "odd_one", "group_id": "elsewhere", "service": "stripe", "status": {"setup_state": "broken"}}
    caller = Caller(Scenario(neighbours=(neighbour,), connection={"paused": True}), connections=2)

    (alone,) = _listed(caller, "/v1/groups/elsewhere/connections")

    assert caller.ask("GET", "/v1/connections/odd_one")[1]["data"] == alone
    assert (alone["id"], alone["service"], alone["paused"]) == ("odd_one", "stripe", False)
    assert len(_ids(caller)) == 3
    assert len(_ids(caller, GROUP)) == 2


def test_neighbour_without_a_group() -> None:
    """A connection that has no group is listed among the account's, once."""
    caller = Caller(Scenario(neighbours=({"id": "odd_one", "group_id": "null"},)), connections=1)

    assert _ids(caller) == ["odd_one", CONNECTOR]
    assert _ids(caller, GROUP) == [CONNECTOR]


def test_one_by_its_schema() -> None:
    """The listing finds the one connection of a schema among many."""
    caller = Caller(Scenario(), connections=30)

    assert _ids(caller, "/v1/connections?group_id=projected_sickle&schema=postgres_8") == [identity_at(8)]
    assert _ids(caller, "/v1/connections?schema=postgres") == []


def test_twin_of_many() -> None:
    """The twin of a simulator with many connections has as many, each as it was, and as many requests left."""
    caller = Caller(Scenario(rate_limit=3), connections=3)
    caller.ask("PATCH", "", {"paused": True})
    other = Caller(Scenario())

    other.simulator = caller.simulator.twin(other.clock)
    other.client = Client(other.simulator)

    assert [each["paused"] for each in _listed(other) if each["id"] == CONNECTOR] == [True]
    assert len(_ids(other)) == 3
    assert other.ask("GET")[0] == 429


# --- How they differ ------------------------------------------------------------------------------

MIXED = """
title = "mixed"
connection = { schedule_type = "manual", status = { schema_status = "blocked" } }
spread = 0.5
faults = [{ on = "patch" }]

[[mix]]
place = 2
every = 3
like = "paused"

[[mix]]
place = 5
verdict = "sync_failed"
exit_code = 1
syncs = [{ lasts = 5, ends = "fails" }]

[[mix]]
place = 6
like = "broken"
title = "paused, too"
connection = { paused = true, status = { is_historical_sync = true } }
"""


def test_mix_names_places() -> None:
    """Of many connections the one at a place differs, and each so many places on; the first rule that fits counts."""
    scenario = parse_scenario("mixed", MIXED)

    assert [scenario.at(place).name for place in range(1, 9)] == [
        *("mixed", "paused", "mixed", "mixed", "paused", "broken", "mixed", "paused")
    ]
    assert scenario.at(5).verdict == "paused"
    assert parse_scenario("single", "[[mix]]\nverdict = 'cancelled'").at(1).verdict == "cancelled"
    assert Mix(Scenario(), 4).takes(8) is False


def test_mix_is_like_another_scenario_but_for_its_keys() -> None:
    """What differs begins as another scenario or the one around it, and has its own keys on top of that."""
    mixed = parse_scenario("mixed", MIXED)

    paused, fails, broken = (each.scenario for each in mixed.mix)

    assert (paused.verdict, paused.exit_code, paused.spread, paused.faults) == ("paused", 7, 0.5, ())
    assert paused.connection["schedule_type"] == "manual"
    assert (fails.title, fails.verdict, fails.syncs) == ("mixed", "sync_failed", (SyncPlan(lasts=5, ends="fails"),))
    assert (broken.title, broken.verdict) == ("paused, too", "broken")
    assert broken.connection == {
        "schedule_type": "manual",
        "paused": True,
        "status": {
            "schema_status": "blocked",
            "setup_state": "broken",
            "tasks": [{"code": "reconnect", "message": "Reconnect your source"}],
            "is_historical_sync": True,
        },
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[mix]", "scenario bad: mix: write [[mix]] above each one"),
        ("mix = [5]", "scenario bad: mix: 5 is not a table"),
        ("[[mix]]\nplace = 'first'", "scenario bad: mix: place: 'first' is not a whole number"),
        ("[[mix]]\nplace = 0", "scenario bad: mix: place is a number from 1 up, and every from 0 up"),
        ("[[mix]]\nevery = -1", "scenario bad: mix: place is a number from 1 up, and every from 0 up"),
        ("[[mix]]\nlike = 5", "scenario bad: mix: like: 5 is not a string"),
        ("[[mix]]\nlike = 'pausd'", "scenario bad: mix: like: no scenario is called 'pausd'; did you mean paused?"),
        ("[[mix]]\nlike = 'fleet'", "scenario bad: mix: like: scenario fleet: mix: there is none inside of another"),
        ("[[mix]]\nmix = []", "scenario bad: mix: mix: there is none inside of another"),
        ("[[mix]]\nevry = 5", "scenario bad: mix: unknown key 'evry'"),
        ("[[mix]]\nsyncs = []", "scenario bad: mix: syncs: empty"),
        (
            "[[mix]]\nlatency = 5",
            "scenario bad: mix: latency cannot differ between connections: put it above all [[mix]]",
        ),
        (
            "[[mix]]\nlike = 'slow'",
            "scenario bad: mix: like: slow: variables cannot differ between connections: put it above all [[mix]]",
        ),
        ("spread = -1", "scenario bad: spread: -1 is not a number from 0 up"),
        ("spread = nan", "scenario bad: spread: nan is not a number from 0 up"),
        ("rate_limit = -1", "scenario bad: rate_limit: -1 is not a number from 0 up"),
    ],
)
def test_malformed_mix(text: str, problem: str) -> None:
    """A malformed mix is refused by the scenario's name, the key and what is wrong there."""
    with pytest.raises(ScenarioError) as refused:
        parse_scenario("bad", text)

    assert str(refused.value).startswith(problem)


def test_connections_are_as_the_mix_says() -> None:
    """Each connection is as the mix says for its place, in its own document and in the listing."""
    text = "[[mix]]\nplace = 2\nlike = 'paused'\n[[mix]]\nplace = 3\nexists = false\n"
    caller = Caller(parse_scenario("mixed", text), connections=4)

    paused = {each["id"]: each["paused"] for each in _listed(caller, GROUP)}

    assert paused == {identity_at(1): False, identity_at(2): True, identity_at(4): False}
    assert caller.ask("GET", f"/v1/connections/{identity_at(3)}")[0] == 404
    assert caller.ask("GET", f"/v1/connections/{identity_at(2)}")[1]["data"]["paused"] is True


def test_groups_of_a_mix() -> None:
    """Some of many connections may be in another group."""
    text = "[[mix]]\nplace = 2\nevery = 2\nconnection = { group_id = 'elsewhere' }"
    caller = Caller(parse_scenario("mixed", text), connections=5)

    assert _ids(caller, "/v1/groups/elsewhere/connections") == sorted([identity_at(2), identity_at(4)])
    assert len(_ids(caller, GROUP)) == 3


def test_fault_of_one_connection() -> None:
    """A fault in the mix meets the requests about those connections only; one above it is met by all together."""
    text = "faults = [{ on = 'sync', status = 500 }]\n[[mix]]\nplace = 2\nfaults = [{ on = 'get', status = 503 }]\n"
    caller = Caller(parse_scenario("mixed", text.replace("}]", ", code = 'Down' }]")), connections=3)
    homes = [f"/v1/connections/{identity_at(place)}" for place in (1, 2, 3, 2)]

    assert [caller.ask("GET", home)[0] for home in homes] == [200, 503, 200, 200]
    assert [caller.ask("POST", f"{home}/sync", {"force": False})[0] for home in homes] == [500, 200, 200, 200]


def _lasted(scenario: Scenario, connections: int) -> list[float]:
    caller = Caller(scenario, connections)
    everything = [caller.simulator.connection(identity_at(place)) for place in range(1, connections + 1)]
    for connection in everything:
        connection.sync(force=False)
    caller.clock.sleep(100_000)
    for connection in everything:
        connection.live()
    return [sync.ends_at - sync.starts_at for connection in everything for sync in connection.history]


def test_spread_of_durations() -> None:
    """With a spread each connection's syncs last their own time, around the one that is given, the same each time."""
    scenario = Scenario(spread=0.4, syncs=(SyncPlan(lasts=60),))

    lasted = _lasted(scenario, 300)

    assert lasted == _lasted(scenario, 300)
    assert len(set(lasted)) == 300
    assert 55 < median(lasted) < 65
    assert sum(40 < each < 90 for each in lasted) > 180
    assert {round(each, 3) for each in _lasted(Scenario(), 5)} == {60}


def test_spread_of_a_sync_that_runs_already() -> None:
    """Another's sync that runs at the start has its connection's pace, too."""
    caller = Caller(Scenario(spread=0.4, running=SyncPlan(lasts=60)), connections=2)

    paces = {caller.simulator.connection(identity_at(place)).history[0].plan.lasts for place in (1, 2)}

    assert len(paces) == 2


def test_faster_mix() -> None:
    """A faster scenario has its mix faster, too, at the same places."""
    fleet = load_scenario(FLEET)

    faster = fleet.faster(10)

    assert [each.place for each in faster.mix] == [each.place for each in fleet.mix]
    assert faster.at(23).syncs[0].lasts == 24


# --- The fleet that comes with the package --------------------------------------------------------


@pytest.mark.parametrize("place", [1, *(each.place for each in load_scenario(FLEET).mix)])
def test_connection_of_the_fleet_ends_as_it_says(simulate: Callable[..., SimulatedJob], place: int) -> None:
    """START ends for each kind of connection in the fleet in the verdict and the exit code that are named there."""
    fleet = load_scenario(FLEET)
    kind = fleet.at(place)

    played = simulate(kind).play(FIVETRAN_TIMEOUT="1h")

    assert played.report is not None
    assert (played.report["verdict"], played.code) == (kind.verdict, kind.exit_code), played.stderr


def test_fleet_in_numbers() -> None:
    """In a hundred connections of the fleet most syncs succeed, and there is one of each kind that does not."""
    fleet = load_scenario(FLEET)

    verdicts = Counter(fleet.at(place).verdict for place in range(101, 201))

    assert verdicts == {"succeeded": 95, "sync_failed": 2, "paused": 1, "too_late": 1, "broken": 1}


def test_fleet_at_any_moment() -> None:
    """Whenever a page is asked for, it has the very documents that the connections have then."""
    caller = Caller(load_scenario(FLEET), connections=30)
    homes = {identity_at(place): caller.simulator.connection(identity_at(place)) for place in range(1, 31)}
    changes: list[tuple[str, str, object]] = [
        ("PATCH", "", {"schedule_type": "manual"}),
        ("POST", "/sync", {"force": False}),
        ("POST", "/sync", {"force": True}),
        ("PATCH", "", {"paused": True}),
        ("PATCH", "", {"paused": False}),
        ("POST", "/schemas/tables/resync", {"public": ["orders"]}),
    ]
    seen = set[str]()

    for method, path, body in changes:
        for identity in homes:
            caller.ask(method, f"/v1/connections/{identity}{path}", body)
        for later in (0.0, 0.5, 20.0, 25.0, 40.0, 300.0):
            caller.clock.sleep(later)
            page = _listed(caller, f"{GROUP}?limit=1000")
            expected = [json.loads(json.dumps(homes[str(each["id"])].document())) for each in page]
            seen |= {each["status"]["sync_state"] for each in expected}

            assert page == expected

    assert seen == {"scheduled", "syncing", "paused", "rescheduled"}


def test_sync_starts_between_two_pages() -> None:
    """A queued sync shows on the first page after its start, though nothing else has happened."""
    caller = Caller(Scenario(syncs=(SyncPlan(queued=10, lasts=20),)), connections=1)
    caller.trigger()
    states = list[object]()

    for later in (0.0, 9.0, 1.0, 19.0, 1.0):
        caller.clock.sleep(later)
        (document,) = _listed(caller)
        states.append(document["status"]["sync_state"])  # type: ignore[index]  # any JSON

    assert states == ["scheduled", "scheduled", "syncing", "syncing", "scheduled"]


# --- Requests an hour -----------------------------------------------------------------------------


def test_rate_limit_is_told() -> None:
    """Each answer of Fivetran's says how many requests an hour there are, and how many of them are left."""
    caller = Caller(Scenario(faults=(Fault(on="patch"),)))

    told = [
        caller.headers_of("GET"),
        caller.headers_of("GET", "/v1/connections"),
        caller.headers_of("PATCH"),
        caller.headers_of("POST", "/nowhere"),
    ]

    assert [each.get("x-rate-limit") for each in told] == ["20000", "20000", None, "20000"]
    assert [each.get("x-rate-limit-remaining") for each in told] == ["19999", "19998", None, "19998"]
    assert "x-rate-limit" not in Caller(Scenario(rate_limit=0)).headers_of("GET")


def test_rate_limit_is_used_up() -> None:
    """Beyond the limit each request is a 429 until the hour after the first ones is over, and changes nothing."""
    caller = Caller(Scenario(rate_limit=3))
    caller.clock.sleep(30)
    for _ in range(3):
        caller.look(60)

    status, body = caller.ask("POST", "/sync", {"force": False})
    wait = float(caller.headers_of("GET")["Retry-After"])

    assert (status, body["code"]) == (429, "TooManyRequests")
    assert body["message"] == "Max 3 api calls allowed in one-hour rolling time period"
    assert caller.connection.history == []
    caller.clock.sleep(wait - 1)
    assert caller.ask("GET")[0] == 429
    caller.clock.sleep(1)
    assert [caller.ask("GET")[0] for _ in range(2)] == [200, 429]


def test_rolling_hour() -> None:
    """Requests count for an hour, to the minute; those beyond the limit do not count."""
    limit, start = RateLimit(10), 1_800_000_000.0

    first = [limit.ask(start + second) for second in (0.0, 59.0, 61.0)]
    more = [limit.ask(start + 3000) for _ in range(8)]

    assert first == [0.0, 0.0, 0.0]
    assert more == [*[0.0] * 7, 600.0]
    assert limit.left == 0
    assert [limit.ask(start + 3600) for _ in range(3)] == [0.0, 0.0, 60.0]
    assert limit.ask(start + 10_000) == 0.0
    assert limit.left == 9


# --- What is kept, and what waits for what --------------------------------------------------------


def test_requests_that_are_kept() -> None:
    """The simulator keeps every request, or only as many of the last ones as it is to."""
    seen = list[list[str]]()
    for kept in (None, 2, 0):
        simulator = Simulator(Scenario(), VirtualClock(), kept=kept)
        for path in (HOME, f"{HOME}/errors", f"{HOME}/warnings"):
            Client(simulator).get(path)
        seen.append([each.operation for each in simulator.seen])

    assert seen == [["get", "errors", "warnings"], ["errors", "warnings"], []]


def test_syncs_that_are_kept() -> None:
    """Where not everything is kept, a connection forgets its first syncs, and each other one keeps its id."""
    caller = Caller(Scenario(syncs=(SyncPlan(lasts=1, ends="fails", retries_in=1),)), kept=0)
    window = "?start_time=2027-01-15T00:00:00Z&end_time=2027-01-16T00:00:00Z"
    ids = set[str]()
    for _ in range(KEPT):
        caller.trigger()
        caller.look(60)
        ids |= {each["sync_id"] for each in caller.ask("GET", f"/sync-history{window}")[1]["data"]["items"]}

    history = caller.connection.history

    assert len(history) == len(caller.connection.triggers) == KEPT
    assert len(ids) == caller.connection.history[-1].number + 1 > KEPT
    assert history[0].origin is None
    assert history[1].origin is history[0]


def test_sync_that_has_not_ended_is_kept() -> None:
    """A sync that has not ended is kept, however many come after it."""
    caller = Caller(Scenario(running=SyncPlan(lasts=1e9), stop_takes=1e6), kept=0)

    for _ in range(KEPT + 5):
        caller.trigger(force=True)

    assert len(caller.connection.history) > KEPT
    assert caller.connection.history[0].cause == "somebody"


@pytest.mark.parametrize("path", [HOME, "/v1/connections"])
def test_nobody_waits_for_who_is_told(path: str) -> None:
    """While somebody is told of a request, others are answered."""
    answered = list[int]()

    def ask() -> None:
        answered.append(Client(simulator).get(HOME).status_code)

    def arrived(seen: object) -> None:
        del seen
        if threading.current_thread() is threading.main_thread():
            other = threading.Thread(target=ask, daemon=True)
            other.start()
            other.join(PATIENCE)
            answered.append(0)

    simulator = Simulator(Scenario(), VirtualClock(), on_arrival=arrived)
    Client(simulator).get(path)

    assert answered == [401, 0]


def test_others_of_a_fleet() -> None:
    """Syncs of others begin on each of many connections by themselves."""
    caller = Caller(Scenario(others=(Other(at=10, lasts=20),)), connections=2)
    _ids(caller)

    caller.clock.sleep(15)

    assert [each["status"]["sync_state"] for each in _listed(caller)] == ["syncing"] * 2  # type: ignore[index]
