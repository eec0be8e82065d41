import base64
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from stage import Stage

from orchestrator.masking import MOST, Mask
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Fault, Scenario

ODD = 'pä ß/w+"or\\d='  # each of its characters changes in one of the forms
FORGED = "\x1b[0Ksection_start:1700000000:forged[collapsed=true]\r\x1b[0Kall is well"


def encoded(text: str) -> str:
    """The text as base64."""
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("secret", [KEY, SECRET, ODD])
@pytest.mark.parametrize(
    "form",
    [
        str,
        encoded,
        lambda text: encoded(text).rstrip("="),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
        lambda text: quote(text, safe=""),
        quote_plus,
        lambda text: json.dumps(text)[1:-1],
        lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
        lambda text: repr(text)[1:-1],
    ],
    ids=["plain", "base64", "unpadded", "URL-safe", "quoted", "plus", "JSON", "JSON not ASCII", "repr"],
)
def test_each_form_is_masked(secret: str, form: Callable[[str], str]) -> None:
    """A secret is masked in each form in which it travels."""
    mask = Mask(KEY, SECRET)
    mask.add(ODD)

    text = mask.text(f"said <{form(secret)}> twice: {form(secret)}")

    assert form(secret) not in text
    assert text.rstrip("=") == text
    assert text.startswith("said <***")


def test_basic_credentials_are_masked() -> None:
    """The Authorization header's value is a form, too."""
    assert Mask(KEY, SECRET).text(f"Basic {encoded(f'{KEY}:{SECRET}')}") == "Basic ***"


def test_secret_inside_another_is_masked_as_part_of_it() -> None:
    """Of two secrets that overlap the longer one goes first: no rest of it stays."""
    mask = Mask("abc", "abcdef")

    assert mask.text("abcdef abc") == "*** ***"


@pytest.mark.parametrize(("key", "secret"), [("", ""), ("", "only"), ("only", "")])
def test_missing_secret_masks_nothing_else(key: str, secret: str) -> None:
    """An empty secret is none: the text around it stays."""
    assert Mask(key, secret).text("nothing to hide") == "nothing to hide"


@pytest.mark.parametrize("secret", ["not \udce9 UTF-8", "half a \ud800 pair"])
def test_secret_that_is_no_text_is_masked(secret: str) -> None:
    """A variable may hold bytes that are no text: it is masked, and nothing breaks."""
    assert Mask(secret).text(f"<{secret}>") == "<***>"


def test_passing_secrets_are_bounded() -> None:
    """A token a poll for hours costs no memory, and the job's own secrets and the latest tokens stay masked."""
    mask = Mask(KEY, SECRET)
    tokens = [f"token-{number:05}-of-a-poll" for number in range(1000)]
    for token in tokens:
        mask.add(token)
        mask.add(token)

    text = mask.text(f"{KEY} {SECRET} {encoded(f'{KEY}:{SECRET}')} {tokens[-1]} {tokens[-2]}")

    assert text == "*** *** *** *** ***"
    assert len(mask._secrets) == MOST


def test_line_cannot_be_forged() -> None:
    """A name from outside can neither open a log section nor start a line."""
    assert Mask().line(f"{FORGED}\nfoo") == "[0Ksection_start:1700000000:forged[collapsed=true][0Kall is well foo"


@pytest.mark.parametrize(
    "control",
    [
        *map(chr, range(9)),
        *map(chr, range(0x0B, 0x20)),
        *map(chr, range(0x7F, 0xA0)),
        *"\u2028\u2029\u202e\u2066\u2069",
    ],
    ids=ascii,
)
def test_control_character_is_stripped(control: str) -> None:
    """Nothing that steers a terminal, ends a line or turns the direction of writing gets through."""
    assert Mask().line(f"a{control}b") == Mask().block(f"a{control}b") == "ab"


def test_block_keeps_its_lines() -> None:
    """A text of several lines stays one; tabs stay in both."""
    assert Mask().block("a\tb\r\nc") == "a\tb\nc"
    assert Mask().line("a\tb\r\nc") == "a\tb c"


@pytest.mark.parametrize("way", [Mask.line, Mask.block])
def test_control_character_does_not_hide_a_secret(way: Callable[[Mask, str], str]) -> None:
    """A secret with a control character inside is masked as soon as that is gone."""
    assert way(Mask(KEY, SECRET), f"<{KEY[:5]}\x00{KEY[5:]}>") == "<***>"


def test_value_is_masked_at_any_depth() -> None:
    """Names and values of nested JSON are masked, numbers and null stay, and what is no JSON becomes text."""
    mask = Mask(KEY, SECRET)
    value = {KEY: [SECRET, {"a\x1b": (1, 2.5, True, None, f"x {SECRET}\ny")}], 7: ValueError(SECRET)}

    assert mask.value(value) == {"***": ["***", {"a": [1, 2.5, True, None, "x *** y"]}], "7": "***"}


@pytest.mark.parametrize("form", [str, encoded, lambda text: quote(text, safe="")], ids=["plain", "base64", "quoted"])
@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_output_holds_a_secret(stage: Callable[..., Stage], form: Callable[[str], str], log_format: str) -> None:
    """An answer that echoes the credentials shows them neither in the log, debug included, nor anywhere else."""
    said = " ".join(form(secret) for secret in (KEY, SECRET, f"{KEY}:{SECRET}"))
    here = stage(
        Scenario(connection={"service": said}, faults=(Fault(on="sync", status=400, code="Illegal", message=said),))
    )

    played = here.play(DATAOPS_DEBUG="1", FIVETRAN_LOG_FORMAT=log_format)

    everything = played.stdout + played.stderr + json.dumps(played.report)
    assert "Illegal" in played.stderr
    for secret in (KEY, SECRET, f"{KEY}:{SECRET}"):
        assert form(secret) not in everything


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_log_can_be_forged(stage: Callable[..., Stage], log_format: str) -> None:
    """Fivetran's words open no log section, whatever they hold."""
    here = stage(
        Scenario(connection={"service": FORGED}, faults=(Fault(on="sync", status=400, code="Illegal", message=FORGED),))
    )

    played = here.play(DATAOPS_DEBUG="1", FIVETRAN_LOG_FORMAT=log_format)

    assert "section_start" in played.stderr
    assert all(line.isprintable() for line in (played.stderr + played.stdout).splitlines())
