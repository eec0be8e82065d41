"""What must hold of every run, whatever becomes of it; judged by the truth, never by the run's own document.

The truth is the simulated Fivetran's: when each sync ran and how it ended, which requests arrived
and what they did, and the times. Of the run itself only what it claims is taken: exit code,
verdict and warnings. What no program could know from outside is an exception: it has a name and
a condition on the truth, and is counted.
"""

from collections.abc import Iterator
from functools import cached_property
from math import inf
from typing import NamedTuple

from playing import Played, Sent

from orchestrator.fivetran.effects.choices import LOST_MOST
from orchestrator.fivetran.effects.situation import FRESH
from orchestrator.machine.standing import GRACE
from orchestrator.machine.transition import LAST_CALL
from orchestrator.simulator.connection import Sync

__all__ = ["ORACLES", "Finding", "judge"]

ORACLES = {
    "false green": "exit code 0 means that a sync succeeded which began after the job asked, or the one attached to",
    "false red": "sync_failed and cancelled mean that a sync of ours failed, and neither runs again nor has succeeded",
    "interrupted": "no request of ours stops a sync that is running, unless restart was asked for",
    "two syncs": "one job has one sync come to its end, however many answers are lost",
    "too long": "a run ends within its time, the last call's seconds and the grace",
    "late change": "nothing is changed after the deadline, but the schedule where that was asked for",
    "schedule": "the schedule is changed where it may be, while no sync runs, and ends as promised or with a warning",
    "conduct": "nothing is forced, un-paused or triggered unless a variable says so; no PATCH runs setup tests",
    "freshness": "with FIVETRAN_MAX_AGE, shown and stale say how old the last success is; unknown times are stale",
    "setup tests": "passed and tests_failed say what Fivetran's tests found",
    "crash": "no run ends in an exception",
}
INSTANT = 0.01  # seconds: what takes no longer has not been waited for
OVERSHOT = 1.0  # seconds
SIX_HOURS = 21_600.0  # seconds from the last success of a simulated connection to the run
_BAD = {"fails", "vanishes", "breaks", "pauses", "stopped", "clashed"}
SKEWED = "Date and the connection's dates run apart"
REPEATED = "a forced restart was repeated after its answer was lost"
TAKEN = "another sync began after a trigger whose answer was lost, and was taken for the job's"
UNDATED = "Fivetran's answers tell no time"
BETWEEN = "a sync began between the last look and the request"


class Finding(NamedTuple):
    """Something that an oracle found.

    Attributes:
        oracle: Its name.
        exception: The name of the exception that this is one of; "" for a violation.
        words: What happened.
    """

    oracle: str
    exception: str
    words: str


def judge(played: Played) -> list[Finding]:
    """What the oracles find of a run."""
    if played.failure:
        return [Finding("crash", "", played.failure)]
    truth = _Truth(played)
    found = [*truth.conduct(), *truth.interrupted(), *truth.schedule(), *truth.late_changes(), *truth.too_long()]
    match played.world.action:
        case "START" | "FORCE_RESYNC":
            found += [*truth.false_green(), *truth.false_red(), *truth.two_syncs()]
        case "TEST":
            found += truth.setup_tests()
        case "STATUS":
            found += truth.freshness()
    return found


class _Truth:
    def __init__(self, played: Played) -> None:
        self.played = played
        self.world = played.world
        self.scenario = played.world.scenario
        self.syncs = played.connection.history
        self.ended = played.ended
        self.posts = [sent for sent in played.sent if sent.operation in {"sync", "resync"}]
        self.looks = [sent for sent in played.sent if sent.operation == "get" and sent.answered]
        self.policy = self.world.variable("FIVETRAN_ON_RUNNING", "wait")
        self.age = float(self.world.variable("FIVETRAN_MAX_AGE", "inf")) if self.world.action == "STATUS" else inf
        self.keeps = bool(self.world.variable("FIVETRAN_DONT_DISABLE_SYNC")) or self.age < inf
        self.restores = bool(self.world.variable("FIVETRAN_RESTORE_SCHEDULE"))
        own = played.began + float(self.world.variable("FIVETRAN_TIMEOUT", "300"))
        self.deadline = own if played.deadline is None else played.deadline
        met = (*self.scenario.faults, *played.shared)
        self.undated = not self.scenario.dated or any(fault.does == "undated" for fault in met)

    # --- What was so ----------------------------------------------------------------------------

    @cached_property
    def ours(self) -> list[Sync]:
        """The syncs that our triggers started or joined, and those by which Fivetran went on with one of them."""
        return self._with_resumed(
            [trigger.sync for trigger in self.played.connection.triggers if trigger.sync is not None]
        )

    @cached_property
    def asked(self) -> float:
        """When we first asked for a sync."""
        return min((sent.at for sent in self.posts), default=float("inf"))

    def _with_resumed(self, syncs: list[Sync]) -> list[Sync]:
        """The syncs, and those by which Fivetran went on with one of them, in the order in which they began."""
        found = list(syncs)
        for sync in self.syncs:
            if sync.origin is not None and any(sync.origin is one for one in found):
                found.append(sync)
        return [sync for sync in self.syncs if any(sync is one for one in found)]

    def after_asking(self, sync: Sync) -> bool:
        """Whether a sync began after we first asked for one, or by that."""
        return bool(self.posts) and sync.starts_at >= self.asked and self.posts[0].running is not sync

    @cached_property
    def attached(self) -> list[Sync]:
        """The syncs that a document which we were given showed running."""
        shown = [sent for sent in self.played.sent if sent.operation in {"get", "patch"} and sent.answered]
        return [sync for sync in self.syncs if any(self.saw(sent, sync) for sent in shown)]

    @staticmethod
    def saw(look: Sent, sync: Sync) -> bool:
        """Whether a look found that sync running."""
        late = look.acts_at is not None and look.acts_at > (look.at if look.arrived is None else look.arrived)
        return _runs(sync, look.acts_at) if late else look.running is sync

    def between(self, sync: Sync, post: Sent) -> bool:
        """Whether a sync began after the last look before a request, and not after the request."""
        look = self.last_look(post.at)
        since = self.played.began if look is None or look.acts_at is None else look.acts_at
        seen = look is not None and self.saw(look, sync)
        return not seen and since <= sync.starts_at <= (post.acts_at or post.until)

    def over(self, sync: Sync) -> bool:
        """Whether it had ended when the run did."""
        return sync.ended_at is not None and sync.ended_at <= self.ended

    def last_look(self, before: float) -> Sent | None:
        """The last look that was answered by then."""
        return max((look for look in self.looks if look.until <= before), key=lambda look: look.until, default=None)

    def fresh_look(self, sent: Sent) -> Sent | None:
        """The look that a request came straight after: nothing but requests lies in between."""
        look = self.last_look(sent.at)
        if look is None:
            return None
        asking = sum(one.until - one.at for one in self.played.sent if look.until <= one.at and one.until <= sent.at)
        return look if sent.at - look.until - asking < max(INSTANT, self.played.queued) else None

    def unheard(self, sent: Sent) -> bool:
        """Whether it may have been carried out without the run's learning of it."""
        return not sent.answered and sent.acts_at is not None

    def described(self, syncs: list[Sync]) -> str:
        """The syncs, in a line, by seconds since the run began."""
        began = self.played.began
        lines = []
        for sync in syncs[-6:]:
            until = "" if sync.ended_at is None else f"{sync.ended_at - began:.2f}"
            lines.append(f"{sync.cause} {sync.starts_at - began:.2f} to {until} {sync.outcome}")
        return "; ".join(lines)

    # --- Oracles ---------------------------------------------------------------------------------

    def false_green(self) -> Iterator[Finding]:
        """Exit code 0 with nothing synced."""
        if self.played.code != 0:
            return
        good = [sync for sync in self.syncs if sync.outcome == "succeeds" and self.over(sync)]
        if self.world.action == "FORCE_RESYNC":
            yield from self._green_resync(good)
            return
        if any(self.after_asking(sync) for sync in good):
            return
        name = BETWEEN if any(self.between(sync, post) for post in self.posts for sync in good) else self._skewed()
        if self.policy == "attach":
            if any(sync is one for sync in good for one in self._with_resumed(self.attached)) or any(
                one.cause == "unpaused" for one in good
            ):
                return
            if self.attached and any(sync.starts_at >= self.attached[0].starts_at for sync in good):
                name = "another sync succeeded after the one attached to had ended otherwise"
        yield Finding(
            "false green", name, f"no sync that began after the job asked has succeeded: {self.described(self.syncs)}"
        )

    def _green_resync(self, good: list[Sync]) -> Iterator[Finding]:
        accepted = [trigger for trigger in self.played.connection.triggers if trigger.kind == "resync"]
        if not any(trigger.at <= self.ended for trigger in accepted):
            yield Finding("false green", "", "no re-sync was accepted")
        elif not any(sync is one for sync in good for one in self.ours):
            later = [sync for sync in good if sync.starts_at >= accepted[0].at]
            before = [sync for sync in self.ours if later and sync.starts_at < later[-1].starts_at]
            ended = later and all(self.over(sync) and (sync.ended_at or 0) <= later[-1].starts_at for sync in before)
            name = "another sync succeeded after the accepted re-sync had ended otherwise" if ended else self._skewed()
            yield Finding("false green", name, f"the re-sync did not succeed: {self.described(self.syncs)}")

    def false_red(self) -> Iterator[Finding]:
        """Red, though our sync runs or has succeeded; or nothing of ours has failed."""
        red = self.played.verdict in {"sync_failed", "cancelled"}
        if not red and self.played.verdict not in {"rescheduled", "too_late"}:
            return
        mine = self.ours or (self._with_resumed(self.attached) if self.policy == "attach" and not self.posts else [])
        mine = mine or [sync for sync in self.syncs if self.after_asking(sync)]
        last = self.last_look(self.ended)
        seen = last.acts_at if last is not None and last.acts_at is not None else 0.0
        good = [sync for sync in mine if sync.outcome == "succeeds" and self.over(sync)]
        open_ = [sync for sync in mine if sync.asked_at <= self.ended and not self.over(sync)]
        if good:
            yield Finding("false red", self._why_good(good, seen), f"ours succeeded: {self.described(self.syncs)}")
        elif open_ and red:
            unseen = open_[0].starts_at > seen or not self._seen(open_[0])
            name = "Fivetran went on with the sync after the last look" if unseen else ""
            name = name if open_[0].cause in {"retry", "schedule"} else ""
            if not name:
                name = self._why_foreign()
            if not name and self.policy == "restart" and unseen:
                name = "the sync stayed queued for more than a minute after a restart"
            yield Finding("false red", name or self._skewed(), f"ours is under way: {self.described(self.syncs)}")
        elif red and not any((sync.outcome in _BAD and self.over(sync)) or sync.failed_inside for sync in mine):
            yield Finding("false red", self._why_foreign(), f"nothing of ours has failed: {self.described(self.syncs)}")

    def _why_good(self, good: list[Sync], seen: float) -> str:
        if self.played.verdict in {"rescheduled", "too_late"} and all((sync.shown_at or 0) > seen for sync in good):
            return "Fivetran went on with the sync after the last look"
        for sync in self.syncs:
            if any(sync is one for one in self.ours) or sync.outcome == "succeeds":
                continue
            failed = sync.starts_at + (sync.plan.fails_inside or 0.0) if sync.failed_inside else sync.shown_at
            if failed is None:
                continue
            shown = max(one.shown_at or 0 for one in good)
            looks = [look for look in self.looks if look.running is None or self.world.action == "START"]
            if shown <= failed and not any(shown <= (look.acts_at or 0) < failed for look in looks):
                return "another sync failed after the job's had succeeded, between two looks"
        unseen = all((sync.shown_at or self.ended) > seen and not self._seen(sync) for sync in good)
        if self.ended >= self.deadline and all((sync.shown_at or self.ended) > seen for sync in good):
            return "the deadline struck before the success showed"
        if unseen and all(sync.cause in {"retry", "schedule"} for sync in good):
            return "Fivetran went on with the sync between two looks"
        if any(sync.outcome == "reschedules" and sync not in self.ours for sync in self.syncs):
            return "Fivetran rescheduled another sync after the job's had ended"
        if any(self.unheard(sent) for sent in self.posts):
            if self.policy == "restart":
                return REPEATED
            if self.world.action == "FORCE_RESYNC":
                return "the re-sync whose answer was lost had succeeded, and the repeated one decides, by design"
        return self._skewed()

    def _seen(self, sync: Sync) -> bool:
        """Whether a look found it running."""
        return any(self.saw(look, sync) for look in self.looks)

    def _why_foreign(self) -> str:
        if any(not sent.answered for sent in self.posts) and any(self.after_asking(sync) for sync in self.syncs):
            return TAKEN
        if any(
            self.between(sync, post)
            for post in self.posts
            for sync in self.syncs
            if sync.cause not in {"sync", "resync"}
        ):
            return BETWEEN
        waiting = [sync.ended_at for sync in self.ours if sync.outcome == "reschedules" and sync.ended_at is not None]
        if waiting and any(sync.starts_at >= min(waiting) and sync.cause == "somebody" for sync in self.syncs):
            return "another sync ran while the job's was rescheduled"
        return self._skewed()

    def _skewed(self) -> str:
        if self.scenario.skew:
            return SKEWED
        if self.played.resumed is not None and not self.posts:
            return TAKEN  # it died before it could send the trigger, and has to reckon that it was sent
        if self.undated:
            return UNDATED
        asked = self.posts[0].until if self.policy == "restart" and self.posts else 0.0
        if any(
            sync.outcome == "succeeds" and sync.cause == "somebody" and sync.starts_at <= asked for sync in self.syncs
        ):
            return "the sync that a restart was to stop succeeded first, and no history told them apart"
        return ""

    def interrupted(self) -> Iterator[Finding]:
        """A sync was running, and a request of ours has stopped it."""
        for sync in self.syncs:
            if sync.stopped_by not in {"patch", "sync", "clash"} or sync.stops_at is None:
                continue
            if sync.starts_at >= sync.stops_at or (sync.stopped_by == "clash" and sync.cause == "sync"):
                continue
            if sync.stopped_by == "sync" and self.policy == "restart":
                continue
            operation = "patch" if sync.stopped_by == "patch" else "sync"
            stopping = [
                sent
                for sent in self.played.sent
                if sent.operation == operation and sent.acts_at is not None and sent.acts_at <= sync.stops_at
            ]
            found = [sent for sent in stopping if sent.running is sync] or stopping
            name = self._not_seen(sync, found[0]) if found else ""
            yield Finding("interrupted", name, f"by {sync.stopped_by}: {self.described([sync])}")

    def _not_seen(self, sync: Sync, sent: Sent) -> str:
        """The exception, where the look that a request came straight after could not have seen the sync."""
        look = self.fresh_look(sent)
        unseen = look is not None and sync.starts_at >= (look.acts_at or 0) and not self.saw(look, sync)
        last = self.last_look(sent.at)
        lately = (
            last is not None
            and sent.at - last.until <= FRESH
            and sync.starts_at >= (last.acts_at or 0)
            and not self.saw(last, sync)
        )
        slow = look is not None and look.until - look.at > LAST_CALL  # what it shows is as old as that
        restoring = (sent.request.body or {}).get("schedule_type") == "auto"
        if unseen or slow or (lately and restoring):
            return BETWEEN
        if self.world.action == "TEST":
            return "a sync began while the setup tests ran"
        tried = [one for one in self.played.sent if one.request == sent.request and one.until <= sent.at]
        again = bool(tried) and sync.starts_at >= tried[0].at
        if again:
            return "a sync began while the schedule's restoring was tried again"
        died = last is not None and self.played.resumed is not None and last.until <= self.played.resumed <= sent.at
        return "the job died while it restored the schedule, and was taken up again" if died else ""

    def two_syncs(self) -> Iterator[Finding]:
        """More than one sync that our triggers started has come to its own end."""
        triggers = [trigger for trigger in self.played.connection.triggers if trigger.started and trigger.sync]
        ends = [
            trigger
            for trigger in triggers
            if trigger.sync
            and trigger.sync.outcome not in {"", "reschedules", "stopped", "clashed"}
            and not any(sync.origin is trigger.sync for sync in self.syncs)  # Fivetran goes on with it
        ]
        if len(ends) < 2:
            return
        words = f"{len(ends)} syncs of ours: {self.described(self.syncs)}"
        lost = [sent for sent in self.posts if self.unheard(sent)]
        late = [sent for sent in lost if _late(sent)]
        name = ""
        if self.world.action == "FORCE_RESYNC":
            again = any(not sent.answered for sent in self.posts) or self.played.resumed is not None
            if again and len(ends) - 1 <= LOST_MOST:
                name = "one re-sync too many after a lost answer, by design"
        elif len(ends) - 1 <= len(late):
            name = "Fivetran carried a trigger out after the job had given it up"
        elif self.policy == "restart" and len(ends) - 1 <= len(lost):
            name = REPEATED
        elif (lost or self.played.resumed is not None) and all(
            self._traceless(one.sync) for one in ends[:-1] if one.sync
        ):
            name = "a sync left no trace between two looks"
        elif lost:
            name = self._skewed()
        between = ends[-2].sync.ended_at if ends[-2].sync else None
        if not name and any(
            sync.outcome == "reschedules" and sync.starts_at >= (between or 0) and sync not in self.ours
            for sync in self.syncs
        ):
            name = "Fivetran rescheduled another sync after the job's had ended"
        yield Finding("two syncs", name, words)

    def _traceless(self, sync: Sync) -> bool:
        """Whether no look found it running, and it has moved no date."""
        return sync.shown_at is None and not any(sync is one for one in self.attached)

    def too_long(self) -> Iterator[Finding]:
        """The run went on for longer than it may."""
        most = max(self.deadline, self.played.resumed or 0.0) + LAST_CALL + GRACE + OVERSHOT
        if self.ended > most:
            yield Finding("too long", "", f"{self.ended - most:.1f} s longer than allowed")

    def late_changes(self) -> Iterator[Finding]:
        """Something was changed after the deadline."""
        schedules = self.restores or (self.policy in {"attach", "restart"} and not self.keeps)
        for sent in self.played.sent:
            changed = set(sent.request.body or {}) - {"run_setup_tests", "schedule"}
            allowed = sent.operation == "patch" and schedules and changed == {"schedule_type"}
            if sent.request.changes and sent.at > self.deadline + INSTANT and not allowed:
                yield Finding("late change", "", f"{sent.request} {sent.at - self.deadline:.1f} s after the deadline")

    def conduct(self) -> Iterator[Finding]:
        """Something was asked for that nobody told the job to ask for."""
        for sent in self.played.sent:
            body = sent.request.body or {}
            if sent.operation == "sync" and body.get("force") and self.policy != "restart":
                yield Finding("conduct", "", "a sync was forced")
            if sent.operation == "patch" and "paused" in body and not self.world.variable("FIVETRAN_UNPAUSE"):
                yield Finding("conduct", "", "the connection was un-paused")
            if sent.operation == "patch" and body.get("run_setup_tests") is not False:
                yield Finding("conduct", "", "a PATCH ran the setup tests")
            wanted = {"START": "sync", "FORCE_RESYNC": "resync"}.get(self.world.action)
            if sent.operation in {"sync", "resync"} and sent.operation != wanted:
                yield Finding("conduct", "", f"{self.world.action} sent {sent.request}")

    def schedule(self) -> Iterator[Finding]:
        """The schedule was changed where it may not be, or did not end as promised, and nobody was told."""
        patches = [sent for sent in self.played.sent if sent.operation == "patch"]
        if self.keeps and any("schedule_type" in (sent.request.body or {}) for sent in patches):
            yield Finding("schedule", "", "the schedule was changed, though it was to be kept")
        for sent in patches:
            if (sync := sent.running) is not None:
                words = f"a PATCH while a sync was running: {self.described([sync])}"
                yield Finding("schedule", self._not_seen(sync, sent), words)
        before = self.scenario.connection.get("schedule_type", "auto")
        now = self.played.connection.members["schedule_type"]
        if self.keeps or before in {"null", "manual"} or any("schedule" in warning for warning in self.played.warnings):
            return
        late = any(_late(sent) for sent in patches)
        name = "Fivetran carried a PATCH out after the job had given it up" if late else ""
        if self.restores and now != before and self.played.code in {0, 1} and self._may_restore():
            yield Finding("schedule", name, f"it was to be put back to {before}, is {now}, and no warning says so")
        syncs = self.world.action in {"START", "FORCE_RESYNC"}
        if not self.restores and syncs and self.played.code == 0 and now != "manual":
            yield Finding("schedule", name, f"green, the schedule is {now}, and no warning says so")

    def _may_restore(self) -> bool:
        """Whether no sync was running at the end: while one is, the schedule is left alone."""
        return not any(_runs(sync, self.ended) for sync in self.syncs)

    def freshness(self) -> Iterator[Finding]:
        """The verdict is not what the last success says; a second to either side tells nothing."""
        if self.age == inf or self.played.verdict not in {"shown", "stale"}:
            return
        look = self.looks[-1]
        seen = look.at if look.acts_at is None else look.acts_at
        ended = [sync for sync in self.syncs if sync.outcome == "succeeds" and sync.ended_at is not None]
        shown = [sync.ended_at or 0.0 for sync in ended if (sync.shown_at or 0.0) <= seen]
        if self.scenario.connection.get("succeeded_at") != "null":
            shown.append(self.played.began - SIX_HOURS)
        slack = 1 + abs(self.scenario.skew)
        youngest = seen - max(shown, default=-inf) - slack
        oldest = look.until - max(shown, default=-inf) + slack
        if self.played.verdict == "shown" and youngest > self.age:
            yield Finding("freshness", "", f"shown, though the last success was {youngest:.0f} s ago, if not longer")
        if self.played.verdict == "stale" and oldest < self.age:
            words = f"stale, though the last success was at most {oldest:.0f} s ago"
            yield Finding("freshness", UNDATED if self.undated else "", words)

    def setup_tests(self) -> Iterator[Finding]:
        """The verdict is not what the tests found."""
        failed = any(test["status"] in {"FAILED", "JOB_FAILED"} for test in self.scenario.setup_tests)
        claimed = {"passed": False, "tests_failed": True}.get(self.played.verdict)
        if claimed is not None and claimed != failed:
            yield Finding(
                "setup tests", "", f"{self.played.verdict}, though a test has {'' if failed else 'not '}failed"
            )


def _late(sent: Sent) -> bool:
    """Whether it was carried out when nobody waited for it any more."""
    return sent.acts_at is not None and sent.acts_at > sent.at and sent.acts_at >= sent.until


def _runs(sync: Sync, moment: float | None) -> bool:
    """Whether it was running at a moment."""
    return moment is not None and sync.starts_at <= moment and (sync.ended_at is None or moment < sync.ended_at)
