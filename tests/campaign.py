"""Play made-up worlds, as many as wished, and tell what the oracles found; for ten of them also a made-up fleet.

    python tests/campaign.py --runs 100000
    python tests/campaign.py --only 4711         one world, told in full
    python tests/campaign.py --fleet 471         one fleet, told in full

For each violation the world is made as small as it gets, and written as a scenario that
`fivetran-orchestrator debug --scenario FILE` opens. docs/reliability.md says what is played.
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from pathlib import Path

from fleet_oracles import EVERY_ORACLE, judge_fleet
from oracles import Finding, judge
from playing import Played, play, quickly
from playing_fleets import PlayedFleet, play_fleet
from shrinking import shrunk, shrunk_fleet, written, written_fleet
from worlds import ACTIONS, Fleet, World, make, make_fleet

from orchestrator.machine.loader import load

__all__ = ["Tally", "main", "tallied"]

EACH = 10  # worlds by themselves for each fleet
CHUNK = 100  # worlds that a worker plays at a time
MOST_SHRUNK = 3  # violations of one oracle that are made small


@dataclass
class Tally:
    """What became of many runs.

    Attributes:
        runs: How many.
        requests: How many requests they made.
        seconds: Processor time that they took.
        verdicts: Action and verdict -> runs.
        edges: Action -> edges taken.
        exceptions: Oracle and exception -> runs.
        violations: Oracle -> seeds.
        examples: Oracle and exception -> the first seed.
        fleets: How many fleets were played besides.
        members: How many runs were begun in them.
        fleet_verdicts: Action and verdict -> runs in fleets.
        fleet_violations: Oracle -> seeds of fleets.
        fleet_exceptions: Oracle and exception -> runs in fleets.
    """

    runs: int = 0
    requests: int = 0
    seconds: float = 0.0
    verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    edges: dict[str, set[tuple[str, str]]] = field(default_factory=dict)
    exceptions: Counter[tuple[str, str]] = field(default_factory=Counter)
    violations: dict[str, list[int]] = field(default_factory=dict)
    examples: dict[tuple[str, str], int] = field(default_factory=dict)
    fleets: int = 0
    members: int = 0
    fleet_verdicts: Counter[tuple[str, str]] = field(default_factory=Counter)
    fleet_violations: dict[str, list[int]] = field(default_factory=dict)
    fleet_exceptions: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, played: Played, found: list[Finding]) -> None:
        """Count a run."""
        world = played.world
        self.runs += 1
        self.requests += len(played.sent)
        self.verdicts[world.action, str(played.verdict)] += 1
        self.edges.setdefault(world.action, set()).update(played.edges)
        for oracle, exception in sorted({(finding.oracle, finding.exception) for finding in found}):
            self.examples.setdefault((oracle, exception), world.seed)
            if exception:
                self.exceptions[oracle, exception] += 1
            else:
                self.violations.setdefault(oracle, []).append(world.seed)

    def add_fleet(self, played: PlayedFleet, found: list[Finding]) -> None:
        """Count a fleet."""
        action = played.fleet.first.action
        self.fleets += 1
        self.members += len(played.members)
        self.requests += len(played.posted)
        for one in played.members.values():
            self.fleet_verdicts[action, one.verdict] += 1
            self.edges.setdefault(action, set()).update(one.edges)
        self.fleet_exceptions.update((finding.oracle, finding.exception) for finding in found if finding.exception)
        for oracle in {finding.oracle for finding in found if not finding.exception}:
            self.fleet_violations.setdefault(oracle, []).append(played.fleet.seed)

    def merge(self, other: "Tally") -> None:
        """Count the runs of another one, too."""
        self.runs += other.runs
        self.requests += other.requests
        self.seconds += other.seconds
        self.verdicts.update(other.verdicts)
        self.exceptions.update(other.exceptions)
        for action, edges in other.edges.items():
            self.edges.setdefault(action, set()).update(edges)
        for oracle, seeds in other.violations.items():
            self.violations[oracle] = sorted([*self.violations.get(oracle, []), *seeds])
        self.fleets += other.fleets
        self.members += other.members
        self.fleet_verdicts.update(other.fleet_verdicts)
        self.fleet_exceptions.update(other.fleet_exceptions)
        for oracle, seeds in other.fleet_violations.items():
            self.fleet_violations[oracle] = sorted([*self.fleet_violations.get(oracle, []), *seeds])
        for key, seed in other.examples.items():
            self.examples[key] = min(seed, self.examples.get(key, seed))


def tallied(first: int, runs: int, action: str | None = None) -> Tally:
    """Play the worlds of so many numbers, from the first one on, and the fleets of every tenth of them."""
    tally = Tally()
    began = time.process_time()
    with quickly():
        for seed in range(first, first + runs):
            played = play(make(seed, action))
            tally.add(played, judge(played))
            if seed % EACH == 0:
                together = play_fleet(make_fleet(seed // EACH, action))
                tally.add_fleet(together, judge_fleet(together))
    tally.seconds = time.process_time() - began
    return tally


def _spread(first: int, runs: int, jobs: int, action: str | None) -> Iterator[Tally]:
    """The tallies of chunks, as they come."""
    chunks = [(start, min(CHUNK, first + runs - start)) for start in range(first, first + runs, CHUNK)]
    if jobs == 1:
        for start, size in chunks:
            yield tallied(start, size, action)
        return
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(tallied, start, size, action) for start, size in chunks]
        for future in as_completed(futures):
            yield future.result()


def _finds(oracle: str) -> Callable[[World], bool]:
    """Whether that oracle is violated in a world."""

    def found(world: World) -> bool:
        try:
            played = play(world)
        except ValueError:  # the smaller world is none
            return False
        return any(finding.oracle == oracle and not finding.exception for finding in judge(played))

    return found


def smallest(seed: int, oracle: str, action: str | None, folder: Path) -> Path:
    """Make the world of a violation small, and write it down.

    Args:
        seed: Its number.
        oracle: The oracle that is violated.
        action: As for `make`.
        folder: Where it is written.
    """
    with quickly():
        world = shrunk(make(seed, action), _finds(oracle))
        played = play(world)
    words = [finding.words for finding in judge(played) if finding.oracle == oracle and not finding.exception]
    scenario = replace(
        world.scenario,
        title=f"{oracle}: {EVERY_ORACLE[oracle]}",
        verdict=str(played.verdict),
        exit_code=70 if played.code is None else played.code,
    )
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{oracle.replace(' ', '_')}_{seed}.toml"
    comments = [f"made-up world {seed}, made small: {world.action} ended as {played.verdict or played.failure}", *words]
    file.write_text(written(replace(world, scenario=scenario), comments), "utf-8")
    return file


def _finds_in_fleet(oracle: str) -> Callable[[Fleet], bool]:
    """Whether that oracle is violated in a fleet."""

    def found(fleet: Fleet) -> bool:
        try:
            played = play_fleet(fleet)
        except ValueError:  # the smaller one is none
            return False
        return any(finding.oracle == oracle and not finding.exception for finding in judge_fleet(played))

    return found


def smallest_fleet(seed: int, oracle: str, action: str | None, folder: Path) -> Path:
    """Make the fleet of a violation small, and write it down; the arguments are those of `smallest`."""
    with quickly():
        fleet = shrunk_fleet(make_fleet(seed, action), _finds_in_fleet(oracle))
        found = judge_fleet(play_fleet(fleet))
    words = [finding.words for finding in found if finding.oracle == oracle and not finding.exception]
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{oracle.replace(' ', '_')}_fleet_{seed}.txt"
    told = [
        f"{oracle}: {EVERY_ORACLE[oracle]}",
        *words,
        f"python tests/campaign.py --fleet {seed}   before it was made small",
    ]
    file.write_text(written_fleet(fleet, told), "utf-8")
    return file


def _told(tally: Tally) -> Iterator[str]:
    """The figures, a line each."""
    yield "verdicts"
    for (action, verdict), runs in sorted(tally.verdicts.items()):
        yield f"  {action:13} {verdict or '(none)':14} {runs:8}"
    yield "edges taken"
    for action, edges in sorted(tally.edges.items()):
        every = {(source, event) for source, event, _ in load(action).edges()}
        yield f"  {action:13} {len(edges & every)} of {len(every)}"
        missing = sorted(every - edges)
        if missing:
            yield f"    never: {', '.join(f'{source} {event}' for source, event in missing)}"
    yield "inherent exceptions"
    for (oracle, exception), runs in tally.exceptions.most_common():
        seed = tally.examples[oracle, exception]
        yield f"  {runs:8} ({1000 * runs / tally.runs:.2f} in 1000)  {oracle}: {exception} (such as {seed})"
    yield f"in fleets: {tally.fleets} fleets, {tally.members} members"
    for (action, verdict), runs in sorted(tally.fleet_verdicts.items()):
        yield f"  {action:13} {verdict or '(none)':14} {runs:8}"
    for (oracle, exception), runs in tally.fleet_exceptions.most_common():
        yield f"  {runs:8} ({1000 * runs / max(1, tally.members):.2f} in 1000)  {oracle}: {exception}"
    yield "violations by runs alone, and in fleets"
    for oracle in EVERY_ORACLE:
        alone, fleets = (len(found.get(oracle, [])) for found in (tally.violations, tally.fleet_violations))
        yield f"  {alone:8} {fleets:8}  {oracle}: {EVERY_ORACLE[oracle]}"


def _one(seed: int, action: str | None) -> int:
    """Tell one world in full."""
    with quickly():
        played = play(make(seed, action))
    print(written(played.world, [f"made-up world {seed}"]))
    at = played.began
    for sent in played.sent:
        outcome = "answered" if sent.answered else "not answered"
        print(f"{sent.at - at:9.3f} to {sent.until - at:9.3f}  {sent.request} {sent.request.body or ''} {outcome}")
    for sync in played.connection.history:
        ended = "" if sync.ended_at is None else f"{sync.ended_at - at:.3f}"
        life = f"asked {sync.asked_at - at:.3f}, from {sync.starts_at - at:.3f} to {ended}"
        print(f"sync by {sync.cause}: {life}: {sync.outcome}")
    print(f"ended after {played.ended - at:.3f} s as {played.verdict}, exit code {played.code} {played.failure}")
    found = judge(played)
    for finding in found:
        print(f"{finding.oracle}: {finding.exception or 'VIOLATED'}: {finding.words}")
    return int(any(not finding.exception for finding in found))


def _one_fleet(seed: int, action: str | None) -> int:
    """Tell one fleet in full."""
    with quickly():
        played = play_fleet(make_fleet(seed, action))
    print(written_fleet(played.fleet, [f"made-up fleet {seed}"]))
    for sent in played.posted:
        print(f"{sent.at:9.3f}  {sent.whose or 'all':12} {sent.request}")
    for name, one in played.members.items():
        print(f"{name} ended after {one.ended - one.began:.3f} s as {one.verdict}, exit code {one.code} {one.failure}")
    print(f"never begun: {', '.join(played.left_out) or 'none'} {played.failure}")
    found = judge_fleet(played)
    for finding in found:
        print(f"{finding.oracle}: {finding.exception or 'VIOLATED'}: {finding.words}")
    return int(any(not finding.exception for finding in found))


def main(arguments: list[str] | None = None) -> int:
    """Play them, and print what was found.

    Returns:
        0 if the oracles hold, inherent exceptions aside; 1 if not.
    """
    parser = argparse.ArgumentParser(description="Play made-up worlds, and tell what the oracles found.")
    parser.add_argument("--runs", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes (default: one a core)")
    parser.add_argument("--seed", type=int, default=0, help="the first world's number (default: 0)")
    parser.add_argument("--action", choices=sorted(set(ACTIONS)), help="only this action")
    parser.add_argument("--only", type=int, metavar="SEED", help="play this one world, and tell it in full")
    parser.add_argument("--fleet", type=int, metavar="SEED", help="play this one fleet, and tell it in full")
    parser.add_argument("--into", type=Path, default=Path("dataops/campaign"), help="where scenarios are written")
    told = parser.parse_args(arguments)
    if told.only is not None:
        return _one(told.only, told.action)
    if told.fleet is not None:
        return _one_fleet(told.fleet, told.action)
    began, tally = time.monotonic(), Tally()
    for part in _spread(told.seed, told.runs, told.jobs, told.action):
        tally.merge(part)
        if sys.stderr.isatty():
            bad = sum(map(len, (*tally.violations.values(), *tally.fleet_violations.values())))
            print(f"\r{tally.runs} of {told.runs} runs, {bad} violations ", end="", file=sys.stderr, flush=True)
    if sys.stderr.isatty():
        print(file=sys.stderr)
    took = time.monotonic() - began
    print(
        f"{tally.runs} runs, and {tally.fleets} fleets with {tally.members} members, with {tally.requests} requests "
        f"in {took:.0f} s: {(every := tally.runs + tally.members) / took:.0f} runs/s, "
        f"{every / tally.seconds:.0f} a second of processor time"
    )
    print("\n".join(_told(tally)))
    for oracle, seeds in tally.violations.items():
        for seed in seeds[:MOST_SHRUNK]:
            print(f"{oracle}: {smallest(seed, oracle, told.action, told.into)}", flush=True)
    for oracle, seeds in tally.fleet_violations.items():
        for seed in seeds[:MOST_SHRUNK]:
            print(f"{oracle}: {smallest_fleet(seed, oracle, told.action, told.into)}", flush=True)
    return int(bool(tally.violations or tally.fleet_violations))


if __name__ == "__main__":
    sys.exit(main())
