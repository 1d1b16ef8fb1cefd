"""Events and corrections as they are sent, and the tier that serves them: what the oracle reads. No project code."""

from datetime import datetime
from typing import Any

from tests.exactness.facts import Kept, Recorded
from tests.exactness.history import MOST_AHEAD, MOST_BEHIND, OWNERS
from tests.exactness.reading import STRANGE, Tokens, read
from tests.scenarios.facts import Happened

NOTHING = Tokens(0, 0, 0, 0, 0, ())


def normal_tier(name: str | None) -> str:
    """Nothing, `auto` and `standard` are the default tier, and case says nothing."""
    name = (name or "").strip().lower()
    return "default" if name in ("", "auto", "standard", "default") else name


Said = tuple[str | None, str | None]  # tier and speed; None where it is left open, and an empty speed is as usual


def said_in(usage: dict[str, Any]) -> Said:
    """What a usage object says of how it was served."""
    tier, speed = usage.get("service_tier"), usage.get("speed")
    return None if tier is None else normal_tier(tier), "" if speed == "standard" else speed


def served(stated: str, said: Said) -> str | None:
    """The tier of an event that was recorded with one, whose usage says what it says; None where they contradict each other."""
    return named(*said) if stated == "default" else agreed(stated, said)


def agreed(stated: str, said: Said) -> str | None:
    """A name has a tier, which is left out where it is the default one, and may have a speed."""
    tier, _, speed = stated.partition("+")
    own: Said = ("default", tier) if tier == "fast" else (tier, speed or None)
    if any(None not in both and both[0] != both[1] for both in zip(own, said, strict=True)):
        return None
    return named(*(other if part is None else part for part, other in zip(own, said, strict=True)))


def named(tier: str | None, speed: str | None) -> str:
    if not speed:
        return tier or "default"
    return speed if tier in (None, "default") else f"{tier}+{speed}"


def kept(usage: dict[str, Any], dialect: str | None) -> Kept | None:
    """Only with the strange number does it say more than the counts."""
    return (usage, dialect) if usage.get(STRANGE) else None


def read_event(sent: dict[str, Any], now: datetime, rule: str | None) -> Recorded | None:
    """The event as it is meant, or None where it cannot be recorded."""
    said = {name: value for name, value in sent.items() if value is not None}
    status, source = said.get("status", "succeeded"), said.get("usage_source", "provider")
    at = datetime.fromisoformat(said["occurred_at"])
    if at.tzinfo is None or not now - MOST_BEHIND <= at <= now + MOST_AHEAD or said["key"] not in OWNERS:
        return None
    tokens = NOTHING if status == "failed" else None
    if "usage" in said:
        tokens = read(said["usage"], said.get("dialect"), rule)
    usage = said.get("usage", {})
    tier = tier_of_event(said.get("service_tier"), said_in(usage))
    if tokens is None or tier is None:
        return None
    provider = said.get("provider", "")
    event = Happened(
        said["request_id"],
        said.get("attempt", 0),
        OWNERS[said["key"]],
        str(said["key"]),
        said["model"],
        tier,
        provider,
        status,
        at,
        **tokens._asdict(),
    )
    content = (said["key"], event.model, status, source, tier, provider, tokens, said.get("user"))
    return Recorded(event, said["key"], content, source, kept=kept(usage, said.get("dialect")))


def tier_of_event(stated: str | None, said: Said) -> str | None:
    """Unlike one that is recorded already, an event says whether it leaves its tier open."""
    if (stated or "").strip().lower() in ("", "auto"):
        return named(*said)
    return agreed(normal_tier(stated), said)


def read_correction(sent: dict[str, Any], _now: datetime, rule: str | None) -> tuple[Any, ...] | None:
    """Identity, key and content, or None where it cannot be meant."""
    said = {name: value for name, value in sent.items() if value is not None}
    if said["key"] not in OWNERS or (said["action"] == "void") == ("usage" in said):
        return None
    usage, dialect = said.get("usage", {}), said.get("dialect")
    tokens = read(usage, dialect, rule) if "usage" in said else NOTHING
    if tokens is None:
        return None
    identity = (OWNERS[said["key"]], said["request_id"], said.get("attempt", 0))
    content = (said["action"], tokens, said.get("reason", ""), said_in(usage))
    return identity, said["key"], content, kept(usage, dialect)
