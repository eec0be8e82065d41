"""The GitLab CI/CD component: its inputs are checked, and its jobs are those of the examples."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from components import FLAGS, Input, inputs_of, outdated
from gitlab_inputs import InputError, render, spec_of
from gitlab_schema import check_schema

from orchestrator.commands.init import COMPONENTS
from orchestrator.fleet.selection import Options, Selection, configure_many
from orchestrator.job.variables import VARIABLES
from orchestrator.values.settings import Settings

ROOT = Path(__file__).parent.parent
TEMPLATES = {name: (ROOT / "templates" / f"{name}.yml").read_text("utf-8") for name in COMPONENTS}
PAIR = {"FIVETRAN_API_KEY": "a-key-of-ours", "FIVETRAN_API_SECRET": "a-secret-of-ours"}
# Input -> a value that is not its default. Every input has one, where a component has it.
ALL: dict[str, Any] = {
    "connector_id": "speak_inexpensive fluent_glacier",
    "group_id": "projected_sickle",
    "connection_name": 'it\'s: a "#name" \\',
    "include": "postgres, sales_*",
    "exclude": "*_test",
    "max_parallel": 7,
    "fail": "fast",
    "schema": "Sales: 2026 # \"all\" $$ \\ 'new'",
    "table": "- orders",
    "tables": '{"public": ["orders", "customers"], "It\'s": ["#1"]}',
    "timeout": "1h30m",
    "poll_interval": "30",
    "on_running": "fail",
    "on_reschedule": "fail",
    "on_broken": "sync",
    "unpause": True,
    "dont_disable_sync": True,
    "restore_schedule": "auto",
    "max_age": "36h",
    "set_fivetran_keys_to_env": True,
    "vault_file": "/builds/vault.yml",
    "job_name": "ingest: sales",
    "stage": "ingest",
    "image": "registry.example.com/data/fivetran-orchestrator:0.2.0",
    "rules": [{"if": '$CI_PIPELINE_SOURCE == "schedule"', "when": "delayed", "start_in": "5 minutes"}],
    "allow_failure": True,
    "job_timeout": "2 hours",
    "retry_max": 0,
    "retry_exit_codes": [6, 137],
    "resource_group": "fivetran/sales",
    "report_dir": "results/fivetran.sales",
    "expose_as": "Fivetran sales",
    "dataops_debug": True,
}
# What names connections or tables in another way, and cannot be there at the same time.
EXCLUDED = {
    "connector_id": {"group_id", "connection_name", "include", "exclude"},
    "group_id": {"connector_id", "connection_name"},
    "tables": {"schema", "table"},
}


def _job(component: str, **given: Any) -> dict[str, Any]:
    [job] = yaml.safe_load(render(TEMPLATES[component], given)).values()
    assert isinstance(job, dict)
    return job


def _variables(job: Mapping[str, Any]) -> dict[str, str]:
    """What `/dataops` sees: the job's variables, and what a shell exports before it."""
    *before, _ = job["script"]
    lines = [line for line in before if not line.startswith("mkdir ")]
    done = subprocess.run(
        ["/bin/sh", "-ec", "\n".join([*lines, "exec env -0"])],
        env=job["variables"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    seen = dict(line.split("=", 1) for line in done.stdout.split("\0") if line)
    return {name: value for name, value in seen.items() if name in VARIABLES}


def _read(variables: Mapping[str, str]) -> tuple[Settings, Selection, Options]:
    """What our own configuration makes of variables."""
    configured, selection, options = configure_many({**PAIR, "CI": "true", **variables}, lambda: 0.0)
    return configured.settings, selection, options


def _example(component: str) -> dict[str, Any]:
    name = COMPONENTS[component].lower().replace("_", "-")
    document = yaml.safe_load((ROOT / "examples" / f"{name}.gitlab-ci.yml").read_text("utf-8"))
    [job] = [job for key, job in document.items() if key != "stages"]
    assert isinstance(job, dict)
    return job


def _like_the_example(component: str) -> dict[str, Any]:
    """The inputs with which a component has the job of its example."""
    example = _example(component)
    named = {name.lower(): example["variables"][name] for name in ("SCHEMA", "TABLE") if name in example["variables"]}
    return {
        "connector_id": example["variables"]["CONNECTOR_ID"],
        "stage": example["stage"],
        "allow_failure": example["allow_failure"],
        **named,
    }


def _all_of(component: str) -> dict[str, Any]:
    return {name: ALL[name] for name in inputs_of(component)}


def test_templates_are_up_to_date() -> None:
    """The templates, and the table in docs/pipeline.md, are what `make documents` would write."""
    assert [path for path, *_ in outdated()] == []


def test_templates_and_their_jobs_follow_gitlabs_schema(tmp_path: Path) -> None:
    """Each header, each job with its defaults and each with all of its inputs is valid for GitLab."""
    texts = {
        f"{component}-{kind}.yml": text
        for component, template in TEMPLATES.items()
        for kind, text in (
            ("header", f"{template.partition('---')[0]}"),
            ("defaults", render(template, {})),
            ("all", render(template, _all_of(component))),
        )
    }

    done = check_schema(tmp_path, texts)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_refuses_a_header(tmp_path: Path) -> None:
    """A type that GitLab does not have is found: the test above can fail."""
    header = TEMPLATES["sync"].partition("---")[0].replace("type: boolean", "type: flag", 1)

    done = check_schema(tmp_path, {"header.yml": header})

    assert done.returncode == 1


@pytest.mark.parametrize("component", COMPONENTS)
def test_job_is_that_of_the_example(component: str) -> None:
    """With the example's connection a component has the example's job, in the same kinds of pipeline."""
    example, job = _example(component), _job(component, **_like_the_example(component))

    [never, runs] = job.pop("rules")
    assert never["when"] == "never"
    assert runs == {"when": example.pop("when", "on_success")}
    variables, script = job.pop("variables"), job.pop("script")
    script = [line.replace('"', "") for line in script if not line.startswith("if ")]
    folder = variables["FIVETRAN_REPORT_DIR"]
    assert [line.replace("$FIVETRAN_REPORT_DIR", folder) for line in script] == example.pop("script")
    assert variables.items() >= {
        name: str(value) for name, value in example.pop("variables").items() if name not in FLAGS
    }.items()  # fmt: skip
    others = "$FIVETRAN_GROUP_ID$FIVETRAN_CONNECTION_NAME"  # empty
    assert json.loads(json.dumps(job).replace(others, "")) == example


@pytest.mark.parametrize("component", COMPONENTS)
def test_defaults_change_nothing(component: str) -> None:
    """An input that is left out leaves the run as it is: the settings are those of the example's job."""
    example, job = _example(component), _job(component, **_like_the_example(component))

    expected = _read({name: str(value) for name, value in example["variables"].items()})

    assert _read(_variables(job)) == expected


@pytest.mark.parametrize("component", COMPONENTS)
@pytest.mark.parametrize("about", ["connector_id", "group_id"])
def test_every_input_reaches_the_run(component: str, about: str) -> None:
    """Each value is what the run gets, whatever signs it has in it."""
    left_out = EXCLUDED[about] | EXCLUDED["tables"] | {"set_fivetran_keys_to_env"}  # whose vault is not there
    given = {name: value for name, value in _all_of(component).items() if name not in left_out}

    variables = _variables(_job(component, **given))

    settings, selection, options = _read(variables)
    assert settings.action == COMPONENTS[component]
    assert (settings.timeout, options) == (5400.0, Options(7, "fast", None))
    assert settings.report_dir == ALL["report_dir"]
    assert selection.ids == (("speak_inexpensive", "fluent_glacier") if about == "connector_id" else ())
    assert (selection.group, selection.exclude) == (
        ("", ()) if "include" in left_out else ("projected_sickle", ("*_test",))
    )
    assert settings.policies == tuple((name, ALL[name]) for name, _ in settings.policies)
    assert settings.restore_schedule == "auto"
    if "unpause" in given:
        assert (settings.unpause, settings.poll_interval) == (True, 30.0)
    if "max_age" in given:
        assert settings.max_age == 36 * 3600.0
    if "tables" in inputs_of(component):
        assert settings.tables == (("public", ("orders", "customers")), ("It's", ("#1",)))


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_value_is_in_place(component: str) -> None:
    """Each input is somewhere in the job as it was given, and in the variable that it is named after."""
    job = _job(component, **_all_of(component))

    variables = job["variables"]
    named = {VARIABLES[name].flag.removeprefix("--").replace("-", "_"): name for name in VARIABLES}
    for name in inputs_of(component).keys() & named.keys():
        if named[name] not in FLAGS:
            assert variables[named[name]] == str(ALL[name])
    assert {named[name] for name in inputs_of(component).keys() & named.keys()} >= variables.keys() - {
        *("FIVETRAN_ACTION", "FF_USE_NEW_BASH_EVAL_STRATEGY")
    }  # fmt: skip
    keys = ("stage", "image", "rules", "allow_failure", "resource_group")
    assert {key: job[key] for key in keys} == {key: ALL[key] for key in keys}
    assert job["timeout"] == ALL["job_timeout"]
    assert job["retry"] == {"max": 0, "exit_codes": [6, 137]}
    assert job["artifacts"]["paths"] == [f"{ALL['report_dir']}/"]
    assert job["artifacts"]["expose_as"] == ALL["expose_as"]
    assert yaml.safe_load(render(TEMPLATES[component], {"job_name": "ingest: sales"})).keys() == {"ingest: sales"}


@pytest.mark.parametrize("flag", FLAGS)
def test_flag_is_set_only_where_its_input_is_true(flag: str) -> None:
    """A boolean sets its variable when it is true; when it is false, a variable of the pipeline stays as it is."""
    name = VARIABLES[flag].flag.removeprefix("--").replace("-", "_")

    on, off = (_job("sync", **{name: value}) for value in (True, False))
    off["variables"][flag] = "theirs"

    assert _variables(on)[flag] == "1"
    assert _variables(off)[flag] == "theirs"


WRONG = {
    "a wrong type": ("max_parallel", "many", "provided value is not a number"),
    "a flag that is text": ("unpause", "yes", "provided value is not a boolean"),
    "a code that is no list": ("retry_exit_codes", 6, "provided value is not a array"),
    "a number for text": ("timeout", 3000, "provided value is not a string"),
    "a word that is no policy": ("on_running", "kill", "`kill` cannot be used because it is not in the list"),
    "a number that is too large": ("retry_max", 3, "`3` cannot be used because it is not in the list"),
    "a quote": ("job_name", 'sales"', "does not match required RegEx"),
    "a line break": ("stage", "test\nimage: theirs", "does not match required RegEx"),
    "a slash at the end": ("report_dir", "results/", "does not match required RegEx"),
    "nothing": ("timeout", "", "does not match required RegEx"),
    "a time limit that is none": ("timeout", "soon", "does not match required RegEx"),
    "a secret": ("api_key", "a-key", "unknown input arguments: api_key"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_refused(name: str) -> None:
    """What is not valid is refused when the pipeline is created, before any job."""
    given, value, said = WRONG[name]

    with pytest.raises(InputError, match=re.escape(said)):
        render(TEMPLATES["sync"], {given: value})


@pytest.mark.parametrize(
    ("spec", "given", "said"),
    [
        ("a: {}", {}, "`a` input: required value has not been provided"),
        ("a:", {}, "`a` input: required value has not been provided"),
        ("a: {default: 5}", {}, "`a` input: default value is not a string"),
        ("a: {default: '', regex: '^$'}", {}, "`a` input: default value does not match required RegEx pattern"),
        ("a: {type: flag}", {"a": "b"}, "input type unknown value: flag"),
        ("a: {kind: string}", {"a": "b"}, "unknown keys: kind"),
        ("b: {default: x}", {}, "unknown interpolation key: `a`"),
    ],
)
def test_renderer_refuses_what_gitlab_refuses(spec: str, given: dict[str, Any], said: str) -> None:
    """A missing value, a specification that is not valid and an unknown name are found."""
    with pytest.raises(InputError, match=re.escape(said)):
        render(f"spec:\n  inputs:\n    {spec}\n---\njob:\n  script: $[[ inputs.a ]]\n", given)


@pytest.mark.parametrize("component", COMPONENTS)
def test_no_input_holds_a_secret(component: str) -> None:
    """Key and secret are not inputs, and each input says what it is for in a line that GitLab can show."""
    spec = spec_of(TEMPLATES[component])

    assert spec.keys() == inputs_of(component).keys() <= ALL.keys()
    assert not {f"fivetran_{name}" for name in spec} & {name.lower() for name in VARIABLES if VARIABLES[name].secret}
    assert all(0 < len(one["description"]) <= 200 and one["description"][-1] != "." for one in spec.values())


def test_inputs_know_their_type() -> None:
    """The type is that of the default."""
    defaults: tuple[Any, ...] = ("", 1, False, [])

    assert [Input("a", "", value).type for value in defaults] == ["string", "number", "boolean", "array"]
