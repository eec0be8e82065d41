"""When to look next at a running sync: sparsely before its expected end, densely around it.

The past syncs' durations give the density of the end: each is spread to its neighbours, and one more sync, that lasts
longer than all of them, always remains possible. Looks at a density proportional to the square root of the hazard
(the chance of the end now, since it has not come yet) notice the end earliest for a number of requests: J. B. Keller,
"Optimum checking schedules for systems subject to random failure", Management Science 21 (1974). How many that may be
is measured by what a look every 10 s would take. All of it is pure; times are seconds.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import accumulate, pairwise
from math import sqrt
from typing import Any, NamedTuple

from orchestrator.fivetran import documents
from orchestrator.values.events import Event
from orchestrator.values.facts import Facts
from orchestrator.values.settings import LONGEST_POLL, SHORTEST_POLL, USUAL_POLL

__all__ = ["MOST_DURATIONS", "durations_of", "known_afterwards", "next_look", "running_since", "whole"]

MOST_DURATIONS = 20  # the newest ones; a first, historical sync is soon not among them
LONGEST_DURATION = 7 * 86_400.0
_SUCCESSES = ("COMPLETED", "SUCCESSFUL")  # the second is not documented, but was seen

# Tuned on constant, log-normal and bimodal durations (`benchmarks/polling.py`).
SHARE, FEWEST = 0.9, 0.8  # of the looks that every 10 s would take, and looks at least
SPENT = 1.25  # looks that each request costs which was made to learn the durations
OUTLIER = 4.0  # times the median: what takes longer than that says no more than that
CLOSEST = 12.0  # seconds: the longest pause where the sync may end
START = 3.0  # seconds that a sync may start after its trigger
NARROWEST, NARROWEST_SHARE = 2.0, 0.05  # to how much a duration is spread at least: seconds, and of itself
ENOUGH = 3  # durations; fewer may be those of a first, historical sync
FEW = 0.7  # likewise, of itself, for a single one; the more there are, the less
GROWTH = 0.02  # of the time since the latest expected end, by which pauses then grow


class _Piece(NamedTuple):
    """A span of time in which the density of the end is constant: from `begin` to `end`.

    Attributes:
        begin: Seconds since the sync was asked for.
        end: Likewise.
        density: The chance of the end a second.
        root: The square root of the chance that the sync lasts longer than `begin`.
    """

    begin: float
    end: float
    density: float
    root: float


class _Expectation(NamedTuple):
    """When a sync may end.

    Attributes:
        pieces: Where it may end, in order.
        looks: The integral of the square root of the hazard, weighted by the chance that the sync still runs.
        mean: The mean duration, to which one that is far longer than most counts only as an outlier.
    """

    pieces: tuple[_Piece, ...]
    looks: float
    mean: float


def durations_of(items: Iterable[Mapping[str, Any]]) -> tuple[float, ...]:
    """How long the successful syncs of a history took, newest first."""
    found = set()
    for item in items:
        start, end = (documents.parse_time(item.get(name)) for name in ("start", "end"))
        if item.get("status") in _SUCCESSES and start is not None and end is not None:
            found.add((end, end - start))
    lasted = (round(seconds, 3) for _, seconds in sorted(found, reverse=True) if 0 < seconds <= LONGEST_DURATION)
    return tuple(lasted)[:MOST_DURATIONS]


def running_since(facts: Facts) -> float | None:
    """From when on this run's sync may have been running, in seconds since the run began; None: not known."""
    if facts.asked_at is None:
        return None
    return max(facts.asked_at, facts.idle_until or 0.0)


def known_afterwards(facts: Facts) -> tuple[float, ...] | None:
    """The durations that are known once a run has ended, that of its own green sync first; None: none are."""
    own: tuple[float, ...] = ()
    began, asked_at = running_since(facts), facts.triggered_at
    ended = documents.parse_time((facts.connection or {}).get("succeeded_at"))
    if facts.verdict == Event.SUCCEEDED and began is not None and asked_at is not None and ended is not None:
        seconds = ended - asked_at - (began - (facts.asked_at or 0.0))
        own = (round(seconds, 3),) if 0 < seconds <= LONGEST_DURATION and not facts.reschedules else ()
    return (*own, *(facts.durations or ()))[:MOST_DURATIONS] or None


def next_look(durations: tuple[float, ...], lasted: float, spent: int = 0) -> float:
    """How long to wait before the next look at a sync, from 2 to 60 s.

    Args:
        durations: How long recent syncs took; () where that is not known.
        lasted: Seconds since the sync was asked for.
        spent: Requests that were made to learn the durations.
    """
    if not durations:
        return USUAL_POLL
    pieces, looks, mean = _expected(durations)
    if lasted >= pieces[-1].end:
        return whole(min(USUAL_POLL + GROWTH * (lasted - pieces[-1].end), LONGEST_POLL))
    next_piece = next(piece for piece in pieces if piece.end > lasted)
    longest = min(LONGEST_POLL, max(0.0, next_piece.begin - lasted) + CLOSEST)
    if len(durations) < ENOUGH:
        longest = min(longest, max(CLOSEST, lasted / 4))
    due = _due(pieces, lasted, looks / max(FEWEST, SHARE * mean / USUAL_POLL - 0.5 - SPENT * spent))
    return whole(max(SHORTEST_POLL, min(due - lasted, longest)))


def whole(seconds: float) -> float:
    """In quarters of a second, whose sums are exact: what is waited for is replayed to the last digit."""
    return round(4 * seconds) / 4


def _due(pieces: tuple[_Piece, ...], lasted: float, wanted: float) -> float:
    """When the integral of the square root of the hazard has grown by so much."""
    for begin, end, density, known in pieces:
        if end <= lasted:
            continue
        since, root = max(begin, lasted), known
        if since > begin:
            root = sqrt(known * known - density * (since - begin))
        # While the density f is constant, the chance S that the sync still runs falls by f a second: so the
        # integral of sqrt(f / S) is 2 (sqrt(S before) - sqrt(S after)) / sqrt(f).
        reached = root - wanted * sqrt(density) / 2
        lowest = sqrt(known * known - density * (end - begin))
        if reached >= lowest:
            return since + (root * root - reached * reached) / density
        wanted -= 2 * (root - lowest) / sqrt(density)
    return pieces[-1].end + USUAL_POLL


@lru_cache(maxsize=4096)
def _expected(durations: tuple[float, ...]) -> _Expectation:
    """When a sync may end, by how long others took."""
    durations = tuple(sorted(min(one, LONGEST_DURATION) for one in durations[:MOST_DURATIONS]))
    number = len(durations)
    neighbour = min(round(number**0.55), number // 2)
    most = OUTLIER * durations[number // 2]
    changes: list[tuple[float, float]] = []
    for one in durations:
        near = sorted(abs(one - other) for other in durations)[neighbour]
        narrow = max(NARROWEST, NARROWEST_SHARE * one, FEW * near)
        for spread in (narrow, max(narrow, FEW * one / number)):
            begin, end = max(0.0, one - spread), one + spread + START
            density = 1 / (end - begin) / (number + 1) / 2
            changes += [(begin, density), (end, -density)]
    changes.sort()
    pieces, looks, left = [], 0.0, 1.0
    for ((begin, _), (end, _)), density in zip(pairwise(changes), accumulate(by for _, by in changes), strict=False):
        if end > begin and density > 1e-12:  # what sums round away is no density  # noqa: PLR2004
            after = left - density * (end - begin)
            looks += 2 / 3 * (left**1.5 - after**1.5) / sqrt(density) if begin < most else 0.0
            pieces.append(_Piece(begin, end, density, sqrt(left)))
            left = after
    return _Expectation(tuple(pieces), looks, sum(min(one, most) for one in durations) / number)
