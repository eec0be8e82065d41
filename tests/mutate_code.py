"""Mutate the code that decides: each module below is changed in one place at a time. Every mutant must die.

`mutations.py` says what is changed. A mutant dies of the first test that fails, or of not coming to an end. What
survives needs a reason in `mutants_survive.toml`, where its function and line are named by their content; a survivor
without one, or a reason without a survivor, makes the exit code 1.

cosmic-ray makes the mutants, but does not run them: it starts pytest anew for each, which takes longer than the tests.
mutmut does run them in forks, but changes nothing that is decorated (all that a `Run` says of itself), nor a condition
without an operator. Here pytest collects the tests once and then forks a process for each mutant, which puts the
mutant's code into the functions in place and runs those tests alone that run the changed function, quick ones first.
"""

import argparse
import faulthandler
import gc
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import traceback
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from inspect import unwrap
from itertools import chain, islice
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, NoReturn, TypeVar
from warnings import catch_warnings

import pytest
from coverage import Coverage
from mutations import Mutant, mutants

TESTS = Path(__file__).parent
REASONS = TESTS / "mutants_survive.toml"

# The tests that are about a module, from which those are chosen that run the changed function.
DECIDERS: dict[str, tuple[str, ...]] = {
    "orchestrator/fivetran/progress.py": ("tests/fivetran/test_progress.py", "tests/machine/test_run.py"),
    "orchestrator/machine/run.py": ("tests/machine/test_run.py",),
    "orchestrator/fivetran/client.py": (
        "tests/fivetran/test_client.py",
        "tests/fivetran/test_known_documents.py",
        "tests/fivetran/test_sockets.py",
        "tests/security/test_tls.py",
        "tests/security/test_proxy.py",
    ),
}
SPARE = 3.0  # seconds of processor time that a test gets beyond three times what it usually takes
PATIENCE = 60.0  # seconds that it gets at least, if it waits for something
TELLING = 10.0  # seconds between two lines that say how far it is

ALIVE, DEAD, NONE = 0, 1, 3  # exit codes of a mutant's process; NONE: it does not compile


class Reason(NamedTuple):
    """Why a mutant may survive: an entry of `mutants_survive.toml`."""

    path: str
    function: str
    was: str
    now: str


def reasons() -> dict[Reason, str]:
    """The reasons, by what they are about."""
    return {
        Reason(entry["path"], entry["function"], entry["was"], now): entry["why"]
        for entry in tomllib.loads(REASONS.read_text("utf-8"))["survivor"]
        for now in entry["now"]
    }


# --- In a process of its own ----------------------------------------------------------------------


def put_in_place(module: ModuleType, code: str) -> None:
    """Give what a module defines the code of a mutant: whoever imported any of it has the mutant then.

    Raises:
        Exception: The mutant cannot be imported.
    """
    mutant = ModuleType(module.__name__)
    mutant.__file__ = module.__file__
    exec(compile(code, module.__file__ or "", "exec"), vars(mutant))  # noqa: S102  # the module's own code, but for one place
    for name, value in list(vars(module).items()):
        other = getattr(mutant, name, value)
        if isinstance(value, type) and value.__module__ == module.__name__:
            _put_into_class(value, other)
        elif isinstance(function := unwrap(value) if callable(value) else value, FunctionType):
            if function.__module__ == module.__name__:
                _put_into_function(function, unwrap(other))
                getattr(value, "cache_clear", lambda: None)()
        elif not name.startswith("__") and not isinstance(value, type | ModuleType) and not callable(value):
            for importer in list(sys.modules.values()) if value != other else ():
                if vars(importer).get(name) is value:
                    setattr(importer, name, other)


def _put_into_class(kept: type, other: type) -> None:
    for name, value in list(vars(kept).items()):
        function, new = _function(value), _function(vars(other).get(name))
        if isinstance(function, FunctionType) and isinstance(new, FunctionType):
            _put_into_function(function, new)
        elif (value is None or isinstance(value, bool | int | float | str)) and not name.startswith("__"):
            setattr(kept, name, vars(other).get(name))


def _function(member: Any) -> Any:
    return getattr(member, "fget", None) or getattr(member, "__func__", None) or member


def _put_into_function(kept: FunctionType, other: FunctionType) -> None:
    kept.__code__, kept.__defaults__, kept.__kwdefaults__ = other.__code__, other.__defaults__, other.__kwdefaults__


def _play(items: list[pytest.Item], before: Callable[[pytest.Item], None]) -> None:
    """Run tests. What lasts for the whole session is left to end with the process."""
    for item, after in zip(items, items[1:] + items[:1], strict=False):
        before(item)
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=after)


class Quits:
    """A plugin that ends the process at the first failure, which it writes into a file."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test has been set up, run or torn down."""
        if report.failed:
            self._file.write_text(f"{report.nodeid}\n{report.longreprtext}\n", "utf-8")
            os._exit(DEAD)


class Known(NamedTuple):
    """What is known of some tests.

    Attributes:
        seconds: How long each takes, by its id.
        runs: The ids of those that run a line, by path and line.
    """

    seconds: dict[str, float]
    runs: dict[str, dict[int, list[str]]]

    def about(self, mutant: Mutant) -> list[str]:
        """The ids of the tests that may notice a mutant, quick ones first."""
        first, last = mutant.lines
        every = {name for line in range(first, last + 1) for name in self.runs[mutant.path].get(line, ())}
        files = DECIDERS[mutant.path]
        return sorted((name for name in every if name.partition("::")[0] in files), key=lambda name: self.seconds[name])


def measured(items: list[pytest.Item], paths: Iterable[str]) -> Known:
    """Run tests on the code as it is, put in place as a mutant's is, and see which lines each runs."""
    for path in paths:
        put_in_place(_module(path), Path(path).read_text("utf-8"))
    coverage = Coverage(data_file=None, config_file=False, include=list(paths))
    moments: dict[str, float] = {}

    def before(item: pytest.Item) -> None:
        coverage.switch_context(item.nodeid)
        moments[item.nodeid] = time.monotonic()

    with coverage.collect():
        _play(items, before)
    ends = [*list(moments.values())[1:], time.monotonic()]
    seconds = {name: end - began for (name, began), end in zip(moments.items(), ends, strict=True)}
    with catch_warnings(action="ignore"):  # that none of them runs any of it
        data = coverage.get_data()
    return Known(seconds, {path: data.contexts_by_lineno(str(Path(path).resolve())) for path in paths})


def _module(path: str) -> ModuleType:
    return import_module(path.removesuffix(".py").replace("/", "."))


def _judge(mutant: Mutant, items: list[pytest.Item], seconds: Mapping[str, float]) -> int:
    """What becomes of a mutant; the process ends where a test fails or takes too long.

    Args:
        mutant: The mutant.
        items: The tests, in their order.
        seconds: How long each usually takes.
    """
    code = mutant.code
    try:
        compile(code, mutant.path, "exec")
    except SyntaxError:
        return NONE
    try:
        put_in_place(_module(mutant.path), code)
    except Exception:  # noqa: BLE001  # whatever it is, it dies of it
        return DEAD

    def limit(item: pytest.Item) -> None:
        most = int(time.process_time() + 3 * seconds[item.nodeid] + SPARE)
        resource.setrlimit(resource.RLIMIT_CPU, (most, -1))
        faulthandler.dump_traceback_later(PATIENCE + 10 * seconds[item.nodeid], exit=True)

    _play(items, limit)
    return ALIVE


# --- All of them ----------------------------------------------------------------------------------


# In memory where that is a folder: jobs that are played write a lot of files.
_MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108  # mkdtemp makes a folder in it

Key = TypeVar("Key")


def forked(calls: Iterable[tuple[Key, Callable[[Path], int]]], number: int) -> Iterator[tuple[Key, int, Path]]:
    """Call each in a process, a folder and a group of its own; its exit code and folder, in the order of their ends.

    Args:
        calls: What is called with the folder, and returns the exit code; and what its end is known by.
        number: How many at a time.
    """
    left, running = iter(calls), dict[int, tuple[Key, Path]]()
    while True:
        for key, call in islice(left, number - len(running)):
            folder = Path(tempfile.mkdtemp(prefix="mutant-", dir=_MEMORY))
            if pid := os.fork():
                running[pid] = key, folder
            else:
                _leave(call, folder)
        if not running:
            return
        pid, status = os.wait()
        key, folder = running.pop(pid)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)  # what it started itself
        yield key, os.waitstatus_to_exitcode(status), folder
        shutil.rmtree(folder, ignore_errors=True)


def _leave(call: Callable[[Path], int], folder: Path) -> NoReturn:
    """What a fork does: call it, and be gone."""
    code = DEAD
    try:
        os.setsid()
        os.environ["PYTEST_DEBUG_TEMPROOT"] = str(folder)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        code = call(folder)
    except BaseException:  # noqa: BLE001  # nothing else may go on in two processes
        (folder / "failure").write_text(traceback.format_exc(), "utf-8")
    os._exit(code)


class Mutation:
    """A plugin of pytest, which takes the place of running the collected tests once.

    Args:
        chosen: The mutants to judge.
        jobs: Processes.
    """

    def __init__(self, chosen: list[Mutant], jobs: int) -> None:
        self.chosen = chosen
        self.jobs = jobs
        self.found: dict[Mutant, int] = {}
        self.failed: list[str] = []

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge the mutants."""
        gc.freeze()  # a fork shares what is not touched
        items = {item.nodeid: item for item in session.items}
        known = self._measure(items)
        if self.failed:
            return True
        session.config.pluginmanager.register(Quits(Path(os.devnull)))

        def judging(mutant: Mutant) -> Callable[[Path], int]:
            return lambda _: _judge(mutant, [items[name] for name in known.about(mutant)], known.seconds)

        began = said = time.monotonic()
        for mutant, code, _ in forked(((mutant, judging(mutant)) for mutant in self.chosen), self.jobs):
            self.found[mutant] = code
            if time.monotonic() - said > TELLING:
                said = time.monotonic()
                print(f"{len(self.found)} of {len(self.chosen)} mutants", file=sys.stderr, flush=True)
        print(f"{len(self.chosen)} mutants in {time.monotonic() - began:.0f} s")
        return True

    def _measure(self, items: Mapping[str, pytest.Item]) -> Known:
        """What is known of the tests; each file's run on their own."""
        paths = sorted({mutant.path for mutant in self.chosen})
        files: dict[str, list[pytest.Item]] = defaultdict(list)
        for name, item in items.items():
            files[name.partition("::")[0]].append(item)

        def measuring(chosen: list[pytest.Item]) -> Callable[[Path], int]:
            def call(folder: Path) -> int:
                chosen[0].config.pluginmanager.register(Quits(folder / "failure"))
                (folder / "known").write_text(json.dumps(measured(chosen, paths)), "utf-8")
                return ALIVE

            return call

        known = Known({}, {path: defaultdict(list) for path in paths})
        for file, code, folder in forked(((file, measuring(chosen)) for file, chosen in files.items()), self.jobs):
            if code != ALIVE:
                self.failed.append(f"{file} ends with {code}: {(folder / 'failure').read_text('utf-8')}")
                continue
            seconds, runs = json.loads((folder / "known").read_text("utf-8"))
            known.seconds.update(seconds)
            for path, by_line in runs.items():
                for line, names in by_line.items():
                    known.runs[path][int(line)] += names
        return known


def told(found: Mapping[Mutant, int], known: Mapping[Reason, str], *, whole: bool) -> int:
    """Print what became of the mutants; the exit code.

    Args:
        found: The exit code of each mutant's process.
        known: The reasons.
        whole: These are all mutants of their modules, so that each of the modules' reasons must be needed.
    """
    deaths: dict[str, Counter[str]] = defaultdict(Counter)
    unexplained, needed = [], set()
    for mutant, code in sorted(found.items()):
        what = {ALIVE: "alive", NONE: "none", DEAD: "test"}.get(code, "time")
        if code == ALIVE:
            reason = Reason(mutant.path, mutant.function, *mutant.change)
            needed.add(reason)
            if reason in known:
                what = "reason"
            else:
                unexplained.append(mutant)
        deaths[mutant.path][what] += 1
    for path, counts in deaths.items():
        number = counts.total() - counts["none"]
        print(
            f"{path}: {number} mutants, {counts['test']} killed by a test, {counts['time']} endless, "
            f"{counts['reason']} survive with a reason, {counts['alive']} SURVIVE"
        )
    for mutant in unexplained:
        was, now = mutant.change
        print(f"\n{mutant.diff}\n  function = {_toml(mutant.function)}\n  was = {_toml(was)}\n  now = [{_toml(now)}]")
    stale = [reason for reason in known if whole and reason.path in deaths and reason not in needed]
    for reason in stale:
        print(f"\n{REASONS.name}: nothing survives any more in {reason.path}, {reason.function}, as {reason.now}")
    return 1 if unexplained or stale else 0


def _toml(text: str) -> str:
    """A text as a file of reasons has it."""
    return json.dumps(text) if "'" in text else f"'{text}'"


_OPTIONS = (
    *("-qq", "-s", "--no-header", "--no-summary", "-p", "no:cacheprovider", "-p", "no:xdist"),
    "--hypothesis-profile=ci",  # the same examples in each process, and none is remembered
    *("-o", "faulthandler_timeout=0", "-o", "tmp_path_retention_policy=none"),
)


def main() -> int:
    """Mutate, and tell.

    Returns:
        The exit code: 1 where a mutant survives without a reason.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-j", "--jobs", type=int, default=multiprocessing.cpu_count(), metavar="N", help="processes")
    parser.add_argument("--module", choices=[Path(path).stem for path in DECIDERS], help="of this module only")
    parser.add_argument("--function", default="", metavar="TEXT", help="of functions only whose name contains this")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of the mutants, others with each commit")
    given = parser.parse_args()
    os.chdir(TESTS.parent)
    paths = [path for path in DECIDERS if given.module in (None, Path(path).stem)]
    every = [mutant for path in paths for mutant in mutants(path) if given.function in mutant.function]
    commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    chosen = random.Random(commit).sample(every, min(given.sample or len(every), len(every)))  # noqa: S311  # no secret
    plugin = Mutation(chosen, given.jobs)
    files = dict.fromkeys(chain.from_iterable(DECIDERS[mutant.path] for mutant in chosen))
    code = pytest.main([*_OPTIONS, *files], [plugin])
    if plugin.failed or code:
        print("Without any change there is a failure already.", *plugin.failed, sep="\n")
        return 1
    return told(plugin.found, reasons(), whole=len(chosen) == len(every) and not given.function)


if __name__ == "__main__":
    sys.exit(main())
