"""A listing answers the polls of many connections: one request for a thousand of them.

It works in rounds. What waits for a document is begun first, and then the listing is asked for: so no run decides on a
document that was read before its own trigger was sent. Nothing here sends; a round says what is to be asked, and is
told what came of it. https://fivetran.com/docs/rest-api/api-reference/connections/list-connections
"""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from orchestrator.fivetran import documents
from orchestrator.fivetran.client import TOO_LARGE, Outcome
from orchestrator.fivetran.effects.situation import LARGEST_PAGE, items, listing
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Cut, Failure, Request

__all__ = ["FEW", "Asked", "Reader", "Round"]

FEW = 3  # connections that are asked for one by one
_OUTAGES = {Event.RATE_LIMITED, Event.UNAVAILABLE}


class Asked(NamedTuple):
    """A request of a round.

    Attributes:
        request: The request.
        connector_id: Whose document it asks for; "" for a page of the listing.
    """

    request: Request
    connector_id: str = ""


class Reader:
    """What is known about the listing from round to round.

    Args:
        group: The id of the group that all connections are in, or "".
        warn: Told why connections are asked for one by one.

    Attributes:
        listed: A listing may be asked for.
        checked: One of its documents was compared with that of the connection itself.
        pages: How many pages it has; 1 while that is not known.
        limit: Connections on a page.
    """

    def __init__(self, group: str = "", warn: Callable[[str], object] = lambda _: None) -> None:
        self.group = group
        self.listed = True
        self.checked = False
        self.pages = 1
        self.limit = LARGEST_PAGE
        self.warn = warn

    def cost(self, count: int) -> int:
        """Requests of a round for so many connections."""
        return self.pages if self.lists(count) else count

    def lists(self, count: int) -> bool:
        """Whether a listing costs fewer requests than so many connections by themselves."""
        return self.listed and count > max(FEW, self.pages)

    def only_singly(self, why: str) -> None:
        """From now on each connection is asked for by itself."""
        self.listed = False
        self.warn(f"each connection is read by itself, which takes more requests: {why}")


def _lacking(listed: Mapping[str, Any], own: Mapping[str, Any]) -> list[str]:
    """What decides that is in a connection's own document, if only as null, and not in that of the listing."""
    texts = (listed, own), (documents.status(listed), documents.status(own))
    decides = ("succeeded_at", "failed_at", "schedule_type", "schedule", "paused"), ("sync_state", "setup_state")
    lacking = [
        name
        for (there, known), names in zip(texts, decides, strict=True)
        for name in names
        if name in known and name not in there
    ]
    states = [documents.sync_state(document) for document in (listed, own)]
    if (
        states == ["rescheduled", "rescheduled"]
        and documents.rescheduled_for(own)
        and not documents.rescheduled_for(listed)
    ):
        lacking.append("rescheduled_for")
    return lacking


class Round:
    """One round: the documents of some connections.

    Args:
        reader: What is known of the listing.
        wanted: The request of each connection for its document, by id.

    Attributes:
        asking: What is to be asked next.
        checking: Whose document is compared with the listing's: all of the round wait for it; "" for nobody's.
    """

    def __init__(self, reader: Reader, wanted: Mapping[str, Request]) -> None:
        self.asking: deque[Asked] = deque()
        self.checking = ""
        self._reader = reader
        self._wanted = dict(wanted)
        self._found: dict[str, Answer] = {}
        self._pages = 0
        self._failed = 0
        self._cursors = set[str]()
        if reader.lists(len(wanted)):
            self._ask_page("")
        else:
            self._ask_singly()

    def take(self, asked: Asked, outcome: Outcome) -> Iterator[tuple[str, Outcome]]:
        """Take what came of a request.

        Args:
            asked: The request.
            outcome: What came of it.

        Yields:
            Connections of which it is known now what came, and that; each once in a round.
        """
        if not asked.connector_id:
            yield from self._page(outcome)
            return
        if asked.connector_id == self.checking:
            self.checking = ""
            yield from self._compared(asked.connector_id, outcome)
        elif asked.connector_id in self._wanted:
            yield self._settled(asked.connector_id, outcome)

    def drop(self, connector_id: str) -> None:
        """Nobody waits for this connection any more."""
        del self._wanted[connector_id]
        if connector_id != self.checking:
            self._found.pop(connector_id, None)

    def _settled(self, connector_id: str, outcome: Outcome) -> tuple[str, Outcome]:
        del self._wanted[connector_id]
        self._found.pop(connector_id, None)
        return connector_id, outcome

    def _ask_page(self, cursor: str) -> None:
        reader = self._reader
        self.asking.append(
            Asked(listing("list the connections", group=reader.group, limit=reader.limit, cursor=cursor))
        )

    def _ask_singly(self) -> None:
        self.asking.extend(Asked(request, connector_id) for connector_id, request in self._wanted.items())

    def _page(self, outcome: Outcome) -> Iterator[tuple[str, Outcome]]:
        if not isinstance(outcome, Answer):
            yield from self._not_listed(outcome)
            return
        self._pages += 1
        for document in items(outcome):
            connector_id = document.get("id")
            if isinstance(connector_id, str) and connector_id in self._wanted:
                self._found[connector_id] = outcome.about(document)
        cursor = outcome.data.get("next_cursor")
        following = cursor if isinstance(cursor, str) and cursor not in self._cursors else ""
        missing, known = len(self._wanted) - len(self._found), self._reader.pages
        # As many pages as were read may follow, where it is not known how many there are.
        if following and missing > (known - self._pages if known > self._pages else self._pages):
            self._cursors.add(following)
            self._ask_page(following)
            return
        self._reader.pages = self._pages + bool(following)
        yield from self._listed()

    def _listed(self) -> Iterator[tuple[str, Outcome]]:
        """All pages are there."""
        if self._found and not self._reader.checked:
            self.checking = connector_id = next(iter(self._found))
            self.asking.append(Asked(self._wanted[connector_id], connector_id))
            return
        for connector_id, answer in list(self._found.items()):
            yield self._settled(connector_id, answer)
        self._ask_singly()

    def _not_listed(self, outcome: Failure | Cut) -> Iterator[tuple[str, Outcome]]:
        reader = self._reader
        too_large = isinstance(outcome, Failure) and outcome.message.startswith(TOO_LARGE)
        if too_large and reader.limit > 1:
            reader.limit //= 10
            self._pages, self._cursors = 0, set()
            self._ask_page("")
            return
        if not too_large and _is_of_all(outcome):
            yield from self._alike(outcome)
            return
        reader.only_singly(f"Fivetran does not list them: {outcome}")
        self._found.clear()
        self._ask_singly()

    def _compared(self, connector_id: str, outcome: Outcome) -> Iterator[tuple[str, Outcome]]:
        """The first document of a listing, and that of the connection itself: what decides must be in both."""
        answer = self._found.pop(connector_id)
        if connector_id in self._wanted:
            yield self._settled(connector_id, outcome)
        if not isinstance(outcome, Answer):
            self._failed += 1
            if self._failed < FEW:
                yield from self._listed()  # with another one
            elif _is_of_all(outcome):
                yield from self._alike(outcome)
            else:
                self._found.clear()
                self._ask_singly()
            return
        if lacking := _lacking(answer.data, outcome.data):
            self._reader.only_singly(f"the listing lacks {', '.join(lacking)}")
            self._found.clear()
        self._reader.checked = True
        yield from self._listed()

    def _alike(self, outcome: Outcome) -> Iterator[tuple[str, Outcome]]:
        """What came of one request came of all."""
        for connector_id in list(self._wanted):
            yield self._settled(connector_id, outcome)


def _is_of_all(outcome: Failure | Cut) -> bool:
    """Whether it is no matter what was asked for: an outage, a limit, a key that is wrong."""
    return isinstance(outcome, Cut) or outcome.event in _OUTAGES or outcome.status == HTTPStatus.UNAUTHORIZED
