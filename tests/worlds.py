"""Made-up worlds: what Fivetran, the network, other people and the runner do to one run, or to a fleet of them.

One whole number makes a world, and the same one each time: `make(7)`, `make_fleet(7)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from orchestrator.job.configuration import ConfigurationError, configure
from orchestrator.simulator.rehearsal import variables
from orchestrator.simulator.scenario import Fault, Other, Scenario, SyncPlan

__all__ = ["ACTIONS", "Fleet", "Kill", "Trouble", "World", "make", "make_fleet", "together"]

# START is what there is most to go wrong with.
ACTIONS = ("START",) * 11 + ("FORCE_RESYNC",) * 6 + ("STATUS", "TEST", "TEST")


@dataclass(frozen=True)
class Kill:
    """The process dies, and is started again later.

    Attributes:
        step: In or after which step, counted over all of the run's processes.
        when: "unsent" or "unheard" (in its first request, before it was sent or before it was answered), "unkept"
            (before the step was written down) or "between" (afterwards).
        down: Seconds until it is started again.
    """

    step: int
    when: str
    down: float


@dataclass(frozen=True)
class World:
    """A made-up world.

    Attributes:
        seed: What it was made from.
        action: FIVETRAN_ACTION.
        scenario: The simulated Fivetran, and the job's variables.
        jitter: What each draw for a back-off gives.
        kills: When the process dies.
        signal: Seconds until a signal arrives, and its event; or None.
        durations: What the state file of an earlier job says of how long syncs take.
    """

    seed: int
    action: str
    scenario: Scenario
    jitter: float = 0.0
    kills: tuple[Kill, ...] = ()
    signal: tuple[float, str] | None = None
    durations: tuple[float, ...] = ()

    def variable(self, name: str, default: str = "") -> str:
        """The value of one of the job's variables."""
        return self.scenario.variables.get(name, default)


@dataclass
class _Dice:
    """Draws."""

    random: Random
    taken: dict[str, str] = field(default_factory=dict)

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def one(self, *choices: Any) -> Any:
        return choices[int(self.random.random() * len(choices))]

    def seconds(self, least: float, most: float) -> float:
        """Whole ones as often as not: what falls into the same second is what goes wrong."""
        digits: int = self.one(0, 0, 1, 3)
        return round(self.random.uniform(least, most), digits)


def _understood(name: str, value: str) -> bool:
    """Whether this version has a variable, and takes that value."""
    try:
        given = configure({**variables(Scenario(), "http://127.0.0.1"), name: value})
    except ConfigurationError:
        return False
    return name in given.inputs


_NEW = {
    (name, value): _understood(name, value)
    for name, value in (("FIVETRAN_EVIDENCE", "red"), ("FIVETRAN_ON_BROKEN", "sync"))
}


def make(seed: int, action: str | None = None) -> World:
    """The world of that number.

    Args:
        seed: Any whole number.
        action: FIVETRAN_ACTION; drawn, too, when None.
    """
    dice = _Dice(Random(seed))  # noqa: S311  # not for secrets
    drawn = dice.one(*ACTIONS)
    action = action or drawn
    given = _variables(dice, action)
    timeout = float(given.get("FIVETRAN_TIMEOUT", "300"))
    paused = dice.chance(0.09)
    scenario = Scenario(
        name=f"world_{seed}",
        title=f"made-up world {seed}",
        variables=given,
        connection=_connection(dice, paused=paused),
        overdue=dice.chance(0.3),
        unpausing_starts=dice.chance(0.4),
        clashes=dice.chance(0.5),
        sync_conflicts=dice.chance(0.2),
        patch_cancels=dice.chance(0.4),
        stop_takes=dice.one(0.0, 0.0, dice.seconds(0, 60)),
        stop_shows=dice.chance(0.6),
        failure_breaks=dice.chance(0.3),
        table_resync=dice.chance(0.98),
        dated=dice.chance(0.92),
        skew=dice.one(*[0.0] * 17, 1.0, -1.0, dice.seconds(-30, 30)),
        ahead=dice.one(0.0, 0.0, 0.0, 2.5, -2.5, 240.0, -240.0, 5000.0),
        latency=dice.one(0.0, 0.0, 0.04, 0.3, 1.2),
        running=_plan(dice, queued=False) if dice.chance(0.2) else None,
        others=tuple(_other(dice, timeout) for _ in range(dice.one(0, 0, 0, 1, 1, 2))),
        syncs=tuple(_plan(dice) for _ in range(dice.one(1, 1, 2, 3, 4))),
        faults=tuple(_fault(dice, action) for _ in range(dice.one(0, 0, 1, 1, 2, 3))),
        setup_tests=({"title": "Login", "status": dice.one("PASSED", "PASSED", "WARNING", "FAILED", "JOB_FAILED")},),
        test_seconds=dice.one(0.0, 20.0, dice.seconds(1, 200)),
        history=dice.chance(0.75),
        history_delay=dice.one(*[0.0] * 5, dice.seconds(0, 60)),
        errors=dice.chance(0.7),
    )
    kills = tuple(
        Kill(
            dice.one(*range(1, 40)),
            dice.one("unsent", "unheard", "unheard", "unkept", "between"),
            dice.one(0.5, dice.seconds(0, 60)),
        )
        for _ in range(dice.one(1, 1, 2) if dice.chance(0.16) else 0)
    )
    at = dice.seconds(0, timeout)
    signal = (at, dice.one("interrupted", "terminated")) if dice.chance(0.05) else None
    # Drawn last, so that a number keeps its world; the connection's last success was six hours ago, if there was one.
    if action == "STATUS" and (age := dice.one("", "3600", "21700", "86400")):
        given["FIVETRAN_MAX_AGE"] = age
    jitter = dice.one(0.0, 0.0, 0.5, 0.99)
    known = tuple(dice.seconds(1, 160) for _ in range(dice.one(0, 1, 3, 20)))
    return World(seed, action, scenario, jitter, kills, signal, known)


def _variables(dice: _Dice, action: str) -> dict[str, str]:
    """The job's variables. What a version does not know yet is drawn all the same, so that a number keeps its world."""
    running = dice.one("", "", "wait", "attach", "attach", "restart", "restart", "fail")
    if action == "FORCE_RESYNC" and running in {"attach", "restart"}:
        running = "wait"
    drawn = {
        "FIVETRAN_ON_RUNNING": running,
        "FIVETRAN_ON_RESCHEDULE": dice.one("", "", "wait", "fail"),
        "FIVETRAN_ON_BROKEN": dice.one("", "sync"),
        "FIVETRAN_UNPAUSE": dice.one("", "1"),
        "FIVETRAN_RESTORE_SCHEDULE": dice.one("", "", "1"),
        "FIVETRAN_DONT_DISABLE_SYNC": dice.one("", "", "", "1"),
        "FIVETRAN_TIMEOUT": dice.one("", "", "20", "90", "150.5", "600"),
        "FIVETRAN_POLL_INTERVAL": dice.one("", "", "5", "2.5", "20", "45"),
        "FIVETRAN_HTTP_TIMEOUT": dice.one("", "", "10"),
        "FIVETRAN_RETRY_LIMIT": dice.one("", "", "1", "3"),
        "FIVETRAN_EVIDENCE": dice.one("", "", "0", "red"),
    }
    return {name: value for name, value in drawn.items() if value and _NEW.get((name, value), True)}


def _connection(dice: _Dice, *, paused: bool) -> Mapping[str, Any]:
    drawn = dice.one({}, {}, {}, {}, {"schedule_type": "manual"}, {"succeeded_at": "null", "failed_at": "null"})
    schedule = {"schedule_type": "null"} if dice.chance(0.03) else {}
    setup = dice.one(*["connected"] * 36, "broken", "broken", "broken", "incomplete")
    return {
        **drawn,
        **schedule,
        **({"paused": True} if paused else {}),
        **({} if setup == "connected" else {"status": {"setup_state": setup}}),
    }


def _plan(dice: _Dice, *, queued: bool = True) -> SyncPlan:
    return SyncPlan(**_life(dice, queued=queued))


def _life(dice: _Dice, *, queued: bool) -> dict[str, Any]:
    """What becomes of a sync: most succeed, or nothing else would ever be seen."""
    return {
        # One that is queued shows nothing: nobody could know of it.
        "queued": dice.one(0.0, 0.0, dice.seconds(0, 15), dice.seconds(0, 80)) if queued else 0.0,
        "lasts": dice.one(dice.seconds(1, 10), dice.seconds(5, 60), dice.seconds(20, 150)),
        "ends": dice.one(
            *["succeeds"] * 6, "fails", "fails", "vanishes", "reschedules", "reschedules", "pauses", "breaks"
        ),
        "again_in": dice.one(0.0, dice.seconds(0, 60), 400.0),
        "fails_inside": dice.one(None, None, None, None, dice.seconds(0, 30)),
        "shows_after": dice.one(0.0, 0.0, 0.0, dice.seconds(0, 15)),
        "retries_in": dice.one(None, None, dice.seconds(0, 15), dice.seconds(10, 90)),
        "history_status": dice.one(*[""] * 12, "SUCCESSFUL", "INCOMPLETE"),
    }


def _other(dice: _Dice, timeout: float) -> Other:
    after = dice.one("", "", "", "sync", "resync", "patch", "get")
    return Other(
        **_life(dice, queued=dice.chance(0.3)),
        at=dice.one(0.0, dice.seconds(0, 5), dice.seconds(0, 60)) if after else dice.seconds(0, min(timeout, 200)),
        after=after,
        nth=dice.one(1, 1, 2, 4),
        force=dice.chance(0.15),
    )


def _fault(dice: _Dice, action: str) -> Fault:
    trigger = {"FORCE_RESYNC": "resync", "TEST": "test"}.get(action, "sync")
    on = dice.one("any", "get", "get", "patch", trigger, trigger, trigger, "history")
    does = dice.one(
        "answer", "answer", "answer", "slow", "slow", "undated", "reset", "hang", "trickle", "truncate", "short"
    )
    status, code = dice.one(
        (500, ""), (502, ""), (503, "ServiceUnavailable"), (429, "TooManyRequests"), (429, ""), (409, "Conflict"),
        (400, "InvalidInput"), (401, "Unauthorized"), (402, "PaymentRequired"), (403, "Forbidden"), (403, ""),
        (404, "NotFound_Connection"), (404, "NotFound"), (404, ""), (200, ""), (302, ""),
    )  # fmt: skip
    return Fault(
        on=on,
        skip=dice.one(0, 0, 1, 2, 5, 9),
        times=dice.one(1, 1, 1, 2, 4, 20),
        when=dice.one("always", "always", "syncing", "idle"),
        does=does,
        acts=dice.chance(0.5) and (does != "answer" or status in {200, 500, 502, 503}),  # a refusal is one
        acts_in=dice.one(0.0, 0.0, 0.0, dice.seconds(0, 50)),
        answers_in=dice.one(0.0, 0.0, dice.seconds(0, 8), dice.seconds(0, 70)),
        status=status,
        code=code,
        message="made up",
        headers=dice.one({}, {}, {}, {"Retry-After": "7"}, {"Retry-After": "75"}, {"Retry-After": "900"}),
    )


# --- Fleets ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trouble:
    """What meets every request of the account for a while.

    Attributes:
        at: When it begins, in seconds since the job did.
        lasts: How long it lasts, in seconds.
        fault: What a request meets that arrives meanwhile, if it is one that the fault is on; 429 and the like.
    """

    at: float
    lasts: float
    fault: Fault


@dataclass(frozen=True)
class Fleet:
    """A made-up account with several connections, and the job that syncs them.

    Attributes:
        seed: What it was made from.
        members: A world for each connection; they have the job's variables, signal and clock in common.
        parallel: FIVETRAN_MAX_PARALLEL.
        senders: How many requests are under way at once, at most.
        fail: FIVETRAN_FAIL.
        budget: FIVETRAN_BUDGET, or None.
        limit: Requests an hour that the account has; None where answers do not say.
        page: Connections on a page of the listing, at most.
        lacks: Members of a document that the listing has not.
        unlisted: Places of the members that the listing has not.
        strangers: How many other connections it has.
        endless: Its last page names a page that was there before.
        troubles: What meets requests for a while.
        kills: When the process dies; a step is what any run does.
    """

    seed: int
    members: tuple[World, ...]
    parallel: int = 50
    senders: int = 16
    fail: str = "any"
    budget: int | None = None
    limit: int | None = None
    page: int = 1000
    lacks: tuple[str, ...] = ()
    unlisted: frozenset[int] = frozenset()
    strangers: int = 0
    endless: bool = False
    troubles: tuple[Trouble, ...] = ()
    kills: tuple[Kill, ...] = ()

    @property
    def first(self) -> World:
        """The first member's world, whose variables are the job's."""
        return self.members[0]


def together(worlds: tuple[World, ...]) -> tuple[World, ...]:
    """The worlds with all in common that is one thing in an account, or in a job: as the first one has it."""
    first = worlds[0]
    common = {name: getattr(first.scenario, name) for name in ("variables", "ahead", "skew", "dated")}
    return tuple(
        replace(world, scenario=replace(world.scenario, **common), kills=(), signal=first.signal, jitter=first.jitter)
        for world in worlds
    )


def make_fleet(seed: int, action: str | None = None) -> Fleet:
    """The fleet of that number.

    Args:
        seed: Any whole number.
        action: FIVETRAN_ACTION; drawn, too, when None.
    """
    dice = _Dice(Random(f"fleet {seed}"))  # noqa: S311  # not for secrets
    size = dice.one(1, 2, 3, 4, 4, 5, 6, 8, 12, 20)
    first = make(dice.random.getrandbits(30), action)
    others = [make(dice.random.getrandbits(30), first.action) for _ in range(size - 1)]
    if dice.chance(0.5):  # what is wrong is wrong with the account
        others = [replace(world, scenario=replace(world.scenario, faults=())) for world in others]
    members = together((first, *others))
    timeout = float(first.variable("FIVETRAN_TIMEOUT", "300"))
    calm = dice.chance(0.3)
    kills = tuple(
        Kill(
            dice.one(*range(1, 40)) * dice.one(1, size),
            dice.one("unsent", "unheard", "unkept", "between"),
            dice.one(0.5, dice.seconds(0, 60)),
        )
        for _ in range(dice.one(1, 1, 2) if dice.chance(0.12) else 0)
    )
    return Fleet(
        seed,
        members,
        parallel=dice.one(1, 2, 3, 5, 10, 20, 20, 20),
        senders=dice.one(16, 16, 1, 2, 4),
        fail=dice.one("any", "any", "any", "fast", "never"),
        budget=dice.one(*[None] * 6, 60, 200, 2000),
        limit=dice.one(*[None] * 3, 40, 200, 20_000),
        page=dice.one(1000, 1000, 1000, 1, 2, 3, 7),
        lacks=() if calm else dice.one(*[()] * 6, ("failed_at",), ("schedule_type",), ("status",), ("succeeded_at",)),
        unlisted=frozenset(place for place in range(size) if dice.chance(0.1)) if dice.chance(0.3) else frozenset(),
        strangers=dice.one(0, 0, 1, 5, 30),
        endless=dice.chance(0.05),
        troubles=() if calm else tuple(_trouble(dice, first.action, timeout) for _ in range(dice.one(0, 1, 1, 2, 3))),
        kills=kills,
    )


def _trouble(dice: _Dice, action: str, timeout: float) -> Trouble:
    trigger = {"FORCE_RESYNC": "resync", "TEST": "test"}.get(action, "sync")
    on = dice.one("any", "any", "any", "listing", "listing", "listing", "get", trigger, trigger)
    does = dice.one("answer", "answer", "answer", "answer", "slow", "undated", "reset", "hang", "truncate", "short")
    status, code = dice.one(
        (500, ""), (502, ""), (503, "ServiceUnavailable"), (429, "TooManyRequests"), (429, "TooManyRequests"),
        (429, ""), (403, "Forbidden"), (404, "NotFound_Group"), (400, "InvalidInput"), (200, ""),
    )  # fmt: skip
    return Trouble(
        at=dice.one(0.0, dice.seconds(0, 15), dice.seconds(0, timeout)),
        lasts=dice.one(dice.seconds(0, 3), dice.seconds(1, 30), dice.seconds(10, 120)),
        fault=Fault(
            on=on,
            does=does,
            acts=dice.chance(0.5) and (does != "answer" or status in {200, 500, 502, 503}),
            answers_in=dice.one(0.0, 0.0, dice.seconds(0, 8), dice.seconds(0, 70)),
            status=status,
            code=code,
            message="made up",
            headers=dice.one({}, {}, {"Retry-After": "3"}, {"Retry-After": "20"}, {"Retry-After": "75"}),
        ),
    )
