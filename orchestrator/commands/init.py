"""`init`: a job for a pipeline, made of the example for its action.

`templates/` has links to the files of `examples/`, which a wheel and an image have as files.
"""

import json
import re
from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from orchestrator import __version__
from orchestrator.commands.words import add_action, add_connector
from orchestrator.job.files import write_atomically
from orchestrator.job.pasted_id import id_in
from orchestrator.job.streams import refuse, say
from orchestrator.machine.loader import load
from orchestrator.values.parsing import parse_duration
from orchestrator.values.settings import CONNECTOR_ID

__all__ = ["COMPONENTS", "add_to", "execute"]

TEMPLATES = files("orchestrator.commands") / "templates"
USUAL = "START"  # the action where none is named
SETUP_TAB = "the id that the connection's Setup tab shows"
# The GitLab CI/CD components, templates/NAME.yml in the repository, and their actions.
COMPONENTS = {"sync": "START", "status": "STATUS", "test": "TEST", "resync": "FORCE_RESYNC"}
# Kind of pipeline -> what is to be set outside of the job.
NEEDED = {
    "component": """\
# data/fivetran-orchestrator is the project on your GitLab that mirrors fivetran-orchestrator. As CI/CD variables of
# the project or group, set
#   FIVETRAN_ORCHESTRATOR_IMAGE             the image that its pipeline has published
#   FIVETRAN_API_KEY, FIVETRAN_API_SECRET   masked
""",
    "gitlab": """\
# As CI/CD variables of the project or group, set
#   FIVETRAN_ORCHESTRATOR_IMAGE             where you have pushed the image
#   FIVETRAN_API_KEY, FIVETRAN_API_SECRET   masked
""",
    "dataops": """\
# In the project's CI/CD variables, set DATAOPS_FIVETRAN_RUNNER_IMAGE: where you have pushed the image. The vault
# has key and secret at FIVETRAN.DEFAULT.API_KEY and FIVETRAN.DEFAULT.API_SECRET. .agent_tag, the stage
# and the icon are those of your project. Save it as pipelines/includes/local_includes/fivetran_jobs/{file}.
""",
    "github": """\
# In the repository, set the variable FIVETRAN_ORCHESTRATOR_IMAGE: where you have pushed the image; and
# the secrets FIVETRAN_API_KEY and FIVETRAN_API_SECRET. Save it as .github/workflows/fivetran-{file}.
# Its concurrency group and the name of its artifact have the connection's id in them: keep all three alike.
""",
}
INCLUDE = """\
include:
  - component: $CI_SERVER_FQDN/data/fivetran-orchestrator/{name}@{version}
    inputs:
{inputs}"""
GITHUB = """\
name: Fivetran {name}
on:
  workflow_dispatch:
jobs:
  {name}:
    runs-on: ubuntu-latest
    # Longer than FIVETRAN_TIMEOUT and two attempts that ended with 6, so that the job ends by itself.
    timeout-minutes: {minutes:.0f}
    # One job for a connection at a time. A newer run waits; it does not cancel this one.
    concurrency:
      group: fivetran-{connector}
      cancel-in-progress: false
    container:
      image: ${{{{ vars.FIVETRAN_ORCHESTRATOR_IMAGE }}}}
      # The user who owns the workspace on GitHub's runners; the image runs as any user.
      options: --user 1001
    env:
{variables}
      FIVETRAN_API_KEY: ${{{{ secrets.FIVETRAN_API_KEY }}}}
      FIVETRAN_API_SECRET: ${{{{ secrets.FIVETRAN_API_SECRET }}}}
    steps:
      - name: {action}
        # Only 6, Fivetran unavailable, is worth another attempt.
        run: |
{before}          for attempt in 1 2 3; do
            code=0
            {command} || code=$?
            if [ "$code" -ne 6 ] || [ "$attempt" -eq 3 ]; then exit "$code"; fi
            sleep 60
          done
      - name: Keep the report
        if: always()
        uses: actions/upload-artifact@v4
        with:
          name: fivetran-{connector}
          path: dataops/report/fivetran/
"""
ATTEMPTS = 15  # more minutes, for two attempts that ended with 6 and the pauses after them


def add_to(parser: ArgumentParser) -> None:
    """Give the parser the arguments."""
    parser.description = "Print a pipeline job for an action, ready to copy; its first lines say what to set."
    parser.usage = "%(prog)s [ACTION [CONNECTOR_ID]] [flags]"
    add_action(parser, f" (default: {USUAL})")
    add_connector(parser, "the connection; the same as --connector-id")
    kinds = "what runs it (default: gitlab); component: GitLab, by an include in place of a job"
    parser.add_argument("--for", dest="kind", choices=NEEDED, default="gitlab", help=kinds)
    parser.add_argument("--connector-id", dest="connector", metavar="ID", help=SETUP_TAB)
    parser.add_argument("--group-id", dest="group", metavar="ID", help="all connections of this group, in one job")
    parser.add_argument("-o", "--output", metavar="FILE", help="write this file; one that exists is left as it is")
    parser.add_argument("--force", action="store_true", help="overwrite the file if it exists")


def execute(arguments: Namespace, _: Mapping[str, str]) -> int:
    """Print or write the job; 2 where that cannot be done."""
    flag, word = arguments.connector, arguments.connector_id
    if flag and word and flag != word:
        return refuse("--connector-id contradicts the CONNECTOR_ID that is given as an argument: give one of the two")
    connector = flag or word or ""
    if connector and not re.fullmatch(CONNECTOR_ID, connector):
        meant = id_in(connector)
        fix = f"give {meant}" if meant else f"give {SETUP_TAB} (such as speak_inexpensive)"
        return refuse(f"CONNECTOR_ID: what is given is not an id: {fix}")
    group = arguments.group or ""
    if connector and group:
        return refuse("--group-id: the job is about a group or about CONNECTOR_ID: give one of the two")
    if group and not re.fullmatch(CONNECTOR_ID, group):
        return refuse("--group-id: what is given is not a group's id: give one such as projected_sickle")
    text = _job(arguments.action or USUAL, connector, arguments.kind, group)
    if arguments.output is None:
        say(text.removesuffix("\n"))
        return 0
    path = Path(arguments.output)
    if path.exists() and not arguments.force:
        return refuse(f"{path}: exists, and is left as it is: name another file, or overwrite it with --force")
    try:
        write_atomically(path, text, named=True)
    except OSError as error:
        return refuse(f"{path}: cannot be written: {error.strerror}: name another file")
    say(f"{path} is written; its first lines say what to set", error=True)
    return 0


def _job(action: str, connector: str, kind: str, group: str) -> str:
    """The job of an action for a connection ("" for none yet), or for a group ("" for a connection), as YAML."""
    chart = load(action)
    text = (TEMPLATES / f"{'fleet' if group else _name(action)}.gitlab-ci.yml").read_text("utf-8")
    text = re.sub(r"\A(?:#.*\n)+", "", text)
    if group:
        named = "".join(f"\n    {part}:" for part in ("SCHEMA", "TABLE") if chart.needs)
        text = re.sub(r"(?m)^    FIVETRAN_EXCLUDE: .*\n", "", text)
        text = re.sub(r"(?m)^(    FIVETRAN_ACTION:) .*$", rf"\1 {action}", text)
        text = re.sub(r"(?m)^(    FIVETRAN_GROUP_ID:) .*$", rf"\1 {json.dumps(group)}{named}", text)
    text = _set(text, "CONNECTOR_ID", connector, SETUP_TAB)
    for part in ("SCHEMA", "TABLE"):
        text = _set(text, part, "", f"the {part.lower()}'s name at the source, case-sensitive")
    if kind == "dataops":
        text = _for_dataops(text)
    elif kind == "github":
        text = _for_github(text, action, connector or group)
    elif kind == "component":
        text = _for_component(text, action)
    missing = [*([] if connector or group else ["CONNECTOR_ID"]), *(["SCHEMA and TABLE"] if chart.needs else [])]
    todo = (
        "# Below, fill in what is empty." if kind == "component" else f"# In the job below, set {', '.join(missing)}."
    )
    below = f"{todo}\n" if missing else ""
    return f"# {chart.title}\n#\n{NEEDED[kind].format(file=f'{_name(action)}.yml')}{below}{text}"


def _name(action: str) -> str:
    """An action in the names of files and jobs."""
    return action.lower().replace("_", "-")


def _set(text: str, name: str, value: str, what: str) -> str:
    """A job with another value of a variable that it has; of none, a comment says what it must be."""
    comment = "" if value else f"  # {what}"
    return re.sub(rf"(?m)^(    {name}:) ?.*$", rf"\g<1> {json.dumps(value)}{comment}", text)


def _for_component(text: str, action: str) -> str:
    """A GitLab job as the include of its component, with inputs for what differs from one job to the next."""
    [component] = (name for name, does in COMPONENTS.items() if does == action)
    variables = re.findall(r"(?m)^    (?:FIVETRAN_)?(CONNECTOR_ID|GROUP_ID|SCHEMA|TABLE|TIMEOUT): (.*)$", text)
    limit = re.findall(r"(?m)^  timeout: (.*)$", text)
    inputs = [(name.lower(), re.sub(r"^\d+", r'"\g<0>"', value)) for name, value in variables]
    lines = (f"      {name}: {value}\n" for name, value in (*inputs, *(("job_timeout", value) for value in limit)))
    return INCLUDE.format(name=component, version=__version__, inputs="".join(lines))


def _for_dataops(text: str) -> str:
    """A GitLab job as DataOps.live has it: in its project's own stage, with its vault, tag and icon."""
    for pattern, new in (
        (r"^stages:\n(?:  - .*\n)+\n", ""),
        (r"^fivetran (.*):$", lambda found: f"Fivetran {found[1].title()}:\n  extends:\n    - .agent_tag"),
        (r"^  stage: .*$", "  stage: Data Ingestion"),
        (r"^  image: .*$", "  image: $DATAOPS_FIVETRAN_RUNNER_IMAGE"),
        (r"^(    (?:CONNECTOR|FIVETRAN_GROUP)_ID: .*)$", r"\1\n    SET_FIVETRAN_KEYS_TO_ENV: 1"),
        (r"^(?:  #.*\n)*  interruptible: .*\n", ""),
        (r"\Z", "  icon: ${FIVETRAN_ICON}\n"),
    ):
        text = re.sub(rf"(?m){pattern}", new, text)
    return text


def _for_github(text: str, action: str, connector: str) -> str:
    """A GitLab job as a workflow of GitHub Actions, with the same variables and script."""
    blocks = dict(re.findall(r"(?m)^  (variables|script|timeout):(.*\n(?:    .*\n)*)", text))
    variables = re.findall(r"(?m)^    ((?!FF_)[A-Z].*)$", blocks["variables"])
    *before, command = re.findall(r"(?m)^    - (.*)$", blocks["script"])
    return GITHUB.format(
        action=action,
        name=_name(action),
        connector=connector or "CONNECTOR_ID",
        minutes=parse_duration(blocks["timeout"]) / 60 + ATTEMPTS,
        variables="\n".join(f"      {line}" for line in variables),
        before="".join(f"          {line}\n" for line in before),
        command=command,
    )
