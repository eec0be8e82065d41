"""The debugger against a simulated Fivetran: each command, and what it says to a wrong one."""

import io
import re
from pathlib import Path

import pytest
from console import Debugger

from orchestrator.debugger import shell
from orchestrator.debugger.commands import COMMANDS
from orchestrator.debugger.journal_reader import read_journal
from orchestrator.debugger.replay import chart_of, replay
from orchestrator.debugger.sources import opened
from orchestrator.drawing import mermaid
from orchestrator.drawing.model import View, diagram
from orchestrator.machine.actions import ACTIONS
from orchestrator.machine.loader import load
from orchestrator.simulator.clock import Ahead, VirtualClock
from orchestrator.values.facts import Facts


def _write(folder: Path, text: str) -> str:
    """A scenario of our own."""
    file = folder / "own.toml"
    file.write_text(f"verdict = 'succeeded'\nexit_code = 0\n{text}", "utf-8")
    return str(file)


# --- The screen -----------------------------------------------------------------------------------


def test_screen_tells_where_we_are_and_what_comes(debug: Debugger) -> None:
    """The screen has the way here, the very request, the edges and their meanings, the deadline, the facts."""
    transcript = debug("START", "step", "s")

    assert "step 1 ---" in transcript.of("step").text
    came = transcript.of("step").row("came by")
    assert came.startswith("validating --ready--> considering_switch GET /v1/connections/")
    assert "* schedule_before auto" in transcript.of("step").row("facts")
    shown = transcript.last
    assert (
        shown.row("here") == "disabling_schedule, does disable_schedule: to switch the connection to a manual schedule"
    )
    assert shown.row("next") == (
        'PATCH /v1/connections/speak_inexpensive {"schedule_type": "manual", "run_setup_tests": false}'
    )
    assert shown.row("deadline") == "in 5 min; 0 s since the beginning"
    assert "disabled -> taking_baseline the connection's schedule is manual" in shown.row("edges")
    assert "rate_limited, unavailable -> awaiting_idle" in shown.row("edges")


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (70, ["ready -> considering_switch", "    the connection can sync, and no sync is running"]),
        (90, ["ready       -> considering_switch   the connection can sync, and no sync is"]),
    ],
)
def test_meanings_in_a_narrow_terminal(width: int, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is little room, an edge's meaning has lines of its own, and nothing is cut off."""
    out = io.StringIO()
    monkeypatch.setattr(shell, "WIDTH", width)
    session = opened("START", None, None, {}, live=False)
    try:
        shell.unattended(session, [], out)
    finally:
        session.close()

    shown = out.getvalue().partition("edges     ")[2]
    assert [line.removeprefix(" " * 10) for line in shown.splitlines()[: len(lines)]] == lines
    assert "…" not in shown


def test_facts_that_did_not_change_share_a_paragraph(debug: Debugger) -> None:
    """What the last step did not change is listed briefly, after what it did."""
    facts = debug("START", "until triggered").last.row("facts")

    assert facts.startswith("* triggered True * triggered_at 2027-01-15T08:00:00.000Z * asked_at 0.0")
    assert "as before: connection scheduled, connection_date" in facts
    assert ", baseline," in f"{facts},"


def test_choice_says_what_it_will_choose(debug: Debugger) -> None:
    """A choice takes no time: the edge that it will take is known, and marked."""
    shown = debug("START --scenario paused", "step").last

    assert shown.row("here") == "considering_unpause, chooses unpause: Un-pause it? FIVETRAN_UNPAUSE."
    assert shown.row("next") == "the edge no"
    assert "> no -> concluding this edge will be taken" in shown.row("edges")


def test_choice_without_an_edge_of_its_own(debug: Debugger, tmp_path: Path) -> None:
    """A value that has no edge of its own takes the one for everything else."""
    scenario = _write(
        tmp_path,
        "variables = { FIVETRAN_DONT_DISABLE_SYNC = '1' }\n[[syncs]]\nlasts = 20\nends = 'reschedules'\nagain_in = 40",
    )

    shown = debug(f"START --scenario {scenario}", "until considering_schedule").last

    assert shown.row("next") == "the edge otherwise"


def test_pure_effect_asks_nothing(debug: Debugger) -> None:
    """Where nothing is asked, the screen says what is done instead."""
    shown = debug("START", "until taking_baseline").last

    assert shown.row("next").endswith("this run's sync will move one of the dates. No request is sent.")


def test_failures_are_counted_on_the_screen(debug: Debugger) -> None:
    """After a failure the screen has the back-off, and how many are left; where none gives up, only how many."""
    transcript = debug("START", "answer 503", "until polling", "answer 503")

    first, last = transcript.of("answer 503"), transcript.last
    assert first.row("here").endswith("(failed so far: 1 of 8)")
    assert first.row("next").startswith("in 1 s: GET ")
    assert "again in 1 s (answered by hand)" in first.row("came by")
    assert last.row("here").endswith("(failed so far: 1)")


def test_end_is_shown(debug: Debugger) -> None:
    """At the end the screen has exit code and verdict, and no edge."""
    transcript = debug("START --scenario wrong-key", "continue", "edges", "e")

    assert transcript.of("continue").row("here") == "access_denied, final: exit code 3, verdict refused"
    assert transcript.of("continue").row("next") == "nothing: the run has ended"
    assert transcript.last.line == "none: the state is final"


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_can_be_debugged(debug: Debugger, action: str) -> None:
    """Each action is stepped to its end."""
    shown = debug(action.lower(), "continue").last

    assert shown.row("here").startswith("done, final: exit code 0")


# --- On and back ----------------------------------------------------------------------------------


def test_step_takes_one_step_or_several(debug: Debugger) -> None:
    """`step` takes one step, `step N` takes N and tells each."""
    transcript = debug("START", "s", "step 4")

    assert transcript.of("s").state == "considering_switch"
    assert (
        "   5        0 s  triggering --triggered--> considering_durations  POST -> 200 Success\n"
        in transcript.last.text
    )
    assert transcript.last.state == "considering_durations"


def test_steps_end_where_the_run_ends(debug: Debugger) -> None:
    """`step N` ends at the end of the run; behind it there is none."""
    transcript = debug("STATUS", "step 100", "step", "continue")

    assert transcript.of("step 100").state == "done"
    assert transcript.of("step").line == ("the run has ended: go `back` to an earlier step, and `fork` there")
    assert transcript.last.line == transcript.of("step").line
    assert transcript.code == 2


def test_four_hours_take_no_time_and_few_lines(debug: Debugger, tmp_path: Path) -> None:
    """A long sync is waited for in no time, and its polls are counted, not listed."""
    scenario = _write(
        tmp_path, "variables = { FIVETRAN_TIMEOUT = '20000', FIVETRAN_POLL_INTERVAL = '600' }\n[[syncs]]\nlasts = 14400"
    )

    shown = debug(f"START --scenario {scenario}", "continue").last

    assert shown.state == "done"
    assert re.search(r"\n      \.\.\. 4\d more like these\n", shown.text)
    assert len(shown.text.splitlines()) < 30


def test_one_repetition_is_listed(debug: Debugger, tmp_path: Path) -> None:
    """A single step that came before takes no more room than saying that it is left out."""
    scenario = _write(tmp_path, "[[syncs]]\nlasts = 15")

    shown = debug(f"START --scenario {scenario}", "until succeeded").last

    assert "  10       20 s  waiting --waited--> polling\n" in shown.text


@pytest.mark.parametrize(
    ("name", "state"), [("polling", "polling"), ("TRIGGERED", "considering_durations"), ("fail", "concluding")]
)
def test_until_stops_at_a_state_or_an_event(debug: Debugger, name: str, state: str) -> None:
    """`until` goes on to a state, an event or a value of a choice, in whatever case."""
    assert debug("START --scenario reschedule-refused", f"until {name}").last.state == state


def test_until_says_what_was_not_reached(debug: Debugger) -> None:
    """`until` ends at the end of the run, and says that it did not come by."""
    transcript = debug("START", "until restarting")

    assert (transcript.code, transcript.last.state) == (0, "done")
    assert transcript.last.text.endswith("\nrestarting was not reached")


def test_breakpoints(debug: Debugger) -> None:
    """`break` sets and lists, `delete` deletes one or all, and whatever goes on stops there."""
    transcript = debug(
        "START", "break", "break polling", "br succeeded", "continue", "delete polling", "until done", "delete all"
    )

    assert transcript.of("break").line == "no breakpoints; `break STATE|EVENT` sets one"
    assert transcript.of("br succeeded").line == "breakpoints: polling, succeeded"
    assert transcript.of("continue").state == "polling"
    assert transcript.of("continue").text.endswith("\nstopped at breakpoint polling")
    assert transcript.of("delete polling").line == "breakpoints: succeeded"
    assert transcript.of("until done").text.endswith("\nstopped at breakpoint succeeded")
    assert transcript.last.line == "no breakpoints; `break STATE|EVENT` sets one"


def test_reaching_what_was_asked_for_is_no_breakpoint(debug: Debugger) -> None:
    """`until` a name that is a breakpoint, too, is simply there."""
    shown = debug("START", "break polling", "until polling").last

    assert "breakpoint" not in shown.text


def test_back_and_forward_look_at_known_moments(debug: Debugger) -> None:
    """`back` and `forward` move among the moments; no request is sent to Fivetran, and facts are those of then."""
    transcript = debug(
        "START", "until running", "back 2", "-", "back to taking_baseline", "+ 5", "step", "facts", "back 99"
    )

    assert transcript.of("back 2").state == "waiting"
    assert transcript.of("-").prompt == "(simulated: succeeds) 7 of 9 waiting>"
    assert transcript.of("back to taking_baseline").row("deadline").endswith("0 s since the beginning")
    assert "baseline" not in transcript.of("back to taking_baseline").row("facts")
    assert transcript.of("+ 5").state == "polling"
    assert transcript.of("step").state == "waiting"
    assert transcript.last.row("here").startswith("validating")
    assert transcript.last.row("facts") == "none yet"


REFUSED = {
    (): {
        "back": "this is the beginning: `step` or `forward` continues",
        "forward": "there is no later step yet: `step` takes the next one",
        "back to polling": "no earlier step is in polling: `history` lists the steps",
        "back to pooling": "there is no state of START 'pooling'. Did you mean polling? `draw` shows them",
        "back to running": "there is no state of START 'running'. `draw` shows them",
        "zebra": "there is no command 'zebra'. `help` lists them",
        "back 2 polling": "usage: back [N | to STATE]",
        "back to": "'to' is not a whole number from 1",
        "step 0": "'0' is not a whole number from 1",
        "step two": "'two' is not a whole number from 1",
        "step 1 2": "usage: step [N]",
        "until": "usage: until STATE|EVENT",
        "until zebra": "there is no state or event of START 'zebra'. `draw` shows the states",
        "break zebra": "there is no state or event of START 'zebra'. `draw` shows the states",
        "delete polling": "there is no breakpoint 'polling'; breakpoints: none",
        "wait": "usage: wait skip",
        "wait long": "usage: wait skip",
        "wait skip": "nothing to wait for: `step` takes the next step",
        "inject zebra": "this chart has no event 'zebra': the edges here are ready, busy, paused",
        "inject running": "validating has no edge for 'running': the edges here are ready, busy, paused",
        "answer 20": "'20' is not an HTTP status from 200 to 599, such as 200, 401 or 503",
        "answer OK": "'OK' is not an HTTP status from 200 to 599, such as 200, 401 or 503",
        "answer 200 nowhere.json": "nowhere.json cannot be read (No such file or directory): use a file",
        "fork zebra": "no scenario is called 'zebra'; there are: another_fails, ",
        "unfork": "this run is not a fork: there is nothing to return to",
        "facts zebra": "there is no fact 'zebra'. `facts` lists those that are known",
        "facts base_line": "there is no fact 'base_line'. Did you mean baseline? `facts` lists",
        "save .": "'.' is not a regular file: use another file",
        "save nowhere/saved": "'nowhere/saved' cannot be written: there is no directory 'nowhere': create it first",
        "draw nowhere/way.dot": "'nowhere/way.dot' cannot be written: there is no directory 'nowhere'",
        "save /proc/saved": "'/proc/saved' cannot be written (",
        "save": "usage: save FILE",
        "save 'one": "No closing quotation: close the quotes",
        "fo": "'fo' is ambiguous: forward or fork",
        "qqq": "there is no command 'qqq'. `help` lists them",
        "contniue": "there is no command 'contniue'. Did you mean continue? `help` lists them",
        "help qqq": "there is no command 'qqq'. `help` lists them",
        "''": "there is no command ''. `help` lists them",
    },
    ("break polling",): {"delete waiting": "there is no breakpoint 'waiting'; breakpoints: polling"},
    ("until taking_baseline",): {"answer 200": "taking_baseline sends no request to answer: use `step` or"},
    ("step", "back"): {
        "inject ready": "the next step is known: `forward` and `step` repeat it",
        "answer 200": "the next step is known: `forward` and `step` repeat it",
        "wait skip": "the next step is known: `forward` and `step` repeat it",
    },
    ("continue",): {
        "inject ready": "the run has ended: go `back` to an earlier step, and `fork` there",
        "step": "the run has ended: go `back` to an earlier step, and `fork` there",
        "fork": "the run has ended here: go `back` to where it should continue differently, then `fork`",
    },
}


@pytest.mark.parametrize("before", REFUSED, ids=" and ".join)
def test_what_cannot_be_done_is_one_line(debug: Debugger, before: tuple[str, ...]) -> None:
    """A command that cannot be done says in one line what to do, changes nothing, and makes the exit code 2."""
    transcript = debug("START", *before, *REFUSED[before])

    refused = transcript.told[len(before) :]
    said = {told.command: " ".join(told.text.split()) for told in refused}
    assert {text: said[text] for text, words in REFUSED[before].items() if not said[text].startswith(words)} == {}
    assert len({told.prompt for told in refused}) == 1
    assert transcript.code == 2


# --- By hand --------------------------------------------------------------------------------------


def test_inject_takes_an_edge_without_the_call(debug: Debugger) -> None:
    """`inject` takes the edge of an event; nothing is asked, and no fact but the way is changed."""
    transcript = debug(
        "START", "until triggering", "inject answer_lost", "last", "why", "i waited", "until not_started"
    )

    assert transcript.of("inject answer_lost").row("came by") == "triggering --answer_lost--> awaiting_sign (injected)"
    assert transcript.of("inject answer_lost").row("next") == "in 10 s: the pause ends"
    assert transcript.of("last").line == "triggering sent no request"
    assert transcript.of("why").text.endswith("Injected: a POST got no answer and may have been carried out.")
    assert transcript.of("i waited").row("deadline") == "in 5 min; 0 s since the beginning"
    assert transcript.last.state == "considering_repeat"  # the simulated Fivetran never heard of it


def test_injected_value_of_a_choice(debug: Debugger) -> None:
    """A choice can be made by hand, too."""
    transcript = debug("START --scenario paused", "step", "inject yes", "why")

    assert transcript.of("inject yes").state == "unpausing"
    assert transcript.last.text.endswith("Injected: the value of a choice.")


def test_success_by_hand_is_carried_out(debug: Debugger) -> None:
    """`answer 200` at a POST goes past the scenario's fault, and the simulated Fivetran has the sync."""
    transcript = debug("START --scenario lost-answer", "until triggering", "answer 200", "last", "continue")

    assert transcript.of("answer 200").row("came by").endswith("-> 200 Success (answered by hand)")
    assert "Sync has been successfully triggered" in transcript.of("last").text
    assert transcript.last.row("here") == "done, final: exit code 0, verdict succeeded"


def test_failure_by_hand_is_not_carried_out(debug: Debugger) -> None:
    """`answer 503` at a POST is a lost answer, and the simulated Fivetran has no sync: it is looked for in vain."""
    transcript = debug("START", "until triggering", "answer 503", "why", "until not_started", "continue")

    assert transcript.of("answer 503").row("came by").startswith("triggering --answer_lost--> awaiting_sign")
    assert "Answered by hand. 503 ServiceUnavailable: Service Unavailable: a POST" in transcript.of("why").text
    assert transcript.of("until not_started").state == "considering_repeat"
    assert transcript.last.state == "done"


@pytest.mark.parametrize(
    ("status", "event"),
    [("401", "refused"), ("404", "not_found"), ("429", "rate_limited"), ("400", "rejected"), ("599", "unavailable")],
)
def test_status_by_hand_is_read_like_any_other(debug: Debugger, status: str, event: str) -> None:
    """A status is translated by the client's own rules, in Fivetran's usual form."""
    shown = debug("START", f"answer {status}").last

    assert shown.row("came by").startswith(f"validating --{event}-->")


def test_body_by_hand(debug: Debugger, tmp_path: Path) -> None:
    """The body of an answer comes from a file; its secrets are not shown."""
    file = tmp_path / "body.json"
    file.write_text(
        '{"code": "Success", "data": {"schedule_type": "manual", "connect_card": {"token": "unique-token"},'
        ' "status": {"setup_state": "broken", "sync_state": "scheduled"}, "note": "unique-token\\u001b[31m"}}',
        "utf-8",
    )

    transcript = debug("START", f"answer 200 {file}", "last", "facts connection")

    assert transcript.of(f"answer 200 {file}").row("came by").startswith("validating --broken--> considering_broken")
    assert '"note": "***[31m"' in transcript.of("last").text
    assert "unique-token" not in transcript.opening + "".join(told.text for told in transcript.told)


def test_success_that_a_simulated_fivetran_refuses(debug: Debugger) -> None:
    """Where the simulated Fivetran would not do it, `answer 200` is given all the same."""
    transcript = debug("START --scenario wrong-key", "answer 200")

    assert transcript.last.row("came by").startswith("validating --ready--> considering_switch")


def test_success_that_a_simulated_fivetran_is_too_slow_for(debug: Debugger, tmp_path: Path) -> None:
    """Where the simulated Fivetran takes longer than the limit of the request, that decides over `answer 200`."""
    scenario = _write(tmp_path, "latency = 1_000")

    transcript = debug(f"START --scenario {scenario}", "answer 200", "last")

    assert transcript.of("answer 200").row("came by").startswith("validating --unavailable--> validating")
    assert "no answer within 30 s" in transcript.last.text


def test_answer_that_is_not_used(debug: Debugger, tmp_path: Path) -> None:
    """Where the deadline forestalls the request, the answer is not used, and that is said."""
    scenario = _write(tmp_path, "variables = { FIVETRAN_TIMEOUT = '2' }")

    transcript = debug(f"START --scenario {scenario}", "until triggering", *["answer 429"] * 3)

    assert transcript.last.text.endswith("this step sent no request, so the answer was not used: `why` explains it")
    assert transcript.last.row("came by").startswith("triggering --gave_up--> considering_trigger")


def test_wait_is_skipped(debug: Debugger) -> None:
    """`wait skip` has the next step due without the time passing."""
    transcript = debug("START", "until waiting", "w skip", "step")

    assert transcript.of("w skip").row("next") == "the pause ends"
    assert transcript.of("w skip").text.endswith("\n10 s skipped")
    assert transcript.last.row("came by") == "waiting --waited--> polling (wait skipped)"
    assert transcript.last.row("deadline") == "in 5 min; 0 s since the beginning"


def test_back_off_is_skipped(debug: Debugger) -> None:
    """A back-off can be skipped like a pause."""
    transcript = debug("START", "answer 503", "wait skip", "step")

    assert transcript.of("wait skip").row("next").startswith("GET ")
    assert transcript.last.row("deadline") == "in 5 min; 0 s since the beginning"


def test_call_that_hangs_is_cut_off(debug: Debugger, tmp_path: Path) -> None:
    """A call that outlasts its limit is cut off on the virtual clock, too."""
    scenario = _write(tmp_path, "[[faults]]\non = 'get'\ndoes = 'hang'")
    file = tmp_path / "saved.jsonl"

    transcript = debug(f"START --scenario {scenario}", "step", f"save {file}")

    assert transcript.of("step").row("came by").startswith("validating --unavailable--> validating")
    assert "no answer within 30 s" in transcript.of("step").row("came by")
    assert read_journal(file).records[0].step.cut_off == "limit"


# --- Another life ---------------------------------------------------------------------------------


def test_fork_of_a_simulation_has_its_world_as_it_was(debug: Debugger) -> None:
    """A fork goes on from that step with the simulated Fivetran of then: the same again, and `unfork` is back."""
    transcript = debug(
        "START --scenario rescheduled-twice",
        "until rescheduled",
        "c",
        "back to considering_reschedule",
        "fork",
        "c",
        "unfork",
        "back to considering_reschedule",
        "fork",
        "inject fail",
        "c",
        "unfork",
        "unfork",
    )

    ended = [told for told in transcript.told if told.command == "c"]
    assert [told.row("here") for told in ended] == [
        "done, final: exit code 0, verdict succeeded",
        "done, final: exit code 0, verdict succeeded",
        "postponed, final: exit code 8, verdict rescheduled",
    ]
    assert ended[0].text.splitlines()[-12] == ended[1].text.splitlines()[-12]
    assert ended[1].prompt == "(fork: rescheduled_twice) 20 considering_reschedule>"
    assert transcript.last.line == "this run is not a fork: there is nothing to return to"


def test_fork_into_another_scenario(debug: Debugger) -> None:
    """`fork SCENARIO` says how Fivetran behaves from here; what is under way goes on as its first sync."""
    transcript = debug("START", "until running", "fork fails", "continue", "unfork", "continue")

    assert transcript.of("fork fails").row("facts").startswith("* connection sync_state syncing")
    assert [told.row("here") for told in transcript.told if told.command == "continue"] == [
        "failed, final: exit code 1, verdict sync_failed",
        "done, final: exit code 0, verdict succeeded",
    ]


def test_fork_right_after_the_trigger_has_the_sync(debug: Debugger) -> None:
    """A trigger that was accepted after the document was read is under way in the fork."""
    transcript = debug("FORCE_RESYNC", "until triggered", "fork succeeds", "continue")

    assert transcript.last.row("here") == "done, final: exit code 0, verdict succeeded"
    assert "--triggered-->" not in transcript.last.text


def test_fork_at_the_beginning(debug: Debugger) -> None:
    """Where no document was read yet, the fork's connection is the scenario's; its key, too."""
    transcript = debug("START", "fork wrong-key", "continue")

    assert transcript.last.row("here") == "access_denied, final: exit code 3, verdict refused"


def test_fork_of_the_setup_tests(debug: Debugger) -> None:
    """In a fork the simulated Fivetran takes its time by the fork's clock."""
    transcript = debug("TEST", "until testing", "fork", "step")

    assert transcript.last.row("deadline").endswith("20 s since the beginning")


def test_clock_that_is_ahead() -> None:
    """Fivetran's clock in a fork is ahead of the machine's, and passes with it."""
    clock = VirtualClock()
    ahead = Ahead(clock, 100.0)

    ahead.sleep(5.0)

    assert (ahead.monotonic(), ahead.wall() - clock.wall()) == (5.0, 100.0)
    assert (ahead.real(1.0), ahead.speed) == (clock.real(1.0), clock.speed)


# --- Looking --------------------------------------------------------------------------------------


def test_edges_have_meanings(debug: Debugger) -> None:
    """`edges` has a line an edge, those of the groups, too."""
    shown = debug("START", "until waiting", "edges").last

    assert [line.split()[:3] for line in shown.text.splitlines()] == [
        ["waited", "->", "polling"],
        ["timed_out", "->", "concluding"],
        ["interrupted", "->", "concluding"],
        ["terminated", "->", "concluding"],
    ]
    assert shown.text.endswith("SIGTERM: the runner is stopping the job")


def test_facts_in_full(debug: Debugger) -> None:
    """`facts` lists each known fact, `facts NAME` one in full."""
    transcript = debug(
        "START", "until triggering", "answer 503", "facts", "facts baseline", "facts verdict", "facts failure"
    )

    assert "  connection       sync_state scheduled, setup_state connected" in transcript.of("facts").text
    assert '"succeeded_at": "2027-01-15T02:00:00.000000Z"' in transcript.of("facts baseline").text
    assert transcript.of("facts verdict").line == "not known"
    assert '"event": "answer_lost"' in transcript.last.text


def test_facts_that_went_away(debug: Debugger) -> None:
    """A fact that is no more is listed as changed; warnings have a line each."""
    shown = debug("START --scenario lost-answer", "until started").last

    assert "* failure cleared" in shown.row("facts")
    assert "* warnings the trigger's answer was lost; a sync was seen since" in shown.row("facts")


def test_last_request_and_answer_in_full(debug: Debugger) -> None:
    """`last` has request and answer whole: body, date, message, document."""
    transcript = debug("START", "last", "until triggered", "l", "until waited", "last", "step", "l")

    assert transcript.of("last").line == "no request was sent yet"
    assert transcript.of("l").row("asked") == 'POST /v1/connections/speak_inexpensive/sync {"force": false}'
    assert transcript.of("l").row("for") == "to start a sync; it took 0.00 s"
    assert transcript.of("l").row("date") == "2027-01-15T08:00:00.000Z"
    assert '"sync_state": "syncing"' in transcript.last.text


def test_last_failure_in_full(debug: Debugger) -> None:
    """`last` says what a failure means, and how long Fivetran asks to wait."""
    shown = debug("START --scenario rate-limited", "until rate_limited", "last").last

    assert shown.row("means") == "rate_limited: 429: the API rate limit was reached"
    assert shown.row("retry after") != ""


def test_answer_without_a_date(debug: Debugger, tmp_path: Path) -> None:
    """An answer that had no Date says whose clock stood in."""
    shown = debug(f"START --scenario {_write(tmp_path, 'dated = false')}", "step", "last").last

    assert shown.row("date") == "none; this machine's clock was used"


def test_why_names_the_rule(debug: Debugger) -> None:
    """`why` names the rule that decided the last step."""
    transcript = debug("START", "why", "until running", "y")

    assert transcript.of("why").line == "nothing has been decided yet"
    assert transcript.last.text == (
        "polling --running--> waiting\nsync_state is syncing, even if failed_at moved: the sync has not ended."
    )


def test_history_lists_steps(debug: Debugger) -> None:
    """`history` lists the last steps, and those that are known behind the one that is looked at."""
    transcript = debug("START", "continue", "back 2", "history 3", "history", "history all")

    three, some = transcript.of("history 3").text.splitlines(), transcript.of("history").text.splitlines()
    assert three[0].endswith(" earlier steps: `history all` lists them")
    assert [line[0] for line in three[1:]] == [" ", " ", ">", " ", " "]
    assert len(some) == 1 + 20 + 2
    assert transcript.last.text.splitlines()[0].endswith("the beginning: validating")


def test_draw_marks_the_path(debug: Debugger) -> None:
    """`draw` has each state, the edges that were taken and how often, and where we are."""
    text = debug("START", "until running", "step 2", "draw").last.text

    drawn = [" ".join(line.split()) for line in text.splitlines()]
    assert drawn[0] == "START: run one sync and wait for its end"
    assert "* polling --running--> waiting (2 times)" in drawn
    assert "restarting" in drawn
    assert [line.split()[1] for line in drawn if line.startswith(">")] == ["waiting"]


def test_draw_into_a_file_marks_the_path(debug: Debugger, tmp_path: Path) -> None:
    """`draw FILE` draws the chart as the file's ending says, with the way so far and the present state."""
    file = tmp_path / "here.mmd"
    way = [("validating", "considering_switch"), ("considering_switch", "disabling_schedule")]

    shown = debug("START", "step 2", f"draw {file}").last

    assert shown.text == f"drawn: {file}"
    drawing = diagram(load("START"), View.FULL, here="disabling_schedule", way=way)
    assert file.read_text("utf-8") == mermaid.render(drawing)


def test_draw_needs_a_known_ending_and_graphviz(
    debug: Debugger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`draw` refuses a file that does not say what it is, and a picture where Graphviz is missing."""
    monkeypatch.setenv("PATH", str(tmp_path))

    transcript = debug("START", "draw here.jpeg", "draw here.svg")

    ending = "'here.jpeg' has no known extension: use one of .svg, .png, .mmd, .dot"
    assert transcript.of("draw here.jpeg").text == ending
    assert transcript.of("draw here.svg").text.startswith("svg needs Graphviz")


def test_draw_overwrites_nothing_but_files(debug: Debugger, tmp_path: Path) -> None:
    """`draw FILE` draws over a file, and over nothing else."""
    (tmp_path / "folder.dot").mkdir()
    (tmp_path / "way.dot").write_text("something else", "utf-8")

    transcript = debug("START", f"draw {tmp_path}/folder.dot", f"draw {tmp_path}/way.dot")

    refused, drawn = (" ".join(told.text.split()) for told in transcript.told)
    assert refused == f"'{tmp_path}/folder.dot' is not a regular file: use another file"
    assert drawn == f"drawn: {tmp_path}/way.dot"
    assert (tmp_path / "way.dot").read_text("utf-8").startswith("digraph")


@pytest.mark.parametrize("content", [b"", b"a letter\n", b"\xff\xfe", b"[1]", b'{"format": 1}'])
def test_save_overwrites_journals_alone(debug: Debugger, tmp_path: Path, content: bytes) -> None:
    """`save FILE` writes over a journal, and over no other file."""
    (tmp_path / "own").write_bytes(content)

    transcript = debug("START", f"save {tmp_path}/own", f"save {tmp_path}/new", "step", f"save {tmp_path}/new")

    refused = " ".join(transcript.told[0].text.split())
    assert refused == f"'{tmp_path}/own' exists and is not a journal: use another file"
    assert (tmp_path / "own").read_bytes() == content
    assert len(read_journal(tmp_path / "new").records) == 1


def test_help_lists_every_command(debug: Debugger) -> None:
    """`help` has a line for each command, `help COMMAND` its whole text."""
    transcript = debug("START", "help", "help fork", "? c", "")

    assert [
        name for name, command in COMMANDS.items() if f" {command.written} " not in transcript.of("help").text
    ] == []
    assert [name for name, command in COMMANDS.items() if not command.help.rstrip().endswith(".")] == []
    assert transcript.of("help fork").text.startswith("fork [SCENARIO]\nContinue differently from here")
    assert transcript.of("? c").text.startswith("continue (short: c)\n")


def test_short_forms_are_no_two_commands(debug: Debugger) -> None:
    """No short form stands for two commands."""
    del debug
    shorts = [command.short for command in COMMANDS.values() if command.short]

    assert len(shorts) == len(set(shorts))
    assert not set(shorts) & COMMANDS.keys()


def test_quit_leaves(debug: Debugger) -> None:
    """`quit` leaves; what follows is not done, and comments stand as they are."""
    transcript = debug("START", "# where are we?", "", "quit", "step")

    assert transcript.opening.endswith("\n# where are we?\n\n")
    assert [told.command for told in transcript.told] == ["quit"]


# --- Keeping --------------------------------------------------------------------------------------


def test_what_was_done_by_hand_is_saved_and_done_again(debug: Debugger, tmp_path: Path) -> None:
    """A saved session is a journal that repeats, what was done by hand included; saved again it is the same."""
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"

    debug(
        "START --scenario lost-answer", "step", "fork", "until triggering", "answer 503", "wait skip", "step",
        "inject started", "wait skip", "fork succeeds", "continue", f"save {first}",
    )  # fmt: skip
    transcript = debug(f"--replay {first}", "continue", "history all", f"save {second}")

    journal = read_journal(first)
    assert chart_of(journal).states[replay(journal).state].exit is not None
    assert [record.by_hand for record in journal.records if record.by_hand] == [
        "answered",
        "hastened",
        "injected",
        "hastened",
    ]
    assert transcript.of("continue").state == "out_of_time"  # there was no sync
    assert "confirming --started--> waiting  (injected)" in transcript.of("history all").text
    assert second.read_text("utf-8") == first.read_text("utf-8")


def test_facts_are_all_known_to_the_screen(debug: Debugger) -> None:
    """Every fact can be asked for by its name."""
    transcript = debug("START", *(f"facts {name}" for name in Facts().as_json()))

    assert transcript.code == 0
