"""Runs the tests of tests/fuzz for long: rounds of many examples, each with a seed of its own, on all cores.

A round can be repeated by its seed. What a round finds goes into the test as an `@example`, with the fix.
Fuzzing by coverage (atheris) was tried on answers, the vault and journals, and found nothing that these tests had not:
the readers are guarded by types and lengths, which documents with altered members get to, and random bytes hardly do.

Usage: python tests/fuzz_rounds.py [--examples N] [--seconds N] [--seed N] [--jobs N] [PYTEST_ARGUMENT ...]
"""

import argparse
import os
import random
import re
import subprocess
import sys
import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent / "fuzz"
SEEDS = 10**9


class Round(NamedTuple):
    """One round.

    Attributes:
        seed: What repeats it.
        code: That of pytest: 0 where nothing was found.
        text: What pytest printed.
        seconds: How long it took.
    """

    seed: int
    code: int
    text: str
    seconds: float


def played(seed: int, examples: int, arguments: list[str]) -> Round:
    """A round, in a process of its own.

    Args:
        seed: Its seed.
        examples: Of each test; fewer of those that take long.
        arguments: More arguments of pytest.
    """
    began = time.monotonic()
    command = [
        *(
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--no-header",
            "--tb=short",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
        ),
        *("-o", "faulthandler_timeout=1800", f"--hypothesis-seed={seed}", *(str(FOLDER), *arguments)),
    ]
    environment = {**os.environ, "PYTEST_FUZZ_EXAMPLES": str(examples)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, errors="replace", check=False)
    return Round(seed, done.returncode, done.stdout + done.stderr, time.monotonic() - began)


def main() -> int:
    """Run them.

    Returns:
        0 where nothing was found; 1 where something was.
    """
    parser = argparse.ArgumentParser(description="Fuzz what reads foreign bytes.")
    parser.add_argument("--examples", type=int, default=500, help="of each test in a round (default: 500)")
    parser.add_argument("--seconds", type=float, default=0.0, help="begin rounds for so long (default: one round)")
    parser.add_argument("--seed", type=int, default=None, help="of the first round; the next ones count on from it")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="rounds at a time (default: one a core)")
    told, arguments = parser.parse_known_args()
    seed = random.SystemRandom().randrange(SEEDS) if told.seed is None else told.seed
    until, found, rounds = time.monotonic() + told.seconds, list[Round](), 0
    print(f"fuzzing from seed {seed} on, {told.examples} examples of each test in a round", flush=True)
    with ThreadPoolExecutor(told.jobs) as pool:
        under_way = set[Future[Round]]()
        while under_way or not rounds:
            while len(under_way) < (told.jobs if told.seconds else 1) and (not rounds or time.monotonic() < until):
                under_way.add(pool.submit(played, seed + rounds, told.examples, arguments))
                rounds += 1
            over, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for one in (future.result() for future in over):
                last = (one.text.strip().splitlines() or ["nothing"])[-1]
                print(f"seed {one.seed}: {re.sub(' in [0-9.]+s.*', '', last)}, {one.seconds:.0f} s", flush=True)
                if one.code:
                    found.append(one)
                    until = 0.0  # what it found is enough for now
    for one in found:
        print(f"\n{one.text}\nto repeat it: make fuzz FUZZ_EXAMPLES={told.examples} FUZZ_SEED={one.seed}")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
