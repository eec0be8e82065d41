"""The vocabulary: every word that a chart can use has a meaning."""

from pathlib import Path

import pytest
from vocabulary_page import page

from orchestrator.fivetran.effects import CHOICES, EFFECTS, PAUSES
from orchestrator.fivetran.vocabulary import meaning_of, question_of, raised_by
from orchestrator.machine.chart import Kind
from orchestrator.machine.promises import PROMISES
from orchestrator.values.events import Event


def test_every_event_has_a_meaning() -> None:
    """Each event is described, in a line of its own."""
    assert all(event.meaning for event in Event)
    assert len({event.meaning for event in Event}) == len(Event)


@pytest.mark.parametrize("name", [*EFFECTS, *CHOICES, *PAUSES, *Event])
def test_every_word_is_known(name: str) -> None:
    """Effects, choices, pauses and events have one line each that says what they mean."""
    assert meaning_of(name)
    assert "\n" not in meaning_of(name)


@pytest.mark.parametrize("name", CHOICES)
def test_every_choice_asks_a_question(name: str) -> None:
    """A choice's meaning begins with a short question, each choice with one of its own."""
    question = question_of(name)

    assert meaning_of(name, Kind.CHOOSES).startswith(question)
    assert question.endswith("?")
    assert question.count("?") == 1
    assert len(question) <= 40
    assert [question_of(other) for other in CHOICES].count(question) == 1


def test_what_is_no_choice_has_no_question() -> None:
    """A word that is no choice stands for itself."""
    assert question_of("somebody's own") == "somebody's own"


def test_values_of_choices_have_no_meaning_of_their_own() -> None:
    """What a choice branches on is a value: the choice says what it means."""
    assert (meaning_of("attach"), raised_by("attach")) == ("", "choice")


@pytest.mark.parametrize(
    ("event", "raiser"), [("waited", "driver"), ("refused", "client"), ("ready", "effect"), ("gave_up", "driver")]
)
def test_who_raises_an_event(event: str, raiser: str) -> None:
    """An event comes from the driver, the client or an effect."""
    assert raised_by(event) == raiser


def test_page_is_up_to_date() -> None:
    """`docs/vocabulary.md` is what `make documents` would write."""
    written = (Path(__file__).parents[2] / "docs" / "vocabulary.md").read_text("utf-8")

    assert written == page()


def test_page_has_every_word() -> None:
    """The page has each effect, pause, choice, event and promise once, as what it is."""
    written = page()

    for heads in (
        *([f"\n### {name}\n"] for name in EFFECTS),
        *([f"\n| `{name}` | "] for name in (*PAUSES, *CHOICES, *Event)),
        *([f"\n| {promise.name} | "] for promise in PROMISES),
    ):
        assert [written.count(head) for head in heads] == [1], heads


def test_choice_and_effect_of_one_name_have_their_own_meanings() -> None:
    """A choice that has the name of an effect means what the choice means."""
    assert meaning_of("restore_schedule", Kind.CHOOSES).startswith("Restore the schedule? FIVETRAN_RESTORE_SCHEDULE, ")
    assert meaning_of("restore_schedule", Kind.DOES) == "Restore the connection's schedule."
