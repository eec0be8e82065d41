"""What other users of the host, other files of the job and its environment can learn and change."""

import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from attacked import KEY, OK, SECRET, as_process, document, variables
from process import Process, environment
from servers import Server, answer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def dataops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's command, as the Dockerfile writes it, with this Python."""
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    [lines] = re.findall(r"(?m)^RUN printf '%s\\n' \\\n((?:        .*\\\n)+)", dockerfile)
    first, *others = shlex.split(lines.replace("\\\n", "").partition(">")[0])
    options = first.rpartition("/bin/python")[2]
    script = tmp_path_factory.mktemp("image") / "dataops"
    script.write_text("\n".join((f"#!{sys.executable}{options}", *others, "")), "utf-8")
    script.chmod(0o755)
    return script


def test_modules_of_others(dataops: Path, tmp_path: Path) -> None:
    """What lies in the working directory, or where PYTHON* variables point to, is not run by the image's command."""
    (tmp_path / "job").mkdir()
    names = ("json", "requests", "orchestrator", "sitecustomize", "usercustomize", "encodings", "yaml", "os")
    for name in names:
        (tmp_path / f"{name}.py").write_text("raise SystemExit(99)", "utf-8")
    python = {f"PYTHON{name}": str(tmp_path) for name in ("PATH", "HOME", "USERBASE", "PLATLIBDIR", "PYCACHEPREFIX")}
    python |= {"PYTHONSTARTUP": str(tmp_path / "json.py"), "PYTHONINSPECT": "1", "PYTHONWARNINGS": "error::json.Odd"}
    python |= {"PYTHONBREAKPOINT": "os.abort", "PYTHONIOENCODING": "utf-16", "PYTHONOPTIMIZE": "2"}
    with Server(answer(document())) as server:
        env = environment(**variables(tmp_path / "job", server.url, **python, HOME=str(tmp_path)))
        ended = subprocess.run([dataops], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    assert (ended.returncode, OK in ended.stderr) == (0, True), ended.stderr
    assert len(server.requests) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_nothing_is_on_the_command_line_or_passed_on(tmp_path: Path) -> None:
    """While the job asks Fivetran its command line has no secret, and it has started no other process."""
    seen = list[tuple[bytes, str]]()

    def speak(connection: object) -> None:
        pid = str(process._popen.pid)
        children = Path("/proc", pid, "task", pid, "children")
        seen.append((Path("/proc", pid, "cmdline").read_bytes(), children.read_text("ascii")))
        connection.sendall(answer(document()))  # type: ignore[attr-defined]  # a socket

    with Server(speak) as server, Process(variables=variables(tmp_path, server.url)) as process:
        ended = process.end()

    [(command, children)] = seen
    assert (ended.code, children) == (0, "")
    assert [word for word in (KEY, SECRET) if word.encode() in command] == []


def test_state_file_is_its_users_alone(tmp_path: Path) -> None:
    """The state file can be read by its user alone, and nothing that was written can be written to by others."""
    with Server(answer(document())) as server:
        seen = as_process(tmp_path, server.url)
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.rglob("*") if file.is_file()}

    assert seen.code == 0
    assert modes["state.json"] == 0o600
    assert {name: mode for name, mode in modes.items() if mode & 0o022} == {}
