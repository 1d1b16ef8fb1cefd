"""Names of service tiers: what providers call the same tier is one name here, whatever its letters' case."""

DEFAULT_TIER = "default"
# Other names of a tier, as providers and gateways write them. `auto` asks for whichever is there, so it is never billed.
ALIASES = {
    "": DEFAULT_TIER,
    "auto": DEFAULT_TIER,
    "standard": DEFAULT_TIER,
    "standard_only": DEFAULT_TIER,
    "on_demand": DEFAULT_TIER,
    "on-demand": DEFAULT_TIER,
    "on_demand_priority": "priority",
    "on_demand_flex": "flex",
}
# What a tier's name can say beside the tier, or instead of the default one: `priority+fast+us`.
SPEEDS = frozenset({"fast"})
PLACES = frozenset({"us", "eu", "uk", "ca", "in", "jp", "kr", "au", "br", "apac"})


def leaves_open(name: str | None) -> bool:
    """Whether a name says nothing of the tier that served: `auto` is what was asked for."""
    return (name or "").strip().lower() in ("", "auto")


def normal_tier(name: str | None) -> str:
    """The billable tier a name stands for, in events and prices alike; case, and space around it, say nothing."""
    plain = (name or "").strip().lower()
    return ALIASES.get(plain, plain)
