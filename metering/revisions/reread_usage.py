"""Reads recorded usage again by what is known of it now: dialects that learnt something, rules that operators made.

Only an event that kept its usage object can be read again: one whose counts did not say it all. What comes out otherwise is
sent as a correction of the event by an operator, so that it takes the one way on which events change: trail, sums, prices and
invoices follow. Read again after that it says the same, and nothing more is sent.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from django.db import connection, transaction

from metering.catalogue.tiers import DEFAULT_TIER
from metering.components import read_of
from metering.ingest.formats.payloads import of_corrections
from metering.ingest.formats.rejected import Rejected
from metering.ingest.formats.usage import kept_hash, opened_usage, tells_dialect, tier_of, understood_usage
from metering.ingest.intake.receive import receive
from metering.ingest.models import IS_BILLED, Batch, UsageSource, decompressed
from metering.pricing.current import current_rates
from metering.pricing.rates import RateTable
from metering.revisions.stored_events import COLUMNS, EventState, Stored, rated, read
from omixa_billing.instants import FIRST_INSTANT
from workspaces.models import Gateway

AT_ONCE = 500  # events that are read together, and at most the corrections of a batch

KEPT = 5  # columns beside those of the event
OLD = Rejected("kept_before_dialects", "What was kept may be of another usage or dialect than the one that is counted.")

# Who has no gateway can be corrected by none, and what a gateway estimated was not said by a provider.
NEXT = f"""
SELECT {COLUMNS}, event.usage, key.public_id, model.slug, (
    SELECT correction.after_tier_id IS NULL FROM metering_eventcorrection correction
    WHERE (correction.workspace_id, correction.request_id, correction.attempt)
        = (event.workspace_id, event.request_id, event.attempt) AND correction.action = 'replace' AND correction.took_effect
    ORDER BY correction.id DESC LIMIT 1
) IS TRUE, (
    SELECT max(correction.id) FROM metering_eventcorrection correction
    WHERE (correction.workspace_id, correction.request_id, correction.attempt)
        = (event.workspace_id, event.request_id, event.attempt) AND correction.action <> 'rerate'
)
FROM metering_usageevent event JOIN metering_servicetier tier ON tier.id = event.service_tier_id
JOIN workspaces_apikey key ON key.id = event.key_id JOIN metering_languagemodel model ON model.id = event.model_id
WHERE event.occurred_at >= %(start)s AND event.occurred_at < %(end)s AND (event.occurred_at, event.id) > (%(at)s, %(id)s)
  AND event.usage IS NOT NULL AND event.{IS_BILLED} AND event.usage_source = {UsageSource.PROVIDER.value}
  AND event.gateway_id IS NOT NULL AND (%(workspace)s::int IS NULL OR event.workspace_id = %(workspace)s)
  AND (%(models)s::int[] IS NULL OR event.model_id = ANY(%(models)s))
ORDER BY event.occurred_at, event.id LIMIT %(limit)s
"""  # noqa: S608  # constants


class RereadScope(NamedTuple):
    """Which events to read again: [start, end), of these models and this workspace (None: all)."""

    start: datetime
    end: datetime
    models: Sequence[int] | None = None
    workspace_id: int | None = None


class Kept(NamedTuple):
    """An event with the usage object that it kept, still compressed."""

    event: Stored
    usage: bytes
    key_id: str
    model: str
    outdated: bool  # the event was replaced while a correction did not change what is kept
    last_correction: int | None


@dataclass(slots=True)
class Changes:
    """Requests of one model that are read otherwise now, and what they cost in pico-dollars; unpriced ones cost 0."""

    requests: int = 0
    before: int = 0
    after: int = 0


@dataclass(slots=True)
class Rereading:
    """What reading again comes to: by model, and how many are refused by which code; `batches` are those that were sent."""

    examined: int = 0
    changes: dict[str, Changes] = field(default_factory=lambda: defaultdict(Changes))
    refused: Counter[str] = field(default_factory=Counter)
    batches: list[str] = field(default_factory=list)


def reread_usage(scope: RereadScope, now: datetime, reason: str | None = None) -> Rereading:
    """Reads all events of the scope again, in bounded memory; with a `reason` what changes is sent to be corrected.

    Raises InboxFull: what was sent before that stays, and the same call sends the rest.
    """
    outcome = Rereading()
    for events in _portions(scope):
        with transaction.atomic():
            rates = current_rates()
            changed = [each for each in events if _is_changed(each, rates, now, outcome)]
        if reason is not None:
            outcome.batches += [batch.public_id for batch in _send(changed, reason, now)]
    return outcome


def _portions(scope: RereadScope) -> Iterator[list[Kept]]:
    at, number = FIRST_INSTANT, 0
    while True:
        with connection.cursor() as cursor:
            cursor.execute(NEXT, {**_parameters(scope), "at": at, "id": number})
            rows = cursor.fetchall()
        stored = read(row[:-KEPT] for row in rows)
        yield [Kept(event, *row[-KEPT:]) for event, row in zip(stored, rows, strict=True)]
        if len(rows) < AT_ONCE:
            return
        at, number = stored[-1].occurred_at, stored[-1].id


def _parameters(scope: RereadScope) -> dict[str, Any]:
    models = None if scope.models is None else list(scope.models)
    return {"start": scope.start, "end": scope.end, "models": models, "workspace": scope.workspace_id, "limit": AT_ONCE}


def _is_changed(kept: Kept, rates: RateTable, now: datetime, outcome: Rereading) -> bool:
    """Whether it is read otherwise now. Notes it, or why it cannot be read any more."""
    outcome.examined += 1
    before = kept.event.state
    try:
        after = _state_now(kept, now)
    except Rejected as rejected:
        outcome.refused[rejected.code] += 1
        return False
    if (after.counts, after.others, after.tier) == (before.counts, before.others, before.tier):
        return False
    changes = outcome.changes[kept.model]
    changes.requests += 1
    changes.before += before.cost or 0
    changes.after += rated(kept.event, after, rates).cost or 0
    return True


def _state_now(kept: Kept, now: datetime) -> EventState:
    """As the worker will correct it: its price follows there. Raises Rejected."""
    stated = decompressed(kept.usage)
    if kept.outdated or not tells_dialect(stated):
        raise OLD
    dialect, usage = opened_usage(stated)
    understood = understood_usage(msgspec.Raw(usage), dialect, now)
    counts, others = read_of(understood.counted)
    state = kept.event.state
    tier = tier_of(None if state.tier == DEFAULT_TIER else state.tier, understood.served)
    return state._replace(counts=counts, others=others, tier=tier)


def _send(changed: Sequence[Kept], reason: str, now: datetime) -> Iterator[Batch]:
    by_gateway: dict[int, list[Kept]] = defaultdict(list)
    for each in changed:
        by_gateway[each.event.gateway_id or 0].append(each)
    gateways = Gateway.objects.in_bulk(by_gateway)
    for number, events in by_gateway.items():
        body = msgspec.json.encode({"corrections": [_correction(each, reason) for each in events]})
        yield receive(of_corrections(body, Batch.Source.REPLAY), gateways[number], now)


def _correction(kept: Kept, reason: str) -> dict[str, Any]:
    dialect, usage = opened_usage(decompressed(kept.usage))
    return {
        "request_id": kept.event.request_id,
        "attempt": kept.event.attempt,
        "key_id": kept.key_id,
        "action": "replace",
        "usage": msgspec.Raw(usage),
        "dialect": dialect,
        "reason": reason,
        "read_from": f"{kept_hash(kept.usage)}.{kept.last_correction or 0}",
    }
