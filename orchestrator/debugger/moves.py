"""The commands that move: forward and back, by hand, and into another session. A docstring is a command's help."""

import re
from collections import deque
from dataclasses import replace
from http import HTTPStatus

from orchestrator.debugger import screen
from orchestrator.debugger.arguments import count, known
from orchestrator.debugger.journal_reader import ANSWERED, INJECTED
from orchestrator.debugger.ports import Refusal
from orchestrator.debugger.screen import Console
from orchestrator.debugger.session import Moment, Session
from orchestrator.debugger.sources import forked
from orchestrator.debugger.views import look
from orchestrator.job.files import read_bytes
from orchestrator.machine.position import IllegalMove
from orchestrator.machine.transition import take
from orchestrator.values.formatting import duration

__all__ = ["answer", "back", "break_", "delete", "fork", "forward", "go", "inject", "step", "unfork", "until", "wait"]

LOOP = 4  # steps of a loop that is shown once


# --- On and back ---------------------------------------------------------------------------------


def step(console: Console, number: str = "1") -> None:
    """Take the next step, or the next N.

    `next` shows what it will do. Waiting takes no time, except with --live.
    """
    _advance(console, most=count(number))


def go(console: Console) -> None:
    """Continue to the next breakpoint, or to the end."""
    _advance(console)


def until(console: Console, name: str) -> None:
    """Continue until a state is entered or an event is taken, or to a breakpoint or the end."""
    _advance(console, _stop(console.session, name))


def break_(console: Console, name: str = "") -> None:
    """Set a breakpoint at a state or an event; without a name, list the breakpoints."""
    points = console.session.breakpoints
    if name:
        points[_stop(console.session, name)] = None
    console.say(f"breakpoints: {', '.join(points)}" if points else "no breakpoints; `break STATE|EVENT` sets one")


def delete(console: Console, name: str) -> None:
    """Delete a breakpoint, or all of them."""
    points = console.session.breakpoints
    if name.lower() == "all":
        points.clear()
    elif points.pop(name.lower(), "") is not None:
        raise Refusal(f"there is no breakpoint {name!r}; breakpoints: {', '.join(points) or 'none'}")
    break_(console)


def back(console: Console, where: str = "1", state: str = "") -> None:
    """Go back to the previous step, the Nth before, or the latest one in a state.

    This only looks back: what was done at Fivetran is not undone. To continue differently from there,
    `fork`.
    """
    session = console.session
    if where == "to" and state:
        name = known(state, session.chart.states, f"state of {session.chart.action}", "`draw` shows them")
        places = [place for place in range(session.cursor) if session.moments[place].standing.state == name]
        place = places[-1] if places else session.cursor
        _look_at(console, place, f"no earlier step is in {name}: `history` lists the steps")
    elif state:
        raise Refusal("usage: back [N | to STATE]")
    else:
        _look_at(console, session.cursor - count(where), "this is the beginning: `step` or `forward` continues")


def forward(console: Console, number: str = "1") -> None:
    """Go forward to the next known step, or the Nth; nothing is executed."""
    _look_at(console, console.session.cursor + count(number), "there is no later step yet: `step` takes the next one")


def _look_at(console: Console, place: int, otherwise: str) -> None:
    """Look at another moment, or at the one next to that; where there is none, `otherwise` says what to do."""
    session = console.session
    place = max(0, min(place, len(session.moments) - 1))
    if place == session.cursor:
        raise Refusal(otherwise)
    session.cursor = place
    look(console)


def _stop(session: Session, name: str) -> str:
    """A state or an event to stop at."""
    return known(name, session.stops, f"state or event of {session.chart.action}", "`draw` shows the states")


def _advance(console: Console, name: str = "", most: int | None = None) -> None:
    """Step on until the name or a breakpoint is reached, at most so many steps, or to the end."""
    session, progress = console.session, _Progress(console)
    taken, reached = 0, ""
    try:
        while not reached and (taken == 0 or (session.goes_on and taken != most)):
            session.step()
            taken += 1
            if most != 1:
                progress.add(session.here)
            passed = {session.state.name, session.here.step and session.here.step.event}
            reached = next((one for one in (name, *session.breakpoints) if one in passed), "")
            if not reached and console.limits.noted is not None:
                raise Refusal("interrupted: the run has not moved")
    finally:
        progress.end()
    look(console)
    if reached and reached != name:
        console.say(f"stopped at breakpoint {reached}")
    elif name and not reached:
        console.say(f"{name} was not reached")
    if not session.goes_on and not session.ended:
        console.say(session.end)


class _Progress:
    """Shows steps as they are taken, a line each; a loop that comes round again is counted."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._recent: deque[str] = deque(maxlen=LOOP)
        self._left_out: list[Moment] = []

    def add(self, moment: Moment) -> None:
        """Show the step that led to a moment, or count it."""
        move = moment.step.move if moment.step else ""
        if move in self._recent:
            self._left_out.append(moment)
        else:
            self.end(moment)
            self._recent.append(move)

    def end(self, *shown: Moment) -> None:
        """Say how many were not shown (one takes no more room than saying so), and show what follows."""
        if len(self._left_out) > 1:
            self._console.say(f"      ... {len(self._left_out)} more like these")
            self._left_out.clear()
        for moment in (*self._left_out, *shown):
            self._console.print(screen.row(self._console.session, moment))
        self._left_out.clear()


# --- By hand -------------------------------------------------------------------------------------


def inject(console: Console, event: str) -> None:
    """Take the edge of an event without doing what the state does: no request, no wait."""
    session = console.session
    run = session.tip().run
    try:
        session.add(take(run.chart, run.settings, run.standing, event.lower(), run.now), INJECTED)
    except IllegalMove as error:
        raise Refusal(f"{error}: the edges here are {', '.join(session.state.edges)}") from error
    look(console)


def answer(console: Console, status: str, file: str = "") -> None:
    """Answer the request with this HTTP status, and the file as its body.

    It is read like any answer from Fivetran. Without a file, 2xx has the body that Fivetran would send,
    other statuses have Fivetran's usual error body. With a simulated Fivetran, 2xx means that it carries
    out the request, whatever faults the scenario has; any other status, that it does not. With --live
    nothing is sent.
    """
    session, request = console.session, console.session.request
    code = int(status) if re.fullmatch("[2-5][0-9]{2}", status) else 0
    if not code:
        raise Refusal(f"{status!r} is not an HTTP status from 200 to 599, such as 200, 401 or 503")
    try:
        body = read_bytes(file) if file else None
    except OSError as error:
        raise Refusal(f"{file} cannot be read ({error.strerror}): use a file with the body") from error
    if request is None:
        raise Refusal(f"{session.state.name} sends no request to answer: use `step` or `inject EVENT`")
    unknown = request.wants_data and session.here.standing.facts.connection is None
    if unknown and body is None and session.live and code < HTTPStatus.MULTIPLE_CHOICES:
        raise Refusal(f"the connection has not been read yet: give the body with `answer {code} FILE`")
    session.tip()
    session.step((code, body))
    look(console)
    if session.here.by_hand != ANSWERED:
        console.say("this step sent no request, so the answer was not used: `why` explains it")


def wait(console: Console, skip: str) -> None:
    """`wait skip` makes the next step due now, without waiting."""
    if skip != "skip":
        raise Refusal("usage: wait skip")
    session = console.session
    run = session.tip().run
    now = run.now
    skipped = run.wake - now
    if skipped <= 0:
        raise Refusal("nothing to wait for: `step` takes the next step")
    run.standing = run.standing._replace(wake=now)
    session.moments[-1] = replace(session.here, standing=run.standing, now=now, hastened=True)
    look(console)
    console.say(f"{duration(skipped)} skipped")


# --- Another session -----------------------------------------------------------------------------


def fork(console: Console, scenario: str = "") -> None:
    """Continue differently from here, against a simulated Fivetran: what would the run have done?

    The simulated connection starts where the real one was: its document, its clock, and the sync that
    is running as far as the run knows. SCENARIO says how Fivetran behaves from here; without one, a
    sync succeeds (in a simulation, the scenario stays the same). Nothing reaches the real Fivetran.
    `unfork` returns to the original run.
    """
    console.session = forked(console.session, scenario)
    look(console)


def unfork(console: Console) -> None:
    """Leave a fork and return to the original run, at the step where it was forked."""
    left = console.session
    if left.parent is None or left.ports is None:
        raise Refusal("this run is not a fork: there is nothing to return to")
    console.session = left.parent
    left.ports.close()
    look(console)
