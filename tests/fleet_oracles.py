"""What must hold of every fleet, besides what must hold of each of its runs."""

from collections.abc import Iterator
from itertools import pairwise

from oracles import ORACLES, Finding, judge
from playing import Played
from playing_fleets import FRESH_ENOUGH, PlayedFleet

from orchestrator.machine.standing import GRACE_AFTER_SIGNAL
from orchestrator.machine.transition import LAST_CALL

__all__ = ["EVERY_ORACLE", "FLEET_ORACLES", "judge_fleet"]

FLEET_ORACLES = {
    "stale document": "no run decides on a document that was read before it asked, or before its own trigger",
    "one at a time": "no run asks for anything before it knows what came of its last request",
    "stale change": "no schedule is switched, and nothing un-paused, long after the look on which that was decided",
    "parallel": "no more runs are under way than FIVETRAN_MAX_PARALLEL allows",
    "rounds": "the listing is asked for at most twice a poll interval",
    "held back": "after a 429 with Retry-After nothing is sent before that time, but a last look",
    "no end": "each connection's run ends; only a signal, the deadline and FIVETRAN_FAIL=fast leave some out",
    "signal": "a signal ends all runs within two seconds",
    "left over": "at the end the scheduler holds nothing any more",
}
EVERY_ORACLE = {**FLEET_ORACLES, **ORACLES}
INSTANT = 1e-3  # seconds: a difference of clocks, not of times
AFTER_SIGNAL = GRACE_AFTER_SIGNAL + 0.5


def judge_fleet(played: PlayedFleet) -> list[Finding]:
    """What the oracles find of a fleet and of its runs."""
    if played.failure:
        return [Finding("crash", "", played.failure)]
    found = [Finding(oracle, "", words) for oracle, words in played.broken]
    found += [*_conduct(played), *_ends(played)]
    for name, one in played.members.items():
        if one.code is None and not one.failure:
            continue
        found += [
            finding._replace(words=f"{name}: {finding.words}") for finding in (*judge(one), *_requests(one, played))
        ]
    return found


def _conduct(played: PlayedFleet) -> Iterator[Finding]:
    fleet = played.fleet
    if played.most > fleet.parallel and fleet.first.action in {"START", "FORCE_RESYNC"}:
        yield Finding("parallel", "", f"{played.most} runs at once, not {fleet.parallel}")
    rounds = [one for one in played.posted if not one.whose and "cursor=" not in one.request.path]
    least = float(fleet.first.variable("FIVETRAN_POLL_INTERVAL", "10")) / 2
    for before, after in pairwise(rounds):
        if after.at - before.at < least - INSTANT and after.process == before.process and not after.late:
            yield Finding("rounds", "", f"the listing again after {after.at - before.at:.3f} s")
    for one in played.posted:
        if one.at < one.held - INSTANT and not one.late:
            yield Finding("held back", "", f"{one.request} {one.held - one.at:.3f} s before the time that was named")


def _ends(played: PlayedFleet) -> Iterator[Finding]:
    fleet = played.fleet
    if played.left_over:
        yield Finding("left over", "", ", ".join(played.left_over))
    if played.signalled is not None and played.ended - played.signalled > AFTER_SIGNAL:
        yield Finding("signal", "", f"ended {played.ended - played.signalled:.3f} s after it")
    failed = any(one.code != 0 for one in played.members.values())
    spared = played.late or played.signalled is not None or (fleet.fail == "fast" and failed)
    if played.left_out and not spared:
        yield Finding("no end", "", f"never begun: {', '.join(played.left_out)}")
    for name, one in played.members.items():
        if one.code is None and not one.failure:
            yield Finding("no end", "", f"{name} was begun, and has not ended")
    asked = {one.whose for one in played.posted if one.whose}
    if wrong := asked - set(played.members):
        yield Finding("no end", "", f"asked about, and never begun: {', '.join(sorted(wrong))}")


def _requests(one: Played, played: PlayedFleet) -> Iterator[Finding]:
    """Requests of one run: each by itself, and no change long after the look before it."""
    for before, after in pairwise(sent for sent in one.sent if sent.until <= one.ended):
        if after.at < before.until - INSTANT:
            words = f"{after.request} {before.until - after.at:.3f} s before the end of {before.request}"
            yield Finding("one at a time", "", words)
    for sent in one.sent:
        if sent.operation != "patch" or sent.at > one.ended - LAST_CALL:
            continue
        looks = [look for look in one.sent if look.answered and look.operation in {"get", "patch", "test"}]
        last = max((look.until for look in looks if look.until <= sent.at), default=None)
        most = FRESH_ENOUGH if len(played.fleet.members) > 1 else INSTANT
        if last is not None and sent.at - last > most + INSTANT and "schedule_type" in (sent.request.body or {}):
            yield Finding("stale change", "", f"{sent.request} {sent.at - last:.1f} s after the last look")
