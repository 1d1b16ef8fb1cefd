"""What a usage object says of how the response was served, where that changes the price: tier, speed, geography.

Together they are one name, by which a price is found: `priority+fast+us`. Parts that are as usual are left out, so that plain
traffic stays `default`; a name that no price has is unpriced, and so never billed by the wrong card.
"""

from collections.abc import Mapping
from typing import NamedTuple

from metering.catalogue.tiers import DEFAULT_TIER, PLACES, SPEEDS, leaves_open, normal_tier
from metering.ingest.formats.dialects.leaves import Usage
from metering.ingest.formats.dialects.shape import UsageRefused, wrong_kind

# By Google's own name as well, at the top and where its endpoint in OpenAI's shape has it.
TIER_PATHS = ("service_tier", "serviceTier", "trafficType", "traffic_type", "extra_properties.google.traffic_type")
SAID = (*TIER_PATHS, "speed", "inference_geo")  # each is a text, or nothing
INSIDE = tuple(f"{path}." for path in SAID)
# Of these, what is as usual, and what leaves it open.
USUAL_SPEEDS = frozenset({"standard", "normal", "default"})
USUAL_PLACES = frozenset({"global", "default"})
UNKNOWN = frozenset({"", "not_available", "none", "unknown"})


class Served(NamedTuple):
    """None where the usage leaves it open; speed and place are empty where it says that they are as usual."""

    tier: str | None = None
    speed: str | None = None
    place: str | None = None

    @property
    def billed(self) -> "Served":
        """What of it changes the price: what is as usual is as if it was left open."""
        return Served(self.tier, self.speed or "", self.place or "")

    @property
    def name(self) -> str:
        """The name of the tier that it comes to."""
        named = [self.tier or DEFAULT_TIER, *(part for part in (self.speed, self.place) if part)]
        return "+".join(named[1:] if named[0] == DEFAULT_TIER and len(named) > 1 else named)


AS_USUAL = Served()


def check_served(usage: Usage) -> None:
    """Refuses what says how the response was served and is no text: passed over, it would be billed as usual."""
    for path in SAID:
        if path in usage.flags:
            raise wrong_kind(path, "str | null", "bool")
        if path in usage.lists:
            raise wrong_kind(path, "str | null", "array")
    for path in usage.stated:
        if path.startswith(INSIDE):
            raise wrong_kind(next(each for each in SAID if path.startswith(f"{each}.")), "str | null", "object")


def served_as_stated(texts: Mapping[str, str]) -> Served:
    """From the texts of a usage object by their path. Raises UsageRefused where it names two tiers."""
    if not texts:
        return AS_USUAL
    tiers = {normal_tier(texts[path]) for path in TIER_PATHS if not leaves_open(texts.get(path))}
    if len(tiers) > 1:
        raise UsageRefused("service_tiers_differ", f"The usage names several service tiers: {', '.join(sorted(tiers))}.")
    speed, place = _stated(texts.get("speed", ""), USUAL_SPEEDS), _stated(texts.get("inference_geo", ""), USUAL_PLACES)
    return Served(tiers.pop() if tiers else None, speed, place)


def _stated(text: str, usual: frozenset[str]) -> str | None:
    name = text.strip().lower()
    if name in UNKNOWN:
        return None
    return "" if name in usual else name


def billed_tier(stated: str | None, served: Served) -> str:
    """The name of the tier that an event is billed by. Raises UsageRefused where the event and its usage differ.

    `auto`, nothing and empty leave the tier open; then the usage counts. What one of both leaves open the other one says.
    """
    own = None if leaves_open(stated) else normal_tier(stated)
    if own is None or served == AS_USUAL:
        return own or served.name
    named = _parts(own, served)
    if any(None not in both and both[0] != both[1] for both in zip(named, served, strict=True)):
        raise UsageRefused(
            "service_tiers_differ",
            f"service_tier is {own}, but the usage says {served.name}: correct the one that is wrong.",
        )
    return Served(*(said if part is None else part for part, said in zip(named, served, strict=True))).name


def _parts(name: str, served: Served) -> Served:
    """The parts of a tier's name. The default tier is left out of it; a speed or place, known or the usage's, is no tier."""
    tier, speed, place = None, None, None
    for part in name.split("+"):
        if place is None and (part in PLACES or part == served.place):
            place = part
        elif speed is None and (part in SPEEDS or part == served.speed or tier is not None):
            speed = part
        else:
            tier = part if tier is None else f"{tier}+{part}"
    return Served(tier or DEFAULT_TIER, speed, place)
