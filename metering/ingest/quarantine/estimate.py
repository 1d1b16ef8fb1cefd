"""What a quarantined event would bill: an estimate for people, in no sum that anybody is billed or reports by.

Exact where the event can be read and a price is in force. Where only its usage contradicts itself, the least that its parts
state: the smallest input and the smallest output any of its fields names, as much of the input cached as any of them says.
An unknown key pays the list price. Without a model, a token count or a price: None, which is not nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
from django.db import connection, transaction

from metering.catalogue.models import LanguageModel
from metering.components import NOTHING, Reading, new_counts, read_of
from metering.ingest.directory import directory
from metering.ingest.formats.dialects.registry import DialectName
from metering.ingest.formats.dialects.served import AS_USUAL, Served, billed_tier
from metering.ingest.formats.dialects.shape import MAX_TOKENS, UsageRefused
from metering.ingest.formats.dialects.understand import count_known
from metering.ingest.formats.events import INSTANT, UNREADABLE
from metering.ingest.models import IS_OPEN, Batch, QuarantinedEvent
from metering.money import from_pico
from metering.pricing.current import current_rates
from metering.pricing.rates import LIST_PRICE, RateTable, event_cost

INPUTS = ("prompt_tokens", "input_tokens", "promptTokenCount", "prompt_token_count")
OUTPUTS = ("completion_tokens", "output_tokens", "candidatesTokenCount", "candidates_token_count")
CACHED = ("cache_read_input_tokens", "cachedContentTokenCount", "cached_content_token_count")
DETAILS = ("prompt_tokens_details", "input_tokens_details")

# Where this process continues: what cannot be estimated now may be once its key or its price exists.
_after = 0

# What an operator is settling at this moment is left to him: to wait for it in any other order than his would be a deadlock.
WRITE = f"""
WITH still_open AS MATERIALIZED (
    SELECT event.id, estimated.cost
    FROM metering_quarantinedevent event JOIN unnest(%s::bigint[], %s::numeric[]) AS estimated (id, cost) USING (id)
    WHERE event.{IS_OPEN} FOR UPDATE OF event SKIP LOCKED
)
UPDATE metering_quarantinedevent event SET estimated_cost = still_open.cost FROM still_open WHERE event.id = still_open.id
"""  # noqa: S608 - a constant


class Estimable(msgspec.Struct, gc=False):
    """The few fields a price depends on, whatever is wrong with the others."""

    model: str
    key_id: Any = None
    occurred_at: Any = None
    status: Any = None
    service_tier: Any = None
    dialect: Any = None
    usage: msgspec.Raw = msgspec.Raw(b"null")


_estimable = msgspec.json.Decoder(Estimable)


class Read(msgspec.Struct, gc=False):
    """What is to be priced."""

    model: str
    key_id: str
    tier: str
    at: datetime
    counted: Reading


def estimate(content: bytes, kind: str, now: datetime) -> Decimal | None:
    """Exact USD; None where nothing can be stated. `now` stands for a time that cannot be read."""
    return estimates([(content, kind, now)])[0]


def estimates(contents: Sequence[tuple[bytes, str, datetime]]) -> list[Decimal | None]:
    """The same for several (content, kind, arrival) in one transaction and a fixed number of statements."""
    read = [_read(content, arrived) if kind == Batch.Kind.EVENTS else None for content, kind, arrived in contents]
    keys = directory.find_keys({each.key_id for each in read if each})
    slugs = {each.model for each in read if each}
    models = dict(LanguageModel.objects.filter(slug__in=slugs).values_list("slug", "id"))
    owners = {name: keys[name].workspace_id for name in keys}
    with transaction.atomic():
        rates = current_rates()
        return [None if each is None else _cost(each, models, owners, rates) for each in read]


def fill_estimates(limit: int = 1_000) -> int:
    """Estimates up to `limit` open events that have no estimate yet, and returns how many it could.

    Each call continues where the last one of this process stopped, and begins again at the end.
    """
    global _after
    waiting = QuarantinedEvent.objects.open().filter(estimated_cost__isnull=True, id__gt=_after)
    rows = list(waiting.order_by("id").values_list("id", "content", "kind", "created_at")[:limit])
    _after = rows[-1][0] if len(rows) == limit else 0
    found = estimates([(bytes(content), kind, created_at) for _, content, kind, created_at in rows]) if rows else []
    known = [(row[0], cost) for row, cost in zip(rows, found, strict=True) if cost is not None]
    if known:
        with connection.cursor() as cursor:
            cursor.execute(WRITE, [[pk for pk, _ in known], [cost for _, cost in known]])
    return len(known)


def _cost(read: Read, models: dict[str, int], owners: dict[str, int], rates: RateTable) -> Decimal | None:
    counts, others = read.counted
    if counts == NOTHING and not others:
        return Decimal(0)
    model, workspace = models.get(read.model), owners.get(read.key_id, LIST_PRICE)
    found = None if model is None else rates.find(model, read.tier, workspace, read.at, counts.input)
    cost = None if found is None else event_cost(found, counts, others)
    return None if cost is None else from_pico(cost)


def _read(content: bytes, arrived: datetime) -> Read | None:
    try:
        sent = _estimable.decode(content)
    except UNREADABLE:
        return None
    counted, served = (Reading(NOTHING), AS_USUAL) if sent.status == "failed" else _counted(sent)
    if counted is None:
        return None
    key_id = sent.key_id if isinstance(sent.key_id, str) else ""
    tier = _tier(sent.service_tier, served)
    return Read(_storable(sent.model), _storable(key_id), tier, _instant(sent.occurred_at, arrived), counted)


def _storable(text: str) -> str:
    """What no name in the database is, where it holds what a query could not even ask for."""
    return "" if "\x00" in text else text


def _instant(stated: Any, arrived: datetime) -> datetime:
    """When it says it occurred; what is no time, or lies after its arrival, is taken for that."""
    if isinstance(stated, str) and INSTANT.fullmatch(stated):
        try:
            return min(datetime.fromisoformat(stated.upper()).astimezone(UTC), arrived)
        except (ValueError, OverflowError):
            return arrived
    return arrived


def _tier(stated: Any, served: Served) -> str:
    """Empty where nobody knows: no price has that name."""
    try:
        return billed_tier(stated, served) if isinstance(stated, str | None) else ""
    except UsageRefused:
        return ""


def _counted(sent: Estimable) -> tuple[Reading | None, Served]:
    """All that is understood of the usage, whatever else is in it."""
    try:
        counted, served = count_known(sent.usage, msgspec.convert(sent.dialect, DialectName | None))
        return read_of(counted), served
    except (UsageRefused, msgspec.ValidationError):
        return _least(sent.usage), AS_USUAL


def _least(stated: msgspec.Raw) -> Reading | None:
    """The least that the parts of a usage object state, each taken alone; None where one names no number."""
    try:
        usage = msgspec.json.decode(stated)
    except UNREADABLE:
        return None
    if not isinstance(usage, dict):
        return None
    input, output = _named(usage, INPUTS), _named(usage, OUTPUTS)
    if not input and not output:
        return None
    details = [usage[name] for name in DETAILS if isinstance(usage.get(name), dict)]
    cached = _named(usage, CACHED) + [tokens for each in details for tokens in _named(each, ("cached_tokens",))]
    least = min(input, default=0)
    return Reading(new_counts(least, min(output, default=0), min(max(cached, default=0), least)))


def _named(fields: dict[str, Any], names: Sequence[str]) -> list[int]:
    """The token counts among these fields."""
    values = [fields.get(name) for name in names]
    return [value for value in values if type(value) is int and 0 <= value <= MAX_TOKENS]
