"""Airflow as it is run: scheduler with LocalExecutor, dag-processor, triggerer and API server, all on loopback."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from orchestrator.simulator.app import KEY, SECRET

__all__ = ["LOOPBACK", "Stack", "eventually", "free_port", "fresh", "postgres", "running"]

LOOPBACK = "127.0.0.1"
PARTS: Mapping[str, tuple[str, ...]] = {
    "api-server": ("--host", LOOPBACK, "--workers", "1"),
    "dag-processor": (),
    "triggerer": ("--skip-serve-logs",),
    "scheduler": ("--skip-serve-logs",),
}
KEPT = ("PATH", "HOME", "LANG", "TMPDIR")  # of the shell's variables


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.create_server((LOOPBACK, 0)) as found:
        return int(found.getsockname()[1])


def eventually(what: str, check: Callable[[], Any], seconds: float = 120.0) -> Any:
    """What a check comes to, once that is true.

    Raises:
        TimeoutError: It did not in time.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := check():
            return found
        time.sleep(0.5)
    raise TimeoutError(f"not in {seconds:g} s: {what}")


class Stack:
    """The processes, and what they keep.

    Args:
        home: A folder for all of it.
        api_url: Where Fivetran is.
        variables: More of Airflow's variables.
        database: SQLAlchemy's address of the database; SQLite's in the folder where "".
    """

    def __init__(self, home: Path, api_url: str, variables: Mapping[str, str], database: str = "") -> None:
        self.home = home
        self.dags = home / "dags"
        self.dags.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.token = ""
        connection = {"conn_type": "fivetran", "login": KEY, "password": SECRET, "extra": {"api_url": api_url}}
        secret = "not-a-secret-" * 5
        self.environ = {
            **{name: os.environ[name] for name in KEPT if name in os.environ},
            "AIRFLOW_HOME": str(home),
            "AIRFLOW_CONN_FIVETRAN_DEFAULT": json.dumps(connection),
            "AIRFLOW__API__HOST": LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API_AUTH__JWT_SECRET": secret,
            "AIRFLOW__API__SECRET_KEY": secret,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://{LOOPBACK}:{self.port}/execution/",
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "64",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database or f"sqlite:///{home}/airflow.db",
            "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
            "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "20",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
            "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_SEC": "3",
            "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "2",
            "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "5",
            **variables,
        }

    def airflow(self, *arguments: str) -> list[str]:
        """A command of Airflow's."""
        return [str(Path(sys.executable).with_name("airflow")), *arguments]

    def prepare(self) -> None:
        """Make the database."""
        with (self.home / "migrate.log").open("wb") as log:
            subprocess.run(
                self.airflow("db", "migrate"), env=self.environ, stdout=log, stderr=subprocess.STDOUT, check=True
            )

    def start(self, part: str) -> None:
        """Start one of the processes, in a group of its own."""
        log = (self.home / f"{part}.log").open("ab")
        more = (*PARTS[part], *(("--port", str(self.port)) if part == "api-server" else ()))
        self.processes[part] = subprocess.Popen(
            self.airflow(part, *more),
            env=self.environ,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=self.home,
            start_new_session=True,
        )

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """End one of them with all that it started."""
        process = self.processes.pop(part)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """End all of them."""
        for part in list(self.processes):
            self.kill(part, signal.SIGTERM)

    # --- Its API ------------------------------------------------------------------------------

    def ask(self, path: str, body: Any = None, method: str = "") -> Any:
        """Ask Airflow's API; None where there is no answer yet."""
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.port}{path}")  # loopback
        request.add_header("Content-Type", "application/json")
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        request.data = None if body is None else json.dumps(body).encode()
        request.method = method or ("GET" if body is None else "POST")
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            if error.code == 404:
                return None
            raise RuntimeError(f"{path}: {error.code} {error.read()[:500]!r}") from error
        except OSError:
            return None

    def log_in(self) -> None:
        """Have a token."""
        eventually("the API server answers", lambda: self.ask("/api/v2/version"))
        self.token = self.ask("/auth/token")["access_token"]

    def run_dag(self, dag_id: str, run_id: str = "one") -> None:
        """Un-pause a DAG and start a run of it."""
        eventually(f"the DAG {dag_id} is parsed", lambda: self.ask(f"/api/v2/dags/{dag_id}"))
        self.ask(f"/api/v2/dags/{dag_id}", {"is_paused": False}, "PATCH")
        self.ask(f"/api/v2/dags/{dag_id}/dagRuns", {"dag_run_id": run_id, "logical_date": None})

    def tasks(self, dag_id: str, run_id: str = "one") -> list[dict[str, Any]]:
        """The task instances."""
        found = self.ask(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=1000")
        return list(found["task_instances"]) if found else []

    def dag_run(self, dag_id: str, run_id: str = "one") -> dict[str, Any]:
        """The run."""
        return dict(self.ask(f"/api/v2/dags/{dag_id}/dagRuns/{run_id}") or {})

    def xcom(self, dag_id: str, task: dict[str, Any], key: str) -> Any:
        """What a task instance pushed."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{task['dag_run_id']}/taskInstances/{task['task_id']}/xcomEntries/{key}"
        found = self.ask(f"{path}?map_index={task['map_index']}&deserialize=true")
        return found and found["value"]

    def clear(self, dag_id: str, task_id: str, map_index: int, run_id: str = "one") -> None:
        """Clear a task instance, as the button does."""
        what = {"dry_run": False, "dag_run_id": run_id, "task_ids": [[task_id, map_index]], "only_failed": False}
        self.ask(f"/api/v2/dags/{dag_id}/clearTaskInstances", {**what, "only_running": False, "reset_dag_runs": True})

    def logs(self, dag_id: str, task_id: str, map_index: int, attempt: int, run_id: str = "one") -> str:
        """The log of a try."""
        folder = self.home / "logs" / f"dag_id={dag_id}" / f"run_id={run_id}" / f"task_id={task_id}"
        files = sorted((folder / f"map_index={map_index}").glob(f"attempt={attempt}.log*"))
        return "".join(file.read_text("utf-8") for file in files)


@contextmanager
def running(home: Path, api_url: str, dag: str, variables: Mapping[str, str], database: str = "") -> Iterator[Stack]:
    """The whole of it with a DAG, until the block ends."""
    stack = Stack(home, api_url, variables, database)
    (stack.dags / "dag.py").write_text(dag, "utf-8")
    stack.prepare()
    try:
        for part in PARTS:
            stack.start(part)
        stack.log_in()
        yield stack
    finally:
        stack.close()


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own on loopback, with an empty database; the value is SQLAlchemy's address of it.

    As root it runs as nobody, since it refuses to run as root.
    """
    on_path = shutil.which("initdb")
    found = [Path(on_path)] if on_path else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    programs, data, port = found[-1].resolve().parent, folder / "postgres", free_port()
    data.mkdir(parents=True)
    drop: list[str] = []
    if os.geteuid() == 0:
        drop = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
        shutil.chown(data, "nobody", "nogroup")
        folder.chmod(0o755)

    def run(*command: str | Path) -> int:
        quiet = subprocess.DEVNULL
        return subprocess.run(command, check=False, cwd=data, stdout=quiet, stderr=quiet).returncode

    run(*drop, programs / "initdb", "-D", data, "-U", "airflow", "-A", "trust")
    options = ("-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-p", str(port))
    with (folder / "postgres.log").open("wb") as log:
        command: list[str | Path] = [*drop, programs / "postgres", "-D", data, *options]
        server = subprocess.Popen(command, cwd=data, stdout=log, stderr=log)
    try:
        made = (programs / "createdb", "-h", LOOPBACK, "-p", str(port), "-U", "airflow", "airflow")
        eventually("PostgreSQL is up", lambda: run(*made) == 0, 60.0)
        yield f"postgresql+psycopg2://airflow@{LOOPBACK}:{port}/airflow"
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def fresh(home: Path) -> Path:
    """An empty folder."""
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return home
