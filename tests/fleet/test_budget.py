"""The account's limit of requests an hour: what is learned, and when the next request may be sent."""

import pytest

from orchestrator.fleet.budget import HOUR, Budget
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure

LIMITED = Failure(Event.RATE_LIMITED, "Max 500", status=429)


def left(remaining: object) -> dict[str, str]:
    """Headers that say so many are left."""
    return {"x-rate-limit-remaining": str(remaining)}


def test_unknown_until_the_first_answer() -> None:
    """Before the first answer nothing is held back; from it on, the job has half of what is left."""
    budget = Budget()
    for _ in range(20):
        budget.spend(0.0)

    assert (budget.not_before(0.0), budget.per_hour, budget.spent) == (0.0, None, 20)
    assert budget.gap(0.0, cost=1, reserve=0, until=600.0) == 0.0
    budget.heed(left(1000), 0.0)
    assert (budget.per_hour, budget.not_before(0.0)) == (500.0, 0.0)


def test_budget_that_is_given() -> None:
    """FIVETRAN_BUDGET holds from the start, whatever the account has left beyond it."""
    budget = Budget(2.0)
    budget.heed(left(20_000), 0.0)
    budget.spend(0.0)
    budget.spend(0.0)

    assert budget.per_hour == 2.0
    assert budget.not_before(0.0) == pytest.approx(HOUR / 2)


def test_what_is_used_up_comes_back_over_an_hour() -> None:
    """With 60 an hour that are used up, the next request is a minute away, and never more than 60 come together."""
    budget = Budget(60.0)
    for _ in range(60):
        assert budget.not_before(0.0) == 0.0
        budget.spend(0.0)

    assert budget.not_before(0.0) == pytest.approx(60.0)
    assert budget.not_before(90.0) == 90.0
    for _ in range(60):
        budget.spend(10 * HOUR)
    assert budget.not_before(10 * HOUR) == pytest.approx(10 * HOUR + 60.0)


def test_others_use_the_account_too() -> None:
    """Where others have used up what was left, the job waits though it has sent little itself."""
    budget = Budget()
    budget.heed(left(1000), 0.0)
    budget.heed(left(0), 1.0)

    assert budget.not_before(1.0) == pytest.approx(1.0 + HOUR / 500)


def test_more_is_learned_later() -> None:
    """Where the account has more left later, the job's share grows; it does not shrink."""
    budget = Budget()
    budget.heed(left(200), 0.0)
    budget.heed(left(1000), 60.0)
    grown = budget.per_hour
    budget.heed(left(300), 120.0)

    assert (grown, budget.per_hour) == (500.0, 500.0)


def test_account_that_has_nothing_left() -> None:
    """With nothing left at the first answer the job asks once a minute: so it learns when there is more again."""
    budget = Budget()
    budget.heed(left(0), 0.0)

    assert budget.not_before(0.0) == pytest.approx(60.0)
    budget.heed(left(5000), 60.0)
    assert (budget.per_hour, budget.not_before(60.0)) == (2500.0, 60.0)


@pytest.mark.parametrize("odd", ["", "many", "-1", "1.5", "\u0661\u0662", "1e9", " 7", "0x10"])
def test_odd_headers(odd: str) -> None:
    """A header that is no whole number says nothing."""
    budget = Budget()
    budget.heed({"x-rate-limit-remaining": odd}, 0.0)
    budget.heed({}, 0.0)

    assert budget.per_hour is None


def test_absurd_header() -> None:
    """However large the number is, it is one."""
    budget = Budget()
    budget.heed(left("9" * 400), 0.0)

    assert budget.per_hour == 999_999_999 / 2


def test_429_with_retry_after() -> None:
    """A 429 holds all back as long as it says, and a shorter one after it does not shorten that."""
    budget = Budget()
    budget.ended(Failure(Event.RATE_LIMITED, "Max", retry_after=90.0), 10.0)
    budget.ended(Failure(Event.RATE_LIMITED, "Max", retry_after=5.0), 11.0)

    assert budget.not_before(12.0) == 100.0
    assert budget.not_before(100.0) == 100.0


def test_429_without_retry_after() -> None:
    """Without Retry-After the hold is doubled from refusal to refusal, up to a minute, and an answer resets it."""
    budget, now, holds = Budget(), 0.0, list[float]()
    for _ in range(8):
        budget.ended(LIMITED, now)
        holds.append(budget.not_before(now) - now)
        now = budget.held_until
    budget.ended(Cut.LIMIT, now)
    budget.ended(LIMITED, now)
    holds.append(budget.not_before(now) - now)
    now = budget.held_until
    budget.ended(Answer(), now)
    budget.ended(LIMITED, now)
    holds.append(budget.not_before(now) - now)

    assert holds == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 1.0]


def test_many_429_at_once() -> None:
    """Sixteen requests that were refused together hold the rest back once, not for sixteen times doubled."""
    budget = Budget()
    for at in range(16):
        budget.ended(LIMITED, at / 100)

    assert budget.held_until == 1.0


def test_other_failures_hold_nothing_back() -> None:
    """Only a 429 holds back."""
    budget = Budget()
    for outcome in (Failure(Event.UNAVAILABLE, "away", retry_after=50.0), Cut.SIGNAL, Answer()):
        budget.ended(outcome, 5.0)

    assert budget.not_before(5.0) == 5.0


def test_gap_lets_what_is_left_last() -> None:
    """Rounds are as far apart as what is left allows, and what a round costs and changes need is in it."""
    budget = Budget(100.0)

    assert budget.gap(0.0, cost=1, reserve=0, until=HOUR) == pytest.approx(HOUR / 200)
    assert budget.gap(0.0, cost=5, reserve=100, until=HOUR) == pytest.approx(HOUR * 5 / 100)
    assert budget.gap(0.0, cost=1, reserve=10_000, until=HOUR) == pytest.approx(HOUR / 100)
    assert budget.gap(0.0, cost=1, reserve=0, until=-5.0) <= 1.0
    assert budget.gap(0.0, cost=1, reserve=0, until=float("inf")) == pytest.approx(HOUR / 200)
