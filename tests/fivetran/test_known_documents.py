"""Documents of listings that are as they were before are not looked through again, and nothing else changes."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.fivetran import client
from orchestrator.fivetran.client import _Reader, _Received, interpret
from orchestrator.fivetran.response_body import LONGEST_LIST
from orchestrator.values.exchange import Answer, Request

LISTING = Request("GET", "/v1/connections?limit=1000", "list the connections")
NOW = 1_800_000_000.0

IDS = st.sampled_from(["a", "b", "c"]) | st.integers() | st.none() | st.lists(st.integers(), max_size=1)
ITEM = st.fixed_dictionaries(
    {"id": IDS, "paused": st.booleans()},
    optional={"connect_card": st.fixed_dictionaries({"token": st.sampled_from(["secret-token-1", "secret-token-2"])})},
)
PAGE = st.lists(ITEM | st.none() | st.integers(), max_size=6)


def _body(items: Any) -> bytes:  # any JSON
    return json.dumps({"code": "Success", "data": {"items": items, "next_cursor": "more"}}).encode()


def _read(reader: _Reader, items: Any) -> Answer:  # any JSON
    return reader.read(LISTING, _Received(200, "OK", {}, _body(items)))


@given(st.lists(PAGE, min_size=1, max_size=4))
def test_pages_read_as_without_memory(pages: list[list[Any]]) -> None:
    """However pages follow each other, each reads as it would alone, secrets taken out."""
    known: dict[str, Mapping[str, Any]] = {}
    reader = _Reader(lambda: NOW, lambda _: None, str, known)

    for items in pages:
        answer = _read(reader, items)

        assert answer == interpret(LISTING, 200, {}, _body(items), now=lambda: NOW)
        assert "secret-token" not in json.dumps(answer.data)


def test_document_that_is_as_it_was_is_the_very_same() -> None:
    """A document that has not changed is the object that was there before: a thousand of them take no more memory."""
    reader = _Reader(lambda: NOW, lambda _: None, str, {})
    before = _read(reader, [{"id": "a", "paused": False}, {"id": "b", "paused": False}]).data["items"]

    after = _read(reader, [{"id": "a", "paused": False}, {"id": "b", "paused": True}]).data["items"]

    assert [new is old for new, old in zip(after, before, strict=True)] == [True, False]


def test_no_more_is_remembered_than_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many documents are remembered and no more, whatever an account lists; what is not, reads as ever."""
    monkeypatch.setattr(client, "MOST_KNOWN", 2)
    known: dict[str, Mapping[str, Any]] = {}
    items = [{"id": name} for name in "abc"]

    answer = _read(_Reader(lambda: NOW, lambda _: None, str, known), items)

    assert list(known) == ["a", "b"]
    assert answer.data["items"] == items


@pytest.mark.parametrize("data", [{"id": "a"}, {"items": None}, {"items": "a"}, {"items": {"id": "a"}}])
def test_answer_that_lists_nothing_is_read_as_ever(data: dict[str, Any]) -> None:
    """An answer without a list of documents is read by a client that remembers some as by any."""
    body = json.dumps({"code": "Success", "data": data}).encode()

    answer = _Reader(lambda: NOW, lambda _: None, str, {}).read(LISTING, _Received(200, "OK", {}, body))

    assert answer == interpret(LISTING, 200, {}, body, now=lambda: NOW)


def test_longest_page_is_remembered() -> None:
    """A page with as many documents as there may be on one is remembered as well as any."""
    reader = _Reader(lambda: NOW, lambda _: None, str, {})
    items = [{"id": f"c{number}"} for number in range(LONGEST_LIST)]
    before = _read(reader, items).data["items"]

    after = _read(reader, items).data["items"]

    assert all(new is old for new, old in zip(after, before, strict=True))


def test_page_with_more_documents_than_may_be() -> None:
    """A page that is too long is cut as ever, whatever of it is known."""
    reader = _Reader(lambda: NOW, lambda _: None, str, {})
    items = [{"id": f"c{number}"} for number in range(LONGEST_LIST + 200)]
    _read(reader, items[-300:])

    answer = _read(reader, items)

    assert (len(answer.data["items"]), answer.cut) == (LONGEST_LIST, True)
