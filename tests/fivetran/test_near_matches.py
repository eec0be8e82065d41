"""Near matches of a schema and table that Fivetran did not find."""

from typing import Any

import pytest

from orchestrator.fivetran.near_matches import MOST, MOST_IN_ALL, near_connections, near_matches

WANTED = {"public": ["orders"]}


def source(*names: str) -> dict[str, Any]:
    """The answer of GET `/schemas` with these `SCHEMA.TABLE` names, all enabled."""
    schemas: dict[str, Any] = {}
    for name in names:
        schema, _, table = name.partition(".")
        schemas.setdefault(schema, {"enabled": True, "tables": {}})["tables"][table] = {"enabled": True}
    return {"schemas": schemas}


@pytest.mark.parametrize(
    ("names", "wanted", "expected"),
    [
        (["public.orders", "public.items"], "public.order", ("public.orders",)),
        (["public.orderz", "PUBLIC.ORDERS"], "public.orders", ("PUBLIC.ORDERS", "public.orderz")),
        (["public.orders"], "publik.orders", ("public.orders",)),
        (["sales.orders", "crm.people"], "public.orders", ("sales.orders",)),
        (["public.order", "sales.orders"], "public.orders", ("public.order", "sales.orders")),
        (["public.orders"], "public.orders", ("public.orders",)),
        (["sales.invoice_items"], "salsa.invoices_item", ("sales.invoice_items",)),
        (["a.long_table_name"], "zz.long_table_names", ("a.long_table_name",)),
        (["a.b"], "public.orders", ()),
        ([], "public.orders", ()),
    ],
    ids=[
        "typo in the table",
        "wrong case first",
        "typo in the schema",
        "table in another schema",
        "typo before another schema",
        "the very name",
        "typos in both",
        "schema like none",
        "nothing near",
        "nothing at all",
    ],
)
def test_near_names_are_found(names: list[str], wanted: str, expected: tuple[str, ...]) -> None:
    """The closest names are given, the wrong case, which is the common mistake, first."""
    schema, _, table = wanted.partition(".")

    assert near_matches(source(*names), {schema: [table]}) == expected


def test_only_a_few_are_given() -> None:
    """A source with many tables of a name gives a handful, each once."""
    names = near_matches(source(*(f"s{number}.orders" for number in range(50))), WANTED)

    assert len(names) == len(set(names)) == MOST


def test_of_several_only_the_unknown_are_compared() -> None:
    """Names are given for the tables that the source does not have, each table's in its turn, and not too many."""
    wanted = {"public": ["orders", "custmers"], "sales": ["item"]}
    many = {"public": [f"orders{number}" for number in range(30)]}

    found = near_matches(source("public.orders", "public.customers", "sales.items"), wanted)

    assert found == ("public.customers", "sales.items")
    names = near_matches(source(*(f"public.orders{number}x" for number in range(50))), many)
    assert len(names) == len(set(names)) == MOST_IN_ALL


@pytest.mark.parametrize("place", ["schema", "table"])
def test_disabled_name_is_marked(place: str) -> None:
    """A name that is not synced, by itself or with its schema, says so."""
    data = source("public.orders")
    schema = data["schemas"]["public"]
    (schema if place == "schema" else schema["tables"]["orders"])["enabled"] = False

    assert near_matches(data, WANTED) == ("public.orders (not enabled for syncing)",)


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"schemas": None},
        {"schemas": []},
        {"schemas": {"a": None}},
        {"schemas": {"a": {"tables": []}}},
        {"schemas": {"a": {}}},
    ],
    ids=str,
)
def test_odd_answer_gives_nothing(data: dict[str, Any]) -> None:
    """An answer of another form has no names."""
    assert near_matches(data, WANTED) == ()


def test_table_without_settings_counts() -> None:
    """A table of which nothing is said is a name all the same."""
    assert near_matches({"schemas": {"public": {"tables": {"orders": None}}}}, {"public": ["order"]}) == (
        "public.orders",
    )


# --- Connections ----------------------------------------------------------------------------------


def _account(*connections: tuple[object, object]) -> list[dict[str, object]]:
    return [{"id": identity, "schema": name, "service": "postgres"} for identity, name in connections]


@pytest.mark.parametrize(
    ("wanted", "connections", "expected"),
    [
        ("speak_inexpensiv", [("tacky_lion", "crm"), ("speak_inexpensive", "demo")], ["speak_inexpensive"]),
        ("SPEAK_INEXPENSIVE", [("speak_inexpensive", "demo")], ["speak_inexpensive"]),
        ("CRM", [("crm_two", "sales"), ("tacky_lion", "crm")], ["tacky_lion", "crm_two"]),
        ("sales_forc", [("tacky_lion", "sales_force"), ("sales_farm", "crm")], ["tacky_lion", "sales_farm"]),
        ("budget", [("tacky_lion", "finance.budget")], ["tacky_lion"]),
        ("speak_inexpensive", [("speak_inexpensive", "speak_inexpensive")], []),  # Fivetran has just said no to that
        ("speak_inexpensive", [("", "speak_inexpensive"), (None, None), (7, {})], []),
        ("speak", [("one", None), ("two", "")], []),
    ],
)
def test_near_connections(wanted: str, connections: list[tuple[object, object]], expected: list[str]) -> None:
    """A connection that has the id for a name comes first, then the closest ids and names, whatever their case."""
    found = near_connections(_account(*connections), wanted)

    assert [each["id"] for each in found] == expected


def test_near_connections_are_few() -> None:
    """Of many that are close, five are named; each with what tells them apart."""
    found = near_connections(_account(*((f"speak_{number}", "demo") for number in range(50))), "speak_x")

    assert len(found) == MOST
    assert {(each["name"], each["service"]) for each in found} == {("demo", "postgres")}
