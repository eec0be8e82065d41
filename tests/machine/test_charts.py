"""The four real charts: what they promise as graphs, and that Python does not know their states."""

import ast
from collections.abc import Iterator
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest

import orchestrator
from orchestrator.fivetran.effects import CHOICES, EFFECTS, Call
from orchestrator.fivetran.verdicts import HEADLINES
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.chart import Chart, Kind, State
from orchestrator.machine.loader import load
from orchestrator.machine.position import IllegalMove, follow, machine_of
from orchestrator.values.events import SIGNALS, Event

PACKAGE = Path(orchestrator.__file__).parent
SYNCING = ("START", "FORCE_RESYNC")  # the actions that start a sync
STATES = [(action, name) for action in ACTIONS for name in load(action).states]
NEVER = "an event of another planet"

CHARTS = {action: load(action) for action in ACTIONS}
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(PACKAGE.rglob("*.py"))
}


@cache
def tree_of(module: str) -> ast.Module:
    """The syntax tree of one of our modules."""
    return ast.parse(MODULES[module].read_text("utf-8"))


def imported(module: str) -> set[str]:
    """Everything that a module imports, wherever in it, as dotted names."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return found


def ours(module: str) -> set[str]:
    """The modules of the package that a module imports; a package only where something in its own file is meant."""
    found = imported(module) & MODULES.keys()
    return found - {"orchestrator", "orchestrator.simulator", module}


def importers(library: str) -> list[str]:
    """Our modules that import a library."""
    return [module for module in MODULES if library in {name.partition(".")[0] for name in imported(module)}]


def without(chart: Chart, *removed: str) -> set[str]:
    """The states that can be reached from the first one when some are taken out."""
    return reached(chart, chart.initial, *removed)


def reached(chart: Chart, start: str, *removed: str) -> set[str]:
    """The states that can be reached from a state when some are taken out."""
    found, todo = {start}, [start]
    while todo:
        new = set(chart.states[todo.pop()].edges.values()) - found - set(removed)
        found |= new
        todo += new
    return found


def doing(chart: Chart, *effects: str) -> set[str]:
    """The states that have one of these effects."""
    found = {name for name, state in chart.states.items() if state.kind is Kind.DOES and state.operand in effects}
    assert found, effects
    return found


def triggers(chart: Chart) -> set[str]:
    """The states whose request starts a sync."""
    posts = {name for name, effect in EFFECTS.items() if isinstance(effect, Call) and effect.method == "POST"}
    return doing(chart, *posts - {"run_setup_tests"})


def takes_time(state: State) -> bool:
    """Whether a state waits, or asks Fivetran."""
    asks = state.kind is Kind.DOES and isinstance(EFFECTS[state.operand], Call)
    return asks or state.kind is Kind.WAITS


# --- Charts and machine ------------------------------------------------------------------------


@pytest.mark.parametrize("action", ACTIONS)
def test_chart_is_of_its_action(action: str) -> None:
    """Each action has a chart that the loader takes, and its title begins with the action's name."""
    chart = CHARTS[action]

    assert chart.action == action
    assert chart.title.startswith(f"{action}: ")


@pytest.mark.parametrize("action", ACTIONS)
def test_machine_is_the_chart(action: str) -> None:
    """The machine has the chart's edges, all of them and no others."""
    machine = machine_of(CHARTS[action])

    edges = [(edge.source, name, edge.dest) for name in machine.events for edge in machine.get_transitions(name)]

    assert sorted(edges) == sorted(CHARTS[action].edges())
    assert len(machine.get_transitions()) == len(edges)


@pytest.mark.parametrize(("action", "name"), STATES)
def test_undeclared_move_is_refused(action: str, name: str) -> None:
    """An event without an edge is refused in every state, and nothing moves."""
    chart = CHARTS[action]
    values = {event for _, event, _ in chart.edges()} | {
        value for choice in CHOICES.values() for value in choice.values
    }

    for event in sorted({*Event, *values, NEVER} - chart.states[name].edges.keys()):
        with pytest.raises(IllegalMove, match=event):
            follow(chart, name, event)


@pytest.mark.parametrize(("action", "name"), STATES)
def test_declared_move_is_made(action: str, name: str) -> None:
    """Every edge leads from its state to its target."""
    chart = CHARTS[action]

    for event, target in chart.states[name].edges.items():
        assert follow(chart, name, event) == target


def test_one_machine_a_chart() -> None:
    """All runs of a chart share one machine: it holds no position."""
    assert machine_of(CHARTS["START"]) is machine_of(CHARTS["START"])
    assert machine_of(CHARTS["START"]) is not machine_of(CHARTS["STATUS"])


@pytest.mark.parametrize("action", ACTIONS)
def test_run_begins_at_the_first_state(action: str) -> None:
    """A new position is the chart's initial state, which reads the connection and changes nothing."""
    state = CHARTS[action].states[CHARTS[action].initial]

    effect = EFFECTS[state.operand]
    assert isinstance(effect, Call)
    assert (state.name, effect.method) == (CHARTS[action].initial, "GET")


# --- The charts beside each other --------------------------------------------------------------

# What states of one name do differently in another chart.
DIFFERENCES = {
    "validating": {"read_connection": ["STATUS", "TEST"], "validate_connection": ["FORCE_RESYNC", "START"]},
    "triggering": {"trigger_sync": ["START"], "resync_table": ["FORCE_RESYNC"]},
}


def test_states_of_one_name_do_the_same() -> None:
    """States of one name in two charts are the same in kind and operand, but for the differences named here."""
    meanings: dict[str, dict[str, list[str]]] = {}
    for action, chart in CHARTS.items():
        for name, state in chart.states.items():
            meaning = str(state.exit) if state.exit is not None else state.operand
            meanings.setdefault(name, {}).setdefault(meaning, []).append(action)

    assert {name: found for name, found in meanings.items() if len(found) > 1} == DIFFERENCES


# Edges that are in one chart only, of states that two charts have: (chart, state, event).
# Those of `ending` follow from the verdicts, which the loader proves.
ONLY_IN = {
    # Attaching to a plain sync would be green with the table not re-synced.
    ("START", "considering_running", "attach"),
    ("START", "considering_running", "restart"),
    # Seeing a sync does not show that it is the re-sync, which is asked for again once the connection is idle, or given
    # up; and how long syncs take does not say when a re-sync ends.
    *(
        (action, state, event)
        for action in SYNCING
        for state, event in (
            ("taking_baseline", "idle"),
            ("triggering", "answer_lost"),
            ("triggering", "triggered"),
            ("triggering", "conflict"),
            ("considering_trigger", "yes"),
            ("considering_repeat", "no"),
        )
    ),
}


def test_force_resync_is_start_with_another_trigger() -> None:
    """FORCE_RESYNC differs from START in no edge but those named here, up to the conclusion."""
    start, resync = (CHARTS[action] for action in SYNCING)
    common = (start.states.keys() & resync.states.keys()) - {start.conclusion.name, "restoring"}

    differences = {
        (chart.action, name, event)
        for chart, other in ((start, resync), (resync, start))
        for name in common
        for event, target in chart.states[name].edges.items()
        if other.states[name].edges.get(event) != target
    }

    assert differences == ONLY_IN
    assert start.states.keys() - resync.states.keys() == {
        *("restarting", "awaiting_restart", "considering_lost_restart", "looking_for_restart"),
        *("considering_restart", "considering_lost"),
        *("considering_conflict", "awaiting_sign", "confirming"),
        *("considering_late_switch", "switching_late"),
        *("considering_durations", "asking_durations"),  # how long plain syncs take says nothing about a re-sync
    }
    assert resync.states.keys() - start.states.keys() == {"considering_names", "looking_up_table"}


@pytest.mark.parametrize(("one", "other"), list(combinations(ACTIONS, 2)))
def test_states_of_one_name_try_as_often(one: str, other: str) -> None:
    """States of one name in two charts make the same number of attempts."""
    first, second = CHARTS[one].states, CHARTS[other].states
    names = first.keys() & second.keys()

    assert {name: first[name].tries for name in names} == {name: second[name].tries for name in names}


# --- Verdicts and exit codes ----------------------------------------------------------------------

VERDICTS = [(action, verdict) for action, chart in CHARTS.items() for verdict in chart.verdicts()]

EXIT_CODES = {
    "succeeded": 0,
    "shown": 0,
    "passed": 0,
    "sync_failed": 1,
    "cancelled": 1,
    "stale": 1,
    "tests_failed": 1,
    "refused": 3,
    "not_found": 4,
    "timed_out": 5,
    "unconfirmed": 5,
    "gave_up": 6,
    "paused": 7,
    "incomplete": 7,
    "broken": 7,
    "busy": 7,
    "rejected": 7,
    "rescheduled": 8,
    "too_late": 8,
    "interrupted": 130,
    "terminated": 143,
}


@pytest.mark.parametrize(("action", "verdict"), VERDICTS)
def test_verdict_has_its_exit_code(action: str, verdict: str) -> None:
    """A verdict has the same exit code in every chart, and it is the documented one."""
    state, code = CHARTS[action].exit_of(verdict)

    assert code == EXIT_CODES[verdict]
    assert CHARTS[action].exits()[code] == state


def test_every_verdict_is_somewhere() -> None:
    """The charts can end in all of the documented verdicts, and each has a headline."""
    assert {verdict for _, verdict in VERDICTS} == EXIT_CODES.keys() == HEADLINES.keys()


@pytest.mark.parametrize("action", ACTIONS)
def test_green_is_one_verdict(action: str) -> None:
    """Exit code 0 has one verdict in each chart: that what was asked for has been done."""
    green = [verdict for verdict in CHARTS[action].verdicts() if CHARTS[action].exit_of(verdict)[1] == 0]

    assert green == [CHARTS[action].green] == {"STATUS": ["shown"], "TEST": ["passed"]}.get(action, ["succeeded"])


@pytest.mark.parametrize("action", ACTIONS)
def test_codes_from_outside_are_no_charts(action: str) -> None:
    """2 (configuration) and 70 (a bug of ours) stand in no chart, and no two final states share a code."""
    finals = [state.exit for state in CHARTS[action].states.values() if state.kind is Kind.EXIT]

    assert not {2, 70} & set(finals)
    assert len(finals) == len(set(finals))


def test_unknown_verdict_has_no_exit() -> None:
    """A verdict without an edge has no exit code, and neither has a chart without the choice of one."""
    chart = CHARTS["STATUS"]
    headless = Chart("STATUS", "", "done", {"done": chart.states["done"]})

    for each in (chart, headless):
        with pytest.raises(KeyError, match="succeeded"):
            each.exit_of("succeeded")


def test_verdicts_look_through_choices() -> None:
    """A verdict is the last event that was not a choice, however many choices follow it, and in whatever ring."""
    edges = {
        "look": {"shown": "second"},
        "second": {"no": "end", "yes": "first"},
        "first": {"no": "end", "yes": "second"},
        "end": {},
    }
    kinds = {"look": Kind.DOES, "end": Kind.EXIT}
    states = {
        name: State(name, kinds.get(name, Kind.CHOOSES), "", ways, {}, concludes=not ways)
        for name, ways in edges.items()
    }

    verdicts = Chart("STATUS", "", "look", states).verdicts()

    assert list(verdicts) == ["shown"]


# --- Law 1 and the one direction ------------------------------------------------------------------


@pytest.mark.parametrize("module", MODULES)
def test_python_names_no_state(module: str) -> None:
    """No string in the package is a state's name, but for the two that users know."""
    states = {name for chart in CHARTS.values() for name in chart.states} - {"done", "failed"}

    named = [
        (node.lineno, node.value)
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in states
    ]

    assert named == []


@pytest.mark.parametrize("action", ACTIONS)
def test_state_is_named_like_nothing_else(action: str) -> None:
    """A state's name is no event's, no effect's, no choice's and no pause's name."""
    others = {*Event, *EFFECTS, *CHOICES, *(state.operand for state in CHARTS[action].states.values())}

    assert not CHARTS[action].states.keys() & others


@pytest.mark.parametrize(
    ("library", "modules"),
    [
        ("transitions", ["orchestrator.machine.position"]),
        # What requests makes of the network's variables only requests can say; nothing is sent there.
        ("requests", ["orchestrator.fivetran.client", "orchestrator.job.network_variables"]),
    ],
)
def test_library_has_one_importer(library: str, modules: list[str]) -> None:
    """Only the modules named here import the libraries that could take over."""
    assert importers(library) == modules


def test_one_module_sleeps() -> None:
    """Only the clock sleeps, and nobody takes `sleep` from the library by another name."""
    sleeping = {
        module
        for module in MODULES
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.sleep"
    }

    assert sleeping == {"orchestrator.values.clock"}
    assert [module for module in MODULES if "time.sleep" in imported(module)] == []


def test_imports_go_one_way() -> None:
    """No module imports, however indirectly, a module that imports it."""
    ahead = {module: ours(module) for module in MODULES}

    while free := [module for module, needed in ahead.items() if not needed & ahead.keys()]:
        for module in free:
            del ahead[module]

    assert ahead == {}


# --- Structure; what is promised of every chart is in test_proofs.py --------------------------------


@pytest.mark.parametrize("action", SYNCING)
def test_own_sync_comes_after_another(action: str) -> None:
    """A sync that is waited for is followed by the run's own."""
    chart = CHARTS[action]
    awaiting = chart.states["considering_running"].edges["wait"]

    assert reached(chart, awaiting) & triggers(chart)


@pytest.mark.parametrize("action", SYNCING)
def test_baseline_is_fresh(action: str) -> None:
    """Between the baseline and the trigger lies no call and no wait, but after a busy connection's choice."""
    chart = CHARTS[action]
    (baseline,) = doing(chart, "take_baseline")
    state = chart.states[baseline]
    after = chart.states[state.edges["idle"]]
    if after.kind is Kind.CHOOSES:
        after = chart.states[after.edges["yes"]]

    assert after.name in triggers(chart)
    assert chart.states[state.edges["busy"]].operand == "on_running"


@pytest.mark.parametrize("action", SYNCING)
def test_lost_trigger_is_repeated_as_it_was(action: str) -> None:
    """What is sent when no sign of a lost trigger is found is that trigger again, if it was not lost too often."""
    chart = CHARTS[action]
    (trigger,) = doing(chart, "trigger_sync" if action == "START" else "resync_table")
    (look,) = doing(chart, "confirm_start" if action == "START" else "take_baseline")
    choice = chart.states[chart.states[look].edges["not_started" if action == "START" else "idle"]]

    assert (choice.operand, choice.edges["yes"]) == ("trigger_to_repeat", trigger)
    assert choice.edges["no"] not in triggers(chart)


def test_lost_restart_is_repeated_as_it_was() -> None:
    """What is sent after a restart whose answer was lost is a restart again, and not before a wait and a look."""
    chart = CHARTS["START"]
    (restart,) = doing(chart, "restart_sync")
    (look,) = doing(chart, "find_restart")
    choice = chart.states[chart.states[look].edges["not_started"]]

    assert (choice.operand, choice.edges["yes"]) == ("trigger_to_repeat", restart)
    assert chart.states[chart.states[restart].edges["answer_lost"]].kind is Kind.WAITS


@pytest.mark.parametrize("action", SYNCING)
def test_success_comes_from_fivetran(action: str) -> None:
    """Only the judgement of a document just read, or of the history, can make a run succeed."""
    chart = CHARTS[action]

    sources = {source for source, event, _ in chart.edges() if event == "succeeded"} - {"ending"}

    assert sources == doing(chart, "poll_sync", "judge_by_history", "recheck_sync")


def test_resync_has_one_trigger() -> None:
    """In FORCE_RESYNC nothing is triggered but the re-sync."""
    chart = CHARTS["FORCE_RESYNC"]

    assert doing(chart, "resync_table") == triggers(chart)


@pytest.mark.parametrize("action", SYNCING)
def test_reschedule_on_a_manual_schedule_is_sent_again(action: str) -> None:
    """After a reschedule a manual schedule triggers again, with the same request; any other one is polled."""
    chart = CHARTS[action]
    (choice,) = (state for state in chart.states.values() if state.operand == "schedule_type")

    assert choice.edges["manual"] in doing(chart, "trigger_sync", "resync_table")
    assert choice.edges["otherwise"] not in triggers(chart)


@pytest.mark.parametrize("action", ACTIONS)
def test_schedule_never_fails_the_job(action: str) -> None:
    """Whatever Fivetran answers to the change of the schedule, the run goes on as after a success, or looks again."""
    chart = CHARTS[action]
    (name,) = doing(chart, "disable_schedule")
    edges = chart.states[name].edges
    waits = {state for state in edges.values() if chart.states[state].kind is Kind.WAITS}

    assert {edges[event] for event in ("disabled", "refused", "not_found", "rejected")} == {edges["disabled"]}
    assert {edges["rate_limited"], edges["unavailable"]} == waits
    assert edges["gave_up"] in {edges["disabled"], *waits}
    assert edges["disabled"] != chart.conclusion.name


@pytest.mark.parametrize("action", ACTIONS)
def test_everything_is_restored(action: str) -> None:
    """Every way out passes the conclusion, and every outcome of restoring leads on from it."""
    chart = CHARTS[action]
    finals = {name for name, state in chart.states.items() if state.kind is Kind.EXIT}
    (restore,) = doing(chart, "restore_schedule")
    edges = chart.states[restore].edges

    assert not without(chart, chart.conclusion.name) & finals
    assert len(set(edges.values()) - {restore}) == 1


@pytest.mark.parametrize(("action", "name"), STATES)
def test_signals_are_heeded_before_the_conclusion(action: str, name: str) -> None:
    """What takes time has the signals' edges before the conclusion, and no effect or wait after it has them."""
    chart = CHARTS[action]
    state = chart.states[name]
    heeded = {} if state.kind is Kind.CHOOSES else {e: t for e, t in state.edges.items() if e in SIGNALS}

    unshielded = takes_time(state) and name not in chart.behind()

    assert heeded == (dict.fromkeys(SIGNALS, chart.conclusion.name) if unshielded else {})


def loops(chart: Chart) -> Iterator[str]:
    """The states that can be reached again from themselves without a wait, self-edges aside."""
    waits = {name for name, state in chart.states.items() if state.kind is Kind.WAITS}
    for name in chart.states.keys() - waits:
        ahead = set(chart.states[name].edges.values()) - waits - {name}
        if any(name in reached(chart, target, *waits) for target in ahead):
            yield name


@pytest.mark.parametrize("action", ACTIONS)
def test_every_loop_waits(action: str) -> None:
    """Nothing comes round again without a wait, and only transient failures lead back to their own state."""
    chart = CHARTS[action]

    own = {event for source, event, target in chart.edges() if source == target}

    assert list(loops(chart)) == []
    assert own <= {"rate_limited", "unavailable", "answer_lost", "conflict"}


def test_only_repeatable_posts_come_back() -> None:
    """A lost answer leads back to its own state only where repeating does no harm."""
    again = {
        chart.states[source].operand
        for chart in CHARTS.values()
        for source, event, target in chart.edges()
        if source == target and event in {"answer_lost", "conflict"}
    }

    assert again == {"run_setup_tests"}


def test_status_shows_any_connection() -> None:
    """STATUS and TEST do not look at the connection's condition: paused and broken ones go on like any other."""
    for action in ("STATUS", "TEST"):
        chart = CHARTS[action]

        assert not {"paused", "broken", "incomplete"} & {event for _, event, _ in chart.edges()}


@pytest.mark.parametrize(
    ("action", "values"),
    [
        ("START", ("wait", "attach", "restart", "fail")),
        ("FORCE_RESYNC", ("wait", "fail")),
        ("STATUS", ()),
        ("TEST", ()),
    ],
)
def test_policy_exists_where_its_diamond_exists(action: str, values: tuple[str, ...]) -> None:
    """The values of FIVETRAN_ON_RUNNING are the edges of the chart's choice."""
    assert CHARTS[action].values("on_running") == values
