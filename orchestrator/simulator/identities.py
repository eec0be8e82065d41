"""What many connections are called: as at Fivetran, two words for an id, and services and schemas of all kinds."""

__all__ = ["CONNECTOR", "MOST", "identity_at", "source_at"]

CONNECTOR = "speak_inexpensive"  # the connection that the account has before anybody asks for one; the first of many
MOST = 20_000  # connections that there are ids for

_TEXT = """
    acorn amber anchor apple arrow aspen atlas autumn bamboo banner barley basil beacon birch blossom bonfire border
    breeze bridge bronze brook butter cabin cactus candle canyon carbon castle cedar cello cherry cinder circle clever
    clover cobalt comet copper coral cotton crater crimson crystal dapple daring dawn delta desert drifting dune eager
    eagle early ebony echo ember emerald falcon feather fern fiddle flint forest fossil frost galaxy garden gentle
    ginger glacier golden granite harbor hazel hidden hollow honest honey humble indigo island ivory jasmine jolly
    juniper keen kettle lantern laurel lemon lilac linen lively lunar magnet maple marble meadow mellow merry mint
    misty mosaic nimble noble nutmeg oasis olive onyx orbit orchid otter paper pebble pepper piano plum polar prairie
    quartz quiet rapid raven ribbon river robin rustic saffron sage sandy scarlet silent silver solar spruce summer
    swift tango thistle timber tulip umber velvet violet walnut willow winter zephyr
"""
_WORDS = _TEXT.split()
_SERVICES = ("postgres", "salesforce", "google_ads", "mysql", "hubspot", "stripe", "shopify")
_PAIRS = len(_WORDS) * (len(_WORDS) - 1)
_STRIDE = 12_907  # has no divisor in common with the number of pairs, so that no pair comes twice


def identity_at(place: int) -> str:
    """The id of the connection at that place of many, counted from 1 up to `MOST`."""
    if place == 1:
        return CONNECTOR
    first, second = divmod(place * _STRIDE % _PAIRS, len(_WORDS) - 1)
    return f"{_WORDS[first]}_{_WORDS[second + (second >= first)]}"


def source_at(place: int) -> dict[str, str]:
    """Where that connection reads, as members of its document: its service, and a schema that no other one has."""
    service = _SERVICES[place % len(_SERVICES) - 1]
    return {"service": service, "schema": f"{service}_{place}"}
