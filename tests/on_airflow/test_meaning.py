"""What arguments, verdicts and dates mean."""

import ast
import io
from datetime import timedelta
from pathlib import Path
from typing import Any, cast
from unittest import mock

import pytest
from structlog.typing import FilteringBoundLogger

import orchestrator.airflow
from orchestrator.airflow.account import Account
from orchestrator.airflow.arguments import configured
from orchestrator.airflow.durations import DAY, seconds, timeout_of
from orchestrator.airflow.freshness import Awaited, awaited, looked, since_now
from orchestrator.airflow.handover import plain, settings_from
from orchestrator.airflow.provider import get_provider_info
from orchestrator.airflow.verdicts import Ending, ending_of
from orchestrator.job.arguments import in_arguments
from orchestrator.job.configuration import ConfigurationError
from orchestrator.job.log import LiveLine, Sections
from orchestrator.job.run_log import RunLog
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.machine.standing import Standing
from orchestrator.machine.transition import take
from orchestrator.values.facts import Facts

ACCOUNT = Account("", "a-key-of-ours", "a-secret-of-ours")
SIX = "2027-01-15T06:00:00Z"
NOON = 1_800_014_400.0  # 2027-01-15T12:00:00Z


def test_every_verdict_has_a_meaning() -> None:
    """A failed sync, a timeout, an outage and a busy connection are for retries; what is wrong for good is not."""
    expected = {
        **dict.fromkeys(("succeeded", "shown", "passed"), Ending.SUCCESS),
        **dict.fromkeys(("sync_failed", "cancelled", "stale", "busy"), Ending.RETRY),
        **dict.fromkeys(("timed_out", "unconfirmed", "gave_up", "interrupted", "terminated"), Ending.RETRY),
        **dict.fromkeys(("tests_failed", "refused", "not_found", "paused", "incomplete", "broken"), Ending.FAIL),
        "rejected": Ending.FAIL,
        **dict.fromkeys(("rescheduled", "too_late"), Ending.POSTPONED),
    }

    found = {
        verdict: ending_of(chart, verdict, chart.exit_of(verdict)[1])
        for chart in map(load, ACTIONS)
        for verdict in chart.verdicts()
    }

    assert found == expected


def test_deadline_is_smaller_than_airflows() -> None:
    """The run ends before Airflow ends the task: it says why, and what is left running."""
    hour = timedelta(hours=1)

    assert timeout_of(None, None) == DAY
    assert timeout_of("2h", None) == "2h"
    assert timeout_of(timedelta(minutes=5), None) == 300.0
    assert timeout_of(None, hour) == 3540.0
    assert timeout_of("2h", hour) == 3540.0
    assert timeout_of("30m", hour) == "30m"
    assert timeout_of(None, timedelta(seconds=100)) == 90.0
    assert timeout_of("soon", hour) == "soon"
    assert seconds(None) is None


def test_errors_name_arguments() -> None:
    """What is wrong with an argument is said of the argument, all of it at once."""
    with pytest.raises(ConfigurationError) as caught:
        configured(ACCOUNT, {"FIVETRAN_ACTION": "START", "CONNECTOR_ID": "a b", "FIVETRAN_ON_RUNNING": "pray"})

    assert len(caught.value.errors) == 2
    assert any("on_running" in error for error in caught.value.errors)
    assert not any("FIVETRAN_" in error for error in caught.value.errors)


def test_advice_names_arguments() -> None:
    """What to do now is said in arguments, too."""
    assert in_arguments("set FIVETRAN_ON_RUNNING=attach, or raise FIVETRAN_TIMEOUT") == (
        "set on_running=attach, or raise timeout"
    )


def test_log_goes_on() -> None:
    """Where a run goes on, what was warned of before is not said again, and the minute without a line begins anew."""
    lines: list[str] = []
    log = cast("FilteringBoundLogger", mock.Mock(warning=lambda text, **_: lines.append(text), info=lines.append))
    says = RunLog(log, LiveLine(io.StringIO()), Sections(io.StringIO(), lambda: 0.0, shown=False))
    facts = Facts(warnings=("said before",))
    says.goes_on(facts, 300.0, "waiting for the sync")
    settings, chart = configured(ACCOUNT, {"FIVETRAN_ACTION": "START", "CONNECTOR_ID": "abc"})[:2]
    standing = Standing("awaiting_idle", facts.but(warnings=(*facts.warnings, "new")), 900.0, wake=330.0)

    says.add(take(chart, settings, standing, "waited", 330.0), settings, chart)

    assert lines == ["new"]


def test_settings_travel_without_secrets() -> None:
    """Settings come back as they were, and key and secret are not among what travels."""
    given = {"FIVETRAN_ACTION": "FORCE_RESYNC", "CONNECTOR_ID": "abc", "TABLES": {"a": ["b", "c"], "d": ["e"]}}
    settings = configured(ACCOUNT, given).settings

    document = plain(settings)

    assert settings_from(document, ACCOUNT.api_key, ACCOUNT.api_secret) == settings
    assert ACCOUNT.api_key not in str(document)
    assert ACCOUNT.api_secret not in str(document)


def document(**members: Any) -> dict[str, Any]:
    """A connection's document."""
    status = {"sync_state": "scheduled", "setup_state": "connected", "tasks": [{"code": "x", "message": "no route"}]}
    return {"id": "abc", "succeeded_at": SIX, "failed_at": "2027-01-14T02:00:00Z", "status": status, **members}


def test_sensor_waits_for_a_new_success() -> None:
    """What ended before is not what is awaited; a success after that is."""
    since = since_now(document())

    assert since == NOON - 6 * 3600
    assert not looked(Awaited(since), document(), NOON).here
    assert looked(Awaited(since), document(succeeded_at="2027-01-15T07:00:00Z"), NOON).here
    assert not looked(Awaited(since), document(succeeded_at=None), NOON).here
    assert since_now({}) == 0.0


def test_sensor_knows_fresh_data() -> None:
    """With `max_age` alone, data that is fresh already is not waited for."""
    assert looked(Awaited(max_age=7 * 3600), document(), NOON).here
    assert not looked(Awaited(max_age=5 * 3600), document(), NOON).here
    assert not looked(Awaited(NOON, 7 * 3600), document(), NOON).here


def test_sensor_fails_with_the_sync() -> None:
    """A failure later than what is awaited ends the waiting, unless a sync runs again or nobody wants to know."""
    after = NOON - 6 * 3600
    failed = document(failed_at="2027-01-15T08:00:00Z")
    running = {**failed, "status": {"sync_state": "syncing", "setup_state": "connected"}}
    paused = {**document(), "paused": True}

    assert looked(Awaited(after), failed, NOON).failed
    assert "no route" in looked(Awaited(after), failed, NOON).why
    assert not looked(Awaited(after), running, NOON).failed
    assert not looked(Awaited(after, fails=False), failed, NOON).failed
    assert not looked(Awaited(after), document(), NOON).failed
    assert "a sync is running" in looked(Awaited(after), running, NOON).why
    assert "PAUSED" in looked(Awaited(after), paused, NOON).why


def test_arguments_of_the_sensor() -> None:
    """A time and a duration are checked, and the message says how to write them."""
    assert awaited(SIX, None, "2h", fails=True) == Awaited(NOON - 6 * 3600, 7200.0)
    assert awaited(None, 5.0, None, fails=False) == Awaited(5.0, None, fails=False)
    with pytest.raises(ValueError, match="completed_after is 'yesterday'"):
        awaited("yesterday", None, None, fails=True)
    with pytest.raises(ValueError, match="max_age"):
        awaited(None, None, "long", fails=True)


def test_dag_imports_little() -> None:
    """What stands in a DAG imports a few small modules of ours until it runs: DAGs are parsed often."""
    folder = Path(orchestrator.airflow.__file__).parent
    small = ["operators", "sensors", "hooks", "links", "durations", "account"]
    allowed = {*(f"orchestrator.airflow.{name}" for name in small), "orchestrator.values.settings"}

    found = {
        node.module
        for name in small
        for node in ast.parse((folder / f"{name}.py").read_text("utf-8")).body
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("orchestrator")
    }

    assert found <= allowed


def test_provider_is_described() -> None:
    """What Airflow is told names modules and classes that there are."""
    info = get_provider_info()

    assert info["connection-types"][0]["connection-type"] == "fivetran"
    assert info["package-name"] == "fivetran-orchestrator"
