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


def tier_in(usage: dict[str, Any]) -> str | None:
    """What a usage object says of the tier; None where it says nothing."""
    said = usage.get("service_tier")
    return None if said is None else normal_tier(said)


def served(stated: str, said: str | None) -> str | None:
    """The tier of an event that states one, whose usage says another or the same; None where they contradict each other."""
    if said is None or said == stated:
        return stated
    return said if stated == "default" else None


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
    tier = tier_of_event(said.get("service_tier"), tier_in(usage))
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


def tier_of_event(stated: str | None, said: str | None) -> str | None:
    """Unlike one that is recorded already, an event says whether it leaves its tier open."""
    if (stated or "").strip().lower() in ("", "auto"):
        return said or "default"
    own = normal_tier(stated)
    return own if said in (None, own) else None


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
    content = (said["action"], tokens, said.get("reason", ""), tier_in(usage))
    return identity, said["key"], content, kept(usage, dialect)
