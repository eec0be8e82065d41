"""`completion`: what shells make of the scripts."""

import shutil
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import pytest
from process import WITHOUT, Process, environment

from orchestrator.cli import main
from orchestrator.commands import COMMANDS, completion, run
from orchestrator.machine.actions import ACTIONS
from orchestrator.simulator.scenario import names
from orchestrator.values.extras import install

Capture = pytest.CaptureFixture[str]
PROGRAM = "fivetran-orchestrator"
# What each shell runs to print what it offers for $LINE, whose last word is unfinished; the script is in $SCRIPT.
ASKS = {
    "bash": r"""
        source "$SCRIPT"
        read -ra COMP_WORDS <<< "$LINE"
        [[ $LINE != *" " ]] || COMP_WORDS+=("")
        COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        complete -p fivetran-orchestrator > /dev/null || exit
        _shtab_fivetran_orchestrator 2> /dev/null  # compopt: bash itself is not completing here
        printf '%s\n' "${COMPREPLY[@]}"
    """,
    "fish": 'source $SCRIPT; complete --do-complete "$LINE" | cut -f 1',
}


def _script(shell: str, capsys: Capture, folder: Path) -> Path:
    code = main(["completion", shell], {})

    assert code == 0
    file = folder / f"script.{shell}"
    file.write_text(capsys.readouterr().out, "utf-8")
    return file


def _offered(shell: str, script: Path, line: str) -> list[str]:
    """What the shell offers at the end of a line."""
    variables = environment(LINE=line, SCRIPT=str(script))
    command = (shell, "-c", ASKS[shell])
    done = subprocess.run(
        command, env=variables, cwd=script.parent, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


def _flags(word: str) -> list[str]:
    parser = ArgumentParser()
    run.add_to(parser)
    return [name for name in parser._option_string_actions if name.startswith(word)]


CASES = {
    "": [*COMMANDS],
    "dem": ["demo"],
    "completion ": [*completion.SHELLS],
    "run ": [*ACTIONS],
    "run START --on-r": _flags("--on-r"),
    "run START mine --on-running ": ["wait", "attach", "restart", "fail"],
    "debug START --scenario resch": [name for name in names() if name.startswith("resch")],
    "diagram START STA": ["STATUS", "START"],
    "diagram --view ": ["overview", "main", "full"],
    "diagram --highlight poll": ["polling"],
    "check cha": ["chart.toml"],
    "report -o fold": ["folder"],
}


@pytest.mark.parametrize("shell", ASKS)
def test_shell_completes(shell: str, capsys: Capture, tmp_path: Path) -> None:
    """A shell with the script offers commands, flags, their values, actions, scenarios, states and files."""
    if shutil.which(shell) is None:
        pytest.skip(f"needs {shell}")
    (tmp_path / "chart.toml").write_text("", "utf-8")
    (tmp_path / "folder").mkdir()
    script = _script(shell, capsys, tmp_path)

    offered = {line: sorted(_offered(shell, script, f"{PROGRAM} {line}")) for line in CASES}

    assert {line: [word.rstrip("/") for word in words] for line, words in offered.items()} == {
        line: sorted(words) for line, words in CASES.items()
    }
    assert _flags("--on-r")


@pytest.mark.parametrize("shell", completion.SHELLS)
def test_shell_reads_the_script(shell: str, capsys: Capture, tmp_path: Path) -> None:
    """The script of each shell is one that the shell can read, and names every command."""
    script = _script(shell, capsys, tmp_path)
    text = script.read_text("utf-8")

    assert [name for name in COMMANDS if name not in text] == []
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not here to read it")
    done = subprocess.run(
        (shell, "-n", str(script)), env=environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_script_starts_no_python(capsys: Capture, tmp_path: Path) -> None:
    """What the script offers stands in it: nothing of ours is started at each TAB."""
    script = _script("bash", capsys, tmp_path)
    line = 'COMP_WORDS=(x run ""); COMP_CWORD=2; _shtab_fivetran_orchestrator 2> /dev/null; echo ${COMPREPLY[@]}'

    done = subprocess.run(
        (shutil.which("bash") or "bash", "-c", f'source "$SCRIPT"; {line}'),
        env={**environment(), "SCRIPT": str(script), "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert done.stdout.split() == [*ACTIONS]


def test_help_needs_no_extra() -> None:
    """Its help says how to install the script, with or without shtab."""
    with Process("shtab", "completion", "--help", command=(sys.executable, "-c", WITHOUT), variables={}) as command:
        ended = command.end()

    assert (ended.code, ended.stderr) == (0, "")
    assert [shell for shell in completion.SHELLS if f"{PROGRAM} completion {shell} > " not in ended.stdout] == []


@pytest.mark.parametrize(("missing", "code"), [("shtab", 2), ("logging", 1)])
def test_missing_extra(missing: str, code: int) -> None:
    """Without the extra one line says how to get it; any other missing module is a bug."""
    with Process(missing, "completion", "bash", command=(sys.executable, "-c", WITHOUT), variables={}) as command:
        ended = command.end()

    told = f"completion requires the extra completion (shtab is missing): {install('completion')}\n"
    assert ended.code == code
    assert (ended.stderr == told) == (missing == "shtab")


def test_unknown_shell(capsys: Capture) -> None:
    """A shell that there is no script for is refused, with those that there are."""
    with pytest.raises(SystemExit) as ended:
        main(["completion", "pwsh"], {})

    assert ended.value.code == 2
    assert capsys.readouterr().err.endswith("argument SHELL: unknown value: give bash, zsh, fish or tcsh\n")
