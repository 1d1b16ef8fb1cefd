"""What a usage object says of how the response was served, where that changes the price: tier, speed, geography.

Together they are one name, by which a price is found: `priority+fast+us`. Parts that are as usual are left out, so that plain
traffic stays `default`; a name that no price has is unpriced, and so never billed by the wrong card.
"""

from collections.abc import Mapping
from typing import NamedTuple

from metering.catalogue.tiers import DEFAULT_TIER, leaves_open, normal_tier
from metering.ingest.formats.dialects.shape import UsageRefused

# By Google's own name as well, at the top and where its endpoint in OpenAI's shape has it.
TIER_PATHS = ("service_tier", "serviceTier", "trafficType", "traffic_type", "extra_properties.google.traffic_type")
# Of these, what is as usual.
USUAL_SPEEDS = frozenset({"", "standard", "normal", "default"})
USUAL_PLACES = frozenset({"", "global", "not_available", "default", "none", "unknown"})


class Served(NamedTuple):
    """None and empty where the usage leaves it open or says that it was as usual."""

    tier: str | None = None
    speed: str = ""
    place: str = ""


AS_USUAL = Served()


def served_as_stated(texts: Mapping[str, str]) -> Served:
    """From the texts of a usage object by their path. Raises UsageRefused where it names two tiers."""
    if not texts:
        return AS_USUAL
    tiers = {normal_tier(texts[path]) for path in TIER_PATHS if not leaves_open(texts.get(path))}
    if len(tiers) > 1:
        raise UsageRefused("service_tiers_differ", f"The usage names several service tiers: {', '.join(sorted(tiers))}.")
    speed, place = _name(texts.get("speed", "")), _name(texts.get("inference_geo", ""))
    return Served(
        tiers.pop() if tiers else None,
        "" if speed in USUAL_SPEEDS else speed,
        "" if place in USUAL_PLACES else place,
    )


def billed_tier(stated: str | None, served: Served) -> str:
    """The name of the tier that an event is billed by. Raises UsageRefused where the event and its usage differ.

    `auto`, nothing and empty leave the tier open; then the usage counts.
    """
    own = None if leaves_open(stated) else normal_tier(stated)
    if served == AS_USUAL:
        return own or DEFAULT_TIER
    said = _composed(served.tier or DEFAULT_TIER, served.speed, served.place)
    if own is None or own == said:
        return said
    if served.tier not in (None, own.partition("+")[0]):
        raise UsageRefused(
            "service_tiers_differ",
            f"service_tier is {own}, but the usage says {said}: correct the one that is wrong.",
        )
    parts = own.split("+")
    return _composed(own, *(part for part in (served.speed, served.place) if part not in parts))


def _composed(tier: str, *more: str) -> str:
    named = [tier, *(part for part in more if part)]
    return "+".join(named[1:] if tier == DEFAULT_TIER and len(named) > 1 else named)


def _name(text: str) -> str:
    return text.strip().lower()
