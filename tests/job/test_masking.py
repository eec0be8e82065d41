import base64
import json
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from simulated_job import Simulate

from orchestrator import run
from orchestrator.cli import main
from orchestrator.job.configuration import ConfigurationError
from orchestrator.job.masking import LEAST, MOST, Mask, proxy_secrets
from orchestrator.job.variables import VARIABLES
from orchestrator.simulator.app import KEY, SECRET
from orchestrator.simulator.scenario import Fault, Scenario, SyncPlan

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
    mask = Mask("abcdefgh", "abcdefghijk")

    assert mask.text("abcdefghijk abcdefgh") == "*** ***"


@pytest.mark.parametrize(("key", "secret"), [("", ""), ("", "only this"), ("only this", "")])
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
        mask.learn(token)
        mask.learn(token)
    mask.learn(KEY)

    text = mask.text(f"{KEY} {SECRET} {encoded(f'{KEY}:{SECRET}')} {tokens[-1]} {tokens[-2]}")

    assert text == "*** *** *** *** ***"
    assert len(mask._learned) == MOST


def test_tokens_are_learned_in_several_threads() -> None:
    """Answers that are read in several threads at once may all teach it tokens: nothing breaks, none is too many."""
    mask, failed = Mask(KEY, SECRET), list[BaseException]()

    def read(name: int) -> None:
        try:
            for number in range(300):
                mask.learn(f"token-{name}-{number:05}")
        except (KeyError, RuntimeError) as error:
            failed.append(error)

    threads = [threading.Thread(target=read, args=(name,)) for name in range(8)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(before)

    assert failed == []
    assert len(mask._learned) == MOST


def test_own_secrets_are_all_kept() -> None:
    """However many secrets a job has of its own, each stays masked."""
    mask = Mask(KEY, SECRET)
    secrets = [f"secret number {number:05}" for number in range(100)]
    for secret in secrets:
        mask.add(secret)
    for number in range(100):
        mask.learn(f"token number {number:05}")

    assert mask.text(" ".join(secrets)) == " ".join(["***"] * 100)


@pytest.mark.parametrize("text", ["1", "{", "true", '"', "verdict", "seven c", "succeeded", "scheduled", "sync_failed"])
def test_text_that_is_no_secret_garbles_nothing(text: str) -> None:
    """What is shorter than 8 characters, or a word of the program in a token's place, is masked nowhere else."""
    mask = Mask(KEY, SECRET)

    mask.learn(text)
    if len(text) < LEAST:
        mask.add(text)

    assert mask.text(f"<{text}>") == f"<{text}>"


def test_own_names_are_kept() -> None:
    """A token that is named like a member of the result does not take that member away; its value is masked."""
    mask = Mask(KEY, SECRET)
    mask.learn("steps_dropped")
    mask.learn("FIVETRAN_VERDICT")

    value = {"steps_dropped": "steps_dropped", "FIVETRAN_VERDICT": "FIVETRAN_VERDICT", "a steps_dropped": 1}

    assert mask.value(value) == {"steps_dropped": "***", "FIVETRAN_VERDICT": "***", "a ***": 1}


def test_document_keeps_its_lines() -> None:
    """A document for programs is masked in each text as a log is, but its texts keep their lines."""
    mask = Mask(KEY, SECRET)

    assert mask.document({"a": [f"one\n{SECRET}\x1b", ("b\u202e",)]}) == {"a": ["one\n***", ["b"]]}


@pytest.mark.parametrize(
    "variable", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"]
)
@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://builder:pa#ss-word@proxy:3128", ["pa#ss-word", "builder:pa#ss-word", "pa%23ss-word"]),
        ("http://builder:pa%23ss%2Dword@proxy:3128", ["pa#ss-word", "pa%23ss%2Dword", "pa%23ss-word"]),
        ("builder:pa%23ss-word@proxy:3128", ["pa#ss-word", "pa%23ss-word", "builder:pa#ss-word"]),
        ("socks5://builder:pass:word@proxy", ["pass:word", "pass%3Aword"]),
        ("http://bui@lder:pass@word@proxy", ["pass@word", "pass%40word"]),
        ("http://a:b://pass-word@proxy", ["b://pass-word"]),
        ("http://token-alone@proxy:3128", ["token-alone"]),
        ("  http://token-alone@proxy:3128\n", ["token-alone"]),
        ("http://u:pw@proxy:3128", ["pw@proxy:3128", "u:pw@proxy:3128"]),
        ("http://user:pa#ss@host", ["user:pa#ss", "user:pa%23ss", "pa#ss@host"]),
    ],
)
def test_credentials_of_a_proxy_are_masked(variable: str, address: str, shown: list[str]) -> None:
    """Credentials of a proxy are masked in each spelling, well-formed or not, in whichever variable they stand."""
    mask = Mask(KEY, SECRET)
    for secret in proxy_secrets({variable: address, "NO_PROXY": "user@elsewhere"}):
        mask.add(secret)

    told = [mask.text(f"{text} {encoded(shown[0])}") for text in shown]

    assert [line for line in told if shown[0] in line or encoded(shown[0]).rstrip("=") in line] == []
    assert [text for text, line in zip(shown, told, strict=True) if text in line] == []
    assert mask.text("builder at elsewhere") == "builder at elsewhere"


def test_environment_without_proxies_masks_nothing() -> None:
    """A proxy without credentials has nothing to mask."""
    assert [text for text in proxy_secrets({"HTTPS_PROXY": "http://proxy:3128", "ALL_PROXY": ""}) if text] == []


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
def test_no_output_holds_a_secret(simulate: Simulate, form: Callable[[str], str], log_format: str) -> None:
    """An answer that echoes the credentials shows them neither in the log, debug included, nor anywhere else."""
    said = " ".join(form(secret) for secret in (KEY, SECRET, f"{KEY}:{SECRET}"))
    job = simulate(
        Scenario(connection={"service": said}, faults=(Fault(on="sync", status=400, code="Illegal", message=said),))
    )

    played = job.play(DATAOPS_DEBUG="1", FIVETRAN_LOG_FORMAT=log_format)

    everything = played.stdout + played.stderr + json.dumps(played.report)
    assert "Illegal" in played.stderr
    for secret in (KEY, SECRET, f"{KEY}:{SECRET}"):
        assert form(secret) not in everything


ODD_TOKENS = ["1", "{", '"', "true", "null", "verdict", "succeeded", "steps_dropped", "FIVETRAN_VERDICT", "scheduled"]


@pytest.mark.parametrize("token", ODD_TOKENS)
def test_odd_token_destroys_no_result(simulate: Simulate, token: str) -> None:
    """A Connect Card's token that is a word or a sign of our own files' leaves each of them what it is."""
    card = {"token": token, "uri": token}
    job = simulate(Scenario(connection={"connect_card": card}, syncs=(SyncPlan(lasts=0.0),)))
    state = job.folder / "run.json"

    played = job.play(FIVETRAN_STATE_FILE=str(state))

    folder = job.folder / "report"
    shown = json.loads(played.stdout)
    assert played.report is not None
    assert (played.report["verdict"], shown["verdict"], played.report["exit_code"]) == ("succeeded", "succeeded", 0)
    assert played.report["steps_dropped"] == 0
    assert "FIVETRAN_VERDICT=succeeded\nFIVETRAN_EXIT_CODE=0\n" in (folder / "fivetran.env").read_text("utf-8")
    assert json.loads(state.read_text("utf-8"))["ended"] is True
    assert all(json.loads(line) for line in (folder / "journal.jsonl").read_text("utf-8").splitlines())
    assert json.loads((folder / "annotations.json").read_text("utf-8"))["Fivetran"]


@pytest.mark.parametrize("card", [{"token": "ey.0123456789", "uri": "https://fivetran.com/x?auth=ey.0123456789"}])
@pytest.mark.parametrize("action", ["START", "STATUS"])
def test_repeated_token_is_masked(simulate: Simulate, card: dict[str, str], action: str) -> None:
    """A Connect Card's token is masked where it comes again in other words of the same document."""
    said = f"set it up: {card['uri']} or {card['token']}"
    job = simulate(Scenario(connection={"connect_card": card, "status": {"tasks": [{"code": "c", "message": said}]}}))

    played = job.play(action, DATAOPS_DEBUG="1", FIVETRAN_STATE_FILE=str(job.folder / "run.json"))

    files = "".join(path.read_text("utf-8") for path in job.folder.rglob("*") if path.is_file())
    assert card["token"] not in played.stdout + played.stderr + files


def test_no_output_holds_the_credentials_of_a_proxy(simulate: Simulate) -> None:
    """What the environment says of proxies is masked, also where an answer repeats it."""
    pair = encoded("builder:pa#ss-word")
    echo = Fault(on="get", status=407, code="Odd", message=f"builder:pa#ss-word pa%23ss-word Basic {pair}")
    job = simulate(Scenario(faults=(echo,)), over_http=True)

    played = job.play(HTTPS_PROXY="http://builder:pa%23ss-word@proxy:3128", DATAOPS_DEBUG="1")

    everything = played.stdout + played.stderr + json.dumps(played.report)
    assert "*** *** Basic ***" in played.stderr
    assert [text for text in ("ss-word", pair.rstrip("=")) if text in everything] == []


def test_values_of_the_vault_are_masked(simulate: Simulate, tmp_path: Path) -> None:
    """What a reference of a flag resolves to is masked wherever an answer repeats it; a table's name is not."""
    (tmp_path / "vault.yml").write_text("A: {FLAG: a-flag-of-ours, TABLE: the-orders-of-ours}\n", "utf-8")
    echo = Fault(on="get", status=400, code="Odd", message="a-flag-of-ours of the-orders-of-ours")
    job = simulate(Scenario(faults=(echo,)))

    played = job.play(
        "FORCE_RESYNC",
        FIVETRAN_VAULT_FILE=str(tmp_path / "vault.yml"),
        FIVETRAN_UNPAUSE="DATAOPS_VAULT(A.FLAG)",
        TABLE="DATAOPS_VAULT(A.TABLE)",
    )

    assert "a-flag-of-ours" not in played.stderr + played.stdout + json.dumps(played.report)
    assert "*** of the-orders-of-ours" in played.stderr


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_log_can_be_forged(simulate: Simulate, log_format: str) -> None:
    """Fivetran's words open no log section, whatever they hold."""
    job = simulate(
        Scenario(connection={"service": FORGED}, faults=(Fault(on="sync", status=400, code="Illegal", message=FORGED),))
    )

    played = job.play(DATAOPS_DEBUG="1", FIVETRAN_LOG_FORMAT=log_format)

    assert "section_start" in played.stderr
    assert all(line.isprintable() for line in (played.stderr + played.stdout).splitlines())


# --- Every way in ---------------------------------------------------------------------------------

CANARY = "canary-of-4711"
PASTED = f"https://user:{CANARY}@fivetran.example/x?token={CANARY}"
# What may hold a secret by mistake; key and secret themselves are masked as what they are.
MISTAKEN = [name for name in VARIABLES if not VARIABLES[name].any_value and name != "FIVETRAN_API_SECRET"]


@pytest.fixture
def said(
    simulate: Simulate, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, dict[str, str]], str]:
    """All that is printed or written, by a job or a command, with these variables."""
    job = simulate()
    monkeypatch.chdir(job.folder)  # where a secret is taken for a relative path

    def said(way: str, variables: dict[str, str]) -> str:
        given: dict[str, Any] = {**job.variables(), **variables}
        printed = ""
        match way:
            case "job" | "json":
                played = job.play(**given | ({"FIVETRAN_LOG_FORMAT": "json"} if way == "json" else {}))
                printed = played.stdout + played.stderr
            case "python":
                pair = {"api_key": KEY, "api_secret": given["FIVETRAN_API_SECRET"]}
                with pytest.raises(ConfigurationError) as caught:
                    run("START", given["CONNECTOR_ID"], **pair, timeout="soon")
                printed = str(caught.value)
            case _:
                main([*way.split()], given)
        files = (path.read_text("utf-8", "replace") for path in job.folder.rglob("*") if path.is_file())
        return "".join((printed, *capsys.readouterr(), *files))

    return said


@pytest.mark.parametrize("way", ["job", "json", "list", "run --dry-run"])
@pytest.mark.parametrize("name", MISTAKEN)
def test_secret_in_the_wrong_variable_is_not_repeated(
    said: Callable[[str, dict[str, str]], str], name: str, way: str
) -> None:
    """The API secret in any other variable shows up in no log, file, error or output of any command."""
    assert CANARY not in said(way, {"FIVETRAN_API_SECRET": CANARY, name: CANARY})


@pytest.mark.parametrize("way", ["job", "json", "run --dry-run", "python"])
@pytest.mark.parametrize("pasted", [PASTED, f"user:{CANARY}@fivetran.example"])
def test_credentials_in_a_pasted_id_are_not_repeated(
    said: Callable[[str, dict[str, str]], str], pasted: str, way: str
) -> None:
    """Of an address that is given for an id neither credentials nor what is asked of it show anywhere."""
    assert CANARY not in said(way, {"CONNECTOR_ID": pasted})


@pytest.mark.parametrize(
    "arguments",
    [
        ["init", "START", PASTED],
        ["init", "START", "a", "--connector-id", PASTED],
        ["list", "--group", PASTED],
        ["run", "START", PASTED, "--connector-id", "a"],
        ["run", "START", "a", "b", PASTED],
        ["run", f"--{CANARY}=1"],
        ["run", "--restore-schedule", CANARY],
        [CANARY],
        ["diagram", CANARY],
    ],
)
def test_arguments_are_not_repeated(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """What is typed where it does not belong may be a secret, and no command repeats it."""
    with suppress(SystemExit):
        main(arguments, {})

    assert CANARY not in "".join(capsys.readouterr())
