"""The reader's rounds: which requests, and that each connection is settled once, with a document of its own."""

from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.fivetran.client import TOO_LARGE, Outcome
from orchestrator.fivetran.effects.situation import get_connection
from orchestrator.fleet.reader import FEW, Asked, Reader, Round
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request
from orchestrator.values.facts import Facts
from orchestrator.values.settings import Settings

REFUSED = Failure(Event.REFUSED, "No access", status=403, code="Forbidden")
GONE = Failure(Event.NOT_FOUND, "no such group", status=404, code="NotFound_Group")
WRONG_KEY = Failure(Event.REFUSED, "Invalid key", status=401, code="Unauthorized")
OUTAGE = Failure(Event.UNAVAILABLE, "cannot reach api.fivetran.com")
LIMITED = Failure(Event.RATE_LIMITED, "Max 500", status=429, code="RateLimit")
LARGE = Failure(Event.UNAVAILABLE, f"{TOO_LARGE}: more than 16 MB", status=200)


def document(name: str, **members: Any) -> dict[str, Any]:
    """A connection's document, with all that decides."""
    status = {"sync_state": "scheduled", "setup_state": "connected"}
    dates = {"succeeded_at": "2027-01-15T02:00:00Z", "failed_at": "2027-01-14T02:00:00Z"}
    return {"id": name, "schedule_type": "auto", "status": status, **dates, **members}


def wanted(names: Iterable[str]) -> dict[str, Request]:
    """The request of each."""
    return {name: get_connection(Settings("START", name, "key", "secret"), Facts()) for name in names}


def page(names: Iterable[str], cursor: object = None, **how: Any) -> Answer:
    """A page of the listing."""
    return Answer(data={"items": [document(name) for name in names], "next_cursor": cursor}, **how)


class Fake:
    """An account: it answers what a round asks.

    Args:
        pages: Ids on each page.
        singly: What a request for one connection comes to; its document where it is not named.
        listing: What requests for pages come to, one after another; after them the pages.
    """

    def __init__(
        self,
        *pages: Iterable[str],
        singly: dict[str, Outcome] | None = None,
        listing: Iterable[Outcome] = (),
    ) -> None:
        self.pages = [list(each) for each in pages]
        self.singly = singly or {}
        self.listing = list(listing)
        self.asked = list[Asked]()

    def outcome(self, asked: Asked) -> Outcome:
        """What comes of a request."""
        self.asked.append(asked)
        if asked.connector_id:
            name = asked.connector_id
            return self.singly.get(name, Answer(data=document(name, single=True)))
        if self.listing:
            return self.listing.pop(0)
        at = int(parse_qs(urlsplit(asked.request.path).query).get("cursor", ["0"])[0])
        return page(self.pages[at] if at < len(self.pages) else [], str(at + 1) if at + 1 < len(self.pages) else None)

    @property
    def kinds(self) -> list[str]:
        """What was asked: the ids, and "" for a page."""
        return [each.connector_id for each in self.asked]

    def play(self, turn: Round) -> dict[str, Outcome]:
        """A round to its end; each connection once."""
        settled = dict[str, Outcome]()
        while turn.asking:
            asked = turn.asking.popleft()
            for name, outcome in turn.take(asked, self.outcome(asked)):
                assert name not in settled
                settled[name] = outcome
        return settled


def names(count: int) -> list[str]:
    """So many ids."""
    return [f"c{number}" for number in range(count)]


def test_few_are_asked_for_one_by_one() -> None:
    """Up to three connections are asked for by themselves, with the requests of their runs."""
    reader, fake = Reader(), Fake()
    turn = Round(reader, wanted(names(FEW)))

    assert [each.request for each in turn.asking] == [*wanted(names(FEW)).values()]
    assert [*fake.play(turn)] == names(FEW)
    assert (reader.cost(FEW), reader.cost(FEW + 1)) == (FEW, 1)


def test_one_page_answers_for_all() -> None:
    """A page has the documents of all; the first round compares one of them with the connection's own."""
    reader, fake = Reader(), Fake(names(9))

    first = fake.play(Round(reader, wanted(names(5))))
    second = fake.play(Round(reader, wanted(names(6))))

    assert fake.kinds == ["", "c0", ""]
    assert reader.checked
    assert {name: outcome.data["id"] for name, outcome in first.items()} == {name: name for name in names(5)}  # type: ignore[union-attr]
    assert first["c0"].data["single"]  # type: ignore[union-attr]
    assert [*second] == names(6)


def test_document_of_a_page_has_its_date() -> None:
    """A document from a page has the page's `Date` and request id, and is an answer about it alone."""
    reader, fake = Reader(), Fake(listing=[page(names(4), date=17.0, request_id="abc", dated=True)])
    reader.checked = True

    found = fake.play(Round(reader, wanted(names(4))))["c2"]

    assert isinstance(found, Answer)
    assert (found.date, found.dated, found.request_id, found.data) == (17.0, True, "abc", document("c2"))


def test_group_is_listed() -> None:
    """The connections of a group are listed by its own address, a thousand at once."""
    turn = Round(Reader("sturdy_group"), wanted(names(4)))

    assert turn.asking[0].request.path == "/v1/groups/sturdy_group/connections?limit=1000"


def test_all_pages_are_followed() -> None:
    """`next_cursor` is followed to the end while a page costs less than those that are missing."""
    reader, fake = Reader(), Fake(names(10)[:4], names(10)[4:8], names(10)[8:])
    reader.checked = True

    assert [*fake.play(Round(reader, wanted(names(10))))] == names(10)
    assert fake.kinds == ["", "", "c8", "c9"]  # two by themselves cost no more than two pages that may follow
    assert reader.pages == 3

    fake.asked.clear()
    assert sorted(fake.play(Round(reader, wanted(names(10))))) == names(10)
    assert fake.kinds == ["", "", ""]


def test_many_pages_for_few_connections() -> None:
    """Where the account has more pages than the job has connections, they are asked for one by one."""
    reader, fake = Reader(), Fake(*([f"other{at}"] for at in range(20)))

    found = fake.play(Round(reader, wanted(names(5))))

    assert sorted(found) == names(5)
    assert len(fake.asked) <= 5 + 5
    assert not reader.lists(reader.pages)
    fake.asked.clear()
    reader.pages = 20
    assert sorted(fake.play(Round(reader, wanted(names(5))))) == names(5)
    assert fake.kinds == names(5)


def test_missing_is_asked_for_by_itself() -> None:
    """A connection that is on no page is asked for by itself, and that decides."""
    reader, fake = Reader(), Fake(names(4), singly={"lost": GONE})
    reader.checked = True

    found = fake.play(Round(reader, wanted([*names(4), "lost"])))

    assert (found["lost"], fake.kinds) == (GONE, ["", "lost"])


@pytest.mark.parametrize("cursor", ["1", 7, {"a": 1}, ""])
def test_cursor_that_leads_nowhere(cursor: object) -> None:
    """A `next_cursor` that was there before, or is no text, ends the listing."""
    reader = Reader()
    reader.checked = True
    fake = Fake(listing=[page(names(4), cursor)] * 20)

    found = fake.play(Round(reader, wanted([*names(4), *(f"d{at}" for at in range(30))])))

    assert len(found) == 34
    assert fake.kinds.count("") <= 2


def test_listing_that_lacks_a_deciding_field() -> None:
    """A listing without what decides is not used: a warning names the members, and all are read by themselves."""
    warned = list[str]()
    reader = Reader(warn=warned.append)
    bare = [{"id": name, "status": {"sync_state": "scheduled"}} for name in names(5)]
    fake = Fake(listing=[Answer(data={"items": bare})])

    found = fake.play(Round(reader, wanted(names(5))))

    assert all(outcome.data["single"] for outcome in found.values())  # type: ignore[union-attr]
    assert fake.kinds == ["", *names(5)]
    lacking = "the listing lacks succeeded_at, failed_at, schedule_type, setup_state"
    assert warned == [f"each connection is read by itself, which takes more requests: {lacking}"]
    assert reader.cost(5) == 5


@pytest.mark.parametrize("failure", [REFUSED, GONE, Failure(Event.REJECTED, "no such path", status=404)])
def test_forbidden_listing(failure: Failure) -> None:
    """Where connections may not be listed, each is read by itself from now on, with one warning."""
    warned = list[str]()
    reader = Reader(warn=warned.append)
    fake = Fake(listing=[failure])

    first = fake.play(Round(reader, wanted(names(5))))
    second = fake.play(Round(reader, wanted(names(5))))

    assert fake.kinds == ["", *names(5), *names(5)]
    assert (sorted(first), sorted(second), len(warned)) == (names(5), names(5), 1)


@pytest.mark.parametrize("outcome", [WRONG_KEY, OUTAGE, LIMITED, Cut.LIMIT, Cut.SIGNAL])
def test_what_is_the_same_for_all(outcome: Outcome) -> None:
    """A wrong key, an outage, a limit and what cut the listing off came to all, and the listing is tried again."""
    reader, fake = Reader(), Fake(listing=[outcome])

    found = fake.play(Round(reader, wanted(names(5))))

    assert found == dict.fromkeys(names(5), outcome)
    assert reader.lists(5)


def test_too_large_a_page() -> None:
    """A page that is too large is asked for again with fewer connections on it, and so are later ones."""
    reader = Reader()
    reader.checked = True
    fake = Fake(names(5), listing=[LARGE, LARGE])

    fake.play(Round(reader, wanted(names(5))))
    fake.play(Round(reader, wanted(names(5))))

    limits = [parse_qs(urlsplit(each.request.path).query)["limit"][0] for each in fake.asked]
    assert limits == ["1000", "100", "10", "10"]


def test_page_of_one_connection_is_too_large() -> None:
    """Where even a page of one connection is too large, each is read by itself."""
    warned = list[str]()
    reader, fake = Reader(warn=warned.append), Fake(listing=[LARGE] * 4)

    found = fake.play(Round(reader, wanted(names(5))))

    assert (sorted(found), len(warned), fake.kinds[4:]) == (names(5), 1, names(5))


def test_check_that_fails() -> None:
    """Where the connection to compare with has no document, another one is compared."""
    reader, fake = Reader(), Fake(names(6), singly={"c0": OUTAGE, "c1": GONE})

    found = fake.play(Round(reader, wanted(names(6))))

    assert (found["c0"], found["c1"], reader.checked) == (OUTAGE, GONE, True)
    assert fake.kinds == ["", "c0", "c1", "c2"]
    assert len(found) == 6


def test_check_that_fails_again_and_again() -> None:
    """After three outages in a row all the others have that, too; three that are gone say nothing of the others."""
    away = Fake(names(6), singly=dict.fromkeys(names(6), OUTAGE))
    gone = Fake(names(6), singly=dict.fromkeys(names(3), GONE))

    assert away.play(Round(Reader(), wanted(names(6)))) == dict.fromkeys(names(6), OUTAGE)
    assert away.kinds == ["", *names(3)]
    found = gone.play(Round(Reader(), wanted(names(6))))
    assert [name for name, outcome in found.items() if outcome is GONE] == names(3)
    assert gone.kinds == ["", *names(6)]


def test_check_with_few_found() -> None:
    """A listing that has few of those that are wanted runs out of what it can be compared with."""
    fake = Fake(["c0"], singly={"c0": GONE})

    found = fake.play(Round(Reader(), wanted(names(5))))

    assert (found["c0"], len(found)) == (GONE, 5)


def test_odd_items() -> None:
    """What a page has besides connections is passed over."""
    reader = Reader()
    reader.checked = True
    fake = Fake(listing=[Answer(data={"items": [7, None, {"id": 3}, {}, document("c1"), document("c1")]})])

    assert sorted(fake.play(Round(reader, wanted(names(4))))) == names(4)


def test_connection_that_nobody_waits_for() -> None:
    """What is dropped is not settled, and the others are, also where its document is the one that is compared."""
    early, checked, late = (Round(Reader(), wanted(names(5))) for _ in range(3))
    fake = Fake(names(5))

    early.drop("c0")
    assert sorted(fake.play(early)) == names(5)[1:]
    page_of, *_ = checked.asking
    checked.asking.clear()
    assert list(checked.take(page_of, fake.outcome(page_of))) == []
    assert checked.checking == "c0"
    checked.drop("c0")
    checked.drop("c3")
    assert sorted(fake.play(checked)) == ["c1", "c2", "c4"]
    late.drop("c4")
    late.drop("c3")
    assert sorted(Fake(["x"]).play(late)) == names(5)[:3]


def test_single_looks_that_nobody_waits_for() -> None:
    """A connection that is asked for by itself and dropped is not settled, though it is answered."""
    turn = Round(Reader(), wanted(names(3)))
    turn.drop("c1")

    assert sorted(Fake().play(turn)) == ["c0", "c2"]


OUTCOMES = st.sampled_from([REFUSED, GONE, WRONG_KEY, OUTAGE, LIMITED, LARGE, Cut.LIMIT])
NAMES = [f"n{number}" for number in range(12)]
PAGE = st.builds(
    page,
    st.lists(st.sampled_from([*NAMES, "other", "another"]), max_size=8),
    st.none() | st.sampled_from(["1", "2", "3", "4"]) | st.integers(),
)


@given(
    ids=st.sets(st.sampled_from(NAMES), min_size=1),
    listing=st.lists(st.one_of(PAGE, PAGE, PAGE, OUTCOMES), max_size=8),
    singly=st.dictionaries(st.sampled_from(NAMES), OUTCOMES),
    rounds=st.integers(1, 3),
)
def test_each_is_settled_once(ids: set[str], listing: list[Outcome], singly: dict[str, Outcome], rounds: int) -> None:
    """Whatever the pages, each wanted connection is settled exactly once a round, and with a document of its own."""
    reader, fake = Reader(), Fake([], singly=singly, listing=[*listing])
    for _ in range(rounds):
        found = fake.play(Round(reader, wanted(sorted(ids))))

        assert set(found) == ids
        assert all(outcome.data["id"] == name for name, outcome in found.items() if isinstance(outcome, Answer))
        assert len(fake.asked) <= rounds * (len(ids) + len(listing) + 8)
