"""The smallest world in which an oracle still finds the same, and how it is written down."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from typing import Any, TypeVar

from worlds import Fleet, World, together

from orchestrator.simulator.scenario import Fault, Other, Scenario, SyncPlan

__all__ = ["shrunk", "shrunk_fleet", "written", "written_fleet"]

MOST_TRIES = 400
_UNTOUCHED = {"name", "title", "verdict", "exit_code"}


T = TypeVar("T")


def shrunk(world: World, still: Callable[[World], bool]) -> World:
    """The world without whatever makes no difference.

    Args:
        world: A world in which it happens.
        still: Whether it happens in another one.
    """
    return _shrunk(world, still, _simpler)


def shrunk_fleet(fleet: Fleet, still: Callable[[Fleet], bool]) -> Fleet:
    """The fleet without whatever makes no difference; the arguments are those of `shrunk`."""
    return _shrunk(fleet, still, _simpler_fleet)


def _shrunk(world: T, still: Callable[[T], bool], simpler: Callable[[T], Iterator[T]]) -> T:
    tries = 0
    smaller = True
    while smaller:
        smaller = False
        for candidate in simpler(world):
            tries += 1
            if tries > MOST_TRIES:
                return world
            if still(candidate):
                world, smaller = candidate, True
                break
    return world


def _simpler_fleet(fleet: Fleet) -> Iterator[Fleet]:
    """Fleets with one thing less, what takes away most first."""
    members = fleet.members
    for half in (members[: len(members) // 2], members[len(members) // 2 :]):
        if 0 < len(half) < len(members):
            yield replace(fleet, members=half, unlisted=frozenset())
    if len(members) > 1:
        for index in range(len(members)):
            yield replace(fleet, members=members[:index] + members[index + 1 :])
    for name in ("troubles", "kills"):
        many = getattr(fleet, name)
        for index in range(len(many)):
            fewer: dict[str, Any] = {name: many[:index] + many[index + 1 :]}
            yield replace(fleet, **fewer)
    for member in fields(fleet):
        if member.name not in {"seed", "members", "troubles", "kills"}:
            usual = _default(member)
            if getattr(fleet, member.name) != usual:
                yield replace(fleet, **{member.name: usual})
    for index, world in enumerate(members):
        for simpler in _simpler(world):
            yield replace(fleet, members=together((*members[:index], simpler, *members[index + 1 :])))


def _simpler(world: World) -> Iterator[World]:
    """Worlds with one thing less, what takes away most first."""
    if world.signal is not None:
        yield replace(world, signal=None)
    for index in range(len(world.kills)):
        yield replace(world, kills=world.kills[:index] + world.kills[index + 1 :])
    if world.jitter:
        yield replace(world, jitter=0.0)
    for scenario in _simpler_scenario(world.scenario):
        yield replace(world, scenario=scenario)


def _simpler_scenario(scenario: Scenario) -> Iterator[Scenario]:
    for name in ("faults", "others", "syncs"):
        many = getattr(scenario, name)
        for index in range(len(many)):
            fewer = many[:index] + many[index + 1 :]
            if fewer or name != "syncs":
                yield _with(scenario, name, fewer)
    for name in scenario.variables:
        yield replace(scenario, variables={key: value for key, value in scenario.variables.items() if key != name})
    for name in scenario.connection:
        yield replace(scenario, connection={key: value for key, value in scenario.connection.items() if key != name})
    yield from _towards_defaults(scenario)
    if scenario.running is not None:
        for plan in _towards_defaults(scenario.running):
            yield replace(scenario, running=plan)
    for name in ("faults", "others", "syncs"):
        many = getattr(scenario, name)
        for index, one in enumerate(many):
            for plainer in _towards_defaults(one):
                yield _with(scenario, name, (*many[:index], plainer, *many[index + 1 :]))


def _with(scenario: Scenario, name: str, value: Any) -> Scenario:
    """The scenario with another value of one member."""
    changed: dict[str, Any] = {name: value}
    return replace(scenario, **changed)


def _towards_defaults(value: Any) -> Iterator[Any]:
    """The same with one member as it is by default, or a number rounded."""
    for member in fields(value):
        now, usual = getattr(value, member.name), _default(member)
        if now == usual or member.name in {*_UNTOUCHED, "faults", "others", "syncs", "variables", "connection"}:
            continue
        yield replace(value, **{member.name: usual})
        if isinstance(now, float) and now != round(now):
            yield replace(value, **{member.name: float(round(now))})


def _default(member: Any) -> Any:
    if member.default_factory is not MISSING:
        return member.default_factory()
    return None if member.default is MISSING else member.default


def written_fleet(fleet: Fleet, comments: list[str]) -> str:
    """The fleet as text: what its connections have in common, and each one's scenario.

    Args:
        fleet: The fleet.
        comments: Lines that go above it.
    """
    lines = [*comments, f"FIVETRAN_ACTION={fleet.first.action}"]
    told = ((member.name, getattr(fleet, member.name), _default(member)) for member in fields(fleet))
    lines += [f"{name} = {now!r}" for name, now, usual in told if name != "members" and now != usual]
    common = "\n".join(f"# {line}" for line in lines)
    parts = [f"# --- {place}\n{written(world, [])}" for place, world in enumerate(fleet.members)]
    return "\n\n".join((common, *parts))


def written(world: World, comments: list[str]) -> str:
    """The world as a scenario file.

    Args:
        world: The world.
        comments: Lines that go above it.
    """
    told = [*comments, f"fivetran-orchestrator debug {world.action} --scenario THIS_FILE"]
    told += [
        f"the process dies in or after step {kill.step} ({kill.when}), and is back after {kill.down:g} s"
        for kill in world.kills
    ]
    told += [f"after {world.signal[0]:g} s a signal arrives: {world.signal[1]}"] if world.signal else []
    told += [f"each back-off is drawn with {world.jitter:g}"] if world.jitter else []
    lines = [f"# {line}" for line in told]
    scenario = world.scenario
    tables = ("running", "syncs", "others", "faults")
    lines += [
        f"{member.name} = {_toml(getattr(scenario, member.name))}"
        for member in fields(scenario)
        if member.name not in {*tables, "name"} and getattr(scenario, member.name) != _default(member)
    ]
    if scenario.running is not None:
        lines += ["", "[running]", *_members(scenario.running)]
    for name in tables[1:]:
        for one in getattr(scenario, name):
            lines += ["", f"[[{name}]]", *_members(one)]
    return "\n".join(lines) + "\n"


def _members(value: SyncPlan | Other | Fault) -> list[str]:
    return [
        f"{member.name} = {_toml(getattr(value, member.name))}"
        for member in fields(value)
        if getattr(value, member.name) != _default(member)
    ]


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
