"""Which connections the variables name, and how a job ends that finds none."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from orchestrator.fleet.selection import Nothing, Selection, chosen, patient, read_selection
from orchestrator.job.inputs import Inputs
from orchestrator.values.events import Event
from orchestrator.values.exchange import Answer, Failure, Request

AWAY = Failure(Event.UNAVAILABLE, "cannot reach api.fivetran.com")
BUSY = Failure(Event.RATE_LIMITED, "Max 500", status=429, retry_after=7.0)


def read(**variables: str) -> tuple[Selection, list[str], list[str]]:
    """What variables name, and the errors and warnings."""
    inputs = Inputs(variables)
    selection = read_selection(inputs)
    return selection, inputs.errors, inputs.warnings


def connection(identity: str, schema: str = "sales", service: str = "postgres") -> dict[str, Any]:
    """A document."""
    return {"id": identity, "schema": schema, "service": service}


class Asked:
    """What answers requests for listings.

    Args:
        documents: The connections there are.
        page: How many a page has.
    """

    def __init__(self, documents: Iterable[Mapping[str, Any]], page: int = 1_000) -> None:
        self.documents = list(documents)
        self.page = page
        self.paths = list[str]()
        self.told = list[str]()

    def __call__(self, request: Request) -> Answer:
        """Answer one."""
        self.paths.append(request.path)
        query = parse_qs(urlsplit(request.path).query)
        named = [each for each in self.documents if query.get("schema", [each["schema"]])[0] == each["schema"]]
        after = int(query.get("cursor", ["0"])[0])
        more = {"next_cursor": str(after + self.page)} if after + self.page < len(named) else {}
        return Answer(data={"items": named[after : after + self.page], **more})

    def choose(self, **how: Any) -> list[str]:
        """Which are chosen."""
        return chosen(Selection(**how), self, self.told.append)


# --- Reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a,b,c", "a b c", " a , b\n\n, c ,", "a\tb,,c", "\na\nb\nc\n"])
def test_lists(text: str) -> None:
    """Commas, blanks, tabs and lines separate ids, in any number."""
    assert read(CONNECTOR_ID=text) == (Selection(ids=("a", "b", "c")), [], [])


def test_doubles() -> None:
    """An id that is there twice is run once, with a warning."""
    selection, errors, warnings = read(CONNECTOR_ID="b a b b")

    assert (selection.ids, errors) == (("b", "a"), [])
    assert warnings == ["CONNECTOR_ID names b more than once: it is run once"]


def test_second_name() -> None:
    """FIVETRAN_CONNECTOR_ID is read as well."""
    assert read(FIVETRAN_CONNECTOR_ID="a,b")[0].ids == ("a", "b")


def test_pasted_address_among_ids() -> None:
    """An address among ids is quoted without what is asked of it, and the id that is to stand there is named."""
    _, errors, _ = read(CONNECTOR_ID="a, https://fivetran.com/dashboard/connections/speak_b/status?token=x, b.c")

    assert errors[0] == (
        "CONNECTOR_ID: 'https://fivetran.com/dashboard/connections/speak_b/status' is not an id: "
        "write speak_b in its place"
    )
    assert errors[1].startswith("CONNECTOR_ID: 'b.c' is a connection's name, not its id")
    assert len(errors) == 2


@pytest.mark.parametrize("text", ["id: speak_b", "CONNECTOR_ID = speak_b", "https://x/connections/speak_b"])
def test_one_id_with_something_around_it(text: str) -> None:
    """One id that was pasted with more is named as what to set."""
    _, errors, _ = read(CONNECTOR_ID=text)

    assert len(errors) == 1
    assert errors[0].endswith("set it to speak_b")


def test_wrong_ids_from_the_vault(tmp_path: Path) -> None:
    """What the vault has is not quoted."""
    vault = tmp_path / "vault.yml"
    vault.write_text("A:\n  B: 'a, https://x/connections/hidden_one'\n")

    _, errors, _ = read(CONNECTOR_ID="DATAOPS_VAULT(A.B)", FIVETRAN_VAULT_FILE=str(vault))

    assert len(errors) == 1
    assert "hidden_one" not in errors[0]
    assert "the value of DATAOPS_VAULT(A.B)" in errors[0]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, ["CONNECTOR_ID: not set: set it to an id or several, or FIVETRAN_GROUP_ID"]),
        ({"CONNECTOR_ID": ","}, ["CONNECTOR_ID: has no id in it"]),
        ({"CONNECTOR_ID": "a", "FIVETRAN_GROUP_ID": "g"}, ["FIVETRAN_GROUP_ID: set together with CONNECTOR_ID"]),
        (
            {"CONNECTOR_ID": "a", "FIVETRAN_CONNECTION_NAME": "n"},
            ["FIVETRAN_CONNECTION_NAME: set together with CONNECTOR_ID"],
        ),
        *(
            (
                {"FIVETRAN_CONNECTION_NAME": odd},
                [f"FIVETRAN_CONNECTION_NAME: {odd!r} contains control characters: use the plain name"],
            )
            for odd in ("\udcff", "sal\nes", "\x1b[2J")  # the first: bytes that are not UTF-8
        ),
        ({"FIVETRAN_GROUP_ID": "my group!"}, ["FIVETRAN_GROUP_ID: 'my group!' is not a group's id"]),
        ({"CONNECTOR_ID": "a", "FIVETRAN_INCLUDE": "b"}, ["FIVETRAN_INCLUDE: it chooses among the connections"]),
        (
            {"FIVETRAN_GROUP_ID": "g", "FIVETRAN_CONNECTION_NAME": "n", "FIVETRAN_EXCLUDE": "b"},
            ["FIVETRAN_EXCLUDE: it chooses among the connections"],
        ),
        ({"FIVETRAN_GROUP_ID": "g", "FIVETRAN_CONNECTION_NAME": "n"}, []),
    ],
)
def test_conflicts(variables: dict[str, str], expected: list[str]) -> None:
    """What contradicts, is missing or cannot be is said of the variable that is to be changed."""
    _, errors, _ = read(**variables)

    assert len(errors) == len(expected)
    assert all(found.startswith(begins) for found, begins in zip(errors, expected, strict=True))


def test_patterns_are_read() -> None:
    """Patterns are separated as ids are, and each is there once."""
    selection, errors, _ = read(FIVETRAN_GROUP_ID="g", FIVETRAN_INCLUDE="a*, b a*", FIVETRAN_EXCLUDE="\nc\n")

    assert (selection, errors) == (Selection((), "g", ("a*", "b"), ("c",)), [])


# --- A group --------------------------------------------------------------------------------------

ACCOUNT = [
    connection("c1", "Sales_EU", "postgres"),
    connection("c2", "sales_us.orders", "mysql"),
    connection("c3", "hr", "Google_Sheets"),
    {"id": "c4", "schema": None},
]


@pytest.mark.parametrize(
    ("include", "exclude", "ids"),
    [
        ((), (), ["c1", "c2", "c3", "c4"]),
        (("C1",), (), ["c1"]),
        (("sales*",), (), ["c1", "c2"]),
        (("SALES*",), ("*_us*",), ["c1"]),
        (("google_sheets", "c4"), (), ["c3", "c4"]),
        ((), ("MySQL", "hr"), ["c1", "c4"]),
        (("c[12]",), (), ["c1", "c2"]),
        (("c?",), ("c?.", "c3"), ["c1", "c2", "c4"]),
    ],
)
def test_patterns(include: tuple[str, ...], exclude: tuple[str, ...], ids: list[str]) -> None:
    """A pattern matches a whole id, name or service, in any case; one of many is enough, and exclusion wins."""
    ask = Asked(ACCOUNT, page=3)

    assert ask.choose(group="g", include=include, exclude=exclude) == ids
    assert ask.paths == ["/v1/groups/g/connections?limit=1000", "/v1/groups/g/connections?limit=1000&cursor=3"]
    chosen_ones = f", {len(ids)} of them chosen" if include or exclude else ""
    assert ask.told == [f"group g has 4 connections{chosen_ones}"]


def test_nothing_is_chosen() -> None:
    """Patterns that choose nothing end with 4, and what there is is listed, ten of them by name."""
    ask = Asked(connection(f"c{number}") for number in range(12))

    with pytest.raises(Nothing) as caught:
        ask.choose(group="g", include=("nothing",))

    assert (caught.value.code, caught.value.verdict) == (4, "not_found")
    assert caught.value.headline == "no connection of group g is chosen"
    assert caught.value.reasons[0].startswith("there are c0 (sales, postgres), ")
    assert caught.value.reasons[0].endswith("c9 (sales, postgres), 2 more")
    assert caught.value.advice == ("check FIVETRAN_INCLUDE and FIVETRAN_EXCLUDE",)


def test_empty_group() -> None:
    """A group without a connection ends with 4, and says that the key may not see them."""
    with pytest.raises(Nothing) as caught:
        Asked([]).choose(group="g")

    assert (caught.value.code, caught.value.headline) == (4, "group g has no connection")
    assert caught.value.reasons == ("or none that this API key can see",)


def test_ids_are_not_asked_for() -> None:
    """Ids that are given are taken as they are."""
    ask = Asked([])

    assert (ask.choose(ids=("b", "a")), ask.paths) == (["b", "a"], [])


# --- A name ---------------------------------------------------------------------------------------


def test_name() -> None:
    """Fivetran is asked for the name; the one that has it is told."""
    ask = Asked(ACCOUNT)

    assert ask.choose(name="sales_us.orders") == ["c2"]
    assert ask.paths == ["/v1/connections?limit=1000&schema=sales_us.orders"]
    assert ask.told == ["the connection named sales_us.orders is c2"]


def test_name_in_a_group() -> None:
    """A name may be looked for in a group alone; what it has that an address cannot have is quoted."""
    ask = Asked([connection("c1", "a&b")])

    assert ask.choose(name="a&b", group="g") == ["c1"]
    assert ask.paths == ["/v1/connections?limit=1000&schema=a%26b&group_id=g"]


def test_several_of_a_name() -> None:
    """A name that several have is a wrong variable: 2, and they are listed."""
    with pytest.raises(Nothing) as caught:
        Asked([connection("c1"), connection("c2", service="mysql")]).choose(name="sales", group="g")

    assert (caught.value.code, caught.value.verdict) == (2, "misconfigured")
    assert caught.value.headline == "2 connections in group g are named sales"
    assert caught.value.reasons == ("they are c1 (sales, postgres), c2 (sales, mysql)",)


@pytest.mark.parametrize(("name", "reasons"), [("hrr", ("like it are hr (c3, Google_Sheets)",)), ("zzzzzz", ())])
def test_none_of_a_name(name: str, reasons: tuple[str, ...]) -> None:
    """A name that none has ends with 4 and those whose name is like it."""
    with pytest.raises(Nothing) as caught:
        Asked([*ACCOUNT[:3], {"schema": "no id"}]).choose(name=name)

    assert (caught.value.code, caught.value.headline) == (4, f"no connection is named {name}")
    assert caught.value.reasons == reasons


# --- Failures -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("failure", "code", "verdict", "headline"),
    [
        (
            Failure(Event.REFUSED, "Invalid", status=401, code="Unauthorized"),
            *(3, "refused", "the connections of group g could not be listed"),
        ),
        (
            Failure(Event.NOT_FOUND, "no", status=404, code="NotFound_Group"),
            *(4, "not_found", "Fivetran knows no group g"),
        ),
        (Failure(Event.TIMED_OUT, "time ran out"), 5, "timed_out", "the connections of group g could not be listed"),
        (AWAY, 6, "gave_up", "the connections of group g could not be listed"),
        (BUSY, 6, "gave_up", "the connections of group g could not be listed"),
        (Failure(Event.REJECTED, "odd", status=400), 7, "rejected", "the connections of group g could not be listed"),
        (
            Failure(Event.INTERRUPTED, "stopped by a signal"),
            *(130, "interrupted", "the connections of group g could not be listed"),
        ),
        (
            Failure(Event.TERMINATED, "stopped by a signal"),
            *(143, "terminated", "the connections of group g could not be listed"),
        ),
    ],
)
def test_listing_fails(failure: Failure, code: int, verdict: str, headline: str) -> None:
    """How a group cannot be listed decides the exit code, and each has its advice."""

    def ask(_: Request) -> Answer:
        raise failure

    with pytest.raises(Nothing) as caught:
        chosen(Selection(group="g"), ask, lambda _: None)

    found = caught.value
    assert (found.code, str(found.verdict), found.headline) == (code, verdict, headline)
    assert found.reasons == (str(failure),)
    assert found.advice[0]
    with pytest.raises(Nothing, match=r"the connections could not be listed|no group"):
        chosen(Selection(name="n"), ask, lambda _: None)


class Patience:
    """What `patient` waits for and says."""

    def __init__(self, *failures: Failure, tries: int = 4, left: float = 600.0) -> None:
        self.failures = list(failures)
        self.pauses = list[float]()
        self.warned = list[str]()
        self.ask = patient(self._ask, self.pauses.append, lambda: left, tries, lambda: 0.0, self.warned.append)

    def _ask(self, _: Request) -> Answer:
        if self.failures:
            raise self.failures.pop(0)
        return Answer(request_id="at last")


GET = Request("GET", "/v1/connections", "list the connections")


def test_transient_failures_are_got_past() -> None:
    """An outage and a 429 are tried again, after a back-off or as long as Fivetran asks, each with a warning."""
    waits = Patience(AWAY, BUSY, AWAY)

    assert waits.ask(GET).request_id == "at last"
    assert waits.pauses == [1.0, 7.0, 4.0]
    assert waits.warned[1] == "could not list the connections: 429: Max 500; trying again in 7.0 s"


@pytest.mark.parametrize(
    ("waits", "pauses"),
    [
        (Patience(AWAY, AWAY, AWAY, AWAY, tries=3), 2),
        (Patience(Failure(Event.REFUSED, "no", status=403)), 0),
        (Patience(BUSY, left=5.0), 0),
    ],
)
def test_other_failures_are_not(waits: Patience, pauses: int) -> None:
    """Too many failures in a row, one that another attempt does not get past, and a wait that is too long end it."""
    with pytest.raises(Failure):
        waits.ask(GET)

    assert len(waits.pauses) == pauses
